/* SPDX-License-Identifier: MIT */
/* What the boot loader and the firmware said, and what the platform can do. */
#ifndef ARCH_X86_PLATFORM_H
#define ARCH_X86_PLATFORM_H

#include "arch/x86/clock_page.h"
#include "lib/base/types.h"

extern char boot_command_line[4096];
extern paddr_t boot_rsdp;		/* 0: search the BIOS area */
/* MADT, as drivers/acpi read it */
struct acpi_cpu { u32 apic_id; bool enabled; };
struct acpi_ioapic { u32 id, gsi_base; paddr_t addr; };
struct acpi_override { u8 isa_irq; u32 gsi; bool level, active_low; };
struct acpi_madt {
	paddr_t lapic;
	unsigned nr_cpus, nr_ioapics, nr_overrides;
	unsigned nr_places;		/* entries for processors, those that are not there too */
	struct acpi_cpu cpu[64];
	struct acpi_ioapic ioapic[8];
	struct acpi_override override[24];
};

void arch_early_init(void);		/* called first on the boot CPU: GDT, IDT, per-CPU 0, features, memory map to mm */
void arch_init(void);			/* after mm: final page tables, identity map gone, traps complete, clock calibrated */
void arch_apic_init(const struct acpi_madt *madt);	/* local APIC of the boot CPU, I/O APICs; madt may be NULL: one CPU, PIC masked */
void arch_init_cpu(void);		/* every CPU, first in the list */
/* A one-shot interrupt to timers_interrupt() on this CPU; when_ns monotonic, ~0 to stop. Interrupts off. */
void arch_timer_set(u64 when_ns);
u64 *arch_wall_offset(void);		/* [a] Unix time minus arch_clock_ns(), in ns: kernel/time.c's, where programs can read it */
/* TSC, calibrated against a known clock; 0 until that was done */
#ifdef TANGRAM_HOST
u64 arch_clock_ns(void);
#else
extern union clock_whole arch_clock;	/* clock.c's */
static inline u64 arch_clock_ns(void)
{
	return (unsigned __int128)(__builtin_ia32_rdtsc() - arch_clock.page.tsc_start) * arch_clock.page.tsc_mult >> 32;
}
#endif
/*
 * A full barrier between our stores and our loads in memory shared with a device. Use it where the device is told by a store
 * and its answer is looked for by a load: smp_mb() is not enough on every virtual machine. Any context.
 */
void arch_device_mb(void);
/* Random bytes from RDSEED/RDRAND and TSC jitter; not a CSPRNG by itself. */
u64 arch_random(void);
void __noreturn arch_halt_forever(void);
/* stack trace of the current or given frame, symbols from the built-in table, to the log */
struct regs;
void arch_trace_here(void);
void arch_trace_regs(const struct regs *r);
const char *symbol_name(u64 addr, u64 *offset);	/* NULL when not in the kernel's text */
#endif
