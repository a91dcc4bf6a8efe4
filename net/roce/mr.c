/* SPDX-License-Identifier: MIT */
/*
 * Memory regions. An rkey is the region's index and a key that changes with every bind. Regions are type-stable: a lookup
 * needs no lock but the region's own, which is held while a packet's bytes are copied: that is what makes unbind final
 * (lesson L44).
 */
#include "arch/x86/platform.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/roce/roce_impl.h"

#define MR_BOUND 1			/* in access, beside the rights of peers: 0 is unbound */
#define KEY_BITS 18
#define KEY_MASK ((1U << KEY_BITS) - 1)
_Static_assert(ROCE_MR_CHUNKS * ROCE_MR_CHUNK <= 1 << (32 - KEY_BITS), "index and key share an rkey");

static bool mr_grow(struct roce_dev *dev)
{
	struct roce_mr *chunk = kcalloc(ROCE_MR_CHUNK, sizeof(*chunk));
	u32 n;

	if (chunk == NULL)
		return false;
	spin_lock(&dev->lock);
	n = dev->nr_mrs / ROCE_MR_CHUNK;
	if (n == ROCE_MR_CHUNKS) {
		spin_unlock(&dev->lock);
		kfree(chunk);
		return false;
	}
	for (unsigned i = 0; i < ROCE_MR_CHUNK; i++) {
		struct roce_mr *mr = &chunk[i];

		spin_init(&mr->lock, "mr", RANK_MR);
		mr->dev = dev;
		mr->index = dev->nr_mrs + i;
		mr->rkey = mr->index << KEY_BITS | (arch_random() & KEY_MASK);
		mr->next_free = dev->mr_free;
		dev->mr_free = mr;
	}
	store_release(&dev->mr_chunk[n], chunk);	/* pairs with mr_lock() */
	dev->nr_mrs += ROCE_MR_CHUNK;
	spin_unlock(&dev->lock);
	return true;
}

struct roce_mr *roce_dev_mr_create(struct roce_dev *dev, u32 pd)
{
	struct roce_mr *mr;

	do {
		spin_lock(&dev->lock);
		mr = dev->mr_free;
		if (mr != NULL)
			dev->mr_free = mr->next_free;
		spin_unlock(&dev->lock);
	} while (mr == NULL && mr_grow(dev));
	if (mr != NULL)
		mr->pd = pd;
	return mr;
}

/* lock held */
static u32 bind(struct roce_mr *mr, void *ptr, u64 len, unsigned access)
{
	mr->rkey = mr->index << KEY_BITS | ((mr->rkey + 1) & KEY_MASK);
	mr->ptr = ptr;
	mr->len = len;
	mr->access = access | MR_BOUND;
	return mr->rkey;
}

u32 roce_mr_bind(struct roce_mr *mr, void *ptr, u64 len, unsigned access)
{
	u32 rkey;

	spin_lock(&mr->lock);
	rkey = bind(mr, ptr, len, access);
	spin_unlock(&mr->lock);
	return rkey;
}

u32 roce_mr_bind_pages(struct roce_mr *mr, void *const *page, unsigned nr)
{
	u32 rkey;

	BUG_ON(nr > ROCE_MR_PAGES);
	spin_lock(&mr->lock);
	for (unsigned i = 0; i < nr; i++)
		mr->page[i] = page[i];
	rkey = bind(mr, NULL, (u64)nr * PAGE_SIZE, MR_REMOTE_WRITE);
	spin_unlock(&mr->lock);
	return rkey;
}

void roce_mr_unbind(struct roce_mr *mr)
{
	spin_lock(&mr->lock);
	mr->access = 0;
	mr->ptr = NULL;
	mr->len = 0;
	spin_unlock(&mr->lock);
}

void roce_mr_destroy(struct roce_mr *mr)
{
	struct roce_dev *dev = mr->dev;

	roce_mr_unbind(mr);
	spin_lock(&dev->lock);
	mr->next_free = dev->mr_free;
	dev->mr_free = mr;
	spin_unlock(&dev->lock);
}

static struct roce_mr *mr_at(struct roce_dev *dev, u32 rkey)
{
	u32 index = rkey >> KEY_BITS;
	struct roce_mr *chunk = load_acquire(&dev->mr_chunk[index / ROCE_MR_CHUNK]);

	return chunk == NULL ? NULL : &chunk[index % ROCE_MR_CHUNK];
}

struct roce_mr *mr_lock(struct roce_dev *dev, u32 rkey, u64 va, u64 len, unsigned access, u32 pd)
{
	struct roce_mr *mr = mr_at(dev, rkey);
	u64 base;

	if (mr == NULL)
		return NULL;
	spin_lock(&mr->lock);
	base = (u64)(uintptr_t)mr->ptr;
	if (mr->rkey == rkey && mr->pd == pd && (mr->access & access) == access && mr->access != 0 &&
	    va >= base && len <= mr->len && va - base <= mr->len - len)
		return mr;
	spin_unlock(&mr->lock);
	return NULL;
}

void mr_write(struct roce_mr *mr, u64 va, const void *data, u32 len)
{
	const u8 *from = data;

	assert_held(&mr->lock);
	if (mr->ptr != NULL) {
		memcpy((void *)(uintptr_t)va, data, len);
		return;
	}
	while (len != 0) {
		u32 at = va & (PAGE_SIZE - 1), n = MIN(len, (u32)PAGE_SIZE - at);

		memcpy(mr->page[va >> PAGE_SHIFT] + at, from, n);
		va += n;
		from += n;
		len -= n;
	}
}

bool mr_invalidate(struct roce_dev *dev, u32 rkey, u32 pd)
{
	struct roce_mr *mr = mr_at(dev, rkey);

	if (mr == NULL)
		return false;
	spin_lock(&mr->lock);
	if (mr->rkey != rkey || mr->pd != pd || mr->access == 0) {
		spin_unlock(&mr->lock);
		return false;
	}
	mr->access = 0;
	spin_unlock(&mr->lock);
	return true;
}

void mr_free_all(struct roce_dev *dev)
{
	for (unsigned i = 0; i < ROCE_MR_CHUNKS; i++)
		kfree(dev->mr_chunk[i]);
}
