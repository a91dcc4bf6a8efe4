/* SPDX-License-Identifier: MIT */
/*
 * In-kernel selftests, run at boot with `selftest=1` when CONFIG_SELFTEST=y; each prints `selftest NAME ok` or panics.
 *	SELFTEST(buddy_roundtrip) { ...; SELFTEST_CHECK(cond); }
 */
#ifndef KERNEL_SELFTEST_H
#define KERNEL_SELFTEST_H

#include "lib/base/printk.h"

struct selftest { const char *name; void (*fn)(void); };
#define SELFTEST(n)								\
	static void selftest_##n(void);						\
	static const struct selftest selftest_desc_##n __used __section(".selftest") = { #n, selftest_##n }; \
	static void selftest_##n(void)
#define SELFTEST_CHECK(cond) do { if (!(cond)) panic("selftest: %s:%d: %s", __FILE__, __LINE__, #cond); } while (0)
void selftests_run(void);

#endif
