/* SPDX-License-Identifier: MIT */
/*
 * Wait queues. No wake-up is lost: the waiter is on the queue and marked WAITING before it looks at the condition, the waker makes
 * the condition true before it looks at the queue. waitq_finish() always takes the queue's lock, so that the waiter (and a queue on
 * its stack) outlives a waker that is still busy with it.
 */
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/waitq.h"
#include "lib/base/atomic.h"

void waitq_init(struct waitq *q)
{
	spin_init(&q->lock, "waitq", RANK_WAITQ);
	list_init(&q->waiters);
}

/* The queue's lock is held. */
static bool wake_locked(struct waitq *q, bool all)
{
	struct waiter *w, *tmp;
	bool any = false, last = false;

	list_for_each_safe(w, tmp, &q->waiters, link) {
		if (last)
			break;
		if (w->called != NULL) {
			w->called(w);
			continue;
		}
		last = w->exclusive && !all;
		list_del(&w->link);
		thread_wake(w->thread);
		any = true;
	}
	return any;
}

bool waitq_wake(struct waitq *q, bool all)
{
	u64 flags = spin_lock_irqsave(&q->lock);
	bool any = wake_locked(q, all);

	spin_unlock_irqrestore(&q->lock, flags);
	return any;
}

void waitq_wake_nested(struct waitq *q)
{
	spin_lock_nested(&q->lock);
	wake_locked(q, true);
	spin_unlock(&q->lock);
}

void waitq_add(struct waitq *q, struct waiter *w)
{
	u64 flags = spin_lock_irqsave(&q->lock);

	list_add_head(&q->waiters, &w->link);
	spin_unlock_irqrestore(&q->lock, flags);
	smp_mb();		/* B, as in waitq_prepare() */
}

void waitq_remove(struct waitq *q, struct waiter *w)
{
	u64 flags = spin_lock_irqsave(&q->lock);

	list_del(&w->link);
	spin_unlock_irqrestore(&q->lock, flags);
}

void waitq_prepare(struct waitq *q, struct waiter *w)
{
	u64 flags;

	might_sleep();
	w->thread = thread_current();
	flags = spin_lock_irqsave(&q->lock);
	if (w->link.next == NULL || !list_linked(&w->link)) {
		/* those who all wake first, so that a wake-up of one reaches them too */
		if (w->exclusive)
			list_add_tail(&q->waiters, &w->link);
		else
			list_add_head(&q->waiters, &w->link);
	}
	__atomic_store_n(&w->thread->state, THREAD_WAITING, __ATOMIC_SEQ_CST);
	spin_unlock_irqrestore(&q->lock, flags);
	smp_mb();		/* B: the list before the condition; pairs with A in waitq.h */
}

static void timer_wake(struct timer *tm) { thread_wake(tm->arg); }

static bool interrupted(const struct thread *t, enum wait_how how)
{
	return (how == WAIT_INTR && __atomic_load_n(&t->signal_pending, __ATOMIC_SEQ_CST)) ||
	       (how != WAIT_PLAIN && __atomic_load_n(&t->fatal_pending, __ATOMIC_SEQ_CST));
}

int waitq_sleep(struct waiter *w, enum wait_how how, u64 deadline_ns)
{
	struct thread *t = w->thread;
	struct timer tm;

	might_sleep();
	if (interrupted(t, how))
		return -EINTR;
	if (deadline_ns == 0) {
		schedule();
		return interrupted(t, how) ? -EINTR : 0;
	}
	if (time_mono_ns() >= deadline_ns)
		return -ETIMEDOUT;
	timer_init(&tm, timer_wake, t);
	timer_start(&tm, deadline_ns);
	schedule();
	timer_cancel_sync(&tm);
	if (interrupted(t, how))
		return -EINTR;
	return time_mono_ns() >= deadline_ns ? -ETIMEDOUT : 0;
}

void waitq_finish(struct waitq *q, struct waiter *w)
{
	u64 flags = spin_lock_irqsave(&q->lock);

	list_del(&w->link);
	__atomic_store_n(&w->thread->state, THREAD_RUNNING, __ATOMIC_SEQ_CST);
	spin_unlock_irqrestore(&q->lock, flags);
}
