/* SPDX-License-Identifier: MIT */
/*
 * The kernel's services for unit tests on the host (tests/host/shim*.c). Every function of the shim is a weak symbol: a test
 * that brings its own, or includes the real source file, replaces it. What the shim adds for tests:
 */
#ifndef TESTS_HOST_SHIM_H
#define TESTS_HOST_SHIM_H

#include "lib/base/types.h"

struct spinlock;

/*
 * The clock. It runs by itself until shim_time_manual(): from then on time_mono_ns() moves only by shim_time_advance(), which
 * runs the timers that fall due, each at its own time, in the calling thread.
 */
void shim_time_manual(u64 now_ns);
void shim_time_advance(u64 ns);

u64 shim_frames_live(void);		/* frames allocated and not freed; kmalloc leaks are found by the sanitizer */
extern void (*_Atomic shim_on_unlock)(const struct spinlock *l);	/* before a spinlock is released; NULL: nobody is told */
void shim_fail_alloc(u64 nth);		/* the nth allocation from now (kmalloc, cache, frames; 1 is the next) fails; 0: none */

/* panic() calls this first when set, so that a test may expect one (it leaves by longjmp). */
extern void (*shim_panic_hook)(const char *text);
extern unsigned shim_warnings;		/* printk() of LOG_WARN and LOG_ERR so far */

#endif
