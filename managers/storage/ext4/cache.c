/* SPDX-License-Identifier: MIT */
/*
 * The metadata cache of an ext4 volume: blocks by number, bounded, written back when they are pushed out or on sync.
 * File data goes past it; a block that changes from metadata to data is forgotten here when it is freed.
 */
#include "managers/storage/ext4/impl.h"

static u32 bcache_slot(const struct bcache *c, u64 blk)
{
	return (u32)((blk * 0x9e3779b97f4a7c15ull) >> 40) & c->hash_mask;
}

int bcache_init(struct ext4 *fs, u32 bytes)
{
	struct bcache *c = &fs->cache;
	u32 size = 64;

	c->max = MAX(bytes / fs->bs, 64u);
	while (size < c->max && size < (1u << 20))
		size *= 2;
	list_init(&c->lru);
	list_init(&c->dirty);
	c->hash_mask = size - 1;
	c->hash = kcalloc(size, sizeof(*c->hash));
	return c->hash == NULL ? -ENOMEM : 0;
}

static void bcache_unhash(struct ext4 *fs, struct bbuf *b)
{
	struct bbuf **p = &fs->cache.hash[bcache_slot(&fs->cache, b->blk)];

	while (*p != b)
		p = &(*p)->next;
	*p = b->next;
}

static void bcache_free(struct ext4 *fs, struct bbuf *b)
{
	list_del(&b->lru);
	list_del(&b->dirty_link);
	fs->cache.nr--;
	kfree(b->data);
	kfree(b);
}

void bcache_destroy(struct ext4 *fs)
{
	struct bcache *c = &fs->cache;

	if (c->hash == NULL)
		return;
	for (u32 i = 0; i <= c->hash_mask; i++) {
		while (c->hash[i] != NULL) {
			struct bbuf *b = c->hash[i];

			c->hash[i] = b->next;
			bcache_free(fs, b);
		}
	}
	kfree(c->hash);
	c->hash = NULL;
}

static int bcache_write(struct ext4 *fs, struct bbuf *b)
{
	int rc = fs->dev->ops->write(fs->dev, b->blk << fs->bs_shift, b->data, fs->bs);

	if (rc < 0)
		return rc;
	list_del(&b->dirty_link);
	return 0;
}

/* Make room for one more; a block that cannot be written stays, and the bound is exceeded for it. */
static void bcache_shrink(struct ext4 *fs)
{
	struct bcache *c = &fs->cache;
	struct bbuf *b, *tmp;
	u32 tries = 8;

	if (c->nr < c->max)
		return;
	list_for_each_safe(b, tmp, &c->lru, lru) {
		if (list_linked(&b->dirty_link) && bcache_write(fs, b) < 0) {
			if (--tries == 0)
				return;
			continue;
		}
		bcache_unhash(fs, b);
		bcache_free(fs, b);
		if (c->nr < c->max)
			return;
	}
}

static struct bbuf *bcache_lookup(struct ext4 *fs, u64 blk)
{
	struct bbuf *b = fs->cache.hash[bcache_slot(&fs->cache, blk)];

	while (b != NULL && b->blk != blk)
		b = b->next;
	return b;
}

static struct bbuf *bcache_alloc(struct ext4 *fs, u64 blk)
{
	struct bbuf *b, **slot;

	bcache_shrink(fs);
	b = kzalloc(sizeof(*b));
	if (b == NULL)
		return NULL;
	b->data = kmalloc(fs->bs);
	if (b->data == NULL) {
		kfree(b);
		return NULL;
	}
	b->blk = blk;
	b->refs = 1;
	list_init(&b->lru);
	list_init(&b->dirty_link);
	slot = &fs->cache.hash[bcache_slot(&fs->cache, blk)];
	b->next = *slot;
	*slot = b;
	fs->cache.nr++;
	return b;
}

static void bcache_get(struct bbuf *b)
{
	if (b->refs++ == 0)
		list_del(&b->lru);
}

int bcache_read(struct ext4 *fs, u64 blk, struct bbuf **out)
{
	struct bbuf *b;
	int rc;

	*out = NULL;
	if (blk >= fs->nr_blocks)
		return ext4_corrupt(fs, "block %llu lies behind the end", (unsigned long long)blk);
	b = bcache_lookup(fs, blk);
	if (b != NULL) {
		bcache_get(b);
		*out = b;
		return 0;
	}
	b = bcache_alloc(fs, blk);
	if (b == NULL)
		return -ENOMEM;
	rc = fs->dev->ops->read(fs->dev, blk << fs->bs_shift, b->data, fs->bs);
	if (rc < 0) {
		bcache_unhash(fs, b);
		bcache_free(fs, b);
		return rc;
	}
	*out = b;
	return 0;
}

int bcache_new(struct ext4 *fs, u64 blk, struct bbuf **out)
{
	struct bbuf *b;

	*out = NULL;
	if (blk >= fs->nr_blocks)
		return ext4_corrupt(fs, "block %llu lies behind the end", (unsigned long long)blk);
	b = bcache_lookup(fs, blk);
	if (b != NULL) {
		if (b->refs != 0)	/* only a damaged volume has one block in two places */
			return ext4_corrupt(fs, "block %llu is free and in use", (unsigned long long)blk);
		bcache_get(b);
	} else {
		b = bcache_alloc(fs, blk);
		if (b == NULL)
			return -ENOMEM;
	}
	memset(b->data, 0, fs->bs);
	b->verified = ~0ull;
	bcache_dirty(fs, b);
	*out = b;
	return 0;
}

void bcache_put(struct ext4 *fs, struct bbuf *b)
{
	if (b == NULL)
		return;
	BUG_ON(b->refs == 0);
	if (--b->refs > 0)
		return;
	if (b->dead)
		bcache_free(fs, b);
	else
		list_add_tail(&fs->cache.lru, &b->lru);
}

void bcache_dirty(struct ext4 *fs, struct bbuf *b)
{
	if (!list_linked(&b->dirty_link) && !b->dead)
		list_add_tail(&fs->cache.dirty, &b->dirty_link);
}

static void bcache_drop(struct ext4 *fs, struct bbuf *b)
{
	bcache_unhash(fs, b);
	list_del(&b->dirty_link);
	if (b->refs > 0)
		b->dead = true;
	else
		bcache_free(fs, b);
}

void bcache_forget(struct ext4 *fs, u64 blk, u64 count)
{
	struct bcache *c = &fs->cache;

	if (count <= c->hash_mask) {
		for (u64 i = 0; i < count; i++) {
			struct bbuf *b = bcache_lookup(fs, blk + i);

			if (b != NULL)
				bcache_drop(fs, b);
		}
		return;
	}
	for (u32 i = 0; i <= c->hash_mask; i++) {
		for (struct bbuf *b = c->hash[i], *next; b != NULL; b = next) {
			next = b->next;
			if (b->blk - blk < count)
				bcache_drop(fs, b);
		}
	}
}

void ext4_drop_caches(struct ext4 *fs)
{
	struct bbuf *b, *tmp;

	list_for_each_safe(b, tmp, &fs->cache.lru, lru) {
		if (list_linked(&b->dirty_link))
			continue;
		bcache_unhash(fs, b);
		bcache_free(fs, b);
	}
}

int bcache_flush(struct ext4 *fs)
{
	struct bbuf *b, *tmp;
	int rc = 0;

	list_for_each_safe(b, tmp, &fs->cache.dirty, dirty_link) {
		int one = bcache_write(fs, b);

		if (one < 0)
			rc = one;
	}
	return rc;
}
