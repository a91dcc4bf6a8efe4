/* SPDX-License-Identifier: MIT */
/* Random: any line that can go, with equal chance, but for the one filled last: its thread may not have got to use it. */
#include "managers/processor/pcache/pcache.h"

#include "lib/hash.h"

static void random_inserted(struct pcache_set *set, struct pcache_line *line)
{
	list_add_tail(&set->lines, &line->link);
}

static struct pcache_line *random_pick(struct pcache_set *set, struct tlb_batch *tlb)
{
	struct pcache_line *line, *chosen = NULL, *last = NULL;
	unsigned seen = 0;
	u64 r = hash64_2(set->number, set->events);

	list_for_each(line, &set->lines, link) {
		if (!pcache_evictable(line))
			continue;
		if (line->link.next == &set->lines) {
			last = line;
			break;
		}
		seen++;
		if (r % seen == 0)	/* reservoir of one */
			chosen = line;
		r = hash64(r + seen);
	}
	return chosen != NULL ? chosen : last;
}

const struct pcache_policy policy_random = { "random", random_inserted, random_pick };
