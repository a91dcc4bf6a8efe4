/* SPDX-License-Identifier: MIT */
/* The system calls on attributes of files: mode, owner, times, size; extended ones. */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/inotify.h"
#include "managers/processor/fs/mount.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "managers/processor/syscall/where.h"
#include "mm/slab.h"

/* Its rights are known, and it stands where something may be changed. */
static int may_begin(struct inode *i)
{
	return mount_flags(i->mount) & MS_RDONLY ? -EROFS : inode_rights(i);
}

/* The time of a read or a write alone is told as one. */
static int set_attr(struct inode *i, const struct attr *a, u32 mask)
{
	int rc = i->ops->setattr != NULL ? i->ops->setattr(i, a, mask) : -EROFS;

	if (rc == 0)
		inotify_inode(i, mask == SET_ATIME ? IN_ACCESS : mask == SET_MTIME ? IN_MODIFY : IN_ATTRIB);
	return rc;
}

static bool owns(const struct inode *i)
{
	return process_current()->cred.fsuid == i->uid;
}

/* Only the owner may, or CAP_CHOWN; an owner may give a file only to a group that is his. */
static bool may_give(const struct inode *i, const struct attr *a, u32 mask)
{
	const struct credentials *c = &process_current()->cred;

	if (cred_has(c, CAP_CHOWN))
		return true;
	return owns(i) && !((mask & SET_UID) && a->uid != i->uid) &&
	       !((mask & SET_GID) && a->gid != i->gid && a->gid != c->fsgid && !credentials_in_group(a->gid));
}

/* chmod, chown, utimensat */
static int change_attr(struct inode *i, const struct attr *a, u32 mask)
{
	bool may = mask & (SET_UID | SET_GID) ? may_give(i, a, mask) : owns(i) || capable(CAP_FOWNER);

	return may ? set_attr(i, a, mask) : -EPERM;
}

/* Who is not of the file's group cannot give it that group's rights. */
static int chmod_act(struct inode *i, void *arg)
{
	struct attr a = { .mode = *(const u32 *)arg & 07777 };
	int rc = may_begin(i);

	if (rc < 0)
		return rc;
	if ((a.mode & S_ISGID) && !credentials_may_set_group(i->gid))
		a.mode &= ~(u32)S_ISGID;
	return change_attr(i, &a, SET_MODE);
}

s64 sys_fchmodat(u64 dirfd, u64 path, u64 mode, u64 a3, u64 a4, u64 a5)
{
	u32 m = mode;

	return path_do(dirfd, path, false, WALK_FOLLOW, chmod_act, &m);
}

s64 sys_chmod(u64 path, u64 mode, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_fchmodat(AT_FDCWD, path, mode, 0, 0, 0); }

s64 sys_fchmod(u64 fd, u64 mode, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u32 m = mode;

	return fd_do(fd, chmod_act, &m);
}

/* --- owners --- */

struct owners { u32 uid, gid; };		/* -1: as it is */

/* A change of owner takes the set-id bits of all but folders away. */
static int chown_act(struct inode *i, void *arg)
{
	const struct owners *o = arg;
	struct attr a = { .uid = o->uid, .gid = o->gid };
	u32 mask = (o->uid != (u32)-1 ? SET_UID : 0) | (o->gid != (u32)-1 ? SET_GID : 0);
	int rc = may_begin(i);

	if (rc < 0)
		return rc;
	if (i->type != S_IFDIR && (i->mode & 06000)) {
		a.mode = i->mode & ~(04000U | (i->mode & 010 ? 02000 : 0)) & 07777;
		mask |= SET_MODE;
	}
	if (mask == 0)				/* anybody's to ask for: the time of the change alone */
		return set_attr(i, &a, 0);
	return change_attr(i, &a, mask);
}

s64 sys_fchownat(u64 dirfd, u64 path, u64 uid, u64 gid, u64 flags, u64 a5)
{
	struct owners o = { uid, gid };

	if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return path_do(dirfd, path, flags & AT_EMPTY_PATH, follow(flags), chown_act, &o);
}

s64 sys_chown(u64 path, u64 uid, u64 gid, u64 a3, u64 a4, u64 a5) { return sys_fchownat(AT_FDCWD, path, uid, gid, 0, 0); }
s64 sys_lchown(u64 path, u64 uid, u64 gid, u64 a3, u64 a4, u64 a5)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW, 0);
}

s64 sys_fchown(u64 fd, u64 uid, u64 gid, u64 a3, u64 a4, u64 a5)
{
	struct owners o = { uid, gid };

	return fd_do(fd, chown_act, &o);
}

/* --- times --- */

#define UTIME_NOW	0x3fffffff
#define UTIME_OMIT	0x3ffffffe

struct times { struct timespec_abi ts[2]; };	/* of reading, of writing */

static bool time_given(const struct timespec_abi *t)
{
	return t->nsec != UTIME_NOW && t->nsec != UTIME_OMIT;
}

/* Whoever may write to a file may set its times to now; other times are the owner's affair. */
static int times_act(struct inode *i, void *arg)
{
	const struct times *t = arg;
	bool all_now = t->ts[0].nsec == UTIME_NOW && t->ts[1].nsec == UTIME_NOW;
	u64 now = time_wall_ns();
	struct timespec_abi ts[2];
	struct attr a = { 0 };
	u32 mask = 0;
	int rc;

	for (int n = 0; n < 2; n++) {
		ts[n] = t->ts[n];
		if (time_given(&ts[n]) && (ts[n].nsec < 0 || ts[n].nsec >= (s64)NSEC_PER_SEC))
			return -EINVAL;
		if (ts[n].nsec == UTIME_NOW)
			ts[n] = (struct timespec_abi){ now / NSEC_PER_SEC, now % NSEC_PER_SEC };
		if (t->ts[n].nsec != UTIME_OMIT)
			mask |= n == 0 ? SET_ATIME : SET_MTIME;
	}
	a.atime.sec = ts[0].sec;
	a.atime.nsec = ts[0].nsec;
	a.mtime.sec = ts[1].sec;
	a.mtime.nsec = ts[1].nsec;
	rc = mask == 0 ? 0 : may_begin(i);
	if (rc < 0 || mask == 0)
		return rc;
	if (!all_now)
		return change_attr(i, &a, mask);
	return owns(i) || capable(CAP_FOWNER) || fs_permission(i, MAY_WRITE) == 0 ? set_attr(i, &a, mask) : -EACCES;
}

#define TIMES_NOW	{ { { 0, UTIME_NOW }, { 0, UTIME_NOW } } }

s64 sys_utimensat(u64 dirfd, u64 path, u64 times, u64 flags, u64 a4, u64 a5)
{
	struct times t = TIMES_NOW;

	if (times != 0 && copy_from_user(t.ts, times, sizeof(t.ts)) < 0)
		return -EFAULT;
	if (t.ts[0].nsec == UTIME_OMIT && t.ts[1].nsec == UTIME_OMIT)	/* nothing is to be done, to whatever file */
		return 0;
	if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (path == 0 && (s32)dirfd != AT_FDCWD)
		return flags != 0 ? -EINVAL : fd_do(dirfd, times_act, &t);
	return path_do(dirfd, path, flags & AT_EMPTY_PATH, follow(flags), times_act, &t);
}

s64 sys_futimesat(u64 dirfd, u64 path, u64 times, u64 a3, u64 a4, u64 a5)
{
	struct times t = TIMES_NOW;
	struct timeval_abi tv[2];

	if (times != 0) {
		if (copy_from_user(tv, times, sizeof(tv)) < 0)
			return -EFAULT;
		for (int n = 0; n < 2; n++) {
			if (tv[n].usec < 0 || tv[n].usec >= 1000000)
				return -EINVAL;
			t.ts[n] = (struct timespec_abi){ tv[n].sec, tv[n].usec * 1000 };
		}
	}
	return path == 0 ? fd_do(dirfd, times_act, &t) : path_do(dirfd, path, false, WALK_FOLLOW, times_act, &t);
}

s64 sys_utimes(u64 path, u64 times, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_futimesat(AT_FDCWD, path, times, 0, 0, 0); }

s64 sys_utime(u64 path, u64 times, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct times t = TIMES_NOW;
	s64 sec[2];

	if (times != 0) {
		if (copy_from_user(sec, times, sizeof(sec)) < 0)
			return -EFAULT;
		t.ts[0] = (struct timespec_abi){ sec[0], 0 };
		t.ts[1] = (struct timespec_abi){ sec[1], 0 };
	}
	return path_do(AT_FDCWD, path, false, WALK_FOLLOW, times_act, &t);
}

/* --- size --- */

static int may_resize_file(struct file *f, s64 size)
{
	size_t len = 1;
	int rc = 0;

	if (!(file_access(f) & MAY_WRITE) || f->object == NULL)
		return -EINVAL;
	if ((u64)size > FILE_SIZE_MAX)
		return -EFBIG;
	if (size > 0 && (u64)size > object_size(f->object))
		rc = rlimit_file_size(size - 1, &len);
	return rc == 0 && f->ops->may_resize != NULL ? f->ops->may_resize(f, size) : rc;
}

static s64 resize_file(struct file *f, s64 size, int (*resize)(struct file *f, u64 size))
{
	int rc = may_resize_file(f, size);

	return rc < 0 ? rc : resize(f, size);
}

static s64 truncate_file(struct file *f, s64 size)
{
	s64 rc;

	if (f->object == NULL)
		return -EINVAL;
	file_change_begin(f);
	rc = resize_file(f, size, fs_resize);
	file_change_end(f);
	if (rc == 0)
		inotify_file(f, IN_MODIFY);
	return rc;
}

s64 sys_ftruncate(u64 fd, u64 size, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct file *f;
	s64 rc;

	if ((s64)size < 0)
		return -EINVAL;
	f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	rc = truncate_file(f, size);
	file_put(f);
	return rc;
}

s64 sys_truncate(u64 path, u64 size, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct inode *i;
	struct where w;
	struct file *f;
	s64 rc;

	if ((s64)size < 0)
		return -EINVAL;
	rc = where_get(&w, AT_FDCWD, path, false);
	if (rc < 0)
		return rc;
	rc = lookup_user(AT_FDCWD, path, false, WALK_FOLLOW, &i);
	if (rc == 0) {
		rc = i->type == S_IFDIR ? -EISDIR : i->type != S_IFREG ? -EINVAL : 0;	/* a fifo's open would wait */
		inode_put(i);
	}
	if (rc == 0)
		rc = fs_open(fs_current(), NULL, w.path, O_WRONLY, 0, &f);
	where_put(&w);
	if (rc < 0)
		return rc;
	rc = truncate_file(f, size);
	file_put(f);
	return rc;
}

/* --- fallocate(2): in whole pages by the node that keeps them, the rest as a write --- */

#define FALLOC_KEEP_SIZE	1
#define FALLOC_PUNCH_HOLE	2
#define FALLOC_ZERO_RANGE	0x10
#define FALLOC_KNOWN		0x7f

/* A place for each page. Shared memory has its pages up to its size, and so is made longer first; a file afterwards. */
static s64 reserve(struct file *f, u64 from, u64 to, bool keep)
{
	bool shm = object_is_shm(f->object), grows = to > object_size(f->object);
	s64 rc = shm && keep && grows ? -EOPNOTSUPP : 0;

	grows &= !keep;
	if (rc == 0 && grows)
		rc = shm ? resize_file(f, to, fs_grow) : may_resize_file(f, to);
	if (rc == 0)
		rc = object_allocate(f->object, from >> PAGE_SHIFT, page_up(to) >> PAGE_SHIFT);
	if (rc == -EOPNOTSUPP && !shm && !keep)
		rc = 0;				/* an old file: its blocks are taken when it is written */
	if (rc == 0 && !shm && grows)
		rc = resize_file(f, to, fs_grow);
	return shm && rc == -ENOMEM ? -ENOSPC : rc;
}

static s64 zero(struct file *f, u64 from, u64 to, bool keep)
{
	s64 rc = object_zero(f->object, from, to);

	return rc == 0 && !keep && to > object_size(f->object) ? resize_file(f, to, fs_grow) : rc;
}

static s64 allocate(struct file *f, u32 mode, u64 from, u64 to)
{
	s64 rc = -EOPNOTSUPP;

	if ((mode & FALLOC_ZERO_RANGE) && f->ops->may_change != NULL)
		rc = f->ops->may_change(f);
	if (rc == -EPERM)
		return rc;
	fs_written(f->inode);
	switch (mode) {
	case 0:
	case FALLOC_KEEP_SIZE:
		rc = reserve(f, from, to, mode & FALLOC_KEEP_SIZE);
		break;
	case FALLOC_ZERO_RANGE | FALLOC_KEEP_SIZE:
	case FALLOC_ZERO_RANGE:
		rc = zero(f, from, to, mode & FALLOC_KEEP_SIZE);
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (rc == 0 && f->ops->resized != NULL)
		f->ops->resized(f);
	return rc;
}

s64 sys_fallocate(u64 fd, u64 mode, u64 from, u64 len, u64 a4, u64 a5)
{
	struct file *f = fd_get(fd);
	u32 type;
	s64 rc;

	if (f == NULL)
		return -EBADF;
	type = f->inode != NULL ? f->inode->type : 0;
	if ((s64)from < 0 || (s64)len <= 0)
		rc = -EINVAL;
	else if (((u32)mode & ~FALLOC_KNOWN) || ((mode & FALLOC_PUNCH_HOLE) && !(mode & FALLOC_KEEP_SIZE)) ||
		 (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) == (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE))
		rc = -EOPNOTSUPP;
	else if (!(file_access(f) & MAY_WRITE))
		rc = -EBADF;
	else if (type == S_IFIFO)
		rc = -ESPIPE;
	else if (type == S_IFDIR)
		rc = -EISDIR;
	else if (type != S_IFREG || f->object == NULL)
		rc = -ENODEV;
	else if (from + len > FILE_SIZE_MAX)
		rc = -EFBIG;
	else if ((u32)mode == (FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE))
		rc = fs_punch(f, from, from + len);
	else {
		file_change_begin(f);
		rc = allocate(f, mode, from, from + len);
		file_change_end(f);
		if (rc == 0)
			inotify_file(f, IN_MODIFY);
	}
	file_put(f);
	return rc;
}

/* --- extended attributes: no file system here has them. The arguments are looked at all the same, in Linux's order --- */

#define XATTR_NAME_MAX	255
#define XATTR_SIZE_MAX	65536
#define XATTR_FLAGS	3

static s64 no_xattr_name(u64 user)
{
	char name[XATTR_NAME_MAX + 1];
	s64 n = strncpy_from_user(name, user, sizeof(name));

	return n == 0 || n == -ENAMETOOLONG ? -ERANGE : n < 0 ? n : -EOPNOTSUPP;
}

static s64 no_setxattr(u64 name, u64 value, u64 size, u64 flags)
{
	s64 rc = (u32)flags & ~XATTR_FLAGS ? -EINVAL : no_xattr_name(name);
	u8 *buf;

	if (rc != -EOPNOTSUPP || size == 0)
		return rc;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	buf = kmalloc(size);
	if (buf == NULL)
		return -ENOMEM;
	if (copy_from_user(buf, value, size) < 0)
		rc = -EFAULT;
	kfree(buf);
	return rc;
}

static int xattr_path(u64 path, unsigned walk)
{
	struct inode *i;
	int rc = lookup_user(AT_FDCWD, path, false, walk, &i);

	if (rc == 0)
		inode_put(i);
	return rc;
}

static int xattr_fd(u64 fd)
{
	struct inode *i;
	int rc = fd_inode(fd, &i);

	if (rc == 0)
		inode_put(i);
	return rc == -EINVAL ? 0 : rc;			/* a file without an inode has none either */
}

#define XATTR(verb, what)															\
	s64 sys_##verb(u64 p, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { int rc = xattr_path(p, WALK_FOLLOW); return rc < 0 ? rc : (what); }	\
	s64 sys_l##verb(u64 p, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { int rc = xattr_path(p, 0); return rc < 0 ? rc : (what); }		\
	s64 sys_f##verb(u64 fd, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { int rc = xattr_fd(fd); return rc < 0 ? rc : (what); }
XATTR(setxattr, no_setxattr(a1, a2, a3, a4))
XATTR(getxattr, no_xattr_name(a1))
XATTR(listxattr, 0)
XATTR(removexattr, no_xattr_name(a1))
