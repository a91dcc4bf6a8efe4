/* SPDX-License-Identifier: MIT */
/*
 * Local addresses of AF_INET: which are taken, and by whom. ip(7), SO_REUSEADDR and SO_REUSEPORT of socket(7). All under net_lock.
 * There is no TIME_WAIT: nothing can arrive late.
 */
#include "lib/base/errno.h"
#include "managers/processor/random.h"
#include "managers/processor/process/process.h"
#include "managers/processor/socket/socket.h"

#define EPHEMERAL_FIRST	32768
#define EPHEMERAL_LAST	60999
#define NR_BUCKETS	256

static struct list buckets[NR_BUCKETS];		/* sockets by name_link */

static struct list *bucket(u16 port)
{
	struct list *b = &buckets[port % NR_BUCKETS];

	if (b->next == NULL)
		list_init(b);
	return b;
}

static u16 swap16(u16 v)
{
	return v >> 8 | v << 8;
}

static u16 port_of(const struct socket *s)
{
	return swap16(s->local.in.port);
}

/* May both have addresses that overlap? */
static bool may_share(const struct socket *old, const struct socket *new)
{
	if (old->opt.reuse_port && new->opt.reuse_port && old->cred.uid == new->cred.uid)
		return true;
	if (!old->opt.reuse_addr || !new->opt.reuse_addr)
		return false;
	return new->kind == &inet_udp || (old->state != SOCKET_LISTENING && new->state != SOCKET_LISTENING);
}

static bool overlap(u32 a, u32 b)
{
	return a == 0 || b == 0 || a == b;
}

static bool taken(const struct socket *s, u32 addr, u16 port)
{
	struct socket *o;

	list_for_each(o, bucket(port), name_link)
		if (o != s && o->kind == s->kind && port_of(o) == port && overlap(o->local.in.addr, addr) && !may_share(o, s))
			return true;
	return false;
}

/* Only ports that nobody has at all: which of several would be meant could not be told. */
static bool in_use(const struct socket *s, u16 port)
{
	struct socket *o;

	list_for_each(o, bucket(port), name_link)
		if (o->kind == s->kind && port_of(o) == port)
			return true;
	return false;
}

static int pick(const struct socket *s, u16 *port)
{
	const unsigned range = EPHEMERAL_LAST - EPHEMERAL_FIRST + 1;
	u32 start;

	random_bytes(&start, sizeof(start));
	for (unsigned i = 0; i < range; i++) {
		*port = EPHEMERAL_FIRST + (start + i) % range;
		if (!in_use(s, *port))
			return 0;
	}
	return -EADDRINUSE;
}

static void name(struct socket *s, u32 addr, u16 port)
{
	spin_lock(&s->lock);
	s->local = (struct address){ .len = sizeof(s->local.in), .in = { AF_INET, swap16(port), addr, { 0 } } };
	spin_unlock(&s->lock);
	list_add_tail(bucket(port), &s->name_link);
}

int port_bind(struct socket *s, u32 addr, u16 port)
{
	int rc;

	if (port == 0) {
		rc = pick(s, &port);
		if (rc < 0)
			return rc;
	} else if (taken(s, addr, port)) {
		return -EADDRINUSE;
	}
	name(s, addr, port);
	return 0;
}

void port_share(struct socket *s, struct socket *listener)
{
	list_add_tail(bucket(port_of(listener)), &s->name_link);
}

void port_release(struct socket *s)
{
	list_del(&s->name_link);
}

int port_may_listen(struct socket *s)
{
	struct socket *o;

	list_for_each(o, bucket(port_of(s)), name_link)
		if (o != s && o->kind == s->kind && port_of(o) == port_of(s) && o->state == SOCKET_LISTENING &&
		    overlap(o->local.in.addr, s->local.in.addr) && !(o->opt.reuse_port && s->opt.reuse_port))
			return -EADDRINUSE;
	return 0;
}

struct socket *port_find(const struct socket_kind *kind, u32 addr, u16 port, const struct sockaddr_in_abi *from)
{
	struct socket *o, *best = NULL;
	int best_score = -1;

	list_for_each(o, bucket(swap16(port)), name_link) {
		int score = 0;

		if (o->kind != kind || o->local.in.port != port || (o->local.in.addr != 0 && o->local.in.addr != addr))
			continue;
		if (kind == &inet_tcp && o->state != SOCKET_LISTENING)
			continue;
		if (kind == &inet_udp && o->state == SOCKET_CONNECTED) {	/* takes from its peer only */
			if (o->remote.in.addr != from->addr || o->remote.in.port != from->port)
				continue;
			score += 2;
		}
		score += o->local.in.addr != 0;
		if (score > best_score) {
			best = o;
			best_score = score;
		}
	}
	return best;
}
