/* SPDX-License-Identifier: MIT */
/*
 * The Linux x86-64 user ABI around processes and signals: numbers and layouts that programs see (System V ABI
 * and the Linux man pages: signal(7), sigaction(2), wait(2), clone(2), getauxval(3), futex(2)).
 */
#ifndef MANAGERS_PROCESSOR_PROCESS_ABI_H
#define MANAGERS_PROCESSOR_PROCESS_ABI_H

#include "lib/base/types.h"

/* signals */
enum {
	SIGHUP = 1, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE,
	SIGALRM, SIGTERM, SIGSTKFLT, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ,
	SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR, SIGSYS, SIGRTMIN
};
#define SIG_DFL		0ULL
#define SIG_IGN		1ULL
#define SA_NOCLDSTOP	0x00000001ULL
#define SA_NOCLDWAIT	0x00000002ULL
#define SA_SIGINFO	0x00000004ULL
#define SA_RESTORER	0x04000000ULL
#define SA_ONSTACK	0x08000000ULL
#define SA_RESTART	0x10000000ULL
#define SA_NODEFER	0x40000000ULL
#define SA_RESETHAND	0x80000000ULL
#define SA_EXPOSE_TAGBITS 0x800ULL	/* there are none */
#define SA_KNOWN	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_EXPOSE_TAGBITS | SA_RESTORER | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND)
#define SIG_BLOCK	0
#define SIG_UNBLOCK	1
#define SIG_SETMASK	2
#define SS_ONSTACK	1
#define SS_DISABLE	2
#define SS_AUTODISARM	(1U << 31)
#define MINSIGSTKSZ	2048

/* si_code */
#define SI_USER		0
#define SI_KERNEL	0x80
#define SI_QUEUE	(-1)
#define SI_TIMER	(-2)
#define SI_MESGQ	(-3)
#define SI_TKILL	(-6)
#define SEGV_MAPERR	1
#define SEGV_ACCERR	2
#define BUS_ADRALN	1
#define BUS_ADRERR	2
#define FPE_INTDIV	1
#define FPE_FLTDIV	3
#define FPE_FLTOVF	4
#define FPE_FLTUND	5
#define FPE_FLTRES	6
#define FPE_FLTINV	7
#define ILL_ILLOPN	2
#define TRAP_BRKPT	1
#define TRAP_TRACE	2
#define CLD_EXITED	1
#define CLD_KILLED	2
#define CLD_DUMPED	3
#define CLD_TRAPPED	4
#define CLD_STOPPED	5
#define CLD_CONTINUED	6

struct siginfo_abi {		/* 128 bytes */
	s32 signo, err, code, pad;
	union {
		struct { s32 pid; u32 uid; u64 value; } kill;		/* also rt: value */
		struct { s32 pid; u32 uid; s32 status; s32 pad; s64 utime, stime; } child;
		struct { u64 addr; } fault;
		struct { u64 addr; s32 nr; u32 arch; } call;		/* SIGSYS */
		struct { s32 tid, overrun; u64 value; } timer;
		struct { s64 band; s32 fd; } poll;
		u8 bytes[112];
	};
};
_Static_assert(sizeof(struct siginfo_abi) == 128, "as programs see it");

struct sigaction_abi { u64 handler, flags, restorer, mask; };
struct sigaltstack_abi { u64 sp; s32 flags; u32 pad; u64 size; };

/* the part of a frame that holds registers: mcontext_t */
struct sigcontext_abi {
	u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2, fpstate, reserved[8];
};
struct ucontext_abi {
	u64 flags, link;
	struct sigaltstack_abi stack;
	struct sigcontext_abi mcontext;
	u64 sigmask;
};
struct rt_sigframe_abi {
	u64 pretcode;
	struct ucontext_abi uc;
	struct siginfo_abi info;
};
#define UC_FP_XSTATE		1
#define UC_SIGCONTEXT_SS	2
#define UC_STRICT_RESTORE_SS	4

/* clone */
#define CLONE_VM		0x00000100ULL
#define CLONE_FS		0x00000200ULL
#define CLONE_FILES		0x00000400ULL
#define CLONE_SIGHAND		0x00000800ULL
#define CLONE_PIDFD		0x00001000ULL
#define CLONE_PTRACE		0x00002000ULL
#define CLONE_VFORK		0x00004000ULL
#define CLONE_PARENT		0x00008000ULL
#define CLONE_THREAD		0x00010000ULL
#define CLONE_NEWNS		0x00020000ULL
#define CLONE_NAMESPACES	(CLONE_NEWNS | 0x6e000000ULL)	/* cgroups, names, IPC, users, numbers, networks */
#define CLONE_SYSVSEM		0x00040000ULL
#define CLONE_SETTLS		0x00080000ULL
#define CLONE_PARENT_SETTID	0x00100000ULL
#define CLONE_CHILD_CLEARTID	0x00200000ULL
#define CLONE_DETACHED		0x00400000ULL
#define CLONE_UNTRACED		0x00800000ULL
#define CLONE_CHILD_SETTID	0x01000000ULL
#define CLONE_IO		0x80000000ULL
#define CLONE_CLEAR_SIGHAND	0x100000000ULL
#define CLONE_INTO_CGROUP	0x200000000ULL
struct clone_args_abi {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

/* wait */
#define WNOHANG		1
#define WUNTRACED	2
#define WSTOPPED	2
#define WEXITED		4
#define WCONTINUED	8
#define WNOWAIT		0x01000000U
#define WNOTHREAD	0x20000000U
#define WALL		0x40000000U
#define WCLONE		0x80000000U
#define P_ALL		0
#define P_PID		1
#define P_PGID		2
#define P_PIDFD		3

/* ptrace */
enum { PTRACE_TRACEME = 0, PTRACE_PEEKTEXT, PTRACE_PEEKDATA, PTRACE_PEEKUSER, PTRACE_POKETEXT, PTRACE_POKEDATA, PTRACE_POKEUSER, PTRACE_CONT,
       PTRACE_KILL, PTRACE_SINGLESTEP, PTRACE_GETREGS = 12, PTRACE_SETREGS, PTRACE_GETFPREGS, PTRACE_SETFPREGS, PTRACE_ATTACH,
       PTRACE_DETACH, PTRACE_SYSCALL = 24, PTRACE_SETOPTIONS = 0x4200, PTRACE_GETEVENTMSG, PTRACE_GETSIGINFO, PTRACE_SETSIGINFO,
       PTRACE_GETREGSET, PTRACE_SETREGSET, PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_LISTEN, PTRACE_PEEKSIGINFO, PTRACE_GETSIGMASK,
       PTRACE_SETSIGMASK, PTRACE_GET_SYSCALL_INFO = 0x420e };
enum { PTRACE_EVENT_FORK = 1, PTRACE_EVENT_VFORK, PTRACE_EVENT_CLONE, PTRACE_EVENT_EXEC, PTRACE_EVENT_VFORK_DONE, PTRACE_EVENT_EXIT,
       PTRACE_EVENT_SECCOMP, PTRACE_EVENT_STOP = 128 };
#define PTRACE_O_TRACESYSGOOD	1U			/* the events: 1 << PTRACE_EVENT_* */
#define PTRACE_O_EXITKILL	(1U << 20)
#define PTRACE_O_ALL		(0xffU | PTRACE_O_EXITKILL)
#define PTRACE_MESSAGE_ENTRY	1			/* PTRACE_GETEVENTMSG where a call is stopped */
#define PTRACE_MESSAGE_EXIT	2
#define PTRACE_PEEKSIGINFO_SHARED 1U
#define NT_PRSTATUS	1
#define NT_PRFPREG	2
#define NT_X86_XSTATE	0x202
struct user_regs_abi {		/* struct user_regs_struct */
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, rflags, rsp, ss, fs_base, gs_base,
	    ds, es, fs, gs;
};
#define USER_AREA_SIZE		928			/* struct user, of PTRACE_PEEKUSER */
#define USER_AREA_DEBUG		848			/* its eight debug registers */
struct peek_siginfo_abi { u64 off; u32 flags; s32 nr; };
struct syscall_info_abi {
	u8 op, pad[3];
	u32 arch;
	u64 rip, rsp;
	union {
		struct { u64 nr, args[6]; u32 ret_data; } entry;	/* ret_data: where a filter has asked for the tracer */
		struct { s64 value; u8 is_error; } exit;
	};
};
enum { SYSCALL_INFO_NONE, SYSCALL_INFO_ENTRY, SYSCALL_INFO_EXIT, SYSCALL_INFO_SECCOMP };
#define AUDIT_ARCH_X86_64	0xc000003eU

struct timespec_abi { s64 sec, nsec; };
struct timeval_abi { s64 sec, usec; };
struct itimerval_abi { struct timeval_abi interval, value; };
struct rusage_abi { struct timeval_abi utime, stime; s64 maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd,
		    msgrcv, nsignals, nvcsw, nivcsw; };
struct rlimit_abi { u64 cur, max; };
#define RLIM_INFINITY	(~0ULL)
enum { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_MEMLOCK,
       RLIMIT_AS, RLIMIT_LOCKS, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME, NR_RLIMITS };

/* futex */
#define FUTEX_WAIT		0
#define FUTEX_WAKE		1
#define FUTEX_REQUEUE		3
#define FUTEX_CMP_REQUEUE	4
#define FUTEX_WAKE_OP		5
#define FUTEX_LOCK_PI		6
#define FUTEX_UNLOCK_PI		7
#define FUTEX_TRYLOCK_PI	8
#define FUTEX_WAIT_BITSET	9
#define FUTEX_WAKE_BITSET	10
#define FUTEX_LOCK_PI2		13
#define FUTEX_PRIVATE_FLAG	128
#define FUTEX_CLOCK_REALTIME	256
#define FUTEX_CMD_MASK		(~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))
#define FUTEX_BITSET_ANY	0xffffffffU
#define FUTEX_WAITERS		0x80000000U
#define FUTEX_OWNER_DIED	0x40000000U
#define FUTEX_TID_MASK		0x3fffffffU
#define ROBUST_LIST_LIMIT	2048

/* auxiliary vector */
enum { AT_NULL = 0, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_FLAGS = 8, AT_ENTRY = 9, AT_UID = 11,
       AT_EUID = 12, AT_GID = 13, AT_EGID = 14, AT_PLATFORM = 15, AT_HWCAP = 16, AT_CLKTCK = 17, AT_SECURE = 23, AT_RANDOM = 25,
       AT_HWCAP2 = 26, AT_EXECFN = 31, AT_SYSINFO_EHDR = 33, AT_MINSIGSTKSZ = 51 };

/* personality(2) */
#define PER_MASK		0x00000ffU
#define PER_LINUX32		0x0000008U
#define UNAME26			0x0020000U
#define ADDR_NO_RANDOMIZE	0x0040000U
#define MMAP_PAGE_ZERO		0x0100000U
#define ADDR_COMPAT_LAYOUT	0x0200000U
#define READ_IMPLIES_EXEC	0x0400000U
#define STICKY_TIMEOUTS		0x4000000U
#define PERSONALITY_CLEARED	(READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO)	/* by a set-user-ID program */

#endif
