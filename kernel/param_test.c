/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/param.h"
#include "shim.h"
#include "lib/base/types.h"

static void values(void **state)
{
	param_init("  fit.node=7 pcache.size=16M init=/bin/prog init.arg=a%20b init.arg= init.arg=%25 selftest quiet=off fit.node=9 "
		   "fit.suspect=500ms t=10us hex=0x1F\n");
	assert_int_equal(param_u64("fit.node", 1, 1, 62), 9);
	assert_int_equal(param_size("pcache.size", 0, 0, ~0ULL), MIB(16));
	assert_string_equal(param_str("init", "x"), "/bin/prog");
	assert_string_equal(param_nth("init.arg", 0), "a b");
	assert_string_equal(param_nth("init.arg", 1), "");
	assert_string_equal(param_nth("init.arg", 2), "%");
	assert_null(param_nth("init.arg", 3));
	assert_null(param_nth("init.env", 0));
	assert_true(param_bool("selftest", false));
	assert_false(param_bool("quiet", true));
	assert_true(param_bool("missing", true));
	assert_int_equal(param_ns("fit.suspect", 0, 0, ~0ULL), 500 * NSEC_PER_MSEC);
	assert_int_equal(param_ns("t", 0, 0, ~0ULL), 10000);
	assert_int_equal(param_u64("hex", 0, 0, 100), 31);
	assert_null(param_str("none", NULL));
	assert_int_equal(param_errors(), 0);
	shim_warnings = 0;
	param_warn_unknown();
	assert_int_equal(shim_warnings, 0);
}

static void mistakes(void **state)
{
	param_init("a=12x b=100 c=5q d=maybe e=%zz f=99999999999999999999 g= known typo=1");
	assert_int_equal(param_u64("a", 3, 0, 100), 3);
	assert_int_equal(param_u64("b", 4, 0, 99), 4);
	assert_int_equal(param_size("c", 5, 0, 99), 5);
	assert_true(param_bool("d", true));
	assert_null(param_str("e", NULL));
	assert_int_equal(param_u64("f", 6, 0, ~0ULL), 6);
	assert_int_equal(param_ns("g", 7, 0, ~0ULL), 7);
	assert_int_equal(param_errors(), 7);
	assert_true(param_bool("known", false));
	shim_warnings = 0;
	param_warn_unknown();
	assert_int_equal(shim_warnings, 1);
}

static void too_long(void **state)
{
	static char line[6000];

	memset(line, 'x', sizeof(line) - 1);
	param_init(line);
	assert_int_equal(param_errors(), 1);
	for (unsigned i = 0; i < sizeof(line) - 1; i++)
		line[i] = i % 2 ? ' ' : 'y';
	line[4000] = '\0';
	param_init(line);
	assert_int_equal(param_errors(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(values), cmocka_unit_test(mistakes), cmocka_unit_test(too_long) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
