/* SPDX-License-Identifier: MIT */
/* What a file of /proc or /sys shows, by one read. */
#ifndef USER_TESTS_SHOWN_H
#define USER_TESTS_SHOWN_H

#include <fcntl.h>
#include <unistd.h>

#include "check.h"

static char text[65536];		/* until the next one */

static const char *shown(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	CHECK(n >= 0 && close(fd) == 0);
	text[n] = '\0';
	return text;
}

#endif
