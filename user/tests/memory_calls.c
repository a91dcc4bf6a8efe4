/* SPDX-License-Identifier: MIT */
/*
 * memory_calls: seals and mappings, mincore() of what is shared, mlockall(), MAP_32BIT, remap_file_pages(2), process_madvise(2): how each
 * works and refuses.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "check.h"

#define PAGE 4096ul
#define FAILS(call, error) do { errno = 0; CHECK((long)(call) == -1); if (errno != (error)) fail("%s:%d: %s: %s, not %s", __FILE__, __LINE__, \
			       #call, strerrorname_np(errno), strerrorname_np(error)); } while (0)

static void *shared(int fd, int prot) { return mmap(NULL, PAGE, prot, MAP_SHARED, fd, 0); }

static int sealable(void)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	CHECK(fd >= 0 && ftruncate(fd, 2 * PAGE) == 0);
	return fd;
}

static void seals(void)
{
	int fd = sealable();
	char *p = shared(fd, PROT_READ | PROT_WRITE), path[64], *q;
	int ro;

	FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK(fcntl(fd, F_GET_SEALS) == 0 && munmap(p, PAGE) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	CHECK(ro >= 0);
	p = shared(ro, PROT_READ);
	CHECK(p != MAP_FAILED && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0 && fcntl(fd, F_GET_SEALS) == F_SEAL_WRITE);
	FAILS(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
	FAILS(shared(fd, PROT_READ | PROT_WRITE), EPERM);
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(q != MAP_FAILED);
	*q = 7;
	CHECK(*p == 0 && munmap(q, PAGE) == 0 && munmap(p, PAGE) == 0);
	FAILS(write(fd, "x", 1), EPERM);
	FAILS(pwrite(fd, "x", 1, 0), EPERM);
	FAILS(fallocate(fd, 3, 0, PAGE), EPERM);
	FAILS(fcntl(ro, F_ADD_SEALS, F_SEAL_SEAL), EPERM);
	CHECK(ftruncate(fd, PAGE) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0 && ftruncate(fd, PAGE) == 0);
	FAILS(ftruncate(fd, 1), EPERM);
	FAILS(ftruncate(fd, 2 * PAGE), EPERM);
	FAILS(fallocate(fd, 0, 0, 2 * PAGE), EPERM);
	FAILS(open(path, O_RDWR | O_TRUNC), EPERM);
	FAILS(pwritev2(fd, &(struct iovec){ "x", 1 }, 1, 0, RWF_APPEND), EPERM);
	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	FAILS(write(fd, "x", 1), EPERM);
	CHECK(fcntl(fd, F_SETFL, 0) == 0 && lseek(fd, 0, SEEK_END) == PAGE);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
	FAILS(fcntl(fd, F_ADD_SEALS, 1 << 20), EINVAL);
	CHECK(close(fd) == 0 && close(ro) == 0);

	/* who has it for writing keeps it; nobody else gets it, not by mprotect() either */
	fd = sealable();
	p = shared(fd, PROT_READ | PROT_WRITE);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	*p = 3;
	q = shared(fd, PROT_READ);
	CHECK(q != MAP_FAILED && *q == 3 && mprotect(p, PAGE, PROT_READ) == 0 && mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0);
	FAILS(mprotect(q, PAGE, PROT_READ | PROT_WRITE), EACCES);
	FAILS(shared(fd, PROT_READ | PROT_WRITE), EPERM);
	FAILS(syscall(SYS_remap_file_pages, p, PAGE, 0, 1, 0), EPERM);		/* nor another part of it */
	FAILS(write(fd, "x", 1), EPERM);
	(void)!munmap(p, PAGE);			/* what was to be remapped is gone, or not */
	CHECK(munmap(q, PAGE) == 0 && close(fd) == 0);

	fd = memfd_create("closed", 0);
	CHECK(fcntl(fd, F_GET_SEALS) == F_SEAL_SEAL);
	FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	CHECK(close(fd) == 0);
	fd = open("/dev/null", O_RDWR);
	FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EINVAL);
	FAILS(fcntl(fd, F_GET_SEALS), EINVAL);
	CHECK(close(fd) == 0);
}

/* --- once it is sealed nothing changes any more, whoever was at it --- */

#define LONG (8 * PAGE)

static char content[LONG];

/* Until it is no longer allowed. */
static void *keeps_writing(void *fd)
{
	static char mine[LONG];

	for (int k = 1; memset(mine, k, LONG), pwrite(*(int *)fd, mine, LONG, 0) == LONG; k++)
		;
	return NULL;
}

static void *keeps_resizing(void *fd)
{
	for (unsigned long k = 1; ftruncate(*(int *)fd, k % 4 * PAGE + 1) == 0; k++)
		;
	return NULL;
}

/* What is to be looked at: the file's bytes, or its size. */
static unsigned long long sum_of(int fd)
{
	unsigned long long sum = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, content, LONG, 0);

	CHECK(n >= 0);
	while (n-- > 0)
		sum = sum * 31 + content[n];
	return sum;
}

static void sealed_under_change(void *(*change)(void *fd), int seals)
{
	for (int round = 0; round < 12; round++) {
		int fd = memfd_create("changed", MFD_ALLOW_SEALING);
		unsigned long long then;
		pthread_t thread;

		CHECK(fd >= 0 && ftruncate(fd, LONG) == 0 && pthread_create(&thread, NULL, change, &fd) == 0);
		usleep(2000 + round * 300);
		CHECK(fcntl(fd, F_ADD_SEALS, seals) == 0);
		then = sum_of(fd);
		CHECK(pthread_join(thread, NULL) == 0 && sum_of(fd) == then && close(fd) == 0);
	}
}

static char *in_common;

static void touches(void) { memset(in_common + PAGE, 1, 2 * PAGE); }

static void resident(void)
{
	unsigned char here[4];
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	in_common = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && in_common != MAP_FAILED && mincore(p, 4 * PAGE, here) == 0 && !((here[0] | here[1] | here[2] | here[3]) & 1));
	CHECK(status_in_child(touches) == 0 && mincore(in_common, 4 * PAGE, here) == 0);
	CHECK(!(here[0] & 1) && (here[1] & 1) && (here[2] & 1) && !(here[3] & 1));
	CHECK(mlock(p, 2 * PAGE) == 0 && mincore(p, 4 * PAGE, here) == 0 && (here[0] & here[1] & 1) && !(here[2] & 1));
	FAILS(mincore(p + 1, PAGE, here), EINVAL);
	FAILS(mincore(p, PAGE, (void *)8), EFAULT);
	CHECK(munmap(p, 4 * PAGE) == 0);
	FAILS(mincore(p, PAGE, here), ENOMEM);
	CHECK(munmap(in_common, 4 * PAGE) == 0);
}

static void all_locked(void)
{
	struct rlimit most = { RLIM_INFINITY, RLIM_INFINITY };
	unsigned char here[4];
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (setrlimit(RLIMIT_MEMLOCK, &most) < 0)
		return;				/* an ordinary user */
	CHECK(mlockall(MCL_CURRENT) == 0 && mincore(p, 4 * PAGE, here) == 0 && (here[0] & here[1] & here[2] & here[3] & 1));
	CHECK(munlockall() == 0);
}

static void low(void)
{
	char *p;
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x400, fd, 0), EOPNOTSUPP);
	CHECK(munmap(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | 0x400, fd, 0), PAGE) == 0);
	CHECK(munmap(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_POPULATE, fd, 0), PAGE) == 0 && close(fd) == 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	CHECK(p != MAP_FAILED && (uintptr_t)p + PAGE <= 0x80000000ul && munmap(p, PAGE) == 0);
}

static long remap(volatile void *p, size_t len, int prot, size_t index) { return syscall(SYS_remap_file_pages, p, len, prot, index, 0); }

static void shuffled(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	volatile char *p;			/* pages show one another */

	CHECK(fd >= 0 && ftruncate(fd, 4 * PAGE) == 0);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	for (int n = 0; n < 4; n++)
		p[n * PAGE] = 'a' + n;
	CHECK(remap(p, PAGE, 0, 3) == 0 && remap(p + 3 * PAGE, PAGE, 0, 0) == 0 && remap(p + PAGE, PAGE, 0, 2) == 0);
	CHECK(p[0] == 'd' && p[PAGE] == 'c' && p[2 * PAGE] == 'c' && p[3 * PAGE] == 'a');
	p[PAGE] = 'x';
	CHECK(p[2 * PAGE] == 'x');
	FAILS(remap(p, PAGE, PROT_READ, 0), EINVAL);
	FAILS(remap(p, 0, 0, 0), EINVAL);
	FAILS(remap(p, PAGE, 0, -1ul), EINVAL);
	CHECK(munmap((void *)p, 4 * PAGE) == 0 && close(fd) == 0);
	FAILS(remap(p, PAGE, 0, 0), EINVAL);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FAILS(remap(p, PAGE, 0, 0), EINVAL);
	CHECK(munmap((void *)p, PAGE) == 0);
}

static long advise(int fd, struct iovec *v, size_t nr, int advice, unsigned flags)
{
	return syscall(SYS_process_madvise, fd, v, nr, advice, flags);
}

static void of_others(void)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec v[2] = { { p, PAGE }, { p + 2 * PAGE, 2 * PAGE } }, bad = { p + 1, PAGE };
	int self = syscall(SYS_pidfd_open, getpid(), 0), child, fd;

	memset(p, 5, 4 * PAGE);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		pause();
		_exit(0);
	}
	fd = syscall(SYS_pidfd_open, child, 0);
	CHECK(self >= 0 && fd >= 0);
	if (geteuid() == 0)
		CHECK(advise(fd, v, 2, MADV_COLD, 0) == 3 * (long)PAGE && advise(fd, v, 2, MADV_PAGEOUT, 0) == 3 * (long)PAGE);
	CHECK(p[0] == 5 && p[3 * PAGE] == 5);
	FAILS(advise(fd, v, 2, MADV_COLD, 1), EINVAL);
	FAILS(advise(fd, &bad, 1, MADV_COLD, 0), geteuid() == 0 ? EINVAL : EPERM);
	FAILS(advise(-1, v, 2, MADV_COLD, 0), EBADF);
	FAILS(advise(fd, (void *)8, 2, MADV_COLD, 0), EFAULT);
	FAILS(advise(fd, v, 2000, MADV_COLD, 0), EINVAL);
	CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	FAILS(advise(fd, v, 2, MADV_COLD, 0), ESRCH);
	CHECK(close(fd) == 0 && close(self) == 0 && munmap(p, 4 * PAGE) == 0);
}

int main(void)
{
	seals();
	sealed_under_change(keeps_writing, F_SEAL_WRITE);
	sealed_under_change(keeps_resizing, F_SEAL_GROW | F_SEAL_SHRINK);
	resident();
	all_locked();
	low();
	shuffled();
	of_others();
	return ok("");
}
