/* SPDX-License-Identifier: MIT */
/*
 * The receive thread of a network queue: it takes what there is, looks on for a moment when frames come densely, and
 * sleeps until the interrupt otherwise. An idle network costs nothing (L45); a busy one costs no interrupt a frame.
 */
#ifndef DRIVERS_NET_POLL_H
#define DRIVERS_NET_POLL_H

#include "kernel/waitq.h"

struct net_poll {
	/* set by the driver; arg is theirs */
	unsigned (*batch)(void *arg);		/* handle what has arrived, up to a bound; how many frames it was */
	bool (*pending)(void *arg);		/* has something arrived? cheap */
	bool (*irq_enable)(void *arg);		/* wish for an interrupt; false: something has arrived already */
	void *arg;
	/* net_poll.c's */
	struct waitq wait;
	u64 window_ns;				/* how long to look on at most: net.poll */
	u64 gap_ns;				/* average time from running dry to the next frame */
};

void net_poll_init(struct net_poll *p);
/* Start the thread; cpu < 0: wherever the scheduler likes. 0 or -ENOMEM. */
int __must_check net_poll_start(struct net_poll *p, unsigned nr, int cpu);
void net_poll_wake(struct net_poll *p);		/* by the interrupt handler */

#endif
