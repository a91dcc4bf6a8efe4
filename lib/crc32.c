/* SPDX-License-Identifier: MIT */
/*
 * Short pieces are sliced by 8: eight bytes a step, each looked up in the table of its distance from the end (L39: a byte-wise loop
 * costs 19 us a page under TCG). The tables are computed at first use: 2048 words are sooner made than read from an image.
 *
 * Long ones are folded first, with no table: under TCG a load costs ten times what a shift costs. The CRC's polynomial divides
 * 1 + z^128 + z^393 + z^423 + z^448 + z^530 + z^576, z being one place further on in the message. So a bit may be taken out of a
 * message when the bits 128, 393, 423, 448, 530 and 576 places further on are flipped for it, and the CRC stays. All words but the last
 * ones are taken out like that: what a word has become when its turn comes is itself and the flips by those before it, of
 * which the last nine are remembered.
 */
#include "lib/base/atomic.h"
#include "lib/crc32.h"

static u32 table[8][256];
static bool ready;

/* Two CPUs may both fill the tables: they store the same values. */
static void make_tables(void)
{
	for (unsigned i = 0; i < 256; i++) {
		u32 c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
		WRITE_ONCE(table[0][i], c);
	}
	for (unsigned i = 0; i < 256; i++) {
		u32 c = table[0][i];

		for (int k = 1; k < 8; k++) {
			c = c >> 8 ^ table[0][c & 0xff];
			WRITE_ONCE(table[k][i], c);
		}
	}
	store_release(&ready, true);
}

static u32 sliced(u32 reg, const u8 *s, size_t n)
{
	for (; n >= 8; n -= 8, s += 8) {
		u64 v;

		__builtin_memcpy(&v, s, 8);
		v ^= reg;
		reg = table[7][v & 0xff] ^ table[6][v >> 8 & 0xff] ^ table[5][v >> 16 & 0xff] ^ table[4][v >> 24 & 0xff] ^
		      table[3][v >> 32 & 0xff] ^ table[2][v >> 40 & 0xff] ^ table[1][v >> 48 & 0xff] ^ table[0][v >> 56];
	}
	while (n-- > 0)
		reg = reg >> 8 ^ table[0][(reg ^ *s++) & 0xff];
	return reg;
}

#define FOLD_WORDS	9U
#define FOLD_BYTES	(8 * FOLD_WORDS)
#define FOLD_MIN	(4 * FOLD_BYTES)	/* shorter: not worth it */

static inline u64 word_at(const u8 *s, unsigned i)
{
	u64 v;

	__builtin_memcpy(&v, s + 8 * i, 8);
	return v;
}

/* The word with the flips by those 9, 8, 7, 6 and 2 before it: 576 and 530, 530, 448, 423 and 393, 423 and 393, 128 places. */
static inline u64 flipped(u64 word, u64 w9, u64 w8, u64 w7, u64 w6, u64 w2)
{
	return word ^ w9 ^ w9 >> 46 ^ w8 << 18 ^ w7 ^ w7 >> 25 ^ w7 >> 55 ^ w6 << 39 ^ w6 << 9 ^ w2;
}

/* At least 2 * FOLD_BYTES. The words after those that were taken out have the flips in a copy. */
static u32 folded(u32 reg, const void *p, size_t n)
{
	const u8 *s = p;
	u64 a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0, in = reg;

	for (; n >= 2 * FOLD_BYTES; n -= FOLD_BYTES, s += FOLD_BYTES) {
		a = flipped(word_at(s, 0) ^ in, a, b, c, d, h);
		b = flipped(word_at(s, 1), b, c, d, e, i);
		c = flipped(word_at(s, 2), c, d, e, f, a);
		d = flipped(word_at(s, 3), d, e, f, g, b);
		e = flipped(word_at(s, 4), e, f, g, h, c);
		f = flipped(word_at(s, 5), f, g, h, i, d);
		g = flipped(word_at(s, 6), g, h, i, a, e);
		h = flipped(word_at(s, 7), h, i, a, b, f);
		i = flipped(word_at(s, 8), i, a, b, c, g);
		in = 0;
	}
	u64 w[2 * FOLD_WORDS] = { a, b, c, d, e, f, g, h, i }, rest[FOLD_WORDS];	/* those to come flip nothing any more */

	for (unsigned k = 0; k < FOLD_WORDS; k++)
		rest[k] = flipped(word_at(s, k), w[k], w[k + 1], w[k + 2], w[k + 3], w[k + 7]);
	return sliced(sliced(0, (const u8 *)rest, FOLD_BYTES), s + FOLD_BYTES, n - FOLD_BYTES);
}

_Static_assert(FOLD_MIN == CRC32_LONG_MIN, "one limit for all");
static crc32_fn long_way = folded;		/* [I] after boot */

u32 crc32_update(u32 reg, const void *p, size_t n)
{
	if (unlikely(!load_acquire(&ready)))
		make_tables();
	return n >= FOLD_MIN ? long_way(reg, p, n) : sliced(reg, p, n);
}

/* The shortest of some runs over the tables, which are as good as any bytes. */
static u64 time_of(crc32_fn fn, u64 (*clock_ns)(void), u32 *crc)
{
	u64 best = ~0ULL;

	for (unsigned i = 0; i < 8; i++) {
		u64 start = clock_ns();

		*crc = fn(~0u, table, 4096);
		best = MIN(best, clock_ns() - start);
	}
	return best;
}

bool crc32_offer(crc32_fn fn, u64 (*clock_ns)(void))
{
	u32 ours, theirs;
	u64 now, then;

	make_tables();
	now = time_of(long_way, clock_ns, &ours);
	then = time_of(fn, clock_ns, &theirs);
	if (ours != theirs || then >= now)
		return false;
	long_way = fn;
	return true;
}
