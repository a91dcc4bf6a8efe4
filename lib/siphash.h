/* SPDX-License-Identifier: MIT */
/* SipHash-2-4: a keyed hash for tables whose keys an enemy may choose, and for tokens that only the key's holder can make. */
#ifndef LIB_SIPHASH_H
#define LIB_SIPHASH_H

#include "lib/base/types.h"

struct siphash_key { u64 k0, k1; };

u64 siphash(const struct siphash_key *key, const void *p, size_t n);

#endif
