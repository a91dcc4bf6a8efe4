/* SPDX-License-Identifier: MIT */
/* The end of a node: orderly hooks, then power-off by ACPI (registered by drivers/acpi). */
#ifndef KERNEL_POWER_H
#define KERNEL_POWER_H

#include "lib/base/types.h"

void power_register_off(void (*fn)(void));	/* does not return when it works */
void power_on_shutdown(void (*fn)(void));	/* run in reverse order of registration before the power goes; may sleep */
void __noreturn power_off(void);		/* thread context: hooks, console drained, off */
void __noreturn power_cut(void);		/* at once, with all CPUs and whatever they were doing; any context */
void panic_on_notify(void (*fn)(const char *text));	/* best effort notice of a panic (control port) */

#endif
