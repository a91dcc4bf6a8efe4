/* SPDX-License-Identifier: MIT */
/* SOURCES: */
/* PARSERS: net/service/perftest.c net/service/rping.c */
/*
 * The verbs service: what a client of perftest or rping sends, in any order and of any length that fits the receives posted, and
 * what their servers answer when the service is the client. Endpoints are fakes that check every bound.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "lib/base/printf.h"
#include "net/service/rping.c"
#define MAX_LEN 8192U
#define fill perftest_fill
#include "net/service/perftest.c"
#undef fill

static const u8 *in;
static size_t in_left;

static u8 next_byte(void) { return in_left == 0 ? 0 : (in_left--, *in++); }

/* Nobody sleeps here. */
static u64 now;
u64 time_mono_ns(void) { return now += 1000; }
void thread_sleep_ns(u64 ns) { now += ns; }

struct fake { u32 offset, len; bool posted; };
static struct { struct ep *ep; struct fake recv[EP_DEPTH]; } ends[4];

static struct fake *fake_of(struct ep *ep, u64 wr_id)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		if (ends[i].ep == ep)
			return &ends[i].recv[wr_id % EP_DEPTH];
	BUG_ON(true);
	return NULL;
}

static int in_bounds(const struct ep *ep, u32 offset, u32 len)
{
	BUG_ON(offset > ep->size || len > ep->size - offset);
	return next_byte() == 255 ? -ECONNRESET : 0;
}

void ep_wait_init(struct ep_wait *w) { waitq_init(&w->queue); }
int ep_open(struct ep *ep, enum roce_qp_type type, struct ep_wait *wait, u32 size)
{
	memset(ep, 0, sizeof(*ep));
	if (wait == NULL)
		ep_wait_init(&ep->own_wait);
	ep->wait = wait != NULL ? wait : &ep->own_wait;
	ep->buf = calloc(1, size);
	ep->size = size;
	ep->qp = (struct roce_qp *)ep;
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		if (ends[i].ep != NULL)
			continue;
		memset(&ends[i], 0, sizeof(ends[i]));
		ends[i].ep = ep;
		return 0;
	}
	BUG_ON(true);
	return 0;
}
void ep_close(struct ep *ep)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		if (ends[i].ep == ep)
			ends[i].ep = NULL;
	free(ep->buf);
	memset(ep, 0, sizeof(*ep));
}
int ep_connect(struct ep *ep, u32 ip, u64 id, const struct ep_ask *ask)
{
	u8 how = next_byte();

	ep->reason = REJ_NO_LISTENER;
	return how == 255 ? -EHOSTUNREACH : how == 254 ? -ECONNREFUSED : 0;
}
static unsigned nr_answered;	/* connections accepted or rejected */
int ep_accept(struct ep *ep, struct cm_id *id, const struct ep_ask *ask)
{
	nr_answered++;
	return next_byte() == 255 ? -ETIMEDOUT : 0;
}
int ep_ud_start(struct ep *ep) { return 0; }
int ep_resolve(struct ep *ep, u32 ip, u64 id, struct roce_ud_dest *dest) { return next_byte() == 255 ? -ECONNREFUSED : 0; }
struct roce_ud_dest ep_ud_source(const struct ep *ep, const struct roce_wc *wc, u32 offset) { return (struct roce_ud_dest){ 0 }; }
static u32 echo;		/* what went last: its answer is as long */
int ep_send(struct ep *ep, u32 offset, u32 len)
{
	echo = len;
	return in_bounds(ep, offset, len);
}
int ep_send_ud(struct ep *ep, u32 offset, u32 len, const struct roce_ud_dest *to, const u32 *imm) { return in_bounds(ep, offset, len); }
int ep_post(struct ep *ep, enum roce_wr_opcode op, u32 offset, u32 len, u64 to, u32 rkey) { return in_bounds(ep, offset, len); }
int ep_recv(struct ep *ep, u64 wr_id, u32 offset, u32 len)
{
	struct fake *f = fake_of(ep, wr_id);

	BUG_ON(offset > ep->size || len > ep->size - offset || f->posted);
	*f = (struct fake){ offset, len, true };
	return 0;
}

/* A byte says what completes: a receive of so many of the next bytes, or a request of ours. Zeroes when the input is used up. */
int ep_poll(struct ep *ep, struct roce_wc *wc)
{
	static const u8 done[] = { WC_SEND, WC_RDMA_READ, WC_RDMA_WRITE, WC_COMP_SWAP };
	u8 what = next_byte();

	if (in_left == 0)
		return -ECONNRESET;
	memset(wc, 0, sizeof(*wc));
	atomic_inc(&ep->wait->kicks);	/* who waits is woken at once */
	if (what == 0)
		return 0;
	if (what < 64) {
		wc->opcode = done[what % 4];
		return 1;
	}
	for (unsigned i = 0; i < EP_DEPTH; i++) {
		struct fake *f = fake_of(ep, i);

		if (!f->posted)
			continue;
		wc->wr_id = i;
		wc->opcode = WC_RECV;
		wc->flags = what & 1 ? WC_WITH_IMM : 0;
		wc->byte_len = MIN(what < 112 ? echo : what < 128 ? sizeof(struct dest) : what < 160 ? INFO_LEN : what < 192 ? VERSION_LEN : next_byte(), f->len);
		for (u32 at = 0; at < wc->byte_len; at++)
			ep->buf[f->offset + at] = next_byte();
		f->posted = false;
		return 1;
	}
	return 0;
}
int ep_wait_wc(struct ep *ep, struct roce_wc *wc, u64 timeout_ns)
{
	int rc;

	while ((rc = ep_poll(ep, wc)) == 0)
		;
	return MIN(rc, 0);
}
int ep_expect(struct ep *ep, enum roce_wc_opcode op, struct roce_wc *wc)
{
	int rc;

	do
		rc = ep_wait_wc(ep, wc, 0);
	while (rc == 0 && wc->opcode != op && op == WC_RECV && wc->opcode != WC_RECV);
	return rc < 0 ? rc : wc->opcode == op ? 0 : -EPROTO;
}

int svc_why(struct svc_job *job, int rc, const char *fmt, ...) { return rc; }
int svc_ep_why(struct svc_job *job, int rc, const struct ep *ep, const char *doing) { return rc; }
int roce_cm_reject(struct cm_id *id, u16 reason, const void *data, u32 len)
{
	nr_answered++;
	return 0;
}
u32 roce_qp_num(const struct roce_qp *qp) { return 77; }
u32 roce_max_path_mtu(void) { return 4096; }

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct svc_request req = { .id = (struct cm_id *)1, .peer_ip = 5 };
	char why[64];
	struct svc_job job = { .ip = 5, .why = why, .why_size = sizeof(why) };
	struct cm_sidr sidr = { 0 };
	u8 what, sizes;

	in = data;
	in_left = size;
	what = next_byte();
	sizes = next_byte();
	job.program = tests[(what >> 2) % ARRAY_SIZE(tests)].name;
	job.count = 1 + (sizes >> 4) % 4;
	job.size = sizes & 8 ? 0 : 1U << (sizes % 14);
	if (sizes == 126)
		job.size = MAX_LEN + 1;
	switch (what % 4) {
	case 0:
		(void)rping_serve(&req);
		break;
	case 1:
		(void)rping_run(&job);
		break;
	case 2:
		job.ip = 0;
		(void)perftest_run(&job);		/* what the next client will run */
		if (sizes & 128)
			second = req;
		nr_answered = 0;
		(void)perftest_serve(&req);
		BUG_ON(nr_answered != 1U + (sizes >> 7) || second.id != NULL);
		break;
	case 3:
		(void)perftest_run(&job);
		break;
	}
	if (in_left % 2 == 0)
		client_ud_qpn = 3;
	perftest_resolve(5, &sidr);
	client_ud_qpn = 0;
	return 0;
}
