/* SPDX-License-Identifier: MIT */
/*
 * Wait queues. The condition is looked at again after every wake; a wake between the look and the sleep is not lost.
 *
 *	waitq_wait(&q, load_acquire(&done));			uninterruptible
 *	rc = waitq_wait_killable(&q, cond);			0, or -EINTR on a fatal signal
 *	rc = waitq_wait_intr(&q, cond, deadline_ns);		0, -EINTR (any signal), -ETIMEDOUT; deadline 0: none
 *	make the condition true; waitq_wake_all(&q);		any context, interrupts included
 *
 * A waiter that finds the condition true without having slept does not see whether the waker is still in waitq_wake_all(). So where
 * the waiter may free the queue (one on its stack), let the waker do both steps under a lock, and the condition take that lock.
 */
#ifndef KERNEL_WAITQ_H
#define KERNEL_WAITQ_H

#include "lib/base/atomic.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/errno.h"

struct thread;

struct waitq {
	struct spinlock lock;
	struct list waiters;	/* [lock] struct waiter */
};

struct waiter {			/* lives on the waiting thread's stack */
	struct list link;	/* [queue's lock] */
	struct thread *thread;	/* [I] */
	bool exclusive;		/* waitq_wake_one() stops after one of these */
	/*
	 * [I] not NULL: nobody sleeps here; each wake-up calls it, under the queue's lock with interrupts off, and leaves it on
	 * the queue. For those who wait for several queues at once (poll). It may take locks below RANK_WAITQ, and
	 * wake another queue by waitq_wake_nested().
	 */
	void (*called)(struct waiter *w);
};

#define WAITQ_INIT(name)	{ SPINLOCK_INIT(#name, RANK_WAITQ), LIST_INIT((name).waiters) }

enum wait_how { WAIT_PLAIN, WAIT_KILLABLE, WAIT_INTR };

void waitq_init(struct waitq *q);
bool waitq_wake(struct waitq *q, bool all);	/* for the two below: somebody waits, as far as one sees without the lock */

/* Wakes one, or all; false: nobody was waiting. As a rule nobody is. */
static inline bool waitq_wake_one(struct waitq *q)
{
	smp_mb();		/* A: the condition before the list; pairs with B in waitq_prepare() and waitq_add() */
	return !list_empty(&q->waiters) && waitq_wake(q, false);
}

static inline bool waitq_wake_all(struct waitq *q)
{
	smp_mb();		/* A, as above */
	return !list_empty(&q->waiters) && waitq_wake(q, true);
}

/* A waiter with a callback: on the queue until removed. After the removal the callback neither runs nor will run. */
void waitq_add(struct waitq *q, struct waiter *w);
void waitq_remove(struct waitq *q, struct waiter *w);
/* waitq_wake_all() of a queue that is woken from callbacks of others; only such queues may be. Interrupts off. */
void waitq_wake_nested(struct waitq *q);

/* The pieces of the macros below; use them only where a lock must be dropped between prepare and sleep. */
void waitq_prepare(struct waitq *q, struct waiter *w);		/* on the queue, thread marked as about to sleep */
int waitq_sleep(struct waiter *w, enum wait_how how, u64 deadline_ns); /* 0 woken, -EINTR, -ETIMEDOUT */
void waitq_finish(struct waitq *q, struct waiter *w);		/* off the queue, running again */

#define waitq_wait_how(q, cond, how, deadline_ns) ({				\
	int rc_ = 0;								\
	if (!(cond)) {								\
		struct waiter w_ = { .exclusive = false };			\
		for (;;) {							\
			waitq_prepare((q), &w_);				\
			if (cond) {						\
				rc_ = 0;					\
				break;						\
			}							\
			if (rc_ != 0)						\
				break;						\
			rc_ = waitq_sleep(&w_, (how), (deadline_ns));		\
		}								\
		waitq_finish((q), &w_);						\
	}									\
	rc_; })
#define waitq_wait(q, cond)		((void)waitq_wait_how(q, cond, WAIT_PLAIN, 0))
#define waitq_wait_timeout(q, cond, deadline_ns) waitq_wait_how(q, cond, WAIT_PLAIN, deadline_ns)
#define waitq_wait_killable(q, cond)	waitq_wait_how(q, cond, WAIT_KILLABLE, 0)
#define waitq_wait_intr(q, cond, deadline_ns) waitq_wait_how(q, cond, WAIT_INTR, deadline_ns)

#endif
