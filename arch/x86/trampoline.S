/* SPDX-License-Identifier: MIT */
/*
 * Where another CPU wakes up: real mode, at TRAMPOLINE_PHYS, to which this code is copied. It reads its tables and stack
 * from TRAMPOLINE_DATA, a page of its own, and leaves for the kernel's half. Position: everything is addressed from
 * trampoline_start.
 */
#include "arch/x86/layout.h"

#define AT(symbol)	(TRAMPOLINE_PHYS + symbol - trampoline_start)

	.section .rodata.trampoline, "a"
	.balign 16
	.globl trampoline_start, trampoline_end
trampoline_start:
	.code16
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl AT(trampoline_gdt_pointer)
	movl $(CR0_PE | CR0_NE), %eax
	movl %eax, %cr0
	ljmpl $0x8, $AT(trampoline32)

	.code32
trampoline32:
	movl $0x20, %eax
	movl %eax, %ds
	movl %eax, %ss
	movl $(CR4_PAE | CR4_PGE), %eax
	movl %eax, %cr4
	movl TRAMPOLINE_DATA, %eax		/* cr3 */
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $(EFER_LME | EFER_NXE | EFER_SCE), %eax
	wrmsr
	movl $(CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_AM | CR0_PG), %eax
	movl %eax, %cr0
	ljmp $0x10, $AT(trampoline64)

	.code64
trampoline64:
	movl $0x18, %eax
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %fs
	movl %eax, %gs
	movl $TRAMPOLINE_DATA, %ebx
	movq 8(%rbx), %rsp
	movq 16(%rbx), %rdi			/* CPU number */
	movq 24(%rbx), %rax			/* where to go */
	xorl %ebp, %ebp
	call *%rax
	ud2

	.balign 8
trampoline_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff		/* 0x08: 32-bit code */
	.quad 0x00af9b000000ffff		/* 0x10: KERNEL_CS */
	.quad 0x00cf93000000ffff		/* 0x18: KERNEL_DS */
	.quad 0x00cf93000000ffff		/* 0x20: 32-bit data */
trampoline_gdt_end:
trampoline_gdt_pointer:
	.short trampoline_gdt_end - trampoline_gdt - 1
	.long AT(trampoline_gdt)
trampoline_end:

	.section .note.GNU-stack, "", @progbits
