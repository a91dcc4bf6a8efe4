/* SPDX-License-Identifier: MIT */
/* Preemption, as the scheduler and the locks see it; everybody else uses preempt_disable() and preempt_enable(). */
#ifndef KERNEL_PREEMPT_H
#define KERNEL_PREEMPT_H

#include "lib/base/percpu.h"

DECLARE_PER_CPU(u64, preempt_count);	/* > 0: the thread keeps the CPU; always 1 while switching */
DECLARE_PER_CPU(u64, need_resched);	/* [a] set by anybody, cleared by schedule() */

void sched_preempt(void);		/* interrupts on or off: give the CPU to a better thread; the caller stays runnable */

/* debug builds: locks this CPU holds */
void locks_panic_dump(void);

#endif
