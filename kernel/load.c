/* SPDX-License-Identifier: MIT */
#include "kernel/load.h"

#include "kernel/thread.h"
#include "kernel/time.h"

#define LOOK_NS		(5 * NSEC_PER_SEC)
#define ONE		(1ULL << LOAD_SHIFT)

/* What is left of the past after five seconds: e^(-5/60), e^(-5/300), e^(-5/900) of ONE */
static const u64 left[NR_LOADS] = { 1884, 2014, 2037 };
static u64 average[NR_LOADS];			/* [a] */
static struct timer look_timer;

/* Interrupt context. Rounded to where it goes, so that it gets there. */
static void look(struct timer *t)
{
	u64 now = sched_nr_running() * ONE;

	for (unsigned i = 0; i < NR_LOADS; i++) {
		u64 was = READ_ONCE(average[i]), sum = was * left[i] + now * (ONE - left[i]);

		WRITE_ONCE(average[i], (sum + (now >= was ? ONE - 1 : 0)) >> LOAD_SHIFT);
	}
	timer_start(t, time_mono_ns() + LOOK_NS);
}

u64 load_average(unsigned which) { return READ_ONCE(average[which]); }

void load_start(void)
{
	timer_init(&look_timer, look, NULL);
	timer_start(&look_timer, time_mono_ns() + LOOK_NS);
}
