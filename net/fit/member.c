/* SPDX-License-Identifier: MIT */
/*
 * Membership: who is there. One thread owns all node states; CM's callbacks, broken queue pairs and the clock only leave it
 * notes. Of two nodes the one with the higher id connects, so that they never connect twice; it tries again and again, so
 * that nodes may boot in any order. Who is to be connected to, and sees nobody come, knocks: it asks, by CM's datagrams, whether the other
 * takes it for a second node of its id. Whatever the answer, nothing begins by it; but both say so.
 *
 *	DOWN -> CONNECTING -> UP		we connect
 *	ABSENT, DOWN -> JOINING -> UP		they connect
 *	UP <-> SUSPECT				silent for fit.suspect, and heard again
 *	all -> DOWN				refused, unreachable, not joined in 5 s, left, connected anew, no other queue pair,
 *						or silent for fit.dead
 *
 * While a node is UP or SUSPECT its connection's queue pair may break and be made anew, by the same rule of who connects. The other
 * learns of it by a NAK, or by a DREQ without a farewell:
 *
 *	WORKS -> BROKEN				an error here, or the peer says so
 *	BROKEN -> ASKED -> WORKS		we connect
 *	BROKEN -> OFFERED -> WORKS		they connect
 *	ASKED, OFFERED -> BROKEN		again
 *
 * A time in which this thread itself did not run does not count as a peer's silence.
 */
#include "arch/x86/platform.h"
#include "kernel/crash.h"
#include "kernel/param.h"
#include "kernel/power.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "lib/histogram.h"
#include "lib/siphash.h"
#include "mm/slab.h"
#include "net/fit/member.h"

#define RETRY_NS	(100 * NSEC_PER_MSEC)
#define JOIN_NS		(5 * NSEC_PER_SEC)	/* CONNECTING and JOINING may last this long */
#define LEAVE_MAX_NS	(6 * NSEC_PER_SEC)		/* whoever switches a node off does not wait longer for its peers */
#define LEAVE_LOOK_NS	(2 * NSEC_PER_MSEC)
#define LATE_NS		(100 * NSEC_PER_MSEC)
#define REFUSED_NS	NSEC_PER_SEC		/* before we ask again who refused us */
#define KNOCK_NS	(3 * NSEC_PER_SEC)	/* since our boot, and between two knocks */
#define NR_REFUSED	16
#define REFUSED_LINE_NS	(10 * NSEC_PER_SEC)	/* between two lines of the log about more refused joins than those */
#define NOTES_ROUND	256			/* notes read before the clock is looked at again */
#define MAX_WATCHERS	4

DEFINE_COUNTERS(fit, FIT_COUNTERS);

struct fit_node fit_nodes[FIT_MAX_NODES];
const struct rpc_op *fit_ops;
unsigned fit_nr_ops;
u64 fit_dead_ns, fit_suspect_ns;

static const char *const role_name[] = { "node", "processor", "memory", "storage" };
static unsigned self_id, path_mtu;
static enum node_role self_role;
static u64 self_incarnation, protocol_hash;
static u16 self_version = FIT_VERSION;
static u64 provoke_ns, provoke_at;			/* debug.break_qp */
static struct siphash_key key;

struct note {				/* what a callback leaves for the thread */
	struct list link;
	enum cm_event_type type;
	struct cm_id *id;
	struct fit_conn *conn;		/* with a reference, or NULL for a new REQ */
	u32 peer_ip;
	u16 reason;
	bool farewell;			/* CM_DISCONNECTED */
	bool has_hello;
	struct fit_hello hello;
	struct fit_rejection rejection;	/* CM_REJECTED; zeros: the peer's transport rejected, or somebody who does not speak FIT */
};

static DEFINE_SPINLOCK(note_lock, RANK_WORK);
static struct list notes = LIST_INIT(notes);		/* [note_lock] */
static struct list unused = LIST_INIT(unused);		/* [note_lock] connections to free */
static bool kicked;					/* [a] */
static bool knock_noted;				/* [a] one of the notes is of a knock */
static bool leaving, has_left;				/* [a] said by leave(); farewells are out */
static struct waitq left_wait = WAITQ_INIT(left_wait);
static struct waitq thread_wait = WAITQ_INIT(thread_wait);
static struct waitq change_wait = WAITQ_INIT(change_wait);	/* who is up has changed */
static void (*watcher[MAX_WATCHERS])(unsigned, enum node_role, bool);
static unsigned nr_watchers;

/* --- ops --- */

static int run_null(struct rpc_call *c, const void *req, void *rep)
{
	return 0;
}
static const struct rpc_op null_op = { FIT_OP_NULL, 0, 0, RPC_INLINE, "null", run_null };

const struct rpc_op *fit_op(unsigned op)
{
	if (op == FIT_OP_NULL)
		return &null_op;
	for (unsigned i = 0; i < fit_nr_ops; i++)
		if (fit_ops[i].op == op)
			return &fit_ops[i];
	return NULL;
}

/* --- how long calls take: by op, the null op behind the others --- */

static struct histogram *took;		/* [I] NULL: there was no memory for it */

static void took_init(void)
{
	took = kcalloc(fit_nr_ops + 1, sizeof(*took));
}

void fit_took(unsigned op, u64 ns)
{
	unsigned i = 0;

	if (took == NULL)
		return;
	while (i < fit_nr_ops && fit_ops[i].op != op)
		i++;
	histogram_add(&took[i], ns);
}

void fit_latency_for_each(void (*fn)(const char *op, u64 count, u64 median_ns, u64 p99_ns))
{
	for (unsigned i = 0; took != NULL && i <= fit_nr_ops; i++) {
		u64 n = histogram_count(&took[i]);

		if (n != 0)
			fn(i < fit_nr_ops ? fit_ops[i].name : null_op.name, n, histogram_quantile(&took[i], 500),
			   histogram_quantile(&took[i], 990));
	}
}

int fit_probe(unsigned node)
{
	return rpc_call(node, FIT_OP_NULL, NULL, NULL, 0);
}

static u64 hash_text(const char *s) { return hash_bytes(s, strlen(s)); }

/* Order does not matter: the two ends list the same ops differently. That of an op's fields does. */
static u64 ops_hash(void)
{
	u64 sum = 0;

	for (unsigned i = 0; i < fit_nr_ops; i++) {
		const struct rpc_op *o = &fit_ops[i];
		u64 words = hash64_2(hash_text(o->name), hash_text(o->fields != NULL ? o->fields : ""));

		sum += hash64_2(words, (u64)o->class << 56 | (u64)o->op << 40 | (u64)o->req_size << 20 | o->rep_size);
	}
	return hash64_2(sum, FIT_VERSION);
}

/* --- notes --- */

void member_kick(void)
{
	store_release(&kicked, true);
	waitq_wake_all(&thread_wait);
}

void member_conn_unused(struct fit_conn *c)
{
	spin_lock(&note_lock);
	list_add_tail(&unused, &c->unused_link);
	spin_unlock(&note_lock);
	member_kick();
}

/* Private data is as long as its message has room for, whoever sent it. */
static void note_private(struct note *n, const struct cm_event *ev)
{
	const void *data = ev->private_data;
	le32 word;

	if (data == NULL)
		return;
	if (ev->type == CM_REJECTED && ev->private_len >= sizeof(n->rejection)) {
		memcpy(&n->rejection, data, sizeof(n->rejection));
	} else if (ev->type == CM_DISCONNECTED && ev->private_len >= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		n->farewell = le32_get(word) == FIT_FAREWELL;
	} else if (ev->private_len >= sizeof(n->hello)) {
		memcpy(&n->hello, data, sizeof(n->hello));
		n->has_hello = true;
	}
}

static void note_add(struct note *n)
{
	spin_lock(&note_lock);
	list_add_tail(&notes, &n->link);
	spin_unlock(&note_lock);
	member_kick();
}

static void cm_event(const struct cm_event *ev, void *arg)
{
	struct note *n = kzalloc(sizeof(*n));

	if (n == NULL) {
		/* the other side tries again */
		pr_warn("fit: no memory for a connection event");
		if (ev->type == CM_REQ_RECEIVED)
			roce_cm_reject(ev->id, 0, NULL, 0);
		else if (arg != NULL)
			conn_fail(arg, "no memory");
		return;
	}
	n->type = ev->type;
	n->id = ev->id;
	n->conn = arg;
	n->peer_ip = ev->peer_ip;
	n->reason = ev->reason;
	note_private(n, ev);
	if (n->conn != NULL)
		conn_get(n->conn);
	note_add(n);
}

/* A cm_id of the connection's goes, the peer is told, and what it said and we have not looked at is nothing to us: but for a farewell. */
static void cm_end(struct fit_conn *c, struct cm_id **which)
{
	struct cm_id *id = *which;
	struct note *n, *tmp;
	unsigned dropped = 0;

	if (id == NULL)
		return;
	roce_cm_destroy(id);
	*which = NULL;
	spin_lock(&note_lock);
	list_for_each_safe(n, tmp, &notes, link) {
		if (n->conn == c && n->id == id) {
			list_del(&n->link);
			c->left |= n->farewell;
			kfree(n);
			dropped++;
		}
	}
	spin_unlock(&note_lock);
	if (c->left)
		conn_fail(c, "it left");
	while (dropped-- != 0)
		conn_put(c);
}

static void conn_cm_end(struct fit_conn *c)
{
	cm_end(c, &c->cm);
	cm_end(c, &c->old_cm);
}

/* The peer is told that the queue pair is no more. It may be leaving at this moment: its farewell, and ours, still go by this one. */
static void conn_cm_retire(struct fit_conn *c)
{
	cm_end(c, &c->old_cm);
	c->old_cm = c->cm;
	c->cm = NULL;
	if (c->old_cm != NULL)
		roce_cm_disconnect(c->old_cm, NULL, 0);
}

/* --- hello --- */

/* to: KNOCK_TO, or the node for which it was made; nobody else believes it. */
static u64 hello_mac(const struct fit_hello *h, unsigned to)
{
	struct { struct fit_hello h; u64 to; } m;

	memset(&m, 0, sizeof(m));
	m.h = *h;
	m.h.key = le64_of(0);
	m.to = to;
	return siphash(&key, &m, sizeof(m));
}

static void hello_make(struct fit_hello *h, unsigned to, u64 epoch, u16 qp, u64 challenge)
{
	memset(h, 0, sizeof(*h));
	h->magic = le32_of(FIT_MAGIC);
	h->version = le16_of(self_version);
	h->node = self_id;
	h->role = self_role;
	h->protocol = le64_of(protocol_hash);
	h->incarnation = le64_of(self_incarnation);
	h->max_request = le32_of(conn_max_request());
	h->slots = le16_of(FIT_SLOTS);
	h->qp = le16_of(qp);
	h->epoch = le64_of(epoch);
	h->challenge = le64_of(challenge);
	h->key = le64_of(hello_mac(h, to));
}

static const char *const rejection_text[NR_FIT_REJ][2] = {	/* of a peer, and of us */
	{ "", "it does not listen yet" },
#define AS_TEXT(name, text) { text, "it refused this node, which " text },
	FIT_REJECTIONS(AS_TEXT)
#undef AS_TEXT
};

/* FIT_REJ_NONE, or why the peer is refused */
static enum fit_rejection_why hello_refuse(const struct note *n)
{
	const struct fit_hello *h = &n->hello;

	if (!n->has_hello || le32_get(h->magic) != FIT_MAGIC)
		return FIT_REJ_STRANGER;
	if (le16_get(h->version) != self_version)
		return FIT_REJ_VERSION;
	if (le64_get(h->key) != hello_mac(h, self_id))
		return FIT_REJ_KEY;
	if (le64_get(h->protocol) != protocol_hash)
		return FIT_REJ_PROTOCOL;
	if (h->node == 0 || h->node >= FIT_MAX_NODES || h->node == self_id)
		return FIT_REJ_NODE;
	if (h->role == ROLE_NONE || h->role > ROLE_STORAGE || le16_get(h->slots) != FIT_SLOTS)
		return FIT_REJ_NONSENSE;
	return FIT_REJ_NONE;
}

/* --- states: written here only --- */

static const char *const state_name[] = {
#define AS_NAME(s) #s,
	NODE_STATES(AS_NAME)
#undef AS_NAME
};

static const u8 node_next[NR_NODE_STATES] = {	/* bit per state that may follow */
	[NODE_ABSENT]	  = 1 << NODE_DOWN | 1 << NODE_JOINING,
	[NODE_DOWN]	  = 1 << NODE_CONNECTING | 1 << NODE_JOINING,
	[NODE_CONNECTING] = 1 << NODE_UP | 1 << NODE_DOWN,
	[NODE_JOINING]	  = 1 << NODE_UP | 1 << NODE_DOWN,
	[NODE_UP]	  = 1 << NODE_SUSPECT | 1 << NODE_DOWN,
	[NODE_SUSPECT]	  = 1 << NODE_UP | 1 << NODE_DOWN,
};

static const char *const link_state_name[] = {
#define AS_NAME(s) #s,
	LINK_STATES(AS_NAME)
#undef AS_NAME
};

static const u8 link_next[NR_LINK_STATES] = {
	[LINK_WORKS]   = 1 << LINK_BROKEN,
	[LINK_BROKEN]  = 1 << LINK_ASKED | 1 << LINK_OFFERED,
	[LINK_ASKED]   = 1 << LINK_WORKS | 1 << LINK_BROKEN,
	[LINK_OFFERED] = 1 << LINK_WORKS | 1 << LINK_BROKEN,
};

static void link_step(struct fit_conn *c, enum link_state to)
{
	if (!(link_next[c->link] & 1 << to))
		panic("fit: connection to node %u from %s to %s", c->node->id, link_state_name[c->link], link_state_name[to]);
	c->link = to;
}

static void node_step(struct fit_node *n, enum node_state to)
{
	if (!(node_next[n->state] & 1 << to))
		panic("fit: node %u from %s to %s", n->id, state_name[n->state], state_name[to]);
	spin_lock(&n->lock);
	n->state = to;
	spin_unlock(&n->lock);
}

static void notify(struct fit_node *n, bool up)
{
	for (unsigned i = 0; i < nr_watchers; i++)
		watcher[i](n->id, n->role, up);
	waitq_wake_all(&change_wait);
}

/* The end of an epoch. why == NULL: say nothing. */
static void node_down(struct fit_node *n, const char *why)
{
	struct fit_conn *c = n->conn;
	bool was_up = n->state == NODE_UP || n->state == NODE_SUSPECT;

	node_step(n, NODE_DOWN);
	spin_lock(&n->lock);
	n->conn = NULL;
	spin_unlock(&n->lock);
	n->retry_ns = time_mono_ns() + (c != NULL && c->refused ? REFUSED_NS : RETRY_NS);
	if (was_up) {
		n->left = c->left;
		if (c->left) {
			pr_info("fit: %s left", n->name);
		} else {
			count(nr_fit_deaths);
			pr_err("fit: %s is dead: %s", n->name, why);
		}
	} else if (why != NULL && why != n->last_error) {
		pr_note("fit: node %u: %s", n->id, why);
		n->last_error = why;
	}
	if (c != NULL) {
		conn_close(c);
		conn_cm_end(c);
		conn_bury(c);
	}
	if (was_up)
		notify(n, false);
}

static void node_up(struct fit_node *n, struct fit_conn *c, const struct fit_hello *h)
{
	c->peer_max_request = le32_get(h->max_request);
	snprintf(n->name, sizeof(n->name), "%s-%u", role_name[h->role], n->id);
	WRITE_ONCE(n->role, h->role);		/* before its requests are run */
	n->last_error = NULL;
	n->refused = 0;
	WRITE_ONCE(c->heard_ns, time_mono_ns());
	conn_go(c);
	node_step(n, NODE_UP);
	count(nr_fit_joins);
	crash_point(CRASH_join_up, NULL);
	pr_info("fit: %s is up", n->name);
	notify(n, true);
}

/* --- joining --- */

static void param_fill(struct cm_conn_param *p, struct fit_conn *c, const struct fit_hello *h)
{
	memset(p, 0, sizeof(*p));
	p->qp = c->qp;
	p->private_data = h;
	p->private_len = sizeof(*h);
	p->path_mtu = path_mtu;
	p->retry_count = 7;
	p->rnr_retry = 7;
	p->responder_resources = p->initiator_depth = 4;
	p->ack_timeout_ns = 0;		/* the transport's own, which adapts */
	p->ack_every = 16;		/* replies say sooner than acknowledgements that a call arrived */
	p->persist = true;		/* a call outlives what is lost: only silence for fit.dead ends it */
}

static struct fit_conn *node_conn_create(struct fit_node *n)
{
	struct fit_conn *c = conn_create(n);

	if (c == NULL || conn_qp_begin(c) < 0) {
		pr_warn("fit: no memory for a connection to node %u", n->id);
		if (c != NULL)
			conn_bury(c);
		return NULL;
	}
	c->began_ns = time_mono_ns();
	return c;
}

static void node_set_conn(struct fit_node *n, struct fit_conn *c)
{
	spin_lock(&n->lock);
	n->conn = c;
	spin_unlock(&n->lock);
}

/* Send our REQ; -ENOMEM. */
static int conn_ask(struct fit_node *n, struct fit_conn *c)
{
	struct cm_conn_param p;
	struct fit_hello h;

	hello_make(&h, n->id, c->epoch, c->qp_nr, c->qp_nr == 0 ? n->answer : 0);
	param_fill(&p, c, &h);
	c->cm = roce_cm_connect(n->ip, FIT_SERVICE_ID, &p, cm_event, c);
	return c->cm == NULL ? -ENOMEM : 0;
}

static int conn_accept(struct fit_node *n, struct fit_conn *c, struct note *r)
{
	struct cm_conn_param p;
	struct fit_hello h;

	c->epoch = le64_get(r->hello.epoch);
	c->qp_nr = le16_get(r->hello.qp);
	hello_make(&h, n->id, c->epoch, c->qp_nr, 0);
	param_fill(&p, c, &h);
	c->cm = r->id;
	return roce_cm_accept(r->id, &p, cm_event, c);
}

static void node_connect(struct fit_node *n)
{
	struct fit_conn *c = node_conn_create(n);

	n->retry_ns = time_mono_ns() + RETRY_NS;
	if (c == NULL)
		return;
	c->epoch = arch_random();
	node_set_conn(n, c);
	node_step(n, NODE_CONNECTING);
	if (conn_ask(n, c) < 0)
		node_down(n, "no memory to connect");
	crash_point(CRASH_join_ask, NULL);
}

static struct {
	struct { u32 ip; u8 why; } seen[NR_REFUSED];
	unsigned nr;
	u64 next_ns;			/* of a line more than there are places */
} refusals;

/* An address costs a stranger nothing: when the places are taken, a line now and then. */
static bool stranger_first(u32 ip, enum fit_rejection_why why)
{
	u64 now = time_mono_ns();

	for (unsigned i = 0; i < MIN(refusals.nr, NR_REFUSED); i++)
		if (refusals.seen[i].ip == ip && refusals.seen[i].why == why)
			return false;
	if (refusals.nr >= NR_REFUSED && now < refusals.next_ns)
		return false;
	refusals.next_ns = now + REFUSED_LINE_NS;
	refusals.seen[refusals.nr % NR_REFUSED].ip = ip;
	refusals.seen[refusals.nr++ % NR_REFUSED].why = why;
	return true;
}

/*
 * Who is refused asks again and again: a line for each and each reason, the first time. Strangers do not crowd out who has the address of
 * a node, nor the first one that has the key and a node's id.
 */
static bool refused_first(u32 ip, unsigned id, enum fit_rejection_why why)
{
	for (unsigned i = 1; i < FIT_MAX_NODES; i++) {
		struct fit_node *n = &fit_nodes[i];
		bool first = !(n->refused & 1U << why);

		if (n->ip == 0 || n->ip != ip)
			continue;
		n->refused |= 1U << why;
		return first;
	}
	if (why == FIT_REJ_DUPLICATE && fit_nodes[id].duplicate_ip == 0) {
		fit_nodes[id].duplicate_ip = ip;
		return true;
	}
	if (why == FIT_REJ_DUPLICATE && fit_nodes[id].duplicate_ip == ip)
		return false;
	return stranger_first(ip, why);
}

static void join_reject(struct note *r, enum fit_rejection_why why, u64 challenge)
{
	struct fit_rejection j = { .magic = le32_of(FIT_MAGIC), .why = le16_of(why), .challenge = le64_of(challenge) };

	roce_cm_reject(r->id, 28 /* consumer defined, clause 12.6.7.2 */, &j, sizeof(j));
}

static void refuse_say(const struct note *r, enum fit_rejection_why why)
{
	count(nr_fit_refused);
	if (refused_first(r->peer_ip, r->hello.node, why))
		pr_warn("fit: refused %u.%u.%u.%u: it %s", r->peer_ip >> 24, r->peer_ip >> 16 & 255, r->peer_ip >> 8 & 255,
			r->peer_ip & 255, rejection_text[why][0]);
}

static void join_refuse(struct note *r, enum fit_rejection_why why)
{
	refuse_say(r, why);
	join_reject(r, why, 0);
}

static void link_down(struct fit_node *n, struct fit_conn *c);

/* The next queue pair of the epoch that we are in. */
static void link_offer(struct fit_node *n, struct note *r)
{
	struct fit_conn *c = n->conn;
	s16 ahead = le16_get(r->hello.qp) - (c != NULL ? c->qp_nr : 0);

	if (c == NULL || (n->state != NODE_UP && n->state != NODE_SUSPECT) || c->epoch != le64_get(r->hello.epoch) || ahead <= 0) {
		join_reject(r, FIT_REJ_OVER, 0);
		return;
	}
	link_down(n, c);
	WRITE_ONCE(c->heard_ns, time_mono_ns());
	link_step(c, LINK_OFFERED);
	if (conn_qp_begin(c) < 0) {
		roce_cm_reject(r->id, 3 /* no resources */, NULL, 0);
		conn_break(c, "no memory for a queue pair");
	} else if (conn_accept(n, c, r) < 0) {
		conn_break(c, "could not be accepted");
	}
	crash_point(CRASH_link_offer, NULL);
}

static void join_request(struct note *r)
{
	enum fit_rejection_why why = hello_refuse(r);
	struct fit_node *n;
	struct fit_conn *c;

	if (why == FIT_REJ_NONE && r->hello.node < self_id)
		why = FIT_REJ_LOWER;
	n = why == FIT_REJ_NONE ? &fit_nodes[r->hello.node] : NULL;
	if (n != NULL && n->ip != 0 && n->ip != r->peer_ip)
		why = FIT_REJ_DUPLICATE;
	if (why != FIT_REJ_NONE) {
		join_refuse(r, why);
		return;
	}
	if (le16_get(r->hello.qp) != 0) {
		link_offer(n, r);
		return;
	}
	if (load_acquire(&leaving)) {		/* what it knows of us is over, as far as it knows: our farewell has been heard */
		join_reject(r, FIT_REJ_NONE, 0);
		return;
	}
	if (n->challenge == 0 || le64_get(r->hello.challenge) != n->challenge) {
		while (n->challenge == 0)
			n->challenge = arch_random();
		join_reject(r, FIT_REJ_CHALLENGE, n->challenge);
		return;
	}
	n->challenge = 0;
	if (n->conn != NULL)		/* it has given us up: its new life begins, the old one ends here too */
		node_down(n, "it connected anew");
	WRITE_ONCE(n->ip, r->peer_ip);
	c = node_conn_create(n);
	if (c == NULL) {
		roce_cm_reject(r->id, 3 /* no resources */, NULL, 0);
		return;
	}
	c->hello = r->hello;
	node_set_conn(n, c);
	node_step(n, NODE_JOINING);
	if (conn_accept(n, c, r) < 0)
		node_down(n, "could not be accepted");
	crash_point(CRASH_join_accept, NULL);
}

/* --- knocking: of the lower id, which is not to connect, at the higher one --- */

/* Here is another node of that id, or we have it. CM's thread. */
static bool knock_duplicate(const struct fit_hello *h, u32 ip)
{
	u32 known;

	if (le32_get(h->magic) != FIT_MAGIC || le16_get(h->version) != self_version || le64_get(h->key) != hello_mac(h, KNOCK_TO) ||
	    h->node == 0 || h->node >= FIT_MAX_NODES)
		return false;
	known = READ_ONCE(fit_nodes[h->node].ip);
	return h->node == self_id || (known != 0 && known != ip);
}

/* CM's thread */
static void knock_heard(const struct cm_event *ev, void *arg)
{
	struct fit_hello h;
	struct note *n;

	if (ev->type != CM_SIDR_RECEIVED)
		return;
	ev->sidr->status = KNOCK_HEARD;
	if (ev->private_data == NULL || ev->private_len < sizeof(h))
		return;
	memcpy(&h, ev->private_data, sizeof(h));
	if (!knock_duplicate(&h, ev->peer_ip))
		return;
	ev->sidr->status = KNOCK_REFUSED;
	if (__atomic_exchange_n(&knock_noted, true, __ATOMIC_SEQ_CST))
		return;			/* it knocks again; a recorded one is worth no more than one note */
	n = kzalloc(sizeof(*n));
	if (n == NULL) {
		store_release(&knock_noted, false);
		return;
	}
	n->type = ev->type;
	n->peer_ip = ev->peer_ip;
	n->hello = h;
	note_add(n);
}

/* CM's thread: the answer, or that there is none */
static void knock_answered(const struct cm_event *ev, void *arg)
{
	struct fit_node *n = arg;

	n->knock_refused = ev->type == CM_REJECTED && ev->reason == KNOCK_REFUSED;
	store_release(&n->knock_over, true);	/* pairs with knock_look() */
	member_kick();
}

static void knock_look(struct fit_node *n)
{
	if (n->knock == NULL || !load_acquire(&n->knock_over))
		return;
	roce_cm_destroy(n->knock);
	n->knock = NULL;
	if (n->knock_refused && n->state == NODE_DOWN && n->last_error != rejection_text[FIT_REJ_DUPLICATE][1]) {
		n->last_error = rejection_text[FIT_REJ_DUPLICATE][1];
		pr_note("fit: node %u: %s", n->id, n->last_error);
	}
}

/* A node that has never come; returns when to look again. */
static u64 knock(struct fit_node *n, u64 now)
{
	u64 due = MAX(n->retry_ns, KNOCK_NS);
	struct fit_hello h;

	if (n->knock != NULL)
		return ~0ULL;
	if (now < due)
		return due;
	n->retry_ns = now + KNOCK_NS;
	n->knock_over = n->knock_refused = false;
	hello_make(&h, KNOCK_TO, 0, 0, 0);
	n->knock = roce_cm_resolve(n->ip, FIT_KNOCK_ID, &h, sizeof(h), knock_answered, n);
	return n->retry_ns;
}

/* --- a queue pair that breaks, and the next --- */

/* What is left of the queue pair goes, and the peer is told. */
static void link_down(struct fit_node *n, struct fit_conn *c)
{
	if (c->link == LINK_WORKS) {
		count(nr_fit_breaks);
		pr_warn("fit: the connection to %s broke (%s); it is made anew, and calls wait", n->name,
			load_acquire(&c->broken) ?: "at its end");
		c->began_ns = time_mono_ns();
		n->retry_ns = 0;
	} else {
		n->retry_ns = time_mono_ns() + RETRY_NS;
	}
	if (c->link == LINK_WORKS)
		conn_cm_retire(c);
	else
		cm_end(c, &c->cm);
	conn_qp_end(c);
	c->told = false;		/* if it heard nothing of that, it is said on the next one */
	if (c->link != LINK_BROKEN)
		link_step(c, LINK_BROKEN);
	crash_point(CRASH_link_down, NULL);
}

static void link_ask(struct fit_node *n, struct fit_conn *c)
{
	c->qp_nr = c->qp_nr == 0xffff ? 1 : c->qp_nr + 1;
	link_step(c, LINK_ASKED);
	if (conn_qp_begin(c) < 0 || conn_ask(n, c) < 0)
		conn_break(c, "no memory for a queue pair");
	crash_point(CRASH_link_ask, NULL);
}

static void link_up(struct fit_node *n, struct fit_conn *c)
{
	link_step(c, LINK_WORKS);
	WRITE_ONCE(c->heard_ns, time_mono_ns());
	count(nr_fit_remade);
	crash_point(CRASH_link_up, NULL);
	pr_note("fit: the connection to %s works again", n->name);
	cm_end(c, &c->old_cm);
	conn_go(c);
}

/* One look at the connection of a node that is up; returns when it wants the next. */
static u64 link_look(struct fit_node *n, struct fit_conn *c, u64 now, u64 late)
{
	u64 limit = MAX(JOIN_NS, fit_dead_ns);

	if (load_acquire(&c->broken))
		link_down(n, c);
	if (c->link == LINK_WORKS)
		return ~0ULL;
	now = MAX(now, c->began_ns);
	c->began_ns = MIN(c->began_ns + late, now);
	if (now - c->began_ns >= limit) {
		conn_fail(c, "its connection broke and could not be made anew");
		return now;
	}
	limit += c->began_ns;
	if (c->link != LINK_BROKEN || n->id > self_id)
		return limit;
	if (now < n->retry_ns)
		return MIN(limit, n->retry_ns);
	link_ask(n, c);
	return limit;
}

static void established(struct note *r)
{
	struct fit_node *n = r->conn->node;
	struct fit_conn *c = r->conn;
	enum fit_rejection_why why;

	if (n->state == NODE_JOINING) {
		node_up(n, c, &c->hello);
		return;
	}
	if (c->link == LINK_OFFERED) {
		link_up(n, c);
		return;
	}
	if (n->state != NODE_CONNECTING && c->link != LINK_ASKED)
		return;
	why = hello_refuse(r);
	if (why == FIT_REJ_NONE && r->hello.node != n->id)
		why = FIT_REJ_OTHER;
	if (why == FIT_REJ_NONE && (le64_get(r->hello.epoch) != c->epoch || le16_get(r->hello.qp) != c->qp_nr))
		why = FIT_REJ_OVER;
	if (why != FIT_REJ_NONE) {
		count(nr_fit_refused);
		conn_fail(c, rejection_text[why][0]);
	} else if (c->link == LINK_ASKED) {
		link_up(n, c);
	} else {
		n->answer = 0;
		node_up(n, c, &r->hello);
	}
}

/* Our REQ was rejected. */
static void rejected(struct note *r)
{
	struct fit_node *n = r->conn->node;
	struct fit_conn *c = r->conn;
	enum fit_rejection_why why = FIT_REJ_NONE;

	if (r->reason == 28 && le32_get(r->rejection.magic) == FIT_MAGIC && le16_get(r->rejection.why) < NR_FIT_REJ)
		why = le16_get(r->rejection.why);
	if (c->link == LINK_ASKED) {
		WRITE_ONCE(c->heard_ns, time_mono_ns());
		if (why == FIT_REJ_OVER)
			conn_fail(c, "it has given this node up");
		else
			conn_break(c, rejection_text[why][1]);
	} else if (c->link == LINK_OFFERED) {
		conn_break(c, "its REP was rejected");
	} else if (n->state == NODE_CONNECTING && why == FIT_REJ_CHALLENGE && !c->challenged) {
		c->challenged = true;		/* who has another one for the answer is asked again when others who refuse are */
		n->answer = le64_get(r->rejection.challenge);
		conn_cm_end(c);
		if (conn_ask(n, c) < 0)
			conn_fail(c, "no memory to connect");
	} else {
		n->answer = 0;
		conn_fail(c, rejection_text[why][1]);
		if (why != FIT_REJ_NONE)
			c->refused = true;
	}
}

/* The DREQ of a peer, or our own queue pair. */
static void disconnected(struct note *r)
{
	struct fit_conn *c = r->conn;

	if (r->farewell) {
		c->left = true;
		conn_fail(c, "it left");
	} else if (c->node->state == NODE_UP || c->node->state == NODE_SUSPECT) {
		conn_break(c, "at its end");
	} else {
		conn_fail(c, "it hung up");
	}
}

static void note_handle(struct note *r)
{
	struct fit_conn *c = r->conn;

	if (r->type == CM_REQ_RECEIVED) {
		join_request(r);
		return;
	}
	if (r->type == CM_SIDR_RECEIVED) {
		store_release(&knock_noted, false);
		refuse_say(r, FIT_REJ_DUPLICATE);
		return;
	}
	if (c->node->conn != c || (c->cm != r->id && (c->old_cm != r->id || !r->farewell)))
		return;				/* of an epoch or a queue pair that is over */
	switch (r->type) {
	case CM_ESTABLISHED:
		established(r);
		return;
	case CM_REJECTED:
		rejected(r);
		return;
	case CM_UNREACHABLE:
		if (c->link == LINK_WORKS)
			conn_fail(c, "no answer");
		else
			conn_break(c, "no answer");
		return;
	case CM_DISCONNECTED:
		disconnected(r);
		return;
	case CM_REQ_RECEIVED:
	case CM_SIDR_RECEIVED:
	case CM_SIDR_RESOLVED:		/* knocks have no connection */
		return;
	}
}

/* --- the thread --- */

/*
 * Ask a silent peer whether it lives, and when to look again: at what silence would bring next, but soon, since a stop of ours between
 * two looks is only late from the second on. The lower id waits a little longer, so that between two idle nodes one asks and
 * both have heard.
 */
static u64 node_next_look(struct fit_node *n, struct fit_conn *c, u64 silent, u64 now)
{
	u64 quiet = MIN(fit_suspect_ns / 2, fit_dead_ns / 4), next;

	if (self_id < n->id)
		quiet += quiet / 4;
	if (silent >= quiet - quiet / 8) {		/* the answer to the last ping came a moment after the look that sent it */
		conn_ping(c);
		next = MIN(silent + quiet, fit_dead_ns);
		if (n->state != NODE_SUSPECT)
			next = MIN(next, fit_suspect_ns);
	} else {
		next = quiet;
	}
	return now - silent + next;
}

/* One look at a node; returns when it wants the next. */
static u64 node_look(struct fit_node *n, u64 now, u64 late)
{
	struct fit_conn *c = n->conn;
	const char *why = c != NULL ? load_acquire(&c->failed) : NULL;
	u64 silent, heard;

	knock_look(n);
	if (why != NULL) {
		node_down(n, why);
		return now;
	}
	switch (n->state) {
	case NODE_DOWN:
		if (!n->wanted || load_acquire(&leaving))
			return ~0ULL;
		if (n->id > self_id)
			return n->role == ROLE_NONE ? knock(n, now) : ~0ULL;
		if (now < n->retry_ns)
			return n->retry_ns;
		node_connect(n);
		return now + JOIN_NS;
	case NODE_CONNECTING:
	case NODE_JOINING:
		c->began_ns = MIN(c->began_ns + late, now);
		if (now - c->began_ns < JOIN_NS)
			return c->began_ns + JOIN_NS;
		node_down(n, "did not finish joining");
		return now;
	case NODE_UP:
	case NODE_SUSPECT:
		heard = READ_ONCE(c->heard_ns);
		if (late != 0 && heard < now) {
			heard = MIN(heard + late, now);
			WRITE_ONCE(c->heard_ns, heard);
		}
		silent = now - MIN(heard, now);
		if (silent >= fit_dead_ns) {
			if (c->told) {	/* it went at the same time, most likely: the last answer of all may be lost */
				pr_note("fit: %s does not answer our farewell", n->name);
				c->left = true;
			}
			snprintf(n->silence, sizeof(n->silence), "silent for too long (%llu ms)", (unsigned long long)(silent / NSEC_PER_MSEC));
			node_down(n, n->silence);
			return now;
		}
		if (silent >= fit_suspect_ns && n->state == NODE_UP) {
			node_step(n, NODE_SUSPECT);
			pr_warn("fit: %s is silent; calls to it wait", n->name);
		} else if (silent < fit_suspect_ns && n->state == NODE_SUSPECT) {
			node_step(n, NODE_UP);
			pr_note("fit: %s speaks again", n->name);
		}
		return MIN(node_next_look(n, c, silent, now), c->told ? ~0ULL : link_look(n, c, now, late));
	}
	return ~0ULL;
}

/* Said to one node, and answered? */
static bool farewell_done(struct fit_node *n)
{
	le32 farewell = le32_of(FIT_FAREWELL);
	struct fit_conn *c = n->conn;

	if (c == NULL || c->failed || (n->state != NODE_UP && n->state != NODE_SUSPECT))
		return true;
	if (c->told)
		return roce_cm_gone(c->cm);
	if (c->link == LINK_WORKS && !load_acquire(&c->broken)) {	/* else when its queue pair is made */
		roce_cm_disconnect(c->cm, &farewell, sizeof(farewell));
		c->told = true;
	}
	return false;
}

/* Say goodbye, so that nobody waits for us to be declared dead; it is repeated until it is answered. Returns when to look again. */
static u64 say_farewell(u64 now)
{
	bool all = true;

	if (!load_acquire(&leaving) || has_left)
		return ~0ULL;
	for (unsigned i = 1; i < FIT_MAX_NODES; i++)
		all &= farewell_done(&fit_nodes[i]);
	if (!all)
		return now + LEAVE_LOOK_NS;
	store_release(&has_left, true);
	waitq_wake_all(&left_wait);
	return ~0ULL;
}

/* debug.break_qp: returns when to do it again */
static u64 provoke(u64 now)
{
	if (provoke_ns == 0 || load_acquire(&leaving))
		return ~0ULL;
	if (now < provoke_at)
		return provoke_at;
	provoke_at = now + provoke_ns;
	for (unsigned i = 1; i < FIT_MAX_NODES; i++)
		if (fit_nodes[i].state == NODE_UP)
			conn_provoke(fit_nodes[i].conn);
	return provoke_at;
}

static void free_unused(void)
{
	for (;;) {
		struct fit_conn *c;

		spin_lock(&note_lock);
		c = list_first(&unused, struct fit_conn, unused_link);
		if (c != NULL)
			list_del(&c->unused_link);
		spin_unlock(&note_lock);
		if (c == NULL)
			return;
		conn_release(c);
	}
}

static void handle_notes(void)
{
	for (unsigned i = 0; i < NOTES_ROUND; i++) {
		struct note *r;

		spin_lock(&note_lock);
		r = list_first(&notes, struct note, link);
		if (r != NULL)
			list_del(&r->link);
		spin_unlock(&note_lock);
		if (r == NULL)
			return;
		note_handle(r);
		if (r->conn != NULL)
			conn_put(r->conn);
		kfree(r);
	}
	member_kick();			/* there may be more */
}

/*
 * One round, begun now, which the one before wanted at `wanted`; returns when it wants the next. All of it looks by the clock of
 * its beginning: what it takes itself (notes, a node's end and who hears of it) makes the next one late, and is not a silence in this one.
 */
static u64 member_round(u64 now, u64 wanted)
{
	u64 late = wanted < now && now - wanted > LATE_NS ? now - wanted : 0;
	u64 next;

	handle_notes();
	next = MIN(say_farewell(now), provoke(now));
	for (unsigned i = 1; i < FIT_MAX_NODES; i++)
		if (fit_nodes[i].state != NODE_ABSENT)
			next = MIN(next, node_look(&fit_nodes[i], now, late));
	free_unused();
	return next;
}

static void member_thread(void *arg)
{
	u64 next = time_mono_ns();

	for (;;) {
		__atomic_store_n(&kicked, false, __ATOMIC_SEQ_CST);
		next = member_round(time_mono_ns(), next);
		(void)waitq_wait_timeout(&thread_wait, load_acquire(&kicked), next == ~0ULL ? 0 : next);
	}
}

/* --- asked by everyone --- */

struct fit_conn *fit_node_conn(unsigned node)
{
	struct fit_conn *c = NULL;
	struct fit_node *n;

	if (node == 0 || node >= FIT_MAX_NODES)
		return NULL;
	n = &fit_nodes[node];
	spin_lock(&n->lock);
	if (n->state == NODE_UP || n->state == NODE_SUSPECT) {
		c = n->conn;
		conn_get(c);
	}
	spin_unlock(&n->lock);
	return c;
}

bool fit_node_up(unsigned node)
{
	return node < FIT_MAX_NODES && (READ_ONCE(fit_nodes[node].state) == NODE_UP || READ_ONCE(fit_nodes[node].state) == NODE_SUSPECT);
}

bool fit_node_left(unsigned node)
{
	return node < FIT_MAX_NODES && READ_ONCE(fit_nodes[node].left);
}

enum node_role fit_node_role(unsigned node)
{
	return node < FIT_MAX_NODES ? READ_ONCE(fit_nodes[node].role) : ROLE_NONE;
}

bool fit_is_member(u32 ip)
{
	for (unsigned i = 1; i < FIT_MAX_NODES; i++) {
		u8 state = READ_ONCE(fit_nodes[i].state);

		if (READ_ONCE(fit_nodes[i].ip) == ip && (state == NODE_JOINING || state == NODE_UP || state == NODE_SUSPECT))
			return true;
	}
	return false;
}

u32 fit_node_ip(unsigned node) { return node < FIT_MAX_NODES ? READ_ONCE(fit_nodes[node].ip) : 0; }

const char *fit_node_name(unsigned node)
{
	return node < FIT_MAX_NODES && fit_nodes[node].name[0] ? fit_nodes[node].name : "unknown node";
}

unsigned fit_self(void)
{
	return self_id;
}

static int find_role(enum node_role role)
{
	for (unsigned i = 1; i < FIT_MAX_NODES; i++)
		if (fit_node_up(i) && READ_ONCE(fit_nodes[i].role) == role)
			return i;
	return 0;
}

unsigned fit_missing(void)
{
	for (unsigned i = 1; i < FIT_MAX_NODES; i++)
		if (fit_nodes[i].wanted && !fit_node_up(i))
			return i;
	return 0;
}

static bool all_up(void) { return fit_missing() == 0; }

int fit_wait_role(enum node_role role, u64 timeout_ns)
{
	(void)waitq_wait_timeout(&change_wait, find_role(role) != 0, timeout_ns ? time_mono_ns() + timeout_ns : 0);
	return find_role(role) ?: -ETIMEDOUT;
}

int fit_wait_down(unsigned node, u64 timeout_ns)
{
	(void)waitq_wait_timeout(&change_wait, !fit_node_up(node), timeout_ns ? time_mono_ns() + timeout_ns : 0);
	return fit_node_up(node) ? -ETIMEDOUT : 0;
}

int fit_wait_all(u64 timeout_ns)
{
	(void)waitq_wait_timeout(&change_wait, all_up(), timeout_ns ? time_mono_ns() + timeout_ns : 0);
	return all_up() ? 0 : -ETIMEDOUT;
}

void fit_on_change(void (*fn)(unsigned node, enum node_role role, bool up))
{
	BUG_ON(nr_watchers == MAX_WATCHERS);
	watcher[nr_watchers++] = fn;
}

/* --- start --- */

/* A.B.C.D into host order; *end is what stands behind it */
static int parse_ip(const char *s, u32 *ip, const char **end)
{
	u32 v = 0;

	for (unsigned i = 0; i < 4; i++) {
		u32 byte = 0;

		if (*s < '0' || *s > '9')
			return -EINVAL;
		while (*s >= '0' && *s <= '9' && byte < 256)
			byte = byte * 10 + (*s++ - '0');
		if (byte > 255 || (i < 3 && *s++ != '.'))
			return -EINVAL;
		v = v << 8 | byte;
	}
	*ip = v;
	*end = s;
	return 0;
}

static u32 parse_number(const char **s)
{
	u32 v = 0;

	while (**s >= '0' && **s <= '9' && v < 100000)
		v = v * 10 + (*(*s)++ - '0');
	return v;
}

static int parse_peers(const char *s)
{
	while (*s != '\0') {
		u32 id = parse_number(&s), ip;

		if (id == 0 || id >= FIT_MAX_NODES || id == self_id || *s++ != ':' || parse_ip(s, &ip, &s) < 0)
			return -EINVAL;
		fit_nodes[id].ip = ip;
		fit_nodes[id].wanted = true;
		snprintf(fit_nodes[id].name, sizeof(fit_nodes[id].name), "node-%u", (unsigned)id);
		fit_nodes[id].state = NODE_DOWN;
		if (*s == ',')
			s++;
		else if (*s != '\0')
			return -EINVAL;
	}
	return 0;
}

/* A farewell is repeated as long as the peer may yet be there: a cut that ends in time does not make us dead. */
static void leave(void)
{
	u64 patience = MIN(fit_dead_ns, LEAVE_MAX_NS) + NSEC_PER_SEC / 2;

	store_release(&leaving, true);
	member_kick();
	(void)waitq_wait_timeout(&left_wait, load_acquire(&has_left), time_mono_ns() + patience);
	thread_sleep_ns(5 * NSEC_PER_MSEC);	/* the last answer to theirs has to get out of the door */
}

/* Calls go on as they do when a peer is silent: the link may be up again before anybody is called dead. */
static void port_event(enum roce_port_event ev, void *arg)
{
	if (ev == ROCE_PORT_ERR)
		pr_warn("fit: this node's link is down: nothing passes");
	else
		pr_info("fit: this node's link is up again");
}
static struct roce_port_watch port_watch = { .fn = port_event };

int fit_init(enum node_role role, const struct rpc_op *ops, unsigned nr_ops)
{
	const char *addr = param_str("fit.ip", NULL), *secret = param_str("fit.key", "tangram");
	u32 ip, prefix = 24;
	int rc;

	fit_ops = ops;
	fit_nr_ops = nr_ops;
	self_role = role;
	self_id = param_u64("fit.node", role, 1, FIT_MAX_NODES - 2);
	self_incarnation = arch_random();
	protocol_hash = ops_hash();
	path_mtu = param_u64("fit.mtu", 4096, 256, 4096);
	fit_suspect_ns = param_ns("fit.suspect", NSEC_PER_SEC, 10 * NSEC_PER_MSEC, 3600 * NSEC_PER_SEC);
	fit_dead_ns = param_ns("fit.dead", 2 * NSEC_PER_SEC, 50 * NSEC_PER_MSEC, 3600 * NSEC_PER_SEC);
	provoke_ns = param_ns("debug.break_qp", 0, 0, 3600 * NSEC_PER_SEC);
	if (IS_ENABLED(CONFIG_DEBUG)) {		/* as a node of another build would be */
		self_version = FIT_VERSION + param_u64("debug.version", 0, 0, 1000);
		protocol_hash += param_u64("debug.protocol", 0, 0, 1000);
	}
	/* the secret, whatever its length, spread over the key */
	key.k0 = siphash(&key, secret, strlen(secret));
	key.k1 = siphash(&key, secret, strlen(secret));
	counters_register(&fit_counters);
	call_init();
	took_init();
	for (unsigned i = 0; i < FIT_MAX_NODES; i++) {
		fit_nodes[i].id = i;
		spin_init(&fit_nodes[i].lock, "fit node", RANK_FIT_NODE);
		waitq_init(&fit_nodes[i].slot_wait);
		waitq_init(&fit_nodes[i].drain_wait);
	}
	if (addr == NULL || parse_ip(addr, &ip, &addr) < 0 || (*addr != '\0' && *addr != '/')) {
		pr_err("fit: fit.ip=A.B.C.D/LEN is missing or not an address");
		return -EINVAL;
	}
	if (*addr == '/') {
		addr++;
		prefix = parse_number(&addr);
	}
	if (parse_peers(param_str("fit.peers", "")) < 0) {
		pr_err("fit: fit.peers=ID:A.B.C.D,... cannot be read: %s", param_str("fit.peers", ""));
		return -EINVAL;
	}
	rc = roce_init(ip, prefix);
	if (rc < 0) {
		pr_err("fit: no network: %s", errno_name(rc));
		return rc;
	}
	roce_watch_port(&port_watch);
	return serve_init();
}

void fit_start(void)
{
	if (roce_cm_listen(FIT_SERVICE_ID, cm_event, NULL) < 0 || roce_cm_listen(FIT_KNOCK_ID, knock_heard, NULL) < 0 ||
	    thread_spawn(member_thread, NULL, PRIO_HIGH, "fit-member") < 0)
		panic("fit: no memory to start");
	power_on_shutdown(leave);
}
