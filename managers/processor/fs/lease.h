/* SPDX-License-Identifier: MIT */
/* Leases on files: fcntl(2), F_SETLEASE. Whoever has one is told before another opens the file in its way. */
#ifndef MANAGERS_PROCESSOR_LEASE_H
#define MANAGERS_PROCESSOR_LEASE_H

#include "managers/processor/fs/file.h"

#define LEASE_BREAK_SECONDS	45	/* what a holder has to give way, unless it is set otherwise */

/* type: F_RDLCK, F_WRLCK, F_UNLCK. -EINVAL, -EACCES (another's file), -EAGAIN (it is open in a way that forbids it; none to give back) */
s64 lease_set(struct file *f, int fd, s32 type);	/* fd: by which its owner is told of it */
s64 lease_get(const struct file *f);
/*
 * f is being opened, and counted among those who have it open: who has a lease that this ends is told and given time. 0: nobody is in the way any more; -EAGAIN: somebody is, and f
 * does not wait; -ERESTARTSYS
 */
int __must_check lease_break(struct file *f, bool truncates);
void lease_file_gone(struct file *f);		/* its last reference went */
u32 lease_break_seconds(void);
int lease_set_break_seconds(u32 seconds);

#endif
