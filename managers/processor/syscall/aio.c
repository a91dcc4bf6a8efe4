/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing that is asked for now and told of later: io_setup(2), io_submit(2), io_getevents(2). What is asked for is done by
 * the time io_submit() returns, as the man page allows; the outcome waits in the context until it is fetched.
 *
 * A context is known by an address: a page of the program's memory whose mapping's file has it. So it goes with the mapping, at
 * io_destroy(), exec and exit, and a fork's child, whose memory is another's, has none.
 */
#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/anon.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define MAP_SHARED	1

enum { IOCB_PREAD, IOCB_PWRITE, IOCB_FSYNC, IOCB_FDSYNC, IOCB_PREADV = 7, IOCB_PWRITEV };
#define IOCB_RESFD	1
#define IOCB_IOPRIO	2

struct iocb_abi {
	u64 data;
	u32 key, rw_flags;
	u16 opcode;
	s16 priority;
	u32 fd;
	u64 buf, len;
	s64 offset;
	u64 reserved;
	u32 flags, event_fd;
};
struct io_event_abi { u64 data, iocb; s64 res, res2; };
_Static_assert(sizeof(struct iocb_abi) == 64 && sizeof(struct io_event_abi) == 32, "as programs see it");

struct event { struct list link; struct io_event_abi e; };

struct aio {
	const struct space *space;	/* [I] whose it is: to be compared alone */
	u32 room;			/* [I] */
	struct spinlock lock;		/* RANK_LEAF */
	struct list events;		/* [lock] oldest first */
	u32 nr;				/* [lock] of them, those being carried out counted already */
	u32 ready;			/* [lock] those in the list */
	atomic_t destroyed;
	struct waitq wait;
};

static atomic64_t promised = ATOMIC_INIT(0);	/* rooms of all contexts */

u64 aio_promised(void)
{
	return atomic_read(&promised);
}

static void aio_release(struct file *f)
{
	struct aio *a = f->private;

	while (!list_empty(&a->events)) {
		struct event *e = list_first(&a->events, struct event, link);

		list_del(&e->link);
		kfree(e);
	}
	atomic_sub(&promised, a->room);
	kfree(a);
}

static const struct file_ops aio_ops = { .kind = "[aio]", .release = aio_release };

/* --- contexts --- */

static int aio_create(u32 room, struct file **out)
{
	struct aio *a = kzalloc(sizeof(*a));
	struct inode *i;
	int rc;

	if (a == NULL)
		return -ENOMEM;
	a->space = task_current()->space;
	a->room = room;
	spin_init(&a->lock, "aio", RANK_LEAF);
	list_init(&a->events);
	waitq_init(&a->wait);
	if ((u64)atomic_add_return(&promised, room) > AIO_EVENTS_MOST) {
		rc = -EAGAIN;
		goto free_context;
	}
	rc = nameless_file("[aio]", 0600, PAGE_SIZE, &i);
	if (rc < 0)
		goto free_context;
	rc = fs_open_inode(i, NULL, O_RDWR, out);
	inode_put(i);
	if (rc < 0)
		goto free_context;
	(*out)->private = a;
	(*out)->ops = &aio_ops;
	return 0;

free_context:
	atomic_sub(&promised, room);
	kfree(a);
	return rc;
}

struct look { u64 addr; struct file *file; };

static void look_for_context(const struct vma *v, void *arg)
{
	struct file *f = v->file;
	struct look *l = arg;

	if (l->file == NULL && v->start == l->addr && f != NULL && f->ops == &aio_ops && v->index == 0)
		file_get(l->file = f);
}

/* The context that is known by this address, in its file with a reference; NULL: there is none. */
static struct file *aio_get(u64 addr, struct aio **out)
{
	struct look l = { .addr = addr };

	space_for_each_vma(task_current()->space, look_for_context, &l);
	if (l.file == NULL)
		return NULL;
	*out = l.file->private;
	if ((*out)->space == task_current()->space && !atomic_read(&(*out)->destroyed))
		return l.file;
	file_put(l.file);
	return NULL;
}

s64 sys_io_setup(u64 nr, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct space *s = task_current()->space;
	struct file *f;
	u64 old;
	s64 at;
	int rc;

	if (get_user64(&old, user) < 0)
		return -EFAULT;
	if (old != 0 || (u32)nr == 0 || (u32)nr > 0x10000000)
		return -EINVAL;
	if ((u32)nr > AIO_EVENTS_MOST)
		return -EAGAIN;
	rc = aio_create(nr, &f);
	if (rc < 0)
		return rc;
	at = space_mmap(s, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	file_put(f);
	if (at < 0)
		return at;
	if (put_user64(user, at) < 0) {
		rc = space_munmap(s, at, PAGE_SIZE);
		return -EFAULT;
	}
	return 0;
}

s64 sys_io_destroy(u64 ctx, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct aio *a;
	struct file *f = aio_get(ctx, &a);
	s64 rc;

	if (f == NULL)
		return -EINVAL;
	if (atomic_xchg(&a->destroyed, 1) != 0) {
		file_put(f);
		return -EINVAL;			/* another thread was first */
	}
	waitq_wake_all(&a->wait);
	rc = space_munmap(task_current()->space, ctx, PAGE_SIZE);
	file_put(f);
	return rc;
}

/* --- io_submit(2) --- */

static s64 transfer(struct file *f, const struct iocb_abi *io)
{
	bool vector = io->opcode == IOCB_PREADV || io->opcode == IOCB_PWRITEV;
	struct iovec_abi fast[FAST_IOV], *vec = fast;
	size_t total = io->len;
	u64 nr = 1;
	s64 n = 0;

	if (vector) {
		nr = io->len;
		n = vec_get(io->buf, nr, -EINVAL, fast, &vec, &total);
		if (n < 0)
			return n;
	} else {
		fast[0] = (struct iovec_abi){ io->buf, io->len };
	}
	n = file_vector_at(f, vec, nr, total, io->opcode == IOCB_PWRITE || io->opcode == IOCB_PWRITEV, io->offset, io->rw_flags);
	if (vector)
		vec_put(vec, fast);
	return n == -ERESTARTSYS ? -EINTR : n;
}

/* What is wrong with the request itself is told at once; what comes of it is its event's. *res: that */
static int carry_out(const struct iocb_abi *io, struct file *f, s64 *res)
{
	bool write = io->opcode == IOCB_PWRITE || io->opcode == IOCB_PWRITEV;

	switch (io->opcode) {
	case IOCB_PREAD:
	case IOCB_PREADV:
	case IOCB_PWRITE:
	case IOCB_PWRITEV:
		if (io->rw_flags & ~31U)
			return -EOPNOTSUPP;
		if (f->ops == NULL || !(file_access(f) & (write ? MAY_WRITE : MAY_READ)))
			return -EBADF;
		if ((write ? (void *)f->ops->write : (void *)f->ops->read) == NULL)
			return -EINVAL;
		if ((io->opcode == IOCB_PREADV || io->opcode == IOCB_PWRITEV ? io->len > IOV_MAX : !user_range_ok(io->buf, io->len)))
			return io->opcode == IOCB_PREADV || io->opcode == IOCB_PWRITEV ? -EINVAL : -EFAULT;
		if (io->offset < 0)
			return -EINVAL;
		*res = transfer(f, io);
		return 0;
	case IOCB_FSYNC:
	case IOCB_FDSYNC:
		if (io->buf != 0 || io->offset != 0 || io->len != 0 || io->rw_flags != 0 || f->object == NULL)
			return -EINVAL;
		*res = object_sync(f->object, true);
		return 0;
	}
	return -EINVAL;
}

static bool room_take(struct aio *a)
{
	bool some;

	spin_lock(&a->lock);
	some = a->nr < a->room;
	a->nr += some;
	spin_unlock(&a->lock);
	return some;
}

static void room_give(struct aio *a)
{
	spin_lock(&a->lock);
	a->nr--;
	spin_unlock(&a->lock);
}

static void done(struct aio *a, struct event *e)
{
	spin_lock(&a->lock);
	list_add_tail(&a->events, &e->link);
	a->ready++;
	spin_unlock(&a->lock);
	waitq_wake_all(&a->wait);
}

static int submit_to(struct aio *a, u64 user, const struct iocb_abi *io, struct event *e)
{
	struct file *f = fd_get(io->fd), *bell = NULL;
	s64 none;
	int rc = 0;

	if (f == NULL)
		return -EBADF;
	if (io->flags & IOCB_RESFD) {
		bell = eventfd_get(io->event_fd, &none);
		rc = bell == NULL ? (int)none : 0;
	}
	if (rc == 0 && put_user32(user + offsetof(struct iocb_abi, key), 0) < 0)
		rc = -EFAULT;
	if (rc == 0)
		rc = carry_out(io, f, &e->e.res);
	if (rc == 0) {
		e->e.data = io->data;
		e->e.iocb = user;
		done(a, e);
		if (bell != NULL)
			eventfd_ring(bell);
	}
	if (bell != NULL)
		file_put(bell);
	file_put(f);
	return rc;
}

static int submit_one(struct aio *a, u64 user)
{
	struct iocb_abi io;
	struct event *e;
	int rc;

	if (copy_from_user(&io, user, sizeof(io)) < 0)
		return -EFAULT;
	if (io.reserved != 0 || (s64)io.len < 0 || (io.flags & ~(IOCB_RESFD | IOCB_IOPRIO)))
		return -EINVAL;
	e = kzalloc(sizeof(*e));
	if (e == NULL || !room_take(a)) {
		kfree(e);
		return -EAGAIN;
	}
	rc = submit_to(a, user, &io, e);
	if (rc < 0) {
		room_give(a);
		kfree(e);
	}
	return rc;
}

s64 sys_io_submit(u64 ctx, u64 nr, u64 user, u64 a3, u64 a4, u64 a5)
{
	struct file *f;
	struct aio *a;
	s64 rc = 0, n;

	if ((s64)nr < 0)
		return -EINVAL;
	f = aio_get(ctx, &a);
	if (f == NULL)
		return -EINVAL;
	nr = MIN(nr, (u64)a->room);
	for (n = 0; n < (s64)nr; n++) {
		u64 one;

		rc = get_user64(&one, user + n * sizeof(one)) < 0 ? -EFAULT : submit_one(a, one);
		if (rc < 0)
			break;
	}
	file_put(f);
	return n != 0 ? n : rc;
}

/* Nothing is under way when anybody can ask. */
s64 sys_io_cancel(u64 ctx, u64 iocb, u64 result, u64 a3, u64 a4, u64 a5)
{
	u32 key;

	return get_user32(&key, iocb + offsetof(struct iocb_abi, key)) < 0 ? -EFAULT : -EINVAL;
}

/* --- io_getevents(2) --- */

static struct event *event_take(struct aio *a)
{
	struct event *e = NULL;

	spin_lock(&a->lock);
	if (!list_empty(&a->events)) {
		e = list_first(&a->events, struct event, link);
		list_del(&e->link);
		a->ready--;
		a->nr--;
	}
	spin_unlock(&a->lock);
	return e;
}

/* deadline 0: none */
static s64 fetch(struct aio *a, s64 least, s64 most, u64 user, bool wait, u64 deadline)
{
	s64 n = 0;
	int rc = 0;

	while (n < most) {
		struct event *e = event_take(a);

		if (e != NULL) {
			rc = copy_to_user(user + n * sizeof(e->e), &e->e, sizeof(e->e));
			kfree(e);
			if (rc < 0)
				break;
			n++;
			continue;
		}
		if (n >= least || !wait)
			break;
		rc = waitq_wait_intr(&a->wait, READ_ONCE(a->ready) != 0 || atomic_read(&a->destroyed), deadline);
		if (rc < 0 || atomic_read(&a->destroyed))
			break;
	}
	return n != 0 ? n : rc == -ETIMEDOUT ? 0 : rc == -ERESTARTSYS ? -EINTR : rc;
}

s64 sys_io_getevents(u64 ctx, u64 least, u64 most, u64 user, u64 timeout, u64 a5)
{
	u64 ns = 0;
	struct file *f;
	struct aio *a;
	s64 rc = timeout != 0 ? timespec_from_user(timeout, &ns) : 0;

	if (rc < 0)
		return rc;
	f = aio_get(ctx, &a);
	if (f == NULL)
		return -EINVAL;
	if ((s64)least < 0 || (s64)most < 0 || (s64)least > (s64)most)
		rc = -EINVAL;
	else
		rc = fetch(a, least, most, user, timeout == 0 || ns != 0, ns != 0 ? time_mono_ns() + ns : 0);
	file_put(f);
	return rc;
}

s64 sys_io_pgetevents(u64 ctx, u64 least, u64 most, u64 user, u64 timeout, u64 mask)
{
	struct { u64 set, size; } m = { 0, 0 };
	int entered;

	if (mask != 0 && copy_from_user(&m, mask, sizeof(m)) < 0)
		return -EFAULT;
	entered = sigmask_enter(m.set, m.size);
	if (entered < 0)
		return entered;
	return sigmask_leave(entered, sys_io_getevents(ctx, least, most, user, timeout, 0));
}
