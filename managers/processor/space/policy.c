/* SPDX-License-Identifier: MIT */
/* mbind(2): which memory policy the pages of a range have. Kept for those who ask: there is one node of memory, number 0. */
#include "managers/processor/space/space_impl.h"

static u32 vma_bits(u32 policy) { return policy << VMA_POLICY_SHIFT; }

/* Does anything of the range lie between mappings? vma_lock held */
static bool hole_in(struct space *s, u64 start, u64 end)
{
	for (struct vma *v = vma_find_from(&s->map, start); start < end; v = vma_next(v)) {
		if (v == NULL || v->start > start)
			return true;
		start = v->end;
	}
	return false;
}

int space_policy_set(struct space *s, u64 start, u64 end, u32 policy)
{
	int rc = mutex_lock_killable(&s->map_lock);

	if (rc < 0)
		return rc;
	spin_lock(&s->vma_lock);
	if (hole_in(s, start, end))
		rc = -EFAULT;
	else
		rc = vma_map_flags(&s->map, start, end, vma_bits(policy), VMA_POLICY & ~vma_bits(policy));
	spin_unlock(&s->vma_lock);
	mutex_unlock(&s->map_lock);
	return rc;
}

int space_policy_get(struct space *s, u64 va, u32 *policy)
{
	struct vma *v;

	spin_lock(&s->vma_lock);
	v = vma_find(&s->map, va);
	*policy = v != NULL ? (v->flags & VMA_POLICY) >> VMA_POLICY_SHIFT : 0;
	spin_unlock(&s->vma_lock);
	return v != NULL ? 0 : -EFAULT;
}
