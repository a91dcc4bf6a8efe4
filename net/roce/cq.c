/* SPDX-License-Identifier: MIT */
/*
 * Completion queues: a ring, and a handler that one thread at a time calls. A place in the ring is reserved when a request is
 * posted, so a completion always finds room.
 */
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "mm/slab.h"
#include "net/roce/roce_impl.h"

struct roce_cq *roce_dev_cq_create(struct roce_dev *dev, u32 depth, void (*handler)(struct roce_cq *cq, void *arg), void *arg)
{
	struct roce_cq *cq = kzalloc(sizeof(*cq));

	if (cq == NULL)
		return NULL;
	cq->ring = kcalloc(depth, sizeof(struct roce_wc));
	if (cq->ring == NULL) {
		kfree(cq);
		return NULL;
	}
	cq->dev = dev;
	cq->depth = depth;
	cq->handler = handler;
	cq->arg = arg;
	cq->mod_count = 1;
	spin_init(&cq->lock, "cq", RANK_CQ);
	ref_init(&cq->refs, 1);
	list_init(&cq->link);
	spin_lock(&dev->lock);
	list_add_tail(&dev->cqs, &cq->link);
	spin_unlock(&dev->lock);
	return cq;
}

void cq_put(struct roce_cq *cq)
{
	if (ref_put(&cq->refs))
		panic("roce: completion queue lost its owner's reference");
}

void roce_cq_destroy(struct roce_cq *cq)
{
	spin_lock(&cq->dev->lock);
	list_del(&cq->link);
	spin_unlock(&cq->dev->lock);
	/* no QP uses it: what is left is a batch or a handler call in progress, soon over */
	while (atomic_read_acquire(&cq->refs.n) > 1 || atomic_read_acquire(&cq->kicks) != 0)
		thread_sleep_ns(NSEC_PER_MSEC);
	kfree(cq->ring);
	kfree(cq);
}

bool cq_reserve(struct roce_cq *cq)
{
	bool ok;

	spin_lock(&cq->lock);
	ok = cq->reserved < cq->depth;
	cq->reserved += ok;
	spin_unlock(&cq->lock);
	return ok;
}

void cq_release(struct roce_cq *cq)
{
	spin_lock(&cq->lock);
	cq->reserved--;
	spin_unlock(&cq->lock);
}

static bool cq_tell(struct roce_cq *cq)
{
	cq->untold = 0;
	WRITE_ONCE(cq->mod_due, 0);
	if (cq->notify != CQ_EVERY)
		cq->notify = CQ_UNARMED;
	return true;
}

/* A completion has come: does anybody want to know? */
static bool cq_wanted(struct roce_cq *cq, const struct roce_wc *wc)
{
	assert_held(&cq->lock);
	if (cq->notify == CQ_UNARMED ||
	    (cq->notify == CQ_ARMED_SOLICITED && wc->status == WC_SUCCESS && !(wc->flags & WC_SOLICITED)))
		return false;
	if (++cq->untold >= cq->mod_count)
		return cq_tell(cq);
	if (cq->mod_due == 0 && cq->mod_ns != 0) {
		WRITE_ONCE(cq->mod_due, time_mono_ns() + cq->mod_ns);
		roce_kick_at(cq->dev, cq->mod_due);
	}
	return false;
}

bool cq_push(struct roce_cq *cq, const struct roce_wc *wc)
{
	bool tell = true;

	spin_lock(&cq->lock);
	BUG_ON(cq->count >= cq->depth);
	cq->ring[(cq->head + cq->count++) % cq->depth] = *wc;
	if (unlikely(cq->notify != CQ_EVERY || cq->mod_count > 1))
		tell = cq_wanted(cq, wc);
	spin_unlock(&cq->lock);
	return tell;
}

bool cq_timer(struct roce_cq *cq, u64 now)
{
	bool tell = false;

	spin_lock(&cq->lock);
	if (cq->mod_due != 0 && now >= cq->mod_due)
		tell = cq_tell(cq);
	spin_unlock(&cq->lock);
	return tell;
}

bool roce_cq_arm(struct roce_cq *cq, bool solicited_only)
{
	bool waiting;

	spin_lock(&cq->lock);
	if (cq->notify != CQ_ARMED)		/* the wider wish stands (11.4.2.2) */
		cq->notify = solicited_only ? CQ_ARMED_SOLICITED : CQ_ARMED;
	waiting = cq->count != 0;
	spin_unlock(&cq->lock);
	return waiting;
}

void roce_cq_moderate(struct roce_cq *cq, u32 completions, u64 period_ns)
{
	spin_lock(&cq->lock);
	cq->mod_count = MAX(MIN(completions, cq->depth), 1U);
	cq->mod_ns = period_ns;
	if (cq->untold != 0) {			/* by the new rule, from now on; so many may wait already */
		u64 now = time_mono_ns(), due = cq->untold >= cq->mod_count ? now : period_ns != 0 ? now + period_ns : 0;

		WRITE_ONCE(cq->mod_due, due);
		if (due != 0)
			roce_kick_at(cq->dev, due);
	}
	spin_unlock(&cq->lock);
}

/* Completions were taken out: those that are gone are not told. What is left is told in the time of the oldest of all, never later. */
static void cq_taken(struct roce_cq *cq)
{
	assert_held(&cq->lock);
	if (cq->untold > cq->count) {
		cq->untold = cq->count;
		if (cq->untold == 0)
			WRITE_ONCE(cq->mod_due, 0);
	}
}

unsigned roce_cq_poll(struct roce_cq *cq, struct roce_wc *wc, unsigned n)
{
	unsigned got = 0;

	spin_lock(&cq->lock);
	while (got < n && cq->count != 0) {
		wc[got++] = cq->ring[cq->head];
		cq->head = (cq->head + 1) % cq->depth;
		cq->count--;
		cq->reserved--;
	}
	cq_taken(cq);
	spin_unlock(&cq->lock);
	return got;
}

/* Completions of a QP that is gone are nobody's any more. */
void cq_purge(struct roce_cq *cq, const struct roce_qp *qp)
{
	u32 kept = 0;

	spin_lock(&cq->lock);
	for (u32 i = 0; i < cq->count; i++) {
		struct roce_wc wc = cq->ring[(cq->head + i) % cq->depth];

		if (wc.qp != qp)
			cq->ring[(cq->head + kept++) % cq->depth] = wc;
	}
	cq->reserved -= cq->count - kept;
	cq->count = kept;
	cq_taken(cq);
	spin_unlock(&cq->lock);
}

void cq_run(struct roce_cq *cq)
{
	int seen;

	if (cq->handler == NULL || atomic_add_return(&cq->kicks, 1) != 1)
		return;			/* whoever is in the handler sees our kick when it returns */
	do {
		seen = atomic_read(&cq->kicks);
		cq->handler(cq, cq->arg);
	} while (atomic_sub_return(&cq->kicks, seen) != 0);
}

static const char *const wc_names[] = {
	[WC_SUCCESS] = "success", [WC_LOC_LEN_ERR] = "local length error", [WC_WR_FLUSH_ERR] = "flushed",
	[WC_BAD_RESP_ERR] = "bad response", [WC_REM_INV_REQ_ERR] = "remote invalid request",
	[WC_REM_ACCESS_ERR] = "remote access error", [WC_REM_OP_ERR] = "remote operation error",
	[WC_RETRY_EXC_ERR] = "retries exceeded", [WC_RNR_RETRY_EXC_ERR] = "receiver-not-ready retries exceeded",
};

const char *roce_wc_status_name(unsigned status)
{
	return status < ARRAY_SIZE(wc_names) && wc_names[status] != NULL ? wc_names[status] : "unknown";
}
