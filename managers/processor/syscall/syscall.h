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
#define AIO_EVENTS_MOST	65536		/* of all contexts of io_setup(2) together */
u64 aio_promised(void);			/* how many they have asked for */
void machine_name(char *to, size_t room);	/* sethostname(2) */
void machine_domain(char *to, size_t room);	/* setdomainname(2) */
/* As these calls, with a text that may end in a newline: 0, -EPERM, -EINVAL */
int __must_check machine_set_name(const char *text);
int __must_check machine_set_domain(const char *text);
unsigned log_console_level(void);		/* syslog(2): lines below it go out; may sleep */
bool reboot_by_keys(void);			/* RB_ENABLE_CAD: Ctrl-Alt-Del would start the machine anew at once */

/* Shared by several files of calls. */
int __must_check timespec_from_user(u64 user, u64 *ns);	/* -EFAULT, -EINVAL */
int __must_check timespec_to_user(u64 user, u64 ns);
/* A program's array of pieces, copied and checked; fast has room for FAST_IOV. Then vec_put(). -EINVAL, -EFAULT, -ENOMEM; too_many for more
 * than IOV_MAX. */
#define FAST_IOV 8
struct iovec_abi;
int __must_check vec_get(u64 user, u64 n, int too_many, struct iovec_abi *fast, struct iovec_abi **out, size_t *total);
void vec_put(struct iovec_abi *vec, struct iovec_abi *fast);
/*
 * What preadv2(2) and pwritev2(2) do with pieces that are had already, at pos, which only files with positions look at; flags: RWF_*. The
 * file is open for it and has the operation.
 */
struct file;
s64 __must_check file_vector_at(struct file *f, struct iovec_abi *vec, u64 nr, size_t total, bool write, u64 pos, u32 flags);
/* RLIMIT_AS and RLIMIT_DATA: may the current process map that? Arguments as mmap(2)'s. */
struct space;
bool mmap_allowed(struct space *s, u64 addr, u64 len, u32 prot, u32 flags);
/* Another signal mask for the time of one call: 1 when there is one, 0 when set is 0, or why not. Then leave with the call's
 * result. */
int __must_check sigmask_enter(u64 set, u64 size);
s64 __must_check sigmask_leave(int entered, s64 rc);

#endif
