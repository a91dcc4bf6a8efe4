/* SPDX-License-Identifier: MIT */
/* FIT on the wire. All little endian. */
#ifndef NET_FIT_WIRE_H
#define NET_FIT_WIRE_H

#include "lib/base/types.h"
#include "net/roce/verbs.h"

#define FIT_PORT	0x7467
#define FIT_SERVICE_ID	ROCE_PS_TCP(FIT_PORT)
#define FIT_MAGIC	0x544d4754	/* "TGMT" */
#define FIT_VERSION	4

/* A request: this, the fixed body, the bulk, in one SEND. */
struct fit_request {
	le16 op;
	le16 slot;		/* of the caller; comes back in the reply's immediate */
	le16 req_len;		/* fixed body */
	le16 id;		/* of the request among those of its slot, from 1 on; the same when it is repeated on a new queue pair */
	le32 bulk_len;
	le32 rep_room;		/* bytes the caller can take: fixed reply and bulk */
	le64 rep_addr;		/* where the reply goes; meaningless when rep_room is 0 */
	le32 rep_key;
	le32 taken;		/* messages of the callee that the caller took, on this queue pair: acknowledges them */
} __packed;

/*
 * A reply: RDMA WRITE_WITH_IMM, slot in the high half of the immediate, status (s16) in the low half. A negative status
 * comes without data. It acknowledges the request, and all that the callee was sent before it.
 */
static inline u32 fit_imm(u16 slot, s16 status) { return (u32)slot << 16 | (u16)status; }
#define FIT_PING_IMM	0xffffffffU	/* a WRITE_WITH_IMM of no bytes: its acknowledgement says that the peer lives */
#define FIT_REPEATED_IMM 0xfffffffeU	/* the same on a new queue pair: every request that still wants a reply was repeated */
static inline u16 fit_imm_slot(u32 imm) { return imm >> 16; }
static inline s16 fit_imm_status(u32 imm) { return (s16)(u16)imm; }

/*
 * Private data of CM's REQ and REP: who speaks. Who is asked to begin an epoch first rejects with a challenge, which the next REQ
 * answers: a REQ that somebody recorded begins nothing. The REP proves itself by the epoch, which is new in each REQ.
 */
struct fit_hello {
	le32 magic;
	le16 version;
	u8 node, role;
	le64 protocol;		/* hash of all ops: numbers, names, classes, fields */
	le64 incarnation;	/* of this boot */
	le32 max_request;	/* largest SEND it takes */
	le16 slots;		/* requests it takes at a time */
	le16 qp;		/* 0: a new epoch begins; else which queue pair of the epoch this is to be */
	le64 epoch;		/* chosen at random by who connects; comes back in the REP */
	le64 challenge;		/* in the REQ that begins an epoch: what the other side gave us; else 0 */
	le64 key;		/* keyed hash of the fields above and both node ids under fit.key */
} __packed;
_Static_assert(sizeof(struct fit_hello) <= CM_REQ_PRIVATE, "fits a REQ");

/* Private data of CM's REJ (consumer defined, clause 12.6.7.2), and what the two logs say: the refusing node's, the refused one's. */
struct fit_rejection {
	le32 magic;
	le16 why;		/* FIT_REJ_* */
	le16 reserved;
	le64 challenge;		/* FIT_REJ_CHALLENGE */
} __packed;
#define FIT_REJECTIONS(X)									\
	X(CHALLENGE,	"has to answer a challenge first")					\
	X(OVER,		"speaks of an epoch that is over")					\
	X(STRANGER,	"does not speak FIT")							\
	X(VERSION,	"speaks another FIT version")						\
	X(KEY,		"does not have the cluster's key (fit.key), or wants a node of another id (fit.peers)") \
	X(PROTOCOL,	"was built with another protocol definition")				\
	X(NODE,		"has a node id that cannot be (fit.node)")				\
	X(NONSENSE,	"says nonsense in its greeting")					\
	X(LOWER,	"has a lower id and yet connects")					\
	X(DUPLICATE,	"uses the node id of another node (fit.node)")				\
	X(OTHER,	"has another node id than fit.peers says")
enum fit_rejection_why {
	FIT_REJ_NONE,
#define AS_ENUM(name, text) FIT_REJ_##name,
	FIT_REJECTIONS(AS_ENUM)
#undef AS_ENUM
	NR_FIT_REJ
};

/*
 * A knock: CM's SIDR_REQ with such a hello, made for KNOCK_TO, so that no REQ can be made of it and whoever is at the address can check it.
 * The answer is a SIDR_REP's status.
 */
#define FIT_KNOCK_ID	ROCE_PS_UDP(FIT_PORT)
#define KNOCK_TO	0
#define KNOCK_REFUSED	2		/* who knocked has the id of another node: FIT_REJ_DUPLICATE */
#define KNOCK_HEARD	3		/* anything else */

/* Private data of CM's DREQ when a node leaves. A DREQ without it says that a queue pair is no more. */
#define FIT_FAREWELL	0x6d616766	/* "fgam", little endian */

/* FIT's own op: asks nothing, is told nothing; what it takes is what a call costs */
#define FIT_OP_NULL	0xf000

#endif
