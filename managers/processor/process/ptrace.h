/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2): a thread, the tracer, stops another, the tracee, looks at it and changes it. What the calls ask is in
 * syscall/ptrace.c; here is what becomes of the two threads.
 *
 * A struct tracee is one traced thread as its tracer has it, from attach until detach, or until the tracer's wait has taken its end.
 * It is on the list of its tracer; task->tracee of the thread points to it.
 *
 *	state		STOP	 RESUME	  LISTEN    KILL     END
 *	RUNNING		STOPPED	 -	  -	    -	     ZOMBIE	it runs, or sleeps in a call
 *	STOPPED		-	 RUNNING  LISTENING RUNNING  -		in a stop; the tracer may look and change
 *	LISTENING	-	 RUNNING  -	    RUNNING  -		in a stop that the tracer lets be: PTRACE_LISTEN
 *	ZOMBIE		-	 -	  -	    -	     -		the thread has ended, the tracer's wait has not said so
 *
 *	STOP	the thread itself, in one of the stops below
 *	RESUME	its tracer: continue, detach, the tracer's own end; LISTENING also: there is a new stop to report
 *	KILL	the thread itself, woken by SIGKILL, or because another thread ends the process or execs. No stop outlasts that.
 *	END	the thread itself: task_exit()
 *
 * Stops, all on the thread's own way and without locks held:
 *	signal	before a signal is acted on; what the tracer continues with is acted on instead
 *	group	the process is stopped (SIGSTOP and its kin): each thread once; or an attach found it stopped
 *	trap	PTRACE_EVENT_STOP of seized threads: group stops, PTRACE_INTERRUPT, SIGCONT, the first one of a new child
 *	call	at the beginning and end of a system call
 *	event	PTRACE_EVENT_*: at fork, exec, exit, a call that a filter leaves to the tracer, and their like
 *
 * Registers of a stopped thread are where they always are, on its kernel stack. Its segment bases and FPU state are copied here when
 * it stops and, if the tracer has changed them, taken over by the thread when it goes on: nobody else touches a CPU's.
 *
 * An end: a thread that is not its process's first becomes a zombie at once. The first one becomes a zombie that is told of when the
 * process has ended and its other zombies are gone. The parent hears of a process's end when no tracee of it is left: if the tracer
 * is a thread of the parent, both are one. execve drops the first thread's zombie: whoever execs is the first thread now.
 *
 * Locks: all of it is under tree_lock (> signal_lock), which is never held while a tracee sleeps: it sleeps on its process's
 * task_wait. A tracee that is let go while its thread is in a stop (in_stop) is the thread's to free, on its way out of it;
 * else whoever lets it go frees it.
 */
#ifndef MANAGERS_PROCESSOR_PROCESS_PTRACE_H
#define MANAGERS_PROCESSOR_PROCESS_PTRACE_H

#include "managers/processor/process/process.h"

#define TRACEE_STATES(X) X(RUNNING) X(STOPPED) X(LISTENING) X(ZOMBIE)
#define TRACEE_EVENTS(X) X(STOP) X(RESUME) X(LISTEN) X(KILL) X(END)
#define TRACEE_STATE_ENUM(s) TRACEE_##s,
enum tracee_state { TRACEE_ILLEGAL, TRACEE_STATES(TRACEE_STATE_ENUM) NR_TRACEE_STATES };
#define TRACEE_EVENT_ENUM(e) TRACEE_EV_##e,
enum tracee_event { TRACEE_EVENTS(TRACEE_EVENT_ENUM) NR_TRACEE_EVENTS };

/* thread->syscall_work; set by the tracer while the thread is stopped */
#define WORK_CALLS	1	/* stop where calls begin and end */
#define WORK_STEP	2	/* PTRACE_SINGLESTEP */

struct tracee {				/* [tree_lock] all */
	struct list link;		/* task->tracees of the tracer */
	struct list dead_link;		/* process->dead_tracees */
	struct list tid_link;		/* ZOMBIE: its number stays taken */
	struct task *tracer;		/* NULL: it is let go */
	struct task *task;		/* NULL: ZOMBIE */
	struct process *process;	/* of the thread */
	u32 tid;
	u8 state;			/* enum tracee_state; READ_ONCE() by the sleeping thread */
	bool seized;			/* PTRACE_SEIZE, not PTRACE_ATTACH */
	bool capable;			/* who asked for it had CAP_SYS_PTRACE: set-user-ID programs keep their rights */
	bool in_stop;			/* from before STOPPED until the thread is on its way again */
	bool told;			/* the tracer's wait has heard of this stop */
	bool end_told;			/* of a first thread: the tracer was sent a signal for the process's end */
	u32 options;			/* PTRACE_O_* */
	/* what is asked for: task->trap says that there is something */
	bool stop_pending;		/* a group stop in which it has not yet taken part */
	bool trap_stop, trap_notify;	/* a trap: the first is met by any stop */
	u8 stop_signal;			/* of the group stop */
	/* this stop, or the last one */
	u32 code;			/* signal | event << 8; ZOMBIE: the status that wait shows */
	u64 message;			/* PTRACE_GETEVENTMSG */
	bool has_info;
	bool continued;			/* SIGCONT came meanwhile: a stop signal has lost its point */
	struct siginfo_abi info;
	int sig;			/* to go on with, or 0 */
	bool step;			/* PTRACE_SINGLESTEP */
	struct regs *regs;
	u64 fs_base, gs_base;
	bool changed;			/* the bases or fpu */
	u8 fpu[];			/* fpu_image_size() bytes */
};

static inline bool tracee_is_stopped(const struct tracee *tr)
{
	return tr->state == TRACEE_STOPPED || tr->state == TRACEE_LISTENING;
}

/* A thread's registers as debuggers know them. */
void user_regs_fill(struct user_regs_abi *u, const struct regs *r, u64 fs_base, u64 gs_base);

/* --- the tracer's side; tree_lock held --- */
struct tracee *tracee_alloc(void);			/* NULL: no memory; kfree() as long as nobody is attached; no lock needed */
void tracee_attach_locked(struct tracee *tr, struct task *t, struct task *tracer, bool seized, u32 options);
void tracee_resume_locked(struct tracee *tr, int sig, u32 work);	/* STOPPED; sig 0: none; work: WORK_* */
void tracee_listen_locked(struct tracee *tr);				/* STOPPED in a trap */
void tracee_interrupt_locked(struct tracee *tr);			/* seized, alive */
void tracee_detach_locked(struct tracee *tr, int sig);			/* alive; sig as for resume. tr may be gone afterwards */
void tracee_drop_locked(struct tracee *tr);				/* a ZOMBIE; then process_ended_locked() of its process */
bool tracee_tid_used(u32 tid);						/* is it a zombie's? */
/* Is p traced by a thread of its parent? Then the parent's wait sees the tracee and nothing else. */
bool tracee_of_parent_locked(const struct process *p);
/* Must p's parent wait until tracers have heard of its end? */
static inline bool tracee_hides_end_locked(const struct process *p)
{
	return p->dead_leader != NULL || !list_empty(&p->dead_tracees);
}
void tracee_tell_end_locked(struct process *p);		/* p->dead_leader's tracer, once; no other tracee is left */

/* --- what processes do meanwhile; tree_lock held --- */
void tracee_group_stops_locked(struct process *p, int sig);
void tracee_group_continues_locked(struct process *p);
int tracee_offer(struct task *child, u64 clone_flags, u32 exit_signal);	/* tree_lock not held; before the child is published: 0 or -ENOMEM */
void tracee_born_locked(struct task *child);		/* published, not yet started */
void tracee_exec_locked(struct task *t);		/* t has become the first thread of its process */
bool tracee_limits_exec_locked(const struct task *t);	/* its tracer has no right to programs that have more rights than t */
void tracee_ends_locked(struct task *t, u32 status, struct list *dead);	/* t off its lists but still leader: both as tracer and as tracee */
void tracee_forget_locked(struct process *p);		/* p is reaped, whoever has not heard of it */

/* --- the current task's own stops; no lock held --- */
void tracee_traps(void);				/* task->trap */
int tracee_signal(int sig, struct siginfo_abi *info);	/* which signal to act on, or 0; info is changed to it */
void tracee_handler(void);				/* a handler's frame has been made */
bool tracee_call_begins(void);				/* thread->syscall_work; false: it is killed, no call is made */
void tracee_call_ends(void);
bool tracee_event(int event, u64 message);		/* if the tracer wants to know: true */
void tracee_exits(u32 status, bool whole);		/* of its own will, or of a signal; whole: it is who ends the process */
/* A debug exception: true if it is of a step that nobody asks for any more. */
bool tracee_stale_step(struct regs *r);
void tracee_hide_step(struct regs *r);			/* the tracer's trap flag is not the program's */

#endif
