/* SPDX-License-Identifier: MIT */
/*
 * System calls: each is s64 sys_<name>(six words), in the file of its subject; the result is 0 or more, or negative errno,
 * as in Linux. All run in the calling task's thread, interrupts on, and may sleep. Arguments are raw: a handler takes the
 * width that Linux documents (an int argument's upper half is not looked at).
 */
#ifndef MANAGERS_PROCESSOR_SYSCALL_H
#define MANAGERS_PROCESSOR_SYSCALL_H

#include "lib/base/types.h"
#include "managers/processor/syscall/table.h"

#define SYSCALL_PROTO(nr, name) s64 sys_##name(u64, u64, u64, u64, u64, u64);
SYSCALLS(SYSCALL_PROTO)
#undef SYSCALL_PROTO

void syscall_init(void);
#endif
