/* SPDX-License-Identifier: MIT */
/* The tree's insides, for fs/ alone. All under tree_mutex. */
#ifndef MANAGERS_PROCESSOR_FS_DENTRY_H
#define MANAGERS_PROCESSOR_FS_DENTRY_H

#include "managers/processor/fs/fs.h"

struct dentry {
	refcount_t refs;		/* users; 0: cached only, on the LRU list */
	char *name;			/* [tree_mutex] */
	u64 hash;			/* [tree_mutex] of the name */
	struct dentry *parent;		/* [tree_mutex] with a reference; NULL: the root of a file system */
	struct inode *inode;		/* [I] NULL: there is no such name */
	struct list hash_link;		/* [tree_mutex] among those of its parent and name */
	struct list unused_link;	/* [tree_mutex] */
	struct dentry *mounted;		/* [tree_mutex] root of what is mounted here */
	struct dentry *covers;		/* [tree_mutex] of such a root: where it is mounted */
	bool dead;			/* [tree_mutex] unhooked from its parent */
	bool last_name;			/* [tree_mutex] ... which was the file's last: it goes with this */
};

void open_init(void);
extern struct mutex tree_mutex;
extern struct dentry *fs_root;

void dentry_get_locked(struct dentry *d);
void dentry_put_locked(struct dentry *d);
struct dentry *dentry_add_locked(struct dentry *parent, const char *name, size_t len, struct inode *i);
struct dentry *dentry_child_locked(struct dentry *parent, const char *name, size_t len);	/* with a reference, or NULL */
/* A name for what has none, so that a walk can lead to it; takes over the inode's reference. */
struct dentry *dentry_nameless_locked(struct inode *i);
s64 dentry_path_locked(struct dentry *d, struct dentry *root, char *buf, size_t size);
/* For people to read: of what was removed, the path it had and " (deleted)". */
s64 dentry_show_locked(struct dentry *d, char *buf, size_t size);
s64 dentry_show(struct dentry *d, char *buf, size_t size);
/* A name of the file, whichever comes first, with a reference; NULL: none is cached. For rare use: it looks at all. */
struct dentry *dentry_of_inode_locked(const struct inode *i, bool (*same)(const struct inode *a, const struct inode *b));
void dentry_unhook_locked(struct dentry *d);
void dentry_forget_locked(struct dentry *parent, const char *name);
/* It was renamed: whoever stands in it or has it open sees the new name. */
void dentry_move_locked(struct dentry *from, const char *old, struct dentry *to, const char *new);

#endif
