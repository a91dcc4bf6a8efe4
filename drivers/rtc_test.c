/* SPDX-License-Identifier: MIT */
/* SOURCES: drivers/rtc_time.c */
/* CMOS dates in all their forms, against the C library's calendar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include <time.h>
#include "drivers/rtc.h"

static u8 bcd(unsigned v)
{
	return v / 10 << 4 | v % 10;
}

static u64 unix_of(const struct rtc_registers *r)
{
	u64 s = 0;

	assert_int_equal(rtc_to_unix(r, &s), 0);
	return s;
}

static void test_calendar(void **state)
{
	/* from 1970 to 2100, somewhat over a day apart, in each of the four forms */
	for (u64 t = 0; t < 4102444800ULL; t += 86400 + 3607) {
		time_t when = t;
		struct tm tm;

		gmtime_r(&when, &tm);
		unsigned year = tm.tm_year + 1900, hour12 = tm.tm_hour % 12 ? tm.tm_hour % 12 : 12, pm = tm.tm_hour >= 12 ? 0x80 : 0;
		struct rtc_registers binary = { tm.tm_sec, tm.tm_min, tm.tm_hour, tm.tm_mday, tm.tm_mon + 1, year % 100,
						year / 100, 6 };
		struct rtc_registers coded = { bcd(tm.tm_sec), bcd(tm.tm_min), bcd(tm.tm_hour), bcd(tm.tm_mday),
					       bcd(tm.tm_mon + 1), bcd(year % 100), bcd(year / 100), 2 };

		assert_int_equal(unix_of(&binary), t);
		assert_int_equal(unix_of(&coded), t);
		binary.hour = hour12 | pm;
		binary.status_b = 4;
		assert_int_equal(unix_of(&binary), t);
		coded.hour = bcd(hour12) | pm;
		coded.status_b = 0;
		assert_int_equal(unix_of(&coded), t);
		coded.century = 0;
		if (year < 2070)
			assert_int_equal(unix_of(&coded), t);
	}
}

static void test_refused(void **state)
{
	struct rtc_registers good = { 0x59, 0x59, 0x23, 0x28, 0x02, 0x26, 0x20, 2 }, r;
	u64 s;

	assert_int_equal(rtc_to_unix(&good, &s), 0);
	r = good; r.second = 0x5a; assert_true(rtc_to_unix(&r, &s) < 0);
	r = good; r.second = 0x60; assert_true(rtc_to_unix(&r, &s) < 0);
	r = good; r.hour = 0x24; assert_true(rtc_to_unix(&r, &s) < 0);
	r = good; r.day = 0x29; assert_true(rtc_to_unix(&r, &s) < 0);	/* 2026 is no leap year */
	r = good; r.day = 0; assert_true(rtc_to_unix(&r, &s) < 0);
	r = good; r.month = 0x13; assert_true(rtc_to_unix(&r, &s) < 0);
	r = good; r.month = 0; assert_true(rtc_to_unix(&r, &s) < 0);
	memset(&r, 0xff, sizeof(r));
	assert_true(rtc_to_unix(&r, &s) < 0);				/* no chip */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_calendar), cmocka_unit_test(test_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
