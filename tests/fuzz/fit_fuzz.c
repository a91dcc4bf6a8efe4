/* SPDX-License-Identifier: MIT */
/* SOURCES: */
/* PARSERS: net/fit/serve.c net/fit/call.c */
/*
 * FIT: requests and replies of any bytes, in any order, at a connected node that has calls of its own under way and whose queue pair
 * breaks now and then. The unit test's fake verbs carry them. A call of ours ends exactly once. lesson: L43
 */
#define thread_spawn fuzz_spawn		/* the workers are this loop */
#define DEADLINE_NS 1			/* nobody answers while one waits */
#define main fit_test_main
#include "net/fit/fit_test.c"
#undef main

#define NR_CALLS 80			/* more than there are slots for */

static struct { struct rpc rpc; bool out; u8 rep[RPC_MAX_REP]; } calls[NR_CALLS];

static void call_over(struct rpc *c)
{
	BUG_ON(!calls[(uintptr_t)c->arg].out || c->status < -ERRNO_LAST);
	calls[(uintptr_t)c->arg].out = false;
}

static void *const pages[RPC_MAX_PAGES + 1] = { page, page, page, page, page, page, page, page, page };

static void start_call(u8 how)
{
	static const struct add_req req = { 1, 2 };
	static const unsigned op[] = { OP_ADD, OP_KEEP, OP_PAGE, OP_ADD, 77, OP_KEEP };

	for (unsigned i = 0; i < NR_CALLS; i++) {
		struct rpc *c = &calls[i].rpc;

		if (calls[i].out)
			continue;
		*c = (struct rpc){ .node = 2, .op = op[how % 6], .req = &req, .rep = calls[i].rep, .rep_size = how & 64 ? sizeof(calls[i].rep) : 4,
				   .lane = how & 32 ? RPC_LANE_CHANGE : 0, .done = call_over, .arg = (void *)(uintptr_t)i };
		if (how & 16) {
			c->nr_segs = how & 8 ? RPC_MAX_SEGS + 1 : 1;
			c->seg[0] = (struct rpc_seg){ page, how & 128 ? RPC_MAX_BULK_OUT + 1 : PAGE_SIZE };
		}
		if (how % 6 == 5 && how & 64) {		/* into pages */
			c->page = pages;
			c->nr_pages = 1 + how / 6 % (RPC_MAX_PAGES + 1);
			c->rep_size = c->nr_pages * PAGE_SIZE - (how == 0xff);
		}
		calls[i].out = true;
		if (rpc_try_start(c) < 0)
			calls[i].out = false;
		return;
	}
}

/* What the transport has to say of what went out. */
static void acknowledge(bool failed)
{
	static const u8 error[] = { WC_RETRY_EXC_ERR, WC_REM_ACCESS_ERR };

	for (unsigned i = 0; i < nr_sent; i++) {
		struct roce_wc wc = { .wr_id = sent[i].wr.wr_id, .opcode = sent[i].wr.opcode == WR_SEND ? WC_SEND : WC_RDMA_WRITE };

		wc.status = failed ? error[i % 2] : WC_SUCCESS;
		completion(up, &wc);
	}
	nr_sent = 0;
}

static void reply_kept(void)
{
	while (nr_kept != 0) {
		struct rpc_call *c = kept[--nr_kept];

		BUG_ON(!rpc_wanted(c));
		if (c->rep_room >= PAGE_SIZE)
			rpc_reply_pages_ref(c, (const void *const *)pages, MIN(c->rep_room / PAGE_SIZE, RPC_MAX_PAGES), released, NULL);
		rpc_reply(c, 0);
	}
}

static void break_queue_pair(bool leave_replies)
{
	conn_qp_end(up);
	nr_sent = 0;
	if (leave_replies)
		reply_kept();
	assert_int_equal(conn_qp_begin(up), 0);
	conn_go(up);
}

static bool spawn_fails;
int fuzz_spawn(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, ...) { return spawn_fails ? -ENOMEM : 0; }

/* A receive that is posted; NULL: all have requests in them. */
static struct recv_buf *posted_receive(void)
{
	for (unsigned i = 0; i < FIT_RECVS; i++)
		if (!up->recv[i].held)
			return &up->recv[i];
	return NULL;
}

/* A nearly sound header: a slot, and the id that it had last or the next; then the bytes as body and bulk. */
static u32 make_request(u8 *to, u8 kind, u8 how, const u8 *data, u32 len)
{
	unsigned slot = how % 8 == 7 ? (kind >> 4) * 8 : how % 8, nr = (kind ^ kind >> 4) % (NR_OPS + 1);
	const struct rpc_op *op = fit_op(nr);
	u32 body = op == NULL || (how & 16) ? 0 : op->req_size;
	struct fit_request h = {
		le16_of(nr), le16_of(slot), le16_of(body), le16_of(slot >= FIT_SLOTS ? 1 : up->last_id[slot] + (how & 8 ? 0 : 1)),
		le32_of(len), le32_of(how & 32 ? 1 : how & 64 ? 1U << 31 : PAGE_SIZE), le64_of(0x1000), le32_of(77), le32_of(0),
	};

	memcpy(to, &h, sizeof(h));
	memset(to + sizeof(h), kind, body);
	memcpy(to + sizeof(h) + body, data, len);
	return sizeof(h) + body + len;
}

static void receive(u8 kind, u8 how, const u8 *data, u32 len)
{
	struct recv_buf *r = posted_receive();
	struct fit_request *h;
	u32 all = len;

	if (r == NULL)
		return;
	h = (struct fit_request *)r->data;
	if (how & 128)
		memcpy(r->data, data, len);
	else
		all = make_request(r->data, kind, how, data, len);
	if (le16_get(h->op) == OP_PAGE)		/* a handler looks whether there is room */
		h->rep_room = le32_of(PAGE_SIZE);
	completion(up, &(struct roce_wc){ .wr_id = r - up->recv, .opcode = WC_RECV, .byte_len = all });
}

/* A call of a thread that waits for it, answered at once. */
static void call_and_wait(u8 how)
{
	struct add_req req = { 1, 2 };
	struct add_rep rep;
	struct rpc c = { .node = 2, .op = OP_ADD, .req = &req, .rep = &rep, .rep_size = sizeof(rep) };
	unsigned slot;

	if (rpc_try_start(&c) < 0)
		return;
	slot = c.slot->index;
	call_reply_arrived(up, fit_imm(slot, how & 1 ? how : -how), how & 2 ? sizeof(rep) : how);
	call_send_done(up, slot);
	BUG_ON(rpc_wait(&c) < -ERRNO_LAST);
	BUG_ON((how & 3) == 1 && how < sizeof(rep) && c.status >= 0);	/* too short to be believed */
}

/* With nobody there. */
static void calls_to_nobody(void)
{
	struct rpc c = { .node = 2, .op = OP_KEEP };

	BUG_ON(rpc_try_start(&c) != -EHOSTDOWN || rpc_start(&c) != -EHOSTDOWN);
	BUG_ON(rpc_call_bulk(2, OP_KEEP, NULL, page, 10, NULL, 0, NULL) != -EHOSTDOWN);
	BUG_ON(rpc_call_sure(2, 99, NULL, NULL, 0) != -EINVAL);
	spawn_fails = !spawn_fails;
	BUG_ON((serve_init() < 0) != spawn_fails);
}

/* Until no handler keeps a call: what is acknowledged lets in what had no place yet. */
static void settle(void)
{
	do {
		work_off();
		reply_kept();
		acknowledge(false);
	} while (nr_kept != 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	unsigned waited = 0;
	void *state = NULL;

	setup(&state);
	while (size >= 4) {
		u32 len = data[1] | (data[2] & 3) << 8;
		u8 kind = data[0], how = data[3];
		u32 imm = (u32)data[3] << 24 | data[2] << 16 | data[1];

		data += 4;
		size -= 4;
		switch (kind % 16) {
		default:
			len = MIN(len, size);
			receive(kind, how, data, len);
			data += len;
			size -= len;
			break;
		case 3: case 7:
			call_reply_arrived(up, kind & 64 ? imm : fit_imm(imm % FIT_SLOTS, (s16)(imm >> 16)), kind & 128 ? len : 4);
			break;
		case 11:
			start_call(how);
			break;
		case 15:
			if (kind & 64)
				call_and_wait(how);
			for (unsigned i = 0; i < len % 128; i++)
				start_call(how);
			break;
		case 13:
			acknowledge(how >= 128);
			break;
		case 14:
			if (how < 64)
				break_queue_pair(how & 1);
			else if (how < 128)
				serve_repeated(up);
			else if (how < 160)
				post_fails = how & 1;
			else if (how < 192)
				work_off();
			else if (how == 254)
				call_send_done(up, len % FIT_SLOTS);
			else if (how == 255 && waited++ < 3)
				(void)rpc_call(2, OP_KEEP, NULL, NULL, 0);	/* nobody answers: given up at its deadline */
			break;
		}
		if (nr_kept == ARRAY_SIZE(kept) || kind & 32)
			reply_kept();
		if (nr_sent > ARRAY_SIZE(sent) / 2 || (kind & 16))
			acknowledge(false);
	}
	settle();
	conn_close(up);
	work_off();
	start_call(3);
	conn_bury(up);
	up = NULL;
	calls_to_nobody();
	for (unsigned i = 0; i < NR_CALLS; i++)
		BUG_ON(calls[i].out);
	return 0;
}
