/* SPDX-License-Identifier: MIT */
/* The switch from one thread to another: the one place that changes arch_current (L2). */
#include "arch/x86/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/fpu_internal.h"
#include "arch/x86/hooks.h"
#include "arch/x86/init.h"
#include "arch/x86/tlb.h"
#include "arch/x86/traps.h"
#include "lib/base/atomic.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"

#define MSR_FS_BASE		0xc0000100
#define MSR_KERNEL_GS_BASE	0xc0000102	/* the user's, while in the kernel */

struct thread *context_switch(u64 *save_rsp, u64 rsp, struct thread *from);
void context_start(void);
void context_started(struct thread *prev);

static u64 fs_base_read(void)
{
	u64 v;

	if (!cpu_features.fsgsbase)
		return rdmsr(MSR_FS_BASE);
	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}

static void fs_base_write(u64 v)
{
	if (cpu_features.fsgsbase)
		__asm__ volatile("wrfsbase %0" :: "r"(v));
	else
		wrmsr(MSR_FS_BASE, v);
}

void arch_set_fs_base(u64 base)
{
	u64 flags = irq_save();

	context_of(arch_current_thread())->fs_base = base;
	fs_base_write(base);
	irq_restore(flags);
}

void arch_set_gs_base(u64 base)
{
	u64 flags = irq_save();

	context_of(arch_current_thread())->gs_base = base;
	wrmsr(MSR_KERNEL_GS_BASE, base);
	irq_restore(flags);
}

u64 arch_get_fs_base(void)
{
	return fs_base_read();
}

u64 arch_get_gs_base(void)
{
	return rdmsr(MSR_KERNEL_GS_BASE);
}

void arch_set_cr3(u64 cr3)
{
	u64 flags = irq_save();

	context_of(arch_current_thread())->cr3 = cr3;
	tlb_load_root(cr3);
	irq_restore(flags);
}

u64 arch_user_ns(struct thread *t)
{
	struct arch_context *ctx = context_of(t);
	u64 so_far, since;

	do {			/* the stay ends while we look: look again */
		so_far = load_acquire(&ctx->user_tsc);
		since = load_acquire(&ctx->user_since);
	} while (so_far != READ_ONCE(ctx->user_tsc));
	return clock_tsc_to_ns(so_far + (since == 0 ? 0 : rdtsc() - since));
}

void arch_context_init(struct arch_context *ctx, void *stack_top, void (*entry)(void *arg), void *arg)
{
	u64 top = ALIGN_DOWN((u64)stack_top, 16);
	/* above stands the frame of user mode; what context_switch() pops lies below it */
	u64 *sp = (u64 *)(top - sizeof(struct regs)) - 7;

	sp[0] = sp[1] = sp[2] = 0;	/* r15 r14 r13 */
	sp[3] = (u64)arg;		/* r12 */
	sp[4] = (u64)entry;		/* rbx */
	sp[5] = 0;			/* rbp */
	sp[6] = (u64)context_start;
	ctx->rsp = (u64)sp;
	ctx->kernel_stack_top = top;
}

/* Still on the way out of arch_switch(), on the new thread's stack. */
void context_started(struct thread *prev)
{
	arch_hooks->switch_done(prev);
	irq_enable();
}

void arch_current_init(struct thread *first)
{
	struct arch_context *ctx = context_of(first);

	this_cpu(arch_current) = first;
	ctx->cpu = cpu_id();
	ctx->running = true;
}

struct thread *arch_switch(struct thread *from, struct thread *to)
{
	struct arch_context *f = context_of(from), *t = context_of(to);

	DEBUG_BUG_ON(irq_enabled());
	if (f->fpu != NULL) {
		fpu_switch_out(f->fpu);
		f->fs_base = fs_base_read();
		f->gs_base = rdmsr(MSR_KERNEL_GS_BASE);
	}
	if (t->cr3 != 0)
		tlb_load_root(t->cr3);
	if (t->fpu != NULL) {
		fpu_switch_in(t->fpu);
		fs_base_write(t->fs_base);
		wrmsr(MSR_KERNEL_GS_BASE, t->gs_base);
	}
	WRITE_ONCE(f->running, false);
	WRITE_ONCE(t->cpu, cpu_id());
	/* A full barrier: who sets notify and does not see us running has set it before we look, see arch_set_notify(). */
	__atomic_store_n(&t->running, true, __ATOMIC_SEQ_CST);
	this_cpu(cpu_tss).rsp[0] = t->kernel_stack_top;
	this_cpu(arch_current) = to;
	return context_switch(&f->rsp, t->rsp, from);
}
