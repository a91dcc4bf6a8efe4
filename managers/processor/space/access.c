/* SPDX-License-Identifier: MIT */
/*
 * The kernel's copies to and from a space that is not the current one (exec's stack, /proc/PID/cmdline). The page is
 * faulted in as the program's own access would (L30), then copied under its set's lock, where nobody can take it away.
 */
#include "managers/processor/space/space_impl.h"

#include "arch/x86/regs.h"
#include "lib/base/string.h"
#include "mm/frame.h"

enum how { COPY_READ, COPY_WRITE, COPY_POKE };

/* Its page would be made writable at a write, were it allowed: nobody else sees what is written now. Set lock held. */
static bool alone(const struct pcache_line *line)
{
	return line->page.object == NULL && line->page.nr_owners == 1 && line->state == LINE_MAPPED && line->pins == 0;
}

/* Copy within one page if it is mapped as needed. */
static bool copy_mapped(struct space *s, u64 va, void *buf, size_t len, enum how how)
{
	struct pcache_line *line;
	struct pcache_set *set;
	pte_t *slot, v;
	bool ok;

	spin_lock(&s->pt_lock);
	slot = pte_slot(&s->pgd, va, false);
	spin_unlock(&s->pt_lock);
	v = slot == NULL ? 0 : pte_read(slot);
	if (pte_present(v) && (v & PTE_FOREIGN) && how == COPY_READ) {	/* the vDSO's: never goes away */
		memcpy(buf, (const u8 *)phys_to_virt(pte_phys(v)) + (va & (PAGE_SIZE - 1)), len);
		return true;
	}
	line = line_of_pte(v);
	set = line == NULL ? NULL : READ_ONCE(line->page.set);
	if (set == NULL)
		return false;
	spin_lock(&set->lock);
	v = pte_read(slot);
	ok = line->page.set == set && pte_present(v) && line_of_pte(v) == line &&
	     (how == COPY_READ || (v & PTE_WRITE) || (how == COPY_POKE && alone(line)));
	if (ok) {
		u8 *data = (u8 *)page_data(&line->page) + (va & (PAGE_SIZE - 1));

		if (how != COPY_READ) {
			memcpy(data, buf, len);
			line->page.dirty = true;
		} else {
			memcpy(buf, data, len);
		}
	}
	spin_unlock(&set->lock);
	return ok;
}

static int copy(struct space *s, u64 va, void *buf, size_t len, enum how how)
{
	static const unsigned flags[] = { [COPY_WRITE] = FAULT_WRITE, [COPY_POKE] = FAULT_WRITE | FAULT_FORCE };
	u8 *p = buf;

	while (len > 0) {
		size_t n = MIN(len, PAGE_SIZE - (va & (PAGE_SIZE - 1)));

		while (!copy_mapped(s, va, p, n, how)) {
			int rc = how == COPY_POKE ? space_charge_page(s, va) : 0;

			if (rc == 0)
				rc = space_fault(s, va, flags[how]);
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
	return copy(s, va, (void *)(uintptr_t)buf, len, COPY_WRITE);
}

int space_poke(struct space *s, u64 va, const void *buf, size_t len)
{
	return copy(s, va, (void *)(uintptr_t)buf, len, COPY_POKE);
}

int space_read(struct space *s, u64 va, void *buf, size_t len)
{
	return copy(s, va, buf, len, COPY_READ);
}
