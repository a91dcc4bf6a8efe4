/* SPDX-License-Identifier: MIT */
/* clone, clone3, fork, vfork: new tasks and processes. */
#include "arch/x86/fpu.h"
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/ipc/sem.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/ptrace.h"
#include "managers/processor/process/timers.h"
#include "managers/processor/syscall/pidfd.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

/* A parent that sleeps until its child has let go of the shared address space. Both ends hold a reference. */
struct vfork_wait {
	refcount_t refs;
	bool done;
	struct waitq wait;
};

static void vfork_put(struct vfork_wait *v)
{
	if (ref_put(&v->refs))
		kfree(v);
}

static struct vfork_wait *vfork_create(void)
{
	struct vfork_wait *v = kzalloc(sizeof(*v));

	if (v != NULL) {
		ref_init(&v->refs, 2);
		waitq_init(&v->wait);
	}
	return v;
}

/* Called by the child when it execs or exits. */
void exit_release_vfork(struct task *t)
{
	struct vfork_wait *v = t->vfork;

	if (v == NULL)
		return;
	t->vfork = NULL;
	store_release(&v->done, true);
	waitq_wake_all(&v->wait);
	vfork_put(v);
}

static int flags_check(const struct clone_args_abi *a)
{
	u64 f = a->flags;
	const u64 known = CLONE_IO | CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_PARENT | CLONE_THREAD |
		CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_UNTRACED |
		CLONE_CHILD_SETTID | CLONE_CLEAR_SIGHAND | CLONE_PIDFD | CLONE_PTRACE;

	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_CLEAR_SIGHAND) && (f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & (CLONE_THREAD | CLONE_DETACHED)))
		return -EINVAL;
	if (f & ~known)
		return -EINVAL;
	if ((f & CLONE_SETTLS) && a->tls >= USER_END)
		return -EPERM;			/* as ARCH_SET_FS */
	if (a->exit_signal > NR_SIGNALS || ((f & (CLONE_THREAD | CLONE_PARENT)) && a->exit_signal != 0))
		return -EINVAL;
	return 0;
}

static int share_or_copy(struct task *t, struct task *self, u64 flags)
{
	int rc = 0;

	if (flags & CLONE_FILES) {
		t->files = self->files;
		fd_table_get(t->files);
	} else {
		t->files = fd_table_copy(self->files);
		if (t->files == NULL)
			return -ENOMEM;
	}
	if (flags & CLONE_FS) {
		t->fs = self->fs;
		fs_context_get(t->fs);
	} else {
		t->fs = fs_context_copy(self->fs);
		if (t->fs == NULL)
			return -ENOMEM;
	}
	if (flags & CLONE_VM) {
		t->space = self->space;
		space_get(t->space);
	} else {
		rc = space_fork(self->space, &t->space);
	}
	return rc;
}

static void copy_registers(struct task *t, const struct clone_args_abi *a)
{
	struct thread *self = thread_current();

	t->start = *arch_user_regs();
	t->start.rax = 0;
	if (task_current()->forced_tf)
		t->start.rflags &= ~0x100ULL;	/* who is stepped is the parent */
	if (a->stack != 0)
		t->start.rsp = a->stack + a->stack_size;
	t->thread->ctx.fs_base = a->flags & CLONE_SETTLS ? a->tls : arch_get_fs_base();
	t->thread->ctx.gs_base = arch_get_gs_base();
	t->thread->ctx.cr3 = t->space->pgd.root;
	t->thread->affinity = self->affinity;
	if (task_current()->policy_reset && task_current()->rt_priority != 0)
		t->thread->nice = 0;		/* the usual in all: sched(7) */
	else
		t->thread->nice = task_current()->policy_reset ? MAX(self->nice, 0) : self->nice;
	if (!task_current()->policy_reset || task_current()->rt_priority == 0) {
		t->policy = task_current()->policy;
		t->rt_priority = task_current()->rt_priority;
		t->base_priority = t->thread->priority = task_current()->base_priority;
		t->thread->keeps_turn = self->keeps_turn;
	}
	t->mempolicy = task_current()->mempolicy;
	t->timer_slack_ns = task_current()->timer_slack_ns;
	t->io_flusher = task_current()->io_flusher;
	fpu_clone(t->thread->ctx.fpu);
}

static struct process *process_copy(struct task *self, const struct clone_args_abi *a)
{
	struct process *old = self->process, *p = process_alloc(old);

	if (p == NULL)
		return NULL;
	if (cpu_limit_watch(p) < 0) {
		process_discard(p);
		return NULL;
	}
	p->exit_signal = a->flags & CLONE_PARENT ? old->exit_signal : a->exit_signal;	/* a sibling ends as its maker does */
	if (a->flags & CLONE_SIGHAND) {
		handlers_put(p->handlers);
		p->handlers = old->handlers;
		ref_get(&p->handlers->refs);
	} else {
		spin_lock(&old->handlers->lock);
		memcpy(p->handlers->action, old->handlers->action, sizeof(p->handlers->action));
		spin_unlock(&old->handlers->lock);
	}
	if (a->flags & CLONE_CLEAR_SIGHAND)
		handlers_reset(p->handlers);
	spin_lock(&tree_lock);
	p->exe = old->exe;
	if (p->exe != NULL)
		file_get(p->exe);
	spin_unlock(&tree_lock);
	return p;
}

/* wanted: the number that the child is to have, or 0 */
static s64 clone_numbered(const struct clone_args_abi *a, u32 wanted)
{
	struct task *self = task_current(), *t;
	struct process *p, *parent;
	struct vfork_wait *vfork = NULL;
	bool thread = a->flags & CLONE_THREAD;
	struct file *pidfd = NULL;
	s64 fd = -1;
	u32 tid;
	u8 event;
	int rc = flags_check(a);

	if (rc < 0)
		return rc;
	p = thread ? self->process : process_copy(self, a);
	if (p == NULL)
		return -ENOMEM;
	t = task_alloc(p);
	if (t == NULL) {
		rc = -ENOMEM;
		goto drop_process;
	}
	t->tid = wanted;
	rc = share_or_copy(t, self, a->flags);
	if (rc < 0)
		goto drop_task;
	copy_registers(t, a);
	spin_lock(&tree_lock);
	rc = io_inherit_locked(t, self, a->flags & CLONE_IO);
	spin_unlock(&tree_lock);
	if (rc < 0)
		goto drop_task;
	spin_lock(&self->process->signal_lock);
	t->blocked = self->blocked;
	spin_unlock(&self->process->signal_lock);
	if (!(a->flags & CLONE_VM) || (a->flags & CLONE_VFORK)) {
		t->altstack_sp = self->altstack_sp;
		t->altstack_size = self->altstack_size;
		t->altstack_flags = self->altstack_flags;
	}
	if (a->flags & CLONE_CHILD_SETTID)
		t->set_child_tid = a->child_tid;
	if (a->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = a->child_tid;
	if (a->flags & CLONE_VFORK) {
		vfork = vfork_create();
		if (vfork == NULL) {
			rc = -ENOMEM;
			goto drop_task;
		}
		t->vfork = vfork;
	}
	if (a->flags & CLONE_PIDFD) {
		fd = pidfd_reserve(0, &pidfd);
		rc = fd < 0 ? fd : put_user32(a->pidfd, fd);
		if (rc < 0)
			goto drop_vfork;
	}
	spin_lock(&tree_lock);
	parent = (a->flags & CLONE_PARENT) && !thread ? self->process->parent : self->process;
	process_get(parent);
	spin_unlock(&tree_lock);
	rc = tracee_offer(t, a->flags, a->exit_signal);
	if (rc == 0)
		rc = task_publish(t, parent);
	process_put(parent);
	if (rc < 0)
		goto drop_vfork;
	tid = t->tid;
	event = t->birth_event;
	if (pidfd != NULL) {
		pidfd_name(pidfd, p);
		file_put(pidfd);
	}
	if (a->flags & CLONE_PARENT_SETTID)
		(void)!put_user32(a->parent_tid, tid);
	thread_start(t->thread);		/* t may be gone from here on */
	if (!thread)
		process_put(p);			/* the tree has its own reference */
	if (event != 0)
		tracee_event(event, tid);
	if (vfork != NULL) {
		/* a fatal signal ends the wait; the child keeps the address space by its own reference */
		int killed = waitq_wait_killable(&vfork->wait, load_acquire(&vfork->done));

		vfork_put(vfork);
		if (killed == 0 && READ_ONCE(self->tracee) != NULL)
			tracee_event(PTRACE_EVENT_VFORK_DONE, tid);
	}
	return tid;

drop_vfork:
	if (fd >= 0) {
		(void)!fd_close(fd);
		file_put(pidfd);
	}
	if (vfork != NULL) {
		t->vfork = NULL;
		vfork_put(vfork);
		vfork_put(vfork);
	}
drop_task:
	task_discard(t);
drop_process:
	if (!thread)
		process_discard(p);
	return rc;
}

static s64 clone_common(const struct clone_args_abi *a) { return clone_numbered(a, 0); }

#define PID_LEVELS_MOST	32			/* of nested namespaces, if there were any */

s64 sys_clone(u64 flags, u64 stack, u64 parent_tid, u64 child_tid, u64 tls, u64 a5)
{
	struct clone_args_abi a = {
		.flags = flags & 0xffffff00, .exit_signal = (flags & 0xff) <= NR_SIGNALS ? flags & 0xff : 0, .stack = stack, .parent_tid = parent_tid,
		.child_tid = child_tid, .tls = tls,
	};

	if (flags & CLONE_PIDFD) {		/* it is stored where the number would be */
		if (flags & CLONE_PARENT_SETTID)
			return -EINVAL;
		a.pidfd = parent_tid;
	}
	if (a.flags & (CLONE_THREAD | CLONE_PARENT))
		a.exit_signal = 0;
	return clone_common(&a);
}

s64 sys_clone3(u64 args, u64 size, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct clone_args_abi a = { 0 };
	u32 tid = 0;
	s64 rc;

	if (size < 64)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copy_from_user(&a, args, MIN(size, sizeof(a))) < 0)
		return -EFAULT;
	for (u64 at = sizeof(a); at < size; at += 8) {
		u64 word;

		if (copy_from_user(&word, args + at, MIN(8UL, size - at)) < 0)
			return -EFAULT;
		if (word != 0)
			return -E2BIG;		/* something newer than this kernel is asked for */
	}
	if ((a.flags & (0xff | CLONE_DETACHED)) || (a.set_tid == 0) != (a.set_tid_size == 0) || a.set_tid_size > PID_LEVELS_MOST ||
	    (a.stack == 0) != (a.stack_size == 0))
		return -EINVAL;
	if ((a.flags & CLONE_INTO_CGROUP) && (a.cgroup >> 31 != 0 || size < sizeof(a)))
		return -EINVAL;
	if (a.flags & CLONE_INTO_CGROUP)
		return -EBADF;			/* there are none that a descriptor could be of */
	if ((a.flags & CLONE_PIDFD) && (a.flags & CLONE_PARENT_SETTID) && a.pidfd == a.parent_tid)
		return -EINVAL;
	if (a.stack != 0 && !user_range_ok(a.stack, a.stack_size))
		return -EINVAL;
	if (a.set_tid != 0) {
		if (get_user32(&tid, a.set_tid) < 0)
			return -EFAULT;
		rc = tid_may_choose(tid);
		if (a.set_tid_size != 1 || rc < 0)
			return a.set_tid_size != 1 ? -EINVAL : rc;
	}
	return clone_numbered(&a, tid);
}

s64 sys_fork(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct clone_args_abi a = { .exit_signal = SIGCHLD };

	return clone_common(&a);
}

s64 sys_vfork(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct clone_args_abi a = { .flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD };

	return clone_common(&a);
}

/* unshare(2): the descriptors, and what CLONE_FS shares. What a process is alone in, it need not part with. */
s64 sys_unshare(u64 flags, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	const u64 alone = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
	struct task *t = task_current();
	struct fs_context *fs, *old;
	struct fd_table *files;

	if (flags & ~(alone | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM))
		return (flags & CLONE_NAMESPACES) && !capable(CAP_SYS_ADMIN) ? -EPERM : -EINVAL;
	if ((flags & (alone | CLONE_SYSVSEM)) && READ_ONCE(t->process->nr_tasks) != 1)
		return -EINVAL;
	if ((flags & (CLONE_SIGHAND | CLONE_VM)) && ref_read(&t->process->handlers->refs) != 1)
		return -EINVAL;
	fs = flags & CLONE_FS ? fs_context_copy(t->fs) : NULL;
	files = flags & CLONE_FILES ? fd_table_unshare(t->files) : NULL;
	if ((fs == NULL && (flags & CLONE_FS)) || (files == NULL && (flags & CLONE_FILES))) {
		if (fs != NULL)
			fs_context_put(fs);
		return -ENOMEM;
	}
	if (flags & CLONE_SYSVSEM)
		sem_process_ends(t->process);	/* what it would undo it undoes now */
	if (files != NULL)
		task_set_files(t, files);
	if (fs != NULL) {
		old = t->fs;
		spin_lock(&tree_lock);		/* others may look at it: /proc/PID/cwd */
		t->fs = fs;
		spin_unlock(&tree_lock);
		fs_context_put(old);
	}
	return 0;
}

s64 sys_set_tid_address(u64 addr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct task *t = task_current();

	t->clear_child_tid = addr;
	return t->tid;
}

s64 sys_set_robust_list(u64 head, u64 len, u64 a2, u64 a3, u64 a4, u64 a5)
{
	if (len != 24)
		return -EINVAL;
	task_current()->robust_list = head;
	return 0;
}
