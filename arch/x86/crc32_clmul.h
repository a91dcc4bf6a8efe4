/* SPDX-License-Identifier: MIT */
#ifndef ARCH_X86_CRC32_CLMUL_H
#define ARCH_X86_CRC32_CLMUL_H

#include "lib/base/types.h"

/* As crc32_update(), for n >= CRC32_LONG_MIN, on a CPU that has PCLMULQDQ. Any context but interrupts. */
u32 crc32_clmul(u32 reg, const void *p, size_t n);

#endif
