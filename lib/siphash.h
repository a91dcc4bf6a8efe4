/* SPDX-License-Identifier: MIT */
/* SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed 64-bit hash, for what an enemy may choose and for authentication. */
#ifndef LIB_SIPHASH_H
#define LIB_SIPHASH_H

#include "lib/base/types.h"

u64 siphash(const u8 key[16], const void *data, size_t n);

#endif
