/* SPDX-License-Identifier: MIT */
/*
 * What it takes to tell the time, in a page of its own: programs have it mapped read-only beside the vDSO. Once clock_init()
 * has run only wall_offset changes, and that by one store.
 */
#ifndef ARCH_X86_CLOCK_PAGE_H
#define ARCH_X86_CLOCK_PAGE_H

#include "lib/base/types.h"

struct clock_page {
	u64 tsc_start;		/* [I] */
	u64 tsc_mult;		/* [I] monotonic ns = (TSC - tsc_start) * tsc_mult >> 32 */
	u64 wall_offset;	/* [a] Unix time in ns = that + wall_offset */
};

union clock_whole {			/* nothing else may stand in a page that programs read */
	struct clock_page page;
	u8 whole[4096];
};

#endif
