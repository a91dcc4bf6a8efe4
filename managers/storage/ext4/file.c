/* SPDX-License-Identifier: MIT */
/*
 * Data of regular files: read, write, truncate. Data moves between the caller's buffer and the disk, past the metadata
 * cache; blocks that are touched in part go through one bounce block. What lies in a file's last block behind its end
 * is zero, always: so growing a file needs no writing.
 */
#include "managers/storage/ext4/impl.h"

static int device_read(struct ext4 *fs, u64 blk, void *buf, u32 nr)
{
	return fs->dev->ops->read(fs->dev, blk << fs->bs_shift, buf, (size_t)nr << fs->bs_shift);
}

static int device_write(struct ext4 *fs, u64 blk, const void *buf, u32 nr)
{
	return fs->dev->ops->write(fs->dev, blk << fs->bs_shift, buf, (size_t)nr << fs->bs_shift);
}

int regular_get(struct ext4 *fs, struct ext4_id id, struct inode *in)
{
	int rc = inode_get(fs, id, in);

	if (rc < 0 || inode_type(in) == EXT4_S_IFREG)
		return rc;
	rc = inode_type(in) == EXT4_S_IFDIR ? -EISDIR : -EINVAL;
	inode_put(in);
	return rc;
}

/* Bytes [skip, skip + len) of the run of blocks that begins with blk. */
static int run_read(struct ext4 *fs, u64 blk, u32 skip, u8 *buf, u32 len)
{
	while (len > 0) {
		u32 n = MIN(len, fs->bs - skip), whole = 0;
		int rc;

		if (skip == 0)
			whole = len >> fs->bs_shift;
		if (whole > 0) {
			n = whole << fs->bs_shift;
			rc = device_read(fs, blk, buf, whole);
		} else {
			rc = device_read(fs, blk, fs->bounce, 1);
			memcpy(buf, fs->bounce + skip, n);
		}
		if (rc < 0)
			return rc;
		blk += MAX(whole, 1u);
		buf += n;
		len -= n;
		skip = 0;
	}
	return 0;
}

s64 ext4_read(struct ext4 *fs, struct ext4_id id, u64 off, void *buf, u32 len)
{
	struct inode in;
	u32 done = 0;
	u64 size;
	int rc = regular_get(fs, id, &in);

	if (rc < 0)
		return rc;
	size = inode_size(&in);
	len = off >= size ? 0 : (u32)MIN((u64)len, size - off);
	while (done < len) {
		u64 pos = off + done;
		u32 skip = (u32)pos & (fs->bs - 1), n;
		struct map m;

		if (pos >> fs->bs_shift >= EXT4_MAX_LBLK) {	/* a size that no map can have */
			rc = ext4_corrupt(fs, "inode %u has an impossible size", in.ino);
			break;
		}
		rc = map_get(&in, (u32)(pos >> fs->bs_shift), &m);
		if (rc < 0)
			break;
		n = (u32)MIN((u64)(len - done), ((u64)m.len << fs->bs_shift) - skip);
		if (m.blk == 0 || m.unwritten)
			memset((u8 *)buf + done, 0, n);
		else
			rc = run_read(fs, m.blk, skip, (u8 *)buf + done, n);
		if (rc < 0)
			break;
		done += n;
	}
	inode_put(&in);
	return rc < 0 ? rc : (s64)done;
}

/* fresh: nothing is in these blocks yet; what is not written becomes zero. */
static int run_write(struct ext4 *fs, u64 blk, u32 skip, const u8 *data, u32 len, bool fresh)
{
	while (len > 0) {
		u32 n = MIN(len, fs->bs - skip), whole = 0;
		int rc = 0;

		if (skip == 0)
			whole = len >> fs->bs_shift;
		if (whole > 0) {
			n = whole << fs->bs_shift;
			rc = device_write(fs, blk, data, whole);
		} else {
			if (fresh)
				memset(fs->bounce, 0, fs->bs);
			else
				rc = device_read(fs, blk, fs->bounce, 1);
			if (rc < 0)
				return rc;
			memcpy(fs->bounce + skip, data, n);
			rc = device_write(fs, blk, fs->bounce, 1);
		}
		if (rc < 0)
			return rc;
		blk += MAX(whole, 1u);
		data += n;
		len -= n;
		skip = 0;
	}
	return 0;
}

/* Data first, then the map: what can be reached was written. Returns bytes or negative. */
static s64 write_hole(struct inode *in, u32 lblk, u32 nr, u32 skip, const u8 *data, u32 len)
{
	struct ext4 *fs = in->fs;
	u64 blk;
	u32 got;
	int rc = balloc(fs, map_goal(in, lblk), nr, &blk, &got);

	if (rc < 0)
		return rc;
	len = (u32)MIN((u64)len, ((u64)got << fs->bs_shift) - skip);
	rc = run_write(fs, blk, skip, data, len, true);
	if (rc == 0)
		rc = map_insert(in, lblk, blk, got);
	if (rc < 0) {
		bfree(fs, blk, got);
		return rc;
	}
	return len;
}

/* As much as one run of alike blocks takes. */
static s64 write_some(struct inode *in, u64 pos, const u8 *data, u32 len)
{
	struct ext4 *fs = in->fs;
	u32 lblk = (u32)(pos >> fs->bs_shift), skip = (u32)pos & (fs->bs - 1), nr;
	struct map m;
	int rc = map_get(in, lblk, &m);

	if (rc < 0)
		return rc;
	len = (u32)MIN((u64)len, ((u64)m.len << fs->bs_shift) - skip);
	nr = (u32)(((u64)skip + len + fs->bs - 1) >> fs->bs_shift);
	if (m.blk == 0)
		return inode_flags(in) & EXT4_EXTENTS_FL ? write_hole(in, lblk, nr, skip, data, len) : -EOPNOTSUPP;
	rc = run_write(fs, m.blk, skip, data, len, m.unwritten);
	if (rc == 0 && m.unwritten)
		rc = map_written(in, lblk, nr);
	return rc < 0 ? rc : (s64)len;
}

static bool size_fits(struct ext4 *fs, const struct inode *in, u64 size)
{
	u64 max = (u64)(EXT4_MAX_LBLK - 1) << fs->bs_shift;

	return size <= max && ((inode_flags(in) & EXT4_EXTENTS_FL) || size <= inode_size(in));
}

s64 ext4_write(struct ext4 *fs, struct ext4_id id, u64 off, const void *buf, u32 len, struct ext4_time now, u64 *size)
{
	struct inode in;
	u32 done = 0;
	int rc = regular_get(fs, id, &in);

	if (rc < 0)
		return rc;
	if (off + len < off || !size_fits(fs, &in, off + len))
		rc = -EFBIG;
	if (rc == 0 && len > 0)
		rc = super_modify(fs, now);
	while (rc == 0 && done < len) {
		s64 n = write_some(&in, off + done, (const u8 *)buf + done, len - done);

		if (n < 0)
			rc = (int)n;
		else
			done += (u32)n;
	}
	if (done > 0) {
		if (off + done > inode_size(&in))
			inode_set_size(&in, off + done);
		inode_stamp(&in, STAMP_MTIME | STAMP_CTIME, now);
		inode_dirty(&in);
	}
	*size = inode_size(&in);
	inode_put(&in);
	return done > 0 ? (s64)done : rc;
}

int block_clear(struct inode *in, u64 off, u32 len)
{
	struct ext4 *fs = in->fs;
	u32 skip = (u32)off & (fs->bs - 1);
	struct map m;
	int rc = map_get(in, (u32)(off >> fs->bs_shift), &m);

	if (rc < 0 || m.blk == 0 || m.unwritten)
		return rc;
	rc = device_read(fs, m.blk, fs->bounce, 1);
	if (rc < 0)
		return rc;
	memset(fs->bounce + skip, 0, len);
	return device_write(fs, m.blk, fs->bounce, 1);
}

/* Zero the last block behind the new end. */
static int clear_tail(struct inode *in, u64 size)
{
	u32 skip = (u32)size & (in->fs->bs - 1);

	return skip == 0 ? 0 : block_clear(in, size, in->fs->bs - skip);
}

int ext4_truncate(struct ext4 *fs, struct ext4_id id, u64 size, struct ext4_time now)
{
	struct inode in;
	int rc = regular_get(fs, id, &in);

	if (rc < 0)
		return rc;
	if (size > inode_size(&in) && !size_fits(fs, &in, size))
		rc = -EFBIG;
	if (rc == 0)
		rc = super_modify(fs, now);
	if (rc == 0 && size <= inode_size(&in)) {
		rc = clear_tail(&in, size);
		if (rc == 0)
			rc = map_truncate(&in, (u32)((size + fs->bs - 1) >> fs->bs_shift));
		if (rc == 0 && size == 0 && !(inode_flags(&in) & EXT4_EXTENTS_FL))
			extent_root_init(&in);		/* an old file that is written anew */
	}
	if (rc == 0) {
		inode_set_size(&in, size);
		inode_stamp(&in, STAMP_MTIME | STAMP_CTIME, now);
		inode_dirty(&in);
	}
	inode_put(&in);
	return rc;
}
