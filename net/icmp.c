/* SPDX-License-Identifier: MIT */
/* ICMP echo replies (RFC 792): so that a person can ping a node. Nothing else of ICMP is spoken. */
#include "lib/base/string.h"
#include "net/net.h"

enum { ICMP_ECHO_REPLY = 0, ICMP_ECHO = 8 };

void icmp_input(struct netif *nif, const struct ip_hdr *ip, const u8 *data, u32 len)
{
	struct net_buf *b;
	u8 *out;
	u16 sum;

	if (len < 8 || data[0] != ICMP_ECHO || data[1] != 0 || len > NET_BUF_ROOM - NET_UDP_OFF ||
	    net_checksum(data, len, 0) != 0) {
		count(nr_net_drop_proto);
		return;
	}
	b = net_buf_get(nif);
	if (b == NULL)
		return;
	eth_header(b->data, 0, nif->mac, ETH_TYPE_IPV4);
	ipv4_header(b->data + ETH_HLEN, nif->ip, be32_get(ip->src), IP_PROTO_ICMP, len, net_ip_id(nif));
	out = b->data + ETH_HLEN + IP_HLEN;
	memcpy(out, data, len);
	out[0] = ICMP_ECHO_REPLY;
	out[2] = out[3] = 0;
	sum = net_checksum(out, len, 0);
	out[2] = sum >> 8;
	out[3] = sum & 255;
	net_buf_send_ip(b, ETH_HLEN + IP_HLEN + len, be32_get(ip->src));
}
