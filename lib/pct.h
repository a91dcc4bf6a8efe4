/* SPDX-License-Identifier: MIT */
/* Percent-encoding of command-line values and control-port words: %XX for bytes <= 0x20, 0x7f and '%'. */
#ifndef LIB_PCT_H
#define LIB_PCT_H

#include "lib/base/types.h"

/*
 * Encode n bytes of src into dst, NUL-terminated. Returns the length that the whole takes without the NUL; >= size means that it
 * was cut, between two characters.
 */
size_t pct_encode(char *dst, size_t size, const void *src, size_t n);
/* Decode the string in place; returns its new length, or -EINVAL for a '%' that two hexadecimal digits do not follow. A decoded
 * NUL is -EINVAL too: values are C strings. */
int pct_decode(char *s);

#endif
