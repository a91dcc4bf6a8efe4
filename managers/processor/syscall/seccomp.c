/* SPDX-License-Identifier: MIT */
#include "managers/processor/process/seccomp.h"

#include "arch/x86/regs.h"
#include "arch/x86/uaccess.h"
#include "kernel/printk.h"
#include "lib/base/errno.h"
#include "managers/processor/process/bpf.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/ptrace.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/frame.h"
#include "mm/slab.h"

enum { SET_MODE_STRICT, SET_MODE_FILTER, GET_ACTION_AVAIL };
#define FLAG_TSYNC		1U
#define FLAG_LOG		2U
#define FLAG_SPEC_ALLOW		4U
#define FLAG_TSYNC_ESRCH	16U

#define RET_KILL_PROCESS	0x80000000U
#define RET_KILL_THREAD		0x00000000U
#define RET_TRAP		0x00030000U
#define RET_ERRNO		0x00050000U
#define RET_USER_NOTIF		0x7fc00000U
#define RET_TRACE		0x7ff00000U
#define RET_LOG			0x7ffc0000U
#define RET_ALLOW		0x7fff0000U
#define RET_ACTION		0xffff0000U
#define RET_DATA		0x0000ffffU
#define ERRNO_MAX		4095U

#define ARCH_X86_64		0xc000003eU
#define SYS_SECCOMP		1	/* si_code of SIGSYS */
#define CHAIN_LEN_MAX		32768	/* instructions, and four for each filter */
#define FILTER_COST		4
#define LINES_A_SECOND		10

struct seccomp_filter {
	refcount_t refs;
	struct seccomp_filter *before;	/* [I] with a reference */
	bool log;			/* [I] what it forbids is logged */
	unsigned len;			/* [I] */
	u64 mark;			/* [tree_lock] who looked at the chain last: chain_mark_locked() */
	struct bpf_insn insn[];		/* [I] */
};

static void filter_put(struct seccomp_filter *f)
{
	while (f != NULL && ref_put(&f->refs)) {
		struct seccomp_filter *before = f->before;

		kfree(f);
		f = before;
	}
}

void seccomp_drop(struct seccomp *s)
{
	filter_put(s->filter);
	s->filter = NULL;
}

void seccomp_inherit_locked(struct task *t, const struct task *from)
{
	assert_held(&tree_lock);
	t->seccomp = from->seccomp;
	if (t->seccomp.filter != NULL)
		ref_get(&t->seccomp.filter->refs);
	/* a filter that came since the child's were copied may rest on this, set since then, too */
	if (from->process->cred.no_new_privs)
		t->process->cred.no_new_privs = true;
}

unsigned seccomp_nr_filters(const struct seccomp *s)
{
	unsigned nr = 0;

	assert_held(&tree_lock);
	for (const struct seccomp_filter *f = s->filter; f != NULL; f = f->before)
		nr++;
	return nr;
}

/* --- at each call --- */

static void log_call(const struct regs *r, const char *what)
{
	static struct ratelimit limit = RATELIMIT(LINES_A_SECOND);

	if (ratelimit_ok(&limit, "seccomp"))
		pr_note("%s[%u]: seccomp: system call %llu at %#llx: %s", process_current()->comm, task_current()->tid,
			(unsigned long long)r->error, (unsigned long long)r->rip, what);
}

static void kill(struct regs *r, bool all, u32 status)
{
	struct process *p = process_current();

	log_call(r, "killed");
	if (!all && READ_ONCE(p->nr_tasks) > 1)
		task_exit(status);
	process_exit_group(p, status);
}

static void trap(struct regs *r, u32 data)
{
	r->rax = r->error;			/* what the program sees that looks: the call is not made */
	signal_force_info(&(struct siginfo_abi){ .signo = SIGSYS, .err = data, .code = SYS_SECCOMP,
						 .call = { r->rip, (s32)r->error, ARCH_X86_64 } });
}

/* The least of what the filters say, and who said it first. */
static u32 ask(const struct seccomp_filter *f, const struct bpf_call *call, const struct seccomp_filter **who)
{
	u32 least = RET_ALLOW;

	*who = f;
	for (; f != NULL; f = f->before) {
		u32 ret = bpf_run(f->insn, call);

		if ((s32)(ret & RET_ACTION) < (s32)(least & RET_ACTION)) {
			least = ret;
			*who = f;
		}
	}
	return least;
}

/* A tracer decides: it may change the call, on which the filters are asked once more, or take it away with the number -1. */
static bool filter_allows(struct regs *r, bool traced);
static bool tracer_allows(struct regs *r, u32 data)
{
	r->rax = -(s64)ENOSYS;			/* that is it if nobody traces, or nobody who wants to know */
	if (!tracee_event(PTRACE_EVENT_SECCOMP, data) || READ_ONCE(thread_current()->fatal_pending) || (u32)r->error == ~0U)
		return false;
	return filter_allows(r, true);
}

static bool filter_allows(struct regs *r, bool traced)
{
	const struct bpf_call call = { (u32)r->error, ARCH_X86_64, r->rip, { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 } };
	const struct seccomp_filter *who;
	u32 ret = ask(load_acquire(&task_current()->seccomp.filter), &call, &who);

	switch (ret & RET_ACTION) {
	case RET_ALLOW:
		return true;
	case RET_LOG:
		log_call(r, "allowed");
		return true;
	case RET_ERRNO:
		r->rax = -(s64)MIN(ret & RET_DATA, ERRNO_MAX);
		break;
	case RET_TRACE:
		return traced || tracer_allows(r, ret & RET_DATA);
	case RET_USER_NOTIF:			/* nobody listens */
		r->rax = -(s64)ENOSYS;
		break;
	case RET_TRAP:
		trap(r, ret & RET_DATA);
		break;
	case RET_KILL_THREAD:
		kill(r, false, SIGSYS);
		return false;
	default:
		kill(r, true, SIGSYS);
		return false;
	}
	if (who->log)
		log_call(r, "refused");
	return false;
}

static bool strict_allows(struct regs *r)
{
	switch ((u32)r->error) {
	case 0: case 1: case 15: case 60:	/* read, write, rt_sigreturn, exit */
		return true;
	}
	kill(r, false, SIGKILL);
	return false;
}

bool seccomp_allows(struct regs *r)
{
	return load_acquire(&task_current()->seccomp.mode) == SECCOMP_STRICT ? strict_allows(r) : filter_allows(r, false);
}

/* --- setting it --- */

static s64 set_strict(void)
{
	struct seccomp *s = &task_current()->seccomp;
	s64 rc = 0;

	spin_lock(&tree_lock);
	if (s->mode == SECCOMP_FILTER)
		rc = -EINVAL;
	else
		store_release(&s->mode, SECCOMP_STRICT);
	spin_unlock(&tree_lock);
	return rc;
}

static int filter_from_user(u64 user, struct seccomp_filter **out)
{
	struct { u16 len, pad[3]; u64 insn; } program;
	struct seccomp_filter *f;
	u16 *room;
	int rc;

	if (copy_from_user(&program, user, sizeof(program)) < 0)
		return -EFAULT;
	if (program.len == 0 || program.len > BPF_LEN_MAX)
		return -EINVAL;
	if (!process_current()->cred.no_new_privs && !capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (program.insn == 0)
		return -EINVAL;
	if (!frames_to_spare())
		return -ENOMEM;
	f = kmalloc(sizeof(*f) + program.len * sizeof(f->insn[0]));
	room = kmalloc(program.len * sizeof(*room));
	if (f == NULL || room == NULL)
		rc = -ENOMEM;
	else if (copy_from_user(f->insn, program.insn, program.len * sizeof(f->insn[0])) < 0)
		rc = -EFAULT;
	else
		rc = bpf_check(f->insn, program.len, room);
	kfree(room);
	if (rc < 0) {
		kfree(f);
		return rc;
	}
	ref_init(&f->refs, 1);
	f->before = NULL;
	f->mark = 0;
	f->len = program.len;
	*out = f;
	return 0;
}

/* What is on the chain gets a mark that nothing else has: it is walked once, however many threads ask for their own. *len: what it costs */
static u64 chain_mark_locked(struct seccomp_filter *chain, u64 *len)
{
	static u64 last;			/* [tree_lock] */

	assert_held(&tree_lock);
	last++;
	*len = 0;
	for (struct seccomp_filter *f = chain; f != NULL; f = f->before) {
		f->mark = last;
		*len += f->len + FILTER_COST;
	}
	return last;
}

/* A thread that cannot be given the chain of the current one, which has this mark: its number; 0: there is none. tree_lock held */
static u32 not_alike_locked(u64 mark)
{
	struct task *t;

	list_for_each(t, &process_current()->tasks, group_link)
		if (t->seccomp.mode == SECCOMP_STRICT || (t->seccomp.mode == SECCOMP_FILTER && t->seccomp.filter->mark != mark))
			return t->tid;
	return 0;
}

static void give_locked(struct task *t, struct seccomp_filter *f)
{
	struct seccomp_filter *was = t->seccomp.filter;

	ref_get(&f->refs);
	store_release(&t->seccomp.filter, f);
	store_release(&t->seccomp.mode, SECCOMP_FILTER);
	filter_put(was);			/* the chain keeps it: it may be running */
}

/* tree_lock held; on 0 f is on the chain, which has the caller's reference */
static s64 attach_locked(struct seccomp_filter *f, u32 flags)
{
	struct task *self = task_current(), *t;
	u64 len, mark;
	u32 other;

	if (self->seccomp.mode == SECCOMP_STRICT)
		return -EINVAL;
	if ((flags & FLAG_TSYNC) && self->process->exec_task != NULL)
		return -EAGAIN;			/* it has its rights already, which no_new_privs may not have cut; this thread ends */
	mark = chain_mark_locked(self->seccomp.filter, &len);
	if (f->len + len > CHAIN_LEN_MAX)
		return -ENOMEM;
	other = flags & FLAG_TSYNC ? not_alike_locked(mark) : 0;
	if (other != 0)
		return flags & FLAG_TSYNC_ESRCH ? -ESRCH : (s64)other;
	f->log = flags & FLAG_LOG;
	f->before = self->seccomp.filter;	/* its reference goes over to f */
	store_release(&self->seccomp.filter, f);
	store_release(&self->seccomp.mode, SECCOMP_FILTER);
	list_for_each(t, &self->process->tasks, group_link)
		if ((flags & FLAG_TSYNC) && t != self)
			give_locked(t, f);
	return 0;
}

static s64 set_filter(u32 flags, u64 user)
{
	struct seccomp_filter *f;
	s64 rc;

	if (flags & ~(FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_TSYNC_ESRCH))
		return -EINVAL;
	rc = filter_from_user(user, &f);
	if (rc < 0)
		return rc;
	spin_lock(&tree_lock);
	rc = attach_locked(f, flags);
	spin_unlock(&tree_lock);
	if (rc != 0)
		filter_put(f);
	return rc;
}

static s64 action_there(u64 user)
{
	u32 action;

	if (get_user32(&action, user) < 0)
		return -EFAULT;
	switch (action) {
	case RET_KILL_PROCESS: case RET_KILL_THREAD: case RET_TRAP: case RET_ERRNO: case RET_TRACE: case RET_LOG: case RET_ALLOW:
		return 0;
	}
	return -EOPNOTSUPP;
}

s64 seccomp_set(u32 op, u32 flags, u64 arg)
{
	switch (op) {
	case SET_MODE_STRICT:
		return flags != 0 || arg != 0 ? -EINVAL : set_strict();
	case SET_MODE_FILTER:
		return set_filter(flags, arg);
	case GET_ACTION_AVAIL:
		return flags != 0 ? -EINVAL : action_there(arg);
	}
	return -EINVAL;
}

s64 sys_seccomp(u64 op, u64 flags, u64 arg, u64 a3, u64 a4, u64 a5)
{
	return seccomp_set(op, flags, arg);
}
