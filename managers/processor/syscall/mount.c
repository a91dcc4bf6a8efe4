/* SPDX-License-Identifier: MIT */
/* mount(2) and umount(2), and the old calls that tell of file systems: ustat(2), sysfs(2). */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/mount.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "managers/processor/syscall/where.h"
#include "mm/slab.h"

#define MS_MGC_VAL	0xc0ed0000U		/* old programs say so, and it means nothing */
#define MS_MGC_MASK	0xffff0000U
#define MS_NOUSER	(1U << 31)
#define MS_KINDS	(MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)
#define UMOUNT_NOFOLLOW	8

static const char *const fs_types[] = { "proc", "sysfs", "devtmpfs", "tmpfs", "ramfs", "ext4" };	/* as /proc/filesystems has them, too */

/* A string argument, which may be missing: NULL then. Up to a page of it. */
static int string_from_user(u64 user, char **out)
{
	s64 len;

	*out = NULL;
	if (user == 0)
		return 0;
	*out = kmalloc(PAGE_SIZE);
	if (*out == NULL)
		return -ENOMEM;
	len = strncpy_from_user(*out, user, PAGE_SIZE);
	if (len >= 0)
		return 0;
	kfree(*out);
	*out = NULL;
	return len == -ENAMETOOLONG ? -EINVAL : len;
}

static int place(u64 path, unsigned walk, struct dentry **out)
{
	struct where w;
	int rc = where_get(&w, AT_FDCWD, path, false);

	if (rc < 0)
		return rc;
	rc = fs_lookup(fs_current(), NULL, w.path, walk, out);
	where_put(&w);
	return rc;
}

/* The disks are the storage nodes' and mounted at boot; a program's own cannot be had. */
static int mount_disk(const char *source)
{
	struct dentry *d;
	u32 type;
	int rc = source == NULL || *source == '\0' ? -EINVAL : fs_lookup(fs_current(), NULL, source, WALK_FOLLOW, &d);

	if (rc < 0)
		return rc;
	type = dentry_inode(d)->type;
	dentry_put(d);
	return type == S_IFBLK ? -ENXIO : -ENOTBLK;
}

static int mount_from(struct dentry *at, const char *source, u32 flags)
{
	struct dentry *what;
	int rc = source == NULL || *source == '\0' ? -EINVAL : fs_lookup(fs_current(), NULL, source, WALK_FOLLOW, &what);

	if (rc < 0)
		return rc;
	rc = flags & MS_BIND ? fs_mount_bind(at, what, flags & MS_REC) : fs_mount_move(at, what);
	dentry_put(what);
	return rc;
}

static int mount_at(struct dentry *at, const char *type, const char *source, const char *options, u32 flags)
{
	if (flags & MS_NOUSER)
		return -EINVAL;
	if (flags & MS_REMOUNT)
		return fs_mount_flags(at, flags, !(flags & MS_BIND));
	if (flags & (MS_BIND | MS_MOVE))
		return mount_from(at, source, flags);
	if (flags & MS_KINDS)
		return fs_mount_kind(at, flags & MS_KINDS);
	if (type == NULL)
		return -EINVAL;
	if (strcmp(type, "ext2") == 0 || strcmp(type, "ext3") == 0 || strcmp(type, "ext4") == 0)
		return mount_disk(source);
	return fs_mount_new(at, type, source, options, flags);
}

s64 sys_mount(u64 source_user, u64 target, u64 type_user, u64 flags, u64 data_user, u64 a5)
{
	char *type, *source = NULL, *options = NULL;
	struct dentry *at;
	int rc = string_from_user(type_user, &type);

	if (rc == 0)
		rc = string_from_user(source_user, &source);
	if (rc == 0)
		rc = string_from_user(data_user, &options);
	if (rc == 0)
		rc = place(target, WALK_FOLLOW, &at);
	if (rc == 0) {
		if ((flags & MS_MGC_MASK) == MS_MGC_VAL)
			flags &= ~(u64)MS_MGC_MASK;
		rc = !capable(CAP_SYS_ADMIN) ? -EPERM : mount_at(at, type, source, options, flags);
		dentry_put(at);
	}
	kfree(type);
	kfree(source);
	kfree(options);
	return rc;
}

s64 sys_umount2(u64 target, u64 flags, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct dentry *at;
	int rc;

	if ((u32)flags & ~(u32)(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	rc = place(target, (u32)flags & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW, &at);
	if (rc < 0)
		return rc;
	if (!capable(CAP_SYS_ADMIN))
		rc = -EPERM;
	else if (((u32)flags & MNT_EXPIRE) && ((u32)flags & (MNT_FORCE | MNT_DETACH)))
		rc = -EINVAL;
	if (rc < 0) {
		dentry_put(at);
		return rc;
	}
	space_sync_all();
	if (READ_ONCE(thread_current()->fatal_pending)) {	/* the sync has ended early */
		dentry_put(at);
		return -EINTR;
	}
	return fs_umount(at, flags);
}

/* --- ustat(2), sysfs(2) --- */

struct ustat_abi { s32 free; u32 pad; u64 inodes; char name[6], pack[6]; u32 pad2; };
_Static_assert(sizeof(struct ustat_abi) == 32, "as programs see it");

s64 sys_ustat(u64 dev, u64 user, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct ustat_abi u = { 0 };
	struct statfs_abi st;
	struct inode *i;
	int rc = fs_root_of_dev((u32)dev, &i);

	if (rc < 0)
		return rc;
	rc = i->ops->statfs != NULL ? i->ops->statfs(i, &st) : -ENOSYS;
	inode_put(i);
	if (rc < 0)
		return rc;
	u.free = st.bfree;
	u.inodes = st.ffree;
	return copy_to_user(user, &u, sizeof(u));
}

s64 sys_sysfs(u64 option, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	char name[16];
	s64 rc;

	switch ((u32)option) {
	case 1:				/* the number of a name */
		rc = strncpy_from_user(name, a1, sizeof(name));
		if (rc < 0)
			return rc == -ENAMETOOLONG ? -EINVAL : rc;
		for (unsigned n = 0; n < ARRAY_SIZE(fs_types); n++)
			if (strcmp(name, fs_types[n]) == 0)
				return n;
		return -EINVAL;
	case 2:
		if ((u32)a1 >= ARRAY_SIZE(fs_types))
			return -EINVAL;
		return copy_to_user(a2, fs_types[(u32)a1], strlen(fs_types[(u32)a1]) + 1);
	case 3:
		return ARRAY_SIZE(fs_types);
	}
	return -EINVAL;
}
