/* SPDX-License-Identifier: MIT */
/* SOURCES: */
/*
 * Membership over a fake connection manager: who may join, what both ends say of who may not, and the ways of a connection whose
 * queue pair breaks. White-box: member.c is included; its thread is this test.
 * lesson: L23 (failed set-up), L26 (ids at run time)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/printk.h"

static char said[8192];			/* all log lines since said_clear() */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	size_t used = strlen(said);
	va_list ap;

	va_start(ap, format);
	vsnprintf(said + used, sizeof(said) - used, format, ap);
	va_end(ap);
	used = strlen(said);
	snprintf(said + used, sizeof(said) - used, "\n");
}
static unsigned nr_said(const char *text)
{
	unsigned n = 0;

	for (const char *at = said; (at = strstr(at, text)) != NULL; at++)
		n++;
	return n;
}
static void said_clear(void) { said[0] = '\0'; }

#undef pr_err
#undef pr_warn
#undef pr_note
#undef pr_info
#define pr_err	say
#define pr_warn say
#define pr_note say
#define pr_info say
#include "shim.h"
#include "kernel/time.h"

static u64 ahead_ns;			/* of the real clock: what passes without waiting for it */
static u64 test_clock(void) { return time_mono_ns() + ahead_ns; }
#define time_mono_ns test_clock
#include "net/fit/member.c"

#define SELF	2
#define LOWER	1
#define HIGHER	3
#define IP(n)	(0x0a4d0000U | (n))

/* --- what conn.c, call.c and serve.c have --- */

static unsigned nr_conns, nr_gone, nr_qps, nr_ends, nr_pings;
static bool no_memory;
static u64 disk_takes_ns;		/* that long the thread does nothing else, where it may sleep */

struct fit_conn *conn_create(struct fit_node *node)
{
	struct fit_conn *c = calloc(1, sizeof(*c));

	c->node = node;
	ref_init(&c->refs, 1);
	nr_conns++;
	return c;
}
void conn_get(struct fit_conn *c) { ref_get(&c->refs); }
void conn_put(struct fit_conn *c)
{
	if (ref_put(&c->refs)) {
		free(c);
		nr_gone++;
	}
}
void conn_release(struct fit_conn *c) { }
void conn_fail(struct fit_conn *c, const char *why)
{
	if (c->failed == NULL)
		c->failed = why;
}
void conn_break(struct fit_conn *c, const char *why)
{
	if (c->broken == NULL)
		c->broken = why;
}
int conn_qp_begin(struct fit_conn *c)
{
	if (no_memory)
		return -ENOMEM;
	nr_qps++;
	c->qp = (struct roce_qp *)c;
	return 0;
}
void conn_qp_end(struct fit_conn *c)
{
	nr_ends += c->qp != NULL;
	c->qp = NULL;
	c->ready = false;
	c->broken = NULL;
	ahead_ns += disk_takes_ns;
}
void conn_go(struct fit_conn *c) { c->up = c->ready = true; }
void conn_close(struct fit_conn *c) { c->up = c->ready = false; c->closed = true; }
void conn_bury(struct fit_conn *c) { conn_close(c); conn_put(c); }
void conn_ping(struct fit_conn *c) { nr_pings++; }
void conn_provoke(struct fit_conn *c) { }
u32 conn_max_request(void) { return 4096; }
void call_init(void) { }
int serve_init(void) { return 0; }
int rpc_call_bulk(unsigned node, unsigned op, const void *req, const void *bulk, u32 bulk_len, void *rep, u32 rep_size, u32 *rep_len) { return 0; }

/* --- the connection manager --- */

struct cm_id { unsigned nr; };
static struct cm_id ids[512];
static unsigned nr_ids;
static bool cm_fails;			/* it has no memory */
static struct { unsigned connects, accepts, rejects, destroyed; struct fit_hello hello; struct fit_rejection rejection; u32 farewell; } cm;

static struct cm_id *id_new(void) { assert_true(nr_ids < ARRAY_SIZE(ids)); return &ids[nr_ids++]; }
int roce_init(u32 ip, unsigned prefix) { return 0; }
void roce_watch_port(struct roce_port_watch *w) {}
int roce_cm_listen(u64 service, cm_handler fn, void *arg) { return 0; }
struct cm_id *roce_cm_connect(u32 ip, u64 service, const struct cm_conn_param *p, cm_handler fn, void *arg)
{
	if (cm_fails)
		return NULL;
	cm.connects++;
	memcpy(&cm.hello, p->private_data, sizeof(cm.hello));
	return id_new();
}
int roce_cm_accept(struct cm_id *id, const struct cm_conn_param *p, cm_handler fn, void *arg)
{
	if (cm_fails)
		return -ENOMEM;
	cm.accepts++;
	memcpy(&cm.hello, p->private_data, sizeof(cm.hello));
	return 0;
}
static struct { unsigned nr; u32 ip; struct fit_hello hello; cm_handler fn; void *arg; } knocks;
struct cm_id *roce_cm_resolve(u32 ip, u64 service, const void *data, u32 len, cm_handler fn, void *arg)
{
	if (cm_fails)
		return NULL;
	assert_true(service == FIT_KNOCK_ID && len == sizeof(knocks.hello));
	knocks.nr++;
	knocks.ip = ip;
	memcpy(&knocks.hello, data, len);
	knocks.fn = fn;
	knocks.arg = arg;
	return id_new();
}
static unsigned flood_left;		/* for each rejection another REQ */
int roce_cm_reject(struct cm_id *id, u16 reason, const void *data, u32 len)
{
	cm.rejects++;
	if (flood_left != 0 && flood_left-- != 0)
		cm_event(&(struct cm_event){ .type = CM_REQ_RECEIVED, .id = id, .peer_ip = 0x0a4d0042 }, NULL);
	memset(&cm.rejection, 0, sizeof(cm.rejection));
	if (reason == 28)
		memcpy(&cm.rejection, data, sizeof(cm.rejection));
	return 0;
}
void roce_cm_disconnect(struct cm_id *id, const void *data, u32 len)
{
	if (len >= sizeof(cm.farewell))
		memcpy(&cm.farewell, data, sizeof(cm.farewell));
}
void roce_cm_destroy(struct cm_id *id) { cm.destroyed++; }
static bool answered;
bool roce_cm_gone(const struct cm_id *id) { return answered; }

/* --- the other nodes --- */

static int setup(void **state)
{
	nr_ids = nr_conns = nr_gone = nr_qps = nr_ends = nr_pings = 0;
	no_memory = cm_fails = false;
	disk_takes_ns = 0;
	memset(&cm, 0, sizeof(cm));
	memset(&knocks, 0, sizeof(knocks));
	knock_noted = false;
	memset(fit_nodes, 0, sizeof(fit_nodes));
	memset(&refusals, 0, sizeof(refusals));
	nr_watchers = 0;
	self_id = SELF;
	self_role = ROLE_MEMORY;
	self_incarnation = 77;
	protocol_hash = 0x1234;
	fit_suspect_ns = NSEC_PER_SEC;
	fit_dead_ns = 2 * NSEC_PER_SEC;
	leaving = has_left = false;
	for (unsigned i = 0; i < FIT_MAX_NODES; i++) {
		fit_nodes[i].id = i;
		spin_init(&fit_nodes[i].lock, "fit node", RANK_FIT_NODE);
	}
	assert_int_equal(parse_peers("1:10.77.0.1,3:10.77.0.3"), 0);
	said_clear();
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 1; i < FIT_MAX_NODES; i++)
		if (fit_nodes[i].conn != NULL)
			node_down(&fit_nodes[i], NULL);
	assert_int_equal(nr_conns, nr_gone);	/* no reference is lost */
	return 0;
}

/* What a peer would say to us. */
static struct fit_hello hello_of(unsigned node, enum node_role role, u64 epoch, u16 qp, u64 challenge)
{
	struct fit_hello h;

	self_id = node;
	self_role = role;
	hello_make(&h, SELF, epoch, qp, challenge);
	self_id = SELF;
	self_role = ROLE_MEMORY;
	return h;
}

static void sealed(struct fit_hello *h) { h->key = le64_of(hello_mac(h, SELF)); }

static void event(enum cm_event_type type, struct cm_id *id, void *arg, unsigned from, u16 reason, const void *data, u32 len)
{
	cm_event(&(struct cm_event){ .type = type, .id = id, .peer_ip = IP(from), .reason = reason, .private_data = data,
				     .private_len = len }, arg);
	handle_notes();
}

static struct cm_id *request(unsigned from, const struct fit_hello *h)
{
	struct cm_id *id = id_new();

	event(CM_REQ_RECEIVED, id, NULL, from, 0, h, sizeof(*h));
	return id;
}

static void rejected_with(unsigned why)
{
	assert_int_equal(le32_get(cm.rejection.magic), FIT_MAGIC);
	assert_int_equal(le16_get(cm.rejection.why), why);
}

/* Nothing but a line and a rejection: no connection, no state, no address learnt. */
static void refused(unsigned from, const struct fit_hello *h, unsigned why, const char *text)
{
	u64 counted = counter_read(&nr_fit_refused);
	u8 state = fit_nodes[HIGHER].state;
	unsigned conns = nr_conns, rejects = cm.rejects;
	char line[160];

	said_clear();
	snprintf(line, sizeof(line), "fit: refused 10.77.0.%u: it %s\n", from, text);
	for (unsigned i = 0; i < 3; i++)
		request(from, h);
	rejected_with(why);
	assert_int_equal(cm.rejects, rejects + 3);
	assert_string_equal(said, line);		/* once, and nothing else */
	assert_int_equal(counter_read(&nr_fit_refused), counted + 3);
	assert_int_equal(cm.accepts, 0);
	assert_int_equal(nr_conns, conns);
	assert_int_equal(fit_nodes[HIGHER].state, state);
	assert_int_equal(fit_nodes[40].ip, 0);
}

static void who_may_not_join(void **state)
{
	struct fit_hello good = hello_of(HIGHER, ROLE_STORAGE, 5, 0, 0), h = good;

	h.magic = le32_of(1);
	refused(90, &h, FIT_REJ_STRANGER, "does not speak FIT");
	h = good;
	h.version = le16_of(FIT_VERSION + 1);
	sealed(&h);
	refused(HIGHER, &h, FIT_REJ_VERSION, "speaks another FIT version");
	h = good;
	key.k0 ^= 1;
	sealed(&h);
	key.k0 ^= 1;
	refused(HIGHER, &h, FIT_REJ_KEY, "does not have the cluster's key (fit.key), or wants a node of another id (fit.peers)");
	h = good;
	h.role = ROLE_PROCESSOR;			/* changed on the way */
	refused(91, &h, FIT_REJ_KEY, "does not have the cluster's key (fit.key), or wants a node of another id (fit.peers)");
	h = good;
	h.protocol = le64_of(0x4321);
	sealed(&h);
	refused(HIGHER, &h, FIT_REJ_PROTOCOL, "was built with another protocol definition");
	for (unsigned i = 0; i < 3; i++) {
		static const u8 bad[] = { 0, SELF, FIT_MAX_NODES };

		h = good;
		h.node = bad[i];
		sealed(&h);
		refused(92 + i, &h, FIT_REJ_NODE, "has a node id that cannot be (fit.node)");
	}
	h = good;
	h.role = 9;
	sealed(&h);
	refused(HIGHER, &h, FIT_REJ_NONSENSE, "says nonsense in its greeting");
	h = good;
	h.slots = le16_of(FIT_SLOTS + 1);
	sealed(&h);
	refused(95, &h, FIT_REJ_NONSENSE, "says nonsense in its greeting");
	h = hello_of(LOWER, ROLE_PROCESSOR, 5, 0, 0);
	refused(LOWER, &h, FIT_REJ_LOWER, "has a lower id and yet connects");
	refused(40, &good, FIT_REJ_DUPLICATE, "uses the node id of another node (fit.node)");
	/* too short to be a greeting */
	said_clear();
	event(CM_REQ_RECEIVED, id_new(), NULL, 96, 0, &good, sizeof(good) - 1);
	rejected_with(FIT_REJ_STRANGER);
	event(CM_REQ_RECEIVED, id_new(), NULL, 96, 0, NULL, 0);
	assert_int_equal(nr_said("refused 10.77.0.96: it does not speak FIT"), 1);
}

/* An address costs a stranger nothing. A line for each of some, then now and then one. */
static void strangers_do_not_fill_the_log(void **state)
{
	struct fit_hello h = hello_of(HIGHER, ROLE_STORAGE, 5, 0, 0);
	u64 counted = counter_read(&nr_fit_refused);

	h.version = le16_of(FIT_VERSION + 1);
	for (unsigned i = 0; i < 200; i++)
		request(1000 + i, &h);
	assert_int_equal(nr_said("fit: refused "), NR_REFUSED);
	assert_int_equal(counter_read(&nr_fit_refused), counted + 200);
	assert_int_equal(cm.rejects, 200);		/* each is told */
	refusals.next_ns = 0;				/* later */
	for (unsigned i = 0; i < 200; i++)
		request(2000 + i, &h);
	assert_int_equal(nr_said("fit: refused "), NR_REFUSED + 1);
}

/* Nor do they keep a node, or a second one of its id, out of it; and these have a line each, whatever they do. */
static void strangers_do_not_crowd_out_a_node(void **state)
{
	struct fit_hello h = hello_of(HIGHER, ROLE_STORAGE, 5, 0, 0), good = h;

	h.version = le16_of(FIT_VERSION + 1);
	for (unsigned i = 0; i < 200; i++)
		request(1000 + i, &h);
	for (unsigned i = 0; i < 20; i++) {
		request(HIGHER, &h);
		request(40 + i, &good);
		if (i == 0)
			assert_int_equal(nr_said("fit: refused 10.77.0.40: it uses the node id of another node"), 1);
	}
	assert_int_equal(nr_said("fit: refused 10.77.0.3: it speaks another FIT version"), 1);
	assert_int_equal(nr_said("fit: refused "), NR_REFUSED + 2);
	h = good;
	h.protocol = le64_of(1);
	sealed(&h);
	request(HIGHER, &h);
	request(HIGHER, &h);
	assert_int_equal(nr_said("fit: refused 10.77.0.3: it was built with another protocol definition"), 1);
	request(40, &good);
	assert_int_equal(nr_said("fit: refused "), NR_REFUSED + 3);
}

static int run_any(struct rpc_call *c, const void *req, void *rep) { return 0; }

static u64 hash_of(struct rpc_op one)
{
	const struct rpc_op ops[] = { { 1, 4, 4, RPC_WORKER, "first", run_any, "le32 a;>le32 b;" }, one };

	fit_ops = ops;
	fit_nr_ops = ARRAY_SIZE(ops);
	return ops_hash();
}

/* Whatever a row says: another word for it is another protocol. Who serves the op, and in which order ops are listed, is not. */
static void another_field_is_another_protocol(void **state)
{
	const struct rpc_op op = { 2, 16, 8, RPC_INLINE, "second", run_any, "le64 addr;le32 len;le32 prot;>le64 addr;" };
	const struct rpc_op others[] = {
		{ 3, 16, 8, RPC_INLINE, "second", run_any, op.fields }, { 2, 8, 16, RPC_INLINE, "second", run_any, op.fields },
		{ 2, 16, 8, RPC_WORKER, "second", run_any, op.fields }, { 2, 16, 8, RPC_INLINE, "other", run_any, op.fields },
		{ 2, 16, 8, RPC_INLINE, "second", run_any, "le64 addr;le32 prot;le32 len;>le64 addr;" },	/* swapped */
		{ 2, 16, 8, RPC_INLINE, "second", run_any, "le64 addr;le32 len;le32 flags;>le64 addr;" },	/* renamed */
		{ 2, 16, 8, RPC_INLINE, "second", run_any, "le64 addr;le32 len;be32 prot;>le64 addr;" },	/* retyped */
		{ 2, 16, 8, RPC_INLINE, "second", run_any, NULL },
	};
	const struct rpc_op *ops_were = fit_ops;
	unsigned nr_were = fit_nr_ops;
	u64 hash = hash_of(op);
	struct rpc_op called = op, swapped[2] = { op, { 1, 4, 4, RPC_WORKER, "first", run_any, "le32 a;>le32 b;" } };

	called.run = NULL;
	assert_true(hash_of(called) == hash);
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		assert_true(hash_of(others[i]) != hash);
	fit_ops = swapped;
	assert_true(ops_hash() == hash);
	fit_ops = ops_were;
	fit_nr_ops = nr_were;
}

static struct fit_conn *joined(void)
{
	struct fit_hello h = hello_of(HIGHER, ROLE_STORAGE, 5, 0, 0);
	struct fit_node *n = &fit_nodes[HIGHER];

	request(HIGHER, &h);
	rejected_with(FIT_REJ_CHALLENGE);
	h = hello_of(HIGHER, ROLE_STORAGE, 5, 0, le64_get(cm.rejection.challenge));
	request(HIGHER, &h);
	assert_int_equal(cm.accepts, 1);
	assert_int_equal(n->state, NODE_JOINING);
	event(CM_ESTABLISHED, n->conn->cm, n->conn, HIGHER, 0, NULL, 0);
	assert_int_equal(n->state, NODE_UP);
	return n->conn;
}

/* Who may use what is for the cluster's nodes alone: who has shown that it has the key. */
static void members(void **state)
{
	struct fit_conn *c;

	assert_false(fit_is_member(IP(HIGHER)));	/* in fit.peers, and not there */
	assert_false(fit_is_member(0));
	c = joined();
	assert_true(fit_is_member(IP(HIGHER)));
	assert_false(fit_is_member(IP(LOWER)));
	fit_nodes[LOWER].retry_ns = 0;
	node_look(&fit_nodes[LOWER], time_mono_ns(), 0);
	assert_int_equal(fit_nodes[LOWER].state, NODE_CONNECTING);
	assert_false(fit_is_member(IP(LOWER)));
	conn_fail(c, "x");
	node_look(&fit_nodes[HIGHER], time_mono_ns(), 0);
	assert_false(fit_is_member(IP(HIGHER)));
}

static void knock_answer(enum cm_event_type type, u16 reason)
{
	knocks.fn(&(struct cm_event){ .type = type, .reason = reason }, knocks.arg);
}

/* The status that the knocker gets. */
static unsigned knocked(unsigned from, const void *hello, u32 len)
{
	struct cm_sidr sidr = { .status = 2 };

	knock_heard(&(struct cm_event){ .type = CM_SIDR_RECEIVED, .peer_ip = IP(from), .private_data = hello, .private_len = len,
					.sidr = &sidr }, NULL);
	handle_notes();
	return sidr.status;
}

static struct fit_hello knock_of(unsigned node)
{
	struct fit_hello h = hello_of(node, ROLE_PROCESSOR, 0, 0, 0);

	h.key = le64_of(hello_mac(&h, KNOCK_TO));
	return h;
}

/* The lower id of two is never asked by who takes another for it: it asks itself, when nobody comes, and both logs have a line. */
static void a_second_node_of_a_lower_id(void **state)
{
	struct fit_node *n = &fit_nodes[HIGHER];
	u64 now = 100 * NSEC_PER_SEC;
	struct fit_hello h;

	assert_true(node_look(n, KNOCK_NS - 1, 0) == KNOCK_NS);		/* they may still be booting */
	assert_int_equal(knocks.nr, 0);
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(node_look(n, now, 0) == now + KNOCK_NS);
		assert_true(node_look(n, now, 0) == ~0ULL);		/* it is out */
		assert_int_equal(knocks.nr, i);
		assert_int_equal(knocks.ip, IP(HIGHER));
		knock_answer(CM_REJECTED, KNOCK_REFUSED);
		assert_true(node_look(n, now, 0) == now + KNOCK_NS);
		assert_int_equal(cm.destroyed, i);
		now += KNOCK_NS;
	}
	assert_string_equal(said, "fit: node 3: it refused this node, which uses the node id of another node (fit.node)\n");
	assert_int_equal(n->state, NODE_DOWN);
	assert_int_equal(nr_conns, 0);
	/* as a REQ it is nothing */
	said_clear();
	self_id = HIGHER;
	h = knocks.hello;
	assert_int_equal(h.node, SELF);
	fit_nodes[SELF].ip = IP(SELF);
	request(SELF, &h);
	rejected_with(FIT_REJ_KEY);
	said_clear();
	/* what the other end makes of it, who has the one that it knows of and who it is itself */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(knocked(90, &h, 216), KNOCK_REFUSED);
	assert_int_equal(nr_said("fit: refused 10.77.0.90: it uses the node id of another node (fit.node)\n"), 1);
	self_id = SELF;
	assert_int_equal(knocked(91, &h, sizeof(h)), KNOCK_REFUSED);
	assert_int_equal(nr_said("fit: refused 10.77.0.91: it uses the node id of another node (fit.node)\n"), 1);
	assert_int_equal(nr_said("\n"), 2);
}

/* Who is where it is expected, and who cannot show that it knows the key, hears nothing and brings no line. */
static void knocks_that_say_nothing(void **state)
{
	struct fit_hello h = knock_of(LOWER);

	assert_int_equal(knocked(LOWER, &h, sizeof(h)), KNOCK_HEARD);
	assert_int_equal(knocked(40, NULL, 0), KNOCK_HEARD);
	assert_int_equal(knocked(40, &h, sizeof(h) - 1), KNOCK_HEARD);
	h.role = ROLE_STORAGE;
	assert_int_equal(knocked(40, &h, sizeof(h)), KNOCK_HEARD);
	h = hello_of(LOWER, ROLE_PROCESSOR, 0, 0, 0);			/* a REQ's */
	assert_int_equal(knocked(40, &h, sizeof(h)), KNOCK_HEARD);
	h = knock_of(FIT_MAX_NODES);
	assert_int_equal(knocked(40, &h, sizeof(h)), KNOCK_HEARD);
	h = knock_of(7);						/* in no fit.peers: any address is as good */
	assert_int_equal(knocked(40, &h, sizeof(h)), KNOCK_HEARD);
	assert_true(list_empty(&notes));
	assert_string_equal(said, "");
	h = knock_of(LOWER);						/* recorded, and sent as fast as can be: one note */
	for (unsigned i = 0; i < 100; i++) {
		struct cm_sidr sidr = { 0 };

		knock_heard(&(struct cm_event){ .type = CM_SIDR_RECEIVED, .peer_ip = IP(40 + i), .private_data = &h,
						.private_len = sizeof(h), .sidr = &sidr }, NULL);
		assert_int_equal(sidr.status, KNOCK_REFUSED);
	}
	assert_true(notes.next->next == &notes);
	handle_notes();
	assert_int_equal(nr_said("\n"), 1);
}

/* Nobody knocks at who has been there, nor on the way out; one that comes while a knock is out is taken in, and its answer is none. */
static void when_to_knock(void **state)
{
	struct fit_node *n = &fit_nodes[HIGHER];
	u64 now = time_mono_ns() + KNOCK_NS;
	struct fit_conn *c;

	cm_fails = true;
	assert_true(node_look(n, now, 0) == now + KNOCK_NS);
	assert_null(n->knock);
	cm_fails = false;
	n->retry_ns = 0;
	leaving = true;
	assert_true(node_look(n, now, 0) == ~0ULL);
	leaving = false;
	node_look(n, now, 0);
	assert_int_equal(knocks.nr, 1);
	c = joined();
	knock_answer(CM_REJECTED, KNOCK_REFUSED);
	node_look(n, time_mono_ns(), 0);
	assert_int_equal(cm.destroyed, 1);
	assert_null(n->knock);
	conn_fail(c, "x");
	node_look(n, now, 0);
	assert_int_equal(n->state, NODE_DOWN);
	assert_true(node_look(n, now + KNOCK_NS, 0) == ~0ULL);
	assert_int_equal(knocks.nr, 1);
	assert_int_equal(nr_said("refused"), 0);
}

/* A challenge is answered once: who recorded the exchange can begin nothing with it. */
static void joins_answer_a_challenge(void **state)
{
	struct fit_hello first = hello_of(HIGHER, ROLE_STORAGE, 5, 0, 0), recorded;
	u64 challenge;

	request(HIGHER, &first);
	rejected_with(FIT_REJ_CHALLENGE);
	challenge = le64_get(cm.rejection.challenge);
	assert_true(challenge != 0);
	request(HIGHER, &first);			/* asked again: the same, it may have been lost */
	assert_true(le64_get(cm.rejection.challenge) == challenge);
	recorded = hello_of(HIGHER, ROLE_STORAGE, 5, 0, challenge ^ 1);
	request(HIGHER, &recorded);
	assert_int_equal(cm.accepts, 0);
	recorded = hello_of(HIGHER, ROLE_STORAGE, 5, 0, challenge);
	request(HIGHER, &recorded);
	assert_int_equal(cm.accepts, 1);
	assert_int_equal(le64_get(cm.hello.epoch), 5);	/* the answer proves itself by it */
	event(CM_ESTABLISHED, fit_nodes[HIGHER].conn->cm, fit_nodes[HIGHER].conn, HIGHER, 0, NULL, 0);
	request(HIGHER, &recorded);
	rejected_with(FIT_REJ_CHALLENGE);
	assert_true(le64_get(cm.rejection.challenge) != challenge);
	assert_int_equal(fit_nodes[HIGHER].state, NODE_UP);
	assert_int_equal(nr_said("refused"), 0);
}

static void rejection(struct fit_conn *c, unsigned from, unsigned why, u64 challenge)
{
	struct fit_rejection j = { .magic = le32_of(FIT_MAGIC), .why = le16_of(why), .challenge = le64_of(challenge) };

	event(CM_REJECTED, c->cm, c, from, 28, &j, sizeof(j));
}

/* The other end's log: why this node was refused, once; it goes on asking, slowly. */
static void who_is_refused_is_told(void **state)
{
	struct fit_node *n = &fit_nodes[LOWER];

	for (unsigned why = FIT_REJ_STRANGER; why < NR_FIT_REJ; why++) {
		said_clear();
		for (unsigned i = 0; i < 3; i++) {
			u64 now;

			n->retry_ns = 0;
			node_look(n, time_mono_ns(), 0);
			assert_int_equal(n->state, NODE_CONNECTING);
			rejection(n->conn, LOWER, why, 0);
			now = time_mono_ns();
			node_look(n, now, 0);
			assert_int_equal(n->state, NODE_DOWN);
			assert_true(n->retry_ns >= now + REFUSED_NS);
		}
		assert_int_equal(nr_said("fit: node 1: it refused this node, which "), 1);
		assert_int_equal(nr_said(rejection_text[why][0]), 1);
	}
	/* what a rejection has in it is not believed further than that */
	said_clear();
	n->retry_ns = 0;
	node_look(n, time_mono_ns(), 0);
	rejection(n->conn, LOWER, 999, 0);
	node_look(n, time_mono_ns(), 0);
	assert_int_equal(nr_said("it does not listen yet"), 1);
}

static struct fit_conn *joined_lower_again(unsigned connects)
{
	struct fit_node *n = &fit_nodes[LOWER];
	unsigned qps = nr_qps;
	struct fit_hello h;

	n->retry_ns = 0;
	node_look(n, time_mono_ns(), 0);
	assert_int_equal(le64_get(cm.hello.challenge), 0);
	rejection(n->conn, LOWER, FIT_REJ_CHALLENGE, 99);
	assert_int_equal(n->state, NODE_CONNECTING);	/* on the same queue pair */
	assert_int_equal(cm.connects, connects + 2);
	assert_int_equal(nr_qps, qps + 1);
	assert_int_equal(le64_get(cm.hello.challenge), 99);
	h = hello_of(LOWER, ROLE_PROCESSOR, n->conn->epoch, 0, 0);
	event(CM_ESTABLISHED, n->conn->cm, n->conn, LOWER, 0, &h, sizeof(h));
	assert_int_equal(n->state, NODE_UP);
	return n->conn;
}

static struct fit_conn *joined_lower(void) { return joined_lower_again(0); }

/* Who has another challenge for each answer is not asked as fast as he says so. */
static void one_challenge_an_attempt(void **state)
{
	struct fit_node *n = &fit_nodes[LOWER];

	for (unsigned i = 1; i <= 3; i++) {
		u64 now;

		n->retry_ns = 0;
		node_look(n, time_mono_ns(), 0);
		for (unsigned k = 0; k < 20 && n->conn != NULL && !n->conn->failed; k++)
			rejection(n->conn, LOWER, FIT_REJ_CHALLENGE, 100 * i + k);
		assert_int_equal(cm.connects, 2 * i);
		now = time_mono_ns();
		node_look(n, now, 0);
		assert_int_equal(n->state, NODE_DOWN);
		assert_true(n->retry_ns >= now + REFUSED_NS);
	}
	assert_int_equal(nr_said("\n"), 1);
	joined_lower_again(6);
}

static void connecting_answers_the_challenge(void **state)
{
	joined_lower();
	assert_int_equal(nr_said("processor-1 is up"), 1);
	assert_int_equal(nr_said("\n"), 1);
}

/* A REP that was made for another REQ, or by somebody else, is refused here. */
static void the_answer_to_a_join_is_checked(void **state)
{
	struct fit_node *n = &fit_nodes[LOWER];

	for (unsigned i = 0; i < 3; i++) {
		struct fit_hello h;

		n->retry_ns = 0;
		node_look(n, time_mono_ns(), 0);
		h = hello_of(i == 1 ? HIGHER : LOWER, ROLE_PROCESSOR, n->conn->epoch ^ (i == 0), 0, 0);
		if (i == 2)
			h.incarnation = le64_of(3);		/* not what was sealed */
		event(CM_ESTABLISHED, n->conn->cm, n->conn, LOWER, 0, &h, sizeof(h));
		node_look(n, time_mono_ns(), 0);
		assert_int_equal(n->state, NODE_DOWN);
	}
	assert_int_equal(nr_said("speaks of an epoch that is over"), 1);
	assert_int_equal(nr_said("has another node id than fit.peers says"), 1);
	assert_int_equal(nr_said("does not have the cluster's key"), 1);
	assert_int_equal(nr_said("is up"), 0);
}

/* --- a queue pair that breaks --- */

static void broken_by_us_and_asked_for_again(void **state)
{
	struct fit_conn *c = joined_lower();
	struct fit_node *n = c->node;
	u64 epoch = c->epoch;
	struct fit_hello h;

	said_clear();
	conn_break(c, "remote access error");
	node_look(n, time_mono_ns(), 0);
	assert_int_equal(nr_ends, 1);
	assert_int_equal(nr_qps, 2);
	assert_int_equal(c->link, LINK_ASKED);
	assert_int_equal(cm.connects, 3);
	assert_int_equal(le16_get(cm.hello.qp), 1);
	assert_true(le64_get(cm.hello.epoch) == epoch);
	event(CM_UNREACHABLE, c->cm, c, LOWER, 0, NULL, 0);	/* again, by the next number */
	node_look(n, time_mono_ns(), 0);
	assert_int_equal(c->link, LINK_BROKEN);
	n->retry_ns = 0;
	node_look(n, time_mono_ns(), 0);
	assert_int_equal(le16_get(cm.hello.qp), 2);
	h = hello_of(LOWER, ROLE_PROCESSOR, epoch, 2, 0);
	event(CM_ESTABLISHED, c->cm, c, LOWER, 0, &h, sizeof(h));
	assert_int_equal(c->link, LINK_WORKS);
	assert_true(c->ready);
	assert_int_equal(n->state, NODE_UP);
	assert_int_equal(nr_said("is dead"), 0);
	assert_int_equal(nr_said("the connection to processor-1 broke (remote access error)"), 1);
	assert_int_equal(nr_said("the connection to processor-1 works again"), 1);
	assert_int_equal(nr_conns, 1);
}

static void broken_there_and_offered(void **state)
{
	struct fit_conn *c = joined();
	struct fit_hello h;

	h = hello_of(HIGHER, ROLE_STORAGE, 6, 1, 0);		/* another epoch; the number of the one we have */
	request(HIGHER, &h);
	rejected_with(FIT_REJ_OVER);
	h = hello_of(HIGHER, ROLE_STORAGE, 5, 1, 0);
	request(HIGHER, &h);
	assert_int_equal(c->link, LINK_OFFERED);
	assert_int_equal(cm.accepts, 2);
	assert_int_equal(nr_ends, 1);
	request(HIGHER, &h);					/* recorded */
	rejected_with(FIT_REJ_OVER);
	event(CM_REJECTED, c->cm, c, HIGHER, 4, NULL, 0);	/* it did not take our REP */
	node_look(c->node, time_mono_ns(), 0);
	assert_int_equal(c->link, LINK_BROKEN);
	h = hello_of(HIGHER, ROLE_STORAGE, 5, 2, 0);
	request(HIGHER, &h);
	event(CM_ESTABLISHED, c->cm, c, HIGHER, 0, NULL, 0);
	assert_int_equal(c->link, LINK_WORKS);
	assert_int_equal(c->node->state, NODE_UP);
	assert_int_equal(nr_conns, 1);
	assert_int_equal(cm.connects, 0);
}

/* A DREQ without a farewell is no farewell; with one it is, also when the queue pair goes at the same moment. */
static void farewells(void **state)
{
	struct fit_conn *c = joined();
	le32 word = le32_of(FIT_FAREWELL);
	u8 nothing[224] = { 0 };

	event(CM_DISCONNECTED, c->cm, c, HIGHER, 0, nothing, sizeof(nothing));
	assert_true(c->broken && !c->failed);
	memcpy(nothing, &word, sizeof(word));
	cm_event(&(struct cm_event){ .type = CM_DISCONNECTED, .id = c->cm, .private_data = nothing, .private_len = sizeof(nothing) }, c);
	node_look(c->node, time_mono_ns(), 0);		/* the note is still unread */
	handle_notes();
	node_look(&fit_nodes[HIGHER], time_mono_ns(), 0);
	assert_int_equal(fit_nodes[HIGHER].state, NODE_DOWN);
	assert_int_equal(nr_said("storage-3 left"), 1);
	assert_int_equal(nr_said("is dead"), 0);
	assert_true(fit_node_left(HIGHER));
}

/* Our queue pair breaks, and we say so, as the peer leaves: its farewell comes by the one that is no more. */
static void a_farewell_that_crosses(void **state)
{
	struct fit_conn *c = joined();
	struct cm_id *old = c->cm;
	le32 word = le32_of(FIT_FAREWELL);
	u8 data[224] = { 0 };

	conn_break(c, "a fatal error of the transport");
	node_look(c->node, time_mono_ns(), 0);
	assert_int_equal(c->link, LINK_BROKEN);
	event(CM_DISCONNECTED, old, c, HIGHER, 0, data, sizeof(data));
	assert_false(c->broken || c->failed);			/* without a farewell: we know */
	memcpy(data, &word, sizeof(word));
	event(CM_DISCONNECTED, old, c, HIGHER, 0, data, sizeof(data));
	node_look(&fit_nodes[HIGHER], time_mono_ns(), 0);
	assert_int_equal(fit_nodes[HIGHER].state, NODE_DOWN);
	assert_int_equal(nr_said("storage-3 left"), 1);
	assert_int_equal(nr_said("is dead"), 0);
	assert_int_equal(cm.destroyed, 1);
}

/* Ours is said when the queue pair works, and waited for. */
static void our_farewell(void **state)
{
	struct fit_conn *c = joined();

	leaving = true;
	answered = false;
	c->link = LINK_OFFERED;
	assert_true(say_farewell(5) == 5 + LEAVE_LOOK_NS);
	assert_false(c->told);
	c->link = LINK_WORKS;
	assert_true(say_farewell(5) == 5 + LEAVE_LOOK_NS);
	assert_int_equal(cm.farewell, FIT_FAREWELL);
	cm.farewell = 0;
	say_farewell(6);
	assert_int_equal(cm.farewell, 0);		/* once; the connection manager repeats it */
	assert_false(has_left);
	answered = true;
	assert_true(say_farewell(7) == ~0ULL);
	assert_true(has_left);
}

/* Who has heard our farewell may ask anew before its answer arrives: it is not taken in again, and not taken for dead. */
static void who_leaves_takes_nobody_in(void **state)
{
	struct fit_hello h = hello_of(HIGHER, ROLE_STORAGE, 5, 0, 0);
	struct fit_conn *c = joined();
	unsigned rejects = cm.rejects;

	leaving = true;
	answered = false;
	say_farewell(5);
	assert_true(c->told);
	request(HIGHER, &h);
	assert_int_equal(cm.rejects, rejects + 1);
	rejected_with(FIT_REJ_NONE);
	assert_ptr_equal(fit_nodes[HIGHER].conn, c);
	assert_int_equal(nr_said("is dead"), 0);
}

/* Who has not heard it and makes the queue pair anew is told again, when that works. */
static void a_farewell_is_said_again(void **state)
{
	struct fit_hello h = hello_of(HIGHER, ROLE_STORAGE, 5, 1, 0);
	struct fit_conn *c = joined();

	leaving = true;
	answered = false;
	say_farewell(5);
	assert_int_equal(cm.farewell, FIT_FAREWELL);
	cm.farewell = 0;
	request(HIGHER, &h);
	assert_int_equal(c->link, LINK_OFFERED);
	say_farewell(6);
	assert_int_equal(cm.farewell, 0);
	event(CM_ESTABLISHED, c->cm, c, HIGHER, 0, NULL, 0);
	assert_int_equal(c->link, LINK_WORKS);
	say_farewell(7);
	assert_int_equal(cm.farewell, FIT_FAREWELL);
	assert_false(has_left);
	answered = true;
	say_farewell(8);
	assert_true(has_left);
}

/* Both say it at once, and the last answer is lost: who stays behind does not call the other dead. */
static void a_farewell_is_not_answered(void **state)
{
	struct fit_conn *c = joined();

	leaving = true;
	answered = false;
	say_farewell(5);
	assert_true(c->told);
	node_look(&fit_nodes[HIGHER], c->heard_ns + fit_dead_ns - 1, 0);
	assert_ptr_equal(fit_nodes[HIGHER].conn, c);
	node_look(&fit_nodes[HIGHER], c->heard_ns + fit_dead_ns, 0);
	assert_null(fit_nodes[HIGHER].conn);
	assert_int_equal(nr_said("is dead"), 0);
	assert_int_equal(nr_said("does not answer our farewell"), 1);
	assert_true(fit_node_left(HIGHER));
	say_farewell(6);
	assert_true(has_left);
}

static void given_up_by_the_peer(void **state)
{
	struct fit_conn *c = joined_lower();

	conn_break(c, "x");
	node_look(c->node, time_mono_ns(), 0);
	rejection(c, LOWER, FIT_REJ_OVER, 0);
	node_look(&fit_nodes[LOWER], time_mono_ns(), 0);
	assert_int_equal(fit_nodes[LOWER].state, NODE_DOWN);
	assert_int_equal(nr_said("processor-1 is dead: it has given this node up"), 1);
}

static void no_queue_pair_comes_up(void **state)
{
	struct fit_conn *c = joined_lower();
	struct fit_node *n = c->node;
	u64 now = time_mono_ns();

	no_memory = true;
	conn_break(c, "x");
	node_look(n, now, 0);
	assert_int_equal(n->state, NODE_UP);
	c->began_ns = now - JOIN_NS + 1;
	c->heard_ns = now;
	node_look(n, now, NSEC_PER_SEC);		/* we did not run: not the peer's fault */
	assert_false(c->failed);
	c->began_ns = now - JOIN_NS;
	node_look(n, now, 0);
	node_look(n, now, 0);
	assert_int_equal(fit_nodes[LOWER].state, NODE_DOWN);
	assert_int_equal(nr_said("could not be made anew"), 1);
}

/* --- silence --- */

static void silence_is_death_unless_it_was_ours(void **state)
{
	struct fit_conn *c = joined();
	struct fit_node *n = c->node;
	u64 now = time_mono_ns() + 100 * NSEC_PER_SEC;

	c->heard_ns = now - 3 * NSEC_PER_SEC;
	node_look(n, now, 2500 * NSEC_PER_MSEC);		/* this thread came 2.5 s late */
	assert_int_equal(n->state, NODE_UP);
	assert_true(c->heard_ns == now - 500 * NSEC_PER_MSEC);
	node_look(n, now + 600 * NSEC_PER_MSEC, 0);
	assert_int_equal(n->state, NODE_SUSPECT);
	assert_int_equal(nr_said("storage-3 is silent; calls to it wait"), 1);
	c->heard_ns = now + 650 * NSEC_PER_MSEC;
	node_look(n, now + 700 * NSEC_PER_MSEC, 0);
	assert_int_equal(n->state, NODE_UP);
	assert_int_equal(nr_said("storage-3 speaks again"), 1);
	node_look(n, now + 2700 * NSEC_PER_MSEC, 0);
	assert_int_equal(n->state, NODE_DOWN);
	assert_int_equal(nr_said("storage-3 is dead: silent for too long (2050 ms)"), 1);
}

static void watcher_takes_long(unsigned node, enum node_role role, bool up) { ahead_ns += disk_takes_ns; }

/* One node dies, and who hears of it writes to its disk: what that takes is nobody's silence. */
static void one_death_is_not_the_next_ones(void **state)
{
	struct fit_conn *low = joined_lower(), *c;
	struct fit_node *n = &fit_nodes[HIGHER];
	u64 now, next, heard;

	cm.accepts = 0;
	c = joined();
	fit_on_change(watcher_takes_long);
	now = test_clock();
	low->heard_ns = c->heard_ns = now;
	conn_fail(low, "x");
	disk_takes_ns = 2500 * NSEC_PER_MSEC;
	next = member_round(now, now);
	assert_int_equal(fit_nodes[LOWER].state, NODE_DOWN);
	assert_int_equal(n->state, NODE_UP);
	fit_nodes[LOWER].wanted = false;		/* it stays away */
	now += disk_takes_ns;
	disk_takes_ns = 0;
	next = member_round(now, next);
	assert_int_equal(n->state, NODE_UP);
	heard = c->heard_ns;
	assert_true(heard <= now);
	while (n->conn != NULL) {			/* its own is */
		now = MAX(next, now + 1);
		next = member_round(now, next);
	}
	assert_in_range(now, heard + fit_dead_ns, heard + fit_dead_ns + NSEC_PER_MSEC);
}

/* The same with what a note takes: a queue pair that ends. What was heard meanwhile stays heard. */
static void a_long_note_is_nobodys_silence(void **state)
{
	struct fit_hello h = hello_of(HIGHER, ROLE_STORAGE, 5, 1, 0);
	struct fit_conn *low = joined_lower(), *c;
	u64 now, next, heard;

	cm.accepts = 0;
	c = joined();
	now = test_clock();
	low->heard_ns = c->heard_ns = now;
	disk_takes_ns = 2500 * NSEC_PER_MSEC;
	cm_event(&(struct cm_event){ .type = CM_REQ_RECEIVED, .id = id_new(), .peer_ip = IP(HIGHER), .private_data = &h, .private_len = sizeof(h) }, NULL);
	next = member_round(now, now);
	assert_int_equal(c->link, LINK_OFFERED);
	assert_int_equal(fit_nodes[LOWER].state, NODE_UP);
	heard = c->heard_ns;
	assert_true(heard >= now + disk_takes_ns);
	next = member_round(now + 1, now - NSEC_PER_SEC);	/* late, and by a clock from before that */
	assert_true(c->heard_ns == heard);
	next = member_round(now + disk_takes_ns, next);
	disk_takes_ns = 0;
	assert_int_equal(fit_nodes[LOWER].state, NODE_UP);
	assert_int_equal(nr_said("is silent"), 0);
}

/* The node stops between two looks: of its own time no more than a look's distance counts as silence, however long ago it asked. */
static void a_stop_after_a_ping(void **state)
{
	static const u64 limits[][2] = { { 1000, 2000 }, { 2000, 2000 }, { 3600000, 2000 }, { 10, 2000 }, { 1000, 60000 }, { 50, 50 } };
	struct fit_conn *c = joined();
	struct fit_node *n = c->node;

	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		u64 quiet, now, next;

		fit_suspect_ns = limits[i][0] * NSEC_PER_MSEC;
		fit_dead_ns = limits[i][1] * NSEC_PER_MSEC;
		quiet = MIN(fit_suspect_ns / 2, fit_dead_ns / 4);
		quiet += quiet / 4;				/* we are the lower one */
		ahead_ns += 10 * fit_dead_ns;
		now = test_clock();
		for (u64 silent = 0; silent < fit_dead_ns && n->conn != NULL; silent += fit_dead_ns / 100) {
			c->heard_ns = now - silent;
			next = node_look(n, now, 0);
			assert_in_range(next, now + 1, now + quiet);
		}
		c->heard_ns = now - quiet;
		next = member_round(now, now);
		now += fit_dead_ns - quiet + 1;			/* its answer is here, and nobody has looked */
		if (next + LATE_NS < now) {
			next = member_round(now, next);
			assert_int_not_equal(n->state, NODE_DOWN);
		}
		c->heard_ns = now;
		member_round(now, now);
		assert_int_equal(n->state, NODE_UP);
	}
}

/* An idle peer, which answers pings, and asks the other way if it is the higher one: how often this thread looks. */
static unsigned looks_when_idle(struct fit_conn *c, u64 peer_asks)
{
	u64 now = test_clock(), next = now, asked = now, end = now + 60 * NSEC_PER_SEC;
	unsigned n = 0, pings;

	for (c->heard_ns = now; now < end && n < 10000; n++) {
		pings = nr_pings;
		next = member_round(now, next);
		if (nr_pings != pings)
			c->heard_ns = now + NSEC_PER_MSEC;
		now = next;
		ahead_ns += now - test_clock();
		while (peer_asks != 0 && asked + peer_asks < now) {
			asked += peer_asks;
			c->heard_ns = asked;
		}
	}
	assert_int_equal(c->node->state, NODE_UP);
	return n;
}

static void an_idle_node_seldom_looks(void **state)
{
	struct fit_conn *high, *low;
	unsigned n;

	fit_nodes[LOWER].wanted = false;
	high = joined();
	nr_pings = 0;
	n = looks_when_idle(high, 501 * NSEC_PER_MSEC);
	assert_in_range(n, 100, 125);
	assert_in_range(nr_pings, 0, 1);
	conn_fail(high, "x");
	node_look(&fit_nodes[HIGHER], test_clock(), 0);
	fit_nodes[LOWER].wanted = true;
	cm.connects = 0;
	low = joined_lower();
	nr_pings = 0;
	n = looks_when_idle(low, 0);
	assert_in_range(n, 100, 125);
	assert_in_range(nr_pings, 100, 125);
}

/* REQs that come as fast as they are refused do not keep this thread from looking at the others' silence. */
static void a_flood_does_not_stop_the_clock(void **state)
{
	flood_left = 10000;
	request(66, &(struct fit_hello){ 0 });
	assert_in_range(cm.rejects, 1, NOTES_ROUND);
	assert_true(kicked);
	flood_left = 0;
	kicked = false;
	handle_notes();
	assert_true(list_empty(&notes));
	assert_false(kicked);
	assert_int_equal(nr_said("refused 10.77.0.66"), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_may_not_join), T(strangers_do_not_fill_the_log), T(strangers_do_not_crowd_out_a_node),
		T(a_second_node_of_a_lower_id), T(knocks_that_say_nothing), T(when_to_knock),
		 T(another_field_is_another_protocol), T(members), T(one_challenge_an_attempt),
		T(joins_answer_a_challenge), T(who_is_refused_is_told), T(connecting_answers_the_challenge),
		T(the_answer_to_a_join_is_checked), T(broken_by_us_and_asked_for_again), T(broken_there_and_offered), T(farewells),
		T(our_farewell), T(a_farewell_that_crosses), T(who_leaves_takes_nobody_in), T(a_farewell_is_not_answered), T(a_farewell_is_said_again), T(given_up_by_the_peer),
		T(no_queue_pair_comes_up), T(silence_is_death_unless_it_was_ours), T(one_death_is_not_the_next_ones),
		T(a_long_note_is_nobodys_silence), T(a_stop_after_a_ping), T(an_idle_node_seldom_looks), T(a_flood_does_not_stop_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
