/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/process/abi_linux.c */
/* What programs see of signals, processes and files is what this machine's own headers say. */
#include "managers/processor/process/abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/base/string.h"
#include "managers/processor/fs/fs_abi.h"

extern const struct { const char *name; long value; } linux_abi[];

static void same(const char *name, long ours)
{
	for (unsigned i = 0; linux_abi[i].name != NULL; i++) {
		if (strcmp(linux_abi[i].name, name) == 0) {
			if (ours != linux_abi[i].value)
				fail_msg("%s: %ld here, %ld in Linux", name, ours, linux_abi[i].value);
			return;
		}
	}
	fail_msg("%s is not in the list", name);
}

#define UC(f) offsetof(struct ucontext_abi, f)

static void frames(void **state)
{
	same("uc.stack", UC(stack));
	same("uc.mcontext", UC(mcontext));
	same("uc.sigmask", UC(sigmask));
	same("fpstate", UC(mcontext.fpstate));
	same("r8", UC(mcontext.r8));
	same("r15", UC(mcontext.r15));
	same("rdi", UC(mcontext.rdi));
	same("rax", UC(mcontext.rax));
	same("rsp", UC(mcontext.rsp));
	same("rip", UC(mcontext.rip));
	same("eflags", UC(mcontext.eflags));
	same("cs", UC(mcontext.cs));
	same("err", UC(mcontext.err));
	same("trapno", UC(mcontext.trapno));
	same("oldmask", UC(mcontext.oldmask));
	same("cr2", UC(mcontext.cr2));
	same("ss.flags", offsetof(struct sigaltstack_abi, flags));
	same("ss.size", offsetof(struct sigaltstack_abi, size));
	/* the frame itself: the return address, the context, then the information */
	assert_int_equal(offsetof(struct rt_sigframe_abi, uc), 8);
	assert_int_equal(offsetof(struct rt_sigframe_abi, info), 8 + sizeof(struct ucontext_abi));
	assert_int_equal(sizeof(struct ucontext_abi) % 8, 0);
}

static void information(void **state)
{
	same("si.size", sizeof(struct siginfo_abi));
	same("si.code", offsetof(struct siginfo_abi, code));
	same("si.pid", offsetof(struct siginfo_abi, kill.pid));
	same("si.pid", offsetof(struct siginfo_abi, child.pid));
	same("si.uid", offsetof(struct siginfo_abi, kill.uid));
	same("si.status", offsetof(struct siginfo_abi, child.status));
	same("si.utime", offsetof(struct siginfo_abi, child.utime));
	same("si.addr", offsetof(struct siginfo_abi, fault.addr));
	same("si.value", offsetof(struct siginfo_abi, kill.value));
}

static void structures(void **state)
{
	same("stat", sizeof(struct stat_abi));
	same("stat.size", offsetof(struct stat_abi, size));
	same("stat.mtime", offsetof(struct stat_abi, mtime));
	same("statfs", sizeof(struct statfs_abi));
	same("statfs.namelen", offsetof(struct statfs_abi, namelen));
	same("rusage", sizeof(struct rusage_abi));
	same("rusage.maxrss", offsetof(struct rusage_abi, maxrss));
	same("clone_args", sizeof(struct clone_args_abi));
	same("clone_args.tls", offsetof(struct clone_args_abi, tls));
	same("clone_args.stack", offsetof(struct clone_args_abi, stack));
	same("itimerval", sizeof(struct itimerval_abi));
}

#define SAME(c) same(#c, (long)(c))

static void numbers(void **state)
{
	SAME(SIGBUS); SAME(SIGCHLD); SAME(SIGSYS); SAME(SIGSTOP); SAME(SIGWINCH);
	same("SA_RESTART", (int)SA_RESTART);
	same("SA_ONSTACK", (int)SA_ONSTACK);
	same("SA_NODEFER", (int)SA_NODEFER);
	same("SA_NOCLDWAIT", (int)SA_NOCLDWAIT);
	SAME(SEGV_ACCERR); SAME(BUS_ADRERR); SAME(FPE_INTDIV); SAME(CLD_DUMPED); SAME(CLD_CONTINUED); SAME(SI_TKILL);
	SAME(CLONE_SETTLS); SAME(CLONE_CHILD_CLEARTID); SAME(CLONE_CHILD_SETTID); SAME(CLONE_VFORK);
	SAME(RLIMIT_NOFILE); SAME(RLIMIT_NPROC); SAME(RLIMIT_AS); SAME(WCONTINUED); SAME(WNOWAIT);
	SAME(FUTEX_WAIT_BITSET); SAME(FUTEX_OWNER_DIED); SAME(POLLHUP); SAME(POLLRDNORM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames), cmocka_unit_test(information), cmocka_unit_test(structures), cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
