/* SPDX-License-Identifier: MIT */
/*
 * rping: the client says where a buffer of its stands (SEND), the server fetches it (RDMA READ) and says so (SEND); the client
 * names a second buffer, the server stores the same bytes there (RDMA WRITE) and says so. The client compares.
 */
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "net/service/impl.h"

struct rping_info { be64 addr; be32 rkey, len; } __packed;

#define INFO_LEN	16
#define IN_AT		0		/* the endpoint's buffer: what comes, what goes, the data, and the client's second copy */
#define OUT_AT		INFO_LEN
#define DATA_AT		64
#define DATA_MAX	65536
#define BACK_AT		(DATA_AT + DATA_MAX)

_Static_assert(sizeof(struct rping_info) == INFO_LEN, "as rping has it");

/* Wait for a message, and be ready for the next one before it is answered. */
static int next_info(struct ep *ep, struct rping_info *info)
{
	struct roce_wc wc;
	int rc = ep_expect(ep, WC_RECV, &wc);

	if (rc < 0)
		return rc;
	if (wc.byte_len != INFO_LEN)
		return -EPROTO;
	memcpy(info, ep->buf + IN_AT, INFO_LEN);
	return ep_recv(ep, 0, IN_AT, INFO_LEN);
}

static int fetch_or_store(struct ep *ep, enum roce_wr_opcode op, enum roce_wc_opcode done)
{
	struct rping_info info;
	struct roce_wc wc;
	int rc = next_info(ep, &info);

	if (rc < 0)
		return rc;
	if (be32_get(info.len) > DATA_MAX)
		return -EPROTO;
	rc = ep_post(ep, op, DATA_AT, be32_get(info.len), be64_get(info.addr), be32_get(info.rkey));
	while (rc == 0) {		/* the answers sent before complete, too */
		rc = ep_wait_wc(ep, &wc, EP_TIMEOUT_NS);
		if (rc < 0 || wc.opcode == done)
			break;
	}
	return rc < 0 ? rc : ep_send(ep, OUT_AT, INFO_LEN);
}

int rping_serve(const struct svc_request *req)
{
	struct ep ep;
	int rc = ep_open(&ep, QPT_RC, NULL, DATA_AT + DATA_MAX);

	if (rc < 0) {
		roce_cm_reject(req->id, 3, NULL, 0);
		return rc;
	}
	rc = ep_recv(&ep, 0, IN_AT, INFO_LEN);
	if (rc == 0)
		rc = ep_accept(&ep, req->id, &(struct ep_ask){ .responder_resources = 1, .initiator_depth = 1 });
	while (rc == 0) {
		rc = fetch_or_store(&ep, WR_RDMA_READ, WC_RDMA_READ);
		if (rc == 0)
			rc = fetch_or_store(&ep, WR_RDMA_WRITE, WC_RDMA_WRITE);
	}
	ep_close(&ep);
	return rc == -ECONNRESET ? 0 : rc;		/* the client ends it */
}

static int tell(struct ep *ep, u32 at, u32 len)
{
	struct rping_info *out = (struct rping_info *)(ep->buf + OUT_AT), in;
	int rc;

	*out = (struct rping_info){ be64_of((uintptr_t)ep->buf + at), be32_of(ep->rkey), be32_of(len) };
	rc = ep_send(ep, OUT_AT, INFO_LEN);
	return rc < 0 ? rc : next_info(ep, &in);
}

static void fill(u8 *data, u32 len, unsigned round)
{
	u32 at = snprintf((char *)data, len, "rdma-ping-%u: ", round);

	for (unsigned c = 'A' + round % 26; at < len; at++) {
		data[at] = c;
		c = c == 'z' ? 'A' : c + 1;
	}
	data[len - 1] = '\0';
}

int rping_run(struct svc_job *job)
{
	u32 len = job->size != 0 ? job->size : 64;
	struct ep ep;
	int rc;

	if (len < 16 || len > DATA_MAX)
		return svc_why(job, -EINVAL, "size must be from 16 to %u", DATA_MAX);
	rc = ep_open(&ep, QPT_RC, NULL, BACK_AT + DATA_MAX);
	if (rc < 0)
		return rc;
	rc = ep_recv(&ep, 0, IN_AT, INFO_LEN);
	if (rc == 0)
		rc = ep_connect(&ep, job->ip, ROCE_PS_TCP(job->port != 0 ? job->port : RPING_PORT),
				&(struct ep_ask){ .responder_resources = 1, .initiator_depth = 1, .path_mtu = job->mtu });
	for (unsigned i = 0; rc == 0 && i < (job->count != 0 ? job->count : 1); i++) {
		fill(ep.buf + DATA_AT, len, i);
		memset(ep.buf + BACK_AT, 0, len);
		rc = tell(&ep, DATA_AT, len);
		if (rc == 0)
			rc = tell(&ep, BACK_AT, len);
		if (rc == 0 && memcmp(ep.buf + DATA_AT, ep.buf + BACK_AT, len) != 0)
			rc = svc_why(job, -EBADMSG, "round %u came back changed", i);
	}
	if (rc < 0 && rc != -EBADMSG)
		svc_ep_why(job, rc, &ep, "rping");
	ep_close(&ep);
	return rc;
}
