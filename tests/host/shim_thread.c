/* SPDX-License-Identifier: MIT */
/* Host shim: threads, time and timers over pthreads. Wait queues, mutexes and work queues are the kernel's own, on top of these. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <time.h>

#include "kernel/sched.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/timer_queue.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "shim.h"

#define WEAK __attribute__((weak))

struct host_thread {
	struct thread t;
	pthread_cond_t cond;
	void (*fn)(void *arg);
	void *arg;
};

static pthread_mutex_t big = PTHREAD_MUTEX_INITIALIZER;
static struct list all_threads = LIST_INIT(all_threads);
static __thread struct host_thread *current_thread;
static struct host_thread first_thread;

static struct host_thread *host_of(struct thread *t) { return container_of(t, struct host_thread, t); }

static void thread_setup(struct host_thread *h)
{
	pthread_cond_init(&h->cond, NULL);
	list_init(&h->t.run_link);
	list_init(&h->t.all_link);
	ref_init(&h->t.refs, 1);
	h->t.affinity = ~0ULL;
	pthread_mutex_lock(&big);
	list_add_tail(&all_threads, &h->t.all_link);
	pthread_mutex_unlock(&big);
}

WEAK struct thread *shim_current_thread(void)
{
	if (current_thread == NULL) {		/* the test's own thread, or one that the test made by itself */
		static bool first_taken;
		bool taken = __atomic_exchange_n(&first_taken, true, __ATOMIC_SEQ_CST);

		current_thread = taken ? calloc(1, sizeof(*current_thread)) : &first_thread;
		thread_setup(current_thread);
		str_copy(current_thread->t.name, "test", sizeof(current_thread->t.name));
		current_thread->t.state = THREAD_RUNNING;
	}
	return &current_thread->t;
}

static void *thread_run(void *arg)
{
	struct host_thread *h = arg;

	current_thread = h;
	h->fn(h->arg);
	thread_exit();
}

WEAK struct thread *thread_create(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, ...)
{
	struct host_thread *h = calloc(1, sizeof(*h));
	va_list ap;

	va_start(ap, name_fmt);
	vsnprintf(h->t.name, sizeof(h->t.name), name_fmt, ap);
	va_end(ap);
	h->fn = fn;
	h->arg = arg;
	h->t.priority = prio;
	thread_setup(h);
	return &h->t;
}

WEAK void thread_start(struct thread *t)
{
	pthread_t id;

	thread_get(t);			/* the thread's own */
	t->state = THREAD_RUNNING;
	if (pthread_create(&id, NULL, thread_run, host_of(t)) != 0)
		panic("pthread_create");
	pthread_detach(id);
}

WEAK int thread_spawn(void (*fn)(void *arg), void *arg, int prio, const char *name_fmt, ...)
{
	struct thread *t;
	char name[16];
	va_list ap;

	va_start(ap, name_fmt);
	vsnprintf(name, sizeof(name), name_fmt, ap);
	va_end(ap);
	t = thread_create(fn, arg, prio, "%s", name);
	thread_start(t);
	thread_put(t);
	return 0;
}

WEAK void thread_exit(void)
{
	struct thread *t = thread_current();

	pthread_mutex_lock(&big);
	t->state = THREAD_DEAD;
	pthread_mutex_unlock(&big);
	thread_put(t);
	pthread_exit(NULL);
}

WEAK void thread_get(struct thread *t) { ref_get(&t->refs); }
WEAK void thread_put(struct thread *t)
{
	if (!ref_put(&t->refs))
		return;
	pthread_mutex_lock(&big);
	list_del(&t->all_link);
	pthread_mutex_unlock(&big);
	free(host_of(t));
}

WEAK void thread_for_each(void (*fn)(struct thread *t, void *arg), void *arg)
{
	struct thread *t;

	pthread_mutex_lock(&big);
	list_for_each(t, &all_threads, all_link)
		fn(t, arg);
	pthread_mutex_unlock(&big);
}

WEAK void thread_yield(void) { sched_yield(); }
WEAK void thread_init_reaper(void) { }
WEAK void thread_set_affinity(struct thread *t, u64 mask) { t->affinity = mask; }
WEAK bool sched_need_resched(void) { return false; }

WEAK void thread_wake(struct thread *t)
{
	u32 waiting = THREAD_WAITING;

	pthread_mutex_lock(&big);
	if (__atomic_compare_exchange_n(&t->state, &waiting, THREAD_RUNNING, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		pthread_cond_signal(&host_of(t)->cond);
	pthread_mutex_unlock(&big);
}

WEAK void thread_interrupt(struct thread *t, bool fatal)
{
	__atomic_store_n(&t->signal_pending, true, __ATOMIC_SEQ_CST);
	if (fatal)
		__atomic_store_n(&t->fatal_pending, true, __ATOMIC_SEQ_CST);
	thread_wake(t);
}

/* A thread that marked itself WAITING sleeps here until thread_wake(). */
WEAK void schedule(void)
{
	struct thread *t = thread_current();

	might_sleep();
	if (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) != THREAD_WAITING) {
		sched_yield();
		return;
	}
	pthread_mutex_lock(&big);
	while (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) == THREAD_WAITING)
		pthread_cond_wait(&host_of(t)->cond, &big);
	pthread_mutex_unlock(&big);
}

static void timer_wake(struct timer *tm) { thread_wake(tm->arg); }

static bool sleep_until(u64 deadline_ns, bool intr)
{
	struct thread *t = thread_current();
	struct timer tm;
	bool interrupted;

	timer_init(&tm, timer_wake, t);
	timer_start(&tm, deadline_ns);
	for (;;) {
		__atomic_store_n(&t->state, THREAD_WAITING, __ATOMIC_SEQ_CST);
		interrupted = intr && __atomic_load_n(&t->signal_pending, __ATOMIC_SEQ_CST);
		if (interrupted || time_mono_ns() >= deadline_ns)
			break;
		schedule();
	}
	__atomic_store_n(&t->state, THREAD_RUNNING, __ATOMIC_SEQ_CST);
	timer_cancel_sync(&tm);
	return interrupted;
}

WEAK void thread_sleep_ns(u64 ns) { (void)sleep_until(time_mono_ns() + ns, false); }
WEAK int thread_sleep_until_intr(u64 deadline_ns) { return sleep_until(deadline_ns, true) ? -EINTR : 0; }

/* --- time and timers --- */
static bool manual;
static u64 manual_now;
static pthread_mutex_t timer_lock = PTHREAD_MUTEX_INITIALIZER;
static struct timer_queue timers;		/* [timer_lock] */
static struct timer *running;			/* [timer_lock] */
enum { TIMER_OFF, TIMER_PENDING };

static u64 host_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

WEAK u64 time_mono_ns(void)
{
	return __atomic_load_n(&manual, __ATOMIC_ACQUIRE) ? __atomic_load_n(&manual_now, __ATOMIC_ACQUIRE) :
							      host_clock(CLOCK_MONOTONIC);
}
WEAK u64 time_wall_ns(void) { return host_clock(CLOCK_REALTIME); }
WEAK void time_set_wall_ns(u64 ns) { (void)ns; }
WEAK u64 arch_clock_ns(void) { return time_mono_ns(); }

void shim_time_manual(u64 now_ns)
{
	__atomic_store_n(&manual_now, now_ns, __ATOMIC_RELEASE);
	__atomic_store_n(&manual, true, __ATOMIC_RELEASE);
}

/* Run the earliest timer due at `until`; false when there is none. */
static bool timer_run_one(u64 until)
{
	struct timer *best;

	pthread_mutex_lock(&timer_lock);
	best = timers.first;
	if (best != NULL && best->when_ns > until)
		best = NULL;
	if (best != NULL) {
		timer_queue_del(&timers, best);
		best->state = TIMER_OFF;
		running = best;
		if (manual && best->when_ns > manual_now)
			__atomic_store_n(&manual_now, best->when_ns, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&timer_lock);
	if (best == NULL)
		return false;
	best->fn(best);
	__atomic_store_n(&running, NULL, __ATOMIC_RELEASE);
	return true;
}

void shim_time_advance(u64 ns)
{
	u64 until = manual_now + ns;

	while (timer_run_one(until))
		;
	__atomic_store_n(&manual_now, until, __ATOMIC_RELEASE);
}

static void *timer_thread(void *arg)
{
	for (;;) {
		struct timespec ts = { 0, 200000 };

		nanosleep(&ts, NULL);
		while (!__atomic_load_n(&manual, __ATOMIC_ACQUIRE) && timer_run_one(time_mono_ns()))
			;
	}
	return arg;
}

WEAK void timer_init(struct timer *t, void (*fn)(struct timer *), void *arg)
{
	*t = (struct timer){ .fn = fn, .arg = arg };
}

WEAK void timer_start(struct timer *t, u64 when_ns)
{
	static bool started;
	pthread_t id;

	pthread_mutex_lock(&timer_lock);
	if (t->state == TIMER_PENDING)
		timer_queue_del(&timers, t);
	t->when_ns = when_ns;
	timer_queue_add(&timers, t);
	t->state = TIMER_PENDING;
	if (!started && !manual) {
		started = true;
		if (pthread_create(&id, NULL, timer_thread, NULL) == 0)
			pthread_detach(id);
	}
	pthread_mutex_unlock(&timer_lock);
}

WEAK bool timer_cancel(struct timer *t)
{
	bool was;

	pthread_mutex_lock(&timer_lock);
	was = t->state == TIMER_PENDING;
	if (was)
		timer_queue_del(&timers, t);
	t->state = TIMER_OFF;
	pthread_mutex_unlock(&timer_lock);
	return was;
}

WEAK void timer_cancel_sync(struct timer *t)
{
	(void)timer_cancel(t);
	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) == t)
		sched_yield();
	(void)timer_cancel(t);
}

WEAK bool timer_pending(const struct timer *t) { return __atomic_load_n(&t->state, __ATOMIC_RELAXED) == TIMER_PENDING; }
