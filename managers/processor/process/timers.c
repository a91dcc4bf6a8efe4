/* SPDX-License-Identifier: MIT */
/*
 * A timer of a real clock is a kernel timer; one of a CPU-time clock is a kernel timer, too, set for when the process can have used
 * that much at the earliest and set again if it has not: nothing is looked at on the way into or out of the kernel.
 * Both only queue work: signals are sent by a worker, under tree_lock and signal_lock, where the timer is looked at again.
 */
#include "managers/processor/process/timers.h"

#include "arch/x86/cpu.h"
#include "arch/x86/smp.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "mm/slab.h"

#define CPU_POLL_MIN	(1 * NSEC_PER_MSEC)
#define CPU_POLL_MAX	(100 * NSEC_PER_MSEC)	/* while the process sleeps */
#define PERIOD_MIN	20000ULL		/* so that the program gets somewhere in between */
#define IGNORED_MIN	(1 * NSEC_PER_MSEC)	/* between two signals that nobody wants */
#define OVERRUN_MAX	0x7fffffffULL		/* DELAYTIMER_MAX */
#define FAR_NS		(1ULL << 62)

struct ptimer {
	struct list link;		/* [signal_lock] process->timers */
	refcount_t refs;		/* the process's list, work that is queued */
	struct process *process;	/* [I] with a reference */
	s32 id;				/* [I] -1 - PTIMER_*: not a POSIX timer */
	struct ptimer_spec spec;	/* [I], but for the kind of clock: */
	bool of_day;			/* [I] of CLOCK_REALTIME: set to a time of day it follows that, else it counts on */
	bool armed;			/* [signal_lock] */
	bool due;			/* [signal_lock] sent and not taken: the next period begins when it is */
	u64 expires, interval;		/* [signal_lock] */
	u64 polled, poll_ns;		/* [signal_lock] CPU time at the last look; how long to the next */
	u32 missed, overrun;		/* [signal_lock] since it was sent; of the last one taken */
	struct queued_signal signal;	/* [signal_lock] */
	struct timer timer;
	struct work work;
};

static void ptimer_put(struct ptimer *t)
{
	if (!ref_put(&t->refs))
		return;
	process_put(t->process);
	kfree(t);
}

/* Interrupt context. */
static void ptimer_fired(struct timer *timer)
{
	struct ptimer *t = container_of(timer, struct ptimer, timer);

	ref_get(&t->refs);			/* whoever lets go of the list's waits for this function */
	if (!work_queue_add(system_work, &t->work))
		atomic_dec(&t->refs.n);		/* still queued: its reference does for both */
}

static u64 share_of(const struct clock *c, const struct usage *u)
{
	return u->user_ns + (c->share == SHARE_ALL ? u->system_ns : 0);
}

/* Whose CPU time t's clock counts; NULL: it has ended. tree_lock held */
static const struct process *counted(const struct ptimer *t)
{
	u32 pid = t->spec.clock.id;

	return pid == 0 || pid == t->process->pid ? t->process : process_find_locked(pid);
}

/* What t's clock shows; tree_lock held. */
static u64 now_locked(const struct ptimer *t)
{
	const struct clock *c = &t->spec.clock;
	const struct process *p;
	struct usage u = { 0 };
	struct task *task;

	switch (c->kind) {
	case CLOCK_WALL:
		return time_wall_ns();
	case CLOCK_MONO:
		return time_mono_ns();
	case CLOCK_CPU_PROCESS:
		p = counted(t);
		if (p == NULL)
			return 0;		/* nor does a process */
		usage_of_process_locked(p, &u);
		return share_of(c, &u);
	}
	task = task_find_locked(c->id);
	if (task == NULL || task->process != t->process)
		return 0;			/* it has ended and uses no more */
	usage_of_task(task, &u);
	return share_of(c, &u);
}

/* The kernel timer for an armed one; signal_lock held. */
static void start(struct ptimer *t, u64 now)
{
	u64 left = t->expires > now ? t->expires - now : 0, mono = time_mono_ns();

	if (t->spec.silent)
		return;
	if (clock_is_cpu(&t->spec.clock)) {
		bool own = t->spec.clock.id == 0 || t->spec.clock.id == t->process->pid;
		u64 earliest = MAX(left / (own ? MIN(nr_cpus, MAX(t->process->nr_tasks, 1U)) : nr_cpus), CPU_POLL_MIN);

		t->poll_ns = now != t->polled ? CPU_POLL_MIN : MIN(t->poll_ns * 2, CPU_POLL_MAX);
		t->polled = now;
		left = MAX(earliest, t->poll_ns);
	}
	timer_start(&t->timer, mono + MIN(MAX(left, PERIOD_MIN), FAR_NS));
}

/* Begin the next period after expires; the periods that have passed by now: signal_lock held. */
static u64 next_period(struct ptimer *t, u64 now)
{
	u64 passed = now > t->expires ? (now - t->expires) / t->interval : 0;

	t->expires += (passed + 1) * t->interval;
	return passed;
}

void ptimer_taken(struct ptimer *t, struct siginfo_abi *info)
{
	u64 now = t->spec.clock.kind == CLOCK_WALL ? time_wall_ns() : time_mono_ns(), passed = t->missed;

	if (t->due && t->armed && t->interval != 0 && !clock_is_cpu(&t->spec.clock)) {
		passed += next_period(t, now);
		start(t, now);
	}
	t->due = false;
	t->missed = 0;
	t->overrun = MIN(passed, OVERRUN_MAX);
	info->timer.overrun = t->overrun;
}

void itimer_real_taken(struct process *p)
{
	struct ptimer *t = p->own_timer[PTIMER_REAL];
	u64 now = time_mono_ns();

	if (t == NULL || !t->due)
		return;
	t->due = false;
	if (t->armed && t->interval != 0) {
		(void)next_period(t, now);
		start(t, now);
	}
}

/* --- expiry: in a worker, tree_lock held --- */

static bool send(struct ptimer *t)
{
	static const u8 signo[NR_PTIMERS] = { SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU };
	struct process *p = t->process;
	struct task *to = NULL;
	struct siginfo_abi info = { .code = SI_KERNEL };

	if (t->id < 0) {
		info.signo = signo[-1 - t->id];
		return signal_send_locked(p, NULL, &info);
	}
	if (t->spec.tid != 0) {
		to = task_find_locked(t->spec.tid);
		if (to == NULL || to->process != p)
			return false;
	}
	t->signal.info = (struct siginfo_abi){ .signo = t->spec.signo, .code = SI_TIMER };
	t->signal.info.timer.tid = t->id;
	t->signal.info.timer.value = t->spec.value;
	return signal_send_timer_locked(p, to, &t->signal);
}

/* RLIMIT_CPU is reached: a signal each second, until the hard limit is. */
static void limit_reached(struct ptimer *t, u64 now)
{
	struct process *p = t->process;
	const struct rlimit_abi *limit = &p->rlimit[RLIMIT_CPU];
	struct siginfo_abi kill = { .signo = SIGKILL, .code = SI_KERNEL };

	if (limit->max < FAR_NS / NSEC_PER_SEC && now >= limit->max * NSEC_PER_SEC)
		(void)signal_send_locked(p, NULL, &kill);
	else
		(void)send(t);
}

/* signal_lock held. true: to be sent */
static bool expire(struct ptimer *t, u64 now)
{
	bool again = t->interval != 0;

	if (!t->armed || t->due)
		return false;
	if (now < t->expires) {			/* set anew meanwhile, or a CPU-time clock that got not as far */
		start(t, now);
		return false;
	}
	if (!again) {
		t->armed = false;
	} else if (clock_is_cpu(&t->spec.clock)) {
		t->missed += next_period(t, now);
		start(t, now);
		if (t->id >= 0 && list_linked(&t->signal.link)) {
			t->missed++;
			return false;
		}
	} else {
		t->due = true;
	}
	return true;
}

/* Nobody takes the signal: the next period is not waited for by anything. */
static void not_wanted(struct ptimer *t, u64 now)
{
	struct process *p = t->process;

	spin_lock(&p->signal_lock);
	if (t->due) {
		t->due = false;
		(void)next_period(t, now);
		t->expires = MAX(t->expires, now + IGNORED_MIN);
		start(t, now);
	}
	spin_unlock(&p->signal_lock);
}

static void ptimer_work(struct work *w)
{
	struct ptimer *t = container_of(w, struct ptimer, work);
	struct process *p = t->process;
	u64 now;
	bool sent;

	spin_lock(&tree_lock);
	now = now_locked(t);
	spin_lock(&p->signal_lock);
	sent = expire(t, now);
	spin_unlock(&p->signal_lock);
	if (sent && t->id == -1 - PTIMER_LIMIT)
		limit_reached(t, now);
	else if (sent && !send(t))
		not_wanted(t, now);
	spin_unlock(&tree_lock);
	ptimer_put(t);
}

/* --- making and finding --- */

static struct ptimer *ptimer_alloc(struct process *p, s32 id, const struct ptimer_spec *spec)
{
	struct ptimer *t = kzalloc(sizeof(*t));

	if (t == NULL)
		return NULL;
	ref_init(&t->refs, 1);
	process_get(p);
	t->process = p;
	t->id = id;
	t->spec = *spec;
	t->of_day = spec->clock.kind == CLOCK_WALL;
	list_init(&t->link);
	list_init(&t->signal.link);
	t->signal.timer = t;
	timer_init(&t->timer, ptimer_fired, NULL);
	work_init(&t->work, ptimer_work);
	return t;
}

/* signal_lock held; the list is ordered by id, so that the lowest free one is found at once */
static struct ptimer *find(struct process *p, s32 id)
{
	struct ptimer *t;

	list_for_each(t, &p->timers, link)
		if (t->id == id)
			return t;
	return NULL;
}

s64 ptimer_create(struct process *p, const struct ptimer_spec *spec)
{
	struct ptimer *t = ptimer_alloc(p, 0, spec), *other;
	struct list *before;
	u64 nr = 0;

	if (t == NULL)
		return -EAGAIN;
	spin_lock(&tree_lock);
	spin_lock(&p->signal_lock);
	before = &p->timers;
	list_for_each(other, &p->timers, link) {
		if (other->id < 0)
			continue;
		nr++;
		if (other->id == t->id)
			t->id++;
		else if (other->id > t->id && before == &p->timers)
			before = &other->link;
	}
	if (nr < p->rlimit[RLIMIT_SIGPENDING].cur)
		list_add_tail(before, &t->link);
	if (spec->value_is_id)
		t->spec.value = t->id;
	spin_unlock(&p->signal_lock);
	spin_unlock(&tree_lock);
	if (!list_linked(&t->link)) {
		ptimer_put(t);
		return -EAGAIN;
	}
	return t->id;
}

/* Off the list and out of the queues, under both locks. The list's reference is the caller's then. */
static void unlink_locked(struct ptimer *t)
{
	struct process *p = t->process;
	struct task *task;

	list_del(&t->link);
	t->armed = t->due = false;
	if (list_linked(&t->signal.link)) {
		pending_unlink(&p->pending, &t->signal);
		list_for_each(task, &p->tasks, group_link)
			pending_unlink(&task->pending, &t->signal);
		list_del(&t->signal.link);
	}
}

int ptimer_delete(struct process *p, s32 id)
{
	struct ptimer *t;

	if (id < 0)
		return -EINVAL;
	spin_lock(&tree_lock);
	spin_lock(&p->signal_lock);
	t = find(p, id);
	if (t != NULL)
		unlink_locked(t);
	spin_unlock(&p->signal_lock);
	spin_unlock(&tree_lock);
	if (t == NULL)
		return -EINVAL;
	timer_cancel_sync(&t->timer);
	ptimer_put(t);
	return 0;
}

void ptimers_delete(struct process *p, bool all)
{
	struct list dead = LIST_INIT(dead);
	struct ptimer *t, *tmp;

	spin_lock(&tree_lock);
	spin_lock(&p->signal_lock);
	p->timers_gone |= all;
	list_for_each_safe(t, tmp, &p->timers, link) {
		if (t->id < 0 && !all)
			continue;
		if (t->id < 0)
			p->own_timer[-1 - t->id] = NULL;
		unlink_locked(t);
		list_add_tail(&dead, &t->link);
	}
	spin_unlock(&p->signal_lock);
	spin_unlock(&tree_lock);
	list_for_each_safe(t, tmp, &dead, link) {
		list_del(&t->link);
		timer_cancel_sync(&t->timer);
		ptimer_put(t);
	}
}

/* --- setting and reading; both locks held --- */

static struct ptimer_time time_left(const struct ptimer *t, u64 now)
{
	struct ptimer_time left = { 0, t->interval };

	if (!t->armed)
		return left;
	if (t->expires > now)
		left.left = t->expires - now;
	else if (t->interval != 0)
		left.left = t->interval - (now - t->expires) % t->interval;
	else
		left.left = t->spec.silent ? 0 : 1;	/* it is about to be sent */
	return left;
}

static void set(struct ptimer *t, u64 now, bool absolute, u64 value, u64 interval)
{
	(void)timer_cancel(&t->timer);	/* it may be running: its work finds the new values */
	t->armed = value != 0;
	t->due = false;
	t->missed = t->overrun = 0;
	t->interval = interval;
	t->expires = absolute ? value : now + MIN(value, FAR_NS);
	t->polled = ~0ULL;
	if (t->armed)
		start(t, now);
}

int ptimer_set(struct process *p, s32 id, bool absolute, u64 value, u64 interval, struct ptimer_time *old)
{
	struct ptimer *t;
	u64 now;

	spin_lock(&tree_lock);
	spin_lock(&p->signal_lock);
	t = id < 0 ? NULL : find(p, id);
	spin_unlock(&p->signal_lock);
	if (t != NULL) {			/* tree_lock keeps it */
		now = now_locked(t);
		spin_lock(&p->signal_lock);
		*old = time_left(t, now);
		if (t->of_day) {
			t->spec.clock.kind = absolute ? CLOCK_WALL : CLOCK_MONO;
			now = now_locked(t);
		}
		set(t, now, absolute, value, interval);
		spin_unlock(&p->signal_lock);
	}
	spin_unlock(&tree_lock);
	return t == NULL ? -EINVAL : 0;
}

static bool start_of_day(struct process *p, void *arg)
{
	struct ptimer *t;

	spin_lock(&p->signal_lock);
	list_for_each(t, &p->timers, link)
		if (t->armed && !t->due && t->spec.clock.kind == CLOCK_WALL)
			start(t, time_wall_ns());
	spin_unlock(&p->signal_lock);
	return true;
}

void ptimers_clock_set(void)
{
	spin_lock(&tree_lock);
	process_for_each(start_of_day, NULL);
	spin_unlock(&tree_lock);
}

int ptimer_get(struct process *p, s32 id, struct ptimer_time *left)
{
	struct ptimer *t;

	spin_lock(&tree_lock);
	spin_lock(&p->signal_lock);
	t = id < 0 ? NULL : find(p, id);
	spin_unlock(&p->signal_lock);
	if (t != NULL)
		*left = time_left(t, now_locked(t));
	spin_unlock(&tree_lock);
	return t == NULL ? -EINVAL : 0;
}

s64 ptimer_overrun(struct process *p, s32 id)
{
	struct ptimer *t;
	s64 rc = -EINVAL;

	spin_lock(&p->signal_lock);
	t = id < 0 ? NULL : find(p, id);
	if (t != NULL)
		rc = t->overrun;
	spin_unlock(&p->signal_lock);
	return rc;
}

/* --- interval timers and the watch over RLIMIT_CPU: one of each, made when first needed --- */

static struct ptimer *own_timer(struct process *p, unsigned which)
{
	static const struct clock clock[NR_PTIMERS] = {
		[PTIMER_REAL] = { .kind = CLOCK_MONO },
		[PTIMER_VIRTUAL] = { .kind = CLOCK_CPU_PROCESS, .share = SHARE_USER },
		[PTIMER_PROF] = { .kind = CLOCK_CPU_PROCESS }, [PTIMER_LIMIT] = { .kind = CLOCK_CPU_PROCESS },
	};
	struct ptimer_spec spec = { .clock = clock[which] };
	struct ptimer *t = p->own_timer[which], *fresh;

	if (t != NULL)
		return t;
	fresh = ptimer_alloc(p, -1 - (s32)which, &spec);
	if (fresh == NULL)
		return NULL;
	spin_lock(&p->signal_lock);
	t = p->own_timer[which];
	if (t == NULL && !p->timers_gone) {
		t = p->own_timer[which] = fresh;
		list_add_head(&p->timers, &fresh->link);
		fresh = NULL;
	}
	spin_unlock(&p->signal_lock);
	if (fresh != NULL)
		ptimer_put(fresh);
	return t;
}

int itimer_set(struct process *p, unsigned which, u64 value, u64 interval, struct ptimer_time *old)
{
	struct ptimer *t = own_timer(p, which);
	u64 now;

	if (t == NULL)
		return -ENOMEM;
	spin_lock(&tree_lock);
	now = now_locked(t);
	spin_lock(&p->signal_lock);
	*old = time_left(t, now);
	set(t, now, false, value, value == 0 ? 0 : interval);
	spin_unlock(&p->signal_lock);
	spin_unlock(&tree_lock);
	return 0;
}

void itimer_get(struct process *p, unsigned which, struct ptimer_time *left)
{
	struct ptimer *t;

	*left = (struct ptimer_time){ 0 };
	spin_lock(&tree_lock);
	t = p->own_timer[which];
	if (t != NULL)
		*left = time_left(t, now_locked(t));
	spin_unlock(&tree_lock);
}

int cpu_limit_watch(struct process *p)
{
	u64 seconds = p->rlimit[RLIMIT_CPU].cur;
	struct ptimer *t = p->own_timer[PTIMER_LIMIT];
	u64 now;

	if (seconds == RLIM_INFINITY && t == NULL)
		return 0;
	t = own_timer(p, PTIMER_LIMIT);
	if (t == NULL)
		return -ENOMEM;
	seconds = MAX(seconds, 1ULL);
	spin_lock(&tree_lock);
	now = now_locked(t);
	spin_lock(&p->signal_lock);
	set(t, now, true, seconds >= FAR_NS / NSEC_PER_SEC ? 0 : seconds * NSEC_PER_SEC, NSEC_PER_SEC);
	spin_unlock(&p->signal_lock);
	spin_unlock(&tree_lock);
	return 0;
}
