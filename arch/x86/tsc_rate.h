/* SPDX-License-Identifier: MIT */
/* The TSC's rate from samples of the 8254 PIT: the arithmetic, without the ports. Any context. */
#ifndef ARCH_X86_TSC_RATE_H
#define ARCH_X86_TSC_RATE_H

#include "lib/base/types.h"

#define PIT_HZ		1193182ULL

struct pit_sample {		/* one look at a counter that counts down once (mode 0) */
	u64 tsc;		/* in the middle of the look */
	u64 width;		/* TSC ticks that it took */
	u16 count;
	bool ended;		/* it has passed 0: its count means nothing any more */
};

/* Hz of the TSC between two looks at one run of the counter; 0: too short, too blurred or too late to tell. */
u64 tsc_rate(const struct pit_sample *a, const struct pit_sample *b);

/*
 * Measured rates, one after another: Hz as soon as the newest, rate[nr - 1], agrees with an earlier one; 0: not yet. A virtual
 * CPU may be off its host CPU at any point of a measurement: only what comes out twice is believed.
 */
u64 tsc_rate_agreed(const u64 *rate, unsigned nr);

#endif
