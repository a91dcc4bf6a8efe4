/* SPDX-License-Identifier: MIT */
/*
 * mremap. Pages move without their contents being copied: a line is renamed, or re-homed into its new set by swapping frame
 * numbers with a free line there; a victim entry is renamed. A page shared by copy-on-write is written home first and found
 * there by both sides.
 *
 * Both ranges are closed and everything in progress there is waited for, flushes held back; then the message is queued and
 * flushes let go: from then on a flush names a page of the old range by its new address (s->moved), moved here or not.
 */
#include "managers/processor/space/pass.h"

#include "lib/base/printk.h"
#include "managers/processor/space/abi.h"
#include "managers/protocol/memory_ops.h"

/* --- moving the pages --- */

#define WAY_MAX	8		/* pages that wait for one that is in their way */

/* pt_lock held */
static pte_t *new_slot(struct pass *p, u64 vpn)
{
	u64 to = vpn + p->delta, first = to - to % PTES_PER_TABLE;

	if (p->new_slots == NULL || p->new_first != first) {
		p->new_slots = pte_slot(&p->s->pgd, first << PAGE_SHIFT, false);
		p->new_first = first;
	}
	BUG_ON(p->new_slots == NULL);		/* made before anything was changed */
	return p->new_slots + to % PTES_PER_TABLE;
}

/* The entry goes to the page's new place. */
static pte_t *move_entry(struct pass *p, u64 vpn, pte_t *slot)
{
	pte_t *to;

	spin_lock(&p->s->pt_lock);
	to = new_slot(p, vpn);
	(void)pte_xchg(to, pte_xchg(slot, 0));
	spin_unlock(&p->s->pt_lock);
	return to;
}

static void move_mark(struct pass *p, u64 vpn, pte_t *slot, pte_t mark)
{
	spin_lock(&p->s->pt_lock);
	(void)pte_xchg(slot, 0);
	(void)pte_xchg(new_slot(p, vpn), mark);
	spin_unlock(&p->s->pt_lock);
}

static void rename_page(struct pass *p, struct pcache_page *page, struct pcache_owner *o)
{
	o->slot = move_entry(p, o->vpn, o->slot);
	o->vpn += p->delta;
	page->id.index += p->delta;
	shadow_renamed(page);
}

static bool movable(const struct pcache_line *line)
{
	return line->state == LINE_MAPPED && line->pins == 0 && line->page.nr_owners == 1;
}

/*
 * The set has no free line of its own. If one of them holds a page that is to be moved, too, that one goes first: else a page would be
 * evicted, or the reserve be used up, for want of a line that is free a moment later. false: there is none, or too many wait already
 */
static bool way_out(struct pass *p, struct pcache_set *to)
{
	struct pcache_line *line;

	if (to->nr_free > 0 || p->depth == WAY_MAX)
		return false;
	list_for_each(line, &to->lines, link) {
		struct pcache_owner *o = list_first(&line->page.owners, struct pcache_owner, link);

		if (line->page.object == NULL && movable(line) && o->space == p->s && o->vpn >= p->first && o->vpn < p->end) {
			p->way.vpn = o->vpn;
			p->way.slot = o->slot;
			return true;
		}
	}
	return false;
}

/* The lock of another set, too. false: this one's had to be given up for it, since that one's comes first */
static bool lock_other(struct pcache_set *from, struct pcache_set *to)
{
	if (from->number < to->number) {
		spin_lock_nested(&to->lock);
		return true;
	}
	spin_unlock(&from->lock);
	pcache_lock_two(from, to);
	return false;
}

/* One owner, in a line: into the new set. Drops the lock. */
static enum pass_answer rehome_line(struct pass *p, struct pcache_set *from, struct pcache_set *to, struct pcache_line *line, u64 vpn)
{
	struct page_id id = { p->s->salt, vpn };
	struct pcache_line *new;
	struct pcache_owner *o;

	if (!lock_other(from, to))
		line = set_line_private(from, id, p->s);
	if (line == NULL || !movable(line)) {
		spin_unlock(&to->lock);
		return PASS_AGAIN;	/* something changed meanwhile */
	}
	if (way_out(p, to)) {
		spin_unlock(&to->lock);
		return PASS_WAY;
	}
	id.index += p->delta;
	new = line_take(to, id, NULL);
	if (new == NULL) {
		spin_unlock(&to->lock);
		p->room = to;
		return PASS_ROOM;
	}
	if (RULE(REHOME_FRAME))
		line_swap_frames(line, new);
	new->page.dirty = line->page.dirty;
	new->page.zero = line->page.zero;
	owner_move_all(&new->page, &line->page);
	line_step(line, LINE_EV_LEAVE);
	line_release(line, LINE_EV_LEFT);
	line_step(new, LINE_EV_INSTALL);
	o = list_first(&new->page.owners, struct pcache_owner, link);
	new->page.id.index -= p->delta;		/* rename_page() adds it to all three */
	rename_page(p, &new->page, o);
	pcache_unlock_two(from, to);
	count(nr_mremap_pset_diff);
	return PASS_UNLOCKED;
}

static enum pass_answer rehome_victim(struct pass *p, struct pcache_set *from, struct pcache_set *to, struct pcache_victim *v, u64 vpn)
{
	if (!lock_other(from, to))
		v = set_victim_private(from, (struct page_id){ p->s->salt, vpn }, p->s);
	if (v == NULL || v->state != VICTIM_HELD || v->page.nr_owners != 1) {
		spin_unlock(&to->lock);
		return PASS_AGAIN;
	}
	list_del(&v->link);
	list_add_tail(&to->victims, &v->link);
	WRITE_ONCE(v->page.set, to);
	rename_page(p, &v->page, list_first(&v->page.owners, struct pcache_owner, link));
	set_changed(from);
	set_changed(to);
	pcache_unlock_two(from, to);
	count(nr_mremap_pset_diff);
	return PASS_UNLOCKED;
}

/* Several owners, and M has the page: this one gives its part up and finds it on M. */
static void part(struct pass *p, struct pcache_page *page, u64 vpn, pte_t *slot)
{
	owner_remove(page, owner_find(page, p->s, vpn));
	move_mark(p, vpn, slot, page->zero ? MARK_EMPTY : MARK_PRIVATE);
}

/* A private page; nothing of the range is mapped any more, so no translation can be stale. */
static enum pass_answer move_private(struct pass *p, struct pcache_set *set, struct pcache_line *line, u64 vpn, pte_t *slot)
{
	struct page_id id = { p->s->salt, vpn }, new_id = { p->s->salt, vpn + p->delta };
	struct pcache_set *to = pcache_set_of(new_id);
	struct pcache_victim *v = line != NULL ? NULL : set_victim_private(set, id, p->s);
	struct pcache_page *page = line != NULL ? &line->page : v != NULL ? &v->page : NULL;

	if (line != NULL && (line->state != LINE_MAPPED || line->pins != 0))
		return PASS_WAIT;
	if (page == NULL) {
		(void)move_entry(p, vpn, slot);
		count(nr_mremap_pset_same);
		return PASS_DONE;
	}
	if (page->nr_owners > 1) {
		if (page_may_be_dirty(page))
			return PASS_CLEAN;
		part(p, page, vpn, slot);
		count(nr_mremap_pset_diff);
		return PASS_DONE;
	}
	if (to != set)
		return line != NULL ? rehome_line(p, set, to, line, vpn) : rehome_victim(p, set, to, v, vpn);
	rename_page(p, page, list_first(&page->owners, struct pcache_owner, link));
	set_changed(set);
	count(nr_mremap_pset_same);
	return PASS_DONE;
}

static void move_empty(struct pass *p, u64 vpn, pte_t *slot) { (void)move_entry(p, vpn, slot); }

static void move_pages(struct space *s, u64 old, u64 len, u64 new)
{
	struct pass p;

	pass_init(&p, s);
	p.delta = (new >> PAGE_SHIFT) - (old >> PAGE_SHIFT);	/* downwards too: modulo 2^64 */
	if (!RULE(REMAP_DOWN))
		p.delta = (new - old) >> PAGE_SHIFT;
	p.first = old >> PAGE_SHIFT;
	p.end = (old + len) >> PAGE_SHIFT;
	p.absent = move_private;
	p.empty = move_empty;
	pass_run(&p, old, old + len);
}

/* Every table of the new range, so that nothing can fail later. */
static int make_tables(struct space *s, u64 start, u64 end)
{
	int rc = 0;

	for (u64 va = start; va < end && rc == 0; va = ALIGN_DOWN(va, 512 * PAGE_SIZE) + 512 * PAGE_SIZE) {
		spin_lock(&s->pt_lock);
		if (pte_slot(&s->pgd, va, true) == NULL)
			rc = -ENOMEM;
		spin_unlock(&s->pt_lock);
	}
	return rc;
}

static void set_moved(struct space *s, u64 start, u64 end, u64 delta)
{
	spin_lock(&s->pt_lock);
	s->moved.start = start >> PAGE_SHIFT;
	s->moved.end = end >> PAGE_SHIFT;
	s->moved.delta = delta;
	spin_unlock(&s->pt_lock);
}

/* --- the call --- */

struct remap {
	u64 old, old_len, new, new_len;
	bool dontunmap;
};

static void fill_remap(struct change *c, const struct remap *r)
{
	struct rpc_memory_remap_req *q = (void *)&c->req;

	q->start = le64_of(r->old);
	q->len = le64_of(r->old_len);
	q->new_start = le64_of(r->new);
	q->new_len = le64_of(r->new_len);
	q->flags = le32_of(r->dontunmap ? WIRE_REMAP_DONTUNMAP : 0);
}

/* The ranges do not overlap, the target is free, old_len <= new_len. */
static int move_locked(struct space *s, const struct remap *r, const struct vma *v)
{
	u64 grown = r->dontunmap ? r->new_len : r->new_len - r->old_len;
	u64 pages = v->flags & VMA_ACCOUNTED ? grown >> PAGE_SHIFT : 0;
	struct change *c = change_alloc();
	int rc;

	if (c == NULL)
		return -ENOMEM;
	rc = make_tables(s, r->new, r->new + r->old_len);
	if (rc == 0)
		rc = commit_charge(s, pages);
	if (rc < 0)
		goto free_change;
	space_close(s, 0, r->old, r->old + r->old_len);
	space_close(s, 1, r->new, r->new + r->new_len);
	spin_lock(&s->vma_lock);
	rc = vma_map_move(&s->map, r->old, r->old_len, r->new, r->new_len, r->dontunmap);
	spin_unlock(&s->vma_lock);
	if (rc < 0) {
		commit_return(s, pages);
		space_open(s, 1);
		space_open(s, 0);
		goto free_change;
	}
	space_bump(s);
	if (RULE(REMAP_HELD))
		space_hold(s, 0, r->old, r->old + r->old_len);
	space_protect_ptes(s, r->old, r->old + r->old_len, 0);	/* unmapped, waited for; flushes held, so nothing is in flight afterwards */
	fill_remap(c, r);
	set_moved(s, r->old, r->old + r->old_len, (r->new >> PAGE_SHIFT) - (r->old >> PAGE_SHIFT));
	change_send(s, c, RPC_memory_remap);
	space_unhold(s, 0);
	move_pages(s, r->old, r->old_len, r->new);
	set_moved(s, 0, 0, 0);
	space_open(s, 1);
	space_open(s, 0);
	return 0;

free_change:
	change_free(c);
	return rc;
}

/* Longer, where it is. -ENOMEM: no room behind it. */
static int grow_locked(struct space *s, u64 old, u64 old_len, u64 new_len, const struct vma *v)
{
	struct vma add = *v;
	u64 pages = v->flags & VMA_ACCOUNTED ? (new_len - old_len) >> PAGE_SHIFT : 0;
	int rc;

	add.start = old + old_len;
	add.end = old + new_len;
	add.index = v->index + ((add.start - v->start) >> PAGE_SHIFT);
	if (v->end != add.start || add.end > USER_END || add.end < add.start || !vma_range_free(&s->map, add.start, add.end))
		return -ENOMEM;
	rc = commit_charge(s, pages);
	if (rc < 0)
		return rc;
	rc = space_add(s, &add);
	if (rc < 0)
		commit_return(s, pages);
	return rc;
}

static s64 remap_locked(struct space *s, struct remap *r, u32 flags)
{
	struct vma *v = vma_find(&s->map, r->old);
	bool fixed = flags & ABI_MREMAP_FIXED;
	int rc;

	if (v == NULL || r->old_len > v->end - r->old)
		return -EFAULT;
	if (v->flags & VMA_VDSO)
		return -EINVAL;
	if (r->dontunmap && (v->object != 0 || (v->flags & VMA_SHARED)))
		return -EINVAL;
	if (fixed) {
		rc = space_unmap_locked(s, r->new, r->new + r->new_len);
		if (rc < 0)
			return rc;
	}
	if (r->new_len < r->old_len) {
		rc = space_unmap_locked(s, r->old + r->new_len, r->old + r->old_len);
		if (rc < 0)
			return rc;
		r->old_len = r->new_len;
	}
	if (!fixed && !r->dontunmap) {
		if (r->new_len == r->old_len)
			return r->old;
		v = vma_find(&s->map, r->old);
		rc = grow_locked(s, r->old, r->old_len, r->new_len, v);
		if (rc == 0)
			return r->old;
		if (!(flags & ABI_MREMAP_MAYMOVE))
			return rc;
	}
	if (!fixed) {
		r->new = vma_find_gap(&s->map, MMAP_FLOOR, s->mmap_top, r->new_len);
		if (r->new == 0)
			return -ENOMEM;
	}
	v = vma_find(&s->map, r->old);
	rc = move_locked(s, r, v);
	return rc < 0 ? rc : (s64)r->new;
}

s64 space_mremap(struct space *s, u64 old, u64 old_len, u64 new_len, u32 flags, u64 new_addr)
{
	struct remap r = { old, page_up(old_len), new_addr, page_up(new_len), (flags & ABI_MREMAP_DONTUNMAP) != 0 };
	s64 rc;

	if ((flags & ~(ABI_MREMAP_MAYMOVE | ABI_MREMAP_FIXED | ABI_MREMAP_DONTUNMAP)) != 0 || !page_aligned(old) || r.new_len == 0 ||
	    r.old_len > USER_END)
		return -EINVAL;
	if ((flags & (ABI_MREMAP_FIXED | ABI_MREMAP_DONTUNMAP)) && !(flags & ABI_MREMAP_MAYMOVE))
		return -EINVAL;
	if (r.dontunmap && r.old_len != r.new_len)
		return -EINVAL;
	if (flags & ABI_MREMAP_FIXED) {
		if (!page_aligned(new_addr) || r.new_len > USER_END || new_addr > USER_END - r.new_len ||
		    (new_addr < old + r.old_len && old < new_addr + r.new_len))
			return -EINVAL;
	}
	if (old >= USER_END || r.old_len > USER_END - old)
		return -EFAULT;
	if (r.new_len > USER_END)
		return space_mapped(s, old) ? -ENOMEM : -EFAULT;
	if ((flags & ABI_MREMAP_FIXED) && new_addr < MMAP_FLOOR)
		return -EPERM;
	if (r.old_len == 0)
		return space_map_again(s, old, r.new_len, new_addr, flags & ABI_MREMAP_MAYMOVE, flags & ABI_MREMAP_FIXED);
	rc = mutex_lock_killable(&s->map_lock);
	if (rc < 0)
		return rc;
	rc = remap_locked(s, &r, flags);
	mutex_unlock(&s->map_lock);
	vma_files_reap();
	return rc;
}
