/* SPDX-License-Identifier: MIT */
/*
 * Queue pairs: what they are, their states, posting, completing, flushing (InfiniBand Architecture Specification 10.2, 10.3).
 */
#include "arch/x86/platform.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/roce/roce_impl.h"

/* --- states (10.3.1): the names in the order of enum roce_qp_state -------------------------------------- */

#define QP_STATES(X)								\
	X(RESET)	/* a receive that is posted leads to INIT */				\
	X(INIT)		/* receives may be posted; packets are dropped */	\
	X(RTR)		/* takes requests */					\
	X(RTS)		/* takes and makes requests */				\
	X(SQD)		/* makes no new requests */				\
	X(SQE)		/* UD: a send failed; receives go on */			\
	X(ERR)		/* everything posted completes as flushed */
#define QP_EVENTS(X) X(TO_INIT) X(TO_RTR) X(TO_RTS) X(DRAIN) X(SEND_ERROR) X(ERROR)

#define STATE_NAME(s) #s,
#define EVENT_ENUM(e) QPE_##e,
static const char *const qp_state_name[] = { QP_STATES(STATE_NAME) };
static const char *const qp_event_name[] = { QP_EVENTS(STATE_NAME) };
enum qp_event { QP_EVENTS(EVENT_ENUM) NR_QPE };
#define NR_QPS (QPS_ERR + 1)
_Static_assert(ARRAY_SIZE(qp_state_name) == NR_QPS, "the list names every state");

/* next state plus one; 0: not legal. None leads back to RESET: a QP that was in use is destroyed. */
#define TO(s) (QPS_##s + 1)
static const u8 qp_next[NR_QPS][NR_QPE] = {
	[QPS_RESET] = { [QPE_TO_INIT] = TO(INIT), [QPE_ERROR] = TO(ERR) },
	[QPS_INIT]  = { [QPE_TO_INIT] = TO(INIT), [QPE_TO_RTR] = TO(RTR), [QPE_ERROR] = TO(ERR) },
	[QPS_RTR]   = { [QPE_TO_RTS] = TO(RTS), [QPE_ERROR] = TO(ERR) },
	[QPS_RTS]   = { [QPE_TO_RTS] = TO(RTS), [QPE_DRAIN] = TO(SQD), [QPE_SEND_ERROR] = TO(SQE), [QPE_ERROR] = TO(ERR) },
	[QPS_SQD]   = { [QPE_TO_RTS] = TO(RTS), [QPE_DRAIN] = TO(SQD), [QPE_ERROR] = TO(ERR) },
	[QPS_SQE]   = { [QPE_TO_RTS] = TO(RTS), [QPE_ERROR] = TO(ERR) },
	[QPS_ERR]   = { [QPE_ERROR] = TO(ERR) },
};

static bool qp_may_step(const struct roce_qp *qp, enum qp_event ev) { return qp_next[qp->state][ev] != 0; }

static void qp_step(struct roce_qp *qp, enum qp_event ev)	/* sole writer of qp->state */
{
	assert_held(&qp->lock);
	if (!qp_may_step(qp, ev))
		panic("roce: QP %06x: %s in state %s", qp->qpn, qp_event_name[ev], qp_state_name[qp->state]);
	qp->state = qp_next[qp->state][ev] - 1;
}

/* --- table --------------------------------------------------------------------------------------------- */

struct roce_qp *qp_at_slot(struct roce_dev *dev, u32 i)
{
	struct roce_qp *qp;

	spin_lock(&dev->slot[i].lock);
	qp = dev->slot[i].qp;
	if (qp != NULL)
		ref_get(&qp->refs);
	spin_unlock(&dev->slot[i].lock);
	return qp;
}

struct roce_qp *qp_find(struct roce_dev *dev, u32 qpn)
{
	struct roce_qp *qp = qp_at_slot(dev, qpn % ROCE_QP_SLOTS);

	if (qp != NULL && qp->qpn != qpn) {
		qp_put(qp);
		return NULL;
	}
	return qp;
}

void qp_put(struct roce_qp *qp)
{
	if (ref_put(&qp->refs))
		panic("roce: QP lost its owner's reference");
}

/* A number whose slot is free and that was not in use lately: late packets for a QP that is gone find nobody. */
static int qp_number(struct roce_dev *dev, struct roce_qp *qp)
{
	int rc = -ENOMEM;

	spin_lock(&dev->lock);
	for (u32 i = 0; i < ROCE_QP_SLOTS; i++) {
		u32 slot = (dev->next_slot + i) % ROCE_QP_SLOTS;

		if (slot < 2)		/* 0 and 1 are the subnet and the general management QP */
			continue;
		spin_lock(&dev->slot[slot].lock);
		if (dev->slot[slot].qp == NULL) {
			dev->qpn_gen++;
			qp->qpn = (dev->qpn_gen * ROCE_QP_SLOTS | slot) & PSN_MASK;
			if (qp->qpn == slot)
				qp->qpn |= ROCE_QP_SLOTS;
			dev->slot[slot].qp = qp;
			rc = 0;
		}
		spin_unlock(&dev->slot[slot].lock);
		if (rc == 0) {
			dev->next_slot = slot % 61 + 2;		/* low slots first: the transport thread looks at all up to the highest */
			dev->slots_used = MAX(dev->slots_used, slot + 1);
			break;
		}
	}
	spin_unlock(&dev->lock);
	return rc;
}

static u32 ring_size(u32 n)
{
	u32 size = 1;

	while (size < n)
		size *= 2;
	return size;
}

static void qp_free(struct roce_qp *qp)
{
	txpool_free(qp);
	kfree(qp->sq);
	kfree(qp->rq);
	kfree(qp);
}

struct roce_qp *roce_dev_qp_create(struct roce_dev *dev, const struct roce_qp_init *init)
{
	struct roce_qp *qp = kzalloc(sizeof(*qp));

	if (qp == NULL)
		return NULL;
	qp->dev = dev;
	qp->type = init->type;
	qp->pd = init->pd;
	qp->sq_sig_all = init->sq_sig_all;
	qp->send_cq = init->send_cq;
	qp->recv_cq = init->recv_cq;
	qp->srq = init->srq;
	qp->event = init->event;
	qp->arg = init->arg;
	qp->rnr_code = init->rnr_timer_ns == 0 ? ROCE_RNR_CODE : roce_rnr_code(init->rnr_timer_ns);
	ref_init(&qp->refs, 1);
	spin_init(&qp->lock, "qp", RANK_QP);
	qp->state = QPS_RESET;
	qp->sq_max = MAX(init->max_send_wr, 1U);
	qp->sq_size = ring_size(qp->sq_max);
	qp->rq_max = MAX(init->max_recv_wr, 1U);
	qp->rq_size = ring_size(qp->rq_max);
	qp->sq = kcalloc(qp->sq_size, sizeof(struct sq_wqe));
	qp->rq = kcalloc(qp->rq_size, sizeof(struct rq_wqe));
	if (qp->sq == NULL || qp->rq == NULL || txpool_init(qp, ROCE_TX_POOL) < 0 || qp_number(dev, qp) < 0) {
		qp_free(qp);
		return NULL;
	}
	qp->txq = qp->qpn % MAX(dev->nif->dev->nr_queues, 1U);
	return qp;
}

/*
 * A receive batch, a round of the transport thread, the driver: all let go soon. But a device may have stopped, and nobody
 * shall wait for that for ever: false, and its frames, and so the QP, are never freed. Counts sleeps: a node that is kept off
 * its CPU is not a device that has stopped.
 */
static bool qp_drain(struct roce_qp *qp)
{
	/* acquire: what they did last comes before the QP is freed */
	for (unsigned ms = 0; atomic_read_acquire(&qp->refs.n) > 1 || atomic_read_acquire(&qp->tx.out) != 0; ms++) {
		if (ms >= ROCE_DRAIN_MS && ref_read(&qp->refs) == 1) {
			count(nr_roce_qp_lost);
			pr_err("roce: QP %06x: the device keeps %d frames; their memory is lost", qp->qpn,
			       atomic_read(&qp->tx.out));
			return false;
		}
		thread_sleep_ns(NSEC_PER_MSEC);
	}
	return true;
}

void roce_qp_destroy(struct roce_qp *qp)
{
	struct roce_dev *dev = qp->dev;
	u32 slot = qp->qpn % ROCE_QP_SLOTS;
	bool drained;

	spin_lock(&qp->lock);
	qp->dying = true;
	if (qp->state != QPS_ERR)
		qp_step(qp, QPE_ERROR);
	qp->rto_due = qp->probe_due = qp->rnr_due = qp->ack_due = qp->pace_due = 0;
	tx_flush(qp);
	spin_unlock(&qp->lock);
	spin_lock(&dev->slot[slot].lock);
	dev->slot[slot].qp = NULL;
	spin_unlock(&dev->slot[slot].lock);
	drained = qp_drain(qp);
	if (qp->neigh != NULL)
		neighbour_put(dev->nif, qp->neigh);
	for (u32 i = qp->sq_tail; i != qp->sq_head; i++)
		cq_release(qp->send_cq);
	for (u32 i = qp->rq_tail; i != qp->rq_head; i++)
		cq_release(qp->recv_cq);
	cq_purge(qp->send_cq, qp);
	if (qp->recv_cq != qp->send_cq)
		cq_purge(qp->recv_cq, qp);
	if (drained)
		qp_free(qp);
}

enum roce_qp_state roce_qp_state(const struct roce_qp *qp) { return READ_ONCE(qp->state); }
u32 roce_qp_num(const struct roce_qp *qp) { return qp->qpn; }
void *roce_qp_arg(const struct roce_qp *qp) { return qp->arg; }

/* --- on the way up --------------------------------------------------------------------------------------- */

int roce_qp_to_rtr(struct roce_qp *qp, const struct roce_qp_attr *a)
{
	struct roce_dev *dev = qp->dev;
	struct neighbour *n = NULL;
	u32 mix = qp->qpn * a->remote_qpn;
	int rc = -EINVAL;

	if (qp->type == QPT_RC) {
		n = neighbour_get(dev->nif, a->remote_ip);
		if (n == NULL)
			return -EHOSTUNREACH;
	}
	spin_lock(&qp->lock);
	if (qp->state == QPS_RESET)
		qp_step(qp, QPE_TO_INIT);
	if (qp->state == QPS_INIT && !qp->dying) {
		qp->attr = *a;
		qp->attr.rd_out = MIN(MAX(a->rd_out, 1), ROCE_MAX_RD);
		qp->attr.rd_in = MIN(a->rd_in, ROCE_MAX_RD);
		qp->neigh = n;
		n = NULL;
		/* fixed for the connection, the same both ways: a hash of both numbers */
		qp->sport = 0xc000 | ((mix ^ mix >> 14 ^ mix >> 28) & 0x3fff);
		qp->psn_post = qp->psn_next = qp->psn_max = qp->psn_una = a->sq_psn & PSN_MASK;
		qp->asked = qp->recover = qp->psn_una;
		qp->window = ROCE_WINDOW;
		qp->epsn = qp->ack_end = a->rq_psn & PSN_MASK;
		qp->msn = qp->msn_post = 0;
		qp->limited = a->flow_control;		/* until the peer says more (9.7.7.2.4) */
		qp->msn_limit = 0;
		qp->rto_ns = a->ack_timeout_ns != 0 ? a->ack_timeout_ns : ROCE_RTO_DEFAULT_NS;
		qp->retries = a->retry_count;
		qp->rnr_retries = a->rnr_retry;
		tx_prepare(qp);
		qp_step(qp, QPE_TO_RTR);
		rc = 0;
	}
	spin_unlock(&qp->lock);
	if (n != NULL)
		neighbour_put(dev->nif, n);
	return rc;
}

int roce_qp_to_rts(struct roce_qp *qp)
{
	int rc = -EINVAL;

	spin_lock(&qp->lock);
	if (qp_may_step(qp, QPE_TO_RTS)) {
		qp_step(qp, QPE_TO_RTS);
		rc = 0;
	}
	spin_unlock(&qp->lock);
	return rc;
}

int roce_qp_drain(struct roce_qp *qp)
{
	int rc = -EINVAL;

	spin_lock(&qp->lock);
	if (qp->type == QPT_RC && qp->state == QPS_RTS && !qp->dying) {
		qp_step(qp, QPE_DRAIN);
		qp->drained = false;
		req_drain(qp);
		rc = 0;
	}
	spin_unlock(&qp->lock);
	return rc;
}

int roce_qp_resume(struct roce_qp *qp)
{
	int rc = -EINVAL;

	spin_lock(&qp->lock);
	if (qp->type == QPT_RC && qp->state == QPS_SQD && !qp->dying) {
		qp_step(qp, QPE_TO_RTS);
		req_transmit(qp);
		tx_flush(qp);
		rc = 0;
	} else if (qp->type == QPT_UD && qp->state == QPS_SQE && !qp->dying) {
		qp_step(qp, QPE_TO_RTS);
		rc = 0;
	}
	spin_unlock(&qp->lock);
	return rc;
}

int roce_qp_ud_start(struct roce_qp *qp, u32 qkey)
{
	int rc = -EINVAL;

	spin_lock(&qp->lock);
	if (qp->type == QPT_UD && qp->state <= QPS_INIT) {
		qp->qkey = qkey;
		qp_step(qp, QPE_TO_INIT);
		qp_step(qp, QPE_TO_RTR);
		qp_step(qp, QPE_TO_RTS);
		rc = 0;
	}
	spin_unlock(&qp->lock);
	return rc;
}

void roce_qp_open_gate(struct roce_qp *qp)
{
	spin_lock(&qp->lock);
	qp->attr.gate = false;
	spin_unlock(&qp->lock);
}

/* --- completions ------------------------------------------------------------------------------------------ */

void qp_complete_send(struct roce_qp *qp, struct sq_wqe *w, unsigned status)
{
	static const u8 opcode[] = {
		[WR_SEND] = WC_SEND, [WR_SEND_WITH_IMM] = WC_SEND, [WR_SEND_WITH_INV] = WC_SEND, [WR_RDMA_WRITE] = WC_RDMA_WRITE,
		[WR_RDMA_WRITE_WITH_IMM] = WC_RDMA_WRITE, [WR_RDMA_READ] = WC_RDMA_READ, [WR_CMP_SWAP] = WC_COMP_SWAP,
		[WR_FETCH_ADD] = WC_FETCH_ADD,
	};

	assert_held(&qp->lock);
	if (status == WC_SUCCESS && !(w->flags & WR_SIGNALED) && !qp->sq_sig_all) {
		cq_release(qp->send_cq);
		return;
	}
	if (cq_push(qp->send_cq, &(struct roce_wc){
		.wr_id = w->wr_id, .qp = qp, .byte_len = w->len, .status = status, .opcode = opcode[w->opcode],
	    }) && !qp->polled)
		roce_ctx_add_cq(qp->ctx, qp->send_cq);
}

struct rq_wqe *rq_peek(struct roce_qp *qp)
{
	return qp->rq_tail == qp->rq_head ? NULL : &qp->rq[qp->rq_tail & (qp->rq_size - 1)];
}

struct rq_wqe *rq_next(struct roce_qp *qp)
{
	struct rq_wqe *r = rq_peek(qp);

	if (r != NULL || qp->srq == NULL || !cq_reserve(qp->recv_cq))
		return r;
	r = &qp->rq[qp->rq_head & (qp->rq_size - 1)];
	if (!srq_take(qp->srq, r)) {
		cq_release(qp->recv_cq);
		return NULL;
	}
	qp->rq_head++;
	return r;
}

void qp_complete_recv(struct roce_qp *qp, struct roce_wc *wc)
{
	assert_held(&qp->lock);
	wc->wr_id = rq_peek(qp)->wr_id;
	wc->qp = qp;
	qp->rq_tail++;
	if (cq_push(qp->recv_cq, wc))
		roce_ctx_add_cq(qp->ctx, qp->recv_cq);
}

void qp_copy_out(const struct roce_sge *sge, unsigned nr, u32 off, const void *src, u32 len)
{
	const u8 *s = src;

	for (unsigned i = 0; i < nr && len != 0; i++) {
		u32 n;

		if (off >= sge[i].len) {
			off -= sge[i].len;
			continue;
		}
		n = MIN(sge[i].len - off, len);
		memcpy((u8 *)sge[i].ptr + off, s, n);
		s += n;
		len -= n;
		off = 0;
	}
}

/* In ERR: everything posted completes as flushed, in order (10.3.1.6). */
static void qp_flush(struct roce_qp *qp)
{
	assert_held(&qp->lock);
	tx_flush(qp);			/* nothing is sent later that points at memory given back by this */
	qp->rto_due = qp->probe_due = qp->rnr_due = qp->ack_due = qp->pace_due = 0;
	qp->nak_due = 0;
	qp->ack_now = false;
	qp->rd_tail = qp->rd_head;
	while (qp->sq_tail != qp->sq_head)
		qp_complete_send(qp, sq_at(qp, qp->sq_tail++), WC_WR_FLUSH_ERR);
	qp->sq_cur = qp->sq_tail;
	while (rq_peek(qp) != NULL)
		qp_complete_recv(qp, &(struct roce_wc){ .status = WC_WR_FLUSH_ERR, .opcode = WC_RECV });
}

/* --- events ------------------------------------------------------------------------------------------------ */

void qp_tell(struct roce_qp *qp, enum roce_event ev)
{
	__atomic_fetch_or(&qp->events_due, 1U << ev, __ATOMIC_ACQ_REL);
	roce_kick(qp->dev);
}

void qp_tell_now(struct roce_qp *qp)
{
	u32 due = READ_ONCE(qp->events_due) == 0 ? 0 : __atomic_exchange_n(&qp->events_due, 0, __ATOMIC_ACQ_REL);

	for (unsigned ev = 0; due != 0; ev++, due >>= 1) {
		if ((due & 1) && qp->event != NULL)
			qp->event(qp, ev, qp->arg);
	}
}

/* Into ERR: the user's wish, or something failed. */
static void qp_to_error(struct roce_qp *qp)
{
	qp_step(qp, QPE_ERROR);
	qp_flush(qp);
	if (qp->srq != NULL)
		qp_tell(qp, ROCE_EVENT_QP_LAST_WQE_REACHED);
}

void qp_send_failed(struct roce_qp *qp)
{
	if (qp->state == QPS_RTS)
		qp_step(qp, QPE_SEND_ERROR);
}

void qp_fail(struct roce_qp *qp, enum roce_event why)
{
	assert_held(&qp->lock);
	if (qp->state == QPS_ERR)
		return;
	qp->cc.rate = 0;
	resp_flush(qp);			/* a NAK that is due; by that it may fail at once */
	if (qp->state == QPS_ERR)
		return;
	count(nr_roce_qp_error);
	qp_to_error(qp);
	__atomic_store_n(&qp->broken, true, __ATOMIC_RELEASE);
	qp_tell(qp, why);
}

void roce_qp_error(struct roce_qp *qp)
{
	spin_lock(&qp->lock);
	if (!qp->dying && qp->state != QPS_ERR) {
		qp_to_error(qp);
		tx_flush(qp);
	}
	spin_unlock(&qp->lock);
}

/* --- posting ---------------------------------------------------------------------------------------------- */

/* What a request needs: its length, and that it is one we can make. */
static int wr_check(const struct roce_qp *qp, const struct roce_send_wr *wr, u32 *out_len)
{
	u64 len = 0;

	if (wr->nr_sge > ROCE_MAX_SGE || wr->opcode > WR_FETCH_ADD)
		return -EINVAL;
	for (unsigned i = 0; i < wr->nr_sge; i++)
		len += wr->sge[i].len;
	if (len > 1U << 31 || len > (u64)MAX(qp->attr.mtu, 256U) << 21)	/* a quarter of the PSNs */
		return -EINVAL;
	if ((wr->opcode == WR_CMP_SWAP || wr->opcode == WR_FETCH_ADD) && (len != 8 || (wr->remote_addr & 7) != 0))
		return -EINVAL;
	*out_len = len;
	return 0;
}

static int rc_post(struct roce_qp *qp, const struct roce_send_wr *wr)
{
	struct sq_wqe *w;
	u32 len;
	int rc = wr_check(qp, wr, &len);

	if (rc < 0)
		return rc;
	if (qp->sq_head - qp->sq_tail >= qp->sq_max || !cq_reserve(qp->send_cq))
		return -ENOMEM;
	w = sq_at(qp, qp->sq_head++);
	w->wr_id = wr->wr_id;
	w->opcode = wr->opcode;
	w->flags = wr->flags;
	w->nr_sge = wr->nr_sge;
	memcpy(w->sge, wr->sge, wr->nr_sge * sizeof(wr->sge[0]));
	w->len = len;
	w->imm = wr->imm;
	w->remote_addr = wr->remote_addr;
	w->rkey = wr->rkey;
	w->compare_add = wr->compare_add;
	w->swap = wr->swap;
	w->got = 0;
	w->psn = qp->psn_post;
	w->nr_psn = MAX(DIV_ROUND_UP(len, MAX(qp->attr.mtu, 256U)), 1U);
	w->msn = qp->msn_post = psn_add(qp->msn_post, 1);
	qp->psn_post = psn_add(qp->psn_post, w->nr_psn);
	if (qp->state == QPS_ERR)
		qp_flush(qp);
	else
		req_transmit(qp);
	if ((wr->flags & WR_TAKEN) && qp->sq_cur == qp->sq_head)	/* it is on its way */
		resp_told(qp, wr->taken);
	if (!(wr->flags & WR_MORE))
		tx_flush(qp);
	return 0;
}

int roce_post_send(struct roce_qp *qp, const struct roce_send_wr *wr)
{
	int rc = -EINVAL;

	spin_lock(&qp->lock);
	if (qp->state >= QPS_RTS && !qp->dying)
		rc = qp->type == QPT_RC ? rc_post(qp, wr) : ud_post(qp, wr);
	spin_unlock(&qp->lock);
	return rc;
}

void roce_qp_delivered(struct roce_qp *qp, u32 nr_messages)
{
	spin_lock(&qp->lock);
	if (qp->type == QPT_RC && !qp->dying && (qp->state == QPS_RTS || qp->state == QPS_SQD)) {
		qp->polled = true;
		req_delivered(qp, nr_messages & PSN_MASK);
		qp->polled = false;
		if (unlikely(qp->sq_cur != qp->sq_head)) {	/* the window may have been full; a batch need not follow that looks */
			req_transmit(qp);
			tx_flush(qp);
		}
	}
	spin_unlock(&qp->lock);
}

int roce_post_recv(struct roce_qp *qp, const struct roce_recv_wr *wr)
{
	struct rq_wqe *r;
	int rc = 0;

	if (wr->nr_sge > ARRAY_SIZE(r->sge))
		return -EINVAL;
	spin_lock(&qp->lock);
	if (qp->dying || qp->srq != NULL) {
		rc = -EINVAL;
	} else if (qp->rq_head - qp->rq_tail >= qp->rq_max || !cq_reserve(qp->recv_cq)) {
		rc = -ENOMEM;
	} else {
		if (qp->state == QPS_RESET)	/* as modest as ibverbs users expect: a QP that CM brings up takes receives before */
			qp_step(qp, QPE_TO_INIT);
		r = &qp->rq[qp->rq_head++ & (qp->rq_size - 1)];
		*r = rq_wqe_of(wr);
		if (qp->state == QPS_ERR)
			qp_flush(qp);
	}
	spin_unlock(&qp->lock);
	return rc;
}

/* --- timers ------------------------------------------------------------------------------------------------ */

u64 qp_timers(struct roce_qp *qp, u64 now)
{
	u64 next = ~0ULL;

	spin_lock(&qp->lock);
	qp->ctx = &qp->dev->thread_ctx;
	if (qp->type == QPT_RC && !qp->dying) {
		if (READ_ONCE(qp->stalled)) {
			WRITE_ONCE(qp->stalled, false);
			resp_flush(qp);
			req_transmit(qp);
		}
		if (unlikely(qp->pace_due != 0 && now >= qp->pace_due)) {
			qp->pace_due = 0;
			resp_flush(qp);
			req_transmit(qp);
		}
		req_timers(qp, now);
		resp_timers(qp, now);
		tx_flush(qp);
		if (qp->rto_due != 0)
			next = MIN(next, qp->rto_due);
		if (qp->probe_due != 0)
			next = MIN(next, qp->probe_due);
		if (qp->rnr_due != 0)
			next = MIN(next, qp->rnr_due);
		if (qp->ack_due != 0)
			next = MIN(next, qp->ack_due);
		if (qp->pace_due != 0)
			next = MIN(next, qp->pace_due);
		if (READ_ONCE(qp->stalled))	/* woken by done(); looked at in any case before long */
			next = MIN(next, now + NSEC_PER_MSEC);
	}
	qp->ctx = NULL;
	spin_unlock(&qp->lock);
	return next;
}
