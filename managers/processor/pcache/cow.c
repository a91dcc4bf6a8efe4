/* SPDX-License-Identifier: MIT */
/*
 * Copy-on-write: breaking the sharing of a page for one writer. All cases of a write to a page that is there but not to be
 * written (L29):
 *
 *	page			owners	answer
 *	private, CLEANING	any	wait
 *	private, pinned		any	wait: a shootdown for it is under way
 *	private			1	reuse: make the PTE writable
 *	private			more	copy into a new line of the same set
 *	object, shared mapping	any	make the PTE writable (CLEANING or pinned: wait)
 *	object, private mapping	any	copy into a new private line, in the set of the private identity
 *
 * A copy is born dirty, whether or not it is ever written (L17). Where the writer's space had the old frame mapped, other
 * CPUs may read it until the shootdown; the PTE is BUSY and the old line pinned until then, so that nobody reads new bytes
 * through one CPU and old ones through another, and the old frame is not reused under a reader.
 */
#include "managers/processor/pcache/fault.h"

#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"

/* The copy is there, FILLING, owned by the fault's space, its PTE BUSY: map it. Nothing is undone: this is the page now. */
static int copy_end(struct fault *f, struct pcache_set *set, struct pcache_line *copy)
{
	bool map, trim;

	spin_lock(&set->lock);
	spin_lock(&f->s->pt_lock);
	line_step(copy, LINE_EV_INSTALL);
	map = fault_recheck(f);
	if (map)
		fault_map(f, copy);
	else
		(void)pte_xchg(f->slot, MARK_PRIVATE);
	trim = evict_keep(set, copy);
	fault_unlock(f, set);
	pte_waiters_wake(f->s, f->vpn);
	if (trim)
		evict_trim_but(set, copy);
	return map ? FAULT_COW : -EAGAIN;
}

/* Locks held: from now on nobody gets at the old frame through this PTE but by a stale translation. */
static void unmap_old(struct fault *f, struct pcache_line *old, struct tlb_batch *tlb)
{
	tlb_batch_init(tlb);
	if (!pte_present(pte_xchg(f->slot, MARK_PRIVATE | MARK_BUSY)))
		return;
	tlb_batch_add(tlb, &f->s->pgd, f->va);
	old->pins++;
}

static void shoot(struct pcache_line *old, struct tlb_batch *tlb)
{
	bool pinned = tlb->nr > 0 || tlb->all;

	if (RULE(COW_SHOOTDOWN))
		tlb_batch_flush(tlb);
	if (pinned)
		line_unpin(old);
}

int cow_private(struct fault *f, struct pcache_set *set, struct pcache_line *line)
{
	struct pcache_line *copy = line_take(set, line->page.id, NULL);
	struct pcache_owner *o;
	struct tlb_batch tlb;

	if (copy == NULL) {
		fault_unlock(f, set);
		return line_make_room(set, true);
	}
	o = owner_find(&line->page, f->s, f->vpn);
	list_del(&o->link);
	line->page.nr_owners--;
	list_add_tail(&copy->page.owners, &o->link);
	copy->page.nr_owners++;
	page_copy(page_data(&copy->page), page_data(&line->page));
	copy->page.dirty = RULE(COW_DIRTY);
	unmap_old(f, line, &tlb);
	fault_unlock(f, set);
	shoot(line, &tlb);
	return copy_end(f, set, copy);
}

/* --- from an object's page to a private one: two sets --- */

static void unlock_all(struct fault *f, struct pcache_set *a, struct pcache_set *b)
{
	spin_unlock(&f->s->pt_lock);
	pcache_unlock_two(a, b);
}

/* Both sets and page tables locked, the fault valid: copy what the line holds, or the entry if there is no line. */
static void copy_page(struct fault *f, struct pcache_line *copy, struct pcache_line *line, struct pcache_victim *v,
		      struct tlb_batch *tlb)
{
	struct pcache_owner *old;

	page_copy(page_data(&copy->page), page_data(line != NULL ? &line->page : &v->page));
	copy->page.dirty = RULE(COW_DIRTY);
	tlb_batch_init(tlb);
	if (line == NULL) {
		(void)pte_xchg(f->slot, MARK_PRIVATE | MARK_BUSY);
		return;
	}
	if (line->page.ahead)
		page_used(&line->page, f->waited);
	old = owner_find(&line->page, f->s, f->vpn);
	unmap_old(f, line, tlb);
	if (old == NULL)
		return;
	owner_remove(&line->page, old);
	if (line->page.nr_owners == 0 && line->state == LINE_MAPPED)
		line_step(line, LINE_EV_LAST_UNMAP);
}

static int copy_from_set(struct fault *f, struct pcache_set *from, struct pcache_set *to, struct pcache_line *copy)
{
	struct page_id id = fault_object_id(f);
	struct pcache_line *line;
	struct pcache_victim *v;
	struct tlb_batch tlb;
	bool wait = false;
	int rc = -EAGAIN;
	u32 seen;

	pcache_lock_two(from, to);
	spin_lock(&f->s->pt_lock);
	line = set_line_object(from, id);
	v = line == NULL ? set_victim_object(from, id) : NULL;
	if (!fault_valid(f) || (line == NULL && v == NULL)) {
		;				/* look again at once */
	} else if (line != NULL && (line->state == LINE_FILLING || line->state == LINE_LEAVING)) {
		wait = true;
	} else if (owner_add(&copy->page, f->s, f->vpn, f->slot) == NULL) {
		rc = -ENOMEM;
	} else {
		copy_page(f, copy, line, v, &tlb);
		unlock_all(f, from, to);
		shoot(line, &tlb);
		return copy_end(f, to, copy);
	}
	line_release(copy, LINE_EV_VOID);
	seen = from->events;
	unlock_all(f, from, to);
	return wait ? set_wait(from, seen) : rc;
}

static int take_and_copy(struct fault *f, struct pcache_set *from)
{
	struct pcache_set *to = pcache_set_of(fault_private_id(f));
	struct pcache_line *copy;

	spin_lock(&to->lock);
	copy = line_take(to, fault_private_id(f), NULL);
	spin_unlock(&to->lock);
	if (copy == NULL)
		return line_make_room(to, true);
	return copy_from_set(f, from, to, copy);
}

int fault_copy_object(struct fault *f)
{
	struct page_id id = fault_object_id(f);
	struct pcache_set *set = pcache_set_of(id);
	struct pcache_victim *v;
	struct pcache_line *line;

	if (!fault_lock(f, set))
		return -EAGAIN;
	line = set_line_object(set, id);
	if (line != NULL && (line->state == LINE_FILLING || line->state == LINE_LEAVING))
		return fault_wait_set(f, set);
	v = line == NULL ? set_victim_object(set, id) : NULL;
	fault_unlock(f, set);
	if (line == NULL && v == NULL)
		return fault_fetch_private(f);
	return take_and_copy(f, set);
}

/* --- write fault on a present, read-only PTE --- */

static int write_private(struct fault *f, struct pcache_set *set, struct pcache_line *line)
{
	if (line->state != LINE_MAPPED || line->pins != 0)
		return fault_wait_set(f, set);
	if (page_shared(&line->page))
		return cow_private(f, set, line);
	fault_map(f, line);
	fault_unlock(f, set);
	return FAULT_REUSE;
}

int fault_write_protected(struct fault *f)
{
	struct pcache_line *line = line_of_pte(f->pte);
	struct pcache_set *set = line == NULL ? NULL : READ_ONCE(line->page.set);

	if (set == NULL)
		return -EAGAIN;		/* it is moving: the PTE is no longer what it was */
	if (!fault_lock(f, set))
		return -EAGAIN;
	if (line->page.set != set || line_of_pte(f->pte) != line) {
		fault_unlock(f, set);
		return -EAGAIN;
	}
	if (line->page.object == NULL)
		return write_private(f, set, line);
	if (f->vma.flags & VMA_SHARED) {
		if (line->state != LINE_MAPPED || line->pins != 0)
			return fault_wait_set(f, set);
		fault_map(f, line);
		fault_unlock(f, set);
		return FAULT_SHARED;
	}
	fault_unlock(f, set);
	return take_and_copy(f, set);
}
