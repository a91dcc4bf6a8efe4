/* SPDX-License-Identifier: MIT */
/* Files of the storage nodes: names and attributes by RPC to the node, data through their struct object. */
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/fs/attr_cache.h"
#include "managers/processor/process/process.h"
#include "managers/protocol/protocol.h"
#include "mm/slab.h"
#include "net/fit/rpc.h"

static const struct inode_ops storage_inode_ops;

#define FILE_ID(q, i) ((q).fs = le32_of((i)->fs), (q).gen = le32_of((i)->gen), (q).ino = le64_of((i)->ino))
#define NOW(q) do { u64 ns_ = time_wall_ns(); (q).now = le64_of(ns_ / NSEC_PER_SEC); (q).now_ns = le32_of(ns_ % NSEC_PER_SEC); } while (0)

/* None of these calls has a status but 0 or an error: another is a node's nonsense, which a program must not take for a result. */
static int ask(unsigned node, unsigned op, const void *req, const void *bulk, u32 bulk_len, void *rep, u32 rep_size, u32 *rep_len)
{
	int rc = rpc_call_bulk(node, op, req, bulk, bulk_len, rep, rep_size, rep_len);

	return rc > 0 ? -EIO : rc;
}

/* The same, of what S counts for us: an end that is not known would leave it there for as long as this node is up. */
static int ask_sure(unsigned node, unsigned op, const void *req, void *rep, u32 rep_size)
{
	int rc = rpc_call_sure(node, op, req, rep, rep_size);

	return rc > 0 ? -EIO : rc;
}

static bool type_known(u32 type)
{
	return type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFCHR || type == S_IFBLK || type == S_IFIFO ||
	       type == S_IFSOCK;
}

/* Can a file be so? Its kind never changes, and what it says of size and times is what stat() can. */
static bool attr_ok(const struct wire_attr *a, u32 type)
{
	return (le32_get(a->mode) & S_IFMT) == type && type_known(type) && le64_get(a->ino) != 0 && le64_get(a->size) <= WIRE_SIZE_MAX &&
	       le32_get(a->atime_ns) < NSEC_PER_SEC && le32_get(a->mtime_ns) < NSEC_PER_SEC && le32_get(a->ctime_ns) < NSEC_PER_SEC &&
	       le32_get(a->btime_ns) < NSEC_PER_SEC;
}

#define FS_MAX	16		/* volumes of a node */

static u64 dev_of(unsigned node, u32 fs)
{
	return 0x800 + node * FS_MAX + fs;
}

static struct inode *inode_of(unsigned node, const struct wire_attr *a)
{
	struct inode *i = inode_alloc(&storage_inode_ops, le32_get(a->mode));

	if (i == NULL)
		return NULL;
	i->node = node;
	i->fs = le32_get(a->fs);
	i->gen = le32_get(a->gen);
	i->ino = le64_get(a->ino);
	i->uid = le32_get(a->uid);
	i->gid = le32_get(a->gid);
	i->rdev = le32_get(a->rdev);
	i->dev = dev_of(node, i->fs);
	return i;
}

struct inode *storagefs_root(unsigned node, u32 fs, u64 ino, u32 gen, u32 mode)
{
	struct wire_attr a = { 0 };

	a.mode = le32_of(mode);
	a.fs = le32_of(fs);
	a.gen = le32_of(gen);
	a.ino = le64_of(ino);
	return inode_of(node, &a);
}

static int storage_again(struct inode *i, struct inode **out)
{
	struct inode *n = inode_alloc(&storage_inode_ops, READ_ONCE(i->mode));

	if (n == NULL)
		return -ENOMEM;
	n->node = i->node;
	n->fs = i->fs;
	n->gen = i->gen;
	n->ino = i->ino;
	n->dev = i->dev;
	n->rdev = i->rdev;
	*out = n;
	return 0;
}

static void attr_fill(const struct inode *i, struct attr *a, const struct wire_attr *w)
{
	a->dev = i->dev;
	a->ino = le64_get(w->ino);
	a->size = le64_get(w->size);
	a->blocks = le64_get(w->blocks);
	a->rdev = le32_get(w->rdev);
	a->mode = le32_get(w->mode);
	a->nlink = le32_get(w->nlink);
	a->uid = le32_get(w->uid);
	a->gid = le32_get(w->gid);
	a->blksize = le32_get(w->blksize);
	a->atime.sec = le64_get(w->atime);
	a->atime.nsec = le32_get(w->atime_ns);
	a->mtime.sec = le64_get(w->mtime);
	a->mtime.nsec = le32_get(w->mtime_ns);
	a->ctime.sec = le64_get(w->ctime);
	a->ctime.nsec = le32_get(w->ctime_ns);
	a->btime.sec = le64_get(w->btime);
	a->btime.nsec = le32_get(w->btime_ns);
}

/* An answer, kept for the next who asks. */
static void attr_answered(struct inode *i, const struct attr_asked *asked, struct attr *a, const struct wire_attr *w)
{
	attr_fill(i, a, w);
	attr_rights_answered(i, asked, a);
	attr_keep(i, asked, a, le32_get(w->lease_ms), 0);
}

/* --- what there is --- */

#define MOUNTS_MAX	32

/* Can a volume be so? Its number is a part of its files' device number. */
static bool mount_ok(const struct wire_mount *m)
{
	return le32_get(m->fs) < FS_MAX && le64_get(m->root_ino) != 0 && m->path[0] == '/' && memchr(m->path, '\0', sizeof(m->path)) != NULL;
}

int storagefs_volumes(unsigned node, int (*fn)(const char *path, struct inode *root, void *arg), void *arg)
{
	const u32 size = sizeof(struct rpc_storage_mounts_rep) + MOUNTS_MAX * sizeof(struct wire_mount);
	struct rpc_storage_mounts_rep *r = kzalloc(size);
	const struct wire_mount *m;
	u32 got;
	int rc;

	if (r == NULL)
		return -ENOMEM;
	rc = ask(node, RPC_storage_mounts, NULL, NULL, 0, r, size, &got);
	m = (const struct wire_mount *)(r + 1);
	for (u32 i = 0; rc == 0 && i < le32_get(r->nr) && sizeof(*r) + (i + 1) * sizeof(*m) <= got; i++) {
		struct inode *root;

		if (!mount_ok(&m[i])) {
			pr_warn("fs: %s says of a volume what cannot be", fit_node_name(node));
			continue;
		}
		root = storagefs_root(node, le32_get(m[i].fs), le64_get(m[i].root_ino), le32_get(m[i].root_gen), S_IFDIR | 0755);
		rc = root == NULL ? -ENOMEM : fn(m[i].path, root, arg);
	}
	kfree(r);
	return rc;
}

/* --- changes: each as attr_cache.h wants it --- */

static struct attr_file file_of(const struct inode *i) { return (struct attr_file){ i->node, i->fs, i->ino }; }

/* The end of a change of files that the reply names; one that failed may have changed any. */
static void change_end(int rc, const struct attr_file *f, unsigned nr)
{
	if (rc < 0)
		attr_change_end(NULL);
	else
		attr_change_end_found(f, nr);
}

/* In a folder that is removed there are no names. */
static int gone(int rc)
{
	return rc == -ESTALE ? -ENOENT : rc;
}

static int result(unsigned node, int rc, const struct wire_attr *a, struct inode **out)
{
	if (rc < 0)
		return gone(rc);
	if (!attr_ok(a, le32_get(a->mode) & S_IFMT))
		return -EIO;
	*out = inode_of(node, a);
	return *out ? 0 : -ENOMEM;
}

static char *target_of(const char *text, size_t len)
{
	char *target = kmalloc(len + 1);

	if (target != NULL) {
		memcpy(target, text, len);
		target[len] = '\0';
	}
	return target;
}

static int storage_lookup(struct inode *dir, const char *name, struct inode **out)
{
	struct { struct rpc_storage_lookup_rep r; char target[WIRE_TARGET_MAX]; } __packed rep;
	struct rpc_storage_lookup_req q;
	struct attr_asked asked;
	struct attr a;
	u32 len;
	int rc;

	FILE_ID(q, dir);
	attr_ask(&asked);
	rc = ask(dir->node, RPC_storage_lookup, &q, name, strlen(name), &rep, sizeof(rep), &len);
	rc = result(dir->node, rc, &rep.r.attr, out);
	if (rc < 0)
		return rc;
	attr_answered(*out, &asked, &a, &rep.r.attr);
	if ((*out)->type == S_IFLNK && len > sizeof(rep.r))	/* no memory: it is asked for when it is wanted */
		(*out)->target = target_of(rep.target, len - sizeof(rep.r));
	return 0;
}

/* S holds it for us no more. An error: S, or this node in its eyes, is new, and knows of no hold. */
static void storage_let_go(unsigned node, le32 fs, le32 gen, le64 ino)
{
	struct rpc_storage_release_req q = { .fs = fs, .gen = gen, .ino = ino };
	struct rpc_storage_release_rep r;

	(void)!ask_sure(node, RPC_storage_release, &q, &r, sizeof(r));
}

/* Without a name (""): the file is held for us. */
static int storage_create(struct inode *dir, const char *name, const struct new_file *how, struct inode **out)
{
	struct rpc_storage_create_req q = { 0 };
	struct rpc_storage_create_rep r;
	struct attr_file f = file_of(dir);
	bool named = name[0] != '\0', made;
	struct attr_asked asked;
	struct attr a;
	int rc;

	FILE_ID(q, dir);
	NOW(q);
	q.mode = le32_of(how->mode);
	q.uid = le32_of(how->uid);
	q.gid = le32_of(how->gid);
	q.rdev = le32_of(how->rdev);
	attr_change_begin(&f);
	attr_ask(&asked);
	if (named)
		rc = ask(dir->node, RPC_storage_create, &q, name, strlen(name), &r, sizeof(r), NULL);
	else
		rc = ask_sure(dir->node, RPC_storage_create, &q, &r, sizeof(r));
	made = rc == 0;
	rc = result(dir->node, rc, &r.attr, out);
	if (rc == 0) {
		attr_fill(*out, &a, &r.attr);
		attr_rights_answered(*out, &asked, &a);
		attr_keep(*out, &asked, &a, le32_get(r.attr.lease_ms), 1);
	}
	attr_change_end(&f);
	if (made && rc < 0 && !named)
		storage_let_go(dir->node, r.attr.fs, r.attr.gen, r.attr.ino);
	return rc;
}

/* O_TMPFILE: the storage node holds it for us until storage_release(). */
static int storage_create_nameless(struct inode *dir, const struct new_file *how, bool linkable, struct inode **out)
{
	int rc = storage_create(dir, "", how, out);

	if (rc < 0)
		return rc;
	(*out)->held = true;
	WRITE_ONCE((*out)->linkable, linkable);
	return 0;
}

/* Two strings behind each other, as symlink and rename send them. */
static int call_two(struct inode *dir, unsigned op, const void *q, const char *a, const char *b, void *r, u32 r_size)
{
	size_t la = strlen(a), lb = strlen(b);
	char *both = kmalloc(la + lb);
	int rc;

	if (both == NULL)
		return -ENOMEM;
	memcpy(both, a, la);
	memcpy(both + la, b, lb);
	rc = ask(dir->node, op, q, both, la + lb, r, r_size, NULL);
	kfree(both);
	return rc;
}

static int storage_symlink(struct inode *dir, const char *name, const char *target, const struct new_file *how, struct inode **out)
{
	struct rpc_storage_symlink_req q = { 0 };
	struct rpc_storage_symlink_rep r;
	struct attr_file f = file_of(dir);
	int rc;

	FILE_ID(q, dir);
	NOW(q);
	q.uid = le32_of(how->uid);
	q.gid = le32_of(how->gid);
	q.name_len = le32_of(strlen(name));
	attr_change_begin(&f);
	rc = call_two(dir, RPC_storage_symlink, &q, name, target, &r, sizeof(r));
	attr_change_end(&f);
	return result(dir->node, rc, &r.attr, out);
}

static int storage_link(struct inode *dir, const char *name, struct inode *target)
{
	struct rpc_storage_link_req q = { 0 };
	struct rpc_storage_link_rep r;
	struct attr_file f[] = { file_of(dir), file_of(target) };
	int rc;

	FILE_ID(q, target);
	NOW(q);
	q.dir_ino = le64_of(dir->ino);
	q.dir_gen = le32_of(dir->gen);
	q.first = le32_of(READ_ONCE(target->linkable));
	attr_change_begin(NULL);
	rc = ask(dir->node, RPC_storage_link, &q, name, strlen(name), &r, sizeof(r), NULL);
	change_end(rc, f, ARRAY_SIZE(f));
	if (rc == 0)
		WRITE_ONCE(target->linkable, false);
	return gone(rc);
}

static int storage_unlink(struct inode *dir, const char *name, bool rmdir)
{
	struct rpc_storage_unlink_req q = { 0 };
	struct rpc_storage_unlink_rep r = { 0 };
	int rc;

	FILE_ID(q, dir);
	NOW(q);
	q.rmdir = le32_of(rmdir);
	attr_change_begin(NULL);
	rc = ask(dir->node, RPC_storage_unlink, &q, name, strlen(name), &r, sizeof(r), NULL);
	change_end(rc, (struct attr_file[]){ file_of(dir), { dir->node, dir->fs, le64_get(r.attr.ino) } }, 2);
	return gone(rc);
}

static int storage_rename(struct inode *from, const char *old, struct inode *to, const char *new, u32 flags)
{
	struct rpc_storage_rename_req q = { 0 };
	struct rpc_storage_rename_rep r = { 0 };
	int rc;

	FILE_ID(q, from);
	NOW(q);
	q.new_ino = le64_of(to->ino);
	q.new_gen = le32_of(to->gen);
	q.flags = le32_of(flags);
	q.name_len = le32_of(strlen(old));
	attr_change_begin(NULL);
	rc = call_two(from, RPC_storage_rename, &q, old, new, &r, sizeof(r));
	change_end(rc, (struct attr_file[]){ file_of(from), file_of(to), { from->node, from->fs, le64_get(r.moved) },
					     { from->node, from->fs, le64_get(r.replaced) } }, 4);
	return gone(rc);
}

static int read_target(struct inode *i)
{
	struct rpc_storage_readlink_req q;
	struct { struct rpc_storage_readlink_rep r; char text[PATH_MAX]; } __packed *rep = kmalloc(sizeof(*rep));
	u32 len;
	int rc;

	if (rep == NULL)
		return -ENOMEM;
	FILE_ID(q, i);
	rc = ask(i->node, RPC_storage_readlink, &q, NULL, 0, rep, sizeof(*rep), &len);
	if (rc >= 0) {
		i->target = target_of(rep->text, MIN((size_t)len - sizeof(rep->r), sizeof(rep->text) - 1));
		rc = i->target == NULL ? -ENOMEM : 0;
	}
	kfree(rep);
	return rc;
}

/* A link's target is as it was made: another target is another link. */
static s64 storage_readlink(struct inode *i, char *buf, size_t size)
{
	int rc = i->target == NULL ? read_target(i) : 0;
	size_t len;

	if (rc < 0)
		return rc;
	len = MIN(strlen(i->target), size);
	memcpy(buf, i->target, len);
	return len;
}

static void storage_release(struct inode *i)
{
	if (i->held)
		storage_let_go(i->node, le32_of(i->fs), le32_of(i->gen), le64_of(i->ino));
	kfree(i->target);
	kfree(i->saved);
}

static int storage_getattr(struct inode *i, struct attr *a)
{
	struct rpc_storage_getattr_req q;
	struct rpc_storage_getattr_rep r;
	struct attr_asked asked;
	int rc;

	if (attr_kept(i, a))
		return 0;
	FILE_ID(q, i);
	attr_ask(&asked);
	rc = ask(i->node, RPC_storage_getattr, &q, NULL, 0, &r, sizeof(r), NULL);
	if (rc >= 0 && !attr_ok(&r.attr, i->type))
		rc = -EIO;
	if (rc >= 0)
		attr_answered(i, &asked, a, &r.attr);
	if (rc != -ESTALE || i->type != S_IFDIR)
		return rc;
	/* a folder that is removed and still in use: the storage node has forgotten it */
	a->dev = i->dev;
	a->ino = i->ino;
	a->mode = i->mode;
	a->uid = i->uid;
	a->gid = i->gid;
	a->blksize = PAGE_SIZE;
	return 0;
}

static int storage_rights(struct inode *i)
{
	struct attr a;

	return attr_rights_right(i) ? 0 : storage_getattr(i, &a);
}

static int storage_setattr(struct inode *i, const struct attr *a, u32 mask)
{
	struct rpc_storage_setattr_req q = { 0 };
	struct rpc_storage_setattr_rep r;
	struct attr_file f = file_of(i);
	struct attr_asked asked;
	struct attr now;
	int rc;

	FILE_ID(q, i);
	q.mask = le32_of(mask);		/* SET_* are the wire's bits */
	q.mode = le32_of(a->mode);
	q.uid = le32_of(a->uid);
	q.gid = le32_of(a->gid);
	q.atime = le64_of(a->atime.sec);
	q.atime_ns = le32_of(a->atime.nsec);
	q.mtime = le64_of(a->mtime.sec);
	q.mtime_ns = le32_of(a->mtime.nsec);
	attr_change_begin(&f);
	attr_ask(&asked);
	rc = ask(i->node, RPC_storage_setattr, &q, NULL, 0, &r, sizeof(r), NULL);
	if (rc >= 0 && !attr_ok(&r.attr, i->type))
		rc = -EIO;
	if (rc >= 0)
		attr_fill(i, &now, &r.attr);
	if (mask & (SET_MODE | SET_UID | SET_GID))
		attr_change_end_rights(&f, i, &asked, rc >= 0 ? &now : NULL);
	else
		attr_change_end(&f);
	return rc;
}
_Static_assert(SET_MODE == WIRE_SET_MODE && SET_UID == WIRE_SET_UID && SET_GID == WIRE_SET_GID && SET_ATIME == WIRE_SET_ATIME &&
	       SET_MTIME == WIRE_SET_MTIME, "one set of bits");

static int storage_statfs(struct inode *i, struct statfs_abi *st)
{
	struct rpc_storage_statfs_req q = { le32_of(i->fs) };
	struct rpc_storage_statfs_rep r;
	int rc = ask(i->node, RPC_storage_statfs, &q, NULL, 0, &r, sizeof(r), NULL);

	if (rc < 0)
		return rc;
	memset(st, 0, sizeof(*st));
	st->type = le32_get(r.st.type);
	st->bsize = st->frsize = le32_get(r.st.bsize);
	st->blocks = le64_get(r.st.blocks);
	st->bfree = le64_get(r.st.bfree);
	st->bavail = le64_get(r.st.bavail);
	st->files = le64_get(r.st.files);
	st->ffree = le64_get(r.st.ffree);
	st->namelen = le32_get(r.st.namelen);
	st->flags = le32_get(r.st.flags);
	st->fsid[0] = (s32)le64_get(r.st.fsid);
	st->fsid[1] = (s32)(le64_get(r.st.fsid) >> 32);
	return 0;
}

static int storage_open(struct inode *i, struct file *f)
{
	switch (i->type) {
	case S_IFREG:
		f->ops = &regular_ops;
		return object_open(i->node, i->fs, i->gen, i->ino, &f->object);
	case S_IFDIR:
		f->ops = &directory_ops;
		return 0;
	case S_IFCHR:
		return device_open(i->rdev, f);
	case S_IFIFO:
		return fifo_open(i, f);
	}
	return -ENXIO;
}

static const struct inode_ops storage_inode_ops = {
	.lookup = storage_lookup, .create = storage_create, .create_nameless = storage_create_nameless,
	.symlink = storage_symlink, .link = storage_link,
	.unlink = storage_unlink, .rename = storage_rename, .readlink = storage_readlink, .getattr = storage_getattr, .rights = storage_rights,
	.setattr = storage_setattr, .statfs = storage_statfs, .open = storage_open, .again = storage_again, .release = storage_release,
};

/* --- directories --- */

/* Is there a whole record, of a name that can be, and one with which a later call can go on? room: bytes from d on */
static bool dirent_ok(const struct wire_dirent *d, size_t room)
{
	size_t reclen = le16_get(d->reclen);

	return reclen >= sizeof(*d) + d->name_len && reclen <= room && d->name_len != 0 && memchr(d->name, '/', d->name_len) == NULL &&
	       memchr(d->name, '\0', d->name_len) == NULL && (s64)le64_get(d->cookie) > 0;
}

/* One wire record into one of getdents64(2); 0: no room. */
static size_t put_dirent(u8 *out, size_t room, const struct wire_dirent *d)
{
	size_t len = ALIGN_UP(sizeof(struct dirent64_abi) + d->name_len + 1, 8UL);
	struct dirent64_abi *o = (struct dirent64_abi *)out;

	if (len > room)
		return 0;
	memset(o, 0, len);
	o->ino = le64_get(d->ino);
	o->off = le64_get(d->cookie);
	o->reclen = len;
	o->type = d->type;
	memcpy(o->name, d->name, d->name_len);
	return len;
}

#define READDIR_MIN	2048UL
#define READDIR_MAX	16384UL

/* f->private: the position that is the end, as the last answer said; NULL: none. */
static s64 directory_readdir(struct file *f, void *buf, size_t len)
{
	const u32 rep_size = MIN(MAX(len, (size_t)READDIR_MIN), (size_t)READDIR_MAX);	/* a record here is about as long as there */
	struct rpc_storage_readdir_req q;
	struct rpc_storage_readdir_rep *r = kmalloc(rep_size);
	size_t done = 0, at = sizeof(*r);
	bool full = false;
	u32 got;
	int rc;

	if (r == NULL)
		return -ENOMEM;
	if (f->private != NULL && (u64)(uintptr_t)f->private == f->pos) {	/* S has said that nothing is behind this */
		f->private = NULL;		/* once: who asks again may find what has come since */
		kfree(r);
		return 0;
	}
	f->private = NULL;
	FILE_ID(q, f->inode);
	q.cookie = le64_of(f->pos);
	rc = ask(f->inode->node, RPC_storage_readdir, &q, NULL, 0, r, rep_size, &got);
	while (rc >= 0 && at + sizeof(struct wire_dirent) <= got) {
		const struct wire_dirent *d = (const void *)((u8 *)r + at);
		size_t n;

		if (!dirent_ok(d, got - at)) {
			rc = -EIO;
			break;
		}
		n = put_dirent((u8 *)buf + done, len - done, d);
		if (n == 0) {
			full = true;
			break;
		}
		done += n;
		at += le16_get(d->reclen);
		f->pos = le64_get(d->cookie);
	}
	if (rc >= 0 && !full && done > 0 && le32_get(r->end))
		f->private = (void *)(uintptr_t)f->pos;
	kfree(r);
	if (rc < 0 && done == 0)
		return gone(rc);
	return done == 0 && full ? -EINVAL : (s64)done;
}

static s64 directory_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	return -EISDIR;
}

static s64 directory_seek(struct file *f, s64 off, int whence)
{
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	return f->pos = off;
}

const struct file_ops directory_ops = { .read = directory_read, .readdir = directory_readdir, .seek = directory_seek };

/* --- regular files --- */

static s64 regular_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	s64 n = object_read(f->object, *pos, buf, len);

	if (n > 0)
		*pos += n;
	return n;
}

static s64 regular_write(struct file *f, const void *buf, size_t len, u64 *pos)
{
	bool append = (READ_ONCE(f->flags) & O_APPEND) || *pos == FILE_APPEND;
	u64 at = append ? 0 : *pos;
	s64 n;

	if (at >= FILE_SIZE_MAX)
		return -EFBIG;
	len = MIN(len, FILE_SIZE_MAX - at);
	fs_written(f->inode);
	n = rlimit_file_size(append ? object_size(f->object) : at, &len);
	if (n == 0)
		n = object_write(f->object, &at, buf, len, append);
	if (n > 0)
		*pos = at;		/* moved on by object_write(), which alone knows where an append went */
	if (n > 0 && (READ_ONCE(f->flags) & O_DSYNC) && !object_is_shm(f->object)) {
		int rc = object_sync(f->object, true);

		n = rc < 0 ? rc : n;
	}
	return n;
}

static s64 regular_seek(struct file *f, s64 off, int whence)
{
	u64 size = object_size(f->object);

	switch (whence) {
	case SEEK_SET: break;
	case SEEK_CUR: off += f->pos; break;
	case SEEK_END: off += size; break;
	case SEEK_DATA:
	case SEEK_HOLE:
		off = off < 0 ? -ENXIO : object_seek(f->object, off, whence == SEEK_HOLE);
		return off < 0 ? off : (s64)(f->pos = off);
	default: return -EINVAL;
	}
	if (off < 0 || (u64)off > FILE_SIZE_MAX)
		return -EINVAL;
	return f->pos = off;
}

const struct file_ops regular_ops = { .read = regular_read, .write = regular_write, .seek = regular_seek, .punch = fs_punch };
