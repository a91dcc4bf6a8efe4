/* SPDX-License-Identifier: MIT */
/* Deferred work: fn runs once in a thread of the queue for each time it was queued while idle. */
#ifndef KERNEL_WORK_H
#define KERNEL_WORK_H

#include "lib/base/list.h"
#include "kernel/waitq.h"

struct work {
	struct list link;
	void (*fn)(struct work *w);	/* may sleep */
	bool queued;			/* [queue lock] */
};
struct work_queue;

void work_init(struct work *w, void (*fn)(struct work *w));
/* nr_threads workers of the priority; NULL when out of memory */
struct work_queue *work_queue_create(const char *name, unsigned nr_threads, int prio);
bool work_queue_add(struct work_queue *q, struct work *w);	/* any context; false: it was queued already */
extern struct work_queue *system_work;				/* for short things */
void work_init_queues(void);

#endif
