/* SPDX-License-Identifier: MIT */
/*
 * call_cost [REPEATS]: what a call costs, in nanoseconds of the machine's clock. On a QEMU whose clock counts instructions
 * (-icount shift=0) these are guest instructions.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static unsigned long repeats;

#define COST(name, n, what) do {							\
	what;										\
	long long start_ = now_ns();							\
	for (unsigned long i_ = 0; i_ < (n); i_++) {					\
		what;									\
	}										\
	printf("%s %lld\n", name, (now_ns() - start_) / (long long)(n));			\
} while (0)

static void nothing(int sig) { (void)sig; }

static void ping_pong(void)
{
	int there[2], back[2];
	char c = 0;
	pid_t child;

	CHECK(pipe(there) == 0 && pipe(back) == 0);
	child = fork();
	if (child == 0) {
		close(there[1]);
		while (read(there[0], &c, 1) == 1)
			CHECK(write(back[1], &c, 1) == 1);
		_exit(0);
	}
	COST("pipe-ping-pong", repeats, CHECK(write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1));
	close(there[1]);
	CHECK(waitpid(child, NULL, 0) == child);
}

static void yields(void)
{
	volatile int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();

	if (child == 0) {
		while (!*stop)
			sched_yield();
		_exit(0);
	}
	COST("yield-to-another", repeats, sched_yield());
	*stop = 1;
	CHECK(waitpid(child, NULL, 0) == child);
}

static void fork_exit(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	CHECK(waitpid(child, NULL, 0) == child);
}

static void exec_self(char *self)
{
	char *argv[] = { self, "nothing", NULL };
	pid_t child = vfork();

	if (child == 0) {
		execv(self, argv);
		_exit(1);
	}
	CHECK(waitpid(child, NULL, 0) == child);
}

int main(int argc, char **argv)
{
	cpu_set_t one;
	char *page;

	if (argc > 1 && strcmp(argv[1], "nothing") == 0)
		_exit(0);
	repeats = number_arg(argc, argv, 1, 10000);
	setbuf(stdout, NULL);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
	signal(SIGUSR1, nothing);
	COST("getpid", repeats, syscall(SYS_getpid));
	COST("clock-by-vdso", repeats, now_ns());
	COST("clock-by-call", repeats, syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &(struct timespec){ 0 }));
	yields();
	ping_pong();
	COST("signal", repeats, raise(SIGUSR1));
	COST("mmap-munmap", repeats, {
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(page != MAP_FAILED && munmap(page, 4096) == 0); });
	COST("mmap-touch-munmap", repeats / 4, {
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(page != MAP_FAILED);
		*(volatile char *)page = 1;
		CHECK(munmap(page, 4096) == 0); });
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile char *)page = 1;
	COST("protect-hit-fault", repeats / 4, {
		CHECK(mprotect(page, 4096, PROT_READ) == 0 && mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
		*(volatile char *)page = 1; });
	COST("fork-exit-wait", repeats / 50, fork_exit());
	COST("vfork-exec-exit-wait", repeats / 100, exec_self(argv[0]));
	return ok("");
}
