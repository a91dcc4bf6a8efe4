/* SPDX-License-Identifier: MIT */
/*
 * The RC requester (9.7.3 to 9.7.8): posted requests become packets within a window of PSNs; acknowledgements, or the
 * responses of READs and atomics, complete them in order; what is missing is sent again from there on (go-back-N).
 * All that was sent behind a lost packet was sent in vain, so each loss halves the window, and it grows again by one for each
 * window that is acknowledged.
 *
 * A gap is NAKed, once. What no NAK tells of (the last packets, the NAK itself, an acknowledgement, the repetition of what was
 * lost) is found out by a probe, long before the retransmission timeout: when what was asked for is later than a few round
 * trips, the oldest packet is sent again, alone, and asks again. If the answer acknowledges that packet and no more, what
 * had followed it by then was lost with it or thrown away behind it; but if that packet had been the last to ask, this may be the answer to
 * it, late, and the next packet is probed. Probes use up no retries: those are the timeout's.
 *
 * Acknowledgements are asked for sparingly: when ack_every packets are without one, when the window or half of the send queue
 * is used up, before a pause within a message for congestion's sake, and at the end of a message that says so. In between the
 * responder acknowledges whole messages by its timer, and a user whose messages answer each other knows without any of that what
 * arrived (req_delivered).
 */
#include "kernel/time.h"
#include "lib/base/printk.h"
#include "net/roce/roce_impl.h"

static bool wqe_is_read(const struct sq_wqe *w) { return w->opcode == WR_RDMA_READ; }
static bool wqe_has_response(const struct sq_wqe *w) { return w->opcode >= WR_RDMA_READ; }

/* --- sending ------------------------------------------------------------------------------------------------ */

static u8 send_opcode(const struct sq_wqe *w, bool first, bool last)
{
	static const u8 ops[][4] = {	/* middle, first, last, only */
		[WR_SEND] = { RC_SEND_MIDDLE, RC_SEND_FIRST, RC_SEND_LAST, RC_SEND_ONLY },
		[WR_SEND_WITH_IMM] = { RC_SEND_MIDDLE, RC_SEND_FIRST, RC_SEND_LAST_IMM, RC_SEND_ONLY_IMM },
		[WR_SEND_WITH_INV] = { RC_SEND_MIDDLE, RC_SEND_FIRST, RC_SEND_LAST_INV, RC_SEND_ONLY_INV },
		[WR_RDMA_WRITE] = { RC_WRITE_MIDDLE, RC_WRITE_FIRST, RC_WRITE_LAST, RC_WRITE_ONLY },
		[WR_RDMA_WRITE_WITH_IMM] = { RC_WRITE_MIDDLE, RC_WRITE_FIRST, RC_WRITE_LAST_IMM, RC_WRITE_ONLY_IMM },
		[WR_RDMA_READ] = { RC_READ_REQUEST, RC_READ_REQUEST, RC_READ_REQUEST, RC_READ_REQUEST },
		[WR_CMP_SWAP] = { RC_CMP_SWAP, RC_CMP_SWAP, RC_CMP_SWAP, RC_CMP_SWAP },
		[WR_FETCH_ADD] = { RC_FETCH_ADD, RC_FETCH_ADD, RC_FETCH_ADD, RC_FETCH_ADD },
	};

	return ops[w->opcode][first | last << 1];
}

/* The pieces of [off, off+len) of a gather list. */
static unsigned gather(const struct sq_wqe *w, u32 off, u32 len, struct roce_piece *piece)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < w->nr_sge && len != 0; i++) {
		u32 n;

		if (off >= w->sge[i].len) {
			off -= w->sge[i].len;
			continue;
		}
		n = MIN(w->sge[i].len - off, len);
		piece[nr++] = (struct roce_piece){ (const u8 *)w->sge[i].ptr + off, n };
		len -= n;
		off = 0;
	}
	return nr;
}

static bool wqe_takes_receive(const struct sq_wqe *w)
{
	return w->opcode <= WR_SEND_WITH_INV || w->opcode == WR_RDMA_WRITE_WITH_IMM;
}

/* The peer has no receive for this message, as far as we know. One packet may try, when nothing else is under way (9.7.7.2.5). */
static bool out_of_credit(const struct roce_qp *qp, const struct sq_wqe *w)
{
	return qp->limited && wqe_takes_receive(w) && psn_diff(w->msn, qp->msn_limit) > 0;
}

static void credits_take(struct roce_qp *qp, const struct roce_pkt *p)
{
	u32 limit = psn_add(p->msn, roce_credits(p->syndrome));

	if (!qp->attr.flow_control || (p->syndrome & AETH_KIND_MASK) != AETH_KIND_ACK)
		return;
	qp->limited = p->syndrome != AETH_ACK_UNLIMITED;
	if (psn_diff(limit, qp->msn_limit) > 0)		/* what was granted stays so, whatever came late */
		qp->msn_limit = limit;
}

static bool wants_ack(const struct roce_qp *qp, const struct sq_wqe *w, u32 len, bool last, u32 after)
{
	s32 beyond = psn_diff(w->msn, qp->msn_limit);

	if (wqe_has_response(w))
		return true;			/* the response is the acknowledgement; Linux sets the bit too */
	if (last && (qp->attr.ack_every == 0 || (w->flags & WR_ACK_NOW)))
		return true;
	if (unlikely(qp->limited) && wqe_takes_receive(w) && (beyond > 0 || (beyond == 0 && last)))
		return true;			/* the last that the credits let out, or a probe */
	if (qp->since_ackreq + 1 >= (qp->attr.ack_every != 0 ? MIN(qp->attr.ack_every, qp->window / 4) : qp->window / 4))
		return true;
	if (unlikely(qp->cc.rate != 0) && !last && cc_pauses_after(qp, len))
		return true;
	/* the last packet that the window lets out, half of the send queue, the last of what is sent again */
	return psn_diff(after, qp->psn_una) >= (s32)qp->window || qp->sq_cur + 1 - qp->sq_tail == (qp->sq_max + 1) / 2 ||
	       (after == qp->psn_max && psn_diff(qp->psn_next, qp->psn_max) < 0);
}

/* When to probe: the answer is late; one that nobody asked for may take as long as the responder's timer. */
static void probe_arm(struct roce_qp *qp, u64 now)
{
	bool in_full = qp->in_full && qp->sq_tail != qp->sq_head && wqe_has_response(sq_at(qp, qp->sq_tail));
	u64 wait = qp->srtt_ns == 0 ? ROCE_PROBE_FIRST_NS : MAX(2 * qp->srtt_ns + 4 * qp->rttvar_ns, ROCE_PROBE_MIN_NS);

	if (psn_diff(qp->asked, qp->psn_una) <= 0)
		wait += 2 * ROCE_ACK_DELAY_NS;
	qp->probe_due = now + (wait << qp->probe_shift);
	if (qp->probe_due >= qp->rto_due || in_full)
		qp->probe_due = 0;
	else
		roce_kick_at(qp->dev, qp->probe_due);
}

static void rto_arm(struct roce_qp *qp)
{
	u64 now, rto;

	if (psn_diff(qp->psn_max, qp->psn_una) <= 0 || qp->rnr_due != 0) {
		qp->rto_due = qp->probe_due = 0;
		return;
	}
	now = time_mono_ns();
	rto = MAX(qp->rto_ns, qp->srtt_ns + 4 * qp->rttvar_ns) << qp->rto_shift;
	qp->rto_due = now + rto;
	qp->grace = false;
	roce_kick_at(qp->dev, qp->rto_due);
	probe_arm(qp, now);
}

/* This packet asks for an answer. */
static void asks(struct roce_qp *qp, u32 after)
{
	bool first = psn_diff(qp->asked, qp->psn_una) <= 0;

	if (psn_diff(after, qp->asked) > 0)
		qp->asked = after;
	if (first && qp->rto_due != 0)
		probe_arm(qp, time_mono_ns());
}

/* One packet of the request at sq_cur. probe: it is to be answered. false: no frame for it now. */
static bool send_one(struct roce_qp *qp, struct sq_wqe *w, bool probe)
{
	u32 index = psn_diff(qp->psn_next, w->psn), off = index * qp->attr.mtu;
	u32 n = MIN(w->len - off, qp->attr.mtu), after = psn_add(qp->psn_next, 1);
	bool first = index == 0, last = index + 1 == w->nr_psn, again = psn_diff(qp->psn_next, qp->psn_max) < 0;
	struct roce_piece piece[ROCE_MAX_SGE];
	unsigned nr = 0;
	struct roce_tx *tx = tx_get(qp);
	struct roce_pkt p = {
		.opcode = send_opcode(w, first, last), .qpn = qp->attr.remote_qpn, .psn = qp->psn_next,
		.se = last && (w->flags & WR_SOLICITED) && wqe_takes_receive(w), .va = w->remote_addr, .rkey = w->rkey, .dma_len = w->len, .imm = w->imm,
	};

	if (tx == NULL)
		return false;
	tx->again = again;
	if (wqe_is_read(w)) {			/* takes the PSNs of all its responses; again: for the rest only */
		p.va += off;
		p.dma_len -= off;
		after = psn_add(w->psn, w->nr_psn);
	} else if (wqe_has_response(w)) {
		p.swap_add = w->opcode == WR_FETCH_ADD ? w->compare_add : w->swap;
		p.compare = w->opcode == WR_FETCH_ADD ? 0 : w->compare_add;
	} else {
		nr = gather(w, off, n, piece);
	}
	p.ackreq = probe || wants_ack(qp, w, n, last, after);
	if (!tx_packet(qp, tx, &p, piece, nr, qp->attr.remote_ip, READ_ONCE(qp->neigh->mac), qp->sport))
		return false;
	if (again) {
		count(nr_roce_retransmit);
		qp->rtt_start = 0;		/* Karn: no sample of what was sent twice */
	} else if (p.ackreq && qp->rtt_start == 0) {
		qp->rtt_start = time_mono_ns();
		qp->rtt_psn = qp->psn_next;
	}
	qp->since_ackreq = p.ackreq ? 0 : qp->since_ackreq + 1;
	if (p.ackreq)
		asks(qp, after);
	qp->psn_next = after;
	if (psn_diff(after, qp->psn_max) > 0)
		qp->psn_max = after;
	return true;
}

/* The request that may not be sent, the first of those: while draining, what had begun goes on, repetitions too (10.3.1.5). */
static u32 sq_end(const struct roce_qp *qp)
{
	return qp->state == QPS_RTS ? qp->sq_head : qp->state == QPS_SQD ? qp->sq_stop : qp->sq_cur;
}

void req_drain(struct roce_qp *qp)
{
	assert_held(&qp->lock);
	for (qp->sq_stop = qp->sq_tail; qp->sq_stop != qp->sq_head; qp->sq_stop++) {
		if (psn_diff(sq_at(qp, qp->sq_stop)->psn, qp->psn_max) >= 0)
			break;
	}
	req_drained(qp);
}

void req_drained(struct roce_qp *qp)
{
	if (qp->state != QPS_SQD || qp->sq_tail != qp->sq_stop || qp->drained)
		return;
	qp->drained = true;
	qp_tell(qp, ROCE_EVENT_SQ_DRAINED);
}

void req_transmit(struct roce_qp *qp)
{
	assert_held(&qp->lock);
	while (qp->rnr_due == 0 && qp->sq_cur != sq_end(qp)) {
		struct sq_wqe *w = sq_at(qp, qp->sq_cur);

		if (psn_diff(qp->psn_next, qp->psn_una) >= (s32)qp->window)
			break;
		if (wqe_has_response(w) && qp->rd_outstanding >= qp->attr.rd_out)
			break;
		if (unlikely(out_of_credit(qp, w)) && qp->psn_next != qp->psn_una)
			break;
		if (unlikely(qp->cc.rate != 0) && !cc_may_send(qp))
			break;
		if (!send_one(qp, w, false))
			break;
		if (wqe_has_response(w))
			qp->rd_outstanding++;
		if (psn_diff(qp->psn_next, psn_add(w->psn, w->nr_psn)) >= 0)
			qp->sq_cur++;
		if (qp->rto_due == 0)
			rto_arm(qp);
	}
}

/* The next packet to be sent is psn's, which is outstanding or the next new one. */
static void req_seek(struct roce_qp *qp, u32 psn)
{
	qp->rd_outstanding = 0;
	qp->psn_next = psn;
	for (qp->sq_cur = qp->sq_tail; qp->sq_cur != qp->sq_head; qp->sq_cur++) {
		const struct sq_wqe *w = sq_at(qp, qp->sq_cur);

		if (psn_diff(psn, psn_add(w->psn, w->nr_psn)) < 0)
			break;
		if (wqe_has_response(w))
			qp->rd_outstanding++;
	}
}

/* --- being answered ------------------------------------------------------------------------------------------ */

static void rtt_sample(struct roce_qp *qp)
{
	u64 rtt = time_mono_ns() - qp->rtt_start;

	qp->rtt_start = 0;
	if (qp->srtt_ns == 0) {
		qp->srtt_ns = rtt;
		qp->rttvar_ns = rtt / 2;
	} else {				/* RFC 6298 */
		u64 off = rtt > qp->srtt_ns ? rtt - qp->srtt_ns : qp->srtt_ns - rtt;

		qp->rttvar_ns = (3 * qp->rttvar_ns + off) / 4;
		qp->srtt_ns = (7 * qp->srtt_ns + rtt) / 8;
	}
}

static void window_grow(struct roce_qp *qp, u32 acked)
{
	qp->window_credit += acked;
	if (qp->window_credit >= qp->window) {
		qp->window_credit = 0;
		qp->window++;
	}
}

/* Something before psn_max was lost. Once for all that was under way together. */
static void window_cut(struct roce_qp *qp)
{
	if (psn_diff(qp->psn_una, qp->recover) < 0)
		return;
	count(nr_roce_window_cut);
	qp->recover = qp->psn_max;
	qp->window = MAX(qp->window / 2, ROCE_WINDOW_MIN);
	qp->window_credit = 0;
}

static void progress(struct roce_qp *qp, u32 una)
{
	if (psn_diff(una, qp->psn_una) <= 0)
		return;
	if (unlikely(qp->window < ROCE_WINDOW))
		window_grow(qp, psn_diff(una, qp->psn_una));
	qp->psn_una = una;
	if (psn_diff(una, qp->recover) > 0)
		qp->recover = una;		/* not left behind by half of the PSNs */
	if (psn_diff(una, qp->asked) > 0)
		qp->asked = una;		/* nor this: a peer whose user tells what arrived is seldom asked */
	qp->probe_shift = 0;
	qp->since_ackreq = MIN(qp->since_ackreq, (u32)MAX(psn_diff(qp->psn_next, una), 0));
	qp->retries = qp->attr.retry_count;
	qp->rnr_retries = qp->attr.rnr_retry;
	qp->rto_shift = 0;
	qp->gap_asked = false;
	qp->stale_since = 0;
	qp->stale = 0;
	if (qp->rtt_start != 0 && psn_diff(una, qp->rtt_psn) > 0)
		rtt_sample(qp);
	if (psn_diff(qp->psn_next, una) < 0)	/* acknowledged while it waited to be sent again */
		req_seek(qp, una);
	rto_arm(qp);
}

static void complete_oldest(struct roce_qp *qp, unsigned status)
{
	struct sq_wqe *w = sq_at(qp, qp->sq_tail);

	if (qp->sq_cur == qp->sq_tail)
		qp->sq_cur++;
	else if (wqe_has_response(w))
		qp->rd_outstanding--;
	qp->sq_tail++;
	qp_complete_send(qp, w, status);
	req_drained(qp);
}

/* The oldest request ends with an error, and with it the QP. */
static void req_fail(struct roce_qp *qp, unsigned status)
{
	if (qp->sq_tail != qp->sq_head)
		complete_oldest(qp, status);
	qp_fail(qp, ROCE_EVENT_QP_FATAL);
}

/* One repetition more without progress? */
static bool retry_left(struct roce_qp *qp)
{
	if (qp->attr.persist)
		return true;
	if (qp->retries == 0)
		return false;
	qp->retries--;
	return true;
}

static void go_back(struct roce_qp *qp, u32 psn)
{
	window_cut(qp);
	qp->probing = false;
	req_seek(qp, psn);
	req_transmit(qp);
}

/* The oldest packet again, to be answered; or all from there on, where the answers are what is missing. */
static void probe(struct roce_qp *qp, u64 now)
{
	const struct sq_wqe *w = sq_at(qp, qp->sq_tail);
	u32 next = qp->psn_next;

	count(nr_roce_probe);
	if (qp->probe_shift < ROCE_RTO_MAX_SHIFT)
		qp->probe_shift++;
	if (wqe_has_response(w)) {
		qp->gap_asked = false;
		go_back(qp, qp->psn_una);
	} else if (psn_diff(next, qp->psn_una) > 0) {
		qp->probe_again = qp->asked == psn_add(qp->psn_una, 1);
		req_seek(qp, qp->psn_una);
		qp->probing = send_one(qp, sq_at(qp, qp->sq_cur), true);
		qp->probe_psn = qp->psn_una;
		qp->probe_end = qp->psn_max;
		req_seek(qp, next);
	}
	if (qp->rto_due != 0)
		probe_arm(qp, now);
}

/*
 * Every PSN before psn is acknowledged. A READ or atomic is complete only by its response: an acknowledgement beyond one
 * says that the response was lost (9.7.5.1.1). false: that is so, and it was asked for again.
 */
static bool req_acked(struct roce_qp *qp, u32 psn)
{
	while (qp->sq_tail != qp->sq_head) {
		struct sq_wqe *w = sq_at(qp, qp->sq_tail);
		u32 end = psn_add(w->psn, w->nr_psn), want = psn_add(w->psn, w->got);

		if (psn_diff(psn, w->psn) <= 0)
			break;
		if (wqe_has_response(w)) {
			progress(qp, want);
			if (psn_diff(psn, want) <= 0)
				return true;
			if (!qp->gap_asked && !qp->in_full) {
				count(nr_roce_read_gap);
				qp->gap_asked = true;
				go_back(qp, want);
			}
			return false;
		}
		if (psn_diff(psn, end) < 0)
			break;
		progress(qp, end);
		complete_oldest(qp, WC_SUCCESS);
	}
	progress(qp, psn);
	return true;
}

static void ack_rnr(struct roce_qp *qp, const struct roce_pkt *p)
{
	count(nr_roce_rx_nak_rnr);
	if (!req_acked(qp, p->psn))
		return;
	if (qp->attr.rnr_retry != 7 && qp->rnr_retries-- == 0) {
		req_fail(qp, WC_RNR_RETRY_EXC_ERR);
		return;
	}
	req_seek(qp, p->psn);
	qp->rnr_due = time_mono_ns() + roce_rnr_ns(p->syndrome & 31);
	qp->rto_due = qp->probe_due = 0;
	qp->probing = false;
	roce_kick_at(qp->dev, qp->rnr_due);
}

static void ack_nak(struct roce_qp *qp, const struct roce_pkt *p)
{
	switch (p->syndrome) {
	case AETH_NAK_PSN:
		count(nr_roce_rx_nak_psn);
		if (!req_acked(qp, p->psn))
			return;
		/* Linux says so of the packets behind one whose receiver was not ready: the wait goes on */
		if (qp->rnr_due != 0 && p->psn == qp->psn_next)
			return;
		if (!retry_left(qp)) {
			req_fail(qp, WC_RETRY_EXC_ERR);
			return;
		}
		qp->rnr_due = 0;
		go_back(qp, p->psn);
		rto_arm(qp);
		return;
	case AETH_NAK_INVALID:
	case AETH_NAK_ACCESS:
	case AETH_NAK_OPERATION:
		count(nr_roce_rx_nak_fatal);
		if (!req_acked(qp, p->psn))
			return;
		req_fail(qp, WC_REM_INV_REQ_ERR + p->syndrome - AETH_NAK_INVALID);
		return;
	default:
		count(nr_roce_drop_ack);
	}
}

static void ack_positive(struct roce_qp *qp, const struct roce_pkt *p)
{
	bool probed = qp->probing && p->psn == qp->probe_psn && qp->probe_psn == qp->psn_una;

	qp->probing = qp->probing && !probed;
	credits_take(qp, p);
	if (!req_acked(qp, psn_add(p->psn, 1)) || !probed || psn_diff(qp->probe_end, qp->psn_una) <= 0)
		return;
	if (qp->probe_again) {		/* the next one asks for the first time */
		probe(qp, time_mono_ns());
	} else {
		go_back(qp, qp->psn_una);	/* what was sent behind the probed packet before the probe is lost, too */
		rto_arm(qp);
	}
}

static void req_ack(struct roce_qp *qp, const struct roce_pkt *p)
{
	count(nr_roce_rx_ack);
	/* only what is outstanding; una - 1 once more is a duplicate and says nothing */
	if (psn_diff(p->psn, qp->psn_una) < 0 || psn_diff(p->psn, qp->psn_max) >= 0) {
		count(nr_roce_drop_ack);
		if (psn_add(p->psn, 1) == qp->psn_una)
			credits_take(qp, p);	/* but for what may have been posted since (9.7.7.2.3) */
		return;
	}
	switch (p->syndrome & AETH_KIND_MASK) {
	case AETH_KIND_ACK:
		ack_positive(qp, p);
		break;
	case AETH_KIND_RNR:
		ack_rnr(qp, p);
		break;
	case AETH_KIND_NAK:
		ack_nak(qp, p);
		break;
	default:
		count(nr_roce_drop_ack);
	}
}

/*
 * A response that is not the next: the peer comes to an end of what it was asked once too often. What it has not come to is not lost, and
 * to ask again would only make the queue longer. But for so long only: one that never comes to it is not there.
 *
 * Linux answers each repetition in full, one after the other, before it takes the next. Were it asked at each gap that it leaves, one more would
 * wait behind each that a probe has added in a moment's silence, for ever, and nearly all that comes be old. Such a peer is asked when
 * it has been silent for the retransmission timeout, and not before.
 */
static void still_answering(struct roce_qp *qp)
{
	u64 now = time_mono_ns();

	count(nr_roce_drop_response);
	if (++qp->stale > ROCE_STALE_MAX)
		qp->in_full = true;
	if (qp->rto_due == 0)
		return;
	if (qp->stale_since == 0)
		qp->stale_since = now;
	if (now - qp->stale_since < ROCE_STALE_NS)
		rto_arm(qp);
}

/* A READ or atomic response: acknowledges all before it, and must be the next one that the oldest such request wants. */
static void req_data(struct roce_qp *qp, const struct roce_pkt *p)
{
	struct sq_wqe *w;
	u32 want, off, n;

	if (psn_diff(p->psn, qp->psn_max) >= 0) {
		count(nr_roce_drop_response);
		return;
	}
	if (psn_diff(p->psn, qp->psn_una) < 0) {
		still_answering(qp);
		return;
	}
	if (!req_acked(qp, p->psn)) {		/* something before it is missing */
		still_answering(qp);
		return;
	}
	w = qp->sq_tail == qp->sq_head ? NULL : sq_at(qp, qp->sq_tail);
	want = w == NULL ? 0 : psn_add(w->psn, w->got);
	if (w == NULL || !wqe_has_response(w) || p->psn != want ||
	    wqe_is_read(w) != (p->op->kind == OP_READ_RESPONSE)) {
		count(nr_roce_drop_response);
		return;
	}
	if (!wqe_is_read(w)) {
		u64 orig = p->orig;

		qp_copy_out(w->sge, w->nr_sge, 0, &orig, 8);
	} else {
		off = w->got * qp->attr.mtu;
		n = MIN(w->len - off, qp->attr.mtu);
		if (p->len != n || !!(p->op->flags & OPF_LAST) != (w->got + 1 == w->nr_psn)) {
			count(nr_roce_bad_response);
			req_fail(qp, WC_BAD_RESP_ERR);
			return;
		}
		qp_copy_out(w->sge, w->nr_sge, off, p->payload, n);
	}
	if (p->op->flags & OPF_AETH)
		credits_take(qp, p);
	w->got++;
	progress(qp, psn_add(p->psn, 1));
	if (w->got == w->nr_psn)
		complete_oldest(qp, WC_SUCCESS);
}

void req_delivered(struct roce_qp *qp, u32 msn)
{
	u32 end = qp->psn_una;

	assert_held(&qp->lock);
	for (u32 i = qp->sq_tail; i != qp->sq_head && psn_diff(sq_at(qp, i)->msn, msn) <= 0; i++)
		end = psn_add(sq_at(qp, i)->psn, sq_at(qp, i)->nr_psn);
	if (psn_diff(msn, qp->msn_post) > 0 || psn_diff(end, qp->psn_max) > 0) {
		count(nr_roce_drop_ack);	/* more than we sent */
		return;
	}
	if (qp->rtt_start != 0 && psn_diff(end, qp->rtt_psn) > 0)
		qp->rtt_start = 0;		/* took as long as the peer's user, not the wire */
	req_acked(qp, end);
}

void req_response(struct roce_qp *qp, const struct roce_pkt *p)
{
	assert_held(&qp->lock);
	if (qp->state != QPS_RTS && qp->state != QPS_SQD) {
		count(nr_roce_drop_state);
		return;
	}
	if (p->op->kind == OP_ACK)
		req_ack(qp, p);
	else
		req_data(qp, p);
}

/* --- timers --------------------------------------------------------------------------------------------------- */

void req_timers(struct roce_qp *qp, u64 now)
{
	if (qp->rnr_due != 0 && now >= qp->rnr_due) {
		qp->rnr_due = 0;
		req_transmit(qp);
		rto_arm(qp);
	}
	if (qp->rto_due == 0 || now < qp->rto_due) {
		if (qp->probe_due != 0 && now >= qp->probe_due)
			probe(qp, now);
		return;
	}
	if (now - qp->rto_due > ROCE_LATE_NS && !qp->grace) {
		/* this node itself did not run: what the peer sent meanwhile may wait in the NIC's ring */
		qp->grace = true;
		qp->rto_due = now + ROCE_LATE_NS;
		return;
	}
	count(nr_roce_timeout);
	neighbour_ask(qp->dev->nif, qp->neigh);		/* its link address may be a wrong one: ARP has no checksum */
	if (!retry_left(qp)) {
		req_fail(qp, WC_RETRY_EXC_ERR);
		return;
	}
	if (qp->rto_shift < (qp->attr.persist ? ROCE_RTO_PERSIST_SHIFT : ROCE_RTO_MAX_SHIFT))
		qp->rto_shift++;
	qp->gap_asked = false;
	go_back(qp, qp->psn_una);
	rto_arm(qp);
}
