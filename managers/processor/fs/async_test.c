/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/fs/async.c */
/* Who is told of a file, while others say who shall be: each is of one moment. The thread sanitizer looks on in make check-tsan. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/async.h"
#include "managers/processor/fs/fs_abi.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "shim.h"

#define ROUNDS 20000

static struct process heard = { .state = PROCESS_LIVE, .cred = { .uid = 1, .suid = 1 } };
static struct file file;
static unsigned signals;
static bool over;

DEFINE_SPINLOCK(tree_lock, RANK_PROCESS_TREE);
struct process *process_init;
struct process *process_find_locked(u32 pid) { return pid < 3 ? &heard : NULL; }
u32 process_group_session_locked(u32 pgid) { return pgid < 3; }
struct task *task_find_locked(u32 tid) { return NULL; }
void process_for_each(bool (*fn)(struct process *p, void *arg), void *arg) { (void)fn(&heard, arg); }
bool signal_queue_full_locked(const struct process *p, int sig) { return false; }
bool signal_send_locked(struct process *p, struct task *t, const struct siginfo_abi *info)
{
	signals++;
	return true;
}
u32 file_poll(struct file *f, struct poll_table *pt) { return 0; }
void file_put(struct file *f) { }
int copy_to_user(u64 to, const void *from, size_t n)
{
	memcpy((void *)to, from, n);
	return 0;
}
int copy_from_user(void *to, u64 from, size_t n)
{
	memcpy(to, (const void *)from, n);
	return 0;
}

/* The owner is process 1, named by user 1, or group 2, by user 2, whom process 1 does not listen to. */
static void *sets(void *arg)
{
	struct process self = { 0 };
	struct task task = { .process = &self };

	thread_current()->task = &task;
	for (unsigned i = 0; i < ROUNDS; i++) {
		self.cred.uid = self.cred.euid = 1 + i % 2;
		assert_int_equal(async_fcntl(&file, F_SETOWN, i % 2 ? (u64)-2 : 1), 0);
	}
	store_release(&over, true);
	return NULL;
}

static void of_one_moment(void **state)
{
	pthread_t t;
	u32 ids[2];
	s32 owner[2];

	assert_int_equal(async_fcntl(&file, F_GETOWN, 0), 0);
	assert_int_equal(pthread_create(&t, NULL, sets, NULL), 0);
	while (!load_acquire(&over)) {
		async_tell_message(&file);
		assert_int_equal(async_fcntl(&file, F_GETOWNER_UIDS, (u64)ids), 0);
		assert_int_equal(ids[0], ids[1]);
		assert_int_equal(async_fcntl(&file, F_GETOWN_EX, (u64)owner), 0);
		assert_true(owner[1] == 0 || owner[0] == owner[1]);	/* OWNER_PID is 1, OWNER_PGRP is 2 */
	}
	pthread_join(t, NULL);
	assert_int_equal(async_owner(&file), -2);
	signals = 0;
	async_tell_message(&file);
	assert_int_equal(signals, 0);
	async_file_gone(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(of_one_moment) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
