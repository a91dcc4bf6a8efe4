/* SPDX-License-Identifier: MIT */
/*
 * Page tables: user address spaces (4 KiB pages in their lower half) and TLB shootdown. The kernel's upper half is
 * shared by all. These functions do not lock: struct pgd's user does (managers/processor: the page-table lock). Page-table
 * pages are freed only with their pgd, after the last shootdown.
 */
#ifndef ARCH_X86_PAGING_H
#define ARCH_X86_PAGING_H

#include "lib/base/types.h"

typedef u64 pte_t;
#define PTE_PRESENT	(1ULL << 0)
#define PTE_WRITE	(1ULL << 1)
#define PTE_USER	(1ULL << 2)
#define PTE_PWT		(1ULL << 3)
#define PTE_PCD		(1ULL << 4)
#define PTE_ACCESSED	(1ULL << 5)
#define PTE_DIRTY	(1ULL << 6)
#define PTE_HUGE	(1ULL << 7)
#define PTE_GLOBAL	(1ULL << 8)
#define PTE_FOREIGN	(1ULL << 9)		/* software's: a page of the kernel's own, not of the pcache */
#define PTE_SOFT	(7ULL << 9)		/* software's; in a non-present PTE bits 1..62 are software's too */
#define PTE_NX		(1ULL << 63)
#define PTE_ADDR	0x000ffffffffff000ULL

#define USER_END	0x00007ffffffff000ULL	/* first address that is not a user's */

struct pgd {
	paddr_t root;
	u64 cpu_mask[1];	/* [a] CPUs that may hold translations of it */
	u64 nr_tables;		/* page-table pages, the root included; under the user's lock */
};

int __must_check pgd_init(struct pgd *pgd);	/* upper half shared; 0 or -ENOMEM */
void pgd_destroy(struct pgd *pgd);		/* frees all lower-half tables; no CPU runs on it, none holds translations */
/*
 * The PTE slot of user address va. alloc: make missing tables (may return NULL for memory). Without it NULL means no
 * table there. Slots are stable until pgd_destroy(); read and written with pte_read/pte_xchg below.
 */
pte_t *pte_slot(struct pgd *pgd, u64 va, bool alloc);
/* Next address >= va whose leaf table exists, or USER_END: for passes over sparse ranges; step is one leaf table (2 MiB) */
u64 pte_next_table(struct pgd *pgd, u64 va);
static inline pte_t pte_read(const pte_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
#define PTES_PER_TABLE	512
/* None of the 16 entries is used. Plain loads: whole ones all the same, and the compiler may read and OR in one instruction. */
static inline bool ptes_unused(const pte_t *p)
{
	u64 any = p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7];

	return (any | p[8] | p[9] | p[10] | p[11] | p[12] | p[13] | p[14] | p[15]) == 0;
}
/* The first entry of a table from i on that is not 0, or PTES_PER_TABLE. An entry that changes meanwhile is seen or not. */
static inline unsigned pte_next_used(const pte_t *table, unsigned i)
{
	barrier();		/* what other CPUs wrote since the caller looked last is read again */
	while (i < PTES_PER_TABLE && pte_read(&table[i]) == 0) {
		i++;
		while (i % 16 == 0 && i < PTES_PER_TABLE && ptes_unused(&table[i]))
			i += 16;
	}
	barrier();
	return i;
}
/* Replace; returns the old value with its A and D bits as the CPU last left them: nothing is lost in between. */
static inline pte_t pte_xchg(pte_t *p, pte_t v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }
static inline bool pte_cmpxchg(pte_t *p, pte_t *old, pte_t v)
{
	return __atomic_compare_exchange_n(p, old, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline bool pte_present(pte_t v) { return v & PTE_PRESENT; }
static inline paddr_t pte_phys(pte_t v) { return v & PTE_ADDR; }

/* The calling CPU runs on this space from now on (called by the scheduler's switch through ctx.cr3, see tlb.c). */
void pgd_load(struct pgd *pgd);		/* NULL: the kernel's own table */

/*
 * TLB shootdown. Collect, then flush once: on return no CPU holds any of the translations, nor writes through one.
 * Interrupts on, no spinlock held (it waits for other CPUs). Counted: nr_tlb_shootdown, nr_tlb_shootdown_ipi.
 */
#define TLB_BATCH_MAX 64
struct tlb_batch {
	struct { struct pgd *pgd; u64 va; } page[TLB_BATCH_MAX];
	unsigned nr;		/* beyond the maximum: whole spaces are flushed */
	bool all;		/* every user translation of every space */
	u64 cpus;		/* CPUs concerned */
};
void tlb_batch_init(struct tlb_batch *b);
void tlb_batch_add(struct tlb_batch *b, struct pgd *pgd, u64 va);	/* under any lock */
void tlb_batch_add_range(struct tlb_batch *b, struct pgd *pgd, u64 start, u64 end);
void tlb_batch_flush(struct tlb_batch *b);				/* and empties it; nothing when empty */

/* kernel mappings, for mm/vmalloc.c */
int kernel_map(u64 va, paddr_t pa, size_t size, u64 pte_flags);	/* may sleep for nothing; 0 or -ENOMEM */
void kernel_unmap(u64 va, size_t size);					/* with shootdown on all CPUs */

#endif
