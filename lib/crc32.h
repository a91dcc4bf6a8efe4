/* SPDX-License-Identifier: MIT */
/* CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320): the register only, so that a CRC can be continued over pieces. */
#ifndef LIB_CRC32_H
#define LIB_CRC32_H

#include "lib/base/types.h"

/* The register after n more bytes. A whole Ethernet CRC is ~crc32_update(~0u, p, n). */
u32 crc32_update(u32 reg, const void *p, size_t n);

/*
 * Another way for long pieces, of CRC32_LONG_MIN bytes at least: the CPU's own instructions, where it has them. It is taken for
 * all to come if it gives what the one in use gives, and by the clock is faster on this machine (an emulated one may be slower).
 * true: it is. At boot, once, by one CPU.
 */
#define CRC32_LONG_MIN	288U
typedef u32 (*crc32_fn)(u32 reg, const void *p, size_t n);
bool crc32_offer(crc32_fn fn, u64 (*clock_ns)(void));

#endif
