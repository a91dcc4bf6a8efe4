/* SPDX-License-Identifier: MIT */
/*
 * A sparse table from page numbers to pointers: a radix tree of 64-way nodes, as deep as its largest key needs. Holds an
 * address space's private pages and an object's cached ones. The caller's lock protects it; memory is taken in page_tree_set()
 * and page_tree_reserve() only, and nodes that become empty are freed at once, so that an empty tree holds no memory.
 */
#ifndef MANAGERS_MEMORY_PAGE_TREE_H
#define MANAGERS_MEMORY_PAGE_TREE_H

#include "lib/base/types.h"

struct page_tree {		/* all zero: empty */
	void *root;		/* a node, or nothing */
	u32 height;		/* levels of nodes */
	u64 nr;			/* pointers held */
};

#define PAGE_TREE_MAX	((1ULL << 48) - 1)	/* largest key */
#define PAGE_TREE_LEAF	64			/* keys behind each other that have their memory in common, the first a multiple of it */

void *page_tree_get(const struct page_tree *t, u64 key);		/* NULL: nothing there */
/* item is not NULL; what stood there before comes back in *old (NULL: nothing). -ENOMEM, -EINVAL: key too large */
int __must_check page_tree_set(struct page_tree *t, u64 key, void *item, void **old);
void *page_tree_remove(struct page_tree *t, u64 key);
/*
 * Memory for key, and the others of its leaf: until page_tree_settle() of a range with it in it page_tree_set() needs none there, whatever is
 * removed. settle: what was reserved and not used is given back. -ENOMEM, -EINVAL
 */
int __must_check page_tree_reserve(struct page_tree *t, u64 key);
void page_tree_settle(struct page_tree *t, u64 first, u64 last);	/* [first, last) */
/* The first at or above *key, whose key is left in *key; NULL: none. */
void *page_tree_next(const struct page_tree *t, u64 *key);

#endif
