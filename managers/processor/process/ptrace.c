/* SPDX-License-Identifier: MIT */
/* See ptrace.h. */
#include "managers/processor/process/ptrace.h"

#include "arch/x86/fpu.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/process/pending.h"
#include "mm/slab.h"

#define FLAG_TF		0x100ULL

static const u8 next_state[NR_TRACEE_STATES][NR_TRACEE_EVENTS] = {
	[TRACEE_RUNNING]   = { [TRACEE_EV_STOP] = TRACEE_STOPPED, [TRACEE_EV_END] = TRACEE_ZOMBIE },
	[TRACEE_STOPPED]   = { [TRACEE_EV_RESUME] = TRACEE_RUNNING, [TRACEE_EV_LISTEN] = TRACEE_LISTENING,
			       [TRACEE_EV_KILL] = TRACEE_RUNNING },
	[TRACEE_LISTENING] = { [TRACEE_EV_RESUME] = TRACEE_RUNNING, [TRACEE_EV_KILL] = TRACEE_RUNNING },
};
#define NAME_OF(n) #n,
static const char *const state_name[] = { "ILLEGAL", TRACEE_STATES(NAME_OF) };
static const char *const event_name[] = { TRACEE_EVENTS(NAME_OF) };

static struct list zombies = LIST_INIT(zombies);	/* [tree_lock] struct tracee.tid_link */

/* The one writer of ->state. */
static void step(struct tracee *tr, enum tracee_event ev)
{
	u8 to = next_state[tr->state][ev];

	assert_held(&tree_lock);
	if (to == TRACEE_ILLEGAL)
		panic("tracee %u: %s in state %s", tr->tid, event_name[ev], state_name[tr->state]);
	WRITE_ONCE(tr->state, to);
}

struct tracee *tracee_alloc(void)
{
	struct tracee *tr = kzalloc(sizeof(*tr) + fpu_image_size());

	if (tr != NULL) {
		list_init(&tr->link);
		list_init(&tr->dead_link);
		list_init(&tr->tid_link);
		tr->state = TRACEE_RUNNING;
	}
	return tr;
}

void user_regs_fill(struct user_regs_abi *u, const struct regs *r, u64 fs_base, u64 gs_base)
{
	*u = (struct user_regs_abi){
		.r15 = r->r15, .r14 = r->r14, .r13 = r->r13, .r12 = r->r12, .rbp = r->rbp, .rbx = r->rbx, .r11 = r->r11, .r10 = r->r10,
		.r9 = r->r9, .r8 = r->r8, .rax = r->rax, .rcx = r->rcx, .rdx = r->rdx, .rsi = r->rsi, .rdi = r->rdi,
		.orig_rax = regs_is_syscall(r) ? r->error : ~0ULL, .rip = r->rip, .cs = r->cs, .rflags = r->rflags, .rsp = r->rsp,
		.ss = r->ss, .fs_base = fs_base, .gs_base = gs_base,
	};
}

/* --- what is asked of a tracee --- */

/* It is to look into tracee_traps() before it runs on in user mode, and to end its wait for that. */
static void trap_soon(struct tracee *tr)
{
	struct task *t = tr->task;

	spin_lock(&t->process->signal_lock);	/* signal_recalc() looks at ->trap */
	WRITE_ONCE(t->trap, true);
	arch_set_notify(t->thread);
	thread_interrupt(t->thread, false);
	spin_unlock(&t->process->signal_lock);
	if (tr->state == TRACEE_LISTENING) {
		step(tr, TRACEE_EV_RESUME);
		waitq_wake_all(&t->process->task_wait);
	}
}

void tracee_interrupt_locked(struct tracee *tr)
{
	tr->trap_stop = true;
	trap_soon(tr);
}

void tracee_attach_locked(struct tracee *tr, struct task *t, struct task *tracer, bool seized, u32 options)
{
	struct process *p = t->process;

	assert_held(&tree_lock);
	tr->task = t;
	tr->process = p;
	tr->tid = t->tid;
	tr->tracer = tracer;
	tr->seized = seized;
	tr->options = options;
	/* who asks for it: PTRACE_TRACEME does not lend the parent's rights to a child without */
	tr->capable = cred_has(&process_current()->cred, CAP_SYS_PTRACE);
	list_add_tail(&tracer->tracees, &tr->link);
	t->tracee = tr;
	if (p->stopped) {			/* it is waiting in the group's stop: now it stops for the tracer */
		tr->stop_pending = true;
		tr->stop_signal = p->stop_signal;
		trap_soon(tr);
		waitq_wake_all(&p->task_wait);
	}
}

static void go_on(struct tracee *tr, int sig, u32 work)
{
	const struct process *tracer = tr->tracer->process;

	tr->step = work & WORK_STEP;
	WRITE_ONCE(tr->task->thread->syscall_work, work);
	if (!tracee_is_stopped(tr))
		return;				/* if it has not noticed yet that it may go on, it has its signal already */
	tr->sig = sig;
	if (sig != 0 && tr->has_info && sig != tr->info.signo) {	/* another one: it is the tracer who sends it */
		tr->info = (struct siginfo_abi){ .signo = sig, .code = SI_USER };
		tr->info.kill.pid = tracer->pid;
		tr->info.kill.uid = tracer->cred.uid;
	}
	step(tr, TRACEE_EV_RESUME);
	waitq_wake_all(&tr->process->task_wait);
}

void tracee_resume_locked(struct tracee *tr, int sig, u32 work)
{
	go_on(tr, sig, work);
}

void tracee_listen_locked(struct tracee *tr)
{
	step(tr, TRACEE_EV_LISTEN);
	if (tr->trap_notify)
		trap_soon(tr);
}

void tracee_detach_locked(struct tracee *tr, int sig)
{
	struct task *t = tr->task;

	go_on(tr, sig, 0);
	list_del(&tr->link);
	tr->tracer = NULL;
	t->tracee = NULL;
	if (!tr->in_stop)
		kfree(tr);
	if (t->process->stopped) {		/* the group's stop is its own again, and the parent's to wait for */
		arch_set_notify(t->thread);
		thread_interrupt(t->thread, false);
		waitq_wake_all(&t->process->parent->child_wait);
	}
}

void tracee_group_stops_locked(struct process *p, int sig)
{
	struct task *t;

	list_for_each(t, &p->tasks, group_link) {
		if (t->tracee == NULL)
			continue;
		t->tracee->stop_pending = true;
		t->tracee->stop_signal = sig;
		t->tracee->trap_notify |= t->tracee->seized;
		trap_soon(t->tracee);
	}
}

void tracee_group_continues_locked(struct process *p)
{
	struct task *t;

	list_for_each(t, &p->tasks, group_link) {
		if (t->tracee == NULL)
			continue;
		t->tracee->stop_pending = false;
		t->tracee->continued = true;
		if (t->tracee->seized) {
			t->tracee->trap_notify = true;
			trap_soon(t->tracee);
		}
	}
}

/* --- what the tracer hears --- */

static void tell_tracer(const struct tracee *tr, int sig, int code, u32 status)
{
	struct siginfo_abi info = { .signo = sig, .code = code };
	struct usage used;

	info.child.pid = tr->tid;
	info.child.uid = tr->process->cred.uid;
	info.child.status = status;
	usage_of_process_locked(tr->process, &used);
	info.child.utime = used.user_ns / CLOCK_TICK_NS;
	info.child.stime = used.system_ns / CLOCK_TICK_NS;
	if (sig != 0)
		(void)signal_send_locked(tr->tracer->process, NULL, &info);
	waitq_wake_all(&tr->tracer->process->child_wait);
}

static void tell_stop(const struct tracee *tr, int code)
{
	struct process *p = tr->tracer->process;
	bool quiet = handler_of(p, SIGCHLD) == SIG_IGN || (handler_flags(p, SIGCHLD) & SA_NOCLDSTOP);

	tell_tracer(tr, quiet ? 0 : SIGCHLD, code, tr->code & 0x7f);
}

static void tell_end(const struct tracee *tr, int sig, u32 status)
{
	u32 by = status & 0x7f;

	tell_tracer(tr, sig, by != 0 ? CLD_KILLED : CLD_EXITED, by != 0 ? by : status >> 8 & 0xff);
}

bool tracee_of_parent_locked(const struct process *p)
{
	const struct tracee *tr = p->leader != NULL ? p->leader->tracee : p->dead_leader;

	return tr != NULL && tr->tracer->process == p->parent;
}

void tracee_tell_end_locked(struct process *p)
{
	struct tracee *tr = p->dead_leader;

	if (tr->end_told)
		return;
	tr->end_told = true;
	tell_end(tr, tracee_of_parent_locked(p) ? (int)p->exit_signal : SIGCHLD, p->exit_status);
}

/* --- the tracee's stops --- */

/* What a stop leaves behind: info.signo is the signal to go on with, or 0. */
struct outcome {
	struct siginfo_abi info;
	bool continued;
};

static void state_out(struct tracee *tr)
{
	tr->regs = arch_user_regs();
	tracee_hide_step(tr->regs);
	tr->fs_base = arch_get_fs_base();
	tr->gs_base = arch_get_gs_base();
	fpu_save(tr->fpu);
	tr->changed = false;
}

static void state_in(struct tracee *tr)
{
	if (tr->changed) {
		arch_set_fs_base(tr->fs_base);
		arch_set_gs_base(tr->gs_base);
		fpu_load(tr->fpu);
	}
	if (tr->step && !(tr->regs->rflags & FLAG_TF)) {
		tr->regs->rflags |= FLAG_TF;
		task_current()->forced_tf = true;
	}
}

/* tree_lock is held, and given up meanwhile. Afterwards *tr may be gone. why: CLD_* of the tracer's SIGCHLD */
static void stop_locked(struct tracee *tr, u32 code, int why, const struct siginfo_abi *info, struct outcome *out)
{
	struct task *t = tr->task;

	memset(out, 0, sizeof(*out));
	if (READ_ONCE(t->thread->fatal_pending))
		return;
	tr->code = code;
	tr->told = tr->continued = false;
	tr->has_info = info != NULL;
	if (info != NULL)
		tr->info = *info;
	tr->sig = 0;
	tr->trap_stop = false;
	if (code >> 8 == PTRACE_EVENT_STOP)
		tr->trap_notify = false;
	tr->in_stop = true;
	state_out(tr);
	step(tr, TRACEE_EV_STOP);
	tell_stop(tr, why);
	spin_unlock(&tree_lock);
	space_moves_on();			/* a stop may be long: no line is kept for it, nor anybody's turn */

	(void)waitq_wait_killable(&t->process->task_wait, READ_ONCE(tr->state) == TRACEE_RUNNING);

	spin_lock(&tree_lock);
	tr->in_stop = false;
	if (tr->state != TRACEE_RUNNING)
		step(tr, TRACEE_EV_KILL);
	else
		state_in(tr);
	out->info = tr->info;
	out->info.signo = tr->sig;
	out->continued = tr->continued;
	if (tr->tracer == NULL)
		kfree(tr);
}

/* A stop that says what it is by siginfo's code, as most do. */
static void stop_with_code(struct tracee *tr, int sig, u32 code, int why, struct outcome *out)
{
	struct siginfo_abi info = { .signo = sig, .code = code };

	info.kill.pid = tr->tid;
	info.kill.uid = tr->process->cred.uid;
	stop_locked(tr, code, why, &info, out);
}

void tracee_traps(void)
{
	struct task *t = task_current();
	struct process *p = t->process;
	struct tracee *tr;
	struct outcome out;
	int sig;

	spin_lock(&tree_lock);
	spin_lock(&p->signal_lock);
	WRITE_ONCE(t->trap, false);
	spin_unlock(&p->signal_lock);
	tr = t->tracee;
	if (tr != NULL && (tr->stop_pending || tr->trap_stop || tr->trap_notify)) {
		tr->stop_pending = false;
		tr->message = 0;
		sig = p->stopped ? p->stop_signal : SIGTRAP;
		if (tr->seized)
			stop_with_code(tr, sig, (u32)sig | PTRACE_EVENT_STOP << 8, CLD_STOPPED, &out);
		else
			stop_locked(tr, tr->stop_signal, CLD_STOPPED, NULL, &out);
	}
	spin_unlock(&tree_lock);
}

int tracee_signal(int sig, struct siginfo_abi *info)
{
	struct task *t = task_current();
	struct process *p = t->process;
	struct outcome out;

	spin_lock(&tree_lock);
	if (t->tracee == NULL) {
		spin_unlock(&tree_lock);
		return sig;
	}
	t->tracee->message = 0;
	stop_locked(t->tracee, sig, CLD_TRAPPED, info, &out);
	*info = out.info;
	if (info->signo != 0 && (SIGBIT(info->signo) & SIG_STOPS)) {
		spin_lock(&p->signal_lock);
		p->stop_taken = !out.continued;
		spin_unlock(&p->signal_lock);
	}
	if (info->signo != 0 && (t->blocked & SIGBIT(info->signo))) {
		(void)signal_send_locked(p, t, info);
		info->signo = 0;
	}
	spin_unlock(&tree_lock);
	return info->signo;
}

/* tree_lock held */
static void event_locked(struct tracee *tr, int event, u64 message)
{
	struct outcome out;

	tr->message = message;
	stop_with_code(tr, SIGTRAP, SIGTRAP | (u32)event << 8, CLD_TRAPPED, &out);
}

static bool wants(const struct tracee *tr, int event)
{
	return tr != NULL && (tr->options & 1U << event);
}

bool tracee_event(int event, u64 message)
{
	struct tracee *tr;
	bool plain, wanted;

	spin_lock(&tree_lock);
	tr = task_current()->tracee;
	wanted = wants(tr, event);
	plain = event == PTRACE_EVENT_EXEC && tr != NULL && !tr->seized && !wanted;
	if (wanted)
		event_locked(tr, event, message);
	spin_unlock(&tree_lock);
	if (plain)
		signal_self(SIGTRAP);
	return wanted;
}

void tracee_handler(void)
{
	struct task *t = task_current();
	struct outcome out;

	if (!(READ_ONCE(t->thread->syscall_work) & WORK_STEP))
		return;
	spin_lock(&tree_lock);
	if (t->tracee != NULL) {
		t->tracee->message = 0;
		stop_with_code(t->tracee, SIGTRAP, SIGTRAP, CLD_TRAPPED, &out);
	}
	spin_unlock(&tree_lock);
}

static void call_stop(u64 message)
{
	struct task *t = task_current();
	struct siginfo_abi sent = { .code = SI_KERNEL };
	struct outcome out = { 0 };

	spin_lock(&tree_lock);
	if (t->tracee != NULL) {
		t->tracee->message = message;
		stop_with_code(t->tracee, SIGTRAP, SIGTRAP | (t->tracee->options & PTRACE_O_TRACESYSGOOD ? 0x80U : 0), CLD_TRAPPED,
			       &out);
	}
	sent.signo = out.info.signo;
	if (sent.signo != 0)
		(void)signal_send_locked(t->process, t, &sent);
	spin_unlock(&tree_lock);
}

bool tracee_call_begins(void)
{
	struct thread *self = thread_current();

	if (READ_ONCE(self->syscall_work) & WORK_CALLS)
		call_stop(PTRACE_MESSAGE_ENTRY);
	return !READ_ONCE(self->fatal_pending);
}

/* A call that was stepped over ends the step: the trap flag alone would let the next instruction run, too. */
void tracee_call_ends(void)
{
	u32 work = READ_ONCE(thread_current()->syscall_work);

	if (work & WORK_STEP)
		signal_force(SIGTRAP, TRAP_BRKPT, arch_user_regs()->rip, 1, 0);
	else if (work & WORK_CALLS)
		call_stop(PTRACE_MESSAGE_EXIT);
}

void tracee_exits(u32 status, bool whole)
{
	struct task *t = task_current();
	struct process *p = t->process;
	bool killed;

	if (READ_ONCE(t->tracee) == NULL)
		return;
	spin_lock(&tree_lock);
	killed = p->killed || (!whole && (p->group_exit || (p->exec_task != NULL && p->exec_task != t)));
	if (wants(t->tracee, PTRACE_EVENT_EXIT) && !killed) {
		WRITE_ONCE(t->thread->fatal_pending, false);	/* by itself; who kills it from here on sets it again */
		event_locked(t->tracee, PTRACE_EVENT_EXIT, status);
	}
	spin_unlock(&tree_lock);
}

void tracee_hide_step(struct regs *r)
{
	struct task *t = task_current();

	if (t->forced_tf) {
		t->forced_tf = false;
		r->rflags &= ~FLAG_TF;
	}
}

bool tracee_stale_step(struct regs *r)
{
	struct task *t = task_current();

	if (!t->forced_tf || (READ_ONCE(t->thread->syscall_work) & WORK_STEP))
		return false;
	tracee_hide_step(r);
	return true;
}

/* --- birth --- */

int tracee_offer(struct task *child, u64 clone_flags, u32 exit_signal)
{
	int event = clone_flags & CLONE_VFORK ? PTRACE_EVENT_VFORK : exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE : PTRACE_EVENT_FORK;

	if (READ_ONCE(task_current()->tracee) == NULL)
		return 0;
	child->clone_ptrace = clone_flags & CLONE_PTRACE;
	child->birth_event = clone_flags & CLONE_UNTRACED ? 0 : event;
	child->tracee_offer = tracee_alloc();
	return child->tracee_offer == NULL ? -ENOMEM : 0;
}

void tracee_born_locked(struct task *child)
{
	const struct tracee *mine = child->tracee_offer == NULL ? NULL : task_current()->tracee;
	struct siginfo_abi stop = { .signo = SIGSTOP, .code = SI_USER };
	struct tracee *tr = child->tracee_offer;

	if (mine == NULL || !(child->clone_ptrace || (child->birth_event != 0 && wants(mine, child->birth_event))))
		return;				/* task_free() has what was offered */
	child->tracee_offer = NULL;
	tracee_attach_locked(tr, child, mine->tracer, mine->seized, mine->options);
	tr->capable = mine->capable;
	if (tr->seized) {
		tracee_interrupt_locked(tr);
		return;
	}
	spin_lock(&child->process->signal_lock);
	pending_add(&child->pending, &stop, NULL, ~0ULL);
	signal_recalc(child);
	spin_unlock(&child->process->signal_lock);
}

/* --- execve --- */

bool tracee_limits_exec_locked(const struct task *t)
{
	return t->tracee != NULL && !t->tracee->capable;
}

void tracee_exec_locked(struct task *t)
{
	struct process *p = t->process;

	if (p->dead_leader != NULL) {
		waitq_wake_all(&p->dead_leader->tracer->process->child_wait);
		tracee_drop_locked(p->dead_leader);
	}
	if (t->tracee != NULL)
		t->tracee->tid = p->pid;
}

/* --- the end --- */

bool tracee_tid_used(u32 tid)
{
	struct tracee *tr;

	list_for_each(tr, &zombies, tid_link)
		if (tr->tid == tid)
			return true;
	return false;
}

void tracee_drop_locked(struct tracee *tr)
{
	list_del(&tr->link);
	list_del(&tr->tid_link);
	list_del(&tr->dead_link);
	if (tr->process->dead_leader == tr)
		tr->process->dead_leader = NULL;
	kfree(tr);
}

/* The thread t, a tracer, is gone. */
static void let_go(struct tracee *tr, struct list *dead)
{
	struct siginfo_abi kill = { .signo = SIGKILL, .code = SI_KERNEL };
	struct process *p = tr->process;
	bool untold;

	if (tr->state == TRACEE_ZOMBIE) {
		tracee_drop_locked(tr);
		process_ended_locked(p, dead);
		return;
	}
	if (tr->options & PTRACE_O_EXITKILL)
		(void)signal_send_locked(p, NULL, &kill);
	/* a signal of which the tracer has not heard is delivered; the number may be one that the tracer wrote */
	untold = tracee_is_stopped(tr) && tr->has_info && !tr->told && tr->code == (u32)tr->info.signo && tr->code <= NR_SIGNALS;
	tracee_detach_locked(tr, untold ? tr->info.signo : 0);
}

void tracee_ends_locked(struct task *t, u32 status, struct list *dead)
{
	struct process *p = t->process;
	struct tracee *tr, *tmp;

	list_for_each_safe(tr, tmp, &t->tracees, link)
		let_go(tr, dead);
	tr = t->tracee;
	if (tr == NULL)
		return;
	t->tracee = NULL;
	tr->task = NULL;
	tr->code = p->group_exit ? p->exit_status : status;
	step(tr, TRACEE_EV_END);
	list_add_tail(&zombies, &tr->tid_link);
	if (t == p->leader) {
		p->dead_leader = tr;
		return;
	}
	list_add_tail(&p->dead_tracees, &tr->dead_link);
	tell_end(tr, SIGCHLD, tr->code);
}

void tracee_forget_locked(struct process *p)
{
	struct tracee *tr, *tmp;

	list_for_each_safe(tr, tmp, &p->dead_tracees, dead_link) {
		waitq_wake_all(&tr->tracer->process->child_wait);
		tracee_drop_locked(tr);
	}
	if (p->dead_leader != NULL) {
		waitq_wake_all(&p->dead_leader->tracer->process->child_wait);
		tracee_drop_locked(p->dead_leader);
	}
}
