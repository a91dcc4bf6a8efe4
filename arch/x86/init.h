/* SPDX-License-Identifier: MIT */
/* Inside arch/x86: the steps of start-up, in the order in which they run. */
#ifndef ARCH_X86_INIT_H
#define ARCH_X86_INIT_H

#include "lib/base/types.h"

void percpu_init_boot(void);
void percpu_load(unsigned cpu);		/* this CPU is number cpu from now on */
void percpu_init_others(unsigned nr);
void features_init(void);		/* cpu_features, and the SMAP patches: before text becomes read-only */
void features_init_cpu(void);		/* CR0, CR4 */
void tlb_init(void);
struct bootinfo;
void paging_init(const struct bootinfo *b);	/* final kernel tables; the identity map is gone after it */
void paging_init_cpu(void);		/* a secondary leaves the trampoline's tables */
void clock_init(void);			/* TSC against a known clock */
u64 clock_ns_to_tsc(u64 ns);		/* what the TSC reads when arch_clock_ns() is ns */
struct clock_page *clock_page_address(void);	/* clock_page.h */
u64 clock_tsc_to_ns(u64 ticks);		/* of an interval */
void apic_init(paddr_t base);
void apic_init_cpu(void);
void apic_ids_set(const u32 *apic_id, unsigned nr);
struct acpi_madt;
void ioapic_init(const struct acpi_madt *madt);
void pic_disable(void);

void paging_use_frames(void);		/* frames_init() has run */
/* the table that the kernel's half of every pgd is copied from */
paddr_t kernel_root(void);

#endif
