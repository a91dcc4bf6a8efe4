/* SPDX-License-Identifier: MIT */
/*
 * Pipes and fifos (pipe(7)): 64 KiB; writes of up to PIPE_BUF bytes are not divided. One mutex a pipe; readers and writers
 * sleep on its two wait queues.
 */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

#define PIPE_SIZE	65536
#define PIPE_BUF	4096

struct pipe {
	refcount_t refs;
	struct mutex lock;
	u32 head, used;			/* [lock] */
	unsigned readers, writers;	/* [lock] open ends */
	bool had_writer;		/* [lock] a fifo's reader waits for the first writer */
	struct waitq read_wait, write_wait;
	u8 *data;			/* [lock] */
};

static struct pipe *pipe_alloc(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->data = kmalloc(PIPE_SIZE);
	if (p->data == NULL) {
		kfree(p);
		return NULL;
	}
	ref_init(&p->refs, 1);
	mutex_init(&p->lock, "pipe", RANK_PIPE);
	waitq_init(&p->read_wait);
	waitq_init(&p->write_wait);
	return p;
}

static void pipe_put(struct pipe *p)
{
	if (!ref_put(&p->refs))
		return;
	kfree(p->data);
	kfree(p);
}

static s64 pipe_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	struct pipe *p = f->private;
	u8 *out = buf;
	size_t n = 0;

	if (len == 0)
		return 0;
	for (;;) {
		mutex_lock(&p->lock);
		n = MIN(len, (size_t)p->used);
		if (n != 0 || p->writers == 0)
			break;
		mutex_unlock(&p->lock);
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return -EAGAIN;
		if (waitq_wait_intr(&p->read_wait, READ_ONCE(p->used) != 0 || READ_ONCE(p->writers) == 0, 0) < 0)
			return -ERESTARTSYS;
	}
	for (size_t left = n; left != 0;) {
		size_t part = MIN(left, (size_t)(PIPE_SIZE - p->head));

		memcpy(out, p->data + p->head, part);
		p->head = (p->head + part) % PIPE_SIZE;
		out += part;
		left -= part;
	}
	p->used -= n;
	mutex_unlock(&p->lock);
	if (n != 0)
		waitq_wake_all(&p->write_wait);
	return n;
}

static void pipe_put_bytes(struct pipe *p, const u8 *in, size_t n)
{
	while (n != 0) {
		u32 tail = (p->head + p->used) % PIPE_SIZE;
		size_t part = MIN(n, (size_t)(PIPE_SIZE - tail));

		memcpy(p->data + tail, in, part);
		p->used += part;
		in += part;
		n -= part;
	}
}

static s64 pipe_write(struct file *f, const void *buf, size_t len, u64 *pos)
{
	struct pipe *p = f->private;
	size_t need = len <= PIPE_BUF ? len : 1, done = 0;

	while (done < len) {
		size_t n;

		mutex_lock(&p->lock);
		if (p->readers == 0) {
			mutex_unlock(&p->lock);
			if (done == 0)
				signal_pipe();
			return done ? (s64)done : -EPIPE;
		}
		n = PIPE_SIZE - p->used >= need ? MIN(len - done, (size_t)(PIPE_SIZE - p->used)) : 0;
		pipe_put_bytes(p, (const u8 *)buf + done, n);
		mutex_unlock(&p->lock);
		done += n;
		if (n != 0)
			waitq_wake_all(&p->read_wait);
		if (done == len)
			break;
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return done ? (s64)done : -EAGAIN;
		if (waitq_wait_intr(&p->write_wait, PIPE_SIZE - READ_ONCE(p->used) >= need || READ_ONCE(p->readers) == 0, 0) < 0)
			return done ? (s64)done : -ERESTARTSYS;
	}
	return done;
}

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->private;
	u32 access = file_access(f), events = 0;

	if (access & MAY_READ)
		poll_wait(pt, &p->read_wait);
	if (access & MAY_WRITE)
		poll_wait(pt, &p->write_wait);
	mutex_lock(&p->lock);
	if (access & MAY_READ) {
		if (p->used != 0)
			events |= POLLIN | POLLRDNORM;
		if (p->writers == 0 && p->had_writer)
			events |= POLLHUP;
	}
	if (access & MAY_WRITE) {
		if (p->readers == 0)
			events |= POLLERR;
		else if (PIPE_SIZE - p->used >= PIPE_BUF)
			events |= POLLOUT | POLLWRNORM;
	}
	mutex_unlock(&p->lock);
	return events;
}

static s64 pipe_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct pipe *p = f->private;

	return cmd == FIONREAD ? put_user32(arg, READ_ONCE(p->used)) : -ENOTTY;
}

static s64 pipe_seek(struct file *f, s64 off, int whence)
{
	return -ESPIPE;
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->private;
	u32 access = file_access(f);

	mutex_lock(&p->lock);
	if (access & MAY_READ)
		p->readers--;
	if (access & MAY_WRITE)
		p->writers--;
	mutex_unlock(&p->lock);
	waitq_wake_all(&p->read_wait);
	waitq_wake_all(&p->write_wait);
	pipe_put(p);
}

static const struct file_ops pipe_ops = { .read = pipe_read, .write = pipe_write, .poll = pipe_poll, .ioctl = pipe_ioctl,
					  .seek = pipe_seek, .release = pipe_release };

static int pipe_getattr(struct inode *i, struct attr *a)
{
	a->mode = S_IFIFO | 0600;
	a->nlink = 1;
	a->blksize = 4096;
	a->ino = (u64)(uintptr_t)i >> 6 & 0xffffffff;
	a->dev = 0xc;
	return 0;
}
static const struct inode_ops pipe_inode_ops = { .getattr = pipe_getattr };

/* The end of p that flags say; takes no reference of the caller's. */
static void pipe_attach(struct pipe *p, struct file *f)
{
	u32 access = file_access(f);

	ref_get(&p->refs);
	f->ops = &pipe_ops;
	f->private = p;
	mutex_lock(&p->lock);
	if (access & MAY_READ)
		p->readers++;
	if (access & MAY_WRITE) {
		p->writers++;
		p->had_writer = true;
	}
	mutex_unlock(&p->lock);
}

static struct file *pipe_end(struct pipe *p, u32 flags)
{
	struct file *f = file_alloc(NULL, flags);

	if (f == NULL)
		return NULL;
	f->inode = inode_alloc(&pipe_inode_ops, S_IFIFO | 0600);
	if (f->inode == NULL) {
		file_put(f);
		return NULL;
	}
	pipe_attach(p, f);
	return f;
}

int pipe_create(struct file **r, struct file **w, u32 flags)
{
	struct pipe *p = pipe_alloc();

	if (p == NULL)
		return -ENOMEM;
	*r = pipe_end(p, O_RDONLY | (flags & O_NONBLOCK));
	*w = pipe_end(p, O_WRONLY | (flags & O_NONBLOCK));
	pipe_put(p);
	if (*r != NULL && *w != NULL)
		return 0;
	if (*r != NULL)
		file_put(*r);
	if (*w != NULL)
		file_put(*w);
	return -ENOMEM;
}
