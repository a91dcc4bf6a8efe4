/* SPDX-License-Identifier: MIT */
/*
 * The first instructions. Both loaders jump here in 32-bit mode without paging: GRUB2 through the Multiboot2 header and
 * the ELF entry point, QEMU through the PVH note. This code stands in a segment whose virtual addresses are physical
 * ones; it turns on long mode with the tables below and goes on in the kernel's half.
 */
#include "arch/x86/layout.h"

	.section .boot.header, "a"
	.balign 8
multiboot2_header:
	.long 0xe85250d6			/* magic */
	.long 0					/* i386 protected mode */
	.long multiboot2_header_end - multiboot2_header
	.long -(0xe85250d6 + 0 + (multiboot2_header_end - multiboot2_header))
	.short 0, 0				/* end tag */
	.long 8
multiboot2_header_end:

	.section .note.Xen, "a", @note		/* XEN_ELFNOTE_PHYS32_ENTRY; loaders take p_align for its padding: 4 */
	.balign 4
	.long 4, 8, 18
	.asciz "Xen"
	.quad pvh_start

	.section .boot.text, "ax"
	.code32
	.globl multiboot2_start
multiboot2_start:
	movl $BOOT_BY_MULTIBOOT2, %ebp
	cmpl $0x36d76289, %eax
	je boot32
	movl $no_loader, %esi
	jmp boot_fail

pvh_start:
	movl $BOOT_BY_PVH, %ebp

boot32:	/* ebp: loader; ebx: its information */
	cli
	cld
	movl %ebx, %edi
	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	jb boot_no_long_mode
	movl $0x80000001, %eax
	cpuid
	andl $(1 << 29 | 1 << 20), %edx		/* long mode, NX */
	cmpl $(1 << 29 | 1 << 20), %edx
	jne boot_no_long_mode

	movl %cr4, %eax
	orl $(CR4_PAE | CR4_PGE), %eax
	movl %eax, %cr4
	movl $(boot_pml4 - KERNEL_VMA), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $(EFER_LME | EFER_NXE | EFER_SCE), %eax
	wrmsr
	movl $(CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_AM | CR0_PG), %eax
	movl %eax, %cr0
	lgdt boot_gdt_pointer
	ljmp $0x10, $boot64

boot_no_long_mode:
	movl $no_long_mode, %esi
boot_fail:	/* say esi on the serial line, then nothing more */
	movw $0x3f8, %dx
1:	lodsb
	testb %al, %al
	jz 2f
	outb %al, %dx
	jmp 1b
2:	cli
	hlt
	jmp 2b

	.code64
boot64:
	movl $0x18, %eax
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %fs
	movl %eax, %gs
	movabsq $boot_high, %rax
	jmp *%rax

no_long_mode:
	.asciz "tangram: this CPU has no 64-bit mode with NX\r\n"
no_loader:
	.asciz "tangram: not started by a Multiboot2 or PVH loader\r\n"
	.balign 8
boot_gdt:
	.quad 0, 0
	.quad 0x00af9b000000ffff		/* KERNEL_CS */
	.quad 0x00cf93000000ffff		/* KERNEL_DS */
boot_gdt_end:
boot_gdt_pointer:
	.short boot_gdt_end - boot_gdt - 1
	.long boot_gdt

	.text
	.code64
boot_high:
	movq $BOOT_STACK_TOP, %rsp
	movl %edi, %esi				/* loader's information */
	movl %ebp, %edi				/* which loader */
	xorl %ebp, %ebp
	call boot_main
	call kernel_main
	ud2

	/*
	 * The first page tables: 4 GiB at their own address and in the direct map, 1 GiB at KERNEL_VMA, writable and
	 * executable throughout; paging_init() replaces all but boot_stack_table before it returns.
	 */
#define TABLE(symbol)	.quad symbol - KERNEL_VMA + 3
	.section .data.boot_tables, "aw"
	.balign 4096
boot_pml4:
	TABLE(boot_pdpt_low)
	.fill 255, 8, 0
	TABLE(boot_pdpt_low)			/* DIRECT_MAP_BASE */
	.fill 254, 8, 0
	TABLE(boot_pdpt_high)
boot_pdpt_low:
	TABLE(boot_pd_low)
	TABLE(boot_pd_low + 4096)
	TABLE(boot_pd_low + 8192)
	TABLE(boot_pd_low + 12288)
	.fill 508, 8, 0
boot_pd_low:
	.set at, 0
	.rept 2048
	.quad at + 0x83
	.set at, at + 0x200000
	.endr
boot_pdpt_high:
	.fill 510, 8, 0
	TABLE(boot_pd_high)
	.quad 0
boot_pd_high:
	.set at, 0
	.rept 511
	.quad at + 0x83
	.set at, at + 0x200000
	.endr
	TABLE(boot_stack_table)

#define PAGE_OF_STACK(n) .quad boot_stacks - KERNEL_VMA + (n) * 4096 + (1 << 63) + 0x3
	.globl boot_stack_table
boot_stack_table:
	.quad 0
	.set page, 0
	.rept BOOT_STACK_PAGES
	PAGE_OF_STACK(page)
	.set page, page + 1
	.endr
	.rept NR_IST
	.quad 0
	.rept IST_STACK_PAGES
	PAGE_OF_STACK(page)
	.set page, page + 1
	.endr
	.endr
	.fill 512 - 1 - BOOT_STACK_PAGES - NR_IST * (1 + IST_STACK_PAGES), 8, 0

	.section .bss.boot_stacks, "aw", @nobits
	.balign 4096
boot_stacks:
	.skip (BOOT_STACK_PAGES + NR_IST * IST_STACK_PAGES) * 4096

	.section .note.GNU-stack, "", @progbits
