/* SPDX-License-Identifier: MIT */
/* Clocks: both run on the TSC; the wall clock is an offset to the monotonic one, given by the RTC at boot. */
#include "arch/x86/platform.h"
#include "kernel/time.h"
#include "lib/base/atomic.h"
#include "lib/base/printk.h"

void time_init(void) { pr_debug("clock: %llu us since the machine was started", (unsigned long long)arch_clock_ns() / 1000); }
u64 time_wall_ns(void) { return load_acquire(arch_wall_offset()) + time_mono_ns(); }
void time_set_wall_ns(u64 ns) { store_release(arch_wall_offset(), ns - time_mono_ns()); }
