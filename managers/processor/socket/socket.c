/* SPDX-License-Identifier: MIT */
/* Life of sockets, and what they are as files. See socket.h. */
#include "managers/processor/socket/socket.h"

#include "arch/x86/uaccess.h"
#include "kernel/counter.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/async.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "managers/processor/socket/rights.h"
#include "mm/slab.h"

#define BUFFER_DEFAULT	212992		/* net.core.wmem_default, rmem_default */
#define TCP_SEND_DEFAULT 16384		/* the middle words of net.ipv4.tcp_wmem and tcp_rmem */
#define TCP_RECEIVE_DEFAULT 131072

DEFINE_MUTEX(net_lock, RANK_SOCKET_NET);
static struct list all_sockets = LIST_INIT(all_sockets);	/* [net_lock] those with a file, by all_link */

/* What may follow what; an empty row ends. */
static const bool state_next[5][5] = {
	[SOCKET_FREE] = { [SOCKET_LISTENING] = true, [SOCKET_CONNECTING] = true, [SOCKET_CONNECTED] = true, [SOCKET_CLOSED] = true },
	[SOCKET_LISTENING] = { [SOCKET_LISTENING] = true, [SOCKET_FREE] = true, [SOCKET_CLOSED] = true },
	[SOCKET_CONNECTING] = { [SOCKET_CONNECTED] = true, [SOCKET_FREE] = true, [SOCKET_CLOSED] = true },
	[SOCKET_CONNECTED] = { [SOCKET_CONNECTED] = true, [SOCKET_FREE] = true, [SOCKET_CLOSED] = true },
	[SOCKET_CLOSED] = { [SOCKET_CLOSED] = true, [SOCKET_FREE] = true },	/* connect to AF_UNSPEC begins anew */
};

const char *socket_state_name(unsigned state)
{
	static const char *const names[] = {
#define SOCKET_NAME(n) #n,
		SOCKET_STATES(SOCKET_NAME)
#undef SOCKET_NAME
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

void socket_set_state(struct socket *s, enum socket_state to)
{
	assert_held(&s->lock);
	if (!state_next[s->state][to])
		panic("socket: from %s to %s", socket_state_name(s->state), socket_state_name(to));
	s->state = to;
}

struct socket *socket_alloc(const struct socket_kind *kind)
{
	struct socket *s = kzalloc(sizeof(*s));

	if (s == NULL)
		return NULL;
	ref_init(&s->refs, 1);
	s->kind = kind;
	spin_init(&s->lock, "socket", RANK_SOCKET);
	queue_init(&s->queue);
	s->send_size = kind == &inet_tcp ? TCP_SEND_DEFAULT : BUFFER_DEFAULT;
	s->receive_size = kind == &inet_tcp ? TCP_RECEIVE_DEFAULT : BUFFER_DEFAULT;
	waitq_init(&s->read_wait);
	waitq_init(&s->write_wait);
	mutex_init(&s->reader, "socket reader", RANK_SOCKET_READ);
	list_init(&s->accept_queue);
	list_init(&s->waiting);
	list_init(&s->accept_link);
	list_init(&s->name_link);
	list_init(&s->flight_link);
	list_init(&s->all_link);
	list_init(&s->orphans);
	list_init(&s->errors);
	s->peek_off = -1;
	s->opt = (struct socket_options){ .receive_low = 1, .keep_idle = 7200, .keep_interval = 75, .keep_count = 9, .syn_count = 6,
					  .linger2 = 60, .quick_ack = 1, .max_seg = 65483, .ttl = 64, .mtu_discover = 1,
					  .multicast_ttl = 1, .multicast_loop = 1 };
	s->peer_cred = (struct ucred_abi){ 0, -1, -1 };
	return s;
}

void socket_get(struct socket *s)
{
	ref_get(&s->refs);
}

void socket_put(struct socket *s)
{
	while (s != NULL && ref_put(&s->refs)) {
		struct socket *peer = s->peer;		/* of a connection that ended, the other end may hang on this one only */

		kfree(s);
		s = peer;
	}
}

void socket_wake(struct socket *s)
{
	waitq_wake_all(&s->read_wait);
	waitq_wake_all(&s->write_wait);
}

int socket_error(struct socket *s)
{
	int error;

	spin_lock(&s->lock);
	error = s->error;
	s->error = 0;
	spin_unlock(&s->lock);
	return -error;
}

void socket_fail(struct socket *s, int error)
{
	spin_lock(&s->lock);
	s->error = error;
	spin_unlock(&s->lock);
	socket_wake(s);
}

struct address socket_address(struct socket *s, bool remote)
{
	struct address a;

	spin_lock(&s->lock);
	a = remote ? s->remote : s->local;
	spin_unlock(&s->lock);
	return a;
}

void sockets_for_each(void (*fn)(struct socket *s, void *arg), void *arg)
{
	struct socket *s;

	mutex_lock(&net_lock);
	list_for_each(s, &all_sockets, all_link)
		fn(s, arg);
	mutex_unlock(&net_lock);
}

/* --- files --- */

static s64 socket_rw(struct file *f, void *buf, size_t len, bool out)
{
	struct transfer t = { .kernel = buf, .len = len, .flags = READ_ONCE(f->flags) & O_NONBLOCK ? MSG_DONTWAIT : 0 };
	s64 rc;

	if (!out)
		return socket_send(f->private, &t);
	if (len == 0)
		return 0;
	rc = socket_receive(f->private, &t);
	if (t.rights != NULL)
		rights_free(t.rights);		/* nobody asked for them */
	return rc;
}

static s64 socket_file_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	return socket_rw(f, buf, len, true);
}

static s64 socket_file_write(struct file *f, const void *buf, size_t len, u64 *pos)
{
	return socket_rw(f, (void *)buf, len, false);
}

static u32 socket_poll(struct file *f, struct poll_table *pt)
{
	struct socket *s = f->private;

	poll_wait_for(pt, &s->read_wait, POLLIN | POLLRDNORM | POLLRDHUP | POLLPRI);
	poll_wait_for(pt, &s->write_wait, POLLOUT | POLLWRNORM);
	return socket_events(s);
}

static s64 socket_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct socket *s = f->private;

	switch (cmd) {
	case FIONREAD:
		if (s->kind->stream && READ_ONCE(s->state) == SOCKET_LISTENING)
			return -EINVAL;
		return put_user32(arg, socket_readable_bytes(s));
	case SIOCOUTQ:
		if (s->kind->connected && READ_ONCE(s->state) == SOCKET_LISTENING)
			return -EINVAL;
		return put_user32(arg, atomic_read(&s->sent));
	case FIOSETOWN:
	case SIOCSPGRP: {
		u32 who;

		return get_user32(&who, arg) < 0 ? -EFAULT : async_set_owner(f, who);
	}
	case FIOGETOWN:
	case SIOCGPGRP:
		return put_user32(arg, async_owner(f));
	case SIOCATMARK:
		if (s->kind == &inet_tcp)
			return put_user32(arg, socket_at_mark(s));
	}
	return interface_ioctl(cmd, arg);
}

static void socket_release(struct file *f)
{
	struct list unread = LIST_INIT(unread);
	struct socket *s = f->private;

	mutex_lock(&net_lock);
	s->file = NULL;
	list_del(&s->all_link);
	socket_end(s);
	list_splice_tail(&unread, &s->orphans);
	spin_lock(&s->lock);
	list_splice_tail(&unread, &s->queue.messages);
	queue_init(&s->queue);
	list_splice_tail(&unread, &s->errors);
	if (s->cork != NULL)
		list_add_tail(&unread, &s->cork->link);
	s->cork = NULL;
	spin_unlock(&s->lock);
	mutex_unlock(&net_lock);
	messages_discard(&unread);
	socket_put(s);
	rights_collect();
}

static const struct file_ops socket_ops = { .tells = true, .read = socket_file_read, .write = socket_file_write, .poll = socket_poll,
					    .ioctl = socket_ioctl, .release = socket_release };

static int socket_getattr(struct inode *i, struct attr *a)
{
	a->mode = i->mode;
	a->nlink = 1;
	a->blksize = PAGE_SIZE;
	a->ino = i->ino;
	a->dev = i->dev;
	a->uid = i->uid;
	a->gid = i->gid;
	return 0;
}

static const struct inode_ops socket_inode_ops = { .getattr = socket_getattr, .setattr = nameless_setattr };

/* A file for s, which it has from now on; on failure s is still the caller's. */
static int file_for(struct socket *s, u32 flags, struct file **out)
{
	static atomic64_t next_ino = ATOMIC_INIT(20000);
	struct file *f = file_alloc(NULL, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0));

	if (f == NULL)
		return -ENOMEM;
	f->inode = inode_alloc(&socket_inode_ops, S_IFSOCK | 0777);
	if (f->inode == NULL) {
		file_put(f);
		return -ENOMEM;
	}
	f->inode->dev = 8;
	f->inode->ino = atomic_inc_return(&next_ino);
	f->inode->uid = process_current()->cred.fsuid;
	f->inode->gid = process_current()->cred.fsgid;
	f->ops = &socket_ops;
	f->private = s;
	mutex_lock(&net_lock);
	s->file = f;
	list_add_tail(&all_sockets, &s->all_link);
	mutex_unlock(&net_lock);
	*out = f;
	return 0;
}

struct socket *file_socket(const struct file *f)
{
	return f->ops == &socket_ops ? f->private : NULL;
}

static int kind_of(int family, int type, int protocol, const struct socket_kind **out)
{
	if (type < 0 || type > 10)
		return -EINVAL;
	switch (family) {
	case AF_UNIX:
		if (protocol != 0 && protocol != AF_UNIX)
			return -EPROTONOSUPPORT;
		*out = type == SOCK_STREAM ? &unix_stream : type == SOCK_DGRAM || type == SOCK_RAW ? &unix_dgram :
		       type == SOCK_SEQPACKET ? &unix_seqpacket : NULL;
		return *out ? 0 : -ESOCKTNOSUPPORT;
	case AF_INET:
		*out = type == SOCK_STREAM ? &inet_tcp : type == SOCK_DGRAM ? &inet_udp : NULL;
		if (protocol < 0 || protocol > 262)
			return -EINVAL;
		if (type == SOCK_RAW)
			return protocol == 0 || capable(CAP_NET_RAW) ? -EPROTONOSUPPORT : -EPERM;
		if (*out == NULL)
			return -ESOCKTNOSUPPORT;
		return protocol != 0 && protocol != (*out)->protocol ? -EPROTONOSUPPORT : 0;
	}
	return -EAFNOSUPPORT;
}

static void credentials_now(struct ucred_abi *c)
{
	const struct process *p = process_current();

	*c = (struct ucred_abi){ p->pid, p->cred.euid, p->cred.egid };
}

static int socket_make(int family, int type, int protocol, struct socket **out)
{
	const struct socket_kind *kind;
	int rc = kind_of(family, type, protocol, &kind);

	if (rc < 0)
		return rc;
	*out = socket_alloc(kind);
	if (*out == NULL)
		return -ENOMEM;
	credentials_now(&(*out)->cred);
	return 0;
}

int socket_open(int family, int type, int protocol, u32 flags, struct file **out)
{
	struct socket *s;
	int rc = socket_make(family, type, protocol, &s);

	if (rc < 0)
		return rc;
	rc = file_for(s, flags, out);
	if (rc < 0)
		socket_put(s);
	return rc;
}

int socket_pair(int family, int type, int protocol, u32 flags, struct file *out[2])
{
	struct socket *a, *b;
	int rc;

	rc = socket_open(family, type, protocol, flags, &out[0]);
	if (rc == 0 && family != AF_UNIX) {
		file_put(out[0]);
		rc = -EOPNOTSUPP;
	}
	if (rc < 0)
		return rc;
	rc = socket_open(family, type, protocol, flags, &out[1]);
	if (rc < 0) {
		file_put(out[0]);
		return rc;
	}
	a = out[0]->private;
	b = out[1]->private;
	mutex_lock(&net_lock);
	a->peer_cred = b->cred;
	b->peer_cred = a->cred;
	sockets_join(a, b);
	mutex_unlock(&net_lock);
	return 0;
}

int socket_accept(struct socket *s, bool nonblock, u32 flags, struct file **out, struct address *from)
{
	struct socket *c = NULL;
	int rc;

	if (!s->kind->connected)
		return -EOPNOTSUPP;
	for (;;) {
		rc = connection_take(s, &c);
		if (rc != -EAGAIN || nonblock)
			break;
		rc = socket_wait(&s->read_wait, READ_ONCE(s->nr_accept) != 0 || READ_ONCE(s->state) != SOCKET_LISTENING,
				 READ_ONCE(s->opt.receive_ns));
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	rc = file_for(c, flags, out);
	if (rc < 0) {
		mutex_lock(&net_lock);
		socket_end(c);
		mutex_unlock(&net_lock);
		socket_put(c);
		return rc;
	}
	*from = socket_peer_address(c);
	return 0;
}
