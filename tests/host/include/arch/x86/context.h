/* SPDX-License-Identifier: MIT */
/* Host: shadows arch/x86/context.h. A thread is a pthread; nothing of it is saved here. */
#ifndef ARCH_X86_CONTEXT_H
#define ARCH_X86_CONTEXT_H

#include "lib/base/types.h"
#include "lib/base/percpu.h"

struct thread;
struct fpu_state;

struct arch_context {
	u64 fs_base, gs_base;
	struct fpu_state *fpu;
	u64 cr3;
};

struct thread *shim_current_thread(void);	/* the calling pthread's; made at the first question */
static inline struct thread *arch_current_thread(void) { return shim_current_thread(); }

#endif
