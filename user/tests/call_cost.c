/* SPDX-License-Identifier: MIT */
/*
 * call_cost [REPEATS [NAME]]: what calls, faults and switches cost on this machine, or one of them: a line `NAME NUMBER TIMES NS`
 * each. TIMES is how often it was measured, NS the median time without that of measuring nothing, NUMBER the mark around it in a
 * machine that counts instructions between marks (bench/mark.h). What takes a process of its own is done a tenth as often.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "bench/mark.h"

#define PAGE		4096
#define HIT_PAGES	64

static unsigned long repeats;
static const char *only;
static long long *times, nothing_ns;

static int compare(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return x < y ? -1 : x > y;
}

static bool wanted(const char *name)
{
	return only == NULL || strcmp(only, name) == 0;
}

static long long median(unsigned long n)
{
	qsort(times, n, sizeof(*times), compare);
	return n == 0 ? 0 : times[n / 2];
}

/* before: what each turn needs and is not measured. The first turn is not measured at all. */
#define COST(number, name, n, before, what) do {					\
	if (wanted(name)) {								\
		before;									\
		what;									\
		for (unsigned long i_ = 0; i_ < (n); i_++) {				\
			before;								\
			times[i_] = now_ns();						\
			MARK(number);							\
			what;								\
			MARK(0);							\
			times[i_] = now_ns() - times[i_];					\
		}									\
		printf("%s %d %lu %lld\n", name, number, (unsigned long)(n), median(n) - nothing_ns); \
	}										\
} while (0)

static void handler(int sig) { (void)sig; }

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
	COST(6, "pipe-ping-pong", repeats, , CHECK(write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1));
	close(there[1]);
	CHECK(waitpid(child, NULL, 0) == child);
}

/*
 * To another process and back, twice a yield. A real-time policy, for Linux's fair scheduler lets a thread yield to itself; and
 * the other's turns are counted, for it may be waiting for a page.
 */
static void yields(void)
{
	volatile unsigned long *turns = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile unsigned long *stop = turns + 1;
	unsigned long before = 0;
	pid_t child;

	CHECK(turns != MAP_FAILED && sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 }) == 0);
	child = fork();
	if (child == 0) {
		while (!*stop) {
			++*turns;
			sched_yield();
		}
		_exit(0);
	}
	COST(5, "yield-to-another-and-back", repeats, before = *turns, do { sched_yield(); } while (*turns == before));
	*stop = 1;
	CHECK(waitpid(child, NULL, 0) == child && munmap((void *)turns, PAGE) == 0);
	CHECK(sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 }) == 0);
}

static void signals(void)
{
	pid_t self = getpid();

	CHECK(signal(SIGUSR1, handler) != SIG_ERR);
	COST(7, "signal", repeats, , syscall(SYS_tgkill, self, self, SIGUSR1));
}

static char *map(size_t size, int flags, int fd)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* A page that is in memory, but not mapped here: of a shared object that another mapping of this process keeps. */
static void hits(void)
{
	int fd = memfd_create("hits", 0);
	unsigned long n = 0;
	char *kept, *again;

	CHECK(fd >= 0 && ftruncate(fd, HIT_PAGES * PAGE) == 0);
	kept = map(HIT_PAGES * PAGE, MAP_SHARED, fd);
	memset(kept, 1, HIT_PAGES * PAGE);
	again = map(HIT_PAGES * PAGE, MAP_SHARED, fd);
	COST(10, "fault-hit", repeats,
	     if (n++ % HIT_PAGES == 0) CHECK(madvise(again, HIT_PAGES * PAGE, MADV_DONTNEED) == 0),
	     ((volatile char *)again)[n % HIT_PAGES * PAGE] = 2);
	CHECK(munmap(again, HIT_PAGES * PAGE) == 0 && munmap(kept, HIT_PAGES * PAGE) == 0 && close(fd) == 0);
}

static void mappings(void)
{
	char *page;

	COST(8, "mmap-munmap", repeats, , {
		page = map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		CHECK(munmap(page, PAGE) == 0); });
	COST(9, "mmap-touch-munmap", repeats, , {
		page = map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		*(volatile char *)page = 1;
		CHECK(munmap(page, PAGE) == 0); });
	page = map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	*(volatile char *)page = 1;
	COST(11, "mprotect-twice", repeats, , {
		CHECK(mprotect(page, PAGE, PROT_READ) == 0 && mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0); });
	COST(12, "mprotect-twice-and-write", repeats, , {
		CHECK(mprotect(page, PAGE, PROT_READ) == 0 && mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
		*(volatile char *)page = 1; });
	CHECK(munmap(page, PAGE) == 0);
}

static void fork_exit(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	CHECK(waitpid(child, NULL, 0) == child);
}

static void exec_self(bool vforked)
{
	char *argv[] = { "call_cost", "nothing", NULL };
	pid_t child = vforked ? vfork() : fork();
	int status;

	if (child == 0) {
		execv("/proc/self/exe", argv);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv)
{
	cpu_set_t one;

	if (argc > 1 && strcmp(argv[1], "nothing") == 0)
		_exit(0);
	repeats = number_arg(argc, argv, 1, 10000);
	only = argc > 2 ? argv[2] : NULL;
	times = calloc(repeats + 1, sizeof(*times));
	CHECK(times != NULL);
	setbuf(stdout, NULL);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
	COST(1, "nothing", repeats, , );
	nothing_ns = median(only == NULL ? repeats : 0);
	COST(2, "getpid", repeats, , syscall(SYS_getpid));
	COST(3, "clock-by-vdso", repeats, , now_ns());
	COST(4, "clock-by-call", repeats, , syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &(struct timespec){ 0 }));
	if (wanted("yield-to-another-and-back"))
		yields();
	if (wanted("pipe-ping-pong"))
		ping_pong();
	signals();
	mappings();
	if (wanted("fault-hit"))
		hits();
	COST(13, "fork-exit-wait", repeats / 10, , fork_exit());
	COST(14, "fork-exec-exit-wait", repeats / 10, , exec_self(false));
	COST(15, "vfork-exec-exit-wait", repeats / 10, , exec_self(true));
	return ok("");
}
