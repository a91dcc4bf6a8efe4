/* SPDX-License-Identifier: MIT */
/* Interrupt vectors, MSI addressing and I/O APIC lines. Handlers run with interrupts off, on the interrupted thread's stack. */
#ifndef ARCH_X86_IRQ_H
#define ARCH_X86_IRQ_H

#include "lib/base/types.h"

typedef void (*irq_handler)(void *arg);
/* A vector of its own on the CPU, for MSI or MSI-X; its number, or -ENOSPC. */
int irq_vector_alloc(unsigned cpu, irq_handler fn, void *arg);
void irq_msi_message(unsigned cpu, int vector, u64 *addr, u32 *data);
/* A global system interrupt (ISA number or PCI line) through the I/O APIC to CPU 0. 0 or negative errno. */
int irq_gsi_request(u32 gsi, bool level, bool active_low, irq_handler fn, void *arg);
int irq_isa_request(u8 isa_irq, irq_handler fn, void *arg);	/* applies MADT's source overrides */

#endif
