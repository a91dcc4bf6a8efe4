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
	u64 user_rsp_scratch;
};

DECLARE_PER_CPU(struct thread *, arch_current);
static inline struct thread *arch_current_thread(void)
{
	struct thread *t;

	__asm__ volatile("movq %%gs:%1, %0" : "=r"(t) : "m"(arch_current));
	return t;
}

/* Prepare ctx so that the first switch to it calls entry(arg) on its own stack, interrupts on. */
void arch_context_init(struct arch_context *ctx, void *stack_top, void (*entry)(void *arg), void *arg);
/*
 * Switch stacks, FPU, fs/gs base, CR3 and arch_current; interrupts off; returns in the new thread the one that
 * ran before it. The one place that changes arch_current.
 */
struct thread *arch_switch(struct thread *from, struct thread *to);

#endif
