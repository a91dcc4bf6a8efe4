/* SPDX-License-Identifier: MIT */
/* The system calls around memory: arguments checked and turned over to space/. */
#include "lib/base/errno.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"

#define MAP_ANONYMOUS 0x20

s64 sys_mmap(u64 addr, u64 len, u64 prot, u64 flags, u64 fd, u64 off)
{
	struct file *f = NULL;
	s64 rc;

	if (off & ~PAGE_MASK)
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		f = fd_get(fd);
		if (f == NULL)
			return -EBADF;
	}
	rc = 0;
	if (f != NULL && f->ops != NULL && f->ops->may_map != NULL)
		rc = f->ops->may_map(f, prot, flags & 3 & ~2U);
	if (rc == 0)
		rc = space_mmap(task_current()->space, addr, len, prot, flags, f, off);
	if (f != NULL)
		file_put(f);
	return rc;
}

s64 sys_munmap(u64 addr, u64 len, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return space_munmap(task_current()->space, addr, len);
}

s64 sys_mprotect(u64 addr, u64 len, u64 prot, u64 a3, u64 a4, u64 a5)
{
	return space_mprotect(task_current()->space, addr, len, prot);
}

s64 sys_brk(u64 addr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return space_brk(task_current()->space, addr);
}

s64 sys_mremap(u64 old, u64 old_len, u64 new_len, u64 flags, u64 new_addr, u64 a5)
{
	return space_mremap(task_current()->space, old, old_len, new_len, flags, new_addr);
}

s64 sys_madvise(u64 addr, u64 len, u64 advice, u64 a3, u64 a4, u64 a5)
{
	return space_madvise(task_current()->space, addr, len, advice);
}

s64 sys_msync(u64 addr, u64 len, u64 flags, u64 a3, u64 a4, u64 a5)
{
	return space_msync(task_current()->space, addr, len, flags);
}

s64 sys_mincore(u64 addr, u64 len, u64 vec, u64 a3, u64 a4, u64 a5)
{
	return space_mincore(task_current()->space, addr, len, vec);
}

s64 sys_mlock(u64 addr, u64 len, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return space_mlock(task_current()->space, addr, len, true);
}

s64 sys_munlock(u64 addr, u64 len, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return space_mlock(task_current()->space, addr, len, false);
}

