/* SPDX-License-Identifier: MIT */
/*
 * epoll(7). An item is a descriptor's file with its events, registered on the file's wait queues. A wake-up there puts the
 * item on the ready list; epoll_wait() asks the file what is really ready, so an item on the list promises nothing.
 * Level-triggered items stay on the list while they are ready.
 *
 * items_lock (sleeps; all epolls) guards which items there are; ep->lock (sleeps) the walk over the ready ones; ready_lock the
 * list itself, taken by wake-ups. An item has no reference to its file: the file's last put removes it.
 *
 * An epoll may be in another, as long as that makes no circle: the locks and wait queues of those in it are taken after its own,
 * wake-ups go the other way.
 */
#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/anon.h"
#include "managers/processor/fs/epoll.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define EPOLLEXCLUSIVE	(1U << 28)
#define EPOLLWAKEUP	(1U << 29)
#define EPOLLONESHOT	(1U << 30)
#define EPOLLET		(1U << 31)
#define EPOLL_FLAGS	(EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET)
#define EXCLUSIVE_WITH	(EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLET | POLLIN | POLLOUT | POLLERR | POLLHUP)
#define MAX_QUEUES	2		/* no file names more */
#define MAX_NESTING	5		/* epolls in a row, each in the next */
#define BATCH		64

struct epoll_event_abi { u32 events; u64 data; } __packed;

struct epoll {
	struct mutex lock;
	struct spinlock ready_lock;	/* RANK_LEAF, interrupts off */
	struct list ready;		/* [ready_lock] */
	struct list items;		/* [items_lock] */
	struct waitq wait;
	struct file *file;		/* [I] its own */
};

struct epitem {
	struct epoll *ep;		/* [I] */
	struct file *file;		/* [I] without a reference */
	int fd;				/* [I] */
	struct list link;		/* [items_lock] of ep */
	struct list file_link;		/* [items_lock] of file */
	struct list ready_link;		/* [ready_lock] */
	u32 events;			/* [ep->lock] EPOLLONESHOT takes them away */
	u64 data;			/* [ep->lock] */
	struct poll_table pt;
	unsigned nr_queues;		/* [I once added] */
	struct { struct waiter waiter; struct waitq *queue; struct epitem *item; u32 events; } on[MAX_QUEUES];
};

static DEFINE_MUTEX(items_lock, RANK_INODE);

static void item_ready(struct epitem *it)
{
	u64 flags = spin_lock_irqsave(&it->ep->ready_lock);

	if (!list_linked(&it->ready_link))
		list_add_tail(&it->ep->ready, &it->ready_link);
	spin_unlock_irqrestore(&it->ep->ready_lock, flags);
}

/* from the file's wait queue */
static void item_called(struct waiter *w)
{
	__typeof__(&((struct epitem *)0)->on[0]) on = (void *)w;
	struct epitem *it = on->item;
	u32 wanted = READ_ONCE(it->events) & ~(EPOLL_FLAGS | POLLERR | POLLHUP);

	if (wanted != 0 && !(wanted & on->events))
		return;
	item_ready(it);
	waitq_wake_nested(&it->ep->wait);
}

static void item_add_queue(struct poll_table *pt, struct waitq *q, u32 events)
{
	struct epitem *it = container_of(pt, struct epitem, pt);
	unsigned n = it->nr_queues;

	if (n == MAX_QUEUES)
		return;
	it->nr_queues++;
	it->on[n].waiter.called = item_called;
	it->on[n].queue = q;
	it->on[n].item = it;
	it->on[n].events = events;
	waitq_add(q, &it->on[n].waiter);
}

/* items_lock and ep->lock held */
static void item_remove(struct epitem *it)
{
	u64 flags;

	for (unsigned i = 0; i < it->nr_queues; i++)
		waitq_remove(it->on[i].queue, &it->on[i].waiter);
	flags = spin_lock_irqsave(&it->ep->ready_lock);
	list_del(&it->ready_link);
	spin_unlock_irqrestore(&it->ep->ready_lock, flags);
	list_del(&it->link);
	list_del(&it->file_link);
	kfree(it);
}

void epoll_file_gone(struct file *f)
{
	struct epitem *it, *tmp;

	mutex_lock(&items_lock);
	list_for_each_safe(it, tmp, &f->epolls, file_link) {
		struct epoll *ep = it->ep;

		mutex_lock(&ep->lock);
		item_remove(it);
		mutex_unlock(&ep->lock);
	}
	mutex_unlock(&items_lock);
}

/* --- what is really ready --- */

static struct epitem *ready_take(struct epoll *ep)
{
	u64 flags = spin_lock_irqsave(&ep->ready_lock);
	struct epitem *it = list_first(&ep->ready, struct epitem, ready_link);

	if (it != NULL)
		list_del(&it->ready_link);
	spin_unlock_irqrestore(&ep->ready_lock, flags);
	return it;
}

static void ready_put_back(struct epoll *ep, struct epitem *it)
{
	u64 flags = spin_lock_irqsave(&ep->ready_lock);

	if (!list_linked(&it->ready_link))
		list_add_head(&ep->ready, &it->ready_link);
	spin_unlock_irqrestore(&ep->ready_lock, flags);
}

static u32 item_events(struct epitem *it)
{
	return it->events & ~EPOLL_FLAGS ? file_poll(it->file, NULL) & (it->events | POLLERR | POLLHUP) : 0;
}

/* Takes what is not ready any more off the list. */
static bool any_ready(struct epoll *ep)
{
	struct epitem *it;

	while ((it = ready_take(ep)) != NULL) {
		if (item_events(it) != 0) {
			ready_put_back(ep, it);
			return true;
		}
	}
	return false;
}

/* --- the epoll's own file --- */

static u32 epoll_poll(struct file *f, struct poll_table *pt)
{
	struct epoll *ep = f->private;
	bool ready;

	poll_wait(pt, &ep->wait);
	if (list_empty(&ep->ready))
		return 0;
	mutex_lock_nested(&ep->lock);		/* of those that it is in, some may be held */
	ready = any_ready(ep);
	mutex_unlock(&ep->lock);
	return ready ? POLLIN | POLLRDNORM : 0;
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = f->private;
	struct epitem *it, *tmp;

	mutex_lock(&items_lock);
	mutex_lock(&ep->lock);
	list_for_each_safe(it, tmp, &ep->items, link)
		item_remove(it);
	mutex_unlock(&ep->lock);
	mutex_unlock(&items_lock);
	kfree(ep);
}

static const struct file_ops epoll_ops = { .kind = "[eventpoll]", .poll = epoll_poll, .seek = anon_seek, .release = epoll_release };

s64 sys_epoll_create1(u64 flags, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct epoll *ep;
	struct file *f;

	if (flags & ~(u64)O_CLOEXEC)
		return -EINVAL;
	ep = kzalloc(sizeof(*ep));
	if (ep == NULL)
		return -ENOMEM;
	mutex_init(&ep->lock, "epoll", RANK_FILE);
	spin_init(&ep->ready_lock, "epoll ready", RANK_LEAF);
	list_init(&ep->ready);
	list_init(&ep->items);
	waitq_init(&ep->wait);
	f = anon_file(&epoll_ops, ep, O_RDWR);
	if (f == NULL) {
		kfree(ep);
		return -ENOMEM;
	}
	ep->file = f;
	return anon_install(f, flags & O_CLOEXEC);
}

s64 sys_epoll_create(u64 size, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return (s32)size <= 0 ? -EINVAL : sys_epoll_create1(0, 0, 0, 0, 0, 0);
}

/* --- epoll_ctl --- */

static struct epitem *item_find(struct epoll *ep, const struct file *f, int fd)
{
	struct epitem *it;

	list_for_each(it, &ep->items, link)
		if (it->file == f && it->fd == fd)
			return it;
	return NULL;
}

/* What is ready already is told, too. */
static void item_check(struct epitem *it, struct poll_table *pt)
{
	if (file_poll(it->file, pt) & (it->events | POLLERR | POLLHUP)) {
		item_ready(it);
		waitq_wake_all(&it->ep->wait);
	}
}

/* How many epolls stand in a row from this one down, itself included; more than `most`, or `other` among them: `most` + 1. */
static unsigned nesting_below(const struct epoll *ep, const struct epoll *other, unsigned most)
{
	const struct epitem *it;
	unsigned deepest = 0;

	if (ep == other || most == 0)
		return most + 1;
	list_for_each(it, &ep->items, link)
		if (it->file->ops == &epoll_ops)
			deepest = MAX(deepest, nesting_below(it->file->private, other, most - 1));
	return 1 + deepest;
}

/* ... and from this one up; more than `most`: `most` + 1 */
static unsigned nesting_above(const struct epoll *ep, unsigned most)
{
	const struct epitem *it;
	unsigned highest = 0;

	if (most == 0)
		return 1;
	list_for_each(it, &ep->file->epolls, file_link)
		highest = MAX(highest, nesting_above(it->ep, most - 1));
	return 1 + highest;
}

static bool may_nest(const struct epoll *outer, const struct epoll *inner)
{
	unsigned above = nesting_above(outer, MAX_NESTING);

	return above < MAX_NESTING && above + nesting_below(inner, outer, MAX_NESTING - above) <= MAX_NESTING;
}

static int item_add(struct epoll *ep, struct file *f, int fd, const struct epoll_event_abi *ev)
{
	struct epitem *it;

	if (f->ops == &epoll_ops && !may_nest(ep, f->private))
		return -ELOOP;
	it = kzalloc(sizeof(*it));
	if (it == NULL)
		return -ENOMEM;
	it->ep = ep;
	it->file = f;
	it->fd = fd;
	it->events = ev->events | POLLERR | POLLHUP;		/* always told, asked for or not */
	it->data = ev->data;
	it->pt.add = item_add_queue;
	list_init(&it->ready_link);
	list_init(&it->file_link);
	list_add_tail(&ep->items, &it->link);
	list_add_tail(&f->epolls, &it->file_link);
	item_check(it, &it->pt);
	return 0;
}

static int epoll_change(struct epoll *ep, int op, struct file *f, int fd, const struct epoll_event_abi *ev)
{
	struct epitem *it = item_find(ep, f, fd);

	switch (op) {
	case 1:						/* EPOLL_CTL_ADD */
		return it != NULL ? -EEXIST : item_add(ep, f, fd, ev);
	case 2:						/* EPOLL_CTL_DEL */
		if (it == NULL)
			return -ENOENT;
		item_remove(it);
		return 0;
	case 3:						/* EPOLL_CTL_MOD */
		if (it == NULL)
			return -ENOENT;
		if (it->events & EPOLLEXCLUSIVE)
			return -EINVAL;
		it->events = ev->events | POLLERR | POLLHUP;
		it->data = ev->data;
		item_check(it, NULL);
		return 0;
	}
	return -EINVAL;
}

static bool may_be_exclusive(int op, const struct file *f, u32 events)
{
	return op == 1 && f->ops != &epoll_ops && !(events & ~EXCLUSIVE_WITH);
}

s64 sys_epoll_ctl(u64 epfd, u64 op, u64 fd, u64 user, u64 a4, u64 a5)
{
	struct epoll_event_abi ev = { 0 };
	struct file *e, *f;
	s64 rc;

	if ((int)op != 2 && copy_from_user(&ev, user, sizeof(ev)) < 0)
		return -EFAULT;
	e = fd_get(epfd);
	f = fd_get(fd);
	if (e == NULL || f == NULL) {
		rc = -EBADF;
	} else if (f->ops == NULL || f->ops->poll == NULL) {
		rc = -EPERM;
	} else if (e->ops != &epoll_ops || e == f || ((ev.events & EPOLLEXCLUSIVE) && !may_be_exclusive(op, f, ev.events))) {
		rc = -EINVAL;
	} else {
		struct epoll *ep = e->private;

		mutex_lock(&items_lock);
		mutex_lock(&ep->lock);
		rc = epoll_change(ep, op, f, fd, &ev);
		mutex_unlock(&ep->lock);
		mutex_unlock(&items_lock);
	}
	if (e != NULL)
		file_put(e);
	if (f != NULL)
		file_put(f);
	return rc;
}

/* --- epoll_wait --- */

static unsigned ready_count(struct epoll *ep)
{
	u64 flags = spin_lock_irqsave(&ep->ready_lock);
	struct epitem *it;
	unsigned n = 0;

	list_for_each(it, &ep->ready, ready_link)
		n++;
	spin_unlock_irqrestore(&ep->ready_lock, flags);
	return n;
}

/* Up to max events. Each item is looked at once: those that stay ready go to the end. */
static unsigned collect(struct epoll *ep, struct epoll_event_abi *out, unsigned max)
{
	unsigned n = 0, left;

	mutex_lock(&ep->lock);
	for (left = ready_count(ep); left > 0 && n < max; left--) {
		struct epitem *it = ready_take(ep);
		u32 events;

		if (it == NULL)
			break;
		events = item_events(it);
		if (events == 0)
			continue;
		out[n++] = (struct epoll_event_abi){ events, it->data };
		if (it->events & EPOLLONESHOT)
			it->events &= EPOLL_FLAGS;
		else if (!(it->events & EPOLLET))
			item_ready(it);
	}
	mutex_unlock(&ep->lock);
	return n;
}

static s64 epoll_wait_until(struct epoll *ep, u64 user, unsigned max, u64 deadline)
{
	struct epoll_event_abi ev[BATCH];
	unsigned n;
	int rc = 0;

	for (;;) {
		n = collect(ep, ev, MIN(max, (unsigned)BATCH));
		if (n != 0)
			return copy_to_user(user, ev, n * sizeof(ev[0])) < 0 ? -EFAULT : (s64)n;
		if (deadline == POLL_NOW || rc == -ETIMEDOUT)
			return 0;
		if (rc < 0)
			return rc;
		rc = waitq_wait_intr(&ep->wait, !list_empty(&ep->ready), deadline);
	}
}

static s64 epoll_wait_fd(u64 epfd, u64 user, u64 max, u64 deadline)
{
	struct file *e = fd_get(epfd);
	s64 rc;

	if (e == NULL)
		return -EBADF;
	if (e->ops != &epoll_ops || (s32)max <= 0 || (u32)max > 0x7fffffff / sizeof(struct epoll_event_abi))
		rc = -EINVAL;
	else if (!user_range_ok(user, (u64)(u32)max * sizeof(struct epoll_event_abi)))
		rc = -EFAULT;
	else
		rc = epoll_wait_until(e->private, user, max, deadline);
	file_put(e);
	return rc;
}

s64 sys_epoll_pwait(u64 epfd, u64 user, u64 max, u64 timeout, u64 mask, u64 size)
{
	s32 ms = timeout;
	u64 deadline = ms < 0 ? 0 : ms == 0 ? POLL_NOW : time_mono_ns() + ms * NSEC_PER_MSEC;
	int entered = sigmask_enter(mask, size);

	if (entered < 0)
		return entered;
	return sigmask_leave(entered, epoll_wait_fd(epfd, user, max, deadline));
}

s64 sys_epoll_wait(u64 epfd, u64 user, u64 max, u64 timeout, u64 a4, u64 a5)
{
	return sys_epoll_pwait(epfd, user, max, timeout, 0, 8);
}

s64 sys_epoll_pwait2(u64 epfd, u64 user, u64 max, u64 timeout, u64 mask, u64 size)
{
	u64 ns, deadline = 0;
	int rc, entered;

	if (timeout != 0) {
		rc = timespec_from_user(timeout, &ns);
		if (rc < 0)
			return rc;
		deadline = ns == 0 ? POLL_NOW : time_mono_ns() + ns;
	}
	entered = sigmask_enter(mask, size);
	if (entered < 0)
		return entered;
	return sigmask_leave(entered, epoll_wait_fd(epfd, user, max, deadline));
}
