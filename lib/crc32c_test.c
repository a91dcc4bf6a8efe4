/* SPDX-License-Identifier: MIT */
/* CRC-32C against the values of RFC 3720, appendix B.4, and its rule for sums over pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "lib/crc32c.h"

static void known_values(void **state)
{
	u8 buf[32];

	memset(buf, 0, sizeof(buf));
	assert_int_equal(~crc32c(~0u, buf, sizeof(buf)), 0x8a9136aa);
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(~crc32c(~0u, buf, sizeof(buf)), 0x62a8ab43);
	for (u8 i = 0; i < 32; i++)
		buf[i] = i;
	assert_int_equal(~crc32c(~0u, buf, sizeof(buf)), 0x46dd794e);
	assert_int_equal(~crc32c(~0u, "123456789", 9), 0xe3069283);
}

static void pieces_and_alignment(void **state)
{
	u8 buf[300];

	for (u32 i = 0; i < sizeof(buf); i++)
		buf[i] = (u8)(i * i + 7 * i);
	for (u32 at = 0; at < 16; at++) {
		u32 whole = crc32c(~0u, buf + at, 256), bytes = ~0u;

		for (u32 i = 0; i < 256; i++)
			bytes = crc32c(bytes, buf + at + i, 1);
		assert_int_equal(whole, bytes);
		for (u32 cut = 0; cut <= 256; cut += 13)
			assert_int_equal(whole, crc32c(crc32c(~0u, buf + at, cut), buf + at + cut, 256 - cut));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(pieces_and_alignment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
