/* SPDX-License-Identifier: MIT */
/* FIT on the wire. All little endian. */
#ifndef NET_FIT_WIRE_H
#define NET_FIT_WIRE_H

#include "lib/base/types.h"
#include "net/roce/verbs.h"

#define FIT_PORT	0x7467
#define FIT_SERVICE_ID	ROCE_PS_TCP(FIT_PORT)
#define FIT_MAGIC	0x544d4754	/* "TGMT" */
#define FIT_VERSION	3

/* A request: this, the fixed body, the bulk, in one SEND. */
struct fit_request {
	le16 op;
	le16 slot;		/* of the caller; comes back in the reply's immediate */
	le16 req_len;		/* fixed body */
	le16 reserved;
	le32 bulk_len;
	le32 rep_room;		/* bytes the caller can take: fixed reply and bulk */
	le64 rep_addr;		/* where the reply goes; meaningless when rep_room is 0 */
	le32 rep_key;
	le32 taken;		/* messages of the callee that the caller took, on this connection: acknowledges them */
} __packed;

/*
 * A reply: RDMA WRITE_WITH_IMM, slot in the high half of the immediate, status (s16) in the low half. A negative status
 * comes without data. It acknowledges the request, and all that the callee was sent before it.
 */
static inline u32 fit_imm(u16 slot, s16 status) { return (u32)slot << 16 | (u16)status; }
#define FIT_PING_IMM	0xffffffffU	/* a WRITE_WITH_IMM of no bytes: its acknowledgement says that the peer lives */
static inline u16 fit_imm_slot(u32 imm) { return imm >> 16; }
static inline s16 fit_imm_status(u32 imm) { return (s16)(u16)imm; }

/* Private data of CM's REQ and REP: who speaks. */
struct fit_hello {
	le32 magic;
	le16 version;
	u8 node, role;
	le64 protocol;		/* hash of all ops: numbers, names, sizes */
	le64 incarnation;	/* of this boot */
	le32 max_request;	/* largest SEND it takes */
	le16 slots;		/* requests it takes at a time */
	le16 reserved;
	le64 key;		/* keyed hash of the fields above and both node ids under fit.key */
} __packed;
_Static_assert(sizeof(struct fit_hello) <= CM_REQ_PRIVATE, "fits a REQ");


/* FIT's own op: asks nothing, is told nothing; what it takes is what a call costs */
#define FIT_OP_NULL	0xf000

#endif
