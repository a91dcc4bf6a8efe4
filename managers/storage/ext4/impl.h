/* SPDX-License-Identifier: MIT */
/*
 * ext4, inside: the volume, its metadata cache, inodes in use, and what the files of this folder offer each other.
 * Layers, each calling only those before it:
 *	cache  csum  group  |  balloc  ialloc  |  inode  |  extent  indirect  map  |  dir  hash  htree  readdir  |
 *	orphan  file  namei  rename  |  super
 */
#ifndef MANAGERS_STORAGE_EXT4_IMPL_H
#define MANAGERS_STORAGE_EXT4_IMPL_H

#include "lib/base/errno.h"
#include "lib/base/list.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/storage/ext4/disk.h"
#include "managers/storage/ext4/ext4.h"
#include "mm/slab.h"

/* --- cache.c: metadata blocks, written back late, least recently used first out ------------------------- */

struct bbuf {
	struct list lru;		/* linked when refs == 0 */
	struct list dirty_link;		/* linked when dirty */
	struct bbuf *next;		/* hash chain */
	u64 blk;
	u32 refs;
	bool dead;			/* forgotten while referenced: freed at the last put */
	u64 verified;			/* checksums found right: bit 0 the block's, or bit n of its inode n */
	u8 *data;			/* one file system block */
};

struct bcache {
	struct bbuf **hash;
	u32 hash_mask, nr, max;		/* max is a wish: all referenced or unwritable, it is exceeded */
	struct list lru, dirty;
};

struct ext4;
int bcache_init(struct ext4 *fs, u32 bytes);
void bcache_destroy(struct ext4 *fs);	/* dirty blocks are dropped */
/* The block's contents, with a reference. -EIO, -ENOMEM, -EUCLEAN (not a block of this volume). */
int __must_check bcache_read(struct ext4 *fs, u64 blk, struct bbuf **out);
/* The same for a block whose old contents do not matter: all zero, dirty. */
int __must_check bcache_new(struct ext4 *fs, u64 blk, struct bbuf **out);
void bcache_put(struct ext4 *fs, struct bbuf *b);	/* NULL is fine */
void bcache_dirty(struct ext4 *fs, struct bbuf *b);
void bcache_forget(struct ext4 *fs, u64 blk, u64 count);	/* the blocks were freed: drop, do not write */
int __must_check bcache_flush(struct ext4 *fs);

/* --- the volume ----------------------------------------------------------------------------------------- */

#define HOLD_BUCKETS 64

struct ext4_zone {
	u64 first, behind;
};

struct ext4 {
	struct blkdev *dev;
	struct ext4_super sb;		/* as on disk; counters are brought in by super_write() */
	u32 bs, bs_shift;		/* block size */
	u64 nr_blocks;
	u32 first_block, nr_groups, blocks_per_group, inodes_per_group, nr_inodes;
	u32 inode_size, inodes_per_block, desc_size, descs_per_block, nr_gdt;
	u32 hash_seed[4], hash_unsigned;	/* hash_unsigned: 3 when hash versions 0-2 mean their unsigned forms */
	bool metadata_csum, gdt_csum, filetype, dir_index;
	u32 csum_seed;
	bool read_only, dirtied, corrupt;
	u32 nr_complaints;
	u64 free_blocks;
	u32 free_inodes;
	u32 next_gen;
	struct ext4_time now;		/* of the operation that runs */
	struct ext4_zone *zones;	/* the volume's own structures, sorted */
	u32 nr_zones;
	struct bbuf **gdt;		/* descriptor blocks, referenced while mounted */
	struct bcache cache;
	u8 *bounce;			/* one block, for partial blocks of file data */
	struct list holds[HOLD_BUCKETS];
};

/* super.c */
/* Before a call changes anything: -EROFS, or marks the volume as not clean if it is not yet. Sets fs->now. */
int __must_check super_modify(struct ext4 *fs, struct ext4_time now);
int super_write(struct ext4 *fs);
/* Damage: say so (the first few times), forbid changes. Returns -EUCLEAN. */
int ext4_corrupt(struct ext4 *fs, const char *fmt, ...) __printf(2, 3);

/* csum.c */
u16 crc16_ansi(u16 crc, const void *data, size_t len);
u32 csum_super(const struct ext4_super *sb);
u16 csum_group(struct ext4 *fs, u32 group, const struct ext4_group_desc *d);
u32 csum_inode(struct ext4 *fs, u32 ino, const struct ext4_dinode *d, bool *wide);
u32 csum_xattr(struct ext4 *fs, u64 blk, const struct ext4_xattr_header *h);

/* group.c: group descriptors */
struct ext4_group_desc *group_desc(struct ext4 *fs, u32 group);
void group_dirty(struct ext4 *fs, u32 group);		/* recompute its checksum, write it some time */
u64 group_first_block(struct ext4 *fs, u32 group);
u32 group_nr_blocks(struct ext4 *fs, u32 group);
bool group_has_super(struct ext4 *fs, u32 group);
int __must_check group_check_all(struct ext4 *fs);	/* at mount: checksums and places, which become fs->zones */
u64 group_gdt_block(struct ext4 *fs, u32 index);	/* where descriptor block number index lies */
u32 group_nr_meta(struct ext4 *fs, u32 group);		/* super block, descriptors and reserve at the group's start */

/* Fields of a descriptor that are split in two halves, the upper one only in descriptors of 64 bytes. */
#define GROUP_FIELD(name, half)									\
	static inline u64 group_##name(struct ext4 *fs, const struct ext4_group_desc *d)	\
	{											\
		u64 v = half##_get(d->name##_lo);						\
		if (fs->desc_size >= 64)							\
			v |= (u64)half##_get(d->name##_hi) << (8 * sizeof(half));		\
		return v;									\
	}											\
	static inline void group_set_##name(struct ext4 *fs, struct ext4_group_desc *d, u64 v)	\
	{											\
		d->name##_lo = half##_of(v);							\
		if (fs->desc_size >= 64)							\
			d->name##_hi = half##_of(v >> (8 * sizeof(half)));			\
	}
GROUP_FIELD(block_bitmap, le32)
GROUP_FIELD(inode_bitmap, le32)
GROUP_FIELD(inode_table, le32)
GROUP_FIELD(free_blocks, le16)
GROUP_FIELD(free_inodes, le16)
GROUP_FIELD(used_dirs, le16)
GROUP_FIELD(itable_unused, le16)
GROUP_FIELD(block_bitmap_csum, le16)
GROUP_FIELD(inode_bitmap_csum, le16)

/* bitmap helpers (balloc.c): bit n of a byte array, first clear or set bit in [from, end), end if none */
static inline bool bitmap_get(const u8 *map, u32 n) { return map[n / 8] >> (n % 8) & 1; }
void bitmap_set_range(u8 *map, u32 from, u32 nr, bool on);
u32 bitmap_next(const u8 *map, u32 from, u32 end, bool on);

/* balloc.c */
/* A run of 1 to want free blocks, as near behind goal as may be (0: anywhere). -ENOSPC, -EIO, -EUCLEAN. */
int __must_check balloc(struct ext4 *fs, u64 goal, u32 want, u64 *blk, u32 *got);
int bfree(struct ext4 *fs, u64 blk, u64 count);
bool block_valid(struct ext4 *fs, u64 blk, u64 count);	/* could be a file's: inside the volume, in no zone */

/* ialloc.c */
int __must_check ialloc(struct ext4 *fs, u32 parent, bool dir, u32 *ino);
int ifree(struct ext4 *fs, u32 ino, bool dir);

/* --- inode.c: an inode in use, on the caller's stack ---------------------------------------------------- */

struct inode {
	struct ext4 *fs;
	u32 ino;
	u32 csum_seed;			/* of its blocks: volume, number, generation */
	struct bbuf *buf;
	struct ext4_dinode *d;		/* in buf */
};

/* -ESTALE: not in use or another generation. A file without links is given only while it is held. */
int __must_check inode_get(struct ext4 *fs, struct ext4_id id, struct inode *in);
int __must_check inode_get_any(struct ext4 *fs, u32 ino, struct inode *in);	/* any generation: from a directory entry */
int __must_check inode_load(struct ext4 *fs, u32 ino, struct inode *in);	/* any generation, also without links */
int __must_check inode_get_raw(struct ext4 *fs, u32 ino, struct inode *in);	/* even one not in use; checksum not looked at */
void inode_put(struct inode *in);
void inode_dirty(struct inode *in);
int __must_check inode_new(struct ext4 *fs, struct inode *dir, u32 mode, u32 uid, u32 gid, struct inode *in);
int inode_free(struct inode *in);	/* nothing points to it and its blocks are gone; in is put */
void inode_attr(const struct inode *in, struct ext4_attr *attr);
int inode_free_xattr(struct inode *in);

static inline u32 inode_mode(const struct inode *in) { return le16_get(in->d->mode); }
static inline u32 inode_type(const struct inode *in) { return inode_mode(in) & EXT4_S_IFMT; }
static inline u32 inode_flags(const struct inode *in) { return le32_get(in->d->flags); }
static inline u32 inode_links(const struct inode *in) { return le16_get(in->d->links); }
u64 inode_size(const struct inode *in);
void inode_set_size(struct inode *in, u64 size);
u64 inode_blocks(const struct inode *in);		/* in units of 512 bytes */
int inode_add_blocks(struct inode *in, s64 blocks);	/* file system blocks */
enum inode_stamp { STAMP_ATIME = 1, STAMP_MTIME = 2, STAMP_CTIME = 4, STAMP_BTIME = 8 };
void inode_stamp(struct inode *in, unsigned which, struct ext4_time t);
bool inode_fast_link(const struct inode *in);
bool inode_has_map(const struct inode *in);		/* its block[] names blocks */

/* --- map.c, extent*.c, indirect.c: from blocks of a file to blocks of the disk -------------------------- */

struct map {
	u64 blk;		/* 0: a hole */
	u32 len;		/* at least 1: as many blocks from the asked one on are alike */
	bool unwritten;		/* allocated, reads as zeros */
};
int __must_check map_get(struct inode *in, u32 lblk, struct map *m);
int __must_check map_insert(struct inode *in, u32 lblk, u64 blk, u32 len);	/* was a hole; not for block-mapped files */
int __must_check map_insert_unwritten(struct inode *in, u32 lblk, u64 blk, u32 len);	/* the same: reads as zeros */
int __must_check map_remove(struct inode *in, u32 from, u32 to);		/* free these blocks; not for block-mapped files */
int __must_check map_written(struct inode *in, u32 lblk, u32 len);		/* these unwritten blocks have data now */
int map_truncate(struct inode *in, u32 from);	/* free every block from this one on */
u64 map_goal(struct inode *in, u32 lblk);	/* where a new block would lie well */

/* file.c */
int __must_check regular_get(struct ext4 *fs, struct ext4_id id, struct inode *in);	/* -EISDIR, -EINVAL: no regular file */
int __must_check block_clear(struct inode *in, u64 off, u32 len);	/* zeros within one block, if it has a place */

#define EXT4_MAX_LBLK	0xffffffffu		/* the number itself is no block */
int extent_map(struct inode *in, u32 lblk, struct map *m);
int extent_insert(struct inode *in, u32 lblk, u64 blk, u32 len, bool unwritten);
int extent_remove(struct inode *in, u32 from, u32 to, bool free);
void extent_root_init(struct inode *in);
int indirect_map(struct inode *in, u32 lblk, struct map *m);
int indirect_truncate(struct inode *in, u32 from);

/* extent_tree.c: what extent.c stands on */
struct ext_step {
	struct bbuf *buf;		/* NULL: the root, in the inode */
	struct ext4_extent_header *h;
	int pos;			/* last entry whose block <= the one sought; -1 (leaf only): none */
};
struct ext_path {
	int depth;			/* of the root; step[depth] is the leaf */
	struct ext_step step[EXT4_EXT_MAX_DEPTH + 1];
};
int __must_check ext_path_find(struct inode *in, u32 lblk, struct ext_path *p);
void ext_path_put(struct inode *in, struct ext_path *p);
void ext_step_dirty(struct inode *in, struct ext_step *s);
void ext_fix_keys(struct inode *in, struct ext_path *p, int level);
int __must_check ext_split(struct inode *in, struct ext_path *p);	/* make room in the leaf, or nearer to it; look again */
int ext_prune(struct inode *in, struct ext_path *p);			/* the leaf has become empty */
int ext_collapse(struct inode *in);					/* move a small tree into the inode */

static inline struct ext4_extent *ext_extents(struct ext4_extent_header *h) { return (struct ext4_extent *)(h + 1); }
static inline struct ext4_extent_idx *ext_indexes(struct ext4_extent_header *h) { return (struct ext4_extent_idx *)(h + 1); }
static inline u32 ext_len(const struct ext4_extent *e)
{
	u32 len = le16_get(e->len);

	return len > EXT4_EXT_MAX_LEN ? len - EXT4_EXT_MAX_LEN : len;
}
static inline bool ext_unwritten(const struct ext4_extent *e) { return le16_get(e->len) > EXT4_EXT_MAX_LEN; }
static inline u64 ext_start(const struct ext4_extent *e)
{
	return (u64)le16_get(e->start_hi) << 32 | le32_get(e->start_lo);
}

/* --- directories ---------------------------------------------------------------------------------------- */

struct dir_slot {			/* an entry found */
	struct bbuf *buf;		/* referenced */
	u32 lblk, off, prev;		/* offsets in the block; prev == off: the first one */
	struct ext4_dirent *de;
};

/* dir.c */
int __must_check dir_find(struct inode *dir, const char *name, u32 len, struct dir_slot *s);	/* -ENOENT */
int __must_check dir_add(struct inode *dir, const char *name, u32 len, u32 ino, u32 mode);
void dir_remove(struct inode *dir, struct dir_slot *s);			/* puts s->buf */
void dir_replace(struct inode *dir, struct dir_slot *s, u32 ino, u32 mode);
int __must_check dir_make_empty(struct inode *dir, u32 parent);		/* a new directory: "." and ".." */
int dir_is_empty(struct inode *dir);					/* 1, 0 or negative */
/* below: for htree.c and readdir.c */
int __must_check dir_block_read(struct inode *dir, u32 lblk, struct bbuf **out);
int __must_check dir_block_append(struct inode *dir, u32 *lblk, struct bbuf **out);	/* zeroed; the directory grows */
void dir_leaf_init(struct inode *dir, u8 *block);
void dir_leaf_dirty(struct inode *dir, struct bbuf *b);
u32 dir_leaf_end(struct ext4 *fs);					/* where entries end: before the checksum */
struct ext4_dirent *dir_entry(struct ext4 *fs, u8 *block, u32 off);	/* NULL: damaged */
int dir_find_in_block(struct inode *dir, struct bbuf *b, u32 lblk, const char *name, u32 len, struct dir_slot *s);
int dir_add_in_block(struct inode *dir, struct bbuf *b, const char *name, u32 len, u32 ino, u32 mode); /* -ENOSPC */
u32 dir_nr_blocks(struct inode *dir);
u8 dirent_type(u32 mode);

/* hash.c */
struct dx_hash {
	u32 major, minor;
};
int __must_check dx_hash_name(struct ext4 *fs, u32 version, const char *name, u32 len, struct dx_hash *h);

/* htree.c */
#define DX_LEVELS 2
struct dx_frame {
	struct bbuf *buf;
	u32 lblk;
	struct ext4_dx_entry *entries;
	u32 at;
};
struct dx_path {
	u32 levels;			/* index nodes above the leaf: 1 or 2 */
	u32 version;			/* of the hash */
	struct dx_frame frame[DX_LEVELS];
};
bool dx_indexed(const struct inode *dir);
int __must_check dx_probe(struct inode *dir, const char *name, u32 len, u32 major, struct dx_hash *h, struct dx_path *p);
int dx_next(struct inode *dir, struct dx_path *p, u32 *hash);	/* 1: p is at the next leaf, whose hash is *hash; 0: no more */
u32 dx_leaf(const struct dx_path *p);
void dx_put(struct inode *dir, struct dx_path *p);
int __must_check dx_find(struct inode *dir, const char *name, u32 len, struct dir_slot *s);
int __must_check dx_add(struct inode *dir, const char *name, u32 len, u32 ino, u32 mode);
int __must_check dx_make(struct inode *dir);			/* a directory of one full block becomes indexed */
void dx_root_dirty(struct inode *dir, struct bbuf *b);
int dx_block_verify(struct inode *dir, u32 lblk, const u8 *block);	/* 1: an index block, right; 0: not one; negative */

/* orphan.c: files without a name, kept by a holder */
bool hold_exists(struct ext4 *fs, u32 ino);
int __must_check orphan_add(struct inode *in);
int orphan_del(struct inode *in);
int orphan_inode_delete(struct inode *in);	/* free blocks and inode; in is put */
int orphan_last_link_gone(struct inode *in);	/* delete it now or, if held, later; in is put */
void orphan_cleanup(struct ext4 *fs);		/* at mount, and all of them at unmount */
void holds_destroy(struct ext4 *fs);

/* namei.c, for rename.c */
int __must_check name_check(const char *name, u32 len);
/* The directory, checked to be one, and the name's form. */
int __must_check dir_get(struct ext4 *fs, struct ext4_id id, const char *name, u32 len, struct inode *dir);
int __must_check slot_inode(struct ext4 *fs, const struct dir_slot *s, struct inode *in);
int __must_check dir_links_more(struct inode *dir);	/* one more subdirectory; -EMLINK */
void dir_links_less(struct inode *dir);
int inode_link_gone(struct inode *in);			/* one name of it is gone; in is put */
int __must_check removable(struct inode *in, bool as_dir);

#endif
