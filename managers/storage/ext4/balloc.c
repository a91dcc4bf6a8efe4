/* SPDX-License-Identifier: MIT */
/*
 * Which blocks are free: one bitmap block a group. A file's new blocks go right behind its last ones where these are
 * free, else to the first run that is long enough, in the goal's group and then in those after it.
 */
#include "lib/crc32c.h"
#include "managers/storage/ext4/impl.h"

void bitmap_set_range(u8 *map, u32 from, u32 nr, bool on)
{
	for (u32 n = from; n < from + nr; ) {
		if (n % 8 == 0 && from + nr - n >= 8) {
			map[n / 8] = on ? 0xff : 0;
			n += 8;
			continue;
		}
		if (on)
			map[n / 8] |= (u8)(1u << n % 8);
		else
			map[n / 8] &= (u8)~(1u << n % 8);
		n++;
	}
}

u32 bitmap_next(const u8 *map, u32 from, u32 end, bool on)
{
	const u8 none = on ? 0 : 0xff;

	for (u32 n = from; n < end; ) {
		if (n % 8 == 0 && map[n / 8] == none) {
			n += 8;
			continue;
		}
		if (bitmap_get(map, n) == on)
			return n;
		n++;
	}
	return end;
}

bool block_valid(struct ext4 *fs, u64 blk, u64 count)
{
	u32 lo = 0, hi = fs->nr_zones;

	if (blk <= fs->first_block || blk >= fs->nr_blocks || count > fs->nr_blocks - blk)
		return false;
	while (lo < hi) {	/* the first zone that ends behind blk */
		u32 mid = (lo + hi) / 2;

		if (fs->zones[mid].behind <= blk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo == fs->nr_zones || fs->zones[lo].first >= blk + count;
}

static u32 block_bitmap_csum(struct ext4 *fs, const struct bbuf *b)
{
	return crc32c(fs->csum_seed, b->data, fs->blocks_per_group / 8);
}

static void block_bitmap_dirty(struct ext4 *fs, u32 group, struct bbuf *b)
{
	struct ext4_group_desc *d = group_desc(fs, group);

	if (fs->metadata_csum)
		group_set_block_bitmap_csum(fs, d, block_bitmap_csum(fs, b));
	bcache_dirty(fs, b);
	group_dirty(fs, group);
}

/* Mark those of blk .. blk + count that lie in the group. */
static void mark_used(struct ext4 *fs, u32 group, u8 *map, u64 blk, u64 count)
{
	u64 first = group_first_block(fs, group), end = first + group_nr_blocks(fs, group);
	u64 from = MAX(blk, first), to = MIN(blk + count, end);

	if (from < to)
		bitmap_set_range(map, (u32)(from - first), (u32)(to - from), true);
}

/* What a bitmap would say that mke2fs left unwritten: only the volume's own structures are in use. */
static void block_bitmap_fill(struct ext4 *fs, u32 group, u8 *map)
{
	u32 itable = DIV_ROUND_UP(fs->inodes_per_group, fs->inodes_per_block);
	u32 nr = group_nr_blocks(fs, group);

	bitmap_set_range(map, 0, MIN(group_nr_meta(fs, group), nr), true);
	for (u32 g = 0; g < fs->nr_groups; g++) {	/* flex_bg: a group's tables may lie in another */
		struct ext4_group_desc *d = group_desc(fs, g);

		mark_used(fs, group, map, group_block_bitmap(fs, d), 1);
		mark_used(fs, group, map, group_inode_bitmap(fs, d), 1);
		mark_used(fs, group, map, group_inode_table(fs, d), itable);
	}
	bitmap_set_range(map, nr, fs->bs * 8 - nr, true);	/* blocks that do not exist */
}

static int block_bitmap_get(struct ext4 *fs, u32 group, struct bbuf **out)
{
	struct ext4_group_desc *d = group_desc(fs, group);
	struct bbuf *b;
	u32 want, have;
	int rc;

	if (le16_get(d->flags) & EXT4_BG_BLOCK_UNINIT) {
		rc = bcache_new(fs, group_block_bitmap(fs, d), &b);
		if (rc < 0)
			return rc;
		block_bitmap_fill(fs, group, b->data);
		d->flags = le16_of(le16_get(d->flags) & ~EXT4_BG_BLOCK_UNINIT);
		block_bitmap_dirty(fs, group, b);
		*out = b;
		return 0;
	}
	rc = bcache_read(fs, group_block_bitmap(fs, d), &b);
	if (rc < 0)
		return rc;
	if (fs->metadata_csum && b->verified == 0) {
		want = group_block_bitmap_csum(fs, d);
		have = block_bitmap_csum(fs, b);
		if (fs->desc_size < 64)
			have &= 0xffff;
		if (want != have) {
			bcache_put(fs, b);
			return ext4_corrupt(fs, "block bitmap of group %u has a wrong checksum", group);
		}
	}
	b->verified = 1;
	*out = b;
	return 0;
}

/* The first free run of want bits, or the longest; searched from `from` round to it again. Its length, 0 if none. */
static u32 find_run(const u8 *map, u32 nr, u32 from, u32 want, u32 *at)
{
	u32 best = 0, pos = from, end = nr;

	for (int round = 0; round < 2; round++) {
		while ((pos = bitmap_next(map, pos, end, false)) < end) {
			u32 stop = bitmap_next(map, pos, MIN(end, pos + want), true);

			if (stop - pos > best) {
				best = stop - pos;
				*at = pos;
				if (best == want || (round == 0 && pos == from))
					return best;	/* long enough, or right behind the file's last block */
			}
			pos = stop;
		}
		pos = 0;
		end = from;
	}
	return best;
}

static int alloc_in_group(struct ext4 *fs, u32 group, u32 from, u32 want, u32 least, u64 *blk, u32 *got)
{
	struct ext4_group_desc *d = group_desc(fs, group);
	u32 nr = group_nr_blocks(fs, group), at = 0, n;
	struct bbuf *b;
	int rc;

	if (group_free_blocks(fs, d) < least)
		return -ENOSPC;
	rc = block_bitmap_get(fs, group, &b);
	if (rc < 0)
		return rc;
	n = find_run(b->data, nr, MIN(from, nr - 1), want, &at);
	n = MIN(n, (u32)group_free_blocks(fs, d));
	if (n < least || n == 0) {
		bcache_put(fs, b);
		return -ENOSPC;
	}
	*blk = group_first_block(fs, group) + at;
	*got = n;
	if (!block_valid(fs, *blk, n)) {
		bcache_put(fs, b);
		return ext4_corrupt(fs, "block bitmap of group %u calls the volume's own blocks free", group);
	}
	bitmap_set_range(b->data, at, n, true);
	group_set_free_blocks(fs, d, group_free_blocks(fs, d) - n);
	fs->free_blocks -= MIN((u64)n, fs->free_blocks);
	block_bitmap_dirty(fs, group, b);
	bcache_put(fs, b);
	return 0;
}

int balloc(struct ext4 *fs, u64 goal, u32 want, u64 *blk, u32 *got)
{
	u32 group = 0, from = 0;

	if (want == 0)
		return -EINVAL;
	if (goal > fs->first_block && goal < fs->nr_blocks) {
		group = (u32)((goal - fs->first_block) / fs->blocks_per_group);
		from = (u32)((goal - fs->first_block) % fs->blocks_per_group);
	}
	for (int pass = 0; pass < 2; pass++) {		/* first where a good run is, then wherever a block is */
		for (u32 i = 0; i < fs->nr_groups; i++) {
			u32 g = (group + i) % fs->nr_groups;
			int rc = alloc_in_group(fs, g, i == 0 ? from : 0, want,
						pass == 0 && i > 0 ? MIN(want, 64u) : 1, blk, got);

			if (rc != -ENOSPC)
				return rc;
		}
	}
	return -ENOSPC;
}

/* Part of bfree() that lies in one group. */
static int free_in_group(struct ext4 *fs, u32 group, u32 at, u32 n)
{
	struct ext4_group_desc *d = group_desc(fs, group);
	struct bbuf *b;
	int rc = block_bitmap_get(fs, group, &b);

	if (rc < 0)
		return rc;
	if (bitmap_next(b->data, at, at + n, false) < at + n) {
		bcache_put(fs, b);
		return ext4_corrupt(fs, "block %llu is freed twice",
				    (unsigned long long)(group_first_block(fs, group) + at));
	}
	bitmap_set_range(b->data, at, n, false);
	group_set_free_blocks(fs, d, group_free_blocks(fs, d) + n);
	fs->free_blocks += n;
	block_bitmap_dirty(fs, group, b);
	bcache_put(fs, b);
	return 0;
}

int bfree(struct ext4 *fs, u64 blk, u64 count)
{
	if (!block_valid(fs, blk, count))
		return ext4_corrupt(fs, "blocks %llu + %llu to be freed lie outside", (unsigned long long)blk,
				    (unsigned long long)count);
	bcache_forget(fs, blk, count);
	while (count > 0) {
		u32 group = (u32)((blk - fs->first_block) / fs->blocks_per_group);
		u32 at = (u32)((blk - fs->first_block) % fs->blocks_per_group);
		u32 n = (u32)MIN(count, (u64)(fs->blocks_per_group - at));
		int rc = free_in_group(fs, group, at, n);

		if (rc < 0)
			return rc;
		blk += n;
		count -= n;
	}
	return 0;
}
