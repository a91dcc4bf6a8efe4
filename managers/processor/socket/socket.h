/* SPDX-License-Identifier: MIT */
/*
 * Sockets of one processor node: AF_UNIX, and AF_INET's TCP and UDP on the loopback address. There is no wire under any of them:
 * what one socket sends is a message put into the other's queue, so a TCP connection is a pair of queues with the states and
 * errors that programs see (tcp(7)), and nothing can be lost, repeated or reordered.
 *
 *	socket.c	life, the file operations, waiting, poll
 *	transfer.c	sending and receiving messages and bytes, the same for all kinds
 *	connect.c	connecting, listening, accepting, shutting down: the same for all kinds with a connection
 *	unix.c, inet.c	what names mean, whom a datagram reaches
 *	queue.c		messages, and queues of them
 *	rights.c	open files on their way in messages (SCM_RIGHTS), and cycles of them that nobody can reach
 *	ports.c		which local addresses are taken
 *	options.c	getsockopt and setsockopt
 *	interface.c	the loopback interface, as ioctl() shows it
 *
 * Locks. net_lock (mutex, RANK_SOCKET_NET) orders changes of who is connected to whom, of names and of listening queues; it is
 * not held over a wait. socket->lock (spinlock, RANK_SOCKET) guards one socket's queue and what the data path reads; never
 * two at a time. socket->reader (mutex, RANK_SOCKET_READ): one receiver at a time takes messages off. rights_lock: see rights.h.
 */
#ifndef MANAGERS_PROCESSOR_SOCKET_H
#define MANAGERS_PROCESSOR_SOCKET_H

#include "kernel/mutex.h"
#include "kernel/waitq.h"
#include "lib/base/atomic.h"
#include "lib/base/list.h"
#include "managers/processor/fs/iovec.h"
#include "managers/processor/socket/abi.h"
#include "managers/processor/socket/queue.h"

struct file;
struct inode;
struct socket;

struct address {			/* as programs see it; len 0: none */
	u32 len;
	union {
		u16 family;
		struct sockaddr_un_abi un;
		struct sockaddr_in_abi in;
		u8 bytes[SOCKADDR_MAX];
	};
};

#define SOCKET_STATES(X)						\
	X(FREE)		/* not connected, as it was made */		\
	X(LISTENING)							\
	X(CONNECTING)	/* waits for room in a listener's queue, or to be told how that ended */ \
	X(CONNECTED)	/* has a peer; of datagram sockets: a default one */ \
	X(CLOSED)	/* was connected once (TCP after a reset or both ends closed) */

enum socket_state {
#define SOCKET_STATE(n) SOCKET_##n,
	SOCKET_STATES(SOCKET_STATE)
#undef SOCKET_STATE
};

enum socket_urgent { URGENT_NONE, URGENT_THERE, URGENT_TAKEN };

#define SHUT_RECEIVE	1		/* bits of socket->shut */
#define SHUT_SEND	2

struct socket_kind {			/* one for each family and type */
	u16 family;
	u8 type, protocol;
	bool stream;			/* bytes, not messages */
	bool connected;			/* listen() and accept() */
	/* check a name given by the program, and make it canonical: 0, -EINVAL, -EAFNOSUPPORT */
	int (*check)(const struct address *a);
	int (*bind)(struct socket *s, const struct address *a);
	int (*autobind)(struct socket *s);		/* a name for one that has none and needs one; net_lock held */
	/* the socket of this name, with a reference: -ECONNREFUSED and others; may sleep, no lock held */
	int (*find)(struct socket *s, const struct address *a, struct socket **out);
	void (*unbind)(struct socket *s);		/* the last use of s's name; net_lock held */
};

struct socket_options {			/* [lock] as setsockopt left them */
	int reuse_addr, reuse_port, keepalive, broadcast, pass_cred, oob_inline, dont_route, priority, debug, no_check;
	int no_delay, cork, keep_idle, keep_interval, keep_count, syn_count, linger2, defer_accept, window_clamp, quick_ack,
	    user_timeout, max_seg;
	int tos, ttl, mtu_discover, recv_err, multicast_ttl, multicast_loop;
	int timestamp, timestamp_ns, pkt_info, recv_ttl, recv_tos;
	bool bound_to_device;		/* SO_BINDTODEVICE: to the one there is */
	int receive_low;
	struct linger_abi linger;
	u64 receive_ns, send_ns;	/* timeouts; 0: none */
};

struct socket {
	refcount_t refs;		/* the file, the peer, messages from it, listeners' queues, names */
	const struct socket_kind *kind;	/* [I] */
	struct file *file;		/* [net_lock to change; rights_lock, too] without a reference; NULL: not accepted yet, or closed */
	struct spinlock lock;
	u8 state;			/* [net_lock and lock to change] enum socket_state */
	u8 shut;			/* [lock] */
	bool fin;			/* [lock] the other end has said that no more will come */
	bool asked, told;		/* [net_lock] a connect that did not wait was begun; how it ended was told */
	int error;			/* [lock] for SO_ERROR and the next call */
	struct message_queue queue;	/* [lock] */
	struct message *cork;		/* [lock] UDP: what MSG_MORE has begun; NULL: nothing */
	struct address cork_to;		/* [lock] whom it is for; len 0: the default peer */
	struct list errors;		/* [lock] IP_RECVERR: datagrams that reached nobody, oldest first */
	unsigned nr_errors;		/* [lock] */
	u8 urgent;			/* [lock] enum socket_urgent: the byte of MSG_OOB that came last */
	u8 urgent_byte;			/* [lock] kept here, unless SO_OOBINLINE was set when it came */
	s32 peek_off;			/* [lock] SO_PEEK_OFF: where the next peek begins; -1: at the front, always */
	struct socket *peer;		/* [net_lock and lock to change] with a reference */
	struct address local, remote;	/* [net_lock and lock to change] */
	u32 send_size, receive_size;	/* [lock] SO_SNDBUF, SO_RCVBUF as told to programs */
	bool send_size_set;		/* [lock] */
	atomic64_t sent;		/* bytes charged to it that stand in others' queues */
	struct ucred_abi cred, peer_cred;	/* [net_lock] whose it is; SO_PEERCRED */
	struct socket_options opt;
	struct waitq read_wait, write_wait;
	struct mutex reader;
	/* a listener */
	struct list accept_queue;	/* [net_lock] connected sockets by accept_link, with a reference each */
	unsigned nr_accept, backlog;	/* [net_lock] */
	struct list waiting;		/* [net_lock] TCP sockets that connect, by accept_link, with a reference each */
	struct list accept_link;	/* [net_lock] */
	struct list orphans;		/* [net_lock] messages to connections that nobody accepted: to be thrown away */
	struct socket *listener;	/* [net_lock] whose waiting list we are on; no reference: it takes us off */
	/* names */
	struct list all_link;		/* [net_lock] */
	struct list name_link;		/* [net_lock] */
	struct inode *inode;		/* [net_lock] of a socket file, with a reference */
	/* rights.c */
	unsigned in_flight, inside;	/* [rights_lock] how often its file stands in messages, and in those of candidates */
	struct list flight_link;	/* [rights_lock] */
	bool reached, looked_into;	/* [rights_lock] the collector's marks */
};

extern struct mutex net_lock;
/* ports.c: local addresses of AF_INET; net_lock held */
#define INET_LOOPBACK	0x0100007fU		/* 127.0.0.1 in network order */
int __must_check port_bind(struct socket *s, u32 addr, u16 port);	/* host order; port 0: any. -EADDRINUSE, -EADDRNOTAVAIL */
void port_share(struct socket *s, struct socket *listener);	/* the child of a listener has its port, too */
void port_release(struct socket *s);
int __must_check port_may_listen(struct socket *s);		/* -EADDRINUSE: another does already */
/* The listener, or whom a datagram from `from` reaches; network order; NULL: nobody. No reference is taken. */
struct socket *port_find(const struct socket_kind *kind, u32 addr, u16 port, const struct sockaddr_in_abi *from);

/* inet.c, for connect.c; net_lock held, but for the first */
int __must_check inet_udp_connect(struct socket *s, const struct address *a);
int __must_check inet_tcp_route(struct socket *s, const struct address *a, struct socket **listener);	/* names both ends; NULL: nobody */
void inet_tcp_begin_anew(struct socket *s);			/* connect() to AF_UNSPEC; takes net_lock */

extern const struct socket_kind unix_stream, unix_dgram, unix_seqpacket, inet_tcp, inet_udp;

void socket_get(struct socket *s);
void socket_put(struct socket *s);
struct socket *socket_alloc(const struct socket_kind *kind);	/* NULL: no memory */
struct socket *file_socket(const struct file *f);		/* NULL: not a socket */
void socket_set_state(struct socket *s, enum socket_state to);	/* net_lock and s->lock held */
const char *socket_state_name(unsigned state);

/* Both ends of a new connection; net_lock held, no spinlock. b, which nobody else has yet, is one before a can send. */
void sockets_join(struct socket *a, struct socket *b);
/* s will neither get nor send any more, and its peer hears of it, as close() has it. net_lock held. */
void socket_end(struct socket *s);
/* The same of TCP, by a reset, whatever it has read; false: there was no connection, or both ends had ended it, and no reset is told. */
bool socket_reset(struct socket *s);
void socket_disconnect(struct socket *s);			/* no default peer any more; takes net_lock */
struct address socket_address(struct socket *s, bool remote);	/* a copy; len 0: none */
struct address socket_peer_address(struct socket *s);		/* what getpeername() says; len 0: not connected */
int __must_check connection_take(struct socket *s, struct socket **out);	/* off a listener's queue: -EAGAIN, -EINVAL */
void socket_wake(struct socket *s);
s64 interface_ioctl(u32 cmd, u64 user);				/* netdevice(7); -ENOTTY: none of those */
int __must_check socket_error(struct socket *s);		/* the pending error, taken: 0 or negative */
void socket_fail(struct socket *s, int error);			/* set it, positive, and wake all */
struct message *socket_error_take(struct socket *s);	/* the oldest datagram that reached nobody, or NULL; with the last the error goes */
/* For /proc/net: fn for each socket, under net_lock. */
void sockets_for_each(void (*fn)(struct socket *s, void *arg), void *arg);

/* --- what the system calls use. Results as they return them; all may sleep. --- */
int __must_check socket_open(int family, int type, int protocol, u32 flags, struct file **out);
int __must_check socket_pair(int family, int type, int protocol, u32 flags, struct file *out[2]);
int __must_check socket_bind(struct socket *s, const struct address *a);
int __must_check socket_connect(struct socket *s, const struct address *a, bool nonblock);
int __must_check socket_listen(struct socket *s, int backlog);
int __must_check socket_accept(struct socket *s, bool nonblock, u32 flags, struct file **out, struct address *from);
int __must_check socket_shutdown(struct socket *s, int how);
int __must_check socket_option_set(struct socket *s, int level, int name, u64 user, int len);
int __must_check socket_option_get(struct socket *s, int level, int name, u64 user, u64 len_user);

struct message_info {			/* what control messages tell of a datagram */
	bool known, refused;		/* there is one; it comes back: nobody was there */
	u64 stamp;
	u32 to;
	u8 ttl, tos;
};

struct transfer {			/* one send or receive */
	/* where the bytes are: a kernel buffer, or the program's memory in pieces */
	void *kernel;
	struct iovec_place at;
	size_t len, done;		/* all of it; how far we are */
	unsigned flags;			/* MSG_* as given; MSG_DONTWAIT also for O_NONBLOCK */
	struct address *name;		/* send: whom to; receive: filled in, may be NULL */
	struct rights *rights;		/* send: taken over once a message carries it; receive: the caller's to install and put */
	struct ucred_abi *cred;		/* send: SCM_CREDENTIALS or NULL; receive: filled in, may be NULL */
	bool want_rights;		/* receive: the caller can take them */
	u8 ttl, tos;			/* send: IP_TTL, 0 where not given; IP_TOS */
	bool has_tos;			/* send: IP_TOS was given */
	struct message_info info;	/* receive */
	bool has_cred;			/* receive: cred was filled in and the socket asks for it */
	unsigned out_flags;		/* receive: MSG_TRUNC, MSG_EOR */
};
s64 __must_check socket_send(struct socket *s, struct transfer *t);
s64 __must_check socket_receive(struct socket *s, struct transfer *t);
u32 socket_events(struct socket *s);				/* POLL* */
u32 socket_readable_bytes(struct socket *s);			/* FIONREAD */
bool socket_at_mark(struct socket *s);				/* SIOCATMARK */

/* sleep with the option's timeout: 0; -EAGAIN when it is over; -EINTR or -ERESTARTSYS by a signal */
#define socket_wait(q, cond, timeout_ns) ({							\
	u64 ns_ = (timeout_ns);									\
	int rw_ = waitq_wait_intr((q), cond, ns_ ? time_mono_ns() + ns_ : 0);			\
	rw_ == -ETIMEDOUT ? -EAGAIN : rw_ < 0 && ns_ == 0 ? -ERESTARTSYS : rw_; })

#endif
