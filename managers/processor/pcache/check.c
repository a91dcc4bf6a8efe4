/* SPDX-License-Identifier: MIT */
/* Counts of what is in use; the invariants of the cache, checked when it is quiet. */
#include "managers/processor/pcache/pcache.h"

u64 pcache_lines_live(void)
{
	u64 n = 0;

	for (u64 i = 0; i < pcache.p.nr_lines + RESERVE_LINES; i++)
		n += READ_ONCE(pcache.lines[i].state) != LINE_FREE;
	return n;
}

u64 pcache_victims_live(void)
{
	u64 n = 0;

	for (u32 i = 0; i < pcache.p.nr_victims; i++)
		n += READ_ONCE(pcache.victims[i].state) != VICTIM_FREE;
	return n;
}

u64 pcache_reserve_out(void)
{
	return RESERVE_LINES - READ_ONCE(pcache.nr_reserve);
}
