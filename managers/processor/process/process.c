/* SPDX-License-Identifier: MIT */
/* Processes and tasks: making them, finding them, letting them go. */
#include "managers/processor/process/process.h"
#include "managers/processor/process/ptrace.h"
#include "managers/processor/process/timers.h"

#include "arch/x86/fpu.h"
#include "arch/x86/uaccess.h"
#include "kernel/counter.h"
#include "kernel/load.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/process/job.h"
#include "mm/slab.h"

DEFINE_SPINLOCK(tree_lock, RANK_PROCESS_TREE);
struct process *process_init;
static struct list all = LIST_INIT(all);	/* [tree_lock] */
static unsigned nr_processes;			/* [tree_lock] */
struct usage processes_gone;			/* [tree_lock] */
u32 processes_made;				/* [tree_lock] */

void process_get(struct process *p)
{
	ref_get(&p->refs);
}

void process_put(struct process *p)
{
	if (!ref_put(&p->refs))
		return;
	signal_flush(&p->pending);
	handlers_put(p->handlers);
	kfree(p);
}

static const struct rlimit_abi default_rlimit[NR_RLIMITS] = {
	[RLIMIT_CPU] = { RLIM_INFINITY, RLIM_INFINITY }, [RLIMIT_FSIZE] = { RLIM_INFINITY, RLIM_INFINITY },
	[RLIMIT_DATA] = { RLIM_INFINITY, RLIM_INFINITY }, [RLIMIT_STACK] = { MIB(8), RLIM_INFINITY },
	[RLIMIT_CORE] = { 0, RLIM_INFINITY }, [RLIMIT_RSS] = { RLIM_INFINITY, RLIM_INFINITY },
	[RLIMIT_NPROC] = { 4096, 4096 }, [RLIMIT_NOFILE] = { 1024, 4096 },
	[RLIMIT_MEMLOCK] = { MIB(8), MIB(8) }, [RLIMIT_AS] = { RLIM_INFINITY, RLIM_INFINITY },
	[RLIMIT_LOCKS] = { RLIM_INFINITY, RLIM_INFINITY }, [RLIMIT_SIGPENDING] = { 4096, 4096 },
	[RLIMIT_MSGQUEUE] = { 819200, 819200 }, [RLIMIT_NICE] = { 0, 0 }, [RLIMIT_RTPRIO] = { 0, 0 },
	[RLIMIT_RTTIME] = { RLIM_INFINITY, RLIM_INFINITY },
};

/* What another thread of the parent may be changing. */
static void inherit(struct process *p, const struct process *parent)
{
	spin_lock(&tree_lock);
	memcpy(p->rlimit, parent->rlimit, sizeof(p->rlimit));
	p->cred = parent->cred;
	p->undumpable = parent->undumpable;
	p->no_huge_pages = parent->no_huge_pages;
	p->personality = parent->personality;
	p->memory_failure = parent->memory_failure;
	p->oom_adj = parent->oom_adj;
	p->oom_adj_least = parent->oom_adj_least;
	memcpy(p->comm, parent->comm, sizeof(p->comm));
	spin_unlock(&tree_lock);
}

struct process *process_alloc(struct process *parent)
{
	struct process *p = kzalloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->handlers = handlers_create();
	if (p->handlers == NULL) {
		kfree(p);
		return NULL;
	}
	ref_init(&p->refs, 1);
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->all_link);
	list_init(&p->tasks);
	waitq_init(&p->child_wait);
	waitq_init(&p->task_wait);
	waitq_init(&p->end_wait);
	waitq_init(&p->signal_wait);
	spin_init(&p->signal_lock, "signal", RANK_SIGNAL);
	list_init(&p->pending.queue);
	list_init(&p->timers);
	list_init(&p->sem_undos);
	list_init(&p->dead_tracees);
	p->start_ns = time_mono_ns();
	p->exit_signal = SIGCHLD;
	if (parent != NULL) {
		inherit(p, parent);
	} else {
		memcpy(p->rlimit, default_rlimit, sizeof(p->rlimit));
		cred_init_root(&p->cred);
	}
	return p;
}

struct task *task_alloc(struct process *p)
{
	struct task *t = kzalloc(sizeof(*t));

	if (t == NULL)
		return NULL;
	list_init(&t->group_link);
	list_init(&t->tid_link);
	list_init(&t->tracees);
	list_init(&t->pending.queue);
	t->altstack_flags = SS_DISABLE;
	t->base_priority = PRIO_NORMAL;
	t->process = p;
	process_get(p);
	t->thread = thread_create(task_run, t, PRIO_NORMAL, "%s", p->comm[0] ? p->comm : "program");
	if (t->thread == NULL)
		goto free_task;
	t->thread->ctx.fpu = fpu_alloc();
	if (t->thread->ctx.fpu == NULL)
		goto put_thread;
	t->thread->task = t;
	return t;

put_thread:
	thread_put(t->thread);
free_task:
	process_put(p);
	kfree(t);
	return NULL;
}

/* What an unborn task holds, or one that has exited; its thread's own reference is the caller's affair. */
void task_free(struct task *t)
{
	struct process *p = t->process;

	if (t->files != NULL)
		fd_table_put(t->files);
	if (t->fs != NULL)
		fs_context_put(t->fs);
	seccomp_drop(&t->seccomp);
	io_drop(t->io_shared);
	if (t->space != NULL)
		space_put(t->space);
	spin_lock(&p->signal_lock);
	signal_flush(&t->pending);
	spin_unlock(&p->signal_lock);
	process_put(p);
	kfree(t->tracee_offer);
	kfree(t);
}

void task_set_files(struct task *t, struct fd_table *files)
{
	struct fd_table *old;

	spin_lock(&tree_lock);
	old = t->files;
	t->files = files;
	spin_unlock(&tree_lock);
	if (old != NULL && old != files)
		fd_table_put(old);
}

struct space *task_set_space(struct task *t, struct space *s)
{
	struct space *old;

	spin_lock(&tree_lock);
	old = t->space;
	t->space = s;
	spin_unlock(&tree_lock);
	return old;
}

struct space *process_space_of(struct process *p)
{
	struct space *s = NULL;
	struct task *t;

	spin_lock(&tree_lock);
	list_for_each(t, &p->tasks, group_link) {
		if (t->space != NULL) {
			space_get(s = t->space);
			break;
		}
	}
	spin_unlock(&tree_lock);
	return s;
}

struct space *process_space(u32 pid)
{
	struct process *p = process_find(pid);
	struct space *s = p == NULL ? NULL : process_space_of(p);

	if (p != NULL)
		process_put(p);
	return s;
}

/* A task that never ran, with its thread. */
void task_discard(struct task *t)
{
	fpu_free(t->thread->ctx.fpu);
	t->thread->ctx.fpu = NULL;
	thread_put(t->thread);
	task_free(t);
}

/* A process that never was published. */
void process_discard(struct process *p)
{
	ptimers_delete(p, true);
	if (p->exe != NULL)
		file_put(p->exe);
	process_put(p);
}

struct user_tasks { u32 uid; u64 nr; };

static bool count_tasks(struct process *p, void *arg)
{
	const struct tracee *tr;
	struct user_tasks *u = arg;

	if (p->cred.uid != u->uid)
		return true;
	u->nr += p->state == PROCESS_LIVE ? p->nr_tasks : 1;
	list_for_each(tr, &p->dead_tracees, dead_link)	/* threads that have ended, and whose numbers a tracer keeps */
		u->nr++;
	return true;
}

/* RLIMIT_NPROC counts a user's tasks; it does not hold for those who may pass over it. tree_lock held. */
static bool nproc_reached(const struct process *p)
{
	const struct credentials *c = &p->cred;
	struct user_tasks u = { .uid = c->uid };

	if (p->spawned || c->uid == 0 || cred_has(c, CAP_SYS_RESOURCE) || cred_has(c, CAP_SYS_ADMIN))
		return false;
	process_for_each(count_tasks, &u);
	return u.nr >= p->rlimit[RLIMIT_NPROC].cur;
}

/* Which of parent's threads the current task's child is; a child with CLONE_PARENT is a sibling, of the same thread. */
static u32 maker_of(const struct process *parent)
{
	const struct task *self = task_current();

	return parent == self->process ? self->tid : self->process->maker;
}

int task_publish(struct task *t, struct process *parent)
{
	struct process *p = t->process;
	bool new_process = p->leader == NULL;
	const struct process *maker = thread_current()->task != NULL ? task_current()->process : parent;	/* not the parent: CLONE_PARENT */
	int rc = 0;

	spin_lock(&tree_lock);
	if (!new_process && (p->group_exit || p->exec_task != NULL)) {
		rc = -EAGAIN;			/* the group is ending: nobody may join it */
	} else if (new_process && parent != process_init && signal_pending_current()) {
		rc = -ERESTARTNOINTR;		/* a signal to the group must not miss the child: it is taken first */
	} else if (nproc_reached(p)) {
		rc = -EAGAIN;
	} else if ((rc = tid_alloc_locked(t)) == 0) {
		if (thread_current()->task != NULL)
			seccomp_inherit_locked(t, task_current());	/* not before: another thread may give us more */
		list_add_tail(&p->tasks, &t->group_link);
		p->nr_tasks++;
		p->nr_in_space++;
		if (new_process) {
			p->pid = t->tid;
			p->leader = t;
			p->parent = parent;
			p->pgid = p->spawned ? p->pid : maker->pgid;
			p->sid = p->spawned ? p->pid : maker->sid;
			job_fork_locked(p, maker);
			process_get(p);		/* the tree's reference, until reaped */
			list_add_tail(&all, &p->all_link);
			nr_processes++;
			processes_made++;
			list_add_tail(&parent->children, &p->sibling);
			p->maker = parent == process_init ? parent->pid : maker_of(parent);
		}
		tracee_born_locked(t);
	}
	spin_unlock(&tree_lock);
	return rc;
}

/* tree_lock held: off every list it was linked to (L18). */
void process_unlink_locked(struct process *p)
{
	tracee_forget_locked(p);
	list_del(&p->all_link);
	list_del(&p->sibling);
	nr_processes--;
	usage_add(&processes_gone, &p->ended);
	p->state = PROCESS_REAPED;
}

unsigned process_count(void)
{
	return READ_ONCE(nr_processes);
}

struct process *process_find_locked(u32 pid)
{
	struct task *t = task_find_locked(pid);
	struct process *p;

	assert_held(&tree_lock);
	if (t != NULL)
		return t->process->pid == pid ? t->process : NULL;
	list_for_each(p, &all, all_link)	/* ended, or its first thread has */
		if (p->pid == pid)
			return p;
	return NULL;
}

struct process *process_find(u32 pid)
{
	struct process *p;

	spin_lock(&tree_lock);
	p = process_find_locked(pid);
	if (p != NULL)
		process_get(p);
	spin_unlock(&tree_lock);
	return p;
}

u32 process_group_session_locked(u32 pgid)
{
	struct process *p;

	assert_held(&tree_lock);
	list_for_each(p, &all, all_link)
		if (p->pgid == pgid)
			return p->sid;
	return 0;
}

void process_for_each(bool (*fn)(struct process *p, void *arg), void *arg)
{
	struct process *p;

	assert_held(&tree_lock);
	list_for_each(p, &all, all_link)
		if (!fn(p, arg))
			break;
}

/* A user thread begins here, on its own kernel stack, in its own address space. */
void task_run(void *arg)
{
	struct task *t = arg;

	if (t->set_child_tid != 0)
		(void)!put_user32(t->set_child_tid, t->tid);	/* as Linux: a bad pointer is the program's loss */
	arch_enter_user(&t->start);
}

u64 rlimit_current(unsigned resource)
{
	return READ_ONCE(process_current()->rlimit[resource].cur);
}

int rlimit_file_size(u64 pos, size_t *len)
{
	u64 max = thread_current()->task == NULL ? RLIM_INFINITY : rlimit_current(RLIMIT_FSIZE);

	if (max == RLIM_INFINITY || *len == 0)
		return 0;
	if (pos >= max) {
		signal_self(SIGXFSZ);
		return -EFBIG;
	}
	*len = MIN(*len, max - pos);
	return 0;
}

bool capable(unsigned cap)
{
	return cred_has(&process_current()->cred, cap);
}

bool process_may_inspect_locked(const struct process *p)
{
	const struct process *self = process_current();

	return cred_may_inspect(&self->cred, &p->cred) && (!p->undumpable || cred_has(&self->cred, CAP_SYS_PTRACE));
}

int task_space_inspect(u32 tid, struct space **out)
{
	struct task *t;
	int rc = 0;

	spin_lock(&tree_lock);
	t = task_find_locked(tid);
	if (t == NULL || t->space == NULL)
		rc = t == NULL && tid == process_init->pid ? -EPERM : -ESRCH;	/* the kernel's own: nobody may */
	else if (t->process != process_current() && !process_may_inspect_locked(t->process))
		rc = -EPERM;
	else
		space_get(*out = t->space);
	spin_unlock(&tree_lock);
	return rc;
}

bool credentials_may_set_group(u32 gid)
{
	return process_current()->cred.fsgid == gid || credentials_in_group(gid) || capable(CAP_FSETID);
}

bool credentials_in_group(u32 gid)
{
	const struct credentials *c = &process_current()->cred;

	for (u32 i = 0; i < c->nr_groups; i++)
		if (c->group[i] == gid)
			return true;
	return false;
}

/* for the accounting: without process 1 */
static u64 programs_live(void)
{
	return process_count() - 1;
}

int process_subsystem_init(void)
{
	struct process *p = process_alloc(NULL);

	if (p == NULL)
		return -ENOMEM;
	p->pid = p->pgid = p->sid = 1;
	str_copy(p->comm, "init", sizeof(p->comm));
	spin_lock(&tree_lock);
	process_get(p);
	list_add_tail(&all, &p->all_link);
	nr_processes++;
	spin_unlock(&tree_lock);
	process_init = p;
	acct_register("processes", programs_live);
	futex_init();
	load_start();
	return 0;
}

/* --- programs started by the kernel itself --- */

int process_spawn(const struct spawn *s, struct process **out)
{
	struct process *p = process_alloc(process_init);
	struct task *t;
	int rc = -ENOMEM;

	if (p == NULL)
		return -ENOMEM;
	p->spawned = true;
	t = task_alloc(p);
	if (t == NULL)
		goto put_process;
	t->files = fd_table_create();
	if (t->files == NULL)
		goto free_task;
	rc = fs_context_create(s->cwd, &t->fs);
	if (rc < 0)
		goto free_task;
	for (int i = 0; i < 3; i++) {
		if (s->stdio[i] == NULL)
			continue;
		file_get(s->stdio[i]);
		rc = fd_install_at(t->files, i, s->stdio[i], false);
		if (rc < 0)
			goto free_task;
	}
	rc = exec_kernel(t, s);
	if (rc < 0)
		goto free_task;
	rc = task_publish(t, process_init);
	if (rc < 0)
		goto free_task;
	if (s->tty != NULL)
		job_give_terminal(p, s->tty);
	*out = p;		/* our reference becomes the caller's */
	thread_start(t->thread);
	return 0;

free_task:
	task_discard(t);
put_process:
	process_discard(p);
	return rc;
}
