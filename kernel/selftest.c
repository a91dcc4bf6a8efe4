/* SPDX-License-Identifier: MIT */
/* Runs every SELFTEST() of the image, in the order of linking. A test that fails panics. */
#include "kernel/selftest.h"
#include "kernel/time.h"

extern const struct selftest selftest_start[], selftest_end[];	/* linker script */

void selftests_run(void)
{
	unsigned n = 0;

	for (const struct selftest *t = selftest_start; t < selftest_end; t++, n++) {
		u64 start = time_mono_ns();

		pr_info("selftest %s begins", t->name);
		t->fn();
		pr_info("selftest %s ok (%llu us)", t->name, (unsigned long long)(time_mono_ns() - start) / 1000);
	}
	pr_info("selftests: %u passed", n);
}
