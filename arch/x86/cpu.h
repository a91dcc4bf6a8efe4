/* SPDX-License-Identifier: MIT */
/* The CPU: interrupt flag, CPUID, MSRs, control registers, ports, pause and halt. */
#ifndef ARCH_X86_CPU_H
#define ARCH_X86_CPU_H

#include "lib/base/types.h"
#include "lib/base/percpu.h"
#include "arch/x86/cpu_features.h"

static inline u64 irq_save(void)
{
	u64 flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) :: "memory");
	return flags;
}
/* Only where they go on again by popf: under TCG it leaves the translated code, cli does not. */
static inline void irq_restore(u64 flags)
{
	if (flags & (1 << 9))
		__asm__ volatile("pushq %0; popfq" :: "r"(flags) : "memory", "cc");
	else
		__asm__ volatile("cli" ::: "memory");
}
static inline void irq_enable(void) { __asm__ volatile("sti" ::: "memory"); }
static inline void irq_disable(void) { __asm__ volatile("cli" ::: "memory"); }
static inline bool irq_enabled(void)
{
	u64 flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	return flags & (1 << 9);
}
static inline void cpu_relax(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void cpu_halt(void) { __asm__ volatile("sti; hlt" ::: "memory"); }	/* no gap between the two */

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return ((u64)hi << 32) | lo;
}
static inline void wrmsr(u32 msr, u64 v) { __asm__ volatile("wrmsr" :: "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory"); }
static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return ((u64)hi << 32) | lo;
}
static inline u64 cr2_read(void) { u64 v; __asm__ volatile("movq %%cr2, %0" : "=r"(v)); return v; }
static inline u64 cr3_read(void) { u64 v; __asm__ volatile("movq %%cr3, %0" : "=r"(v)); return v; }
static inline void cr3_write(u64 v) { __asm__ volatile("movq %0, %%cr3" :: "r"(v) : "memory"); }
static inline u64 cr4_read(void) { u64 v; __asm__ volatile("movq %%cr4, %0" : "=r"(v)); return v; }
static inline void cr4_write(u64 v) { __asm__ volatile("movq %0, %%cr4" :: "r"(v) : "memory"); }

static inline u8 inb(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u16 inw(u16 port) { u16 v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 inl(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { __asm__ volatile("outw %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { __asm__ volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }

static inline struct cpuid cpuid(u32 leaf, u32 sub)
{
	struct cpuid c;

	__asm__ volatile("cpuid" : "=a"(c.eax), "=b"(c.ebx), "=c"(c.ecx), "=d"(c.edx) : "a"(leaf), "c"(sub));
	return c;
}

DECLARE_PER_CPU(u32, cpu_number);
static inline u32 cpu_id(void)			/* stays true only while preemption is off */
{
	u32 v;

	__asm__ volatile("movl %%gs:%1, %0" : "=r"(v) : "m"(cpu_number));
	return v;
}

#endif
