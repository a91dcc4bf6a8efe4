/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space: memory-mapped (ECAM) where the MCFG table says so, through ports 0xcf8 and 0xcfc elsewhere.
 * A bus's megabyte is mapped when it is first asked about: most machines have a handful of 256.
 */
#include "arch/x86/cpu.h"
#include "drivers/acpi.h"
#include "drivers/pci.h"
#include "lib/base/lock.h"
#include "mm/vmalloc.h"

#define PORT_ADDRESS	0xcf8
#define PORT_DATA	0xcfc
#define BUS_SHIFT	20

static DEFINE_SPINLOCK(port_lock, RANK_DRIVER);
static const struct acpi_ecam *ecam;		/* [I] of segment 0; NULL: ports */
static volatile u8 *ecam_bus[256];		/* [I] once mapped */

void pci_config_init(void)
{
	const struct acpi_mcfg *mcfg = acpi_mcfg();

	for (unsigned i = 0; mcfg && i < mcfg->nr && !ecam; i++) {
		if (mcfg->ecam[i].segment == 0)
			ecam = &mcfg->ecam[i];
	}
}

static volatile u8 *ecam_register(u8 bus, u8 slot, u8 fn, unsigned off)
{
	if (!ecam || bus < ecam->first_bus || bus > ecam->last_bus || off >= 4096)
		return NULL;
	if (!ecam_bus[bus])
		ecam_bus[bus] = ioremap(ecam->base + ((u64)bus << BUS_SHIFT), 1 << BUS_SHIFT);
	return ecam_bus[bus] ? ecam_bus[bus] + (slot << 15 | fn << 12 | off) : NULL;
}

static void port_select(u8 bus, u8 slot, u8 fn, unsigned off)
{
	outl(PORT_ADDRESS, 1u << 31 | bus << 16 | slot << 11 | fn << 8 | (off & 0xfc));
}

u32 pci_config_read(u8 bus, u8 slot, u8 fn, unsigned off, unsigned size)
{
	volatile u8 *reg = ecam_register(bus, slot, fn, off);
	u64 flags;
	u32 v;

	if (reg)
		return size == 1 ? *reg : size == 2 ? *(volatile u16 *)reg : *(volatile u32 *)reg;
	if (off >= 256)
		return ~0u;
	flags = spin_lock_irqsave(&port_lock);
	port_select(bus, slot, fn, off);
	v = size == 1 ? inb(PORT_DATA + (off & 3)) : size == 2 ? inw(PORT_DATA + (off & 2)) : inl(PORT_DATA);
	spin_unlock_irqrestore(&port_lock, flags);
	return v;
}

void pci_config_write(u8 bus, u8 slot, u8 fn, unsigned off, unsigned size, u32 v)
{
	volatile u8 *reg = ecam_register(bus, slot, fn, off);
	u64 flags;

	if (reg) {
		if (size == 1)
			*reg = v;
		else if (size == 2)
			*(volatile u16 *)reg = v;
		else
			*(volatile u32 *)reg = v;
		return;
	}
	if (off >= 256)
		return;
	flags = spin_lock_irqsave(&port_lock);
	port_select(bus, slot, fn, off);
	if (size == 1)
		outb(PORT_DATA + (off & 3), v);
	else if (size == 2)
		outw(PORT_DATA + (off & 2), v);
	else
		outl(PORT_DATA, v);
	spin_unlock_irqrestore(&port_lock, flags);
}
