/* SPDX-License-Identifier: MIT */
/*
 * Marks in a program that bench/marks_plugin.c sees pass: MARK(n), 0 < n < NR_MARKS, begins an interval, MARK(0) ends it. To the
 * machine they are a NOP of seven bytes in a block of its own.
 */
#ifndef BENCH_MARK_H
#define BENCH_MARK_H

#define NR_MARKS	32
#define MARK_CODE	0x0f, 0x1f, 0x80	/* nopl WORD(%rax) */
#define MARK_WORD	0x4d524b00	/* the lowest byte is the number of the mark */
#define MARK_INSNS	2			/* of an interval with nothing in it */

#define MARK(n)								\
	__asm__ volatile("jmp 1f\n1:\t.byte 0x0f, 0x1f, 0x80\n\t.long %c0\n\tjmp 2f\n2:" :: "i"(MARK_WORD | (n)) : "memory")

#endif
