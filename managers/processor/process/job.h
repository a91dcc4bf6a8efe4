/* SPDX-License-Identifier: MIT */
/*
 * Job control (credentials(7), setpgid(2), ioctl_tty(2)): which session and group a terminal serves, who may read it, who hears
 * when it or a session's leader goes. A process's controlling terminal, process->tty, carries a reference; it, tty->sid and
 * tty->pgid are under tree_lock.
 */
#ifndef MANAGERS_PROCESSOR_JOB_H
#define MANAGERS_PROCESSOR_JOB_H

#include "managers/processor/process/process.h"

struct tty;

/* --- of the current process --- */
struct tty *job_terminal(void);				/* its controlling terminal, with a reference, or NULL */
bool job_terminal_is_not(const struct tty *t);
/* A background job that reads, or changes the terminal, is sent SIGTTIN or SIGTTOU: -ERESTARTSYS; -EIO when that cannot help. */
int __must_check job_may_read(struct tty *t);
int __must_check job_may_change(struct tty *t);
void job_opened_terminal(struct tty *t, const struct file *f);	/* a leader of a session without one gets its first so */
s64 job_ioctl(struct tty *t, const struct file *f, u32 cmd, u64 arg, bool master);	/* TIOCGPGRP and its kin */

/* --- of a terminal; tree_lock not held --- */
void job_signal_foreground(struct tty *t, int sig);
void job_hang_up(struct tty *t);
void job_give_terminal(struct process *p, struct tty *t);	/* to a new session's leader that does not run yet */

/* --- of processes, tree_lock held --- */
void job_fork_locked(struct process *child, const struct process *parent);
void job_new_session_locked(struct process *p);
void job_exit_locked(struct process *p);			/* its children are not yet anybody else's */
/* c has just lost its parent `was`: its group may have nobody left who would ever continue it. */
void job_orphan_locked(struct process *c, const struct process *was);
bool job_group_orphaned_locked(u32 pgid);

#endif
