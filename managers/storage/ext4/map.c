/* SPDX-License-Identifier: MIT */
/* From a file's blocks to the disk's, whichever of the two formats the inode has. */
#include "managers/storage/ext4/impl.h"

static bool by_extents(const struct inode *in)
{
	return inode_flags(in) & EXT4_EXTENTS_FL;
}

int map_get(struct inode *in, u32 lblk, struct map *m)
{
	if (!inode_has_map(in) || lblk == EXT4_MAX_LBLK)
		return ext4_corrupt(in->fs, "inode %u has no blocks", in->ino);
	return by_extents(in) ? extent_map(in, lblk, m) : indirect_map(in, lblk, m);
}

static int insert(struct inode *in, u32 lblk, u64 blk, u32 len, bool unwritten)
{
	int rc;

	if (!by_extents(in))
		return -EOPNOTSUPP;
	rc = inode_add_blocks(in, len);
	if (rc < 0)
		return rc;
	rc = extent_insert(in, lblk, blk, len, unwritten);
	if (rc < 0)
		inode_add_blocks(in, -(s64)len);
	inode_dirty(in);
	return rc;
}

int map_insert(struct inode *in, u32 lblk, u64 blk, u32 len) { return insert(in, lblk, blk, len, false); }
int map_insert_unwritten(struct inode *in, u32 lblk, u64 blk, u32 len) { return insert(in, lblk, blk, len, true); }

int map_remove(struct inode *in, u32 from, u32 to)
{
	return by_extents(in) ? extent_remove(in, from, to, true) : -EOPNOTSUPP;
}

int map_written(struct inode *in, u32 lblk, u32 len)
{
	struct map m;
	int rc = extent_map(in, lblk, &m);

	if (rc < 0)
		return rc;
	if (m.blk == 0 || !m.unwritten || m.len < len)
		return -EINVAL;
	rc = extent_remove(in, lblk, lblk + len - 1, false);
	if (rc < 0)
		return rc;
	rc = extent_insert(in, lblk, m.blk, len, false);
	if (rc == -ENOSPC) {	/* no room for the tree: a hole reads the same as what was there */
		inode_add_blocks(in, -(s64)len);
		inode_dirty(in);
		bfree(in->fs, m.blk, len);
	}
	return rc;
}

int map_truncate(struct inode *in, u32 from)
{
	int rc;

	if (!inode_has_map(in))
		return 0;
	if (!by_extents(in))
		return indirect_truncate(in, from);
	rc = extent_remove(in, from, EXT4_MAX_LBLK - 1, true);
	return rc < 0 ? rc : ext_collapse(in);
}

u64 map_goal(struct inode *in, u32 lblk)
{
	u32 group = (in->ino - 1) / in->fs->inodes_per_group;
	struct map m;

	if (lblk > 0 && by_extents(in) && extent_map(in, lblk - 1, &m) == 0 && m.blk != 0)
		return m.blk + 1;
	return group_first_block(in->fs, group) + group_nr_meta(in->fs, group);
}
