/* SPDX-License-Identifier: MIT */
/* SOURCES: */
/* PARSERS: net/fit/member.c */
/*
 * Membership: greetings, answers to ours, rejections, farewells and knocks, whole, cut and spoilt, from anywhere and at any time, while queue
 * pairs break, time passes and memory is short. The unit test's connection manager carries them. Nobody is let in without
 * the key, no reference is lost, and no state follows that may not.
 */
#define main member_test_main
#include "net/fit/member_test.c"
#undef main

#include "kernel/param.h"

static const u8 *in;
static size_t in_left;

static u8 next_byte(void)
{
	if (in_left == 0)
		return 0;
	in_left--;
	return *in++;
}

static unsigned any_node(void)
{
	static const u8 some[] = { HIGHER, LOWER, HIGHER, LOWER, 40, 63, 4, 5 };

	return some[next_byte() % 8];
}

/* Up to three bytes become others. */
static void spoil(void *data, u32 len, u8 how)
{
	for (unsigned i = 0; i < how % 4; i++) {
		u8 where = next_byte();

		((u8 *)data)[where % len] = next_byte();
	}
}

/* Somebody's greeting. genuine: it was made with the key, and is as it was made. */
static struct fit_hello greeting(unsigned node, const struct fit_conn *c, bool *genuine)
{
	u8 how = next_byte();
	u64 epoch = c != NULL && (how & 1) ? c->epoch : 1 + how % 3;
	u16 qp = (how & 2) == 0 ? 0 : c != NULL && (how & 4) ? c->qp_nr + 1 : next_byte();
	struct fit_hello h = hello_of(node, how & 8 ? ROLE_STORAGE : ROLE_PROCESSOR, epoch, qp,
				      how & 16 ? 0 : le64_get(cm.rejection.challenge)), was;

	if (c != NULL && node < SELF)
		h.qp = le16_of(how & 32 ? c->qp_nr + 1 : c->qp_nr);
	sealed(&h);
	was = h;
	spoil(&h, sizeof(h), how >> 6);
	*genuine = memcmp(&was, &h, sizeof(h)) == 0;
	if (!*genuine && (next_byte() & 1)) {		/* by one of us that is wrong about itself */
		sealed(&h);
		*genuine = true;
	}
	return h;
}

static void ask_to_join(void)
{
	unsigned node = any_node(), accepts = cm.accepts;
	u8 len = next_byte();
	bool genuine;
	struct fit_hello h = greeting(node, fit_nodes[node].conn, &genuine);

	if (len == 229)
		shim_fail_alloc(1);
	event(CM_REQ_RECEIVED, id_new(), NULL, len < 240 ? node : len, 0, len == 228 ? NULL : &h, len >= 230 && len < 240 ? (len - 230) * 5 : sizeof(h));
	shim_fail_alloc(0);
	BUG_ON(!genuine && cm.accepts != accepts);
}

/* Something comes on a connection that there is, or was. */
static void something_comes(void)
{
	static const enum cm_event_type types[] = { CM_ESTABLISHED, CM_REJECTED, CM_UNREACHABLE, CM_DISCONNECTED, CM_ESTABLISHED, CM_REJECTED,
						    CM_SIDR_RESOLVED, CM_ESTABLISHED };
	unsigned node = any_node();
	struct fit_node *n = &fit_nodes[node];
	struct fit_conn *c = n->conn;
	u8 how = next_byte();
	enum cm_event_type type = types[how % 8];
	struct fit_rejection j = { .magic = le32_of(FIT_MAGIC), .why = le16_of((how >> 3) % (NR_FIT_REJ + 1)), .challenge = le64_of(how) };
	struct cm_id *id = c == NULL ? NULL : how >= 250 ? &ids[0] : c->cm;
	le32 farewell = le32_of(FIT_FAREWELL);
	u8 state = n->state;
	struct fit_hello h;
	bool genuine;

	if (id == NULL)
		return;
	if (how == 247) {		/* nobody has looked at it when its queue pair breaks */
		cm_event(&(struct cm_event){ .type = CM_DISCONNECTED, .id = id, .private_data = &farewell,
					     .private_len = next_byte() & 1 ? sizeof(farewell) : 0 }, c);
		conn_break(c, "broke");
		(void)node_look(n, time_mono_ns(), 0);
		return;
	}
	if (how == 246)
		shim_fail_alloc(1);
	switch (type) {
	case CM_REJECTED:
		spoil(&j, sizeof(j), next_byte() >> 5);
		event(type, id, c, node, how & 64 ? 4 : 28, &j, how == 249 ? 3 : sizeof(j));
		break;
	case CM_DISCONNECTED:
		spoil(&farewell, sizeof(farewell), how >> 6);
		event(type, id, c, node, 0, &farewell, how & 32 ? sizeof(farewell) : 2);
		break;
	default:
		h = greeting(node, c, &genuine);
		event(type, id, c, node, 0, &h, how == 248 ? 7 : sizeof(h));
		BUG_ON(!genuine && state == NODE_CONNECTING && n->state == NODE_UP);
	}
	shim_fail_alloc(0);
}

/* A round of member_thread()'s, so much later. */
static void time_passes(void)
{
	static const u64 steps[] = { 0, NSEC_PER_MSEC, 200 * NSEC_PER_MSEC, NSEC_PER_SEC, 1500 * NSEC_PER_MSEC, 3 * NSEC_PER_SEC,
				     6 * NSEC_PER_SEC, 100 * NSEC_PER_SEC };
	u8 how = next_byte();
	u64 now = time_mono_ns() + steps[how % 8];

	(void)member_round(now, how & 8 ? now - MIN(now, 3 * NSEC_PER_SEC) : now);
}

/* Knocks, and answers to ours. */
static void somebody_knocks(void)
{
	unsigned node = any_node();
	u8 how = next_byte();
	struct fit_hello h = knock_of(how & 1 ? node : SELF), was = h;

	spoil(&h, sizeof(h), how >> 6);
	if (how & 2)
		shim_fail_alloc(1);
	if (knocked(how & 4 ? node : 40, how & 8 ? NULL : &h, how & 16 ? sizeof(h) - 1 : 216) == KNOCK_REFUSED)
		BUG_ON(memcmp(&h, &was, sizeof(h)) != 0);
	shim_fail_alloc(0);
	if (fit_nodes[node].knock != NULL && !fit_nodes[node].knock_over) {
		knocks.arg = &fit_nodes[node];
		knock_answer(how & 32 ? CM_REJECTED : CM_UNREACHABLE, how % 5);
	}
}

static void something_breaks(void)
{
	struct fit_conn *c = fit_nodes[any_node()].conn;
	u8 how = next_byte();

	if (how & 1)
		no_memory = how & 2;
	if (how & 4)
		answered = how & 8;
	if ((how & 9) == 8)
		cm_fails = how & 2;
	if ((how & 240) == 240)
		leaving = true;
	if ((how & 240) == 128)
		somebody_knocks();
	if (c != NULL && (how & 16))
		conn_break(c, "broke");
	if (c != NULL && (how & 224) == 64)
		conn_fail(c, "failed");
}

/* What others ask, at any moment. */
static void asked_by_others(void)
{
	unsigned node = any_node();
	struct fit_conn *c = fit_node_conn(node);

	if (c != NULL)
		conn_put(c);
	BUG_ON((c != NULL) != fit_node_up(node));
	(void)fit_node_left(node);
	(void)fit_node_role(node);
	(void)fit_node_ip(node);
	(void)fit_node_name(node);
	(void)fit_missing();
	(void)fit_probe(node);
	(void)fit_op(next_byte());
	(void)fit_self();
	port_event(next_byte() & 1 ? ROCE_PORT_ERR : ROCE_PORT_ACTIVE, NULL);
	if (!fit_node_up(node))
		BUG_ON(fit_wait_down(node, 1) < 0);
	if (fit_missing() == 0)
		BUG_ON(fit_wait_all(1) < 0);
	if (fit_node_up(node)) {
		BUG_ON(fit_wait_role(fit_node_role(node), 1) < 0);
		fit_took(FIT_OP_NULL, 1000);
	}
}

static void changed(unsigned node, enum node_role role, bool up) { BUG_ON(up != fit_node_up(node)); }
static void seen(const char *op, u64 count, u64 median_ns, u64 p99_ns) { BUG_ON(count == 0); }

/* The node's own parameters: what is no list of peers is refused. */
static void configured(const char *text)
{
	void *state = NULL;

	(void)parse_peers(text);
	setup(&state);
}

static void start_once(void)
{
	static const struct rpc_op ops[] = { { 7, 8, 8, RPC_WORKER, "seven", NULL } };
	static bool once;

	if (once)
		return;
	once = true;
	param_init("fit.ip=10.77.0.2/24 fit.node=2 fit.key=secret fit.peers=1:10.77.0.1,3:10.77.0.3");
	BUG_ON(fit_init(ROLE_MEMORY, ops, ARRAY_SIZE(ops)) < 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	void *state = NULL;

	start_once();
	nr_ids = 0;
	answered = false;
	setup(&state);
	fit_on_change(changed);
	if (size > 0 && data[0] == 255) {
		char text[100] = "";

		memcpy(text, data + 1, MIN(size - 1, sizeof(text) - 1));
		configured(text);
		return 0;
	}
	provoke_ns = NSEC_PER_MSEC;
	in = data;
	in_left = size;
	while (in_left > 0 && nr_ids < ARRAY_SIZE(ids) - 2 * FIT_MAX_NODES) {
		said_clear();
		switch (next_byte() % 8) {
		case 0: case 1:
			ask_to_join();
			break;
		case 2: case 3: case 4:
			something_comes();
			break;
		case 5:
			time_passes();
			break;
		case 6:
			something_breaks();
			break;
		case 7:
			asked_by_others();
			break;
		}
	}
	handle_notes();
	teardown(&state);
	fit_latency_for_each(seen);
	return 0;
}
