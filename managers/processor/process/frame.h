/* SPDX-License-Identifier: MIT */
/* Signal frames on the user stack, bit-compatible with Linux x86-64. */
#ifndef MANAGERS_PROCESSOR_PROCESS_FRAME_H
#define MANAGERS_PROCESSOR_PROCESS_FRAME_H

#include "managers/processor/process/process.h"

/* Push a frame for the handler and point r at it; mask is what sigreturn restores. 0 or -EFAULT (r unchanged). */
int __must_check frame_build(struct task *t, struct regs *r, const struct siginfo_abi *info, const struct sigaction_abi *act,
			     sigset_t_ mask);
/* Does a thread with this stack pointer run on its alternate stack? */
bool frame_on_altstack(const struct task *t, u64 sp);
/* rt_sigreturn: registers, mask, alternate stack and FPU state from the frame at r->rsp. */
int __must_check frame_restore(struct task *t, struct regs *r);

#endif
