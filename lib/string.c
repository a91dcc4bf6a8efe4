/* SPDX-License-Identifier: MIT */
/*
 * Bytes and strings for the kernel. Copies are loops of 8-byte moves, eight at a time: under TCG that is faster than any
 * `rep` form (L39), elsewhere it is near enough. The compiler must not turn these loops into calls of themselves: see
 * CFLAGS_lib/string.c in arch/x86/build.mk.
 */
#include "lib/base/string.h"

typedef u64 __attribute__((may_alias, aligned(1))) word;

static void copy_forward(u8 *d, const u8 *s, size_t n)
{
	for (; n >= 64; n -= 64, d += 64, s += 64) {
		const word *from = (const word *)s;
		word *to = (word *)d;
		u64 a = from[0], b = from[1], c = from[2], e = from[3];
		u64 f = from[4], g = from[5], h = from[6], i = from[7];

		to[0] = a;
		to[1] = b;
		to[2] = c;
		to[3] = e;
		to[4] = f;
		to[5] = g;
		to[6] = h;
		to[7] = i;
	}
	for (; n >= 8; n -= 8, d += 8, s += 8)
		*(word *)d = *(const word *)s;
	for (; n > 0; n--)
		*d++ = *s++;
}

static void copy_backward(u8 *d, const u8 *s, size_t n)
{
	for (; n >= 8; n -= 8)
		*(word *)(d + n - 8) = *(const word *)(s + n - 8);
	for (; n > 0; n--)
		d[n - 1] = s[n - 1];
}

void *(memcpy)(void *dst, const void *src, size_t n)
{
	copy_forward(dst, src, n);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	if ((uintptr_t)dst - (uintptr_t)src >= n)	/* dst before src, or beyond its end */
		copy_forward(dst, src, n);
	else
		copy_backward(dst, src, n);
	return dst;
}

void *(memset)(void *dst, int c, size_t n)
{
	u64 v = (u8)c * 0x0101010101010101ULL;
	u8 *d = dst;

	for (; n >= 64; n -= 64, d += 64) {
		word *to = (word *)d;

		to[0] = v;
		to[1] = v;
		to[2] = v;
		to[3] = v;
		to[4] = v;
		to[5] = v;
		to[6] = v;
		to[7] = v;
	}
	for (; n >= 8; n -= 8, d += 8)
		*(word *)d = v;
	for (; n > 0; n--)
		*d++ = v;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	for (; n >= 8 && *(const word *)p == *(const word *)q; n -= 8) {
		p += 8;
		q += 8;
	}
	for (; n > 0; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	for (const u8 *p = s; n > 0; n--, p++)
		if (*p == (u8)c)
			return (void *)p;
	return NULL;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != 0)
		n++;
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != 0)
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a != 0 && *a == *b) {
		a++;
		b++;
	}
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n > 0; n--, a++, b++)
		if (*a != *b || *a == 0)
			return (u8)*a - (u8)*b;
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (*s == 0)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	for (;; s++) {
		if (*s == (char)c)
			last = s;
		if (*s == 0)
			return (char *)last;
	}
}

char *strstr(const char *hay, const char *needle)
{
	size_t n = strlen(needle);

	for (; *hay != 0 || n == 0; hay++) {
		if (strncmp(hay, needle, n) == 0)
			return (char *)hay;
		if (*hay == 0)
			break;
	}
	return NULL;
}
