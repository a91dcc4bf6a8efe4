/* SPDX-License-Identifier: MIT */
/* Inside arch/x86: descriptor tables, entry points and vectors. */
#ifndef ARCH_X86_TRAPS_H
#define ARCH_X86_TRAPS_H

#define VECTOR_DEVICE_FIRST	0x30	/* below: exceptions and the masked legacy PIC's */
#define VECTOR_DEVICE_LAST	0xdf
#define VECTOR_TIMER		0xf0
#define VECTOR_RESCHED		0xf1
#define VECTOR_CALL		0xf2
#define VECTOR_ERROR		0xfe
#define VECTOR_SPURIOUS		0xff

#define TRAP_DB		1
#define TRAP_NMI	2
#define TRAP_BP		3
#define TRAP_OF		4
#define TRAP_DF		8
#define TRAP_GP		13
#define TRAP_PF		14
#define TRAP_MC		18

#define TSS_SELECTOR	0x40
#define TSS_RSP0	4		/* offset in struct tss */

#define REGS_SIZE	176		/* sizeof(struct regs) */
#define REGS_RIP	136
#define REGS_CS		144

#define RFLAGS_TF	0x100
#define RFLAGS_IF	0x200
#define RFLAGS_AC	0x40000

#ifndef __ASSEMBLY__
#include "arch/x86/layout.h"
#include "arch/x86/regs.h"
#include "lib/base/percpu.h"

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, io_map;
} __packed;
DECLARE_PER_CPU(struct tss, cpu_tss);

/* GDT, TSS and IDT of this CPU; ist[n] is the top of its nth interrupt stack */
void descriptors_init_cpu(void *const ist[NR_IST]);
void idt_init(void);
void syscall_init_cpu(void);

/* C halves of entry.S */
void trap_dispatch(struct regs *r);
void trap_paranoid_dispatch(struct regs *r);
bool syscall_dispatch(struct regs *r);
void irq_dispatch(struct regs *r);		/* vectors from 32 up; irq.c */
void user_exit(struct regs *r);			/* all that must happen before user mode; returns with interrupts off */
void user_exit_asm(struct regs *r) __noreturn;	/* user_exit(), then the frame into the CPU */

/* An exception at an address of the table goes on at its fixup; false: none. */
bool extable_fixup(struct regs *r);
/* Read a word that may not be there. */
bool peek64(u64 addr, u64 *value);
void trace_registers(const struct regs *r);

/* entry points, entry.S */
extern const char trap_stubs[];			/* 16 bytes each */
void syscall_entry(void);
#endif

#endif
