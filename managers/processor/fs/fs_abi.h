/* SPDX-License-Identifier: MIT */
/* The Linux x86-64 user ABI around files: numbers and layouts (open(2), stat(2), statx(2), statfs(2), getdents(2), poll(2)). */
#ifndef MANAGERS_PROCESSOR_FS_ABI_H
#define MANAGERS_PROCESSOR_FS_ABI_H

#include "lib/base/types.h"

#define O_ACCMODE	3
#define O_RDONLY	0
#define O_WRONLY	1
#define O_RDWR		2
#define O_CREAT		0100
#define O_EXCL		0200
#define O_NOCTTY	0400
#define O_TRUNC		01000
#define O_APPEND	02000
#define O_NONBLOCK	04000
#define O_DSYNC		010000
#define O_ASYNC		020000
#define O_DIRECT	040000
#define O_LARGEFILE	0100000
#define O_DIRECTORY	0200000
#define O_NOFOLLOW	0400000
#define O_NOATIME	01000000
#define O_CLOEXEC	02000000
#define O_SYNC		04010000
#define O_PATH		010000000
#define O_TMPFILE	020200000
#define O_TMPFILE_ALONE	020000000	/* without the O_DIRECTORY that belongs to it */

#define S_IFMT		0170000
#define S_IFSOCK	0140000
#define S_IFLNK		0120000
#define S_IFREG		0100000
#define S_IFBLK		0060000
#define S_IFDIR		0040000
#define S_IFCHR		0020000
#define S_IFIFO		0010000
#define S_ISUID		0004000
#define S_ISGID		0002000
#define S_IXGRP		0000010
#define S_ISVTX		0001000

#define AT_FDCWD		(-100)
#define AT_SYMLINK_NOFOLLOW	0x100
#define AT_EACCESS		0x200
#define AT_REMOVEDIR		0x200
#define AT_SYMLINK_FOLLOW	0x400
#define AT_NO_AUTOMOUNT		0x800
#define AT_EMPTY_PATH		0x1000
#define AT_STATX_SYNC_TYPE	0x6000

#define SEEK_SET	0
#define SEEK_CUR	1
#define SEEK_END	2
#define SEEK_DATA	3
#define SEEK_HOLE	4

#define F_DUPFD		0
#define F_GETFD		1
#define F_SETFD		2
#define F_GETFL		3
#define F_SETFL		4
#define F_GETLK		5
#define F_SETLK		6
#define F_SETLKW	7
#define F_SETOWN	8
#define F_GETOWN	9
#define F_SETSIG	10
#define F_GETSIG	11
#define F_SETOWN_EX	15
#define F_GETOWN_EX	16
#define F_GETOWNER_UIDS	17
#define F_SETLEASE	1024
#define F_GETLEASE	1025
#define F_GET_RW_HINT	1035
#define F_SET_RW_HINT	1036
#define F_DUPFD_CLOEXEC	1030
#define F_SETPIPE_SZ	1031
#define F_GETPIPE_SZ	1032
#define F_ADD_SEALS	1033
#define F_GET_SEALS	1034
#define F_SEAL_SEAL	1
#define F_SEAL_SHRINK	2
#define F_SEAL_GROW	4
#define F_SEAL_WRITE	8
#define F_SEAL_FUTURE_WRITE 16
#define FD_CLOEXEC	1

#define POLLIN		1
#define POLLPRI		2
#define POLLOUT		4
#define POLLERR		8
#define POLLHUP		16
#define POLLNVAL	32
#define POLLRDNORM	64
#define POLLWRNORM	256
#define POLLWRBAND	0x200
#define POLLRDHUP	0x2000

#define TCGETS		0x5401
#define FIONREAD	0x541b
#define FIONBIO		0x5421
#define FIOASYNC	0x5452
#define FIONCLEX	0x5450
#define FIOCLEX		0x5451
#define FIOQSIZE	0x5460
#define FIGETBSZ	2
#define FICLONE		0x40049409

struct stat_abi {
	u64 dev, ino, nlink;
	u32 mode, uid, gid, pad;
	u64 rdev;
	s64 size, blksize, blocks;
	u64 atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
	s64 unused[3];
};
_Static_assert(sizeof(struct stat_abi) == 144, "as programs see it");

struct statx_time_abi { s64 sec; u32 nsec; s32 pad; };
struct statx_abi {
	u32 mask, blksize;
	u64 attributes;
	u32 nlink, uid, gid;
	u16 mode, pad;
	u64 ino, size, blocks, attributes_mask;
	struct statx_time_abi atime, btime, ctime, mtime;
	u32 rdev_major, rdev_minor, dev_major, dev_minor;
	u64 mnt_id, spare[13];
};
_Static_assert(sizeof(struct statx_abi) == 256, "as programs see it");
#define STATX_BASIC	0x7ff
#define STATX_BTIME	0x800
#define STATX_MNT_ID	0x1000
#define STATX_ATTR_MOUNT_ROOT 0x2000

struct statfs_abi { s64 type, bsize, blocks, bfree, bavail, files, ffree; s32 fsid[2]; s64 namelen, frsize, flags, spare[4]; };

#define ST_VALID	0x20		/* flags mean something */
#define ST_NOATIME	0x400		/* reading a file leaves its atime alone */

struct dirent64_abi { u64 ino; s64 off; u16 reclen; u8 type; char name[]; } __packed;
#define DT_OF_MODE(mode) (((mode) & S_IFMT) >> 12)

struct iovec_abi { u64 base, len; };
#define IOV_MAX 1024

#endif
