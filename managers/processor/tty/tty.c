/* SPDX-License-Identifier: MIT */
/* The program's side of a terminal: open, read, write, poll, and what ioctl says of both sides. See tty.h, ioctl_tty(2). */
#include "managers/processor/tty/tty.h"

#include "arch/x86/uaccess.h"
#include "drivers/console.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/job.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

#define MAJOR_TTY	5		/* 0: tty, 1: console, 2: ptmx */
#define MAJOR_PTS	136
#define MAJOR_HVC	229

static const struct file_ops tty_ops;

struct tty *tty_create(u32 rdev, bool utf8)
{
	struct tty *t = kzalloc(sizeof(*t));

	if (t == NULL)
		return NULL;
	ref_init(&t->refs, 1);
	t->rdev = rdev;
	mutex_init(&t->lock, "tty", RANK_TTY);
	ldisc_init(&t->l, utf8);
	waitq_init(&t->in_wait);
	waitq_init(&t->in_room);
	waitq_init(&t->out_wait);
	waitq_init(&t->out_room);
	waitq_init(&t->ended);
	return t;
}

void tty_get(struct tty *t) { ref_get(&t->refs); }

void tty_put(struct tty *t)
{
	if (ref_put(&t->refs))
		kfree(t);
}

struct tty *tty_of_file(struct file *f)
{
	return f->ops == &tty_ops ? f->private : NULL;
}

/* --- opening --- */

/* f becomes an open program's side of it. */
static int attach(struct tty *t, struct file *f)
{
	mutex_lock(&t->lock);
	if (t->hung_up || (t->locked && t->is_pty)) {
		mutex_unlock(&t->lock);
		return -EIO;
	}
	if (t->exclusive && thread_current()->task != NULL && !capable_current()) {
		mutex_unlock(&t->lock);
		return -EBUSY;
	}
	t->nr_open++;
	t->was_open = true;
	mutex_unlock(&t->lock);
	tty_get(t);
	f->ops = &tty_ops;
	f->private = t;
	if (thread_current()->task != NULL && !(f->flags & O_NOCTTY))
		job_opened_terminal(t, f);
	return 0;
}

/* t: with a reference, which goes; NULL: there is none. */
static int open_side(struct tty *t, struct file *f)
{
	int rc;

	if (t == NULL)
		return -ENXIO;
	rc = attach(t, f);
	tty_put(t);
	return rc;
}

static int open_controlling(struct file *f)
{
	f->flags |= O_NOCTTY;
	return open_side(job_terminal(), f);
}

int tty_open(u32 rdev, struct file *f)
{
	switch (rdev >> 8) {
	case MAJOR_TTY:
		switch (rdev & 0xff) {
		case 0: return open_controlling(f);
		case 1: return open_side(console_tty_get(), f);
		case 2: return ptmx_open(f);
		}
		break;
	case MAJOR_HVC:
		return (rdev & 0xff) == 0 ? open_side(console_tty_get(), f) : -ENXIO;
	case MAJOR_PTS:
		return open_side(pty_get(rdev & 0xff), f);
	}
	return -ENXIO;
}

static void tty_release(struct file *f)
{
	struct tty *t = f->private;

	mutex_lock(&t->lock);
	if (--t->nr_open == 0)
		t->exclusive = false;
	mutex_unlock(&t->lock);
	waitq_wake_all(&t->out_wait);		/* a master sees that it is alone */
	tty_put(t);
}

/* --- hanging up --- */

static void wake_everybody(struct tty *t)
{
	waitq_wake_all(&t->in_wait);
	waitq_wake_all(&t->in_room);
	waitq_wake_all(&t->out_wait);
	waitq_wake_all(&t->out_room);
}

void tty_hang_up(struct tty *t)
{
	bool was;

	mutex_lock(&t->lock);
	was = t->hung_up;
	WRITE_ONCE(t->hung_up, true);
	mutex_unlock(&t->lock);
	wake_everybody(t);
	if (!was)
		job_hang_up(t);
}

/* --- keys --- */

void tty_send_signals(struct tty *t)
{
	u32 signals;

	mutex_lock(&t->lock);
	signals = t->l.signals;
	t->l.signals = 0;
	mutex_unlock(&t->lock);
	for (int sig = 1; signals >> sig != 0; sig++)
		if (signals >> sig & 1)
			job_signal_foreground(t, sig);
}

size_t tty_keys(struct tty *t, const u8 *buf, size_t n)
{
	size_t done;

	mutex_lock(&t->lock);
	done = ldisc_input(&t->l, buf, n);
	mutex_unlock(&t->lock);
	tty_send_signals(t);
	waitq_wake_all(&t->in_wait);
	waitq_wake_all(&t->out_wait);		/* echoes */
	waitq_wake_all(&t->out_room);		/* a key may have let output go on */
	return done;
}

void tty_output_taken(struct tty *t)
{
	waitq_wake_all(&t->out_room);
}

/* --- read --- */

/* One look: bytes, 0 at an end, -EAGAIN. */
static s64 read_now(struct tty *t, u8 *buf, size_t len)
{
	s64 n;

	mutex_lock(&t->lock);
	n = t->hung_up ? 0 : ldisc_read(&t->l, buf, len);
	mutex_unlock(&t->lock);
	if (n > 0)
		waitq_wake_all(&t->in_room);
	return n < 0 ? -EAGAIN : n;
}

/* How read() is to wait, from VMIN and VTIME (termios(3)); a line is waited for like one byte. */
struct patience { u32 min; u64 total_ns, between_ns; bool waits; };

static struct patience patience_of(const struct tty *t, size_t len)
{
	u64 time = t->l.t.cc[VTIME] * 100 * NSEC_PER_MSEC;
	u32 min = t->l.t.cc[VMIN];

	if (t->l.t.lflag & ICANON)
		return (struct patience){ .min = 1, .waits = true };
	if (min == 0)
		return (struct patience){ .min = 1, .total_ns = time, .waits = time != 0 };
	return (struct patience){ .min = MIN(min, len), .between_ns = time, .waits = true };
}

static s64 tty_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	struct tty *t = f->private;
	struct patience p;
	u64 deadline;
	size_t done = 0;
	int rc = job_may_read(t);

	if (rc < 0)
		return rc;
	if (len == 0)
		return 0;
	p = patience_of(t, len);
	deadline = p.total_ns ? time_mono_ns() + p.total_ns : 0;
	for (;;) {
		s64 n = read_now(t, (u8 *)buf + done, len - done);

		if (n >= 0)
			done += n;
		if (n == 0 || done >= p.min || !p.waits)
			return done;
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return done ? (s64)done : -EAGAIN;
		if (p.between_ns != 0)
			deadline = done ? time_mono_ns() + p.between_ns : 0;
		rc = waitq_wait_intr(&t->in_wait, ldisc_readable(&t->l, p.between_ns ? 1 : p.min - done) || READ_ONCE(t->hung_up), deadline);
		if (rc == -ETIMEDOUT)
			return done;
		if (rc < 0)
			return done ? (s64)done : -ERESTARTSYS;
	}
}

/* --- write --- */

static s64 tty_write(struct file *f, const void *buf, size_t len, u64 *pos)
{
	struct tty *t = f->private;
	size_t done = 0;
	int rc = READ_ONCE(t->l.t.lflag) & TOSTOP ? job_may_change(t) : 0;

	if (rc < 0)
		return rc;
	while (done < len) {
		bool hung_up;
		size_t n;

		mutex_lock(&t->lock);
		hung_up = t->hung_up;
		n = hung_up ? 0 : ldisc_write(&t->l, (const u8 *)buf + done, len - done);
		mutex_unlock(&t->lock);
		if (hung_up)
			return done ? (s64)done : -EIO;
		done += n;
		if (n != 0)
			waitq_wake_all(&t->out_wait);
		if (done == len)
			break;
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return done ? (s64)done : -EAGAIN;
		if (waitq_wait_intr(&t->out_room, ldisc_write_room(&t->l) || READ_ONCE(t->hung_up), 0) < 0)
			return done ? (s64)done : -ERESTARTSYS;
	}
	return done;
}

static u32 tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty *t = f->private;
	u32 events = 0;

	poll_wait(pt, &t->in_wait);
	poll_wait(pt, &t->out_room);
	mutex_lock(&t->lock);
	if (t->hung_up)
		events = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR | POLLHUP;
	if (ldisc_readable(&t->l, t->l.t.cc[VTIME] ? 1 : t->l.t.cc[VMIN]))
		events |= POLLIN | POLLRDNORM;
	if (ldisc_write_room(&t->l))
		events |= POLLOUT | POLLWRNORM;
	mutex_unlock(&t->lock);
	return events;
}

static s64 tty_seek(struct file *f, s64 off, int whence) { return -ESPIPE; }

/* --- ioctl --- */

/* Until what was written has left: on the host's console; the master of a pair takes it in its own time. */
static int drain(struct tty *t)
{
	if (t->is_pty)
		return 0;
	return waitq_wait_intr(&t->out_room, (ldisc_output_bytes(&t->l) == 0 && !READ_ONCE(t->out_busy)) || READ_ONCE(t->hung_up), 0) < 0 ?
	       -ERESTARTSYS : 0;
}

static s64 get_termios(struct tty *t, u32 cmd, u64 arg)
{
	struct termios2_abi k = { .ispeed = 38400, .ospeed = 38400 };
	struct termio_abi old;

	mutex_lock(&t->lock);
	k.t = t->l.t;
	mutex_unlock(&t->lock);
	if (cmd == TCGETS)
		return copy_to_user(arg, &k.t, sizeof(k.t));
	if (cmd == TCGETS2)
		return copy_to_user(arg, &k, sizeof(k));
	old = (struct termio_abi){ k.t.iflag, k.t.oflag, k.t.cflag, k.t.lflag, k.t.line, { 0 } };
	memcpy(old.cc, k.t.cc, sizeof(old.cc));
	return copy_to_user(arg, &old, sizeof(old));
}

enum { SET_NOW, SET_DRAIN, SET_FLUSH };

static s64 set_termios(struct tty *t, struct termios_abi *to, int how)
{
	int rc = how == SET_NOW ? 0 : drain(t);

	if (rc < 0)
		return rc;
	mutex_lock(&t->lock);
	if (how == SET_FLUSH)
		ldisc_flush_input(&t->l);
	if (t->is_pty)				/* it has no line whose bytes could be shorter */
		to->cflag = (to->cflag & ~(CSIZE | PARENB)) | CS8 | CREAD;
	ldisc_set_termios(&t->l, to);
	mutex_unlock(&t->lock);
	wake_everybody(t);			/* what counts as readable or writable may be another thing now */
	return 0;
}

static s64 set_termios_user(struct tty *t, u64 arg, int how)
{
	struct termios_abi k;

	return copy_from_user(&k, arg, sizeof(k)) < 0 ? -EFAULT : set_termios(t, &k, how);
}

static s64 set_termio_user(struct tty *t, u64 arg, int how)
{
	struct termio_abi old;
	struct termios_abi k;

	if (copy_from_user(&old, arg, sizeof(old)) < 0)
		return -EFAULT;
	mutex_lock(&t->lock);
	k = t->l.t;
	mutex_unlock(&t->lock);
	k.iflag = (k.iflag & 0xffff0000) | old.iflag;
	k.oflag = (k.oflag & 0xffff0000) | old.oflag;
	k.cflag = (k.cflag & 0xffff0000) | old.cflag;
	k.lflag = (k.lflag & 0xffff0000) | old.lflag;
	memcpy(k.cc, old.cc, sizeof(old.cc));
	return set_termios(t, &k, how);
}

static s64 flush(struct tty *t, u64 which)
{
	if (which > TCIOFLUSH)
		return -EINVAL;
	mutex_lock(&t->lock);
	if (which != TCOFLUSH)
		ldisc_flush_input(&t->l);
	if (which != TCIFLUSH)
		ldisc_flush_output(&t->l);
	mutex_unlock(&t->lock);
	wake_everybody(t);
	return 0;
}

static s64 flow(struct tty *t, u64 what)
{
	if (what > TCION)
		return -EINVAL;
	mutex_lock(&t->lock);
	if (what == TCOOFF)
		ldisc_stop(&t->l, true);
	else if (what == TCOON)
		ldisc_start(&t->l);
	else if (t->l.t.cc[what == TCIOFF ? VSTOP : VSTART] != 0)
		(void)ldisc_write(&t->l, &t->l.t.cc[what == TCIOFF ? VSTOP : VSTART], 1);
	mutex_unlock(&t->lock);
	wake_everybody(t);
	return 0;
}

static s64 set_size(struct tty *t, const struct winsize_abi *to)
{
	bool same;

	mutex_lock(&t->lock);
	same = memcmp(&t->size, to, sizeof(*to)) == 0;
	t->size = *to;
	mutex_unlock(&t->lock);
	if (!same)
		job_signal_foreground(t, SIGWINCH);
	return 0;
}

int console_tty_resize(unsigned rows, unsigned cols)
{
	struct winsize_abi size = { rows, cols, 0, 0 };
	struct tty *t = console_tty_get();

	if (t == NULL)
		return -ENXIO;
	set_size(t, &size);
	tty_put(t);
	return 0;
}

static s64 size_ioctl(struct tty *t, u32 cmd, u64 arg)
{
	struct winsize_abi size;

	if (cmd == TIOCSWINSZ)
		return copy_from_user(&size, arg, sizeof(size)) < 0 ? -EFAULT : set_size(t, &size);
	mutex_lock(&t->lock);
	size = t->size;
	mutex_unlock(&t->lock);
	return copy_to_user(arg, &size, sizeof(size));
}

static s64 fake_key(struct tty *t, struct file *f, u64 arg)
{
	u8 c;

	if (job_terminal_is_not(t) && !capable_current())
		return -EPERM;
	if (copy_from_user(&c, arg, 1) < 0)
		return -EFAULT;
	tty_keys(t, &c, 1);
	return 0;
}

/* Does a line count as connected, whatever its carrier says? */
static s64 set_carrier(struct tty *t, u64 arg)
{
	u32 on;

	if (get_user32(&on, arg) < 0)
		return -EFAULT;
	mutex_lock(&t->lock);
	t->l.t.cflag = (t->l.t.cflag & ~CLOCAL) | (on ? CLOCAL : 0);
	mutex_unlock(&t->lock);
	return 0;
}

static s64 set_bool(struct tty *t, bool *what, bool to)
{
	mutex_lock(&t->lock);
	*what = to;
	mutex_unlock(&t->lock);
	return 0;
}

/* Calls that a background job of this terminal may make only at the price of SIGTTOU. */
static bool changes_terminal(u32 cmd)
{
	switch (cmd) {
	case TCSETS: case TCSETSW: case TCSETSF: case TCSETS2: case TCSETSW2: case TCSETSF2: case TCSETA: case TCSETAW: case TCSETAF:
	case TCSBRK: case TCSBRKP: case TIOCSBRK: case TIOCCBRK: case TCXONC: case TCFLSH: case TIOCSPGRP: case TIOCSETD:
		return true;
	}
	return false;
}

s64 tty_ioctl_common(struct tty *t, struct file *f, u32 cmd, u64 arg, bool master)
{
	u32 n;
	int rc;

	if (READ_ONCE(t->hung_up) && !master)
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	if (!master && changes_terminal(cmd)) {
		rc = job_may_change(t);
		if (rc < 0)
			return rc;
	}
	switch (cmd) {
	case TCGETS: case TCGETS2: case TCGETA: return get_termios(t, cmd, arg);
	case TCSETS: case TCSETS2: return set_termios_user(t, arg, SET_NOW);
	case TCSETSW: case TCSETSW2: return set_termios_user(t, arg, SET_DRAIN);
	case TCSETSF: case TCSETSF2: return set_termios_user(t, arg, SET_FLUSH);
	case TCSETA: return set_termio_user(t, arg, SET_NOW);
	case TCSETAW: return set_termio_user(t, arg, SET_DRAIN);
	case TCSETAF: return set_termio_user(t, arg, SET_FLUSH);
	case TCSBRK: case TCSBRKP: return drain(t);		/* there is no line to break */
	case TIOCSBRK: case TIOCCBRK: return 0;
	case TIOCGSOFTCAR: return put_user32(arg, (READ_ONCE(t->l.t.cflag) & CLOCAL) != 0);
	case TIOCSSOFTCAR: return set_carrier(t, arg);
	case TCXONC: return flow(t, arg);
	case TCFLSH: return flush(t, arg);
	case TIOCGWINSZ: case TIOCSWINSZ: return size_ioctl(t, cmd, arg);
	case TIOCGPGRP: case TIOCSPGRP: case TIOCGSID: case TIOCSCTTY: case TIOCNOTTY: return job_ioctl(t, f, cmd, arg, master);
	case TIOCSTI: return fake_key(t, f, arg);
	case TIOCEXCL: return set_bool(t, &t->exclusive, true);
	case TIOCNXCL: return set_bool(t, &t->exclusive, false);
	case TIOCGEXCL: return put_user32(arg, READ_ONCE(t->exclusive));
	case TIOCGDEV: return put_user32(arg, t->rdev);
	case TIOCGETD: return put_user32(arg, 0);
	case TIOCSETD: return get_user32(&n, arg) < 0 ? -EFAULT : n == 0 ? 0 : -EINVAL;
	}
	return -ENOTTY;
}

static s64 tty_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct tty *t = f->private;
	u32 n;

	if ((cmd != FIONREAD && cmd != TIOCOUTQ) || READ_ONCE(t->hung_up))
		return tty_ioctl_common(t, f, cmd, arg, false);
	mutex_lock(&t->lock);
	n = cmd == FIONREAD ? ldisc_input_bytes(&t->l) : t->is_pty ? 0 : ldisc_output_bytes(&t->l);
	mutex_unlock(&t->lock);
	return put_user32(arg, n);
}

static const struct file_ops tty_ops = { .tells = true, .read = tty_read, .write = tty_write, .poll = tty_poll, .ioctl = tty_ioctl, .seek = tty_seek,
					 .release = tty_release };
