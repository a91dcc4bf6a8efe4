/* SPDX-License-Identifier: MIT */
/*
 * seccomp: what a thread that has forbidden itself system calls can still do, and what becomes of it; its children and other threads,
 * the program it starts; which filters are none. seccomp(2), prctl(2). Where this machine's Linux has put a filter on us already
 * (a container), strict mode is not tried.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "check.h"

#define REFUSED(call, why) CHECK((call) == -1 && errno == (why))
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static long seccomp(unsigned op, unsigned flags, const void *arg) { return syscall(SYS_seccomp, op, flags, arg); }

static long install(struct sock_filter *insn, unsigned n, unsigned flags)
{
	return seccomp(SECCOMP_SET_MODE_FILTER, flags, &(struct sock_fprog){ n, insn });
}

/* One call gets this answer, all others are allowed. */
static void answer(unsigned nr, unsigned ret, unsigned flags)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, ret),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	CHECK(install(insn, COUNT(insn), flags) == 0);
}

static void errors(void)
{
	answer(SYS_getppid, SECCOMP_RET_ERRNO | 77, 0);
	REFUSED(syscall(SYS_getppid), 77);
	CHECK(getpid() > 0 && prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER);
	answer(SYS_getppid, SECCOMP_RET_ERRNO | 78, 0);		/* two that say as much: the newer one's */
	REFUSED(syscall(SYS_getppid), 78);
	answer(SYS_getppid, SECCOMP_RET_LOG, 0);		/* less is not heard */
	REFUSED(syscall(SYS_getppid), 78);
	for (int why = 512; why <= 516; why++) {		/* what the kernel itself calls a call that begins again */
		answer(SYS_getpgrp, SECCOMP_RET_ERRNO | why, 0);
		REFUSED(syscall(SYS_getpgrp), why);
	}
	answer(SYS_getuid, SECCOMP_RET_ERRNO | 0, 0);
	CHECK(syscall(SYS_getuid) == 0);
	answer(SYS_getgid, SECCOMP_RET_ERRNO | 0xffff, 0);
	REFUSED(syscall(SYS_getgid), 4095);
	answer(SYS_getegid, SECCOMP_RET_TRACE, 0);		/* by nobody */
	REFUSED(syscall(SYS_getegid), ENOSYS);
	answer(SYS_geteuid, SECCOMP_RET_LOG, SECCOMP_FILTER_FLAG_LOG);
	CHECK(syscall(SYS_geteuid) == (long)geteuid());
	REFUSED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), EINVAL);
	REFUSED(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL), EINVAL);
}

static volatile sig_atomic_t trapped, trapped_nr, trapped_data, code;
static void *volatile trapped_at;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	trapped = sig;
	code = info->si_code;
	trapped_nr = info->si_syscall;
	trapped_data = info->si_errno;
	trapped_at = info->si_call_addr;
	CHECK(info->si_arch == AUDIT_ARCH_X86_64 && u->uc_mcontext.gregs[REG_RAX] == info->si_syscall &&
	      (void *)u->uc_mcontext.gregs[REG_RIP] == info->si_call_addr);
	u->uc_mcontext.gregs[REG_RAX] = 4321;			/* the call's result, made up */
}

static void traps(void)
{
	struct sigaction act = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	CHECK(sigaction(SIGSYS, &act, NULL) == 0);
	answer(SYS_getppid, SECCOMP_RET_TRAP | 99, 0);
	CHECK(syscall(SYS_getppid) == 4321);
	CHECK(trapped == SIGSYS && code == 1 && trapped_nr == SYS_getppid && trapped_data == 99 && trapped_at != NULL);
}

static void trap_ignored(void)
{
	signal(SIGSYS, SIG_IGN);
	answer(SYS_getppid, SECCOMP_RET_TRAP, 0);
	syscall(SYS_getppid);
}

static void trap_blocked(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	answer(SYS_getppid, SECCOMP_RET_TRAP, 0);
	syscall(SYS_getppid);
}

static void killed(void)
{
	signal(SIGSYS, SIG_IGN);
	answer(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0);
	syscall(SYS_getppid);
}

static void killed_by_unknown(void)
{
	answer(SYS_getppid, 0x12340000, 0);
	syscall(SYS_getppid);
}

static void *calls(void *arg)
{
	syscall(SYS_getppid);
	return arg;
}

static void other_is_killed(void)
{
	pthread_t t;

	answer(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0);
	CHECK(pthread_create(&t, NULL, calls, NULL) == 0);
	pthread_join(t, NULL);
	_exit(0);
}

/* A thread alone: it is gone, what it would have said is not said, and the others go on. */
static volatile int came_back;

static void *is_killed(void *tid)
{
	*(volatile pid_t *)tid = gettid();
	answer(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0);
	syscall(SYS_getppid);
	came_back = 1;
	return NULL;
}

static void thread_is_killed(void)
{
	volatile pid_t tid = 0;
	pthread_t t;

	CHECK(pthread_create(&t, NULL, is_killed, (void *)&tid) == 0);
	while (tid == 0 || syscall(SYS_tgkill, getpid(), tid, 0) == 0)
		usleep(1000);
	CHECK(errno == ESRCH && came_back == 0);
	_exit(6);
}

static void strict(void)
{
	int two[2];
	char c;

	CHECK(pipe(two) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	if (write(two[1], "x", 1) != 1 || read(two[0], &c, 1) != 1)
		syscall(SYS_exit, 1);
	syscall(SYS_exit, 7);
}

static void strict_broken(void)
{
	CHECK(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL) == 0);
	syscall(SYS_getpid);
	syscall(SYS_exit, 1);
}

/* --- who else has it --- */

static void handed_on(void)
{
	pid_t child;
	int status;

	answer(SYS_getppid, SECCOMP_RET_ERRNO | 55, 0);
	child = fork();
	if (child == 0) {
		if (syscall(SYS_getppid) != -1 || errno != 55 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
			_exit(1);
		execl("/proc/self/exe", "seccomp", "started", NULL);
		_exit(2);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 55);
}

static pthread_barrier_t both;
static volatile int seen;
static volatile pid_t other;

static void *sees(void *own)
{
	other = gettid();
	if (own != NULL)
		answer(SYS_getuid, SECCOMP_RET_ERRNO | 5, 0);
	pthread_barrier_wait(&both);
	pthread_barrier_wait(&both);
	seen = syscall(SYS_getppid) == -1 ? errno : 0;
	return NULL;
}

static void threads(void)
{
	struct sock_filter forbid[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 66),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	pthread_t t;

	CHECK(pthread_barrier_init(&both, NULL, 2) == 0);
	/* one that has a filter of its own cannot have ours */
	CHECK(pthread_create(&t, NULL, sees, (void *)&both) == 0);
	pthread_barrier_wait(&both);
	CHECK(install(forbid, COUNT(forbid), SECCOMP_FILTER_FLAG_TSYNC) == other);
	REFUSED(install(forbid, COUNT(forbid), SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH), ESRCH);
	CHECK(syscall(SYS_getppid) > 0);
	pthread_barrier_wait(&both);
	CHECK(pthread_join(t, NULL) == 0 && seen == 0);
	/* without the flag it is ours alone, with it all threads' */
	for (int all = 0; all < 2; all++) {
		CHECK(pthread_create(&t, NULL, sees, NULL) == 0);
		pthread_barrier_wait(&both);
		if (all)
			CHECK(install(forbid, COUNT(forbid), SECCOMP_FILTER_FLAG_TSYNC) == 0);
		else
			answer(SYS_getgid, SECCOMP_RET_ERRNO | 1, 0);
		pthread_barrier_wait(&both);
		CHECK(pthread_join(t, NULL) == 0 && seen == (all ? 66 : 0));
	}
}

/* --- arguments, arithmetic --- */

static void arguments(void)
{
	/* getpriority(0x1234567890, second): the upper half of the first, and (second * 3 - 1) ^ 5, in M[] and X */
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 17),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 20),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x12, 0, 15),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 24),
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 3),
		BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 1),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		BPF_STMT(BPF_ST, 3),
		BPF_STMT(BPF_LDX | BPF_W | BPF_MEM, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_IMM, 5),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 63, 0, 2),
		BPF_STMT(BPF_MISC | BPF_TXA, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	CHECK(install(insn, COUNT(insn), 0) == 0);
	REFUSED(syscall(SYS_getpriority, 0x1234567890, 20), ((20 * 3 - 1) ^ 5));
	CHECK(syscall(SYS_getpriority, 0, 0) > 0);
}

static void division(void)		/* by X, which is 0: the filter ends with 0 */
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	CHECK(install(insn, COUNT(insn), 0) == 0);
	syscall(SYS_getppid);
}

/* --- what is no filter --- */

static void none(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_filter wrong[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_MEM, 0), BPF_STMT(BPF_ST, 16), BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0),
		BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), BPF_STMT(BPF_JMP | BPF_JA, 1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), BPF_STMT(0xff, 0),
		BPF_STMT(BPF_RET | BPF_X, 0),
	};
	struct sock_filter two[2];
	static struct sock_filter many[4097];
	unsigned action = SECCOMP_RET_TRAP, nr = 0;

	REFUSED(seccomp(99, 0, NULL), EINVAL);
	REFUSED(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
	REFUSED(seccomp(SECCOMP_SET_MODE_STRICT, 0, &action), EINVAL);
	REFUSED(seccomp(SECCOMP_SET_MODE_FILTER, 1 << 20, NULL), EINVAL);
	REFUSED(seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT);
	REFUSED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL), EFAULT);
	REFUSED(prctl(PR_SET_SECCOMP, 3, NULL), EINVAL);
	REFUSED(prctl(PR_SET_SECCOMP, 0, NULL), EINVAL);
	CHECK(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
	REFUSED(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &action), EINVAL);
	REFUSED(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL), EFAULT);
	action = 0x12340000;
	REFUSED(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action), EOPNOTSUPP);
	REFUSED(install(&allow, 0, 0), EINVAL);
	REFUSED(install(many, 4097, 0), EINVAL);
	REFUSED(install(NULL, 1, 0), EINVAL);
	REFUSED(install((void *)8, 1, 0), EFAULT);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		two[0] = wrong[i];
		two[1] = allow;
		if (install(two, 2, 0) != -1 || errno != EINVAL)
			fail("instruction %zu is taken (errno %d)", i, errno);
	}
	two[0] = two[1] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_IMM, 0);
	REFUSED(install(two, 2, 0), EINVAL);			/* no end */
	for (int i = 0; i < 4096; i++)
		many[i] = allow;
	while (install(many, 4096, 0) == 0)			/* how many there is room for, is the kernel's affair */
		CHECK(++nr < 9);
	CHECK(errno == ENOMEM && nr >= 2 && getpid() > 0);
}

static void not_allowed(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	if (geteuid() == 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return;
	REFUSED(install(&allow, 1, 0), EACCES);
}

static bool dies_of(void (*fn)(void), int sig)
{
	int status = status_in_child(fn);

	return WIFSIGNALED(status) && WTERMSIG(status) == sig;
}

int main(int argc, char **argv)
{
	bool filtered = prctl(PR_GET_SECCOMP) != 0;
	int status;

	if (argc > 1 && strcmp(argv[1], "started") == 0)
		return syscall(SYS_getppid) == -1 ? errno : 0;
	if (geteuid() == 0 && setuid(65534) < 0)
		fail("setuid: %s", strerror(errno));
	not_allowed();
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(status_in_child(errors) == 0);
	CHECK(status_in_child(traps) == 0);
	CHECK(dies_of(trap_ignored, SIGSYS) && dies_of(trap_blocked, SIGSYS) && dies_of(killed, SIGSYS));
	CHECK(dies_of(killed_by_unknown, SIGSYS) && dies_of(other_is_killed, SIGSYS) && dies_of(division, SIGSYS));
	status = status_in_child(thread_is_killed);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 6);
	if (!filtered) {
		status = status_in_child(strict);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		CHECK(dies_of(strict_broken, SIGKILL));
	}
	CHECK(status_in_child(handed_on) == 0);
	CHECK(status_in_child(threads) == 0);
	CHECK(status_in_child(arguments) == 0);
	CHECK(status_in_child(none) == 0);
	return ok("");
}
