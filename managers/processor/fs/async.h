/* SPDX-License-Identifier: MIT */
/* Being told by a signal that a file is ready: fcntl(2), F_SETOWN, F_SETSIG, O_ASYNC. */
#ifndef MANAGERS_PROCESSOR_ASYNC_H
#define MANAGERS_PROCESSOR_ASYNC_H

#include "managers/processor/fs/file.h"

struct async;

/* F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG, F_SETOWN_EX, F_GETOWN_EX, F_GETOWNER_UIDS; -EINVAL: none of these. May sleep */
s64 async_fcntl(struct file *f, u32 cmd, u64 arg);
/* O_ASYNC is wanted from now on, for descriptor fd, or no more. 0, -ENOMEM, -ENOTTY: this kind of file never tells */
int __must_check async_set(struct file *f, int fd, bool on);
/* The owner as F_SETOWN has it: a process, or as a negative number a group */
int __must_check async_set_owner(struct file *f, s32 who);
s32 async_owner(struct file *f);
void async_set_fd(struct file *f, int fd);	/* the descriptor that signals name, of one that has an owner */
void async_tell_urgent(struct file *f);		/* out-of-band data has come: SIGURG, whether O_ASYNC is set or not. No lock but mutexes held */
void async_tell_message(struct file *f);		/* something about it that is no data: POLL_MSG. No lock but mutexes held */
void async_file_gone(struct file *f);		/* its last reference went */

#endif
