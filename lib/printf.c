/* SPDX-License-Identifier: MIT */
/*
 * ISO C's vsnprintf without floating point and wide characters: d i u o x X c s p %, the flags - + blank 0 #, width and precision
 * (also *), lengths hh h l ll z t j. Any context: it allocates nothing and keeps no state.
 */
#include "lib/base/printf.h"
#include "lib/base/string.h"

struct out {
	char *buf;
	size_t size, len;	/* len: what the whole takes */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_n(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

struct spec {
	bool left, plus, blank, zero, alt;
	int width, precision;	/* precision -1: none given */
};

static void put_text(struct out *o, const struct spec *s, const char *text, size_t n)
{
	int pad = s->width > (int)n ? s->width - (int)n : 0;

	if (!s->left)
		put_n(o, ' ', pad);
	for (size_t i = 0; i < n; i++)
		put(o, text[i]);
	if (s->left)
		put_n(o, ' ', pad);
}

static void put_number(struct out *o, const struct spec *s, u64 v, unsigned base, bool upper, const char *prefix)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24];
	int n = 0, zeros, pad, prefix_len = strlen(prefix);

	for (; v != 0; v /= base)
		text[n++] = digits[v % base];
	zeros = s->precision >= 0 ? s->precision - n : n == 0;
	if (zeros < 0)
		zeros = 0;
	if (base == 8 && s->alt && zeros == 0)
		zeros = 1;
	pad = s->width - prefix_len - zeros - n;
	if (s->zero && !s->left && s->precision < 0 && pad > 0) {
		zeros += pad;
		pad = 0;
	}
	if (!s->left)
		put_n(o, ' ', pad);
	while (*prefix != '\0')
		put(o, *prefix++);
	put_n(o, '0', zeros);
	while (n > 0)
		put(o, text[--n]);
	if (s->left)
		put_n(o, ' ', pad);
}

/* Decimal digits at *fmt, stopping short of overflow. */
static int read_number(const char **fmt)
{
	int v = 0;

	while (**fmt >= '0' && **fmt <= '9') {
		if (v < 100000)
			v = v * 10 + (**fmt - '0');
		(*fmt)++;
	}
	return v;
}

static const char *read_flags(const char *fmt, struct spec *s)
{
	for (;; fmt++) {
		switch (*fmt) {
		case '-': s->left = true; break;
		case '+': s->plus = true; break;
		case ' ': s->blank = true; break;
		case '0': s->zero = true; break;
		case '#': s->alt = true; break;
		default:
			return fmt;
		}
	}
}

/* Bytes of the integer that the length letters at *fmt name. */
static unsigned read_length(const char **fmt)
{
	const char *f = *fmt;
	unsigned bytes = 4;

	switch (*f) {
	case 'h':
		bytes = f[1] == 'h' ? 1 : 2;
		f += bytes == 1 ? 2 : 1;
		break;
	case 'l':
		bytes = 8;
		f += f[1] == 'l' ? 2 : 1;
		break;
	case 'z': case 't': case 'j':
		bytes = 8;
		f++;
		break;
	}
	*fmt = f;
	return bytes;
}

static s64 sign_extend(u64 v, unsigned bytes)
{
	unsigned shift = 64 - bytes * 8;

	return (s64)(v << shift) >> shift;
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { buf, size, 0 };

	while (*fmt != '\0') {
		struct spec s = { .precision = -1 };
		unsigned bytes;
		u64 v = 0;
		char c;

		if (*fmt != '%') {
			put(&o, *fmt++);
			continue;
		}
		fmt = read_flags(fmt + 1, &s);
		if (*fmt == '*') {
			s.width = va_arg(ap, int);
			if (s.width < 0) {
				s.left = true;
				s.width = -s.width;
			}
			fmt++;
		} else {
			s.width = read_number(&fmt);
		}
		if (*fmt == '.') {
			fmt++;
			if (*fmt == '*') {
				s.precision = va_arg(ap, int);
				fmt++;
			} else {
				s.precision = read_number(&fmt);
			}
		}
		bytes = read_length(&fmt);
		c = *fmt;
		if (c == '\0')
			break;
		fmt++;
		if (c == 'd' || c == 'i' || c == 'u' || c == 'o' || c == 'x' || c == 'X') {
			v = bytes == 8 ? va_arg(ap, u64) : va_arg(ap, unsigned int);
			if (bytes < 8)
				v &= (1ULL << bytes * 8) - 1;
		}
		switch (c) {
		case 'd': case 'i': {
			s64 d = sign_extend(v, bytes);

			put_number(&o, &s, d < 0 ? -(u64)d : (u64)d, 10, false, d < 0 ? "-" : s.plus ? "+" : s.blank ? " " : "");
			break;
		}
		case 'u':
			put_number(&o, &s, v, 10, false, "");
			break;
		case 'o':
			put_number(&o, &s, v, 8, false, "");
			break;
		case 'x': case 'X':
			put_number(&o, &s, v, 16, c == 'X', s.alt && v != 0 ? (c == 'X' ? "0X" : "0x") : "");
			break;
		case 'p':
			put_number(&o, &s, (u64)(uintptr_t)va_arg(ap, void *), 16, false, "0x");
			break;
		case 'c': {
			char ch = va_arg(ap, int);

			put_text(&o, &s, &ch, 1);
			break;
		}
		case 's': {
			const char *text = va_arg(ap, const char *);

			if (text == NULL)
				text = "(null)";
			put_text(&o, &s, text, s.precision >= 0 ? strnlen(text, s.precision) : strlen(text));
			break;
		}
		case '%':
			put(&o, '%');
			break;
		default:		/* show the mistake */
			put(&o, '%');
			put(&o, c);
		}
	}
	if (size != 0)
		buf[MIN(o.len, size - 1)] = '\0';
	return o.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
