/* SPDX-License-Identifier: MIT */
/* Bytes and strings; the names and meanings of ISO C. Copies move 8 bytes at a time or wider (lesson L39). */
#ifndef LIB_BASE_STRING_H
#define LIB_BASE_STRING_H

#include "lib/base/types.h"

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
#ifndef TANGRAM_HOST
/*
 * A few words of a length that the compiler knows are some moves, sooner done than the call. Functions, since an argument may have
 * commas of its own; they see the length as a constant once they are inlined.
 */
#define STRING_INLINE_MAX 64
#define string_is_short(n)	(__builtin_constant_p(n) && (n) <= STRING_INLINE_MAX)
static __always_inline void *memcpy_inline(void *dst, const void *src, size_t n)
{
	return string_is_short(n) ? __builtin_memcpy(dst, src, n) : (memcpy)(dst, src, n);
}
static __always_inline void *memset_inline(void *dst, int c, size_t n)
{
	return string_is_short(n) ? __builtin_memset(dst, c, n) : (memset)(dst, c, n);
}
#define memcpy(...)	memcpy_inline(__VA_ARGS__)
#define memset(...)	memset_inline(__VA_ARGS__)
#endif
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *hay, const char *needle);

/* Copies at most size-1 bytes and always terminates. Returns the length of src; >= size means cut. */
size_t str_copy(char *dst, const char *src, size_t size);
/* "64k", "16M", "1G", "12" -> bytes. 0, or -EINVAL on junk or overflow. */
int str_to_size(const char *s, u64 *out);
/* decimal or 0x hexadecimal; the whole string must be the number */
int str_to_u64(const char *s, u64 *out);

static inline void page_copy(void *dst, const void *src) { memcpy(dst, src, PAGE_SIZE); }
static inline void page_zero(void *dst) { memset(dst, 0, PAGE_SIZE); }

#endif
