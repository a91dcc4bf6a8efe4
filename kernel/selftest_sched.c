/* SPDX-License-Identifier: MIT */
/* Selftests of threads, locks, wait queues, timers and the log, with as many threads as make the CPUs contend. */
#include "arch/x86/cpu.h"
#include "arch/x86/smp.h"
#include "kernel/mutex.h"
#include "kernel/preempt.h"
#include "kernel/printk.h"
#include "kernel/selftest.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/trim.h"
#include "kernel/work.h"
#include "mm/frame.h"
#include "mm/slab.h"

/* n threads running fn at once; returns when all have ended */
struct crew {
	struct waitq wait;
	u32 left;		/* [a] */
	void (*fn)(unsigned i);
};
struct member { struct crew *crew; unsigned i; };

static void member_main(void *arg)
{
	struct member *m = arg;
	struct crew *c = m->crew;

	c->fn(m->i);
	kfree(m);
	__atomic_sub_fetch(&c->left, 1, __ATOMIC_SEQ_CST);
	waitq_wake_all(&c->wait);
}

static void crew_run(void (*fn)(unsigned i), unsigned n, int prio)
{
	static struct crew crew;	/* static: its last member may still be in wake_all() when the wait is over */

	crew.fn = fn;
	crew.left = n;
	waitq_init(&crew.wait);
	for (unsigned i = 0; i < n; i++) {
		struct member *m = kmalloc(sizeof(*m));

		SELFTEST_CHECK(m != NULL);
		*m = (struct member){ &crew, i };
		SELFTEST_CHECK(thread_spawn(member_main, m, prio, "crew/%u", i) == 0);
	}
	waitq_wait(&crew.wait, load_acquire(&crew.left) == 0);
	thread_sleep_ns(2 * NSEC_PER_MSEC);	/* let the last one leave wake_all() */
}

/* --- locks --- */

static DEFINE_SPINLOCK(test_lock, RANK_LEAF);
static u64 locked_sum;
#define LOCK_ROUNDS 20000

static void lock_adder(unsigned i)
{
	for (unsigned n = 0; n < LOCK_ROUNDS; n++) {
		if (n % 3 == 0) {
			u64 flags = spin_lock_irqsave(&test_lock);

			locked_sum++;
			spin_unlock_irqrestore(&test_lock, flags);
		} else if (n % 3 == 1 || !spin_trylock(&test_lock)) {
			spin_lock(&test_lock);
			locked_sum++;
			spin_unlock(&test_lock);
		} else {
			locked_sum++;
			spin_unlock(&test_lock);
		}
	}
}

SELFTEST(spinlocks)
{
	locked_sum = 0;
	crew_run(lock_adder, 2 * nr_cpus, PRIO_NORMAL);
	SELFTEST_CHECK(locked_sum == 2ULL * nr_cpus * LOCK_ROUNDS);
}

static DEFINE_MUTEX(test_mutex, RANK_MUTEX_LEAF);
static u64 mutex_sum;

static void mutex_adder(unsigned i)
{
	for (unsigned n = 0; n < 1000; n++) {
		u64 seen;

		mutex_lock(&test_mutex);
		seen = READ_ONCE(mutex_sum);
		if (n % 64 == 0)
			thread_yield();
		WRITE_ONCE(mutex_sum, seen + 1);
		mutex_unlock(&test_mutex);
	}
}

SELFTEST(mutexes)
{
	mutex_sum = 0;
	crew_run(mutex_adder, 2 * nr_cpus, PRIO_NORMAL);
	SELFTEST_CHECK(mutex_sum == 2000ULL * nr_cpus);
}

/* --- wait queues: pairs of threads hand a number to and fro; a lost wake-up hangs --- */

#define PAIRS 4
static struct pair { struct waitq q; u32 turn; } pairs[PAIRS];

static void pingpong(unsigned i)
{
	struct pair *p = &pairs[i / 2];

	for (u32 n = 0; n < 2000; n++) {
		u32 mine = n * 2 + (i & 1);

		waitq_wait(&p->q, load_acquire(&p->turn) == mine);
		store_release(&p->turn, mine + 1);
		waitq_wake_all(&p->q);
	}
}

SELFTEST(waitq_pingpong)
{
	for (unsigned i = 0; i < PAIRS; i++) {
		pairs[i].turn = 0;
		waitq_init(&pairs[i].q);
	}
	crew_run(pingpong, 2 * PAIRS, PRIO_NORMAL);
	for (unsigned i = 0; i < PAIRS; i++)
		SELFTEST_CHECK(pairs[i].turn == 4000);
}

SELFTEST(waitq_timeout)
{
	struct waitq q = WAITQ_INIT(q);
	u64 before = time_mono_ns();

	SELFTEST_CHECK(waitq_wait_timeout(&q, false, before + 3 * NSEC_PER_MSEC) == -ETIMEDOUT);
	SELFTEST_CHECK(time_mono_ns() - before >= 3 * NSEC_PER_MSEC);
	thread_current()->signal_pending = true;
	SELFTEST_CHECK(waitq_wait_intr(&q, false, 0) == -EINTR);
	thread_current()->signal_pending = false;
}

/* --- timers: never early, in order, cancelled ones never --- */

#define NR_TIMERS 200
static struct timer timers[NR_TIMERS];
static u64 fired_at[NR_TIMERS];
static u32 nr_fired;
static struct waitq timers_q = WAITQ_INIT(timers_q);

static void timer_fired(struct timer *t)
{
	fired_at[t - timers] = time_mono_ns();
	__atomic_add_fetch(&nr_fired, 1, __ATOMIC_SEQ_CST);
	waitq_wake_all(&timers_q);
}

SELFTEST(timers)
{
	u64 start = time_mono_ns();
	u32 expected = 0;

	nr_fired = 0;
	for (unsigned i = 0; i < NR_TIMERS; i++) {
		fired_at[i] = 0;
		timer_init(&timers[i], timer_fired, NULL);
		timer_start(&timers[i], start + (1 + i * 37 % 100) * NSEC_PER_MSEC / 5);
	}
	for (unsigned i = 0; i < NR_TIMERS; i++) {
		if (i % 3 == 0)		/* moved, perhaps from another CPU's queue */
			timer_start(&timers[i], timers[i].when_ns + NSEC_PER_MSEC);
		if (i % 4 == 0)
			timer_cancel_sync(&timers[i]);
	}
	thread_sleep_ns(30 * NSEC_PER_MSEC);
	for (unsigned i = 0; i < NR_TIMERS; i++) {
		SELFTEST_CHECK(!timer_pending(&timers[i]) || time_mono_ns() < timers[i].when_ns + 60 * NSEC_PER_SEC);
		timer_cancel_sync(&timers[i]);
		if (fired_at[i] != 0) {
			expected++;
			SELFTEST_CHECK(i % 3 == 0 || fired_at[i] >= timers[i].when_ns);
		} else {
			SELFTEST_CHECK(i % 4 == 0);
		}
	}
	SELFTEST_CHECK(nr_fired >= expected);
}

/* A timer that starts itself again from another CPU's interrupt: after the cancellation it neither runs nor will. */
static struct timer restless;
static u32 restless_in, restless_runs;

static void restless_fired(struct timer *t)
{
	store_release(&restless_in, 1);
	__atomic_add_fetch(&restless_runs, 1, __ATOMIC_SEQ_CST);
	timer_start(t, time_mono_ns() + 20 * NSEC_PER_USEC);
	store_release(&restless_in, 0);
}

SELFTEST(timer_cancel_restless)
{
	struct thread *self = thread_current();

	for (unsigned n = 0; n < 200; n++) {
		u32 runs;

		thread_set_affinity(self, 1ULL << (nr_cpus - 1));
		while (cpu_id() != nr_cpus - 1)
			thread_yield();
		timer_init(&restless, restless_fired, NULL);
		timer_start(&restless, time_mono_ns());
		thread_set_affinity(self, ~0ULL);
		thread_sleep_ns((1 + n % 7) * 10 * NSEC_PER_USEC);
		timer_cancel_sync(&restless);
		runs = load_acquire(&restless_runs);
		SELFTEST_CHECK(!load_acquire(&restless_in) && !timer_pending(&restless));
		thread_yield();
		SELFTEST_CHECK(load_acquire(&restless_runs) == runs);
	}
}

/*
 * Several wake the same sleepers at once while these move between CPUs: a waker that is late finds the thread elsewhere by then,
 * and must not put it on a second queue.
 */
#define SLEEPERS 6
static struct sleeper { struct thread *t; u32 inside, ended; } sleepers[SLEEPERS];
static u32 wake_storm_over;

static void storm_sleeper(void *arg)
{
	struct sleeper *s = arg;
	struct thread *self = thread_current();

	while (!load_acquire(&wake_storm_over)) {
		__atomic_store_n(&self->state, THREAD_WAITING, __ATOMIC_SEQ_CST);
		schedule();
		SELFTEST_CHECK(__atomic_exchange_n(&s->inside, 1, __ATOMIC_SEQ_CST) == 0);
		SELFTEST_CHECK(thread_current() == self);
		SELFTEST_CHECK(__atomic_exchange_n(&s->inside, 0, __ATOMIC_SEQ_CST) == 1);
	}
	store_release(&s->ended, 1);
}

static void storm_waker(unsigned i)
{
	u64 until = time_mono_ns() + 300 * NSEC_PER_MSEC;

	for (unsigned n = i; time_mono_ns() < until; n++) {
		struct sleeper *s = &sleepers[n % SLEEPERS];

		thread_wake(s->t);
		if (n % 16 == 0)
			thread_set_affinity(s->t, n % 32 == 0 ? 1ULL << (n / 32 % nr_cpus) : ~0ULL);
	}
}

SELFTEST(wake_storm)
{
	store_release(&wake_storm_over, 0);
	for (unsigned i = 0; i < SLEEPERS; i++) {
		sleepers[i] = (struct sleeper){ .t = thread_create(storm_sleeper, &sleepers[i], PRIO_NORMAL, "sleeper/%u", i) };
		SELFTEST_CHECK(sleepers[i].t != NULL);
		thread_start(sleepers[i].t);
	}
	crew_run(storm_waker, nr_cpus + 1, PRIO_NORMAL);
	store_release(&wake_storm_over, 1);
	for (unsigned i = 0; i < SLEEPERS; i++) {
		while (!load_acquire(&sleepers[i].ended)) {
			thread_wake(sleepers[i].t);
			thread_yield();
		}
		thread_put(sleepers[i].t);
	}
}

/* --- current is one thing, across switches, interrupts and CPUs (lesson: L2) --- */

static void current_checker(unsigned i)
{
	struct thread *self = thread_current();
	u64 until = time_mono_ns() + 30 * NSEC_PER_MSEC;

	while (time_mono_ns() < until) {
		for (unsigned n = 0; n < 200; n++) {
			u32 cpu;

			SELFTEST_CHECK(thread_current() == self);
			preempt_disable();
			cpu = cpu_id();
			SELFTEST_CHECK(thread_current() == self && self->cpu == cpu && self->state == THREAD_RUNNING);
			preempt_enable();
		}
		if (i % 2)
			thread_yield();
	}
}

SELFTEST(current_thread)
{
	crew_run(current_checker, 3 * nr_cpus, PRIO_NORMAL);
}

/* --- every CPU runs threads; affinity holds; LOW and NORMAL are served below a busy HIGH --- */

static u64 cpus_seen;

/* For as long as it takes: a virtual CPU may be off its host's for longer than any fixed time. */
static void cpu_spinner(unsigned i)
{
	u64 start = time_mono_ns(), now = start;

	while (now < start + 40 * NSEC_PER_MSEC ||
	       (READ_ONCE(cpus_seen) != (1ULL << nr_cpus) - 1 && now < start + 20 * NSEC_PER_SEC)) {
		__atomic_fetch_or(&cpus_seen, 1ULL << cpu_id(), __ATOMIC_RELAXED);
		now = time_mono_ns();
	}
}

SELFTEST(all_cpus_run)
{
	cpus_seen = 0;
	crew_run(cpu_spinner, 2 * nr_cpus, PRIO_NORMAL);
	SELFTEST_CHECK(cpus_seen == (1ULL << nr_cpus) - 1);
}

static void affine(unsigned i)
{
	for (unsigned n = 0; n < 20; n++) {
		unsigned cpu = (i + n) % nr_cpus;

		thread_set_affinity(thread_current(), 1ULL << cpu);
		thread_yield();
		SELFTEST_CHECK(cpu_id() == cpu);
	}
}

SELFTEST(affinity)
{
	crew_run(affine, 2 * nr_cpus, PRIO_NORMAL);
}

static u32 stop_hogs, low_ran;

static void hog(void *arg)
{
	while (!load_acquire(&stop_hogs))
		cpu_relax();
}
static void low(void *arg) { __atomic_add_fetch(&low_ran, 1, __ATOMIC_SEQ_CST); }

SELFTEST(no_starvation)
{
	u64 until = time_mono_ns() + 20 * NSEC_PER_SEC;

	stop_hogs = low_ran = 0;
	for (unsigned i = 0; i < 2 * nr_cpus; i++)
		SELFTEST_CHECK(thread_spawn(hog, NULL, PRIO_HIGH, "hog/%u", i) == 0);
	for (unsigned i = 0; i < nr_cpus; i++)
		SELFTEST_CHECK(thread_spawn(low, NULL, PRIO_LOW, "low/%u", i) == 0);
	while (load_acquire(&low_ran) != nr_cpus && time_mono_ns() < until)
		thread_sleep_ns(NSEC_PER_MSEC);
	store_release(&stop_hogs, 1);
	SELFTEST_CHECK(low_ran == nr_cpus);
}

/* --- threads come and go; nothing of them stays (lesson: L18) --- */

static u32 born;
static void short_life(void *arg) { __atomic_add_fetch(&born, 1, __ATOMIC_SEQ_CST); }
static void count_thread(struct thread *t, void *arg) { (*(u32 *)arg)++; }

SELFTEST(thread_churn)
{
	u32 before = 0, after = 0;

	thread_for_each(count_thread, &before);
	born = 0;
	for (u32 i = 0; i < 1000; i++) {
		SELFTEST_CHECK(thread_spawn(short_life, NULL, PRIO_NORMAL, "short/%u", i) == 0);
		if (i % 50 == 49) {
			while (load_acquire(&born) != i + 1)
				thread_yield();
		}
	}
	for (unsigned n = 0; n < 1000; n++) {
		after = 0;
		thread_for_each(count_thread, &after);
		if (after <= before)
			break;
		thread_sleep_ns(NSEC_PER_MSEC);
	}
	SELFTEST_CHECK(after <= before);
}

/* lesson: L31 - the same work three times leaves the same memory free, once the reserves are given back */
static void memory_user(unsigned i)
{
	void *p[40];

	for (unsigned n = 0; n < ARRAY_SIZE(p); n++)
		p[n] = kmalloc(1 + (i * 97 + n * 131) % 3000);
	for (unsigned n = 0; n < ARRAY_SIZE(p); n++)
		kfree(p[n]);
}

SELFTEST(memory_comes_back)
{
	u64 after[4];

	for (unsigned n = 0; n < ARRAY_SIZE(after); n++) {
		crew_run(memory_user, 2 * nr_cpus, PRIO_NORMAL);
		thread_sleep_ns(20 * NSEC_PER_MSEC);	/* the reaper */
		memory_trim();
		after[n] = frames_free_count();
	}
	SELFTEST_CHECK(after[1] == after[3] || after[2] == after[3]);
}

/* --- work --- */

static u32 work_runs;
static void work_ran(struct work *w) { __atomic_add_fetch(&work_runs, 1, __ATOMIC_SEQ_CST); }

SELFTEST(work_queue)
{
	static struct work works[32];
	u32 queued = 0;

	work_runs = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(works); i++)
		work_init(&works[i], work_ran);
	for (unsigned n = 0; n < 100; n++) {
		for (unsigned i = 0; i < ARRAY_SIZE(works); i++)
			queued += work_queue_add(system_work, &works[i]);
	}
	for (unsigned n = 0; n < 5000 && load_acquire(&work_runs) != queued; n++)
		thread_sleep_ns(NSEC_PER_MSEC);
	SELFTEST_CHECK(work_runs == queued);
}

/* --- the log under spinlocks and with interrupts off (lesson: L8, lesson: L38) --- */

static void talker(unsigned i)
{
	for (unsigned n = 0; n < 20; n++) {
		u64 flags = spin_lock_irqsave(&test_lock);

		pr_debug("talker %u line %u", i, n);
		if (n == 0)
			pr_info("talker %u speaks under a lock", i);
		spin_unlock_irqrestore(&test_lock, flags);
	}
}

SELFTEST(printk_anywhere)
{
	u64 live = kmem_cache_total_live();

	crew_run(talker, nr_cpus, PRIO_NORMAL);
	printk_drain();
	SELFTEST_CHECK(kmem_cache_total_live() < live + 100);
}

/* --- cross-calls reach every other CPU --- */

static u64 called;
static void note_call(void *arg) { __atomic_fetch_or(&called, 1ULL << cpu_id(), __ATOMIC_SEQ_CST); }

SELFTEST(cross_calls)
{
	u64 others;

	called = 0;
	preempt_disable();
	others = ((1ULL << nr_cpus) - 1) & ~(1ULL << cpu_id());
	smp_call_others(note_call, NULL);
	preempt_enable();
	SELFTEST_CHECK(called == others);
}
