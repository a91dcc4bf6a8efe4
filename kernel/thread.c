/* SPDX-License-Identifier: MIT */
/*
 * Threads: made, referenced, interrupted, ended. A thread that exits holds on to its stack until the CPU has left it; the reaper
 * then takes it apart. Stacks are kept for the next threads: mapping and unmapping one costs a shootdown on every CPU.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "kernel/preempt.h"
#include "kernel/sched.h"
#include "kernel/time.h"
#include "kernel/waitq.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define MAX_SPARE_STACKS 32

static struct kmem_cache *thread_cache;
static DEFINE_SPINLOCK(threads_lock, RANK_WORK);
static struct list threads = LIST_INIT(threads);		/* [threads_lock] all_link */

static DEFINE_SPINLOCK(reap_lock, RANK_LEAF);			/* interrupts off */
static struct list dead_threads = LIST_INIT(dead_threads);	/* [reap_lock] run_link */
static bool reaper_due;						/* [a] */
static struct thread *reaper;

static DEFINE_SPINLOCK(stacks_lock, RANK_LEAF);
static struct spare_stack { struct spare_stack *next; } *spare_stacks;	/* [stacks_lock] */
static unsigned nr_spare_stacks;

static void *stack_alloc(void)
{
	struct spare_stack *s;

	spin_lock(&stacks_lock);
	s = spare_stacks;
	if (s != NULL) {
		spare_stacks = s->next;
		nr_spare_stacks--;
	}
	spin_unlock(&stacks_lock);
	return s != NULL ? s : vmalloc(THREAD_STACK_SIZE);
}

static void stack_free(void *stack)
{
	struct spare_stack *s = stack;

	if (IS_ENABLED(CONFIG_DEBUG))		/* L18: what still points here finds poison */
		memset(stack, 0x6b, THREAD_STACK_SIZE);
	spin_lock(&stacks_lock);
	if (nr_spare_stacks < MAX_SPARE_STACKS) {
		s->next = spare_stacks;
		spare_stacks = s;
		nr_spare_stacks++;
		stack = NULL;
	}
	spin_unlock(&stacks_lock);
	if (stack != NULL)
		vfree(stack);
}

void thread_trim_stacks(void)
{
	for (;;) {
		struct spare_stack *s;

		spin_lock(&stacks_lock);
		s = spare_stacks;
		if (s != NULL) {
			spare_stacks = s->next;
			nr_spare_stacks--;
		}
		spin_unlock(&stacks_lock);
		if (s == NULL)
			return;
		vfree(s);
	}
}

void thread_init_struct(struct thread *t, int prio)
{
	memset(t, 0, sizeof(*t));
	list_init(&t->run_link);
	list_init(&t->all_link);
	ref_init(&t->refs, 1);
	t->affinity = ~0ULL;
	t->priority = prio;
	t->state = THREAD_NEW;
}

static void thread_main(void *arg)
{
	struct thread *t = arg;

	t->fn(t->arg);
	thread_exit();
}

static struct thread *create(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, va_list ap)
{
	struct thread *t;

	if (thread_cache == NULL)	/* the boot thread is made before others can be */
		thread_cache = kmem_cache_create("thread", sizeof(struct thread), 64);
	t = thread_cache == NULL ? NULL : kmem_cache_alloc(thread_cache);
	if (t == NULL)
		return NULL;
	thread_init_struct(t, prio);
	t->fn = fn;
	t->arg = arg;
	vsnprintf(t->name, sizeof(t->name), name_fmt, ap);
	t->stack = stack_alloc();
	if (t->stack == NULL) {
		kmem_cache_free(thread_cache, t);
		return NULL;
	}
	arch_context_init(&t->ctx, (char *)t->stack + THREAD_STACK_SIZE, thread_main, t);
	return t;
}

struct thread *thread_create(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, ...)
{
	struct thread *t;
	va_list ap;

	va_start(ap, name_fmt);
	t = create(fn, arg, prio, name_fmt, ap);
	va_end(ap);
	return t;
}

void thread_start(struct thread *t)
{
	thread_get(t);			/* the running thread's own; the reaper drops it */
	spin_lock(&threads_lock);
	list_add_tail(&threads, &t->all_link);
	spin_unlock(&threads_lock);
	sched_add_new(t);
}

int thread_spawn(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, ...)
{
	struct thread *t;
	va_list ap;

	va_start(ap, name_fmt);
	t = create(fn, arg, prio, name_fmt, ap);
	va_end(ap);
	if (t == NULL)
		return -ENOMEM;
	thread_start(t);
	thread_put(t);
	return 0;
}

void thread_get(struct thread *t) { ref_get(&t->refs); }

void thread_put(struct thread *t)
{
	if (!ref_put(&t->refs))
		return;
	if (t->stack != NULL)		/* never started */
		stack_free(t->stack);
	if (t->ctx.fpu != NULL)
		fpu_free(t->ctx.fpu);
	kmem_cache_free(thread_cache, t);
}

void thread_exit(void)
{
	struct thread *t = thread_current();

	might_sleep();
	BUG_ON(t->lock_depth != 0);
	__atomic_store_n(&t->state, THREAD_DEAD, __ATOMIC_RELEASE);
	schedule();
	panic("thread %s ran after its end", t->name);
}

/* --- the reaper --- */

void thread_reap_later(struct thread *t)
{
	u64 flags = spin_lock_irqsave(&reap_lock);

	list_add_tail(&dead_threads, &t->run_link);
	spin_unlock_irqrestore(&reap_lock, flags);
	__atomic_store_n(&reaper_due, true, __ATOMIC_SEQ_CST);
	if (reaper != NULL)
		thread_wake(reaper);
}

static struct thread *dead_next(void)
{
	u64 flags = spin_lock_irqsave(&reap_lock);
	struct thread *t = list_first(&dead_threads, struct thread, run_link);

	if (t != NULL)
		list_del(&t->run_link);
	spin_unlock_irqrestore(&reap_lock, flags);
	return t;
}

static void reap(struct thread *t)
{
	void *stack = t->stack;

	spin_lock(&threads_lock);
	list_del(&t->all_link);
	spin_unlock(&threads_lock);
	t->stack = NULL;
	stack_free(stack);
	thread_put(t);
}

static void reaper_main(void *arg)
{
	struct thread *self = thread_current(), *t;

	for (;;) {
		__atomic_store_n(&self->state, THREAD_WAITING, __ATOMIC_SEQ_CST);
		if (__atomic_exchange_n(&reaper_due, false, __ATOMIC_SEQ_CST))
			__atomic_store_n(&self->state, THREAD_RUNNING, __ATOMIC_SEQ_CST);
		schedule();
		while ((t = dead_next()) != NULL)
			reap(t);
	}
}

void thread_init_reaper(void)
{
	reaper = thread_create(reaper_main, NULL, PRIO_NORMAL, "reaper");
	if (reaper == NULL)
		panic("no memory for the reaper thread");
	thread_start(reaper);
}

/* --- sleeping and interrupting --- */

static void timer_wake(struct timer *tm) { thread_wake(tm->arg); }

static bool sleep_until(u64 deadline_ns, bool intr)
{
	struct thread *self = thread_current();
	struct timer tm;
	bool interrupted = false;

	might_sleep();
	timer_init(&tm, timer_wake, self);
	for (;;) {
		__atomic_store_n(&self->state, THREAD_WAITING, __ATOMIC_SEQ_CST);
		interrupted = intr && (__atomic_load_n(&self->signal_pending, __ATOMIC_SEQ_CST) ||
				       __atomic_load_n(&self->fatal_pending, __ATOMIC_SEQ_CST));
		if (interrupted || time_mono_ns() >= deadline_ns)
			break;
		if (deadline_ns != ~0ULL && !timer_pending(&tm))	/* not yet started, or early by another CPU's clock */
			timer_start(&tm, deadline_ns);
		schedule();
	}
	__atomic_store_n(&self->state, THREAD_RUNNING, __ATOMIC_SEQ_CST);
	timer_cancel_sync(&tm);
	return interrupted;
}

void thread_sleep_ns(u64 ns) { sleep_until(time_mono_ns() + ns, false); }
int thread_sleep_until_intr(u64 deadline_ns) { return sleep_until(deadline_ns, true) ? -EINTR : 0; }

void thread_interrupt(struct thread *t, bool fatal)
{
	__atomic_store_n(&t->signal_pending, true, __ATOMIC_SEQ_CST);
	if (fatal)
		__atomic_store_n(&t->fatal_pending, true, __ATOMIC_SEQ_CST);
	thread_wake(t);		/* a wait that may not be interrupted goes back to sleep */
}

void thread_for_each(void (*fn)(struct thread *t, void *arg), void *arg)
{
	struct thread *t;

	spin_lock(&threads_lock);
	list_for_each(t, &threads, all_link)
		fn(t, arg);
	spin_unlock(&threads_lock);
}
