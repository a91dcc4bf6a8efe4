/* SPDX-License-Identifier: MIT */
/* Descriptor tables. A table is shared by CLONE_FILES, copied by fork. */
#ifndef MANAGERS_PROCESSOR_FD_H
#define MANAGERS_PROCESSOR_FD_H

#include "managers/processor/fs/file.h"

#define FD_LIMIT	65536		/* what RLIMIT_NOFILE can be raised to */

struct fd_table;

struct fd_table *fd_table_create(void);
struct fd_table *fd_table_copy(struct fd_table *t);
struct fd_table *fd_table_unshare(struct fd_table *t);	/* execve: t itself when it is ours alone, else a copy; NULL: no memory */
void fd_table_get(struct fd_table *t);
void fd_table_put(struct fd_table *t);		/* the last put closes all */

/* of the current task's table */
struct file *fd_get(int fd);					/* with a reference; NULL: not open, or a path only (O_PATH) */
struct file *fd_get_any(int fd);				/* ... O_PATH, too: for what asks only which file it is */
int __must_check fd_room(void);					/* 0, or -EMFILE: no number is free. For calls that would do harm first */
int __must_check fd_install(struct file *f, bool cloexec);	/* lowest free number, or -EMFILE; on success the reference is the table's */
int __must_check fd_install_from(struct file *f, int lowest, bool cloexec);
int __must_check fd_close(int fd);				/* 0 or -EBADF */
int __must_check fd_dup_to(int from, int to, bool cloexec);	/* dup2 and dup3 without their checks */
int fd_get_flags(int fd);					/* FD_CLOEXEC or 0, -EBADF */
int fd_set_flags(int fd, int flags);
void fd_close_range(unsigned first, unsigned last, bool set_cloexec);	/* close, or only mark */

/* of any table */
int __must_check fd_install_at(struct fd_table *t, int fd, struct file *f, bool cloexec);	/* takes over the reference */
void fd_close_on_exec(struct fd_table *t);
struct file *fd_table_file(struct fd_table *t, int fd);	/* with a reference, or NULL */
int fd_table_flags(struct fd_table *t, int fd);		/* FD_CLOEXEC or 0, -EBADF */
uintptr_t fd_table_id(struct fd_table *t, int fd);	/* which open file it is, for comparing alone; 0: none */
unsigned fd_table_size(struct fd_table *t);		/* numbers that it has room for now */
int fd_table_next(struct fd_table *t, int fd);		/* the lowest open number >= fd, or -1 */
int fd_table_access(struct fd_table *t, int fd);	/* as file_access(); -1: it is not open */
/* What stands behind fd, each with a reference or NULL; takes none of the file, so nothing may have to be closed after it. */
bool fd_table_peek(struct fd_table *t, int fd, struct inode **i, struct dentry **d, const struct file_ops **ops);

#endif
