/* SPDX-License-Identifier: MIT */
/*
 * Two RoCE ports in one process, joined by a wire that loses, doubles, reorders and corrupts by a seed, under a manual clock.
 * Included by the tests that need it.
 */
#ifndef NET_ROCE_SIM_TEST_H
#define NET_ROCE_SIM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/roce/cm_mad.h"
#include "net/roce/roce_impl.h"
#include "shim.h"

#define WIRE_NS		(50 * NSEC_PER_USEC)
#define WIRE_FRAMES	1024

struct sim_frame {
	u64 at;
	u64 seq;
	u32 to, len;
	u8 *data;
};

struct sim_node {
	struct netdev netdev;
	struct roce_dev *dev;
	u32 ip;
	unsigned index;
	u64 sent;
	struct net_tx *late[64];	/* done() is called later */
	unsigned nr_late;
	unsigned full;			/* refuse this many frames */
	u64 busy;			/* sim.rate: until then the wire to the other has something to carry */
};

static struct {
	struct sim_node node[2];
	struct sim_frame frame[WIRE_FRAMES];
	unsigned nr_frames;
	u64 seq;
	u64 rng;
	unsigned drop, dup, reorder, corrupt, mark;	/* per 10,000 */
	u32 rate;			/* bytes that the wire carries in a microsecond, each way; 0: any number */
	bool cut;
	bool late_done;
	u64 max_frames;
	void (*tap)(unsigned from, const u8 *frame, u32 len);
	void (*look)(unsigned from, const struct net_tx *tx);	/* as it is given to the NIC */
	bool (*lose)(unsigned from, const u8 *frame, u32 len);	/* this one too */
} sim;

static u32 sim_random(void)
{
	sim.rng ^= sim.rng << 13;
	sim.rng ^= sim.rng >> 7;
	sim.rng ^= sim.rng << 17;
	return sim.rng >> 16;
}
static bool chance(unsigned per_10000) { return sim_random() % 10000 < per_10000; }

static void wire_put(unsigned to, const u8 *data, u32 len)
{
	struct sim_frame *f = &sim.frame[sim.nr_frames];

	if (sim.nr_frames == WIRE_FRAMES)
		return;			/* a full wire loses */
	f->data = malloc(len);
	memcpy(f->data, data, len);
	f->len = len;
	f->to = to;
	f->seq = sim.seq++;
	f->at = time_mono_ns() + WIRE_NS;
	if (sim.rate != 0) {
		u64 *busy = &sim.node[!to].busy;

		*busy = MAX(*busy, time_mono_ns()) + (u64)len * NSEC_PER_USEC / sim.rate;
		f->at = *busy + WIRE_NS;
	}
	if (chance(sim.reorder))
		f->at += sim_random() % (4 * WIRE_NS);
	if (sim.mark != 0 && chance(sim.mark) && len > ETH_HLEN + IP_HLEN && (f->data[ETH_HLEN + 1] & IP_CE) != 0) {
		struct ip_hdr *ip = (struct ip_hdr *)(f->data + ETH_HLEN);	/* as a switch may that is congested (RFC 3168) */

		ip->tos |= IP_CE;
		ip->sum = be16_of(0);
		ip->sum = be16_of(net_checksum(ip, IP_HLEN, 0));
	}
	if (chance(sim.corrupt))
		f->data[sim_random() % len] ^= 1 << sim_random() % 8;
	sim.nr_frames++;
}

/* A frame for a node: a packet made by hand, with so many equal bytes as its payload and pad. Returns the frame's length. */
static __unused u32 frame_make(u8 *f, unsigned to, u32 from_ip, const struct roce_pkt *p, u8 fill, u32 len)
{
	u32 n = roce_build(f + NET_DATA_OFF, p), icrc;

	memset(f + NET_DATA_OFF + n, fill, len);
	n += len;
	eth_header(f, sim.node[to].dev->nif->mac, sim.node[!to].dev->nif->mac, ETH_TYPE_IPV4);
	udp_header(f + ETH_HLEN, from_ip, sim.node[to].ip, 0xc000, ROCE_UDP_PORT, n + ICRC_LEN, 1);
	icrc = roce_icrc_finish(roce_icrc_start(f + ETH_HLEN, n));
	memcpy(f + NET_DATA_OFF + n, &icrc, ICRC_LEN);
	return NET_DATA_OFF + n + ICRC_LEN;
}

static void late_done(struct sim_node *n)
{
	for (unsigned i = 0; i < n->nr_late; i++)
		n->late[i]->done(n->late[i]);
	n->nr_late = 0;
}

static unsigned sim_send(struct netdev *dev, unsigned queue, struct net_tx **tx, unsigned nr)
{
	struct sim_node *n = container_of(dev, struct sim_node, netdev);
	u8 buf[9100];

	for (unsigned i = 0; i < nr; i++) {
		u32 len = 0;

		if (n->full != 0 && n->full-- != 0)
			return i;
		assert_in_range(tx[i]->nr_frags, 1, NETDEV_MAX_FRAGS);
		if (sim.look != NULL)
			sim.look(n->index, tx[i]);
		for (unsigned k = 0; k < tx[i]->nr_frags; k++) {
			assert_true(len + tx[i]->frag[k].len <= 9014);
			memcpy(buf + len, tx[i]->frag[k].ptr, tx[i]->frag[k].len);
			len += tx[i]->frag[k].len;
		}
		n->sent++;
		if (sim.tap != NULL)
			sim.tap(n->index, buf, len);
		if (!sim.cut && !chance(sim.drop) && !(sim.lose != NULL && sim.lose(n->index, buf, len)))
			wire_put(!n->index, buf, len);
		if (!sim.cut && chance(sim.dup))
			wire_put(!n->index, buf, len);
		if (sim.late_done) {
			if (n->nr_late == ARRAY_SIZE(n->late))
				late_done(n);
			n->late[n->nr_late++] = tx[i];
		} else {
			tx[i]->done(tx[i]);
		}
	}
	return nr;
}

static int sim_open(struct netdev *dev) { return 0; }
static const struct netdev_ops sim_ops = { .open = sim_open, .send = sim_send };

/* verbs.c, which nobody here calls, wants one */
struct netdev *netdev_first(void) { return NULL; }

static void sim_start(u64 seed, u32 mtu)
{
	memset(&sim, 0, sizeof(sim));
	sim.rng = seed * 0x9e3779b97f4a7c15ULL + 88172645463325252ULL;
	shim_time_manual(NSEC_PER_SEC);
	for (unsigned i = 0; i < 2; i++) {
		struct sim_node *n = &sim.node[i];

		n->index = i;
		n->ip = 0x0a4d0001 + i;
		memcpy(n->netdev.mac, (u8[]){ 0x52, 0x54, 0, 0x77, 0, 1 + i }, 6);
		n->netdev.mtu = mtu;
		n->netdev.nr_queues = 1;
		n->netdev.ops = &sim_ops;
		n->dev = roce_dev_create(&n->netdev, n->ip, 24);
		assert_non_null(n->dev);
		assert_int_equal(roce_dev_start(n->dev), 0);
	}
}

/* The clock moves to what is next, and what is due then happens. false: nothing will ever happen again. */
static bool sim_step(void)
{
	u64 now = time_mono_ns(), next = ~0ULL, t;
	unsigned delivered[2] = { 0, 0 };

	for (unsigned i = 0; i < 2; i++) {
		late_done(&sim.node[i]);
		t = roce_dev_run(sim.node[i].dev);
		next = MIN(next, t);
	}
	for (unsigned i = 0; i < sim.nr_frames; i++)
		next = MIN(next, sim.frame[i].at);
	if (next == ~0ULL)
		return false;
	if (next > now)
		shim_time_advance(next - now);
	now = time_mono_ns();
	for (;;) {			/* in the order of arrival, in batches of random size */
		unsigned best = sim.nr_frames;

		for (unsigned i = 0; i < sim.nr_frames; i++) {
			if (sim.frame[i].at <= now && (best == sim.nr_frames || sim.frame[i].at < sim.frame[best].at ||
			    (sim.frame[i].at == sim.frame[best].at && sim.frame[i].seq < sim.frame[best].seq)))
				best = i;
		}
		if (best == sim.nr_frames)
			break;
		struct sim_frame f = sim.frame[best];
		struct netdev *d = &sim.node[f.to].netdev;

		sim.frame[best] = sim.frame[--sim.nr_frames];
		d->rx(d, 0, f.data, f.len);
		free(f.data);
		if (++delivered[f.to] % 16 == 0 || sim_random() % 4 == 0)
			d->rx_batch_end(d, 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		if (delivered[i] != 0)
			sim.node[i].netdev.rx_batch_end(&sim.node[i].netdev, 0);
	}
	return true;
}

static void sim_run(u64 ns)
{
	u64 end = time_mono_ns() + ns;

	while (time_mono_ns() < end && sim_step())
		;
}

static void sim_stop(void)
{
	sim_run(20 * NSEC_PER_SEC);	/* what lingers ends */
	for (unsigned i = 0; i < sim.nr_frames; i++)
		free(sim.frame[i].data);
	for (unsigned i = 0; i < 2; i++)
		roce_dev_destroy(sim.node[i].dev);
}

/* --- a pair of connected QPs ------------------------------------------------------------------------------------ */

#define PAIR_DEPTH 128

struct end {
	struct sim_node *node;
	struct roce_cq *cq;
	struct roce_qp *qp;
	struct roce_wc wc[4096];	/* what completed, not yet looked at */
	unsigned nr_wc;
	unsigned events, event[NR_ROCE_EVENTS];	/* errors; each of a kind */
	void (*on_wc)(struct end *e, const struct roce_wc *wc);
};

static void end_cq(struct roce_cq *cq, void *arg)
{
	struct end *e = arg;
	struct roce_wc wc[16];
	unsigned n;

	while ((n = roce_cq_poll(cq, wc, ARRAY_SIZE(wc))) != 0) {
		for (unsigned i = 0; i < n; i++) {
			if (e->on_wc != NULL) {
				e->on_wc(e, &wc[i]);
			} else {
				assert_true(e->nr_wc < ARRAY_SIZE(e->wc));
				e->wc[e->nr_wc++] = wc[i];
			}
		}
	}
}

static void end_event(struct roce_qp *qp, enum roce_event ev, void *arg)
{
	struct end *e = arg;

	e->event[ev]++;
	e->events += ev <= ROCE_EVENT_QP_ACCESS_ERR;
}

static void end_create(struct end *e, unsigned node)
{
	memset(e, 0, sizeof(*e));
	e->node = &sim.node[node];
	e->cq = roce_dev_cq_create(e->node->dev, 2 * PAIR_DEPTH, end_cq, e);
	assert_non_null(e->cq);
	e->qp = roce_dev_qp_create(e->node->dev, &(struct roce_qp_init){
		.type = QPT_RC, .send_cq = e->cq, .recv_cq = e->cq, .max_send_wr = PAIR_DEPTH, .max_recv_wr = PAIR_DEPTH, .pd = 7,
		.event = end_event, .arg = e,
	});
	assert_non_null(e->qp);
}

static void end_destroy(struct end *e)
{
	late_done(e->node);
	roce_qp_destroy(e->qp);
	roce_cq_destroy(e->cq);
}

static __unused void pair_connect(struct end *a, struct end *b, u32 mtu, u32 psn_a, u32 psn_b, u16 ack_every)
{
	struct roce_qp_attr attr = {
		.remote_ip = b->node->ip, .remote_qpn = b->qp->qpn, .mtu = mtu, .sq_psn = psn_a, .rq_psn = psn_b, .retry_count = 7,
		.rnr_retry = 7, .rd_out = 4, .rd_in = 4, .ack_every = ack_every,
	};

	assert_int_equal(roce_qp_to_rtr(a->qp, &attr), 0);
	assert_int_equal(roce_qp_to_rts(a->qp), 0);
	attr.remote_ip = a->node->ip;
	attr.remote_qpn = a->qp->qpn;
	attr.sq_psn = psn_b;
	attr.rq_psn = psn_a;
	assert_int_equal(roce_qp_to_rtr(b->qp, &attr), 0);
	assert_int_equal(roce_qp_to_rts(b->qp), 0);
	/* neighbours know each other: ARP has its own tests */
	a->qp->neigh->mac = b->node->dev->nif->mac;
	b->qp->neigh->mac = a->node->dev->nif->mac;
}

#endif
