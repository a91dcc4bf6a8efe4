/* SPDX-License-Identifier: MIT */
/*
 * The clock: the TSC, whose rate the hypervisor or the CPU states, or which is measured against the 8254 PIT. All CPUs'
 * TSCs are taken to run together (QEMU's and any with an invariant TSC do).
 */
#include "arch/x86/clock_page.h"
#include "arch/x86/cpu.h"
#include "arch/x86/init.h"
#include "arch/x86/platform.h"
#include "arch/x86/tsc_rate.h"
#include "lib/base/printk.h"

#define PIT_TICKS	12000		/* 10 ms; a measurement is good to some microseconds in that */
#define PIT_OUT		(1 << 5)	/* of port 0x61: the counter has passed 0 */
#define MAX_RUNS	100		/* some seconds at most: a host so busy that no two agree is not one to run on */

union clock_whole arch_clock __aligned(4096);
static u64 tsc_per_ns;		/* ticks = ns * tsc_per_ns >> 28 */

static u64 tsc_hz_stated(void)
{
	u32 max = cpuid(0, 0).eax;

	if (cpuid(1, 0).ecx >> 31) {		/* a hypervisor: leaf 0x40000010 has kHz where it is known */
		struct cpuid top = cpuid(0x40000000, 0);

		if (top.eax >= 0x40000010 && top.eax < 0x40001000) {
			struct cpuid c = cpuid(0x40000010, 0);

			if (c.eax > 100000)
				return c.eax * 1000ULL;
		}
	}
	if (max >= 0x15) {
		struct cpuid c = cpuid(0x15, 0);	/* ebx/eax: TSC to crystal; ecx: crystal in Hz */

		if (c.eax != 0 && c.ebx != 0 && c.ecx != 0)
			return (u64)c.ecx * c.ebx / c.eax;
	}
	return 0;
}

static u16 pit_count(void)
{
	outb(0x43, 0x80);			/* latch channel 2 */
	u8 lo = inb(0x42);

	return lo | (u16)inb(0x42) << 8;
}

/* The quickest of some looks, as a hypervisor may take us off the CPU. */
static struct pit_sample pit_look(void)
{
	struct pit_sample best = { .width = ~0ULL };

	for (int i = 0; i < 5; i++) {
		u64 before = rdtsc();
		u16 count = pit_count();
		u64 width = rdtsc() - before;

		if (width < best.width)
			best = (struct pit_sample){ before + width / 2, width, count, inb(0x61) & PIT_OUT };
	}
	return best;
}

/* One run of the counter, which goes round after 55 ms. */
static u64 measure_once(void)
{
	struct pit_sample a, b;
	u64 give_up;

	outb(0x43, 0xb0);			/* channel 2, both bytes, count down once */
	outb(0x42, 0xff);
	outb(0x42, 0xff);
	a = pit_look();
	give_up = a.tsc + 20000000000ULL;	/* seconds of any TSC: there is no PIT */
	do {
		b = pit_look();
	} while (!b.ended && (u16)(a.count - b.count) < PIT_TICKS && b.tsc < give_up);
	return tsc_rate(&a, &b);
}

static u64 tsc_hz_measured(void)
{
	u8 gate = inb(0x61);
	u64 rate[MAX_RUNS], hz = 0;

	outb(0x61, (gate & ~2) | 1);		/* gate on, speaker off */
	for (unsigned n = 0; n < MAX_RUNS && hz == 0; n++) {
		rate[n] = measure_once();
		hz = tsc_rate_agreed(rate, n + 1);
	}
	outb(0x61, gate);
	return hz;
}

/*
 * Channel 0 goes round for ever from reset on. Nobody takes its interrupt, but an emulator has 36 events a second to account
 * for: one short count is the last.
 */
static void pit_quiet(void)
{
	outb(0x43, 0x30);			/* channel 0, both bytes, count down once */
	outb(0x40, 1);
	outb(0x40, 0);
}

void clock_init(void)
{
	u64 hz = tsc_hz_stated();
	const char *how = "stated by the CPU";

	if (hz == 0) {
		hz = tsc_hz_measured();
		how = "measured against the PIT";
	}
	pit_quiet();
	if (hz < 10000000)
		panic("no clock to measure the TSC with");
	tsc_per_ns = (hz << 28) / NSEC_PER_SEC;
	arch_clock.page.tsc_mult = (NSEC_PER_SEC << 32) / hz;
	arch_clock.page.tsc_start = rdtsc();
	pr_info("clock: TSC at %llu kHz, %s", (unsigned long long)(hz / 1000), how);
}

u64 clock_tsc_to_ns(u64 ticks)
{
	return (unsigned __int128)ticks * arch_clock.page.tsc_mult >> 32;
}

u64 clock_ns_to_tsc(u64 ns)
{
	return arch_clock.page.tsc_start + (u64)((unsigned __int128)ns * tsc_per_ns >> 28);
}

struct clock_page *clock_page_address(void)
{
	return &arch_clock.page;
}

u64 *arch_wall_offset(void)
{
	return &arch_clock.page.wall_offset;
}
