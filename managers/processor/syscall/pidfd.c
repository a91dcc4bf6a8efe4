/* SPDX-License-Identifier: MIT */
/*
 * pidfd_open(2): a descriptor that means one process, even when its number has been given to another. It is ready to be read once the
 * process has ended.
 */
#include "managers/processor/syscall/pidfd.h"

#include "arch/x86/uaccess.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/anon.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/syscall/syscall.h"

static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct process *p = load_acquire((struct process **)&f->private);

	if (p == NULL)
		return 0;
	poll_wait(pt, &p->end_wait);
	return READ_ONCE(p->state) != PROCESS_LIVE ? POLLIN | POLLRDNORM : 0;
}

static void pidfd_release(struct file *f)
{
	if (f->private != NULL)
		process_put(f->private);
}

static void pidfd_show(struct file *f, struct text *t)
{
	const struct process *p = load_acquire((struct process **)&f->private);
	s64 pid = p == NULL ? 0 : READ_ONCE(p->state) == PROCESS_REAPED ? -1 : (s64)p->pid;

	text_printf(t, "Pid:\t%lld\n", (long long)pid);
}

static const struct file_ops pidfd_ops = { .kind = "[pidfd]", .show = pidfd_show, .poll = pidfd_poll, .seek = anon_seek, .release = pidfd_release };

s64 pidfd_reserve(u32 flags, struct file **out)
{
	struct file *f = anon_file(&pidfd_ops, NULL, O_RDWR | flags);
	s64 fd;

	if (f == NULL)
		return -ENOMEM;
	file_get(f);
	fd = anon_install(f, true);
	if (fd < 0)
		file_put(f);
	*out = f;
	return fd;
}

void pidfd_name(struct file *f, struct process *p)
{
	process_get(p);
	store_release((struct process **)&f->private, p);
}

int pidfd_get(u64 fd, struct process **out, u32 *flags)
{
	struct file *f = fd_get(fd);
	int rc = 0;

	if (f == NULL)
		return -EBADF;
	*out = f->ops == &pidfd_ops ? load_acquire((struct process **)&f->private) : NULL;
	if (f->ops != &pidfd_ops)
		rc = -EBADF;
	else if (*out == NULL)
		rc = -ESRCH;
	else
		process_get(*out);
	*flags = f->flags;
	file_put(f);
	return rc;
}

int pidfd_get_to_signal(u64 fd, struct process **out, u32 *flags)
{
	struct file *f = fd_get(fd);
	int rc = 0;

	if (f == NULL || f->inode == NULL || !proc_is_folder(f->inode)) {
		if (f != NULL)
			file_put(f);
		return pidfd_get(fd, out, flags);
	}
	*out = proc_folder_process(f->inode);
	*flags = f->flags;
	if (*out == NULL)
		rc = -ESRCH;
	file_put(f);
	return rc;
}

s64 sys_pidfd_open(u64 pid, u64 flags, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p;
	struct file *f;
	s64 rc;

	if ((u32)flags & ~(u32)O_NONBLOCK || (s32)pid <= 0)
		return -EINVAL;
	p = process_find(pid);
	if (p == NULL) {
		spin_lock(&tree_lock);
		rc = task_find_locked(pid) != NULL ? -EINVAL : -ESRCH;	/* a thread is not meant */
		spin_unlock(&tree_lock);
		return rc;
	}
	rc = pidfd_reserve(flags, &f);
	if (rc >= 0) {
		pidfd_name(f, p);
		file_put(f);
	}
	process_put(p);
	return rc;
}

/* A file that another process has open. */
s64 sys_pidfd_getfd(u64 pidfd, u64 target, u64 flags, u64 a3, u64 a4, u64 a5)
{
	struct fd_table *files = NULL;
	struct process *p;
	struct file *f;
	struct task *t;
	u32 mode;
	s64 rc = (u32)flags != 0 ? -EINVAL : pidfd_get(pidfd, &p, &mode);

	if (rc < 0)
		return rc;
	spin_lock(&tree_lock);
	rc = p == process_init ? -EPERM : -ESRCH;
	list_for_each(t, &p->tasks, group_link) {
		if (t->files == NULL)
			continue;
		rc = p != process_current() && !process_may_inspect_locked(p) ? -EPERM : 0;
		if (rc == 0)
			fd_table_get(files = t->files);
		break;
	}
	spin_unlock(&tree_lock);
	process_put(p);
	if (rc < 0)
		return rc;
	f = fd_table_file(files, target);
	fd_table_put(files);
	return f == NULL ? -EBADF : anon_install(f, true);
}
