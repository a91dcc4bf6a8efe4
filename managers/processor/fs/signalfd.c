/* SPDX-License-Identifier: MIT */
/*
 * signalfd(2): a descriptor that is read instead of a handler being run. What is read are the signals of whoever reads; who waits by
 * poll or epoll is woken by those of the process that made it.
 */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/anon.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

struct signalfd {
	struct process *process;	/* [I] with a reference */
	sigset_t_ mask;			/* [a] */
};

struct signalfd_siginfo_abi {
	u32 signo;
	s32 err, code;
	u32 pid, uid;
	s32 fd;
	u32 tid, band, overrun, trapno;
	s32 status, value;
	u64 pointer, utime, stime, addr;
	u16 addr_lsb, pad2;
	s32 syscall;
	u64 call_addr;
	u32 arch;
	u8 pad[28];
};
_Static_assert(sizeof(struct signalfd_siginfo_abi) == 128, "as programs see it");

static bool any_pending(const struct signalfd *s)
{
	struct task *t = task_current();
	struct process *p = t->process;
	bool any;

	spin_lock(&p->signal_lock);
	any = ((t->pending.set | p->pending.set) & READ_ONCE(s->mask)) != 0;
	spin_unlock(&p->signal_lock);
	return any;
}

static void fill(struct signalfd_siginfo_abi *o, const struct siginfo_abi *i)
{
	memset(o, 0, sizeof(*o));
	o->signo = i->signo;
	o->err = i->err;
	o->code = i->code;
	if (i->signo == SIGCHLD && i->code > 0 && i->code < SI_KERNEL) {
		o->pid = i->child.pid;
		o->uid = i->child.uid;
		o->status = i->child.status;
		o->utime = i->child.utime;
		o->stime = i->child.stime;
	} else if (i->code == SI_TIMER) {
		o->tid = i->timer.tid;
		o->overrun = i->timer.overrun;
		o->pointer = i->timer.value;
		o->value = i->timer.value;
	} else if (i->code > 0 && i->code < SI_KERNEL) {
		o->addr = i->fault.addr;
	} else {
		o->pid = i->kill.pid;
		o->uid = i->kill.uid;
		o->pointer = i->kill.value;
		o->value = i->kill.value;
	}
}

static s64 signalfd_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	struct signalfd *s = f->private;
	struct signalfd_siginfo_abi *out = buf;
	struct siginfo_abi info;
	size_t n = 0, room = len / sizeof(*out);

	if (room == 0)
		return -EINVAL;
	for (;;) {
		while (n < room && signal_next(task_current(), READ_ONCE(s->mask), &info) != 0)
			fill(&out[n++], &info);
		if (n != 0)
			return n * sizeof(*out);
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return -EAGAIN;
		if (waitq_wait_intr(&process_current()->signal_wait, any_pending(s), 0) < 0)
			return -ERESTARTSYS;
	}
}

static u32 signalfd_poll(struct file *f, struct poll_table *pt)
{
	struct signalfd *s = f->private;

	poll_wait_for(pt, &s->process->signal_wait, POLLIN);
	return any_pending(s) ? POLLIN : 0;
}

static void signalfd_release(struct file *f)
{
	struct signalfd *s = f->private;

	process_put(s->process);
	kfree(s);
}

static void signalfd_show(struct file *f, struct text *t)
{
	const struct signalfd *s = f->private;

	text_printf(t, "sigmask:\t%016llx\n", (unsigned long long)READ_ONCE(s->mask));
}

static const struct file_ops signalfd_ops = { .kind = "[signalfd]", .show = signalfd_show, .read = signalfd_read, .poll = signalfd_poll, .seek = anon_seek,
					      .release = signalfd_release };

static s64 change(u64 fd, sigset_t_ mask)
{
	struct file *f = fd_get(fd);
	struct signalfd *s;
	s64 rc = (s32)fd;

	if (f == NULL)
		return -EBADF;
	if (f->ops != &signalfd_ops) {
		rc = -EINVAL;
	} else {
		s = f->private;
		WRITE_ONCE(s->mask, mask);
		waitq_wake_all(&s->process->signal_wait);
	}
	file_put(f);
	return rc;
}

s64 sys_signalfd4(u64 fd, u64 user, u64 size, u64 flags, u64 a4, u64 a5)
{
	struct signalfd *s;
	sigset_t_ mask;
	struct file *f;

	if ((u32)flags & ~(u32)(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	if (size != sizeof(mask))
		return -EINVAL;
	if (copy_from_user(&mask, user, sizeof(mask)) < 0)
		return -EFAULT;
	mask &= ~(SIGBIT(SIGKILL) | SIGBIT(SIGSTOP));
	if ((s32)fd != -1)
		return change(fd, mask);
	s = kzalloc(sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->process = process_current();
	s->mask = mask;
	f = anon_file(&signalfd_ops, s, O_RDWR | (flags & O_NONBLOCK));
	if (f == NULL) {
		kfree(s);
		return -ENOMEM;
	}
	process_get(s->process);
	return anon_install(f, flags & O_CLOEXEC);
}

s64 sys_signalfd(u64 fd, u64 user, u64 size, u64 a3, u64 a4, u64 a5) { return sys_signalfd4(fd, user, size, 0, 0, 0); }
