/* SPDX-License-Identifier: MIT */
/* SOURCES: net/eth.c net/arp.c net/ipv4.c net/icmp.c net/udp.c */
/*
 * Frames that are not quite what we speak: each is taken or dropped as its line says, and what is dropped is counted by its
 * cause, once. The padding of short frames is no part of a datagram.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/time.h"
#include "lib/base/string.h"
#include "net/net.h"

#define OUR_IP	0x0a4d0001
#define PEER_IP	0x0a4d0002
#define PORT	4791
#define MAX_LEN 1514

static const u8 our_mac[6] = { 0x52, 0x54, 0, 0x77, 0, 1 }, peer_mac[6] = { 0x52, 0x54, 0, 0x77, 0, 2 };
static struct netdev dev;
static struct netif *nif;
static unsigned nr_taken, taken_len, nr_sent;
static u8 taken[MAX_LEN], sent[MAX_LEN];

static int open_dev(struct netdev *d) { return 0; }
static unsigned send_dev(struct netdev *d, unsigned queue, struct net_tx **tx, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		memcpy(sent, tx[i]->frag[0].ptr, tx[i]->frag[0].len);
		nr_sent++;
		tx[i]->done(tx[i]);
	}
	return n;
}
static const struct netdev_ops ops = { .open = open_dev, .send = send_dev };

static void no_kick(void *arg) { }

static void take(void *arg, const struct net_rx *rx)
{
	nr_taken++;
	taken_len = rx->len;
	memcpy(taken, rx->data, rx->len);
}

static int setup(void **state)
{
	memcpy(dev.mac, our_mac, 6);
	dev.mtu = 1500;
	dev.nr_queues = 1;
	dev.ops = &ops;
	nif = netif_create(&dev, OUR_IP, 24, no_kick, NULL);
	return nif == NULL || udp_bind(nif, PORT, take, NULL, NULL) < 0 || netif_start(nif) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	netif_free(nif);
	return 0;
}

/* --- frames ---------------------------------------------------------------------------------------------- */

static u8 frame[MAX_LEN];

static struct ip_hdr *ip(void) { return (struct ip_hdr *)(frame + ETH_HLEN); }
static struct udp_hdr *udp(void) { return (struct udp_hdr *)(frame + NET_UDP_OFF); }

static void seal(void)
{
	ip()->sum = be16_of(0);
	ip()->sum = be16_of(net_checksum(ip(), IP_HLEN, 0));
}

/* A datagram of these many bytes; returns the length of the frame, without padding. */
static u32 datagram(u32 len)
{
	u64 mac = 0;

	memset(frame, 0xee, sizeof(frame));
	memcpy(&mac, our_mac, 6);
	eth_header(frame, mac, 0, ETH_TYPE_IPV4);
	memcpy(frame + 6, peer_mac, 6);
	udp_header(frame + ETH_HLEN, PEER_IP, OUR_IP, 7, PORT, len, 1);
	for (u32 i = 0; i < len; i++)
		frame[NET_DATA_OFF + i] = i;
	return NET_DATA_OFF + len;
}

/* In a buffer of just this length, so that a byte too far is seen. */
static void receive(u32 len)
{
	u8 *copy = malloc(len);

	memcpy(copy, frame, len);
	nr_taken = 0;
	eth_input(&dev, 0, copy, len);
	free(copy);
}

#define CAUSES(X) X(short) X(type) X(not_ours) X(ip_header) X(ip_sum) X(fragment) X(proto) X(udp_sum) X(port)
#define AS_COUNT(c) sum += counter_read(&nr_net_drop_##c);
static u64 drops(void)
{
	u64 sum = 0;

	CAUSES(AS_COUNT)
	return sum;
}

#define DROPPED(cause, len) do {								\
	u64 all_ = drops(), one_ = counter_read(&nr_net_drop_##cause);				\
	receive(len);										\
	assert_int_equal(nr_taken, 0);								\
	assert_int_equal(counter_read(&nr_net_drop_##cause), one_ + 1);				\
	assert_int_equal(drops(), all_ + 1);							\
} while (0)

static void assert_taken(u32 frame_len, u32 len)
{
	u64 all = drops();

	receive(frame_len);
	assert_int_equal(nr_taken, 1);
	assert_int_equal(taken_len, len);
	assert_memory_equal(taken, frame + NET_DATA_OFF, len);
	assert_int_equal(drops(), all);
}

/* --- decisions ------------------------------------------------------------------------------------------- */

static void padding_is_no_data(void **state)
{
	assert_taken(datagram(4), 4);			/* a driver that cuts it off */
	(void)datagram(4);
	assert_taken(ETH_MIN_FRAME, 4);			/* one that does not */
	(void)datagram(0);
	assert_taken(ETH_MIN_FRAME, 0);
	assert_taken(datagram(1000) + 4, 1000);		/* or that leaves the frame's checksum */
	assert_taken(datagram(1000) + 300, 1000);
	/* what stands between the end of the datagram and that of the IP packet is as little */
	(void)datagram(100);
	udp()->len = be16_of(UDP_HLEN + 40);
	assert_taken(NET_DATA_OFF + 100, 40);
}

static void cut_short(void **state)
{
	u32 len = datagram(100);

	for (u32 n = 0; n < len; n++)
		DROPPED(short, n);
	(void)datagram(100);
	udp()->len = be16_of(UDP_HLEN + 101);		/* says more than the IP packet has */
	DROPPED(short, len + 50);
	udp()->len = be16_of(UDP_HLEN - 1);
	DROPPED(short, len);
	(void)datagram(100);
	ip()->len = be16_of(IP_HLEN + UDP_HLEN - 1);	/* no room for a UDP header, though the frame is long enough */
	seal();
	DROPPED(short, len);
}

static void options_are_not_spoken(void **state)
{
	static const u8 ver_ihl[] = { 0x46, 0x4f, 0x44, 0x40, 0x65, 0x05, 0x55 };
	u32 len = datagram(100);

	for (unsigned i = 0; i < ARRAY_SIZE(ver_ihl); i++) {
		ip()->ver_ihl = ver_ihl[i];
		seal();
		DROPPED(ip_header, len);
	}
	(void)datagram(100);
	ip()->len = be16_of(IP_HLEN - 1);
	seal();
	DROPPED(ip_header, len);
}

static void fragments_are_not_put_together(void **state)
{
	static const u16 frag[] = { 0x2000, 0x0001, 0x1fff, 0x3fff, 0x6000, 0x4001 };
	u32 len = datagram(100);

	for (unsigned i = 0; i < ARRAY_SIZE(frag); i++) {
		ip()->frag = be16_of(frag[i]);
		seal();
		DROPPED(fragment, len);
	}
	ip()->frag = be16_of(IP_DF);
	seal();
	assert_taken(len, 100);
	ip()->frag = be16_of(0);
	seal();
	assert_taken(len, 100);
	ip()->frag = be16_of(0x8000);			/* the reserved bit says nothing */
	seal();
	assert_taken(len, 100);
}

static void other_protocols(void **state)
{
	static const u16 type[] = { 0x86dd /* IPv6 */, 0x8100 /* VLAN */, 0x88a8 /* VLAN in VLAN */, 0x8915 /* RoCE version 1 */, 0x88cc, 46, 0 };
	u32 len = datagram(100);

	for (unsigned i = 0; i < ARRAY_SIZE(type); i++) {
		((struct eth_hdr *)frame)->type = be16_of(type[i]);
		DROPPED(type, len);
	}
	/* a VLAN tag before what would be ours without it: no VLAN is configured, so it is another's */
	(void)datagram(100);
	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, (u8[]){ 0x81, 0, 0, 5 }, 4);
	DROPPED(type, len + 4);
	(void)datagram(100);
	ip()->proto = 6;
	seal();
	DROPPED(proto, len);
	(void)datagram(100);
	udp()->dport = be16_of(PORT + 1);
	DROPPED(port, len);
}

static void not_for_us(void **state)
{
	u32 len = datagram(100);

	frame[5] ^= 1;
	DROPPED(not_ours, len);
	(void)datagram(100);
	memcpy(frame, (u8[]){ 0x01, 0, 0x5e, 0, 0, 1 }, 6);	/* multicast */
	DROPPED(not_ours, len);
	(void)datagram(100);
	ip()->dst = be32_of(OUR_IP + 1);
	seal();
	DROPPED(not_ours, len);
	(void)datagram(100);
	memset(frame, 0xff, 6);				/* a switch that does not know our place yet */
	assert_taken(len, 100);
}

static void checksums(void **state)
{
	u32 pseudo = (PEER_IP >> 16) + (PEER_IP & 0xffff) + (OUR_IP >> 16) + (OUR_IP & 0xffff) + IP_PROTO_UDP, len = datagram(101);

	ip()->ttl--;
	DROPPED(ip_sum, len);
	(void)datagram(101);
	udp()->sum = be16_of(net_checksum(udp(), UDP_HLEN + 101, pseudo + UDP_HLEN + 101));
	assert_taken(len, 101);
	frame[NET_DATA_OFF + 100] ^= 1;
	DROPPED(udp_sum, len);
	udp()->sum = be16_of(0);			/* none: RoCE has its own */
	assert_taken(len, 101);
}

/* An echo is answered with its own bytes, padding apart; one with a wrong checksum, or longer than our frames, is not. */
static void echo(void **state)
{
	u8 *icmp = frame + NET_UDP_OFF;
	u32 len = datagram(24);
	unsigned before;
	u16 sum;

	neighbour_get(nif, PEER_IP)->mac = 0x020077005452ULL;
	memset(icmp, 0, 32);
	icmp[0] = 8;
	sum = net_checksum(icmp, 32, 0);
	icmp[2] = sum >> 8;
	icmp[3] = sum;
	ip()->proto = IP_PROTO_ICMP;
	seal();
	before = nr_sent;
	receive(len + 10);
	assert_int_equal(nr_sent, before + 1);
	assert_int_equal(be16_get(((struct ip_hdr *)(sent + ETH_HLEN))->len), IP_HLEN + 32);
	assert_int_equal(sent[NET_UDP_OFF], 0);
	icmp[5]++;
	DROPPED(proto, len);
	assert_int_equal(nr_sent, before + 1);
}

/*
 * Whoever asks in the name of addresses where nobody is makes answers wait that never leave: half of the frames stay for those that are
 * known and for ARP itself, and all are there again when ARP gives up, or somebody says that he has one of the addresses.
 */
static void answers_to_nobody(void **state)
{
	const u32 nobody = OUR_IP + 0x10, nr = NET_BUFS / 4;
	u64 mac = 0x020077005452ULL, given_up = counter_read(&nr_net_drop_no_neighbour), now = time_mono_ns();
	struct net_buf *b, *all[NET_BUFS];
	unsigned before, nr_left = 0;

	for (unsigned i = 0; i < 4 * nr; i++) {		/* four for each address */
		b = net_buf_get(nif);
		assert_non_null(b);
		net_buf_send_ip(b, NET_DATA_OFF, nobody + i % nr);
	}
	assert_int_equal(nif->nr_pending, NET_BUFS / 2);
	assert_int_equal(counter_read(&nr_net_drop_no_neighbour) - given_up, NET_BUFS / 2);
	neighbour_get(nif, PEER_IP)->mac = mac;
	before = nr_sent;
	net_buf_send_ip(net_buf_get(nif), NET_DATA_OFF, PEER_IP);
	assert_int_equal(nr_sent, before + 1);
	struct { be16 hw, proto; u8 hw_len, proto_len; be16 op; u8 mac[6]; be32 ip; u8 to[10]; } __packed reply = {
		be16_of(1), be16_of(ETH_TYPE_IPV4), 6, 4, be16_of(2), { 2, 0, 0, 0, 0, 9 }, be32_of(nobody) };
	arp_input(nif, (const u8 *)&reply, sizeof(reply));		/* the first of them is there: what waited for it goes */
	assert_int_equal(nr_sent, before + 3);
	assert_int_equal(nif->nr_pending, NET_BUFS / 2 - 2);
	for (unsigned i = 0; i < 20; i++)
		arp_timers(nif, now += NSEC_PER_SEC);
	assert_int_equal(nif->nr_pending, 0);
	while (nr_left < NET_BUFS && (all[nr_left] = net_buf_get(nif)) != NULL)
		nr_left++;
	assert_int_equal(nr_left, NET_BUFS);
	while (nr_left != 0)
		net_buf_put(all[--nr_left]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(padding_is_no_data), T(cut_short), T(options_are_not_spoken), T(fragments_are_not_put_together), T(other_protocols),
		T(not_for_us), T(checksums), T(echo), T(answers_to_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
