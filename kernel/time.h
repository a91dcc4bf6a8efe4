/* SPDX-License-Identifier: MIT */
/* Clocks and timers, in nanoseconds. Tickless: the hardware timer is set for the earliest timer of its CPU. */
#ifndef KERNEL_TIME_H
#define KERNEL_TIME_H

#include "arch/x86/platform.h"
#include "lib/base/types.h"
#include "lib/rbtree.h"

/* Since boot; monotonic across CPUs; any context; cheap (TSC). The same scale as the architecture's: arch_timer_set() takes it. */
#ifdef TANGRAM_HOST
u64 time_mono_ns(void);
#else
static inline u64 time_mono_ns(void) { return arch_clock_ns(); }
#endif
u64 time_wall_ns(void);		/* Unix time; read from the RTC at boot, advances with the TSC */
void time_set_wall_ns(u64 ns);
void time_init(void);		/* after arch time calibration */

struct timer {
	u64 when_ns;
	void (*fn)(struct timer *t);	/* in interrupt context: may wake and take irqsave locks, nothing else */
	void *arg;
	struct rb_node node;		/* [queue lock] FIT and RoCE keep thousands: start and cancel are cheap */
	u32 cpu;			/* [queue lock] whose queue it is or was on */
	u8 state;			/* [queue lock] */
};

void timer_init(struct timer *t, void (*fn)(struct timer *), void *arg);
void timer_start(struct timer *t, u64 when_ns);	/* absolute, monotonic; restarts when pending; on this CPU */
bool timer_cancel(struct timer *t);		/* true: it will not run; false: it had run, or was not pending */
void timer_cancel_sync(struct timer *t);	/* after it, fn is not running either; not from fn or interrupts */
bool timer_pending(const struct timer *t);
void timers_init_cpu(void);
void timers_interrupt(void);			/* called by arch's timer interrupt */
/* The scheduler's: the end of the running thread's slice on this CPU, 0 for none; interrupts off. */
void timers_set_slice(u64 when_ns);
bool timers_have_slice(void);	/* one is set, and has not ended; interrupts off */

#endif
