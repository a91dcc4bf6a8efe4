/* SPDX-License-Identifier: MIT */
/*
 * Ethernet, the interface itself, and the way out: frames to the driver, a backlog when its queue is full, and the pool of
 * small frames.
 */
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/net.h"

DEFINE_COUNTERS(net, NET_COUNTERS);

#define BACKLOG_RETRY_NS (200 * NSEC_PER_USEC)	/* a full queue drains within some hundred microseconds */

void eth_header(u8 *frame, u64 dst_mac, u64 src_mac, u16 type)
{
	struct eth_hdr *h = (struct eth_hdr *)frame;

	memcpy(h->dst, &dst_mac, 6);
	memcpy(h->src, &src_mac, 6);
	h->type = be16_of(type);
}

void eth_input(struct netdev *dev, unsigned queue, const u8 *frame, u32 len)
{
	struct netif *nif = dev->net;
	const struct eth_hdr *h = (const struct eth_hdr *)frame;

	count(nr_eth_rx);
	if (len < ETH_HLEN) {
		count(nr_net_drop_short);
		return;
	}
	if (mac_get(h->dst) != nif->mac && mac_get(h->dst) != MAC_BROADCAST) {
		count(nr_net_drop_not_ours);
		return;
	}
	switch (be16_get(h->type)) {
	case ETH_TYPE_IPV4:
		ipv4_input(nif, queue, frame + ETH_HLEN, len - ETH_HLEN);
		break;
	case ETH_TYPE_ARP:
		arp_input(nif, frame + ETH_HLEN, len - ETH_HLEN);
		break;
	default:
		count(nr_net_drop_type);
	}
}

static void eth_batch_end(struct netdev *dev, unsigned queue)
{
	udp_batch_end(dev->net, queue);
}

/* Any context: the interface's owner looks at dev->no_carrier. */
static void eth_link_changed(struct netdev *dev)
{
	struct netif *nif = dev->net;

	nif->kick(nif->kick_arg);
}

/* --- out ----------------------------------------------------------------------------------------------- */

#define SEND_CHUNK 16

static unsigned driver_send(struct netif *nif, unsigned queue, struct net_frame **frames, unsigned n)
{
	struct net_tx *tx[SEND_CHUNK];
	unsigned sent = 0;

	while (sent < n) {
		unsigned k = MIN(n - sent, SEND_CHUNK), took;

		for (unsigned i = 0; i < k; i++)
			tx[i] = &frames[sent + i]->tx;
		took = nif->dev->ops->send(nif->dev, queue, tx, k);
		count_n(nr_eth_tx, took);
		sent += took;
		if (took < k)
			break;
	}
	return sent;
}

void net_send(struct netif *nif, unsigned queue, struct net_frame **frames, unsigned n)
{
	unsigned sent = 0;

	if (n == 0)
		return;
	if (likely(load_acquire(&nif->nr_backlog) == 0))
		sent = driver_send(nif, queue, frames, n);
	if (likely(sent == n))
		return;
	count_n(nr_eth_tx_backlog, n - sent);
	spin_lock(&nif->backlog_lock);
	for (unsigned i = sent; i < n; i++)
		list_add_tail(&nif->backlog, &frames[i]->link);
	store_release(&nif->nr_backlog, nif->nr_backlog + n - sent);
	spin_unlock(&nif->backlog_lock);
	nif->kick(nif->kick_arg);
}

/* The backlog keeps no queue number: a full device is rare, and order within one sender is kept by queue 0. */
static u64 backlog_run(struct netif *nif, u64 now)
{
	struct net_frame *f;
	u64 next = ~0ULL;

	if (load_acquire(&nif->nr_backlog) == 0)
		return next;
	spin_lock(&nif->backlog_lock);
	while ((f = list_first(&nif->backlog, struct net_frame, link)) != NULL) {
		list_del(&f->link);
		if (driver_send(nif, 0, &f, 1) == 0) {
			list_add_head(&nif->backlog, &f->link);
			next = now + BACKLOG_RETRY_NS;
			break;
		}
		store_release(&nif->nr_backlog, nif->nr_backlog - 1);
	}
	spin_unlock(&nif->backlog_lock);
	return next;
}

/* --- small frames -------------------------------------------------------------------------------------- */

static void buf_push(struct net_buf *b)
{
	struct netif *nif = b->nif;
	struct net_buf *top = __atomic_load_n(&nif->bufs, __ATOMIC_RELAXED);

	do {
		b->next = top;
	} while (!__atomic_compare_exchange_n(&nif->bufs, &top, b, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

static void buf_done(struct net_tx *tx)
{
	buf_push(container_of(tx, struct net_buf, frame.tx));
}

struct net_buf *net_buf_get(struct netif *nif)
{
	struct net_buf *b;

	/* one popper at a time, so that the top cannot leave and come back between our two looks at it */
	spin_lock(&nif->bufs_lock);
	b = __atomic_load_n(&nif->bufs, __ATOMIC_ACQUIRE);
	while (b != NULL && !__atomic_compare_exchange_n(&nif->bufs, &b, b->next, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		;
	spin_unlock(&nif->bufs_lock);
	if (b == NULL)
		count(nr_net_drop_no_buffer);
	return b;
}

void net_buf_put(struct net_buf *b)
{
	buf_push(b);
}

void net_buf_close(struct net_buf *b, u32 len)
{
	struct net_tx *tx = &b->frame.tx;

	if (len < ETH_MIN_FRAME) {
		memset(b->data + len, 0, ETH_MIN_FRAME - len);
		len = ETH_MIN_FRAME;
	}
	tx->frag[0].ptr = b->data;
	tx->frag[0].len = len;
	tx->nr_frags = 1;
}

void net_buf_send(struct net_buf *b, u32 len)
{
	struct net_frame *f = &b->frame;

	net_buf_close(b, len);
	net_send(b->nif, 0, &f, 1);
}

/* --- the interface ------------------------------------------------------------------------------------- */

struct netif *netif_create(struct netdev *dev, u32 ip, unsigned prefix_len, void (*kick)(void *arg),
			   void *arg)
{
	struct netif *nif = kzalloc(sizeof(*nif));

	if (nif == NULL)
		return NULL;
	nif->buf_array = kcalloc(NET_BUFS, sizeof(struct net_buf));
	if (nif->buf_array == NULL) {
		kfree(nif);
		return NULL;
	}
	nif->dev = dev;
	nif->mac = mac_get(dev->mac);
	nif->ip = ip;
	nif->mask = prefix_len == 0 ? 0 : ~0U << (32 - MIN(prefix_len, 32U));
	nif->mtu = MIN(dev->mtu, 9000U);
	nif->kick = kick;
	nif->kick_arg = arg;
	spin_init(&nif->arp_lock, "arp", RANK_NET);
	spin_init(&nif->backlog_lock, "net backlog", RANK_NET);
	spin_init(&nif->bufs_lock, "net bufs", RANK_LEAF);
	list_init(&nif->backlog);
	for (unsigned i = 0; i < NET_NEIGHBOURS; i++)
		list_init(&nif->neigh[i].pending);
	for (unsigned i = 0; i < NET_BUFS; i++) {
		nif->buf_array[i].nif = nif;
		nif->buf_array[i].frame.tx.done = buf_done;
		list_init(&nif->buf_array[i].frame.link);
		buf_push(&nif->buf_array[i]);
	}
	return nif;
}

int netif_start(struct netif *nif)
{
	struct netdev *dev = nif->dev;
	int rc;

	dev->net = nif;
	dev->rx_batch_end = eth_batch_end;
	dev->rx = eth_input;
	dev->link_changed = eth_link_changed;
	rc = dev->ops->open(dev);
	if (rc < 0)
		return rc;
	arp_announce(nif);
	return 0;
}

void netif_free(struct netif *nif)
{
	kfree(nif->buf_array);
	kfree(nif);
}

u64 netif_timers(struct netif *nif, u64 now)
{
	u64 a = backlog_run(nif, now), b = arp_timers(nif, now);

	return MIN(a, b);
}

void net_init_counters(void)
{
	counters_register(&net_counters);
}
