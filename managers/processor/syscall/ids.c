/* SPDX-License-Identifier: MIT */
/* Who am I: process, group, session, user and group numbers. */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/job.h"
#include "managers/processor/syscall/syscall.h"

s64 sys_getpid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return process_current()->pid; }
s64 sys_gettid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return task_current()->tid; }
s64 sys_getpgrp(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return READ_ONCE(process_current()->pgid); }

s64 sys_getppid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	s64 pid;

	spin_lock(&tree_lock);
	pid = process_current()->parent->pid;
	spin_unlock(&tree_lock);
	return pid;
}

/* tree_lock held */
static struct process *find_locked(u32 pid) { return pid == 0 ? process_current() : process_find_locked(pid); }

s64 sys_getpgid(u64 pid, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p;
	s64 rc;

	spin_lock(&tree_lock);
	p = find_locked(pid);
	rc = p ? (s64)p->pgid : -ESRCH;
	spin_unlock(&tree_lock);
	return rc;
}

s64 sys_getsid(u64 pid, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p;
	s64 rc;

	spin_lock(&tree_lock);
	p = find_locked(pid);
	rc = p ? (s64)p->sid : -ESRCH;
	spin_unlock(&tree_lock);
	return rc;
}

/* setpgid(2): of oneself or of a child that has not execed, within the session, to a group that is there or its own */
static s64 setpgid_locked(u32 pid, u32 pgid)
{
	struct process *self = process_current(), *p = find_locked(pid);

	if (p == NULL || (p != self && p->parent != self))
		return -ESRCH;
	if (p != self && p->did_exec)
		return -EACCES;
	if (p->sid != self->sid || p->sid == p->pid)
		return -EPERM;
	if (pgid != p->pid && process_group_session_locked(pgid) != self->sid)
		return -EPERM;
	p->pgid = pgid;
	return 0;
}

s64 sys_setpgid(u64 pid, u64 pgid, u64 a2, u64 a3, u64 a4, u64 a5)
{
	s64 rc;

	if ((u32)pid == 0)
		pid = process_current()->pid;
	if ((s32)((u32)pgid ? pgid : pid) < 0)
		return -EINVAL;
	spin_lock(&tree_lock);
	rc = setpgid_locked(pid, (u32)pgid ? (u32)pgid : (u32)pid);
	spin_unlock(&tree_lock);
	return rc;
}

s64 sys_setsid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p = process_current();
	s64 rc = p->pid;

	spin_lock(&tree_lock);
	if (process_group_session_locked(p->pid) != 0)
		rc = -EPERM;
	else {
		p->pgid = p->sid = p->pid;
		job_new_session_locked(p);
	}
	spin_unlock(&tree_lock);
	return rc;
}

s64 sys_get_robust_list(u64 pid, u64 head, u64 len, u64 a3, u64 a4, u64 a5)
{
	u64 list = 0;
	struct task *t;
	s64 rc = 0;

	spin_lock(&tree_lock);
	t = (u32)pid == 0 ? task_current() : task_find_locked(pid);
	if (t == NULL && (u32)pid == process_init->pid)
		rc = cred_may_inspect(&process_current()->cred, &process_init->cred) ? 0 : -EPERM;
	else if (t == NULL)
		rc = -ESRCH;
	else if (t->process != process_current() && !cred_may_inspect(&process_current()->cred, &t->process->cred))
		rc = -EPERM;
	else
		list = READ_ONCE(t->robust_list);
	spin_unlock(&tree_lock);
	if (rc == 0 && (put_user64(len, 24) < 0 || put_user64(head, list) < 0))
		rc = -EFAULT;
	return rc;
}
