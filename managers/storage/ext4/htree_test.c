/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/storage/ext4/cache.c managers/storage/ext4/csum.c managers/storage/ext4/group.c managers/storage/ext4/balloc.c managers/storage/ext4/ialloc.c */
/* SOURCES: managers/storage/ext4/inode.c managers/storage/ext4/extent_tree.c managers/storage/ext4/extent.c managers/storage/ext4/indirect.c managers/storage/ext4/map.c */
/* SOURCES: managers/storage/ext4/dir.c managers/storage/ext4/htree.c managers/storage/ext4/readdir.c managers/storage/ext4/orphan.c */
/* SOURCES: managers/storage/ext4/file.c managers/storage/ext4/range.c managers/storage/ext4/namei.c managers/storage/ext4/rename.c managers/storage/ext4/super.c */
/*
 * Indexed directories in which names share hashes: here the hash is one of a few values, so that leaves are cut in the
 * middle of one and go on in the next. (hash.c is not linked; e2fsck could not check such a volume.)
 */
#include "managers/storage/ext4/testlib.h"

#define NR_NAMES 3000

static u32 nr_majors;

int dx_hash_name(struct ext4 *fs, u32 version, const char *name, u32 len, struct dx_hash *h)
{
	u32 n = 0;

	for (u32 i = 0; i < len; i++)
		n = n * 31 + (u8)name[i];
	*h = (struct dx_hash){ n % nr_majors * 1000 & ~1u, n };
	return 0;
}

static void name_of(u32 i, char *name)
{
	snprintf(name, 40, i % 2 ? "n%u" : "a-longer-name-%u", i);
}

static u8 seen[NR_NAMES];

struct page {
	u32 left;
	u64 cookie;
	bool more;
};

static bool see(void *arg, const struct ext4_dent *d)
{
	struct page *p = arg;
	char name[40];

	if (p->left-- == 0) {
		p->more = true;
		return false;
	}
	p->cookie = d->cookie;
	memcpy(name, d->name, d->len);
	name[d->len] = 0;
	if (name[0] != '.')
		seen[atoi(name + strcspn(name, "0123456789"))]++;
	return true;
}

static void run(u32 majors, u32 nr)
{
	struct disk *d = disk_make("-t ext4 -b 1024 -N 4096", "16M", NULL);
	struct ext4 *fs;
	struct ext4_attr a;
	struct ext4_id dir;
	struct page p = { 0 };
	char name[40];

	nr_majors = majors;
	fs = test_mount(d);
	assert_int_equal(test_make(fs, ext4_root(fs), "dir", EXT4_S_IFDIR | 0755, &a), 0);
	dir = id_of(&a);
	for (u32 i = 0; i < nr; i++) {
		name_of(i, name);
		assert_int_equal(test_make(fs, dir, name, EXT4_S_IFIFO | 0644, &a), 0);
	}
	for (u32 i = 0; i < nr; i++) {
		name_of(i, name);
		assert_int_equal(ext4_lookup(fs, dir, name, (u32)strlen(name), &a), 0);
		assert_int_equal(test_make(fs, dir, name, EXT4_S_IFIFO | 0644, &a), -EEXIST);
	}
	memset(seen, 0, sizeof(seen));
	do {
		p.left = 41;
		p.more = false;
		assert_int_equal(ext4_readdir(fs, dir, p.cookie, see, &p), 0);
	} while (p.more);
	for (u32 i = 0; i < nr; i++)
		assert_int_equal(seen[i], 1);
	for (u32 i = 0; i < nr; i++) {
		name_of(i, name);
		assert_int_equal(ext4_unlink(fs, dir, name, (u32)strlen(name), false, &a, test_now), 0);
	}
	assert_int_equal(ext4_unlink(fs, ext4_root(fs), "dir", 3, true, &a, test_now), 0);
	test_unmount(fs, d);
	disk_check(d);
	disk_free(d);
}

static void a_few_hashes(void **state) { run(7, 600); }
static void one_hash(void **state) { run(1, 400); }
static void many_hashes(void **state) { run(1u << 20, NR_NAMES); }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few_hashes),
		cmocka_unit_test(one_hash),
		cmocka_unit_test(many_hashes),
	};

	return cmocka_run_group_tests(tests, test_begin, test_end);
}
