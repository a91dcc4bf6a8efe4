/* SPDX-License-Identifier: MIT */
/*
 * User mode without a program loader: small pieces of code (selftest_blob.S) run as user threads on a page table of
 * their own, with entry operations of this test. lesson: L1, lesson: L2, lesson: L19.
 */
#include "arch/x86/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/regs.h"
#include "arch/x86/uaccess.h"
#include "kernel/selftest.h"
#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "mm/frame.h"

#define CODE_VA		0x400000ULL
#define DATA_VA		0x600000ULL		/* one page a thread, mapped at its first touch */
#define STACK_TOP	0x800000ULL
#define NR_THREADS	6
#define ROUNDS		60

extern const char selftest_blob[], selftest_blob_end[], selftest_blob_fault[], selftest_blob_avx[];

static struct pgd pgd;
static DEFINE_SPINLOCK(pt_lock, RANK_PAGE_TABLE);
static struct frame *frames[64];
static unsigned nr_frames;

struct user {
	struct thread *thread;
	const char *code;
	u64 pattern;
	int result;		/* [a] -1 while it runs */
	u32 vectors;		/* bit per exception seen */
	u32 notified;
	u64 fpu_area;		/* user address for a signal frame's image */
};
static struct user users[NR_THREADS];

static struct user *user_current(void)
{
	for (unsigned i = 0; i < NR_THREADS; i++)
		if (users[i].thread == thread_current())
			return &users[i];
	panic("selftest: not a test thread");
}

static void __noreturn user_end(struct user *u, int result)
{
	arch_set_cr3(0);
	__atomic_store_n(&u->result, result, __ATOMIC_SEQ_CST);
	thread_exit();
}

static struct frame *page_at(u64 va, u64 flags)
{
	struct frame *f = frames_alloc(0, FRAME_KERNEL, FRAME_ZERO);
	pte_t *slot, old = 0;

	SELFTEST_CHECK(f != NULL);
	spin_lock(&pt_lock);
	slot = pte_slot(&pgd, va, true);
	SELFTEST_CHECK(slot != NULL);
	if (pte_cmpxchg(slot, &old, frame_phys(f) | PTE_PRESENT | PTE_USER | flags)) {
		frames[nr_frames++] = f;
		spin_unlock(&pt_lock);
		return f;
	}
	spin_unlock(&pt_lock);		/* another thread was first */
	frames_free(f, 0);
	return NULL;
}

static int test_page_fault(struct regs *r, u64 addr, unsigned flags)
{
	struct user *u = user_current();

	might_sleep();
	if (addr >= DATA_VA && addr < STACK_TOP && !(flags & FAULT_PRESENT)) {
		(void)page_at(addr, PTE_WRITE | PTE_NX);
		return 0;
	}
	u->vectors |= 1 << 14;
	if (regs_from_user(r)) {
		SELFTEST_CHECK((flags & (FAULT_USER | FAULT_PRESENT)) == (FAULT_USER | FAULT_PRESENT));
		r->rip += 2;
	}
	return -EFAULT;
}

static void test_exception(struct regs *r)
{
	struct user *u = user_current();

	u->vectors |= 1 << r->vector;
	if (r->rip >> 47 != 0)		/* the jump to nowhere: IRET is never tried on it */
		user_end(u, 0);
	if (r->vector != 3)
		r->rip += 2;
}

/* Copies that must fail, and fail with what they should; one that maps its page on the way. */
static void check_uaccess(u64 data)
{
	static const u64 bad[] = { 0, 0x1000, USER_END - 1, USER_END, 0x800000000000ULL, 0xffff800000000000ULL, ~0ULL - 2 };
	char buf[64];
	u32 v, seen;
	u64 v64;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		SELFTEST_CHECK(copy_from_user(buf, bad[i], sizeof(buf)) == -EFAULT);
		SELFTEST_CHECK(copy_to_user(bad[i], buf, sizeof(buf)) == -EFAULT);
		SELFTEST_CHECK(clear_user(bad[i], 1) == -EFAULT);
		SELFTEST_CHECK(strncpy_from_user(buf, bad[i], sizeof(buf)) == -EFAULT);
		SELFTEST_CHECK(get_user32(&v, bad[i]) == -EFAULT && get_user64(&v64, bad[i]) == -EFAULT);
		SELFTEST_CHECK(put_user32(bad[i], 1) == -EFAULT && put_user64(bad[i], 1) == -EFAULT);
		SELFTEST_CHECK(cmpxchg_user32(bad[i], 0, 1, &seen) == -EFAULT);
	}
	SELFTEST_CHECK(put_user64(data + 8, 0x1122334455667788) == 0);
	SELFTEST_CHECK(get_user32(&v, data + 8) == 0 && v == 0x55667788);
	SELFTEST_CHECK(cmpxchg_user32(data + 8, 1, 2, &seen) == 0 && seen == 0x55667788);
	SELFTEST_CHECK(cmpxchg_user32(data + 8, 0x55667788, 2, &seen) == 0 && seen == 0x55667788);
	SELFTEST_CHECK(get_user64(&v64, data + 8) == 0 && v64 == 0x1122334400000002);
	/* partial: 5 bytes short of the end of the code page, after which nothing is mapped */
	SELFTEST_CHECK(copy_from_user_partial(buf, CODE_VA + PAGE_SIZE - 5, 30) == 5);
	SELFTEST_CHECK(copy_to_user(data + 100, "abc", 4) == 0);
	SELFTEST_CHECK(strncpy_from_user(buf, data + 100, sizeof(buf)) == 3 && strcmp(buf, "abc") == 0);
	SELFTEST_CHECK(strncpy_from_user(buf, data + 100, 3) == -ENAMETOOLONG);
	SELFTEST_CHECK(copy_to_user(CODE_VA, buf, 1) == -EFAULT);	/* read-only stays so for the kernel */
}

/* A signal frame's image goes out and comes back; spoilt ones are refused. */
static void check_fpu_frame(u64 area)
{
	SELFTEST_CHECK(fpu_to_user(area) == 0);
	SELFTEST_CHECK(fpu_from_user(area) == 0);
	SELFTEST_CHECK(put_user32(area + 24, 0xffffffff) == 0);		/* MXCSR */
	SELFTEST_CHECK(fpu_from_user(area) == -EINVAL);
	SELFTEST_CHECK(fpu_to_user(area) == 0);
	if (cpu_features.xsave) {
		SELFTEST_CHECK(put_user64(area + 512, ~0ULL) == 0);	/* XSTATE_BV */
		SELFTEST_CHECK(fpu_from_user(area) == -EINVAL);
		SELFTEST_CHECK(put_user64(area + 512, 0) == 0 && put_user64(area + 520, 1ULL << 63) == 0);
		SELFTEST_CHECK(fpu_from_user(area) == -EINVAL);
	}
	SELFTEST_CHECK(fpu_from_user(0x1000) == -EFAULT);
	SELFTEST_CHECK(fpu_to_user(area) == 0 && fpu_from_user(area) == 0);
}

static void test_syscall(struct regs *r)
{
	struct user *u = user_current();

	SELFTEST_CHECK(regs_is_syscall(r) && regs_from_user(r) && r == arch_user_regs() && irq_enabled());
	if (r->error == 2)
		user_end(u, r->rdi);
	check_uaccess(u->fpu_area - PAGE_SIZE);
	check_fpu_frame(u->fpu_area);
	arch_set_notify(u->thread);
	if (r->rdi & 1)
		thread_yield();
	r->rax = r->rdi;
}

static void test_user_return(struct regs *r)
{
	user_current()->notified++;
}

static const struct user_entry_ops test_ops = { test_syscall, test_page_fault, test_exception, test_user_return };

static void user_main(void *arg)
{
	struct user *u = arg;
	u64 data = u->fpu_area - PAGE_SIZE;
	struct regs r = {
		.rip = CODE_VA + (u->code - selftest_blob), .rsp = u->fpu_area + 2 * PAGE_SIZE,
		.rdi = u->pattern, .rsi = ROUNDS, .rflags = 0x202,
	};

	if (u->code == selftest_blob_fault)
		r.rdi = 0xffffffff80200000;
	arch_set_cr3(pgd.root);
	arch_set_fs_base(data);
	fpu_reset(thread_current()->ctx.fpu);
	SELFTEST_CHECK(put_user64(data, u->pattern) == 0);
	arch_enter_user(&r);
}

static void users_run(void)
{
	SELFTEST_CHECK(pgd_init(&pgd) == 0);
	nr_frames = 0;
	memcpy(frame_virt(page_at(CODE_VA, 0)), selftest_blob, selftest_blob_end - selftest_blob);
	user_entry_register(&test_ops);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		struct user *u = &users[i];

		*u = (struct user){ .code = selftest_blob, .pattern = 0x0101010101010101 * (i + 1), .result = -1,
				    .fpu_area = DATA_VA + (i * 4 + 1) * PAGE_SIZE };
		if (i == 0)
			u->code = selftest_blob_fault;
		else if (i % 2 == 0 && cpu_features.avx)
			u->code = selftest_blob_avx;
		u->thread = thread_create(user_main, u, PRIO_NORMAL, "user/%u", i);
		SELFTEST_CHECK(u->thread != NULL);
		u->thread->ctx.fpu = fpu_alloc();
		SELFTEST_CHECK(u->thread->ctx.fpu != NULL);
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		thread_start(users[i].thread);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		while (__atomic_load_n(&users[i].result, __ATOMIC_SEQ_CST) < 0)
			thread_sleep_ns(NSEC_PER_MSEC);
		thread_put(users[i].thread);
	}
	user_entry_register(NULL);
	pgd_destroy(&pgd);
	while (nr_frames > 0)
		frames_free(frames[--nr_frames], 0);
}

SELFTEST(user_mode)
{
	const u32 faults = 1 << 0 | 1 << 3 | 1 << 6 | 1 << 13 | 1 << 14;

	users_run();
	SELFTEST_CHECK((users[0].vectors & faults) == faults && users[0].notified == 1);
	for (unsigned i = 1; i < NR_THREADS; i++)
		SELFTEST_CHECK(users[i].result == 0 && users[i].notified == ROUNDS);
}
