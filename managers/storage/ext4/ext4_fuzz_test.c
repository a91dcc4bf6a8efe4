/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/storage/ext4/cache.c managers/storage/ext4/csum.c managers/storage/ext4/group.c managers/storage/ext4/balloc.c managers/storage/ext4/ialloc.c */
/* SOURCES: managers/storage/ext4/inode.c managers/storage/ext4/extent_tree.c managers/storage/ext4/extent.c managers/storage/ext4/indirect.c managers/storage/ext4/map.c */
/* SOURCES: managers/storage/ext4/dir.c managers/storage/ext4/hash.c managers/storage/ext4/htree.c managers/storage/ext4/readdir.c managers/storage/ext4/orphan.c */
/* SOURCES: managers/storage/ext4/file.c managers/storage/ext4/range.c managers/storage/ext4/namei.c managers/storage/ext4/rename.c managers/storage/ext4/super.c */
/*
 * Damaged volumes: bytes of the metadata are changed, checksums off and on, then everything is walked and changed.
 * Any error may come back; nothing may crash, hang or leak. Under the sanitizers.
 */
#include "managers/storage/ext4/testlib.h"

static u64 seed;

static u32 rnd(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % n;
}

static void make_source(void)
{
	sh("rm -rf src && mkdir -p src/d1/d2/d3 src/many && seq 1 20000 > src/d1/numbers && ln -s d1/numbers src/link");
	sh("ln -s $(head -c 200 /dev/zero | tr '\\0' y) src/long && for i in $(seq 1 300); do : > src/many/entry-number-$i; done");
	sh("for i in $(seq 0 50); do printf \"part $i\" | dd of=src/holes bs=1 seek=$((i * 10000)) conv=notrunc; done 2>/dev/null");
	sh("for i in $(seq 1 20); do head -c 3000 /dev/urandom > src/d1/d2/f$i; done");
}

struct walk {
	struct ext4 *fs;
	struct ext4_id dir;
	u32 depth;
	u32 *budget;
};

static void walk(struct ext4 *fs, struct ext4_id dir, u32 depth, u32 *budget);

static bool visit(void *arg, const struct ext4_dent *e)
{
	struct walk *w = arg;
	static char buf[5000];
	struct ext4_attr a;

	if ((*w->budget)-- == 0) {
		*w->budget = 0;
		return false;
	}
	if (ext4_lookup(w->fs, w->dir, e->name, e->len, &a) < 0)
		return true;
	if ((a.mode & EXT4_S_IFMT) == EXT4_S_IFREG) {
		for (u64 at = 0; at < a.size && at < 600000; at += 70001) {
			if (ext4_read(w->fs, id_of(&a), at, buf, sizeof(buf)) < 0)
				break;
		}
	} else if ((a.mode & EXT4_S_IFMT) == EXT4_S_IFLNK) {
		int n = ext4_readlink(w->fs, id_of(&a), buf, sizeof(buf));

		assert_true(n <= (int)sizeof(buf));
	} else if (!(e->name[0] == '.' && e->len <= 2)) {
		walk(w->fs, id_of(&a), w->depth + 1, w->budget);
	}
	return true;
}

static void walk(struct ext4 *fs, struct ext4_id dir, u32 depth, u32 *budget)
{
	struct walk w = { fs, dir, depth, budget };
	int rc;

	if (depth > 6)
		return;
	rc = ext4_readdir(fs, dir, 0, visit, &w);
	(void)rc;
}

static void change(struct ext4 *fs)
{
	static const char *const dirs[] = { "/", "/d1", "/d1/d2", "/many", "/d1/d2/d3" };
	static u8 data[20000];
	struct ext4_attr a, b;
	char name[64];
	u64 size;
	int rc = 0;

	for (u32 i = 0; i < 60; i++) {
		if (test_walk(fs, dirs[rnd(ARRAY_SIZE(dirs))], &a) < 0)
			continue;
		snprintf(name, sizeof(name), rnd(2) ? "entry-number-%u" : "new%u", 1 + rnd(300));
		switch (rnd(7)) {
		case 0:
			rc |= test_make(fs, id_of(&a), name, rnd(3) ? EXT4_S_IFREG | 0644 : EXT4_S_IFDIR | 0755, &b);
			break;
		case 1:
			rc |= ext4_unlink(fs, id_of(&a), name, (u32)strlen(name), rnd(3) == 0, &b, test_now);
			break;
		case 2:
			rc |= ext4_symlink(fs, id_of(&a), name, (u32)strlen(name), "t", 1, &b, test_now);
			break;
		case 3:
			if (test_walk(fs, "/holes", &b) == 0)
				rc |= (int)ext4_write(fs, id_of(&b), rnd(600000), data, 1 + rnd(20000), test_now, &size);
			break;
		case 4:
			if (test_walk(fs, rnd(2) ? "/d1/numbers" : "/holes", &b) == 0)
				rc |= ext4_truncate(fs, id_of(&b), rnd(500000), test_now);
			break;
		case 5:
			rc |= ext4_rename(fs, ext4_root(fs), rnd(2) ? "d1" : "many", 2, id_of(&a), name, (u32)strlen(name), 0,
					  test_now);
			break;
		default:
			rc |= ext4_unlink(fs, ext4_root(fs), rnd(2) ? "holes" : "long", rnd(2) ? 5 : 4, false, &b, test_now);
			break;
		}
	}
	(void)rc;
}

/* Where the metadata is: the volume's own blocks, and those that are not file data. */
static u32 find_metadata(struct disk *d, u32 *blocks, u32 room, u32 *bs)
{
	struct ext4 *fs = test_mount(d);
	u32 n = 0, budget = 3000;

	*bs = fs->bs;
	walk(fs, ext4_root(fs), 0, &budget);
	for (u32 i = 0; i <= fs->cache.hash_mask; i++) {
		for (struct bbuf *b = fs->cache.hash[i]; b != NULL && n < room; b = b->next)
			blocks[n++] = (u32)b->blk;
	}
	for (u32 g = 0; g < fs->nr_groups && n + 2 < room; g++) {
		blocks[n++] = (u32)group_block_bitmap(fs, group_desc(fs, g));
		blocks[n++] = (u32)group_inode_bitmap(fs, group_desc(fs, g));
	}
	assert_int_equal(ext4_unmount(fs, test_now), 0);
	return n;
}

static void run(const char *options, u32 rounds, u64 start)
{
	struct disk *d = disk_make(options, "4M", "src");
	u8 *good = malloc(d->dev.size);
	u32 blocks[1024], nr, bs, mounted = 0;

	seed = start;
	memcpy(good, d->mem, d->dev.size);
	nr = find_metadata(d, blocks, ARRAY_SIZE(blocks), &bs);
	memcpy(d->mem, good, d->dev.size);
	for (u32 i = 0; i < rounds; i++) {
		struct ext4_opts opts = { .now = test_now, .cache_bytes = 1 };
		u32 changes = 1 + rnd(12), budget = 600;
		struct ext4 *fs;

		for (u32 k = 0; k < changes; k++) {
			u64 at = rnd(20) == 0 ? 1024 + rnd(1024) : (u64)blocks[rnd(nr)] * bs + rnd(rnd(2) ? 64 : bs);
			static const u8 nasty[] = { 0, 1, 0x7f, 0x80, 0xff, 0xfe, 12, 4 };

			d->mem[at] = rnd(3) ? nasty[rnd(sizeof(nasty))] : (u8)rnd(256);
			if (rnd(3) == 0)
				d->mem[at ^ 1] = d->mem[at];
		}
		if (ext4_mount(&d->dev, &opts, &fs) == 0) {
			mounted++;
			walk(fs, ext4_root(fs), 0, &budget);
			fs->corrupt = false;	/* go on where a real volume would have stopped */
			change(fs);
			fs->corrupt = false;
			change(fs);
			budget = 600;
			walk(fs, ext4_root(fs), 0, &budget);
			ext4_unmount(fs, test_now);
		}
		memcpy(d->mem, good, d->dev.size);
	}
	assert_true(mounted > rounds / 3);
	free(good);
	disk_free(d);
}

static u32 rounds(void)
{
	const char *more = getenv("EXT4_FUZZ_ROUNDS");

	return more != NULL ? (u32)atoi(more) : 300;
}

/* Without checksums, damage is found by its shape alone. */
static void without_checksums(void **state)
{
	make_source();
	run("-t ext4 -b 1024 -O ^metadata_csum,^has_journal", rounds(), 1);
	run("-t ext4 -b 4096 -O ^metadata_csum,^64bit,^has_journal", rounds(), 2);
	run("-t ext4 -b 1024 -g 256 -O ^metadata_csum,^flex_bg,^has_journal", rounds(), 3);
	run("-t ext3 -b 1024 -O ^has_journal", rounds(), 4);
}

static void with_checksums(void **state)
{
	make_source();
	run("-t ext4 -b 1024 -O ^has_journal", rounds(), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_checksums),
		cmocka_unit_test(with_checksums),
	};

	return cmocka_run_group_tests(tests, test_begin, test_end);
}
