/* SPDX-License-Identifier: MIT */
/*
 * Shared receive queues (10.2.9): receives that belong to whichever QP gets a message first. A QP takes one when a message
 * begins (or a WRITE with immediate ends), and from then on it stands in the QP's own receive queue; so a message of one QP
 * never lands in what another QP's message has begun to fill.
 */
#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/roce/roce_impl.h"

struct roce_srq *roce_dev_srq_create(struct roce_dev *dev, u32 max_wr, void (*limit)(struct roce_srq *srq, void *arg), void *arg)
{
	struct roce_srq *srq = kzalloc(sizeof(*srq));

	if (srq == NULL)
		return NULL;
	srq->max = MAX(max_wr, 1U);
	for (srq->size = 1; srq->size < srq->max;)
		srq->size *= 2;
	srq->ring = kcalloc(srq->size, sizeof(struct rq_wqe));
	if (srq->ring == NULL) {
		kfree(srq);
		return NULL;
	}
	srq->dev = dev;
	srq->limit_fn = limit;
	srq->arg = arg;
	spin_init(&srq->lock, "srq", RANK_SRQ);
	list_init(&srq->link);
	spin_lock(&dev->lock);
	list_add_tail(&dev->srqs, &srq->link);
	spin_unlock(&dev->lock);
	return srq;
}

void roce_srq_destroy(struct roce_srq *srq)
{
	struct roce_dev *dev = srq->dev;

	for (;;) {			/* the transport thread may be in its limit callback */
		bool busy;

		spin_lock(&dev->lock);
		busy = srq->in_callback;
		if (!busy)
			list_del(&srq->link);
		spin_unlock(&dev->lock);
		if (!busy)
			break;
		thread_sleep_ns(NSEC_PER_MSEC);
	}
	kfree(srq->ring);
	kfree(srq);
}

int roce_post_srq_recv(struct roce_srq *srq, const struct roce_recv_wr *wr)
{
	int rc = -ENOMEM;

	if (wr->nr_sge > ARRAY_SIZE(wr->sge))
		return -EINVAL;
	spin_lock(&srq->lock);
	if (srq->head - srq->tail < srq->max) {
		srq->ring[srq->head++ & (srq->size - 1)] = rq_wqe_of(wr);
		rc = 0;
	}
	spin_unlock(&srq->lock);
	return rc;
}

void roce_srq_arm(struct roce_srq *srq, u32 limit)
{
	spin_lock(&srq->lock);
	srq->limit = limit;
	spin_unlock(&srq->lock);
}

bool srq_take(struct roce_srq *srq, struct rq_wqe *out)
{
	bool ok, low;

	spin_lock(&srq->lock);
	ok = srq->tail != srq->head;
	if (ok)
		*out = srq->ring[srq->tail++ & (srq->size - 1)];
	low = srq->head - srq->tail < srq->limit;
	if (low)
		srq->limit = 0;			/* said once; armed again by its user (10.2.9.2) */
	spin_unlock(&srq->lock);
	if (low) {
		__atomic_store_n(&srq->limit_due, true, __ATOMIC_RELEASE);
		roce_kick(srq->dev);
	}
	return ok;
}

/* In the transport thread: tell the users of queues that run low. */
void srq_events(struct roce_dev *dev)
{
	struct roce_srq *srq;

	spin_lock(&dev->lock);
	list_for_each(srq, &dev->srqs, link) {
		if (!__atomic_exchange_n(&srq->limit_due, false, __ATOMIC_ACQ_REL) || srq->limit_fn == NULL)
			continue;
		srq->in_callback = true;	/* it stays on the list meanwhile */
		spin_unlock(&dev->lock);
		srq->limit_fn(srq, srq->arg);
		spin_lock(&dev->lock);
		srq->in_callback = false;
	}
	spin_unlock(&dev->lock);
}
