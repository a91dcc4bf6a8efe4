/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/space/merge.c */
/*
 * Random changes of a map, queued and merged, against the same changes one by one: at whatever moment the queue is applied, map,
 * commit and pages are the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/errno.h"
#include "lib/vma.h"
#include "managers/processor/space/merge.h"

#define PAGES	24
#define FIRST	0x100ULL

static struct wire_change list[WIRE_CHANGES];
static u32 nr;
static struct vma_map here, there;		/* as the program sees it; as M has it */
static bool page_here[PAGES], page_there[PAGES];	/* contents that M has, or should have */
static unsigned merged, sent;

static u64 va(unsigned i) { return (FIRST + i) << PAGE_SHIFT; }

static void apply(struct vma_map *m, bool *page, const struct wire_change *w)
{
	u64 start = le64_get(w->start), len = le64_get(w->len);
	struct vma v = { .start = start, .end = start + len, .index = le64_get(w->index), .prot = le16_get(w->prot),
			 .flags = le32_get(w->flags) };
	unsigned what = le16_get(w->what);

	if (what == WIRE_CHANGE_NONE)
		return;
	assert_int_not_equal(len, 0);
	if (what == WIRE_CHANGE_MAP)
		assert_int_equal(vma_map_add(m, &v), 0);
	else if (what == WIRE_CHANGE_PROTECT)
		assert_int_equal(vma_map_protect(m, v.start, v.end, v.prot), 0);
	else if (what == WIRE_CHANGE_UNMAP)
		assert_int_equal(vma_map_remove(m, v.start, v.end), 0);
	if (what == WIRE_CHANGE_UNMAP || what == WIRE_CHANGE_ZAP)
		for (unsigned i = (start >> PAGE_SHIFT) - FIRST; i < ((start + len) >> PAGE_SHIFT) - FIRST; i++)
			page[i] = false;
}

static void compare(void)
{
	struct vma *a = vma_find_from(&here, 0), *b = vma_find_from(&there, 0);

	for (; a != NULL && b != NULL; a = vma_next(a), b = vma_next(b)) {
		assert_int_equal(a->start, b->start);
		assert_int_equal(a->end, b->end);
		assert_int_equal(a->index, b->index);
		assert_int_equal(a->prot, b->prot);
		assert_int_equal(a->flags, b->flags);
	}
	assert_null(a);
	assert_null(b);
	assert_int_equal(here.nr_accounted, there.nr_accounted);
	assert_memory_equal(page_here, page_there, sizeof(page_here));
}

static void push(void)
{
	for (u32 i = 0; i < nr; i++)
		apply(&there, page_there, &list[i]);
	sent += nr;
	nr = 0;
	compare();
}

static void add(u16 what, unsigned first, unsigned pages, u16 prot, u32 flags)
{
	struct wire_change w = {
		.start = le64_of(va(first)), .len = le64_of((u64)pages << PAGE_SHIFT), .index = le64_of(FIRST + first),
		.prot = le16_of(prot), .flags = le32_of(flags), .what = le16_of(what),
	};

	if (nr > 0 && changes_merge(list, nr, &w)) {
		merged++;
	} else {
		if (nr == WIRE_CHANGES)
			push();
		list[nr++] = w;
	}
	apply(&here, page_here, &w);
}

static bool mapped(unsigned first, unsigned pages)
{
	for (unsigned i = first; i < first + pages; i++)
		if (vma_find(&here, va(i)) == NULL)
			return false;
	return true;
}

static void one_change(void)
{
	static const u16 prots[] = { 0, PROT_READ, PROT_READ | PROT_WRITE };
	static unsigned pages, first;
	unsigned r = random() % 16;
	u16 prot = prots[random() % 3];

	if (random() % 2) {			/* else the same once more, or what is beside it */
		pages = 1 + random() % 4;
		first = random() % (PAGES - pages);
	} else if (random() % 2 && first + 2 * pages < PAGES) {
		first += pages;
	}

	if (r < 5 && vma_range_free(&here, va(first), va(first + pages)))
		add(WIRE_CHANGE_MAP, first, pages, prot, vma_accountable(prot, 0) ? VMA_ACCOUNTED : 0);
	else if (r < 11 && mapped(first, pages))
		add(WIRE_CHANGE_PROTECT, first, pages, prot, 0);
	else if (r < 13)
		add(WIRE_CHANGE_UNMAP, first, pages, 0, 0);
	else if (r == 13 && mapped(first, pages))
		add(WIRE_CHANGE_ZAP, first, pages, 0, 0);
	else if (r == 14 && mapped(first, 1)) {
		push();				/* a page is flushed: M has it from then on */
		page_here[first] = page_there[first] = true;
	}
}

static void begin(void)
{
	vma_map_init(&here, NULL, NULL);
	vma_map_init(&there, NULL, NULL);
	memset(page_here, 0, sizeof(page_here));
	memset(page_there, 0, sizeof(page_there));
	nr = merged = sent = 0;
}

static void end(void)
{
	push();
	vma_map_destroy(&here);
	vma_map_destroy(&there);
}

static void merged_is_as_good(void **state)
{
	begin();
	srandom(1);
	for (int i = 0; i < 300000; i++) {
		one_change();
		if (random() % 32 == 0)
			push();
	}
	assert_true(merged > 10000);
	end();
}

/* What programs do all day comes to hardly anything. */
static void usual_programs(void **state)
{
	const u16 rw = PROT_READ | PROT_WRITE;

	begin();
	add(WIRE_CHANGE_MAP, 0, PAGES, 0, VMA_NORESERVE);	/* an arena: reserved, trimmed, and grown by rights */
	add(WIRE_CHANGE_UNMAP, 0, 2, 0, 0);
	add(WIRE_CHANGE_UNMAP, PAGES - 2, 2, 0, 0);
	assert_int_equal(nr, 1);
	for (unsigned i = 2; i < PAGES - 2; i++)
		add(WIRE_CHANGE_PROTECT, i, 1, rw, 0);
	assert_int_equal(nr, 2);
	push();
	for (int i = 0; i < 100; i++) {				/* taken away and given back */
		add(WIRE_CHANGE_PROTECT, 4, 2, PROT_READ, 0);
		add(WIRE_CHANGE_PROTECT, 4, 2, rw, 0);
	}
	assert_true(nr <= 2);
	push();
	for (int i = 0; i < 100; i++) {				/* a stack with a guard, a buffer: come and gone */
		add(WIRE_CHANGE_MAP, 0, 2, rw, VMA_ACCOUNTED);
		add(WIRE_CHANGE_PROTECT, 0, 1, 0, 0);
		add(WIRE_CHANGE_UNMAP, 0, 2, 0, 0);
		assert_false(changes_free(list, nr));
	}
	assert_true(nr <= 2);
	add(WIRE_CHANGE_UNMAP, 4, 1, 0, 0);
	assert_true(changes_free(list, nr));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(merged_is_as_good), cmocka_unit_test(usual_programs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
