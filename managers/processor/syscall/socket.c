/* SPDX-License-Identifier: MIT */
/* The system calls on sockets, and their control messages (cmsg(3)). */
#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/process/process.h"
#include "managers/processor/socket/rights.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define CONTROL_MAX	20480		/* net.core.optmem_max */

/* The socket behind a descriptor: its file has a reference then. */
static int socket_of(u64 fd, struct file **f, struct socket **s)
{
	*f = fd_get(fd);
	if (*f == NULL)
		return -EBADF;
	*s = file_socket(*f);
	if (*s != NULL)
		return 0;
	file_put(*f);
	return -ENOTSOCK;
}

static bool nonblocking(const struct file *f)
{
	return READ_ONCE(f->flags) & O_NONBLOCK;
}

static int address_from_user(struct address *a, u64 user, s32 len)
{
	memset(a, 0, sizeof(*a));
	if (len < 0 || len > SOCKADDR_MAX)
		return -EINVAL;
	a->len = len;
	return len == 0 ? 0 : copy_from_user(a->bytes, user, len);
}

/* As much as there is room for; the true length goes back. */
static int address_to_user(const struct address *a, u64 user, u64 len_user)
{
	s32 room;

	if (get_user32((u32 *)&room, len_user) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	room = MIN(room, (s32)a->len);
	if (room != 0 && copy_to_user(user, a->bytes, room) < 0)
		return -EFAULT;
	return put_user32(len_user, a->len);
}

static s64 install(struct file *f, u32 flags)
{
	int fd = fd_install(f, flags & SOCK_CLOEXEC);

	if (fd < 0)
		file_put(f);
	return fd;
}

/* --- making and naming --- */

#define SOCK_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

s64 sys_socket(u64 family, u64 type, u64 protocol, u64 a3, u64 a4, u64 a5)
{
	struct file *f;
	int rc;

	if ((u32)type & ~(u32)(SOCK_TYPE_MASK | SOCK_FLAGS))
		return -EINVAL;
	rc = socket_open(family, (u32)type & SOCK_TYPE_MASK, protocol, type, &f);
	return rc < 0 ? rc : install(f, type);
}

s64 sys_socketpair(u64 family, u64 type, u64 protocol, u64 user, u64 a4, u64 a5)
{
	struct file *f[2];
	int fd[2], rc;

	if ((u32)type & ~(u32)(SOCK_TYPE_MASK | SOCK_FLAGS))
		return -EINVAL;
	rc = socket_pair(family, (u32)type & SOCK_TYPE_MASK, protocol, type, f);
	if (rc < 0)
		return rc;
	fd[0] = install(f[0], type);
	if (fd[0] < 0) {
		file_put(f[1]);
		return fd[0];
	}
	fd[1] = install(f[1], type);
	if (fd[1] < 0) {
		rc = fd_close(fd[0]);
		return fd[1];
	}
	if (copy_to_user(user, fd, sizeof(fd)) < 0) {
		rc = fd_close(fd[0]);
		rc = fd_close(fd[1]);
		return -EFAULT;
	}
	return 0;
}

static s64 with_address(u64 fd, u64 user, u64 len, int (*fn)(struct file *f, struct socket *s, const struct address *a))
{
	struct address a;
	struct socket *s;
	struct file *f;
	int rc = socket_of(fd, &f, &s);

	if (rc < 0)
		return rc;
	rc = address_from_user(&a, user, len);
	if (rc == 0)
		rc = fn(f, s, &a);
	file_put(f);
	return rc;
}

static int do_bind(struct file *f, struct socket *s, const struct address *a)
{
	return socket_bind(s, a);
}

static int do_connect(struct file *f, struct socket *s, const struct address *a)
{
	return socket_connect(s, a, nonblocking(f));
}

s64 sys_bind(u64 fd, u64 user, u64 len, u64 a3, u64 a4, u64 a5) { return with_address(fd, user, len, do_bind); }

/* The address is looked at before it is known whether that is a socket, unlike bind()'s. */
s64 sys_connect(u64 fd, u64 user, u64 len, u64 a3, u64 a4, u64 a5)
{
	struct file *f = fd_get(fd);
	struct address a;
	int rc;

	if (f == NULL)
		return -EBADF;
	rc = address_from_user(&a, user, len);
	file_put(f);
	return rc < 0 ? rc : with_address(fd, user, len, do_connect);
}

s64 sys_listen(u64 fd, u64 backlog, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct socket *s;
	struct file *f;
	int rc = socket_of(fd, &f, &s);

	if (rc < 0)
		return rc;
	rc = socket_listen(s, backlog);
	file_put(f);
	return rc;
}

s64 sys_accept4(u64 fd, u64 user, u64 len_user, u64 flags, u64 a4, u64 a5)
{
	struct file *f, *new;
	struct address from;
	struct socket *s;
	int rc;

	f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	file_put(f);
	if ((u32)flags & ~(u32)SOCK_FLAGS)
		return -EINVAL;
	rc = socket_of(fd, &f, &s);
	if (rc < 0)
		return rc;
	rc = socket_accept(s, nonblocking(f), flags, &new, &from);
	file_put(f);
	if (rc < 0)
		return rc;
	if (user != 0) {
		rc = address_to_user(&from, user, len_user);
		if (rc < 0) {
			file_put(new);
			return rc;
		}
	}
	return install(new, flags);
}

s64 sys_accept(u64 fd, u64 user, u64 len_user, u64 a3, u64 a4, u64 a5) { return sys_accept4(fd, user, len_user, 0, 0, 0); }

static s64 get_name(u64 fd, u64 user, u64 len_user, bool peer)
{
	struct address a;
	struct socket *s;
	struct file *f;
	int rc = socket_of(fd, &f, &s);

	if (rc < 0)
		return rc;
	a = peer ? socket_peer_address(s) : socket_address(s, false);
	if (peer && (a.len == 0 || READ_ONCE(s->state) != SOCKET_CONNECTED))
		rc = -ENOTCONN;
	if (!peer && a.len == 0) {
		a.family = s->kind->family;
		a.len = s->kind->family == AF_INET ? sizeof(a.in) : 2;
	}
	if (rc == 0)
		rc = address_to_user(&a, user, len_user);
	file_put(f);
	return rc;
}

s64 sys_getsockname(u64 fd, u64 user, u64 len_user, u64 a3, u64 a4, u64 a5) { return get_name(fd, user, len_user, false); }
s64 sys_getpeername(u64 fd, u64 user, u64 len_user, u64 a3, u64 a4, u64 a5) { return get_name(fd, user, len_user, true); }

s64 sys_shutdown(u64 fd, u64 how, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct socket *s;
	struct file *f;
	int rc = socket_of(fd, &f, &s);

	if (rc < 0)
		return rc;
	rc = socket_shutdown(s, how);
	file_put(f);
	return rc;
}

s64 sys_setsockopt(u64 fd, u64 level, u64 name, u64 user, u64 len, u64 a5)
{
	struct socket *s;
	struct file *f;
	int rc;

	if ((s32)len < 0)
		return -EINVAL;
	rc = socket_of(fd, &f, &s);
	if (rc < 0)
		return rc;
	rc = socket_option_set(s, level, name, user, len);
	file_put(f);
	return rc;
}

s64 sys_getsockopt(u64 fd, u64 level, u64 name, u64 user, u64 len_user, u64 a5)
{
	struct socket *s;
	struct file *f;
	int rc = socket_of(fd, &f, &s);

	if (rc < 0)
		return rc;
	rc = socket_option_get(s, level, name, user, len_user);
	file_put(f);
	return rc;
}

/* --- control messages, sent --- */

static int rights_from(const u8 *data, size_t len, struct rights **out)
{
	unsigned nr = len / sizeof(s32);
	struct rights *r;

	if (nr > SCM_MAX_FD)
		return -EINVAL;
	if (nr == 0)
		return 0;
	r = *out;
	if (r == NULL)
		r = rights_alloc(SCM_MAX_FD);
	if (r == NULL)
		return -ENOMEM;
	*out = r;
	if (r->nr + nr > SCM_MAX_FD)
		return -EINVAL;
	for (unsigned i = 0; i < nr; i++) {
		s32 fd;
		struct file *f;

		memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
		f = fd_get_any(fd);
		if (f == NULL)
			return -EBADF;
		r->file[r->nr++] = f;
	}
	return 0;
}

/* Who may say to be whom: unix(7). */
static int credentials_check(const struct ucred_abi *c)
{
	const struct process *p = process_current();
	const struct credentials *own = &p->cred;

	bool pid = (u32)c->pid == p->pid || cred_has(own, CAP_SYS_ADMIN);
	bool uid = c->uid == own->uid || c->uid == own->euid || c->uid == own->suid || cred_has(own, CAP_SETUID);
	bool gid = c->gid == own->gid || c->gid == own->egid || c->gid == own->sgid || cred_has(own, CAP_SETGID);

	if (!pid || !uid || !gid)
		return -EPERM;
	if ((u32)c->pid != p->pid) {
		struct process *named = process_find(c->pid);

		if (named == NULL)
			return -ESRCH;
		process_put(named);
	}
	return c->uid == (u32)-1 || c->gid == (u32)-1 ? -EINVAL : 0;
}

/* Of ip(7): how one datagram goes. There is one interface, and every address it could come from is here. */
static int ip_control(const struct cmsghdr_abi *h, const u8 *data, size_t len, struct transfer *t)
{
	struct in_pktinfo_abi info;
	s32 value = 0;

	switch (h->type) {
	case IP_PKTINFO:
		if (len != sizeof(info))
			return -EINVAL;
		memcpy(&info, data, sizeof(info));
		return info.index == 0 || info.index == LOOPBACK_INDEX ? 0 : -ENODEV;
	case IP_TTL:
	case IP_TOS:
		if (len != sizeof(value) && !(h->type == IP_TOS && len == 1))
			return -EINVAL;
		memcpy(&value, data, len);
		if (value < (h->type == IP_TTL) || value > 255)
			return -EINVAL;
		if (h->type == IP_TTL) {
			t->ttl = value;
		} else {
			t->tos = value;
			t->has_tos = true;
		}
		return 0;
	}
	return -EINVAL;
}

static int control_parse(struct socket *s, const u8 *buf, size_t len, struct transfer *t, struct ucred_abi *cred)
{
	for (size_t at = 0; at + sizeof(struct cmsghdr_abi) <= len;) {
		struct cmsghdr_abi h;
		size_t data;
		int rc;

		memcpy(&h, buf + at, sizeof(h));
		if (h.len < sizeof(h) || h.len > len - at)
			return -EINVAL;
		data = h.len - sizeof(h);
		if (h.level == IPPROTO_IP && s->kind == &inet_udp) {
			rc = ip_control(&h, buf + at + sizeof(h), data, t);
			if (rc < 0)
				return rc;
		} else if (h.level != SOL_SOCKET) {
			;				/* of no protocol that is here: let pass */
		} else if (s->kind->family == AF_INET) {
			if (h.type != SCM_RIGHTS && h.type != SCM_CREDENTIALS)
				return -EINVAL;		/* those two are let pass, and mean nothing */
		} else if (h.type == SCM_RIGHTS) {
			rc = rights_from(buf + at + sizeof(h), data, &t->rights);
			if (rc < 0)
				return rc;
		} else if (h.type == SCM_CREDENTIALS && data == sizeof(*cred)) {
			memcpy(cred, buf + at + sizeof(h), sizeof(*cred));
			rc = credentials_check(cred);
			if (rc < 0)
				return rc;
			t->cred = cred;
		} else {
			return -EINVAL;
		}
		at += CMSG_ALIGN(h.len);
	}
	if (t->rights != NULL && !rights_may_fly(rlimit_current(RLIMIT_NOFILE)) && !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN))
		return -ETOOMANYREFS;
	return 0;
}

static int control_read(struct socket *s, const struct msghdr_abi *h, struct transfer *t, struct ucred_abi *cred)
{
	u8 *buf;
	int rc;

	if (h->control_len > CONTROL_MAX)
		return -ENOBUFS;
	if (h->control_len == 0)
		return 0;
	buf = kmalloc(h->control_len);
	if (buf == NULL)
		return -ENOBUFS;
	rc = copy_from_user(buf, h->control, h->control_len);
	if (rc == 0)
		rc = control_parse(s, buf, h->control_len, t, cred);
	kfree(buf);
	return rc;
}

static s64 send_message(struct file *f, struct socket *s, u64 user, u32 flags)
{
	struct iovec_abi fast[FAST_IOV], *vec;
	struct transfer t = { .flags = flags | (nonblocking(f) ? MSG_DONTWAIT : 0) };
	struct ucred_abi cred;
	struct address name;
	struct msghdr_abi h;
	s64 rc;

	if (copy_from_user(&h, user, sizeof(h)) < 0)
		return -EFAULT;
	if ((s32)h.name_len < 0)
		return -EINVAL;
	if (h.name != 0 && h.name_len != 0) {
		rc = address_from_user(&name, h.name, MIN(h.name_len, (u32)SOCKADDR_MAX));
		if (rc < 0)
			return rc;
		t.name = &name;
	}
	rc = vec_get(h.iov, h.iov_len, -EMSGSIZE, fast, &vec, &t.len);
	if (rc < 0)
		return rc;
	t.at.vec = vec;
	rc = control_read(s, &h, &t, &cred);
	if (rc == 0)
		rc = socket_send(s, &t);
	if (t.rights != NULL)
		rights_free(t.rights);
	vec_put(vec, fast);
	return rc;
}

s64 sys_sendmsg(u64 fd, u64 user, u64 flags, u64 a3, u64 a4, u64 a5)
{
	struct socket *s;
	struct file *f;
	s64 rc = socket_of(fd, &f, &s);

	if (rc < 0)
		return rc;
	rc = send_message(f, s, user, flags);
	file_put(f);
	return rc;
}

s64 sys_sendmmsg(u64 fd, u64 user, u64 n, u64 flags, u64 a4, u64 a5)
{
	struct socket *s;
	struct file *f;
	s64 rc = socket_of(fd, &f, &s);
	u32 done = 0;

	if (rc < 0)
		return rc;
	for (n = MIN((u64)(u32)n, (u64)IOV_MAX); done < n; done++, user += sizeof(struct mmsghdr_abi)) {
		rc = send_message(f, s, user, flags);
		if (rc >= 0 && put_user32(user + sizeof(struct msghdr_abi), rc) < 0)
			rc = -EFAULT;
		if (rc < 0)
			break;
	}
	file_put(f);
	return done ? (s64)done : MIN(rc, (s64)0);
}

/* --- control messages, received --- */

struct control_out { u64 user; u64 room; u64 done; bool cut; };

/* Room for a header and data of one, of which at least the header and `least` bytes must fit: bytes of data that fit, or -1. */
static s64 control_room(struct control_out *c, size_t data, size_t least)
{
	if (c->room - c->done < sizeof(struct cmsghdr_abi) + least) {
		c->cut = true;
		return -1;
	}
	return MIN((u64)data, c->room - c->done - sizeof(struct cmsghdr_abi));
}

static int control_head(struct control_out *c, int level, int type, size_t data)
{
	struct cmsghdr_abi h = { sizeof(h) + data, level, type };

	if (copy_to_user(c->user + c->done, &h, sizeof(h)) < 0)
		return -EFAULT;
	c->done += MIN(CMSG_ALIGN(h.len), c->room - c->done);
	return 0;
}

/* Descriptors for what came, as many as fit; the rest is closed. */
static int control_rights(struct control_out *c, struct rights *r, bool cloexec)
{
	s64 room = control_room(c, r->nr * sizeof(s32), sizeof(s32));
	unsigned nr = room < 0 ? 0 : MIN((unsigned)(room / (s64)sizeof(s32)), r->nr), n;
	int rc = 0;

	for (n = 0; n < nr; n++) {
		u64 at = c->user + c->done + sizeof(struct cmsghdr_abi) + n * sizeof(s32);
		int fd;

		file_get(r->file[n]);
		fd = fd_install(r->file[n], cloexec);
		if (fd < 0) {
			file_put(r->file[n]);
			break;
		}
		if (put_user32(at, fd) < 0) {
			rc = fd_close(fd);
			break;
		}
	}
	if (n < r->nr)
		c->cut = true;
	return n != 0 ? control_head(c, SOL_SOCKET, SCM_RIGHTS, n * sizeof(s32)) : rc;
}

/* One that is told as far as there is room. */
static int control_data(struct control_out *c, int level, int type, const void *data, size_t size)
{
	s64 room = control_room(c, size, 0);

	if (room < 0)
		return 0;
	if (copy_to_user(c->user + c->done + sizeof(struct cmsghdr_abi), data, room) < 0)
		return -EFAULT;
	if ((u64)room < size)
		c->cut = true;
	return control_head(c, level, type, room);
}

static int control_stamp(struct control_out *c, const struct socket *s, u64 ns)
{
	struct timespec_abi ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };
	struct timeval_abi tv = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000 };

	if (READ_ONCE(s->opt.timestamp_ns))
		return control_data(c, SOL_SOCKET, SO_TIMESTAMPNS, &ts, sizeof(ts));
	return READ_ONCE(s->opt.timestamp) ? control_data(c, SOL_SOCKET, SO_TIMESTAMP, &tv, sizeof(tv)) : 0;
}

static int control_refused(struct control_out *c)
{
	struct extended_err_abi e = { .error = ECONNREFUSED, .origin = 2, .type = 3, .code = 3, .offender = { AF_INET, 0, INET_LOOPBACK, { 0 } } };

	return control_data(c, IPPROTO_IP, IP_RECVERR, &e, sizeof(e));	/* as ICMP would say it: port unreachable */
}

/* What the program has asked to hear of a datagram. */
static int control_info(struct control_out *c, const struct socket *s, const struct message_info *m)
{
	struct in_pktinfo_abi info = { LOOPBACK_INDEX, m->to, m->to };
	s32 ttl = m->ttl;
	int rc = control_stamp(c, s, m->stamp);

	if (rc < 0 || s->kind != &inet_udp)
		return rc;
	if (m->refused)
		return control_refused(c);
	if (READ_ONCE(s->opt.pkt_info))
		rc = control_data(c, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	if (rc == 0 && READ_ONCE(s->opt.recv_ttl))
		rc = control_data(c, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (rc == 0 && READ_ONCE(s->opt.recv_tos))
		rc = control_data(c, IPPROTO_IP, IP_TOS, &m->tos, sizeof(m->tos));
	return rc;
}

static s64 receive_message(struct file *f, struct socket *s, u64 user, u32 flags)
{
	struct iovec_abi fast[FAST_IOV], *vec;
	struct transfer t = { .flags = flags | (nonblocking(f) ? MSG_DONTWAIT : 0) };
	struct control_out c = { 0 };
	struct address name = { 0 };
	struct ucred_abi cred;
	struct msghdr_abi h;
	s64 rc, rc2 = 0;

	if (copy_from_user(&h, user, sizeof(h)) < 0)
		return -EFAULT;
	if ((s32)h.name_len < 0)
		return -EINVAL;
	rc = vec_get(h.iov, h.iov_len, -EMSGSIZE, fast, &vec, &t.len);
	if (rc < 0)
		return rc;
	t.at.vec = vec;
	t.name = &name;
	t.cred = &cred;
	rc = socket_receive(s, &t);
	vec_put(vec, fast);
	if (rc >= 0) {
		c.user = h.control;
		c.room = h.control != 0 ? h.control_len : 0;
		if (t.info.known)
			rc2 = control_info(&c, s, &t.info);
		if (rc2 == 0 && t.has_cred && READ_ONCE(s->opt.pass_cred) && s->kind->family == AF_UNIX)
			rc2 = control_data(&c, SOL_SOCKET, SCM_CREDENTIALS, &cred, sizeof(cred));
		if (rc2 == 0 && t.rights != NULL)
			rc2 = control_rights(&c, t.rights, flags & MSG_CMSG_CLOEXEC);
		if (rc2 == 0 && h.name != 0) {
			u32 room = MIN(h.name_len, name.len);

			if ((room != 0 && copy_to_user(h.name, name.bytes, room) < 0) || put_user32(user + 8, name.len) < 0)
				rc2 = -EFAULT;
		}
		if (rc2 == 0 && (put_user32(user + offsetof(struct msghdr_abi, flags), t.out_flags | (c.cut ? MSG_CTRUNC : 0) |
					    (flags & MSG_CMSG_CLOEXEC)) < 0 ||
				 put_user64(user + offsetof(struct msghdr_abi, control_len), c.done) < 0))
			rc2 = -EFAULT;
	}
	if (t.rights != NULL)
		rights_free(t.rights);
	return rc2 < 0 ? rc2 : rc;
}

s64 sys_recvmsg(u64 fd, u64 user, u64 flags, u64 a3, u64 a4, u64 a5)
{
	struct socket *s;
	struct file *f;
	s64 rc = socket_of(fd, &f, &s);

	if (rc < 0)
		return rc;
	rc = receive_message(f, s, user, flags);
	file_put(f);
	return rc;
}

static int receive_deadline(u64 timeout, u64 *deadline)
{
	u64 ns;
	int rc;

	*deadline = 0;
	if (timeout == 0)
		return 0;
	rc = timespec_from_user(timeout, &ns);
	if (rc == 0)
		*deadline = time_mono_ns() + ns;
	return rc;
}

s64 sys_recvmmsg(u64 fd, u64 user, u64 n, u64 flags, u64 timeout, u64 a5)
{
	struct socket *s;
	struct file *f;
	u64 deadline;
	u32 done = 0;
	s64 rc = receive_deadline(timeout, &deadline);

	if (rc < 0)
		return rc;
	rc = socket_of(fd, &f, &s);
	if (rc < 0)
		return rc;
	for (n = MIN((u64)(u32)n, (u64)IOV_MAX); done < n; user += sizeof(struct mmsghdr_abi)) {
		rc = receive_message(f, s, user, flags & ~(u64)MSG_WAITFORONE);
		if (rc >= 0 && put_user32(user + sizeof(struct msghdr_abi), rc) < 0)
			rc = -EFAULT;
		if (rc < 0)
			break;
		done++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline != 0 && time_mono_ns() >= deadline)	/* looked at after each, as recvmmsg(2) says */
			break;
	}
	file_put(f);
	if (timeout != 0 && done != 0) {
		u64 now = time_mono_ns();

		if (timespec_to_user(timeout, deadline > now ? deadline - now : 0) < 0)
			return -EFAULT;
	}
	return done ? (s64)done : MIN(rc, (s64)0);
}

/* --- one buffer --- */

s64 sys_sendto(u64 fd, u64 buf, u64 len, u64 flags, u64 name_user, u64 name_len)
{
	struct iovec_abi v = { buf, MIN(len, 0x7ffff000ULL) };
	struct transfer t = { .at.vec = &v, .len = v.len, .flags = flags };
	struct address name;
	struct socket *s;
	struct file *f;
	s64 rc = socket_of(fd, &f, &s);

	if (rc < 0)
		return rc;
	if (!user_range_ok(buf, v.len))
		rc = -EFAULT;
	if (rc == 0 && name_user != 0) {
		rc = address_from_user(&name, name_user, name_len);
		t.name = &name;
	}
	if (nonblocking(f))
		t.flags |= MSG_DONTWAIT;
	if (rc == 0)
		rc = socket_send(s, &t);
	file_put(f);
	return rc;
}

s64 sys_recvfrom(u64 fd, u64 buf, u64 len, u64 flags, u64 name_user, u64 len_user)
{
	struct iovec_abi v = { buf, MIN(len, 0x7ffff000ULL) };
	struct address name = { 0 };
	struct transfer t = { .at.vec = &v, .len = v.len, .flags = flags, .name = &name };
	struct socket *s;
	struct file *f;
	s64 rc = socket_of(fd, &f, &s);

	if (rc < 0)
		return rc;
	if (!user_range_ok(buf, v.len)) {
		file_put(f);
		return -EFAULT;
	}
	if (nonblocking(f))
		t.flags |= MSG_DONTWAIT;
	rc = socket_receive(s, &t);
	file_put(f);
	if (t.rights != NULL)
		rights_free(t.rights);
	if (rc >= 0 && name_user != 0) {
		int rc2 = address_to_user(&name, name_user, len_user);

		if (rc2 < 0)
			return rc2;
	}
	return rc;
}
