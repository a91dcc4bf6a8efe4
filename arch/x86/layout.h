/* SPDX-License-Identifier: MIT */
/*
 * Where things stand in the kernel's half of the address space; also read by assembly and the linker script's reader.
 *
 *	0xffff800000000000	direct map of all RAM (mm/frame.h)
 *	0xffffc00000000000	mm/vmalloc.c's ranges
 *	0xffffffff80000000	the image, at its physical address from 2 MiB up
 *	0xffffffffbfe00000	the boot CPU's stacks, each between two unmapped pages
 */
#ifndef ARCH_X86_LAYOUT_H
#define ARCH_X86_LAYOUT_H

#define KERNEL_VMA	0xffffffff80000000
#define KERNEL_PHYS	0x200000
#define BOOT_STACK_VA	0xffffffffbfe00000

/* pages of BOOT_STACK_VA's table: guard, then each stack followed by a guard */
#define BOOT_STACK_PAGES	4
#define IST_STACK_PAGES		2
#define NR_IST			4	/* NMI, double fault, machine check, debug */
#define BOOT_STACK_TOP		(BOOT_STACK_VA + (1 + BOOT_STACK_PAGES) * 4096)
#define BOOT_IST_TOP(n)		(BOOT_STACK_TOP + ((n) + 1) * (1 + IST_STACK_PAGES) * 4096)

/* real-mode start of the other CPUs: code in one page, what it reads and writes in the next (L32) */
#define TRAMPOLINE_PHYS		0x8000
#define TRAMPOLINE_DATA		0x9000

#define BOOT_BY_MULTIBOOT2	1
#define BOOT_BY_PVH		2

#define MSR_EFER	0xc0000080
#define EFER_SCE	(1 << 0)
#define EFER_LME	(1 << 8)
#define EFER_NXE	(1 << 11)

#define CR0_PE		(1 << 0)
#define CR0_MP		(1 << 1)
#define CR0_EM		(1 << 2)
#define CR0_TS		(1 << 3)
#define CR0_NE		(1 << 5)
#define CR0_WP		(1 << 16)
#define CR0_AM		(1 << 18)
#define CR0_PG		(1 << 31)

#define CR4_PAE		(1 << 5)
#define CR4_PGE		(1 << 7)
#define CR4_OSFXSR	(1 << 9)
#define CR4_OSXMMEXCPT	(1 << 10)
#define CR4_UMIP	(1 << 11)
#define CR4_FSGSBASE	(1 << 16)
#define CR4_OSXSAVE	(1 << 18)
#define CR4_SMEP	(1 << 20)
#define CR4_SMAP	(1 << 21)

#endif
