/* SPDX-License-Identifier: MIT */
/*
 * Signals for files that become ready. Who asks for them hangs on the file's wait queues as poll(2) does; a wake-up there queues work, and
 * the work looks what is ready, and sends: signals are sent under tree_lock, wake-ups come under locks that are taken after it.
 *
 * async_lock (sleeps): one turns it on or off at a time, or makes the struct. What is set is changed, and copied, under the struct's lock.
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

struct setting {
	struct owner_abi owner;		/* id 0: nobody */
	u32 uid, euid;			/* who set it, and may send */
	u32 signo;			/* 0: SIGIO, without more */
	int fd;
};

struct async {
	refcount_t refs;		/* the file's, and that of queued work */
	struct file *file;		/* [lock] without a reference; NULL: it is gone */
	struct spinlock lock;
	struct setting set;		/* [lock] */
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

/* All of one moment. Of a file for which nothing was ever set: zeros. */
static struct setting setting_of(struct file *f)
{
	struct async *a = load_acquire(&f->async);
	struct setting set = { .owner.type = OWNER_TID };

	if (a != NULL) {
		spin_lock(&a->lock);
		set = a->set;
		spin_unlock(&a->lock);
	}
	return set;
}

/* --- telling --- */

struct telling { const struct setting *set; struct siginfo_abi info; };

static bool may_tell(const struct setting *set, const struct process *p)
{
	return set->euid == 0 || set->euid == p->cred.suid || set->euid == p->cred.uid || set->uid == p->cred.suid || set->uid == p->cred.uid;
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

	if (p->pgid == (u32)t->set->owner.id && p != process_init && p->state == PROCESS_LIVE && may_tell(t->set, p))
		send(t, p, NULL);
	return true;
}

static void tell_owner(const struct setting *set, const struct siginfo_abi *info)
{
	struct telling t = { .set = set, .info = *info };
	struct process *p;
	struct task *task;

	spin_lock(&tree_lock);
	if (set->owner.type == OWNER_PGRP) {
		process_for_each(tell_member, &t);
	} else if (set->owner.type == OWNER_TID) {
		task = task_find_locked(set->owner.id);
		if (task != NULL && may_tell(set, task->process))
			send(&t, task->process, task);
	} else {
		p = process_find_locked(set->owner.id);
		if (p != NULL && p != process_init && p->state == PROCESS_LIVE && may_tell(set, p))
			send(&t, p, NULL);
	}
	spin_unlock(&tree_lock);
}

static void tell(const struct setting *set, u32 ready)
{
	struct siginfo_abi info = { .signo = SIGIO, .code = SI_KERNEL };

	if (set->signo != 0) {
		info.signo = set->signo;
		info.code = ready & MESSAGE ? CODE_MSG : ready & POLLIN ? CODE_IN : ready & POLLOUT ? CODE_OUT : ready & POLLERR ? CODE_ERR : CODE_HUP;
		info.poll.band = info.code == CODE_IN ? POLLIN | POLLRDNORM : info.code == CODE_OUT ? POLLOUT | POLLWRNORM : ready;
		info.poll.fd = set->fd;
	}
	tell_owner(set, &info);
}

void async_tell_urgent(struct file *f)
{
	const struct siginfo_abi info = { .signo = SIGURG, .code = SI_KERNEL };
	struct setting set = setting_of(f);

	if (set.owner.id != 0)
		tell_owner(&set, &info);
}

void async_tell_message(struct file *f)
{
	struct setting set = setting_of(f);

	if (set.owner.id != 0)
		tell(&set, MESSAGE | POLLIN | POLLRDNORM);
}

static void async_work(struct work *w)
{
	struct async *a = container_of(w, struct async, work);
	u32 events = __atomic_exchange_n(&a->events, 0, __ATOMIC_SEQ_CST), ready = 0;
	struct setting set;
	struct file *f;

	spin_lock(&a->lock);
	f = a->file != NULL && ref_get_not_zero(&a->file->refs) ? a->file : NULL;
	set = a->set;
	spin_unlock(&a->lock);
	if (f != NULL) {
		ready = file_poll(f, NULL) & events;
		if (ready != 0 && READ_ONCE(f->flags) & O_ASYNC && set.owner.id != 0)
			tell(&set, ready);
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
		spin_lock(&a->lock);
		a->set.fd = fd;
		spin_unlock(&a->lock);
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

/* tree_lock held. Is there anybody to tell? */
static bool owner_there(const struct owner_abi *o)
{
	switch (o->type) {
	case OWNER_TID: return task_find_locked(o->id) != NULL;
	case OWNER_PID: return process_find_locked(o->id) != NULL;
	default: return process_group_session_locked(o->id) != 0;
	}
}

static int set_owner(struct file *f, struct owner_abi o)
{
	const struct credentials *c = &process_current()->cred;
	u32 uid, euid;
	struct async *a;
	bool there;

	spin_lock(&tree_lock);
	there = o.id == 0 || owner_there(&o);
	uid = c->uid;
	euid = c->euid;
	spin_unlock(&tree_lock);
	if (!there)
		return -ESRCH;
	mutex_lock(&async_lock);
	a = async_of(f);
	mutex_unlock(&async_lock);
	if (a != NULL) {
		spin_lock(&a->lock);
		a->set.owner = o;
		a->set.uid = uid;
		a->set.euid = euid;
		spin_unlock(&a->lock);
	}
	return a == NULL ? -ENOMEM : 0;
}

int async_set_owner(struct file *f, s32 who)
{
	if (who == (s32)0x80000000)
		return -EINVAL;
	return set_owner(f, (struct owner_abi){ who < 0 ? OWNER_PGRP : OWNER_PID, who < 0 ? -who : who });
}

s32 async_owner(struct file *f)
{
	struct owner_abi o = setting_of(f).owner;

	return o.type == OWNER_PGRP ? -o.id : o.id;
}

void async_set_fd(struct file *f, int fd)
{
	struct async *a = load_acquire(&f->async);

	if (a == NULL)
		return;
	spin_lock(&a->lock);
	a->set.fd = fd;
	spin_unlock(&a->lock);
}

static s64 set_signal(struct file *f, u64 signo)
{
	struct async *a;

	if (signo > NR_SIGNALS)
		return -EINVAL;
	mutex_lock(&async_lock);
	a = async_of(f);
	mutex_unlock(&async_lock);
	if (a != NULL) {
		spin_lock(&a->lock);
		a->set.signo = signo;
		spin_unlock(&a->lock);
	}
	return a == NULL ? -ENOMEM : 0;
}

s64 async_fcntl(struct file *f, u32 cmd, u64 arg)
{
	struct setting set;
	struct owner_abi o;
	u32 ids[2];

	switch (cmd) {
	case F_SETOWN: return async_set_owner(f, arg);
	case F_GETOWN: return async_owner(f);
	case F_SETSIG: return set_signal(f, arg);
	case F_GETSIG: return setting_of(f).signo;
	case F_GETOWN_EX:
		o = setting_of(f).owner;
		return copy_to_user(arg, &o, sizeof(o));
	case F_SETOWN_EX:
		if (copy_from_user(&o, arg, sizeof(o)) < 0)
			return -EFAULT;
		return o.type < OWNER_TID || o.type > OWNER_PGRP ? -EINVAL : set_owner(f, o);
	case F_GETOWNER_UIDS:
		set = setting_of(f);
		ids[0] = set.uid;
		ids[1] = set.euid;
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
