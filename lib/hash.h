/* SPDX-License-Identifier: MIT */
/*
 * Mixing of integers into hash values: each input bit moves each output bit with a chance near one half. Not for keys
 * that an enemy chooses; that is lib/siphash.h. Take the upper bits with hash_bits().
 */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include "lib/base/types.h"

/* A bijection of 64 bits: two rounds of xor-shift and multiply by odd constants. */
static inline u64 hash64(u64 x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	return x;
}

static inline u64 hash64_2(u64 a, u64 b) { return hash64(hash64(a) + 0x9e3779b97f4a7c15ULL + b); }

/*
 * For a place in [0, 2^64) by (space, index), of which a table takes n * hash_range() >> 64: indexes that follow each other lie
 * evenly, as multiples of the golden ratio do, however large the table is. Where a stretch of 2^stretch of them begins is hashed, so that
 * spaces do not lie alike, and that a stride which comes back to the same place does so for a stretch only. But many stretches are
 * as uneven together as chance is: one is as long as the table has entries (hash_stretch()).
 */
#define HASH_STRETCH_LEAST	10
static inline unsigned hash_stretch(u64 entries)
{
	unsigned stretch = HASH_STRETCH_LEAST;

	while (1ULL << stretch < entries)
		stretch++;
	return stretch;
}

static inline u64 hash_range(u64 space, u64 index, unsigned stretch)
{
	return hash64_2(space, index >> stretch) + index * 0x9e3779b97f4a7c15ULL;
}

/* A value below 2^bits, bits 1..63 */
static inline u64 hash_bits(u64 x, unsigned bits) { return hash64(x) >> (64 - bits); }

/* Bytes, for tables keyed by strings */
static inline u64 hash_bytes(const void *p, size_t n)
{
	const u8 *s = p;
	u64 h = 0xcbf29ce484222325ULL ^ n;

	for (size_t i = 0; i < n; i++)
		h = (h ^ s[i]) * 0x100000001b3ULL;
	return hash64(h);
}

#endif
