/* SPDX-License-Identifier: MIT */
/* The system calls around memory: arguments checked and turned over to space/. */
#include "lib/base/errno.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/mount.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/pidfd.h"
#include "managers/processor/syscall/syscall.h"

#define MAP_SHARED	0x01
#define MAP_TYPE	0x0f
#define MAP_FIXED	0x10
#define MAP_ANONYMOUS	0x20
#define MAP_LOCKED	0x2000

/* RLIMIT_AS and RLIMIT_DATA: may so many bytes be added, of which so many are private and writable? */
static bool may_grow(struct space *s, u64 more, u64 data)
{
	u64 as = rlimit_current(RLIMIT_AS), max_data = rlimit_current(RLIMIT_DATA);

	if (as != RLIM_INFINITY && more != 0 && (READ_ONCE(s->map.nr_pages) << PAGE_SHIFT) + more > as)
		return false;
	return max_data == RLIM_INFINITY || data == 0 || (READ_ONCE(s->map.nr_accounted) << PAGE_SHIFT) + data <= max_data;
}

static bool limited(void)
{
	return rlimit_current(RLIMIT_AS) != RLIM_INFINITY || rlimit_current(RLIMIT_DATA) != RLIM_INFINITY;
}

/* What a fixed mapping takes the place of does not count twice. */
bool mmap_allowed(struct space *s, u64 addr, u64 len, u32 prot, u32 flags)
{
	u64 more = page_up(len), data = (prot & PROT_WRITE) && !(flags & MAP_SHARED) ? more : 0, gone;

	if (!limited() || more == 0 || more > USER_END)
		return true;
	gone = flags & MAP_FIXED ? space_mapped_bytes(s, addr, more) : 0;
	return may_grow(s, more - MIN(gone, more), data);
}

/* RLIMIT_MEMLOCK */
static u64 lock_limit(void)
{
	return capable(CAP_IPC_LOCK) ? RLIM_INFINITY : rlimit_current(RLIMIT_MEMLOCK);
}

/* A mapping that is to be locked at once. */
static s64 mmap_lock_allowed(struct space *s, u64 len, u32 flags)
{
	u64 limit;

	if (!(flags & MAP_LOCKED) && !READ_ONCE(s->lock_future))
		return 0;
	limit = lock_limit();
	if (limit == 0 && (flags & MAP_LOCKED))
		return -EPERM;
	return (READ_ONCE(s->map.nr_locked) << PAGE_SHIFT) + page_up(len) > limit ? -EAGAIN : 0;
}

/* /dev/zero is mapped: as no file at all, if the descriptor allows it. */
static s64 map_zeros(const struct file *f, u64 prot, u64 *flags)
{
	u32 may = file_access(f);

	if (!(may & MAY_READ) || ((prot & PROT_WRITE) && (*flags & MAP_SHARED) && !(may & MAY_WRITE)))
		return -EACCES;
	*flags = (*flags & ~(u64)MAP_TYPE) | MAP_ANONYMOUS | ((*flags & MAP_TYPE) == 3 ? MAP_SHARED : *flags & MAP_TYPE);
	return 0;
}

/* personality(2): what can be read can be executed. */
static u64 with_exec(u64 prot)
{
	return (prot & PROT_READ) && (READ_ONCE(process_current()->personality) & READ_IMPLIES_EXEC) ? prot | PROT_EXEC : prot;
}

s64 sys_mmap(u64 addr, u64 len, u64 prot, u64 flags, u64 fd, u64 off)
{
	struct file *f = NULL;
	s64 rc;

	if (off & ~PAGE_MASK)
		return -EINVAL;
	prot = with_exec(prot);
	if (!(flags & MAP_ANONYMOUS)) {
		f = fd_get(fd);
		if (f == NULL)
			return -EBADF;
	}
	rc = mmap_allowed(task_current()->space, addr, len, prot, flags) ? 0 : -ENOMEM;
	if (rc == 0 && f != NULL && (prot & PROT_EXEC) && f->inode != NULL && (mount_flags(f->inode->mount) & MS_NOEXEC))
		rc = -EPERM;
	if (rc == 0)
		rc = mmap_lock_allowed(task_current()->space, len, flags);
	if (rc == 0 && f != NULL && f->ops != NULL && f->ops->may_map != NULL)
		rc = f->ops->may_map(f, prot, flags & 3 & ~2U);
	if (rc == 0 && f != NULL && f->ops != NULL && f->ops->maps_zeros)
		rc = map_zeros(f, prot, &flags);
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
	return space_mprotect(task_current()->space, addr, len, with_exec(prot));
}

s64 sys_brk(u64 addr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct space *s = task_current()->space;
	u64 now = READ_ONCE(s->brk), more = addr > now ? page_up(addr) - page_up(now) : 0;

	if (addr <= USER_END && more != 0 && (!may_grow(s, more, more) || mmap_lock_allowed(s, more, 0) < 0))
		addr = 0;			/* the break stays where it is */
	return space_brk(s, addr);
}

s64 sys_mremap(u64 old, u64 old_len, u64 new_len, u64 flags, u64 new_addr, u64 a5)
{
	u64 more = page_up(new_len) > page_up(old_len) ? page_up(new_len) - page_up(old_len) : 0;

	if (new_len <= USER_END && old_len <= USER_END && limited() && space_mapped(task_current()->space, old) &&
	    !may_grow(task_current()->space, more, more))
		return -ENOMEM;
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

/* What a shared mapping of a file shows becomes another part of it. */
s64 sys_remap_file_pages(u64 start, u64 len, u64 prot, u64 index, u64 flags, u64 a5)
{
	start = page_down(start);
	len = page_down(len);
	if (prot != 0 || start + len <= start || index + (len >> PAGE_SHIFT) < index || index >= 1ULL << (63 - PAGE_SHIFT))
		return -EINVAL;
	return space_remap_file(task_current()->space, start, len, index);
}

/* --- advice about another process --- */

#define MADV_WILLNEED	3
#define MADV_COLD	20
#define MADV_PAGEOUT	21

static int advised_space(u64 pidfd, struct space **out)
{
	struct process *p;
	u32 flags;
	int rc = pidfd_get(pidfd, &p, &flags);

	if (rc < 0)
		return rc;
	spin_lock(&tree_lock);
	if (p != process_current() && !process_may_inspect_locked(p))
		rc = -EPERM;
	spin_unlock(&tree_lock);
	*out = rc == 0 ? process_space(p->pid) : NULL;
	process_put(p);
	return rc < 0 ? rc : *out == NULL ? -ESRCH : 0;
}

static s64 advise_pieces(struct space *s, const struct iovec_abi *vec, u64 nr, int advice)
{
	s64 done = 0, rc = 0;

	for (u64 n = 0; n < nr; n++) {
		rc = space_madvise(s, vec[n].base, vec[n].len, advice);
		if (rc < 0)
			break;
		done += vec[n].len;
	}
	return done != 0 ? done : rc;
}

s64 sys_process_madvise(u64 pidfd, u64 user, u64 nr, u64 advice, u64 flags, u64 a5)
{
	struct iovec_abi fast[FAST_IOV], *vec;
	struct space *s = NULL;
	size_t total;
	s64 rc;

	if ((u32)flags != 0)
		return -EINVAL;
	rc = vec_get(user, nr, -EINVAL, fast, &vec, &total);
	if (rc < 0)
		return rc;
	rc = advised_space(pidfd, &s);
	if (rc != -EBADF && (u32)advice != MADV_WILLNEED && (u32)advice != MADV_COLD && (u32)advice != MADV_PAGEOUT)
		rc = -EINVAL;
	if (rc == 0)
		rc = capable(CAP_SYS_NICE) ? advise_pieces(s, vec, nr, advice) : -EPERM;
	if (s != NULL)
		space_put(s);
	vec_put(vec, fast);
	return rc;
}

/* --- locked memory --- */

#define MLOCK_ONFAULT	1
#define MCL_CURRENT	1
#define MCL_FUTURE	2
#define MCL_ONFAULT	4

s64 sys_mlock2(u64 addr, u64 len, u64 flags, u64 a3, u64 a4, u64 a5)
{
	u64 limit = lock_limit();

	if ((u32)flags & ~(u32)MLOCK_ONFAULT)
		return -EINVAL;
	if (limit == 0)
		return -EPERM;
	if (page_up(len + (addr & (PAGE_SIZE - 1))) == 0)	/* nothing, or so much that it is nothing again */
		return 0;
	return space_mlock(task_current()->space, addr, len, SPACE_LOCK | ((u32)flags & MLOCK_ONFAULT ? 0 : SPACE_LOCK_FETCH), limit);
}

s64 sys_mlock(u64 addr, u64 len, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return sys_mlock2(addr, len, 0, 0, 0, 0);
}

s64 sys_munlock(u64 addr, u64 len, u64 a2, u64 a3, u64 a4, u64 a5)
{
	if (page_up(len + (addr & (PAGE_SIZE - 1))) == 0)
		return 0;
	return space_mlock(task_current()->space, addr, len, 0, 0);
}

s64 sys_mlockall(u64 flags, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u64 limit = lock_limit();

	if (((u32)flags & ~(u32)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || !((u32)flags & (MCL_CURRENT | MCL_FUTURE)))
		return -EINVAL;
	if (limit == 0)
		return -EPERM;
	return space_mlockall(task_current()->space, flags & MCL_CURRENT, flags & MCL_FUTURE, !(flags & MCL_ONFAULT), limit);
}

s64 sys_munlockall(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return space_munlockall(task_current()->space);
}
