/* SPDX-License-Identifier: MIT */
/*
 * Shadow sets: what other caches of the same size would have made of the references that this one sees. A group is some sets
 * that are neighbours, all pages that fall into them, and caches simulated for these pages: tags only, as many as the sets have
 * lines. A cache of another number of ways is so many lines in fewer or more sets, chosen by the same hash; the fully
 * associative one is one set. Groups are a small part of all sets and have nothing in common with each other.
 *
 * What is a reference: a page that was not in its set when it was wanted (a miss, seen by its fault), and a page found accessed
 * when the set is looked at: before a line of it is evicted, and now and then (a touch). A cache of pages sees no more than that.
 *
 * shadow.c: the simulation, which knows pages by their hash alone. shadow_feed.c: where the references come from.
 */
#ifndef MANAGERS_PROCESSOR_PCACHE_SHADOW_H
#define MANAGERS_PROCESSOR_PCACHE_SHADOW_H

#include "kernel/counter.h"

/*
 * The simulated caches: name, policy, ways; 0: as many as the cache has, SHADOW_ONE_SET: fully associative. One whose ways do
 * not divide the lines of a group is not simulated and counts nothing.
 */
#define SHADOW_ONE_SET	(~0U)
#define SHADOW_SIMS(X)									\
	X(lru, LRU, 0)		X(fifo, FIFO, 0)	X(clock, CLOCK, 0)		X(random, RANDOM, 0)	\
	X(ways_1, LRU, 1)	X(ways_2, LRU, 2)	X(ways_4, LRU, 4)		X(ways_8, LRU, 8)	\
	X(ways_16, LRU, 16)	X(ways_32, LRU, 32)	X(full, LRU, SHADOW_ONE_SET)
#define SHADOW_SIM_ENUM(name, policy, ways)	SHADOW_SIM_##name,
enum shadow_sim { SHADOW_SIMS(SHADOW_SIM_ENUM) NR_SHADOW_SIMS };

#define SHADOW_COUNTERS(X)								\
	X(nr_shadow_miss, "pages that came into a sampled set because they were wanted: fetched, made of zeros, copied, taken back from the victim cache, or fetched ahead and then used") \
	X(nr_shadow_compulsory, "of these, the first of its address space on this page, and the shadow did not remember it") \
	X(nr_shadow_capacity, "of these, not compulsory, and a fully associative LRU cache of the same size would have missed, too") \
	X(nr_shadow_conflict, "of these, not compulsory, and a fully associative LRU cache of the same size would have hit") \
	X(nr_shadow_touch, "pages of sampled sets found accessed again when the set was looked at") \
	X(nr_shadow_adopted, "pages of sampled sets found accessed under the name that mremap gave them") \
	X(nr_shadow_sim_lru, "references that an LRU cache of the same ways would have missed")	\
	X(nr_shadow_sim_fifo, "references that a FIFO cache of the same ways would have missed")	\
	X(nr_shadow_sim_clock, "references that a CLOCK cache of the same ways would have missed")	\
	X(nr_shadow_sim_random, "references that a cache of the same ways and random choice would have missed") \
	X(nr_shadow_sim_ways_1, "references that a direct-mapped cache would have missed")		\
	X(nr_shadow_sim_ways_2, "references that an LRU cache of 2 ways would have missed")		\
	X(nr_shadow_sim_ways_4, "references that an LRU cache of 4 ways would have missed")		\
	X(nr_shadow_sim_ways_8, "references that an LRU cache of 8 ways would have missed")		\
	X(nr_shadow_sim_ways_16, "references that an LRU cache of 16 ways would have missed")	\
	X(nr_shadow_sim_ways_32, "references that an LRU cache of 32 ways would have missed")	\
	X(nr_shadow_sim_full, "references that a fully associative LRU cache would have missed")

DECLARE_COUNTERS(SHADOW_COUNTERS)
extern struct counter_group shadow_counters;

/* What the fault knows of a page that it missed. */
enum shadow_kind {
	SHADOW_NEW,		/* its contents came to be just now: whatever was there before is another page */
	SHADOW_FIRST,		/* its address space has not had it before */
	SHADOW_AGAIN,
};

/* --- shadow.c: any context, under any spinlock of a rank before RANK_LEAF --- */
struct shadow_group;
/* nr_sets sets of `ways` lines, the first being number first of all_sets. NULL: no memory. Never freed but by tests. */
struct shadow_group *shadow_group_create(u64 all_sets, u64 first, u32 nr_sets, u32 ways);
void shadow_group_destroy(struct shadow_group *g);
u64 shadow_group_bytes(u32 nr_sets, u32 ways);
bool shadow_simulated(const struct shadow_group *g, enum shadow_sim sim);
/* A page of the group, by the hash that chooses its set. */
void shadow_miss(struct shadow_group *g, u64 hash, enum shadow_kind kind);
void shadow_touch(struct shadow_group *g, u64 hash);			/* found accessed */
void shadow_adopt(struct shadow_group *g, u64 hash);			/* found, and no reference: it has another name now */
bool shadow_renew(struct shadow_group *g, u64 hash);			/* the same, but no reference: the miss was. false: not known */
void shadow_forget(struct shadow_group *g, u64 hash);			/* the page is no more */
/*
 * A miss was told of: is it time to look at a set whoever does not evict there? By and by at all of the group, each once while as
 * many pages come as the group has lines: where nothing is evicted, nothing else would tell what is in use.
 */
bool shadow_look_due(struct shadow_group *g, u64 *set);
extern const char *const shadow_sim_name[];
u64 shadow_sim_misses(enum shadow_sim sim);				/* its counter */

#endif
