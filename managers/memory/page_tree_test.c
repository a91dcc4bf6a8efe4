/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/memory/page_tree.c */
/* The page tree against a sorted array, over clustered and far-apart keys, with allocations failing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/base/errno.h"
#include "managers/memory/page_tree.h"
#include "shim.h"

#define KEYS 600
static u64 keys[KEYS];		/* sorted */
static void *have[KEYS];
static char item[16];

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void make_keys(void)
{
	for (int i = 0; i < KEYS; i++) {
		switch (i % 4) {
		case 0: keys[i] = i; break;
		case 1: keys[i] = 0x7fffffff0ULL - i; break;
		case 2: keys[i] = 0x555555554ULL + i * 64; break;
		default: keys[i] = (((u64)random() << 31) ^ random()) & PAGE_TREE_MAX; break;
		}
	}
	keys[KEYS - 1] = PAGE_TREE_MAX;
	qsort(keys, KEYS, sizeof(keys[0]), by_value);
}

static void check_next(struct page_tree *t, u64 from)
{
	u64 key = from;
	void *p = page_tree_next(t, &key);
	int i = 0;

	while (i < KEYS && (keys[i] < from || have[i] == NULL))
		i++;
	if (i == KEYS) {
		assert_null(p);
	} else {
		assert_ptr_equal(p, have[i]);
		assert_int_equal(key, keys[i]);
	}
}

static void random_ops(void **state)
{
	struct page_tree t = { 0 };
	u64 nr = 0;

	srandom(7);
	make_keys();
	for (int n = 0; n < 300000; n++) {
		int i = random() % KEYS, bias = n / 30000 % 2;
		void *old = NULL;

		if (i > 0 && keys[i] == keys[i - 1])
			continue;
		if (n % 5 == 0)
			shim_fail_alloc(1 + random() % 5);
		if (random() % 4 < 1 + bias * 2) {
			assert_ptr_equal(page_tree_remove(&t, keys[i]), have[i]);
			nr -= have[i] != NULL;
			have[i] = NULL;
		} else {
			void *p = &item[random() % 16];
			int rc = page_tree_set(&t, keys[i], p, &old);

			if (rc == 0) {
				assert_ptr_equal(old, have[i]);
				nr += have[i] == NULL;
				have[i] = p;
			} else {
				assert_int_equal(rc, -ENOMEM);
				assert_ptr_equal(page_tree_get(&t, keys[i]), have[i]);
			}
		}
		shim_fail_alloc(0);
		assert_int_equal(t.nr, nr);
		i = random() % KEYS;
		if (i == 0 || keys[i] != keys[i - 1])
			assert_ptr_equal(page_tree_get(&t, keys[i]), have[i]);
		if (n % 8 == 0)
			check_next(&t, keys[random() % KEYS] + random() % 3);
	}
	for (int i = 0; i < KEYS; i++)
		page_tree_remove(&t, keys[i]);
	assert_int_equal(t.nr, 0);
	assert_null(t.root);		/* an empty tree holds no memory */
}

/* What is reserved needs no memory later, whatever was removed meanwhile; and what is not used is given back, in its range alone. */
static void reserved(void **state)
{
	enum { FAR = 1 << 20, FARTHER = 1 << 28 };
	struct page_tree t = { 0 };
	unsigned failures = 0;
	void *old;

	assert_int_equal(page_tree_reserve(&t, PAGE_TREE_MAX + 1), -EINVAL);
	for (u64 nth = 1; ; nth++) {
		int rc;

		assert_int_equal(page_tree_set(&t, 5, item, &old), 0);
		shim_fail_alloc(nth);
		rc = page_tree_reserve(&t, FAR);
		shim_fail_alloc(0);
		failures += rc != 0;
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
		page_tree_settle(&t, 0, PAGE_TREE_MAX);
		assert_ptr_equal(page_tree_remove(&t, 5), item);
		assert_null(t.root);
	}
	assert_int_equal(failures, 6);		/* three levels more, and three nodes down to the leaf */
	assert_int_equal(page_tree_reserve(&t, FARTHER), 0);
	assert_ptr_equal(page_tree_remove(&t, 5), item);
	assert_int_equal(t.nr, 0);
	shim_fail_alloc(1);
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(page_tree_set(&t, FAR + PAGE_TREE_LEAF - 1, item, &old), 0);
		assert_int_equal(page_tree_set(&t, FARTHER, &item[1], &old), 0);
		assert_ptr_equal(page_tree_remove(&t, FAR + PAGE_TREE_LEAF - 1), item);
		assert_ptr_equal(page_tree_remove(&t, FARTHER), &item[1]);
	}
	page_tree_settle(&t, 0, FARTHER);
	assert_int_equal(page_tree_set(&t, FARTHER, item, &old), 0);
	assert_int_equal(page_tree_set(&t, FAR, item, &old), -ENOMEM);
	shim_fail_alloc(0);
	page_tree_settle(&t, FARTHER, FARTHER + 1);
	assert_ptr_equal(page_tree_get(&t, FARTHER), item);
	assert_ptr_equal(page_tree_remove(&t, FARTHER), item);
	assert_null(t.root);
	page_tree_settle(&t, 0, 1);
	assert_int_equal(page_tree_reserve(&t, 3), 0);
	page_tree_settle(&t, 3, 4);
	assert_null(t.root);
}

static void limits(void **state)
{
	struct page_tree t = { 0 };
	void *old;
	u64 key = ~0ULL;

	assert_int_equal(page_tree_set(&t, PAGE_TREE_MAX + 1, item, &old), -EINVAL);
	assert_null(page_tree_get(&t, 0));
	assert_null(page_tree_remove(&t, ~0ULL));
	assert_null(page_tree_next(&t, &key));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_ops), cmocka_unit_test(reserved), cmocka_unit_test(limits) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
