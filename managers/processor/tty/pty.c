/* SPDX-License-Identifier: MIT */
/* Pairs (pty(7)): /dev/ptmx makes one and is its master; /dev/pts/N is the program's side. */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/process/job.h"
#include "managers/processor/process/process.h"
#include "managers/processor/tty/tty.h"

#define NR_PTYS		256
#define MAJOR_PTS	136

static DEFINE_SPINLOCK(ptys_lock, RANK_LEAF);
static struct tty *ptys[NR_PTYS];	/* [ptys_lock] without a reference: the master removes it before it lets go */

static unsigned index_of(const struct tty *t) { return t->rdev & 0xff; }

struct tty *pty_get(unsigned index)
{
	struct tty *t = NULL;

	spin_lock(&ptys_lock);
	if (index < NR_PTYS && ptys[index] != NULL)
		tty_get(t = ptys[index]);
	spin_unlock(&ptys_lock);
	return t;
}

/* --- the master --- */

static bool alone(const struct tty *t) { return READ_ONCE(t->was_open) && READ_ONCE(t->nr_open) == 0; }

static bool master_readable(const struct tty *t)
{
	return (ldisc_output_bytes(&t->l) != 0 && !READ_ONCE(t->l.stopped)) || (READ_ONCE(t->packet) && READ_ONCE(t->l.events) != 0);
}

/* lock held. With TIOCPKT a byte goes ahead: 0 before data, or what has happened, alone. */
static s64 master_take(struct tty *t, u8 *buf, size_t len)
{
	if (!t->packet)
		return ldisc_take(&t->l, buf, len);
	if (t->l.events != 0) {
		buf[0] = t->l.events;
		t->l.events = 0;
		return 1;
	}
	buf[0] = 0;
	len = ldisc_take(&t->l, buf + 1, len - 1);
	return len ? (s64)len + 1 : 0;
}

static s64 master_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	struct tty *t = f->private;
	s64 n;

	if (len == 0)
		return 0;
	for (;;) {
		mutex_lock(&t->lock);
		n = master_take(t, buf, len);
		mutex_unlock(&t->lock);
		if (n != 0)
			break;
		if (alone(t))
			return -EIO;
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return -EAGAIN;
		if (waitq_wait_intr(&t->out_wait, master_readable(t) || alone(t), 0) < 0)
			return -ERESTARTSYS;
	}
	tty_output_taken(t);
	return n;
}

static s64 master_write(struct file *f, const void *buf, size_t len, u64 *pos)
{
	struct tty *t = f->private;
	size_t done = 0;

	while (done < len) {
		done += tty_keys(t, (const u8 *)buf + done, len - done);
		if (done == len)
			break;
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return done ? (s64)done : -EAGAIN;
		if (waitq_wait_intr(&t->in_room, ldisc_input_room(&t->l), 0) < 0)
			return done ? (s64)done : -ERESTARTSYS;
	}
	return done;
}

static u32 master_poll(struct file *f, struct poll_table *pt)
{
	struct tty *t = f->private;
	u32 events;

	poll_wait(pt, &t->out_wait);
	poll_wait(pt, &t->in_room);
	mutex_lock(&t->lock);
	events = (master_readable(t) ? POLLIN | POLLRDNORM : 0) | (alone(t) ? POLLHUP : 0) |
		 (ldisc_input_room(&t->l) ? POLLOUT | POLLWRNORM : 0);
	if (t->packet && t->l.events != 0)
		events |= POLLPRI;
	mutex_unlock(&t->lock);
	return events;
}

static s64 set_flag(struct tty *t, bool *flag, u64 arg)
{
	u32 on;

	if (get_user32(&on, arg) < 0)
		return -EFAULT;
	mutex_lock(&t->lock);
	*flag = on != 0;
	t->l.events = 0;
	mutex_unlock(&t->lock);
	return 0;
}

/* TIOCGPTPEER: the other side as a descriptor, whatever is mounted where /dev/pts should be. */
static s64 open_peer(struct tty *t, u64 flags)
{
	struct dentry *d;
	struct file *file;
	char path[24];
	s64 fd;
	int rc;

	if (flags & ~(u64)(O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	snprintf(path, sizeof(path), "/dev/pts/%u", index_of(t));
	rc = fs_lookup(task_current()->fs, NULL, path, 0, &d);
	if (rc < 0)
		return rc;
	rc = fs_open_inode(dentry_inode(d), d, flags, &file);
	dentry_put(d);
	if (rc < 0)
		return rc;
	fd = fd_install(file, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(file);
	return fd;
}

static s64 send_signal(struct tty *t, u64 sig)
{
	if (sig < 1 || sig > NR_SIGNALS)
		return -EINVAL;
	job_signal_foreground(t, sig);
	return 0;
}

static s64 master_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct tty *t = f->private;

	switch (cmd) {
	case TIOCGPTN: return put_user32(arg, index_of(t));
	case TIOCSPTLCK: return set_flag(t, &t->locked, arg);
	case TIOCGPTLCK: return put_user32(arg, READ_ONCE(t->locked));
	case TIOCPKT: return set_flag(t, &t->packet, arg);
	case TIOCGPKT: return put_user32(arg, READ_ONCE(t->packet));
	case TIOCGPTPEER: return open_peer(t, arg);
	case TIOCSIG: return send_signal(t, arg);
	case FIONREAD: return put_user32(arg, ldisc_output_bytes(&t->l));
	case TIOCOUTQ: return put_user32(arg, 0);
	}
	return tty_ioctl_common(t, f, cmd, arg, true);
}

static s64 master_seek(struct file *f, s64 off, int whence) { return -ESPIPE; }

static void master_release(struct file *f)
{
	struct tty *t = f->private;

	spin_lock(&ptys_lock);
	ptys[index_of(t)] = NULL;
	spin_unlock(&ptys_lock);
	tty_hang_up(t);
	tty_put(t);
}

static const struct file_ops master_ops = { .tells = true, .read = master_read, .write = master_write, .poll = master_poll, .ioctl = master_ioctl,
					    .seek = master_seek, .release = master_release };

int ptmx_open(struct file *f)
{
	struct tty *t = tty_create(MAJOR_PTS << 8, false);
	unsigned i = 0;

	if (t == NULL)
		return -ENOMEM;
	t->is_pty = t->locked = true;
	t->uid = process_current()->cred.fsuid;
	spin_lock(&ptys_lock);
	while (i < NR_PTYS && ptys[i] != NULL)
		i++;
	if (i < NR_PTYS) {
		t->rdev |= i;
		ptys[i] = t;
	}
	spin_unlock(&ptys_lock);
	if (i == NR_PTYS) {
		tty_put(t);
		return -ENOSPC;
	}
	f->ops = &master_ops;
	f->private = t;
	return 0;
}

/* --- /dev/pts --- */

static const struct synth_entry pts_entry = { "", S_IFCHR | 0620 };

int pts_find(const char *name, u32 pid, struct inode **out)
{
	struct tty *t;
	u64 index;

	if (*name < '0' || *name > '9' || (*name == '0' && name[1] != '\0') || str_to_u64(name, &index) < 0)
		return -ENOENT;
	t = pty_get(MIN(index, (u64)NR_PTYS));
	if (t == NULL)
		return -ENOENT;
	*out = synth_inode(&pts_entry, 0, index);
	if (*out != NULL) {
		(*out)->rdev = t->rdev;
		(*out)->uid = t->uid;
		(*out)->gid = 5;			/* Debian's group tty */
	}
	tty_put(t);
	return *out != NULL ? 0 : -ENOMEM;
}

s64 pts_next(u32 pid, u64 from)
{
	s64 found = -1;

	spin_lock(&ptys_lock);
	for (u64 i = from; i < NR_PTYS && found < 0; i++)
		if (ptys[i] != NULL)
			found = i;
	spin_unlock(&ptys_lock);
	return found;
}
