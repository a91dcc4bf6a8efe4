/* SPDX-License-Identifier: MIT */
/*
 * The ways into the kernel and out of it. Every entry builds a struct regs (regs.h) and calls C with interrupts off;
 * coming from user mode the frame is the topmost thing on the thread's kernel stack.
 */
#include "arch/x86/asm.h"
#include "arch/x86/traps.h"

.macro push_registers		/* after the vector */
	pushq %rdi
	pushq %rsi
	pushq %rdx
	pushq %rcx
	pushq %rax
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
.endm

.macro pop_registers_but_rdi
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	popq %rcx
	popq %rdx
	popq %rsi
.endm

/* A stack frame that makes the interrupted function the caller of what follows, for stack traces. */
.macro trace_frame
	pushq REGS_RIP(%rsp)
	pushq %rbp
	movq %rsp, %rbp
.endm

	.text
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21 && vector != 29 && vector != 30
	pushq $0
	.endif
	pushq $vector
	.if vector == TRAP_NMI || vector == TRAP_DF || vector == TRAP_MC
	jmp trap_paranoid
	.elseif vector == TRAP_DB
	jmp trap_debug
	.else
	jmp trap_common
	.endif
	.set vector, vector + 1
	.endr

	.balign 16
trap_common:
	cld
	push_registers
	ASM_CLAC			/* the program may have set AC, or we interrupted a copy to user memory */
	testb $3, REGS_CS(%rsp)
	jz 1f
	swapgs
	movq %rsp, %rdi
	xorl %ebp, %ebp
	call trap_dispatch
	jmp user_return
1:	movq %rsp, %rdi
	trace_frame
	call trap_dispatch
	addq $16, %rsp
	pop_registers_but_rdi
	popq %rdi
	addq $16, %rsp
	iretq

	/* Interrupts off, user_exit() has run: out to user mode by iretq. */
user_return:
	swapgs
	pop_registers_but_rdi
	popq %rdi
	addq $16, %rsp
	iretq

	/* void user_exit_asm(struct regs *frame): frame is at the top of the kernel stack */
	.globl user_exit_asm
user_exit_asm:
	movq %rdi, %rsp
	xorl %ebp, %ebp
	call user_exit
	jmp user_return

	/*
	 * A program that steps itself over "pop %ss; syscall" gets its debug trap behind the second, in kernel mode on its own stack:
	 * so this has a stack of its own, too. From user mode it goes on where other traps do, on the thread's.
	 */
	.balign 16
trap_debug:
	cld
	push_registers
	ASM_CLAC
	testb $3, REGS_CS(%rsp)
	jz paranoid_dispatch
	swapgs
	movq %rsp, %rsi
	movq %gs:cpu_tss+TSS_RSP0, %rsp
	subq $REGS_SIZE, %rsp
	movq %rsp, %rdi
	movl $REGS_SIZE/8, %ecx
	rep movsq
	movq %rsp, %rdi
	xorl %ebp, %ebp
	call trap_dispatch
	jmp user_return

	/*
	 * NMI, double fault and machine check come at any time, also while the user's GS base is loaded in kernel mode.
	 * They run on a stack of their own, above whose top stands this CPU's GS base; what was loaded is put back.
	 */
	.balign 16
trap_paranoid:
	cld
	push_registers
	ASM_CLAC
paranoid_dispatch:
	movl $0xc0000101, %ecx		/* GS base */
	rdmsr
	movl %eax, %ebx
	movl %edx, %r12d
	movl REGS_SIZE(%rsp), %eax
	movl REGS_SIZE+4(%rsp), %edx
	wrmsr
	movq %rsp, %rdi
	trace_frame
	call trap_paranoid_dispatch
	addq $16, %rsp
	movl %ebx, %eax
	movl %r12d, %edx
	movl $0xc0000101, %ecx
	wrmsr
	pop_registers_but_rdi
	popq %rdi
	addq $16, %rsp
	iretq

	.balign 16
	.globl syscall_entry
syscall_entry:				/* interrupts off by FMASK; rcx, r11: user's rip and rflags */
	swapgs
	movq %rsp, %gs:syscall_user_rsp
	movq %gs:cpu_tss+TSS_RSP0, %rsp
	pushq $0x2b			/* USER_DS */
	pushq %gs:syscall_user_rsp
	pushq %r11
	pushq $0x33			/* USER_CS */
	pushq %rcx
	pushq %rax			/* the number, in regs->error */
	pushq $0x100			/* VECTOR_SYSCALL */
	push_registers
	movq %rsp, %rdi
	xorl %ebp, %ebp
	call syscall_dispatch
	testb %al, %al
	jz user_return
	swapgs				/* rip == rcx, rflags == r11, and rip is canonical: SYSRET does the same in less */
	pop_registers_but_rdi
	popq %rdi
	movq 40(%rsp), %rsp		/* past vector, error, rip, cs, rflags */
	sysretq

	/*
	 * struct thread *context_switch(u64 *save_rsp, u64 rsp, struct thread *from): returns from, on the other stack
	 */
	.balign 16
	.globl context_switch
context_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	movq %rdx, %rax
	ret

	/* where a fresh thread's first switch returns to: rbx entry, r12 its argument, rax who ran before */
	.globl context_start
context_start:
	movq %rax, %rdi
	call context_started
	movq %r12, %rdi
	xorl %ebp, %ebp
	call *%rbx
	ud2

	/* bool peek64(u64 addr, u64 *value) */
	.globl peek64
peek64:
	xorl %eax, %eax
1:	movq (%rdi), %rdx
	movq %rdx, (%rsi)
	movl $1, %eax
2:	ret
	EXTABLE(1b, 2b)

	/* void segments_reload(void): after lgdt, CS and the data segments from it */
	.globl segments_reload
segments_reload:
	movl $0x18, %eax		/* KERNEL_DS */
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %ds
	movl %eax, %es
	popq %rax
	pushq $0x10			/* KERNEL_CS */
	pushq %rax
	lretq

	.section .note.GNU-stack, "", @progbits
