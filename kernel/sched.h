/* SPDX-License-Identifier: MIT */
/* Between kernel/sched.c and kernel/thread.c. */
#ifndef KERNEL_SCHED_H
#define KERNEL_SCHED_H

#include "kernel/thread.h"

void sched_add_new(struct thread *t);		/* NEW -> READY on some CPU */
void thread_reap_later(struct thread *t);	/* DEAD and off its stack for good; any context */
void thread_init_struct(struct thread *t, int prio);
void thread_trim_stacks(void);			/* free the spare stacks */
void thread_init_reaper(void);			/* once threads can run */

#endif
