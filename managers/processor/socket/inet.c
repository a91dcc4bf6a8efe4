/* SPDX-License-Identifier: MIT */
/* AF_INET on this machine alone: 127.0.0.0/8 is here, and nothing else can be reached. ip(7), tcp(7), udp(7). */
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "managers/processor/socket/rights.h"
#include "managers/processor/socket/socket.h"

#define PRIVILEGED_PORTS 1024

static bool is_here(u32 addr)
{
	return (addr & 0xff) == 127;
}

static u16 swap16(u16 v)
{
	return v >> 8 | v << 8;
}

static int inet_check(const struct address *a)
{
	if (a->len < sizeof(a->in))
		return -EINVAL;
	return a->family == AF_INET ? 0 : -EAFNOSUPPORT;
}

static int inet_bind(struct socket *s, const struct address *a)
{
	u16 port;
	int rc;

	if (a->len < sizeof(a->in))
		return -EINVAL;
	if (a->family != AF_INET && !(a->family == AF_UNSPEC && a->in.addr == 0))
		return -EAFNOSUPPORT;
	if (a->in.addr != 0 && !is_here(a->in.addr))
		return -EADDRNOTAVAIL;
	port = swap16(a->in.port);
	if (port != 0 && port < PRIVILEGED_PORTS && !capable(CAP_NET_BIND_SERVICE))
		return -EACCES;
	mutex_lock(&net_lock);
	rc = s->local.len != 0 || s->state != SOCKET_FREE ? -EINVAL : port_bind(s, a->in.addr, port);
	mutex_unlock(&net_lock);
	return rc;
}

static int inet_autobind(struct socket *s)
{
	return port_bind(s, 0, 0) < 0 ? -EAGAIN : 0;
}

static void inet_unbind(struct socket *s)
{
	port_release(s);
}

/* The address that a destination means, or why it cannot be reached. */
static int route(const struct socket *s, const struct address *a, u32 *addr)
{
	*addr = a->in.addr == 0 ? INET_LOOPBACK : a->in.addr;
	if (*addr == 0xffffffff && s->kind == &inet_udp && !s->opt.broadcast)
		return -EACCES;
	return is_here(*addr) ? 0 : -ENETUNREACH;
}

static void local_address(struct socket *s)
{
	spin_lock(&s->lock);
	if (s->local.in.addr == 0)
		s->local.in.addr = INET_LOOPBACK;
	spin_unlock(&s->lock);
}

static void remote_set(struct socket *s, u32 addr, u16 port)
{
	spin_lock(&s->lock);
	s->remote = (struct address){ .len = sizeof(s->remote.in), .in = { AF_INET, port, addr, { 0 } } };
	spin_unlock(&s->lock);
}

static int inet_udp_find(struct socket *s, const struct address *a, struct socket **out)
{
	struct sockaddr_in_abi from;
	u32 addr;
	int rc = route(s, a, &addr);

	if (rc < 0)
		return rc;
	if (a->in.port == 0)
		return -EINVAL;
	mutex_lock(&net_lock);
	from = s->local.in;
	if (from.addr == 0)
		from.addr = INET_LOOPBACK;
	*out = port_find(&inet_udp, addr, a->in.port, &from);
	if (*out != NULL)
		socket_get(*out);
	mutex_unlock(&net_lock);
	return 0;
}

int inet_udp_connect(struct socket *s, const struct address *a)
{
	u32 addr;
	int rc = route(s, a, &addr);

	if (rc < 0)
		return rc;
	mutex_lock(&net_lock);
	if (s->local.len == 0)
		rc = inet_autobind(s);
	if (rc == 0) {
		local_address(s);
		remote_set(s, addr, a->in.port);
		spin_lock(&s->lock);
		socket_set_state(s, SOCKET_CONNECTED);
		spin_unlock(&s->lock);
	}
	mutex_unlock(&net_lock);
	return rc;
}

int inet_tcp_route(struct socket *s, const struct address *a, struct socket **listener)
{
	u32 addr;
	int rc = route(s, a, &addr);

	if (rc == 0 && s->local.len == 0)
		rc = inet_autobind(s);
	if (rc < 0)
		return rc;
	local_address(s);
	remote_set(s, addr, a->in.port);
	*listener = port_find(&inet_tcp, addr, a->in.port, NULL);
	return 0;
}

/* What of s's stands in the queue of who was its peer stays there, and is nobody's: s->sent is the next connection's. */
static void uncharge(struct socket *s, struct socket *peer)
{
	struct message *m;
	unsigned n = 0;

	spin_lock(&peer->lock);
	for (m = queue_first(&peer->queue); m != NULL; m = queue_next(&peer->queue, m)) {
		if (m->from != s)
			continue;
		m->from = NULL;
		atomic_sub(&s->sent, m->charge);
		n++;
	}
	spin_unlock(&peer->lock);
	while (n-- != 0)
		socket_put(s);
}

void inet_tcp_begin_anew(struct socket *s)
{
	struct list unread = LIST_INIT(unread);
	struct socket *peer;
	bool broken;

	mutex_lock(&s->reader);			/* who reads what is thrown away */
	mutex_lock(&net_lock);
	if (s->state != SOCKET_FREE) {
		peer = s->peer;
		if (peer != NULL)
			socket_get(peer);
		broken = socket_reset(s);
		if (peer != NULL) {
			uncharge(s, peer);
			socket_put(peer);
		}
		list_splice_tail(&unread, &s->orphans);
		spin_lock(&s->lock);
		list_splice_tail(&unread, &s->queue.messages);
		queue_init(&s->queue);
		s->urgent = URGENT_NONE;
		socket_set_state(s, SOCKET_FREE);
		s->shut = 0;
		s->fin = false;
		if (broken)
			s->error = ECONNRESET;
		memset(&s->local, 0, sizeof(s->local));
		memset(&s->remote, 0, sizeof(s->remote));
		spin_unlock(&s->lock);
	}
	s->asked = false;
	mutex_unlock(&net_lock);
	mutex_unlock(&s->reader);
	messages_discard(&unread);
}

static int inet_tcp_find(struct socket *s, const struct address *a, struct socket **out)
{
	return -EOPNOTSUPP;		/* streams connect: inet_tcp_route() */
}

const struct socket_kind inet_tcp = { .family = AF_INET, .type = SOCK_STREAM, .protocol = IPPROTO_TCP, .stream = true, .connected = true,
				      .check = inet_check, .bind = inet_bind, .autobind = inet_autobind, .find = inet_tcp_find,
				      .unbind = inet_unbind };
const struct socket_kind inet_udp = { .family = AF_INET, .type = SOCK_DGRAM, .protocol = IPPROTO_UDP, .check = inet_check,
				      .bind = inet_bind, .autobind = inet_autobind, .find = inet_udp_find, .unbind = inet_unbind };
