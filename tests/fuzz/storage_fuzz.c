/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/storage/ext4/cache.c managers/storage/ext4/csum.c managers/storage/ext4/group.c managers/storage/ext4/balloc.c managers/storage/ext4/ialloc.c */
/* SOURCES: managers/storage/ext4/inode.c managers/storage/ext4/extent_tree.c managers/storage/ext4/extent.c managers/storage/ext4/indirect.c managers/storage/ext4/map.c */
/* SOURCES: managers/storage/ext4/dir.c managers/storage/ext4/hash.c managers/storage/ext4/htree.c managers/storage/ext4/readdir.c managers/storage/ext4/orphan.c */
/* SOURCES: managers/storage/ext4/file.c managers/storage/ext4/range.c managers/storage/ext4/namei.c managers/storage/ext4/rename.c managers/storage/ext4/super.c managers/storage/lease.c managers/storage/serve_names.c managers/storage/serve_data.c managers/storage/ops.c */
/* PARSERS: managers/storage/serve_names.c managers/storage/serve_data.c managers/storage/serve.h */
/*
 * Every op that a storage node answers, from the definition of the protocol, asked by two nodes about a small volume that can be
 * written and one that cannot: requests that make sense, with some of their bytes changed, memory that is not to be had and a
 * disk that fails. Whatever they say, the volume stays one that e2fsck accepts, and a dead node leaves nothing held.
 */
#define main service_test_main
#include "managers/storage/service_test.c"
#undef main
#include "lib/crc32.h"
#include "managers/storage/ops.h"
#include "managers/storage/volume.c"
#include "shim.h"

#define MAX_CALLS	64
#define NR_IDS		8
#define CHECKED_BY_E2FSCK(crc) ((crc) % 64 == 0)	/* a process each */

static const u8 *in;
static size_t in_left;

static u8 next_byte(void) { return in_left == 0 ? 0 : (in_left--, *in++); }

static struct disk *writable, *constant;
static u8 *clean;
static struct ext4_id ids[NR_IDS];	/* the root, then what answers named last */
static unsigned nr_ids;
static unsigned first_op;		/* before it stand those that memory nodes answer */
static bool failing;			/* memory or the disk was made to fail in this run */

/* Nobody powers off here. */
int thread_spawn(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, ...) { return next_byte() % 4 == 3 ? -ENOMEM : 0; }

static void volumes_make(void)
{
	while (storage_ops[first_op].run == NULL)
		first_op++;
	test_begin(NULL);
	sh("mkdir src && : > src/file && mkdir src/d && ln -s file src/s");
	writable = disk_make("-t ext4 -b 1024 -N 64 -O ^has_journal", "512K", "src");
	constant = disk_load("img");
	shim_time_manual(NSEC_PER_SEC);
	role_of[1] = role_of[2] = ROLE_PROCESSOR;
	clean = malloc(writable->dev.size);
	memcpy(clean, writable->mem, writable->dev.size);
}

static u32 put_name(u8 *to, u8 which)
{
	static const char *const odd[] = { "", ".", "..", "a/b", "file", "d", "s" };

	if (which % 32 < ARRAY_SIZE(odd)) {
		strcpy((char *)to, odd[which % 32]);
		return strlen(odd[which % 32]);
	}
	memset(to, 'a' + which % 16, 300);
	return which < 128 ? 1 : which < 250 ? 60 : which;
}

/* A request as a processor or memory node would make it: of files that there are. Returns the length of its bulk. */
static u32 make(unsigned op, void *body, u8 *bulk)
{
	u8 x = next_byte(), y = next_byte(), z = next_byte();
	struct ext4_id id = ids[x % nr_ids], to = ids[y % nr_ids];
	struct rpc_storage_getattr_req file = { le32_of(x >= 240 ? 1 : 0), le32_of(id.gen), le64_of(id.ino) };
	static const u32 mode[] = { 0100644, 0100600, 0040755, 0100755, 0040700, 0020666, 0010600, 0140777 };
	u32 n;

	memcpy(body, &file, sizeof(file));	/* the first fields of nearly all */
	switch (op) {
	case RPC_storage_lookup:
		return put_name(bulk, z);
	case RPC_storage_setattr: {
		struct rpc_storage_setattr_req *q = body;

		q->mask = le32_of(y % 32);
		q->mode = le32_of(z);
		q->atime = le64_of((u64)z << 28);
		return 0;
	}
	case RPC_storage_readdir:
		((struct rpc_storage_readdir_req *)body)->cookie = le64_of(y < 128 ? y % 4 : (u64)z << y % 64);
		return 0;
	case RPC_storage_create:
		((struct rpc_storage_create_req *)body)->mode = le32_of(mode[y % ARRAY_SIZE(mode)]);
		((struct rpc_storage_create_req *)body)->rdev = le32_of((u32)z << y % 24);
		return put_name(bulk, z);
	case RPC_storage_symlink:
		n = put_name(bulk, z);
		((struct rpc_storage_symlink_req *)body)->name_len = le32_of(n);
		memset(bulk + n, 't', 1200);
		return n + (y < 248 ? y : y * 4);
	case RPC_storage_link:
		((struct rpc_storage_link_req *)body)->dir_ino = le64_of(to.ino);
		((struct rpc_storage_link_req *)body)->dir_gen = le32_of(to.gen);
		return put_name(bulk, z);
	case RPC_storage_unlink:
		((struct rpc_storage_unlink_req *)body)->rmdir = le32_of(y & 1);
		return put_name(bulk, z);
	case RPC_storage_rename: {
		struct rpc_storage_rename_req *q = body;

		q->new_ino = le64_of(to.ino);
		q->new_gen = le32_of(to.gen);
		q->flags = le32_of(y >> 6);
		n = put_name(bulk, z);
		q->name_len = le32_of(n);
		return n + put_name(bulk + n, y);
	}
	case RPC_storage_read:
		((struct rpc_storage_read_req *)body)->off = le64_of((u64)y << z % 40);
		((struct rpc_storage_read_req *)body)->len = le32_of(z * 257);
		return 0;
	case RPC_storage_write:
		((struct rpc_storage_write_req *)body)->off = le64_of((u64)y << z % 40);
		memset(bulk, z, RPC_MAX_BULK_OUT);
		return z * 128;
	case RPC_storage_range: {
		struct rpc_storage_range_req *q = body;

		q->what = le32_of(y % 5);
		q->off = le64_of((u64)(y / 5) << (z & 7 ? 10 : 9 + z / 8));
		q->len = le64_of((u64)(z / 8) << (z & 7 ? 10 : x % 16));
		return 0;
	}
	case RPC_storage_truncate:
		((struct rpc_storage_truncate_req *)body)->size = le64_of((u64)y << z % 48);
		return 0;
	}
	return 0;
}

/* What an answer says is used by the calls to come: a file's attributes stand first where there are any. */
static void learn(const struct rpc_op *op, const void *rep)
{
	const struct wire_attr *a = rep;

	if (op->rep_size != sizeof(*a))
		return;
	if (nr_ids < NR_IDS)
		nr_ids++;
	ids[1 + le64_get(a->ino) % (NR_IDS - 1)] = wire_id(a);
	for (unsigned i = 1; i < nr_ids; i++)
		if (ids[i].ino == 0)
			ids[i] = wire_id(a);
}

/* One request; then up to three of its bytes are another's, its bulk may be longer or shorter, and what it needs may not be there. */
static void one_call(void)
{
	static u8 text[RPC_MAX_BULK_OUT + 2048];
	const struct rpc_op *op = &storage_ops[first_op + next_byte() % (nr_storage_ops - first_op)];
	u8 body[RPC_MAX_REQ] = { 0 }, rep[RPC_MAX_REP] = { 0 }, spoil;
	struct rpc_call c = { .op = op->op, .rep = rep, .rep_room = RPC_MAX_REP + RPC_MAX_BULK_IN - op->rep_size };
	int status;
	u32 len;
	u8 *req, *bulk;

	len = make(op->op, body, text);
	spoil = next_byte();
	for (unsigned i = 0; i < (spoil < 128 ? 0U : spoil % 4) && op->req_size != 0; i++) {
		u8 where = next_byte();

		body[where % op->req_size] = next_byte();
	}
	if ((spoil & 144) == 144)
		text[next_byte()] = next_byte();
	if ((spoil & 224) == 224)
		len = len + (s8)next_byte();
	len = MIN(len, (u32)RPC_MAX_BULK_OUT);
	if ((spoil & 140) == 140)
		c.rep_room = next_byte() * 2;
	c.node = 1 + (spoil & 1);
	is_up[c.node] = true;
	is_up[3 - c.node] = spoil & 2;		/* so that leases are given, and waited for */
	caller_died = spoil == 253;
	if (spoil % 32 == 30) {
		shim_fail_alloc(1 + next_byte() % 8);
		failing = true;
	}
	if (spoil % 32 == 31) {
		writable->fail_after = writable->writes + 1 + next_byte() % 8;
		failing = true;
	}
	c.req = req = memcpy(malloc(op->req_size), body, op->req_size);
	c.bulk = bulk = memcpy(malloc(len), text, len);		/* so that a byte too far is seen */
	c.bulk_len = len;
	status = op->run(&c, req, rep);
	assert_true(status <= 0 && status >= -4095);
	if (status == 0)
		learn(op, rep);
	free(req);
	free(bulk);
	shim_fail_alloc(0);
	writable->fail_after = 0;
}

/* Both volumes at their start: nothing of the run before is left. */
static void begin_run(void)
{
	struct ext4_id root;

	nr_volumes = 0;
	failing = false;
	memcpy(writable->mem, clean, writable->dev.size);
	assert_int_equal(volume_mount(&writable->dev, "/", false), 0);
	assert_int_equal(volume_mount(&constant->dev, "/ro", true), 0);
	root = ext4_root(volumes[0]->fs);
	memset(ids, 0, sizeof(ids));
	ids[0] = root;
	nr_ids = 1;
}

static void end_run(u32 crc)
{
	caller_died = false;
	volumes_node_died(1);
	volumes_node_died(2);
	assert_int_equal(volumes_nr_holds(), 0);
	for (unsigned i = 0; i < nr_volumes; i++) {
		struct ext4 *fs = volumes[i]->fs;

		if (fs != NULL && !failing)
			test_unmount(fs, NULL);		/* not damaged, and no buffer is held */
		else if (fs != NULL)
			(void)ext4_unmount(fs, test_now);
		kfree(volumes[i]);
	}
	if (!failing && CHECKED_BY_E2FSCK(crc))
		disk_check(writable);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (writable == NULL)
		volumes_make();
	begin_run();
	in = data;
	in_left = size;
	for (unsigned i = 0; i < MAX_CALLS && in_left > 0; i++)
		one_call();
	end_run(crc32_update(0, data, size));
	assert_int_equal(memcmp(constant->mem, clean, constant->dev.size), 0);
	return 0;
}
