/* SPDX-License-Identifier: MIT */
/* Trace rings: what is off leaves nothing; what is on comes out in order, the last of it when it is more than fits. lesson: L38 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/trace.c"
#include "shim.h"

static unsigned seen;
static u64 first_arg, last_arg, last_time;
static char first_line[200];

static void look(const struct trace_record *r, void *arg)
{
	char line[200];

	assert_true(trace_show(r, line, sizeof(line)) == (int)strlen(line));
	if (seen++ == 0) {
		first_arg = r->arg[1];
		strcpy(first_line, line);
	} else {
		assert_int_equal(r->arg[1], last_arg + 1);
	}
	assert_true(r->time_ns >= last_time);
	last_arg = r->arg[1];
	last_time = r->time_ns;
}

static void read_all(unsigned most)
{
	seen = 0;
	last_time = 0;
	trace_for_each(most, look, NULL);
}

static void start(const char *line)
{
	for_each_cpu(cpu) {
		kfree(rings[cpu]);
		rings[cpu] = NULL;
	}
	trace_on = 0;
	param_init(line);
	trace_init();
}

static void off(void **state)
{
	start("");
	trace(TRACE_FIT_CALL, 0, 1, 0, 0);
	read_all(100);
	assert_int_equal(seen, 0);
	start("trace=none");			/* says so, and goes on without */
	assert_int_equal(trace_on, 0);
}

static void groups(void **state)
{
	start("trace=sched,fit");
	assert_int_equal(trace_on, 1U << TRACE_SCHED_SWITCH | 1U << TRACE_SCHED_WAKE | 1U << TRACE_FIT_CALL | 1U << TRACE_FIT_END |
			 1U << TRACE_FIT_SERVE);
	start("trace=all");
	assert_int_equal(trace_on, (1U << NR_TRACE_EVENTS) - 1);
	start("trace=fit");
	trace(TRACE_PCACHE_LINE, 0, 1, 0, 0);
	trace_text(TRACE_SCHED_WAKE, "somebody        ");
	trace(TRACE_FIT_END, (u64)"an_op", 7, -5, 1234);
	read_all(100);
	assert_int_equal(seen, 1);
	assert_non_null(strstr(first_line, ": call an_op of node 7 ends: -5, 1234 ns"));
}

static void wraps(void **state)
{
	start("trace=all");
	for (u64 i = 0; i < 10; i++)
		trace(TRACE_FIT_CALL, (u64)"op", i, 0, 0);
	read_all(4);
	assert_int_equal(seen, 4);
	assert_int_equal(first_arg, 6);
	for (u64 i = 10; i < 3 * RING_SIZE + 17; i++)
		trace(TRACE_FIT_CALL, (u64)"op", i, 0, 0);
	read_all(10 * RING_SIZE);
	assert_int_equal(seen, RING_SIZE);
	assert_int_equal(last_arg, 3 * RING_SIZE + 16);
}

/* What is just being written, or has been overwritten since, is left out, and the rest is shown. */
static void half_written(void **state)
{
	start("trace=all");
	for (u64 i = 0; i < 10; i++)
		trace(TRACE_FIT_CALL, (u64)"op", i, 0, 0);
	rings[0]->record[0].seq = 0;
	rings[0]->record[1].seq = RING_SIZE + 2;
	read_all(100);
	assert_int_equal(seen, 8);
	assert_int_equal(first_arg, 2);
}

static void shows(void **state)
{
	struct trace_record r = { .event = TRACE_SCHED_SWITCH, .cpu = 3, .time_ns = 1234567891, .thread = "flush", .text = "sixteen letters!" };
	char line[200], small[8];

	trace_show(&r, line, sizeof(line));
	assert_string_equal(line, "1.234567 cpu 3 flush: switch to sixteen letters!");
	assert_int_equal(trace_show(&r, small, sizeof(small)), strlen(line));
	assert_string_equal(small, "1.23456");
	r = (struct trace_record){ .event = TRACE_PCACHE_VICTIM, .thread = "a", .arg = { 0x1f, 0x2e, (u64)"FLUSHED", (u64)"FREE" } };
	trace_show(&r, line, sizeof(line));
	assert_string_equal(line, "0.000000 cpu 0 a: victim of 1f:2e: FLUSHED, now FREE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off), cmocka_unit_test(groups), cmocka_unit_test(wraps), cmocka_unit_test(half_written), cmocka_unit_test(shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
