/* SPDX-License-Identifier: MIT */
/* The clocks of clock_gettime(2): what a clockid_t means, and what the clock shows. */
#ifndef MANAGERS_PROCESSOR_CLOCKS_H
#define MANAGERS_PROCESSOR_CLOCKS_H

#include "kernel/time.h"
#include "kernel/waitq.h"

enum { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
       CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, CLOCK_TAI = 11 };

#define CLOCK_FAR_NS	(1ULL << 62)	/* later than anything comes */

enum clock_kind { CLOCK_WALL, CLOCK_MONO, CLOCK_CPU_PROCESS, CLOCK_CPU_TASK };
enum clock_share { SHARE_ALL, SHARE_USER };	/* of CPU time: what a CPU-time clock counts */

struct clock {
	u8 kind;		/* enum clock_kind */
	u8 share;		/* enum clock_share */
	bool coarse_or_raw;	/* may be read, but nothing can be set by it */
	bool alarm;		/* would wake a machine that sleeps */
	u32 id;			/* process or task */
};

/* -EINVAL: there is no such clock, process or thread. A thread must be of the calling process. */
int __must_check clock_find(s32 clockid, struct clock *c);
int __must_check clock_read(const struct clock *c, u64 *ns);	/* -EINVAL: process or thread have ended */
/*
 * The time of day is set, for all of this node: timers and sleepers that wait for one look again. -EINVAL: before the machine was started.
 */
int __must_check clock_set_wall(u64 ns);
u32 clock_times_set(void);		/* how often it was, since boot */
/* When a time of day is, by the monotonic clock, as long as nobody sets it: never 0. */
u64 clock_mono_of_wall(u64 ns);
/* Sleep to a time of day, however that is set meanwhile: 0 or -EINTR. */
int __must_check clock_sleep_wall(u64 ns);

/* When a wait is to end: by the monotonic clock (0: never), or at a time of day, however that is set meanwhile. */
struct wait_end { u64 ns; bool of_day; };

struct day_waiter { struct list link; struct waitq *wait; };	/* whom to wake when the time of day is set */
void clock_watch(struct day_waiter *d);
void clock_unwatch(struct day_waiter *d);

/* waitq_wait_intr() that ends at a time of day */
#define clock_wait_intr(q, cond, wall_ns) ({						\
	struct day_waiter d_ = { .wait = (q) };						\
	u32 set_;									\
	int end_;									\
	clock_watch(&d_);								\
	do {										\
		set_ = clock_times_set();						\
		end_ = waitq_wait_intr((q), (cond) || clock_times_set() != set_, clock_mono_of_wall(wall_ns)); \
	} while (!(cond) && end_ != -EINTR && !(end_ == -ETIMEDOUT && time_wall_ns() >= (wall_ns))); \
	clock_unwatch(&d_);								\
	(cond) ? 0 : end_; })
#define wait_end_intr(q, cond, end) \
	((end)->of_day ? clock_wait_intr(q, cond, (end)->ns) : waitq_wait_intr(q, cond, (end)->ns))
static inline bool clock_is_cpu(const struct clock *c) { return c->kind >= CLOCK_CPU_PROCESS; }

#endif
