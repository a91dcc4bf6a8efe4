/* SPDX-License-Identifier: MIT */
/* SOURCES: lib/crc32.c */
/* The instruction's CRC against the bitwise one, on this very CPU; and which of two ways is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/crc32_clmul.c"
#include "lib/crc32_oracle.h"

static void against_bitwise(void **state)
{
	u8 buf[5000];

	if (!__builtin_cpu_supports("pclmul"))
		skip();
	srandom(5);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = random();
	for (size_t n = CRC32_LONG_MIN; n < CRC32_LONG_MIN + 300; n++)
		assert_int_equal(crc32_clmul(n * 0x9e3779b9u, buf + n % 16, n), crc32_bitwise(n * 0x9e3779b9u, buf + n % 16, n));
	for (unsigned i = 0; i < 300; i++) {
		size_t n = CRC32_LONG_MIN + random() % (4900 - CRC32_LONG_MIN), off = random() % 64;

		assert_int_equal(crc32_clmul(i << 24 | i, buf + off, n), crc32_bitwise(i << 24 | i, buf + off, n));
	}
}

/* The registers are somebody else's. */
static void leaves_the_registers(void **state)
{
	u8 buf[4096] = { 1 }, rest[16], before[32], after[32];
	u64 one[2] = { 0x1122334455667788, 0x99aabbccddeeff00 };

	if (!__builtin_cpu_supports("pclmul"))
		skip();
	__asm__ volatile("movups (%1), %%xmm4\n\t" "movups %%xmm4, (%0)\n\t" "movups (%1), %%xmm5\n\t" "movups %%xmm5, 16(%0)"
			 :: "r"(before), "r"(one) : "memory");
	fold(0, buf, sizeof(buf) / STEP, rest);
	__asm__ volatile("movups %%xmm4, (%0)\n\t" "movups %%xmm5, 16(%0)" :: "r"(after) : "memory");
	assert_memory_equal(before, after, 32);
}

/* --- which is taken ------------------------------------------------------------------------------------------------ */

static u64 now, cost;
static unsigned calls;
static u64 clock_of_test(void) { return now += 10; }

/* As fast as it says. */
static u32 other(u32 reg, const void *p, size_t n)
{
	now += cost;
	calls++;
	return crc32_bitwise(reg, p, n);
}

static u32 wrong(u32 reg, const void *p, size_t n) { return crc32_bitwise(reg, p, n) + 1; }

static void the_faster_one_is_taken(void **state)
{
	static u8 buf[4096];
	u32 right = crc32_bitwise(1, buf, sizeof(buf));

	cost = 1000000;				/* the one in use takes no time by this clock */
	assert_false(crc32_offer(other, clock_of_test));
	calls = 0;
	assert_int_equal(crc32_update(1, buf, sizeof(buf)), right);
	assert_int_equal(calls, 0);
	assert_false(crc32_offer(wrong, clock_of_test));
	assert_int_equal(crc32_update(1, buf, sizeof(buf)), right);
	cost = (u64)-5;				/* and this less */
	assert_true(crc32_offer(other, clock_of_test));
	calls = 0;
	assert_int_equal(crc32_update(1, buf, sizeof(buf)), right);
	assert_int_equal(calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_bitwise), cmocka_unit_test(leaves_the_registers), cmocka_unit_test(the_faster_one_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
