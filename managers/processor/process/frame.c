/* SPDX-License-Identifier: MIT */
/*
 * From the stack's top down: 128 bytes of red zone left alone, the FPU image (64-byte aligned), then struct rt_sigframe with
 * its return address so that rsp + 8 is 16-byte aligned at the handler's entry, as after a call.
 */
#include "managers/processor/process/frame.h"

#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"

#define RED_ZONE	128
#define FLAGS_ALLOWED	0x00240dd5ULL	/* CF PF AF ZF SF TF(0x100) DF OF, AC, ID */

bool frame_on_altstack(const struct task *t, u64 sp)
{
	return !(t->altstack_flags & SS_AUTODISARM) && t->altstack_size != 0 && sp > t->altstack_sp && sp - t->altstack_sp <= t->altstack_size;
}

static u64 frame_place(const struct task *t, const struct regs *r, const struct sigaction_abi *act)
{
	if ((act->flags & SA_ONSTACK) && t->altstack_size != 0 && !frame_on_altstack(t, r->rsp))
		return t->altstack_sp + t->altstack_size;
	return r->rsp - RED_ZONE;
}

static void context_fill(struct sigcontext_abi *c, const struct task *t, const struct regs *r, sigset_t_ mask)
{
	c->r8 = r->r8;
	c->r9 = r->r9;
	c->r10 = r->r10;
	c->r11 = r->r11;
	c->r12 = r->r12;
	c->r13 = r->r13;
	c->r14 = r->r14;
	c->r15 = r->r15;
	c->rdi = r->rdi;
	c->rsi = r->rsi;
	c->rbp = r->rbp;
	c->rbx = r->rbx;
	c->rdx = r->rdx;
	c->rax = r->rax;
	c->rcx = r->rcx;
	c->rsp = r->rsp;
	c->rip = r->rip;
	c->eflags = r->rflags;
	c->cs = r->cs;
	c->ss = r->ss;
	c->err = t->fault_error;
	c->trapno = t->fault_trapno;
	c->cr2 = t->fault_addr;
	c->oldmask = mask;
}

static void altstack_none(struct task *t)
{
	t->altstack_sp = t->altstack_size = 0;
	t->altstack_flags = SS_DISABLE;
}

int frame_build(struct task *t, struct regs *r, const struct siginfo_abi *info, const struct sigaction_abi *act, sigset_t_ mask)
{
	struct rt_sigframe_abi f = { 0 };
	u64 sp = frame_place(t, r, act), fp, at;

	if (!(act->flags & SA_RESTORER))
		return -EFAULT;		/* x86-64 has no other way back */
	fp = ALIGN_DOWN(sp - fpu_user_size(), 64UL);
	at = ALIGN_DOWN(fp - sizeof(f), 16UL) - 8;
	if (!user_range_ok(at, sp - at))
		return -EFAULT;
	if (frame_on_altstack(t, sp) && !frame_on_altstack(t, at + 1))
		return -EFAULT;		/* beyond its end, where something else is */
	f.pretcode = act->restorer;
	f.uc.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (cpu_features.xsave ? UC_FP_XSTATE : 0);
	f.uc.stack.sp = t->altstack_sp;
	f.uc.stack.size = t->altstack_size;
	f.uc.stack.flags = t->altstack_flags;
	f.uc.sigmask = mask;
	context_fill(&f.uc.mcontext, t, r, mask);
	f.uc.mcontext.fpstate = fp;
	f.info = *info;
	if (fpu_to_user(fp) < 0 || copy_to_user(at, &f, sizeof(f)) < 0)
		return -EFAULT;
	if (t->altstack_flags & SS_AUTODISARM)
		altstack_none(t);
	r->rsp = at;
	r->rip = act->handler;
	r->rdi = info->signo;
	r->rsi = at + offsetof(struct rt_sigframe_abi, info);
	r->rdx = at + offsetof(struct rt_sigframe_abi, uc);
	r->rax = 0;
	r->rflags &= ~0x10500ULL;	/* DF, TF, RF off: the ABI's state at a function's entry */
	r->cs = USER_CS;
	r->ss = USER_DS;
	fpu_reset(t->thread->ctx.fpu);
	return 0;
}

int frame_restore(struct task *t, struct regs *r)
{
	struct ucontext_abi uc;
	const struct sigcontext_abi *c = &uc.mcontext;

	/* the handler's ret has popped pretcode */
	if (copy_from_user(&uc, r->rsp - 8 + offsetof(struct rt_sigframe_abi, uc), sizeof(uc)) < 0)
		return -EFAULT;
	if (c->rip >= USER_END)
		return -EFAULT;
	if (c->fpstate == 0)
		fpu_reset(t->thread->ctx.fpu);
	else if (fpu_from_user(c->fpstate) < 0)
		return -EFAULT;
	r->r8 = c->r8;
	r->r9 = c->r9;
	r->r10 = c->r10;
	r->r11 = c->r11;
	r->r12 = c->r12;
	r->r13 = c->r13;
	r->r14 = c->r14;
	r->r15 = c->r15;
	r->rdi = c->rdi;
	r->rsi = c->rsi;
	r->rbp = c->rbp;
	r->rbx = c->rbx;
	r->rdx = c->rdx;
	r->rax = c->rax;
	r->rcx = c->rcx;
	r->rsp = c->rsp;
	r->rip = c->rip;
	r->rflags = (c->eflags & FLAGS_ALLOWED) | 0x202;
	r->cs = USER_CS;
	r->ss = USER_DS;
	r->vector = 0;			/* no longer a system call: nothing to restart, all registers are the frame's */
	if ((uc.stack.flags & SS_DISABLE) || uc.stack.size < MINSIGSTKSZ) {
		altstack_none(t);
	} else {
		t->altstack_sp = uc.stack.sp;
		t->altstack_size = uc.stack.size;
		t->altstack_flags = uc.stack.flags & (SS_ONSTACK | SS_AUTODISARM);
	}
	signal_set_blocked(t, uc.sigmask);
	return 0;
}
