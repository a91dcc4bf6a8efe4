/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C (Castagnoli), the checksum of ext4's metadata: reflected, polynomial 0x1EDC6F41, eight bytes a step by tables.
 * No inversion at either end: a caller that wants the textbook value starts with ~0 and inverts the result. A sum over
 * several pieces is made by handing the result of one to the next.
 */
#ifndef LIB_CRC32C_H
#define LIB_CRC32C_H

#include "lib/base/types.h"

u32 crc32c(u32 crc, const void *data, size_t len);

#endif
