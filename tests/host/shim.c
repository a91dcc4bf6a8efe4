/* SPDX-License-Identifier: MIT */
/* Host shim: the log, panic, spinlocks with rank checks, preemption count, platform odds and ends. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "kernel/power.h"
#include "kernel/printk.h"
#include "kernel/trim.h"
#include "lib/base/lock.h"
#include "shim.h"

#define WEAK __attribute__((weak))

WEAK unsigned nr_cpus = 1;
WEAK struct cpu_features cpu_features;
void (*shim_panic_hook)(const char *text);
unsigned shim_warnings;

/* --- the log: warnings always, the rest with SHIM_VERBOSE=1 --- */
WEAK void vprintk(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const name[] = { "err", "warn", "note", "info", "debug" };

	if (level <= LOG_WARN)
		__atomic_fetch_add(&shim_warnings, 1, __ATOMIC_RELAXED);
	if (level > LOG_WARN && getenv("SHIM_VERBOSE") == NULL)
		return;
	flockfile(stderr);
	fprintf(stderr, "[%s] ", name[level]);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	funlockfile(stderr);
}

WEAK void printk(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(level, fmt, ap);
	va_end(ap);
}

WEAK void panic(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (shim_panic_hook != NULL)
		shim_panic_hook(text);
	fprintf(stderr, "panic: %s\n", text);
	abort();
}

WEAK bool ratelimit_ok(struct ratelimit *l, const char *what) { (void)l; (void)what; return true; }
WEAK void printk_set_sink(const struct printk_sink *sink) { (void)sink; }
WEAK void printk_set_tag(const char *role) { (void)role; }
WEAK void printk_drain(void) { }
WEAK void printk_panic_flush(void) { }

WEAK void power_register_off(void (*fn)(void)) { (void)fn; }
WEAK void power_on_shutdown(void (*fn)(void)) { (void)fn; }
WEAK void power_off(void) { exit(0); }
WEAK void panic_on_notify(void (*fn)(const char *text)) { (void)fn; }
WEAK void arch_device_mb(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
WEAK u64 arch_random(void) { return ((u64)random() << 42) ^ ((u64)random() << 21) ^ (u64)random(); }
WEAK void arch_trace_here(void) { }
WEAK void memory_trim(void) { }

/* --- locks: host names the holder --- */
static __thread int preempt_count;
static __thread struct { u16 rank; const struct spinlock *lock; } held[32];
static __thread unsigned nr_held;
static __thread char self;		/* its address names the thread */

WEAK void spin_init(struct spinlock *l, const char *name, enum lock_rank rank)
{
	*l = (struct spinlock)SPINLOCK_INIT(name, rank);
}

WEAK void preempt_disable(void) { preempt_count++; }
WEAK void preempt_enable(void)
{
	if (--preempt_count < 0)
		panic("preempt_enable without preempt_disable");
}
WEAK void might_sleep(void)
{
	if (nr_held != 0)
		panic("sleeping with spinlock %s held", held[nr_held - 1].lock->name);
	if (preempt_count != 0)
		panic("sleeping with preemption disabled");
}

static void check_order(const struct spinlock *l, bool nested)
{
	if (__atomic_load_n(&l->host, __ATOMIC_RELAXED) == &self && __atomic_load_n(&l->word, __ATOMIC_ACQUIRE) != 0)
		panic("spinlock %s taken twice by one thread", l->name);
	for (unsigned i = 0; i < nr_held; i++) {
		if (l->rank == RANK_NONE || held[i].rank == RANK_NONE)
			continue;
		if (held[i].rank > l->rank || (held[i].rank == l->rank && !nested))
			panic("lock order: %s taken under %s", l->name, held[i].lock->name);
	}
}

static void got(struct spinlock *l)
{
	__atomic_store_n(&l->host, &self, __ATOMIC_RELAXED);
	if (nr_held == ARRAY_SIZE(held))
		panic("too many locks held");
	held[nr_held].rank = l->rank;
	held[nr_held++].lock = l;
}

static void take(struct spinlock *l, bool nested)
{
	check_order(l, nested);
	preempt_disable();
	while (__atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE) != 0)
		sched_yield();
	got(l);
}

WEAK void spin_lock(struct spinlock *l) { take(l, false); }
WEAK void spin_lock_nested(struct spinlock *l) { take(l, true); }
WEAK bool spin_trylock(struct spinlock *l)
{
	preempt_disable();
	if (__atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE) != 0) {
		preempt_enable();
		return false;
	}
	got(l);
	return true;
}

void (*_Atomic shim_on_unlock)(const struct spinlock *l);

WEAK void spin_unlock(struct spinlock *l)
{
	void (*on_unlock)(const struct spinlock *l) = shim_on_unlock;
	unsigned i = nr_held;

	if (on_unlock != NULL)
		on_unlock(l);
	while (i > 0 && held[i - 1].lock != l)
		i--;
	if (i == 0)
		panic("spinlock %s released by one who does not hold it", l->name);
	for (; i < nr_held; i++)
		held[i - 1] = held[i];
	nr_held--;
	__atomic_store_n(&l->host, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&l->word, 0, __ATOMIC_RELEASE);
	preempt_enable();
}

WEAK u64 spin_lock_irqsave(struct spinlock *l)
{
	spin_lock(l);
	return 0;
}
WEAK void spin_unlock_irqrestore(struct spinlock *l, u64 flags)
{
	(void)flags;
	spin_unlock(l);
}
WEAK bool spin_held(const struct spinlock *l)
{
	return __atomic_load_n(&l->word, __ATOMIC_ACQUIRE) != 0 && __atomic_load_n(&l->host, __ATOMIC_RELAXED) == &self;
}
