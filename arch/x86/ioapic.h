/* SPDX-License-Identifier: MIT */
/* Inside arch/x86: interrupt lines. */
#ifndef ARCH_X86_IOAPIC_H
#define ARCH_X86_IOAPIC_H

#include "arch/x86/platform.h"

/* The line raises vector on CPU 0 from now on. 0, or -ENODEV: no I/O APIC has it. Callers: one at a time (irq.c's lock). */
int ioapic_route(u32 gsi, bool level, bool active_low, u32 vector);
struct acpi_override ioapic_isa(u8 isa_irq);

#endif
