/* SPDX-License-Identifier: MIT */
/* The log ring: order, cutting, overrun; writers on several threads with a reader beside them: each line whole or counted lost. */
/* SOURCES: kernel/printk_ring.c */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/printk_ring.h"

static struct ring_slot slots[64];
static struct ring r;

static void reset(void)
{
	memset(slots, 0, sizeof(slots));
	r = (struct ring){ .slot = slots, .nr_slots = 64 };
}

static void one_by_one(void **state)
{
	struct ring_slot s;
	char line[2000];

	reset();
	assert_false(ring_read(&r, &s));
	assert_false(ring_readable(&r));
	ring_write(&r, 5, 2, 1, "hello", 5);
	assert_true(ring_readable(&r));
	slots[0].state--;			/* as its writer leaves it while it is at it */
	assert_false(ring_readable(&r) || ring_read(&r, &s));
	slots[0].state++;
	ring_write(&r, 6, 3, 0, "", 0);
	assert_true(ring_read(&r, &s));
	assert_true(s.len == 5 && s.time_ns == 5 && s.level == 2 && s.cpu == 1 && !s.more && memcmp(s.text, "hello", 5) == 0);
	assert_true(ring_read(&r, &s));
	assert_int_equal(s.len, 0);
	memset(line, 'z', sizeof(line));
	ring_write(&r, 7, 0, 0, line, 500);	/* three parts */
	for (int i = 0; i < 3; i++) {
		assert_true(ring_read(&r, &s));
		assert_int_equal(s.more, i < 2);
		assert_int_equal(s.len, i < 2 ? RING_TEXT : 500 - 2 * RING_TEXT);
	}
	ring_write(&r, 7, 0, 0, line, 2000);	/* cut */
	for (int i = 0; i < RING_MAX_PARTS; i++)
		assert_true(ring_read(&r, &s));
	assert_false(ring_read(&r, &s));
	assert_true(ring_drained(&r, r.head));
	assert_int_equal(r.lost, 0);
}

static void overrun(void **state)
{
	struct ring_slot s;
	unsigned n = 0;

	reset();
	for (unsigned i = 0; i < 200; i++) {
		char text[16];

		ring_write(&r, i, 0, 0, text, sprintf(text, "%u", i));
	}
	while (ring_read(&r, &s)) {
		assert_int_equal(s.time_ns, 136 + n);
		n++;
	}
	assert_int_equal(n, 64);
	assert_int_equal(r.lost, 136);
}

static void other_readers(void **state)
{
	struct ring_slot s;
	u64 next = 0, lost = 0, head;
	char text[16];

	reset();
	for (unsigned i = 0; i < 10; i++)
		ring_write(&r, i, 0, 0, text, sprintf(text, "%u", i));
	while (ring_read(&r, &s))
		;
	for (unsigned i = 0; i < 10; i++)		/* what the reader has had is there for others */
		assert_true(ring_read_from(&r, &next, &lost, &s) && s.time_ns == i);
	assert_false(ring_read_from(&r, &next, &lost, &s));
	assert_true(next == 10 && lost == 0 && r.lost == 0);
	head = r.head;
	for (unsigned i = 0; i < 100; i++)
		ring_write(&r, 100 + i, 0, 0, text, sprintf(text, "%u", i));
	assert_true(ring_read_from(&r, &next, &lost, &s) && s.time_ns == 136 && lost == 36);
	assert_true(r.tail == head);			/* the reader's place is its own */
	next = lost = 0;
	assert_true(ring_read_from(&r, &next, &lost, &s) && s.time_ns == 136);
}

static void unfinished_slot(void **state)
{
	struct ring_slot s;

	reset();
	ring_write(&r, 0, 0, 0, "a", 1);
	/* a writer took number 1 and was interrupted */
	r.head++;
	slots[1].state = 1 * 2 + 1;
	ring_write(&r, 2, 0, 0, "c", 1);
	assert_true(ring_read(&r, &s));
	assert_false(ring_read(&r, &s));	/* order is kept: c waits for b */
	/* others lap it: its slot is left alone, their line is given up and the reader gets past it */
	for (int i = 0; i < 64; i++)
		ring_write(&r, 100 + i, 0, 0, "x", 1);
	assert_int_equal(slots[1].state, 3);
	for (int n = 0; ring_read(&r, &s); n++)
		assert_true(n < 64);
	assert_true(ring_drained(&r, r.head));
	assert_true(r.lost >= 2);
}

#define WRITERS 4
#define LINES 30000
static int left = WRITERS;

static void *writer(void *arg)
{
	u64 w = (u64)arg;
	char text[200];

	for (u64 i = 0; i < LINES; i++) {
		int n = 8 + (i * 7 + w) % 190;

		memset(text, 'a' + (i + w) % 26, n);
		ring_write(&r, i, w, n, text, n);
	}
	__atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void threads(void **state)
{
	pthread_t id[WRITERS];
	s64 last[WRITERS] = { -1, -1, -1, -1 };
	u64 got = 0;
	struct ring_slot s;

	reset();
	for (u64 i = 0; i < WRITERS; i++)
		pthread_create(&id[i], NULL, writer, (void *)i);
	for (;;) {
		bool over = __atomic_load_n(&left, __ATOMIC_SEQ_CST) == 0;

		while (ring_read(&r, &s)) {
			got++;
			assert_true(s.level < WRITERS);
			assert_true((s64)s.time_ns > last[s.level]);
			last[s.level] = s.time_ns;
			assert_int_equal(s.len, 8 + (s.time_ns * 7 + s.level) % 190);
			assert_int_equal(s.cpu, s.len);
			for (unsigned k = 0; k < s.len; k++)
				assert_int_equal(s.text[k], 'a' + (s.time_ns + s.level) % 26);
		}
		if (over)
			break;
	}
	for (u64 i = 0; i < WRITERS; i++)
		pthread_join(id[i], NULL);
	assert_int_equal(got + r.lost, WRITERS * LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(one_by_one), cmocka_unit_test(overrun), cmocka_unit_test(other_readers),
					    cmocka_unit_test(unfinished_slot),
					    cmocka_unit_test(threads) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
