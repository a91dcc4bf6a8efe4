/* SPDX-License-Identifier: MIT */
/*
 * Directories as lists of entries in blocks: find, add, remove. htree.c puts an index over the same blocks. An entry's
 * place never changes but when a block is split, so a slot stays true as long as its buffer is held.
 */
#include "lib/crc32c.h"
#include "managers/storage/ext4/impl.h"

u32 dir_nr_blocks(struct inode *dir)
{
	return (u32)(inode_size(dir) >> dir->fs->bs_shift);
}

u8 dirent_type(u32 mode)
{
	switch (mode & EXT4_S_IFMT) {
	case EXT4_S_IFREG:	return 1;
	case EXT4_S_IFDIR:	return 2;
	case EXT4_S_IFCHR:	return 3;
	case EXT4_S_IFBLK:	return 4;
	case EXT4_S_IFIFO:	return 5;
	case EXT4_S_IFSOCK:	return 6;
	case EXT4_S_IFLNK:	return 7;
	default:		return 0;
	}
}

u32 dir_leaf_end(struct ext4 *fs)
{
	return fs->bs - (fs->metadata_csum ? sizeof(struct ext4_dir_tail) : 0);
}

static struct ext4_dir_tail *leaf_tail(struct ext4 *fs, u8 *block)
{
	return (void *)(block + fs->bs - sizeof(struct ext4_dir_tail));
}

void dir_leaf_dirty(struct inode *dir, struct bbuf *b)
{
	struct ext4 *fs = dir->fs;

	if (fs->metadata_csum)
		leaf_tail(fs, b->data)->checksum = le32_of(crc32c(dir->csum_seed, b->data, dir_leaf_end(fs)));
	bcache_dirty(fs, b);
}

/* One unused entry over all of the block, and the checksum's place. */
void dir_leaf_init(struct inode *dir, u8 *block)
{
	struct ext4 *fs = dir->fs;
	struct ext4_dirent *de = (void *)block;

	memset(block, 0, fs->bs);
	de->rec_len = le16_of((u16)dir_leaf_end(fs));
	if (fs->metadata_csum)
		*leaf_tail(fs, block) = (struct ext4_dir_tail){ .rec_len = le16_of(12), .type = EXT4_DIR_TAIL_TYPE };
}

static int leaf_verify(struct inode *dir, u32 lblk, u8 *block)
{
	struct ext4_dir_tail *t = leaf_tail(dir->fs, block);

	if (le32_get(t->zero) != 0 || le16_get(t->rec_len) != 12 || t->name_len != 0 ||
	    t->type != EXT4_DIR_TAIL_TYPE || le32_get(t->checksum) != crc32c(dir->csum_seed, block, dir_leaf_end(dir->fs)))
		return ext4_corrupt(dir->fs, "directory %u: block %u has a wrong checksum", dir->ino, lblk);
	return 0;
}

int dir_block_read(struct inode *dir, u32 lblk, struct bbuf **out)
{
	struct ext4 *fs = dir->fs;
	struct bbuf *b;
	struct map m;
	int rc;

	*out = NULL;
	if (lblk >= dir_nr_blocks(dir))
		return ext4_corrupt(fs, "directory %u has no block %u", dir->ino, lblk);
	rc = map_get(dir, lblk, &m);
	if (rc < 0)
		return rc;
	if (m.blk == 0 || m.unwritten)
		return ext4_corrupt(fs, "directory %u has a hole", dir->ino);
	rc = bcache_read(fs, m.blk, &b);
	if (rc < 0)
		return rc;
	if (fs->metadata_csum && b->verified == 0) {
		rc = dx_indexed(dir) ? dx_block_verify(dir, lblk, b->data) : 0;
		if (rc == 0)
			rc = leaf_verify(dir, lblk, b->data);
		if (rc < 0) {
			bcache_put(fs, b);
			return rc;
		}
	}
	b->verified = 1;
	*out = b;
	return 0;
}

int dir_block_append(struct inode *dir, u32 *lblk, struct bbuf **out)
{
	struct ext4 *fs = dir->fs;
	u32 nr = dir_nr_blocks(dir), got;
	u64 blk;
	int rc;

	*out = NULL;
	if (nr >= (1u << (31 - fs->bs_shift)))
		return -ENOSPC;
	rc = balloc(fs, map_goal(dir, nr), 1, &blk, &got);
	if (rc < 0)
		return rc;
	rc = bcache_new(fs, blk, out);
	if (rc == 0)
		rc = map_insert(dir, nr, blk, 1);
	if (rc < 0) {
		bcache_put(fs, *out);
		*out = NULL;
		bfree(fs, blk, 1);
		return rc;
	}
	inode_set_size(dir, (u64)(nr + 1) << fs->bs_shift);
	inode_dirty(dir);
	*lblk = nr;
	return 0;
}

struct ext4_dirent *dir_entry(struct ext4 *fs, u8 *block, u32 off)
{
	struct ext4_dirent *de = (void *)(block + off);
	u32 len;

	if (off > fs->bs - 8 || off % 4 != 0)
		return NULL;
	len = le16_get(de->rec_len);
	if (len < EXT4_DIRENT_LEN(de->name_len) || len % 4 != 0 || len > fs->bs - off ||
	    le32_get(de->inode) > fs->nr_inodes)
		return NULL;
	return de;
}

int dir_find_in_block(struct inode *dir, struct bbuf *b, u32 lblk, const char *name, u32 len, struct dir_slot *s)
{
	struct ext4 *fs = dir->fs;
	u32 prev = 0;

	for (u32 off = 0; off < fs->bs; ) {
		struct ext4_dirent *de = dir_entry(fs, b->data, off);

		if (de == NULL)
			return ext4_corrupt(fs, "directory %u: block %u is damaged at %u", dir->ino, lblk, off);
		if (le32_get(de->inode) != 0 && de->name_len == len && memcmp(de->name, name, len) == 0) {
			*s = (struct dir_slot){ .buf = b, .lblk = lblk, .off = off, .prev = prev, .de = de };
			return 0;
		}
		prev = off;
		off += le16_get(de->rec_len);
	}
	return -ENOENT;
}

static bool is_dot(const char *name, u32 len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

int dir_find(struct inode *dir, const char *name, u32 len, struct dir_slot *s)
{
	u32 nr = dir_nr_blocks(dir);
	int rc;

	*s = (struct dir_slot){ 0 };
	if (dx_indexed(dir) && !is_dot(name, len))
		return dx_find(dir, name, len, s);
	if (is_dot(name, len))
		nr = MIN(nr, 1u);
	for (u32 i = 0; i < nr; i++) {
		struct bbuf *b;

		rc = dir_block_read(dir, i, &b);
		if (rc < 0)
			return rc;
		rc = dir_find_in_block(dir, b, i, name, len, s);
		if (rc == 0)
			return 0;
		bcache_put(dir->fs, b);
		if (rc != -ENOENT)
			return rc;
	}
	return -ENOENT;
}

static void entry_fill(struct ext4 *fs, struct ext4_dirent *de, const char *name, u32 len, u32 ino, u32 mode)
{
	de->inode = le32_of(ino);
	de->name_len = (u8)len;
	de->type = fs->filetype ? dirent_type(mode) : 0;
	memcpy(de->name, name, len);
	memset(de->name + len, 0, EXT4_DIRENT_LEN(len) - 8 - len);
}

int dir_add_in_block(struct inode *dir, struct bbuf *b, const char *name, u32 len, u32 ino, u32 mode)
{
	struct ext4 *fs = dir->fs;
	u32 need = EXT4_DIRENT_LEN(len), end = dir_leaf_end(fs);

	for (u32 off = 0; off < end; ) {
		struct ext4_dirent *de = dir_entry(fs, b->data, off);
		u32 used, rec;

		if (de == NULL || le16_get(de->rec_len) > end - off)
			return ext4_corrupt(fs, "directory %u: a block is damaged at %u", dir->ino, off);
		rec = le16_get(de->rec_len);
		used = le32_get(de->inode) != 0 ? EXT4_DIRENT_LEN(de->name_len) : 0;
		if (rec - used >= need) {
			if (used > 0) {
				de->rec_len = le16_of((u16)used);
				de = (void *)(b->data + off + used);
				de->rec_len = le16_of((u16)(rec - used));
			}
			entry_fill(fs, de, name, len, ino, mode);
			dir_leaf_dirty(dir, b);
			return 0;
		}
		off += rec;
	}
	return -ENOSPC;
}

static int linear_add(struct inode *dir, const char *name, u32 len, u32 ino, u32 mode)
{
	u32 nr = dir_nr_blocks(dir), lblk;
	struct bbuf *b;
	int rc;

	for (u32 i = 0; i < nr; i++) {
		rc = dir_block_read(dir, i, &b);
		if (rc < 0)
			return rc;
		rc = dir_add_in_block(dir, b, name, len, ino, mode);
		bcache_put(dir->fs, b);
		if (rc != -ENOSPC)
			return rc;
	}
	if (nr == 1 && dir->fs->dir_index) {
		rc = dx_make(dir);
		return rc < 0 ? rc : dx_add(dir, name, len, ino, mode);
	}
	rc = dir_block_append(dir, &lblk, &b);
	if (rc < 0)
		return rc;
	dir_leaf_init(dir, b->data);
	rc = dir_add_in_block(dir, b, name, len, ino, mode);
	bcache_put(dir->fs, b);
	return rc;
}

/* The name is not there yet. */
int dir_add(struct inode *dir, const char *name, u32 len, u32 ino, u32 mode)
{
	int rc = dx_indexed(dir) ? dx_add(dir, name, len, ino, mode) : linear_add(dir, name, len, ino, mode);

	if (rc == 0) {
		inode_stamp(dir, STAMP_MTIME | STAMP_CTIME, dir->fs->now);
		inode_dirty(dir);
	}
	return rc;
}

void dir_remove(struct inode *dir, struct dir_slot *s)
{
	if (s->prev != s->off) {
		struct ext4_dirent *prev = (void *)(s->buf->data + s->prev);

		prev->rec_len = le16_of((u16)(le16_get(prev->rec_len) + le16_get(s->de->rec_len)));
	}
	s->de->inode = le32_of(0);
	dir_leaf_dirty(dir, s->buf);
	bcache_put(dir->fs, s->buf);
	s->buf = NULL;
	inode_stamp(dir, STAMP_MTIME | STAMP_CTIME, dir->fs->now);
	inode_dirty(dir);
}

/* The same name, another file. (".." of an indexed directory lies in the root block, which has a checksum of its own.) */
void dir_replace(struct inode *dir, struct dir_slot *s, u32 ino, u32 mode)
{
	s->de->inode = le32_of(ino);
	if (dir->fs->filetype)
		s->de->type = dirent_type(mode);
	if (dx_indexed(dir) && s->lblk == 0)
		dx_root_dirty(dir, s->buf);
	else
		dir_leaf_dirty(dir, s->buf);
	inode_stamp(dir, STAMP_MTIME | STAMP_CTIME, dir->fs->now);
	inode_dirty(dir);
}

int dir_make_empty(struct inode *dir, u32 parent)
{
	struct ext4 *fs = dir->fs;
	struct ext4_dirent *de;
	struct bbuf *b;
	u32 lblk;
	int rc = dir_block_append(dir, &lblk, &b);

	if (rc < 0)
		return rc;
	dir_leaf_init(dir, b->data);
	de = (void *)b->data;
	de->rec_len = le16_of(12);
	entry_fill(fs, de, ".", 1, dir->ino, EXT4_S_IFDIR);
	de = (void *)(b->data + 12);
	de->rec_len = le16_of((u16)(dir_leaf_end(fs) - 12));
	entry_fill(fs, de, "..", 2, parent, EXT4_S_IFDIR);
	dir_leaf_dirty(dir, b);
	bcache_put(fs, b);
	return 0;
}

int dir_is_empty(struct inode *dir)
{
	struct ext4 *fs = dir->fs;
	u32 nr = dir_nr_blocks(dir);

	for (u32 i = 0; i < nr; i++) {
		struct bbuf *b;
		int rc = dir_block_read(dir, i, &b);

		if (rc < 0)
			return rc;
		rc = 1;
		for (u32 off = 0; rc == 1 && off < fs->bs; ) {
			struct ext4_dirent *de = dir_entry(fs, b->data, off);

			if (de == NULL)
				rc = ext4_corrupt(fs, "directory %u: block %u is damaged at %u", dir->ino, i, off);
			else if (le32_get(de->inode) != 0 && !(de->name_len <= 2 && is_dot(de->name, de->name_len)))
				rc = 0;
			else
				off += le16_get(de->rec_len);
		}
		bcache_put(fs, b);
		if (rc != 1)
			return rc;
	}
	return 1;
}
