/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/packet.c net/roce/tx.c net/roce/rx.c net/roce/req.c net/roce/resp.c net/roce/cc.c net/roce/ud.c net/roce/qp.c net/roce/cq.c net/roce/mr.c net/roce/srq.c net/roce/cm_mad.c net/roce/cm.c net/roce/dev.c net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c */
/*
 * Requests whose opcodes do not follow each other, or whose packets are too short or too long (9.7.4.1): each is refused by a NAK
 * that says so, is counted, and changes nothing; what is only nearly so is executed. And what is dropped without an answer, each
 * cause by its own counter.
 */
#include "net/roce/sim_test.h"

void thread_sleep_ns(u64 ns) { shim_time_advance(ns); }

#define MTU	1024
#define PSN	5

static struct end ea, eb;
static u8 area[4096] __aligned(8), in[4096], naks[4], big[8 * MTU];
static unsigned nr_naks;
static u32 nak_psn;

static void watch(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;

	if (from != 1 || !roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) || p.opcode != RC_ACK ||
	    (p.syndrome & AETH_KIND_MASK) == AETH_KIND_ACK)
		return;
	assert_true(nr_naks < ARRAY_SIZE(naks));
	naks[nr_naks++] = p.syndrome;
	nak_psn = p.psn;
}

static u32 from_ip;			/* 0: node 0's */

static void put(struct roce_pkt *p, u32 len)
{
	static u8 f[NET_DATA_OFF + ROCE_MAX_HEADERS + 2 * MTU + ICRC_LEN];

	p->pad = -len & 3;
	wire_put(1, f, frame_make(f, 1, from_ip != 0 ? from_ip : sim.node[0].ip, p, 0x5a, len + p->pad));
}

static void inject(struct roce_pkt *p, u32 len)
{
	put(p, len);
	sim_run(NSEC_PER_MSEC);
}

#define FATAL(X) X(none) X(sequence) X(length) X(receive) X(alignment) X(resources) X(access) X(invalidate)
static const u64 zero;
#define nr_roce_nak_none zero
#define AS_FATAL_COUNTER(c) &nr_roce_nak_##c,
#define AS_FATAL_ENUM(c) FATAL_##c,
static const u64 *const fatal[] = { FATAL(AS_FATAL_COUNTER) };
enum { FATAL(AS_FATAL_ENUM) NR_FATAL };
static u64 fatal_before[NR_FATAL], all_before;

static void fatal_note(void)
{
	for (unsigned i = 0; i < NR_FATAL; i++)
		fatal_before[i] = counter_read(fatal[i]);
	all_before = counter_read(&nr_roce_tx_nak_fatal);
}

/* Counted since for this cause, and for no other; FATAL_none: for none. */
static bool fatal_is(unsigned cause)
{
	for (unsigned i = 1; i < NR_FATAL; i++) {
		if (counter_read(fatal[i]) - fatal_before[i] != (i == cause))
			return false;
	}
	return counter_read(&nr_roce_tx_nak_fatal) - all_before == (cause != FATAL_none);
}

struct one { u8 opcode; u16 len; u16 dma_len, off; };
static const struct {
	unsigned nr;
	struct one p[3];
	unsigned refused;		/* the last one, for this */
} rows[] = {
	{ 3, { { RC_SEND_FIRST, MTU }, { RC_SEND_MIDDLE, MTU }, { RC_SEND_LAST, 1 } } },
	{ 3, { { RC_SEND_FIRST, MTU }, { RC_SEND_LAST_IMM, MTU }, { RC_SEND_ONLY, 0 } } },
	{ 3, { { RC_WRITE_FIRST, MTU, 2 * MTU + 1 }, { RC_WRITE_MIDDLE, MTU }, { RC_WRITE_LAST, 1 } } },
	{ 3, { { RC_WRITE_ONLY, 0, 0 }, { RC_WRITE_ONLY, MTU, MTU }, { RC_READ_REQUEST, 0, 3000 } } },
	/* what does not follow */
	{ 1, { { RC_SEND_MIDDLE, MTU } }, FATAL_sequence },
	{ 1, { { RC_SEND_LAST, 8 } }, FATAL_sequence },
	{ 1, { { RC_WRITE_MIDDLE, MTU } }, FATAL_sequence },
	{ 1, { { RC_WRITE_LAST_IMM, 8 } }, FATAL_sequence },
	{ 2, { { RC_SEND_FIRST, MTU }, { RC_SEND_FIRST, MTU } }, FATAL_sequence },
	{ 2, { { RC_SEND_FIRST, MTU }, { RC_SEND_ONLY, 8 } }, FATAL_sequence },
	{ 2, { { RC_SEND_FIRST, MTU }, { RC_WRITE_LAST, 8 } }, FATAL_sequence },
	{ 2, { { RC_SEND_FIRST, MTU }, { RC_WRITE_ONLY, 8, 8 } }, FATAL_sequence },
	{ 2, { { RC_SEND_FIRST, MTU }, { RC_READ_REQUEST, 0, 8 } }, FATAL_sequence },
	{ 2, { { RC_SEND_FIRST, MTU }, { RC_FETCH_ADD, 0 } }, FATAL_sequence },
	{ 2, { { RC_WRITE_FIRST, MTU, 2 * MTU }, { RC_SEND_MIDDLE, MTU } }, FATAL_sequence },
	{ 2, { { RC_WRITE_FIRST, MTU, 2 * MTU }, { RC_SEND_LAST_INV, 8 } }, FATAL_sequence },
	{ 3, { { RC_SEND_FIRST, MTU }, { RC_SEND_LAST, 8 }, { RC_SEND_MIDDLE, MTU } }, FATAL_sequence },
	/* too short, too long */
	{ 1, { { RC_SEND_FIRST, MTU - 1 } }, FATAL_length },
	{ 1, { { RC_SEND_FIRST, MTU + 1 } }, FATAL_length },
	{ 2, { { RC_SEND_FIRST, MTU }, { RC_SEND_MIDDLE, MTU - 4 } }, FATAL_length },
	{ 2, { { RC_SEND_FIRST, MTU }, { RC_SEND_LAST, 0 } }, FATAL_length },
	{ 2, { { RC_SEND_FIRST, MTU }, { RC_SEND_LAST, MTU + 1 } }, FATAL_length },
	{ 1, { { RC_SEND_ONLY, MTU + 1 } }, FATAL_length },
	{ 1, { { RC_WRITE_ONLY, MTU + 1, MTU + 1 } }, FATAL_length },
	{ 1, { { RC_WRITE_ONLY, 7, 8 } }, FATAL_length },
	{ 1, { { RC_WRITE_ONLY, 9, 8 } }, FATAL_length },
	{ 1, { { RC_WRITE_FIRST, MTU, MTU - 1 } }, FATAL_length },
	{ 2, { { RC_WRITE_FIRST, MTU, MTU + 8 }, { RC_WRITE_LAST, 7 } }, FATAL_length },
	{ 2, { { RC_WRITE_FIRST, MTU, MTU + 8 }, { RC_WRITE_LAST, 9 } }, FATAL_length },
	{ 2, { { RC_WRITE_FIRST, MTU, MTU + 8 }, { RC_WRITE_MIDDLE, MTU } }, FATAL_length },
	{ 2, { { RC_WRITE_FIRST, MTU, MTU }, { RC_WRITE_LAST, 0 } }, FATAL_length },
	{ 1, { { RC_FETCH_ADD, 0, 0, 4 } }, FATAL_alignment },
	{ 1, { { RC_CMP_SWAP, 0, 0, 1 } }, FATAL_alignment },
};

static void sequences(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct roce_recv_wr r = { .nr_sge = 1, .sge = { { in, sizeof(in) } } };
		struct roce_mr *mr;
		u32 rkey;

		sim_start(3, 9000);
		end_create(&ea, 0);
		end_create(&eb, 1);
		pair_connect(&ea, &eb, MTU, PSN, 6, 0);
		mr = roce_dev_mr_create(sim.node[1].dev, 7);
		rkey = roce_mr_bind(mr, area, sizeof(area), MR_REMOTE_WRITE | MR_REMOTE_READ | MR_REMOTE_ATOMIC);
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(roce_post_recv(eb.qp, &r), 0);
		sim.tap = watch;
		nr_naks = 0;
		memset(area, 0, sizeof(area));
		fatal_note();
		for (unsigned k = 0; k < rows[i].nr; k++) {
			const struct one *o = &rows[i].p[k];
			bool bad = rows[i].refused != FATAL_none && k + 1 == rows[i].nr;
			u32 psn = eb.qp->epsn, written = 0;
			struct roce_pkt p = {
				.opcode = o->opcode, .pkey = ROCE_PKEY, .qpn = eb.qp->qpn, .psn = psn, .rkey = rkey, .dma_len = o->dma_len,
				.va = (uintptr_t)area + o->off, .ackreq = true, .swap_add = 1,
			};

			if (bad)
				memset(area, 0, sizeof(area));
			inject(&p, o->len);
			for (unsigned b = 0; b < sizeof(area); b++)
				written += area[b] != 0;
			if (nr_naks != bad || (bad && (written != 0 || eb.qp->epsn != psn)) || (!bad && eb.qp->epsn == psn))
				fail_msg("row %u, packet %u (%s of %u bytes): %u NAKs, %u bytes written", i, k, roce_ops[o->opcode].name,
					 o->len, nr_naks, written);
			if (!bad)
				continue;
			assert_int_equal(naks[0], AETH_NAK_INVALID);
			assert_int_equal(nak_psn, psn);
			assert_int_equal(eb.event[ROCE_EVENT_QP_REQ_ERR], 1);
		}
		if (!fatal_is(rows[i].refused))
			fail_msg("row %u: not counted as %u", i, rows[i].refused);
		assert_int_equal(roce_qp_state(eb.qp), rows[i].refused != FATAL_none ? QPS_ERR : QPS_RTS);
		roce_mr_destroy(mr);
		end_destroy(&ea);
		end_destroy(&eb);
		sim_stop();
	}
}

/* What is refused for another reason than its own form: each by its cause, and our user's event says which of both kinds it is. */
static void refused_by_cause(void **state)
{
	static const struct {
		unsigned cause;
		u8 opcode, syndrome;
		u16 len, dma_len;
		u8 access, rd_in;
		bool key;			/* a region's; else none's */
	} t[] = {
		{ FATAL_receive, RC_SEND_ONLY, AETH_NAK_INVALID, 101, 0, 0, 4, true },
		{ FATAL_resources, RC_READ_REQUEST, AETH_NAK_INVALID, 0, 8, MR_REMOTE_READ, 0, true },
		{ FATAL_resources, RC_FETCH_ADD, AETH_NAK_INVALID, 0, 0, MR_REMOTE_ATOMIC, 0, true },
		{ FATAL_access, RC_READ_REQUEST, AETH_NAK_ACCESS, 0, 8, MR_REMOTE_WRITE, 4, true },
		{ FATAL_access, RC_READ_REQUEST, AETH_NAK_ACCESS, 0, 8, MR_REMOTE_READ, 4, false },
		{ FATAL_access, RC_FETCH_ADD, AETH_NAK_ACCESS, 0, 0, MR_REMOTE_READ, 4, true },
		{ FATAL_access, RC_WRITE_ONLY, AETH_NAK_ACCESS, 8, 8, MR_REMOTE_READ, 4, true },
		{ FATAL_access, RC_WRITE_FIRST, AETH_NAK_ACCESS, MTU, sizeof(area) + 1, MR_REMOTE_WRITE, 4, true },
		{ FATAL_invalidate, RC_SEND_ONLY_INV, AETH_NAK_ACCESS, 8, 0, MR_REMOTE_READ, 4, false },
		{ FATAL_none, RC_SEND_ONLY, 0, 100, 0, 0, 4, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		bool bad = t[i].cause != FATAL_none, access = t[i].syndrome == AETH_NAK_ACCESS;
		struct roce_pkt p = {
			.opcode = t[i].opcode, .pkey = ROCE_PKEY, .psn = PSN, .va = (uintptr_t)area, .dma_len = t[i].dma_len, .ackreq = true,
		};
		struct roce_mr *mr;

		sim_start(3, 9000);
		end_create(&ea, 0);
		end_create(&eb, 1);
		pair_connect(&ea, &eb, MTU, PSN, 6, 0);
		eb.qp->attr.rd_in = t[i].rd_in;
		mr = roce_dev_mr_create(sim.node[1].dev, 7);
		p.rkey = p.imm = roce_mr_bind(mr, area, sizeof(area), t[i].access) + !t[i].key;
		p.qpn = eb.qp->qpn;
		assert_int_equal(roce_post_recv(eb.qp, &(struct roce_recv_wr){ .nr_sge = 1, .sge = { { in, 100 } } }), 0);
		sim.tap = watch;
		nr_naks = 0;
		fatal_note();
		inject(&p, t[i].len);
		if (!fatal_is(t[i].cause))
			fail_msg("row %u: not counted as %u", i, t[i].cause);
		assert_int_equal(nr_naks, bad);
		if (bad)
			assert_int_equal(naks[0], t[i].syndrome);
		assert_int_equal(eb.event[ROCE_EVENT_QP_REQ_ERR], bad && !access);
		assert_int_equal(eb.event[ROCE_EVENT_QP_ACCESS_ERR], bad && access);
		roce_mr_destroy(mr);
		end_destroy(&ea);
		end_destroy(&eb);
		sim_stop();
	}
}

/* A response that cannot be the next one of a READ ends the request and the QP, and is counted. */
static void bad_responses(void **state)
{
	static const struct { u8 opcode; u16 len; bool bad; } t[] = {
		{ RC_READ_RESP_FIRST, MTU, false }, { RC_READ_RESP_FIRST, MTU - 4, true }, { RC_READ_RESP_FIRST, MTU + 4, true },
		{ RC_READ_RESP_ONLY, MTU, true }, { RC_READ_RESP_LAST, MTU, true }, { RC_READ_RESP_ONLY, 8, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct roce_send_wr wr = { .opcode = WR_RDMA_READ, .nr_sge = 1, .sge = { { area, MTU + 8 } } };
		struct roce_pkt p = { .opcode = t[i].opcode, .pkey = ROCE_PKEY, .psn = 6, .syndrome = AETH_ACK_UNLIMITED };
		u64 bad = counter_read(&nr_roce_bad_response);

		sim_start(3, 9000);
		end_create(&ea, 0);
		end_create(&eb, 1);
		pair_connect(&ea, &eb, MTU, PSN, 6, 0);
		p.qpn = eb.qp->qpn;
		sim.cut = true;
		assert_int_equal(roce_post_send(eb.qp, &wr), 0);
		inject(&p, t[i].len);
		assert_int_equal(counter_read(&nr_roce_bad_response) - bad, t[i].bad);
		assert_int_equal(roce_qp_state(eb.qp), t[i].bad ? QPS_ERR : QPS_RTS);
		assert_int_equal(eb.nr_wc, t[i].bad);
		if (t[i].bad)
			assert_int_equal(eb.wc[0].status, WC_BAD_RESP_ERR);
		end_destroy(&ea);
		end_destroy(&eb);
		sim_stop();
	}
}

/* Responses of a READ of eight packets from psn 6 on: [from, to) but for one that is lost; a repetition begins with its first. */
static void answers(u32 from, u32 to, u32 lost)
{
	u64 all = counter_read(&nr_roce_rx);

	for (u32 i = from; i < to; i++) {
		u8 opcode = i == 7 ? RC_READ_RESP_LAST : i == from ? RC_READ_RESP_FIRST : RC_READ_RESP_MIDDLE;
		struct roce_pkt p = { .opcode = opcode, .pkey = ROCE_PKEY, .qpn = eb.qp->qpn, .psn = 6 + i, .syndrome = AETH_ACK_UNLIMITED };

		if (i == lost)
			continue;
		put(&p, MTU);
		all++;
	}
	while (counter_read(&nr_roce_rx) < all)
		assert_true(sim_step());
}

/*
 * A peer that answers each repetition in full, one after the other, is found out by what still comes of the earlier ones; then it is asked
 * for what is missing when it is silent for the timeout, and neither at each gap nor by probes.
 */
static void answered_in_full(void **state)
{
	struct roce_send_wr wr = { .opcode = WR_RDMA_READ, .flags = WR_SIGNALED, .nr_sge = 1, .sge = { { big, 8 * MTU } } };
	u64 gaps = counter_read(&nr_roce_read_gap), probes, timeouts;

	sim_start(3, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	pair_connect(&ea, &eb, MTU, PSN, 6, 0);
	sim.cut = true;
	assert_int_equal(roce_post_send(eb.qp, &wr), 0);
	answers(0, 8, 1);			/* asked for again from 1 on */
	assert_int_equal(counter_read(&nr_roce_read_gap) - gaps, 1);
	answers(1, 8, 3);			/* at once, as a peer of ours does: asked at the next gap, too */
	assert_int_equal(counter_read(&nr_roce_read_gap) - gaps, 2);
	for (unsigned i = 0; i < 50; i++)
		answers(1, 8, 3);		/* what it was asked for earlier, again and again */
	assert_true(eb.qp->in_full);
	answers(3, 8, 5);
	assert_int_equal(counter_read(&nr_roce_read_gap) - gaps, 2);
	probes = counter_read(&nr_roce_probe);
	timeouts = counter_read(&nr_roce_timeout);
	while (counter_read(&nr_roce_timeout) == timeouts)
		assert_true(sim_step());
	assert_int_equal(counter_read(&nr_roce_probe), probes);
	answers(5, 8, 8);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(eb.nr_wc, 1);
	assert_int_equal(eb.wc[0].status, WC_SUCCESS);
	end_destroy(&ea);
	end_destroy(&eb);
	sim_stop();
}

/* A wire that doubles makes no such peer of one of ours: between two old answers there is always a new one. */
static void answers_doubled(void **state)
{
	struct roce_send_wr wr = { .opcode = WR_RDMA_READ, .flags = WR_SIGNALED, .nr_sge = 1, .sge = { { in, 4096 } } };
	u64 old = counter_read(&nr_roce_drop_response);
	struct roce_mr *mr;

	sim_start(3, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	pair_connect(&ea, &eb, 256, 6, PSN, 0);
	mr = roce_dev_mr_create(eb.node->dev, 7);
	wr.rkey = roce_mr_bind(mr, area, sizeof(area), MR_REMOTE_READ);
	wr.remote_addr = (uintptr_t)area;
	sim.dup = 10000;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(roce_post_send(ea.qp, &wr), 0);
		sim_run(NSEC_PER_MSEC);
		assert_int_equal(ea.nr_wc, i + 1);
	}
	assert_true(counter_read(&nr_roce_drop_response) - old > 4 * ROCE_STALE_MAX);
	assert_false(ea.qp->in_full);
	roce_mr_destroy(mr);
	end_destroy(&ea);
	end_destroy(&eb);
	sim_stop();
}

/* A reserved opcode, or bytes where there is no payload: dropped and counted, and nothing else happens. */
static void malformed(void **state)
{
	static const struct { u8 opcode; u16 len; } t[] = { { 0x15, 8 }, { 0x1f, 0 }, { RC_READ_REQUEST, 4 }, { RC_FETCH_ADD, 8 }, { RC_ACK, 4 } };

	sim_start(3, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	pair_connect(&ea, &eb, MTU, PSN, 6, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		u64 dropped = counter_read(&nr_roce_drop_malformed), sent = counter_read(&nr_roce_tx);

		inject(&(struct roce_pkt){ .opcode = t[i].opcode, .pkey = ROCE_PKEY, .qpn = eb.qp->qpn, .psn = PSN, .ackreq = true }, t[i].len);
		assert_int_equal(counter_read(&nr_roce_drop_malformed) - dropped, 1);
		assert_int_equal(counter_read(&nr_roce_tx), sent);
		assert_int_equal(eb.qp->epsn, PSN);
	}
	assert_int_equal(roce_qp_state(eb.qp), QPS_RTS);
	end_destroy(&ea);
	end_destroy(&eb);
	sim_stop();
}

#define DROPS(X) X(source) X(state) X(qkey) X(no_recv) X(length) X(mad) X(response) X(ack) X(busy) X(duplicate) X(transport) X(no_qp)
#define AS_COUNTER(c) &nr_roce_drop_##c,
#define AS_ENUM(c) DROP_##c,
static const u64 *const drop[] = { DROPS(AS_COUNTER) };
enum { DROPS(AS_ENUM) NR_DROPS };

/* One packet; it is dropped for this cause and for no other. */
static void dropped(struct roce_pkt p, u32 len, unsigned cause)
{
	u64 before[NR_DROPS];

	for (unsigned i = 0; i < NR_DROPS; i++)
		before[i] = counter_read(drop[i]);
	p.pkey = ROCE_PKEY;
	inject(&p, len);
	for (unsigned i = 0; i < NR_DROPS; i++) {
		if (counter_read(drop[i]) - before[i] != (i == cause))
			fail_msg("opcode %02x: counter %u, not %u", p.opcode, i, cause);
	}
}

static void by_cause(void **state)
{
	struct roce_qp_init init = { .type = QPT_UD, .max_send_wr = 8, .max_recv_wr = 8 };
	struct roce_recv_wr r = { .nr_sge = 1, .sge = { { in, 100 } } };
	struct roce_pkt rc = { .opcode = RC_SEND_ONLY, .psn = PSN }, ud = { .opcode = UD_SEND_ONLY, .qkey = 5, .src_qpn = 9 };
	struct roce_qp *dgram;

	sim_start(3, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	rc.qpn = eb.qp->qpn;
	dropped(rc, 0, DROP_state);			/* RESET */
	assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	dropped(rc, 0, DROP_state);			/* INIT */
	pair_connect(&ea, &eb, MTU, PSN, 6, 0);
	from_ip = sim.node[0].ip + 7;
	dropped(rc, 0, DROP_source);
	from_ip = 0;
	rc.opcode = RC_READ_RESP_ONLY;
	rc.psn = eb.qp->psn_una;
	dropped(rc, 8, DROP_response);
	rc.opcode = RC_ACK;
	dropped(rc, 0, DROP_ack);

	init.send_cq = init.recv_cq = eb.cq;
	dgram = roce_dev_qp_create(sim.node[1].dev, &init);
	assert_int_equal(roce_qp_ud_start(dgram, 5), 0);
	ud.qpn = dgram->qpn;
	dropped(ud, 8, DROP_no_recv);
	assert_int_equal(roce_post_recv(dgram, &r), 0);
	dropped(ud, 61, DROP_length);			/* 40 bytes are the GRH's */
	ud.qkey = 6;
	dropped(ud, 8, DROP_qkey);
	assert_int_equal(eb.nr_wc, 0);
	ud.qpn = ROCE_GSI_QPN;
	dropped(ud, MAD_LEN, DROP_qkey);
	ud.qkey = ROCE_GSI_QKEY;
	dropped(ud, MAD_LEN - 4, DROP_mad);
	dropped(ud, MAD_LEN, DROP_mad);			/* not from QP 1 */
	ud.opcode = RC_SEND_ONLY;
	dropped(ud, MAD_LEN, DROP_mad);
	roce_qp_error(eb.qp);
	rc.opcode = RC_SEND_ONLY;
	rc.psn = PSN;
	dropped(rc, 0, DROP_state);
	roce_qp_destroy(dgram);
	end_destroy(&ea);
	end_destroy(&eb);
	sim_stop();
}

/* READs that come faster than their responses leave: some are dropped, none is answered wrongly, and the device's rest frees them all. */
static void more_reads_than_frames(void **state)
{
	struct roce_pkt p = { .opcode = RC_READ_REQUEST, .pkey = ROCE_PKEY, .dma_len = sizeof(area), .ackreq = true };
	u64 busy = counter_read(&nr_roce_drop_busy);
	struct roce_mr *mr;

	sim_start(3, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	pair_connect(&ea, &eb, 256, PSN, 6, 0);
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	p.rkey = roce_mr_bind(mr, area, sizeof(area), MR_REMOTE_READ);
	p.va = (uintptr_t)area;
	p.qpn = eb.qp->qpn;
	sim.node[1].full = 1U << 30;
	for (unsigned i = 0; i < 2 * ROCE_MAX_RD; i++) {
		p.psn = eb.qp->epsn;
		inject(&p, 0);
	}
	assert_true(counter_read(&nr_roce_drop_busy) > busy);
	assert_in_range(psn_diff(eb.qp->epsn, PSN), 16 * ROCE_MAX_RD, 16 * (2 * ROCE_MAX_RD - 1));
	sim.node[1].full = 0;
	sim_run(NSEC_PER_SEC);
	assert_int_equal(eb.qp->rd_tail, eb.qp->rd_head);
	assert_int_equal(roce_qp_state(eb.qp), QPS_RTS);
	roce_mr_destroy(mr);
	end_destroy(&ea);
	end_destroy(&eb);
	sim_stop();
}

/* --- READs whose responses wait for frames --------------------------------------------------------------------------- */

static struct roce_mr *area_mr;
static struct roce_pkt read_area;

/* A READ of the area is 16 packets: six take all the frames there are, and then nr more wait; the last before them waits for its rest. */
static void reads_wait_behind(u32 first, unsigned nr)
{
	sim_start(3, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	pair_connect(&ea, &eb, 256, PSN, 6, 0);
	area_mr = roce_dev_mr_create(sim.node[1].dev, 7);
	read_area = (struct roce_pkt){
		.opcode = RC_READ_REQUEST, .pkey = ROCE_PKEY, .dma_len = sizeof(area), .ackreq = true, .qpn = eb.qp->qpn,
		.rkey = roce_mr_bind(area_mr, area, sizeof(area), MR_REMOTE_READ), .va = (uintptr_t)area,
	};
	sim.node[1].full = 1U << 30;
	for (unsigned i = 0; i < 6 + nr; i++) {
		read_area.psn = eb.qp->epsn;
		read_area.dma_len = i == 0 && first != 0 ? first : sizeof(area);
		inject(&read_area, 0);
	}
}

static void reads_wait(unsigned nr)
{
	reads_wait_behind(0, nr);
	assert_int_equal(eb.qp->rd_head - eb.qp->rd_tail, nr);
}

static void reads_end(void)
{
	roce_mr_destroy(area_mr);
	end_destroy(&ea);
	end_destroy(&eb);
	sim_stop();
}

static unsigned responses;
static u32 last_response;

static void watch_responses(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;

	if (from == 1 && roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) && p.op->kind == OP_READ_RESPONSE) {
		responses++;
		last_response = p.psn;
	}
}

/* A READ that the wire doubles while it is yet to be answered is answered once, and those behind it are, too. */
static void doubled_before_its_answer(void **state)
{
	reads_wait(3);
	read_area.psn = psn_add(PSN, 6 * 16);
	inject(&read_area, 0);
	assert_int_equal(eb.qp->rd_head - eb.qp->rd_tail, 3);
	sim.tap = watch_responses;
	responses = 0;
	sim.node[1].full = 0;
	sim_run(NSEC_PER_SEC);
	assert_int_equal(responses, 9 * 16);
	assert_int_equal(last_response, psn_add(eb.qp->epsn, PSN_MASK));
	sim.tap = NULL;
	reads_end();
}

/* What the wire carries of responses: runs of PSNs from the first on, each begun and ended as a READ's answer is. */
static struct { u32 from, nr; } run[16];
static unsigned nr_runs;

static void watch_runs(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;

	if (from != 1 || !roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) || p.op->kind != OP_READ_RESPONSE)
		return;
	if (p.op->flags & OPF_FIRST) {
		assert_true(nr_runs < ARRAY_SIZE(run));
		run[nr_runs].from = psn_diff(p.psn, PSN);
		run[nr_runs++].nr = 0;
	}
	assert_true(nr_runs != 0);
	assert_int_equal(psn_diff(p.psn, PSN), run[nr_runs - 1].from + run[nr_runs - 1].nr);
	run[nr_runs - 1].nr++;
}

/* From what is built already, which is cut off where the frames end, everything that follows. */
static void runs_are(const u8 (*want)[2], unsigned nr)
{
	sim.tap = watch_runs;
	nr_runs = 0;
	sim.node[1].full = 0;
	sim_run(NSEC_PER_SEC);
	sim.tap = NULL;
	for (unsigned i = 0; i < MIN(nr, nr_runs); i++) {
		if (run[i].from != want[i][0] || run[i].nr != want[i][1])
			fail_msg("answer %u: %u from %u on", i, run[i].nr, run[i].from);
	}
	assert_int_equal(nr_runs, nr);
	assert_int_equal(eb.qp->rd_head, eb.qp->rd_tail);
	assert_int_equal(roce_qp_state(eb.qp), QPS_RTS);
}

/* A READ that the wire doubles after its answer takes nothing from those that are yet to be answered. */
static void doubled_after_its_answer(void **state)
{
	static const u8 want[][2] = {
		{ 0, 16 }, { 16, 16 }, { 32, 16 }, { 48, 16 }, { 64, 16 }, { 80, 16 }, { 16, 16 }, { 96, 16 }, { 112, 16 }, { 128, 16 },
	};

	reads_wait(3);
	read_area.psn = psn_add(PSN, 16);
	inject(&read_area, 0);
	runs_are(want, ARRAY_SIZE(want));
	reads_end();
}

/* A requester that goes back to an answer that was lost is answered from there on, in order, and once. */
static void gone_back_before_the_answer(void **state)
{
	static const u8 want[][2] = {
		{ 0, 16 }, { 16, 16 }, { 32, 16 }, { 48, 16 }, { 64, 16 }, { 80, 16 }, { 50, 14 }, { 64, 16 }, { 80, 16 }, { 96, 16 }, { 112, 16 },
	};

	reads_wait(2);
	for (unsigned round = 0; round < 2; round++) {		/* and once more: it is owed by now */
		struct roce_pkt rest = read_area;

		rest.psn = psn_add(PSN, 50);
		rest.va += 512;
		rest.dma_len -= 512;
		inject(&rest, 0);
		for (unsigned i = 4; i < 8; i++) {
			read_area.psn = psn_add(PSN, 16 * i);
			inject(&read_area, 0);
		}
	}
	runs_are(want, ARRAY_SIZE(want));
	reads_end();
}

/* An answer half of which is sent: asked for again from the middle of that, then from before it; the other half stays owed. */
static void gone_back_into_an_answer(void **state)
{
	static const u8 want[][2] = {
		{ 0, 8 }, { 8, 16 }, { 24, 16 }, { 40, 16 }, { 56, 16 }, { 72, 16 }, { 88, 8 }, { 56, 16 }, { 89, 15 }, { 104, 16 },
	};
	static const u8 at[] = { 4, 1, 7 };

	reads_wait_behind(2048, 2);
	assert_int_equal(eb.qp->rd_head - eb.qp->rd_tail, 2);
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		struct roce_pkt p = read_area;

		p.psn = psn_add(PSN, 88 + at[i]);
		p.va += 256 * at[i];
		p.dma_len -= 256 * at[i];
		inject(&p, 0);
	}
	read_area.psn = psn_add(PSN, 56);
	inject(&read_area, 0);
	runs_are(want, ARRAY_SIZE(want));
	reads_end();
}

/* The same, and the region is unbound: what was sent before is not missed, what was not is refused. */
static void gone_back_and_unbound(void **state)
{
	reads_wait_behind(2048, 1);
	read_area.psn = psn_add(PSN, 88);
	inject(&read_area, 0);
	roce_mr_unbind(area_mr);
	nr_naks = 0;
	sim.tap = watch;
	sim.node[1].full = 0;
	sim_run(NSEC_PER_SEC);
	sim.tap = NULL;
	assert_int_equal(nr_naks, 1);
	assert_int_equal(naks[0], AETH_NAK_ACCESS);
	assert_int_equal(nak_psn, psn_add(PSN, 96));
	assert_int_equal(roce_qp_state(eb.qp), QPS_ERR);
	reads_end();
}

/* An atomic that comes again before the answers to what followed it: from memory, and they are sent behind it. */
static void atomic_doubled_after_its_answer(void **state)
{
	static u64 word;
	struct roce_mr *mr;
	struct roce_pkt p;

	reads_wait(0);
	sim.node[1].full = 0;
	sim_run(NSEC_PER_SEC);
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	word = 7;
	p = (struct roce_pkt){
		.opcode = RC_FETCH_ADD, .pkey = ROCE_PKEY, .qpn = eb.qp->qpn, .psn = eb.qp->epsn, .va = (uintptr_t)&word, .swap_add = 1,
		.rkey = roce_mr_bind(mr, &word, sizeof(word), MR_REMOTE_ATOMIC),
	};
	inject(&p, 0);
	assert_int_equal(word, 8);
	sim.node[1].full = 1U << 30;
	for (unsigned i = 0; i < 8; i++) {
		read_area.psn = eb.qp->epsn;
		inject(&read_area, 0);
	}
	inject(&p, 0);
	assert_int_equal(eb.qp->rd_head - eb.qp->rd_tail, 3);
	assert_true(eb.qp->rd[eb.qp->rd_tail % ROCE_MAX_RD].atomic);
	assert_int_equal(eb.qp->rd[eb.qp->rd_tail % ROCE_MAX_RD].orig, 7);
	sim.tap = watch_responses;
	responses = 0;
	sim.node[1].full = 0;
	sim_run(NSEC_PER_SEC);
	sim.tap = NULL;
	assert_int_equal(responses, 8 * 16);
	assert_int_equal(word, 8);
	roce_mr_destroy(mr);
	reads_end();
}

/* One that comes again after its answer, of a region that is then unbound: nobody waits for it, and nothing breaks by it. */
static void doubled_and_unbound(void **state)
{
	u64 dropped = counter_read(&nr_roce_drop_duplicate);

	reads_wait(0);
	read_area.psn = PSN;
	inject(&read_area, 0);
	assert_int_equal(eb.qp->rd_head - eb.qp->rd_tail, 1);
	roce_mr_unbind(area_mr);
	sim.node[1].full = 0;
	sim_run(NSEC_PER_SEC);
	assert_int_equal(roce_qp_state(eb.qp), QPS_RTS);
	assert_int_equal(eb.qp->rd_head, eb.qp->rd_tail);
	assert_int_equal(counter_read(&nr_roce_drop_duplicate) - dropped, 1);
	reads_end();
}

/* A READ that was not answered yet cannot be any more: what comes behind it is not executed. */
static void nothing_behind_what_failed(void **state)
{
	static u64 word;
	struct roce_mr *mr;
	struct roce_pkt p;

	reads_wait(0);
	sim.node[1].full = 0;
	sim_run(NSEC_PER_SEC);
	/* a congested wire: responses wait for their turn */
	eb.qp->cc = (struct roce_cc){ .rate = 1000000, .target = 1000000, .round_due = ~0ULL >> 1, .free_at = time_mono_ns() + NSEC_PER_SEC };
	for (unsigned i = 0; i < ROCE_MAX_RD; i++) {
		read_area.psn = eb.qp->epsn;
		put(&read_area, 0);
		assert_true(sim_step());
	}
	assert_int_equal(eb.qp->rd_head - eb.qp->rd_tail, ROCE_MAX_RD);
	roce_mr_unbind(area_mr);
	eb.qp->cc.free_at = 0;
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	p = (struct roce_pkt){
		.opcode = RC_FETCH_ADD, .pkey = ROCE_PKEY, .qpn = eb.qp->qpn, .psn = eb.qp->epsn, .va = (uintptr_t)&word, .swap_add = 1,
		.rkey = roce_mr_bind(mr, &word, sizeof(word), MR_REMOTE_ATOMIC),
	};
	put(&p, 0);
	sim_run(2 * NSEC_PER_SEC);
	assert_int_equal(word, 0);
	assert_int_equal(eb.event[ROCE_EVENT_QP_ACCESS_ERR], 1);
	assert_int_equal(roce_qp_state(eb.qp), QPS_ERR);
	assert_int_equal(eb.qp->rd_head, eb.qp->rd_tail);
	roce_mr_destroy(mr);
	reads_end();
}

static void watch_both(unsigned from, const u8 *f, u32 len)
{
	unsigned before = responses;

	watch_responses(from, f, len);
	assert_true(nr_naks == 0 || responses == before);	/* nothing behind the NAK */
	watch(from, f, len);
}

/*
 * A request that cannot be, behind READs of more packets than there are frames: they are answered in full, then the NAK says which
 * request it was, and what follows that is not executed.
 */
static void a_nak_waits_for_what_came_before(void **state)
{
	struct roce_recv_wr r = { .wr_id = 9, .nr_sge = 1, .sge = { { in, sizeof(in) } } };
	struct roce_pkt p;

	reads_wait(1);
	assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	sim.tap = watch_both;
	responses = nr_naks = 0;
	p = read_area;
	p.opcode = RC_WRITE_ONLY;		/* nobody may write there */
	p.psn = eb.qp->epsn;
	p.dma_len = 8;
	inject(&p, 8);
	assert_int_equal(roce_qp_state(eb.qp), QPS_RTS);
	p.opcode = RC_SEND_ONLY;
	inject(&p, 8);
	p.psn++;
	inject(&p, 8);
	assert_int_equal(responses + nr_naks, 0);
	sim.node[1].full = 0;
	sim_run(NSEC_PER_SEC);
	sim.tap = NULL;
	assert_int_equal(responses, 7 * 16);
	assert_int_equal(nr_naks, 1);
	assert_int_equal(naks[0], AETH_NAK_ACCESS);
	assert_int_equal(nak_psn, psn_add(PSN, 7 * 16));
	assert_int_equal(eb.nr_wc, 1);
	assert_int_equal(eb.wc[0].status, WC_WR_FLUSH_ERR);
	assert_int_equal(eb.event[ROCE_EVENT_QP_ACCESS_ERR], 1);
	assert_int_equal(roce_qp_state(eb.qp), QPS_ERR);
	reads_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequences), cmocka_unit_test(refused_by_cause), cmocka_unit_test(bad_responses), cmocka_unit_test(answered_in_full),
		cmocka_unit_test(answers_doubled), cmocka_unit_test(malformed), cmocka_unit_test(by_cause), cmocka_unit_test(more_reads_than_frames),
		cmocka_unit_test(doubled_before_its_answer), cmocka_unit_test(doubled_after_its_answer),
		cmocka_unit_test(gone_back_before_the_answer), cmocka_unit_test(gone_back_into_an_answer),
		cmocka_unit_test(gone_back_and_unbound), cmocka_unit_test(atomic_doubled_after_its_answer),
		cmocka_unit_test(doubled_and_unbound), cmocka_unit_test(nothing_behind_what_failed),
		cmocka_unit_test(a_nak_waits_for_what_came_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
