/* SPDX-License-Identifier: MIT */
/* SOURCES: */
/*
 * perftest's server over endpoints that only take notes: every connection that is asked for is accepted or rejected, once, whatever
 * the moment at which the client's first one ends. White-box: perftest.c is included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "shim.h"
#include "lib/base/lock.h"

/* What happens next to others when a lock is let go. */
static void (*let_go)(void);
static void unlock(struct spinlock *l)
{
	spin_unlock(l);
	if (let_go != NULL)
		let_go();
}
#undef run_test		/* of cmocka's old names */
#define MAX_LEN		4096U
#define spin_unlock	unlock
#include "net/service/perftest.c"
#undef spin_unlock

#define CLIENT		0x0a4d0001U
#define ANOTHER		0x0a4d0042U
enum { FIRST, SECOND, THIRD, NR_IDS };

static char ids[NR_IDS];
static struct { unsigned accepted, rejected, reason; } fate[NR_IDS];
static void (*polled)(void);		/* once, when the server looks at the first connection; then it is over */

static struct svc_request request(unsigned i, u32 ip)
{
	return (struct svc_request){ .id = (struct cm_id *)&ids[i], .peer_ip = ip };
}
static unsigned number_of(const struct cm_id *id) { return (const char *)id - ids; }

u64 time_mono_ns(void) { return 1; }
void thread_sleep_ns(u64 ns) { }
void ep_wait_init(struct ep_wait *w) { waitq_init(&w->queue); }
int ep_open(struct ep *ep, enum roce_qp_type type, struct ep_wait *wait, u32 size)
{
	memset(ep, 0, sizeof(*ep));
	ep->buf = calloc(1, size);
	ep->qp = (struct roce_qp *)ep;
	return 0;
}
void ep_close(struct ep *ep) { free(ep->buf); }
int ep_accept(struct ep *ep, struct cm_id *id, const struct ep_ask *ask)
{
	fate[number_of(id)].accepted++;
	return 0;
}
int roce_cm_reject(struct cm_id *id, u16 reason, const void *data, u32 len)
{
	fate[number_of(id)].rejected++;
	fate[number_of(id)].reason = reason;
	return 0;
}
int ep_poll(struct ep *ep, struct roce_wc *wc)
{
	void (*fn)(void) = polled;

	polled = NULL;
	if (fn != NULL)
		fn();
	return -ECONNRESET;
}
int ep_recv(struct ep *ep, u64 wr_id, u32 offset, u32 len) { return 0; }
int ep_ud_start(struct ep *ep) { return 0; }
u32 roce_qp_num(const struct roce_qp *qp) { return 77; }
int ep_send(struct ep *ep, u32 offset, u32 len) { return -EIO; }
int ep_post(struct ep *ep, enum roce_wr_opcode op, u32 offset, u32 len, u64 to, u32 rkey) { return -EIO; }
int ep_send_ud(struct ep *ep, u32 offset, u32 len, const struct roce_ud_dest *to, const u32 *imm) { return -EIO; }
struct roce_ud_dest ep_ud_source(const struct ep *ep, const struct roce_wc *wc, u32 offset) { return (struct roce_ud_dest){ 0 }; }
int ep_connect(struct ep *ep, u32 ip, u64 id, const struct ep_ask *ask) { return -EIO; }
int ep_resolve(struct ep *ep, u32 ip, u64 id, struct roce_ud_dest *dest) { return -EIO; }
int ep_wait_wc(struct ep *ep, struct roce_wc *wc, u64 timeout_ns) { return -EIO; }
int ep_expect(struct ep *ep, enum roce_wc_opcode op, struct roce_wc *wc) { return -EIO; }
int svc_why(struct svc_job *job, int rc, const char *fmt, ...) { return rc; }
int svc_ep_why(struct svc_job *job, int rc, const struct ep *ep, const char *doing) { return rc; }
u32 roce_max_path_mtu(void) { return 4096; }

static int setup(void **state)
{
	memset(fate, 0, sizeof(fate));
	let_go = NULL;
	polled = NULL;
	return 0;
}

static void second_comes(void)
{
	struct svc_request req = request(SECOND, CLIENT);

	assert_int_equal(perftest_serve(&req), 0);
}

/* The second connection is handed over when the server has looked for it for the last time. */
static void second_comes_too_late(void **state)
{
	struct svc_request req = request(FIRST, CLIENT);

	polled = second_comes;
	assert_int_equal(perftest_serve(&req), -EPROTO);
	assert_int_equal(fate[FIRST].accepted, 1);
	assert_int_equal(fate[SECOND].accepted, 0);
	assert_int_equal(fate[SECOND].rejected, 1);
	assert_int_equal(fate[SECOND].reason, 28);
	assert_null(second.id);
	assert_false(busy);
}

static void another_client(void)
{
	struct svc_request req = request(THIRD, ANOTHER);

	if (busy)
		return;
	let_go = NULL;
	assert_int_equal(perftest_serve(&req), 0);
}

/* The next client may begin as soon as the server is free; what was the last one's is not given to it. */
static void next_client_gets_its_own(void **state)
{
	struct svc_request req = request(FIRST, CLIENT);

	polled = second_comes;
	let_go = another_client;
	assert_int_equal(perftest_serve(&req), -EPROTO);
	assert_null(let_go);
	assert_int_equal(fate[THIRD].accepted, 1);
	assert_int_equal(fate[SECOND].accepted, 0);
	assert_int_equal(fate[SECOND].rejected, 1);
	assert_false(busy);
}

int main(void)
{
	const struct CMUnitTest tests_of_it[] = {
		cmocka_unit_test_setup(second_comes_too_late, setup), cmocka_unit_test_setup(next_client_gets_its_own, setup),
	};

	return cmocka_run_group_tests_name("perftest", tests_of_it, NULL, NULL);
}
