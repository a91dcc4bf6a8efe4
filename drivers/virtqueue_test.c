/* SPDX-License-Identifier: MIT */
/* SOURCES: drivers/virtqueue.c */
/*
 * Virtqueues against a device made up here: millions of random requests answered in random order, checked against a
 * model; notifications and interrupts never lost under event index; and a device that lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "drivers/virtqueue.h"

struct rig {			/* queue and device */
	struct virtqueue vq;
	void *memory;
	struct vq_slot *slots;
	u16 seen;		/* the device's: next available entry to look at */
	u16 told_used;		/* used index at its last decision to interrupt */
	u16 held[256];		/* heads it has taken and not answered */
	unsigned nr_held;
};

static void rig_init(struct rig *r, u16 size, bool event_idx)
{
	memset(r, 0, sizeof(*r));
	r->memory = aligned_alloc(64, ALIGN_UP(vq_memory_size(size), 64));
	r->slots = malloc(sizeof(*r->slots) * size);
	vq_init(&r->vq, size, r->memory, r->slots, event_idx);
}

static void rig_free(struct rig *r)
{
	free(r->memory);
	free(r->slots);
}

static void device_take(struct rig *r)
{
	while (r->seen != r->vq.avail->idx)
		r->held[r->nr_held++] = r->vq.avail->ring[r->seen++ % r->vq.size];
	*(u16 *)&r->vq.used->ring[r->vq.size] = r->seen;	/* avail_event: tell me of the next */
}

static void device_answer(struct rig *r, u32 id, u32 len)
{
	r->vq.used->ring[r->vq.used->idx % r->vq.size].id = id;
	r->vq.used->ring[r->vq.used->idx % r->vq.size].len = len;
	r->vq.used->idx++;
}

static bool device_interrupts(struct rig *r)
{
	u16 now = r->vq.used->idx, before = r->told_used, event = r->vq.avail->ring[r->vq.size];

	r->told_used = now;
	if (!r->vq.event_idx)
		return now != before && !(r->vq.avail->flags & 1);
	return (u16)(now - event - 1) < (u16)(now - before);
}

static u32 chain_check(struct rig *r, u16 head, const struct vq_buf *buf, unsigned nr_out, unsigned nr_in)
{
	u16 at = head;
	u32 writable = 0;

	for (unsigned i = 0; i < nr_out + nr_in; i++) {
		struct vring_desc *d = &r->vq.desc[at];

		assert_int_equal(d->addr, buf[i].addr);
		assert_int_equal(d->len, buf[i].len);
		assert_int_equal(!!(d->flags & VRING_DESC_WRITE), i >= nr_out);
		assert_int_equal(!!(d->flags & VRING_DESC_NEXT), i + 1 < nr_out + nr_in);
		writable += i >= nr_out ? d->len : 0;
		at = d->next;
	}
	return writable;
}

static void random_traffic(u16 size, bool event_idx)
{
	struct { bool live; u32 answer; } model[1024] = { 0 };
	struct rig r;
	unsigned live = 0, serial = 0;
	u16 lost = 0;

	rig_init(&r, size, event_idx);
	for (unsigned step = 0; step < 300000; step++) {
		unsigned what = rand() % 3;

		if (what == 0) {
			unsigned nr_out = rand() % 3, nr_in = rand() % 3;
			unsigned token = serial++ % 1024;
			struct vq_buf buf[4];
			int rc;

			if (model[token].live)
				continue;
			for (unsigned i = 0; i < nr_out + nr_in; i++)
				buf[i] = (struct vq_buf){ rand(), 1 + rand() % 5000 };
			u16 free_before = r.vq.nr_free;

			rc = vq_add(&r.vq, buf, nr_out, nr_in, &model[token]);
			if (nr_out + nr_in == 0 || nr_out + nr_in > free_before) {
				assert_int_equal(rc, -ENOSPC);
				continue;
			}
			assert_int_equal(rc, 0);
			u16 head = r.vq.avail->ring[(u16)(r.vq.avail_idx - 1) % size];
			u32 writable = chain_check(&r, head, buf, nr_out, nr_in);

			model[token].live = true;
			model[token].answer = writable ? rand() % (writable + 1) : 0;
			live++;
			if (rand() % 2) {
				bool tell = vq_publish(&r.vq);

				/* a device that saw everything before must be told of what is new */
				if (!tell && r.seen != r.vq.avail->idx)
					assert_true(event_idx);
				if (tell)
					device_take(&r);
			}
		} else if (what == 1) {
			if (vq_publish(&r.vq) || rand() % 4 == 0)
				device_take(&r);
			for (unsigned n = rand() % 4; n && r.nr_held; n--) {
				unsigned i = rand() % r.nr_held;
				u16 head = r.held[i];
				typeof(model[0]) *m = r.slots[head].token;

				r.held[i] = r.held[--r.nr_held];
				device_answer(&r, head, m->answer);
			}
			/* who asked to be woken is woken when there is something */
			if (lost == 1 && r.vq.used->idx != r.vq.last_used) {
				assert_true(device_interrupts(&r));
				lost = 0;
			} else {
				(void)device_interrupts(&r);
			}
		} else {
			typeof(model[0]) *m;
			u32 len;

			while ((m = vq_pop(&r.vq, &len))) {
				assert_true(m->live);
				assert_int_equal(m->answer, len);
				m->live = false;
				live--;
				if (rand() % 8 == 0)
					break;
			}
			lost = vq_irq_enable(&r.vq);
			assert_int_equal(lost, !vq_pending(&r.vq));
		}
		assert_int_equal(r.vq.nr_requests, live);
	}
	assert_int_equal(r.vq.nr_bad, 0);
	rig_free(&r);
}

static void test_random(void **state)
{
	srand(1);
	random_traffic(256, true);
	random_traffic(8, true);
	random_traffic(4, false);
	random_traffic(256, false);
}

static void test_notify(void **state)
{
	struct vq_buf buf = { 0x1000, 10 };
	int token;
	struct rig r;

	rig_init(&r, 8, true);
	assert_false(vq_publish(&r.vq));			/* nothing new */
	assert_int_equal(vq_add(&r.vq, &buf, 1, 0, &token), 0);
	assert_true(vq_publish(&r.vq));				/* avail_event 0: the first is wanted */
	assert_int_equal(vq_add(&r.vq, &buf, 1, 0, &token), 0);
	assert_false(vq_publish(&r.vq));			/* it has not asked again: it is at work */
	device_take(&r);
	assert_int_equal(vq_add(&r.vq, &buf, 1, 0, &token), 0);
	assert_int_equal(vq_add(&r.vq, &buf, 1, 0, &token), 0);
	assert_true(vq_publish(&r.vq));				/* once for two */
	rig_free(&r);
}

static void test_irq_after(void **state)
{
	struct vq_buf buf = { 0x1000, 10 };
	int token;
	u32 len;
	struct rig r;

	rig_init(&r, 8, true);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(vq_add(&r.vq, &buf, 1, 0, &token), 0);
	(void)!vq_publish(&r.vq);
	device_take(&r);
	assert_true(vq_irq_enable_after(&r.vq, 3));
	device_answer(&r, r.held[0], 0);
	device_answer(&r, r.held[1], 0);
	assert_false(device_interrupts(&r));
	device_answer(&r, r.held[2], 0);
	assert_true(device_interrupts(&r));
	device_answer(&r, r.held[3], 0);
	assert_false(device_interrupts(&r));
	assert_false(vq_irq_enable_after(&r.vq, 4));		/* four are there already */
	assert_true(vq_irq_enable_after(&r.vq, 5));
	for (unsigned i = 0; i < 4; i++)
		assert_ptr_equal(vq_pop(&r.vq, &len), &token);
	assert_null(vq_pop(&r.vq, &len));
	rig_free(&r);
}

static void test_indirect(void **state)
{
	struct vq_buf buf[5];
	struct vring_desc table[5];
	int token;
	u32 len;
	struct rig r;

	for (unsigned i = 0; i < 5; i++)
		buf[i] = (struct vq_buf){ 0x1000 * (i + 1), 100 + i };
	rig_init(&r, 2, true);
	assert_int_equal(vq_add(&r.vq, buf, 3, 2, &token), -ENOSPC);
	assert_int_equal(vq_add_indirect(&r.vq, buf, 3, 2, table, 0xabc0, &token), 0);
	assert_int_equal(vq_add_indirect(&r.vq, buf, 3, 2, table, 0xabc0, &token), 0);
	assert_int_equal(vq_add_indirect(&r.vq, buf, 3, 2, table, 0xabc0, &token), -ENOSPC);
	assert_int_equal(r.vq.desc[0].addr, 0xabc0);
	assert_int_equal(r.vq.desc[0].len, 5 * 16);
	assert_int_equal(r.vq.desc[0].flags, VRING_DESC_INDIRECT);
	assert_int_equal(table[4].addr, 0x5000);
	assert_int_equal(table[4].flags, VRING_DESC_WRITE);
	assert_int_equal(table[2].flags, VRING_DESC_NEXT);
	(void)!vq_publish(&r.vq);
	device_answer(&r, 1, 103 + 104);
	assert_ptr_equal(vq_pop(&r.vq, &len), &token);
	assert_int_equal(len, 207);
	rig_free(&r);
}

static void test_liar(void **state)
{
	struct vq_buf buf = { 0x1000, 100 };
	int token;
	u32 len = 1;
	struct rig r;

	rig_init(&r, 8, true);
	assert_int_equal(vq_add(&r.vq, &buf, 0, 1, &token), 0);
	(void)!vq_publish(&r.vq);
	device_answer(&r, 0xffffffff, 10);			/* no such descriptor */
	device_answer(&r, 8, 10);
	device_answer(&r, 3, 10);				/* not in flight */
	assert_null(vq_pop(&r.vq, &len));
	assert_int_equal(r.vq.nr_bad, 3);
	device_answer(&r, 0, 101);				/* more than there was room for */
	assert_ptr_equal(vq_pop(&r.vq, &len), &token);
	assert_int_equal(len, 0);
	assert_int_equal(r.vq.nr_bad, 4);
	device_answer(&r, 0, 100);				/* a second time */
	assert_null(vq_pop(&r.vq, &len));
	assert_int_equal(r.vq.nr_bad, 5);
	assert_int_equal(r.vq.nr_free, 8);
	r.vq.used->idx += 100;					/* an index that leaps */
	assert_null(vq_pop(&r.vq, &len));
	assert_true(r.vq.broken);
	assert_false(vq_pending(&r.vq));
	assert_true(vq_irq_enable(&r.vq));			/* who waits, waits: no loop */
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random), cmocka_unit_test(test_notify), cmocka_unit_test(test_irq_after),
		cmocka_unit_test(test_indirect), cmocka_unit_test(test_liar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
