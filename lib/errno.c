/* SPDX-License-Identifier: MIT */
/* Names of error numbers, for logs and the control port. */
#include "lib/base/errno.h"

const char *errno_name(int err)
{
	switch (err < 0 ? -err : err) {
	case 0:
		return "OK";
#define ERRNO_CASE(n, v) case v: return #n;
	ERRNO_LIST(ERRNO_CASE)
#undef ERRNO_CASE
	default:
		return "E?";
	}
}
