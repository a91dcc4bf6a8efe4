/* SPDX-License-Identifier: MIT */
/*
 * Eviction: the policy picks a line, the mechanism takes it from ALL its owners, flushes the TLBs once a batch, and only
 * then reads the frame: a CPU that holds a translation as dirty may write until its TLB is flushed. Between the two the line
 * is LEAVING and its owners' PTEs are BUSY. What may turn out dirty has its victim entry before it begins.
 */
#include "managers/processor/pcache/pcache.h"

#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "managers/processor/space/space.h"

void evict_batch_init(struct evict_batch *b)
{
	tlb_batch_init(&b->tlb);
	b->nr = 0;
}

bool pcache_evictable(const struct pcache_line *line)
{
	return (line->state == LINE_MAPPED || line->state == LINE_IDLE) && line->pins == 0 &&
	       (atomic_read(&line->kept) == 0 || !RULE(TOKEN_KEPT));
}

bool page_may_be_dirty(struct pcache_page *p)
{
	struct pcache_owner *o;

	if (p->dirty)
		return true;
	list_for_each(o, &p->owners, link) {
		pte_t v = pte_read(o->slot);

		if (pte_present(v) && (v & (PTE_WRITE | PTE_DIRTY)))
			return true;
	}
	return false;
}

/* Why nothing can go, for the counters. */
static void count_failure(struct pcache_set *set)
{
	struct pcache_line *line;

	list_for_each(line, &set->lines, link) {
		if (atomic_read(&line->kept) == 0) {
			count(nr_pcache_eviction_eagain_concurrent);
			return;
		}
	}
	count(nr_pcache_eviction_failure_find);
}

/*
 * A clean page of an object that nobody maps goes before the policy is asked: it costs no shootdown and no message, and
 * what is mapped is likelier to be wanted. NULL: there is none.
 */
static struct pcache_line *pick_idle(struct pcache_set *set)
{
	struct pcache_line *line;

	list_for_each(line, &set->lines, link) {
		if (line->state == LINE_IDLE && !line->page.dirty && !line->page.ahead && pcache_evictable(line)) {
			count(nr_pcache_eviction_idle);
			return line;
		}
	}
	return NULL;
}

/*
 * No victim entry is free: the first in the policy's order that needs none and was not used lately. The policy is not asked: it
 * would pay a shootdown for the accessed bits each time somebody looks. What is in use, or was fetched ahead of its use, is not
 * worth it: it would be fetched again before an entry is free.
 */
static int pick_clean(struct pcache_set *set, struct pcache_line **out)
{
	struct pcache_line *line;
	bool any = false;

	list_for_each(line, &set->lines, link) {
		if (!pcache_evictable(line))
			continue;
		any = true;
		if (!line->page.ahead && !page_may_be_dirty(&line->page) && !owner_accessed(&line->page, false, NULL)) {
			*out = line;
			return 0;
		}
	}
	if (!any) {
		count_failure(set);
		return -EAGAIN;
	}
	count(nr_pcache_eviction_failure_evict);
	flush_kick(true);
	return -ENOSPC;
}

/* The line to go, and its victim entry if it may turn out dirty: 0, -EAGAIN, -ENOSPC. */
static int pick(struct pcache_set *set, struct evict_batch *b, struct pcache_line **out)
{
	struct pcache_line *line = pick_idle(set);

	if (line == NULL && READ_ONCE(pcache.nr_victim_free) == 0) {
		count(nr_victim_eviction_triggered);
		count(nr_victim_eviction_eagain);
		return pick_clean(set, out);
	}
	if (line == NULL) {
		shadow_look(set, &b->tlb);
		line = pcache.p.policy->pick(set, &b->tlb);
	}
	if (line == NULL) {
		count_failure(set);
		return -EAGAIN;
	}
	if (page_may_be_dirty(&line->page)) {
		line->victim = victim_prepare();
		if (line->victim == NULL)	/* another took the last one just now */
			return pick_clean(set, out);
	}
	*out = line;
	return 0;
}

/* It leaves; its victim entry is there if it may turn out dirty. */
static void begin(struct pcache_line *line, struct evict_batch *b)
{
	struct pcache_owner *o;

	line_step(line, LINE_EV_LEAVE);
	list_for_each(o, &line->page.owners, link) {
		if (!RULE(EVICT_ALL_OWNERS) && &o->link != line->page.owners.next)
			break;
		(void)owner_unmap(&line->page, o, MARK_BUSY | (line->page.object == NULL ? MARK_PRIVATE : MARK_EMPTY), &b->tlb);
	}
	b->line[b->nr++] = line;
}

int evict_begin(struct pcache_set *set, struct evict_batch *b)
{
	struct pcache_line *line = NULL;
	int rc;

	assert_held(&set->lock);
	if (b->nr == ARRAY_SIZE(b->line))
		return -EAGAIN;
	rc = pick(set, b, &line);
	if (rc == 0)
		begin(line, b);
	return rc;
}

int evict_line(struct pcache_line *line, struct evict_batch *b)
{
	assert_held(&line->page.set->lock);
	if (b->nr == ARRAY_SIZE(b->line) || !pcache_evictable(line))
		return -EAGAIN;
	if (page_may_be_dirty(&line->page)) {
		line->victim = victim_prepare();
		if (line->victim == NULL)
			return -ENOSPC;
	}
	begin(line, b);
	return 0;
}

static void leave(struct pcache_line *line)
{
	struct pcache_page *p = &line->page;
	struct pcache_owner *o, *next;
	struct pcache_victim *v = line->victim;
	pte_t mark = p->object != NULL || (p->zero && !p->dirty) ? MARK_EMPTY : MARK_PRIVATE;
	bool keep = p->dirty && p->object == NULL;	/* a dirty private page keeps its owners */

	BUG_ON(p->dirty && v == NULL);
	line->victim = NULL;
	list_for_each_safe(o, next, &p->owners, link) {
		if (RULE(EVICT_ALL_OWNERS) || !pte_present(pte_read(o->slot)))
			owner_set_mark(o, mark);
		if (!keep)
			owner_remove(p, o);
	}
	count(nr_pcache_eviction_succeed);
	turn_page_gone(p->id);
	if (p->dirty) {
		victim_insert(v, line);
		v = NULL;
	} else {
		count(nr_pcache_eviction_clean);
	}
	line_release(line, LINE_EV_LEFT);
	if (v != NULL)
		victim_unprepare(v);
}

void evict_finish(struct evict_batch *b)
{
	if (RULE(EVICT_SHOOTDOWN))
		tlb_batch_flush(&b->tlb);
	for (unsigned i = 0; i < b->nr; i++) {
		struct pcache_set *set = b->line[i]->page.set;	/* a LEAVING line stays in its set */

		spin_lock(&set->lock);
		leave(b->line[i]);
		spin_unlock(&set->lock);
	}
	b->nr = 0;
}

bool evict_try(struct pcache_set *set)
{
	struct evict_batch b;
	int rc = -EAGAIN;

	if (!sweep_behind())
		return false;
	evict_batch_init(&b);
	spin_lock(&set->lock);
	if (set_surplus(set) != 0) {
		count(nr_pcache_eviction_triggered);
		rc = evict_begin(set, &b);
	}
	spin_unlock(&set->lock);
	evict_finish(&b);
	return rc == 0;
}

void evict_trim(struct pcache_set *set)
{
	for (;;) {
		struct evict_batch b;
		int rc = -EAGAIN;

		evict_batch_init(&b);
		spin_lock(&set->lock);
		if (set_surplus(set) != 0) {
			count(nr_pcache_eviction_triggered);
			rc = evict_begin(set, &b);
		}
		spin_unlock(&set->lock);
		evict_finish(&b);
		if (rc == -EAGAIN || (rc == -ENOSPC && (!RULE(BACK_PRESSURE) || victim_wait_free(true) == -EINTR)))
			return;
	}
}

void evict_trim_all(void)
{
	for (u32 i = 0; i < pcache.p.nr_sets; i++)
		if (READ_ONCE(pcache.sets[i].nr) > pcache.p.ways)
			evict_trim(&pcache.sets[i]);
}

bool evict_keep(struct pcache_set *set, struct pcache_line *mine)
{
	assert_held(&set->lock);
	if (set->nr <= pcache.p.ways || !sweep_behind())
		return false;
	atomic_inc(&mine->kept);
	return true;
}

/*
 * Whoever found nothing to evict but this line looks again, in the set where it is now: what is kept is not evicted, but it may be unmapped
 * meanwhile, and lent to another set. The set is read behind the count: who saw the line kept there waits there still, or was told that
 * it left.
 */
static void unkeep(struct pcache_line *line)
{
	struct pcache_set *set;

	atomic_dec(&line->kept);
	set = READ_ONCE(line->page.set);
	if (set == NULL)
		return;
	spin_lock(&set->lock);
	set_changed(set);
	spin_unlock(&set->lock);
}

void evict_trim_but(struct pcache_set *set, struct pcache_line *mine)
{
	evict_trim(set);
	unkeep(mine);
}

void line_settle(struct pcache_line *line)
{
	if (line->state == LINE_LEAVING && line->page.nr_owners == 0 && line->pins == 0 && line->victim == NULL)
		line_release(line, LINE_EV_LEFT);
}

void line_unpin(struct pcache_line *line)
{
	struct pcache_set *set = line->page.set;	/* a pinned line stays in its set */

	spin_lock(&set->lock);
	DEBUG_BUG_ON(line->pins == 0);
	line->pins--;
	if (line->pins == 0) {
		set_changed(set);
		if (line->state == LINE_LEAVING)
			line_settle(line);
	}
	spin_unlock(&set->lock);
}
