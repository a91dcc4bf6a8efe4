/* SPDX-License-Identifier: MIT */
/*
 * Extent trees: walking down, splitting full nodes, pruning empty ones. The root lies in the inode, every other node
 * in a block with a checksum. The key of an index is the first block under it; ext_fix_keys() keeps that true.
 *
 * Nothing from disk is believed: every node is checked for magic, depth and counts each time it is entered, so that
 * positions stay inside it whatever it holds.
 */
#include "lib/crc32c.h"
#include "managers/storage/ext4/impl.h"

#define ROOT_CAPACITY	((EXT4_NR_BLOCK_PTRS * 4 - 12) / 12)

static struct ext4_extent_header *root_of(struct inode *in)
{
	return (struct ext4_extent_header *)in->d->block;
}

static u32 node_capacity(const struct ext4 *fs)
{
	return (fs->bs - 12) / 12;
}

static u64 idx_leaf(const struct ext4_extent_idx *i)
{
	return (u64)le16_get(i->leaf_hi) << 32 | le32_get(i->leaf_lo);
}

static void idx_set(struct ext4_extent_idx *i, u32 block, u64 leaf)
{
	*i = (struct ext4_extent_idx){
		.block = le32_of(block), .leaf_lo = le32_of((u32)leaf), .leaf_hi = le16_of((u16)(leaf >> 32)),
	};
}

/* The first four bytes of an extent and of an index are the same thing. */
static u32 node_key(struct ext4_extent_header *h, int pos)
{
	return le32_get(ext_indexes(h)[pos].block);
}

void extent_root_init(struct inode *in)
{
	memset(in->d->block, 0, sizeof(in->d->block));
	*root_of(in) = (struct ext4_extent_header){
		.magic = le16_of(EXT4_EXT_MAGIC), .max = le16_of(ROOT_CAPACITY),
	};
	in->d->flags = le32_of(inode_flags(in) | EXT4_EXTENTS_FL);
}

static le32 *node_csum(struct ext4_extent_header *h)
{
	return (le32 *)((u8 *)(h + 1) + 12 * le16_get(h->max));
}

static u32 node_csum_make(struct inode *in, struct ext4_extent_header *h)
{
	return crc32c(in->csum_seed, h, (u32)((u8 *)node_csum(h) - (u8 *)h));
}

void ext_step_dirty(struct inode *in, struct ext_step *s)
{
	if (s->buf == NULL) {
		inode_dirty(in);
		return;
	}
	if (in->fs->metadata_csum)
		*node_csum(s->h) = le32_of(node_csum_make(in, s->h));
	bcache_dirty(in->fs, s->buf);
}

static int node_check(struct inode *in, struct ext4_extent_header *h, u32 capacity, int depth)
{
	u32 n = le16_get(h->entries), max = le16_get(h->max);

	if (le16_get(h->magic) != EXT4_EXT_MAGIC || max < ROOT_CAPACITY || max > capacity || n > max ||
	    le16_get(h->depth) != depth || depth > EXT4_EXT_MAX_DEPTH || (n == 0 && depth > 0))
		return ext4_corrupt(in->fs, "inode %u has a damaged extent tree", in->ino);
	return 0;
}

static int node_enter(struct inode *in, u64 blk, int depth, struct ext_step *s)
{
	struct bbuf *b;
	int rc;

	if (!block_valid(in->fs, blk, 1))
		return ext4_corrupt(in->fs, "inode %u has a part of its extent tree outside", in->ino);
	rc = bcache_read(in->fs, blk, &b);
	if (rc < 0)
		return rc;
	s->h = (void *)b->data;
	rc = node_check(in, s->h, node_capacity(in->fs), depth);
	if (rc == 0 && in->fs->metadata_csum && b->verified == 0 &&
	    le32_get(*node_csum(s->h)) != node_csum_make(in, s->h))
		rc = ext4_corrupt(in->fs, "inode %u: extent block %llu has a wrong checksum", in->ino,
				  (unsigned long long)blk);
	if (rc < 0) {
		bcache_put(in->fs, b);
		return rc;
	}
	b->verified = 1;
	s->buf = b;
	return 0;
}

/* The last entry with key <= lblk; -1 if none. */
static int node_search(struct ext4_extent_header *h, u32 lblk)
{
	int lo = 0, hi = le16_get(h->entries);

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (node_key(h, mid) <= lblk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - 1;
}

void ext_path_put(struct inode *in, struct ext_path *p)
{
	for (int i = 0; i <= EXT4_EXT_MAX_DEPTH; i++) {
		bcache_put(in->fs, p->step[i].buf);
		p->step[i].buf = NULL;
	}
}

int ext_path_find(struct inode *in, u32 lblk, struct ext_path *p)
{
	struct ext_step *s;
	int rc;

	memset(p, 0, sizeof(*p));
	s = &p->step[0];
	s->h = root_of(in);
	p->depth = le16_get(s->h->depth);
	rc = node_check(in, s->h, ROOT_CAPACITY, p->depth);
	if (rc < 0)
		return rc;
	for (int i = 0; i < p->depth; i++, s++) {
		s->pos = MAX(node_search(s->h, lblk), 0);
		rc = node_enter(in, idx_leaf(&ext_indexes(s->h)[s->pos]), p->depth - i - 1, s + 1);
		if (rc < 0) {
			ext_path_put(in, p);
			return rc;
		}
	}
	s->pos = node_search(s->h, lblk);
	return 0;
}

/* The first key of the node at `level` has changed: tell those above it. */
void ext_fix_keys(struct inode *in, struct ext_path *p, int level)
{
	for (; level > 0; level--) {
		struct ext_step *up = &p->step[level - 1];

		if (le16_get(p->step[level].h->entries) == 0)
			return;
		ext_indexes(up->h)[up->pos].block = le32_of(node_key(p->step[level].h, 0));
		ext_step_dirty(in, up);
		if (up->pos != 0)
			return;
	}
}

/* A block for a new node, counted as the inode's. */
static int node_new(struct inode *in, u64 goal, int depth, struct ext_step *s)
{
	u64 blk;
	u32 got;
	int rc = balloc(in->fs, goal, 1, &blk, &got);

	if (rc < 0)
		return rc;
	rc = bcache_new(in->fs, blk, &s->buf);
	if (rc == 0)
		rc = inode_add_blocks(in, 1);
	if (rc < 0) {
		bcache_put(in->fs, s->buf);
		s->buf = NULL;
		bfree(in->fs, blk, 1);
		return rc;
	}
	s->h = (void *)s->buf->data;
	*s->h = (struct ext4_extent_header){
		.magic = le16_of(EXT4_EXT_MAGIC), .max = le16_of((u16)node_capacity(in->fs)), .depth = le16_of((u16)depth),
	};
	return 0;
}

/* Everything in the root moves to a new node, the only one under it. */
static int root_grow(struct inode *in, struct ext_path *p)
{
	struct ext4_extent_header *root = p->step[0].h;
	struct ext_step child = { 0 };
	u32 n = le16_get(root->entries), key;
	int rc;

	if (p->depth >= EXT4_EXT_MAX_DEPTH)
		return -EFBIG;
	rc = node_new(in, map_goal(in, 0), p->depth, &child);
	if (rc < 0)
		return rc;
	memcpy(child.h + 1, root + 1, n * 12);
	child.h->entries = le16_of((u16)n);
	ext_step_dirty(in, &child);
	key = n > 0 ? node_key(root, 0) : 0;
	memset(root + 1, 0, ROOT_CAPACITY * 12);
	root->entries = le16_of(1);
	root->depth = le16_of((u16)(p->depth + 1));
	idx_set(&ext_indexes(root)[0], key, child.buf->blk);
	inode_dirty(in);
	bcache_put(in->fs, child.buf);
	return 0;
}

/*
 * Split the node below the lowest one that has room, or give the tree another level. After at most one such call a
 * level the leaf has room. A node that grows at its end keeps all but the last entry, so that files written in order
 * have full leaves.
 */
int ext_split(struct inode *in, struct ext_path *p)
{
	struct ext_step *up, *full, fresh = { 0 };
	u32 n, cut;
	int level = p->depth - 1, rc;

	while (level >= 0 && le16_get(p->step[level].h->entries) >= le16_get(p->step[level].h->max))
		level--;
	if (level < 0)
		return root_grow(in, p);
	up = &p->step[level];
	full = &p->step[level + 1];
	n = le16_get(full->h->entries);
	cut = full->pos + 1 >= (int)n ? n - 1 : n / 2;
	rc = node_new(in, full->buf->blk, le16_get(full->h->depth), &fresh);
	if (rc < 0)
		return rc;
	memcpy(fresh.h + 1, (u8 *)(full->h + 1) + cut * 12, (n - cut) * 12);
	fresh.h->entries = le16_of((u16)(n - cut));
	ext_step_dirty(in, &fresh);
	full->h->entries = le16_of((u16)cut);
	ext_step_dirty(in, full);
	n = le16_get(up->h->entries);
	memmove(&ext_indexes(up->h)[up->pos + 2], &ext_indexes(up->h)[up->pos + 1], (n - up->pos - 1) * 12);
	idx_set(&ext_indexes(up->h)[up->pos + 1], node_key(fresh.h, 0), fresh.buf->blk);
	up->h->entries = le16_of((u16)(n + 1));
	ext_step_dirty(in, up);
	inode_dirty(in);
	bcache_put(in->fs, fresh.buf);
	return 0;
}

static int node_release(struct inode *in, struct ext_step *s)
{
	u64 blk = s->buf->blk;
	int rc;

	bcache_put(in->fs, s->buf);
	s->buf = NULL;
	rc = inode_add_blocks(in, -1);
	inode_dirty(in);
	return rc < 0 ? rc : bfree(in->fs, blk, 1);
}

int ext_prune(struct inode *in, struct ext_path *p)
{
	int level = p->depth, rc;

	while (level > 0 && le16_get(p->step[level].h->entries) == 0) {
		struct ext_step *up = &p->step[level - 1];
		u32 n = le16_get(up->h->entries);

		rc = node_release(in, &p->step[level]);
		if (rc < 0)
			return rc;
		memmove(&ext_indexes(up->h)[up->pos], &ext_indexes(up->h)[up->pos + 1], (n - up->pos - 1) * 12);
		up->h->entries = le16_of((u16)(n - 1));
		ext_step_dirty(in, up);
		level--;
		if (up->pos == 0)
			ext_fix_keys(in, p, level);
	}
	if (le16_get(root_of(in)->entries) == 0)
		extent_root_init(in);
	inode_dirty(in);
	return 0;
}

int ext_collapse(struct inode *in)
{
	struct ext4_extent_header *root = root_of(in);

	while (le16_get(root->depth) > 0 && le16_get(root->entries) == 1) {
		int depth = le16_get(root->depth) - 1, rc;
		struct ext_step child = { 0 };
		u32 n;

		rc = node_enter(in, idx_leaf(&ext_indexes(root)[0]), depth, &child);
		if (rc < 0)
			return rc;
		n = le16_get(child.h->entries);
		if (n > ROOT_CAPACITY) {
			bcache_put(in->fs, child.buf);
			return 0;
		}
		memcpy(root + 1, child.h + 1, n * 12);
		root->entries = le16_of((u16)n);
		root->depth = le16_of((u16)depth);
		rc = node_release(in, &child);
		if (rc < 0)
			return rc;
	}
	return 0;
}
