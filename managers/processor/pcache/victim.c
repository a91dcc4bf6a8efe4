/* SPDX-License-Identifier: MIT */
/*
 * The victim cache: dirty pages that left their set, until M has acknowledged them or a fault takes them back. An entry
 * hangs on its page's set, under that set's lock; only the pool of free ones and the queue to the flush daemon are shared.
 */
#include "managers/processor/pcache/pcache.h"

#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "managers/processor/space/space.h"

/* Fewer free entries than this: the flush daemon works ahead of the evictions. */
static u32 low_watermark(void) { return (pcache.p.nr_victims + 1) / 2; }

struct pcache_victim *victim_prepare(void)
{
	struct pcache_victim *v;
	bool low;

	count(nr_victim_eviction_triggered);
	spin_lock(&pcache.pool_lock);
	v = list_first(&pcache.victim_free, struct pcache_victim, pool_link);
	if (v != NULL) {
		list_del(&v->pool_link);
		pcache.nr_victim_free--;
	}
	low = pcache.nr_victim_free < low_watermark();
	spin_unlock(&pcache.pool_lock);
	if (low)
		flush_kick(v == NULL);
	if (v == NULL)
		count(nr_victim_eviction_eagain);
	else
		count(nr_victim_prepare_insert);
	return v;
}

/* pool lock not held */
static void victim_to_pool(struct pcache_victim *v)
{
	spin_lock(&pcache.pool_lock);
	list_del(&v->pool_link);
	list_add_tail(&pcache.victim_free, &v->pool_link);
	pcache.nr_victim_free++;
	WRITE_ONCE(pcache.victim_events, pcache.victim_events + 1);
	spin_unlock(&pcache.pool_lock);
	waitq_wake_all(&pcache.victim_wait);
}

void victim_unprepare(struct pcache_victim *v)
{
	count(nr_victim_unprepared);
	victim_to_pool(v);
}

int victim_wait_free(bool killable)
{
	u32 seen;
	bool any;

	spin_lock(&pcache.pool_lock);
	seen = pcache.victim_events;
	any = pcache.nr_victim_free > 0;
	spin_unlock(&pcache.pool_lock);
	if (any)
		return -EAGAIN;
	flush_kick(true);
	if (!killable)
		waitq_wait(&pcache.victim_wait, READ_ONCE(pcache.victim_events) != seen);
	else if (waitq_wait_killable(&pcache.victim_wait, READ_ONCE(pcache.victim_events) != seen) != 0)
		return -EINTR;
	return -EAGAIN;
}

static void move_object(struct pcache_page *to, struct pcache_page *from)
{
	struct object *o = from->object;

	to->object = o;
	from->object = NULL;
	if (o == NULL)
		return;
	spin_lock(&o->lock);
	list_del(&from->object_link);
	list_add_tail(&o->lines, &to->object_link);
	spin_unlock(&o->lock);
}

void victim_insert(struct pcache_victim *v, struct pcache_line *line)
{
	struct pcache_set *set = line->page.set;

	assert_held(&set->lock);
	WRITE_ONCE(v->page.set, set);
	v->page.id = line->page.id;
	v->page.dirty = true;
	v->refusals = 0;
	page_swap_frames(line, v);
	owner_move_all(&v->page, &line->page);
	move_object(&v->page, &line->page);
	list_add_tail(&set->victims, &v->link);
	victim_step(v, VICTIM_EV_HOLD);
	spin_lock(&pcache.pool_lock);
	list_add_tail(&pcache.victim_held, &v->pool_link);
	pcache.nr_victim_held++;
	spin_unlock(&pcache.pool_lock);
	count(nr_victim_finish_insert);
	if (READ_ONCE(pcache.nr_victim_free) < low_watermark())
		flush_kick(false);
}

/* The entry is empty: off its set and back to the pool. */
void victim_release(struct pcache_victim *v, enum victim_event ev)
{
	struct object *o = v->page.object;

	DEBUG_BUG_ON(v->page.nr_owners != 0);
	if (o != NULL) {
		spin_lock(&o->lock);
		list_del(&v->page.object_link);
		spin_unlock(&o->lock);
		v->page.object = NULL;
	}
	if (ev != VICTIM_EV_ACKED) {
		spin_lock(&pcache.pool_lock);
		list_del(&v->pool_link);
		pcache.nr_victim_held--;
		spin_unlock(&pcache.pool_lock);
	}
	list_del(&v->link);
	v->page.dirty = false;
	victim_step(v, ev);
	WRITE_ONCE(v->page.set, NULL);
	victim_to_pool(v);
}

void victim_take(struct pcache_victim *v, struct pcache_line *line)
{
	assert_held(&v->page.set->lock);
	page_swap_frames(line, v);
	owner_move_all(&line->page, &v->page);
	line->page.dirty = true;
	victim_release(v, VICTIM_EV_TAKE);
}

void victim_drop(struct pcache_victim *v)
{
	count(nr_victim_dropped);
	victim_release(v, VICTIM_EV_DROP);
}

void flush_kick(bool wanted)
{
	spin_lock(&pcache.pool_lock);
	WRITE_ONCE(pcache.flush_events, pcache.flush_events + 1);
	if (wanted)
		pcache.flush_wanted = true;
	spin_unlock(&pcache.pool_lock);
	waitq_wake_all(&pcache.flush_wait);
}
