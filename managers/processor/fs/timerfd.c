/* SPDX-License-Identifier: MIT */
/*
 * timerfd_create(2). The kernel's timer goes off once and is set again when that has been read: how many periods have passed
 * meanwhile is counted then. So a program pays for short periods only as often as it reads.
 */
#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/anon.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define CLOCK_REALTIME	0
#define CLOCK_MONOTONIC	1
#define CLOCK_BOOTTIME	7
#define TFD_TIMER_ABSTIME 1
#define TFD_SETTIME_FLAGS 3
#define FAR_NS		(1ULL << 62)

struct timerfd {
	struct mutex lock;		/* RANK_MUTEX_LEAF */
	struct timer timer;
	bool expired;			/* [a] set by the timer, which is not running then */
	u64 when_ns;			/* [lock] monotonic, of the expiration that the timer is set for or has told; 0: not armed */
	u64 interval_ns;		/* [lock] */
	int clock;			/* [I] */
	struct waitq wait;
};

struct itimerspec_abi { struct timespec_abi interval, value; };

/* interrupt context */
static void timerfd_fired(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);

	store_release(&t->expired, true);
	waitq_wake_all(&t->wait);
}

/* lock held. Expirations since the last read; the next period is waited for from now on. */
static u64 expirations(struct timerfd *t)
{
	u64 now = time_mono_ns(), n = 1;

	if (!load_acquire(&t->expired))
		return 0;
	t->expired = false;
	if (t->interval_ns == 0) {
		t->when_ns = 0;
		return 1;
	}
	n += now > t->when_ns ? (now - t->when_ns) / t->interval_ns : 0;
	t->when_ns += n * t->interval_ns;
	timer_start(&t->timer, t->when_ns);
	return n;
}

static s64 timerfd_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	struct timerfd *t = f->private;
	u64 n;

	if (len < sizeof(n))
		return -EINVAL;
	for (;;) {
		mutex_lock(&t->lock);
		n = expirations(t);
		mutex_unlock(&t->lock);
		if (n != 0)
			break;
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return -EAGAIN;
		if (waitq_wait_intr(&t->wait, load_acquire(&t->expired), 0) < 0)
			return -ERESTARTSYS;
	}
	memcpy(buf, &n, sizeof(n));
	return sizeof(n);
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->private;

	poll_wait(pt, &t->wait);
	return load_acquire(&t->expired) ? POLLIN | POLLRDNORM : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->private;

	timer_cancel_sync(&t->timer);
	kfree(t);
}

static const struct file_ops timerfd_ops = { .read = timerfd_read, .poll = timerfd_poll, .seek = anon_seek, .release = timerfd_release };

s64 sys_timerfd_create(u64 clock, u64 flags, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct timerfd *t;
	struct file *f;

	if (flags & ~(u64)(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	if ((s32)clock != CLOCK_REALTIME && (s32)clock != CLOCK_MONOTONIC && (s32)clock != CLOCK_BOOTTIME)
		return -EINVAL;
	t = kzalloc(sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	mutex_init(&t->lock, "timerfd", RANK_MUTEX_LEAF);
	waitq_init(&t->wait);
	timer_init(&t->timer, timerfd_fired, NULL);
	t->clock = clock;
	f = anon_file(&timerfd_ops, t, O_RDWR | (flags & O_NONBLOCK));
	if (f == NULL) {
		kfree(t);
		return -ENOMEM;
	}
	return anon_install(f, flags & O_CLOEXEC);
}

/* One that has gone off once and for all has nothing left; of one with periods the next is meant, read or not. */
static struct itimerspec_abi time_left(struct timerfd *t)
{
	u64 now = time_mono_ns(), left = 0;

	if (t->when_ns > now)
		left = t->when_ns - now;
	else if (t->when_ns != 0 && t->interval_ns != 0)
		left = t->interval_ns - (now - t->when_ns) % t->interval_ns;
	else if (t->when_ns != 0 && !load_acquire(&t->expired))
		left = 1;			/* about to */
	return (struct itimerspec_abi){ { t->interval_ns / NSEC_PER_SEC, t->interval_ns % NSEC_PER_SEC },
					{ left / NSEC_PER_SEC, left % NSEC_PER_SEC } };
}

static void arm(struct timerfd *t, u64 value, u64 interval, bool absolute)
{
	u64 now = time_mono_ns(), wall = time_wall_ns();

	timer_cancel_sync(&t->timer);
	t->expired = false;
	t->interval_ns = interval;
	t->when_ns = 0;
	if (value == 0)
		return;
	if (!absolute)
		t->when_ns = now + MIN(value, FAR_NS);
	else if (t->clock == CLOCK_REALTIME)
		t->when_ns = value > wall ? now + MIN(value - wall, FAR_NS) : MAX(now - MIN(wall - value, now), 1ULL);
	else
		t->when_ns = value;
	timer_start(&t->timer, MIN(t->when_ns, FAR_NS));
}

s64 sys_timerfd_settime(u64 fd, u64 flags, u64 new, u64 old, u64 a4, u64 a5)
{
	struct itimerspec_abi was;
	u64 interval, value;
	struct timerfd *t;
	struct file *f;
	s64 rc;

	if (flags & ~(u64)TFD_SETTIME_FLAGS)
		return -EINVAL;
	rc = timespec_from_user(new, &interval);
	if (rc == 0)
		rc = timespec_from_user(new + 16, &value);
	if (rc < 0)
		return rc;
	f = anon_get(fd, &timerfd_ops, &rc);
	if (f == NULL)
		return rc;
	t = f->private;
	mutex_lock(&t->lock);
	was = time_left(t);
	arm(t, value, interval, flags & TFD_TIMER_ABSTIME);
	mutex_unlock(&t->lock);
	file_put(f);
	return old != 0 ? copy_to_user(old, &was, sizeof(was)) : 0;
}

s64 sys_timerfd_gettime(u64 fd, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct itimerspec_abi now;
	struct timerfd *t;
	struct file *f;
	s64 rc;

	f = anon_get(fd, &timerfd_ops, &rc);
	if (f == NULL)
		return rc;
	t = f->private;
	mutex_lock(&t->lock);
	now = time_left(t);
	mutex_unlock(&t->lock);
	file_put(f);
	return copy_to_user(user, &now, sizeof(now));
}
