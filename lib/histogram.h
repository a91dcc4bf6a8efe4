/* SPDX-License-Identifier: MIT */
/*
 * How often which value came: buckets that grow with the value, 16 for each doubling, so that a quantile is right to 6 %.
 * Adding is one atomic increment, in any context; a reader sees some moment's state, bucket by bucket.
 */
#ifndef LIB_HISTOGRAM_H
#define LIB_HISTOGRAM_H

#include "lib/base/types.h"

#define HISTOGRAM_SUB		16			/* buckets a doubling */
#define HISTOGRAM_MAX_LOG	40			/* values from 2^40 on are counted in the last bucket */
#define HISTOGRAM_BUCKETS	((HISTOGRAM_MAX_LOG - 3) * HISTOGRAM_SUB)

struct histogram {				/* begins zeroed */
	u32 bucket[HISTOGRAM_BUCKETS];		/* [a] */
};

void histogram_add(struct histogram *h, u64 value);
u64 histogram_count(const struct histogram *h);
/* A value that permille of the values do not exceed (the middle of its bucket); 0 when there are none. */
u64 histogram_quantile(const struct histogram *h, unsigned permille);

#endif
