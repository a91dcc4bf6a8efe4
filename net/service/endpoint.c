/* SPDX-License-Identifier: MIT */
/* Endpoints; see endpoint.h. */
#include "net/service/endpoint.h"

#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "mm/slab.h"

static void kick(struct ep_wait *wait)
{
	atomic_inc(&wait->kicks);
	waitq_wake_all(&wait->queue);
}

static void cq_event(struct roce_cq *cq, void *arg)
{
	struct ep *ep = arg;
	struct roce_wc wc[8];
	unsigned n;

	if (ep->on_wc == NULL) {
		kick(ep->wait);
		return;
	}
	while ((n = roce_cq_poll(cq, wc, ARRAY_SIZE(wc))) != 0) {
		for (unsigned i = 0; i < n; i++)
			ep->on_wc(ep, &wc[i]);
	}
}

static void cm_event(const struct cm_event *ev, void *arg)
{
	struct ep *ep = arg;

	switch (ev->type) {
	case CM_ESTABLISHED:
		store_release(&ep->state, EP_UP);
		break;
	case CM_SIDR_RESOLVED:
		ep->resolved = (struct roce_ud_dest){ ev->peer_ip, ev->sidr->qpn, ev->sidr->qkey };
		store_release(&ep->state, EP_UP);
		break;
	case CM_REJECTED:
		ep->reason = ev->reason;
		store_release(&ep->state, EP_REJECTED);
		break;
	case CM_UNREACHABLE:
		store_release(&ep->state, EP_UNREACHABLE);
		break;
	default:
		store_release(&ep->state, EP_DOWN);
	}
	kick(ep->wait);
}

void ep_wait_init(struct ep_wait *wait)
{
	waitq_init(&wait->queue);
	atomic_set(&wait->kicks, 0);
}

int ep_open(struct ep *ep, enum roce_qp_type type, struct ep_wait *wait, u32 size)
{
	return ep_open_shared(ep, type, wait, size, NULL);
}

int ep_open_shared(struct ep *ep, enum roce_qp_type type, struct ep_wait *wait, u32 size, struct roce_srq *srq)
{
	struct roce_qp_init init = {
		.type = type, .max_send_wr = EP_DEPTH, .max_recv_wr = EP_DEPTH, .sq_sig_all = true, .srq = srq,
	};

	memset(ep, 0, sizeof(*ep));
	ep_wait_init(&ep->own_wait);
	ep->wait = wait != NULL ? wait : &ep->own_wait;
	ep->size = size;
	ep->buf = kzalloc(size);
	ep->cq = roce_cq_create(2 * EP_DEPTH, cq_event, ep);
	if (ep->buf == NULL || ep->cq == NULL)
		goto fail;
	/* a protection domain of its own: what one peer is told reaches no other's buffer */
	init.pd = (u32)((uintptr_t)ep >> 4);
	init.send_cq = init.recv_cq = ep->cq;
	ep->qp = roce_qp_create(&init);
	ep->mr = roce_mr_create(init.pd);
	if (ep->qp == NULL || ep->mr == NULL)
		goto fail;
	ep->rkey = roce_mr_bind(ep->mr, ep->buf, size, MR_REMOTE_READ | MR_REMOTE_WRITE | MR_REMOTE_ATOMIC);
	return 0;

fail:
	ep_close(ep);
	return -ENOMEM;
}

void ep_close(struct ep *ep)
{
	if (ep->id != NULL) {
		if (load_acquire(&ep->state) == EP_UP && ep->resolved.qpn == 0)
			roce_cm_disconnect(ep->id, NULL, 0);
		roce_cm_destroy(ep->id);
	}
	if (ep->qp != NULL)
		roce_qp_destroy(ep->qp);
	if (ep->mr != NULL)
		roce_mr_destroy(ep->mr);
	if (ep->cq != NULL)
		roce_cq_destroy(ep->cq);
	kfree(ep->buf);
	memset(ep, 0, sizeof(*ep));
}

static int over(struct ep *ep)		/* why there is no connection, 0 when there is one or will be */
{
	switch (load_acquire(&ep->state)) {
	case EP_REJECTED:
		return -ECONNREFUSED;
	case EP_UNREACHABLE:
		return -EHOSTUNREACH;
	case EP_DOWN:
		return -ECONNRESET;
	}
	return 0;
}

static struct cm_conn_param conn_param(struct ep *ep, const struct ep_ask *ask)
{
	return (struct cm_conn_param){
		.qp = ep->qp, .path_mtu = ask->path_mtu != 0 ? ask->path_mtu : roce_max_path_mtu(), .retry_count = 7, .rnr_retry = 7,
		.responder_resources = ask->responder_resources, .initiator_depth = ask->initiator_depth, .flow_control = true,
		.ack_every = ask->ack_every,
	};
}

static int wait_up(struct ep *ep)
{
	int rc = waitq_wait_timeout(&ep->wait->queue, load_acquire(&ep->state) != EP_NEW, time_mono_ns() + EP_TIMEOUT_NS);

	return rc < 0 ? rc : over(ep);
}

/* An attempt that failed is forgotten. */
static void begin(struct ep *ep, u32 ip)
{
	if (ep->id != NULL)
		roce_cm_destroy(ep->id);
	ep->id = NULL;
	ep->state = EP_NEW;
	ep->peer_ip = ip;
}

int ep_connect(struct ep *ep, u32 ip, u64 service_id, const struct ep_ask *ask)
{
	struct cm_conn_param p = conn_param(ep, ask);

	begin(ep, ip);
	ep->id = roce_cm_connect(ip, service_id, &p, cm_event, ep);
	return ep->id == NULL ? -ENOMEM : wait_up(ep);
}

int ep_accept(struct ep *ep, struct cm_id *id, const struct ep_ask *ask)
{
	struct cm_conn_param p = conn_param(ep, ask);
	int rc;

	ep->id = id;
	rc = roce_cm_accept(id, &p, cm_event, ep);
	return rc < 0 ? rc : wait_up(ep);
}

int ep_recv(struct ep *ep, u64 wr_id, u32 offset, u32 len)
{
	struct roce_recv_wr wr = { .wr_id = wr_id, .nr_sge = 1, .sge[0] = { ep->buf + offset, len } };

	return roce_post_recv(ep->qp, &wr);
}

int ep_post(struct ep *ep, enum roce_wr_opcode op, u32 offset, u32 len, u64 remote_addr, u32 rkey)
{
	struct roce_send_wr wr = {
		.opcode = op, .flags = WR_SIGNALED, .nr_sge = 1, .sge[0] = { ep->buf + offset, len }, .remote_addr = remote_addr,
		.rkey = rkey, .compare_add = 1,
	};

	return roce_post_send(ep->qp, &wr);
}

int ep_send(struct ep *ep, u32 offset, u32 len) { return ep_post(ep, WR_SEND, offset, len, 0, 0); }

int ep_ud_start(struct ep *ep) { return roce_qp_ud_start(ep->qp, ROCE_UDP_QKEY); }

int ep_resolve(struct ep *ep, u32 ip, u64 service_id, struct roce_ud_dest *dest)
{
	int rc;

	begin(ep, ip);
	ep->id = roce_cm_resolve(ip, service_id, NULL, 0, cm_event, ep);
	rc = ep->id == NULL ? -ENOMEM : wait_up(ep);
	*dest = ep->resolved;
	return rc;
}

int ep_send_ud(struct ep *ep, u32 offset, u32 len, const struct roce_ud_dest *dest, const u32 *imm)
{
	struct roce_send_wr wr = {
		.opcode = imm != NULL ? WR_SEND_WITH_IMM : WR_SEND, .flags = WR_SIGNALED, .nr_sge = 1,
		.sge[0] = { ep->buf + offset, len }, .imm = imm != NULL ? *imm : 0, .ud = *dest,
	};

	return roce_post_send(ep->qp, &wr);
}

struct roce_ud_dest ep_ud_source(const struct ep *ep, const struct roce_wc *wc, u32 offset)
{
	const u8 *ip = ep->buf + offset + EP_GRH - 20;	/* the IPv4 header stands in the last 20 bytes (A17.4.5.2) */

	return (struct roce_ud_dest){ be32_get(*(const be32 *)(ip + 12)), wc->src_qpn, ROCE_UDP_QKEY };
}

int ep_poll(struct ep *ep, struct roce_wc *wc)
{
	if (roce_cq_poll(ep->cq, wc, 1) == 1) {
		if (wc->status == WC_SUCCESS)
			return 1;
		ep->status = wc->status;
		return wc->status == WC_WR_FLUSH_ERR ? -ECONNRESET : -EIO;
	}
	return over(ep);
}

int ep_wait_wc(struct ep *ep, struct roce_wc *wc, u64 timeout_ns)
{
	u64 deadline = time_mono_ns() + timeout_ns;

	for (;;) {
		int seen = atomic_read_acquire(&ep->wait->kicks), rc = ep_poll(ep, wc);

		if (rc != 0)
			return MIN(rc, 0);
		rc = waitq_wait_timeout(&ep->wait->queue, atomic_read_acquire(&ep->wait->kicks) != seen, deadline);
		if (rc < 0)
			return rc;
	}
}

int ep_expect(struct ep *ep, enum roce_wc_opcode op, struct roce_wc *wc)
{
	for (;;) {
		int rc = ep_wait_wc(ep, wc, EP_TIMEOUT_NS);

		if (rc < 0)
			return rc;
		if (wc->opcode == op)
			return 0;
		if (op != WC_RECV)
			return -EPROTO;
	}
}
