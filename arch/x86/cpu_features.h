/* SPDX-License-Identifier: MIT */
/* What CPUID tells, decoded; the same on a node and on the host. */
#ifndef ARCH_X86_CPU_FEATURES_H
#define ARCH_X86_CPU_FEATURES_H

#include "lib/base/types.h"

struct cpuid { u32 eax, ebx, ecx, edx; };

/* features found at boot; each test stands in one place (arch/x86/features_decode.c) */
struct cpu_features {
	bool smep, smap, umip, nx, pcid, invpcid, x2apic, tsc_deadline, tsc_invariant, xsave, xsaveopt, xsavec, avx, avx512;
	bool fsgsbase, rdrand, rdseed, pclmul, sse42, erms, gbpages, rdtscp;
	u32 xsave_size;		/* bytes for the features enabled in XCR0 */
	u64 xcr0;
	char brand[49];
};
extern struct cpu_features cpu_features;

#endif
