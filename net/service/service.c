/* SPDX-License-Identifier: MIT */
/* The verbs service: who is listened for, and a thread for each who comes; jobs at the control port. */
#include "net/service/service.h"

#include "kernel/param.h"
#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/net.h"
#include "net/service/impl.h"

#define SESSIONS_MAX	16

struct server {
	const char *name;
	u64 service_id;
	int (*serve)(const struct svc_request *req);
	bool (*may)(u32 ip);		/* NULL: everybody may come */
};
static const struct server servers[] = {
	{ "rping", ROCE_PS_TCP(RPING_PORT), rping_serve },
	{ "cmtools", ROCE_PS_TCP(CMTOOLS_PORT), cmtools_serve },
	{ "perftest", ROCE_PS_TCP(PERFTEST_PORT), perftest_serve },
	{ "probe", ROCE_PS_TCP(PROBE_PORT), probe_serve },
	{ "pingpong", ROCE_PS_TCP(PINGPONG_PORT), pingpong_serve },
};

/* Datagram services: which QP is it? Asked in the transport thread. */
static const struct { u64 service_id; void (*resolve)(u32 peer_ip, struct cm_sidr *sidr); } datagrams[] = {
	{ ROCE_PS_UDP(UDADDY_PORT), udaddy_resolve }, { ROCE_PS_UDP(CMTOOLS_PORT), udaddy_resolve },
	{ ROCE_PS_UDP(PERFTEST_PORT), perftest_resolve },
};

static const struct { const char *name; int (*run)(struct svc_job *job); bool no_address; } clients[] = {
	{ "rping", rping_run, false }, { "ucmatose", ucmatose_run, false }, { "rdma_client", rdma_client_run, false },
	{ "udaddy", udaddy_run, false },
	{ "ib_send_lat", perftest_run, true }, { "ib_send_bw", perftest_run, true }, { "ib_send_lat_ud", perftest_run, true },
	{ "ib_write_lat", perftest_run, true }, { "ib_write_bw", perftest_run, true },
	{ "ib_read_lat", perftest_run, true }, { "ib_read_bw", perftest_run, true },
	{ "ib_atomic_lat", perftest_run, true }, { "ib_atomic_bw", perftest_run, true },
	{ "lat_send", pingpong_run, false }, { "lat_write", pingpong_run, false }, { "lat_read", pingpong_run, false },
	{ "bw_send", pingpong_run, false }, { "bw_write", pingpong_run, false }, { "bw_read", pingpong_run, false },
};

struct session {
	const struct server *server;
	struct svc_request req;
};
static atomic_t nr_sessions;

static void session_thread(void *arg)
{
	struct session *s = arg;
	int rc = s->server->serve(&s->req);

	if (rc < 0)
		pr_note("service: %s with " IP_FMT " ended: %s", s->server->name, IP_ARGS(s->req.peer_ip), errno_name(rc));
	kfree(s);
	atomic_dec(&nr_sessions);
	thread_exit();
}

static void on_request(const struct cm_event *ev, void *arg)
{
	static bool stranger_seen;		/* [a] a line in the log for all of them */
	const struct server *server = arg;
	struct session *s;

	if (ev->type != CM_REQ_RECEIVED)
		return;
	if (server->may != NULL && !server->may(ev->peer_ip)) {
		if (!__atomic_exchange_n(&stranger_seen, true, __ATOMIC_RELAXED))
			pr_warn("service: %s refused " IP_FMT ": no node of the cluster is there", server->name, IP_ARGS(ev->peer_ip));
		roce_cm_reject(ev->id, 28 /* consumer defined, clause 12.6.7.2 */, NULL, 0);
		return;
	}
	s = atomic_inc_return(&nr_sessions) <= SESSIONS_MAX ? kzalloc(sizeof(*s)) : NULL;
	if (s != NULL) {
		s->server = server;
		s->req = (struct svc_request){ ev->id, ev->peer_ip, ev->responder_resources, ev->initiator_depth, { 0 } };
		memcpy(s->req.private_data, ev->private_data, MIN(ev->private_len, sizeof(s->req.private_data)));
		if (thread_spawn(session_thread, s, PRIO_NORMAL, "rdma-%s", s->server->name) == 0)
			return;
		kfree(s);
	}
	atomic_dec(&nr_sessions);
	roce_cm_reject(ev->id, 3, NULL, 0);		/* no resources */
}

static void on_sidr(const struct cm_event *ev, void *arg)
{
	void (*const *resolve)(u32 peer_ip, struct cm_sidr *sidr) = arg;

	if (ev->type == CM_SIDR_RECEIVED)
		(*resolve)(ev->peer_ip, ev->sidr);
}

/* What other nodes of the cluster ask for when they boot. */
static struct server bare = { "bare", ROCE_PS_TCP(BARE_PORT), bare_serve };

void service_start(bool (*member)(u32 ip))
{
	bare.may = member;
	if (roce_cm_listen(bare.service_id, on_request, &bare) < 0)
		pr_err("service: cannot listen for %s", bare.name);
	if (!param_bool("rdma.service", false))
		return;
	udaddy_start();
	probe_start();
	for (unsigned i = 0; i < ARRAY_SIZE(datagrams); i++) {
		if (roce_cm_listen(datagrams[i].service_id, on_sidr, (void *)&datagrams[i].resolve) < 0)
			pr_err("service: cannot listen for datagrams");
	}
	for (unsigned i = 0; i < ARRAY_SIZE(servers); i++) {
		if (roce_cm_listen(servers[i].service_id, on_request, (void *)&servers[i]) < 0)
			pr_err("service: cannot listen for %s", servers[i].name);
	}
	pr_note("service: listens for RDMA test programs");
}

/* --- jobs ----------------------------------------------------------------------------------------------- */

int svc_why(struct svc_job *job, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(job->why, job->why_size, fmt, ap);
	va_end(ap);
	return rc;
}

int svc_ep_why(struct svc_job *job, int rc, const struct ep *ep, const char *doing)
{
	if (rc == -ECONNREFUSED)
		return svc_why(job, rc, "%s: rejected, reason %u", doing, ep->reason);
	if (rc == -EIO)
		return svc_why(job, rc, "%s: %s", doing, roce_wc_status_name(ep->status));
	return svc_why(job, rc, "%s: %s", doing, errno_name(rc));
}

static int parse_address(const char *s, u32 *ip)
{
	u32 v = 0;

	for (unsigned i = 0; i < 4; i++) {
		u32 byte = 0, digits = 0;

		for (; *s >= '0' && *s <= '9' && digits < 3; s++, digits++)
			byte = byte * 10 + (*s - '0');
		if (digits == 0 || byte > 255 || *s++ != (i < 3 ? '.' : '\0'))
			return -EINVAL;
		v = v << 8 | byte;
	}
	*ip = v;
	return 0;
}

static int parse_option(struct svc_job *job, char *word)
{
	const struct { const char *name; u64 *to; } options[] = {
		{ "count", &job->count }, { "size", &job->size }, { "mtu", &job->mtu }, { "port", &job->port },
		{ "depth", &job->depth },
	};
	char *value = strchr(word, '=');

	*value++ = '\0';
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, word) == 0) {
			if (str_to_u64(value, options[i].to) < 0)
				return svc_why(job, -EINVAL, "%s=%s is no number", word, value);
			return 0;
		}
	}
	return svc_why(job, -EINVAL, "no option '%s'", word);
}

int service_run(unsigned argc, char **argv, char *why, size_t why_size)
{
	struct svc_job job = { .why = why, .why_size = why_size };

	if (argc < 1)
		return svc_why(&job, -EINVAL, "PROGRAM ADDRESS [NAME=VALUE...] expected");
	for (unsigned i = 1; i < argc; i++) {
		int rc = strchr(argv[i], '=') == NULL ? parse_address(argv[i], &job.ip) : parse_option(&job, argv[i]);

		if (rc < 0)
			return job.why[0] != '\0' ? rc : svc_why(&job, rc, "'%s' is no address", argv[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
		if (strcmp(clients[i].name, argv[0]) != 0)
			continue;
		job.program = clients[i].name;
		if (job.ip == 0 && !clients[i].no_address)
			return svc_why(&job, -EINVAL, "%s needs an address", job.program);
		return clients[i].run(&job);
	}
	return svc_why(&job, -ENOSYS, "no program '%s' here", argv[0]);
}
