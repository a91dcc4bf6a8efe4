/* SPDX-License-Identifier: MIT */
/*
 * What the test programs share. Each runs on any Linux, prints `NAME: OK ...` and ends with 0, or says on stderr what
 * was wrong and ends with 1.
 */
#ifndef USER_TESTS_CHECK_H
#define USER_TESTS_CHECK_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char *program_invocation_short_name;

__attribute__((format(printf, 1, 2), noreturn, unused))
static void fail(const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s: FAILED: ", program_invocation_short_name);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);			/* also from a thread or a child, and without running what is left */
}

#define CHECK(cond)							\
	do {								\
		if (!(cond))						\
			fail("%s:%d: %s (errno %d, %s)", __FILE__, __LINE__, #cond, errno, strerror(errno)); \
	} while (0)

__attribute__((format(printf, 1, 2), unused))
static int ok(const char *format, ...)		/* return ok("..."); at the end of main */
{
	va_list ap;

	printf("%s: OK", program_invocation_short_name);
	if (format[0] != '\0')
		putchar(' ');
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	if (fflush(stdout) != 0)
		fail("standard output: %s", strerror(errno));
	return 0;
}

static inline unsigned long number_arg(int argc, char **argv, int i, unsigned long otherwise)
{
	char *end;
	unsigned long n;

	if (i >= argc)
		return otherwise;
	n = strtoul(argv[i], &end, 0);
	if (end == argv[i] || *end != '\0')
		fail("argument %d is not a number: '%s'", i, argv[i]);
	return n;
}

static inline long long clock_ns(clockid_t clock)
{
	struct timespec ts;

	CHECK(clock_gettime(clock, &ts) == 0);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static inline long long now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

__attribute__((unused))
static int u64_order(const void *a, const void *b)	/* for qsort() */
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* fn in a child of its own, so that what it changes is gone with it: how that ended, as wait() says it. */
__attribute__((unused))
static int status_in_child(void (*fn)(void))
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		fn();
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

/* A pattern that differs for each word and each round: a page in the wrong place or from another time shows. */
static inline uint64_t pattern(uint64_t index, uint64_t round)
{
	uint64_t x = index * 0x9e3779b97f4a7c15ull + round * 0xbf58476d1ce4e5b9ull + 1;

	x ^= x >> 31;
	return x * 0x94d049bb133111ebull;
}

static inline void pattern_write(uint64_t *words, size_t nr, uint64_t first, uint64_t round)
{
	for (size_t i = 0; i < nr; i++)
		words[i] = pattern(first + i, round);
}

static inline void pattern_check(const uint64_t *words, size_t nr, uint64_t first, uint64_t round)
{
	for (size_t i = 0; i < nr; i++)
		if (words[i] != pattern(first + i, round))
			fail("word %zu at %p is %#llx, should be %#llx (round %llu)", i, (void *)&words[i],
			     (unsigned long long)words[i], (unsigned long long)pattern(first + i, round),
			     (unsigned long long)round);
}

#endif
