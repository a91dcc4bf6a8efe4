/* SPDX-License-Identifier: MIT */
/* several: runs programs that stand beside it, one after the other, until one fails. */
#define _GNU_SOURCE
#include "check.h"

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	char path[4096];
	int status;

	for (int i = 1; i < argc; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0) {
			snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash + 1 - argv[0]) : 0, argv[0], argv[i]);
			execl(path, argv[i], NULL);
			fail("%s: %s", path, strerror(errno));
		}
		CHECK(waitpid(child, &status, 0) == child);
		if (status != 0)
			fail("%s ended with %#x", argv[i], status);
	}
	return ok("");
}
