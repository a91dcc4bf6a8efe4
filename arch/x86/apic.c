/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: registers in memory, or as MSRs where the CPU has x2APIC; IPIs, and the one-shot timer, which is the
 * TSC deadline where there is one, else the APIC's counter.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/hooks.h"
#include "arch/x86/init.h"
#include "arch/x86/platform.h"
#include "arch/x86/smp_internal.h"
#include "arch/x86/traps.h"
#include "lib/base/printk.h"
#include "mm/vmalloc.h"

#define MSR_APIC_BASE		0x1b
#define APIC_BASE_ENABLE	(1 << 11)
#define APIC_BASE_X2APIC	(1 << 10)
#define MSR_X2APIC		0x800
#define MSR_TSC_DEADLINE	0x6e0

enum apic_register {			/* offsets in memory; MSR_X2APIC + offset / 16 */
	APIC_ID = 0x20, APIC_TPR = 0x80, APIC_EOI = 0xb0, APIC_SPURIOUS = 0xf0, APIC_ESR = 0x280,
	APIC_ICR = 0x300, APIC_ICR_HIGH = 0x310, APIC_LVT_TIMER = 0x320, APIC_LVT_LINT0 = 0x350,
	APIC_LVT_LINT1 = 0x360, APIC_LVT_ERROR = 0x370, APIC_TIMER_COUNT = 0x380, APIC_TIMER_NOW = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0,
};
#define LVT_MASKED		(1 << 16)
#define LVT_NMI			(4 << 8)
#define LVT_TSC_DEADLINE	(2 << 17)
#define SPURIOUS_ENABLE		(1 << 8)
#define DIVIDE_BY_16		3
#define ICR_NMI			(4 << 8)
#define ICR_INIT		(5 << 8)
#define ICR_STARTUP		(6 << 8)
#define ICR_ASSERT		(1 << 14)
#define ICR_PENDING		(1 << 12)

static volatile u32 *apic_regs;		/* NULL in x2APIC mode */
static bool ready;
static u32 apic_ids[MAX_CPUS];
static u64 timer_per_ns;		/* timer ticks = ns * timer_per_ns >> 32 */
static DEFINE_PER_CPU(u64, timer_deadline) = ~0ULL;

static u32 apic_read(enum apic_register r)
{
	return apic_regs != NULL ? apic_regs[r / 4] : (u32)rdmsr(MSR_X2APIC + r / 16);
}

static void apic_write(enum apic_register r, u32 v)
{
	if (apic_regs != NULL)
		apic_regs[r / 4] = v;
	else
		wrmsr(MSR_X2APIC + r / 16, v);
}

bool apic_ready(void)
{
	return ready;
}

u32 apic_id_self(void)
{
	return apic_regs != NULL ? apic_read(APIC_ID) >> 24 : apic_read(APIC_ID);
}

u32 apic_id_of(unsigned cpu)
{
	return apic_ids[cpu];
}

void apic_ids_set(const u32 *apic_id, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		apic_ids[i] = apic_id[i];
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

static void icr_write(u32 apic_id, u32 command)
{
	u64 flags;

	if (apic_regs == NULL) {
		__asm__ volatile("mfence; lfence" ::: "memory");	/* an x2APIC write does not order stores before it */
		wrmsr(MSR_X2APIC + APIC_ICR / 16, (u64)apic_id << 32 | command);
		return;
	}
	flags = irq_save();		/* the two halves belong together */
	while (apic_read(APIC_ICR) & ICR_PENDING)
		cpu_relax();
	apic_write(APIC_ICR_HIGH, apic_id << 24);
	apic_write(APIC_ICR, command);
	irq_restore(flags);
}

void apic_send_ipi(unsigned cpu, u32 vector)
{
	icr_write(apic_ids[cpu], ICR_ASSERT | vector);
}

void apic_send_nmi(unsigned cpu)
{
	icr_write(apic_ids[cpu], ICR_ASSERT | ICR_NMI);
}

void apic_send_init(u32 apic_id)
{
	icr_write(apic_id, ICR_ASSERT | ICR_INIT);
}

void apic_send_startup(u32 apic_id, u32 page)
{
	icr_write(apic_id, ICR_ASSERT | ICR_STARTUP | page);
}

struct timer_sample { u64 ns, width; u32 count; };

/* The count and the clock in the middle of reading it, the quickest of some tries (see clock.c). */
static struct timer_sample timer_sample(void)
{
	struct timer_sample best = { .width = ~0ULL };

	for (int i = 0; i < 5; i++) {
		u64 before = arch_clock_ns();
		u32 count = apic_read(APIC_TIMER_NOW);
		u64 width = arch_clock_ns() - before;

		if (width < best.width)
			best = (struct timer_sample){ before + width / 2, width, count };
	}
	return best;
}

/* The divided timer's rate, from some milliseconds of it. */
static void timer_calibrate(void)
{
	struct timer_sample a, b;

	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_16);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	apic_write(APIC_TIMER_COUNT, ~0U);
	a = timer_sample();
	do {
		b = timer_sample();
	} while (b.ns - a.ns < 5 * NSEC_PER_MSEC);
	apic_write(APIC_TIMER_COUNT, 0);
	timer_per_ns = ((u64)(a.count - b.count) << 32) / (b.ns - a.ns);
	BUG_ON(timer_per_ns == 0);
}

void apic_init(paddr_t base)
{
	if (!cpu_features.x2apic) {
		if (base == 0)
			base = rdmsr(MSR_APIC_BASE) & 0xffffff000ULL;
		apic_regs = ioremap(base, PAGE_SIZE);
		if (apic_regs == NULL)
			panic("no memory to map the local APIC");
	} else {
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	}
	apic_ids[0] = apic_id_self();
	if (!cpu_features.tsc_deadline)
		timer_calibrate();
	ready = true;
}

void apic_init_cpu(void)
{
	u64 base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	if (apic_regs == NULL)
		base |= APIC_BASE_X2APIC;
	wrmsr(MSR_APIC_BASE, base);
	apic_write(APIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);		/* the legacy PIC's line */
	apic_write(APIC_LVT_LINT1, LVT_NMI);
	apic_write(APIC_LVT_ERROR, VECTOR_ERROR);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_16);
	apic_write(APIC_LVT_TIMER, VECTOR_TIMER | (cpu_features.tsc_deadline ? LVT_TSC_DEADLINE : 0));
	apic_write(APIC_ESR, 0);
}

/* The counter reaches some minutes at most: when it ends early, apic_timer_interrupt() goes on. */
static void timer_program(u64 when_ns)
{
	u64 now, ticks;

	if (cpu_features.tsc_deadline) {
		__asm__ volatile("mfence; lfence" ::: "memory");
		wrmsr(MSR_TSC_DEADLINE, when_ns == ~0ULL ? 0 : MAX(clock_ns_to_tsc(when_ns), 1ULL));
		return;
	}
	if (when_ns == ~0ULL) {
		apic_write(APIC_TIMER_COUNT, 0);
		return;
	}
	now = arch_clock_ns();
	ticks = when_ns > now ? (u64)((unsigned __int128)(when_ns - now) * timer_per_ns >> 32) + 1 : 1;
	apic_write(APIC_TIMER_COUNT, MIN(ticks, 0xffffffffULL));
}

void arch_timer_set(u64 when_ns)
{
	this_cpu(timer_deadline) = when_ns;
	timer_program(when_ns);
}

void apic_timer_interrupt(void)
{
	u64 when = this_cpu(timer_deadline);

	if (when == ~0ULL)
		return;			/* stopped when it was on its way already */
	if (when > arch_clock_ns()) {
		timer_program(when);
		return;
	}
	this_cpu(timer_deadline) = ~0ULL;
	arch_hooks->timer();
}
