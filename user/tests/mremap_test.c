/* SPDX-License-Identifier: MIT */
/* mremap_test [MB]: growing, shrinking and moving memory keeps its contents (lesson: L14) and refuses what is wrong. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "check.h"

#define PAGE		4096ul
#define PAGE_WORDS	(PAGE / sizeof(uint64_t))

static uint64_t *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

int main(int argc, char **argv)
{
	size_t size = number_arg(argc, argv, 1, 4) << 20, words = size / sizeof(uint64_t);
	uint64_t *a, *b, *hole;

	a = map(size);
	pattern_write(a, words, 0, 1);
	b = mremap(a, size, 2 * size, MREMAP_MAYMOVE);
	CHECK(b != MAP_FAILED);
	pattern_check(b, words, 0, 1);
	for (size_t i = words; i < 2 * words; i += PAGE_WORDS)
		CHECK(b[i] == 0);
	pattern_write(b + words, words, words, 1);

	a = mremap(b, 2 * size, size / 2, 0);			/* shrinks in place */
	CHECK(a == b);
	pattern_check(a, words / 2, 0, 1);

	hole = map(size);
	pattern_write(hole, words, 0, 2);
	b = mremap(a, size / 2, size / 2, MREMAP_MAYMOVE | MREMAP_FIXED, hole + PAGE_WORDS);
	CHECK(b == hole + PAGE_WORDS);
	pattern_check(b, words / 2, 0, 1);			/* moved by a page: other cache sets */
	pattern_check(hole, PAGE_WORDS, 0, 2);
	pattern_check(hole + PAGE_WORDS + words / 2, words / 2 - PAGE_WORDS, PAGE_WORDS + words / 2, 2);

	for (int round = 0; round < 16; round++) {		/* one page at a time, there and back */
		uint64_t *page = map(PAGE);

		pattern_write(page, PAGE_WORDS, 0, 100 + (uint64_t)round);
		CHECK(mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole + (size_t)round * 3 * PAGE_WORDS) ==
		      hole + (size_t)round * 3 * PAGE_WORDS);
	}
	for (int round = 0; round < 16; round++)
		pattern_check(hole + (size_t)round * 3 * PAGE_WORDS, PAGE_WORDS, 0, 100 + (uint64_t)round);

	CHECK(mremap((char *)hole + 1, PAGE, PAGE, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(hole, PAGE, 0, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(hole, PAGE, PAGE, MREMAP_FIXED, hole) == MAP_FAILED && errno == EINVAL);
	CHECK(munmap(hole, size) == 0);
	CHECK(mremap(hole, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	return ok("%zu MB", size >> 20);
}
