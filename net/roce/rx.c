/* SPDX-License-Identifier: MIT */
/*
 * From a datagram to its queue pair: every check that needs no QP, then the QP's transport. Runs in the receive thread of a
 * NIC queue, allocates nothing, and takes the locks that Documentation/roce.md lists. Any bytes at all may be given to roce_rx().
 */
#include "lib/base/printk.h"
#include "net/roce/roce_impl.h"

/* The batch remembers the QPs that it touched: a lookup only for the first packet of each. */
static struct roce_qp *ctx_qp(struct roce_rx_ctx *ctx, u32 qpn)
{
	struct roce_qp *qp;

	for (unsigned i = 0; i < ctx->nr_qps; i++) {
		if (ctx->qps[i]->qpn == qpn)
			return ctx->qps[i];
	}
	qp = qp_find(ctx->dev, qpn);
	if (qp == NULL)
		return NULL;
	if (ctx->nr_qps == ROCE_CTX_MAX)
		roce_ctx_flush(ctx);
	ctx->qps[ctx->nr_qps++] = qp;
	return qp;
}

static void rx_gsi(struct roce_dev *dev, const struct roce_pkt *p)
{
	if (p->opcode != UD_SEND_ONLY || p->len != 256) {
		count(nr_roce_drop_mad);
		return;
	}
	if (p->qkey != ROCE_GSI_QKEY) {
		count(nr_roce_drop_qkey);
		return;
	}
	cm_receive(dev, p->src_ip, p->src_qpn, p->payload, p->len);
}

static void rx_qp(struct roce_qp *qp, const struct roce_pkt *p, const struct net_rx *rx)
{
	assert_held(&qp->lock);
	if (qp->dying) {
		count(nr_roce_drop_state);
	} else if (qp->type == QPT_UD) {
		if (roce_opcode_is_ud(p->opcode))
			ud_receive(qp, p, rx);
		else
			count(nr_roce_drop_transport);
	} else if (!roce_opcode_is_rc(p->opcode)) {
		count(nr_roce_drop_transport);
	} else if (qp->state < QPS_RTR) {
		count(nr_roce_drop_state);
	} else if (p->src_ip != qp->attr.remote_ip) {
		count(nr_roce_drop_source);
	} else {
		if (unlikely((rx->ip->tos & IP_CE) == IP_CE))
			cc_marked(qp);
		if (p->op->flags & OPF_REQUEST)
			resp_request(qp, p);
		else
			req_response(qp, p);
	}
}

/* Our packets of this QP met congestion. */
static void rx_cnp(struct roce_rx_ctx *ctx, const struct roce_pkt *p)
{
	struct roce_qp *qp = ctx_qp(ctx, p->qpn);
	bool ours = false;

	if (qp != NULL) {
		spin_lock(&qp->lock);
		ours = qp->type == QPT_RC && !qp->dying && qp->state >= QPS_RTR && qp->state != QPS_ERR &&
		       p->src_ip == qp->attr.remote_ip;
		if (ours)
			cc_notified(qp);
		spin_unlock(&qp->lock);
	}
	if (ours)
		count(nr_roce_cnp);
	else
		count(nr_roce_drop_cnp);
}

void roce_rx(void *arg, const struct net_rx *rx)
{
	struct roce_dev *dev = arg;
	struct roce_rx_ctx *ctx = &dev->rx[rx->queue % ROCE_MAX_QUEUES];
	struct roce_pkt p;
	struct roce_qp *qp;

	count(nr_roce_rx);
	if (!roce_parse(rx->data, rx->len, &p)) {
		count(nr_roce_drop_malformed);
		return;
	}
	p.src_ip = rx->src_ip;
	if (p.tver != 0) {
		count(nr_roce_drop_version);
		return;
	}
	if (!roce_icrc_right((const u8 *)rx->ip, rx->len)) {
		count(nr_roce_drop_icrc);
		return;
	}
	if (!roce_pkey_ours(p.pkey)) {
		count(nr_roce_drop_pkey);
		return;
	}
	if (p.opcode == CNP) {
		rx_cnp(ctx, &p);
		return;
	}
	if (p.qpn == ROCE_GSI_QPN) {
		rx_gsi(dev, &p);
		return;
	}
	qp = ctx_qp(ctx, p.qpn);
	if (qp == NULL) {
		count(nr_roce_drop_no_qp);
		return;
	}
	spin_lock(&qp->lock);
	qp->ctx = ctx;
	rx_qp(qp, &p, rx);
	qp->ctx = NULL;
	spin_unlock(&qp->lock);
}
