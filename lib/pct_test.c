/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "lib/pct.h"

static void known(void **state)
{
	char buf[64];

	assert_int_equal(pct_encode(buf, sizeof(buf), "a b%\n\x7f/=", 8), 16);
	assert_string_equal(buf, "a%20b%25%0A%7F/=");
	assert_int_equal(pct_decode(buf), 8);
	assert_string_equal(buf, "a b%\n\x7f/=");
	assert_int_equal(pct_encode(buf, sizeof(buf), "", 0), 0);
	assert_string_equal(buf, "");
}

static void cut(void **state)
{
	char buf[6];

	assert_int_equal(pct_encode(buf, sizeof(buf), "ab cd", 5), 7);
	assert_string_equal(buf, "ab%20");
	assert_int_equal(pct_encode(buf, 5, "ab cd", 5), 7);
	assert_string_equal(buf, "ab");		/* an escape is whole or not there, and nothing follows the cut */
	assert_int_equal(pct_encode(NULL, 0, "ab cd", 5), 7);
}

static void bad(void **state)
{
	static const char *const words[] = { "%", "a%2", "%g0", "%0g", "x%00y", "%%20" };

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		char buf[16];

		str_copy(buf, words[i], sizeof(buf));
		assert_int_equal(pct_decode(buf), -EINVAL);
	}
}

static void roundtrip(void **state)
{
	srandom(2);
	for (int i = 0; i < 2000; i++) {
		char raw[41], enc[128];
		int n = random() % 40;

		for (int k = 0; k < n; k++)
			raw[k] = 1 + random() % 255;
		raw[n] = '\0';
		assert_true(pct_encode(enc, sizeof(enc), raw, n) < sizeof(enc));
		for (char *c = enc; *c != '\0'; c++)
			assert_true((u8)*c > 0x20 && *c != 0x7f);
		assert_int_equal(pct_decode(enc), n);
		assert_memory_equal(enc, raw, n + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(known), cmocka_unit_test(cut), cmocka_unit_test(bad),
					    cmocka_unit_test(roundtrip) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
