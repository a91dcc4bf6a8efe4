/* SPDX-License-Identifier: MIT */
/* The end of tasks and processes, and waiting for it: exit, exit_group, wait4, waitid. */
#include "arch/x86/fpu.h"
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/ipc/sem.h"
#include "managers/processor/process/job.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/ptrace.h"
#include "managers/processor/process/timers.h"
#include "managers/processor/syscall/pidfd.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

/* --- ending --- */

/* tree_lock held: parent hears of p's state; info's child fields are filled in here. */
static void tell_parent_locked(struct process *p, int code, int status)
{
	struct siginfo_abi info = { .signo = p->exit_signal, .code = code };

	assert_held(&tree_lock);
	info.child.pid = p->pid;
	info.child.uid = p->cred.uid;
	info.child.status = status;
	info.child.utime = p->ended.user_ns / CLOCK_TICK_NS;
	info.child.stime = p->ended.system_ns / CLOCK_TICK_NS;
	if (p->exit_signal != 0 && p->parent != process_init)
		signal_send_locked(p->parent, NULL, &info);
	waitq_wake_all(&p->parent->child_wait);
}

/* Does the parent want no zombies? */
static bool reap_by_itself_locked(const struct process *p)
{
	const struct process *parent = p->parent;

	if (parent == process_init)
		return !p->spawned;
	if (p->exit_signal != SIGCHLD)
		return false;
	return handler_of(parent, SIGCHLD) == SIG_IGN || (handler_flags(parent, SIGCHLD) & SA_NOCLDWAIT);
}

/* PR_SET_PDEATHSIG of its threads: their parent has ended. */
static void tell_death_locked(struct process *c)
{
	struct task *t;

	list_for_each(t, &c->tasks, group_link) {
		struct siginfo_abi info = { .signo = t->death_signal, .code = SI_USER };

		if (t->death_signal != 0)
			(void)signal_send_locked(c, NULL, &info);
	}
}

static u32 any_thread(const struct process *p)
{
	const struct task *t = list_first(&p->tasks, struct task, group_link);

	return t != NULL ? t->tid : p->pid;
}

/* tree_lock held. Children go to the next ancestor that wants them, or to init; of init's, those that are zombies already are nobody's any more. */
static void orphan_children_locked(struct process *p, struct list *dead)
{
	struct process *c, *tmp, *heir = p->parent;

	while (heir != process_init && !(heir->subreaper && heir->state == PROCESS_LIVE))
		heir = heir->parent;
	list_for_each_safe(c, tmp, &p->children, sibling) {
		list_del(&c->sibling);
		c->parent = heir;
		c->maker = any_thread(heir);
		list_add_tail(&heir->children, &c->sibling);
		job_orphan_locked(c, p);
		tell_death_locked(c);
		c->exit_signal = SIGCHLD;		/* whatever its parent had wanted */
		process_ended_locked(c, dead);
	}
}

/* tree_lock held. A thread goes, and another has its children from now on. */
static void leave_children_locked(struct process *p, u32 tid)
{
	struct process *c;

	list_for_each(c, &p->children, sibling)
		if (c->maker == tid)
			c->maker = any_thread(p);
}

void put_dead(struct list *dead)
{
	struct process *p, *tmp;

	list_for_each_safe(p, tmp, dead, sibling) {
		list_del(&p->sibling);
		process_put(p);
	}
}

void process_ended_locked(struct process *p, struct list *dead)
{
	int status = p->exit_status & 0x7f ? (int)(p->exit_status & 0x7f) : (int)(p->exit_status >> 8 & 0xff);
	int code = !(p->exit_status & 0x7f) ? CLD_EXITED : p->exit_status & 0x80 ? CLD_DUMPED : CLD_KILLED;

	if (p->state != PROCESS_ZOMBIE || !list_empty(&p->dead_tracees))
		return;
	if (p->dead_leader != NULL) {
		tracee_tell_end_locked(p);
		return;
	}
	tell_parent_locked(p, code, status);
	if (reap_by_itself_locked(p)) {
		process_unlink_locked(p);
		list_add_tail(dead, &p->sibling);
	}
}

static void process_end_locked(struct process *p, struct list *dead)
{
	job_exit_locked(p);
	orphan_children_locked(p, dead);
	p->state = PROCESS_ZOMBIE;
	waitq_wake_all(&p->end_wait);
	waitq_wake_all(&p->parent->child_wait);	/* process_wait_reap() */
	process_ended_locked(p, dead);
}

/* The address space goes first: a parent that sees its child's end sees its memory free, too. */
static void release_memory(struct task *t)
{
	struct space *s = t->space;
	u64 ctid = t->clear_child_tid;
	bool borrowed;				/* by vfork: what happened in it is the parent's */

	futex_exit_robust(t);
	if (ctid != 0) {
		t->clear_child_tid = 0;
		if (put_user32(ctid, 0) == 0)
			futex_wake(s, ctid, true, 1, FUTEX_BITSET_ANY);
	}
	borrowed = t->vfork != NULL;
	exit_release_vfork(t);
	spin_lock(&tree_lock);
	if (--t->process->nr_in_space == 0 && !borrowed)
		usage_add_space(&t->process->ended, s);
	spin_unlock(&tree_lock);
	arch_set_cr3(0);
	space_put(task_set_space(t, NULL));
}

void __noreturn task_exit(u32 status)
{
	struct thread *self = thread_current();
	struct task *t = self->task;
	struct process *p = t->process;
	struct fs_context *fs;
	struct file *exe = NULL;
	struct list dead = LIST_INIT(dead);
	struct usage used;
	u32 tid = t->tid;
	bool last;

	t->exiting = true;
	WRITE_ONCE(self->fatal_pending, false);	/* what is left to do is done in full, robust futexes included */
	WRITE_ONCE(self->signal_pending, false);
	release_memory(t);
	space_thread_ends();
	task_set_files(t, NULL);
	fs = t->fs;
	spin_lock(&tree_lock);			/* others may look at it: /proc/PID/cwd */
	t->fs = NULL;
	spin_unlock(&tree_lock);
	fs_context_put(fs);

	spin_lock(&tree_lock);
	list_del(&t->group_link);
	leave_children_locked(p, t->tid);
	tid_free_locked(t);
	tracee_ends_locked(t, status, &dead);
	p->nr_tasks--;
	usage_of_task(t, &used);
	usage_add(&p->ended, &used);
	last = p->nr_tasks == 0;
	if (!p->group_exit && (t == p->leader || last))
		p->exit_status = status;
	if (t == p->leader) {
		p->leader = NULL;
		p->leader_gone = true;
	}
	if (last) {
		exe = p->exe;
		p->exe = NULL;
	}
	spin_unlock(&tree_lock);
	futex_owner_gone(tid);
	if (last) {
		ptimers_delete(p, true);
		sem_process_ends(p);
		if (exe != NULL)
			file_put(exe);
		spin_lock(&tree_lock);
		process_end_locked(p, &dead);
		spin_unlock(&tree_lock);
	} else {
		waitq_wake_all(&p->task_wait);
		spin_lock(&tree_lock);
		signal_retarget_locked(p);
		spin_unlock(&tree_lock);
	}
	put_dead(&dead);

	preempt_disable();
	struct fpu_state *fpu = self->ctx.fpu;
	self->ctx.fpu = NULL;
	preempt_enable();
	fpu_free(fpu);
	self->task = NULL;
	task_free(t);
	thread_put(self);
	thread_exit();
}

bool process_exit_group(struct process *p, u32 status)
{
	struct task *t;
	bool first;

	spin_lock(&tree_lock);
	first = !p->group_exit;
	if (first) {
		p->group_exit = true;
		p->exit_status = status;
	}
	list_for_each(t, &p->tasks, group_link) {
		if (!first)
			break;			/* they know; one may be in the stop of PTRACE_EVENT_EXIT, which only SIGKILL ends */
		thread_interrupt(t->thread, true);
		arch_set_notify(t->thread);
	}
	waitq_wake_all(&p->task_wait);
	spin_unlock(&tree_lock);
	return first;
}

void task_exit_if_killed(void)
{
	struct task *t = task_current();
	struct process *p = t->process;

	if (READ_ONCE(p->group_exit) || (READ_ONCE(p->exec_task) != NULL && READ_ONCE(p->exec_task) != t))
		task_exit(READ_ONCE(p->exit_status));
}

s64 sys_exit(u64 code, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	tracee_exits((code & 0xff) << 8, false);
	task_exit((code & 0xff) << 8);
}

s64 sys_exit_group(u64 code, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	if (process_exit_group(process_current(), (code & 0xff) << 8))
		tracee_exits((code & 0xff) << 8, true);
	task_exit((code & 0xff) << 8);
}

/* --- waiting --- */

struct wait_for {
	int type;			/* P_ALL, P_PID, P_PGID, P_PIDFD */
	u32 id;
	const struct process *one;	/* P_PIDFD: with a reference */
	u32 options;			/* WNOHANG and what to report */
	/* found */
	struct process *child;		/* with a reference when reaped */
	bool reaped;
	u32 pid, uid, status, code;	/* code: CLD_* */
	struct usage usage;
	struct list dead;		/* whom nobody waits for, now that a tracer has heard of their end */
};

static bool wait_matches(const struct wait_for *w, const struct process *c)
{
	bool clone = c->exit_signal != SIGCHLD;		/* a child of clone(), as wait(2) has it */

	if (!(w->options & WALL) && clone != ((w->options & WCLONE) != 0))
		return false;
	if ((w->options & WNOTHREAD) && c->maker != task_current()->tid)
		return false;
	if (w->type == P_PIDFD)
		return c == w->one;
	return w->type == P_ALL || (w->type == P_PID && c->pid == w->id) || (w->type == P_PGID && c->pgid == w->id);
}

static void wait_take(struct wait_for *w, struct process *c, u32 status, u32 code)
{
	w->child = c;
	w->pid = c->pid;
	w->uid = c->cred.uid;
	w->status = status;
	w->code = code;
}

static u32 end_code(u32 status)
{
	return !(status & 0x7f) ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED;
}

static void wait_take_end(struct wait_for *w, struct process *c)
{
	wait_take(w, c, c->exit_status, end_code(c->exit_status));
	w->usage = c->ended;
	usage_add(&w->usage, &c->reaped);
}

/* Reaped by its parent. */
static void wait_reap(struct wait_for *w, struct process *c)
{
	usage_add(&c->parent->reaped, &w->usage);
	process_unlink_locked(c);
	w->reaped = true;
}

/* --- tracees, whatever children may be: ptrace(2) --- */

static bool wait_matches_tracee(const struct wait_for *w, const struct tracee *tr)
{
	const struct process *p = tr->process;
	bool first = tr->task != NULL ? tr->task == p->leader : tr == p->dead_leader;

	if (w->type == P_PIDFD)
		return p == w->one && first;
	return w->type == P_ALL || (w->type == P_PID && tr->tid == w->id) || (w->type == P_PGID && p->pgid == w->id);
}

static bool tracee_has_ended(const struct tracee *tr)
{
	const struct process *p = tr->process;

	return tr->state == TRACEE_ZOMBIE && (tr != p->dead_leader || (p->state == PROCESS_ZOMBIE && list_empty(&p->dead_tracees)));
}

static void wait_take_tracee_end(struct wait_for *w, struct tracee *tr)
{
	struct process *p = tr->process;
	bool first = tr == p->dead_leader, own = first && tracee_of_parent_locked(p);

	wait_take_end(w, p);
	w->pid = tr->tid;
	if (!first) {
		w->status = tr->code;
		w->code = end_code(tr->code);
	}
	if (w->options & WNOWAIT)
		return;
	tracee_drop_locked(tr);
	if (own)
		wait_reap(w, p);
	else
		process_ended_locked(p, &w->dead);
}

static bool wait_look_at_tracee(struct wait_for *w, struct tracee *tr)
{
	if (tracee_has_ended(tr) && (w->options & WEXITED)) {
		wait_take_tracee_end(w, tr);
		return true;
	}
	if (tr->state == TRACEE_STOPPED && !tr->told) {
		wait_take(w, tr->process, tr->code << 8 | 0x7f, CLD_TRAPPED);
		w->pid = tr->tid;
		usage_of_process_locked(tr->process, &w->usage);
		tr->told = !(w->options & WNOWAIT);
		return true;
	}
	return false;
}

/* tree_lock held, as for the next */
static bool wait_scan_tracees(struct wait_for *w, struct process *self, bool *any)
{
	struct tracee *tr;
	struct task *t;

	list_for_each(t, &self->tasks, group_link) {
		if ((w->options & WNOTHREAD) && t != task_current())
			continue;
		list_for_each(tr, &t->tracees, link) {
			if (!wait_matches_tracee(w, tr))
				continue;
			*any = true;
			if (wait_look_at_tracee(w, tr))
				return true;
		}
	}
	return false;
}

/* tree_lock held. 1: found; 0: there are children, none has anything to say; -ECHILD */
static int wait_scan_locked(struct wait_for *w, struct process *self)
{
	struct process *c;
	bool any = false;

	list_for_each(c, &self->children, sibling) {
		if (!wait_matches(w, c))
			continue;
		any = true;
		if (c->state == PROCESS_ZOMBIE && (w->options & WEXITED) && !tracee_hides_end_locked(c)) {
			wait_take_end(w, c);
			if (!(w->options & WNOWAIT))
				wait_reap(w, c);
			return 1;
		}
		if (c->stopped && !c->stop_reported && (w->options & WSTOPPED) && !tracee_of_parent_locked(c)) {
			wait_take(w, c, (u32)c->stop_signal << 8 | 0x7f, CLD_STOPPED);
			usage_of_process_locked(c, &w->usage);
			if (!(w->options & WNOWAIT))
				c->stop_reported = true;
			return 1;
		}
		if (c->continued && (w->options & WCONTINUED)) {
			wait_take(w, c, 0xffff, CLD_CONTINUED);
			usage_of_process_locked(c, &w->usage);
			if (!(w->options & WNOWAIT))
				c->continued = false;
			return 1;
		}
	}
	if (wait_scan_tracees(w, self, &any))
		return 1;
	return any ? 0 : -ECHILD;
}

static int wait_scan(struct wait_for *w, struct process *self)
{
	int rc;

	spin_lock(&tree_lock);
	rc = wait_scan_locked(w, self);
	spin_unlock(&tree_lock);
	put_dead(&w->dead);
	return rc;
}

/* 1: w is filled in; 0: nothing yet (WNOHANG); -ECHILD, -ERESTARTSYS */
static int wait_child(struct wait_for *w)
{
	struct process *self = process_current();
	int rc, found = 0;

	list_init(&w->dead);
	if (w->options & WNOHANG) {
		found = wait_scan(w, self);
	} else {
		rc = waitq_wait_intr(&self->child_wait, (found = wait_scan(w, self)) != 0, 0);
		if (rc < 0 && found == 0)
			return -ERESTARTSYS;
	}
	if (w->reaped)
		process_put(w->child);
	return found;
}

u32 process_wait_reap(struct process *p)
{
	u32 status;

	waitq_wait(&process_init->child_wait, READ_ONCE(p->state) == PROCESS_ZOMBIE);
	spin_lock(&tree_lock);
	status = p->exit_status;
	process_unlink_locked(p);
	spin_unlock(&tree_lock);
	process_put(p);			/* the tree's; the caller has its own */
	return status;
}

static int put_rusage(u64 user, const struct usage *usage)
{
	struct rusage_abi ru;

	if (user == 0)
		return 0;
	usage_to_abi(usage, &ru);
	return copy_to_user(user, &ru, sizeof(ru));
}

s64 sys_wait4(u64 pid, u64 status, u64 options, u64 rusage, u64 a4, u64 a5)
{
	struct wait_for w = { .options = options | WEXITED };
	s32 id = pid;
	int rc;

	if ((u32)options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE))
		return -EINVAL;
	if (id == (s32)0x80000000)
		return -ESRCH;
	if (id > 0) {
		w.type = P_PID;
		w.id = id;
	} else if (id == -1) {
		w.type = P_ALL;
	} else {
		w.type = P_PGID;
		w.id = id == 0 ? READ_ONCE(process_current()->pgid) : (u32)-id;
	}
	rc = wait_child(&w);
	if (rc <= 0)
		return rc;
	if (status != 0 && put_user32(status, w.status) < 0)
		return -EFAULT;
	if (put_rusage(rusage, &w.usage) < 0)
		return -EFAULT;
	return w.pid;
}

static s64 waitid(struct wait_for *w, u64 info, u64 rusage)
{
	struct siginfo_abi si = { 0 };
	int rc = wait_child(w);

	if (rc > 0) {
		si.signo = SIGCHLD;
		si.code = w->code;
		si.child.pid = w->pid;
		si.child.uid = w->uid;
		si.child.status = w->code == CLD_EXITED || w->code == CLD_STOPPED ? w->status >> 8 & 0xff :
				  w->code == CLD_TRAPPED ? w->status >> 8 :
				  w->code == CLD_CONTINUED ? SIGCONT : w->status & 0x7f;
		if (put_rusage(rusage, &w->usage) < 0)
			return -EFAULT;
	}
	/* also where there is nothing to tell, or nobody to wait for: as far as a child's goes */
	if (info != 0 && copy_to_user(info, &si, offsetof(struct siginfo_abi, child.status) + sizeof(si.child.status)) < 0)
		return -EFAULT;
	return rc;
}

/* waitid() of a descriptor: one that does not block says EAGAIN where waiting would be needed. */
static s64 waitid_pidfd(struct wait_for *w, u64 info, u64 rusage)
{
	bool no_wait = w->options & WNOHANG;
	struct process *p;
	u32 flags;
	s64 rc = pidfd_get(w->id, &p, &flags);

	if (rc < 0)
		return rc == -ESRCH ? -ECHILD : rc;
	w->one = p;
	if (flags & O_NONBLOCK)
		w->options |= WNOHANG;
	rc = waitid(w, info, rusage);
	process_put(p);
	return rc == 0 && (flags & O_NONBLOCK) && !no_wait ? -EAGAIN : MIN(rc, (s64)0);
}

s64 sys_waitid(u64 type, u64 id, u64 info, u64 options, u64 rusage, u64 a5)
{
	struct wait_for w = { .type = type, .id = id, .options = options };

	if ((u32)options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | WNOTHREAD | WALL | WCLONE))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)) || (u32)type > P_PIDFD)
		return -EINVAL;
	if (((u32)type == P_PID && (s32)id <= 0) || (((u32)type == P_PGID || (u32)type == P_PIDFD) && (s32)id < 0))
		return -EINVAL;
	if (type == P_PGID && id == 0)
		w.id = READ_ONCE(process_current()->pgid);
	return type == P_PIDFD ? waitid_pidfd(&w, info, rusage) : MIN(waitid(&w, info, rusage), (s64)0);
}
