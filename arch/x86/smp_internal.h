/* SPDX-License-Identifier: MIT */
/* Inside arch/x86: cross calls. */
#ifndef ARCH_X86_SMP_INTERNAL_H
#define ARCH_X86_SMP_INTERNAL_H

#include "lib/base/types.h"

/*
 * Run fn(arg) in interrupt context on the CPUs of mask but this one, wait until all are done. No spinlock held. With
 * interrupts off others' calls are served while waiting, so that two CPUs that call each other both get on.
 */
void smp_call_mask(u64 mask, void (*fn)(void *arg), void *arg);
u64 smp_online_mask(void);
bool smp_stopping(void);
/* IPIs of apic.c, to a CPU number */
void apic_send_ipi(unsigned cpu, u32 vector);
void apic_send_nmi(unsigned cpu);
void apic_send_init(u32 apic_id);
void apic_send_startup(u32 apic_id, u32 page);
void apic_eoi(void);
u32 apic_id_self(void);
bool apic_ready(void);
u32 apic_id_of(unsigned cpu);
void apic_timer_interrupt(void);
void smp_call_interrupt(void);

#endif
