/* SPDX-License-Identifier: MIT */
/* SOURCES: drivers/acpi_tables.c */
/* ACPI parsers: tables made by hand as QEMU and real firmware lay them out, then cut short and spoilt at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "drivers/acpi.h"

struct build {
	u8 data[512];
	size_t len;
};

static void put(struct build *b, u64 v, unsigned bytes)
{
	memcpy(b->data + b->len, &v, bytes);
	b->len += bytes;
}

static void header(struct build *b, const char *signature)
{
	memset(b, 0, sizeof(*b));
	memcpy(b->data, signature, 4);
	b->len = 36;
}

static void finish(struct build *b)
{
	u32 len = b->len;
	u8 sum = 0;

	memcpy(b->data + 4, &len, 4);
	b->data[9] = 0;
	for (size_t i = 0; i < b->len; i++)
		sum += b->data[i];
	b->data[9] = -sum;
}

static void make_madt(struct build *b)
{
	header(b, "APIC");
	put(b, 0xfee00000, 4);
	put(b, 1, 4);
	put(b, 0x0800, 2), put(b, 0, 1), put(b, 0, 1), put(b, 1, 4);		/* local APIC 0 */
	put(b, 0x0800, 2), put(b, 1, 1), put(b, 1, 1), put(b, 1, 4);
	put(b, 0x0800, 2), put(b, 2, 1), put(b, 2, 1), put(b, 0, 4);		/* disabled */
	put(b, 0x1009, 2), put(b, 0, 2), put(b, 300, 4), put(b, 1, 4), put(b, 3, 4);	/* x2APIC 300 */
	put(b, 0x1009, 2), put(b, 0, 2), put(b, 1, 4), put(b, 1, 4), put(b, 1, 4);	/* CPU 1 again */
	put(b, 0x0c01, 2), put(b, 7, 1), put(b, 0, 1), put(b, 0xfec00000, 4), put(b, 0, 4);
	put(b, 0x0a02, 2), put(b, 0, 1), put(b, 0, 1), put(b, 2, 4), put(b, 0, 2);	/* IRQ 0 -> GSI 2 */
	put(b, 0x0a02, 2), put(b, 0, 1), put(b, 9, 1), put(b, 9, 4), put(b, 0xd, 2);	/* high, level */
	put(b, 0x0a02, 2), put(b, 0, 1), put(b, 5, 1), put(b, 5, 4), put(b, 0xf, 2);	/* low, level */
	put(b, 0x04aa, 2), put(b, 0, 2);						/* of an unknown kind */
	finish(b);
	/* the type is the first byte, the length the second: put() above wrote them as one number */
}

static void test_madt(void **state)
{
	struct acpi_madt m;
	struct build b;

	make_madt(&b);
	assert_int_equal(acpi_madt_parse(b.data, b.len, &m), 0);
	assert_int_equal(m.lapic, 0xfee00000);
	assert_int_equal(m.nr_cpus, 3);
	assert_int_equal(m.nr_places, 5);
	assert_int_equal(m.cpu[0].apic_id, 0);
	assert_int_equal(m.cpu[1].apic_id, 1);
	assert_int_equal(m.cpu[2].apic_id, 300);
	assert_int_equal(m.nr_ioapics, 1);
	assert_int_equal(m.ioapic[0].id, 7);
	assert_int_equal(m.ioapic[0].addr, 0xfec00000);
	assert_int_equal(m.nr_overrides, 3);
	assert_int_equal(m.override[0].gsi, 2);
	assert_false(m.override[0].level || m.override[0].active_low);
	assert_true(m.override[1].level && !m.override[1].active_low);
	assert_true(m.override[2].level && m.override[2].active_low);
}

/* Whatever is cut off, nothing is read beyond (the sanitizer looks on), and a cut table is refused. */
static void test_truncated(void **state)
{
	struct acpi_madt m;
	struct build b;

	make_madt(&b);
	for (size_t n = 0; n < b.len; n++) {
		u8 *cut = malloc(n ? n : 1);

		memcpy(cut, b.data, n);
		assert_true(acpi_madt_parse(cut, n, &m) < 0);
		free(cut);
	}
	/* shorter by its own length field: entries that reach over the end are refused */
	for (size_t n = 44; n < b.len; n++) {
		struct build c = b;
		u8 *cut = malloc(n);

		c.len = n;
		finish(&c);
		memcpy(cut, c.data, n);
		(void)acpi_madt_parse(cut, n, &m);
		free(cut);
	}
}

static void test_spoilt(void **state)
{
	struct acpi_madt m;
	struct build b;

	make_madt(&b);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0x11;
		assert_true(acpi_madt_parse(b.data, b.len, &m) < 0);	/* the checksum */
		b.data[i] ^= 0x11;
	}
	/* with the checksum made right again: any verdict, but within bounds and within the arrays */
	for (size_t i = 36; i < b.len; i++) {
		for (unsigned v = 0; v < 256; v += 5) {
			struct build c = b;
			u8 *exact = malloc(c.len);

			c.data[i] = v;
			finish(&c);
			memcpy(exact, c.data, c.len);
			if (acpi_madt_parse(exact, c.len, &m) == 0)
				assert_true(m.nr_cpus <= 64 && m.nr_ioapics <= 8 && m.nr_overrides <= 24);
			free(exact);
		}
	}
	/* an entry of length 0 ends the walk */
	make_madt(&b);
	b.data[45] = 0;
	finish(&b);
	assert_int_equal(acpi_madt_parse(b.data, b.len, &m), -EINVAL);
}

static void test_rsdp(void **state)
{
	u8 area[256] = { 0 };
	struct acpi_root root;
	u8 sum = 0;

	memcpy(area + 64, "RSD PTR ", 8);
	area[64 + 15] = 0;
	area[64 + 18] = 0x12;		/* 0x120000 */
	for (unsigned i = 64; i < 84; i++)
		sum += area[i];
	area[64 + 8] = -sum;
	assert_ptr_equal(acpi_rsdp_search(area, sizeof(area)), area + 64);
	assert_int_equal(acpi_rsdp_parse(area + 64, 20, &root), 0);
	assert_int_equal(root.table, 0x120000);
	assert_false(root.wide);
	assert_null(acpi_rsdp_search(area, 64 + 19));
	assert_null(acpi_rsdp_search(area + 8, 200));	/* not on a 16-byte boundary of it */

	/* revision 2 with a good extended part, then with a bad one */
	u8 two[36] = "RSD PTR ";
	u32 length = 36;
	u64 xsdt = 0x123456000;

	two[15] = 2;
	memcpy(two + 16, "\x00\x10\x00\x00", 4);
	memcpy(two + 20, &length, 4);
	memcpy(two + 24, &xsdt, 8);
	sum = 0;
	for (unsigned i = 0; i < 20; i++)
		sum += two[i];
	two[8] = -sum;
	sum = 0;
	for (unsigned i = 0; i < 36; i++)
		sum += two[i];
	two[32] = -sum;
	assert_int_equal(acpi_rsdp_parse(two, 36, &root), 0);
	assert_true(root.wide);
	assert_true(root.table == xsdt);
	two[33] ^= 1;
	assert_int_equal(acpi_rsdp_parse(two, 36, &root), 0);
	assert_false(root.wide);
	assert_int_equal(root.table, 0x1000);
}

static void test_mcfg(void **state)
{
	struct acpi_mcfg m;
	struct build b;

	header(&b, "MCFG");
	put(&b, 0, 8);
	put(&b, 0xb0000000, 8), put(&b, 0, 2), put(&b, 0, 1), put(&b, 255, 1), put(&b, 0, 4);
	put(&b, 0xc0000001, 8), put(&b, 1, 2), put(&b, 0, 1), put(&b, 255, 1), put(&b, 0, 4);	/* not aligned */
	put(&b, 0, 7);		/* and a piece of an entry */
	finish(&b);
	assert_int_equal(acpi_mcfg_parse(b.data, b.len, &m), 0);
	assert_int_equal(m.nr, 1);
	assert_int_equal(m.ecam[0].base, 0xb0000000);
	assert_int_equal(m.ecam[0].last_bus, 255);
	b.len = 44;
	finish(&b);
	assert_int_equal(acpi_mcfg_parse(b.data, b.len, &m), -EINVAL);
}

static void test_fadt(void **state)
{
	struct acpi_fadt f;
	struct build b;
	u64 dsdt = 0x7ffe0040;

	header(&b, "FACP");
	b.len = 244;
	memcpy(b.data + 40, "\x40\x00\xfe\x7f", 4);
	memcpy(b.data + 48, "\xb2\x00\x00\x00", 4);
	b.data[52] = 2;
	memcpy(b.data + 64, "\x04\x06\x00\x00", 4);
	b.data[108] = 0x32;
	finish(&b);
	assert_int_equal(acpi_fadt_parse(b.data, b.len, &f), 0);
	assert_int_equal(f.dsdt, dsdt);
	assert_int_equal(f.pm1a_control, 0x604);
	assert_int_equal(f.pm1b_control, 0);
	assert_int_equal(f.smi_command, 0xb2);
	assert_int_equal(f.century, 0x32);
	b.len = 100;
	finish(&b);
	assert_int_equal(acpi_fadt_parse(b.data, b.len, &f), -EINVAL);
}

static int s5(const void *aml, size_t len, u8 *a, u8 *b)
{
	u8 *dsdt = calloc(1, 36 + len);		/* exactly so long: the sanitizer sees a byte too many */
	int rc;

	memcpy(dsdt + 36, aml, len);
	rc = acpi_s5_find(dsdt, 36 + len, a, b);
	free(dsdt);
	return rc;
}

static void test_s5(void **state)
{
	/* q35: Name (_S5, Package (4) { 0, 0, 0, 0 }); then other machines' forms */
	static const u8 q35[] = { 1, 2, 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0, 9 };
	static const u8 bytes[] = { 0x08, '\\', '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, 5, 0x0a, 7, 0, 0 };
	static const u8 wide[] = { 0x08, '_', 'S', '5', '_', 0x12, 0x48, 0x00, 0x02, 0x0b, 5, 0, 0x01, 0 };
	static const u8 other[] = { 0x10, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0 };
	static const u8 junk[] = { 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 200, 0, 0 };
	u8 a, b;

	assert_int_equal(s5(q35, sizeof(q35), &a, &b), 0);
	assert_true(a == 0 && b == 0);
	assert_int_equal(s5(bytes, sizeof(bytes), &a, &b), 0);
	assert_true(a == 5 && b == 7);
	assert_int_equal(s5(wide, sizeof(wide), &a, &b), 0);
	assert_true(a == 5 && b == 1);
	assert_int_equal(s5(other, sizeof(other), &a, &b), -EINVAL);
	assert_int_equal(s5(junk, sizeof(junk), &a, &b), -EINVAL);
	for (size_t n = 0; n < 11; n++)
		assert_true(s5(bytes, n, &a, &b) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_madt), cmocka_unit_test(test_truncated), cmocka_unit_test(test_spoilt),
		cmocka_unit_test(test_rsdp), cmocka_unit_test(test_mcfg), cmocka_unit_test(test_fadt),
		cmocka_unit_test(test_s5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
