/* SPDX-License-Identifier: MIT */
/* From user mode and back: system calls, faults, exceptions, and signals on the way out. */
#include "arch/x86/cpu.h"
#include "arch/x86/fpu.h"
#include "arch/x86/regs.h"
#include "kernel/counter.h"
#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "managers/processor/process/process.h"
#include "managers/processor/process/ptrace.h"
#include "managers/processor/syscall/syscall.h"

typedef s64 (*syscall_fn)(u64, u64, u64, u64, u64, u64);

static const syscall_fn handler[NR_SYSCALLS] = {
#define ROW(nr, name) [nr] = sys_##name,
	SYSCALLS(ROW)
#undef ROW
};
static const char *const name_of[NR_SYSCALLS] = {
#define ROW(nr, name) [nr] = #name,
	SYSCALLS(ROW) SYSCALLS_MISSING(ROW)
#undef ROW
};
static unsigned long logged[NR_SYSCALLS / BITS_PER_LONG];

static s64 no_such_call(u64 nr)
{
	if (nr < NR_SYSCALLS && !bit_test_and_set(logged, nr))
		pr_note("%s: system call %llu (%s) is not there: ENOSYS", process_current()->comm, (unsigned long long)nr,
			name_of[nr] ? name_of[nr] : "unknown");
	return -ENOSYS;
}

static inline void call(struct regs *r)
{
	u64 nr;
	syscall_fn fn;

	if (unlikely(READ_ONCE(task_current()->seccomp.mode) != SECCOMP_OFF) && !seccomp_allows(r))
		return;
	nr = (u32)r->error;			/* a tracer whom a filter asked may have changed it */
	fn = nr < NR_SYSCALLS ? handler[nr] : NULL;
	r->rax = fn != NULL ? fn(r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9) : no_such_call(nr);
	/*
	 * What only the signal code understands must not reach a program: deliver turns it into EINTR or a restart. The same number from a
	 * filter or a tracer is theirs, as long as no signal comes.
	 */
	if ((s64)r->rax <= -ERESTARTSYS && (s64)r->rax >= -ERESTART_RESTARTBLOCK)
		arch_set_notify(thread_current());
}

/* A tracer may have changed the call; with the number -1 there is none, and the result is what the tracer has made it. */
static void call_traced(struct regs *r)
{
	if (tracee_call_begins() && (u32)r->error != ~0U)
		call(r);
}

static void on_syscall(struct regs *r)
{
	struct thread *self = thread_current();

	space_moves_on();
	if (unlikely(READ_ONCE(self->syscall_work) != 0))
		call_traced(r);
	else
		call(r);
	if (unlikely(READ_ONCE(self->syscall_work) != 0))
		tracee_call_ends();
}

static void fault_signal(int rc, u64 addr, u64 error)
{
	switch (rc) {
	case -EFAULT:
		signal_force(SIGSEGV, SEGV_MAPERR, addr, 14, error);
		break;
	case -EACCES:
		signal_force(SIGSEGV, SEGV_ACCERR, addr, 14, error);
		break;
	case -EINTR:
		break;			/* a fatal signal is there already */
	case -ENOMEM:
		pr_warn("%s[%u]: out of memory at %#llx", process_current()->comm, task_current()->tid,
			(unsigned long long)addr);
		process_exit_group(process_current(), SIGKILL);
		break;
	default:			/* the page's home is lost, or there is nothing behind the file's end */
		if (rc != -ENXIO)
			pr_err("%s[%u]: memory at %#llx is lost: %s", process_current()->comm, task_current()->tid,
			       (unsigned long long)addr, errno_name(rc));
		signal_force(SIGBUS, BUS_ADRERR, addr, 14, error);
	}
}

static int on_page_fault(struct regs *r, u64 addr, unsigned flags)
{
	struct task *t = thread_current()->task;
	int rc;

	if (t == NULL || t->space == NULL)
		return -EFAULT;
	rc = addr < USER_END ? space_fault(t->space, addr, flags) : -EFAULT;
	if (rc == 0)
		return 0;
	if (flags & FAULT_USER)
		fault_signal(rc, addr, r->error);
	else if (rc == -ENOMEM || rc == -EHOSTDOWN)
		pr_warn("%s[%u]: system call cannot reach its memory at %#llx: %s", t->process->comm, t->tid,
			(unsigned long long)addr, errno_name(rc));
	return rc;
}

/* Which of the exceptions that are not masked an x87 or SSE instruction raised. */
static int float_code(bool simd)
{
	u32 raised = fpu_exceptions(simd);

	if (raised & 1)
		return FPE_FLTINV;
	if (raised & 4)
		return FPE_FLTDIV;
	if (raised & 8)
		return FPE_FLTOVF;
	if (raised & 18)			/* underflow, denormal operand */
		return FPE_FLTUND;
	return raised & 32 ? FPE_FLTRES : 0;
}

static void on_exception(struct regs *r)
{
	u64 addr = 0;
	int sig = SIGSEGV, code = SI_KERNEL;

	if (r->vector == 1 && tracee_stale_step(r))
		return;
	switch (r->vector) {
	case 0:	 sig = SIGFPE; code = FPE_INTDIV; addr = r->rip; break;
	case 1:	 sig = SIGTRAP; code = TRAP_TRACE; addr = r->rip; break;
	case 3:	 sig = SIGTRAP; break;
	case 6:	 sig = SIGILL; code = ILL_ILLOPN; addr = r->rip; break;
	case 11:
	case 12: sig = SIGBUS; break;
	case 16:
	case 19: sig = SIGFPE; code = float_code(r->vector == 19); addr = r->rip; break;
	case 17: sig = SIGBUS; code = BUS_ADRALN; break;
	}
	signal_force(sig, code, addr, r->vector, r->error);
}

static const struct user_entry_ops entry_ops = {
	.syscall = on_syscall, .page_fault = on_page_fault, .exception = on_exception, .user_return = signal_deliver,
};

void syscall_init(void)
{
	user_entry_register(&entry_ops);
}
