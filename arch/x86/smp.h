/* SPDX-License-Identifier: MIT */
/* Other CPUs: starting them, asking them to do something, TLB shootdown. */
#ifndef ARCH_X86_SMP_H
#define ARCH_X86_SMP_H

#include "lib/base/types.h"
#include "lib/base/percpu.h"

void smp_start_others(void (*entry)(void));	/* each secondary CPU runs entry() on its own stack, per-CPU data ready */
void smp_send_resched(unsigned cpu);		/* make it look at its need_resched soon; any context */
/* Run fn(arg) on all other CPUs (interrupt context there), wait until all are done. Interrupts on. */
void smp_call_others(void (*fn)(void *arg), void *arg);
void smp_stop_others(void);			/* panic and power-off: halt them all; any context */

#endif
