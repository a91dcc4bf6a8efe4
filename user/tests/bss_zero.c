/* SPDX-License-Identifier: MIT */
/* bss_zero: .bss is zero though it begins in the middle of a page of the file (lesson: L3), and .data is as linked. */
#include "check.h"

static volatile unsigned char data[333] = { [0] = 1, [332] = 2 };
static volatile unsigned char bss[3 * 4096 + 77];

int main(void)
{
	size_t sum = 0;

	CHECK(data[0] == 1 && data[332] == 2);
	for (size_t i = 1; i < 332; i++)
		CHECK(data[i] == 0);
	for (size_t i = 0; i < sizeof(bss); i++)
		CHECK(bss[i] == 0);
	for (size_t i = 0; i < sizeof(bss); i++)
		bss[i] = (unsigned char)i;
	for (size_t i = 0; i < sizeof(bss); i++)
		sum += bss[i] == (unsigned char)i;
	CHECK(sum == sizeof(bss));
	CHECK(data[0] == 1 && data[332] == 2);
	return ok("");
}
