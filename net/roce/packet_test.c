/* SPDX-License-Identifier: MIT */
/* SOURCES: net/roce/packet.c */
/*
 * Golden packets: everything in testdata/ is decoded and encoded again byte for byte, ICRC included; beside them packets made
 * by hand for what Linux's capture does not have: two different QPNs, immediates, RNR NAK, invalidate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/base/string.h"
#include "net/roce/packet.h"

static u8 pcap[1 << 20];

static unsigned check_frame(const char *file, const u8 *f, u32 len)
{
	const u8 *ip = f + 14, *udp = ip + 20, *data = udp + 8;
	struct roce_pkt p;
	u8 out[4600];
	u32 n, ulen, reg, icrc;

	if (len < 46 || f[12] != 8 || f[13] != 0 || ip[9] != 17 || (udp[2] << 8 | udp[3]) != ROCE_UDP_PORT)
		return 0;
	ulen = (udp[4] << 8 | udp[5]) - 8;
	assert_true(roce_parse(data, ulen, &p));
	assert_true(roce_icrc_right(ip, ulen));
	n = roce_build(out, &p);
	assert_int_equal(n, p.op->headers);
	memcpy(out + n, p.payload, p.len + p.pad);
	reg = roce_icrc_start(ip, n);
	reg = roce_icrc_more(reg, p.payload, p.len + p.pad);
	icrc = roce_icrc_finish(reg);
	n += p.len + p.pad;
	memcpy(out + n, &icrc, 4);
	assert_int_equal(n + 4, ulen);
	assert_memory_equal(out, data, ulen);
	/* a changed bit is seen, wherever it is and not masked */
	memcpy(out, ip, 20 + 8 + ulen);
	out[28 + ulen / 2] ^= 0x10;
	if (ulen / 2 != 4)
		assert_false(roce_icrc_right(out, ulen));
	return 1;
}

static void golden(void **state)
{
	DIR *d = opendir("net/roce/testdata");
	struct dirent *e;
	unsigned files = 0, packets = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		char path[512];
		FILE *f;
		size_t n, at = 24;

		if (strstr(e->d_name, ".pcap") == NULL)
			continue;
		snprintf(path, sizeof(path), "net/roce/testdata/%s", e->d_name);
		f = fopen(path, "rb");
		assert_non_null(f);
		n = fread(pcap, 1, sizeof(pcap), f);
		fclose(f);
		files++;
		while (at + 16 <= n) {
			u32 len = le32_get(*(const le32 *)(pcap + at + 8));

			packets += check_frame(path, pcap + at + 16, len);
			at += 16 + len;
		}
	}
	closedir(d);
	assert_int_equal(files, 21);
	assert_int_equal(packets, 962);
}

/* Written out from chapter 9 by hand: a swapped local and remote QPN, or an extended header out of order, shows here. */
static void by_hand(void **state)
{
	static const struct { u8 bytes[48]; u32 len; struct roce_pkt want; } t[] = {
		{ { 0x05, 0xa0, 0xff, 0xff, 0, 0x01, 0x02, 0x03, 0x80, 0xff, 0xff, 0xfe, 0xde, 0xad, 0xbe, 0xef, 'a', 'b', 0, 0 }, 24,
		  { .opcode = RC_SEND_ONLY_IMM, .se = true, .pad = 2, .pkey = 0xffff, .qpn = 0x010203, .ackreq = true,
		    .psn = 0xfffffe, .imm = 0xdeadbeef, .len = 2 } },
		{ { 0x0b, 0x00, 0xff, 0xff, 0, 0x0a, 0x0b, 0x0c, 0x00, 0x00, 0x00, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x22, 0x33, 0x44,
		    0, 0, 0, 4, 0xca, 0xfe, 0xba, 0xbe, 'd', 'a', 't', 'a' }, 40,
		  { .opcode = RC_WRITE_ONLY_IMM, .pkey = 0xffff, .qpn = 0x0a0b0c, .psn = 1, .va = 0x0102030405060708ULL,
		    .rkey = 0x11223344, .dma_len = 4, .imm = 0xcafebabe, .len = 4 } },
		{ { 0x11, 0x00, 0xff, 0xff, 0, 0, 0, 0x77, 0, 0x12, 0x34, 0x56, 0x20 | 12, 0x00, 0x00, 0x09 }, 20,	/* RNR NAK */
		  { .opcode = RC_ACK, .pkey = 0xffff, .qpn = 0x77, .psn = 0x123456, .syndrome = 0x2c, .msn = 9 } },
		{ { 0x17, 0x00, 0xff, 0xff, 0x80, 0, 0, 0x78, 0, 0, 0, 7, 0x00, 0x00, 0x12, 0x34 }, 20,		/* invalidate */
		  { .opcode = RC_SEND_ONLY_INV, .pkey = 0xffff, .ecn = 0x80, .qpn = 0x78, .psn = 7, .imm = 0x1234 } },
		{ { 0x65, 0x00, 0x80, 0x01, 0, 0, 0x12, 0x34, 0, 0, 0, 3, 0x11, 0x11, 0x11, 0x11, 0, 0, 0x56, 0x78, 0, 0, 0, 42 }, 28,
		  { .opcode = UD_SEND_ONLY_IMM, .pkey = 0x8001, .qpn = 0x1234, .psn = 3, .qkey = 0x11111111, .src_qpn = 0x5678,
		    .imm = 42 } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		const struct roce_pkt *w = &t[i].want;
		struct roce_pkt p;
		u8 out[ROCE_MAX_HEADERS];
		u32 n;

		assert_true(roce_parse(t[i].bytes, t[i].len, &p));
		assert_int_equal(p.opcode, w->opcode);
		assert_int_equal(p.se, w->se);
		assert_int_equal(p.ackreq, w->ackreq);
		assert_int_equal(p.pad, w->pad);
		assert_int_equal(p.pkey, w->pkey);
		assert_int_equal(p.ecn, w->ecn);
		assert_int_equal(p.qpn, w->qpn);
		assert_int_equal(p.psn, w->psn);
		assert_int_equal(p.va, w->va);
		assert_int_equal(p.rkey, w->rkey);
		assert_int_equal(p.dma_len, w->dma_len);
		assert_int_equal(p.imm, w->imm);
		assert_int_equal(p.syndrome, w->syndrome);
		assert_int_equal(p.msn, w->msn);
		assert_int_equal(p.qkey, w->qkey);
		assert_int_equal(p.src_qpn, w->src_qpn);
		assert_int_equal(p.len, w->len);
		n = roce_build(out, w);
		assert_memory_equal(out, t[i].bytes, n);
		for (u32 cut = 0; cut < t[i].len; cut++)	/* every shorter one is refused, or has less payload */
			assert_true(!roce_parse(t[i].bytes, cut, &p) || p.len < w->len);
	}
}

static void unknown_opcodes(void **state)
{
	u8 b[64] = { 0 };
	struct roce_pkt p;
	unsigned known = 0;

	for (unsigned op = 0; op < 256; op++) {
		b[0] = op;
		known += roce_parse(b, MAX(roce_ops[op].headers, BTH_LEN) + ICRC_LEN, &p);
	}
	assert_int_equal(known, 26);
}

/* Payload and pad are whole words; what has no payload has neither. */
static void lengths(void **state)
{
	static const struct { u8 opcode, pad; u32 payload; bool good; } t[] = {
		{ RC_SEND_ONLY, 0, 0, true }, { RC_SEND_ONLY, 0, 8, true }, { RC_SEND_ONLY, 3, 8, true }, { RC_SEND_ONLY, 0, 7, false },
		{ RC_SEND_ONLY, 2, 6, false }, { RC_SEND_ONLY, 3, 2, false }, { UD_SEND_ONLY, 0, 5, false }, { RC_READ_RESP_ONLY, 1, 5, false },
		{ RC_READ_REQUEST, 0, 0, true }, { RC_READ_REQUEST, 0, 4, false }, { RC_READ_REQUEST, 3, 3, false },
		{ RC_ACK, 0, 0, true }, { RC_ACK, 0, 1, false }, { RC_CMP_SWAP, 0, 0, true }, { RC_CMP_SWAP, 0, 8, false },
		{ RC_ATOMIC_ACK, 0, 8, false }, { CNP, 0, CNP_RESERVED, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		u8 b[ROCE_MAX_HEADERS + 16 + ICRC_LEN] = { t[i].opcode, t[i].pad << 4 };
		struct roce_pkt p;

		assert_int_equal(roce_parse(b, roce_ops[t[i].opcode].headers + t[i].payload + ICRC_LEN, &p), t[i].good);
		assert_true(!t[i].good || p.len == t[i].payload - t[i].pad);
	}
}

static void codes(void **state)
{
	assert_int_equal(psn_diff(0, 0xffffff), 1);
	assert_int_equal(psn_diff(0xffffff, 0), -1);
	assert_int_equal(psn_diff(0x800000, 0), -0x800000);
	assert_int_equal(psn_add(0xfffffe, 4), 2);
	assert_int_equal(roce_rnr_ns(12), 640000);
	assert_int_equal(roce_rnr_code(640000), 12);
	assert_int_equal(roce_timeout_code(67108864), 14);
	assert_int_equal(roce_timeout_ns(14), 67108864);
	for (u32 mtu = 256; mtu <= 4096; mtu *= 2)
		assert_int_equal(roce_mtu_of_code(roce_mtu_code(mtu)), mtu);
	assert_int_equal(roce_mtu_code(300), 0);
	/* table 45: every code, and every time between two of them takes the longer */
	for (u8 code = 1; code < 32; code++) {
		assert_true(code == 1 || roce_rnr_ns(code) > roce_rnr_ns(code - 1));
		assert_int_equal(roce_rnr_code(roce_rnr_ns(code)), code);
		assert_int_equal(roce_rnr_code(roce_rnr_ns(code) + 1), (code + 1) & 31);
	}
	assert_int_equal(roce_rnr_ns(0), 655360000);
	assert_int_equal(roce_rnr_ns(1), 10000);
	assert_int_equal(roce_rnr_ns(31), 491520000);
	assert_int_equal(roce_rnr_code(491520001), 0);
	assert_int_equal(roce_rnr_code(0), 1);
	/* table 46 likewise, but never more than there are */
	for (u8 code = 0; code < 31; code++) {
		assert_true(code == 0 || roce_credits(code) > roce_credits(code - 1));
		assert_int_equal(roce_credit_code(roce_credits(code)), code);
		assert_int_equal(roce_credit_code(roce_credits(code + 1) - 1), code == 30 ? 29 : code);
	}
	assert_int_equal(roce_credits(5), 6);
	assert_int_equal(roce_credits(30), 32768);
	assert_int_equal(roce_credit_code(1 << 20), 30);
}

static void gids(void **state)
{
	static const u8 mapped[16] = { [10] = 0xff, 0xff, 10, 77, 0, 2 };
	static const u8 local[16] = { 0xfe, 0x80, [8] = 0x50, 0x54, 0x00, 0xff, 0xfe, 0x77, 0x00, 0x02 };
	static const u8 mac[6] = { 0x52, 0x54, 0x00, 0x77, 0x00, 0x02 };
	u8 gid[16];

	roce_gid_ipv4(gid, 0x0a4d0002);
	assert_memory_equal(gid, mapped, 16);
	roce_gid_link_local(gid, mac);
	assert_memory_equal(gid, local, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden), cmocka_unit_test(by_hand), cmocka_unit_test(unknown_opcodes), cmocka_unit_test(lengths), cmocka_unit_test(codes),
		cmocka_unit_test(gids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
