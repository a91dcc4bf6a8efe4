/* SPDX-License-Identifier: MIT */
/* See job.h. */
#include "managers/processor/process/job.h"

#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/tty/tty.h"

/* --- groups; tree_lock held --- */

struct group_signal { u32 pgid; struct siginfo_abi info; };

static bool signal_member(struct process *p, void *arg)
{
	struct group_signal *g = arg;

	if (p->pgid == g->pgid)
		signal_send_locked(p, NULL, &g->info);
	return true;
}

static void signal_group_locked(u32 pgid, int sig)
{
	struct group_signal g = { pgid, { .signo = sig, .code = SI_KERNEL } };

	if (pgid != 0)
		process_for_each(signal_member, &g);
}

static void hang_up_group_locked(u32 pgid)
{
	signal_group_locked(pgid, SIGHUP);
	signal_group_locked(pgid, SIGCONT);
}

struct group_look { u32 pgid; const struct process *but; bool cared_for, stopped; };

/* Cared for: a member's parent is of the session and not of the group, as a shell is for its jobs. */
static bool look_at_member(struct process *p, void *arg)
{
	struct group_look *g = arg;

	if (p->pgid != g->pgid || p == g->but || p->state != PROCESS_LIVE)
		return true;
	g->stopped |= p->stopped;
	if (p->parent != process_init && p->parent->pgid != p->pgid && p->parent->sid == p->sid)
		g->cared_for = true;
	return true;
}

static struct group_look group_look(u32 pgid, const struct process *but)
{
	struct group_look g = { .pgid = pgid, .but = but };

	process_for_each(look_at_member, &g);
	return g;
}

bool job_group_orphaned_locked(u32 pgid)
{
	return !group_look(pgid, NULL).cared_for;
}

/* The group of p loses who cared for it, `parent`; `but` counts no more. Stopped members would stay so for ever. */
static void orphan_group_locked(const struct process *p, const struct process *parent, const struct process *but)
{
	struct group_look g;

	if (parent->pgid == p->pgid || parent->sid != p->sid)
		return;
	g = group_look(p->pgid, but);
	if (!g.cared_for && g.stopped)
		hang_up_group_locked(p->pgid);
}

void job_orphan_locked(struct process *c, const struct process *was)
{
	orphan_group_locked(c, was, NULL);
}

/* --- the controlling terminal; tree_lock held --- */

static void drop_terminal_locked(struct process *p)
{
	struct tty *t = p->tty;

	p->tty = NULL;
	if (t != NULL)
		tty_put(t);
}

static void take_terminal_locked(struct process *p, struct tty *t)
{
	tty_get(t);
	drop_terminal_locked(p);
	p->tty = t;
	t->sid = p->sid;
	t->pgid = p->pgid;
}

static bool lose_terminal(struct process *p, void *arg)
{
	if (p->tty == arg)
		drop_terminal_locked(p);
	return true;
}

/* t is nobody's any more. The caller has a reference. */
static void free_terminal_locked(struct tty *t)
{
	process_for_each(lose_terminal, t);
	t->sid = t->pgid = 0;
}

static bool is_leader(const struct process *p) { return p->pid == p->sid; }

/* A session's leader lets go of the terminal: its foreground group hears of it. */
static void leader_leaves_locked(struct process *p)
{
	struct tty *t = p->tty;

	tty_get(t);
	hang_up_group_locked(t->pgid);
	free_terminal_locked(t);
	tty_put(t);
}

void job_fork_locked(struct process *child, const struct process *parent)
{
	child->tty = parent->tty;
	if (child->tty != NULL)
		tty_get(child->tty);
}

void job_new_session_locked(struct process *p) { drop_terminal_locked(p); }

void job_exit_locked(struct process *p)
{
	if (is_leader(p) && p->tty != NULL)
		leader_leaves_locked(p);
	else if (is_leader(p))
		hang_up_group_locked(p->hung_up_pgid);
	drop_terminal_locked(p);
	orphan_group_locked(p, p->parent, p);
}

void job_give_terminal(struct process *p, struct tty *t)
{
	spin_lock(&tree_lock);
	take_terminal_locked(p, t);
	spin_unlock(&tree_lock);
}

static bool tell_leader(struct process *p, void *arg)
{
	struct tty *t = arg;
	struct siginfo_abi info = { .signo = SIGHUP, .code = SI_KERNEL };

	if (p->tty != t || !is_leader(p))
		return true;
	p->hung_up_pgid = t->pgid;		/* hears of it when the leader goes */
	signal_send_locked(p, NULL, &info);
	info.signo = SIGCONT;
	signal_send_locked(p, NULL, &info);
	return false;
}

void job_hang_up(struct tty *t)
{
	spin_lock(&tree_lock);
	process_for_each(tell_leader, t);
	free_terminal_locked(t);
	spin_unlock(&tree_lock);
}

void job_signal_foreground(struct tty *t, int sig)
{
	spin_lock(&tree_lock);
	signal_group_locked(t->pgid, sig);
	spin_unlock(&tree_lock);
}

/* --- the current process --- */

struct tty *job_terminal(void)
{
	struct process *p = process_current();
	struct tty *t;

	spin_lock(&tree_lock);
	t = p->tty;
	if (t != NULL)
		tty_get(t);
	spin_unlock(&tree_lock);
	return t;
}

bool job_terminal_is_not(const struct tty *t)
{
	return READ_ONCE(process_current()->tty) != t;
}

static bool ignored_or_blocked(const struct task *t, int sig)
{
	struct process *p = t->process;
	bool is;

	spin_lock(&p->signal_lock);
	is = (t->blocked & SIGBIT(sig)) || handler_of(p, sig) == SIG_IGN;
	spin_unlock(&p->signal_lock);
	return is;
}

static int may_locked(const struct tty *t, int sig, int if_ignored)
{
	struct process *p = process_current();

	if (p->tty != t || t->pgid == 0 || t->pgid == p->pgid)
		return 0;
	if (ignored_or_blocked(task_current(), sig))
		return if_ignored;
	if (job_group_orphaned_locked(p->pgid))
		return -EIO;
	signal_group_locked(p->pgid, sig);
	return -ERESTARTSYS;
}

static int may(struct tty *t, int sig, int if_ignored)
{
	int rc;

	spin_lock(&tree_lock);
	rc = may_locked(t, sig, if_ignored);
	spin_unlock(&tree_lock);
	return rc;
}

int job_may_read(struct tty *t) { return may(t, SIGTTIN, -EIO); }
int job_may_change(struct tty *t) { return may(t, SIGTTOU, 0); }

void job_opened_terminal(struct tty *t, const struct file *f)
{
	struct process *p = process_current();

	if (!(file_access(f) & MAY_READ))
		return;
	spin_lock(&tree_lock);
	if (is_leader(p) && p->tty == NULL && t->sid == 0)
		take_terminal_locked(p, t);
	spin_unlock(&tree_lock);
}

/* --- ioctl; tree_lock held --- */

static s64 make_controlling(struct tty *t, const struct file *f, u64 steal)
{
	struct process *p = process_current();

	if (is_leader(p) && t->sid == p->sid)
		return 0;
	if (!is_leader(p) || p->tty != NULL)
		return -EPERM;
	if (t->sid != 0) {
		if (steal != 1 || !capable_current())
			return -EPERM;
		free_terminal_locked(t);
	}
	if (!(file_access(f) & MAY_READ) && !capable_current())
		return -EPERM;
	take_terminal_locked(p, t);
	return 0;
}

static s64 give_up_controlling(struct tty *t)
{
	struct process *p = process_current();

	if (p->tty != t)
		return -ENOTTY;
	if (is_leader(p))
		leader_leaves_locked(p);
	else
		drop_terminal_locked(p);
	return 0;
}

static s64 set_foreground(struct tty *t, u32 pgid)
{
	struct process *p = process_current();
	u32 sid;

	if (p->tty != t || t->sid != p->sid)
		return -ENOTTY;
	if ((s32)pgid < 0)
		return -EINVAL;
	sid = process_group_session_locked(pgid);
	if (sid == 0)
		return -ESRCH;
	if (sid != p->sid)
		return -EPERM;
	t->pgid = pgid;
	return 0;
}

s64 job_ioctl(struct tty *t, const struct file *f, u32 cmd, u64 arg, bool master)
{
	bool ours = master || !job_terminal_is_not(t);
	u32 n = 0;
	s64 rc = 0;

	if (cmd == TIOCSPGRP && get_user32(&n, arg) < 0)
		return -EFAULT;
	spin_lock(&tree_lock);
	switch (cmd) {
	case TIOCSCTTY: rc = make_controlling(t, f, arg); break;
	case TIOCNOTTY: rc = give_up_controlling(t); break;
	case TIOCSPGRP: rc = set_foreground(t, n); break;
	case TIOCGPGRP:
		n = t->pgid;
		rc = ours ? 0 : -ENOTTY;
		break;
	case TIOCGSID:
		n = t->sid;
		rc = ours && n != 0 ? 0 : -ENOTTY;
		break;
	}
	spin_unlock(&tree_lock);
	return rc == 0 && (cmd == TIOCGPGRP || cmd == TIOCGSID) ? put_user32(arg, n) : rc;
}
