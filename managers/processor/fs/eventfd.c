/* SPDX-License-Identifier: MIT */
/* Descriptors that count: eventfd(2), and timerfd_create(2) whose count is the expirations of a timer. */
#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/anon.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

/* --- files without a name --- */

static int anon_getattr(struct inode *i, struct attr *a)
{
	a->mode = 0600;
	a->nlink = 1;
	a->blksize = PAGE_SIZE;
	a->ino = i->ino;
	a->dev = i->dev;
	return 0;
}

static const struct inode_ops anon_inode_ops = { .getattr = anon_getattr };

struct file *anon_file(const struct file_ops *ops, void *private, u32 flags)
{
	struct file *f = file_alloc(ops, flags);

	if (f == NULL)
		return NULL;
	f->inode = inode_alloc(&anon_inode_ops, 0600);
	if (f->inode == NULL) {
		f->ops = NULL;
		file_put(f);
		return NULL;
	}
	f->inode->dev = 0xe;
	f->inode->ino = 1;
	f->private = private;
	return f;
}

s64 anon_install(struct file *f, bool cloexec)
{
	int fd = fd_install(f, cloexec);

	if (fd < 0)
		file_put(f);
	return fd;
}

/* --- eventfd --- */

#define EFD_SEMAPHORE	1
#define COUNT_MAX	(~0ULL - 1)

struct counter {
	struct spinlock lock;		/* RANK_LEAF, interrupts off: a timer counts */
	u64 count;			/* [lock] */
	bool semaphore;			/* [I] */
	struct waitq wait;
	/* timerfd */
	struct mutex set_lock;
	struct timer timer;
	u64 interval_ns;		/* [lock] */
	int clock;			/* [I] */
};

static struct counter *counter_alloc(u64 count)
{
	struct counter *c = kzalloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	spin_init(&c->lock, "eventfd", RANK_LEAF);
	waitq_init(&c->wait);
	mutex_init(&c->set_lock, "timerfd", RANK_MUTEX_LEAF);
	c->count = count;
	return c;
}

/* Take what there is: 0 nothing */
static u64 counter_take(struct counter *c)
{
	u64 flags = spin_lock_irqsave(&c->lock), n = c->semaphore ? MIN(c->count, 1ULL) : c->count;

	c->count -= n;
	spin_unlock_irqrestore(&c->lock, flags);
	return n;
}

static bool counter_add(struct counter *c, u64 n)
{
	u64 flags = spin_lock_irqsave(&c->lock);
	bool fits = c->count <= COUNT_MAX - n;

	if (fits)
		c->count += n;
	spin_unlock_irqrestore(&c->lock, flags);
	return fits;
}

static s64 counter_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	struct counter *c = f->private;
	u64 n;

	if (len < 8)
		return -EINVAL;
	while ((n = counter_take(c)) == 0) {
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return -EAGAIN;
		if (waitq_wait_intr(&c->wait, READ_ONCE(c->count) != 0, 0) < 0)
			return -ERESTARTSYS;
	}
	waitq_wake_all(&c->wait);
	memcpy(buf, &n, 8);
	return 8;
}

static s64 eventfd_write(struct file *f, const void *buf, size_t len, u64 *pos)
{
	struct counter *c = f->private;
	u64 n;

	if (len < 8)
		return -EINVAL;
	memcpy(&n, buf, 8);
	if (n == ~0ULL)
		return -EINVAL;
	while (!counter_add(c, n)) {
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return -EAGAIN;
		if (waitq_wait_intr(&c->wait, READ_ONCE(c->count) <= COUNT_MAX - n, 0) < 0)
			return -ERESTARTSYS;
	}
	waitq_wake_all(&c->wait);
	return 8;
}

/* Nothing happens, and that is no error. */
s64 anon_seek(struct file *f, s64 off, int whence)
{
	return 0;
}

static u32 eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct counter *c = f->private;
	u64 n;

	poll_wait(pt, &c->wait);
	n = READ_ONCE(c->count);
	return (n != 0 ? POLLIN | POLLRDNORM : 0) | (n < COUNT_MAX ? POLLOUT | POLLWRNORM : 0);
}

static void eventfd_release(struct file *f)
{
	kfree(f->private);
}

static const struct file_ops eventfd_ops = { .read = counter_read, .write = eventfd_write, .poll = eventfd_poll, .seek = anon_seek,
					     .release = eventfd_release };

s64 sys_eventfd2(u64 initial, u64 flags, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct counter *c;
	struct file *f;

	if (flags & ~(u64)(EFD_SEMAPHORE | O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	c = counter_alloc((u32)initial);
	if (c == NULL)
		return -ENOMEM;
	c->semaphore = flags & EFD_SEMAPHORE;
	f = anon_file(&eventfd_ops, c, O_RDWR | (flags & O_NONBLOCK));
	if (f == NULL) {
		kfree(c);
		return -ENOMEM;
	}
	return anon_install(f, flags & O_CLOEXEC);
}

s64 sys_eventfd(u64 initial, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_eventfd2(initial, 0, 0, 0, 0, 0); }

/* --- timerfd --- */

#define CLOCK_REALTIME	0
#define CLOCK_MONOTONIC	1
#define CLOCK_BOOTTIME	7
#define TFD_TIMER_ABSTIME 1

struct itimerspec_abi { struct timespec_abi interval, value; };

/* interrupt context */
static void timerfd_fired(struct timer *t)
{
	struct counter *c = container_of(t, struct counter, timer);
	u64 interval = READ_ONCE(c->interval_ns), n = 1, now = time_mono_ns();

	if (interval != 0) {
		n += now > t->when_ns ? (now - t->when_ns) / interval : 0;
		timer_start(t, t->when_ns + n * interval);
	}
	(void)counter_add(c, n);
	waitq_wake_all(&c->wait);
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct counter *c = f->private;

	poll_wait(pt, &c->wait);
	return READ_ONCE(c->count) != 0 ? POLLIN | POLLRDNORM : 0;
}

static void timerfd_release(struct file *f)
{
	struct counter *c = f->private;

	WRITE_ONCE(c->interval_ns, 0);
	timer_cancel_sync(&c->timer);
	kfree(c);
}

static const struct file_ops timerfd_ops = { .read = counter_read, .poll = timerfd_poll, .seek = anon_seek,
					     .release = timerfd_release };

s64 sys_timerfd_create(u64 clock, u64 flags, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct counter *c;
	struct file *f;

	if (flags & ~(u64)(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	if ((s32)clock != CLOCK_REALTIME && (s32)clock != CLOCK_MONOTONIC && (s32)clock != CLOCK_BOOTTIME)
		return -EINVAL;
	c = counter_alloc(0);
	if (c == NULL)
		return -ENOMEM;
	timer_init(&c->timer, timerfd_fired, NULL);
	c->clock = clock;
	f = anon_file(&timerfd_ops, c, O_RDWR | (flags & O_NONBLOCK));
	if (f == NULL) {
		kfree(c);
		return -ENOMEM;
	}
	return anon_install(f, flags & O_CLOEXEC);
}

static struct file *timerfd_get(u64 fd, s64 *error)
{
	struct file *f = fd_get(fd);

	*error = -EBADF;
	if (f != NULL && f->ops != &timerfd_ops) {
		*error = -EINVAL;
		file_put(f);
		f = NULL;
	}
	return f;
}

static struct itimerspec_abi timerfd_left(struct counter *c)
{
	u64 now = time_mono_ns(), when = timer_pending(&c->timer) ? c->timer.when_ns : 0, left = when > now ? when - now : when != 0;

	return (struct itimerspec_abi){ { c->interval_ns / NSEC_PER_SEC, c->interval_ns % NSEC_PER_SEC },
					{ left / NSEC_PER_SEC, left % NSEC_PER_SEC } };
}

s64 sys_timerfd_settime(u64 fd, u64 flags, u64 new, u64 old, u64 a4, u64 a5)
{
	struct itimerspec_abi was;
	u64 interval, value, now;
	struct counter *c;
	struct file *f;
	s64 rc;

	if (flags & ~3ULL)
		return -EINVAL;
	rc = timespec_from_user(new, &interval);
	if (rc == 0)
		rc = timespec_from_user(new + 16, &value);
	if (rc < 0)
		return rc;
	f = timerfd_get(fd, &rc);
	if (f == NULL)
		return rc;
	c = f->private;
	mutex_lock(&c->set_lock);
	was = timerfd_left(c);
	WRITE_ONCE(c->interval_ns, 0);
	timer_cancel_sync(&c->timer);
	while (counter_take(c) != 0)
		;
	if (value != 0) {
		now = time_mono_ns();
		if (!(flags & TFD_TIMER_ABSTIME))
			value += now;
		else if (c->clock == CLOCK_REALTIME)
			value = now + (value > time_wall_ns() ? value - time_wall_ns() : 0);
		WRITE_ONCE(c->interval_ns, interval);
		timer_start(&c->timer, value);
	}
	mutex_unlock(&c->set_lock);
	file_put(f);
	return old != 0 ? copy_to_user(old, &was, sizeof(was)) : 0;
}

s64 sys_timerfd_gettime(u64 fd, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct itimerspec_abi now;
	struct counter *c;
	struct file *f;
	s64 rc;

	f = timerfd_get(fd, &rc);
	if (f == NULL)
		return rc;
	c = f->private;
	mutex_lock(&c->set_lock);
	now = timerfd_left(c);
	mutex_unlock(&c->set_lock);
	file_put(f);
	return copy_to_user(user, &now, sizeof(now));
}
