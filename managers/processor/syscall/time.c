/* SPDX-License-Identifier: MIT */
/* The system calls around time. */
#include "arch/x86/cpu.h"
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"

enum { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
       CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI = 11 };
#define TIMER_ABSTIME 1

static u64 process_cpu_ns(struct process *p)
{
	struct task *t;
	u64 ns;

	spin_lock(&tree_lock);
	ns = p->utime_ns;
	list_for_each(t, &p->tasks, group_link)
		ns += t->thread->runtime_ns;
	spin_unlock(&tree_lock);
	return ns;
}

static int clock_read(u64 id, u64 *ns)
{
	switch ((s32)id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ns = time_wall_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = time_mono_ns();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = process_cpu_ns(process_current());
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = thread_current()->runtime_ns;
		return 0;
	}
	return -EINVAL;
}

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
	u64 ns;
	int rc = clock_read(id, &ns);

	return rc < 0 ? rc : timespec_to_user(user, ns);
}

s64 sys_clock_getres(u64 id, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u64 ns;
	int rc = clock_read(id, &ns);

	if (rc < 0 || user == 0)
		return rc;
	return timespec_to_user(user, 1);
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

s64 sys_clock_nanosleep(u64 id, u64 flags, u64 req, u64 rem, u64 a4, u64 a5)
{
	u64 ns, now;
	s64 rc;

	if ((s32)id != CLOCK_REALTIME && (s32)id != CLOCK_MONOTONIC && (s32)id != CLOCK_BOOTTIME && (s32)id != CLOCK_TAI)
		return (s32)id == CLOCK_PROCESS_CPUTIME_ID ? -EOPNOTSUPP : -EINVAL;
	rc = timespec_from_user(req, &ns);
	if (rc < 0)
		return rc;
	if (!(flags & TIMER_ABSTIME))
		return sleep_for(ns, rem);
	if (clock_read(id, &now) < 0)
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
	u64 t[4] = { process_cpu_ns(p) / 10000000, 0, READ_ONCE(p->ctime_ns) / 10000000, 0 };

	if (buf != 0 && copy_to_user(buf, t, sizeof(t)) < 0)
		return -EFAULT;
	return time_mono_ns() / 10000000;
}

s64 sys_getrusage(u64 who, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p = process_current();
	struct rusage_abi ru = { 0 };
	u64 ns;

	switch ((s32)who) {
	case 0: ns = process_cpu_ns(p); break;
	case 1: ns = thread_current()->runtime_ns; break;
	case -1: ns = READ_ONCE(p->ctime_ns); break;
	default: return -EINVAL;
	}
	ru.utime.sec = ns / NSEC_PER_SEC;
	ru.utime.usec = ns % NSEC_PER_SEC / 1000;
	ru.maxrss = (task_current()->space->footprint * PAGE_SIZE) >> 10;
	return copy_to_user(user, &ru, sizeof(ru));
}

/* --- interval timers; only the real-time one is there --- */

/* What is left of the old one; 0: it was not running. */
static void itimer_set(struct process *p, u64 value_ns, u64 interval_ns, u64 *left, u64 *interval)
{
	u64 now;

	mutex_lock(&p->timer_lock);
	*interval = p->itimer_interval_ns;
	now = time_mono_ns();
	*left = timer_pending(&p->itimer_real) ? (p->itimer_real.when_ns > now ? p->itimer_real.when_ns - now : 1) : 0;
	p->itimer_interval_ns = 0;		/* should it fire now, it does not begin again */
	timer_cancel_sync(&p->itimer_real);
	p->itimer_interval_ns = value_ns ? interval_ns : 0;
	if (value_ns != 0)
		timer_start(&p->itimer_real, now + value_ns);
	mutex_unlock(&p->timer_lock);
}

static struct timeval_abi timeval_of(u64 ns)
{
	return (struct timeval_abi){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000 };
}

static int timeval_ns(const struct timeval_abi *tv, u64 *ns)
{
	if (tv->sec < 0 || tv->usec < 0 || tv->usec >= 1000000)
		return -EINVAL;
	*ns = MIN((u64)tv->sec, 4000000000ULL) * NSEC_PER_SEC + (u64)tv->usec * 1000;
	return 0;
}

static int put_itimer(u64 user, u64 left, u64 interval)
{
	struct itimerval_abi it = { timeval_of(interval), timeval_of(left ? MAX(left, 1000ULL) : 0) };

	return copy_to_user(user, &it, sizeof(it));
}

s64 sys_setitimer(u64 which, u64 new, u64 old, u64 a3, u64 a4, u64 a5)
{
	struct itimerval_abi it = { 0 };
	u64 value, interval, left, was;

	if ((u32)which != 0)
		return -EINVAL;
	if (new != 0 && copy_from_user(&it, new, sizeof(it)) < 0)
		return -EFAULT;
	if (timeval_ns(&it.value, &value) < 0 || timeval_ns(&it.interval, &interval) < 0)
		return -EINVAL;
	itimer_set(process_current(), value, interval, &left, &was);
	return old != 0 ? put_itimer(old, left, was) : 0;
}

s64 sys_getitimer(u64 which, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p = process_current();
	u64 now, left, interval;

	if ((u32)which != 0)
		return -EINVAL;
	mutex_lock(&p->timer_lock);
	now = time_mono_ns();
	interval = p->itimer_interval_ns;
	left = timer_pending(&p->itimer_real) ? (p->itimer_real.when_ns > now ? p->itimer_real.when_ns - now : 1) : 0;
	mutex_unlock(&p->timer_lock);
	return put_itimer(user, left, interval);
}

s64 sys_alarm(u64 seconds, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u64 left, interval;

	itimer_set(process_current(), (u64)(u32)seconds * NSEC_PER_SEC, 0, &left, &interval);
	return left / NSEC_PER_SEC + (left % NSEC_PER_SEC >= NSEC_PER_SEC / 2 || (left != 0 && left < NSEC_PER_SEC));
}
