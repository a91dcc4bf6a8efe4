/* SPDX-License-Identifier: MIT */
/*
 * Connection manager: REQ, REP, RTU, REJ, MRA, DREQ, DREP, SIDR_REQ and SIDR_REP over QP 1, with repetition and duplicates (InfiniBand Architecture
 * Specification 12.9), and the way of a connection's QP from RESET to RTS and to ERR.
 *
 * Messages that arrive are queued by the receive path; everything happens in the transport thread or in a caller of the API,
 * and every event is delivered by the transport thread: for one id events come one after the other. No lock is held over a
 * callback.
 */
#include "arch/x86/platform.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "net/roce/cm_mad.h"
#include "net/roce/roce_impl.h"

#define CM_REPEAT_NS	(300 * NSEC_PER_MSEC)
#define CM_TRIES	5
#define CM_TIMEOUT_CODE	18			/* what we tell peers about our response time: 1.07 s */
#define CM_MRA_CODE	20			/* 4.3 s for a user who thinks about it */
#define CM_TIMEWAIT_NS	(500 * NSEC_PER_MSEC)
#define CM_QUEUE	64			/* messages received and not yet looked at */
#define CM_MAX_IDS	1024			/* connections, half-open ones included */

/* --- states ------------------------------------------------------------------------------------------------ */

#define CM_STATES(X)									\
	X(IDLE)		/* being made, or everything said; waits for its user */	\
	X(REQ_SENT)	/* active: waits for REP, REJ or MRA */				\
	X(REQ_RCVD)	/* passive: our user is to accept or reject */			\
	X(REP_SENT)	/* passive: waits for RTU, or for the first request */		\
	X(ESTABLISHED)	/* the QP is in RTS */						\
	X(DREQ_SENT)	/* waits for DREP */						\
	X(TIMEWAIT)	/* over; still answers the peer's repetitions */	\
	X(SIDR_SENT)	/* waits for SIDR_REP */

#define CM_ENUM(s) CMS_##s,
#define CM_NAME(s) #s,
#define CM_BIT(s) (1U << CMS_##s)
enum cm_state { CM_STATES(CM_ENUM) NR_CMS };
static const char *const cm_state_name[] = { CM_STATES(CM_NAME) };
static const u8 cm_next[NR_CMS] = {		/* states that may follow */
	[CMS_IDLE]	  = CM_BIT(REQ_SENT) | CM_BIT(REQ_RCVD) | CM_BIT(SIDR_SENT),
	[CMS_REQ_SENT]	  = CM_BIT(ESTABLISHED) | CM_BIT(IDLE),
	[CMS_REQ_RCVD]	  = CM_BIT(REP_SENT) | CM_BIT(IDLE),
	[CMS_REP_SENT]	  = CM_BIT(ESTABLISHED) | CM_BIT(IDLE) | CM_BIT(TIMEWAIT),
	[CMS_ESTABLISHED] = CM_BIT(DREQ_SENT) | CM_BIT(TIMEWAIT) | CM_BIT(IDLE),
	[CMS_DREQ_SENT]	  = CM_BIT(TIMEWAIT),
	[CMS_TIMEWAIT]	  = CM_BIT(IDLE),
	[CMS_SIDR_SENT]	  = CM_BIT(IDLE),
};

struct cm_id {
	struct roce_dev *dev;		/* [I] */
	struct list link;		/* [lock] */
	refcount_t refs;		/* the user's, the table's, whoever looks at it */
	u8 state;			/* [lock] see cm_step() */
	bool active;			/* [I] */
	bool closed;			/* [lock] its user is gone: no more events */
	bool asked_to_wait;		/* [lock] REQ_RCVD: an MRA was sent */
	bool parted;			/* [lock] a DREQ of ours was sent */
	bool heard;			/* [lock] the peer's DREQ: our user was told of it */
	struct thread *in_callback;	/* [lock] */
	u32 local_id, remote_id;	/* [I], [lock] */
	u32 peer_ip;			/* [I] */
	u64 tid;			/* [lock] of the exchange in progress */
	cm_handler fn;			/* [lock] */
	void *arg;
	u32 qpn, remote_qpn;		/* [lock] the QP by number: it is its owner's to destroy */
	struct roce_qp_attr attr;	/* [lock] for the QP; sq_psn is the peer's wish, rq_psn ours */
	u8 mad[MAD_LEN];		/* [lock] the last message sent, for repetition */
	u64 due;			/* [lock] when to repeat it or give up; 0: nothing to wait for */
	unsigned tries;
};

struct cm_listener {
	u64 service_id;
	cm_handler fn;
	void *arg;
};

struct mad_in {
	u32 src_ip;
	u8 mad[MAD_LEN];
};

struct roce_cm {
	struct roce_dev *dev;
	struct spinlock lock;
	struct list ids;		/* [lock] */
	unsigned nr_ids;
	u32 next_id;
	atomic_t psn;			/* of QP 1 */
	struct cm_listener listener[16];
	unsigned nr_listeners;
	struct spinlock queue_lock;
	struct mad_in queue[CM_QUEUE];	/* [queue_lock] */
	u32 q_head, q_tail;
};

static void cm_step(struct cm_id *id, enum cm_state to)		/* sole writer of id->state */
{
	assert_held(&id->dev->cm->lock);
	if (!(cm_next[id->state] & 1U << to))
		panic("cm: %s after %s", cm_state_name[to], cm_state_name[id->state]);
	id->state = to;
	id->due = 0;
	id->tries = 0;
}

/* --- ids ----------------------------------------------------------------------------------------------------- */

static void id_put(struct cm_id *id)
{
	if (ref_put(&id->refs))
		kfree(id);
}

static struct cm_id *id_new(struct roce_cm *cm, bool active, u32 peer_ip)
{
	struct cm_id *id = kzalloc(sizeof(*id));

	if (id == NULL)
		return NULL;
	id->dev = cm->dev;
	id->active = active;
	id->peer_ip = peer_ip;
	list_init(&id->link);
	ref_init(&id->refs, 2);		/* the user's and the table's */
	spin_lock(&cm->lock);
	if (cm->nr_ids >= CM_MAX_IDS) {
		spin_unlock(&cm->lock);
		kfree(id);
		return NULL;
	}
	cm->nr_ids++;
	id->local_id = cm->next_id++;
	list_add_tail(&cm->ids, &id->link);
	spin_unlock(&cm->lock);
	return id;
}

/* Out of the table, if it is over and its user gone. The caller holds a reference. */
static void id_reap(struct cm_id *id)
{
	struct roce_cm *cm = id->dev->cm;
	bool gone;

	spin_lock(&cm->lock);
	gone = id->closed && (id->state == CMS_IDLE) && list_linked(&id->link);
	if (gone) {
		list_del(&id->link);
		cm->nr_ids--;
	}
	spin_unlock(&cm->lock);
	if (gone)
		id_put(id);
}

static struct cm_id *id_find(struct roce_cm *cm, u32 local_id, u32 peer_ip)
{
	struct cm_id *id;

	assert_held(&cm->lock);
	list_for_each(id, &cm->ids, link) {
		if (id->local_id == local_id && id->peer_ip == peer_ip)
			return id;
	}
	return NULL;
}

/* The connection of the peer's own id, made by a REQ of the peer. */
static struct cm_id *id_find_passive(struct roce_cm *cm, u32 remote_id, u32 peer_ip)
{
	struct cm_id *id;

	assert_held(&cm->lock);
	list_for_each(id, &cm->ids, link) {
		if (!id->active && id->remote_id == remote_id && id->peer_ip == peer_ip && id->state != CMS_IDLE)
			return id;
	}
	return NULL;
}

/* A connection to a queue pair of the peer's that now wants another: it forgot the first (12.9.8.3.1). */
static struct cm_id *id_find_stale(struct roce_cm *cm, u32 remote_qpn, u32 peer_ip)
{
	struct cm_id *id;

	assert_held(&cm->lock);
	list_for_each(id, &cm->ids, link) {
		if (id->state == CMS_ESTABLISHED && id->remote_qpn == remote_qpn && id->peer_ip == peer_ip)
			return id;
	}
	return NULL;
}

/* Tell the user, from the transport thread alone. Nothing is told once the id is closed. */
static void deliver(struct cm_id *id, struct cm_event *ev)
{
	struct roce_cm *cm = id->dev->cm;
	cm_handler fn;
	void *arg;

	spin_lock(&cm->lock);
	fn = id->closed ? NULL : id->fn;
	arg = id->arg;
	id->in_callback = thread_current();
	spin_unlock(&cm->lock);
	ev->id = id;
	ev->peer_ip = id->peer_ip;
	if (fn != NULL)
		fn(ev, arg);
	spin_lock(&cm->lock);
	id->in_callback = NULL;
	spin_unlock(&cm->lock);
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

static void send_mad(struct roce_cm *cm, u32 ip, const u8 *mad)
{
	count(nr_roce_cm_tx);
	roce_send_gsi(cm->dev, ip, atomic_inc_return(&cm->psn), mad, MAD_LEN);
}

static void send_msg(struct roce_cm *cm, u32 ip, const struct cm_msg *m)
{
	u8 mad[MAD_LEN];

	cm_mad_build(mad, m);
	send_mad(cm, ip, mad);
}

/* A message that is repeated until it is answered. */
static void send_and_wait(struct cm_id *id, const struct cm_msg *m)
{
	assert_held(&id->dev->cm->lock);
	cm_mad_build(id->mad, m);
	id->tries = 1;
	id->due = time_mono_ns() + CM_REPEAT_NS;
	send_mad(id->dev->cm, id->peer_ip, id->mad);
	roce_kick_at(id->dev, id->due);
}

static void send_rej(struct cm_id *id, u8 about, u16 reason, const void *private_data, u32 private_len)
{
	send_msg(id->dev->cm, id->peer_ip, &(struct cm_msg){
		.attr = CM_REJ, .tid = id->tid, .local_id = id->local_id, .remote_id = id->remote_id, .about = about,
		.reason = reason, .private_data = private_data, .private_len = private_len,
	});
}

static void send_dreq(struct cm_id *id, const void *private_data, u32 private_len)
{
	cm_step(id, CMS_DREQ_SENT);
	id->parted = true;
	id->tid = (u64)id->local_id << 32 | CM_DREQ;
	send_and_wait(id, &(struct cm_msg){
		.attr = CM_DREQ, .tid = id->tid, .local_id = id->local_id, .remote_id = id->remote_id,
		.remote_qpn = id->remote_qpn, .private_data = private_data, .private_len = private_len,
	});
}

/* The QP is of no use any more: both ends are told. */
static void broke(struct roce_cm *cm, struct cm_id *id)
{
	struct cm_event ev = { .type = CM_DISCONNECTED };

	spin_lock(&cm->lock);
	if (id->state != CMS_ESTABLISHED) {
		spin_unlock(&cm->lock);
		return;
	}
	send_dreq(id, NULL, 0);
	spin_unlock(&cm->lock);
	deliver(id, &ev);
}

static void qp_error_by_number(struct roce_dev *dev, u32 qpn)
{
	struct roce_qp *qp = qpn == 0 ? NULL : qp_find(dev, qpn);

	if (qp == NULL)
		return;
	roce_qp_error(qp);
	qp_put(qp);
}

/* --- what arrives ------------------------------------------------------------------------------------------------ */

static void refuse(struct roce_cm *cm, u32 ip, const struct cm_msg *m, u8 about, u16 reason)
{
	send_msg(cm, ip, &(struct cm_msg){
		.attr = CM_REJ, .tid = m->tid, .local_id = 0, .remote_id = m->local_id, .about = about, .reason = reason,
	});
}

static bool is_datagram(u64 service_id) { return service_id >> 16 == ROCE_PS_UDP(0) >> 16; }

/* What precedes the user's bytes for an IP service may be of a version, of its own or of IP, that we do not know (A11.3). */
static bool private_data_known(const struct cm_msg *m) { return m->ip_service || !cm_service_is_ip(m->service_id); }

/* A REQ finds only services of connections, a SIDR_REQ only those of datagrams. */
static struct cm_listener listener_find(struct roce_cm *cm, u64 service_id, bool datagram)
{
	struct cm_listener l = { 0 };

	assert_held(&cm->lock);
	for (unsigned i = 0; i < cm->nr_listeners; i++) {
		if (cm->listener[i].service_id == service_id && is_datagram(service_id) == datagram)
			l = cm->listener[i];
	}
	return l;
}

/* Which datagram QP serves this? The answer is given at once and nothing is kept: one that is lost is asked for again (12.11). */
static void got_sidr_req(struct roce_cm *cm, u32 ip, const struct cm_msg *m)
{
	struct cm_sidr sidr = { .status = 2 };
	struct cm_event ev = {
		.type = CM_SIDR_RECEIVED, .peer_ip = ip, .private_data = m->private_data, .private_len = m->private_len, .sidr = &sidr,
	};
	struct cm_listener l;

	spin_lock(&cm->lock);
	l = listener_find(cm, m->service_id, true);
	spin_unlock(&cm->lock);
	ev.listener_arg = l.arg;
	if (l.fn == NULL)
		sidr.status = 1;
	else if (roce_pkey_ours(m->pkey) && private_data_known(m))
		l.fn(&ev, l.arg);
	send_msg(cm, ip, &(struct cm_msg){
		.attr = CM_SIDR_REP, .tid = m->tid, .local_id = m->local_id, .service_id = m->service_id, .sidr_status = sidr.status,
		.qpn = sidr.qpn, .qkey = sidr.qkey,
	});
}

static void got_sidr_rep(struct roce_cm *cm, u32 ip, const struct cm_msg *m)
{
	struct cm_sidr sidr = { m->sidr_status, m->qpn, m->qkey };
	struct cm_event ev = {
		.type = m->sidr_status == 0 ? CM_SIDR_RESOLVED : CM_REJECTED, .reason = m->sidr_status,
		.private_data = m->private_data, .private_len = m->private_len, .sidr = &sidr,
	};
	struct cm_id *id;

	spin_lock(&cm->lock);
	id = id_find(cm, m->local_id, ip);
	if (id == NULL || id->state != CMS_SIDR_SENT) {
		spin_unlock(&cm->lock);
		count(nr_roce_cm_stray);
		return;
	}
	ref_get(&id->refs);
	cm_step(id, CMS_IDLE);
	spin_unlock(&cm->lock);
	deliver(id, &ev);
	id_reap(id);
	id_put(id);
}

/* The REQ is refused, and what it shows to be left over is ended here too; then the peer's next one finds room. */
static void got_stale_req(struct roce_cm *cm, u32 ip, struct cm_id *stale, const struct cm_msg *m)
{
	refuse(cm, ip, m, 0, CM_REJ_STALE);
	broke(cm, stale);
	qp_error_by_number(cm->dev, stale->qpn);
	id_reap(stale);
	id_put(stale);
}

/* The user takes its time: the peer shall not repeat its REQ. */
static void send_mra(struct cm_id *id)
{
	assert_held(&id->dev->cm->lock);
	id->asked_to_wait = true;
	send_msg(id->dev->cm, id->peer_ip, &(struct cm_msg){
		.attr = CM_MRA, .tid = id->tid, .local_id = id->local_id, .remote_id = id->remote_id, .about = 0,
		.service_timeout = CM_MRA_CODE,
	});
}

static void got_req(struct roce_cm *cm, u32 ip, const struct cm_msg *m)
{
	struct cm_listener l;
	struct cm_event ev = {
		.type = CM_REQ_RECEIVED, .responder_resources = m->responder_resources, .initiator_depth = m->initiator_depth,
		.private_data = m->private_data, .private_len = m->private_len,
	};
	struct cm_id *id;
	u8 gid[16];

	(void)roce_dev_gid(cm->dev, ROCE_GID_IPV4, gid);
	spin_lock(&cm->lock);
	id = id_find_passive(cm, m->local_id, ip);
	if (id != NULL) {			/* it came twice: so does the answer, if there is one yet */
		if (id->state == CMS_REP_SENT)
			send_mad(cm, ip, id->mad);
		else if (id->state == CMS_REQ_RCVD && id->asked_to_wait)	/* that was lost */
			send_mra(id);
		spin_unlock(&cm->lock);
		return;
	}
	id = id_find_stale(cm, m->qpn, ip);
	if (id != NULL)
		ref_get(&id->refs);
	l = listener_find(cm, m->service_id, false);
	spin_unlock(&cm->lock);
	if (id != NULL) {
		got_stale_req(cm, ip, id, m);
		return;
	}
	if (l.fn == NULL) {
		refuse(cm, ip, m, 0, CM_REJ_INVALID_SERVICE);
		return;
	}
	if (m->transport != 0) {
		refuse(cm, ip, m, 0, CM_REJ_TRANSPORT);
		return;
	}
	if (!roce_pkey_ours(m->pkey)) {			/* table 111 has no reason of its own for that */
		refuse(cm, ip, m, 0, CM_REJ_UNSUPPORTED);
		return;
	}
	if (!private_data_known(m)) {			/* as Linux does */
		refuse(cm, ip, m, 0, CM_REJ_CONSUMER);
		return;
	}
	if (memcmp(m->remote_gid, gid, sizeof(gid)) != 0) {	/* another GID of ours, which packets do not go to */
		refuse(cm, ip, m, 0, CM_REJ_GID);
		return;
	}
	if (roce_mtu_of_code(m->path_mtu) == 0 || roce_mtu_of_code(m->path_mtu) > cm->dev->max_mtu) {
		refuse(cm, ip, m, 0, CM_REJ_PATH_MTU);
		return;
	}
	id = id_new(cm, false, ip);
	if (id == NULL) {
		refuse(cm, ip, m, 0, CM_REJ_NO_RESOURCES);
		return;
	}
	spin_lock(&cm->lock);
	ref_get(&id->refs);
	cm_step(id, CMS_REQ_RCVD);
	id->remote_id = m->local_id;
	id->tid = m->tid;
	id->remote_qpn = m->qpn;
	id->fn = l.fn;
	id->arg = l.arg;
	id->attr = (struct roce_qp_attr){
		.remote_ip = ip, .remote_qpn = m->qpn, .mtu = roce_mtu_of_code(m->path_mtu), .sq_psn = m->psn,
		.rq_psn = arch_random() & PSN_MASK, .retry_count = m->retry_count, .rnr_retry = m->rnr_retry,
		.rd_out = m->responder_resources, .rd_in = m->initiator_depth, .gate = true, .flow_control = m->flow_control,
	};
	spin_unlock(&cm->lock);
	ev.listener_arg = l.arg;
	deliver(id, &ev);
	spin_lock(&cm->lock);
	if (id->state == CMS_REQ_RCVD && !id->closed)
		send_mra(id);
	spin_unlock(&cm->lock);
	id_reap(id);
	id_put(id);
}

static void send_rtu(struct cm_id *id)
{
	send_msg(id->dev->cm, id->peer_ip, &(struct cm_msg){
		.attr = CM_RTU, .tid = id->tid, .local_id = id->local_id, .remote_id = id->remote_id,
	});
}

static int qp_up(struct cm_id *id)
{
	struct roce_qp *qp = qp_find(id->dev, id->qpn);
	int rc;

	if (qp == NULL)
		return -ENOENT;
	rc = roce_qp_to_rtr(qp, &id->attr);
	if (rc == 0)
		rc = roce_qp_to_rts(qp);
	qp_put(qp);
	return rc;
}

static void got_rep(struct roce_cm *cm, struct cm_id *id, const struct cm_msg *m)
{
	struct cm_event ev = { .type = CM_ESTABLISHED, .private_data = m->private_data, .private_len = m->private_len };

	spin_lock(&cm->lock);
	if (id->state == CMS_ESTABLISHED && id->active) {	/* our RTU was lost */
		if (id->remote_id == m->local_id)
			send_rtu(id);
		spin_unlock(&cm->lock);
		return;
	}
	if (id->state != CMS_REQ_SENT) {
		spin_unlock(&cm->lock);
		return;
	}
	id->remote_id = m->local_id;
	id->remote_qpn = id->attr.remote_qpn = m->qpn;
	id->attr.sq_psn = m->psn;
	id->attr.rd_out = MIN(id->attr.rd_out, m->responder_resources);
	id->attr.rnr_retry = m->rnr_retry;
	id->attr.flow_control = id->attr.flow_control && m->flow_control;
	spin_unlock(&cm->lock);
	if (qp_up(id) < 0) {		/* its owner put it into error, or destroyed it, meanwhile */
		spin_lock(&cm->lock);
		send_rej(id, 1, CM_REJ_CONSUMER, NULL, 0);
		if (id->state == CMS_REQ_SENT)
			cm_step(id, CMS_IDLE);
		spin_unlock(&cm->lock);
		ev.type = CM_UNREACHABLE;
		deliver(id, &ev);
		return;
	}
	spin_lock(&cm->lock);
	if (id->state != CMS_REQ_SENT) {			/* closed meanwhile */
		spin_unlock(&cm->lock);
		return;
	}
	cm_step(id, CMS_ESTABLISHED);
	send_rtu(id);
	spin_unlock(&cm->lock);
	deliver(id, &ev);
}

/* Passive side: the RTU came, or a request on the QP, which says as much. */
static void passive_up(struct roce_cm *cm, struct cm_id *id, const struct cm_msg *m)
{
	struct cm_event ev = { .type = CM_ESTABLISHED };
	struct roce_qp *qp;

	if (m != NULL) {
		ev.private_data = m->private_data;
		ev.private_len = m->private_len;
	}
	spin_lock(&cm->lock);
	if (id->state != CMS_REP_SENT) {
		spin_unlock(&cm->lock);
		return;
	}
	cm_step(id, CMS_ESTABLISHED);
	spin_unlock(&cm->lock);
	qp = qp_find(id->dev, id->qpn);
	if (qp == NULL || roce_qp_to_rts(qp) < 0) {
		if (qp != NULL)
			qp_put(qp);
		spin_lock(&cm->lock);
		if (id->state == CMS_ESTABLISHED)
			send_dreq(id, NULL, 0);
		spin_unlock(&cm->lock);
		ev.type = CM_DISCONNECTED;
		deliver(id, &ev);
		return;
	}
	deliver(id, &ev);
	roce_qp_open_gate(qp);		/* requests only from here on: the user knows of the connection */
	qp_put(qp);
}

/*
 * Does it end this? A peer that rejects what finds nobody there has no id to name, 0. One that gives up before it was answered may know none
 * of ours (12.6.7), or that of our MRA.
 */
static bool rej_concerns(const struct cm_id *id, const struct cm_msg *m)
{
	if (m->local_id != 0 && id->remote_id != 0 && m->local_id != id->remote_id)
		return false;
	switch (id->state) {
	case CMS_REQ_RCVD:
	case CMS_REQ_SENT:
	case CMS_REP_SENT:
		return true;
	case CMS_ESTABLISHED:		/* about 0, our REQ: it came twice, and the other one was accepted */
		return m->remote_id != 0 && m->about != 0;
	default:
		return false;
	}
}

static void got_rej(struct roce_cm *cm, struct cm_id *id, const struct cm_msg *m)
{
	struct cm_event ev = {
		.type = CM_REJECTED, .reason = m->reason, .private_data = m->private_data, .private_len = m->private_len,
	};
	u32 qpn;

	spin_lock(&cm->lock);
	if (!rej_concerns(id, m)) {
		spin_unlock(&cm->lock);
		count(nr_roce_cm_stray);
		return;
	}
	if (id->state == CMS_REQ_RCVD) {	/* its user has yet to answer, and learns of it then: roce_cm_accept() */
		cm_step(id, CMS_IDLE);
		spin_unlock(&cm->lock);
		return;
	}
	if (id->state == CMS_ESTABLISHED)
		ev.type = CM_DISCONNECTED;
	cm_step(id, CMS_IDLE);
	qpn = id->qpn;
	spin_unlock(&cm->lock);
	if (!id->active || ev.type == CM_DISCONNECTED)
		qp_error_by_number(cm->dev, qpn);
	deliver(id, &ev);
}

/* Whose owner does not give up for want of an answer says farewell until it is answered, or its owner has done with it. */
static bool patient(const struct cm_id *id)
{
	return id->state == CMS_DREQ_SENT && id->attr.persist && !id->closed;
}

/*
 * Two that part at once: the DREQs cross, and what the peer's says is told all the same, once. Of those who persist: each goes on saying its
 * own until that is answered, for it may be lost.
 */
static bool crossed(const struct cm_id *id) { return id->attr.persist && id->parted; }

static void got_dreq(struct roce_cm *cm, u32 ip, struct cm_id *id, const struct cm_msg *m)
{
	struct cm_event ev = { .type = CM_DISCONNECTED, .private_data = m->private_data, .private_len = m->private_len };
	bool up = false, tell = false;

	if (id != NULL && READ_ONCE(id->qpn) != m->remote_qpn) {	/* of another connection that had this id (12.6.10) */
		count(nr_roce_cm_stray);
		return;
	}
	/* answered in any case: the peer may repeat it long after we forgot */
	send_msg(cm, ip, &(struct cm_msg){
		.attr = CM_DREP, .tid = m->tid, .local_id = m->remote_id, .remote_id = m->local_id,
	});
	if (id == NULL)
		return;
	spin_lock(&cm->lock);
	if (id->remote_id == m->local_id) {
		up = id->state == CMS_ESTABLISHED || id->state == CMS_REP_SENT;
		tell = up || (crossed(id) && !id->heard);
		id->heard |= tell;
		if (up || (id->state == CMS_DREQ_SENT && !patient(id))) {
			cm_step(id, CMS_TIMEWAIT);
			id->due = time_mono_ns() + CM_TIMEWAIT_NS;
			roce_kick_at(id->dev, id->due);
		}
	}
	spin_unlock(&cm->lock);
	if (up)
		qp_error_by_number(cm->dev, id->qpn);
	if (tell)
		deliver(id, &ev);
}

static void handle(struct roce_cm *cm, const struct mad_in *in)
{
	struct cm_msg m;
	struct cm_id *id;

	if (!cm_mad_parse(in->mad, &m)) {
		count(nr_roce_drop_mad);
		return;
	}
	count(nr_roce_cm_rx);
	if (m.attr == CM_REQ) {
		got_req(cm, in->src_ip, &m);
		return;
	}
	if (m.attr == CM_SIDR_REQ) {
		got_sidr_req(cm, in->src_ip, &m);
		return;
	}
	if (m.attr == CM_SIDR_REP) {
		got_sidr_rep(cm, in->src_ip, &m);
		return;
	}
	spin_lock(&cm->lock);
	if (m.attr == CM_REJ && m.remote_id == 0)
		id = id_find_passive(cm, m.local_id, in->src_ip);
	else
		id = id_find(cm, m.remote_id, in->src_ip);
	if (id != NULL)
		ref_get(&id->refs);
	spin_unlock(&cm->lock);
	if (m.attr == CM_DREQ) {
		got_dreq(cm, in->src_ip, id, &m);
	} else if (id == NULL) {
		count(nr_roce_cm_stray);
		if (m.attr == CM_REP)
			refuse(cm, in->src_ip, &m, 1, CM_REJ_INVALID_ID);
	} else {
		switch (m.attr) {
		case CM_REP:
			got_rep(cm, id, &m);
			break;
		case CM_RTU:
			if (id->remote_id == m.local_id)
				passive_up(cm, id, &m);
			break;
		case CM_REJ:
			got_rej(cm, id, &m);
			break;
		case CM_MRA:
			spin_lock(&cm->lock);
			if (id->state == CMS_REQ_SENT || id->state == CMS_REP_SENT) {
				id->due = time_mono_ns() + roce_timeout_ns(MIN(m.service_timeout, 22)) + CM_REPEAT_NS;
				id->tries = 1;
			}
			spin_unlock(&cm->lock);
			break;
		case CM_DREP:
			spin_lock(&cm->lock);
			if (id->state == CMS_DREQ_SENT && id->remote_id == m.local_id) {
				cm_step(id, CMS_TIMEWAIT);
				id->due = time_mono_ns() + CM_TIMEWAIT_NS;
			}
			spin_unlock(&cm->lock);
			break;
		}
	}
	if (id != NULL) {
		id_reap(id);
		id_put(id);
	}
}

void cm_receive(struct roce_dev *dev, u32 src_ip, u32 src_qpn, const void *mad, u32 len)
{
	struct roce_cm *cm = dev->cm;
	bool ok = false;

	if (src_qpn == ROCE_GSI_QPN && len == MAD_LEN) {
		spin_lock(&cm->queue_lock);
		if (cm->q_head - cm->q_tail < CM_QUEUE) {
			struct mad_in *in = &cm->queue[cm->q_head++ % CM_QUEUE];

			in->src_ip = src_ip;
			memcpy(in->mad, mad, MAD_LEN);
			ok = true;
		}
		spin_unlock(&cm->queue_lock);
	}
	if (ok)
		roce_kick(dev);
	else
		count(nr_roce_drop_mad);
}

/* --- rounds of the transport thread --------------------------------------------------------------------------------- */

static bool next_mad(struct roce_cm *cm, struct mad_in *in)
{
	bool any;

	spin_lock(&cm->queue_lock);
	any = cm->q_head != cm->q_tail;
	if (any)
		*in = cm->queue[cm->q_tail++ % CM_QUEUE];
	spin_unlock(&cm->queue_lock);
	return any;
}

/* Nobody answered in all tries. */
static void gave_up(struct roce_cm *cm, struct cm_id *id)
{
	struct cm_event ev = { .type = CM_UNREACHABLE };
	u32 qpn = 0;

	spin_lock(&cm->lock);
	switch (id->state) {
	case CMS_REQ_SENT:
		send_rej(id, 0, CM_REJ_TIMEOUT, NULL, 0);
		cm_step(id, CMS_IDLE);
		break;
	case CMS_REP_SENT:
		send_rej(id, 1, CM_REJ_TIMEOUT, NULL, 0);
		cm_step(id, CMS_IDLE);
		qpn = id->qpn;
		break;
	case CMS_SIDR_SENT:
		cm_step(id, CMS_IDLE);
		break;
	case CMS_DREQ_SENT:
		cm_step(id, CMS_TIMEWAIT);
		id->due = time_mono_ns() + CM_TIMEWAIT_NS;
		spin_unlock(&cm->lock);
		return;
	default:
		spin_unlock(&cm->lock);
		return;
	}
	spin_unlock(&cm->lock);
	qp_error_by_number(cm->dev, qpn);
	deliver(id, &ev);
}

/* Nobody answers: what is known of the peer's link address may be wrong (ARP has no checksum). */
static void ask_neighbour(struct roce_cm *cm, u32 ip)
{
	struct netif *nif = cm->dev->nif;
	struct neighbour *n = neighbour_get(nif, ip);

	if (n == NULL)
		return;
	neighbour_ask(nif, n);
	neighbour_put(nif, n);
}

/* One id's turn: its timer, and what its QP has to tell. The caller holds a reference. */
static void id_run(struct roce_cm *cm, struct cm_id *id, u64 now)
{
	struct roce_qp *qp;
	bool late = false;

	spin_lock(&cm->lock);
	if (id->due != 0 && now >= id->due) {
		id->due = 0;
		if (id->state == CMS_TIMEWAIT) {
			cm_step(id, CMS_IDLE);
		} else if (id->tries >= CM_TRIES && !patient(id)) {
			late = true;
		} else {
			id->tries++;
			id->due = now + CM_REPEAT_NS;
			ask_neighbour(cm, id->peer_ip);
			send_mad(cm, id->peer_ip, id->mad);
		}
	}
	spin_unlock(&cm->lock);
	if (late)
		gave_up(cm, id);
	if (id->state == CMS_REP_SENT || id->state == CMS_ESTABLISHED) {
		qp = qp_find(cm->dev, id->qpn);
		if (qp != NULL) {
			bool up = __atomic_load_n(&qp->established, __ATOMIC_ACQUIRE);
			bool bad = __atomic_load_n(&qp->broken, __ATOMIC_ACQUIRE);

			qp_put(qp);
			if (up && id->state == CMS_REP_SENT)
				passive_up(cm, id, NULL);
			if (bad)
				broke(cm, id);
		}
	}
	id_reap(id);
}

u64 cm_run(struct roce_dev *dev, u64 now)
{
	struct roce_cm *cm = dev->cm;
	struct mad_in in;
	struct cm_id *id, *next;
	u64 due = ~0ULL;

	for (unsigned n = 0; n < CM_QUEUE && next_mad(cm, &in); n++)	/* what came meanwhile has asked for another round */
		handle(cm, &in);
	spin_lock(&cm->lock);
	id = list_first(&cm->ids, struct cm_id, link);
	if (id != NULL)
		ref_get(&id->refs);
	while (id != NULL) {
		spin_unlock(&cm->lock);
		id_run(cm, id, now);
		spin_lock(&cm->lock);
		if (id->due != 0)
			due = MIN(due, id->due);
		/* an id that left the table points to itself: the rest waits for the next round, which is now */
		if (!list_linked(&id->link)) {
			next = NULL;
			due = list_empty(&cm->ids) ? due : now;
		} else {
			next = id->link.next == &cm->ids ? NULL : list_entry(id->link.next, struct cm_id, link);
		}
		if (next != NULL)
			ref_get(&next->refs);
		spin_unlock(&cm->lock);
		id_put(id);
		spin_lock(&cm->lock);
		id = next;
	}
	spin_unlock(&cm->lock);
	return due;
}

/* --- what users call -------------------------------------------------------------------------------------------------- */

int roce_dev_cm_listen(struct roce_dev *dev, u64 service_id, cm_handler fn, void *arg)
{
	struct roce_cm *cm = dev->cm;
	int rc = 0;

	spin_lock(&cm->lock);
	for (unsigned i = 0; i < cm->nr_listeners; i++) {
		if (cm->listener[i].service_id == service_id)
			rc = -EADDRINUSE;
	}
	if (rc == 0 && cm->nr_listeners == ARRAY_SIZE(cm->listener))
		rc = -ENOBUFS;
	if (rc == 0)
		cm->listener[cm->nr_listeners++] = (struct cm_listener){ service_id, fn, arg };
	spin_unlock(&cm->lock);
	return rc;
}

/*
 * What the user's parameters make of the QP's attributes. The retry counts are wishes for the peer's QP (12.7.38, 12.7.39): those
 * of our own came with the REQ, or, how often a receiver may not be ready, come with the REP.
 */
static void attr_user(struct roce_qp_attr *a, const struct cm_conn_param *p)
{
	a->ack_timeout_ns = p->ack_timeout_ns;
	a->ack_every = p->ack_every;
	a->persist = p->persist;
	a->flow_control = a->flow_control && p->flow_control;	/* of both */
}

struct cm_id *roce_cm_connect(u32 ip, u64 service_id, const struct cm_conn_param *p, cm_handler fn, void *arg)
{
	struct roce_dev *dev = p->qp->dev;
	struct roce_cm *cm = dev->cm;
	struct cm_id *id = id_new(cm, true, ip);
	u32 mtu = dev->max_mtu;
	u8 local_gid[16], remote_gid[16];

	if (id == NULL)
		return NULL;
	(void)roce_dev_gid(dev, ROCE_GID_IPV4, local_gid);
	roce_gid_ipv4(remote_gid, ip);
	while (p->path_mtu >= 256 && mtu > p->path_mtu)
		mtu /= 2;
	spin_lock(&cm->lock);
	cm_step(id, CMS_REQ_SENT);
	id->fn = fn;
	id->arg = arg;
	id->qpn = p->qp->qpn;
	id->tid = (u64)id->local_id << 32 | CM_REQ;
	id->attr = (struct roce_qp_attr){
		.remote_ip = ip, .mtu = mtu, .rq_psn = arch_random() & PSN_MASK,
		.rd_out = p->initiator_depth, .rd_in = MIN(p->responder_resources, ROCE_MAX_RD),
		.retry_count = MIN(p->retry_count, 7), .flow_control = true,
	};
	attr_user(&id->attr, p);
	send_and_wait(id, &(struct cm_msg){
		.attr = CM_REQ, .tid = id->tid, .local_id = id->local_id, .service_id = service_id,
		.ca_guid = dev->nif->mac << 16, .qpn = id->qpn, .psn = id->attr.rq_psn,
		.responder_resources = id->attr.rd_in, .initiator_depth = MIN(p->initiator_depth, ROCE_MAX_RD),
		.flow_control = p->flow_control, .srq = p->qp->srq != NULL,
		.remote_timeout = CM_TIMEOUT_CODE, .local_timeout = CM_TIMEOUT_CODE, .retry_count = id->attr.retry_count,
		.rnr_retry = MIN(p->rnr_retry, 7), .pkey = ROCE_PKEY, .path_mtu = roce_mtu_code(mtu), .max_cm_retries = 15,
		.local_gid = local_gid, .remote_gid = remote_gid, .hop_limit = IP_TTL,
		.ack_timeout = roce_timeout_code(p->ack_timeout_ns != 0 ? p->ack_timeout_ns : ROCE_RTO_DEFAULT_NS),
		.ip_service = cm_service_is_ip(service_id), .src_port = 0xc000 | (id->local_id & 0x3fff),
		.ip_src = dev->nif->ip, .ip_dst = ip, .private_data = p->private_data, .private_len = p->private_len,
	});
	spin_unlock(&cm->lock);
	return id;
}

struct cm_id *roce_dev_cm_resolve(struct roce_dev *dev, u32 ip, u64 service_id, const void *private_data, u32 private_len,
				  cm_handler fn, void *arg)
{
	struct roce_cm *cm = dev->cm;
	struct cm_id *id = id_new(cm, true, ip);

	if (id == NULL)
		return NULL;
	spin_lock(&cm->lock);
	cm_step(id, CMS_SIDR_SENT);
	id->fn = fn;
	id->arg = arg;
	id->tid = (u64)id->local_id << 32 | CM_SIDR_REQ;
	send_and_wait(id, &(struct cm_msg){
		.attr = CM_SIDR_REQ, .tid = id->tid, .local_id = id->local_id, .pkey = ROCE_PKEY, .service_id = service_id,
		.ip_service = cm_service_is_ip(service_id), .src_port = 0xc000 | (id->local_id & 0x3fff), .ip_src = dev->nif->ip,
		.ip_dst = ip, .private_data = private_data, .private_len = private_len,
	});
	spin_unlock(&cm->lock);
	return id;
}

int roce_cm_accept(struct cm_id *id, const struct cm_conn_param *p, cm_handler fn, void *arg)
{
	struct roce_cm *cm = id->dev->cm;
	struct roce_qp_attr attr;
	int rc;

	spin_lock(&cm->lock);
	if (id->state != CMS_REQ_RCVD) {
		spin_unlock(&cm->lock);
		return -EINVAL;
	}
	attr_user(&id->attr, p);
	id->attr.rd_out = MIN(id->attr.rd_out, p->initiator_depth);
	id->attr.rd_in = MIN(MIN(id->attr.rd_in, p->responder_resources), ROCE_MAX_RD);
	attr = id->attr;
	spin_unlock(&cm->lock);
	rc = roce_qp_to_rtr(p->qp, &attr);
	if (rc < 0)
		return rc;
	spin_lock(&cm->lock);
	if (id->state != CMS_REQ_RCVD) {		/* the peer gave up meanwhile */
		spin_unlock(&cm->lock);
		return -EINVAL;
	}
	id->fn = fn;
	id->arg = arg;
	id->qpn = p->qp->qpn;
	cm_step(id, CMS_REP_SENT);
	send_and_wait(id, &(struct cm_msg){
		.attr = CM_REP, .tid = id->tid, .local_id = id->local_id, .remote_id = id->remote_id, .qpn = id->qpn,
		.psn = attr.rq_psn, .responder_resources = attr.rd_in, .initiator_depth = attr.rd_out,
		.ack_delay = roce_timeout_code(ROCE_ACK_DELAY_NS), .flow_control = p->flow_control, .srq = p->qp->srq != NULL,
		.rnr_retry = MIN(p->rnr_retry, 7),
		.ca_guid = id->dev->nif->mac << 16, .private_data = p->private_data, .private_len = p->private_len,
	});
	spin_unlock(&cm->lock);
	return 0;
}

void roce_cm_disconnect(struct cm_id *id, const void *private_data, u32 private_len)
{
	struct roce_cm *cm = id->dev->cm;

	spin_lock(&cm->lock);
	if (id->state == CMS_ESTABLISHED)
		send_dreq(id, private_data, private_len);
	spin_unlock(&cm->lock);
	qp_error_by_number(id->dev, id->qpn);
}

bool roce_cm_gone(const struct cm_id *id)
{
	u8 state = READ_ONCE(id->state);

	return state == CMS_TIMEWAIT || state == CMS_IDLE;
}

/* The user's end of it: the peer is told, if there is something to tell, and the id lives on until that is said. */
static void close_id(struct cm_id *id, u16 reason, const void *private_data, u32 private_len)
{
	struct roce_cm *cm = id->dev->cm;

	spin_lock(&cm->lock);
	id->closed = true;
	switch (id->state) {
	case CMS_SIDR_SENT:
		cm_step(id, CMS_IDLE);
		break;
	case CMS_REQ_SENT:
		cm_step(id, CMS_IDLE);			/* a REP that comes finds nobody and is rejected */
		break;
	case CMS_REQ_RCVD:
		send_rej(id, 0, reason, private_data, private_len);
		cm_step(id, CMS_IDLE);
		break;
	case CMS_REP_SENT:
		send_rej(id, 1, reason, private_data, private_len);
		cm_step(id, CMS_IDLE);
		break;
	case CMS_ESTABLISHED:
		send_dreq(id, NULL, 0);
		break;
	default:
		break;
	}
	spin_unlock(&cm->lock);
}

int roce_cm_reject(struct cm_id *id, u16 reason, const void *private_data, u32 private_len)
{
	close_id(id, reason, private_data, private_len);
	id_reap(id);
	id_put(id);
	return 0;
}

void roce_cm_destroy(struct cm_id *id)
{
	struct thread *in;

	close_id(id, CM_REJ_CONSUMER, NULL, 0);
	for (;;) {			/* no event is under way when we return, unless we are in it */
		in = READ_ONCE(id->in_callback);
		if (in == NULL || in == thread_current())
			break;
		thread_sleep_ns(NSEC_PER_MSEC);
	}
	id_reap(id);
	id_put(id);
}

int cm_init(struct roce_dev *dev)
{
	struct roce_cm *cm = kzalloc(sizeof(*cm));

	if (cm == NULL)
		return -ENOMEM;
	cm->dev = dev;
	spin_init(&cm->lock, "cm", RANK_CM);
	spin_init(&cm->queue_lock, "cm queue", RANK_LEAF);
	list_init(&cm->ids);
	cm->next_id = arch_random() | 1;
	dev->cm = cm;
	return 0;
}

void cm_free(struct roce_dev *dev)
{
	struct roce_cm *cm = dev->cm;
	struct cm_id *id, *tmp;

	if (cm == NULL)
		return;
	list_for_each_safe(id, tmp, &cm->ids, link) {
		list_del(&id->link);
		kfree(id);
	}
	kfree(cm);
	dev->cm = NULL;
}
