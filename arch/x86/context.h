/* SPDX-License-Identifier: MIT */
/* What a thread leaves behind when it is off the CPU, and the switch itself. */
#ifndef ARCH_X86_CONTEXT_H
#define ARCH_X86_CONTEXT_H

#include "lib/base/types.h"
#include "lib/base/percpu.h"

struct thread;
struct fpu_state;		/* arch/x86/fpu.h */

struct arch_context {
	u64 rsp;		/* kernel stack pointer while switched out */
	u64 kernel_stack_top;	/* for SYSCALL and TSS.rsp0 */
	u64 fs_base, gs_base;	/* user's */
	struct fpu_state *fpu;	/* NULL for kernel threads: they never use the FPU */
	u64 cr3;		/* user page table to run on; 0: keep whatever is loaded (kernel thread) */
	u32 notify;		/* [a] arch_set_notify(): user_return is to run before user mode */
	u32 cpu;		/* [a] where it runs or ran last */
	bool running;		/* [a] on a CPU now */
	u64 user_tsc;		/* [o; read by others] TSC ticks in user mode so far, without the present stay */
	u64 user_since;		/* [o; read by others] when it went to user mode, 0 while in the kernel */
};
/* struct arch_context is the first member of struct thread: all that this layer knows of one. */
static inline struct arch_context *context_of(struct thread *t) { return (struct arch_context *)t; }

DECLARE_PER_CPU(struct thread *, arch_current);
static inline struct thread *arch_current_thread(void)
{
	struct thread *t;

	__asm__ volatile("movq %%gs:%1, %0" : "=r"(t) : "m"(arch_current));
	return t;
}

/* The context that a CPU comes up in is this thread's: called once on each CPU, before its first arch_switch(). */
void arch_current_init(struct thread *first);
/* The user's FS and GS base of the current thread: arch_prctl(), execve(). Of another thread: its ctx before it first runs. */
void arch_set_fs_base(u64 base);
void arch_set_gs_base(u64 base);
u64 arch_get_fs_base(void);
u64 arch_get_gs_base(void);
/* The current thread's ctx.cr3 from now on, loaded too (execve, exit: 0 leaves its space for the kernel's own). */
void arch_set_cr3(u64 cr3);

/* Time that t has spent in user mode, in nanoseconds; of any thread that stays while one looks. */
u64 arch_user_ns(struct thread *t);

/* Prepare ctx so that the first switch to it calls entry(arg) on its own stack, interrupts on. */
void arch_context_init(struct arch_context *ctx, void *stack_top, void (*entry)(void *arg), void *arg);
/*
 * Switch stacks, FPU, fs/gs base, CR3 and arch_current; interrupts off; returns in the new thread the one that
 * ran before it. The one place that changes arch_current.
 */
struct thread *arch_switch(struct thread *from, struct thread *to);

#endif
