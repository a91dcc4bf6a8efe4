/* SPDX-License-Identifier: MIT */
/*
 * Waiting for files: a file's poll op says what is ready now, and names by poll_wait() the wait queues that are woken when
 * that changes. It names them before it looks, so that no change is missed.
 */
#ifndef MANAGERS_PROCESSOR_POLL_H
#define MANAGERS_PROCESSOR_POLL_H

#include "kernel/waitq.h"
#include "managers/processor/fs/file.h"
#include "managers/processor/fs/fs_abi.h"

struct poll_table {			/* who asks: a poll_set, or an item of an epoll */
	void (*add)(struct poll_table *pt, struct waitq *q, u32 events);	/* events: those that q's wake-ups are about */
};

/* Called by poll ops; pt NULL: only the state is wanted. */
static inline void poll_wait(struct poll_table *pt, struct waitq *q)
{
	if (pt != NULL)
		pt->add(pt, q, ~0U);
}

/* A queue that is woken for these events only: an edge there is none for who waits for others (epoll(7), EPOLLET). */
static inline void poll_wait_for(struct poll_table *pt, struct waitq *q, u32 events)
{
	if (pt != NULL)
		pt->add(pt, q, events | POLLERR | POLLHUP);
}

/* What is ready of an open file; one without a poll op is always ready. */
u32 file_poll(struct file *f, struct poll_table *pt);

/* Sleep until one of the events (or an error or end) is there: 0 or -ERESTARTSYS. */
int __must_check file_wait(struct file *f, u32 events);

struct pollfd_abi { s32 fd; s16 events, revents; };

/*
 * Sleep until one of p[0..n) of the current task's descriptors is ready: how many are, revents filled in. deadline: monotonic;
 * 0: none; POLL_NOW: do not sleep. -EINTR: a signal.
 */
#define POLL_NOW (~0ULL)
s64 __must_check poll_files(struct pollfd_abi *p, unsigned n, u64 deadline);

#endif
