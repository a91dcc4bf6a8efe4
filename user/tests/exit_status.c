/* SPDX-License-Identifier: MIT */
/* exit_status N | exit_status -s N: ends with status N, or by signal N. */
#include <signal.h>

#include "check.h"

int main(int argc, char **argv)
{
	unsigned long n;

	if (argc == 3 && strcmp(argv[1], "-s") == 0) {
		n = number_arg(argc, argv, 2, 0);
		ok("signal %lu", n);
		raise((int)n);
		fail("signal %lu did not end the program", n);
	}
	n = number_arg(argc, argv, 1, 0);
	ok("%lu", n);
	return (int)n;
}
