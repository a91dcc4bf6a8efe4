/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader passed: RAM, command line, ACPI's root pointer. Pure: reads bytes at addresses that the caller's
 * translation gives, so that it runs on the host over recorded images too.
 */
#ifndef ARCH_X86_BOOTINFO_H
#define ARCH_X86_BOOTINFO_H

#include "lib/base/types.h"

#define BOOT_RANGES_MAX 128

struct boot_range { paddr_t start, end; };

struct bootinfo {
	struct boot_range ram[BOOT_RANGES_MAX];	/* whole pages, ascending, apart; neighbours merged */
	unsigned nr_ram;
	char command_line[4096];
	char loader[64];		/* its name; "PVH" */
	bool uefi;			/* the loader was started by UEFI */
	u8 rsdp[36];			/* a copy: the loader's may lie in memory that is given away */
	unsigned rsdp_len;		/* 0: none */
	paddr_t rsdp_phys;		/* where it lies, when the loader said only that */
};

/* kind: BOOT_BY_*; info: its structure, through the caller's mapping; at(pa): a pointer to physical memory */
void bootinfo_read(struct bootinfo *b, int kind, const void *info, const void *(*at)(paddr_t pa));

#endif
