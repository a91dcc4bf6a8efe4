/* SPDX-License-Identifier: MIT */
/*
 * Threads and the scheduler: preemptive, one run queue per CPU, work stealing, tickless when idle or alone.
 * A kernel thread runs fn(arg); a user thread is one whose fn enters user mode (managers/processor).
 */
#ifndef KERNEL_THREAD_H
#define KERNEL_THREAD_H

#include "lib/base/atomic.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "arch/x86/context.h"

#define THREAD_STACK_SIZE	(16 * 1024)	/* with an unmapped guard page below */

enum thread_state {
	THREAD_NEW,		/* created, not started */
	THREAD_READY,		/* on a run queue */
	THREAD_RUNNING,		/* on a CPU */
	THREAD_WAITING,		/* on a wait queue or in thread_sleep */
	THREAD_DEAD,		/* exited; freed when the last reference goes */
};

struct thread {
	struct arch_context ctx;	/* arch/x86: saved stack pointer, fs/gs base, FPU state; see context.h */
	void *stack;			/* [I] lowest address */
	u32 state;			/* [a] enum thread_state; written by the thread itself (to WAITING and back, DEAD) and
					 * under its CPU's run queue lock by others */
	u32 cpu;			/* [run queue lock] CPU it runs or ran on */
	bool on_cpu;			/* [run queue lock] its stack is in use by a CPU */
	u64 affinity;			/* [run queue lock] bit per CPU; all ones by default (L21) */
	u8 priority;			/* [run queue lock] PRIO_* */
	bool keeps_turn;		/* [a] of a PRIO_REAL_TIME: no slice; only who goes before it takes the CPU from it */
	s32 nice;
	u64 runtime_ns;			/* [run queue lock] CPU time used until it was last taken off: thread_runtime_ns() */
	u64 nr_waits, nr_preempted;	/* [run queue lock] switches away: because it waits, or to let another run */
	u64 minor_faults, major_faults;	/* [o] of user memory; others may look */
	struct list run_link;		/* [run queue lock] */
	struct list all_link;		/* [threads lock] */
	refcount_t refs;
	char name[16];
	void *task;			/* [I] managers/processor: its struct task; NULL for kernel threads */
	bool signal_pending;		/* [a] set with thread_interrupt(): WAIT_INTR waits end */
	bool fatal_pending;		/* [a] WAIT_KILLABLE waits end */
	u32 syscall_work;		/* [a] managers/processor: not 0: its system calls are traced */
	u64 fault_recover;		/* [o] see arch/x86/uaccess.h */
	u32 lock_depth;			/* [o] debug: held ranks */
	u16 lock_held[12];		/* [o] debug: ranks of the mutexes held, in the order taken */
	void (*fn)(void *arg);		/* [I] */
	void *arg;			/* [I] */
	u64 run_start_ns;		/* [run queue lock] when it was last put on a CPU */
	void *sched_private;
};

/* The lower goes first. HIGH: net and FIT receive threads; REAL_TIME and up: programs'; LOW: sweep, read-ahead */
enum { PRIO_HIGH = 0, PRIO_REAL_TIME = 1, PRIO_REAL_TIME_LAST = 99, PRIO_NORMAL = 100, PRIO_LOW = 101 };

/* Never fails for want of anything but memory: NULL then. The thread is NEW, with one reference owned by the caller. */
struct thread *thread_create(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, ...) __printf(4, 5);
void thread_start(struct thread *t);
/* create + start + drop the reference; for daemons that never end. 0 or -ENOMEM. */
int thread_spawn(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, ...) __printf(4, 5);
void __noreturn thread_exit(void);
void thread_get(struct thread *t);
void thread_put(struct thread *t);

static inline struct thread *thread_current(void) { return arch_current_thread(); }	/* the one definition (L2) */

void schedule(void);				/* give the CPU away; returns when chosen again */
void thread_yield(void);
void thread_sleep_ns(u64 ns);			/* uninterruptible */
int thread_sleep_until_intr(u64 deadline_ns);	/* 0, or -EINTR; ~0: no deadline */
void thread_wake(struct thread *t);		/* WAITING -> READY; harmless otherwise; any context */
/* End the thread's interruptible (fatal: also killable) wait now or its next one; sets the flags. */
void thread_interrupt(struct thread *t, bool fatal);
unsigned sched_nr_running(void);	/* threads that run or are ready to, on all CPUs; any context */
u64 sched_idle_ns(unsigned cpu);	/* how long it had nothing to run, until now; any context */
u64 thread_runtime_ns(struct thread *t);	/* CPU time used until now; any context */
void thread_set_priority(struct thread *t, int prio);	/* PRIO_* */
#define SCHED_SLICE_NS	5000000ULL	/* of a thread with the usual nice value, and of a real-time one */
u64 thread_slice_ns(const struct thread *t);	/* how long it runs while its equals wait: its nice value says, or that it is real-time */
void thread_set_affinity(struct thread *t, u64 mask);
/* called by arch on the way out of an interrupt or syscall when need_resched is set, preemption being enabled */
void sched_preempt_point(void);
bool sched_need_resched(void);

void sched_init(void);			/* boot CPU; makes the calling context the first thread */
void sched_init_cpu(void);		/* every CPU, from the one list of per-CPU initialisers (L22) */
void __noreturn sched_idle(void);	/* the idle loop: hlt with interrupts, no tick */

/* for /proc and accounting: calls fn for each thread under the threads lock */
void thread_for_each(void (*fn)(struct thread *t, void *arg), void *arg);

#endif
