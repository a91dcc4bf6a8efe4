/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables: their layout as far as we read it, and parsers that trust nothing in them. The parsers are pure
 * (acpi_tables.c, tested on the host); acpi.c finds the tables and switches the machine off.
 */
#ifndef DRIVERS_ACPI_H
#define DRIVERS_ACPI_H

#include "arch/x86/platform.h"
#include "lib/base/types.h"

struct acpi_header {
	char signature[4];
	u32 length;		/* of the whole table */
	u8 revision, checksum;
	char oem_id[6], oem_table_id[8];
	u32 oem_revision, creator_id, creator_revision;
} __packed;

struct acpi_root {		/* what the RSDP says */
	paddr_t table;
	bool wide;		/* XSDT: entries of 8 bytes, else RSDT */
};

#define ACPI_MAX_ECAM 4
struct acpi_ecam {		/* one range of PCI buses with memory-mapped configuration space */
	paddr_t base;		/* of bus 0, whether or not that is in the range */
	u16 segment;
	u8 first_bus, last_bus;
};
struct acpi_mcfg {
	unsigned nr;
	struct acpi_ecam ecam[ACPI_MAX_ECAM];
};

struct acpi_fadt {
	paddr_t dsdt;
	u32 pm1a_control, pm1b_control;		/* I/O ports; 0: none */
	u32 smi_command;			/* I/O port; 0: ACPI mode is on already */
	u8 acpi_enable;
	u8 century;				/* CMOS register of the century; 0: none */
};

/* Each returns 0 or -EINVAL, with *out untouched or meaningless then. len is what is mapped, not what the table says. */
int acpi_rsdp_parse(const void *p, size_t len, struct acpi_root *out);
/* The RSDP in a BIOS area, on a 16-byte boundary; NULL */
const void *acpi_rsdp_search(const void *area, size_t len);
int acpi_table_check(const void *table, size_t len);	/* length and checksum */
unsigned acpi_root_entries(const void *table, bool wide);
paddr_t acpi_root_entry(const void *table, bool wide, unsigned n);
int acpi_madt_parse(const void *table, size_t len, struct acpi_madt *out);
int acpi_mcfg_parse(const void *table, size_t len, struct acpi_mcfg *out);
int acpi_fadt_parse(const void *table, size_t len, struct acpi_fadt *out);
/* The SLP_TYP values for PM1a and PM1b of state S5, out of the DSDT's byte code */
int acpi_s5_find(const void *dsdt, size_t len, u8 *type_a, u8 *type_b);

const struct acpi_mcfg *acpi_mcfg(void);	/* NULL: no such table */
const struct acpi_fadt *acpi_fadt(void);

#endif
