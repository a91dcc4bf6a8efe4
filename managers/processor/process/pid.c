/* SPDX-License-Identifier: MIT */
/* Numbers of tasks: handed out in a circle, so that one is not used again soon. All under tree_lock. */
#include "lib/base/errno.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/ptrace.h"

#define PID_FIRST	2
#define PID_MAX		32768
#define NR_BUCKETS	256

static struct list bucket[NR_BUCKETS];
static u32 next = PID_FIRST;
static u32 last;			/* [tree_lock; read without it] given out */
static bool ready;

static struct list *bucket_of(u32 tid)
{
	if (!ready) {
		for (unsigned i = 0; i < NR_BUCKETS; i++)
			list_init(&bucket[i]);
		ready = true;
	}
	return &bucket[tid % NR_BUCKETS];
}

struct task *task_find_locked(u32 tid)
{
	struct task *t;

	assert_held(&tree_lock);
	list_for_each(t, bucket_of(tid), tid_link)
		if (t->tid == tid)
			return t;
	return NULL;
}

struct pid_use { u32 id; bool used; };

/* A number stays taken while a process (a zombie too), a group or a session has it. */
static bool same_id(struct process *p, void *arg)
{
	struct pid_use *u = arg;

	u->used = p->pid == u->id || p->pgid == u->id || p->sid == u->id;
	return !u->used;
}

static bool id_used(u32 id)
{
	struct pid_use u = { id, false };

	if (task_find_locked(id) != NULL || tracee_tid_used(id))
		return true;
	process_for_each(same_id, &u);
	return u.used;
}

u32 tid_last(void) { return READ_ONCE(last); }

int tid_may_choose(u32 tid)
{
	if (tid == 0 || tid >= PID_MAX)
		return -EINVAL;
	return capable(CAP_SYS_ADMIN) || capable(CAP_CHECKPOINT_RESTORE) ? 0 : -EPERM;
}

static void take(struct task *t, u32 id)
{
	t->tid = id;
	WRITE_ONCE(last, id);
	list_add_tail(bucket_of(id), &t->tid_link);
}

int tid_alloc_locked(struct task *t)
{
	if (t->tid != 0) {
		if (t->tid < PID_FIRST || id_used(t->tid))
			return -EEXIST;
		take(t, t->tid);
		return 0;
	}
	for (unsigned tries = 0; tries < PID_MAX; tries++) {
		u32 id = next;

		next = next + 1 == PID_MAX ? PID_FIRST : next + 1;
		if (!id_used(id)) {
			take(t, id);
			return 0;
		}
	}
	return -EAGAIN;
}

void tid_free_locked(struct task *t)
{
	assert_held(&tree_lock);
	list_del(&t->tid_link);
}

/* execve by a thread that is not the leader: it becomes the leader, number and all. */
void tid_take_over_locked(struct task *t, u32 tid)
{
	list_del(&t->tid_link);
	t->tid = tid;
	list_add_tail(bucket_of(tid), &t->tid_link);
}
