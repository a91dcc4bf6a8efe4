/* SPDX-License-Identifier: MIT */
/* For tests: CRC-32 by its definition, a bit at a time. Takes and returns the register, as crc32_update() does. */
#ifndef LIB_CRC32_ORACLE_H
#define LIB_CRC32_ORACLE_H

#include "lib/crc32.h"

static inline u32 crc32_bitwise(u32 reg, const u8 *p, size_t n)
{
	while (n-- > 0) {
		reg ^= *p++;
		for (int i = 0; i < 8; i++)
			reg = reg & 1 ? reg >> 1 ^ 0xedb88320u : reg >> 1;
	}
	return reg;
}

#endif
