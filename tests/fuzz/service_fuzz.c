/* SPDX-License-Identifier: MIT */
/* SOURCES: net/service/cmtools.c net/service/probe.c net/service/pingpong.c net/service/bare.c net/service/service.c */
/* PARSERS: net/service/perftest.c net/service/rping.c net/service/cmtools.c net/service/probe.c net/service/pingpong.c net/service/bare.c net/service/service.c */
/*
 * The verbs service: what a client of each of its servers asks and sends, in any order and of any length that fits the receives posted,
 * and what their servers answer when the service is the client. Endpoints are fakes that check every bound: endpoint.c looks into
 * no message, it passes completions and the connection manager's events on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "kernel/param.h"
#include "kernel/sched.h"
#include "kernel/time.h"
#include "lib/base/printf.h"
#include "net/service/service.h"
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

struct fake { u8 *to; u32 len; u64 wr_id; bool posted; };
struct end { struct ep *ep; bool datagrams, shared; struct fake recv[EP_DEPTH]; };
static struct end ends[8];
static struct fake common[EP_DEPTH];		/* of the shared receive queue */
static bool memory_ends;			/* there may be none for an endpoint */

static struct end *end_of(const struct ep *ep)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		if (ends[i].ep == ep)
			return &ends[i];
	BUG_ON(true);
	return NULL;
}

static struct fake *receives_of(const struct ep *ep)
{
	struct end *e = end_of(ep);

	return e->shared ? common : e->recv;
}

static int post_to(struct fake *all, u64 wr_id, u8 *to, u32 len)
{
	for (unsigned i = 0; i < EP_DEPTH; i++) {
		if (all[i].posted)
			continue;
		all[i] = (struct fake){ to, len, wr_id, true };
		return 0;
	}
	return -ENOMEM;
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
	if (memory_ends && next_byte() == 255)
		return -ENOMEM;
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
		ends[i].datagrams = type == QPT_UD;
		return 0;
	}
	BUG_ON(true);
	return 0;
}
int ep_open_shared(struct ep *ep, enum roce_qp_type type, struct ep_wait *wait, u32 size, struct roce_srq *srq)
{
	int rc = ep_open(ep, type, wait, size);

	if (rc == 0)
		end_of(ep)->shared = true;
	return rc;
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
	ep->state = EP_UP;
	return how == 255 ? -EHOSTUNREACH : how == 254 ? -ECONNREFUSED : 0;
}
static unsigned nr_answered;	/* connections accepted or rejected */
int ep_accept(struct ep *ep, struct cm_id *id, const struct ep_ask *ask)
{
	nr_answered++;
	ep->state = EP_UP;
	return next_byte() == 255 ? -ETIMEDOUT : 0;
}
int ep_ud_start(struct ep *ep) { return 0; }
int ep_resolve(struct ep *ep, u32 ip, u64 id, struct roce_ud_dest *dest)
{
	*dest = (struct roce_ud_dest){ 0 };
	return next_byte() == 255 ? -ECONNREFUSED : 0;
}
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
	struct fake *all = end_of(ep)->recv;

	BUG_ON(offset > ep->size || len > ep->size - offset);
	for (unsigned i = 0; i < EP_DEPTH && ep->on_wc == NULL; i++)
		BUG_ON(all[i].posted && all[i].wr_id == wr_id);
	return post_to(all, wr_id, ep->buf + offset, len);
}

/*
 * A byte says what completes: a receive of so many of the next bytes, a WRITE of the peer that took one, or a request of ours; or how the
 * connection broke. Nothing more when the input is used up.
 */
int ep_poll(struct ep *ep, struct roce_wc *wc)
{
	static const u8 done[] = { WC_SEND, WC_RDMA_READ, WC_RDMA_WRITE, WC_COMP_SWAP };
	struct fake *all = receives_of(ep);
	u8 what = next_byte();

	if (in_left == 0)
		return -ECONNRESET;
	memset(wc, 0, sizeof(*wc));
	atomic_inc(&ep->wait->kicks);	/* who waits is woken at once */
	if (what == 0)
		return 0;
	if (what < 64) {
		wc->opcode = done[what % 4];
		wc->wr_id = what / 4;
		return 1;
	}
	if (what == 253) {
		ep->status = wc->status = WC_REM_ACCESS_ERR;
		return -EIO;
	}
	for (unsigned i = 0; i < EP_DEPTH; i++) {
		struct fake *f = &all[i];

		if (!f->posted)
			continue;
		f->posted = false;
		wc->wr_id = f->wr_id;
		if (what == 254 && !end_of(ep)->datagrams) {
			wc->opcode = WC_RECV_RDMA_WITH_IMM;
			wc->flags = WC_WITH_IMM;
			wc->byte_len = MIN(next_byte() * 600U, ep->size);
			return 1;
		}
		wc->opcode = WC_RECV;
		wc->flags = what & 1 ? what & 2 && end_of(ep)->shared ? WC_WITH_INV : WC_WITH_IMM : 0;
		wc->byte_len = MIN(what < 112 ? echo : what < 128 ? sizeof(struct dest) : what < 160 ? INFO_LEN : what < 192 ? VERSION_LEN : next_byte(), f->len);
		if (end_of(ep)->datagrams)
			wc->byte_len = MAX(wc->byte_len, (u32)EP_GRH);
		for (u32 at = 0; at < wc->byte_len; at++)
			f->to[at] = next_byte();
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

int roce_post_send(struct roce_qp *qp, const struct roce_send_wr *wr)
{
	struct ep *ep = (struct ep *)qp;
	u64 offset = (u8 *)wr->sge[0].ptr - ep->buf;

	BUG_ON(wr->nr_sge != 1);
	BUG_ON(offset > ep->size);
	return in_bounds(ep, offset, wr->sge[0].len);
}
struct roce_srq *roce_srq_create(u32 depth, void (*on_limit)(struct roce_srq *srq, void *arg), void *arg) { return (struct roce_srq *)1; }
int roce_post_srq_recv(struct roce_srq *srq, const struct roce_recv_wr *wr) { return post_to(common, wr->wr_id, wr->sge[0].ptr, wr->sge[0].len); }
u32 roce_mr_bind(struct roce_mr *m, void *ptr, u64 len, unsigned access) { return 5; }
void roce_qp_error(struct roce_qp *qp) { }
const char *roce_wc_status_name(unsigned status) { return "status"; }
unsigned roce_cq_poll(struct roce_cq *cq, struct roce_wc *wc, unsigned n)
{
	if (next_byte() < 128)
		return 0;
	for (unsigned i = 0; i < EP_DEPTH; i++) {
		if (!common[i].posted)
			continue;
		common[i].posted = false;
		*wc = (struct roce_wc){ .wr_id = common[i].wr_id, .opcode = WC_RECV, .status = WC_WR_FLUSH_ERR };
		return 1;
	}
	return 0;
}
int roce_cm_reject(struct cm_id *id, u16 reason, const void *data, u32 len)
{
	nr_answered++;
	return 0;
}
u32 roce_qp_num(const struct roce_qp *qp) { return 77; }
u32 roce_max_path_mtu(void) { return 4096; }

/* --- one thread: who would sleep waits for what is handled in the completion queue's handler --- */

void timer_init(struct timer *t, void (*fn)(struct timer *), void *arg) { }
void timer_start(struct timer *t, u64 when_ns) { }
void timer_cancel_sync(struct timer *t) { }

void schedule(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		struct ep *ep = ends[i].ep;
		struct roce_wc wc;

		if (ep == NULL || ep->on_wc == NULL)
			continue;
		for (unsigned nr = 1 + next_byte() % 8; nr > 0; nr--) {
			int rc = ep_poll(ep, &wc);

			if (rc == 1 || rc == -EIO)
				ep->on_wc(ep, &wc);
			else if (rc < 0)
				store_release(&ep->state, EP_DOWN);
		}
	}
}

static struct { void (*fn)(void *arg); void *arg; } threads[20];
static unsigned nr_threads;
static jmp_buf over;

int thread_spawn(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, ...)
{
	if (nr_threads == ARRAY_SIZE(threads) || next_byte() == 255)
		return -ENOMEM;
	threads[nr_threads].fn = fn;
	threads[nr_threads++].arg = arg;
	return 0;
}

void thread_exit(void) { longjmp(over, 1); }

static void run_threads(unsigned first)
{
	while (nr_threads > first) {
		nr_threads--;
		if (setjmp(over) == 0)
			threads[nr_threads].fn(threads[nr_threads].arg);
	}
}

/* --- all that is listened for --- */

static struct { cm_handler fn; void *arg; } listeners[16];
static unsigned nr_listeners;

int roce_cm_listen(u64 service_id, cm_handler fn, void *arg)
{
	BUG_ON(nr_listeners == ARRAY_SIZE(listeners));
	listeners[nr_listeners].fn = fn;
	listeners[nr_listeners++].arg = arg;
	return 0;
}

static bool member(u32 ip) { return ip != 66; }

/* Somebody comes, to whichever server; as many at a time as the input wants. */
static void come(u8 who)
{
	u8 how = next_byte(), len = next_byte(), *private = malloc(len);
	struct cm_sidr sidr = { 0 };
	struct cm_event ev = {
		.type = how & 1 ? CM_SIDR_RECEIVED : CM_REQ_RECEIVED, .id = (struct cm_id *)1, .peer_ip = how & 2 ? 66 : 5, .sidr = &sidr,
		.responder_resources = how >> 2 & 1, .initiator_depth = how >> 2 & 1, .private_data = private, .private_len = len,
	};

	for (unsigned i = 0; i < len; i++)
		private[i] = i < 8 ? next_byte() : 0;
	listeners[who % nr_listeners].fn(&ev, listeners[who % nr_listeners].arg);
	free(private);
	if (how & 8)
		run_threads(1);
}

static void run_client(void)
{
	static const char *const words[] = {
		"lat_send", "lat_write", "lat_read", "bw_send", "bw_write", "bw_read", "ucmatose", "rdma_client", "udaddy", "rping", "nothing",
		"10.77.0.5", "10.77.0.300", "1.2.3", "count=1", "count=3", "count=20", "count=x", "size=64", "size=16", "size=65536", "size=1",
		"depth=2", "mtu=1024", "port=7", "what=1",
	};
	char text[6][16], *argv[6], why[64];
	unsigned argc = next_byte() % 7;

	for (unsigned i = 0; i < argc; i++) {
		argv[i] = text[i];
		str_copy(text[i], words[next_byte() % ARRAY_SIZE(words)], sizeof(text[i]));
	}
	(void)service_run(argc, argv, why, sizeof(why));
}

/* The input decides between all that there is; the thread of datagrams is the first of all, and stays. */
static void anybody(void)
{
	unsigned nr = 0;
	u64 ns;

	memory_ends = true;
	while (in_left > 0) {
		u8 who = next_byte();

		if (who < 160)
			come(who);
		else if (who < 224)
			run_client();
		else if (who < 240)
			(void)service_read_time(5, who == 239 ? 1000 : who % 4, &ns);
		else if (setjmp(over) == 0)
			threads[0].fn(threads[0].arg);
	}
	run_threads(1);
	memory_ends = false;
	for (unsigned i = 0; i < EP_DEPTH; i++)		/* the receives that all share are all there again */
		nr += common[i].posted;
	BUG_ON(nr != 4);
}

static void start_once(void)
{
	static bool once;

	if (!once) {
		param_init("rdma.service=1");
		service_start(member);
	}
	once = true;
	BUG_ON(nr_threads != 1);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct svc_request req = { .id = (struct cm_id *)1, .peer_ip = 5 };
	char why[64];
	struct svc_job job = { .ip = 5, .why = why, .why_size = sizeof(why) };
	struct cm_sidr sidr = { 0 };
	u8 what, sizes;

	in_left = 0;
	start_once();
	in = data;
	in_left = size;
	what = next_byte();
	if (what >= 128) {
		anybody();
		return 0;
	}
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
