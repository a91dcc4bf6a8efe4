/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/process/bpf.c */
/* Filters and no_new_privs: what a thread is given by another one of its process never comes without what it rests on. */
#include "managers/processor/syscall/seccomp.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "shim.h"

static struct process self = { .cred.no_new_privs = true }, child;
static struct task me = { .process = &self }, other = { .process = &self }, forked = { .process = &child };

DEFINE_SPINLOCK(tree_lock, RANK_PROCESS_TREE);
static bool memory_is_low;
u64 frames_free_count(void) { return memory_is_low ? 9 : 100; }
u64 frames_total(void) { return 160; }
bool capable(unsigned cap) { return false; }
void __noreturn task_exit(u32 status) { abort(); }
bool process_exit_group(struct process *p, u32 status) { abort(); }
bool tracee_event(int event, u64 message) { return false; }
void signal_force_info(const struct siginfo_abi *info) { abort(); }
bool ratelimit_ok(struct ratelimit *l, const char *what) { return false; }
int copy_from_user(void *to, u64 from, size_t n)
{
	memcpy(to, (const void *)from, n);
	return 0;
}
int get_user32(u32 *value, u64 from) { return -EFAULT; }

static s64 filter(u32 flags)
{
	static const struct bpf_insn allow = { 0x06, 0, 0, RET_ALLOW };
	struct { u16 len, pad[3]; u64 insn; } program = { 1, { 0 }, (u64)&allow };

	return seccomp_set(SET_MODE_FILTER, flags, (u64)&program);
}

static int begin(void **state)
{
	thread_current()->task = &me;
	list_init(&self.tasks);
	list_add_tail(&self.tasks, &me.group_link);
	list_add_tail(&self.tasks, &other.group_link);
	self.exec_task = NULL;
	child.cred.no_new_privs = false;
	return 0;
}

static int end(void **state)
{
	seccomp_drop(&me.seccomp);
	seccomp_drop(&other.seccomp);
	seccomp_drop(&forked.seccomp);
	me.seccomp.mode = other.seccomp.mode = forked.seccomp.mode = SECCOMP_OFF;
	return 0;
}

static void all_threads(void **state)
{
	assert_int_equal(filter(0), 0);
	assert_int_equal(other.seccomp.mode, SECCOMP_OFF);
	assert_int_equal(filter(FLAG_TSYNC), 0);
	assert_true(other.seccomp.mode == SECCOMP_FILTER && other.seccomp.filter == me.seccomp.filter);
	thread_current()->task = &other;
	assert_int_equal(filter(0), 0);
	thread_current()->task = &me;
	me.tid = 5;
	other.tid = 6;
	assert_int_equal(filter(FLAG_TSYNC), 6);		/* it has one more, which is not ours */
	assert_int_equal(filter(FLAG_TSYNC | FLAG_TSYNC_ESRCH), -ESRCH);
}

/* The child's credentials were copied before another thread set no_new_privs, and gave the parent its filter by that. */
static void child_of_then_has_both(void **state)
{
	assert_int_equal(filter(0), 0);
	spin_lock(&tree_lock);
	seccomp_inherit_locked(&forked, &me);
	spin_unlock(&tree_lock);
	assert_true(forked.seccomp.filter == me.seccomp.filter && child.cred.no_new_privs);
}

/* What the program that begins may do is settled: it may be set-user-ID. */
static void thread_in_execve_is_given_none(void **state)
{
	self.exec_task = &other;
	assert_int_equal(filter(FLAG_TSYNC), -EAGAIN);
	assert_true(other.seccomp.mode == SECCOMP_OFF && other.seccomp.filter == NULL);
	assert_int_equal(filter(0), 0);				/* one's own is one's own affair */
}

static void last_memory_is_kept(void **state)
{
	memory_is_low = true;
	assert_int_equal(filter(0), -ENOMEM);
	memory_is_low = false;
	assert_int_equal(me.seccomp.mode, SECCOMP_OFF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_threads, begin, end), cmocka_unit_test_setup_teardown(child_of_then_has_both, begin, end),
		cmocka_unit_test_setup_teardown(thread_in_execve_is_given_none, begin, end),
		cmocka_unit_test_setup_teardown(last_memory_is_kept, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
