/* SPDX-License-Identifier: MIT */
/* What this CPU has, and switching it on. */
#include "arch/x86/features.h"
#include "arch/x86/cpu.h"
#include "arch/x86/init.h"
#include "arch/x86/layout.h"
#include "lib/base/printk.h"
#include "lib/base/rule.h"

#define MSR_TSC_AUX	0xc0000103

struct cpu_features cpu_features;

struct smap_patch { u8 *at; u64 last_byte; };
extern const struct smap_patch smap_patch_start[], smap_patch_end[];

/* Turns the placeholders of asm.h into clac and stac. */
static void smap_patch_text(void)
{
	for (const struct smap_patch *p = smap_patch_start; p < smap_patch_end; p++) {
		p->at[1] = 0x01;
		p->at[2] = p->last_byte;
	}
	cpuid(0, 0);			/* serialises: nothing stale is executed */
}

void features_init(void)
{
	features_decode(&cpu_features, cpuid);
	if (cpu_features.smap)
		smap_patch_text();
}

void features_init_cpu(void)
{
	u64 cr0, cr4 = cr4_read() | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	__asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
	cr0 = (cr0 & ~(u64)(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP | CR0_AM;
	if (!RULE(KERNEL_WRITE_FAULTS))
		cr0 &= ~(u64)CR0_WP;
	__asm__ volatile("movq %0, %%cr0" :: "r"(cr0));
	if (cpu_features.smep)
		cr4 |= CR4_SMEP;
	if (cpu_features.smap)
		cr4 |= CR4_SMAP;
	if (cpu_features.umip)
		cr4 |= CR4_UMIP;
	if (cpu_features.fsgsbase)
		cr4 |= CR4_FSGSBASE;
	if (cpu_features.xsave)
		cr4 |= CR4_OSXSAVE;
	cr4_write(cr4);
	if (cpu_features.rdtscp)
		wrmsr(MSR_TSC_AUX, cpu_id());	/* what RDTSCP and RDPID tell a program */
}
