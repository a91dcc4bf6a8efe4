/* SPDX-License-Identifier: MIT */
/*
 * Block maps as ext2 and ext3 had them: twelve direct pointers, then trees of one, two and three levels of pointer
 * blocks. Files that have one are read, overwritten in place, cut and deleted; they do not grow.
 */
#include "managers/storage/ext4/impl.h"

#define NR_DIRECT 12

static u32 pointer(const u8 *table, u32 i)
{
	le32 v;

	memcpy(&v, table + 4 * i, 4);
	return le32_get(v);
}

/* Which tree holds lblk: 0 the direct ones, 1 to 3 by levels; -1: beyond. *lblk becomes the number inside it. */
static int tree_of(struct ext4 *fs, u64 *lblk)
{
	u32 shift = fs->bs_shift - 2;

	if (*lblk < NR_DIRECT)
		return 0;
	*lblk -= NR_DIRECT;
	for (int levels = 1; levels <= 3; levels++) {
		if (*lblk >> (shift * levels) == 0)
			return levels;
		*lblk -= 1ull << (shift * levels);
	}
	return -1;
}

int indirect_map(struct inode *in, u32 lblk, struct map *m)
{
	struct ext4 *fs = in->fs;
	u32 shift = fs->bs_shift - 2, per_block = 1u << shift;
	u64 n = lblk;
	int levels = tree_of(fs, &n), rc;
	u32 blk, run = 1;

	*m = (struct map){ .len = 1 };
	if (levels < 0)
		return 0;
	if (levels == 0) {
		blk = pointer(in->d->block, (u32)n);
		while (blk != 0 && n + run < NR_DIRECT && pointer(in->d->block, (u32)n + run) == blk + run)
			run++;
	} else {
		blk = pointer(in->d->block, NR_DIRECT - 1 + levels);
	}
	for (; levels > 0 && blk != 0; levels--) {
		u32 i = (u32)(n >> (shift * (levels - 1))) & (per_block - 1);
		struct bbuf *b;

		if (!block_valid(fs, blk, 1))
			return ext4_corrupt(fs, "inode %u has a part of its block map outside", in->ino);
		rc = bcache_read(fs, blk, &b);
		if (rc < 0)
			return rc;
		blk = pointer(b->data, i);
		while (levels == 1 && blk != 0 && i + run < per_block && pointer(b->data, i + run) == blk + run)
			run++;
		bcache_put(fs, b);
	}
	if (blk == 0)
		return 0;
	if (!block_valid(fs, blk, run))
		return ext4_corrupt(fs, "inode %u has a block outside", in->ino);
	m->blk = blk;
	m->len = run;
	return 0;
}

static int free_one(struct inode *in, u32 blk)
{
	int rc = inode_add_blocks(in, -1);

	return rc < 0 ? rc : bfree(in->fs, blk, 1);
}

/* Free what a pointer block of so many levels maps from number `from` on; *empty: nothing is left in it. */
static int tree_truncate(struct inode *in, u32 blk, int levels, u64 from, bool *empty)
{
	struct ext4 *fs = in->fs;
	u32 shift = fs->bs_shift - 2, per_block = 1u << shift;
	u32 first = (u32)(from >> (shift * (levels - 1)));
	struct bbuf *b;
	int rc;

	if (!block_valid(fs, blk, 1))
		return ext4_corrupt(fs, "inode %u has a part of its block map outside", in->ino);
	rc = bcache_read(fs, blk, &b);
	if (rc < 0)
		return rc;
	for (u32 i = first; i < per_block && rc == 0; i++) {
		u32 child = pointer(b->data, i);
		bool gone = true;

		if (child == 0)
			continue;
		if (levels > 1) {
			u64 below = i == first ? from - ((u64)first << (shift * (levels - 1))) : 0;

			rc = tree_truncate(in, child, levels - 1, below, &gone);
		}
		if (rc == 0 && gone) {
			rc = free_one(in, child);
			memset(b->data + 4 * i, 0, 4);
			bcache_dirty(fs, b);
		}
	}
	*empty = first == 0 && from == 0;
	bcache_put(fs, b);
	return rc;
}

int indirect_truncate(struct inode *in, u32 from)
{
	u64 n = from;
	int first = tree_of(in->fs, &n), rc = 0;

	if (first < 0)
		return 0;
	for (u32 i = first == 0 ? (u32)n : NR_DIRECT; i < NR_DIRECT && rc == 0; i++) {
		u32 blk = pointer(in->d->block, i);

		if (blk == 0)
			continue;
		memset(in->d->block + 4 * i, 0, 4);
		rc = free_one(in, blk);
	}
	for (int levels = MAX(first, 1); levels <= 3 && rc == 0; levels++) {
		u32 at = NR_DIRECT - 1 + (u32)levels, blk = pointer(in->d->block, at);
		bool empty = false;

		if (blk == 0)
			continue;
		rc = tree_truncate(in, blk, levels, levels == first ? n : 0, &empty);
		if (rc == 0 && empty) {
			memset(in->d->block + 4 * at, 0, 4);
			rc = free_one(in, blk);
		}
	}
	inode_dirty(in);
	return rc;
}
