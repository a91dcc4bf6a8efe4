/* SPDX-License-Identifier: MIT */
/* RoCEv2 packets taken apart and put together; see packet.h. */
#include "lib/base/string.h"
#include "lib/crc32.h"
#include "net/roce/packet.h"

#define HEADERS_LEN(flags)									\
	(BTH_LEN + ((flags) & OPF_DETH ? DETH_LEN : 0) + ((flags) & OPF_RETH ? RETH_LEN : 0) +	\
	 ((flags) & OPF_ATOMIC ? ATOMIC_ETH_LEN : 0) + ((flags) & OPF_AETH ? AETH_LEN : 0) +	\
	 ((flags) & OPF_ATOMIC_ACK ? ATOMIC_ACK_LEN : 0) + ((flags) & (OPF_IMM | OPF_IETH) ? IMM_LEN : 0))

#define ROCE_OPCODE_ROW(nr, n, k, f) [nr] = { .name = #n, .flags = (f), .kind = (k), .headers = HEADERS_LEN(f) },
const struct roce_op roce_ops[256] = { ROCE_OPCODES(ROCE_OPCODE_ROW) };

/* --- fields: big endian, any alignment ----------------------------------------------------------------- */

static u32 get16(const u8 *p) { return p[0] << 8 | p[1]; }
static u32 get24(const u8 *p) { return p[0] << 16 | p[1] << 8 | p[2]; }
static u32 get32(const u8 *p) { return be32_get(*(const be32 *)p); }
static u64 get64(const u8 *p) { return be64_get(*(const be64 *)p); }
static void put16(u8 *p, u32 v) { *(be16 *)p = be16_of(v); }
static void put24(u8 *p, u32 v) { p[0] = v >> 16; p[1] = v >> 8; p[2] = v; }
static void put32(u8 *p, u32 v) { *(be32 *)p = be32_of(v); }
static void put64(u8 *p, u64 v) { *(be64 *)p = be64_of(v); }

bool roce_parse(const u8 *b, u32 len, struct roce_pkt *p)
{
	const struct roce_op *op;
	const u8 *h = b + BTH_LEN;

	if (len < BTH_LEN + ICRC_LEN)
		return false;
	op = &roce_ops[b[0]];
	*p = (struct roce_pkt){
		.op = op, .opcode = b[0],
		.se = b[1] & 0x80, .migreq = b[1] & 0x40, .pad = b[1] >> 4 & 3, .tver = b[1] & 15,
		.pkey = get16(b + 2), .ecn = b[4], .qpn = get24(b + 5),
		.ackreq = b[8] & 0x80, .resv7 = b[8] & 0x7f, .psn = get24(b + 9),
	};
	if (op->name == NULL || len < (u32)op->headers + p->pad + ICRC_LEN)
		return false;
	if (op->flags & OPF_DETH) {
		p->qkey = get32(h);
		p->src_qpn = get24(h + 5);
		h += DETH_LEN;
	}
	if (op->flags & OPF_RETH) {
		p->va = get64(h);
		p->rkey = get32(h + 8);
		p->dma_len = get32(h + 12);
		h += RETH_LEN;
	}
	if (op->flags & OPF_ATOMIC) {
		p->va = get64(h);
		p->rkey = get32(h + 8);
		p->swap_add = get64(h + 12);
		p->compare = get64(h + 20);
		h += ATOMIC_ETH_LEN;
	}
	if (op->flags & OPF_AETH) {
		p->syndrome = h[0];
		p->msn = get24(h + 1);
		h += AETH_LEN;
	}
	if (op->flags & OPF_ATOMIC_ACK) {
		p->orig = get64(h);
		h += ATOMIC_ACK_LEN;
	}
	if (op->flags & (OPF_IMM | OPF_IETH)) {
		p->imm = get32(h);
		h += IMM_LEN;
	}
	p->payload = h;
	p->len = len - op->headers - p->pad - ICRC_LEN;
	if (!(op->flags & OPF_PAYLOAD))		/* nothing stands there, but behind the BTH of a notification */
		return op->kind == OP_CNP || p->len + p->pad == 0;
	return ((p->len + p->pad) & 3) == 0;
}

u32 roce_build(u8 *b, const struct roce_pkt *p)
{
	u16 flags = roce_ops[p->opcode].flags;
	u8 *h = b + BTH_LEN;

	b[0] = p->opcode;
	b[1] = p->se << 7 | p->migreq << 6 | p->pad << 4 | p->tver;
	put16(b + 2, p->pkey);
	b[4] = p->ecn;
	put24(b + 5, p->qpn);
	b[8] = p->ackreq << 7 | p->resv7;
	put24(b + 9, p->psn);
	if (flags & OPF_DETH) {
		put32(h, p->qkey);
		h[4] = 0;
		put24(h + 5, p->src_qpn);
		h += DETH_LEN;
	}
	if (flags & OPF_RETH) {
		put64(h, p->va);
		put32(h + 8, p->rkey);
		put32(h + 12, p->dma_len);
		h += RETH_LEN;
	}
	if (flags & OPF_ATOMIC) {
		put64(h, p->va);
		put32(h + 8, p->rkey);
		put64(h + 12, p->swap_add);
		put64(h + 20, p->compare);
		h += ATOMIC_ETH_LEN;
	}
	if (flags & OPF_AETH) {
		h[0] = p->syndrome;
		put24(h + 1, p->msn);
		h += AETH_LEN;
	}
	if (flags & OPF_ATOMIC_ACK) {
		put64(h, p->orig);
		h += ATOMIC_ACK_LEN;
	}
	if (flags & (OPF_IMM | OPF_IETH)) {
		put32(h, p->imm);
		h += IMM_LEN;
	}
	return h - b;
}

/* --- ICRC ---------------------------------------------------------------------------------------------- */

#define ICRC_SEED	0xdebb20e3U	/* the register after the 8 bytes of FF that stand in for the LRH */
#define IP_UDP_LEN	28

static u64 word_at(const u8 *p)
{
	u64 w;

	__builtin_memcpy(&w, p, sizeof(w));	/* the kernel's is a call, whatever the length */
	return w;
}

u32 roce_icrc_start(const u8 *ip, u32 headers_len)
{
	/* IPv4, UDP and BTH are five words; what a router may change in them counts as ones */
	u64 w[5] = {
		word_at(ip) | 0xff00,						/* TOS */
		word_at(ip + 8) | 0xffff00ff,					/* TTL, header checksum */
		word_at(ip + 16),
		word_at(ip + 24) | 0xffff0000,					/* UDP checksum */
		word_at(ip + 32) | 0xff,					/* FECN, BECN */
	};

	_Static_assert(sizeof(w) == IP_UDP_LEN + BTH_LEN, "no more, no less");
	return crc32_update(crc32_update(ICRC_SEED, w, sizeof(w)), ip + sizeof(w), headers_len - BTH_LEN);
}

u32 roce_icrc_more(u32 reg, const void *p, u32 len)
{
	return crc32_update(reg, p, len);
}

bool roce_icrc_right(const u8 *ip, u32 len)
{
	const u8 *data = ip + IP_UDP_LEN;
	u32 reg = roce_icrc_start(ip, len - ICRC_LEN);	/* payload and pad stand behind the headers */

	return le32_get(*(const le32 *)(data + len - ICRC_LEN)) == roce_icrc_finish(reg);
}

/* --- codes --------------------------------------------------------------------------------------------- */

static const u32 rnr_us[32] = {		/* table 45, in units of 10 us */
	65536, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096,
	6144, 8192, 12288, 16384, 24576, 32768, 49152,
};

u64 roce_rnr_ns(u8 code) { return rnr_us[code & 31] * 10ULL * NSEC_PER_USEC; }

u8 roce_rnr_code(u64 ns)
{
	for (u8 code = 1; code < 32; code++) {
		if (roce_rnr_ns(code) >= ns)
			return code;
	}
	return 0;
}

static const u16 credits[31] = {	/* table 46 */
	0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192,
	12288, 16384, 24576, 32768,
};

u32 roce_credits(u8 code) { return credits[MIN(code & 31, 30)]; }

u8 roce_credit_code(u32 receives)
{
	u8 code = 30;

	while (credits[code] > receives)
		code--;
	return code;
}

u8 roce_timeout_code(u64 ns)
{
	for (u8 code = 1; code < 31; code++) {
		if (roce_timeout_ns(code) >= ns)
			return code;
	}
	return 31;
}

u64 roce_timeout_ns(u8 code) { return 4096ULL << (code & 31); }

void roce_gid_ipv4(u8 gid[16], u32 ip)
{
	memset(gid, 0, 16);
	gid[10] = gid[11] = 0xff;
	put32(gid + 12, ip);
}

void roce_gid_link_local(u8 gid[16], const u8 mac[6])
{
	memset(gid, 0, 16);
	gid[0] = 0xfe;
	gid[1] = 0x80;
	memcpy(gid + 8, mac, 3);
	gid[8] ^= 2;				/* universally administered */
	gid[11] = 0xff;
	gid[12] = 0xfe;
	memcpy(gid + 13, mac + 3, 3);
}

u32 roce_mtu_of_code(u8 code) { return code >= 1 && code <= 5 ? 128U << code : 0; }

u8 roce_mtu_code(u32 mtu)
{
	for (u8 code = 1; code <= 5; code++) {
		if (roce_mtu_of_code(code) == mtu)
			return code;
	}
	return 0;
}
