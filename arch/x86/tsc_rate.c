/* SPDX-License-Identifier: MIT */
#include "arch/x86/tsc_rate.h"

#define MIN_TICKS	6000		/* of the PIT: 5 ms */
#define BLUR_PER_MILLE	2		/* how much of the time between may be doubt about when the looks were */
#define AGREE_PER_MILLE	3

u64 tsc_rate(const struct pit_sample *a, const struct pit_sample *b)
{
	u64 ticks = (u16)(a->count - b->count), tsc = b->tsc - a->tsc;

	if (a->ended || b->ended || b->count > a->count || ticks < MIN_TICKS)
		return 0;
	if ((a->width + b->width) / 2 > tsc / 1000 * BLUR_PER_MILLE)
		return 0;
	return tsc * PIT_HZ / ticks;
}

u64 tsc_rate_agreed(const u64 *rate, unsigned nr)
{
	u64 last = nr == 0 ? 0 : rate[nr - 1];

	for (unsigned i = 0; last != 0 && i < nr - 1; i++) {
		u64 apart = MAX(rate[i], last) - MIN(rate[i], last);

		if (apart <= last / 1000 * AGREE_PER_MILLE)
			return (rate[i] + last) / 2;
	}
	return 0;
}
