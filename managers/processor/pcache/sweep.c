/* SPDX-License-Identifier: MIT */
/*
 * The sweep daemon: keeps a free line in the sets that faults use, so that a fault seldom evicts itself. A set is put on
 * its list when its last free line is taken; an idle system has nothing on it and the daemon sleeps.
 */
#include "managers/processor/pcache/pcache.h"

#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "managers/processor/space/space.h"

#define SWEEP_MIN_WAYS	4	/* below, a line kept free would cost more than it saves */
#define SWEEP_BATCH	8	/* sets a shootdown */

void sweep_want(struct pcache_set *set)
{
	bool added = false;

	if (pcache.no_sweep || pcache.p.ways < SWEEP_MIN_WAYS || READ_ONCE(set->sweep_queued))
		return;
	spin_lock(&pcache.pool_lock);
	if (!set->sweep_queued) {
		WRITE_ONCE(set->sweep_queued, true);
		list_add_tail(&pcache.sweep, &set->sweep_link);
		added = true;
	}
	spin_unlock(&pcache.pool_lock);
	if (added)
		waitq_wake_one(&pcache.sweep_wait);
}

static struct pcache_set *next_set(void)
{
	struct pcache_set *set;

	spin_lock(&pcache.pool_lock);
	set = list_first(&pcache.sweep, struct pcache_set, sweep_link);
	if (set != NULL) {
		list_del(&set->sweep_link);
		WRITE_ONCE(set->sweep_queued, false);
	}
	spin_unlock(&pcache.pool_lock);
	return set;
}

unsigned sweep_some(void)
{
	struct evict_batch b;
	unsigned nr = 0;

	evict_batch_init(&b);
	while (nr < SWEEP_BATCH) {
		struct pcache_set *set = next_set();

		if (set == NULL)
			break;
		nr++;
		count(nr_sweep_nr_pset);
		spin_lock(&set->lock);
		if (set->nr_free == 0)
			(void)evict_begin(set, &b);	/* no victim entry, nothing evictable: faults will see to it */
		spin_unlock(&set->lock);
	}
	if (nr > 0)
		count(nr_sweep_run);
	evict_finish(&b);
	return nr;
}

static void sweep_daemon(void *arg)
{
	for (;;) {
		waitq_wait(&pcache.sweep_wait, !list_empty(&pcache.sweep));
		(void)sweep_some();
	}
}

int sweep_start(void)
{
	return thread_spawn(sweep_daemon, NULL, PRIO_NORMAL, "sweep");
}
