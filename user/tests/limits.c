/* SPDX-License-Identifier: MIT */
/* limits: what setrlimit(2) says happens when a limit is reached does happen. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MIB (1024 * 1024UL)

static void set(int resource, unsigned long cur)
{
	struct rlimit l;

	CHECK(getrlimit(resource, &l) == 0);
	l.rlim_cur = cur;
	CHECK(setrlimit(resource, &l) == 0);
}

static void *map(size_t len, int prot, int flags) { return mmap(NULL, len, prot, MAP_ANONYMOUS | flags, -1, 0); }

static void address_space(void)
{
	void *p;

	set(RLIMIT_AS, 64 * MIB);
	CHECK(map(100 * MIB, PROT_NONE, MAP_PRIVATE) == MAP_FAILED && errno == ENOMEM);
	p = map(32 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	CHECK(p != MAP_FAILED);
	CHECK(map(48 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED) == MAP_FAILED && errno == ENOMEM);
	CHECK(mremap(p, 32 * MIB, 100 * MIB, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
	/* in place of what is there: nothing is added */
	CHECK(mmap(p, 32 * MIB, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p);
	CHECK(sbrk(100 * MIB) == (void *)-1 && errno == ENOMEM);
	CHECK(munmap(p, 32 * MIB) == 0);
	CHECK(map(48 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE) != MAP_FAILED);
}

static void data(void)
{
	set(RLIMIT_DATA, 16 * MIB);
	CHECK(map(32 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE) == MAP_FAILED && errno == ENOMEM);
	CHECK(map(32 * MIB, PROT_READ, MAP_PRIVATE) != MAP_FAILED);
	CHECK(map(32 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED) != MAP_FAILED);
	CHECK(sbrk(32 * MIB) == (void *)-1 && errno == ENOMEM);
	CHECK(map(8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE) != MAP_FAILED);
}

static volatile int got;
static void note(int sig) { got = sig; }

static void file_size(void)
{
	static char buf[8192];
	char name[] = "/tmp/limits-XXXXXX";
	int fd = mkstemp(name);

	CHECK(fd >= 0 && unlink(name) == 0);
	signal(SIGXFSZ, note);
	set(RLIMIT_FSIZE, 10000);
	CHECK(write(fd, buf, 8192) == 8192);
	CHECK(write(fd, buf, 8192) == 10000 - 8192 && got == 0);	/* as much as fits */
	CHECK(write(fd, buf, 1) == -1 && errno == EFBIG && got == SIGXFSZ);
	got = 0;
	CHECK(pwrite(fd, buf, 1, 20000) == -1 && errno == EFBIG && got == SIGXFSZ);
	CHECK(pwrite(fd, buf, 1, 9999) == 1);
	got = 0;
	CHECK(ftruncate(fd, 10001) == -1 && errno == EFBIG && got == SIGXFSZ);
	CHECK(ftruncate(fd, 10000) == 0 && ftruncate(fd, 10) == 0);
	signal(SIGXFSZ, SIG_DFL);
	(void)!pwrite(fd, buf, 1, 20000);
	_exit(1);
}

static void files(void)
{
	int fd;

	set(RLIMIT_NOFILE, 20);
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		CHECK(fd < 20);
	CHECK(errno == EMFILE);
	CHECK(dup(0) == -1 && errno == EMFILE);
	CHECK(dup2(0, 20) == -1 && errno == EBADF);
	CHECK(fcntl(0, F_DUPFD, 20) == -1 && errno == EINVAL);
	CHECK(pipe((int[2]){ 0 }) == -1 && errno == EMFILE);
}

static int deep(int n)
{
	volatile char page[4096];

	page[0] = n;
	return n == 0 ? 0 : deep(n - 1) + page[0] - (char)n;
}

static void stack(void)
{
	set(RLIMIT_STACK, 256 * 1024);
	CHECK(deep(20) == 0);
	deep(1000);				/* 4 MiB */
}

static void stack_more(void)
{
	set(RLIMIT_STACK, 32 * MIB);		/* acts on the stack that is there */
	CHECK(deep(4000) == 0);			/* 16 MiB */
}

int main(void)
{
	int status;

	CHECK(status_in_child(address_space) == 0);
	CHECK(status_in_child(data) == 0);
	status = status_in_child(file_size);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
	CHECK(status_in_child(files) == 0);
	status = status_in_child(stack);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK(status_in_child(stack_more) == 0);
	return ok("");
}
