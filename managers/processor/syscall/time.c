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

/* --- setting the time of day --- */

#define SETTABLE_MAX	8000000000LL		/* seconds: what nanoseconds can hold for long */
#define ZONE_MAX	(15 * 60)

static s64 set_time(s64 sec, s64 nsec)
{
	if (sec < 0 || sec > SETTABLE_MAX || nsec < 0 || nsec >= (s64)NSEC_PER_SEC)
		return -EINVAL;
	return capable(CAP_SYS_TIME) ? clock_set_wall((u64)sec * NSEC_PER_SEC + nsec) : -EPERM;
}

s64 sys_clock_settime(u64 id, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct timespec_abi ts;
	struct clock c;

	if (clock_find(id, &c) < 0 || (!clock_is_cpu(&c) && (s32)id != CLOCK_REALTIME))
		return -EINVAL;
	if (copy_from_user(&ts, user, sizeof(ts)) < 0)
		return -EFAULT;
	if (clock_is_cpu(&c))
		return (s32)id < 0 ? -EPERM : -EINVAL;
	return set_time(ts.sec, ts.nsec);
}

s64 sys_settimeofday(u64 tv_user, u64 tz_user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct { s32 minutes_west, dst; } tz = { 0 };
	struct timeval_abi tv = { 0 };

	if (tv_user != 0 && copy_from_user(&tv, tv_user, sizeof(tv)) < 0)
		return -EFAULT;
	if (tv.usec < 0 || tv.usec >= 1000000)
		return -EINVAL;
	if (tz_user != 0 && copy_from_user(&tz, tz_user, sizeof(tz)) < 0)
		return -EFAULT;
	if (!capable(CAP_SYS_TIME))
		return tv_user != 0 && (tv.sec < 0 || tv.sec > SETTABLE_MAX) ? -EINVAL : -EPERM;
	if (tz.minutes_west != 0 || tz.dst != 0)
		return -EINVAL;				/* there is no zone but UTC */
	return tv_user != 0 ? set_time(tv.sec, tv.usec * 1000) : 0;
}

#define ADJ_OFFSET	0x0001
#define ADJ_SETOFFSET	0x0100
#define ADJ_MICRO	0x1000
#define ADJ_NANO	0x2000
#define ADJ_TICK	0x4000
#define ADJ_ADJTIME	0x8000
#define ADJ_OFFSET_READONLY 0x2000
#define ADJ_SS_READ	(ADJ_ADJTIME | ADJ_OFFSET | ADJ_OFFSET_READONLY)
#define ADJ_SINGLESHOT	(ADJ_ADJTIME | ADJ_OFFSET)
#define STA_UNSYNC	0x40
#define TIME_ERROR	5

struct timex_abi {
	u32 modes, pad;
	s64 offset, freq, max_error, est_error;
	s32 status, pad2;
	s64 constant, precision, tolerance;
	struct timeval_abi time;
	s64 tick, pps[2];
	s32 shift, pad3;
	s64 pps_counts[5];
	s32 tai, unused[11];
};
_Static_assert(sizeof(struct timex_abi) == 208, "as programs see it");

static int adjust_check(const struct timex_abi *t)
{
	if (t->modes & ADJ_ADJTIME) {
		if (!(t->modes & ADJ_OFFSET))
			return -EINVAL;
		if (!(t->modes & ADJ_OFFSET_READONLY) && !capable(CAP_SYS_TIME))
			return -EPERM;
	} else if (t->modes != 0 && !capable(CAP_SYS_TIME)) {
		return -EPERM;
	}
	if (!(t->modes & ADJ_ADJTIME) && (t->modes & ADJ_TICK) && (t->tick < 9000 || t->tick > 11000))
		return -EINVAL;
	if (t->modes == ADJ_SINGLESHOT && t->offset == 0)
		return 0;				/* nothing is under way that this would end */
	if (t->modes != ADJ_SS_READ && (t->modes & ~(u32)(ADJ_SETOFFSET | ADJ_MICRO | ADJ_NANO)))
		return -EOPNOTSUPP;			/* the clock can be set, but not be made faster or slower */
	return 0;
}

/* adjtimex(2): nobody steers this clock, and so it says of itself. */
s64 sys_adjtimex(u64 user, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct timex_abi t;
	u64 now;
	s64 rc;

	if (copy_from_user(&t, user, sizeof(t)) < 0)
		return -EFAULT;
	rc = adjust_check(&t);
	if (rc == 0 && !(t.modes & ADJ_ADJTIME) && (t.modes & ADJ_SETOFFSET)) {
		s64 unit = t.modes & ADJ_NANO ? 1 : 1000, part = t.time.usec;

		if (part < 0 || part >= (s64)NSEC_PER_SEC / unit || t.time.sec > SETTABLE_MAX || t.time.sec < -SETTABLE_MAX)
			return -EINVAL;
		now = time_wall_ns() + t.time.sec * (s64)NSEC_PER_SEC + part * unit;
		rc = set_time((s64)now / (s64)NSEC_PER_SEC, (s64)now % (s64)NSEC_PER_SEC);
	}
	if (rc < 0)
		return rc;
	now = time_wall_ns();
	t = (struct timex_abi){ .modes = t.modes, .max_error = 16000000, .est_error = 16000000, .status = STA_UNSYNC, .constant = 2, .precision = 1,
				.tolerance = 500LL << 16, .time = { now / NSEC_PER_SEC, now % NSEC_PER_SEC / 1000 }, .tick = 10000 };
	return copy_to_user(user, &t, sizeof(t)) < 0 ? -EFAULT : TIME_ERROR;
}

s64 sys_clock_adjtime(u64 id, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct clock c;

	if (clock_find(id, &c) < 0)
		return -EINVAL;
	return (s32)id == CLOCK_REALTIME ? sys_adjtimex(user, 0, 0, 0, 0, 0) : -EOPNOTSUPP;
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
	if (c.kind == CLOCK_WALL)
		return clock_sleep_wall(ns) < 0 ? -ERESTARTNOHAND : 0;
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
