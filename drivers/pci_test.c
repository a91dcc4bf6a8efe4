/* SPDX-License-Identifier: MIT */
/* Enumeration, BARs and capabilities against a made-up machine: bridges, unassigned BARs, and configuration that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "drivers/pci.c"

/* Configuration space of a few functions; BARs answer sizing as hardware does. */
static struct fake {
	u8 bus, slot, fn;
	u8 space[256];
	u64 bar_mask[6];		/* writable bits of each BAR register */
} fake[16];
static unsigned nr_fakes;

static struct fake *fake_at(u8 bus, u8 slot, u8 fn)
{
	for (unsigned i = 0; i < nr_fakes; i++) {
		if (fake[i].bus == bus && fake[i].slot == slot && fake[i].fn == fn)
			return &fake[i];
	}
	return NULL;
}

u32 pci_config_read(u8 bus, u8 slot, u8 fn, unsigned off, unsigned size)
{
	struct fake *f = fake_at(bus, slot, fn);
	u32 v = 0;

	assert_true(off % size == 0);
	if (!f || off + size > sizeof(f->space))
		return size == 4 ? ~0u : (1u << 8 * size) - 1;
	memcpy(&v, f->space + off, size);
	return v;
}

void pci_config_write(u8 bus, u8 slot, u8 fn, unsigned off, unsigned size, u32 v)
{
	struct fake *f = fake_at(bus, slot, fn);

	if (!f)
		return;
	if (off >= PCI_BAR0 && off < PCI_BAR0 + 24 && (f->space[PCI_HEADER] & 0x7f) == 0) {
		u32 old, mask = f->bar_mask[(off - PCI_BAR0) / 4];

		assert_int_equal(size, 4);
		/* decoding is off while its address changes */
		assert_int_equal(f->space[PCI_COMMAND] & 3, 0);
		memcpy(&old, f->space + off, 4);
		v = (v & mask) | (old & ~mask);
	}
	memcpy(f->space + off, &v, size);
}

static void reset(void)
{
	memset(fake, 0, sizeof(fake));
	memset(devs, 0, sizeof(devs));
	memset(bus_seen, 0, sizeof(bus_seen));
	nr_fakes = nr_devs = last_bus = nr_unnumbered = 0;
}

static struct fake *add(u8 bus, u8 slot, u8 fn, u16 vendor, u16 device)
{
	struct fake *f = &fake[nr_fakes++];

	f->bus = bus, f->slot = slot, f->fn = fn;
	memcpy(f->space + PCI_VENDOR, &vendor, 2);
	memcpy(f->space + PCI_DEVICE, &device, 2);
	return f;
}

static struct fake *add_bridge(u8 bus, u8 slot, u8 secondary, u8 subordinate)
{
	struct fake *f = add(bus, slot, 0, 0x8086, 0x3420);

	f->space[PCI_HEADER] = 1;
	f->space[PCI_CLASS] = 6;
	f->space[PCI_SUBCLASS] = 4;
	f->space[PCI_SECONDARY_BUS] = secondary;
	f->space[PCI_SUBORDINATE_BUS] = subordinate;
	return f;
}

static void set_bar(struct fake *f, unsigned n, u32 value, u64 size, bool wide)
{
	value |= wide ? 4 : 0;
	memcpy(f->space + PCI_BAR0 + 4 * n, &value, 4);
	f->bar_mask[n] = (u32)~(size - 1) & ~15u;
	if (wide)
		f->bar_mask[n + 1] = ~(size - 1) >> 32;
}

static void test_buses(void **state)
{
	reset();
	add(0, 0, 0, 0x8086, 0x29c0);
	add_bridge(0, 1, 1, 2);
	add(1, 0, 0, 0x1af4, 0x1041);
	add_bridge(1, 3, 2, 2);
	add(2, 5, 0, 0x1af4, 0x1042);
	add(0, 31, 0, 0x8086, 0x2918)->space[PCI_HEADER] = PCI_HEADER_MULTI;
	add(0, 31, 3, 0x8086, 0x2930);
	add(0, 4, 2, 0x8086, 1);		/* function 2 without function 0: not there */
	add_bridge(0, 6, 0, 0);			/* without a number: gets 3 */
	add(3, 0, 0, 0x1af4, 0x1043);
	add_bridge(2, 7, 1, 1);			/* a loop back to bus 1 */
	pci_enumerate();
	assert_int_equal(fake_at(0, 6, 0)->space[PCI_SECONDARY_BUS], 3);
	assert_int_equal(pci_nr_devs(), 10);
	for (unsigned i = 0; i < pci_nr_devs(); i++)
		assert_true(pci_dev_nth(i)->slot != 4);
	assert_null(pci_dev_nth(10));
}

static void test_bars(void **state)
{
	struct fake *f;
	struct pci_dev *d;

	reset();
	f = add(0, 1, 0, 1, 1);
	f->space[PCI_COMMAND] = 3;
	set_bar(f, 0, 0xc001, 0, false);		/* ports: 32 of them */
	f->bar_mask[0] = 0xffe0;
	set_bar(f, 1, 0xfeb00000, 0x1000, false);
	set_bar(f, 4, 0xc, 0x4000, true);		/* above 4 GiB */
	f->space[PCI_BAR0 + 20] = 0x38;
	pci_enumerate();
	d = pci_dev_nth(0);
	assert_int_equal(pci_dev_enable(d), 0);
	assert_true(d->bar[0].io && d->bar[0].addr == 0xc000 && d->bar[0].size == 32);
	assert_true(!d->bar[1].io && d->bar[1].addr == 0xfeb00000 && d->bar[1].size == 0x1000);
	assert_int_equal(d->bar[2].size, 0);
	assert_true(d->bar[4].wide && d->bar[4].addr == 0x3800000000 && d->bar[4].size == 0x4000);
	assert_int_equal(pci_read16(d, PCI_COMMAND), 7 | PCI_COMMAND_INTX_OFF);
}

static void test_unassigned(void **state)
{
	struct fake *f;
	u32 v;

	reset();
	f = add(0, 1, 0, 1, 1);
	set_bar(f, 0, 0xfebff000, 0x1000, false);	/* at the top of the hole */
	f = add(0, 2, 0, 1, 1);
	set_bar(f, 0, 0, 0x4000, true);			/* two that firmware forgot */
	set_bar(f, 2, 0, 0x1000, false);
	pci_enumerate();
	assert_int_equal(pci_dev_enable(pci_dev_nth(1)), 0);
	assert_int_equal(pci_dev_nth(1)->bar[0].addr, 0xfebf8000);
	assert_int_equal(pci_dev_nth(1)->bar[2].addr, 0xfebfe000);
	memcpy(&v, f->space + PCI_BAR0, 4);
	assert_int_equal(v, 0xfebf8004);

	/* behind a bridge: inside its window only */
	reset();
	f = add_bridge(0, 1, 1, 1);
	f->space[PCI_MEMORY_BASE] = 0x80, f->space[PCI_MEMORY_BASE + 1] = 0xfe;
	f->space[PCI_MEMORY_BASE + 2] = 0x80, f->space[PCI_MEMORY_BASE + 3] = 0xfe;
	f = add(1, 0, 0, 1, 1);
	set_bar(f, 0, 0, 0x80000, false);
	set_bar(f, 1, 0, 0x80000, false);
	pci_enumerate();
	assert_int_equal(pci_dev_enable(pci_dev_nth(1)), 0);
	assert_int_equal(pci_dev_nth(1)->bar[0].addr, 0xfe880000);
	assert_int_equal(pci_dev_nth(1)->bar[1].addr, 0xfe800000);
	reset();
	add_bridge(0, 1, 1, 1);				/* a closed window: base above limit */
	fake[0].space[PCI_MEMORY_BASE + 1] = 0xfe;
	set_bar(add(1, 0, 0, 1, 1), 0, 0, 0x1000, false);
	pci_enumerate();
	assert_int_equal(pci_dev_enable(pci_dev_nth(1)), -ENOSPC);

	/* one that fits nowhere */
	reset();
	set_bar(add(0, 1, 0, 1, 1), 0, 0, 0x80000000, false);
	pci_enumerate();
	assert_int_equal(pci_dev_enable(pci_dev_nth(0)), -ENOSPC);
}

static void test_caps(void **state)
{
	struct fake *f;
	struct pci_dev *d;

	reset();
	f = add(0, 1, 0, 1, 1);
	pci_enumerate();
	d = pci_dev_nth(0);
	assert_int_equal(pci_cap_find(d, 9, 0), 0);	/* status says: no list */
	f->space[PCI_STATUS] = PCI_STATUS_CAPS;
	f->space[PCI_CAPS] = 0x50;
	f->space[0x50] = 9, f->space[0x51] = 0x60;
	f->space[0x60] = 0x11, f->space[0x61] = 0x70;
	f->space[0x70] = 9, f->space[0x71] = 0;
	assert_int_equal(pci_cap_find(d, 9, 0), 0x50);
	assert_int_equal(pci_cap_find(d, 9, 0x50), 0x70);
	assert_int_equal(pci_cap_find(d, 9, 0x70), 0);
	assert_int_equal(pci_cap_find(d, 0x11, 0), 0x60);
	f->space[0x71] = 0x50;				/* a loop ends */
	assert_int_equal(pci_cap_find(d, 5, 0), 0);
	f->space[0x71] = 0x10;				/* into the header */
	assert_int_equal(pci_cap_find(d, 5, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buses), cmocka_unit_test(test_bars), cmocka_unit_test(test_unassigned),
		cmocka_unit_test(test_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
