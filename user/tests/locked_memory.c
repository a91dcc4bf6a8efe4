/* SPDX-License-Identifier: MIT */
/* locked_memory: mlock(2) and its family, RLIMIT_MEMLOCK, and what /proc tells of it. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE 4096ul
#define NOBODY 65534

static char *map(size_t pages, int flags)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* A number of /proc/self/status or the like, in kB. */
static long field(const char *file, const char *name)
{
	char line[300];
	FILE *f = fopen(file, "r");
	long sum = -1, n;

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), ": %ld", &n) == 1)
			sum = (sum < 0 ? 0 : sum) + n;
	fclose(f);
	CHECK(sum >= 0);
	return sum;
}

static long locked(void) { return field("/proc/self/status", "VmLck"); }
static int mlock2_(void *p, size_t len, unsigned flags) { return syscall(SYS_mlock2, p, len, flags); }

static void ranges(void)
{
	char *p = map(10, 0);
	unsigned char here[10];

	CHECK(locked() == 0);
	CHECK(mlock(p + 100, 2 * PAGE) == 0 && locked() == 12);		/* to whole pages */
	CHECK(mincore(p, 10 * PAGE, here) == 0 && (here[0] & here[1] & here[2] & 1) && !(here[5] & 1));
	CHECK(mlock(p, 3 * PAGE) == 0 && locked() == 12);
	CHECK(munlock(p + PAGE, PAGE) == 0 && locked() == 8);
	CHECK(madvise(p, PAGE, MADV_DONTNEED) < 0 && errno == EINVAL);
	CHECK(madvise(p + PAGE, PAGE, MADV_DONTNEED) == 0);
	CHECK(munmap(p, PAGE) == 0 && locked() == 4);
	CHECK(mlock(p, 2 * PAGE) < 0 && errno == ENOMEM);
	CHECK(mlock(p + PAGE, 0) == 0 && munlock(p + PAGE, 9 * PAGE) == 0 && locked() == 0);
	CHECK(mlock2_(p + 5 * PAGE, PAGE, 1) == 0 && locked() == 4);
	CHECK(mincore(p + 5 * PAGE, PAGE, here) == 0 && !(here[0] & 1));	/* when it is touched */
	CHECK(mlock2_(p, PAGE, 2) < 0 && errno == EINVAL);
	CHECK(mlock((void *)-PAGE, 2 * PAGE) < 0 && errno == EINVAL);
	CHECK(munmap(p + PAGE, 9 * PAGE) == 0 && locked() == 0);
}

static void child_is_free(void)
{
	char *p = map(4, MAP_LOCKED);
	pid_t pid;
	int status;

	CHECK(locked() == 16);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(locked() == 0 && madvise(p, PAGE, MADV_DONTNEED) == 0 ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(munmap(p, 4 * PAGE) == 0 && locked() == 0);
}

static void all(void)
{
	char *p;

	CHECK(mlockall(0) < 0 && errno == EINVAL);
	CHECK(mlockall(8) < 0 && errno == EINVAL);
	CHECK(mlockall(4) < 0 && errno == EINVAL);
	CHECK(mlockall(MCL_CURRENT) == 0 && locked() > 0);
	p = map(5, 0);
	CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0);
	CHECK(munlockall() == 0 && locked() == 0);
	CHECK(mlockall(MCL_FUTURE) == 0 && locked() == 0);
	munmap(p, 5 * PAGE);
	p = map(5, 0);
	CHECK(locked() == 20 && madvise(p, PAGE, MADV_DONTNEED) < 0 && errno == EINVAL);
	CHECK(munlockall() == 0 && locked() == 0);
	munmap(p, 5 * PAGE);
	p = map(5, 0);
	CHECK(locked() == 0);
	munmap(p, 5 * PAGE);
}

static void limits(void)
{
	struct rlimit few = { 4 * PAGE, 4 * PAGE }, none = { 0, 0 };
	char *p = map(10, 0);

	CHECK(setrlimit(RLIMIT_MEMLOCK, &few) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
	CHECK(mlock(p, 4 * PAGE) == 0 && mlock(p + 2 * PAGE, 2 * PAGE) == 0);
	CHECK(mlock(p + 4 * PAGE, PAGE) < 0 && errno == ENOMEM && locked() == 16);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) == MAP_FAILED && errno == EAGAIN);
	CHECK(mlockall(MCL_CURRENT) < 0 && errno == ENOMEM);
	CHECK(munlock(p, 4 * PAGE) == 0 && mlock(p + 4 * PAGE, 4 * PAGE) == 0);
	CHECK(munlockall() == 0 && setrlimit(RLIMIT_MEMLOCK, &none) == 0);
	CHECK(mlock(p, PAGE) < 0 && errno == EPERM);
	CHECK(mlockall(MCL_CURRENT) < 0 && errno == EPERM);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) == MAP_FAILED && errno == EPERM);
	CHECK(munlock(p, PAGE) == 0 && munlockall() == 0);
}

static void shown(void)
{
	long before = field("/proc/self/smaps", "Rss"), rollup;
	char *p = map(100, 0);

	for (int i = 0; i < 100; i++)
		p[i * PAGE] = 1;
	CHECK(mlock(p, 100 * PAGE) == 0);
	CHECK(field("/proc/self/smaps", "Locked") == 400 && field("/proc/self/smaps", "Size") > 400);
	CHECK(field("/proc/self/smaps", "Rss") >= before + 400);
	rollup = field("/proc/self/smaps_rollup", "Anonymous");
	CHECK(rollup >= 400 && field("/proc/self/smaps_rollup", "Locked") == 400);
	munmap(p, 100 * PAGE);
}

int main(void)
{
	if (geteuid() != 0)
		return ok("");			/* nobody else may lock what he likes */
	ranges();
	child_is_free();
	all();
	shown();
	CHECK(status_in_child(limits) == 0);
	return ok("");
}
