/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/packet.c net/roce/tx.c net/roce/rx.c net/roce/req.c net/roce/resp.c net/roce/cc.c net/roce/ud.c net/roce/qp.c net/roce/cq.c net/roce/mr.c net/roce/srq.c net/roce/cm_mad.c net/roce/dev.c net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c */
/* PARSERS: net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c net/roce/packet.c net/roce/rx.c net/roce/req.c net/roce/resp.c net/roce/ud.c net/roce/cm_mad.c net/roce/cm.c net/roce/mr.c net/roce/qp.c net/roce/cc.c */
/*
 * What comes from the wire. A node with a connected queue pair, one for datagrams and connections being made has requests under way
 * and receives posted, while it is sent frames: of any bytes, or ones that are right but for a byte or two, so that what lies
 * behind the checks of headers and ICRC is reached too. The input is a row of steps. Nothing may be written outside of what was
 * posted or registered; whoever waits for a completion gets it. (Not among the parsers: cq.c, srq.c and dev.c, which look
 * into no packet.)
 */
#include "net/roce/sim_test.h"
#include "net/roce/cm.c"

#define ROOM	8192
#define SERVICE	ROCE_PS_TCP(18515)
#define DGRAM	ROCE_PS_UDP(18515)
#define HEADERS	NET_DATA_OFF
#define MAX_FRAME 4400

static const u8 *in;
static size_t in_left;

static u8 next_byte(void) { return in_left == 0 ? 0 : (in_left--, *in++); }

static struct end a, b;			/* b is attacked; a, which its frames go to, is an honest peer */
static struct roce_qp *dgram, *conn;	/* of b; conn is for the connection manager */
static struct roce_mr *mr, *later;	/* of b: what its peers may reach; one that is bound and unbound */
static u32 rkey, later_key;
static u64 later_va;
static u8 pages[3][PAGE_SIZE] __aligned(PAGE_SIZE);	/* later may be the last and the first of them, in this order */
static bool marked;			/* what comes to b met congestion */
static u8 guarded[ROOM + 256], *target;
static u8 out[ROOM];
static struct cm_id *mine, *theirs;	/* connections of b: made by it, asked of it */
static bool answer_later;

/* --- frames ---------------------------------------------------------------------------------------------- */

static void receive(const u8 *frame, u32 len)
{
	u8 *copy = malloc(len);		/* so that a byte too far is seen */

	memcpy(copy, frame, len);
	b.node->netdev.rx(&b.node->netdev, 0, copy, len);
	free(copy);
}

/* Up to three bytes are others. */
static void spoil(u8 *p, u32 len)
{
	for (u8 how = next_byte(); how >= 192 && len != 0; how -= 16) {
		u32 at = next_byte() | (how & 1) << 8;

		p[at % len] = next_byte();
		if (how < 208)
			break;
	}
}

static void link_header(u8 *frame, u16 type)
{
	eth_header(frame, b.node->dev->nif->mac, a.node->dev->nif->mac, type);
	spoil(frame, ETH_HLEN);
}

static void receive_ip(u8 *frame, u8 proto, u32 len)
{
	link_header(frame, ETH_TYPE_IPV4);
	ipv4_header(frame + ETH_HLEN, a.node->ip, b.node->ip, proto, len, 7);
	frame[ETH_HLEN + 1] = next_byte() < 250 ? 0 : IP_CE;
	((struct ip_hdr *)(frame + ETH_HLEN))->sum = be16_of(0);
	((struct ip_hdr *)(frame + ETH_HLEN))->sum = be16_of(net_checksum(frame + ETH_HLEN, IP_HLEN, 0));
	spoil(frame + ETH_HLEN, IP_HLEN);
	receive(frame, NET_UDP_OFF + len + (next_byte() < 250 ? 0 : next_byte()));
}

/* What stands behind the UDP header gets its ICRC there. */
static void receive_roce(u8 *frame, u32 len)
{
	u8 *ip = frame + ETH_HLEN;
	u32 icrc;

	udp_header(ip, a.node->ip, b.node->ip, 0xc000, 4791, len + ICRC_LEN, 7);
	if (marked) {
		ip[1] |= IP_CE;
		((struct ip_hdr *)ip)->sum = be16_of(0);
		((struct ip_hdr *)ip)->sum = be16_of(net_checksum(ip, IP_HLEN, 0));
	}
	if (len >= BTH_LEN) {
		icrc = roce_icrc_finish(roce_icrc_start(ip, len));
		for (unsigned i = 0; i < ICRC_LEN; i++)
			frame[HEADERS + len + i] = icrc >> 8 * i;
	}
	link_header(frame, ETH_TYPE_IPV4);
	spoil(ip + IP_HLEN, UDP_HLEN);
	receive(frame, HEADERS + len + ICRC_LEN);
}

static void receive_packet(struct roce_pkt *p, const void *data, u32 len)
{
	static u8 frame[MAX_FRAME + 512];
	u32 n;

	memset(frame, 0, sizeof(frame));
	p->pkey = ROCE_PKEY;
	p->pad = -len & 3;
	n = roce_build(frame + HEADERS, p);
	memcpy(frame + HEADERS + n, data, len);
	n += len + p->pad;
	spoil(frame + HEADERS, MIN(n, 64U));
	receive_roce(frame, n);
}

static u32 some_length(void)
{
	static const u16 often[] = { 0, 1, 4, 8, 255, 256, 257, 1024, 2048, 4096, 4095, 12, 64, 100, 512, 2 };
	u8 x = next_byte();

	return x < 128 ? often[x % 16] : (x & 127) * 33;
}

static void request(struct roce_qp *q)
{
	static const u8 op[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x13, 0x14, 0x16, 0x17, 12, 4, 10, 0x13, 0x14, 6, 12, 1, 2, 7, 8, 0x15, 0x1f, 0, 6 };
	u8 x = next_byte(), y = next_byte();
	u32 len = some_length();
	struct roce_pkt p = {
		.opcode = op[x % 32], .qpn = q->qpn, .psn = psn_add(q->epsn, y < 200 ? 0 : y - 228), .ackreq = x >= 128,
		.se = x >= 192, .va = y == 9 ? later_va : (uintptr_t)target + (y < 8 ? 8 * y : 0), .rkey = y == 9 ? later_key : rkey, .dma_len = len, .swap_add = x,
		.compare = y & 1 ? 0 : *(u64 *)target, .imm = y & 2 ? later_key : y, .qkey = 0x22222222, .src_qpn = a.qp->qpn,
	};

	if (!(roce_ops[p.opcode].flags & OPF_PAYLOAD))
		len = 0;
	else if (!(roce_ops[p.opcode].flags & OPF_LAST) && y != 199)
		len = q->attr.mtu;		/* not the last packet of a message */
	receive_packet(&p, out, MIN(len, (u32)MAX_FRAME - 128));
}

static void response(struct roce_qp *q)
{
	static const u8 op[] = { RC_ACK, RC_READ_RESP_ONLY, RC_READ_RESP_FIRST, RC_READ_RESP_MIDDLE, RC_READ_RESP_LAST, RC_ATOMIC_ACK, RC_ACK, RC_ACK };
	static const u8 syndrome[] = { 0, 0x1f, 5, 0x20, 0x2e, 0x60, 0x61, 0x62, 0x63, 0x64, 0x40, 0x80, 0x1f, 1, 0x60, 0x21 };
	u8 x = next_byte(), y = next_byte();
	struct roce_pkt p = {
		.opcode = op[x % 8], .qpn = q->qpn, .psn = psn_add(q->psn_una, y % 32 < 24 ? y % 32 : y % 32 - 32),
		.syndrome = syndrome[x >> 3 & 15], .msn = x + y, .orig = y,
	};
	u32 len = roce_ops[p.opcode].flags & OPF_PAYLOAD ? some_length() : 0;

	receive_packet(&p, out, len);
}

static void datagram(void)
{
	u8 x = next_byte();
	struct roce_pkt p = {
		.opcode = x & 1 ? UD_SEND_ONLY_IMM : UD_SEND_ONLY, .qpn = dgram->qpn, .qkey = x >= 250 ? 5 : 0x22222222, .src_qpn = 9,
		.psn = x, .imm = x, .se = x & 2,
	};

	receive_packet(&p, out, MIN(some_length(), (u32)MAX_FRAME - 128));
}

static void connection_message(void)
{
	u8 x = next_byte(), y = next_byte(), mad[MAD_LEN];
	const struct cm_id *about = y & 1 ? mine : theirs;
	u8 gid[2][16];
	struct cm_msg m = {
		.attr = CM_REQ + x % 10, .tid = 7, .local_id = about != NULL && !(x & 64) ? about->remote_id : 1 + (y >> 1) % 4,
		.remote_id = about != NULL ? about->local_id : 0, .qpn = a.qp->qpn, .psn = y, .responder_resources = x, .initiator_depth = y,
		.service_id = y & 2 ? DGRAM : SERVICE, .path_mtu = y >= 250 ? 7 : 1 + x % 5, .retry_count = 3, .rnr_retry = y & 7,
		.local_gid = gid[0], .remote_gid = gid[y >= 248 ? 0 : 1], .ip_service = (y & 24) != 0, .ip_src = a.node->ip, .ip_dst = b.node->ip,
		.about = y & 3, .reason = y, .service_timeout = y, .sidr_status = y & 64 ? 1 : 0, .flow_control = x & 1,
		.transport = y >= 252, .pkey = y == 247 ? 0x1234 : ROCE_PKEY, .private_data = out, .private_len = x,
	};
	struct roce_pkt p = { .opcode = UD_SEND_ONLY, .qpn = ROCE_GSI_QPN, .src_qpn = x == 255 ? 2 : ROCE_GSI_QPN, .qkey = ROCE_GSI_QKEY };

	(void)roce_dev_gid(a.node->dev, ROCE_GID_IPV4, gid[0]);
	(void)roce_dev_gid(b.node->dev, ROCE_GID_IPV4, gid[1]);
	if (m.attr == CM_SIDR_REP && mine != NULL)
		m.local_id = mine->local_id;
	cm_mad_build(mad, &m);
	spoil(mad, MAD_LEN);
	receive_packet(&p, mad, y == 255 ? 252 : MAD_LEN);
	if (y & 4)
		(void)roce_dev_run(b.node->dev);
}

static void arp(void)
{
	u8 frame[64] = { 0 }, x = next_byte();
	u8 pkt[28] = { 0, 1, 8, 0, 6, 4, 0, 1 + x % 2, 0x52, 0x54, 0, 0x77, 0, 1 };
	u32 sender = x & 4 ? b.node->ip : x & 8 ? a.node->ip : x & 16 ? 0x0a4d0100 : 0x0a4d0080 + x, wanted = x & 32 ? 0x0a4d0055 : b.node->ip;

	*(be32 *)(pkt + 14) = be32_of(sender);
	*(be32 *)(pkt + 24) = be32_of(wanted);
	link_header(frame, ETH_TYPE_ARP);
	memcpy(frame + ETH_HLEN, pkt, sizeof(pkt));
	if (x & 2)
		memset(frame, 0xff, 6);
	spoil(frame + ETH_HLEN, sizeof(pkt));
	receive(frame, ETH_HLEN + (x == 255 ? 20 : sizeof(pkt)));
}

static void echo(void)
{
	u8 frame[2304] = { 0 }, *icmp = frame + NET_UDP_OFF;
	u32 len = 8 + MIN(some_length(), 1900U);
	u16 sum;

	icmp[0] = 8;
	sum = net_checksum(icmp, len, 0);
	icmp[2] = sum >> 8;
	icmp[3] = sum;
	spoil(icmp, 8);
	receive_ip(frame, 1, len);
}

/* UDP to any port, with a checksum */
static void udp(void)
{
	u8 frame[1024] = { 0 }, x = next_byte();
	u32 len = next_byte();
	struct udp_hdr *u = (struct udp_hdr *)(frame + NET_UDP_OFF);
	u32 pseudo = (a.node->ip >> 16) + (a.node->ip & 0xffff) + (b.node->ip >> 16) + (b.node->ip & 0xffff) + 17 + UDP_HLEN + len;

	udp_header(frame + ETH_HLEN, a.node->ip, b.node->ip, 5, x & 1 ? 4791 : x, len, 7);
	if (x & 2)
		u->sum = be16_of(net_checksum(u, UDP_HLEN + len, pseudo));
	spoil((u8 *)u, UDP_HLEN);
	receive_ip(frame, x >= 250 ? x : 17, UDP_HLEN + len);
}

static void any_bytes(void)
{
	static u8 frame[MAX_FRAME];
	u8 how = next_byte();
	u32 len = next_byte() | (how & 15) << 8;

	len = MIN(len, in_left);
	memcpy(frame, in, len);
	in += len;
	in_left -= len;
	if (how & 128 && len > HEADERS) {
		receive_roce(frame, MIN(len, (u32)MAX_FRAME - ICRC_LEN) - HEADERS);
		return;
	}
	if (how & 64 && len >= ETH_HLEN)
		link_header(frame, how & 16 ? ETH_TYPE_ARP : ETH_TYPE_IPV4);
	receive(frame, len);
}

/* Time passes, as far as not too much happens in it: a receiver that is never ready is asked again 10,000 times a second. */
static void pass(u64 ns)
{
	u64 end = time_mono_ns() + ns;

	for (unsigned i = 0; i < 300 && time_mono_ns() < end && sim_step(); i++)
		;
}

/* --- what b's users do ------------------------------------------------------------------------------------- */

static void post(struct end *e)
{
	u8 x = next_byte(), y = next_byte();
	u32 len = some_length();
	struct roce_send_wr wr = {
		.wr_id = x, .opcode = x % 8, .flags = y & (WR_SIGNALED | WR_SOLICITED | WR_MORE | WR_ACK_NOW | WR_TAKEN), .nr_sge = 2,
		.sge = { { out, len / 2 }, { out + ROOM / 2, len - len / 2 } }, .imm = later_key, .remote_addr = (uintptr_t)target,
		.rkey = rkey, .compare_add = x, .swap = y, .taken = e->qp->msn,
	};

	if (wr.opcode >= WR_CMP_SWAP)
		wr.sge[0].len = 8, wr.nr_sge = 1;
	(void)!roce_post_send(e->qp, &wr);
}

static void post_datagram(void)
{
	u8 x = next_byte();
	u32 len = some_length();
	struct roce_send_wr wr = {
		.opcode = x & 1 ? WR_SEND_WITH_IMM : x >= 250 ? WR_RDMA_READ : WR_SEND, .nr_sge = 1, .sge = { { out, x == 249 ? 8000 : len } },
		.ud = { x & 2 ? 0x0a4d0077 : a.node->ip, 5, x & 4 ? 0x80000000 : 9 },
	};

	(void)!roce_post_send(dgram, &wr);
}

static void post_receive(struct roce_qp *qp, u8 x)
{
	u32 len = x & 1 ? 256 : x & 2 ? 5000 : ROOM;

	(void)!roce_post_recv(qp, &(struct roce_recv_wr){ .nr_sge = 2, .sge = { { target, len / 2 }, { target + len / 2, len - len / 2 } } });
}

static void on_event(const struct cm_event *ev, void *arg)
{
	struct cm_conn_param c = { .qp = conn, .private_data = "x", .private_len = 1, .retry_count = 7, .rnr_retry = 7,
				   .responder_resources = 4, .initiator_depth = 4, .flow_control = true };

	if (ev->private_len != 0)		/* all of it can be read */
		(void)net_checksum(ev->private_data, ev->private_len, 0);
	if (ev->type == CM_SIDR_RECEIVED)
		ev->sidr->status = 0;
	if (ev->type != CM_REQ_RECEIVED)
		return;
	if (theirs != NULL) {
		(void)roce_cm_reject(ev->id, 28, "no", 2);
		return;
	}
	theirs = ev->id;
	if (!answer_later)
		(void)!roce_cm_accept(ev->id, &c, on_event, NULL);
}

static void on_peer_event(const struct cm_event *ev, void *arg) { }

static void connections(u8 x)
{
	struct cm_conn_param c = { .qp = conn, .retry_count = x & 7, .rnr_retry = 7, .path_mtu = x & 64 ? 512 : 0, .responder_resources = 4,
				   .initiator_depth = 4, .persist = x & 32, .flow_control = x & 128, .ack_every = x & 8 ? 4 : 0 };
	u32 ip = x & 16 ? 0x0a4d0077 : a.node->ip;

	switch (x % 8) {
	case 0:
	case 1:
		if (mine == NULL)
			mine = roce_cm_connect(ip, SERVICE + x % 8, &c, on_event, NULL);
		break;
	case 2:
		if (mine == NULL)
			mine = roce_dev_cm_resolve(b.node->dev, ip, DGRAM, "q", 1, on_event, NULL);
		break;
	case 3:
		if (mine != NULL)
			roce_cm_disconnect(mine, "bye", 3);
		break;
	case 4:
		if (mine != NULL)
			roce_cm_destroy(mine);
		mine = NULL;
		break;
	case 5:
		if (theirs != NULL)
			roce_cm_destroy(theirs);
		theirs = NULL;
		break;
	case 6:
		answer_later = !answer_later;
		break;
	case 7:
		if (theirs != NULL)
			(void)!roce_cm_accept(theirs, &c, on_event, NULL);
		break;
	}
}

/* What is with the driver comes back: a queue pair that is destroyed waits for that. */
static void settle(void)
{
	shim_fail_alloc(0);
	sim.late_done = false;
	a.node->full = b.node->full = 0;
	late_done(a.node);
	late_done(b.node);
	b.node->netdev.rx_batch_end(&b.node->netdev, 0);
	shim_time_advance(NSEC_PER_MSEC);
	(void)roce_dev_run(a.node->dev);
	(void)roce_dev_run(b.node->dev);
}

static void end_anew(struct end *e, unsigned node)
{
	if (e->qp != NULL)
		end_destroy(e);
	end_create(e, node);
	e->on_wc = NULL;
}

/* Both ends have fresh queue pairs, the first connected by hand, mostly. */
static void pair_anew(u8 how)
{
	struct roce_qp_init init = { .type = QPT_RC, .max_send_wr = 8, .max_recv_wr = 8, .pd = 7 };
	static const u16 mtu[] = { 4096, 1024, 256, 2048 };

	if (conn != NULL) {
		settle();
		roce_qp_destroy(conn);
	}
	end_anew(&a, 0);
	end_anew(&b, 1);
	init.send_cq = init.recv_cq = b.cq;
	conn = roce_dev_qp_create(b.node->dev, &init);
	assert_non_null(conn);
	if (how & 1)
		return;
	pair_connect(&a, &b, mtu[how >> 1 & 3], how & 8 ? 0xfffff0 : 0, 0, how & 16 ? 4 : 0);
	b.qp->attr.flow_control = how & 32;
	b.qp->attr.persist = how & 64;
	if (how & 128)
		b.qp->attr.rnr_retry = b.qp->rnr_retries = b.qp->attr.retry_count = b.qp->retries = 1;
}

/* Bytes in a row, or pages, to which a peer's addresses are offsets. */
static void bind_later(u8 how)
{
	void *const to[] = { pages[2], pages[0] };

	if (how & 16) {
		later_key = roce_mr_bind_pages(later, to, ARRAY_SIZE(to));
		later_va = how % 16 * 300;
		return;
	}
	later_key = roce_mr_bind(later, target, 4096, MR_REMOTE_WRITE | MR_REMOTE_READ);
	later_va = (uintptr_t)target;
}

static void step(void)
{
	u8 what = next_byte(), x;

	switch (what % 32) {
	case 0: case 1: case 2: case 3: case 4: case 5:	request(what < 224 ? b.qp : conn); break;
	case 6: case 7: case 8: case 9:			response(what < 224 ? b.qp : conn); break;
	case 10:	datagram(); break;
	case 11: case 12: case 13: case 14:		connection_message(); break;
	case 15:	arp(); break;
	case 16:	echo(); break;
	case 17:	udp(); break;
	case 18:	any_bytes(); break;
	case 19: case 20: case 21:			post(&b); break;
	case 22:	post(&a); break;
	case 23:	post_datagram(); break;
	case 24:	post_receive(what & 32 ? conn : b.qp, next_byte()); break;
	case 25:	post_receive(what & 32 ? dgram : a.qp, next_byte()); break;
	case 26:	pass((1 + next_byte() % 64) * NSEC_PER_MSEC); break;
	case 27:	connections(next_byte()); break;
	case 28:
		x = next_byte();
		receive_packet(&(struct roce_pkt){ .opcode = CNP, .qpn = x & 1 ? b.qp->qpn : x, .ecn = ROCE_BECN }, out, CNP_RESERVED);
		break;
	case 29:
		x = next_byte();
		b.node->full = x & 1 ? 0 : x % 16;
		sim.drop = x & 2 ? 3000 : 0;
		sim.late_done = x & 4;
		if (x & 8)
			shim_fail_alloc(1 + x % 7);
		if (x >= 240)
			pass(NSEC_PER_SEC);		/* long enough for what is repeated to be given up */
		break;
	case 30:
		x = next_byte();
		if (x % 8 == 0)
			pair_anew(x >> 3 << 1 | (x >> 7));
		else if (x % 8 == 1)
			roce_qp_error(b.qp);
		else if (x % 8 == 2)
			(void)roce_qp_drain(b.qp);
		else if (x % 8 == 3)
			(void)roce_qp_resume(x & 8 ? dgram : b.qp);
		else if (x % 8 == 4)
			bind_later(x >> 3);
		else if (x % 8 == 5)
			roce_mr_unbind(later);
		else if (x % 8 == 6)
			b.qp->ctx == NULL ? roce_qp_delivered(b.qp, b.qp->msn_post - (x >> 3)) : (void)0;
		else
			marked = x & 128, b.node->netdev.rx_batch_end(&b.node->netdev, 0);
		break;
	default:
		b.node->netdev.rx_batch_end(&b.node->netdev, 0);
	}
	a.nr_wc = b.nr_wc = 0;
}

static void begin(void)
{
	struct roce_qp_init init = { .type = QPT_UD, .max_send_wr = 8, .max_recv_wr = 8 };

	sim_start(1, 9000);
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	mine = theirs = NULL;
	conn = NULL;
	answer_later = marked = false;
	later_va = (uintptr_t)(guarded + 128);
	memset(pages[1], 0xee, PAGE_SIZE);
	target = guarded + 128;
	memset(guarded, 0xee, sizeof(guarded));
	memset(target, 0, ROOM);
	pair_anew(next_byte());
	init.send_cq = init.recv_cq = roce_dev_cq_create(b.node->dev, 64, end_cq, &b);
	dgram = roce_dev_qp_create(b.node->dev, &init);
	assert_non_null(dgram);
	assert_int_equal(roce_qp_ud_start(dgram, 0x22222222), 0);
	mr = roce_dev_mr_create(b.node->dev, 7);
	later = roce_dev_mr_create(b.node->dev, 7);
	rkey = roce_mr_bind(mr, target, ROOM, MR_REMOTE_READ | MR_REMOTE_WRITE | MR_REMOTE_ATOMIC);
	later_key = 0;
	for (unsigned i = 0; i < 2; i++) {
		post_receive(b.qp, i);
		post_receive(conn, i);
		post_receive(a.qp, 0);
		post_receive(dgram, 0);
	}
	assert_int_equal(roce_dev_cm_listen(b.node->dev, SERVICE, on_event, NULL), 0);
	assert_int_equal(roce_dev_cm_listen(b.node->dev, DGRAM, on_event, NULL), 0);
	assert_int_equal(roce_dev_cm_listen(a.node->dev, DGRAM, on_peer_event, NULL), 0);
}

static void finish(void)
{
	struct roce_cq *cq = dgram->send_cq;

	settle();
	sim.drop = 0;
	if (mine != NULL)
		roce_cm_destroy(mine);
	if (theirs != NULL)
		roce_cm_destroy(theirs);
	roce_qp_error(b.qp);
	roce_qp_error(conn);
	sim_run(100 * NSEC_PER_MSEC);
	BUG_ON(b.qp->sq_head != b.qp->sq_tail || conn->sq_head != conn->sq_tail);	/* every request posted has ended */
	settle();
	roce_mr_destroy(mr);
	roce_mr_destroy(later);
	roce_qp_destroy(dgram);
	roce_cq_destroy(cq);
	roce_qp_destroy(conn);
	end_destroy(&a);
	end_destroy(&b);
	sim_stop();
	for (unsigned i = 0; i < 128; i++)
		BUG_ON(guarded[i] != 0xee || guarded[128 + ROOM + i] != 0xee);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		BUG_ON(pages[1][i] != 0xee);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	in = data;
	in_left = size;
	begin();
	for (unsigned i = 0; i < 200 && in_left > 0; i++)
		step();
	finish();
	return 0;
}
