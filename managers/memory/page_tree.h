/* SPDX-License-Identifier: MIT */
/*
 * A sparse table from page numbers to pointers: a radix tree of 64-way nodes, as deep as its largest key needs. Holds an
 * address space's private pages and an object's cached ones. The caller's lock protects it; memory is taken in page_tree_set()
 * only, and nodes that become empty are freed at once, so that an empty tree holds no memory.
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

void *page_tree_get(const struct page_tree *t, u64 key);		/* NULL: nothing there */
/* item is not NULL; what stood there before comes back in *old (NULL: nothing). -ENOMEM, -EINVAL: key too large */
int __must_check page_tree_set(struct page_tree *t, u64 key, void *item, void **old);
void *page_tree_remove(struct page_tree *t, u64 key);
/* The first at or above *key, whose key is left in *key; NULL: none. */
void *page_tree_next(const struct page_tree *t, u64 *key);

#endif
