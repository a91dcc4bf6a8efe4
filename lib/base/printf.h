/* SPDX-License-Identifier: MIT */
/* Formatting into a buffer: ISO C's snprintf, without floating point. */
#ifndef LIB_BASE_PRINTF_H
#define LIB_BASE_PRINTF_H

#include "lib/base/types.h"

int snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);

#endif
