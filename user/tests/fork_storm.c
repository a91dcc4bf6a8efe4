/* SPDX-License-Identifier: MIT */
/*
 * fork_storm [FORKS [WRITERS]]: threads write to their pages without pause while the process forks again and again. A child sees
 * the pages as they were at one moment: they must not change under its eyes, whatever its parent's threads go on writing through
 * translations that they had before (lesson: L9). The parent's own counters never go back.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE_WORDS	512
#define PAGES		4		/* of each writer: few, so that their translations stay */
#define MAX_WRITERS	16

static volatile uint64_t *memory;
static unsigned long nr_writers;
static atomic_int stop;
static atomic_ulong rounds[MAX_WRITERS];

static volatile uint64_t *word(unsigned long writer, unsigned page) { return memory + (writer * PAGES + page) * PAGE_WORDS; }

static void *writer(void *arg)
{
	unsigned long me = (unsigned long)arg;

	for (uint64_t n = 1; !atomic_load(&stop); n++) {
		for (unsigned i = 0; i < PAGES; i++) {
			CHECK(*word(me, i) == n - 1);
			*word(me, i) = n;
		}
		atomic_store(&rounds[me], n);
	}
	return NULL;
}

static void child(void)
{
	uint64_t seen[MAX_WRITERS][PAGES];
	long long end = now_ns() + 30000000;

	for (unsigned long w = 0; w < nr_writers; w++)
		for (unsigned i = 0; i < PAGES; i++)
			seen[w][i] = *word(w, i);
	for (unsigned long w = 0; w < nr_writers; w++)		/* one moment: a writer is in one place of its round */
		for (unsigned i = 1; i < PAGES; i++)
			CHECK(seen[w][i] == seen[w][i - 1] || seen[w][i] + 1 == seen[w][i - 1]);
	do {
		for (unsigned long w = 0; w < nr_writers; w++)
			for (unsigned i = 0; i < PAGES; i++)
				CHECK(*word(w, i) == seen[w][i]);
	} while (now_ns() < end);
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned long nr = number_arg(argc, argv, 1, 20);
	pthread_t threads[MAX_WRITERS];
	int status;

	nr_writers = number_arg(argc, argv, 2, 2);
	CHECK(nr_writers > 0 && nr_writers <= MAX_WRITERS);
	memory = mmap(NULL, nr_writers * PAGES * PAGE_WORDS * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	for (unsigned long i = 0; i < nr_writers; i++)
		CHECK(pthread_create(&threads[i], NULL, writer, (void *)i) == 0);
	for (unsigned long n = 0; n < nr; n++) {
		unsigned long then[MAX_WRITERS];
		pid_t pid;

		for (unsigned long i = 0; i < nr_writers; i++)
			then[i] = atomic_load(&rounds[i]);
		for (unsigned long i = 0; i < nr_writers; i++)	/* all are at it */
			while (atomic_load(&rounds[i]) == then[i])
				sched_yield();
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			child();
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	atomic_store(&stop, 1);
	for (unsigned long i = 0; i < nr_writers; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	return ok("%lu forks, %lu writers", nr, nr_writers);
}
