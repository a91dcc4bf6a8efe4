/* SPDX-License-Identifier: MIT */
/* Calls upward from arch: kernel/ registers them at boot, before interrupts are on. */
#ifndef ARCH_X86_HOOKS_H
#define ARCH_X86_HOOKS_H

struct thread;
struct arch_hooks {
	void (*timer)(void);			/* timer interrupt: timers_interrupt() */
	void (*resched)(void);			/* resched IPI arrived: mark need_resched */
	void (*preempt_point)(void);		/* leaving an interrupt or syscall, interrupts off, preemption may be on */
	void (*switch_done)(struct thread *prev); /* first thing in a fresh thread: what schedule() does after arch_switch() */
};
void arch_hooks_register(const struct arch_hooks *h);
extern const struct arch_hooks *arch_hooks;

#endif
