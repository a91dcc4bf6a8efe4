/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/packet.c net/roce/tx.c net/roce/rx.c net/roce/req.c net/roce/resp.c net/roce/ud.c net/roce/qp.c net/roce/cq.c net/roce/mr.c net/roce/srq.c net/roce/cm_mad.c net/roce/cm.c net/roce/dev.c net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c */
/* Congestion: marks become notifications, few of them; those become a lower rate, which comes back; nothing is lost by it. */
#include "net/roce/cc.c"
#include "net/roce/sim_test.h"

void thread_sleep_ns(u64 ns) { shim_time_advance(ns); }

#define LEN 60000
#define MESSAGES 40

static struct end ea, eb;
static u8 from[LEN], to[LEN];
static struct roce_mr *mr;
static u32 rkey;
static struct { unsigned cnps, bad, ect, other; u64 last_cnp[2], gap; } seen;

static void watch(unsigned node, const u8 *f, u32 len)
{
	const struct ip_hdr *ip = (const struct ip_hdr *)(f + ETH_HLEN);
	u32 udp = len - NET_DATA_OFF;
	struct roce_pkt p;

	if (len < NET_DATA_OFF || be16_get(((const struct eth_hdr *)f)->type) != ETH_TYPE_IPV4 ||
	    !roce_parse(f + NET_DATA_OFF, udp, &p))
		return;
	assert_int_equal(net_checksum(ip, IP_HLEN, 0), 0);
	assert_true(roce_icrc_right((const u8 *)ip, udp));
	if (p.opcode != CNP) {
		seen.ect += (ip->tos & 3) == IP_ECT0;
		seen.other += (ip->tos & 3) != IP_ECT0;
		return;
	}
	seen.cnps++;
	seen.bad += p.ecn != ROCE_BECN || p.len != CNP_RESERVED || p.psn != 0 || (ip->tos & 3) != 0 || p.ackreq || p.pkey != ROCE_PKEY;
	for (unsigned i = 0; i < p.len; i++)
		seen.bad += p.payload[i] != 0;
	if (seen.last_cnp[node] != 0)
		seen.gap = MIN(seen.gap, time_mono_ns() - seen.last_cnp[node]);
	seen.last_cnp[node] = time_mono_ns();
}

static void begin(u64 seed)
{
	sim_start(seed, 9000);
	end_create(&ea, 0);
	end_create(&eb, 1);
	pair_connect(&ea, &eb, 4096, 1, 2, 0);
	mr = roce_dev_mr_create(sim.node[1].dev, 7);
	rkey = roce_mr_bind(mr, to, LEN, MR_REMOTE_WRITE | MR_REMOTE_READ);
	for (unsigned i = 0; i < LEN; i++)
		from[i] = sim_random();
	memset(&seen, 0, sizeof(seen));
	seen.gap = ~0ULL;
	sim.tap = watch;
}

static void finish(void)
{
	roce_mr_destroy(mr);
	end_destroy(&ea);
	end_destroy(&eb);
	sim_stop();
}

/* The time that many messages take. */
static u64 transfer(u8 opcode)
{
	struct roce_send_wr wr = { .opcode = opcode, .flags = WR_SIGNALED, .nr_sge = 1, .sge = { { from, LEN } }, .rkey = rkey,
				   .remote_addr = (uintptr_t)to };
	u64 start = time_mono_ns();

	ea.nr_wc = 0;
	for (unsigned i = 0; i < MESSAGES; i++)
		assert_int_equal(roce_post_send(ea.qp, &wr), 0);
	while (ea.nr_wc < MESSAGES)
		assert_true(sim_step());
	for (unsigned i = 0; i < MESSAGES; i++)
		assert_int_equal(ea.wc[i].status, WC_SUCCESS);
	assert_memory_equal(from, to, LEN);
	return time_mono_ns() - start;
}

/* Marked WRITEs slow down their requester; marked READ responses the responder, who sends them. */
static void marks_slow_down(void **state)
{
	for (unsigned read = 0; read < 2; read++) {
		u8 op = read ? WR_RDMA_READ : WR_RDMA_WRITE;
		u64 free, slow, again, timeouts = counter_read(&nr_roce_timeout), retransmits = counter_read(&nr_roce_retransmit);
		struct roce_qp *sender;

		begin(1 + read);
		sender = read ? eb.qp : ea.qp;
		if (read)
			memcpy(to, from, LEN);
		free = transfer(op);
		assert_int_equal(seen.cnps, 0);
		assert_int_equal(seen.other, 0);
		assert_true(seen.ect > MESSAGES);
		assert_int_equal(sender->cc.rate, 0);
		sim.mark = 3000;
		slow = transfer(op);
		sim.mark = 0;
		assert_true(seen.cnps > 3);
		assert_int_equal(seen.bad, 0);
		assert_true(seen.gap >= ROCE_CNP_GAP_NS);
		assert_in_range(sender->cc.rate, MIN_RATE, LINE_RATE / 10);
		assert_true(slow > 5 * free);
		shim_time_advance(NSEC_PER_SEC);
		again = transfer(op);
		assert_int_equal(sender->cc.rate, 0);
		assert_true(again < 2 * free);
		assert_int_equal(counter_read(&nr_roce_timeout), timeouts);
		assert_int_equal(counter_read(&nr_roce_retransmit), retransmits);
		print_message("%s: %lu us, marked %lu us, with %u notifications\n", read ? "READ" : "WRITE", (unsigned long)free / 1000,
			      (unsigned long)slow / 1000, seen.cnps);
		finish();
	}
}

/* By the clock: cuts halve at first, five rounds regain most, then more and more, and in the end there is no limit. */
static void the_curve(void **state)
{
	u32 low;

	begin(3);
	spin_lock(&ea.qp->lock);
	cc_notified(ea.qp);
	assert_in_range(ea.qp->cc.rate, LINE_RATE / 2 - 1024, LINE_RATE / 2 + 1024);
	for (unsigned i = 0; i < 100; i++)
		cc_notified(ea.qp);
	assert_int_equal(ea.qp->cc.rate, MIN_RATE);		/* never to nothing */
	low = ea.qp->cc.rate;
	for (unsigned i = 0; i < 400 && ea.qp->cc.rate != 0; i++) {
		shim_time_advance(ROCE_CC_ROUND_NS);
		assert_true(cc_may_send(ea.qp));
		assert_true(ea.qp->cc.rate == 0 || ea.qp->cc.rate >= low);
		low = ea.qp->cc.rate;
	}
	assert_int_equal(ea.qp->cc.rate, 0);
	/* after a single cut the target is where it was: half of the way back in each round */
	cc_notified(ea.qp);
	shim_time_advance(5 * ROCE_CC_ROUND_NS);
	(void)cc_may_send(ea.qp);
	assert_true(ea.qp->cc.rate == 0 || ea.qp->cc.rate > LINE_RATE - LINE_RATE / 32);
	spin_unlock(&ea.qp->lock);
	finish();
}

static void from_elsewhere(void **state)
{
	struct roce_pkt p = { .opcode = CNP, .pkey = ROCE_PKEY, .ecn = ROCE_BECN };
	u64 dropped = counter_read(&nr_roce_drop_cnp), taken = counter_read(&nr_roce_cnp);

	begin(4);
	for (unsigned i = 0; i < 4; i++) {
		u8 f[NET_DATA_OFF + ROCE_MAX_HEADERS + CNP_RESERVED + ICRC_LEN];
		u32 src = sim.node[1].ip;

		p.qpn = ea.qp->qpn;
		if (i == 1)
			src += 5;			/* not the peer */
		if (i == 2)
			p.qpn ^= 0x400000;		/* no such QP */
		if (i == 3)
			roce_qp_error(ea.qp);
		wire_put(0, f, frame_make(f, 0, src, &p, 0, CNP_RESERVED));
		sim_run(NSEC_PER_MSEC);
		assert_int_equal(counter_read(&nr_roce_cnp) - taken, 1);
		assert_int_equal(counter_read(&nr_roce_drop_cnp) - dropped, i);
	}
	finish();
}

/* A rate limit, a lossy wire, and a peer that goes away in the middle. */
static void with_loss(void **state)
{
	for (unsigned seed = 10; seed < 16; seed++) {
		begin(seed);
		sim.mark = 1000;
		sim.drop = 100;
		(void)transfer(WR_RDMA_WRITE);
		memcpy(to, from, LEN);
		(void)transfer(WR_RDMA_READ);
		sim.cut = true;
		for (unsigned i = 0; i < 10; i++)
			assert_int_equal(roce_post_send(ea.qp, &(struct roce_send_wr){
				.opcode = WR_RDMA_WRITE, .nr_sge = 1, .sge = { { from, LEN } }, .rkey = rkey, .remote_addr = (uintptr_t)to }), 0);
		sim_step();
		finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_slow_down), cmocka_unit_test(the_curve), cmocka_unit_test(from_elsewhere), cmocka_unit_test(with_loss),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
