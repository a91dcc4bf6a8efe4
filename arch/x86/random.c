/* SPDX-License-Identifier: MIT */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"

static bool hardware_random(u64 *out)
{
	bool ok = false;

	for (int try = 0; try < 10 && !ok; try++) {
		if (cpu_features.rdseed)
			__asm__ volatile("rdseed %0; setc %1" : "=r"(*out), "=qm"(ok) :: "cc");
		else if (cpu_features.rdrand)
			__asm__ volatile("rdrand %0; setc %1" : "=r"(*out), "=qm"(ok) :: "cc");
		else
			return false;
		if (!ok)
			cpu_relax();
	}
	return ok;
}

u64 arch_random(void)
{
	static u64 state;		/* [a] mixes what the TSC's low bits gave so far */
	u64 hw = 0, x = __atomic_add_fetch(&state, rdtsc() | 1, __ATOMIC_RELAXED);

	x = (x ^ x >> 32) * 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 32;
	return hardware_random(&hw) ? x ^ hw : x;
}
