/* SPDX-License-Identifier: MIT */
/* Parsers of ACPI tables (ACPI 6.4, chapter 5). Pure: memory in, structs out; every length is checked before use. */
#include "drivers/acpi.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"

static u16 get16(const u8 *p) { u16 v; memcpy(&v, p, 2); return v; }
static u32 get32(const u8 *p) { u32 v; memcpy(&v, p, 4); return v; }
static u64 get64(const u8 *p) { u64 v; memcpy(&v, p, 8); return v; }

static bool checksum_ok(const u8 *p, size_t len)
{
	u8 sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += p[i];
	return sum == 0;
}

int acpi_rsdp_parse(const void *rsdp, size_t len, struct acpi_root *out)
{
	const u8 *p = rsdp;
	u32 full;

	if (len < 20 || memcmp(p, "RSD PTR ", 8) != 0 || !checksum_ok(p, 20))
		return -EINVAL;
	*out = (struct acpi_root){ .table = get32(p + 16), .wide = false };
	if (p[15] >= 2 && len >= 36) {
		full = get32(p + 20);
		/* a bad extended part does not spoil the first one */
		if (full >= 36 && full <= len && checksum_ok(p, full) && get64(p + 24) != 0)
			*out = (struct acpi_root){ .table = get64(p + 24), .wide = true };
	}
	return out->table ? 0 : -EINVAL;
}

const void *acpi_rsdp_search(const void *area, size_t len)
{
	const u8 *p = area;
	struct acpi_root root;

	for (size_t i = 0; i + 20 <= len; i += 16) {
		if (acpi_rsdp_parse(p + i, len - i, &root) == 0)
			return p + i;
	}
	return NULL;
}

int acpi_table_check(const void *table, size_t len)
{
	const struct acpi_header *h = table;

	if (len < sizeof(*h) || h->length < sizeof(*h) || h->length > len || !checksum_ok(table, h->length))
		return -EINVAL;
	return 0;
}

unsigned acpi_root_entries(const void *table, bool wide)
{
	const struct acpi_header *h = table;

	return (h->length - sizeof(*h)) / (wide ? 8 : 4);
}

paddr_t acpi_root_entry(const void *table, bool wide, unsigned n)
{
	const u8 *p = (const u8 *)table + sizeof(struct acpi_header);

	return wide ? get64(p + 8ULL * n) : get32(p + 4ULL * n);
}

/* A table whose signature, length and checksum are right and that has at least min bytes */
static bool table_is(const void *table, size_t len, const char *signature, size_t min)
{
	const struct acpi_header *h = table;

	return acpi_table_check(table, len) == 0 && memcmp(h->signature, signature, 4) == 0 && h->length >= min;
}

static void madt_add_cpu(struct acpi_madt *out, u32 apic_id, u32 flags)
{
	out->nr_places++;
	/* bit 0: enabled; bit 1: can be enabled later, which we do not */
	if (!(flags & 1) || out->nr_cpus == ARRAY_SIZE(out->cpu))
		return;
	for (unsigned i = 0; i < out->nr_cpus; i++) {
		if (out->cpu[i].apic_id == apic_id)
			return;		/* firmware may list a CPU both as local APIC and as x2APIC */
	}
	out->cpu[out->nr_cpus++] = (struct acpi_cpu){ .apic_id = apic_id, .enabled = true };
}

static void madt_add_override(struct acpi_madt *out, const u8 *p)
{
	u16 flags = get16(p + 8);

	/* bus 0 is ISA; its lines are edge triggered and active high unless the flags say otherwise */
	if (p[2] != 0 || out->nr_overrides == ARRAY_SIZE(out->override))
		return;
	out->override[out->nr_overrides++] = (struct acpi_override){
		.isa_irq = p[3],
		.gsi = get32(p + 4),
		.active_low = (flags & 3) == 3,
		.level = ((flags >> 2) & 3) == 3,
	};
}

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_ADDRESS = 5, MADT_X2APIC = 9 };

int acpi_madt_parse(const void *table, size_t len, struct acpi_madt *out)
{
	const struct acpi_header *h = table;
	const u8 *p = table, *end;

	if (!table_is(table, len, "APIC", 44))
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->lapic = get32(p + 36);
	end = p + h->length;
	for (p += 44; end - p >= 2 && p[1] >= 2 && p[1] <= end - p; p += p[1]) {
		if (p[0] == MADT_LAPIC && p[1] >= 8) {
			madt_add_cpu(out, p[3], get32(p + 4));
		} else if (p[0] == MADT_X2APIC && p[1] >= 16) {
			madt_add_cpu(out, get32(p + 4), get32(p + 8));
		} else if (p[0] == MADT_IOAPIC && p[1] >= 12 && out->nr_ioapics < ARRAY_SIZE(out->ioapic)) {
			out->ioapic[out->nr_ioapics++] = (struct acpi_ioapic){
				.id = p[2], .addr = get32(p + 4), .gsi_base = get32(p + 8) };
		} else if (p[0] == MADT_OVERRIDE && p[1] >= 10) {
			madt_add_override(out, p);
		} else if (p[0] == MADT_LAPIC_ADDRESS && p[1] >= 12) {
			out->lapic = get64(p + 4);
		}
	}
	return p == end ? 0 : -EINVAL;	/* a malformed entry: the rest cannot be trusted either */
}

int acpi_mcfg_parse(const void *table, size_t len, struct acpi_mcfg *out)
{
	const struct acpi_header *h = table;
	const u8 *p = table;

	if (!table_is(table, len, "MCFG", 44))
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	for (u32 at = 44; at + 16 <= h->length && out->nr < ACPI_MAX_ECAM; at += 16) {
		struct acpi_ecam e = { .base = get64(p + at), .segment = get16(p + at + 8), .first_bus = p[at + 10],
				       .last_bus = p[at + 11] };

		if (e.base != 0 && IS_ALIGNED(e.base, MIB(1)) && e.first_bus <= e.last_bus)
			out->ecam[out->nr++] = e;
	}
	return out->nr ? 0 : -EINVAL;
}

int acpi_fadt_parse(const void *table, size_t len, struct acpi_fadt *out)
{
	const struct acpi_header *h = table;
	const u8 *p = table;

	if (!table_is(table, len, "FACP", 116))
		return -EINVAL;
	*out = (struct acpi_fadt){
		.dsdt = get32(p + 40),
		.smi_command = get32(p + 48),
		.acpi_enable = p[52],
		.pm1a_control = get32(p + 64),
		.pm1b_control = get32(p + 68),
		.century = p[108],
	};
	if (h->length >= 148 && get64(p + 140) != 0)
		out->dsdt = get64(p + 140);
	return 0;
}

/* One integer constant of AML byte code; NULL when it is none or ends early. */
static const u8 *aml_integer(const u8 *p, const u8 *end, u8 *value)
{
	enum { AML_ZERO = 0x00, AML_ONE = 0x01, AML_BYTE = 0x0a, AML_WORD = 0x0b, AML_DWORD = 0x0c };
	unsigned bytes;

	if (p >= end)
		return NULL;
	if (*p == AML_ZERO || *p == AML_ONE) {
		*value = *p;
		return p + 1;
	}
	bytes = *p == AML_BYTE ? 1 : *p == AML_WORD ? 2 : *p == AML_DWORD ? 4 : 0;
	if (bytes == 0 || end - p < 1 + (ptrdiff_t)bytes)
		return NULL;
	*value = p[1];		/* SLP_TYP has three bits */
	return p + 1 + bytes;
}

/* Name(_S5_, Package(n) { a, b, ... }) at p, which points behind the name. */
static bool s5_package(const u8 *p, const u8 *end, u8 *a, u8 *b)
{
	enum { AML_PACKAGE = 0x12 };
	unsigned more;
	u8 elements;

	if (end - p < 3 || *p++ != AML_PACKAGE)
		return false;
	more = *p >> 6;		/* PkgLength: so many bytes follow the first */
	if (end - p < 2 + (ptrdiff_t)more)
		return false;
	p += 1 + more;
	elements = *p++;
	if (elements < 1)
		return false;
	p = aml_integer(p, end, a);
	if (!p)
		return false;
	*b = *a;
	if (elements >= 2 && !aml_integer(p, end, b))
		return false;
	return *a < 8 && *b < 8;
}

int acpi_s5_find(const void *dsdt, size_t len, u8 *type_a, u8 *type_b)
{
	enum { AML_NAME = 0x08 };
	const u8 *start = dsdt, *end = start + len;

	for (const u8 *p = start + sizeof(struct acpi_header); p < end && end - p >= 8; p++) {
		if (memcmp(p, "_S5_", 4) != 0)
			continue;
		if (p[-1] != AML_NAME && !(p[-1] == '\\' && p[-2] == AML_NAME))
			continue;
		if (s5_package(p + 4, end, type_a, type_b))
			return 0;
	}
	return -EINVAL;
}
