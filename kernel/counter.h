/* SPDX-License-Identifier: MIT */
/*
 * Counters: per CPU, summed when read. One list a subsystem, defined once:
 *
 *	#define FOO_COUNTERS(X) X(nr_foo, "foos done") X(nr_bar, "bars refused")
 *	DECLARE_COUNTERS(FOO_COUNTERS)			in the header
 *	DEFINE_COUNTERS(foo, FOO_COUNTERS)		in one source file; call counters_register(&foo_counters) at init
 *	count(nr_foo);  count_n(nr_bar, 3);		anywhere, any context
 */
#ifndef KERNEL_COUNTER_H
#define KERNEL_COUNTER_H

#include "lib/base/list.h"
#include "lib/base/percpu.h"

struct counter_desc {
	const char *name, *meaning;
	u64 *var;			/* template of the per-CPU variable */
};
struct counter_group {
	const char *name;
	const struct counter_desc *desc;
	unsigned nr;
	struct list link;
};

#define COUNTER_DECLARE_ONE(n, m)	DECLARE_PER_CPU(u64, n);
#define DECLARE_COUNTERS(LIST)		LIST(COUNTER_DECLARE_ONE)
#define COUNTER_DEFINE_ONE(n, m)	DEFINE_PER_CPU(u64, n);
#define COUNTER_DESC_ONE(n, m)		{ #n, m, &n },
#define DEFINE_COUNTERS(group, LIST)						\
	LIST(COUNTER_DEFINE_ONE)						\
	static const struct counter_desc group##_counter_desc[] = { LIST(COUNTER_DESC_ONE) }; \
	struct counter_group group##_counters = { #group, group##_counter_desc,	\
		ARRAY_SIZE(group##_counter_desc), LIST_INIT(group##_counters.link) }

#define count(n)	this_cpu_inc(n)
#define count_n(n, k)	this_cpu_add(n, k)

void counters_register(struct counter_group *g);	/* at boot, one CPU */
u64 counter_read(const u64 *var);			/* sum over CPUs */
/* every counter of every group, in order of registration */
void counters_for_each(void (*fn)(const char *name, u64 value, void *arg), void *arg);
/* the same, with each CPU's share */
void counters_for_each_cpu(void (*fn)(const char *name, unsigned cpu, u64 value, void *arg), void *arg);
void counters_log(void);				/* to the kernel log, one `name: value` a line */

/* Accounting values (free frames, live objects...): functions asked when wanted; shown by the control port's acct. */
void acct_register(const char *name, u64 (*read)(void));
void acct_init(void);		/* the kernel core's own values */
void acct_for_each(void (*fn)(const char *name, u64 value, void *arg), void *arg);

#endif
