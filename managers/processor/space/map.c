/* SPDX-License-Identifier: MIT */
/*
 * mmap, munmap, mprotect, brk. P changes its replica of the map and tells M without waiting. Whatever may fail here is had before
 * anything is changed.
 */
#include "managers/processor/space/space_impl.h"

#include "arch/x86/regs.h"
#include "lib/base/printk.h"
#include "managers/processor/fs/file.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/mount.h"
#include "managers/processor/space/abi.h"
#include "managers/protocol/memory_ops.h"

static bool range_ok(u64 start, u64 len)
{
	return page_aligned(start) && len != 0 && start < USER_END && len <= USER_END - start;
}

static int replica_add(struct space *s, const struct vma *tmpl)
{
	int rc;

	spin_lock(&s->vma_lock);
	rc = vma_map_add(&s->map, tmpl);
	spin_unlock(&s->vma_lock);
	return rc;
}

int space_add_anonymous(struct space *s, const struct vma *tmpl)
{
	int rc = change_reserve(s);

	if (rc < 0)
		return rc;
	space_close(s, 0, tmpl->start, tmpl->end);	/* a fill must not carry an older number than the mapping's */
	rc = replica_add(s, tmpl);
	if (rc == 0)
		change_add(s, WIRE_CHANGE_MAP, tmpl);
	space_open(s, 0);
	return rc;
}

/*
 * Nobody waits for M, which has no reason to refuse: the object is open here, and is not closed before M has answered. Its pages are
 * fetched by its own name, with no number of a change; what needs the mapping at M, as a flush of a private copy does, names its number.
 */
static int add_object(struct space *s, const struct vma *tmpl)
{
	struct change *c = change_alloc();
	int rc;

	if (c == NULL)
		return -ENOMEM;
	space_close(s, 0, tmpl->start, tmpl->end);
	rc = replica_add(s, tmpl);
	if (rc == 0) {
		*(struct rpc_memory_map_req *)&c->req = (struct rpc_memory_map_req){
			.start = le64_of(tmpl->start), .len = le64_of(tmpl->end - tmpl->start), .object = le64_of(tmpl->object),
			.index = le64_of(tmpl->index), .prot = le32_of(tmpl->prot), .flags = le32_of(tmpl->flags & ~VMA_HERE_ALONE),
		};
		c->object = ((const struct vma_file *)tmpl->file)->object;
		change_send(s, c, RPC_memory_map);
	} else {
		change_free(c);
	}
	space_open(s, 0);
	return rc;
}

/* M knows the object, and is this space's M: it would refuse the mapping, and the space be lost, when nobody waits for it any more. */
static bool may_add(const struct space *s, const struct object *o)
{
	return o->memory_node == s->memory_node && READ_ONCE(o->life) == memory_life(o->memory_node);
}

int space_add(struct space *s, const struct vma *tmpl)
{
	int rc;

	if (tmpl->object == 0)
		return space_add_anonymous(s, tmpl);
	if (!may_add(s, ((const struct vma_file *)tmpl->file)->object))
		return -EIO;
	if (tmpl->index >= WIRE_SIZE_MAX >> PAGE_SHIFT)		/* M would refuse it */
		return -EOVERFLOW;
	vma_file_map(tmpl->file);		/* the map's, from here */
	rc = add_object(s, tmpl);
	if (rc < 0)
		vma_file_unmap(tmpl->file);	/* the map took no reference */
	return rc;
}

/* --- munmap --- */

int space_unmap_locked(struct space *s, u64 start, u64 end)
{
	struct commit_leaving leaving;
	u64 accounted;
	int rc;

	if (vma_range_free(&s->map, start, end))
		return 0;
	rc = change_reserve(s);
	if (rc < 0)
		return rc;
	space_close(s, 0, start, end);
	accounted = vma_accounted_in(&s->map, start, end);
	spin_lock(&s->vma_lock);
	rc = vma_map_remove(&s->map, start, end);
	spin_unlock(&s->vma_lock);
	if (rc < 0) {
		space_open(s, 0);
		return rc;
	}
	space_bump(s);
	space_zap(s, start, end);
	commit_leave(s, accounted, &leaving);
	change_add_unmap(s, start, end, &leaving);
	space_open(s, 0);
	commit_settle(s);
	return 0;
}

s64 space_munmap(struct space *s, u64 addr, u64 len)
{
	int rc;

	len = page_up(len);
	if (!range_ok(addr, len))
		return -EINVAL;
	rc = mutex_lock_killable(&s->map_lock);
	if (rc < 0)
		return rc;
	rc = space_unmap_locked(s, addr, addr + len);
	mutex_unlock(&s->map_lock);
	vma_files_reap();
	return rc;
}

/* --- mmap --- */

#define LOW_FLOOR	0x40000000ULL	/* MAP_32BIT: the second of the first two GiB, as mmap(2) has it */
#define LOW_TOP		0x80000000ULL

static u64 choose_address(struct space *s, u64 hint, u64 len, bool low)
{
	hint = page_down(hint);
	if (hint >= MMAP_FLOOR && range_ok(hint, len) && vma_range_free(&s->map, hint, hint + len))
		return hint;
	if (low)
		return vma_find_gap(&s->map, LOW_FLOOR, MIN(s->mmap_top, LOW_TOP), len);
	return vma_find_gap(&s->map, MMAP_FLOOR, s->mmap_top, len);
}

/*
 * Seals of a memfd: nobody may change it any more. Looked at under map_lock: who seals sets them first and then looks through all maps, so one
 * of the two sees the other.
 */
static int seals_check(struct vma *v)
{
	struct vma_file *vf = v->file;
	struct file *f = vf != NULL ? vf->file : NULL;

	if (!(v->flags & VMA_SHARED) || f == NULL || f->ops == NULL || f->ops->may_change == NULL || f->ops->may_change(f) == 0)
		return 0;
	v->flags &= ~VMA_MAYWRITE;
	return v->prot & PROT_WRITE ? -EPERM : 0;
}

static s64 mmap_locked(struct space *s, struct vma *v, u64 addr, u64 len, u32 flags)
{
	u64 pages;
	int rc;

	rc = seals_check(v);
	if (rc < 0)
		return rc;
	if (flags & (ABI_MAP_FIXED | ABI_MAP_FIXED_NOREPLACE)) {
		if (!vma_range_free(&s->map, addr, addr + len)) {
			if (flags & ABI_MAP_FIXED_NOREPLACE)
				return -EEXIST;
			rc = space_unmap_locked(s, addr, addr + len);
			if (rc < 0)
				return rc;
		}
	} else {
		addr = choose_address(s, addr, len, flags & ABI_MAP_32BIT);
		if (addr == 0)
			return -ENOMEM;
	}
	v->start = addr;
	v->end = addr + len;
	if (v->object == 0)
		v->index = addr >> PAGE_SHIFT;
	pages = v->flags & VMA_ACCOUNTED ? len >> PAGE_SHIFT : 0;
	rc = commit_charge(s, pages);
	if (rc < 0)
		return rc;
	rc = space_add(s, v);
	if (rc < 0) {
		commit_return(s, pages);
		return rc;
	}
	return addr;
}

static int check_file(const struct file *file, u32 prot, u32 flags)
{
	u32 mode = file->flags & ABI_O_ACCMODE;

	if (mode == ABI_O_WRONLY)
		return -EACCES;
	if ((flags & ABI_MAP_TYPE) != ABI_MAP_PRIVATE && (prot & PROT_WRITE) && mode != ABI_O_RDWR)
		return -EACCES;
	return file->object == NULL ? -ENODEV : 0;
}

static int fill_vma(struct vma *v, u64 len, u32 prot, u32 flags, struct file *file, u64 off, struct object **shm)
{
	bool shared = (flags & ABI_MAP_TYPE) != ABI_MAP_PRIVATE;
	struct object *o = file == NULL ? NULL : file->object;
	int rc;

	*shm = NULL;
	*v = (struct vma){ .prot = prot & PROT_MASK, .flags = shared ? VMA_SHARED : 0 };
	if (flags & ABI_MAP_NORESERVE)
		v->flags |= VMA_NORESERVE;
	if (flags & ABI_MAP_LOCKED)
		v->flags |= VMA_LOCKED;
	if (flags & ABI_MAP_GROWSDOWN)
		v->flags |= VMA_GROWSDOWN;
	if (shared && (file == NULL || (file->flags & ABI_O_ACCMODE) == ABI_O_RDWR))
		v->flags |= VMA_MAYWRITE;
	if (vma_accountable(v->prot, v->flags))
		v->flags |= VMA_ACCOUNTED;
	if (shared && file == NULL) {
		rc = object_create_shm(len, shm);
		if (rc < 0)
			return rc;
		o = *shm;
	}
	if (o == NULL)
		return 0;
	v->object = o->id;
	v->index = off >> PAGE_SHIFT;
	v->file = vma_file_create(file, o);
	return v->file == NULL ? -ENOMEM : 0;
}

void space_populate(struct space *s, u64 start, u64 len, bool write)
{
	u64 end = start + MIN(len, space_populate_most());

	for (u64 va = start; va < end && !thread_current()->fatal_pending; va += PAGE_SIZE)
		if (space_fault(s, va, write ? FAULT_WRITE : 0) < 0)
			return;
}

#define MAPPED_FILE_MAX	(1ULL << 60)	/* bytes: what M takes an index for */

s64 space_mmap(struct space *s, u64 addr, u64 len, u32 prot, u32 flags, struct file *file, u64 off)
{
	u32 type = flags & ABI_MAP_TYPE;
	struct object *shm;
	struct vma v;
	s64 rc;

	if (len != 0 && page_up(len) == 0)
		return -ENOMEM;
	len = page_up(len);
	if (len == 0 || !page_aligned(off) || (type != ABI_MAP_SHARED && type != ABI_MAP_PRIVATE && type != ABI_MAP_SHARED_VALIDATE))
		return -EINVAL;
	if (len > USER_END)
		return -ENOMEM;
	if ((flags & ABI_MAP_ANONYMOUS) && type == ABI_MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type == ABI_MAP_SHARED_VALIDATE && (flags & ~ABI_MAP_KNOWN))
		return -EOPNOTSUPP;
	if (flags & ABI_MAP_ANONYMOUS)
		file = NULL;
	else if (file == NULL)
		return -EBADF;
	if (flags & (ABI_MAP_FIXED | ABI_MAP_FIXED_NOREPLACE)) {
		if (!page_aligned(addr))
			return -EINVAL;
		if (!range_ok(addr, len))
			return -ENOMEM;
		if (addr < MMAP_FLOOR)
			return -EPERM;
	}
	if (READ_ONCE(s->lock_future))
		flags |= ABI_MAP_LOCKED;
	if (flags & ABI_MAP_HUGETLB)
		return -ENOMEM;
	if ((flags & ABI_MAP_GROWSDOWN) && (file != NULL || type == ABI_MAP_SHARED))
		return -EINVAL;
	if (file != NULL && (off >= MAPPED_FILE_MAX || len > MAPPED_FILE_MAX - off))
		return -EOVERFLOW;
	rc = file == NULL ? 0 : check_file(file, prot, flags);
	if (rc == 0)
		rc = fill_vma(&v, len, prot, flags, file, off, &shm);
	else
		return rc;
	if (rc == 0)
		rc = mutex_lock_killable(&s->map_lock);
	if (rc == 0) {
		rc = mmap_locked(s, &v, addr, len, flags);
		mutex_unlock(&s->map_lock);
	}
	vma_file_put(v.file);
	vma_files_reap();
	if (shm != NULL)
		object_put(shm);
	if (rc > 0 && (flags & (ABI_MAP_POPULATE | ABI_MAP_LOCKED)) && (prot & PROT_MASK))
		space_populate(s, rc, len, (prot & PROT_WRITE) && type == ABI_MAP_PRIVATE);
	return rc;
}

s64 space_remap_file(struct space *s, u64 start, u64 len, u64 index)
{
	struct vma_file *vf = NULL;
	struct vma v;
	s64 rc = space_vma_get(s, start, &v, &vf);

	if (rc < 0 || vf == NULL || vf->file == NULL || !(v.flags & VMA_SHARED) || start + len > v.end)
		rc = -EINVAL;
	else
		rc = space_mmap(s, start, len, v.prot, ABI_MAP_SHARED | ABI_MAP_FIXED | (v.flags & VMA_LOCKED ? ABI_MAP_LOCKED : 0), vf->file,
				index << PAGE_SHIFT);
	vma_file_put(vf);
	vma_files_reap();
	return rc < 0 ? rc : 0;
}

s64 space_map_again(struct space *s, u64 from, u64 len, u64 addr, bool may_move, bool fixed)
{
	struct vma_file *vf = NULL;
	struct vma v;
	s64 rc = space_vma_get(s, from, &v, &vf);

	if (rc < 0)
		return -EFAULT;
	if (!(v.flags & VMA_SHARED) || vf == NULL) {
		vma_file_put(vf);
		return -EINVAL;
	}
	if (!may_move) {
		vma_file_put(vf);
		return -ENOMEM;
	}
	v.index += (from - v.start) >> PAGE_SHIFT;
	v.file = vf;
	rc = mutex_lock_killable(&s->map_lock);
	if (rc == 0) {
		rc = mmap_locked(s, &v, addr, len, fixed ? ABI_MAP_FIXED : 0);
		mutex_unlock(&s->map_lock);
	}
	vma_file_put(vf);
	vma_files_reap();
	return rc;
}

/* --- mprotect --- */

/* A file of a mount whose programs are not run (MS_NOEXEC) */
static bool not_to_run(const struct vma *v)
{
	const struct vma_file *vf = v->file;
	const struct inode *i = vf != NULL && vf->file != NULL ? vf->file->inode : NULL;

	return i != NULL && (mount_flags(i->mount) & MS_NOEXEC);
}

/* Does any mapping of the range lose a right? It must be mapped as a whole, and may have prot: so far, up to *end, it is and may. */
static int protect_check(struct space *s, u64 start, u64 *end, u32 prot, bool *loses, bool *changes)
{
	u64 at = start, to = *end;

	*loses = *changes = false;
	for (struct vma *v = vma_find_from(&s->map, start); at < to; v = vma_next(v)) {
		*end = at;
		if (v == NULL || v->start > at)
			return -ENOMEM;
		if ((prot & PROT_WRITE) && (v->flags & VMA_SHARED) && !(v->flags & VMA_MAYWRITE))
			return -EACCES;
		if (v->flags & VMA_VDSO)
			return -EACCES;
		if ((prot & PROT_EXEC) && !(v->prot & PROT_EXEC) && not_to_run(v))
			return -EACCES;
		*loses |= (v->prot & ~prot) != 0;
		*changes |= v->prot != prot;
		at = v->end;
	}
	*end = to;
	return 0;
}

/* Room for a change that charges so many pages more; they are charged. */
static int change_reserve_charged(struct space *s, u64 pages)
{
	int rc = change_reserve(s);

	return rc < 0 ? rc : commit_charge(s, pages);
}

static int protect_locked(struct space *s, u64 start, u64 end, u32 prot)
{
	bool loses, changes;
	u64 pages;
	int rc, stopped;

	stopped = protect_check(s, start, &end, prot, &loses, &changes);	/* what lies before that is changed all the same */
	if (end == start || !changes)
		return stopped;
	pages = vma_protect_charge(&s->map, start, end, prot);
	rc = change_reserve_charged(s, pages);
	if (rc < 0)
		return rc;
	space_close(s, 0, start, end);
	spin_lock(&s->vma_lock);
	rc = vma_map_protect(&s->map, start, end, prot);
	spin_unlock(&s->vma_lock);
	if (rc < 0) {
		commit_return(s, pages);
	} else {
		space_bump(s);
		if (loses)		/* new rights are found by the faults that want them */
			space_protect_ptes(s, start, end, prot);
		change_add(s, WIRE_CHANGE_PROTECT, &(struct vma){ .start = start, .end = end, .prot = prot });
	}
	space_open(s, 0);
	return rc < 0 ? rc : stopped;
}

/* PROT_GROWSDOWN: from the lower end of what grows there */
static int grows_from(struct space *s, u64 *start, u64 end)
{
	const struct vma *v = vma_find_from(&s->map, *start);

	if (v == NULL || v->start >= end)
		return -ENOMEM;
	if (!(v->flags & VMA_GROWSDOWN))
		return -EINVAL;
	*start = v->start;
	return 0;
}

s64 space_mprotect(struct space *s, u64 addr, u64 len, u32 prot)
{
	u64 end;
	int rc;

	if (!page_aligned(addr) || (prot & ~(PROT_MASK | ABI_PROT_SEM | ABI_PROT_GROWSDOWN)) != 0)	/* nothing here grows up */
		return -EINVAL;
	if (len == 0)
		return 0;
	len = page_up(len);
	if (len == 0 || !range_ok(addr, len))
		return -ENOMEM;
	rc = mutex_lock_killable(&s->map_lock);
	if (rc < 0)
		return rc;
	end = addr + len;
	if (prot & ABI_PROT_GROWSDOWN)
		rc = grows_from(s, &addr, end);
	if (rc == 0)
		rc = protect_locked(s, addr, end, prot & PROT_MASK);
	mutex_unlock(&s->map_lock);
	vma_files_reap();
	return rc;
}

/* --- a tracer's writes --- */

static int charge_page_locked(struct space *s, u64 start, u64 end)
{
	const struct vma *v = vma_find(&s->map, start);
	u64 pages = v == NULL || v->prot == 0 ? 0 : vma_protect_charge(&s->map, start, end, PROT_WRITE);
	int rc;

	if (pages == 0)
		return 0;
	rc = change_reserve_charged(s, pages);
	if (rc < 0)
		return rc;
	space_close(s, 0, start, end);
	spin_lock(&s->vma_lock);
	rc = vma_map_charge(&s->map, start, end);
	spin_unlock(&s->vma_lock);
	if (rc < 0)
		commit_return(s, pages);
	else
		change_add(s, WIRE_CHANGE_CHARGE, &(struct vma){ .start = start, .end = end });
	space_open(s, 0);
	return rc;
}

int space_charge_page(struct space *s, u64 va)
{
	int rc = mutex_lock_killable(&s->map_lock);

	if (rc < 0)
		return rc;
	rc = charge_page_locked(s, page_down(va), page_down(va) + PAGE_SIZE);
	mutex_unlock(&s->map_lock);
	return rc;
}

/* --- brk --- */

static int grow_heap(struct space *s, u64 from, u64 to)
{
	struct vma v = {
		.start = from, .end = to, .index = from >> PAGE_SHIFT, .prot = PROT_READ | PROT_WRITE,
		.flags = VMA_HEAP | VMA_ACCOUNTED | (s->lock_future ? VMA_LOCKED : 0),
	};
	int rc;

	if (to > USER_END || !vma_range_free(&s->map, from, to + PAGE_SIZE))
		return -ENOMEM;
	rc = commit_charge(s, (to - from) >> PAGE_SHIFT);
	if (rc < 0)
		return rc;
	rc = space_add_anonymous(s, &v);
	if (rc < 0)
		commit_return(s, (to - from) >> PAGE_SHIFT);
	return rc;
}

s64 space_brk(struct space *s, u64 addr)
{
	u64 from, to;
	s64 result;
	int rc = 0;

	mutex_lock(&s->map_lock);
	if (addr >= s->brk_start && addr < USER_END) {
		from = page_up(s->brk);
		to = page_up(addr);
		if (to > from)
			rc = grow_heap(s, from, to);
		else if (to < from)
			rc = space_unmap_locked(s, to, from);
		if (rc == 0)
			s->brk = addr;
	}
	result = s->brk;
	mutex_unlock(&s->map_lock);
	return result;
}

u64 space_mapped_bytes(struct space *s, u64 start, u64 len)
{
	u64 end = len > USER_END - MIN(start, USER_END) ? USER_END : start + len, bytes = 0;

	mutex_lock(&s->map_lock);
	for (struct vma *v = vma_find_from(&s->map, start); v != NULL && v->start < end; v = vma_next(v))
		bytes += MIN(v->end, end) - MAX(v->start, start);
	mutex_unlock(&s->map_lock);
	return bytes;
}
