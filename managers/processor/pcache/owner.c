/* SPDX-License-Identifier: MIT */
/*
 * Owners: who shares a page. The pairs (space, PTE) of a line or victim entry, its reverse map. Every change of an owner's
 * PTE goes through here or through a fault, under the set lock and the space's page-table lock.
 */
#include "managers/processor/pcache/pcache.h"

#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/hash.h"
#include "managers/processor/space/space.h"
#include "mm/slab.h"

static struct kmem_cache *owner_cache;

/* Threads that wait for a PTE to be no longer BUSY; by a hash of space and page, so a wake may be for another. */
#define NR_PTE_WAITS 64
static struct waitq pte_waits[NR_PTE_WAITS];

int owner_init(void)
{
	for (unsigned i = 0; i < NR_PTE_WAITS; i++)
		waitq_init(&pte_waits[i]);
	if (owner_cache == NULL)
		owner_cache = kmem_cache_create("pcache_owner", sizeof(struct pcache_owner), 0);
	return owner_cache == NULL ? -ENOMEM : 0;
}

u64 owners_live(void) { return kmem_cache_live(owner_cache); }

struct pcache_owner *owner_add(struct pcache_page *p, struct space *s, u64 vpn, pte_t *slot)
{
	struct pcache_owner *o = kmem_cache_alloc(owner_cache);

	assert_held(&p->set->lock);
	if (o == NULL)
		return NULL;
	o->space = s;
	o->vpn = vpn;
	o->slot = slot;
	list_add_tail(&p->owners, &o->link);
	p->nr_owners++;
	count(nr_pcache_rmap_alloc);
	return o;
}

struct pcache_owner *owner_find(struct pcache_page *p, const struct space *s, u64 vpn)
{
	struct pcache_owner *o;

	list_for_each(o, &p->owners, link) {
		if (o->space == s && o->vpn == vpn)
			return o;
	}
	return NULL;
}

void owner_remove(struct pcache_page *p, struct pcache_owner *o)
{
	assert_held(&p->set->lock);
	list_del(&o->link);
	p->nr_owners--;
	kmem_cache_free(owner_cache, o);
	count(nr_pcache_rmap_free);
}

void owner_move_all(struct pcache_page *to, struct pcache_page *from)
{
	list_splice_tail(&to->owners, &from->owners);
	to->nr_owners += from->nr_owners;
	from->nr_owners = 0;
}

bool owner_unmap(struct pcache_page *p, struct pcache_owner *o, pte_t mark, struct tlb_batch *tlb)
{
	struct space *s = o->space;
	pte_t old;

	assert_held(&p->set->lock);
	spin_lock(&s->pt_lock);
	old = pte_xchg(o->slot, mark);
	spin_unlock(&s->pt_lock);
	if (!pte_present(old))
		return false;
	if ((old & PTE_DIRTY) && RULE(FOLD_DIRTY))
		p->dirty = true;
	if (p->ahead && (old & PTE_ACCESSED))
		page_used(p, false);
	tlb_batch_add(tlb, &s->pgd, o->vpn << PAGE_SHIFT);
	return true;
}

/* Also of a PTE that is read-only already: its writable forerunner may be in a TLB still. */
bool owner_write_protect(struct pcache_page *p, struct pcache_owner *o, struct tlb_batch *tlb)
{
	struct space *s = o->space;
	pte_t old, new;

	assert_held(&p->set->lock);
	spin_lock(&s->pt_lock);
	old = pte_read(o->slot);
	do {
		if (!pte_present(old)) {
			spin_unlock(&s->pt_lock);
			return false;
		}
		new = old & ~(PTE_WRITE | PTE_DIRTY);
	} while (!pte_cmpxchg(o->slot, &old, new));
	spin_unlock(&s->pt_lock);
	if (old & PTE_DIRTY)
		p->dirty = true;
	tlb_batch_add(tlb, &s->pgd, o->vpn << PAGE_SHIFT);
	return true;
}

static bool owner_bits(struct pcache_page *p, bool clear, struct tlb_batch *tlb)
{
	struct pcache_owner *o;
	bool any = false;

	assert_held(&p->set->lock);
	list_for_each(o, &p->owners, link) {
		pte_t v = pte_read(o->slot);

		if (!pte_present(v) || !(v & PTE_ACCESSED))
			continue;
		any = true;
		if (p->ahead)
			page_used(p, false);
		if (!clear)
			break;
		/* a translation that stays in a TLB never sets the bit again: hence the batch */
		(void)__atomic_fetch_and(o->slot, ~PTE_ACCESSED, __ATOMIC_SEQ_CST);
		tlb_batch_add(tlb, &o->space->pgd, o->vpn << PAGE_SHIFT);
	}
	return any;
}

bool owner_accessed(struct pcache_page *p, bool clear, struct tlb_batch *tlb)
{
	bool seen = p->accessed;

	if (clear)
		p->accessed = false;
	else if (seen)
		return true;
	return owner_bits(p, clear, tlb) || seen;
}

bool owner_touched(struct pcache_page *p, struct tlb_batch *tlb)
{
	bool any = owner_bits(p, true, tlb);

	p->accessed |= any;
	return any;
}

void owner_set_mark(struct pcache_owner *o, pte_t mark)
{
	spin_lock(&o->space->pt_lock);
	DEBUG_BUG_ON(pte_present(pte_read(o->slot)));
	(void)pte_xchg(o->slot, mark);
	spin_unlock(&o->space->pt_lock);
	pte_waiters_wake(o->space, o->vpn);
}

static struct waitq *pte_waitq(const struct space *s, u64 vpn)
{
	return &pte_waits[hash64_2(s->salt, vpn) % NR_PTE_WAITS];
}

void pte_waiters_wake(struct space *s, u64 vpn)
{
	waitq_wake_all(pte_waitq(s, vpn));
}

int pte_wait(struct space *s, u64 vpn, pte_t *slot)
{
	return waitq_wait_killable(pte_waitq(s, vpn), !pte_busy(pte_read(slot))) == 0 ? -EAGAIN : -EINTR;
}

void pte_wait_plain(struct space *s, u64 vpn, pte_t *slot)
{
	waitq_wait(pte_waitq(s, vpn), !pte_busy(pte_read(slot)));
}
