/* SPDX-License-Identifier: MIT */
/* epoll_nested: epolls in epolls, what poll() says of them, and which may not be made. epoll(7), epoll_ctl(2). */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/epoll.h>

#include "check.h"

#define DEEPEST 5

#ifndef EPOLLEXCLUSIVE
#define EPOLLEXCLUSIVE (1u << 28)
#endif

static int add(int ep, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int polled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static int waited(int ep)
{
	struct epoll_event e;

	return epoll_wait(ep, &e, 1, 0);
}

static void in_a_row(void)
{
	int pipes[2], ep[DEEPEST + 2];
	char c;

	CHECK(pipe(pipes) == 0);
	for (int i = 0; i < DEEPEST + 2; i++)
		CHECK((ep[i] = epoll_create1(0)) >= 0);
	CHECK(add(ep[0], pipes[0], EPOLLIN) == 0);
	for (int i = 1; i < DEEPEST; i++)
		CHECK(add(ep[i], ep[i - 1], EPOLLIN) == 0);
	CHECK(add(ep[DEEPEST], ep[DEEPEST - 1], EPOLLIN) < 0 && errno == ELOOP);
	CHECK(add(ep[0], ep[DEEPEST - 1], EPOLLIN) < 0 && errno == ELOOP);		/* a circle */
	CHECK(add(ep[1], ep[1], EPOLLIN) < 0 && errno == EINVAL);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < DEEPEST; i++)
			CHECK(polled(ep[i]) == 0 && waited(ep[i]) == 0);
		CHECK(write(pipes[1], "x", 1) == 1);
		for (int i = DEEPEST - 1; i >= 0; i--)
			CHECK(polled(ep[i]) == POLLIN && waited(ep[i]) == 1);
		CHECK(read(pipes[0], &c, 1) == 1);
		if (round == 1)
			CHECK(waited(ep[2]) == 0);		/* what is not ready any more is noticed from any of them */
	}
	/* one taken out in the middle: those above hear nothing any more */
	close(ep[2]);
	CHECK(write(pipes[1], "x", 1) == 1);
	CHECK(waited(ep[1]) == 1 && waited(ep[3]) == 0 && waited(ep[4]) == 0);
	CHECK(add(ep[3], ep[1], EPOLLIN) == 0 && waited(ep[4]) == 1);
	for (int i = 0; i < DEEPEST + 2; i++)
		close(ep[i]);
	close(pipes[0]);
	close(pipes[1]);
}

/* A wait that is ended from the other end of the row. */
static void woken(void)
{
	int pipes[2], inner = epoll_create1(0), outer = epoll_create1(0);
	pid_t child;
	char c;

	CHECK(inner >= 0 && outer >= 0 && pipe(pipes) == 0);
	CHECK(add(inner, pipes[0], EPOLLIN) == 0 && add(outer, inner, EPOLLIN | EPOLLET) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		usleep(20000);
		CHECK(write(pipes[1], "x", 1) == 1);
		_exit(0);
	}
	struct epoll_event e;

	CHECK(epoll_wait(outer, &e, 1, -1) == 1 && e.data.fd == inner);
	CHECK(waited(outer) == 0);			/* an edge: told once */
	CHECK(read(pipes[0], &c, 1) == 1 && c == 'x');
	close(inner);
	close(outer);
	close(pipes[0]);
	close(pipes[1]);
}

static void exclusive(void)
{
	int pipes[2], ep = epoll_create1(0), other = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN };

	CHECK(ep >= 0 && other >= 0 && pipe(pipes) == 0);
	CHECK(add(ep, other, EPOLLIN | EPOLLEXCLUSIVE) < 0 && errno == EINVAL);
	CHECK(add(ep, pipes[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT) < 0 && errno == EINVAL);
	CHECK(add(ep, pipes[0], EPOLLIN | EPOLLEXCLUSIVE) == 0);
	CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, pipes[0], &e) < 0 && errno == EINVAL);
	close(ep);
	close(other);
}

int main(void)
{
	in_a_row();
	woken();
	exclusive();
	return ok("");
}
