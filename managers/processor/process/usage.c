/* SPDX-License-Identifier: MIT */
/* What tasks and processes have used: CPU time in user mode and in the kernel, faults, switches, memory. */
#include "managers/processor/process/usage.h"

#include "managers/processor/process/process.h"

static void io_add(struct io_count *io, const struct io_count *more)
{
	io->read_chars += more->read_chars;
	io->write_chars += more->write_chars;
	io->read_calls += more->read_calls;
	io->write_calls += more->write_calls;
}

static void usage_add_task(struct usage *u, const struct task *task)
{
	struct thread *t = task->thread;
	u64 total = thread_runtime_ns(t), user = arch_user_ns(t);

	user = MIN(user, total);		/* two clocks, read one after the other */
	u->user_ns += user;
	u->system_ns += total - user;
	u->waits += READ_ONCE(t->nr_waits);
	u->preempted += READ_ONCE(t->nr_preempted);
	io_add(&u->io, &task->io);
}

void usage_add(struct usage *u, const struct usage *more)
{
	u->user_ns += more->user_ns;
	u->system_ns += more->system_ns;
	u->waits += more->waits;
	u->preempted += more->preempted;
	u->minor_faults += more->minor_faults;
	u->major_faults += more->major_faults;
	u->max_pages = MAX(u->max_pages, more->max_pages);
	io_add(&u->io, &more->io);
}

void usage_add_space(struct usage *u, const struct space *s)
{
	u->minor_faults += READ_ONCE(s->minor_faults);
	u->major_faults += READ_ONCE(s->major_faults);
	u->max_pages = MAX(u->max_pages, READ_ONCE(s->footprint));
}

void usage_of_task(const struct task *t, struct usage *u)
{
	*u = (struct usage){ 0 };
	usage_add_task(u, t);
}

void usage_of_thread(const struct task *t, struct usage *u)
{
	usage_of_task(t, u);
	u->minor_faults = READ_ONCE(t->thread->minor_faults);
	u->major_faults = READ_ONCE(t->thread->major_faults);
}

void usage_of_process_locked(const struct process *p, struct usage *u)
{
	const struct space *s = NULL;
	struct task *t;

	assert_held(&tree_lock);
	*u = p->ended;
	list_for_each(t, &p->tasks, group_link) {
		usage_add_task(u, t);
		if (s == NULL)
			s = t->space;
	}
	if (s != NULL)
		usage_add_space(u, s);
}

void usage_of_process(struct process *p, struct usage *u)
{
	spin_lock(&tree_lock);
	usage_of_process_locked(p, u);
	spin_unlock(&tree_lock);
}

static struct timeval_abi timeval_of(u64 ns)
{
	return (struct timeval_abi){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000 };
}

void usage_to_abi(const struct usage *u, struct rusage_abi *ru)
{
	*ru = (struct rusage_abi){
		.utime = timeval_of(u->user_ns), .stime = timeval_of(u->system_ns), .maxrss = (u->max_pages * PAGE_SIZE) >> 10,
		.minflt = u->minor_faults, .majflt = u->major_faults, .nvcsw = u->waits, .nivcsw = u->preempted,
	};
}
