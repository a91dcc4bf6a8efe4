/* SPDX-License-Identifier: MIT */
/*
 * datagrams: what comes beside the bytes of UDP: time stamps, addresses, TTL and TOS as control messages, datagrams that come back because
 * nobody was there, those that are put together by MSG_MORE, and sockets that are bound to an interface.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "check.h"

#define FAILS(call, error) do { errno = 0; CHECK((long)(call) == -1); if (errno != (error)) fail("%s:%d: %s: %s, not %s", __FILE__, __LINE__, \
			       #call, strerrorname_np(errno), strerrorname_np(error)); } while (0)

static char bytes[256];
static union { struct cmsghdr h; char room[512]; } control;
static struct sockaddr_in name;
static struct msghdr msg;

static int udp(struct sockaddr_in *a)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(*a);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CHECK(s >= 0 && bind(s, (void *)a, sizeof(*a)) == 0 && getsockname(s, (void *)a, &len) == 0);
	return s;
}

static void set(int s, int level, int option, int value)
{
	int is = -1;
	socklen_t len = sizeof(is);

	CHECK(setsockopt(s, level, option, &value, sizeof(value)) == 0 && getsockopt(s, level, option, &is, &len) == 0 && is == value);
}

static long receive(int s, size_t room, int flags)
{
	static struct iovec iov;

	iov = (struct iovec){ bytes, sizeof(bytes) };
	memset(&control, 0, sizeof(control));
	msg = (struct msghdr){ .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = room };
	return recvmsg(s, &msg, flags);
}

static void *told(int level, int type, size_t size)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == level && c->cmsg_type == type) {
			CHECK(c->cmsg_len == CMSG_LEN(size));
			return CMSG_DATA(c);
		}
	return NULL;
}

static void stamps(void)
{
	struct sockaddr_in a;
	struct timeval now, *tv;
	struct timespec *ts;
	int s = udp(&a);

	set(s, SOL_SOCKET, SO_TIMESTAMP, 1);
	CHECK(sendto(s, "one", 3, 0, (void *)&a, sizeof(a)) == 3 && gettimeofday(&now, NULL) == 0 && receive(s, sizeof(control), 0) == 3);
	tv = told(SOL_SOCKET, SCM_TIMESTAMP, sizeof(*tv));
	CHECK(tv != NULL && labs(now.tv_sec - tv->tv_sec) <= 60 && told(SOL_SOCKET, SCM_TIMESTAMPNS, sizeof(*ts)) == NULL);
	set(s, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	CHECK(sendto(s, "one", 3, 0, (void *)&a, sizeof(a)) == 3 && receive(s, sizeof(control), 0) == 3);
	ts = told(SOL_SOCKET, SCM_TIMESTAMPNS, sizeof(*ts));
	CHECK(ts != NULL && labs(now.tv_sec - ts->tv_sec) <= 60 && told(SOL_SOCKET, SCM_TIMESTAMP, sizeof(*tv)) == NULL);
	CHECK(sendto(s, "one", 3, 0, (void *)&a, sizeof(a)) == 3 && receive(s, 8, 0) == 3 && (msg.msg_flags & MSG_CTRUNC) && msg.msg_controllen == 0);
	CHECK(close(s) == 0);
}

static void addresses(void)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } out = { .h = { CMSG_LEN(sizeof(int)), IPPROTO_IP, IP_TTL } };
	struct iovec iov = { "two", 3 };
	struct in_pktinfo *info;
	struct sockaddr_in a;
	struct msghdr m;
	int s = udp(&a), any = socket(AF_INET, SOCK_DGRAM, 0);

	set(s, IPPROTO_IP, IP_PKTINFO, 1);
	set(s, IPPROTO_IP, IP_RECVTTL, 1);
	set(s, IPPROTO_IP, IP_RECVTOS, 1);
	set(any, IPPROTO_IP, IP_TTL, 33);
	set(any, IPPROTO_IP, IP_TOS, 16);
	CHECK(sendto(any, "two", 3, 0, (void *)&a, sizeof(a)) == 3 && receive(s, sizeof(control), 0) == 3);
	info = told(IPPROTO_IP, IP_PKTINFO, sizeof(*info));
	CHECK(info != NULL && info->ipi_ifindex == (int)if_nametoindex("lo") && info->ipi_addr.s_addr == a.sin_addr.s_addr &&
	      info->ipi_spec_dst.s_addr == a.sin_addr.s_addr);
	CHECK(*(int *)told(IPPROTO_IP, IP_TTL, sizeof(int)) == 33 && *(unsigned char *)told(IPPROTO_IP, IP_TOS, 1) == 16);
	/* for one datagram alone */
	m = (struct msghdr){ .msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &out, .msg_controllen = sizeof(out) };
	*(int *)CMSG_DATA(&out.h) = 44;
	CHECK(sendmsg(any, &m, 0) == 3 && receive(s, sizeof(control), 0) == 3 && *(int *)told(IPPROTO_IP, IP_TTL, sizeof(int)) == 44);
	*(int *)CMSG_DATA(&out.h) = 0;
	FAILS(sendmsg(any, &m, 0), EINVAL);
	*(int *)CMSG_DATA(&out.h) = 256;
	FAILS(sendmsg(any, &m, 0), EINVAL);
	out.h.cmsg_type = 200;
	FAILS(sendmsg(any, &m, 0), EINVAL);
	CHECK(close(s) == 0 && close(any) == 0);
}

static void refused(void)
{
	struct sockaddr_in nobody, a, *who;
	struct sock_extended_err *e;
	int gone = udp(&nobody), s = udp(&a), error;
	socklen_t len = sizeof(error);
	struct pollfd p = { .fd = s, .events = POLLIN };
	static char large[60000];
	ssize_t got;
	size_t kept = 0;

	CHECK(close(gone) == 0);
	FAILS(receive(s, sizeof(control), MSG_ERRQUEUE | MSG_DONTWAIT), EAGAIN);
	CHECK(sendto(s, "lost", 4, 0, (void *)&nobody, sizeof(nobody)) == 4 && poll(&p, 1, 0) == 0);		/* nobody has asked */
	set(s, IPPROTO_IP, IP_RECVERR, 1);
	CHECK(sendto(s, "lost", 4, 0, (void *)&nobody, sizeof(nobody)) == 4 && poll(&p, 1, 5000) == 1 && (p.revents & POLLERR));
	FAILS(recv(s, bytes, 4, MSG_DONTWAIT), ECONNREFUSED);
	CHECK(poll(&p, 1, 0) == 1 && (p.revents & POLLERR));			/* the datagram is still to be had */
	CHECK(receive(s, sizeof(control), MSG_ERRQUEUE) == 4 && memcmp(bytes, "lost", 4) == 0 && (msg.msg_flags & MSG_ERRQUEUE));
	CHECK(name.sin_port == nobody.sin_port && name.sin_addr.s_addr == nobody.sin_addr.s_addr);
	e = told(IPPROTO_IP, IP_RECVERR, sizeof(*e) + sizeof(*who));
	CHECK(e != NULL && e->ee_errno == ECONNREFUSED && e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == 3 && e->ee_code == 3);
	who = (void *)SO_EE_OFFENDER(e);
	CHECK(who->sin_family == AF_INET && who->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK(poll(&p, 1, 0) == 0);
	FAILS(receive(s, sizeof(control), MSG_ERRQUEUE), EAGAIN);
	/* fetched, it is an error no more */
	CHECK(sendto(s, "lost", 4, 0, (void *)&nobody, sizeof(nobody)) == 4 && poll(&p, 1, 5000) == 1 && receive(s, sizeof(control), MSG_ERRQUEUE) == 4);
	CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0);
	CHECK(sendto(s, "lost", 4, 0, (void *)&nobody, sizeof(nobody)) == 4 && poll(&p, 1, 5000) == 1);
	set(s, IPPROTO_IP, IP_RECVERR, 0);
	FAILS(receive(s, sizeof(control), MSG_ERRQUEUE), EAGAIN);
	/* no more of them are kept than of what is received */
	set(s, IPPROTO_IP, IP_RECVERR, 1);
	for (int n = 0; n < 64; n++)
		(void)!sendto(s, large, sizeof(large), 0, (void *)&nobody, sizeof(nobody));
	while ((got = recv(s, large, sizeof(large), MSG_ERRQUEUE | MSG_DONTWAIT)) >= 0)
		kept += got;
	CHECK(kept != 0 && kept < 1000000);
	CHECK(close(s) == 0);
}

static void put_together(void)
{
	struct sockaddr_in a, b;
	int s = udp(&a), to = udp(&b);

	CHECK(sendto(s, "one ", 4, MSG_MORE, (void *)&b, sizeof(b)) == 4 && sendto(s, "two ", 4, MSG_MORE, (void *)&b, sizeof(b)) == 4);
	FAILS(recv(to, bytes, sizeof(bytes), MSG_DONTWAIT), EAGAIN);
	CHECK(sendto(s, "three", 5, 0, (void *)&b, sizeof(b)) == 5);
	CHECK(recv(to, bytes, sizeof(bytes), 0) == 13 && memcmp(bytes, "one two three", 13) == 0);
	FAILS(recv(to, bytes, sizeof(bytes), MSG_DONTWAIT), EAGAIN);
	CHECK(connect(s, (void *)&b, sizeof(b)) == 0 && send(s, "a", 1, MSG_MORE) == 1 && send(s, "b", 1, 0) == 1);
	CHECK(recv(to, bytes, sizeof(bytes), 0) == 2 && send(s, "left", 4, MSG_MORE) == 4);
	CHECK(close(s) == 0 && close(to) == 0);
}

static void bound(void)
{
	struct sockaddr_in a;
	char is[IFNAMSIZ + 1] = "";
	socklen_t len = sizeof(is);
	int s = udp(&a);

	CHECK(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, is, &len) == 0 && len == 0);
	FAILS(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "none", 5), ENODEV);
	CHECK(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
	len = sizeof(is);
	CHECK(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, is, &len) == 0 && len == 3 && strcmp(is, "lo") == 0);
	len = 2;
	FAILS(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, is, &len), EINVAL);
	CHECK(sendto(s, "here", 4, 0, (void *)&a, sizeof(a)) == 4 && recv(s, bytes, 4, 0) == 4);
	if (geteuid() == 0)
		CHECK(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "", 0) == 0);
	else
		FAILS(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "", 0), EPERM);
	CHECK(close(s) == 0);
}

static void local(void)
{
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	set(pair[1], SOL_SOCKET, SO_TIMESTAMP, 1);
	CHECK(send(pair[0], "x", 1, 0) == 1 && receive(pair[1], sizeof(control), 0) == 1 &&
	      told(SOL_SOCKET, SCM_TIMESTAMP, sizeof(struct timeval)) != NULL);
	CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
}

int main(void)
{
	stamps();
	addresses();
	refused();
	put_together();
	bound();
	local();
	return ok("");
}
