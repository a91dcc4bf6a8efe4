/* SPDX-License-Identifier: MIT */
/* Starting the other CPUs, and calling them. */
#include "arch/x86/smp.h"
#include "arch/x86/cpu.h"
#include "arch/x86/hooks.h"
#include "arch/x86/init.h"
#include "arch/x86/layout.h"
#include "arch/x86/pagewalk.h"
#include "arch/x86/platform.h"
#include "arch/x86/smp_internal.h"
#include "arch/x86/traps.h"
#include "lib/base/atomic.h"
#include "lib/base/lock.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"
#include "mm/vmalloc.h"

#define STACK_SIZE	(16 * 1024)	/* becomes the CPU's idle thread's */
#define IST_SIZE	(IST_STACK_PAGES * PAGE_SIZE)

struct trampoline_data { u64 cr3, stack, cpu, entry; };	/* read by trampoline.S */
struct cpu_start {
	void *ist[NR_IST];
	bool up;			/* [a] set by the CPU itself */
};

extern const char trampoline_start[], trampoline_end[];

static struct cpu_start cpu_start[MAX_CPUS];
static void (*secondary_entry)(void);
static u64 online_mask = 1;		/* [a] */
static bool stopping;			/* [a] */
static unsigned nr_found = 1;		/* CPUs that the firmware names; those that start count in nr_cpus */

/* --- start-up --- */

/*
 * QEMU's TCG up to 8.0 leaves barriers and the LOCK prefix out of the code of a machine with room for one CPU, as if its
 * devices were no threads: a driver then looks before its own store is out, both sides think that the other will come, and
 * a queue stands still for ever. An access to a port always orders: QEMU takes a mutex for it.
 */
static bool barriers_left_out;

static bool leaves_barriers_out(const struct acpi_madt *madt)
{
	struct cpuid c = cpuid(0x40000000, 0);
	bool tcg = (cpuid(1, 0).ecx >> 31) && c.ebx == 0x54474354 && c.ecx == 0x43544743 && c.edx == 0x47435447;

	return tcg && (madt == NULL || madt->nr_places <= 1);
}

void arch_device_mb(void)
{
	smp_mb();
	if (unlikely(barriers_left_out))
		(void)inb(0x80);
}

void arch_apic_init(const struct acpi_madt *madt)
{
	u32 ids[MAX_CPUS];

	barriers_left_out = leaves_barriers_out(madt);
	if (barriers_left_out)
		pr_info("smp: TCG with one CPU: barriers for devices by port access");
	apic_init(madt != NULL ? madt->lapic : 0);
	ids[0] = apic_id_self();
	for (unsigned i = 0; madt != NULL && i < madt->nr_cpus && nr_found < MIN(CONFIG_MAX_CPUS, MAX_CPUS); i++)
		if (madt->cpu[i].enabled && madt->cpu[i].apic_id != ids[0])
			ids[nr_found++] = madt->cpu[i].apic_id;
	apic_ids_set(ids, nr_found);
	percpu_init_others(nr_found);
	nr_cpus = nr_found;
	if (madt != NULL)
		ioapic_init(madt);
}

/* The trampoline's tables: its two pages at their own address, code not writable, data not executable; and the kernel. */
static paddr_t trampoline_tables(void)
{
	static pte_t tables[4][512] __aligned(4096);
	const u64 table = PTE_PRESENT | PTE_WRITE;

	memcpy(&tables[0][256], (pte_t *)phys_to_virt(kernel_root()) + 256, 256 * sizeof(pte_t));
	for (unsigned i = 0; i < 3; i++)
		tables[i][0] = ((paddr_t)tables[i + 1] - KERNEL_VMA) | table;
	tables[3][TRAMPOLINE_PHYS >> PAGE_SHIFT] = TRAMPOLINE_PHYS | PTE_PRESENT;
	tables[3][TRAMPOLINE_DATA >> PAGE_SHIFT] = TRAMPOLINE_DATA | PTE_PRESENT | PTE_WRITE | PTE_NX;
	return (paddr_t)tables[0] - KERNEL_VMA;
}

static void __noreturn secondary_start(u64 cpu)
{
	paging_init_cpu();
	percpu_load(cpu);
	descriptors_init_cpu(cpu_start[cpu].ist);
	__atomic_fetch_or(&online_mask, 1ULL << cpu, __ATOMIC_SEQ_CST);
	store_release(&cpu_start[cpu].up, true);	/* A: pairs with wait_up() */
	secondary_entry();
	panic("cpu %u: its entry function returned", cpu_id());
}

static bool wait_up(unsigned cpu, u64 ns)
{
	u64 end = arch_clock_ns() + ns;

	do {
		if (load_acquire(&cpu_start[cpu].up))	/* pairs with A */
			return true;
		cpu_relax();
	} while (arch_clock_ns() < end);
	return false;
}

static void wait_ns(u64 ns)
{
	u64 end = arch_clock_ns() + ns;

	while (arch_clock_ns() < end)
		cpu_relax();
}

static bool start_one(unsigned cpu, u32 apic_id, struct trampoline_data *data)
{
	char *stack = vmalloc(STACK_SIZE);

	if (stack == NULL)
		panic("no memory for the stack of cpu %u", cpu);
	for (unsigned i = 0; i < NR_IST; i++) {
		char *ist = vmalloc(IST_SIZE);

		if (ist == NULL)
			panic("no memory for the interrupt stacks of cpu %u", cpu);
		cpu_start[cpu].ist[i] = ist + IST_SIZE;
	}
	data->stack = (u64)stack + STACK_SIZE;
	data->cpu = cpu;
	smp_mb();
	apic_send_init(apic_id);
	wait_ns(200 * NSEC_PER_USEC);
	for (int try = 0; try < 2; try++) {
		apic_send_startup(apic_id, TRAMPOLINE_PHYS >> PAGE_SHIFT);
		if (wait_up(cpu, try == 0 ? 100 * NSEC_PER_MSEC : 2 * NSEC_PER_SEC))
			return true;
	}
	apic_send_init(apic_id);	/* it must not wake up late, on what is another's by then */
	return false;
}

void smp_start_others(void (*entry)(void))
{
	struct trampoline_data *data = phys_to_virt(TRAMPOLINE_DATA);
	unsigned cpu = 1;
	u32 ids[MAX_CPUS];

	secondary_entry = entry;
	memcpy(phys_to_virt(TRAMPOLINE_PHYS), trampoline_start, trampoline_end - trampoline_start);
	data->cr3 = trampoline_tables();
	data->entry = (u64)secondary_start;
	for (unsigned i = 0; i < nr_found; i++)
		ids[i] = apic_id_of(i);
	for (unsigned i = 1; i < nr_found; i++) {
		apic_ids_set(ids, cpu);
		ids[cpu] = ids[i];
		apic_ids_set(ids, cpu + 1);
		if (start_one(cpu, ids[cpu], data))
			cpu++;
		else
			pr_err("cpu with APIC id %u does not start: going on without it", ids[cpu]);
	}
	nr_cpus = cpu;
	pr_info("smp: %u cpus", nr_cpus);
}

u64 smp_online_mask(void)
{
	return __atomic_load_n(&online_mask, __ATOMIC_SEQ_CST);
}

/* --- calls --- */

struct call {			/* one a CPU: it has at most one on the way, as it waits with preemption off */
	void (*fn)(void *arg);
	void *arg;
	u64 pending;		/* [a] who has still to run it; set after the rest, cleared by each */
	bool asleep;		/* [a] the caller halts until the last one wakes it */
};
#define CALL_SPIN_NS	(20 * NSEC_PER_USEC)
static DEFINE_PER_CPU(struct call, call_slot) __aligned(64);

void smp_call_interrupt(void)
{
	u64 self = 1ULL << cpu_id();

	for_each_cpu(from) {
		struct call *c = &per_cpu(call_slot, from);

		if (!(__atomic_load_n(&c->pending, __ATOMIC_ACQUIRE) & self))	/* pairs with B */
			continue;
		c->fn(c->arg);
		/* C: the slot may be in use again from here on: an interrupt too many does no harm */
		if (__atomic_and_fetch(&c->pending, ~self, __ATOMIC_SEQ_CST) == 0 &&
		    __atomic_load_n(&c->asleep, __ATOMIC_SEQ_CST))
			apic_send_ipi(from, VECTOR_CALL);
	}
}

/*
 * Spins for a short while, then halts: where virtual CPUs are more than real ones, a CPU that spins keeps those that it
 * waits for from running.
 */
static void call_wait(struct call *c)
{
	u64 spin_until = arch_clock_ns() + CALL_SPIN_NS;

	while (__atomic_load_n(&c->pending, __ATOMIC_ACQUIRE) != 0) {		/* pairs with C */
		if (!irq_enabled()) {
			smp_call_interrupt();
			cpu_relax();
		} else if (arch_clock_ns() < spin_until) {
			cpu_relax();
		} else {
			irq_disable();
			__atomic_store_n(&c->asleep, true, __ATOMIC_SEQ_CST);
			if (__atomic_load_n(&c->pending, __ATOMIC_SEQ_CST) != 0)
				cpu_halt();
			irq_enable();
			__atomic_store_n(&c->asleep, false, __ATOMIC_SEQ_CST);
		}
	}
}

void smp_call_mask(u64 mask, void (*fn)(void *arg), void *arg)
{
	struct call *c;

	preempt_disable();
	mask &= smp_online_mask() & ~(1ULL << cpu_id());
	c = this_cpu_ptr(&call_slot);
	if (mask != 0) {
		BUG_ON(c->pending != 0);
		c->fn = fn;
		c->arg = arg;
		__atomic_store_n(&c->pending, mask, __ATOMIC_SEQ_CST);		/* B */
		for_each_cpu(cpu)
			if (mask >> cpu & 1)
				apic_send_ipi(cpu, VECTOR_CALL);
		call_wait(c);
	}
	preempt_enable();
}

void smp_call_others(void (*fn)(void *arg), void *arg)
{
	smp_call_mask(smp_online_mask(), fn, arg);
}

void smp_send_resched(unsigned cpu)
{
	apic_send_ipi(cpu, VECTOR_RESCHED);
}

bool smp_stopping(void)
{
	return load_acquire(&stopping);
}

/* By NMI: also those stop that spin with interrupts off, on a lock that we may hold. */
void smp_stop_others(void)
{
	if (!apic_ready() || __atomic_exchange_n(&stopping, true, __ATOMIC_SEQ_CST))
		return;
	for (u64 others = smp_online_mask() & ~(1ULL << cpu_id()); others != 0; others &= others - 1)
		apic_send_nmi(__builtin_ctzll(others));
}
