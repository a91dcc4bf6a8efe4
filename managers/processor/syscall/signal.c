/* SPDX-License-Identifier: MIT */
/* The system calls around signals. */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "managers/processor/process/frame.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/pidfd.h"
#include "managers/processor/syscall/syscall.h"

#define UNBLOCKABLE (SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))

s64 sys_rt_sigaction(u64 sig, u64 act, u64 old, u64 size, u64 a4, u64 a5)
{
	struct process *p = process_current();
	struct sigaction_abi new, was;

	sig = (u32)sig;
	if (size != 8)
		return -EINVAL;
	if (act != 0 && copy_from_user(&new, act, sizeof(new)) < 0)
		return -EFAULT;
	if (sig < 1 || sig > NR_SIGNALS || (act != 0 && (SIGBIT(sig) & UNBLOCKABLE)))
		return -EINVAL;
	if (act != 0) {
		new.mask &= ~UNBLOCKABLE;
		new.flags &= SA_KNOWN;		/* so that a program can see which ones are */
	}
	was = handlers_set(p, sig, act != 0 ? &new : NULL);
	if (act != 0)
		signal_drop_ignored(p, sig);
	if (old != 0 && copy_to_user(old, &was, sizeof(was)) < 0)
		return -EFAULT;
	return 0;
}

s64 sys_rt_sigprocmask(u64 how, u64 set, u64 old, u64 size, u64 a4, u64 a5)
{
	struct task *t = task_current();
	sigset_t_ mask, was = t->blocked;

	if (size != 8)
		return -EINVAL;
	if (set != 0) {
		if (get_user64(&mask, set) < 0)
			return -EFAULT;
		switch ((int)how) {
		case SIG_BLOCK: mask = was | mask; break;
		case SIG_UNBLOCK: mask = was & ~mask; break;
		case SIG_SETMASK: break;
		default: return -EINVAL;
		}
		signal_set_blocked(t, mask);
	}
	if (old != 0 && put_user64(old, was) < 0)
		return -EFAULT;
	return 0;
}

s64 sys_rt_sigreturn(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct regs *r = arch_user_regs();

	if (frame_restore(task_current(), r) < 0) {
		signal_force(SIGSEGV, SI_KERNEL, 0, 0, 0);
		return 0;
	}
	return r->rax;		/* the frame's: on_syscall() stores it where it is already */
}

s64 sys_rt_sigpending(u64 set, u64 size, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct task *t = task_current();
	sigset_t_ pending;

	if (size > 8)
		return -EINVAL;
	spin_lock(&t->process->signal_lock);
	pending = (t->pending.set | t->process->pending.set) & t->blocked;
	spin_unlock(&t->process->signal_lock);
	return copy_to_user(set, &pending, size);
}

s64 sys_rt_sigsuspend(u64 set, u64 size, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct task *t = task_current();
	sigset_t_ mask;

	if (size != 8)
		return -EINVAL;
	if (get_user64(&mask, set) < 0)
		return -EFAULT;
	t->saved_blocked = t->blocked;
	signal_set_blocked(t, mask);
	(void)thread_sleep_until_intr(~0ULL);
	t->restore_blocked = true;
	arch_set_notify(t->thread);
	return -ERESTARTNOHAND;
}

s64 sys_pause(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	(void)thread_sleep_until_intr(~0ULL);
	return -ERESTARTNOHAND;
}

s64 sys_sigaltstack(u64 new, u64 old, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct task *t = task_current();
	bool on = frame_on_altstack(t, arch_user_regs()->rsp);
	struct sigaltstack_abi s, was = { t->altstack_sp, 0, 0, t->altstack_size };
	s32 mode;

	was.flags = (t->altstack_size == 0 ? SS_DISABLE : on ? SS_ONSTACK : 0) | (t->altstack_flags & SS_AUTODISARM);
	if (new != 0) {
		if (copy_from_user(&s, new, sizeof(s)) < 0)
			return -EFAULT;
		if (on)
			return -EPERM;
		mode = s.flags & ~(s32)SS_AUTODISARM;
		if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK)
			return -EINVAL;
		if (mode == SS_DISABLE) {
			t->altstack_sp = t->altstack_size = 0;
		} else {
			if (s.size < MINSIGSTKSZ)
				return -ENOMEM;
			t->altstack_sp = s.sp;
			t->altstack_size = s.size;
		}
		t->altstack_flags = s.flags;
	}
	if (old != 0 && copy_to_user(old, &was, sizeof(was)) < 0)
		return -EFAULT;
	return 0;
}

/* --- sending --- */

/* tree_lock held */
static bool may_signal(const struct process *p, int sig)
{
	const struct process *self = process_current();

	return cred_may_signal(&self->cred, &p->cred) || (sig == SIGCONT && self->sid == p->sid);
}

struct kill_many {
	struct siginfo_abi info;
	bool all;
	u32 pgid;
	unsigned found, allowed;
};

static bool kill_one(struct process *p, void *arg)
{
	struct kill_many *k = arg;

	if (p == process_init || p->state == PROCESS_REAPED)
		return true;
	if (k->all ? p == process_current() : p->pgid != k->pgid)
		return true;
	k->found++;
	if (!may_signal(p, k->info.signo))
		return true;
	k->allowed++;
	signal_send_locked(p, NULL, &k->info);
	return true;
}

static void info_from_self(struct siginfo_abi *info, int sig, int code)
{
	*info = (struct siginfo_abi){ .signo = sig, .code = code };
	info->kill.pid = process_current()->pid;
	info->kill.uid = process_current()->cred.uid;
}

/* With a reference. A thread's number does for its process. */
static struct process *find_to_signal(u32 id)
{
	struct process *p = process_find(id);
	struct task *t;

	if (p != NULL)
		return p;
	spin_lock(&tree_lock);
	t = task_find_locked(id);
	if (t != NULL)
		process_get(p = t->process);
	spin_unlock(&tree_lock);
	return p;
}

s64 sys_kill(u64 pid, u64 sig, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct kill_many k = { .all = (s32)pid == -1 };
	struct process *p;
	s32 id = pid;
	int rc = 0;

	if (id == (s32)0x80000000)
		return -ESRCH;
	info_from_self(&k.info, (u32)sig <= NR_SIGNALS ? sig : 0, SI_USER);
	if (id > 0) {
		p = find_to_signal(id);
		if (p == NULL)
			return -ESRCH;
		spin_lock(&tree_lock);
		if ((u32)sig > NR_SIGNALS)
			rc = -EINVAL;
		else if (!may_signal(p, sig))
			rc = -EPERM;
		else
			signal_send_locked(p, NULL, &k.info);
		spin_unlock(&tree_lock);
		process_put(p);
		return rc;
	}
	spin_lock(&tree_lock);
	k.pgid = id == 0 ? process_current()->pgid : (u32)-id;
	process_for_each(kill_one, &k);
	spin_unlock(&tree_lock);
	if (k.found != 0 && (u32)sig > NR_SIGNALS)
		return -EINVAL;
	if (k.all)
		return k.found ? 0 : -ESRCH;	/* as Linux: of all of them none need be one's own */
	return k.allowed ? 0 : k.found ? -EPERM : -ESRCH;
}

/* Process 1 has a number, but no thread. */
static bool is_init(u32 tgid, u32 tid)
{
	return tid == process_init->pid && (tgid == 0 || tgid == tid);
}

static s64 send_to_task(u32 tgid, u32 tid, int sig)
{
	struct siginfo_abi info;
	struct task *t;
	s64 rc = 0;

	if ((s32)tid <= 0)
		return -EINVAL;
	info_from_self(&info, sig, SI_TKILL);
	spin_lock(&tree_lock);
	t = task_find_locked(tid);
	if (is_init(tgid, tid))			/* who may signal it does so in vain: it handles none */
		rc = (u32)sig > NR_SIGNALS ? -EINVAL : may_signal(process_init, sig) ? 0 : -EPERM;
	else if (t == NULL || (tgid != 0 && t->process->pid != tgid))
		rc = -ESRCH;
	else if ((u32)sig > NR_SIGNALS)
		rc = -EINVAL;
	else if (!may_signal(t->process, sig))
		rc = -EPERM;
	else if (signal_queue_full_locked(t->process, sig))
		rc = -EAGAIN;
	else
		signal_send_locked(t->process, t, &info);
	spin_unlock(&tree_lock);
	return rc;
}

s64 sys_tkill(u64 tid, u64 sig, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return send_to_task(0, tid, sig);
}

s64 sys_tgkill(u64 tgid, u64 tid, u64 sig, u64 a3, u64 a4, u64 a5)
{
	if ((s32)tgid <= 0)
		return -EINVAL;
	return send_to_task(tgid, tid, sig);
}

/* rt_sigqueueinfo(2): only the kernel may claim a code of 0 or more, unless one writes to oneself */
static int info_from_user(struct siginfo_abi *info, u64 user, int sig, bool to_self)
{
	if (copy_from_user(info, user, sizeof(*info)) < 0)
		return -EFAULT;
	info->signo = sig;
	if ((info->code >= 0 || info->code == SI_TKILL) && !to_self)
		return -EPERM;
	return 0;
}

s64 sys_rt_tgsigqueueinfo(u64 tgid, u64 tid, u64 sig, u64 user, u64 a4, u64 a5)
{
	struct siginfo_abi info;
	struct task *t;
	s64 rc;

	if ((s32)tgid <= 0 || (s32)tid <= 0 || (u32)sig > NR_SIGNALS)
		return -EINVAL;
	rc = info_from_user(&info, user, sig, (u32)tid == task_current()->tid);
	if (rc < 0)
		return rc;
	spin_lock(&tree_lock);
	t = task_find_locked(tid);
	if (is_init(tgid, tid))
		rc = may_signal(process_init, sig) ? 0 : -EPERM;
	else if (t == NULL || t->process->pid != (u32)tgid)
		rc = -ESRCH;
	else if (!may_signal(t->process, sig))
		rc = -EPERM;
	else if (signal_queue_full_locked(t->process, sig))
		rc = -EAGAIN;
	else
		signal_send_locked(t->process, t, &info);
	spin_unlock(&tree_lock);
	return rc;
}

s64 sys_rt_sigqueueinfo(u64 pid, u64 sig, u64 user, u64 a3, u64 a4, u64 a5)
{
	struct siginfo_abi info;
	struct process *p;
	s64 rc;

	if ((u32)sig > NR_SIGNALS)
		return -EINVAL;
	rc = info_from_user(&info, user, sig, (u32)pid == task_current()->tid);
	if (rc < 0)
		return rc;
	p = find_to_signal(pid);
	if (p == NULL)
		return -ESRCH;
	spin_lock(&tree_lock);
	if (!may_signal(p, sig))
		rc = -EPERM;
	else if (signal_queue_full_locked(p, sig))
		rc = -EAGAIN;
	else
		signal_send_locked(p, NULL, &info);
	spin_unlock(&tree_lock);
	process_put(p);
	return rc;
}

s64 sys_pidfd_send_signal(u64 pidfd, u64 sig, u64 user, u64 flags, u64 a4, u64 a5)
{
	struct siginfo_abi info;
	struct process *p;
	u32 mode;
	s64 rc = (u32)flags != 0 ? -EINVAL : pidfd_get_to_signal(pidfd, &p, &mode);

	if (rc < 0)
		return rc;
	if (user != 0) {
		rc = copy_from_user(&info, user, sizeof(info)) < 0 ? -EFAULT : info.signo != (s32)sig ? -EINVAL : 0;
		if (rc == 0 && p != process_current() && (info.code >= 0 || info.code == SI_TKILL))
			rc = -EPERM;
	} else {
		info_from_self(&info, sig, SI_USER);
	}
	if (rc == 0 && (u32)sig > NR_SIGNALS)
		rc = -EINVAL;
	spin_lock(&tree_lock);
	if (rc == 0 && p->state == PROCESS_REAPED)
		rc = -ESRCH;
	else if (rc == 0 && !may_signal(p, sig))
		rc = -EPERM;
	else if (rc == 0 && user != 0 && signal_queue_full_locked(p, sig))
		rc = -EAGAIN;
	else if (rc == 0)
		signal_send_locked(p, NULL, &info);
	spin_unlock(&tree_lock);
	process_put(p);
	return rc;
}

/* Takes a signal of the set off the queues, sleeping for one: they are unblocked meanwhile, so that they wake us. */
s64 sys_rt_sigtimedwait(u64 set, u64 info_user, u64 timeout, u64 size, u64 a4, u64 a5)
{
	struct task *t = task_current();
	struct siginfo_abi info;
	u64 deadline = ~0ULL, ns;
	sigset_t_ want, was = t->blocked;
	int sig, rc = 0;

	if (size != 8)
		return -EINVAL;
	if (get_user64(&want, set) < 0)
		return -EFAULT;
	if (timeout != 0) {
		rc = timespec_from_user(timeout, &ns);
		if (rc < 0)
			return rc;
		deadline = time_mono_ns() + ns;
	}
	want &= ~UNBLOCKABLE;
	sig = signal_next(t, want, &info);
	if (sig == 0 && (timeout == 0 || ns != 0)) {
		signal_set_waited(t, want);
		signal_set_blocked(t, was & ~want);
		do {			/* a wake for a signal that another thread has taken is none */
			rc = thread_sleep_until_intr(deadline);
			sig = signal_next(t, want, &info);
		} while (sig == 0 && rc == -EINTR && !signal_pending_current());
		signal_set_blocked(t, was);
		signal_set_waited(t, 0);
	}
	if (sig == 0)
		return rc == -EINTR ? -EINTR : -EAGAIN;
	if (info_user != 0 && copy_to_user(info_user, &info, sizeof(info)) < 0)
		return -EFAULT;
	return sig;
}
