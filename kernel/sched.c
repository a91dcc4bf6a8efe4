/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: a run queue per CPU with a list per priority, wake-up placement on idle CPUs, stealing by CPUs that run out of
 * work, a time slice only where something else could run.
 *
 * The run queue lock is held across arch_switch() and released by the next thread (switch_finish()). So whoever holds the lock of
 * t->cpu's queue sees t in one of three places: it is the queue's current thread, it is on the queue's lists, or it is off its
 * stack altogether. t->cpu changes only under the lock of the queue that it names so far: who holds that lock knows that t stays
 * there, and a thread on its way between two queues is READY, on no list, and its mover's alone.
 *
 * A thread that goes to sleep marks itself WAITING, looks at its condition once more and calls schedule(); a wake-up in between
 * finds it current and only turns the mark back. Preemption in between leaves the mark and keeps the thread on the lists.
 *
 * There are three lists: HIGH with the real-time priorities, by priority; NORMAL; LOW. They go in this order, but a list that waited for
 * longer than its patience is served once. Equals take turns, but for real-time threads that keep theirs. Who is interrupted by one
 * that goes before it loses no turn: it stands in front of its equals.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/hooks.h"
#include "arch/x86/platform.h"
#include "arch/x86/smp.h"
#include "kernel/preempt.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/time.h"
#include "kernel/trace.h"
#include "lib/base/printf.h"

#define SLICE_MIN_NS	(NSEC_PER_MSEC / 4)
#define SLICE_MAX_NS	(50 * NSEC_PER_MSEC)

enum { LIST_HIGH, LIST_NORMAL, LIST_LOW, NR_LISTS };
static const u64 patience_ns[NR_LISTS] = { [LIST_NORMAL] = 40 * NSEC_PER_MSEC, [LIST_LOW] = 200 * NSEC_PER_MSEC };

struct runq {
	struct spinlock lock;		/* interrupts off */
	struct list ready[NR_LISTS];	/* [lock] */
	u64 served_ns[NR_LISTS];	/* [lock] when the list was last picked from or became non-empty */
	u32 nr_ready;			/* [lock]; read without it by CPUs that look for work */
	struct thread *current;		/* [lock] */
	u8 running;			/* [lock; read without it] its priority */
	struct thread *idle;		/* [I] */
} __aligned(64);

static struct runq runqs[MAX_CPUS];
static struct thread idle_threads[MAX_CPUS];
static u64 idle_cpus;			/* [a] bit per CPU in its idle loop, not yet promised a thread */

static u32 state_get(const struct thread *t) { return __atomic_load_n(&t->state, __ATOMIC_ACQUIRE); }
static void state_set(struct thread *t, u32 s) { __atomic_store_n(&t->state, s, __ATOMIC_RELEASE); }

/* --- the lists; lock held --- */

static bool is_real_time(const struct thread *t) { return t->priority >= PRIO_REAL_TIME && t->priority <= PRIO_REAL_TIME_LAST; }

static unsigned list_of(const struct thread *t)
{
	return t->priority < PRIO_NORMAL ? LIST_HIGH : t->priority == PRIO_NORMAL ? LIST_NORMAL : LIST_LOW;
}

/* Behind its equals; first: in front of them. */
static void ready_add(struct runq *rq, struct thread *t, u64 now, bool first)
{
	unsigned nr = list_of(t);
	struct list *before = &rq->ready[nr];
	struct thread *other;

	if (list_empty(before))
		rq->served_ns[nr] = now;
	if (nr == LIST_HIGH) {
		list_for_each(other, &rq->ready[nr], run_link) {
			if (first ? other->priority >= t->priority : other->priority > t->priority) {
				before = &other->run_link;
				break;
			}
		}
	}
	list_add_tail(before, &t->run_link);
	rq->nr_ready++;
}

/* Does the running real-time thread keep its place? It does not when its slice is over, and an equal waits for it. */
static bool loses_no_turn(struct runq *rq, const struct thread *t)
{
	const struct thread *next = list_first(&rq->ready[LIST_HIGH], struct thread, run_link);

	return is_real_time(t) && (READ_ONCE(t->keeps_turn) || (next != NULL && next->priority < t->priority));
}

static void ready_del(struct runq *rq, struct thread *t)
{
	list_del(&t->run_link);
	rq->nr_ready--;
}

/* NULL: nothing is ready */
static struct thread *ready_pick(struct runq *rq, u64 now)
{
	struct thread *t = NULL;

	for (int p = NR_LISTS - 1; p > 0 && t == NULL; p--) {
		if (!list_empty(&rq->ready[p]) && now - rq->served_ns[p] > patience_ns[p])
			t = list_first(&rq->ready[p], struct thread, run_link);
	}
	for (int p = 0; p < NR_LISTS && t == NULL; p++)
		t = list_first(&rq->ready[p], struct thread, run_link);
	if (t != NULL) {
		rq->served_ns[list_of(t)] = now;
		ready_del(rq, t);
	}
	return t;
}

/* --- placement --- */

static void cpu_kick(unsigned cpu)
{
	__atomic_store_n(per_cpu_ptr(&need_resched, cpu), 1, __ATOMIC_SEQ_CST);
	if (cpu != cpu_id())
		smp_send_resched(cpu);
}

/* An idle CPU of the mask, claimed: its last one before the others. -1: none. */
static int idle_claim(u64 mask, unsigned last)
{
	u64 idle = __atomic_load_n(&idle_cpus, __ATOMIC_RELAXED) & mask;

	while (idle != 0) {
		unsigned cpu = idle >> last & 1 ? last : (unsigned)__builtin_ctzll(idle);

		if (__atomic_fetch_and(&idle_cpus, ~(1ULL << cpu), __ATOMIC_SEQ_CST) >> cpu & 1)
			return cpu;
		idle = __atomic_load_n(&idle_cpus, __ATOMIC_RELAXED) & mask;
	}
	return -1;
}

static bool may_run_on(const struct thread *t, unsigned cpu)
{
	u64 mask = t->affinity & ((1ULL << nr_cpus) - 1);

	return mask == 0 || (mask >> cpu & 1);
}

/*
 * Where the least important thread gives way: its last CPU if that one is an ordinary thread. A real-time one that gives way may have to
 * wait for long, whatever the others run by then.
 */
static unsigned place_in_front(const struct thread *t, u64 mask)
{
	unsigned best = mask >> t->cpu & 1 ? t->cpu : (unsigned)__builtin_ctzll(mask);

	if (READ_ONCE(runqs[best].running) >= PRIO_NORMAL)
		return best;
	for_each_cpu(cpu)
		if ((mask >> cpu & 1) && READ_ONCE(runqs[cpu].running) > READ_ONCE(runqs[best].running))
			best = cpu;
	return best;
}

static unsigned place(const struct thread *t)
{
	u64 mask = t->affinity & ((1ULL << nr_cpus) - 1);
	int cpu;

	if (mask == 0)
		mask = (1ULL << nr_cpus) - 1;
	cpu = idle_claim(mask, t->cpu);
	if (cpu >= 0)
		return cpu;
	if (is_real_time(t))
		return place_in_front(t, mask);
	if (mask >> t->cpu & 1)
		return t->cpu;
	return __builtin_ctzll(mask);
}

/* rq is t->cpu's queue, locked; t is READY, on no list and no CPU. */
static void enqueue_locked(struct runq *rq, struct thread *t)
{
	unsigned cpu = t->cpu;
	int idle;

	ready_add(rq, t, time_mono_ns(), false);
	if (rq->current == rq->idle || t->priority < rq->current->priority) {
		cpu_kick(cpu);
		return;
	}
	if (rq->nr_ready == 1) {		/* the running thread was alone until now and has no slice */
		if (cpu == cpu_id())
			timers_set_slice(time_mono_ns() + thread_slice_ns(rq->current));
		else
			smp_send_resched(cpu);	/* it will set one */
	}
	/* A CPU may have gone idle since place() looked: it looks for work after it said so, we look at that after the list. */
	smp_mb();
	idle = idle_claim(t->affinity & ((1ULL << nr_cpus) - 1) & ~(1ULL << cpu), cpu);
	if (idle >= 0)
		cpu_kick(idle);
}

/* Put a thread that is READY, on no list and no CPU on the queue that t->cpu names. */
static void enqueue(struct thread *t)
{
	for (;;) {
		struct runq *rq = &runqs[t->cpu];
		u64 flags = spin_lock_irqsave(&rq->lock);
		bool allowed = may_run_on(t, t->cpu);

		if (allowed)
			enqueue_locked(rq, t);
		else				/* its affinity changed on the way */
			t->cpu = place(t);
		spin_unlock_irqrestore(&rq->lock, flags);
		if (allowed)
			return;
	}
}

static struct runq *lock_runq_of(struct thread *t, u64 *flags)
{
	for (;;) {
		unsigned cpu = __atomic_load_n(&t->cpu, __ATOMIC_ACQUIRE);

		*flags = spin_lock_irqsave(&runqs[cpu].lock);
		if (t->cpu == cpu)
			return &runqs[cpu];
		spin_unlock_irqrestore(&runqs[cpu].lock, *flags);
	}
}

void thread_wake(struct thread *t)
{
	struct runq *rq;
	u64 flags;
	bool moving = false;

	smp_mb();		/* the condition before the state; pairs with the sleeper's barrier */
	if (state_get(t) != THREAD_WAITING)
		return;
	preempt_disable();
	trace_text(TRACE_SCHED_WAKE, t->name);
	rq = lock_runq_of(t, &flags);
	if (state_get(t) == THREAD_WAITING) {
		if (rq->current == t) {
			state_set(t, THREAD_RUNNING);
		} else {
			state_set(t, THREAD_READY);
			if (!list_linked(&t->run_link)) {
				t->cpu = place(t);
				moving = &runqs[t->cpu] != rq;
				if (!moving)
					enqueue_locked(rq, t);
			}
		}
	}
	spin_unlock_irqrestore(&rq->lock, flags);
	if (moving)
		enqueue(t);
	preempt_enable();
}

void sched_add_new(struct thread *t)
{
	preempt_disable();
	t->cpu = cpu_id();
	t->cpu = place(t);
	state_set(t, THREAD_READY);
	enqueue(t);
	preempt_enable();
}

void thread_set_priority(struct thread *t, int prio)
{
	struct runq *rq;
	u64 flags;
	bool queued;

	preempt_disable();
	rq = lock_runq_of(t, &flags);
	queued = list_linked(&t->run_link) && state_get(t) != THREAD_DEAD;
	if (queued)
		ready_del(rq, t);
	t->priority = prio;
	if (rq->current == t)
		rq->running = prio;
	if (queued)
		ready_add(rq, t, time_mono_ns(), false);
	if (rq->nr_ready != 0 && (queued || rq->current == t))
		cpu_kick(t->cpu);	/* the order may be another now */
	spin_unlock_irqrestore(&rq->lock, flags);
	preempt_enable();
}

/* Each step of the nice value is a quarter more or less of the CPU than the next. */
u64 thread_slice_ns(const struct thread *t)
{
	u64 ns = SCHED_SLICE_NS;
	s32 nice = is_real_time(t) ? 0 : READ_ONCE(t->nice);

	for (; nice > 0 && ns > SLICE_MIN_NS; nice--)
		ns = ns * 4 / 5;
	for (; nice < 0 && ns < SLICE_MAX_NS; nice++)
		ns = ns * 5 / 4;
	return ns;
}

u64 thread_runtime_ns(struct thread *t)
{
	struct runq *rq;
	u64 flags, ns;

	preempt_disable();
	rq = lock_runq_of(t, &flags);
	ns = t->runtime_ns;
	if (rq->current == t)
		ns += time_mono_ns() - t->run_start_ns;
	spin_unlock_irqrestore(&rq->lock, flags);
	preempt_enable();
	return ns;
}

unsigned sched_nr_running(void)
{
	unsigned nr = 0;

	for_each_cpu(cpu)
		nr += READ_ONCE(runqs[cpu].nr_ready) + (READ_ONCE(runqs[cpu].current) != READ_ONCE(runqs[cpu].idle));
	return nr;
}

u64 sched_idle_ns(unsigned cpu) { return thread_runtime_ns(&idle_threads[cpu]); }

void thread_set_affinity(struct thread *t, u64 mask)
{
	struct runq *rq;
	u64 flags;
	bool moving = false;

	preempt_disable();
	rq = lock_runq_of(t, &flags);
	t->affinity = mask;
	if (!may_run_on(t, t->cpu)) {
		if (rq->current == t) {
			cpu_kick(t->cpu);	/* schedule() there sends it away */
		} else if (list_linked(&t->run_link) && state_get(t) == THREAD_READY) {
			ready_del(rq, t);
			t->cpu = place(t);
			moving = true;
		}
	}
	spin_unlock_irqrestore(&rq->lock, flags);
	if (moving)
		enqueue(t);
	preempt_enable();
}

/* --- switching --- */

/* In the next thread, with the lock of this CPU's queue held since before the switch. */
static void switch_finish(struct thread *prev)
{
	struct runq *rq = &runqs[cpu_id()];
	u32 state = state_get(prev);
	bool away = state == THREAD_READY && !list_linked(&prev->run_link) && prev != rq->idle;

	prev->on_cpu = false;
	if (away)			/* its affinity forbids this CPU */
		prev->cpu = place(prev);
	spin_unlock(&rq->lock);
	if (state == THREAD_DEAD)
		thread_reap_later(prev);
	else if (away)
		enqueue(prev);
}

/* preempted: the caller did not ask for it; it stays runnable whatever its state says. */
static void schedule_how(bool preempted)
{
	struct thread *prev, *next;
	struct runq *rq;
	u64 flags, now;
	u32 state;

again:
	flags = irq_save();
	rq = &runqs[cpu_id()];
	prev = thread_current();
	printk_wake_log_thread();
	this_cpu(need_resched) = 0;
	spin_lock(&rq->lock);
	now = time_mono_ns();
	state = state_get(prev);
	if (prev != rq->idle && state != THREAD_DEAD && (state != THREAD_WAITING || preempted)) {
		if (state == THREAD_RUNNING)
			state_set(prev, THREAD_READY);
		if (may_run_on(prev, cpu_id()) || state == THREAD_WAITING)
			ready_add(rq, prev, now, preempted && loses_no_turn(rq, prev));	/* else switch_finish() sends it away */
	}
	next = ready_pick(rq, now);
	if (next == NULL)
		next = rq->idle;
	if (state_get(next) == THREAD_READY)
		state_set(next, THREAD_RUNNING);
	timers_set_slice(rq->nr_ready != 0 && next != rq->idle ? now + thread_slice_ns(next) : 0);
	if (next != prev) {
		prev->runtime_ns += now - prev->run_start_ns;
		if (state == THREAD_WAITING && !preempted)
			prev->nr_waits++;
		else
			prev->nr_preempted++;
		next->run_start_ns = now;
		DEBUG_BUG_ON(next->on_cpu);
		next->on_cpu = true;
		rq->current = next;
		rq->running = next->priority;
		if (prev == rq->idle)
			__atomic_fetch_and(&idle_cpus, ~(1ULL << cpu_id()), __ATOMIC_SEQ_CST);
		/* somebody had to give way: an idle CPU may want it */
		if (rq->nr_ready != 0 && next != rq->idle) {
			int cpu = idle_claim(~(1ULL << cpu_id()), cpu_id());

			if (cpu >= 0)
				cpu_kick(cpu);
		}
		trace_text(TRACE_SCHED_SWITCH, next->name);
		switch_finish(arch_switch(prev, next));
		/* from here on possibly on another CPU */
	} else {
		spin_unlock(&rq->lock);
	}
	irq_restore(flags);
	/* what was queued here while interrupts were off (by switch_finish()) may be better than this thread */
	if (unlikely(this_cpu_read8(need_resched)) && (flags & (1 << 9)) && this_cpu_read8(preempt_count) == 0)
		goto again;
}

void schedule(void)
{
	might_sleep();
	schedule_how(false);
}

void thread_yield(void) { schedule(); }

void sched_preempt(void) { schedule_how(true); }

bool sched_need_resched(void) { return this_cpu_read8(need_resched) != 0; }

void sched_preempt_point(void)
{
	if (this_cpu_read8(need_resched) != 0 && this_cpu_read8(preempt_count) == 0)
		sched_preempt();
}

/* --- idle --- */

/* Take a ready thread from another CPU's queue to this one's. Interrupts off. */
static bool steal(void)
{
	unsigned me = cpu_id();

	for (unsigned i = 1; i < nr_cpus; i++) {
		struct runq *rq = &runqs[(me + i) % nr_cpus];
		struct thread *t, *found = NULL;

		if (READ_ONCE(rq->nr_ready) == 0)
			continue;
		spin_lock(&rq->lock);
		for (int p = 0; p < NR_LISTS && found == NULL; p++) {
			list_for_each(t, &rq->ready[p], run_link) {
				if ((t->affinity >> me & 1) && state_get(t) == THREAD_READY) {
					found = t;
					break;
				}
			}
		}
		if (found != NULL) {
			ready_del(rq, found);
			found->cpu = me;
		}
		spin_unlock(&rq->lock);
		if (found != NULL) {
			enqueue(found);
			return true;
		}
	}
	return false;
}

void sched_idle(void)
{
	u64 bit;

	bit = 1ULL << cpu_id();		/* an idle thread never moves */
	for (;;) {
		irq_disable();
		/* First say idle, then look: who queues a thread at the same time sees the one or is seen by the other. */
		__atomic_fetch_or(&idle_cpus, bit, __ATOMIC_SEQ_CST);
		if (this_cpu_read8(need_resched) == 0 && !steal())
			cpu_halt();
		else
			irq_enable();
		__atomic_fetch_and(&idle_cpus, ~bit, __ATOMIC_SEQ_CST);
		schedule_how(false);
	}
}

/* --- set-up --- */

/*
 * Resched IPI. need_resched is set by who wants a switch; else a thread was queued behind a lone one, which needs a slice, or the running
 * one has a signal: its slice is as long as before.
 */
static void resched_ipi(void)
{
	struct runq *rq = &runqs[cpu_id()];

	if (this_cpu_read8(need_resched) == 0 && READ_ONCE(rq->nr_ready) != 0 && !timers_have_slice())
		timers_set_slice(time_mono_ns() + thread_slice_ns(rq->current));
}

void sched_init(void)
{
	static const struct arch_hooks hooks = {
		.timer = timers_interrupt,
		.resched = resched_ipi,
		.preempt_point = sched_preempt_point,
		.switch_done = switch_finish,
	};

	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
		struct runq *rq = &runqs[cpu];

		spin_init(&rq->lock, "run queue", RANK_RUNQ);
		for (int p = 0; p < NR_LISTS; p++)
			list_init(&rq->ready[p]);
	}
	arch_hooks_register(&hooks);
}

/* The calling context becomes the CPU's idle thread. */
void sched_init_cpu(void)
{
	unsigned cpu = cpu_id();
	struct thread *t = &idle_threads[cpu];

	thread_init_struct(t, PRIO_LOW);
	snprintf(t->name, sizeof(t->name), "idle/%u", cpu);
	t->cpu = cpu;
	t->affinity = 1ULL << cpu;
	t->on_cpu = true;
	state_set(t, THREAD_RUNNING);
	t->run_start_ns = time_mono_ns();
	runqs[cpu].idle = t;
	runqs[cpu].current = t;
	runqs[cpu].running = t->priority;
	arch_current_init(t);
}
