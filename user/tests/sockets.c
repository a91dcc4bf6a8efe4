/* SPDX-License-Identifier: MIT */
/*
 * sockets: what unix(7), ip(7), tcp(7), udp(7), socket(7), send(2), recv(2), cmsg(3) and epoll(7) promise, on this machine alone. It says
 * the same on Linux.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define FAILS(call, with) CHECK((call) == -1 && errno == (with))

static unsigned nr_pipes;

static void on_pipe(int sig)
{
	(void)sig;
	nr_pipes++;
}

static short events_of(int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void nonblock(int fd, int on)
{
	int flags = fcntl(fd, F_GETFL);

	CHECK(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0);
}

/* --- AF_UNIX streams --- */

static void pair_stream(void)
{
	char buf[64];
	int s[2], n;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK(write(s[0], "hello", 5) == 5 && write(s[0], " world", 6) == 6);
	CHECK(ioctl(s[1], FIONREAD, &n) == 0 && n == 11);
	CHECK(events_of(s[1]) == (POLLIN | POLLOUT) && events_of(s[0]) == POLLOUT);
	CHECK(recv(s[1], buf, 4, MSG_PEEK) == 4 && memcmp(buf, "hell", 4) == 0);
	CHECK(recv(s[1], buf, sizeof(buf), 0) == 11 && memcmp(buf, "hello world", 11) == 0);
	FAILS(recv(s[1], buf, 1, MSG_DONTWAIT), EAGAIN);
	FAILS(sendto(s[0], "x", 1, 0, (struct sockaddr *)buf, 16), EISCONN);
	CHECK(shutdown(s[0], SHUT_WR) == 0);
	CHECK(read(s[1], buf, 1) == 0 && events_of(s[1]) == (POLLIN | POLLOUT | POLLRDHUP));
	CHECK(write(s[1], "back", 4) == 4 && read(s[0], buf, 9) == 4);
	nr_pipes = 0;
	FAILS(write(s[0], "x", 1), EPIPE);
	CHECK(nr_pipes == 1);
	FAILS(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK(nr_pipes == 1);
	CHECK(write(s[1], "lost", 4) == 4 && close(s[0]) == 0);
	CHECK(events_of(s[1]) & POLLERR);
	FAILS(read(s[1], buf, 1), ECONNRESET);
	CHECK(read(s[1], buf, 1) == 0);
	FAILS(write(s[1], "x", 1), EPIPE);
	close(s[1]);
}

static void pair_full(void)
{
	static char big[65536];
	long sent = 0, got = 0, n;
	int s[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
	while ((n = write(s[0], big, sizeof(big))) > 0)
		sent += n;
	CHECK(errno == EAGAIN && sent >= 65536 && sent < 8 << 20 && !(events_of(s[0]) & POLLOUT));
	while ((n = read(s[1], big, sizeof(big))) > 0)
		got += n;
	CHECK(got == sent && (events_of(s[0]) & POLLOUT));
	close(s[0]);
	close(s[1]);
}

static void *drain(void *arg)
{
	static char buf[10000];
	long got = 0, n;

	usleep(20000);
	while ((n = read(*(int *)arg, buf, sizeof(buf))) > 0)
		got += n;
	return (void *)got;
}

static void blocking_writer(int *s)
{
	static char big[3 << 20];
	pthread_t t;
	void *got;

	CHECK(pthread_create(&t, NULL, drain, &s[1]) == 0);
	CHECK(write(s[0], big, sizeof(big)) == sizeof(big) && shutdown(s[0], SHUT_WR) == 0);
	CHECK(pthread_join(t, &got) == 0 && (long)got == sizeof(big));
}

static void *send_in_pieces(void *arg)
{
	for (int i = 0; i < 5; i++) {
		usleep(5000);
		CHECK(write(*(int *)arg, "0123456789", 10) == 10);
	}
	return NULL;
}

static void wait_all(int *s)
{
	char buf[64];
	pthread_t t;

	CHECK(pthread_create(&t, NULL, send_in_pieces, &s[0]) == 0);
	CHECK(recv(s[1], buf, 45, MSG_WAITALL) == 45 && buf[44] == '4');
	CHECK(pthread_join(t, NULL) == 0 && read(s[1], buf, 64) == 5);
}

static void timeouts(int *s)
{
	struct timeval tv = { 0, 50000 }, back;
	struct timespec a, b;
	socklen_t len = sizeof(back);
	char c;

	CHECK(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	CHECK(getsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &back, &len) == 0 && back.tv_usec / 10000 == 5);
	clock_gettime(CLOCK_MONOTONIC, &a);
	FAILS(read(s[1], &c, 1), EAGAIN);
	clock_gettime(CLOCK_MONOTONIC, &b);
	CHECK((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >= 45);
	tv.tv_usec = 1000000;
	FAILS(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), EDOM);
	tv.tv_usec = 0;
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void interrupted(int *s, int flags, int with)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };
	struct itimerval it = { { 0, 0 }, { 0, 30000 } };
	char c;
	pid_t child = 0;

	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	if (with == 0) {			/* the call goes on: somebody has to end it */
		child = fork();
		if (child == 0) {
			usleep(100000);
			_exit(write(s[0], "x", 1) != 1);
		}
	}
	CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
	if (with != 0)
		FAILS(read(s[1], &c, 1), with);
	else
		CHECK(read(s[1], &c, 1) == 1);
	if (child != 0)
		CHECK(waitpid(child, NULL, 0) == child);
}

/* --- names --- */

static struct sockaddr_un un(const char *path, socklen_t *len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = path[0] == '@' ? strlen(path) : strlen(path) + 1;

	memcpy(a.sun_path, path, strlen(path));
	if (path[0] == '@')
		a.sun_path[0] = '\0';
	*len = offsetof(struct sockaddr_un, sun_path) + n;
	return a;
}

static void unix_names(const char *name)
{
	socklen_t len, got = sizeof(struct sockaddr_un);
	struct sockaddr_un a = un(name, &len), b;
	struct ucred cred;
	struct stat st;
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), s, other;

	CHECK(l >= 0 && c >= 0);
	FAILS(connect(c, (struct sockaddr *)&a, len), name[0] == '@' ? ECONNREFUSED : ENOENT);
	FAILS(listen(l, 1), EINVAL);
	CHECK(bind(l, (struct sockaddr *)&a, len) == 0);
	FAILS(bind(l, (struct sockaddr *)&a, len), name[0] == '@' ? EINVAL : EADDRINUSE);
	FAILS(connect(c, (struct sockaddr *)&a, len), ECONNREFUSED);
	other = socket(AF_UNIX, SOCK_STREAM, 0);
	FAILS(bind(other, (struct sockaddr *)&a, len), EADDRINUSE);
	close(other);
	other = socket(AF_UNIX, SOCK_DGRAM, 0);
	FAILS(connect(other, (struct sockaddr *)&a, len), name[0] == '@' ? ECONNREFUSED : EPROTOTYPE);	/* names of bytes: for each type */
	close(other);
	CHECK(listen(l, 1) == 0);
	CHECK(getsockname(l, (struct sockaddr *)&b, &got) == 0 && got == len && memcmp(&a, &b, len) == 0);
	if (name[0] != '@')
		CHECK(stat(name, &st) == 0 && S_ISSOCK(st.st_mode) && open(name, O_RDONLY) == -1 && errno == ENXIO);
	CHECK(connect(c, (struct sockaddr *)&a, len) == 0);
	FAILS(connect(c, (struct sockaddr *)&a, len), EISCONN);
	CHECK(events_of(l) == POLLIN);
	got = sizeof(b);
	s = accept4(l, (struct sockaddr *)&b, &got, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(s >= 0 && got == 2 && (fcntl(s, F_GETFL) & O_NONBLOCK) && fcntl(s, F_GETFD) == FD_CLOEXEC);
	got = sizeof(b);
	CHECK(getpeername(c, (struct sockaddr *)&b, &got) == 0 && got == len);
	got = sizeof(cred);
	CHECK(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &got) == 0 && cred.pid == getpid() && cred.uid == geteuid());
	CHECK(write(c, "ping", 4) == 4 && read(s, &b, 4) == 4);
	/* one may wait to be accepted beside one that the backlog counts */
	close(c);
	for (int i = 0; i < 2; i++) {
		c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		CHECK(connect(c, (struct sockaddr *)&a, len) == 0);
	}
	other = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	FAILS(connect(other, (struct sockaddr *)&a, len), EAGAIN);
	close(l);
	CHECK(events_of(c) & POLLHUP);
	if (name[0] != '@') {
		FAILS(connect(other, (struct sockaddr *)&a, len), ECONNREFUSED);
		CHECK(unlink(name) == 0);
	}
	close(c);
	close(s);
	close(other);
}

static void unix_datagrams(void)
{
	socklen_t la, lb, got;
	struct sockaddr_un a = un("@tangram-a", &la), b = un("@tangram-b", &lb), from;
	int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0), z = socket(AF_UNIX, SOCK_DGRAM, 0);
	char buf[16];
	struct iovec v = { buf, 3 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	CHECK(bind(x, (struct sockaddr *)&a, la) == 0 && bind(y, (struct sockaddr *)&b, lb) == 0);
	CHECK(sendto(x, "12345", 5, 0, (struct sockaddr *)&b, lb) == 5 && sendto(x, "", 0, 0, (struct sockaddr *)&b, lb) == 0);
	got = sizeof(from);
	CHECK(recvfrom(y, buf, 3, MSG_PEEK | MSG_TRUNC, (struct sockaddr *)&from, &got) == 5 && got == la && memcmp(&from, &a, la) == 0);
	CHECK(recvmsg(y, &m, 0) == 3 && m.msg_flags == MSG_TRUNC);
	CHECK(recv(y, buf, 16, 0) == 0);
	FAILS(recv(y, buf, 16, MSG_DONTWAIT), EAGAIN);
	FAILS(send(x, "x", 1, 0), ENOTCONN);
	CHECK(connect(y, (struct sockaddr *)&a, la) == 0 && send(y, "1", 1, 0) == 1);
	FAILS(sendto(z, "x", 1, 0, (struct sockaddr *)&b, lb), EPERM);
	FAILS(listen(x, 1), EOPNOTSUPP);
	FAILS(accept(x, NULL, NULL), EOPNOTSUPP);
	close(x);
	FAILS(send(y, "x", 1, 0), ECONNREFUSED);
	FAILS(send(y, "x", 1, 0), ENOTCONN);
	close(y);
	close(z);
}

static void seqpacket(void)
{
	char buf[16];
	int s[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) == 0);
	CHECK(write(s[0], "one", 3) == 3 && write(s[0], "three", 5) == 5);
	CHECK(read(s[1], buf, 16) == 3 && read(s[1], buf, 2) == 2);
	FAILS(recv(s[1], buf, 1, MSG_DONTWAIT), EAGAIN);
	close(s[0]);
	CHECK(read(s[1], buf, 16) == 0 && (events_of(s[1]) & POLLHUP));
	FAILS(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(s[1]);
}

/* --- descriptors and credentials --- */

static ssize_t send_fds(int s, const int *fds, int n, const char *text)
{
	union { char space[CMSG_SPACE(253 * sizeof(int))]; struct cmsghdr h; } u;
	struct iovec v = { (void *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.space, .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, n * sizeof(int));
	return sendmsg(s, &m, 0);
}

/* How many came, -1 for an error; text has room for 16. */
static int receive_fds(int s, int *fds, int room, char *text, int flags, int *out_flags)
{
	union { char space[CMSG_SPACE(253 * sizeof(int))]; struct cmsghdr h; } u;
	struct iovec v = { text, 16 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.space,
			    .msg_controllen = room ? CMSG_LEN(room * sizeof(int)) : 0 };
	ssize_t n = recvmsg(s, &m, flags);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	*out_flags = m.msg_flags;
	if (n < 0)
		return -1;
	text[n < 16 ? n : 15] = '\0';
	if (h == NULL)
		return 0;
	CHECK(h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS);
	memcpy(fds, CMSG_DATA(h), h->cmsg_len - CMSG_LEN(0));
	return (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

static void rights(int type)
{
	int s[2], p[2], in[4], flags, many[3];
	char text[16];

	CHECK(socketpair(AF_UNIX, type, 0, s) == 0 && pipe(p) == 0);
	CHECK(send_fds(s[0], &p[1], 1, "pipe") == 4 && close(p[1]) == 0);
	CHECK(receive_fds(s[1], in, 1, text, MSG_CMSG_CLOEXEC, &flags) == 1 && strcmp(text, "pipe") == 0 && flags == MSG_CMSG_CLOEXEC);
	CHECK(fcntl(in[0], F_GETFD) == FD_CLOEXEC);
	CHECK(write(in[0], "through", 7) == 7 && close(in[0]) == 0);
	CHECK(read(p[0], text, 16) == 7 && read(p[0], text, 16) == 0);		/* no writer is left anywhere */
	many[0] = many[1] = many[2] = p[0];
	CHECK(send_fds(s[0], many, 3, "3") == 1);
	CHECK(receive_fds(s[1], in, 2, text, 0, &flags) == 2 && flags == MSG_CTRUNC);
	close(in[0]);
	close(in[1]);
	/* nobody takes them: closed */
	CHECK(pipe(p) == 0 && send_fds(s[0], &p[1], 1, "x") == 1 && close(p[1]) == 0);
	CHECK(read(s[1], text, 16) == 1 && read(p[0], text, 16) == 0);
	/* peeked at: a copy */
	CHECK(pipe(p) == 0 && send_fds(s[0], &p[1], 1, "y") == 1 && close(p[1]) == 0);
	CHECK(receive_fds(s[1], in, 1, text, MSG_PEEK, &flags) == 1 && close(in[0]) == 0);
	CHECK(receive_fds(s[1], in, 1, text, 0, &flags) == 1 && write(in[0], "z", 1) == 1 && close(in[0]) == 0);
	CHECK(read(p[0], text, 16) == 1 && read(p[0], text, 16) == 0);
	many[0] = 999;
	CHECK(send_fds(s[0], many, 1, "x") == -1 && errno == EBADF);
	if (type == SOCK_STREAM) {			/* bytes before go with them, bytes behind do not */
		CHECK(write(s[0], "a", 1) == 1 && send_fds(s[0], &p[0], 1, "b") == 1 && write(s[0], "c", 1) == 1);
		CHECK(receive_fds(s[1], in, 1, text, 0, &flags) == 1 && strcmp(text, "ab") == 0 && close(in[0]) == 0);
		CHECK(read(s[1], text, 16) == 1 && text[0] == 'c');
	}
	close(s[0]);
	close(s[1]);
}

/* No writer of the pipe is left. Linux collects behind the program's back, and only when a socket is closed: ask again. */
static void hung_up(int fd)
{
	struct pollfd f = { fd, POLLIN, 0 };
	int s[2];

	for (int i = 0; i < 50 && poll(&f, 1, 100) == 0; i++) {
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
		close(s[0]);
		close(s[1]);
	}
	CHECK(f.revents == POLLHUP);
	close(fd);
}

/* Sockets in each other's queues that nobody can reach go, and with them what they hold. */
static void rights_cycles(void)
{
	int s[2], p[2];

	for (int round = 0; round < 20; round++) {
		int a[2];

		CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0);
		CHECK(send_fds(s[0], &p[1], 1, "pipe") == 4);
		CHECK(send_fds(s[0], &s[1], 1, "self") == 4);
		CHECK(send_fds(s[1], &s[0], 1, "each other") == 10);
		CHECK(send_fds(a[0], &s[0], 1, "deeper") == 6 && send_fds(a[0], &a[1], 1, "me") == 2);
		CHECK(send_fds(s[0], &a[0], 1, "back") == 4);
		close(p[1]);
		close(s[0]);
		close(s[1]);
		close(a[0]);
		close(a[1]);
		hung_up(p[0]);
	}
	/* one that is reachable through another stays */
	int a[2], in[1], flags;
	char text[16];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0);
	CHECK(write(s[0], "kept", 4) == 4 && send_fds(a[0], &s[1], 1, "s1") == 2 && close(s[1]) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0 && close(p[0]) == 0 && close(p[1]) == 0);	/* collects */
	CHECK(receive_fds(a[1], in, 1, text, 0, &flags) == 1 && read(in[0], text, 16) == 4 && memcmp(text, "kept", 4) == 0);
	close(in[0]);
	close(s[0]);
	close(a[0]);
	close(a[1]);
	/* a long chain: closing the first closes all */
	CHECK(pipe(p) == 0);
	int held = p[1];

	for (int i = 0; i < 300; i++) {
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && send_fds(s[0], &held, 1, "x") == 1);
		close(held);
		close(s[0]);
		held = s[1];
	}
	close(held);
	hung_up(p[0]);
}

static void credentials(void)
{
	union { char space[CMSG_SPACE(sizeof(struct ucred))]; struct cmsghdr h; } u;
	char c = 'x';
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.space, .msg_controllen = sizeof(u.space) };
	struct ucred cred;
	struct cmsghdr *h;
	int s[2], on = 1;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	CHECK(write(s[0], "x", 1) == 1 && recvmsg(s[1], &m, 0) == 1);
	h = CMSG_FIRSTHDR(&m);
	CHECK(h != NULL && h->cmsg_type == SCM_CREDENTIALS && h->cmsg_len == CMSG_LEN(sizeof(cred)));
	memcpy(&cred, CMSG_DATA(h), sizeof(cred));
	CHECK(cred.pid == getpid() && cred.uid == getuid() && cred.gid == getgid());
	close(s[0]);
	close(s[1]);
}

/* --- TCP --- */

static struct sockaddr_in in4(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };

	return a;
}

static int tcp_listener(struct sockaddr_in *a, int backlog)
{
	socklen_t len = sizeof(*a);
	int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	*a = in4(0);
	CHECK(l >= 0 && setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	CHECK(bind(l, (struct sockaddr *)a, sizeof(*a)) == 0 && listen(l, backlog) == 0);
	CHECK(getsockname(l, (struct sockaddr *)a, &len) == 0 && len == sizeof(*a) && a->sin_port != 0);
	return l;
}

static void tcp_pair(int *s)
{
	struct sockaddr_in a;
	int l = tcp_listener(&a, 4);

	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(s[0], (struct sockaddr *)&a, sizeof(a)) == 0);
	s[1] = accept(l, NULL, NULL);
	CHECK(s[1] >= 0);
	close(l);
}

static int error_of(int s)
{
	socklen_t len = sizeof(int);
	int e;

	CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &len) == 0);
	return e;
}

static void tcp_basic(void)
{
	struct sockaddr_in a, b, c;
	socklen_t len = sizeof(b);
	char buf[16];
	int l = tcp_listener(&a, 4), s, x = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);

	FAILS(bind(other, (struct sockaddr *)&a, sizeof(a)), EADDRINUSE);
	FAILS(send(x, "x", 1, MSG_NOSIGNAL), EPIPE);
	FAILS(recv(x, buf, 1, 0), ENOTCONN);
	FAILS(shutdown(other, SHUT_WR), ENOTCONN);
	FAILS(getpeername(x, (struct sockaddr *)&b, &len), ENOTCONN);
	CHECK(events_of(x) == (POLLOUT | POLLHUP) && events_of(l) == 0);
	CHECK(connect(x, (struct sockaddr *)&a, sizeof(a)) == 0);
	FAILS(connect(x, (struct sockaddr *)&a, sizeof(a)), EISCONN);
	s = accept(l, (struct sockaddr *)&b, &len);
	CHECK(s >= 0 && len == sizeof(b) && b.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	len = sizeof(c);
	CHECK(getsockname(x, (struct sockaddr *)&c, &len) == 0 && memcmp(&b, &c, 8) == 0);
	CHECK(getpeername(x, (struct sockaddr *)&c, &len) == 0 && memcmp(&a, &c, 8) == 0);
	CHECK(getsockname(s, (struct sockaddr *)&c, &len) == 0 && memcmp(&a, &c, 8) == 0);
	CHECK(send(x, "abc", 3, 0) == 3 && recv(s, buf, 16, 0) == 3);
	FAILS(accept(other, NULL, NULL), EINVAL);
	CHECK(shutdown(x, SHUT_WR) == 0 && recv(s, buf, 16, 0) == 0 && events_of(s) == (POLLIN | POLLOUT | POLLRDHUP));
	CHECK(send(s, "late", 4, 0) == 4 && close(s) == 0);
	CHECK(recv(x, buf, 16, 0) == 4 && recv(x, buf, 16, 0) == 0);
	close(x);
	close(l);
	x = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(connect(x, (struct sockaddr *)&a, sizeof(a)), ECONNREFUSED);
	close(x);
	close(other);
}

static void tcp_ends(void)
{
	struct linger lg = { 1, 0 };
	char buf[16];
	int s[2];

	/* unread data: a reset */
	tcp_pair(s);
	CHECK(send(s[0], "x", 1, 0) == 1 && close(s[1]) == 0);
	usleep(1000);
	CHECK(events_of(s[0]) & POLLERR);
	FAILS(recv(s[0], buf, 1, 0), ECONNRESET);
	CHECK(recv(s[0], buf, 1, 0) == 0);
	close(s[0]);
	/* by SO_LINGER */
	tcp_pair(s);
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)) == 0 && close(s[1]) == 0);
	usleep(1000);
	CHECK(error_of(s[0]) == ECONNRESET && error_of(s[0]) == 0);
	FAILS(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(s[0]);
	/* an orderly end; writing to one who is gone: the first is taken, then there is nobody */
	tcp_pair(s);
	CHECK(close(s[1]) == 0);
	usleep(1000);
	CHECK(recv(s[0], buf, 1, 0) == 0 && send(s[0], "x", 1, MSG_NOSIGNAL) == 1);
	usleep(1000);
	nr_pipes = 0;
	FAILS(send(s[0], "x", 1, 0), EPIPE);
	CHECK(nr_pipes == 1);
	close(s[0]);
}

static void tcp_nonblocking(void)
{
	struct sockaddr_in a;
	int l = tcp_listener(&a, 4), x = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), s;
	struct pollfd p = { x, POLLOUT, 0 };

	nonblock(l, 1);
	FAILS(accept(l, NULL, NULL), EAGAIN);
	FAILS(connect(x, (struct sockaddr *)&a, sizeof(a)), EINPROGRESS);
	CHECK(poll(&p, 1, 1000) == 1 && p.revents == POLLOUT && error_of(x) == 0);
	CHECK(connect(x, (struct sockaddr *)&a, sizeof(a)) == 0);
	FAILS(connect(x, (struct sockaddr *)&a, sizeof(a)), EISCONN);
	s = accept4(l, NULL, NULL, SOCK_NONBLOCK);
	CHECK(s >= 0);
	close(s);
	close(x);
	close(l);
	x = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	FAILS(connect(x, (struct sockaddr *)&a, sizeof(a)), EINPROGRESS);
	p.fd = x;
	CHECK(poll(&p, 1, 1000) == 1 && (p.revents & (POLLERR | POLLHUP | POLLOUT)) == (POLLERR | POLLHUP | POLLOUT));
	CHECK(error_of(x) == ECONNREFUSED);
	close(x);
}

static void options(void)
{
	int x = socket(AF_INET, SOCK_STREAM, 0), v = 1, u = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t len = sizeof(v);
	struct linger lg;

	CHECK(setsockopt(x, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)) == 0);
	v = 0;
	CHECK(getsockopt(x, IPPROTO_TCP, TCP_NODELAY, &v, &len) == 0 && v == 1 && len == 4);
	v = 300;
	CHECK(setsockopt(x, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof(v)) == 0);
	v = 0;
	FAILS(setsockopt(x, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof(v)), EINVAL);
	CHECK(getsockopt(x, SOL_SOCKET, SO_TYPE, &v, &len) == 0 && v == SOCK_STREAM);
	CHECK(getsockopt(x, SOL_SOCKET, SO_DOMAIN, &v, &len) == 0 && v == AF_INET);
	CHECK(getsockopt(x, SOL_SOCKET, SO_PROTOCOL, &v, &len) == 0 && v == IPPROTO_TCP);
	CHECK(getsockopt(x, SOL_SOCKET, SO_ACCEPTCONN, &v, &len) == 0 && v == 0);
	v = 100000;
	CHECK(setsockopt(x, SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)) == 0);
	CHECK(getsockopt(x, SOL_SOCKET, SO_SNDBUF, &v, &len) == 0 && v == 200000);
	v = 1;
	CHECK(setsockopt(x, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)) == 0);
	CHECK(getsockopt(x, SOL_SOCKET, SO_RCVBUF, &v, &len) == 0 && v == 2304);
	len = sizeof(lg);
	CHECK(getsockopt(x, SOL_SOCKET, SO_LINGER, &lg, &len) == 0 && lg.l_onoff == 0 && len == 8);
	len = 2;
	CHECK(getsockopt(x, SOL_SOCKET, SO_TYPE, &v, &len) == 0 && len == 2);
	FAILS(setsockopt(x, SOL_SOCKET, SO_REUSEADDR, &v, 2), EINVAL);
	FAILS(setsockopt(x, SOL_SOCKET, 9999, &v, 4), ENOPROTOOPT);
	FAILS(setsockopt(x, IPPROTO_TCP, 9999, &v, 4), ENOPROTOOPT);
	FAILS(setsockopt(u, IPPROTO_TCP, TCP_NODELAY, &v, 4), EOPNOTSUPP);
	FAILS(setsockopt(0, SOL_SOCKET, SO_REUSEADDR, &v, 4), ENOTSOCK);
	FAILS(setsockopt(999, SOL_SOCKET, SO_REUSEADDR, &v, 4), EBADF);
	FAILS(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	FAILS(socket(77, SOCK_STREAM, 0), EAFNOSUPPORT);
	FAILS(socket(AF_UNIX, 7, 0), ESOCKTNOSUPPORT);
	FAILS(socket(AF_UNIX, 0x10000 | SOCK_STREAM, 0), EINVAL);
	close(x);
	close(u);
}

/* --- UDP --- */

static void udp(void)
{
	struct sockaddr_in a = in4(0), b, none = in4(1);
	socklen_t len = sizeof(a);
	int x = socket(AF_INET, SOCK_DGRAM, 0), y = socket(AF_INET, SOCK_DGRAM, 0), n;
	static char big[65508];
	char buf[16];

	CHECK(bind(x, (struct sockaddr *)&a, sizeof(a)) == 0 && getsockname(x, (struct sockaddr *)&a, &len) == 0);
	FAILS(send(y, "x", 1, 0), EDESTADDRREQ);
	CHECK(sendto(y, "hello", 5, 0, (struct sockaddr *)&a, sizeof(a)) == 5);
	CHECK(ioctl(x, FIONREAD, &n) == 0 && n == 5);
	CHECK(recvfrom(x, buf, 16, 0, (struct sockaddr *)&b, &len) == 5 && b.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK(sendto(x, "re", 2, 0, (struct sockaddr *)&b, sizeof(b)) == 2 && recv(y, buf, 16, 0) == 2);
	FAILS(sendto(y, big, sizeof(big), 0, (struct sockaddr *)&a, sizeof(a)), EMSGSIZE);
	CHECK(sendto(y, big, sizeof(big) - 1, 0, (struct sockaddr *)&a, sizeof(a)) == sizeof(big) - 1);
	CHECK(recv(x, big, sizeof(big), 0) == sizeof(big) - 1);
	CHECK(connect(y, (struct sockaddr *)&none, sizeof(none)) == 0 && send(y, "x", 1, 0) == 1);
	usleep(1000);
	FAILS(recv(y, buf, 1, 0), ECONNREFUSED);
	CHECK(connect(y, (struct sockaddr *)&a, sizeof(a)) == 0 && send(y, "x", 1, 0) == 1 && recv(x, buf, 16, 0) == 1);
	close(x);
	close(y);
}

static void many_messages(void)
{
	struct mmsghdr m[3] = { 0 };
	struct iovec v[3];
	char buf[3][8] = { { 0 } };
	int s[2];

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	for (int i = 0; i < 3; i++) {
		v[i] = (struct iovec){ buf[i], i + 1 };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	CHECK(sendmmsg(s[0], m, 3, 0) == 3 && m[2].msg_len == 3);
	for (int i = 0; i < 3; i++)
		v[i].iov_len = 8;
	CHECK(recvmmsg(s[1], m, 3, MSG_WAITFORONE, NULL) == 3 && m[0].msg_len == 1 && m[2].msg_len == 3);
	/* one datagram of several pieces, and back */
	CHECK(writev(s[0], (struct iovec[]){ { "ab", 2 }, { "cd", 2 } }, 2) == 4);
	CHECK(readv(s[1], (struct iovec[]){ { buf[0], 1 }, { buf[1], 8 } }, 2) == 4 && buf[0][0] == 'a' && buf[1][2] == 'd');
	close(s[0]);
	close(s[1]);
}

/* --- epoll --- */

static void edges(void)
{
	struct epoll_event ev = { EPOLLIN | EPOLLET, { .u32 = 1 } }, out[4];
	int s[2], e = epoll_create1(0);
	char buf[16];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && epoll_ctl(e, EPOLL_CTL_ADD, s[1], &ev) == 0);
	CHECK(epoll_wait(e, out, 4, 0) == 0);
	CHECK(write(s[0], "a", 1) == 1 && epoll_wait(e, out, 4, 0) == 1 && out[0].events == EPOLLIN);
	CHECK(epoll_wait(e, out, 4, 0) == 0);
	CHECK(write(s[0], "b", 1) == 1 && epoll_wait(e, out, 4, 0) == 1);
	ev.events = EPOLLOUT | EPOLLET;
	CHECK(epoll_ctl(e, EPOLL_CTL_MOD, s[1], &ev) == 0 && epoll_wait(e, out, 4, 0) == 1 && out[0].events == EPOLLOUT);
	CHECK(write(s[0], "c", 1) == 1 && epoll_wait(e, out, 4, 0) == 0);	/* no edge of what is asked for */
	ev.events = EPOLLIN | EPOLLONESHOT;
	CHECK(epoll_ctl(e, EPOLL_CTL_MOD, s[1], &ev) == 0 && epoll_wait(e, out, 4, 0) == 1 && epoll_wait(e, out, 4, 0) == 0);
	CHECK(write(s[0], "d", 1) == 1 && epoll_wait(e, out, 4, 0) == 0);
	ev.events = EPOLLIN | EPOLLRDHUP;
	CHECK(epoll_ctl(e, EPOLL_CTL_MOD, s[1], &ev) == 0 && epoll_wait(e, out, 4, 0) == 1 && out[0].events == EPOLLIN);
	CHECK(read(s[1], buf, 16) == 4 && epoll_wait(e, out, 4, 0) == 0);
	close(s[0]);
	CHECK(epoll_wait(e, out, 4, 1000) == 1 && out[0].events == (EPOLLIN | EPOLLRDHUP | EPOLLHUP));
	close(s[1]);
	CHECK(epoll_wait(e, out, 4, 0) == 0);
	close(e);
}

/* --- many clients at once --- */

static void *client(void *arg)
{
	struct sockaddr_in a = *(struct sockaddr_in *)arg;
	char buf[100], back[100];

	for (int round = 0; round < 10; round++) {
		int s = socket(AF_INET, SOCK_STREAM, 0);

		CHECK(connect(s, (struct sockaddr *)&a, sizeof(a)) == 0);
		for (int i = 0; i < 10; i++) {
			memset(buf, 'a' + i, sizeof(buf));
			CHECK(send(s, buf, sizeof(buf), 0) == sizeof(buf));
			CHECK(recv(s, back, sizeof(back), MSG_WAITALL) == sizeof(back) && memcmp(buf, back, sizeof(buf)) == 0);
		}
		close(s);
	}
	return NULL;
}

static void echo_server(void)
{
	struct sockaddr_in a;
	int l = tcp_listener(&a, 2), e = epoll_create1(0), ended = 0;	/* a short queue: connects have to wait */
	struct epoll_event ev = { EPOLLIN, { .fd = l } }, out[8];
	pthread_t t[8];
	char buf[256];

	nonblock(l, 1);
	CHECK(epoll_ctl(e, EPOLL_CTL_ADD, l, &ev) == 0);
	for (int i = 0; i < 8; i++)
		CHECK(pthread_create(&t[i], NULL, client, &a) == 0);
	while (ended < 80) {
		int n = epoll_wait(e, out, 8, 10000);

		CHECK(n > 0);
		for (int i = 0; i < n; i++) {
			int s = out[i].data.fd;
			ssize_t got;

			if (s == l) {
				s = accept4(l, NULL, NULL, SOCK_NONBLOCK);
				ev.data.fd = s;
				if (s >= 0)
					CHECK(epoll_ctl(e, EPOLL_CTL_ADD, s, &ev) == 0);
				continue;
			}
			got = recv(s, buf, sizeof(buf), 0);
			if (got == 0) {
				close(s);
				ended++;
			} else if (got > 0) {
				CHECK(send(s, buf, got, 0) == got);
			}
		}
	}
	for (int i = 0; i < 8; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	close(e);
	close(l);
}

/* connect() to AF_UNSPEC: a TCP connection is broken off at both ends, with what was not read; the socket makes another. */
static void begins_anew(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, none = { .sin_family = AF_UNSPEC };
	int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0), a;
	socklen_t len = sizeof(to);
	char buf[16];

	CHECK(bind(l, (void *)&to, len) == 0 && listen(l, 5) == 0 && getsockname(l, (void *)&to, &len) == 0);
	CHECK(connect(s, (void *)&none, sizeof(none)) == 0 && error_of(s) == 0);
	for (int way = 0; way < 3; way++) {
		CHECK(connect(s, (void *)&to, len) == 0);
		a = accept(l, NULL, NULL);
		CHECK(a >= 0 && error_of(s) == 0 && send(a, "unread", 6, 0) == 6 && send(a, "!", 1, MSG_OOB) == 1);
		if (way == 2)
			CHECK(recv(s, buf, sizeof(buf), 0) == 6 && recv(s, buf, 1, MSG_OOB) == 1 && buf[0] == '!');	/* with all read, too */
		CHECK(connect(s, (void *)&none, sizeof(none)) == 0);
		FAILS(recv(a, buf, sizeof(buf), 0), ECONNRESET);
		CHECK(recv(a, buf, sizeof(buf), 0) == 0);
		FAILS(send(a, "x", 1, MSG_NOSIGNAL), EPIPE);
		if (way == 0)			/* else it is forgotten by the next connect() */
			CHECK(error_of(s) == ECONNRESET && error_of(s) == 0);
		else if (way == 1)
			FAILS(recv(s, buf, sizeof(buf), 0), ECONNRESET);
		FAILS(getpeername(s, (void *)&none, &(socklen_t){ sizeof(none) }), ENOTCONN);
		close(a);
	}
	CHECK(connect(s, (void *)&to, len) == 0);
	a = accept(l, NULL, NULL);
	CHECK(a >= 0 && send(a, "new", 3, 0) == 3 && recv(s, buf, sizeof(buf), 0) == 3 && memcmp(buf, "new", 3) == 0);
	FAILS(recv(s, buf, 1, MSG_OOB), EINVAL);
	CHECK(send(s, "back", 4, 0) == 4 && recv(a, buf, sizeof(buf), 0) == 4 && close(a) == 0 && close(s) == 0 && close(l) == 0);
}

/* Where both ends have said that no more comes, nothing is left to break off: no error at either end, and what was sent arrives. */
static void begins_anew_after_the_end(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, none = { .sin_family = AF_UNSPEC };
	int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0), a;
	socklen_t len = sizeof(to);
	char buf[16];

	CHECK(bind(l, (void *)&to, len) == 0 && listen(l, 5) == 0 && getsockname(l, (void *)&to, &len) == 0);
	for (int way = 0; way < 4; way++) {
		CHECK(connect(s, (void *)&to, len) == 0);
		a = accept(l, NULL, NULL);
		CHECK(a >= 0 && send(s, "bytes", 5, 0) == 5);
		if (way & 2)
			CHECK(send(a, "unread", 6, 0) == 6);
		CHECK(shutdown(way & 1 ? a : s, SHUT_WR) == 0 && shutdown(way & 1 ? s : a, SHUT_WR) == 0);
		usleep(10000);
		CHECK(connect(s, (void *)&none, sizeof(none)) == 0 && error_of(s) == 0 && error_of(a) == 0);
		CHECK(recv(a, buf, sizeof(buf), 0) == 5 && recv(a, buf, sizeof(buf), 0) == 0 && error_of(a) == 0);
		FAILS(send(a, "x", 1, MSG_NOSIGNAL), EPIPE);
		close(a);
	}
	/* nor is there anything when it is closed with bytes unread */
	CHECK(connect(s, (void *)&to, len) == 0);
	a = accept(l, NULL, NULL);
	CHECK(send(a, "unread", 6, 0) == 6 && shutdown(s, SHUT_WR) == 0 && shutdown(a, SHUT_WR) == 0);
	usleep(10000);
	close(s);
	CHECK(error_of(a) == 0 && recv(a, buf, sizeof(buf), 0) == 0 && error_of(a) == 0);
	close(a);
	close(l);
}

/* What a connection had sent and nobody has read does not fill the next one of the same socket. */
static void begins_anew_with_room(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, none = { .sin_family = AF_UNSPEC };
	int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0), a, b;
	static char bytes[65536];
	socklen_t len = sizeof(to);
	ssize_t n;

	CHECK(bind(l, (void *)&to, len) == 0 && listen(l, 5) == 0 && getsockname(l, (void *)&to, &len) == 0);
	CHECK(connect(s, (void *)&to, len) == 0);
	a = accept(l, NULL, NULL);
	while (send(s, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	CHECK(errno == EAGAIN && connect(s, (void *)&none, sizeof(none)) == 0 && connect(s, (void *)&to, len) == 0);
	b = accept(l, NULL, NULL);
	CHECK(b >= 0 && send(s, bytes, 20000, MSG_DONTWAIT) == 20000);
	n = recv(b, bytes, 20000, MSG_WAITALL);
	CHECK(n == 20000 && recv(a, bytes, sizeof(bytes), 0) > 0);	/* the old ones are there as they were */
	close(a);
	CHECK(send(s, bytes, 20000, MSG_DONTWAIT) == 20000);
	close(b);
	close(s);
	close(l);
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "/tmp";
	char path[100];
	int s[2];

	signal(SIGPIPE, on_pipe);
	alarm(0);
	pair_stream();
	pair_full();
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	wait_all(s);
	timeouts(s);
	interrupted(s, 0, EINTR);
	interrupted(s, SA_RESTART, 0);
	blocking_writer(s);
	close(s[0]);
	close(s[1]);
	tcp_pair(s);
	wait_all(s);
	timeouts(s);
	blocking_writer(s);
	close(s[0]);
	close(s[1]);
	snprintf(path, sizeof(path), "%s/socket-%d", folder, getpid());
	unix_names(path);
	unix_names("@tangram-test");
	unix_datagrams();
	seqpacket();
	rights(SOCK_STREAM);
	rights(SOCK_DGRAM);
	rights_cycles();
	credentials();
	tcp_basic();
	tcp_ends();
	begins_anew();
	begins_anew_after_the_end();
	begins_anew_with_room();
	tcp_nonblocking();
	options();
	udp();
	many_messages();
	edges();
	echo_server();
	return ok("%s", "");
}
