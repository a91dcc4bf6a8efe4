/* SPDX-License-Identifier: MIT */
/*
 * The network under RoCE: Ethernet II, ARP, IPv4 without options or fragments, UDP, and an ICMP echo for people who debug.
 *
 * One struct netif is one NIC with one address; nothing here is global, so that a test joins two in one process.
 *
 *	nif = netif_create(dev, ip, prefix_len, kick, arg);
 *	udp_bind(nif, 4791, my_rx, my_batch_end, arg);
 *	netif_start(nif);			opens the device, announces the address
 *	next = netif_timers(nif, now);		again and again, when next is due or after kick()
 *
 * Sending: a struct net_frame holds the gather list; headers are written by eth_header() and udp_header() into the sender's
 * own buffer, the payload is only pointed to. It is the sender's again when frame.tx.done() is called.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "drivers/netdev.h"
#include "kernel/counter.h"
#include "lib/base/atomic.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"

/* --- wire formats -------------------------------------------------------------------------------------- */

#define ETH_TYPE_IPV4	0x0800
#define ETH_TYPE_ARP	0x0806
#define IP_PROTO_ICMP	1
#define IP_PROTO_UDP	17
#define IP_TTL		64
#define IP_DF		0x4000

struct eth_hdr { u8 dst[6], src[6]; be16 type; } __packed;
struct ip_hdr { u8 ver_ihl, tos; be16 len, id, frag; u8 ttl, proto; be16 sum; be32 src, dst; } __packed;
struct udp_hdr { be16 sport, dport, len, sum; } __packed;

#define ETH_HLEN	14
#define ETH_MIN_FRAME	60
#define IP_HLEN		20
#define UDP_HLEN	8
#define NET_UDP_OFF	(ETH_HLEN + IP_HLEN)			/* of the UDP header in a frame */
#define NET_DATA_OFF	(ETH_HLEN + IP_HLEN + UDP_HLEN)		/* of a datagram's data in a frame */

#define IP_FMT		"%u.%u.%u.%u"
#define IP_ARGS(ip)	(ip) >> 24, (ip) >> 16 & 255, (ip) >> 8 & 255, (ip) & 255

/* --- counters ------------------------------------------------------------------------------------------ */

#define NET_COUNTERS(X)									\
	X(nr_eth_rx, "frames received")							\
	X(nr_eth_tx, "frames given to the driver")					\
	X(nr_eth_tx_backlog, "frames that waited because the driver's queue was full")	\
	X(nr_net_drop_short, "frames dropped: shorter than their headers say")		\
	X(nr_net_drop_type, "frames dropped: neither IPv4 nor ARP")			\
	X(nr_net_drop_not_ours, "packets dropped: another host's MAC or IP address")	\
	X(nr_net_drop_ip_header, "packets dropped: IPv4 options, version or length")	\
	X(nr_net_drop_ip_sum, "packets dropped: IPv4 header checksum")			\
	X(nr_net_drop_fragment, "packets dropped: IPv4 fragments")			\
	X(nr_net_drop_proto, "packets dropped: neither UDP nor ICMP echo")		\
	X(nr_net_drop_udp_sum, "datagrams dropped: non-zero UDP checksum that is wrong") \
	X(nr_net_drop_port, "datagrams dropped: nobody listens on the port")		\
	X(nr_net_drop_no_buffer, "frames not sent: the pool of small frames is empty")	\
	X(nr_net_drop_no_neighbour, "frames not sent: no answer to ARP, or off the link") \
	X(nr_net_arp_request, "ARP requests sent")					\
	X(nr_net_arp_reply, "ARP requests answered")
DECLARE_COUNTERS(NET_COUNTERS)
extern struct counter_group net_counters;

/* --- frames -------------------------------------------------------------------------------------------- */

struct net_frame {
	struct net_tx tx;
	struct list link;		/* net's own while the frame waits */
};

struct net_rx {				/* a datagram, in place in the frame */
	struct netif *nif;
	unsigned queue;			/* of the NIC it came in by */
	const struct ip_hdr *ip;
	const struct udp_hdr *udp;
	const u8 *data;
	u32 len;
	u32 src_ip, dst_ip;		/* host order */
};

/* A small frame from the interface's own pool: ARP, echo replies, CM datagrams. Its done() puts it back. */
#define NET_BUF_ROOM 1600
struct net_buf {
	struct net_frame frame;
	struct netif *nif;
	struct net_buf *next;		/* in the pool */
	u8 data[NET_BUF_ROOM];		/* from the Ethernet header on; one fragment */
};

/* --- interface ----------------------------------------------------------------------------------------- */

/* Never freed while its interface stands: holders keep the pointer. */
struct neighbour {
	u32 ip;				/* [arp_lock] 0: free entry */
	u64 mac;				/* [a] 48 bits, first byte lowest; 0 while unknown */
	u64 asked_ns;			/* [arp_lock] time of the last request; 0: none outstanding */
	u64 heard_ns;			/* [arp_lock] */
	u32 tries;			/* [arp_lock] */
	u32 pins;			/* [arp_lock] holders of the pointer */
	struct list pending;		/* [arp_lock] frames waiting for the address */
	u32 nr_pending;			/* [arp_lock] */
};

#define NET_NEIGHBOURS	128
#define NET_UDP_PORTS	8
#define NET_BUFS	64

struct udp_port {
	u16 port;			/* 0: free */
	void (*rx)(void *arg, const struct net_rx *rx);
	void (*batch_end)(void *arg, unsigned queue);	/* may be NULL */
	void *arg;
};

struct netif {
	struct netdev *dev;		/* [I] */
	u64 mac;			/* [I] */
	u32 ip, mask, mtu;		/* [I] host order */
	void (*kick)(void *arg);	/* [I] any context: netif_timers() has something to do */
	void *kick_arg;
	atomic_t ip_id;			/* [a] of datagrams that have no counter of their own */
	struct udp_port udp[NET_UDP_PORTS];	/* [I] once started */

	struct spinlock arp_lock;
	struct neighbour neigh[NET_NEIGHBOURS];
	u32 nr_pending;			/* [arp_lock] of all neighbours */

	struct spinlock backlog_lock;
	struct list backlog;		/* [backlog_lock] frames that the driver did not take */
	u32 nr_backlog;			/* [a] */
	struct net_buf *bufs;		/* [a] the pool, a stack pushed in any context */
	struct spinlock bufs_lock;	/* pop */
	struct net_buf *buf_array;
};

struct netif *netif_create(struct netdev *dev, u32 ip, unsigned prefix_len, void (*kick)(void *arg),
			   void *arg);				/* NULL: no memory */
int netif_start(struct netif *nif);				/* 0 or negative errno of the driver */
void netif_free(struct netif *nif);				/* tests; the device is quiet */
u64 netif_timers(struct netif *nif, u64 now);			/* when to be called next; ~0: not before kick() */
void net_init_counters(void);

/* Send n frames with one kick of the device. What the driver does not take now is kept and sent later, in order. */
void net_send(struct netif *nif, unsigned queue, struct net_frame **frames, unsigned n);

struct net_buf *net_buf_get(struct netif *nif);			/* NULL: pool empty (counted) */
void net_buf_put(struct net_buf *b);				/* unsent */
void net_buf_send(struct net_buf *b, u32 len);			/* data[0..len) is a whole frame */
void net_buf_close(struct net_buf *b, u32 len);			/* the gather list for that, padded to Ethernet's minimum */
/* data[] is a frame but for the destination MAC: send it to ip's, asking for it first if need be; never fails, may drop */
void net_buf_send_ip(struct net_buf *b, u32 len, u32 ip);

/* eth.c */
void eth_header(u8 *frame, u64 dst_mac, u64 src_mac, u16 type);
void eth_input(struct netdev *dev, unsigned queue, const u8 *frame, u32 len);
static inline u64 mac_get(const u8 *p)
{
	return p[0] | (u64)p[1] << 8 | (u64)p[2] << 16 | (u64)p[3] << 24 | (u64)p[4] << 32 | (u64)p[5] << 40;
}
#define MAC_BROADCAST 0xffffffffffffULL

/* arp.c */
void arp_input(struct netif *nif, const u8 *pkt, u32 len);
void arp_announce(struct netif *nif);
u64 arp_timers(struct netif *nif, u64 now);
/*
 * The entry for ip, pinned: neigh->mac is its address, or 0 while unknown (a request goes out then). NULL: the table is
 * full, or ip is not on the link.
 */
struct neighbour *neighbour_get(struct netif *nif, u32 ip);
void neighbour_put(struct netif *nif, struct neighbour *n);
void neighbour_ask(struct netif *nif, struct neighbour *n);	/* the address is missing or doubtful: request it (rate limited) */

/* ipv4.c */
void ipv4_header(u8 *ip, u32 src, u32 dst, u8 proto, u32 payload_len, u16 id);
void ipv4_input(struct netif *nif, unsigned queue, const u8 *pkt, u32 len);
u16 net_checksum(const void *p, u32 len, u32 start);		/* RFC 1071: folded and inverted */
u16 net_ip_id(struct netif *nif);				/* counting, never 0 */

/* icmp.c */
void icmp_input(struct netif *nif, const struct ip_hdr *ip, const u8 *data, u32 len);

/* udp.c */
int udp_bind(struct netif *nif, u16 port, void (*rx)(void *arg, const struct net_rx *rx),
	     void (*batch_end)(void *arg, unsigned queue), void *arg);	/* before netif_start(); -EADDRINUSE, -ENOBUFS */
void udp_header(u8 *ip, u32 src, u32 dst, u16 sport, u16 dport, u32 data_len, u16 id);	/* IPv4 and UDP header, sum 0 */
void udp_input(struct netif *nif, unsigned queue, const struct ip_hdr *ip, const u8 *data, u32 len);
void udp_batch_end(struct netif *nif, unsigned queue);

#endif
