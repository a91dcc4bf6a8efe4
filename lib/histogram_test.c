/* SPDX-License-Identifier: MIT */
/* Histograms: every value falls into a bucket near it, quantiles are those of the sorted values to 6 %. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/base/string.h"
#include "lib/histogram.h"

static struct histogram h;

static bool near(u64 a, u64 b) { return a <= b + b / 16 + 1 && b <= a + a / 16 + 1; }

static void one_value(void **state)
{
	for (unsigned log = 0; log < 63; log++) {
		for (int d = -1; d <= 1; d++) {
			u64 v = (1ULL << log) + d;

			memset(&h, 0, sizeof(h));
			histogram_add(&h, v);
			assert_int_equal(histogram_count(&h), 1);
			if (v < 1ULL << HISTOGRAM_MAX_LOG)
				assert_true(near(histogram_quantile(&h, 500), v));
			else	/* too large to tell apart */
				assert_true(histogram_quantile(&h, 500) >= 1ULL << (HISTOGRAM_MAX_LOG - 1));
		}
	}
}

static int order(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void quantiles(void **state)
{
	static u64 v[5000];
	u64 rng = 88172645463325252ULL;

	memset(&h, 0, sizeof(h));
	assert_int_equal(histogram_quantile(&h, 500), 0);
	for (unsigned i = 0; i < 5000; i++) {
		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		v[i] = rng >> (30 + i % 30);
		histogram_add(&h, v[i]);
	}
	qsort(v, 5000, sizeof(v[0]), order);
	assert_int_equal(histogram_count(&h), 5000);
	for (unsigned permille = 1; permille <= 1000; permille++)
		assert_true(near(histogram_quantile(&h, permille), v[5 * permille - 1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(one_value), cmocka_unit_test(quantiles) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
