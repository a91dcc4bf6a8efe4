/* SPDX-License-Identifier: MIT */
/* The walk of a pass over the PTEs of a range: see pass.h. */
#include "managers/processor/space/pass.h"

#include "kernel/time.h"
#include "lib/base/printk.h"

void pass_init(struct pass *p, struct space *s)
{
	*p = (struct pass){ .s = s };
	tlb_batch_init(&p->tlb);
}

static void pass_flush(struct pass *p)
{
	if (p->child == NULL || RULE(FORK_SHOOTDOWN))
		tlb_batch_flush(&p->tlb);
	for (unsigned i = 0; i < p->nr; i++)
		line_unpin(p->pinned[i]);
	p->nr = 0;
}

void pass_pin(struct pass *p, struct pcache_line *line)
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

static void at_slot(struct pass *p, u64 vpn, pte_t *slot);

/*
 * No lock held. false: look at the page again. What M refuses for good ends a fork, which takes back what it did; mremap cannot, and the
 * page's owners are given up.
 */
static bool clean(struct pass *p, u64 vpn)
{
	const int *lost = &p->s->lost;
	int rc;

	do {
		rc = pcache_clean_private_page((struct page_id){ p->s->salt, vpn }, p->s, p->child == NULL);
		if (rc < 0 && p->child != NULL) {
			p->rc = -ENOMEM;
			return true;
		}
		if (rc == -ENOMEM)
			thread_sleep_ns(NSEC_PER_MSEC);
	} while (rc == -ENOMEM && READ_ONCE(*lost) == 0);
	return READ_ONCE(*lost) != 0;	/* the space's memory is gone: there is nothing to save */
}

/* Drops the set lock. false: look at the page again. */
static bool answer(struct pass *p, struct pcache_set *set, u64 vpn, enum pass_answer a)
{
	switch (a) {
	case PASS_WAIT:
		wait_set(p, set);
		return false;
	case PASS_AGAIN:
		spin_unlock(&set->lock);
		return false;
	case PASS_CLEAN:
		spin_unlock(&set->lock);
		pass_flush(p);
		return clean(p, vpn);
	case PASS_ROOM:
		spin_unlock(&set->lock);
		pass_flush(p);
		(void)line_make_room(p->room, false);
		return false;
	case PASS_WAY:
		spin_unlock(&set->lock);
		p->depth++;
		at_slot(p, p->way.vpn, p->way.slot);
		p->depth--;
		return false;
	case PASS_UNLOCKED:
		return true;
	default:
		spin_unlock(&set->lock);
		return true;
	}
}

/* false: look again */
static bool at_present(struct pass *p, u64 vpn, pte_t *slot, pte_t v)
{
	struct pcache_line *line = line_of_pte(v);
	struct pcache_set *set = line == NULL ? NULL : READ_ONCE(line->page.set);
	struct pcache_owner *o;

	if (v & PTE_FOREIGN) {
		if (p->foreign != NULL)
			p->foreign(p, vpn, slot);
		return true;
	}
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
	if (!answer(p, set, vpn, p->present == NULL ? PASS_DONE : p->present(p, line, o)))
		return false;
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
	return answer(p, set, vpn, p->absent == NULL ? PASS_DONE : p->absent(p, set, line, vpn, slot));
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
			if (v != 0 && p->empty != NULL)
				p->empty(p, vpn, slot);
			return;
		}
	}
}

/* The entries [first, last) of a table whose entry 0 is for the page vpn. */
static void run_table(struct pass *p, u64 vpn, pte_t *table, unsigned first, unsigned last)
{
	for (unsigned i = pte_next_used(table, first); i < last && p->rc == 0; i = pte_next_used(table, i + 1))
		at_slot(p, vpn + i, &table[i]);
}

void pass_run(struct pass *p, u64 start, u64 end)
{
	u64 va = start;

	while (va < end && p->rc == 0) {
		u64 first, last;
		pte_t *slot;

		spin_lock(&p->s->pt_lock);
		va = pte_next_table(&p->s->pgd, va);
		slot = va < end ? pte_slot(&p->s->pgd, va, false) : NULL;
		spin_unlock(&p->s->pt_lock);
		if (va >= end || slot == NULL)
			break;
		first = (va >> PAGE_SHIFT) % PTES_PER_TABLE;
		va -= first * PAGE_SIZE;
		last = MIN((end - va) >> PAGE_SHIFT, (u64)PTES_PER_TABLE);
		run_table(p, va >> PAGE_SHIFT, slot - first, first, last);
		va += last * PAGE_SIZE;
	}
	pass_flush(p);
}
