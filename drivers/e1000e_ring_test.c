/* SPDX-License-Identifier: MIT */
/* SOURCES: drivers/e1000e_ring.c */
/* The 82574L's rings against a device made up here: random traffic through several wraps, and bad descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "drivers/e1000e_ring.h"

#define SIZE 16

static void test_tx(void **state)
{
	struct e1000_tx_desc desc[SIZE] = { 0 };
	void *token[SIZE];
	struct e1000_tx_ring r = { .desc = desc, .token = token, .size = SIZE };
	static int id[1000];
	unsigned added = 0, sent = 0, popped = 0;
	u16 device = 0;

	srand(3);
	assert_null(e1000_tx_pop(&r));
	while (popped < 1000) {
		struct e1000_frag f[4] = { { 1, 10 }, { 2, 20 }, { 3, 30 }, { 4, 40 } };
		unsigned n = 1 + rand() % 4, what = rand() % 3;
		u16 tail = r.tail, free = SIZE - 1 - ((r.tail - r.head) & (SIZE - 1));

		if (what == 0 && added < 1000) {
			int rc = e1000_tx_add(&r, f, n, &id[added]);

			assert_int_equal(rc, n <= free ? 0 : -ENOSPC);
			if (rc < 0) {
				assert_int_equal(r.tail, tail);
				continue;
			}
			added++;
			for (unsigned i = 0; i < n; i++) {
				struct e1000_tx_desc *d = &desc[(tail + i) % SIZE];

				assert_int_equal(d->addr, i + 1);
				assert_int_equal(d->length, 10 * (i + 1));
				assert_int_equal(!!(d->command & TX_END), i + 1 == n);
				assert_int_equal(d->status, 0);
			}
		} else if (what == 1) {
			while (device != r.tail) {	/* one frame */
				bool last = desc[device].command & TX_REPORT;

				desc[device].status = last ? TX_DONE : 0;
				device = (device + 1) % SIZE;
				if (last) {
					sent++;
					break;
				}
			}
		} else {
			int *t = e1000_tx_pop(&r);

			if (popped == sent) {
				assert_null(t);
				continue;
			}
			assert_ptr_equal(t, &id[popped]);
			popped++;
		}
	}
	assert_true(e1000_tx_empty(&r));
	assert_int_equal(e1000_tx_add(&r, NULL, 0, &id[0]), -ENOSPC);
}

static void arrive(struct e1000_rx_desc *d, u16 length, u8 status, u8 errors)
{
	d->length = length;
	d->errors = errors;
	d->status = status | RX_DONE;
}

static void test_rx(void **state)
{
	struct e1000_rx_desc desc[SIZE] = { 0 };
	struct e1000_rx_ring r = { .desc = desc, .size = SIZE };
	u16 index;
	u32 len;

	for (unsigned i = 0; i < 3 * SIZE; i++) {
		assert_int_equal(e1000_rx_next(&r, 9014, &index, &len), 0);
		arrive(&desc[i % SIZE], 60 + i, RX_END, 0);
		assert_true(e1000_rx_pending(&r));
		assert_int_equal(e1000_rx_next(&r, 9014, &index, &len), 1);
		assert_int_equal(index, i % SIZE);
		assert_int_equal(len, 60 + i);
		e1000_rx_return(&r, index);
	}
	arrive(&desc[0], 9015, RX_END, 0);			/* too long */
	assert_int_equal(e1000_rx_next(&r, 9014, &index, &len), -EINVAL);
	arrive(&desc[1], 100, RX_END, 2);			/* a symbol error */
	assert_int_equal(e1000_rx_next(&r, 9014, &index, &len), -EINVAL);
	arrive(&desc[2], 5000, 0, 0);				/* a frame over three buffers: dropped as a whole */
	arrive(&desc[3], 5000, 0, 0);
	arrive(&desc[4], 10, RX_END, 0);
	arrive(&desc[5], 77, RX_END, 0);
	for (unsigned i = 2; i < 5; i++) {
		assert_int_equal(e1000_rx_next(&r, 9014, &index, &len), -EINVAL);
		assert_int_equal(index, i);
	}
	assert_int_equal(e1000_rx_next(&r, 9014, &index, &len), 1);
	assert_int_equal(len, 77);
	assert_int_equal(e1000_rx_next(&r, 9014, &index, &len), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_tx), cmocka_unit_test(test_rx) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
