/* SPDX-License-Identifier: MIT */
/* Numbers of tasks: each at most once, in a circle, never one that a zombie, a group or a session still has. */
#include "managers/processor/process/pid.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct spinlock tree_lock = SPINLOCK_INIT("tree", RANK_PROCESS_TREE);

/* processes that hold numbers without a task */
static struct process holder[3];
static unsigned nr_holders;

void process_for_each(bool (*fn)(struct process *p, void *arg), void *arg)
{
	for (unsigned i = 0; i < nr_holders; i++)
		if (!fn(&holder[i], arg))
			break;
}

/* one whose tracer has not heard of its end; process/ptrace.c */
static u32 dead_tid;

bool tracee_tid_used(u32 tid)
{
	return tid == dead_tid;
}

bool capable(unsigned cap) { return cap == CAP_CHECKPOINT_RESTORE; }

static struct task *task_make(void)
{
	struct task *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	list_init(&t->tid_link);
	assert_int_equal(tid_alloc_locked(t), 0);
	return t;
}

static void task_end(struct task *t)
{
	tid_free_locked(t);
	free(t);
}

static void a_circle(void **state)
{
	struct task *first, *t;
	u32 last;

	spin_lock(&tree_lock);
	first = task_make();
	last = first->tid;
	for (int i = 0; i < 3 * PID_MAX; i++) {		/* lives while all others come and go */
		t = task_make();
		assert_true(t->tid >= PID_FIRST && t->tid < PID_MAX && t->tid != first->tid);
		assert_true(t->tid > last || (t->tid <= first->tid + 1 && last >= PID_MAX - 2));
		assert_ptr_equal(task_find_locked(t->tid), t);
		last = t->tid;
		task_end(t);
		assert_null(task_find_locked(last));
	}
	task_end(first);
	spin_unlock(&tree_lock);
}

static void held_numbers(void **state)
{
	struct task *t;

	spin_lock(&tree_lock);
	t = task_make();
	holder[0] = (struct process){ .pid = t->tid + 1, .pgid = 1, .sid = 1 };
	holder[1] = (struct process){ .pid = 1, .pgid = t->tid + 2, .sid = 1 };
	holder[2] = (struct process){ .pid = 1, .pgid = 1, .sid = t->tid + 3 };
	nr_holders = 3;
	dead_tid = t->tid + 4;
	struct task *next = task_make();

	assert_int_equal(next->tid, t->tid + 5);
	nr_holders = 0;
	dead_tid = 0;
	task_end(next);
	task_end(t);
	spin_unlock(&tree_lock);
}

/* All taken: refused; one let go: that one. */
static void exhausted(void **state)
{
	static struct task *all[PID_MAX];
	struct task extra = { 0 };
	u32 gone;

	list_init(&extra.tid_link);
	spin_lock(&tree_lock);
	for (int i = PID_FIRST; i < PID_MAX; i++)
		all[i] = task_make();
	assert_int_equal(tid_alloc_locked(&extra), -EAGAIN);
	gone = all[1000]->tid;
	task_end(all[1000]);
	assert_int_equal(tid_alloc_locked(&extra), 0);
	assert_int_equal(extra.tid, gone);
	tid_free_locked(&extra);
	for (int i = PID_FIRST; i < PID_MAX; i++)
		if (i != 1000)
			task_end(all[i]);
	spin_unlock(&tree_lock);
}

/* A number that is asked for: if it is nobody's, and one at all. */
static void chosen(void **state)
{
	struct task a = { .tid = 777 }, b = { .tid = 777 };

	list_init(&a.tid_link);
	list_init(&b.tid_link);
	assert_int_equal(tid_may_choose(777), 0);
	assert_int_equal(tid_may_choose(0), -EINVAL);
	assert_int_equal(tid_may_choose(PID_MAX), -EINVAL);
	spin_lock(&tree_lock);
	assert_int_equal(tid_alloc_locked(&a), 0);
	assert_ptr_equal(task_find_locked(777), &a);
	assert_int_equal(tid_alloc_locked(&b), -EEXIST);
	tid_free_locked(&a);
	assert_int_equal(tid_alloc_locked(&b), 0);
	tid_free_locked(&b);
	spin_unlock(&tree_lock);
}

static void taken_over(void **state)
{
	struct task *leader, *thread;
	u32 pid;

	spin_lock(&tree_lock);
	leader = task_make();
	thread = task_make();
	pid = leader->tid;
	task_end(leader);
	tid_take_over_locked(thread, pid);
	assert_int_equal(thread->tid, pid);
	assert_ptr_equal(task_find_locked(pid), thread);
	task_end(thread);
	spin_unlock(&tree_lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_circle), cmocka_unit_test(held_numbers), cmocka_unit_test(exhausted), cmocka_unit_test(chosen),
		cmocka_unit_test(taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
