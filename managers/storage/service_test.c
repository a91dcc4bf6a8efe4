/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/storage/ext4/cache.c managers/storage/ext4/csum.c managers/storage/ext4/group.c managers/storage/ext4/balloc.c managers/storage/ext4/ialloc.c */
/* SOURCES: managers/storage/ext4/inode.c managers/storage/ext4/extent_tree.c managers/storage/ext4/extent.c managers/storage/ext4/indirect.c managers/storage/ext4/map.c */
/* SOURCES: managers/storage/ext4/dir.c managers/storage/ext4/hash.c managers/storage/ext4/htree.c managers/storage/ext4/readdir.c managers/storage/ext4/orphan.c */
/* SOURCES: managers/storage/ext4/file.c managers/storage/ext4/range.c managers/storage/ext4/namei.c managers/storage/ext4/rename.c managers/storage/ext4/super.c managers/storage/lease.c managers/storage/volume.c managers/storage/serve_names.c managers/storage/serve_data.c */
/* The storage node's handlers, called as FIT would call them: answers, and requests that a peer could get wrong. */
#include "managers/storage/ext4/testlib.h"
#include "kernel/thread.h"
#include "managers/protocol/protocol.h"
#include "managers/storage/serve.h"
#include "shim.h"

static u8 bulk_back[RPC_MAX_BULK_IN];
static u32 bulk_back_len;
static bool powered_off;

void rpc_reply_bulk_ref(struct rpc_call *c, const void *buf, u32 len, void (*release)(void *arg), void *arg)
{
	assert_true(len <= c->rep_room);
	memcpy(bulk_back, buf, len);
	bulk_back_len = len;
	release(arg);
}

/* The nodes that there are: processors by role, and the time that changes waited. */
static enum node_role role_of[FIT_MAX_NODES];
static bool is_up[FIT_MAX_NODES];
static u64 slept_ns;
static bool caller_died, dies_asleep;	/* dies_asleep: while its request waits */
enum node_role fit_node_role(unsigned node) { return role_of[node]; }
bool fit_node_up(unsigned node) { return is_up[node]; }
void thread_sleep_ns(u64 ns)
{
	slept_ns += ns;
	caller_died |= dies_asleep;
	shim_time_advance(ns);
}

struct blkdev *blkdev_find(const char *name) { return NULL; }
void power_off(void) { powered_off = true; thread_exit(); }

static u32 room = RPC_MAX_BULK_IN;
static u16 caller = 1;
bool rpc_wanted(const struct rpc_call *c) { return !caller_died; }

/* Call a handler with this request and bulk; the reply is in `name`_r. */
#define CALL(which, text, len, ...) ({							\
	struct rpc_##which##_req q_ = { __VA_ARGS__ };					\
	struct rpc_call c_ = { .node = caller, .op = RPC_##which, .req = &q_, .bulk = (text), .bulk_len = (u32)(len), \
			       .rep = &which##_r, .rep_room = room };			\
	memset(&which##_r, 0, sizeof(which##_r));						\
	bulk_back_len = 0;								\
	serve_##which(&q_, &which##_r, &c_); })
#define REPLY(nr, op, class) static struct rpc_##op##_rep op##_r;
RPC_STORAGE_OPS(REPLY)

#define ID(i)	.fs = le32_of(0), .gen = le32_of((i).gen), .ino = le64_of((i).ino)
#define NOW	.now = le64_of(1764000000), .now_ns = le32_of(5)

static struct ext4_id wire_id(const struct wire_attr *a)
{
	return (struct ext4_id){ (u32)le64_get(a->ino), le32_get(a->gen) };
}

static struct disk *disk;

static struct ext4_id begin(void)
{
	struct wire_mount *m = (void *)bulk_back;

	if (volumes_count() == 0) {
		disk = disk_make("-t ext4 -b 1024", "16M", NULL);
		assert_int_equal(volume_mount(&disk->dev, "/", false), 0);
	}
	assert_int_equal(CALL(storage_mounts, NULL, 0), 0);
	assert_int_equal(le32_get(storage_mounts_r.nr), 1);
	assert_string_equal(m->path, "/");
	return (struct ext4_id){ (u32)le64_get(m->root_ino), le32_get(m->root_gen) };
}

static void files(void **state)
{
	struct ext4_id root = begin(), id;
	static u8 data[RPC_MAX_BULK_OUT];

	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 7 + i / 251);
	assert_int_equal(CALL(storage_create, "file", 4, ID(root), .mode = le32_of(0100644), .uid = le32_of(7), NOW), 0);
	id = wire_id(&storage_create_r.attr);
	assert_int_equal(CALL(storage_lookup, "file", 4, ID(root)), 0);
	assert_int_equal(le64_get(storage_lookup_r.attr.ino), id.ino);
	assert_int_equal(le32_get(storage_lookup_r.attr.uid), 7);
	assert_int_equal(le32_get(storage_lookup_r.attr.mtime_ns), 5);
	assert_int_equal(CALL(storage_lookup, "fil", 3, ID(root)), -ENOENT);
	assert_int_equal(CALL(storage_write, data, sizeof(data), ID(id), .off = le64_of(3000), NOW), 0);
	assert_int_equal(le64_get(storage_write_r.size), 3000 + sizeof(data));
	assert_int_equal(CALL(storage_read, NULL, 0, ID(id), .off = le64_of(0), .len = le32_of(65536)), 0);
	assert_int_equal(bulk_back_len, 3000 + sizeof(data));
	assert_memory_equal(bulk_back + 3000, data, sizeof(data));
	assert_int_equal(CALL(storage_read, NULL, 0, ID(id), .off = le64_of(4096), .len = le32_of(4096)), 0);
	assert_int_equal(bulk_back_len, 4096);
	assert_memory_equal(bulk_back, data + 1096, 4096);
	assert_int_equal(CALL(storage_read, NULL, 0, ID(id), .off = le64_of(1 << 30), .len = le32_of(4096)), 0);
	assert_int_equal(bulk_back_len, 0);
	assert_int_equal(CALL(storage_range, NULL, 0, ID(id), .what = le32_of(WIRE_RANGE_PUNCH), .len = le64_of(1 << 20), NOW), 0);
	assert_int_equal(CALL(storage_range, NULL, 0, ID(id), .what = le32_of(WIRE_RANGE_DATA), NOW), -ENXIO);
	assert_int_equal(CALL(storage_range, NULL, 0, ID(id), .off = le64_of(5), .what = le32_of(WIRE_RANGE_HOLE), NOW), 0);
	assert_int_equal(le64_get(storage_range_r.off), 5);
	assert_int_equal(CALL(storage_range, NULL, 0, ID(id), .what = le32_of(WIRE_RANGE_ALLOCATE), .len = le64_of(4096), NOW), 0);
	assert_int_equal(CALL(storage_truncate, NULL, 0, ID(id), .size = le64_of(10), NOW), 0);
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(id)), 0);
	assert_int_equal(le64_get(storage_getattr_r.attr.size), 10);
	assert_int_equal(CALL(storage_setattr, NULL, 0, ID(id), .mask = le32_of(WIRE_SET_MODE), .mode = le32_of(0600)), 0);
	assert_int_equal(le32_get(storage_setattr_r.attr.mode), 0100600);
	assert_int_equal(CALL(storage_link, "hard", 4, ID(id), .dir_ino = le64_of(root.ino), .dir_gen = le32_of(root.gen), NOW), 0);
	assert_int_equal(CALL(storage_rename, "hardmoved", 9, ID(root), .new_ino = le64_of(root.ino),
			      .new_gen = le32_of(root.gen), .name_len = le32_of(4), NOW), 0);
	assert_int_equal(le64_get(storage_rename_r.moved), id.ino);
	assert_int_equal(le64_get(storage_rename_r.replaced), 0);
	assert_int_equal(CALL(storage_create, "over", 4, ID(root), .mode = le32_of(0100644), NOW), 0);
	assert_int_equal(CALL(storage_rename, "overover2", 9, ID(root), .new_ino = le64_of(root.ino), .new_gen = le32_of(root.gen), .name_len = le32_of(4), NOW), 0);
	assert_int_equal(le64_get(storage_rename_r.moved), le64_get(storage_create_r.attr.ino));
	assert_int_equal(CALL(storage_rename, "movedover2", 10, ID(root), .new_ino = le64_of(root.ino), .new_gen = le32_of(root.gen), .name_len = le32_of(5), NOW), 0);
	assert_int_equal(le64_get(storage_rename_r.moved), id.ino);
	assert_int_equal(le64_get(storage_rename_r.replaced), le64_get(storage_create_r.attr.ino));
	assert_int_equal(CALL(storage_rename, "over2moved", 10, ID(root), .new_ino = le64_of(root.ino), .new_gen = le32_of(root.gen), .name_len = le32_of(5), NOW), 0);
	assert_int_equal(CALL(storage_unlink, "moved", 5, ID(root), NOW), 0);
	assert_int_equal(le32_get(storage_unlink_r.attr.nlink), 1);
	assert_int_equal(CALL(storage_symlink, "symtarget", 9, ID(root), .name_len = le32_of(3), NOW), 0);
	id = wire_id(&storage_symlink_r.attr);
	assert_int_equal(CALL(storage_readlink, NULL, 0, ID(id)), 0);
	assert_int_equal(bulk_back_len, 6);
	assert_memory_equal(bulk_back, "target", 6);
	assert_int_equal(CALL(storage_lookup, "sym", 3, ID(root)), 0);		/* a target comes with its name, where there is room */
	assert_int_equal(bulk_back_len, 6);
	assert_memory_equal(bulk_back, "target", 6);
	room = 5;
	assert_int_equal(CALL(storage_lookup, "sym", 3, ID(root)), 0);
	assert_int_equal(bulk_back_len, 0);
	room = RPC_MAX_BULK_IN;
	memset(data, 't', sizeof(data));
	for (u32 len = WIRE_TARGET_MAX; len <= WIRE_TARGET_MAX + 1; len++) {
		data[0] = (u8)('a' + len % 2);					/* its name */
		assert_int_equal(CALL(storage_symlink, data, 1 + len, ID(root), .name_len = le32_of(1), NOW), 0);
		assert_int_equal(CALL(storage_lookup, data, 1, ID(root)), 0);
		assert_int_equal(le64_get(storage_lookup_r.attr.size), len);
		assert_int_equal(bulk_back_len, len <= WIRE_TARGET_MAX ? len : 0);
	}
	assert_int_equal(CALL(storage_lookup, "moved", 5, ID(root)), -ENOENT);
	assert_int_equal(bulk_back_len, 0);
	assert_int_equal(CALL(storage_statfs, NULL, 0, .fs = le32_of(0)), 0);
	assert_int_equal(le32_get(storage_statfs_r.st.type), 0xef53);
	assert_int_equal(CALL(storage_sync, NULL, 0, .fs = le32_of(0)), 0);
}

static void listing(void **state)
{
	struct ext4_id root = begin(), dir;
	u32 seen = 0;
	u64 cookie = 0;
	char name[16];

	assert_int_equal(CALL(storage_create, "dir", 3, ID(root), .mode = le32_of(040755), NOW), 0);
	dir = wire_id(&storage_create_r.attr);
	for (u32 i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(CALL(storage_create, name, strlen(name), ID(dir), .mode = le32_of(0100644), NOW), 0);
	}
	room = 1000;
	for (;;) {
		assert_int_equal(CALL(storage_readdir, NULL, 0, ID(dir), .cookie = le64_of(cookie)), 0);
		assert_int_not_equal(le32_get(storage_readdir_r.nr), 0);
		for (u32 at = 0, n = 0; n < le32_get(storage_readdir_r.nr); n++) {
			struct wire_dirent *d = (void *)(bulk_back + at);

			assert_int_equal(le16_get(d->reclen) % 8, 0);
			at += le16_get(d->reclen);
			assert_true(at <= bulk_back_len);
			cookie = le64_get(d->cookie);
			seen++;
		}
		assert_int_equal(le32_get(storage_readdir_r.end), seen == 502);	/* said with the last of them */
		if (seen == 502)
			break;
	}
	assert_int_equal(CALL(storage_readdir, NULL, 0, ID(dir), .cookie = le64_of(cookie)), 0);
	assert_int_equal(le32_get(storage_readdir_r.nr), 0);
	assert_int_equal(le32_get(storage_readdir_r.end), 1);
	room = 100;
	assert_int_equal(CALL(storage_readdir, NULL, 0, ID(dir)), -EINVAL);
	room = RPC_MAX_BULK_IN;
	assert_int_equal(CALL(storage_unlink, "dir", 3, ID(root), .rmdir = le32_of(1), NOW), -ENOTEMPTY);
}

/* Nothing that a peer gets wrong does more than fail. */
static void refusals(void **state)
{
	struct ext4_id root = begin(), id;
	static char name[300];

	memset(name, 'n', sizeof(name));
	assert_int_equal(CALL(storage_lookup, name, 0, ID(root)), -EINVAL);
	assert_int_equal(CALL(storage_lookup, name, 256, ID(root)), -ENAMETOOLONG);
	assert_int_equal(CALL(storage_lookup, "a/b", 3, ID(root)), -EINVAL);
	assert_int_equal(CALL(storage_lookup, "a\0b", 3, ID(root)), -EINVAL);
	assert_int_equal(CALL(storage_lookup, "a", 1, .fs = le32_of(1), .ino = le64_of(2)), -ESTALE);
	assert_int_equal(CALL(storage_lookup, "a", 1, .fs = le32_of(~0u), .ino = le64_of(2)), -ESTALE);
	assert_int_equal(CALL(storage_getattr, NULL, 0, .ino = le64_of(0)), -ESTALE);
	assert_int_equal(CALL(storage_getattr, NULL, 0, .ino = le64_of(1ull << 32 | 2)), -ESTALE);
	assert_int_equal(CALL(storage_getattr, NULL, 0, .ino = le64_of(0xffffffff)), -ESTALE);
	assert_int_equal(CALL(storage_create, "x", 1, ID(root), .mode = le32_of(0100644), .now_ns = le32_of(1000000000)), -EINVAL);
	assert_int_equal(CALL(storage_create, "x", 1, ID(root), .mode = le32_of(0xffffffff), NOW), -EINVAL);
	assert_int_equal(CALL(storage_symlink, "x", 1, ID(root), .name_len = le32_of(2), NOW), -EINVAL);
	assert_int_equal(CALL(storage_symlink, "x", 1, ID(root), .name_len = le32_of(1), NOW), -ENOENT);
	assert_int_equal(CALL(storage_rename, "xy", 2, ID(root), .new_ino = le64_of(2), .name_len = le32_of(2), NOW), -EINVAL);
	assert_int_equal(CALL(storage_rename, "xy", 2, ID(root), .new_ino = le64_of(2), .name_len = le32_of(~0u), NOW), -EINVAL);
	assert_int_equal(CALL(storage_read, NULL, 0, ID(root), .len = le32_of(100)), -EISDIR);
	assert_int_equal(CALL(storage_read, NULL, 0, ID(root), .len = le32_of(65537)), -EINVAL);
	assert_int_equal(CALL(storage_setattr, NULL, 0, ID(root), .mask = le32_of(64)), -EINVAL);
	assert_int_equal(CALL(storage_release, NULL, 0, ID(root)), -EINVAL);
	assert_int_equal(CALL(storage_create, "f", 1, ID(root), .mode = le32_of(0100644), NOW), 0);
	id = wire_id(&storage_create_r.attr);
	assert_int_equal(CALL(storage_write, "x", 1, ID(id), .off = le64_of(~0ull), NOW), -EFBIG);
	assert_int_equal(CALL(storage_truncate, NULL, 0, ID(id), .size = le64_of(~0ull), NOW), -EINVAL);
	assert_int_equal(CALL(storage_range, NULL, 0, ID(id), .what = le32_of(WIRE_RANGE_COUNT), NOW), -EINVAL);
	assert_int_equal(CALL(storage_range, NULL, 0, ID(id), .what = le32_of(WIRE_RANGE_PUNCH), .off = le64_of(~0ull), NOW), -EINVAL);
	assert_int_equal(CALL(storage_range, NULL, 0, ID(id), .what = le32_of(WIRE_RANGE_ALLOCATE), .len = le64_of(1ull << 61), NOW), -EFBIG);
	assert_int_equal(CALL(storage_write, "hello", 5, ID(id), NOW), 0);
	room = 3;
	assert_int_equal(CALL(storage_read, NULL, 0, ID(id), .len = le32_of(5)), -EINVAL);
	assert_int_equal(CALL(storage_mounts, NULL, 0), -ERANGE);
	room = RPC_MAX_BULK_IN;
	id.gen++;
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(id)), -ESTALE);
}

/* A caller's clock may say anything: what is deleted then is deleted for e2fsck, too (shutting_down() has it look). */
static void clocks(void **state)
{
	static const u64 sec[] = { 1764000000, 0, 1, 3, 1ull << 32, 1ull << 63 };
	struct ext4_id root = begin();

	for (unsigned i = 0; i < ARRAY_SIZE(sec); i++) {	/* all first, so that each leaves an inode of its own */
		char name = 'A' + i;

		assert_int_equal(CALL(storage_create, &name, 1, ID(root), .mode = le32_of(0100644), .now = le64_of(sec[i])), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(sec); i++) {
		char name = 'A' + i;

		assert_int_equal(CALL(storage_unlink, &name, 1, ID(root), .now = le64_of(sec[i])), 0);
	}
}

/* A hold is its node's: it ends with the node, once for each of them. */
static void holds(void **state)
{
	struct ext4_id root = begin(), id;

	assert_int_equal(CALL(storage_create, "held", 4, ID(root), .mode = le32_of(0100644), NOW), 0);
	id = wire_id(&storage_create_r.attr);
	assert_int_equal(CALL(storage_hold, NULL, 0, ID(id)), 0);
	assert_int_equal(CALL(storage_hold, NULL, 0, ID(id)), 0);
	caller = 2;
	assert_int_equal(CALL(storage_release, NULL, 0, ID(id)), -EINVAL);
	assert_int_equal(CALL(storage_hold, NULL, 0, ID(id)), 0);
	assert_int_equal(CALL(storage_unlink, "held", 4, ID(root), NOW), 0);
	assert_int_equal(le32_get(storage_unlink_r.attr.nlink), 0);
	assert_int_equal(volumes_nr_holds(), 3);
	caller_died = true;		/* while its request waited */
	assert_int_equal(CALL(storage_hold, NULL, 0, ID(id)), -EHOSTDOWN);
	caller_died = false;
	assert_int_equal(volumes_nr_holds(), 3);
	volumes_node_died(1);
	assert_int_equal(volumes_nr_holds(), 1);
	assert_int_equal(CALL(storage_write, "late", 4, ID(id), NOW), 0);
	assert_int_equal(CALL(storage_release, NULL, 0, ID(id)), 0);
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(id)), -ESTALE);
	caller = 1;
}

/* A file that is made without a name is held by who made it, and may be given one as long as it is. */
static void nameless(void **state)
{
	struct ext4_id root = begin(), id, other;

	assert_int_equal(CALL(storage_create, NULL, 0, ID(root), .mode = le32_of(040755), NOW), -EINVAL);
	assert_int_equal(CALL(storage_create, NULL, 0, ID(root), .mode = le32_of(0100600), NOW), 0);
	id = wire_id(&storage_create_r.attr);
	assert_int_equal(le32_get(storage_create_r.attr.nlink), 0);
	assert_int_equal(CALL(storage_create, NULL, 0, ID(root), .mode = le32_of(0100600), NOW), 0);
	other = wire_id(&storage_create_r.attr);
	assert_int_equal(volumes_nr_holds(), 2);
	assert_int_equal(CALL(storage_write, "abc", 3, ID(id), NOW), 0);
	assert_int_equal(CALL(storage_link, "l", 1, ID(id), .dir_ino = le64_of(root.ino), .dir_gen = le32_of(root.gen), NOW), -ENOENT);
	assert_int_equal(CALL(storage_link, "l", 1, ID(id), .dir_ino = le64_of(root.ino), .dir_gen = le32_of(root.gen),
			      .first = le32_of(1), NOW), 0);
	assert_int_equal(le32_get(storage_link_r.attr.nlink), 1);
	assert_int_equal(CALL(storage_release, NULL, 0, ID(id)), 0);
	assert_int_equal(CALL(storage_lookup, "l", 1, ID(root)), 0);
	assert_int_equal(le64_get(storage_lookup_r.attr.size), 3);
	assert_int_equal(CALL(storage_release, NULL, 0, ID(other)), 0);
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(other)), -ESTALE);
	caller_died = true;		/* while its request waited: it is not made */
	assert_int_equal(CALL(storage_create, NULL, 0, ID(root), .mode = le32_of(0100600), NOW), -EHOSTDOWN);
	caller_died = false;
	assert_int_equal(CALL(storage_unlink, "l", 1, ID(root), NOW), 0);
	assert_int_equal(volumes_nr_holds(), 0);
}

static void shutting_down(void **state)
{
	struct ext4_id root = begin(), id;

	assert_int_equal(CALL(storage_create, "open", 4, ID(root), .mode = le32_of(0100644), NOW), 0);
	id = wire_id(&storage_create_r.attr);
	assert_int_equal(CALL(storage_hold, NULL, 0, ID(id)), 0);
	assert_int_equal(CALL(storage_unlink, "open", 4, ID(root), NOW), 0);
	assert_int_equal(CALL(storage_shutdown, NULL, 0), 0);
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(root)), -ESTALE);
	volumes_unmount();		/* power_off()'s hook comes second */
	for (int i = 0; i < 200 && !__atomic_load_n(&powered_off, __ATOMIC_ACQUIRE); i++)
		usleep(10000);
	assert_true(powered_off);
	disk_check(disk);
	disk_free(disk);
}

/* What a processor node was promised to stay, stays, whoever else comes; and nobody waits without such a promise. */
static void leases(void **state)
{
	struct ext4_id root = begin(), id;

	shim_time_manual(NSEC_PER_SEC);
	role_of[1] = role_of[3] = ROLE_PROCESSOR;
	role_of[2] = ROLE_MEMORY;
	is_up[1] = is_up[2] = true;
	caller = 1;
	assert_int_equal(CALL(storage_create, "leased", 6, ID(root), .mode = le32_of(0100644), NOW), 0);
	assert_int_equal(le32_get(storage_create_r.attr.lease_ms), LEASE_MS);
	id = wire_id(&storage_create_r.attr);
	assert_int_equal(CALL(storage_setattr, NULL, 0, ID(id), .mask = le32_of(WIRE_SET_MODE), .mode = le32_of(0600)), 0);
	caller = 2;			/* for the keeper, who knows of it; what a memory node is told is promised to nobody */
	assert_int_equal(CALL(storage_hold, NULL, 0, ID(id)), 0);
	assert_int_equal(le32_get(storage_hold_r.attr.lease_ms), 0);
	assert_int_equal(CALL(storage_write, "hello", 5, ID(id), NOW), 0);
	assert_int_equal(slept_ns, 0);

	is_up[3] = true;		/* another processor node looks: at once, without a promise for either */
	caller = 3;
	assert_int_equal(CALL(storage_lookup, "leased", 6, ID(root)), 0);
	assert_int_equal(le32_get(storage_lookup_r.attr.lease_ms), 0);
	caller = 1;
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(id)), 0);
	assert_int_equal(le32_get(storage_getattr_r.attr.lease_ms), 0);
	assert_int_equal(slept_ns, 0);
	caller = 3;			/* it changes something: after the promise, by the slowest of clocks */
	assert_int_equal(CALL(storage_setattr, NULL, 0, ID(id), .mask = le32_of(WIRE_SET_MODE), .mode = le32_of(0640)), 0);
	assert_int_equal(slept_ns, 2 * LEASE_MS * NSEC_PER_MSEC);
	assert_int_equal(CALL(storage_unlink, "leased", 6, ID(root), NOW), 0);
	assert_int_equal(slept_ns, 2 * LEASE_MS * NSEC_PER_MSEC);

	is_up[3] = false;		/* alone again, and the other comes back: its memory node waits for it, too */
	caller = 1;
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(id)), 0);
	assert_int_equal(le32_get(storage_getattr_r.attr.lease_ms), LEASE_MS);
	shim_time_advance(NSEC_PER_SEC / 2);
	is_up[3] = true;
	slept_ns = 0;
	caller = 2;
	assert_int_equal(CALL(storage_write, "hallo", 5, ID(id), NOW), 0);
	assert_int_equal(slept_ns, 2 * LEASE_MS * NSEC_PER_MSEC - NSEC_PER_SEC / 2);

	is_up[3] = false;		/* one that is dead, and a request of it that waited: the keeper is promised nothing meanwhile */
	caller = 1;
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(id)), 0);
	assert_int_equal(le32_get(storage_getattr_r.attr.lease_ms), LEASE_MS);
	assert_int_not_equal(lease_wait_ns(&volume_at(0)->lease, 3), 0);
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(id)), 0);
	assert_int_equal(le32_get(storage_getattr_r.attr.lease_ms), 0);
	assert_int_equal(CALL(storage_create, "mine", 4, ID(root), .mode = le32_of(0100644), NOW), 0);
	shim_time_advance(2 * NSEC_PER_SEC);
	assert_int_equal(lease_wait_ns(&volume_at(0)->lease, 3), 0);
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(id)), 0);
	assert_int_equal(le32_get(storage_getattr_r.attr.lease_ms), LEASE_MS);
	is_up[1] = is_up[2] = false;	/* the other restarts, the first is dead and may not know it yet */
	is_up[3] = true;
	caller = 3;
	slept_ns = 0;
	assert_int_equal(CALL(storage_unlink, "mine", 4, ID(root), NOW), 0);
	assert_int_equal(slept_ns, 2 * LEASE_MS * NSEC_PER_MSEC);
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(root)), 0);
	assert_int_equal(le32_get(storage_getattr_r.attr.lease_ms), LEASE_MS);
	caller = 2;
	assert_int_equal(CALL(storage_release, NULL, 0, ID(id)), 0);
	memset(is_up, 0, sizeof(is_up));
	memset(role_of, 0, sizeof(role_of));
	caller = 1;
}

/* Whose node died while its request waited, that has its error, and has begun anew maybe: nothing is changed, and no new hold ends. */
static void died_waiting(void **state)
{
	struct ext4_id root = begin(), id;

	shim_time_manual(1000 * NSEC_PER_SEC);
	role_of[1] = role_of[3] = ROLE_PROCESSOR;
	role_of[2] = ROLE_MEMORY;
	is_up[1] = is_up[2] = true;
	caller = 1;
	assert_int_equal(CALL(storage_create, "stays", 5, ID(root), .mode = le32_of(0100644), NOW), 0);
	id = wire_id(&storage_create_r.attr);
	caller = 2;
	assert_int_equal(CALL(storage_write, "hello", 5, ID(id), NOW), 0);
#define DIES(node, which, ...) do {							\
	caller = 1;			/* is promised that nothing changes, then the other comes */ \
	is_up[3] = false;								\
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(root)), 0);			\
	assert_int_equal(le32_get(storage_getattr_r.attr.lease_ms), LEASE_MS);		\
	is_up[3] = true;								\
	slept_ns = 0;									\
	dies_asleep = true;								\
	caller = (node);								\
	assert_int_equal(CALL(which, __VA_ARGS__), -EHOSTDOWN);				\
	assert_int_not_equal(slept_ns, 0);						\
	dies_asleep = caller_died = false;						\
} while (0)
	DIES(3, storage_setattr, NULL, 0, ID(id), .mask = le32_of(WIRE_SET_MODE), .mode = le32_of(0600));
	DIES(3, storage_create, "new", 3, ID(root), .mode = le32_of(0100644), NOW);
	DIES(3, storage_create, NULL, 0, ID(root), .mode = le32_of(0100644), NOW);
	DIES(3, storage_symlink, "newtarget", 9, ID(root), .name_len = le32_of(3), NOW);
	DIES(3, storage_link, "new", 3, ID(id), .dir_ino = le64_of(root.ino), .dir_gen = le32_of(root.gen), NOW);
	DIES(3, storage_rename, "staysnew", 8, ID(root), .new_ino = le64_of(root.ino), .new_gen = le32_of(root.gen), .name_len = le32_of(5), NOW);
	DIES(3, storage_unlink, "stays", 5, ID(root), NOW);
	DIES(2, storage_write, "HELLO, world", 12, ID(id), NOW);
	DIES(2, storage_truncate, NULL, 0, ID(id), .size = le64_of(1), NOW);
	DIES(2, storage_range, NULL, 0, ID(id), .what = le32_of(WIRE_RANGE_PUNCH), .len = le64_of(4096), NOW);
	DIES(2, storage_range, NULL, 0, ID(id), .what = le32_of(WIRE_RANGE_ALLOCATE), .off = le64_of(65536), .len = le64_of(4096), NOW);
	caller = 2;
	assert_int_equal(CALL(storage_lookup, "new", 3, ID(root)), -ENOENT);
	assert_int_equal(CALL(storage_lookup, "stays", 5, ID(root)), 0);
	assert_int_equal(le64_get(storage_lookup_r.attr.ino), id.ino);
	assert_int_equal(le32_get(storage_lookup_r.attr.mode), 0100644);
	assert_int_equal(le32_get(storage_lookup_r.attr.nlink), 1);
	assert_int_equal(le64_get(storage_lookup_r.attr.size), 5);
	assert_int_equal(CALL(storage_read, NULL, 0, ID(id), .len = le32_of(5)), 0);
	assert_memory_equal(bulk_back, "hello", 5);
	assert_int_equal(volumes_nr_holds(), 0);

	assert_int_equal(CALL(storage_hold, NULL, 0, ID(id)), 0);
	volumes_node_died(2);		/* its release was on the way */
	assert_int_equal(CALL(storage_hold, NULL, 0, ID(id)), 0);
	assert_int_equal(CALL(storage_unlink, "stays", 5, ID(root), NOW), 0);
	caller_died = true;
	assert_int_equal(CALL(storage_release, NULL, 0, ID(id)), -EHOSTDOWN);
	caller_died = false;
	assert_int_equal(volumes_nr_holds(), 1);
	assert_int_equal(CALL(storage_read, NULL, 0, ID(id), .len = le32_of(5)), 0);
	assert_memory_equal(bulk_back, "hello", 5);
	assert_int_equal(CALL(storage_release, NULL, 0, ID(id)), 0);
	assert_int_equal(CALL(storage_getattr, NULL, 0, ID(id)), -ESTALE);
	memset(is_up, 0, sizeof(is_up));
	memset(role_of, 0, sizeof(role_of));
	caller = 1;
}

/* The words of a row that two nodes compare: types, names and order of the fields, of request and reply. */
static void rows_have_words(void **state)
{
	unsigned nr = 0;

	assert_string_equal(RPC_GEN_WORDS(storage_truncate), "le32 fs;le32 gen;le64 ino;le64 size;le64 now;le32 now_ns;>");
	assert_string_equal(RPC_GEN_WORDS(storage_lookup), "le32 fs;le32 gen;le64 ino;>struct wire_attr attr;");
	assert_string_equal(RPC_GEN_WORDS(storage_mounts), ">le32 nr;");
#define COUNT(number, op, class) nr += strchr(RPC_GEN_WORDS(op), '>') != NULL;
	RPC_STORAGE_OPS(COUNT)
	RPC_MEMORY_OPS(COUNT)
	assert_int_equal(nr, 44);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(listing),
		cmocka_unit_test(refusals),
		cmocka_unit_test(holds),
		cmocka_unit_test(nameless),
		cmocka_unit_test(leases),
		cmocka_unit_test(died_waiting),
		cmocka_unit_test(clocks),
		cmocka_unit_test(shutting_down),
		cmocka_unit_test(rows_have_words),
	};

	return cmocka_run_group_tests(tests, test_begin, test_end);
}
