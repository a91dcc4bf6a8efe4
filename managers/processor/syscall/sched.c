/* SPDX-License-Identifier: MIT */
/*
 * Scheduling as programs ask for it. SCHED_FIFO and SCHED_RR run before all others, by their static priority; SCHED_IDLE runs after all
 * others; nice values set the length of a thread's turn.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/smp.h"
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

enum { SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE = 5, SCHED_DEADLINE, SCHED_RESET_ON_FORK = 0x40000000 };
#define RT_PRIORITY_MAX	99
_Static_assert(PRIO_REAL_TIME_LAST - PRIO_REAL_TIME == RT_PRIORITY_MAX - 1, "one for each");

/* tree_lock held; pid 0 is the caller */
static struct task *task_of(u32 pid)
{
	return pid == 0 ? task_current() : task_find_locked(pid);
}

/*
 * Process 1 is the kernel's: it has no thread that could be scheduled, and shows what an init does that has set nothing. Who would
 * change that is refused.
 */
static bool is_init(u32 pid) { return pid == process_init->pid; }

/* Its own user's, or CAP_SYS_NICE */
static bool may_schedule(const struct task *t)
{
	const struct credentials *me = &process_current()->cred, *it = &t->process->cred;

	return me->euid == it->uid || me->euid == it->euid || cred_has(me, CAP_SYS_NICE);
}

/* --- CPUs --- */

s64 sys_sched_setaffinity(u64 pid, u64 len, u64 mask_user, u64 a3, u64 a4, u64 a5)
{
	u64 online = (1ULL << nr_cpus) - 1, mask = 0;
	struct task *t;
	struct thread *th = NULL;
	s64 rc = 0;

	if (copy_from_user(&mask, mask_user, MIN((u64)(u32)len, 8ULL)) < 0)
		return -EFAULT;
	spin_lock(&tree_lock);
	t = task_of(pid);
	if (t == NULL)
		rc = is_init(pid) ? -EPERM : -ESRCH;
	else if (!may_schedule(t))
		rc = -EPERM;
	else if ((mask & online) == 0)
		rc = -EINVAL;
	else
		thread_get(th = t->thread);
	spin_unlock(&tree_lock);
	if (th != NULL) {
		thread_set_affinity(th, mask & online);
		thread_put(th);
	}
	return rc;
}

s64 sys_sched_getaffinity(u64 pid, u64 len, u64 mask_user, u64 a3, u64 a4, u64 a5)
{
	u64 mask = (1ULL << nr_cpus) - 1;
	struct task *t;

	if ((u32)len < 8 || (len & 7))
		return -EINVAL;
	spin_lock(&tree_lock);
	t = task_of(pid);
	if (t != NULL)
		mask &= t->thread->affinity;
	spin_unlock(&tree_lock);
	if (t == NULL && !is_init(pid))
		return -ESRCH;
	return copy_to_user(mask_user, &mask, 8) < 0 ? -EFAULT : 8;
}

s64 sys_sched_yield(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	thread_yield();
	return 0;
}

s64 sys_getcpu(u64 cpu, u64 node, u64 a2, u64 a3, u64 a4, u64 a5)
{
	if (cpu != 0 && put_user32(cpu, cpu_id()) < 0)
		return -EFAULT;
	return node != 0 ? put_user32(node, 0) : 0;
}

/* --- nice values --- */

enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

struct nice_call {
	int which;
	u32 who;
	bool set;
	s32 nice;		/* to set; or the least found */
	unsigned found;
	s64 error;
};

/* A raise of what it may use needs a right: CAP_SYS_NICE or RLIMIT_NICE. */
static bool may_nice(const struct task *t, s32 nice)
{
	return nice >= t->thread->nice || capable(CAP_SYS_NICE) ||
	       20 - nice <= (s64)MIN(t->process->rlimit[RLIMIT_NICE].cur, 40ULL);
}

static void nice_task(struct nice_call *n, struct task *t)
{
	n->found++;
	if (!n->set) {
		n->nice = MIN(n->nice, t->thread->nice);
	} else if (!may_schedule(t)) {
		n->error = -EPERM;
	} else if (!may_nice(t, n->nice)) {
		n->error = -EACCES;
	} else {
		WRITE_ONCE(t->thread->nice, n->nice);
	}
}

static void nice_init(struct nice_call *n)
{
	if (n->which == PRIO_PROCESS ? n->who != process_init->pid : n->which == PRIO_PGRP ? n->who != process_init->pgid : n->who != 0)
		return;
	if (n->which == PRIO_USER && n->set)
		return;			/* it is passed over, for the sake of all others */
	n->found++;
	if (n->set)
		n->error = -EPERM;
	else
		n->nice = MIN(n->nice, 0);
}

static bool nice_process(struct process *p, void *arg)
{
	struct nice_call *n = arg;
	struct task *t;

	if (p == process_init)
		nice_init(n);
	else if (n->which == PRIO_PGRP ? p->pgid == n->who : p->cred.uid == n->who)
		list_for_each(t, &p->tasks, group_link)
			nice_task(n, t);
	return true;
}

static s64 nice_all(struct nice_call *n)
{
	struct task *t;

	if ((u32)n->which > PRIO_USER)
		return -EINVAL;
	spin_lock(&tree_lock);
	switch (n->which) {
	case PRIO_PROCESS:
		t = task_of(n->who);
		if (t != NULL)
			nice_task(n, t);
		else
			nice_init(n);
		break;
	case PRIO_PGRP:
		n->who = n->who ? n->who : process_current()->pgid;
		process_for_each(nice_process, n);
		break;
	default:
		n->who = n->who ? n->who : process_current()->cred.uid;
		process_for_each(nice_process, n);
	}
	spin_unlock(&tree_lock);
	return n->found == 0 ? -ESRCH : n->error;
}

s64 sys_getpriority(u64 which, u64 who, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct nice_call n = { .which = which, .who = who, .nice = 19 };
	s64 rc = nice_all(&n);

	return rc < 0 ? rc : 20 - n.nice;
}

s64 sys_setpriority(u64 which, u64 who, u64 nice, u64 a3, u64 a4, u64 a5)
{
	struct nice_call n = { .which = which, .who = who, .set = true, .nice = MAX(MIN((s32)nice, 19), -20) };

	return nice_all(&n);
}

/* --- policies --- */

static bool is_real_time(u32 policy) { return policy == SCHED_FIFO || policy == SCHED_RR; }

static int policy_ok(u32 policy, u32 priority)
{
	if (policy > SCHED_IDLE || policy == 4)
		return -EINVAL;
	return is_real_time(policy) ? (priority >= 1 && priority <= RT_PRIORITY_MAX ? 0 : -EINVAL) : priority == 0 ? 0 : -EINVAL;
}

/* RLIMIT_RTPRIO says how far without CAP_SYS_NICE. */
static bool may_real_time(const struct task *t, u32 policy, u32 priority)
{
	u64 limit = t->process->rlimit[RLIMIT_RTPRIO].cur;

	if (!is_real_time(policy) || capable(CAP_SYS_NICE))
		return true;
	return (policy == t->policy && priority <= t->rt_priority) || priority <= limit;
}

/* What takes CAP_SYS_NICE, too: to end that children start with the usual policy, and to leave SCHED_IDLE where nice could not go back. */
static bool may_keep(const struct task *t, u32 policy, bool reset)
{
	if (capable(CAP_SYS_NICE))
		return true;
	return (reset || !t->policy_reset) && (t->policy != SCHED_IDLE || policy == SCHED_IDLE ||
						20 - t->thread->nice <= (s64)MIN(t->process->rlimit[RLIMIT_NICE].cur, 40ULL));
}

static s64 policy_set(u32 pid, s64 policy, u32 priority, const s32 *nice)
{
	struct task *t;
	bool reset = policy >= 0 && (policy & SCHED_RESET_ON_FORK);
	s64 rc = 0;

	spin_lock(&tree_lock);
	t = task_of(pid);
	if (t != NULL) {
		if (policy < 0) {		/* sched_setparam: as it is */
			policy = t->policy;
			reset = t->policy_reset;
		}
		policy &= ~(s64)SCHED_RESET_ON_FORK;
		rc = policy_ok(policy, priority);
	}
	if (t == NULL) {
		rc = is_init(pid) ? -EPERM : -ESRCH;
	} else if (rc == 0) {
		if (!may_schedule(t) || !may_real_time(t, policy, priority) || !may_keep(t, policy, reset) || (nice != NULL && !may_nice(t, *nice))) {
			rc = -EPERM;
		} else {
			t->policy = policy;
			t->rt_priority = priority;
			t->policy_reset = reset;
			if (nice != NULL)
				t->thread->nice = *nice;
			t->base_priority = is_real_time(policy) ? PRIO_REAL_TIME + RT_PRIORITY_MAX - priority :
					   policy == SCHED_IDLE ? PRIO_LOW : PRIO_NORMAL;
			WRITE_ONCE(t->thread->keeps_turn, policy == SCHED_FIFO);
			if (!t->boosted || t->base_priority < t->thread->priority)
				thread_set_priority(t->thread, t->base_priority);
		}
	}
	spin_unlock(&tree_lock);
	return rc;
}

s64 sys_sched_setscheduler(u64 pid, u64 policy, u64 param, u64 a3, u64 a4, u64 a5)
{
	u32 priority;

	if ((s32)policy < 0 || (s32)pid < 0)
		return -EINVAL;
	if (param == 0)
		return -EINVAL;
	if (get_user32(&priority, param) < 0)
		return -EFAULT;
	return policy_set(pid, (u32)policy, priority, NULL);
}

s64 sys_sched_setparam(u64 pid, u64 param, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u32 priority;

	if ((s32)pid < 0 || param == 0)
		return -EINVAL;
	if (get_user32(&priority, param) < 0)
		return -EFAULT;
	return policy_set(pid, -1, priority, NULL);
}

/* What t has; -ESRCH */
static s64 policy_get(u32 pid, u32 *policy, u32 *priority, s32 *nice, bool *reset)
{
	struct task *t;

	if ((s32)pid < 0)
		return -EINVAL;
	spin_lock(&tree_lock);
	t = task_of(pid);
	if (t != NULL) {
		*policy = t->policy;
		*priority = t->rt_priority;
		*nice = t->thread->nice;
		*reset = t->policy_reset;
	}
	spin_unlock(&tree_lock);
	if (t == NULL && is_init(pid)) {
		*policy = SCHED_OTHER;
		*priority = *nice = 0;
		*reset = false;
		return 0;
	}
	return t == NULL ? -ESRCH : 0;
}

s64 sys_sched_getscheduler(u64 pid, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u32 policy, priority;
	s32 nice;
	bool reset;
	s64 rc = policy_get(pid, &policy, &priority, &nice, &reset);

	return rc < 0 ? rc : (s64)(policy | (reset ? SCHED_RESET_ON_FORK : 0));
}

s64 sys_sched_getparam(u64 pid, u64 param, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u32 policy, priority;
	s32 nice;
	bool reset;
	s64 rc = param == 0 ? -EINVAL : policy_get(pid, &policy, &priority, &nice, &reset);

	return rc < 0 ? rc : put_user32(param, priority);
}

struct sched_attr_abi { u32 size, policy; u64 flags; s32 nice; u32 priority; u64 runtime, deadline, period; u32 util_min, util_max; };
#define SCHED_ATTR_SIZE_LEAST	48
#define SCHED_FLAG_RESET_ON_FORK 1
#define SCHED_FLAG_KEEP_POLICY	8
#define SCHED_FLAG_KEEP_PARAMS	16
#define SCHED_FLAG_KEEP_ALL	(SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS)
#define SCHED_FLAG_UTIL		0x60
#define SCHED_FLAGS		(SCHED_FLAG_RESET_ON_FORK | 6 | SCHED_FLAG_KEEP_ALL | SCHED_FLAG_UTIL)	/* 6: of SCHED_DEADLINE */

/* What a program of an older or newer kernel gives: -E2BIG, with the size that is known, if there is more than that. */
static s64 attr_from_user(struct sched_attr_abi *a, u64 user)
{
	u32 size;
	u64 more;

	if (get_user32(&size, user) < 0)
		return -EFAULT;
	size = size == 0 ? SCHED_ATTR_SIZE_LEAST : size;
	if (size < SCHED_ATTR_SIZE_LEAST || size > PAGE_SIZE)
		goto too_big;
	if (copy_from_user(a, user, MIN(size, sizeof(*a))) < 0)
		return -EFAULT;
	for (u64 at = sizeof(*a); at < size; at += 8) {
		more = 0;
		if (copy_from_user(&more, user + at, MIN(8UL, size - at)) < 0)
			return -EFAULT;
		if (more != 0)
			goto too_big;
	}
	return (a->flags & SCHED_FLAG_UTIL) && size < sizeof(*a) ? -EINVAL : 0;
too_big:
	return put_user32(user, sizeof(*a)) < 0 ? -EFAULT : -E2BIG;
}

/* KEEP_POLICY, KEEP_PARAMS: what they leave out is as it is. */
static s64 attr_keep(u32 pid, struct sched_attr_abi *a)
{
	u32 policy, priority;
	s32 nice;
	bool reset;
	s64 rc = policy_get(pid, &policy, &priority, &nice, &reset);

	if (rc < 0)
		return rc;
	if (a->flags & SCHED_FLAG_KEEP_POLICY)
		a->policy = policy;
	if (a->flags & SCHED_FLAG_KEEP_PARAMS) {
		a->priority = priority;
		a->nice = nice;
	}
	return 0;
}

s64 sys_sched_setattr(u64 pid, u64 user, u64 flags, u64 a3, u64 a4, u64 a5)
{
	struct sched_attr_abi a = { 0 };
	s32 nice;
	s64 rc;

	if (user == 0 || (s32)pid < 0 || flags != 0)
		return -EINVAL;
	rc = attr_from_user(&a, user);
	if (rc == 0 && (a.flags & SCHED_FLAG_KEEP_ALL))
		rc = attr_keep(pid, &a);
	if (rc < 0)
		return rc;
	if ((a.flags & ~(u64)SCHED_FLAGS) || a.policy > SCHED_IDLE)
		return -EINVAL;
	if (a.flags & SCHED_FLAG_UTIL)
		return -EOPNOTSUPP;		/* no CPU here goes slower or faster */
	nice = MAX(MIN(a.nice, 19), -20);
	return policy_set(pid, a.policy | (a.flags & SCHED_FLAG_RESET_ON_FORK ? SCHED_RESET_ON_FORK : 0), a.priority,
			  a.policy == SCHED_OTHER || a.policy == SCHED_BATCH ? &nice : NULL);
}

s64 sys_sched_getattr(u64 pid, u64 user, u64 size, u64 flags, u64 a4, u64 a5)
{
	struct sched_attr_abi a = { .size = MIN((u32)size, sizeof(a)) };
	bool reset;
	s64 rc;

	if (user == 0 || (s32)pid < 0 || (u32)size < SCHED_ATTR_SIZE_LEAST || (u32)size > PAGE_SIZE || flags != 0)
		return -EINVAL;
	rc = policy_get(pid, &a.policy, &a.priority, &a.nice, &reset);
	if (rc < 0)
		return rc;
	a.flags = reset ? SCHED_FLAG_RESET_ON_FORK : 0;
	return copy_to_user(user, &a, a.size);
}

s64 sys_sched_get_priority_max(u64 policy, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	if ((u32)policy > SCHED_DEADLINE || policy == 4)
		return -EINVAL;
	return is_real_time(policy) ? RT_PRIORITY_MAX : 0;
}

s64 sys_sched_get_priority_min(u64 policy, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	if ((u32)policy > SCHED_DEADLINE || policy == 4)
		return -EINVAL;
	return is_real_time(policy) ? 1 : 0;
}

s64 sys_sched_rr_get_interval(u64 pid, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct task *t;
	u64 ns = 0;

	if ((s32)pid < 0)
		return -EINVAL;
	spin_lock(&tree_lock);
	t = task_of(pid);
	if (t != NULL && t->policy != SCHED_FIFO)
		ns = thread_slice_ns(t->thread);
	spin_unlock(&tree_lock);
	return t == NULL && !is_init(pid) ? -ESRCH : timespec_to_user(user, ns);
}

/* --- membarrier(2) --- */

enum {
	MEMBARRIER_QUERY = 0, MEMBARRIER_GLOBAL = 1, MEMBARRIER_GLOBAL_EXPEDITED = 2, MEMBARRIER_REGISTER_GLOBAL_EXPEDITED = 4,
	MEMBARRIER_PRIVATE_EXPEDITED = 8, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED = 16, MEMBARRIER_PRIVATE_SYNC_CORE = 32,
	MEMBARRIER_REGISTER_PRIVATE_SYNC_CORE = 64
};
#define MEMBARRIER_ALL	127

static void barrier_here(void *arg) { smp_mb(); }

s64 sys_membarrier(u64 cmd, u64 flags, u64 cpu, u64 a3, u64 a4, u64 a5)
{
	struct process *p = process_current();

	if (flags != 0)
		return -EINVAL;
	switch ((s32)cmd) {
	case MEMBARRIER_QUERY:
		return MEMBARRIER_ALL;
	case MEMBARRIER_PRIVATE_EXPEDITED:
	case MEMBARRIER_PRIVATE_SYNC_CORE:
		if (!(READ_ONCE(p->membarriers) & cmd << 1))
			return -EPERM;
		/* fall through */
	case MEMBARRIER_GLOBAL:
	case MEMBARRIER_GLOBAL_EXPEDITED:
		smp_mb();
		smp_call_others(barrier_here, NULL);	/* who comes back from an interrupt has synchronised its core, too */
		return 0;
	case MEMBARRIER_REGISTER_GLOBAL_EXPEDITED:
	case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED:
	case MEMBARRIER_REGISTER_PRIVATE_SYNC_CORE:
		__atomic_fetch_or(&p->membarriers, (u32)cmd, __ATOMIC_SEQ_CST);
		return 0;
	}
	return -EINVAL;
}

/* --- ioprio_set(2): kept and shown; no disk here has a queue that it would order --- */

enum { IOPRIO_PROCESS = 1, IOPRIO_PGRP, IOPRIO_USER };
enum { IO_NONE, IO_RT, IO_BE, IO_IDLE };
#define IO_CLASS_SHIFT	13
#define IO_LEVELS	8

struct io_call { u32 which, who, value; bool set; unsigned found; s64 error; };

/* Of two, the one that is served first: real time before the usual, and before idle; in a class the lower level. */
static u32 io_better(u32 a, u32 b)
{
	a = a >> IO_CLASS_SHIFT == IO_NONE ? IO_BE << IO_CLASS_SHIFT | IO_LEVELS / 2 : a;
	b = b >> IO_CLASS_SHIFT == IO_NONE ? IO_BE << IO_CLASS_SHIFT | IO_LEVELS / 2 : b;
	return MIN(a, b);
}

/* What the I/O of a thread goes by; threads and processes may share one (CLONE_IO). */
struct io_context { refcount_t refs; u16 priority; /* [tree_lock] */ };

void io_drop(struct io_context *io)
{
	if (io != NULL && ref_put(&io->refs))
		kfree(io);
}

static u32 io_priority(const struct task *t) { return t->io_shared == NULL ? IO_NONE << IO_CLASS_SHIFT : t->io_shared->priority; }

static int io_set(struct task *t, u32 priority)
{
	if (t->io_shared == NULL) {
		t->io_shared = kzalloc(sizeof(*t->io_shared));
		if (t->io_shared == NULL)
			return -ENOMEM;
		ref_init(&t->io_shared->refs, 1);
	}
	t->io_shared->priority = priority;
	return 0;
}

int io_inherit_locked(struct task *t, struct task *from, bool share)
{
	assert_held(&tree_lock);
	if (from->io_shared == NULL)
		return 0;
	if (!share)
		return io_set(t, from->io_shared->priority);
	ref_get(&from->io_shared->refs);
	t->io_shared = from->io_shared;
	return 0;
}

static void io_task(struct io_call *c, struct task *t)
{
	const struct credentials *me = &process_current()->cred, *it = &t->process->cred;

	if (!c->set)
		c->value = c->found == 0 ? io_priority(t) : io_better(c->value, io_priority(t));
	else if (it->uid != me->euid && it->uid != me->uid && !cred_has(me, CAP_SYS_NICE))
		c->error = -EPERM;
	else if (io_set(t, c->value) < 0)
		c->error = -ENOMEM;
	c->found++;
}

static void io_init(struct io_call *c)
{
	c->found++;
	if (c->set)
		c->error = -EPERM;
	else
		c->value = IO_NONE << IO_CLASS_SHIFT;
}

static bool io_process(struct process *p, void *arg)
{
	struct io_call *c = arg;
	struct task *t;

	if (c->which == IOPRIO_PGRP ? p->pgid == c->who : p->cred.uid == c->who)
		list_for_each(t, &p->tasks, group_link)
			io_task(c, t);
	return true;
}

static s64 io_all(struct io_call *c)
{
	struct task *t;

	if (c->which < IOPRIO_PROCESS || c->which > IOPRIO_USER)
		return -EINVAL;
	spin_lock(&tree_lock);
	if (c->which == IOPRIO_PROCESS) {
		t = task_of(c->who);
		if (t != NULL)
			io_task(c, t);
		else if (is_init(c->who))
			io_init(c);
	} else {
		if (c->who == 0)
			c->who = c->which == IOPRIO_PGRP ? process_current()->pgid : process_current()->cred.uid;
		process_for_each(io_process, c);
	}
	spin_unlock(&tree_lock);
	return c->found == 0 ? -ESRCH : c->error;
}

s64 sys_ioprio_set(u64 which, u64 who, u64 value, u64 a3, u64 a4, u64 a5)
{
	struct io_call c = { .which = which, .who = who, .value = value, .set = true };
	u32 level = (u32)value & ((1U << IO_CLASS_SHIFT) - 1);

	switch ((u32)value >> IO_CLASS_SHIFT) {
	case IO_RT:
		if (!capable(CAP_SYS_NICE) && !capable(CAP_SYS_ADMIN))
			return -EPERM;
		/* fallthrough */
	case IO_BE:
		if (level >= IO_LEVELS)
			return -EINVAL;
		break;
	case IO_IDLE:
		break;
	case IO_NONE:
		if (level != 0)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	return io_all(&c);
}

s64 sys_ioprio_get(u64 which, u64 who, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct io_call c = { .which = which, .who = who };
	s64 rc = io_all(&c);

	return rc < 0 ? rc : c.value;
}
