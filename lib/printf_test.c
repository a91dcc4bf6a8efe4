/* SPDX-License-Identifier: MIT */
/* Our vsnprintf against the C library's, over every combination of flags, widths and values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <limits.h>
#include <cmocka.h>

#define snprintf our_snprintf
#define vsnprintf our_vsnprintf
#include "lib/printf.c"
#undef snprintf
#undef vsnprintf

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

static void compare(const char *fmt, ...)
{
	char ours[128], libc[128];
	va_list ap, ap2, ap3;
	int n, m;

	memset(ours, 'x', sizeof(ours));
	memset(libc, 'x', sizeof(libc));
	va_start(ap, fmt);
	va_copy(ap2, ap);
	va_copy(ap3, ap);
	n = our_vsnprintf(ours, sizeof(ours), fmt, ap);
	m = vsnprintf(libc, sizeof(libc), fmt, ap2);
	if (n != m || strcmp(ours, libc) != 0)
		print_error("format %s: ours '%s' (%d), libc '%s' (%d)\n", fmt, ours, n, libc, m);
	assert_int_equal(n, m);
	assert_string_equal(ours, libc);
	/* cut short: same prefix, same length, nothing written behind the end */
	memset(ours, 'x', sizeof(ours));
	assert_int_equal(our_vsnprintf(ours, 5, fmt, ap3), m);
	libc[n < 4 ? n : 4] = '\0';
	assert_string_equal(ours, libc);
	assert_int_equal(ours[5], 'x');
	va_end(ap3);
	va_end(ap2);
	va_end(ap);
}

static void integers(void **state)
{
	static const char *const flags[] = { "", "-", "0", "+", " ", "#", "-0", "+0", "-+", "#0", " 0", "-#" };
	static const char *const widths[] = { "", "1", "2", "8", "23" };
	static const char *const precisions[] = { "", ".", ".0", ".1", ".5", ".20" };
	static const char *const lengths[] = { "", "hh", "h", "l", "ll", "z", "j", "t" };
	static const u64 values[] = { 0, 1, 7, 9, 10, 255, 256, 65535, INT_MAX, (u64)INT_MIN, UINT_MAX, LLONG_MAX,
				      (u64)LLONG_MIN, ULLONG_MAX, 0xdeadbeef12345678 };

	for (unsigned f = 0; f < ARRAY_SIZE(flags); f++)
		for (unsigned w = 0; w < ARRAY_SIZE(widths); w++)
			for (unsigned p = 0; p < ARRAY_SIZE(precisions); p++)
				for (unsigned l = 0; l < ARRAY_SIZE(lengths); l++)
					for (const char *c = "diuoxX"; *c != '\0'; c++)
						for (unsigned v = 0; v < ARRAY_SIZE(values); v++) {
							char fmt[40];

							sprintf(fmt, "<%%%s%s%s%s%c>", flags[f], widths[w], precisions[p], lengths[l], *c);
							if (lengths[l][0] == '\0' || lengths[l][0] == 'h')
								compare(fmt, (unsigned)values[v]);
							else
								compare(fmt, values[v]);
						}
}

static void others(void **state)
{
	compare("%s|%10s|%-10s|%.2s|%.*s|%-*s|", "abc", "abc", "abc", "abc", 1, "abc", 6, "abc");
	compare("%*d|%-*d|%.*d", 5, 42, -7, 42, 4, 42);
	compare("%*d", -6, 1);
	compare("%.*d|%.*s", -1, 5, -1, "all");
	compare("%c%3c%-3c|%%", 'a', 'b', 'c');
	compare("%p %20p", (void *)0x1234, (void *)0xffff800000000000);
	compare("no conversions at all");
	compare("%s", "");
	assert_int_equal(our_snprintf(NULL, 0, "%d", 12345), 5);
}

static void mistakes(void **state)
{
	char buf[32];
	const char *volatile null_text = "%s", *volatile unknown = "%q", *volatile ends = "50%";

	our_snprintf(buf, sizeof(buf), null_text, (char *)NULL);
	assert_string_equal(buf, "(null)");
	our_snprintf(buf, sizeof(buf), unknown);
	assert_string_equal(buf, "%q");
	our_snprintf(buf, sizeof(buf), ends);
	assert_string_equal(buf, "50");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(integers), cmocka_unit_test(others), cmocka_unit_test(mistakes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
