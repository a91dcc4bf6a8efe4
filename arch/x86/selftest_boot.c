/* SPDX-License-Identifier: MIT */
/* What boot has left behind, on the machine itself: where descriptor tables and stacks stand, and what a copy costs there. */
#include "arch/x86/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"
#include "arch/x86/pagewalk.h"
#include "arch/x86/platform.h"
#include "arch/x86/smp.h"
#include "arch/x86/traps.h"
#include "kernel/preempt.h"
#include "kernel/selftest.h"
#include "kernel/thread.h"
#include "lib/base/string.h"
#include "lib/crc32.h"
#include "mm/frame.h"

extern char kernel_data_start[], kernel_end[];

/* --- the tables that the CPU itself reads --- */

static bool in_image(u64 va) { return va >= (u64)kernel_data_start && va < (u64)kernel_end; }

/* In memory that is the kernel's for ever: of the image, or a frame that is allocated. Free frames are poisoned in debug builds. */
static bool kept(u64 va)
{
	const struct frame *f = in_image(va) ? NULL : frame_of_virt((void *)va);

	return in_image(va) || (f != NULL && f->use == FRAME_KERNEL);
}

static void check_tables(void *arg)
{
	struct { u16 limit; u64 base; } __packed gdtr, idtr;
	const u64 *gdt;
	u16 task;

	__asm__ volatile("sgdt %0; sidt %1; str %2" : "=m"(gdtr), "=m"(idtr), "=r"(task));
	gdt = (const u64 *)gdtr.base;
	SELFTEST_CHECK(kept(gdtr.base) && kept(gdtr.base + gdtr.limit));
	SELFTEST_CHECK(kept(idtr.base) && kept(idtr.base + idtr.limit) && idtr.limit == 256 * 16 - 1);
	SELFTEST_CHECK(gdt[0] == 0 && gdt[KERNEL_CS / 8] == 0x00af9b000000ffff && task == TSS_SELECTOR);
	SELFTEST_CHECK((gdt[task / 8 + 1] << 32 | gdt[task / 8] >> 56 << 24 | (gdt[task / 8] >> 16 & 0xffffff)) == (u64)this_cpu_ptr(&cpu_tss));
	SELFTEST_CHECK(kept((u64)this_cpu_ptr(&cpu_tss)));
}

/* They moved to memory of the kernel before what the boot loader used was freed (lesson: L34). */
SELFTEST(descriptor_tables)
{
	preempt_disable();
	check_tables(NULL);
	smp_call_others(check_tables, NULL);
	preempt_enable();
}

/* --- stacks --- */

static pte_t *table_at(paddr_t table) { return phys_to_virt(table); }

static bool mapped(u64 va)
{
	const struct page_walk w = { .at = table_at };
	paddr_t root = cr3_read() & PTE_ADDR;

	for (unsigned level = PAGE_LEVELS; level-- > 0;) {
		pte_t *e = page_walk_entry(&w, root, va, level, false);

		if (e == NULL || !pte_present(*e))
			return false;
		if (level == 0 || (level < PAGE_LEVELS - 1 && (*e & PTE_HUGE)))
			return true;
	}
	return false;
}

/* Nothing is mapped on either side, so that who runs over an end faults at once. */
static void check_guards(u64 top, u64 size)
{
	SELFTEST_CHECK(!mapped(top) && !mapped(top - size - 1));
	for (u64 at = top - size; at < top; at += PAGE_SIZE)
		SELFTEST_CHECK(mapped(at));
}

/* From the first C function on: the boot CPU's stacks, its and the others' for faults, and each thread's (lesson: L35). */
SELFTEST(stack_guards)
{
	check_guards(BOOT_STACK_TOP, BOOT_STACK_PAGES * PAGE_SIZE);
	for (unsigned i = 0; i < NR_IST; i++)
		check_guards(BOOT_IST_TOP(i), IST_STACK_PAGES * PAGE_SIZE);
	for_each_cpu(cpu) {
		for (unsigned i = 0; i < NR_IST; i++)
			check_guards(page_up(per_cpu(cpu_tss, cpu).ist[i]), IST_STACK_PAGES * PAGE_SIZE);
	}
	check_guards((u64)thread_current()->stack + THREAD_STACK_SIZE, THREAD_STACK_SIZE);
}

/* As a program's step would that ends in the kernel: it is taken on the debug stack, and is the last. */
SELFTEST(debug_trap_in_kernel)
{
	u64 flags;

	__asm__ volatile("pushfq; orq %1, (%%rsp); popfq; nop; nop; pushfq; popq %0" : "=r"(flags) : "i"(RFLAGS_TF) : "memory", "cc");
	SELFTEST_CHECK(!(flags & RFLAGS_TF));
}

/* --- what a copy and a checksum cost (lesson: L39) --- */

#define ROUNDS	200		/* the fastest counts: an interrupt, or a host that is busy, only makes one slower */

static u8 from[PAGE_SIZE] __aligned(64), to[PAGE_SIZE] __aligned(64);
static u32 table[256], sum;

static void by_memcpy(void) { memcpy(to, from, PAGE_SIZE); }

static void by_bytes(void)
{
	void *d = to;
	const void *s = from;
	u64 n = PAGE_SIZE;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) :: "memory");
}

static void sum_sliced(void) { sum = crc32_update(~0U, from, PAGE_SIZE); }

static void sum_bytes(void)
{
	u32 reg = ~0U;

	for (unsigned i = 0; i < PAGE_SIZE; i++)
		reg = reg >> 8 ^ table[(reg ^ from[i]) & 0xff];
	sum = reg;
}

static u64 cost_ns(void (*fn)(void))
{
	u64 best = ~0ULL;

	for (unsigned i = 0; i < ROUNDS; i++) {
		u64 start = arch_clock_ns();

		fn();
		best = MIN(best, arch_clock_ns() - start);
	}
	return best;
}

/* Where instructions are translated, a copy by single bytes is many times slower; a real CPU may prefer it. */
static bool translated(void)
{
	struct cpuid c = cpuid(0x40000000, 0);

	return (cpuid(1, 0).ecx & 1U << 31) && c.ebx == 0x54474354 && c.ecx == 0x43544743 && c.edx == 0x47435447;	/* TCGTCGTCGTCG */
}

SELFTEST(copy_and_checksum_cost)
{
	u64 copy, bytes, sliced, bytewise;
	u32 good;

	for (unsigned i = 0; i < 256; i++) {
		u32 reg = i;

		for (unsigned bit = 0; bit < 8; bit++)
			reg = reg >> 1 ^ (reg & 1 ? 0xedb88320 : 0);
		table[i] = reg;
	}
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		from[i] = i * 7 + i / 251;
	copy = cost_ns(by_memcpy);
	SELFTEST_CHECK(memcmp(from, to, PAGE_SIZE) == 0);
	memset(to, 0, PAGE_SIZE);
	bytes = cost_ns(by_bytes);
	SELFTEST_CHECK(memcmp(from, to, PAGE_SIZE) == 0);
	bytewise = cost_ns(sum_bytes);
	good = sum;
	sliced = cost_ns(sum_sliced);
	SELFTEST_CHECK(sum == good);
	pr_info("a page: memcpy %llu ns, rep movsb %llu ns; CRC-32 %llu ns, by bytes %llu ns", (unsigned long long)copy,
		(unsigned long long)bytes, (unsigned long long)sliced, (unsigned long long)bytewise);
	if (translated())
		SELFTEST_CHECK(2 * copy < bytes && 3 * sliced < 2 * bytewise);
}
