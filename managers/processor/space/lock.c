/* SPDX-License-Identifier: MIT */
/*
 * mlock and its family. Memory here is a cache and there is no swap: what is locked is noted, counted against the limit, kept from
 * madvise(), and brought in once, as far as mmap() would with MAP_POPULATE. It may leave this node again.
 */
#include "managers/processor/space/space_impl.h"

#include "managers/processor/space/abi.h"

static u64 locked_in(struct space *s, u64 start, u64 end)
{
	u64 pages = 0;

	for (struct vma *v = vma_find_from(&s->map, start); v != NULL && v->start < end; v = vma_next(v))
		if (v->flags & VMA_LOCKED)
			pages += (MIN(v->end, end) - MAX(v->start, start)) >> PAGE_SHIFT;
	return pages;
}

/* What is mapped in the range. -ENOMEM: not all of it is, or no memory for more pieces of the map. map_lock held */
static int note(struct space *s, u64 start, u64 end, bool lock)
{
	u64 at = start;
	bool hole = false;
	int rc = 0;

	spin_lock(&s->vma_lock);
	while (at < end && rc == 0) {
		struct vma *v = vma_find_from(&s->map, at);
		u64 from = v == NULL ? end : MAX(v->start, at), to = v == NULL ? end : MIN(v->end, end);

		hole |= from > at;
		if (v != NULL && from < end && !(v->flags & VMA_VDSO))
			rc = vma_map_flags(&s->map, from, to, lock ? VMA_LOCKED : 0, lock ? 0 : VMA_LOCKED);
		at = MAX(to, from);
	}
	spin_unlock(&s->vma_lock);
	return rc == 0 && hole ? -ENOMEM : rc;
}

s64 space_mlock(struct space *s, u64 addr, u64 len, unsigned how, u64 limit)
{
	u64 start = page_down(addr), end, pages;
	int rc;

	if (len == 0)
		return 0;
	if (addr + len < addr || page_up(len + (addr - start)) == 0)
		return -EINVAL;
	len = page_up(len + (addr - start));
	if (start >= USER_END || len > USER_END - start)
		return -ENOMEM;
	end = start + len;
	rc = mutex_lock_killable(&s->map_lock);
	if (rc < 0)
		return rc;
	pages = s->map.nr_locked + (len >> PAGE_SHIFT) - locked_in(s, start, end);
	if ((how & SPACE_LOCK) && pages > limit >> PAGE_SHIFT)
		rc = -ENOMEM;
	else
		rc = note(s, start, end, how & SPACE_LOCK);
	mutex_unlock(&s->map_lock);
	if (rc == 0 && (how & SPACE_LOCK_FETCH))
		space_populate(s, start, len, false);
	return rc;
}

/* What is mapped, from the bottom up, until as much is here as is brought at once. */
static void bring_in(struct space *s)
{
	u64 left = space_populate_most(), at = 0;

	while (left != 0 && !thread_current()->fatal_pending) {
		struct vma v = { 0 };
		struct vma *found;

		spin_lock(&s->vma_lock);
		found = vma_find_from(&s->map, at);
		if (found != NULL)
			v = *found;
		spin_unlock(&s->vma_lock);
		if (found == NULL)
			return;
		at = v.end;
		if (!(v.prot & (PROT_READ | PROT_EXEC)) || (v.flags & VMA_VDSO))
			continue;
		space_populate(s, v.start, MIN(v.end - v.start, left), false);
		left -= MIN(v.end - v.start, left);
	}
}

s64 space_mlockall(struct space *s, bool now, bool future, bool fetch, u64 limit)
{
	int rc = mutex_lock_killable(&s->map_lock);

	if (rc < 0)
		return rc;
	if (now && s->map.nr_pages > limit >> PAGE_SHIFT)
		rc = -ENOMEM;
	if (rc == 0)
		s->lock_future = future;
	if (rc == 0 && now && note(s, 0, USER_END, true) < 0)
		rc = 0;			/* between its mappings there are holes */
	mutex_unlock(&s->map_lock);
	if (rc == 0 && now && fetch)
		bring_in(s);
	return rc;
}

s64 space_munlockall(struct space *s)
{
	int rc = mutex_lock_killable(&s->map_lock);

	if (rc < 0)
		return rc;
	s->lock_future = false;
	(void)!note(s, 0, USER_END, false);
	mutex_unlock(&s->map_lock);
	return 0;
}
