/* SPDX-License-Identifier: MIT */
/*
 * async_io: signals for descriptors that become ready (fcntl(2): F_SETOWN, F_SETSIG, O_ASYNC), and what sockets tell of themselves. Prints
 * outcomes, for comparison with Linux.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "plain.h"
#include "said.h"

#define BAD ((void *)8)

static sigset_t those;

/* The next of those signals, or 0 if none comes. */
static int next(siginfo_t *si)
{
	struct timespec soon = { 0, 200000000 };
	int sig = sigtimedwait(&those, si, &soon);

	return sig < 0 ? 0 : sig - (sig >= SIGRTMIN ? SIGRTMIN : 0);
}

/* A first one comes within a time that no machine needs. */
static int first(siginfo_t *si)
{
	struct timespec late = { 20, 0 };
	int sig = sigtimedwait(&those, si, &late);

	return sig < 0 ? 0 : sig - (sig >= SIGRTMIN ? SIGRTMIN : 0);
}

static void owners(void)
{
	struct f_owner_ex o = { F_OWNER_PID, 0 };
	int two[2], fd = open("/dev/null", O_RDONLY), on = 1, who = 0;

	CHECK(pipe(two) == 0);
	TRY(fcntl(two[0], F_GETOWN));
	TRY(fcntl(two[0], F_SETOWN, getpid()));
	TRY(fcntl(two[0], F_GETOWN) == getpid());
	TRY(fcntl(two[0], F_GETOWN_EX, &o));
	TRY(o.type == F_OWNER_PID && o.pid == getpid());
	TRY(fcntl(two[0], F_SETOWN, -getpgrp()));
	TRY(fcntl(two[0], F_GETOWN_EX, &o));
	TRY(o.type == F_OWNER_PGRP && o.pid == getpgrp());
	TRY(fcntl(two[0], F_GETOWN) == -getpgrp());
	TRY(fcntl(two[0], F_SETOWN, 0x3fffff));
	TRY(fcntl(two[0], F_SETOWN, -0x3fffff));
	TRY(fcntl(two[0], F_SETOWN, 0x80000000));
	o = (struct f_owner_ex){ 9, 1 };
	TRY(fcntl(two[0], F_SETOWN_EX, &o));
	o = (struct f_owner_ex){ F_OWNER_TID, 0x3fffff };
	TRY(fcntl(two[0], F_SETOWN_EX, &o));
	o.pid = gettid();
	TRY(fcntl(two[0], F_SETOWN_EX, &o));
	TRY(fcntl(two[0], F_SETOWN_EX, BAD));
	TRY(fcntl(two[0], F_GETOWN_EX, BAD));
	TRY(fcntl(two[0], F_SETOWN, 0));
	TRY(fcntl(two[0], F_GETOWN));
	TRY(fcntl(two[0], F_GETSIG));
	TRY(fcntl(two[0], F_SETSIG, 65));
	TRY(fcntl(two[0], F_SETSIG, -1));
	TRY(fcntl(two[0], F_SETSIG, SIGUSR1));
	TRY(fcntl(two[0], F_GETSIG) == SIGUSR1);
	TRY(fcntl(two[1], F_GETSIG));
	TRY(fcntl(fd, F_SETOWN, getpid()));		/* of a file that will never tell */
	TRY(fcntl(fd, F_GETOWN) == getpid());
	TRY(fcntl(fd, F_SETFL, O_ASYNC));
	TRY(fcntl(fd, F_GETFL) & O_ASYNC);
	TRY(ioctl(fd, FIOASYNC, &on));
	TRY(ioctl(two[0], FIOASYNC, &on));
	TRY((fcntl(two[0], F_GETFL) & O_ASYNC) != 0);
	TRY(ioctl(two[0], FIOASYNC, BAD));
	TRY(fcntl(two[0], F_SETFL, 0));
	TRY(fcntl(two[0], F_GETFL) & O_ASYNC);
	close(two[0]);
	close(two[1]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, two) == 0);
	who = getpid();
	TRY(ioctl(two[0], SIOCSPGRP, &who));
	TRY(fcntl(two[0], F_GETOWN) == getpid());
	who = 0;
	TRY(ioctl(two[0], SIOCGPGRP, &who));
	TRY(who == getpid());
	who = 0x3fffff;
	TRY(ioctl(two[0], FIOSETOWN, &who));
	close(two[0]);
	close(two[1]);
	close(fd);
	fd = eventfd(0, 0);
	TRY(fcntl(fd, F_SETFL, O_ASYNC));
	TRY(fcntl(fd, F_GETFL) & O_ASYNC);
	close(fd);
}

static void tells(int reader, int writer)
{
	siginfo_t si = { 0 };
	char buf[10];

	CHECK(fcntl(reader, F_SETOWN, getpid()) == 0 && fcntl(reader, F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
	CHECK(write(writer, "x", 1) == 1);
	TRY(first(&si));
	TRY(si.si_code);
	CHECK(read(reader, buf, sizeof(buf)) == 1);
	while (next(&si) != 0)
		;
	CHECK(fcntl(reader, F_SETSIG, SIGRTMIN + 3) == 0 && write(writer, "y", 1) == 1);
	TRY(first(&si));
	TRY(si.si_code == POLL_IN && si.si_fd == reader);
	TRY(si.si_band & (POLLIN | POLLRDNORM));
	CHECK(read(reader, buf, sizeof(buf)) == 1);
	while (next(&si) != 0)
		;
	CHECK(fcntl(reader, F_SETFL, O_NONBLOCK) == 0 && write(writer, "z", 1) == 1);
	TRY(next(&si));
	CHECK(read(reader, buf, sizeof(buf)) == 1);
	close(reader);
	close(writer);
	TRY(next(&si));
}

static void group(void)
{
	int two[2], status;
	siginfo_t si;
	pid_t child;
	char c;

	CHECK(pipe(two) == 0 && fcntl(two[0], F_SETOWN, -getpgrp()) == 0 && fcntl(two[0], F_SETFL, O_ASYNC) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(first(&si) == SIGIO ? 3 : 4);
	CHECK(write(two[1], "x", 1) == 1);
	TRY(first(&si));
	CHECK(waitpid(child, &status, 0) == child);
	TRY(WEXITSTATUS(status));
	CHECK(read(two[0], &c, 1) == 1);
	close(two[0]);
	close(two[1]);
	while (next(&si) != 0)
		;
}

static void peeks(int type)
{
	int s[2], off = 3;
	socklen_t len = sizeof(off);
	char buf[20];

	CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
	TRY(getsockopt(s[0], SOL_SOCKET, SO_PEEK_OFF, &off, &len));
	TRY(off + 100);
	CHECK(send(s[1], "abcdef", 6, 0) == 6 && send(s[1], "ghij", 4, 0) == 4);
	off = 2;
	TRY(setsockopt(s[0], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)));
#define PEEK(n) do { memset(buf, 0, sizeof(buf)); TRY(recv(s[0], buf, n, MSG_PEEK | MSG_DONTWAIT)); puts(buf); } while (0)
	PEEK(2);
	PEEK(2);
	TRY(getsockopt(s[0], SOL_SOCKET, SO_PEEK_OFF, &off, &len));
	TRY(off + 100);
	PEEK(20);
	PEEK(20);
	memset(buf, 0, sizeof(buf));
	TRY(recv(s[0], buf, 3, 0));
	puts(buf);
	TRY(getsockopt(s[0], SOL_SOCKET, SO_PEEK_OFF, &off, &len));
	TRY(off + 100);
	off = -1;
	TRY(setsockopt(s[0], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)));
	PEEK(20);
	PEEK(20);
	close(s[0]);
	close(s[1]);
}

static int state(int s)
{
	struct tcp_info i = { 0 };
	socklen_t len = sizeof(i);

	CHECK(getsockopt(s, IPPROTO_TCP, TCP_INFO, &i, &len) == 0 && len >= 104);
	return i.tcpi_state;
}

static void of_tcp(void)
{
	struct sockaddr_in a = { AF_INET, 0, { htonl(INADDR_LOOPBACK) }, { 0 } };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), s, u = socket(AF_INET, SOCK_DGRAM, 0);
	struct tcp_info i;
	char byte;

	TRY(state(c) == TCP_CLOSE);
	CHECK(bind(l, (void *)&a, sizeof(a)) == 0 && listen(l, 7) == 0 && getsockname(l, (void *)&a, &len) == 0);
	CHECK(connect(c, (void *)&a, sizeof(a)) == 0);
	len = sizeof(i);
	while (getsockopt(l, IPPROTO_TCP, TCP_INFO, &i, &len) == 0 && i.tcpi_unacked == 0)
		;
	TRY(i.tcpi_state == TCP_LISTEN);
	TRY(i.tcpi_unacked);
	TRY(i.tcpi_sacked);
	s = accept(l, NULL, NULL);
	CHECK(s >= 0);
	TRY(state(c) == TCP_ESTABLISHED && state(s) == TCP_ESTABLISHED);
	CHECK(shutdown(c, SHUT_WR) == 0 && read(s, &byte, 1) == 0);
	TRY(state(s) == TCP_CLOSE_WAIT);
	len = 1;
	TRY(getsockopt(c, IPPROTO_TCP, TCP_INFO, &byte, &len));
	TRY(len);
	len = sizeof(i);
	TRY(getsockopt(u, IPPROTO_TCP, TCP_INFO, &i, &len));
	close(l);
	close(c);
	close(s);
	close(u);
}

int main(void)
{
	int two[2];

	be_nobody();
	CHECK(setpgid(0, 0) == 0 || getpgrp() == getpid());
	sigemptyset(&those);
	sigaddset(&those, SIGIO);
	sigaddset(&those, SIGRTMIN + 3);
	CHECK(sigprocmask(SIG_BLOCK, &those, NULL) == 0);
	owners();
	CHECK(pipe(two) == 0);
	tells(two[0], two[1]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, two) == 0);
	tells(two[0], two[1]);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, two) == 0);
	tells(two[0], two[1]);
	group();
	peeks(SOCK_STREAM);
	peeks(SOCK_DGRAM);
	peeks(SOCK_SEQPACKET);
	of_tcp();
	return ok("");
}
