/* SPDX-License-Identifier: MIT */
/*
 * Checksums of ext4 structures that have one of their own shape. (Those of extent and directory blocks stand with
 * their formats.) Everything is CRC-32C seeded by the volume, but old group descriptors, which have a CRC-16.
 */
#include "lib/crc32c.h"
#include "managers/storage/ext4/impl.h"

/* Reflected, polynomial 0x8005. Used for descriptors only: bit by bit is fast enough. */
u16 crc16_ansi(u16 crc, const void *data, size_t len)
{
	const u8 *p = data;

	while (len-- > 0) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
	}
	return crc;
}

u32 csum_super(const struct ext4_super *sb)
{
	return crc32c(~0u, sb, offsetof(struct ext4_super, checksum));
}

u16 csum_group(struct ext4 *fs, u32 group, const struct ext4_group_desc *d)
{
	const u32 at = offsetof(struct ext4_group_desc, checksum), behind = at + 2;
	const u8 *p = (const u8 *)d;
	le32 nr = le32_of(group);
	u16 zero = 0, crc;

	if (fs->metadata_csum) {
		u32 c = crc32c(fs->csum_seed, &nr, 4);

		c = crc32c(c, p, at);
		c = crc32c(c, &zero, 2);
		return (u16)crc32c(c, p + behind, fs->desc_size - behind);
	}
	crc = crc16_ansi(0xffff, fs->sb.uuid, 16);
	crc = crc16_ansi(crc, &nr, 4);
	crc = crc16_ansi(crc, p, at);
	return crc16_ansi(crc, p + behind, fs->desc_size - behind);
}

/* *wide: the inode has room for all 32 bits of it. */
u32 csum_inode(struct ext4 *fs, u32 ino, const struct ext4_dinode *d, bool *wide)
{
	const u32 lo = offsetof(struct ext4_dinode, checksum_lo), hi = offsetof(struct ext4_dinode, checksum_hi);
	const u8 *p = (const u8 *)d;
	le32 nr = le32_of(ino);
	u16 zero = 0;
	u32 c;

	*wide = fs->inode_size > EXT4_OLD_INODE_SIZE && le16_get(d->extra_isize) >= 4;
	c = crc32c(fs->csum_seed, &nr, 4);
	c = crc32c(c, &d->generation, 4);
	c = crc32c(c, p, lo);
	c = crc32c(c, &zero, 2);
	if (!*wide)
		return crc32c(c, p + lo + 2, fs->inode_size - lo - 2);
	c = crc32c(c, p + lo + 2, hi - lo - 2);
	c = crc32c(c, &zero, 2);
	return crc32c(c, p + hi + 2, fs->inode_size - hi - 2);
}

u32 csum_xattr(struct ext4 *fs, u64 blk, const struct ext4_xattr_header *h)
{
	const u32 at = offsetof(struct ext4_xattr_header, checksum);
	const u8 *p = (const u8 *)h;
	le64 nr = le64_of(blk);
	u32 zero = 0, c;

	c = crc32c(fs->csum_seed, &nr, 8);
	c = crc32c(c, p, at);
	c = crc32c(c, &zero, 4);
	return crc32c(c, p + at + 4, fs->bs - at - 4);
}
