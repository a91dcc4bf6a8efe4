/* SPDX-License-Identifier: MIT */
/*
 * overcommit: takes more memory than there is, in each way that there is: what is asked for ends with an error, what is touched without having
 * been promised with the program's end, and with that all is free again. Only for a machine of one's own whose memory is small.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "check.h"

#define MB	(1ul << 20)
#define PAGE	4096ul
#define MOST	2048		/* MB: more than the machine has */

static char block[MB];

static unsigned take(unsigned most)
{
	unsigned nr = 0;

	while (nr < most) {
		char *p = mmap(NULL, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED) {
			CHECK(errno == ENOMEM);
			return nr;
		}
		memset(p, 1 + nr++ % 255, MB);
	}
	return nr;
}

static void by_mmap(void) { CHECK(take(MOST) < MOST); }

static void by_brk(void)
{
	unsigned nr = 0;
	char *p;

	while ((p = sbrk(MB)) != (void *)-1) {
		memset(p, 1, MB);
		CHECK(nr++ < MOST);
	}
	CHECK(errno == ENOMEM);
}

static void by_fork(void)
{
	unsigned children = 0;
	pid_t child;

	CHECK(take(16) == 16 && setpgid(0, 0) == 0 && signal(SIGUSR1, SIG_IGN) != SIG_ERR);
	while ((child = fork()) > 0)
		CHECK(children++ < MOST / 16);
	if (child == 0) {
		signal(SIGUSR1, SIG_DFL);
		pause();
		_exit(0);
	}
	CHECK(errno == ENOMEM || errno == EAGAIN);
	CHECK(kill(0, SIGUSR1) == 0);		/* the end of all but itself */
	while (wait(NULL) > 0)
		children--;
	CHECK(children == 0);
}

static void fill(int fd)
{
	unsigned long size = 0;
	ssize_t n;

	while ((n = write(fd, block, MB)) > 0) {
		size += n;
		CHECK(size < MOST * MB);
	}
	CHECK(n == -1 && (errno == ENOSPC || errno == ENOMEM));
	CHECK(lseek(fd, 0, SEEK_END) >= (off_t)size);
	for (unsigned long at = 0; at + MB <= size; at += 8 * MB)
		CHECK(pread(fd, block, 16, at) == 16 && block[0] == 7 && block[15] == 7);
}

static void by_file(void)
{
	int fd = open("/tmp/large", O_RDWR | O_CREAT, 0600);

	CHECK(fd >= 0 && unlink("/tmp/large") == 0);
	fill(fd);
}

static void by_memfd(void) { fill(memfd_create("large", 0)); }

static void touch_all(int flags, int fd)
{
	char *p = mmap(NULL, MOST * MB, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED) {
		CHECK(errno == ENOMEM);
		return;
	}
	for (unsigned long at = 0; at < MOST * MB; at += PAGE)
		p[at] = 1;
	fail("there was room for all");
}

static void by_noreserve(void) { touch_all(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1); }
static void by_shared(void) { touch_all(MAP_SHARED | MAP_ANONYMOUS, -1); }

static void by_holes(void)
{
	int fd = memfd_create("holes", 0);

	CHECK(fd >= 0);
	if (ftruncate(fd, MOST * MB) == 0)
		touch_all(MAP_SHARED, fd);
	else
		CHECK(errno == ENOMEM || errno == ENOSPC);
}

static void some_room(void) { CHECK(take(16) == 16); }

static void try(const char *what, void (*fn)(void), int may_be_killed)
{
	int status = status_in_child(fn);

	fprintf(stderr, "%s: %#x\n", what, status);
	CHECK(status == 0 || (may_be_killed && WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGBUS)));
	CHECK(status_in_child(some_room) == 0);
}

int main(void)
{
	struct utsname u;

	CHECK(uname(&u) == 0);
	if (strstr(u.release, "tangram") == NULL)
		fail("it would take this machine's memory");
	memset(block, 7, sizeof(block));
	try("mmap", by_mmap, 0);
	try("brk", by_brk, 0);
	try("fork", by_fork, 0);
	try("a file", by_file, 0);
	try("memfd", by_memfd, 0);
	try("MAP_NORESERVE", by_noreserve, 1);
	try("MAP_SHARED", by_shared, 1);
	try("holes", by_holes, 1);
	return ok("");
}
