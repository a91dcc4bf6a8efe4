/* SPDX-License-Identifier: MIT */
/*
 * The buddy allocator against a model: random allocations and frees of every order, splits and boot runs over RAM with holes; each
 * block aligned, inside RAM, apart from all others, its bytes kept; at the end all is one again (lesson: L5, lesson: L7, lesson: L31).
 */
/* SOURCES: mm/bootmem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "mm/frame.c"
#include "shim.h"

#define RAM_PAGES	(40 * 1024UL)
#define HOLE_START	9000UL
#define HOLE_PAGES	5000UL
#define USED_START	20001UL
#define USED_PAGES	777UL
#define MAX_BLOCKS	3000

static char *ram;
static u64 free_at_start;

static struct { struct frame *f; unsigned order; u64 tag; } block[MAX_BLOCKS];
static unsigned nr_blocks;
static u8 owned[RAM_PAGES];		/* the model: page handed out */

static u64 page_no(struct frame *f) { return (frame_phys(f) - (paddr_t)(uintptr_t)ram) / PAGE_SIZE; }

static bool usable(u64 page)
{
	return page < RAM_PAGES && !(page >= HOLE_START && page < HOLE_START + HOLE_PAGES) &&
	       !(page >= USED_START && page < USED_START + USED_PAGES);
}

static int setup(void **state)
{
	char *p = mmap(NULL, RAM_PAGES * PAGE_SIZE + MIB(8), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ram = (char *)ALIGN_UP((uintptr_t)p, MIB(4)) + PAGE_SIZE;	/* RAM does not begin on a large boundary */
	frames_add_ram((paddr_t)(uintptr_t)ram, (paddr_t)(uintptr_t)ram + HOLE_START * PAGE_SIZE);
	frames_add_ram((paddr_t)(uintptr_t)ram + (HOLE_START + HOLE_PAGES) * PAGE_SIZE,
		       (paddr_t)(uintptr_t)ram + RAM_PAGES * PAGE_SIZE);
	/* in pieces, out of order, overlapping, not on page boundaries */
	frames_reserve((paddr_t)(uintptr_t)ram + (USED_START + 400) * PAGE_SIZE, (paddr_t)(uintptr_t)ram + (USED_START + USED_PAGES) * PAGE_SIZE - 9);
	frames_reserve((paddr_t)(uintptr_t)ram + USED_START * PAGE_SIZE + 100, (paddr_t)(uintptr_t)ram + (USED_START + 500) * PAGE_SIZE);
	frames_init();
	free_at_start = frames_free_count();
	return 0;
}

/* A frame that another CPU is taking back looks free for a moment, and stands in no list: it is not joined with its buddy. */
static void half_freed(void **state)
{
	struct frame *f = frames_alloc(1, FRAME_KERNEL, 0);
	u64 before;

	assert_non_null(f);
	frames_split(f, 1);
	before = nr_free;
	f[0].use = FRAME_FREE;
	f[1].use = FRAME_FREE;
	poison_set(&f[1], 0);
	spin_lock(&buddy_lock);
	block_free(&f[1], 0);
	spin_unlock(&buddy_lock);
	assert_int_equal(nr_free, before + 1);
	f[0].use = FRAME_KERNEL;
	frames_free(&f[0], 0);
	assert_int_equal(frames_free_count(), free_at_start);
}

static bool take(unsigned order, u64 tag)
{
	struct frame *f = frames_alloc(order, FRAME_KERNEL, tag % 5 == 0 ? FRAME_ZERO : 0);
	u64 first;

	if (f == NULL)
		return false;
	first = page_no(f);
	assert_true(IS_ALIGNED(frame_phys(f), PAGE_SIZE << order));
	for (u64 i = first; i < first + (1UL << order); i++) {
		assert_true(usable(i));
		assert_int_equal(owned[i], 0);
		owned[i] = 1;
		if (tag % 5 == 0)
			assert_int_equal(*(u64 *)(ram + i * PAGE_SIZE + (tag * 8) % PAGE_SIZE), 0);
		*(u64 *)(ram + i * PAGE_SIZE) = tag ^ i;
	}
	/* L5: what an owner writes into its fields does not disturb the allocator */
	f->flags = tag;
	f->owner = (void *)tag;
	f->private = tag;
	block[nr_blocks].f = f;
	block[nr_blocks].order = order;
	block[nr_blocks++].tag = tag;
	return true;
}

static void give(unsigned k)
{
	struct frame *f = block[k].f;
	u64 first = page_no(f);

	for (u64 i = first; i < first + (1UL << block[k].order); i++) {
		assert_int_equal(*(u64 *)(ram + i * PAGE_SIZE), block[k].tag ^ i);
		owned[i] = 0;
	}
	if (block[k].tag % 3 == 0) {
		frames_split(f, block[k].order);
		for (u64 i = 0; i < 1UL << block[k].order; i++)
			frames_free(f + i, 0);
	} else {
		frames_free(f, block[k].order);
	}
	block[k] = block[--nr_blocks];
}

/* lesson: L7 */
static void random_ops(void **state)
{
	u64 out = 0;

	srandom(7);
	for (u64 op = 1; op <= 300000; op++) {
		/* now filling, now draining, so that memory runs out and comes together again */
		bool filling = op / 20000 % 2 == 0;

		if (nr_blocks < MAX_BLOCKS && random() % 100 < (filling ? 62 : 38)) {
			unsigned order = random() % 4 ? random() % 3 : random() % (MAX_ORDER + 1);

			if (take(order, op))
				out += 1UL << order;
		} else if (nr_blocks > 0) {
			unsigned k = random() % nr_blocks;

			out -= 1UL << block[k].order;
			give(k);
		}
		if (op % 1000 == 0)
			assert_int_equal(frames_free_count() + out, free_at_start);
	}
	while (nr_blocks > 0)
		give(nr_blocks - 1);
	assert_int_equal(frames_free_count(), free_at_start);
}

static void comes_together(void **state)
{
	struct frame_cache *c = this_cpu_ptr(&frame_cache);
	u64 largest = 0, n = 0;
	struct frame *f;

	while (c->nr > 0)		/* what the cache keeps back is not fragmentation */
		block_free(c->frame[--c->nr], 0);
	for (u64 p = 0; p < RAM_PAGES; p++) {
		bool whole = IS_ALIGNED((uintptr_t)ram + p * PAGE_SIZE, MIB(4));

		for (u64 i = p; whole && i < p + 1024; i++)
			whole = usable(i);
		largest += whole;
	}
	while ((f = frames_alloc(MAX_ORDER, FRAME_KERNEL, 0)) != NULL) {
		block[n++].f = f;
	}
	/* the array of struct frame itself lies in the first of them */
	assert_true(n + 2 >= largest);
	while (n > 0)
		frames_free(block[--n].f, MAX_ORDER);
	assert_int_equal(frames_free_count(), free_at_start);
}

static void boot_runs(void **state)
{
	struct frame *run = frames_alloc_boot(5000, FRAME_PCACHE);

	assert_non_null(run);
	assert_int_equal(frames_free_count(), free_at_start - 5000);
	for (u64 i = 0; i < 5000; i++) {
		assert_true(usable(page_no(run + i)));
		assert_int_equal(run[i].use, FRAME_PCACHE);
	}
	assert_null(frames_alloc_boot(RAM_PAGES, FRAME_PCACHE));
	for (u64 i = 0; i < 5000; i++)
		frames_free(run + i * 7 % 5000, 0);
	assert_int_equal(frames_free_count(), free_at_start);
}

/* Whoever owns a frame may write each of its bytes: nothing that mm needs stands in it (lesson: L27). */
static void frame_is_all_its_owners(void **state)
{
	for (unsigned value = 0; value < 256; value += 51) {
		struct frame *f = frames_alloc(3, FRAME_USER, 0);

		assert_non_null(f);
		memset(frame_virt(f), value, PAGE_SIZE << 3);
		frames_split(f, 3);
		for (unsigned i = 0; i < 8; i++) {
			ref_get(&f[i].refs);
			memset(frame_virt(f + i), value ^ i, PAGE_SIZE);
			assert_int_equal(f[i].use, FRAME_USER);
			assert_int_equal(frame_phys(f + i), frame_phys(f) + i * PAGE_SIZE);
			assert_false(ref_put(&f[i].refs));
			memset(frame_virt(f + i), value + i, PAGE_SIZE);
			assert_true(ref_put(&f[i].refs));
			ref_init(&f[i].refs, 1);
			frames_free(f + i, 0);
		}
	}
	assert_int_equal(frames_free_count(), free_at_start);
}

static jmp_buf out;
static char panic_text[256];
static void caught(const char *text)
{
	strncpy(panic_text, text, sizeof(panic_text) - 1);
	longjmp(out, 1);
}

static void mistakes_are_seen(void **state)
{
	struct frame *f = frames_alloc(3, FRAME_KERNEL, 0), *g;

	shim_panic_hook = caught;
	if (setjmp(out) == 0) {
		frames_free(f, 2);
		fail_msg("wrong order not seen");
	}
	if (setjmp(out) == 0) {
		frames_free(f + 1, 0);
		fail_msg("free of a part not seen");
	}
	frames_free(f, 3);
	if (setjmp(out) == 0) {
		frames_free(f, 3);
		fail_msg("double free not seen");
	}
	g = frames_alloc(0, FRAME_KERNEL, 0);
	frames_free(g, 0);
	((u64 *)frame_virt(g))[5] = 1;
	if (setjmp(out) == 0) {
		frames_alloc(0, FRAME_KERNEL, 0);
		fail_msg("write after free not seen");
	}
	assert_non_null(strstr(panic_text, "after it was freed"));
	shim_panic_hook = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_freed), cmocka_unit_test(random_ops), cmocka_unit_test(comes_together), cmocka_unit_test(boot_runs), cmocka_unit_test(frame_is_all_its_owners),
		cmocka_unit_test(mistakes_are_seen),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
