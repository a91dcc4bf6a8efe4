/* SPDX-License-Identifier: MIT */
/*
 * The shared object that every program has mapped (vdso(7)): calls that need no way into the kernel. Runs in user mode, on the
 * program's stack; position-independent, without relocations, without data of its own. The clock's page lies just below it.
 */
#include "arch/x86/clock_page.h"

#define NS_PER_SEC	1000000000ULL
enum { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW = 4, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,
       CLOCK_TAI = 11 };
enum { SYS_clock_gettime = 228, SYS_clock_getres = 229 };

struct timespec { s64 sec, nsec; };
struct timeval { s64 sec, usec; };

extern const struct clock_page vdso_clock_page __attribute__((visibility("hidden")));

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_clock_getres(int clock, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, u64 *zone);
s64 __vdso_time(s64 *t);
s64 __vdso_getcpu(u32 *cpu, u32 *node, void *unused);

static s64 system_call(s64 nr, u64 a, u64 b)
{
	s64 rc;

	__asm__ volatile("syscall" : "=a"(rc) : "0"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return rc;
}

static u64 mono_ns(void)
{
	u32 lo, hi;

	__asm__ volatile("lfence\n\trdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return (unsigned __int128)(((u64)hi << 32 | lo) - vdso_clock_page.tsc_start) * vdso_clock_page.tsc_mult >> 32;
}

static u64 wall_ns(void)
{
	return *(const volatile u64 *)&vdso_clock_page.wall_offset + mono_ns();
}

int __vdso_clock_gettime(int clock, struct timespec *ts)
{
	u64 ns;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		ns = wall_ns();
		break;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		ns = mono_ns();
		break;
	default:
		return system_call(SYS_clock_gettime, clock, (u64)ts);
	}
	ts->sec = ns / NS_PER_SEC;
	ts->nsec = ns % NS_PER_SEC;
	return 0;
}

int __vdso_clock_getres(int clock, struct timespec *ts)
{
	return system_call(SYS_clock_getres, clock, (u64)ts);
}

int __vdso_gettimeofday(struct timeval *tv, u64 *zone)
{
	u64 ns = wall_ns();

	if (tv != 0) {
		tv->sec = ns / NS_PER_SEC;
		tv->usec = ns % NS_PER_SEC / 1000;
	}
	if (zone != 0)
		*zone = 0;
	return 0;
}

s64 __vdso_time(s64 *t)
{
	s64 sec = wall_ns() / NS_PER_SEC;

	if (t != 0)
		*t = sec;
	return sec;
}

/* The CPU's number is the limit of a segment that nobody loads: descriptors_init_cpu(). */
s64 __vdso_getcpu(u32 *cpu, u32 *node, void *unused)
{
	u32 limit;

	(void)unused;
	__asm__ volatile("lsl %1, %0" : "=r"(limit) : "r"(0x7b) : "cc");
	if (cpu != 0)
		*cpu = limit;
	if (node != 0)
		*node = 0;
	return 0;
}

#define WITHOUT_PREFIX(name) extern __typeof__(__vdso_##name) name __attribute__((weak, alias("__vdso_" #name)))
WITHOUT_PREFIX(clock_gettime);
WITHOUT_PREFIX(clock_getres);
WITHOUT_PREFIX(gettimeofday);
WITHOUT_PREFIX(time);
WITHOUT_PREFIX(getcpu);
