/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/packet.c net/roce/tx.c net/roce/rx.c net/roce/req.c net/roce/resp.c net/roce/cc.c net/roce/ud.c net/roce/cq.c net/roce/mr.c net/roce/srq.c net/roce/cm_mad.c net/roce/cm.c net/roce/dev.c net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c */
/*
 * Queue pair states: the table against figure 124 and table 91 of the specification (10.3.1), and every call in every state; what
 * is told besides completions; completion queues that are armed and moderated; datagrams that cannot be sent.
 */
#include "net/roce/qp.c"
#include "net/roce/sim_test.h"

void thread_sleep_ns(u64 ns) { shim_time_advance(ns); }

/* --- transitions ------------------------------------------------------------------------------------------------ */

/*
 * Rows: from; columns: to RESET INIT RTR RTS SQD SQE ERR. Modify to the same state is legal where attributes may change there. Back to
 * RESET, legal from everywhere, there is no way here.
 */
static const char *const legal[NR_QPS] = {
	[QPS_RESET] = ".1....1",
	[QPS_INIT]  = ".11...1",
	[QPS_RTR]   = "...1..1",
	[QPS_RTS]   = "...1111",
	[QPS_SQD]   = "...11.1",
	[QPS_SQE]   = "...1..1",
	[QPS_ERR]   = "......1",
};
static const u8 leads_to[NR_QPE] = {
	[QPE_TO_INIT] = QPS_INIT, [QPE_TO_RTR] = QPS_RTR, [QPE_TO_RTS] = QPS_RTS, [QPE_DRAIN] = QPS_SQD, [QPE_SEND_ERROR] = QPS_SQE,
	[QPE_ERROR] = QPS_ERR,
};

static void table(void **state)
{
	for (unsigned from = 0; from < NR_QPS; from++) {
		for (unsigned ev = 0; ev < NR_QPE; ev++) {
			struct roce_qp qp = { .state = from };
			bool may = legal[from][leads_to[ev]] == '1';

			assert_int_equal(qp_may_step(&qp, ev), may);
			if (!may)
				continue;
			spin_init(&qp.lock, "qp", RANK_QP);
			spin_lock(&qp.lock);
			qp_step(&qp, ev);
			spin_unlock(&qp.lock);
			assert_int_equal(qp.state, leads_to[ev]);
		}
	}
}

static struct end ea, eb;

static void begin(bool flow_control)
{
	sim_start(5, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	pair_connect(&ea, &eb, 1024, 0xfffff0, 7, 0);
	ea.qp->attr.flow_control = eb.qp->attr.flow_control = ea.qp->limited = eb.qp->limited = flow_control;
}

static void finish(void)
{
	end_destroy(&ea);
	end_destroy(&eb);
	sim_stop();
}

static struct roce_qp *qp_in(enum roce_qp_state s)
{
	struct roce_qp_attr attr = { .remote_ip = sim.node[1].ip, .remote_qpn = 77, .mtu = 1024 };

	end_create(&ea, 0);
	if (s == QPS_SQE)			/* not RC's, but no call shall trip over it */
		ea.qp->state = s;
	if (s == QPS_INIT)
		assert_int_equal(roce_post_recv(ea.qp, &(struct roce_recv_wr){ .nr_sge = 0 }), 0);
	if (s == QPS_RTR || s == QPS_RTS || s == QPS_SQD)
		assert_int_equal(roce_qp_to_rtr(ea.qp, &attr), 0);
	if (s == QPS_RTS || s == QPS_SQD)
		assert_int_equal(roce_qp_to_rts(ea.qp), 0);
	if (s == QPS_SQD)
		assert_int_equal(roce_qp_drain(ea.qp), 0);
	if (s == QPS_ERR)
		roce_qp_error(ea.qp);
	assert_int_equal(roce_qp_state(ea.qp), s);
	return ea.qp;
}

static void every_call_in_every_state(void **state)
{
	struct roce_qp_attr attr = { .remote_ip = 0x0a4d0002, .remote_qpn = 77, .mtu = 1024 };
	struct roce_send_wr send = { .opcode = WR_SEND, .flags = WR_SIGNALED };
	/* states in which it succeeds, in the order of enum roce_qp_state, and where it leads: a digit, or '.' for refused */
	static const struct { const char *what, *to; } calls[] = {
		{ "to_rtr", "22....." }, { "to_rts", "..3333." }, { "drain", "...4..." }, { "resume", "....3.." }, { "error", "6666666" },
		{ "post_send", "...3456" }, { "post_recv", "1123456" }, { "ud_start", "......." },
	};

	sim_start(1, 9000);
	for (unsigned c = 0; c < ARRAY_SIZE(calls); c++) {
		for (unsigned s = 0; s < NR_QPS; s++) {
			struct roce_qp *qp = qp_in(s);
			char to = calls[c].to[s];
			int rc = 0;

			switch (c) {
			case 0: rc = roce_qp_to_rtr(qp, &attr); break;
			case 1: rc = roce_qp_to_rts(qp); break;
			case 2: rc = roce_qp_drain(qp); break;
			case 3: rc = roce_qp_resume(qp); break;
			case 4: roce_qp_error(qp); break;
			case 5: rc = roce_post_send(qp, &send); break;
			case 6: rc = roce_post_recv(qp, &(struct roce_recv_wr){ .nr_sge = 0 }); break;
			case 7: rc = roce_qp_ud_start(qp, 1); break;
			}
			if (rc != (to == '.' ? -EINVAL : 0) || roce_qp_state(qp) != (to == '.' ? s : (unsigned)(to - '0')))
				fail_msg("%s in %s: %d, then %s", calls[c].what, qp_state_name[s], rc, qp_state_name[qp->state]);
			end_destroy(&ea);
		}
	}
	sim_stop();
}

/* --- events ---------------------------------------------------------------------------------------------------- */

static u8 buf[2][8192];

static int send_to(struct end *e, u32 len, u8 flags)
{
	struct roce_send_wr wr = { .opcode = WR_SEND, .flags = WR_SIGNALED | flags, .nr_sge = 1, .sge = { { buf[0], len } } };

	return roce_post_send(e->qp, &wr);
}

static int receives(struct end *e, unsigned n)
{
	struct roce_recv_wr wr = { .nr_sge = 1, .sge = { { buf[1], 8192 } } };
	int rc = 0;

	while (n-- > 0 && rc == 0)
		rc = roce_post_recv(e->qp, &wr);
	return rc;
}

static void told_besides_completions(void **state)
{
	struct roce_srq *srq;
	struct roce_mr *mr;

	begin(false);				/* the peer's request: no right */
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	assert_int_equal(roce_post_send(ea.qp, &(struct roce_send_wr){ .opcode = WR_RDMA_WRITE, .nr_sge = 1, .sge = { { buf[0], 8 } } }), 0);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(eb.event[ROCE_EVENT_QP_ACCESS_ERR], 1);
	assert_int_equal(ea.event[ROCE_EVENT_QP_FATAL], 1);
	assert_int_equal(ea.events + eb.events, 2);
	roce_mr_destroy(mr);
	finish();

	begin(false);				/* the peer's request: too long */
	assert_int_equal(roce_post_recv(eb.qp, &(struct roce_recv_wr){ .nr_sge = 1, .sge = { { buf[1], 10 } } }), 0);
	assert_int_equal(send_to(&ea, 11, 0), 0);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(eb.event[ROCE_EVENT_QP_REQ_ERR], 1);
	assert_int_equal(ea.event[ROCE_EVENT_QP_FATAL], 1);
	finish();

	begin(false);				/* its owner's wish is no news; but for a shared queue */
	roce_qp_error(ea.qp);
	srq = roce_dev_srq_create(sim.node[1].dev, 4, NULL, NULL);
	eb.qp->srq = srq;
	roce_qp_error(eb.qp);
	roce_qp_error(eb.qp);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(ea.events + eb.events + ea.event[ROCE_EVENT_QP_LAST_WQE_REACHED], 0);
	assert_int_equal(eb.event[ROCE_EVENT_QP_LAST_WQE_REACHED], 1);
	roce_qp_destroy(eb.qp);
	roce_srq_destroy(srq);
	roce_cq_destroy(eb.cq);
	end_destroy(&ea);
	sim_stop();
}

/* The first request to a QP in RTR is told once. */
static void communication_established(void **state)
{
	struct roce_qp_attr attr = { .remote_ip = 0x0a4d0002, .mtu = 1024, .retry_count = 7, .rnr_retry = 7 };

	sim_start(2, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	attr.remote_qpn = eb.qp->qpn;
	assert_int_equal(roce_qp_to_rtr(ea.qp, &attr), 0);
	assert_int_equal(roce_qp_to_rts(ea.qp), 0);
	attr.remote_ip = 0x0a4d0001;
	attr.remote_qpn = ea.qp->qpn;
	assert_int_equal(roce_qp_to_rtr(eb.qp, &attr), 0);
	assert_int_equal(receives(&eb, 2), 0);
	assert_int_equal(send_to(&ea, 100, 0), 0);
	assert_int_equal(send_to(&ea, 100, 0), 0);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(eb.nr_wc, 2);
	assert_int_equal(eb.event[ROCE_EVENT_COMM_EST], 1);
	assert_int_equal(ea.event[ROCE_EVENT_COMM_EST], 0);
	finish();
}

/* --- completion queues ------------------------------------------------------------------------------------------ */

static unsigned handler_calls;
static void count_calls(struct roce_cq *cq, void *arg) { handler_calls++; }

static unsigned drain_cq(struct end *e)
{
	unsigned n = 0;
	struct roce_wc wc;

	while (roce_cq_poll(e->cq, &wc, 1) == 1)
		n++;
	return n;
}

/* n messages, and no more of the clock than they take. */
static void arrive(unsigned n, u8 flags)
{
	u32 want = eb.cq->count + n;

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(send_to(&ea, 10, flags), 0);
	while (eb.cq->count < want)
		assert_true(sim_step());
}

/* A request held back (WR_MORE) is with the device before its completion as flushed says that the memory is the user's. */
static unsigned frames_seen;

static void nothing_is_told(unsigned from, const struct net_tx *tx)
{
	frames_seen++;
	assert_int_equal(ea.cq->count, 0);
}

static void sent_before_flushed(void **state)
{
	begin(false);
	frames_seen = 0;
	assert_int_equal(send_to(&ea, 100, WR_MORE), 0);
	assert_int_equal(send_to(&ea, 1000, WR_MORE), 0);
	sim.look = nothing_is_told;
	roce_qp_error(ea.qp);
	assert_int_equal(frames_seen, 2);
	assert_int_equal(drain_cq(&ea), 2);
	sim.look = NULL;
	finish();
}

static void armed(void **state)
{
	begin(false);
	eb.cq->handler = count_calls;
	handler_calls = 0;
	assert_int_equal(receives(&eb, 100), 0);
	assert_false(roce_cq_arm(eb.cq, false));
	arrive(5, 0);
	assert_int_equal(handler_calls, 1);		/* once, until armed again */
	arrive(5, 0);
	assert_int_equal(handler_calls, 1);
	assert_true(roce_cq_arm(eb.cq, false));		/* what waits is to be polled */
	assert_int_equal(handler_calls, 1);
	assert_int_equal(drain_cq(&eb), 10);
	arrive(1, 0);
	assert_int_equal(handler_calls, 2);
	assert_true(roce_cq_arm(eb.cq, true));
	arrive(3, 0);
	assert_int_equal(handler_calls, 2);		/* not solicited */
	arrive(1, WR_SOLICITED);
	assert_int_equal(handler_calls, 3);
	assert_true(roce_cq_arm(eb.cq, false));
	assert_true(roce_cq_arm(eb.cq, true));		/* the wider wish stands */
	arrive(1, 0);
	assert_int_equal(handler_calls, 4);
	assert_true(roce_cq_arm(eb.cq, true));
	roce_qp_error(eb.qp);				/* a failure counts as solicited */
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(handler_calls, 5);
	finish();
}

static unsigned solicited;

static void watch_solicited(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;

	if (from == 0 && roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) && (p.op->flags & OPF_REQUEST) && p.se)
		solicited++;
}

/* The last packet of a message that takes a receive says that it is solicited; nothing else does, whatever was posted (9.2.3). */
static void solicited_where_it_means_something(void **state)
{
	static u8 area[4096] __aligned(8);
	static const struct { u8 opcode; bool says; } t[] = {
		{ WR_SEND, true }, { WR_SEND_WITH_IMM, true }, { WR_SEND_WITH_INV, true }, { WR_RDMA_WRITE, false },
		{ WR_RDMA_WRITE_WITH_IMM, true }, { WR_RDMA_READ, false }, { WR_CMP_SWAP, false }, { WR_FETCH_ADD, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		bool atomic = t[i].opcode == WR_CMP_SWAP || t[i].opcode == WR_FETCH_ADD;
		struct roce_send_wr wr = {
			.opcode = t[i].opcode, .flags = WR_SIGNALED | WR_SOLICITED, .nr_sge = 1, .sge = { { buf[0], atomic ? 8 : 3000 } },
			.remote_addr = (uintptr_t)area,
		};
		struct roce_mr *mr, *other;

		begin(false);
		mr = roce_dev_mr_create(sim.node[1].dev, 7);
		other = roce_dev_mr_create(sim.node[1].dev, 7);
		wr.rkey = roce_mr_bind(mr, area, sizeof(area), MR_REMOTE_READ | MR_REMOTE_WRITE | MR_REMOTE_ATOMIC);
		if (t[i].opcode == WR_SEND_WITH_INV)
			wr.imm = roce_mr_bind(other, area, sizeof(area), MR_REMOTE_READ);
		assert_int_equal(receives(&eb, 1), 0);
		sim.tap = watch_solicited;
		solicited = 0;
		assert_int_equal(roce_post_send(ea.qp, &wr), 0);
		sim_run(NSEC_PER_MSEC);
		assert_int_equal(ea.nr_wc, 1);
		assert_int_equal(ea.wc[0].status, WC_SUCCESS);
		if (solicited != t[i].says)
			fail_msg("opcode %u: %u packets", t[i].opcode, solicited);
		roce_mr_destroy(mr);
		roce_mr_destroy(other);
		finish();
	}
}

static void moderated(void **state)
{
	u64 start;

	begin(false);
	eb.cq->handler = count_calls;
	handler_calls = 0;
	assert_int_equal(receives(&eb, 100), 0);
	roce_cq_moderate(eb.cq, 4, 50 * NSEC_PER_MSEC);
	arrive(3, 0);
	assert_int_equal(handler_calls, 0);
	arrive(1, 0);
	assert_int_equal(handler_calls, 1);		/* by number */
	start = time_mono_ns();
	assert_int_equal(send_to(&ea, 10, 0), 0);
	while (handler_calls == 1)
		(void)sim_step();
	assert_in_range(time_mono_ns() - start, 50 * NSEC_PER_MSEC, 51 * NSEC_PER_MSEC);	/* by age */
	arrive(2, 0);
	assert_int_equal(drain_cq(&eb), 7);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(handler_calls, 2);		/* polled before: nothing to tell */
	(void)roce_cq_arm(eb.cq, true);			/* both: four solicited ones, then no more */
	arrive(6, 0);
	arrive(3, WR_SOLICITED);
	assert_int_equal(handler_calls, 2);
	arrive(1, WR_SOLICITED);
	assert_int_equal(handler_calls, 3);
	arrive(8, WR_SOLICITED);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(handler_calls, 3);
	roce_cq_moderate(eb.cq, 1, 0);
	(void)roce_cq_arm(eb.cq, false);
	arrive(1, 0);
	assert_int_equal(handler_calls, 4);
	finish();
}

/* A rule that changes while completions wait is theirs, too; and what was polled does not count towards it. */
static void moderated_anew(void **state)
{
	struct roce_wc wc[4];
	u64 start;

	begin(false);
	eb.cq->handler = count_calls;
	handler_calls = 0;
	assert_int_equal(receives(&eb, 100), 0);
	roce_cq_moderate(eb.cq, 100, 0);
	arrive(3, 0);
	roce_cq_moderate(eb.cq, 4, 0);			/* for as long as it takes */
	sim_run(NSEC_PER_SEC);
	assert_int_equal(handler_calls, 0);
	start = time_mono_ns();
	roce_cq_moderate(eb.cq, 3, NSEC_PER_SEC);	/* so many wait already */
	assert_int_equal(send_to(&ea, 10, 0), 0);
	while (handler_calls == 0)
		(void)sim_step();
	assert_in_range(time_mono_ns() - start, 0, NSEC_PER_MSEC);
	sim_run(10 * NSEC_PER_MSEC);
	assert_int_equal(drain_cq(&eb), 4);

	handler_calls = 0;
	roce_cq_moderate(eb.cq, 4, 0);
	arrive(3, 0);
	assert_int_equal(roce_cq_poll(eb.cq, wc, 2), 2);	/* some, not all: one waits */
	arrive(2, 0);
	assert_int_equal(handler_calls, 0);
	arrive(1, 0);
	assert_int_equal(handler_calls, 1);
	assert_int_equal(drain_cq(&eb), 4);
	finish();
}

/* --- credits ------------------------------------------------------------------------------------------------------ */

static unsigned acks_seen, acks_limited;
static u8 last_syndrome;
static u32 last_ack;

static void watch_acks(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;

	if (from != 1 || !roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) || p.opcode != RC_ACK ||
	    (p.syndrome & AETH_KIND_MASK) != AETH_KIND_ACK)
		return;
	acks_seen++;
	acks_limited += p.syndrome != AETH_ACK_UNLIMITED;
	last_syndrome = p.syndrome;
	last_ack = p.psn;
}

static void repost(struct end *e, const struct roce_wc *wc)
{
	e->wc[e->nr_wc++] = *wc;
	if (wc->opcode == WC_RECV && wc->status == WC_SUCCESS)
		assert_int_equal(receives(e, 1), 0);
}

/* A receiver with few receives: with credits it is never found unready, however much is sent; without it is. */
static void credits_spare_refusals(void **state)
{
	for (unsigned with = 0; with < 2; with++) {
		u64 rnr = counter_read(&nr_roce_tx_nak_rnr);

		begin(with);
		eb.on_wc = repost;
		sim.tap = watch_acks;
		acks_seen = acks_limited = 0;
		assert_int_equal(receives(&eb, 3), 0);
		for (unsigned i = 0; i < 60; i++)
			assert_int_equal(send_to(&ea, i % 3 == 0 ? 3000 : 10, 0), 0);
		sim_run(5 * NSEC_PER_SEC);
		assert_int_equal(ea.nr_wc, 60);
		assert_int_equal(eb.nr_wc, 60);
		assert_true(acks_seen > 0);
		assert_int_equal(acks_limited, with ? acks_seen : 0);
		if (with) {
			assert_int_equal(counter_read(&nr_roce_tx_nak_rnr), rnr);
			assert_int_equal(last_syndrome, roce_credit_code(3));
		}
		finish();
	}
}

/* Without a receive one packet tries, is refused, and tries again; requests that need none pass by it when it is done. */
static void probe_without_credit(void **state)
{
	struct roce_mr *mr;
	u64 retransmit = counter_read(&nr_roce_retransmit);

	begin(true);
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(send_to(&ea, 5000, 0), 0);
	sim_run(10 * NSEC_PER_MSEC);
	assert_in_range(ea.qp->psn_max - (0xfffff0 & PSN_MASK), 1, 1);
	assert_true(counter_read(&nr_roce_retransmit) > retransmit);
	assert_int_equal(receives(&eb, 10), 0);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(ea.nr_wc, 10);
	assert_int_equal(eb.nr_wc, 10);
	roce_mr_destroy(mr);
	finish();
}

/* --- packets made by hand ------------------------------------------------------------------------------------------- */

static void to_b(const struct roce_pkt *p)
{
	u8 f[NET_DATA_OFF + ROCE_MAX_HEADERS + 1024 + ICRC_LEN];
	u32 n = frame_make(f, 1, sim.node[0].ip, p, 0, p->len);

	sim.node[1].netdev.rx(&sim.node[1].netdev, 0, f, n);
}

static void batch_end(u64 and_wait)
{
	sim.node[1].netdev.rx_batch_end(&sim.node[1].netdev, 0);
	sim_run(and_wait);
}

static void inject_to_b(const struct roce_pkt *p)
{
	to_b(p);
	batch_end(NSEC_PER_MSEC);
}

/* --- what is acknowledged ------------------------------------------------------------------------------------------- */

/*
 * Of a message that is under way nothing is acknowledged behind the last packet that asked, neither by the timer nor with one that did;
 * of a message that is whole all is, after a while; and a packet that comes again and asks, asks for all.
 */
static void no_more_than_was_asked_for(void **state)
{
	static u8 area[8];
	static const struct {
		u8 opcode, psn;
		bool asks, ends_batch;
		u8 at_once, later;	/* so many in all at the end of the batch, and a while after it */
		u8 last;		/* the last one is this packet's */
	} step[] = {
		{ RC_SEND_FIRST, 0, false, true, 0, 0, 0 },
		{ RC_SEND_MIDDLE, 1, true, false, 0, 0, 0 }, { RC_SEND_MIDDLE, 2, false, true, 1, 1, 1 },
		{ RC_SEND_LAST, 3, false, true, 1, 2, 3 },
		/* a whole one, and the beginning of the next */
		{ RC_SEND_ONLY, 4, false, false, 2, 2, 3 }, { RC_SEND_FIRST, 5, false, true, 2, 3, 4 },
		{ RC_SEND_MIDDLE, 6, false, true, 3, 3, 4 },
		{ RC_SEND_FIRST, 5, false, true, 4, 4, 4 }, { RC_SEND_FIRST, 5, true, true, 5, 5, 6 },
		{ RC_SEND_LAST, 7, true, true, 6, 6, 7 },
		/* one that asks, a whole one behind it */
		{ RC_SEND_ONLY, 8, true, false, 6, 6, 7 }, { RC_SEND_ONLY, 9, false, false, 6, 6, 7 }, { RC_SEND_FIRST, 10, false, true, 7, 7, 9 },
		{ RC_SEND_LAST, 11, false, true, 7, 8, 11 },
		/* a response says what an ACK would, whatever follows it */
		{ RC_SEND_ONLY, 12, true, false, 8, 8, 11 }, { RC_READ_REQUEST, 13, true, false, 8, 8, 11 }, { RC_SEND_FIRST, 14, false, true, 8, 8, 11 },
		{ RC_SEND_LAST, 15, false, true, 8, 9, 15 },
	};
	struct roce_mr *mr;
	u32 psn, rkey;

	begin(false);
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	rkey = roce_mr_bind(mr, area, sizeof(area), MR_REMOTE_READ);
	sim.tap = watch_acks;
	acks_seen = 0;
	assert_int_equal(receives(&eb, 8), 0);
	psn = ea.qp->psn_post;
	for (unsigned i = 0; i < ARRAY_SIZE(step); i++) {
		bool read = step[i].opcode == RC_READ_REQUEST;

		to_b(&(struct roce_pkt){ .opcode = step[i].opcode, .pkey = ROCE_PKEY, .qpn = eb.qp->qpn, .psn = psn_add(psn, step[i].psn),
			.ackreq = step[i].asks, .len = read ? 0 : 1024, .va = (uintptr_t)area, .rkey = rkey, .dma_len = sizeof(area) });
		if (step[i].ends_batch)
			batch_end(0);
		assert_int_equal(acks_seen, step[i].at_once);
		if (step[i].ends_batch)
			sim_run(3 * ROCE_ACK_DELAY_NS);
		assert_int_equal(acks_seen, step[i].later);
		if (acks_seen != 0)
			assert_int_equal(last_ack, psn_add(psn, step[i].last));
	}
	assert_int_equal(eb.nr_wc, 8);
	roce_mr_destroy(mr);
	finish();
}

/* --- an answer that is late ----------------------------------------------------------------------------------------- */

static u8 held[128];
static u32 held_len;

static bool hold_first_ack(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;

	if (from != 1 || held_len != 0 || !roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) || p.opcode != RC_ACK)
		return false;
	memcpy(held, f, len);
	held_len = len;
	return true;
}

/* The answer comes when its packet has been probed: it is not the probe's, and what followed the packet is not lost. */
static void late_answer_is_no_loss(void **state)
{
	u64 probes, again, cuts = counter_read(&nr_roce_window_cut);

	begin(false);
	ea.qp->attr.ack_every = 16;
	assert_int_equal(receives(&eb, 3), 0);
	assert_int_equal(send_to(&ea, 10, WR_ACK_NOW), 0);	/* a round trip, to be measured */
	sim_run(NSEC_PER_SEC);
	probes = counter_read(&nr_roce_probe);
	again = counter_read(&nr_roce_retransmit);
	sim.lose = hold_first_ack;
	held_len = 0;
	assert_int_equal(send_to(&ea, 10, WR_ACK_NOW), 0);
	assert_int_equal(send_to(&ea, 8 * 1024, 0), 0);
	while (counter_read(&nr_roce_probe) == probes)
		assert_true(sim_step());
	assert_int_not_equal(held_len, 0);
	sim.node[0].netdev.rx(&sim.node[0].netdev, 0, held, held_len);
	sim.node[0].netdev.rx_batch_end(&sim.node[0].netdev, 0);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(ea.nr_wc, 3);
	assert_int_equal(eb.nr_wc, 3);
	assert_int_equal(counter_read(&nr_roce_probe) - probes, 2);
	assert_int_equal(counter_read(&nr_roce_retransmit) - again, 2);
	assert_int_equal(counter_read(&nr_roce_window_cut), cuts);
	finish();
}

/* --- responder resources -------------------------------------------------------------------------------------------- */

/* A READ or atomic again is answered as before if it is what was asked, and is dropped if it is not. */
static void repeated_reads_and_atomics(void **state)
{
	static u8 area[8192] __aligned(8);
	struct roce_send_wr wr = { .opcode = WR_RDMA_READ, .flags = WR_SIGNALED, .nr_sge = 1, .sge = { { buf[0], 3000 } } };
	struct roce_pkt p = { .pkey = ROCE_PKEY, .ackreq = true }, good;
	struct roce_mr *mr;
	u32 psn;
	u64 before, sent;

	begin(false);
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	wr.rkey = roce_mr_bind(mr, area, sizeof(area), MR_REMOTE_READ | MR_REMOTE_ATOMIC);
	wr.remote_addr = (uintptr_t)area;
	psn = ea.qp->psn_post;
	assert_int_equal(roce_post_send(ea.qp, &wr), 0);
	wr.opcode = WR_FETCH_ADD;
	wr.sge[0].len = 8;
	wr.compare_add = 5;
	assert_int_equal(roce_post_send(ea.qp, &wr), 0);
	sim_run(10 * NSEC_PER_MSEC);
	assert_int_equal(ea.nr_wc, 2);
	assert_int_equal(area[0], 5);

	p.qpn = eb.qp->qpn;
	good = p;
	good.opcode = RC_READ_REQUEST;
	good.psn = psn;
	good.va = wr.remote_addr;
	good.rkey = wr.rkey;
	good.dma_len = 3000;
	for (unsigned i = 0; i < 11; i++) {
		static const u8 answers[] = { 3, 2, 1, 0, 0, 0, 0, 1, 0, 0, 0 };

		p = good;
		switch (i) {
		case 1: p.psn = psn_add(psn, 1); p.va += 1024; p.dma_len -= 1024; break;	/* from the second response on */
		case 2: p.dma_len = 1000; break;						/* part of it */
		case 3: p.va += 8; break;
		case 4: p.dma_len = 3073; break;
		case 5: p.psn = psn_add(psn, 1); break;						/* the rest, from the wrong place */
		case 6: p.psn = psn_add(psn, PSN_MASK); break;					/* before all */
		case 7: p.opcode = RC_FETCH_ADD; p.psn = psn_add(psn, 3); p.swap_add = 5; break;
		case 8: p.opcode = RC_FETCH_ADD; p.psn = psn_add(psn, 3); p.va += 8; break;
		case 9: p.opcode = RC_CMP_SWAP; p.psn = psn_add(psn, 3); break;
		case 10: p.rkey++; break;
		}
		before = counter_read(&nr_roce_drop_duplicate);
		sent = sim.node[1].sent;
		inject_to_b(&p);
		assert_int_equal(sim.node[1].sent - sent, answers[i]);
		assert_int_equal(counter_read(&nr_roce_drop_duplicate) - before, answers[i] == 0);
		assert_int_equal(area[0], 5);			/* never added again */
	}
	for (unsigned i = 0; i < ROCE_MAX_RD; i++) {		/* so many later the first is forgotten */
		assert_int_equal(roce_post_send(ea.qp, &wr), 0);
		sim_run(2 * NSEC_PER_MSEC);
	}
	sent = sim.node[1].sent;
	inject_to_b(&good);
	assert_int_equal(sim.node[1].sent, sent);
	assert_int_equal(area[0], 5 + 5 * ROCE_MAX_RD);
	roce_mr_destroy(mr);
	finish();
}

static u64 last_orig;
static void watch_atomics(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;

	if (from == 1 && roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) && p.opcode == RC_ATOMIC_ACK)
		last_orig = p.orig;
}

/* PSNs go round: of two atomics that had one number it is the later one that comes again. */
static void the_latest_of_a_number(void **state)
{
	static u64 word;
	struct roce_pkt p = { .opcode = RC_FETCH_ADD, .pkey = ROCE_PKEY, .ackreq = true, .swap_add = 3, .va = (uintptr_t)&word };
	struct roce_mr *mr;

	begin(false);
	word = 100;
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	p.qpn = eb.qp->qpn;
	p.rkey = roce_mr_bind(mr, &word, sizeof(word), MR_REMOTE_ATOMIC);
	p.psn = eb.qp->epsn;
	sim.tap = watch_atomics;
	for (unsigned round = 0; round < 3; round++) {
		eb.qp->epsn = p.psn;		/* 2^24 packets later */
		for (unsigned again = 0; again < 2; again++) {
			last_orig = 0;
			inject_to_b(&p);
			assert_int_equal(last_orig, 100 + 3 * round);
			assert_int_equal(word, 103 + 3 * round);
		}
	}
	sim.tap = NULL;
	roce_mr_destroy(mr);
	finish();
}

/* --- a receiver that is not ready says for how long ------------------------------------------------------------------ */

static unsigned rnr_code_seen;
static void watch_rnr(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;

	if (from == 1 && roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) && p.opcode == RC_ACK &&
	    (p.syndrome & AETH_KIND_MASK) == AETH_KIND_RNR)
		rnr_code_seen = p.syndrome & 31;
}

static void rnr_timer(void **state)
{
	static const struct { u64 ns; u8 code; } t[] = {
		{ 0, ROCE_RNR_CODE }, { 1, 1 }, { 10 * NSEC_PER_USEC, 1 }, { 10 * NSEC_PER_USEC + 1, 2 }, { 20 * NSEC_PER_MSEC, 22 },
		{ 491520 * NSEC_PER_USEC, 31 }, { 655360 * NSEC_PER_USEC, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		begin(false);
		roce_qp_destroy(eb.qp);
		eb.qp = roce_dev_qp_create(eb.node->dev, &(struct roce_qp_init){
			.type = QPT_RC, .send_cq = eb.cq, .recv_cq = eb.cq, .max_recv_wr = 8, .rnr_timer_ns = t[i].ns,
		});
		end_destroy(&ea);
		end_create(&ea, 0);
		pair_connect(&ea, &eb, 1024, 1, 2, 0);
		sim.tap = watch_rnr;
		assert_int_equal(send_to(&ea, 10, 0), 0);
		while (ea.qp->rnr_due == 0)
			assert_true(sim_step());
		assert_int_equal(rnr_code_seen, t[i].code);
		assert_int_equal(ea.qp->rnr_due - time_mono_ns(), roce_rnr_ns(t[i].code));
		assert_int_equal(receives(&eb, 1), 0);
		sim_run(NSEC_PER_SEC);
		assert_int_equal(ea.nr_wc, 1);
		finish();
	}
}

/* --- datagrams --------------------------------------------------------------------------------------------------------- */

static void datagrams(void **state)
{
	struct roce_qp_init init = { .type = QPT_UD, .max_send_wr = 8, .max_recv_wr = 8 };
	struct roce_send_wr wr = { .opcode = WR_SEND, .flags = WR_SIGNALED, .nr_sge = 2, .sge = { { buf[0], 4000 }, { buf[0], 97 } } };
	struct roce_qp *ud[2];

	begin(false);
	for (unsigned i = 0; i < 2; i++) {
		init.send_cq = init.recv_cq = i == 0 ? ea.cq : eb.cq;
		ud[i] = roce_dev_qp_create(sim.node[i].dev, &init);
		assert_int_equal(roce_qp_ud_start(ud[i], 0x11111111 * (i + 1)), 0);
		for (unsigned k = 0; k < 4; k++)
			assert_int_equal(roce_post_recv(ud[i], &(struct roce_recv_wr){ .nr_sge = 1, .sge = { { buf[1], 8192 } } }), 0);
	}
	wr.ud = (struct roce_ud_dest){ sim.node[1].ip, ud[1]->qpn, 0x22222222 };
	assert_int_equal(roce_post_send(ud[0], &wr), 0);	/* longer than a datagram can be */
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(ea.wc[0].status, WC_LOC_LEN_ERR);
	assert_int_equal(roce_qp_state(ud[0]), QPS_SQE);
	wr.sge[1].len = 96;
	assert_int_equal(roce_post_send(ud[0], &wr), 0);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(ea.wc[1].status, WC_WR_FLUSH_ERR);
	assert_int_equal(eb.nr_wc, 0);
	assert_int_equal(roce_qp_drain(ud[0]), -EINVAL);
	assert_int_equal(roce_qp_resume(ud[0]), 0);
	assert_int_equal(roce_qp_resume(ud[0]), -EINVAL);
	assert_int_equal(roce_post_send(ud[0], &wr), 0);	/* lost while ARP asks, as a datagram may be */
	sim_run(NSEC_PER_SEC);
	assert_int_equal(roce_post_send(ud[0], &wr), 0);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(ea.nr_wc, 4);
	assert_int_equal(ea.wc[3].status, WC_SUCCESS);
	assert_true(eb.nr_wc >= 1);
	assert_int_equal(eb.wc[0].byte_len, 4096 + 40);

	/* a controlled Q_Key in the request: the QP's own goes out, and it is not the peer's */
	eb.nr_wc = 0;
	wr.ud.qkey = 0x80000000;
	assert_int_equal(roce_post_send(ud[0], &wr), 0);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(eb.nr_wc, 0);
	ud[1]->qkey = 0x11111111;
	assert_int_equal(roce_post_send(ud[0], &wr), 0);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(eb.nr_wc, 1);

	/* in SQE receives go on */
	wr.sge[1].len = 97;
	assert_int_equal(roce_post_send(ud[1], &wr), 0);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(roce_qp_state(ud[1]), QPS_SQE);
	wr.sge[1].len = 0;
	eb.nr_wc = 0;
	assert_int_equal(roce_post_send(ud[0], &wr), 0);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(eb.nr_wc, 1);
	roce_qp_destroy(ud[0]);
	roce_qp_destroy(ud[1]);
	finish();
}

/* --- the port's link ------------------------------------------------------------------------------------------------ */

static unsigned told[2];

static void port_told(enum roce_port_event ev, void *arg) { told[ev] += *(unsigned *)arg; }

static void link_set(unsigned node, bool up)
{
	struct netdev *dev = &sim.node[node].netdev;

	dev->no_carrier = !up;
	dev->link_changed(dev);
}

/* Each change is told once to each watcher, and counted once; queue pairs go on as if nothing had been. */
static void link_down_and_up(void **state)
{
	unsigned one = 1, hundred = 100;
	struct roce_port_watch first = { port_told, &one }, late = { port_told, &hundred };
	u64 downs = counter_read(&nr_roce_port_err), ups = counter_read(&nr_roce_port_active);
	struct roce_send_wr wr = { .opcode = WR_SEND, .flags = WR_SIGNALED };
	struct roce_recv_wr r = { .nr_sge = 0 };

	begin(false);
	told[0] = told[1] = 0;
	roce_dev_watch_port(sim.node[0].dev, &first);
	sim_run(NSEC_PER_MSEC);
	link_set(0, true);			/* as it was */
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(told[ROCE_PORT_ERR] + told[ROCE_PORT_ACTIVE], 0);

	sim.cut = true;
	link_set(0, false);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(told[ROCE_PORT_ERR], 1);
	assert_int_equal(counter_read(&nr_roce_port_err) - downs, 1);
	roce_dev_watch_port(sim.node[0].dev, &late);
	assert_int_equal(roce_post_recv(eb.qp, &r), 0);
	assert_int_equal(roce_post_send(ea.qp, &wr), 0);
	link_set(0, false);			/* as it was */
	sim_run(300 * NSEC_PER_MSEC);
	assert_int_equal(told[ROCE_PORT_ERR], 101);
	assert_int_equal(told[ROCE_PORT_ACTIVE], 0);
	assert_int_equal(ea.nr_wc, 0);

	sim.cut = false;
	link_set(0, true);
	while (ea.nr_wc == 0)
		assert_true(sim_step());
	assert_int_equal(told[ROCE_PORT_ERR], 101);
	assert_int_equal(told[ROCE_PORT_ACTIVE], 101);
	assert_int_equal(counter_read(&nr_roce_port_err) - downs, 1);
	assert_int_equal(counter_read(&nr_roce_port_active) - ups, 1);
	assert_int_equal(ea.wc[0].status, WC_SUCCESS);
	assert_int_equal(ea.events + eb.events, 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table), cmocka_unit_test(every_call_in_every_state), cmocka_unit_test(told_besides_completions),
		cmocka_unit_test(communication_established), cmocka_unit_test(sent_before_flushed), cmocka_unit_test(armed),
		cmocka_unit_test(solicited_where_it_means_something), cmocka_unit_test(moderated), cmocka_unit_test(moderated_anew),
		cmocka_unit_test(credits_spare_refusals), cmocka_unit_test(probe_without_credit), cmocka_unit_test(no_more_than_was_asked_for),
		cmocka_unit_test(late_answer_is_no_loss),
		cmocka_unit_test(repeated_reads_and_atomics), cmocka_unit_test(the_latest_of_a_number), cmocka_unit_test(rnr_timer), cmocka_unit_test(datagrams),
		cmocka_unit_test(link_down_and_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
