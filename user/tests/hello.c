/* SPDX-License-Identifier: MIT */
/* hello [TEXT]: the least a program can do, by write(2) alone; TEXT goes to stderr. */
#include "check.h"

int main(int argc, char **argv)
{
	static const char text[] = "hello, world\nhello: OK\n";

	if (argc > 1 && write(2, argv[1], strlen(argv[1])) != (ssize_t)strlen(argv[1]))
		return 1;
	return write(1, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1 ? 0 : 1;
}
