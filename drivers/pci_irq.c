/* SPDX-License-Identifier: MIT */
/* A PCI device's registers and its message-signalled interrupts: MSI-X, and MSI for devices without it. */
#include "drivers/pci.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "mm/vmalloc.h"

#define MSIX_CONTROL	2
#define MSIX_ENABLE	0x8000
#define MSIX_MASK_ALL	0x4000
#define MSIX_TABLE	4		/* BAR in the low three bits, offset in the others */
#define MSIX_ENTRY_MASKED 1

#define MSI_CONTROL	2
#define MSI_ENABLE	0x0001
#define MSI_WIDE	0x0080
#define MSI_MULTIPLE	0x0070		/* number of vectors enabled, as a power of two: we want one */

volatile void *pci_bar_map(struct pci_dev *dev, unsigned n, u64 *size)
{
	const struct pci_bar *bar = n < PCI_NR_BARS ? &dev->bar[n] : NULL;

	if (!bar || bar->io || !bar->addr || !bar->size)
		return NULL;
	*size = bar->size;
	return ioremap(bar->addr, bar->size);
}

int pci_msix_enable(struct pci_dev *dev)
{
	unsigned cap = pci_cap_find(dev, PCI_CAP_MSIX, 0), nr, offset;
	volatile u8 *regs;
	u64 size;
	u32 where;

	if (!cap)
		return -ENODEV;
	nr = (pci_read16(dev, cap + MSIX_CONTROL) & 0x7ff) + 1;
	where = pci_read32(dev, cap + MSIX_TABLE);
	offset = where & ~7u;
	regs = pci_bar_map(dev, where & 7, &size);
	if (!regs || offset > size || nr * 16ULL > size - offset) {
		pr_warn("pci: %02x:%02x.%u: MSI-X table outside its BAR", dev->bus, dev->slot, dev->fn);
		return -ENODEV;
	}
	dev->msix_cap = cap;
	dev->nr_msix = nr;
	dev->msix_table = (volatile u32 *)(regs + offset);
	for (unsigned i = 0; i < nr; i++)
		dev->msix_table[4 * i + 3] = MSIX_ENTRY_MASKED;
	pci_write16(dev, cap + MSIX_CONTROL, (pci_read16(dev, cap + MSIX_CONTROL) | MSIX_ENABLE) & ~MSIX_MASK_ALL);
	return nr;
}

int pci_msix_set(struct pci_dev *dev, unsigned entry, unsigned cpu, irq_handler fn, void *arg)
{
	volatile u32 *e = dev->msix_table + 4 * entry;
	u64 addr;
	u32 data;
	int vector;

	if (entry >= dev->nr_msix)
		return -EINVAL;
	vector = irq_vector_alloc(cpu, fn, arg);
	if (vector < 0)
		return vector;
	irq_msi_message(cpu, vector, &addr, &data);
	e[0] = addr;
	e[1] = addr >> 32;
	e[2] = data;
	e[3] = 0;
	return 0;
}

int pci_msi_enable(struct pci_dev *dev, unsigned cpu, irq_handler fn, void *arg)
{
	unsigned cap = pci_cap_find(dev, PCI_CAP_MSI, 0);
	u16 control;
	u64 addr;
	u32 data;
	int vector;

	if (!cap)
		return -ENODEV;
	vector = irq_vector_alloc(cpu, fn, arg);
	if (vector < 0)
		return vector;
	irq_msi_message(cpu, vector, &addr, &data);
	control = pci_read16(dev, cap + MSI_CONTROL);
	pci_write32(dev, cap + 4, addr);
	if (control & MSI_WIDE)
		pci_write32(dev, cap + 8, addr >> 32);
	pci_write16(dev, cap + (control & MSI_WIDE ? 12 : 8), data);
	pci_write16(dev, cap + MSI_CONTROL, (control & ~MSI_MULTIPLE) | MSI_ENABLE);
	return 0;
}
