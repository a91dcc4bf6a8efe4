/* SPDX-License-Identifier: MIT */
/*
 * What the wire takes for a page: RDMA READs of 4096 bytes, one at a time, on a connection of their own with nobody else on it. The
 * server shows a page of zeros for reading and says where it is; nothing of it runs while a READ is answered. Strangers are not served.
 */
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "mm/frame.h"
#include "net/service/impl.h"
#include "net/service/service.h"

#define READS_MAX	101
#define LOCATION_AT	PAGE_SIZE	/* of both ends' buffers; before it the page */

struct location { le64 addr; le32 rkey, reserved; } __packed;

int bare_serve(const struct svc_request *req)
{
	struct location *where;
	struct roce_wc wc;
	struct ep ep;
	int rc = ep_open(&ep, QPT_RC, NULL, LOCATION_AT + sizeof(*where));

	if (rc < 0) {
		roce_cm_reject(req->id, 3, NULL, 0);
		return rc;
	}
	ep.rkey = roce_mr_bind(ep.mr, ep.buf, PAGE_SIZE, MR_REMOTE_READ);
	where = (struct location *)(ep.buf + LOCATION_AT);
	*where = (struct location){ le64_of((uintptr_t)ep.buf), le32_of(ep.rkey), le32_of(0) };
	rc = ep_accept(&ep, req->id, &(struct ep_ask){ .responder_resources = 1, .initiator_depth = 1 });
	if (rc == 0)
		rc = ep_send(&ep, LOCATION_AT, sizeof(*where));
	while (rc == 0)
		rc = ep_wait_wc(&ep, &wc, EP_TIMEOUT_NS);
	ep_close(&ep);
	return rc == -ECONNRESET ? 0 : rc;		/* the client ends it */
}

static void sort(u64 *v, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		for (unsigned k = i; k > 0 && v[k] < v[k - 1]; k--) {
			u64 t = v[k];

			v[k] = v[k - 1];
			v[k - 1] = t;
		}
}

static int read_once(struct ep *ep, const struct location *where, u64 *ns)
{
	u64 start = time_mono_ns();
	struct roce_wc wc;
	int rc = ep_post(ep, WR_RDMA_READ, 0, PAGE_SIZE, le64_get(where->addr), le32_get(where->rkey));

	if (rc == 0)
		rc = ep_expect(ep, WC_RDMA_READ, &wc);
	*ns = time_mono_ns() - start;
	return rc;
}

int service_read_time(u32 ip, unsigned count, u64 *median_ns)
{
	u64 took[READS_MAX];
	struct roce_wc wc;
	struct ep ep;
	int rc;

	if (count == 0 || count > READS_MAX)
		return -EINVAL;
	rc = ep_open(&ep, QPT_RC, NULL, LOCATION_AT + sizeof(struct location));
	if (rc < 0)
		return rc;
	rc = ep_recv(&ep, 0, LOCATION_AT, sizeof(struct location));
	if (rc == 0)
		rc = ep_connect(&ep, ip, ROCE_PS_TCP(BARE_PORT), &(struct ep_ask){ .responder_resources = 1, .initiator_depth = 1 });
	if (rc == 0)
		rc = ep_expect(&ep, WC_RECV, &wc);
	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = read_once(&ep, (const struct location *)(ep.buf + LOCATION_AT), &took[i]);
	ep_close(&ep);
	if (rc < 0)
		return rc;
	sort(took, count);
	*median_ns = took[count / 2];
	return 0;
}
