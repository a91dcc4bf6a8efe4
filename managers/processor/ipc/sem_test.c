/* SPDX-License-Identifier: MIT */
/* Semaphores: what several operations do together, and what is undone, by whom and for how long it is kept. White box. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "managers/processor/ipc/ids.c"
#include "managers/processor/ipc/sem.c"

static bool memory_is_low;

bool capable(unsigned cap) { return false; }
bool credentials_in_group(u32 gid) { return false; }
u64 time_wall_ns(void) { return 5 * NSEC_PER_SEC; }
u64 frames_total(void) { return 160; }
u64 frames_free_count(void) { return memory_is_low ? 9 : 100; }
int copy_to_user(u64 to, const void *from, size_t n) { memcpy((void *)to, from, n); return 0; }
int copy_from_user(void *to, u64 from, size_t n) { memcpy(to, (const void *)from, n); return 0; }
int timespec_from_user(u64 user, u64 *ns) { *ns = 0; return 0; }
void text_printf(struct text *t, const char *format, ...) { }

static void runs(struct process *p)
{
	static struct task t;

	list_init(&p->sem_undos);
	t.process = p;
	thread_current()->task = &t;
}

static s64 op(s32 id, u16 num, s16 n, s16 flags)
{
	struct sembuf_abi b = { num, n, flags };

	return sys_semop(id, (u64)&b, 1, 0, 0, 0);
}

static s64 value(s32 id, u32 num) { return sys_semctl(id, num, GETVAL, 0, 0, 0); }

static void all_or_none(void **state)
{
	struct sembuf_abi ops[] = { { 0, 3, 0 }, { 1, 4, SEM_UNDO }, { 0, -4, IPC_NOWAIT } };
	struct process p = { .pid = 10 };
	s32 id;

	runs(&p);
	id = sys_semget(IPC_PRIVATE, 2, 0600, 0, 0, 0);
	assert_true(id >= 0);
	assert_int_equal(sys_semop(id, (u64)ops, 3, 0, 0, 0), -EAGAIN);
	assert_int_equal(value(id, 0), 0);
	assert_int_equal(value(id, 1), 0);
	ops[2].op = -3;
	assert_int_equal(sys_semop(id, (u64)ops, 3, 0, 0, 0), 0);
	assert_int_equal(value(id, 0), 0);
	assert_int_equal(value(id, 1), 4);
	sem_process_ends(&p);
	assert_int_equal(value(id, 1), 0);
	assert_int_equal(sys_semctl(id, 0, IPC_RMID, 0, 0, 0), 0);
}

/* A set that is removed takes along what processes were to undo in it. */
static void nothing_is_kept_of_a_removed_set(void **state)
{
	struct process p = { .pid = 10 }, other = { .pid = 11 };
	s32 id, stays;

	runs(&p);
	id = sys_semget(IPC_PRIVATE, 2, 0600, 0, 0, 0);
	stays = sys_semget(IPC_PRIVATE, 1, 0600, 0, 0, 0);
	assert_int_equal(op(id, 0, 1, SEM_UNDO), 0);
	assert_int_equal(op(stays, 0, 7, SEM_UNDO), 0);
	runs(&other);
	assert_int_equal(op(id, 1, 1, SEM_UNDO), 0);
	assert_int_equal(sys_semctl(id, 0, IPC_RMID, 0, 0, 0), 0);
	assert_true(list_empty(&other.sem_undos));
	assert_ptr_equal(p.sem_undos.next->next, &p.sem_undos);		/* that of the set which stays */
	sem_process_ends(&other);
	sem_process_ends(&p);
	assert_int_equal(value(stays, 0), 0);
	assert_int_equal(sys_semctl(stays, 0, IPC_RMID, 0, 0, 0), 0);
}

/* What can be undone later takes memory now, which others' sets need not have left. */
static void undoing_takes_not_the_last_memory(void **state)
{
	struct process p = { .pid = 10 };
	s32 id;

	runs(&p);
	id = sys_semget(IPC_PRIVATE, 1, 0600, 0, 0, 0);
	memory_is_low = true;
	assert_int_equal(op(id, 0, 1, SEM_UNDO), -ENOMEM);
	assert_int_equal(op(id, 0, 1, 0), 0);
	assert_int_equal(sys_semget(IPC_PRIVATE, 1, 0600, 0, 0, 0), -ENOMEM);
	memory_is_low = false;
	assert_int_equal(op(id, 0, 1, SEM_UNDO), 0);
	sem_process_ends(&p);
	assert_int_equal(value(id, 0), 1);
	assert_int_equal(sys_semctl(id, 0, IPC_RMID, 0, 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_or_none),
		cmocka_unit_test(nothing_is_kept_of_a_removed_set),
		cmocka_unit_test(undoing_takes_not_the_last_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
