/* SPDX-License-Identifier: MIT */
/*
 * Kernel memory of any size. Per-CPU magazines over slabs of one size class; larger than half a page goes to the buddy
 * allocator (up to 4 MiB). Debug builds poison on free, keep red zones and name leaks. All may be called in any
 * context but interrupts, and never sleep; NULL when memory is out.
 */
#ifndef MM_SLAB_H
#define MM_SLAB_H

#include "lib/base/types.h"

void *kmalloc(size_t size);		/* 16-byte aligned; a power of two >= 64 is aligned to its size up to a page */
void *kzalloc(size_t size);
void *kcalloc(size_t n, size_t size);	/* checks the product; zeroed */
void kfree(void *p);			/* NULL is fine */
char *kstrdup(const char *s);
/* Room for one element more in an array (at first NULL, of no room) of nr: where it is from now on. NULL: no memory; it stays as it is. */
void *karray_room(void *array, unsigned nr, unsigned *room, size_t size);

struct kmem_cache;
/* align 0: natural. Objects never cross a page unless they are larger than one. */
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align);
void *kmem_cache_alloc(struct kmem_cache *c);
void *kmem_cache_zalloc(struct kmem_cache *c);
void kmem_cache_free(struct kmem_cache *c, void *p);
u64 kmem_cache_live(const struct kmem_cache *c);	/* objects allocated now */
/* for accounting: every cache, with its live objects and the frames its slabs take */
void kmem_cache_for_each(void (*fn)(const char *name, size_t size, u64 live, u64 frames, void *arg), void *arg);
u64 kmem_cache_total_live(void);		/* objects of all caches */
u64 kmem_cache_total_frames(void);		/* frames in slabs of all caches */
u64 kmalloc_large_frames(void);			/* frames in blocks that kmalloc handed out whole */
/* Give back what this CPU and the caches hold in reserve; see kernel/trim.h for all of it. */
void slab_trim_cpu(void);
void slab_init(void);

#endif
