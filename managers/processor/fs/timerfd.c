/* SPDX-License-Identifier: MIT */
/*
 * timerfd_create(2). The kernel's timer goes off once and is set again when that has been read: how many periods have passed
 * meanwhile is counted then. So a program pays for short periods only as often as it reads.
 *
 * One that was set to a time of day is set anew when that clock is (timerfds_clock_set()).
 */
#include "managers/processor/fs/timerfd.h"

#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/anon.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/clocks.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define TFD_TIMER_ABSTIME 1
#define TFD_TIMER_CANCEL_ON_SET 2

struct timerfd {
	struct list link;		/* [timerfd_lock] of all_timerfds */
	struct timer timer;
	bool expired;			/* [a] set by the timer, which is not running then */
	u64 when_ns;			/* [timerfd_lock] monotonic, of the expiration that the timer is set for or has told; 0: not armed */
	u64 wall_ns;			/* [timerfd_lock] the time of day of that expiration; 0: it was not set to one */
	u64 interval_ns;		/* [timerfd_lock] */
	bool of_day;			/* [I] its clock is the time of day */
	bool tells_sets;		/* [timerfd_lock] TFD_TIMER_CANCEL_ON_SET */
	u32 sets_told;			/* [timerfd_lock] clock_times_set() that its user knows of */
	struct waitq wait;
};

static DEFINE_SPINLOCK(timerfd_lock, RANK_CLOCK);
static struct list all_timerfds = LIST_INIT(all_timerfds);	/* [timerfd_lock] */

struct itimerspec_abi { struct timespec_abi interval, value; };

/* interrupt context */
static void timerfd_fired(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);

	store_release(&t->expired, true);
	waitq_wake_all(&t->wait);
}

/* Was the clock set, for one who asked to be told? Said once. timerfd_lock held */
static bool set_is_news(struct timerfd *t)
{
	u32 sets = clock_times_set();
	bool news = t->tells_sets && t->sets_told != sets;

	if (news)
		t->sets_told = sets;
	return news;
}

static bool readable(struct timerfd *t)
{
	return load_acquire(&t->expired) || (READ_ONCE(t->tells_sets) && READ_ONCE(t->sets_told) != clock_times_set());
}

/* timerfd_lock held. Expirations since the last read; the next period is waited for from now on. -ECANCELED: the clock was set */
static s64 expirations(struct timerfd *t)
{
	u64 now = time_mono_ns(), n = 1;

	if (set_is_news(t)) {
		if (t->expired)
			t->when_ns = t->wall_ns = 0;
		t->expired = false;
		return -ECANCELED;
	}

	if (!load_acquire(&t->expired))
		return 0;
	t->expired = false;
	if (t->interval_ns == 0) {
		t->when_ns = t->wall_ns = 0;
		return 1;
	}
	n += now > t->when_ns ? (now - t->when_ns) / t->interval_ns : 0;
	t->when_ns += n * t->interval_ns;
	if (t->wall_ns != 0)
		t->wall_ns += n * t->interval_ns;
	timer_start(&t->timer, MIN(t->when_ns, CLOCK_FAR_NS));
	return n;
}

static s64 timerfd_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	struct timerfd *t = f->private;
	s64 n;

	if (len < sizeof(n))
		return -EINVAL;
	for (;;) {
		spin_lock(&timerfd_lock);
		n = expirations(t);
		spin_unlock(&timerfd_lock);
		if (n != 0)
			break;
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return -EAGAIN;
		if (waitq_wait_intr(&t->wait, readable(t), 0) < 0)
			return -ERESTARTSYS;
	}
	if (n < 0)
		return n;
	memcpy(buf, &n, sizeof(n));
	return sizeof(n);
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->private;

	poll_wait(pt, &t->wait);
	return readable(t) ? POLLIN : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->private;

	spin_lock(&timerfd_lock);
	list_del(&t->link);
	spin_unlock(&timerfd_lock);
	timer_cancel_sync(&t->timer);
	kfree(t);
}

static const struct file_ops timerfd_ops = { .kind = "[timerfd]", .read = timerfd_read, .poll = timerfd_poll, .seek = anon_seek, .release = timerfd_release };

s64 sys_timerfd_create(u64 clock, u64 flags, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct timerfd *t;
	struct clock c;
	struct file *f;

	if (flags & ~(u64)(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	if (clock_find(clock, &c) < 0 || clock_is_cpu(&c) || c.coarse_or_raw || (s32)clock == CLOCK_TAI)
		return -EINVAL;
	if (c.alarm && !capable(CAP_WAKE_ALARM))
		return -EPERM;
	t = kzalloc(sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	waitq_init(&t->wait);
	timer_init(&t->timer, timerfd_fired, NULL);
	t->of_day = c.kind == CLOCK_WALL;
	t->sets_told = clock_times_set();
	f = anon_file(&timerfd_ops, t, O_RDWR | (flags & O_NONBLOCK));
	if (f == NULL) {
		kfree(t);
		return -ENOMEM;
	}
	spin_lock(&timerfd_lock);
	list_add_tail(&all_timerfds, &t->link);
	spin_unlock(&timerfd_lock);
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
	timer_cancel_sync(&t->timer);
	t->expired = false;
	t->interval_ns = interval;
	t->when_ns = t->wall_ns = 0;
	if (value == 0)
		return;
	if (!absolute)
		t->when_ns = time_mono_ns() + MIN(value, CLOCK_FAR_NS);
	else if (t->of_day)
		t->when_ns = clock_mono_of_wall(t->wall_ns = value);
	else
		t->when_ns = value;
	timer_start(&t->timer, MIN(t->when_ns, CLOCK_FAR_NS));
}

void timerfds_clock_set(void)
{
	struct timerfd *t;

	spin_lock(&timerfd_lock);
	list_for_each(t, &all_timerfds, link) {
		if (t->wall_ns != 0) {
			timer_cancel_sync(&t->timer);	/* it has gone off, or does not before it is set anew */
			t->when_ns = clock_mono_of_wall(t->wall_ns);
			if (!load_acquire(&t->expired))
				timer_start(&t->timer, MIN(t->when_ns, CLOCK_FAR_NS));
		}
		if (t->tells_sets)
			waitq_wake_all(&t->wait);
	}
	spin_unlock(&timerfd_lock);
}

s64 sys_timerfd_settime(u64 fd, u64 flags, u64 new, u64 old, u64 a4, u64 a5)
{
	struct itimerspec_abi was;
	u64 interval, value;
	struct timerfd *t;
	struct file *f;
	s64 rc;

	if (flags & ~(u64)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
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
	spin_lock(&timerfd_lock);
	was = time_left(t);
	t->tells_sets = t->of_day && flags == (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	rc = set_is_news(t) ? -ECANCELED : 0;		/* and yet it is set, as timerfd_create(2) says */
	arm(t, value, interval, flags & TFD_TIMER_ABSTIME);
	spin_unlock(&timerfd_lock);
	file_put(f);
	return rc == 0 && old != 0 ? copy_to_user(old, &was, sizeof(was)) : rc;
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
	spin_lock(&timerfd_lock);
	now = time_left(t);
	spin_unlock(&timerfd_lock);
	file_put(f);
	return copy_to_user(user, &now, sizeof(now));
}
