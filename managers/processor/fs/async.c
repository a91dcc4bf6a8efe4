/* SPDX-License-Identifier: MIT */
/*
 * Signals for files that become ready. Who asks for them hangs on the file's wait queues as poll(2) does; a wake-up there queues work, and
 * the work looks what is ready, and sends: signals are sent under tree_lock, wake-ups come under locks that are taken after it.
 *
 * async_lock (sleeps) guards what is set; events and the owner's numbers are read by the work without it.
 */
#include "managers/processor/fs/async.h"

#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "kernel/work.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

#define MAX_QUEUES	2		/* no file names more */

enum { OWNER_TID, OWNER_PID, OWNER_PGRP };
struct owner_abi { s32 type, id; };
enum { CODE_IN = 1, CODE_OUT, CODE_MSG, CODE_ERR, CODE_HUP = 6 };	/* POLL_* of sigaction(2) */
#define MESSAGE		0x400		/* POLLMSG */

struct async {
	refcount_t refs;		/* the file's, and that of queued work */
	struct file *file;		/* [lock] without a reference; NULL: it is gone */
	struct spinlock lock;
	struct owner_abi owner;		/* [async_lock; a] id 0: nobody */
	u32 uid, euid;			/* [async_lock; a] who set it, and may send */
	u32 signo;			/* [async_lock; a] 0: SIGIO, without more */
	int fd;				/* [async_lock; a] */
	struct timer timer;		/* goes off at once: a wake-up may not queue work, under the lock that it comes with */
	struct work work;
	u32 events;			/* [a] what the wake-ups since the last work were about */
	struct poll_table pt;
	unsigned nr_queues;		/* [async_lock] 0: not on */
	struct { struct waiter waiter; struct waitq *queue; struct async *async; u32 events; } on[MAX_QUEUES];
};

static DEFINE_MUTEX(async_lock, RANK_INODE);

static void async_put(struct async *a)
{
	if (ref_put(&a->refs))
		kfree(a);
}

/* --- telling --- */

struct telling { const struct async *a; struct siginfo_abi info; };

static bool may_tell(const struct async *a, const struct process *p)
{
	return a->euid == 0 || a->euid == p->cred.suid || a->euid == p->cred.uid || a->uid == p->cred.suid || a->uid == p->cred.uid;
}

/* fcntl(2): where a real-time signal finds its queue full, a plain SIGIO says that there is something. tree_lock held */
static void send(const struct telling *t, struct process *p, struct task *task)
{
	const struct siginfo_abi plain = { .signo = SIGIO, .code = SI_KERNEL };

	(void)signal_send_locked(p, task, signal_queue_full_locked(p, t->info.signo) ? &plain : &t->info);
}

static bool tell_member(struct process *p, void *arg)
{
	const struct telling *t = arg;

	if (p->pgid == (u32)t->a->owner.id && p != process_init && p->state == PROCESS_LIVE && may_tell(t->a, p))
		send(t, p, NULL);
	return true;
}

struct pid_search { u32 pid; struct process *found; };

static bool has_pid(struct process *p, void *arg)
{
	struct pid_search *s = arg;

	if (p->pid == s->pid)
		s->found = p;
	return s->found == NULL;
}

static void tell(const struct async *a, u32 ready)
{
	struct telling t = { .a = a, .info = { .signo = SIGIO, .code = SI_KERNEL } };
	struct pid_search s = { a->owner.id, NULL };
	struct task *task;

	if (a->signo != 0) {
		t.info.signo = a->signo;
		t.info.code = ready & MESSAGE ? CODE_MSG : ready & POLLIN ? CODE_IN : ready & POLLOUT ? CODE_OUT : ready & POLLERR ? CODE_ERR : CODE_HUP;
		t.info.poll.band = t.info.code == CODE_IN ? POLLIN | POLLRDNORM : t.info.code == CODE_OUT ? POLLOUT | POLLWRNORM : ready;
		t.info.poll.fd = a->fd;
	}
	spin_lock(&tree_lock);
	if (a->owner.type == OWNER_PGRP) {
		process_for_each(tell_member, &t);
	} else if (a->owner.type == OWNER_TID) {
		task = task_find_locked(a->owner.id);
		if (task != NULL && may_tell(a, task->process))
			send(&t, task->process, task);
	} else {
		process_for_each(has_pid, &s);
		if (s.found != NULL && s.found != process_init && s.found->state == PROCESS_LIVE && may_tell(a, s.found))
			send(&t, s.found, NULL);
	}
	spin_unlock(&tree_lock);
}

void async_tell_message(struct file *f)
{
	const struct async *a = load_acquire(&f->async);

	if (a != NULL && a->owner.id != 0)
		tell(a, MESSAGE | POLLIN | POLLRDNORM);
}

static void async_work(struct work *w)
{
	struct async *a = container_of(w, struct async, work);
	u32 events = __atomic_exchange_n(&a->events, 0, __ATOMIC_SEQ_CST), ready = 0;
	struct file *f;

	spin_lock(&a->lock);
	f = a->file != NULL && ref_get_not_zero(&a->file->refs) ? a->file : NULL;
	spin_unlock(&a->lock);
	if (f != NULL) {
		ready = file_poll(f, NULL) & events;
		if (ready != 0 && READ_ONCE(f->flags) & O_ASYNC && a->owner.id != 0)
			tell(a, ready);
		file_put(f);
	}
	async_put(a);
}

/* from the file's wait queue */
static void async_called(struct waiter *w)
{
	__typeof__(&((struct async *)0)->on[0]) on = (void *)w;
	struct async *a = on->async;

	__atomic_fetch_or(&a->events, on->events, __ATOMIC_SEQ_CST);
	timer_start(&a->timer, time_mono_ns());
}

static void async_fired(struct timer *timer)
{
	struct async *a = container_of(timer, struct async, timer);

	ref_get(&a->refs);
	if (!work_queue_add(system_work, &a->work))
		atomic_dec(&a->refs.n);		/* queued already: its reference does for both */
}

/* --- being set --- */

static void add_queue(struct poll_table *pt, struct waitq *q, u32 events)
{
	struct async *a = container_of(pt, struct async, pt);
	unsigned n = a->nr_queues;

	if (n == MAX_QUEUES)
		return;
	a->nr_queues++;
	a->on[n].waiter.called = async_called;
	a->on[n].queue = q;
	a->on[n].async = a;
	a->on[n].events = events;
	waitq_add(q, &a->on[n].waiter);
}

static void off(struct async *a)
{
	for (unsigned i = 0; i < a->nr_queues; i++)
		waitq_remove(a->on[i].queue, &a->on[i].waiter);
	a->nr_queues = 0;
}

/* async_lock held. NULL: no memory */
static struct async *async_of(struct file *f)
{
	struct async *a = f->async;

	if (a != NULL)
		return a;
	a = kzalloc(sizeof(*a));
	if (a == NULL)
		return NULL;
	ref_init(&a->refs, 1);
	spin_init(&a->lock, "async", RANK_LEAF);
	timer_init(&a->timer, async_fired, NULL);
	work_init(&a->work, async_work);
	a->pt.add = add_queue;
	a->file = f;
	store_release(&f->async, a);
	return a;
}

int async_set(struct file *f, int fd, bool on)
{
	struct async *a;

	if (f->ops == NULL || !f->ops->tells)
		return -ENOTTY;
	mutex_lock(&async_lock);
	a = on ? async_of(f) : f->async;
	if (a != NULL)
		off(a);
	if (a != NULL && on) {
		a->fd = fd;
		(void)file_poll(f, &a->pt);
	}
	if (on && a == NULL) {
		mutex_unlock(&async_lock);
		return -ENOMEM;
	}
	WRITE_ONCE(f->flags, on ? f->flags | O_ASYNC : f->flags & ~(u32)O_ASYNC);
	mutex_unlock(&async_lock);
	return 0;
}

static bool has_pgid(struct process *p, void *arg)
{
	struct pid_search *s = arg;

	if (p->pgid == s->pid)
		s->found = p;
	return s->found == NULL;
}

static int set_owner(struct file *f, struct owner_abi o)
{
	const struct credentials *c = &process_current()->cred;
	struct pid_search s = { o.id, NULL };
	bool there = o.id == 0;
	struct async *a;

	spin_lock(&tree_lock);
	if (o.type == OWNER_TID) {
		there |= task_find_locked(o.id) != NULL;
	} else {
		process_for_each(o.type == OWNER_PID ? has_pid : has_pgid, &s);
		there |= s.found != NULL;
	}
	spin_unlock(&tree_lock);
	if (!there)
		return -ESRCH;
	mutex_lock(&async_lock);
	a = async_of(f);
	if (a != NULL) {
		a->owner = o;
		a->uid = c->uid;
		a->euid = c->euid;
	}
	mutex_unlock(&async_lock);
	return a == NULL ? -ENOMEM : 0;
}

int async_set_owner(struct file *f, s32 who)
{
	if (who == (s32)0x80000000)
		return -EINVAL;
	return set_owner(f, (struct owner_abi){ who < 0 ? OWNER_PGRP : OWNER_PID, who < 0 ? -who : who });
}

static struct owner_abi owner_of(struct file *f)
{
	const struct async *a = load_acquire(&f->async);

	return a != NULL ? a->owner : (struct owner_abi){ OWNER_TID, 0 };
}

s32 async_owner(struct file *f)
{
	struct owner_abi o = owner_of(f);

	return o.type == OWNER_PGRP ? -o.id : o.id;
}

void async_set_fd(struct file *f, int fd)
{
	struct async *a = load_acquire(&f->async);

	mutex_lock(&async_lock);
	if (a != NULL)
		a->fd = fd;
	mutex_unlock(&async_lock);
}

static s64 set_signal(struct file *f, u64 signo)
{
	struct async *a;

	if (signo > NR_SIGNALS)
		return -EINVAL;
	mutex_lock(&async_lock);
	a = async_of(f);
	if (a != NULL)
		a->signo = signo;
	mutex_unlock(&async_lock);
	return a == NULL ? -ENOMEM : 0;
}

s64 async_fcntl(struct file *f, u32 cmd, u64 arg)
{
	const struct async *a = load_acquire(&f->async);
	struct owner_abi o;
	u32 ids[2];

	switch (cmd) {
	case F_SETOWN: return async_set_owner(f, arg);
	case F_GETOWN: return async_owner(f);
	case F_SETSIG: return set_signal(f, arg);
	case F_GETSIG: return a != NULL ? a->signo : 0;
	case F_GETOWN_EX:
		o = owner_of(f);
		return copy_to_user(arg, &o, sizeof(o));
	case F_SETOWN_EX:
		if (copy_from_user(&o, arg, sizeof(o)) < 0)
			return -EFAULT;
		return o.type < OWNER_TID || o.type > OWNER_PGRP ? -EINVAL : set_owner(f, o);
	case F_GETOWNER_UIDS:
		ids[0] = a != NULL ? a->uid : 0;
		ids[1] = a != NULL ? a->euid : 0;
		return copy_to_user(arg, ids, sizeof(ids));
	}
	return -EINVAL;
}

void async_file_gone(struct file *f)
{
	struct async *a = f->async;

	mutex_lock(&async_lock);
	off(a);
	mutex_unlock(&async_lock);
	timer_cancel_sync(&a->timer);
	spin_lock(&a->lock);
	a->file = NULL;
	spin_unlock(&a->lock);
	async_put(a);
}
