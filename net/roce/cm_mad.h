/* SPDX-License-Identifier: MIT */
/*
 * Connection manager messages (InfiniBand Architecture Specification 12.6): 256-byte MADs taken apart and put together. Pure.
 * A REQ for an IP-addressed service begins its private data with a header of 36 bytes (annex A11) that names ports and
 * addresses; msg.private is what comes after it.
 */
#ifndef NET_ROCE_CM_MAD_H
#define NET_ROCE_CM_MAD_H

#include "lib/base/types.h"

#define MAD_LEN		256

enum cm_attr { CM_REQ = 0x10, CM_MRA = 0x11, CM_REJ = 0x12, CM_REP = 0x13, CM_RTU = 0x14, CM_DREQ = 0x15, CM_DREP = 0x16,
	       CM_SIDR_REQ = 0x17, CM_SIDR_REP = 0x18 };

enum cm_rej_reason {			/* table 111, those that we give or name */
	CM_REJ_NO_RESOURCES = 3, CM_REJ_TIMEOUT = 4, CM_REJ_UNSUPPORTED = 5, CM_REJ_INVALID_ID = 6, CM_REJ_INVALID_SERVICE = 8,
	CM_REJ_TRANSPORT = 9, CM_REJ_STALE = 10, CM_REJ_GID = 12, CM_REJ_PATH_MTU = 26, CM_REJ_CONSUMER = 28,
};

struct cm_msg {
	u16 attr;			/* enum cm_attr */
	u64 tid;
	u32 local_id, remote_id;	/* of the sender */
	/* REQ and REP; REQ alone: service to the GIDs. SIDR: local_id is the request's id; REP: qpn, qkey, sidr_status */
	u32 qpn, psn, qkey;
	u64 ca_guid;
	u8 responder_resources, initiator_depth;
	u8 rnr_retry, srq, flow_control;
	u64 service_id;
	u8 remote_timeout, local_timeout;	/* CM response timeouts, as codes */
	u8 transport, retry_count, path_mtu, max_cm_retries, ack_timeout;
	u16 pkey;
	const u8 *local_gid, *remote_gid;	/* of 16 bytes; of a message that was taken apart they lie in it, as private_data does */
	u32 flow_label_rate;		/* flow label 20, reserved 6, packet rate 6 bits */
	u8 traffic_class, hop_limit, sl;
	bool ip_service;		/* private data begins with the IP header */
	u16 src_port;
	u32 ip_src, ip_dst;
	/* REP */
	u8 ack_delay, failover;
	/* REJ, MRA, DREQ */
	u8 about;			/* REJ, MRA: 0 REQ, 1 REP, 2 other */
	u16 reason;
	u8 service_timeout;
	u32 remote_qpn;			/* DREQ */
	u8 sidr_status;
	const u8 *private_data;
	u32 private_len;
};

/* false: not a CM message of class version 2 and method Send */
bool cm_mad_parse(const u8 *mad, struct cm_msg *m);
void cm_mad_build(u8 *mad, const struct cm_msg *m);	/* private data longer than the message has room for is cut */
const char *cm_rej_name(unsigned reason);

static inline bool cm_service_is_ip(u64 service_id) { return service_id >> 24 == 1; }	/* 00 00 00 00 01 proto port */

#endif
