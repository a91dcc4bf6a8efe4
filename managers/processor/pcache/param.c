/* SPDX-License-Identifier: MIT */
/* The cache's geometry from the boot parameters, checked before anything is allocated; and the start of it all. */
#include "managers/processor/pcache/pcache.h"

#include "kernel/param.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/pcache/shadow.h"
#include "managers/processor/pcache/stream.h"
#include "mm/frame.h"

DEFINE_COUNTERS(pcache, PCACHE_COUNTERS);

#define MIN_LINES	2
#define MAX_WAYS	1024
#define MAX_VICTIMS	65536
#define SHADOW_EVERY	16
#define KERNEL_NEEDS	MIB(24)		/* of memory, beside the cache: connections, threads, page tables, buffers */

static const struct pcache_policy *const policies[] = { &policy_lru, &policy_fifo, &policy_clock, &policy_random };

static const struct pcache_policy *policy_find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++)
		if (strcmp(policies[i]->name, name) == 0)
			return policies[i];
	return NULL;
}

static int prefetch_mode(const char *word)
{
	static const char *const modes[] = { [PREFETCH_OFF] = "off", [PREFETCH_FIXED] = "fixed", [PREFETCH_ADAPTIVE] = "adaptive" };

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(modes[i], word) == 0)
			return i;
	pr_err("pcache: pcache.prefetch=%s is none of off, fixed, adaptive", word);
	return -EINVAL;
}

int pcache_params_check(struct pcache_params *p, u64 size, u64 ways, u64 victim, const char *policy, u64 memory_free)
{
	u64 lines = size >> PAGE_SHIFT, frames;

	p->policy = policy_find(policy);
	if (p->policy == NULL) {
		pr_err("pcache: pcache.policy=%s is none of lru, fifo, clock, random", policy);
		return -EINVAL;
	}
	if (ways < 1 || ways > MAX_WAYS || victim > MAX_VICTIMS) {
		pr_err("pcache: pcache.ways is 1 to %u, pcache.victim 0 to %u", MAX_WAYS, MAX_VICTIMS);
		return -EINVAL;
	}
	if (size % PAGE_SIZE != 0 || lines < MIN_LINES || lines % ways != 0) {
		pr_err("pcache: pcache.size=%llu is not a whole number of sets of %llu pages of 4 KiB (at least %u pages)",
		       (unsigned long long)size, (unsigned long long)ways, MIN_LINES);
		return -EINVAL;
	}
	p->nr_lines = lines;
	p->ways = ways;
	p->nr_sets = lines / ways;
	p->victim_hits = victim != 0;
	p->nr_victims = MAX(victim, 1ULL);
	frames = lines + RESERVE_LINES + p->nr_victims;
	if (lines > memory_free >> PAGE_SHIFT || (frames << PAGE_SHIFT) + frames * 256 + KERNEL_NEEDS > memory_free) {
		pr_err("pcache: pcache.size=%llu does not fit: %llu bytes are free and the kernel needs %llu of them",
		       (unsigned long long)size, (unsigned long long)memory_free, (unsigned long long)KERNEL_NEEDS);
		return -ENOMEM;
	}
	return 0;
}

int pcache_params_get(struct pcache_params *p, u64 memory_free)
{
	unsigned before = param_errors();
	u64 size = param_size("pcache.size", MIB(16), PAGE_SIZE, 1ULL << 46);
	u64 ways = param_u64("pcache.ways", 16, 1, MAX_WAYS);
	u64 victim = param_u64("pcache.victim", 32, 0, MAX_VICTIMS);
	u64 window = param_u64("pcache.prefetch_max", STREAM_WINDOW_MAX, 2, STREAM_WINDOW_MAX);
	u64 shadow = param_u64("pcache.shadow", SHADOW_EVERY, 0, 1024);
	u64 turns = param_u64("pcache.turns", 1, 0, 1);
	int mode = prefetch_mode(param_str("pcache.prefetch", "adaptive"));
	int rc;

	if (param_errors() != before || mode < 0)
		return -EINVAL;
	rc = pcache_params_check(p, size, ways, victim, param_str("pcache.policy", "lru"), memory_free);
	p->shadow = shadow;
	p->turns = turns;
	p->prefetch = mode;
	p->prefetch_max = prefetch_limit(window, p->nr_lines);
	return rc;
}

static u64 user_frames(void) { return __atomic_load_n(&pcache.frames_used, __ATOMIC_RELAXED); }
static u64 user_frames_max(void) { return __atomic_load_n(&pcache.frames_used_max, __ATOMIC_RELAXED); }
static u64 user_frames_limit(void) { return pcache.p.nr_lines + pcache.p.nr_victims + RESERVE_LINES; }

int pcache_init(void)
{
	int rc = pcache_params_get(&pcache.p, frames_free_count() << PAGE_SHIFT);

	if (rc == 0)
		rc = pcache_alloc();
	if (rc == 0)
		rc = owner_init();
	if (rc == 0)
		rc = shadow_init();
	if (rc < 0)
		return rc;
	counters_register(&pcache_counters);
	counters_register(&shadow_counters);
	acct_register("lines_live", pcache_lines_live);
	acct_register("lines_cached", pcache_lines_cached);
	acct_register("owners_live", owners_live);
	acct_register("prefetch_unused", prefetch_unused);
	acct_register("victim_live", pcache_victims_live);
	acct_register("reserve_out", pcache_reserve_out);
	acct_register("user_frames", user_frames);
	acct_register("user_frames_max", user_frames_max);
	acct_register("user_frames_limit", user_frames_limit);
	prefetch_init();
	rc = flush_start();
	if (rc == 0)
		rc = sweep_start();
	pr_info("pcache: %llu KiB, %u sets of %u, victim cache of %u, %s", (unsigned long long)pcache.p.nr_lines * 4, pcache.p.nr_sets,
		pcache.p.ways, pcache.p.victim_hits ? pcache.p.nr_victims : 0, pcache.p.policy->name);
	return rc;
}
