/* SPDX-License-Identifier: MIT */
/* Sleeping lock. Ranked like spinlocks (lib/base/lock.h); a holder may sleep and may call other nodes. */
#ifndef KERNEL_MUTEX_H
#define KERNEL_MUTEX_H

#include "kernel/waitq.h"

struct mutex {
	struct thread *owner;	/* [wait.lock] */
	u16 rank;		/* [I] */
	const char *name;	/* [I] */
	struct waitq wait;
};

#define MUTEX_INIT(n, r)	{ .rank = (r), .name = #n, .wait = WAITQ_INIT((n).wait) }
#define DEFINE_MUTEX(n, r)	struct mutex n = MUTEX_INIT(n, r)

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank);
void mutex_lock(struct mutex *m);
void mutex_lock_nested(struct mutex *m);		/* a second mutex of the same rank, in the rank's stated order */
int __must_check mutex_lock_killable(struct mutex *m);	/* 0 or -EINTR on a fatal signal */
bool __must_check mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_held(const struct mutex *m);			/* by the calling thread */

#endif
