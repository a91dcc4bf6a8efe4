/* SPDX-License-Identifier: MIT */
/*
 * Passes over the PTEs of a range that is closed to faults. What is BUSY or CLEANING is waited for. A line that loses a PTE
 * is pinned until the shootdown of the batch, so that its frame is neither read for a flush nor used for another page while
 * a CPU may still get at it; a private line that lost its last owner is LEAVING until then, and dropped.
 *
 * Before anything is waited for, the batch is flushed and the pins are gone.
 */
#include "managers/processor/space/space_impl.h"

#include "lib/base/printk.h"

struct pass {
	struct space *s;
	struct tlb_batch tlb;
	struct pcache_line *pinned[TLB_BATCH_MAX];
	unsigned nr;
	/* on a page in a line (set lock held, owner's PTE present), and on one that is PRIVATE but not present */
	void (*present)(struct pass *p, struct pcache_line *line, struct pcache_owner *o);
	void (*absent)(struct pass *p, struct pcache_set *set, u64 vpn, pte_t *slot);
	bool forget;		/* EMPTY marks go, too */
	u32 prot;
};

static void pass_init(struct pass *p, struct space *s)
{
	*p = (struct pass){ .s = s };
	tlb_batch_init(&p->tlb);
}

static void pass_flush(struct pass *p)
{
	tlb_batch_flush(&p->tlb);
	for (unsigned i = 0; i < p->nr; i++)
		line_unpin(p->pinned[i]);
	p->nr = 0;
}

static void pin(struct pass *p, struct pcache_line *line)
{
	line->pins++;
	p->pinned[p->nr++] = line;
}

/* Drops the set lock and sleeps until something there changed. */
static void wait_set(struct pass *p, struct pcache_set *set)
{
	u32 seen = set->events;

	spin_unlock(&set->lock);
	pass_flush(p);
	set_wait_plain(set, seen);
}

/* false: look again */
static bool at_present(struct pass *p, u64 vpn, pte_t *slot, pte_t v)
{
	struct pcache_line *line = line_of_pte(v);
	struct pcache_set *set = line == NULL ? NULL : READ_ONCE(line->page.set);
	struct pcache_owner *o;

	if (set == NULL)
		return false;
	spin_lock(&set->lock);
	if (line->page.set != set || !pte_present(pte_read(slot)) || line_of_pte(pte_read(slot)) != line) {
		spin_unlock(&set->lock);
		return false;
	}
	if (line->state == LINE_CLEANING) {
		wait_set(p, set);
		return false;
	}
	o = owner_find(&line->page, p->s, vpn);
	BUG_ON(o == NULL);
	if (p->present != NULL)
		p->present(p, line, o);
	spin_unlock(&set->lock);
	if (p->nr == ARRAY_SIZE(p->pinned) || p->tlb.nr == TLB_BATCH_MAX)
		pass_flush(p);
	return true;
}

static bool at_private(struct pass *p, u64 vpn, pte_t *slot, pte_t v)
{
	struct page_id id = { p->s->salt, vpn };
	struct pcache_set *set = pcache_set_of(id);
	struct pcache_line *line;

	spin_lock(&set->lock);
	if (pte_read(slot) != v) {
		spin_unlock(&set->lock);
		return false;
	}
	line = set_line_private(set, id, p->s);
	if (line != NULL && line->state == LINE_CLEANING) {
		wait_set(p, set);
		return false;
	}
	if (p->absent != NULL)
		p->absent(p, set, vpn, slot);
	spin_unlock(&set->lock);
	return true;
}

static void forget_mark(struct pass *p, pte_t *slot)
{
	pte_t v;

	spin_lock(&p->s->pt_lock);
	v = pte_read(slot);
	if (!pte_present(v) && !pte_busy(v) && !pte_private(v))
		(void)pte_xchg(slot, 0);
	spin_unlock(&p->s->pt_lock);
}

static void at_slot(struct pass *p, u64 vpn, pte_t *slot)
{
	for (;;) {
		pte_t v = pte_read(slot);

		if (pte_busy(v)) {
			pass_flush(p);
			pte_wait_plain(p->s, vpn, slot);
		} else if (pte_present(v)) {
			if (at_present(p, vpn, slot, v))
				return;
		} else if (pte_private(v)) {
			if (at_private(p, vpn, slot, v))
				return;
		} else {
			if (v != 0 && p->forget)
				forget_mark(p, slot);
			return;
		}
	}
}

static void pass_run(struct pass *p, u64 start, u64 end)
{
	u64 va = start;

	while (va < end) {
		u64 table_end;
		pte_t *slot;

		spin_lock(&p->s->pt_lock);
		va = pte_next_table(&p->s->pgd, va);
		slot = va < end ? pte_slot(&p->s->pgd, va, false) : NULL;
		spin_unlock(&p->s->pt_lock);
		if (va >= end || slot == NULL)
			break;
		table_end = MIN(ALIGN_DOWN(va, 512 * PAGE_SIZE) + 512 * PAGE_SIZE, end);
		for (; va < table_end; va += PAGE_SIZE, slot++) {
			if (pte_read(slot) != 0)
				at_slot(p, va >> PAGE_SHIFT, slot);
		}
	}
	pass_flush(p);
}

/* --- contents go --- */

static void zap_present(struct pass *p, struct pcache_line *line, struct pcache_owner *o)
{
	(void)owner_unmap(&line->page, o, 0, &p->tlb);
	owner_remove(&line->page, o);
	pin(p, line);
	if (line->page.nr_owners == 0)
		line_step(line, line->page.object != NULL ? LINE_EV_LAST_UNMAP : LINE_EV_LEAVE);
}

static void zap_absent(struct pass *p, struct pcache_set *set, u64 vpn, pte_t *slot)
{
	struct page_id id = { p->s->salt, vpn };
	struct pcache_line *line = set_line_private(set, id, p->s);
	struct pcache_victim *v = line != NULL ? NULL : set_victim_private(set, id, p->s);
	struct pcache_page *page = line != NULL ? &line->page : v != NULL ? &v->page : NULL;

	spin_lock(&p->s->pt_lock);
	(void)pte_xchg(slot, 0);
	spin_unlock(&p->s->pt_lock);
	if (page == NULL)
		return;
	owner_remove(page, owner_find(page, p->s, vpn));
	if (page->nr_owners != 0)
		return;
	if (v != NULL) {
		victim_drop(v);
		return;
	}
	line_step(line, LINE_EV_LEAVE);
	line_settle(line);
}

void space_zap(struct space *s, u64 start, u64 end)
{
	struct pass p;

	pass_init(&p, s);
	p.present = zap_present;
	p.absent = zap_absent;
	p.forget = true;
	pass_run(&p, start, end);
}

/* --- rights go --- */

static void protect_present(struct pass *p, struct pcache_line *line, struct pcache_owner *o)
{
	struct pcache_page *page = &line->page;

	if ((p->prot & PROT_MASK) == 0 && page->object != NULL) {	/* an object's owner has its page mapped, or is none */
		(void)owner_unmap(page, o, MARK_EMPTY, &p->tlb);
		owner_remove(page, o);
		pin(p, line);
		if (page->nr_owners == 0)
			line_step(line, LINE_EV_LAST_UNMAP);
		return;
	}
	if ((p->prot & PROT_MASK) == 0) {
		(void)owner_unmap(page, o, MARK_PRIVATE, &p->tlb);
		pin(p, line);
		return;
	}
	if (!(p->prot & PROT_WRITE))
		(void)owner_write_protect(page, o, &p->tlb);
	if (!(p->prot & PROT_EXEC) && !(pte_read(o->slot) & PTE_NX)) {
		(void)__atomic_fetch_or(o->slot, PTE_NX, __ATOMIC_SEQ_CST);
		tlb_batch_add(&p->tlb, &p->s->pgd, o->vpn << PAGE_SHIFT);
	}
}

void space_protect_ptes(struct space *s, u64 start, u64 end, u32 prot)
{
	struct pass p;

	pass_init(&p, s);
	p.present = protect_present;
	p.prot = prot;
	pass_run(&p, start, end);
}

void space_settle(struct space *s, u64 start, u64 end)
{
	struct pass p;

	pass_init(&p, s);
	pass_run(&p, start, end);
}
