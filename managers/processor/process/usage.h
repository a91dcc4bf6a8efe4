/* SPDX-License-Identifier: MIT */
/*
 * What tasks and processes have used (getrusage(2), times(2), CPU-time clocks). Times in nanoseconds. A process's own is
 * what its ended tasks left behind (process->ended) and what its living ones have used until now.
 */
#ifndef MANAGERS_PROCESSOR_USAGE_H
#define MANAGERS_PROCESSOR_USAGE_H

#include "lib/base/types.h"

struct io_count { u64 read_chars, write_chars, read_calls, write_calls; };	/* of read(2), write(2) and their like */

struct usage {
	u64 user_ns, system_ns;
	u64 waits, preempted;			/* switches away from it */
	u64 minor_faults, major_faults;		/* major: the page came from a memory node */
	u64 max_pages;				/* the most that one address space touched */
	struct io_count io;
};

struct process;
struct task;
struct space;
struct rusage_abi;

#define CLOCK_TICK_NS	10000000ULL		/* of times(2), /proc/PID/stat and siginfo: AT_CLKTCK says 100 a second */

void usage_add(struct usage *u, const struct usage *more);
void usage_add_space(struct usage *u, const struct space *s);	/* the faults that happened in it */
void usage_of_task(const struct task *t, struct usage *u);	/* of a task that stays; without faults: the process finds them in its space */
void usage_of_thread(const struct task *t, struct usage *u);	/* the same with its own */
void usage_of_process(struct process *p, struct usage *u);
void usage_of_process_locked(const struct process *p, struct usage *u);	/* tree_lock held */
void usage_to_abi(const struct usage *u, struct rusage_abi *ru);

#endif
