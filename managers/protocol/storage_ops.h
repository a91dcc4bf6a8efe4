/* SPDX-License-Identifier: MIT */
/*
 * What a storage node answers. Names are resolved here, one component a call; data and sizes are read and written by
 * memory nodes only (they are a file's home), names and attributes by processor nodes. S knows nothing of processes:
 * permission checks are the caller's.
 *
 * A file is named by (fs, ino, gen): fs is a mounted volume of this node, gen the inode's generation; -ESTALE when it no
 * longer matches. Bulk names are plain bytes without a terminator, 1 to 255 of them, no '/' and no NUL.
 */
#ifndef MANAGERS_PROTOCOL_STORAGE_OPS_H
#define MANAGERS_PROTOCOL_STORAGE_OPS_H

#include "managers/protocol/gen.h"

struct wire_attr {		/* what stat shows; times in Unix seconds and nanoseconds */
	le64 ino, size, blocks;	/* blocks of 512 bytes */
	le64 atime, mtime, ctime, btime;
	le32 atime_ns, mtime_ns, ctime_ns, btime_ns;
	le32 fs, gen;
	le32 mode, nlink, uid, gid, rdev;	/* mode with S_IFMT bits, as in Linux */
	le32 blksize;
	le32 lease_ms;		/* so long from the question on no other processor node changes this; 0: it may at any time */
} __packed;

struct wire_mount {		/* bulk of storage_mounts: an array of these */
	le32 fs, root_gen;
	le64 root_ino;
	le32 flags;		/* WIRE_MOUNT_RO */
	char path[108];		/* where it belongs in the tree, "/" or "/mnt" */
} __packed;
#define WIRE_MOUNT_RO	1

struct wire_dirent {		/* bulk of storage_readdir: one after the other, each 8-byte aligned */
	le64 ino, cookie;	/* cookie of the entry behind this one */
	le16 reclen;		/* of this record, padding included */
	u8 type;		/* DT_* */
	u8 name_len;
	char name[];		/* name_len bytes, no terminator */
} __packed;

struct wire_statfs {
	le64 blocks, bfree, bavail, files, ffree;
	le32 type, bsize, namelen, flags;
	le64 fsid;
} __packed;

#define WIRE_TARGET_MAX	256	/* bytes of a symlink's target that come with its name */

/* storage_setattr mask */
#define WIRE_SET_MODE	1
#define WIRE_SET_UID	2
#define WIRE_SET_GID	4
#define WIRE_SET_ATIME	8
#define WIRE_SET_MTIME	16

/*	number name			class */
#define RPC_STORAGE_OPS(X)						\
	X(0x200, storage_mounts,	RPC_WORKER)	\
	X(0x201, storage_lookup,	RPC_WORKER)	\
	X(0x202, storage_getattr,	RPC_WORKER)	\
	X(0x203, storage_setattr,	RPC_WORKER)	\
	X(0x204, storage_readdir,	RPC_WORKER)	\
	X(0x205, storage_readlink,	RPC_WORKER)	\
	X(0x206, storage_create,	RPC_WORKER)	\
	X(0x207, storage_symlink,	RPC_WORKER)	\
	X(0x208, storage_link,		RPC_WORKER)	\
	X(0x209, storage_unlink,	RPC_WORKER)	\
	X(0x20a, storage_rename,	RPC_WORKER)	\
	X(0x20b, storage_statfs,	RPC_WORKER)	\
	X(0x20c, storage_read,		RPC_WORKER)	\
	X(0x20d, storage_write,		RPC_WORKER)	\
	X(0x20e, storage_truncate,	RPC_WORKER)	\
	X(0x20f, storage_sync,		RPC_WORKER)	\
	X(0x210, storage_hold,		RPC_WORKER)	\
	X(0x211, storage_release,	RPC_WORKER)	\
	X(0x212, storage_shutdown,	RPC_WORKER)	\
	X(0x213, storage_range,		RPC_WORKER)

#define RPC_FILE_FIELDS(F)	F(le32, fs) F(le32, gen) F(le64, ino)
#define RPC_NO_FIELDS(F)

#define RPC_storage_mounts_REQ(F)
#define RPC_storage_mounts_REP(F)	F(le32, nr)			/* bulk: struct wire_mount[nr] */
#define RPC_storage_lookup_REQ(F)	RPC_FILE_FIELDS(F)		/* the directory; bulk: name ("." and ".." work) */
#define RPC_storage_lookup_REP(F)	F(struct wire_attr, attr)	/* bulk: a symlink's target, if there is room for it; else none */
#define RPC_storage_getattr_REQ(F)	RPC_FILE_FIELDS(F)
#define RPC_storage_getattr_REP(F)	F(struct wire_attr, attr)
#define RPC_storage_setattr_REQ(F)	RPC_FILE_FIELDS(F) F(le32, mask) F(le32, mode) F(le32, uid) F(le32, gid) \
					F(le64, atime) F(le64, mtime) F(le32, atime_ns) F(le32, mtime_ns)
#define RPC_storage_setattr_REP(F)	F(struct wire_attr, attr)
#define RPC_storage_readdir_REQ(F)	RPC_FILE_FIELDS(F) F(le64, cookie) /* 0: from the start */
#define RPC_storage_readdir_REP(F)	F(le32, nr) F(le32, end)	/* end: nothing is behind these nr; bulk: wire_dirents, "." and ".." too */
#define RPC_storage_readlink_REQ(F)	RPC_FILE_FIELDS(F)
#define RPC_storage_readlink_REP(F)	F(le32, len)			/* bulk: the target */
#define RPC_storage_create_REQ(F)	RPC_FILE_FIELDS(F) F(le32, mode) F(le32, uid) F(le32, gid) F(le32, rdev) \
					F(le64, now) F(le32, now_ns)	/* any S_IFMT but a symlink; bulk: name; -EEXIST; no name: a regular file without, which the asking node holds */
#define RPC_storage_create_REP(F)	F(struct wire_attr, attr)
#define RPC_storage_symlink_REQ(F)	RPC_FILE_FIELDS(F) F(le32, uid) F(le32, gid) F(le32, name_len) F(le64, now) F(le32, now_ns)
#define RPC_storage_symlink_REP(F)	F(struct wire_attr, attr)	/* bulk: name, then target */
#define RPC_storage_link_REQ(F)		RPC_FILE_FIELDS(F) F(le64, dir_ino) F(le32, dir_gen) F(le64, now) F(le32, now_ns) F(le32, first) /* first: it may have none */
#define RPC_storage_link_REP(F)		F(struct wire_attr, attr)	/* bulk: the new name */
#define RPC_storage_unlink_REQ(F)	RPC_FILE_FIELDS(F) F(le32, rmdir) F(le64, now) F(le32, now_ns) /* the directory; bulk: name */
#define RPC_storage_unlink_REP(F)	F(struct wire_attr, attr)	/* of what was removed; nlink 0: gone when released */
#define RPC_storage_rename_REQ(F)	RPC_FILE_FIELDS(F) F(le64, new_ino) F(le32, new_gen) F(le32, flags) F(le32, name_len) \
					F(le64, now) F(le32, now_ns)	/* from, to directory; bulk: old name, new name */
#define RPC_storage_rename_REP(F)	F(le64, moved) F(le64, replaced)	/* inodes; 0: none was replaced */
#define RPC_storage_statfs_REQ(F)	F(le32, fs)
#define RPC_storage_statfs_REP(F)	F(struct wire_statfs, st)
#define RPC_storage_read_REQ(F)		RPC_FILE_FIELDS(F) F(le64, off) F(le32, len)
#define RPC_storage_read_REP(F)						/* bulk: up to len bytes; short only at the file's end; holes read as zeros */
#define RPC_storage_write_REQ(F)	RPC_FILE_FIELDS(F) F(le64, off) F(le64, now) F(le32, now_ns) /* bulk: the data; extends the file */
#define RPC_storage_write_REP(F)	F(le64, size)			/* the file's size now */
#define RPC_storage_truncate_REQ(F)	RPC_FILE_FIELDS(F) F(le64, size) F(le64, now) F(le32, now_ns)
#define RPC_storage_truncate_REP(F)
	/* WIRE_RANGE_* (memory_ops.h); from M alone, which has written back what it knows of the range. -ENXIO: no data behind off */
#define RPC_storage_range_REQ(F)	RPC_FILE_FIELDS(F) F(le64, off) F(le64, len) F(le32, what) F(le64, now) F(le32, now_ns)
#define RPC_storage_range_REP(F)	F(le64, off)
#define RPC_storage_sync_REQ(F)		RPC_FILE_FIELDS(F)		/* ino 0: the whole volume */
#define RPC_storage_sync_REP(F)
#define RPC_storage_hold_REQ(F)		RPC_FILE_FIELDS(F)		/* an open file lives on after its last unlink until released */
#define RPC_storage_hold_REP(F)		F(struct wire_attr, attr)
#define RPC_storage_release_REQ(F)	RPC_FILE_FIELDS(F)
#define RPC_storage_release_REP(F)
#define RPC_storage_shutdown_REQ(F)					/* sync, unmount clean, power off after the reply */
#define RPC_storage_shutdown_REP(F)

enum { RPC_STORAGE_OPS(RPC_GEN_ENUM) };
RPC_STORAGE_OPS(RPC_GEN_STRUCT)
RPC_STORAGE_OPS(RPC_GEN_SERVE)

#endif
