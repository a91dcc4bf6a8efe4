/* SPDX-License-Identifier: MIT */
/*
 * A RoCE port: its transport thread, which sleeps until the earliest timer or a kick, and the end of a receive batch, where
 * completion handlers run and acknowledgements go out.
 */
#include "arch/x86/platform.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "net/roce/roce_impl.h"

DEFINE_COUNTERS(roce, ROCE_COUNTERS);

/* --- batches ------------------------------------------------------------------------------------------------- */

void roce_ctx_add_cq(struct roce_rx_ctx *ctx, struct roce_cq *cq)
{
	if (ctx != NULL) {
		for (unsigned i = 0; i < ctx->nr_cqs; i++) {
			if (ctx->cqs[i] == cq)
				return;
		}
		if (ctx->nr_cqs < ROCE_CTX_MAX) {
			ref_get(&cq->refs);
			ctx->cqs[ctx->nr_cqs++] = cq;
			return;
		}
	}
	__atomic_store_n(&cq->deferred, true, __ATOMIC_RELEASE);
	roce_kick(cq->dev);
}

/* Handlers first: what they post may leave with the acknowledgements, and somebody waits for it. */
void roce_ctx_flush(struct roce_rx_ctx *ctx)
{
	struct roce_cq *cqs[ROCE_CTX_MAX];
	unsigned nr = ctx->nr_cqs;

	for (unsigned i = 0; i < nr; i++)
		cqs[i] = ctx->cqs[i];
	ctx->nr_cqs = 0;
	for (unsigned i = 0; i < nr; i++) {
		cq_run(cqs[i]);
		cq_put(cqs[i]);
	}
	for (unsigned i = 0; i < ctx->nr_qps; i++) {
		struct roce_qp *qp = ctx->qps[i];

		spin_lock(&qp->lock);
		if (qp->type == QPT_RC && qp->state != QPS_ERR && !qp->dying) {
			resp_flush(qp);
			req_transmit(qp);
			if (unlikely(qp->cnp_due))
				cc_flush(qp);
			if (qp->ack_due != 0)		/* not answered within the batch */
				roce_kick_at(qp->dev, qp->ack_due);
		}
		tx_flush(qp);
		spin_unlock(&qp->lock);
		qp_put(qp);
	}
	ctx->nr_qps = 0;
}

void roce_batch_end(void *arg, unsigned queue)
{
	struct roce_dev *dev = arg;

	roce_ctx_flush(&dev->rx[queue % ROCE_MAX_QUEUES]);
}

/* --- the transport thread -------------------------------------------------------------------------------------- */

/* Lower the time of the next round; wakes the thread if that is news. Any context. */
void roce_kick_at(struct roce_dev *dev, u64 when_ns)
{
	u64 cur = __atomic_load_n(&dev->wake_at, __ATOMIC_SEQ_CST);

	while (when_ns < cur) {
		if (__atomic_compare_exchange_n(&dev->wake_at, &cur, when_ns, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			waitq_wake_one(&dev->wait);
			return;
		}
	}
}

static void kick_from_net(void *dev)
{
	roce_kick(dev);
}

/* A queue whose handler is to be called, or might be: its time has come. *next: when another's does. */
static struct roce_cq *next_deferred(struct roce_dev *dev, u64 now, u64 *next)
{
	struct roce_cq *cq;

	spin_lock(&dev->lock);
	list_for_each(cq, &dev->cqs, link) {
		u64 due = READ_ONCE(cq->mod_due);

		if (due > now)
			*next = MIN(*next, due);
		if (READ_ONCE(cq->deferred) || (due != 0 && due <= now)) {
			ref_get(&cq->refs);
			spin_unlock(&dev->lock);
			return cq;
		}
	}
	spin_unlock(&dev->lock);
	return NULL;
}

void roce_dev_watch_port(struct roce_dev *dev, struct roce_port_watch *w)
{
	w->next = __atomic_load_n(&dev->watches, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&dev->watches, &w->next, w, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	roce_kick(dev);
}

/* Is the link as it was? */
static void port_look(struct roce_dev *dev)
{
	bool down = READ_ONCE(dev->nif->dev->no_carrier);

	if (unlikely(down != dev->port_down)) {
		dev->port_down = down;
		if (down) {
			count(nr_roce_port_err);
		} else {
			count(nr_roce_port_active);
			arp_announce(dev->nif);		/* a switch may have forgotten us, or be another */
		}
	}
	for (struct roce_port_watch *w = __atomic_load_n(&dev->watches, __ATOMIC_ACQUIRE); w != NULL; w = w->next) {
		if (likely(w->down == down))
			continue;
		w->down = down;
		w->fn(down ? ROCE_PORT_ERR : ROCE_PORT_ACTIVE, w->arg);
	}
}

u64 roce_dev_run(struct roce_dev *dev)
{
	u64 now, next, t;
	struct roce_cq *cq;

	__atomic_store_n(&dev->wake_at, ~0ULL, __ATOMIC_SEQ_CST);	/* what comes from here on lowers it again */
	__atomic_store_n(&dev->tx_stalled, false, __ATOMIC_SEQ_CST);
	now = time_mono_ns();
	port_look(dev);
	next = netif_timers(dev->nif, now);
	for (u32 i = 0; i < READ_ONCE(dev->slots_used); i++) {
		struct roce_qp *qp = qp_at_slot(dev, i);

		if (qp == NULL)
			continue;
		t = qp_timers(qp, now);
		next = MIN(next, t);
		qp_put(qp);
	}
	roce_ctx_flush(&dev->thread_ctx);
	while ((cq = next_deferred(dev, now, &next)) != NULL) {
		bool due = cq_timer(cq, now);

		if (__atomic_exchange_n(&cq->deferred, false, __ATOMIC_ACQ_REL) || due)
			cq_run(cq);
		cq_put(cq);
	}
	for (u32 i = 0; i < READ_ONCE(dev->slots_used); i++) {
		struct roce_qp *qp = qp_at_slot(dev, i);

		if (qp == NULL)
			continue;
		qp_tell_now(qp);
		qp_put(qp);
	}
	srq_events(dev);
	t = cm_run(dev, now);
	next = MIN(next, t);
	roce_kick_at(dev, next);
	return __atomic_load_n(&dev->wake_at, __ATOMIC_SEQ_CST);
}

void roce_dev_thread(void *arg)
{
	struct roce_dev *dev = arg;

	for (;;) {
		u64 target = roce_dev_run(dev);

		if (target != 0)
			waitq_wait_timeout(&dev->wait, __atomic_load_n(&dev->wake_at, __ATOMIC_SEQ_CST) < target,
					   target == ~0ULL ? 0 : target);
	}
}

/* --- making one -------------------------------------------------------------------------------------------------- */

struct roce_dev *roce_dev_create(struct netdev *netdev, u32 ip, unsigned prefix_len)
{
	struct roce_dev *dev = kzalloc(sizeof(*dev));
	u32 room;

	if (dev == NULL)
		return NULL;
	spin_init(&dev->lock, "roce", RANK_NET);
	waitq_init(&dev->wait);
	list_init(&dev->cqs);
	list_init(&dev->srqs);
	for (unsigned i = 0; i < ROCE_QP_SLOTS; i++)
		spin_init(&dev->slot[i].lock, "qp slot", RANK_LEAF);
	for (unsigned i = 0; i < ROCE_MAX_QUEUES; i++)
		dev->rx[i].dev = dev;
	dev->thread_ctx.dev = dev;
	dev->wake_at = ~0ULL;
	dev->next_slot = 2;
	dev->qpn_gen = arch_random();
	dev->nif = netif_create(netdev, ip, prefix_len, kick_from_net, dev);
	if (dev->nif == NULL || cm_init(dev) < 0) {
		roce_dev_destroy(dev);
		return NULL;
	}
	roce_gid_link_local(dev->gid[ROCE_GID_LINK_LOCAL], netdev->mac);
	roce_gid_ipv4(dev->gid[ROCE_GID_IPV4], ip);
	/* the largest payload that fits with the longest headers */
	room = dev->nif->mtu - IP_HLEN - UDP_HLEN - ROCE_MAX_HEADERS - ICRC_LEN;
	for (dev->max_mtu = 4096; dev->max_mtu > 256 && dev->max_mtu > room;)
		dev->max_mtu /= 2;
	if (udp_bind(dev->nif, ROCE_UDP_PORT, roce_rx, roce_batch_end, dev) < 0)
		panic("roce: a fresh interface has its port taken");
	return dev;
}

int roce_dev_gid(const struct roce_dev *dev, unsigned index, u8 gid[16])
{
	if (index >= ARRAY_SIZE(dev->gid))
		return -EINVAL;
	memcpy(gid, dev->gid[index], 16);
	return 0;
}

int roce_dev_start(struct roce_dev *dev)
{
	return netif_start(dev->nif);
}

void roce_dev_destroy(struct roce_dev *dev)
{
	cm_free(dev);
	mr_free_all(dev);
	if (dev->nif != NULL)
		netif_free(dev->nif);
	kfree(dev);
}
