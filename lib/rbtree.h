/* SPDX-License-Identifier: MIT */
/*
 * Intrusive red-black tree. The caller walks down and compares, the tree keeps its balance; the caller's lock protects it.
 *
 *	struct rb_node **link = &tree.root, *parent = NULL;
 *	while (*link != NULL) {
 *		parent = *link;
 *		link = key < rb_entry(parent, struct thing, node)->key ? &parent->left : &parent->right;
 *	}
 *	rb_insert(&tree, &thing->node, parent, link);
 *
 * Augmented trees: set tree.update to a function that computes a node's value from the node itself and its two children; it is
 * called wherever they changed, children first. Whoever changes what a node itself contributes calls rb_update().
 */
#ifndef LIB_RBTREE_H
#define LIB_RBTREE_H

#include "lib/base/types.h"

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};

struct rb_tree {
	struct rb_node *root;
	void (*update)(struct rb_node *n);	/* [I] NULL: not augmented */
};

#define RB_TREE_INIT	{ NULL, NULL }
#define rb_entry(ptr, type, member)	container_of(ptr, type, member)

/* Put node below parent at *link (&parent->left or ->right, &tree->root for an empty tree), where the walk ended. */
void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, struct rb_node **link);
void rb_erase(struct rb_tree *tree, struct rb_node *node);
/* fresh takes the place of old, whose key it shares */
void rb_replace(struct rb_tree *tree, struct rb_node *old, struct rb_node *fresh);
/* node's own contribution changed: recompute it and all above */
void rb_update(struct rb_tree *tree, struct rb_node *node);

/* In order of keys; NULL when there is none */
struct rb_node *rb_first(const struct rb_tree *tree);
struct rb_node *rb_last(const struct rb_tree *tree);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

static inline bool rb_empty(const struct rb_tree *tree) { return tree->root == NULL; }

#endif
