/* SPDX-License-Identifier: MIT */
/*
 * Which CPU runs on which page table, and TLB shootdown.
 *
 * pgd->cpu_mask is a superset of the CPUs whose CR3 is pgd's: a CPU sets its bit before it loads CR3 and clears it after
 * it has loaded another. So whoever changes a PTE and then reads the mask finds every CPU that may have read the old one.
 * A kernel thread keeps the table of the thread before it; when a shootdown by another finds a CPU so, it moves to the kernel's own
 * table and is asked no more.
 */
#include "arch/x86/tlb.h"
#include "arch/x86/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/init.h"
#include "arch/x86/layout.h"
#include "arch/x86/paging.h"
#include "arch/x86/smp_internal.h"
#include "lib/base/lock.h"
#include "lib/base/printk.h"
#include "kernel/counter.h"
#include "mm/frame.h"

#define TLB_COUNTERS(X)								\
	X(nr_tlb_shootdown, "batches of translations flushed")			\
	X(nr_tlb_shootdown_ipi, "other CPUs interrupted for them")
DEFINE_COUNTERS(tlb, TLB_COUNTERS);

static DEFINE_PER_CPU(struct pgd *, loaded_pgd);	/* NULL: the kernel's own table */

#define FLUSH_PAGES_MAX	33	/* more single pages cost more than filling the TLB again */

void tlb_init(void)
{
	counters_register(&tlb_counters);
}

static void invlpg(u64 va)
{
	__asm__ volatile("invlpg (%0)" :: "r"(va) : "memory");
}

/* interrupts off */
static void pgd_switch(struct pgd *pgd)
{
	struct pgd *old = this_cpu(loaded_pgd);
	u64 self = 1ULL << cpu_id();

	if (old == pgd)
		return;
	if (pgd != NULL)
		__atomic_fetch_or(&pgd->cpu_mask[0], self, __ATOMIC_SEQ_CST);
	cr3_write(pgd != NULL ? pgd->root : kernel_root());
	this_cpu(loaded_pgd) = pgd;
	if (old != NULL)
		__atomic_fetch_and(&old->cpu_mask[0], ~self, __ATOMIC_SEQ_CST);
}

void pgd_load(struct pgd *pgd)
{
	u64 flags = irq_save();

	pgd_switch(pgd);
	irq_restore(flags);
}

void tlb_load_root(paddr_t root)
{
	pgd_switch(root != 0 ? frame_of_phys(root)->owner : NULL);
}

/* A kernel thread runs here and needs no user table: true when this CPU is on the kernel's own now. */
static bool leave_if_borrowed(void)
{
	struct thread *current = arch_current_thread();

	if (current != NULL && context_of(current)->cr3 != 0)
		return false;
	pgd_switch(NULL);
	return true;
}

static void evict_here(void *arg)
{
	if (this_cpu(loaded_pgd) == arg)
		pgd_switch(NULL);
}

void tlb_evict(struct pgd *pgd)
{
	u64 flags;

	preempt_disable();		/* "here" and "the others" are said of one CPU */
	flags = irq_save();
	evict_here(pgd);
	irq_restore(flags);
	smp_call_mask(__atomic_load_n(&pgd->cpu_mask[0], __ATOMIC_SEQ_CST), evict_here, pgd);
	preempt_enable();
	BUG_ON(__atomic_load_n(&pgd->cpu_mask[0], __ATOMIC_SEQ_CST) != 0);
}

void tlb_batch_init(struct tlb_batch *b)
{
	b->nr = 0;
	b->all = false;
	b->cpus = 0;
}

void tlb_batch_add(struct tlb_batch *b, struct pgd *pgd, u64 va)
{
	b->cpus |= __atomic_load_n(&pgd->cpu_mask[0], __ATOMIC_SEQ_CST);
	if (b->nr == TLB_BATCH_MAX) {
		b->all = true;
		return;
	}
	b->page[b->nr].pgd = pgd;
	b->page[b->nr].va = va;
	b->nr++;
}

void tlb_batch_add_range(struct tlb_batch *b, struct pgd *pgd, u64 start, u64 end)
{
	if (start >= end)
		return;
	if (end - start > (TLB_BATCH_MAX - b->nr) * PAGE_SIZE) {
		b->cpus |= __atomic_load_n(&pgd->cpu_mask[0], __ATOMIC_SEQ_CST);
		b->all = true;
		return;
	}
	for (u64 va = start; va < end; va += PAGE_SIZE)
		tlb_batch_add(b, pgd, va);
}

/* On each CPU concerned, interrupts off. */
static void batch_flush_here(void *arg)
{
	const struct tlb_batch *b = arg;
	struct pgd *loaded = this_cpu(loaded_pgd);

	if (loaded == NULL)
		return;
	if (b->all || b->nr > FLUSH_PAGES_MAX) {
		cr3_write(loaded->root);
		return;
	}
	for (unsigned i = 0; i < b->nr; i++)
		if (b->page[i].pgd == loaded)
			invlpg(b->page[i].va);
}

/* Asked for by another CPU. One that runs a kernel thread leaves the space, so that it is not asked again. */
static void batch_flush_asked(void *arg)
{
	if (this_cpu(loaded_pgd) != NULL && !leave_if_borrowed())
		batch_flush_here(arg);
}

void tlb_batch_flush(struct tlb_batch *b)
{
	u64 others, flags;

	if (b->nr == 0 && !b->all)
		return;
	might_sleep();			/* a CPU that spins for a lock of ours with interrupts off would never answer */
	count(nr_tlb_shootdown);
	preempt_disable();
	flags = irq_save();
	batch_flush_here(b);
	irq_restore(flags);
	others = b->cpus & ~(1ULL << cpu_id());
	if (others != 0) {
		for (u64 left = others; left != 0; left &= left - 1)
			count(nr_tlb_shootdown_ipi);
		smp_call_mask(others, batch_flush_asked, b);
	}
	preempt_enable();
	tlb_batch_init(b);
}

struct kernel_range { u64 va, size; };

static void kernel_flush_here(void *arg)
{
	const struct kernel_range *r = arg;

	if (r->size > FLUSH_PAGES_MAX * PAGE_SIZE) {
		u64 cr4 = cr4_read();

		cr4_write(cr4 & ~(u64)CR4_PGE);	/* global entries go too */
		cr4_write(cr4);
		return;
	}
	for (u64 va = r->va; va < r->va + r->size; va += PAGE_SIZE)
		invlpg(va);
}

void tlb_flush_kernel(u64 va, u64 size)
{
	struct kernel_range range = { va, size };
	u64 flags;

	preempt_disable();		/* "here" and "the others" are said of one CPU */
	flags = irq_save();
	kernel_flush_here(&range);
	irq_restore(flags);
	smp_call_mask(smp_online_mask(), kernel_flush_here, &range);
	preempt_enable();
}
