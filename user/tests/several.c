/* SPDX-License-Identifier: MIT */
/* several: runs programs that stand beside it, one after the other, until one fails; NAME:ARGUMENT gives one an argument. */
#define _GNU_SOURCE
#include "check.h"

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	char path[4096];
	int status;

	for (int i = 1; i < argc; i++) {
		char *word = strchr(argv[i], ':');
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0) {
			if (word != NULL)
				*word++ = '\0';
			snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash + 1 - argv[0]) : 0, argv[0], argv[i]);
			execl(path, argv[i], word, NULL);
			fail("%s: %s", path, strerror(errno));
		}
		CHECK(waitpid(child, &status, 0) == child);
		if (status != 0)
			fail("%s ended with %#x", argv[i], status);
	}
	return ok("");
}
