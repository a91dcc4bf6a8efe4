/* SPDX-License-Identifier: MIT */
/*
 * seccomp(2): what system calls a thread may make. Filters are only ever added, each before those that were there; a child has its
 * parent's, and shares the chain with it. A thread reads its own without a lock: another one of its process may set it
 * (SECCOMP_FILTER_FLAG_TSYNC), but only to a chain that ends in the one that is there, which it keeps.
 */
#ifndef MANAGERS_PROCESSOR_SECCOMP_H
#define MANAGERS_PROCESSOR_SECCOMP_H

#include "lib/base/types.h"

enum seccomp_mode { SECCOMP_OFF, SECCOMP_STRICT, SECCOMP_FILTER };

struct seccomp_filter;			/* syscall/seccomp.c */

struct seccomp {
	u32 mode;			/* [tree_lock to change; a] enum seccomp_mode */
	struct seccomp_filter *filter;	/* [tree_lock to change] the newest, with a reference; NULL: none */
};

struct regs;
struct task;
/* May the current task make the call that r asks for? If not, r has its result, or the task is ending. */
bool seccomp_allows(struct regs *r);
void seccomp_inherit_locked(struct task *t, const struct task *from);	/* t is new; tree_lock held */
void seccomp_drop(struct seccomp *s);
unsigned seccomp_nr_filters(const struct seccomp *s);	/* tree_lock held */
s64 seccomp_set(u32 op, u32 flags, u64 arg);		/* seccomp(2) */

#endif
