/* SPDX-License-Identifier: MIT */
/* Strings beyond ISO C: numbers out of text, bounded copy. Byte moving is in lib/string.c. */
#include "lib/base/errno.h"
#include "lib/base/string.h"

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* The digits at s; *end is the first character that is none. -EINVAL: no digit, or more than 64 bits. */
static int digits(const char *s, u64 *out, const char **end)
{
	unsigned base = 10;
	u64 v = 0;
	const char *first;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	for (first = s; digit_value(*s) < (int)base; s++) {
		if (__builtin_mul_overflow(v, (u64)base, &v) || __builtin_add_overflow(v, (u64)digit_value(*s), &v))
			return -EINVAL;
	}
	*end = s;
	*out = v;
	return s == first ? -EINVAL : 0;
}

int str_to_u64(const char *s, u64 *out)
{
	const char *end;
	u64 v;

	if (digits(s, &v, &end) < 0 || *end != '\0')
		return -EINVAL;
	*out = v;
	return 0;
}

int str_to_size(const char *s, u64 *out)
{
	const char *end;
	unsigned shift = 0;
	u64 v;

	if (digits(s, &v, &end) < 0)
		return -EINVAL;
	switch (*end) {
	case 'k': case 'K': shift = 10; break;
	case 'm': case 'M': shift = 20; break;
	case 'g': case 'G': shift = 30; break;
	case 't': case 'T': shift = 40; break;
	}
	if (shift != 0)
		end++;
	if (*end != '\0' || (shift != 0 && v >> (64 - shift) != 0))
		return -EINVAL;
	*out = v << shift;
	return 0;
}

size_t str_copy(char *dst, const char *src, size_t size)
{
	size_t n = strlen(src);

	if (size != 0) {
		size_t k = MIN(n, size - 1);

		memcpy(dst, src, k);
		dst[k] = '\0';
	}
	return n;
}
