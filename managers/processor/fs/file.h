/* SPDX-License-Identifier: MIT */
/* An open file: what a descriptor names. Ops per kind; regular files' data live in their struct object (space/space.h). */
#ifndef MANAGERS_PROCESSOR_FILE_H
#define MANAGERS_PROCESSOR_FILE_H

#include "kernel/mutex.h"
#include "lib/base/atomic.h"
#include "lib/base/list.h"

struct object;
struct inode;
struct dentry;
struct file;
struct async;
struct poll_table;
struct text;

struct file_ops {
	/* user buffers are copied by the caller: buf is kernel memory of at most FILE_CHUNK bytes; pos NULL: no position */
	s64 (*read)(struct file *f, void *buf, size_t len, u64 *pos);
	s64 (*write)(struct file *f, const void *buf, size_t len, u64 *pos);
	u32 (*poll)(struct file *f, struct poll_table *pt);
	s64 (*ioctl)(struct file *f, u32 cmd, u64 arg);
	s64 (*readdir)(struct file *f, void *buf, size_t len);	/* struct linux_dirent64 records; moves f->pos */
	s64 (*seek)(struct file *f, s64 off, int whence);
	void (*release)(struct file *f);
	void (*show)(struct file *f, struct text *t);	/* what /proc/PID/fdinfo says of this kind; NULL: no more than of any */
	/* NULL: always. May it be cut or grown to this size, or mapped so? 0 or -EPERM (seals of a memfd) */
	int (*may_resize)(struct file *f, u64 size);
	s64 (*punch)(struct file *f, u64 from, u64 to);	/* fs_punch() of what has an object, for those who map it */
	int (*may_change)(struct file *f);	/* NULL: always. May parts of it become zeros? 0 or -EPERM (seals) */
	void (*resized)(struct file *f);	/* it was: NULL: its times are kept where its data is */
	/* NULL: nothing. Around a change of its size or data other than write(), and what was asked for it before. May sleep */
	void (*change_begin)(struct file *f), (*change_end)(struct file *f);
	int (*may_map)(struct file *f, u32 prot, bool shared);
	const char *kind;			/* what /proc/PID/fd calls it, if it is of a kind without names; else NULL */
	bool tells;				/* it may be asked to tell by a signal: O_ASYNC */
	bool maps_zeros;			/* a mapping of it is one without a file: /dev/zero */
	bool never_waits;			/* a device without positions that has, or takes, as many bytes as are wanted at once */
};
#define FILE_CHUNK (64 * 1024)
#define FILE_SIZE_MAX 0xffffffff000ULL	/* ext4's, for all */
#define FILE_APPEND (~0ULL)	/* as a position to write at: the end, wherever that is then */

/* What the file's object knows of it: execve(2), ETXTBSY. */
enum file_text { TEXT_NONE, TEXT_WRITES, TEXT_RUNS };

struct file {
	refcount_t refs;
	const struct file_ops *ops;	/* [I] */
	struct inode *inode;		/* [I] NULL for anonymous kinds */
	struct object *object;		/* [I] data of a regular file or shm; else NULL */
	u32 flags;			/* [a] O_* */
	struct mutex pos_lock;
	u64 pos;			/* [pos_lock] */
	void *private;			/* the kind's own */
	struct list epolls;		/* fs/epoll.c: the items that watch it */
	struct async *async;		/* fs/async.c: whom to tell by a signal; NULL: nobody was ever named */
	bool announced;			/* [I] its opening was told to who watches: so will be its closing */
	u8 text;			/* [I once open] enum file_text */
	bool reads;			/* [I once open] it is counted among the object's readers */
	bool writes;			/* [I once open] ... among those who write to its mount */
	u32 writers_before;		/* [I once open] a fifo's reader: how many had been there when there was none */
	atomic_t maps;			/* vmas that map it */
	struct dentry *dentry;		/* [I] with a reference: its name, for /proc and *at(); may be NULL */
};

void file_get(struct file *f);
void file_put(struct file *f);

#endif
