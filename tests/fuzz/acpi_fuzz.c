/* SPDX-License-Identifier: MIT */
/* SOURCES: drivers/acpi_tables.c */
/* PARSERS: drivers/acpi_tables.c */
/* ACPI tables: each parser on any bytes; the length and checksum of a table are set right when byte 0 is odd. */
#include <stdlib.h>
#include "lib/base/string.h"
#include "drivers/acpi.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct acpi_madt madt;
	struct acpi_root root;
	struct acpi_mcfg mcfg;
	struct acpi_fadt fadt;
	u8 *copy, a, b, sum = 0;
	u32 len;

	if (size < 1)
		return 0;
	len = size - 1;
	copy = malloc(len);			/* so that a byte too far is seen */
	memcpy(copy, data + 1, len);
	if ((data[0] & 1) != 0 && len >= 36) {
		memcpy(copy + 4, &len, 4);
		copy[9] = 0;
		for (u32 i = 0; i < len; i++)
			sum += copy[i];
		copy[9] = -sum;
	}
	(void)acpi_rsdp_parse(copy, len, &root);
	(void)acpi_rsdp_search(copy, len);
	if (acpi_table_check(copy, len) == 0) {
		for (unsigned wide = 0; wide < 2; wide++)
			for (unsigned i = 0; i < acpi_root_entries(copy, wide); i++)
				(void)acpi_root_entry(copy, wide, i);
	}
	(void)acpi_madt_parse(copy, len, &madt);
	(void)acpi_mcfg_parse(copy, len, &mcfg);
	(void)acpi_fadt_parse(copy, len, &fadt);
	(void)acpi_s5_find(copy, len, &a, &b);
	free(copy);
	return 0;
}
