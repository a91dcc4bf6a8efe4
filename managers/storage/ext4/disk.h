/* SPDX-License-Identifier: MIT */
/*
 * The ext4 disk format: what lies where, little endian. Sizes are asserted; offsets follow from the order.
 */
#ifndef MANAGERS_STORAGE_EXT4_DISK_H
#define MANAGERS_STORAGE_EXT4_DISK_H

#include "lib/base/types.h"

#define EXT4_MAGIC		0xef53
#define EXT4_SB_OFFSET		1024
#define EXT4_ROOT_INO		2
#define EXT4_NAME_MAX		255
#define EXT4_LINK_MAX		65000
#define EXT4_MIN_BLOCK		1024
#define EXT4_MAX_BLOCK		4096

/* s_state */
#define EXT4_STATE_VALID	1	/* unmounted in order */
#define EXT4_STATE_ERROR	2	/* somebody found damage */

/* s_flags */
#define EXT4_FLAG_SIGNED_HASH	1
#define EXT4_FLAG_UNSIGNED_HASH	2

#define EXT4_COMPAT_DIR_INDEX	0x20
#define EXT4_COMPAT_SPARSE2	0x200

#define EXT4_INCOMPAT_LIST(X)								\
	X(0x1, COMPRESSION, compression) X(0x2, FILETYPE, filetype)			\
	X(0x4, RECOVER, needs_recovery) X(0x8, JOURNAL_DEV, journal_dev)		\
	X(0x10, META_BG, meta_bg) X(0x40, EXTENTS, extent) X(0x80, 64BIT, 64bit)	\
	X(0x100, MMP, mmp) X(0x200, FLEX_BG, flex_bg) X(0x400, EA_INODE, ea_inode)	\
	X(0x1000, DIRDATA, dirdata) X(0x2000, CSUM_SEED, metadata_csum_seed)		\
	X(0x4000, LARGEDIR, large_dir) X(0x8000, INLINE_DATA, inline_data)		\
	X(0x10000, ENCRYPT, encrypt) X(0x20000, CASEFOLD, casefold)

#define EXT4_RO_COMPAT_LIST(X)								\
	X(0x1, SPARSE_SUPER, sparse_super) X(0x2, LARGE_FILE, large_file)		\
	X(0x4, BTREE_DIR, btree_dir) X(0x8, HUGE_FILE, huge_file)			\
	X(0x10, GDT_CSUM, uninit_bg) X(0x20, DIR_NLINK, dir_nlink)			\
	X(0x40, EXTRA_ISIZE, extra_isize) X(0x100, QUOTA, quota)			\
	X(0x200, BIGALLOC, bigalloc) X(0x400, METADATA_CSUM, metadata_csum)		\
	X(0x800, REPLICA, replica) X(0x1000, READONLY, read-only)			\
	X(0x2000, PROJECT, project) X(0x4000, SHARED_BLOCKS, shared_blocks)		\
	X(0x8000, VERITY, verity) X(0x10000, ORPHAN_PRESENT, orphan_present)

#define EXT4_FEATURE_INCOMPAT(bit, NAME, name)	EXT4_INCOMPAT_##NAME = bit,
#define EXT4_FEATURE_RO_COMPAT(bit, NAME, name)	EXT4_RO_COMPAT_##NAME = bit,
enum { EXT4_INCOMPAT_LIST(EXT4_FEATURE_INCOMPAT) };
enum { EXT4_RO_COMPAT_LIST(EXT4_FEATURE_RO_COMPAT) };

struct ext4_super {
	le32 inodes_count, blocks_count_lo, r_blocks_count_lo, free_blocks_lo;
	le32 free_inodes, first_data_block, log_block_size, log_cluster_size;
	le32 blocks_per_group, clusters_per_group, inodes_per_group, mtime;
	le32 wtime;
	le16 mnt_count, max_mnt_count, magic, state, errors, minor_rev;
	le32 lastcheck, checkinterval, creator_os, rev_level;
	le16 def_resuid, def_resgid;
	le32 first_ino;
	le16 inode_size, block_group_nr;
	le32 feature_compat, feature_incompat, feature_ro_compat;
	u8 uuid[16];
	char volume_name[16], last_mounted[64];
	le32 algorithm_bitmap;
	u8 prealloc_blocks, prealloc_dir_blocks;
	le16 reserved_gdt_blocks;
	u8 journal_uuid[16];
	le32 journal_inum, journal_dev, last_orphan, hash_seed[4];
	u8 def_hash_version, jnl_backup_type;
	le16 desc_size;
	le32 default_mount_opts, first_meta_bg, mkfs_time, jnl_blocks[17];
	le32 blocks_count_hi, r_blocks_count_hi, free_blocks_hi;		/* 0x150 */
	le16 min_extra_isize, want_extra_isize;
	le32 flags;
	le16 raid_stride, mmp_interval;
	le64 mmp_block;
	le32 raid_stripe_width;
	u8 log_groups_per_flex, checksum_type;
	le16 reserved_pad;
	le64 kbytes_written;
	le32 snapshot[5];
	le32 error_count, first_error_time, first_error_ino;			/* 0x194 */
	le64 first_error_block;
	u8 first_error_func[32];
	le32 first_error_line, last_error_time, last_error_ino, last_error_line;
	le64 last_error_block;
	u8 last_error_func[32], mount_opts[64];
	le32 usr_quota_inum, grp_quota_inum, overhead_clusters, backup_bgs[2];	/* 0x240 */
	u8 encrypt_algos[4], encrypt_pw_salt[16];
	le32 lpf_ino, prj_quota_inum, checksum_seed;				/* 0x268 */
	u8 rest[0x3fc - 0x274];
	le32 checksum;
} __packed;
_Static_assert(sizeof(struct ext4_super) == 1024, "super block");
_Static_assert(offsetof(struct ext4_super, blocks_count_hi) == 0x150, "super block");
_Static_assert(offsetof(struct ext4_super, error_count) == 0x194, "super block");
_Static_assert(offsetof(struct ext4_super, usr_quota_inum) == 0x240, "super block");
_Static_assert(offsetof(struct ext4_super, checksum_seed) == 0x270, "super block");

/* Group descriptor; the second half only when s_desc_size says so. */
#define EXT4_BG_INODE_UNINIT	1	/* inode bitmap never written: no inode in use */
#define EXT4_BG_BLOCK_UNINIT	2	/* block bitmap never written: only the group's own metadata in use */
#define EXT4_BG_INODE_ZEROED	4
struct ext4_group_desc {
	le32 block_bitmap_lo, inode_bitmap_lo, inode_table_lo;
	le16 free_blocks_lo, free_inodes_lo, used_dirs_lo, flags;
	le32 exclude_bitmap_lo;
	le16 block_bitmap_csum_lo, inode_bitmap_csum_lo, itable_unused_lo, checksum;
	le32 block_bitmap_hi, inode_bitmap_hi, inode_table_hi;
	le16 free_blocks_hi, free_inodes_hi, used_dirs_hi, itable_unused_hi;
	le32 exclude_bitmap_hi;
	le16 block_bitmap_csum_hi, inode_bitmap_csum_hi;
	le32 reserved;
} __packed;
_Static_assert(sizeof(struct ext4_group_desc) == 64, "group descriptor");

/* i_flags */
#define EXT4_IMMUTABLE_FL	0x10
#define EXT4_INDEX_FL		0x1000
#define EXT4_HUGE_FILE_FL	0x40000
#define EXT4_EXTENTS_FL		0x80000
#define EXT4_EA_INODE_FL	0x200000
#define EXT4_INLINE_DATA_FL	0x10000000

#define EXT4_NR_BLOCK_PTRS	15
#define EXT4_FAST_LINK_MAX	59	/* longer targets have a block */
struct ext4_dinode {
	le16 mode, uid_lo;
	le32 size_lo, atime, ctime, mtime, dtime;
	le16 gid_lo, links;
	le32 blocks_lo, flags, version;
	u8 block[EXT4_NR_BLOCK_PTRS * 4];	/* extent tree root, block map, device number or short symlink */
	le32 generation, file_acl_lo, size_hi, obsolete_faddr;
	le16 blocks_hi, file_acl_hi, uid_hi, gid_hi, checksum_lo, reserved;
	/* 128 bytes; the rest only in larger inodes, as far as extra_isize says */
	le16 extra_isize, checksum_hi;
	le32 ctime_extra, mtime_extra, atime_extra, crtime, crtime_extra, version_hi, projid;
} __packed;
_Static_assert(offsetof(struct ext4_dinode, extra_isize) == 128, "inode");
_Static_assert(sizeof(struct ext4_dinode) == 160, "inode");
#define EXT4_OLD_INODE_SIZE	128

/* An extent tree node: header, then extents (depth 0) or indexes. In a block of its own a checksum follows the last slot. */
#define EXT4_EXT_MAGIC		0xf30a
#define EXT4_EXT_MAX_DEPTH	5
#define EXT4_EXT_MAX_LEN	32768		/* larger values of len: an unwritten extent of len - 32768 */
struct ext4_extent_header {
	le16 magic, entries, max, depth;
	le32 generation;
} __packed;
struct ext4_extent {
	le32 block;
	le16 len, start_hi;
	le32 start_lo;
} __packed;
struct ext4_extent_idx {
	le32 block, leaf_lo;
	le16 leaf_hi, unused;
} __packed;
_Static_assert(sizeof(struct ext4_extent) == 12 && sizeof(struct ext4_extent_idx) == 12 &&
	       sizeof(struct ext4_extent_header) == 12, "extent tree");

struct ext4_dirent {
	le32 inode;
	le16 rec_len;
	u8 name_len, type;
	char name[];
} __packed;
#define EXT4_DIRENT_LEN(name_len)	ALIGN_UP(8u + (name_len), 4u)
#define EXT4_DIR_TAIL_TYPE		0xde
struct ext4_dir_tail {			/* the last 12 bytes of a directory's leaf block; looks like an unused entry */
	le32 zero;
	le16 rec_len;
	u8 name_len, type;
	le32 checksum;
} __packed;

/* Hashed directories: block 0 is the root, after the entries "." and "..". */
struct ext4_dx_root_info {
	le32 zero;
	u8 hash_version, info_length, levels, flags;
} __packed;
struct ext4_dx_entry {			/* the first one's hash is limit (low half) and count (high half) */
	le32 hash, block;
} __packed;
struct ext4_dx_tail {
	le32 reserved, checksum;
} __packed;
#define EXT4_DX_ROOT_INFO	24	/* offset in the root block */
#define EXT4_DX_ROOT_ENTRIES	32
#define EXT4_DX_NODE_ENTRIES	8

struct ext4_xattr_header {
	le32 magic, refcount, blocks, hash, checksum, reserved[3];
} __packed;
#define EXT4_XATTR_MAGIC	0xea020000

#endif
