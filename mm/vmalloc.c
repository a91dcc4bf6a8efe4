/* SPDX-License-Identifier: MIT */
/*
 * Kernel ranges outside the direct map. A range is found behind the last one given out, wrapping around; unmapped pages stand on
 * both sides of each, so that a stack that overflows or a table that is overrun faults.
 */
#include "arch/x86/paging.h"
#include "lib/base/errno.h"
#include "lib/base/lock.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define AREA_BASE	0xffffc00000000000ULL
#define AREA_END	(AREA_BASE + GIB(512))	/* what one top-level entry maps: shared by all address spaces */
#define GUARD		PAGE_SIZE

struct area {
	struct list link;	/* [vmalloc_lock] by address */
	u64 start, size;	/* [I] without the guards */
	struct frame **frame;	/* [I] one a page; NULL: not RAM of ours */
};

static DEFINE_SPINLOCK(vmalloc_lock, RANK_VMALLOC);
static struct list areas = LIST_INIT(areas);	/* [vmalloc_lock] */
static struct area *last;			/* [vmalloc_lock] given out last */
static u64 nr_pages;				/* [vmalloc_lock] */

void vmalloc_init(void) { }

/* Address behind `after` (the head of the list: AREA_BASE) with so much room before the next; 0: none. */
static u64 gap_behind(struct list *after, u64 size)
{
	u64 start = after == &areas ? AREA_BASE : list_entry(after, struct area, link)->start +
						  list_entry(after, struct area, link)->size;
	u64 end = after->next == &areas ? AREA_END : list_entry(after->next, struct area, link)->start;

	return end - start >= size + 2 * GUARD ? start + GUARD : 0;
}

static struct area *area_get(u64 size)
{
	struct area *a = kzalloc(sizeof(*a));
	struct list *at, *begin;

	if (a == NULL || size > AREA_END - AREA_BASE)
		goto fail;
	a->size = size;
	spin_lock(&vmalloc_lock);
	at = begin = last != NULL ? &last->link : &areas;
	do {
		a->start = gap_behind(at, size);
		if (a->start != 0)
			break;
		at = at->next;
	} while (at != begin);
	if (a->start != 0) {
		list_add_head(at, &a->link);
		last = a;
	}
	spin_unlock(&vmalloc_lock);
	if (a->start != 0)
		return a;
fail:
	kfree(a);
	return NULL;
}

static void area_put(struct area *a)
{
	spin_lock(&vmalloc_lock);
	if (last == a)
		last = NULL;
	list_del(&a->link);
	spin_unlock(&vmalloc_lock);
	kfree(a);
}

static void frames_put(struct area *a, u64 nr)
{
	for (u64 i = 0; i < nr; i++)
		frames_free(a->frame[i], 0);
	kfree(a->frame);
}

void *vmalloc(size_t size)
{
	u64 nr = DIV_ROUND_UP(size, PAGE_SIZE), i;
	struct area *a;

	if (nr == 0)
		return NULL;
	a = area_get(nr * PAGE_SIZE);
	if (a == NULL)
		return NULL;
	a->frame = kcalloc(nr, sizeof(a->frame[0]));
	if (a->frame == NULL)
		goto no_table;
	for (i = 0; i < nr; i++) {
		a->frame[i] = frames_alloc(0, FRAME_KERNEL, FRAME_ZERO);
		if (a->frame[i] == NULL)
			goto no_frame;
		if (kernel_map(a->start + i * PAGE_SIZE, frame_phys(a->frame[i]), PAGE_SIZE, PTE_WRITE | PTE_NX) < 0) {
			frames_free(a->frame[i], 0);
			goto no_frame;
		}
	}
	spin_lock(&vmalloc_lock);
	nr_pages += nr;
	spin_unlock(&vmalloc_lock);
	return (void *)a->start;

no_frame:
	if (i > 0)
		kernel_unmap(a->start, i * PAGE_SIZE);
	frames_put(a, i);
no_table:
	area_put(a);
	return NULL;
}

void vfree(void *p)
{
	struct area *a, *found = NULL;
	u64 nr;

	if (p == NULL)
		return;
	spin_lock(&vmalloc_lock);
	list_for_each(a, &areas, link) {
		if (a->start == (u64)p) {
			found = a;
			break;
		}
	}
	if (found == NULL || found->frame == NULL)
		panic("vfree of %p, which vmalloc did not give", p);
	nr = found->size >> PAGE_SHIFT;
	nr_pages -= nr;
	spin_unlock(&vmalloc_lock);
	kernel_unmap(found->start, found->size);	/* no CPU reaches the frames any more */
	frames_put(found, nr);
	area_put(found);
}

/* Device registers and firmware tables: never unmapped. */
static void *map_phys(paddr_t pa, size_t size, u64 pte_flags)
{
	u64 offset = pa - page_down(pa);
	struct area *a = size == 0 ? NULL : area_get(page_up(offset + size));

	if (a == NULL)
		return NULL;
	if (kernel_map(a->start, page_down(pa), a->size, pte_flags | PTE_NX) < 0) {
		area_put(a);
		return NULL;
	}
	return (void *)(a->start + offset);
}

void *ioremap(paddr_t pa, size_t size) { return map_phys(pa, size, PTE_WRITE | PTE_PCD | PTE_PWT); }
void *memremap(paddr_t pa, size_t size) { return map_phys(pa, size, PTE_WRITE); }

u64 vmalloc_pages(void) { return __atomic_load_n(&nr_pages, __ATOMIC_RELAXED); }
