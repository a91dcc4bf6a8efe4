/* SPDX-License-Identifier: MIT */
/*
 * fork_cow [MB [CHILDREN [ROUNDS]]]: children and parent write different patterns over memory that they share by
 * copy-on-write, all at once, then each checks that it sees its own bytes only (lesson: L9, lesson: L17, lesson: L29). A read() by the
 * kernel into a shared page breaks the sharing too (lesson: L30).
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE_WORDS	(4096 / sizeof(uint64_t))

static uint64_t *memory;
static size_t nr_words;

static void read_through_kernel(unsigned long seed)
{
	int ends[2];
	uint64_t words[8];

	for (int i = 0; i < 8; i++)
		words[i] = pattern((uint64_t)i, seed);
	CHECK(pipe(ends) == 0);
	CHECK(write(ends[1], words, sizeof(words)) == sizeof(words));
	CHECK(read(ends[0], memory, sizeof(words)) == sizeof(words));
	close(ends[0]);
	close(ends[1]);
	pattern_check(memory, 8, 0, seed);
}

static void child(unsigned long number)
{
	pattern_check(memory, nr_words, 0, 0);
	read_through_kernel(number);
	for (size_t at = 0; at < nr_words; at += 2 * PAGE_WORDS)	/* every other page stays shared */
		pattern_write(memory + at, PAGE_WORDS, at, number);
	for (size_t at = 0; at < nr_words; at += PAGE_WORDS)
		pattern_check(memory + at, PAGE_WORDS, at, at / PAGE_WORDS % 2 == 0 ? number : 0);
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned long mb = number_arg(argc, argv, 1, 4), nr = number_arg(argc, argv, 2, 4);
	unsigned long rounds = number_arg(argc, argv, 3, 2);
	int status;

	CHECK(mb > 0 && nr > 0 && nr <= 64 && rounds > 0);
	nr_words = (mb << 20) / sizeof(uint64_t);
	memory = mmap(NULL, mb << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	for (unsigned long round = 0; round < rounds; round++) {
		pid_t pids[64];

		pattern_write(memory, nr_words, 0, 0);
		for (unsigned long i = 0; i < nr; i++) {
			pids[i] = fork();
			CHECK(pids[i] >= 0);
			if (pids[i] == 0)
				child(round * nr + i + 1);
		}
		pattern_write(memory, nr_words, 0, 1000000 + round);	/* while the children read and write */
		for (unsigned long i = 0; i < nr; i++) {
			CHECK(waitpid(pids[i], &status, 0) == pids[i]);
			CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		}
		pattern_check(memory, nr_words, 0, 1000000 + round);
	}
	return ok("%lu MB, %lu children, %lu rounds", mb, nr, rounds);
}
