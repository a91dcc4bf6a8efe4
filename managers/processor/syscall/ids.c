/* SPDX-License-Identifier: MIT */
/* Who am I: process, group, session, user and group numbers. */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/job.h"
#include "managers/processor/syscall/syscall.h"

s64 sys_getpid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return process_current()->pid; }
s64 sys_gettid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return task_current()->tid; }
s64 sys_getuid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return process_current()->cred.uid; }
s64 sys_geteuid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return process_current()->cred.euid; }
s64 sys_getgid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return process_current()->cred.gid; }
s64 sys_getegid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return process_current()->cred.egid; }
s64 sys_getpgrp(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return READ_ONCE(process_current()->pgid); }

s64 sys_getppid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	s64 pid;

	spin_lock(&tree_lock);
	pid = process_current()->parent->pid;
	spin_unlock(&tree_lock);
	return pid;
}

struct pid_search { u32 pid; struct process *found; };

static bool has_pid(struct process *p, void *arg)
{
	struct pid_search *s = arg;

	if (p->pid == s->pid)
		s->found = p;
	return s->found == NULL;
}

/* tree_lock held */
static struct process *find_locked(u32 pid)
{
	struct pid_search s = { pid, NULL };
	struct task *t;

	if (pid == 0)
		return process_current();
	t = task_find_locked(pid);
	if (t != NULL)
		return t->process->pid == pid ? t->process : NULL;
	process_for_each(has_pid, &s);		/* a zombie, or one whose first thread is gone */
	return s.found;
}

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

struct group_search { u32 pgid, sid; bool found; };

static bool group_in_session(struct process *p, void *arg)
{
	struct group_search *g = arg;

	g->found = p->pgid == g->pgid && p->sid == g->sid;
	return !g->found;
}

/* setpgid(2): of oneself or of a child that has not execed, within the session, to a group that is there or its own */
static s64 setpgid_locked(u32 pid, u32 pgid)
{
	struct process *self = process_current(), *p = find_locked(pid);
	struct group_search g = { pgid, self->sid, false };

	if (p == NULL || (p != self && p->parent != self))
		return -ESRCH;
	if (p != self && p->did_exec)
		return -EACCES;
	if (p->sid != self->sid || p->sid == p->pid)
		return -EPERM;
	if (pgid != p->pid) {
		process_for_each(group_in_session, &g);
		if (!g.found)
			return -EPERM;
	}
	p->pgid = pgid;
	return 0;
}

s64 sys_setpgid(u64 pid, u64 pgid, u64 a2, u64 a3, u64 a4, u64 a5)
{
	s64 rc;

	if ((s32)pgid < 0)
		return -EINVAL;
	if ((u32)pid == 0)
		pid = process_current()->pid;
	spin_lock(&tree_lock);
	rc = setpgid_locked(pid, (u32)pgid ? (u32)pgid : (u32)pid);
	spin_unlock(&tree_lock);
	return rc;
}

static bool is_group(struct process *p, void *arg)
{
	struct group_search *g = arg;

	g->found = p->pgid == g->pgid;
	return !g->found;
}

s64 sys_setsid(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p = process_current();
	struct group_search g = { .pgid = p->pid };
	s64 rc = p->pid;

	spin_lock(&tree_lock);
	process_for_each(is_group, &g);
	if (g.found)
		rc = -EPERM;
	else {
		p->pgid = p->sid = p->pid;
		job_new_session_locked(p);
	}
	spin_unlock(&tree_lock);
	return rc;
}

/* --- credentials: set*id as credentials(7) has it; -1 leaves a value alone --- */

static bool may_be(const struct credentials *c, u32 id, bool group)
{
	if (c->euid == 0 || id == (u32)-1)
		return true;
	return group ? id == c->gid || id == c->egid || id == c->sgid : id == c->uid || id == c->euid || id == c->suid;
}

static s64 set_three(u32 r, u32 e, u32 s, bool group)
{
	struct credentials *c = &process_current()->cred;
	u32 *id[3] = { group ? &c->gid : &c->uid, group ? &c->egid : &c->euid, group ? &c->sgid : &c->suid };
	u32 to[3] = { r, e, s };
	s64 rc = 0;

	spin_lock(&tree_lock);
	for (int i = 0; i < 3; i++)
		if (!may_be(c, to[i], group))
			rc = -EPERM;
	for (int i = 0; rc == 0 && i < 3; i++)
		if (to[i] != (u32)-1)
			*id[i] = to[i];
	c->fsuid = c->euid;
	c->fsgid = c->egid;
	spin_unlock(&tree_lock);
	return rc;
}

s64 sys_setresuid(u64 r, u64 e, u64 s, u64 a3, u64 a4, u64 a5) { return set_three(r, e, s, false); }
s64 sys_setresgid(u64 r, u64 e, u64 s, u64 a3, u64 a4, u64 a5) { return set_three(r, e, s, true); }

static s64 set_two(u32 r, u32 e, bool group)
{
	struct credentials *c = &process_current()->cred;
	u32 real = group ? c->gid : c->uid;

	/* the saved id follows when the real one is set, or the effective one to other than the real */
	return set_three(r, e, r != (u32)-1 || (e != (u32)-1 && e != real) ? (e != (u32)-1 ? e : group ? c->egid : c->euid) : (u32)-1,
			 group);
}

s64 sys_setreuid(u64 r, u64 e, u64 a2, u64 a3, u64 a4, u64 a5) { return set_two(r, e, false); }
s64 sys_setregid(u64 r, u64 e, u64 a2, u64 a3, u64 a4, u64 a5) { return set_two(r, e, true); }

static s64 set_one(u32 id, bool group)
{
	if (id == (u32)-1)
		return -EINVAL;
	return capable_current() ? set_three(id, id, id, group) : set_three(-1, id, -1, group);
}

s64 sys_setuid(u64 id, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return set_one(id, false); }
s64 sys_setgid(u64 id, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return set_one(id, true); }

s64 sys_getresuid(u64 r, u64 e, u64 s, u64 a3, u64 a4, u64 a5)
{
	const struct credentials *c = &process_current()->cred;

	return put_user32(r, c->uid) < 0 || put_user32(e, c->euid) < 0 || put_user32(s, c->suid) < 0 ? -EFAULT : 0;
}

s64 sys_getresgid(u64 r, u64 e, u64 s, u64 a3, u64 a4, u64 a5)
{
	const struct credentials *c = &process_current()->cred;

	return put_user32(r, c->gid) < 0 || put_user32(e, c->egid) < 0 || put_user32(s, c->sgid) < 0 ? -EFAULT : 0;
}

s64 sys_getgroups(u64 n, u64 list, u64 a2, u64 a3, u64 a4, u64 a5)
{
	const struct credentials *c = &process_current()->cred;

	if ((s32)n < 0 || ((s32)n != 0 && n < c->nr_groups))
		return -EINVAL;
	if (n != 0 && copy_to_user(list, c->group, c->nr_groups * 4) < 0)
		return -EFAULT;
	return c->nr_groups;
}

s64 sys_setgroups(u64 n, u64 list, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct credentials *c = &process_current()->cred;
	u32 group[ARRAY_SIZE(c->group)];

	if (!capable_current())
		return -EPERM;
	if (n > ARRAY_SIZE(group))
		return -EINVAL;
	if (copy_from_user(group, list, n * 4) < 0)
		return -EFAULT;
	spin_lock(&tree_lock);
	memcpy(c->group, group, n * 4);
	c->nr_groups = n;
	spin_unlock(&tree_lock);
	return 0;
}

s64 sys_get_robust_list(u64 pid, u64 head, u64 len, u64 a3, u64 a4, u64 a5)
{
	if ((u32)pid != 0 && (u32)pid != task_current()->tid)
		return -EPERM;
	return put_user64(head, task_current()->robust_list) < 0 || put_user64(len, 24) < 0 ? -EFAULT : 0;
}
