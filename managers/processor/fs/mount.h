/* SPDX-License-Identifier: MIT */
/*
 * Mounts: which file system stands where in the tree, and what it may be used for (mount(2)).
 *
 * A mount is the root of a tree of dentries of its own; its inodes know it, each with a reference. A folder that is bound to another
 * place has two trees of dentries over the same files: what one of them changes the other forgets (dentry.c).
 */
#ifndef MANAGERS_PROCESSOR_FS_MOUNT_H
#define MANAGERS_PROCESSOR_FS_MOUNT_H

#include "lib/base/atomic.h"
#include "lib/base/list.h"

struct dentry;
struct inode;

#define MS_RDONLY	1
#define MS_NOSUID	2
#define MS_NODEV	4
#define MS_NOEXEC	8
#define MS_REMOUNT	32
#define MS_BIND		4096
#define MS_MOVE		8192
#define MS_REC		16384
#define MS_UNBINDABLE	(1 << 17)
#define MS_PRIVATE	(1 << 18)
#define MS_SLAVE	(1 << 19)
#define MS_SHARED	(1 << 20)
#define MS_KEPT		(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)	/* of a mount, and what statfs() shows */

#define MNT_FORCE	1
#define MNT_DETACH	2
#define MNT_EXPIRE	4

struct mount {
	refcount_t refs;		/* the list of mounts, and each of its inodes */
	struct list link;		/* [tree_mutex] in order of mounting */
	struct dentry *root;		/* [tree_mutex] with a reference; NULL: it stands nowhere any more */
	const char *type;		/* [I] */
	char *source;			/* [I] what the program called it; NULL: as its type */
	u32 id;				/* [I] */
	u64 dev;			/* [I] of its file system */
	u32 flags;			/* [a] MS_KEPT: of this place, and of the file system wherever it stands */
	u32 fs_flags;			/* [a] */
	atomic_t writers;		/* files open for writing */
	bool expiring;			/* [tree_mutex] MNT_EXPIRE was asked for, and it was not used since */
};

static inline u32 mount_flags(const struct mount *m)
{
	return m == NULL ? 0 : READ_ONCE(m->flags) | READ_ONCE(m->fs_flags);
}

/*
 * What mount(2) does with a place that was looked up, whose reference stays the caller's. May sleep; no lock held. Who may is asked before.
 * -EINVAL: no mount's root where one is wanted, or an option nobody knows; -ENODEV: no such file system; -ENOTDIR; -EBUSY: files are open for
 * writing, or it is in use; -ENOMEM
 */
int __must_check fs_mount_new(struct dentry *at, const char *type, const char *source, const char *options, u32 flags);
int __must_check fs_mount_bind(struct dentry *at, struct dentry *what, bool recursive);
int __must_check fs_mount_move(struct dentry *at, struct dentry *what);
int __must_check fs_mount_flags(struct dentry *at, u32 flags, bool everywhere);	/* everywhere: of the file system, not the place alone */
int __must_check fs_mount_kind(struct dentry *at, u32 flags);			/* MS_PRIVATE and the like */
int __must_check fs_umount(struct dentry *at, u32 flags);			/* takes over the reference. MNT_EXPIRE: -EAGAIN the first time */

int __must_check fs_root_of_dev(u64 dev, struct inode **out);	/* of the file system with this number, with a reference; -EINVAL: none */

void mount_put(struct mount *m);
void fs_for_each_mount(void (*fn)(const struct mount *m, const char *path, const struct mount *above, void *arg), void *arg);

/* What dentry.c has for it; all under tree_mutex. */
void mount_inherit_locked(struct inode *i, const struct inode *dir);	/* what is found in a folder is of its mount */
void dentries_forget_locked(struct dentry *root);			/* names below that nobody uses */
extern unsigned fs_binds;						/* [tree_mutex] mounts of what stands elsewhere, too */

#endif
