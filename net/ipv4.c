/* SPDX-License-Identifier: MIT */
/* IPv4 (RFC 791) as RoCE needs it: no options, no fragments, header checksum verified. */
#include "lib/base/string.h"
#include "net/net.h"

u16 net_checksum(const void *p, u32 len, u32 start)
{
	const u8 *b = p;
	u64 sum = start;

	for (; len >= 2; len -= 2, b += 2)
		sum += (u32)b[0] << 8 | b[1];
	if (len != 0)
		sum += (u32)b[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

u16 net_ip_id(struct netif *nif)
{
	u16 id;

	do
		id = atomic_inc_return(&nif->ip_id);
	while (id == 0);
	return id;
}

void ipv4_header(u8 *p, u32 src, u32 dst, u8 proto, u32 payload_len, u16 id)
{
	struct ip_hdr *h = (struct ip_hdr *)p;

	h->ver_ihl = 0x45;
	h->tos = 0;
	h->len = be16_of(IP_HLEN + payload_len);
	h->id = be16_of(id);
	h->frag = be16_of(IP_DF);
	h->ttl = IP_TTL;
	h->proto = proto;
	h->sum = be16_of(0);
	h->src = be32_of(src);
	h->dst = be32_of(dst);
	h->sum = be16_of(net_checksum(h, IP_HLEN, 0));
}

void ipv4_input(struct netif *nif, unsigned queue, const u8 *pkt, u32 len)
{
	const struct ip_hdr *h = (const struct ip_hdr *)pkt;
	u32 total;

	if (len < IP_HLEN) {
		count(nr_net_drop_short);
		return;
	}
	total = be16_get(h->len);
	if (h->ver_ihl != 0x45 || total < IP_HLEN) {
		count(nr_net_drop_ip_header);
		return;
	}
	if (total > len) {			/* a longer frame is Ethernet padding */
		count(nr_net_drop_short);
		return;
	}
	if (be32_get(h->dst) != nif->ip) {
		count(nr_net_drop_not_ours);
		return;
	}
	if (net_checksum(h, IP_HLEN, 0) != 0) {
		count(nr_net_drop_ip_sum);
		return;
	}
	if (be16_get(h->frag) & 0x3fff) {	/* more fragments, or an offset */
		count(nr_net_drop_fragment);
		return;
	}
	if (h->proto == IP_PROTO_UDP)
		udp_input(nif, queue, h, pkt + IP_HLEN, total - IP_HLEN);
	else if (h->proto == IP_PROTO_ICMP)
		icmp_input(nif, h, pkt + IP_HLEN, total - IP_HLEN);
	else
		count(nr_net_drop_proto);
}
