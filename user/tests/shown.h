/* SPDX-License-Identifier: MIT */
/* What a file of /proc or /sys shows: all of it, where one read gives it in parts, too. */
#ifndef USER_TESTS_SHOWN_H
#define USER_TESTS_SHOWN_H

#include <fcntl.h>
#include <unistd.h>

#include "check.h"

static char text[65536];		/* until the next one */

static const char *shown(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	CHECK(n == 0 && close(fd) == 0);
	text[len] = '\0';
	return text;
}

#endif
