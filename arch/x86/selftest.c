/* SPDX-License-Identifier: MIT */
/* Run in the boot thread of a real machine: per-CPU data, remapping, shootdown, the clock, user_exit's neighbours. */
#include "arch/x86/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/platform.h"
#include "arch/x86/smp.h"
#include "kernel/selftest.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/string.h"
#include "mm/frame.h"

/* --- per-CPU data --- */

static DEFINE_PER_CPU(u64, test_counter);
static DEFINE_PER_CPU(u64, test_initial) = 0x1234;

static void add_here(void *arg)
{
	BUG_ON(per_cpu(cpu_number, cpu_id()) != cpu_id() || this_cpu_offset() != percpu_offset[cpu_id()]);
	BUG_ON(this_cpu(test_initial) != 0x1234);	/* copied from the template on every CPU (L22) */
	this_cpu_add(test_counter, cpu_id() + 1);
}

SELFTEST(percpu)
{
	for (int i = 0; i < 100; i++)
		smp_call_others(add_here, NULL);
	preempt_disable();
	for_each_cpu(cpu)
		SELFTEST_CHECK(per_cpu(test_counter, cpu) == (cpu == cpu_id() ? 0 : 100 * (cpu + 1)));
	preempt_enable();
}

/* --- kernel mappings (lesson: L33) --- */

static u64 *const remapped = (u64 *)0xffffc07f00000000ULL;	/* near the end of mm/vmalloc.c's range */
static u32 wrong;

static void read_here(void *arg)
{
	if (READ_ONCE(*remapped) != (u64)arg)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
}

SELFTEST(kernel_remap_seen_by_all)
{
	struct frame *f[2];

	for (int i = 0; i < 2; i++) {
		f[i] = frames_alloc(0, FRAME_KERNEL, FRAME_ZERO);
		SELFTEST_CHECK(f[i] != NULL);
		*(u64 *)frame_virt(f[i]) = 100 + i;
	}
	for (u64 i = 0; i < 100; i++) {
		SELFTEST_CHECK(kernel_map((u64)remapped, frame_phys(f[i & 1]), PAGE_SIZE, PTE_NX) == 0);
		read_here((void *)(100 + (i & 1)));
		smp_call_others(read_here, (void *)(100 + (i & 1)));
		kernel_unmap((u64)remapped, PAGE_SIZE);
	}
	SELFTEST_CHECK(wrong == 0);
	frames_free(f[0], 0);
	frames_free(f[1], 0);
}

/* --- shootdown: readers on every CPU never see a page again once its flush has returned (lesson: L9) --- */

#define SHOT_VA		0x10000000ULL
#define SHOT_PAGES	48
#define SHOT_ROUNDS	200		/* at most: */
#define SHOT_NS		(300 * NSEC_PER_MSEC)

struct shot {
	struct pgd pgd;
	u64 round;		/* [a] raised after the flush: what readers must see at least */
	u32 running;		/* [a] */
	u32 stale;		/* [a] */
	bool stop;		/* [a] */
};

static void shot_reader(void *arg)
{
	struct shot *s = arg;

	arch_set_cr3(s->pgd.root);
	while (!load_acquire(&s->stop)) {
		for (u64 i = 0; i < SHOT_PAGES; i++) {
			u64 least = load_acquire(&s->round);
			u64 seen = READ_ONCE(*(u64 *)(SHOT_VA + i * PAGE_SIZE));	/* mapped for the kernel */

			if (seen < least)
				__atomic_add_fetch(&s->stale, 1, __ATOMIC_SEQ_CST);
		}
	}
	arch_set_cr3(0);
	__atomic_sub_fetch(&s->running, 1, __ATOMIC_SEQ_CST);
}

/* In batches of more and of fewer pages than are invalidated singly. */
static void shot_remap(struct shot *s, struct frame *const f[SHOT_PAGES], u64 round)
{
	struct tlb_batch b;

	tlb_batch_init(&b);
	for (u64 i = 0; i < SHOT_PAGES; i++) {
		if ((round & 1) && i % 10 == 9)
			tlb_batch_flush(&b);
		*(u64 *)frame_virt(f[i]) = round;
		(void)pte_xchg(pte_slot(&s->pgd, SHOT_VA + i * PAGE_SIZE, true),
			       frame_phys(f[i]) | PTE_PRESENT | PTE_WRITE | PTE_NX);
		tlb_batch_add(&b, &s->pgd, SHOT_VA + i * PAGE_SIZE);
	}
	tlb_batch_flush(&b);
}

SELFTEST(tlb_shootdown)
{
	static struct shot s;
	static struct frame *f[2][SHOT_PAGES];
	u64 until = time_mono_ns() + SHOT_NS;

	SELFTEST_CHECK(pgd_init(&s.pgd) == 0);
	for (u64 i = 0; i < 2 * SHOT_PAGES; i++) {
		f[i & 1][i / 2] = frames_alloc(0, FRAME_KERNEL, FRAME_ZERO);
		SELFTEST_CHECK(f[i & 1][i / 2] != NULL);
	}
	shot_remap(&s, f[0], 1);
	s.running = nr_cpus;
	for_each_cpu(cpu) {
		struct thread *t = thread_create(shot_reader, &s, PRIO_NORMAL, "shot/%u", cpu);

		SELFTEST_CHECK(t != NULL);
		thread_set_affinity(t, 1ULL << cpu);
		thread_start(t);
		thread_put(t);
	}
	for (u64 round = 2; round < SHOT_ROUNDS && (round < 20 || time_mono_ns() < until); round++) {
		shot_remap(&s, f[round & 1], round);
		store_release(&s.round, round);
		if (nr_cpus == 1)
			thread_yield();
	}
	store_release(&s.stop, true);
	while (load_acquire(&s.running) != 0)
		thread_sleep_ns(NSEC_PER_MSEC);
	SELFTEST_CHECK(s.stale == 0);
	SELFTEST_CHECK(pte_next_table(&s.pgd, 0) == SHOT_VA);
	SELFTEST_CHECK(pte_next_table(&s.pgd, SHOT_VA + MIB(2)) == USER_END);
	pgd_destroy(&s.pgd);
	for (u64 i = 0; i < 2 * SHOT_PAGES; i++)
		frames_free(f[i & 1][i / 2], 0);
}

/* Two that call each other at the same time both get on. */
static void nothing(void *arg) {}
static u32 callers_left;

static void caller(void *arg)
{
	for (int i = 0; i < 500; i++)
		smp_call_others(nothing, NULL);
	__atomic_sub_fetch(&callers_left, 1, __ATOMIC_SEQ_CST);
}

SELFTEST(cross_calls_from_all)
{
	callers_left = nr_cpus;
	for_each_cpu(cpu) {
		struct thread *t = thread_create(caller, NULL, PRIO_NORMAL, "caller/%u", cpu);

		SELFTEST_CHECK(t != NULL);
		thread_set_affinity(t, 1ULL << cpu);
		thread_start(t);
		thread_put(t);
	}
	while (load_acquire(&callers_left) != 0)
		thread_sleep_ns(NSEC_PER_MSEC);
}

/* --- time --- */

SELFTEST(clock)
{
	u64 last = arch_clock_ns(), start, took;

	for (int i = 0; i < 10000; i++) {
		u64 now = arch_clock_ns();

		SELFTEST_CHECK(now >= last);
		last = now;
	}
	for (u64 ns = 100 * NSEC_PER_USEC; ns <= 20 * NSEC_PER_MSEC; ns *= 14) {
		start = time_mono_ns();
		thread_sleep_ns(ns);
		took = time_mono_ns() - start;
		SELFTEST_CHECK(took >= ns);		/* never early; late is the host's doing */
		SELFTEST_CHECK(took < ns + 60 * NSEC_PER_SEC);
	}
}

/* --- what a fault is told by --- */

SELFTEST(symbols)
{
	u64 offset;
	const char *name = symbol_name((u64)selftest_symbols + 1, &offset);

	SELFTEST_CHECK(name != NULL && strcmp(name, "selftest_symbols") == 0 && offset == 1);
	SELFTEST_CHECK(symbol_name(0x1000, &offset) == NULL);
}
