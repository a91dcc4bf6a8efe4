/* SPDX-License-Identifier: MIT */
/* Character devices by number (null, zero, full, random, urandom, terminals), and console ports as descriptors. */
#include "arch/x86/uaccess.h"
#include "drivers/console.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/random.h"
#include "managers/processor/tty/tty.h"

#define RNDGETENTCNT	0x80045200	/* random(4) */

static s64 null_read(struct file *f, void *buf, size_t len, u64 *pos) { return 0; }
static s64 null_write(struct file *f, const void *buf, size_t len, u64 *pos) { return len; }
static s64 full_write(struct file *f, const void *buf, size_t len, u64 *pos) { return -ENOSPC; }
static s64 device_seek(struct file *f, s64 off, int whence) { return 0; }

static s64 zero_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	memset(buf, 0, len);
	return len;
}

static s64 random_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	random_bytes(buf, len);
	return len;
}

static s64 random_ioctl(struct file *f, u32 cmd, u64 arg) { return cmd == RNDGETENTCNT ? put_user32(arg, RANDOM_BITS) : -ENOTTY; }

static u32 always_ready(struct file *f, struct poll_table *pt)
{
	return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

static const struct file_ops null_ops = { .never_waits = true, .read = null_read, .write = null_write, .seek = device_seek };
static const struct file_ops zero_ops = { .never_waits = true, .read = zero_read, .write = null_write, .seek = device_seek, .maps_zeros = true };
static const struct file_ops full_ops = { .never_waits = true, .read = zero_read, .write = full_write, .seek = device_seek };
static const struct file_ops random_ops = { .never_waits = true, .read = random_read, .write = null_write, .seek = device_seek, .poll = always_ready, .ioctl = random_ioctl };
static const struct file_ops urandom_ops = { .never_waits = true, .read = random_read, .write = null_write, .seek = device_seek, .ioctl = random_ioctl };

#define DEV(major, minor) ((u32)(major) << 8 | (minor))

int device_open(u32 rdev, struct file *f)
{
	switch (rdev) {
	case DEV(1, 3): f->ops = &null_ops; return 0;
	case DEV(1, 5): f->ops = &zero_ops; return 0;
	case DEV(1, 7): f->ops = &full_ops; return 0;
	case DEV(1, 8): f->ops = &random_ops; return 0;
	case DEV(1, 9): f->ops = &urandom_ops; return 0;
	}
	return tty_open(rdev, f);
}

/* --- console ports --- */

static s64 console_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	s64 n = console_port_read(f->private, buf, len, READ_ONCE(f->flags) & O_NONBLOCK);

	return n == -EINTR ? -ERESTARTSYS : n;
}

static s64 console_write(struct file *f, const void *buf, size_t len, u64 *pos)
{
	s64 n = console_port_write(f->private, buf, len);

	return n == -EINTR ? -ERESTARTSYS : n;
}

static u32 console_poll(struct file *f, struct poll_table *pt)
{
	struct console_port *p = f->private;

	poll_wait(pt, console_port_waitq(p));
	return (console_port_readable(p) ? POLLIN | POLLRDNORM : 0) | POLLOUT | POLLWRNORM;
}

static s64 console_seek(struct file *f, s64 off, int whence)
{
	return -ESPIPE;
}

static const struct file_ops console_ops = { .read = console_read, .write = console_write, .poll = console_poll,
					     .seek = console_seek };

/* What fstat() says of such a descriptor: a pipe, since there is no terminal behind it. */
static int console_getattr(struct inode *i, struct attr *a)
{
	a->mode = S_IFIFO | 0600;
	a->nlink = 1;
	a->blksize = 4096;
	a->ino = i->ino;
	a->dev = 0xd;
	return 0;
}
static int console_reopen(struct inode *i, struct file *f)
{
	f->ops = &console_ops;
	f->private = i->private;
	return 0;
}

static const struct inode_ops console_inode_ops = { .getattr = console_getattr, .open = console_reopen };

struct file *console_file(const char *port, u32 flags)
{
	struct console_port *p = console_port_find(port);
	struct file *f;

	if (p == NULL)
		return NULL;
	f = file_alloc(&console_ops, flags);
	if (f == NULL)
		return NULL;
	f->inode = inode_alloc(&console_inode_ops, S_IFIFO | 0600);
	if (f->inode == NULL) {
		file_put(f);
		return NULL;
	}
	f->inode->private = p;
	f->inode->dev = 0xd;
	f->inode->ino = (u64)(uintptr_t)p >> 6 & 0xffffff;
	f->private = p;
	return f;
}
