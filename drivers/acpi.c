/* SPDX-License-Identifier: MIT */
/*
 * ACPI: finds the tables that boot needs and switches the machine off (S5). No byte code is run: the one thing that is
 * taken from the DSDT, the S5 package, is found by its bytes.
 */
#include "arch/x86/cpu.h"
#include "drivers/acpi.h"
#include "drivers/drivers.h"
#include "kernel/power.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/vmalloc.h"

#define BIOS_AREA	0xe0000
#define BIOS_AREA_SIZE	0x20000
#define TABLE_MAX	MIB(4)		/* longer than any we read: a length above it is garbage */

#define PM1_SCI_ENABLED	(1 << 0)
#define PM1_SLEEP_TYPE(t) ((t) << 10)
#define PM1_SLEEP	(1 << 13)
#define Q35_PM1_CONTROL	0x604		/* where QEMU's q35 firmware puts it: the fall-back without tables */

static struct acpi_madt madt;
static struct acpi_mcfg mcfg;
static struct acpi_fadt fadt;
static bool have_madt, have_mcfg, have_fadt, have_s5;
static u8 s5_type_a, s5_type_b;

const struct acpi_madt *acpi_madt(void) { return have_madt ? &madt : NULL; }
const struct acpi_mcfg *acpi_mcfg(void) { return have_mcfg ? &mcfg : NULL; }
const struct acpi_fadt *acpi_fadt(void) { return have_fadt ? &fadt : NULL; }

/* Map a table in full. NULL when its header says nonsense. */
static const struct acpi_header *table_map(paddr_t pa)
{
	const struct acpi_header *h = pa ? memremap(pa, sizeof(*h)) : NULL;
	u32 length;

	if (!h)
		return NULL;
	length = h->length;
	if (length < sizeof(*h) || length > TABLE_MAX)
		return NULL;
	h = memremap(pa, length);
	return h && acpi_table_check(h, length) == 0 ? h : NULL;
}

static bool find_root(struct acpi_root *root)
{
	const void *area, *rsdp;

	if (boot_rsdp) {
		rsdp = memremap(boot_rsdp, 36);
		if (rsdp && acpi_rsdp_parse(rsdp, 36, root) == 0)
			return true;
		pr_warn("acpi: what the boot loader gave is no RSDP");
	}
	area = memremap(BIOS_AREA, BIOS_AREA_SIZE);
	rsdp = area ? acpi_rsdp_search(area, BIOS_AREA_SIZE) : NULL;
	return rsdp && acpi_rsdp_parse(rsdp, 36, root) == 0;
}

static void take_table(const struct acpi_header *h)
{
	if (memcmp(h->signature, "APIC", 4) == 0 && !have_madt) {
		have_madt = acpi_madt_parse(h, h->length, &madt) == 0;
		if (!have_madt)
			pr_warn("acpi: malformed MADT");
	} else if (memcmp(h->signature, "MCFG", 4) == 0 && !have_mcfg) {
		have_mcfg = acpi_mcfg_parse(h, h->length, &mcfg) == 0;
	} else if (memcmp(h->signature, "FACP", 4) == 0 && !have_fadt) {
		have_fadt = acpi_fadt_parse(h, h->length, &fadt) == 0;
	}
}

/* The machine goes off a little after it was told to: QEMU's other threads do it. */
static void wait_for_the_end(void)
{
	u64 until = arch_clock_ns() + 500 * NSEC_PER_MSEC;

	while (arch_clock_ns() < until)
		cpu_relax();
}

static void acpi_power_off(void)
{
	if (have_s5 && fadt.pm1a_control) {
		if (fadt.smi_command && fadt.acpi_enable && !(inw(fadt.pm1a_control) & PM1_SCI_ENABLED)) {
			outb(fadt.smi_command, fadt.acpi_enable);
			for (unsigned i = 0; i < 1000000 && !(inw(fadt.pm1a_control) & PM1_SCI_ENABLED); i++)
				cpu_relax();
		}
		outw(fadt.pm1a_control, PM1_SLEEP_TYPE(s5_type_a) | PM1_SLEEP);
		if (fadt.pm1b_control)
			outw(fadt.pm1b_control, PM1_SLEEP_TYPE(s5_type_b) | PM1_SLEEP);
		wait_for_the_end();
	}
	outw(Q35_PM1_CONTROL, PM1_SLEEP);
	wait_for_the_end();
}

void acpi_init(void)
{
	const struct acpi_header *root_table, *h;
	struct acpi_root root;

	power_register_off(acpi_power_off);
	if (!find_root(&root) || !(root_table = table_map(root.table))) {
		pr_warn("acpi: no tables: one CPU, PCI through ports");
		return;
	}
	for (unsigned i = 0; i < acpi_root_entries(root_table, root.wide); i++) {
		h = table_map(acpi_root_entry(root_table, root.wide, i));
		if (h)
			take_table(h);
		else
			pr_warn("acpi: table %u is malformed", i);
	}
	if (have_fadt) {
		h = table_map(fadt.dsdt);
		have_s5 = h && acpi_s5_find(h, h->length, &s5_type_a, &s5_type_b) == 0;
	}
	pr_info("acpi: %u CPUs, %u I/O APICs%s%s", madt.nr_cpus, madt.nr_ioapics, have_mcfg ? ", ECAM" : "",
		have_s5 ? ", S5" : "");
}
