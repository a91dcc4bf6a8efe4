/* SPDX-License-Identifier: MIT */
/*
 * One connection to a peer: an RC queue pair, its completion queue, receive buffers, slots, served calls. Made by the
 * membership thread, buried by it; freed when the last call in flight has let go. A queue pair that breaks is replaced under it.
 */
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"
#include "net/fit/member.h"

#define SLOT_BUF_SIZE	512
_Static_assert(sizeof(struct fit_request) + RPC_MAX_REQ <= SLOT_BUF_SIZE, "header and fixed body");

void conn_get(struct fit_conn *c)
{
	ref_get(&c->refs);
}

static unsigned order_of(u32 size)
{
	unsigned order = 0;

	while ((PAGE_SIZE << order) < size)
		order++;
	return order;
}

static void conn_free(struct fit_conn *c)
{
	for (unsigned i = 0; i < FIT_SLOTS; i++) {
		if (c->slot[i].mr != NULL)
			roce_mr_destroy(c->slot[i].mr);
		kfree(c->slot[i].buf);
	}
	for (unsigned i = 0; i < FIT_SERVED; i++)
		kfree(c->served[i].rep);
	for (unsigned i = 0; i < FIT_RECVS; i++)
		if (c->recv[i].data != NULL)
			frames_free(frame_of_virt(c->recv[i].data), order_of(c->recv[i].size));
	vfree(c);
}

void conn_put(struct fit_conn *c)
{
	if (ref_put(&c->refs))
		member_conn_unused(c);	/* freed by the membership thread: here may be under any lock */
}

void conn_release(struct fit_conn *c)
{
	conn_free(c);
}

/* The reason is what says that it is so: who sees the one has the other. The first one stays. */
static void say_once(const char **what, const char *why)
{
	const char *none = NULL;

	if (__atomic_compare_exchange_n(what, &none, why, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		member_kick();
}

void conn_fail(struct fit_conn *c, const char *why)
{
	say_once(&c->failed, why);
}

void conn_break(struct fit_conn *c, const char *why)
{
	say_once(&c->broken, why);
}

static int post_recv(struct fit_conn *c, struct recv_buf *r)
{
	struct roce_recv_wr wr = { .wr_id = r - c->recv, .nr_sge = 1 };

	assert_held(&c->lock);
	wr.sge[0] = (struct roce_sge){ r->data, r->size };
	return roce_post_recv(c->qp, &wr);
}

void conn_post_recv(struct fit_conn *c, struct recv_buf *r)
{
	int rc = 0;

	spin_lock(&c->lock);
	r->held = false;
	if (!c->closed && c->qp != NULL)		/* none: the next one gets it */
		rc = post_recv(c, r);
	spin_unlock(&c->lock);
	if (rc < 0)
		conn_break(c, "cannot post a receive");
}

/* Two packets, of which the second is the transport's: nothing is called, nothing is looked up. Both ends have heard then. */
void conn_ping(struct fit_conn *c)
{
	struct roce_send_wr wr = {
		.wr_id = WRID_PING, .opcode = WR_RDMA_WRITE_WITH_IMM, .flags = WR_SIGNALED | WR_ACK_NOW, .imm = FIT_PING_IMM,
	};
	int rc = 0;

	spin_lock(&c->lock);
	if (c->ready && !c->ping_out) {
		rc = roce_post_send(c->qp, &wr);
		c->ping_out = rc == 0;
		c->sent += rc == 0;
		count_n(nr_fit_pings, rc == 0);
	}
	spin_unlock(&c->lock);
	if (rc < 0)
		conn_break(c, "cannot send");
}

/* A WRITE to memory that is nobody's: the peer's transport answers with a fatal NAK, and the queue pairs at both ends are broken. */
void conn_provoke(struct fit_conn *c)
{
	static u8 byte;
	struct roce_send_wr wr = {
		.wr_id = WRID_BREAK, .opcode = WR_RDMA_WRITE, .flags = WR_SIGNALED | WR_ACK_NOW, .nr_sge = 1,
		.sge = { { &byte, sizeof(byte) } },
	};

	spin_lock(&c->lock);
	if (c->ready && roce_post_send(c->qp, &wr) == 0)
		c->sent++;
	spin_unlock(&c->lock);
}

static void ping_acknowledged(struct fit_conn *c)
{
	spin_lock(&c->lock);
	c->ping_out = false;
	spin_unlock(&c->lock);
}

/* A request also says which of our messages its sender had taken: no acknowledgement of those need be waited for. */
static void request_taken(struct fit_conn *c, struct recv_buf *r, u32 len)
{
	r->len = len;
	r->number = c->taken;
	spin_lock(&c->lock);
	r->gen = c->gen;
	r->held = true;
	if (!c->closed && c->qp != NULL && serve_is_request(r))
		roce_qp_delivered(c->qp, le32_get(((const struct fit_request *)r->data)->taken));
	spin_unlock(&c->lock);
	serve_request_arrived(c, r);
}

/* What it was about is accounted for when the QP is gone. */
static void completion_failed(struct fit_conn *c, const struct roce_wc *wc)
{
	bool its_own = wc->status != WC_RETRY_EXC_ERR && wc->status != WC_RNR_RETRY_EXC_ERR;

	if (wc->status == WC_WR_FLUSH_ERR) {
		/* it only follows from what broke the QP: that is told by the QP's event, or by the farewell of the peer */
		if (wc->wr_id == WRID_DRAIN) {
			store_release(&c->drained, true);	/* pairs with conn_qp_end() */
			waitq_wake_all(&c->node->drain_wait);
		}
		return;
	}
	spin_lock(&c->lock);
	if (WRID_IS_SLOT(wc->wr_id))
		c->slot[wc->wr_id - WRID_SLOT(0)].failed += its_own;
	else if (WRID_IS_SERVED(wc->wr_id))
		c->served[wc->wr_id - WRID_SERVED(0)].failed += its_own;
	spin_unlock(&c->lock);
	conn_break(c, roce_wc_status_name(wc->status));
}

static void completion(struct fit_conn *c, const struct roce_wc *wc)
{
	if (wc->status != WC_SUCCESS) {
		completion_failed(c, wc);
		return;
	}
	switch (wc->opcode) {
	case WC_RECV:
		WRITE_ONCE(c->taken, c->taken + 1);
		request_taken(c, &c->recv[wc->wr_id], wc->byte_len);
		break;
	case WC_RECV_RDMA_WITH_IMM:
		WRITE_ONCE(c->taken, c->taken + 1);
		conn_post_recv(c, &c->recv[wc->wr_id]);
		if (wc->imm == FIT_REPEATED_IMM)
			serve_repeated(c);
		else if (wc->imm != FIT_PING_IMM)
			call_reply_arrived(c, wc->imm, wc->byte_len);
		break;
	case WC_SEND:
		if (WRID_IS_SLOT(wc->wr_id))
			call_send_done(c, wc->wr_id - WRID_SLOT(0));
		break;
	case WC_RDMA_WRITE:
		if (WRID_IS_SERVED(wc->wr_id))
			serve_reply_done(c, &c->served[wc->wr_id - WRID_SERVED(0)]);
		else if (wc->wr_id == WRID_PING)
			ping_acknowledged(c);
		break;
	}
}

static void cq_handler(struct roce_cq *cq, void *arg)
{
	struct fit_conn *c = arg;
	struct roce_wc wc[16];
	unsigned n;

	while ((n = roce_cq_poll(cq, wc, ARRAY_SIZE(wc))) != 0) {
		for (unsigned i = 0; i < n; i++) {
			if (wc[i].status == WC_SUCCESS)
				WRITE_ONCE(c->heard_ns, time_mono_ns());
			completion(c, &wc[i]);
		}
	}
}

static void qp_event(struct roce_qp *qp, enum roce_event ev, void *arg)
{
	if (ev == ROCE_EVENT_QP_FATAL || ev == ROCE_EVENT_QP_REQ_ERR || ev == ROCE_EVENT_QP_ACCESS_ERR)
		conn_break(arg, "a fatal error of the transport");
}

/* Receive buffers for the largest request that this role is sent. */
u32 conn_max_request(void)
{
	u32 largest = PAGE_SIZE;

	for (unsigned i = 0; i < fit_nr_ops; i++)
		if (fit_ops[i].run != NULL)
			largest = sizeof(struct fit_request) + RPC_MAX_REQ + RPC_MAX_BULK_OUT;
	return largest;
}

static bool conn_alloc(struct fit_conn *c)
{
	u32 size = conn_max_request();

	for (unsigned i = 0; i < FIT_SLOTS; i++) {
		struct rpc_slot *s = &c->slot[i];

		s->conn = c;
		s->index = i;
		s->mr = roce_mr_create(c->node->id);
		s->buf = kzalloc(SLOT_BUF_SIZE);
		if (s->mr == NULL || s->buf == NULL)
			return false;
		list_add_tail(&c->free_slots, &s->link);
		c->nr_free_slots++;
	}
	for (unsigned i = 0; i < FIT_SERVED; i++) {
		c->served[i].conn = c;
		c->served[i].rep = kmalloc(RPC_MAX_REP);
		if (c->served[i].rep == NULL)
			return false;
		list_add_tail(&c->free_served, &c->served[i].link);
	}
	for (unsigned i = 0; i < FIT_RECVS; i++) {
		struct frame *f = frames_alloc(order_of(size), FRAME_KERNEL, 0);

		if (f == NULL)
			return false;
		c->recv[i].data = frame_virt(f);
		c->recv[i].size = size;
		list_init(&c->recv[i].link);
	}
	return true;
}

struct fit_conn *conn_create(struct fit_node *node)
{
	struct fit_conn *c = vmalloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	c->node = node;
	ref_init(&c->refs, 1);
	spin_init(&c->lock, "fit conn", RANK_FIT);
	list_init(&c->free_slots);
	list_init(&c->waiting);
	list_init(&c->waiting_change);
	list_init(&c->free_served);
	list_init(&c->backlog);
	if (!conn_alloc(c))
		goto free_conn;
	c->cq = roce_cq_create(FIT_SLOTS + FIT_SERVED + FIT_RECVS + 16, cq_handler, c);
	if (c->cq == NULL)
		goto free_conn;
	return c;

free_conn:
	conn_free(c);
	return NULL;
}

int conn_qp_begin(struct fit_conn *c)
{
	struct roce_qp_init init = {
		.type = QPT_RC, .send_cq = c->cq, .recv_cq = c->cq,
		.max_send_wr = FIT_SLOTS + FIT_SERVED + 4,		/* one each of WRID_PING to WRID_BREAK */
		.max_recv_wr = FIT_RECVS, .pd = c->node->id, .event = qp_event, .arg = c,
	};
	struct roce_qp *qp = roce_qp_create(&init);
	int rc = 0;

	if (qp == NULL)
		return -ENOMEM;
	spin_lock(&c->lock);
	c->qp = qp;
	c->sent = 0;
	WRITE_ONCE(c->taken, 0);
	for (unsigned i = 0; i < FIT_RECVS && rc == 0; i++)
		if (!c->recv[i].held)
			rc = post_recv(c, &c->recv[i]);
	spin_unlock(&c->lock);
	return rc;
}

void conn_go(struct fit_conn *c)
{
	struct roce_send_wr wr = { .wr_id = WRID_REPEATED, .opcode = WR_RDMA_WRITE_WITH_IMM, .imm = FIT_REPEATED_IMM };
	int rc = 0;

	spin_lock(&c->lock);
	c->up = c->ready = true;
	if (c->gen != 0) {
		rc = call_repeat_all(c);
		if (rc == 0)
			rc = roce_post_send(c->qp, &wr);
		c->sent += rc == 0;
	}
	if (rc == 0)
		rc = serve_post_kept(c);
	spin_unlock(&c->lock);
	serve_backlog(c);
	if (rc < 0)
		conn_break(c, "cannot send");
}

/*
 * A request posted to a QP in error completes as flushed, behind all others: when that has been handled, all have been. What had
 * arrived counts as arrived then, and the peer, which does the same, knows of every reply that it acknowledged.
 */
void conn_qp_end(struct fit_conn *c)
{
	struct roce_send_wr last = { .wr_id = WRID_DRAIN, .opcode = WR_SEND };
	struct roce_qp *qp = c->qp;
	struct recv_buf *r;

	spin_lock(&c->lock);
	c->ready = false;
	spin_unlock(&c->lock);
	if (qp == NULL) {
		__atomic_store_n(&c->broken, NULL, __ATOMIC_SEQ_CST);
		return;
	}
	roce_qp_error(qp);
	store_release(&c->drained, false);
	if (roce_post_send(qp, &last) == 0)
		waitq_wait(&c->node->drain_wait, load_acquire(&c->drained));
	spin_lock(&c->lock);
	c->qp = NULL;
	c->gen++;
	c->repeated = false;
	c->ping_out = false;
	while ((r = list_first(&c->backlog, struct recv_buf, link)) != NULL) {	/* not begun: they will be repeated */
		list_del(&r->link);
		r->held = false;
	}
	spin_unlock(&c->lock);
	roce_qp_destroy(qp);
	call_qp_gone(c);
	serve_qp_gone(c);
	__atomic_store_n(&c->broken, NULL, __ATOMIC_SEQ_CST);
}

void conn_close(struct fit_conn *c)
{
	spin_lock(&c->lock);
	c->up = c->ready = false;
	store_release(&c->closed, true);	/* pairs with rpc_wanted() */
	spin_unlock(&c->lock);
}

void conn_bury(struct fit_conn *c)
{
	conn_close(c);
	/* from here on no completion comes, nothing of ours is in use by the transport */
	if (c->qp != NULL)
		roce_qp_destroy(c->qp);
	roce_cq_destroy(c->cq);
	call_end_all(c);
	serve_end_all(c);
	conn_put(c);
}
