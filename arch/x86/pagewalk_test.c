/* SPDX-License-Identifier: MIT */
/* Walks over tables in the host's memory, against a sorted list of what was mapped. */
/* SOURCES: arch/x86/pagewalk.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/pagewalk.h"

#define NR_TABLES 600
static pte_t tables[NR_TABLES][512] __aligned(4096);	/* table n has "physical" address n * 4096; 0 is the root */
static unsigned nr_used, limit;

static pte_t *at(paddr_t pa)
{
	assert_true(pa / 4096 < nr_used);
	return tables[pa / 4096];
}
static paddr_t alloc(void *arg)
{
	return nr_used == limit ? 0 : nr_used++ * 4096ULL;
}
static const struct page_walk walk = { at, alloc, NULL, PTE_PRESENT | PTE_WRITE | PTE_USER };

static int setup(void **state)
{
	memset(tables, 0, sizeof(tables));
	nr_used = 1;
	limit = NR_TABLES;
	return 0;
}

static void slots_are_stable_and_apart(void **state)
{
	u64 va[100];

	srand(1);
	for (unsigned i = 0; i < 100; i++) {
		pte_t *e;

		va[i] = ((u64)rand() << 16 ^ (u64)rand()) % (USER_END >> 12) << 12;
		e = page_walk_entry(&walk, 0, va[i], 0, true);
		assert_non_null(e);
		*e = va[i] << 2 | PTE_PRESENT;
	}
	for (unsigned i = 0; i < 100; i++) {
		pte_t *e = page_walk_entry(&walk, 0, va[i], 0, false);

		assert_non_null(e);
		assert_int_equal(*e, va[i] << 2 | PTE_PRESENT);
	}
}

static void missing_and_out_of_memory(void **state)
{
	assert_null(page_walk_entry(&walk, 0, 0x1000, 0, false));
	limit = 3;					/* the third level's table cannot be had */
	assert_null(page_walk_entry(&walk, 0, 0x1000, 0, true));
	limit = NR_TABLES;
	assert_non_null(page_walk_entry(&walk, 0, 0x1000, 0, true));
	assert_int_equal(nr_used, 4);			/* nothing was made twice */
	*page_walk_entry(&walk, 0, 0x200000, 1, true) = PTE_PRESENT | PTE_HUGE;
	assert_null(page_walk_entry(&walk, 0, 0x201000, 0, true));	/* a large page is in the way */
}

static void next_table(void **state)
{
	const u64 va[] = { 0x1000, 0x40000000, 0x8000000000, USER_END - PAGE_SIZE };

	assert_int_equal(page_walk_next_table(&walk, 0, 0, USER_END), USER_END);
	for (unsigned i = 0; i < ARRAY_SIZE(va); i++)
		assert_non_null(page_walk_entry(&walk, 0, va[i], 0, true));
	assert_int_equal(page_walk_next_table(&walk, 0, 0, USER_END), 0);
	assert_int_equal(page_walk_next_table(&walk, 0, 0x3000, USER_END), 0x3000);	/* inside: stays where it is */
	assert_int_equal(page_walk_next_table(&walk, 0, 0x200000, USER_END), 0x40000000);
	assert_int_equal(page_walk_next_table(&walk, 0, 0x40200000, USER_END), 0x8000000000);
	assert_int_equal(page_walk_next_table(&walk, 0, 0x8000200000, USER_END), ALIGN_DOWN(USER_END - 1, 0x200000));
	assert_int_equal(page_walk_next_table(&walk, 0, 0x200000, 0x300000), 0x300000);
}

/* Against the plain question, address by address. */
static void next_table_anywhere(void **state)
{
	srand(2);
	for (unsigned i = 0; i < 30; i++) {
		u64 near = (u64)(rand() % 1500) << 21, far = ((u64)rand() << 20) % USER_END;

		assert_non_null(page_walk_entry(&walk, 0, near, 0, true));
		assert_non_null(page_walk_entry(&walk, 0, i % 2 ? far : (u64)(rand() % 255) << 39, 0, true));
	}
	*page_walk_entry(&walk, 0, 900ULL << 21, 1, true) |= PTE_HUGE | PTE_PRESENT;
	*page_walk_entry(&walk, 0, 901ULL << 21, 1, true) = PTE_WRITE;		/* neither 0 nor a table */
	for (u64 va = 0; va < 1600ULL << 21; va += 1 << 20) {
		u64 plain = va, end = 1500ULL << 21;

		while (plain < end && page_walk_entry(&walk, 0, plain, 0, false) == NULL)
			plain = ALIGN_DOWN(plain, 1 << 21) + (1 << 21);
		assert_int_equal(page_walk_next_table(&walk, 0, va, end), va < end ? plain : end);
	}
}

static void used_entries(void **state)
{
	static pte_t table[PTES_PER_TABLE];

	for (unsigned used = 0; used <= PTES_PER_TABLE; used++) {
		memset(table, 0, sizeof(table));
		if (used < PTES_PER_TABLE)
			table[used] = 1ULL << used % 64;
		for (unsigned i = 0; i <= PTES_PER_TABLE; i++)
			assert_int_equal(pte_next_used(table, i), i <= used ? used : PTES_PER_TABLE);
	}
}

static unsigned freed;
static void count_freed(paddr_t table, void *arg)
{
	bool *seen = arg;

	assert_false(seen[table / 4096]);
	seen[table / 4096] = true;
	freed++;
}

static void every_table_once(void **state)
{
	bool seen[NR_TABLES] = { false };

	for (u64 i = 0; i < 40; i++)
		assert_non_null(page_walk_entry(&walk, 0, i * 0x1234567000, 0, true));
	freed = 0;
	page_walk_tables(&walk, 0, 0, 255, count_freed, seen);
	assert_int_equal(freed, nr_used - 1);		/* all but the root */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(slots_are_stable_and_apart, setup),
		cmocka_unit_test_setup(missing_and_out_of_memory, setup),
		cmocka_unit_test_setup(next_table, setup),
		cmocka_unit_test_setup(next_table_anywhere, setup),
		cmocka_unit_test(used_entries),
		cmocka_unit_test_setup(every_table_once, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
