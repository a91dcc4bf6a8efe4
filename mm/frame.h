/* SPDX-License-Identifier: MIT */
/*
 * Physical frames: one struct frame per 4 KiB of RAM, a buddy allocator over them, and the direct map.
 * Metadata stands outside the frame (L27); each field names its owner (L5).
 */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include "lib/base/atomic.h"
#include "lib/base/list.h"

enum frame_use { FRAME_RESERVED, FRAME_FREE, FRAME_KERNEL, FRAME_SLAB, FRAME_PAGE_TABLE, FRAME_USER, FRAME_CACHE, FRAME_PCACHE };

struct frame {
	u8 use;			/* [buddy lock at alloc/free] enum frame_use; the type tag */
	u8 order;		/* buddy: of the block this frame heads */
	u16 flags;		/* owner of the use */
	refcount_t refs;	/* owner of the use; 1 after frames_alloc() */
	struct list link;	/* FREE: buddy; SLAB: slab; else the owner's */
	void *owner;		/* SLAB: its cache; else the owner's (for example the M page or pcache line) */
	u64 private;		/* the owner's */
};

#define DIRECT_MAP_BASE	0xffff800000000000ULL	/* all RAM, writable, not executable */
#ifdef TANGRAM_HOST
static inline void *phys_to_virt(paddr_t pa) { return (void *)(uintptr_t)pa; }
static inline paddr_t virt_to_phys(const void *p) { return (paddr_t)(uintptr_t)p; }
#else
static inline void *phys_to_virt(paddr_t pa) { return (void *)(DIRECT_MAP_BASE + pa); }
static inline paddr_t virt_to_phys(const void *p) { return (paddr_t)(uintptr_t)p - DIRECT_MAP_BASE; } /* direct map only */
#endif

struct frame *frame_of_phys(paddr_t pa);
paddr_t frame_phys(const struct frame *f);
static inline void *frame_virt(const struct frame *f) { return phys_to_virt(frame_phys(f)); }
static inline struct frame *frame_of_virt(const void *p) { return frame_of_phys(virt_to_phys(p)); }

#define FRAME_ZERO	1	/* clear it */
#define MAX_ORDER	10	/* 4 MiB */
/* 2^order contiguous frames, aligned to their size; NULL when there are none. Any context but interrupts. */
struct frame *frames_alloc(unsigned order, enum frame_use use, unsigned flags);
void frames_free(struct frame *f, unsigned order);
/* Turn an allocated block of the order into 2^order single frames, each freed by itself. */
void frames_split(struct frame *f, unsigned order);
/* Contiguous frames for ever, any number, at boot (pcache area); NULL when there is no such run. */
struct frame *frames_alloc_boot(u64 nr_frames, enum frame_use use);
u64 frames_total(void);
u64 frames_free_count(void);
/* May more be taken for what programs make the kernel keep, such as queues? The last sixteenth is for what cannot do without. */
static inline bool frames_to_spare(void) { return frames_free_count() >= frames_total() / 16; }

/* Boot: called by arch with each usable RAM range, then frames_init() builds the array and frees what is free. */
void frames_add_ram(paddr_t start, paddr_t end);
void frames_reserve(paddr_t start, paddr_t end);	/* kernel image, boot modules, ACPI */
void frames_init(void);
/* One zeroed frame before frames_init(), for page tables; phys address */
paddr_t boot_frame_alloc(void);

#endif
