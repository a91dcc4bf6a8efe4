/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/timer_queue.h"
#include "shim.h"

#define N 400

static void against_scan(void **state)
{
	static struct timer t[N];
	static bool in[N];
	struct timer_queue q = { 0 };

	srandom(9);
	for (int op = 0; op < 100000; op++) {
		int i = random() % N;
		u64 least = ~0ULL;

		if (in[i]) {
			timer_queue_del(&q, &t[i]);
		} else {
			t[i].when_ns = random() % 1000;
			timer_queue_add(&q, &t[i]);
		}
		in[i] = !in[i];
		if (op % 8 != 0)
			continue;
		for (int k = 0; k < N; k++)
			if (in[k])
				least = MIN(least, t[k].when_ns);
		assert_int_equal(q.first == NULL ? ~0ULL : q.first->when_ns, least);
	}
}

static struct timer *order[8];
static int nr_fired;
static void fired(struct timer *t) { order[nr_fired++] = t; }
static void again(struct timer *t)
{
	order[nr_fired++] = t;
	if (nr_fired < 4)
		timer_start(t, t->when_ns + 10);
}

static void manual_clock(void **state)
{
	struct timer a, b, c;

	shim_time_manual(1000);
	timer_init(&a, fired, NULL);
	timer_init(&b, fired, NULL);
	timer_init(&c, again, NULL);
	timer_start(&a, 1300);
	timer_start(&b, 1100);
	timer_start(&a, 1050);		/* moved */
	shim_time_advance(49);
	assert_int_equal(nr_fired, 0);
	shim_time_advance(1);
	assert_int_equal(nr_fired, 1);
	assert_ptr_equal(order[0], &a);
	assert_false(timer_cancel(&a));
	assert_true(timer_cancel(&b));
	timer_start(&b, 1100);		/* equal times: in the order of starting */
	timer_start(&a, 1100);
	shim_time_advance(100);
	assert_int_equal(nr_fired, 3);
	assert_ptr_equal(order[1], &b);
	assert_ptr_equal(order[2], &a);
	timer_start(&c, 1200);
	shim_time_advance(1000);
	assert_int_equal(nr_fired, 4);
	assert_int_equal(time_mono_ns(), 2150);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(against_scan), cmocka_unit_test(manual_clock) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
