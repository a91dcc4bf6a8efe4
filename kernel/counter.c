/* SPDX-License-Identifier: MIT */
/* Counters and accounting values, for the control port, the log and /proc. */
#include "kernel/counter.h"
#include "lib/base/printk.h"

static struct list groups = LIST_INIT(groups);		/* grows at boot only */

#define MAX_ACCT 64
static struct { const char *name; u64 (*read)(void); } acct[MAX_ACCT];
static unsigned nr_acct;

void counters_register(struct counter_group *g)
{
	list_add_tail(&groups, &g->link);
}

u64 counter_read(const u64 *var)
{
	u64 sum = 0;

	for_each_cpu(cpu)
		sum += __atomic_load_n(per_cpu_ptr((u64 *)var, cpu), __ATOMIC_RELAXED);
	return sum;
}

void counters_for_each(void (*fn)(const char *name, u64 value, void *arg), void *arg)
{
	struct counter_group *g;

	list_for_each(g, &groups, link) {
		for (unsigned i = 0; i < g->nr; i++)
			fn(g->desc[i].name, counter_read(g->desc[i].var), arg);
	}
}

void counters_for_each_cpu(void (*fn)(const char *name, unsigned cpu, u64 value, void *arg), void *arg)
{
	struct counter_group *g;

	list_for_each(g, &groups, link) {
		for (unsigned i = 0; i < g->nr; i++)
			for_each_cpu(cpu)
				fn(g->desc[i].name, cpu, __atomic_load_n(per_cpu_ptr(g->desc[i].var, cpu), __ATOMIC_RELAXED), arg);
	}
}

static void log_one(const char *name, u64 value, void *arg)
{
	pr_info("%s: %llu", name, (unsigned long long)value);
}

void counters_log(void) { counters_for_each(log_one, NULL); }

void acct_register(const char *name, u64 (*read)(void))
{
	if (nr_acct == MAX_ACCT)
		panic("acct: no room for %s", name);
	acct[nr_acct].name = name;
	acct[nr_acct++].read = read;
}

void acct_for_each(void (*fn)(const char *name, u64 value, void *arg), void *arg)
{
	for (unsigned i = 0; i < nr_acct; i++)
		fn(acct[i].name, acct[i].read(), arg);
}
