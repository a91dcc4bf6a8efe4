/* SPDX-License-Identifier: MIT */
/*
 * Signals: who gets one, what is pending, and what happens on the way back to user mode.
 *
 * tree_lock > signal_lock. A signal is queued under signal_lock; whoever may take it is notified (arch_set_notify and
 * thread_interrupt), so that it passes signal_deliver() before it next runs in user mode. Stop and continue are states of the
 * process: its threads wait on task_wait.
 */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/process/core.h"
#include "managers/processor/process/frame.h"
#include "managers/processor/process/job.h"
#include "managers/processor/process/pending.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/ptrace.h"
#include "managers/processor/process/timers.h"
#include "mm/slab.h"

#define SIG_UNBLOCKABLE	(SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))
#define SIG_IGNORED	(SIGBIT(SIGCHLD) | SIGBIT(SIGCONT) | SIGBIT(SIGURG) | SIGBIT(SIGWINCH))

int signal_next(struct task *t, sigset_t_ mask, struct siginfo_abi *info)
{
	struct process *p = t->process;
	int sig = 0;

	spin_lock(&p->signal_lock);
	if (t->pending.set & mask) {
		sig = pending_pick(t->pending.set & mask);
		pending_take(&t->pending, sig, info);
	} else if (p->pending.set & mask) {
		sig = pending_pick(p->pending.set & mask);
		pending_take(&p->pending, sig, info);
		if (sig == SIGALRM)
			itimer_real_taken(p);
	}
	if (sig != 0 && (SIGBIT(sig) & SIG_STOPS))
		p->stop_taken = true;
	signal_recalc(t);
	spin_unlock(&p->signal_lock);
	return sig;
}

static sigset_t_ deliverable(const struct task *t)
{
	return (t->pending.set | t->process->pending.set) & ~t->blocked;
}

void signal_recalc(struct task *t)
{
	if (deliverable(t) || t->trap) {
		WRITE_ONCE(t->thread->signal_pending, true);
		arch_set_notify(t->thread);
	} else if (!READ_ONCE(t->thread->fatal_pending)) {
		WRITE_ONCE(t->thread->signal_pending, false);
	}
}

bool signal_pending_current(void)
{
	struct thread *t = thread_current();

	return READ_ONCE(t->signal_pending) || READ_ONCE(t->fatal_pending);
}

static void wake_for_signal(struct task *t)
{
	arch_set_notify(t->thread);
	thread_interrupt(t->thread, false);
}

void signal_retarget_locked(struct process *p)
{
	struct task *t;

	assert_held(&tree_lock);
	spin_lock(&p->signal_lock);
	list_for_each(t, &p->tasks, group_link)
		if (p->pending.set & ~t->blocked)
			wake_for_signal(t);
	spin_unlock(&p->signal_lock);
}

void signal_set_waited(struct task *t, sigset_t_ set)
{
	spin_lock(&t->process->signal_lock);
	t->waited_for = set;
	spin_unlock(&t->process->signal_lock);
}

void signal_set_blocked(struct task *t, sigset_t_ set)
{
	struct process *p = t->process;
	bool left;

	spin_lock(&p->signal_lock);
	/* what was to be taken by this thread and now will not be is the others' */
	left = (p->pending.set & set & ~t->blocked) != 0;
	t->blocked = set & ~SIG_UNBLOCKABLE;
	signal_recalc(t);
	spin_unlock(&p->signal_lock);
	if (left && READ_ONCE(p->nr_tasks) > 1) {
		spin_lock(&tree_lock);
		signal_retarget_locked(p);
		spin_unlock(&tree_lock);
	}
}

/* --- sending --- */

static bool ignored(const struct process *p, int sig)
{
	u64 h = handler_of(p, sig);

	return h == SIG_IGN || (h == SIG_DFL && (SIGBIT(sig) & SIG_IGNORED));
}

/* tree_lock held: the parent hears that p has stopped or goes on. */
static void tell_of_stop_locked(struct process *p, int code, int sig)
{
	struct siginfo_abi info = { .signo = SIGCHLD, .code = code };
	struct usage used;

	info.child.pid = p->pid;
	info.child.uid = p->cred.uid;
	info.child.status = sig;
	if (code == CLD_STOPPED && tracee_of_parent_locked(p))
		return;				/* it hears of each thread of its own */
	usage_of_process_locked(p, &used);
	info.child.utime = used.user_ns / CLOCK_TICK_NS;
	info.child.stime = used.system_ns / CLOCK_TICK_NS;
	if (p->parent != process_init && !(handler_flags(p->parent, SIGCHLD) & SA_NOCLDSTOP))
		signal_send_locked(p->parent, NULL, &info);
	waitq_wake_all(&p->parent->child_wait);
}

static void continue_locked(struct process *p)
{
	struct task *t;

	spin_lock(&p->signal_lock);
	p->stop_taken = false;
	pending_remove(&p->pending, SIG_STOPS);
	list_for_each(t, &p->tasks, group_link)
		pending_remove(&t->pending, SIG_STOPS);
	spin_unlock(&p->signal_lock);
	if (p->stopped) {
		p->stopped = false;
		p->continued = true;
		waitq_wake_all(&p->task_wait);
		tell_of_stop_locked(p, CLD_CONTINUED, SIGCONT);
	}
	tracee_group_continues_locked(p);
}

/* RLIMIT_SIGPENDING; the first of a kind finds a place always. */
static u64 queue_max(const struct process *p)
{
	return p->rlimit[RLIMIT_SIGPENDING].cur;
}

struct user_signals { u32 uid; u64 nr; };

static bool add_queued(struct process *p, void *arg)
{
	struct user_signals *u = arg;
	struct task *t;

	if (p->cred.uid != u->uid)
		return true;
	u->nr += READ_ONCE(p->pending.nr);
	list_for_each(t, &p->tasks, group_link)
		u->nr += READ_ONCE(t->pending.nr);
	return true;
}

u64 signals_of_user_locked(u32 uid)
{
	struct user_signals u = { .uid = uid };

	assert_held(&tree_lock);
	process_for_each(add_queued, &u);
	return u.nr;
}

bool signal_queue_full_locked(const struct process *p, int sig)
{
	return sig >= SIGRTMIN && pending_all() >= queue_max(p) && signals_of_user_locked(p->cred.uid) >= queue_max(p);
}

static void kill_locked(struct process *p)
{
	struct task *t;

	if (!p->group_exit) {
		p->group_exit = true;
		p->exit_status = SIGKILL;
	}
	p->killed = true;
	p->stopped = false;
	list_for_each(t, &p->tasks, group_link) {
		thread_interrupt(t->thread, true);
		arch_set_notify(t->thread);
	}
	waitq_wake_all(&p->task_wait);
}

/* Into the queue of t; signal_lock held. false: it is ignored */
static bool queue_for_task(struct process *p, struct task *t, const struct siginfo_abi *info, struct queued_signal *mine)
{
	sigset_t_ bit = SIGBIT(info->signo);

	if (ignored(p, info->signo) && t->tracee == NULL && !((t->blocked | t->waited_for) & bit))
		return false;			/* a tracer sees those, too */
	pending_add(&t->pending, info, mine, queue_max(p));
	if (!(t->blocked & bit))
		wake_for_signal(t);
	return true;
}

/* Into the queue of the process: whoever does not block it is woken, first of all who waits for it. */
static bool queue_for_process(struct process *p, const struct siginfo_abi *info, struct queued_signal *mine)
{
	struct task *t, *any = NULL;
	sigset_t_ bit = SIGBIT(info->signo);
	bool wanted = false;

	list_for_each(t, &p->tasks, group_link) {
		if ((t->blocked & bit) || t->exiting)
			continue;
		if (any == NULL || (t->waited_for & bit))
			any = t;
		wanted |= (t->waited_for & bit) != 0;
	}
	if (any != NULL && !wanted && ignored(p, info->signo) && (p->leader == NULL || p->leader->tracee == NULL))
		return false;
	pending_add(&p->pending, info, mine, queue_max(p));
	if (any != NULL)
		wake_for_signal(any);
	return true;
}

static bool send_locked(struct process *p, struct task *t, const struct siginfo_abi *info, struct queued_signal *mine)
{
	int sig = info->signo;
	struct task *other;
	bool queued;

	assert_held(&tree_lock);
	if (sig == 0 || p->state != PROCESS_LIVE || p == process_init)
		return false;
	if (sig == SIGKILL) {
		kill_locked(p);
		return true;
	}
	if (sig == SIGCONT)
		continue_locked(p);
	spin_lock(&p->signal_lock);
	if (SIGBIT(sig) & SIG_STOPS) {
		pending_remove(&p->pending, SIGBIT(SIGCONT));
		list_for_each(other, &p->tasks, group_link)
			pending_remove(&other->pending, SIGBIT(SIGCONT));
	}
	if (mine != NULL && list_linked(&mine->link))
		queued = true;			/* it waits to be taken still */
	else
		queued = t != NULL ? queue_for_task(p, t, info, mine) : queue_for_process(p, info, mine);
	spin_unlock(&p->signal_lock);
	waitq_wake_all(&p->signal_wait);
	return queued;
}

bool signal_send_locked(struct process *p, struct task *t, const struct siginfo_abi *info)
{
	return send_locked(p, t, info, NULL);
}

bool signal_send_timer_locked(struct process *p, struct task *t, struct queued_signal *q)
{
	return send_locked(p, t, &q->info, q);
}

int signal_send_process(struct process *p, const struct siginfo_abi *info)
{
	spin_lock(&tree_lock);
	signal_send_locked(p, NULL, info);
	spin_unlock(&tree_lock);
	return 0;
}

void signal_self(int sig)
{
	struct siginfo_abi info = { .signo = sig, .code = SI_USER };
	struct task *t = task_current();

	info.kill.pid = t->process->pid;
	spin_lock(&tree_lock);
	signal_send_locked(t->process, t, &info);
	spin_unlock(&tree_lock);
}

/* If it is blocked or ignored the program cannot go on: it dies of it. */
void signal_force_info(const struct siginfo_abi *info)
{
	struct task *t = task_current();
	struct process *p = t->process;
	int sig = info->signo;

	spin_lock(&p->signal_lock);
	if ((t->blocked & SIGBIT(sig)) || handler_of(p, sig) == SIG_IGN) {
		WRITE_ONCE(p->handlers->action[sig].handler, SIG_DFL);
		t->blocked &= ~SIGBIT(sig);
	}
	pending_remove(&t->pending, SIGBIT(sig));
	pending_add(&t->pending, info, NULL, ~0ULL);
	signal_recalc(t);
	spin_unlock(&p->signal_lock);
}

/* A fault of the current task. */
void signal_force(int sig, int code, u64 addr, int trapno, u64 error)
{
	struct task *t = task_current();
	struct siginfo_abi info = { .signo = sig, .code = code };

	info.fault.addr = addr;
	t->fault_trapno = trapno;
	t->fault_error = error;
	t->fault_addr = addr;
	signal_force_info(&info);
}

/* --- delivery --- */

static void die(struct process *p, const struct siginfo_abi *info)
{
	int sig = info->signo;

	if (process_exit_group(p, sig)) {
		if (SIGBIT(sig) & SIG_CORES)
			core_dump(info);
		tracee_exits(READ_ONCE(p->exit_status), true);
	}
	task_exit_if_killed();
}

static void stop(struct task *t, int sig)
{
	struct process *p = t->process;
	struct task *other;

	spin_lock(&tree_lock);
	/*
	 * A SIGCONT may have come since the signal was taken; a group that nobody would continue is not stopped by a terminal. A thread
	 * that its tracer lets run may stop a group that is stopped already.
	 */
	if (!p->group_exit && (!p->stopped || t->tracee != NULL) && p->stop_taken &&
	    (sig == SIGSTOP || !job_group_orphaned_locked(p->pgid))) {
		p->stopped = true;
		p->stop_reported = false;
		p->continued = false;
		p->stop_signal = sig;
		list_for_each(other, &p->tasks, group_link)
			if (other != t)
				wake_for_signal(other);
		tracee_group_stops_locked(p, sig);
		tell_of_stop_locked(p, CLD_STOPPED, sig);
	}
	p->stop_taken = false;
	spin_unlock(&tree_lock);
}

/* Until the group goes on, or a tracer comes: a tracee's stops are its tracer's. */
static void wait_while_stopped(struct task *t)
{
	struct process *p = t->process;

	if (READ_ONCE(p->stopped) && READ_ONCE(t->tracee) == NULL)
		(void)waitq_wait_killable(&p->task_wait, !READ_ONCE(p->stopped) || READ_ONCE(p->group_exit) ||
					  READ_ONCE(t->tracee) != NULL);
}

/* What a system call that a signal interrupted does next; see ERESTART* in lib/base/errno.h. */
static void restart_syscall(struct regs *r, bool handler, u64 sa_flags)
{
	s64 result = (s64)r->rax;
	bool again;

	if (!regs_is_syscall(r))
		return;
	switch (result) {
	case -ERESTARTNOINTR:
		again = true;
		break;
	case -ERESTARTSYS:
		again = !handler || (sa_flags & SA_RESTART);
		break;
	case -ERESTARTNOHAND:
		again = !handler;
		break;
	case -ERESTART_RESTARTBLOCK:
		if (!handler) {
			r->rax = 219;		/* restart_syscall */
			r->error = 219;
			r->rip -= 2;
			return;
		}
		again = false;
		break;
	default:
		return;
	}
	if (again) {
		r->rax = r->error;		/* the call's number; SYSCALL is two bytes long */
		r->rip -= 2;
	} else {
		r->rax = -EINTR;
	}
}

/* Run the handler of sig: build the frame. */
static void handle(struct task *t, struct regs *r, const struct siginfo_abi *info, const struct sigaction_abi *act)
{
	struct process *p = t->process;
	sigset_t_ old = t->restore_blocked ? t->saved_blocked : t->blocked, blocked = t->blocked | act->mask;

	restart_syscall(r, true, act->flags);
	tracee_hide_step(r);
	if (frame_build(t, r, info, act, old) < 0) {
		/* no room for the frame: that is a fault itself, which may be handled on another stack, but only once */
		pr_debug("%s[%u]: no stack for signal %d", p->comm, t->tid, info->signo);
		if (info->signo == SIGSEGV) {
			die(p, info);
		} else {
			signal_force(SIGSEGV, SI_KERNEL, 0, 0, 0);
		}
		return;
	}
	t->restore_blocked = false;
	if (!(act->flags & SA_NODEFER))
		blocked |= SIGBIT(info->signo);
	signal_set_blocked(t, blocked);
	tracee_handler();
}

void signal_deliver(struct regs *r)
{
	struct task *t = task_current();
	struct process *p = t->process;
	bool handled = false;

	space_moves_on();		/* to a handler, a stop, or its end */
	for (;;) {
		struct sigaction_abi act;
		struct siginfo_abi info;
		int sig;

		task_exit_if_killed();
		if (READ_ONCE(t->trap)) {
			tracee_traps();
			continue;
		}
		wait_while_stopped(t);
		task_exit_if_killed();
		if (READ_ONCE(t->trap))
			continue;
		sig = signal_next(t, ~t->blocked, &info);
		if (sig == 0)
			break;
		if (READ_ONCE(t->tracee) != NULL) {
			sig = tracee_signal(sig, &info);
			if (sig == 0)
				continue;
		}
		spin_lock(&p->handlers->lock);
		act = p->handlers->action[sig];
		if (act.handler != SIG_DFL && act.handler != SIG_IGN && (act.flags & SA_RESETHAND))
			WRITE_ONCE(p->handlers->action[sig].handler, SIG_DFL);
		spin_unlock(&p->handlers->lock);
		if (act.handler == SIG_IGN || (act.handler == SIG_DFL && (SIGBIT(sig) & SIG_IGNORED)))
			continue;
		if (act.handler == SIG_DFL) {
			if (SIGBIT(sig) & SIG_STOPS)
				stop(t, sig);
			else
				die(p, &info);
			continue;
		}
		handle(t, r, &info, &act);
		handled = true;
	}
	if (!handled) {
		restart_syscall(r, false, 0);
		if (t->restore_blocked) {
			t->restore_blocked = false;
			signal_set_blocked(t, t->saved_blocked);
		}
	}
}

/* sigaction(2): a signal that becomes ignored is no longer pending either. */
void signal_drop_ignored(struct process *p, int sig)
{
	struct task *t;

	spin_lock(&tree_lock);
	spin_lock(&p->signal_lock);
	if (ignored(p, sig)) {
		pending_remove(&p->pending, SIGBIT(sig));
		list_for_each(t, &p->tasks, group_link) {
			pending_remove(&t->pending, SIGBIT(sig));
			signal_recalc(t);
		}
	}
	spin_unlock(&p->signal_lock);
	spin_unlock(&tree_lock);
}
