/* SPDX-License-Identifier: MIT */
/* What a storage node says of files and folders: taken when it can be so, EIO when it cannot. White box; the node is made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "managers/processor/fs/test_storagefs.h"
#include "shim.h"

static struct wire_attr said;		/* by the node */
static u8 listing[512];
static u32 listing_len;
static bool listing_ends;
static const char *target = "";		/* that comes with a symlink's name */
static struct wire_mount volumes[2];
static u32 volumes_said;		/* how many, as it says */
static unsigned asked, released;
static u64 released_ino;

int rpc_call_bulk(unsigned node, unsigned op, const void *req, const void *bulk, u32 bulk_len, void *rep, u32 rep_size, u32 *rep_len)
{
	asked++;
	if (op == RPC_storage_release) {
		released++;
		released_ino = le64_get(((const struct rpc_storage_release_req *)req)->ino);
		return 0;
	}
	if (op == RPC_storage_mounts) {
		*(struct rpc_storage_mounts_rep *)rep = (struct rpc_storage_mounts_rep){ le32_of(volumes_said) };
		memcpy(rep + sizeof(struct rpc_storage_mounts_rep), volumes, sizeof(volumes));
		*rep_len = sizeof(struct rpc_storage_mounts_rep) + sizeof(volumes);
	} else if (op == RPC_storage_readdir) {
		*(struct rpc_storage_readdir_rep *)rep = (struct rpc_storage_readdir_rep){ .end = le32_of(listing_ends) };
		memcpy(rep + sizeof(struct rpc_storage_readdir_rep), listing, listing_len);
		*rep_len = sizeof(struct rpc_storage_readdir_rep) + listing_len;
	} else {
		memcpy(rep, &said, sizeof(said));
		if (rep_len != NULL) {
			assert_true(sizeof(said) + strlen(target) <= rep_size);
			memcpy(rep + sizeof(said), target, strlen(target));
			*rep_len = sizeof(said) + strlen(target);
		}
	}
	return 0;
}

void attr_keep(struct inode *i, const struct attr_asked *asked, const struct attr *a, u32 lease_ms, unsigned own) { }
void attr_rights_answered(struct inode *i, const struct attr_asked *asked, const struct attr *a) { }
void attr_change_end_rights(const struct attr_file *f, struct inode *i, const struct attr_asked *asked, const struct attr *now) { }
bool attr_rights_right(const struct inode *i) { return true; }
s64 object_read(struct object *o, u64 off, void *buf, size_t len) { return -ENOSYS; }
static unsigned syncs;
static int sync_error;
static bool shm;
int object_sync(struct object *o, bool disk) { return syncs += disk, sync_error; }
bool object_is_shm(const struct object *o) { return shm; }
s64 object_write(struct object *o, u64 *off, const void *buf, size_t len, bool append)
{
	*off += len;
	return len;
}
u64 object_size(struct object *o) { return 0; }
s64 object_seek(struct object *o, u64 off, bool hole) { return -ENXIO; }

static void good(void)
{
	memset(&said, 0, sizeof(said));
	said.mode = le32_of(S_IFREG | 0644);
	said.ino = le64_of(12);
	said.size = le64_of(WIRE_SIZE_MAX);
	said.mtime_ns = le32_of(NSEC_PER_SEC - 1);
}

/* By lookup, which learns the kind of file; by getattr and setattr, which know it. */
static void all_say(int rc)
{
	struct inode dir = { .type = S_IFDIR, .mode = S_IFDIR | 0755, .ino = 2 }, file = { .type = S_IFREG, .mode = S_IFREG | 0600, .ino = 12 };
	struct inode *found = NULL;
	struct attr a = { 0 };

	assert_int_equal(storage_lookup(&dir, "x", &found), rc);
	if (rc == 0) {
		assert_int_equal(found->type, S_IFREG);
		kfree(found);
	}
	assert_int_equal(storage_getattr(&file, &a), rc);
	assert_int_equal(storage_setattr(&file, &a, SET_MODE), rc);
	assert_int_equal(file.mode & S_IFMT, S_IFREG);
	assert_int_equal(a.size, rc == 0 ? WIRE_SIZE_MAX : 0);
}

static void attributes(void **state)
{
	struct inode file = { .type = S_IFREG, .mode = S_IFREG | 0600, .ino = 12 };
	struct attr a;

	good();
	all_say(0);
	static const u64 sizes[] = { WIRE_SIZE_MAX + 1, 1ULL << 63, ~0ULL };
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		good();
		said.size = le64_of(sizes[i]);
		all_say(-EIO);
	}
	static const size_t ns[] = { offsetof(struct wire_attr, atime_ns), offsetof(struct wire_attr, mtime_ns),
				     offsetof(struct wire_attr, ctime_ns), offsetof(struct wire_attr, btime_ns) };
	for (unsigned i = 0; i < ARRAY_SIZE(ns); i++) {
		good();
		*(le32 *)((u8 *)&said + ns[i]) = le32_of(NSEC_PER_SEC);
		all_say(-EIO);
	}
	good();
	said.ino = le64_of(0);
	all_say(-EIO);
	good();
	said.mode = le32_of(0170644);
	all_say(-EIO);
	said.mode = le32_of(0644);
	all_say(-EIO);
	said.mode = le32_of(S_IFDIR | 0755);		/* it was a file */
	assert_int_equal(storage_getattr(&file, &a), -EIO);
	assert_int_equal(storage_setattr(&file, &a, SET_MODE), -EIO);
	assert_int_equal(file.mode, S_IFREG | 0600);
}

/* One entry of this name. */
static struct wire_dirent *entry(const char *name, u8 len)
{
	struct wire_dirent *d = (struct wire_dirent *)listing;

	memset(listing, 0, sizeof(listing));
	listing_len = ALIGN_UP(sizeof(*d) + len, 8UL);
	*d = (struct wire_dirent){ .ino = le64_of(5), .cookie = le64_of(9), .reclen = le16_of(listing_len), .name_len = len };
	memcpy(d->name, name, len);
	return d;
}

static s64 read_them(void)
{
	struct inode dir = { .type = S_IFDIR, .ino = 2 };
	struct file f = { .inode = &dir };
	u8 buf[600];
	s64 n = directory_readdir(&f, buf, sizeof(buf));

	if (n > 0)
		assert_int_equal(f.pos, 9);
	return n;
}

static void listings(void **state)
{
	entry("name", 4);
	assert_int_equal(read_them(), ALIGN_UP(sizeof(struct dirent64_abi) + 5, 8UL));
	entry("..", 2);
	assert_true(read_them() > 0);
	entry("", 0);
	assert_int_equal(read_them(), -EIO);
	entry("a/b", 3);
	assert_int_equal(read_them(), -EIO);
	entry("a\0b", 3);
	assert_int_equal(read_them(), -EIO);
	entry("name", 4)->reclen = le16_of(listing_len + 8);		/* beyond the end */
	assert_int_equal(read_them(), -EIO);
	entry("name", 4)->reclen = le16_of(0);
	assert_int_equal(read_them(), -EIO);
	entry("name", 4)->name_len = 255;
	assert_int_equal(read_them(), -EIO);
	entry("name", 4)->cookie = le64_of(1ULL << 63);			/* no position that a file can have */
	assert_int_equal(read_them(), -EIO);
	listing_len = 0;
	assert_int_equal(read_them(), 0);
}

/* The end that came with the last entries is told without asking, once; what comes later is asked for. */
static void the_end(void **state)
{
	struct inode dir = { .type = S_IFDIR, .ino = 2 };
	struct file f = { .inode = &dir };
	u8 buf[600];

	entry("name", 4);
	listing_ends = true;
	asked = 0;
	assert_true(directory_readdir(&f, buf, sizeof(buf)) > 0);
	assert_int_equal(directory_readdir(&f, buf, sizeof(buf)), 0);
	assert_int_equal(asked, 1);
	assert_true(directory_readdir(&f, buf, sizeof(buf)) > 0);
	assert_int_equal(asked, 2);
	f.pos = 0;			/* from the start again, the end not having been asked for */
	assert_true(directory_readdir(&f, buf, sizeof(buf)) > 0);
	assert_int_equal(asked, 3);
	assert_int_equal(directory_readdir(&f, buf, 8), 0);
	assert_int_equal(directory_readdir(&f, buf, 8), -EINVAL);	/* no room: that is not the end */
	listing_ends = false;
	assert_true(directory_readdir(&f, buf, sizeof(buf)) > 0);
	assert_true(directory_readdir(&f, buf, sizeof(buf)) > 0);
	assert_int_equal(asked, 6);
}

static void targets(void **state)
{
	struct inode dir = { .type = S_IFDIR, .ino = 2 }, *found = NULL;
	char buf[16];

	good();
	said.mode = le32_of(S_IFLNK | 0777);
	target = "lib/x";
	asked = 0;
	assert_int_equal(storage_lookup(&dir, "s", &found), 0);
	assert_int_equal(storage_readlink(found, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "lib/x", 5);
	assert_int_equal(asked, 1);
	storage_release(found);
	kfree(found);
	target = "";			/* it is too long for that, and asked for when it is wanted */
	assert_int_equal(storage_lookup(&dir, "s", &found), 0);
	assert_null(found->target);
	kfree(found);
}

/* O_TMPFILE: what the node holds for us is given back, also where nothing came of the open, and by calls that do not end before it is known. */
static void nameless(void **state)
{
	struct inode dir = { .type = S_IFDIR, .mode = S_IFDIR | 0755, .ino = 2 }, *i = NULL;
	const struct new_file how = { .mode = S_IFREG | 0600 };

	good();
	sures = released = 0;
	assert_int_equal(storage_create_nameless(&dir, &how, true, &i), 0);
	assert_true(i->held && i->linkable);
	assert_int_equal(sures, 1);
	storage_release(i);
	kfree(i);
	assert_int_equal(sures, 2);
	assert_int_equal(released, 1);
	assert_int_equal(released_ino, 12);
	shim_fail_alloc(1);
	assert_int_equal(storage_create_nameless(&dir, &how, true, &i), -ENOMEM);
	assert_int_equal(released, 2);
	said.size = le64_of(~0ULL);
	assert_int_equal(storage_create_nameless(&dir, &how, true, &i), -EIO);
	assert_int_equal(released, 3);
	assert_int_equal(storage_create(&dir, "name", &how, &i), -EIO);		/* what has a name is nobody's to hold */
	assert_int_equal(released, 3);
	assert_int_equal(sures, 6);
}

/* What is written to a file opened so is on the disk when write() returns. */
static void synchronous(void **state)
{
	struct inode i = { .type = S_IFREG };
	struct file f = { .inode = &i, .flags = O_WRONLY };
	u64 pos = 0;

	assert_int_equal(regular_write(&f, "abc", 3, &pos), 3);
	assert_int_equal(syncs, 0);
	f.flags = O_WRONLY | O_SYNC;
	assert_int_equal(regular_write(&f, "abc", 3, &pos), 3);
	f.flags = O_WRONLY | O_DSYNC;
	assert_int_equal(regular_write(&f, "abc", 3, &pos), 3);
	assert_int_equal(syncs, 2);
	assert_int_equal(pos, 9);
	sync_error = -EIO;
	assert_int_equal(regular_write(&f, "abc", 3, &pos), -EIO);
	shm = true;
	assert_int_equal(regular_write(&f, "abc", 3, &pos), 3);
	assert_int_equal(syncs, 3);
}

static int count_volume(const char *path, struct inode *root, void *nr)
{
	assert_string_equal(path, ++*(unsigned *)nr == 1 ? "/" : "/mnt");
	kfree(root);
	return 0;
}

static unsigned volumes_found(void)
{
	unsigned nr = 0;

	assert_int_equal(storagefs_volumes(3, count_volume, &nr), 0);
	return nr;
}

static void volumes_that_cannot_be(void **state)
{
	struct wire_mount sound[2] = {
		{ .root_ino = le64_of(2), .path = "/" }, { .fs = le32_of(15), .root_ino = le64_of(2), .path = "/mnt" },
	};

	memcpy(volumes, sound, sizeof(volumes));
	volumes_said = 2;
	assert_int_equal(volumes_found(), 2);
	volumes_said = ~0U;			/* more than came */
	assert_int_equal(volumes_found(), 2);
	volumes[1].fs = le32_of(16);		/* its files would be another node's */
	assert_int_equal(volumes_found(), 1);
	memcpy(volumes, sound, sizeof(volumes));
	volumes[1].root_ino = le64_of(0);
	assert_int_equal(volumes_found(), 1);
	memcpy(volumes, sound, sizeof(volumes));
	volumes[1].path[0] = 'm';
	assert_int_equal(volumes_found(), 1);
	memset(volumes[1].path, '/', sizeof(volumes[1].path));	/* without an end */
	assert_int_equal(volumes_found(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(synchronous), cmocka_unit_test(attributes), cmocka_unit_test(listings), cmocka_unit_test(the_end), cmocka_unit_test(targets),
					   cmocka_unit_test(nameless), cmocka_unit_test(volumes_that_cannot_be) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
