/* SPDX-License-Identifier: MIT */
/* segv read|write|exec|text|kernel|noncanonical|div|ill|stack: dies by the signal that the mistake deserves. */
#include "check.h"

static int recurse(volatile char *above, unsigned long depth)
{
	volatile char here[4096];

	here[0] = above[0];
	return depth == 0 ? 0 : recurse(here, depth - 1) + here[0];
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "read";
	volatile int zero = 0, many = 100;
	static char data[] = "\xc3";
	char start = 0;

	ok("%s", how);
	if (strcmp(how, "read") == 0)
		return *(volatile int *)(uintptr_t)(zero + 16);
	else if (strcmp(how, "write") == 0)
		*(volatile int *)(uintptr_t)(zero + 16) = 1;
	else if (strcmp(how, "exec") == 0)
		((void (*)(void))(uintptr_t)data)();
	else if (strcmp(how, "text") == 0)
		*(volatile char *)(uintptr_t)&main = 0;
	else if (strcmp(how, "kernel") == 0)
		return *(volatile int *)0xffffffff80000000ul;
	else if (strcmp(how, "noncanonical") == 0)
		return *(volatile int *)0x8000000000000000ul;
	else if (strcmp(how, "div") == 0)
		return many / zero;
	else if (strcmp(how, "ill") == 0)
		__asm__ volatile("ud2");
	else if (strcmp(how, "stack") == 0)
		return recurse(&start, 1ul << 40);
	fail("still alive after '%s'", how);
}
