/* SPDX-License-Identifier: MIT */
/*
 * Names: the tree of directories that programs see, made of file systems mounted on each other. The disk's come from
 * storage nodes (storagefs.c); /proc, /sys and /dev are made here (synthfs.c).
 *
 * A dentry is a name in a directory, cached with what stands behind it (or that nothing does). An inode is a file. Both are
 * counted. One mutex, tree_mutex (RANK_FS_TREE), guards the tree of dentries and is held over a walk, calls to S included. Who changes a
 * folder's names (open.c) has the folder's lock (RANK_FS_NAMES) from before the file system is asked until the tree says the same.
 */
#ifndef MANAGERS_PROCESSOR_FS_H
#define MANAGERS_PROCESSOR_FS_H

#include "kernel/mutex.h"
#include "lib/base/atomic.h"
#include "lib/base/list.h"
#include "managers/processor/fs/file.h"
#include "managers/processor/fs/fs_abi.h"

#define PATH_MAX	4096
#define NAME_MAX	255
#define SYMLINKS_MAX	40

struct attr {			/* what stat shows */
	u64 dev, ino, size, blocks, rdev;
	u32 mode, nlink, uid, gid, blksize;
	struct { s64 sec; u32 nsec; } atime, mtime, ctime, btime;
};

struct dentry;
struct inode;
struct work_queue;

struct new_file { u32 mode, uid, gid, rdev; };

#define SET_MODE	1
#define SET_UID		2
#define SET_GID		4
#define SET_ATIME	8
#define SET_MTIME	16

/* Each may sleep; NULL: the file system does not have it (-EPERM, -EROFS or -EINVAL as the man page says). */
struct inode_ops {
	int (*lookup)(struct inode *dir, const char *name, struct inode **out);	/* -ENOENT */
	int (*create)(struct inode *dir, const char *name, const struct new_file *how, struct inode **out);
	int (*create_nameless)(struct inode *dir, const struct new_file *how, bool linkable, struct inode **out);	/* O_TMPFILE */
	int (*symlink)(struct inode *dir, const char *name, const char *target, const struct new_file *how, struct inode **out);
	int (*link)(struct inode *dir, const char *name, struct inode *target);
	int (*unlink)(struct inode *dir, const char *name, bool rmdir);
	int (*rename)(struct inode *from, const char *old, struct inode *to, const char *new, u32 flags);
	s64 (*readlink)(struct inode *i, char *buf, size_t size);	/* length; tree_mutex is held */
	/* of a link that is more than its text (/proc/PID/fd): what it leads to, with a reference; tree_mutex is held */
	int (*follow)(struct inode *i, struct dentry **out);
	int (*getattr)(struct inode *i, struct attr *a);
	int (*rights)(struct inode *i);		/* brings mode, uid and gid up to date, if others may have changed them; tree_mutex may be held */
	int (*setattr)(struct inode *i, const struct attr *a, u32 mask);
	int (*statfs)(struct inode *i, struct statfs_abi *st);
	int (*open)(struct inode *i, struct file *f);	/* sets f->ops, f->object, f->private */
	int (*again)(struct inode *i, struct inode **out);	/* another of the same file, to be bound to another place */
	void (*release)(struct inode *i);
};

struct inode {
	refcount_t refs;
	const struct inode_ops *ops;	/* [I] */
	u32 type;			/* [I] S_IFMT bits */
	bool no_cache;			/* [I] of a directory: its names, and all below, come and go by themselves (/proc) */
	bool mount_root;		/* [I] the first of a mount */
	struct mount *mount;		/* [I once it has a name] where it was found, with a reference; NULL: it stands nowhere */
	u64 dev;			/* [I] */
	void *private;			/* [I] the file system's */
	u64 made;			/* [I] of pipes: when, wall clock, ns */
	/* storagefs */
	u16 node;			/* [I] */
	u32 fs, gen;			/* [I] of /proc/PID: which process of this number */
	u64 ino;			/* [I] */
	struct attr_saved *saved;	/* fs/attr_cache.c: what stat showed last */
	char *target;			/* [tree_mutex] of a symbolic link that was read: it never changes */
	u32 mode, uid, gid, rdev;	/* [a] for permission checks, after inode_rights() */
	u64 rights_asked;		/* [a] fs/attr_cache.c: since when they are right; 0: not known */
	bool held;			/* [I] the storage node keeps it for this inode, made without a name: its release is a call, never under tree_mutex */
	bool linkable;			/* [a] ... and may still be given its first */
	u8 write_hint;			/* [a] F_SET_RW_HINT */
};

struct fs_context {			/* of a task: what CLONE_FS shares */
	refcount_t refs;
	struct mutex lock;
	struct dentry *cwd, *root;	/* [lock] */
	u32 umask;			/* [lock] */
};

/* --- contexts --- */
int fs_context_create(const char *cwd, struct fs_context **out);
struct fs_context *fs_context_copy(struct fs_context *c);
void fs_context_get(struct fs_context *c);
void fs_context_put(struct fs_context *c);

/* --- tree (dentry.c, path.c) --- */
void fs_init(void);
extern struct work_queue *fs_let_go_queue;	/* what gives files back by calls that nobody may wait for under tree_mutex */
/*
 * At boot: the storage nodes' volumes are mounted, then /proc, /sys, /dev, /dev/shm and /tmp. -EHOSTDOWN: a storage node went meanwhile; called
 * again when it is back, it goes on where it was. -ENODEV: nobody has a volume for /; both are logged. May sleep
 */
int __must_check fs_mount_all(void);
/* At boot; takes over root's reference. type: as /proc/mounts names it. What stands there already is not mounted again. Others: fs/mount.h */
int __must_check fs_mount(const char *path, struct inode *root, const char *type);
struct inode *inode_alloc(const struct inode_ops *ops, u32 mode);
void inode_get(struct inode *i);
void inode_put(struct inode *i);
void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
struct inode *dentry_inode(struct dentry *d);
s64 dentry_path(struct dentry *d, struct dentry *root, char *buf, size_t size);	/* "/a/b"; length without NUL, -ENAMETOOLONG */

/* --- walking --- */
#define WALK_FOLLOW	1	/* the last component too, if it is a symlink */
#define WALK_PARENT	2	/* stop before the last component: into last */
#define WALK_DIRECTORY	4	/* the result must be one */
#define WALK_RESOLVE(r)	((r) << 8)	/* RESOLVE_* of openat2(2) */
#define RESOLVE_NO_XDEV	1
#define RESOLVE_NO_MAGICLINKS 2
#define RESOLVE_NO_SYMLINKS 4
#define RESOLVE_BENEATH	8
#define RESOLVE_IN_ROOT	16
#define RESOLVE_CACHED	32
struct walk {
	struct dentry *dentry;		/* with a reference */
	char last[NAME_MAX + 1];	/* WALK_PARENT */
	bool last_is_dir;		/* ... had a slash behind it */
};
/* start: where a relative path begins (the context's cwd when NULL) */
int __must_check fs_walk(struct fs_context *c, struct dentry *start, const char *path, unsigned flags, struct walk *w);
int __must_check fs_lookup(struct fs_context *c, struct dentry *start, const char *path, unsigned flags, struct dentry **out);

/* --- what system calls want --- */
int __must_check fs_open(struct fs_context *c, struct dentry *start, const char *path, u32 flags, u32 mode, struct file **out);
/* With RESOLVE_* of openat2(2): -EXDEV, -ELOOP where they forbid the way. announce: who watches is told of it, and of its end. */
int __must_check fs_open_how(struct fs_context *c, struct dentry *start, const char *path, u32 flags, u32 mode, u32 resolve,
			     bool announce, struct file **out);
/* The file i that the path led to is no more, says its file system: the name is asked for anew by who tries once more. */
void fs_name_stale(struct fs_context *c, struct dentry *start, const char *path, unsigned flags, const struct inode *i);
#define STALE_TRIES	8	/* a name that is given to another file each time is that often looked up again */
/* To be run: a regular file with x permission that nobody writes to, and nobody may until file_text_end() or its last put. */
int __must_check fs_open_exec(struct fs_context *c, struct dentry *start, const char *path, bool follow, struct file **out);
int __must_check fs_open_exec_inode(struct inode *i, struct dentry *d, struct file **out);
void file_text_end(struct file *f);
int __must_check fs_resize(struct file *f, u64 size);	/* cut or grown, as truncate(2) does; tell inotify_file() of IN_MODIFY afterwards */
int __must_check fs_grow(struct file *f, u64 size);	/* the same, but never cut, whoever writes meanwhile */
/* Bytes [from, to) become zeros that take no room where that can be: fallocate(2)'s hole, madvise(2)'s MADV_REMOVE. -EPERM: it is sealed */
s64 __must_check fs_punch(struct file *f, u64 from, u64 to);
/* Around the first two, fallocate(2)'s other changes, and the question whether they are allowed: what is sealed after it stays so. May sleep */
void file_change_begin(struct file *f);
void file_change_end(struct file *f);
void fs_written(struct inode *i);	/* by somebody without CAP_FSETID: it is no set-user-ID or set-group-ID program any more */
int __must_check fs_open_inode(struct inode *i, struct dentry *d, u32 flags, struct file **out);
s64 __must_check fs_readlink(struct dentry *d, char *buf, size_t size);	/* length, no NUL; -EINVAL: not a link */
int __must_check fs_stat(struct inode *i, struct attr *a);
int __must_check inode_rights(struct inode *i);	/* its mode, uid and gid are what they are now */
int __must_check fs_mknod(struct fs_context *c, struct dentry *start, const char *path, const struct new_file *how);
int __must_check fs_symlink(struct fs_context *c, struct dentry *start, const char *path, const char *target);
int __must_check fs_link(struct fs_context *c, struct dentry *from, struct dentry *start, const char *path);
int __must_check fs_unlink(struct fs_context *c, struct dentry *start, const char *path, bool rmdir);
int __must_check fs_rename(struct fs_context *c, struct dentry *from_start, const char *from, struct dentry *to_start, const char *to,
			   u32 flags);
#define MAY_EXEC	1
#define MAY_WRITE	2
#define MAY_READ	4
int __must_check fs_permission(struct inode *i, unsigned want);		/* of the current process; 0 or -EACCES */
int __must_check fs_permission_ids(struct inode *i, unsigned want, u32 uid, u32 gid, u64 caps);	/* ... of others, with these capabilities */

struct file *file_alloc(const struct file_ops *ops, u32 flags);
u64 files_open(void);			/* of all processes */
u32 file_access(const struct file *f);	/* MAY_READ | MAY_WRITE by its open mode */

/* kinds of files */
extern const struct file_ops regular_ops, directory_ops;
struct inode *storagefs_root(unsigned node, u32 fs, u64 ino, u32 gen, u32 mode);
/* fn for each volume of the storage node: where it belongs, and its root, which is fn's. What fn says first but 0, or of the call. */
int storagefs_volumes(unsigned node, int (*fn)(const char *path, struct inode *root, void *arg), void *arg);
int __must_check synthfs_mount(void);	/* /proc, /sys, /dev */
void tmpfs_init(void);
int __must_check tmpfs_mount(void);	/* /dev/shm and /tmp */
void tmpfs_let_go(void);		/* what was in file systems that are unmounted; no lock held, may be long, ends with a fatal signal */
int __must_check tmpfs_root(const char *options, struct inode **out);	/* of a new one: -EINVAL, -ENOMEM */
int __must_check synthfs_root(const char *type, struct inode **out, const char **name);	/* "proc" and the like: -ENODEV, -ENOMEM */
int memfd_open(const char *name, bool sealable, struct file **out);
s64 memfd_seal(struct file *f, u32 seals);		/* F_ADD_SEALS: 0, -EINVAL (not a memfd), -EPERM, -EBUSY; -EINTR: killed */
s64 memfd_seals(struct file *f);			/* F_GET_SEALS */
/* A file of shared memory that stands in no directory; it belongs to the current process's user. May sleep. */
int __must_check nameless_file(const char *name, u32 mode, u64 size, struct inode **out);
s64 nameless_show(struct inode *i, char *buf, size_t size);	/* its name as /proc shows it; -EINVAL: it is none */
s64 pipe_size(struct file *f, s64 set);			/* F_SETPIPE_SZ, or -1 for F_GETPIPE_SZ: bytes; -EBADF: not a pipe */
int device_open(u32 rdev, struct file *f);	/* a character device: sets f->ops, or -ENXIO */
int pipe_create(struct file **r, struct file **w, u32 flags);
int nameless_setattr(struct inode *i, const struct attr *a, u32 mask);	/* of pipes and sockets */
bool file_is_pipe(const struct file *f);
/*
 * Bytes at the head of a pipe, given to sink in pieces under the pipe's lock, are taken off as far as sink says it took them
 * (keep: they stay, for tee). Bytes; 0: no bytes and no writer; -EAGAIN: none now; what sink says when it took none.
 */
typedef s64 (*pipe_sink)(void *arg, const void *buf, size_t n);
s64 __must_check pipe_read_to(struct file *f, size_t len, pipe_sink sink, void *arg);	/* read(2): waits for bytes, and ends with a packet; the sink may sleep */
s64 __must_check pipe_drain(struct file *f, size_t len, bool keep, pipe_sink sink, void *arg);
/* The other way: as many of the bytes as there is room for. -EAGAIN: none now; -EPIPE, with its signal: nobody reads. len is not 0. */
s64 __must_check pipe_fill(struct file *f, const void *buf, size_t len);
/*
 * Around a wait for another file. Lending: a copy of up to len bytes at the head, which stay, and which nobody else takes until
 * pipe_give_back() says how many are gone; 0, -EAGAIN as above: nothing was lent. Reserving: 0: there is room for len bytes (up to
 * PIPE_BUF) until pipe_put_reserved() puts n of them in; -EAGAIN, -EPIPE as above.
 */
s64 __must_check pipe_lend(struct file *f, void *buf, size_t len);
void pipe_give_back(struct file *f, size_t taken);
int __must_check pipe_reserve(struct file *f, size_t len);
void pipe_put_reserved(struct file *f, const void *buf, size_t n, size_t len);
/* Between two pipes: bytes that fit; -EAGAIN: none there, or no room (*full then); 0: the end; -EPIPE, -EINVAL: the same pipe */
s64 __must_check pipe_to_pipe(struct file *in, struct file *out, size_t len, bool keep, bool *full);
int fifo_open(struct inode *i, struct file *f);	/* a fifo of any file system; waits for the other end */
struct file *console_file(const char *port, u32 flags);	/* a console port as a descriptor; NULL: no such port */

#endif
