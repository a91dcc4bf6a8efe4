/* SPDX-License-Identifier: MIT */
/*
 * The other end of tests/interop/probe.c, which drives what no well-known program does: immediates, invalidation, receivers that
 * are not ready, keys and bounds that are wrong, rejections, a shared receive queue (all connections have one).
 *
 * A message without immediate is a command, struct probe_msg:
 *
 *	REGION	(re)bind this connection's region; answered with its address, length and key
 *	SEND	send len bytes; imm not 0: with it; rkey not 0: invalidate it
 *	WRITE	write len bytes to va under rkey; with imm, or, when that is 0, followed by a DONE
 *	DEAF	answered by a DONE; then no receive is posted for len milliseconds
 *	LAST	answered with how the last connection that failed ended, as an enum roce_wc_status, which is then forgotten
 *
 * Everything else that arrives, a WRITE with immediate included, is told back as SEEN: length, immediate or invalidated key, flags.
 * A REQ whose private data begins with "no" is rejected, with private data.
 */
#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/service/impl.h"

enum { PROBE_REGION = 1, PROBE_SEND, PROBE_WRITE, PROBE_DEAF, PROBE_LAST, PROBE_SEEN, PROBE_DONE };
struct probe_msg { be32 op, len, imm, rkey, status, flags; be64 va; } __packed;

#define RECEIVES	4		/* few, so that they run out */
#define RECV_LEN	4096
#define OUT_AT		0		/* of a connection's buffer: messages of ours, by turns */
#define OUT_SLOTS	EP_DEPTH
#define DATA_AT		4096		/* what is sent and written */
#define REGION_AT	(DATA_AT + 65536)
#define REGION_LEN	65536
#define BUF_SIZE	(REGION_AT + REGION_LEN)

static struct roce_srq *srq;		/* [I] */
static u8 *receives;			/* [I] RECEIVES of RECV_LEN bytes */
static u32 last_status;			/* [a] */

static void post_receive(u64 i)
{
	struct roce_recv_wr wr = { .wr_id = i, .nr_sge = 1, .sge[0] = { receives + i * RECV_LEN, RECV_LEN } };

	if (roce_post_srq_recv(srq, &wr) < 0)
		pr_err("service: the probe's receive queue is full");
}

void probe_start(void)
{
	srq = roce_srq_create(RECEIVES, NULL, NULL);
	receives = kzalloc(RECEIVES * RECV_LEN);
	if (srq == NULL || receives == NULL) {
		pr_err("service: no memory for the probe");
		return;
	}
	for (unsigned i = 0; i < RECEIVES; i++)
		post_receive(i);
}

struct probe {
	struct ep ep;
	unsigned out;			/* messages sent */
	bool tell_done;			/* by a DONE when the WRITE is complete */
};

static int tell(struct probe *p, const struct probe_msg *m)
{
	u32 at = OUT_AT + p->out++ % OUT_SLOTS * sizeof(*m);

	memcpy(p->ep.buf + at, m, sizeof(*m));
	return ep_send(&p->ep, at, sizeof(*m));
}

static int send_what(struct probe *p, const struct probe_msg *m, bool write)
{
	u32 imm = be32_get(m->imm), rkey = be32_get(m->rkey);
	struct roce_send_wr wr = {
		.opcode = write ? imm != 0 ? WR_RDMA_WRITE_WITH_IMM : WR_RDMA_WRITE :
			  imm != 0 ? WR_SEND_WITH_IMM : rkey != 0 ? WR_SEND_WITH_INV : WR_SEND,
		.flags = WR_SIGNALED | WR_SOLICITED, .nr_sge = 1, .sge[0] = { p->ep.buf + DATA_AT, be32_get(m->len) },
		.imm = !write && imm == 0 ? rkey : imm, .remote_addr = be64_get(m->va), .rkey = rkey,
	};

	if (be32_get(m->len) > REGION_AT - DATA_AT)
		return -EINVAL;
	p->tell_done = write && imm == 0;
	return roce_post_send(p->ep.qp, &wr);
}

/* deaf_ms: how long the receive that brought this stays unposted. */
static int command(struct probe *p, const struct probe_msg *m, u32 *deaf_ms)
{
	struct probe_msg answer = { .op = be32_of(PROBE_DONE) };

	switch (be32_get(m->op)) {
	case PROBE_REGION:
		p->ep.rkey = roce_mr_bind(p->ep.mr, p->ep.buf + REGION_AT, REGION_LEN, MR_REMOTE_READ | MR_REMOTE_WRITE | MR_REMOTE_ATOMIC);
		answer.rkey = be32_of(p->ep.rkey);
		answer.va = be64_of((uintptr_t)p->ep.buf + REGION_AT);
		answer.len = be32_of(REGION_LEN);
		break;
	case PROBE_SEND:
		return send_what(p, m, false);
	case PROBE_WRITE:
		return send_what(p, m, true);
	case PROBE_DEAF:
		*deaf_ms = MIN(be32_get(m->len), 5000U);
		break;
	case PROBE_LAST:
		answer.status = be32_of(__atomic_exchange_n(&last_status, WC_SUCCESS, __ATOMIC_RELAXED));
		break;
	default:
		return -EPROTO;
	}
	return tell(p, &answer);
}

static int arrived(struct probe *p, const struct roce_wc *wc)
{
	struct probe_msg m;
	u32 deaf_ms = 0;
	int rc;

	if (wc->opcode == WC_RECV && wc->byte_len == sizeof(m) && !(wc->flags & (WC_WITH_IMM | WC_WITH_INV))) {
		memcpy(&m, receives + wc->wr_id * RECV_LEN, sizeof(m));
		rc = command(p, &m, &deaf_ms);
	} else {
		m = (struct probe_msg){
			.op = be32_of(PROBE_SEEN), .len = be32_of(wc->byte_len), .flags = be32_of(wc->flags),
			.imm = be32_of(wc->flags & WC_WITH_INV ? 0 : wc->imm), .rkey = be32_of(wc->flags & WC_WITH_INV ? wc->imm : 0),
		};
		rc = tell(p, &m);
	}
	if (deaf_ms != 0)
		thread_sleep_ns(deaf_ms * NSEC_PER_MSEC);
	post_receive(wc->wr_id);
	return rc;
}

/* A receive that ended without a message is everybody's again. */
static void give_back(const struct roce_wc *wc)
{
	if (wc->opcode == WC_RECV || wc->opcode == WC_RECV_RDMA_WITH_IMM)
		post_receive(wc->wr_id);
}

static int serve(struct probe *p)
{
	for (;;) {
		struct roce_wc wc = { .opcode = WC_SEND };	/* an error need not be a completion's */
		int rc = ep_wait_wc(&p->ep, &wc, EP_TIMEOUT_NS);

		if (rc == -EIO)
			__atomic_store_n(&last_status, p->ep.status, __ATOMIC_RELAXED);
		if (rc < 0)
			give_back(&wc);
		else if (wc.opcode == WC_RECV || wc.opcode == WC_RECV_RDMA_WITH_IMM)
			rc = arrived(p, &wc);
		else if (wc.opcode == WC_RDMA_WRITE && p->tell_done)
			rc = tell(p, &(struct probe_msg){ .op = be32_of(PROBE_DONE) });
		if (rc < 0)
			return rc == -ECONNRESET || rc == -EIO ? 0 : rc;
	}
}

int probe_serve(const struct svc_request *req)
{
	struct probe p = { 0 };
	struct roce_wc wc;
	int rc;

	if (memcmp(req->private_data, "no", 2) == 0) {
		roce_cm_reject(req->id, 28, "probe: no", 9);
		return 0;
	}
	rc = srq == NULL || receives == NULL ? -ENOMEM : ep_open_shared(&p.ep, QPT_RC, NULL, BUF_SIZE, srq);
	if (rc < 0) {
		roce_cm_reject(req->id, 3, NULL, 0);
		return rc;
	}
	for (u32 i = DATA_AT; i < REGION_AT; i++)
		p.ep.buf[i] = i - DATA_AT;
	rc = ep_accept(&p.ep, req->id, &(struct ep_ask){ .responder_resources = 4, .initiator_depth = 4 });
	if (rc == 0)
		rc = serve(&p);
	roce_qp_error(p.ep.qp);		/* completes what a message had begun to fill, and takes no more */
	while (roce_cq_poll(p.ep.cq, &wc, 1) == 1)
		give_back(&wc);
	ep_close(&p.ep);
	return rc;
}
