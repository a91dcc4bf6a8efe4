/* SPDX-License-Identifier: MIT */
/* Other processes seen from outside: process_vm_readv(2), process_vm_writev(2), kcmp(2). */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define IOV_MAX	1024
#define CHUNK	4096

struct iov { u64 base, len; };

/* One side of the copy: where it stands in its vector. */
struct side { struct iov *iov; u64 nr, at, off; };

static int side_get(struct side *s, u64 user, u64 nr, u64 *total)
{
	*s = (struct side){ .nr = nr };
	*total = 0;
	if (nr > IOV_MAX)
		return -EINVAL;
	if (nr == 0)
		return 0;
	s->iov = kmalloc(nr * sizeof(*s->iov));
	if (s->iov == NULL)
		return -ENOMEM;
	if (copy_from_user(s->iov, user, nr * sizeof(*s->iov)) < 0)
		return -EFAULT;
	for (u64 i = 0; i < nr; i++) {
		if ((s64)s->iov[i].len < 0)
			return -EINVAL;
		*total += s->iov[i].len;
	}
	return 0;
}

/* How many bytes lie in one piece here; 0: the end. */
static u64 side_here(struct side *s)
{
	while (s->at < s->nr && s->off == s->iov[s->at].len) {
		s->at++;
		s->off = 0;
	}
	return s->at < s->nr ? s->iov[s->at].len - s->off : 0;
}

static u64 side_address(const struct side *s) { return s->iov[s->at].base + s->off; }

/* One piece, within a page of the other's: a piece that cannot be copied is not copied in part. */
static int copy_piece(struct space *other, u64 local, u64 remote, u64 n, bool write, u8 *buf)
{
	int rc;

	if (!user_range_ok(remote, n))
		return -EFAULT;
	if (write) {
		if (copy_from_user(buf, local, n) < 0)
			return -EFAULT;
		return space_write(other, remote, buf, n);
	}
	rc = space_read(other, remote, buf, n);
	return rc < 0 ? rc : copy_to_user(local, buf, n);
}

static s64 copy_all(struct space *other, struct side *local, struct side *remote, bool write)
{
	u8 *buf = kmalloc(CHUNK);
	s64 done = 0;
	int rc = buf == NULL ? -ENOMEM : 0;

	while (rc == 0) {
		u64 n = MIN(side_here(local), side_here(remote));

		if (n == 0)
			break;
		n = MIN(n, CHUNK - (side_address(remote) & (CHUNK - 1)));
		rc = copy_piece(other, side_address(local), side_address(remote), n, write, buf);
		if (rc < 0)
			break;
		local->off += n;
		remote->off += n;
		done += n;
	}
	kfree(buf);
	return done != 0 ? done : rc;
}

static s64 process_vm(u64 pid, u64 lvec, u64 nr_l, u64 rvec, u64 nr_r, u64 flags, bool write)
{
	struct side local, remote = { 0 };
	struct space *other = NULL;
	u64 total_l, total_r;
	s64 rc;

	if (flags != 0)
		return -EINVAL;
	rc = side_get(&local, lvec, nr_l, &total_l);
	if (rc == 0 && total_l != 0)
		rc = side_get(&remote, rvec, nr_r, &total_r);
	if (rc == 0 && total_l != 0 && total_r != 0) {
		rc = task_space_inspect(pid, &other);
		if (rc == 0)
			rc = copy_all(other, &local, &remote, write);
	}
	if (other != NULL)
		space_put(other);
	kfree(local.iov);
	kfree(remote.iov);
	return rc;
}

s64 sys_process_vm_readv(u64 pid, u64 lvec, u64 nr_l, u64 rvec, u64 nr_r, u64 flags)
{
	return process_vm(pid, lvec, nr_l, rvec, nr_r, flags, false);
}

s64 sys_process_vm_writev(u64 pid, u64 lvec, u64 nr_l, u64 rvec, u64 nr_r, u64 flags)
{
	return process_vm(pid, lvec, nr_l, rvec, nr_r, flags, true);
}

/* --- kcmp(2): do two tasks share something? --- */

enum { KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM, KCMP_EPOLL_TFD, KCMP_KINDS };

/* What a task has of a kind: its address, for comparing alone; tree_lock held. */
static int kcmp_of(const struct task *t, int kind, int fd, uintptr_t *out)
{
	switch (kind) {
	case KCMP_FILE:
		*out = t->files == NULL ? 0 : fd_table_id(t->files, fd);
		return *out == 0 ? -EBADF : 0;
	case KCMP_VM:
		*out = (uintptr_t)t->space;
		return 0;
	case KCMP_FILES:
		*out = (uintptr_t)t->files;
		return 0;
	case KCMP_FS:
		*out = (uintptr_t)t->fs;
		return 0;
	case KCMP_IO:				/* two that have none have the same, as on Linux */
		*out = (uintptr_t)t->io_shared;
		return 0;
	case KCMP_SIGHAND:
		*out = (uintptr_t)t->process->handlers;
		return 0;
	}
	return -EOPNOTSUPP;
}

s64 sys_kcmp(u64 pid1, u64 pid2, u64 kind, u64 fd1, u64 fd2, u64 a5)
{
	const struct process *self = process_current();
	uintptr_t a = 0, b = 0;
	struct task *t1, *t2;
	s64 rc;

	if ((u32)kind >= KCMP_KINDS)
		return -EINVAL;
	spin_lock(&tree_lock);
	t1 = task_find_locked(pid1);
	t2 = task_find_locked(pid2);
	if ((t1 == NULL && (u32)pid1 != process_init->pid) || (t2 == NULL && (u32)pid2 != process_init->pid))
		rc = -ESRCH;
	else if (t1 == NULL || t2 == NULL)
		rc = -EPERM;
	else if ((t1->process != self && !process_may_inspect_locked(t1->process)) ||
		 (t2->process != self && !process_may_inspect_locked(t2->process)))
		rc = -EPERM;
	else
		rc = kcmp_of(t1, kind, fd1, &a);
	if (rc == 0)
		rc = kcmp_of(t2, kind, fd2, &b);
	spin_unlock(&tree_lock);
	return rc < 0 ? rc : a == b ? 0 : a < b ? 1 : 2;
}
