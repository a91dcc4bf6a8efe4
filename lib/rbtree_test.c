/* SPDX-License-Identifier: MIT */
/* Random inserts, erases and replacements against a sorted array; colours, depths and the augmented sums checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/rbtree.h"

#define KEYS 300

struct item {
	struct rb_node node;
	int key;
	u64 own, sum;
};

static u64 sum_of(struct rb_node *n) { return n == NULL ? 0 : rb_entry(n, struct item, node)->sum; }
static void update(struct rb_node *n)
{
	struct item *i = rb_entry(n, struct item, node);

	i->sum = i->own + sum_of(n->left) + sum_of(n->right);
}

/* black height; asserts the rules on the way */
static int check(struct rb_node *n, struct rb_node *parent)
{
	int l, r;

	if (n == NULL)
		return 1;
	assert_ptr_equal(n->parent, parent);
	if (n->red)
		assert_true(parent != NULL && !parent->red);
	l = check(n->left, n);
	r = check(n->right, n);
	assert_int_equal(l, r);
	assert_int_equal(rb_entry(n, struct item, node)->sum,
			 rb_entry(n, struct item, node)->own + sum_of(n->left) + sum_of(n->right));
	return l + !n->red;
}

static void insert(struct rb_tree *t, struct item *it)
{
	struct rb_node **link = &t->root, *parent = NULL;

	while (*link != NULL) {
		parent = *link;
		link = it->key < rb_entry(parent, struct item, node)->key ? &parent->left : &parent->right;
	}
	rb_insert(t, &it->node, parent, link);
}

static void random_ops(void **state)
{
	struct rb_tree tree = { NULL, update };
	struct item *present[KEYS] = { 0 };

	srandom(1);
	for (int op = 0; op < 20000; op++) {
		int k = random() % KEYS;

		if (present[k] == NULL) {
			present[k] = calloc(1, sizeof(struct item));
			present[k]->key = k;
			present[k]->own = random() % 1000;
			insert(&tree, present[k]);
		} else if (random() % 8 == 0) {
			struct item *fresh = calloc(1, sizeof(*fresh));

			fresh->key = k;
			fresh->own = random() % 1000;
			rb_replace(&tree, &present[k]->node, &fresh->node);
			free(present[k]);
			present[k] = fresh;
		} else if (random() % 8 == 0) {
			present[k]->own++;
			rb_update(&tree, &present[k]->node);
		} else {
			rb_erase(&tree, &present[k]->node);
			free(present[k]);
			present[k] = NULL;
		}
		if (op % 16 == 0) {
			struct rb_node *n = rb_first(&tree), *m = rb_last(&tree);

			check(tree.root, NULL);
			for (int i = 0; i < KEYS; i++) {
				if (present[i] == NULL)
					continue;
				assert_ptr_equal(n, &present[i]->node);
				n = rb_next(n);
			}
			assert_null(n);
			for (int i = KEYS; i-- > 0;) {
				if (present[i] == NULL)
					continue;
				assert_ptr_equal(m, &present[i]->node);
				m = rb_prev(m);
			}
			assert_null(m);
		}
	}
	for (int k = 0; k < KEYS; k++) {
		if (present[k] != NULL)
			rb_erase(&tree, &present[k]->node);
		free(present[k]);
		check(tree.root, NULL);
	}
	assert_true(rb_empty(&tree));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_ops) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
