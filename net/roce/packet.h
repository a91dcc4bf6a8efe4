/* SPDX-License-Identifier: MIT */
/*
 * RoCEv2 packets: the one definition of their headers and opcodes, taken apart and put together. Pure: no state, no kernel.
 * InfiniBand Architecture Specification volume 1, chapter 9 (BTH 9.2, extended headers 9.3) and annex A17 (UDP, ICRC).
 *
 * A packet is a UDP datagram to port 4791: BTH, extended headers as the opcode says, payload, 0 to 3 pad bytes, ICRC.
 */
#ifndef NET_ROCE_PACKET_H
#define NET_ROCE_PACKET_H

#include "lib/base/types.h"

#define ROCE_UDP_PORT	4791
#define ROCE_PKEY	0xffff
#define ROCE_GSI_QPN	1
#define ROCE_GSI_QKEY	0x80010000U

#define BTH_LEN		12
#define RETH_LEN	16
#define DETH_LEN	8
#define AETH_LEN	4
#define IMM_LEN		4
#define ATOMIC_ETH_LEN	28
#define ATOMIC_ACK_LEN	8
#define ICRC_LEN	4
#define CNP_RESERVED	16			/* bytes, zero, behind the BTH of a congestion notification */
#define ROCE_BECN	0x40			/* in roce_pkt.ecn */
#define IP_ECT0		2			/* IPv4 TOS, RFC 3168: may be marked; and is */
#define IP_CE		3
#define ROCE_MAX_HEADERS (BTH_LEN + ATOMIC_ETH_LEN)	/* the longest combination */

/* extended headers, in the order in which they stand */
enum {
	OPF_DETH = 1, OPF_RETH = 2, OPF_ATOMIC = 4, OPF_AETH = 8, OPF_ATOMIC_ACK = 16, OPF_IMM = 32, OPF_IETH = 64,
	OPF_FIRST = 0x100,		/* begins a message */
	OPF_LAST = 0x200,		/* ends it */
	OPF_REQUEST = 0x400,		/* for the responder; else for the requester */
	OPF_PAYLOAD = 0x800,		/* may carry data */
};
enum roce_op_kind { OP_NONE, OP_SEND, OP_WRITE, OP_READ, OP_READ_RESPONSE, OP_ACK, OP_ATOMIC_RESPONSE, OP_CMP_SWAP, OP_FETCH_ADD,
		    OP_CNP };

/* number, name, kind, flags; transport RC is 0x00 to 0x1f, UD 0x60 to 0x7f */
#define ROCE_OPCODES(X)												\
	X(0x00, RC_SEND_FIRST, OP_SEND, OPF_REQUEST | OPF_FIRST | OPF_PAYLOAD)					\
	X(0x01, RC_SEND_MIDDLE, OP_SEND, OPF_REQUEST | OPF_PAYLOAD)						\
	X(0x02, RC_SEND_LAST, OP_SEND, OPF_REQUEST | OPF_LAST | OPF_PAYLOAD)					\
	X(0x03, RC_SEND_LAST_IMM, OP_SEND, OPF_REQUEST | OPF_LAST | OPF_PAYLOAD | OPF_IMM)			\
	X(0x04, RC_SEND_ONLY, OP_SEND, OPF_REQUEST | OPF_FIRST | OPF_LAST | OPF_PAYLOAD)			\
	X(0x05, RC_SEND_ONLY_IMM, OP_SEND, OPF_REQUEST | OPF_FIRST | OPF_LAST | OPF_PAYLOAD | OPF_IMM)		\
	X(0x06, RC_WRITE_FIRST, OP_WRITE, OPF_REQUEST | OPF_FIRST | OPF_PAYLOAD | OPF_RETH)			\
	X(0x07, RC_WRITE_MIDDLE, OP_WRITE, OPF_REQUEST | OPF_PAYLOAD)						\
	X(0x08, RC_WRITE_LAST, OP_WRITE, OPF_REQUEST | OPF_LAST | OPF_PAYLOAD)					\
	X(0x09, RC_WRITE_LAST_IMM, OP_WRITE, OPF_REQUEST | OPF_LAST | OPF_PAYLOAD | OPF_IMM)			\
	X(0x0a, RC_WRITE_ONLY, OP_WRITE, OPF_REQUEST | OPF_FIRST | OPF_LAST | OPF_PAYLOAD | OPF_RETH)		\
	X(0x0b, RC_WRITE_ONLY_IMM, OP_WRITE, OPF_REQUEST | OPF_FIRST | OPF_LAST | OPF_PAYLOAD | OPF_RETH | OPF_IMM) \
	X(0x0c, RC_READ_REQUEST, OP_READ, OPF_REQUEST | OPF_FIRST | OPF_LAST | OPF_RETH)			\
	X(0x0d, RC_READ_RESP_FIRST, OP_READ_RESPONSE, OPF_FIRST | OPF_PAYLOAD | OPF_AETH)			\
	X(0x0e, RC_READ_RESP_MIDDLE, OP_READ_RESPONSE, OPF_PAYLOAD)						\
	X(0x0f, RC_READ_RESP_LAST, OP_READ_RESPONSE, OPF_LAST | OPF_PAYLOAD | OPF_AETH)				\
	X(0x10, RC_READ_RESP_ONLY, OP_READ_RESPONSE, OPF_FIRST | OPF_LAST | OPF_PAYLOAD | OPF_AETH)		\
	X(0x11, RC_ACK, OP_ACK, OPF_FIRST | OPF_LAST | OPF_AETH)						\
	X(0x12, RC_ATOMIC_ACK, OP_ATOMIC_RESPONSE, OPF_FIRST | OPF_LAST | OPF_AETH | OPF_ATOMIC_ACK)		\
	X(0x13, RC_CMP_SWAP, OP_CMP_SWAP, OPF_REQUEST | OPF_FIRST | OPF_LAST | OPF_ATOMIC)			\
	X(0x14, RC_FETCH_ADD, OP_FETCH_ADD, OPF_REQUEST | OPF_FIRST | OPF_LAST | OPF_ATOMIC)			\
	X(0x16, RC_SEND_LAST_INV, OP_SEND, OPF_REQUEST | OPF_LAST | OPF_PAYLOAD | OPF_IETH)			\
	X(0x17, RC_SEND_ONLY_INV, OP_SEND, OPF_REQUEST | OPF_FIRST | OPF_LAST | OPF_PAYLOAD | OPF_IETH)		\
	X(0x64, UD_SEND_ONLY, OP_SEND, OPF_REQUEST | OPF_FIRST | OPF_LAST | OPF_PAYLOAD | OPF_DETH)		\
	X(0x65, UD_SEND_ONLY_IMM, OP_SEND, OPF_REQUEST | OPF_FIRST | OPF_LAST | OPF_PAYLOAD | OPF_DETH | OPF_IMM) \
	X(0x81, CNP, OP_CNP, OPF_FIRST | OPF_LAST)

#define ROCE_OPCODE_ENUM(nr, name, kind, flags) name = nr,
enum roce_opcode { ROCE_OPCODES(ROCE_OPCODE_ENUM) };

struct roce_op {
	const char *name;		/* NULL: no such opcode */
	u16 flags;
	u8 kind;
	u8 headers;			/* length of BTH and extended headers */
};
extern const struct roce_op roce_ops[256];

static inline bool roce_opcode_is_ud(u8 opcode) { return opcode >> 5 == 3; }
static inline bool roce_opcode_is_rc(u8 opcode) { return opcode >> 5 == 0; }
/* Of the one partition that there is: we are full members of it, who talk to limited ones, too (10.9.3). */
static inline bool roce_pkey_ours(u16 pkey) { return (pkey & 0x7fff) == (ROCE_PKEY & 0x7fff); }

/* AETH syndrome (9.7.5.1): bits 7..5 say which, bits 4..0 a credit count, an RNR timer or a NAK code */
enum {
	AETH_ACK = 0x00, AETH_ACK_UNLIMITED = 0x1f, AETH_RNR_NAK = 0x20,
	AETH_NAK_PSN = 0x60, AETH_NAK_INVALID = 0x61, AETH_NAK_ACCESS = 0x62, AETH_NAK_OPERATION = 0x63,
	AETH_KIND_MASK = 0xe0, AETH_KIND_ACK = 0x00, AETH_KIND_RNR = 0x20, AETH_KIND_NAK = 0x60,
};

/* A packet taken apart; fields of headers that the opcode does not have are zero. */
struct roce_pkt {
	const struct roce_op *op;
	u8 opcode;
	bool se, migreq, ackreq;	/* solicited event, migration request, acknowledge request */
	u8 pad, tver;
	u8 ecn;				/* BTH byte 4: FECN 0x80, BECN 0x40, rest reserved */
	u8 resv7;			/* the 7 bits beside ackreq */
	u16 pkey;
	u32 qpn, psn;
	u32 qkey, src_qpn;		/* DETH */
	u64 va;				/* RETH, AtomicETH */
	u32 rkey, dma_len;
	u64 swap_add, compare;		/* AtomicETH */
	u8 syndrome;			/* AETH */
	u32 msn;
	u64 orig;			/* AtomicAckETH */
	u32 imm;			/* ImmDt, or the rkey of IETH */
	const u8 *payload;		/* without pad */
	u32 len;
	u32 src_ip;			/* filled in by the receive path */
};

/* Take apart the UDP data of len bytes, ICRC included (it is not checked here). false: no such opcode, or not a length of it (9.2.5). */
bool roce_parse(const u8 *data, u32 len, struct roce_pkt *p);
/* Write BTH and extended headers of p->opcode at out (ROCE_MAX_HEADERS there); returns their length. */
u32 roce_build(u8 *out, const struct roce_pkt *p);

/*
 * ICRC (A17.3.3, InfiniBand 7.8.1): ip points to the IPv4 header, behind it UDP and headers_len bytes of BTH and extended
 * headers, BTH_LEN at least. Returns the CRC register; continue it with payload and pad, then roce_icrc_finish().
 */
u32 roce_icrc_start(const u8 *ip, u32 headers_len);
u32 roce_icrc_more(u32 reg, const void *p, u32 len);
static inline u32 roce_icrc_finish(u32 reg) { return ~reg; }	/* stands in the packet least significant byte first */
/* Of a whole packet: ip, UDP and len bytes of UDP data, whose last 4 are the ICRC. */
bool roce_icrc_right(const u8 *ip, u32 len);

/* PSNs are 24 bits and wrap: a - b as a signed distance */
#define PSN_MASK 0xffffffU
static inline s32 psn_diff(u32 a, u32 b) { return (s32)((a - b) << 8) >> 8; }
static inline u32 psn_add(u32 a, u32 n) { return (a + n) & PSN_MASK; }

/* RNR timer codes (table 45): code to nanoseconds, and the smallest code not below a time */
u64 roce_rnr_ns(u8 code);
u8 roce_rnr_code(u64 ns);
/* End-to-end credits (table 46): code to receives, and the largest code not above a number of them */
u32 roce_credits(u8 code);
u8 roce_credit_code(u32 receives);
/* Timeouts as 4.096 us * 2^code: smallest code not below, and back; 0 is infinite */
u8 roce_timeout_code(u64 ns);
u64 roce_timeout_ns(u8 code);
/* GIDs (A17.4.1): ::ffff:a.b.c.d; fe80:: and the modified EUI-64 of a MAC */
void roce_gid_ipv4(u8 gid[16], u32 ip);
void roce_gid_link_local(u8 gid[16], const u8 mac[6]);
/* path MTU and its code 1..5; 0 when there is none */
u32 roce_mtu_of_code(u8 code);
u8 roce_mtu_code(u32 mtu);

#endif
