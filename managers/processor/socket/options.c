/* SPDX-License-Identifier: MIT */
/*
 * getsockopt(2), setsockopt(2): socket(7), ip(7), tcp(7). Most options say how packets are to be made, delayed or repeated. There are
 * none here, so those are only kept, with the ranges that Linux checks: no program can see a difference.
 */
#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "managers/processor/socket/socket.h"

#define BUFFER_MAX	(212992 * 2)	/* net.core.wmem_max and rmem_max, doubled as Linux doubles what it is given */
#define SEND_MIN	4608
#define RECEIVE_MIN	2304

#define LOOPBACK_MTU	65536
#define FLAG	1	/* any value but 0 is 1 */

static const struct option {
	int level, name;
	u16 offset;
	int min, max;			/* else -EINVAL; both 0: any */
	unsigned flags;
} options[] = {
#define OPT(l, n, field, ...) { l, n, offsetof(struct socket_options, field), __VA_ARGS__ }
	OPT(SOL_SOCKET, SO_REUSEADDR, reuse_addr, 0, 0, FLAG), OPT(SOL_SOCKET, SO_REUSEPORT, reuse_port, 0, 0, FLAG),
	OPT(SOL_SOCKET, SO_KEEPALIVE, keepalive, 0, 0, FLAG), OPT(SOL_SOCKET, SO_BROADCAST, broadcast, 0, 0, FLAG),
	OPT(SOL_SOCKET, SO_PASSCRED, pass_cred, 0, 0, FLAG), OPT(SOL_SOCKET, SO_OOBINLINE, oob_inline, 0, 0, FLAG),
	OPT(SOL_SOCKET, SO_DONTROUTE, dont_route, 0, 0, FLAG), OPT(SOL_SOCKET, SO_NO_CHECK, no_check, 0, 0, FLAG),
	OPT(SOL_SOCKET, SO_TIMESTAMP, timestamp, 0, 0, FLAG), OPT(SOL_SOCKET, SO_TIMESTAMPNS, timestamp_ns, 0, 0, FLAG),
	OPT(IPPROTO_IP, IP_PKTINFO, pkt_info, 0, 0, FLAG), OPT(IPPROTO_IP, IP_RECVTTL, recv_ttl, 0, 0, FLAG),
	OPT(IPPROTO_IP, IP_RECVTOS, recv_tos, 0, 0, FLAG),
	OPT(SOL_SOCKET, SO_DEBUG, debug, 0, 0, FLAG), OPT(SOL_SOCKET, SO_PRIORITY, priority, 0, 0, 0),
	OPT(IPPROTO_TCP, TCP_NODELAY, no_delay, 0, 0, FLAG), OPT(IPPROTO_TCP, TCP_CORK, cork, 0, 0, FLAG),
	OPT(IPPROTO_TCP, TCP_KEEPIDLE, keep_idle, 1, 32767, 0), OPT(IPPROTO_TCP, TCP_KEEPINTVL, keep_interval, 1, 32767, 0),
	OPT(IPPROTO_TCP, TCP_KEEPCNT, keep_count, 1, 127, 0), OPT(IPPROTO_TCP, TCP_SYNCNT, syn_count, 1, 127, 0),
	OPT(IPPROTO_TCP, TCP_LINGER2, linger2, 0, 0, 0), OPT(IPPROTO_TCP, TCP_DEFER_ACCEPT, defer_accept, 0, 0, 0),
	OPT(IPPROTO_TCP, TCP_WINDOW_CLAMP, window_clamp, 0, 0, 0), OPT(IPPROTO_TCP, TCP_QUICKACK, quick_ack, 0, 0, FLAG),
	OPT(IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout, 0, 0x7fffffff, 0), OPT(IPPROTO_TCP, TCP_MAXSEG, max_seg, 88, 32767, 0),
	OPT(IPPROTO_IP, IP_TOS, tos, 0, 0, 0), OPT(IPPROTO_IP, IP_TTL, ttl, 1, 255, 0),
	OPT(IPPROTO_IP, IP_MTU_DISCOVER, mtu_discover, 0, 5, 0), OPT(IPPROTO_IP, IP_RECVERR, recv_err, 0, 0, FLAG),
	OPT(IPPROTO_IP, IP_MULTICAST_TTL, multicast_ttl, -1, 255, 0), OPT(IPPROTO_IP, IP_MULTICAST_LOOP, multicast_loop, 0, 0, FLAG),
#undef OPT
};

static const struct option *option_find(const struct socket *s, int level, int name)
{
	if ((level == IPPROTO_TCP && s->kind != &inet_tcp) || (level == IPPROTO_IP && s->kind->family != AF_INET))
		return NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].level == level && options[i].name == name)
			return &options[i];
	return NULL;
}

static int *option_value(struct socket *s, const struct option *o)
{
	return (int *)((u8 *)&s->opt + o->offset);
}

/* What a level that a socket does not have answers. */
static int no_such_level(const struct socket *s, int level)
{
	return s->kind->family == AF_UNIX && level != SOL_SOCKET ? -EOPNOTSUPP : -ENOPROTOOPT;
}

static int timeout_set(u64 user, int len, u64 *ns)
{
	struct timeval_abi tv;

	if (len < (int)sizeof(tv))
		return -EINVAL;
	if (copy_from_user(&tv, user, sizeof(tv)) < 0)
		return -EFAULT;
	if (tv.usec < 0 || tv.usec >= 1000000)
		return -EDOM;
	if (tv.sec < 0)
		*ns = 1;			/* over at once, as Linux has it */
	else
		*ns = MIN((u64)tv.sec, 4000000000ULL) * NSEC_PER_SEC + tv.usec * 1000;
	return 0;
}

/* SO_BINDTODEVICE: all goes through the loopback interface in any case. An empty name: to none. */
static int bind_to_device(struct socket *s, u64 user, int len)
{
	char name[IFNAMSIZ] = { 0 };

	if (copy_from_user(name, user, MIN(len, IFNAMSIZ - 1)) < 0)
		return -EFAULT;
	if (READ_ONCE(s->opt.bound_to_device) && !capable(CAP_NET_RAW))
		return -EPERM;
	if (name[0] != '\0' && strcmp(name, LOOPBACK_NAME) != 0)
		return -ENODEV;
	WRITE_ONCE(s->opt.bound_to_device, name[0] != '\0');
	return 0;
}

static int device_get(struct socket *s, u64 user, u64 len_user, int len)
{
	bool bound = READ_ONCE(s->opt.bound_to_device);

	if (bound && len < IFNAMSIZ)
		return -EINVAL;
	if (bound && copy_to_user(user, LOOPBACK_NAME, sizeof(LOOPBACK_NAME)) < 0)
		return -EFAULT;
	return put_user32(len_user, bound ? sizeof(LOOPBACK_NAME) : 0);
}

/* Only one form of time stamp is wanted; errors that nobody wants to hear of are forgotten. */
static void option_follows(struct socket *s, int level, int name)
{
	struct message *m;

	if (level == SOL_SOCKET && name == SO_TIMESTAMP)
		WRITE_ONCE(s->opt.timestamp_ns, 0);
	if (level == SOL_SOCKET && name == SO_TIMESTAMPNS)
		WRITE_ONCE(s->opt.timestamp, 0);
	while (level == IPPROTO_IP && name == IP_RECVERR && !READ_ONCE(s->opt.recv_err) && (m = socket_error_take(s)) != NULL)
		message_free(m);
}

static int socket_level_set(struct socket *s, int name, u64 user, int len, int value)
{
	struct linger_abi linger;
	u32 size;

	switch (name) {
	case SO_SNDBUF:
	case SO_RCVBUF:
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		if (name >= SO_SNDBUFFORCE && !capable(CAP_NET_ADMIN))
			return -EPERM;
		size = MIN((u32)value, (u32)BUFFER_MAX / 2) * 2;
		spin_lock(&s->lock);
		if (name == SO_SNDBUF || name == SO_SNDBUFFORCE) {
			s->send_size = MAX(size, (u32)SEND_MIN);
			s->send_size_set = true;
		} else {
			s->receive_size = MAX(size, (u32)RECEIVE_MIN);
		}
		spin_unlock(&s->lock);
		waitq_wake_all(&s->write_wait);
		return 0;
	case SO_LINGER:
		if (len < (int)sizeof(linger))
			return -EINVAL;
		if (copy_from_user(&linger, user, sizeof(linger)) < 0)
			return -EFAULT;
		spin_lock(&s->lock);
		s->opt.linger = (struct linger_abi){ linger.on != 0, linger.on ? linger.seconds : s->opt.linger.seconds };
		spin_unlock(&s->lock);
		return 0;
	case SO_PEEK_OFF:
		if (s->kind == &inet_tcp)
			return -EOPNOTSUPP;
		spin_lock(&s->lock);
		s->peek_off = MAX(value, -1);
		spin_unlock(&s->lock);
		return 0;
	case SO_BINDTOIFINDEX:
		if (READ_ONCE(s->opt.bound_to_device) && !capable(CAP_NET_RAW))
			return -EPERM;
		if (value < 0 || value > LOOPBACK_INDEX)
			return value < 0 ? -EINVAL : -ENODEV;
		WRITE_ONCE(s->opt.bound_to_device, value != 0);
		return 0;
	case SO_RCVTIMEO: return timeout_set(user, len, &s->opt.receive_ns);
	case SO_SNDTIMEO: return timeout_set(user, len, &s->opt.send_ns);
	case SO_RCVLOWAT:
		WRITE_ONCE(s->opt.receive_low, value < 0 ? 0x7fffffff : value == 0 ? 1 : value);
		waitq_wake_all(&s->read_wait);
		return 0;
	}
	return -ENOPROTOOPT;
}

int socket_option_set(struct socket *s, int level, int name, u64 user, int len)
{
	const struct option *o = option_find(s, level, name);
	int value = 0;

	if (len < 0)
		return -EINVAL;
	if (level != SOL_SOCKET && (s->kind->family == AF_UNIX || (level != IPPROTO_IP && !(level == IPPROTO_TCP && s->kind == &inet_tcp))))
		return no_such_level(s, level);
	if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
		return bind_to_device(s, user, len);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION)
		return -ENOENT;			/* there is no congestion, and nothing to control it */
	if (len < (int)sizeof(value)) {
		u8 byte;

		if (level != IPPROTO_IP || len < 1)
			return -EINVAL;
		if (copy_from_user(&byte, user, 1) < 0)
			return -EFAULT;
		value = byte;
	} else if (copy_from_user(&value, user, sizeof(value)) < 0) {
		return -EFAULT;
	}
	if (o == NULL)
		return level == SOL_SOCKET ? socket_level_set(s, name, user, len, value) : -ENOPROTOOPT;
	if (name == IP_TTL && level == IPPROTO_IP && value == -1)
		value = 64;
	if ((o->min != 0 || o->max != 0) && (value < o->min || value > o->max))
		return -EINVAL;
	if (level == SOL_SOCKET && name == SO_PRIORITY && (value < 0 || value > 6) && !capable(CAP_NET_ADMIN))
		return -EPERM;
	if (level == SOL_SOCKET && name == SO_DEBUG && value != 0 && !capable(CAP_NET_ADMIN))
		return -EACCES;
	WRITE_ONCE(*option_value(s, o), o->flags & FLAG ? value != 0 : value);
	option_follows(s, level, name);
	return 0;
}

/* --- getsockopt --- */

union value {
	int i;
	u64 cookie;
	struct timeval_abi tv;
	struct linger_abi linger;
	struct ucred_abi cred;
	struct tcp_info_abi tcp;
};

static struct timeval_abi timeout_get(u64 ns)
{
	return (struct timeval_abi){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000 };
}

static int socket_level_get(struct socket *s, int name, union value *v)
{
	v->i = 0;
	switch (name) {
	case SO_TYPE: v->i = s->kind->type; return sizeof(int);
	case SO_DOMAIN: v->i = s->kind->family; return sizeof(int);
	case SO_PROTOCOL: v->i = s->kind->protocol; return sizeof(int);
	case SO_ERROR: v->i = -socket_error(s); return sizeof(int);
	case SO_ACCEPTCONN: v->i = READ_ONCE(s->state) == SOCKET_LISTENING; return sizeof(int);
	case SO_SNDBUF: v->i = READ_ONCE(s->send_size); return sizeof(int);
	case SO_RCVBUF: v->i = READ_ONCE(s->receive_size); return sizeof(int);
	case SO_RCVLOWAT: v->i = READ_ONCE(s->opt.receive_low); return sizeof(int);
	case SO_SNDLOWAT: v->i = 1; return sizeof(int);
	case SO_LINGER: v->linger = s->opt.linger; return sizeof(v->linger);
	case SO_RCVTIMEO: v->tv = timeout_get(READ_ONCE(s->opt.receive_ns)); return sizeof(v->tv);
	case SO_SNDTIMEO: v->tv = timeout_get(READ_ONCE(s->opt.send_ns)); return sizeof(v->tv);
	case SO_PEERCRED:
		mutex_lock(&net_lock);
		v->cred = s->peer_cred;
		mutex_unlock(&net_lock);
		return sizeof(v->cred);
	case SO_PEEK_OFF:
		v->i = READ_ONCE(s->peek_off);
		return s->kind == &inet_tcp ? -EOPNOTSUPP : (int)sizeof(int);
	case SO_BINDTOIFINDEX: v->i = READ_ONCE(s->opt.bound_to_device) ? LOOPBACK_INDEX : 0; return sizeof(int);
	case SO_COOKIE: v->cookie = (uintptr_t)s >> 4 & 0xffffffff; return sizeof(v->cookie);
	}
	return -ENOPROTOOPT;
}

static int tcp_info(struct socket *s, struct tcp_info_abi *i)
{
	enum { ESTABLISHED = 1, SYN_SENT, FIN_WAIT2 = 5, CLOSE = 7, CLOSE_WAIT, LISTEN = 10 };
	bool sends, receives;

	spin_lock(&s->lock);
	sends = !(s->shut & SHUT_SEND);
	receives = !s->fin;
	switch (s->state) {
	case SOCKET_LISTENING: i->state = LISTEN; break;
	case SOCKET_CONNECTING: i->state = SYN_SENT; break;
	case SOCKET_CONNECTED: i->state = sends && receives ? ESTABLISHED : sends ? CLOSE_WAIT : receives ? FIN_WAIT2 : CLOSE; break;
	default: i->state = CLOSE;
	}
	if (s->state == SOCKET_LISTENING) {
		i->unacked = READ_ONCE(s->nr_accept);
		i->sacked = s->backlog;
	} else {
		i->snd_mss = i->rcv_mss = s->opt.max_seg;
		i->pmtu = LOOPBACK_MTU;
	}
	spin_unlock(&s->lock);
	return sizeof(*i);
}

int socket_option_get(struct socket *s, int level, int name, u64 user, u64 len_user)
{
	const struct option *o = option_find(s, level, name);
	union value v;
	int len, rc;

	if (get_user32((u32 *)&len, len_user) < 0)
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	if (level != SOL_SOCKET && (s->kind->family == AF_UNIX || (level != IPPROTO_IP && !(level == IPPROTO_TCP && s->kind == &inet_tcp))))
		return s->kind->family != AF_UNIX && level == s->kind->protocol ? -ENOPROTOOPT : -EOPNOTSUPP;
	if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
		return device_get(s, user, len_user, len);
	memset(&v, 0, sizeof(v));
	if (o != NULL) {
		v.i = READ_ONCE(*option_value(s, o));
		rc = sizeof(int);
	} else if (level == SOL_SOCKET) {
		rc = socket_level_get(s, name, &v);
	} else if (level == IPPROTO_TCP && name == TCP_INFO) {
		rc = tcp_info(s, &v.tcp);
	} else {
		rc = -ENOPROTOOPT;
	}
	if (rc < 0)
		return rc;
	len = MIN(len, rc);
	if (copy_to_user(user, &v, len) < 0 || put_user32(len_user, len) < 0)
		return -EFAULT;
	return 0;
}
