/* SPDX-License-Identifier: MIT */
/*
 * Bringing a page into its set for a fault: a hit, a page taken back from the victim cache, a page of zeros, a fetch.
 *
 * While its PTE is BUSY a fetch waits for nothing but M's answer: the line is there before it begins (its set's, or the
 * reserve's). Room in the set is made by the sweep daemon; if it is behind, here, while the network works, as far as that needs
 * no waiting, and the rest afterwards.
 */
#include "managers/processor/pcache/fault.h"

#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/protocol/memory_ops.h"

bool fault_valid(struct fault *f)
{
	pte_t now = pte_read(f->slot);

	/* a page that is given up leaves a PTE as it was before its flush, and what M has of it is not what it was */
	if (READ_ONCE(f->s->lost) != 0)
		return false;
	return ((now ^ f->pte) & ~(pte_present(now) ? PTE_ACCESSED | PTE_DIRTY : 0)) == 0 && (f->s->seq == f->seq || !RULE(SEQUENCE)) &&
	       !space_closed(f->s, f->vpn);
}

bool fault_lock(struct fault *f, struct pcache_set *set)
{
	spin_lock(&set->lock);
	spin_lock(&f->s->pt_lock);
	if (fault_valid(f))
		return true;
	fault_unlock(f, set);
	return false;
}

void fault_unlock(struct fault *f, struct pcache_set *set)
{
	spin_unlock(&f->s->pt_lock);
	spin_unlock(&set->lock);
}

int fault_wait_set(struct fault *f, struct pcache_set *set)
{
	u32 seen = set->events;

	fault_unlock(f, set);
	count(nr_pgfault_due_to_concurrent_eviction);
	f->waited = true;
	return set_wait(set, seen);
}

bool fault_recheck(struct fault *f)
{
	struct vma *v;
	bool same;

	if (space_closed(f->s, f->vpn))
		return false;
	if (f->s->seq == f->seq || !RULE(SEQUENCE))
		return true;
	spin_lock(&f->s->vma_lock);
	v = vma_find(&f->s->map, f->va);
	same = v != NULL && v->object == f->vma.object && v->prot == f->vma.prot &&
	       (v->flags & VMA_SHARED) == (f->vma.flags & VMA_SHARED) &&
	       (v->object == 0 || v->index + ((f->va - v->start) >> PAGE_SHIFT) == f->object_index);
	spin_unlock(&f->s->vma_lock);
	return same;
}

bool fault_may_write(const struct fault *f, const struct pcache_line *line)
{
	if (!(f->vma.prot & PROT_WRITE) || line->state != LINE_MAPPED || line->pins != 0)
		return false;
	if (line->page.object != NULL)
		return f->vma.flags & VMA_SHARED;
	return !page_shared(&line->page);
}

void fault_map(struct fault *f, struct pcache_line *line)
{
	pte_t v = page_phys(&line->page) | PTE_PRESENT | PTE_USER | PTE_ACCESSED;

	if (!(f->vma.prot & PROT_EXEC))
		v |= PTE_NX;
	if (fault_may_write(f, line))
		v |= PTE_WRITE | (f->write && RULE(COW_DIRTY) ? PTE_DIRTY : 0);
	if (line->page.ahead) {
		f->used_ahead = true;
		page_used(&line->page, f->waited);
	}
	if (!pte_present(f->pte) && !(f->pte & MARK_TOUCHED))
		__atomic_fetch_add(&f->s->footprint, 1, __ATOMIC_RELAXED);
	(void)pte_xchg(f->slot, v);
	token_keep(line);
}

/* --- hits --- */

static int hit_private(struct fault *f, struct pcache_set *set, struct pcache_line *line)
{
	if (line->state != LINE_MAPPED && line->state != LINE_CLEANING)
		return fault_wait_set(f, set);
	if (f->write && (line->state == LINE_CLEANING || line->pins != 0))
		return fault_wait_set(f, set);
	if (f->write && page_shared(&line->page))
		return cow_private(f, set, line);
	fault_map(f, line);
	fault_unlock(f, set);
	return FAULT_HIT;
}

/* Take a page back from the victim cache. Its other owners fault by themselves. */
static int take_back(struct fault *f, struct pcache_set *set, struct pcache_victim *v)
{
	struct pcache_line *line;
	bool shared_write = f->write && v->page.object == NULL && page_shared(&v->page), trim;

	if (v->state != VICTIM_HELD || !pcache.p.victim_hits) {
		if (v->state == VICTIM_HELD)
			flush_kick(true);
		count(nr_victim_flush_sync);
		return fault_wait_set(f, set);
	}
	line = line_take(set, v->page.id, v->page.object);
	if (line == NULL) {
		fault_unlock(f, set);
		return line_make_room(set, true);
	}
	if (v->page.object != NULL && owner_add(&line->page, f->s, f->vpn, f->slot) == NULL) {
		line_release(line, LINE_EV_VOID);
		fault_unlock(f, set);
		return -ENOMEM;
	}
	victim_take(v, line);
	count(nr_victim_hit);
	line_step(line, LINE_EV_INSTALL);
	if (!shared_write)
		fault_map(f, line);
	trim = evict_keep(set, line);
	fault_unlock(f, set);
	if (trim)
		evict_trim_but(set, line);
	return shared_write ? -EAGAIN : FAULT_VICTIM;
}

/* --- zeros --- */

int fault_zero(struct fault *f)
{
	struct page_id id = fault_private_id(f);
	struct pcache_set *set = pcache_set_of(id);
	struct pcache_line *line;
	bool trim;

	if (!fault_lock(f, set))
		return -EAGAIN;
	line = line_take(set, id, NULL);
	if (line == NULL) {
		fault_unlock(f, set);
		return line_make_room(set, true);
	}
	if (owner_add(&line->page, f->s, f->vpn, f->slot) == NULL) {
		line_release(line, LINE_EV_VOID);
		fault_unlock(f, set);
		return -ENOMEM;
	}
	page_zero(page_data(&line->page));
	line->page.zero = true;
	line_step(line, LINE_EV_INSTALL);
	fault_map(f, line);
	trim = evict_keep(set, line);
	fault_unlock(f, set);
	if (trim)
		evict_trim_but(set, line);
	return FAULT_ZERO;
}

/* --- fetches --- */

struct fetch {
	struct page_id id;	/* of the line */
	struct object *object;	/* of the line; NULL: private */
	u16 node;
	u64 space, index;	/* what M is asked for */
	bool copy;		/* an object's page into a private line: born dirty */
};

static int fetch_error(int rc, const struct fetch *w)
{
	if (rc == -EFAULT)
		return wire_is_object(w->space) ? -ENXIO : -EIO;
	return rc == -ESRCH ? -EIO : rc;
}

/* Locked: make the line, mark the PTE. Unlocks. */
static struct pcache_line *fetch_begin(struct fault *f, struct pcache_set *set, const struct fetch *w, u64 *change, int *rc)
{
	struct pcache_line *line = line_take(set, w->id, w->object);

	if (line == NULL) {
		fault_unlock(f, set);
		*rc = line_make_room(set, true);
		return NULL;
	}
	if (owner_add(&line->page, f->s, f->vpn, f->slot) == NULL) {
		line_release(line, LINE_EV_VOID);
		fault_unlock(f, set);
		*rc = -ENOMEM;
		return NULL;
	}
	(void)pte_xchg(f->slot, f->pte | MARK_BUSY);
	*change = wire_is_object(w->space) || !RULE(CHANGE_NUMBERS) ? 0 : f->s->change;
	fault_unlock(f, set);
	return line;
}

/* The page is here or not: map it, or undo all. */
static int fetch_end(struct fault *f, struct pcache_set *set, const struct fetch *w, struct pcache_line *line, int rc)
{
	bool take, trim = false;

	spin_lock(&set->lock);
	spin_lock(&f->s->pt_lock);
	take = (rc >= 0 || !RULE(FILL_CHECKED)) && fault_recheck(f);
	if (take) {
		line->page.dirty = w->copy && RULE(COW_DIRTY);
		line_step(line, LINE_EV_INSTALL);
		fault_map(f, line);
		trim = evict_keep(set, line);
		rc = FAULT_MEMORY;
	} else {
		(void)pte_xchg(f->slot, f->pte);
		owner_remove(&line->page, list_first(&line->page.owners, struct pcache_owner, link));
		line_release(line, LINE_EV_VOID);
		count(nr_pcache_fill_undone);
		rc = rc < 0 ? fetch_error(rc, w) : -EAGAIN;
	}
	fault_unlock(f, set);
	pte_waiters_wake(f->s, f->vpn);
	if (trim)
		evict_trim_but(set, line);
	return rc;
}

/* While the network works: pages ahead of their use are asked for, and room is made. asked: the miss has left; neither is done before. */
static void meanwhile(struct fault *f, struct pcache_set *set, const struct fetch *w, bool asked)
{
	if (asked == RULE(MISS_BEFORE_AHEAD))
		prefetch_missed(f, w->copy);
	if (asked == RULE(MISS_BEFORE_ROOM))
		(void)evict_try(set);
}

/* Locked; unlocks. */
static int fetch(struct fault *f, struct pcache_set *set, const struct fetch *w)
{
	struct rpc_memory_fill_req req;
	struct pcache_line *line;
	struct rpc call;
	u64 change;
	int rc = 0;

	line = fetch_begin(f, set, w, &change, &rc);
	if (line == NULL)
		return rc;
	turn_page_missed(w->id);
	req = (struct rpc_memory_fill_req){
		.space = le64_of(w->space), .index = le64_of(w->index), .change = le64_of(change),
		.flags = le32_of(f->write ? WIRE_FILL_WRITE : 0),
	};
	call = (struct rpc){
		.node = w->node, .op = RPC_memory_fill, .req = &req, .rep = page_data(&line->page), .rep_size = PAGE_SIZE,
	};
	changes_push(f->s, change);
	meanwhile(f, set, w, false);
	rc = rpc_start(&call);
	if (rc == 0) {
		meanwhile(f, set, w, true);
		rc = rpc_wait(&call);
		rc = fill_result(rc, call.rep_len);
	}
	if (rc == FILL_ZERO) {
		page_zero(page_data(&line->page));
		count(nr_pcache_fill_from_memory_zero);
	}
	return fetch_end(f, set, w, line, rc);
}

int fault_private(struct fault *f)
{
	struct page_id id = fault_private_id(f);
	struct pcache_set *set = pcache_set_of(id);
	struct pcache_victim *v;
	struct pcache_line *line;

	if (!fault_lock(f, set))
		return -EAGAIN;
	line = set_line_private(set, id, f->s);
	if (line != NULL)
		return hit_private(f, set, line);
	count(nr_victim_lookup);
	v = set_victim_private(set, id, f->s);
	if (v != NULL)
		return take_back(f, set, v);
	return fetch(f, set, &(struct fetch){ id, NULL, f->s->memory_node, f->s->id, f->vpn, false });
}

static int hit_object(struct fault *f, struct pcache_set *set, struct pcache_line *line)
{
	if (line->state == LINE_FILLING || line->state == LINE_LEAVING)
		return fault_wait_set(f, set);
	if (f->write && line->state == LINE_CLEANING)
		return fault_wait_set(f, set);
	if (line->pins != 0)		/* a pinned line gets no new owner */
		return fault_wait_set(f, set);
	if (owner_add(&line->page, f->s, f->vpn, f->slot) == NULL) {
		fault_unlock(f, set);
		return -ENOMEM;
	}
	if (line->state == LINE_IDLE)
		line_step(line, LINE_EV_FIRST_MAP);
	if (line->revivals != f->object->revivals) {
		line->revivals = f->object->revivals;
		count(nr_pcache_kept_hit);
	}
	fault_map(f, line);
	fault_unlock(f, set);
	return FAULT_HIT;
}

int fault_object(struct fault *f)
{
	struct page_id id = fault_object_id(f);
	struct pcache_set *set = pcache_set_of(id);
	struct pcache_victim *v;
	struct pcache_line *line;

	if (!fault_lock(f, set))
		return -EAGAIN;
	line = set_line_object(set, id);
	if (line != NULL)
		return hit_object(f, set, line);
	count(nr_victim_lookup);
	v = set_victim_object(set, id);
	if (v != NULL)
		return take_back(f, set, v);
	if (object_held(f->object, id.index)) {		/* a write or truncation of it is under way */
		fault_unlock(f, set);
		return object_wait_held(f->object, id.index);
	}
	return fetch(f, set, &(struct fetch){ id, f->object, f->object->memory_node, id.space, id.index, false });
}

int fault_fetch_private(struct fault *f)
{
	struct page_id id = fault_private_id(f);
	struct pcache_set *set = pcache_set_of(id);

	if (!fault_lock(f, set))
		return -EAGAIN;
	return fetch(f, set, &(struct fetch){ id, NULL, f->object->memory_node, f->object->id, f->object_index, true });
}
