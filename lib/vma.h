/* SPDX-License-Identifier: MIT */
/*
 * The map of an address space: which ranges are mapped, how, and to what. The same code keeps the map on its memory node
 * and the replica on the processor node, so that the same sequence of changes gives the same map on both.
 * Ranges are page aligned, [start, end). Neighbours that say the same are merged, changes split. The caller locks.
 * Changes that may need memory take it first: they fail with -ENOMEM having changed nothing.
 */
#ifndef LIB_VMA_H
#define LIB_VMA_H

#include "lib/base/list.h"
#include "lib/base/types.h"
#include "lib/rbtree.h"

/* prot: as in Linux */
#define PROT_READ	1
#define PROT_WRITE	2
#define PROT_EXEC	4
#define PROT_MASK	7

/* flags */
#define VMA_SHARED	1	/* MAP_SHARED: writes go to the object */
#define VMA_GROWSDOWN	2	/* stack: a fault below it extends it */
#define VMA_NORESERVE	4
#define VMA_STACK	8
#define VMA_HEAP	16	/* the brk area */
#define VMA_LOCKED	32
#define VMA_MAYWRITE	64	/* a shared mapping whose file was opened for writing: mprotect may add PROT_WRITE */
#define VMA_ACCOUNTED	128	/* its pages are charged to commit */
#define VMA_WIPEONFORK	256
#define VMA_DONTFORK	512
#define VMA_VDSO	1024	/* mapped by P itself; never on M */
#define VMA_SEQUENTIAL	2048	/* madvise */
#define VMA_RANDOM	4096
#define VMA_DONTDUMP	8192	/* not in a core file */
#define VMA_POLICY_SHIFT 16
#define VMA_POLICY	(31U << VMA_POLICY_SHIFT)	/* mbind(2), as syscall/mempolicy.c has it; 0: none */
/* What may change without M's hearing of it. M is never told: else mappings that are one on P would be several there. */
#define VMA_HERE_ALONE	(VMA_LOCKED | VMA_WIPEONFORK | VMA_DONTFORK | VMA_VDSO | VMA_SEQUENTIAL | VMA_RANDOM | VMA_DONTDUMP | VMA_POLICY)

struct vma {
	u64 start, end;
	u64 object;		/* 0: anonymous */
	u64 index;		/* page offset in the object at start; anonymous: start >> 12 at its birth (mremap keeps it) */
	u32 prot, flags;
	void *file;		/* P: the open file, for /proc/self/maps; counted through ops */
	struct rb_node node;
};

/*
 * Called when a vma that names a file or object is copied (split, fork, move) or freed (removed, merged away), so that
 * references are counted per vma. vma_map_add() takes over the caller's reference when it succeeds: no copied() for it.
 */
struct vma_ops {
	void (*copied)(struct vma *v, void *arg);
	void (*freed)(struct vma *v, void *arg);
};

struct vma_map {
	struct rb_tree tree;	/* by start */
	u64 nr_vmas, nr_pages, nr_accounted, nr_locked;	/* accounted: pages charged to commit */
	const struct vma_ops *ops;	/* may be NULL */
	void *arg;
};

void vma_map_init(struct vma_map *m, const struct vma_ops *ops, void *arg);
void vma_map_destroy(struct vma_map *m);
struct vma *vma_find(struct vma_map *m, u64 addr);		/* the one that holds addr, or NULL */
struct vma *vma_find_from(struct vma_map *m, u64 addr);		/* the first with end > addr, or NULL */
struct vma *vma_next(struct vma *v);
/* Insert what *tmpl says (start, end, object, index, prot, flags, file); the range must be free: -EEXIST. Merges. */
int __must_check vma_map_add(struct vma_map *m, const struct vma *tmpl);
/* Remove all of [start, end), splitting at its borders; nothing there is fine. */
int __must_check vma_map_remove(struct vma_map *m, u64 start, u64 end);
/* Private writable memory is charged to commit from the moment it becomes writable (VMA_ACCOUNTED is then set, and stays). */
static inline bool vma_accountable(u32 prot, u32 flags)
{
	return (prot & PROT_WRITE) != 0 && (flags & (VMA_SHARED | VMA_NORESERVE | VMA_VDSO)) == 0;
}
u64 vma_protect_charge(struct vma_map *m, u64 start, u64 end, u32 prot);	/* pages a protect would newly charge */
u64 vma_accounted_in(struct vma_map *m, u64 start, u64 end);			/* pages charged in the range */
/* -ENOMEM also when part of the range is not mapped (as Linux's mprotect says), having changed nothing. */
int __must_check vma_map_protect(struct vma_map *m, u64 start, u64 end, u32 prot);
/* The same without the rights: private memory that will be written against them (by a tracer) is charged, as PROT_WRITE would have it. */
int __must_check vma_map_charge(struct vma_map *m, u64 start, u64 end);
/* What is mapped of the range is changed, gaps are skipped. */
int __must_check vma_map_flags(struct vma_map *m, u64 start, u64 end, u32 set, u32 clear);
/*
 * Move [start, start+len), one vma or part of one, to new_start with new_len (its tail grows or shrinks). new_start == start
 * changes the length in place. -EFAULT: not within one vma; -EEXIST: the target is not free.
 */
int __must_check vma_map_move(struct vma_map *m, u64 start, u64 len, u64 new_start, u64 new_len, bool dontunmap);
int __must_check vma_map_copy(struct vma_map *dst, struct vma_map *src);	/* fork; honours DONTFORK */
/* Highest free gap of len below top and at or above floor (Linux's top-down search); 0 when there is none. A gap ends
 * VMA_STACK_GUARD below a mapping that grows down. */
#define VMA_STACK_GUARD (256 * PAGE_SIZE)
u64 vma_find_gap(struct vma_map *m, u64 floor, u64 top, u64 len);
bool vma_range_free(struct vma_map *m, u64 start, u64 end);

#endif
