/* SPDX-License-Identifier: MIT */
/* System V message queues: msgget(2), msgop(2), msgctl(2). */
#include "arch/x86/uaccess.h"
#include "kernel/waitq.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/ipc/ids.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/frame.h"
#include "mm/slab.h"

#define MSG_NOERROR	010000
#define MSG_EXCEPT	020000
#define MSG_COPY	040000
#define MSG_STAT	11
#define MSG_INFO	12
#define MSG_STAT_ANY	13

#define MSGMNI		32000
#define MSGMAX		8192
#define MSGMNB		16384

struct message {
	struct list link;
	s64 type;
	size_t len;
	u8 data[];
};

struct msg_queue {
	struct ipc_object ipc;
	u64 stime, rtime, ctime;	/* [lock] */
	u64 bytes, nr, most_bytes;	/* [lock] */
	u32 lspid, lrpid;		/* [lock] */
	struct list messages;		/* [lock] the oldest first */
	struct waitq wait;		/* for a message, for room, for the end */
	u32 changes;			/* [lock to change] each may be what somebody waits for */
};

struct msqid_abi {
	struct ipc_perm_abi perm;
	u64 stime, rtime, ctime, cbytes, qnum, qbytes;
	u32 lspid, lrpid;
	u64 unused[2];
};
_Static_assert(sizeof(struct msqid_abi) == 120, "as programs see it");

static int queue_make(u64 size, s32 key, u32 flags, struct ipc_object **out);
static int queue_fits(const struct ipc_object *o, u64 size);
static void queue_free(struct ipc_object *o);
static void queue_show(const struct ipc_object *o, void *out);

static struct ipc_kind msgs = IPC_KIND("msg", MSGMNI, queue, sizeof(struct msqid_abi));

static struct msg_queue *queue_of(struct ipc_object *o) { return container_of(o, struct msg_queue, ipc); }

static int queue_make(u64 size, s32 key, u32 flags, struct ipc_object **out)
{
	struct msg_queue *q = kzalloc(sizeof(*q));

	if (q == NULL)
		return -ENOMEM;
	q->ctime = ipc_now();
	q->most_bytes = MSGMNB;
	list_init(&q->messages);
	waitq_init(&q->wait);
	*out = &q->ipc;
	return 0;
}

static int queue_fits(const struct ipc_object *o, u64 size)
{
	return 0;
}

static void queue_free(struct ipc_object *o)
{
	struct msg_queue *q = queue_of(o);
	struct message *m, *next;

	list_for_each_safe(m, next, &q->messages, link)
		kfree(m);
	kfree(q);
}

s64 sys_msgget(u64 key, u64 flags, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return ipc_get(&msgs, key, 0, flags);
}

/* lock held */
static void changed(struct msg_queue *q)
{
	WRITE_ONCE(q->changes, q->changes + 1);
	waitq_wake_all(&q->wait);
}

/* lock held, and dropped meanwhile: until the queue changes. 0: look again; -EIDRM, -ERESTARTNOHAND */
static int wait_for_change(struct msg_queue *q)
{
	u32 seen = q->changes;
	int rc;

	spin_unlock(&msgs.lock);
	rc = waitq_wait_intr(&q->wait, READ_ONCE(q->changes) != seen, 0);
	spin_lock(&msgs.lock);
	return q->ipc.gone ? -EIDRM : rc == -EINTR ? -ERESTARTNOHAND : rc;
}

/* The queue, locked and with a reference, if it may be used so; else the lock is not held. */
static int queue_lock(s32 id, u32 want, struct msg_queue **out)
{
	struct ipc_object *o;
	int rc;

	spin_lock(&msgs.lock);
	o = ipc_find(&msgs, id);
	rc = o == NULL ? -EINVAL : ipc_may(o, want);
	if (rc < 0) {
		spin_unlock(&msgs.lock);
		return rc;
	}
	ref_get(&o->refs);
	*out = queue_of(o);
	return 0;
}

static void queue_unlock(struct msg_queue *q)
{
	spin_unlock(&msgs.lock);
	ipc_put(&msgs, &q->ipc);
}

/* --- sending --- */

static s64 send(s32 id, struct message *m, u32 flags)
{
	struct msg_queue *q;
	int rc = queue_lock(id, IPC_MAY_WRITE, &q);

	if (rc < 0)
		return rc;
	while (rc == 0 && (q->bytes + m->len > q->most_bytes || q->nr + 1 > q->most_bytes))
		rc = flags & IPC_NOWAIT ? -EAGAIN : wait_for_change(q);
	if (rc == 0) {
		list_add_tail(&q->messages, &m->link);
		q->bytes += m->len;
		q->nr++;
		q->lspid = process_current()->pid;
		q->stime = ipc_now();
		changed(q);
	}
	queue_unlock(q);
	return rc;
}

s64 sys_msgsnd(u64 id, u64 user, u64 len, u64 flags, u64 a4, u64 a5)
{
	struct message *m;
	s64 rc;

	if ((s32)id < 0 || len > MSGMAX)
		return -EINVAL;
	m = frames_to_spare() ? kmalloc(sizeof(*m) + len) : NULL;
	if (m == NULL)
		return -ENOMEM;
	m->len = len;
	if (copy_from_user(&m->type, user, sizeof(m->type)) < 0)
		rc = -EFAULT;
	else if (m->type < 1)
		rc = -EINVAL;
	else
		rc = copy_from_user(m->data, user + sizeof(m->type), len) < 0 ? -EFAULT : send(id, m, flags);
	if (rc < 0)
		kfree(m);
	return rc;
}

/* --- receiving --- */

/* lock held. The message that msgrcv(2) means by type and flags, or NULL. */
static struct message *choose(struct msg_queue *q, s64 type, u32 flags)
{
	u64 most = type == (s64)1 << 63 ? (u64)type - 1 : (u64)-type;
	struct message *m, *best = NULL;
	s64 nth = 0;

	list_for_each(m, &q->messages, link) {
		if (flags & MSG_COPY) {
			if (nth++ == type)
				return m;
		} else if (type == 0 || (type > 0 && (m->type == type) == !(flags & MSG_EXCEPT))) {
			return m;
		} else if (type < 0 && (u64)m->type <= most && (best == NULL || m->type < best->type)) {
			best = m;
		}
	}
	return best;
}

static void take(struct msg_queue *q, struct message *m)
{
	list_del(&m->link);
	q->bytes -= m->len;
	q->nr--;
	q->lrpid = process_current()->pid;
	q->rtime = ipc_now();
	changed(q);
}

/* *m: one off the queue, or with MSG_COPY what it says, in the memory that *m came with */
static s64 receive(s32 id, size_t len, s64 type, u32 flags, struct message **m)
{
	struct message *found = NULL;
	struct msg_queue *q;
	int rc = queue_lock(id, IPC_MAY_READ, &q);

	if (rc < 0)
		return rc;
	while (rc == 0) {
		found = choose(q, type, flags);
		if (found != NULL)
			break;
		rc = flags & IPC_NOWAIT ? -ENOMSG : wait_for_change(q);
	}
	if (rc == 0 && found->len > len && !(flags & MSG_NOERROR))
		rc = -E2BIG;
	if (rc == 0 && (flags & MSG_COPY))
		memcpy(*m, found, sizeof(*found) + found->len);
	else if (rc == 0)
		take(q, *m = found);
	queue_unlock(q);
	return rc;
}

s64 sys_msgrcv(u64 id, u64 user, u64 len, u64 type, u64 flags, u64 a5)
{
	struct message *m = NULL;
	s64 rc;

	if ((s32)id < 0 || (s64)len < 0)
		return -EINVAL;
	if (flags & MSG_COPY) {
		if ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT))
			return -EINVAL;
		m = kmalloc(sizeof(*m) + MSGMAX);
		if (m == NULL)
			return -ENOMEM;
	}
	rc = receive(id, len, type, flags, &m);
	if (rc == 0) {
		rc = MIN(len, m->len);
		if (copy_to_user(user, &m->type, sizeof(m->type)) < 0 || copy_to_user(user + sizeof(m->type), m->data, rc) < 0)
			rc = -EFAULT;
	}
	kfree(m);
	return rc;
}

/* --- msgctl --- */

static void queue_show(const struct ipc_object *o, void *to)
{
	const struct msg_queue *q = container_of(o, const struct msg_queue, ipc);
	struct msqid_abi *out = to;

	*out = (struct msqid_abi){ .stime = q->stime, .rtime = q->rtime, .ctime = q->ctime, .cbytes = q->bytes, .qnum = q->nr,
				   .qbytes = q->most_bytes, .lspid = q->lspid, .lrpid = q->lrpid };
	ipc_show(o, &out->perm);
}

static int queue_set(struct ipc_object *o, const void *in)
{
	const struct msqid_abi *to = in;
	struct msg_queue *q = queue_of(o);
	int rc;

	if (to->qbytes > MSGMNB && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	rc = ipc_set(o, &to->perm);
	if (rc < 0)
		return rc;
	q->most_bytes = to->qbytes;
	q->ctime = ipc_now();
	changed(q);
	return 0;
}

static int queue_remove(struct ipc_object *o, const void *none)
{
	ipc_remove(&msgs, o);
	changed(queue_of(o));
	return IPC_REMOVED;
}

static s64 msg_info(u32 cmd, u64 user)
{
	struct { s32 pool, map, max, mnb, mni, ssz, tql; u16 seg, pad; } info = {
		MSGMNI * (MSGMNB / 1024), MSGMNB, MSGMAX, MSGMNB, MSGMNI, 16, MSGMNB, 0xffff
	};
	s64 last;

	spin_lock(&msgs.lock);
	last = ipc_last_index(&msgs);
	if (cmd == MSG_INFO) {
		info.pool = msgs.used;
		info.map = info.tql = 0;
		for (u32 i = 0; i < msgs.room; i++) {
			info.map += msgs.slot[i] != NULL ? queue_of(msgs.slot[i])->nr : 0;
			info.tql += msgs.slot[i] != NULL ? queue_of(msgs.slot[i])->bytes : 0;
		}
	}
	spin_unlock(&msgs.lock);
	return copy_to_user(user, &info, sizeof(info)) < 0 ? -EFAULT : last;
}

s64 sys_msgctl(u64 id, u64 cmd, u64 user, u64 a3, u64 a4, u64 a5)
{
	struct msqid_abi in;

	if ((s32)id < 0 || (s32)cmd < 0)
		return -EINVAL;
	switch ((u32)cmd) {
	case IPC_INFO:
	case MSG_INFO: return msg_info(cmd, user);
	case IPC_STAT: return ipc_stat(&msgs, id, IPC_BY_ID, user);
	case MSG_STAT: return ipc_stat(&msgs, id, IPC_BY_INDEX, user);
	case MSG_STAT_ANY: return ipc_stat(&msgs, id, IPC_BY_INDEX_ANY, user);
	case IPC_SET: return copy_from_user(&in, user, sizeof(in)) < 0 ? -EFAULT : ipc_control(&msgs, id, queue_set, &in);
	case IPC_RMID: return ipc_control(&msgs, id, queue_remove, NULL);
	}
	return -EINVAL;
}

/* proc(5): /proc/sysvipc/msg */
void show_sysvipc_msg(struct text *t, u32 pid)
{
	struct msqid_abi s;
	u32 id;

	text_printf(t, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime"
		    "      ctime\n");
	for (u32 i = 0; i < MSGMNI; i++) {
		if (ipc_peek(&msgs, i, &id, &s))
			text_printf(t, "%10d %10u  %4o  %10llu %10llu %5u %5u %5u %5u %5u %5u %10llu %10llu %10llu\n", s.perm.key, id,
				    s.perm.mode, (unsigned long long)s.cbytes, (unsigned long long)s.qnum, s.lspid, s.lrpid, s.perm.uid,
				    s.perm.gid, s.perm.cuid, s.perm.cgid, (unsigned long long)s.stime, (unsigned long long)s.rtime,
				    (unsigned long long)s.ctime);
	}
}
