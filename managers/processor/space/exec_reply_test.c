/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/space/exec_reply.c */
/* What M says of a loaded program: a reply as it should be is taken, any with one number in it that cannot be is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/paging.h"
#include "lib/vma.h"
#include "managers/processor/space/exec_reply.h"

#define NR_VMAS		4
#define NR_PRIVATE	2
#define OBJECT		(WIRE_OBJECT_FIRST + 5)
#define TOP		(USER_END - 16 * PAGE_SIZE)

static struct {
	struct exec_reply rep;
	struct wire_vma vma[NR_VMAS];
	le64 private[NR_PRIVATE];
	le64 behind[8];			/* read if the counts are believed too long */
} __packed reply;
static const u32 len = offsetof(typeof(reply), behind);

static struct wire_vma vma(u64 start, u64 pages, u64 object, u64 index, u32 prot, u32 flags)
{
	return (struct wire_vma){ le64_of(start), le64_of(start + pages * PAGE_SIZE), le64_of(object), le64_of(index), le32_of(prot),
				  le32_of(flags) };
}

static void good(void)
{
	memset(&reply, 0, sizeof(reply));
	reply.rep.r = (struct rpc_memory_exec_rep){
		.entry = le64_of(0x401234), .at_entry = le64_of(0x401234), .brk = le64_of(0x405123), .stack_top = le64_of(TOP),
		.mmap_top = le64_of(USER_END / 2 & PAGE_MASK), .code_start = le64_of(0x401000), .code_end = le64_of(0x402000),
		.commit = le64_of(2 + 1 + 33), .nr_vmas = le32_of(NR_VMAS), .nr_private = le32_of(NR_PRIVATE),
	};
	reply.vma[0] = vma(0x401000, 1, OBJECT, 1, PROT_READ | PROT_EXEC, 0);
	reply.vma[1] = vma(0x402000, 2, OBJECT, 2, PROT_READ | PROT_WRITE, VMA_ACCOUNTED);
	reply.vma[2] = vma(0x404000, 1, 0, 0x404, PROT_READ | PROT_WRITE, VMA_ACCOUNTED);
	reply.vma[3] = vma(TOP - 33 * PAGE_SIZE, 33, 0, 7, PROT_READ | PROT_WRITE, VMA_ACCOUNTED | VMA_STACK | VMA_GROWSDOWN);
	reply.private[0] = le64_of(0x403);
	reply.private[1] = le64_of((TOP >> PAGE_SHIFT) - 1);
}

static void is_taken(void **state)
{
	good();
	assert_true(exec_reply_ok(&reply.rep, len));
	for (u32 i = 0; i < len; i++)			/* any part of it is not all of it */
		assert_false(exec_reply_ok(&reply.rep, i));
	good();
	reply.rep.r.entry = le64_of(USER_END - 1);	/* nothing is there: the program's affair */
	assert_true(exec_reply_ok(&reply.rep, len));
	good();
	reply.rep.r.brk = le64_of(USER_END);
	assert_true(exec_reply_ok(&reply.rep, len));
}

#define REFUSED(change) do { good(); reply.change; assert_false(exec_reply_ok(&reply.rep, len)); } while (0)

static void numbers_that_cannot_be(void **state)
{
	static const u64 no_user[] = { USER_END + 1, 1ULL << 47, 1ULL << 63, 0xffff800000000000ULL, ~0ULL };

	for (unsigned i = 0; i < ARRAY_SIZE(no_user); i++) {
		REFUSED(rep.r.entry = le64_of(no_user[i]));	/* SYSRET and IRET fault in the kernel on the third */
		REFUSED(rep.r.brk = le64_of(no_user[i]));
		REFUSED(rep.r.stack_top = le64_of(no_user[i]));
		REFUSED(rep.r.stack_top = le64_of(no_user[i] & PAGE_MASK));
		REFUSED(rep.r.mmap_top = le64_of(no_user[i]));
		REFUSED(rep.r.code_end = le64_of(no_user[i]));
		REFUSED(private[0] = le64_of(no_user[i]));
		REFUSED(private[1] = le64_of(no_user[i] >> PAGE_SHIFT));
		REFUSED(vma[3].end = le64_of(no_user[i] & PAGE_MASK));
	}
	REFUSED(rep.r.entry = le64_of(USER_END));
	REFUSED(rep.r.stack_top = le64_of(0));
	REFUSED(rep.r.stack_top = le64_of(TOP - 8));
	REFUSED(rep.r.stack_top = le64_of(TOP + PAGE_SIZE));	/* not mapped */
	REFUSED(rep.r.mmap_top = le64_of(0));
	REFUSED(private[0] = le64_of(0x500));
	REFUSED(rep.r.commit = le64_of(35));
	REFUSED(rep.r.commit = le64_of(37));
	REFUSED(rep.r.commit = le64_of(~0ULL));
	REFUSED(rep.r.nr_vmas = le32_of(NR_VMAS + 1));
	REFUSED(rep.r.nr_vmas = le32_of(~0U));
	REFUSED(rep.r.nr_private = le32_of(NR_PRIVATE + 1));
	REFUSED(rep.r.nr_private = le32_of(~0U));
}

static void mappings_that_cannot_be(void **state)
{
	REFUSED(vma[0].start = le64_of(0x401001));
	REFUSED(vma[0].start = le64_of(0));
	REFUSED(vma[1].start = le64_of(0x401000));		/* on another */
	REFUSED(vma[1].end = le64_of(0x405000));
	REFUSED(vma[1].end = le64_of(0x402000));		/* empty */
	REFUSED(vma[0].object = le64_of(77));			/* an address space */
	REFUSED(vma[0].index = le64_of(~0ULL));
	REFUSED(vma[0].prot = le32_of(8));
	REFUSED(vma[0].flags = le32_of(VMA_SHARED));
	REFUSED(vma[0].flags = le32_of(VMA_VDSO));
	REFUSED(vma[0].flags = le32_of(1U << 31));
	REFUSED(vma[0].flags = le32_of(VMA_ACCOUNTED));		/* read only: nothing to charge */
	REFUSED(vma[2].flags = le32_of(0));			/* writable: charged */
}

/* A parent of ten charged pages, whatever of them its child is not to have. */
static void forks(void **state)
{
	static const u64 commits[] = { 0, 5, 9, (USER_END >> PAGE_SHIFT) + 1, 1ULL << 63, ~0ULL };
	struct rpc_memory_fork_rep r = { .child = le64_of(7), .commit = le64_of(10) };

	assert_true(fork_reply_ok(&r, 10));
	for (unsigned i = 0; i < ARRAY_SIZE(commits); i++) {
		r.commit = le64_of(commits[i]);
		assert_false(fork_reply_ok(&r, 10));
	}
	r.commit = le64_of(10);
	r.child = le64_of(0);
	assert_false(fork_reply_ok(&r, 10));
	r.child = le64_of(OBJECT);
	assert_false(fork_reply_ok(&r, 10));
}

static void totals(void **state)
{
	struct rpc_memory_accounting_rep r = { .frames_total = le64_of(10), .frames_free = le64_of(10), .frames_cached = le64_of(10) };

	assert_true(accounting_ok(&r));
	r.frames_free = le64_of(11);
	assert_false(accounting_ok(&r));
	r.frames_free = le64_of(0);
	r.frames_cached = le64_of(~0ULL);
	assert_false(accounting_ok(&r));
	r.frames_total = le64_of(~0ULL);
	assert_false(accounting_ok(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_taken), cmocka_unit_test(numbers_that_cannot_be), cmocka_unit_test(mappings_that_cannot_be),
		cmocka_unit_test(forks), cmocka_unit_test(totals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
