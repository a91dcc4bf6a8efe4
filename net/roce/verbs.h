/* SPDX-License-Identifier: MIT */
/*
 * RDMA verbs over RoCEv2, for net/fit and the verbs service. InfiniBand Architecture Specification, volume 1 (chapters
 * 9: transport, 10: verbs, 12 and 13: connection management) and annex A17 (RoCEv2). What lies under this header
 * is for net/roce alone.
 *
 * Local buffers are kernel direct-map memory, named by pointer; memory regions say what peers may reach. A buffer of a
 * posted work request stays referenced, and unwritten if it is sent, until its completion: for RC sends that is
 * the acknowledgement. A completion that failed, or was flushed, gives the buffer back, but frames that point into it may still be
 * with the device: what it holds by then may be sent, with an ICRC that no receiver takes. Only roce_qp_destroy() waits for those.
 *
 * Context: unless stated otherwise a call neither sleeps nor needs a thread, may be made under spinlocks of rank above
 * RANK_CM, and not in interrupts. Callbacks come in thread context (the receive thread of a NIC queue, or the
 * transport's timer thread); they must not sleep.
 */
#ifndef NET_ROCE_VERBS_H
#define NET_ROCE_VERBS_H

#include "lib/base/types.h"

struct roce_qp;
struct roce_cq;
struct roce_mr;
struct roce_srq;

/* --- completions --------------------------------------------------------------------------------------- */

/* Names and order of ibv_wc_status; what it has besides says what cannot happen here. The numbers go over the wire (service/probe.c). */
enum roce_wc_status {
	WC_SUCCESS, WC_LOC_LEN_ERR, WC_WR_FLUSH_ERR = 4, WC_BAD_RESP_ERR, WC_REM_INV_REQ_ERR = 7, WC_REM_ACCESS_ERR, WC_REM_OP_ERR,
	WC_RETRY_EXC_ERR, WC_RNR_RETRY_EXC_ERR
};
enum roce_wc_opcode { WC_SEND, WC_RDMA_WRITE, WC_RDMA_READ, WC_COMP_SWAP, WC_FETCH_ADD, WC_RECV, WC_RECV_RDMA_WITH_IMM };

#define WC_WITH_IMM	1
#define WC_SOLICITED	2
#define WC_WITH_INV	8	/* SEND_WITH_INV: imm is the rkey that is no longer valid */
#define WC_GRH		4	/* UD: the first 40 bytes of the buffer are the GRH area (IPv4 header in its last 20) */

struct roce_wc {
	u64 wr_id;
	struct roce_qp *qp;
	u32 byte_len;		/* received, or read */
	u32 imm;		/* host order */
	u32 src_qpn;		/* UD */
	u8 status, opcode, flags;
};

const char *roce_wc_status_name(unsigned status);

/*
 * A completion queue calls handler once per batch of arrivals (not per completion) until the queue has been emptied by
 * roce_cq_poll() and re-armed by returning: one handler call at a time for one cq. It never overruns: depth bounds
 * what may be posted to its QPs (checked at post).
 *
 * From the first roce_cq_arm() on the handler is called only when it was asked for, once each time (11.4.2.2): at the next
 * completion, or at the next one that was solicited or failed. true: completions wait already, and are to be polled again;
 * the call is owed all the same. roce_cq_moderate() has it called when so many completions wait, or the oldest of them for so
 * long; 0 ns: for as long as it takes; (1, 0) ends that. For what waits already the time begins then. What is polled before is not
 * told: it does not count, but if it was the oldest, the call may come earlier than the next needs it (and so it may, by number, where
 * only solicited completions are waited for and others lie between).
 */
struct roce_cq *roce_cq_create(u32 depth, void (*handler)(struct roce_cq *cq, void *arg), void *arg);
unsigned roce_cq_poll(struct roce_cq *cq, struct roce_wc *wc, unsigned n);
bool roce_cq_arm(struct roce_cq *cq, bool solicited_only);
void roce_cq_moderate(struct roce_cq *cq, u32 completions, u64 period_ns);
void roce_cq_destroy(struct roce_cq *cq);	/* no QP uses it; may sleep */

/* --- memory regions ------------------------------------------------------------------------------------ */

/* What peers may do; names and values of ibv_access_flags. A buffer of ours needs no region, so there are no local rights. */
#define MR_REMOTE_WRITE	2
#define MR_REMOTE_READ	4
#define MR_REMOTE_ATOMIC 8

/*
 * A region is created unbound and then bound to a piece of memory again and again, cheaply (a call's reply buffer):
 * each bind makes a new rkey. Remote addresses are kernel virtual addresses of the buffer. After roce_mr_unbind() no peer
 * can reach the memory, and no write to it is in progress (L44). A READ's response that was being sent may yet be, as above.
 * Only peers whose QP belongs to the region's protection domain may use it; a domain is a number, 0 is valid.
 *
 * This is what type 2 memory windows are for (10.6.7), without their trip through a send queue: there are none.
 */
struct roce_mr *roce_mr_create(u32 pd);
u32 roce_mr_bind(struct roce_mr *mr, void *ptr, u64 len, unsigned access);	/* the rkey; rebinding unbinds first */
/* Some pages, for a peer to write into as if they lay one behind the other: remote addresses from 0 on (10.6.4.4). At most ROCE_MR_PAGES. */
u32 roce_mr_bind_pages(struct roce_mr *mr, void *const *page, unsigned nr);
#define ROCE_MR_PAGES	8
void roce_mr_unbind(struct roce_mr *mr);
void roce_mr_destroy(struct roce_mr *mr);

/* --- queue pairs --------------------------------------------------------------------------------------- */

enum roce_qp_type { QPT_RC, QPT_UD };
enum roce_qp_state { QPS_RESET, QPS_INIT, QPS_RTR, QPS_RTS, QPS_SQD, QPS_SQE, QPS_ERR };

/*
 * What is said of a QP besides its completions (11.6.3), in the transport thread: names of ibv_event_type where they exist.
 * More than one of a kind may be told as one; after the first of the errors the QP is in ERR.
 */
enum roce_event {
	ROCE_EVENT_QP_FATAL,		/* a request of ours failed: its completion says how */
	ROCE_EVENT_QP_REQ_ERR,		/* the peer's request cannot be */
	ROCE_EVENT_QP_ACCESS_ERR,	/* the peer has no right to what it asked for */
	ROCE_EVENT_COMM_EST,		/* in RTR: the peer's first request came */
	ROCE_EVENT_SQ_DRAINED,		/* after roce_qp_drain(): what had begun is complete */
	ROCE_EVENT_QP_LAST_WQE_REACHED,	/* in ERR: takes no more from its shared receive queue */
	NR_ROCE_EVENTS
};

struct roce_qp_init {
	enum roce_qp_type type;
	struct roce_cq *send_cq, *recv_cq;
	u32 max_send_wr, max_recv_wr;
	u32 pd;
	bool sq_sig_all;
	struct roce_srq *srq;		/* receives come from here, not by roce_post_recv(); NULL: none */
	void (*event)(struct roce_qp *qp, enum roce_event ev, void *arg);
	void *arg;
	u64 rnr_timer_ns;		/* RC: how long a peer is to wait that found no receive; 0: 0.96 ms */
};
struct roce_qp *roce_qp_create(const struct roce_qp_init *init);	/* RESET; NULL: no memory, or no number left */
/*
 * May sleep. Afterwards no callback runs, no buffer of it is written, WRs left are not completed; a device that has stopped is not
 * waited for, and may yet read what was being sent.
 */
void roce_qp_destroy(struct roce_qp *qp);
void roce_qp_error(struct roce_qp *qp);		/* to ERR: everything posted completes with WC_WR_FLUSH_ERR */
/*
 * RC, RTS to SQD and back. While it drains, requests may be posted but none begins; those that had begun are completed, and
 * then, once, ROCE_EVENT_SQ_DRAINED is told. UD knows no SQD here (a datagram is gone when it is posted), but SQE: after a
 * send that failed the others are flushed, until the QP is resumed. -EINVAL: not in that state.
 */
int roce_qp_drain(struct roce_qp *qp);
int roce_qp_resume(struct roce_qp *qp);
enum roce_qp_state roce_qp_state(const struct roce_qp *qp);
u32 roce_qp_num(const struct roce_qp *qp);
int roce_qp_ud_start(struct roce_qp *qp, u32 qkey);	/* UD: RESET or INIT to RTS; 0 or -EINVAL */
void *roce_qp_arg(const struct roce_qp *qp);

enum roce_wr_opcode { WR_SEND, WR_SEND_WITH_IMM, WR_SEND_WITH_INV, WR_RDMA_WRITE, WR_RDMA_WRITE_WITH_IMM, WR_RDMA_READ,
		      WR_CMP_SWAP, WR_FETCH_ADD };
#define WR_SIGNALED	1	/* complete also when it succeeds (errors always complete) */
#define WR_SOLICITED	2
#define WR_MORE		4	/* another post follows at once: frames may be held back to be sent together */
#define WR_ACK_NOW	8	/* ask for the acknowledgement of this message at once, whatever ack_every says */
#define WR_TAKEN	16	/* this message tells the peer's user what we took: see taken, and roce_qp_delivered() */

#define ROCE_MAX_SGE	10
struct roce_sge { void *ptr; u32 len; };

struct roce_ud_dest { u32 ip, qpn, qkey; };	/* host order */

struct roce_send_wr {
	u64 wr_id;
	u8 opcode, flags;
	u8 nr_sge;
	struct roce_sge sge[ROCE_MAX_SGE];	/* copied; READ and atomics: where the data goes */
	u32 imm;			/* or the rkey to invalidate */
	u64 remote_addr;
	u32 rkey;
	u64 compare_add, swap;
	u32 taken;			/* WR_TAKEN: messages executed here up to this one need no acknowledgement packet */
	struct roce_ud_dest ud;
};
struct roce_recv_wr {
	u64 wr_id;
	u8 nr_sge;
	struct roce_sge sge[2];
};
/*
 * 0; -EINVAL (state, sizes); -ENOMEM: the queue is full, or its CQ, which others may share. RC: never, for who keeps to max_send_wr and
 * the depth of the CQ. UD: also when all of the QP's frames are with the device, or there is no memory for the copy.
 */
int __must_check roce_post_send(struct roce_qp *qp, const struct roce_send_wr *wr);
int __must_check roce_post_recv(struct roce_qp *qp, const struct roce_recv_wr *wr);	/* also in INIT; RESET goes there by it */
/*
 * RC: what the peer's user said proves that it took our first nr_messages messages (counted from the connection on, modulo
 * 2^24, like the MSN of clause 9.7.7.1): they complete as if acknowledged. A number that cannot be true is counted and
 * ignored. For the handler of the send CQ alone, which finds the completions there when it polls on.
 */
void roce_qp_delivered(struct roce_qp *qp, u32 nr_messages);

/*
 * Shared receive queues: receives for all QPs that name it. A QP's receive CQ must have room when a receive is taken: else the
 * message waits, as for a queue that is empty. limit is called once, in the transport thread, when fewer receives are left than
 * the limit armed last; it must not sleep.
 */
struct roce_srq *roce_srq_create(u32 max_wr, void (*limit)(struct roce_srq *srq, void *arg), void *arg);	/* NULL: no memory */
void roce_srq_arm(struct roce_srq *srq, u32 limit);	/* 0: not armed */
int __must_check roce_post_srq_recv(struct roce_srq *srq, const struct roce_recv_wr *wr);	/* 0, -EINVAL, -ENOMEM: full */
void roce_srq_destroy(struct roce_srq *srq);		/* no QP names it; may sleep; receives left are not completed */

/* --- connection manager (chapter 12; MADs on QP 1; IP-addressed service ids as librdmacm uses them) ------ */

#define CM_PRIVATE_MAX	92	/* bytes of a REQ's private data (IP CM header of 36 bytes apart: 56 for us then) */
#define CM_REQ_PRIVATE	56
#define CM_REP_PRIVATE	196
#define CM_REJ_PRIVATE	148
#define ROCE_PS_TCP(port) (0x0000000001060000ULL | (port))
#define ROCE_PS_UDP(port) (0x0000000001110000ULL | (port))	/* datagrams: answered with a QP number, not with a connection */
#define ROCE_UDP_QKEY	0x01234567	/* the Q_Key of librdmacm's datagram QPs */

struct cm_id;
enum cm_event_type {
	CM_REQ_RECEIVED,	/* on a listener: id is new; answer with roce_cm_accept() or roce_cm_reject(), now or later */
	CM_ESTABLISHED,		/* RTU arrived (passive) or REP accepted (active): the QP is in RTS */
	CM_REJECTED,		/* reason and private data of the REJ */
	CM_UNREACHABLE,		/* no answer in all retries, or our QP could not be brought up */
	CM_DISCONNECTED,	/* DREQ from the peer, with its private data, or the QP broke: without */
	CM_SIDR_RECEIVED,	/* on a listener for datagrams, without an id: fill in *sidr before returning; may come twice */
	CM_SIDR_RESOLVED,	/* the answer to roce_cm_resolve() is in *sidr; or CM_REJECTED with its status as reason */
};
/* status: 0 valid, 1 no such service, 2 rejected, 3 no QP (clause 12.11.2) */
struct cm_sidr { u8 status; u32 qpn, qkey; };
struct cm_event {
	enum cm_event_type type;
	struct cm_id *id;
	void *listener_arg;	/* CM_REQ_RECEIVED */
	u32 peer_ip;		/* host order */
	u16 reason;
	u8 responder_resources, initiator_depth;	/* CM_REQ_RECEIVED: READs and atomics that the peer takes from us, makes at us */
	const void *private_data;	/* valid during the callback */
	u32 private_len;
	struct cm_sidr *sidr;	/* CM_SIDR_*; valid during the callback */
};
typedef void (*cm_handler)(const struct cm_event *ev, void *arg);

struct cm_conn_param {
	struct roce_qp *qp;	/* RC, in RESET or INIT; goes to RTR and RTS by itself */
	const void *private_data;
	u32 private_len;
	u32 path_mtu;		/* 256 .. 4096, of connect(): the smaller of it and our link's; a peer whose link takes less rejects it (26) */
	u8 retry_count;			/* 0..7; of connect(), for both QPs */
	u8 rnr_retry;			/* 0..7, 7 for ever: of the peer's QP; our own is as the peer says */
	u8 responder_resources, initiator_depth;
	u32 ack_timeout_ns;	/* local ack timeout; encoded as the specification does (clause 12.7.34); 0: the default */
	/*
	 * Ask for an acknowledgement when so many packets are without one (or window or send queue run low); between two nodes
	 * of ours, whose responders also acknowledge whole messages by a timer of 10 ms. 0: at the end of each message, as Linux peers need.
	 */
	u16 ack_every;
	/*
	 * Never give up for want of an answer: whoever owns the connection finds out by other means that the peer is dead, and
	 * destroys the QP then. Repeats at least every 4 retransmission timeouts; a DREQ, until it is answered or the id destroyed.
	 */
	bool persist;
	/*
	 * End-to-end flow control (9.7.7.2), if the peer does it too: acknowledgements say how many receives are posted, and a
	 * message that takes one waits for it, instead of being refused. Without: "invalid" stands in their place, as with Linux.
	 */
	bool flow_control;
};
int roce_cm_listen(u64 service_id, cm_handler fn, void *arg);	/* 0, -EADDRINUSE, -ENOBUFS: too many */
/* Begin; the outcome comes as an event (ESTABLISHED, REJECTED or UNREACHABLE) to fn. NULL: no memory, or too many */
struct cm_id *roce_cm_connect(u32 ip, u64 service_id, const struct cm_conn_param *p, cm_handler fn, void *arg);
/* Ask for the datagram QP of a service (SIDR). RESOLVED, REJECTED or UNREACHABLE; then the id is only to be destroyed. NULL: as above */
struct cm_id *roce_cm_resolve(u32 ip, u64 service_id, const void *private_data, u32 private_len, cm_handler fn, void *arg);
/* 0; or why the QP cannot; or -EINVAL: the peer has given up (no event says so), or the id was answered. It is still to be rejected. */
int roce_cm_accept(struct cm_id *id, const struct cm_conn_param *p, cm_handler fn, void *arg);
int roce_cm_reject(struct cm_id *id, u16 reason, const void *private_data, u32 private_len);	/* frees id */
void roce_cm_disconnect(struct cm_id *id, const void *private_data, u32 private_len);	/* DREQ (not waited for), QP to ERR */
bool roce_cm_gone(const struct cm_id *id);	/* a DREQ of ours was answered, or there is nobody to answer it */
void roce_cm_destroy(struct cm_id *id);		/* may sleep; no event afterwards; the QP stays the caller's */

/* --- the port --------------------------------------------------------------------------------------------- */

/*
 * Unaffiliated asynchronous events (11.6.3.3): the NIC's link went down, or came up. Queue pairs and their requests stay as they
 * are: what a link that is down loses, or times out, is lost or times out. Called in the transport thread, must not sleep; down
 * and up again at once may be told as nothing. A watch is never taken back; one that begins while the link is down is told so.
 */
enum roce_port_event { ROCE_PORT_ACTIVE, ROCE_PORT_ERR };
struct roce_port_watch {
	void (*fn)(enum roce_port_event ev, void *arg);
	void *arg;
	struct roce_port_watch *next;	/* net/roce's, like the following */
	bool down;			/* what was told last */
};
void roce_watch_port(struct roce_port_watch *w);

/* --- start --------------------------------------------------------------------------------------------- */

/* Network up on the first NIC with this address, then RoCE on it. 0, -ENODEV, -ENOMEM, or what the driver says. */
int roce_init(u32 ip, unsigned prefix_len);
u32 roce_max_path_mtu(void);		/* what the link's MTU allows: 256 .. 4096 */
/*
 * The port's GID table (A17.4): 0 link-local, from the MAC; 1 IPv4-mapped, the one that connections are made with (packets go
 * over IPv4 alone). -EINVAL: no such entry.
 */
#define ROCE_GID_LINK_LOCAL 0
#define ROCE_GID_IPV4	1
int roce_gid(unsigned index, u8 gid[16]);

#endif
