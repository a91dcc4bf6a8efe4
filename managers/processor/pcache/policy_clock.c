/* SPDX-License-Identifier: MIT */
/*
 * CLOCK: the hand is the head of the list. A line that was used since the hand last passed loses its accessed bit and goes
 * behind the hand; the first that was not goes. Only the lines that the hand passes pay a shootdown.
 */
#include "managers/processor/pcache/pcache.h"

static void clock_inserted(struct pcache_set *set, struct pcache_line *line)
{
	list_add_tail(&set->lines, &line->link);
}

static struct pcache_line *clock_pick(struct pcache_set *set, struct tlb_batch *tlb)
{
	struct pcache_line *line;

	for (unsigned turns = 2 * set->nr; turns > 0; turns--) {
		line = list_first(&set->lines, struct pcache_line, link);

		if (line == NULL)
			return NULL;
		if (pcache_evictable(line)) {
			if (!owner_accessed(&line->page, true, tlb) && !line_just_ahead(line))
				return line;
			count(nr_sweep_nr_moved_pcm);
		}
		list_del(&line->link);
		list_add_tail(&set->lines, &line->link);
	}
	list_for_each(line, &set->lines, link) {	/* all are in use faster than the hand turns */
		if (pcache_evictable(line))
			return line;
	}
	return NULL;
}

const struct pcache_policy policy_clock = { "clock", clock_inserted, clock_pick };
