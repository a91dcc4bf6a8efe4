/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/packet.c net/roce/tx.c net/roce/rx.c net/roce/req.c net/roce/resp.c net/roce/cc.c net/roce/ud.c net/roce/qp.c net/roce/cq.c net/roce/mr.c net/roce/srq.c net/roce/cm_mad.c net/roce/cm.c net/roce/dev.c net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c */
/*
 * The RC transport between two ports over a bad wire: whatever is lost, doubled, reordered or corrupted, each message arrives
 * once, whole, in order, and every posted request completes once.
 */
#include "net/roce/sim_test.h"

static u8 mem[2][1 << 20];	/* each end's memory, registered whole */
static u8 copy[1 << 20];

static void fill(u8 *p, u32 len) { for (u32 i = 0; i < len; i++) p[i] = sim_random(); }

/* --- random mix ----------------------------------------------------------------------------------------------- */

#define SLOT_SIZE	20000	/* of a message, at most; several packets at any MTU */
#define NR_SLOTS	24

struct expect { u32 len, imm, slot; u8 opcode, flags; };
static struct {
	struct end a, b;
	struct expect queue[8192];	/* receives that b must see, in order */
	unsigned q_head, q_tail;
	struct { bool busy; u8 opcode; u32 len; u64 before; } slot[NR_SLOTS];	/* a's requests */
	struct roce_mr *voided[NR_SLOTS];	/* b's regions, which SENDs invalidate */
	struct roce_srq *srq;		/* b's receives are here; NULL: the queue pair has its own */
	u8 shadow[1 << 20];		/* what b's memory must be */
	u8 recv_buf[PAIR_DEPTH][SLOT_SIZE];
	unsigned done;
	u64 counter;
	bool few;			/* b has few receives, and posts them again when it comes to it */
	unsigned taken[PAIR_DEPTH], nr_taken;
} mix;

static u8 *src_of(unsigned slot) { return mem[0] + slot * SLOT_SIZE; }
static u8 *dst_of(unsigned slot) { return mem[1] + slot * SLOT_SIZE; }

static void post_recv(unsigned i)
{
	struct roce_recv_wr wr = { .wr_id = i, .nr_sge = 2, .sge = { { mix.recv_buf[i], 100 }, { mix.recv_buf[i] + 100, SLOT_SIZE - 100 } } };

	assert_int_equal(mix.srq != NULL ? roce_post_srq_recv(mix.srq, &wr) : roce_post_recv(mix.b.qp, &wr), 0);
}

static void on_b(struct end *e, const struct roce_wc *wc)
{
	struct expect *x = &mix.queue[mix.q_tail++ % ARRAY_SIZE(mix.queue)];

	assert_true(mix.q_tail <= mix.q_head);
	assert_int_equal(wc->status, WC_SUCCESS);
	assert_int_equal(wc->opcode, x->opcode);
	assert_int_equal(wc->byte_len, x->len);
	assert_int_equal(wc->flags & (WC_WITH_IMM | WC_WITH_INV), x->flags);
	if (x->flags != 0)
		assert_int_equal(wc->imm, x->imm);
	if (x->flags == WC_WITH_INV)	/* once: it is void now, and a repetition must not void what the slot's next message names */
		assert_false(mr_invalidate(mix.b.node->dev, x->imm, 7));
	if (x->opcode == WC_RECV)	/* the sender may not change its buffer before completion: still there */
		assert_memory_equal(mix.recv_buf[wc->wr_id], src_of(x->slot), x->len);
	if (mix.few)
		mix.taken[mix.nr_taken++] = wc->wr_id;
	else
		post_recv(wc->wr_id);
}

static bool mix_step(void)
{
	while (mix.nr_taken != 0 && sim_random() % 3 == 0)
		post_recv(mix.taken[--mix.nr_taken]);
	return sim_step();
}

static void on_a(struct end *e, const struct roce_wc *wc)
{
	unsigned s = wc->wr_id;

	assert_int_equal(wc->status, WC_SUCCESS);
	assert_true(mix.slot[s].busy);
	mix.slot[s].busy = false;
	mix.done++;
	switch (mix.slot[s].opcode) {
	case WR_RDMA_WRITE:
	case WR_RDMA_WRITE_WITH_IMM:
		assert_memory_equal(dst_of(s), src_of(s), mix.slot[s].len);
		break;
	case WR_RDMA_READ:
		assert_memory_equal(dst_of(s), src_of(s), mix.slot[s].len);
		break;
	case WR_CMP_SWAP:
	case WR_FETCH_ADD:
		assert_int_equal(*(u64 *)src_of(s), mix.slot[s].before);
		break;
	}
}

static void run_mix(u32 mtu, u16 ack_every, unsigned messages, unsigned receives, bool flow_control, bool shared_queue)
{
	struct roce_mr *mr;
	unsigned posted = 0;
	u32 rkey;
	u64 *shared = (u64 *)(mem[1] + sizeof(mem[1]) - 64), deadline;

	memset(&mix, 0, sizeof(mix));
	*shared = 0;
	end_create(&mix.a, 0);
	end_create(&mix.b, 1);
	mix.a.on_wc = on_a;
	mix.b.on_wc = on_b;
	pair_connect(&mix.a, &mix.b, mtu, 0xfffff0, 0xffff80, ack_every);	/* both wrap */
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	rkey = roce_mr_bind(mr, mem[1], sizeof(mem[1]), MR_REMOTE_WRITE | MR_REMOTE_READ | MR_REMOTE_ATOMIC);
	mix.a.qp->attr.flow_control = mix.b.qp->attr.flow_control = mix.a.qp->limited = mix.b.qp->limited = flow_control;
	for (unsigned s = 0; s < NR_SLOTS; s++)
		mix.voided[s] = roce_dev_mr_create(sim.node[1].dev, 7);
	if (shared_queue) {
		mix.srq = roce_dev_srq_create(sim.node[1].dev, PAIR_DEPTH, NULL, NULL);
		assert_non_null(mix.srq);
		mix.b.qp->srq = mix.srq;
	}
	mix.few = receives != PAIR_DEPTH;
	for (unsigned i = 0; i < receives; i++)
		post_recv(i);
	deadline = time_mono_ns() + 600 * NSEC_PER_SEC;
	while (mix.done < messages) {
		unsigned s = sim_random() % NR_SLOTS, n;

		assert_true(time_mono_ns() < deadline);
		if (posted < messages && !mix.slot[s].busy) {
			static const u8 ops[] = { WR_SEND, WR_SEND_WITH_IMM, WR_SEND_WITH_INV, WR_RDMA_WRITE, WR_RDMA_WRITE_WITH_IMM,
						  WR_RDMA_READ, WR_FETCH_ADD, WR_CMP_SWAP };
			static const u8 flags[] = { [WR_SEND_WITH_IMM] = WC_WITH_IMM, [WR_SEND_WITH_INV] = WC_WITH_INV,
						    [WR_RDMA_WRITE_WITH_IMM] = WC_WITH_IMM };
			struct roce_send_wr wr = {
				.wr_id = s, .opcode = ops[sim_random() % ARRAY_SIZE(ops)], .flags = WR_SIGNALED, .rkey = rkey,
				.remote_addr = (u64)(uintptr_t)dst_of(s), .imm = sim_random() | 1,
			};
			u32 len = sim_random() % 4 == 0 ? sim_random() % SLOT_SIZE : sim_random() % 300, off = 0;

			if (wr.opcode == WR_FETCH_ADD) {
				len = 8;
				wr.remote_addr = (u64)(uintptr_t)shared;
				wr.compare_add = sim_random();
				mix.slot[s].before = mix.counter;
				mix.counter += wr.compare_add;
			}
			if (wr.opcode == WR_CMP_SWAP) {		/* now and then what is there is not what is expected */
				len = 8;
				wr.remote_addr = (u64)(uintptr_t)shared;
				wr.compare_add = mix.counter + (sim_random() % 3 == 0);
				wr.swap = (u64)sim_random() << 32 | sim_random();
				mix.slot[s].before = mix.counter;
				mix.counter = wr.compare_add == mix.counter ? wr.swap : mix.counter;
			}
			if (wr.opcode == WR_SEND_WITH_INV)
				wr.imm = roce_mr_bind(mix.voided[s], dst_of(s), SLOT_SIZE, MR_REMOTE_READ);
			fill(src_of(s), len);
			if (wr.opcode == WR_RDMA_READ)
				fill(dst_of(s), len);
			while (off < len) {			/* in some pieces */
				u32 k = wr.nr_sge == ROCE_MAX_SGE - 1 || len == 8 ? len - off :
					MIN(1 + sim_random() % 5000, len - off);

				wr.sge[wr.nr_sge++] = (struct roce_sge){ src_of(s) + off, k };
				off += k;
			}
			mix.slot[s].busy = true;
			mix.slot[s].opcode = wr.opcode;
			mix.slot[s].len = len;
			if (wr.opcode <= WR_SEND_WITH_INV || wr.opcode == WR_RDMA_WRITE_WITH_IMM)
				mix.queue[mix.q_head++ % ARRAY_SIZE(mix.queue)] = (struct expect){
					.len = len, .slot = s, .imm = wr.imm, .flags = flags[wr.opcode],
					.opcode = wr.opcode == WR_RDMA_WRITE_WITH_IMM ? WC_RECV_RDMA_WITH_IMM : WC_RECV,
				};
			assert_int_equal(roce_post_send(mix.a.qp, &wr), 0);
			posted++;
			if (sim_random() % 3 != 0)
				continue;
		}
		n = mix.done;
		do {
			if (!mix_step()) {
				shim_time_advance(NSEC_PER_MSEC);	/* what never happens again comes to the deadline */
				break;
			}
		} while (n == mix.done && posted == messages);
	}
	assert_int_equal(mix.a.qp->limited, flow_control);
	assert_int_equal(mix.q_head, mix.q_tail);
	assert_int_equal(*shared, mix.counter);
	roce_mr_destroy(mr);
	for (unsigned s = 0; s < NR_SLOTS; s++)
		roce_mr_destroy(mix.voided[s]);
	end_destroy(&mix.a);
	end_destroy(&mix.b);
	if (mix.srq != NULL)
		roce_srq_destroy(mix.srq);
}

static void mix_clean(void **state)
{
	for (u32 mtu = 256; mtu <= 4096; mtu *= 2) {
		sim_start(mtu, 9000);
		run_mix(mtu, 0, 500, PAIR_DEPTH, false, mtu == 1024);
		assert_int_equal(counter_read(&nr_roce_retransmit), 0);
		sim_stop();
	}
}

/*
 * Half of the seeds with a receiver that is often not ready, half of each with end-to-end credits: both, too, are lost on the way. Of those
 * without, half take their receives from a shared queue (which has no credits to give).
 */
static void mix_faults(void **state)
{
	u64 refused[2] = { 0, 0 };

	for (unsigned seed = 1; seed <= 40; seed++) {
		static const unsigned rate[] = { 0, 10, 100, 500 };
		u64 rnr = counter_read(&nr_roce_rx_nak_rnr);
		bool few = seed & 2, credits = seed & 4;

		sim_start(seed, 9000);
		sim.drop = rate[sim_random() % 4];
		sim.dup = rate[sim_random() % 4];
		sim.reorder = rate[sim_random() % 4];
		sim.corrupt = rate[sim_random() % 4];
		sim.late_done = seed & 1;
		run_mix(256U << seed % 5, seed % 3 ? 16 : 0, 400, few ? 1 + seed % 7 : PAIR_DEPTH, credits, !credits && (seed & 8));
		rnr = counter_read(&nr_roce_rx_nak_rnr) - rnr;
		if (sim.drop + sim.corrupt != 0)
			refused[credits] += rnr;
		if (!few)
			assert_int_equal(rnr, 0);
		sim_stop();
	}
	print_message("not ready, on a wire that loses: %lu; with credits %lu\n", (unsigned long)refused[0], (unsigned long)refused[1]);
	assert_true(refused[0] > 100);
	assert_true(refused[1] < refused[0]);
}

static void post(struct end *e, u8 opcode, u64 id, void *p, u32 len, u64 va, u32 rkey)
{
	struct roce_send_wr wr = { .wr_id = id, .opcode = opcode, .flags = WR_SIGNALED, .nr_sge = 1, .sge = { { p, len } },
				   .remote_addr = va, .rkey = rkey };

	assert_int_equal(roce_post_send(e->qp, &wr), 0);
}

/* --- acknowledgements are few ----------------------------------------------------------------------------------- */

static struct end call_a, call_b;
static u8 reply[64][4096], request[64][64], recvs[PAIR_DEPTH][128];
static u32 call_rkey;
static unsigned calls_done;
static u8 page[4096];

static void serve(struct end *e, const struct roce_wc *wc)
{
	struct roce_send_wr wr = {
		.opcode = WR_RDMA_WRITE_WITH_IMM, .nr_sge = 1, .sge = { { page, 4096 } }, .rkey = call_rkey,
		.remote_addr = (u64)(uintptr_t)reply[recvs[wc->wr_id][0]], .imm = recvs[wc->wr_id][0],
	};
	struct roce_recv_wr r = { .wr_id = wc->wr_id, .nr_sge = 1, .sge = { { recvs[wc->wr_id], 128 } } };

	assert_int_equal(wc->opcode, WC_RECV);
	assert_int_equal(roce_post_send(e->qp, &wr), 0);
	assert_int_equal(roce_post_recv(e->qp, &r), 0);
}

static void called(struct end *e, const struct roce_wc *wc)
{
	struct roce_recv_wr r = { .nr_sge = 0 };

	assert_int_equal(wc->opcode, WC_RECV_RDMA_WITH_IMM);
	calls_done++;
	assert_int_equal(roce_post_recv(e->qp, &r), 0);
}

static void acks_are_coalesced(void **state)
{
	struct roce_mr *mr;
	u64 acks, tx;
	enum { CALLS = 2000 };

	sim_start(1, 9000);
	end_create(&call_a, 0);
	end_create(&call_b, 1);
	call_a.on_wc = called;
	call_b.on_wc = serve;
	pair_connect(&call_a, &call_b, 4096, 1, 2, 16);
	mr = roce_dev_mr_create(sim.node[0].dev, 7);
	call_rkey = roce_mr_bind(mr, reply, sizeof(reply), MR_REMOTE_WRITE);
	for (unsigned i = 0; i < 64; i++) {
		struct roce_recv_wr r = { .wr_id = i, .nr_sge = 1, .sge = { { recvs[i], 128 } } }, none = { .nr_sge = 0 };

		assert_int_equal(roce_post_recv(call_b.qp, &r), 0);
		assert_int_equal(roce_post_recv(call_a.qp, &none), 0);
	}
	acks = counter_read(&nr_roce_tx_ack);
	tx = sim.node[0].sent + sim.node[1].sent;
	for (unsigned i = 0; i < CALLS; i++) {	/* one after the other, 100 us each and 300 us between */
		struct roce_send_wr wr = { .opcode = WR_SEND, .nr_sge = 1, .sge = { { request[i % 64], 64 } } };
		unsigned want = calls_done + 1;

		request[i % 64][0] = i % 64;
		assert_int_equal(roce_post_send(call_a.qp, &wr), 0);
		while (calls_done < want)
			assert_true(sim_step());
		shim_time_advance(300 * NSEC_PER_USEC);
	}
	acks = counter_read(&nr_roce_tx_ack) - acks;
	tx = sim.node[0].sent + sim.node[1].sent - tx;
	print_message("%u calls: %lu packets, %lu of them acknowledgements\n", CALLS, (unsigned long)tx, (unsigned long)acks);
	assert_true(acks <= CALLS / 4);
	assert_in_range(tx - acks, 2 * CALLS, 2 * CALLS + 4);	/* and ARP at the beginning */
	sim_run(NSEC_PER_SEC);
	assert_int_equal(call_a.qp->sq_head, call_a.qp->sq_tail);	/* the timer acknowledged the rest */
	assert_int_equal(call_b.qp->sq_head, call_b.qp->sq_tail);
	assert_int_equal(counter_read(&nr_roce_timeout), 0);
	assert_false(sim_step() && sim_step() && sim_step() && sim_step());	/* idle is idle: no timer runs */
	roce_mr_destroy(mr);
	end_destroy(&call_a);
	end_destroy(&call_b);
	sim_stop();
}

/* --- messages that tell what was taken ---------------------------------------------------------------------------- */

static struct { u32 sent, taken; unsigned completed; } tell[2];

/* b: the request says what a took of b's replies; the reply says by coming that the request was taken. */
static void tell_serve(struct end *e, const struct roce_wc *wc)
{
	struct roce_send_wr wr = {
		.opcode = WR_RDMA_WRITE_WITH_IMM, .flags = WR_SIGNALED | WR_TAKEN, .nr_sge = 1, .sge = { { page, 4096 } },
		.rkey = call_rkey, .remote_addr = (u64)(uintptr_t)reply[0], .imm = 1,
	};
	struct roce_recv_wr r = { .wr_id = wc->wr_id, .nr_sge = 1, .sge = { { recvs[wc->wr_id], 128 } } };
	u32 taken;

	assert_int_equal(wc->status, WC_SUCCESS);
	if (wc->opcode == WC_RDMA_WRITE) {
		tell[1].completed++;
		return;
	}
	memcpy(&taken, recvs[wc->wr_id], sizeof(taken));
	roce_qp_delivered(e->qp, taken);
	wr.taken = ++tell[1].taken;
	assert_int_equal(roce_post_send(e->qp, &wr), 0);
	tell[1].sent++;
	assert_int_equal(roce_post_recv(e->qp, &r), 0);
}

static void tell_called(struct end *e, const struct roce_wc *wc)
{
	struct roce_recv_wr r = { .nr_sge = 0 };

	assert_int_equal(wc->status, WC_SUCCESS);
	if (wc->opcode == WC_SEND) {
		tell[0].completed++;
		return;
	}
	tell[0].taken++;
	roce_qp_delivered(e->qp, tell[0].sent);		/* one call at a time: the reply is the last request's */
	calls_done++;
	assert_int_equal(roce_post_recv(e->qp, &r), 0);
}

static struct roce_mr *tell_begin(u64 seed)
{
	struct roce_mr *mr;

	sim_start(seed, 9000);
	end_create(&call_a, 0);
	end_create(&call_b, 1);
	call_a.on_wc = tell_called;
	call_b.on_wc = tell_serve;
	memset(tell, 0, sizeof(tell));
	pair_connect(&call_a, &call_b, 4096, 0xfffff0, 0xffff80, 16);
	mr = roce_dev_mr_create(sim.node[0].dev, 7);
	call_rkey = roce_mr_bind(mr, reply, sizeof(reply), MR_REMOTE_WRITE);
	for (unsigned i = 0; i < 64; i++) {
		struct roce_recv_wr r = { .wr_id = i, .nr_sge = 1, .sge = { { recvs[i], 128 } } }, none = { .nr_sge = 0 };

		assert_int_equal(roce_post_recv(call_b.qp, &r), 0);
		assert_int_equal(roce_post_recv(call_a.qp, &none), 0);
	}
	return mr;
}

static void tell_calls(unsigned calls, u64 between_ns)
{
	for (unsigned i = 0; i < calls; i++) {
		struct roce_send_wr wr = { .opcode = WR_SEND, .flags = WR_SIGNALED | WR_TAKEN, .taken = tell[0].taken,
					   .nr_sge = 1, .sge = { { request[i % 64], 64 } } };
		unsigned want = calls_done + 1;

		memcpy(request[i % 64], &wr.taken, sizeof(wr.taken));
		assert_int_equal(roce_post_send(call_a.qp, &wr), 0);
		tell[0].sent++;
		while (calls_done < want)
			assert_true(sim_step());
		assert_int_equal(tell[0].completed, i + 1);	/* without an acknowledgement, found by the handler itself */
		shim_time_advance(between_ns);
	}
}

static void tell_end(struct roce_mr *mr)
{
	assert_int_equal(call_a.qp->sq_head, call_a.qp->sq_tail);
	assert_int_equal(call_b.qp->sq_head, call_b.qp->sq_tail);
	assert_int_equal(tell[1].completed, tell[1].sent);
	roce_mr_destroy(mr);
	end_destroy(&call_a);
	end_destroy(&call_b);
	sim_stop();
}

/* A call a 9 ms, whatever the responder's timer: nothing but requests and replies on the wire. */
static void told_messages_need_no_acknowledgement(void **state)
{
	struct roce_mr *mr = tell_begin(11);
	u64 acks = counter_read(&nr_roce_tx_ack), timeouts = counter_read(&nr_roce_timeout), tx;
	enum { CALLS = 500 };

	tx = sim.node[0].sent + sim.node[1].sent;
	tell_calls(CALLS, 9 * NSEC_PER_MSEC);
	tx = sim.node[0].sent + sim.node[1].sent - tx;
	assert_int_equal(counter_read(&nr_roce_tx_ack) - acks, 0);
	assert_in_range(tx, 2 * CALLS, 2 * CALLS + 4);		/* and ARP at the beginning */
	assert_int_equal(tell[1].completed, CALLS - 1);		/* the last reply was not told of: the timer acknowledges it */
	sim_run(NSEC_PER_SEC);
	assert_int_equal(counter_read(&nr_roce_tx_ack) - acks, 1);
	assert_int_equal(counter_read(&nr_roce_timeout), timeouts);
	tell_end(mr);
}

/* Nor a repetition, however long nobody asked for an acknowledgement: by then the last that did is ahead, by 24 bits. */
static void told_messages_need_no_probe(void **state)
{
	struct roce_mr *mr = tell_begin(13);
	u64 probes = counter_read(&nr_roce_probe);

	call_b.qp->srtt_ns = WIRE_NS * 2;
	call_b.qp->asked = psn_add(call_b.qp->psn_una, 0x800008);	/* eight million packets ago */
	tell_calls(40, 9 * NSEC_PER_MSEC);
	assert_int_equal(counter_read(&nr_roce_probe), probes);
	sim_run(NSEC_PER_SEC);
	tell_end(mr);
}

static void told_messages_over_a_bad_wire(void **state)
{
	for (u64 seed = 1; seed <= 8; seed++) {
		struct roce_mr *mr = tell_begin(seed);

		sim.drop = sim.dup = sim.reorder = 400;
		tell_calls(300, 300 * NSEC_PER_USEC);
		sim.drop = 0;
		sim_run(20 * NSEC_PER_SEC);
		assert_int_equal(tell[1].sent, 300);
		tell_end(mr);
	}
}

/* What a peer says of messages that we never sent, or of older ones again, completes nothing. */
static void told_what_cannot_be(void **state)
{
	struct roce_mr *mr = tell_begin(12);
	u64 drops = counter_read(&nr_roce_drop_ack);

	tell_calls(3, NSEC_PER_MSEC);
	sim_run(NSEC_PER_SEC);
	sim.cut = true;
	post(&call_a, WR_SEND, 7, request[0], 64, 0, 0);
	roce_qp_delivered(call_a.qp, 2);
	roce_qp_delivered(call_a.qp, 3);
	assert_int_equal(tell[0].completed, 3);
	assert_int_equal(counter_read(&nr_roce_drop_ack), drops);
	roce_qp_delivered(call_a.qp, 5);
	roce_qp_delivered(call_a.qp, 0x7fffff);
	assert_int_equal(counter_read(&nr_roce_drop_ack), drops + 2);
	assert_int_equal(call_a.qp->sq_head - call_a.qp->sq_tail, 1);
	sim.cut = false;
	tell[0].sent = 4;			/* a SEND more than replies: b answers it when it comes again */
	sim_run(5 * NSEC_PER_SEC);
	tell_end(mr);
}

/* --- errors ------------------------------------------------------------------------------------------------------ */

static struct end ea, eb;

static void errors_begin(void)
{
	sim_start(3, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	pair_connect(&ea, &eb, 1024, 5, 6, 0);
}

static void errors_end(void)
{
	end_destroy(&ea);
	end_destroy(&eb);
	sim.cut = false;
	sim_stop();
}

/* Whatever reaches beyond a region, or in a way it does not allow, or after unbind, changes nothing and says so. */
static void rights_and_bounds(void **state)
{
	static u8 area[3 * 4096];
	static const struct { s32 off; u32 len; u8 access; u8 opcode; u8 how; } t[] = {
		{ 4095, 2, MR_REMOTE_WRITE, WR_RDMA_WRITE, 0 }, { -1, 1, MR_REMOTE_WRITE, WR_RDMA_WRITE, 0 },
		{ 0, 4097, MR_REMOTE_WRITE, WR_RDMA_WRITE, 0 }, { 4096, 1, MR_REMOTE_WRITE, WR_RDMA_WRITE, 0 },
		{ 0, 64, MR_REMOTE_READ, WR_RDMA_WRITE, 0 }, { 0, 64, MR_REMOTE_WRITE, WR_RDMA_READ, 0 },
		{ 0, 4097, MR_REMOTE_READ, WR_RDMA_READ, 0 }, { 0, 8, MR_REMOTE_WRITE, WR_FETCH_ADD, 0 },
		{ 0, 64, MR_REMOTE_WRITE, WR_RDMA_WRITE, 1 },	/* unbound */
		{ 0, 64, MR_REMOTE_WRITE, WR_RDMA_WRITE, 2 },	/* bound anew: the old key */
		{ 0, 64, MR_REMOTE_WRITE, WR_RDMA_WRITE, 3 },	/* another domain's */
		{ 0, 64, MR_REMOTE_WRITE, WR_RDMA_WRITE, 4 },	/* no such region */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct roce_mr *mr;
		u32 rkey;

		errors_begin();
		memset(area, 0x11, sizeof(area));
		memset(copy, 0x22, 8192);
		mr = roce_dev_mr_create(sim.node[1].dev, t[i].how == 3 ? 8 : 7);
		rkey = roce_mr_bind(mr, area + 4096, 4096, t[i].access);
		if (t[i].how == 1)
			roce_mr_unbind(mr);
		if (t[i].how == 2)
			assert_int_not_equal(rkey, roce_mr_bind(mr, area + 4096, 4096, t[i].access));
		if (t[i].how == 4)
			rkey ^= 0xfff00000;
		post(&ea, t[i].opcode, 1, copy, t[i].len, (u64)(uintptr_t)area + 4096 + t[i].off, rkey);
		post(&ea, WR_SEND, 2, copy, 10, 0, 0);
		sim_run(NSEC_PER_SEC);
		assert_int_equal(ea.nr_wc, 2);
		assert_int_equal(ea.wc[0].status, WC_REM_ACCESS_ERR);
		assert_int_equal(ea.wc[1].status, WC_WR_FLUSH_ERR);
		assert_int_equal(roce_qp_state(ea.qp), QPS_ERR);
		assert_int_equal(roce_qp_state(eb.qp), QPS_ERR);
		assert_int_equal(ea.events + eb.events, 2);
		for (unsigned k = 0; k < sizeof(area); k++)
			assert_int_equal(area[k], 0x11);
		roce_mr_destroy(mr);
		errors_end();
	}
}

/* A region of pages is as memory of that length to who writes, at any offset; it is written, and nothing else; nobody reads it. */
static void region_of_pages(void **state)
{
	static const struct { u32 off, len; unsigned opcode; bool ok; } t[] = {
		{ 0, 3 * 4096, WR_RDMA_WRITE, true }, { 4000, 200, WR_RDMA_WRITE, true }, { 4096, 4096, WR_RDMA_WRITE, true },
		{ 1, 3 * 4096 - 1, WR_RDMA_WRITE, true }, { 8191, 4097, WR_RDMA_WRITE, true }, { 0, 0, WR_RDMA_WRITE, true },
		{ 1, 3 * 4096, WR_RDMA_WRITE, false }, { 3 * 4096, 1, WR_RDMA_WRITE, false }, { 0, 64, WR_RDMA_READ, false },
		{ 0, 8, WR_FETCH_ADD, false },
	};
	static u8 area[7 * 4096], want[7 * 4096], out[3 * 4096];
	void *page[3] = { area + 5 * 4096, area + 1 * 4096, area + 3 * 4096 };

	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = i * 7 / 5 + 1;
	for (unsigned mtu = 1024; mtu <= 4096; mtu *= 4)
		for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
			struct roce_mr *mr;
			u32 rkey;

			errors_begin();
			ea.qp->attr.mtu = eb.qp->attr.mtu = mtu;
			memset(area, 0x11, sizeof(area));
			memset(want, 0x11, sizeof(want));
			for (u32 k = 0; k < t[i].len && t[i].ok; k++)
				want[(u8 *)page[(t[i].off + k) / 4096] - area + (t[i].off + k) % 4096] = out[k];
			mr = roce_dev_mr_create(sim.node[1].dev, 7);
			rkey = roce_mr_bind_pages(mr, page, 3);
			post(&ea, t[i].opcode, 1, out, t[i].len, t[i].off, rkey);
			sim_run(NSEC_PER_SEC);
			assert_int_equal(ea.nr_wc, 1);
			assert_int_equal(ea.wc[0].status, t[i].ok ? WC_SUCCESS : WC_REM_ACCESS_ERR);
			assert_memory_equal(area, want, sizeof(area));
			roce_mr_unbind(mr);
			roce_mr_destroy(mr);
			errors_end();
		}
}

/* lesson: L44 - a region unbound between two packets of one WRITE takes nothing more */
static void unbind_in_the_middle(void **state)
{
	struct roce_mr *mr;
	u32 rkey;

	errors_begin();
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	rkey = roce_mr_bind(mr, mem[1], 1 << 20, MR_REMOTE_WRITE);
	memset(mem[1], 0, 1 << 20);
	memset(mem[0], 0xee, 1 << 20);
	post(&ea, WR_RDMA_WRITE, 1, mem[0], 1 << 20, (u64)(uintptr_t)mem[1], rkey);
	while (mem[1][300000] == 0)
		assert_true(sim_step());
	roce_mr_unbind(mr);
	memset(mem[1], 0, 1 << 20);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(ea.wc[0].status, WC_REM_ACCESS_ERR);
	for (unsigned k = 0; k < sizeof(mem[1]); k++)
		assert_int_equal(mem[1][k], 0);
	roce_mr_destroy(mr);
	errors_end();
}

static void receiver_not_ready(void **state)
{
	struct roce_recv_wr r = { .wr_id = 9, .nr_sge = 1, .sge = { { copy, 5000 } } };

	errors_begin();
	fill(mem[0], 3000);
	post(&ea, WR_SEND, 1, mem[0], 3000, 0, 0);
	post(&ea, WR_SEND, 2, mem[0], 100, 0, 0);
	sim_run(50 * NSEC_PER_MSEC);
	assert_int_equal(ea.nr_wc + eb.nr_wc, 0);
	assert_true(counter_read(&nr_roce_rx_nak_rnr) > 10);
	assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	sim_run(50 * NSEC_PER_MSEC);
	assert_int_equal(ea.nr_wc, 1);
	assert_int_equal(eb.nr_wc, 1);
	assert_int_equal(eb.wc[0].byte_len, 3000);
	assert_memory_equal(copy, mem[0], 3000);
	assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	sim_run(50 * NSEC_PER_MSEC);
	assert_int_equal(ea.nr_wc, 2);
	assert_int_equal(eb.nr_wc, 2);
	errors_end();
}

/* So often as the retry count says, and once more: then the request ends by what it met, and those behind it are flushed. */
static void receiver_never_ready(void **state)
{
	for (unsigned retries = 0; retries < 7; retries += 3) {
		u64 refused = counter_read(&nr_roce_rx_nak_rnr);

		errors_begin();
		ea.qp->attr.rnr_retry = ea.qp->rnr_retries = retries;
		post(&ea, WR_SEND, 1, mem[0], 3000, 0, 0);
		post(&ea, WR_SEND, 2, mem[0], 100, 0, 0);
		sim_run(NSEC_PER_SEC);
		assert_int_equal(counter_read(&nr_roce_rx_nak_rnr) - refused, retries + 1);
		assert_int_equal(ea.nr_wc, 2);
		assert_int_equal(ea.wc[0].status, WC_RNR_RETRY_EXC_ERR);
		assert_int_equal(ea.wc[1].status, WC_WR_FLUSH_ERR);
		assert_int_equal(roce_qp_state(eb.qp), QPS_RTS);
		errors_end();
	}
}

/* A WRITE with immediate that finds no receive writes nothing; when there is one it writes, and is told of, once. */
static void immediate_without_receive(void **state)
{
	static u8 area[64];
	struct roce_recv_wr r = { .wr_id = 9, .nr_sge = 0 };
	struct roce_mr *mr;

	errors_begin();
	memset(area, 0, sizeof(area));
	memset(mem[0], 0x33, sizeof(area));
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	post(&ea, WR_RDMA_WRITE_WITH_IMM, 1, mem[0], 64, (uintptr_t)area, roce_mr_bind(mr, area, 64, MR_REMOTE_WRITE));
	sim_run(20 * NSEC_PER_MSEC);
	assert_int_equal(ea.nr_wc + eb.nr_wc + area[0] + area[63], 0);
	assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	sim_run(20 * NSEC_PER_MSEC);
	assert_int_equal(ea.nr_wc, 1);
	assert_int_equal(ea.wc[0].status, WC_SUCCESS);
	assert_int_equal(eb.nr_wc, 1);
	assert_int_equal(eb.wc[0].opcode, WC_RECV_RDMA_WITH_IMM);
	assert_int_equal(eb.wc[0].byte_len, 64);
	assert_memory_equal(area, mem[0], 64);
	roce_mr_destroy(mr);
	errors_end();
}

/* Nobody asked to hear of success: failure is told all the same, in its place in the order. */
static void unsignalled_failure(void **state)
{
	struct roce_send_wr wr = { .nr_sge = 1, .sge = { { copy, 8 } } };
	struct roce_recv_wr r = { .nr_sge = 1, .sge = { { mem[1], 64 } } };

	errors_begin();
	assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	for (unsigned i = 0; i < 4; i++) {
		wr.wr_id = i;
		wr.opcode = i == 1 ? WR_RDMA_WRITE : WR_SEND;		/* to where nothing is registered */
		assert_int_equal(roce_post_send(ea.qp, &wr), 0);
	}
	sim_run(NSEC_PER_SEC);
	assert_int_equal(ea.nr_wc, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ea.wc[i].wr_id, i + 1);
		assert_int_equal(ea.wc[i].status, i == 0 ? WC_REM_ACCESS_ERR : WC_WR_FLUSH_ERR);
	}
	assert_int_equal(eb.nr_wc, 1);
	assert_int_equal(eb.wc[0].status, WC_SUCCESS);
	errors_end();
}

/* A packet without payload from the other port. */
static void inject(unsigned to, const struct roce_pkt *p)
{
	u8 f[NET_DATA_OFF + ROCE_MAX_HEADERS + ICRC_LEN];

	wire_put(to, f, frame_make(f, to, sim.node[!to].ip, p, 0, 0));
}

static void nak_after_rnr(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;

	if (from != 1 || !roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) || p.opcode != RC_ACK ||
	    (p.syndrome & AETH_KIND_MASK) != AETH_KIND_RNR)
		return;
	p.syndrome = AETH_NAK_PSN;
	inject(0, &p);
	sim.frame[sim.nr_frames - 1].at++;		/* behind this one */
}

/*
 * Linux says of the packets behind one whose receiver was not ready that a PSN is missing. That is no news, costs no retry and
 * does not end the wait.
 */
static void psn_nak_after_rnr_nak(void **state)
{
	struct roce_recv_wr r = { .wr_id = 9, .nr_sge = 1, .sge = { { copy, 5000 } } };
	u64 before = counter_read(&nr_roce_rx_nak_rnr);

	errors_begin();
	fill(mem[0], 3000);
	sim.tap = nak_after_rnr;
	post(&ea, WR_SEND, 1, mem[0], 3000, 0, 0);
	sim_run(50 * NSEC_PER_MSEC);
	assert_int_equal(ea.nr_wc, 0);
	assert_int_equal(roce_qp_state(ea.qp), QPS_RTS);
	assert_int_equal(ea.qp->retries, 7);
	assert_in_range(counter_read(&nr_roce_rx_nak_rnr) - before, 10, 60);		/* once per timer of 0.96 ms */
	assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	sim_run(50 * NSEC_PER_MSEC);
	sim.tap = NULL;
	assert_int_equal(ea.nr_wc, 1);
	assert_int_equal(ea.wc[0].status, WC_SUCCESS);
	assert_memory_equal(copy, mem[0], 3000);
	errors_end();
}

/* lesson: L25 - a dead peer ends every request by an ordinary completion, in order */
static void retries_exceeded(void **state)
{
	u64 t;

	errors_begin();
	sim.cut = true;
	for (unsigned i = 0; i < 20; i++)
		post(&ea, WR_SEND, i, copy, 100, 0, 0);
	t = time_mono_ns();
	while (ea.nr_wc == 0)
		assert_true(sim_step());
	t = time_mono_ns() - t;
	print_message("gave up after %lu ms\n", (unsigned long)(t / NSEC_PER_MSEC));
	assert_in_range(t, NSEC_PER_SEC, 10 * NSEC_PER_SEC);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(ea.nr_wc, 20);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(ea.wc[i].wr_id, i);
		assert_int_equal(ea.wc[i].status, i == 0 ? WC_RETRY_EXC_ERR : WC_WR_FLUSH_ERR);
	}
	assert_int_equal(ea.events, 1);
	post(&ea, WR_SEND, 77, copy, 1, 0, 0);		/* in ERR: taken, and flushed */
	sim_run(NSEC_PER_SEC);
	assert_int_equal(ea.wc[20].wr_id, 77);
	assert_int_equal(ea.wc[20].status, WC_WR_FLUSH_ERR);
	errors_end();
}

static void message_too_long(void **state)
{
	struct roce_recv_wr r = { .wr_id = 9, .nr_sge = 1, .sge = { { copy, 2000 } } };

	errors_begin();
	assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	post(&ea, WR_SEND, 1, mem[0], 2001, 0, 0);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(ea.wc[0].status, WC_REM_INV_REQ_ERR);
	assert_int_equal(eb.wc[0].status, WC_LOC_LEN_ERR);
	errors_end();
}

/* The queue is as deep as promised and no deeper; a driver that takes nothing for a while loses nothing. lesson: L24 */
static void queue_limits(void **state)
{
	struct roce_send_wr wr = { .opcode = WR_SEND, .nr_sge = 1, .sge = { { copy, 1 } } };
	struct roce_recv_wr r = { .nr_sge = 1, .sge = { { copy, 5000 } } };

	errors_begin();
	sim.node[0].full = 10;
	for (unsigned i = 0; i < PAIR_DEPTH; i++)
		assert_int_equal(roce_post_send(ea.qp, &wr), 0);
	assert_int_equal(roce_post_send(ea.qp, &wr), -ENOMEM);
	for (unsigned i = 0; i < PAIR_DEPTH; i++)
		assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	assert_int_equal(roce_post_recv(eb.qp, &r), -ENOMEM);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(eb.nr_wc, PAIR_DEPTH);
	assert_int_equal(ea.nr_wc, 0);		/* unsignalled */
	assert_int_equal(roce_post_send(ea.qp, &wr), 0);
	errors_end();
}

/* Without memory to gather its pieces a request waits, even if nothing else is under way whose timer would look again. */
static void no_memory_to_gather(void **state)
{
	struct roce_recv_wr r = { .nr_sge = 1, .sge = { { copy, 5000 } } };
	struct roce_send_wr wr = { .opcode = WR_SEND, .flags = WR_SIGNALED };
	u64 sent;

	errors_begin();
	fill(mem[0], 5000);
	sent = sim.node[0].sent;
	for (unsigned i = 0; i < 5; i++)
		wr.sge[wr.nr_sge++] = (struct roce_sge){ mem[0] + 200 * i, 200 };
	assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	shim_fail_alloc(1);
	assert_int_equal(roce_post_send(ea.qp, &wr), 0);
	shim_fail_alloc(0);
	assert_int_equal(sim.node[0].sent, sent);
	sim_run(5 * NSEC_PER_MSEC);
	assert_int_equal(ea.nr_wc, 1);
	assert_int_equal(ea.wc[0].status, WC_SUCCESS);
	assert_int_equal(eb.nr_wc, 1);
	assert_memory_equal(copy, mem[0], 1000);
	errors_end();
}

/* A QP may be destroyed with everything in flight: nothing of it is used afterwards (the sanitizer says so). */
/* --- what is looked at before a queue pair is ------------------------------------------------------------------------ */

/* Counted by cause and dropped; what a receiver is to ignore (9.2) makes no difference. */
static void counted_and_dropped(void **state)
{
	static u8 in[64];
	struct roce_recv_wr r = { .nr_sge = 1, .sge = { { in, 64 } } };
	struct roce_pkt good = { .opcode = RC_SEND_ONLY, .pkey = ROCE_PKEY, .ackreq = true }, p;
	u32 psn;

	errors_begin();
	good.qpn = eb.qp->qpn;
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	for (unsigned i = 0; i < 12; i++) {
		u64 before[7];
		const u64 *const counters[] = {
			NULL, &nr_roce_drop_pkey, &nr_roce_drop_version, &nr_roce_drop_no_qp, &nr_roce_drop_transport, &nr_roce_drop_order,
			&nr_roce_drop_icrc,
		};

		for (unsigned k = 1; k < ARRAY_SIZE(counters); k++)
			before[k] = counter_read(counters[k]);
		psn = eb.qp->epsn;
		p = good;
		p.psn = psn;
		switch (i) {
		case 1:	p.pkey = 0x1234; break;
		case 2: p.tver = 1; break;
		case 3: p.qpn ^= 0x400000; break;
		case 4: p.opcode = UD_SEND_ONLY; break;
		case 5: p.psn = psn_add(psn, 5); break;
		case 7: p.pkey = 0x7fff; break;		/* a limited member may talk to a full one */
		case 8: p.migreq = true; break;
		case 9: p.resv7 = 0x7f; break;
		case 10: p.ecn = 0xff; break;
		case 11: p.se = true; break;
		}
		inject(1, &p);
		if (i == 6)
			sim.frame[sim.nr_frames - 1].data[sim.frame[sim.nr_frames - 1].len - 1] ^= 1;
		sim_run(5 * NSEC_PER_MSEC);
		for (unsigned k = 1; k < ARRAY_SIZE(counters); k++)
			assert_int_equal(counter_read(counters[k]) - before[k], i == k);
		assert_int_equal(eb.qp->epsn, i >= 1 && i <= 6 ? psn : psn_add(psn, 1));
	}
	assert_int_equal(eb.nr_wc, 6);
	assert_int_equal(eb.wc[5].flags, WC_SOLICITED);
	assert_int_equal(eb.wc[4].flags, 0);
	errors_end();
}

/* The half of the numbers before the expected one are duplicates, the other half are ahead of a gap, up to the last of each. */
static void edges_of_the_numbers(void **state)
{
	static const struct { u32 ahead; bool duplicate; } t[] = {
		{ 1, false }, { 0x7fffff, false }, { 0x800000, true }, { 0x800001, true }, { 0xffffff, true },
	};
	static u8 in[64];
	struct roce_recv_wr r = { .nr_sge = 1, .sge = { { in, 64 } } };

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct roce_pkt p = { .opcode = RC_SEND_ONLY, .pkey = ROCE_PKEY, .ackreq = true };
		u64 ahead = counter_read(&nr_roce_drop_order), duplicate = counter_read(&nr_roce_duplicate);
		u64 nak = counter_read(&nr_roce_tx_nak_psn), ack = counter_read(&nr_roce_tx_ack);

		errors_begin();
		assert_int_equal(roce_post_recv(eb.qp, &r), 0);
		p.qpn = eb.qp->qpn;
		p.psn = psn_add(eb.qp->epsn, t[i].ahead);
		inject(1, &p);
		sim_run(NSEC_PER_MSEC);
		assert_int_equal(counter_read(&nr_roce_duplicate) - duplicate, t[i].duplicate);
		assert_int_equal(counter_read(&nr_roce_tx_ack) - ack, t[i].duplicate);
		assert_int_equal(counter_read(&nr_roce_drop_order) - ahead, !t[i].duplicate);
		assert_int_equal(counter_read(&nr_roce_tx_nak_psn) - nak, !t[i].duplicate);
		assert_int_equal(eb.nr_wc, 0);
		p.psn = eb.qp->epsn;
		inject(1, &p);
		sim_run(NSEC_PER_MSEC);
		assert_int_equal(eb.nr_wc, 1);
		errors_end();
	}
}

static bool lose_answers(unsigned from, const u8 *frame, u32 len) { return from == 1; }

/* What the window kept back goes out when the peer's user says what has arrived: nothing else may come that would let it. */
static void told_and_goes_on(void **state)
{
	errors_begin();
	ea.qp->attr.ack_every = 16;
	sim.lose = lose_answers;
	for (unsigned i = 0; i < ROCE_WINDOW + 20; i++)
		post(&ea, WR_SEND, i, copy, 8, 0, 0);
	assert_int_equal(psn_diff(ea.qp->psn_max, ea.qp->psn_una), ROCE_WINDOW);
	roce_qp_delivered(ea.qp, ROCE_WINDOW);
	assert_int_equal(psn_diff(ea.qp->psn_max, ea.qp->psn_una), 20);
	sim.lose = NULL;
	roce_qp_error(ea.qp);
	errors_end();
}

/* --- draining --------------------------------------------------------------------------------------------------- */

/* What had begun is completed, lost packets and all; what had not waits for RTS; the end is said once. */
static void drain(void **state)
{
	static u8 big[400000];
	struct roce_recv_wr r = { .wr_id = 9, .nr_sge = 1, .sge = { { copy, sizeof(big) } } };

	for (unsigned seed = 1; seed < 20; seed++) {
		unsigned done;

		errors_begin();
		sim.rng += seed;
		fill(big, sizeof(big));
		assert_int_equal(roce_qp_resume(ea.qp), -EINVAL);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(roce_post_recv(eb.qp, &r), 0);
		sim.drop = 300;
		post(&ea, WR_SEND, 1, big, 300000, 0, 0);	/* many windows */
		post(&ea, WR_SEND, 2, big, 100, 0, 0);
		for (unsigned i = 0; i < 2 * seed; i++)
			sim_step();
		done = ea.nr_wc;
		assert_int_equal(roce_qp_drain(ea.qp), 0);
		assert_int_equal(roce_qp_state(ea.qp), QPS_SQD);
		assert_int_equal(roce_qp_drain(ea.qp), -EINVAL);
		post(&ea, WR_SEND, 3, big, 100, 0, 0);
		sim_run(5 * NSEC_PER_SEC);
		sim.drop = 0;
		assert_int_equal(ea.event[ROCE_EVENT_SQ_DRAINED], 1);
		if (done == 0) {				/* in the middle of the first */
			assert_in_range(ea.nr_wc, 1, 2);
			assert_int_equal(ea.wc[0].wr_id, 1);
			assert_memory_equal(copy + 100, big + 100, 300000 - 100);
		}
		assert_int_equal(ea.nr_wc, eb.nr_wc);
		assert_true(ea.nr_wc < 3);
		assert_int_equal(roce_qp_resume(ea.qp), 0);
		sim_run(NSEC_PER_SEC);
		assert_int_equal(ea.nr_wc, 3);
		assert_int_equal(eb.nr_wc, 3);
		assert_int_equal(ea.event[ROCE_EVENT_SQ_DRAINED], 1);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(ea.wc[i].status, WC_SUCCESS);
			assert_int_equal(ea.wc[i].wr_id, i + 1);
		}
		/* nothing under way: drained at once */
		assert_int_equal(roce_qp_drain(ea.qp), 0);
		sim_run(NSEC_PER_MSEC);
		assert_int_equal(ea.event[ROCE_EVENT_SQ_DRAINED], 2);
		errors_end();
	}
}

/* The same of READs and atomics, whose answers may be what is lost: what had begun is answered, what had not is not executed. */
static void drain_answers(void **state)
{
	static const u8 opcode[] = {
		WR_FETCH_ADD, WR_RDMA_READ, WR_FETCH_ADD, WR_RDMA_READ, WR_FETCH_ADD, WR_RDMA_READ, WR_FETCH_ADD, WR_FETCH_ADD,
	};
	enum { NR = ARRAY_SIZE(opcode), BEFORE = NR - 1, LEN = 30000 };
	static u64 word, was[NR];
	unsigned under_way = 0, again = 0;

	for (unsigned seed = 1; seed <= 30; seed++) {
		struct roce_mr *mr, *atomics;
		unsigned added = 0;
		u64 retransmit;
		u32 sent;

		errors_begin();
		sim.rng += seed;
		mr = roce_dev_mr_create(sim.node[1].dev, 7);
		atomics = roce_dev_mr_create(sim.node[1].dev, 7);
		fill(mem[1], NR * LEN);
		memset(mem[0], 0, NR * LEN);
		word = 100;
		sim.drop = 300;
		for (unsigned i = 0; i < NR; i++) {
			bool read = opcode[i] == WR_RDMA_READ;
			struct roce_send_wr wr = {
				.wr_id = i, .opcode = opcode[i], .flags = WR_SIGNALED, .nr_sge = 1, .compare_add = 1,
				.sge = { { read ? mem[0] + i * LEN : (void *)&was[i], read ? LEN : 8 } },
				.remote_addr = read ? (uintptr_t)mem[1] + i * LEN : (uintptr_t)&word,
			};

			if (i == 0) {
				roce_mr_bind(mr, mem[1], sizeof(mem[1]), MR_REMOTE_READ);
				roce_mr_bind(atomics, &word, sizeof(word), MR_REMOTE_ATOMIC);
			}
			wr.rkey = read ? mr->rkey : atomics->rkey;
			if (i == BEFORE) {		/* four of them are let out together */
				for (unsigned k = 0; k < seed % 5; k++)
					sim_step();
				under_way += ea.qp->rd_outstanding;
				retransmit = counter_read(&nr_roce_retransmit);
				sent = ea.qp->psn_max;
				assert_int_equal(roce_qp_drain(ea.qp), 0);
			}
			assert_int_equal(roce_post_send(ea.qp, &wr), 0);
		}
		sim_run(5 * NSEC_PER_SEC);
		again += counter_read(&nr_roce_retransmit) - retransmit;
		assert_int_equal(ea.event[ROCE_EVENT_SQ_DRAINED], 1);
		assert_in_range(ea.nr_wc, 4, BEFORE);
		assert_int_equal(ea.qp->psn_max, sent);
		assert_int_equal(ea.qp->psn_una, sent);
		for (unsigned i = 0; i < ea.nr_wc; i++)
			added += opcode[i] == WR_FETCH_ADD;
		assert_int_equal(word, 100 + added);
		sim.drop = 0;
		assert_int_equal(roce_qp_resume(ea.qp), 0);
		sim_run(NSEC_PER_SEC);
		assert_int_equal(ea.nr_wc, NR);
		added = 0;
		for (unsigned i = 0; i < NR; i++) {
			assert_int_equal(ea.wc[i].status, WC_SUCCESS);
			assert_int_equal(ea.wc[i].wr_id, i);
			if (opcode[i] == WR_FETCH_ADD)
				assert_int_equal(was[i], 100 + added++);
			else
				assert_memory_equal(mem[0] + i * LEN, mem[1] + i * LEN, LEN);
		}
		assert_int_equal(ea.event[ROCE_EVENT_SQ_DRAINED], 1);
		roce_mr_destroy(mr);
		roce_mr_destroy(atomics);
		errors_end();
	}
	print_message("drained with %u answers to come, %u requests repeated since\n", under_way, again);
	assert_true(under_way > 30 && again > 10);
}

/* --- shared receive queues, invalidation -------------------------------------------------------------------------- */

static unsigned limit_calls;
static void on_limit(struct roce_srq *srq, void *arg) { limit_calls++; }

/* Messages of two QPs, several packets each and interleaved on the wire, fill receives of one queue: each message one receive. */
static void shared_receives(void **state)
{
	static u8 in[8][3000], out[2][4][3000];
	struct end ec, ed, *from[2] = { &ea, &ec }, *to[2] = { &eb, &ed };
	struct roce_recv_wr r = { .nr_sge = 1 };
	struct roce_srq *srq;
	bool used[8] = { false };
	u64 rnr = counter_read(&nr_roce_rx_nak_rnr);

	errors_begin();
	end_create(&ec, 0);
	end_create(&ed, 1);
	srq = roce_dev_srq_create(eb.node->dev, 8, on_limit, NULL);
	assert_non_null(srq);
	eb.qp->srq = ed.qp->srq = srq;
	pair_connect(&ec, &ed, 1024, 70, 80, 0);
	assert_int_equal(roce_post_recv(eb.qp, &r), -EINVAL);
	limit_calls = 0;
	roce_srq_arm(srq, 3);
	for (unsigned i = 0; i < 6; i++) {
		r.wr_id = i;
		r.sge[0] = (struct roce_sge){ in[i], 3000 };
		assert_int_equal(roce_post_srq_recv(srq, &r), 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		fill(out[i % 2][i / 2], 3000);
		post(from[i % 2], WR_SEND, i / 2, out[i % 2][i / 2], 3000, 0, 0);
	}
	sim_run(50 * NSEC_PER_MSEC);
	assert_int_equal(eb.nr_wc + ed.nr_wc, 6);	/* two find no receive, and ask again and again */
	assert_int_equal(limit_calls, 1);
	assert_true(counter_read(&nr_roce_rx_nak_rnr) > rnr);
	for (unsigned i = 6; i < 8; i++) {
		r.wr_id = i;
		r.sge[0] = (struct roce_sge){ in[i], 3000 };
		assert_int_equal(roce_post_srq_recv(srq, &r), 0);
	}
	sim_run(NSEC_PER_SEC);
	for (unsigned k = 0; k < 2; k++) {
		assert_int_equal(to[k]->nr_wc, 4);
		assert_int_equal(from[k]->nr_wc, 4);
		for (unsigned i = 0; i < 4; i++) {
			const struct roce_wc *wc = &to[k]->wc[i];

			assert_int_equal(wc->status, WC_SUCCESS);
			assert_int_equal(wc->byte_len, 3000);
			assert_false(used[wc->wr_id]);
			used[wc->wr_id] = true;
			assert_memory_equal(in[wc->wr_id], out[k][i], 3000);
		}
	}
	assert_int_equal(limit_calls, 1);
	/* full, and a QP in error leaves the queue's receives to the others */
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(roce_post_srq_recv(srq, &r), 0);
	assert_int_equal(roce_post_srq_recv(srq, &r), -ENOMEM);
	roce_qp_error(eb.qp);
	assert_int_equal(eb.nr_wc, 4);
	post(&ec, WR_SEND, 9, out[0][0], 3000, 0, 0);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(ed.nr_wc, 5);
	assert_int_equal(ed.cq->reserved, 0);
	end_destroy(&ec);
	end_destroy(&ed);
	roce_qp_destroy(eb.qp);
	roce_srq_destroy(srq);
	roce_cq_destroy(eb.cq);
	end_destroy(&ea);
	sim_stop();
}

/* SEND with invalidate: the receiver is told which key is void, and it is; a key that is not valid ends the connection. */
static void invalidate(void **state)
{
	for (unsigned bad = 0; bad < 2; bad++) {
		static u8 area[64], in[64], out[64];
		struct roce_recv_wr r = { .wr_id = 1, .nr_sge = 1, .sge = { { in, 64 } } };
		struct roce_send_wr w = { .wr_id = 2, .opcode = WR_SEND_WITH_INV, .flags = WR_SIGNALED, .nr_sge = 1, .sge = { { out, 64 } } };
		struct roce_mr *mr;
		u32 rkey;

		errors_begin();
		mr = roce_dev_mr_create(eb.node->dev, 7);
		rkey = roce_mr_bind(mr, area, 64, MR_REMOTE_WRITE);
		post(&ea, WR_RDMA_WRITE, 1, out, 64, (u64)(uintptr_t)area, rkey);
		assert_int_equal(roce_post_recv(eb.qp, &r), 0);
		w.imm = rkey + bad;
		assert_int_equal(roce_post_send(ea.qp, &w), 0);
		sim_run(NSEC_PER_SEC);
		assert_int_equal(ea.nr_wc, 2);
		assert_int_equal(ea.wc[0].status, WC_SUCCESS);
		assert_int_equal(ea.wc[1].status, bad ? WC_REM_ACCESS_ERR : WC_SUCCESS);
		assert_int_equal(eb.nr_wc, 1);
		if (!bad) {
			assert_int_equal(eb.wc[0].flags, WC_WITH_INV);
			assert_int_equal(eb.wc[0].imm, rkey);
			post(&ea, WR_RDMA_WRITE, 3, out, 64, (u64)(uintptr_t)area, rkey);
			sim_run(NSEC_PER_SEC);
			assert_int_equal(ea.wc[2].status, WC_REM_ACCESS_ERR);
		} else {
			assert_int_equal(eb.wc[0].status, WC_WR_FLUSH_ERR);
		}
		roce_mr_destroy(mr);
		errors_end();
	}
}

/*
 * A peer as Linux is: it answers every READ in full, one after the other, repetitions too, and at first it does not answer at all for
 * a while. The repetitions of that time must not be the cause of more of them.
 */
#define SLOW_LEN	(64 * 1024)
#define SLOW_PACKET_NS	(1600 * NSEC_PER_USEC)
static u64 slow_busy;
static unsigned slow_asked;

static void slow_response(const struct roce_pkt *q, u32 i, u32 nr)
{
	u8 f[NET_DATA_OFF + ROCE_MAX_HEADERS + 1024 + ICRC_LEN];
	struct roce_pkt p = {
		.opcode = nr == 1 ? RC_READ_RESP_ONLY : i == 0 ? RC_READ_RESP_FIRST : i + 1 == nr ? RC_READ_RESP_LAST : RC_READ_RESP_MIDDLE,
		.pkey = ROCE_PKEY, .qpn = ea.qp->qpn, .psn = psn_add(q->psn, i), .syndrome = AETH_ACK_UNLIMITED,
	};

	assert_true(sim.nr_frames < WIRE_FRAMES);
	wire_put(0, f, frame_make(f, 0, sim.node[1].ip, &p, 0, 1024));
	sim.frame[sim.nr_frames - 1].at = slow_busy += SLOW_PACKET_NS;
}

static void slow_peer(unsigned from, const u8 *frame, u32 len)
{
	struct roce_pkt q;

	if (from != 0 || !roce_parse(frame + NET_DATA_OFF, len - NET_DATA_OFF, &q) || q.opcode != RC_READ_REQUEST)
		return;
	slow_asked++;
	slow_busy = MAX(slow_busy, time_mono_ns());
	for (u32 i = 0; i < q.dma_len / 1024; i++)
		slow_response(&q, i, q.dma_len / 1024);
}

static void peer_that_answers_all(void **state)
{
	enum { NR = 8 };

	errors_begin();
	sim.cut = true;				/* what is on the wire is this test's */
	sim.tap = slow_peer;
	slow_asked = 0;
	slow_busy = time_mono_ns() + 150 * NSEC_PER_MSEC;
	for (unsigned i = 0; i < NR; i++) {
		post(&ea, WR_RDMA_READ, i, mem[0], SLOW_LEN, 0x1000, 5);
		while (ea.nr_wc <= i)
			assert_true(sim_step());
		assert_int_equal(ea.wc[i].status, WC_SUCCESS);
	}
	assert_in_range(slow_asked, NR, NR + 4);
	sim.tap = NULL;
	errors_end();
}

/* One that answers for ever, but never what is wanted, is given up like one that is silent. */
static void peer_that_answers_nothing(void **state)
{
	static const s32 at[] = { -1, 2 };	/* long received; beyond what is missing */

	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		u64 began;

		errors_begin();
		sim.cut = true;
		post(&ea, WR_RDMA_READ, 1, mem[0], SLOW_LEN, 0x1000, 5);
		began = time_mono_ns();
		while (ea.nr_wc == 0) {
			struct roce_pkt q = { .psn = psn_add(ea.qp->psn_una, at[i] & PSN_MASK) };

			assert_in_range(time_mono_ns() - began, 0, 2 * ROCE_STALE_NS);
			if (sim.nr_frames == 0) {
				slow_busy = time_mono_ns();
				slow_response(&q, 0, SLOW_LEN / 1024);
			}
			assert_true(sim_step());
		}
		assert_int_equal(ea.wc[0].status, WC_RETRY_EXC_ERR);
		assert_true(time_mono_ns() - began > ROCE_STALE_NS);
		errors_end();
	}
}

/*
 * What is sent again waits in the NIC when the first sending is answered after all, and from then on its memory is its user's to
 * change: it is a copy, whose ICRC stays right. What is sent for the first time is not copied.
 */
static unsigned pointed_to, seen_frames, lost_frames;

static void look_where_it_lies(unsigned from, const struct net_tx *tx)
{
	for (unsigned k = 1; k < tx->nr_frags; k++)
		pointed_to += (u8 *)tx->frag[k].ptr >= mem[from] && (u8 *)tx->frag[k].ptr < mem[from] + sizeof(mem[from]);
}

static bool lose_the_first(unsigned from, const u8 *frame, u32 len)
{
	if (len < 1024 || seen_frames++ != 0)
		return false;
	lost_frames++;
	return true;
}

static void sent_again_is_a_copy(void **state)
{
	static const unsigned opcode[] = { WR_RDMA_WRITE, WR_SEND, WR_RDMA_READ };

	for (unsigned i = 0; i < ARRAY_SIZE(opcode); i++) {
		struct roce_recv_wr r = { .nr_sge = 1, .sge = { { mem[1], 3 * 4096 } } };
		struct roce_mr *mr;
		u32 rkey;

		errors_begin();
		mr = roce_dev_mr_create(sim.node[1].dev, 7);
		rkey = roce_mr_bind(mr, mem[1], 3 * 4096, MR_REMOTE_WRITE | MR_REMOTE_READ);
		assert_int_equal(roce_post_recv(eb.qp, &r), 0);
		pointed_to = seen_frames = lost_frames = 0;
		sim.look = look_where_it_lies;
		sim.lose = lose_the_first;
		post(&ea, opcode[i], 1, mem[0], 3 * 4096, (u64)(uintptr_t)mem[1], rkey);
		sim_run(NSEC_PER_SEC);
		assert_int_equal(ea.nr_wc, 1);
		assert_int_equal(ea.wc[0].status, WC_SUCCESS);
		assert_int_equal(lost_frames, 1);
		assert_true(seen_frames > 12);
		assert_int_equal(pointed_to, 12);
		sim.look = NULL;
		sim.lose = NULL;
		roce_mr_unbind(mr);
		roce_mr_destroy(mr);
		errors_end();
	}
}

static void destroy_in_flight(void **state)
{
	errors_begin();
	for (unsigned i = 0; i < 100; i++)
		post(&ea, WR_SEND, i, mem[0], 5000, 0, 0);
	sim_step();
	errors_end();
	errors_begin();
	post(&ea, WR_SEND, 1, mem[0], 5000, 0, 0);
	roce_qp_error(ea.qp);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(ea.wc[0].status, WC_WR_FLUSH_ERR);
	assert_int_equal(ea.events, 0);
	errors_end();
}

/*
 * Where its owner says so, a QP outlives any loss: a wire cut for minutes, then one that loses every other packet. And soon after
 * the wire is back it goes on.
 */
static void persistent(void **state)
{
	u64 timeouts = counter_read(&nr_roce_timeout), back;

	errors_begin();
	ea.qp->attr.persist = eb.qp->attr.persist = true;
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(roce_post_recv(eb.qp, &(struct roce_recv_wr){ .nr_sge = 1, .sge = { { copy, 5000 } } }), 0);
	sim.cut = true;
	post(&ea, WR_SEND, 1, mem[0], 3000, 0, 0);
	sim_run(300 * NSEC_PER_SEC);
	assert_int_equal(roce_qp_state(ea.qp), QPS_RTS);
	assert_true(counter_read(&nr_roce_timeout) - timeouts > 300 * 3);
	sim.cut = false;
	back = time_mono_ns();
	while (ea.nr_wc == 0)
		assert_true(sim_step());
	assert_in_range(time_mono_ns() - back, 0, 4 * ROCE_RTO_DEFAULT_NS + NSEC_PER_MSEC);
	sim.drop = 5000;
	for (unsigned i = 0; i < 30; i++)
		post(&ea, WR_SEND, 2 + i, mem[0], 3000, 0, 0);
	sim_run(600 * NSEC_PER_SEC);
	sim.drop = 0;
	assert_int_equal(ea.nr_wc, 31);
	for (unsigned i = 0; i < 31; i++)
		assert_int_equal(ea.wc[i].status, WC_SUCCESS);
	assert_int_equal(eb.nr_wc, 31);
	errors_end();
}

/* A link address that is wrong (ARP has no checksum, and what ARP says is used for long) is put right before retries run out. */
static void wrong_neighbour(void **state)
{
	errors_begin();
	assert_int_equal(roce_post_recv(eb.qp, &(struct roce_recv_wr){ .nr_sge = 1, .sge = { { copy, 5000 } } }), 0);
	sim_run(NSEC_PER_MSEC);				/* what ARP is at */
	ea.qp->neigh->mac ^= 0x100;
	post(&ea, WR_SEND, 1, mem[0], 3000, 0, 0);
	sim_run(2 * NSEC_PER_SEC);
	assert_int_equal(ea.nr_wc, 1);
	assert_int_equal(ea.wc[0].status, WC_SUCCESS);
	assert_int_equal(eb.nr_wc, 1);
	errors_end();
}

/* One thread: whoever sleeps lets the clock run. */
void thread_sleep_ns(u64 ns) { shim_time_advance(ns); }

/* A device that keeps frames for ever keeps nobody waiting for ever, and may give them back later. */
static void destroy_with_a_stopped_device(void **state)
{
	static struct roce_qp *lost;	/* reachable: not a leak of the test's */
	u64 before = counter_read(&nr_roce_qp_lost), start;

	errors_begin();
	sim.late_done = true;
	for (unsigned i = 0; i < 3; i++)
		post(&ea, WR_SEND, i, mem[0], 500, 0, 0);
	assert_int_equal(ea.node->nr_late, 3);
	lost = ea.qp;
	start = time_mono_ns();
	roce_qp_destroy(ea.qp);
	assert_in_range(time_mono_ns() - start, ROCE_DRAIN_MS * NSEC_PER_MSEC, 2 * ROCE_DRAIN_MS * NSEC_PER_MSEC);
	assert_int_equal(counter_read(&nr_roce_qp_lost), before + 1);
	roce_cq_destroy(ea.cq);
	late_done(ea.node);
	assert_int_equal(atomic_read(&lost->tx.out), 0);
	assert_null(qp_find(ea.node->dev, lost->qpn));
	end_destroy(&eb);
	sim_stop();
}

/* --- what loss costs ---------------------------------------------------------------------------------------------- */

#define LOSS_LEN	65536
#define LOSS_DEPTH	16

static void receive_again(struct end *e, const struct roce_wc *wc)
{
	assert_int_equal(wc->status, WC_SUCCESS);
	assert_int_equal(wc->byte_len, LOSS_LEN);
	assert_int_equal(roce_post_recv(e->qp, &(struct roce_recv_wr){ .nr_sge = 1, .sge = { { mem[1], LOSS_LEN } } }), 0);
}

/* The time that count messages of 64 KiB take, over a wire of 100 MB/s and 100 us there and back. */
static u64 stream(u64 seed, u8 opcode, u16 ack_every, unsigned drop, unsigned count)
{
	struct roce_send_wr wr = { .opcode = opcode, .flags = WR_SIGNALED, .nr_sge = 1, .sge = { { mem[0], LOSS_LEN } } };
	unsigned posted = 0;
	struct roce_mr *mr;
	u64 start;

	sim_start(seed, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	pair_connect(&ea, &eb, 4096, 5, 6, ack_every);
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	wr.rkey = roce_mr_bind(mr, mem[1], LOSS_LEN, MR_REMOTE_WRITE | MR_REMOTE_READ);
	wr.remote_addr = (uintptr_t)mem[1];
	eb.on_wc = receive_again;
	for (unsigned i = 0; i < 2 * LOSS_DEPTH; i++)
		assert_int_equal(roce_post_recv(eb.qp, &(struct roce_recv_wr){ .nr_sge = 1, .sge = { { mem[1], LOSS_LEN } } }), 0);
	sim.rate = 100;
	sim.drop = drop;
	start = time_mono_ns();
	while (ea.nr_wc < count) {
		for (; posted < count && posted - ea.nr_wc < LOSS_DEPTH; posted++)
			assert_int_equal(roce_post_send(ea.qp, &wr), 0);
		assert_true(sim_step());
	}
	start = time_mono_ns() - start;
	assert_memory_equal(mem[0], mem[1], LOSS_LEN);
	eb.on_wc = NULL;
	roce_mr_destroy(mr);
	errors_end();
	return start;
}

/* One packet in a hundred lost costs less than half of the throughput, whoever asks for acknowledgements when. */
static void loss_costs_less_than_half(void **state)
{
	static const struct { u8 opcode; u16 ack_every; const char *what; } t[] = {
		{ WR_RDMA_WRITE, 0, "WRITE" }, { WR_RDMA_WRITE, 16, "WRITE, acknowledged by 16" }, { WR_RDMA_READ, 16, "READ" },
		{ WR_SEND, 0, "SEND" }, { WR_SEND, 16, "SEND, acknowledged by 16" },
	};

	fill(mem[0], LOSS_LEN);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		u64 whole = 0, lossy = 0;

		for (unsigned seed = 1; seed <= 6; seed++) {
			whole += stream(seed, t[i].opcode, t[i].ack_every, 0, 100);
			lossy += stream(seed, t[i].opcode, t[i].ack_every, 100, 100);
		}
		print_message("%s: %lu ms, with 1 %% lost %lu ms\n", t[i].what, (unsigned long)(whole / NSEC_PER_MSEC),
			      (unsigned long)(lossy / NSEC_PER_MSEC));
		assert_true(lossy < 2 * whole);
	}
}

/* The packets that are lost: by the order in which an end sends them, and by what they are. */
static struct {
	unsigned from, skip, count;
	bool (*is)(const struct roce_pkt *p);
} lose;

static bool is_request(const struct roce_pkt *p) { return p->op->flags & OPF_REQUEST; }
static bool is_response(const struct roce_pkt *p) { return p->op->kind == OP_READ_RESPONSE; }
static bool is_ack(const struct roce_pkt *p) { return p->op->kind == OP_ACK && p->syndrome == AETH_ACK_UNLIMITED; }
static bool is_nak(const struct roce_pkt *p) { return p->op->kind == OP_ACK && p->syndrome == AETH_NAK_PSN; }
static bool is_psn_7(const struct roce_pkt *p) { return is_request(p) && p->psn == 7; }
static bool is_psn_7_or_nak(const struct roce_pkt *p) { return is_psn_7(p) || is_nak(p); }

static bool lose_it(unsigned from, const u8 *frame, u32 len)
{
	struct roce_pkt p;

	if ((from != lose.from && lose.from != 2) || len < NET_DATA_OFF || !roce_parse(frame + NET_DATA_OFF, len - NET_DATA_OFF, &p) ||
	    !lose.is(&p))
		return false;
	if (lose.skip != 0) {
		lose.skip--;
		return false;
	}
	if (lose.count == 0)
		return false;
	lose.count--;
	return true;
}

/* What no NAK tells of is found out by probes: no retransmission timeout, and no retry used up. */
static void found_before_the_timeout(void **state)
{
	static const struct {
		const char *what;
		u8 opcode;
		u16 ack_every;
		unsigned messages, from, skip, count;
		bool (*is)(const struct roce_pkt *p);
	} t[] = {
		{ "a message", WR_SEND, 0, 1, 0, 0, 4, is_request },
		{ "a message that asked for nothing", WR_SEND, 16, 1, 0, 0, 4, is_request },
		{ "the last packet", WR_RDMA_WRITE, 0, 8, 0, 31, 1, is_request },
		{ "the last packets", WR_RDMA_WRITE, 16, 8, 0, 27, 5, is_request },
		{ "all packets", WR_RDMA_WRITE, 0, 8, 0, 0, 32, is_request },
		{ "the acknowledgement", WR_SEND, 0, 1, 1, 0, 1, is_ack },
		{ "a packet and its NAK", WR_RDMA_WRITE, 0, 8, 2, 0, 2, is_psn_7_or_nak },
		{ "a packet and its repetition", WR_RDMA_WRITE, 0, 8, 0, 0, 2, is_psn_7 },
		{ "a packet, its repetition and that one's", WR_SEND, 0, 8, 0, 0, 3, is_psn_7 },
		{ "a READ", WR_RDMA_READ, 0, 1, 0, 0, 1, is_request },
		{ "the last response", WR_RDMA_READ, 0, 4, 1, 15, 1, is_response },
		{ "all responses", WR_RDMA_READ, 0, 4, 1, 0, 16, is_response },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		u64 timeouts = counter_read(&nr_roce_timeout), probes = counter_read(&nr_roce_probe);
		bool read = t[i].opcode == WR_RDMA_READ;
		struct roce_mr *mr;
		u32 rkey;

		sim_start(i, 9000);
		end_create(&ea, 0);
		end_create(&eb, 1);
		pair_connect(&ea, &eb, 1024, 5, 6, t[i].ack_every);
		mr = roce_dev_mr_create(sim.node[1].dev, 7);
		rkey = roce_mr_bind(mr, mem[1], sizeof(mem[1]), MR_REMOTE_WRITE | MR_REMOTE_READ);
		fill(mem[read], 8 * 4096);
		memset(mem[!read], 0, 8 * 4096);
		lose.from = t[i].from;
		lose.skip = t[i].skip;
		lose.count = t[i].count;
		lose.is = t[i].is;
		sim.lose = lose_it;
		for (unsigned k = 0; k < t[i].messages; k++) {
			struct roce_recv_wr r = { .nr_sge = 1, .sge = { { mem[1] + k * 4096, 4096 } } };

			assert_int_equal(roce_post_recv(eb.qp, &r), 0);
		}
		for (unsigned k = 0; k < t[i].messages; k++)
			post(&ea, t[i].opcode, k, mem[0] + k * 4096, 4096, (u64)(uintptr_t)(mem[1] + k * 4096), rkey);
		while (ea.nr_wc < t[i].messages)
			assert_true(sim_step());
		print_message("lost: %s: %lu probes\n", t[i].what, (unsigned long)(counter_read(&nr_roce_probe) - probes));
		for (unsigned k = 0; k < t[i].messages; k++)
			assert_int_equal(ea.wc[k].status, WC_SUCCESS);
		assert_int_equal(lose.count, 0);
		assert_memory_equal(mem[0], mem[1], t[i].messages * 4096);
		assert_int_equal(counter_read(&nr_roce_timeout), timeouts);
		assert_true(counter_read(&nr_roce_probe) > probes);
		assert_int_equal(ea.qp->retries, 7);
		roce_mr_destroy(mr);
		errors_end();
	}
}

/* The answer to a probe says nothing of what was sent after it: that goes once. */
static void sent_after_a_probe(void **state)
{
	u64 probes = counter_read(&nr_roce_probe), cuts = counter_read(&nr_roce_window_cut), again = counter_read(&nr_roce_retransmit);

	errors_begin();
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(roce_post_recv(eb.qp, &(struct roce_recv_wr){ .nr_sge = 1, .sge = { { copy, 5000 } } }), 0);
	lose.from = 1;
	lose.skip = 0;
	lose.count = 1;
	lose.is = is_ack;
	sim.lose = lose_it;
	post(&ea, WR_SEND, 0, mem[0], 100, 0, 0);
	while (counter_read(&nr_roce_probe) == probes)
		assert_true(sim_step());
	assert_int_equal(ea.nr_wc, 0);
	post(&ea, WR_SEND, 1, mem[0], 100, 0, 0);
	while (ea.nr_wc < 2)
		assert_true(sim_step());
	assert_int_equal(eb.nr_wc, 2);
	assert_int_equal(counter_read(&nr_roce_retransmit) - again, 1);
	assert_int_equal(counter_read(&nr_roce_window_cut), cuts);
	errors_end();
}

/* Each loss halves the window, but for losses under way together, and not below its minimum; what arrives lets it grow. */
static void window_shrinks_and_grows(void **state)
{
	static const u32 want[] = { 4 * ROCE_WINDOW_MIN, 2 * ROCE_WINDOW_MIN, ROCE_WINDOW_MIN, ROCE_WINDOW_MIN };
	struct roce_mr *mr;
	u32 rkey;

	sim_start(1, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	pair_connect(&ea, &eb, 1024, 5, 6, 0);
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	rkey = roce_mr_bind(mr, mem[1], sizeof(mem[1]), MR_REMOTE_WRITE);
	ea.qp->window = 8 * ROCE_WINDOW_MIN;	/* so that a half and the minimum are not one */
	lose.from = 0;
	lose.is = is_request;
	sim.lose = lose_it;
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		u64 cuts = counter_read(&nr_roce_window_cut);

		lose.skip = 5;
		lose.count = 2;
		ea.nr_wc = 0;
		post(&ea, WR_RDMA_WRITE, 0, mem[0], 1024 * ROCE_WINDOW_MIN / 2, (u64)(uintptr_t)mem[1], rkey);
		while (ea.nr_wc == 0)
			assert_true(sim_step());
		assert_int_equal(counter_read(&nr_roce_window_cut) - cuts, 1);
		assert_in_range(ea.qp->window, want[i], want[i] + 1);
	}
	for (unsigned i = 0; i < 60; i++) {
		ea.nr_wc = 0;
		post(&ea, WR_RDMA_WRITE, 0, mem[0], 1024 * ROCE_WINDOW, (u64)(uintptr_t)mem[1], rkey);
		while (ea.nr_wc == 0)
			assert_true(sim_step());
	}
	assert_int_equal(ea.qp->window, ROCE_WINDOW);
	roce_mr_destroy(mr);
	errors_end();
}

/* --- any bytes ---------------------------------------------------------------------------------------------------- */

/* A packet with a right ICRC and the right addresses, otherwise anything: no crash, no write outside the region. */
static void hostile_packets(void **state)
{
	static u8 area[3 * 4096];
	struct roce_recv_wr r = { .nr_sge = 1, .sge = { { copy, 5000 } } };

	for (unsigned round = 0; round < 300; round++) {
		struct roce_mr *mr;
		u32 rkey;

		errors_begin();
		sim.rng += round;
		memset(area, 0x11, sizeof(area));
		mr = roce_dev_mr_create(sim.node[1].dev, 7);
		rkey = roce_mr_bind(mr, area + 4096, 4096, MR_REMOTE_WRITE | MR_REMOTE_READ | MR_REMOTE_ATOMIC);
		for (unsigned i = 0; i < 20; i++)
			assert_int_equal(roce_post_recv(eb.qp, &r), 0);
		post(&eb, WR_SEND, 1, mem[0], 3000, 0, 0);
		for (unsigned i = 0; i < 60; i++) {
			u8 f[2200];
			struct roce_pkt p = {
				.opcode = sim_random() % 8 ? sim_random() % 0x18 : sim_random(), .qpn = sim_random() % 16 ? eb.qp->qpn : 1,
				.pkey = 0xffff, .psn = psn_add((sim_random() % 2 ? eb.qp->epsn : eb.qp->psn_una) - 3, sim_random() % 8),
				.va = (u64)(uintptr_t)area + 4096 + (s32)(sim_random() % 5000 - 400), .rkey = rkey, .dma_len = sim_random() % 3000,
				.ackreq = sim_random(), .se = sim_random(), .syndrome = sim_random(), .msn = sim_random(),
				.qkey = ROCE_GSI_QKEY, .src_qpn = 1, .pad = sim_random() % 4,
			};
			u32 len = sim_random() % 3 ? 1024 : sim_random() % 2000, h, icrc;

			if (p.qpn == 1)
				len = 256;
			memset(f, sim_random(), sizeof(f));
			h = roce_build(f + NET_DATA_OFF, &p);
			if (p.qpn == 1) {
				u8 gid[16] = { sim_random() };
				struct cm_msg m = {
					.attr = 0x10 + sim_random() % 8, .local_id = sim_random(), .qpn = sim_random(),
					.local_gid = gid, .remote_gid = gid,
				};

				p.opcode = UD_SEND_ONLY;
				h = roce_build(f + NET_DATA_OFF, &p);
				cm_mad_build(f + NET_DATA_OFF + h, &m);
				if (sim_random() % 2)
					f[NET_DATA_OFF + h + sim_random() % 256] = sim_random();
			}
			eth_header(f, sim.node[1].dev->nif->mac, sim.node[0].dev->nif->mac, ETH_TYPE_IPV4);
			udp_header(f + ETH_HLEN, sim.node[0].ip, sim.node[1].ip, 0xc000, ROCE_UDP_PORT, h + len + 4, 1);
			icrc = roce_icrc_finish(roce_icrc_more(roce_icrc_start(f + ETH_HLEN, h), f + NET_DATA_OFF + h, len));
			memcpy(f + NET_DATA_OFF + h + len, &icrc, 4);
			if (sim_random() % 20 == 0)
				f[sim_random() % (NET_DATA_OFF + h + len)] ^= 1 << sim_random() % 8;
			wire_put(1, f, sim_random() % 20 ? NET_DATA_OFF + h + len + 4 : sim_random() % (NET_DATA_OFF + h + len + 4));
			if (sim_random() % 3 == 0)
				sim_step();
		}
		sim_run(100 * NSEC_PER_MSEC);
		for (unsigned k = 0; k < 4096; k++) {
			assert_int_equal(area[k], 0x11);
			assert_int_equal(area[8192 + k], 0x11);
		}
		roce_mr_destroy(mr);
		errors_end();
	}
}

int main(int argc, char **argv)	/* an argument: only tests that match it */
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mix_clean), cmocka_unit_test(acks_are_coalesced), cmocka_unit_test(told_messages_need_no_acknowledgement),
		cmocka_unit_test(told_messages_need_no_probe),
		cmocka_unit_test(told_messages_over_a_bad_wire), cmocka_unit_test(told_what_cannot_be), cmocka_unit_test(rights_and_bounds),
		cmocka_unit_test(peer_that_answers_all), cmocka_unit_test(peer_that_answers_nothing),
		cmocka_unit_test(sent_again_is_a_copy), cmocka_unit_test(region_of_pages),
		cmocka_unit_test(unbind_in_the_middle), cmocka_unit_test(receiver_not_ready),
		cmocka_unit_test(psn_nak_after_rnr_nak), cmocka_unit_test(retries_exceeded),
		cmocka_unit_test(message_too_long), cmocka_unit_test(queue_limits), cmocka_unit_test(no_memory_to_gather),
		cmocka_unit_test(receiver_never_ready), cmocka_unit_test(immediate_without_receive), cmocka_unit_test(unsignalled_failure),
		cmocka_unit_test(edges_of_the_numbers), cmocka_unit_test(told_and_goes_on), cmocka_unit_test(shared_receives), cmocka_unit_test(drain),
		cmocka_unit_test(drain_answers), cmocka_unit_test(counted_and_dropped), cmocka_unit_test(invalidate),
		cmocka_unit_test(destroy_in_flight),
		cmocka_unit_test(destroy_with_a_stopped_device), cmocka_unit_test(persistent), cmocka_unit_test(wrong_neighbour),
		cmocka_unit_test(loss_costs_less_than_half), cmocka_unit_test(found_before_the_timeout),
		cmocka_unit_test(sent_after_a_probe),
		cmocka_unit_test(window_shrinks_and_grows), cmocka_unit_test(mix_faults), cmocka_unit_test(hostile_packets),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
