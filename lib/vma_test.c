/* SPDX-License-Identifier: MIT */
/* The map of an address space against a flat array of pages: random changes, then every page, sum and reference compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/errno.h"
#include "lib/vma.h"
#include "shim.h"

#define N 96
#define BASE 0x10000ULL
static u64 addr_of(int page) { return BASE + (u64)page * PAGE_SIZE; }

struct model_page { bool mapped; u64 object, index; u32 prot, flags; void *file; };
static struct model_page model[N];
static struct vma_map map;
static int refs[4];		/* vmas naming file i, by the ops */
static char files[4];

static void on_copied(struct vma *v, void *arg) { if (v->file != NULL) refs[(char *)v->file - files]++; }
static void on_freed(struct vma *v, void *arg) { if (v->file != NULL) refs[(char *)v->file - files]--; }
static const struct vma_ops ops = { on_copied, on_freed };

static void check(void)
{
	u64 pages = 0, accounted = 0, nr = 0;
	int count[4] = { 0 };
	struct vma *last = NULL;

	for (int i = 0; i < N; i++) {
		struct vma *v = vma_find(&map, addr_of(i) + 5);

		assert_int_equal(v != NULL, model[i].mapped);
		if (v == NULL)
			continue;
		assert_int_equal(v->object, model[i].object);
		assert_int_equal(v->prot, model[i].prot);
		assert_int_equal(v->flags, model[i].flags);
		assert_ptr_equal(v->file, model[i].file);
		assert_int_equal(v->index + ((addr_of(i) - v->start) >> PAGE_SHIFT), model[i].index);
		pages++;
		accounted += (v->flags & VMA_ACCOUNTED) != 0;
	}
	for (struct vma *v = vma_find_from(&map, 0); v != NULL; v = vma_next(v)) {
		assert_true(v->start < v->end);
		if (last != NULL) {
			assert_true(last->end <= v->start);
			/* neighbours that say the same are one */
			assert_false(last->end == v->start && last->object == v->object && last->prot == v->prot &&
				     last->flags == v->flags && last->file == v->file &&
				     last->index + ((last->end - last->start) >> PAGE_SHIFT) == v->index);
		}
		if (v->file != NULL)
			count[(char *)v->file - files]++;
		last = v;
		nr++;
	}
	assert_int_equal(map.nr_vmas, nr);
	assert_int_equal(map.nr_pages, pages);
	assert_int_equal(map.nr_accounted, accounted);
	for (int i = 1; i < 4; i++)
		assert_int_equal(refs[i], count[i]);
}

static void random_range(int *a, int *b)
{
	*a = random() % N;
	*b = *a + 1 + random() % MIN(N - *a, 20);
}

static bool model_free(int a, int b)
{
	for (int i = a; i < b; i++)
		if (model[i].mapped)
			return false;
	return true;
}

static void do_add(void)
{
	int a, b, f = random() % 4, rc;
	struct vma v = { 0 };

	random_range(&a, &b);
	v.start = addr_of(a);
	v.end = addr_of(b);
	v.prot = random() % 4;
	v.file = f == 0 ? NULL : &files[f];
	v.object = f;
	v.index = f == 0 ? v.start >> PAGE_SHIFT : a + 7;
	v.flags = random() % 4 == 0 ? VMA_SHARED : 0;
	if (vma_accountable(v.prot, v.flags))
		v.flags |= VMA_ACCOUNTED;
	if (f != 0)
		refs[f]++;
	rc = vma_map_add(&map, &v);
	if (rc < 0) {
		if (f != 0)
			refs[f]--;
		assert_true(rc == -ENOMEM || !model_free(a, b));
		return;
	}
	assert_true(model_free(a, b));
	for (int i = a; i < b; i++)
		model[i] = (struct model_page){ true, v.object, v.index + i - a, v.prot, v.flags, v.file };
}

static void do_remove(void)
{
	int a, b;

	random_range(&a, &b);
	if (vma_map_remove(&map, addr_of(a), addr_of(b)) < 0)
		return;
	memset(&model[a], 0, (b - a) * sizeof(model[0]));
}

static void do_protect(void)
{
	int a, b, rc;
	u32 prot = random() % 8;
	u64 charge, before = map.nr_accounted;
	bool whole = true;

	random_range(&a, &b);
	for (int i = a; i < b; i++)
		whole &= model[i].mapped;
	charge = vma_protect_charge(&map, addr_of(a), addr_of(b), prot);
	rc = vma_map_protect(&map, addr_of(a), addr_of(b), prot);
	if (rc < 0) {
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(map.nr_accounted, before);
		return;
	}
	assert_true(whole);
	assert_int_equal(map.nr_accounted, before + charge);
	for (int i = a; i < b; i++) {
		model[i].prot = prot;
		if (vma_accountable(prot, model[i].flags))
			model[i].flags |= VMA_ACCOUNTED;
	}
}

static void do_charge(void)
{
	u64 charge, before = map.nr_accounted;
	int a, b;

	random_range(&a, &b);
	charge = vma_protect_charge(&map, addr_of(a), addr_of(b), PROT_WRITE);
	if (vma_map_charge(&map, addr_of(a), addr_of(b)) < 0) {
		assert_int_equal(map.nr_accounted, before);
		return;
	}
	assert_int_equal(map.nr_accounted, before + charge);
	for (int i = a; i < b; i++)
		if (vma_accountable(PROT_WRITE, model[i].flags))
			model[i].flags |= VMA_ACCOUNTED;
}

static void do_flags(void)
{
	int a, b;

	random_range(&a, &b);
	if (vma_map_flags(&map, addr_of(a), addr_of(b), VMA_SEQUENTIAL, VMA_LOCKED) < 0)
		return;
	for (int i = a; i < b; i++)
		if (model[i].mapped)
			model[i].flags |= VMA_SEQUENTIAL;
}

static void do_move(void)
{
	int a, b, to = random() % N, len, rc;
	bool keep = random() % 4 == 0, same;
	struct vma *v;
	struct model_page old[N];

	random_range(&a, &b);
	len = MIN(1 + random() % 20, N - to);
	if (random() % 4 == 0)
		to = a, len = MIN(len, N - a);
	same = to == a;
	v = vma_find(&map, addr_of(a));
	rc = vma_map_move(&map, addr_of(a), (b - a) * PAGE_SIZE, addr_of(to), len * PAGE_SIZE, keep);
	if (rc == -ENOMEM)
		return;
	if (same && keep) {
		assert_true(rc < 0);
		return;
	}
	if (rc == -EFAULT) {
		assert_true(v == NULL || !model_free(a, b));
		return;
	}
	if (rc == -EEXIST) {
		assert_false(same ? len > b - a && model_free(b, a + len) : model_free(to, to + len));
		return;
	}
	assert_int_equal(rc, 0);
	memcpy(old, model, sizeof(old));
	if (!keep)
		memset(&model[a], 0, (b - a) * sizeof(model[0]));
	for (int i = 0; i < len; i++) {
		model[to + i] = old[a];
		model[to + i].index = old[a].index + i;
	}
}

static void do_gap(void)
{
	int want = 1 + random() % 12, floor = random() % 8, top = N - random() % 8, best = -1;
	u64 got = vma_find_gap(&map, addr_of(floor), addr_of(top), want * PAGE_SIZE);

	for (int i = floor; i + want <= top; i++)
		if (model_free(i, i + want))
			best = i;
	assert_int_equal(got, best < 0 ? 0 : addr_of(best));
}

static void do_copy(void)
{
	struct vma_map child;

	vma_map_init(&child, &ops, NULL);
	if (vma_map_copy(&child, &map) == 0) {
		assert_int_equal(child.nr_vmas, map.nr_vmas);
		assert_int_equal(child.nr_accounted, map.nr_accounted);
		vma_map_destroy(&child);
	}
	assert_int_equal(child.nr_vmas, 0);
}

static void random_changes(void **state)
{
	static void (*const what[])(void) = { do_add, do_add, do_add, do_remove, do_protect, do_protect, do_charge, do_flags, do_move, do_gap, do_copy };

	srandom(1);
	vma_map_init(&map, &ops, NULL);
	for (int n = 0; n < 200000; n++) {
		if (n % 7 == 0)
			shim_fail_alloc(1 + random() % 4);	/* memory runs out: nothing may have changed */
		what[random() % ARRAY_SIZE(what)]();
		shim_fail_alloc(0);
		if (n % 16 == 0)
			check();
	}
	check();
	vma_map_destroy(&map);
	for (int i = 1; i < 4; i++)
		assert_int_equal(refs[i], 0);
	assert_int_equal(map.nr_vmas + map.nr_pages + map.nr_accounted, 0);
}

/* malloc's way to grow an arena: PROT_NONE to RW in steps; two vmas remain, whatever the number of steps */
static void arena_stays_two(void **state)
{
	struct vma v = { .start = 0x7f0000000000, .end = 0x7f0000000000 + MIB(64), .index = 0x7f0000000 };

	vma_map_init(&map, NULL, NULL);
	assert_int_equal(vma_map_add(&map, &v), 0);
	for (u64 end = v.start + KIB(132); end < v.end; end += PAGE_SIZE) {
		assert_int_equal(vma_map_protect(&map, v.start, end, PROT_READ | PROT_WRITE), 0);
		assert_int_equal(map.nr_vmas, 2);
		assert_int_equal(map.nr_accounted, (end - v.start) >> PAGE_SHIFT);
	}
	vma_map_destroy(&map);
}

static void stack_guard_is_kept(void **state)
{
	struct vma stack = { .start = MIB(64), .end = MIB(65), .index = MIB(64) >> 12, .flags = VMA_GROWSDOWN };

	vma_map_init(&map, NULL, NULL);
	assert_int_equal(vma_map_add(&map, &stack), 0);
	assert_int_equal(vma_find_gap(&map, PAGE_SIZE, MIB(65), PAGE_SIZE), MIB(63) - PAGE_SIZE);
	assert_int_equal(vma_find_gap(&map, PAGE_SIZE, MIB(64), PAGE_SIZE), MIB(63) - PAGE_SIZE);
	assert_int_equal(vma_find_gap(&map, PAGE_SIZE, MIB(66), PAGE_SIZE), MIB(66) - PAGE_SIZE);
	vma_map_destroy(&map);
}

static void bad_ranges(void **state)
{
	struct vma v = { .start = 0x1001, .end = 0x3000 };

	vma_map_init(&map, NULL, NULL);
	assert_int_equal(vma_map_add(&map, &v), -EINVAL);
	assert_int_equal(vma_map_remove(&map, 0x2000, 0x1000), -EINVAL);
	assert_int_equal(vma_map_protect(&map, 0x1000, 0x2000, PROT_READ), -ENOMEM);
	assert_int_equal(vma_map_protect(&map, 0x1000, 0x2000, 8), -EINVAL);
	assert_int_equal(vma_map_move(&map, 0x1000, 0x1000, 0x5000, 0x1000, false), -EFAULT);
	assert_int_equal(vma_find_gap(&map, 0x1000, 0x2000, 0x2000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes), cmocka_unit_test(arena_stays_two),
		cmocka_unit_test(stack_guard_is_kept), cmocka_unit_test(bad_ranges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
