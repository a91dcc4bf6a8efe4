/* SPDX-License-Identifier: MIT */
/*
 * PCI enumeration: every bus behind every bridge, BARs and their sizes, capabilities. Knows configuration space only
 * through pci_config_read() and _write(), so that it runs on the host against a made-up machine (pci_test.c).
 *
 * Firmware has usually numbered the buses and assigned the BARs; what it left undone is done here. BARs are looked at
 * only in devices that a driver enables: sizing turns the device's decoding off and on, which costs a virtual machine
 * milliseconds each.
 */
#include "drivers/pci.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"

#define CLASS_BRIDGE		0x06
#define SUBCLASS_PCI_BRIDGE	0x04
#define MMIO_FLOOR		0xc0000000ULL	/* a PC has no RAM and no ECAM from here ... */
#define MMIO_END		0xfec00000ULL	/* ... to the I/O APIC */
#define MAX_UNNUMBERED		8

static struct pci_dev devs[PCI_MAX_DEVS];
static unsigned nr_devs;
static u8 bus_seen[256 / 8];
static unsigned last_bus;			/* highest number in use */
static struct pci_dev unnumbered[MAX_UNNUMBERED];	/* bridges without bus numbers: after all others */
static unsigned nr_unnumbered;

unsigned pci_nr_devs(void)
{
	return nr_devs;
}

struct pci_dev *pci_dev_nth(unsigned n)
{
	return n < nr_devs ? &devs[n] : NULL;
}

static void scan_bus(u8 bus);

static void scan_bridge(const struct pci_dev *bridge)
{
	u8 secondary = pci_read8(bridge, PCI_SECONDARY_BUS), subordinate = pci_read8(bridge, PCI_SUBORDINATE_BUS);

	if (secondary == 0) {
		if (nr_unnumbered < MAX_UNNUMBERED)
			unnumbered[nr_unnumbered++] = *bridge;
		return;
	}
	last_bus = MAX(last_bus, (unsigned)MAX(secondary, subordinate));
	scan_bus(secondary);
}

static bool scan_function(u8 bus, u8 slot, u8 fn)
{
	struct pci_dev d = { .bus = bus, .slot = slot, .fn = fn };
	u8 header;

	d.vendor = pci_read16(&d, PCI_VENDOR);
	if (d.vendor == 0xffff || d.vendor == 0)
		return false;
	d.device = pci_read16(&d, PCI_DEVICE);
	d.class = pci_read8(&d, PCI_CLASS);
	d.subclass = pci_read8(&d, PCI_SUBCLASS);
	header = pci_read8(&d, PCI_HEADER);
	d.header = header & ~PCI_HEADER_MULTI;
	if (nr_devs == PCI_MAX_DEVS)
		pr_warn("pci: more than %d devices: %02x:%02x.%u is left out", PCI_MAX_DEVS, bus, slot, fn);
	else
		devs[nr_devs++] = d;
	if (d.header == 1 && d.class == CLASS_BRIDGE && d.subclass == SUBCLASS_PCI_BRIDGE)
		scan_bridge(&d);
	return header & PCI_HEADER_MULTI;
}

static void scan_bus(u8 bus)
{
	/* two bridges may claim one bus, or each other's: each is looked at once */
	if (bus_seen[bus / 8] & 1 << bus % 8)
		return;
	bus_seen[bus / 8] |= 1 << bus % 8;
	for (unsigned slot = 0; slot < 32; slot++) {
		if (!scan_function(bus, slot, 0))
			continue;
		for (unsigned fn = 1; fn < 8; fn++)
			(void)scan_function(bus, slot, fn);
	}
}

/* Give a bridge the next free number; what is behind it may again be bridges without numbers. */
static void number_bridge(const struct pci_dev *bridge)
{
	unsigned bus = last_bus + 1;

	if (bus > 255) {
		pr_warn("pci: no bus number left for bridge %02x:%02x.%u", bridge->bus, bridge->slot, bridge->fn);
		return;
	}
	last_bus = bus;
	pci_config_write(bridge->bus, bridge->slot, bridge->fn, PCI_PRIMARY_BUS, 1, bridge->bus);
	pci_config_write(bridge->bus, bridge->slot, bridge->fn, PCI_SECONDARY_BUS, 1, bus);
	pci_config_write(bridge->bus, bridge->slot, bridge->fn, PCI_SUBORDINATE_BUS, 1, bus);
	scan_bus(bus);
}

void pci_enumerate(void)
{
	scan_bus(0);
	/* only bridges on bus 0 get numbers: one deeper would need its parents' ranges widened as well */
	for (unsigned i = 0; i < nr_unnumbered; i++) {
		if (unnumbered[i].bus == 0)
			number_bridge(&unnumbered[i]);
		else
			pr_warn("pci: bridge %02x:%02x.%u has no bus numbers", unnumbered[i].bus, unnumbered[i].slot,
				unnumbered[i].fn);
	}
}

unsigned pci_cap_find(const struct pci_dev *dev, u8 id, unsigned after)
{
	unsigned at;

	if (!(pci_read16(dev, PCI_STATUS) & PCI_STATUS_CAPS))
		return 0;
	at = pci_read8(dev, after ? after + 1 : PCI_CAPS) & ~3u;
	/* 48 capabilities of 4 bytes fill the space: a longer list is a loop */
	for (unsigned i = 0; i < 48 && at >= 0x40; i++) {
		if (pci_read8(dev, at) == id)
			return at;
		at = pci_read8(dev, at + 1) & ~3u;
	}
	return 0;
}

static void bar_size(struct pci_dev *dev, unsigned n)
{
	unsigned reg = PCI_BAR0 + 4 * n;
	struct pci_bar *bar = &dev->bar[n];
	u32 lo = pci_read32(dev, reg), hi = 0;
	u64 mask;

	bar->io = lo & 1;
	bar->wide = !bar->io && (lo & 6) == 4 && n + 1 < PCI_NR_BARS;
	pci_write32(dev, reg, ~0u);
	mask = pci_read32(dev, reg) & (bar->io ? ~3u : ~15u);
	pci_write32(dev, reg, lo);
	if (bar->wide) {
		hi = pci_read32(dev, reg + 4);
		pci_write32(dev, reg + 4, ~0u);
		mask |= (u64)pci_read32(dev, reg + 4) << 32;
		pci_write32(dev, reg + 4, hi);
	} else if (mask) {
		/* a port BAR may implement only its lower 16 bits */
		mask |= bar->io ? ~0xffffULL : ~0xffffffffULL;
	}
	bar->size = mask ? ~mask + 1 : 0;
	if (bar->size & (bar->size - 1))
		bar->size = 0;		/* not a power of two: no BAR at all */
	bar->addr = bar->size ? ((u64)hi << 32 | lo) & (bar->io ? ~3ULL : ~15ULL) : 0;
}

static void bars_read(struct pci_dev *dev)
{
	u16 command;

	if (dev->bars_known || dev->header != 0)
		return;
	dev->bars_known = true;
	command = pci_read16(dev, PCI_COMMAND);
	pci_write16(dev, PCI_COMMAND, command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	for (unsigned n = 0; n < PCI_NR_BARS; n += dev->bar[n].wide ? 2 : 1)
		bar_size(dev, n);
	pci_write16(dev, PCI_COMMAND, command);
}

/* The memory that devices of the bus can have: everything on bus 0, elsewhere what the bridge to it lets through. */
static bool bus_window(u8 bus, u64 *start, u64 *end)
{
	*start = MMIO_FLOOR;
	*end = MMIO_END;
	if (bus == 0)
		return true;
	for (unsigned i = 0; i < nr_devs; i++) {
		if (devs[i].header == 1 && pci_read8(&devs[i], PCI_SECONDARY_BUS) == bus) {
			*start = (u64)(pci_read16(&devs[i], PCI_MEMORY_BASE) & 0xfff0) << 16;
			*end = ((u64)(pci_read16(&devs[i], PCI_MEMORY_BASE + 2) & 0xfff0) << 16) + MIB(1);
			return *start >= MMIO_FLOOR && *start < *end && *end <= MMIO_END;
		}
	}
	return false;
}

/* The lowest start of something in use that overlaps [at, at + size), or 0 */
static u64 mmio_conflict(u64 at, u64 size, u8 bus)
{
	u64 lowest = 0;

	for (unsigned i = 0; i < nr_devs; i++) {
		u64 start, end;

		for (unsigned n = 0; n < PCI_NR_BARS; n++) {
			const struct pci_bar *b = &devs[i].bar[n];

			if (b->io || !b->addr || b->addr >= at + size || b->addr + b->size <= at)
				continue;
			lowest = lowest ? MIN(lowest, b->addr) : b->addr;
		}
		/* what a bridge to another bus forwards */
		if (devs[i].header == 1 && pci_read8(&devs[i], PCI_SECONDARY_BUS) != bus &&
		    bus_window(pci_read8(&devs[i], PCI_SECONDARY_BUS), &start, &end) && start < at + size && end > at)
			lowest = lowest ? MIN(lowest, start) : start;
	}
	return lowest;
}

static int bar_assign(struct pci_dev *dev, unsigned n)
{
	struct pci_bar *bar = &dev->bar[n];
	u64 start, end, at, hit;

	for (unsigned i = 0; i < nr_devs; i++)
		bars_read(&devs[i]);
	if (!bus_window(dev->bus, &start, &end))
		return -ENOSPC;
	for (at = end; at >= start + bar->size; at = hit) {
		at = ALIGN_DOWN(at - bar->size, bar->size);
		if (at < start)
			break;
		hit = mmio_conflict(at, bar->size, dev->bus);
		if (!hit) {
			bar->addr = at;
			pci_write32(dev, PCI_BAR0 + 4 * n, at);
			if (bar->wide)
				pci_write32(dev, PCI_BAR0 + 4 * n + 4, at >> 32);
			return 0;
		}
	}
	return -ENOSPC;
}

int pci_dev_enable(struct pci_dev *dev)
{
	bars_read(dev);
	for (unsigned n = 0; n < PCI_NR_BARS; n++) {
		struct pci_bar *bar = &dev->bar[n];

		if (bar->size && !bar->io && !bar->addr && bar_assign(dev, n) < 0) {
			pr_warn("pci: %02x:%02x.%u: no room for BAR %u of %lu bytes", dev->bus, dev->slot, dev->fn, n,
				bar->size);
			return -ENOSPC;
		}
	}
	pci_write16(dev, PCI_COMMAND, pci_read16(dev, PCI_COMMAND) | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		    PCI_COMMAND_INTX_OFF);
	return 0;
}
