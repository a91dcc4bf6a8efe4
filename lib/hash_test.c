/* SPDX-License-Identifier: MIT */
/* How evenly pages lie in sets: ranges much better than chance, strides no worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/hash.h"

#define MAX_SETS	1024
#define WAYS		4

static const unsigned sets[] = { 2, 3, 24, 64, 128, 192, 256, 1000, MAX_SETS };

static unsigned set_of(u64 hash, unsigned nr) { return ((unsigned __int128)hash * nr) >> 64; }

/* The fullest and the emptiest set, WAYS pages a set, stride apart. */
static void spread(unsigned nr, u64 space, u64 first, u64 stride, bool plain, unsigned *most, unsigned *least)
{
	unsigned in[MAX_SETS] = { 0 };

	for (u64 i = 0; i < WAYS * nr; i++) {
		u64 index = first + i * stride;

		in[set_of(plain ? hash64_2(space, index) : hash_range(space, index, hash_stretch(WAYS * nr)), nr)]++;
	}
	*most = *least = in[0];
	for (unsigned i = 1; i < nr; i++) {
		*most = in[i] > *most ? in[i] : *most;
		*least = in[i] < *least ? in[i] : *least;
	}
}

static void ranges_are_even(void **state)
{
	unsigned most, least;

	for (unsigned k = 0; k < sizeof(sets) / sizeof(sets[0]); k++) {
		unsigned slack = 2 + DIV_ROUND_UP(WAYS * sets[k], 1U << hash_stretch(WAYS * sets[k]));	/* each stretch has a beginning of its own */

		for (u64 space = 0; space < 20; space++) {
			spread(sets[k], space, space * 777, 1, false, &most, &least);
			assert_in_range(most, WAYS, WAYS + slack);
			assert_in_range(least, WAYS > slack ? WAYS - slack : 0, WAYS);
		}
	}
}

static void strides_are_no_worse_than_chance(void **state)
{
	for (unsigned k = 0; k < sizeof(sets) / sizeof(sets[0]); k++) {
		for (u64 stride = 2; stride <= 4096; stride *= 2) {
			unsigned most, least, ours = 0, plain = 0;

			for (u64 space = 0; space < 20; space++) {
				spread(sets[k], space, 12345, stride, false, &most, &least);
				ours = most > ours ? most : ours;
				spread(sets[k], space, 12345, stride, true, &most, &least);
				plain = most > plain ? most : plain;
			}
			assert_in_range(ours, WAYS, plain * 3 / 2);
		}
	}
}

/* What is half of a large cache finds room in it, wherever it lies and though it is in several pieces. */
static void half_a_cache_has_room(void **state)
{
	enum { SETS = 8192, LINES = 8 * SETS, PIECES = 4 };
	static u8 in[SETS];

	for (u64 space = 1; space <= 30; space++) {
		unsigned over = 0;

		memset(in, 0, sizeof(in));
		for (u64 i = 0; i < LINES / 2; i++) {
			u64 index = space * 12345678 + i % PIECES * (LINES + space * 777) + i / PIECES;

			over += ++in[set_of(hash_range(space, index, hash_stretch(LINES)), SETS)] > 8;
		}
		assert_in_range(over, 0, 8);
	}
}

static void spaces_lie_apart(void **state)
{
	unsigned in[16] = { 0 };

	for (u64 space = 1; space <= 1600; space++)
		in[set_of(hash_range(space, 5, HASH_STRETCH_LEAST), 16)]++;
	for (unsigned i = 0; i < 16; i++)
		assert_in_range(in[i], 60, 140);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_even),
		cmocka_unit_test(strides_are_no_worse_than_chance),
		cmocka_unit_test(half_a_cache_has_room),
		cmocka_unit_test(spaces_lie_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
