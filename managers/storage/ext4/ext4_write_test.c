/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/storage/ext4/cache.c managers/storage/ext4/csum.c managers/storage/ext4/group.c managers/storage/ext4/balloc.c managers/storage/ext4/ialloc.c */
/* SOURCES: managers/storage/ext4/inode.c managers/storage/ext4/extent_tree.c managers/storage/ext4/extent.c managers/storage/ext4/indirect.c managers/storage/ext4/map.c */
/* SOURCES: managers/storage/ext4/dir.c managers/storage/ext4/hash.c managers/storage/ext4/htree.c managers/storage/ext4/readdir.c managers/storage/ext4/orphan.c */
/* SOURCES: managers/storage/ext4/file.c managers/storage/ext4/range.c managers/storage/ext4/namei.c managers/storage/ext4/rename.c managers/storage/ext4/super.c */
/* Changing a volume: each call and what it refuses, then e2fsck finds nothing to say. For every block size. */
#include "managers/storage/ext4/testlib.h"

static const char *const variants[] = {
	"-t ext4 -b 1024", "-t ext4 -b 2048", "-t ext4 -b 4096",
	"-t ext4 -b 1024 -O ^metadata_csum,uninit_bg -I 128", "-t ext4 -b 4096 -O ^64bit,^metadata_csum,^flex_bg",
	"-t ext4 -b 1024 -O ^dir_index,^has_journal", "-t ext4 -b 2048 -O meta_bg,^resize_inode,metadata_csum_seed",
	"-t ext4 -b 1024 -O ^filetype,^extra_isize",
};

static void each(const char *size, void (*run)(struct disk *d))
{
	for (u32 i = 0; i < ARRAY_SIZE(variants); i++) {
		struct disk *d = disk_make(variants[i], size, NULL);

		run(d);
		disk_check(d);
		disk_free(d);
	}
}

static u8 *pattern(u32 len, u32 seed)
{
	u8 *p = malloc(len);

	for (u32 i = 0; i < len; i++)
		p[i] = (u8)((seed = seed * 1103515245 + 12345) >> 16);
	return p;
}

static s64 put(struct ext4 *fs, struct ext4_id id, u64 off, const void *buf, u32 len)
{
	u64 size;

	return ext4_write(fs, id, off, buf, len, test_now, &size);
}

static void expect_data(struct ext4 *fs, struct ext4_id id, u64 off, const u8 *want, u32 len)
{
	u8 *have = malloc(len);

	assert_int_equal(ext4_read(fs, id, off, have, len), len);
	assert_memory_equal(have, want, len);
	free(have);
}

static void run_files(struct disk *d)
{
	struct ext4 *fs = test_mount(d);
	struct ext4_id root = ext4_root(fs), id;
	u8 *big = pattern(1500000, 1), *zero = calloc(1, 1500000);
	struct ext4_attr a;
	u64 size;

	/* in order, in odd pieces */
	assert_int_equal(test_make(fs, root, "big", EXT4_S_IFREG | 0644, &a), 0);
	id = id_of(&a);
	assert_int_equal(a.nlink, 1);
	assert_int_equal(a.uid, 1000);
	assert_int_equal(a.gid, 100000);
	assert_int_equal(a.mtime.nsec, fs->inode_size > 128 ? test_now.nsec : 0);
	for (u32 at = 0, n = 1; at < 1500000; at += n, n = n * 2 + 1) {
		n = MIN(MIN(n, 65536u), 1500000 - at);
		assert_int_equal(put(fs, id, at, big + at, n), n);
	}
	expect_data(fs, id, 0, big, 1500000);

	/* sparse: many extents, so that the tree grows levels; then filled from behind, so that it merges again */
	assert_int_equal(test_make(fs, root, "sparse", EXT4_S_IFREG | 0600, &a), 0);
	id = id_of(&a);
	for (u32 i = 0; i < 700; i++)
		assert_int_equal(put(fs, id, (u64)i * 2 * fs->bs, big + i, fs->bs), fs->bs);
	assert_int_equal(ext4_getattr(fs, id, &a), 0);
	assert_in_range(a.blocks, 700 * (fs->bs / 512), 720 * (fs->bs / 512));
	expect_data(fs, id, 10 * fs->bs, big + 5, fs->bs);
	expect_data(fs, id, 11 * fs->bs, zero, fs->bs);
	for (u32 i = 700; i-- > 0; )
		assert_int_equal(put(fs, id, (u64)(i * 2 + 1) * fs->bs, big + 7 * i, fs->bs), fs->bs);
	for (u32 i = 0; i < 700; i++) {
		expect_data(fs, id, (u64)i * 2 * fs->bs, big + i, fs->bs);
		expect_data(fs, id, (u64)(i * 2 + 1) * fs->bs, big + 7 * i, fs->bs);
	}

	/* truncate: down into a block, then up: what comes back is zero */
	assert_int_equal(ext4_truncate(fs, id, 100000 + 17, test_now), 0);
	assert_int_equal(ext4_truncate(fs, id, 300000, test_now), 0);
	expect_data(fs, id, 100017, zero, 199983);
	assert_int_equal(ext4_read(fs, id, 300000, zero, 10), 0);
	assert_int_equal(ext4_truncate(fs, id, 0, test_now), 0);
	assert_int_equal(ext4_getattr(fs, id, &a), 0);
	assert_int_equal(a.blocks, 0);
	assert_int_equal(put(fs, id, 5, "hello", 5), 5);
	expect_data(fs, id, 0, (const u8 *)"\0\0\0\0\0hello", 10);

	/* bounds */
	assert_int_equal(ext4_write(fs, id, ~0ull - 3, "hello", 5, test_now, &size), -EFBIG);
	assert_int_equal(ext4_truncate(fs, id, 1ull << 50, test_now), -EFBIG);
	assert_int_equal(put(fs, id, (3ull << 30) + 1, "far", 3), 3);
	expect_data(fs, id, (3ull << 30), (const u8 *)"\0far", 4);
	assert_int_equal(put(fs, root, 0, "x", 1), -EISDIR);
	assert_int_equal(ext4_write(fs, (struct ext4_id){ id.ino, id.gen + 1 }, 0, "x", 1, test_now, &size), -ESTALE);
	assert_int_equal(ext4_write(fs, (struct ext4_id){ 8, 0 }, 0, "x", 1, test_now, &size), -ESTALE);

	a.mode = 04711, a.uid = 70000, a.mtime = (struct ext4_time){ -5, 17 }, a.atime = (struct ext4_time){ 5000000000, 1 };
	assert_int_equal(ext4_setattr(fs, id, EXT4_SET_MODE | EXT4_SET_UID | EXT4_SET_MTIME | EXT4_SET_ATIME, &a, test_now), 0);
	assert_int_equal(a.mode, EXT4_S_IFREG | 04711);
	assert_int_equal(a.uid, 70000);
	assert_int_equal(a.gid, 100000);
	assert_int_equal(a.mtime.sec, -5);
	if (fs->inode_size > 128)
		assert_int_equal(a.atime.sec, 5000000000);
	/* times beyond what an inode holds */
	a.mtime = (struct ext4_time){ INT64_MIN, 17 }, a.atime = (struct ext4_time){ INT64_MAX, 999999999 };
	assert_int_equal(ext4_setattr(fs, id, EXT4_SET_MTIME | EXT4_SET_ATIME, &a, test_now), 0);
	assert_int_equal(ext4_getattr(fs, id, &a), 0);
	assert_true(a.mtime.sec == INT32_MIN && a.mtime.nsec == 0);
	assert_true(a.atime.sec == (fs->inode_size > 128 ? 0x37fffffffLL : INT32_MAX) && a.atime.nsec == 0);
	test_unmount(fs, d);

	fs = test_mount(d);
	expect_data(fs, test_id(fs, "big"), 0, big, 1400000);
	test_unmount(fs, d);
	free(big);
	free(zero);
}

static void files(void **state)
{
	each("16M", run_files);
}

struct names {
	u32 nr;
	u64 cookie;
	u32 stop_after;
	u8 seen[8000];
};

static bool take_name(void *arg, const struct ext4_dent *e)
{
	struct names *n = arg;
	char name[256];

	if (n->stop_after-- == 0)
		return false;
	memcpy(name, e->name, e->len);
	name[e->len] = 0;
	if (strncmp(name, "file-", 5) == 0)
		n->seen[atoi(name + 5)]++;
	n->nr++;
	n->cookie = e->cookie;
	return true;
}

static int make_file(struct ext4 *fs, struct ext4_id dir, u32 i)
{
	struct ext4_attr a;
	char name[64];

	snprintf(name, sizeof(name), "file-%u%s", i, i % 3 ? "" : "-with-a-somewhat-longer-name");
	return test_make(fs, dir, name, EXT4_S_IFREG | 0644, &a);
}

static int remove_file(struct ext4 *fs, struct ext4_id dir, u32 i)
{
	struct ext4_attr a;
	char name[64];

	snprintf(name, sizeof(name), "file-%u%s", i, i % 3 ? "" : "-with-a-somewhat-longer-name");
	return ext4_unlink(fs, dir, name, (u32)strlen(name), false, &a, test_now);
}

static void run_big_dir(struct disk *d)
{
	struct ext4 *fs = test_mount(d);
	u32 nr = fs->dir_index ? 6000 : 1000, extra = nr, fs_block_size;
	struct names n = { 0 };
	struct ext4_attr a;
	struct ext4_id dir;

	assert_int_equal(test_make(fs, ext4_root(fs), "dir", EXT4_S_IFDIR | 0755, &a), 0);
	dir = id_of(&a);
	for (u32 i = 0; i < nr; i++)
		assert_int_equal(make_file(fs, dir, i), 0);
	assert_int_equal(make_file(fs, dir, 77), -EEXIST);
	fs_block_size = fs->bs;
	test_unmount(fs, d);
	disk_check(d);
	if (fs_block_size == 1024 && nr == 6000)
		sh("debugfs -R 'htree_dump /dir' img 2>/dev/null | grep -q 'Indirect levels: 1'");

	/* cookies hold while other names come and go */
	fs = test_mount(d);
	for (u32 round = 0; ; round++) {
		u32 before = n.nr;

		n.stop_after = 97;
		assert_int_equal(ext4_readdir(fs, dir, n.cookie, take_name, &n), 0);
		if (n.nr == before)
			break;
		if (extra < nr + 500)
			for (u32 i = 0; i < 20; i++)
				assert_int_equal(make_file(fs, dir, extra++), 0);
	}
	for (u32 i = 0; i < nr; i++)
		assert_int_equal(n.seen[i], 1);
	for (u32 i = 0; i < extra; i += 2)
		assert_int_equal(remove_file(fs, dir, i), 0);
	assert_int_equal(remove_file(fs, dir, 0), -ENOENT);
	assert_int_equal(ext4_unlink(fs, ext4_root(fs), "dir", 3, true, &a, test_now), -ENOTEMPTY);
	test_unmount(fs, d);
	disk_check(d);
	fs = test_mount(d);
	for (u32 i = 1; i < extra; i += 2)
		assert_int_equal(remove_file(fs, dir, i), 0);
	assert_int_equal(ext4_unlink(fs, ext4_root(fs), "dir", 3, true, &a, test_now), 0);
	test_unmount(fs, d);
}

static void big_dir(void **state)
{
	for (u32 i = 0; i < ARRAY_SIZE(variants); i++) {
		char options[128];
		struct disk *d;

		snprintf(options, sizeof(options), "%s -N 8192", variants[i]);
		d = disk_make(options, "24M", NULL);
		run_big_dir(d);
		disk_check(d);
		disk_free(d);
	}
}

#define NAME(s) (s), (u32)strlen(s)

static void run_names(struct disk *d)
{
	struct ext4 *fs = test_mount(d);
	struct ext4_id root = ext4_root(fs), a, b;
	char name[300], target[5000], buf[5000];
	struct ext4_attr at;

	memset(name, 'n', sizeof(name));
	memset(target, 't', sizeof(target));
	assert_int_equal(test_make(fs, root, "a", EXT4_S_IFDIR | 0755, &at), 0);
	assert_int_equal(at.nlink, 2);
	a = id_of(&at);
	assert_int_equal(test_make(fs, a, "b", EXT4_S_IFDIR | 0755, &at), 0);
	b = id_of(&at);
	assert_int_equal(ext4_getattr(fs, a, &at), 0);
	assert_int_equal(at.nlink, 3);
	assert_int_equal(test_make(fs, root, "f", EXT4_S_IFREG | 0644, &at), 0);

	/* refusals */
	assert_int_equal(test_make(fs, root, "f", EXT4_S_IFREG, &at), -EEXIST);
	assert_int_equal(test_make(fs, root, ".", EXT4_S_IFREG, &at), -EEXIST);
	assert_int_equal(test_make(fs, root, "", EXT4_S_IFREG, &at), -EINVAL);
	assert_int_equal(test_make(fs, root, "x/y", EXT4_S_IFREG, &at), -EINVAL);
	assert_int_equal(test_make(fs, root, "x", EXT4_S_IFLNK, &at), -EINVAL);
	assert_int_equal(test_make(fs, root, "x", 0, &at), -EINVAL);
	assert_int_equal(test_make(fs, test_id(fs, "f"), "x", EXT4_S_IFREG, &at), -ENOTDIR);
	at.mode = EXT4_S_IFREG;
	assert_int_equal(ext4_create(fs, root, name, 256, &at, test_now), -ENAMETOOLONG);
	at.mode = EXT4_S_IFREG;
	assert_int_equal(ext4_create(fs, root, name, 255, &at, test_now), 0);
	assert_int_equal(ext4_lookup(fs, root, name, 254, &at), -ENOENT);
	assert_int_equal(ext4_lookup(fs, root, name, 255, &at), 0);
	assert_int_equal(ext4_lookup(fs, b, "..", 2, &at), 0);
	assert_int_equal(at.ino, a.ino);
	assert_int_equal(ext4_unlink(fs, root, NAME("a"), false, &at, test_now), -EISDIR);
	assert_int_equal(ext4_unlink(fs, root, NAME("a"), true, &at, test_now), -ENOTEMPTY);
	assert_int_equal(ext4_unlink(fs, root, NAME("f"), true, &at, test_now), -ENOTDIR);
	assert_int_equal(ext4_unlink(fs, a, NAME("."), true, &at, test_now), -EINVAL);
	assert_int_equal(ext4_unlink(fs, a, NAME(".."), true, &at, test_now), -ENOTEMPTY);
	assert_int_equal(ext4_link(fs, a, root, NAME("l"), &at, test_now), -EPERM);

	/* links and special files */
	assert_int_equal(ext4_link(fs, test_id(fs, "f"), a, NAME("hard"), &at, test_now), 0);
	assert_int_equal(at.nlink, 2);
	for (u32 len = 1; len < fs->bs; len = len < 64 ? len + 1 : len * 2 - 1) {
		u32 n = (u32)snprintf(buf, sizeof(buf), "sym%u", len);

		assert_int_equal(ext4_symlink(fs, b, buf, n, target, len, &at, test_now), 0);
		assert_int_equal(ext4_readlink(fs, id_of(&at), buf, sizeof(buf)), len);
		assert_memory_equal(buf, target, len);
	}
	assert_int_equal(ext4_symlink(fs, b, NAME("s"), target, fs->bs, &at, test_now), -ENAMETOOLONG);
	assert_int_equal(ext4_symlink(fs, b, NAME("s"), target, 0, &at, test_now), -ENOENT);
	assert_int_equal(ext4_readlink(fs, root, buf, sizeof(buf)), -EINVAL);
	at = (struct ext4_attr){ .mode = EXT4_S_IFCHR | 0666, .rdev = 1 << 8 | 3 };
	assert_int_equal(ext4_create(fs, root, NAME("null"), &at, test_now), 0);
	assert_int_equal(at.rdev, 1 << 8 | 3);
	at = (struct ext4_attr){ .mode = EXT4_S_IFBLK | 0666, .rdev = 0x12345678 };
	assert_int_equal(ext4_create(fs, root, NAME("blk"), &at, test_now), 0);
	assert_int_equal(at.rdev, 0x12345678);
	assert_int_equal(test_make(fs, root, "fifo", EXT4_S_IFIFO | 0600, &at), 0);
	assert_int_equal(test_make(fs, root, "sock", EXT4_S_IFSOCK | 0600, &at), 0);

	/* rename */
	assert_int_equal(ext4_rename(fs, root, NAME("a"), b, NAME("x"), 0, test_now), -EINVAL);
	assert_int_equal(ext4_rename(fs, root, NAME("a"), a, NAME("x"), 0, test_now), -EINVAL);
	assert_int_equal(ext4_rename(fs, root, NAME("a"), root, NAME("f"), 0, test_now), -ENOTDIR);
	assert_int_equal(ext4_rename(fs, root, NAME("f"), root, NAME("a"), 0, test_now), -EISDIR);
	assert_int_equal(ext4_rename(fs, root, NAME("nope"), root, NAME("a"), 0, test_now), -ENOENT);
	assert_int_equal(ext4_rename(fs, root, NAME("f"), a, NAME("hard"), 0, test_now), 0);
	assert_int_equal(ext4_lookup(fs, root, "f", 1, &at), 0);	/* the same file: both stay */
	assert_int_equal(ext4_rename(fs, root, NAME("f"), a, NAME("hard"), EXT4_RENAME_NOREPLACE, test_now), -EEXIST);
	assert_int_equal(ext4_rename(fs, root, NAME("f"), a, NAME("g"), EXT4_RENAME_NOREPLACE, test_now), 0);
	assert_int_equal(ext4_rename(fs, root, NAME("."), a, NAME("g"), 0, test_now), -EBUSY);
	assert_int_equal(ext4_rename(fs, root, NAME("a"), root, NAME("g"), 3, test_now), -EINVAL);
	assert_int_equal(ext4_rename(fs, a, NAME("b"), root, NAME("moved"), 0, test_now), 0);
	assert_int_equal(ext4_lookup(fs, b, "..", 2, &at), 0);
	assert_int_equal(at.ino, root.ino);
	assert_int_equal(ext4_getattr(fs, a, &at), 0);
	assert_int_equal(at.nlink, 2);
	assert_int_equal(test_make(fs, a, "empty", EXT4_S_IFDIR | 0755, &at), 0);
	assert_int_equal(ext4_rename(fs, root, NAME("moved"), a, NAME("empty"), 0, test_now), 0);	/* over an empty one */
	assert_int_equal(ext4_lookup(fs, a, "empty", 5, &at), 0);
	assert_int_equal(at.ino, b.ino);
	assert_int_equal(test_make(fs, root, "g", EXT4_S_IFREG | 0644, &at), 0);
	assert_int_equal(ext4_rename(fs, root, NAME("g"), a, NAME("empty"), EXT4_RENAME_EXCHANGE, test_now), 0);
	assert_int_equal(ext4_lookup(fs, root, "g", 1, &at), 0);
	assert_int_equal(at.ino, b.ino);
	assert_int_equal(ext4_getattr(fs, a, &at), 0);
	assert_int_equal(at.nlink, 2);
	assert_int_equal(ext4_rename(fs, root, NAME("g"), a, NAME("none"), EXT4_RENAME_EXCHANGE, test_now), -ENOENT);
	test_unmount(fs, d);
}

static void names(void **state)
{
	each("16M", run_names);
}

static void run_held(struct disk *d)
{
	struct ext4 *fs = test_mount(d);
	struct ext4_id root = ext4_root(fs), id[5];
	struct ext4_stat before, after;
	struct ext4_attr a;

	ext4_statfs(fs, &before);
	for (u32 i = 0; i < 5; i++) {
		char name[8];

		snprintf(name, sizeof(name), "h%u", i);
		assert_int_equal(test_make(fs, root, name, EXT4_S_IFREG | 0644, &a), 0);
		id[i] = id_of(&a);
		assert_int_equal(put(fs, id[i], 100000, "data", 4), 4);
		assert_int_equal(ext4_hold(fs, id[i], &a), 0);
		assert_int_equal(ext4_unlink(fs, root, name, 2, false, &a, test_now), 0);
		assert_int_equal(a.nlink, 0);
		assert_int_equal(ext4_link(fs, id[i], root, "back", 4, &a, test_now), -ENOENT);
		assert_int_equal(put(fs, id[i], 200000, "data", 4), 4);
	}
	assert_int_equal(ext4_release(fs, id[2], test_now), 0);		/* from the middle, the end and the front of the list */
	assert_int_equal(ext4_getattr(fs, id[2], &a), -ESTALE);
	assert_int_equal(ext4_release(fs, id[2], test_now), -EINVAL);
	assert_int_equal(ext4_release(fs, id[0], test_now), 0);
	assert_int_equal(ext4_hold(fs, id[4], &a), 0);
	assert_int_equal(ext4_release(fs, id[4], test_now), 0);
	assert_int_equal(ext4_getattr(fs, id[4], &a), 0);
	assert_int_equal(ext4_release(fs, id[4], test_now), 0);
	assert_int_equal(ext4_sync(fs, true, test_now), 0);
	assert_false(ext4_dirty(fs));
	test_unmount(fs, d);		/* two are still held */
	disk_check(d);
	fs = test_mount(d);
	ext4_statfs(fs, &after);
	assert_int_equal(after.bfree, before.bfree);
	assert_int_equal(after.ffree, before.ffree);
	test_unmount(fs, d);
}

static void held(void **state)
{
	each("16M", run_held);
}

static void run_full(struct disk *d)
{
	struct ext4 *fs = test_mount(d);
	struct ext4_id root = ext4_root(fs), id;
	static u8 data[60000];
	struct ext4_stat st;
	struct ext4_attr a;
	u64 at = 0;
	s64 n;
	int rc;

	assert_int_equal(test_make(fs, root, "full", EXT4_S_IFREG | 0644, &a), 0);
	id = id_of(&a);
	while ((n = put(fs, id, at, data, sizeof(data))) > 0)
		at += (u64)n;
	assert_int_equal(n, -ENOSPC);
	ext4_statfs(fs, &st);
	assert_int_equal(st.bfree, 0);
	assert_int_equal(test_make(fs, root, "dir", EXT4_S_IFDIR | 0755, &a), -ENOSPC);
	for (u32 i = 0; (rc = make_file(fs, root, i)) == 0; i++)	/* as far as the root directory's blocks go */
		assert_true(i < 1000);
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(ext4_getattr(fs, root, &a), 0);
	assert_int_equal(a.nlink, 3);
	assert_int_equal(ext4_truncate(fs, id, 0, test_now), 0);
	for (u32 i = 0; (rc = make_file(fs, root, 1000 + i)) == 0; i++)	/* now inodes run out */
		;
	assert_int_equal(rc, -ENOSPC);
	ext4_statfs(fs, &st);
	assert_int_equal(st.ffree, 0);
	test_unmount(fs, d);
}

static void full(void **state)
{
	each("4M", run_full);
}

static u32 extent_first(struct ext4 *fs, struct ext4_id id)
{
	struct inode in;
	struct map m;
	u32 unwritten;

	assert_int_equal(inode_get(fs, id, &in), 0);
	assert_int_equal(map_get(&in, 50, &m), 0);
	unwritten = m.unwritten;
	inode_put(&in);
	return unwritten;
}

/* fallocate's blocks (debugfs makes some) read as zeros and may be written piece by piece. */
static void run_unwritten(struct disk *d)
{
	struct ext4 *fs = test_mount(d);
	struct ext4_attr a;
	struct ext4_id id;
	u8 *model, *zero;

	assert_int_equal(test_make(fs, ext4_root(fs), "f", EXT4_S_IFREG | 0644, &a), 0);
	test_unmount(fs, d);
	disk_store(d, "img");
	sh("debugfs -w -R 'fallocate /f 0 399' img > /dev/null 2>&1");
	disk_free(d);
	d = disk_load("img");
	fs = test_mount(d);
	id = test_id(fs, "f");
	assert_int_equal(extent_first(fs, id), 1);
	assert_int_equal(ext4_truncate(fs, id, 400ull * fs->bs, test_now), 0);
	model = calloc(1, 400 * fs->bs);
	zero = pattern(5 * fs->bs, 9);
	for (u32 i = 0; i < 120; i++) {
		u32 at = (i * 7919u) % 390 * fs->bs + i * 5 % fs->bs, n = 1 + i * 977 % (4 * fs->bs);

		memcpy(model + at, zero, n);
		assert_int_equal(put(fs, id, at, zero, n), n);
	}
	expect_data(fs, id, 0, model, 400 * fs->bs);
	test_unmount(fs, d);
	disk_check(d);
	free(model);
	free(zero);
	disk_free(d);
}

static void unwritten(void **state)
{
	for (u32 i = 0; i < 3; i++)
		run_unwritten(disk_make(variants[i], "16M", NULL));
}

/* Old files in an ext4: read, overwritten, cut, deleted. */
static void block_mapped(void **state)
{
	struct disk *d;
	struct ext4 *fs;
	struct ext4_attr a;
	struct ext4_id id;
	u8 *data, buf[4];

	sh("rm -rf src && mkdir src && head -c 1500000 /dev/urandom > src/old && cp src/old src/old2");
	disk_free(disk_make("-t ext3 -b 1024", "16M", "src"));
	sh("tune2fs -O extent,flex_bg img > /dev/null 2>&1; e2fsck -fy img > /dev/null 2>&1; true");
	d = disk_load("img");
	fs = test_mount(d);
	assert_false(ext4_read_only(fs));
	id = test_id(fs, "old");
	data = malloc(1500000);
	assert_int_equal(ext4_read(fs, id, 0, data, 1500000), 1500000);
	memcpy(data + 700000, "overwritten", 11);
	assert_int_equal(put(fs, id, 700000, "overwritten", 11), 11);
	assert_int_equal(put(fs, id, 1500000, "x", 1), -EFBIG);
	expect_data(fs, id, 0, data, 1500000);
	for (u32 size = 1400000; size > 5000; size = size * 2 / 3) {
		assert_int_equal(ext4_truncate(fs, id, size, test_now), 0);
		expect_data(fs, id, 0, data, size);
	}
	assert_int_equal(ext4_sync(fs, true, test_now), 0);
	disk_check(d);
	assert_int_equal(ext4_truncate(fs, id, 0, test_now), 0);
	assert_int_equal(put(fs, id, 10000, "new", 3), 3);
	assert_int_equal(ext4_read(fs, id, 10000, buf, 4), 3);
	assert_int_equal(ext4_unlink(fs, ext4_root(fs), "old2", 4, false, &a, test_now), 0);
	test_unmount(fs, d);
	disk_check(d);
	free(data);
	disk_free(d);
}

/* A disk that stops taking writes: errors come back, nothing crashes, the volume stays marked. */
static u64 found(struct ext4 *fs, struct ext4_id id, u64 off, bool hole)
{
	u64 at;

	assert_int_equal(ext4_seek(fs, id, off, hole, &at), 0);
	return at;
}

/* The file has so many blocks, and up to two more for its tree. */
static void blocks_are(struct ext4 *fs, struct ext4_id id, u64 nr)
{
	struct ext4_attr a;

	assert_int_equal(ext4_getattr(fs, id, &a), 0);
	assert_in_range(a.blocks, nr * fs->bs / 512, (nr + 2) * fs->bs / 512);
}

/* Holes are found, made and filled; what has a place and was never written is a hole, too. */
static void run_ranges(struct disk *d)
{
	struct ext4 *fs = test_mount(d);
	struct ext4_id root = ext4_root(fs), id;
	const u64 bs = fs->bs;
	u8 *data = pattern(64 * fs->bs, 3), *zero = calloc(64, fs->bs);
	struct ext4_stat before, after;
	struct ext4_attr a;
	u64 at;

	ext4_statfs(fs, &before);
	assert_int_equal(test_make(fs, root, "holes", EXT4_S_IFREG | 0600, &a), 0);
	id = id_of(&a);
	assert_int_equal(ext4_seek(fs, id, 0, true, &at), -ENXIO);
	assert_int_equal(put(fs, id, 0, data, 4 * fs->bs), 4 * bs);
	assert_int_equal(put(fs, id, 40 * bs, data, 4 * fs->bs), 4 * bs);
	assert_int_equal(ext4_truncate(fs, id, 60 * bs, test_now), 0);
	assert_int_equal(found(fs, id, 0, false), 0);
	assert_int_equal(found(fs, id, 0, true), 4 * bs);
	assert_int_equal(found(fs, id, 4 * bs, false), 40 * bs);
	assert_int_equal(found(fs, id, 5 * bs + 7, true), 5 * bs + 7);
	assert_int_equal(found(fs, id, 41 * bs + 7, false), 41 * bs + 7);
	assert_int_equal(found(fs, id, 40 * bs, true), 44 * bs);
	assert_int_equal(found(fs, id, 59 * bs, true), 59 * bs);
	assert_int_equal(ext4_seek(fs, id, 44 * bs, false, &at), -ENXIO);
	assert_int_equal(ext4_seek(fs, id, 60 * bs, true, &at), -ENXIO);

	blocks_are(fs, id, 8);
	assert_int_equal(ext4_allocate(fs, id, 10 * bs, 5 * bs, test_now), 0);
	assert_int_equal(ext4_allocate(fs, id, 9 * bs + 1, 5 * bs, test_now), 0);	/* one is new */
	blocks_are(fs, id, 14);
	assert_int_equal(found(fs, id, 4 * bs, false), 40 * bs);
	expect_data(fs, id, 4 * bs, zero, 36 * fs->bs);
	assert_int_equal(put(fs, id, 12 * bs, data, fs->bs), bs);
	blocks_are(fs, id, 14);
	assert_int_equal(found(fs, id, 4 * bs, false), 12 * bs);
	assert_int_equal(ext4_allocate(fs, id, 58 * bs, 20 * bs, test_now), 0);		/* behind the end */
	assert_int_equal(ext4_getattr(fs, id, &a), 0);
	assert_int_equal(a.size, 60 * bs);
	blocks_are(fs, id, 34);
	assert_int_equal(ext4_truncate(fs, id, 60 * bs, test_now), 0);			/* gives that back */
	blocks_are(fs, id, 16);

	assert_int_equal(ext4_punch(fs, id, bs / 2, 2 * bs, test_now), 0);
	blocks_are(fs, id, 15);
	memset(data + bs / 2, 0, 2 * bs);
	expect_data(fs, id, 0, data, 4 * fs->bs);
	assert_int_equal(found(fs, id, 0, true), bs);
	assert_int_equal(ext4_punch(fs, id, 3 * bs + 5, 10, test_now), 0);		/* within one block */
	memset(data + 3 * bs + 5, 0, 10);
	expect_data(fs, id, 0, data, 4 * fs->bs);
	assert_int_equal(ext4_punch(fs, id, 20 * bs, 0, test_now), 0);
	assert_int_equal(ext4_punch(fs, id, 0, 100 * bs, test_now), 0);
	assert_int_equal(ext4_seek(fs, id, 0, false, &at), -ENXIO);
	expect_data(fs, id, 0, zero, 60 * fs->bs);
	for (u32 i = 0; i < 200; i++)					/* a tree with levels, and holes in it */
		assert_int_equal(put(fs, id, (u64)i * 2 * bs, data, fs->bs), bs);
	assert_int_equal(ext4_punch(fs, id, 100 * bs, 100 * bs, test_now), 0);
	assert_int_equal(found(fs, id, 99 * bs, false), 200 * bs);
	assert_int_equal(ext4_allocate(fs, id, 0, 400 * bs, test_now), 0);
	assert_int_equal(found(fs, id, 0, true), bs);
	assert_int_equal(ext4_allocate(fs, id, 0, 1ull << 40, test_now), -ENOSPC);
	assert_int_equal(ext4_unlink(fs, root, "holes", 5, false, &a, test_now), 0);
	ext4_statfs(fs, &after);
	assert_int_equal(after.bfree, before.bfree);
	assert_int_equal(ext4_seek(fs, root, 0, false, &at), -EISDIR);
	assert_int_equal(ext4_punch(fs, root, 0, bs, test_now), -EISDIR);
	assert_int_equal(ext4_unmount(fs, test_now), 0);
	free(data);
	free(zero);
}

static void ranges(void **state) { each("8M", run_ranges); }

/* What is free in one group is more than an extent holds, and its tree has room for one more alone. */
static void range_of_a_group(void **state)
{
	struct disk *d = disk_make("-t ext4 -b 4096 -N 64 -O ^has_journal", "512M", NULL);
	struct ext4 *fs = test_mount(d);
	struct ext4_id root = ext4_root(fs), filler, id;
	struct ext4_stat st;
	const u64 bs = fs->bs;
	u8 *data = pattern(fs->bs, 5);
	struct ext4_attr a;
	struct inode in;
	struct map m;
	u64 at;
	int rc;

	assert_int_equal(test_make(fs, root, "filler", EXT4_S_IFREG | 0600, &a), 0);
	filler = id_of(&a);
	assert_int_equal(test_make(fs, root, "one", EXT4_S_IFREG | 0600, &a), 0);
	id = id_of(&a);
	for (u64 i = 0; i < 3; i++)			/* the root of its tree holds four */
		assert_int_equal(put(fs, id, (1 + 2 * i) * bs, data, fs->bs), bs);
	assert_int_equal(ext4_allocate(fs, filler, 0, 1ull << 30, test_now), -ENOSPC);
	for (u64 nr = 32768, end = 1 << 20; nr > 0; nr /= 2)	/* and what was no good for so much */
		for (; ext4_allocate(fs, filler, end * bs, nr * bs, test_now) == 0; end += nr)
			;
	ext4_statfs(fs, &st);
	assert_int_equal(st.bfree, 0);
	assert_int_equal(inode_get(fs, filler, &in), 0);	/* group 2 has nothing but the filler's blocks */
	for (at = 0; ; at += m.len) {
		assert_int_equal(map_get(&in, (u32)at, &m), 0);
		assert_int_not_equal(m.blk, 0);
		if (m.blk <= 2 * 32768 && m.blk + m.len > 2 * 32768)
			break;
	}
	at += 2 * 32768 - m.blk;
	inode_put(&in);
	assert_int_equal(ext4_punch(fs, filler, at * bs, 32768 * bs, test_now), 0);
	rc = ext4_allocate(fs, id, 100 * bs, 32768 * bs, test_now);
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(ext4_unmount(fs, test_now), 0);
	disk_check(d);
	disk_free(d);
	free(data);
}

static void failing_disk(void **state)
{
	for (u64 after = 1; after < 200; after += 7) {
		struct disk *d = disk_make("-t ext4 -b 1024", "4M", NULL);
		struct ext4 *fs = test_mount(d);
		struct ext4_attr a;
		u64 size;

		d->fail_after = after;
		for (u32 i = 0; i < 60; i++) {
			if (make_file(fs, ext4_root(fs), i) == 0 && test_walk(fs, "file-1", &a) == 0 &&
			    ext4_write(fs, id_of(&a), i * 3000, "data", 4, test_now, &size) < 0)
				break;
			if (ext4_sync(fs, false, test_now) < 0)
				break;
		}
		assert_int_equal(ext4_unmount(fs, test_now), -EIO);
		fs = test_mount(d);
		assert_true(ext4_read_only(fs) || after == 1);
		d->fail_after = 0;
		ext4_unmount(fs, test_now);
		disk_free(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(names),
		cmocka_unit_test(big_dir),
		cmocka_unit_test(held),
		cmocka_unit_test(full),
		cmocka_unit_test(unwritten),
		cmocka_unit_test(ranges),
		cmocka_unit_test(range_of_a_group),
		cmocka_unit_test(block_mapped),
		cmocka_unit_test(failing_disk),
	};

	return cmocka_run_group_tests(tests, test_begin, test_end);
}
