/* SPDX-License-Identifier: MIT */
/*
 * What the transport costs: latency and bandwidth between two nodes of ours, measured as a user of it works that waits for
 * completions, not for memory: everything happens in the handlers of completion queues, like a call of net/fit.
 *
 *	rdma lat_send ADDRESS size= count=	SENDs, each answered by one of the same length
 *	rdma lat_write				the same with RDMA WRITEs with immediate
 *	rdma lat_read				READs, one after the other
 *	rdma bw_send, bw_write, bw_read		depth= outstanding, the server only takes
 *
 * Begins with a message of each side that says where its buffer is; the client's says what is to come. Latency is what perftest
 * calls so: of a message that is answered half of the way there and back, of a READ all of it. The job is answered by
 * "min_ns= median_ns= p99_ns= total_ns=".
 */
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/service/impl.h"

#define MAX_LEN		65536U
#define IN_AT		MAX_LEN			/* of the buffer: what comes; before it what goes */
#define BUF_SIZE	(2 * MAX_LEN)
#define INFO_LEN	sizeof(struct info)
#define ACK_EVERY	16			/* as net/fit asks */
#define MAX_COUNT	100000U
#define WAIT_NS		(120 * NSEC_PER_SEC)

struct info { be64 addr; be32 rkey, answer; } __packed;

struct pingpong {
	struct ep ep;
	struct info peer;
	bool met;			/* the peer's info came */
	u8 op;				/* enum roce_wr_opcode */
	bool lat;
	u32 len, depth;
	u64 count, posted, done;
	u64 start, *took;		/* client: ns of each, when lat */
	u64 total;
	int rc;				/* [a] 0 while it goes on, 1 when it is over, or an error */
};

static int post(struct pingpong *p, u8 op, u32 len, u8 flags)
{
	struct roce_send_wr wr = {
		.wr_id = p->posted, .opcode = op, .flags = flags, .nr_sge = 1, .sge[0] = { p->ep.buf + (op == WR_RDMA_READ ? IN_AT : 0), len }, .imm = len,
		.remote_addr = be64_get(p->peer.addr) + (op == WR_RDMA_READ ? 0 : IN_AT), .rkey = be32_get(p->peer.rkey),
	};

	return roce_post_send(p->ep.qp, &wr);
}

static int say_info(struct pingpong *p)
{
	struct info out = { be64_of((uintptr_t)p->ep.buf), be32_of(p->ep.rkey), be32_of(p->lat) };

	memcpy(p->ep.buf, &out, INFO_LEN);
	return post(p, WR_SEND, INFO_LEN, 0);
}

static void end(struct pingpong *p, int rc)
{
	store_release(&p->rc, rc);
	atomic_inc(&p->ep.wait->kicks);
	waitq_wake_all(&p->ep.wait->queue);
}

/* The server: an answer to each message that wants one. */
static int serve(struct pingpong *p, const struct roce_wc *wc)
{
	int rc;

	if (wc->opcode != WC_RECV && wc->opcode != WC_RECV_RDMA_WITH_IMM)
		return 0;
	if (!p->met) {
		p->met = true;
		memcpy(&p->peer, p->ep.buf + IN_AT, INFO_LEN);
		p->lat = be32_get(p->peer.answer) != 0;
		rc = say_info(p);
	} else {
		rc = !p->lat ? 0 : post(p, wc->opcode == WC_RECV ? WR_SEND : WR_RDMA_WRITE_WITH_IMM, wc->byte_len, 0);
	}
	return rc < 0 ? rc : ep_recv(&p->ep, 0, IN_AT, MAX_LEN);
}

/* As many requests as may be outstanding; alone, one. */
static int more(struct pingpong *p)
{
	u32 depth = p->lat ? 1 : p->depth;
	int rc = 0;

	if (p->lat)
		p->start = time_mono_ns();
	while (rc == 0 && p->posted < p->count && p->posted - p->done < depth) {
		p->posted++;
		rc = post(p, p->op, p->len, p->posted == p->count ? WR_ACK_NOW : 0);
	}
	return rc;
}

static int measure(struct pingpong *p, const struct roce_wc *wc)
{
	bool came = wc->opcode == WC_RECV || wc->opcode == WC_RECV_RDMA_WITH_IMM;
	int rc = came ? ep_recv(&p->ep, 0, IN_AT, MAX_LEN) : 0;

	if (rc < 0 || (!came && (wc->wr_id == 0 || (p->lat && p->op != WR_RDMA_READ))))
		return rc;			/* that ours arrived is what the answers say */
	if (!p->met) {
		memcpy(&p->peer, p->ep.buf + IN_AT, INFO_LEN);
		p->met = true;
		p->total = time_mono_ns();
		return more(p);
	}
	if (p->lat)
		p->took[p->done] = time_mono_ns() - p->start;
	if (++p->done == p->count) {
		p->total = time_mono_ns() - p->total;
		return 1;
	}
	return more(p);
}

static void on_wc(struct ep *ep, const struct roce_wc *wc)
{
	struct pingpong *p = container_of(ep, struct pingpong, ep);
	int rc;

	if (p->rc != 0)			/* over: a peer may say more than it was asked, and there is no room to note it */
		return;
	rc = wc->status == WC_SUCCESS ? p->count != 0 ? measure(p, wc) : serve(p, wc) : -EIO;
	if (rc != 0) {
		if (rc == -EIO)
			ep->status = wc->status;
		end(p, rc);
	}
}

static int open(struct pingpong *p)
{
	int rc = ep_open(&p->ep, QPT_RC, NULL, BUF_SIZE);

	p->ep.on_wc = on_wc;
	for (unsigned i = 0; rc == 0 && i < EP_DEPTH; i++)
		rc = ep_recv(&p->ep, 0, IN_AT, MAX_LEN);
	return rc;
}

static const struct ep_ask ask = { .responder_resources = 16, .initiator_depth = 16, .ack_every = ACK_EVERY };

/* Until it is over or the connection is. */
static int wait_end(struct pingpong *p)
{
	int rc = waitq_wait_timeout(&p->ep.wait->queue, load_acquire(&p->rc) != 0 || load_acquire(&p->ep.state) != EP_UP,
				    time_mono_ns() + WAIT_NS);

	return rc < 0 ? rc : load_acquire(&p->rc) != 0 ? p->rc : -ECONNRESET;
}

int pingpong_serve(const struct svc_request *req)
{
	struct pingpong *p = kzalloc(sizeof(*p));
	int rc = p == NULL ? -ENOMEM : open(p);

	if (rc < 0) {
		roce_cm_reject(req->id, 3, NULL, 0);
	} else {
		rc = ep_accept(&p->ep, req->id, &ask);
		if (rc == 0)
			rc = wait_end(p);
		rc = rc == -ECONNRESET || (rc == -EIO && p->ep.status == WC_WR_FLUSH_ERR) ? 0 : rc;	/* the client parts */
		ep_close(&p->ep);
	}
	kfree(p);
	return rc;
}

static void sort(u64 *v, u64 n)			/* Shell's */
{
	for (u64 gap = n / 2; gap > 0; gap /= 2) {
		for (u64 i = gap; i < n; i++) {
			u64 one = v[i], k = i;

			for (; k >= gap && v[k - gap] > one; k -= gap)
				v[k] = v[k - gap];
			v[k] = one;
		}
	}
}

static void say_result(struct svc_job *job, struct pingpong *p)
{
	u64 way = p->op == WR_RDMA_READ ? 1 : 2;

	if (p->lat)
		sort(p->took, p->count);
	snprintf(job->why, job->why_size, "min_ns=%llu median_ns=%llu p99_ns=%llu total_ns=%llu",
		 (unsigned long long)(p->lat ? p->took[0] / way : 0), (unsigned long long)(p->lat ? p->took[p->count / 2] / way : 0),
		 (unsigned long long)(p->lat ? p->took[p->count * 99 / 100] / way : 0), (unsigned long long)p->total);
}

int pingpong_run(struct svc_job *job)
{
	static const struct { const char *name; u8 op; bool lat; } tests[] = {
		{ "lat_send", WR_SEND, true }, { "lat_write", WR_RDMA_WRITE_WITH_IMM, true }, { "lat_read", WR_RDMA_READ, true },
		{ "bw_send", WR_SEND, false }, { "bw_write", WR_RDMA_WRITE, false }, { "bw_read", WR_RDMA_READ, false },
	};
	u64 len = job->size != 0 ? job->size : 64, count = job->count != 0 ? job->count : 1000;
	struct pingpong *p;
	int rc;

	if (len > MAX_LEN || len < INFO_LEN || count > MAX_COUNT || job->depth > EP_DEPTH / 2)
		return svc_why(job, -EINVAL, "size from %u to %u, count to %u, depth to %u", (unsigned)INFO_LEN, MAX_LEN, MAX_COUNT,
			       EP_DEPTH / 2);
	p = kzalloc(sizeof(*p));
	if (p == NULL)
		return svc_why(job, -ENOMEM, "no memory");
	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
		if (strcmp(tests[i].name, job->program) == 0) {
			p->op = tests[i].op;
			p->lat = tests[i].lat;
		}
	}
	p->len = len;
	p->depth = job->depth != 0 ? job->depth : 16;
	p->count = count;
	p->took = kcalloc(count, sizeof(p->took[0]));
	rc = p->took == NULL ? -ENOMEM : open(p);
	if (rc == 0)
		rc = ep_connect(&p->ep, job->ip, ROCE_PS_TCP(job->port != 0 ? job->port : PINGPONG_PORT), &ask);
	if (rc == 0)
		rc = say_info(p);
	if (rc == 0)
		rc = wait_end(p);
	if (rc < 0)
		svc_ep_why(job, rc, &p->ep, job->program);
	else
		say_result(job, p);
	if (p->ep.wait != NULL)
		ep_close(&p->ep);
	kfree(p->took);
	kfree(p);
	return MIN(rc, 0);
}
