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
#define ADJ_FREQUENCY	0x0002
#define ADJ_MAXERROR	0x0004
#define ADJ_ESTERROR	0x0008
#define ADJ_STATUS	0x0010
#define ADJ_TIMECONST	0x0020
#define ADJ_TAI		0x0080
#define ADJ_SETOFFSET	0x0100
#define ADJ_MICRO	0x1000
#define ADJ_NANO	0x2000
#define ADJ_TICK	0x4000
#define ADJ_ADJTIME	0x8000
#define ADJ_OFFSET_READONLY 0x2000
#define ADJ_SS_READ	(ADJ_ADJTIME | ADJ_OFFSET | ADJ_OFFSET_READONLY)
#define STA_PLL		0x0001
#define STA_UNSYNC	0x0040
#define STA_NANO	0x2000
#define STA_READ_ONLY	0xff00
#define TIME_OK		0
#define TIME_ERROR	5
#define TICK_USUAL	10000
#define ERROR_MAX	16000000	/* microseconds: nobody knows */
#define ERROR_A_SECOND	500		/* what an unsteered clock may be wrong by after a second more */
#define CONSTANT_MAX	10

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

/*
 * What daemons say of this clock to those who ask. Nobody makes it faster or slower: what would is refused, but may be set to what it is.
 */
static DEFINE_SPINLOCK(told_lock, RANK_LEAF);
static struct { s64 max_error, est_error, constant; u64 since_ns; u32 status; } told = {	/* [told_lock] */
	.max_error = ERROR_MAX, .est_error = ERROR_MAX, .constant = 2, .status = STA_UNSYNC,
};

static int adjust_check(const struct timex_abi *t)
{
	if (t->modes & ADJ_ADJTIME) {
		if (!(t->modes & ADJ_OFFSET))
			return -EINVAL;
		if (t->modes & ADJ_OFFSET_READONLY)
			return 0;
		if (!capable(CAP_SYS_TIME))
			return -EPERM;
		return t->offset == 0 ? 0 : -EOPNOTSUPP;	/* nothing is under way that 0 would end */
	}
	if (t->modes != 0 && !capable(CAP_SYS_TIME))
		return -EPERM;
	if ((t->modes & ADJ_TICK) && (t->tick < 9000 || t->tick > 11000))
		return -EINVAL;
	if (((t->modes & ADJ_TICK) && t->tick != TICK_USUAL) || ((t->modes & ADJ_FREQUENCY) && t->freq != 0) ||
	    ((t->modes & ADJ_OFFSET) && t->offset != 0) || ((t->modes & ADJ_TAI) && t->constant != 0) ||
	    ((t->modes & ADJ_STATUS) && (t->status & ~(STA_PLL | STA_UNSYNC | STA_READ_ONLY))))
		return -EOPNOTSUPP;
	return 0;
}

/* told_lock held. The longer nobody has looked at the clock, the less is known of it. */
static s64 error_now(u64 now)
{
	s64 more = (now - told.since_ns) / NSEC_PER_SEC * ERROR_A_SECOND;

	return MIN(told.max_error + more, (s64)ERROR_MAX);
}

static void adjust(const struct timex_abi *t, u64 now)
{
	spin_lock(&told_lock);
	if (t->modes & ADJ_STATUS)
		told.status = (told.status & STA_READ_ONLY) | (t->status & ~STA_READ_ONLY);
	if (t->modes & ADJ_NANO)
		told.status |= STA_NANO;
	if (t->modes & ADJ_MICRO)
		told.status &= ~STA_NANO;
	if (t->modes & ADJ_MAXERROR) {
		told.max_error = MIN(MAX(t->max_error, 0LL), (s64)ERROR_MAX);
		told.since_ns = now;
	}
	if (t->modes & ADJ_ESTERROR)
		told.est_error = t->est_error;
	if (t->modes & ADJ_TIMECONST)
		told.constant = MIN(MAX(t->constant + (told.status & STA_NANO ? 0 : 4), 0LL), (s64)CONSTANT_MAX);
	spin_unlock(&told_lock);
}

static s64 adjust_show(struct timex_abi *t, u64 now, u64 wall)
{
	u32 modes = t->modes;

	*t = (struct timex_abi){ .modes = modes, .precision = 1, .tolerance = 500LL << 16, .tick = TICK_USUAL };
	spin_lock(&told_lock);
	t->max_error = error_now(now);
	if (t->max_error == ERROR_MAX)
		told.status |= STA_UNSYNC;
	t->est_error = told.est_error;
	t->constant = told.constant;
	t->status = told.status;
	spin_unlock(&told_lock);
	t->time.sec = wall / NSEC_PER_SEC;
	t->time.usec = wall % NSEC_PER_SEC / (t->status & STA_NANO ? 1 : 1000);
	return t->status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}

/* adjtimex(2) */
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
	now = time_mono_ns();
	if (!(t.modes & ADJ_ADJTIME))
		adjust(&t, now);
	rc = adjust_show(&t, now, time_wall_ns());
	return copy_to_user(user, &t, sizeof(t)) < 0 ? -EFAULT : rc;
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
	if (c.alarm && !capable(CAP_WAKE_ALARM))
		return -EPERM;
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
		usage_of_thread(task_current(), &u);
		u.max_pages = READ_ONCE(task_current()->space->footprint);
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
