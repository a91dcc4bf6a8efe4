/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and system calls, and the way back to user mode. What a program may cause goes to the role's
 * user_entry_ops; what only the kernel can have caused ends in a panic that names the place.
 */
#include "arch/x86/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/hooks.h"
#include "arch/x86/paging.h"
#include "arch/x86/platform.h"
#include "arch/x86/smp.h"
#include "arch/x86/smp_internal.h"
#include "arch/x86/traps.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"

#define NR_EXCEPTIONS	32
#define PF_RESERVED_BIT	8

_Static_assert(sizeof(struct regs) == REGS_SIZE, "entry.S");
_Static_assert(offsetof(struct regs, rip) == REGS_RIP && offsetof(struct regs, cs) == REGS_CS, "entry.S");
_Static_assert(offsetof(struct tss, rsp) == TSS_RSP0 && sizeof(struct tss) == 104, "entry.S");

static void no_hook(void) {}
static void no_switch_done(struct thread *prev) {}
static const struct arch_hooks no_hooks = { no_hook, no_hook, no_hook, no_switch_done };
const struct arch_hooks *arch_hooks = &no_hooks;
static const struct user_entry_ops *user_ops;

void arch_hooks_register(const struct arch_hooks *h)
{
	arch_hooks = h;
}

void user_entry_register(const struct user_entry_ops *ops)
{
	user_ops = ops;
}

struct extable_entry { u64 insn, fixup; };
extern const struct extable_entry extable_start[], extable_end[];

bool extable_fixup(struct regs *r)
{
	for (const struct extable_entry *e = extable_start; e < extable_end; e++) {
		if (e->insn == r->rip) {
			r->rip = e->fixup;
			return true;
		}
	}
	return false;
}

static bool extable_has(u64 rip)
{
	for (const struct extable_entry *e = extable_start; e < extable_end; e++)
		if (e->insn == rip)
			return true;
	return false;
}

static const char *const exception_name[NR_EXCEPTIONS] = {
	"divide error", "debug", "nmi", "breakpoint", "overflow", "bound", "invalid opcode", "no fpu", "double fault",
	[10] = "invalid tss", "segment not present", "stack segment", "general protection", "page fault",
	[16] = "x87 error", "alignment check", "machine check", "simd error", [21] = "control protection",
};

static void __noreturn trap_panic(const struct regs *r)
{
	const char *name = r->vector < NR_EXCEPTIONS ? exception_name[r->vector] : NULL;

	irq_disable();
	trace_registers(r);
	arch_trace_regs(r);
	panic("%s (exception %llu, error %#llx) at %#llx, address %#llx", name ? name : "unknown exception",
	      (unsigned long long)r->vector, (unsigned long long)r->error, (unsigned long long)r->rip,
	      (unsigned long long)cr2_read());
}

/* In the kernel only a copy from or to user memory may fault; it then takes the program's own path (L30). */
static void kernel_page_fault(struct regs *r, u64 addr)
{
	struct arch_context *ctx = context_of(arch_current_thread());

	if ((r->error & PF_RESERVED_BIT) || !extable_has(r->rip))
		trap_panic(r);
	if (addr < USER_END && ctx != NULL && ctx->cr3 != 0 && user_ops != NULL && (r->rflags & RFLAGS_IF)) {
		irq_enable();
		int rc = user_ops->page_fault(r, addr, r->error & (FAULT_PRESENT | FAULT_WRITE));

		irq_disable();
		if (rc == 0)
			return;
	}
	(void)extable_fixup(r);
}

static void user_exception(struct regs *r)
{
	u64 addr = cr2_read();		/* before another fault can change it */

	if (user_ops == NULL || (r->vector == TRAP_PF && (r->error & PF_RESERVED_BIT)))
		trap_panic(r);
	irq_enable();
	if (r->vector == TRAP_PF)	/* an error has queued a signal */
		(void)user_ops->page_fault(r, addr,
					   r->error & (FAULT_PRESENT | FAULT_WRITE | FAULT_USER | FAULT_EXEC));
	else
		user_ops->exception(r);
}

/* The account of user time: a stay begins at the end of user_exit() and ends here. Interrupts off. */
static void user_entered(void)
{
	struct arch_context *ctx = context_of(arch_current_thread());

	ctx->user_tsc += rdtsc() - ctx->user_since;
	store_release(&ctx->user_since, 0);
}

void trap_dispatch(struct regs *r)
{
	bool user = regs_from_user(r);

	if (user)
		user_entered();
	if (r->vector >= NR_EXCEPTIONS)
		irq_dispatch(r);
	else if (user)
		user_exception(r);
	else if (r->vector == TRAP_PF)
		kernel_page_fault(r, cr2_read());
	else if (r->vector != TRAP_GP || !extable_fixup(r))	/* a non-canonical address */
		trap_panic(r);

	if (user)
		user_exit(r);
	else if (r->rflags & RFLAGS_IF)
		arch_hooks->preempt_point();
}

void trap_paranoid_dispatch(struct regs *r)
{
	if (r->vector == TRAP_NMI) {
		if (smp_stopping())
			arch_halt_forever();
		pr_warn("nmi on cpu %u at %#llx", cpu_id(), (unsigned long long)r->rip);
		arch_trace_regs(r);
		return;
	}
	if (r->vector == TRAP_DB) {	/* a program's, that came late: the kernel itself takes no steps, and none further */
		r->rflags &= ~(u64)RFLAGS_TF;
		return;
	}
	trap_panic(r);
}

bool syscall_dispatch(struct regs *r)
{
	r->rax = -ENOSYS;
	if (user_ops == NULL)
		trap_panic(r);
	user_entered();
	irq_enable();
	user_ops->syscall(r);
	user_exit(r);
	/* SYSRET takes rip and rflags from rcx and r11, and faults in kernel mode on a rip that is not canonical */
	return r->rcx == r->rip && r->r11 == r->rflags && r->rip < USER_END && !(r->rflags & RFLAGS_TF);
}

/* What a program may set for itself; IF is on, IOPL and NT are 0. */
#define RFLAGS_USER	0x250dd5ULL

void user_exit(struct regs *r)
{
	struct arch_context *ctx = context_of(arch_current_thread());

	for (;;) {
		irq_disable();
		if (load_acquire(&ctx->notify) != 0) {
			__atomic_store_n(&ctx->notify, 0, __ATOMIC_SEQ_CST);
			irq_enable();
			user_ops->user_return(r);
			continue;
		}
		arch_hooks->preempt_point();
		irq_disable();
		if (load_acquire(&ctx->notify) != 0)
			continue;
		if (unlikely(r->rip >= USER_END && r->rip >> 47 != 0x1ffff)) {	/* IRET would fault in kernel mode */
			r->vector = TRAP_GP;
			r->error = 0;
			irq_enable();
			user_ops->exception(r);
			continue;
		}
		break;
	}
	r->cs = USER_CS;
	r->ss = USER_DS;
	r->rflags = (r->rflags & RFLAGS_USER) | RFLAGS_IF | 2;
	store_release(&ctx->user_since, rdtsc());
}

void arch_set_notify(struct thread *t)
{
	struct arch_context *ctx = context_of(t);

	/* A: pairs with user_exit(): it clears the word before it looks at what it was told of */
	__atomic_store_n(&ctx->notify, 1, __ATOMIC_SEQ_CST);
	if (READ_ONCE(ctx->running) && t != arch_current_thread())
		smp_send_resched(READ_ONCE(ctx->cpu));
}

struct regs *arch_user_regs(void)
{
	return (struct regs *)context_of(arch_current_thread())->kernel_stack_top - 1;
}

void arch_enter_user(const struct regs *r)
{
	struct regs *frame = arch_user_regs();	/* context_init() keeps the room free */

	*frame = *r;
	frame->vector = 0;
	user_exit_asm(frame);
}
