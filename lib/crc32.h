/* SPDX-License-Identifier: MIT */
/* CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320): the register only, so that a CRC can be continued over pieces. */
#ifndef LIB_CRC32_H
#define LIB_CRC32_H

#include "lib/base/types.h"

/* The register after n more bytes. A whole Ethernet CRC is ~crc32_update(~0u, p, n). */
u32 crc32_update(u32 reg, const void *p, size_t n);

#endif
