/* SPDX-License-Identifier: MIT */
/* Inside arch/x86: extended state at a context switch, interrupts off. */
#ifndef ARCH_X86_FPU_INTERNAL_H
#define ARCH_X86_FPU_INTERNAL_H

#include "arch/x86/fpu.h"

void fpu_init(void);				/* once: the cache that states come from */

void fpu_switch_out(struct fpu_state *f);	/* the CPU's registers into f */
void fpu_switch_in(struct fpu_state *f);	/* f into the registers, unless they hold it still */

#endif
