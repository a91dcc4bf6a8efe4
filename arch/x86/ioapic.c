/* SPDX-License-Identifier: MIT */
/* I/O APICs, and getting the legacy PIC out of the way. */
#include "arch/x86/cpu.h"
#include "arch/x86/init.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/platform.h"
#include "arch/x86/smp_internal.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "mm/vmalloc.h"

#define IOAPIC_VERSION	1
#define IOAPIC_REDIR(n)	(0x10 + 2 * (n))
#define REDIR_ACTIVE_LOW (1 << 13)
#define REDIR_LEVEL	(1 << 15)
#define REDIR_MASKED	(1 << 16)

struct ioapic {
	volatile u32 *regs;		/* index at 0, data at 0x10 */
	u32 gsi_base, nr;
};
static struct ioapic ioapics[8];
static unsigned nr_ioapics;
static struct acpi_override overrides[24];
static unsigned nr_overrides;

static u32 ioapic_read(struct ioapic *io, u32 reg)
{
	io->regs[0] = reg;
	return io->regs[4];
}

static void ioapic_write(struct ioapic *io, u32 reg, u32 v)
{
	io->regs[0] = reg;
	io->regs[4] = v;
}

/* Remapped first, so that a spurious interrupt of a masked PIC is not taken for an exception. */
void pic_disable(void)
{
	static const struct { u8 port, value; } init[] = {
		{ 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, 0x20 }, { 0xa1, 0x28 },
		{ 0x21, 0x04 }, { 0xa1, 0x02 }, { 0x21, 0x01 }, { 0xa1, 0x01 },
		{ 0x21, 0xff }, { 0xa1, 0xff },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(init); i++)
		outb(init[i].port, init[i].value);
}

void ioapic_init(const struct acpi_madt *madt)
{
	for (unsigned i = 0; i < madt->nr_ioapics && nr_ioapics < ARRAY_SIZE(ioapics); i++) {
		struct ioapic *io = &ioapics[nr_ioapics];

		io->regs = ioremap(madt->ioapic[i].addr, PAGE_SIZE);
		if (io->regs == NULL) {
			pr_err("ioapic %u: cannot be mapped", madt->ioapic[i].id);
			continue;
		}
		io->gsi_base = madt->ioapic[i].gsi_base;
		io->nr = (ioapic_read(io, IOAPIC_VERSION) >> 16 & 0xff) + 1;
		for (u32 line = 0; line < io->nr; line++)
			ioapic_write(io, IOAPIC_REDIR(line), REDIR_MASKED);
		nr_ioapics++;
	}
	for (unsigned i = 0; i < madt->nr_overrides && i < ARRAY_SIZE(overrides); i++)
		overrides[nr_overrides++] = madt->override[i];
}

int ioapic_route(u32 gsi, bool level, bool active_low, u32 vector)
{
	for (unsigned i = 0; i < nr_ioapics; i++) {
		struct ioapic *io = &ioapics[i];
		u32 line = gsi - io->gsi_base;

		if (gsi < io->gsi_base || line >= io->nr)
			continue;
		ioapic_write(io, IOAPIC_REDIR(line) + 1, apic_id_of(0) << 24);
		ioapic_write(io, IOAPIC_REDIR(line),
			     vector | (level ? REDIR_LEVEL : 0) | (active_low ? REDIR_ACTIVE_LOW : 0));
		return 0;
	}
	return -ENODEV;
}

struct acpi_override ioapic_isa(u8 isa_irq)
{
	for (unsigned i = 0; i < nr_overrides; i++)
		if (overrides[i].isa_irq == isa_irq)
			return overrides[i];
	return (struct acpi_override){ .isa_irq = isa_irq, .gsi = isa_irq };	/* the bus's own: edge, active high */
}
