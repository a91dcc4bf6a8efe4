/* SPDX-License-Identifier: MIT */
/* See siphash.h. */
#include "lib/siphash.h"

#include "lib/base/string.h"

struct sip { u64 a, b, c, d; };

static u64 rotl(u64 v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static void sip_rounds(struct sip *s, unsigned n)
{
	while (n-- != 0) {
		s->a += s->b; s->b = rotl(s->b, 13) ^ s->a; s->a = rotl(s->a, 32);
		s->c += s->d; s->d = rotl(s->d, 16) ^ s->c;
		s->a += s->d; s->d = rotl(s->d, 21) ^ s->a;
		s->c += s->b; s->b = rotl(s->b, 17) ^ s->c; s->c = rotl(s->c, 32);
	}
}

u64 siphash(const u8 key[16], const void *data, size_t n)
{
	const u8 *p = data;
	u64 k0, k1, word = (u64)n << 56, full;
	struct sip s;

	memcpy(&k0, key, 8);
	memcpy(&k1, key + 8, 8);
	s = (struct sip){ k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL, k0 ^ 0x6c7967656e657261ULL, k1 ^ 0x7465646279746573ULL };
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&full, p, 8);
		s.d ^= full;
		sip_rounds(&s, 2);
		s.a ^= full;
	}
	while (n-- != 0)
		word |= (u64)p[n] << (8 * n);
	s.d ^= word;
	sip_rounds(&s, 2);
	s.a ^= word;
	s.c ^= 0xff;
	sip_rounds(&s, 4);
	return s.a ^ s.b ^ s.c ^ s.d;
}
