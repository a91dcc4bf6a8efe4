/* SPDX-License-Identifier: MIT */
/*
 * One end of a connection for a thread that likes to wait: queue pair, completion queue, connection and one registered buffer.
 * A thread makes an endpoint, uses it and closes it; nobody else touches it. Several endpoints may share one place to wait.
 *
 *	ep_open(&ep, QPT_RC, &wait, size);
 *	ep_connect(&ep, ip, service_id, &ask)  or  ep_accept(&ep, cm_id, &ask);
 *	ep_recv(&ep, wr_id, offset, len);  ep_send(&ep, ...);  ep_wait(&ep, &wc, timeout);
 *	ep_close(&ep);
 *
 * Errors: -ECONNREFUSED (rejected; ep->reason says why), -EHOSTUNREACH (no answer), -ECONNRESET (the connection is over),
 * -EIO (a request failed; the completion's status is in ep->status), -ETIMEDOUT.
 */
#ifndef NET_SERVICE_ENDPOINT_H
#define NET_SERVICE_ENDPOINT_H

#include "kernel/waitq.h"
#include "lib/base/atomic.h"
#include "net/roce/verbs.h"

#define EP_DEPTH	64		/* send and receive requests, each */
#define EP_TIMEOUT_NS	(30 * NSEC_PER_SEC)

struct ep_wait {
	struct waitq queue;
	atomic_t kicks;			/* [a] counts what happened; who waits compares */
};

enum ep_state { EP_NEW, EP_UP, EP_REJECTED, EP_UNREACHABLE, EP_DOWN };

struct ep {
	struct ep_wait *wait;
	struct ep_wait own_wait;	/* when the caller gave none */
	struct roce_cq *cq;
	struct roce_qp *qp;
	struct cm_id *id;
	struct roce_mr *mr;
	u8 *buf;			/* registered for everything under rkey */
	u32 size, rkey;
	u32 peer_ip;
	u8 state;			/* [a] enum ep_state, written by CM's events */
	u16 reason;			/* [I] after EP_REJECTED */
	u8 status;			/* enum roce_wc_status of the completion that ended it */
	struct roce_ud_dest resolved;	/* [I] after EP_UP of ep_resolve() */
	/* Set before anything is posted: completions are given to it, in the CQ's handler, and not to ep_poll() and the like. */
	void (*on_wc)(struct ep *ep, const struct roce_wc *wc);
};

struct ep_ask {				/* what a connection is asked for or granted */
	u8 responder_resources, initiator_depth;
	u32 path_mtu;			/* 0: what the link allows */
	u16 ack_every;			/* as in struct cm_conn_param */
};

void ep_wait_init(struct ep_wait *wait);
int ep_open(struct ep *ep, enum roce_qp_type type, struct ep_wait *wait, u32 size);	/* 0 or -ENOMEM */
/* The same with receives from a shared queue: those that ep_poll() gives up are the caller's to post there again. */
int ep_open_shared(struct ep *ep, enum roce_qp_type type, struct ep_wait *wait, u32 size, struct roce_srq *srq);
void ep_close(struct ep *ep);			/* of whatever ep_open() and the others made; sleeps */
/* May be tried again after -ECONNREFUSED. */
int ep_connect(struct ep *ep, u32 ip, u64 service_id, const struct ep_ask *ask);
int ep_accept(struct ep *ep, struct cm_id *id, const struct ep_ask *ask);	/* waits for the peer's RTU */

/* Post; [offset, offset+len) of the buffer. */
int ep_recv(struct ep *ep, u64 wr_id, u32 offset, u32 len);
int ep_send(struct ep *ep, u32 offset, u32 len);
int ep_post(struct ep *ep, enum roce_wr_opcode op, u32 offset, u32 len, u64 remote_addr, u32 rkey);

/* Datagrams: an endpoint of QPT_UD that was started; who serves service_id at ip (SIDR); one message with an immediate. */
int ep_ud_start(struct ep *ep);
int ep_resolve(struct ep *ep, u32 ip, u64 service_id, struct roce_ud_dest *dest);
int ep_send_ud(struct ep *ep, u32 offset, u32 len, const struct roce_ud_dest *dest, const u32 *imm);
#define EP_GRH	40			/* bytes before a received datagram */
/* Where the datagram at offset of the buffer came from. */
struct roce_ud_dest ep_ud_source(const struct ep *ep, const struct roce_wc *wc, u32 offset);

/* One completion if there is one: 1, 0, or an error as above. */
int ep_poll(struct ep *ep, struct roce_wc *wc);
/* The next completion within the time: 0 or an error. */
int ep_wait_wc(struct ep *ep, struct roce_wc *wc, u64 timeout_ns);
/* The next completion must be of this kind; others of successful sends are passed over when it is WC_RECV. */
int ep_expect(struct ep *ep, enum roce_wc_opcode op, struct roce_wc *wc);

#endif
