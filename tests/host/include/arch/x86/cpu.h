/* SPDX-License-Identifier: MIT */
/* Host: shadows arch/x86/cpu.h. There are no interrupts; there is one CPU. */
#ifndef ARCH_X86_CPU_H
#define ARCH_X86_CPU_H

#include "lib/base/types.h"
#include "lib/base/percpu.h"
#include "arch/x86/cpu_features.h"

static inline u64 irq_save(void) { return 0; }
static inline void irq_restore(u64 flags) { (void)flags; }
static inline void irq_enable(void) { }
static inline void irq_disable(void) { }
static inline bool irq_enabled(void) { return true; }
static inline void cpu_relax(void) { __builtin_ia32_pause(); }
static inline u64 rdtsc(void) { return __builtin_ia32_rdtsc(); }
static inline u32 cpu_id(void) { return 0; }

#endif
