/* SPDX-License-Identifier: MIT */
/*
 * Congestion control (annex A17.9): a receiver of packets that a switch marked tells the sender by a congestion notification
 * packet, and the sender slows that queue pair down: DCQCN, simplified to what a software port can know.
 *
 *	receiver	marked packet -> a CNP at the end of the batch, at most one each ROCE_CNP_GAP_NS and queue pair
 *	sender		CNP -> the rate is cut by alpha/2, and what it was becomes the target; alpha grows.
 *			Each ROCE_CC_ROUND_NS without: alpha shrinks; the rate goes half of the way to the target (five
 *			times), then the target rises by steps that become larger. At the line's rate all is forgotten.
 *
 * Rounds are counted up when the queue pair wants to send, so that no timer runs for an idle one. A QP that was never told of
 * congestion pays one look at qp->cc.rate. Requests and READ responses count; acknowledgements do not.
 */
#include "kernel/time.h"
#include "net/roce/roce_impl.h"

#define LINE_RATE	1250000000U		/* bytes a second: 10 Gbit/s, and in any case more than we can do */
#define MIN_RATE	1000000U
#define RISE		(LINE_RATE / 256)
#define ALPHA_ONE	1024
#define FAST_ROUNDS	5			/* towards the target */
#define SLOW_ROUNDS	10			/* up to here the target rises by RISE, then faster and faster */
#define BURST_NS	NSEC_PER_MSEC		/* what was not sent for so long may be sent at once */
#define WAIT_NS		(NSEC_PER_MSEC / 2)	/* shortest pause: the transport thread is not woken for each packet */

static void one_round(struct roce_cc *cc)
{
	cc->alpha -= cc->alpha / 16;
	cc->rounds++;
	if (cc->rounds > SLOW_ROUNDS)
		cc->target += 5 * (cc->rounds - SLOW_ROUNDS) * RISE;
	else if (cc->rounds > FAST_ROUNDS)
		cc->target += RISE;
	cc->target = MIN(cc->target, LINE_RATE);
	cc->rate = (cc->rate + cc->target + 1) / 2;
	cc->round_due += ROCE_CC_ROUND_NS;
	if (cc->rate >= LINE_RATE - RISE)
		cc->rate = 0;
}

static void catch_up(struct roce_cc *cc, u64 now)
{
	while (cc->rate != 0 && now >= cc->round_due)
		one_round(cc);
}

void cc_notified(struct roce_qp *qp)
{
	struct roce_cc *cc = &qp->cc;
	u64 now = time_mono_ns();

	assert_held(&qp->lock);
	catch_up(cc, now);
	if (cc->rate == 0)
		*cc = (struct roce_cc){ .rate = LINE_RATE, .alpha = ALPHA_ONE, .free_at = now };
	cc->target = cc->rate;
	cc->rate = MAX(cc->rate - cc->rate / (2 * ALPHA_ONE) * cc->alpha, MIN_RATE);
	cc->alpha += (ALPHA_ONE - cc->alpha) / 16;
	cc->rounds = 0;
	cc->round_due = now + ROCE_CC_ROUND_NS;
}

bool cc_may_send(struct roce_qp *qp)
{
	struct roce_cc *cc = &qp->cc;
	u64 now = time_mono_ns();

	assert_held(&qp->lock);
	catch_up(cc, now);
	if (cc->rate == 0)
		return true;
	cc->free_at = MAX(cc->free_at, now - BURST_NS);
	if (cc->free_at <= now)
		return true;
	if (qp->pace_due == 0) {
		count(nr_roce_paced);
		qp->pace_due = MAX(cc->free_at, now + WAIT_NS);
		roce_kick_at(qp->dev, qp->pace_due);
	}
	return false;
}

static u64 free_after(const struct roce_cc *cc, u32 bytes)
{
	return cc->free_at + bytes * (u64)NSEC_PER_SEC / cc->rate;
}

bool cc_pauses_after(const struct roce_qp *qp, u32 bytes)
{
	return free_after(&qp->cc, bytes) > time_mono_ns();
}

void cc_sent(struct roce_qp *qp, u32 bytes)
{
	if (qp->cc.rate != 0)
		qp->cc.free_at = free_after(&qp->cc, bytes);
}

void cc_marked(struct roce_qp *qp)
{
	assert_held(&qp->lock);
	count(nr_roce_rx_marked);
	qp->cnp_due = true;
}

void cc_flush(struct roce_qp *qp)
{
	static const u8 reserved[CNP_RESERVED];
	struct roce_piece piece = { reserved, sizeof(reserved) };
	struct roce_pkt p = { .opcode = CNP, .qpn = qp->attr.remote_qpn, .ecn = ROCE_BECN };
	u64 now = time_mono_ns();
	struct roce_tx *tx;

	assert_held(&qp->lock);
	qp->cnp_due = false;
	if (now < qp->cnp_next)
		return;
	tx = tx_get(qp);
	if (tx == NULL)				/* the next marked packet asks again */
		return;
	qp->cnp_next = now + ROCE_CNP_GAP_NS;
	if (tx_packet(qp, tx, &p, &piece, 1, qp->attr.remote_ip, READ_ONCE(qp->neigh->mac), qp->sport))
		count(nr_roce_tx_cnp);
}
