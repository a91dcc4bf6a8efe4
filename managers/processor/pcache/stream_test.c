/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/pcache/stream.c */
/* What the prefetcher asks for, against programs that touch pages in known orders and a cache that brings all it asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/string.h"
#include "managers/processor/pcache/stream.h"

#define SPACE	4096
enum where { ABSENT, MAPPED, MARKED };

struct model {
	struct stream s;
	u8 page[SPACE];
	unsigned misses, asked, marks, rounds, max_out;
	u64 far;
};

static void ask(struct model *m, u64 vpn, bool ahead, enum prefetch_mode mode, enum stream_advice advice)
{
	struct stream_plan p = stream_fault(&m->s, vpn, ahead, mode, advice, STREAM_WINDOW_MAX);
	bool marked = false;

	assert_true(p.nr <= STREAM_WINDOW_MAX);
	m->rounds += p.nr > 0;
	for (unsigned i = 0; i < p.nr; i++) {
		u64 at = p.first + (u64)(p.stride * (s64)i);

		if (at >= SPACE || m->page[at] != ABSENT)
			continue;
		m->page[at] = i >= p.mark && !marked ? MARKED : MAPPED;
		marked |= i >= p.mark;
		m->asked++;
	}
}

static void touch(struct model *m, u64 vpn, enum prefetch_mode mode, enum stream_advice advice)
{
	if (m->page[vpn] == MARKED) {
		m->marks++;
		ask(m, vpn, true, mode, advice);
	} else if (m->page[vpn] == ABSENT) {
		m->misses++;
		ask(m, vpn, false, mode, advice);
	}
	m->page[vpn] = MAPPED;
}

static void walk(struct model *m, u64 from, s64 step, unsigned nr, enum prefetch_mode mode, enum stream_advice advice)
{
	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < nr; i++)
		touch(m, from + (u64)(step * (s64)i), mode, advice);
}

static void straight(void **st)
{
	struct model m;

	walk(&m, 0, 1, 2000, PREFETCH_ADAPTIVE, ADVICE_NORMAL);
	assert_in_range(m.misses, 1, 4);
	assert_in_range(m.marks, 2000 / STREAM_WINDOW_MAX, 2000 / 8);
	assert_in_range(m.asked, 1996, 2000 + 2 * STREAM_WINDOW_MAX);
	walk(&m, 3000, -1, 2000, PREFETCH_ADAPTIVE, ADVICE_NORMAL);
	assert_in_range(m.misses, 1, 6);
	walk(&m, 5, 7, 500, PREFETCH_ADAPTIVE, ADVICE_NORMAL);
	assert_in_range(m.misses, 1, 6);
	assert_in_range(m.asked, 494, 500 + 2 * STREAM_WINDOW_MAX);
}

static void advice(void **st)
{
	struct model m;

	walk(&m, 0, 1, 1000, PREFETCH_ADAPTIVE, ADVICE_SEQUENTIAL);
	assert_int_equal(m.misses, 1);
	walk(&m, 0, 1, 1000, PREFETCH_ADAPTIVE, ADVICE_RANDOM);
	assert_int_equal(m.misses, 1000);
	assert_int_equal(m.asked, 0);
	walk(&m, 0, 1, 1000, PREFETCH_OFF, ADVICE_NORMAL);
	assert_int_equal(m.asked, 0);
	walk(&m, 0, 1, 1000, PREFETCH_FIXED, ADVICE_NORMAL);
	assert_int_equal(m.misses, 1);
}

/* Most steps alike, some not: the majority decides. No order at all: next to nothing is asked for. */
static void majority_of_steps(void **st)
{
	struct model m;
	u64 at = 0, x = 1;

	memset(&m, 0, sizeof(m));
	for (unsigned i = 0; i < 600; i++) {
		touch(&m, at, PREFETCH_ADAPTIVE, ADVICE_NORMAL);
		at += i % 16 == 15 ? 9 : 5;
	}
	assert_true(m.misses < 150);
	memset(&m, 0, sizeof(m));
	for (unsigned i = 0; i < 2000; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		touch(&m, (x >> 33) % SPACE, PREFETCH_ADAPTIVE, ADVICE_NORMAL);
	}
	assert_true(m.asked < 100);
}

/* Now and then a page elsewhere in the mapping is used that came ahead for another reason: the stream goes on where it was. */
static void others_pages_do_not_count(void **st)
{
	struct model m;

	memset(&m, 0, sizeof(m));
	for (u64 vpn = 0; vpn < 2000; vpn++) {
		touch(&m, vpn, PREFETCH_ADAPTIVE, ADVICE_NORMAL);
		if (vpn % 100 == 50) {
			m.page[3000 + vpn / 4] = MARKED;
			touch(&m, 3000 + vpn / 4, PREFETCH_ADAPTIVE, ADVICE_NORMAL);
		}
	}
	assert_in_range(m.misses, 1, 4);
	assert_in_range(m.asked, 1996, 2000 + 2 * STREAM_WINDOW_MAX);
}

static void waste_shrinks_the_window(void **st)
{
	struct model m;

	walk(&m, 0, 1, 1000, PREFETCH_ADAPTIVE, ADVICE_NORMAL);
	assert_int_equal(m.s.window, STREAM_WINDOW_MAX);
	for (u64 vpn = 1000; vpn < 3000 && m.s.stride != 0; vpn++) {
		m.s.wasted++;
		touch(&m, vpn, PREFETCH_ADAPTIVE, ADVICE_NORMAL);
	}
	assert_true(m.s.window < STREAM_WINDOW_FIRST);
}

/* What could not be had is asked for again from there on. */
static void rewind_asks_again(void **st)
{
	struct stream s = { 0 };
	struct stream_plan p;

	p = stream_fault(&s, 10, false, PREFETCH_ADAPTIVE, ADVICE_SEQUENTIAL, 16);
	assert_int_equal(p.first, 11);
	assert_int_equal(p.nr, 16);
	stream_rewind(&s, 15);
	p = stream_fault(&s, 12, true, PREFETCH_ADAPTIVE, ADVICE_SEQUENTIAL, 16);
	assert_int_equal(p.first, 15);
	stream_rewind(&s, 5);			/* behind: not its business */
	assert_true(s.next > 15);
}

/* The block around a miss, until half of what came so was wasted; not where a stride is known. */
static void around_a_miss(void **st)
{
	struct stream s = { 0 };
	struct stream_plan p = stream_around(&s, 1003, true, STREAM_WINDOW_MAX);
	unsigned rounds = 0;

	assert_int_equal(p.first, 1003 / STREAM_AROUND_SMALL * STREAM_AROUND_SMALL);
	assert_int_equal(p.nr, STREAM_AROUND_SMALL);
	assert_int_equal(p.stride, 1);
	assert_int_equal(p.mark, p.nr);				/* all of them are mapped */
	assert_int_equal(s.last, p.first + p.nr - 1);
	p = stream_around(&s, 1003, false, STREAM_WINDOW_MAX);
	assert_int_equal(p.first, 1003 / STREAM_AROUND * STREAM_AROUND);
	assert_int_equal(p.nr, STREAM_AROUND);
	p = stream_around(&s, 5, true, 2);			/* a tiny cache */
	assert_true(p.first == 4 && p.nr == 2);
	assert_int_equal(stream_around(&s, 5, true, 1).nr, 0);
	s.stride = 1;
	assert_int_equal(stream_around(&s, 1003, true, STREAM_WINDOW_MAX).nr, 0);
	memset(&s, 0, sizeof(s));
	for (; stream_around(&s, 50, true, STREAM_WINDOW_MAX).nr > 0 && rounds < 100; rounds++)
		s.wasted += 2;					/* of three */
	assert_in_range(rounds, 1, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(straight), cmocka_unit_test(advice), cmocka_unit_test(majority_of_steps),
		cmocka_unit_test(others_pages_do_not_count),
		cmocka_unit_test(waste_shrinks_the_window), cmocka_unit_test(rewind_asks_again), cmocka_unit_test(around_a_miss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
