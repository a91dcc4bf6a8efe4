/* SPDX-License-Identifier: MIT */
/*
 * Spinlocks and the preemption count. The lock is one word, 1 while held, taken by whoever comes first when it is free. Not a ticket
 * lock: in a virtual machine with more CPUs than the host gives it, the next ticket is as a rule that of a CPU which is not running,
 * and all wait until it is (measured at 8 threads on 4 virtual CPUs of 2 host cores: more than 100 times slower). Debug builds keep a list of the locks that each CPU holds and check ranks,
 * double locking, foreign unlocking, sleeping, and locks waited for longer than any holder may take.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "kernel/preempt.h"
#include "lib/base/atomic.h"
#include "lib/base/lock.h"
#include "lib/base/printk.h"

DEFINE_PER_CPU(u64, preempt_count);
DEFINE_PER_CPU(u64, need_resched);

void preempt_wanted(void)
{
	if (this_cpu_read8(preempt_count) == 0 && irq_enabled())
		sched_preempt();
}

#ifdef CONFIG_DEBUG
#define STUCK_NS	(20 * NSEC_PER_SEC)	/* a vCPU that holds a lock may be off its host CPU for long */
#define MAX_HELD	24

struct held {
	const struct spinlock *lock;
	bool interruptible;		/* interrupts stayed on: what stands above it may belong to an interrupt handler */
};
static struct held_list {
	unsigned nr;
	struct held held[MAX_HELD];
} held_by_cpu[MAX_CPUS];

/*
 * Called with interrupts off. irqs_were_on: before the caller's spin_lock*(). With interrupts off before, a lock taken while they
 * were on may be the interrupted thread's, which an interrupt handler's locks have no order with: look no further than that.
 */
static void check_order(const struct spinlock *l, bool nested, bool irqs_were_on)
{
	struct held_list *h = &held_by_cpu[cpu_id()];

	for (unsigned i = h->nr; i-- > 0;) {
		const struct spinlock *other = h->held[i].lock;

		if (other == l)
			panic("spinlock %s taken twice on one CPU", l->name);
		if (!irqs_were_on && h->held[i].interruptible)
			return;
		if (l->rank != RANK_NONE && (other->rank > l->rank || (other->rank == l->rank && !nested)))
			panic("lock order: %s (rank %u) taken under %s (rank %u)", l->name, l->rank, other->name, other->rank);
	}
}

static void note_taken(struct spinlock *l, bool interruptible)
{
	struct held_list *h = &held_by_cpu[cpu_id()];

	if (h->nr == MAX_HELD)
		panic("more than %u spinlocks held; last: %s", MAX_HELD, l->name);
	h->held[h->nr++] = (struct held){ l, interruptible };
	l->cpu = cpu_id();
}

static void note_released(struct spinlock *l)
{
	struct held_list *h = &held_by_cpu[cpu_id()];
	unsigned i = h->nr;

	while (i > 0 && h->held[i - 1].lock != l)
		i--;
	if (i == 0)
		panic("spinlock %s released by CPU %u, which does not hold it (holder %d)", l->name, cpu_id(), l->cpu);
	for (; i < h->nr; i++)
		h->held[i - 1] = h->held[i];
	h->nr--;
	l->cpu = -1;
}

static void wait_free(struct spinlock *l)
{
	u64 since = 0;

	for (unsigned n = 1; __atomic_load_n(&l->word, __ATOMIC_RELAXED) != 0; n++) {
		cpu_relax();
		if (n % (1 << 16) != 0)
			continue;
		if (since == 0)
			since = arch_clock_ns();
		else if (arch_clock_ns() - since > STUCK_NS)
			panic("spinlock %s stuck: held by CPU %d", l->name, l->cpu);
	}
}

void locks_panic_dump(void)
{
	for_each_cpu(cpu) {
		for (unsigned i = 0; i < held_by_cpu[cpu].nr; i++)
			pr_err("CPU %u holds spinlock %s", cpu, held_by_cpu[cpu].held[i].lock->name);
	}
}

void might_sleep(void)
{
	struct held_list *h = &held_by_cpu[cpu_id()];

	if (this_cpu_read8(preempt_count) != 0)
		panic("sleeping with %s%s", h->nr != 0 ? "spinlock held: " : "preemption disabled",
		      h->nr != 0 ? h->held[h->nr - 1].lock->name : "");
	if (!irq_enabled())
		panic("sleeping with interrupts off");
}

/* CONFIG_DEBUG: interrupts go off around the bookkeeping, so that a handler never sees it half done. */
static void take(struct spinlock *l, bool nested, bool irqs_were_on, bool keep_off)
{
	u64 flags = irq_save();

	check_order(l, nested, irqs_were_on);
	irq_restore(flags);
	while (__atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE) != 0)
		wait_free(l);
	flags = irq_save();
	note_taken(l, irqs_were_on && !keep_off);
	irq_restore(flags);
}

static void give(struct spinlock *l)
{
	u64 flags = irq_save();

	note_released(l);
	store_release(&l->word, 0);	/* A: pairs with the exchange in take() */
	irq_restore(flags);
}

bool spin_held(const struct spinlock *l) { return l->cpu == (s16)cpu_id() && this_cpu_read8(preempt_count) != 0; }

void preempt_disable(void)
{
	this_cpu_inc(preempt_count);
	barrier();
}

void preempt_enable(void)
{
	barrier();
	this_cpu_add(preempt_count, -1);
	if (unlikely(this_cpu_read8(need_resched)))
		preempt_wanted();
}

void spin_lock(struct spinlock *l)
{
	preempt_disable();
	take(l, false, irq_enabled(), false);
}

void spin_lock_nested(struct spinlock *l)
{
	preempt_disable();
	take(l, true, irq_enabled(), false);
}

void spin_unlock(struct spinlock *l)
{
	give(l);
	preempt_enable();
}

#else
void locks_panic_dump(void) { }
static void note_taken(struct spinlock *l, bool interruptible) { }

void spin_wait(struct spinlock *l)
{
	do {
		while (__atomic_load_n(&l->word, __ATOMIC_RELAXED) != 0)
			cpu_relax();
	} while (__atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE) != 0);
}

static inline void take(struct spinlock *l, bool nested, bool irqs_were_on, bool keep_off)
{
	if (unlikely(__atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE) != 0))
		spin_wait(l);
}

static inline void give(struct spinlock *l)
{
	store_release(&l->word, 0);	/* A: pairs with the exchange in take() */
}
#endif

void spin_init(struct spinlock *l, const char *name, enum lock_rank rank)
{
	*l = (struct spinlock)SPINLOCK_INIT(name, rank);
}

bool spin_trylock(struct spinlock *l)
{
	preempt_disable();
	if (__atomic_load_n(&l->word, __ATOMIC_RELAXED) == 0 && __atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE) == 0) {
		u64 flags = irq_save();

		note_taken(l, flags & (1 << 9));
		irq_restore(flags);
		return true;
	}
	preempt_enable();
	return false;
}

u64 spin_lock_irqsave(struct spinlock *l)
{
	u64 flags = irq_save();

	preempt_disable();
	take(l, false, flags & (1 << 9), true);
	return flags;
}

void spin_unlock_irqrestore(struct spinlock *l, u64 flags)
{
	give(l);
	irq_restore(flags);
	preempt_enable();
}
