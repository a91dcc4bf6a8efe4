/* SPDX-License-Identifier: MIT */
/* Host: shadows arch/x86/cpu.h. There are no interrupts; there is one CPU. */
#ifndef ARCH_X86_CPU_H
#define ARCH_X86_CPU_H

#include "lib/base/types.h"
#include "lib/base/percpu.h"

static inline u64 irq_save(void) { return 0; }
static inline void irq_restore(u64 flags) { (void)flags; }
static inline void irq_enable(void) { }
static inline void irq_disable(void) { }
static inline bool irq_enabled(void) { return true; }
static inline void cpu_relax(void) { __builtin_ia32_pause(); }
static inline u64 rdtsc(void) { return __builtin_ia32_rdtsc(); }
static inline u32 cpu_id(void) { return 0; }

struct cpuid { u32 eax, ebx, ecx, edx; };

struct cpu_features {
	bool smep, smap, umip, nx, pcid, invpcid, x2apic, tsc_deadline, tsc_invariant, xsave, xsaveopt, xsavec, avx, avx512;
	bool fsgsbase, rdrand, rdseed, pclmul, sse42, erms, gbpages;
	u32 xsave_size;
	u64 xcr0;
	char brand[49];
};
extern struct cpu_features cpu_features;

#endif
