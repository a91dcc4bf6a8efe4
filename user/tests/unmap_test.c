/* SPDX-License-Identifier: MIT */
/*
 * unmap_test [PAGES [ROUNDS [THREADS]]]: each thread maps memory at the same place again and again, writes all of it, reads it
 * back, and unmaps it while much of it is still on its way home. What was there before must never be seen again, and unmapping
 * must not make a later write-back fail (lesson: L16).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE		4096ul
#define PAGE_WORDS	(PAGE / sizeof(uint64_t))

static unsigned long nr_pages, nr_rounds;

static void round_of(uint64_t *at, unsigned long thread, unsigned long round)
{
	unsigned long tag = thread << 32 | (round + 1);

	CHECK(mmap(at, nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
	for (size_t i = 0; i < nr_pages; i++)
		CHECK(at[i * PAGE_WORDS + 1] == 0);
	for (size_t i = 0; i < nr_pages; i++)
		at[i * PAGE_WORDS + 1] = pattern(i, tag);
	for (size_t i = 0; i < nr_pages; i++)
		CHECK(at[i * PAGE_WORDS + 1] == pattern(i, tag));
	for (size_t i = nr_pages / 2; i < nr_pages; i++)	/* dirty again: what is unmapped is in the middle of leaving */
		at[i * PAGE_WORDS + 2] = tag;
	if (round % 2 == 0)
		CHECK(munmap(at, nr_pages * PAGE) == 0);	/* otherwise the next mmap() unmaps it */
}

static void *work(void *arg)
{
	unsigned long thread = (unsigned long)arg;
	uint64_t *at = mmap(NULL, nr_pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(at != MAP_FAILED);
	for (unsigned long round = 0; round < nr_rounds; round++)
		round_of(at, thread, round);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long nr_threads = number_arg(argc, argv, 3, 2);
	pthread_t threads[16];

	nr_pages = number_arg(argc, argv, 1, 200);
	nr_rounds = number_arg(argc, argv, 2, 20);
	CHECK(nr_pages > 0 && nr_threads > 0 && nr_threads <= 16);
	for (unsigned long i = 0; i < nr_threads; i++)
		CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
	for (unsigned long i = 0; i < nr_threads; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	return ok("%lu pages, %lu rounds, %lu threads", nr_pages, nr_rounds, nr_threads);
}
