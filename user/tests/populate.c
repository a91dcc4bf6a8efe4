/* SPDX-License-Identifier: MIT */
/*
 * populate [MB]: memory that is asked to be there at once, more than a cache holds, and given back in pieces and as a whole, by
 * parents and children. What is left over on the other nodes shows at the program's end.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE 4096ul
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static char *map(size_t size, int prot, int flags)
{
	char *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void advised(void)
{
	char *p = map(8 * PAGE, PROT_READ | PROT_WRITE, 0);
	unsigned char here[2] = { 0, 0 };

	CHECK(madvise(p, 8 * PAGE, MADV_POPULATE_WRITE) == 0);
	CHECK(mincore(p, 2 * PAGE, here) == 0 && (here[0] & here[1] & 1));
	CHECK(mprotect(p, 4 * PAGE, PROT_READ) == 0 && munmap(p + 6 * PAGE, PAGE) == 0);
	CHECK(madvise(p, 4 * PAGE, MADV_POPULATE_READ) == 0);
	CHECK(madvise(p, 4 * PAGE, MADV_POPULATE_WRITE) < 0 && errno == EINVAL);
	CHECK(madvise(p, 8 * PAGE, MADV_POPULATE_READ) < 0 && errno == ENOMEM);
	CHECK(mprotect(p, 4 * PAGE, PROT_NONE) == 0);
	CHECK(madvise(p, 2 * PAGE, MADV_POPULATE_READ) < 0 && errno == EINVAL);
	CHECK(munmap(p, 8 * PAGE) == 0);
}

/* The wrong page may be far behind what a cache takes in at once. */
static void advised_far(size_t size)
{
	char *p = map(size, PROT_READ | PROT_WRITE, MAP_POPULATE);

	CHECK(p[0] == 0 && p[size - 1] == 0);
	p[size - 1] = 1;
	CHECK(mprotect(p + size - 2 * PAGE, PAGE, PROT_READ) == 0);
	CHECK(madvise(p, size, MADV_POPULATE_READ) == 0);
	CHECK(madvise(p, size, MADV_POPULATE_WRITE) < 0 && errno == EINVAL);
	CHECK(munmap(p + size - 2 * PAGE, PAGE) == 0);
	CHECK(madvise(p, size, MADV_POPULATE_READ) < 0 && errno == ENOMEM);
	CHECK(p[size - 1] == 1);
	CHECK(munmap(p, size) == 0);
}

/* Each end of so much is more than a node keeps in reserve. */
static void given_back(size_t size)
{
	for (int round = 0; round < 4; round++) {
		char *p = map(size, PROT_READ | PROT_WRITE, 0);
		pid_t child;
		int status;

		p[0] = p[size - 1] = 1;
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			CHECK(p[0] == 1 && munmap(p, size) == 0);
			_exit(0);
		}
		CHECK(munmap(p, size / 2) == 0 && munmap(p + size / 2, size / 2) == 0);
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
}

int main(int argc, char **argv)
{
	size_t size = number_arg(argc, argv, 1, 192) << 20;

	advised();
	advised_far(size);
	given_back(size);
	return ok("%zu MB", size >> 20);
}
