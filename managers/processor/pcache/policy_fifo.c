/* SPDX-License-Identifier: MIT */
/* First in, first out: the line that was filled first goes, used or not. */
#include "managers/processor/pcache/pcache.h"

static void fifo_inserted(struct pcache_set *set, struct pcache_line *line)
{
	list_add_tail(&set->lines, &line->link);
}

static struct pcache_line *fifo_pick(struct pcache_set *set, struct tlb_batch *tlb)
{
	struct pcache_line *line;

	list_for_each(line, &set->lines, link) {
		if (pcache_evictable(line))
			return line;
	}
	return NULL;
}

const struct pcache_policy policy_fifo = { "fifo", fifo_inserted, fifo_pick };
