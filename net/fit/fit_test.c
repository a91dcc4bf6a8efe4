/* SPDX-License-Identifier: MIT */
/* SOURCES: */
/*
 * FIT over fake verbs: the test is the peer and the transport. White-box: the sources are included.
 * lesson: L24 (credits), lesson: L25 (error completions end their call), lesson: L43 (no reply is impossible), lesson: L44 (late replies).
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#undef RPC_DEFAULT_TIMEOUT_NS
#include "net/fit/rpc.h"
#undef RPC_DEFAULT_TIMEOUT_NS
#ifndef DEADLINE_NS
#define DEADLINE_NS (20 * NSEC_PER_MSEC)	/* so that deadlines pass while one watches */
#endif
#define RPC_DEFAULT_TIMEOUT_NS DEADLINE_NS
#include "net/fit/call.c"
#include "net/fit/conn.c"
#include "net/fit/serve.c"

/* --- what member.c has, as far as it is needed --- */

DEFINE_COUNTERS(fit, FIT_COUNTERS);
struct fit_node fit_nodes[FIT_MAX_NODES];
const struct rpc_op *fit_ops;
unsigned fit_nr_ops;

static unsigned nr_unused, nr_kicks;
static struct fit_conn *up;

void member_kick(void) { nr_kicks++; }
void member_conn_unused(struct fit_conn *c) { nr_unused++; conn_release(c); }
void fit_took(unsigned op, u64 ns) { }
const char *fit_node_name(unsigned node) { return "fake"; }

struct fit_conn *fit_node_conn(unsigned node)
{
	if (up != NULL)
		conn_get(up);
	return up;
}

/* --- fake verbs --- */

struct roce_mr { void *ptr; u64 len; u32 key; unsigned nr_pages; void *page[ROCE_MR_PAGES]; };
static u32 next_key = 1;
static struct { struct roce_send_wr wr; u8 bytes[65536]; u32 len; } sent[1024];
static unsigned nr_sent, nr_posted_recv;
static u32 delivered;			/* the last number said */
static bool post_fails, recv_fails;

struct roce_cq *roce_cq_create(u32 depth, void (*h)(struct roce_cq *, void *), void *arg) { return (struct roce_cq *)1; }
unsigned roce_cq_poll(struct roce_cq *cq, struct roce_wc *wc, unsigned n) { return 0; }
void roce_cq_destroy(struct roce_cq *cq) { }
const char *roce_wc_status_name(unsigned s) { return "status"; }
struct roce_mr *roce_mr_create(u32 pd) { return calloc(1, sizeof(struct roce_mr)); }
void roce_mr_destroy(struct roce_mr *mr) { free(mr); }
u32 roce_mr_bind(struct roce_mr *mr, void *ptr, u64 len, unsigned access)
{
	assert_null(mr->ptr);
	*mr = (struct roce_mr){ ptr, len, next_key++ };
	return mr->key;
}
u32 roce_mr_bind_pages(struct roce_mr *mr, void *const *page, unsigned nr)
{
	assert_null(mr->ptr);
	*mr = (struct roce_mr){ page[0], nr * PAGE_SIZE, next_key++, nr };
	memcpy(mr->page, page, nr * sizeof(*page));
	return mr->key;
}
void roce_mr_unbind(struct roce_mr *mr) { mr->ptr = NULL; }
void roce_qp_delivered(struct roce_qp *qp, u32 nr_messages) { delivered = nr_messages; }
struct roce_qp *roce_qp_create(const struct roce_qp_init *i) { return (struct roce_qp *)1; }
void roce_qp_destroy(struct roce_qp *qp) { }
void roce_qp_error(struct roce_qp *qp) { }
int roce_post_recv(struct roce_qp *qp, const struct roce_recv_wr *wr) { nr_posted_recv++; return recv_fails ? -ENOMEM : 0; }
int roce_post_send(struct roce_qp *qp, const struct roce_send_wr *wr)
{
	u32 len = 0;

	if (post_fails)
		return -EINVAL;
	if (wr->wr_id == WRID_DRAIN) {			/* the QP is in error */
		completion(up, &(struct roce_wc){ .wr_id = WRID_DRAIN, .status = WC_WR_FLUSH_ERR });
		return 0;
	}
	assert_true(nr_sent < ARRAY_SIZE(sent));
	sent[nr_sent].wr = *wr;
	for (unsigned i = 0; i < wr->nr_sge; i++) {
		memcpy(sent[nr_sent].bytes + len, wr->sge[i].ptr, wr->sge[i].len);
		len += wr->sge[i].len;
	}
	sent[nr_sent++].len = len;
	return 0;
}

/* --- ops of the test --- */

struct add_req { u32 a, b; };
struct add_rep { u32 sum; };
static struct rpc_call *kept[8];
static unsigned nr_kept, nr_released;

static int run_add(struct rpc_call *c, const void *q, void *r)
{
	const struct add_req *req = q;

	((struct add_rep *)r)->sum = req->a + req->b;
	return 7;
}
static int run_keep(struct rpc_call *c, const void *q, void *r)
{
	kept[nr_kept++] = c;
	return RPC_PENDING;
}
static void released(void *arg) { nr_released++; }
static u8 page[PAGE_SIZE];
static int run_page(struct rpc_call *c, const void *q, void *r)
{
	rpc_reply_bulk_ref(c, page, PAGE_SIZE, released, NULL);
	return 0;
}
static int run_copy(struct rpc_call *c, const void *q, void *r) { return rpc_reply_bulk_copy(c, page, c->bulk_len); }
static int run_later(struct rpc_call *c, const void *q, void *r) { return c->in_worker ? 3 : RPC_TO_WORKER; }
enum { OP_ADD = 1, OP_KEEP, OP_PAGE, OP_ABSENT, OP_COPY, OP_LATER, OP_WORK, NR_OPS };
static const struct rpc_op ops[] = {
	{ OP_ADD, sizeof(struct add_req), sizeof(struct add_rep), RPC_INLINE, "add", run_add },
	{ OP_KEEP, 0, 0, RPC_INLINE, "keep", run_keep },
	{ OP_PAGE, 0, 0, RPC_INLINE, "page", run_page },
	{ OP_ABSENT, 0, 0, RPC_INLINE, "absent", NULL },
	{ OP_COPY, 0, 0, RPC_INLINE, "copy", run_copy },
	{ OP_LATER, 4, 4, RPC_INLINE, "later", run_later },
	{ OP_WORK, 0, 0, RPC_WORKER, "work", run_later },
};

const struct rpc_op *fit_op(unsigned op)
{
	return op >= 1 && op <= ARRAY_SIZE(ops) ? &ops[op - 1] : NULL;
}

static int setup(void **state)
{
	static bool once;

	fit_ops = ops;
	fit_nr_ops = ARRAY_SIZE(ops);
	if (!once) {
		call_init();
		spin_init(&fit_nodes[2].lock, "node", RANK_FIT_NODE);
		waitq_init(&fit_nodes[2].slot_wait);
		waitq_init(&fit_nodes[2].drain_wait);
		fit_nodes[2].id = 2;
		once = true;
	}
	nr_sent = nr_posted_recv = nr_kept = nr_released = nr_unused = 0;
	post_fails = recv_fails = false;
	up = conn_create(&fit_nodes[2]);
	assert_non_null(up);
	assert_int_equal(conn_qp_begin(up), 0);
	assert_int_equal(nr_posted_recv, FIT_RECVS);
	conn_go(up);
	assert_int_equal(nr_sent, 0);
	up->peer_max_request = 65536;
	return 0;
}

static int teardown(void **state)
{
	struct fit_conn *c = up;

	up = NULL;
	if (c != NULL)
		conn_bury(c);
	assert_int_equal(nr_unused, 1);		/* nothing in flight holds the connection any more */
	return 0;
}

static void reply(unsigned slot, int status, const void *data, u32 len)
{
	void *to;

	spin_lock(&up->lock);		/* as the transport's own lock: what was bound is seen */
	to = up->slot[slot].mr->ptr;
	spin_unlock(&up->lock);
	if (len != 0)
		memcpy(to, data, len);
	call_reply_arrived(up, fit_imm(slot, status), len);
}

static void remake(void);

static unsigned done_calls;
static void on_done(struct rpc *c) { done_calls++; }

static void call_and_reply(void **state)
{
	struct add_req q = { 3, 4 };
	struct add_rep r = { 0 }, answer = { 7 };
	struct rpc c = { .node = 2, .op = OP_ADD, .req = &q, .rep = &r, .rep_size = sizeof(r) };
	const struct fit_request *h = (const void *)sent[0].bytes;

	assert_int_equal(rpc_start(&c), 0);
	assert_int_equal(nr_sent, 1);
	assert_int_equal(sent[0].len, sizeof(*h) + sizeof(q));
	assert_int_equal(le16_get(h->op), OP_ADD);
	assert_int_equal(le32_get(h->rep_room), sizeof(r));
	assert_memory_equal(h + 1, &q, sizeof(q));
	reply(le16_get(h->slot), 7, &answer, sizeof(answer));
	assert_int_equal(rpc_wait(&c), 7);
	assert_true(c.arrived);
	assert_int_equal(r.sum, 7);
	/* the slot is free only when the transport has let go of the request, too */
	assert_int_equal(up->nr_free_slots, FIT_SLOTS - 1);
	call_send_done(up, le16_get(h->slot));
	assert_int_equal(up->nr_free_slots, FIT_SLOTS);
	assert_null(up->slot[0].mr->ptr);
}

/* A reply may go into pages anywhere; they are bound anew, all of them, where the request is repeated. */
static void reply_into_pages(void **state)
{
	static u8 pages[5][PAGE_SIZE];
	void *const to[3] = { pages[4], pages[0], pages[2] };
	struct rpc c = { .node = 2, .op = OP_KEEP, .page = to, .nr_pages = 3, .rep_size = 3 * PAGE_SIZE, .done = on_done };
	const struct fit_request *h = (const void *)sent[0].bytes;
	struct rpc_slot *s = &up->slot[0];

	done_calls = 0;
	c.rep_size--;
	assert_int_equal(rpc_start(&c), -EINVAL);
	c.rep_size++;
	c.op = OP_ADD;				/* it has a fixed reply */
	assert_int_equal(rpc_start(&c), -EINVAL);
	c.op = OP_KEEP;
	assert_int_equal(rpc_start(&c), 0);
	assert_int_equal(le32_get(h->rep_room), 3 * PAGE_SIZE);
	assert_int_equal(le64_get(h->rep_addr), 0);
	assert_int_equal(le32_get(h->rep_key), s->mr->key);
	assert_int_equal(s->mr->nr_pages, 3);
	assert_memory_equal(s->mr->page, to, sizeof(to));
	remake();
	assert_int_equal(s->mr->nr_pages, 3);
	assert_memory_equal(s->mr->page, to, sizeof(to));
	call_reply_arrived(up, fit_imm(0, 5), 2 * PAGE_SIZE);
	call_send_done(up, 0);
	assert_int_equal(done_calls, 1);
	assert_int_equal(c.status, 5);
	assert_int_equal(c.rep_len, 2 * PAGE_SIZE);
	assert_null(s->mr->ptr);
}

static unsigned nr_bound(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FIT_SLOTS; i++)
		n += up->slot[i].mr->ptr != NULL;
	return n;
}

/* The peer may write a call's reply, while it is out, and nothing else; a call that wants no reply's bytes opens nothing. */
static void only_the_reply_can_be_reached(void **state)
{
	struct add_req q = { 3, 4 };
	struct { u64 before; struct add_rep r; u64 after; } mem = { 0 };
	struct rpc c = { .node = 2, .op = OP_ADD, .req = &q, .rep = &mem.r, .rep_size = sizeof(mem.r) }, none = { .node = 2, .op = OP_KEEP };
	const struct fit_request *h = (const void *)sent[0].bytes;
	struct add_rep answer = { 7 };
	unsigned slot;

	assert_int_equal(nr_bound(), 0);
	assert_int_equal(rpc_start(&c), 0);
	assert_int_equal(nr_bound(), 1);
	slot = le16_get(h->slot);
	assert_ptr_equal(up->slot[slot].mr->ptr, &mem.r);
	assert_int_equal(up->slot[slot].mr->len, sizeof(mem.r));
	assert_true(le64_get(h->rep_addr) == (uintptr_t)&mem.r);
	assert_int_equal(le32_get(h->rep_key), up->slot[slot].mr->key);
	assert_int_equal(rpc_start(&none), 0);
	assert_int_equal(nr_bound(), 1);
	reply(slot, 7, &answer, sizeof(answer));
	assert_int_equal(nr_bound(), 0);
	assert_int_equal(rpc_wait(&c), 7);
	call_send_done(up, slot);
	conn_qp_end(up);			/* what is repeated is bound anew for the next queue pair, and not before */
	assert_int_equal(nr_bound(), 0);
	nr_sent = 0;
	assert_int_equal(conn_qp_begin(up), 0);
	conn_go(up);
	assert_int_equal(nr_bound(), 0);
	h = (const void *)sent[0].bytes;
	slot = le16_get(h->slot);
	call_reply_arrived(up, fit_imm(slot, 0), 0);
	call_send_done(up, slot);
	assert_int_equal(rpc_wait(&none), 0);
}

static void short_reply_is_an_error(void **state)
{
	struct add_req q = { 0 };
	struct add_rep r;
	struct rpc c = { .node = 2, .op = OP_ADD, .req = &q, .rep = &r, .rep_size = sizeof(r) };

	assert_int_equal(rpc_start(&c), 0);
	reply(0, 0, NULL, 0);
	assert_int_equal(rpc_wait(&c), -EPROTO);
	call_send_done(up, 0);
}

/* What a program would take for an address or a count, or the kernel for a word of its own (restart this call), is not passed on as an error. */
static void status_that_is_no_errno(void **state)
{
	static const int status[] = { -ERRNO_LAST, -ERRNO_LAST - 1, -ERESTARTSYS, -ERESTARTNOINTR, -4096, -32768 };
	static const int want[] = { -ERRNO_LAST, -EPROTO, -EPROTO, -EPROTO, -EPROTO, -EPROTO };
	struct rpc c = { .node = 2, .op = OP_KEEP };

	for (unsigned i = 0; i < ARRAY_SIZE(status); i++) {
		unsigned slot;

		assert_int_equal(rpc_start(&c), 0);
		slot = le16_get(((const struct fit_request *)sent[nr_sent - 1].bytes)->slot);
		reply(slot, status[i], NULL, 0);
		assert_int_equal(rpc_wait(&c), want[i]);
		call_send_done(up, slot);
	}
}

static void bulk_stays_until_acknowledged(void **state)
{
	struct rpc c = { .node = 2, .op = OP_KEEP, .nr_segs = 1, .seg = { { page, PAGE_SIZE } }, .done = on_done };

	done_calls = 0;
	assert_int_equal(rpc_start(&c), 0);
	reply(0, 0, NULL, 0);
	assert_int_equal(done_calls, 0);
	call_send_done(up, 0);
	assert_int_equal(done_calls, 1);
	call_send_done(up, 0);			/* once more: ignored */
	assert_int_equal(done_calls, 1);
}

static void credits_keep_a_lane_for_changes(void **state)
{
	static struct rpc c[FIT_SLOTS + 1];
	unsigned n = 0;

	memset(c, 0, sizeof(c));
	done_calls = 0;
	for (;; n++) {
		c[n] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
		if (rpc_try_start(&c[n]) == -EAGAIN)
			break;
	}
	assert_int_equal(n, FIT_SLOTS - FIT_SLOTS_CHANGE);
	for (; n < FIT_SLOTS; n++) {
		c[n] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done, .lane = RPC_LANE_CHANGE };
		assert_int_equal(rpc_try_start(&c[n]), 0);
	}
	c[n] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done, .lane = RPC_LANE_CHANGE };
	assert_int_equal(rpc_try_start(&c[n]), -EAGAIN);
	/* death ends them all, each once */
	conn_bury(up);
	up = NULL;
	assert_int_equal(done_calls, FIT_SLOTS);
	for (n = 0; n < FIT_SLOTS; n++) {
		assert_int_equal(c[n].status, -EHOSTDOWN);
		assert_false(c[n].arrived);
	}
}

static void a_post_that_fails_ends_by_burial(void **state)
{
	struct rpc c = { .node = 2, .op = OP_KEEP };

	post_fails = true;
	assert_int_equal(rpc_start(&c), 0);
	assert_true(up->broken);
	conn_bury(up);
	up = NULL;
	assert_int_equal(rpc_wait(&c), -EHOSTDOWN);
}

static void late_reply_after_the_deadline(void **state)		/* lesson: L44 */
{
	struct add_req q = { 1, 2 };
	struct add_rep r = { 99 }, answer = { 3 };

	assert_int_equal(rpc_call(2, OP_ADD, &q, &r, sizeof(r)), -ETIMEDOUT);
	reply(0, 0, &answer, sizeof(answer));		/* into memory that is still the call's: ASan watches */
	call_send_done(up, 0);
	assert_int_equal(r.sum, 99);
	assert_int_equal(up->nr_free_slots, FIT_SLOTS);
	/* and a death after the deadline */
	assert_int_equal(rpc_call(2, OP_ADD, &q, &r, sizeof(r)), -ETIMEDOUT);
}

/* Calls that nobody answers have all the credits: what has a deadline keeps it, and what has none waits until there is one. */
static void no_credit_by_the_deadline(void **state)
{
	static struct rpc c[FIT_SLOTS];
	struct add_req q = { 1, 2 };
	struct add_rep r = { 99 };
	unsigned before = nr_sent;

	memset(c, 0, sizeof(c));
	done_calls = 0;
	for (unsigned n = 0; n < FIT_SLOTS - FIT_SLOTS_CHANGE; n++) {
		c[n] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
		assert_int_equal(rpc_try_start(&c[n]), 0);
	}
	assert_int_equal(rpc_call(2, OP_ADD, &q, &r, sizeof(r)), -ETIMEDOUT);
	assert_int_equal(nr_sent - before, FIT_SLOTS - FIT_SLOTS_CHANGE);
	assert_int_equal(done_calls, 0);
	conn_bury(up);
	up = NULL;
	assert_int_equal(done_calls, FIT_SLOTS - FIT_SLOTS_CHANGE);
}

static void *wait_and_start(void *call)
{
	assert_int_equal(rpc_start(call), 0);
	return NULL;
}

static void wait_for(pthread_t *thread, struct rpc *call)
{
	u64 waits = counter_read(&nr_fit_credit_waits);

	assert_int_equal(pthread_create(thread, NULL, wait_and_start, call), 0);
	while (counter_read(&nr_fit_credit_waits) == waits)
		usleep(1000);
}

/* A slot becomes free, and who waits for it has not run yet. */
static void free_unseen(struct rpc *call)
{
	spin_lock(&up->lock);
	slot_free(call->slot);
	spin_unlock(&up->lock);
}

static unsigned nr_out(void)
{
	unsigned n;

	spin_lock(&up->lock);
	n = FIT_SLOTS - up->nr_free_slots;
	spin_unlock(&up->lock);
	return n;
}

/* Who comes when others wait for a credit is served after them, whether it would wait or not; of who waits, who came first. */
static void credits_go_to_who_came_first(void **state)
{
	static struct rpc c[FIT_SLOTS], late, first, second, change;
	const unsigned all = FIT_SLOTS - FIT_SLOTS_CHANGE;
	pthread_t thread[2];

	for (unsigned n = 0; n < all; n++) {
		c[n] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
		assert_int_equal(rpc_try_start(&c[n]), 0);
	}
	first = second = late = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
	wait_for(&thread[0], &first);
	wait_for(&thread[1], &second);
	free_unseen(&c[0]);
	assert_int_equal(rpc_try_start(&late), -EAGAIN);
	assert_int_equal(rpc_call(2, OP_KEEP, NULL, NULL, 0), -ETIMEDOUT);	/* for a credit: it did not go */
	assert_int_equal(nr_out(), all - 1);
	assert_int_equal(nr_sent, all);
	change = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done, .lane = RPC_LANE_CHANGE };
	assert_int_equal(rpc_try_start(&change), 0);				/* has credits of its own, and nobody before it */
	free_unseen(&change);
	waitq_wake_all(&up->node->slot_wait);
	pthread_join(thread[0], NULL);
	assert_int_equal(nr_out(), all);
	assert_null(second.slot);
	free_unseen(&c[1]);
	free_unseen(&c[2]);
	waitq_wake_all(&up->node->slot_wait);
	pthread_join(thread[1], NULL);
	assert_int_equal(rpc_try_start(&late), 0);				/* nobody waits any more */
	assert_int_equal(nr_out(), all);
}

/* Slots become free at once, and one wake says so: whoever has its own wakes the next. */
static void who_is_served_lets_the_next_one_in(void **state)
{
	static struct rpc c[FIT_SLOTS], waiter[3];
	const unsigned all = FIT_SLOTS - FIT_SLOTS_CHANGE;
	pthread_t thread[3];

	for (unsigned n = 0; n < all; n++) {
		c[n] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
		assert_int_equal(rpc_try_start(&c[n]), 0);
	}
	for (unsigned n = 0; n < 3; n++) {
		waiter[n] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
		wait_for(&thread[n], &waiter[n]);
	}
	for (unsigned n = 0; n < 3; n++)
		free_unseen(&c[n]);
	waitq_wake_all(&up->node->slot_wait);
	for (unsigned n = 0; n < 3; n++)
		pthread_join(thread[n], NULL);
	assert_int_equal(nr_out(), all);
	assert_true(waiter[0].slot->order < waiter[1].slot->order && waiter[1].slot->order < waiter[2].slot->order);
}

/* The whole of a lane's credits are out. */
static void take_all(void)
{
	static struct rpc c[FIT_SLOTS];

	for (unsigned n = 0; n < FIT_SLOTS - FIT_SLOTS_CHANGE; n++) {
		c[n] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
		assert_int_equal(rpc_try_start(&c[n]), 0);
	}
}

/* A slot is there for the first one, which leaves at its deadline before it has seen that: the next one, which slept on, is woken. */
static void who_leaves_lets_the_next_one_in(void **state)
{
	static struct rpc first, second;
	struct list place = LIST_INIT(place);
	pthread_t thread;

	take_all();
	first = second = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
	assert_int_equal(call_start(&first, up, &place), -EAGAIN);
	wait_for(&thread, &second);
	free_unseen(up->slot[0].call);
	waitq_wake_all(&up->node->slot_wait);		/* not its turn */
	usleep(20000);
	assert_int_equal(nr_out(), FIT_SLOTS - FIT_SLOTS_CHANGE - 1);
	slot_wait_end(up, RPC_LANE_NORMAL, &place);
	for (unsigned i = 0; i < 5000 && nr_out() < FIT_SLOTS - FIT_SLOTS_CHANGE; i++)
		usleep(1000);
	assert_int_equal(nr_out(), FIT_SLOTS - FIT_SLOTS_CHANGE);
	pthread_join(thread, NULL);
}

static unsigned nr_dead;

static void *wait_and_die(void *call)
{
	assert_int_equal(rpc_start(call), -EHOSTDOWN);
	__atomic_add_fetch(&nr_dead, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* A death ends those, too, who stand in the queue, and leaves nobody's place in it. */
static void a_death_empties_the_queue(void **state)
{
	static struct rpc waiter[3];
	struct fit_conn *c = up;
	pthread_t thread[3];

	take_all();
	nr_dead = 0;
	for (unsigned n = 0; n < 3; n++) {
		u64 waits = counter_read(&nr_fit_credit_waits);

		waiter[n] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
		assert_int_equal(pthread_create(&thread[n], NULL, wait_and_die, &waiter[n]), 0);
		while (counter_read(&nr_fit_credit_waits) == waits)
			usleep(1000);
	}
	usleep(20000);					/* they sleep */
	conn_get(c);
	conn_bury(c);
	for (unsigned i = 0; i < 5000 && __atomic_load_n(&nr_dead, __ATOMIC_SEQ_CST) < 3; i++)
		usleep(1000);
	assert_int_equal(__atomic_load_n(&nr_dead, __ATOMIC_SEQ_CST), 3);
	for (unsigned n = 0; n < 3; n++)
		pthread_join(thread[n], NULL);
	spin_lock(&c->lock);
	assert_true(list_empty(&c->waiting) && list_empty(&c->waiting_change));
	spin_unlock(&c->lock);
	up = NULL;
	conn_put(c);
}

static void *answer_late(void *arg)
{
	struct add_rep answer = { 3 };

	while (nr_out() == 0)				/* the call is out ... */
		usleep(1000);
	usleep(60000);					/* ... for longer than a deadline */
	reply(0, 0, &answer, sizeof(answer));
	call_send_done(up, 0);
	return NULL;
}

/* What is counted at both ends waits beyond every deadline. */
static void sure_calls_have_no_deadline(void **state)
{
	struct add_req q = { 1, 2 };
	struct add_rep r = { 99 };
	pthread_t late;

	assert_int_equal(pthread_create(&late, NULL, answer_late, NULL), 0);
	assert_int_equal(rpc_call_sure(2, OP_ADD, &q, &r, sizeof(r)), 0);
	assert_int_equal(r.sum, 3);
	pthread_join(late, NULL);
}

static void strange_replies_are_dropped(void **state)
{
	u64 before = counter_read(&nr_fit_bad_replies);

	call_reply_arrived(up, fit_imm(FIT_SLOTS, 0), 0);
	call_reply_arrived(up, fit_imm(0xffff, 0), 0);
	call_reply_arrived(up, fit_imm(5, 0), 0);
	assert_int_equal(counter_read(&nr_fit_bad_replies), before + 3);
}

/* --- serving --- */

static struct recv_buf *request(unsigned nr, u16 op, const void *body, u16 body_len, u32 bulk_len, u32 room)
{
	static u16 id;			/* never the same twice running */
	struct recv_buf *r = &up->recv[nr];
	struct fit_request h = { le16_of(op), le16_of(nr), le16_of(body_len), le16_of(++id != 0 ? id : ++id), le32_of(bulk_len),
				 le32_of(room), le64_of(0x1000), le32_of(77), le32_of(0) };

	r->gen = up->gen;
	r->held = true;

	memcpy(r->data, &h, sizeof(h));
	if (body_len != 0)
		memcpy(r->data + sizeof(h), body, body_len);
	r->len = sizeof(h) + body_len + bulk_len;
	return r;
}

static int last_status(void)
{
	return fit_imm_status(sent[nr_sent - 1].wr.imm);
}

static void reply_acknowledged(unsigned i)
{
	serve_reply_done(up, &up->served[sent[i].wr.wr_id - WRID_SERVED(0)]);
}

static void serve_inline(void **state)
{
	struct add_req q = { 20, 22 };
	struct add_rep r;

	serve_request_arrived(up, request(3, OP_ADD, &q, sizeof(q), 0, sizeof(r)));
	assert_int_equal(nr_sent, 1);
	assert_int_equal(sent[0].wr.opcode, WR_RDMA_WRITE_WITH_IMM);
	assert_int_equal(sent[0].wr.rkey, 77);
	assert_int_equal(fit_imm_slot(sent[0].wr.imm), 3);
	assert_int_equal(last_status(), 7);
	memcpy(&r, sent[0].bytes, sizeof(r));
	assert_int_equal(r.sum, 42);
	reply_acknowledged(0);
}

static void serve_bulk_is_released_once(void **state)
{
	serve_request_arrived(up, request(0, OP_PAGE, NULL, 0, 0, PAGE_SIZE));
	assert_int_equal(sent[0].len, PAGE_SIZE);
	assert_int_equal(nr_released, 0);
	reply_acknowledged(0);
	assert_int_equal(nr_released, 1);
	reply_acknowledged(0);
	assert_int_equal(nr_released, 1);
	serve_request_arrived(up, request(0, OP_PAGE, NULL, 0, 0, PAGE_SIZE));
	conn_bury(up);				/* never acknowledged: the death releases it */
	up = NULL;
	assert_int_equal(nr_released, 2);
}

/* A reply of pages is one message; they stay referenced until it is acknowledged. */
static void serve_pages(void **state)
{
	static u8 pages[3][PAGE_SIZE];
	const void *from[2] = { pages[2], pages[0] };

	memset(pages[0], 7, PAGE_SIZE);
	memset(pages[2], 9, PAGE_SIZE);
	serve_request_arrived(up, request(0, OP_KEEP, NULL, 0, 0, 2 * PAGE_SIZE));
	assert_int_equal(nr_kept, 1);
	rpc_reply_pages_ref(kept[0], from, 2, released, NULL);
	rpc_reply(kept[0], 3);
	assert_int_equal(nr_sent, 1);
	assert_int_equal(sent[0].len, 2 * PAGE_SIZE);
	assert_memory_equal(sent[0].bytes, pages[2], PAGE_SIZE);
	assert_memory_equal(sent[0].bytes + PAGE_SIZE, pages[0], PAGE_SIZE);
	assert_int_equal(fit_imm_status(sent[0].wr.imm), 3);
	assert_int_equal(nr_released, 0);
	reply_acknowledged(0);
	assert_int_equal(nr_released, 1);
}

static void serve_refuses_what_is_malformed(void **state)
{
	struct add_req q = { 0 };
	struct recv_buf *r;

	serve_request_arrived(up, request(0, 999, NULL, 0, 0, 0));
	assert_int_equal(last_status(), -ENOSYS);
	serve_request_arrived(up, request(0, OP_ABSENT, NULL, 0, 0, 0));
	assert_int_equal(last_status(), -ENOSYS);
	serve_request_arrived(up, request(0, OP_ADD, &q, 4, 0, sizeof(struct add_rep)));
	assert_int_equal(last_status(), -EBADMSG);
	r = request(0, OP_ADD, &q, sizeof(q), 0, sizeof(struct add_rep));
	r->len--;
	serve_request_arrived(up, r);
	assert_int_equal(last_status(), -EBADMSG);
	r = request(0, OP_ADD, &q, sizeof(q), 0xffffffff, sizeof(struct add_rep));
	r->len = sizeof(struct fit_request) + sizeof(q);
	serve_request_arrived(up, r);
	assert_int_equal(last_status(), -EBADMSG);
	serve_request_arrived(up, request(0, OP_ADD, &q, sizeof(q), 0, 1));
	assert_int_equal(last_status(), -EMSGSIZE);
	for (unsigned i = 0; i < nr_sent; i++) {
		assert_int_equal(sent[i].len, 0);
		reply_acknowledged(i);
	}
	nr_posted_recv = 0;
	r->len = sizeof(struct fit_request) - 1;	/* not even a header: dropped, its buffer posted again */
	serve_request_arrived(up, r);
	assert_int_equal(nr_posted_recv, 1);
}

static void pending_calls_outlive_their_connection(void **state)
{
	serve_request_arrived(up, request(0, OP_KEEP, NULL, 0, 0, 0));
	serve_request_arrived(up, request(1, OP_KEEP, NULL, 0, 0, 0));
	assert_int_equal(nr_sent, 0);
	rpc_reply(kept[0], 5);
	assert_int_equal(last_status(), 5);
	assert_true(rpc_wanted(kept[1]));
	conn_bury(up);
	up = NULL;
	assert_false(rpc_wanted(kept[1]));
	assert_int_equal(nr_unused, 0);		/* the second handler still has it */
	rpc_reply(kept[1], 0);
	assert_int_equal(nr_sent, 1);
	assert_int_equal(nr_unused, 1);
}

static int run_slow(struct rpc_call *c, const void *q, void *r)
{
	nr_released++;			/* counts runs here */
	return 0;
}

/* A request that still waits for a worker when its epoch ends must not run in the next one. */
static void queued_request_of_an_old_epoch_is_not_run(void **state)
{
	static const struct rpc_op slow = { OP_KEEP, 0, 0, RPC_WORKER, "slow", run_slow };
	struct served *s = list_first(&up->free_served, struct served, link);

	list_del(&s->link);
	conn_get(up);
	s->op = &slow;
	s->recv = NULL;
	s->call = (struct rpc_call){ .in_worker = true };
	conn_bury(up);
	up = NULL;
	served_run(s);			/* what a worker does with it */
	assert_int_equal(nr_released, 0);
	assert_int_equal(nr_sent, 0);
	assert_int_equal(nr_unused, 1);
}

/* What a worker does, until nothing is left to do. */
static void work_off(void)
{
	struct served *s;

	while ((s = list_first(&worker_queue, struct served, link)) != NULL) {
		list_del(&s->link);
		served_run(s);
	}
}

static void workers_and_copies(void **state)
{
	u32 word = 5;

	serve_request_arrived(up, request(0, OP_LATER, &word, sizeof(word), 0, sizeof(word)));
	serve_request_arrived(up, request(1, OP_WORK, NULL, 0, 0, 0));
	assert_int_equal(nr_sent, 0);
	work_off();
	assert_int_equal(nr_sent, 2);
	assert_int_equal(last_status(), 3);
	serve_request_arrived(up, request(2, OP_COPY, NULL, 0, 8, 8));
	assert_int_equal(sent[2].len, 8);
	assert_int_equal(last_status(), 0);
	serve_request_arrived(up, request(3, OP_COPY, NULL, 0, 8, 7));
	assert_int_equal(last_status(), -EMSGSIZE);
	for (unsigned i = 0; i < nr_sent; i++)
		reply_acknowledged(i);
}

static void backlog_is_served_in_order(void **state)
{
	struct add_req q = { 1, 1 };

	/* unacknowledged replies take all places: the next request waits for one */
	for (unsigned i = 0; i < FIT_SERVED; i++)
		serve_request_arrived(up, request(i % 60, OP_ADD, &q, sizeof(q), 0, 4));
	assert_int_equal(nr_sent, FIT_SERVED);
	serve_request_arrived(up, request(61, OP_ADD, &q, sizeof(q), 0, 4));
	serve_request_arrived(up, request(62, OP_ADD, &q, sizeof(q), 0, 4));
	assert_int_equal(nr_sent, FIT_SERVED);
	reply_acknowledged(0);
	assert_int_equal(nr_sent, FIT_SERVED + 1);
	assert_int_equal(fit_imm_slot(sent[nr_sent - 1].wr.imm), 61);
}

/* Requests and replies acknowledge each other by number. */
static void messages_tell_what_was_taken(void **state)
{
	static struct rpc c[3];		/* ended by the teardown */
	const struct fit_request *h = (const void *)sent[0].bytes;

	for (unsigned i = 0; i < 3; i++) {
		c[i] = (struct rpc){ .node = 2, .op = OP_KEEP };
		assert_int_equal(rpc_start(&c[i]), 0);
	}
	assert_int_equal(le32_get(h->taken), 0);
	delivered = 99;
	completion(up, &(struct roce_wc){ .wr_id = 9, .opcode = WC_RECV_RDMA_WITH_IMM, .imm = fit_imm(1, 0) });
	assert_int_equal(delivered, 2);			/* the reply to the second one: the first has arrived, too */
	request(4, OP_KEEP, NULL, 0, 0, 0);
	((struct fit_request *)up->recv[4].data)->taken = le32_of(3);
	completion(up, &(struct roce_wc){ .wr_id = 4, .opcode = WC_RECV, .byte_len = sizeof(*h) });
	assert_int_equal(delivered, 3);
	request(5, OP_KEEP, NULL, 0, 0, 0);
	completion(up, &(struct roce_wc){ .wr_id = 5, .opcode = WC_RECV, .byte_len = sizeof(*h) });
	rpc_reply(kept[0], 0);
	assert_true(sent[3].wr.flags & WR_TAKEN);
	assert_int_equal(sent[3].wr.taken, 2);		/* a reply, their first request; not yet the second */
	rpc_reply(kept[1], 0);
	assert_int_equal(sent[4].wr.taken, 3);
	assert_int_equal(rpc_start(&c[1]), 0);
	assert_int_equal(le32_get(((const struct fit_request *)sent[5].bytes)->taken), 3);
	assert_int_equal(up->slot[2].number, 3);
	assert_int_equal(c[1].slot->number, 6);		/* replies count */
}

/* What is no request says nothing of what was taken, either: it is decoded in full before any of it counts. */
static void what_is_malformed_acknowledges_nothing(void **state)
{
	static const char *const spoilt[] = { "slot", "id", "body", "bulk", "short" };
	static struct rpc c[3];		/* ended by the teardown */

	for (unsigned i = 0; i < 3; i++) {
		c[i] = (struct rpc){ .node = 2, .op = OP_KEEP };
		assert_int_equal(rpc_start(&c[i]), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(spoilt); i++) {
		struct recv_buf *r = request(4 + i, OP_KEEP, NULL, 0, 0, 0);
		struct fit_request *h = (struct fit_request *)r->data;

		h->taken = le32_of(3);
		if (i == 0)
			h->slot = le16_of(FIT_SLOTS);
		else if (i == 1)
			h->id = le16_of(0);
		else if (i == 2)
			h->req_len = le16_of(1);
		else if (i == 3)
			h->bulk_len = le32_of(0xffffffff);
		delivered = 99;
		completion(up, &(struct roce_wc){ .wr_id = 4 + i, .opcode = WC_RECV, .byte_len = i == 4 ? sizeof(*h) - 1 : sizeof(*h) });
		if (delivered != 99)
			fail_msg("%s", spoilt[i]);
	}
	assert_int_equal(nr_kept, 0);
}

/* A receive that cannot be posted is one fewer for ever, and the peer's credit is not: the next queue pair has them all. */
static void a_receive_that_cannot_be_posted(void **state)
{
	struct recv_buf *r = request(1, OP_KEEP, NULL, 0, 0, 0);

	serve_request_arrived(up, r);
	recv_fails = true;
	assert_false(up->broken);
	rpc_reply(kept[0], 0);
	assert_true(up->broken);
	recv_fails = false;
	remake();
	assert_int_equal(nr_posted_recv, FIT_RECVS);
	recv_fails = true;
	r = request(2, OP_KEEP, NULL, 0, 0, 0);
	((struct fit_request *)r->data)->slot = le16_of(FIT_SLOTS);
	serve_request_arrived(up, r);
	assert_true(up->broken);
	recv_fails = false;
	remake();
	recv_fails = true;
	conn_close(up);
	completion(up, &(struct roce_wc){ .wr_id = 1, .opcode = WC_RECV_RDMA_WITH_IMM, .imm = FIT_PING_IMM });
	assert_false(up->broken);			/* nobody posts any more */
}

static void *fails_elsewhere(void *arg)
{
	for (unsigned i = 0; i < 2000; i++) {
		while (load_acquire(&up->failed))
			;
		conn_break(up, "broke");
		conn_fail(up, "failed");
	}
	return NULL;
}

/* Who sees that a connection is over, on any CPU, sees why, and the first reason stays. (The thread sanitizer looks at the same.) */
static void a_failure_has_its_reason(void **state)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fails_elsewhere, NULL), 0);
	for (unsigned i = 0; i < 2000; i++) {
		const char *why;

		while (!load_acquire(&up->failed))
			;
		why = up->failed;
		assert_non_null(why);
		conn_fail(up, "again");
		conn_break(up, "broke again");
		assert_string_equal(up->failed, "failed");
		if (i < 1999) {
			__atomic_store_n(&up->broken, NULL, __ATOMIC_SEQ_CST);
			__atomic_store_n(&up->failed, NULL, __ATOMIC_SEQ_CST);
		}
	}
	pthread_join(thread, NULL);
}

/* One ping at a time; it takes no slot, is no call, and the peer that gets one answers nothing itself. */
static void pings(void **state)
{
	u64 bad = counter_read(&nr_fit_bad_replies);

	conn_ping(up);
	conn_ping(up);
	assert_int_equal(nr_sent, 1);
	assert_int_equal(sent[0].wr.opcode, WR_RDMA_WRITE_WITH_IMM);
	assert_true(sent[0].wr.flags & WR_ACK_NOW);
	assert_int_equal(sent[0].len, 0);
	assert_int_equal(up->nr_free_slots, FIT_SLOTS);
	completion(up, &(struct roce_wc){ .wr_id = WRID_PING, .opcode = WC_RDMA_WRITE });
	conn_ping(up);
	assert_int_equal(nr_sent, 2);
	nr_posted_recv = 0;
	completion(up, &(struct roce_wc){ .wr_id = 1, .opcode = WC_RECV_RDMA_WITH_IMM, .imm = FIT_PING_IMM });
	assert_int_equal(nr_posted_recv, 1);
	assert_int_equal(counter_read(&nr_fit_bad_replies), bad);
	assert_int_equal(nr_sent, 2);
}

/* --- a queue pair that breaks under the calls --- */

/* The peer's side of a new one: it has nothing to repeat. */
static void remake(void)
{
	conn_qp_end(up);
	assert_null(up->qp);
	nr_sent = nr_posted_recv = 0;
	assert_int_equal(conn_qp_begin(up), 0);
	conn_go(up);
}

static void peer_repeated_all(void)
{
	completion(up, &(struct roce_wc){ .wr_id = 99, .opcode = WC_RECV_RDMA_WITH_IMM, .imm = FIT_REPEATED_IMM });
}

static void failed_by(u64 wr_id, unsigned status)
{
	completion(up, &(struct roce_wc){ .wr_id = wr_id, .status = status });
	assert_true(up->broken);
	completion(up, &(struct roce_wc){ .wr_id = WRID_PING, .status = WC_WR_FLUSH_ERR });
}

/* Requests without a reply are sent again, in their order, with the ids they had; a call is done once. */
static void calls_outlive_their_queue_pair(void **state)
{
	static struct rpc c[5];
	struct add_req q = { 40, 2 };
	struct add_rep r = { 0 }, answer = { 42 };
	const struct fit_request *h;
	u16 id[5];

	done_calls = 0;
	for (unsigned i = 0; i < 5; i++) {
		c[i] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
		if (i == 3)
			c[i] = (struct rpc){ .node = 2, .op = OP_ADD, .done = on_done, .req = &q, .rep = &r, .rep_size = sizeof(r) };
		assert_int_equal(rpc_start(&c[i]), 0);
		id[i] = le16_get(((const struct fit_request *)sent[i].bytes)->id);
	}
	h = (const void *)sent[3].bytes;
	const u32 first_key = le32_get(h->rep_key);
	call_send_done(up, 0);				/* 0: acknowledged; 1: answered, and not acknowledged; 2: both */
	reply(1, 0, NULL, 0);
	reply(2, 0, NULL, 0);
	call_send_done(up, 2);
	assert_int_equal(done_calls, 2);
	memset(&q, 0xee, sizeof(q));			/* the caller's again since the start */
	failed_by(WRID_SLOT(3), WC_RETRY_EXC_ERR);
	conn_qp_end(up);
	assert_false(up->broken);
	assert_int_equal(done_calls, 2);
	c[1] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
	nr_sent = 0;
	assert_int_equal(rpc_start(&c[1]), 0);		/* meanwhile: kept for the next */
	conn_ping(up);
	assert_int_equal(nr_sent, 0);
	assert_int_equal(conn_qp_begin(up), 0);
	assert_int_equal(nr_sent, 0);
	conn_go(up);
	assert_int_equal(nr_sent, 5);
	static const unsigned order[] = { 0, 3, 4 };
	for (unsigned i = 0; i < 3; i++) {
		h = (const void *)sent[i].bytes;
		assert_int_equal(le16_get(h->id), id[order[i]]);
		assert_int_equal(le16_get(h->slot), order[i]);
	}
	assert_int_equal(sent[4].wr.imm, FIT_REPEATED_IMM);
	h = (const void *)sent[1].bytes;
	assert_int_equal(((const struct add_req *)(h + 1))->a, 40);
	assert_int_not_equal(le32_get(h->rep_key), first_key);	/* what the old one allowed is over */
	assert_int_equal(up->slot[0].number, 1);	/* counted anew */
	reply(3, 0, &answer, sizeof(answer));
	call_send_done(up, 3);
	assert_int_equal(r.sum, 42);
	assert_int_equal(done_calls, 3);
	conn_bury(up);
	up = NULL;
	assert_int_equal(done_calls, 6);		/* 0, 4, and 1 anew */
	assert_int_equal(c[3].status, 0);
	assert_int_equal(c[4].status, -EHOSTDOWN);
}

/* What breaks a queue pair by itself, twice, ends with an error; what only was there does not. */
static void a_call_that_breaks_twice_ends(void **state)
{
	static struct rpc c[2];
	u64 errors = counter_read(&nr_fit_io_errors);

	done_calls = 0;
	for (unsigned i = 0; i < 2; i++) {
		c[i] = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
		assert_int_equal(rpc_start(&c[i]), 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		failed_by(WRID_SLOT(1), WC_RETRY_EXC_ERR);
		remake();
		assert_int_equal(nr_sent, 3);
	}
	failed_by(WRID_SLOT(1), WC_REM_INV_REQ_ERR);
	remake();
	assert_int_equal(done_calls, 0);
	failed_by(WRID_SLOT(1), WC_REM_INV_REQ_ERR);
	remake();
	assert_int_equal(done_calls, 1);
	assert_int_equal(c[1].status, -EIO);
	assert_false(c[1].arrived);
	assert_int_equal(nr_sent, 2);			/* the other, and that it was all */
	assert_int_equal(counter_read(&nr_fit_io_errors), errors + 1);
	assert_int_equal(up->nr_free_slots, FIT_SLOTS - 1);
}

static struct recv_buf *again(const struct recv_buf *r, unsigned nr, u32 key)
{
	struct recv_buf *to = &up->recv[nr];

	memmove(to->data, r->data, r->len);
	((struct fit_request *)to->data)->rep_key = le32_of(key);
	to->len = r->len;
	to->gen = up->gen;
	to->held = true;
	return to;
}

/* A request that is repeated runs once: while it runs its reply goes to the new queue pair, when it was answered the kept one is sent. */
static void a_repeated_request_runs_once(void **state)
{
	u64 served = counter_read(&nr_fit_served), repeats = counter_read(&nr_fit_repeats);
	struct recv_buf *running = request(0, OP_KEEP, NULL, 0, 0, 0), *answered = request(1, OP_PAGE, NULL, 0, 0, PAGE_SIZE);

	serve_request_arrived(up, running);
	serve_request_arrived(up, answered);
	assert_int_equal(nr_kept, 1);
	assert_int_equal(nr_sent, 1);
	failed_by(WRID_SERVED(0), WC_RETRY_EXC_ERR);
	remake();
	assert_int_equal(nr_posted_recv, FIT_RECVS - 1);	/* one has the running request in it */
	assert_int_equal(nr_sent, 1);			/* no reply before its request came again */
	rpc_reply(kept[0], 5);
	assert_int_equal(nr_sent, 1);
	assert_int_equal(nr_released, 0);
	serve_request_arrived(up, again(answered, 5, 111));
	assert_int_equal(nr_sent, 2);
	assert_int_equal(sent[1].wr.rkey, 111);
	assert_int_equal(sent[1].len, PAGE_SIZE);
	serve_request_arrived(up, again(running, 6, 112));
	assert_int_equal(nr_sent, 3);
	assert_int_equal(last_status(), 5);
	assert_int_equal(counter_read(&nr_fit_served), served + 2);
	assert_int_equal(counter_read(&nr_fit_repeats), repeats + 2);
	reply_acknowledged(1);
	reply_acknowledged(2);
	assert_int_equal(nr_released, 1);
	peer_repeated_all();
	assert_int_equal(nr_released, 1);
}

/* A reply that arrived, whose acknowledgement did not: its request is not repeated, and what was kept for that is let go. */
static void a_reply_that_nobody_misses_is_dropped(void **state)
{
	struct recv_buf *r = request(1, OP_PAGE, NULL, 0, 0, PAGE_SIZE), *late = request(2, OP_KEEP, NULL, 0, 0, 0);
	u64 bad = counter_read(&nr_fit_bad_requests);

	serve_request_arrived(up, r);
	serve_request_arrived(up, late);
	remake();
	assert_int_equal(nr_released, 0);
	peer_repeated_all();
	assert_int_equal(nr_released, 1);
	rpc_reply(kept[0], 0);				/* nor this one, still running then */
	assert_int_equal(nr_sent, 1);
	serve_request_arrived(up, again(late, 5, 7));	/* too late; not run again */
	assert_int_equal(nr_kept, 1);
	assert_int_equal(counter_read(&nr_fit_bad_requests), bad + 1);
}

/* The same id twice on one queue pair, and one whose reply was acknowledged: dropped, not run. */
static void an_id_serves_once(void **state)
{
	u64 bad = counter_read(&nr_fit_bad_requests);
	struct recv_buf *r = request(1, OP_KEEP, NULL, 0, 0, 0);

	serve_request_arrived(up, r);
	serve_request_arrived(up, again(r, 2, 1));
	assert_int_equal(nr_kept, 1);
	rpc_reply(kept[0], 0);
	reply_acknowledged(0);
	serve_request_arrived(up, again(r, 3, 1));
	remake();
	serve_request_arrived(up, again(r, 4, 1));
	assert_int_equal(nr_kept, 1);
	assert_int_equal(counter_read(&nr_fit_bad_requests), bad + 3);
}

static void a_reply_that_breaks_twice_becomes_an_error(void **state)
{
	struct recv_buf *r = request(1, OP_PAGE, NULL, 0, 0, PAGE_SIZE);

	serve_request_arrived(up, r);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sent[nr_sent - 1].len, PAGE_SIZE);
		failed_by(sent[nr_sent - 1].wr.wr_id, WC_REM_ACCESS_ERR);
		remake();
		serve_request_arrived(up, again(r, 5, 7));
	}
	assert_int_equal(last_status(), -EIO);
	assert_int_equal(sent[nr_sent - 1].len, 0);
}

/* The backlog is of requests that were not begun: they come again. */
static void the_backlog_goes_with_its_queue_pair(void **state)
{
	struct add_req q = { 1, 1 };
	struct recv_buf *r;

	for (unsigned i = 0; i < FIT_SERVED; i++)
		serve_request_arrived(up, request(i % 60, OP_ADD, &q, sizeof(q), 0, 4));
	r = request(61, OP_ADD, &q, sizeof(q), 0, 4);
	serve_request_arrived(up, r);
	remake();
	assert_int_equal(nr_posted_recv, FIT_RECVS);
	peer_repeated_all();				/* replies to no request that came again: dropped */
	serve_request_arrived(up, again(r, 62, 7));
	assert_int_equal(fit_imm_slot(sent[nr_sent - 1].wr.imm), 61);
	assert_int_equal(last_status(), 7);
}

/* An answer between two queue pairs, after all was repeated on the one before: kept, for its request will come again. */
static void a_reply_between_two_queue_pairs_is_kept(void **state)
{
	struct recv_buf *r;

	remake();
	peer_repeated_all();
	r = request(1, OP_KEEP, NULL, 0, 0, 0);
	serve_request_arrived(up, r);
	conn_qp_end(up);
	rpc_reply(kept[0], 3);
	nr_sent = 0;
	assert_int_equal(conn_qp_begin(up), 0);
	conn_go(up);
	serve_request_arrived(up, again(r, 2, 7));
	assert_int_equal(nr_kept, 1);
	assert_int_equal(last_status(), 3);
	assert_int_equal(fit_imm_slot(sent[nr_sent - 1].wr.imm), 1);
}

/* An answer while there is no queue pair, or before its last end is known to work, waits for it. */
static void a_reply_waits_for_the_queue_pair(void **state)
{
	struct recv_buf *r;

	conn_qp_end(up);
	nr_sent = 0;
	assert_int_equal(conn_qp_begin(up), 0);
	r = request(1, OP_KEEP, NULL, 0, 0, 0);
	serve_request_arrived(up, r);
	rpc_reply(kept[0], 3);
	assert_int_equal(nr_sent, 0);
	conn_go(up);
	assert_int_equal(nr_sent, 2);			/* all was repeated, and the reply */
	assert_int_equal(last_status(), 3);
}

/* The peer's may come first, and counts its end as up then; here who it is, which handlers ask for, is written down a moment later. */
static void a_request_waits_until_the_node_is_up(void **state)
{
	struct add_req q = { 20, 22 };

	up->up = up->ready = false;			/* as it is before conn_go() */
	for (unsigned i = 0; i < 3; i++)
		serve_request_arrived(up, request(i, OP_ADD, &q, sizeof(q), 0, sizeof(struct add_rep)));
	assert_int_equal(nr_sent, 0);
	assert_null(up->by_slot[0]);
	conn_go(up);
	assert_int_equal(nr_sent, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fit_imm_slot(sent[i].wr.imm), i);
	/* and what waits when the epoch ends before it began is let go */
	up->up = up->ready = false;
	serve_request_arrived(up, request(4, OP_ADD, &q, sizeof(q), 0, sizeof(struct add_rep)));
	conn_bury(up);
	up = NULL;
	assert_int_equal(nr_sent, 3);
}

/* However many queue pairs there were, the next one is not the first: what was not answered is repeated. */
static void calls_outlive_their_65536th_queue_pair(void **state)
{
	static struct rpc c;

	up->gen = 0xffff;
	c = (struct rpc){ .node = 2, .op = OP_KEEP, .done = on_done };
	assert_int_equal(rpc_start(&c), 0);
	conn_qp_end(up);
	nr_sent = 0;
	assert_int_equal(conn_qp_begin(up), 0);
	conn_go(up);
	assert_int_equal(nr_sent, 2);			/* the call, and that all was repeated */
}

/* The reply to a call of long ago says nothing of messages whose numbers, of 24 bits, look like those before it. */
static void an_old_call_tells_nothing(void **state)
{
	static struct rpc c[2];

	for (unsigned i = 0; i < 2; i++) {
		c[i] = (struct rpc){ .node = 2, .op = OP_KEEP };
		assert_int_equal(rpc_start(&c[i]), 0);
	}
	up->sent += 1U << 24;
	delivered = 99;
	reply(0, 0, NULL, 0);
	assert_int_equal(delivered, 99);
	up->sent -= 1U << 24;
	reply(1, 0, NULL, 0);
	assert_int_equal(delivered, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reply_into_pages), T(call_and_reply), T(only_the_reply_can_be_reached),
		T(short_reply_is_an_error), T(status_that_is_no_errno), T(bulk_stays_until_acknowledged),
		T(credits_keep_a_lane_for_changes),
		T(a_post_that_fails_ends_by_burial), T(late_reply_after_the_deadline), T(no_credit_by_the_deadline), T(credits_go_to_who_came_first),
		T(who_is_served_lets_the_next_one_in), T(sure_calls_have_no_deadline), T(strange_replies_are_dropped),
		T(serve_inline), T(serve_pages), T(serve_bulk_is_released_once), T(serve_refuses_what_is_malformed),
		T(pending_calls_outlive_their_connection), T(queued_request_of_an_old_epoch_is_not_run), T(backlog_is_served_in_order),
		T(workers_and_copies),
		T(messages_tell_what_was_taken), T(pings),
		T(calls_outlive_their_queue_pair), T(a_call_that_breaks_twice_ends), T(a_repeated_request_runs_once),
		T(a_reply_that_nobody_misses_is_dropped), T(an_id_serves_once), T(a_reply_that_breaks_twice_becomes_an_error),
		T(a_reply_between_two_queue_pairs_is_kept), T(the_backlog_goes_with_its_queue_pair), T(a_reply_waits_for_the_queue_pair),
		T(who_leaves_lets_the_next_one_in), T(a_death_empties_the_queue), T(what_is_malformed_acknowledges_nothing),
		T(a_receive_that_cannot_be_posted), T(a_failure_has_its_reason), T(a_request_waits_until_the_node_is_up),
		T(calls_outlive_their_65536th_queue_pair), T(an_old_call_tells_nothing),
	};

	if (getenv("TANGRAM_MUTANT") != NULL)
		rule_gone = rule_find(getenv("TANGRAM_MUTANT"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
