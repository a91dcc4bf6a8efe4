/* SPDX-License-Identifier: MIT */
/*
 * The RC responder (9.7.4, 9.7.5): requests are executed in the order of their PSNs, each once. A gap is NAKed once, a
 * duplicate acknowledged and not executed (READs are executed again, atomics answered from memory). What is to be sent is
 * noted while a batch of packets is taken in, and sent at its end in the order of PSNs: responses, then one ACK or NAK. What is
 * owed then (struct rd_entry) is not forgotten for a duplicate.
 *
 * A packet that asks for it is acknowledged at the end of the batch; a message that does not waits for a later one, at most
 * ROCE_ACK_DELAY_NS, and not at all if a message of our user's tells the requester's (resp_told). No ACK names what has come
 * of a message behind the last packet that asked. No requester needs that, and it may leave one with nothing outstanding in the middle
 * of a message: Linux's rxe, which pauses while its NIC holds 64 packets, can miss the end of the pause, and then has but its
 * retransmission timer, which does nothing when all that was sent is acknowledged.
 */
#include "kernel/time.h"
#include "lib/base/printk.h"
#include "net/roce/roce_impl.h"

/* --- answers ------------------------------------------------------------------------------------------------ */

static bool send_ack(struct roce_qp *qp, u8 syndrome, u32 psn)
{
	struct roce_tx *tx = tx_get(qp);
	struct roce_pkt p = {
		.opcode = RC_ACK, .qpn = qp->attr.remote_qpn, .psn = psn, .syndrome = syndrome, .msn = qp->msn,
	};

	if (tx == NULL)
		return false;
	qp->ack_now = false;
	qp->ack_due = 0;
	return tx_packet(qp, tx, &p, NULL, 0, qp->attr.remote_ip, READ_ONCE(qp->neigh->mac), qp->sport);
}

/* An acknowledgement's syndrome: how many receives are posted beyond the messages executed, if the peer counts them. */
static u8 ack_syndrome(const struct roce_qp *qp)
{
	if (likely(!qp->attr.flow_control) || qp->srq != NULL)
		return AETH_ACK_UNLIMITED;
	return AETH_ACK | roce_credit_code(qp->rq_head - qp->rq_tail);
}

static void nak(struct roce_qp *qp, u8 syndrome)
{
	qp->nak_due = syndrome;
	qp->nak_psn = qp->epsn;
}

/*
 * The request at psn cannot be: what was asked for before it is answered, then this is said, and the QP is in error (9.9.3). Those
 * answers may have to wait for frames, or for their turn on a congested wire: nothing more is taken meanwhile.
 */
static void nak_fatal(struct roce_qp *qp, u8 syndrome, u32 psn)
{
	qp->nak_due = syndrome;
	qp->nak_psn = psn;
	qp->failing = true;
	resp_flush(qp);
}

static void nak_rnr(struct roce_qp *qp)
{
	nak(qp, AETH_RNR_NAK | qp->rnr_code);
	qp->nak_sent = true;		/* what follows this one is beyond the expected PSN, and that is no gap */
}

/* The next packet that entry e owes. false: no frame, or the QP failed. */
static bool send_response(struct roce_qp *qp, struct rd_entry *e)
{
	u32 mtu = qp->attr.mtu, off = e->sent * mtu, n = MIN(e->len - off, mtu);
	bool first = e->sent == 0, last = e->sent + 1 == e->nr_psn, sent;
	struct roce_piece piece = { (const void *)(uintptr_t)(e->va + off), n };
	struct roce_mr *mr = NULL;
	struct roce_tx *tx = tx_get(qp);
	struct roce_pkt p = {
		.qpn = qp->attr.remote_qpn, .psn = psn_add(e->psn, e->sent), .syndrome = ack_syndrome(qp), .msn = e->msn,
	};

	if (tx == NULL)
		return false;
	tx->again = e->sent < e->again;
	if (e->atomic) {
		p.opcode = RC_ATOMIC_ACK;
		p.orig = e->orig;
		n = 0;
	} else {
		p.opcode = first && last ? RC_READ_RESP_ONLY : first ? RC_READ_RESP_FIRST : last ? RC_READ_RESP_LAST :
			   RC_READ_RESP_MIDDLE;
	}
	if (n != 0) {
		mr = mr_lock(qp->dev, e->rkey, e->va + off, n, MR_REMOTE_READ, qp->pd);
		if (mr == NULL) {		/* unbound since the request was taken */
			tx_put_unused(qp, tx);
			if (e->sent < e->again) {	/* as one that comes again later: it may be a packet that the wire doubled */
				count(nr_roce_drop_duplicate);
				e->sent = e->again;
				return true;
			}
			qp->rd_tail = qp->rd_head;
			count(nr_roce_nak_access);
			nak_fatal(qp, AETH_NAK_ACCESS, p.psn);
			return false;
		}
	}
	sent = tx_packet(qp, tx, &p, &piece, n != 0, qp->attr.remote_ip, READ_ONCE(qp->neigh->mac), qp->sport);
	if (mr != NULL)
		spin_unlock(&mr->lock);
	if (!sent)
		return false;
	if (++e->sent == e->nr_psn && psn_add(e->psn, e->nr_psn) == qp->ack_end) {
		qp->ack_now = false;		/* a response acknowledges all before it */
		qp->ack_due = 0;
	}
	return true;
}

void resp_flush(struct roce_qp *qp)
{
	assert_held(&qp->lock);
	while (qp->rd_tail != qp->rd_head) {
		struct rd_entry *e = &qp->rd[qp->rd_tail % ROCE_MAX_RD];

		if (unlikely(qp->cc.rate != 0) && !cc_may_send(qp))
			return;
		if (!send_response(qp, e))
			return;
		if (e->sent == e->nr_psn)
			qp->rd_tail++;
	}
	if (qp->nak_due != 0) {
		u8 syndrome = qp->nak_due;

		if (!send_ack(qp, syndrome, qp->nak_psn))
			return;
		qp->nak_due = 0;
		if (syndrome == AETH_NAK_PSN) {
			count(nr_roce_tx_nak_psn);
		} else if ((syndrome & AETH_KIND_MASK) == AETH_KIND_RNR) {
			count(nr_roce_tx_nak_rnr);
		} else {
			count(nr_roce_tx_nak_fatal);
			qp_fail(qp, syndrome == AETH_NAK_ACCESS ? ROCE_EVENT_QP_ACCESS_ERR : ROCE_EVENT_QP_REQ_ERR);
		}
	} else if (qp->ack_now) {
		if (send_ack(qp, ack_syndrome(qp), psn_add(qp->ack_end, PSN_MASK)))
			count(nr_roce_tx_ack);
	}
}

void resp_timers(struct roce_qp *qp, u64 now)
{
	if (qp->ack_due != 0 && now >= qp->ack_due) {
		qp->ack_due = 0;
		qp->ack_now = true;
		resp_flush(qp);
	}
}

/* --- requests ------------------------------------------------------------------------------------------------- */

static void executed(struct roce_qp *qp, const struct roce_pkt *p)
{
	qp->epsn = psn_add(qp->epsn, 1);
	if (!p->ackreq && qp->in_message != OP_NONE)
		return;
	qp->ack_end = qp->epsn;
	if (p->ackreq)
		qp->ack_now = true;
	else if (qp->ack_due == 0 && !qp->ack_now)
		qp->ack_due = time_mono_ns() + ROCE_ACK_DELAY_NS;	/* the batch's end sees to it, if nothing tells the peer before */
}

void resp_told(struct roce_qp *qp, u32 msn)
{
	assert_held(&qp->lock);
	if (qp->msn == (msn & PSN_MASK))
		qp->ack_due = 0;
}

static void recv_done(struct roce_qp *qp, const struct roce_pkt *p, u8 opcode)
{
	struct roce_wc wc = { .status = WC_SUCCESS, .opcode = opcode, .byte_len = qp->msg_done };

	if (p->op->flags & OPF_IMM) {
		wc.imm = p->imm;
		wc.flags |= WC_WITH_IMM;
	}
	if (p->op->flags & OPF_IETH) {
		wc.imm = p->imm;
		wc.flags |= WC_WITH_INV;
	}
	if (p->se)
		wc.flags |= WC_SOLICITED;
	qp_complete_recv(qp, &wc);
}

static void take_send(struct roce_qp *qp, const struct roce_pkt *p)
{
	struct rq_wqe *r = rq_next(qp);
	u32 room = 0;

	if (r == NULL) {
		nak_rnr(qp);
		return;
	}
	if (p->op->flags & OPF_FIRST)
		qp->msg_done = 0;
	for (unsigned i = 0; i < r->nr_sge; i++)
		room += r->sge[i].len;
	if (p->len > room || qp->msg_done > room - p->len) {
		qp_complete_recv(qp, &(struct roce_wc){ .status = WC_LOC_LEN_ERR, .opcode = WC_RECV });
		count(nr_roce_nak_receive);
		nak_fatal(qp, AETH_NAK_INVALID, qp->epsn);
		return;
	}
	if ((p->op->flags & OPF_IETH) && !mr_invalidate(qp->dev, p->imm, qp->pd)) {
		count(nr_roce_nak_invalidate);
		nak_fatal(qp, AETH_NAK_ACCESS, qp->epsn);
		return;
	}
	qp_copy_out(r->sge, r->nr_sge, qp->msg_done, p->payload, p->len);
	qp->msg_done += p->len;
	qp->in_message = OP_SEND;
	if (p->op->flags & OPF_LAST) {
		qp->in_message = OP_NONE;
		qp->msn = psn_add(qp->msn, 1);
		recv_done(qp, p, WC_RECV);
	}
	executed(qp, p);
}

static void take_write(struct roce_qp *qp, const struct roce_pkt *p)
{
	struct roce_mr *mr;

	if ((p->op->flags & OPF_IMM) && rq_next(qp) == NULL) {
		nak_rnr(qp);
		return;
	}
	if (p->op->flags & OPF_FIRST) {
		/* the whole range is checked before its first byte is written */
		if (p->dma_len != 0) {
			mr = mr_lock(qp->dev, p->rkey, p->va, p->dma_len, MR_REMOTE_WRITE, qp->pd);
			if (mr == NULL) {
				count(nr_roce_nak_access);
				nak_fatal(qp, AETH_NAK_ACCESS, qp->epsn);
				return;
			}
			spin_unlock(&mr->lock);
		}
		qp->w_va = p->va;
		qp->w_rkey = p->rkey;
		qp->w_left = p->dma_len;
		qp->msg_done = 0;
	}
	if (p->len > qp->w_left || ((p->op->flags & OPF_LAST) && p->len != qp->w_left)) {
		count(nr_roce_nak_length);
		nak_fatal(qp, AETH_NAK_INVALID, qp->epsn);
		return;
	}
	if (p->len != 0) {
		/* checked again, under the lock of the copy: it may have been unbound between two packets (L44) */
		mr = mr_lock(qp->dev, qp->w_rkey, qp->w_va, p->len, MR_REMOTE_WRITE, qp->pd);
		if (mr == NULL) {
			count(nr_roce_nak_access);
			nak_fatal(qp, AETH_NAK_ACCESS, qp->epsn);
			return;
		}
		mr_write(mr, qp->w_va, p->payload, p->len);
		spin_unlock(&mr->lock);
	}
	qp->w_va += p->len;
	qp->w_left -= p->len;
	qp->msg_done += p->len;
	qp->in_message = OP_WRITE;
	if (p->op->flags & OPF_LAST) {
		qp->in_message = OP_NONE;
		qp->msn = psn_add(qp->msn, 1);
		if (p->op->flags & OPF_IMM)
			recv_done(qp, p, WC_RECV_RDMA_WITH_IMM);
	}
	executed(qp, p);
}

/*
 * A place for one response more, NULL when the frames for those before it are out: the request is dropped then, and comes
 * again. Repetitions count here, so that more than the peer may have outstanding is no proof of a fault of its.
 */
static struct rd_entry *rd_new(struct roce_qp *qp)
{
	if (qp->rd_head - qp->rd_tail >= ROCE_MAX_RD)
		resp_flush(qp);
	if (qp->failing) {			/* one of those before it cannot be answered */
		count(nr_roce_drop_state);
		return NULL;
	}
	if (qp->rd_head - qp->rd_tail >= ROCE_MAX_RD) {
		count(nr_roce_drop_busy);
		return NULL;
	}
	return &qp->rd[qp->rd_head % ROCE_MAX_RD];
}

static bool read_allowed(struct roce_qp *qp, const struct roce_pkt *p)
{
	struct roce_mr *mr;

	if (p->dma_len == 0)
		return true;
	mr = mr_lock(qp->dev, p->rkey, p->va, p->dma_len, MR_REMOTE_READ, qp->pd);
	if (mr == NULL)
		return false;
	spin_unlock(&mr->lock);
	return true;
}

static void remember(struct roce_qp *qp, const struct rd_entry *e, u8 kind)
{
	qp->resource[qp->nr_resources++ % ROCE_MAX_RD] = (struct rd_resource){
		.psn = e->psn, .nr_psn = e->nr_psn, .rkey = e->rkey, .len = e->len, .va = e->va, .orig = e->orig, .kind = kind,
	};
}

/*
 * The request executed as psn that this one repeats, from its beginning or from a later response on; NULL: none of late. The latest
 * first: an older one of that number was executed when the PSNs came by here the last time.
 */
static const struct rd_resource *recall(const struct roce_qp *qp, const struct roce_pkt *p, u32 nr)
{
	for (unsigned i = 1; i <= ROCE_MAX_RD; i++) {
		const struct rd_resource *r = &qp->resource[(qp->nr_resources - i) % ROCE_MAX_RD];
		s32 at = psn_diff(p->psn, r->psn);
		u32 off = at * qp->attr.mtu;

		if (r->nr_psn == 0 || at < 0 || (u32)at >= r->nr_psn)
			continue;
		return (u32)at + nr <= r->nr_psn && p->op->kind == r->kind && p->rkey == r->rkey && p->va == r->va + off &&
		       p->dma_len <= r->len - off ? r : NULL;
	}
	return NULL;
}

static void take_read(struct roce_qp *qp, const struct roce_pkt *p)
{
	u32 nr = MAX(DIV_ROUND_UP((u64)p->dma_len, qp->attr.mtu), 1ULL);
	struct rd_entry *e;

	if (qp->attr.rd_in == 0) {
		count(nr_roce_nak_resources);
		nak_fatal(qp, AETH_NAK_INVALID, qp->epsn);
		return;
	}
	if (nr > 1 << 22) {
		count(nr_roce_nak_length);
		nak_fatal(qp, AETH_NAK_INVALID, qp->epsn);
		return;
	}
	if (!read_allowed(qp, p)) {
		count(nr_roce_nak_access);
		nak_fatal(qp, AETH_NAK_ACCESS, qp->epsn);
		return;
	}
	e = rd_new(qp);
	if (e == NULL)
		return;
	qp->msn = psn_add(qp->msn, 1);
	*e = (struct rd_entry){
		.psn = qp->epsn, .nr_psn = nr, .msn = qp->msn, .rkey = p->rkey, .len = p->dma_len, .va = p->va,
	};
	remember(qp, e, OP_READ);
	qp->rd_head++;
	qp->ack_end = qp->epsn = psn_add(qp->epsn, nr);
}

static void take_atomic(struct roce_qp *qp, const struct roce_pkt *p)
{
	struct rd_entry *e;
	struct roce_mr *mr;
	u64 orig, *word;

	if (qp->attr.rd_in == 0) {
		count(nr_roce_nak_resources);
		nak_fatal(qp, AETH_NAK_INVALID, qp->epsn);
		return;
	}
	if ((p->va & 7) != 0) {
		count(nr_roce_nak_alignment);
		nak_fatal(qp, AETH_NAK_INVALID, qp->epsn);
		return;
	}
	e = rd_new(qp);
	if (e == NULL)
		return;
	mr = mr_lock(qp->dev, p->rkey, p->va, 8, MR_REMOTE_ATOMIC, qp->pd);
	if (mr == NULL) {
		count(nr_roce_nak_access);
		nak_fatal(qp, AETH_NAK_ACCESS, qp->epsn);
		return;
	}
	word = (u64 *)(uintptr_t)p->va;
	if (p->op->kind == OP_FETCH_ADD) {
		orig = __atomic_fetch_add(word, p->swap_add, __ATOMIC_SEQ_CST);
	} else {
		orig = p->compare;	/* on failure what was there is stored in it */
		__atomic_compare_exchange_n(word, &orig, p->swap_add, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	spin_unlock(&mr->lock);
	qp->msn = psn_add(qp->msn, 1);
	*e = (struct rd_entry){
		.psn = qp->epsn, .nr_psn = 1, .msn = qp->msn, .rkey = p->rkey, .va = p->va, .orig = orig, .atomic = true,
	};
	remember(qp, e, p->op->kind);
	qp->rd_head++;
	qp->ack_end = qp->epsn = psn_add(qp->epsn, 1);
}

static struct rd_entry *rd_at(struct roce_qp *qp, u32 i) { return &qp->rd[i % ROCE_MAX_RD]; }

/* Behind all that is owed and begins at psn or before it. */
static u32 rd_place(struct roce_qp *qp, u32 psn)
{
	u32 i = qp->rd_tail;

	while (i != qp->rd_head && psn_diff(rd_at(qp, i)->psn, psn) <= 0)
		i++;
	return i;
}

/* The answer begins at psn, later or earlier than it did, and ends where it did. What is to be sent again was sent before. */
static void rd_begin_at(const struct roce_qp *qp, struct rd_entry *e, u32 psn)
{
	s32 by = psn_diff(psn, e->psn);

	e->again = MAX(e->again, e->sent) - by;
	e->sent = 0;
	e->psn = psn;
	e->nr_psn -= by;
	e->va += (s64)by * qp->attr.mtu;
	e->len -= by * qp->attr.mtu;
}

/* A READ or atomic again: answered as before, and never executed twice if that makes a difference (9.7.5.1.5). */
static void answer_again(struct roce_qp *qp, const struct roce_pkt *p)
{
	u64 packets = p->op->kind == OP_READ ? MAX(DIV_ROUND_UP((u64)p->dma_len, qp->attr.mtu), 1ULL) : 1;
	const struct rd_resource *r = packets > 1 << 22 ? NULL : recall(qp, p, packets);
	u32 i = rd_place(qp, p->psn);
	s32 at;

	if (r == NULL || (r->kind == OP_READ && !read_allowed(qp, p))) {
		count(nr_roce_drop_duplicate);
		return;
	}
	if (i != qp->rd_tail) {
		at = psn_diff(p->psn, rd_at(qp, i - 1)->psn);
		if ((u32)at < rd_at(qp, i - 1)->nr_psn) {
			if ((u32)at < rd_at(qp, i - 1)->sent)	/* else it is owed, and so is what follows it */
				rd_begin_at(qp, rd_at(qp, i - 1), p->psn);
			return;
		}
	}
	if (i != qp->rd_head && psn_diff(rd_at(qp, i)->psn, psn_add(p->psn, packets)) < 0) {	/* the end of the same READ is owed */
		rd_begin_at(qp, rd_at(qp, i), p->psn);
		return;
	}
	if (rd_new(qp) == NULL)
		return;
	for (i = qp->rd_head++; i != qp->rd_tail && psn_diff(rd_at(qp, i - 1)->psn, p->psn) > 0; i--)
		*rd_at(qp, i) = *rd_at(qp, i - 1);
	*rd_at(qp, i) = (struct rd_entry){
		.psn = p->psn, .nr_psn = packets, .msn = qp->msn, .rkey = p->rkey, .len = p->dma_len, .va = p->va, .orig = r->orig,
		.atomic = r->kind != OP_READ, .again = packets,
	};
}

static void take_duplicate(struct roce_qp *qp, const struct roce_pkt *p)
{
	count(nr_roce_duplicate);
	if (p->op->kind == OP_READ || p->op->kind == OP_CMP_SWAP || p->op->kind == OP_FETCH_ADD) {
		answer_again(qp, p);
		return;
	}
	if (p->ackreq)			/* for all that came: an answer was lost, or what followed it */
		qp->ack_end = qp->epsn;
	qp->ack_now = true;
}

void resp_request(struct roce_qp *qp, const struct roce_pkt *p)
{
	u16 flags = p->op->flags;
	bool first = flags & OPF_FIRST;
	s32 ahead;

	assert_held(&qp->lock);
	if ((qp->state != QPS_RTR && qp->state != QPS_RTS && qp->state != QPS_SQD) || qp->failing) {
		count(nr_roce_drop_state);
		return;
	}
	ahead = psn_diff(p->psn, qp->epsn);
	if (unlikely(qp->state == QPS_RTR && !qp->established)) {
		__atomic_store_n(&qp->established, true, __ATOMIC_RELEASE);
		qp_tell(qp, ROCE_EVENT_COMM_EST);
	}
	if (qp->attr.gate) {			/* our user has not been told of the connection: soon */
		if (ahead == 0)
			nak_rnr(qp);
		return;
	}
	if (ahead > 0) {
		count(nr_roce_drop_order);
		if (!qp->nak_sent) {
			qp->nak_sent = true;
			nak(qp, AETH_NAK_PSN);
		}
		return;
	}
	if (ahead < 0) {
		take_duplicate(qp, p);
		return;
	}
	qp->nak_sent = false;
	if (qp->nak_due != 0)			/* the gap closed within the batch that showed it */
		qp->nak_due = 0;
	/* the message goes on as it began (9.7.4.1.2), and all packets but its last are full, which is not empty (9.7.4.1.4) */
	if (first != (qp->in_message == OP_NONE) || (!first && p->op->kind != qp->in_message)) {
		count(nr_roce_nak_sequence);
		nak_fatal(qp, AETH_NAK_INVALID, qp->epsn);
		return;
	}
	if ((flags & OPF_PAYLOAD) && (flags & OPF_LAST ? p->len > qp->attr.mtu || (!first && p->len == 0) : p->len != qp->attr.mtu)) {
		count(nr_roce_nak_length);
		nak_fatal(qp, AETH_NAK_INVALID, qp->epsn);
		return;
	}
	switch (p->op->kind) {
	case OP_SEND:
		take_send(qp, p);
		break;
	case OP_WRITE:
		take_write(qp, p);
		break;
	case OP_READ:
		take_read(qp, p);
		break;
	case OP_CMP_SWAP:
	case OP_FETCH_ADD:
		take_atomic(qp, p);
		break;
	default:
		count(nr_roce_nak_sequence);
		nak_fatal(qp, AETH_NAK_INVALID, qp->epsn);
	}
}
