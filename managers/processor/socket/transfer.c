/* SPDX-License-Identifier: MIT */
/* Sending and receiving: bytes (streams) and messages (datagrams, SOCK_SEQPACKET). send(2), recv(2), unix(7), tcp(7), udp(7). */
#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/async.h"
#include "managers/processor/fs/file.h"
#include "managers/processor/fs/fs_abi.h"
#include "managers/processor/process/process.h"
#include "managers/processor/socket/rights.h"
#include "mm/frame.h"

#define TCP_WINDOW	(256 * 1024)	/* bytes on their way where the program has not said how many */
#define UDP_MAX		65507
#define UNIX_OVERHEAD	32		/* of SO_SNDBUF, that a datagram cannot have */

/* --- the caller's bytes --- */

/* The next n bytes to or from it: how many went before a fault. */
static size_t transfer_copy(struct transfer *t, void *buf, size_t n, bool out)
{
	size_t done;

	if (t->kernel != NULL) {
		if (out)
			memcpy((u8 *)t->kernel + t->done, buf, n);
		else
			memcpy(buf, (u8 *)t->kernel + t->done, n);
		t->done += n;
		return n;
	}
	done = iovec_copy(&t->at, buf, n, out);
	t->done += done;
	return done;
}

/* n bytes that it does not want to have. */
static size_t transfer_pass(struct transfer *t, size_t n)
{
	t->done += n;
	return n;
}

/* NULL: there is no room. */
static struct message *message_new(size_t room)
{
	return frames_to_spare() ? message_alloc(room) : NULL;
}

/* --- room: what a socket has sent stands in its peer's queue and is charged to it --- */

static u64 send_limit(const struct socket *s)
{
	if (s->kind == &inet_tcp && !READ_ONCE(s->send_size_set))
		return TCP_WINDOW;
	return READ_ONCE(s->send_size);
}

static u64 charged(struct socket *s)
{
	return MAX((s64)atomic_read(&s->sent), (s64)0);
}

static bool has_room(struct socket *s)
{
	return charged(s) < send_limit(s);
}

static bool writable(struct socket *s)
{
	return charged(s) * 4 <= send_limit(s) * (s->kind == &inet_tcp ? 3 : 1);
}

/* m is off its queue, or has lost bytes for which nobody waits: who sent it may send more. */
static void message_done(struct message *m)
{
	struct socket *from = m->from;

	if (from != NULL) {
		bool before = writable(from);

		atomic_sub(&from->sent, m->charge);
		if (!before && writable(from))
			waitq_wake_all(&from->write_wait);
		socket_put(from);
	}
	message_free(m);
}

static void charge_to(struct socket *s, struct message *m)
{
	socket_get(s);
	m->from = s;
	atomic_add(&s->sent, m->charge);
}

static void message_sign(struct socket *s, struct message *m, const struct transfer *t)
{
	const struct process *p = process_current();

	if (s->kind->family != AF_UNIX)
		return;
	m->cred = t->cred != NULL ? *t->cred : (struct ucred_abi){ p->pid, p->cred.uid, p->cred.gid };
}

static struct socket *peer_get(struct socket *s)
{
	struct socket *peer;

	spin_lock(&s->lock);
	peer = s->peer;
	if (peer != NULL)
		socket_get(peer);
	spin_unlock(&s->lock);
	return peer;
}

/* Into to's queue; the message and its rights are the queue's on 0. */
static int deliver(struct socket *to, struct message *m, bool join)
{
	struct rights *rights = m->rights;	/* once it is in the queue, m is the receiver's */
	struct message *spare = NULL;
	int rc = 0;

	if (rights != NULL) {
		mutex_lock(&rights_lock);
		rights_take_off(rights);
	}
	spin_lock(&to->lock);
	if (to->state == SOCKET_CLOSED || (to->kind == &inet_tcp && to->peer != m->from))	/* it may have begun anew since we looked */
		rc = -ECONNRESET;
	else if ((to->shut & SHUT_RECEIVE) && to->kind->family == AF_UNIX)
		rc = -EPIPE;
	else if (join && queue_join(&to->queue, m))
		spare = m;
	else
		queue_put(&to->queue, m);
	spin_unlock(&to->lock);
	if (rights != NULL) {
		if (rc < 0)
			rights_land(rights);
		mutex_unlock(&rights_lock);
	}
	if (spare != NULL)
		message_done(spare);
	if (rc == 0)
		waitq_wake_all(&to->read_wait);
	return rc;
}

/* --- the urgent byte: tcp(7), MSG_OOB --- */

static void urgent_tell(struct socket *s)
{
	struct file *f;

	mutex_lock(&net_lock);
	f = s->file;
	if (f != NULL && !ref_get_not_zero(&f->refs))
		f = NULL;
	mutex_unlock(&net_lock);
	if (f == NULL)
		return;
	async_tell_urgent(f);
	file_put(f);
}

/*
 * A mark in s's queue, where reading stops; the byte is beside it, or follows it. Only the last one counts, and stays: nobody is charged for a
 * mark, so there must not be many. A reader that has let go of the lock stands at bytes, never at a mark. false: s is closed, or not from's
 * peer any more
 */
static bool urgent_arrives(struct socket *s, const struct socket *from, struct message *mark, u8 byte)
{
	struct message *old;

	spin_lock(&s->lock);
	if (s->state == SOCKET_CLOSED || s->peer != from) {
		spin_unlock(&s->lock);
		return false;
	}
	old = queue_mark(&s->queue, mark);
	s->urgent = URGENT_THERE;
	s->urgent_byte = byte;
	spin_unlock(&s->lock);
	if (old != NULL)
		message_free(old);
	waitq_wake_all(&s->read_wait);
	urgent_tell(s);
	return true;
}

static s64 urgent_receive(struct socket *s, struct transfer *t)
{
	u8 byte;
	s64 rc = 0;

	spin_lock(&s->lock);
	byte = s->urgent_byte;
	if (s->opt.oob_inline || s->urgent != URGENT_THERE)
		rc = -EINVAL;
	else if (!(t->flags & MSG_PEEK))
		s->urgent = URGENT_TAKEN;
	spin_unlock(&s->lock);
	if (rc < 0)
		return rc;
	t->out_flags |= MSG_OOB | (t->len == 0 ? MSG_TRUNC : 0);
	return t->len == 0 ? 0 : transfer_copy(t, &byte, 1, true) == 1 ? 1 : -EFAULT;
}

bool socket_at_mark(struct socket *s)
{
	struct message *m;
	bool at;

	spin_lock(&s->lock);
	m = queue_first(&s->queue);
	at = m != NULL && m->mark;
	spin_unlock(&s->lock);
	return at;
}

/* --- streams --- */

/* What a stream's sender is told before anything is looked at; 0: go on. */
static int stream_send_state(struct socket *s)
{
	int rc = 0;

	spin_lock(&s->lock);
	if (s->error != 0 && !((s->shut & SHUT_SEND) && s->kind->family == AF_UNIX)) {
		rc = -s->error;
		s->error = 0;
	} else if (s->shut & SHUT_SEND) {
		rc = -EPIPE;
	} else if (s->state == SOCKET_CONNECTING) {
		rc = -EAGAIN;
	} else if (s->state != SOCKET_CONNECTED) {
		rc = s->kind->family == AF_UNIX ? -ENOTCONN : -EPIPE;
	}
	spin_unlock(&s->lock);
	return rc;
}

static bool send_may_go_on(struct socket *s)
{
	return (READ_ONCE(s->state) == SOCKET_CONNECTED && has_room(s)) || (READ_ONCE(s->shut) & SHUT_SEND) || READ_ONCE(s->error) != 0 ||
	       (READ_ONCE(s->state) != SOCKET_CONNECTED && READ_ONCE(s->state) != SOCKET_CONNECTING);
}

/* One message's worth: bytes sent or an error. but_last: the last byte goes another way */
static s64 stream_send_part(struct socket *s, struct transfer *t, bool but_last)
{
	struct socket *peer = peer_get(s);
	u64 room = send_limit(s) - MIN(charged(s), send_limit(s));
	size_t n = MIN(MIN(t->len - t->done - but_last, (size_t)MESSAGE_MAX), MAX((size_t)room, (size_t)4096)), got;
	struct message *m;
	int rc;

	if (peer == NULL)
		return -EPIPE;
	m = message_new(n < 256 ? 256 : n);
	if (m == NULL) {
		socket_put(peer);
		return -ENOBUFS;
	}
	got = transfer_copy(t, m->data, n, false);
	m->len = got;
	if (got == 0) {
		message_free(m);
		socket_put(peer);
		return -EFAULT;
	}
	message_sign(s, m, t);
	m->rights = t->rights;
	charge_to(s, m);
	rc = deliver(peer, m, true);
	if (rc == 0) {
		t->rights = NULL;
	} else {
		m->rights = NULL;
		message_done(m);
	}
	if (rc == -ECONNRESET && s->kind->family == AF_UNIX)
		rc = -EPIPE;
	if (rc == -ECONNRESET) {	/* TCP, to one who is gone: these bytes are lost, and it answers with a reset */
		spin_lock(&s->lock);
		if (s->peer == peer) {		/* and not already connected to another */
			s->error = s->fin ? EPIPE : ECONNRESET;
			s->shut = SHUT_RECEIVE | SHUT_SEND;
			rc = 0;
		}
		spin_unlock(&s->lock);
		socket_wake(s);
	}
	socket_put(peer);
	return rc < 0 ? rc : got < n ? -EFAULT : (s64)got;
}

/* The last byte of a send with MSG_OOB: 1, or an error. */
static s64 urgent_send(struct socket *s, struct transfer *t)
{
	struct socket *peer = peer_get(s);
	struct message *mark = message_new(0), *m = message_new(256);
	bool inline_;
	u8 byte;
	s64 rc = peer == NULL ? -EPIPE : mark == NULL || m == NULL ? -ENOBUFS : transfer_copy(t, &byte, 1, false) == 1 ? 1 : -EFAULT;

	if (rc < 0)
		goto out;
	inline_ = READ_ONCE(peer->opt.oob_inline);
	if (!urgent_arrives(peer, s, mark, byte))
		goto out;
	mark = NULL;
	if (!inline_)
		goto out;
	m->data[0] = byte;
	m->len = 1;
	charge_to(s, m);
	if (deliver(peer, m, false) < 0)
		message_done(m);		/* it is gone meanwhile: so is the byte */
	m = NULL;
out:
	if (mark != NULL)
		message_free(mark);
	if (m != NULL)
		message_free(m);
	if (peer != NULL)
		socket_put(peer);
	return rc;
}

static s64 stream_send(struct socket *s, struct transfer *t)
{
	bool urgent = (t->flags & MSG_OOB) && t->len != 0;
	u64 timeout = READ_ONCE(s->opt.send_ns);
	s64 rc = 0;

	if (s->kind->family == AF_UNIX && t->name != NULL && t->name->len != 0)
		return READ_ONCE(s->state) == SOCKET_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	do {
		rc = stream_send_state(s);
		if (rc == 0 && t->done == t->len)
			break;
		if (rc == -EAGAIN || (rc == 0 && !has_room(s))) {
			if (t->flags & MSG_DONTWAIT) {
				rc = -EAGAIN;
				break;
			}
			rc = socket_wait(&s->write_wait, send_may_go_on(s), timeout);
			continue;
		}
		if (rc == 0)
			rc = urgent && t->done + 1 == t->len ? urgent_send(s, t) : stream_send_part(s, t, urgent);
	} while (rc >= 0 && t->done < t->len);
	if (t->done != 0)
		return t->done;
	if (rc == -EPIPE && !(t->flags & MSG_NOSIGNAL))
		signal_pipe();
	return rc;
}

/* The files that come with a message: the caller's from now on; a peek gets references of its own. */
static void take_rights(struct transfer *t, const struct message *m, bool peek)
{
	mutex_lock(&rights_lock);
	if (peek) {
		t->rights = rights_copy(m->rights);
	} else {
		rights_land(m->rights);
		t->rights = m->rights;
	}
	mutex_unlock(&rights_lock);
}

/* SO_PEEK_OFF: how much of the queue a peek passes over */
static size_t peek_from(struct socket *s, const struct transfer *t)
{
	s32 off = READ_ONCE(s->peek_off);

	return (t->flags & MSG_PEEK) && off > 0 ? (size_t)off : 0;
}

/* Is there a message that this call has not passed over? */
static bool has_more(struct socket *s, const struct transfer *t)
{
	size_t from = peek_from(s, t);

	return from == 0 ? READ_ONCE(s->queue.count) != 0 : READ_ONCE(s->queue.bytes) > from;
}

/* A peek moves it on, what is taken off the queue moves it back. s->lock held */
static void peek_moved(struct socket *s, size_t n, bool peek)
{
	if (s->peek_off >= 0)
		s->peek_off = peek ? s->peek_off + (s32)n : MAX(s->peek_off - (s32)n, 0);
}

/* Bytes that are there, into the caller's memory: how many, or -EFAULT. s->reader held. *stop: no more for this call. */
static s64 stream_take(struct socket *s, struct transfer *t, struct list *done, bool *stop)
{
	struct message *m, *next;
	bool peek = t->flags & MSG_PEEK, discards = (t->flags & MSG_TRUNC) && s->kind == &inet_tcp;	/* as tcp(7) says */
	size_t skip;
	s64 moved = 0;

	spin_lock(&s->lock);
	skip = peek_from(s, t);
	m = queue_first(&s->queue);
	while (m != NULL && skip != 0 && skip >= m->len - m->off) {
		skip -= m->len - m->off;
		m = queue_next(&s->queue, m);
	}
	while (m != NULL && t->done < t->len && !*stop) {
		size_t off = m->off + skip, n = MIN(t->len - t->done, (size_t)(m->len - off)), got;
		bool rights = m->rights != NULL;

		if (n == 0 && m->len == 0 && !rights) {		/* a mark: the urgent byte stops those who read up to it */
			if (m->mark && t->done != 0) {
				*stop = true;
				break;
			}
			next = queue_next(&s->queue, m);
			if (!peek && queue_take(&s->queue, m, 0)) {
				s->urgent = m->mark ? URGENT_NONE : s->urgent;
				list_add_tail(done, &m->link);
			}
			m = next;
			continue;
		}
		skip = 0;
		if (s->opt.pass_cred && t->has_cred && memcmp(t->cred, &m->cred, sizeof(m->cred)) != 0) {
			*stop = true;
			break;
		}
		spin_unlock(&s->lock);		/* we alone take messages off: it stays */
		got = discards ? transfer_pass(t, n) : transfer_copy(t, m->data + off, n, true);
		moved += got;
		if (rights && (got != 0 || n == 0)) {
			take_rights(t, m, peek);
			*stop = true;
		}
		if (t->cred != NULL && got != 0) {
			*t->cred = m->cred;
			t->has_cred = true;
		}
		spin_lock(&s->lock);
		peek_moved(s, got, peek);
		if (rights && !peek && got != 0)
			m->rights = NULL;
		next = queue_next(&s->queue, m);
		if (!peek && got != 0 && queue_take(&s->queue, m, got))
			list_add_tail(done, &m->link);
		m = next;
		if (got < n) {
			moved = moved ? moved : -EFAULT;
			*stop = true;
		}
	}
	spin_unlock(&s->lock);
	return moved;
}

static bool stream_ended(struct socket *s)
{
	u8 state = READ_ONCE(s->state);

	return (READ_ONCE(s->shut) & SHUT_RECEIVE) || READ_ONCE(s->error) != 0 || READ_ONCE(s->fin) ||
	       (state != SOCKET_CONNECTED && state != SOCKET_CONNECTING);
}

/* Nothing is there: what the caller is told; 1: wait. */
static int stream_empty(struct socket *s, const struct transfer *t)
{
	int rc = 1;

	spin_lock(&s->lock);
	if (s->queue.bytes > peek_from(s, t)) {
		rc = 2;			/* came meanwhile */
	} else if (s->fin && s->kind->family == AF_INET) {
		rc = 0;			/* the end stays the end, whatever came after it */
	} else if (s->error != 0) {
		rc = -s->error;
		s->error = 0;
	} else if (s->shut & SHUT_RECEIVE) {
		rc = 0;
	} else if (s->state == SOCKET_FREE || s->state == SOCKET_LISTENING || s->state == SOCKET_CLOSED) {
		rc = s->kind->family == AF_UNIX ? -EINVAL : -ENOTCONN;
	}
	spin_unlock(&s->lock);
	return rc;
}

static s64 stream_receive(struct socket *s, struct transfer *t)
{
	u64 timeout = READ_ONCE(s->opt.receive_ns);
	size_t target = t->flags & MSG_WAITALL ? t->len : MIN((size_t)MAX(READ_ONCE(s->opt.receive_low), 1), t->len);
	bool stop = false;
	s64 rc;

	if (t->flags & MSG_PEEK)
		target = MIN(target, (size_t)1);
	for (;;) {
		struct list done = LIST_INIT(done);
		struct message *m;

		mutex_lock(&s->reader);
		rc = stream_take(s, t, &done, &stop);
		mutex_unlock(&s->reader);
		while ((m = list_first(&done, struct message, link)) != NULL) {
			list_del(&m->link);
			message_done(m);
		}
		if (rc < 0 || stop || (t->done >= target && t->done != 0))
			break;
		rc = stream_empty(s, t);
		if (t->done != 0 && rc < 0 && rc != -EAGAIN) {		/* the error is for the next call */
			spin_lock(&s->lock);
			if (s->error == 0 && rc != -EINVAL && rc != -ENOTCONN)
				s->error = -rc;
			spin_unlock(&s->lock);
		}
		if (rc == 2 && t->len != 0)
			continue;
		if (rc <= 0 || rc == 2) {
			rc = rc == 2 ? 0 : rc;
			break;
		}
		if (t->flags & MSG_DONTWAIT) {
			rc = -EAGAIN;
			break;
		}
		rc = socket_wait(&s->read_wait, READ_ONCE(s->queue.bytes) > peek_from(s, t) || stream_ended(s), timeout);
		if (rc < 0)
			break;
	}
	return t->done ? (s64)t->done : rc;
}

/* --- messages --- */

/* Whom it is for, with a reference; 0: nobody, and that is no error (UDP). */
static int message_target(struct socket *s, struct transfer *t, struct socket **out)
{
	const struct address *name = t->name != NULL && t->name->len != 0 ? t->name : NULL;
	int rc = 0;

	*out = NULL;
	if (s->kind->connected) {			/* SOCK_SEQPACKET: the name is not looked at */
		*out = peer_get(s);
		return *out ? 0 : -ENOTCONN;
	}
	if (name != NULL) {
		if (s->kind != &inet_udp || name->family != AF_UNSPEC || name->len < sizeof(name->in))	/* no family is AF_INET here: udp(7) */
			rc = s->kind->check(name);
		if (rc == 0 && s->kind == &inet_udp && READ_ONCE(s->local.len) == 0) {
			mutex_lock(&net_lock);
			rc = s->local.len == 0 ? s->kind->autobind(s) : 0;
			mutex_unlock(&net_lock);
		}
		return rc < 0 ? rc : s->kind->find(s, name, out);
	}
	if (s->kind == &inet_udp) {
		if (READ_ONCE(s->state) != SOCKET_CONNECTED)
			return -EDESTADDRREQ;
		return s->kind->find(s, &s->remote, out);
	}
	*out = peer_get(s);
	return *out ? 0 : -ENOTCONN;
}

/* Sleep until a message of this socket may go: 0 or negative. */
static int message_room(struct socket *s, const struct transfer *t)
{
	while (!has_room(s)) {
		int rc;

		if (t->flags & MSG_DONTWAIT)
			return -EAGAIN;
		rc = socket_wait(&s->write_wait, has_room(s) || (READ_ONCE(s->shut) & SHUT_SEND) || READ_ONCE(s->error) != 0,
				 READ_ONCE(s->opt.send_ns));
		if (rc < 0)
			return rc;
		if (READ_ONCE(s->shut) & SHUT_SEND)
			return -EPIPE;
	}
	return 0;
}

static int message_refused(struct socket *s, struct socket *to)
{
	int rc = 0;

	spin_lock(&to->lock);
	if (to->file == NULL && to->state == SOCKET_CLOSED)
		rc = s->kind->connected ? -EPIPE : -ECONNREFUSED;
	else if (to->shut & SHUT_RECEIVE && s->kind->family == AF_UNIX)
		rc = -EPIPE;
	else if (s->kind == &unix_dgram && to->peer != NULL && to->peer != s)
		rc = -EPERM;			/* it takes from its own peer only */
	spin_unlock(&to->lock);
	return rc;
}

static bool queue_is_full(struct socket *to)
{
	return READ_ONCE(to->queue.charged) > READ_ONCE(to->receive_size);
}

/* The name a datagram comes from: never "any", which nobody could answer. */
static void message_name(struct socket *s, struct message *m)
{
	struct address a;

	spin_lock(&s->lock);
	a = s->local;
	spin_unlock(&s->lock);
	if (s->kind == &inet_udp && a.in.addr == 0)
		a.in.addr = INET_LOOPBACK;
	m->name_len = a.len;
	memcpy(m->name, a.bytes, a.len);
}

/* --- datagrams that reached nobody: ip(7), IP_RECVERR --- */

#define ERRORS_MOST	64

struct message *socket_error_take(struct socket *s)
{
	struct message *m;

	spin_lock(&s->lock);
	m = list_first(&s->errors, struct message, link);
	if (m != NULL) {
		list_del(&m->link);
		if (--s->nr_errors == 0)
			s->error = 0;
	}
	spin_unlock(&s->lock);
	return m;
}

/* They are kept as far as what is received may be: nobody but the receiver's limit stops a sender of UDP. s->lock held */
static bool error_fits(struct socket *s, const struct message *m)
{
	u64 charged = m->charge;
	struct message *e;

	list_for_each(e, &s->errors, link)
		charged += e->charge;
	return s->nr_errors < ERRORS_MOST && charged <= READ_ONCE(s->receive_size);
}

/* Nobody has that port: said at the next call to who is connected, or has asked for it; who has asked gets the datagram back, too. */
static void message_refuse(struct socket *s, struct message *m, const struct transfer *t)
{
	bool asked = READ_ONCE(s->opt.recv_err), kept = false, connected;
	struct address to = t->name != NULL && t->name->len != 0 ? *t->name : socket_address(s, true);

	m->name_len = sizeof(to.in);
	memcpy(m->name, to.bytes, sizeof(to.in));
	spin_lock(&s->lock);
	connected = s->state == SOCKET_CONNECTED;
	if (asked && error_fits(s, m)) {
		list_add_tail(&s->errors, &m->link);
		s->nr_errors++;
		kept = true;
	}
	spin_unlock(&s->lock);
	if (!kept)
		message_free(m);
	if (asked || connected)
		socket_fail(s, ECONNREFUSED);
}

static void info_take(struct transfer *t, const struct message *m, bool refused)
{
	t->info = (struct message_info){ .known = true, .refused = refused, .stamp = m->stamp, .to = m->to, .ttl = m->ttl, .tos = m->tos };
}

/* MSG_ERRQUEUE */
static s64 error_receive(struct socket *s, struct transfer *t)
{
	struct message *m = socket_error_take(s);
	size_t n;
	s64 rc;

	if (m == NULL)
		return -EAGAIN;
	n = MIN(t->len, (size_t)m->len);
	rc = transfer_copy(t, m->data, n, true) < n ? -EFAULT : (s64)n;
	t->out_flags |= MSG_ERRQUEUE | (m->len > n ? MSG_TRUNC : 0);
	if (t->name != NULL) {
		t->name->len = m->name_len;
		memcpy(t->name->bytes, m->name, m->name_len);
	}
	info_take(t, m, true);
	message_free(m);
	return rc;
}

/* What a datagram carries beside its bytes. */
static void message_stamp(struct socket *s, struct message *m, const struct transfer *t)
{
	m->stamp = time_wall_ns();
	if (s->kind != &inet_udp)
		return;
	m->to = t->name != NULL && t->name->len != 0 ? t->name->in.addr : socket_address(s, true).in.addr;
	if (m->to == 0)
		m->to = INET_LOOPBACK;
	m->ttl = t->ttl != 0 ? t->ttl : READ_ONCE(s->opt.ttl);
	m->tos = t->has_tos ? t->tos : READ_ONCE(s->opt.tos);
}

/* The filled message goes: it is consumed. */
static int message_post(struct socket *s, struct socket *to, struct message *m, struct transfer *t)
{
	int rc;

	message_sign(s, m, t);
	message_name(s, m);
	message_stamp(s, m, t);
	if (to == NULL) {
		message_refuse(s, m, t);
		return 0;
	}
	if (s->kind == &inet_udp && queue_is_full(to)) {	/* lost, as a datagram may be */
		message_free(m);
		return 0;
	}
	if (s->kind != &inet_udp)
		charge_to(s, m);
	m->rights = t->rights;
	rc = deliver(to, m, false);
	if (rc == 0) {
		t->rights = NULL;
		return 0;
	}
	m->rights = NULL;
	message_done(m);
	if (rc == -ECONNRESET)
		rc = s->kind->connected ? -EPIPE : s->kind == &inet_udp ? 0 : -ECONNREFUSED;
	return rc;
}

/* What earlier sends with MSG_MORE have put together, and for whom: send(2). NULL: nothing */
static struct message *cork_take(struct socket *s, struct address *to)
{
	struct message *m;

	spin_lock(&s->lock);
	m = s->cork;
	s->cork = NULL;
	*to = s->cork_to;
	spin_unlock(&s->lock);
	return m;
}

/* More of it is to come. Another thread's, begun meanwhile, is lost. */
static void cork_keep(struct socket *s, struct message *m, const struct transfer *t)
{
	struct message *old;

	spin_lock(&s->lock);
	old = s->cork;
	s->cork = m;
	s->cork_to = t->name != NULL ? *t->name : (struct address){ 0 };
	spin_unlock(&s->lock);
	if (old != NULL)
		message_free(old);
}

static s64 message_send_behind(struct socket *s, struct transfer *t, const struct message *begun)
{
	size_t max = s->kind == &inet_udp ? UDP_MAX : READ_ONCE(s->send_size) - UNIX_OVERHEAD, before = begun != NULL ? begun->len : 0;
	struct socket *to;
	struct message *m;
	s64 rc = s->kind == &inet_udp ? 0 : socket_error(s);

	if (rc == 0)
		rc = message_target(s, t, &to);
	if (rc < 0)
		return rc;
	if (before + t->len > max)
		rc = -EMSGSIZE;
	else if (s->kind == &inet_udp)
		rc = socket_error(s);		/* waits for a send that has nothing wrong with it */
	if (rc == 0 && (READ_ONCE(s->shut) & SHUT_SEND))
		rc = -EPIPE;
	else if (rc == 0 && to != NULL)
		rc = message_refused(s, to);
	if (rc == 0 && s->kind != &inet_udp)
		rc = message_room(s, t);
	if (rc == -ECONNREFUSED && s->kind == &unix_dgram && (t->name == NULL || t->name->len == 0))
		socket_disconnect(s);
	m = rc == 0 ? message_new(before + t->len) : NULL;
	if (rc == 0 && m == NULL)
		rc = -ENOBUFS;
	if (rc == 0) {
		if (before != 0)
			memcpy(m->data, begun->data, before);
		m->len = before + transfer_copy(t, m->data + before, t->len, false);
		if (m->len != before + t->len)
			rc = -EFAULT;
	}
	if (rc == 0 && (t->flags & MSG_MORE) && s->kind == &inet_udp)
		cork_keep(s, m, t);
	else if (rc == 0)
		rc = message_post(s, to, m, t);
	else if (m != NULL)
		message_free(m);
	if (to != NULL)
		socket_put(to);
	return rc < 0 ? rc : (s64)t->len;
}

static s64 message_send(struct socket *s, struct transfer *t)
{
	struct message *begun = NULL;
	struct address to;
	s64 rc;

	if (s->kind == &inet_udp)
		begun = cork_take(s, &to);
	if (begun == NULL)
		return message_send_behind(s, t, NULL);
	t->name = to.len != 0 ? &to : NULL;
	rc = message_send_behind(s, t, begun);
	t->name = NULL;
	message_free(begun);
	return rc;
}

/* The first message, into the caller's memory; s->reader held. Its length, or -EAGAIN when there is none. */
static s64 message_take(struct socket *s, struct transfer *t, struct message **done)
{
	bool peek = t->flags & MSG_PEEK;
	struct message *m;
	size_t n, skip;
	s64 rc;

	spin_lock(&s->lock);
	skip = peek_from(s, t);
	m = queue_first(&s->queue);
	while (m != NULL && skip != 0 && skip >= m->len) {
		skip -= m->len;
		m = queue_next(&s->queue, m);
	}
	spin_unlock(&s->lock);
	if (m == NULL)
		return -EAGAIN;
	n = MIN(t->len, (size_t)m->len - skip);
	rc = transfer_copy(t, m->data + skip, n, true) < n ? -EFAULT : (s64)(m->len - skip);
	if (m->len - skip > n)
		t->out_flags |= MSG_TRUNC;
	if (t->name != NULL) {
		t->name->len = m->name_len;
		memcpy(t->name->bytes, m->name, m->name_len);
	}
	if (t->cred != NULL) {
		*t->cred = m->cred;
		t->has_cred = true;
	}
	info_take(t, m, false);
	if (m->rights != NULL)
		take_rights(t, m, peek);
	if (peek) {
		spin_lock(&s->lock);
		peek_moved(s, n, true);
		spin_unlock(&s->lock);
	} else {
		spin_lock(&s->lock);
		peek_moved(s, m->len, false);
		m->rights = NULL;
		(void)queue_take(&s->queue, m, m->len);
		spin_unlock(&s->lock);
		*done = m;
	}
	return rc;
}

static s64 message_receive(struct socket *s, struct transfer *t)
{
	struct message *done = NULL;
	s64 rc;

	if (s->kind->connected && READ_ONCE(s->state) != SOCKET_CONNECTED)
		return -ENOTCONN;
	for (;;) {
		rc = socket_error(s);
		if (rc < 0)
			return rc;
		mutex_lock(&s->reader);
		rc = message_take(s, t, &done);
		mutex_unlock(&s->reader);
		if (rc != -EAGAIN)
			break;
		if ((READ_ONCE(s->shut) & SHUT_RECEIVE) && (s->kind->connected || !(t->flags & MSG_DONTWAIT)))
			return 0;
		if (t->flags & MSG_DONTWAIT)
			return -EAGAIN;
		rc = socket_wait(&s->read_wait, has_more(s, t) || (READ_ONCE(s->shut) & SHUT_RECEIVE) ||
				 READ_ONCE(s->error) != 0, READ_ONCE(s->opt.receive_ns));
		if (rc < 0)
			return rc;
	}
	if (done != NULL)
		message_done(done);
	return rc < 0 || (t->flags & MSG_TRUNC) ? rc : (s64)t->done;
}

/* --- both --- */

s64 socket_send(struct socket *s, struct transfer *t)
{
	if ((t->flags & MSG_OOB) && s->kind != &inet_tcp)
		return -EOPNOTSUPP;
	return s->kind->stream ? stream_send(s, t) : message_send(s, t);
}

s64 socket_receive(struct socket *s, struct transfer *t)
{
	if ((t->flags & MSG_OOB) && s->kind != &inet_udp)
		return s->kind == &inet_tcp ? urgent_receive(s, t) : -EOPNOTSUPP;
	if ((t->flags & MSG_ERRQUEUE) && s->kind->family == AF_INET)
		return error_receive(s, t);
	return s->kind->stream ? stream_receive(s, t) : message_receive(s, t);
}

static u32 listening_events(struct socket *s)
{
	return READ_ONCE(s->nr_accept) != 0 ? POLLIN | POLLRDNORM : 0;
}

u32 socket_events(struct socket *s)
{
	u32 events = 0;
	u8 state, shut;

	spin_lock(&s->lock);
	state = s->state;
	shut = s->shut | (s->fin ? SHUT_RECEIVE : 0);
	if (s->error != 0 || s->nr_errors != 0)
		events |= POLLERR;
	if (state == SOCKET_LISTENING) {
		events |= listening_events(s);
	} else {
		if (shut == (SHUT_RECEIVE | SHUT_SEND) || (s->kind->connected && (state == SOCKET_FREE || state == SOCKET_CLOSED)))
			events |= POLLHUP;
		if ((shut & SHUT_RECEIVE) || (s->kind == &inet_tcp && state == SOCKET_FREE && s->error != 0))	/* ended, or refused */
			events |= POLLIN | POLLRDNORM | POLLRDHUP;
		if (s->kind->stream ? s->queue.bytes >= (u64)MAX(s->opt.receive_low, 1) : s->queue.count != 0)
			events |= POLLIN | POLLRDNORM;
		if (s->urgent == URGENT_THERE)
			events |= POLLPRI;
		if (state != SOCKET_CONNECTING && (writable(s) || ((shut & SHUT_SEND) && s->kind == &inet_tcp)))
			events |= POLLOUT | POLLWRNORM | (s->kind == &inet_tcp ? 0 : POLLWRBAND);
	}
	spin_unlock(&s->lock);
	return events;
}

u32 socket_readable_bytes(struct socket *s)
{
	struct message *m;
	u64 n;

	spin_lock(&s->lock);
	m = queue_first(&s->queue);
	n = s->kind == &inet_udp || s->kind == &unix_dgram ? (m ? m->len : 0) : s->queue.bytes;
	spin_unlock(&s->lock);
	return n;
}
