/* SPDX-License-Identifier: MIT */
/* Locks on files: fcntl(2)'s by process and by open file, flock(2)'s. All between programs of this node. */
#ifndef MANAGERS_PROCESSOR_LOCK_H
#define MANAGERS_PROCESSOR_LOCK_H

#include "managers/processor/fs/file.h"

struct flock_abi { s16 type, whence; u32 pad; s64 start, len; s32 pid; u32 pad2; };

s64 lock_fcntl(struct file *f, u32 cmd, u64 user);	/* F_GETLK, F_SETLK, F_SETLKW and their F_OFD_ forms */
s64 lock_flock(struct file *f, u32 op);
void lock_closed(struct file *f, void *files);		/* a process whose table is files closed one of its descriptors of f */
void lock_file_gone(struct file *f);			/* nobody has f open any more */

#endif
