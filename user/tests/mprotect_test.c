/* SPDX-License-Identifier: MIT */
/*
 * mprotect_test: rights are enforced at once and contents survive their changes; MADV_DONTNEED zeroes; thousands of
 * small changes, as malloc's arenas make them, leave the memory right.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE		4096ul
#define PAGE_WORDS	(PAGE / sizeof(uint64_t))
#define NR_PAGES	256ul

static sigjmp_buf back;
static void *volatile fault_address;

static void on_fault(int nr, siginfo_t *info, void *context)
{
	(void)nr;
	(void)context;
	fault_address = info->si_addr;
	siglongjmp(back, 1);
}

static int faults_on(volatile uint64_t *p, int write)
{
	if (sigsetjmp(back, 1) != 0) {
		CHECK(fault_address == (void *)p);
		return 1;
	}
	if (write)
		*p = *p;
	else
		(void)*p;
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	uint64_t *m = mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *arena;
	int with_faults = !(argc > 1 && strcmp(argv[1], "nosignals") == 0);

	CHECK(m != MAP_FAILED);
	pattern_write(m, NR_PAGES * PAGE_WORDS, 0, 1);
	CHECK(mprotect(m + 8 * PAGE_WORDS, 8 * PAGE, PROT_READ) == 0);
	CHECK(mprotect(m + 32 * PAGE_WORDS, PAGE, PROT_NONE) == 0);
	pattern_check(m, 32 * PAGE_WORDS, 0, 1);
	if (with_faults) {
		CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
		CHECK(!faults_on(m + 8 * PAGE_WORDS, 0) && faults_on(m + 8 * PAGE_WORDS, 1));
		CHECK(!faults_on(m + 7 * PAGE_WORDS, 1) && !faults_on(m + 16 * PAGE_WORDS, 1));
		CHECK(faults_on(m + 32 * PAGE_WORDS + 5, 0) && faults_on(m + 32 * PAGE_WORDS + 5, 1));
	}
	CHECK(mprotect(m, NR_PAGES * PAGE, PROT_READ | PROT_WRITE) == 0);
	pattern_check(m, NR_PAGES * PAGE_WORDS, 0, 1);
	pattern_write(m, NR_PAGES * PAGE_WORDS, 0, 2);

	CHECK(madvise(m + 64 * PAGE_WORDS, 16 * PAGE, MADV_DONTNEED) == 0);
	for (size_t i = 64 * PAGE_WORDS; i < 80 * PAGE_WORDS; i++)
		CHECK(m[i] == 0);
	pattern_check(m, 64 * PAGE_WORDS, 0, 2);
	pattern_check(m + 80 * PAGE_WORDS, (NR_PAGES - 80) * PAGE_WORDS, 80 * PAGE_WORDS, 2);

	arena = mmap(NULL, 16ul << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(arena != MAP_FAILED);
	for (size_t page = 0; page < 2048; page++) {		/* grows page by page, as an arena of malloc does */
		CHECK(mprotect(arena + page * PAGE_WORDS, PAGE, PROT_READ | PROT_WRITE) == 0);
		arena[page * PAGE_WORDS + 7] = pattern(page, 3);
	}
	for (size_t page = 0; page < 2048; page++)
		CHECK(arena[page * PAGE_WORDS + 7] == pattern(page, 3) && arena[page * PAGE_WORDS + 8] == 0);
	CHECK(mprotect((char *)m + 1, PAGE, PROT_READ) == -1 && errno == EINVAL);
	CHECK(munmap(arena, 16ul << 20) == 0 && munmap(m, NR_PAGES * PAGE) == 0);
	CHECK(mprotect(m, PAGE, PROT_READ) == -1 && errno == ENOMEM);
	return ok("");
}
