/* SPDX-License-Identifier: MIT */
/*
 * FIT's insides: nodes, and one connection per node and epoch. For net/fit alone.
 *
 * A node is for ever; a connection lives from join to death. Slots (our calls) and served calls (theirs) belong to the
 * connection: when it dies, our calls end with -EHOSTDOWN, and theirs are dropped as their handlers finish. What
 * is in flight keeps the connection by reference, so its buffers outlive every use.
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
	X(nr_fit_timeouts, "of these, given up by their caller at the deadline; they still end in one of the two ways") \
	X(nr_fit_credit_waits, "times a caller slept because all slots of the peer were taken") \
	X(nr_fit_served, "requests received")						\
	X(nr_fit_served_inline, "requests answered in the receive path")		\
	X(nr_fit_served_worker, "requests run by a worker")				\
	X(nr_fit_bad_requests, "requests refused: malformed, or of an unknown op")	\
	X(nr_fit_bad_replies, "replies dropped: no such call")				\
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
	u32 number;			/* [conn lock] of its request among the messages sent on the connection */
	struct rpc *call;		/* [conn lock] */
	struct roce_mr *mr;		/* [I] bound to the reply buffer while the call is out */
	u8 *buf;			/* [I] header and fixed body */
	struct list link;		/* [conn lock] free list */
};

struct served {				/* one of their calls; public part first */
	struct rpc_call call;
	struct fit_conn *conn;		/* holds a reference */
	const struct rpc_op *op;
	u16 slot;			/* theirs */
	u32 number;			/* of the request among the messages taken on the connection */
	u32 rep_key;
	u64 rep_addr;
	struct recv_buf *recv;		/* the request's bytes; given back when answered */
	const void *bulk;		/* of the reply */
	u32 bulk_len;
	void (*release)(void *arg);
	void *release_arg;
	bool posted;			/* [conn lock] the reply is with the transport */
	struct list link;		/* [conn lock] free list; [workers' lock] queue of workers */
	u8 *rep;			/* [I] RPC_MAX_REP bytes */
};

struct recv_buf {
	u8 *data;
	u32 size;
	u32 len;
	u32 number;			/* as served.number */
	struct list link;		/* [conn lock] requests that wait for a free struct served */
};

struct fit_conn {
	struct fit_node *node;		/* [I] */
	refcount_t refs;
	struct spinlock lock;
	bool up;			/* [lock] calls may be started */
	bool closed;			/* [lock to set] buried: the QP is gone or going */
	bool failed;			/* [a] the QP broke; the membership thread will bury it */
	const char *why;		/* [I] once failed */
	bool left;			/* [membership thread] the peer said goodbye */
	struct fit_hello hello;		/* [membership thread] of a peer that connected to us */
	u64 began_ns;			/* [membership thread] */
	struct list unused_link;	/* [note lock] */
	struct roce_qp *qp;
	struct roce_cq *cq;
	struct cm_id *cm;
	u64 incarnation;		/* [I] the peer's */
	u32 peer_max_request;		/* [I] */
	u64 heard_ns;			/* [a] when something last arrived */
	u32 sent, taken;		/* messages: [lock], [a; written by the CQ handler] */
	struct rpc_slot slot[FIT_SLOTS];
	struct list free_slots;		/* [lock] */
	unsigned nr_free_slots;		/* [lock] */
	struct served served[FIT_SERVED];
	struct list free_served;	/* [lock] */
	struct list backlog;		/* [lock] recv_buf: requests without a struct served */
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
	u8 role;			/* [lock] learnt at join */
	u8 state;			/* [lock; written by the membership thread] */
	u32 ip;				/* [I] 0: unknown, it must come to us */
	bool wanted;			/* [I] in fit.peers */
	bool left;			/* [membership thread] how its last epoch ended */
	struct spinlock lock;
	struct fit_conn *conn;		/* [lock] with a reference, while CONNECTING to SUSPECT */
	u64 retry_ns;			/* [membership thread] when to connect again */
	const char *last_error;		/* [membership thread] so that it is logged once */
	char name[24];
	struct waitq slot_wait;		/* callers that wait for credit */
};

extern struct fit_node fit_nodes[FIT_MAX_NODES];
extern const struct rpc_op *fit_ops;
extern unsigned fit_nr_ops;
extern u64 fit_dead_ns, fit_suspect_ns;

const struct rpc_op *fit_op(unsigned op);		/* NULL: unknown */
void fit_took(unsigned op, u64 ns);			/* a call of ours was answered */
struct fit_conn *fit_node_conn(unsigned node);		/* a reference to the connection when UP or SUSPECT, else NULL */

/* conn.c */
struct fit_conn *conn_create(struct fit_node *node);	/* QP with receives posted; NULL: no memory */
void conn_get(struct fit_conn *c);
void conn_put(struct fit_conn *c);
void conn_fail(struct fit_conn *c, const char *why);	/* any thread context: asks the membership thread to bury it */
void conn_bury(struct fit_conn *c);			/* membership thread: QP destroyed, all calls ended; may sleep */
int conn_post_recv(struct fit_conn *c, struct recv_buf *r);
void conn_ping(struct fit_conn *c);			/* is the peer alive? its acknowledgement is heard; one at a time */

/* call.c */
void call_init(void);
void call_reply_arrived(struct fit_conn *c, u32 imm, u32 len);
void call_send_done(struct fit_conn *c, unsigned slot);
void call_end_all(struct fit_conn *c);			/* after the QP is gone */

/* serve.c */
int serve_init(void);
void serve_request_arrived(struct fit_conn *c, struct recv_buf *r);
void serve_reply_done(struct fit_conn *c, struct served *s);
/* a work request's id says what completes */
#define WRID_SLOT(i)	(0x1000000ULL + (i))
#define WRID_IS_SLOT(id) ((id) >= 0x1000000ULL && (id) < 0x1000000ULL + FIT_SLOTS)
#define WRID_SERVED(i)	(0x2000000ULL + (i))
#define WRID_PING	0x3000000ULL
#define WRID_IS_SERVED(id) ((id) >= 0x2000000ULL && (id) < 0x2000000ULL + FIT_SERVED)

/* member.c */
void member_kick(void);					/* something for the membership thread to look at; any context */

#endif
