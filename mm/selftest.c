/* SPDX-License-Identifier: MIT */
/* Selftests of the allocators on real frames, from several CPUs; the randomised model tests run on the host. */
#include "arch/x86/cpu.h"
#include "kernel/selftest.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "mm/frame.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

static u32 left;

static void churn(void *arg)
{
	struct { void *p; u32 size; u8 tag; } slot[32] = { 0 };
	u64 seed = (u64)arg;

	for (unsigned n = 0; n < 4000; n++) {
		unsigned i = (seed = hash64(seed + n)) % ARRAY_SIZE(slot);

		if (slot[i].p != NULL) {
			const u8 *b = slot[i].p;

			SELFTEST_CHECK(b[0] == slot[i].tag && b[slot[i].size - 1] == slot[i].tag);
			kfree(slot[i].p);
			slot[i].p = NULL;
			continue;
		}
		slot[i].size = 1 + (seed >> 20) % (n % 50 == 0 ? 60000 : 600);
		slot[i].tag = seed >> 40;
		slot[i].p = kmalloc(slot[i].size);
		SELFTEST_CHECK(slot[i].p != NULL);
		memset(slot[i].p, slot[i].tag, slot[i].size);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(slot); i++)
		kfree(slot[i].p);
	__atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST);
}

SELFTEST(kmalloc_churn)
{
	left = 2 * nr_cpus;
	for (u64 i = 0; i < 2 * nr_cpus; i++)
		SELFTEST_CHECK(thread_spawn(churn, (void *)(i + 1), PRIO_NORMAL, "churn/%llu", (unsigned long long)i) == 0);
	while (load_acquire(&left) != 0)
		thread_sleep_ns(NSEC_PER_MSEC);
}

/* lesson: L6 - each byte of an object is its own, alignment as promised, objects within a page unless larger */
SELFTEST(slab_size_sweep)
{
	for (size_t size = 1; size <= 5000; size += size < 300 ? 1 : 61) {
		u8 *p[8];

		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			p[i] = kmalloc(size);
			SELFTEST_CHECK(p[i] != NULL && ((u64)p[i] & 15) == 0);
			if (size >= 64 && (size & (size - 1)) == 0)
				SELFTEST_CHECK(((u64)p[i] & (MIN(size, (size_t)PAGE_SIZE) - 1)) == 0);
			if (size <= PAGE_SIZE / 2)
				SELFTEST_CHECK(page_down((u64)p[i]) == page_down((u64)p[i] + size - 1));
			memset(p[i], i, size);
		}
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			for (size_t k = 0; k < size; k++)
				SELFTEST_CHECK(p[i][k] == i);
			kfree(p[i]);
		}
	}
}

/* lesson: L31 - what was taken comes back */
SELFTEST(frames_balance)
{
	struct frame *f[64];
	u64 before, after;

	preempt_disable();		/* other threads' allocations apart; there are none at this point of boot */
	before = frames_free_count();
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++) {
		unsigned order = i % 7;

		f[i] = frames_alloc(order, FRAME_KERNEL, FRAME_ZERO);
		SELFTEST_CHECK(f[i] != NULL && IS_ALIGNED(frame_phys(f[i]), PAGE_SIZE << order));
		SELFTEST_CHECK(frame_of_phys(frame_phys(f[i])) == f[i] && ref_read(&f[i]->refs) == 1);
		SELFTEST_CHECK(*(u64 *)frame_virt(f[i]) == 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++)
		frames_free(f[i], i % 7);
	after = frames_free_count();
	preempt_enable();
	SELFTEST_CHECK(after == before);
}

SELFTEST(frames_boot_run)
{
	u64 nr = 1500, before = frames_free_count();
	struct frame *run = frames_alloc_boot(nr, FRAME_PCACHE);

	SELFTEST_CHECK(run != NULL);
	for (u64 i = 0; i < nr; i++) {
		SELFTEST_CHECK(run[i].use == FRAME_PCACHE && frame_phys(&run[i]) == frame_phys(run) + i * PAGE_SIZE);
		frames_free(&run[i], 0);
	}
	SELFTEST_CHECK(frames_free_count() + 64 >= before);
}

SELFTEST(vmalloc_ranges)
{
	u64 pages = vmalloc_pages();
	u8 *p[6];

	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			size_t size = (i + 1) * 5000;

			p[i] = vmalloc(size);
			SELFTEST_CHECK(p[i] != NULL && p[i][0] == 0 && p[i][size - 1] == 0);
			memset(p[i], i + 1, size);
		}
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++)
			SELFTEST_CHECK(p[i][0] == i + 1 && p[i][(i + 1) * 5000 - 1] == i + 1);
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++)
			vfree(p[(i * 5 + round) % ARRAY_SIZE(p)]);
	}
	SELFTEST_CHECK(vmalloc_pages() == pages);
}
