/* SPDX-License-Identifier: MIT */
/* urgent: TCP's out-of-band byte: MSG_OOB, SO_OOBINLINE, the mark where reading stops, SIGURG and POLLPRI. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>

#include "check.h"

#define FAILS(call, error) do { errno = 0; CHECK((long)(call) == -1); if (errno != (error)) fail("%s:%d: %s: %s, not %s", __FILE__, __LINE__, \
			       #call, strerrorname_np(errno), strerrorname_np(error)); } while (0)

static int from, to;
static char buf[64];
static volatile sig_atomic_t told;

static void on_urgent(int sig) { told += sig == SIGURG; }

static void join(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(l >= 0 && bind(l, (void *)&a, sizeof(a)) == 0 && listen(l, 1) == 0 && getsockname(l, (void *)&a, &len) == 0);
	from = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(from, (void *)&a, sizeof(a)) == 0);
	to = accept(l, NULL, NULL);
	CHECK(to >= 0 && close(l) == 0);
}

static bool at_mark(void)
{
	int is = -1;

	CHECK(ioctl(to, SIOCATMARK, &is) == 0 && (is == 0 || is == 1));
	return is;
}

static int events(int wanted, int wait)
{
	struct pollfd p = { .fd = to, .events = wanted };

	CHECK(poll(&p, 1, wait) >= 0);
	return p.revents;
}

static void is(const char *what)
{
	memset(buf, 0, sizeof(buf));
	CHECK(recv(to, buf, sizeof(buf) - 1, 0) == (ssize_t)strlen(what) && strcmp(buf, what) == 0);
}

static void beside(void)
{
	FAILS(recv(to, buf, 1, MSG_OOB), EINVAL);
	CHECK(!at_mark() && fcntl(to, F_SETOWN, getpid()) == 0);
	CHECK(send(from, "abcX", 4, MSG_OOB) == 4 && (events(POLLPRI, 20000) & POLLPRI));
	for (int n = 0; told == 0 && n < 2000; n++)
		usleep(10000);
	CHECK(told == 1 && send(from, "def", 3, 0) == 3);
	CHECK(recv(to, buf, 4, MSG_OOB | MSG_PEEK) == 1 && *buf == 'X' && !at_mark());
	is("abc");				/* up to the mark */
	CHECK(at_mark() && recv(to, buf, 4, MSG_OOB) == 1 && *buf == 'X');
	FAILS(recv(to, buf, 1, MSG_OOB), EINVAL);
	CHECK(!(events(POLLPRI, 0) & POLLPRI) && (events(POLLIN, 20000) & POLLIN));
	is("def");
	CHECK(!at_mark());
	FAILS(recv(to, buf, 1, MSG_DONTWAIT), EAGAIN);
	/* alone, and not fetched before what follows is read */
	CHECK(send(from, "Y", 1, MSG_OOB) == 1 && (events(POLLPRI, 20000) & POLLPRI) && !(events(POLLIN, 0) & POLLIN) && at_mark());
	FAILS(recv(to, buf, 1, MSG_DONTWAIT), EAGAIN);
	CHECK(send(from, "g", 1, 0) == 1);
	is("g");
	FAILS(recv(to, buf, 1, MSG_OOB), EINVAL);
}

static void within(void)
{
	CHECK(setsockopt(to, SOL_SOCKET, SO_OOBINLINE, &(int){ 1 }, sizeof(int)) == 0 && send(from, "abcX", 4, MSG_OOB) == 4);
	CHECK((events(POLLPRI, 20000) & POLLPRI) && send(from, "de", 2, 0) == 2);
	FAILS(recv(to, buf, 1, MSG_OOB), EINVAL);
	is("abc");
	CHECK(at_mark() && recv(to, buf, 1, 0) == 1 && *buf == 'X' && !at_mark());
	is("de");
}

int main(void)
{
	int pair[2];

	CHECK(signal(SIGURG, on_urgent) != SIG_ERR);
	join();
	beside();
	within();
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	FAILS(send(pair[0], "x", 1, MSG_OOB), EOPNOTSUPP);
	return ok("");
}
