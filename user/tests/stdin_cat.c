/* SPDX-License-Identifier: MIT */
/* stdin_cat: copies stdin to stdout, byte for byte; its own line goes to stderr. */
#include "check.h"

int main(void)
{
	static char buffer[65536];
	unsigned long long total = 0;
	ssize_t n, done;

	while ((n = read(0, buffer, sizeof(buffer))) > 0) {
		total += (unsigned long long)n;
		for (ssize_t at = 0; at < n; at += done) {
			done = write(1, buffer + at, (size_t)(n - at));
			CHECK(done > 0);
		}
	}
	CHECK(n == 0);
	fprintf(stderr, "stdin_cat: OK %llu bytes\n", total);
	return 0;
}
