/* SPDX-License-Identifier: MIT */
/*
 * How long fork and mremap of a lot of memory take: `map_time MEGABYTES [ROUNDS]`. All pages are written first. Lines:
 * `NAME median N ms`, for: fork, as its caller sees it; fork-exit-wait, the same until a child that only exits is waited for;
 * mremap, to another address. What was moved and what the child sees is checked.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "check.h"

#define PAGE		4096ULL
#define MAX_ROUNDS	101

static void say(const char *name, uint64_t *took, unsigned n)
{
	qsort(took, n, sizeof(took[0]), u64_order);
	printf("%s median %.3f ms\n", name, took[n / 2] / 1e6);
}

static uint64_t *area_of(size_t size)
{
	uint64_t *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(area != MAP_FAILED);
	return area;
}

/* The first and the last page, and one between. */
static int right(const uint64_t *area, size_t size)
{
	size_t last = size / PAGE - 1;

	return area[0] == 1 && area[last * PAGE / 8] == last + 1 && area[last / 2 * PAGE / 8] == last / 2 + 1;
}

int main(int argc, char **argv)
{
	size_t size = argc > 1 ? strtoull(argv[1], NULL, 0) << 20 : 0;
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 5;
	static uint64_t forked[MAX_ROUNDS], waited[MAX_ROUNDS], moved[MAX_ROUNDS];
	uint64_t *area, *other;

	if (size == 0 || rounds == 0 || rounds > MAX_ROUNDS || argc > 3) {
		fputs("usage: map_time MEGABYTES [ROUNDS]\n", stderr);
		return 2;
	}
	area = area_of(size);
	other = area_of(size);
	for (size_t i = 0; i < size / PAGE; i++)
		area[i * PAGE / 8] = i + 1;
	for (unsigned i = 0; i < rounds; i++) {
		uint64_t start = now_ns();
		uint64_t *to = other;
		int status;
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0)
			_exit(right(area, size) ? 0 : 3);
		forked[i] = now_ns() - start;
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		waited[i] = now_ns() - start;
		start = now_ns();
		CHECK(mremap(area, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
		moved[i] = now_ns() - start;
		CHECK(right(to, size));
		other = mmap(area, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		CHECK(other != MAP_FAILED);
		area = to;
	}
	say("fork", forked, rounds);
	say("fork-exit-wait", waited, rounds);
	say("mremap", moved, rounds);
	puts("map_time: OK");
	return 0;
}
