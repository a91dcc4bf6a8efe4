/* SPDX-License-Identifier: MIT */
/* Files without a name, and eventfd(2). */
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/anon.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/fs/synthfs.h"
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

struct file *anon_get(u64 fd, const struct file_ops *ops, s64 *error)
{
	struct file *f = fd_get(fd);

	*error = -EBADF;
	if (f != NULL && f->ops != ops) {
		*error = -EINVAL;
		file_put(f);
		f = NULL;
	}
	return f;
}

/* --- eventfd --- */

#define EFD_SEMAPHORE	1
#define COUNT_MAX	(~0ULL - 1)

struct counter {
	struct spinlock lock;		/* RANK_LEAF */
	u64 count;			/* [lock] */
	bool semaphore;			/* [I] */
	struct waitq wait;
};

static struct counter *counter_alloc(u64 count)
{
	struct counter *c = kzalloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	spin_init(&c->lock, "eventfd", RANK_LEAF);
	waitq_init(&c->wait);
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

static s64 eventfd_read(struct file *f, void *buf, size_t len, u64 *pos)
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
	return (n != 0 ? POLLIN : 0) | (n < COUNT_MAX ? POLLOUT : 0);
}

static void eventfd_release(struct file *f)
{
	kfree(f->private);
}

static void eventfd_show(struct file *f, struct text *t)
{
	const struct counter *c = f->private;

	text_printf(t, "eventfd-count: %16llx\n", (unsigned long long)READ_ONCE(c->count));
}

static const struct file_ops eventfd_ops = { .kind = "[eventfd]", .show = eventfd_show, .read = eventfd_read, .write = eventfd_write, .poll = eventfd_poll, .seek = anon_seek,
					     .release = eventfd_release };

struct file *eventfd_get(u64 fd, s64 *error)
{
	return anon_get(fd, &eventfd_ops, error);
}

void eventfd_ring(struct file *f)
{
	struct counter *c = f->private;

	if (counter_add(c, 1))
		waitq_wake_all(&c->wait);
}

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
