/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/crc32.h"
#include "lib/crc32_oracle.h"

static void check_value(void **state)
{
	assert_int_equal(~crc32_update(~0u, "123456789", 9), 0xcbf43926u);	/* the catalogue's check value */
	assert_int_equal(crc32_update(0x12345678, "", 0), 0x12345678);
}

static void against_bitwise(void **state)
{
	u8 buf[5000];

	srandom(3);
	for (int i = 0; i < 3000; i++) {
		size_t n = random() % (i % 4 == 0 ? 4900 : i % 4 == 1 ? 600 : 180), off = random() % 16, cut = n ? random() % n : 0;
		u32 reg = (u32)random() << 1;

		for (size_t k = 0; k < sizeof(buf); k++)
			buf[k] = random();
		assert_int_equal(crc32_update(reg, buf + off, n), crc32_bitwise(reg, buf + off, n));
		assert_int_equal(crc32_update(crc32_update(reg, buf + off, cut), buf + off + cut, n - cut),
				 crc32_bitwise(reg, buf + off, n));
	}
}

/* Each length on both sides of where another way begins, and each bit of a message that is folded. */
static void lengths_and_bits(void **state)
{
	u8 buf[1024] = { 0 };

	for (size_t n = 0; n <= 800; n++) {
		buf[n] = n * 37 + 11;
		assert_int_equal(crc32_update(0x9abcdef0, buf, n), crc32_bitwise(0x9abcdef0, buf, n));
	}
	for (size_t bit = 0; bit < 8 * 720; bit++) {
		memset(buf, 0, sizeof(buf));
		buf[bit / 8] = 1 << bit % 8;
		assert_int_equal(crc32_update(0, buf, 720), crc32_bitwise(0, buf, 720));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(check_value), cmocka_unit_test(against_bitwise),
					    cmocka_unit_test(lengths_and_bits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
