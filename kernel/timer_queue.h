/* SPDX-License-Identifier: MIT */
/* The timers of one CPU by time: a tree with its first at hand. Pure: the caller locks. Equal times fire in order of start. */
#ifndef KERNEL_TIMER_QUEUE_H
#define KERNEL_TIMER_QUEUE_H

#include "kernel/time.h"
#include "lib/rbtree.h"

struct timer_queue {
	struct rb_tree tree;
	struct timer *first;	/* NULL: empty */
};

void timer_queue_add(struct timer_queue *q, struct timer *t);
void timer_queue_del(struct timer_queue *q, struct timer *t);

#endif
