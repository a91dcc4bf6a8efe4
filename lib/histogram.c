/* SPDX-License-Identifier: MIT */
/* Histograms; see histogram.h. */
#include "lib/histogram.h"

#define SUB_BITS 4
_Static_assert(1 << SUB_BITS == HISTOGRAM_SUB, "a doubling's buckets are told by the bits behind the first");

/* Small values have a bucket each; then the first bit says which doubling, the next four which part of it. */
static unsigned bucket_of(u64 value)
{
	unsigned log;

	if (value < HISTOGRAM_SUB)
		return value;
	log = 63 - __builtin_clzll(value);
	if (log >= HISTOGRAM_MAX_LOG)
		return HISTOGRAM_BUCKETS - 1;
	return (log - SUB_BITS + 1) * HISTOGRAM_SUB + (value >> (log - SUB_BITS) & (HISTOGRAM_SUB - 1));
}

static u64 middle_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < HISTOGRAM_SUB)
		return bucket;
	shift = bucket / HISTOGRAM_SUB - 1;
	return ((u64)(HISTOGRAM_SUB + bucket % HISTOGRAM_SUB) << shift) + ((1ULL << shift) >> 1);
}

void histogram_add(struct histogram *h, u64 value)
{
	__atomic_fetch_add(&h->bucket[bucket_of(value)], 1, __ATOMIC_RELAXED);
}

u64 histogram_count(const struct histogram *h)
{
	u64 n = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += __atomic_load_n(&h->bucket[i], __ATOMIC_RELAXED);
	return n;
}

u64 histogram_quantile(const struct histogram *h, unsigned permille)
{
	u64 wanted = (histogram_count(h) * permille + 999) / 1000, seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && wanted != 0; i++) {
		seen += __atomic_load_n(&h->bucket[i], __ATOMIC_RELAXED);
		if (seen >= wanted)
			return middle_of(i);
	}
	return 0;
}
