/* SPDX-License-Identifier: MIT */
/* SOURCES: */
/*
 * FIT: requests and replies of any bytes, in any order, at a connected node that has calls of its own under way and whose queue pair
 * breaks now and then. The unit test's fake verbs carry them. A call of ours ends exactly once. lesson: L43
 */
#define main fit_test_main
#include "net/fit/fit_test.c"
#undef main

#define NR_CALLS 80			/* more than there are slots for */

static struct { struct rpc rpc; bool out; u8 rep[RPC_MAX_REP]; } calls[NR_CALLS];

static void call_over(struct rpc *c)
{
	BUG_ON(!calls[(uintptr_t)c->arg].out || c->status < -4095);
	calls[(uintptr_t)c->arg].out = false;
}

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

static void break_queue_pair(bool leave_replies)
{
	conn_qp_end(up);
	nr_sent = 0;
	if (leave_replies)
		while (nr_kept != 0)
			rpc_reply(kept[--nr_kept], 0);
	assert_int_equal(conn_qp_begin(up), 0);
	conn_go(up);
}

static void receive(u8 kind, const u8 *data, u32 len)
{
	struct recv_buf *r = request(0, kind % 4 + 1, NULL, 0, 0, 64);

	if (kind & 64) {	/* any bytes; else a sound header and any body */
		memcpy(r->data, data, len);
		r->len = len;
	} else {
		memcpy(r->data + sizeof(struct fit_request), data, len);
		r->len += len;
	}
	r->gen = up->gen;
	if (le16_get(((struct fit_request *)r->data)->op) == OP_PAGE)	/* a handler looks whether there is room */
		((struct fit_request *)r->data)->rep_room = le32_of(PAGE_SIZE);
	serve_request_arrived(up, r);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
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
			receive(kind, data, len);
			data += len;
			size -= len;
			break;
		case 3: case 7:
			call_reply_arrived(up, kind & 64 ? imm : fit_imm(imm % FIT_SLOTS, (s16)(imm >> 16)), kind & 128 ? len : 4);
			break;
		case 11: case 15:
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
			else if (how == 255)
				(void)rpc_call(2, OP_KEEP, NULL, NULL, 0);	/* nobody answers: given up at its deadline */
			break;
		}
		if (nr_kept == ARRAY_SIZE(kept) || kind & 32)
			while (nr_kept != 0)
				rpc_reply(kept[--nr_kept], 0);
		if (nr_sent > ARRAY_SIZE(sent) / 2 || (kind & 16))
			acknowledge(false);
	}
	while (nr_kept != 0)
		rpc_reply(kept[--nr_kept], 0);
	acknowledge(false);
	conn_bury(up);
	up = NULL;
	for (unsigned i = 0; i < NR_CALLS; i++)
		BUG_ON(calls[i].out);
	return 0;
}
