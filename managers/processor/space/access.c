/* SPDX-License-Identifier: MIT */
/*
 * The kernel's copies to and from a space that is not the current one (exec's stack, /proc/PID/cmdline). The page is
 * faulted in as the program's own access would (L30), then copied under its set's lock, where nobody can take it away.
 */
#include "managers/processor/space/space_impl.h"

#include "arch/x86/regs.h"
#include "lib/base/string.h"
#include "mm/frame.h"

/* Copy within one page if it is mapped as needed. */
static bool copy_mapped(struct space *s, u64 va, void *buf, size_t len, bool write)
{
	struct pcache_line *line;
	struct pcache_set *set;
	pte_t *slot, v;
	bool ok;

	spin_lock(&s->pt_lock);
	slot = pte_slot(&s->pgd, va, false);
	spin_unlock(&s->pt_lock);
	v = slot == NULL ? 0 : pte_read(slot);
	if (pte_present(v) && (v & PTE_FOREIGN) && !write) {	/* the vDSO's: never goes away */
		memcpy(buf, (const u8 *)phys_to_virt(pte_phys(v)) + (va & (PAGE_SIZE - 1)), len);
		return true;
	}
	line = line_of_pte(v);
	set = line == NULL ? NULL : READ_ONCE(line->page.set);
	if (set == NULL)
		return false;
	spin_lock(&set->lock);
	v = pte_read(slot);
	ok = line->page.set == set && pte_present(v) && line_of_pte(v) == line && (!write || (v & PTE_WRITE));
	if (ok) {
		u8 *data = (u8 *)page_data(&line->page) + (va & (PAGE_SIZE - 1));

		if (write) {
			memcpy(data, buf, len);
			line->page.dirty = true;
		} else {
			memcpy(buf, data, len);
		}
	}
	spin_unlock(&set->lock);
	return ok;
}

static int copy(struct space *s, u64 va, void *buf, size_t len, bool write)
{
	u8 *p = buf;

	while (len > 0) {
		size_t n = MIN(len, PAGE_SIZE - (va & (PAGE_SIZE - 1)));

		while (!copy_mapped(s, va, p, n, write)) {
			int rc = space_fault(s, va, write ? FAULT_WRITE : 0);

			if (rc < 0)
				return rc == -EACCES || rc == -ENXIO ? -EFAULT : rc;
		}
		va += n;
		p += n;
		len -= n;
	}
	return 0;
}

int space_write(struct space *s, u64 va, const void *buf, size_t len)
{
	return copy(s, va, (void *)(uintptr_t)buf, len, true);
}

int space_read(struct space *s, u64 va, void *buf, size_t len)
{
	return copy(s, va, buf, len, false);
}
