/* SPDX-License-Identifier: MIT */
/*
 * Unreliable datagrams (9.8.3): one packet each, payload copied out at post so that the send is complete at once. A receive
 * begins with 40 bytes where a GRH would stand: over IPv4 the IP header lies in the last 20 of them (A17.4.5.2).
 */
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/roce/roce_impl.h"

#define GRH_LEN 40
#define UD_QKEY_CONTROLLED (1U << 31)	/* in a request: the QP's own is meant (10.2.5) */

static unsigned ud_gather(u8 *to, const struct roce_send_wr *wr)
{
	u32 at = 0;

	for (unsigned i = 0; i < wr->nr_sge; i++) {
		memcpy(to + at, wr->sge[i].ptr, wr->sge[i].len);
		at += wr->sge[i].len;
	}
	return at;
}

int ud_post(struct roce_qp *qp, const struct roce_send_wr *wr)
{
	struct roce_dev *dev = qp->dev;
	struct roce_pkt p = {
		.opcode = wr->opcode == WR_SEND_WITH_IMM ? UD_SEND_ONLY_IMM : UD_SEND_ONLY, .qpn = wr->ud.qpn & PSN_MASK,
		.psn = qp->psn_next, .se = wr->flags & WR_SOLICITED,
		.qkey = wr->ud.qkey & UD_QKEY_CONTROLLED ? qp->qkey : wr->ud.qkey, .src_qpn = qp->qpn, .imm = wr->imm,
	};
	struct sq_wqe w = { .wr_id = wr->wr_id, .opcode = wr->opcode, .flags = wr->flags };
	struct roce_piece piece;
	struct neighbour *n;
	struct roce_tx *tx;
	u64 len = 0;

	if ((wr->opcode != WR_SEND && wr->opcode != WR_SEND_WITH_IMM) || wr->nr_sge > ROCE_MAX_SGE)
		return -EINVAL;
	for (unsigned i = 0; i < wr->nr_sge; i++)
		len += wr->sge[i].len;
	if (qp->state != QPS_RTS || len > dev->max_mtu) {
		if (!cq_reserve(qp->send_cq))
			return -ENOMEM;
		qp_complete_send(qp, &w, qp->state != QPS_RTS ? WC_WR_FLUSH_ERR : WC_LOC_LEN_ERR);
		qp_send_failed(qp);
		return 0;
	}
	tx = tx_get(qp);
	if (tx == NULL)
		return -ENOMEM;
	tx->bounce = kmalloc(MAX(len, 1U));
	if (tx->bounce == NULL || !cq_reserve(qp->send_cq)) {
		tx_put_unused(qp, tx);
		return -ENOMEM;
	}
	piece = (struct roce_piece){ tx->bounce, ud_gather(tx->bounce, wr) };
	qp->psn_next = psn_add(qp->psn_next, 1);
	n = neighbour_get(dev->nif, wr->ud.ip);
	tx_packet(qp, tx, &p, &piece, 1, wr->ud.ip, n == NULL ? 0 : READ_ONCE(n->mac), 0xc000 | (qp->qpn & 0x3fff));
	if (n != NULL)
		neighbour_put(dev->nif, n);
	tx_flush(qp);
	qp_complete_send(qp, &w, WC_SUCCESS);
	return 0;
}

void ud_receive(struct roce_qp *qp, const struct roce_pkt *p, const struct net_rx *rx)
{
	const struct rq_wqe *r;
	struct roce_wc wc = {
		.opcode = WC_RECV, .byte_len = GRH_LEN + p->len, .src_qpn = p->src_qpn, .flags = WC_GRH,
	};
	u8 grh[GRH_LEN] = { 0 };
	u64 room = 0;

	if (qp->state < QPS_RTR || qp->state == QPS_ERR) {
		count(nr_roce_drop_state);
		return;
	}
	if (p->qkey != qp->qkey) {
		count(nr_roce_drop_qkey);
		return;
	}
	r = rq_next(qp);
	if (r == NULL) {
		count(nr_roce_drop_no_recv);
		return;
	}
	for (unsigned i = 0; i < r->nr_sge; i++)
		room += r->sge[i].len;
	if (GRH_LEN + (u64)p->len > room || p->len > qp->dev->max_mtu) {
		count(nr_roce_drop_length);
		return;
	}
	memcpy(grh + GRH_LEN - IP_HLEN, rx->ip, IP_HLEN);
	qp_copy_out(r->sge, r->nr_sge, 0, grh, GRH_LEN);
	qp_copy_out(r->sge, r->nr_sge, GRH_LEN, p->payload, p->len);
	if (p->op->flags & OPF_IMM) {
		wc.imm = p->imm;
		wc.flags |= WC_WITH_IMM;
	}
	if (p->se)
		wc.flags |= WC_SOLICITED;
	qp_complete_recv(qp, &wc);
}
