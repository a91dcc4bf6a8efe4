/* SPDX-License-Identifier: MIT */
/*
 * Volumes: the unit test's damaged ones, the damage coming from the input: (where, what) pairs applied to a volume that mke2fs
 * made. It is mounted, walked, changed and unmounted; any error may come back.
 */
/* SOURCES: managers/storage/ext4/cache.c managers/storage/ext4/csum.c managers/storage/ext4/group.c managers/storage/ext4/balloc.c managers/storage/ext4/ialloc.c */
/* SOURCES: managers/storage/ext4/inode.c managers/storage/ext4/extent_tree.c managers/storage/ext4/extent.c managers/storage/ext4/indirect.c managers/storage/ext4/map.c */
/* SOURCES: managers/storage/ext4/dir.c managers/storage/ext4/hash.c managers/storage/ext4/htree.c managers/storage/ext4/readdir.c managers/storage/ext4/orphan.c */
/* SOURCES: managers/storage/ext4/file.c managers/storage/ext4/range.c managers/storage/ext4/namei.c managers/storage/ext4/rename.c managers/storage/ext4/super.c */
#define main ext4_fuzz_test_main
#include "managers/storage/ext4/ext4_fuzz_test.c"
#undef main

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u32 blocks[1024], nr_blocks, bs;
	static struct disk *d;
	static u8 *clean;
	struct ext4_opts opts = { .now = test_now, .cache_bytes = 1 };
	struct ext4 *fs;
	u32 budget = 300;

	if (d == NULL) {
		test_begin(NULL);
		make_source();
		d = disk_make("-t ext4 -b 1024 -O ^metadata_csum,^has_journal", "4M", "src");
		clean = malloc(d->dev.size);
		memcpy(clean, d->mem, d->dev.size);
		test_end(NULL);
		nr_blocks = find_metadata(d, blocks, ARRAY_SIZE(blocks), &bs);
	}
	memcpy(d->mem, clean, d->dev.size);
	seed = size;
	for (; size >= 5; data += 5, size -= 5) {	/* block of metadata, offset in it, byte */
		u32 n = data[0] | data[1] << 8, at = data[2] | data[3] << 8;

		d->mem[(u64)blocks[n % nr_blocks] * bs + at % bs] = data[4];
	}
	if (ext4_mount(&d->dev, &opts, &fs) < 0)
		return 0;
	walk(fs, ext4_root(fs), 0, &budget);
	change(fs);
	(void)ext4_unmount(fs, test_now);
	return 0;
}
