/* SPDX-License-Identifier: MIT */
/*
 * Sliced by 8: eight bytes a step, each looked up in the table of its distance from the end (L39: a byte-wise loop costs 19 us a
 * page under TCG). The tables are computed at first use: 2048 words are sooner made than read from an image.
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

u32 crc32_update(u32 reg, const void *p, size_t n)
{
	const u8 *s = p;

	if (unlikely(!load_acquire(&ready)))
		make_tables();
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
