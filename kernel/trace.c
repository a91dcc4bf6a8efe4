/* SPDX-License-Identifier: MIT */
/*
 * The rings of trace.h. Each is written by its CPU alone, with interrupts off, so that records are whole and in order; a reader on
 * another CPU looks at a record's number before and after it copies.
 */
#include "kernel/trace.h"

#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "kernel/param.h"
#include "kernel/printk.h"
#include "kernel/thread.h"
#include "lib/base/atomic.h"
#include "lib/base/percpu.h"
#include "lib/base/printf.h"
#include "mm/slab.h"

#define RING_SIZE	2048		/* records; a power of two */
#define PANIC_RECORDS	32		/* of each CPU */

u32 trace_on;

struct trace_ring {
	u64 head;			/* [a] number of the next record; this CPU writes it */
	struct trace_record record[RING_SIZE];
};
static struct trace_ring *rings[MAX_CPUS];	/* [I] once trace_on is set */
static int reading;				/* [a] one reader at a time; another is shown nothing */

#define TRACE_GROUP(event, group) [TRACE_##event] = #group,
static const char *const group_of[NR_TRACE_EVENTS] = { TRACE_EVENTS(TRACE_GROUP) };

/* The events of the group at s, which ends at a comma or with the string; *len is its length. */
static u32 group_events(const char *s, size_t *len)
{
	u32 events = 0;

	*len = 0;
	while (s[*len] != '\0' && s[*len] != ',')
		(*len)++;
	for (unsigned e = 0; e < NR_TRACE_EVENTS; e++)
		if ((*len == 3 && strncmp(s, "all", 3) == 0) || (strlen(group_of[e]) == *len && strncmp(s, group_of[e], *len) == 0))
			events |= 1U << e;
	return events;
}

void trace_init(void)
{
	const char *s = param_str("trace", "");
	u32 events = 0;
	size_t len;

	for (; *s != '\0'; s += len + (s[len] == ',')) {
		u32 group = group_events(s, &len);

		if (group == 0)
			pr_warn("trace=%s: one of sched, pcache, fit, all was expected", s);
		events |= group;
	}
	if (events == 0)
		return;
	for_each_cpu(cpu) {
		rings[cpu] = kzalloc(sizeof(*rings[cpu]));
		if (rings[cpu] == NULL) {
			pr_warn("trace: no memory for the ring of CPU %u", cpu);
			return;
		}
	}
	store_release(&trace_on, events);
}

void trace_write(enum trace_event event, u64 a, u64 b, u64 c, u64 d)
{
	u64 flags = irq_save();
	struct trace_ring *ring = rings[cpu_id()];
	const struct thread *self = thread_current();
	u64 number = ring->head;
	struct trace_record *r = &ring->record[number % RING_SIZE];

	__atomic_store_n(&r->seq, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);	/* A: pairs with B in take() */
	r->time_ns = arch_clock_ns();
	r->event = event;
	r->cpu = cpu_id();
	r->arg[0] = a;
	r->arg[1] = b;
	r->arg[2] = c;
	r->arg[3] = d;
	memcpy(r->thread, self != NULL ? self->name : "-\0             ", sizeof(r->thread));
	store_release(&r->seq, number + 1);
	store_release(&ring->head, number + 1);
	irq_restore(flags);
}

/* A copy of the record; false: another stands there by now. */
static bool take(unsigned cpu, u64 number, struct trace_record *out)
{
	const struct trace_record *r = &rings[cpu]->record[number % RING_SIZE];

	if (load_acquire(&r->seq) != number + 1)
		return false;
	*out = *r;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);	/* B: pairs with A in trace_write() */
	return __atomic_load_n(&r->seq, __ATOMIC_RELAXED) == number + 1;
}

struct cursor {
	u64 at, end;
	struct trace_record next;	/* valid if at < end */
};

/* On to the next record that still stands. */
static void cursor_load(struct cursor *c, unsigned cpu)
{
	while (c->at < c->end && !take(cpu, c->at, &c->next))
		c->at++;
}

void trace_for_each(unsigned most, void (*fn)(const struct trace_record *r, void *arg), void *arg)
{
	static struct cursor cursors[MAX_CPUS];		/* too large for a stack */

	if (rings[0] == NULL || rings[nr_cpus - 1] == NULL || __atomic_exchange_n(&reading, 1, __ATOMIC_ACQUIRE) != 0)
		return;
	for_each_cpu(cpu) {
		cursors[cpu].end = load_acquire(&rings[cpu]->head);
		cursors[cpu].at = cursors[cpu].end - MIN(cursors[cpu].end, (u64)MIN(most, RING_SIZE));
		cursor_load(&cursors[cpu], cpu);
	}
	for (;;) {
		struct cursor *first = NULL;
		unsigned from = 0;

		for_each_cpu(cpu) {
			struct cursor *c = &cursors[cpu];

			if (c->at < c->end && (first == NULL || c->next.time_ns < first->next.time_ns)) {
				first = c;
				from = cpu;
			}
		}
		if (first == NULL)
			break;
		fn(&first->next, arg);
		first->at++;
		cursor_load(first, from);
	}
	__atomic_store_n(&reading, 0, __ATOMIC_RELEASE);
}

static const char *text_of(u64 arg) { return arg == 0 ? "?" : (const char *)(uintptr_t)arg; }

int trace_show(const struct trace_record *r, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%llu.%06llu cpu %u %.16s: ", (unsigned long long)(r->time_ns / NSEC_PER_SEC),
			 (unsigned long long)(r->time_ns % NSEC_PER_SEC / 1000), r->cpu, r->thread);
	size_t at = MIN((size_t)n, size);

	buf += at;
	size -= at;
	switch (r->event) {
	case TRACE_SCHED_SWITCH:
		return n + snprintf(buf, size, "switch to %.16s", r->text);
	case TRACE_SCHED_WAKE:
		return n + snprintf(buf, size, "wake %.16s", r->text);
	case TRACE_PCACHE_LINE:
	case TRACE_PCACHE_VICTIM:
		return n + snprintf(buf, size, "%s of %llx:%llx: %s, now %s", r->event == TRACE_PCACHE_LINE ? "line" : "victim",
				    (unsigned long long)r->arg[0], (unsigned long long)r->arg[1], text_of(r->arg[2]), text_of(r->arg[3]));
	case TRACE_FIT_CALL:
		return n + snprintf(buf, size, "call %s of node %llu", text_of(r->arg[0]), (unsigned long long)r->arg[1]);
	case TRACE_FIT_END:
		return n + snprintf(buf, size, "call %s of node %llu ends: %lld, %llu ns", text_of(r->arg[0]), (unsigned long long)r->arg[1],
				    (long long)r->arg[2], (unsigned long long)r->arg[3]);
	case TRACE_FIT_SERVE:
		return n + snprintf(buf, size, "serve %s to node %llu", text_of(r->arg[0]), (unsigned long long)r->arg[1]);
	}
	return n + snprintf(buf, size, "event %u", r->event);
}

static void dump_one(const struct trace_record *r, void *arg)
{
	char line[160];

	(void)trace_show(r, line, sizeof(line));
	pr_err("trace: %s", line);
}

void trace_panic_dump(void)
{
	if (__atomic_exchange_n(&trace_on, 0, __ATOMIC_SEQ_CST) == 0)
		return;
	__atomic_store_n(&reading, 0, __ATOMIC_RELAXED);	/* who was at it stands still */
	trace_for_each(PANIC_RECORDS, dump_one, NULL);
}
