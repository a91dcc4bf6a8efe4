/* SPDX-License-Identifier: MIT */
/*
 * Runs in the Linux VM, over rdma_rxe: what no well-known program does, against net/service/probe.c on a node of ours.
 * probe ADDRESS TEST; says what is wrong and ends with 1, or ends with 0.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PORT 7480
#define NOBODY 7499		/* no service of a node listens there */
#define CHECK(x) do { if (!(x)) { printf("line %d: %s\n", __LINE__, #x); exit(1); } } while (0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { REGION = 1, SEND, WRITE, DEAF, LAST, SEEN, DONE };
enum { NODE_REM_ACCESS_ERR = 8, NODE_RNR_RETRY_EXC_ERR = 11, NODE_WITH_IMM = 1, NODE_WITH_INV = 8 };	/* verbs.h of net/roce */
struct msg { uint32_t op, len, imm, rkey, status, flags; uint64_t va; } __attribute__((packed));

#define RECVS 16
#define RECV_LEN 8192
struct conn {
	struct rdma_event_channel *events;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	uint8_t recv[RECVS][RECV_LEN];
	uint8_t data[1 << 17];			/* what is sent, and what the node writes to */
	struct msg out;
};

static const char *address;

static struct rdma_cm_event *next_event(struct conn *c)
{
	struct rdma_cm_event *ev;

	CHECK(rdma_get_cm_event(c->events, &ev) == 0);
	return ev;
}

static void expect_event(struct conn *c, enum rdma_cm_event_type type)
{
	struct rdma_cm_event *ev = next_event(c);

	if (ev->event != type) {
		printf("%s, not %s\n", rdma_event_str(ev->event), rdma_event_str(type));
		exit(1);
	}
	rdma_ack_cm_event(ev);
}

static void post_recv(struct conn *c, unsigned i)
{
	struct ibv_sge sge = { (uintptr_t)c->recv[i], RECV_LEN, c->mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = i, .sg_list = &sge, .num_sge = 1 }, *bad;

	CHECK(ibv_post_recv(c->id->qp, &wr, &bad) == 0);
}

/* Everything up to the REQ. */
static struct conn *prepare(unsigned port, unsigned nr_recv)
{
	struct conn *c = aligned_alloc(4096, (sizeof(*c) + 4095) / 4096 * 4096);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct ibv_qp_init_attr qp = {
		.qp_type = IBV_QPT_RC, .sq_sig_all = 1,
		.cap = { .max_send_wr = 32, .max_recv_wr = 32, .max_send_sge = 1, .max_recv_sge = 1 },
	};

	CHECK(c != NULL);
	memset(c, 0, sizeof(*c));
	CHECK(inet_pton(AF_INET, address, &sin.sin_addr) == 1);
	c->events = rdma_create_event_channel();
	CHECK(c->events != NULL && rdma_create_id(c->events, &c->id, c, RDMA_PS_TCP) == 0);
	CHECK(rdma_resolve_addr(c->id, NULL, (struct sockaddr *)&sin, 5000) == 0);
	expect_event(c, RDMA_CM_EVENT_ADDR_RESOLVED);
	CHECK(rdma_resolve_route(c->id, 5000) == 0);
	expect_event(c, RDMA_CM_EVENT_ROUTE_RESOLVED);
	c->pd = ibv_alloc_pd(c->id->verbs);
	c->cq = ibv_create_cq(c->id->verbs, 128, NULL, NULL, 0);
	CHECK(c->pd != NULL && c->cq != NULL);
	c->mr = ibv_reg_mr(c->pd, c, sizeof(*c), IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
			   IBV_ACCESS_MW_BIND);
	CHECK(c->mr != NULL);
	qp.send_cq = qp.recv_cq = c->cq;
	CHECK(rdma_create_qp(c->id, c->pd, &qp) == 0);
	for (unsigned i = 0; i < nr_recv; i++)
		post_recv(c, i);
	return c;
}

static struct conn *connect_with(unsigned nr_recv, unsigned rnr_retry)
{
	struct conn *c = prepare(PORT, nr_recv);
	struct rdma_conn_param p = { .responder_resources = 4, .initiator_depth = 4, .retry_count = 7, .rnr_retry_count = rnr_retry };

	CHECK(rdma_connect(c->id, &p) == 0);
	expect_event(c, RDMA_CM_EVENT_ESTABLISHED);
	return c;
}

static struct conn *connect_node(void) { return connect_with(RECVS, 7); }

static void part(struct conn *c)
{
	rdma_disconnect(c->id);
	rdma_destroy_qp(c->id);
	ibv_dereg_mr(c->mr);
	ibv_destroy_cq(c->cq);
	ibv_dealloc_pd(c->pd);
	rdma_destroy_id(c->id);
	rdma_destroy_event_channel(c->events);
	free(c);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static struct ibv_wc next_wc(struct conn *c)
{
	double end = now() + 20;
	struct ibv_wc wc;
	int n;

	do {
		n = ibv_poll_cq(c->cq, 1, &wc);
		CHECK(n >= 0);
		if (now() > end) {
			printf("no completion\n");
			exit(1);
		}
	} while (n == 0);
	return wc;
}

static void post(struct conn *c, enum ibv_wr_opcode op, void *p, uint32_t len, uint64_t va, uint32_t rkey, uint32_t imm)
{
	struct ibv_sge sge = { (uintptr_t)p, len, c->mr->lkey };
	struct ibv_send_wr wr = { .opcode = op, .sg_list = &sge, .num_sge = 1 }, *bad;

	wr.imm_data = htonl(imm);
	if (op == IBV_WR_SEND_WITH_INV)
		wr.invalidate_rkey = imm;
	wr.wr.rdma.remote_addr = va;
	wr.wr.rdma.rkey = rkey;
	CHECK(ibv_post_send(c->id->qp, &wr, &bad) == 0);
}

/* The next completion of a request of ours must have this status; messages that come before it are an error. */
static void sent(struct conn *c, enum ibv_wc_status status)
{
	struct ibv_wc wc = next_wc(c);

	if (wc.status != status)
		printf("status %s\n", ibv_wc_status_str(wc.status));
	CHECK(wc.status == status);
}

/* The next message; completions of requests of ours that went well are passed over. It must come with these flags. */
static struct ibv_wc received(struct conn *c, enum ibv_wc_opcode op)
{
	struct ibv_wc wc;

	do {
		wc = next_wc(c);
		if (wc.status != IBV_WC_SUCCESS)
			printf("status %s\n", ibv_wc_status_str(wc.status));
		CHECK(wc.status == IBV_WC_SUCCESS);
	} while (!(wc.opcode & IBV_WC_RECV));
	CHECK(wc.opcode == op);
	return wc;
}

static void command(struct conn *c, struct msg m)
{
	c->out = (struct msg){ htonl(m.op), htonl(m.len), htonl(m.imm), htonl(m.rkey), 0, 0, htobe64(m.va) };
	post(c, IBV_WR_SEND, &c->out, sizeof(c->out), 0, 0, 0);
}

static struct msg answer(struct conn *c, uint32_t op)
{
	struct ibv_wc wc = received(c, IBV_WC_RECV);
	struct msg m;

	CHECK(wc.byte_len == sizeof(m));
	memcpy(&m, c->recv[wc.wr_id], sizeof(m));
	m = (struct msg){ ntohl(m.op), ntohl(m.len), ntohl(m.imm), ntohl(m.rkey), ntohl(m.status), ntohl(m.flags), be64toh(m.va) };
	CHECK(m.op == op);
	post_recv(c, wc.wr_id);
	return m;
}

static struct msg region(struct conn *c)
{
	command(c, (struct msg){ .op = REGION });
	return answer(c, DONE);
}

static void check_pattern(const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		CHECK(p[i] == (uint8_t)i);
}

/* How our connection before this one ended, at the node. */
static uint32_t last_status(void)
{
	struct conn *c = connect_node();
	struct msg m;

	command(c, (struct msg){ .op = LAST });
	m = answer(c, DONE);
	part(c);
	return m.status;
}

/* --- tests -------------------------------------------------------------------------------------------------- */

static void immediates(void)
{
	static const uint32_t len[] = { 0, 1, 4, 1023, 1024, 1025, 4000 };
	struct conn *c = connect_node();
	struct msg r = region(c), m;
	struct ibv_wc wc;

	for (unsigned i = 0; i < ARRAY_SIZE(len); i++) {
		post(c, IBV_WR_SEND_WITH_IMM, c->data, len[i], 0, 0, 0xdead0000 + i);
		m = answer(c, SEEN);
		CHECK(m.len == len[i] && m.imm == 0xdead0000 + i && (m.flags & NODE_WITH_IMM));
		post(c, IBV_WR_RDMA_WRITE_WITH_IMM, c->data, 8 * len[i], r.va, r.rkey, 0xbeef0000 + i);
		m = answer(c, SEEN);
		CHECK(m.len == 8 * len[i] && m.imm == 0xbeef0000 + i);
		command(c, (struct msg){ .op = SEND, .len = len[i], .imm = 0x12340001 + i });
		wc = received(c, IBV_WC_RECV);
		CHECK((wc.wc_flags & IBV_WC_WITH_IMM) && ntohl(wc.imm_data) == 0x12340001 + i && wc.byte_len == len[i]);
		check_pattern(c->recv[wc.wr_id], len[i]);
		post_recv(c, wc.wr_id);
		memset(c->data, 0xff, sizeof(c->data));
		command(c, (struct msg){ .op = WRITE, .len = 8 * len[i], .imm = 0x56780001 + i, .va = (uintptr_t)c->data, .rkey = c->mr->rkey });
		wc = received(c, IBV_WC_RECV_RDMA_WITH_IMM);
		CHECK((wc.wc_flags & IBV_WC_WITH_IMM) && ntohl(wc.imm_data) == 0x56780001 + i && wc.byte_len == 8 * len[i]);
		check_pattern(c->data, 8 * len[i]);
		CHECK(c->data[8 * len[i]] == 0xff);
		post_recv(c, wc.wr_id);
	}
	part(c);
}

/* The node's key is void after our SEND with invalidate. */
static void invalidate_node(void)
{
	struct conn *c = connect_node();
	struct msg r = region(c), m;

	post(c, IBV_WR_RDMA_WRITE, c->data, 100, r.va, r.rkey, 0);
	sent(c, IBV_WC_SUCCESS);
	post(c, IBV_WR_SEND_WITH_INV, c->data, 100, 0, 0, r.rkey);
	m = answer(c, SEEN);
	CHECK(m.rkey == r.rkey && m.len == 100 && (m.flags & NODE_WITH_INV));
	post(c, IBV_WR_RDMA_WRITE, c->data, 100, r.va, r.rkey, 0);
	sent(c, IBV_WC_REM_ACCESS_ERR);
	part(c);
}

/* Our memory window's key is void after the node's. */
static void invalidate_linux(void)
{
	struct conn *c = connect_node();
	struct ibv_mw *mw = ibv_alloc_mw(c->pd, IBV_MW_TYPE_2);
	struct ibv_send_wr wr = { .opcode = IBV_WR_BIND_MW }, *bad;
	uint32_t rkey;
	struct ibv_wc wc;

	CHECK(mw != NULL);
	rkey = ibv_inc_rkey(mw->rkey);
	wr.bind_mw.mw = mw;
	wr.bind_mw.rkey = rkey;
	wr.bind_mw.bind_info = (struct ibv_mw_bind_info){ c->mr, (uintptr_t)c->data, 4096, IBV_ACCESS_REMOTE_WRITE };
	CHECK(ibv_post_send(c->id->qp, &wr, &bad) == 0);
	sent(c, IBV_WC_SUCCESS);
	command(c, (struct msg){ .op = WRITE, .len = 4096, .va = (uintptr_t)c->data, .rkey = rkey });
	answer(c, DONE);
	check_pattern(c->data, 4096);
	command(c, (struct msg){ .op = SEND, .len = 50, .rkey = rkey });
	wc = received(c, IBV_WC_RECV);
	CHECK(wc.invalidated_rkey == rkey && wc.byte_len == 50);	/* rxe 6.1 gives the flag the kernel's value, not IBV_WC_WITH_INV */
	command(c, (struct msg){ .op = WRITE, .len = 100, .va = (uintptr_t)c->data, .rkey = rkey });
	expect_event(c, RDMA_CM_EVENT_DISCONNECTED);
	ibv_dealloc_mw(mw);
	part(c);
	CHECK(last_status() == NODE_REM_ACCESS_ERR);
}

static void rights(void)
{
	const struct { enum ibv_wr_opcode op; int32_t off; uint32_t len, key; enum ibv_wc_status status; } t[] = {
		{ IBV_WR_RDMA_WRITE, 0, 65536, 0, IBV_WC_SUCCESS },
		{ IBV_WR_RDMA_WRITE, 0, 64, 1, IBV_WC_REM_ACCESS_ERR },		/* another key */
		{ IBV_WR_RDMA_WRITE, 65536 - 63, 64, 0, IBV_WC_REM_ACCESS_ERR },	/* beyond the end */
		{ IBV_WR_RDMA_WRITE, -1, 64, 0, IBV_WC_REM_ACCESS_ERR },
		{ IBV_WR_RDMA_WRITE, 0, 65537, 0, IBV_WC_REM_ACCESS_ERR },
		{ IBV_WR_RDMA_READ, 0, 65536, 0, IBV_WC_SUCCESS },
		{ IBV_WR_RDMA_READ, 0, 64, 0x40000, IBV_WC_REM_ACCESS_ERR },
		{ IBV_WR_RDMA_READ, 65536, 1, 0, IBV_WC_REM_ACCESS_ERR },
		{ IBV_WR_SEND, 0, 4097, 0, IBV_WC_REM_INV_REQ_ERR },		/* longer than the node's receive */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct conn *c = connect_node();
		struct msg r = region(c);

		post(c, t[i].op, c->data, t[i].len, r.va + t[i].off, r.rkey ^ t[i].key, 0);
		sent(c, t[i].status);
		part(c);
	}
}

/* Behind READs of more packets than the node can have on the wire at once: they are answered, then what cannot be is refused. */
static void rights_behind(void)
{
	struct conn *c = connect_node();
	struct msg r = region(c);

	for (unsigned i = 0; i < 2; i++)
		post(c, IBV_WR_RDMA_READ, c->data + i * 65536, 65536, r.va, r.rkey, 0);
	post(c, IBV_WR_RDMA_WRITE, c->data, 64, r.va, r.rkey ^ 1, 0);
	sent(c, IBV_WC_SUCCESS);
	sent(c, IBV_WC_SUCCESS);
	sent(c, IBV_WC_REM_ACCESS_ERR);
	part(c);
}

/* An atomic tells what was there, and changes it as it says. */
static uint64_t atomic(struct conn *c, enum ibv_wr_opcode op, struct msg r, uint64_t compare_add, uint64_t swap)
{
	struct ibv_sge sge = { (uintptr_t)c->data, 8, c->mr->lkey };
	struct ibv_send_wr wr = { .opcode = op, .sg_list = &sge, .num_sge = 1 }, *bad;
	uint64_t was;

	wr.wr.atomic.remote_addr = r.va;
	wr.wr.atomic.rkey = r.rkey;
	wr.wr.atomic.compare_add = compare_add;
	wr.wr.atomic.swap = swap;
	CHECK(ibv_post_send(c->id->qp, &wr, &bad) == 0);
	sent(c, IBV_WC_SUCCESS);
	memcpy(&was, c->data, 8);
	return was;
}

static void atomics(void)
{
	struct conn *c = connect_node();
	struct msg r = region(c);
	uint64_t there = 0x1122334455667788;

	memcpy(c->data, &there, 8);
	post(c, IBV_WR_RDMA_WRITE, c->data, 8, r.va, r.rkey, 0);
	sent(c, IBV_WC_SUCCESS);
	CHECK(atomic(c, IBV_WR_ATOMIC_CMP_AND_SWP, r, there + 1, 5) == there);		/* not what is there: nothing */
	CHECK(atomic(c, IBV_WR_ATOMIC_CMP_AND_SWP, r, there, UINT64_MAX) == there);
	CHECK(atomic(c, IBV_WR_ATOMIC_FETCH_AND_ADD, r, 8, 0) == UINT64_MAX);		/* goes round */
	CHECK(atomic(c, IBV_WR_ATOMIC_FETCH_AND_ADD, r, 0, 0) == 7);
	part(c);
}

/* And the node's requests, where we allow nothing. */
static void rights_linux(void)
{
	struct conn *c = connect_node();

	command(c, (struct msg){ .op = WRITE, .len = 100, .va = (uintptr_t)c->data, .rkey = c->mr->rkey + 0x100 });
	expect_event(c, RDMA_CM_EVENT_DISCONNECTED);
	part(c);
	CHECK(last_status() == NODE_REM_ACCESS_ERR);
}

/* The node posts no receives for a while: what we send waits, and all of it arrives, in order. */
static void rnr(void)
{
	struct conn *c = connect_node();
	double start;

	command(c, (struct msg){ .op = DEAF, .len = 600 });
	answer(c, DONE);
	start = now();
	for (unsigned i = 0; i < 8; i++)
		post(c, IBV_WR_SEND_WITH_IMM, c->data, 2000, 0, 0, 100 + i);
	for (unsigned i = 0; i < 8; i++)
		CHECK(answer(c, SEEN).imm == 100 + i);
	CHECK(now() - start > 0.4);
	part(c);
}

/* We post no receive: the node tries as often as our REQ says, and no more. */
static void rnr_limit(void)
{
	struct conn *c = connect_with(0, 2);

	command(c, (struct msg){ .op = SEND, .len = 100 });
	expect_event(c, RDMA_CM_EVENT_DISCONNECTED);
	part(c);
	CHECK(last_status() == NODE_RNR_RETRY_EXC_ERR);
}

/* We post one late: it arrives. */
static void rnr_linux(void)
{
	struct conn *c = connect_with(0, 7);
	struct timespec t = { 0, 300000000 };
	struct ibv_wc wc;

	command(c, (struct msg){ .op = SEND, .len = 3000 });
	nanosleep(&t, NULL);
	post_recv(c, 0);
	wc = received(c, IBV_WC_RECV);
	CHECK(wc.byte_len == 3000);
	check_pattern(c->recv[0], 3000);
	part(c);
}

static void reject(void)
{
	struct rdma_conn_param p = { .retry_count = 7, .rnr_retry_count = 7, .private_data = "no", .private_data_len = 2 };
	static const struct { unsigned port; int reason; const char *text; } t[] = { { PORT, 28, "probe: no" }, { NOBODY, 8, "" } };

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct conn *c = prepare(t[i].port, 0);
		struct rdma_cm_event *ev;

		CHECK(rdma_connect(c->id, &p) == 0);
		ev = next_event(c);
		CHECK(ev->event == RDMA_CM_EVENT_REJECTED && ev->status == t[i].reason);
		if (t[i].text[0] != '\0')
			CHECK(ev->param.conn.private_data_len >= 9 && memcmp(ev->param.conn.private_data, t[i].text, 9) == 0);
		rdma_ack_cm_event(ev);
		part(c);
	}
}

/* Several connections, whose messages share the node's four receives. */
static void shared(void)
{
	struct conn *c[4];

	for (unsigned i = 0; i < 4; i++)
		c[i] = connect_node();
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned k = 0; k < 8; k++)
			post(c[k % 4], IBV_WR_SEND_WITH_IMM, c[k % 4]->data, 3000 + k, 0, 0, round << 8 | k);
		for (unsigned k = 0; k < 8; k++) {
			struct msg m = answer(c[k % 4], SEEN);

			CHECK(m.imm == (round << 8 | k) && m.len == 3000 + k);
		}
	}
	for (unsigned i = 0; i < 4; i++)
		part(c[i]);
}

/* A message that is too long ends its connection, and one connection more than the node has receives may end so: none is lost. */
static void given_back(void)
{
	struct conn *c;

	for (unsigned i = 0; i < 5; i++) {
		c = connect_node();
		post(c, IBV_WR_SEND, c->data, 4097, 0, 0, 0);
		sent(c, IBV_WC_REM_INV_REQ_ERR);
		part(c);
	}
	c = connect_node();
	for (unsigned i = 0; i < 8; i++) {
		post(c, IBV_WR_SEND_WITH_IMM, c->data, 100, 0, 0, i);
		CHECK(answer(c, SEEN).imm == i);
	}
	part(c);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*fn)(void); } tests[] = {
		{ "immediates", immediates }, { "invalidate-node", invalidate_node }, { "invalidate-linux", invalidate_linux },
		{ "rights", rights }, { "rights-linux", rights_linux }, { "rnr", rnr }, { "rnr-limit", rnr_limit },
		{ "rnr-linux", rnr_linux }, { "rights-behind", rights_behind }, { "atomics", atomics }, { "reject", reject }, { "shared", shared },
		{ "given-back", given_back },
	};

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
			puts(tests[i].name);
		return 0;
	}
	address = argv[1];
	for (unsigned i = 0; argc == 3 && i < ARRAY_SIZE(tests); i++) {
		if (strcmp(tests[i].name, argv[2]) == 0) {
			tests[i].fn();
			return 0;
		}
	}
	printf("usage: probe ADDRESS TEST\n");
	return 2;
}
