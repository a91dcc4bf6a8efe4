/* SPDX-License-Identifier: MIT */
/*
 * librdmacm's small programs. On one port there are two kinds of clients, told apart by what their REQ asks for:
 *
 *	ucmatose	(one READ each way) the server sends ten messages of 100 bytes, the client ten of its own, the server parts
 *	rdma_client	(as many as it can) sends 16 bytes and receives 16
 *
 * udaddy asks for a datagram QP and sends ten messages, each with its QP number as immediate; each is answered with ours.
 */
#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "net/service/impl.h"

#define MESSAGES	10
#define MESSAGE_LEN	100
#define SMALL_LEN	16
#define SLOT		256		/* of the buffer, for one message received */
#define IN_AT		1024		/* what comes; before it what goes */
#define BUF_SIZE	(IN_AT + EP_DEPTH * SLOT)

static int post_receives(struct ep *ep, unsigned n)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = ep_recv(ep, i, IN_AT + i * SLOT, SLOT);
	return rc;
}

static int send_all(struct ep *ep, unsigned n, u32 len)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = ep_send(ep, 0, len);
	return rc;
}

static int receive_all(struct ep *ep, unsigned n, u32 len)
{
	struct roce_wc wc;

	for (unsigned i = 0; i < n; i++) {
		int rc = ep_expect(ep, WC_RECV, &wc);

		if (rc < 0)
			return rc;
		if (wc.byte_len != len)
			return -EPROTO;
	}
	return 0;
}

int cmtools_serve(const struct svc_request *req)
{
	bool ucmatose = req->responder_resources == 1 && req->initiator_depth == 1;
	unsigned n = ucmatose ? MESSAGES : 1;
	struct roce_wc wc;
	struct ep ep;
	int rc = ep_open(&ep, QPT_RC, NULL, BUF_SIZE);

	if (rc < 0) {
		roce_cm_reject(req->id, 3, NULL, 0);
		return rc;
	}
	rc = post_receives(&ep, n);
	if (rc == 0)
		rc = ep_accept(&ep, req->id, &(struct ep_ask){ .responder_resources = 1, .initiator_depth = 1 });
	if (rc == 0 && ucmatose)
		rc = send_all(&ep, n, MESSAGE_LEN);
	if (rc == 0)
		rc = receive_all(&ep, n, ucmatose ? MESSAGE_LEN : SMALL_LEN);
	if (rc == 0 && !ucmatose) {
		rc = ep_send(&ep, 0, SMALL_LEN);
		while (rc == 0)			/* the client parts */
			rc = ep_wait_wc(&ep, &wc, EP_TIMEOUT_NS);
		rc = rc == -ECONNRESET ? 0 : rc;
	}
	ep_close(&ep);
	return rc;
}

/* Both programs' clients: n messages each way, who begins, who parts. */
static int client(struct svc_job *job, unsigned n, u32 len, bool begin, const struct ep_ask *ask)
{
	struct roce_wc wc;
	struct ep ep;
	int rc = ep_open(&ep, QPT_RC, NULL, BUF_SIZE);

	if (rc < 0)
		return rc;
	rc = post_receives(&ep, n);
	if (rc == 0)
		rc = ep_connect(&ep, job->ip, ROCE_PS_TCP(job->port != 0 ? job->port : CMTOOLS_PORT), ask);
	if (rc == 0 && begin)
		rc = send_all(&ep, n, len);
	if (rc == 0)
		rc = receive_all(&ep, n, len);
	if (rc == 0 && !begin) {
		rc = send_all(&ep, n, len);
		while (rc == 0)
			rc = ep_wait_wc(&ep, &wc, EP_TIMEOUT_NS);
		rc = rc == -ECONNRESET ? 0 : rc;
	}
	if (rc < 0)
		svc_ep_why(job, rc, &ep, job->program);
	ep_close(&ep);
	return rc;
}

int ucmatose_run(struct svc_job *job)
{
	return client(job, MESSAGES, MESSAGE_LEN, false,
		      &(struct ep_ask){ .responder_resources = 1, .initiator_depth = 1, .path_mtu = job->mtu });
}

int rdma_client_run(struct svc_job *job)
{
	return client(job, 1, SMALL_LEN, true,
		      &(struct ep_ask){ .responder_resources = 16, .initiator_depth = 16, .path_mtu = job->mtu });
}

/* --- udaddy ----------------------------------------------------------------------------------------------- */

static struct ep udaddy;		/* one QP serves everybody */
static u32 udaddy_qpn;			/* [I] 0: there is none */

static void udaddy_thread(void *arg)
{
	struct roce_wc wc;

	for (;;) {
		u32 at, qpn = udaddy_qpn;
		struct roce_ud_dest to;
		int rc = ep_wait_wc(&udaddy, &wc, EP_TIMEOUT_NS);

		if (rc == -ETIMEDOUT || (rc == 0 && wc.opcode != WC_RECV))
			continue;
		if (rc < 0)
			break;
		at = IN_AT + wc.wr_id * SLOT;
		to = ep_ud_source(&udaddy, &wc, at);
		memcpy(udaddy.buf, udaddy.buf + at + EP_GRH, wc.byte_len - EP_GRH);	/* a datagram is copied when it is posted */
		if (ep_recv(&udaddy, wc.wr_id, at, SLOT) < 0 || ep_send_ud(&udaddy, 0, wc.byte_len - EP_GRH, &to, &qpn) < 0)
			pr_note("service: a datagram was not answered");
	}
	pr_err("service: datagrams end: %s", roce_wc_status_name(udaddy.status));
	thread_exit();
}

void udaddy_start(void)
{
	if (ep_open(&udaddy, QPT_UD, NULL, BUF_SIZE) < 0 || post_receives(&udaddy, EP_DEPTH) < 0 || ep_ud_start(&udaddy) < 0 ||
	    thread_spawn(udaddy_thread, NULL, PRIO_NORMAL, "rdma-udaddy") < 0) {
		pr_err("service: no memory for datagrams");
		return;
	}
	udaddy_qpn = roce_qp_num(udaddy.qp);
}

void udaddy_resolve(u32 peer_ip, struct cm_sidr *sidr)
{
	if (udaddy_qpn != 0)
		*sidr = (struct cm_sidr){ 0, udaddy_qpn, ROCE_UDP_QKEY };
}

int udaddy_run(struct svc_job *job)
{
	struct roce_ud_dest to;
	struct ep ep;
	u32 qpn;
	int rc = ep_open(&ep, QPT_UD, NULL, BUF_SIZE);

	if (rc < 0)
		return rc;
	qpn = roce_qp_num(ep.qp);
	rc = post_receives(&ep, MESSAGES);
	if (rc == 0)
		rc = ep_ud_start(&ep);
	if (rc == 0)
		rc = ep_resolve(&ep, job->ip, ROCE_PS_UDP(job->port != 0 ? job->port : UDADDY_PORT), &to);
	for (unsigned i = 0; rc == 0 && i < MESSAGES; i++)
		rc = ep_send_ud(&ep, 0, MESSAGE_LEN, &to, &qpn);
	if (rc == 0)
		rc = receive_all(&ep, MESSAGES, EP_GRH + MESSAGE_LEN);
	if (rc < 0)
		svc_ep_why(job, rc, &ep, job->program);
	ep_close(&ep);
	return rc;
}
