/* SPDX-License-Identifier: MIT */
/* The register frame that every entry from user mode, exception and interrupt leaves on the kernel stack. */
#ifndef ARCH_X86_REGS_H
#define ARCH_X86_REGS_H

#include "lib/base/types.h"

struct regs {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 vector;		/* exception or interrupt vector; VECTOR_SYSCALL for SYSCALL */
	u64 error;		/* exception error code, or the system call number (Linux's orig_rax) */
	u64 rip, cs, rflags, rsp, ss;
};
#define VECTOR_SYSCALL 0x100
static inline bool regs_from_user(const struct regs *r) { return (r->cs & 3) == 3; }
static inline bool regs_is_syscall(const struct regs *r) { return r->vector == VECTOR_SYSCALL; }

#define USER_CS 0x33		/* as in Linux: programs see them in signal frames */
#define USER_DS 0x2b
#define KERNEL_CS 0x10
#define KERNEL_DS 0x18

/*
 * Upcalls, registered by the role that runs user programs (managers/processor); all run in thread context of the
 * current thread, interrupts on, may sleep. Unregistered: a user entry panics.
 */
struct user_entry_ops {
	void (*syscall)(struct regs *r);		/* number in r->error, arguments rdi rsi rdx r10 r8 r9; result to r->rax */
	/* page fault of user mode or of uaccess; write/exec/present from the error code. 0: retry; negative errno: a
	 * signal was queued (user) or uaccess fails with -EFAULT (kernel access) */
	int (*page_fault)(struct regs *r, u64 addr, unsigned flags);
	void (*exception)(struct regs *r);		/* any other exception of user mode: to a signal */
	void (*user_return)(struct regs *r);		/* last thing before user mode when arch_set_notify() was called */
};
#define FAULT_PRESENT	1	/* protection, not absence */
#define FAULT_WRITE	2
#define FAULT_USER	4	/* the CPU was in user mode (not uaccess) */
#define FAULT_EXEC	16
#define FAULT_FORCE	32	/* not the CPU's: a tracer writes where the program itself may not */
void user_entry_register(const struct user_entry_ops *ops);

struct thread;
void arch_set_notify(struct thread *t);		/* make t call user_return before it next enters user mode; any context */
/* Enter user mode with these registers; for the first time of a user thread. Interrupts on. user_return runs first if notified. */
void __noreturn arch_enter_user(const struct regs *r);
/* the frame of the current user thread's entry, at the top of its kernel stack */
struct regs *arch_user_regs(void);

#endif
