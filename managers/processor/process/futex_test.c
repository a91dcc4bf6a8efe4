/* SPDX-License-Identifier: MIT */
/* Waiters that are moved from one word to another: each once, also where both have one bucket, or are the same word. */
#include "managers/processor/process/futex.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "shim.h"

static struct process self;
static struct task me = { .process = &self };

DEFINE_SPINLOCK(tree_lock, RANK_PROCESS_TREE);
struct task *task_find_locked(u32 tid) { return NULL; }
void thread_set_priority(struct thread *t, int prio) { t->priority = prio; }
void clock_watch(struct day_waiter *d) { }
void clock_unwatch(struct day_waiter *d) { }
u32 clock_times_set(void) { return 0; }
u64 clock_mono_of_wall(u64 ns) { return ns; }
int timespec_from_user(u64 user, u64 *ns) { return -EFAULT; }
int copy_from_user(void *to, u64 from, size_t n) { return -EFAULT; }
int put_user32(u64 to, u32 value) { return -EFAULT; }
int get_user64(u64 *value, u64 from) { return -EFAULT; }
int cmpxchg_user32(u64 at, u32 old, u32 new, u32 *seen) { return -EFAULT; }
static unsigned reads_left;		/* until somebody comes to wait at the word that is read; 0: nobody does */
static void comes_to_wait(u64 va);
int get_user32(u32 *value, u64 from)
{
	*value = 0;
	if (reads_left != 0 && --reads_left == 0)
		comes_to_wait(from);
	return 0;
}
int space_futex_key(struct space *s, u64 va, bool shared, struct futex_key *key)
{
	*key = (struct futex_key){ .index = va >> 12, .offset = va & 0xfff };
	return 0;
}

static struct futex_waiter waiter[3];

static void wait_at(struct futex_waiter *w, u64 va, u8 priority)
{
	*w = (struct futex_waiter){ .bitset = FUTEX_BITSET_ANY, .priority = priority };
	list_init(&w->link);
	waitq_init(&w->wait);
	w->wake = &w->wait;
	assert_int_equal(space_futex_key(NULL, va, false, &w->key), 0);
	w->bucket = bucket_of(&w->key);
	spin_lock(&w->bucket->lock);
	bucket_add(w->bucket, w);
	spin_unlock(&w->bucket->lock);
}

static void comes_to_wait(u64 va) { wait_at(&waiter[2], va, PRIO_NORMAL); }

/* Another word; in_bucket: of the same bucket */
static u64 other_word(u64 va, bool in_bucket)
{
	struct futex_key key, other;

	(void)!space_futex_key(NULL, va, false, &key);
	for (u64 at = va + 4;; at += 4) {
		(void)!space_futex_key(NULL, at, false, &other);
		if ((bucket_of(&key) == bucket_of(&other)) == in_bucket)
			return at;
	}
}

static void move(u64 from, u64 to)
{
	const u32 word = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(waiter); i++)
		wait_at(&waiter[i], from, PRIO_NORMAL);
	assert_int_equal(futex_requeue(from, false, to, 0, 1000, &word), ARRAY_SIZE(waiter));
	for (unsigned i = 0; i < ARRAY_SIZE(waiter); i++)	/* in the order in which they came */
		assert_true(futex_wake(NULL, to, false, 1, FUTEX_BITSET_ANY) == 1 && waiter[i].woken);
	assert_int_equal(futex_wake(NULL, to, false, 1, FUTEX_BITSET_ANY), 0);
}

static void moved_once(void **state)
{
	const u64 from = 0x1000;

	thread_current()->task = &me;
	futex_init();
	move(from, other_word(from, false));
	move(from, other_word(from, true));
	move(from, from);
}

static void by_priority(void **state)
{
	futex_init();
	wait_at(&waiter[0], 0x1000, PRIO_NORMAL);
	wait_at(&waiter[1], 0x1000, PRIO_REAL_TIME + 5);
	wait_at(&waiter[2], 0x1000, PRIO_REAL_TIME);
	for (int i = 2; i >= 0; i--)
		assert_true(futex_wake(NULL, 0x1000, false, 1, FUTEX_BITSET_ANY) == 1 && waiter[i].woken);
}

/* Who comes to wait after the word was compared may have found another value in it: it is neither woken nor moved. */
static void comes_after_comparing(void **state)
{
	const u64 from = 0x1000, to = other_word(from, false);
	const u32 word = 0;

	for (unsigned nr_wake = 0; nr_wake <= 1000; nr_wake += 500) {
		futex_init();
		wait_at(&waiter[0], from, PRIO_NORMAL);
		wait_at(&waiter[1], from, PRIO_NORMAL);
		reads_left = 2;
		assert_int_equal(futex_requeue(from, false, to, nr_wake, 1000, &word), 2);
		assert_int_equal(reads_left, 0);
		assert_false(waiter[2].woken);
		assert_int_equal(futex_wake(NULL, to, false, 1000, FUTEX_BITSET_ANY), nr_wake ? 0 : 2);
		assert_int_equal(futex_wake(NULL, from, false, 1000, FUTEX_BITSET_ANY), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(moved_once), cmocka_unit_test(by_priority), cmocka_unit_test(comes_after_comparing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
