/* SPDX-License-Identifier: MIT */
/* Inside of net/service: what service.c gives to the programs' files, and what each of them gives to it. */
#ifndef NET_SERVICE_IMPL_H
#define NET_SERVICE_IMPL_H

#include "net/service/endpoint.h"

/* A connection that a peer asks for, in a thread of its own. What serve() returns below 0 is logged. */
struct svc_request {
	struct cm_id *id;		/* to be accepted or rejected by serve() */
	u32 peer_ip;
	u8 responder_resources, initiator_depth;	/* what the peer offers us, and asks of us */
	u8 private_data[8];		/* the first bytes */
};

/* What `rdma PROGRAM ADDRESS name=value...` says. */
struct svc_job {
	const char *program;
	u32 ip;				/* 0: none given */
	u64 count, size, mtu, port, depth;	/* 0: the program's default */
	char *why;			/* for the reason of an error, svc_why(), or what there is to say of success */
	size_t why_size;
};
int svc_why(struct svc_job *job, int rc, const char *fmt, ...) __printf(3, 4);	/* returns rc */
/* The reason of a failure of an endpoint, in words. Returns rc. */
int svc_ep_why(struct svc_job *job, int rc, const struct ep *ep, const char *doing);

/* cmtools.c */
#define CMTOOLS_PORT 7471
#define UDADDY_PORT 7174
int cmtools_serve(const struct svc_request *req);	/* ucmatose, rdma_client */
int ucmatose_run(struct svc_job *job);
int rdma_client_run(struct svc_job *job);
int udaddy_run(struct svc_job *job);
void udaddy_start(void);
void udaddy_resolve(u32 peer_ip, struct cm_sidr *sidr);

/* perftest.c: as a server, the same command without an address says what is expected */
#define PERFTEST_PORT 18515
int perftest_serve(const struct svc_request *req);
void perftest_resolve(u32 peer_ip, struct cm_sidr *sidr);
int perftest_run(struct svc_job *job);

/* bare.c */
#define BARE_PORT 7481
int bare_serve(const struct svc_request *req);

/* pingpong.c */
#define PINGPONG_PORT 7482
int pingpong_serve(const struct svc_request *req);
int pingpong_run(struct svc_job *job);

/* probe.c */
#define PROBE_PORT 7480
void probe_start(void);
int probe_serve(const struct svc_request *req);

/* rping.c */
#define RPING_PORT 7174
int rping_serve(const struct svc_request *req);
int rping_run(struct svc_job *job);

#endif
