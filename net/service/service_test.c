/* SPDX-License-Identifier: MIT */
/* SOURCES: */
/*
 * Who may come to which service: over a connection manager that takes notes. White-box: service.c is included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/printk.h"

static unsigned nr_warned;
static void warned(const char *format, ...) { nr_warned++; }
#undef pr_warn
#define pr_warn warned
#include "shim.h"
#include "net/service/service.c"

#define MEMBER		0x0a4d0001U
#define STRANGER	0x0a4d0042U

int rping_serve(const struct svc_request *req) { return 0; }
int cmtools_serve(const struct svc_request *req) { return 0; }
int perftest_serve(const struct svc_request *req) { return 0; }
int probe_serve(const struct svc_request *req) { return 0; }
int pingpong_serve(const struct svc_request *req) { return 0; }
int bare_serve(const struct svc_request *req) { return 0; }
int rping_run(struct svc_job *job) { return 0; }
int ucmatose_run(struct svc_job *job) { return 0; }
int rdma_client_run(struct svc_job *job) { return 0; }
int udaddy_run(struct svc_job *job) { return 0; }
int perftest_run(struct svc_job *job) { return 0; }
int pingpong_run(struct svc_job *job) { return 0; }
void udaddy_start(void) { }
void probe_start(void) { }
void udaddy_resolve(u32 ip, struct cm_sidr *sidr) { }
void perftest_resolve(u32 ip, struct cm_sidr *sidr) { }
const char *roce_wc_status_name(unsigned status) { return "status"; }

static struct { u64 service_id; cm_handler fn; void *arg; } listener[16];
static unsigned nr_listeners, nr_rejects, last_reason;

int roce_cm_listen(u64 service_id, cm_handler fn, void *arg)
{
	assert_in_range(nr_listeners, 0, ARRAY_SIZE(listener) - 1);
	listener[nr_listeners].service_id = service_id;
	listener[nr_listeners].fn = fn;
	listener[nr_listeners++].arg = arg;
	return 0;
}
int roce_cm_reject(struct cm_id *id, u16 reason, const void *data, u32 len)
{
	nr_rejects++;
	last_reason = reason;
	return 0;
}

static unsigned nr_sessions_begun;
int thread_spawn(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, ...)
{
	nr_sessions_begun++;
	kfree(arg);
	return 0;
}

static bool member(u32 ip) { return ip == MEMBER; }

static void come(unsigned nr, u32 ip)
{
	static const u8 private[8];

	listener[nr].fn(&(struct cm_event){ .type = CM_REQ_RECEIVED, .peer_ip = ip, .private_data = private, .private_len = sizeof(private) },
			listener[nr].arg);
}

/* Without rdma.service a page of zeros is all there is, and who is no node of the cluster gets none: no thread, no session, one line. */
static void strangers_get_nothing(void **state)
{
	service_start(member);
	assert_int_equal(nr_listeners, 1);
	assert_true(listener[0].service_id == ROCE_PS_TCP(BARE_PORT));
	for (unsigned i = 0; i < 3 * SESSIONS_MAX; i++)
		come(0, STRANGER + i);
	assert_int_equal(nr_rejects, 3 * SESSIONS_MAX);
	assert_int_equal(last_reason, 28);
	assert_int_equal(atomic_read(&nr_sessions), 0);
	assert_int_equal(nr_warned, 1);
	assert_int_equal(nr_sessions_begun, 0);
	come(0, MEMBER);
	assert_int_equal(nr_sessions_begun, 1);
	assert_int_equal(nr_rejects, 3 * SESSIONS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(strangers_get_nothing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
