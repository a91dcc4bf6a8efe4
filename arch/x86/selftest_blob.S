/* SPDX-License-Identifier: MIT */
/*
 * A program for selftest_user.c, copied to a page of its own. It starts with rdi: a pattern, rsi: rounds. System calls
 * (numbers of our own): 1 yield(pattern), 2 exit(code), 3 peek.
 */
	.section .rodata.selftest_blob, "a"
	.balign 16
	.globl selftest_blob, selftest_blob_end, selftest_blob_fault, selftest_blob_avx
selftest_blob:
	movq %rdi, %rbx			/* the pattern lives in all that a system call keeps */
	movq %rsi, %rbp
	movq %rbx, %r12
	movq %rbx, %r13
	movq %rbx, %r14
	movq %rbx, %r15
	movq %rbx, %r8
	movq %rbx, %r9
	movq %rbx, %r10
	movq %rbx, %xmm0
	punpcklqdq %xmm0, %xmm0
	movdqa %xmm0, %xmm7
	movdqa %xmm0, %xmm15
1:	movl $1, %eax
	movq %rbx, %rdi
	movq %rbx, %rsi
	movq %rbx, %rdx
	syscall
	cmpq %rbx, %rdi			/* arguments, callee-saved and the rest are kept */
	jne bad
	cmpq %rbx, %rsi
	jne bad
	cmpq %rbx, %rdx
	jne bad
	cmpq %rbx, %r8
	jne bad
	cmpq %rbx, %r9
	jne bad
	cmpq %rbx, %r10
	jne bad
	cmpq %rbx, %r12
	jne bad
	cmpq %rbx, %r13
	jne bad
	cmpq %rbx, %r14
	jne bad
	cmpq %rbx, %r15
	jne bad
	cmpq %rbx, %rax			/* yield returns its argument */
	jne bad
	movl $2000, %ecx		/* long enough to be interrupted */
2:	movdqa %xmm7, %xmm1
	pcmpeqb %xmm15, %xmm1
	pmovmskb %xmm1, %eax
	cmpl $0xffff, %eax
	jne bad
	movq %xmm0, %rax
	cmpq %rbx, %rax
	jne bad
	cmpq %rbx, %fs:0		/* our own page, of which the first word is the pattern */
	jne bad
	decl %ecx
	jnz 2b
	decq %rbp
	jnz 1b
	xorl %edi, %edi
	jmp out
bad:	movl $1, %edi
out:	movl $2, %eax
	syscall
	ud2

	/* the same with the upper halves of YMM registers */
selftest_blob_avx:
	movq %rdi, %rbx
	movq %rsi, %rbp
	movq %rbx, %xmm0
	vpunpcklqdq %xmm0, %xmm0, %xmm0
	vinsertf128 $1, %xmm0, %ymm0, %ymm7
	vmovaps %ymm7, %ymm12
1:	movl $1, %eax
	movq %rbx, %rdi
	syscall
	movl $1000, %ecx
2:	vextractf128 $1, %ymm12, %xmm1
	vmovq %xmm1, %rax
	cmpq %rbx, %rax
	jne bad
	vextractf128 $1, %ymm7, %xmm1
	vpextrq $1, %xmm1, %rax
	cmpq %rbx, %rax
	jne bad
	decl %ecx
	jnz 2b
	decq %rbp
	jnz 1b
	xorl %edi, %edi
	jmp out

	/* faults, one after the other: the kernel's side counts them and steps over; rdi: an address that is the kernel's */
selftest_blob_fault:
	ud2				/* 2 bytes, vector 6 */
	int3				/* reported behind it, vector 3 */
	xorl %ecx, %ecx
	divl %ecx			/* 2 bytes, vector 0 */
	.byte 0xcd, 0x80		/* int $0x80, 2 bytes, vector 13 */
	movb (%rdi), %al		/* 2 bytes, vector 14, a page that is there but not ours */
	movb %al, (%rdi)
	cli				/* 1 byte, vector 13; */
	nop
	pushfq				/* AC set by the program must not open user memory to the kernel */
	orq $0x40000, (%rsp)
	popfq
	movl $1, %eax
	syscall
	pushfq
	andq $~0x40000, (%rsp)
	popfq
	movabsq $0x8000000000000000, %rax
	jmp *%rax			/* vector 13 at a rip that IRET would not take: ends this program */
selftest_blob_end:

	.section .note.GNU-stack, "", @progbits
