/* SPDX-License-Identifier: MIT */
/*
 * The sweep daemon: keeps a free line in the sets that faults use, so that a fault seldom evicts itself. A set is put on
 * its list when its last free line is taken. The daemon begins when some sets are there, so that a shootdown serves several;
 * a set that is needed before that is seen to by its fault. Where dirty lines cannot go because no victim entry is free, it
 * waits for one: the sets stay on the list. An idle system has few sets or none on it and the daemon sleeps.
 */
#include "managers/processor/pcache/pcache.h"

#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "managers/processor/space/space.h"

#define SWEEP_MIN_WAYS	4	/* below, a line kept free would cost more than it saves */
#define SWEEP_BATCH	8	/* sets a shootdown */

/* So many sets make a batch worth its shootdown; fewer where there are few. */
static u32 sweep_low(void) { return MAX(1U, MIN((u32)SWEEP_BATCH / 2, pcache.p.nr_sets / 32)); }

static bool sweep_due(void) { return READ_ONCE(pcache.nr_sweep) >= sweep_low(); }

void sweep_want(struct pcache_set *set)
{
	bool added = false;

	if (pcache.no_sweep || pcache.p.ways < SWEEP_MIN_WAYS || READ_ONCE(set->sweep_queued))
		return;
	spin_lock(&pcache.pool_lock);
	if (!set->sweep_queued) {
		WRITE_ONCE(set->sweep_queued, true);
		list_add_tail(&pcache.sweep, &set->sweep_link);
		WRITE_ONCE(pcache.nr_sweep, pcache.nr_sweep + 1);
		added = true;
	}
	spin_unlock(&pcache.pool_lock);
	if (added && sweep_due())
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
		WRITE_ONCE(pcache.nr_sweep, pcache.nr_sweep - 1);
	}
	spin_unlock(&pcache.pool_lock);
	return set;
}

unsigned sweep_some(void)
{
	struct evict_batch b;
	unsigned nr = 0;
	int rc = 0;

	evict_batch_init(&b);
	while (nr < SWEEP_BATCH && rc != -ENOSPC) {
		struct pcache_set *set = next_set();

		if (set == NULL)
			break;
		nr++;
		count(nr_sweep_nr_pset);
		spin_lock(&set->lock);
		if (set->nr_free == 0)
			rc = evict_begin(set, &b);	/* nothing evictable: faults will see to it */
		if (rc == -ENOSPC)
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
	return thread_spawn(sweep_daemon, NULL, PRIO_NORMAL, "sweep");
}
