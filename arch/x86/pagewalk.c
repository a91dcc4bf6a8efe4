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

/* The first entry from i on that another table hangs on, or PTES_PER_TABLE. */
static unsigned next_table_entry(const pte_t *table, unsigned i)
{
	for (i = pte_next_used(table, i); i < PTES_PER_TABLE; i = pte_next_used(table, i + 1))
		if ((pte_read(&table[i]) & (PTE_PRESENT | PTE_HUGE)) == PTE_PRESENT)
			break;
	return i;
}

u64 page_walk_next_table(const struct page_walk *w, paddr_t root, u64 va, u64 end)
{
	paddr_t tables[PAGE_LEVELS];
	unsigned l = PAGE_LEVELS - 1;

	tables[l] = root;
	while (va < end) {
		unsigned i = page_index(va, l), found = next_table_entry(w->at(tables[l]), i);

		if (found != i)				/* its first page, or, with none found, that of what comes after this table */
			va = (va & ~((1ULL << page_shift(l + 1)) - 1)) + ((u64)found << page_shift(l));
		if (found == PTES_PER_TABLE) {
			if (l == PAGE_LEVELS - 1)
				break;
			for (l++; l < PAGE_LEVELS - 1 && page_index(va, l) == 0; l++)
				;			/* the table above has ended, too */
			continue;
		}
		if (l == 1)
			return MIN(va, end);
		tables[l - 1] = pte_phys(pte_read(&w->at(tables[l])[found]));
		l--;
	}
	return end;
}

static void tables_below(const struct page_walk *w, paddr_t table, unsigned level, unsigned first, unsigned last,
			 void (*fn)(paddr_t table, void *arg), void *arg)
{
	const pte_t *entries = w->at(table);

	for (unsigned i = next_table_entry(entries, first); i <= last; i = next_table_entry(entries, i + 1)) {
		paddr_t below = pte_phys(pte_read(&entries[i]));

		if (level > 1)
			tables_below(w, below, level - 1, 0, PTES_PER_TABLE - 1, fn, arg);
		fn(below, arg);
	}
}

void page_walk_tables(const struct page_walk *w, paddr_t root, unsigned first, unsigned last,
		      void (*fn)(paddr_t table, void *arg), void *arg)
{
	tables_below(w, root, PAGE_LEVELS - 1, first, last, fn, arg);
}
