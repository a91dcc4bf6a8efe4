/* SPDX-License-Identifier: MIT */
/*
 * map_slowly FILE PAGES MS: makes a file of holes and maps it, says so, then reads a page of it each MS milliseconds, far from the
 * page before, so that each is fetched from where the file is.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE	4096ul
#define STRIDE	97ul			/* prime, so that all pages have their turn */

int main(int argc, char **argv)
{
	unsigned long pages = number_arg(argc, argv, 2, 0), ms = number_arg(argc, argv, 3, 0), sum = 0;
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
	const volatile char *p;
	int fd;

	if (argc < 2 || pages % STRIDE == 0)
		fail("usage: map_slowly FILE PAGES MS");
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0 && ftruncate(fd, pages * PAGE) == 0);
	p = mmap(NULL, pages * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	printf("mapped\n");
	fflush(stdout);
	for (unsigned long i = 0; i < pages; i++) {
		sum += p[i * STRIDE % pages * PAGE];
		if (ms != 0)
			nanosleep(&pause, NULL);
	}
	CHECK(sum == 0);
	return ok("%lu pages", pages);
}
