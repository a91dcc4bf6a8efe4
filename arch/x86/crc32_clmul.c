/* SPDX-License-Identifier: MIT */
/*
 * CRC-32 with PCLMULQDQ, 64 bytes a step: a message of 128 bits more weighs as much as another one in their place, which two carry-less
 * products with powers of z modulo the polynomial make ("Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction", Intel, 2009). What is left are 16 bytes with the same CRC.
 *
 * The kernel leaves the vector registers to user threads: those used here are put back, and nobody else runs on the CPU meanwhile.
 * (An interrupt handler may: it finds and leaves the registers as they are, whatever it computes.)
 */
#include "arch/x86/crc32_clmul.h"
#include "lib/base/lock.h"
#include "lib/crc32.h"

#define STEP 64U

/* z^(512+32), z^(512-32), z^(128+32), z^(128-32), bits reversed */
static const u64 by_step[2] = { 0x154442bd4, 0x1c6e41596 }, by_word[2] = { 0x1751997d0, 0x0ccaa009e };

/* xmmN over the distance that xmm4 stands for, plus what is there */
#define FOLD(n, with)					\
	"movaps %%xmm" #n ", %%xmm5\n\t"		\
	"pclmulqdq $0x00, %%xmm4, %%xmm" #n "\n\t"	\
	"pclmulqdq $0x11, %%xmm4, %%xmm5\n\t"		\
	"pxor %%xmm5, %%xmm" #n "\n\t"			\
	with
#define WITH_BYTES(n, off) "movups " #off "(%[p]), %%xmm5\n\t" "pxor %%xmm5, %%xmm" #n "\n\t"
#define INTO(n, next) "pxor %%xmm" #n ", %%xmm" #next "\n\t"

/* steps: at least one */
static void fold(u32 reg, const u8 *p, size_t steps, u8 out[16])
{
	u8 kept[6 * 16];

	__asm__ volatile(
		"movups %%xmm0, (%[kept])\n\t" "movups %%xmm1, 16(%[kept])\n\t" "movups %%xmm2, 32(%[kept])\n\t"
		"movups %%xmm3, 48(%[kept])\n\t" "movups %%xmm4, 64(%[kept])\n\t" "movups %%xmm5, 80(%[kept])\n\t"
		"movups (%[p]), %%xmm0\n\t" "movups 16(%[p]), %%xmm1\n\t" "movups 32(%[p]), %%xmm2\n\t" "movups 48(%[p]), %%xmm3\n\t"
		"movd %[reg], %%xmm4\n\t" "pxor %%xmm4, %%xmm0\n\t"
		"movups (%[by_step]), %%xmm4\n\t"
		"jmp 2f\n"
	"1:\t"	"add $64, %[p]\n\t"
		FOLD(0, WITH_BYTES(0, 0)) FOLD(1, WITH_BYTES(1, 16)) FOLD(2, WITH_BYTES(2, 32)) FOLD(3, WITH_BYTES(3, 48))
	"2:\t"	"dec %[steps]\n\t"
		"jnz 1b\n\t"
		"movups (%[by_word]), %%xmm4\n\t"
		FOLD(0, INTO(0, 1)) FOLD(1, INTO(1, 2)) FOLD(2, INTO(2, 3))
		"movups %%xmm3, (%[out])\n\t"
		"movups (%[kept]), %%xmm0\n\t" "movups 16(%[kept]), %%xmm1\n\t" "movups 32(%[kept]), %%xmm2\n\t"
		"movups 48(%[kept]), %%xmm3\n\t" "movups 64(%[kept]), %%xmm4\n\t" "movups 80(%[kept]), %%xmm5\n\t"
		: [p] "+r"(p), [steps] "+r"(steps)
		: [reg] "r"(reg), [kept] "r"(kept), [out] "r"(out), [by_step] "r"(by_step), [by_word] "r"(by_word)
		: "memory", "cc");
}

u32 crc32_clmul(u32 reg, const void *p, size_t n)
{
	u8 rest[16];

	preempt_disable();
	fold(reg, p, n / STEP, rest);
	preempt_enable();
	return crc32_update(crc32_update(0, rest, sizeof(rest)), (const u8 *)p + n / STEP * STEP, n % STEP);
}
