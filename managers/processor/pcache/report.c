/* SPDX-License-Identifier: MIT */
/* What the cache says of itself: geometry, what the shadow sets found, and how far its fills are from what the wire allows. */
#include "managers/processor/pcache/pcache.h"

#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "managers/processor/pcache/shadow.h"
#include "managers/processor/pcache/stream.h"
#include "managers/processor/space/space.h"
#include "net/fit/rpc.h"
#include "net/service/service.h"

/* --- the round trip --- */

#define READS		33			/* odd: there is one in the middle */
#define PATIENCE_NS	NSEC_PER_SEC		/* a boot waits no longer */

static u64 round_trip_ns;			/* [a] 0: not known */
static struct waitq measured_wait = WAITQ_INIT(measured_wait);
static bool measured;				/* [a] or given up */

static void measure(void *arg)
{
	unsigned node = (uintptr_t)arg;
	u32 ip = fit_node_ip(node);
	u64 ns = 0;
	int rc = ip == 0 ? -ENOENT : service_read_time(ip, READS, &ns);

	if (rc < 0)
		pr_note("pcache: the round trip to %s is not known: %s", fit_node_name(node), errno_name(rc));
	else
		pr_info("pcache: a READ of 4 KiB from %s takes %llu ns", fit_node_name(node), (unsigned long long)ns);
	__atomic_store_n(&round_trip_ns, ns, __ATOMIC_RELAXED);
	store_release(&measured, true);
	waitq_wake_all(&measured_wait);
	thread_exit();
}

void pcache_measure_wire(void)
{
	int node = fit_wait_role(ROLE_MEMORY, 1);

	if (node < 0 || thread_spawn(measure, (void *)(uintptr_t)node, PRIO_NORMAL, "measure") < 0)
		return;
	(void)!waitq_wait_timeout(&measured_wait, load_acquire(&measured), time_mono_ns() + PATIENCE_NS);
}

/* --- the report --- */

struct report {
	void (*say)(const char *name, const char *value, void *arg);
	void *arg;
};

static void say(const struct report *r, const char *name, u64 value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	r->say(name, text, r->arg);
}

static u64 permille(u64 part, u64 of) { return of == 0 ? 0 : (part * 1000 + of / 2) / of; }

static void say_geometry(const struct report *r)
{
	static const char *const modes[] = { [PREFETCH_OFF] = "off", [PREFETCH_FIXED] = "fixed", [PREFETCH_ADAPTIVE] = "adaptive" };

	say(r, "pcache.size_kib", pcache.p.nr_lines * (PAGE_SIZE / 1024));
	say(r, "pcache.sets", pcache.p.nr_sets);
	say(r, "pcache.ways", pcache.p.ways);
	say(r, "pcache.victim", pcache.p.victim_hits ? pcache.p.nr_victims : 0);
	r->say("pcache.policy", pcache.p.policy->name, r->arg);
	r->say("pcache.prefetch", modes[pcache.p.prefetch], r->arg);
}

/* Shares of what was missed; hits of the references that were seen. */
static void say_shadow(const struct report *r)
{
	u64 missed = counter_read(&nr_shadow_miss), seen = missed + counter_read(&nr_shadow_touch);
	u32 sets, groups;
	char name[40];

	shadow_sampled(&sets, &groups);
	say(r, "shadow.sampled_sets", sets);
	if (sets == 0)
		return;
	say(r, "shadow.references", seen);
	say(r, "shadow.missed", missed);
	say(r, "shadow.compulsory_permille", permille(counter_read(&nr_shadow_compulsory), missed));
	say(r, "shadow.capacity_permille", permille(counter_read(&nr_shadow_capacity), missed));
	say(r, "shadow.conflict_permille", permille(counter_read(&nr_shadow_conflict), missed));
	say(r, "shadow.hit_permille", permille(seen - missed, seen));
	for (unsigned i = 0; i < NR_SHADOW_SIMS; i++) {
		if (!shadow_simulated(pcache.sets[0].shadow, i))
			continue;
		snprintf(name, sizeof(name), "shadow.%s.hit_permille", shadow_sim_name[i]);
		say(r, name, permille(seen - MIN(seen, shadow_sim_misses(i)), seen));
	}
}

static void say_distance(const struct report *r)
{
	u64 ns = __atomic_load_n(&round_trip_ns, __ATOMIC_RELAXED), took = counter_read(&nr_pcache_fill_ns);
	u64 pages = counter_read(&nr_pcache_fill_from_memory) + counter_read(&nr_pcache_prefetch_useful) +
		    counter_read(&nr_pcache_prefetch_late);

	say(r, "fill.pages", pages);
	say(r, "fill.ns", took);
	if (ns == 0)
		return;
	say(r, "fill.round_trip_ns", ns);
	if (pages != 0)
		say(r, "fill.distance_percent", took * 100 / (pages * ns));
}

void pcache_report(void (*fn)(const char *name, const char *value, void *arg), void *arg)
{
	struct report r = { fn, arg };

	say_geometry(&r);
	say_shadow(&r);
	say_distance(&r);
}
