/* SPDX-License-Identifier: MIT */
/* The system calls around time. */
#include "arch/x86/cpu.h"
#include "arch/x86/smp.h"
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "managers/processor/process/clocks.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"

#define TIMER_ABSTIME	1
#define CPU_SLEEP_MIN	(1 * NSEC_PER_MSEC)
#define CPU_SLEEP_MAX	(100 * NSEC_PER_MSEC)	/* while nobody uses the CPU */

int timespec_to_user(u64 user, u64 ns)
{
	struct timespec_abi ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	return copy_to_user(user, &ts, sizeof(ts));
}

int timespec_from_user(u64 user, u64 *ns)
{
	struct timespec_abi ts;

	if (copy_from_user(&ts, user, sizeof(ts)) < 0)
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (s64)NSEC_PER_SEC)
		return -EINVAL;
	*ns = ts.sec > 4000000000LL ? 4000000000ULL * NSEC_PER_SEC : (u64)ts.sec * NSEC_PER_SEC + ts.nsec;
	return 0;
}

s64 sys_clock_gettime(u64 id, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct clock c;
	u64 ns;
	int rc = clock_find(id, &c);

	if (rc == 0)
		rc = clock_read(&c, &ns);
	return rc < 0 ? rc : timespec_to_user(user, ns);
}

s64 sys_clock_getres(u64 id, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct clock c;
	int rc = clock_find(id, &c);

	return rc < 0 || user == 0 ? rc : timespec_to_user(user, 1);
}

s64 sys_gettimeofday(u64 tv, u64 tz, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u64 ns = time_wall_ns(), zero = 0;
	struct timeval_abi t = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000 };

	if (tv != 0 && copy_to_user(tv, &t, sizeof(t)) < 0)
		return -EFAULT;
	return tz != 0 ? copy_to_user(tz, &zero, sizeof(zero)) : 0;
}

s64 sys_time(u64 user, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u64 sec = time_wall_ns() / NSEC_PER_SEC;

	if (user != 0 && put_user64(user, sec) < 0)
		return -EFAULT;
	return sec;
}

/* Sleep to a monotonic deadline; the rest is told to rem (0: nobody asks). */
static s64 sleep_until(u64 deadline, u64 rem)
{
	u64 now;

	if (thread_sleep_until_intr(MAX(deadline, 1ULL)) == 0)
		return 0;
	now = time_mono_ns();
	if (now >= deadline)
		return 0;
	if (rem != 0 && timespec_to_user(rem, deadline - now) < 0)
		return -EFAULT;
	return -EINTR;
}

static s64 sleep_again(struct task *t)
{
	s64 rc = sleep_until(t->restart_deadline, t->restart_arg[0]);

	return rc == -EINTR ? -ERESTART_RESTARTBLOCK : rc;
}

static s64 sleep_for(u64 ns, u64 rem)
{
	struct task *t = task_current();

	t->restart_deadline = time_mono_ns() + ns;
	t->restart_arg[0] = rem;
	t->restart = sleep_again;
	return sleep_again(t);
}

s64 sys_nanosleep(u64 req, u64 rem, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u64 ns;
	int rc = timespec_from_user(req, &ns);

	return rc < 0 ? rc : sleep_for(ns, rem);
}

/* A clock of CPU time: nobody tells when it gets there, so it is asked, at the earliest time at which it can be. */
static s64 cpu_sleep_until(const struct clock *c, u64 until, u64 rem)
{
	u64 now, last = ~0ULL, pause = CPU_SLEEP_MIN;

	for (;;) {
		if (clock_read(c, &now) < 0)
			return -EINVAL;
		if (now >= until)
			return 0;
		pause = now != last ? CPU_SLEEP_MIN : MIN(pause * 2, CPU_SLEEP_MAX);
		last = now;
		if (thread_sleep_until_intr(time_mono_ns() + MAX((until - now) / nr_cpus, pause)) < 0)
			break;
	}
	if (rem != 0 && timespec_to_user(rem, until - now) < 0)
		return -EFAULT;
	return -EINTR;
}

static s64 cpu_sleep_again(struct task *t)
{
	struct clock c = { .kind = CLOCK_CPU_PROCESS, .share = t->restart_arg[1], .id = t->restart_arg[2] };
	s64 rc = cpu_sleep_until(&c, t->restart_deadline, t->restart_arg[0]);

	return rc == -EINTR ? -ERESTART_RESTARTBLOCK : rc;
}

static s64 cpu_sleep(const struct clock *c, bool absolute, u64 ns, u64 rem)
{
	struct task *t = task_current();
	u64 now;
	s64 rc;

	if (c->kind == CLOCK_CPU_TASK)
		return c->id == t->tid ? -EINVAL : -EOPNOTSUPP;		/* one's own would never get there */
	if (absolute) {
		rc = cpu_sleep_until(c, ns, 0);
		return rc == -EINTR ? -ERESTARTNOHAND : rc;
	}
	if (clock_read(c, &now) < 0)
		return -EINVAL;
	t->restart_deadline = now + ns;
	t->restart_arg[0] = rem;
	t->restart_arg[1] = c->share;
	t->restart_arg[2] = c->id;
	t->restart = cpu_sleep_again;
	return cpu_sleep_again(t);
}

s64 sys_clock_nanosleep(u64 id, u64 flags, u64 req, u64 rem, u64 a4, u64 a5)
{
	struct clock c;
	u64 ns, now;
	s64 rc = clock_find(id, &c);

	if (rc < 0)
		return rc;
	if (c.coarse_or_raw || (s32)id == CLOCK_THREAD_CPUTIME_ID)
		return -EOPNOTSUPP;
	rc = timespec_from_user(req, &ns);
	if (rc < 0)
		return rc;
	if (c.alarm)
		return -EOPNOTSUPP;		/* there is no clock that could wake a sleeping machine */
	if (clock_is_cpu(&c))
		return cpu_sleep(&c, flags & TIMER_ABSTIME, ns, rem);
	if (!(flags & TIMER_ABSTIME))
		return sleep_for(ns, rem);
	if (clock_read(&c, &now) < 0)
		return -EINVAL;
	if (ns <= now)
		return 0;
	rc = sleep_until(time_mono_ns() + (ns - now), 0);
	return rc == -EINTR ? -ERESTARTNOHAND : rc;
}

s64 sys_restart_syscall(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct task *t = task_current();

	return t->restart != NULL ? t->restart(t) : -EINTR;
}

s64 sys_times(u64 buf, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p = process_current();
	struct usage self, children;
	u64 t[4];

	spin_lock(&tree_lock);
	usage_of_process_locked(p, &self);
	children = p->reaped;
	spin_unlock(&tree_lock);
	t[0] = self.user_ns / CLOCK_TICK_NS;
	t[1] = self.system_ns / CLOCK_TICK_NS;
	t[2] = children.user_ns / CLOCK_TICK_NS;
	t[3] = children.system_ns / CLOCK_TICK_NS;
	if (buf != 0 && copy_to_user(buf, t, sizeof(t)) < 0)
		return -EFAULT;
	return time_mono_ns() / CLOCK_TICK_NS;
}

s64 sys_getrusage(u64 who, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p = process_current();
	struct rusage_abi ru;
	struct usage u;

	switch ((s32)who) {
	case 0:
		usage_of_process(p, &u);
		break;
	case 1:
		usage_of_task(task_current(), &u);
		usage_add_space(&u, task_current()->space);
		break;
	case -1:
		spin_lock(&tree_lock);
		u = p->reaped;
		spin_unlock(&tree_lock);
		break;
	default:
		return -EINVAL;
	}
	usage_to_abi(&u, &ru);
	return copy_to_user(user, &ru, sizeof(ru));
}
