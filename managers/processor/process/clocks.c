/* SPDX-License-Identifier: MIT */
#include "managers/processor/process/clocks.h"

#include "managers/processor/fs/timerfd.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/timers.h"

static DEFINE_SPINLOCK(day_lock, RANK_CLOCK);
static struct list day_waiters = LIST_INIT(day_waiters);	/* [day_lock] woken when the time of day is set */
static u32 times_set;						/* [a] */

/*
 * A negative clockid_t names a process or thread: the complement of its number above three bits, of which one says thread
 * and two what is counted (clock_getcpuclockid(3)).
 */
#define CPUCLOCK_THREAD	4
enum { CPUCLOCK_ALL, CPUCLOCK_USER, CPUCLOCK_RUNTIME };

static int find_cpu_clock(s32 clockid, struct clock *c)
{
	u32 id = ~(clockid >> 3), what = clockid & 3;
	struct process *p;
	struct task *t;
	bool found;

	if (what > CPUCLOCK_RUNTIME)
		return -EINVAL;
	c->share = what == CPUCLOCK_USER ? SHARE_USER : SHARE_ALL;
	c->kind = clockid & CPUCLOCK_THREAD ? CLOCK_CPU_TASK : CLOCK_CPU_PROCESS;
	c->id = id != 0 ? id : c->kind == CLOCK_CPU_TASK ? task_current()->tid : process_current()->pid;
	if (c->kind == CLOCK_CPU_TASK) {
		spin_lock(&tree_lock);
		t = task_find_locked(c->id);
		found = t != NULL && t->process == process_current();
		spin_unlock(&tree_lock);
	} else {
		p = process_find(c->id);
		found = p != NULL;
		if (found)
			process_put(p);
	}
	return found ? 0 : -EINVAL;
}

int clock_find(s32 clockid, struct clock *c)
{
	*c = (struct clock){ 0 };
	if (clockid < 0)
		return find_cpu_clock(clockid, c);
	switch (clockid) {
	case CLOCK_REALTIME_COARSE:
		c->coarse_or_raw = true;
		/* fall through */
	case CLOCK_REALTIME:
	case CLOCK_TAI:
	case CLOCK_REALTIME_ALARM:
		c->kind = CLOCK_WALL;
		c->alarm = clockid == CLOCK_REALTIME_ALARM;
		return 0;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
		c->coarse_or_raw = true;
		/* fall through */
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		c->kind = CLOCK_MONO;
		c->alarm = clockid == CLOCK_BOOTTIME_ALARM;
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		c->kind = CLOCK_CPU_PROCESS;
		c->id = process_current()->pid;
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		c->kind = CLOCK_CPU_TASK;
		c->id = task_current()->tid;
		return 0;
	}
	return -EINVAL;
}

static int cpu_clock_read(const struct clock *c, u64 *ns)
{
	struct usage u = { 0 };
	struct process *p;
	struct task *t;

	if (c->kind == CLOCK_CPU_TASK) {
		spin_lock(&tree_lock);
		t = task_find_locked(c->id);
		if (t != NULL)
			usage_of_task(t, &u);
		spin_unlock(&tree_lock);
		if (t == NULL)
			return -EINVAL;
	} else {
		p = process_find(c->id);
		if (p == NULL)
			return -EINVAL;
		usage_of_process(p, &u);
		process_put(p);
	}
	*ns = u.user_ns + (c->share == SHARE_ALL ? u.system_ns : 0);
	return 0;
}

int clock_read(const struct clock *c, u64 *ns)
{
	switch (c->kind) {
	case CLOCK_WALL:
		*ns = time_wall_ns();
		return 0;
	case CLOCK_MONO:
		*ns = time_mono_ns();
		return 0;
	}
	return cpu_clock_read(c, ns);
}

static void wake_day_waiters(void)
{
	struct day_waiter *d;

	spin_lock(&day_lock);		/* it keeps them, and their queues */
	list_for_each(d, &day_waiters, link)
		waitq_wake_all(d->wait);
	spin_unlock(&day_lock);
}

int clock_set_wall(u64 ns)
{
	if (ns < time_mono_ns())
		return -EINVAL;
	time_set_wall_ns(ns);
	__atomic_fetch_add(&times_set, 1, __ATOMIC_SEQ_CST);
	wake_day_waiters();
	ptimers_clock_set();
	timerfds_clock_set();
	return 0;
}

u32 clock_times_set(void) { return load_acquire(&times_set); }

u64 clock_mono_of_wall(u64 ns)
{
	u64 now = time_mono_ns(), wall = time_wall_ns();

	return ns > wall ? now + MIN(ns - wall, CLOCK_FAR_NS) : MAX(now - MIN(wall - ns, now), 1ULL);
}

void clock_watch(struct day_waiter *d)
{
	spin_lock(&day_lock);
	list_add_tail(&day_waiters, &d->link);
	spin_unlock(&day_lock);
}

void clock_unwatch(struct day_waiter *d)
{
	spin_lock(&day_lock);
	list_del(&d->link);
	spin_unlock(&day_lock);
}

int clock_sleep_wall(u64 ns)
{
	struct waitq nobody;

	waitq_init(&nobody);
	return time_wall_ns() < ns && clock_wait_intr(&nobody, false, ns) == -EINTR ? -EINTR : 0;
}
