/* SPDX-License-Identifier: MIT */
/*
 * The sweep daemon: brings sets that borrowed from the reserve back to their ways, so that a fault seldom evicts itself. The free
 * lines that faults find are those of the reserve: a set keeps none free, which would cost it a part of its ways for as long as it
 * is used. A set is on the daemon's list when it has a surplus, that is lines beyond its ways that nobody has begun to evict; one
 * in which nothing can go is taken off, and is put back by the next thing that changes in it (set_changed()). The daemon begins
 * when some lines are out, so that a shootdown serves several. Where dirty lines cannot go because no victim entry is free, it
 * waits for one: the set stays on the list. An idle system has few lines out or none and the daemon sleeps.
 */
#include "managers/processor/pcache/pcache.h"

#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "managers/processor/space/space.h"

/* How much of the reserve may be out. What is lent counts as cache meanwhile, and in a small one it counts for much. */
struct sweep_marks {
	u32 batch;		/* lines a shootdown */
	u32 low;		/* out of the reserve: the daemon begins */
	u32 high;		/* it does not keep up */
};
static const struct sweep_marks marks = { 8, 8, RESERVE_COMMON * 2 / 3 };
static const struct sweep_marks marks_small = { 4, RESERVE_COMMON * 2 / 3, RESERVE_COMMON * 5 / 6 };
#define SMALL_LINES	(8 * RESERVE_COMMON)

static const struct sweep_marks *sweep_marks(void) { return pcache.p.nr_lines <= SMALL_LINES ? &marks_small : &marks; }

static bool sweep_due(void) { return READ_ONCE(pcache.nr_sweep) > 0 && pcache_reserve_out() >= sweep_marks()->low; }

u32 sweep_slack(void)
{
	u64 out = pcache_reserve_out(), high = sweep_marks()->high;

	return out < high ? high - out : 0;
}

bool sweep_behind(void) { return sweep_slack() == 0; }

void sweep_want(struct pcache_set *set)
{
	assert_held(&set->lock);
	if (!READ_ONCE(set->sweep_queued)) {
		struct pcache_stock *stock = stock_of(set);

		spin_lock(&stock->lock);
		if (!set->sweep_queued) {
			WRITE_ONCE(set->sweep_queued, true);
			list_add_tail(&stock->sweep, &set->sweep_link);
			(void)__atomic_add_fetch(&pcache.nr_sweep, 1, __ATOMIC_SEQ_CST);
		}
		spin_unlock(&stock->lock);
	}
	if (sweep_due())
		waitq_wake_one(&pcache.sweep_wait);
}

static struct pcache_set *first_of(struct pcache_stock *stock)
{
	struct pcache_set *set;

	spin_lock(&stock->lock);
	set = list_first(&stock->sweep, struct pcache_set, sweep_link);
	if (set != NULL) {
		list_del(&set->sweep_link);
		WRITE_ONCE(set->sweep_queued, false);
		(void)__atomic_sub_fetch(&pcache.nr_sweep, 1, __ATOMIC_SEQ_CST);
	}
	spin_unlock(&stock->lock);
	return set;
}

/* Of each stock in turn. */
static struct pcache_set *next_set(void)
{
	struct pcache_set *set = NULL;

	for (unsigned i = 0; i < NR_STOCKS && set == NULL; i++)
		set = first_of(&pcache.stock[pcache.sweep_turn++ % NR_STOCKS]);
	return set;
}

unsigned sweep_some(void)
{
	const u32 batch = sweep_marks()->batch;
	struct evict_batch b;
	unsigned nr = 0;
	int rc = 0;

	evict_batch_init(&b);
	while (b.nr < batch && rc != -ENOSPC) {
		struct pcache_set *set = next_set();

		if (set == NULL)
			break;
		nr++;
		count(nr_sweep_nr_pset);
		spin_lock(&set->lock);
		rc = 0;
		while (rc == 0 && b.nr < batch && set_surplus(set) != 0)
			rc = evict_begin(set, &b);	/* -EAGAIN: nothing can go before something changes */
		if (rc != -EAGAIN && set_surplus(set) != 0)
			sweep_want(set);
		spin_unlock(&set->lock);
	}
	if (nr > 0)
		count(nr_sweep_run);
	evict_finish(&b);
	if (rc == -ENOSPC)
		(void)victim_wait_free(false);
	return nr;
}

static void sweep_daemon(void *arg)
{
	for (;;) {
		waitq_wait(&pcache.sweep_wait, sweep_due());
		(void)sweep_some();
	}
}

int sweep_start(void)
{
	return thread_spawn(sweep_daemon, NULL, PRIO_HIGH, "sweep");
}
