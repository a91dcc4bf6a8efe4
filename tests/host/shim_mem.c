/* SPDX-License-Identifier: MIT */
/*
 * Host shim: kernel memory over malloc, so that the sanitizers see every overrun, leak and late use. What is not asked to be
 * zeroed is filled with a pattern (L4). A frame's data is found at its own address; its struct frame through a table.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sanitizer/asan_interface.h>

#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "shim.h"

#define WEAK __attribute__((weak))

static u64 fail_at;

void shim_fail_alloc(u64 nth) { __atomic_store_n(&fail_at, nth, __ATOMIC_RELAXED); }

static bool should_fail(void)
{
	u64 n = __atomic_load_n(&fail_at, __ATOMIC_RELAXED);

	while (n != 0) {
		if (__atomic_compare_exchange_n(&fail_at, &n, n - 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return n == 1;
	}
	return false;
}

static void *get(size_t size, size_t align, bool zero)
{
	void *p;

	if (should_fail() || posix_memalign(&p, MAX(align, (size_t)16), MAX(size, (size_t)1)) != 0)
		return NULL;
	memset(p, zero ? 0 : 0xa5, size);
	return p;
}

static size_t natural(size_t size)
{
	return size >= 64 && (size & (size - 1)) == 0 ? MIN(size, (size_t)PAGE_SIZE) : 16;
}

WEAK void *kmalloc(size_t size) { return get(size, natural(size), false); }
WEAK void *kzalloc(size_t size) { return get(size, natural(size), true); }
WEAK void *kcalloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : kzalloc(bytes);
}
WEAK void kfree(void *p) { free(p); }
WEAK char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = kmalloc(n);

	return p == NULL ? NULL : memcpy(p, s, n);
}

struct kmem_cache {
	size_t size, align;
	s64 live;
	struct kmem_cache *next;
};
static struct kmem_cache *caches;	/* keeps them reachable: a cache is for ever */

WEAK struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align)
{
	struct kmem_cache *c = calloc(1, sizeof(*c));

	c->size = size;
	c->align = MAX(align, (size_t)16);
	c->next = caches;
	caches = c;
	return c;
}
static void *cache_get(struct kmem_cache *c, bool zero)
{
	void *p = get(c->size, c->align, zero);

	if (p != NULL)
		__atomic_fetch_add(&c->live, 1, __ATOMIC_RELAXED);
	return p;
}
WEAK void *kmem_cache_alloc(struct kmem_cache *c) { return cache_get(c, false); }
WEAK void *kmem_cache_zalloc(struct kmem_cache *c) { return cache_get(c, true); }
WEAK void kmem_cache_free(struct kmem_cache *c, void *p)
{
	if (p == NULL)
		return;
	__atomic_fetch_sub(&c->live, 1, __ATOMIC_RELAXED);
	free(p);
}
WEAK u64 kmem_cache_live(const struct kmem_cache *c) { return __atomic_load_n(&c->live, __ATOMIC_RELAXED); }

WEAK void *vmalloc(size_t size) { return get(page_up(size), PAGE_SIZE, true); }
WEAK void vfree(void *p) { free(p); }

/* --- frames --- */
struct block {				/* what one frames_alloc() got; freed when its last frame is */
	void *data;
	size_t size;
	unsigned nr_left;
};
struct host_frame {
	struct frame f;
	paddr_t pa;
	struct block *block;
	struct host_frame *next;	/* in the bucket */
};
#define NR_BUCKETS 4096
static struct host_frame *bucket[NR_BUCKETS];
static pthread_mutex_t frames_lock = PTHREAD_MUTEX_INITIALIZER;
static u64 frames_live;

static struct host_frame **slot_of(paddr_t pa) { return &bucket[(pa >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ULL >> 52]; }

WEAK struct frame *frame_of_phys(paddr_t pa)
{
	struct host_frame *h;

	pthread_mutex_lock(&frames_lock);
	h = *slot_of(pa);
	while (h != NULL && h->pa != page_down(pa))
		h = h->next;
	pthread_mutex_unlock(&frames_lock);
	return h == NULL ? NULL : &h->f;
}
WEAK paddr_t frame_phys(const struct frame *f) { return container_of(f, struct host_frame, f)->pa; }

static struct frame *block_alloc(unsigned order, enum frame_use use, unsigned flags)
{
	unsigned nr = 1U << order;
	void *data = get(PAGE_SIZE << order, PAGE_SIZE << order, flags & FRAME_ZERO);
	struct block *b;
	struct host_frame *first = NULL;

	if (data == NULL)
		return NULL;
	b = malloc(sizeof(*b));
	*b = (struct block){ data, PAGE_SIZE << order, nr };
	pthread_mutex_lock(&frames_lock);
	for (unsigned i = nr; i-- > 0;) {
		struct host_frame *h = calloc(1, sizeof(*h)), **slot;

		h->f.use = use;
		h->f.order = i == 0 ? order : 0;
		ref_init(&h->f.refs, 1);
		list_init(&h->f.link);
		h->pa = (paddr_t)(uintptr_t)data + i * PAGE_SIZE;
		h->block = b;
		slot = slot_of(h->pa);
		h->next = *slot;
		*slot = h;
		first = h;
	}
	__atomic_fetch_add(&frames_live, nr, __ATOMIC_RELAXED);	/* read without the lock */
	pthread_mutex_unlock(&frames_lock);
	return &first->f;
}

WEAK struct frame *frames_alloc(unsigned order, enum frame_use use, unsigned flags)
{
	return order > MAX_ORDER ? NULL : block_alloc(order, use, flags);
}

static void frame_drop(paddr_t pa)
{
	struct host_frame **slot = slot_of(pa), *h;

	while (*slot != NULL && (*slot)->pa != pa)
		slot = &(*slot)->next;
	h = *slot;
	if (h == NULL)
		panic("frames_free: no such frame");
	*slot = h->next;
	if (--h->block->nr_left == 0) {
		ASAN_UNPOISON_MEMORY_REGION(h->block->data, h->block->size);
		free(h->block->data);
		free(h->block);
	} else {
		ASAN_POISON_MEMORY_REGION(phys_to_virt(pa), PAGE_SIZE);
	}
	free(h);
	__atomic_fetch_sub(&frames_live, 1, __ATOMIC_RELAXED);
}

WEAK void frames_free(struct frame *f, unsigned order)
{
	paddr_t pa = frame_phys(f);

	pthread_mutex_lock(&frames_lock);
	if (f->order != order)
		panic("frames_free: order %u, allocated with %u", order, f->order);
	for (unsigned i = 0; i < 1U << order; i++)
		frame_drop(pa + i * PAGE_SIZE);
	pthread_mutex_unlock(&frames_lock);
}
WEAK void frames_split(struct frame *f, unsigned order) { f->order = 0; (void)order; }
WEAK struct frame *frames_alloc_boot(u64 nr_frames, enum frame_use use)
{
	unsigned order = 0;
	struct frame *f;

	while (1ULL << order < nr_frames)
		order++;
	f = block_alloc(order, use, 0);
	if (f == NULL)
		return NULL;
	frames_split(f, order);
	for (u64 i = nr_frames; i < 1ULL << order; i++)		/* nobody has asked for them, and nobody will free them */
		frames_free(frame_of_phys(frame_phys(f) + i * PAGE_SIZE), 0);
	return f;
}
WEAK u64 frames_total(void) { return 1 << 20; }
WEAK u64 frames_free_count(void) { return (1 << 20) - shim_frames_live(); }
u64 shim_frames_live(void) { return __atomic_load_n(&frames_live, __ATOMIC_RELAXED); }
