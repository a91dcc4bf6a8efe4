/* SPDX-License-Identifier: MIT */
/* CM messages: where each field stands. Offsets are those of the specification's tables 106 to 116, from the MAD's data on. */
#include "lib/base/string.h"
#include "net/roce/cm_mad.h"

#define MAD_HEADER	24
#define IP_CM_LEN	36
#define GID_LEN		16

static u32 get16(const u8 *p) { return p[0] << 8 | p[1]; }
static u32 get24(const u8 *p) { return p[0] << 16 | p[1] << 8 | p[2]; }
static u32 get32(const u8 *p) { return be32_get(*(const be32 *)p); }
static u64 get64(const u8 *p) { return be64_get(*(const be64 *)p); }
static void put16(u8 *p, u32 v) { *(be16 *)p = be16_of(v); }
static void put24(u8 *p, u32 v) { p[0] = v >> 16; p[1] = v >> 8; p[2] = v; }
static void put32(u8 *p, u32 v) { *(be32 *)p = be32_of(v); }
static void put64(u8 *p, u64 v) { *(be64 *)p = be64_of(v); }

/* where private data begins; it goes to the end of the MAD */
static u32 private_offset(u16 attr)
{
	switch (attr) {
	case CM_REQ:	return 140;
	case CM_MRA:	return 10;
	case CM_REJ:	return 84;
	case CM_REP:	return 36;
	case CM_RTU:	return 8;
	case CM_DREQ:	return 12;
	case CM_DREP:	return 8;
	case CM_SIDR_REQ: return 16;
	case CM_SIDR_REP: return 96;
	default:	return 0;
	}
}

/* What stands first in the private data for an IP-addressed service. */
static void parse_ip_service(struct cm_msg *m)
{
	const u8 *ip = m->private_data;

	if (!cm_service_is_ip(m->service_id) || ip[0] != 0 || ip[1] >> 4 != 4)	/* the header's version, IP's */
		return;
	m->ip_service = true;
	m->src_port = get16(ip + 2);
	m->ip_src = get32(ip + 16);
	m->ip_dst = get32(ip + 32);
	m->private_data += IP_CM_LEN;
	m->private_len -= IP_CM_LEN;
}

/* Returns its length. */
static u32 build_ip_service(u8 *ip, const struct cm_msg *m)
{
	if (!m->ip_service)
		return 0;
	ip[1] = 4 << 4;
	put16(ip + 2, m->src_port);
	put32(ip + 16, m->ip_src);
	put32(ip + 32, m->ip_dst);
	return IP_CM_LEN;
}

static void parse_req(const u8 *d, struct cm_msg *m)
{
	m->remote_id = 0;
	m->service_id = get64(d + 8);
	m->ca_guid = get64(d + 16);
	m->qkey = get32(d + 28);
	m->qpn = get24(d + 32);
	m->responder_resources = d[35];
	m->initiator_depth = d[39];
	m->remote_timeout = d[43] >> 3;
	m->transport = d[43] >> 1 & 3;
	m->flow_control = d[43] & 1;
	m->psn = get24(d + 44);
	m->local_timeout = d[47] >> 3;
	m->retry_count = d[47] & 7;
	m->pkey = get16(d + 48);
	m->path_mtu = d[50] >> 4;
	m->rnr_retry = d[50] & 7;
	m->max_cm_retries = d[51] >> 4;
	m->srq = d[51] >> 3 & 1;
	m->local_gid = d + 56;
	m->remote_gid = d + 56 + GID_LEN;
	m->flow_label_rate = get32(d + 88);
	m->traffic_class = d[92];
	m->hop_limit = d[93];
	m->sl = d[94];
	m->ack_timeout = d[95] >> 3;
	parse_ip_service(m);
}

static void parse_rep(const u8 *d, struct cm_msg *m)
{
	m->qkey = get32(d + 8);
	m->qpn = get24(d + 12);
	m->psn = get24(d + 20);
	m->responder_resources = d[24];
	m->initiator_depth = d[25];
	m->ack_delay = d[26] >> 3;
	m->failover = d[26] >> 1 & 3;
	m->flow_control = d[26] & 1;
	m->rnr_retry = d[27] >> 5;
	m->srq = d[27] >> 4 & 1;
	m->ca_guid = get64(d + 28);
}

bool cm_mad_parse(const u8 *mad, struct cm_msg *m)
{
	const u8 *d = mad + MAD_HEADER;
	u32 off;

	*m = (struct cm_msg){ 0 };
	if (mad[0] != 1 || mad[1] != 7 || mad[2] != 2 || mad[3] != 3)
		return false;
	m->attr = get16(mad + 16);
	off = private_offset(m->attr);
	if (off == 0)
		return false;
	m->tid = get64(mad + 8);
	m->local_id = get32(d);
	m->remote_id = get32(d + 4);
	m->private_data = d + off;
	m->private_len = MAD_LEN - MAD_HEADER - off;
	switch (m->attr) {
	case CM_REQ:
		parse_req(d, m);
		break;
	case CM_REP:
		parse_rep(d, m);
		break;
	case CM_REJ:
		m->about = d[8] >> 6;
		m->reason = get16(d + 10);
		break;
	case CM_MRA:
		m->about = d[8] >> 6;
		m->service_timeout = d[9] >> 3;
		break;
	case CM_DREQ:
		m->remote_qpn = get24(d + 8);
		break;
	case CM_SIDR_REQ:
		m->remote_id = 0;
		m->pkey = get16(d + 4);
		m->service_id = get64(d + 8);
		parse_ip_service(m);
		break;
	case CM_SIDR_REP:
		m->remote_id = 0;
		m->sidr_status = d[4];
		m->qpn = get24(d + 8);
		m->service_id = get64(d + 12);
		m->qkey = get32(d + 20);
		break;
	}
	return true;
}

/* Returns the offset at which the user's private data begins. */
static u32 build_req(u8 *d, const struct cm_msg *m)
{
	put64(d + 8, m->service_id);
	put64(d + 16, m->ca_guid);
	put32(d + 28, m->qkey);
	put24(d + 32, m->qpn);
	d[35] = m->responder_resources;
	d[39] = m->initiator_depth;
	d[43] = m->remote_timeout << 3 | m->transport << 1 | m->flow_control;
	put24(d + 44, m->psn);
	d[47] = m->local_timeout << 3 | m->retry_count;
	put16(d + 48, m->pkey);
	d[50] = m->path_mtu << 4 | m->rnr_retry;
	d[51] = m->max_cm_retries << 4 | m->srq << 3;
	put16(d + 52, 0xffff);			/* LIDs mean nothing over IP; Linux sends the permissive one */
	put16(d + 54, 0xffff);
	memcpy(d + 56, m->local_gid, GID_LEN);
	memcpy(d + 56 + GID_LEN, m->remote_gid, GID_LEN);
	put32(d + 88, m->flow_label_rate);
	d[92] = m->traffic_class;
	d[93] = m->hop_limit;
	d[94] = m->sl;
	d[95] = m->ack_timeout << 3;
	return 140 + build_ip_service(d + 140, m);
}

static void build_rep(u8 *d, const struct cm_msg *m)
{
	put32(d + 8, m->qkey);
	put24(d + 12, m->qpn);
	put24(d + 20, m->psn);
	d[24] = m->responder_resources;
	d[25] = m->initiator_depth;
	d[26] = m->ack_delay << 3 | m->failover << 1 | m->flow_control;
	d[27] = m->rnr_retry << 5 | m->srq << 4;
	put64(d + 28, m->ca_guid);
}

void cm_mad_build(u8 *mad, const struct cm_msg *m)
{
	u8 *d = mad + MAD_HEADER;
	u32 off = private_offset(m->attr);

	memset(mad, 0, MAD_LEN);
	mad[0] = 1;			/* base version, class CM, class version, method Send */
	mad[1] = 7;
	mad[2] = 2;
	mad[3] = 3;
	put64(mad + 8, m->tid);
	put16(mad + 16, m->attr);
	put32(d, m->local_id);
	put32(d + 4, m->remote_id);
	switch (m->attr) {
	case CM_REQ:
		off = build_req(d, m);
		break;
	case CM_REP:
		build_rep(d, m);
		break;
	case CM_REJ:
		d[8] = m->about << 6;
		put16(d + 10, m->reason);
		break;
	case CM_MRA:
		d[8] = m->about << 6;
		d[9] = m->service_timeout << 3;
		break;
	case CM_DREQ:
		put24(d + 8, m->remote_qpn);
		break;
	case CM_SIDR_REQ:
		put16(d + 4, m->pkey);
		put64(d + 8, m->service_id);
		off += build_ip_service(d + off, m);
		break;
	case CM_SIDR_REP:
		d[4] = m->sidr_status;
		put24(d + 8, m->qpn);
		put64(d + 12, m->service_id);
		put32(d + 20, m->qkey);
		break;
	}
	if (m->private_len != 0)
		memcpy(d + off, m->private_data, MIN(m->private_len, MAD_LEN - MAD_HEADER - off));
}

const char *cm_rej_name(unsigned reason)
{
	switch (reason) {
	case CM_REJ_NO_RESOURCES:	return "no resources";
	case CM_REJ_TIMEOUT:		return "timeout";
	case CM_REJ_UNSUPPORTED:	return "unsupported request";
	case CM_REJ_INVALID_ID:		return "unknown communication id";
	case CM_REJ_INVALID_SERVICE:	return "nobody listens";
	case CM_REJ_TRANSPORT:		return "unsupported transport";
	case CM_REJ_STALE:		return "stale connection";
	case CM_REJ_GID:		return "not reached by this GID";
	case CM_REJ_PATH_MTU:		return "path MTU too large";
	case CM_REJ_CONSUMER:		return "refused by the service";
	default:			return "other reason";
	}
}
