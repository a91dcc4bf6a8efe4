/* SPDX-License-Identifier: MIT */
/* CPUID, decoded. Pure: the leaves come from a function, so that recorded ones can be fed on the host. */
#ifndef ARCH_X86_FEATURES_H
#define ARCH_X86_FEATURES_H

#include "arch/x86/cpu_features.h"

typedef struct cpuid (*cpuid_fn)(u32 leaf, u32 sub);
void features_decode(struct cpu_features *f, cpuid_fn leaf);

/* XCR0 as this kernel sets it, from what leaf 0xD allows: only sets that the architecture lets stand together. */
u64 xsave_choose(u64 supported);
/* Bytes of the standard (not compacted) image for the features of xcr0, from leaf 0xD's sub-leaves. */
u32 xsave_image_size(u64 xcr0, cpuid_fn leaf);

#define XFEATURE_X87	(1 << 0)
#define XFEATURE_SSE	(1 << 1)
#define XFEATURE_AVX	(1 << 2)
#define XFEATURE_AVX512	(7 << 5)	/* opmask, upper halves, upper sixteen: together or not at all */

#endif
