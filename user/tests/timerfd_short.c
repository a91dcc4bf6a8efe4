/* SPDX-License-Identifier: MIT */
/*
 * timerfd_short: timers of a nanosecond's period leave the program the processor, and count all periods. timerfd_create(2).
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "check.h"

#define NR_TIMERS 8

static int start(uint64_t first, uint64_t period, int flags)
{
	struct itimerspec its = { { period / 1000000000, period % 1000000000 }, { first / 1000000000, first % 1000000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	CHECK(fd >= 0 && timerfd_settime(fd, flags, &its, NULL) == 0);
	return fd;
}

static uint64_t expirations(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	CHECK(poll(&p, 1, -1) == 1 && p.revents == POLLIN);
	CHECK(read(fd, &n, sizeof(n)) == sizeof(n) && n > 0);
	return n;
}

static void nanoseconds(void)
{
	uint64_t before = now_ns(), sum = 0, after;
	int fd[NR_TIMERS];

	for (int i = 0; i < NR_TIMERS; i++)
		fd[i] = start(1, 1, 0);
	for (int i = 0; i < 20000; i++)			/* nobody reads: nobody is disturbed */
		(void)syscall(SYS_getppid);
	for (int i = 0; i < 100; i++)
		sum += expirations(fd[0]);
	after = now_ns();
	CHECK(sum <= after - before);
	CHECK(expirations(fd[1]) <= (uint64_t)now_ns() - before && expirations(fd[1]) > 0);
	for (int i = 0; i < NR_TIMERS; i++)
		close(fd[i]);
}

static void from_the_past(void)
{
	uint64_t begin = now_ns(), n;
	struct itimerspec left;
	int fd = start(1, 1000, TFD_TIMER_ABSTIME);	/* since the machine was started */

	n = expirations(fd);
	CHECK(n >= begin / 1000 && n <= (uint64_t)now_ns() / 1000 + 1);
	CHECK(timerfd_gettime(fd, &left) == 0 && left.it_interval.tv_nsec == 1000 && left.it_value.tv_sec == 0);
	CHECK(left.it_value.tv_nsec <= 1000);
	close(fd);
}

static void once(void)
{
	struct itimerspec left = { { 0, 0 }, { 0, 0 } }, old;
	int fd = start(1000, 0, 0);
	uint64_t n;

	CHECK(expirations(fd) == 1);
	CHECK(read(fd, &n, sizeof(n)) < 0 && errno == EAGAIN);
	CHECK(timerfd_gettime(fd, &left) == 0 && left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
	close(fd);
	fd = start(1000, 3000000000000ull, 0);		/* gone off, not read: the next is what is told */
	while (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1) != 1)
		;
	CHECK(timerfd_gettime(fd, &left) == 0 && left.it_value.tv_sec > 2000);
	left.it_value.tv_sec = left.it_value.tv_nsec = 0;
	CHECK(timerfd_settime(fd, 0, &left, &old) == 0 && old.it_interval.tv_sec == 3000);
	CHECK(read(fd, &n, sizeof(n)) < 0 && errno == EAGAIN);	/* set anew: what was not read is forgotten */
	close(fd);
}

int main(void)
{
	nanoseconds();
	from_the_past();
	once();
	return ok("");
}
