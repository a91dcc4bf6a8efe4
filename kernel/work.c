/* SPDX-License-Identifier: MIT */
/* Work queues: a list and the threads that serve it. */
#include "kernel/sched.h"
#include "kernel/work.h"
#include "lib/base/printk.h"
#include "mm/slab.h"

struct work_queue {
	struct spinlock lock;		/* interrupts off */
	struct list pending;		/* [lock] */
	struct waitq wait;
	const char *name;
};

struct work_queue *system_work;

void work_init(struct work *w, void (*fn)(struct work *w))
{
	list_init(&w->link);
	w->fn = fn;
	w->queued = false;
}

static struct work *take(struct work_queue *q)
{
	u64 flags = spin_lock_irqsave(&q->lock);
	struct work *w = list_first(&q->pending, struct work, link);

	if (w != NULL) {
		list_del(&w->link);
		w->queued = false;	/* from here on it may be queued again */
	}
	spin_unlock_irqrestore(&q->lock, flags);
	return w;
}

static void worker(void *arg)
{
	struct work_queue *q = arg;

	for (;;) {
		struct waiter me = { .exclusive = true };
		struct work *w;

		for (;;) {
			waitq_prepare(&q->wait, &me);
			w = take(q);
			if (w != NULL)
				break;
			(void)waitq_sleep(&me, WAIT_PLAIN, 0);
		}
		waitq_finish(&q->wait, &me);
		w->fn(w);
	}
}

struct work_queue *work_queue_create(const char *name, unsigned nr_threads, int prio)
{
	struct work_queue *q = kzalloc(sizeof(*q));

	if (q == NULL)
		return NULL;
	spin_init(&q->lock, name, RANK_WORK);
	list_init(&q->pending);
	waitq_init(&q->wait);
	q->name = name;
	for (unsigned i = 0; i < nr_threads; i++) {
		if (thread_spawn(worker, q, prio, "%s/%u", name, i) == 0)
			continue;
		if (i == 0) {
			kfree(q);
			return NULL;
		}
		pr_warn("work queue %s: %u threads instead of %u: out of memory", name, i, nr_threads);
		break;
	}
	return q;
}

bool work_queue_add(struct work_queue *q, struct work *w)
{
	u64 flags = spin_lock_irqsave(&q->lock);
	bool fresh = !w->queued;

	if (fresh) {
		w->queued = true;
		list_add_tail(&q->pending, &w->link);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	if (fresh)
		waitq_wake_one(&q->wait);
	return fresh;
}

void work_init_queues(void)
{
	thread_init_reaper();
	system_work = work_queue_create("work", 2, PRIO_NORMAL);
	if (system_work == NULL)
		panic("no memory for the system work queue");
}
