/* SPDX-License-Identifier: MIT */
#include "arch/x86/pagewalk.h"

pte_t *page_walk_entry(const struct page_walk *w, paddr_t root, u64 va, unsigned level, bool alloc)
{
	pte_t *table = w->at(root);

	for (unsigned l = PAGE_LEVELS - 1; l > level; l--) {
		pte_t *e = &table[page_index(va, l)], v = pte_read(e);

		if (!(v & PTE_PRESENT)) {
			paddr_t t = alloc ? w->alloc(w->arg) : 0;

			if (t == 0)
				return NULL;
			v = t | w->table_flags;
			__atomic_store_n(e, v, __ATOMIC_RELEASE);	/* its zeroes are seen before it */
		} else if (v & PTE_HUGE) {
			return NULL;
		}
		table = w->at(pte_phys(v));
	}
	return &table[page_index(va, level)];
}

u64 page_walk_next_table(const struct page_walk *w, paddr_t root, u64 va, u64 end)
{
	while (va < end) {
		pte_t *table = w->at(root);
		unsigned l = PAGE_LEVELS - 1;

		for (; l > 0; l--) {
			pte_t v = pte_read(&table[page_index(va, l)]);

			if (!(v & PTE_PRESENT) || (v & PTE_HUGE))
				break;
			table = w->at(pte_phys(v));
		}
		if (l == 0)
			return va;
		u64 step = 1ULL << page_shift(l);	/* nothing there: on to the next entry of that level */

		va = ALIGN_DOWN(va, step) + step;
	}
	return end;
}

static void tables_below(const struct page_walk *w, paddr_t table, unsigned level, unsigned first, unsigned last,
			 void (*fn)(paddr_t table, void *arg), void *arg)
{
	for (unsigned i = first; i <= last; i++) {
		pte_t v = pte_read(&w->at(table)[i]);

		if (!(v & PTE_PRESENT) || (v & PTE_HUGE))
			continue;
		if (level > 1)
			tables_below(w, pte_phys(v), level - 1, 0, 511, fn, arg);
		fn(pte_phys(v), arg);
	}
}

void page_walk_tables(const struct page_walk *w, paddr_t root, unsigned first, unsigned last,
		      void (*fn)(paddr_t table, void *arg), void *arg)
{
	tables_below(w, root, PAGE_LEVELS - 1, first, last, fn, arg);
}
