/* SPDX-License-Identifier: MIT */
/*
 * The slab allocator against a model over frames of the shim: every size, random order, contents kept, all memory returned; and the
 * debug checks catch what they are there for (lesson: L4, lesson: L6, lesson: L7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "mm/slab.c"
#include "shim.h"

static int setup(void **state)
{
	slab_init();
	return 0;
}

static void random_ops(void **state)
{
	enum { N = 1500 };
	static struct { u8 *p; size_t size; u8 tag; } slot[N];

	srandom(11);
	for (u64 op = 0; op < 1000000; op++) {
		unsigned i = random() % (op / 100000 % 2 ? N / 10 : N);
		size_t size;

		if (slot[i].p != NULL) {
			assert_int_equal(slot[i].p[0], slot[i].tag);
			assert_int_equal(slot[i].p[slot[i].size / 2], slot[i].tag);
			assert_int_equal(slot[i].p[slot[i].size - 1], slot[i].tag);
			kfree(slot[i].p);
			slot[i].p = NULL;
			continue;
		}
		size = 1 + random() % (random() % 200 ? 400 : 9000);
		slot[i].p = random() % 2 ? kmalloc(size) : kzalloc(size);
		slot[i].size = size;
		slot[i].tag = op;
		assert_non_null(slot[i].p);
		memset(slot[i].p, slot[i].tag, size);
	}
	for (unsigned i = 0; i < N; i++)
		kfree(slot[i].p);
	assert_int_equal(kmem_cache_total_live(), 0);
	assert_int_equal(kmalloc_large_frames(), 0);
	held_trim();
	/* what stays: magazines, and one empty slab a cache; every object in a magazine may hold a slab of its own */
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++)
		assert_true(classes[i].nr_slabs <= MAGAZINE + 1);
	slab_trim_cpu();
	assert_int_equal(kmem_cache_total_frames(), 0);
	assert_int_equal(shim_frames_live(), 0);
}

static void size_sweep(void **state)
{
	for (size_t size = 0; size <= 9000; size += size < 2100 ? 1 : 97) {
		u8 *p[5];

		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			p[i] = kmalloc(size);
			assert_non_null(p[i]);
			assert_int_equal((uintptr_t)p[i] % 16, 0);
			if (size >= 64 && is_power(size))
				assert_int_equal((uintptr_t)p[i] % MIN(size, (size_t)PAGE_SIZE), 0);
			if (size > 0 && size <= PAGE_SIZE / 2)
				assert_int_equal((uintptr_t)p[i] / PAGE_SIZE, ((uintptr_t)p[i] + size - 1) / PAGE_SIZE);
			memset(p[i], 'A' + i, size);
		}
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			for (size_t k = 0; k < size; k++)
				assert_int_equal(p[i][k], 'A' + i);
			kfree(p[i]);
		}
	}
	assert_null(kcalloc(SIZE_MAX / 2, 3));
	assert_null(kmalloc((PAGE_SIZE << MAX_ORDER) + 1));
}

static void cache_shapes(void **state)
{
	static const struct { size_t size, align; } shape[] = { { 1, 0 }, { 24, 8 }, { 832, 64 }, { 2696, 64 }, { 4096, 4096 },
							       { 5000, 64 }, { 20000, 16 }, { 100, 256 } };

	for (unsigned s = 0; s < ARRAY_SIZE(shape); s++) {
		struct kmem_cache *c = kmem_cache_create("test", shape[s].size, shape[s].align);
		u8 *p[100];

		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			p[i] = kmem_cache_zalloc(c);
			assert_int_equal((uintptr_t)p[i] % MAX(shape[s].align, (size_t)16), 0);
			for (size_t k = 0; k < shape[s].size; k++)
				assert_int_equal(p[i][k], 0);
			memset(p[i], i + 1, shape[s].size);
		}
		assert_int_equal(kmem_cache_live(c), 100);
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			for (size_t k = 0; k < shape[s].size; k++)
				assert_int_equal(p[i][k], i + 1);
			kmem_cache_free(c, p[i]);
		}
		assert_int_equal(kmem_cache_live(c), 0);
	}
}

/* An array that grows keeps what is in it, and moves only when it is full. */
static void arrays(void **state)
{
	u32 *a = NULL, *before;
	unsigned room = 0, moves = 0;

	for (unsigned nr = 0; nr < 100000; nr++) {
		before = a;
		a = karray_room(a, nr, &room, sizeof(*a));
		assert_non_null(a);
		assert_true(nr < room);
		moves += a != before;
		a[nr] = nr * 3;
	}
	assert_true(moves <= 12);
	for (unsigned nr = 0; nr < 100000; nr++)
		assert_int_equal(a[nr], nr * 3);
	kfree(a);
}

static void memory_out(void **state)
{
	struct kmem_cache *c = kmem_cache_create("out", 1000, 0);

	shim_fail_alloc(1);
	assert_null(kmem_cache_alloc(c));
	shim_fail_alloc(1);
	assert_null(kmalloc(10000));
	shim_fail_alloc(0);
	assert_int_equal(kmem_cache_live(c), 0);
}

static jmp_buf out;
static char panic_text[256];
static void caught(const char *text)
{
	strncpy(panic_text, text, sizeof(panic_text) - 1);
	longjmp(out, 1);
}

/* What writes to a freed object finds it there still, and is seen. */
static void late_write(struct kmem_cache *c, u32 at)
{
	static u8 *p, *q;

	slab_trim_cpu();
	p = kmem_cache_alloc(c);
	kmem_cache_free(c, p);
	q = kmem_cache_alloc(c);
	assert_ptr_not_equal(q, p);
	kmem_cache_free(c, q);
	p[at]--;
	if (setjmp(out) == 0) {
		slab_trim_cpu();
		fail_msg("write after free not seen");
	}
	assert_non_null(strstr(panic_text, "after it was freed"));
	p[at]++;
	magazine_put(c, p);
}

static void mistakes_are_seen(void **state)
{
	struct kmem_cache *c = kmem_cache_create("mistakes", 40, 0);
	u8 *p = kmem_cache_alloc(c);

	assert_int_equal(p[0], FRESH);
	shim_panic_hook = caught;
	if (setjmp(out) == 0) {
		kmem_cache_free(c, p + 8);
		fail_msg("free inside an object not seen");
	}
	p[40] = 0;
	if (setjmp(out) == 0) {
		kmem_cache_free(c, p);
		fail_msg("red zone not checked");
	}
	assert_non_null(strstr(panic_text, "beyond its end"));
	tail_of(c, p)->red = RED;
	kmem_cache_free(c, p);
	if (setjmp(out) == 0) {
		kmem_cache_free(c, p);
		fail_msg("double free not seen");
	}
	late_write(c, 0);		/* L4 */
	late_write(c, 20);
	p = kmalloc(20);
	p[20] = 1;
	if (setjmp(out) == 0) {
		kfree(p);
		fail_msg("write beyond the size asked for not seen");
	}
	shim_panic_hook = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_ops), cmocka_unit_test(size_sweep), cmocka_unit_test(cache_shapes), cmocka_unit_test(arrays),
		cmocka_unit_test(memory_out), cmocka_unit_test(mistakes_are_seen),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
