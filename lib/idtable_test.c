/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/errno.h"
#include "lib/idtable.h"
#include "shim.h"

static void lowest_first(void **state)
{
	struct idtable t;
	void *p;

	idtable_init(&t, 3, 203, false);
	for (int i = 0; i < 200; i++)
		assert_int_equal(idtable_add(&t, &t), 3 + i);
	assert_int_equal(idtable_add(&t, &t), -ENOSPC);
	assert_ptr_equal(idtable_remove(&t, 50), &t);
	assert_null(idtable_remove(&t, 50));
	assert_ptr_equal(idtable_remove(&t, 20), &t);
	assert_int_equal(idtable_next(&t, 20, &p), 21);
	assert_int_equal(idtable_add(&t, NULL), 20);
	assert_null(idtable_get(&t, 20));
	idtable_set(&t, 20, &p);
	assert_ptr_equal(idtable_get(&t, 20), &p);
	assert_int_equal(idtable_add_at(&t, 50, &p), 0);
	assert_int_equal(idtable_add_at(&t, 50, &p), -EBUSY);
	assert_int_equal(idtable_add_at(&t, 2, &p), -EINVAL);
	assert_int_equal(idtable_add_at(&t, 203, &p), -EINVAL);
	assert_null(idtable_get(&t, 0));
	assert_null(idtable_get(&t, 4000000000u));
	idtable_destroy(&t);
}

static void cyclic(void **state)
{
	struct idtable t;

	idtable_init(&t, 1, 101, true);
	for (int i = 0; i < 60; i++)
		assert_int_equal(idtable_add(&t, &t), 1 + i);
	for (int i = 0; i < 60; i++)
		idtable_remove(&t, 1 + i);
	for (int i = 60; i < 100; i++)
		assert_int_equal(idtable_add(&t, &t), 1 + i);
	assert_int_equal(idtable_add(&t, &t), 1);
	idtable_destroy(&t);
}

static void out_of_memory(void **state)
{
	struct idtable t;

	idtable_init(&t, 0, 1000, false);
	shim_fail_alloc(1);
	assert_int_equal(idtable_add(&t, &t), -ENOMEM);
	shim_fail_alloc(2);
	assert_int_equal(idtable_add(&t, &t), -ENOMEM);
	assert_int_equal(idtable_add(&t, &t), 0);
	idtable_destroy(&t);
}

static void random_ops(void **state)
{
	static void *model[500];
	struct idtable t;
	u32 nr = 0;

	for (int cyc = 0; cyc < 2; cyc++) {
		memset(model, 0, sizeof(model));
		nr = 0;
		idtable_init(&t, 10, 510, cyc);
		srandom(5);
		for (int op = 0; op < 100000; op++) {
			int i = random() % 500;

			if (random() % 2) {
				s64 id = random() % 4 ? idtable_add(&t, &model[i]) : idtable_add_at(&t, 10 + i, &model[i]);

				if (id == -ENOSPC) {
					assert_int_equal(nr, 500);
				} else if (id == -EBUSY) {
					assert_non_null(model[i]);
				} else {
					id = id == 0 ? 10 + i : id;
					assert_null(model[id - 10]);
					if (!cyc)	/* lowest: what add() skipped is all taken */
						assert_true(id == 10 + i || id == 10 || model[id - 11] != NULL);
					model[id - 10] = &model[i];
					nr++;
				}
			} else {
				assert_ptr_equal(idtable_remove(&t, 10 + i), model[i]);
				nr -= model[i] != NULL;
				model[i] = NULL;
			}
			assert_int_equal(t.nr, nr);
			assert_ptr_equal(idtable_get(&t, 10 + i), model[i]);
		}
		idtable_destroy(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lowest_first), cmocka_unit_test(cyclic),
					    cmocka_unit_test(out_of_memory), cmocka_unit_test(random_ops) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
