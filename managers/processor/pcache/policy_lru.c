/* SPDX-License-Identifier: MIT */
/*
 * Least recently used, by accessed bits: each time a line is to go, those used since the last time go to the young end of
 * the list, in the order they had; the oldest that was not used goes.
 */
#include "managers/processor/pcache/pcache.h"

static void lru_inserted(struct pcache_set *set, struct pcache_line *line)
{
	list_add_tail(&set->lines, &line->link);
}

static struct pcache_line *lru_pick(struct pcache_set *set, struct tlb_batch *tlb)
{
	struct pcache_line *line, *next;
	struct list young = LIST_INIT(young);

	list_for_each_safe(line, next, &set->lines, link) {
		if ((line->state == LINE_MAPPED || line->state == LINE_CLEANING) &&
		    (owner_accessed(&line->page, true, tlb) || line_just_ahead(line))) {
			list_del(&line->link);
			list_add_tail(&young, &line->link);
			count(nr_sweep_nr_moved_pcm);
		}
	}
	list_splice_tail(&set->lines, &young);
	list_for_each(line, &set->lines, link) {
		if (pcache_evictable(line))
			return line;
	}
	return NULL;
}

const struct pcache_policy policy_lru = { "lru", lru_inserted, lru_pick };
