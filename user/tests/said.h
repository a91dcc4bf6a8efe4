/* SPDX-License-Identifier: MIT */
/* For programs whose output is compared with Linux's: each call as it is written, with what came of it. */
#ifndef USER_TESTS_SAID_H
#define USER_TESTS_SAID_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void said(const char *what, long rc)
{
	if (rc == -1)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %ld\n", what, rc);
	fflush(stdout);
}
#define TRY(call) said(#call, (long)(call))

#endif
