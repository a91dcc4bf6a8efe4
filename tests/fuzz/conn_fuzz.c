/* SPDX-License-Identifier: MIT */
/* SOURCES: */
/* PARSERS: net/fit/conn.c */
/*
 * A connection of FIT from below: what its queue pair completes, with whatever immediate, length and header the peer chose, sound or as an
 * error, while it is pinged, provoked and replaced, and there is no memory for another. Calls and verbs are fit_fuzz.c's. Each call ends
 * exactly once. A peer is the reason of no other failure than that of its connection.
 */
#define LLVMFuzzerTestOneInput fit_fuzz_input
#include "tests/fuzz/fit_fuzz.c"
#undef LLVMFuzzerTestOneInput
#include "shim.h"

/* A WRITE with immediate takes a receive, as a SEND does. */
static void immediate(u8 kind, u32 imm, u32 len)
{
	static const u32 own[] = { FIT_PING_IMM, FIT_REPEATED_IMM };
	struct recv_buf *r = posted_receive();

	if (r == NULL || up->qp == NULL)
		return;
	if (kind < 64)
		imm = own[kind % 2];
	else if (kind < 192)
		imm = fit_imm(imm % FIT_SLOTS, (s16)(imm >> 16));
	completion(up, &(struct roce_wc){ .wr_id = r - up->recv, .opcode = WC_RECV_RDMA_WITH_IMM, .imm = imm, .byte_len = len });
}

/* Of a receive, or of the last request that went out. */
static void failure(u8 status, bool received)
{
	struct recv_buf *r = posted_receive();
	struct roce_wc wc = { .opcode = WC_RECV, .status = 1 + status % WC_RNR_RETRY_EXC_ERR };

	if (received ? r == NULL : nr_sent == 0)
		return;
	wc.wr_id = received ? (u64)(r - up->recv) : sent[--nr_sent].wr.wr_id;
	if (!received)
		wc.opcode = WC_SEND;
	completion(up, &wc);
	BUG_ON(wc.status != WC_WR_FLUSH_ERR && !up->broken);
}

/* A connection for which there is, or is not, memory. */
static void another(u8 when)
{
	struct fit_conn *c;

	shim_fail_alloc(1 + when);
	c = conn_create(&fit_nodes[2]);
	shim_fail_alloc(0);
	if (c != NULL)
		conn_bury(c);
}

static void replace(bool wait)
{
	conn_qp_end(up);
	nr_sent = 0;
	BUG_ON(up->broken || up->qp != NULL);
	if (wait) {			/* the next one takes a while */
		conn_ping(up);
		start_call(1);
		reply_kept();
		conn_qp_end(up);
	}
	BUG_ON(conn_qp_begin(up) < 0);
	conn_go(up);
}

static void happen(u8 what, u8 how)
{
	switch (what % 16) {
	case 0: case 1: conn_ping(up); break;
	case 2: conn_provoke(up); break;
	case 3: qp_event(up->qp, how % 8, up); break;
	case 4: conn_fail(up, "the fuzzer"); break;
	case 5: another(how); break;
	case 6: case 7: replace(how & 1); break;
	case 8: post_fails = how & 1; break;
	case 9: work_off(); break;
	case 10: case 11: acknowledge(how >= 128); break;
	case 12: cq_handler(NULL, up); break;		/* with nothing in it */
	default: start_call(how);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	void *state = NULL;

	setup(&state);
	while (size >= 4) {
		u8 kind = data[0], how = data[3];
		u32 len = MIN(data[1] | (data[2] & 3U) << 8, size - 4), imm = (u32)how << 24 | data[2] << 16 | data[1];

		data += 4;
		size -= 4;
		switch (kind % 8) {
		case 0: case 1:
			receive(kind, how, data, len);
			data += len;
			size -= len;
			break;
		case 2: case 3: immediate(how, imm, len); break;
		case 4: failure(how, kind & 8); break;
		default: happen(kind >> 3, how);
		}
		if (nr_kept == ARRAY_SIZE(kept))
			reply_kept();
		if (nr_sent > ARRAY_SIZE(sent) / 2)
			acknowledge(false);
	}
	post_fails = false;
	settle();
	conn_close(up);
	work_off();
	conn_bury(up);
	up = NULL;
	for (unsigned i = 0; i < NR_CALLS; i++)
		BUG_ON(calls[i].out);
	return 0;
}
