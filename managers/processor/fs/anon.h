/* SPDX-License-Identifier: MIT */
/* Files without a name that are made by a call of their own: eventfd, timerfd, epoll. */
#ifndef MANAGERS_PROCESSOR_ANON_H
#define MANAGERS_PROCESSOR_ANON_H

#include "managers/processor/fs/fs.h"

struct file *anon_file(const struct file_ops *ops, void *private, u32 flags);	/* NULL: no memory; private stays the caller's */
s64 anon_seek(struct file *f, s64 off, int whence);	/* lseek() of such a file: 0 */
s64 anon_install(struct file *f, bool cloexec);		/* a descriptor, or why not (f is put then) */
/* What fd is, if it is of that kind, to be put; NULL: *error is -EBADF, or -EINVAL for a file of another kind. */
struct file *anon_get(u64 fd, const struct file_ops *ops, s64 *error);

/* eventfd(2), for those who tell by one: to be put; NULL: *error is -EBADF or -EINVAL. Ringing never waits: a full count is left as it is. */
struct file *eventfd_get(u64 fd, s64 *error);
void eventfd_ring(struct file *f);

#endif
