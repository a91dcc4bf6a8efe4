/* SPDX-License-Identifier: MIT */
/*
 * The clock: the TSC, whose rate the hypervisor or the CPU states, or which is measured against the 8254 PIT. All CPUs'
 * TSCs are taken to run together (QEMU's and any with an invariant TSC do).
 */
#include "arch/x86/cpu.h"
#include "arch/x86/init.h"
#include "arch/x86/platform.h"
#include "lib/base/printk.h"

#define PIT_HZ		1193182ULL
#define PIT_TICKS	30000		/* 25 ms; a measurement is good to some microseconds in that */

static u64 tsc_start;
static u64 tsc_mult;		/* ns = ticks * tsc_mult >> 32 */
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

struct pit_sample { u64 tsc, width; u16 count; };

/* The count and the TSC in the middle of reading it; the quickest of some tries, as a hypervisor may take us off the CPU. */
static struct pit_sample pit_sample(void)
{
	struct pit_sample best = { .width = ~0ULL };

	for (int i = 0; i < 5; i++) {
		u64 before = rdtsc();
		u16 count = pit_count();
		u64 width = rdtsc() - before;

		if (width < best.width)
			best = (struct pit_sample){ before + width / 2, width, count };
	}
	return best;
}

static u64 tsc_hz_measured(void)
{
	u8 gate = inb(0x61);
	struct pit_sample a, b;

	outb(0x61, (gate & ~2) | 1);		/* gate on, speaker off */
	outb(0x43, 0xb0);			/* channel 2, both bytes, count down once */
	outb(0x42, 0xff);
	outb(0x42, 0xff);
	a = pit_sample();
	u64 give_up = a.tsc + 20000000000ULL;	/* seconds of any TSC: there is no PIT */

	do {
		b = pit_sample();
	} while ((u16)(a.count - b.count) < PIT_TICKS && b.tsc < give_up);
	outb(0x61, gate);
	if (a.count == b.count)
		return 0;
	return (b.tsc - a.tsc) * PIT_HZ / (u16)(a.count - b.count);
}

void clock_init(void)
{
	u64 hz = tsc_hz_stated();
	const char *how = "stated by the CPU";

	if (hz == 0) {
		hz = tsc_hz_measured();
		how = "measured against the PIT";
	}
	if (hz < 10000000)
		panic("no clock to measure the TSC with");
	tsc_per_ns = (hz << 28) / NSEC_PER_SEC;
	tsc_mult = (NSEC_PER_SEC << 32) / hz;
	tsc_start = rdtsc();
	pr_info("clock: TSC at %llu kHz, %s", (unsigned long long)(hz / 1000), how);
}

u64 arch_clock_ns(void)
{
	return (unsigned __int128)(rdtsc() - tsc_start) * tsc_mult >> 32;	/* 0 until clock_init() */
}

u64 clock_ns_to_tsc(u64 ns)
{
	return tsc_start + (u64)((unsigned __int128)ns * tsc_per_ns >> 28);
}
