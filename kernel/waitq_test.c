/* SPDX-License-Identifier: MIT */
/* Wait queues, mutexes and work queues under threads, and against the manual clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/mutex.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/waitq.h"
#include "kernel/work.h"
#include "lib/base/atomic.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "shim.h"

#define ROUNDS 3000

static struct waitq ping_q = WAITQ_INIT(ping_q), pong_q = WAITQ_INIT(pong_q);
static int ping, pong;

static void ponger(void *arg)
{
	for (int i = 1; i <= ROUNDS; i++) {
		waitq_wait(&ping_q, load_acquire(&ping) == i);
		store_release(&pong, i);
		waitq_wake_all(&pong_q);
	}
}

static void no_wakeup_lost(void **state)
{
	assert_int_equal(thread_spawn(ponger, NULL, PRIO_NORMAL, "ponger"), 0);
	for (int i = 1; i <= ROUNDS; i++) {
		store_release(&ping, i);
		waitq_wake_all(&ping_q);
		waitq_wait(&pong_q, load_acquire(&pong) == i);
	}
}

static void timeouts_and_signals(void **state)
{
	struct waitq q = WAITQ_INIT(q);
	struct thread *t = thread_current();
	u64 now = time_mono_ns();

	assert_int_equal(waitq_wait_timeout(&q, true, now), 0);
	assert_int_equal(waitq_wait_timeout(&q, false, now + NSEC_PER_MSEC), -ETIMEDOUT);
	assert_true(time_mono_ns() >= now + NSEC_PER_MSEC);
	thread_interrupt(t, false);
	assert_int_equal(waitq_wait_intr(&q, false, 0), -EINTR);
	assert_int_equal(waitq_wait_intr(&q, true, 0), 0);
	assert_int_equal(waitq_wait_timeout(&q, false, time_mono_ns() + NSEC_PER_MSEC), -ETIMEDOUT);
	assert_int_equal(thread_sleep_until_intr(~0ULL), -EINTR);
	thread_interrupt(t, true);
	assert_int_equal(waitq_wait_killable(&q, false), -EINTR);
	t->signal_pending = t->fatal_pending = false;
	assert_true(list_empty(&q.waiters));
	assert_false(waitq_wake_all(&q));
}

/* a wake of one reaches each who waits without taking, and one who takes */
static struct waitq crowd_q = WAITQ_INIT(crowd_q);
static int woken_plain, woken_exclusive, waiting;

static void crowd(void *arg)
{
	bool exclusive = arg != NULL;
	struct waiter w = { .exclusive = exclusive };

	waitq_prepare(&crowd_q, &w);
	__atomic_fetch_add(&waiting, 1, __ATOMIC_SEQ_CST);
	(void)waitq_sleep(&w, WAIT_PLAIN, 0);
	waitq_finish(&crowd_q, &w);
	__atomic_fetch_add(exclusive ? &woken_exclusive : &woken_plain, 1, __ATOMIC_SEQ_CST);
}

static void wake_one(void **state)
{
	for (int i = 0; i < 6; i++)
		assert_int_equal(thread_spawn(crowd, i % 2 ? &waiting : NULL, PRIO_NORMAL, "crowd"), 0);
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) != 6)
		thread_yield();
	assert_true(waitq_wake_one(&crowd_q));
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	assert_int_equal(__atomic_load_n(&woken_plain, __ATOMIC_SEQ_CST), 3);
	assert_int_equal(__atomic_load_n(&woken_exclusive, __ATOMIC_SEQ_CST), 1);
	waitq_wake_all(&crowd_q);
	while (__atomic_load_n(&woken_exclusive, __ATOMIC_SEQ_CST) != 3)
		thread_yield();
}

static DEFINE_MUTEX(lock, RANK_MUTEX_LEAF);
static u64 shared;
static int finished;

static void adder(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		mutex_lock(&lock);
		shared++;
		mutex_unlock(&lock);
	}
	__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

static void mutexes(void **state)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(thread_spawn(adder, NULL, PRIO_NORMAL, "adder"), 0);
	while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) != 4)
		thread_yield();
	assert_int_equal(shared, 8000);
	assert_true(mutex_trylock(&lock));
	assert_true(mutex_held(&lock));
	mutex_unlock(&lock);
	assert_false(mutex_held(&lock));
}

static jmp_buf out;
static char panic_text[256];
static void caught(const char *text)
{
	snprintf(panic_text, sizeof(panic_text), "%s", text);
	longjmp(out, 1);
}

static void rank_checks(void **state)
{
	static DEFINE_MUTEX(inner, RANK_INODE);

	shim_panic_hook = caught;
	mutex_lock(&lock);
	if (setjmp(out) == 0) {
		mutex_lock(&inner);
		fail_msg("taking a mutex against the order was not seen");
	}
	assert_non_null(strstr(panic_text, "lock order"));
	shim_panic_hook = NULL;
	inner.owner = NULL;
	mutex_unlock(&lock);
}

static int runs;
static void work_fn(struct work *w) { __atomic_fetch_add(&runs, 1, __ATOMIC_SEQ_CST); }

static void works(void **state)
{
	struct work w[50];
	int fresh = 0;

	work_init_queues();
	for (int i = 0; i < 50; i++)
		work_init(&w[i], work_fn);
	for (int round = 0; round < 40; round++)
		for (int i = 0; i < 50; i++)
			fresh += work_queue_add(system_work, &w[i]);
	while (__atomic_load_n(&runs, __ATOMIC_SEQ_CST) != fresh)
		thread_yield();
	assert_true(fresh >= 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_wakeup_lost), cmocka_unit_test(timeouts_and_signals), cmocka_unit_test(wake_one),
		cmocka_unit_test(mutexes), cmocka_unit_test(rank_checks), cmocka_unit_test(works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
