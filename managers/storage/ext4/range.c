/* SPDX-License-Identifier: MIT */
/* Which parts of a regular file have a place on the disk: where they are, giving some back, taking some ahead of use. */
#include "managers/storage/ext4/impl.h"

int ext4_seek(struct ext4 *fs, struct ext4_id id, u64 off, bool hole, u64 *out)
{
	struct inode in;
	u64 size;
	int rc = regular_get(fs, id, &in);

	if (rc < 0)
		return rc;
	size = inode_size(&in);
	if (off >= size)
		rc = -ENXIO;
	while (rc == 0 && off < size) {
		struct map m;

		if (off >> fs->bs_shift >= EXT4_MAX_LBLK) {
			rc = ext4_corrupt(fs, "inode %u has an impossible size", in.ino);
			break;
		}
		rc = map_get(&in, (u32)(off >> fs->bs_shift), &m);
		if (rc < 0 || (m.blk == 0 || m.unwritten) == hole)
			break;
		off = ((off >> fs->bs_shift) + m.len) << fs->bs_shift;
	}
	if (rc == 0 && off >= size) {
		off = size;
		rc = hole ? 0 : -ENXIO;
	}
	*out = off;
	inode_put(&in);
	return rc;
}

/* In whole blocks what there are of them, else as zeros. */
static int punch(struct inode *in, u64 from, u64 to)
{
	const struct ext4 *fs = in->fs;
	u64 first = (from + fs->bs - 1) >> fs->bs_shift, end = to >> fs->bs_shift;
	int rc = 0;

	if (to >= inode_size(in))		/* what lies behind the end is zeros */
		end = (to + fs->bs - 1) >> fs->bs_shift;
	if (first > end)			/* within one block */
		return block_clear(in, from, (u32)(to - from));
	if (first << fs->bs_shift != from)
		rc = block_clear(in, from, (u32)((first << fs->bs_shift) - from));
	if (rc == 0 && end << fs->bs_shift < to)
		rc = block_clear(in, end << fs->bs_shift, (u32)(to - (end << fs->bs_shift)));
	return rc < 0 || first == end ? rc : map_remove(in, (u32)first, (u32)end - 1);
}

static bool range_fits(const struct ext4 *fs, u64 off, u64 len)
{
	return off + len >= off && off + len <= (u64)(EXT4_MAX_LBLK - 1) << fs->bs_shift;
}

static int changed(struct inode *in, int rc, struct ext4_time now)
{
	inode_stamp(in, STAMP_MTIME | STAMP_CTIME, now);
	inode_dirty(in);
	inode_put(in);
	return rc;
}

/* A regular file in extents whose range may be changed, of a volume that is marked so; the caller ends with changed(). */
static int range_begin(struct ext4 *fs, struct ext4_id id, u64 off, u64 len, struct ext4_time now, struct inode *in)
{
	int rc = regular_get(fs, id, in);

	if (rc < 0)
		return rc;
	if (!(inode_flags(in) & EXT4_EXTENTS_FL))
		rc = -EOPNOTSUPP;
	else if (!range_fits(fs, off, len))
		rc = -EFBIG;
	if (rc == 0)
		rc = super_modify(fs, now);
	if (rc < 0)
		inode_put(in);
	return rc;
}

int ext4_punch(struct ext4 *fs, struct ext4_id id, u64 off, u64 len, struct ext4_time now)
{
	struct inode in;
	int rc = range_begin(fs, id, off, len, now, &in);

	if (rc < 0)
		return rc;
	return changed(&in, len > 0 ? punch(&in, off, off + len) : 0, now);
}

/* One run of what is missing. Returns the blocks that have a place from lblk on, or negative. */
static s64 allocate_some(struct inode *in, u32 lblk, u32 nr)
{
	struct map m;
	u64 blk;
	u32 got;
	int rc = map_get(in, lblk, &m);

	if (rc < 0)
		return rc;
	if (m.blk != 0)
		return m.len;
	nr = MIN(MIN(nr, m.len), EXT4_EXT_MAX_LEN - 1u);	/* one extent: it is inserted whole or not at all */
	rc = balloc(in->fs, map_goal(in, lblk), nr, &blk, &got);
	if (rc < 0)
		return rc;
	rc = map_insert_unwritten(in, lblk, blk, got);
	if (rc < 0) {
		bfree(in->fs, blk, got);
		return rc;
	}
	return got;
}

int ext4_allocate(struct ext4 *fs, struct ext4_id id, u64 off, u64 len, struct ext4_time now)
{
	struct inode in;
	u64 lblk, end;
	int rc = range_begin(fs, id, off, len, now, &in);

	if (rc < 0)
		return rc;
	lblk = off >> fs->bs_shift;
	end = (off + len + fs->bs - 1) >> fs->bs_shift;
	while (rc == 0 && lblk < end) {
		s64 n = allocate_some(&in, (u32)lblk, (u32)(end - lblk));

		if (n < 0)
			rc = (int)n;
		else
			lblk += (u64)n;
	}
	return changed(&in, rc, now);
}
