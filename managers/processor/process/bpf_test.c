/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/process/bpf.c */
/* Filters that are none are refused; one that is taken ends, and stays within what it may read: programs at random, under the sanitizers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/base/errno.h"
#include "managers/processor/process/bpf.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static int check(const struct bpf_insn *p, unsigned n)
{
	u16 *room = malloc(n * sizeof(*room));
	int rc = bpf_check(p, n, room);

	free(room);
	return rc;
}

static void memory_is_written_first(void **state)
{
	struct bpf_insn p[] = {
		{ 0x20, 0, 0, 0 },		/* ld [0] */
		{ 0x15, 1, 0, 7 },		/* jeq 7: over the next */
		{ 0x02, 0, 0, 3 },		/* st M[3] */
		{ 0x60, 0, 0, 3 },		/* ld M[3] */
		{ 0x16, 0, 0, 0 },		/* ret a */
	};
	struct bpf_call call = { .nr = 9 };

	assert_int_equal(check(p, LEN(p)), -EINVAL);
	p[1].jt = 0;
	assert_int_equal(check(p, LEN(p)), 0);
	assert_int_equal(bpf_run(p, &call), 9);
	p[1] = (struct bpf_insn){ 0x05, 0, 0, 1 };	/* ja: over it */
	assert_int_equal(check(p, LEN(p)), -EINVAL);
	p[3].code = 0x61;				/* ldx M[3] */
	assert_int_equal(check(p, LEN(p)), -EINVAL);
	p[1].k = 2;					/* nobody comes to it */
	assert_int_equal(check(p, LEN(p)), 0);
	p[1].k = 4;
	assert_int_equal(check(p, LEN(p)), -EINVAL);
	assert_int_equal(bpf_check(p, 0, NULL), -EINVAL);
}

static void arithmetic(void **state)
{
	static const struct { u16 code; u32 a, b, result; } ops[] = {
		{ 0x04, 7, 5, 12 }, { 0x14, 5, 7, (u32)-2 }, { 0x24, 7, 5, 35 }, { 0x34, 37, 5, 7 }, { 0x44, 6, 3, 7 }, { 0x54, 6, 3, 2 },
		{ 0x64, 3, 4, 48 }, { 0x74, 48, 4, 3 }, { 0xa4, 6, 3, 5 }, { 0x84, 5, 0, (u32)-5 },
	};
	struct bpf_call call = { 0 };

	for (unsigned i = 0; i < LEN(ops); i++) {
		for (int x = 0; x < 2; x++) {
			struct bpf_insn p[] = {
				{ 0x01, 0, 0, ops[i].b }, { 0x00, 0, 0, ops[i].a }, { ops[i].code | (x ? 8 : 0), 0, 0, ops[i].b }, { 0x16, 0, 0, 0 },
			};

			if (x && ops[i].code == 0x84) {
				assert_int_equal(check(p, LEN(p)), -EINVAL);
				continue;
			}
			assert_int_equal(check(p, LEN(p)), 0);
			assert_int_equal(bpf_run(p, &call), ops[i].result);
		}
	}
}

static void at_random(void **state)
{
	static const u16 codes[] = { 0x00, 0x01, 0x02, 0x03, 0x04, 0x0c, 0x05, 0x06, 0x07, 0x14, 0x15, 0x16, 0x1d, 0x20, 0x25, 0x2d, 0x34,
				     0x35, 0x3c, 0x3d, 0x45, 0x4d, 0x60, 0x61, 0x64, 0x6c, 0x74, 0x7c, 0x80, 0x81, 0x84, 0x87, 0xa4, 0xac };
	struct bpf_call call = { .nr = 1, .arch = 2, .ip = 3, .arg = { 4, 5, 6, 7, 8, 9 } };
	unsigned taken = 0;

	srandom(5);
	for (int turn = 0; turn < 200000; turn++) {
		unsigned n = 1 + random() % 12;
		struct bpf_insn *p = malloc(n * sizeof(*p));		/* so that one step beyond its end is seen */

		for (unsigned i = 0; i < n; i++)
			p[i] = (struct bpf_insn){ codes[random() % LEN(codes)], random() % 4, random() % 4, random() % (random() % 2 ? 20 : 80) };
		if (random() % 2)
			p[n - 1].code = 0x06;
		if (check(p, n) == 0) {
			taken++;
			(void)bpf_run(p, &call);
		}
		free(p);
	}
	assert_true(taken > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_written_first), cmocka_unit_test(arithmetic), cmocka_unit_test(at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
