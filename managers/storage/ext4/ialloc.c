/* SPDX-License-Identifier: MIT */
/*
 * Which inodes are in use: one bitmap block a group. Files go to their directory's group; directories to one with many
 * free inodes and blocks, so that what is in them finds room nearby.
 */
#include "lib/crc32c.h"
#include "managers/storage/ext4/impl.h"

static u32 inode_bitmap_csum(struct ext4 *fs, const struct bbuf *b)
{
	return crc32c(fs->csum_seed, b->data, fs->inodes_per_group / 8);
}

static void inode_bitmap_dirty(struct ext4 *fs, u32 group, struct bbuf *b)
{
	struct ext4_group_desc *d = group_desc(fs, group);

	if (fs->metadata_csum)
		group_set_inode_bitmap_csum(fs, d, inode_bitmap_csum(fs, b));
	bcache_dirty(fs, b);
	group_dirty(fs, group);
}

static int inode_bitmap_get(struct ext4 *fs, u32 group, struct bbuf **out)
{
	struct ext4_group_desc *d = group_desc(fs, group);
	struct bbuf *b;
	u32 want, have;
	int rc;

	if (le16_get(d->flags) & EXT4_BG_INODE_UNINIT) {
		rc = bcache_new(fs, group_inode_bitmap(fs, d), &b);
		if (rc < 0)
			return rc;
		bitmap_set_range(b->data, fs->inodes_per_group, fs->bs * 8 - fs->inodes_per_group, true);
		d->flags = le16_of(le16_get(d->flags) & ~EXT4_BG_INODE_UNINIT);
		group_set_itable_unused(fs, d, fs->inodes_per_group);
		inode_bitmap_dirty(fs, group, b);
		*out = b;
		return 0;
	}
	rc = bcache_read(fs, group_inode_bitmap(fs, d), &b);
	if (rc < 0)
		return rc;
	if (fs->metadata_csum && b->verified == 0) {
		want = group_inode_bitmap_csum(fs, d);
		have = inode_bitmap_csum(fs, b);
		if (fs->desc_size < 64)
			have &= 0xffff;
		if (want != have) {
			bcache_put(fs, b);
			return ext4_corrupt(fs, "inode bitmap of group %u has a wrong checksum", group);
		}
	}
	b->verified = 1;
	*out = b;
	return 0;
}

static int alloc_in_group(struct ext4 *fs, u32 group, bool dir, u32 *ino)
{
	struct ext4_group_desc *d = group_desc(fs, group);
	u32 first = group == 0 ? le32_get(fs->sb.first_ino) - 1 : 0, bit, used;
	struct bbuf *b;
	int rc;

	if (group_free_inodes(fs, d) == 0)
		return -ENOSPC;
	rc = inode_bitmap_get(fs, group, &b);
	if (rc < 0)
		return rc;
	bit = bitmap_next(b->data, first, fs->inodes_per_group, false);
	if (bit >= fs->inodes_per_group) {
		bcache_put(fs, b);
		return -ENOSPC;
	}
	bitmap_set_range(b->data, bit, 1, true);
	group_set_free_inodes(fs, d, group_free_inodes(fs, d) - 1);
	if (fs->free_inodes > 0)
		fs->free_inodes--;
	used = fs->inodes_per_group - (u32)group_itable_unused(fs, d);
	if ((fs->metadata_csum || fs->gdt_csum) && bit >= used)
		group_set_itable_unused(fs, d, fs->inodes_per_group - bit - 1);
	if (dir)
		group_set_used_dirs(fs, d, group_used_dirs(fs, d) + 1);
	inode_bitmap_dirty(fs, group, b);
	bcache_put(fs, b);
	*ino = group * fs->inodes_per_group + bit + 1;
	return 0;
}

/* A directory's group: from the parent's on, the first with at least the mean of free inodes and blocks. */
static u32 dir_group(struct ext4 *fs, u32 parent)
{
	u32 mean_inodes = fs->free_inodes / fs->nr_groups;
	u64 mean_blocks = fs->free_blocks / fs->nr_groups;

	for (u32 i = 0; i < fs->nr_groups; i++) {
		u32 g = (parent + i) % fs->nr_groups;
		struct ext4_group_desc *d = group_desc(fs, g);

		if (group_free_inodes(fs, d) > 0 && group_free_inodes(fs, d) >= mean_inodes &&
		    group_free_blocks(fs, d) >= mean_blocks)
			return g;
	}
	return parent;
}

int ialloc(struct ext4 *fs, u32 parent, bool dir, u32 *ino)
{
	u32 group = (parent - 1) / fs->inodes_per_group;

	if (dir)
		group = dir_group(fs, group);
	for (u32 i = 0; i < fs->nr_groups; i++) {
		int rc = alloc_in_group(fs, (group + i) % fs->nr_groups, dir, ino);

		if (rc != -ENOSPC)
			return rc;
	}
	return -ENOSPC;
}

int ifree(struct ext4 *fs, u32 ino, bool dir)
{
	u32 group = (ino - 1) / fs->inodes_per_group, bit = (ino - 1) % fs->inodes_per_group;
	struct ext4_group_desc *d = group_desc(fs, group);
	struct bbuf *b;
	int rc = inode_bitmap_get(fs, group, &b);

	if (rc < 0)
		return rc;
	if (!bitmap_get(b->data, bit)) {
		bcache_put(fs, b);
		return ext4_corrupt(fs, "inode %u is freed twice", ino);
	}
	bitmap_set_range(b->data, bit, 1, false);
	group_set_free_inodes(fs, d, group_free_inodes(fs, d) + 1);
	fs->free_inodes++;
	if (dir && group_used_dirs(fs, d) > 0)
		group_set_used_dirs(fs, d, group_used_dirs(fs, d) - 1);
	inode_bitmap_dirty(fs, group, b);
	bcache_put(fs, b);
	return 0;
}
