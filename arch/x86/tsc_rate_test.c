/* SPDX-License-Identifier: MIT */
/* What a busy host does to a measurement: late looks, a counter that ran out, one run in which everything was late. */
/* SOURCES: arch/x86/tsc_rate.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arch/x86/tsc_rate.h"

#define HZ 2445000000ULL

/* A look so many microseconds after the counter began at 65535. */
static struct pit_sample look(u64 us, u64 width)
{
	u64 ticks = us * PIT_HZ / 1000000;

	return (struct pit_sample){
		.tsc = 77 + HZ / 1000000 * us, .width = width, .count = 65535 - ticks, .ended = ticks > 65535 };
}

static u64 rate(u64 us_a, u64 us_b, u64 width)
{
	struct pit_sample a = look(us_a, width), b = look(us_b, width);

	return tsc_rate(&a, &b);
}

static bool about(u64 hz) { return hz > HZ / 1000 * 998 && hz < HZ / 1000 * 1002; }

static void plain(void **state)
{
	assert_true(about(rate(10, 10010, 2000)));
	assert_true(about(rate(0, 54000, 2000)));
	assert_true(about(rate(40000, 54000, 2000)));
}

/* 10 ms counted in 65 ms: the counter went round, and the TSC seemed six times as fast. */
static void went_round(void **state)
{
	assert_int_equal(rate(10, 55000 + 10000, 2000), 0);
	assert_int_equal(rate(55000, 65000, 2000), 0);
}

static void says_nothing(void **state)
{
	assert_int_equal(rate(10, 2000, 100), 0);			/* too short */
	assert_int_equal(rate(10, 10010, HZ / 1000), 0);		/* a millisecond of doubt in ten */
	assert_int_equal(rate(10010, 10, 2000), 0);
	assert_int_equal(rate(10, 10, 0), 0);
}

static void two_agree(void **state)
{
	const u64 rates[] = { HZ * 3, HZ + HZ / 5000, 0, HZ };

	assert_int_equal(tsc_rate_agreed(rates, 0), 0);
	assert_int_equal(tsc_rate_agreed(rates, 1), 0);
	assert_int_equal(tsc_rate_agreed(rates, 2), 0);
	assert_int_equal(tsc_rate_agreed(rates, 3), 0);
	assert_true(about(tsc_rate_agreed(rates, 4)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain), cmocka_unit_test(went_round), cmocka_unit_test(says_nothing),
		cmocka_unit_test(two_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
