/* SPDX-License-Identifier: MIT */
/*
 * FIT's insides: nodes, and one connection per node and epoch. For net/fit alone.
 *
 * A node is for ever; a connection lives from join to death: that is an epoch. Slots (our calls) and served calls (theirs) belong to
 * the connection: when it dies, our calls end with -EHOSTDOWN, and theirs are dropped as their handlers finish. What
 * is in flight keeps the connection by reference, so its buffers outlive every use.
 *
 * A queue pair may break under a connection (a fatal NAK, an error of the transport). It is made anew, and calls do not notice:
 *  - at both ends the old one is in error, its completions are handled to the last, and it is destroyed, before the new one is used;
 *  - each end then repeats its requests that have no reply yet, in their order, and says when that was all (FIT_REPEATED_IMM);
 *  - the callee knows a repeated request by slot and id. If it is still running, its reply goes to the new queue pair. If it was
 *    answered, the reply was kept, since nobody had acknowledged it, and is sent again. So a request is executed once.
 *  - a reply is written only on the queue pair on which its request last arrived.
 * A call, or a reply, that itself was what broke the queue pair twice ends with -EIO.
 *
 * Lock: conn->lock (RANK_FIT) guards slots, credits and the served list; node states change in the membership
 * thread only, under node->lock.
 */
#ifndef NET_FIT_FIT_H
#define NET_FIT_FIT_H

#include "kernel/counter.h"
#include "kernel/waitq.h"
#include "lib/base/atomic.h"
#include "net/fit/rpc.h"
#include "net/fit/wire.h"

#define FIT_SLOTS		64	/* our calls outstanding at one peer */
#define FIT_SLOTS_CHANGE	16	/* of them for RPC_LANE_CHANGE alone */
#define FIT_SERVED		256	/* their calls known here, replies not yet acknowledged included */
#define FIT_RECVS		(2 * FIT_SLOTS)	/* a request takes one until answered, a reply for a moment */

#define FIT_COUNTERS(X)									\
	X(nr_fit_calls, "calls made")							\
	X(nr_fit_replies, "calls that ended by a reply")				\
	X(nr_fit_hostdown, "calls that ended by their node's death, or found it dead")	\
	X(nr_fit_io_errors, "calls that ended because they broke the queue pair twice")	\
	X(nr_fit_timeouts, "of these, given up by their caller at the deadline; they still end in one of these ways") \
	X(nr_fit_credit_waits, "times a caller slept because all slots of the peer were taken") \
	X(nr_fit_served, "requests received")						\
	X(nr_fit_served_inline, "requests answered in the receive path")		\
	X(nr_fit_served_worker, "requests run by a worker")				\
	X(nr_fit_bad_requests, "requests refused: malformed, or of an unknown op")	\
	X(nr_fit_bad_replies, "replies dropped: no such call")				\
	X(nr_fit_breaks, "queue pairs that broke under a connection")			\
	X(nr_fit_remade, "queue pairs made anew under a connection")			\
	X(nr_fit_repeats, "requests received that were known: repeated on a new queue pair") \
	X(nr_fit_pings, "pings sent: a peer was silent for a while")				\
	X(nr_fit_joins, "connections that came up")					\
	X(nr_fit_deaths, "connections that ended other than by an orderly leave")	\
	X(nr_fit_refused, "joins refused: wrong key, version, protocol or node id")
DECLARE_COUNTERS(FIT_COUNTERS)

enum slot_state { SLOT_FREE, SLOT_BUSY };

struct rpc_slot {			/* one of our calls */
	struct fit_conn *conn;		/* [I] */
	u16 index;			/* [I] */
	u8 lane;			/* [conn lock] */
	u8 state;			/* [conn lock] */
	bool sending;			/* [conn lock] the SEND is not yet acknowledged: its buffers are in use */
	bool replied;			/* [conn lock] */
	u16 id;				/* [conn lock] of the request, see struct fit_request */
	u8 failed;			/* [conn lock] queue pairs that it broke */
	u32 order;			/* [conn lock] of the call among those of the connection */
	u32 number;			/* [conn lock] of its request among the messages sent on the queue pair */
	struct rpc *call;		/* [conn lock] */
	struct roce_mr *mr;		/* [I] bound to the reply buffer while the call is out */
	u8 *buf;			/* [I] header and fixed body */
	struct list link;		/* [conn lock] free list */
};

struct served {				/* one of their calls; public part first */
	struct rpc_call call;
	struct fit_conn *conn;		/* holds a reference */
	const struct rpc_op *op;
	u16 slot, id;			/* theirs */
	u32 gen;			/* [conn lock] of the queue pair on which the request last arrived */
	u32 number;			/* [conn lock] of the request among the messages taken on that queue pair */
	u32 rep_key;
	u64 rep_addr;
	struct recv_buf *recv;		/* the request's bytes; given back when answered */
	const void *bulk;		/* of the reply */
	u32 bulk_len;
	const void *page[RPC_MAX_PAGES];	/* of the reply, instead */
	u8 nr_pages;
	void (*release)(void *arg);
	void *release_arg;
	bool answered;			/* [conn lock] the reply is ready, and not yet acknowledged */
	bool posted;			/* [conn lock] it is with the transport */
	u8 failed;			/* [conn lock] queue pairs that it broke */
	s16 status;			/* [conn lock] of the reply */
	struct list link;		/* [conn lock] free list; [workers' lock] queue of workers */
	u8 *rep;			/* [I] RPC_MAX_REP bytes */
};

struct recv_buf {
	u8 *data;
	u32 size;
	u32 len;
	u32 number;			/* as served.number */
	u32 gen;			/* as served.gen */
	bool held;			/* [conn lock] has a request in it; else it is, or will be, posted */
	struct list link;		/* [conn lock] requests that wait for a free struct served */
};

/* A connection's queue pair, as the membership thread sees it. */
#define LINK_STATES(X)	\
	X(WORKS)	/* or is being made for the first time, see NODE_STATES */			\
	X(BROKEN)	/* taken down; the next one is asked for by us (higher id), or the peer will */	\
	X(ASKED)	/* our REQ for the next one is out */						\
	X(OFFERED)	/* their REQ accepted, RTU not yet here */
enum link_state {
#define AS_ENUM(s) LINK_##s,
	LINK_STATES(AS_ENUM)
#undef AS_ENUM
	NR_LINK_STATES
};

struct fit_conn {
	struct fit_node *node;		/* [I] */
	refcount_t refs;
	struct spinlock lock;
	bool up;			/* [lock] calls may be started */
	bool closed;			/* [lock to set] buried: the QP is gone or going */
	bool ready;			/* [lock] the QP is in RTS at both ends: post; else requests and replies are kept for the next */
	bool repeated;			/* [lock] the peer has repeated all that it wants, on this QP */
	const char *failed;		/* [a] why it is over; NULL: it is not. The membership thread will bury it */
	const char *broken;		/* [a] why the QP broke, or NULL; the membership thread will make another */
	bool drained;			/* [a] the last completion of a QP in error was handled */
	u8 link;			/* [membership thread] enum link_state, see link_step() */
	bool left;			/* [membership thread] the peer said goodbye, or does not answer ours */
	bool told;			/* [membership thread] we said goodbye */
	bool refused;			/* [membership thread] the peer does not want us */
	bool challenged;		/* [membership thread] the REQ that is out answers a challenge */
	struct fit_hello hello;		/* [membership thread] of a peer that connected to us */
	u64 epoch;			/* [membership thread] */
	u16 qp_nr;			/* [membership thread] of the QP in the greetings */
	u64 began_ns;			/* [membership thread] since when it is being connected, or made anew */
	struct list unused_link;	/* [note lock] */
	struct roce_qp *qp;		/* [lock] NULL: between two */
	u32 gen;			/* [lock] of the QP: how many were there before */
	struct roce_cq *cq;
	struct cm_id *cm;		/* [membership thread] */
	struct cm_id *old_cm;		/* [membership thread] of the QP before, until the next one works: a farewell may come by it */
	u32 peer_max_request;		/* [I] once up */
	u64 heard_ns;			/* [a] when something last arrived */
	u32 calls;			/* [lock] begun */
	u32 sent, taken;		/* messages on this QP: [lock], [a; written by the CQ handler] */
	struct rpc_slot slot[FIT_SLOTS];
	struct list free_slots;		/* [lock] */
	unsigned nr_free_slots;		/* [lock] */
	struct list waiting, waiting_change;	/* [lock] on their stacks: who waits for a slot, in the order in which they came */
	struct served served[FIT_SERVED];
	struct list free_served;	/* [lock] */
	struct served *by_slot[FIT_SLOTS];	/* [lock] of the peer's slots: the last request, until its reply is acknowledged */
	u16 last_id[FIT_SLOTS];		/* [lock] its id; 0: there was none */
	struct list backlog;		/* [lock] recv_buf: requests without a struct served, or of a node that is not up yet */
	struct recv_buf recv[FIT_RECVS];
	bool ping_out;			/* [lock] not yet acknowledged */
};

#define NODE_STATES(X)	\
	X(ABSENT)	/* not in fit.peers and never seen */			\
	X(DOWN)		/* no connection; tried again if we are to connect */	\
	X(CONNECTING)	/* our REQ is out */					\
	X(JOINING)	/* their REQ accepted, RTU not yet here */		\
	X(UP)		/* calls go both ways */				\
	X(SUSPECT)	/* up, but silent for fit.suspect */
enum node_state {
#define AS_ENUM(s) NODE_##s,
	NODE_STATES(AS_ENUM)
#undef AS_ENUM
	NR_NODE_STATES
};

struct fit_node {
	u16 id;				/* [I] */
	u8 role;			/* [membership thread; a] learnt at join; ROLE_NONE: there was none */
	u8 state;			/* [lock; written by the membership thread] */
	u32 ip;				/* [membership thread; a] CM's reads it, too; 0: unknown, it must come to us */
	bool wanted;			/* [I] in fit.peers */
	bool left;			/* [membership thread] how its last epoch ended */
	struct spinlock lock;
	struct fit_conn *conn;		/* [lock] with a reference, while CONNECTING to SUSPECT */
	u64 retry_ns;			/* [membership thread] when to connect again */
	u64 challenge;			/* [membership thread] given to it, and not yet answered; 0: none */
	u64 answer;			/* [membership thread] the challenge that it gave us; 0: none */
	const char *last_error;		/* [membership thread] so that it is logged once */
	u32 refused;			/* [membership thread] a bit for each FIT_REJ_* that the log has of its address */
	u32 duplicate_ip;		/* [membership thread] the first other one with its id that the log has; 0: none */
	struct cm_id *knock;		/* [membership thread] ours that is out; NULL: none */
	bool knock_over, knock_refused;	/* written by CM until knock_over [a] is said */
	char name[24];
	char silence[40];		/* [membership thread] why it was called dead, for the log */
	struct waitq slot_wait;		/* callers that wait for credit */
	struct waitq drain_wait;	/* the membership thread, for conn->drained */
};

extern struct fit_node fit_nodes[FIT_MAX_NODES];
extern const struct rpc_op *fit_ops;
extern unsigned fit_nr_ops;
extern u64 fit_dead_ns, fit_suspect_ns;

const struct rpc_op *fit_op(unsigned op);		/* NULL: unknown */
void fit_took(unsigned op, u64 ns);			/* a call of ours was answered */
struct fit_conn *fit_node_conn(unsigned node);		/* a reference to the connection when UP or SUSPECT, else NULL */

/* conn.c */
struct fit_conn *conn_create(struct fit_node *node);	/* buffers, slots, the CQ; no QP yet. NULL: no memory */
void conn_get(struct fit_conn *c);
void conn_put(struct fit_conn *c);
void conn_fail(struct fit_conn *c, const char *why);	/* any thread context: asks the membership thread to bury it */
void conn_break(struct fit_conn *c, const char *why);	/* the same: to make its QP anew */
/* Membership thread, may sleep. The QP to error, its completions handled, destroyed; calls and replies stay for the next. */
void conn_qp_end(struct fit_conn *c);
int conn_qp_begin(struct fit_conn *c);			/* a new QP, receives posted; 0 or -ENOMEM */
void conn_go(struct fit_conn *c);			/* the QP is in RTS at both ends: calls may go */
void conn_close(struct fit_conn *c);			/* membership thread: no call begins any more, none that arrived is run */
void conn_bury(struct fit_conn *c);			/* the same, and QP destroyed, all calls ended; may sleep */
void conn_post_recv(struct fit_conn *c, struct recv_buf *r);	/* or conn_break() */
void conn_ping(struct fit_conn *c);			/* is the peer alive? its acknowledgement is heard; one at a time */
void conn_provoke(struct fit_conn *c);			/* for testing: asks for a fatal NAK */

/* call.c */
void call_init(void);
void call_reply_arrived(struct fit_conn *c, u32 imm, u32 len);
void call_send_done(struct fit_conn *c, unsigned slot);
void call_end_all(struct fit_conn *c);			/* after the QP is gone */
void call_qp_gone(struct fit_conn *c);			/* the same, but there will be another */
int call_repeat_all(struct fit_conn *c);		/* [conn lock] on the new QP; 0, or of roce_post_send() */

/* serve.c */
int serve_init(void);
bool serve_is_request(const struct recv_buf *r);		/* its header is one, and its lengths are those of what arrived */
void serve_request_arrived(struct fit_conn *c, struct recv_buf *r);
void serve_backlog(struct fit_conn *c);			/* requests that wait, as far as there are places */
void serve_reply_done(struct fit_conn *c, struct served *s);
void serve_qp_gone(struct fit_conn *c);
int serve_post_kept(struct fit_conn *c);		/* [conn lock] replies to what has arrived on the new QP */
void serve_repeated(struct fit_conn *c);		/* FIT_REPEATED_IMM arrived: nobody waits for other replies that were kept */
/* a work request's id says what completes */
#define WRID_SLOT(i)	(0x1000000ULL + (i))
#define WRID_IS_SLOT(id) ((id) >= 0x1000000ULL && (id) < 0x1000000ULL + FIT_SLOTS)
#define WRID_SERVED(i)	(0x2000000ULL + (i))
#define WRID_PING	0x3000000ULL
#define WRID_REPEATED	0x3000001ULL
#define WRID_DRAIN	0x3000002ULL
#define WRID_BREAK	0x3000003ULL
#define WRID_IS_SERVED(id) ((id) >= 0x2000000ULL && (id) < 0x2000000ULL + FIT_SERVED)

/* member.c */
void member_kick(void);					/* something for the membership thread to look at; any context */

#endif
