/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/space/exec_reply.c */
/* PARSERS: managers/processor/fs/storagefs.c managers/processor/space/exec_reply.c */
/*
 * What a processor node is told: answers of storage nodes about volumes, names, attributes and folders, and a memory node's answer to an exec, of
 * any bytes, of any length that FIT lets pass. Nothing of them reaches a program that Linux could not say, nor a place outside the answer.
 */
#include <string.h>

#include "managers/processor/fs/test_storagefs.h"
#include "managers/processor/space/exec_reply.h"

static const u8 *in;
static size_t in_left;

static u8 next_byte(void) { return in_left == 0 ? 0 : (in_left--, *in++); }

/* The rest of the input from here on, as far as there is room; zeros behind it. Returns what there was of it. */
static u32 next_bytes(void *to, u32 room)
{
	u32 n = MIN((size_t)room, in_left);

	memset(to, 0, room);
	memcpy(to, in, n);
	in += n;
	in_left -= n;
	return n;
}

static u32 fixed_size(unsigned op)
{
#define REP_SIZE(nr, name, class) case nr: return sizeof(struct rpc_##name##_rep);
	switch (op) {
	RPC_STORAGE_OPS(REP_SIZE)
	}
	panic("no such call: %u", op);
}

/* Attributes as a sound node has them; an answer changes some of their bytes. */
static const struct wire_attr sound = {
	.mode = { S_IFREG | 0644 }, .ino = { 12 }, .size = { 5000 }, .nlink = { 1 }, .blksize = { 4096 },
};

/* As FIT: an error without data, or at least the fixed reply. */
int rpc_call_bulk(unsigned node, unsigned op, const void *req, const void *bulk, u32 bulk_len, void *rep, u32 rep_size, u32 *rep_len)
{
	u8 how = next_byte(), kind = next_byte();
	u32 fixed = fixed_size(op), len;

	if (rep_len != NULL)
		*rep_len = 0;
	if (how < 32)
		return -(int)(how % 31) - 1 - (how & 1) * 100;
	if (how < 48) {
		len = next_bytes(rep, rep_size);
	} else {
		static const u32 types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFIFO, S_IFSOCK, S_IFBLK, 0170000 };

		memset(rep, 0, rep_size);
		len = next_byte() | (u32)(next_byte() & 15) << 8;
		if (op != RPC_storage_statfs && op != RPC_storage_readdir && op != RPC_storage_mounts && fixed >= sizeof(sound)) {
			memcpy(rep, &sound, sizeof(sound));
			((struct wire_attr *)rep)->mode = le32_of(types[kind % 8] | 0644);
		}
		for (unsigned n = kind / 8 % 4; n > 0 && rep_size > 0; n--) {
			u32 at = (next_byte() | (u32)next_byte() << 8) % rep_size;

			((u8 *)rep)[at] = next_byte();
		}
		if (rep_size > fixed && rep_len != NULL)
			(void)next_bytes((u8 *)rep + fixed, MIN(rep_size - fixed, len));
	}
	if (rep_len != NULL)
		*rep_len = MAX(fixed, MIN(len, rep_size));
	return how < 56 ? (int)how : 0;
}


static void attr_check(const struct inode *i, const struct attr *a)
{
	BUG_ON((a->mode & S_IFMT) != i->type || !type_known(i->type) || a->size > WIRE_SIZE_MAX || a->atime.nsec >= NSEC_PER_SEC ||
	    a->mtime.nsec >= NSEC_PER_SEC || a->ctime.nsec >= NSEC_PER_SEC || a->btime.nsec >= NSEC_PER_SEC);
}

void attr_keep(struct inode *i, const struct attr_asked *asked, const struct attr *a, u32 lease_ms, unsigned own) { attr_check(i, a); }
void attr_rights_answered(struct inode *i, const struct attr_asked *asked, const struct attr *a) { attr_check(i, a); }
void attr_change_end_rights(const struct attr_file *f, struct inode *i, const struct attr_asked *asked, const struct attr *now)
{
	if (now != NULL)
		attr_check(i, now);
}
bool attr_rights_right(const struct inode *i) { return next_byte() & 1; }
static s64 moved(size_t len) { return next_byte() < 128 ? -EIO : (s64)MIN(len, (size_t)next_byte()); }
s64 object_read(struct object *o, u64 off, void *buf, size_t len) { return moved(len); }
s64 object_write(struct object *o, u64 *off, const void *buf, size_t len, bool append) { return moved(len); }
int object_sync(struct object *o, bool disk) { return next_byte() < 128 ? -EIO : 0; }
bool object_is_shm(const struct object *o) { return next_byte() & 1; }
u64 object_size(struct object *o) { return next_byte(); }
s64 object_seek(struct object *o, u64 off, bool hole) { return next_byte() < 128 ? -ENXIO : (s64)off; }

static void inode_free(struct inode *i)
{
	storage_release(i);
	kfree(i);
}

/* Entries one behind the other, each a name that can be. */
static void listing_check(const u8 *buf, s64 len, size_t room)
{
	s64 at = 0;

	BUG_ON(len > (s64)room);
	while (at < len) {
		const struct dirent64_abi *d = (const void *)(buf + at);

		BUG_ON(d->reclen < sizeof(*d) + 2 || d->reclen > len - at || d->reclen % 8 != 0 || d->off <= 0 || d->name[0] == '\0' ||
		    memchr(d->name, '\0', d->reclen - sizeof(*d)) == NULL || memchr(d->name, '/', d->reclen - sizeof(*d)) != NULL);
		at += d->reclen;
	}
}

/* A place in the tree, and a folder there that no other volume's can be taken for. */
static int volume(const char *path, struct inode *root, void *nr)
{
	BUG_ON(path[0] != '/' || strlen(path) >= sizeof(((struct wire_mount *)0)->path) || root->type != S_IFDIR || root->ino == 0 ||
	    root->dev != dev_of(root->node, root->fs) || root->dev >= dev_of(root->node + 1, 0) || ++*(unsigned *)nr > MOUNTS_MAX);
	inode_free(root);
	return next_byte() < 240 ? 0 : -ENOMEM;
}

static int storage(struct inode *dir, struct inode *file, struct file *f)
{
	struct new_file how = { .mode = S_IFREG | 0644 };
	struct inode *new = NULL;
	struct statfs_abi st;
	struct attr a = { 0 };
	char buf[4096], target[64];
	u64 pos = next_byte();
	int rc = 0;
	s64 n;

	switch (next_byte() % 16) {
	case 0: rc = storage_lookup(dir, "a", &new); break;
	case 1: rc = pos & 1 ? storage_create_nameless(dir, &how, pos & 2, &new) : storage_create(dir, "a", &how, &new); break;
	case 2: rc = storage_symlink(dir, "a", "target", &how, &new); break;
	case 3: rc = storage_link(dir, "a", file); break;
	case 4: rc = storage_unlink(dir, "a", next_byte() & 1); break;
	case 5: rc = storage_rename(dir, "a", dir, "b", 0); break;
	case 6: rc = storage_setattr(file, &a, next_byte()); break;
	case 7: rc = storage_statfs(file, &st); break;
	case 8: rc = pos & 1 ? storage_again(file, &new) : storage_rights(file); break;
	case 9:
		rc = storage_getattr(next_byte() & 1 ? dir : file, &a);
		break;
	case 10:
		new = storagefs_root(2, 0, 5, 1, S_IFLNK | 0777);
		n = storage_readlink(new, target, sizeof(target));
		BUG_ON(n > (s64)sizeof(target) || (n > 0 && memchr(target, '\0', n) != NULL));
		inode_free(new);
		return 0;
	case 11:
		rc = storage_open(file, f);
		break;
	case 12:
		(void)regular_seek(f, (s64)pos - 100, next_byte() % 6);
		(void)directory_seek(f, (s64)pos - 100, next_byte() % 6);
		break;
	case 13:
		(void)regular_write(f, buf, sizeof(buf), &pos);
		(void)regular_read(f, buf, sizeof(buf), &pos);
		break;
	case 14: {
		unsigned nr = 0;

		rc = storagefs_volumes(next_byte() % FIT_MAX_NODES, volume, &nr);
		break;
	}
	default:
		n = directory_readdir(f, buf, next_byte() * 16);
		listing_check((u8 *)buf, n, sizeof(buf));
		break;
	}
	if (new != NULL) {
		BUG_ON(!type_known(new->type) || new->ino == 0);
		inode_free(new);
	}
	return rc;
}

/* An exec that could be, with bytes of the input over it; what is let through is a program's map. */
static void exec(void)
{
	static const struct wire_vma vma[2] = {
		{ .start = { 0x400000 }, .end = { 0x402000 }, .object = { WIRE_OBJECT_FIRST + 1 }, .prot = { 5 } },
		{ .start = { 0x7ffff0000000 }, .end = { 0x7ffff0010000 }, .prot = { 3 }, .flags = { VMA_STACK | VMA_GROWSDOWN | VMA_ACCOUNTED } },
	};
	static const le64 private = { 0x401 };
	u32 size = sizeof(struct exec_reply) + sizeof(vma) + sizeof(private), len = size - next_byte() % 16 + next_byte() % 8;
	struct exec_reply *r = kzalloc(MAX(len, size));
	const struct wire_vma *w;
	struct exec_reply *cut;
	u64 last = 0;

	*r = (struct exec_reply){ .r = {
		.entry = le64_of(0x400100), .brk = le64_of(0x500000), .stack_top = le64_of(0x7ffff0010000), .mmap_top = le64_of(0x7fffe0000000),
		.code_start = le64_of(0x400000), .code_end = le64_of(0x402000), .commit = le64_of(0x10), .nr_vmas = le32_of(2),
		.nr_private = le32_of(1),
	} };
	memcpy(r->bulk, vma, sizeof(vma));
	memcpy(r->bulk + sizeof(vma), &private, sizeof(private));
	for (unsigned n = next_byte() % 8; n > 0; n--) {
		u8 at = next_byte();

		((u8 *)r)[(at + 256 * (n & 1)) % size] = next_byte();
	}
	cut = kmalloc(len);			/* so that a byte behind what came is noticed */
	memcpy(cut, r, len);
	kfree(r);
	if (exec_reply_ok(cut, len)) {
		w = exec_reply_vmas(cut);
		for (u32 i = 0; i < le32_get(cut->r.nr_vmas); i++) {
			BUG_ON(le64_get(w[i].start) < last || le64_get(w[i].end) <= le64_get(w[i].start) || le64_get(w[i].end) > USER_END);
			last = le64_get(w[i].end);
		}
	}
	kfree(cut);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct inode dir = { .type = S_IFDIR, .mode = S_IFDIR | 0755, .ino = 2 };
	struct inode file = { .type = S_IFREG, .mode = S_IFREG | 0600, .ino = 12 };
	struct file f = { .inode = &dir };

	in = data;
	in_left = size;
	for (unsigned n = 0; in_left > 0 && n < 64; n++) {
		if (next_byte() % 4 == 0)
			exec();
		else
			BUG_ON(storage(&dir, &file, &f) > 0);		/* a program would take it for success */
	}
	return 0;
}
