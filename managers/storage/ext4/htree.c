/* SPDX-License-Identifier: MIT */
/*
 * Indexed directories. Block 0 is the root: "." and "..", how names are hashed, then pairs (hash, block) in order of
 * hash; each pair's block holds the hashes from its own up to the next pair's. With two levels these are index blocks
 * of the same kind, else leaves, which are ordinary directory blocks. A pair whose hash has bit 0 set goes on with the
 * hash that the leaf before it ended with.
 */
#include "lib/crc32c.h"
#include "managers/storage/ext4/impl.h"

bool dx_indexed(const struct inode *dir)
{
	return dir->fs->dir_index && (inode_flags(dir) & EXT4_INDEX_FL);
}

static u32 dx_limit(const struct ext4_dx_entry *e) { return le32_get(e[0].hash) & 0xffff; }
static u32 dx_count(const struct ext4_dx_entry *e) { return le32_get(e[0].hash) >> 16; }
static u32 dx_block(const struct ext4_dx_entry *e) { return le32_get(e->block) & 0x0fffffff; }

static void dx_set_count(struct ext4_dx_entry *e, u32 limit, u32 count)
{
	e[0].hash = le32_of(limit | count << 16);
}

static struct ext4_dx_root_info *dx_info(u8 *root)
{
	return (void *)(root + EXT4_DX_ROOT_INFO);
}

/* How many pairs fit behind offset `from`. */
static u32 dx_capacity(struct ext4 *fs, u32 from)
{
	return (fs->bs - from - (fs->metadata_csum ? sizeof(struct ext4_dx_tail) : 0)) / sizeof(struct ext4_dx_entry);
}

static bool entries_valid(struct ext4 *fs, const struct ext4_dx_entry *e, u32 from)
{
	return dx_limit(e) == dx_capacity(fs, from) && dx_count(e) >= 1 && dx_count(e) <= dx_limit(e);
}

static u32 dx_csum(struct inode *dir, const u8 *block, u32 from)
{
	const struct ext4_dx_entry *e = (const void *)(block + from);
	u32 zero = 0, c;

	c = crc32c(dir->csum_seed, block, from + dx_count(e) * sizeof(*e));
	c = crc32c(c, &e[dx_limit(e)], 4);	/* the reserved half of the tail */
	return crc32c(c, &zero, 4);
}

static void dx_dirty(struct inode *dir, struct bbuf *b, u32 from)
{
	struct ext4_dx_entry *e = (void *)(b->data + from);

	if (dir->fs->metadata_csum)
		((struct ext4_dx_tail *)&e[dx_limit(e)])->checksum = le32_of(dx_csum(dir, b->data, from));
	bcache_dirty(dir->fs, b);
}

void dx_root_dirty(struct inode *dir, struct bbuf *b)
{
	dx_dirty(dir, b, EXT4_DX_ROOT_ENTRIES);
}

/* Where the pairs of this block begin; 0: it is no index block. */
static u32 dx_entries_at(struct inode *dir, u32 lblk, const u8 *block)
{
	const struct ext4_dirent *de = (const void *)block;

	if (lblk == 0)
		return EXT4_DX_ROOT_ENTRIES;
	return le32_get(de->inode) == 0 && le16_get(de->rec_len) == dir->fs->bs ? EXT4_DX_NODE_ENTRIES : 0;
}

int dx_block_verify(struct inode *dir, u32 lblk, const u8 *block)
{
	u32 from = dx_entries_at(dir, lblk, block);
	const struct ext4_dx_entry *e = (const void *)(block + from);

	if (from == 0)
		return 0;
	if (!entries_valid(dir->fs, e, from))
		return ext4_corrupt(dir->fs, "directory %u: index block %u is damaged", dir->ino, lblk);
	if (le32_get(((const struct ext4_dx_tail *)&e[dx_limit(e)])->checksum) != dx_csum(dir, block, from))
		return ext4_corrupt(dir->fs, "directory %u: index block %u has a wrong checksum", dir->ino, lblk);
	return 1;
}

void dx_put(struct inode *dir, struct dx_path *p)
{
	for (int i = 0; i < DX_LEVELS; i++) {
		bcache_put(dir->fs, p->frame[i].buf);
		p->frame[i].buf = NULL;
	}
}

u32 dx_leaf(const struct dx_path *p)
{
	const struct dx_frame *f = &p->frame[p->levels - 1];

	return dx_block(&f->entries[f->at]);
}

/* The last pair whose hash is not greater; the first one counts from 0. */
static u32 dx_search(const struct ext4_dx_entry *e, u32 major)
{
	u32 lo = 1, hi = dx_count(e);

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (le32_get(e[mid].hash) <= major)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - 1;
}

static int frame_enter(struct inode *dir, u32 lblk, struct dx_frame *f)
{
	u32 from = lblk == 0 ? EXT4_DX_ROOT_ENTRIES : EXT4_DX_NODE_ENTRIES;
	int rc = dir_block_read(dir, lblk, &f->buf);

	if (rc < 0)
		return rc;
	f->lblk = lblk;
	f->entries = (void *)(f->buf->data + from);
	f->at = 0;
	if (dx_entries_at(dir, lblk, f->buf->data) == from && entries_valid(dir->fs, f->entries, from))
		return 0;
	return ext4_corrupt(dir->fs, "directory %u: index block %u is damaged", dir->ino, lblk);
}

/*
 * Walk to the leaf for the name (or, without one, for the hash `major`). *h is the name's hash.
 * On 0 the path holds references: dx_put().
 */
int dx_probe(struct inode *dir, const char *name, u32 len, u32 major, struct dx_hash *h, struct dx_path *p)
{
	struct ext4_dx_root_info *info;
	int rc;

	memset(p, 0, sizeof(*p));
	rc = frame_enter(dir, 0, &p->frame[0]);
	if (rc < 0)
		goto put;
	info = dx_info(p->frame[0].buf->data);
	p->version = info->hash_version;
	p->levels = info->levels + 1u;
	*h = (struct dx_hash){ .major = major };
	rc = p->levels > DX_LEVELS || info->info_length != sizeof(*info) ? -EUCLEAN : 0;
	if (rc == 0 && name != NULL)
		rc = dx_hash_name(dir->fs, p->version, name, len, h);
	if (rc < 0) {
		ext4_corrupt(dir->fs, "directory %u: its index is of an unknown kind", dir->ino);
		goto put;
	}
	p->frame[0].at = dx_search(p->frame[0].entries, h->major);
	if (p->levels > 1) {
		rc = frame_enter(dir, dx_block(&p->frame[0].entries[p->frame[0].at]), &p->frame[1]);
		if (rc == 0)
			p->frame[1].at = dx_search(p->frame[1].entries, h->major);
	}
put:
	if (rc < 0)
		dx_put(dir, p);
	return rc;
}

int dx_next(struct inode *dir, struct dx_path *p, u32 *hash)
{
	struct dx_frame *f = &p->frame[p->levels - 1], *root = &p->frame[0];
	int rc;

	if (f->at + 1 < dx_count(f->entries)) {
		f->at++;
		*hash = le32_get(f->entries[f->at].hash);
		return 1;
	}
	if (p->levels == 1 || root->at + 1 >= dx_count(root->entries))
		return 0;
	root->at++;
	*hash = le32_get(root->entries[root->at].hash);
	bcache_put(dir->fs, f->buf);
	f->buf = NULL;
	rc = frame_enter(dir, dx_block(&root->entries[root->at]), f);
	return rc < 0 ? rc : 1;
}

int dx_find(struct inode *dir, const char *name, u32 len, struct dir_slot *s)
{
	struct dx_path p;
	struct dx_hash h;
	u32 hash;
	int rc = dx_probe(dir, name, len, 0, &h, &p);

	if (rc < 0)
		return rc;
	for (u32 steps = 0; steps <= dir_nr_blocks(dir); steps++) {
		u32 lblk = dx_leaf(&p);
		struct bbuf *b;

		rc = dir_block_read(dir, lblk, &b);
		if (rc < 0)
			break;
		rc = dir_find_in_block(dir, b, lblk, name, len, s);
		if (rc == 0)
			break;
		bcache_put(dir->fs, b);
		if (rc != -ENOENT)
			break;
		rc = dx_next(dir, &p, &hash);
		if (rc == 1)	/* does the next leaf go on with our hash? */
			rc = (hash & 1) && (hash & ~1u) == h.major ? 1 : -ENOENT;
		else if (rc == 0)
			rc = -ENOENT;
		if (rc < 0)
			break;
	}
	dx_put(dir, &p);
	return rc;
}

/* --- growing -------------------------------------------------------------------------------------------- */

struct leaf_entry {
	u32 major;
	u16 off, size;
};

/* The entries of a leaf in order of their hashes. Their number, or negative. */
static int leaf_sort(struct inode *dir, struct bbuf *b, u32 version, struct leaf_entry *list, u32 room)
{
	struct ext4 *fs = dir->fs;
	u32 n = 0, end = dir_leaf_end(fs);

	for (u32 off = 0; off < end; ) {
		struct ext4_dirent *de = dir_entry(fs, b->data, off);
		struct dx_hash h;
		u32 i;
		int rc;

		if (de == NULL || le16_get(de->rec_len) > end - off)
			return ext4_corrupt(fs, "directory %u: a block is damaged at %u", dir->ino, off);
		if (le32_get(de->inode) != 0 && de->name_len > 0 && n < room) {
			rc = dx_hash_name(fs, version, de->name, de->name_len, &h);
			if (rc < 0)
				return rc;
			for (i = n++; i > 0 && list[i - 1].major > h.major; i--)
				list[i] = list[i - 1];
			list[i] = (struct leaf_entry){ h.major, (u16)off, (u16)EXT4_DIRENT_LEN(de->name_len) };
		}
		off += le16_get(de->rec_len);
	}
	return (int)n;
}

/* Pack entries list[0..n) of block `from` into block `to`; the last one takes the rest. */
static void leaf_pack(struct inode *dir, const u8 *from, u8 *to, const struct leaf_entry *list, u32 n)
{
	struct ext4_dirent *de = NULL;
	u32 at = 0;

	dir_leaf_init(dir, to);
	for (u32 i = 0; i < n; i++) {
		de = (void *)(to + at);
		memcpy(de, from + list[i].off, list[i].size);
		de->rec_len = le16_of(list[i].size);
		at += list[i].size;
	}
	if (de != NULL)
		de->rec_len = le16_of((u16)(dir_leaf_end(dir->fs) - (at - list[n - 1].size)));
}

static void dx_insert_pair(struct inode *dir, struct dx_frame *f, u32 hash, u32 lblk)
{
	struct ext4_dx_entry *e = f->entries;
	u32 n = dx_count(e);

	memmove(&e[f->at + 2], &e[f->at + 1], (n - f->at - 1) * sizeof(*e));
	e[f->at + 1] = (struct ext4_dx_entry){ le32_of(hash), le32_of(lblk) };
	dx_set_count(e, dx_limit(e), n + 1);
	dx_dirty(dir, f->buf, (u32)((u8 *)e - f->buf->data));
}

/* The leaf at the path's end is full and its index has room for one more: move the upper half of its hashes out. */
static int leaf_split(struct inode *dir, struct dx_path *p, struct bbuf *leaf)
{
	struct ext4 *fs = dir->fs;
	u32 room = fs->bs / 12, bytes = 0, cut, lblk, hash;
	struct leaf_entry *list = kmalloc(room * sizeof(*list));
	u8 *copy = kmalloc(fs->bs);
	struct bbuf *fresh;
	int rc = -ENOMEM, n;

	if (list == NULL || copy == NULL)
		goto out;
	n = leaf_sort(dir, leaf, p->version, list, room);
	rc = n < 0 ? n : n < 2 ? ext4_corrupt(fs, "directory %u: a block is full of nothing", dir->ino) : 0;
	if (rc < 0)
		goto out;
	rc = dir_block_append(dir, &lblk, &fresh);
	if (rc < 0)
		goto out;
	for (cut = 0; cut < (u32)n - 1 && bytes + list[cut].size <= fs->bs / 2; cut++)
		bytes += list[cut].size;
	cut = MAX(cut, 1u);
	hash = list[cut].major | (list[cut].major == list[cut - 1].major);
	memcpy(copy, leaf->data, fs->bs);
	leaf_pack(dir, copy, leaf->data, list, cut);
	leaf_pack(dir, copy, fresh->data, list + cut, (u32)n - cut);
	dir_leaf_dirty(dir, leaf);
	dir_leaf_dirty(dir, fresh);
	dx_insert_pair(dir, &p->frame[p->levels - 1], hash, lblk);
	bcache_put(fs, fresh);
out:
	kfree(copy);
	kfree(list);
	return rc;
}

static void node_init(struct ext4 *fs, u8 *block)
{
	struct ext4_dirent *de = (void *)block;

	memset(block, 0, fs->bs);
	de->rec_len = le16_of((u16)fs->bs);
}

/* The index block above the leaf is full: split it, or put a level in between if it is the root. */
static int index_split(struct inode *dir, struct dx_path *p)
{
	struct ext4 *fs = dir->fs;
	struct dx_frame *root = &p->frame[0], *f = &p->frame[p->levels - 1];
	struct ext4_dx_entry *e = f->entries, *new;
	u32 n = dx_count(e), cut = p->levels == 1 ? 0 : n / 2, lblk, hash;
	struct bbuf *fresh;
	int rc;

	if (p->levels == DX_LEVELS && dx_count(root->entries) == dx_limit(root->entries))
		return -ENOSPC;		/* the format's own bound */
	rc = dir_block_append(dir, &lblk, &fresh);
	if (rc < 0)
		return rc;
	node_init(fs, fresh->data);
	new = (void *)(fresh->data + EXT4_DX_NODE_ENTRIES);
	hash = le32_get(e[cut].hash);
	memcpy(new, &e[cut], (n - cut) * sizeof(*e));
	dx_set_count(new, dx_capacity(fs, EXT4_DX_NODE_ENTRIES), n - cut);
	dx_dirty(dir, fresh, EXT4_DX_NODE_ENTRIES);
	if (cut == 0) {
		dx_set_count(e, dx_limit(e), 1);
		e[0].block = le32_of(lblk);
		dx_info(root->buf->data)->levels = 1;
		dx_root_dirty(dir, root->buf);
	} else {
		dx_set_count(e, dx_limit(e), cut);
		dx_dirty(dir, f->buf, EXT4_DX_NODE_ENTRIES);
		dx_insert_pair(dir, root, hash, lblk);
	}
	bcache_put(fs, fresh);
	return 0;
}

/* One attempt; -EAGAIN: something was split, try again. */
static int add_once(struct inode *dir, const char *name, u32 len, u32 ino, u32 mode)
{
	struct dx_frame *f;
	struct dx_path p;
	struct dx_hash h;
	struct bbuf *leaf;
	int rc = dx_probe(dir, name, len, 0, &h, &p);

	if (rc < 0)
		return rc;
	rc = dir_block_read(dir, dx_leaf(&p), &leaf);
	if (rc < 0)
		goto put;
	if (dx_entries_at(dir, dx_leaf(&p), leaf->data) != 0)
		rc = ext4_corrupt(dir->fs, "directory %u: its index names an index block as a leaf", dir->ino);
	else
		rc = dir_add_in_block(dir, leaf, name, len, ino, mode);
	if (rc == -ENOSPC) {
		f = &p.frame[p.levels - 1];
		rc = dx_count(f->entries) == dx_limit(f->entries) ? index_split(dir, &p) : leaf_split(dir, &p, leaf);
		if (rc == 0)
			rc = -EAGAIN;
	}
	bcache_put(dir->fs, leaf);
put:
	dx_put(dir, &p);
	return rc;
}

int dx_add(struct inode *dir, const char *name, u32 len, u32 ino, u32 mode)
{
	int rc = -EAGAIN;

	/* a leaf of long names may be cut several times before the right half has room */
	for (int i = 0; i < 16 && rc == -EAGAIN; i++)
		rc = add_once(dir, name, len, ino, mode);
	return rc == -EAGAIN ? -ENOSPC : rc;
}

int dx_make(struct inode *dir)
{
	struct ext4 *fs = dir->fs;
	struct bbuf *root = NULL, *leaf = NULL;
	struct ext4_dx_root_info *info;
	struct ext4_dirent *dot, *dotdot;
	struct ext4_dx_entry *e;
	u32 lblk, at, from, end = dir_leaf_end(fs);
	int rc = dir_block_read(dir, 0, &root);

	if (rc < 0)
		return rc;
	dot = dir_entry(fs, root->data, 0);
	dotdot = dot != NULL && le16_get(dot->rec_len) == 12 ? dir_entry(fs, root->data, 12) : NULL;
	if (dotdot == NULL || dotdot->name_len != 2 || 12u + le16_get(dotdot->rec_len) >= end) {
		rc = ext4_corrupt(fs, "directory %u does not begin with . and ..", dir->ino);
		goto put;
	}
	rc = dir_block_append(dir, &lblk, &leaf);
	if (rc < 0)
		goto put;
	from = 12u + le16_get(dotdot->rec_len);
	dir_leaf_init(dir, leaf->data);
	at = end - from;			/* the other entries keep their order; the last one takes the rest */
	memcpy(leaf->data, root->data + from, at);
	for (u32 off = 0; off < at; ) {
		struct ext4_dirent *de = dir_entry(fs, leaf->data, off);

		if (de == NULL) {
			rc = ext4_corrupt(fs, "directory %u: block 0 is damaged", dir->ino);
			goto put;
		}
		if (off + le16_get(de->rec_len) >= at) {
			de->rec_len = le16_of((u16)(end - off));
			break;
		}
		off += le16_get(de->rec_len);
	}
	dir_leaf_dirty(dir, leaf);

	dotdot->rec_len = le16_of((u16)(fs->bs - 12));
	memset(root->data + EXT4_DX_ROOT_INFO, 0, fs->bs - EXT4_DX_ROOT_INFO);
	info = dx_info(root->data);
	info->hash_version = fs->sb.def_hash_version;
	info->info_length = sizeof(*info);
	e = (void *)(root->data + EXT4_DX_ROOT_ENTRIES);
	dx_set_count(e, dx_capacity(fs, EXT4_DX_ROOT_ENTRIES), 1);
	e[0].block = le32_of(lblk);
	dx_root_dirty(dir, root);
	dir->d->flags = le32_of(inode_flags(dir) | EXT4_INDEX_FL);
	inode_dirty(dir);
put:
	bcache_put(fs, leaf);
	bcache_put(fs, root);
	return rc;
}
