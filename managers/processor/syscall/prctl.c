/* SPDX-License-Identifier: MIT */
/* What a thread or process sets for itself: prctl(2), arch_prctl(2), personality(2). */
#include "arch/x86/context.h"
#include "arch/x86/fpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"

enum {
	PR_SET_PDEATHSIG = 1, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS = 7, PR_SET_KEEPCAPS,
	PR_GET_TIMING = 13, PR_SET_TIMING, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP = 21, PR_SET_SECCOMP, PR_CAPBSET_READ, PR_CAPBSET_DROP,
	PR_GET_TSC, PR_SET_TSC, PR_GET_SECUREBITS, PR_SET_SECUREBITS, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_TASK_PERF_EVENTS_DISABLE,
	PR_TASK_PERF_EVENTS_ENABLE, PR_MCE_KILL, PR_MCE_KILL_GET, PR_SET_MM, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS,
	PR_GET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_CAP_AMBIENT = 47, PR_GET_SPECULATION_CTRL = 52,
	PR_SET_SPECULATION_CTRL, PR_SET_IO_FLUSHER = 57, PR_GET_IO_FLUSHER
};
#define TSC_ENABLE		1
enum { AMBIENT_IS_SET = 1, AMBIENT_RAISE, AMBIENT_LOWER, AMBIENT_CLEAR_ALL };

static s64 set_name(u64 user)
{
	struct process *p = process_current();
	char name[16] = { 0 };

	if (strncpy_from_user(name, user, sizeof(name)) == -EFAULT)
		return -EFAULT;
	name[15] = '\0';
	str_copy(thread_current()->name, name, sizeof(name));
	if (p->leader == task_current()) {
		spin_lock(&tree_lock);
		memcpy(p->comm, name, sizeof(name));
		spin_unlock(&tree_lock);
	}
	return 0;
}

static s64 bounding_drop(struct credentials *c, u64 cap)
{
	if (!cred_has(c, CAP_SETPCAP))
		return -EPERM;
	if (cap > CAP_LAST)
		return -EINVAL;
	spin_lock(&tree_lock);
	c->bounding &= ~(1ULL << cap);
	spin_unlock(&tree_lock);
	return 0;
}

static s64 ambient(struct credentials *c, u64 what, u64 cap)
{
	u64 bit = 1ULL << (cap & 63);
	s64 rc = 0;

	if (what == AMBIENT_CLEAR_ALL ? cap != 0 : cap > CAP_LAST)
		return -EINVAL;
	spin_lock(&tree_lock);
	switch (what) {
	case AMBIENT_IS_SET:
		rc = (c->ambient & bit) != 0;
		break;
	case AMBIENT_RAISE:
		if ((c->permitted & c->inheritable & bit) && !(c->secure & SECURE_NO_AMBIENT))
			c->ambient |= bit;
		else
			rc = -EPERM;
		break;
	case AMBIENT_LOWER:
		c->ambient &= ~bit;
		break;
	case AMBIENT_CLEAR_ALL:
		c->ambient = 0;
		break;
	default:
		rc = -EINVAL;
	}
	spin_unlock(&tree_lock);
	return rc;
}

/* Late, early, or as the machine does; kept as MCE_KILL_DEFAULT less that, so that who has said nothing has 0. */
enum { MCE_KILL_LATE, MCE_KILL_EARLY, MCE_KILL_DEFAULT };

static s64 memory_failure(struct process *p, u64 what, u64 policy)
{
	if (what == 0 ? policy != 0 : what != 1 || policy > MCE_KILL_DEFAULT)
		return -EINVAL;
	WRITE_ONCE(p->memory_failure, what == 0 ? 0 : MCE_KILL_DEFAULT - policy);
	return 0;
}

/* Kept only: nothing here waits for files to be written so that it has memory. */
static s64 io_flusher(struct task *t, bool set, u64 arg, bool more)
{
	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (more || arg > (set ? 1 : 0))
		return -EINVAL;
	if (!set)
		return t->io_flusher;
	t->io_flusher = arg;
	return 0;
}

s64 sys_prctl(u64 op, u64 arg, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct task *t = task_current();
	struct process *p = t->process;
	struct credentials *c = &p->cred;
	s64 rc;

	switch ((u32)op) {
	case PR_SET_PDEATHSIG:
		if (arg > NR_SIGNALS)
			return -EINVAL;
		WRITE_ONCE(t->death_signal, arg);
		return 0;
	case PR_GET_PDEATHSIG:
		return put_user32(arg, t->death_signal);
	case PR_GET_DUMPABLE:
		return !p->undumpable;
	case PR_SET_DUMPABLE:
		if (arg > 1)
			return -EINVAL;
		WRITE_ONCE(p->undumpable, arg == 0);
		return 0;
	case PR_GET_KEEPCAPS:
		return (c->secure & SECURE_KEEP_CAPS) != 0;
	case PR_SET_KEEPCAPS:
		if (arg > 1)
			return -EINVAL;
		spin_lock(&tree_lock);
		rc = cred_keep_caps(c, arg);
		spin_unlock(&tree_lock);
		return rc;
	case PR_GET_TIMING:
		return 0;			/* PR_TIMING_STATISTICAL, as Linux says */
	case PR_SET_TIMING:
		return arg == 0 ? 0 : -EINVAL;
	case PR_SET_NAME:
		return set_name(arg);
	case PR_GET_NAME:
		return copy_to_user(arg, thread_current()->name, 16);
	case PR_GET_SECCOMP:
		return t->seccomp.mode;
	case PR_SET_SECCOMP:
		return arg == SECCOMP_STRICT || arg == SECCOMP_FILTER ? seccomp_set(arg - 1, 0, arg == SECCOMP_STRICT ? 0 : a2) : -EINVAL;
	case PR_CAPBSET_READ:
		return arg <= CAP_LAST ? (s64)(c->bounding >> arg & 1) : -EINVAL;
	case PR_CAPBSET_DROP:
		return bounding_drop(c, arg);
	case PR_GET_TSC:
		return put_user32(arg, TSC_ENABLE);
	case PR_SET_TSC:
		return arg == TSC_ENABLE ? 0 : -EINVAL;
	case PR_GET_SECUREBITS:
		return c->secure;
	case PR_SET_SECUREBITS:
		spin_lock(&tree_lock);
		rc = cred_set_secure(c, arg);
		spin_unlock(&tree_lock);
		return rc;
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE:
		return 0;			/* all of them: there are none */
	case PR_MCE_KILL:
		return a3 != 0 || a4 != 0 ? -EINVAL : memory_failure(p, arg, a2);
	case PR_MCE_KILL_GET:
		return arg != 0 || a2 != 0 || a3 != 0 || a4 != 0 ? -EINVAL : MCE_KILL_DEFAULT - p->memory_failure;
	case PR_SET_MM:
		return a3 != 0 || a4 != 0 || cred_has(c, CAP_SYS_RESOURCE) ? -EINVAL : -EPERM;
	case PR_SET_THP_DISABLE:
		if (a2 != 0 || a3 != 0 || a4 != 0)
			return -EINVAL;
		WRITE_ONCE(p->no_huge_pages, arg != 0);
		return 0;
	case PR_GET_THP_DISABLE:
		return arg != 0 || a2 != 0 || a3 != 0 || a4 != 0 ? -EINVAL : p->no_huge_pages;
	case PR_GET_SPECULATION_CTRL:
		return a2 != 0 || a3 != 0 || a4 != 0 ? -EINVAL : -ENODEV;	/* nothing of the kind can be set here */
	case PR_SET_SPECULATION_CTRL:
		return a3 != 0 || a4 != 0 ? -EINVAL : -ENODEV;
	case PR_SET_IO_FLUSHER:
	case PR_GET_IO_FLUSHER:
		return io_flusher(t, (u32)op == PR_SET_IO_FLUSHER, arg, (a2 | a3 | a4) != 0);
	case PR_SET_TIMERSLACK:			/* timers here have none: whatever is asked for is kept to */
		t->timer_slack_ns = arg;
		return 0;
	case PR_GET_TIMERSLACK:
		return t->timer_slack_ns != 0 ? t->timer_slack_ns : TIMER_SLACK_NS;
	case PR_SET_CHILD_SUBREAPER:
		WRITE_ONCE(p->subreaper, arg != 0);
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return put_user32(arg, p->subreaper);
	case PR_SET_NO_NEW_PRIVS:
		if (arg != 1 || a2 != 0 || a3 != 0 || a4 != 0)
			return -EINVAL;
		c->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return arg != 0 || a2 != 0 || a3 != 0 || a4 != 0 ? -EINVAL : c->no_new_privs;
	case PR_GET_TID_ADDRESS:
		return put_user64(arg, t->clear_child_tid);
	case PR_CAP_AMBIENT:
		return a3 != 0 || a4 != 0 ? -EINVAL : ambient(c, arg, a2);
	}
	return -EINVAL;
}

s64 sys_arch_prctl(u64 code, u64 addr, u64 a2, u64 a3, u64 a4, u64 a5)
{
	switch ((u32)code) {
	case 0x1001:				/* ARCH_SET_GS */
		if (addr >= USER_END)
			return -EPERM;
		arch_set_gs_base(addr);
		return 0;
	case 0x1002:				/* ARCH_SET_FS */
		if (addr >= USER_END)
			return -EPERM;
		arch_set_fs_base(addr);
		return 0;
	case 0x1003:
		return put_user64(addr, arch_get_fs_base());
	case 0x1004:
		return put_user64(addr, arch_get_gs_base());
	case 0x1021:				/* ARCH_GET_XCOMP_SUPP: what of the CPU's state is saved; ARCH_GET_XCOMP_PERM: all of that may be used */
	case 0x1022:
		return put_user64(addr, fpu_components());
	case 0x1011:				/* ARCH_GET_CPUID: the instruction is there */
		return 1;
	case 0x1012:				/* ARCH_SET_CPUID: and cannot be taken away */
		return -ENODEV;
	}
	return -EINVAL;
}

#define PERSONALITY_ASK		0xffffffffU

/* What the bits do is where it is done: uname(2), select(2), mmap(2), mprotect(2), exec. */
s64 sys_personality(u64 persona, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p = process_current();
	u32 was;

	spin_lock(&tree_lock);
	was = p->personality;
	if ((u32)persona != PERSONALITY_ASK)
		p->personality = persona;
	spin_unlock(&tree_lock);
	return was;
}
