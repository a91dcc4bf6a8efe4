/* SPDX-License-Identifier: MIT */
/*
 * Trace points: what happened last, in a ring per CPU, at the cost of one test of a word where tracing is off. They take no lock and
 * write nothing to the console, so that a race looks the same with them and without. Switched on at boot (`trace=sched,pcache,fit` or
 * `all`); read from /proc/tangram/trace on a processor node, and printed by a panic on any node.
 *
 *	trace(TRACE_FIT_CALL, (u64)op->name, node, 0, 0);	any context
 *
 * What an argument means stands in trace_show(). A string must live for ever; a short one that does not is given by trace_text().
 */
#ifndef KERNEL_TRACE_H
#define KERNEL_TRACE_H

#include "lib/base/string.h"

/* event, group */
#define TRACE_EVENTS(X)								\
	X(SCHED_SWITCH, sched)	/* text: the next thread's name */		\
	X(SCHED_WAKE, sched)	/* text: the name of the thread that is woken */ \
	X(PCACHE_LINE, pcache)	/* space or object, index, event, new state */	\
	X(PCACHE_VICTIM, pcache) /* the same of a victim entry */		\
	X(FIT_CALL, fit)	/* op, node */					\
	X(FIT_END, fit)		/* op, node, status, ns it took */		\
	X(FIT_SERVE, fit)	/* op, node */

#define TRACE_ENUM(event, group) TRACE_##event,
enum trace_event { TRACE_EVENTS(TRACE_ENUM) NR_TRACE_EVENTS };

struct trace_record {
	u64 seq;		/* [a] its number in the ring, plus 1; 0 while it is being written */
	u64 time_ns;
	union {
		u64 arg[4];
		char text[32];
	};
	char thread[16];	/* who was running */
	u8 event, cpu;
};

extern u32 trace_on;		/* bit per event; changed at boot, and by the panic that stops it */

void trace_init(void);		/* at boot, once per-CPU data is there: the parameter, the rings */
void trace_write(enum trace_event event, u64 a, u64 b, u64 c, u64 d);

static inline void trace(enum trace_event event, u64 a, u64 b, u64 c, u64 d)
{
	if (unlikely(trace_on & 1U << event))
		trace_write(event, a, b, c, d);
}

/* text: 16 readable bytes at least */
static inline void trace_text(enum trace_event event, const char *text)
{
	u64 w[2];

	if (likely(!(trace_on & 1U << event)))
		return;
	memcpy(w, text, sizeof(w));
	trace_write(event, w[0], w[1], 0, 0);
}

/* The last records of each CPU, at most so many, all in order of time. A record that is overwritten meanwhile is left out. */
void trace_for_each(unsigned most, void (*fn)(const struct trace_record *r, void *arg), void *arg);
int trace_show(const struct trace_record *r, char *buf, size_t size);	/* one line without its end; as snprintf() */
void trace_panic_dump(void);	/* stops tracing and prints; the other CPUs stand still */

#endif
