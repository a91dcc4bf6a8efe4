/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/packet.c net/roce/tx.c net/roce/rx.c net/roce/req.c net/roce/resp.c net/roce/cc.c net/roce/ud.c net/roce/qp.c net/roce/cq.c net/roce/mr.c net/roce/srq.c net/roce/cm_mad.c net/roce/cm.c net/roce/dev.c net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c */
/*
 * What comes from the wire: frames of the input's making are received by a node with a connected queue pair and a memory
 * region. The input is a row of frames; bit 0 of a frame's first byte asks for headers and ICRC to be set right, so that what
 * lies behind these checks is reached too.
 */
#include "net/roce/sim_test.h"

#define HEADERS (14 + 20 + 8)

static void put_be16(u8 *p, u32 v) { p[0] = v >> 8; p[1] = v; }
static void put_be32(u8 *p, u32 v) { put_be16(p, v >> 16); put_be16(p + 2, v); }
static u32 get_be16(const u8 *p) { return p[0] << 8 | p[1]; }

static void make_plausible(struct end *target, u8 *frame, u32 len)
{
	static const u8 mac[] = { 0x52, 0x54, 0, 0x77, 0, 2, 0x52, 0x54, 0, 0x77, 0, 1, 8, 0, 0x45, 0 };
	u8 *ip = frame + 14;
	u32 sum = 0, icrc;

	memcpy(frame, mac, sizeof(mac));
	put_be16(ip + 2, len - 14);
	memset(ip + 4, 0, 4);
	ip[8] = 64;
	ip[9] = 17;
	put_be16(ip + 10, 0);
	put_be32(ip + 12, sim.node[0].ip);
	put_be32(ip + 16, sim.node[1].ip);
	for (unsigned i = 0; i < 20; i += 2)
		sum += get_be16(ip + i);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	put_be16(ip + 10, ~sum);
	put_be16(ip + 22, 4791);
	put_be16(ip + 24, len - 34);
	put_be16(ip + 26, 0);
	if (len < HEADERS + 12 + 4)
		return;
	if (frame[HEADERS + 4] & 1)		/* a byte the packet has no use for: to the queue pair, or to QP1 or none */
		put_be32(ip + 28 + 4, target->qp->qpn);
	icrc = roce_icrc_finish(roce_icrc_more(roce_icrc_start(ip, 12), ip + 28 + 12, len - 14 - 28 - 12 - 4));
	for (unsigned i = 0; i < 4; i++)
		frame[len - 4 + i] = icrc >> 8 * i;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct end a, b;
	static u8 target[8192];
	struct roce_mr *mr;

	sim_start(1, 9000);
	end_create(&a, 0);
	end_create(&b, 1);
	pair_connect(&a, &b, 4096, 0, 0, 4);
	mr = roce_dev_mr_create(b.node->dev, 7);
	if (mr != NULL)
		(void)!roce_mr_bind(mr, target, sizeof(target), MR_LOCAL_WRITE | MR_REMOTE_READ | MR_REMOTE_WRITE | MR_REMOTE_ATOMIC);
	for (unsigned i = 0; i < 4; i++)
		(void)!roce_post_recv(b.qp, &(struct roce_recv_wr){ .wr_id = i, .nr_sge = 1, .sge = { { target, sizeof(target) } } });
	while (size >= 3) {
		u32 len = data[1] | (data[2] & 15) << 8;
		bool plausible = data[0] & 1;
		u8 *frame;

		data += 3;
		size -= 3;
		len = MIN(MAX(len, 14U), 4400U);
		frame = calloc(1, len);
		memcpy(frame, data, MIN(len, size));
		if (plausible && len >= HEADERS)
			make_plausible(&b, frame, len);
		b.node->netdev.rx(&b.node->netdev, 0, frame, len);
		free(frame);
		len = MIN(len, size);
		data += len;
		size -= len;
	}
	b.node->netdev.rx_batch_end(&b.node->netdev, 0);
	sim_run(100 * NSEC_PER_MSEC);
	if (mr != NULL)
		roce_mr_destroy(mr);
	end_destroy(&a);
	end_destroy(&b);
	sim_stop();
	return 0;
}
