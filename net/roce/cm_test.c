/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/packet.c net/roce/tx.c net/roce/rx.c net/roce/req.c net/roce/resp.c net/roce/cc.c net/roce/ud.c net/roce/qp.c net/roce/cq.c net/roce/mr.c net/roce/srq.c net/roce/cm_mad.c net/roce/cm.c net/roce/dev.c net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c */
/*
 * The connection manager: Linux's messages decoded and encoded again byte for byte; connections made, refused and ended over
 * wires good and bad, whichever side starts first.
 */
#include "net/roce/sim_test.h"

#define SERVICE ROCE_PS_TCP(18515)

/* --- messages ---------------------------------------------------------------------------------------------------- */

static unsigned golden_file(const char *path)
{
	static u8 pcap[1 << 16];
	FILE *f = fopen(path, "rb");
	size_t n, at = 24;
	unsigned mads = 0;

	assert_non_null(f);
	n = fread(pcap, 1, sizeof(pcap), f);
	fclose(f);
	while (at + 16 <= n) {
		u32 len = le32_get(*(const le32 *)(pcap + at + 8));
		const u8 *data = pcap + at + 16 + NET_DATA_OFF;
		struct roce_pkt p;
		struct cm_msg m;
		u8 out[MAD_LEN];

		at += 16 + len;
		if (!roce_parse(data, len - NET_DATA_OFF, &p) || p.qpn != 1)
			continue;
		assert_true(cm_mad_parse(p.payload, &m));
		if (m.attr == CM_REQ) {
			assert_true(m.ip_service);
			u8 gid[16];

			roce_gid_ipv4(gid, m.ip_src);
			assert_memory_equal(m.local_gid, gid, 16);
			roce_gid_ipv4(gid, m.ip_dst);
			assert_memory_equal(m.remote_gid, gid, 16);
			assert_true(m.ip_src == 0x0a000002 || m.ip_src == 0x0a4d000a || m.ip_src == 0x0a4d000b);
			assert_int_equal(m.service_id >> 16, 0x106);
			assert_int_equal(m.private_len, CM_REQ_PRIVATE);
		}
		if (m.attr == CM_REQ || m.attr == CM_SIDR_REQ)
			assert_int_equal(m.pkey, ROCE_PKEY);		/* of rxe, too: full members of the default partition */
		if (m.attr == CM_REJ)
			assert_int_equal(m.reason, CM_REJ_INVALID_SERVICE);
		if (m.attr == CM_SIDR_REQ || m.attr == CM_SIDR_REP)
			assert_int_equal(m.service_id, ROCE_PS_UDP(7174));
		if (m.attr == CM_SIDR_REQ) {
			assert_int_equal(m.ip_src, 0x0a4d000b);
			assert_int_equal(m.ip_dst, 0x0a4d000a);
			assert_int_equal(m.private_len, 180);
		}
		if (m.attr == CM_SIDR_REP) {
			assert_int_equal(m.sidr_status, 0);
			assert_int_equal(m.qpn, 0x13);
			assert_int_equal(m.qkey, ROCE_UDP_QKEY);
		}
		cm_mad_build(out, &m);
		assert_memory_equal(out, p.payload, MAD_LEN);
		mads++;
	}
	return mads;
}

static void golden_mads(void **state)
{
	assert_int_equal(golden_file("net/roce/testdata/rping_cm.pcap"), 5);
	assert_in_range(golden_file("net/roce/testdata/ib_send_lat_cm_64.pcap"), 6, 20);
	assert_int_equal(golden_file("net/roce/testdata/udaddy.pcap"), 2);
	assert_int_equal(golden_file("net/roce/testdata/cm_rej.pcap"), 1);
	assert_int_equal(golden_file("net/roce/testdata/two_qpns.pcap"), 10);
}

/* --- connections --------------------------------------------------------------------------------------------------- */

struct peer {
	struct end e;
	struct cm_id *id;
	unsigned nr_events;
	u8 events[64];
	u16 reason;
	u8 private_data[256];
	u32 private_len;
	bool listening, accept, answer_later;
};
static struct peer act, pas;

static bool they_persist;

static struct cm_conn_param params(struct peer *p)
{
	return (struct cm_conn_param){
		.qp = p->e.qp, .private_data = p == &act ? "hello from active" : "hello from passive", .private_len = 18,
		.path_mtu = 4096, .retry_count = 7, .rnr_retry = 7, .responder_resources = 4, .initiator_depth = 4, .ack_every = 16,
		.persist = they_persist,
	};
}

static void on_event(const struct cm_event *ev, void *arg)
{
	struct peer *p = arg;
	struct cm_conn_param c = params(p);

	assert_true(p->nr_events < ARRAY_SIZE(p->events));
	p->events[p->nr_events++] = ev->type;
	p->reason = ev->reason;
	p->private_len = ev->private_len;
	if (ev->private_data != NULL)
		memcpy(p->private_data, ev->private_data, ev->private_len);
	assert_int_equal(ev->peer_ip, sim.node[p == &act].ip);
	if (ev->type != CM_REQ_RECEIVED)
		return;
	assert_ptr_equal(ev->listener_arg, p);
	p->id = ev->id;
	if (p->answer_later)
		return;
	if (p->accept)
		assert_int_equal(roce_cm_accept(ev->id, &c, on_event, p), 0);
	else
		roce_cm_reject(ev->id, CM_REJ_CONSUMER, "go away", 8);
}

static void begin(u64 seed, bool listen)
{
	struct cm_conn_param c;

	sim_start(seed, 9000);
	memset(&act, 0, sizeof(act));
	memset(&pas, 0, sizeof(pas));
	end_create(&act.e, 0);
	end_create(&pas.e, 1);
	pas.accept = true;
	if (listen)
		assert_int_equal(roce_dev_cm_listen(sim.node[1].dev, SERVICE, on_event, &pas), 0);
	c = params(&act);
	act.id = roce_cm_connect(sim.node[1].ip, SERVICE, &c, on_event, &act);
	assert_non_null(act.id);
}

static void end_all(void)
{
	if (act.id != NULL)
		roce_cm_destroy(act.id);
	if (pas.id != NULL)
		roce_cm_destroy(pas.id);
	sim_run(10 * NSEC_PER_SEC);
	assert_int_equal(sim.node[0].dev->cm == NULL, 0);
	end_destroy(&act.e);
	end_destroy(&pas.e);
	sim_stop();
}

static void exchange(void)
{
	static u8 out[2][3000], in[2][3000];
	struct peer *p[2] = { &act, &pas };

	for (unsigned i = 0; i < 2; i++) {
		struct roce_recv_wr r = { .nr_sge = 1, .sge = { { in[i], 3000 } } };
		struct roce_send_wr w = { .opcode = WR_SEND, .flags = WR_SIGNALED, .nr_sge = 1, .sge = { { out[i], 3000 } } };

		memset(out[i], 0x40 + i, 3000);
		assert_int_equal(roce_post_recv(p[i]->e.qp, &r), 0);
		assert_int_equal(roce_post_send(p[i]->e.qp, &w), 0);
	}
	sim_run(2 * NSEC_PER_SEC);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(p[i]->e.nr_wc, 2);
		assert_int_equal(p[i]->e.wc[0].status + p[i]->e.wc[1].status, WC_SUCCESS);
		assert_memory_equal(in[i], out[!i], 3000);
	}
}

static void connect_and_part(void **state)
{
	for (unsigned who = 0; who < 2; who++) {
		struct peer *first = who ? &pas : &act, *other = who ? &act : &pas;

		begin(1, true);
		sim_run(20 * NSEC_PER_MSEC);
		assert_int_equal(act.nr_events, 1);
		assert_int_equal(act.events[0], CM_ESTABLISHED);
		assert_string_equal((char *)act.private_data, "hello from passive");
		assert_int_equal(act.private_len, CM_REP_PRIVATE);
		assert_int_equal(pas.nr_events, 2);
		assert_int_equal(pas.events[0], CM_REQ_RECEIVED);
		assert_int_equal(pas.events[1], CM_ESTABLISHED);
		assert_int_equal(roce_qp_state(act.e.qp), QPS_RTS);
		assert_int_equal(roce_qp_state(pas.e.qp), QPS_RTS);
		assert_int_equal(act.e.qp->attr.remote_qpn, pas.e.qp->qpn);
		assert_int_equal(pas.e.qp->attr.remote_qpn, act.e.qp->qpn);
		assert_int_equal(act.e.qp->sport, pas.e.qp->sport);
		exchange();
		roce_cm_disconnect(first->id, NULL, 0);
		sim_run(NSEC_PER_SEC);
		assert_int_equal(other->events[other->nr_events - 1], CM_DISCONNECTED);
		assert_int_equal(roce_qp_state(act.e.qp), QPS_ERR);
		assert_int_equal(roce_qp_state(pas.e.qp), QPS_ERR);
		end_all();
	}
}

/* A cut longer than all repetitions: whoever is persistent says farewell until it is heard, and then no more; others give up. */
static bool lets_say_farewell(bool persistent, bool destroyed)
{
	bool heard;

	they_persist = persistent;
	begin(1, true);
	they_persist = false;
	sim_run(20 * NSEC_PER_MSEC);
	assert_int_equal(act.events[0], CM_ESTABLISHED);
	sim.cut = true;
	roce_cm_disconnect(act.id, "farewell", 9);
	sim_run(5 * NSEC_PER_SEC);
	assert_int_equal(roce_cm_gone(act.id), !persistent);
	if (destroyed) {
		roce_cm_destroy(act.id);
		act.id = NULL;
		sim_run(5 * NSEC_PER_SEC);
	}
	sim.cut = false;
	sim_run(NSEC_PER_SEC);
	heard = pas.events[pas.nr_events - 1] == CM_DISCONNECTED;
	if (heard)
		assert_true(roce_cm_gone(act.id));
	end_all();
	return heard;
}

static void a_long_farewell(void **state)
{
	assert_true(lets_say_farewell(true, false));
	assert_false(lets_say_farewell(true, true));
	assert_false(lets_say_farewell(false, false));
}

/*
 * Both part at once, one with a farewell: it is heard, once, also if it was lost at first. Who does not persist is told nothing, as before.
 * late: the farewell is lost, and the other's DREQ comes before it is repeated.
 */
static unsigned farewells_that_cross(bool persistent, bool late)
{
	unsigned heard = 0;

	they_persist = persistent;
	begin(1, true);
	sim_run(20 * NSEC_PER_MSEC);
	they_persist = false;
	memset(pas.private_data, 0, sizeof(pas.private_data));
	sim.cut = late;
	roce_cm_disconnect(act.id, "farewell", 9);
	sim_run(late ? 10 * NSEC_PER_MSEC : 0);
	sim.cut = false;
	roce_cm_disconnect(pas.id, NULL, 0);
	sim_run(5 * NSEC_PER_SEC);
	assert_true(roce_cm_gone(act.id) && roce_cm_gone(pas.id));
	for (unsigned i = 2; i < pas.nr_events; i++)
		heard += pas.events[i] == CM_DISCONNECTED && strcmp((char *)pas.private_data, "farewell") == 0;
	end_all();
	return heard;
}

static void farewells_cross(void **state)
{
	assert_int_equal(farewells_that_cross(true, false), 1);
	assert_int_equal(farewells_that_cross(true, true), 1);
	assert_int_equal(farewells_that_cross(false, false), 0);
}

/* Each side says how often the other is to try again when a receiver is not ready; the active one also how often at all. */
static void retry_counts(void **state)
{
	struct cm_conn_param c;

	begin(1, true);
	roce_cm_destroy(act.id);
	sim_run(5 * NSEC_PER_SEC);
	act.nr_events = pas.nr_events = 0;
	pas.answer_later = true;
	c = params(&act);
	c.retry_count = 5;
	c.rnr_retry = 3;
	end_destroy(&act.e);
	end_destroy(&pas.e);
	end_create(&act.e, 0);
	end_create(&pas.e, 1);
	c.qp = act.e.qp;
	act.id = roce_cm_connect(sim.node[1].ip, SERVICE, &c, on_event, &act);
	sim_run(100 * NSEC_PER_MSEC);
	c = params(&pas);
	c.retry_count = 2;
	c.rnr_retry = 6;
	assert_int_equal(roce_cm_accept(pas.id, &c, on_event, &pas), 0);
	sim_run(100 * NSEC_PER_MSEC);
	assert_int_equal(roce_qp_state(act.e.qp), QPS_RTS);
	assert_int_equal(act.e.qp->attr.retry_count, 5);
	assert_int_equal(pas.e.qp->attr.retry_count, 5);
	assert_int_equal(act.e.qp->attr.rnr_retry, 6);
	assert_int_equal(pas.e.qp->attr.rnr_retry, 3);
	end_all();
}

static void private_data_of_req(void **state)
{
	begin(1, true);
	pas.answer_later = true;
	sim_run(5 * NSEC_PER_SEC);		/* longer than all repetitions would take: MRA made the peer wait */
	assert_int_equal(pas.nr_events, 1);
	assert_string_equal((char *)pas.private_data, "hello from active");
	assert_int_equal(pas.private_len, CM_REQ_PRIVATE);
	assert_int_equal(act.nr_events, 0);
	struct cm_conn_param c = params(&pas);

	assert_int_equal(roce_cm_accept(pas.id, &c, on_event, &pas), 0);
	sim_run(20 * NSEC_PER_MSEC);
	exchange();
	end_all();
}

static void refused(void **state)
{
	begin(1, true);
	pas.accept = false;
	sim_run(NSEC_PER_SEC);
	assert_int_equal(act.events[0], CM_REJECTED);
	assert_int_equal(act.reason, CM_REJ_CONSUMER);
	assert_string_equal((char *)act.private_data, "go away");
	pas.id = NULL;
	end_all();
	begin(1, false);			/* nobody listens */
	sim_run(NSEC_PER_SEC);
	assert_int_equal(act.events[0], CM_REJECTED);
	assert_int_equal(act.reason, CM_REJ_INVALID_SERVICE);
	end_all();
}

static void unreachable(void **state)
{
	u64 t;

	begin(1, true);
	sim.cut = true;
	t = time_mono_ns();
	while (sim_step() && act.nr_events == 0)
		;
	assert_int_equal(act.nr_events, 1);
	assert_in_range(time_mono_ns() - t, NSEC_PER_SEC, 5 * NSEC_PER_SEC);
	assert_int_equal(act.events[0], CM_UNREACHABLE);
	sim_run(10 * NSEC_PER_SEC);
	sim.cut = false;
	end_all();
}

/* Whichever message is lost, doubled or late, both sides come to agree. */
static void bad_wire(void **state)
{
	unsigned up = 0;

	for (unsigned seed = 1; seed <= 300; seed++) {
		begin(seed, true);
		sim.drop = sim.dup = sim.reorder = 1500;
		sim.corrupt = 300;
		sim_run(8 * NSEC_PER_SEC);
		sim.drop = sim.dup = sim.reorder = sim.corrupt = 0;
		sim_run(3 * NSEC_PER_SEC);
		/* one outcome; an end may follow, when the passive side never heard of it */
		assert_in_range(act.nr_events, 1, 2);
		assert_true(act.nr_events == 1 || (act.events[0] == CM_ESTABLISHED && act.events[1] == CM_DISCONNECTED));
		if (act.nr_events == 1 && act.events[0] == CM_ESTABLISHED && pas.events[pas.nr_events - 1] == CM_ESTABLISHED) {
			up++;
			exchange();
		}
		end_all();
	}
	print_message("%u of 300 connected\n", up);
	assert_true(up > 280);
}

/* The RTU is lost, and the first request says the same: it is taken once the user knows, and no sooner. */
static unsigned tap_rtu;
static void drop_rtu(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;
	struct cm_msg m;

	sim.drop = 0;
	if (len > NET_DATA_OFF && roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) && p.qpn == 1 &&
	    cm_mad_parse(p.payload, &m) && m.attr == CM_RTU) {
		tap_rtu++;
		sim.drop = 10000;
	}
}

static void lost_rtu(void **state)
{
	static u8 out[100], in[100];
	struct roce_recv_wr r = { .nr_sge = 1, .sge = { { in, 100 } } };
	struct roce_send_wr w = { .opcode = WR_SEND, .flags = WR_SIGNALED | WR_ACK_NOW, .nr_sge = 1, .sge = { { out, 100 } } };

	begin(5, true);
	assert_int_equal(roce_post_recv(pas.e.qp, &r), 0);
	sim.tap = drop_rtu;
	while (act.nr_events == 0)
		sim_step();
	assert_int_equal(act.events[0], CM_ESTABLISHED);
	assert_int_equal(pas.nr_events, 1);
	memset(out, 7, 100);
	assert_int_equal(roce_post_send(act.e.qp, &w), 0);
	while (pas.nr_events == 1) {
		assert_int_equal(pas.e.nr_wc, 0);
		sim_step();
	}
	assert_int_equal(pas.events[1], CM_ESTABLISHED);
	sim_run(50 * NSEC_PER_MSEC);
	assert_true(tap_rtu != 0);
	assert_int_equal(pas.e.nr_wc, 1);
	assert_memory_equal(in, out, 100);
	sim.tap = NULL;
	end_all();
}

/* The peer is gone without a word: the QP breaks, and both the QP's user and the connection's are told. */
static void broken(void **state)
{
	static u8 out[100];
	struct roce_send_wr w = { .opcode = WR_SEND, .nr_sge = 1, .sge = { { out, 100 } } };

	begin(1, true);
	sim_run(20 * NSEC_PER_MSEC);
	sim.cut = true;
	assert_int_equal(roce_post_send(act.e.qp, &w), 0);
	sim_run(20 * NSEC_PER_SEC);
	assert_int_equal(act.e.events, 1);
	assert_int_equal(act.events[act.nr_events - 1], CM_DISCONNECTED);
	sim.cut = false;
	end_all();
}

/* --- datagram services ------------------------------------------------------------------------------------------------ */

#define DGRAM ROCE_PS_UDP(7471)

static struct { unsigned asked, answered; struct cm_event ev; struct cm_sidr sidr; u8 status; } dgram;

static void on_dgram(const struct cm_event *ev, void *arg)
{
	if (ev->type == CM_SIDR_RECEIVED) {
		dgram.asked++;
		assert_ptr_equal(ev->listener_arg, &dgram);
		assert_int_equal(ev->peer_ip, sim.node[0].ip);
		assert_memory_equal(ev->private_data, "whom", 4);
		*ev->sidr = (struct cm_sidr){ dgram.status, 0x123456, ROCE_UDP_QKEY };
		return;
	}
	dgram.answered++;
	dgram.ev = *ev;
	if (ev->sidr != NULL)
		dgram.sidr = *ev->sidr;
}

static void sidr(void **state)
{
	static const struct { bool listen, cut; u8 status; unsigned drop, type, reason; } t[] = {
		{ true, false, 0, 0, CM_SIDR_RESOLVED, 0 }, { true, false, 0, 3000, CM_SIDR_RESOLVED, 0 },
		{ true, false, 2, 0, CM_REJECTED, 2 }, { false, false, 0, 0, CM_REJECTED, 1 }, { true, true, 0, 0, CM_UNREACHABLE, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct cm_id *id;

		sim_start(i + 1, 9000);
		memset(&dgram, 0, sizeof(dgram));
		dgram.status = t[i].status;
		sim.cut = t[i].cut;
		sim.drop = t[i].drop;
		if (t[i].listen)
			assert_int_equal(roce_dev_cm_listen(sim.node[1].dev, DGRAM, on_dgram, &dgram), 0);
		id = roce_dev_cm_resolve(sim.node[0].dev, sim.node[1].ip, DGRAM, "whom", 4, on_dgram, &dgram);
		assert_non_null(id);
		sim_run(5 * NSEC_PER_SEC);
		assert_int_equal(dgram.answered, 1);
		assert_int_equal(dgram.ev.type, t[i].type);
		assert_int_equal(dgram.ev.reason, t[i].reason);
		if (t[i].type == CM_SIDR_RESOLVED) {
			assert_int_equal(dgram.sidr.qpn, 0x123456);
			assert_int_equal(dgram.sidr.qkey, ROCE_UDP_QKEY);
			assert_true(dgram.asked >= 1);
		}
		roce_cm_destroy(id);
		sim_stop();
	}
}

/* A service of connections is no datagram service, nor the other way round: its listener hears nothing. */
static void sidr_of_the_wrong_kind(void **state)
{
	struct cm_id *id;

	begin(1, true);
	memset(&dgram, 0, sizeof(dgram));
	assert_int_equal(roce_dev_cm_listen(sim.node[1].dev, DGRAM, on_dgram, &dgram), 0);
	id = roce_dev_cm_resolve(sim.node[0].dev, sim.node[1].ip, SERVICE, "whom", 4, on_dgram, &dgram);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(dgram.ev.type, CM_REJECTED);
	assert_int_equal(dgram.ev.reason, 1);
	assert_int_equal(pas.nr_events, 2);		/* of the connection alone */
	roce_cm_destroy(id);
	end_all();

	begin(1, false);
	memset(&dgram, 0, sizeof(dgram));
	assert_int_equal(roce_dev_cm_listen(sim.node[1].dev, DGRAM, on_dgram, &dgram), 0);
	roce_cm_destroy(act.id);
	struct cm_conn_param c = params(&act);

	act.id = roce_cm_connect(sim.node[1].ip, DGRAM, &c, on_event, &act);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(act.events[act.nr_events - 1], CM_REJECTED);
	assert_int_equal(act.reason, CM_REJ_INVALID_SERVICE);
	assert_int_equal(dgram.asked, 0);
	end_all();
}

/* --- what the other end is not to do ------------------------------------------------------------------------------------ */

static struct { unsigned nr[0x20]; struct cm_msg last; } heard;		/* CM messages of node 1, by attribute */

static void hear(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;
	struct cm_msg m;

	if (from != 1 || len < NET_DATA_OFF || !roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) || p.qpn != ROCE_GSI_QPN ||
	    !cm_mad_parse(p.payload, &m))
		return;
	heard.nr[m.attr]++;
	heard.last = m;
}

static void say(const struct cm_msg *m)
{
	u8 mad[MAD_LEN];

	cm_mad_build(mad, m);
	cm_receive(sim.node[1].dev, sim.node[0].ip, ROCE_GSI_QPN, mad, MAD_LEN);
	sim_run(NSEC_PER_MSEC);
}

static struct cm_msg good_req(void)
{
	static u8 gid[2][16];

	roce_gid_ipv4(gid[0], sim.node[0].ip);
	roce_gid_ipv4(gid[1], sim.node[1].ip);
	return (struct cm_msg){
		.attr = CM_REQ, .tid = 7, .local_id = 0x1234, .service_id = SERVICE, .qpn = 77, .psn = 5, .responder_resources = 1,
		.initiator_depth = 1, .pkey = ROCE_PKEY, .path_mtu = 5, .local_gid = gid[0], .remote_gid = gid[1],
		.ip_service = true, .ip_src = sim.node[0].ip, .ip_dst = sim.node[1].ip,
	};
}

static u8 req_gid[2][16];

static void hear_req(unsigned from, const u8 *f, u32 len)
{
	struct roce_pkt p;
	struct cm_msg m;

	if (len < NET_DATA_OFF || !roce_parse(f + NET_DATA_OFF, len - NET_DATA_OFF, &p) || p.qpn != ROCE_GSI_QPN ||
	    !cm_mad_parse(p.payload, &m) || m.attr != CM_REQ)
		return;
	memcpy(req_gid[0], m.local_gid, 16);
	memcpy(req_gid[1], m.remote_gid, 16);
}

/* The port's table, and the entry of it that connections are made with: asked for by one side, and looked at by the other. */
static void gid_table(void **state)
{
	u8 gid[16], link_local[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x50, 0x54, 0, 0xff, 0xfe, 0x77, 0, 1 };
	struct cm_conn_param c;

	begin(1, true);
	assert_int_equal(roce_dev_gid(sim.node[0].dev, 0, gid), 0);
	assert_memory_equal(gid, link_local, 16);
	assert_int_equal(roce_dev_gid(sim.node[0].dev, 2, gid), -EINVAL);
	assert_int_equal(roce_dev_gid(sim.node[0].dev, ~0U, gid), -EINVAL);
	assert_memory_equal(gid, link_local, 16);
	sim.tap = hear_req;
	sim_run(NSEC_PER_SEC);
	assert_int_equal(pas.nr_events, 2);
	for (unsigned i = 0; i < 2; i++) {
		u8 mapped[16] = { [10] = 0xff, 0xff, 0x0a, 0x4d, 0, 1 + i };

		assert_int_equal(roce_dev_gid(sim.node[i].dev, 1, gid), 0);
		assert_memory_equal(gid, mapped, 16);
		assert_memory_equal(req_gid[i], gid, 16);
	}
	sim.tap = NULL;
	end_all();

	begin(2, true);			/* a table that says something else */
	sim.node[0].dev->gid[ROCE_GID_IPV4][15] = 0x99;
	sim.node[1].dev->gid[ROCE_GID_IPV4][15] = 0x98;
	roce_cm_destroy(act.id);
	act.id = NULL;
	sim_run(NSEC_PER_SEC);
	pas.nr_events = 0;
	sim.tap = hear_req;
	c = params(&act);
	act.id = roce_cm_connect(sim.node[1].ip, SERVICE, &c, on_event, &act);
	sim_run(NSEC_PER_SEC);
	assert_int_equal(req_gid[0][15], 0x99);
	assert_int_equal(act.events[act.nr_events - 1], CM_REJECTED);
	assert_int_equal(act.reason, CM_REJ_GID);
	assert_int_equal(pas.nr_events, 0);
	sim.tap = NULL;
	end_all();
}

/* A REQ that cannot be is rejected by the reason that says why; its listener hears nothing. */
static void rejected_by_reason(void **state)
{
	static const u16 reasons[] = {
		CM_REJ_INVALID_SERVICE, CM_REJ_INVALID_SERVICE, CM_REJ_TRANSPORT, CM_REJ_GID, CM_REJ_GID, CM_REJ_PATH_MTU, CM_REJ_PATH_MTU,
		CM_REJ_PATH_MTU, CM_REJ_UNSUPPORTED, CM_REJ_UNSUPPORTED,
	};
	u8 other_gid[16];

	begin(1, true);
	sim_run(NSEC_PER_SEC);
	for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
		struct cm_msg m = good_req();
		unsigned events = pas.nr_events;

		sim.tap = hear;
		memset(&heard, 0, sizeof(heard));
		m.local_id += i;
		switch (i) {
		case 0: m.service_id++; break;
		case 1: m.service_id = ROCE_PS_UDP(18515); break;
		case 2: m.transport = 1; break;			/* UC */
		case 3:
			assert_int_equal(roce_dev_gid(sim.node[1].dev, ROCE_GID_LINK_LOCAL, other_gid), 0);
			m.remote_gid = other_gid;
			break;
		case 4: m.remote_gid = m.local_gid; break;
		case 5: m.path_mtu = 0; break;
		case 6: m.path_mtu = 6; break;
		case 7: m.path_mtu = 5; sim.node[1].dev->max_mtu = 1024; break;		/* more than this link's */
		case 8: m.pkey = 0x9234; break;			/* another partition */
		case 9: m.pkey = 0; break;			/* of none */
		}
		say(&m);
		assert_int_equal(heard.nr[CM_REJ], 1);
		assert_int_equal(heard.last.reason, reasons[i]);
		assert_int_equal(heard.last.about, 0);
		assert_int_equal(heard.last.remote_id, m.local_id);
		assert_int_equal(pas.nr_events, events);
	}
	sim.tap = NULL;
	end_all();
}

/* Packets, which carry the partition's key too, are let through by the same rule: a limited member may talk to a full one. */
static void limited_member(void **state)
{
	struct cm_id *first;
	struct cm_msg m;

	begin(1, true);
	sim_run(NSEC_PER_SEC);
	first = pas.id;
	m = good_req();
	m.pkey = 0x7fff;
	pas.accept = false;
	sim.tap = hear;
	memset(&heard, 0, sizeof(heard));
	say(&m);
	assert_int_equal(pas.nr_events, 3);		/* its listener decides */
	assert_int_equal(heard.last.reason, CM_REJ_CONSUMER);
	sim.tap = NULL;
	pas.id = first;
	end_all();
}

/* A datagram service of another partition is none: status 2, and its listener hears nothing. */
static void sidr_of_another_partition(void **state)
{
	struct cm_msg m = { .attr = CM_SIDR_REQ, .tid = 7, .local_id = 5, .pkey = 0x1234, .service_id = DGRAM };

	sim_start(1, 9000);
	memset(&dgram, 0, sizeof(dgram));
	assert_int_equal(roce_dev_cm_listen(sim.node[1].dev, DGRAM, on_dgram, &dgram), 0);
	sim.tap = hear;
	memset(&heard, 0, sizeof(heard));
	say(&m);
	sim_run(20 * NSEC_PER_MSEC);			/* ARP first */
	assert_int_equal(heard.nr[CM_SIDR_REP], 1);
	assert_int_equal(heard.last.sidr_status, 2);
	assert_int_equal(dgram.asked, 0);
	sim.tap = NULL;
	sim_stop();
}

/* Node 0's end is one that only talks, by the REQ returned; node 1's listener takes its time. */
static struct cm_msg req_of_one_that_talks(void)
{
	begin(1, false);
	roce_cm_destroy(act.id);
	act.id = NULL;
	sim_run(5 * NSEC_PER_SEC);
	pas.answer_later = true;
	assert_int_equal(roce_dev_cm_listen(sim.node[1].dev, SERVICE, on_event, &pas), 0);
	return good_req();
}

/* An MRA that was lost is said again when the REQ comes again; and nothing before the user had its first look. */
static void asked_to_wait_again(void **state)
{
	struct cm_msg m = req_of_one_that_talks();

	sim.tap = hear;
	memset(&heard, 0, sizeof(heard));
	for (unsigned i = 1; i <= 3; i++) {
		say(&m);
		assert_int_equal(heard.nr[CM_MRA], i);
		assert_int_equal(heard.last.remote_id, m.local_id);
	}
	assert_int_equal(pas.nr_events, 1);
	sim.tap = NULL;
	roce_cm_reject(pas.id, CM_REJ_CONSUMER, NULL, 0);
	pas.id = NULL;
	end_all();
}

/* A DREQ that names another queue pair than the connection's ends nothing. */
static void dreq_of_another(void **state)
{
	struct cm_msg m = { .attr = CM_DREQ, .tid = 9 };

	memset(&heard, 0, sizeof(heard));
	begin(1, true);
	sim.tap = hear;
	sim_run(100 * NSEC_PER_MSEC);
	assert_int_equal(roce_qp_state(pas.e.qp), QPS_RTS);
	assert_int_equal(heard.last.attr, CM_REP);
	m.local_id = heard.last.remote_id;
	m.remote_id = heard.last.local_id;
	m.remote_qpn = pas.e.qp->qpn ^ 0x400000;
	say(&m);
	assert_int_equal(heard.nr[CM_DREP], 0);
	assert_int_equal(pas.nr_events, 2);
	assert_int_equal(roce_qp_state(pas.e.qp), QPS_RTS);
	m.remote_qpn = pas.e.qp->qpn;
	say(&m);
	assert_int_equal(heard.nr[CM_DREP], 1);
	assert_int_equal(pas.events[pas.nr_events - 1], CM_DISCONNECTED);
	assert_int_equal(roce_qp_state(pas.e.qp), QPS_ERR);
	sim.tap = NULL;
	end_all();
}

/*
 * A REQ that comes twice may be rejected the second time, for want of memory say: if the first was accepted, that changes nothing.
 * But a REJ of the REP ends the connection.
 */
static void rejected_the_second_time(void **state)
{
	struct cm_msg m = { .attr = CM_REJ, .tid = 9, .about = 0, .reason = CM_REJ_NO_RESOURCES };
	u8 mad[MAD_LEN];

	memset(&heard, 0, sizeof(heard));
	begin(1, true);
	sim.tap = hear;
	sim_run(100 * NSEC_PER_MSEC);
	sim.tap = NULL;
	assert_int_equal(heard.last.attr, CM_REP);
	assert_int_equal(act.nr_events, 1);
	m.remote_id = heard.last.remote_id;
	cm_mad_build(mad, &m);
	cm_receive(sim.node[0].dev, sim.node[1].ip, ROCE_GSI_QPN, mad, MAD_LEN);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(act.nr_events, 1);
	exchange();
	m.about = 1;
	m.reason = CM_REJ_TIMEOUT;
	cm_mad_build(mad, &m);
	cm_receive(sim.node[0].dev, sim.node[1].ip, ROCE_GSI_QPN, mad, MAD_LEN);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(act.nr_events, 2);
	assert_int_equal(act.events[1], CM_DISCONNECTED);
	assert_int_equal(roce_qp_state(act.e.qp), QPS_ERR);
	end_all();
}

/* The peer booted anew, and its new queue pair has an old one's number: what is left of that ends, and the next REQ is taken. */
static void stale_connection(void **state)
{
	struct cm_msg m;

	begin(1, true);
	sim_run(100 * NSEC_PER_MSEC);
	assert_int_equal(pas.nr_events, 2);
	m = good_req();
	m.qpn = act.e.qp->qpn ^ 1;
	pas.accept = false;
	sim.tap = hear;
	memset(&heard, 0, sizeof(heard));
	say(&m);				/* another queue pair: its listener decides */
	assert_int_equal(pas.nr_events, 3);
	assert_int_equal(heard.last.reason, CM_REJ_CONSUMER);
	m.local_id++;
	m.qpn = act.e.qp->qpn;
	memset(&heard, 0, sizeof(heard));
	say(&m);
	assert_int_equal(heard.nr[CM_REJ], 1);
	assert_int_equal(heard.nr[CM_DREQ], 1);
	assert_int_equal(pas.events[3], CM_DISCONNECTED);
	assert_int_equal(roce_qp_state(pas.e.qp), QPS_ERR);
	say(&m);
	assert_int_equal(pas.nr_events, 5);
	assert_int_equal(pas.events[4], CM_REQ_RECEIVED);
	sim.tap = NULL;
	pas.id = NULL;
	end_all();
}

/* That REQ waits for its listener, and nothing but what say() says passes any more. */
static struct cm_msg req_waits(void)
{
	struct cm_msg m = req_of_one_that_talks();

	sim.cut = true;
	say(&m);
	assert_int_equal(pas.nr_events, 1);
	memset(&heard, 0, sizeof(heard));
	sim.tap = hear;
	return m;
}

/* The peer gave up before it was answered: it knows no id of ours but by an MRA, and finds no one who accepts it later. */
static void gave_up_before_the_answer(void **state)
{
	for (unsigned how = 0; how < 3; how++) {
		bool after = how == 1;
		struct cm_msg req = req_waits(), m = { .attr = CM_REJ, .tid = 7, .local_id = req.local_id, .reason = CM_REJ_TIMEOUT };
		struct cm_conn_param c = params(&pas);
		u64 stray = counter_read(&nr_roce_cm_stray);

		m.about = after ? 2 : 0;			/* Linux calls it another message */
		if (how == 2) {
			sim_run(NSEC_PER_SEC);
			say(&req);				/* once more: its listener takes its time */
			assert_int_equal(heard.last.attr, CM_MRA);
			m.remote_id = heard.last.local_id;
		}
		m.local_id++;
		say(&m);					/* of another connection */
		assert_int_equal(counter_read(&nr_roce_cm_stray), stray + 1);
		m.local_id--;
		if (after)					/* it crosses the answer */
			assert_int_equal(roce_cm_accept(pas.id, &c, on_event, &pas), 0);
		say(&m);
		assert_int_equal(counter_read(&nr_roce_cm_stray), stray + 1);
		if (after) {
			assert_int_equal(pas.events[1], CM_REJECTED);
			assert_int_equal(pas.reason, CM_REJ_TIMEOUT);
		} else {
			assert_int_equal(roce_cm_accept(pas.id, &c, on_event, &pas), -EINVAL);
			assert_int_equal(roce_qp_state(pas.e.qp), QPS_RESET);
			assert_int_equal(pas.nr_events, 1);
			roce_cm_reject(pas.id, CM_REJ_CONSUMER, NULL, 0);
			assert_int_equal(heard.nr[CM_REJ], 0);
			say(&req);				/* it asks anew: its listener hears of it */
			assert_int_equal(pas.nr_events, 2);
		}
		sim.tap = NULL;
		end_all();
	}
}

/* A REJ or DREP that comes from another id of the peer's than the connection's ends nothing. */
static void answer_of_another(void **state)
{
	struct cm_msg m = req_waits();
	struct cm_conn_param c = params(&pas);

	assert_int_equal(roce_cm_accept(pas.id, &c, on_event, &pas), 0);
	sim_run(NSEC_PER_MSEC);
	assert_int_equal(heard.last.attr, CM_REP);
	m = (struct cm_msg){ .attr = CM_REJ, .tid = 7, .local_id = m.local_id + 1, .remote_id = heard.last.local_id, .about = 1 };
	say(&m);
	assert_int_equal(pas.nr_events, 1);
	m.attr = CM_RTU;
	m.local_id--;
	say(&m);
	assert_int_equal(pas.events[1], CM_ESTABLISHED);
	m.attr = CM_REJ;
	m.local_id++;
	say(&m);
	assert_int_equal(pas.nr_events, 2);
	roce_cm_disconnect(pas.id, NULL, 0);
	m.attr = CM_DREP;
	say(&m);
	assert_false(roce_cm_gone(pas.id));
	m.local_id--;
	say(&m);
	assert_true(roce_cm_gone(pas.id));
	sim.tap = NULL;
	end_all();
}

/* The header of an IP service's private data, in a version we do not know: its listener is not told of bytes that may mean anything. */
static void ip_service_of_another_version(void **state)
{
	u8 mad[MAD_LEN];

	for (unsigned i = 0; i < 3; i++) {
		struct cm_msg req = req_waits(), m = req;

		m.local_id++;
		cm_mad_build(mad, &m);
		if (i == 0)
			mad[24 + 140] = 0x10;			/* its own */
		else if (i == 1)
			mad[24 + 141] = 6 << 4;			/* IP's */
		cm_receive(sim.node[1].dev, sim.node[0].ip, ROCE_GSI_QPN, mad, MAD_LEN);
		sim_run(NSEC_PER_MSEC);
		assert_int_equal(heard.nr[CM_REJ], i < 2);
		assert_int_equal(pas.nr_events, i < 2 ? 1 : 2);
		if (i < 2)
			assert_int_equal(heard.last.reason, CM_REJ_CONSUMER);
		sim.tap = NULL;
		end_all();
	}
}

static unsigned flood_asked;

static void flood_more(const struct cm_event *ev, void *arg)
{
	u8 mad[MAD_LEN];

	ev->sidr->status = 0;
	if (++flood_asked == 100000)
		return;
	cm_mad_build(mad, &(struct cm_msg){ .attr = CM_SIDR_REQ, .tid = flood_asked, .pkey = ROCE_PKEY, .service_id = DGRAM, .ip_service = true });
	cm_receive(sim.node[1].dev, sim.node[0].ip, ROCE_GSI_QPN, mad, MAD_LEN);
}

/* Messages that come as fast as they are answered do not keep the transport thread from its timers. */
static void flood(void **state)
{
	u8 mad[MAD_LEN];

	sim_start(1, 9000);
	flood_asked = 0;
	assert_int_equal(roce_dev_cm_listen(sim.node[1].dev, DGRAM, flood_more, NULL), 0);
	cm_mad_build(mad, &(struct cm_msg){ .attr = CM_SIDR_REQ, .pkey = ROCE_PKEY, .service_id = DGRAM, .ip_service = true });
	cm_receive(sim.node[1].dev, sim.node[0].ip, ROCE_GSI_QPN, mad, MAD_LEN);
	sim.cut = true;
	assert_int_equal(roce_dev_run(sim.node[1].dev), 0);	/* at once again */
	assert_in_range(flood_asked, 1, 100);
	flood_asked = 99999;
	(void)roce_dev_run(sim.node[1].dev);
	assert_int_equal(flood_asked, 100000);
	sim_stop();
}

/* Destroyed at every stage: nothing is told afterwards, nothing is left. */
static void destroy_anytime(void **state)
{
	for (unsigned steps = 0; steps < 14; steps++) {
		unsigned n;

		begin(1, true);
		for (unsigned i = 0; i < steps; i++)
			sim_step();
		n = act.nr_events;
		roce_cm_destroy(act.id);
		act.id = NULL;
		sim_run(10 * NSEC_PER_SEC);
		assert_int_equal(act.nr_events, n);
		end_all();
	}
}

int main(int argc, char **argv)		/* an argument: only tests that match it */
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_mads), cmocka_unit_test(connect_and_part), cmocka_unit_test(a_long_farewell), cmocka_unit_test(farewells_cross), cmocka_unit_test(private_data_of_req),
		cmocka_unit_test(retry_counts), cmocka_unit_test(gid_table),
		cmocka_unit_test(refused), cmocka_unit_test(unreachable), cmocka_unit_test(lost_rtu), cmocka_unit_test(broken),
		cmocka_unit_test(destroy_anytime), cmocka_unit_test(sidr), cmocka_unit_test(sidr_of_the_wrong_kind),
		cmocka_unit_test(rejected_by_reason), cmocka_unit_test(limited_member), cmocka_unit_test(sidr_of_another_partition),
		cmocka_unit_test(asked_to_wait_again), cmocka_unit_test(dreq_of_another),
		cmocka_unit_test(rejected_the_second_time), cmocka_unit_test(stale_connection), cmocka_unit_test(flood),
		cmocka_unit_test(gave_up_before_the_answer), cmocka_unit_test(answer_of_another),
		cmocka_unit_test(ip_service_of_another_version), cmocka_unit_test(bad_wire),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
