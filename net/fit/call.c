/* SPDX-License-Identifier: MIT */
/*
 * Our calls: slots, credits, completion.
 *
 * A slot is busy from start until both have happened: the reply came (or the connection ended), and the transport has let
 * go of what was sent. The call itself is done at the reply if it sent no bulk; with bulk at the later of the two, since
 * the bulk's memory is the caller's. A queue pair that broke has let go of everything; requests without a reply are repeated on
 * the next.
 *
 * Who finds no slot queues, lane by lane, and nobody of the lane is served before who came first; what may not wait gets none then.
 * Only the first of a queue can go on, so who leaves as the first wakes the next if there is a slot for it.
 */
#include "kernel/crash.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/trace.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/rule.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/fit/fit.h"

#define NR_DONE_QUEUES 64

/*
 * Where rpc_wait() sleeps. Not inside struct rpc: that is gone as soon as its owner sees it finished, and the waker would
 * be left holding a queue in somebody's dead stack (L44).
 */
static struct waitq done_queue[NR_DONE_QUEUES];

static struct waitq *done_queue_of(const struct rpc *call)
{
	return &done_queue[((uintptr_t)call >> 6) % NR_DONE_QUEUES];
}

void call_init(void)
{
	for (unsigned i = 0; i < NR_DONE_QUEUES; i++)
		waitq_init(&done_queue[i]);
}

static void call_finish(struct rpc *call, int status, u32 rep_len, bool arrived)
{
	struct waitq *q = done_queue_of(call);

	call->status = status;
	call->rep_len = rep_len;
	call->arrived = arrived;
	trace(TRACE_FIT_END, (u64)fit_op(call->op)->name, call->node, status, time_mono_ns() - call->start_ns);
	if (arrived) {
		crash_point(CRASH_answer, fit_op(call->op)->name);
		count(nr_fit_replies);
		fit_took(call->op, time_mono_ns() - call->start_ns);
	} else if (status == -EHOSTDOWN) {
		count(nr_fit_hostdown);
	}
	if (call->done != NULL) {
		call->done(call);
		return;
	}
	store_release(&call->finished, true);	/* pairs with rpc_wait(); call may be gone from here on */
	waitq_wake_all(q);
}

static struct list *lane_queue(struct fit_conn *c, unsigned lane)
{
	return lane == RPC_LANE_CHANGE ? &c->waiting_change : &c->waiting;
}

static bool lane_has_slot(const struct fit_conn *c, unsigned lane)
{
	assert_held(&c->lock);
	return c->nr_free_slots > (lane == RPC_LANE_CHANGE ? 0 : FIT_SLOTS_CHANGE);
}

/* A slot is there, and nobody waits for it before us. place: ours in the queue, or NULL. */
static bool lane_may(struct fit_conn *c, unsigned lane, const struct list *place)
{
	struct list *queue = lane_queue(c, lane);

	return lane_has_slot(c, lane) && (list_empty(queue) || queue->next == place);
}

/* Out of the queue, if in it; true: there is a new first one that can go on, to be woken when the lock is dropped. */
static bool lane_leave(struct fit_conn *c, unsigned lane, struct list *place)
{
	struct list *queue = lane_queue(c, lane);
	bool first = queue->next == place;

	if (place == NULL || !list_linked(place))
		return false;
	list_del(place);
	return first && lane_has_slot(c, lane) && !list_empty(queue);
}

/* conn->lock held; takes a slot the lane may use, or NULL. */
static struct rpc_slot *slot_take(struct fit_conn *c, unsigned lane, const struct list *place)
{
	struct rpc_slot *s;

	assert_held(&c->lock);
	if (!lane_may(c, lane, place))
		return NULL;
	s = list_first(&c->free_slots, struct rpc_slot, link);
	list_del(&s->link);
	c->nr_free_slots--;
	s->state = SLOT_BUSY;
	s->lane = lane;
	s->sending = true;
	s->replied = false;
	s->failed = 0;
	s->id = s->id == 0xffff ? 1 : s->id + 1;
	s->order = c->calls++;
	return s;
}

static void slot_free(struct rpc_slot *s)
{
	struct fit_conn *c = s->conn;

	assert_held(&c->lock);
	s->state = SLOT_FREE;
	s->call = NULL;
	list_add_tail(&c->free_slots, &s->link);
	c->nr_free_slots++;
}

/* Header, fixed body and bulk into one work request. */
static void slot_prepare(struct rpc_slot *s, struct rpc *call, const struct rpc_op *op, struct roce_send_wr *wr)
{
	struct fit_request *h = (struct fit_request *)s->buf;
	u32 bulk = 0;

	wr->nr_sge = 1;
	for (unsigned i = 0; i < call->nr_segs; i++) {
		wr->sge[wr->nr_sge].ptr = (void *)call->seg[i].ptr;
		wr->sge[wr->nr_sge++].len = call->seg[i].len;
		bulk += call->seg[i].len;
	}
	memset(h, 0, sizeof(*h));
	h->op = le16_of(op->op);
	h->slot = le16_of(s->index);
	h->id = le16_of(s->id);
	h->req_len = le16_of(op->req_size);
	h->bulk_len = le32_of(bulk);
	if (call->nr_pages != 0) {
		h->rep_room = le32_of(call->rep_size);
		h->rep_key = le32_of(roce_mr_bind_pages(s->mr, call->page, call->nr_pages));
	} else if (call->rep_size != 0) {
		h->rep_room = le32_of(call->rep_size);
		h->rep_addr = le64_of((uintptr_t)call->rep);
		h->rep_key = le32_of(roce_mr_bind(s->mr, call->rep, call->rep_size, MR_REMOTE_WRITE));
	}
	wr->sge[0].ptr = s->buf;
	wr->sge[0].len = sizeof(*h) + op->req_size;
	wr->wr_id = WRID_SLOT(s->index);
	wr->opcode = WR_SEND;
	wr->flags = WR_SIGNALED | WR_TAKEN;
	wr->taken = READ_ONCE(s->conn->taken);
	h->taken = le32_of(wr->taken);
}

/* On its way; lock held, the QP in RTS. Its number counts what was posted. */
static int slot_post(struct rpc_slot *s)
{
	struct fit_conn *c = s->conn;
	struct roce_send_wr wr = { 0 };
	int rc;

	assert_held(&c->lock);
	slot_prepare(s, s->call, fit_op(s->call->op), &wr);
	rc = roce_post_send(c->qp, &wr);
	if (rc == 0)
		s->number = ++c->sent;
	return rc;
}

static int call_check(struct rpc *call, const struct rpc_op *op, const struct fit_conn *c)
{
	u32 bulk = 0;

	if (op == NULL || call->nr_segs > RPC_MAX_SEGS || (op->req_size != 0 && call->req == NULL))
		return -EINVAL;
	for (unsigned i = 0; i < call->nr_segs; i++)
		bulk += call->seg[i].len;
	if (bulk > RPC_MAX_BULK_OUT || call->rep_size > RPC_MAX_REP + RPC_MAX_BULK_IN || call->rep_size < op->rep_size)
		return -EINVAL;
	if (call->nr_pages != 0) {
		if (call->nr_pages > RPC_MAX_PAGES || op->rep_size != 0 || call->rep_size != call->nr_pages * PAGE_SIZE)
			return -EINVAL;
	} else if (call->rep_size != 0 && call->rep == NULL) {
		return -EINVAL;
	}
	if (sizeof(struct fit_request) + op->req_size + bulk > c->peer_max_request)
		return -EMSGSIZE;
	return 0;
}

/* place: where the caller waits, or will if the answer is -EAGAIN; NULL: it will not wait. */
static int call_start(struct rpc *call, struct fit_conn *c, struct list *place)
{
	const struct rpc_op *op = fit_op(call->op);
	unsigned node = call->node;		/* who is told by `done` may have freed the call before we are back */
	struct rpc_slot *s;
	bool next;
	int rc = call_check(call, op, c);

	if (rc < 0)
		return rc;
	call->finished = false;
	call->status = 0;
	call->rep_len = 0;
	call->arrived = false;
	spin_lock(&c->lock);
	if (!c->up) {
		spin_unlock(&c->lock);
		return -EHOSTDOWN;
	}
	s = slot_take(c, call->lane, place);
	if (s == NULL) {
		if (place != NULL && !list_linked(place))
			list_add_tail(lane_queue(c, call->lane), place);
		spin_unlock(&c->lock);
		return -EAGAIN;
	}
	next = lane_leave(c, call->lane, place);
	s->call = call;
	call->slot = s;
	call->start_ns = time_mono_ns();
	/*
	 * Posted under the lock: calls enter the wire in the order in which they were started. A post that fails means a
	 * broken QP; the slot is in the table, so the request is posted on the next one, or the burial ends the call. What the
	 * caller wants sent is copied now.
	 */
	if (op->req_size != 0)
		memcpy(s->buf + sizeof(struct fit_request), call->req, op->req_size);
	rc = c->ready ? slot_post(s) : 0;
	spin_unlock(&c->lock);
	if (next)
		waitq_wake_all(&c->node->slot_wait);
	if (rc < 0)
		conn_break(c, "cannot send");
	count(nr_fit_calls);
	trace(TRACE_FIT_CALL, (u64)op->name, node, 0, 0);
	crash_point(CRASH_call, op->name);
	return 0;
}

int rpc_try_start(struct rpc *call)
{
	struct fit_conn *c = fit_node_conn(call->node);
	int rc;

	if (c == NULL)
		return -EHOSTDOWN;
	rc = call_start(call, c, NULL);
	conn_put(c);
	return rc;
}

/* A call that found its node dead. */
static void count_dead(void)
{
	count(nr_fit_calls);
	count(nr_fit_hostdown);
}

static bool slot_turn(struct fit_conn *c, unsigned lane, const struct list *place)
{
	bool turn;

	spin_lock(&c->lock);
	turn = !c->up || lane_may(c, lane, place);
	spin_unlock(&c->lock);
	return turn;
}

static void slot_wait_end(struct fit_conn *c, unsigned lane, struct list *place)
{
	bool next;

	spin_lock(&c->lock);
	next = lane_leave(c, lane, place);
	spin_unlock(&c->lock);
	if (next)
		waitq_wake_all(&c->node->slot_wait);
}

/* -ETIMEDOUT: no credit by the deadline (0: there is none); nothing was sent. */
static int start_by(struct rpc *call, u64 deadline)
{
	struct fit_conn *c = fit_node_conn(call->node);
	unsigned lane = call->lane;
	struct list place = LIST_INIT(place);
	int rc;

	if (c == NULL) {
		count_dead();
		return -EHOSTDOWN;
	}
	while ((rc = call_start(call, c, &place)) == -EAGAIN) {
		count(nr_fit_credit_waits);
		rc = waitq_wait_timeout(&c->node->slot_wait, slot_turn(c, lane, &place), deadline);
		if (rc < 0)
			break;
	}
	if (rc < 0)
		slot_wait_end(c, lane, &place);
	if (rc == -EHOSTDOWN)
		count_dead();
	conn_put(c);
	return rc;
}

int rpc_start(struct rpc *call)
{
	return start_by(call, 0);
}

int rpc_wait(struct rpc *call)
{
	BUG_ON(call->done != NULL);
	waitq_wait(done_queue_of(call), load_acquire(&call->finished));
	return call->status;
}

/* --- completion: the connection's CQ handler --- */

/* One of the two ends of a busy slot has come; conn->lock held, dropped here. */
static void slot_advance(struct rpc_slot *s, int status, u32 len)
{
	struct fit_conn *c = s->conn;
	struct rpc *call = NULL;
	bool wake = false;

	if (s->replied && (s->call != NULL) && (!s->sending || s->call->nr_segs == 0)) {
		call = s->call;
		s->call = NULL;
	}
	if (s->replied && !s->sending) {
		slot_free(s);
		wake = true;
	}
	spin_unlock(&c->lock);
	if (call != NULL)
		call_finish(call, status, len, true);
	if (wake)
		waitq_wake_all(&c->node->slot_wait);
}

void call_reply_arrived(struct fit_conn *c, u32 imm, u32 len)
{
	unsigned index = fit_imm_slot(imm);
	struct rpc_slot *s;
	struct rpc *call;

	if (index >= FIT_SLOTS) {
		count(nr_fit_bad_replies);
		return;
	}
	s = &c->slot[index];
	spin_lock(&c->lock);
	if (s->state != SLOT_BUSY || s->replied) {
		spin_unlock(&c->lock);
		count(nr_fit_bad_replies);
		return;
	}
	s->replied = true;
	if (!c->closed && c->qp != NULL && c->sent - s->number < 1U << 23)	/* MSNs are compared in 24 bits */
		roce_qp_delivered(c->qp, s->number);
	call = s->call;
	if (call->rep_size != 0)
		roce_mr_unbind(s->mr);
	call->status = fit_imm_status(imm);
	call->rep_len = MIN(len, call->rep_size);
	/* a success shorter than the op's fixed reply, or what is no errno, is the peer's fault: nothing in it can be believed */
	if (call->status < -ERRNO_LAST || (call->status >= 0 && call->rep_len < fit_op(call->op)->rep_size))
		call->status = -EPROTO;
	slot_advance(s, call->status, call->rep_len);
}

void call_send_done(struct fit_conn *c, unsigned slot)
{
	struct rpc_slot *s = &c->slot[slot];

	spin_lock(&c->lock);
	if (s->state != SLOT_BUSY || !s->sending) {
		spin_unlock(&c->lock);
		return;
	}
	s->sending = false;
	slot_advance(s, s->call ? s->call->status : 0, s->call ? s->call->rep_len : 0);
}

/* Unbinds what a call that ends without a reply had bound. */
static void end_unanswered(struct rpc_slot *s, struct rpc *call, int status)
{
	if (call->rep_size != 0)
		roce_mr_unbind(s->mr);
	call_finish(call, status, 0, false);
}

/* The QP is gone: no buffer of any slot is in use by it. */
void call_end_all(struct fit_conn *c)
{
	for (unsigned i = 0; i < FIT_SLOTS; i++) {
		struct rpc_slot *s = &c->slot[i];
		struct rpc *call;
		bool arrived;

		spin_lock(&c->lock);
		call = s->state == SLOT_BUSY ? s->call : NULL;
		arrived = s->replied;
		s->call = NULL;
		spin_unlock(&c->lock);
		if (call == NULL)
			continue;
		if (arrived)
			call_finish(call, call->status, call->rep_len, true);
		else
			end_unanswered(s, call, -EHOSTDOWN);
	}
	waitq_wake_all(&c->node->slot_wait);
}

void call_qp_gone(struct fit_conn *c)
{
	for (unsigned i = 0; i < FIT_SLOTS; i++) {
		struct rpc_slot *s = &c->slot[i];
		struct rpc *broke = NULL;

		spin_lock(&c->lock);
		if (s->state == SLOT_BUSY && s->replied) {
			s->sending = false;
			slot_advance(s, s->call ? s->call->status : 0, s->call ? s->call->rep_len : 0);
			continue;
		}
		if (s->state == SLOT_BUSY && s->call->rep_size != 0)
			roce_mr_unbind(s->mr);		/* what the peer was allowed on the old one */
		if (s->state == SLOT_BUSY && s->failed >= 2) {
			broke = s->call;
			slot_free(s);
		}
		spin_unlock(&c->lock);
		if (broke != NULL) {
			count(nr_fit_io_errors);
			pr_err("fit: %s to %s broke the connection twice: it ends with EIO", fit_op(broke->op)->name,
			       fit_node_name(broke->node));
			end_unanswered(s, broke, -EIO);
			waitq_wake_all(&c->node->slot_wait);
		}
	}
}

/* Of the calls that wait for a reply, the first that began at `from` or after it; numbers go round. */
static struct rpc_slot *next_waiting(struct fit_conn *c, u32 from)
{
	struct rpc_slot *next = NULL;
	u32 nearest = 1U << 31;

	for (unsigned i = 0; i < FIT_SLOTS; i++) {
		struct rpc_slot *s = &c->slot[i];

		if (s->state == SLOT_BUSY && !s->replied && s->order - from < nearest) {
			nearest = s->order - from;
			next = s;
		}
	}
	return next;
}

int call_repeat_all(struct fit_conn *c)
{
	u32 from = c->calls - (1U << 31);	/* that long no call waits */
	struct rpc_slot *s;
	int rc = 0;

	assert_held(&c->lock);
	while (rc == 0 && (s = next_waiting(c, from)) != NULL) {
		s->sending = true;
		rc = slot_post(s);
		from = s->order + 1;
	}
	return rc;
}

/* --- calls with a deadline --- */

/*
 * Everything such a call touches lies in one heap block with two owners, the caller and the call: whoever lets go
 * last frees it. So a caller may leave at its deadline while the reply is still to come.
 */
struct timed_call {
	struct rpc rpc;
	refcount_t refs;
	bool done;
	u8 req[RPC_MAX_REQ];
	u8 data[];		/* reply room, then a copy of the bulk */
};

static void timed_call_put(struct timed_call *t)
{
	if (ref_put(&t->refs))
		kfree(t);
}

static void timed_call_done(struct rpc *call)
{
	struct timed_call *t = container_of(call, struct timed_call, rpc);
	struct waitq *q = done_queue_of(call);

	store_release(&t->done, true);
	timed_call_put(t);
	waitq_wake_all(q);
}

/* deadline 0: none */
static int timed_call(unsigned node, unsigned opcode, const void *req, const void *bulk, u32 bulk_len, void *rep, u32 rep_size,
		      u32 *rep_len, u64 deadline)
{
	const struct rpc_op *op = fit_op(opcode);
	struct timed_call *t;
	int rc;

	if (rep_len != NULL)
		*rep_len = 0;
	if (op == NULL || bulk_len > RPC_MAX_BULK_OUT || rep_size > RPC_MAX_REP + RPC_MAX_BULK_IN)
		return -EINVAL;
	t = kmalloc(sizeof(*t) + ALIGN_UP(rep_size, 16u) + bulk_len);
	if (t == NULL)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	ref_init(&t->refs, 2);
	if (op->req_size != 0)
		memcpy(t->req, req, op->req_size);
	t->rpc.node = node;
	t->rpc.op = opcode;
	t->rpc.req = t->req;
	t->rpc.rep = rep_size ? t->data : NULL;
	t->rpc.rep_size = rep_size;
	t->rpc.done = timed_call_done;
	if (bulk_len != 0) {
		u8 *copy = t->data + ALIGN_UP(rep_size, 16u);

		memcpy(copy, bulk, bulk_len);
		t->rpc.nr_segs = 1;
		t->rpc.seg[0] = (struct rpc_seg){ copy, bulk_len };
	}
	rc = start_by(&t->rpc, deadline);
	if (rc < 0) {
		kfree(t);
		if (rc == -ETIMEDOUT)
			pr_warn("fit: %s to %s: other calls are in its way for %llu s; it was not sent", op->name,
				fit_node_name(node), (unsigned long long)(RPC_DEFAULT_TIMEOUT_NS / NSEC_PER_SEC));
		return rc;
	}
	rc = waitq_wait_timeout(done_queue_of(&t->rpc), load_acquire(&t->done), deadline);
	if (!load_acquire(&t->done)) {
		count(nr_fit_timeouts);
		pr_warn("fit: %s to %s: no answer in %llu s", op->name, fit_node_name(node),
			(unsigned long long)(RPC_DEFAULT_TIMEOUT_NS / NSEC_PER_SEC));
		if (RULE(CALL_KEEPS_BLOCK))
			timed_call_put(t);
		else
			kfree(t);
		return -ETIMEDOUT;
	}
	rc = t->rpc.status;
	if (t->rpc.rep_len != 0)
		memcpy(rep, t->data, t->rpc.rep_len);
	if (rep_len != NULL)
		*rep_len = t->rpc.rep_len;
	timed_call_put(t);
	return rc;
}

int rpc_call_bulk(unsigned node, unsigned op, const void *req, const void *bulk, u32 bulk_len, void *rep, u32 rep_size, u32 *rep_len)
{
	return timed_call(node, op, req, bulk, bulk_len, rep, rep_size, rep_len, time_mono_ns() + RPC_DEFAULT_TIMEOUT_NS);
}

int rpc_call_sure(unsigned node, unsigned op, const void *req, void *rep, u32 rep_size)
{
	return timed_call(node, op, req, NULL, 0, rep, rep_size, NULL, 0);
}
