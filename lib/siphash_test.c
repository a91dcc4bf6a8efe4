/* SPDX-License-Identifier: MIT */
/* SOURCES: lib/siphash.c */
/* Vectors of the SipHash paper's reference: key 00..0f, message 00 01 02 ... of each length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/siphash.h"

static void vectors(void **state)
{
	u8 key[16], msg[16];

	for (unsigned i = 0; i < 16; i++)
		key[i] = msg[i] = i;
	assert_int_equal(siphash(key, msg, 0), 0x726fdb47dd0e0e31ULL);
	assert_int_equal(siphash(key, msg, 1), 0x74f839c593dc67fdULL);
	assert_int_equal(siphash(key, msg, 8), 0x93f5f5799a932462ULL);
	assert_int_equal(siphash(key, msg, 15), 0xa129ca6149be45e5ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(vectors) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
