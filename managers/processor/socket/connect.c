/* SPDX-License-Identifier: MIT */
/*
 * Who is connected to whom: connect, listen, accept, shutdown, close; the same for all kinds. A connection is made at once when the
 * listener's queue has room. When it has none, AF_UNIX waits or says EAGAIN, as Linux does; TCP stays CONNECTING and is taken
 * in when a connection is accepted.
 */
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "managers/processor/socket/rights.h"

static void peer_set(struct socket *s, struct socket *peer)
{
	struct socket *old;

	if (peer != NULL)
		socket_get(peer);
	spin_lock(&s->lock);
	old = s->peer;
	s->peer = peer;
	if (peer != NULL)
		socket_set_state(s, SOCKET_CONNECTED);
	spin_unlock(&s->lock);
	if (old != NULL)
		socket_put(old);
}

void sockets_join(struct socket *a, struct socket *b)
{
	peer_set(b, a);
	peer_set(a, b);
}

void socket_disconnect(struct socket *s)
{
	mutex_lock(&net_lock);
	peer_set(s, NULL);
	spin_lock(&s->lock);
	if (s->state == SOCKET_CONNECTED)
		socket_set_state(s, SOCKET_FREE);
	memset(&s->remote, 0, sizeof(s->remote));
	spin_unlock(&s->lock);
	mutex_unlock(&net_lock);
}

struct address socket_peer_address(struct socket *s)
{
	struct address a = { 0 };
	struct socket *peer;

	if (s->kind->family == AF_INET)
		return socket_address(s, true);
	mutex_lock(&net_lock);
	peer = s->peer;
	if (peer != NULL)
		a = socket_address(peer, false);
	mutex_unlock(&net_lock);
	if (peer != NULL && a.len == 0)
		a = (struct address){ .len = 2, .family = AF_UNIX };
	return a;
}

/* --- the end --- */

static void set_state(struct socket *s, enum socket_state to)
{
	spin_lock(&s->lock);
	socket_set_state(s, to);
	spin_unlock(&s->lock);
}

/* What s's peer sees when s is closed; reset: because s threw away what it was sent, or was asked to. */
static void peer_hears(struct socket *s, struct socket *peer, bool reset)
{
	spin_lock(&peer->lock);
	if (peer->peer != s || !s->kind->connected) {
		spin_unlock(&peer->lock);
		return;
	}
	if (s->kind->family == AF_UNIX) {
		peer->shut = SHUT_RECEIVE | SHUT_SEND;
		if (reset)
			peer->error = ECONNRESET;
	} else if (reset) {
		if (peer->state == SOCKET_CONNECTED) {
			peer->error = peer->fin ? EPIPE : ECONNRESET;
			peer->shut = SHUT_RECEIVE | SHUT_SEND;
			socket_set_state(peer, SOCKET_CLOSED);
		}
	} else {
		peer->fin = true;
	}
	spin_unlock(&peer->lock);
	socket_wake(peer);
}

static void end(struct socket *s, bool reset);

/* Connections that nobody accepted, and those that hoped to be, end. */
static void listener_end(struct socket *s)
{
	struct socket *c;

	while ((c = list_first(&s->accept_queue, struct socket, accept_link)) != NULL) {
		struct list unread = LIST_INIT(unread);

		list_del(&c->accept_link);
		s->nr_accept--;
		end(c, true);
		spin_lock(&c->lock);
		list_splice_tail(&s->orphans, &c->queue.messages);	/* thrown away when net_lock is free */
		queue_init(&c->queue);
		spin_unlock(&c->lock);
		socket_put(c);
	}
	while ((c = list_first(&s->waiting, struct socket, accept_link)) != NULL) {
		list_del(&c->accept_link);
		c->listener = NULL;
		spin_lock(&c->lock);
		socket_set_state(c, SOCKET_FREE);
		c->error = ECONNREFUSED;
		spin_unlock(&c->lock);
		socket_wake(c);
		socket_put(c);
	}
}

/* TCP: both ends have said that no more comes, and know it of each other. s->lock held */
static bool both_ended(const struct socket *s)
{
	return s->kind == &inet_tcp && s->state == SOCKET_CONNECTED && s->fin && (s->shut & SHUT_SEND);
}

static void end(struct socket *s, bool reset)
{
	struct socket *peer = s->peer;
	bool mine = false;

	if (s->state == SOCKET_LISTENING)
		listener_end(s);
	if (s->listener != NULL) {
		list_del(&s->accept_link);
		s->listener = NULL;
		mine = true;
	}
	s->kind->unbind(s);
	spin_lock(&s->lock);
	reset |= s->queue.count != 0 || (s->opt.linger.on && s->opt.linger.seconds == 0 && s->kind == &inet_tcp);
	reset &= !both_ended(s);		/* there is nothing left to break off */
	socket_set_state(s, SOCKET_CLOSED);
	s->shut = SHUT_RECEIVE | SHUT_SEND;
	s->peer = NULL;
	spin_unlock(&s->lock);
	if (peer != NULL) {
		peer_hears(s, peer, reset);
		socket_put(peer);
	}
	socket_wake(s);
	if (mine)
		socket_put(s);
}

void socket_end(struct socket *s)
{
	end(s, false);
}

bool socket_reset(struct socket *s)
{
	bool open;

	spin_lock(&s->lock);
	open = (s->state == SOCKET_CONNECTED || s->state == SOCKET_CONNECTING) && !both_ended(s);
	spin_unlock(&s->lock);
	end(s, true);
	return open;
}

int socket_shutdown(struct socket *s, int how)
{
	u8 bits = how == SHUT_RD ? SHUT_RECEIVE : how == SHUT_WR ? SHUT_SEND : SHUT_RECEIVE | SHUT_SEND, theirs = 0;
	struct list orphans = LIST_INIT(orphans);
	struct socket *peer;
	int rc = 0;

	if (how < 0 || how > SHUT_RDWR)
		return -EINVAL;
	mutex_lock(&net_lock);
	peer = s->peer;
	if (s->kind == &inet_tcp && s->state == SOCKET_LISTENING) {
		if (bits & SHUT_RECEIVE) {
			listener_end(s);
			set_state(s, SOCKET_FREE);
			list_splice_tail(&orphans, &s->orphans);
		}
	} else {
		spin_lock(&s->lock);
		if (s->kind->family == AF_INET &&
		    (s->state != SOCKET_CONNECTED || (s->kind == &inet_tcp && (s->shut & SHUT_SEND) && s->fin)))
			rc = -ENOTCONN;			/* or not any more; and has its effect all the same */
		s->shut |= bits;
		spin_unlock(&s->lock);
		if (peer != NULL && s->kind->connected) {
			if (s->kind->family == AF_UNIX)
				theirs = (bits & SHUT_RECEIVE ? SHUT_SEND : 0) | (bits & SHUT_SEND ? SHUT_RECEIVE : 0);
			spin_lock(&peer->lock);
			peer->shut |= theirs;
			if (s->kind == &inet_tcp && (bits & SHUT_SEND) && peer->peer == s)
				peer->fin = true;
			spin_unlock(&peer->lock);
			socket_wake(peer);
		}
	}
	socket_wake(s);
	mutex_unlock(&net_lock);
	messages_discard(&orphans);
	return rc;
}

/* --- listening --- */

int socket_listen(struct socket *s, int backlog)
{
	const struct process *p = process_current();
	int rc = 0;

	if (!s->kind->connected)
		return -EOPNOTSUPP;
	mutex_lock(&net_lock);
	if (s->state != SOCKET_FREE && s->state != SOCKET_LISTENING) {
		rc = -EINVAL;
	} else if (s->local.len == 0) {
		rc = s->kind->family == AF_UNIX ? -EINVAL : s->kind->autobind(s);
	} else if (s->kind == &inet_tcp && s->state == SOCKET_FREE) {
		rc = port_may_listen(s);
	}
	if (rc == 0) {
		s->backlog = (unsigned)backlog > SOMAXCONN ? SOMAXCONN : backlog;
		s->cred = (struct ucred_abi){ p->pid, p->cred.euid, p->cred.egid };
		set_state(s, SOCKET_LISTENING);
	}
	mutex_unlock(&net_lock);
	return rc;
}

/* net_lock held: s and a new socket for the listener's side are connected, and it is in the queue. */
static int admit(struct socket *l, struct socket *s)
{
	struct socket *c = socket_alloc(l->kind);
	struct address to;

	if (c == NULL)
		return -ENOMEM;
	to = l->kind->family == AF_INET ? s->remote : l->local;
	c->opt = l->opt;
	c->send_size = l->send_size;
	c->send_size_set = l->send_size_set;
	c->receive_size = l->receive_size;
	c->local = to;
	c->remote = s->local;
	c->cred = l->cred;
	c->peer_cred = s->cred;
	s->peer_cred = l->cred;
	if (l->kind == &inet_tcp)
		port_share(c, l);
	sockets_join(s, c);
	list_add_tail(&l->accept_queue, &c->accept_link);
	WRITE_ONCE(l->nr_accept, l->nr_accept + 1);
	socket_wake(l);
	socket_wake(s);
	return 0;
}

static bool listener_full(const struct socket *l)
{
	return READ_ONCE(l->nr_accept) > READ_ONCE(l->backlog);
}

int connection_take(struct socket *s, struct socket **out)
{
	struct socket *c, *next;
	int rc = 0;

	mutex_lock(&net_lock);
	c = list_first(&s->accept_queue, struct socket, accept_link);
	if (s->state != SOCKET_LISTENING)
		rc = -EINVAL;
	else if (c == NULL)
		rc = -EAGAIN;
	if (rc == 0) {
		list_del(&c->accept_link);
		WRITE_ONCE(s->nr_accept, s->nr_accept - 1);
		while (!listener_full(s) && (next = list_first(&s->waiting, struct socket, accept_link)) != NULL) {
			list_del(&next->accept_link);
			next->listener = NULL;
			if (admit(s, next) < 0) {
				set_state(next, SOCKET_FREE);
				socket_fail(next, ENOMEM);
			}
			socket_put(next);
		}
		*out = c;
	}
	mutex_unlock(&net_lock);
	if (rc == 0)
		waitq_wake_all(&s->write_wait);		/* AF_UNIX: who waits for room */
	return rc;
}

/* --- connecting --- */

/* unix(7), udp(7): a default peer, and the only one that is listened to. */
static int connect_datagram(struct socket *s, const struct address *a)
{
	struct socket *to = NULL;
	int rc;

	if (a->family == AF_UNSPEC) {
		socket_disconnect(s);
		return 0;
	}
	rc = s->kind->check(a);
	if (rc < 0)
		return rc;
	if (s->kind == &inet_udp)
		return inet_udp_connect(s, a);
	rc = s->kind->find(s, a, &to);
	if (rc < 0)
		return rc;
	mutex_lock(&net_lock);
	if (to->state == SOCKET_CLOSED)
		rc = -ECONNREFUSED;
	else if (to->peer != NULL && to->peer != s)
		rc = -EPERM;
	else
		peer_set(s, to);
	mutex_unlock(&net_lock);
	socket_put(to);
	return rc;
}

/* net_lock held. What connect() says of a stream socket as it is; 1: it may begin. */
static int connect_state(struct socket *s)
{
	bool inet = s->kind->family == AF_INET;

	switch (s->state) {
	case SOCKET_CONNECTED:
		if (inet && s->asked && !s->told) {		/* the end of a connect that did not wait is told once */
			s->told = true;
			return 0;
		}
		return -EISCONN;
	case SOCKET_CONNECTING:
		return -EALREADY;
	case SOCKET_LISTENING:
		return inet ? -EISCONN : -EINVAL;
	case SOCKET_CLOSED:
		return inet ? -EISCONN : -EINVAL;
	default:
		break;
	}
	if (inet && s->asked) {
		int rc = socket_error(s);

		s->asked = false;
		return rc < 0 ? rc : -ECONNABORTED;
	}
	return 1;
}

/* net_lock held: 0 connected; -EINPROGRESS it waits for room; -EAGAIN AF_UNIX is to wait; other errors */
static int connect_now(struct socket *s, struct socket *l)
{
	if (l->state != SOCKET_LISTENING)
		return -ECONNREFUSED;
	if (!listener_full(l))
		return admit(l, s);
	if (s->kind->family == AF_UNIX)
		return -EAGAIN;
	set_state(s, SOCKET_CONNECTING);
	socket_get(s);
	s->listener = l;
	list_add_tail(&l->waiting, &s->accept_link);
	return -EINPROGRESS;
}

/* A TCP connect that has begun; 0, or why it failed, or that the wait ended before it did. */
static int connect_wait(struct socket *s)
{
	int rc = socket_wait(&s->write_wait, READ_ONCE(s->state) != SOCKET_CONNECTING, READ_ONCE(s->opt.send_ns));

	if (rc == -EAGAIN)
		return -EINPROGRESS;
	if (rc < 0)
		return rc;
	rc = socket_error(s);
	mutex_lock(&net_lock);
	s->asked = false;
	mutex_unlock(&net_lock);
	return rc < 0 ? rc : READ_ONCE(s->state) == SOCKET_CONNECTED ? 0 : -ECONNABORTED;
}

static int connect_inet(struct socket *s, const struct address *a, bool nonblock)
{
	struct socket *l = NULL;
	int rc;

	mutex_lock(&net_lock);
	rc = connect_state(s);
	if (rc == -EALREADY && !nonblock) {
		mutex_unlock(&net_lock);
		return connect_wait(s);
	}
	if (rc != 1)
		goto unlock;
	spin_lock(&s->lock);
	s->error = 0;				/* what came of an earlier connection */
	spin_unlock(&s->lock);
	rc = inet_tcp_route(s, a, &l);
	if (rc == 0)
		rc = l != NULL ? connect_now(s, l) : -ECONNREFUSED;
	if (rc < 0 && rc != -EINPROGRESS && rc != -ECONNREFUSED)
		goto unlock;
	if (nonblock) {				/* the answer is on its way: it is told when asked for */
		s->asked = true;
		s->told = false;
		if (rc == -ECONNREFUSED)
			socket_fail(s, ECONNREFUSED);
		rc = -EINPROGRESS;
	} else if (rc == -EINPROGRESS) {
		s->asked = true;
		s->told = false;
		mutex_unlock(&net_lock);
		return connect_wait(s);
	}
unlock:
	mutex_unlock(&net_lock);
	return rc;
}

static int connect_unix(struct socket *s, const struct address *a, bool nonblock)
{
	const struct process *p = process_current();
	struct socket *l;
	int rc;

	for (;;) {
		rc = s->kind->find(s, a, &l);
		if (rc < 0)
			return rc;
		mutex_lock(&net_lock);
		rc = connect_state(s);
		if (rc == 1) {
			s->cred = (struct ucred_abi){ p->pid, p->cred.euid, p->cred.egid };
			rc = connect_now(s, l);
		}
		mutex_unlock(&net_lock);
		if (rc == -EAGAIN && !nonblock) {
			rc = socket_wait(&l->write_wait, !listener_full(l) || READ_ONCE(l->state) != SOCKET_LISTENING,
					 READ_ONCE(s->opt.send_ns));
			socket_put(l);
			if (rc < 0)
				return rc;
			continue;
		}
		socket_put(l);
		return rc;
	}
}

int socket_connect(struct socket *s, const struct address *a, bool nonblock)
{
	int rc;

	if (a->len < 2)
		return -EINVAL;
	if (!s->kind->connected)
		return connect_datagram(s, a);
	if (s->kind == &inet_tcp && a->family == AF_UNSPEC) {
		inet_tcp_begin_anew(s);
		return 0;
	}
	rc = s->kind->check(a);
	if (rc < 0)
		return rc;
	return s->kind == &inet_tcp ? connect_inet(s, a, nonblock) : connect_unix(s, a, nonblock);
}

int socket_bind(struct socket *s, const struct address *a)
{
	return s->kind->bind(s, a);
}
