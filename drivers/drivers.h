/* SPDX-License-Identifier: MIT */
/* Called by kernel/main.c, in this order. */
#ifndef DRIVERS_DRIVERS_H
#define DRIVERS_DRIVERS_H

#include "arch/x86/platform.h"

void serial_early_init(void);	/* COM1, polled, before anything else can speak */
void acpi_init(void);		/* tables: MADT, MCFG, FADT; memory must be mapped; registers power-off */
void serial_init(void);		/* interrupts: asynchronous from here on */
void pci_init(void);		/* enumerate, then probe every driver in one explicit list */
void rtc_init(void);		/* wall clock */

const struct acpi_madt *acpi_madt(void);	/* NULL before acpi_init() or when the table is missing */

/* serial console hooks, registered with kernel/printk (bytes out, any context; and a flush that polls, for panic) */
#endif
