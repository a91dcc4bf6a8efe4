/* SPDX-License-Identifier: MIT */
/*
 * The fake MMU: page tables in plain memory and a TLB for every fiber, which keeps a translation until it is flushed, or
 * until chance drops it. A missing shootdown is seen as a wrong word.
 */
#include <stdlib.h>

#include "arch/x86/regs.h"
#include "arch/x86/vdso.h"
#include "lib/base/string.h"
#include "managers/processor/pcache/sim.h"
#include "mm/frame.h"

#define MAX_TABLES 64
struct fake_root {
	struct { u64 base; pte_t *pte; } table[MAX_TABLES];
	unsigned nr;
};

void sim_mmu_reset(void) { }

static struct fake_root *root_of(const struct pgd *pgd) { return (void *)(uintptr_t)pgd->root; }

int pgd_init(struct pgd *pgd)
{
	pgd->root = (paddr_t)(uintptr_t)calloc(1, sizeof(struct fake_root));
	return 0;
}

static void tlb_forget(void *tlb, void *arg)
{
	struct sim_tlb *t = tlb;

	for (unsigned i = 0; i < SIM_TLB_SIZE; i++)
		if (t->e[i].pgd == arg)
			t->e[i].valid = false;
}

void pgd_destroy(struct pgd *pgd)
{
	struct fake_root *r = root_of(pgd);

	sim_for_each_tlb(tlb_forget, pgd);
	for (unsigned i = 0; i < r->nr; i++) {
		for (unsigned k = 0; k < 512; k++)
			if (r->table[i].pte[k] != 0)
				sim_fail("PTE %llx left in a dead space", (unsigned long long)r->table[i].pte[k]);
		free(r->table[i].pte);
	}
	free(r);
}

pte_t *pte_slot(struct pgd *pgd, u64 va, bool alloc)
{
	struct fake_root *r = root_of(pgd);
	u64 base = va >> 21;

	for (unsigned i = 0; i < r->nr; i++)
		if (r->table[i].base == base)
			return &r->table[i].pte[va >> 12 & 511];
	if (!alloc || r->nr == MAX_TABLES)
		return NULL;
	r->table[r->nr].base = base;
	r->table[r->nr].pte = calloc(512, sizeof(pte_t));
	return &r->table[r->nr++].pte[va >> 12 & 511];
}

u64 pte_next_table(struct pgd *pgd, u64 va)
{
	struct fake_root *r = root_of(pgd);
	u64 best = USER_END;

	for (unsigned i = 0; i < r->nr; i++) {
		u64 start = r->table[i].base << 21;

		if (start + (512 << 12) > va && MAX(start, va) < best)
			best = MAX(start, va);
	}
	return best;
}

/* --- shootdown --- */

void tlb_batch_init(struct tlb_batch *b)
{
	b->nr = 0;
	b->all = false;
}
void tlb_batch_add(struct tlb_batch *b, struct pgd *pgd, u64 va)
{
	if (b->nr == TLB_BATCH_MAX) {
		b->all = true;
		return;
	}
	b->page[b->nr].pgd = pgd;
	b->page[b->nr++].va = va;
}

static void tlb_shoot(void *tlb, void *arg)
{
	struct sim_tlb *t = tlb;
	struct tlb_batch *b = arg;

	for (unsigned i = 0; i < SIM_TLB_SIZE; i++) {
		if (b->all)
			t->e[i].valid = false;
		for (unsigned k = 0; k < b->nr; k++)
			if (t->e[i].pgd == b->page[k].pgd && t->e[i].vpn == b->page[k].va >> 12)
				t->e[i].valid = false;
	}
}

void tlb_batch_flush(struct tlb_batch *b)
{
	might_sleep();
	if (b->nr == 0 && !b->all)
		return;
	for (unsigned n = sim_random(4) == 0 ? 60 : 1; n > 0; n--)	/* interrupts take their time */
		sim_point();
	sim_for_each_tlb(tlb_shoot, b);
	tlb_batch_init(b);
}

/* --- what a program does --- */

static struct sim_tlb_entry *tlb_find(struct sim_tlb *t, struct pgd *pgd, u64 vpn)
{
	for (unsigned i = 0; i < SIM_TLB_SIZE; i++)
		if (t->e[i].valid && t->e[i].pgd == pgd && t->e[i].vpn == vpn)
			return &t->e[i];
	return NULL;
}

/* The walk: sets A, and D for a write, as the CPU does. */
static bool tlb_load(struct sim_tlb *t, struct space *s, u64 vpn, bool write)
{
	pte_t *slot = pte_slot(&s->pgd, vpn << 12, false);
	struct sim_tlb_entry *e = tlb_find(t, &s->pgd, vpn);

	if (e != NULL)
		e->valid = false;
	if (slot == NULL || !(*slot & PTE_PRESENT) || (write && !(*slot & PTE_WRITE)))
		return false;
	*slot |= PTE_ACCESSED | (write ? PTE_DIRTY : 0);
	t->e[sim_random(SIM_TLB_SIZE)] = (struct sim_tlb_entry){ &s->pgd, vpn, pte_phys(*slot), *slot & PTE_WRITE, *slot & PTE_DIRTY, true };
	return true;
}

int sim_access(struct space *s, u64 va, bool write, void (*check)(void *arg, u64 *word), void *arg)
{
	struct sim_tlb *t = sim_tlb();
	u64 vpn = va >> 12;

	for (;;) {
		struct sim_tlb_entry *e = tlb_find(t, &s->pgd, vpn);
		int rc;

		if (e != NULL && sim_random(16) == 0) {
			e->valid = false;
			e = NULL;
		}
		if (e != NULL && (!write || (e->write && e->dirty))) {
			check(arg, (u64 *)(phys_to_virt(e->pa) + (va & 4095)));
			return 0;
		}
		if (tlb_load(t, s, vpn, write))
			continue;
		rc = space_fault(s, va, FAULT_USER | (write ? FAULT_WRITE : 0));
		if (rc < 0)
			return rc;
		sim_point();
	}
}

int sim_instruction(struct space *s, const u64 *va, unsigned nr, unsigned writes)
{
	for (;;) {
		unsigned i;

		for (i = 0; i < nr; i++) {
			pte_t *slot = pte_slot(&s->pgd, va[i], false);
			bool write = writes >> i & 1;
			int rc;

			if (slot != NULL && (*slot & PTE_PRESENT) && (!write || (*slot & PTE_WRITE)))
				continue;
			rc = space_fault(s, va[i], FAULT_USER | (write ? FAULT_WRITE : 0));
			if (rc < 0)
				return rc;
			sim_point();
			break;
		}
		if (i == nr)
			return 0;
	}
}

/* No vDSO here: nothing maps one. */
unsigned vdso_nr_pages(void) { return 0; }
paddr_t vdso_page_phys(unsigned nr) { return nr * PAGE_SIZE; }
