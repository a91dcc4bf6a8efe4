/* SPDX-License-Identifier: MIT */
/*
 * perftest's tests as `-R` runs them: a first connection for control, a second one (or a datagram QP) for the test.
 *
 * On the control connection the client sends and the server answers, message for message: the version (16 bytes), the cycle
 * buffer's size, the cache line's (4 bytes each, big endian), the path MTU's code as a digit (2 bytes), an empty destination;
 * then the second connection is made; then an empty destination again, and the destinations some times over as barriers
 * before and after the test, and after some tests five numbers of 8 bytes. So a server answers each message by one of the same
 * length: a destination by its own, everything else as it came.
 *
 * The test itself is for the two ends to agree on beforehand. As for perftest's own server, the same command is given at both:
 * `rdma ib_write_lat size=64 count=100` without an address says what is expected of the next clients. What a server must know
 * is whether it answers a SEND (ib_send_lat), and, as it makes the first WRITE of ib_write_lat, when, how long and how many.
 */
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "net/service/impl.h"

/* --- the tests ------------------------------------------------------------------------------------------ */

enum kind { KIND_SEND, KIND_WRITE, KIND_READ, KIND_ATOMIC };

struct test {
	const char *name;
	u8 kind;
	bool lat, ud;
	u8 before;			/* barriers between the second connection and the test, the first one empty */
	u8 after;			/* barriers after the test */
	bool report;			/* five numbers between the two of them */
};
static const struct test tests[] = {
	{ "ib_send_lat", KIND_SEND, true, false, 5, 1, false },		{ "ib_send_bw", KIND_SEND, false, false, 5, 1, false },
	{ "ib_send_lat_ud", KIND_SEND, true, true, 5, 1, false },
	{ "ib_write_lat", KIND_WRITE, true, false, 5, 0, false },	{ "ib_write_bw", KIND_WRITE, false, false, 4, 2, true },
	{ "ib_read_lat", KIND_READ, true, false, 5, 1, false },		{ "ib_read_bw", KIND_READ, false, false, 4, 2, true },
	{ "ib_atomic_lat", KIND_ATOMIC, true, false, 5, 1, false },	{ "ib_atomic_bw", KIND_ATOMIC, false, false, 4, 2, true },
};

/* What an end says about its second QP; 56 bytes. */
struct dest {
	be32 lid, out_reads, qpn, psn, rkey, pad;
	be64 vaddr;
	u8 gid[16];
	be32 srqn, gid_index;
} __packed;
_Static_assert(sizeof(struct dest) == 56, "as perftest has it");

#define VERSION_LEN	16
#define REPORT_LEN	8
#ifndef MAX_LEN		/* a fuzzer has less */
#define MAX_LEN		(1U << 20)
#endif
#define RECEIVES	32
#define CTL_IN		4096		/* of the control endpoint's buffer; before it what goes */
#define CTL_SLOT	64
#define CTL_BUF		(CTL_IN + RECEIVES * CTL_SLOT)
#define SEND_AT		MAX_LEN		/* of the test's buffer; before it what the peer reads, writes and sends to */
#define BUF_SIZE	(2 * MAX_LEN)
#define UD_MAX		4096
#define LOOK_NS		(20 * NSEC_PER_USEC)	/* how often memory is looked at that the peer writes */
#define IDLE_NS		(60 * NSEC_PER_SEC)	/* a client that says nothing for so long is gone */
#define LISTEN_NS	(10 * NSEC_PER_SEC)	/* perftest's server listens anew for the second connection: REQs before are rejected */
#define REJ_NO_LISTENER	8

/* Both ends' state. */
struct run {
	const struct test *test;
	u32 len;
	u64 count;
	struct ep_wait wait;
	struct ep ctl, data;		/* data.qp NULL: not yet */
	bool have_data;			/* server: the second connection is up */
	unsigned met;			/* server: destinations exchanged */
	u64 sent, done, seen;		/* ib_write_lat: WRITEs, each has its number in its last byte; done: those acknowledged */
	struct roce_ud_dest ud;
};

static void fill_dest(const struct run *r, u8 *to)
{
	struct dest *d = (struct dest *)to;

	memset(d, 0, sizeof(*d));
	if (r->data.qp == NULL)
		return;
	d->out_reads = be32_of(r->test->kind >= KIND_READ ? 16 : 1);
	d->qpn = be32_of(roce_qp_num(r->data.qp));
	d->rkey = be32_of(r->data.rkey);
	d->vaddr = be64_of((uintptr_t)r->data.buf);
	d->gid_index = be32_of(1);
}

static int data_open(struct run *r)
{
	bool ud = r->test->ud;
	u32 room = ud ? EP_GRH + UD_MAX : MAX_LEN;
	int rc = ep_open(&r->data, ud ? QPT_UD : QPT_RC, &r->wait, BUF_SIZE);

	for (unsigned i = 0; rc == 0 && i < RECEIVES; i++)		/* nobody looks at what is received */
		rc = ep_recv(&r->data, i, 0, room);
	if (rc == 0 && ud)
		rc = ep_ud_start(&r->data);
	for (u32 i = 0; rc == 0 && i < MAX_LEN; i++)
		r->data.buf[SEND_AT + i] = i * 7 + (i >> 8);
	return rc;
}

static int receive_again(struct run *r, u64 wr_id)
{
	return ep_recv(&r->data, wr_id, 0, r->test->ud ? EP_GRH + UD_MAX : MAX_LEN);
}

static int ctl_open(struct run *r)
{
	int rc = ep_open(&r->ctl, QPT_RC, &r->wait, CTL_BUF);

	for (unsigned i = 0; rc == 0 && i < RECEIVES; i++)
		rc = ep_recv(&r->ctl, i, CTL_IN + i * CTL_SLOT, CTL_SLOT);
	return rc;
}

static int write_next(struct run *r, const struct dest *peer)
{
	r->data.buf[SEND_AT + r->len - 1] = ++r->sent;
	return ep_post(&r->data, WR_RDMA_WRITE, SEND_AT, r->len, be64_get(peer->vaddr), be32_get(peer->rkey));
}

static bool write_arrived(const struct run *r) { return READ_ONCE(r->data.buf[r->len - 1]) == (u8)(r->seen + 1); }

/* --- the server ------------------------------------------------------------------------------------------- */

static DEFINE_SPINLOCK(lock, RANK_LEAF);
static const struct test *expected = &tests[0];	/* [lock] */
static u32 expected_len = 64;			/* [lock] */
static u64 expected_count = 100;		/* [lock] */
static bool busy;				/* [lock] one client at a time */
static struct svc_request second;		/* [lock] the same client's second connection; id NULL: none */
static u32 client_ip;				/* [lock] */
static struct ep_wait *client_wait;		/* [lock] */
static u32 client_ud_qpn;			/* [lock] 0: not a datagram test */

static int ctl_answer(struct run *r, const struct roce_wc *wc, struct dest *peer)
{
	u8 *in = r->ctl.buf + CTL_IN + wc->wr_id * CTL_SLOT;
	u32 len = wc->byte_len;

	if (len == sizeof(struct dest)) {
		*peer = *(const struct dest *)in;
		r->met++;
		fill_dest(r, r->ctl.buf);
	} else {
		memcpy(r->ctl.buf, in, len);
	}
	if (ep_recv(&r->ctl, wc->wr_id, CTL_IN + wc->wr_id * CTL_SLOT, CTL_SLOT) < 0)
		return -EIO;
	return ep_send(&r->ctl, 0, len);
}

static int data_answer(struct run *r, const struct roce_wc *wc)
{
	int rc = receive_again(r, wc->wr_id);

	if (rc < 0 || !r->test->lat)
		return rc;
	if (!r->test->ud)
		return ep_send(&r->data, SEND_AT, r->len);
	if (wc->flags & WC_WITH_IMM) {		/* the client's first word: nothing but its QP's number */
		r->ud = ep_ud_source(&r->data, wc, 0);
		return 0;
	}
	return ep_send_ud(&r->data, SEND_AT, r->len, &r->ud, NULL);
}

/* over: the client is done with; whoever comes from now on is another one, and what this one still asks for is no other's. */
static struct svc_request take_second(bool over)
{
	struct svc_request req;

	spin_lock(&lock);
	req = second;
	second.id = NULL;
	if (over) {
		busy = false;
		client_ud_qpn = 0;
	}
	spin_unlock(&lock);
	return req;
}

/* The part of ib_write_lat in which the two write to each other. */
static bool writing(const struct run *r)
{
	return r->test->kind == KIND_WRITE && r->test->lat && r->have_data && r->met >= 1U + r->test->before &&
	       r->seen < r->count;
}

/* Whatever happens next, once. 1: something did; 0: nothing; below: the control connection is over. */
static int serve_once(struct run *r, struct dest *peer)
{
	struct svc_request req = take_second(false);
	struct roce_wc wc;
	int rc;

	if (req.id != NULL) {
		rc = r->have_data || r->test->ud ? -EBUSY : 0;
		if (rc < 0) {
			roce_cm_reject(req.id, 28, NULL, 0);
			return rc;
		}
		rc = ep_accept(&r->data, req.id, &(struct ep_ask){ .responder_resources = 16, .initiator_depth = 16 });
		r->have_data = rc == 0;
		return rc < 0 ? rc : 1;
	}
	rc = ep_poll(&r->ctl, &wc);
	if (rc > 0 && wc.opcode == WC_RECV)
		rc = ctl_answer(r, &wc, peer);
	if (rc != 0)
		return MIN(rc, 1);
	rc = ep_poll(&r->data, &wc);
	if (rc > 0) {
		if (wc.opcode == WC_RECV)
			rc = data_answer(r, &wc);
		r->done += wc.opcode == WC_RDMA_WRITE;
		return rc < 0 ? rc : 1;
	}
	if (rc == 0 && writing(r)) {		/* the server makes the first one */
		if (r->sent > r->seen && (!write_arrived(r) || r->done < r->sent))
			return 0;	/* not acknowledged: it may be sent again, from the bytes that the next one changes */
		r->seen = r->sent;
		rc = r->sent < r->count ? write_next(r, peer) : 0;
		return rc < 0 ? rc : 1;
	}
	return 0;			/* the test's connection may be over before the control connection */
}

static int serve(struct run *r)
{
	u64 heard = time_mono_ns();
	struct dest peer = { 0 };

	for (;;) {
		int seen = atomic_read_acquire(&r->wait.kicks), rc = serve_once(r, &peer);
		u64 now = time_mono_ns();

		if (rc < 0)
			return rc == -ECONNRESET ? 0 : rc;
		if (rc > 0) {
			heard = now;
			continue;
		}
		if (now - heard > IDLE_NS)
			return -ETIMEDOUT;
		(void)waitq_wait_timeout(&r->wait.queue, atomic_read_acquire(&r->wait.kicks) != seen,
					 writing(r) ? now + LOOK_NS : heard + IDLE_NS + 1);
	}
}

int perftest_serve(const struct svc_request *req)
{
	struct run r = { 0 };
	struct svc_request left;
	bool mine, handed;
	int rc;

	spin_lock(&lock);
	handed = busy && client_ip == req->peer_ip && second.id == NULL;
	mine = !busy;
	if (handed) {
		second = *req;
		atomic_inc(&client_wait->kicks);
		waitq_wake_all(&client_wait->queue);
	} else if (mine) {
		busy = true;
		client_ip = req->peer_ip;
		ep_wait_init(&r.wait);
		client_wait = &r.wait;
		r.test = expected;
		r.len = expected_len;
		r.count = expected_count;
	}
	spin_unlock(&lock);
	if (!mine) {
		if (!handed)
			roce_cm_reject(req->id, 28, NULL, 0);
		return 0;
	}
	rc = data_open(&r);
	if (rc == 0)
		rc = ctl_open(&r);
	spin_lock(&lock);
	client_ud_qpn = rc == 0 && r.test->ud ? roce_qp_num(r.data.qp) : 0;
	spin_unlock(&lock);
	if (rc == 0)
		rc = ep_accept(&r.ctl, req->id, &(struct ep_ask){ 0 });
	else
		roce_cm_reject(req->id, 3, NULL, 0);
	if (rc == 0)
		rc = serve(&r);
	left = take_second(true);
	if (left.id != NULL) {
		roce_cm_reject(left.id, 28, NULL, 0);
		rc = -EPROTO;
	}
	ep_close(&r.data);
	ep_close(&r.ctl);
	return rc;
}

void perftest_resolve(u32 peer_ip, struct cm_sidr *sidr)
{
	spin_lock(&lock);
	if (client_ud_qpn != 0 && peer_ip == client_ip)
		*sidr = (struct cm_sidr){ 0, client_ud_qpn, ROCE_UDP_QKEY };
	spin_unlock(&lock);
}

/* --- the client --------------------------------------------------------------------------------------------- */

/* One message out, one of the same length back; its place in the buffer is in *in. */
static int exchange(struct run *r, const void *out, u32 len, const u8 **in)
{
	struct roce_wc wc;
	int rc;

	memcpy(r->ctl.buf, out, len);
	rc = ep_send(&r->ctl, 0, len);
	if (rc == 0)
		rc = ep_expect(&r->ctl, WC_RECV, &wc);
	if (rc == 0 && wc.byte_len != len)
		rc = -EPROTO;
	if (rc < 0)
		return rc;
	if (in != NULL)
		*in = r->ctl.buf + CTL_IN + wc.wr_id * CTL_SLOT;
	return ep_recv(&r->ctl, wc.wr_id, CTL_IN + wc.wr_id * CTL_SLOT, CTL_SLOT);
}

static int meet(struct run *r, struct dest *peer)
{
	struct dest own;
	const u8 *in;
	int rc;

	fill_dest(r, (u8 *)&own);
	rc = exchange(r, &own, sizeof(own), &in);
	if (rc == 0)
		memcpy(peer, in, sizeof(*peer));
	return rc;
}

static int parameters(struct run *r, u32 mtu)
{
	static const char version[VERSION_LEN] = "6.06";
	const be32 cycle_buffer = be32_of(4096), cache_line = be32_of(64);
	char code[2] = { '1' };
	const struct dest empty = { 0 };
	int rc = exchange(r, version, VERSION_LEN, NULL);

	for (u32 m = 256; m < mtu; m *= 2)
		code[0]++;
	if (rc == 0)
		rc = exchange(r, &cycle_buffer, 4, NULL);
	if (rc == 0)
		rc = exchange(r, &cache_line, 4, NULL);
	if (rc == 0)
		rc = exchange(r, code, sizeof(code), NULL);
	return rc == 0 ? exchange(r, &empty, sizeof(empty), NULL) : rc;
}

/* The second connection; the server is not always listening yet. */
static int data_connect(struct run *r, struct svc_job *job, u16 port)
{
	bool reads = r->test->kind >= KIND_READ;
	struct ep_ask ask = { reads ? 16 : 0, reads ? 16 : 0, job->mtu };
	u64 end = time_mono_ns() + LISTEN_NS;
	u32 qpn = roce_qp_num(r->data.qp);
	int rc;

	for (;;) {
		if (r->test->ud)
			rc = ep_resolve(&r->data, job->ip, ROCE_PS_UDP(port), &r->ud);
		else
			rc = ep_connect(&r->data, job->ip, ROCE_PS_TCP(port), &ask);
		if (rc != -ECONNREFUSED || (r->data.reason != REJ_NO_LISTENER && !r->test->ud) || time_mono_ns() > end)
			break;
		thread_sleep_ns(100 * NSEC_PER_MSEC);
	}
	if (rc == 0 && r->test->ud)		/* who we are */
		rc = ep_send_ud(&r->data, SEND_AT, 4, &r->ud, &qpn);
	return rc;
}

static int ping_pong(struct run *r, const struct dest *peer)
{
	struct roce_wc wc;
	int rc;

	if (r->test->kind == KIND_WRITE) {
		u64 end = time_mono_ns() + EP_TIMEOUT_NS;

		for (rc = 0; rc >= 0 && (!write_arrived(r) || r->done < r->sent);) {
			rc = ep_poll(&r->data, &wc);
			if (rc == 0)
				thread_sleep_ns(LOOK_NS);
			else if (rc > 0)
				r->done++;
			if (time_mono_ns() > end)
				rc = -ETIMEDOUT;
		}
		r->seen++;
		return rc < 0 ? rc : write_next(r, peer);
	}
	rc = r->test->ud ? ep_send_ud(&r->data, SEND_AT, r->len, &r->ud, NULL) : ep_send(&r->data, SEND_AT, r->len);
	if (rc == 0)
		rc = ep_expect(&r->data, WC_RECV, &wc);
	return rc == 0 ? receive_again(r, wc.wr_id) : rc;
}

/* n requests, at most depth of them outstanding. */
static int stream(struct run *r, const struct dest *peer, u64 n, u64 depth)
{
	static const u8 op[] = { WR_SEND, WR_RDMA_WRITE, WR_RDMA_READ, WR_FETCH_ADD };
	bool atomic = r->test->kind == KIND_ATOMIC;
	u64 posted = 0, done = 0;
	struct roce_wc wc;

	while (done < n) {
		int rc = 0;

		for (; rc == 0 && posted < n && posted - done < depth; posted++)
			rc = ep_post(&r->data, op[r->test->kind], SEND_AT, atomic ? 8 : r->len, be64_get(peer->vaddr), be32_get(peer->rkey));
		if (rc == 0)
			rc = ep_wait_wc(&r->data, &wc, EP_TIMEOUT_NS);
		if (rc < 0)
			return rc;
		done++;
	}
	return 0;
}

static int run_test(struct run *r, const struct dest *peer)
{
	struct roce_wc wc;
	int rc = 0;

	if (!r->test->lat || r->test->kind >= KIND_READ)
		return stream(r, peer, r->count, r->test->lat ? 1 : 16);
	for (u64 i = 0; rc == 0 && i < r->count; i++)
		rc = ping_pong(r, peer);
	for (; rc == 0 && r->done < r->sent; r->done++)		/* the last one must be there before we part */
		rc = ep_wait_wc(&r->data, &wc, EP_TIMEOUT_NS);
	return rc;
}

static int client(struct run *r, struct svc_job *job, const char **doing)
{
	static const u8 numbers[REPORT_LEN];
	u16 port = job->port != 0 ? job->port : PERFTEST_PORT;
	struct dest peer = { 0 };		/* each test meets once before it begins */
	int rc;

	*doing = "control connection";
	rc = ctl_open(r);
	if (rc == 0)
		rc = data_open(r);
	if (rc == 0)
		rc = ep_connect(&r->ctl, job->ip, ROCE_PS_TCP(port), &(struct ep_ask){ .path_mtu = job->mtu });
	if (rc == 0) {
		*doing = "parameters";
		rc = parameters(r, job->mtu != 0 ? job->mtu : roce_max_path_mtu());
	}
	if (rc == 0) {
		*doing = "second connection";
		rc = data_connect(r, job, port);
	}
	if (rc < 0)
		return rc;
	*doing = "barrier before the test";
	for (unsigned i = 0; rc == 0 && i < r->test->before; i++)
		rc = meet(r, &peer);
	if (rc == 0) {
		*doing = "test";
		rc = run_test(r, &peer);
	}
	if (rc < 0)
		return rc;
	*doing = "barrier after the test";
	for (unsigned k = 0; rc == 0 && k < r->test->after; k++) {
		rc = meet(r, &peer);
		for (unsigned i = 0; rc == 0 && k == 0 && r->test->report && i < 5; i++)
			rc = exchange(r, numbers, REPORT_LEN, NULL);
	}
	return rc;
}

int perftest_run(struct svc_job *job)
{
	struct run r = { .len = job->size != 0 ? job->size : 64, .count = job->count != 0 ? job->count : 100 };
	const char *doing;
	int rc;

	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
		if (strcmp(tests[i].name, job->program) == 0)
			r.test = &tests[i];
	}
	if (r.len > (r.test->ud ? UD_MAX : MAX_LEN))
		return svc_why(job, -EINVAL, "size must be at most %u", r.test->ud ? UD_MAX : MAX_LEN);
	if (job->ip == 0) {
		spin_lock(&lock);
		expected = r.test;
		expected_len = r.len;
		expected_count = r.count;
		spin_unlock(&lock);
		return 0;
	}
	ep_wait_init(&r.wait);
	rc = client(&r, job, &doing);
	if (rc < 0)
		svc_ep_why(job, rc, r.data.state != EP_NEW && r.data.state != EP_UP ? &r.data : &r.ctl, doing);
	ep_close(&r.data);
	ep_close(&r.ctl);
	return rc;
}
