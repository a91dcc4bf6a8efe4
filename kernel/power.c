/* SPDX-License-Identifier: MIT */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "arch/x86/smp.h"
#include "kernel/power.h"
#include "kernel/printk.h"
#include "kernel/thread.h"

#define MAX_HOOKS 16

static void (*off)(void);
static void (*hooks[MAX_HOOKS])(void);
static unsigned nr_hooks;

void power_register_off(void (*fn)(void)) { off = fn; }

void power_on_shutdown(void (*fn)(void))
{
	BUG_ON(nr_hooks == MAX_HOOKS);
	hooks[nr_hooks++] = fn;
}

/* The log of what came before is the host's to read; nobody else hears a word. */
void power_cut(void)
{
	irq_disable();
	smp_stop_others();
	printk_panic_flush();
	if (off != NULL)
		off();
	arch_halt_forever();
}

void power_off(void)
{
	static bool begun;

	if (__atomic_exchange_n(&begun, true, __ATOMIC_SEQ_CST))
		thread_exit();		/* somebody is at it already */
	while (nr_hooks > 0)
		hooks[--nr_hooks]();
	pr_info("power off");
	printk_drain();
	irq_disable();
	smp_stop_others();
	printk_panic_flush();
	if (off != NULL)
		off();
	pr_err("power-off does not work on this machine: halted");
	printk_panic_flush();
	arch_halt_forever();
}
