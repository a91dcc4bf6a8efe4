/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/errno.h"
#include "lib/base/string.h"

static void numbers(void **state)
{
	static const char *const bad[] = { "", "x", "0x", "-1", "+1", " 1", "1 ", "12a", "18446744073709551616", "0x10000000000000000" };
	u64 v = 99;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(str_to_u64(bad[i], &v), -EINVAL);
	assert_int_equal(v, 99);
	assert_int_equal(str_to_u64("18446744073709551615", &v), 0);
	assert_int_equal(v, ~0ULL);
	assert_int_equal(str_to_u64("0xFfffffffffffffff", &v), 0);
	assert_int_equal(v, ~0ULL);
	assert_int_equal(str_to_u64("007", &v), 0);
	assert_int_equal(v, 7);
}

static void sizes(void **state)
{
	static const char *const bad[] = { "", "k", "1kb", "1p", "16777216T", "17179869184G", "1 k" };
	u64 v;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(str_to_size(bad[i], &v), -EINVAL);
	assert_int_equal(str_to_size("64k", &v), 0);
	assert_int_equal(v, KIB(64));
	assert_int_equal(str_to_size("3M", &v), 0);
	assert_int_equal(v, MIB(3));
	assert_int_equal(str_to_size("1G", &v), 0);
	assert_int_equal(v, GIB(1));
	assert_int_equal(str_to_size("12", &v), 0);
	assert_int_equal(v, 12);
}

static void copies(void **state)
{
	char buf[4] = "xyz";

	assert_int_equal(str_copy(buf, "abcdef", sizeof(buf)), 6);
	assert_string_equal(buf, "abc");
	assert_int_equal(str_copy(buf, "a", sizeof(buf)), 1);
	assert_string_equal(buf, "a");
	assert_int_equal(str_copy(buf, "bb", 0), 2);
	assert_string_equal(buf, "a");
}

static void names(void **state)
{
	assert_string_equal(errno_name(-EINVAL), "EINVAL");
	assert_string_equal(errno_name(EHOSTDOWN), "EHOSTDOWN");
	assert_string_equal(errno_name(0), "OK");
	assert_string_equal(errno_name(-9999), "E?");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(numbers), cmocka_unit_test(sizes), cmocka_unit_test(copies),
					    cmocka_unit_test(names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
