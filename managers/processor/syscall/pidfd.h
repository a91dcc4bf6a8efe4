/* SPDX-License-Identifier: MIT */
/* Descriptors of processes: pidfd_open(2), clone(2) with CLONE_PIDFD, waitid(2) with P_PIDFD. */
#ifndef MANAGERS_PROCESSOR_PIDFD_H
#define MANAGERS_PROCESSOR_PIDFD_H

#include "managers/processor/fs/file.h"
#include "managers/processor/process/process.h"

/* A descriptor of no process yet, to be given one: its number, *out the file with a reference; -EMFILE, -ENOMEM. */
s64 __must_check pidfd_reserve(u32 flags, struct file **out);
void pidfd_name(struct file *f, struct process *p);
/* The process of a descriptor, with a reference; *flags: of the open file. -EBADF: not one of these, -ESRCH: of no process */
int __must_check pidfd_get(u64 fd, struct process **out, u32 *flags);
/* The same, of a folder /proc/PID, too: for sending signals alone. */
int __must_check pidfd_get_to_signal(u64 fd, struct process **out, u32 *flags);

#endif
