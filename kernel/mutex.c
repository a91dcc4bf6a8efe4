/* SPDX-License-Identifier: MIT */
/* Mutexes over wait queues. Debug builds keep the ranks of a thread's mutexes in the thread and check the order. */
#include "kernel/mutex.h"
#include "kernel/thread.h"
#include "lib/base/printk.h"

static void note_taken(struct mutex *m, bool nested)
{
#ifdef CONFIG_DEBUG
	struct thread *t = thread_current();

	if (m->rank != RANK_NONE) {
		for (u32 i = 0; i < t->lock_depth; i++) {
			if (t->lock_held[i] > m->rank || (t->lock_held[i] == m->rank && !nested))
				panic("lock order: mutex %s (rank %u) taken under one of rank %u", m->name, m->rank, t->lock_held[i]);
		}
	}
	BUG_ON(t->lock_depth == ARRAY_SIZE(t->lock_held));
	t->lock_held[t->lock_depth++] = m->rank;
#endif
}

static void note_released(struct mutex *m)
{
#ifdef CONFIG_DEBUG
	struct thread *t = thread_current();
	u32 i = t->lock_depth;

	while (i > 0 && t->lock_held[i - 1] != m->rank)
		i--;
	BUG_ON(i == 0);
	for (; i < t->lock_depth; i++)
		t->lock_held[i - 1] = t->lock_held[i];
	t->lock_depth--;
#endif
}

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
	m->owner = NULL;
	m->rank = rank;
	m->name = name;
	waitq_init(&m->wait);
}

static bool try_take(struct mutex *m)
{
	struct thread *self = thread_current();
	u64 flags = spin_lock_irqsave(&m->wait.lock);
	bool ok = m->owner == NULL;

	if (ok)
		m->owner = self;
	else if (m->owner == self)
		panic("mutex %s taken twice by one thread", m->name);
	spin_unlock_irqrestore(&m->wait.lock, flags);
	return ok;
}

static int take(struct mutex *m, enum wait_how how, bool nested)
{
	struct waiter w = { .exclusive = true };
	int rc = 0;

	might_sleep();
	if (!try_take(m)) {
		for (;;) {
			waitq_prepare(&m->wait, &w);
			if (try_take(m)) {
				rc = 0;
				break;
			}
			if (rc < 0)
				break;
			rc = waitq_sleep(&w, how, 0);
		}
		waitq_finish(&m->wait, &w);
	}
	if (rc == 0)
		note_taken(m, nested);
	return rc;
}

void mutex_lock(struct mutex *m) { (void)take(m, WAIT_PLAIN, false); }
void mutex_lock_nested(struct mutex *m) { (void)take(m, WAIT_PLAIN, true); }
int mutex_lock_killable(struct mutex *m) { return take(m, WAIT_KILLABLE, false); }

bool mutex_trylock(struct mutex *m)
{
	bool ok = try_take(m);

	if (ok)
		note_taken(m, true);	/* it does not wait: no order can make it hang */
	return ok;
}

void mutex_unlock(struct mutex *m)
{
	u64 flags;

	if (m->owner != thread_current())
		panic("mutex %s released by a thread that does not hold it", m->name);
	note_released(m);
	flags = spin_lock_irqsave(&m->wait.lock);
	m->owner = NULL;
	spin_unlock_irqrestore(&m->wait.lock, flags);
	waitq_wake_one(&m->wait);
}

bool mutex_held(const struct mutex *m)
{
	return __atomic_load_n(&m->owner, __ATOMIC_RELAXED) == thread_current();
}
