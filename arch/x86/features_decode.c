/* SPDX-License-Identifier: MIT */
/* The one place that tests CPUID bits. */
#include "arch/x86/features.h"
#include "lib/base/string.h"

#define BIT(word, n)	(((word) >> (n)) & 1)

u64 xsave_choose(u64 supported)
{
	u64 xcr0 = supported & (XFEATURE_X87 | XFEATURE_SSE);

	if (supported & XFEATURE_AVX)
		xcr0 |= XFEATURE_AVX;
	if ((xcr0 & XFEATURE_AVX) && (supported & XFEATURE_AVX512) == XFEATURE_AVX512)
		xcr0 |= XFEATURE_AVX512;
	return xcr0;
}

u32 xsave_image_size(u64 xcr0, cpuid_fn leaf)
{
	u32 size = 512 + 64;			/* FXSAVE region and header are always there */

	for (u32 i = 2; i < 63; i++) {
		if (!BIT(xcr0, i))
			continue;
		struct cpuid c = leaf(0xd, i);	/* eax: bytes, ebx: offset in the standard image */

		size = MAX(size, c.ebx + c.eax);
	}
	return size;
}

static void decode_xsave(struct cpu_features *f, cpuid_fn leaf)
{
	struct cpuid c = leaf(0xd, 0), sub1 = leaf(0xd, 1);

	f->xcr0 = xsave_choose((u64)c.edx << 32 | c.eax);
	f->xsave_size = xsave_image_size(f->xcr0, leaf);
	f->xsaveopt = BIT(sub1.eax, 0);
	f->xsavec = BIT(sub1.eax, 1);
	f->avx = (f->xcr0 & XFEATURE_AVX) != 0;
	f->avx512 = (f->xcr0 & XFEATURE_AVX512) == XFEATURE_AVX512;
}

void features_decode(struct cpu_features *f, cpuid_fn leaf)
{
	u32 max = leaf(0, 0).eax, max_ext = leaf(0x80000000, 0).eax;
	struct cpuid c = leaf(1, 0);

	memset(f, 0, sizeof(*f));
	f->pclmul = BIT(c.ecx, 1);
	f->pcid = BIT(c.ecx, 17);
	f->sse42 = BIT(c.ecx, 20);
	f->x2apic = BIT(c.ecx, 21);
	f->tsc_deadline = BIT(c.ecx, 24);
	f->xsave = BIT(c.ecx, 26) && max >= 0xd;
	f->rdrand = BIT(c.ecx, 30);
	if (max >= 7) {
		c = leaf(7, 0);
		f->fsgsbase = BIT(c.ebx, 0);
		f->smep = BIT(c.ebx, 7);
		f->erms = BIT(c.ebx, 9);
		f->invpcid = BIT(c.ebx, 10);
		f->rdseed = BIT(c.ebx, 18);
		f->smap = BIT(c.ebx, 20);
		f->umip = BIT(c.ecx, 2);
	}
	if (f->xsave)
		decode_xsave(f, leaf);
	else
		f->xsave_size = 512;		/* FXSAVE's */
	if (max_ext >= 0x80000001) {
		c = leaf(0x80000001, 0);
		f->nx = BIT(c.edx, 20);
		f->gbpages = BIT(c.edx, 26);
		f->rdtscp = BIT(c.edx, 27);
	}
	if (max_ext >= 0x80000007)
		f->tsc_invariant = BIT(leaf(0x80000007, 0).edx, 8);
	if (max_ext >= 0x80000004)
		for (u32 i = 0; i < 3; i++) {
			c = leaf(0x80000002 + i, 0);
			memcpy(f->brand + i * 16, &c, 16);
		}
}
