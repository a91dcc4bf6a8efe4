/* SPDX-License-Identifier: MIT */
/*
 * How long a page fault takes, seen from the program: pages are touched one by one and each touch is timed. First touches are
 * zero-fills; a second round over more than the cache holds fetches from the memory node. One line each:
 * `NAME median N p99 N ns`. With arguments ZERO WRITE READ it does each so many times more at the end, untimed: first touches of
 * the small area, writes and reads all over the large one.
 */
#include <sys/mman.h>

#include "check.h"

#define PAGE	4096
#define SMALL	256		/* pages: well within the cache */
#define LARGE	4096		/* pages: four times a cache of 4 MiB */

static uint64_t took[LARGE];

static void touch(const char *name, volatile char *area, unsigned pages, int write)
{
	for (unsigned i = 0; i < pages; i++) {
		volatile char *p = area + (size_t)(i * 1031 % pages) * PAGE;	/* 1031 is odd: every page once, in no order */
		uint64_t start = now_ns();

		if (write)
			*p = 1;
		else
			(void)*p;
		took[i] = now_ns() - start;
	}
	qsort(took, pages, sizeof(took[0]), u64_order);
	printf("%s median %llu p99 %llu ns\n", name, (unsigned long long)took[pages / 2],
	       (unsigned long long)took[pages * 99 / 100]);
}

static void again(volatile char *area, unsigned pages, int write, int times, int forget)
{
	for (int n = 0; n < times; n++) {
		if (forget)
			madvise((void *)area, (size_t)pages * PAGE, MADV_DONTNEED);
		for (unsigned i = 0; i < pages; i++) {
			volatile char *p = area + (size_t)(i * 1031 % pages) * PAGE;

			if (write)
				*p = n;
			else
				(void)*p;
		}
	}
}

int main(int argc, char **argv)
{
	char *small = mmap(NULL, SMALL * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *large = mmap(NULL, (size_t)LARGE * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(small != MAP_FAILED && large != MAP_FAILED);
	for (unsigned i = 0; i < LARGE; i++)
		took[i] = i;		/* these pages are there before the clock runs */
	touch("zero-fill", small, SMALL, 1);
	touch("mapped-page", small, SMALL, 1);
	touch("zero-fill-while-evicting", large, LARGE, 1);
	touch("fill-after-dirty-eviction", large, LARGE, 0);
	touch("fill-after-clean-eviction", large, LARGE, 0);
	if (argc > 3) {
		again(small, SMALL, 1, atoi(argv[1]), 1);
		again(large, LARGE, 1, atoi(argv[2]), 0);
		again(large, LARGE, 0, atoi(argv[3]), 0);
	}
	return ok("");
}
