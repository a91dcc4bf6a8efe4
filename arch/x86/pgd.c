/* SPDX-License-Identifier: MIT */
/* User address spaces' page tables. */
#include "arch/x86/init.h"
#include "arch/x86/pagewalk.h"
#include "arch/x86/tlb.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"

static pte_t *table_at(paddr_t table)
{
	return phys_to_virt(table);
}

static paddr_t table_alloc(void *arg)
{
	struct pgd *pgd = arg;
	struct frame *f = frames_alloc(0, FRAME_PAGE_TABLE, FRAME_ZERO);

	if (f == NULL)
		return 0;
	pgd->nr_tables++;
	return frame_phys(f);
}

static struct page_walk walk_of(struct pgd *pgd)
{
	return (struct page_walk){
		.at = table_at, .alloc = table_alloc, .arg = pgd,
		.table_flags = PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED,
	};
}

int pgd_init(struct pgd *pgd)
{
	struct frame *f = frames_alloc(0, FRAME_PAGE_TABLE, FRAME_ZERO);
	pte_t *top;

	if (f == NULL)
		return -ENOMEM;
	f->owner = pgd;			/* tlb.c finds the pgd by its root */
	top = frame_virt(f);
	memcpy(top + 256, (pte_t *)phys_to_virt(kernel_root()) + 256, 256 * sizeof(pte_t));
	pgd->root = frame_phys(f);
	pgd->cpu_mask[0] = 0;
	pgd->nr_tables = 1;
	return 0;
}

static void table_free(paddr_t table, void *arg)
{
	struct pgd *pgd = arg;

	pgd->nr_tables--;
	frames_free(frame_of_phys(table), 0);
}

void pgd_destroy(struct pgd *pgd)
{
	struct page_walk w = walk_of(pgd);

	tlb_evict(pgd);			/* CPUs that run a kernel thread on it still */
	page_walk_tables(&w, pgd->root, 0, 255, table_free, pgd);
	table_free(pgd->root, pgd);
	BUG_ON(pgd->nr_tables != 0);
	pgd->root = 0;
}

pte_t *pte_slot(struct pgd *pgd, u64 va, bool alloc)
{
	struct page_walk w = walk_of(pgd);

	DEBUG_BUG_ON(va >= USER_END);
	return page_walk_entry(&w, pgd->root, va, 0, alloc);
}

u64 pte_next_table(struct pgd *pgd, u64 va)
{
	struct page_walk w = walk_of(pgd);

	return page_walk_next_table(&w, pgd->root, va, USER_END);
}
