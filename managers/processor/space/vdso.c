/* SPDX-License-Identifier: MIT */
/*
 * The vDSO and the clock's page in a space: two mappings of pages of the kernel's own. M knows nothing of them; their PTEs
 * are marked PTE_FOREIGN, for no line of the pcache stands behind them.
 */
#include "managers/processor/space/space_impl.h"

#include "arch/x86/vdso.h"
#include "managers/processor/pcache/fault.h"

int space_map_vdso(struct space *s, u64 *base)
{
	u64 size = (1 + vdso_nr_pages()) * PAGE_SIZE, at;
	int rc = -ENOMEM;

	mutex_lock(&s->map_lock);
	at = vma_find_gap(&s->map, PAGE_SIZE, s->mmap_top, size);
	if (at != 0) {
		const struct vma clock = { .start = at, .end = at + PAGE_SIZE, .index = at >> PAGE_SHIFT, .prot = PROT_READ,
					   .flags = VMA_VDSO };
		const struct vma code = { .start = at + PAGE_SIZE, .end = at + size, .index = (at >> PAGE_SHIFT) + 1,
					  .prot = PROT_READ | PROT_EXEC, .flags = VMA_VDSO };

		spin_lock(&s->vma_lock);
		rc = vma_map_add(&s->map, &clock);
		if (rc == 0)
			rc = vma_map_add(&s->map, &code);
		spin_unlock(&s->vma_lock);
		space_bump(s);
		*base = at + PAGE_SIZE;
	}
	mutex_unlock(&s->map_lock);
	return rc;
}

int fault_vdso(struct fault *f)
{
	unsigned nr = f->vma.prot & PROT_EXEC ? 1 + ((f->va - f->vma.start) >> PAGE_SHIFT) : 0;
	pte_t v = vdso_page_phys(nr) | PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_FOREIGN | (nr == 0 ? PTE_NX : 0);
	pte_t *slot;
	bool valid;

	spin_lock(&f->s->pt_lock);
	slot = pte_slot(&f->s->pgd, f->va, true);
	valid = slot != NULL && f->s->seq == f->seq && !space_closed(f->s, f->vpn);
	if (valid)
		(void)pte_xchg(slot, v);
	spin_unlock(&f->s->pt_lock);
	if (slot == NULL)
		return -ENOMEM;
	return valid ? FAULT_HIT : space_wait_open(f->s, f->vpn);
}
