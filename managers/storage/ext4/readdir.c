/* SPDX-License-Identifier: MIT */
/*
 * Listing a directory. Where names are hashed, entries come in order of their hashes and a cookie is a hash: it stays
 * true when entries move as blocks are split, and when the directory becomes indexed. Only a directory of several
 * blocks without an index is listed by place; there entries never move.
 */
#include "managers/storage/ext4/impl.h"

#define COOKIE_DOTDOT	1	/* 0 is the start, where "." is */
#define COOKIE_FIRST	2

struct sorted {
	u64 key;
	const struct ext4_dirent *de;
};

#define MAX_CHAIN 32		/* leaves that go on with one hash */
struct batch {
	struct bbuf *buf[MAX_CHAIN];
	u32 nr_bufs, nr, room;
	struct sorted *list;
};

static const u8 dtype_of[8] = { 0, 8, 4, 2, 6, 1, 12, 10 };	/* the entry's type to DT_* */

static void dent_of(const struct ext4_dirent *de, u64 cookie, struct ext4_dent *d)
{
	*d = (struct ext4_dent){
		.cookie = cookie, .ino = le32_get(de->inode), .type = dtype_of[de->type & 7],
		.len = de->name_len, .name = de->name,
	};
}

static bool showable(const struct ext4_dirent *de)
{
	return le32_get(de->inode) != 0 && de->name_len > 0 && memchr(de->name, '/', de->name_len) == NULL &&
	       memchr(de->name, 0, de->name_len) == NULL;
}

static bool is_dots(const struct ext4_dirent *de)
{
	return de->name[0] == '.' && (de->name_len == 1 || (de->name_len == 2 && de->name[1] == '.'));
}

static int batch_room(struct batch *bt)
{
	u32 room = bt->room == 0 ? 128 : 2 * bt->room;
	struct sorted *list;

	if (bt->nr < bt->room)
		return 0;
	list = kmalloc(room * sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	if (bt->nr > 0)
		memcpy(list, bt->list, bt->nr * sizeof(*list));
	kfree(bt->list);
	bt->list = list;
	bt->room = room;
	return 0;
}

/* Take those entries of a block whose key is at least `from`; the block stays referenced. */
static int batch_add(struct inode *dir, struct batch *bt, u32 lblk, u32 version, u64 from)
{
	struct ext4 *fs = dir->fs;
	struct bbuf *b;
	int rc;

	if (bt->nr_bufs == MAX_CHAIN)
		return ext4_corrupt(fs, "directory %u: too many blocks go on with one hash", dir->ino);
	rc = dir_block_read(dir, lblk, &b);
	if (rc < 0)
		return rc;
	bt->buf[bt->nr_bufs++] = b;
	for (u32 off = 0; off < fs->bs; ) {
		struct ext4_dirent *de = dir_entry(fs, b->data, off);
		struct dx_hash h;
		u64 key;

		if (de == NULL)
			return ext4_corrupt(fs, "directory %u: block %u is damaged at %u", dir->ino, lblk, off);
		off += le16_get(de->rec_len);
		if (!showable(de) || is_dots(de))
			continue;
		rc = dx_hash_name(fs, version, de->name, de->name_len, &h);
		if (rc == 0)
			rc = batch_room(bt);
		if (rc < 0)
			return rc;
		key = ((u64)(h.major >> 1) << 32 | h.minor) + COOKIE_FIRST;
		if (key >= from)
			bt->list[bt->nr++] = (struct sorted){ key, de };
	}
	return 0;
}

static void batch_sift(struct sorted *list, u32 root, u32 n)
{
	for (u32 child; (child = 2 * root + 1) < n; root = child) {
		struct sorted t = list[root];

		if (child + 1 < n && list[child + 1].key > list[child].key)
			child++;
		if (list[child].key <= t.key)
			return;
		list[root] = list[child];
		list[child] = t;
	}
}

static void batch_sort(struct batch *bt)
{
	for (u32 i = bt->nr / 2; i-- > 0; )
		batch_sift(bt->list, i, bt->nr);
	for (u32 n = bt->nr; n-- > 1; ) {
		struct sorted t = bt->list[0];

		bt->list[0] = bt->list[n];
		bt->list[n] = t;
		batch_sift(bt->list, 0, n);
	}
}

/* 1: all taken; 0: the taker has enough. */
static int batch_emit(struct batch *bt, bool (*emit)(void *arg, const struct ext4_dent *d), void *arg)
{
	batch_sort(bt);
	for (u32 i = 0; i < bt->nr; i++) {
		u64 key = bt->list[i].key;
		bool shared = i + 1 < bt->nr && bt->list[i + 1].key == key;
		struct ext4_dent d;

		/* names with one hash: rather one of them twice than one left out */
		dent_of(bt->list[i].de, shared ? key : key + 1, &d);
		if (!emit(arg, &d))
			return 0;
	}
	return 1;
}

static void batch_clear(struct ext4 *fs, struct batch *bt)
{
	while (bt->nr_bufs > 0)
		bcache_put(fs, bt->buf[--bt->nr_bufs]);
	bt->nr = 0;
}

static int list_dots(struct inode *dir, u64 *cookie, bool (*emit)(void *arg, const struct ext4_dent *d), void *arg)
{
	static const char *const name[2] = { ".", ".." };

	while (*cookie < COOKIE_FIRST) {
		u32 len = (u32)*cookie + 1;
		struct ext4_dent d;
		struct dir_slot s;
		int rc = dir_find(dir, name[*cookie], len, &s);

		if (rc < 0)
			return rc == -ENOENT ? ext4_corrupt(dir->fs, "directory %u has no %s", dir->ino, name[*cookie]) : rc;
		++*cookie;
		dent_of(s.de, *cookie, &d);
		d.type = 4;
		rc = emit(arg, &d);
		bcache_put(dir->fs, s.buf);
		if (rc == 0)
			return 0;
	}
	return 1;
}

static int list_hashed(struct inode *dir, u64 cookie, bool (*emit)(void *arg, const struct ext4_dent *d), void *arg)
{
	struct batch bt = { 0 };
	struct dx_path p = { 0 };
	struct dx_hash h;
	u32 hash = 0, left = dir_nr_blocks(dir);
	int rc = list_dots(dir, &cookie, emit, arg), more = 1;

	if (rc <= 0)
		return rc;
	if (!dx_indexed(dir)) {
		rc = batch_add(dir, &bt, 0, dir->fs->sb.def_hash_version, cookie);
		if (rc == 0)
			batch_emit(&bt, emit, arg);
		goto out;
	}
	rc = dx_probe(dir, NULL, 0, (u32)((cookie - COOKIE_FIRST) >> 31) & ~1u, &h, &p);
	while (rc == 0 && more == 1) {
		do {	/* leaves that share a hash are sorted together */
			rc = left-- == 0 ? ext4_corrupt(dir->fs, "directory %u: its index runs in a circle", dir->ino) :
			     batch_add(dir, &bt, dx_leaf(&p), p.version, cookie);
			if (rc == 0) {
				more = dx_next(dir, &p, &hash);
				rc = MIN(more, 0);
			}
		} while (rc == 0 && more == 1 && (hash & 1));
		if (rc == 0 && batch_emit(&bt, emit, arg) == 0)
			break;
		batch_clear(dir->fs, &bt);
	}
	dx_put(dir, &p);
out:
	batch_clear(dir->fs, &bt);
	kfree(bt.list);
	return rc;
}

/* A cookie is the offset of the next entry. */
static int list_by_place(struct inode *dir, u64 cookie, bool (*emit)(void *arg, const struct ext4_dent *d), void *arg)
{
	struct ext4 *fs = dir->fs;

	for (u64 lblk = cookie >> fs->bs_shift; lblk < dir_nr_blocks(dir); lblk++) {
		u64 base = lblk << fs->bs_shift;
		struct bbuf *b;
		int rc = dir_block_read(dir, (u32)lblk, &b);

		if (rc < 0)
			return rc;
		for (u32 off = 0; off < fs->bs; ) {
			struct ext4_dirent *de = dir_entry(fs, b->data, off);
			struct ext4_dent d;

			if (de == NULL) {
				bcache_put(fs, b);
				return ext4_corrupt(fs, "directory %u: block %u is damaged at %u", dir->ino, (u32)lblk, off);
			}
			dent_of(de, base + off + le16_get(de->rec_len), &d);
			if (base + off >= cookie && showable(de) && !emit(arg, &d)) {
				bcache_put(fs, b);
				return 0;
			}
			off += le16_get(de->rec_len);
		}
		bcache_put(fs, b);
	}
	return 0;
}

int ext4_readdir(struct ext4 *fs, struct ext4_id id, u64 cookie, bool (*emit)(void *arg, const struct ext4_dent *d),
		 void *arg)
{
	struct inode dir;
	int rc = inode_get(fs, id, &dir);

	if (rc < 0)
		return rc;
	if (inode_type(&dir) != EXT4_S_IFDIR)
		rc = -ENOTDIR;
	else if (inode_links(&dir) == 0)
		rc = 0;			/* removed while open: empty */
	else if (cookie >> 63)
		rc = -EINVAL;
	else if (dx_indexed(&dir) || (fs->dir_index && dir_nr_blocks(&dir) == 1))
		rc = list_hashed(&dir, cookie, emit, arg);
	else
		rc = list_by_place(&dir, cookie, emit, arg);
	inode_put(&dir);
	return rc;
}
