/* SPDX-License-Identifier: MIT */
#include "lib/base/errno.h"
#include "lib/pct.h"

static bool is_plain(u8 c) { return c > 0x20 && c != 0x7f && c != '%'; }

size_t pct_encode(char *dst, size_t size, const void *src, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";
	const u8 *s = src;
	size_t len = 0, end = 0;	/* end: of what fits */

	for (size_t i = 0; i < n; i++) {
		size_t k = is_plain(s[i]) ? 1 : 3;

		if (len == end && len + k < size) {
			if (k == 1) {
				dst[len] = s[i];
			} else {
				dst[len] = '%';
				dst[len + 1] = hex[s[i] >> 4];
				dst[len + 2] = hex[s[i] & 15];
			}
			end += k;
		}
		len += k;
	}
	if (size != 0)
		dst[end] = '\0';
	return len;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int pct_decode(char *s)
{
	char *out = s, *start = s;

	while (*s != '\0') {
		int hi, lo;

		if (*s != '%') {
			*out++ = *s++;
			continue;
		}
		hi = hex_value(s[1]);
		lo = hi < 0 ? -1 : hex_value(s[2]);
		if (lo < 0 || (hi == 0 && lo == 0))
			return -EINVAL;
		*out++ = hi << 4 | lo;
		s += 3;
	}
	*out = '\0';
	return out - start;
}
