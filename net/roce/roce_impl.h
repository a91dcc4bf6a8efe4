/* SPDX-License-Identifier: MIT */
/*
 * Inside of net/roce: what its files share. One struct roce_dev is one RoCE port on one interface; the kernel has one
 * (verbs.c), a test joins two in one process.
 *
 *	dev.c	the port, its transport thread (timers, CM, deferred callbacks), the receive batch
 *	rx.c	from datagram to queue pair: all checks that come before a QP's own
 *	qp.c	queue pairs: states, posting, completion, flush
 *	req.c	RC requester: segmentation, window, acknowledgements, go-back-N, READ and atomic responses
 *	resp.c	RC responder: SEND, WRITE, READ, atomics, duplicates, ACK and NAK
 *	ud.c	UD queue pairs
 *	tx.c	frames: headers, gathering, ICRC, the pool of each QP
 *	cc.c	congestion: notifications, and the rate of a queue pair that got one
 *	srq.c	shared receive queues
 *	packet.c	headers and opcodes: parsing, building, ICRC
 *	mr.c cq.c cm.c cm_mad.c
 *
 * Locks: qp->lock is held over one packet's processing, its payload copy included; mr->lock over the copy into or out of a
 * region; both are spinlocks and never held across a callback. All that a packet meets: Documentation/roce.md.
 */
#ifndef NET_ROCE_ROCE_IMPL_H
#define NET_ROCE_ROCE_IMPL_H

#include "kernel/counter.h"
#include "kernel/waitq.h"
#include "lib/base/atomic.h"
#include "net/net.h"
#include "net/roce/packet.h"
#include "net/roce/verbs.h"

#define ROCE_COUNTERS(X)									\
	X(nr_roce_rx, "RoCE packets received")							\
	X(nr_roce_tx, "RoCE packets sent, repetitions and acknowledgements included")		\
	X(nr_roce_tx_ack, "acknowledgement packets sent (ACK, positive)")			\
	X(nr_roce_tx_nak_psn, "NAKs sent: PSN sequence error")					\
	X(nr_roce_tx_nak_rnr, "NAKs sent: receiver not ready")					\
	X(nr_roce_tx_nak_fatal, "NAKs sent: invalid request, access or operation error")	\
	X(nr_roce_nak_sequence, "fatal NAKs: an opcode that does not follow the one before")	\
	X(nr_roce_nak_length, "fatal NAKs: a packet or message too short or too long")		\
	X(nr_roce_nak_receive, "fatal NAKs: a message longer than its receive")			\
	X(nr_roce_nak_alignment, "fatal NAKs: an atomic's address that is not a multiple of 8")	\
	X(nr_roce_nak_resources, "fatal NAKs: a READ or atomic on a connection that allows none")	\
	X(nr_roce_nak_access, "fatal NAKs: no such rkey, or not this range, access or domain")	\
	X(nr_roce_nak_invalidate, "fatal NAKs: a SEND with invalidate of a key that cannot be")	\
	X(nr_roce_rx_ack, "acknowledgement packets received, NAKs included")			\
	X(nr_roce_rx_nak_psn, "NAKs received: PSN sequence error")				\
	X(nr_roce_rx_nak_rnr, "NAKs received: receiver not ready")				\
	X(nr_roce_rx_nak_fatal, "NAKs received: invalid request, access or operation error")	\
	X(nr_roce_retransmit, "request packets sent again")					\
	X(nr_roce_timeout, "retransmission timeouts")						\
	X(nr_roce_probe, "repetitions before the timeout, because the answer that was asked for is late") \
	X(nr_roce_window_cut, "times a queue pair halved its window for a loss")		\
	X(nr_roce_read_gap, "READ or atomic responses found missing and asked for again")	\
	X(nr_roce_bad_response, "READ responses of a wrong length, or last at the wrong place: the queue pair fails") \
	X(nr_roce_duplicate, "request packets received twice: acknowledged or answered again, not executed")	\
	X(nr_roce_qp_error, "queue pairs that went to ERR by themselves")			\
	X(nr_roce_qp_lost, "queue pairs never freed: the device kept their frames")		\
	X(nr_roce_tx_stall, "times a queue pair waited for its transmit pool")			\
	X(nr_roce_drop_malformed, "packets dropped: a length that their opcode cannot have, or unknown opcode") \
	X(nr_roce_drop_icrc, "packets dropped: ICRC")						\
	X(nr_roce_drop_version, "packets dropped: transport header version")			\
	X(nr_roce_drop_pkey, "packets dropped: P_Key")						\
	X(nr_roce_drop_qkey, "packets dropped: Q_Key")						\
	X(nr_roce_drop_no_qp, "packets dropped: no such queue pair")				\
	X(nr_roce_drop_source, "packets dropped: not from the connected peer's address")	\
	X(nr_roce_drop_transport, "packets dropped: opcode of another transport than the queue pair's") \
	X(nr_roce_drop_state, "packets dropped: queue pair not in a state to take them")	\
	X(nr_roce_drop_order, "request packets dropped: beyond the expected PSN")		\
	X(nr_roce_drop_duplicate, "READs and atomics dropped: came again, and are not among the latest executed, or what they read is no more") \
	X(nr_roce_drop_busy, "READs and atomics dropped: responses before them wait, for frames or for their turn on a congested wire")	\
	X(nr_roce_drop_ack, "acknowledgements dropped: outside what is outstanding")		\
	X(nr_roce_drop_response, "READ or atomic responses dropped: not expected")		\
	X(nr_roce_drop_length, "datagrams dropped: longer than the receive buffer or MTU")	\
	X(nr_roce_drop_no_recv, "datagrams dropped: no receive posted")			\
	X(nr_roce_drop_mad, "management datagrams dropped: malformed, or queue full")		\
	X(nr_roce_drop_cnp, "congestion notifications dropped: for no connected queue pair of their sender") \
	X(nr_roce_cnp, "congestion notifications received")					\
	X(nr_roce_tx_cnp, "congestion notifications sent")					\
	X(nr_roce_rx_marked, "packets received that a switch marked: congestion experienced")	\
	X(nr_roce_paced, "pauses of queue pairs slowed down by congestion notifications")	\
	X(nr_roce_port_err, "times the link went down")						\
	X(nr_roce_port_active, "times the link came up again")					\
	X(nr_roce_cm_rx, "CM messages received")						\
	X(nr_roce_cm_tx, "CM messages sent, repetitions included")				\
	X(nr_roce_cm_stray, "CM messages for no connection of ours")
DECLARE_COUNTERS(ROCE_COUNTERS)
extern struct counter_group roce_counters;

struct roce_dev;

/* --- limits and times ---------------------------------------------------------------------------------- */

#define ROCE_QP_SLOTS	1024		/* power of two; the low bits of a QPN */
#define ROCE_MR_CHUNKS	64
#define ROCE_MR_CHUNK	256
#define ROCE_MAX_QUEUES	16		/* of the NIC */
#define ROCE_CTX_MAX	16		/* QPs and CQs remembered over one receive batch */
#define ROCE_WINDOW	64		/* request packets outstanding per QP */
#define ROCE_WINDOW_MIN	32		/* losses shrink it to this: two READs of 64 KiB, and more than the wire holds */
#define ROCE_TX_POOL	96		/* frames of an RC QP: a window, acknowledgements and responses */
#define ROCE_TX_BATCH	16
#define ROCE_TX_INLINE	256		/* payload up to this is copied into the header's buffer */
#define ROCE_MAX_RD	16		/* READs and atomics outstanding, each side */

#define ROCE_ACK_DELAY_NS	(10 * NSEC_PER_MSEC)	/* longest that a message waits for its ACK when none was asked for */
#define ROCE_RTO_DEFAULT_NS	(64 * NSEC_PER_MSEC)
#define ROCE_RTO_MAX_SHIFT	4			/* back off to 16 times */
#define ROCE_RTO_PERSIST_SHIFT	2			/* the same where retries do not run out */
#define ROCE_PROBE_MIN_NS	(4 * NSEC_PER_MSEC)	/* shortest wait for an answer that was asked for before a probe */
#define ROCE_PROBE_FIRST_NS	(16 * NSEC_PER_MSEC)	/* the same while no round trip was measured */
#define ROCE_LATE_NS		(8 * NSEC_PER_MSEC)	/* a timer later than this: we did not run, the peer is not to blame */
#define ROCE_STALE_MAX		256			/* so many responses under way may follow when a peer begins anew at once, as ours do */
#define ROCE_STALE_NS		(30 * NSEC_PER_SEC)	/* longest that a peer may answer without what is wanted before timers run again */
#define ROCE_CNP_GAP_NS		NSEC_PER_MSEC		/* shortest time between two congestion notifications of a QP */
#define ROCE_CC_ROUND_NS	(2 * NSEC_PER_MSEC)	/* between two raises of a rate that was cut */
#define ROCE_DRAIN_MS		1000			/* for the device to give back a QP's frames */
#define ROCE_RNR_CODE		13			/* 0.96 ms */

/* --- transmit ------------------------------------------------------------------------------------------ */

struct roce_piece { const void *ptr; u32 len; };

/* A frame of a QP's pool: taken under qp->lock, put back by the driver in any context. */
struct roce_tx {
	struct net_frame frame;
	struct roce_qp *qp;
	struct roce_dev *dev;
	struct roce_tx *next;
	/*
	 * Payload of more pieces than a frame has, or of what is sent again: the answer to its first sending may yet come while it
	 * waits in the NIC, and then its memory is the user's to change. Freed when the frame is taken again.
	 */
	void *bounce;
	bool again;			/* [qp->lock] what is being sent was sent before */
	u8 tail[8];			/* pad and ICRC behind payload that is only pointed to */
	u8 head[NET_DATA_OFF + ROCE_MAX_HEADERS + ROCE_TX_INLINE + 8];
};

struct roce_txpool {
	struct roce_tx *array;
	struct roce_tx *local;		/* [qp->lock] */
	struct roce_tx *back;		/* [a] pushed by done() */
	atomic_t out;			/* [a] frames taken and not put back */
	struct net_frame *batch[ROCE_TX_BATCH];	/* [qp->lock] built, not yet with the driver */
	unsigned nr_batch;
	unsigned nr;
};

/* --- completion queues, regions ------------------------------------------------------------------------- */

enum cq_notify { CQ_EVERY, CQ_UNARMED, CQ_ARMED, CQ_ARMED_SOLICITED };

struct roce_cq {
	struct roce_dev *dev;		/* [I] */
	void (*handler)(struct roce_cq *cq, void *arg);
	void *arg;
	struct spinlock lock;
	struct roce_wc *ring;		/* [lock] */
	u32 depth, head, count;		/* [lock] */
	u32 reserved;			/* [lock] places promised to posted requests, or filled */
	u8 notify;			/* [lock] enum cq_notify */
	u32 mod_count, untold;		/* [lock] so many are told at once; how many wait for that */
	u64 mod_ns;			/* [lock] but none for longer than this */
	u64 mod_due;			/* [a] when the transport thread is to tell; 0: nothing waits. Written under the lock */
	atomic_t kicks;			/* [a] calls of the handler asked for; who makes it 1 calls */
	refcount_t refs;
	bool deferred;			/* [a] the transport thread is to call the handler */
	struct list link;		/* [dev->lock] */
};

struct roce_mr {			/* never freed: a late rkey finds a region, and a key that does not match */
	struct spinlock lock;
	struct roce_dev *dev;		/* [I] */
	u32 index;			/* [I] */
	u32 rkey;			/* [lock] */
	u32 pd;				/* [lock] */
	u8 *ptr;			/* [lock] NULL: it is of pages */
	u64 len;
	u8 *page[ROCE_MR_PAGES];	/* [lock] */
	u8 access;			/* [lock] 0: unbound */
	struct roce_mr *next_free;	/* [dev->lock] */
};

/* --- queue pairs --------------------------------------------------------------------------------------- */

struct sq_wqe {
	u64 wr_id;
	u64 remote_addr, compare_add, swap;
	u32 rkey, imm, len;
	u32 psn, nr_psn;		/* a READ takes one for each response packet */
	u32 msn;			/* how many messages were posted up to this one */
	u32 got;			/* READ: response packets received */
	u8 opcode, flags, nr_sge;
	struct roce_sge sge[ROCE_MAX_SGE];
};
struct rq_wqe {
	u64 wr_id;
	u8 nr_sge;
	struct roce_sge sge[2];
};

static inline struct rq_wqe rq_wqe_of(const struct roce_recv_wr *wr)
{
	return (struct rq_wqe){ .wr_id = wr->wr_id, .nr_sge = wr->nr_sge, .sge = { wr->sge[0], wr->sge[1] } };
}

struct roce_srq {
	struct roce_dev *dev;		/* [I] */
	void (*limit_fn)(struct roce_srq *srq, void *arg);
	void *arg;
	struct spinlock lock;
	struct rq_wqe *ring;		/* [lock] */
	u32 size, max, head, tail;	/* [lock] ring size (a power of two), max_wr; indices run freely */
	u32 limit;			/* [lock] 0: not armed */
	bool limit_due;			/* [a] the transport thread is to call limit_fn */
	bool in_callback;		/* [dev->lock] */
	struct list link;		/* [dev->lock] */
};

/*
 * What the responder owes: READ and atomic responses, in the order of their PSNs, no packet twice. Only sending takes from it, or the
 * end of the QP. A duplicate adds what it asks for and is not owed, in its place: the wire may have doubled it, so it says nothing of
 * what follows. If the requester went back, it repeats that too, which is owed still, or is added in turn. It asks to the end of what
 * it asked first; one that asked for less in between, and for more again, would come to a timeout, not to a wrong answer.
 */
struct rd_entry {
	u32 psn, nr_psn;
	u32 sent;			/* packets */
	u32 msn;
	u32 rkey, len;
	u64 va;
	u64 orig;			/* atomic: what was there before */
	bool atomic;
	u32 again;			/* so many of its packets were sent before, and asked for again */
};
/*
 * A responder resource (9.7.5.1.5): a READ or atomic that was executed, for the case that it comes again. An atomic's answer is
 * taken from here; a READ, or its rest, is read again, and is what it was before.
 */
struct rd_resource {
	u32 psn, nr_psn;		/* nr_psn 0: free */
	u32 rkey, len;
	u64 va, orig;
	u8 kind;			/* OP_READ, OP_CMP_SWAP, OP_FETCH_ADD */
};

/* What CM learned about the path and the peer: everything that INIT to RTS needs. */
struct roce_qp_attr {
	u32 remote_ip, remote_qpn, mtu;
	u32 sq_psn, rq_psn;
	u8 retry_count, rnr_retry;
	u8 rd_out, rd_in;		/* READs and atomics that we may have outstanding, that the peer may */
	u64 ack_timeout_ns;		/* 0: ROCE_RTO_DEFAULT_NS */
	u16 ack_every;			/* ask for an acknowledgement when so many packets are without; 0: at the end of each message */
	bool persist;			/* retries do not run out */
	bool flow_control;		/* end to end: AETHs carry credits, both ways */
	bool gate;			/* take no request before roce_qp_open_gate() */
};

struct roce_cc {
	u32 rate;			/* bytes a second; 0: not limited, and the rest is without meaning */
	u32 target, alpha, rounds;
	u64 round_due;
	u64 free_at;			/* when what was sent is through, at that rate */
};

struct roce_rx_ctx;

struct roce_qp {
	struct roce_dev *dev;		/* [I] */
	u32 qpn, pd;
	u8 type;
	bool sq_sig_all;
	struct roce_cq *send_cq, *recv_cq;
	struct roce_srq *srq;
	void (*event)(struct roce_qp *qp, enum roce_event ev, void *arg);
	void *arg;
	u8 rnr_code;			/* [I] of the RNR NAKs we send */
	refcount_t refs;

	struct spinlock lock;
	u8 state;			/* [lock] enum roce_qp_state, see qp_step() */
	bool dying;			/* [lock] being destroyed: nothing completes any more */
	u32 events_due;			/* [a] bits of enum roce_event: the transport thread is to call event() */
	bool broken;			/* [a] went to ERR by itself: CM says so to its user */
	bool established;		/* [a] passive side: a request arrived before the RTU */
	bool stalled;			/* [a] waits for frames of its pool */
	struct roce_rx_ctx *ctx;	/* [lock] the batch in progress, NULL outside */

	/* path [lock], set on the way to RTR */
	struct roce_qp_attr attr;
	struct neighbour *neigh;
	u16 sport, ip_id;
	unsigned txq;
	struct roce_txpool tx;
	u8 frame_head[NET_DATA_OFF];	/* RC: all of its frames' that does not change */
	u32 ip_sum;			/* of that IPv4 header: a sum to which length and id are added */

	/* requester [lock]: wqe indices run freely, PSNs are 24 bits */
	struct sq_wqe *sq;
	u32 sq_size, sq_max;		/* ring size (a power of two), max_send_wr */
	u32 sq_stop;			/* SQD: the first request that had not begun */
	bool drained;			/* SQD: all before it is complete, and was said */
	u32 sq_head, sq_cur, sq_tail;	/* next to be posted, being sent, oldest unacknowledged */
	u32 psn_post;			/* first PSN of the next posted request */
	u32 psn_next;			/* next to be sent */
	u32 psn_max;			/* one beyond the highest ever sent */
	u32 psn_una;			/* oldest unacknowledged */
	u32 rd_outstanding;
	u32 msn_post;			/* messages posted */
	u32 since_ackreq;		/* packets sent since we last asked, or were acknowledged */
	bool polled;			/* the handler of the send CQ is at work and will see what completes */
	bool gap_asked;			/* a missing response was asked for, nothing came since */
	bool in_full;			/* the peer answers each repetition in full, one after the other */
	u32 stale;			/* so many responses since the last progress were not the next one */
	u32 window;			/* request packets outstanding, at most */
	u32 window_credit;		/* acknowledged since it grew last */
	u32 recover;			/* what is lost before this PSN belongs to the loss for which the window was cut last */
	u32 asked;			/* one beyond the last packet that asked for an answer */
	bool probing;			/* the packet probe_psn alone was sent again */
	bool probe_again;		/* it had been the last to ask: who answers that may not have seen what follows it */
	u32 probe_psn, probe_end;	/* probe_end: psn_max then */
	bool limited;			/* by the peer's credits: no message beyond msn_limit but as a probe */
	u32 msn_limit;
	u8 retries, rnr_retries, rto_shift, probe_shift;
	bool grace;			/* a late timer was forgiven once */
	u64 rto_due, rnr_due;		/* 0: not armed */
	u64 stale_since;		/* since when responses come that are not the next one; 0: none since the last progress */
	u64 probe_due;			/* 0: not armed; before rto_due, and only beside it */
	u64 rto_ns, srtt_ns, rttvar_ns;
	u64 rtt_start;			/* 0: no sample under way */
	u32 rtt_psn;

	/* congestion [lock] */
	struct roce_cc cc;
	u64 pace_due;			/* go on sending then; 0: nothing waits for that */
	bool cnp_due;			/* a marked packet came in this batch */
	u64 cnp_next;			/* not before */

	/* receive queue [lock] */
	struct rq_wqe *rq;
	u32 rq_size, rq_max, rq_head, rq_tail;

	/* responder [lock] */
	u32 epsn, msn;
	u8 in_message;			/* enum roce_op_kind of the message in progress, OP_NONE between two */
	u32 msg_done;			/* bytes of it */
	u64 w_va;			/* WRITE in progress */
	u32 w_rkey, w_left;
	bool nak_sent;			/* for this gap */
	u8 nak_due;			/* syndrome to send; 0: none */
	u32 nak_psn;
	bool failing;			/* it is a fatal one: requests are dropped, and with it the QP goes to ERR */
	u32 ack_end;			/* behind the last packet that asked to be acknowledged, or ended a message: what an ACK names */
	bool ack_now;
	u64 ack_due;			/* 0: no message unacknowledged */
	struct rd_entry rd[ROCE_MAX_RD];
	u32 rd_head, rd_tail;
	struct rd_resource resource[ROCE_MAX_RD];	/* a ring */
	u32 nr_resources;		/* ever used */
	u32 qkey;			/* UD */
};

/* One receive batch of one NIC queue, or one round of the transport thread. */
struct roce_rx_ctx {
	struct roce_dev *dev;
	unsigned nr_qps, nr_cqs;
	struct roce_qp *qps[ROCE_CTX_MAX];
	struct roce_cq *cqs[ROCE_CTX_MAX];
};

struct roce_cm;

struct roce_dev {
	struct netif *nif;		/* [I] */
	u8 gid[2][16];			/* [I] by ROCE_GID_* */
	u32 max_mtu;			/* [I] path MTU that the link allows */
	struct roce_rx_ctx rx[ROCE_MAX_QUEUES];	/* by the NIC queue's thread alone */
	struct roce_rx_ctx thread_ctx;	/* by the transport thread alone */

	struct spinlock lock;		/* the tables below, never with a QP's */
	struct { struct spinlock lock; struct roce_qp *qp; } slot[ROCE_QP_SLOTS];
	u32 slots_used;			/* [lock] highest slot ever used, plus one */
	u32 next_slot, qpn_gen;		/* [lock] */
	struct list cqs, srqs;		/* [lock] */
	struct roce_mr *mr_chunk[ROCE_MR_CHUNKS];	/* [a] published once */
	struct roce_mr *mr_free;	/* [lock] */
	u32 nr_mrs;			/* [lock] */

	u64 wake_at;			/* [a] when the transport thread wakes up by itself */
	struct waitq wait;
	bool tx_stalled;		/* [a] some QP waits for a frame */
	bool port_down;			/* the transport thread's: the link, as it was last seen */
	struct roce_port_watch *watches;	/* [a] pushed, never taken off */
	struct roce_cm *cm;
};

/* dev.c */
struct roce_dev *roce_dev_create(struct netdev *netdev, u32 ip, unsigned prefix_len);	/* NULL: no memory */
int roce_dev_start(struct roce_dev *dev);
void roce_dev_destroy(struct roce_dev *dev);		/* tests: nothing of it is in use */
void roce_dev_watch_port(struct roce_dev *dev, struct roce_port_watch *w);
int roce_dev_gid(const struct roce_dev *dev, unsigned index, u8 gid[16]);
u64 roce_dev_run(struct roce_dev *dev);			/* one round of timers, CM and callbacks; when to come again, ~0: when kicked */
void roce_dev_thread(void *dev);
void roce_kick_at(struct roce_dev *dev, u64 when_ns);
static inline void roce_kick(struct roce_dev *dev) { roce_kick_at(dev, 0); }
void roce_ctx_add_cq(struct roce_rx_ctx *ctx, struct roce_cq *cq);	/* NULL ctx: the transport thread calls */
void roce_ctx_flush(struct roce_rx_ctx *ctx);
void roce_batch_end(void *dev, unsigned queue);

/* rx.c */
void roce_rx(void *dev, const struct net_rx *rx);

/* cq.c */
struct roce_cq *roce_dev_cq_create(struct roce_dev *dev, u32 depth, void (*handler)(struct roce_cq *cq, void *arg), void *arg);
bool cq_reserve(struct roce_cq *cq);			/* room for one completion more */
void cq_release(struct roce_cq *cq);			/* that will not come */
bool cq_push(struct roce_cq *cq, const struct roce_wc *wc);	/* into a reserved place; is the handler to be called? */
bool cq_timer(struct roce_cq *cq, u64 now);		/* mod_due has come: the same question */
void cq_run(struct roce_cq *cq);			/* calls the handler, unless it is being called: then it is called again */
void cq_put(struct roce_cq *cq);
void cq_purge(struct roce_cq *cq, const struct roce_qp *qp);

/* srq.c */
struct roce_srq *roce_dev_srq_create(struct roce_dev *dev, u32 max_wr, void (*limit)(struct roce_srq *srq, void *arg), void *arg);
bool srq_take(struct roce_srq *srq, struct rq_wqe *out);	/* false: empty */
void srq_events(struct roce_dev *dev);

/* mr.c */
struct roce_mr *roce_dev_mr_create(struct roce_dev *dev, u32 pd);
/* The region, locked, when [va, va+len) lies in it and the access is allowed to the domain; NULL otherwise. */
struct roce_mr *mr_lock(struct roce_dev *dev, u32 rkey, u64 va, u64 len, unsigned access, u32 pd);
void mr_write(struct roce_mr *mr, u64 va, const void *data, u32 len);	/* [mr->lock] a range that mr_lock() was asked for */
bool mr_invalidate(struct roce_dev *dev, u32 rkey, u32 pd);
void mr_free_all(struct roce_dev *dev);

/* qp.c */
struct roce_qp *roce_dev_qp_create(struct roce_dev *dev, const struct roce_qp_init *init);
struct roce_qp *qp_find(struct roce_dev *dev, u32 qpn);	/* with a reference, NULL */
struct roce_qp *qp_at_slot(struct roce_dev *dev, u32 slot);
void qp_put(struct roce_qp *qp);
int roce_qp_to_rtr(struct roce_qp *qp, const struct roce_qp_attr *attr);	/* from RESET or INIT */
int roce_qp_to_rts(struct roce_qp *qp);
void roce_qp_open_gate(struct roce_qp *qp);
void qp_fail(struct roce_qp *qp, enum roce_event why);	/* [lock] to ERR by itself: flush, tell */
void qp_send_failed(struct roce_qp *qp);		/* [lock] UD: RTS to SQE (10.3.1.8) */
void qp_tell(struct roce_qp *qp, enum roce_event ev);	/* any context: the transport thread will call event() */
void qp_tell_now(struct roce_qp *qp);			/* the transport thread: call it for what is due */
void qp_complete_send(struct roce_qp *qp, struct sq_wqe *w, unsigned status);	/* [lock] */
struct rq_wqe *rq_peek(struct roce_qp *qp);		/* [lock] oldest posted receive, NULL */
struct rq_wqe *rq_next(struct roce_qp *qp);		/* [lock] the same for a message that needs one: from the SRQ, if it has one */
void qp_complete_recv(struct roce_qp *qp, struct roce_wc *wc);	/* [lock] takes the oldest one */
u64 qp_timers(struct roce_qp *qp, u64 now);		/* takes the lock; when to come again */
static inline struct sq_wqe *sq_at(struct roce_qp *qp, u32 i) { return &qp->sq[i & (qp->sq_size - 1)]; }
void qp_copy_out(const struct roce_sge *sge, unsigned nr, u32 off, const void *src, u32 len);	/* into a scatter list */

/* req.c */
void req_transmit(struct roce_qp *qp);			/* [lock] send what window and pool allow */
void req_response(struct roce_qp *qp, const struct roce_pkt *p);	/* [lock] ACK, READ or atomic response */
void req_delivered(struct roce_qp *qp, u32 msn);	/* [lock] the peer executed our messages up to this one */
void req_drain(struct roce_qp *qp);			/* [lock] just went to SQD */
void req_drained(struct roce_qp *qp);			/* [lock] say so, if that is so now */
void req_timers(struct roce_qp *qp, u64 now);		/* [lock] */

/* resp.c */
void resp_request(struct roce_qp *qp, const struct roce_pkt *p);	/* [lock] */
void resp_flush(struct roce_qp *qp);			/* [lock] send the responses, ACK or NAK that are due */
void resp_told(struct roce_qp *qp, u32 msn);		/* [lock] the requester learns that we executed up to this message */
void resp_timers(struct roce_qp *qp, u64 now);		/* [lock] */

/* cc.c: all with the lock */
void cc_marked(struct roce_qp *qp);			/* a packet came that a switch marked */
void cc_flush(struct roce_qp *qp);			/* the end of such a batch */
void cc_notified(struct roce_qp *qp);			/* the peer says that our packets were marked */
bool cc_may_send(struct roce_qp *qp);			/* cc.rate != 0; false: qp_timers() will go on */
bool cc_pauses_after(const struct roce_qp *qp, u32 bytes);	/* cc.rate != 0: what follows a packet of so many will have to wait */
void cc_sent(struct roce_qp *qp, u32 bytes);

/* ud.c */
void ud_receive(struct roce_qp *qp, const struct roce_pkt *p, const struct net_rx *rx);	/* [lock] */
int ud_post(struct roce_qp *qp, const struct roce_send_wr *wr);	/* [lock] */

/* tx.c */
int txpool_init(struct roce_qp *qp, unsigned nr);
void txpool_free(struct roce_qp *qp);			/* all are back */
struct roce_tx *tx_get(struct roce_qp *qp);		/* [lock] NULL: none left; the QP will be run again when one is back */
/*
 * [lock] Build the packet behind a frame's headers and put it in the batch, or drop it when the peer's MAC is unknown.
 * false: no memory for the pieces; nothing was sent, tx is back in the pool.
 */
bool tx_packet(struct roce_qp *qp, struct roce_tx *tx, struct roce_pkt *p, const struct roce_piece *piece, unsigned nr,
	       u32 dst_ip, u64 dst_mac, u16 sport);
void tx_prepare(struct roce_qp *qp);			/* [lock] RC, on the way to RTR: frame_head */
void tx_put_unused(struct roce_qp *qp, struct roce_tx *tx);	/* [lock] */
void tx_flush(struct roce_qp *qp);			/* [lock] the batch to the driver */
/* A whole RoCE frame with its payload copied in, for QP 1: sent by way of ARP. */
void roce_send_gsi(struct roce_dev *dev, u32 ip, u32 psn, const void *mad, u32 len);

/* cm.c */
int cm_init(struct roce_dev *dev);
void cm_free(struct roce_dev *dev);
void cm_receive(struct roce_dev *dev, u32 src_ip, u32 src_qpn, const void *mad, u32 len);	/* from the receive path: queues it */
u64 cm_run(struct roce_dev *dev, u64 now);		/* transport thread */
struct cm_id *roce_dev_cm_resolve(struct roce_dev *dev, u32 ip, u64 service_id, const void *private_data, u32 private_len,
				  cm_handler fn, void *arg);
int roce_dev_cm_listen(struct roce_dev *dev, u64 service_id, cm_handler fn, void *arg);

#endif
