/* SPDX-License-Identifier: MIT */
/*
 * The only instructions that touch user memory in the kernel. A fault in one of them that the program's page-fault path
 * cannot mend goes on at its fixup. Addresses were checked to be a user's by uaccess.c.
 */
#include "arch/x86/asm.h"

	.text
	/* u64 user_copy(void *dst, const void *src, u64 n): bytes that are left */
	.balign 16
	.globl user_copy
user_copy:
	movq %rdx, %rcx
	shrq $3, %rcx
	ASM_STAC
1:	rep movsq
	movl %edx, %ecx
	andl $7, %ecx
2:	rep movsb
3:	ASM_CLAC
	movq %rcx, %rax
	ret
4:	andl $7, %edx			/* in the words: up to the very byte that faults */
	leaq (%rdx, %rcx, 8), %rcx
5:	rep movsb
	jmp 3b
	EXTABLE(1b, 4b)
	EXTABLE(2b, 3b)
	EXTABLE(5b, 3b)

	/* u64 user_clear(void *dst, u64 n): bytes that are left */
	.balign 16
	.globl user_clear
user_clear:
	xorl %eax, %eax
	movq %rsi, %rcx
	shrq $3, %rcx
	ASM_STAC
1:	rep stosq
	movl %esi, %ecx
	andl $7, %ecx
2:	rep stosb
3:	ASM_CLAC
	movq %rcx, %rax
	ret
4:	andl $7, %esi
	leaq (%rsi, %rcx, 8), %rcx
	jmp 3b
	EXTABLE(1b, 4b)
	EXTABLE(2b, 3b)

	/* int user_get32(u32 *dst, u64 src) and friends: 0, or 1 on a fault */
	.balign 16
	.globl user_get32
user_get32:
	movl $1, %eax
	ASM_STAC
1:	movl (%rsi), %edx
	movl %edx, (%rdi)
	xorl %eax, %eax
2:	ASM_CLAC
	ret
	EXTABLE(1b, 2b)

	.globl user_get64
user_get64:
	movl $1, %eax
	ASM_STAC
1:	movq (%rsi), %rdx
	movq %rdx, (%rdi)
	xorl %eax, %eax
2:	ASM_CLAC
	ret
	EXTABLE(1b, 2b)

	/* int user_put32(u64 dst, u32 v) */
	.globl user_put32
user_put32:
	movl $1, %eax
	ASM_STAC
1:	movl %esi, (%rdi)
	xorl %eax, %eax
2:	ASM_CLAC
	ret
	EXTABLE(1b, 2b)

	.globl user_put64
user_put64:
	movl $1, %eax
	ASM_STAC
1:	movq %rsi, (%rdi)
	xorl %eax, %eax
2:	ASM_CLAC
	ret
	EXTABLE(1b, 2b)

	/* int user_cmpxchg32(u64 dst, u32 old, u32 new, u32 *seen) */
	.globl user_cmpxchg32
user_cmpxchg32:
	movl %esi, %eax
	ASM_STAC
1:	lock cmpxchgl %edx, (%rdi)
	ASM_CLAC
	movl %eax, (%rcx)
	xorl %eax, %eax
	ret
2:	ASM_CLAC
	movl $1, %eax
	ret
	EXTABLE(1b, 2b)

	.section .note.GNU-stack, "", @progbits
