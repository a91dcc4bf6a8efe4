/* SPDX-License-Identifier: MIT */
/* Frames of user data with reference counts: an address space, the page cache, a reply being sent each hold one. */
#include "managers/memory/memory.h"
#include "managers/memory/object.h"

static atomic64_t nr_private, nr_cached;

u64 pages_private(void) { return atomic_read(&nr_private); }
u64 pages_cached(void) { return atomic_read(&nr_cached); }

static atomic64_t *count_of(enum frame_use use) { return use == FRAME_CACHE ? &nr_cached : &nr_private; }

struct frame *page_alloc(enum frame_use use)
{
	struct frame *f = frames_alloc(0, use, 0);

	while (f == NULL && cache_reclaim(32) > 0)
		f = frames_alloc(0, use, 0);
	if (f != NULL)
		atomic_inc(count_of(use));
	return f;
}

struct frame *page_alloc_run(unsigned order, enum frame_use use)
{
	struct frame *f = frames_alloc(order, use, 0);

	if (f == NULL)
		return NULL;
	frames_split(f, order);
	for (u64 i = 0; i < 1ULL << order; i++)
		ref_init(&frame_of_phys(frame_phys(f) + i * PAGE_SIZE)->refs, 1);
	atomic_add(count_of(use), 1L << order);
	return f;
}

void page_get(struct frame *f) { ref_get(&f->refs); }

void page_put(struct frame *f)
{
	if (!ref_put(&f->refs))
		return;
	atomic_dec(count_of(f->use));
	frames_free(f, 0);
}

void page_release(void *frame) { page_put(frame); }

int page_reply(struct rpc_call *c, struct frame *f)
{
	rpc_reply_bulk_ref(c, frame_virt(f), PAGE_SIZE, page_release, f);
	return FILL_DATA;
}
