/* SPDX-License-Identifier: MIT */
/*
 * Touches pages that are not in the cache, one touch a page, and times each: `remote_fault PATTERN HOW MEGABYTES [FILE]`.
 * PATTERN: seq, random, or a stride in pages; HOW: read or write. Without a file: anonymous memory, all of which was written
 * before (in an order that no prefetcher follows), so that what the cache does not hold is on the memory node. With one: a
 * mapping of the file, which nobody has read yet. Every page's content is checked. One line:
 * `PATTERN-HOW pages N ms N pages/s N median N p99 N ns`.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE	4096ULL

static uint64_t mix(uint64_t i) { return (i + 1) * 0x9e3779b97f4a7c15ULL; }

static void shuffle(uint32_t *at, uint64_t n)
{
	uint64_t state = 88172645463325252ULL;

	for (uint64_t i = n - 1; i > 0; i--) {
		uint64_t k;
		uint32_t t = at[i];

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		k = state % (i + 1);
		at[i] = at[k];
		at[k] = t;
	}
}

static uint64_t *area_of(uint64_t pages, const char *file, const uint32_t *shuffled)
{
	uint64_t *area;
	int fd = -1;

	if (file != NULL) {
		fd = open(file, O_RDONLY);
		if (fd < 0) {
			perror(file);
			exit(1);
		}
	}
	area = mmap(NULL, pages * PAGE, file != NULL ? PROT_READ : PROT_READ | PROT_WRITE,
		    file != NULL ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	if (area == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	for (uint64_t i = 0; file == NULL && i < pages; i++)
		area[shuffled[i] * (PAGE / 8)] = mix(shuffled[i]);
	return area;
}

int main(int argc, char **argv)
{
	const char *file = argc > 4 ? argv[4] : NULL;
	uint64_t pages = argc > 3 ? strtoull(argv[3], NULL, 0) << 8 : 0, stride, begin, wrong = 0, sum = 0;
	int write = argc > 2 && strcmp(argv[2], "write") == 0;
	uint32_t *at = malloc(pages * sizeof(*at)), *shuffled = malloc(pages * sizeof(*at));
	uint64_t *took = malloc(pages * sizeof(*took)), *area;

	if (pages == 0 || at == NULL || took == NULL || shuffled == NULL || (write && file != NULL)) {
		fprintf(stderr, "usage: remote_fault seq|random|STRIDE read|write MEGABYTES [FILE]\n");
		return 2;
	}
	for (uint64_t i = 0; i < pages; i++) {
		at[i] = shuffled[i] = i;
		took[i] = i;
	}
	shuffle(shuffled, pages);
	area = area_of(pages, file, shuffled);
	if (strcmp(argv[1], "random") == 0) {
		memcpy(at, shuffled, pages * sizeof(*at));
		shuffle(at, pages);
	} else if (strcmp(argv[1], "seq") != 0) {
		stride = strtoull(argv[1], NULL, 0);
		if (stride == 0)
			return 2;
		for (uint64_t i = 0, from = 0, p = 0; i < pages; i++) {
			at[i] = p;
			p += stride;
			if (p >= pages)
				p = ++from;
		}
	}
	begin = now_ns();
	for (uint64_t i = 0; i < pages; i++) {
		volatile uint64_t *p = area + at[i] * (PAGE / 8);
		uint64_t start = now_ns(), word;

		word = p[0];
		if (write)
			p[1] = i;
		took[i] = now_ns() - start;
		wrong += file == NULL && word != mix(at[i]);
		sum += word;
	}
	begin = now_ns() - begin;
	qsort(took, pages, sizeof(took[0]), u64_order);
	printf("%s-%s pages %llu ms %llu pages/s %llu median %llu p99 %llu ns\n", argv[1], write ? "write" : "read",
	       (unsigned long long)pages, (unsigned long long)(begin / 1000000), (unsigned long long)(pages * 1000000000ULL / begin),
	       (unsigned long long)took[pages / 2], (unsigned long long)took[pages * 99 / 100]);
	if (wrong != 0)
		fprintf(stderr, "%llu pages are wrong\n", (unsigned long long)wrong);
	return wrong != 0 || sum == 1;
}
