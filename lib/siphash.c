/* SPDX-License-Identifier: MIT */
/* After the paper of Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), sections 2.1 to 2.4. */
#include "lib/siphash.h"

static inline u64 rotl(u64 x, unsigned n) { return x << n | x >> (64 - n); }

static void rounds(u64 v[4], int n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] = rotl(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] = rotl(v[2], 32);
	}
}

u64 siphash(const struct siphash_key *key, const void *p, size_t n)
{
	u64 v[4] = {
		key->k0 ^ 0x736f6d6570736575ULL, key->k1 ^ 0x646f72616e646f6dULL,
		key->k0 ^ 0x6c7967656e657261ULL, key->k1 ^ 0x7465646279746573ULL,
	};
	const u8 *s = p;
	u64 m, last = (u64)n << 56;

	for (size_t left = n / 8; left > 0; left--, s += 8) {
		__builtin_memcpy(&m, s, 8);
		v[3] ^= m;
		rounds(v, 2);
		v[0] ^= m;
	}
	for (size_t i = 0; i < n % 8; i++)
		last |= (u64)s[i] << (8 * i);
	v[3] ^= last;
	rounds(v, 2);
	v[0] ^= last;
	v[2] ^= 0xff;
	rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
