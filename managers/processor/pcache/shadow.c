/* SPDX-License-Identifier: MIT */
/*
 * The simulation of other caches, see shadow.h. A tag stands for a page and says in which of the simulated caches it is; it goes
 * when it is in none. All LRU caches share the time of last use, since that does not depend on the cache. A cache but the fully
 * associative one is an array of tag numbers, a set being so many that are neighbours; the fully associative one is a list.
 */
#include "managers/processor/pcache/shadow.h"

#include "lib/base/errno.h"
#include "lib/base/lock.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "mm/vmalloc.h"

DEFINE_COUNTERS(shadow, SHADOW_COUNTERS);

#define NONE	0xffff		/* no tag */
#define LOOK_EVERY_MIN	8	/* misses between looks at sets that may be quiet: each look costs a shootdown */

enum policy { LRU, FIFO, CLOCK, RANDOM };
#define SIM_ROW(name, policy, ways)	{ policy, ways },
static const struct { enum policy policy; u32 ways; } sims[] = { SHADOW_SIMS(SIM_ROW) };
#define SIM_NAME(name, policy, ways)	#name,
const char *const shadow_sim_name[] = { SHADOW_SIMS(SIM_NAME) };

#define BIT_OF(sim)	(1U << (sim))
#define FULL		BIT_OF(SHADOW_SIM_full)

struct tag {			/* all [lock of the group] */
	u64 hash;
	u32 used;		/* the group's clock at the last reference */
	u32 came;		/* when it came into the FIFO cache */
	u16 in;			/* BIT_OF() the caches that have it; 0: free */
	u16 next;		/* of the chain, or of the free ones */
	u16 older, younger;	/* in the fully associative cache */
	bool second;		/* CLOCK: used since the hand passed */
};

struct sim {
	u32 ways, nr_sets;	/* [I] ways 0: not simulated */
	u32 nr_used;		/* [lock] of the slots */
	u16 *slot;		/* [lock] nr_sets * ways tags; NULL: fully associative */
	u16 *hand;		/* [lock] CLOCK: one a set */
};

struct shadow_group {
	struct spinlock lock;
	u64 all_sets, first;	/* [I] */
	u32 nr_sets, nr_lines, nr_tags, mask;	/* [I] mask: of the chains */
	u32 clock;		/* [lock] one tick a reference */
	u32 look_every;		/* [I] misses */
	u32 misses, look;	/* [lock] since the last look, and at which set that was */
	u32 nr_full;		/* [lock] tags in the fully associative cache */
	u16 oldest, youngest;	/* [lock] there */
	u16 free;		/* [lock] */
	u16 all;		/* [I] BIT_OF() all that are simulated */
	u16 *chain;
	struct tag *tag;
	struct sim sim[NR_SHADOW_SIMS];
};

/* --- memory: one piece --- */

static u32 ways_of(enum shadow_sim i, u32 nr_lines, u32 ways)
{
	u32 k = sims[i].ways == 0 ? ways : sims[i].ways == SHADOW_ONE_SET ? nr_lines : sims[i].ways;

	return k <= nr_lines && nr_lines % k == 0 ? k : 0;
}

static u32 chains_of(u32 nr_lines)
{
	u32 n = 1;

	while (n < 2 * nr_lines)
		n *= 2;
	return n;
}

/* A page that comes has a tag before another goes: hence one more. */
static u32 tags_of(u32 nr_lines) { return NR_SHADOW_SIMS * nr_lines + 1; }

u64 shadow_group_bytes(u32 nr_sets, u32 ways)
{
	u64 lines = (u64)nr_sets * ways, shorts = chains_of(lines) + 2 * NR_SHADOW_SIMS * lines;

	return sizeof(struct shadow_group) + tags_of(lines) * sizeof(struct tag) + shorts * sizeof(u16);
}

static u16 *shorts_take(u16 **from, u32 nr)
{
	u16 *p = *from;

	*from += nr;
	memset(p, 0xff, nr * sizeof(*p));
	return p;
}

static void sim_init(struct shadow_group *g, enum shadow_sim i, u32 ways, u16 **room)
{
	struct sim *m = &g->sim[i];

	m->ways = ways_of(i, g->nr_lines, ways);
	if (m->ways == 0)
		return;
	g->all |= BIT_OF(i);
	m->nr_sets = g->nr_lines / m->ways;
	if (BIT_OF(i) == FULL)
		return;
	m->slot = shorts_take(room, g->nr_lines);
	if (sims[i].policy == CLOCK) {
		m->hand = shorts_take(room, m->nr_sets);
		memset(m->hand, 0, m->nr_sets * sizeof(*m->hand));
	}
}

struct shadow_group *shadow_group_create(u64 all_sets, u64 first, u32 nr_sets, u32 ways)
{
	struct shadow_group *g;
	u16 *room;

	if (tags_of(nr_sets * ways) >= NONE)
		return NULL;
	g = vmalloc(shadow_group_bytes(nr_sets, ways));
	if (g == NULL)
		return NULL;
	memset(g, 0, sizeof(*g));
	spin_init(&g->lock, "shadow", RANK_LEAF);
	g->all_sets = all_sets;
	g->first = first;
	g->nr_sets = nr_sets;
	g->nr_lines = nr_sets * ways;
	g->look_every = MAX(ways, (u32)LOOK_EVERY_MIN);
	g->nr_tags = tags_of(g->nr_lines);
	g->mask = chains_of(g->nr_lines) - 1;
	g->tag = (struct tag *)(g + 1);
	room = (u16 *)(g->tag + g->nr_tags);
	g->chain = shorts_take(&room, g->mask + 1);
	for (unsigned i = 0; i < NR_SHADOW_SIMS; i++)
		sim_init(g, i, ways, &room);
	for (u32 i = 0; i < g->nr_tags; i++)
		g->tag[i].next = i + 1 < g->nr_tags ? i + 1 : NONE;
	g->oldest = g->youngest = NONE;
	return g;
}

void shadow_group_destroy(struct shadow_group *g) { vfree(g); }
bool shadow_simulated(const struct shadow_group *g, enum shadow_sim sim) { return g->all & BIT_OF(sim); }

/* --- tags --- */

static u16 *chain_of(struct shadow_group *g, u64 hash) { return &g->chain[hash & g->mask]; }	/* the upper bits chose the set */

static struct tag *tag_find(struct shadow_group *g, u64 hash)
{
	for (u16 i = *chain_of(g, hash); i != NONE; i = g->tag[i].next)
		if (g->tag[i].hash == hash)
			return &g->tag[i];
	return NULL;
}

static struct tag *tag_add(struct shadow_group *g, u64 hash)
{
	u16 *chain = chain_of(g, hash), i = g->free;
	struct tag *t = &g->tag[i];

	BUG_ON(i == NONE);
	g->free = t->next;
	*t = (struct tag){ .hash = hash, .next = *chain };
	*chain = i;
	return t;
}

static void tag_free(struct shadow_group *g, struct tag *t)
{
	u16 n = t - g->tag, *at = chain_of(g, t->hash);

	while (*at != n)
		at = &g->tag[*at].next;
	*at = t->next;
	t->next = g->free;
	g->free = n;
}

/* --- the fully associative cache --- */

static void full_remove(struct shadow_group *g, struct tag *t)
{
	if (t->older == NONE)
		g->oldest = t->younger;
	else
		g->tag[t->older].younger = t->younger;
	if (t->younger == NONE)
		g->youngest = t->older;
	else
		g->tag[t->younger].older = t->older;
	g->nr_full--;
	t->in &= ~FULL;
}

static void full_add(struct shadow_group *g, struct tag *t)
{
	u16 n = t - g->tag;

	t->older = g->youngest;
	t->younger = NONE;
	if (g->youngest == NONE)
		g->oldest = n;
	else
		g->tag[g->youngest].younger = n;
	g->youngest = n;
	g->nr_full++;
	t->in |= FULL;
}

/* --- the others --- */

/* Where in the group a page falls: in sets of its own, and parts of a set. */
struct place { u64 whole, part; };

static struct place place_of(const struct shadow_group *g, u64 hash)
{
	unsigned __int128 at = (unsigned __int128)hash * g->all_sets;

	return (struct place){ (u64)(at >> 64) - g->first, (u64)at };
}

/* The set when the group has so many. */
static u32 set_at(const struct shadow_group *g, struct place p, u32 nr_sets)
{
	u64 part = ((unsigned __int128)p.part * nr_sets) >> 64;

	return nr_sets == g->nr_sets ? p.whole : (p.whole * nr_sets + part) / g->nr_sets;
}

/* One that is free, or the oldest. */
static u32 oldest_way(const struct shadow_group *g, const u16 *slot, u32 ways, bool fifo)
{
	u32 best = 0, age, most = 0;

	for (u32 w = 0; w < ways; w++) {
		const struct tag *t = &g->tag[slot[w]];

		if (slot[w] == NONE)
			return w;
		age = g->clock - (fifo ? t->came : t->used);
		if (age > most) {
			most = age;
			best = w;
		}
	}
	return best;
}

static u32 clock_way(struct shadow_group *g, const u16 *slot, u32 ways, u16 *hand)
{
	for (;;) {
		u32 w = *hand;
		struct tag *t = &g->tag[slot[w]];

		*hand = w + 1 == ways ? 0 : w + 1;
		if (!t->second)
			return w;
		t->second = false;
	}
}

static u32 free_way(const u16 *slot, u32 ways)
{
	u32 w = 0;

	while (w < ways && slot[w] != NONE)
		w++;
	return w;
}

/* Where the page goes that comes: a slot that is free, or the policy's. */
static u16 *pick_slot(struct shadow_group *g, enum shadow_sim i, u32 set)
{
	struct sim *m = &g->sim[i];
	u16 *slot = m->slot + (u64)set * m->ways;
	u32 w;

	if (sims[i].policy == LRU || sims[i].policy == FIFO)
		return slot + oldest_way(g, slot, m->ways, sims[i].policy == FIFO);
	w = m->nr_used == g->nr_lines ? m->ways : free_way(slot, m->ways);
	if (w < m->ways)
		return slot + w;
	return slot + (sims[i].policy == CLOCK ? clock_way(g, slot, m->ways, &m->hand[set]) : hash64_2(g->clock, set) % m->ways);
}

static void tag_leaves(struct shadow_group *g, struct tag *t, enum shadow_sim i)
{
	t->in &= ~BIT_OF(i);
	if (t->in == 0)
		tag_free(g, t);
}

static void full_come(struct shadow_group *g, struct tag *t)
{
	if (g->nr_full == g->nr_lines) {
		struct tag *old = &g->tag[g->oldest];

		full_remove(g, old);
		if (old->in == 0)
			tag_free(g, old);
	}
	full_add(g, t);
}

static void sim_add(struct shadow_group *g, enum shadow_sim i, struct tag *t, struct place at)
{
	struct sim *m = &g->sim[i];
	u16 *slot;

	if (BIT_OF(i) == FULL) {
		full_come(g, t);
		return;
	}
	slot = pick_slot(g, i, set_at(g, at, m->nr_sets));
	if (*slot == NONE)
		m->nr_used++;
	else
		tag_leaves(g, &g->tag[*slot], i);
	*slot = t - g->tag;
	t->in |= BIT_OF(i);
	if (sims[i].policy == FIFO)
		t->came = g->clock;
}

static void sim_remove(struct shadow_group *g, enum shadow_sim i, const struct tag *t, struct place at)
{
	struct sim *m = &g->sim[i];
	u16 *slot = m->slot + (u64)set_at(g, at, m->nr_sets) * m->ways;

	while (*slot != t - g->tag)
		slot++;
	*slot = NONE;
	m->nr_used--;
}

static void tag_drop(struct shadow_group *g, struct tag *t)
{
	struct place at = place_of(g, t->hash);

	if (t->in & FULL)
		full_remove(g, t);
	for (unsigned i = 0; i < NR_SHADOW_SIMS; i++)
		if (t->in & BIT_OF(i))
			sim_remove(g, i, t, at);
	t->in = 0;
	tag_free(g, t);
}

/* --- references --- */

#define SIM_COUNT(name, policy, ways)	case SHADOW_SIM_##name: count(nr_shadow_sim_##name); break;
static void count_sim(enum shadow_sim i)
{
	switch (i) {
	SHADOW_SIMS(SIM_COUNT)
	default: break;
	}
}

#define SIM_READ(name, policy, ways)	case SHADOW_SIM_##name: return counter_read(&nr_shadow_sim_##name);
u64 shadow_sim_misses(enum shadow_sim i)
{
	switch (i) {
	SHADOW_SIMS(SIM_READ)
	default: return 0;
	}
}

/* It is the youngest wherever it is. */
static void renew(struct shadow_group *g, struct tag *t)
{
	t->used = g->clock;
	t->second = true;
	if ((t->in & FULL) && g->youngest != t - g->tag) {
		full_remove(g, t);
		full_add(g, t);
	}
}

/* It comes into the caches that have it not; counted: as a miss of theirs. */
static void refer(struct shadow_group *g, struct tag *t, bool counted)
{
	u32 missing = g->all & ~t->in;
	struct place at = place_of(g, t->hash);

	g->clock++;
	for (unsigned i = 0; missing != 0; i++, missing >>= 1) {
		if (!(missing & 1))
			continue;
		if (counted)
			count_sim(i);
		sim_add(g, i, t, at);
	}
	renew(g, t);
}

void shadow_miss(struct shadow_group *g, u64 hash, enum shadow_kind kind)
{
	struct tag *t;

	spin_lock(&g->lock);
	t = tag_find(g, hash);
	if (kind == SHADOW_NEW && t != NULL) {
		tag_drop(g, t);
		t = NULL;
	}
	count(nr_shadow_miss);
	if (t == NULL && kind != SHADOW_AGAIN)
		count(nr_shadow_compulsory);
	else if (t != NULL && (t->in & FULL))
		count(nr_shadow_conflict);
	else
		count(nr_shadow_capacity);
	refer(g, t != NULL ? t : tag_add(g, hash), true);
	spin_unlock(&g->lock);
}

void shadow_touch(struct shadow_group *g, u64 hash)
{
	struct tag *t;

	spin_lock(&g->lock);
	t = tag_find(g, hash);
	count(nr_shadow_touch);
	refer(g, t != NULL ? t : tag_add(g, hash), true);
	spin_unlock(&g->lock);
}

void shadow_adopt(struct shadow_group *g, u64 hash)
{
	spin_lock(&g->lock);
	if (tag_find(g, hash) == NULL) {
		count(nr_shadow_adopted);
		refer(g, tag_add(g, hash), false);
	}
	spin_unlock(&g->lock);
}

bool shadow_renew(struct shadow_group *g, u64 hash)
{
	struct tag *t;

	spin_lock(&g->lock);
	t = tag_find(g, hash);
	if (t != NULL) {
		g->clock++;
		renew(g, t);
	}
	spin_unlock(&g->lock);
	return t != NULL;
}

bool shadow_look_due(struct shadow_group *g, u64 *set)
{
	bool due;

	spin_lock(&g->lock);
	due = ++g->misses >= g->look_every;
	if (due) {
		g->misses = 0;
		g->look = g->look + 1 == g->nr_sets ? 0 : g->look + 1;
		*set = g->first + g->look;
	}
	spin_unlock(&g->lock);
	return due;
}

void shadow_forget(struct shadow_group *g, u64 hash)
{
	struct tag *t;

	spin_lock(&g->lock);
	t = tag_find(g, hash);
	if (t != NULL)
		tag_drop(g, t);
	spin_unlock(&g->lock);
}
