/* SPDX-License-Identifier: MIT */
/* The generator's block function against RFC 8439, and that nothing comes twice. */
#include "managers/processor/random.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

u64 arch_random(void)
{
	static u64 n = 0x123456789;

	return n += 0x9e3779b97f4a7c15ULL;
}

/* section 2.3.2 of the RFC */
static void block_of_rfc_8439(void **state)
{
	static const u32 k[8] = { 0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c, 0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c };
	static const u32 want[16] = { 0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
				      0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2 };
	u32 s[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, out[16];

	memcpy(s + 4, k, sizeof(k));
	s[12] = 1;
	s[13] = 0x09000000;
	s[14] = 0x4a000000;
	s[15] = 0;
	chacha_rounds(s, out);
	assert_memory_equal(out, want, sizeof(want));
}

static void nothing_twice(void **state)
{
	static u64 seen[4096];

	random_init();
	for (unsigned i = 0; i < ARRAY_SIZE(seen); i++) {
		u64 big[40];

		random_bytes(i & 1 ? (void *)&seen[i] : big, i & 1 ? 8 : sizeof(big));
		if (!(i & 1))
			seen[i] = big[39];
		for (unsigned k = 0; k < i; k++)
			assert_true(seen[k] != seen[i]);
	}
}

/* The key that made what was given out is gone: the state after it is another. */
static void key_changes(void **state)
{
	u32 before[8];
	u8 b;

	memcpy(before, key, sizeof(key));
	random_bytes(&b, 1);
	assert_memory_not_equal(before, key, sizeof(key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_of_rfc_8439), cmocka_unit_test(nothing_twice), cmocka_unit_test(key_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
