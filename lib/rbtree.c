/* SPDX-License-Identifier: MIT */
/*
 * Red-black tree: no red node has a red child, and every way down from a node to a missing child passes the same number of
 * black nodes. A missing child counts as black.
 */
#include "lib/rbtree.h"

static bool is_red(const struct rb_node *n) { return n != NULL && n->red; }

/* Where the pointer to n stands: in its parent or the tree. */
static struct rb_node **link_of(struct rb_tree *tree, struct rb_node *n)
{
	if (n->parent == NULL)
		return &tree->root;
	return n->parent->left == n ? &n->parent->left : &n->parent->right;
}

void rb_update(struct rb_tree *tree, struct rb_node *n)
{
	if (tree->update == NULL)
		return;
	for (; n != NULL; n = n->parent)
		tree->update(n);
}

/* Child c of n rises to n's place; n becomes its child on the other side. */
static void rotate_up(struct rb_tree *tree, struct rb_node *c)
{
	struct rb_node *n = c->parent, **link = link_of(tree, n), *inner;

	if (n->left == c) {
		inner = c->right;
		n->left = inner;
		c->right = n;
	} else {
		inner = c->left;
		n->right = inner;
		c->left = n;
	}
	if (inner != NULL)
		inner->parent = n;
	c->parent = n->parent;
	n->parent = c;
	*link = c;
	if (tree->update != NULL) {
		tree->update(n);
		tree->update(c);
	}
}

void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	struct rb_node *n = node;

	*n = (struct rb_node){ .parent = parent, .red = true };
	*link = n;
	rb_update(tree, n);
	while (is_red(n->parent)) {
		struct rb_node *up = n->parent, *grand = up->parent;	/* a red node is never the root */
		struct rb_node *uncle = grand->left == up ? grand->right : grand->left;

		if (is_red(uncle)) {		/* push the red up two levels */
			up->red = uncle->red = false;
			grand->red = true;
			n = grand;
			continue;
		}
		if ((grand->left == up) != (up->left == n)) {	/* bent: make it straight */
			rotate_up(tree, n);
			up = n;
		}
		up->red = false;
		grand->red = true;
		rotate_up(tree, up);
		break;
	}
	tree->root->red = false;
}

/* The ways through n (a child of parent, may be missing) have one black node too few. */
static void fix_short(struct rb_tree *tree, struct rb_node *n, struct rb_node *parent)
{
	while (parent != NULL && !is_red(n)) {
		bool left = parent->left == n;
		struct rb_node *sib = left ? parent->right : parent->left;	/* exists: its side is longer */
		struct rb_node *near, *far;

		if (sib->red) {
			sib->red = false;
			parent->red = true;
			rotate_up(tree, sib);
			sib = left ? parent->right : parent->left;
		}
		near = left ? sib->left : sib->right;
		far = left ? sib->right : sib->left;
		if (!is_red(near) && !is_red(far)) {
			sib->red = true;	/* both sides short now: go on above */
			n = parent;
			parent = n->parent;
			continue;
		}
		if (!is_red(far)) {
			near->red = false;
			sib->red = true;
			rotate_up(tree, near);
			far = sib;
			sib = near;
		}
		sib->red = parent->red;
		parent->red = false;
		far->red = false;
		rotate_up(tree, sib);
		return;
	}
	if (n != NULL)
		n->red = false;
}

void rb_erase(struct rb_tree *tree, struct rb_node *node)
{
	struct rb_node *child, *parent;
	bool removed_black;

	if (node->left != NULL && node->right != NULL) {
		/* its successor, which has no left child, takes its place and colour */
		struct rb_node *s = node->right;

		while (s->left != NULL)
			s = s->left;
		child = s->right;
		parent = s->parent == node ? s : s->parent;
		removed_black = !s->red;
		if (s->parent != node) {
			s->parent->left = child;
			if (child != NULL)
				child->parent = s->parent;
			s->right = node->right;
			s->right->parent = s;
		}
		s->left = node->left;
		s->left->parent = s;
		s->red = node->red;
		*link_of(tree, node) = s;
		s->parent = node->parent;
	} else {
		child = node->left != NULL ? node->left : node->right;
		parent = node->parent;
		removed_black = !node->red;
		*link_of(tree, node) = child;
		if (child != NULL)
			child->parent = parent;
	}
	rb_update(tree, parent);
	if (removed_black)
		fix_short(tree, child, parent);
	*node = (struct rb_node){ 0 };
}

void rb_replace(struct rb_tree *tree, struct rb_node *old, struct rb_node *fresh)
{
	*fresh = *old;
	*link_of(tree, old) = fresh;
	if (fresh->left != NULL)
		fresh->left->parent = fresh;
	if (fresh->right != NULL)
		fresh->right->parent = fresh;
	*old = (struct rb_node){ 0 };
	rb_update(tree, fresh);
}

struct rb_node *rb_first(const struct rb_tree *tree)
{
	struct rb_node *n = tree->root;

	while (n != NULL && n->left != NULL)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_tree *tree)
{
	struct rb_node *n = tree->root;

	while (n != NULL && n->right != NULL)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	if (n->right != NULL) {
		for (n = n->right; n->left != NULL; n = n->left)
			;
		return (struct rb_node *)n;
	}
	while (n->parent != NULL && n->parent->right == n)
		n = n->parent;
	return n->parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	if (n->left != NULL) {
		for (n = n->left; n->right != NULL; n = n->right)
			;
		return (struct rb_node *)n;
	}
	while (n->parent != NULL && n->parent->left == n)
		n = n->parent;
	return n->parent;
}
