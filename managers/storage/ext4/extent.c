/* SPDX-License-Identifier: MIT */
/* Extents of a file: look up, insert (merging with neighbours), remove a range. */
#include "managers/storage/ext4/impl.h"

static void extent_set(struct ext4_extent *e, u32 lblk, u64 blk, u32 len, bool unwritten)
{
	*e = (struct ext4_extent){
		.block = le32_of(lblk), .len = le16_of((u16)(unwritten ? len + EXT4_EXT_MAX_LEN : len)),
		.start_lo = le32_of((u32)blk), .start_hi = le16_of((u16)(blk >> 32)),
	};
}

static int extent_check(struct inode *in, const struct ext4_extent *e)
{
	u32 len = ext_len(e);

	if (len == 0 || le32_get(e->block) > EXT4_MAX_LBLK - len || !block_valid(in->fs, ext_start(e), len))
		return ext4_corrupt(in->fs, "inode %u has a damaged extent", in->ino);
	return 0;
}

/* The first block behind the leaf's position that is mapped: as far as a hole reaches. */
static u32 next_mapped(struct ext_path *p)
{
	for (int level = p->depth; level >= 0; level--) {
		struct ext_step *s = &p->step[level];

		if (s->pos + 1 < le16_get(s->h->entries))
			return le32_get(ext_indexes(s->h)[s->pos + 1].block);
	}
	return EXT4_MAX_LBLK;
}

int extent_map(struct inode *in, u32 lblk, struct map *m)
{
	struct ext_path p;
	int rc = ext_path_find(in, lblk, &p);
	struct ext_step *leaf;

	if (rc < 0)
		return rc;
	leaf = &p.step[p.depth];
	*m = (struct map){ 0 };
	if (leaf->pos >= 0) {
		struct ext4_extent *e = &ext_extents(leaf->h)[leaf->pos];
		u32 skip = lblk - le32_get(e->block);

		rc = extent_check(in, e);
		if (rc < 0)
			goto put;
		if (skip < ext_len(e))
			*m = (struct map){ ext_start(e) + skip, ext_len(e) - skip, ext_unwritten(e) };
	}
	if (m->blk == 0) {
		u32 next = next_mapped(&p);

		m->len = next > lblk ? next - lblk : 1;
	}
put:
	ext_path_put(in, &p);
	return rc;
}

static bool extents_join(const struct ext4_extent *a, const struct ext4_extent *b)
{
	u32 max = ext_unwritten(a) ? EXT4_EXT_MAX_LEN - 1 : EXT4_EXT_MAX_LEN;

	return ext_unwritten(a) == ext_unwritten(b) && ext_len(a) + ext_len(b) <= max &&
	       (u64)le32_get(a->block) + ext_len(a) == le32_get(b->block) && ext_start(a) + ext_len(a) == ext_start(b);
}

/* Entry pos becomes one with pos + 1. */
static void leaf_join(struct ext_step *leaf, int pos)
{
	struct ext4_extent *e = ext_extents(leaf->h);
	u32 n = le16_get(leaf->h->entries);

	e[pos].len = le16_of((u16)(le16_get(e[pos].len) + ext_len(&e[pos + 1])));
	memmove(&e[pos + 1], &e[pos + 2], (n - pos - 2) * 12);
	leaf->h->entries = le16_of((u16)(n - 1));
}

static void leaf_insert(struct ext_step *leaf, int pos, const struct ext4_extent *new)
{
	struct ext4_extent *e = ext_extents(leaf->h);
	u32 n = le16_get(leaf->h->entries);

	memmove(&e[pos + 1], &e[pos], (n - pos) * 12);
	e[pos] = *new;
	leaf->h->entries = le16_of((u16)(n + 1));
}

/* One attempt; -EAGAIN: the leaf was full and has been split, try again. */
static int insert_once(struct inode *in, const struct ext4_extent *new)
{
	u32 lblk = le32_get(new->block), n;
	struct ext4_extent *e;
	struct ext_step *leaf;
	struct ext_path p;
	int rc = ext_path_find(in, lblk, &p), pos;

	if (rc < 0)
		return rc;
	leaf = &p.step[p.depth];
	e = ext_extents(leaf->h);
	n = le16_get(leaf->h->entries);
	pos = leaf->pos;
	if ((pos >= 0 && le32_get(e[pos].block) + ext_len(&e[pos]) > lblk) || next_mapped(&p) < lblk + ext_len(new)) {
		rc = ext4_corrupt(in->fs, "inode %u has overlapping extents", in->ino);
	} else if (pos >= 0 && extents_join(&e[pos], new)) {
		e[pos].len = le16_of((u16)(le16_get(e[pos].len) + ext_len(new)));
		if (pos + 1 < (int)n && extents_join(&e[pos], &e[pos + 1]))
			leaf_join(leaf, pos);
		ext_step_dirty(in, leaf);
	} else if (pos + 1 < (int)n && extents_join(new, &e[pos + 1])) {
		extent_set(&e[pos + 1], lblk, ext_start(new), ext_len(new) + ext_len(&e[pos + 1]), ext_unwritten(new));
		ext_step_dirty(in, leaf);
		if (pos + 1 == 0)
			ext_fix_keys(in, &p, p.depth);
	} else if (n < le16_get(leaf->h->max)) {
		leaf_insert(leaf, pos + 1, new);
		ext_step_dirty(in, leaf);
		if (pos + 1 == 0)
			ext_fix_keys(in, &p, p.depth);
	} else {
		rc = ext_split(in, &p);
		if (rc == 0)
			rc = -EAGAIN;
	}
	ext_path_put(in, &p);
	return rc;
}

/* The range is a hole. Longer than one extent may be: several. */
int extent_insert(struct inode *in, u32 lblk, u64 blk, u32 len, bool unwritten)
{
	while (len > 0) {
		u32 n = MIN(len, (u32)EXT4_EXT_MAX_LEN - 1);
		struct ext4_extent e;
		int rc;

		extent_set(&e, lblk, blk, n, unwritten);
		for (int i = 0; (rc = insert_once(in, &e)) == -EAGAIN; i++) {
			if (i > 2 * EXT4_EXT_MAX_DEPTH)
				return ext4_corrupt(in->fs, "inode %u: its extent tree cannot grow", in->ino);
		}
		if (rc < 0)
			return rc;
		lblk += n;
		blk += n;
		len -= n;
	}
	return 0;
}

/* Take [a, b] out of the leaf's entry at pos. There is room for one more entry if it lies inside. */
static void leaf_cut(struct ext_step *leaf, u32 a, u32 b)
{
	struct ext4_extent *e = &ext_extents(leaf->h)[leaf->pos], right;
	u32 s = le32_get(e->block), t = s + ext_len(e) - 1, n = le16_get(leaf->h->entries);
	bool unwritten = ext_unwritten(e);
	u64 blk = ext_start(e);

	if (a == s && b == t) {
		memmove(e, e + 1, (n - leaf->pos - 1) * 12);
		leaf->h->entries = le16_of((u16)(n - 1));
		return;
	}
	extent_set(&right, b + 1, blk + (b + 1 - s), t - b, unwritten);
	if (a == s) {
		*e = right;
		return;
	}
	extent_set(e, s, blk, a - s, unwritten);
	if (b < t)
		leaf_insert(leaf, leaf->pos + 1, &right);
}

/*
 * Remove what lies in [from, *to] of the last extent that does; *to moves before it. 1: done, nothing is left there;
 * -EAGAIN: the tree was split, look again.
 */
static int remove_once(struct inode *in, u32 from, u32 *to, bool free)
{
	struct ext_step *leaf;
	struct ext4_extent *e;
	struct ext_path p;
	u32 s, t, a, b;
	u64 blk;
	int rc = ext_path_find(in, *to, &p);

	if (rc < 0)
		return rc;
	leaf = &p.step[p.depth];
	rc = 1;
	if (leaf->pos < 0)
		goto put;
	e = &ext_extents(leaf->h)[leaf->pos];
	rc = extent_check(in, e);
	if (rc < 0)
		goto put;
	s = le32_get(e->block);
	t = s + ext_len(e) - 1;
	rc = 1;
	if (t < from)
		goto put;
	a = MAX(s, from);
	b = MIN(t, *to);
	blk = ext_start(e) + (a - s);
	if (a > s && b < t && le16_get(leaf->h->entries) >= le16_get(leaf->h->max)) {
		rc = ext_split(in, &p);
		rc = rc < 0 ? rc : -EAGAIN;
		goto put;
	}
	leaf_cut(leaf, a, b);
	ext_step_dirty(in, leaf);
	rc = 0;
	if (le16_get(leaf->h->entries) == 0)
		rc = ext_prune(in, &p);
	else if (leaf->pos == 0)
		ext_fix_keys(in, &p, p.depth);
	if (rc == 0 && free)
		rc = inode_add_blocks(in, -(s64)(b - a + 1));
	inode_dirty(in);
	if (rc == 0 && free)
		rc = bfree(in->fs, blk, b - a + 1);
	if (rc == 0 && a <= from)
		rc = 1;
	*to = a - 1;
put:
	ext_path_put(in, &p);
	return rc;
}

int extent_remove(struct inode *in, u32 from, u32 to, bool free)
{
	int rc, splits = 0;

	do {
		rc = remove_once(in, from, &to, free);
		if (rc == -EAGAIN && splits++ < 2 * EXT4_EXT_MAX_DEPTH)
			rc = 0;
	} while (rc == 0);
	return rc == -EAGAIN ? -EUCLEAN : MIN(rc, 0);
}
