/* SPDX-License-Identifier: MIT */
/* The clocks of clock_gettime(2): what a clockid_t means, and what the clock shows. */
#ifndef MANAGERS_PROCESSOR_CLOCKS_H
#define MANAGERS_PROCESSOR_CLOCKS_H

#include "lib/base/types.h"

enum { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
       CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, CLOCK_TAI = 11 };

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
/* Sleep to a time of day, however that is set meanwhile: 0 or -EINTR. */
int __must_check clock_sleep_wall(u64 ns);
static inline bool clock_is_cpu(const struct clock *c) { return c->kind >= CLOCK_CPU_PROCESS; }

#endif
