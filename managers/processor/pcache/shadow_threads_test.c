/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/pcache/shadow.c */
/* Several threads tell one group of references at once: nothing is lost, nothing breaks. Also run with the thread sanitizer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/hash.h"
#include "managers/processor/pcache/shadow.h"

#define THREADS	4
#define TURNS	20000
#define PAGES	400		/* of a group of 128 lines */

static struct shadow_group *group;
static u64 looks;

static void *teller(void *arg)
{
	u64 r = (uintptr_t)arg, set, due = 0;

	for (unsigned n = 0; n < TURNS; n++) {
		u64 page = hash64((r = hash64(r + n)) % PAGES);

		switch (r >> 60) {
		case 0:
			shadow_forget(group, page);
			break;
		case 1:
			shadow_adopt(group, page);
			break;
		case 2:
		case 3:
		case 4:
		case 5:
			shadow_touch(group, page);
			break;
		case 6:
			(void)shadow_renew(group, page);
			break;
		default:
			shadow_miss(group, page, (r >> 50) % 3);
			due += shadow_look_due(group, &set);
		}
	}
	__atomic_add_fetch(&looks, due, __ATOMIC_RELAXED);
	return NULL;
}

static void told_by_many(void **st)
{
	pthread_t id[THREADS];

	group = shadow_group_create(16, 0, 16, 8);
	assert_non_null(group);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&id[i], NULL, teller, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(id[i], NULL), 0);
	assert_int_equal(nr_shadow_miss, nr_shadow_compulsory + nr_shadow_capacity + nr_shadow_conflict);
	assert_int_equal(looks, nr_shadow_miss / 8);
	assert_in_range(nr_shadow_miss + nr_shadow_touch, THREADS * TURNS / 2, THREADS * TURNS);
	for (unsigned i = 0; i < NR_SHADOW_SIMS; i++)
		assert_in_range(shadow_sim_misses(i), nr_shadow_compulsory, nr_shadow_miss + nr_shadow_touch);
	shadow_group_destroy(group);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(told_by_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
