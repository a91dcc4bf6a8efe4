/* SPDX-License-Identifier: MIT */
/* CRC-32C, slicing by eight: table[k][b] is the sum of byte b followed by k zero bytes. */
#include "lib/crc32c.h"
#include "lib/base/atomic.h"
#include "lib/base/string.h"

#define CRC32C_POLY 0x82f63b78u		/* 0x1EDC6F41, bits reversed */

static u32 table[8][256];
static bool table_ready;

/* Two first callers may both fill the table: they write the same values. */
static void table_fill(void)
{
	for (unsigned b = 0; b < 256; b++) {
		u32 c = b;

		for (int i = 0; i < 8; i++)
			c = c & 1 ? (c >> 1) ^ CRC32C_POLY : c >> 1;
		table[0][b] = c;
	}
	for (unsigned b = 0; b < 256; b++) {
		for (int k = 1; k < 8; k++)
			table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xff];
	}
	store_release(&table_ready, true);	/* A: pairs with crc32c() */
}

u32 crc32c(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;

	if (unlikely(!load_acquire(&table_ready)))
		table_fill();
	for (; len >= 8; len -= 8, p += 8) {
		u64 w;

		memcpy(&w, p, 8);
		w ^= crc;
		crc = table[7][w & 0xff] ^ table[6][(w >> 8) & 0xff] ^ table[5][(w >> 16) & 0xff] ^
		      table[4][(w >> 24) & 0xff] ^ table[3][(w >> 32) & 0xff] ^ table[2][(w >> 40) & 0xff] ^
		      table[1][(w >> 48) & 0xff] ^ table[0][w >> 56];
	}
	for (; len > 0; len--, p++)
		crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
	return crc;
}
