/* SPDX-License-Identifier: MIT */
/*
 * Timers that send signals: POSIX timers (timer_create(2)), interval timers (setitimer(2)) and the watch over RLIMIT_CPU. All of a
 * process hang on process->timers; their state is guarded by its signal_lock, as their signals are. Times in nanoseconds of
 * the timer's clock.
 *
 * An interval timer of real time and a POSIX timer start anew when their signal is taken, not when it is sent: however short
 * the interval, there is one signal at a time, and the periods that passed meanwhile are its overrun.
 */
#ifndef MANAGERS_PROCESSOR_TIMERS_H
#define MANAGERS_PROCESSOR_TIMERS_H

#include "managers/processor/process/clocks.h"
#include "managers/processor/process/process.h"

enum { PTIMER_REAL, PTIMER_VIRTUAL, PTIMER_PROF, PTIMER_LIMIT, NR_PTIMERS };	/* process->own_timer; 0 to 2 as setitimer has them */

/* what timer_create() asks for */
struct ptimer_spec { struct clock clock; int signo; u64 value; u32 tid; bool silent, value_is_id; };

struct ptimer_time { u64 left, interval; };	/* left 0: not running */

/* The number of a new timer, or -EAGAIN, -ENOMEM. */
s64 ptimer_create(struct process *p, const struct ptimer_spec *spec);
/* All of these: -EINVAL when there is no timer of that number. */
int ptimer_delete(struct process *p, s32 id);
int ptimer_set(struct process *p, s32 id, bool absolute, u64 value, u64 interval, struct ptimer_time *old);
int ptimer_get(struct process *p, s32 id, struct ptimer_time *now);
s64 ptimer_overrun(struct process *p, s32 id);

/* setitimer and getitimer: which is PTIMER_REAL to PTIMER_PROF. 0 or -ENOMEM. */
int itimer_set(struct process *p, unsigned which, u64 value, u64 interval, struct ptimer_time *old);
void itimer_get(struct process *p, unsigned which, struct ptimer_time *now);
/* RLIMIT_CPU was set: SIGXCPU at cur seconds of CPU time and each second after, SIGKILL at max. 0 or -ENOMEM. */
int cpu_limit_watch(struct process *p);

void ptimers_clock_set(void);		/* the time of day was set: those that wait for one are started anew */
void ptimers_delete(struct process *p, bool all);	/* execve: POSIX timers; exit: all. May sleep */
/* signal_lock held: its queued signal is being taken; fills in the overrun and starts the next period. */
void ptimer_taken(struct ptimer *t, struct siginfo_abi *info);
void itimer_real_taken(struct process *p);		/* signal_lock held: SIGALRM was */

#endif
