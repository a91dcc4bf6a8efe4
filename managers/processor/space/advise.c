/* SPDX-License-Identifier: MIT */
/* madvise, msync, mincore. */
#include "managers/processor/space/pass.h"

#include "arch/x86/regs.h"
#include "arch/x86/uaccess.h"
#include "managers/processor/fs/file.h"
#include "managers/processor/space/abi.h"
#include "managers/protocol/memory_ops.h"

static bool range_mapped(struct space *s, u64 start, u64 end)
{
	for (struct vma *v = vma_find(&s->map, start); v != NULL && v->start <= start; v = vma_next(v)) {
		start = v->end;
		if (start >= end)
			return true;
	}
	return false;
}

/* --- madvise --- */

/* Private pages are forgotten, here and on M: they read as zeros, or as the file's, from now on. */
static int dontneed_locked(struct space *s, u64 start, u64 end)
{
	int rc = change_reserve(s);

	if (rc < 0)
		return rc;
	space_close(s, 0, start, end);
	space_bump(s);
	space_zap(s, start, end);
	change_add(s, WIRE_CHANGE_ZAP, &(struct vma){ .start = start, .end = end });
	space_open(s, 0);
	return 0;
}

static int flags_locked(struct space *s, u64 start, u64 end, u32 set, u32 clear)
{
	int rc;

	spin_lock(&s->vma_lock);
	rc = vma_map_flags(&s->map, start, end, set, clear);
	spin_unlock(&s->vma_lock);
	return rc;
}

/* MADV_COLD: as if it had not been used for long. What others share stays as it is. */
static enum pass_answer cool(struct pass *p, struct pcache_line *line, struct pcache_owner *o)
{
	if (line->state == LINE_MAPPED && line->page.nr_owners == 1) {
		(void)owner_accessed(&line->page, true, &p->tlb);
		line->referenced = 1;	/* a page that came ahead is spared no more */
		list_del(&line->link);
		list_add_head(&line->page.set->lines, &line->link);
	}
	return PASS_DONE;
}

/* MADV_PAGEOUT: its page leaves this node, by way of the victim cache if it is dirty. Set lock held, dropped. */
static enum pass_answer page_out(struct pcache_line *line)
{
	struct pcache_set *set = line->page.set;
	struct evict_batch b;
	int rc = -EAGAIN;

	evict_batch_init(&b);
	if (line->page.nr_owners == 1)
		rc = evict_line(line, &b);
	spin_unlock(&set->lock);
	evict_finish(&b);
	if (rc == -ENOSPC && victim_wait_free(true) == -EAGAIN) {
		spin_lock(&set->lock);
		return PASS_AGAIN;
	}
	return PASS_UNLOCKED;
}

static enum pass_answer page_out_present(struct pass *p, struct pcache_line *line, struct pcache_owner *o)
{
	return page_out(line);
}

static enum pass_answer page_out_absent(struct pass *p, struct pcache_set *set, struct pcache_line *line, u64 vpn, pte_t *slot)
{
	return line == NULL ? PASS_DONE : page_out(line);
}

static int reclaim_locked(struct space *s, u64 start, u64 end, bool out)
{
	struct pass p;

	for (struct vma *v = vma_find_from(&s->map, start); v != NULL && v->start < end; v = vma_next(v))
		if (v->flags & VMA_LOCKED)
			return -EINVAL;
	pass_init(&p, s);
	p.present = out ? page_out_present : cool;
	p.absent = out ? page_out_absent : NULL;
	pass_run(&p, start, end);
	if (out)
		flush_kick(true);	/* the oldest in the victim cache go, too, as many as one message takes, whoever else needs an entry */
	return 0;
}

static int advise_locked(struct space *s, u64 start, u64 end, int advice)
{
	switch (advice) {
	case ABI_MADV_DONTNEED:
	case ABI_MADV_DONTNEED_LOCKED:
	case ABI_MADV_FREE:
		for (struct vma *v = vma_find_from(&s->map, start); v != NULL && v->start < end; v = vma_next(v))
			if (((v->flags & VMA_LOCKED) && advice != ABI_MADV_DONTNEED_LOCKED) || (advice == ABI_MADV_FREE && v->object != 0)) {
				int rc = v->start > start ? dontneed_locked(s, start, v->start) : 0;	/* what lies before is dropped */

				return rc < 0 ? rc : -EINVAL;
			}
		return dontneed_locked(s, start, end);
	case ABI_MADV_NORMAL:
		return flags_locked(s, start, end, 0, VMA_SEQUENTIAL | VMA_RANDOM);
	case ABI_MADV_SEQUENTIAL:
		return flags_locked(s, start, end, VMA_SEQUENTIAL, VMA_RANDOM);
	case ABI_MADV_RANDOM:
		return flags_locked(s, start, end, VMA_RANDOM, VMA_SEQUENTIAL);
	case ABI_MADV_COLD:
	case ABI_MADV_PAGEOUT:
		return reclaim_locked(s, start, end, advice == ABI_MADV_PAGEOUT);
	case ABI_MADV_DONTDUMP:
		return flags_locked(s, start, end, VMA_DONTDUMP, 0);
	case ABI_MADV_DODUMP:
		return flags_locked(s, start, end, 0, VMA_DONTDUMP);
	case ABI_MADV_DONTFORK:
		return flags_locked(s, start, end, VMA_DONTFORK, 0);
	case ABI_MADV_DOFORK:
		return flags_locked(s, start, end, 0, VMA_DONTFORK);
	case ABI_MADV_WIPEONFORK:
		for (struct vma *v = vma_find_from(&s->map, start); v != NULL && v->start < end; v = vma_next(v))
			if (v->object != 0)
				return -EINVAL;
		return flags_locked(s, start, end, VMA_WIPEONFORK, 0);
	case ABI_MADV_KEEPONFORK:
		return flags_locked(s, start, end, 0, VMA_WIPEONFORK);
	default:
		return 0;	/* hints that may be ignored */
	}
}

static bool known_advice(int advice)
{
	return (advice >= ABI_MADV_NORMAL && advice <= ABI_MADV_DONTNEED) ||
	       (advice >= ABI_MADV_FREE && advice <= ABI_MADV_DONTNEED_LOCKED);
}

/* May every page of the range be touched so? */
static s64 populate_check(struct space *s, u64 start, u64 end, u32 prot)
{
	s64 rc = 0;

	spin_lock(&s->vma_lock);
	for (struct vma *v = vma_find_from(&s->map, start); start < end && rc == 0; v = vma_next(v)) {
		if (v == NULL || v->start > start)
			rc = -ENOMEM;
		else if (!(v->prot & prot))
			rc = -EINVAL;
		else
			start = v->end;
	}
	spin_unlock(&s->vma_lock);
	return rc;
}

/* A part of it, as mmap() does: the rest is fetched when it is touched. */
static s64 populate(struct space *s, u64 start, u64 end, bool write)
{
	u64 last = MIN(end, start + space_populate_most());

	for (u64 va = start; va < last; va += PAGE_SIZE) {
		int rc = thread_current()->fatal_pending ? -EINTR : space_fault(s, va, write ? FAULT_WRITE : 0);

		if (rc < 0)
			return rc == -EFAULT ? -ENOMEM : rc == -EACCES ? -EINVAL : rc == -ENXIO ? -EFAULT : rc;
	}
	return populate_check(s, last, end, write ? PROT_WRITE : PROT_READ | PROT_EXEC);
}

/*
 * MADV_REMOVE, of one mapping: a hole in its file, as fallocate(2) makes them. The mapping may be gone by now, and the file be sealed
 * then: it is asked as for a call that names it.
 */
static s64 remove_from(const struct vma *v, const struct vma_file *vf, u64 start, u64 end)
{
	u64 from = (v->index << PAGE_SHIFT) + (start - v->start);
	struct file *f = vf == NULL ? NULL : vf->file;

	if ((v->flags & VMA_LOCKED) || vf == NULL)
		return -EINVAL;
	if (!(v->flags & VMA_SHARED) || !(v->flags & VMA_MAYWRITE))
		return -EACCES;
	if (f == NULL || f->ops == NULL || f->ops->punch == NULL)	/* memory that is no file's */
		return object_hole(vf->object, from, from + (end - start));
	return f->ops->punch(f, from, from + (end - start));
}

static s64 remove_range(struct space *s, u64 at, u64 end)
{
	struct vma_file *vf;
	bool hole = false;
	struct vma v;
	s64 rc = 0;

	while (at < end && rc == 0) {
		const struct vma *next;
		u64 mapped;

		spin_lock(&s->vma_lock);
		next = vma_find_from(&s->map, at);
		mapped = next == NULL ? end : MAX(next->start, at);
		spin_unlock(&s->vma_lock);
		hole |= mapped > at;
		at = MIN(mapped, end);
		vf = NULL;
		if (at == end || space_vma_get(s, at, &v, &vf) < 0)
			continue;		/* gone meanwhile: look again */
		rc = remove_from(&v, vf, at, MIN(v.end, end));
		at = v.end;
		vma_file_put(vf);
	}
	vma_files_reap();
	return rc == 0 && hole ? -ENOMEM : rc;
}

s64 space_madvise(struct space *s, u64 addr, u64 len, int advice)
{
	u64 end;
	bool hole;
	s64 rc;

	if (!known_advice(advice) || !page_aligned(addr))
		return -EINVAL;
	if (len == 0)
		return 0;
	len = page_up(len);
	if (len == 0 || addr + len < addr)
		return -EINVAL;
	if (addr >= USER_END || len > USER_END - addr)
		return -ENOMEM;
	end = addr + len;
	if (advice == ABI_MADV_POPULATE_READ || advice == ABI_MADV_POPULATE_WRITE)
		return populate(s, addr, end, advice == ABI_MADV_POPULATE_WRITE);
	if (advice == ABI_MADV_REMOVE)
		return remove_range(s, addr, end);
	rc = mutex_lock_killable(&s->map_lock);
	if (rc < 0)
		return rc;
	hole = !range_mapped(s, addr, end);	/* what is mapped is advised all the same */
	rc = advise_locked(s, addr, end, advice);
	mutex_unlock(&s->map_lock);
	vma_files_reap();
	if (rc == 0 && advice == ABI_MADV_WILLNEED)
		rc = prefetch_range(s, addr, end);
	return rc == 0 && hole ? -ENOMEM : rc;
}

/* --- msync --- */

s64 space_msync(struct space *s, u64 addr, u64 len, int flags)
{
	u64 at = addr, end;
	bool hole = false;
	int rc = 0, one;

	if (!page_aligned(addr) || (flags & ~(ABI_MS_ASYNC | ABI_MS_INVALIDATE | ABI_MS_SYNC)) != 0 ||
	    ((flags & ABI_MS_ASYNC) && (flags & ABI_MS_SYNC)))
		return -EINVAL;
	len = page_up(len);
	if (len == 0)
		return 0;
	if (addr >= USER_END || len > USER_END - addr)
		return -ENOMEM;
	end = addr + len;
	while (at < end) {
		struct object *o = NULL;
		struct vma *v;

		spin_lock(&s->vma_lock);
		v = vma_find_from(&s->map, at);
		if (v == NULL || v->start > at)
			hole = true;
		if (v != NULL && v->start < end && (flags & ABI_MS_INVALIDATE) && (v->flags & VMA_LOCKED))
			rc = -EBUSY;
		if (rc == 0 && v != NULL && v->start < end && v->object != 0 && (v->flags & VMA_SHARED) && v->file != NULL) {
			o = ((struct vma_file *)v->file)->object;
			object_get(o);
		}
		at = v == NULL || rc == -EBUSY ? end : v->end;
		spin_unlock(&s->vma_lock);
		if (o == NULL)
			continue;
		one = flags & ABI_MS_SYNC ? object_sync(o, true) : 0;
		object_put(o);
		if (rc == 0)
			rc = one;
	}
	return rc < 0 ? rc : hole ? -ENOMEM : 0;
}

/* --- mincore --- */

/* A file's page or one of shared memory, brought by whomever. */
static bool mapped_page_here(struct space *s, u64 va)
{
	struct page_id id = { 0 };
	struct vma *v;

	spin_lock(&s->vma_lock);
	v = vma_find(&s->map, va);
	if (v != NULL)
		id = (struct page_id){ v->object, v->index + ((va - v->start) >> PAGE_SHIFT) };
	spin_unlock(&s->vma_lock);
	return id.space != 0 && object_page_here(id);
}

static u8 resident(struct space *s, u64 va)
{
	pte_t *slot, v;

	spin_lock(&s->pt_lock);
	slot = pte_slot(&s->pgd, va, false);
	v = slot == NULL ? 0 : pte_read(slot);
	spin_unlock(&s->pt_lock);
	return pte_present(v) || (!pte_private(v) && mapped_page_here(s, va));
}

bool space_touched(struct space *s, u64 va)
{
	pte_t *slot, v;

	spin_lock(&s->pt_lock);
	slot = pte_slot(&s->pgd, va, false);
	v = slot == NULL ? 0 : pte_read(slot);
	spin_unlock(&s->pt_lock);
	return pte_present(v) || pte_private(v) || pte_busy(v);
}

u64 space_resident(struct space *s, u64 start, u64 end)
{
	u64 pages = 0, va = start;

	while (va < end && !thread_current()->fatal_pending) {
		pte_t *slot;

		spin_lock(&s->pt_lock);
		slot = pte_slot(&s->pgd, va, false);
		pages += slot != NULL && pte_present(pte_read(slot));
		spin_unlock(&s->pt_lock);
		va = slot != NULL ? va + PAGE_SIZE : (va | (MIB(2) - 1)) + 1;	/* nothing in all of that table's reach */
	}
	return pages;
}

s64 space_mincore(struct space *s, u64 addr, u64 len, u64 vec)
{
	u8 buf[256];
	u64 end;

	if (!page_aligned(addr))
		return -EINVAL;
	if (addr >= USER_END || len > USER_END - addr)
		return -ENOMEM;
	len = page_up(len);
	end = addr + len;
	mutex_lock(&s->map_lock);
	if (len != 0 && !range_mapped(s, addr, end)) {
		mutex_unlock(&s->map_lock);
		return -ENOMEM;
	}
	mutex_unlock(&s->map_lock);
	while (addr < end) {
		u64 n = MIN((end - addr) >> PAGE_SHIFT, sizeof(buf));

		for (u64 i = 0; i < n; i++)
			buf[i] = resident(s, addr + i * PAGE_SIZE);
		if (copy_to_user(vec, buf, n) < 0)
			return -EFAULT;
		vec += n;
		addr += n * PAGE_SIZE;
	}
	return 0;
}
