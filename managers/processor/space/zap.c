/* SPDX-License-Identifier: MIT */
/* Contents that go (munmap, exit, MADV_DONTNEED) and rights that go (mprotect): the passes over their PTEs. */
#include "managers/processor/space/pass.h"

#include "lib/base/printk.h"

/* --- contents go --- */

static enum pass_answer zap_present(struct pass *p, struct pcache_line *line, struct pcache_owner *o)
{
	(void)owner_unmap(&line->page, o, 0, &p->tlb);
	owner_remove(&line->page, o);
	if (RULE(ZAP_PINS))
		pass_pin(p, line);
	shadow_gone(&line->page);
	if (line->page.nr_owners == 0)
		line_step(line, line->page.object != NULL ? LINE_EV_LAST_UNMAP : LINE_EV_LEAVE);
	if (!RULE(ZAP_PINS))
		line_settle(line);
	return PASS_DONE;
}

static enum pass_answer zap_absent(struct pass *p, struct pcache_set *set, struct pcache_line *line, u64 vpn, pte_t *slot)
{
	struct page_id id = { p->s->salt, vpn };
	struct pcache_victim *v = line != NULL || !RULE(ZAP_VICTIMS) ? NULL : set_victim_private(set, id, p->s);
	struct pcache_page *page = line != NULL ? &line->page : v != NULL ? &v->page : NULL;

	spin_lock(&p->s->pt_lock);
	(void)pte_xchg(slot, 0);
	spin_unlock(&p->s->pt_lock);
	if (page == NULL)
		return PASS_DONE;
	owner_remove(page, owner_find(page, p->s, vpn));
	shadow_gone(page);
	if (page->nr_owners != 0)
		return PASS_DONE;
	if (v != NULL) {
		victim_drop(v);
		return PASS_DONE;
	}
	line_step(line, LINE_EV_LEAVE);
	line_settle(line);
	return PASS_DONE;
}

static void zap_empty(struct pass *p, u64 vpn, pte_t *slot)
{
	pte_t v;

	spin_lock(&p->s->pt_lock);
	v = pte_read(slot);
	if (!pte_present(v) && !pte_busy(v) && !pte_private(v))
		(void)pte_xchg(slot, 0);
	spin_unlock(&p->s->pt_lock);
}

static void zap_foreign(struct pass *p, u64 vpn, pte_t *slot)
{
	spin_lock(&p->s->pt_lock);
	(void)pte_xchg(slot, 0);
	spin_unlock(&p->s->pt_lock);
	tlb_batch_add(&p->tlb, &p->s->pgd, vpn << PAGE_SHIFT);
	if (p->tlb.nr == TLB_BATCH_MAX)
		tlb_batch_flush(&p->tlb);
}

void space_zap(struct space *s, u64 start, u64 end)
{
	struct pass p;

	pass_init(&p, s);
	p.present = zap_present;
	p.absent = zap_absent;
	p.empty = zap_empty;
	p.foreign = zap_foreign;
	pass_run(&p, start, end);
}

/* --- rights go --- */

static enum pass_answer protect_present(struct pass *p, struct pcache_line *line, struct pcache_owner *o)
{
	struct pcache_page *page = &line->page;

	if ((p->prot & PROT_MASK) == 0 && page->object != NULL) {	/* an object's owner has its page mapped, or is none */
		(void)owner_unmap(page, o, MARK_EMPTY, &p->tlb);
		owner_remove(page, o);
		pass_pin(p, line);
		if (page->nr_owners == 0)
			line_step(line, LINE_EV_LAST_UNMAP);
		return PASS_DONE;
	}
	if ((p->prot & PROT_MASK) == 0) {
		(void)owner_unmap(page, o, MARK_PRIVATE, &p->tlb);
		pass_pin(p, line);
		return PASS_DONE;
	}
	if (!(p->prot & PROT_WRITE))
		(void)owner_write_protect(page, o, &p->tlb);
	if (!(p->prot & PROT_EXEC) && !(pte_read(o->slot) & PTE_NX)) {
		(void)__atomic_fetch_or(o->slot, PTE_NX, __ATOMIC_SEQ_CST);
		tlb_batch_add(&p->tlb, &p->s->pgd, o->vpn << PAGE_SHIFT);
	}
	return PASS_DONE;
}

void space_protect_ptes(struct space *s, u64 start, u64 end, u32 prot)
{
	struct pass p;

	pass_init(&p, s);
	p.present = protect_present;
	p.prot = prot;
	pass_run(&p, start, end);
}

