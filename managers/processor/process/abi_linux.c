/* SPDX-License-Identifier: MIT */
/* For abi_test.c: what this machine's own headers say. Host only. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <linux/futex.h>
#include <linux/sched.h>

#define GREG(r) offsetof(ucontext_t, uc_mcontext.gregs[r])

const struct { const char *name; long value; } linux_abi[] = {
	{ "uc.stack", offsetof(ucontext_t, uc_stack) }, { "uc.mcontext", offsetof(ucontext_t, uc_mcontext) },
	{ "uc.sigmask", offsetof(ucontext_t, uc_sigmask) }, { "fpstate", offsetof(ucontext_t, uc_mcontext.fpregs) },
	{ "r8", GREG(REG_R8) }, { "r15", GREG(REG_R15) }, { "rdi", GREG(REG_RDI) }, { "rax", GREG(REG_RAX) }, { "rsp", GREG(REG_RSP) },
	{ "rip", GREG(REG_RIP) }, { "eflags", GREG(REG_EFL) }, { "cs", GREG(REG_CSGSFS) }, { "err", GREG(REG_ERR) },
	{ "trapno", GREG(REG_TRAPNO) }, { "oldmask", GREG(REG_OLDMASK) }, { "cr2", GREG(REG_CR2) },
	{ "si.size", sizeof(siginfo_t) }, { "si.code", offsetof(siginfo_t, si_code) }, { "si.pid", offsetof(siginfo_t, si_pid) },
	{ "si.uid", offsetof(siginfo_t, si_uid) }, { "si.status", offsetof(siginfo_t, si_status) },
	{ "si.utime", offsetof(siginfo_t, si_utime) }, { "si.addr", offsetof(siginfo_t, si_addr) },
	{ "si.value", offsetof(siginfo_t, si_value) }, { "ss.flags", offsetof(stack_t, ss_flags) }, { "ss.size", offsetof(stack_t, ss_size) },
	{ "stat", sizeof(struct stat) }, { "stat.size", offsetof(struct stat, st_size) }, { "stat.mtime", offsetof(struct stat, st_mtim) },
	{ "statfs", sizeof(struct statfs) }, { "statfs.namelen", offsetof(struct statfs, f_namelen) },
	{ "rusage", sizeof(struct rusage) }, { "rusage.maxrss", offsetof(struct rusage, ru_maxrss) },
	{ "clone_args", sizeof(struct clone_args) }, { "clone_args.tls", offsetof(struct clone_args, tls) },
	{ "clone_args.stack", offsetof(struct clone_args, stack) }, { "itimerval", sizeof(struct itimerval) },
	{ "SIGBUS", SIGBUS }, { "SIGCHLD", SIGCHLD }, { "SIGSYS", SIGSYS }, { "SIGSTOP", SIGSTOP }, { "SIGWINCH", SIGWINCH },
	{ "SA_RESTART", SA_RESTART }, { "SA_ONSTACK", SA_ONSTACK }, { "SA_NODEFER", SA_NODEFER }, { "SA_NOCLDWAIT", SA_NOCLDWAIT },
	{ "SEGV_ACCERR", SEGV_ACCERR }, { "BUS_ADRERR", BUS_ADRERR }, { "FPE_INTDIV", FPE_INTDIV }, { "CLD_DUMPED", CLD_DUMPED },
	{ "CLD_CONTINUED", CLD_CONTINUED }, { "SI_TKILL", SI_TKILL }, { "CLONE_SETTLS", CLONE_SETTLS },
	{ "CLONE_CHILD_CLEARTID", CLONE_CHILD_CLEARTID }, { "CLONE_CHILD_SETTID", CLONE_CHILD_SETTID }, { "CLONE_VFORK", CLONE_VFORK },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE }, { "RLIMIT_NPROC", RLIMIT_NPROC }, { "RLIMIT_AS", RLIMIT_AS }, { "WCONTINUED", WCONTINUED },
	{ "WNOWAIT", WNOWAIT }, { "FUTEX_WAIT_BITSET", FUTEX_WAIT_BITSET }, { "FUTEX_OWNER_DIED", FUTEX_OWNER_DIED },
	{ "POLLHUP", POLLHUP }, { "POLLRDNORM", POLLRDNORM }, { NULL, 0 }
};
