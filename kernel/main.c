/* SPDX-License-Identifier: MIT */
/*
 * Boot, as a list one can read aloud. arch/x86's entry code calls kernel_main() on the boot CPU with a stack of its own,
 * paging on and interrupts off.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "arch/x86/smp.h"
#include "drivers/drivers.h"
#include "kernel/counter.h"
#include "kernel/crash.h"
#include "kernel/main.h"
#include "kernel/param.h"
#include "kernel/power.h"
#include "kernel/printk.h"
#include "kernel/selftest.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/trace.h"
#include "kernel/work.h"
#include "lib/base/rule.h"
#include "mm/frame.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

/* The one list of what each CPU does for itself (L22). */
static void cpu_init(void)
{
	arch_init_cpu();
	timers_init_cpu();
	sched_init_cpu();
}

static void secondary_main(void)
{
	cpu_init();
	sched_idle();
}

/* For tests of what a cluster does then: a node that panics, or whose kernel faults, so long after it booted. */
static void panic_thread(void *after)
{
	thread_sleep_ns((u64)after);
	panic("debug.panic=%llums", (unsigned long long)((u64)after / NSEC_PER_MSEC));
}

static void fault_thread(void *after)
{
	thread_sleep_ns((u64)after);
	*(volatile int *)after = 1;	/* some address of the user half, where a kernel thread has nothing */
}

static void break_down_later(void)
{
	u64 panic_ns = param_ns("debug.panic", 0, 0, 3600 * NSEC_PER_SEC);
	u64 fault_ns = param_ns("debug.fault", 0, 0, 3600 * NSEC_PER_SEC);

	if (panic_ns != 0 && thread_spawn(panic_thread, (void *)panic_ns, PRIO_NORMAL, "debug.panic") < 0)
		panic("no memory to panic later");
	if (fault_ns != 0 && thread_spawn(fault_thread, (void *)fault_ns, PRIO_NORMAL, "debug.fault") < 0)
		panic("no memory to fault later");
}

/* The rest of boot, in a thread: from here on it may sleep. */
static void boot_thread(void *arg)
{
	work_init_queues();
	acct_init();
	trace_init();
	printk_start();			/* the log thread: from here on the serial line is asynchronous */
	pci_init();
	if (param_bool("selftest", false))
		selftests_run();
	break_down_later();
	manager_init();			/* the one role built in: processor, memory or storage */
	param_warn_unknown();		/* every part has asked for its parameters in its init, whatever it does later */
}

void kernel_main(void)
{
	serial_early_init();
	arch_early_init();		/* memory map to mm, command line */
	param_init(boot_command_line);
	if (IS_ENABLED(CONFIG_MUTANTS))
		rules_init();
	crash_init();
	frames_init();			/* needs the boot loader's memory map */
	slab_init();
	arch_init();			/* final page tables need frames */
	vmalloc_init();
	acpi_init();
	arch_apic_init(acpi_madt());
	time_init();
	rtc_init();
	sched_init();
	cpu_init();
	serial_init();
	smp_start_others(secondary_main);	/* before drivers: they spread their interrupts */
	if (thread_spawn(boot_thread, NULL, PRIO_NORMAL, "boot") < 0)
		panic("no memory for the boot thread");
	irq_enable();
	sched_idle();
}
