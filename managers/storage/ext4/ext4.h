/* SPDX-License-Identifier: MIT */
/*
 * ext4: a file system that mke2fs makes and e2fsck checks, over one block device. Pure logic, also for the host.
 *
 * Rules for callers: one call at a time per volume (the caller's lock); every call may sleep for the disk. A file is
 * named by inode number and generation; -ESTALE when that file is gone. The time is the caller's: `now` is what becomes
 * ctime and mtime. Damage found on disk is -EUCLEAN; from then on the volume is read-only. A volume is marked "not
 * unmounted in order" by its first change, not by being mounted. There is no journal yet: a crash needs e2fsck.
 *
 *	rc = ext4_mount(dev, &opts, &fs);
 *	rc = ext4_lookup(fs, ext4_root(fs), "bin", 3, &attr);
 *	rc = ext4_read(fs, (struct ext4_id){ attr.ino, attr.gen }, 0, buf, sizeof(buf));
 *	ext4_unmount(fs, now);
 */
#ifndef MANAGERS_STORAGE_EXT4_H
#define MANAGERS_STORAGE_EXT4_H

#include "drivers/block.h"
#include "lib/base/types.h"

struct ext4;

struct ext4_time {
	s64 sec;		/* since 1970, UTC */
	u32 nsec;
};

struct ext4_id {
	u32 ino, gen;
};

struct ext4_attr {
	u32 ino, gen;
	u64 size, blocks;	/* blocks of 512 bytes */
	struct ext4_time atime, mtime, ctime, btime;	/* btime 0 when the inode has no room for it */
	u32 mode, nlink, uid, gid, rdev, blksize;	/* mode and rdev as Linux's stat shows them */
};

struct ext4_opts {
	bool read_only;
	u32 cache_bytes;	/* bound of the metadata cache; 0: 8 MiB */
	struct ext4_time now;
};

struct ext4_stat {
	u64 blocks, bfree, bavail, files, ffree, fsid;
	u32 bsize;
};

/* file types of a mode, and of directory entries (DT_*, mode >> 12) */
#define EXT4_S_IFMT	0170000
#define EXT4_S_IFIFO	0010000
#define EXT4_S_IFCHR	0020000
#define EXT4_S_IFDIR	0040000
#define EXT4_S_IFBLK	0060000
#define EXT4_S_IFREG	0100000
#define EXT4_S_IFLNK	0120000
#define EXT4_S_IFSOCK	0140000

/*
 * -EINVAL not ext4, or damaged; -EPROTONOSUPPORT a feature that must be understood and is not (its name is logged);
 * -EIO, -ENOMEM. Mounted read-only, with a line in the log, when something forbids writing: see ext4_read_only().
 */
int __must_check ext4_mount(struct blkdev *dev, const struct ext4_opts *opts, struct ext4 **out);
/* Delete what lived on only because it was held, write everything back, mark the volume clean, free all. */
int ext4_unmount(struct ext4 *fs, struct ext4_time now);
/*
 * All that was answered so far is on stable storage when this returns 0. clean: the volume is also marked as if it were
 * unmounted, until its next change; for idle times.
 */
int __must_check ext4_sync(struct ext4 *fs, bool clean, struct ext4_time now);
bool ext4_dirty(const struct ext4 *fs);		/* changed since it was mounted or marked clean */
void ext4_drop_caches(struct ext4 *fs);		/* clean metadata that nobody uses leaves memory */
bool ext4_read_only(const struct ext4 *fs);
struct ext4_id ext4_root(struct ext4 *fs);
void ext4_statfs(struct ext4 *fs, struct ext4_stat *st);

int __must_check ext4_getattr(struct ext4 *fs, struct ext4_id id, struct ext4_attr *attr);
#define EXT4_SET_MODE	1	/* the low 12 bits of attr->mode */
#define EXT4_SET_UID	2
#define EXT4_SET_GID	4
#define EXT4_SET_ATIME	8
#define EXT4_SET_MTIME	16
/* Set what mask names from *attr; *attr is then what stands. */
int __must_check ext4_setattr(struct ext4 *fs, struct ext4_id id, unsigned mask, struct ext4_attr *attr,
			      struct ext4_time now);

/* Bytes read, fewer than len only at the end of the file. -EISDIR, -EINVAL (not a regular file). */
s64 __must_check ext4_read(struct ext4 *fs, struct ext4_id id, u64 off, void *buf, u32 len);
/* Bytes written: fewer than len when the disk is full after some; else -ENOSPC. *size is the file's size then. */
s64 __must_check ext4_write(struct ext4 *fs, struct ext4_id id, u64 off, const void *buf, u32 len,
			    struct ext4_time now, u64 *size);
int __must_check ext4_truncate(struct ext4 *fs, struct ext4_id id, u64 size, struct ext4_time now);

/*
 * Of a regular file: where the first data (hole: the first hole) at or behind off is, by whole blocks; what was allocated and never
 * written is a hole, and so is the end. -ENXIO: off is not in the file, or there is no data behind it.
 */
int __must_check ext4_seek(struct ext4 *fs, struct ext4_id id, u64 off, bool hole, u64 *out);
/* [off, off + len) reads as zeros, and its whole blocks are free. The size stays. -EOPNOTSUPP: a file with an old block map. */
int __must_check ext4_punch(struct ext4 *fs, struct ext4_id id, u64 off, u64 len, struct ext4_time now);
/* Every block of the range has a place, and reads as before. The size stays. -ENOSPC, some may have one then; -EOPNOTSUPP as above. */
int __must_check ext4_allocate(struct ext4 *fs, struct ext4_id id, u64 off, u64 len, struct ext4_time now);

/* Names are 1 to 255 bytes, without '/' and NUL: checked here (-EINVAL, -ENAMETOOLONG). */
int __must_check ext4_lookup(struct ext4 *fs, struct ext4_id dir, const char *name, u32 len, struct ext4_attr *attr);
/* attr in: mode, uid, gid, rdev; out: the new file's. Any type but a symlink. */
int __must_check ext4_create(struct ext4 *fs, struct ext4_id dir, const char *name, u32 len, struct ext4_attr *attr,
			     struct ext4_time now);
int __must_check ext4_symlink(struct ext4 *fs, struct ext4_id dir, const char *name, u32 len, const char *target,
			      u32 target_len, struct ext4_attr *attr, struct ext4_time now);
/* The target's length (at most the block size); at most size bytes are copied to buf. */
int __must_check ext4_readlink(struct ext4 *fs, struct ext4_id id, char *buf, u32 size);
/*
 * A regular file under no name, as if made in dir. It has a link still, which nothing names: the caller holds it, then takes that away with
 * ext4_unname(). ext4_link_first() gives such a file, while it is held, its first name.
 */
int __must_check ext4_create_nameless(struct ext4 *fs, struct ext4_id dir, struct ext4_attr *attr, struct ext4_time now);
int __must_check ext4_unname(struct ext4 *fs, struct ext4_id id, struct ext4_time now);
int __must_check ext4_link_first(struct ext4 *fs, struct ext4_id file, struct ext4_id dir, const char *name, u32 len,
				 struct ext4_attr *attr, struct ext4_time now);
int __must_check ext4_link(struct ext4 *fs, struct ext4_id file, struct ext4_id dir, const char *name, u32 len,
			   struct ext4_attr *attr, struct ext4_time now);
/* rmdir: the name must be an empty directory, else no directory. *attr: what was removed, nlink 0 if it is gone. */
int __must_check ext4_unlink(struct ext4 *fs, struct ext4_id dir, const char *name, u32 len, bool rmdir,
			     struct ext4_attr *attr, struct ext4_time now);
#define EXT4_RENAME_NOREPLACE	1
#define EXT4_RENAME_EXCHANGE	2
int __must_check ext4_rename(struct ext4 *fs, struct ext4_id from, const char *name, u32 len, struct ext4_id to,
			     const char *new_name, u32 new_len, unsigned flags, struct ext4_time now);

struct ext4_dent {
	u64 cookie;		/* of the entry behind this one */
	u32 ino;
	u8 type;		/* DT_* */
	u8 len;
	const char *name;	/* not terminated; valid during the call */
};
/*
 * Call emit() for each entry from cookie on (0: the start), until it returns false (that entry is not taken) or the end.
 * Cookies stay valid while names come and go. 0 or negative.
 */
int __must_check ext4_readdir(struct ext4 *fs, struct ext4_id dir, u64 cookie,
			      bool (*emit)(void *arg, const struct ext4_dent *d), void *arg);

/* A held file keeps its data after its last unlink, until as many releases. -ENOMEM, -ESTALE. */
int __must_check ext4_hold(struct ext4 *fs, struct ext4_id id, struct ext4_attr *attr);
/* -EINVAL when it is not held. */
int __must_check ext4_release(struct ext4 *fs, struct ext4_id id, struct ext4_time now);

#endif
