/* SPDX-License-Identifier: MIT */
/* The system calls around timers that send signals: arguments checked and turned over to process/timers.c. */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/timers.h"
#include "managers/processor/syscall/syscall.h"

#define TIMER_ABSTIME 1
enum { SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_THREAD_ID = 4 };

struct sigevent_abi { u64 value; s32 signo, notify; s32 tid; u8 rest[44]; };
struct itimerspec_abi { struct timespec_abi interval, value; };

static int spec_from_user(u64 user, struct ptimer_spec *spec)
{
	struct sigevent_abi ev;
	struct task *t;

	if (user == 0) {
		spec->signo = SIGALRM;
		spec->value_is_id = true;
		return 0;
	}
	if (copy_from_user(&ev, user, sizeof(ev)) < 0)
		return -EFAULT;
	spec->value = ev.value;
	spec->signo = ev.signo;
	switch (ev.notify) {
	case SIGEV_NONE:
		spec->silent = true;
		return 0;
	case SIGEV_SIGNAL | SIGEV_THREAD_ID:
		spin_lock(&tree_lock);
		t = task_find_locked(ev.tid);
		if (t != NULL && t->process == process_current())
			spec->tid = ev.tid;
		spin_unlock(&tree_lock);
		if (spec->tid == 0)
			return -EINVAL;
		break;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:			/* the C library's: the signal is all that it wants of us */
		break;
	default:
		return -EINVAL;
	}
	return ev.signo >= 1 && ev.signo <= NR_SIGNALS ? 0 : -EINVAL;
}

s64 sys_timer_create(u64 clock, u64 event, u64 id_user, u64 a3, u64 a4, u64 a5)
{
	struct ptimer_spec spec = { .signo = 0 };
	s64 id;
	int rc = clock_find(clock, &spec.clock);

	if (rc < 0)
		return rc;
	if (spec.clock.coarse_or_raw)
		return -EOPNOTSUPP;
	if (spec.clock.alarm && !capable(CAP_WAKE_ALARM))
		return -EPERM;
	rc = spec_from_user(event, &spec);
	if (rc < 0)
		return rc;
	id = ptimer_create(process_current(), &spec);
	if (id >= 0 && put_user32(id_user, id) < 0) {
		(void)ptimer_delete(process_current(), id);
		return -EFAULT;
	}
	return MIN(id, 0);
}

s64 sys_timer_delete(u64 id, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return ptimer_delete(process_current(), id);
}

static int put_time(u64 user, const struct ptimer_time *t)
{
	struct itimerspec_abi it = {
		{ t->interval / NSEC_PER_SEC, t->interval % NSEC_PER_SEC }, { t->left / NSEC_PER_SEC, t->left % NSEC_PER_SEC },
	};

	return copy_to_user(user, &it, sizeof(it));
}

s64 sys_timer_settime(u64 id, u64 flags, u64 new, u64 old, u64 a4, u64 a5)
{
	struct ptimer_time was;
	u64 value, interval;
	int rc;

	if (new == 0)
		return -EINVAL;
	rc = timespec_from_user(new, &interval);
	if (rc == 0)
		rc = timespec_from_user(new + sizeof(struct timespec_abi), &value);
	if (rc == 0)
		rc = ptimer_set(process_current(), id, flags & TIMER_ABSTIME, value, interval, &was);
	return rc == 0 && old != 0 ? put_time(old, &was) : rc;
}

s64 sys_timer_gettime(u64 id, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct ptimer_time now;
	int rc = ptimer_get(process_current(), id, &now);

	return rc < 0 ? rc : put_time(user, &now);
}

s64 sys_timer_getoverrun(u64 id, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return ptimer_overrun(process_current(), id);
}

/* --- interval timers --- */

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

static int put_itimer(u64 user, const struct ptimer_time *t)
{
	struct itimerval_abi it = { timeval_of(t->interval), timeval_of(t->left ? MAX(t->left, 1000ULL) : 0) };

	return copy_to_user(user, &it, sizeof(it));
}

s64 sys_setitimer(u64 which, u64 new, u64 old, u64 a3, u64 a4, u64 a5)
{
	struct itimerval_abi it = { 0 };
	struct ptimer_time was;
	u64 value, interval;
	int rc;

	if (new != 0 && copy_from_user(&it, new, sizeof(it)) < 0)
		return -EFAULT;
	if ((u32)which > PTIMER_PROF || timeval_ns(&it.value, &value) < 0 || timeval_ns(&it.interval, &interval) < 0)
		return -EINVAL;
	rc = itimer_set(process_current(), which, value, interval, &was);
	return rc == 0 && old != 0 ? put_itimer(old, &was) : rc;
}

s64 sys_getitimer(u64 which, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct ptimer_time now;

	if ((u32)which > PTIMER_PROF)
		return -EINVAL;
	itimer_get(process_current(), which, &now);
	return put_itimer(user, &now);
}

s64 sys_alarm(u64 seconds, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct ptimer_time was;
	int rc = itimer_set(process_current(), PTIMER_REAL, (u64)(u32)seconds * NSEC_PER_SEC, 0, &was);

	if (rc < 0)
		return rc;
	return was.left / NSEC_PER_SEC + (was.left % NSEC_PER_SEC >= NSEC_PER_SEC / 2 || (was.left != 0 && was.left < NSEC_PER_SEC));
}
