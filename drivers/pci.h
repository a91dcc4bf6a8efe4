/* SPDX-License-Identifier: MIT */
/*
 * PCI: the devices found at boot, their registers and interrupts.
 *
 *	rc = pci_dev_enable(dev);			BARs known and assigned, memory decoding and bus mastering on
 *	regs = pci_bar_map(dev, 0, &size);
 *	rc = pci_msix_enable(dev);			number of vectors
 *	rc = pci_msix_set(dev, entry, cpu, handler, arg);
 *
 * All of it in the boot thread, before there is anyone to race with.
 */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include "arch/x86/irq.h"
#include "lib/base/types.h"

#define PCI_MAX_DEVS	64
#define PCI_NR_BARS	6

struct pci_bar {
	paddr_t addr;		/* 0: the firmware left it unassigned */
	u64 size;		/* 0: there is none */
	bool io, wide;		/* wide: 64 bits, it takes the next slot too */
};

struct pci_dev {
	u8 bus, slot, fn;
	u8 class, subclass, header;
	u16 vendor, device;
	bool bars_known;
	struct pci_bar bar[PCI_NR_BARS];
	u16 msix_cap;			/* offset in configuration space; 0: none or not enabled */
	unsigned nr_msix;
	volatile u32 *msix_table;
};

/* configuration space */
#define PCI_VENDOR		0x00
#define PCI_DEVICE		0x02
#define PCI_COMMAND		0x04
#define PCI_COMMAND_IO		0x001
#define PCI_COMMAND_MEMORY	0x002
#define PCI_COMMAND_MASTER	0x004
#define PCI_COMMAND_INTX_OFF	0x400
#define PCI_STATUS		0x06
#define PCI_STATUS_CAPS		0x10
#define PCI_SUBCLASS		0x0a
#define PCI_CLASS		0x0b
#define PCI_HEADER		0x0e
#define PCI_HEADER_MULTI	0x80
#define PCI_BAR0		0x10
#define PCI_PRIMARY_BUS		0x18
#define PCI_SECONDARY_BUS	0x19
#define PCI_SUBORDINATE_BUS	0x1a
#define PCI_MEMORY_BASE		0x20	/* of a bridge: 16 bits base, 16 bits limit, in MiB above bit 4 */
#define PCI_CAPS		0x34
#define PCI_CAP_MSI		0x05
#define PCI_CAP_VENDOR		0x09
#define PCI_CAP_MSIX		0x11

/* pci_config.c: through ECAM when MCFG names it, else through ports; off aligned to size (1, 2, 4 bytes) */
void pci_config_init(void);
u32 pci_config_read(u8 bus, u8 slot, u8 fn, unsigned off, unsigned size);
void pci_config_write(u8 bus, u8 slot, u8 fn, unsigned off, unsigned size, u32 v);
static inline u8 pci_read8(const struct pci_dev *d, unsigned off) { return pci_config_read(d->bus, d->slot, d->fn, off, 1); }
static inline u16 pci_read16(const struct pci_dev *d, unsigned off) { return pci_config_read(d->bus, d->slot, d->fn, off, 2); }
static inline u32 pci_read32(const struct pci_dev *d, unsigned off) { return pci_config_read(d->bus, d->slot, d->fn, off, 4); }
static inline void pci_write16(const struct pci_dev *d, unsigned off, u16 v) { pci_config_write(d->bus, d->slot, d->fn, off, 2, v); }
static inline void pci_write32(const struct pci_dev *d, unsigned off, u32 v) { pci_config_write(d->bus, d->slot, d->fn, off, 4, v); }

/* pci.c */
void pci_enumerate(void);
unsigned pci_nr_devs(void);
struct pci_dev *pci_dev_nth(unsigned n);
/* The next capability of that kind behind offset `after` (0: from the start); 0: no more. Loops in the list end. */
unsigned pci_cap_find(const struct pci_dev *dev, u8 id, unsigned after);
/* 0, or -ENOSPC when an unassigned BAR found no room */
int __must_check pci_dev_enable(struct pci_dev *dev);

/* pci_irq.c */
/* Uncached registers; NULL when there is no such memory BAR. One map per call. */
volatile void *pci_bar_map(struct pci_dev *dev, unsigned bar, u64 *size);
int pci_msix_enable(struct pci_dev *dev);	/* number of vectors, or -ENODEV */
int __must_check pci_msix_set(struct pci_dev *dev, unsigned entry, unsigned cpu, irq_handler fn, void *arg);
/* One vector, for devices without MSI-X; 0 or negative errno */
int __must_check pci_msi_enable(struct pci_dev *dev, unsigned cpu, irq_handler fn, void *arg);

#endif
