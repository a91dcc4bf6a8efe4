/* SPDX-License-Identifier: MIT */
/* UDP (RFC 768): a small table of ports. We send checksum 0, as RoCEv2 does; a non-zero one that arrives is verified. */
#include "lib/base/errno.h"
#include "net/net.h"

int udp_bind(struct netif *nif, u16 port, void (*rx)(void *arg, const struct net_rx *rx),
	     void (*batch_end)(void *arg, unsigned queue), void *arg)
{
	struct udp_port *free = NULL;

	for (unsigned i = 0; i < NET_UDP_PORTS; i++) {
		if (nif->udp[i].port == port)
			return -EADDRINUSE;
		if (nif->udp[i].port == 0 && free == NULL)
			free = &nif->udp[i];
	}
	if (free == NULL)
		return -ENOBUFS;
	*free = (struct udp_port){ .port = port, .rx = rx, .batch_end = batch_end, .arg = arg };
	return 0;
}

void udp_header(u8 *ip, u32 src, u32 dst, u16 sport, u16 dport, u32 data_len, u16 id)
{
	struct udp_hdr *u = (struct udp_hdr *)(ip + IP_HLEN);

	ipv4_header(ip, src, dst, IP_PROTO_UDP, UDP_HLEN + data_len, id);
	u->sport = be16_of(sport);
	u->dport = be16_of(dport);
	u->len = be16_of(UDP_HLEN + data_len);
	u->sum = be16_of(0);
}

static bool udp_sum_right(const struct ip_hdr *ip, const u8 *data, u32 len)
{
	u32 src = be32_get(ip->src), dst = be32_get(ip->dst);
	u32 pseudo = (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) + IP_PROTO_UDP + len;

	return net_checksum(data, len, pseudo) == 0;
}

void udp_input(struct netif *nif, unsigned queue, const struct ip_hdr *ip, const u8 *data, u32 len)
{
	const struct udp_hdr *u = (const struct udp_hdr *)data;
	struct net_rx rx;
	u32 ulen;

	if (len < UDP_HLEN) {
		count(nr_net_drop_short);
		return;
	}
	ulen = be16_get(u->len);
	if (ulen < UDP_HLEN || ulen > len) {
		count(nr_net_drop_short);
		return;
	}
	if (be16_get(u->sum) != 0 && !udp_sum_right(ip, data, ulen)) {
		count(nr_net_drop_udp_sum);
		return;
	}
	for (unsigned i = 0; i < NET_UDP_PORTS; i++) {
		const struct udp_port *p = &nif->udp[i];

		if (p->port == 0 || p->port != be16_get(u->dport))
			continue;
		rx = (struct net_rx){
			.nif = nif, .queue = queue, .ip = ip, .udp = u, .data = data + UDP_HLEN, .len = ulen - UDP_HLEN,
			.src_ip = be32_get(ip->src), .dst_ip = be32_get(ip->dst),
		};
		p->rx(p->arg, &rx);
		return;
	}
	count(nr_net_drop_port);
}

void udp_batch_end(struct netif *nif, unsigned queue)
{
	for (unsigned i = 0; i < NET_UDP_PORTS; i++) {
		if (nif->udp[i].port != 0 && nif->udp[i].batch_end != NULL)
			nif->udp[i].batch_end(nif->udp[i].arg, queue);
	}
}
