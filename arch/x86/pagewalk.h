/* SPDX-License-Identifier: MIT */
/*
 * Four levels of page tables. Pure: tables are found through `at` and made through `alloc`, so that the host can walk
 * tables that stand in its own memory.
 */
#ifndef ARCH_X86_PAGEWALK_H
#define ARCH_X86_PAGEWALK_H

#include "arch/x86/paging.h"

struct page_walk {
	pte_t *(*at)(paddr_t table);
	paddr_t (*alloc)(void *arg);	/* a zeroed table, 0 when there is none */
	void *arg;
	u64 table_flags;		/* of the entries above the leaf */
};

#define PAGE_LEVELS	4		/* 3: 512 GiB an entry, 2: 1 GiB, 1: 2 MiB, 0: 4 KiB */
static inline unsigned page_shift(unsigned level) { return 12 + 9 * level; }
static inline unsigned page_index(u64 va, unsigned level) { return va >> page_shift(level) & 511; }

/*
 * The entry of va at the level, or NULL: a table is missing and alloc is not wanted (or failed), or a larger page is in
 * the way.
 */
pte_t *page_walk_entry(const struct page_walk *w, paddr_t root, u64 va, unsigned level, bool alloc);
/* First address >= va, < end, that a last-level table exists for; end when there is none. Rounded down to 2 MiB if > va. */
u64 page_walk_next_table(const struct page_walk *w, paddr_t root, u64 va, u64 end);
/* Calls fn for every table below root's entries [first, last], the deepest first. */
void page_walk_tables(const struct page_walk *w, paddr_t root, unsigned first, unsigned last,
		      void (*fn)(paddr_t table, void *arg), void *arg);

#endif
