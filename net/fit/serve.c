/* SPDX-License-Identifier: MIT */
/*
 * Their calls: decode, run (in the receive path or in a worker), reply.
 *
 * A struct served goes: free -> running -> answered -> free. The request's buffer is given back to the receive queue when
 * it is answered; the reply's bytes stay until the caller's NIC has acknowledged them. If the queue pair breaks before that,
 * the reply is kept for a repetition of the request, or until the caller has repeated all that it wants.
 */
#include "kernel/crash.h"
#include "kernel/param.h"
#include "kernel/thread.h"
#include "kernel/trace.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/fit/member.h"

#define NR_WORKERS_DEFAULT 12

static DEFINE_SPINLOCK(worker_lock, RANK_WORK);
static struct list worker_queue = LIST_INIT(worker_queue);	/* [worker_lock] struct served */
static struct waitq worker_wait = WAITQ_INIT(worker_wait);

static struct served *served_of(struct rpc_call *call)
{
	return container_of(call, struct served, call);
}

/* The request that has waited longest, if there is a place for it. [conn lock] */
static struct recv_buf *backlog_take(struct fit_conn *c)
{
	struct recv_buf *r = c->closed || list_empty(&c->free_served) ? NULL : list_first(&c->backlog, struct recv_buf, link);

	if (r != NULL)
		list_del(&r->link);
	return r;
}

/* Back to the free list, and on with the backlog. No lock held. */
static void served_free(struct served *s)
{
	struct fit_conn *c = s->conn;
	struct recv_buf *next;

	if (s->release != NULL)
		s->release(s->release_arg);
	s->release = NULL;
	spin_lock(&c->lock);
	if (s->slot < FIT_SLOTS && c->by_slot[s->slot] == s)
		c->by_slot[s->slot] = NULL;
	list_add_tail(&c->free_served, &s->link);
	next = backlog_take(c);
	spin_unlock(&c->lock);
	if (next != NULL)
		serve_request_arrived(c, next);
	conn_put(c);		/* the reference of the call */
}

/* An answered one is free, if it is as the caller wants it. */
static void served_end(struct fit_conn *c, struct served *s, bool only_posted, bool only_old)
{
	bool end;

	spin_lock(&c->lock);
	end = s->answered && (s->posted || !only_posted) && (s->gen != c->gen || !only_old);
	if (end)
		s->answered = s->posted = false;
	spin_unlock(&c->lock);
	if (end)
		served_free(s);
}

void serve_reply_done(struct fit_conn *c, struct served *s)
{
	served_end(c, s, true, false);
}

/* The epoch is over: replies that were not delivered are let go. Handlers still running end in rpc_reply(). */
void serve_end_all(struct fit_conn *c)
{
	for (unsigned i = 0; i < FIT_SERVED; i++)
		served_end(c, &c->served[i], false, false);
}

void serve_repeated(struct fit_conn *c)
{
	spin_lock(&c->lock);
	c->repeated = true;
	spin_unlock(&c->lock);
	for (unsigned i = 0; i < FIT_SERVED; i++)
		served_end(c, &c->served[i], false, true);
}

void serve_qp_gone(struct fit_conn *c)
{
	spin_lock(&c->lock);
	for (unsigned i = 0; i < FIT_SERVED; i++)
		c->served[i].posted = false;
	spin_unlock(&c->lock);
}

/* The reply on its way; lock held, the QP in RTS, the request came on it. */
static int reply_post(struct served *s)
{
	struct fit_conn *c = s->conn;
	struct roce_send_wr wr = { 0 };
	int status = s->failed < 2 ? s->status : -EIO;	/* twice it broke the queue pair: the caller gets its end without data */
	int rc;

	assert_held(&c->lock);
	wr.wr_id = WRID_SERVED(s - c->served);
	wr.opcode = WR_RDMA_WRITE_WITH_IMM;
	wr.flags = WR_SIGNALED | WR_TAKEN;
	wr.taken = s->number;
	wr.imm = fit_imm(s->slot, status);
	wr.remote_addr = s->rep_addr;
	wr.rkey = s->rep_key;
	if (status >= 0) {
		if (s->op->rep_size != 0)
			wr.sge[wr.nr_sge++] = (struct roce_sge){ s->rep, s->op->rep_size };
		if (s->bulk_len != 0)
			wr.sge[wr.nr_sge++] = (struct roce_sge){ (void *)s->bulk, s->bulk_len };
		for (unsigned i = 0; i < s->nr_pages; i++)
			wr.sge[wr.nr_sge++] = (struct roce_sge){ (void *)s->page[i], PAGE_SIZE };
	}
	rc = roce_post_send(c->qp, &wr);
	s->posted = rc == 0;
	c->sent += rc == 0;
	return rc;
}

int serve_post_kept(struct fit_conn *c)
{
	int rc = 0;

	assert_held(&c->lock);
	for (unsigned i = 0; i < FIT_SERVED && rc == 0; i++) {
		struct served *s = &c->served[i];

		if (s->answered && !s->posted && s->gen == c->gen)
			rc = reply_post(s);
	}
	return rc;
}

void rpc_reply(struct rpc_call *call, int status)
{
	struct served *s = served_of(call);
	struct fit_conn *c = s->conn;
	const char *name = s->op->name;
	bool unwanted;
	int rc = 0;

	crash_point(CRASH_reply, name);
	if (status < -4095 || status > 0x7fff)
		panic("fit: %s answered %d", s->op->name, status);
	if (s->recv != NULL)
		conn_post_recv(c, s->recv);	/* before the reply: the caller may use its slot again at once */
	s->recv = NULL;
	s->call.bulk = NULL;
	spin_lock(&c->lock);
	/* the caller's epoch is over, it has its error already; or the queue pair is another, and it has not repeated this */
	unwanted = c->closed || (s->gen != c->gen && c->repeated);
	s->status = status;
	s->answered = !unwanted;
	if (s->answered && c->ready && s->gen == c->gen)
		rc = reply_post(s);
	if (rc < 0)
		conn_get(c);		/* s may end at any time from here on */
	spin_unlock(&c->lock);
	crash_point(CRASH_sent, name);
	if (unwanted)
		served_free(s);
	if (rc < 0) {
		conn_break(c, "cannot send");
		conn_put(c);
	}
}

void rpc_reply_bulk_ref(struct rpc_call *call, const void *buf, u32 len, void (*release)(void *arg), void *arg)
{
	struct served *s = served_of(call);

	BUG_ON(s->release != NULL || len > call->rep_room);
	s->bulk = buf;
	s->bulk_len = len;
	s->release = release;
	s->release_arg = arg;
}

void rpc_reply_pages_ref(struct rpc_call *call, const void *const *page, unsigned nr, void (*release)(void *arg), void *arg)
{
	struct served *s = served_of(call);

	BUG_ON(s->release != NULL || nr > RPC_MAX_PAGES || nr * PAGE_SIZE > call->rep_room || s->op->rep_size != 0);
	for (unsigned i = 0; i < nr; i++)
		s->page[i] = page[i];
	s->nr_pages = nr;
	s->release = release;
	s->release_arg = arg;
}

static void served_queue(struct served *s)
{
	count(nr_fit_served_worker);
	s->call.in_worker = true;
	spin_lock(&worker_lock);
	list_add_tail(&worker_queue, &s->link);
	spin_unlock(&worker_lock);
	waitq_wake_one(&worker_wait);
}

/* An epoch that is over takes its requests with it: its caller has had its error, and may have begun anew. */
static bool served_obsolete(const struct served *s)
{
	return load_acquire(&s->conn->closed);
}

bool rpc_wanted(const struct rpc_call *c)
{
	return !served_obsolete(container_of(c, const struct served, call));
}

static void served_run(struct served *s)
{
	int status;

	trace(TRACE_FIT_SERVE, (u64)s->op->name, s->call.node, 0, 0);
	crash_point(CRASH_serve, s->op->name);
	status = served_obsolete(s) ? -EHOSTDOWN : s->op->run(&s->call, s->call.req, s->rep);

	if (status == RPC_PENDING)
		return;			/* the handler's own from here on; s may be gone */
	if (status == RPC_TO_WORKER) {
		BUG_ON(s->call.in_worker);
		served_queue(s);
		return;
	}
	if (!s->call.in_worker)
		count(nr_fit_served_inline);
	rpc_reply(&s->call, status);
}

static void worker(void *arg)
{
	for (;;) {
		struct served *s;

		spin_lock(&worker_lock);
		s = list_first(&worker_queue, struct served, link);
		if (s != NULL)
			list_del(&s->link);
		spin_unlock(&worker_lock);
		if (s == NULL)
			waitq_wait(&worker_wait, !list_empty(&worker_queue));
		else
			served_run(s);
	}
}

/*
 * Decode in full before anything else. A request with a good header but a bad rest is answered with an error, and nothing else that it
 * says counts; one whose header is not even that cannot be answered: it is counted and dropped (the caller is not one of ours).
 */
static bool header_good(const struct recv_buf *r)
{
	const struct fit_request *h = (const struct fit_request *)r->data;

	return r->len >= sizeof(*h) && le16_get(h->slot) < FIT_SLOTS && le16_get(h->id) != 0;
}

static bool lengths_good(const struct recv_buf *r)
{
	const struct fit_request *h = (const struct fit_request *)r->data;

	return sizeof(*h) + (u64)le16_get(h->req_len) + le32_get(h->bulk_len) == r->len;
}

bool serve_is_request(const struct recv_buf *r) { return header_good(r) && lengths_good(r); }

static int request_check(const struct recv_buf *r, const struct rpc_op **op)
{
	const struct fit_request *h = (const struct fit_request *)r->data;

	*op = fit_op(le16_get(h->op));
	if (*op == NULL || (*op)->run == NULL)
		return -ENOSYS;
	if (le16_get(h->req_len) != (*op)->req_size || !lengths_good(r))
		return -EBADMSG;
	if (le32_get(h->rep_room) < (*op)->rep_size || le32_get(h->rep_room) > RPC_MAX_REP + RPC_MAX_BULK_IN)
		return -EMSGSIZE;
	return 0;
}

static const struct rpc_op op_refused = { .name = "refused" };

/*
 * A request that is known: its reply goes to where it came from now. 0; -EBADMSG for what no caller of ours does: one that had its
 * reply, or that is another under the same id. Lock held.
 */
static int request_again(struct fit_conn *c, struct served *s, const struct recv_buf *r)
{
	const struct fit_request *h = (const struct fit_request *)r->data;

	assert_held(&c->lock);
	if (s == NULL || s->gen == c->gen || (s->op->run != NULL && s->op->op != le16_get(h->op)))
		return -EBADMSG;
	s->gen = c->gen;
	s->number = r->number;
	s->rep_key = le32_get(h->rep_key);
	s->rep_addr = le64_get(h->rep_addr);
	return s->answered && c->ready ? reply_post(s) : 0;
}

void serve_request_arrived(struct fit_conn *c, struct recv_buf *r)
{
	const struct fit_request *h = (const struct fit_request *)r->data;
	const struct rpc_op *op;
	unsigned slot = le16_get(h->slot), id = le16_get(h->id);
	struct served *s;
	int rc;

	if (!header_good(r)) {
		count(nr_fit_bad_requests);
		conn_post_recv(c, r);
		return;
	}
	spin_lock(&c->lock);
	if (r->gen != c->gen) {		/* it waited in the backlog, and its queue pair is gone: the caller repeats it */
		spin_unlock(&c->lock);
		conn_post_recv(c, r);
		return;
	}
	if (!c->up && !c->closed) {	/* the peer counts us as up; here its role is not known yet, and nobody was told of it */
		list_add_tail(&c->backlog, &r->link);
		spin_unlock(&c->lock);
		return;
	}
	if (id == c->last_id[slot]) {
		rc = request_again(c, c->by_slot[slot], r);
		spin_unlock(&c->lock);
		if (rc == -EBADMSG)
			count(nr_fit_bad_requests);
		else
			count(nr_fit_repeats);
		if (rc < 0 && rc != -EBADMSG)
			conn_break(c, "cannot send");
		conn_post_recv(c, r);
		return;
	}
	s = list_first(&c->free_served, struct served, link);
	if (s == NULL) {
		list_add_tail(&c->backlog, &r->link);
		spin_unlock(&c->lock);
		return;
	}
	list_del(&s->link);
	rc = request_check(r, &op);
	s->op = rc < 0 ? &op_refused : op;
	s->slot = slot;
	s->id = id;
	s->gen = r->gen;
	s->answered = s->posted = false;
	s->failed = 0;
	s->number = r->number;
	s->rep_key = le32_get(h->rep_key);
	s->rep_addr = le64_get(h->rep_addr);
	s->recv = r;
	s->bulk = NULL;
	s->bulk_len = 0;
	s->nr_pages = 0;
	s->release = NULL;
	c->by_slot[slot] = s;
	c->last_id[slot] = id;
	spin_unlock(&c->lock);

	count(nr_fit_served);
	conn_get(c);
	if (rc < 0) {
		count(nr_fit_bad_requests);
		rpc_reply(&s->call, rc);
		return;
	}
	memset(s->rep, 0, op->rep_size);
	s->call = (struct rpc_call){
		.node = c->node->id, .op = op->op,
		.req = h + 1, .bulk = (const u8 *)(h + 1) + op->req_size, .bulk_len = le32_get(h->bulk_len),
		.rep = s->rep, .rep_room = le32_get(h->rep_room) - op->rep_size,
	};
	if (op->class == RPC_WORKER)
		served_queue(s);
	else
		served_run(s);
}

/* As far as there are places; the rest has its turn as others end. */
void serve_backlog(struct fit_conn *c)
{
	for (;;) {
		struct recv_buf *r;

		spin_lock(&c->lock);
		r = backlog_take(c);
		spin_unlock(&c->lock);
		if (r == NULL)
			return;
		serve_request_arrived(c, r);
	}
}

int serve_init(void)
{
	unsigned nr = param_u64("fit.workers", NR_WORKERS_DEFAULT, 1, 64);

	for (unsigned i = 0; i < nr; i++) {
		int rc = thread_spawn(worker, NULL, PRIO_NORMAL, "fit-worker/%u", i);

		if (rc < 0)
			return rc;
	}
	return 0;
}
