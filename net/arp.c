/* SPDX-License-Identifier: MIT */
/*
 * ARP (RFC 826): who has an address, and who we are. An entry is made when we want an address or when somebody asks for
 * ours; what others say among themselves changes only entries that exist. A known address is used for ever, and asked for
 * again now and then while it is in use: a peer that rebooted with another NIC says so itself by its announcement.
 */
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "kernel/time.h"
#include "net/net.h"

struct arp_pkt {
	be16 hw, proto;
	u8 hw_len, proto_len;
	be16 op;
	u8 sender_mac[6];
	be32 sender_ip;
	u8 target_mac[6];
	be32 target_ip;
} __packed;

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

#define ARP_RETRY_NS	(200 * NSEC_PER_MSEC)
#define ARP_TRIES	10			/* two seconds: then the pending frames are dropped */
#define ARP_REFRESH_NS	(60 * NSEC_PER_SEC)
#define ARP_MAX_PENDING	8			/* frames that wait for one address */
#define ARP_MAX_PENDING_ALL	(NET_BUFS / 2)	/* ... for any: the other half is for those that are known, and for ARP itself */

static void arp_send(struct netif *nif, u16 op, u64 dst_mac, u64 target_mac, u32 target_ip)
{
	struct net_buf *b = net_buf_get(nif);
	struct arp_pkt *a;

	if (b == NULL)
		return;
	eth_header(b->data, dst_mac, nif->mac, ETH_TYPE_ARP);
	a = (struct arp_pkt *)(b->data + ETH_HLEN);
	a->hw = be16_of(1);
	a->proto = be16_of(ETH_TYPE_IPV4);
	a->hw_len = 6;
	a->proto_len = 4;
	a->op = be16_of(op);
	memcpy(a->sender_mac, &nif->mac, 6);
	a->sender_ip = be32_of(nif->ip);
	memcpy(a->target_mac, &target_mac, 6);
	a->target_ip = be32_of(target_ip);
	if (op == ARP_REQUEST)
		count(nr_net_arp_request);
	else
		count(nr_net_arp_reply);
	net_buf_send(b, ETH_HLEN + sizeof(*a));
}

void arp_announce(struct netif *nif)
{
	arp_send(nif, ARP_REQUEST, MAC_BROADCAST, 0, nif->ip);
}

static struct neighbour *arp_find(struct netif *nif, u32 ip)
{
	assert_held(&nif->arp_lock);
	for (unsigned i = 0; i < NET_NEIGHBOURS; i++) {
		struct neighbour *n = &nif->neigh[(ip + i) % NET_NEIGHBOURS];

		if (n->ip == ip)
			return n;
	}
	return NULL;
}

/* A free entry, or the one unheard for longest that nobody holds. */
static struct neighbour *arp_new(struct netif *nif, u32 ip)
{
	struct neighbour *best = NULL;

	assert_held(&nif->arp_lock);
	for (unsigned i = 0; i < NET_NEIGHBOURS; i++) {
		struct neighbour *n = &nif->neigh[(ip + i) % NET_NEIGHBOURS];

		if (n->ip == 0) {
			best = n;
			break;
		}
		if (n->pins == 0 && list_empty(&n->pending) && (best == NULL || n->heard_ns < best->heard_ns))
			best = n;
	}
	if (best == NULL)
		return NULL;
	best->ip = ip;
	WRITE_ONCE(best->mac, 0);
	best->asked_ns = best->heard_ns = 0;
	best->tries = 0;
	return best;
}

/* What waited for the address waits no more; arp_lock held. */
static void pending_take(struct netif *nif, struct neighbour *n, struct list *to)
{
	assert_held(&nif->arp_lock);
	list_splice_tail(to, &n->pending);
	nif->nr_pending -= n->nr_pending;
	n->nr_pending = 0;
}

/* The address is known: what waited for it goes out. The frames are taken off under the lock and sent without it. */
static void arp_learn(struct netif *nif, u32 ip, u64 mac, bool create)
{
	struct neighbour *n;
	struct net_frame *f;
	struct list ready = LIST_INIT(ready);

	spin_lock(&nif->arp_lock);
	n = arp_find(nif, ip);
	if (n == NULL && create)
		n = arp_new(nif, ip);
	if (n != NULL) {
		WRITE_ONCE(n->mac, mac);
		n->heard_ns = time_mono_ns();
		n->asked_ns = 0;
		n->tries = 0;
		pending_take(nif, n, &ready);
	}
	spin_unlock(&nif->arp_lock);
	while ((f = list_first(&ready, struct net_frame, link)) != NULL) {
		list_del(&f->link);
		memcpy((u8 *)f->tx.frag[0].ptr, &mac, 6);
		net_send(nif, 0, &f, 1);
	}
}

void arp_input(struct netif *nif, const u8 *pkt, u32 len)
{
	const struct arp_pkt *a = (const struct arp_pkt *)pkt;
	u32 sender, target;
	u64 mac;

	if (len < sizeof(*a)) {
		count(nr_net_drop_short);
		return;
	}
	sender = be32_get(a->sender_ip);
	target = be32_get(a->target_ip);
	mac = mac_get(a->sender_mac);
	if (be16_get(a->hw) != 1 || be16_get(a->proto) != ETH_TYPE_IPV4 || a->hw_len != 6 || a->proto_len != 4 ||
	    (mac & 1) != 0 || mac == 0) {
		count(nr_net_drop_type);
		return;
	}
	if (sender == nif->ip) {
		if (mac != nif->mac)
			WARN_ONCE(true, "net: another station uses our address " IP_FMT, IP_ARGS(nif->ip));
		return;
	}
	if (sender != 0 && ((sender ^ nif->ip) & nif->mask) == 0)
		arp_learn(nif, sender, mac, target == nif->ip);
	if (be16_get(a->op) == ARP_REQUEST && target == nif->ip)
		arp_send(nif, ARP_REPLY, mac, mac, sender);
}

/* Is a request due? Marks it as sent; the caller sends it without the lock. */
static bool arp_request_due(struct neighbour *n, u64 now)
{
	if (n->asked_ns != 0 && now - n->asked_ns < ARP_RETRY_NS)
		return false;
	n->asked_ns = MAX(now, 1ULL);
	return true;
}

struct neighbour *neighbour_get(struct netif *nif, u32 ip)
{
	struct neighbour *n;
	bool ask = false;

	if (ip == 0 || ip == nif->ip || ((ip ^ nif->ip) & nif->mask) != 0)
		return NULL;
	spin_lock(&nif->arp_lock);
	n = arp_find(nif, ip);
	if (n == NULL)
		n = arp_new(nif, ip);
	if (n != NULL) {
		n->pins++;
		ask = n->mac == 0 && arp_request_due(n, time_mono_ns());
	}
	spin_unlock(&nif->arp_lock);
	if (ask)
		arp_send(nif, ARP_REQUEST, MAC_BROADCAST, 0, ip);
	return n;
}

void neighbour_put(struct netif *nif, struct neighbour *n)
{
	spin_lock(&nif->arp_lock);
	n->pins--;
	spin_unlock(&nif->arp_lock);
}

void neighbour_ask(struct netif *nif, struct neighbour *n)
{
	bool ask;
	u32 ip;

	spin_lock(&nif->arp_lock);
	ip = n->ip;
	ask = arp_request_due(n, time_mono_ns());
	spin_unlock(&nif->arp_lock);
	if (ask)
		arp_send(nif, ARP_REQUEST, MAC_BROADCAST, 0, ip);
}

void net_buf_send_ip(struct net_buf *b, u32 len, u32 ip)
{
	struct netif *nif = b->nif;
	struct neighbour *n;
	bool ask = false, queued = false;
	u64 mac = 0, now = time_mono_ns();

	if (((ip ^ nif->ip) & nif->mask) != 0 || ip == nif->ip || ip == 0) {
		count(nr_net_drop_no_neighbour);
		net_buf_put(b);
		return;
	}
	spin_lock(&nif->arp_lock);
	n = arp_find(nif, ip);
	if (n == NULL)
		n = arp_new(nif, ip);
	if (n != NULL) {
		mac = n->mac;
		if (mac == 0 || now - n->heard_ns > ARP_REFRESH_NS)
			ask = arp_request_due(n, now);
		if (mac == 0 && n->nr_pending < ARP_MAX_PENDING && nif->nr_pending < ARP_MAX_PENDING_ALL) {
			net_buf_close(b, len);		/* arp_learn() fills in the destination */
			list_add_tail(&n->pending, &b->frame.link);
			n->nr_pending++;
			nif->nr_pending++;
			queued = true;
		}
	}
	spin_unlock(&nif->arp_lock);
	if (mac != 0) {
		memcpy(b->data, &mac, 6);
		net_buf_send(b, len);
	} else if (!queued) {
		count(nr_net_drop_no_neighbour);
		net_buf_put(b);
	}
	if (ask) {
		arp_send(nif, ARP_REQUEST, MAC_BROADCAST, 0, ip);
		nif->kick(nif->kick_arg);
	}
}

u64 arp_timers(struct netif *nif, u64 now)
{
	u64 next = ~0ULL;
	u32 ask[8];
	unsigned nr_ask = 0;
	struct list dead = LIST_INIT(dead);
	struct net_frame *f;

	spin_lock(&nif->arp_lock);
	for (unsigned i = 0; i < NET_NEIGHBOURS; i++) {
		struct neighbour *n = &nif->neigh[i];

		/* only what has frames waiting is asked for again; a holder asks through neighbour_ask() */
		if (n->ip == 0 || n->mac != 0 || list_empty(&n->pending))
			continue;
		if (now - n->asked_ns >= ARP_RETRY_NS) {
			if (++n->tries >= ARP_TRIES) {
				pending_take(nif, n, &dead);
				n->tries = 0;
				continue;
			}
			if (nr_ask < ARRAY_SIZE(ask)) {
				n->asked_ns = now;
				ask[nr_ask++] = n->ip;
			}
		}
		next = MIN(next, n->asked_ns + ARP_RETRY_NS);
	}
	spin_unlock(&nif->arp_lock);
	for (unsigned i = 0; i < nr_ask; i++)
		arp_send(nif, ARP_REQUEST, MAC_BROADCAST, 0, ask[i]);
	while ((f = list_first(&dead, struct net_frame, link)) != NULL) {
		list_del(&f->link);
		count(nr_net_drop_no_neighbour);
		net_buf_put(container_of(f, struct net_buf, frame));
	}
	return next;
}
