/* SPDX-License-Identifier: MIT */
/*
 * FIT: remote procedure calls between nodes, for everyone above net/.
 *
 * A request is one SEND: header, the fixed body of its opcode, then optional bulk bytes. The reply is one RDMA
 * WRITE_WITH_IMM straight into the caller's reply buffer: the fixed reply body, then bulk; slot and status travel in
 * the immediate. An opcode whose reply has no fixed body and 4096 bytes of bulk (a fill) is thus one packet each way.
 *
 * Every call ends: with a reply, with an error, or with the peer's death (-EHOSTDOWN). Two outcomes: rpc_wait()'s
 * result says whether a reply came; the status in it, what the peer said. For brevity both come back as one int,
 * 0 or positive from the handler, or negative errno; call->arrived tells them apart where it matters: false means
 * that the outcome at the peer is unknown.
 */
#ifndef NET_FIT_RPC_H
#define NET_FIT_RPC_H

#include "lib/base/alloc.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "lib/base/types.h"

#define FIT_MAX_NODES		64
#define RPC_MAX_REQ		256		/* fixed request body, bytes */
#define RPC_MAX_REP		1024		/* fixed reply body, bytes */
#define RPC_MAX_BULK_OUT	(36 * 1024)	/* bulk in a request */
#define RPC_MAX_BULK_IN		(64 * 1024)	/* bulk in a reply */
#define RPC_MAX_SEGS		10
#define RPC_MAX_PAGES		8		/* in a reply that goes into pages */

enum node_role { ROLE_NONE, ROLE_PROCESSOR, ROLE_MEMORY, ROLE_STORAGE };

/* --- calling ------------------------------------------------------------------------------------------- */

struct rpc_seg {
	const void *ptr;	/* kernel direct-map memory; unwritten and referenced until the call is done */
	u32 len;
};

struct rpc_slot;

/*
 * Credits: a node takes FIT_SLOTS calls of a peer at a time. Some of them are for map changes alone, since fills and
 * flushes may wait at the callee for a map change to arrive: they must never be what keeps it from being sent.
 */
enum { RPC_LANE_NORMAL, RPC_LANE_CHANGE };

/*
 * One call, without a deadline of its own (fills, flushes, placing, map changes, M's reads and writes of files): it ends by reply or by the
 * peer's death. Zero it, fill in the first part, rpc_start(), then rpc_wait() or the done callback.
 * It and all buffers it names belong to FIT from rpc_start() until it is done.
 */
struct rpc {
	u16 node;			/* callee */
	u16 op;
	u16 nr_segs;			/* bulk of the request */
	const void *req;		/* fixed body; its size is the opcode's; copied by rpc_start() */
	struct rpc_seg seg[RPC_MAX_SEGS];
	void *rep;			/* direct-map memory: fixed reply body, then bulk; NULL if the opcode has neither */
	u32 rep_size;			/* room there, at least the opcode's fixed size */
	/*
	 * In place of rep, of an opcode without a fixed reply: these pages take the bulk, one behind the other; rep_size is theirs.
	 * The array, too, stays until the call is done: a repeated request binds them again.
	 */
	void *const *page;
	u8 nr_pages;
	u8 lane;			/* RPC_LANE_*: whose credits it uses */
	/*
	 * Called once when the call is done, no lock held, by the thread that handles the completion (a NIC queue's, the transport's)
	 * or by the membership thread: must not sleep, may take spinlocks, may wake. NULL: rpc_wait() is used.
	 */
	void (*done)(struct rpc *call);
	void *arg;			/* the caller's own */

	/* results, valid when done */
	int status;			/* >= 0 from the handler, or negative errno */
	u32 rep_len;			/* bytes written to rep */
	bool arrived;			/* the peer answered; false: outcome unknown */

	/* FIT's own */
	struct rpc_slot *slot;
	bool finished;			/* read with load_acquire */
	u64 start_ns;
};

/*
 * Send. May sleep for a credit, behind those of its lane who came before. 0: the call is under way and will be done exactly once.
 * -EHOSTDOWN (no such node, or it is dead), -EINVAL (sizes), -EMSGSIZE (more than the peer takes): nothing was sent, done is not called.
 */
int __must_check rpc_start(struct rpc *call);
/* As rpc_start(), but never sleeps: -EAGAIN when there is no credit, or others wait for one. Callable under spinlocks above RANK_FIT_NODE. */
int __must_check rpc_try_start(struct rpc *call);
/* Sleep until done; returns call->status. Only for calls without a done callback. */
int rpc_wait(struct rpc *call);

/*
 * start + wait for everything else: returns status. req, bulk and rep may be anywhere, the stack too (FIT copies them: a late
 * reply never reaches memory that the caller has left, L44). Ends with -ETIMEDOUT after RPC_DEFAULT_TIMEOUT_NS, what it waits for a
 * credit included: outcome unknown. The number of bytes that came back is in *rep_len (may be NULL).
 */
int __must_check rpc_call_bulk(unsigned node, unsigned op, const void *req, const void *bulk, u32 bulk_len,
			       void *rep, u32 rep_size, u32 *rep_len);

static inline int __must_check rpc_call(unsigned node, unsigned op, const void *req, void *rep, u32 rep_size)
{
	return rpc_call_bulk(node, op, req, NULL, 0, rep, rep_size, NULL);
}

/*
 * The same without a deadline: for what is counted at both ends (opens, holds, reservations), where an outcome that stays
 * unknown would be wrong for ever. Ends by the reply or by the peer's death.
 */
int __must_check rpc_call_sure(unsigned node, unsigned op, const void *req, void *rep, u32 rep_size);
#define RPC_DEFAULT_TIMEOUT_NS	(30 * NSEC_PER_SEC)

/* --- serving ------------------------------------------------------------------------------------------- */

enum rpc_class {
	RPC_INLINE,	/* runs in the receive path: never sleeps, takes spinlocks only; may answer RPC_TO_WORKER */
	RPC_WORKER,	/* runs in a worker thread: may sleep */
};

#define RPC_KEEP	64
struct rpc_call {		/* a request being served */
	u16 node;		/* caller */
	u16 op;
	bool in_worker;
	const void *req;	/* fixed body */
	const void *bulk;	/* bulk_len bytes behind it; stays until the reply */
	u32 bulk_len;
	void *rep;		/* fixed reply body, zeroed */
	u32 rep_room;		/* bulk bytes that the caller has room for */
	u64 keep[RPC_KEEP / 8];	/* the handler's own while it keeps the call (RPC_PENDING): keeping one needs no memory */
	/* FIT's own behind it, see net/fit/serve.c */
};

/*
 * A handler returns >= 0 or negative errno as status: that is the reply. Two other answers:
 *	RPC_TO_WORKER	from an inline handler: run me again in a worker (c->in_worker is true then)
 *	RPC_PENDING	I kept the call; rpc_reply(c, status) will be called exactly once, by anyone, later
 * The type makes "no reply" impossible (lesson L43).
 */
typedef int (*rpc_handler)(struct rpc_call *c, const void *req, void *rep);
#define RPC_TO_WORKER	(-100000)
#define RPC_PENDING	(-100001)

/* Any thread context, no spinlock held; does not sleep, but may run an inline handler of another request. status: -4095 .. 32767 */
void rpc_reply(struct rpc_call *c, int status);
/*
 * false: the caller's epoch is over. It has its error, and even if its node is there again, that one knows nothing of this call.
 * A handler that counts something for the caller asks under the lock that fit_on_change()'s watcher takes to forget the
 * caller: what is counted before is then forgotten, and nothing is counted after. Any context.
 */
bool rpc_wanted(const struct rpc_call *c);
/*
 * Bulk behind the fixed reply body; one of the two, before returning or rpc_reply():
 * by reference: buf stays referenced and unwritten until release(arg) is called (when the caller has acknowledged it,
 * or nobody wants the reply any more, or the peer died); release must not sleep. Or copied at once (small).
 */
void rpc_reply_bulk_ref(struct rpc_call *c, const void *buf, u32 len, void (*release)(void *arg), void *arg);

/* 0, -EMSGSIZE: the caller has no room for it, or -ENOMEM */
static inline int __must_check rpc_reply_bulk_copy(struct rpc_call *c, const void *buf, u32 len)
{
	void *copy;

	if (len > c->rep_room)
		return -EMSGSIZE;
	if (len == 0)
		return 0;
	copy = kmalloc(len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, buf, len);
	rpc_reply_bulk_ref(c, copy, len, kfree, copy);
	return 0;
}

/* As rpc_reply_bulk_ref(), of whole pages; of an opcode without a fixed reply. */
void rpc_reply_pages_ref(struct rpc_call *c, const void *const *page, unsigned nr, void (*release)(void *arg), void *arg);

struct rpc_op {
	u16 op;
	u16 req_size, rep_size;
	u8 class;
	const char *name;
	rpc_handler run;	/* NULL: this node does not serve it (-ENOSYS to the caller) */
	const char *fields;	/* of request and reply: types, names and order; NULL: has none */
};

/* --- nodes --------------------------------------------------------------------------------------------- */

/*
 * Start FIT: parameters fit.* of the command line, the ops that can be called or served here (every op of
 * managers/protocol, with run set for what this role serves), the net device. After timers and drivers.
 */
int fit_init(enum node_role role, const struct rpc_op *ops, unsigned nr_ops);
/* Begin to listen and to connect to the peers; returns at once. Called when handlers may run. */
void fit_start(void);

/* Sleep until a node of the role is up, or the timeout (0: for ever). Its id, or -ETIMEDOUT. */
int fit_wait_role(enum node_role role, u64 timeout_ns);
/* Sleep until the node is not up, by its farewell or its death. 0 or -ETIMEDOUT. */
int fit_wait_down(unsigned node, u64 timeout_ns);
/* All of fit.peers up? Sleeps up to timeout_ns (0: for ever). 0 or -ETIMEDOUT. */
int fit_wait_all(u64 timeout_ns);
unsigned fit_missing(void);			/* the first node of fit.peers that is not up; 0: all are */
bool fit_node_up(unsigned node);
bool fit_node_left(unsigned node);		/* its last epoch ended by its own farewell, not by death */
enum node_role fit_node_role(unsigned node);
u32 fit_node_ip(unsigned node);			/* host order; 0: there is no such node */
/* A node with this address is up, or has shown that it has the cluster's key and is about to be. Any context. */
bool fit_is_member(u32 ip);
const char *fit_node_name(unsigned node);	/* "memory-2", for messages */
unsigned fit_self(void);
/* A call that does nothing; its status. For measuring. */
int __must_check fit_probe(unsigned node);
/* How long calls took from their start to the completion of their reply: each op that was called, thread context. */
void fit_latency_for_each(void (*fn)(const char *op, u64 count, u64 median_ns, u64 p99_ns));

/*
 * Membership changes, called in thread context, may sleep; up == false: dead in this epoch; all calls to it have
 * ended or are ending with -EHOSTDOWN.
 */
void fit_on_change(void (*fn)(unsigned node, enum node_role role, bool up));

#endif
