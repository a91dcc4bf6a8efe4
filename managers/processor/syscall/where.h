/* SPDX-License-Identifier: MIT */
/* Path arguments of system calls: path.c and attr.c. */
#ifndef MANAGERS_PROCESSOR_SYSCALL_WHERE_H
#define MANAGERS_PROCESSOR_SYSCALL_WHERE_H

#include "managers/processor/fs/fs.h"

struct where {
	char *path;			/* owned */
	struct dentry *start;		/* where a relative path begins, kept by file; NULL: the current directory */
	struct file *file;		/* what dirfd names, with a reference */
};
/* empty_ok: an empty path means dirfd itself */
int __must_check where_get(struct where *w, s32 dirfd, u64 user, bool empty_ok);
void where_put(struct where *w);
/* What a path argument means, and what is behind a descriptor: an inode with a reference. */
int __must_check lookup_user(s32 dirfd, u64 user, bool empty_ok, unsigned walk_flags, struct inode **out);
int __must_check fd_inode(u64 fd, struct inode **out);
/*
 * Something done about what a path argument means, or what is behind a descriptor: what act answers, or why it was not
 * called. It is called again, about what the path means then, where it answered -ESTALE: the file was removed meanwhile.
 */
typedef int (*inode_act)(struct inode *i, void *arg);
int __must_check path_do(s32 dirfd, u64 user, bool empty_ok, unsigned walk_flags, inode_act act, void *arg);
int __must_check fd_do(u64 fd, inode_act act, void *arg);
struct fs_context *fs_current(void);

static inline unsigned follow(u64 flags)
{
	return flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;
}

#endif
