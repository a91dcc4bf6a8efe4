/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/pcache/clean.c managers/processor/pcache/cow.c managers/processor/pcache/evict.c managers/processor/pcache/fill.c managers/processor/pcache/flush.c managers/processor/pcache/frame.c managers/processor/pcache/owner.c managers/processor/pcache/param.c managers/processor/pcache/prefetch.c managers/processor/pcache/stream.c managers/processor/pcache/set.c managers/processor/pcache/shadow.c managers/processor/pcache/shadow_feed.c managers/processor/pcache/state.c managers/processor/pcache/sweep.c managers/processor/pcache/token.c managers/processor/pcache/turn.c managers/processor/pcache/victim.c managers/processor/pcache/check.c */
/* SOURCES: managers/processor/pcache/policy_lru.c managers/processor/pcache/policy_fifo.c managers/processor/pcache/policy_clock.c managers/processor/pcache/policy_random.c managers/processor/space/access.c managers/processor/space/advise.c managers/processor/space/change.c managers/processor/space/close.c managers/processor/space/commit.c managers/processor/space/merge.c */
/* SOURCES: managers/processor/fs/attr_cache.c managers/processor/space/fault.c managers/processor/space/fork.c managers/processor/space/init.c managers/processor/space/map.c managers/processor/space/object.c managers/processor/space/object_io.c managers/processor/space/object_range.c managers/processor/space/pass.c managers/processor/space/remap.c managers/processor/space/space.c managers/processor/space/vdso.c managers/processor/space/zap.c */
/*
 * The shadow sets against the truth. One trace of accesses runs through the pcache itself once for each geometry and policy, and
 * once with shadow sets, which must say beforehand what the others then show. SHADOW_VERBOSE=1 prints all figures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "managers/processor/pcache/sim.c"
#include "managers/processor/pcache/sim_memory.c"
#include "managers/processor/pcache/sim_mmu.c"

#include "lib/hash.h"
#include "managers/processor/fs/file.h"
#include "managers/processor/pcache/shadow.h"
#include "managers/processor/space/abi.h"

void file_get(struct file *f) { ref_get(&f->refs); }
void file_put(struct file *f)
{
	if (ref_put(&f->refs))
		abort();
}
int copy_to_user(u64 dst, const void *src, size_t n) { return -EFAULT; }

#define BASE		0x10000000ULL
#define LINES		256
#define MAX_PAGES	32768

/* --- traces: which page next, of nr_pages --- */

struct trace {
	const char *name;
	unsigned nr_pages, nr_accesses;
	unsigned (*next)(unsigned n, unsigned nr_pages);
	bool crowded;		/* only pages of every fourth of LINES / 8 sets, 16 of each */
};

static unsigned next_cyclic(unsigned n, unsigned nr_pages) { return n % nr_pages; }

/* Page k is wanted with a chance that falls with 1 / (k + 1): by the inverse of the harmonic sums, over a fixed sequence. */
static unsigned next_zipf(unsigned n, unsigned nr_pages)
{
	static double sum[MAX_PAGES];
	static unsigned made;
	double want;
	unsigned lo = 0, hi = nr_pages - 1;

	for (; made < nr_pages; made++)
		sum[made] = (made ? sum[made - 1] : 0) + 1.0 / (made + 1);
	want = (hash64(n + 77) >> 11) * 0x1p-53 * sum[nr_pages - 1];
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (sum[mid] < want)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Nine in ten to the pages of a window that moves on, one in ten anywhere. */
static unsigned next_phases(unsigned n, unsigned nr_pages)
{
	u64 r = hash64(n + 5);

	if (r % 10 == 0)
		return (r >> 8) % nr_pages;
	return (n / 4000 * 97 + (r >> 8) % (nr_pages / 5)) % nr_pages;
}

static const struct trace cyclic_fits = { "cyclic, half the cache", LINES / 2, 8000, next_cyclic, false };
static const struct trace cyclic_over = { "cyclic, 1.5 x the cache", LINES * 3 / 2, 12000, next_cyclic, false };
static const struct trace zipf = { "zipf over 8 x the cache", LINES * 8, 24000, next_zipf, false };
static const struct trace phases = { "moving working set", LINES * 4, 24000, next_phases, false };
static const struct trace crowd = { "16 pages a set in a quarter of the sets", LINES / 2, 8000, next_cyclic, true };

/* --- a run of the pcache --- */

struct run {
	const struct trace *t;
	u64 misses;
	u64 sim[NR_SHADOW_SIMS], miss, compulsory, capacity, conflict, touch, adopted;
};

static u64 page_of[MAX_PAGES];

static void nothing(void *arg, u64 *word) { }

/* The trace's pages: as they come, or by the set that a cache of 8 ways has for them. */
static void choose_pages(const struct trace *t, u64 salt)
{
	unsigned in[LINES / 8] = { 0 }, nr = 0;

	for (u64 i = 0; nr < t->nr_pages; i++) {
		u64 vpn = (BASE >> PAGE_SHIFT) + i;
		unsigned set = ((unsigned __int128)page_hash((struct page_id){ salt, vpn }) * (LINES / 8)) >> 64;

		if (t->crowded && (set % 4 != 0 || in[set]++ >= 16))
			continue;
		page_of[nr++] = vpn << PAGE_SHIFT;
	}
}

static void program(void *arg)
{
	struct run *r = arg;
	struct space *s = space_create();

	if (s == NULL || space_mmap(s, BASE, MAX_PAGES * PAGE_SIZE, PROT_READ, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0) !=
	    (s64)BASE)
		sim_fail("no memory to run in");
	choose_pages(r->t, s->salt);
	for (unsigned n = 0; n < r->t->nr_accesses; n++) {
		sim_set_rip(0x1000 + n);	/* an instruction each */
		if (sim_access(s, page_of[r->t->next(n, r->t->nr_pages)], false, nothing, NULL) < 0)
			sim_fail("an access fails");
		while (READ_ONCE(pcache.nr_sweep) != 0 && sweep_some() != 0)
			;			/* sets hold what their ways have room for, and no lines of the reserve */
	}
	space_thread_ends();
	space_put(s);
}

static u64 came(void) { return this_cpu_read8(nr_pcache_fill_zerofill) + this_cpu_read8(nr_pcache_fill_from_memory); }

static void forget_counters(void)
{
	static u64 *const all[] = { &nr_shadow_miss, &nr_shadow_compulsory, &nr_shadow_capacity, &nr_shadow_conflict, &nr_shadow_touch,
				    &nr_shadow_adopted };
#define SIM_ZERO(name, policy, ways) nr_shadow_sim_##name = 0;
	SHADOW_SIMS(SIM_ZERO)
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		*all[i] = 0;
}

static struct run run(const struct trace *t, u32 lines, u32 ways, const struct pcache_policy *policy, u32 shadow)
{
	struct run r = { .t = t };

	sim_begin(1);
	sim_switch_in = 1000;
	sim_memory_slow = 1;
	memset(&pcache, 0, sizeof(pcache));
	pcache.p = (struct pcache_params){ .nr_lines = lines, .ways = ways, .nr_sets = lines / ways, .nr_victims = 1, .policy = policy,
					   .shadow = shadow };
	prefetch_init();
	token_reset();
	spaces_reset_salts();
	assert_int_equal(pcache_alloc(), 0);
	assert_int_equal(owner_init(), 0);
	assert_int_equal(shadow_init(), 0);
	objects_init();
	commit_init();
	assert_int_equal(flush_start(), 0);
	forget_counters();
	r.misses = came();
	sim_go(program, &r, true, "program");
	assert_true(sim_run(100000000));
	r.misses = came() - r.misses;
	for (unsigned i = 0; i < NR_SHADOW_SIMS; i++)
		r.sim[i] = shadow_sim_misses(i);
	r.miss = nr_shadow_miss;
	r.compulsory = nr_shadow_compulsory;
	r.capacity = nr_shadow_capacity;
	r.conflict = nr_shadow_conflict;
	r.touch = nr_shadow_touch;
	r.adopted = nr_shadow_adopted;
	assert_true(sim_drain());
	assert_int_equal(pcache_check(), 0);
	pcache_free_all();
	sim_end();
	return r;
}

/* What each simulated cache is in truth. */
static const struct { u32 ways; const struct pcache_policy *policy; } truth[NR_SHADOW_SIMS] = {
	[SHADOW_SIM_lru] = { 8, &policy_lru }, [SHADOW_SIM_fifo] = { 8, &policy_fifo }, [SHADOW_SIM_clock] = { 8, &policy_clock },
	[SHADOW_SIM_random] = { 8, &policy_random }, [SHADOW_SIM_ways_1] = { 1, &policy_lru }, [SHADOW_SIM_ways_2] = { 2, &policy_lru },
	[SHADOW_SIM_ways_4] = { 4, &policy_lru }, [SHADOW_SIM_ways_8] = { 8, &policy_lru }, [SHADOW_SIM_ways_16] = { 16, &policy_lru },
	[SHADOW_SIM_ways_32] = { 32, &policy_lru }, [SHADOW_SIM_full] = { LINES, &policy_lru },
};

/* As a share of all accesses, in parts of a thousand. What was seen of smaller sets than the cache's own is a lower bound. */
#define ERROR_MAX	100
#define ERROR_SAMPLED	30

static s64 permille(u64 is, u64 should, u64 of) { return ((s64)is - (s64)should) * 1000 / (s64)of; }

static void check_sim(const struct run *seen, enum shadow_sim i, u64 real, const char *by)
{
	s64 error = permille(seen->sim[i], real, seen->t->nr_accesses);
	bool smaller = truth[i].ways < 8;

	if (getenv("SHADOW_VERBOSE") != NULL)
		printf("%-40s seen by %-6s %-8s real %6llu shadow %6llu  %+lld/1000\n", seen->t->name, by, shadow_sim_name[i],
		       (unsigned long long)real, (unsigned long long)seen->sim[i], (long long)error);
	if (error > ERROR_MAX || (!smaller && error < -ERROR_MAX))
		fail_msg("%s, seen by %s: %s misses %llu, the shadow says %llu", seen->t->name, by, shadow_sim_name[i],
			 (unsigned long long)real, (unsigned long long)seen->sim[i]);
}

/* The trace through every cache in truth, and through the shadow of each policy at 8 ways; that of LRU in *lru. */
static void compare(const struct trace *t, struct run *lru)
{
	static const struct pcache_policy *const policies[] = { &policy_lru, &policy_fifo, &policy_clock, &policy_random };
	struct run real[NR_SHADOW_SIMS];

	for (unsigned i = 0; i < NR_SHADOW_SIMS; i++)
		real[i] = run(t, LINES, truth[i].ways, truth[i].policy, 0);
	for (unsigned p = 0; p < ARRAY_SIZE(policies); p++) {
		struct run seen = run(t, LINES, 8, policies[p], 1);

		assert_int_equal(seen.miss, seen.misses);
		assert_int_equal(seen.miss, seen.compulsory + seen.capacity + seen.conflict);
		assert_true(seen.compulsory <= t->nr_pages);
		assert_int_equal(seen.adopted, 0);
		for (unsigned i = 0; i < NR_SHADOW_SIMS; i++)
			check_sim(&seen, i, real[i].misses, policies[p]->name);
		if (p == 0)
			*lru = seen;
	}
}

/* Nothing is missed twice. And nothing is seen of what happens between: a direct-mapped cache would miss, unknown to the shadow. */
static void what_fits(void **st)
{
	struct run r;

	compare(&cyclic_fits, &r);
	assert_int_equal(r.miss, cyclic_fits.nr_pages);
	assert_int_equal(r.compulsory, r.miss);
	for (unsigned i = 0; i < NR_SHADOW_SIMS; i++)
		assert_int_equal(r.sim[i], r.miss);
}

/* LRU misses all that does not fit, in one set or in many; a random choice keeps a part. */
static void what_does_not_fit(void **st)
{
	struct run r;

	compare(&cyclic_over, &r);
	assert_int_equal(r.compulsory, cyclic_over.nr_pages);
	assert_true(r.capacity >= 19 * r.conflict);
	assert_true(r.sim[SHADOW_SIM_full] * 100 >= cyclic_over.nr_accesses * 95);
	assert_true(r.sim[SHADOW_SIM_random] * 4 < r.sim[SHADOW_SIM_lru] * 3);
}

/* They would fit, but in other sets: every miss but the first is a conflict, and with sets of 16 there would be none. */
static void what_collides(void **st)
{
	struct run r;

	compare(&crowd, &r);
	assert_int_equal(r.miss, crowd.nr_accesses);
	assert_int_equal(r.compulsory, crowd.nr_pages);
	assert_int_equal(r.capacity, 0);
	assert_int_equal(r.sim[SHADOW_SIM_lru], crowd.nr_accesses);
	assert_int_equal(r.sim[SHADOW_SIM_ways_16], crowd.nr_pages);
	assert_int_equal(r.sim[SHADOW_SIM_ways_32], crowd.nr_pages);
	assert_int_equal(r.sim[SHADOW_SIM_full], crowd.nr_pages);
}

/* Popular pages, and a working set that moves: no answer is known but that of the caches themselves. */
static void what_is_popular(void **st)
{
	struct run r;

	compare(&zipf, &r);
	assert_true(r.sim[SHADOW_SIM_lru] < r.sim[SHADOW_SIM_fifo]);
	assert_true(r.sim[SHADOW_SIM_lru] < r.sim[SHADOW_SIM_random]);
}

static void what_moves(void **st)
{
	struct run r;

	compare(&phases, &r);
	/* nothing is better than all ways in one set; the window's pages share the sets evenly, so that the others differ by little */
	assert_true(r.sim[SHADOW_SIM_full] < r.sim[SHADOW_SIM_ways_2] && r.sim[SHADOW_SIM_full] < r.sim[SHADOW_SIM_ways_16]);
	assert_true(r.sim[SHADOW_SIM_full] < r.sim[SHADOW_SIM_lru]);
	assert_true(r.conflict > 0 && r.capacity > 0);
}

/* One group of sets in so many, told for all. */
static void sample(const struct trace *t, const struct run *whole, u32 every, s64 error_max)
{
	struct run part = run(t, 4096, 8, &policy_lru, every);
	u64 all = whole->miss + whole->touch, some = part.miss + part.touch;

	assert_true(part.miss * (every - 1) < whole->miss && part.miss * (every + every / 2) > whole->miss);
	for (unsigned i = 0; i < NR_SHADOW_SIMS; i++) {
		s64 error = (s64)(part.sim[i] * 1000 / some) - (s64)(whole->sim[i] * 1000 / all);

		if (getenv("SHADOW_VERBOSE") != NULL)
			printf("a sample of 1 in %u: %-8s %llu/1000, of all %llu/1000\n", every, shadow_sim_name[i],
			       (unsigned long long)(part.sim[i] * 1000 / some), (unsigned long long)(whole->sim[i] * 1000 / all));
		if (labs(error) > error_max)
			fail_msg("1 in %u, %s: the sample is %lld/1000 away from the whole", every, shadow_sim_name[i], (long long)error);
	}
}

static void what_a_sample_says(void **st)
{
	static const struct trace t = { "zipf, a larger cache", 32768, 80000, next_zipf, false };
	struct run whole = run(&t, 4096, 8, &policy_lru, 1);

	sample(&t, &whole, 4, ERROR_SAMPLED);
	sample(&t, &whole, 16, 2 * ERROR_SAMPLED);
}

/* --- the simulation by itself --- */

static u64 in_set(unsigned set, unsigned of, unsigned n) { return (~0ULL / of) * set + (n + 1) * 0x10000001ULL; }

/* Ways that do not divide the lines are not simulated; what is counted stays whole. */
static void odd_ways(void **st)
{
	struct shadow_group *g = shadow_group_create(5, 2, 3, 12);

	forget_counters();
	assert_true(shadow_simulated(g, SHADOW_SIM_lru) && shadow_simulated(g, SHADOW_SIM_ways_4) && shadow_simulated(g, SHADOW_SIM_full));
	assert_false(shadow_simulated(g, SHADOW_SIM_ways_8) || shadow_simulated(g, SHADOW_SIM_ways_16));
	for (unsigned round = 0; round < 3; round++)
		for (unsigned n = 0; n < 3 * 12; n++)
			shadow_miss(g, in_set(2 + n % 3, 5, n), round == 0 ? SHADOW_FIRST : SHADOW_AGAIN);
	assert_int_equal(nr_shadow_miss, 108);
	assert_int_equal(nr_shadow_compulsory, 36);
	assert_int_equal(nr_shadow_conflict, 72);
	assert_int_equal(nr_shadow_sim_lru, 36);
	assert_int_equal(nr_shadow_sim_ways_8, 0);
	shadow_group_destroy(g);
}

/* A page that is no more makes room; one that comes to be anew was in no cache; another name is no miss. */
static void pages_come_and_go(void **st)
{
	struct shadow_group *g = shadow_group_create(1, 0, 1, 2);

	forget_counters();
	shadow_miss(g, in_set(0, 1, 1), SHADOW_NEW);
	shadow_miss(g, in_set(0, 1, 2), SHADOW_NEW);
	shadow_forget(g, in_set(0, 1, 1));
	shadow_miss(g, in_set(0, 1, 3), SHADOW_NEW);
	shadow_touch(g, in_set(0, 1, 2));
	assert_int_equal(nr_shadow_sim_lru, 3);		/* 2 is still there */
	shadow_miss(g, in_set(0, 1, 2), SHADOW_NEW);
	assert_int_equal(nr_shadow_sim_lru, 4);
	assert_int_equal(nr_shadow_compulsory, 4);
	shadow_adopt(g, in_set(0, 1, 4));		/* 3 goes */
	assert_int_equal(nr_shadow_sim_lru, 4);
	assert_int_equal(nr_shadow_adopted, 1);
	shadow_miss(g, in_set(0, 1, 9), SHADOW_FIRST);	/* nobody remembers it */
	shadow_miss(g, in_set(0, 1, 3), SHADOW_AGAIN);
	shadow_miss(g, in_set(0, 1, 9), SHADOW_AGAIN);	/* two lines are enough for 9 and 3 */
	assert_int_equal(nr_shadow_compulsory, 5);
	assert_int_equal(nr_shadow_conflict, 1);
	assert_int_equal(nr_shadow_capacity, 1);
	assert_false(shadow_renew(g, in_set(0, 1, 99)));
	shadow_group_destroy(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_ways),
		cmocka_unit_test(pages_come_and_go),
		cmocka_unit_test(what_fits),
		cmocka_unit_test(what_does_not_fit),
		cmocka_unit_test(what_collides),
		cmocka_unit_test(what_is_popular),
		cmocka_unit_test(what_moves),
		cmocka_unit_test(what_a_sample_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
