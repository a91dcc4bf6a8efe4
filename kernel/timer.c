/* SPDX-License-Identifier: MIT */
/*
 * Timers: a queue per CPU, its hardware timer set for the first of them or the end of the running thread's slice. Only a CPU
 * itself sets its hardware; a timer taken off from elsewhere leaves at most one idle interrupt behind.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/platform.h"
#include "kernel/preempt.h"
#include "kernel/time.h"
#include "kernel/timer_queue.h"
#include "lib/base/atomic.h"
#include "lib/base/lock.h"
#include "lib/base/printk.h"

enum { TIMER_OFF, TIMER_PENDING };
#define NEVER	(~0ULL)

static struct timer_cpu {
	struct spinlock lock;		/* taken with interrupts off */
	struct timer_queue queue;	/* [lock] */
	struct timer *running;		/* [lock to set] whose fn is running; read by timer_cancel_sync() */
	u64 hw_ns;			/* [own CPU, interrupts off] what the hardware is set for */
	u64 slice_ns;			/* [own CPU, interrupts off] */
} __aligned(64) timer_cpus[MAX_CPUS];

void timers_init_cpu(void)
{
	struct timer_cpu *tc = &timer_cpus[cpu_id()];

	spin_init(&tc->lock, "timers", RANK_TIMER);
	tc->hw_ns = NEVER;
	tc->slice_ns = NEVER;
}

/* Interrupts off, on tc's CPU. */
static void set_hardware(struct timer_cpu *tc, u64 first_ns)
{
	u64 when = MIN(first_ns, tc->slice_ns);

	if (when == tc->hw_ns)
		return;
	/* An earlier interrupt than needed does no harm; setting the hardware costs an exit of the virtual machine. */
	if (when > tc->hw_ns && when != NEVER && tc->hw_ns > time_mono_ns())
		return;
	tc->hw_ns = when;
	arch_timer_set(when);
}

static u64 first_ns(const struct timer_cpu *tc)
{
	const struct timer *t = tc->queue.first;

	return t == NULL ? NEVER : t->when_ns;
}

void timers_set_slice(u64 when_ns)
{
	struct timer_cpu *tc = &timer_cpus[cpu_id()];

	when_ns = when_ns == 0 ? NEVER : when_ns;
	if (tc->slice_ns == when_ns)
		return;
	tc->slice_ns = when_ns;
	if (when_ns < tc->hw_ns) {
		tc->hw_ns = when_ns;
		arch_timer_set(when_ns);
	}
}

bool timers_have_slice(void) { return timer_cpus[cpu_id()].slice_ns != NEVER; }

void timers_interrupt(void)
{
	struct timer_cpu *tc = &timer_cpus[cpu_id()];
	u64 flags = spin_lock_irqsave(&tc->lock), now = time_mono_ns();
	struct timer *t;

	tc->hw_ns = NEVER;
	while ((t = tc->queue.first) != NULL && t->when_ns <= now) {
		timer_queue_del(&tc->queue, t);
		t->state = TIMER_OFF;
		store_release(&tc->running, t);
		spin_unlock_irqrestore(&tc->lock, flags);
		t->fn(t);		/* t may be gone or started again after it */
		flags = spin_lock_irqsave(&tc->lock);
		store_release(&tc->running, NULL);
		now = time_mono_ns();
	}
	if (tc->slice_ns <= now) {
		tc->slice_ns = NEVER;
		this_cpu(need_resched) = 1;
	}
	tc->hw_ns = MIN(first_ns(tc), tc->slice_ns);
	arch_timer_set(tc->hw_ns);
	spin_unlock_irqrestore(&tc->lock, flags);
}

void timer_init(struct timer *t, void (*fn)(struct timer *), void *arg)
{
	*t = (struct timer){ .fn = fn, .arg = arg };
}

/* The queue that t is or was last on, locked. */
static struct timer_cpu *lock_timer(struct timer *t, u64 *flags)
{
	for (;;) {
		u32 cpu = READ_ONCE(t->cpu);
		struct timer_cpu *tc = &timer_cpus[cpu];

		*flags = spin_lock_irqsave(&tc->lock);
		if (t->cpu == cpu)
			return tc;
		spin_unlock_irqrestore(&tc->lock, *flags);
	}
}

void timer_start(struct timer *t, u64 when_ns)
{
	u64 irq = irq_save(), flags;
	struct timer_cpu *here = &timer_cpus[cpu_id()], *tc;

	/* Off the other CPU's queue first, until it is this CPU's with the lock held: others may start it at the same time. */
	for (;;) {
		tc = lock_timer(t, &flags);
		if (t->state == TIMER_PENDING)
			timer_queue_del(&tc->queue, t);
		t->state = TIMER_OFF;
		if (tc == here)
			break;
		t->cpu = cpu_id();
		spin_unlock_irqrestore(&tc->lock, flags);
	}
	t->when_ns = when_ns;
	t->state = TIMER_PENDING;
	timer_queue_add(&here->queue, t);
	set_hardware(here, first_ns(here));
	spin_unlock_irqrestore(&here->lock, flags);
	irq_restore(irq);
}

bool timer_cancel(struct timer *t)
{
	u64 flags;
	struct timer_cpu *tc = lock_timer(t, &flags);
	bool pending = t->state == TIMER_PENDING;

	if (pending)
		timer_queue_del(&tc->queue, t);
	t->state = TIMER_OFF;
	spin_unlock_irqrestore(&tc->lock, flags);
	return pending;
}

void timer_cancel_sync(struct timer *t)
{
	for (;;) {
		u64 flags;
		struct timer_cpu *tc = lock_timer(t, &flags);
		bool busy = tc->running == t;

		if (t->state == TIMER_PENDING)
			timer_queue_del(&tc->queue, t);
		t->state = TIMER_OFF;
		spin_unlock_irqrestore(&tc->lock, flags);
		/* started on this CPU while its fn ran on another */
		for_each_cpu(cpu)
			busy |= load_acquire(&timer_cpus[cpu].running) == t;	/* pairs with the releases in timers_interrupt() */
		/* its fn may have started it again before it ended: then it is pending, or was already run again */
		if (!busy && !timer_pending(t))
			break;
		cpu_relax();
	}
}

bool timer_pending(const struct timer *t) { return READ_ONCE(t->state) == TIMER_PENDING; }
