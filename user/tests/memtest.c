/* SPDX-License-Identifier: MIT */
/*
 * memtest MB [THREADS [ROUNDS]]: writes a pattern over MB megabytes and reads it back, in several rounds with other
 * patterns, so that with a small cache every page goes out and comes back. Each thread has its own part, whose pages
 * lie between those of the others.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE_WORDS	(4096 / sizeof(uint64_t))

static uint64_t *memory;
static size_t nr_pages;
static unsigned long nr_threads, nr_rounds;

static void *run(void *arg)
{
	size_t first = (size_t)arg;

	for (unsigned long round = 0; round < nr_rounds; round++) {
		for (size_t page = first; page < nr_pages; page += nr_threads) {
			if (round > 0)
				pattern_check(memory + page * PAGE_WORDS, PAGE_WORDS, page * PAGE_WORDS, round - 1);
			pattern_write(memory + page * PAGE_WORDS, PAGE_WORDS, page * PAGE_WORDS, round);
		}
	}
	for (size_t page = first; page < nr_pages; page += nr_threads)
		pattern_check(memory + page * PAGE_WORDS, PAGE_WORDS, page * PAGE_WORDS, nr_rounds - 1);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long mb = number_arg(argc, argv, 1, 8);
	pthread_t threads[256];

	nr_threads = number_arg(argc, argv, 2, 1);
	nr_rounds = number_arg(argc, argv, 3, 3);
	if (mb == 0 || nr_threads == 0 || nr_threads > 256 || nr_rounds == 0)
		fail("usage: memtest MB [THREADS [ROUNDS]]");
	nr_pages = mb << 8;
	memory = mmap(NULL, mb << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	for (size_t page = 0; page < nr_pages; page += 64)	/* fresh memory is zero; also reads before the first write */
		CHECK(memory[page * PAGE_WORDS] == 0 && memory[page * PAGE_WORDS + PAGE_WORDS - 1] == 0);
	if (nr_threads == 1) {
		run(NULL);
	} else {
		for (size_t i = 0; i < nr_threads; i++) {
			errno = pthread_create(&threads[i], NULL, run, (void *)i);
			CHECK(errno == 0);
		}
		for (size_t i = 0; i < nr_threads; i++) {
			errno = pthread_join(threads[i], NULL);
			CHECK(errno == 0);
		}
	}
	CHECK(munmap(memory, mb << 20) == 0);
	return ok("%lu MB, %lu threads, %lu rounds", mb, nr_threads, nr_rounds);
}
