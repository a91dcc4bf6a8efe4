/* SPDX-License-Identifier: MIT */
/* The system calls on names: open, stat, directories, links. */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/dentry.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/inotify.h"
#include "managers/processor/fs/mount.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "managers/processor/syscall/where.h"
#include "mm/slab.h"

/* --- a path argument: the string, and where it begins --- */

void where_put(struct where *w)
{
	kfree(w->path);
	if (w->file != NULL)
		file_put(w->file);
	memset(w, 0, sizeof(*w));
}

int where_get(struct where *w, s32 dirfd, u64 user, bool empty_ok)
{
	s64 len;
	int rc = 0;

	memset(w, 0, sizeof(*w));
	w->path = kmalloc(PATH_MAX);
	if (w->path == NULL)
		return -ENOMEM;
	len = strncpy_from_user(w->path, user, PATH_MAX);
	if (len < 0)
		rc = len;
	else if (len == 0 && !empty_ok)
		rc = -ENOENT;
	else if (w->path[0] != '/' && dirfd != AT_FDCWD) {
		w->file = fd_get_any(dirfd);
		if (w->file == NULL)
			rc = -EBADF;
		else if (len != 0 && (w->file->dentry == NULL || w->file->inode->type != S_IFDIR))
			rc = -ENOTDIR;
		else
			w->start = w->file->dentry;
	}
	if (rc < 0)
		where_put(w);
	return rc;
}

struct fs_context *fs_current(void)
{
	return task_current()->fs;
}

/* What the path means, as an inode with a reference. */
static int where_inode(struct where *w, unsigned walk_flags, struct inode **out)
{
	struct dentry *d;
	int rc;

	if (w->path[0] == '\0') {
		if (w->file != NULL) {
			if (w->file->inode == NULL)
				return -EBADF;
			*out = w->file->inode;
		} else {
			mutex_lock(&fs_current()->lock);
			inode_get(*out = dentry_inode(fs_current()->cwd));
			mutex_unlock(&fs_current()->lock);
			return 0;
		}
		inode_get(*out);
		return 0;
	}
	rc = fs_lookup(fs_current(), w->start, w->path, walk_flags, &d);
	if (rc < 0)
		return rc;
	*out = d->inode;
	inode_get(*out);
	dentry_put(d);
	return 0;
}

int lookup_user(s32 dirfd, u64 user, bool empty_ok, unsigned walk_flags, struct inode **out)
{
	struct where w;
	int rc = where_get(&w, dirfd, user, empty_ok);

	if (rc < 0)
		return rc;
	rc = where_inode(&w, walk_flags, out);
	where_put(&w);
	return rc;
}

int path_do(s32 dirfd, u64 user, bool empty_ok, unsigned walk_flags, inode_act act, void *arg)
{
	struct inode *i;
	struct where w;
	int rc = where_get(&w, dirfd, user, empty_ok);

	if (rc < 0)
		return rc;
	for (unsigned tries = 0; tries < STALE_TRIES; tries++) {
		rc = where_inode(&w, walk_flags, &i);
		if (rc < 0)
			break;
		rc = act(i, arg);
		if (rc == -ESTALE && w.path[0] != '\0')
			fs_name_stale(fs_current(), w.start, w.path, walk_flags, i);
		inode_put(i);
		if (rc != -ESTALE || w.path[0] == '\0')
			break;
	}
	where_put(&w);
	return rc;
}

/* --- open --- */

static s64 open_at(s32 dirfd, u64 path, u32 flags, u32 mode, u32 resolve)
{
	struct where w;
	struct file *f;
	int rc = where_get(&w, dirfd, path, false);

	if (rc < 0)
		return rc;
	rc = fd_room();
	if (rc == 0)
		rc = fs_open_how(fs_current(), w.start, w.path, flags, mode, resolve, true, &f);
	where_put(&w);
	if (rc < 0)
		return rc;
	rc = fd_install(f, flags & O_CLOEXEC);
	if (rc < 0)
		file_put(f);
	return rc;
}

s64 sys_openat(u64 dirfd, u64 path, u64 flags, u64 mode, u64 a4, u64 a5)
{
	return open_at(dirfd, path, flags, mode, 0);
}

s64 sys_open(u64 path, u64 flags, u64 mode, u64 a3, u64 a4, u64 a5)
{
	return sys_openat(AT_FDCWD, path, flags, mode, 0, 0);
}

s64 sys_creat(u64 path, u64 mode, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode, 0, 0);
}

#define OPEN_FLAGS (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | 020000 | O_DIRECT | O_LARGEFILE | \
		    O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE)

s64 sys_openat2(u64 dirfd, u64 path, u64 how, u64 size, u64 a4, u64 a5)
{
	struct { u64 flags, mode, resolve; } h;

	if (size < sizeof(h))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copy_from_user(&h, how, sizeof(h)) < 0)
		return -EFAULT;
	for (u64 at = sizeof(h); at < size; at++) {		/* what later versions may say must be left unsaid */
		u8 byte;

		if (copy_from_user(&byte, how + at, 1) < 0)
			return -EFAULT;
		if (byte != 0)
			return -E2BIG;
	}
	if ((h.flags & O_PATH) && (h.flags & ~(u64)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)))
		return -EINVAL;			/* open(2) ignores them */
	if ((h.resolve & ~63ULL) || (h.flags & ~(u64)OPEN_FLAGS) || (h.mode & ~07777ULL))
		return -EINVAL;
	if ((h.resolve & RESOLVE_BENEATH) && (h.resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if (h.resolve & RESOLVE_CACHED)
		return -EAGAIN;			/* it cannot be known beforehand that no node will be asked */
	if (h.mode != 0 && !(h.flags & O_CREAT) && (h.flags & O_TMPFILE) != O_TMPFILE)
		return -EINVAL;
	return open_at(dirfd, path, h.flags, h.mode, h.resolve);
}

#define MFD_CLOEXEC	1
#define MFD_ALLOW_SEALING 2
#define MFD_HUGETLB	4		/* there are no huge pages to give */

s64 sys_memfd_create(u64 name_user, u64 flags, u64 a2, u64 a3, u64 a4, u64 a5)
{
	char name[250];
	struct file *f;
	s64 rc;

	if ((u32)flags & ~7U || (flags & MFD_HUGETLB))
		return -EINVAL;
	rc = strncpy_from_user(name, name_user, sizeof(name));
	if (rc < 0)
		return rc == -ENAMETOOLONG ? -EINVAL : rc;
	rc = memfd_open(name, flags & MFD_ALLOW_SEALING, &f);
	if (rc < 0)
		return rc;
	rc = fd_install(f, flags & MFD_CLOEXEC);
	if (rc < 0)
		file_put(f);
	return rc;
}

/* --- stat --- */

static int put_stat(u64 user, const struct attr *a)
{
	struct stat_abi s = { 0 };

	s.dev = a->dev;
	s.ino = a->ino;
	s.nlink = a->nlink;
	s.mode = a->mode;
	s.uid = a->uid;
	s.gid = a->gid;
	s.rdev = a->rdev;
	s.size = a->size;
	s.blksize = a->blksize;
	s.blocks = a->blocks;
	s.atime = a->atime.sec;
	s.atime_ns = a->atime.nsec;
	s.mtime = a->mtime.sec;
	s.mtime_ns = a->mtime.nsec;
	s.ctime = a->ctime.sec;
	s.ctime_ns = a->ctime.nsec;
	return copy_to_user(user, &s, sizeof(s));
}

struct stat_found { struct attr attr; struct inode *inode; };

static int stat_act(struct inode *i, void *arg)
{
	struct stat_found *f = arg;
	int rc = fs_stat(i, &f->attr);

	if (rc == 0)
		inode_get(f->inode = i);
	return rc;
}

/* What a path means, and its attributes: of one file, though the name may be given to another meanwhile. */
static int stat_user(s32 dirfd, u64 user, bool empty_ok, unsigned walk_flags, struct inode **out, struct attr *a)
{
	struct stat_found f;
	int rc = path_do(dirfd, user, empty_ok, walk_flags, stat_act, &f);

	if (rc < 0)
		return rc;
	*out = f.inode;
	*a = f.attr;
	return 0;
}

static s64 stat_inode(struct inode *i, u64 user)
{
	struct attr a;
	int rc = fs_stat(i, &a);

	inode_put(i);
	return rc < 0 ? rc : put_stat(user, &a);
}

s64 sys_newfstatat(u64 dirfd, u64 path, u64 user, u64 flags, u64 a4, u64 a5)
{
	struct inode *i;
	struct attr a;
	int rc;

	if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
		return -EINVAL;
	rc = stat_user(dirfd, path, flags & AT_EMPTY_PATH, follow(flags), &i, &a);
	if (rc < 0)
		return rc;
	inode_put(i);
	return put_stat(user, &a);
}

s64 sys_stat(u64 path, u64 user, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_newfstatat(AT_FDCWD, path, user, 0, 0, 0); }
s64 sys_lstat(u64 path, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return sys_newfstatat(AT_FDCWD, path, user, AT_SYMLINK_NOFOLLOW, 0, 0);
}

/* The inode of an open file, which is put. */
static int inode_of(struct file *f, struct inode **out)
{
	int rc = 0;

	if (f == NULL)
		return -EBADF;
	if (f->inode == NULL)
		rc = -EINVAL;
	else
		inode_get(*out = f->inode);
	file_put(f);
	return rc;
}

int fd_inode(u64 fd, struct inode **out)
{
	return inode_of(fd_get(fd), out);
}

int fd_do(u64 fd, inode_act act, void *arg)
{
	struct inode *i;
	int rc = fd_inode(fd, &i);

	if (rc < 0)
		return rc;
	rc = act(i, arg);
	inode_put(i);
	return rc;
}

/* Also of a descriptor that only names a file. */
static int fd_inode_any(u64 fd, struct inode **out)
{
	return inode_of(fd_get_any(fd), out);
}

s64 sys_fstat(u64 fd, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct inode *i;
	int rc = fd_inode_any(fd, &i);

	return rc < 0 ? rc : stat_inode(i, user);
}

s64 sys_statx(u64 dirfd, u64 path, u64 flags, u64 mask, u64 user, u64 a5)
{
	struct statx_abi s = { 0 };
	struct inode *i;
	struct attr a;
	int rc;

	if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	if ((mask & 0x80000000) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	rc = stat_user(dirfd, path, flags & AT_EMPTY_PATH, follow(flags), &i, &a);
	if (rc < 0)
		return rc;
	s.attributes_mask = STATX_ATTR_MOUNT_ROOT;
	s.attributes = i->mount_root ? STATX_ATTR_MOUNT_ROOT : 0;
	s.mask = STATX_BASIC | (i->mount != NULL ? STATX_MNT_ID : 0);
	s.mnt_id = i->mount != NULL ? MOUNT_ID(i->mount->id) : 0;
	inode_put(i);
	s.mask |= a.btime.sec ? STATX_BTIME : 0;
	s.blksize = a.blksize;
	s.nlink = a.nlink;
	s.uid = a.uid;
	s.gid = a.gid;
	s.mode = a.mode;
	s.ino = a.ino;
	s.size = a.size;
	s.blocks = a.blocks;
	s.atime = (struct statx_time_abi){ a.atime.sec, a.atime.nsec, 0 };
	s.btime = (struct statx_time_abi){ a.btime.sec, a.btime.nsec, 0 };
	s.ctime = (struct statx_time_abi){ a.ctime.sec, a.ctime.nsec, 0 };
	s.mtime = (struct statx_time_abi){ a.mtime.sec, a.mtime.nsec, 0 };
	s.rdev_major = a.rdev >> 8;
	s.rdev_minor = a.rdev & 255;
	s.dev_major = a.dev >> 8 & 0xfff;
	s.dev_minor = (a.dev & 255) | (a.dev >> 12 & 0xfff00);
	return copy_to_user(user, &s, sizeof(s));
}

struct access { u32 mode; bool effective; };

static int access_act(struct inode *i, void *arg)
{
	const struct credentials *c = &process_current()->cred;
	const struct access *a = arg;

	if (a->mode == 0)
		return 0;
	return a->effective ? fs_permission(i, a->mode) : fs_permission_ids(i, a->mode, c->uid, c->gid, c->uid == 0 ? c->permitted : 0);
}

static s64 access_at(s32 dirfd, u64 path, u32 mode, u64 flags)
{
	struct access a = { mode, flags & AT_EACCESS };

	if ((mode & ~7U) || (flags & ~(u64)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	return path_do(dirfd, path, flags & AT_EMPTY_PATH, follow(flags), access_act, &a);
}

s64 sys_access(u64 path, u64 mode, u64 a2, u64 a3, u64 a4, u64 a5) { return access_at(AT_FDCWD, path, mode, 0); }
s64 sys_faccessat(u64 dirfd, u64 path, u64 mode, u64 a3, u64 a4, u64 a5) { return access_at(dirfd, path, mode, 0); }
s64 sys_faccessat2(u64 dirfd, u64 path, u64 mode, u64 flags, u64 a4, u64 a5) { return access_at(dirfd, path, mode, flags); }

s64 sys_readlinkat(u64 dirfd, u64 path, u64 user, u64 size, u64 a4, u64 a5)
{
	struct where w;
	struct dentry *d;
	char *buf;
	s64 n;
	int rc;

	if ((s32)size <= 0)
		return -EINVAL;
	rc = where_get(&w, dirfd, path, true);
	if (rc < 0)
		return rc;
	if (w.path[0] != '\0')
		rc = fs_lookup(fs_current(), w.start, w.path, 0, &d);
	else if (w.start == NULL || dentry_inode(w.start)->type != S_IFLNK)
		rc = -ENOENT;			/* without a path it is a link that was opened itself, or nothing */
	else
		dentry_get(d = w.start);
	where_put(&w);
	if (rc < 0)
		return rc;
	buf = kmalloc(PATH_MAX);
	n = buf ? fs_readlink(d, buf, PATH_MAX) : -ENOMEM;
	dentry_put(d);
	if (n >= 0) {
		n = MIN(n, (s64)(s32)size);
		if (copy_to_user(user, buf, n) < 0)
			n = -EFAULT;
	}
	kfree(buf);
	return n;
}

s64 sys_readlink(u64 path, u64 user, u64 size, u64 a3, u64 a4, u64 a5)
{
	return sys_readlinkat(AT_FDCWD, path, user, size, 0, 0);
}

/* --- file systems --- */

static int statfs_to_user(u64 user, struct statfs_abi *st, u32 mount)
{
	st->flags |= ST_VALID | ST_NOATIME | mount;
	return copy_to_user(user, st, sizeof(*st));
}

s64 sys_statfs(u64 path, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct statfs_abi st;
	struct inode *i;
	u32 mount;
	int rc = lookup_user(AT_FDCWD, path, false, WALK_FOLLOW, &i);

	if (rc < 0)
		return rc;
	rc = i->ops->statfs != NULL ? i->ops->statfs(i, &st) : -ENOSYS;
	mount = mount_flags(i->mount);
	inode_put(i);
	return rc < 0 ? rc : statfs_to_user(user, &st, mount);
}

/* Of files that stand in no directory. */
static int nameless_statfs(const struct inode *i, struct statfs_abi *st)
{
	memset(st, 0, sizeof(*st));
	st->type = i->type == S_IFIFO ? 0x50495045 : i->type == S_IFSOCK ? 0x534f434b : 0x09041934;	/* as statfs(2) lists them */
	st->bsize = st->frsize = PAGE_SIZE;
	st->namelen = NAME_MAX;
	return 0;
}

s64 sys_fstatfs(u64 fd, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct statfs_abi st;
	struct inode *i;
	u32 mount;
	int rc = fd_inode_any(fd, &i);

	if (rc < 0)
		return rc;
	rc = i->ops->statfs != NULL ? i->ops->statfs(i, &st) : nameless_statfs(i, &st);
	mount = mount_flags(i->mount);
	inode_put(i);
	return rc < 0 ? rc : statfs_to_user(user, &st, mount);
}

/* object 0 on M: everything of everyone */
s64 sys_sync(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	space_sync_all();
	return 0;
}

static s64 sync_fd(u64 fd)
{
	struct file *f = fd_get(fd);
	int rc;

	if (f == NULL)
		return -EBADF;
	rc = f->object != NULL ? object_sync(f->object, true) : f->inode != NULL && f->inode->type == S_IFDIR ? 0 : -EINVAL;
	file_put(f);
	return rc;
}

s64 sys_fsync(u64 fd, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return sync_fd(fd); }
s64 sys_fdatasync(u64 fd, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return sync_fd(fd); }

s64 sys_syncfs(u64 fd, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct file *f = fd_get(fd);

	if (f == NULL)
		return -EBADF;
	file_put(f);
	space_sync_all();
	return 0;
}

/* More than the range is written, and it is waited for: what is asked for is done. */
s64 sys_sync_file_range(u64 fd, u64 from, u64 len, u64 flags, u64 a4, u64 a5)
{
	struct file *f = fd_get(fd);
	s64 rc = 0;

	if (f == NULL)
		return -EBADF;
	if (((u32)flags & ~7U) || (s64)from < 0 || (s64)len < 0 || (s64)(from + len) < 0)
		rc = -EINVAL;
	else if (f->inode == NULL || (f->inode->type != S_IFREG && f->inode->type != S_IFDIR && f->inode->type != S_IFBLK))
		rc = -ESPIPE;
	else if (f->object != NULL)
		rc = object_sync(f->object, true);
	file_put(f);
	return rc;
}

s64 sys_readahead(u64 fd, u64 from, u64 len, u64 a3, u64 a4, u64 a5)
{
	struct file *f = fd_get(fd);
	s64 rc = 0;

	if (f == NULL)
		return -EBADF;
	if (!(file_access(f) & MAY_READ))
		rc = -EBADF;
	else if (f->inode == NULL || f->inode->type != S_IFREG)
		rc = -EINVAL;
	file_put(f);
	return rc;
}

/* Advice: what is asked for may be left undone. */
s64 sys_fadvise64(u64 fd, u64 off, u64 len, u64 advice, u64 a4, u64 a5)
{
	struct file *f = fd_get(fd);
	s64 rc = 0;

	if (f == NULL)
		return -EBADF;
	if (f->inode != NULL && f->inode->type == S_IFIFO)
		rc = -ESPIPE;
	else if ((u32)advice > 5 || (s64)len < 0)
		rc = -EINVAL;
	file_put(f);
	return rc;
}

/* --- current directory, umask --- */

static int set_cwd(struct dentry *d)		/* takes over the reference */
{
	struct fs_context *c = fs_current();
	struct dentry *old;
	int rc = fs_permission(d->inode, MAY_EXEC);

	if (rc < 0) {
		dentry_put(d);
		return rc;
	}
	mutex_lock(&c->lock);
	old = c->cwd;
	c->cwd = d;
	mutex_unlock(&c->lock);
	dentry_put(old);
	return 0;
}

s64 sys_chdir(u64 path, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct where w;
	struct dentry *d;
	int rc = where_get(&w, AT_FDCWD, path, false);

	if (rc < 0)
		return rc;
	rc = fs_lookup(fs_current(), NULL, w.path, WALK_FOLLOW | WALK_DIRECTORY, &d);
	where_put(&w);
	return rc < 0 ? rc : set_cwd(d);
}

s64 sys_fchdir(u64 fd, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct file *f = fd_get_any(fd);
	struct dentry *d = NULL;

	if (f == NULL)
		return -EBADF;
	if (f->dentry != NULL && f->inode->type == S_IFDIR)
		dentry_get(d = f->dentry);
	file_put(f);
	return d == NULL ? -ENOTDIR : set_cwd(d);
}

s64 sys_chroot(u64 path, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct fs_context *c = fs_current();
	struct dentry *d, *old;
	struct where w;
	int rc = where_get(&w, AT_FDCWD, path, false);

	if (rc < 0)
		return rc;
	rc = fs_lookup(c, NULL, w.path, WALK_FOLLOW | WALK_DIRECTORY, &d);
	where_put(&w);
	if (rc < 0)
		return rc;
	rc = fs_permission(d->inode, MAY_EXEC);
	if (rc == 0 && !capable(CAP_SYS_CHROOT))
		rc = -EPERM;
	if (rc < 0) {
		dentry_put(d);
		return rc;
	}
	mutex_lock(&c->lock);
	old = c->root;
	c->root = d;
	mutex_unlock(&c->lock);
	dentry_put(old);
	return 0;
}

s64 sys_getcwd(u64 user, u64 size, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct fs_context *c = fs_current();
	struct dentry *d;
	char *buf;
	s64 n;

	mutex_lock(&c->lock);
	dentry_get(d = c->cwd);
	mutex_unlock(&c->lock);
	buf = kmalloc(PATH_MAX);
	n = buf ? dentry_path(d, c->root, buf, PATH_MAX - 1) : -ENOMEM;
	dentry_put(d);
	if (n >= 0) {
		buf[n++] = '\0';
		if ((u64)n > size)
			n = -ERANGE;
		else if (copy_to_user(user, buf, n) < 0)
			n = -EFAULT;
	}
	kfree(buf);
	return n;
}

s64 sys_umask(u64 mask, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct fs_context *c = fs_current();
	u32 old;

	mutex_lock(&c->lock);
	old = c->umask;
	c->umask = mask & 0777;
	mutex_unlock(&c->lock);
	return old;
}

/* --- making and removing names --- */

s64 sys_mkdirat(u64 dirfd, u64 path, u64 mode, u64 a3, u64 a4, u64 a5)
{
	struct new_file n = { .mode = S_IFDIR | (mode & 01777) };
	struct where w;
	int rc = where_get(&w, dirfd, path, false);

	if (rc < 0)
		return rc;
	rc = fs_mknod(fs_current(), w.start, w.path, &n);
	where_put(&w);
	return rc;
}

s64 sys_mknodat(u64 dirfd, u64 path, u64 mode, u64 dev, u64 a4, u64 a5)
{
	struct new_file n = { .mode = mode & (S_IFMT | 07777), .rdev = dev };
	struct where w;
	int rc;

	switch (n.mode & S_IFMT) {
	case 0: n.mode |= S_IFREG; break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK: break;
	case S_IFDIR: return -EPERM;
	default: return -EINVAL;
	}
	rc = where_get(&w, dirfd, path, false);
	if (rc < 0)
		return rc;
	rc = fs_mknod(fs_current(), w.start, w.path, &n);
	where_put(&w);
	return rc;
}

s64 sys_mknod(u64 path, u64 mode, u64 dev, u64 a3, u64 a4, u64 a5) { return sys_mknodat(AT_FDCWD, path, mode, dev, 0, 0); }

s64 sys_mkdir(u64 path, u64 mode, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_mkdirat(AT_FDCWD, path, mode, 0, 0, 0); }

s64 sys_unlinkat(u64 dirfd, u64 path, u64 flags, u64 a3, u64 a4, u64 a5)
{
	struct where w;
	int rc;

	if (flags & ~(u64)AT_REMOVEDIR)
		return -EINVAL;
	rc = where_get(&w, dirfd, path, false);
	if (rc < 0)
		return rc;
	rc = fs_unlink(fs_current(), w.start, w.path, flags & AT_REMOVEDIR);
	where_put(&w);
	return rc;
}

s64 sys_unlink(u64 path, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_unlinkat(AT_FDCWD, path, 0, 0, 0, 0); }
s64 sys_rmdir(u64 path, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_unlinkat(AT_FDCWD, path, AT_REMOVEDIR, 0, 0, 0); }

s64 sys_renameat2(u64 from_fd, u64 from, u64 to_fd, u64 to, u64 flags, u64 a5)
{
	struct where a, b;
	int rc;

	if (flags & ~7ULL || ((flags & 2) && (flags & 5)))
		return -EINVAL;
	rc = where_get(&a, from_fd, from, false);
	if (rc < 0)
		return rc;
	rc = where_get(&b, to_fd, to, false);
	if (rc == 0) {
		rc = fs_rename(fs_current(), a.start, a.path, b.start, b.path, flags);
		where_put(&b);
	}
	where_put(&a);
	return rc;
}

s64 sys_renameat(u64 from_fd, u64 from, u64 to_fd, u64 to, u64 a4, u64 a5) { return sys_renameat2(from_fd, from, to_fd, to, 0, 0); }
s64 sys_rename(u64 from, u64 to, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0, 0); }

s64 sys_symlinkat(u64 target, u64 dirfd, u64 path, u64 a3, u64 a4, u64 a5)
{
	struct where t, w;
	int rc = where_get(&t, AT_FDCWD, target, false);

	if (rc < 0)
		return rc;
	rc = where_get(&w, dirfd, path, false);
	if (rc == 0) {
		rc = fs_symlink(fs_current(), w.start, w.path, t.path);
		where_put(&w);
	}
	where_put(&t);
	return rc;
}

s64 sys_symlink(u64 target, u64 path, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_symlinkat(target, AT_FDCWD, path, 0, 0, 0); }

s64 sys_linkat(u64 from_fd, u64 from, u64 to_fd, u64 to, u64 flags, u64 a5)
{
	struct where a, b;
	struct dentry *d;
	int rc;

	if (flags & ~(u64)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((flags & AT_EMPTY_PATH) && !capable(CAP_DAC_READ_SEARCH))
		return -ENOENT;
	rc = where_get(&a, from_fd, from, flags & AT_EMPTY_PATH);
	if (rc < 0)
		return rc;
	if (a.path[0] != '\0')
		rc = fs_lookup(fs_current(), a.start, a.path, flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0, &d);
	else if (a.file == NULL)
		rc = -EPERM;				/* the current directory */
	else if (a.start == NULL)
		rc = -EXDEV;				/* it stands in no file system that has names */
	else
		dentry_get(d = a.start);
	where_put(&a);
	if (rc < 0)
		return rc;
	rc = where_get(&b, to_fd, to, false);
	if (rc == 0) {
		rc = fs_link(fs_current(), d, b.start, b.path);
		where_put(&b);
	}
	dentry_put(d);
	return rc;
}

s64 sys_link(u64 from, u64 to, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_linkat(AT_FDCWD, from, AT_FDCWD, to, 0, 0); }
