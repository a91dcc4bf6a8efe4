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
