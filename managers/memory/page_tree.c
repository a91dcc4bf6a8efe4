/* SPDX-License-Identifier: MIT */
/* A sparse table from page numbers to pointers; see page_tree.h. */
#include "managers/memory/page_tree.h"

#include "lib/base/errno.h"
#include "mm/slab.h"

#define BITS	6
#define WAYS	(1U << BITS)
#define MAX_HEIGHT 8

_Static_assert(WAYS == PAGE_TREE_LEAF, "a leaf is a node of the lowest level");

struct tree_node {
	u32 nr;			/* slots in use */
	bool reserved;		/* of the lowest level: stays though it be empty */
	void *slot[WAYS];	/* nodes; on the lowest level what the caller stored */
};

static unsigned slot_of(u64 key, unsigned level) { return (key >> (level * BITS)) & (WAYS - 1); }
static bool key_fits(u64 key, u32 height) { return height >= MAX_HEIGHT || key >> (height * BITS) == 0; }

void *page_tree_get(const struct page_tree *t, u64 key)
{
	void *p = t->root;

	if (p == NULL || key > PAGE_TREE_MAX || !key_fits(key, t->height))
		return NULL;
	for (unsigned level = t->height; level-- > 0 && p != NULL;)
		p = ((struct tree_node *)p)->slot[slot_of(key, level)];
	return p;
}

/* Give back nodes on key's path that hold nothing, from below; then levels that hold only small keys. */
static void prune(struct page_tree *t, u64 key)
{
	struct tree_node *path[MAX_HEIGHT];
	void *p = t->root;
	unsigned level = t->height;

	while (level > 0 && p != NULL) {
		path[--level] = p;
		p = path[level]->slot[slot_of(key, level)];
	}
	for (; level < t->height && path[level]->nr == 0 && !path[level]->reserved; level++) {
		kfree(path[level]);
		if (level + 1 == t->height) {
			t->root = NULL;
			t->height = 0;
			return;
		}
		path[level + 1]->slot[slot_of(key, level + 1)] = NULL;
		path[level + 1]->nr--;
	}
	while (t->height > 1) {
		struct tree_node *n = t->root;

		if (n->nr != 1 || n->slot[0] == NULL)
			break;
		t->root = n->slot[0];
		t->height--;
		kfree(n);
	}
}

static int grow(struct page_tree *t, u64 key)
{
	while (t->root == NULL || !key_fits(key, t->height)) {
		struct tree_node *n;

		if (t->root == NULL) {		/* at once as high as needed */
			t->height = 1;
			while (!key_fits(key, t->height))
				t->height++;
		}
		n = kzalloc(sizeof(*n));
		if (n == NULL) {
			if (t->root == NULL)
				t->height = 0;
			return -ENOMEM;
		}
		if (t->root != NULL) {
			n->slot[0] = t->root;
			n->nr = 1;
			t->height++;
		}
		t->root = n;
	}
	return 0;
}

/* The node of the lowest level that key is in, made if there is none; NULL: no memory */
static struct tree_node *make_leaf(struct page_tree *t, u64 key)
{
	struct tree_node *n;
	void **slot;

	if (grow(t, key) < 0)
		return NULL;		/* a level more does no harm; the next prune takes it away */
	n = t->root;
	for (unsigned level = t->height; level-- > 1;) {
		slot = &n->slot[slot_of(key, level)];
		if (*slot == NULL) {
			*slot = kzalloc(sizeof(*n));
			if (*slot == NULL) {
				prune(t, key);
				return NULL;
			}
			n->nr++;
		}
		n = *slot;
	}
	return n;
}

int page_tree_set(struct page_tree *t, u64 key, void *item, void **old)
{
	struct tree_node *n;
	void **slot;

	if (key > PAGE_TREE_MAX)
		return -EINVAL;
	n = make_leaf(t, key);
	if (n == NULL)
		return -ENOMEM;
	slot = &n->slot[slot_of(key, 0)];
	*old = *slot;
	if (*slot == NULL) {
		n->nr++;
		t->nr++;
	}
	*slot = item;
	return 0;
}

void *page_tree_remove(struct page_tree *t, u64 key)
{
	struct tree_node *n = t->root;
	void *item;

	if (n == NULL || key > PAGE_TREE_MAX || !key_fits(key, t->height))
		return NULL;
	for (unsigned level = t->height; level-- > 1;) {
		n = n->slot[slot_of(key, level)];
		if (n == NULL)
			return NULL;
	}
	item = n->slot[slot_of(key, 0)];
	if (item == NULL)
		return NULL;
	n->slot[slot_of(key, 0)] = NULL;
	n->nr--;
	t->nr--;
	if (n->nr == 0 || t->nr == 0)
		prune(t, key);
	return item;
}

int page_tree_reserve(struct page_tree *t, u64 key)
{
	struct tree_node *n;

	if (key > PAGE_TREE_MAX)
		return -EINVAL;
	n = make_leaf(t, key);
	if (n == NULL)
		return -ENOMEM;
	n->reserved = true;
	return 0;
}

/* The leaves of [first, last) in the subtree n of the given level, whose smallest key is base; n itself stays. */
static void settle(struct tree_node *n, unsigned level, u64 base, u64 first, u64 last)
{
	u64 span = 1ULL << (level * BITS);

	if (level == 0) {
		n->reserved = false;
		return;
	}
	for (unsigned i = first > base ? (first - base) / span : 0; i < WAYS && base + i * span < last; i++) {
		struct tree_node *child = n->slot[i];

		if (child == NULL)
			continue;
		settle(child, level - 1, base + i * span, first, last);
		if (child->nr == 0 && !child->reserved) {
			kfree(child);
			n->slot[i] = NULL;
			n->nr--;
		}
	}
}

void page_tree_settle(struct page_tree *t, u64 first, u64 last)
{
	if (t->root == NULL)
		return;
	settle(t->root, t->height - 1, 0, first, last);
	prune(t, first);
}

/* The first in the subtree n of the given level, whose smallest key is base. */
static void *node_next(const struct tree_node *n, unsigned level, u64 base, u64 *key)
{
	u64 span = 1ULL << (level * BITS);
	unsigned i = *key > base ? (*key - base) / span : 0;

	for (; i < WAYS; i++) {
		u64 first = base + i * span;
		void *p = n->slot[i];

		if (p == NULL)
			continue;
		if (level == 0) {
			*key = first;
			return p;
		}
		p = node_next(p, level - 1, first, key);
		if (p != NULL)
			return p;
	}
	return NULL;
}

void *page_tree_next(const struct page_tree *t, u64 *key)
{
	if (t->root == NULL || *key > PAGE_TREE_MAX || !key_fits(*key, t->height))
		return NULL;
	return node_next(t->root, t->height - 1, 0, key);
}
