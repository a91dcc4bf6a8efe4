/* SPDX-License-Identifier: MIT */
/* /proc/PID/fd and fdinfo: the descriptors of a process. proc(5). */
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "managers/processor/fs/dentry.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/mount.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/process/process.h"

/* The table of a process, looked at by fn with tree_lock held: 0, -ENOENT or -EACCES. */
static int with_files(u32 pid, void (*fn)(struct fd_table *files, void *arg), void *arg)
{
	struct process *p = process_find(pid);
	struct task *t;
	int rc = -ENOENT;

	if (p == NULL)
		return -ENOENT;
	spin_lock(&tree_lock);
	if (!proc_may_look_locked(p))
		rc = -EACCES;
	list_for_each(t, &p->tasks, group_link) {
		if (t->files != NULL && rc != -EACCES) {
			fn(t->files, arg);
			rc = 0;
			break;
		}
	}
	spin_unlock(&tree_lock);
	process_put(p);
	return rc;
}

struct fd_look { int fd; bool open; struct inode *inode; struct dentry *dentry; const struct file_ops *ops; };

static void look_fd(struct fd_table *files, void *arg)
{
	struct fd_look *l = arg;

	l->open = fd_table_peek(files, l->fd, &l->inode, &l->dentry, &l->ops);
}

static void look_next_fd(struct fd_table *files, void *arg)
{
	struct fd_look *l = arg;

	l->fd = fd_table_next(files, l->fd);
}

static s64 link_fd(u32 pid, u32 nr, char *buf, size_t size)
{
	struct fd_look l = { .fd = nr };
	s64 n = with_files(pid, look_fd, &l);

	if (n < 0 || !l.open)
		return n < 0 ? n : -ENOENT;
	if (l.dentry != NULL)
		n = dentry_show_locked(l.dentry, buf, size);
	else if (l.inode != NULL && l.inode->type == S_IFREG)
		n = nameless_show(l.inode, buf, size);
	else if (l.inode != NULL && l.inode->type == S_IFIFO)
		n = snprintf(buf, size, "pipe:[%llu]", (unsigned long long)l.inode->ino);
	else if (l.inode != NULL && l.inode->type == S_IFSOCK)
		n = snprintf(buf, size, "socket:[%llu]", (unsigned long long)l.inode->ino);
	else
		n = snprintf(buf, size, "anon_inode:%s", l.ops != NULL && l.ops->kind != NULL ? l.ops->kind : "[file]");
	if (l.dentry != NULL)
		dentry_put_locked(l.dentry);
	if (l.inode != NULL)
		inode_put(l.inode);
	return n;
}

static int follow_fd(u32 pid, u32 nr, struct dentry **out)
{
	struct fd_look l = { .fd = nr };
	int rc = with_files(pid, look_fd, &l);

	if (rc < 0 || !l.open)
		return rc < 0 ? rc : -ENOENT;
	if (l.dentry != NULL) {
		inode_put(l.inode);
		*out = l.dentry;
		return 0;
	}
	if (l.inode == NULL)
		return -ENXIO;
	*out = dentry_nameless_locked(l.inode);
	return *out ? 0 : -ENOMEM;
}

/* --- fdinfo --- */

struct info_look { int fd; struct file *file; bool cloexec; };

static void look_file(struct fd_table *files, void *arg)
{
	struct info_look *l = arg;

	l->file = fd_table_file(files, l->fd);
	l->cloexec = fd_table_flags(files, l->fd) > 0;
}

static void show_fdinfo(struct text *t, u32 pid, u32 nr)
{
	struct info_look l = { .fd = nr };
	u32 flags;

	if (with_files(pid, look_file, &l) < 0 || l.file == NULL)
		return;
	flags = (READ_ONCE(l.file->flags) & ~(u32)O_CLOEXEC) | (l.cloexec ? O_CLOEXEC : 0);
	text_printf(t, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n", (unsigned long long)READ_ONCE(l.file->pos), flags,
		    MOUNT_ID(l.file->inode != NULL && l.file->inode->mount != NULL ? l.file->inode->mount->id : 0), (unsigned long long)(l.file->inode != NULL ? l.file->inode->ino : 0));
	if (l.file->ops != NULL && l.file->ops->show != NULL)
		l.file->ops->show(l.file, t);
	file_put(l.file);
}

static const struct synth_entry fdinfo_entry = { "", S_IFREG | 0444, .show_of = show_fdinfo, .guarded = true };
static const struct synth_entry fd_entry = { "", S_IFLNK, .link = link_fd, .follow = follow_fd };

struct access_look { int fd, access; };

static void look_access(struct fd_table *files, void *arg)
{
	struct access_look *l = arg;

	l->access = fd_table_access(files, l->fd);
}

static int find_number(const struct synth_entry *e, const char *name, u32 pid, struct inode **out)
{
	struct fd_look l = { 0 };
	u64 fd;
	int rc;

	if (*name < '0' || *name > '9' || str_to_u64(name, &fd) < 0 || fd > 0xfffff)
		return -ENOENT;
	l.fd = fd;
	rc = with_files(pid, look_next_fd, &l);
	if (rc < 0 || l.fd != (int)fd)
		return rc < 0 ? rc : -ENOENT;
	*out = synth_inode(e, pid, fd);
	return *out ? 0 : -ENOMEM;
}

/* The link's own rights say how the file is open. */
int find_fd(const char *name, u32 pid, struct inode **out)
{
	struct access_look l = { 0 };
	u64 fd;
	int rc = find_number(&fd_entry, name, pid, out);

	if (rc < 0)
		return rc;
	(void)str_to_u64(name, &fd);		/* find_number() has found it to be one */
	l.fd = fd;
	if (with_files(pid, look_access, &l) == 0 && l.access >= 0)
		(*out)->mode |= (l.access & MAY_READ ? 0500 : 0) | (l.access & MAY_WRITE ? 0300 : 0);
	return 0;
}

int find_fdinfo(const char *name, u32 pid, struct inode **out) { return find_number(&fdinfo_entry, name, pid, out); }

s64 next_fd(u32 pid, u64 from)
{
	struct fd_look l = { .fd = from };

	if (with_files(pid, look_next_fd, &l) < 0 || l.fd < 0)
		return -1;
	return l.fd;
}
