/* SPDX-License-Identifier: MIT */
/*
 * tracing: ptrace(2), scene by scene. What a tracer and the parent of a tracee see of each stop is printed and is the same on Linux.
 * With the names of scenes: those alone; with "exit N", "who" and "dumpable": what the scenes start.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/utsname.h>

#include "plain.h"
#include "said.h"

static char *self;

static long tr(long request, long pid, long addr, long data) { return syscall(SYS_ptrace, request, pid, addr, data); }
#define P(x) ((long)(uintptr_t)(x))

static long sys(long nr, long a, long b, long c)	/* without libc's ways of doing it otherwise */
{
	long rc;

	__asm__ volatile("syscall" : "=a"(rc) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return rc;
}

static const char *signame(int sig)
{
	static char text[20];

	if (sig == (SIGTRAP | 0x80))
		return "TRAP|80";
	if (sigabbrev_np(sig) != NULL)
		return sigabbrev_np(sig);
	snprintf(text, sizeof(text), "%d", sig);
	return text;
}

static void show(const char *who, int status)
{
	if (WIFEXITED(status))
		printf("%s: exit %d\n", who, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("%s: killed by %s\n", who, signame(WTERMSIG(status)));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", who);
	else
		printf("%s: stop %s event %d\n", who, signame(WSTOPSIG(status)), status >> 16);
	fflush(stdout);
}

static int wait_one(const char *who, pid_t pid, int flags)
{
	int status = -1;
	pid_t got = waitpid(pid, &status, flags);

	if (got == pid && got > 0)
		show(who, status);
	else
		printf("%s: wait %s\n", who, got == 0 ? "nothing" : got < 0 ? strerrorname_np(errno) : "another");
	return status;
}
#define W(pid) wait_one(#pid, pid, __WALL)

static void info_of(pid_t pid)
{
	siginfo_t si;
	long rc = tr(PTRACE_GETSIGINFO, pid, 0, P(&si));

	if (rc < 0)
		said("  siginfo", rc);
	else
		printf("  siginfo %s code %#x%s\n", signame(si.si_signo), si.si_code, si.si_pid == pid ? " from itself" : "");
}

static long message_of(pid_t pid)
{
	unsigned long m = 0;

	CHECK(tr(PTRACE_GETEVENTMSG, pid, 0, P(&m)) == 0);
	return m;
}

static struct user_regs_struct regs_of(pid_t pid)
{
	struct user_regs_struct r;

	memset(&r, 0x55, sizeof(r));
	CHECK(tr(PTRACE_GETREGS, pid, 0, P(&r)) == 0);
	return r;
}

/* A child that is traced and has stopped itself. */
static pid_t traced(void (*fn)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		CHECK(tr(PTRACE_TRACEME, 0, 0, 0) == 0);
		sys(SYS_kill, sys(SYS_getpid, 0, 0, 0), SIGSTOP, 0);
		fn();
		_exit(0);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
	return pid;
}

/* One that runs untraced until it says so. */
static int ready[2], pipe_of[2];
static void is_ready(void) { CHECK(write(ready[1], "r", 1) == 1); }
static pid_t running(void (*fn)(void))
{
	pid_t pid;
	char c;

	CHECK(pipe(ready) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);	/* nobody is left over, whatever goes wrong */
		fn();
		_exit(0);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	return pid;
}

static void pauses(void)
{
	is_ready();
	for (;;)
		pause();
}

static void nothing(void) {}
static void handler(int sig) { (void)sig; }

static void status_line(pid_t pid, const char *name)
{
	char path[40], line[200];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			printf("  %s", line);
	if (f != NULL)
		fclose(f);
}

static void await_state(pid_t pid, char letter)
{
	char path[40], text[300];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (;;) {
		FILE *f = fopen(path, "r");
		char *at = f != NULL && fgets(text, sizeof(text), f) != NULL ? strrchr(text, ')') : NULL;

		if (f != NULL)
			fclose(f);
		if (at != NULL && at[2] == letter)
			return;
		usleep(1000);
	}
}

/* --- exec --- */

static void execs(void)
{
	execl(self, self, "exit", "7", NULL);
	_exit(99);
}

static void exec_plain(void)
{
	pid_t child = traced(execs);

	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	info_of(child);
	printf("  orig_rax %lld rax %lld\n", regs_of(child).orig_rax, regs_of(child).rax);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
}

static void exec_event(void)
{
	pid_t child = traced(execs);

	TRY(tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	info_of(child);
	printf("  message is pid: %d\n", message_of(child) == child);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	printf("  message %#lx\n", message_of(child));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
}

/* --- calls --- */

static void calls(void)
{
	long a = sys(SYS_getppid, 1, 2, 3), b, c, d;

	b = sys(SYS_dup, 77, 0, 0);			/* not done */
	c = sys(SYS_getppid, 0, 0, 0);			/* becomes another one */
	d = sys(SYS_getuid, 0, 0, 0);			/* its result is changed */
	_exit(a > 0 && b == 42 && c == -EBADF && d == 1234 ? 5 : 6);
}

static void call_info(pid_t pid)
{
	struct ptrace_syscall_info i;
	long size;

	memset(&i, 0x77, sizeof(i));
	size = tr(PTRACE_GET_SYSCALL_INFO, pid, sizeof(i), P(&i));
	printf("  info size %ld op %d arch %#x ip %d", size, i.op, i.arch, i.instruction_pointer == regs_of(pid).rip);
	if (i.op == PTRACE_SYSCALL_INFO_ENTRY)
		printf(" nr %llu args %d", (unsigned long long)i.entry.nr, i.entry.nr == SYS_pause ? 0 : (int)i.entry.args[0]);
	if (i.op == PTRACE_SYSCALL_INFO_EXIT && i.exit.is_error)
		printf(" error %lld", (long long)i.exit.rval);
	printf("\n");
}

static void syscalls(void)
{
	pid_t child = traced(calls);
	struct user_regs_struct r;

	TRY(tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD));
	call_info(child);
	tr(PTRACE_SYSCALL, child, 0, 0);
	for (int i = 0; ; i++) {
		int status = -1;

		CHECK(waitpid(child, &status, 0) == child);
		show("child", status);
		if (!WIFSTOPPED(status))
			break;
		r = regs_of(child);
		printf("  call %lld result %s message %ld\n", r.orig_rax, (long)r.rax == -ENOSYS ? "ENOSYS" : r.rax == 0 ? "0" : (long)r.rax < 0 ? "error" : "other",
		       message_of(child));
		call_info(child);
		if ((long)r.rax == -ENOSYS && r.orig_rax == SYS_dup) {
			r.orig_rax = -1;
			r.rax = 42;
			CHECK(tr(PTRACE_SETREGS, child, 0, P(&r)) == 0);
		} else if (i == 4 && r.orig_rax == SYS_getppid) {
			CHECK(tr(PTRACE_POKEUSR, child, offsetof(struct user_regs_struct, orig_rax), SYS_close) == 0);
			CHECK(tr(PTRACE_POKEUSR, child, offsetof(struct user_regs_struct, rdi), 1000) == 0);
		} else if ((long)r.rax != -ENOSYS && r.orig_rax == SYS_getuid) {
			CHECK(tr(PTRACE_POKEUSR, child, offsetof(struct user_regs_struct, rax), 1234) == 0);
		}
		CHECK(tr(PTRACE_SYSCALL, child, 0, 0) == 0);
	}
}

static void sysgood_off(void)
{
	pid_t child = traced(calls);

	tr(PTRACE_SYSCALL, child, 0, 0);
	W(child);
	info_of(child);
	call_info(child);
	tr(PTRACE_SYSCALL, child, 0, SIGUSR1);		/* a signal at a call's stop is sent to it */
	W(child);
	info_of(child);
	tr(PTRACE_CONT, child, 0, SIGUSR1);
	W(child);
}

/* --- steps --- */

extern char step_begin[], step_call[], step_end[];
void step_me(void);
__asm__(".text\n.globl step_me\nstep_me:\nstep_begin: nop\n mov $39, %eax\n.globl step_call\nstep_call: syscall\n nop\n"
	" xor %eax, %eax\n pushfq\n pop %rax\n nop\n.globl step_begin\n.globl step_end\nstep_end: ret\n");

static void steps_child(void)
{
	signal(SIGUSR1, handler);
	__asm__ volatile("int3");
	step_me();
	_exit(3);
}

static void step_shown(pid_t pid, const char *what)
{
	struct user_regs_struct r = regs_of(pid);
	siginfo_t si;

	CHECK(tr(PTRACE_GETSIGINFO, pid, 0, P(&si)) == 0);
	printf("  %s", what);
	if (r.rip >= (uintptr_t)step_begin && r.rip <= (uintptr_t)step_end)
		printf(" at +%d", (int)(r.rip - (uintptr_t)step_begin));
	printf(" %s code %d TF %d addr %d\n", signame(si.si_signo), si.si_code, (int)(r.eflags >> 8 & 1), si.si_addr == (void *)r.rip);
}

static bool within(pid_t pid)
{
	unsigned long rip = regs_of(pid).rip;

	return rip >= (uintptr_t)step_begin && rip <= (uintptr_t)step_end;
}

static pid_t before_steps(void)
{
	pid_t child = traced(steps_child);

	tr(PTRACE_CONT, child, 0, 0);
	W(child);					/* int3 */
	info_of(child);
	do {
		CHECK(tr(PTRACE_SINGLESTEP, child, 0, 0) == 0);
		CHECK(waitpid(child, NULL, 0) == child);
	} while (!within(child));
	return child;
}

static void singlestep(void)
{
	pid_t child = before_steps();

	while (within(child)) {
		step_shown(child, "step");
		if (regs_of(child).rip == (uintptr_t)step_end)
			printf("  pushed TF %d\n", (int)(regs_of(child).rax >> 8 & 1));
		CHECK(tr(PTRACE_SINGLESTEP, child, 0, 0) == 0);
		CHECK(waitpid(child, NULL, 0) == child);
	}
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
}

static void step_into_handler(void)
{
	pid_t child = before_steps();
	int steps = 0;

	CHECK(kill(child, SIGUSR1) == 0);
	TRY(tr(PTRACE_SINGLESTEP, child, 0, 0));
	W(child);
	step_shown(child, "signal");
	TRY(tr(PTRACE_SINGLESTEP, child, 0, SIGUSR1));
	W(child);
	info_of(child);
	printf("  in handler %d TF %d\n", regs_of(child).rip == (uintptr_t)handler, (int)(regs_of(child).eflags >> 8 & 1));
	while (!within(child)) {			/* through the handler, sigreturn and back */
		CHECK(tr(PTRACE_SINGLESTEP, child, 0, 0) == 0);
		CHECK(waitpid(child, NULL, 0) == child);
		steps++;
	}
	printf("  back in the function: %d\n", steps > 2 && steps < 30);
	step_shown(child, "back");
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
}

static void forks_once(void)
{
	long pid = sys(SYS_fork, 0, 0, 0);
	int status = 0;

	if (pid == 0)
		sys(SYS_exit, 9, 0, 0);
	sys(SYS_wait4, pid, P(&status), 0);
	sys(SYS_exit, status == 9 << 8 ? 10 : 11, 0, 0);
}

static void step_fork(void)			/* its child is not stepped */
{
	pid_t child = traced(forks_once);
	int status, steps = 0;

	do {
		CHECK(tr(PTRACE_SINGLESTEP, child, 0, 0) == 0);
		CHECK(waitpid(child, &status, 0) == child);
		steps++;
	} while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGCHLD) {
		TRY(tr(PTRACE_CONT, child, 0, SIGCHLD));
		W(child);
	}
	printf("steps %d\n", steps > 3);
}

/* --- signals --- */

static void raises(void)
{
	signal(SIGUSR2, SIG_IGN);
	signal(SIGHUP, handler);
	raise(SIGUSR2);
	raise(SIGUSR1);
	raise(SIGTERM);
	_exit(8);
}

static void signals(void)
{
	pid_t child = traced(raises);
	siginfo_t si;

	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);					/* ignored, but seen */
	info_of(child);
	printf("  message %ld\n", message_of(child));
	TRY(tr(PTRACE_CONT, child, 0, SIGUSR2));
	W(child);
	CHECK(tr(PTRACE_GETSIGINFO, child, 0, P(&si)) == 0);
	si.si_value.sival_int = 5;
	TRY(tr(PTRACE_SETSIGINFO, child, 0, P(&si)));
	TRY(tr(PTRACE_CONT, child, 0, 0));		/* SIGUSR1 is not delivered */
	W(child);
	TRY(tr(PTRACE_CONT, child, 0, SIGHUP));		/* SIGTERM becomes SIGHUP, which is handled */
	W(child);
	child = traced(raises);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	TRY(tr(PTRACE_CONT, child, 0, SIGKILL));
	W(child);
	child = traced(raises);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	TRY(tr(PTRACE_CONT, child, 0, SIGUSR1));
	W(child);
}

static void masks(void)
{
	pid_t child = traced(raises);
	unsigned long mask = 1UL << (SIGUSR1 - 1) | 1UL << (SIGKILL - 1), got = 0;
	struct ptrace_peeksiginfo_args args = { 0, 0, 10 };
	siginfo_t si[10];

	TRY(tr(PTRACE_GETSIGMASK, child, 4, P(&got)));
	TRY(tr(PTRACE_SETSIGMASK, child, 8, P(&mask)));
	TRY(tr(PTRACE_GETSIGMASK, child, 8, P(&got)));
	printf("  mask %#lx\n", got);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);					/* SIGUSR2 */
	CHECK(kill(child, SIGUSR1) == 0 && syscall(SYS_tgkill, child, child, SIGUSR1) == 0);
	TRY(tr(PTRACE_PEEKSIGINFO, child, P(&args), P(si)));
	printf("  %s code %d\n", signame(si[0].si_signo), si[0].si_code);
	args.flags = PTRACE_PEEKSIGINFO_SHARED;
	TRY(tr(PTRACE_PEEKSIGINFO, child, P(&args), P(si)));
	printf("  %s code %d\n", signame(si[0].si_signo), si[0].si_code);
	args.off = 1;
	TRY(tr(PTRACE_PEEKSIGINFO, child, P(&args), P(si)));
	args.flags = 2;
	TRY(tr(PTRACE_PEEKSIGINFO, child, P(&args), P(si)));
	args = (struct ptrace_peeksiginfo_args){ 0, 0, -1 };
	TRY(tr(PTRACE_PEEKSIGINFO, child, P(&args), P(si)));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);					/* SIGTERM: SIGUSR1 is blocked */
	TRY(tr(PTRACE_DETACH, child, 0, 0));
	W(child);
}

/* --- attaching --- */

static void attaches(void)
{
	pid_t child = running(pauses);

	await_state(child, 'S');
	TRY(tr(PTRACE_ATTACH, child, 0, 0));
	W(child);
	info_of(child);
	status_line(child, "State");
	status_line(child, "TracerPid:\t0");
	printf("  rax %d orig_rax %lld\n", (int)regs_of(child).rax, regs_of(child).orig_rax);
	TRY(tr(PTRACE_ATTACH, child, 0, 0));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	await_state(child, 'S');
	TRY(tr(PTRACE_CONT, child, 0, 0));
	TRY(tr(PTRACE_INTERRUPT, child, 0, 0));
	TRY(tr(PTRACE_DETACH, child, 0, 0));
	CHECK(kill(child, SIGUSR1) == 0);
	W(child);
	TRY(tr(PTRACE_DETACH, child, 0, 65));
	TRY(tr(PTRACE_DETACH, child, 0, SIGTERM));
	status_line(child, "TracerPid:\t0");
	W(child);
	TRY(tr(PTRACE_CONT, child, 0, 0));
}

static void attach_stopped(void)
{
	pid_t child = running(pauses);

	CHECK(kill(child, SIGSTOP) == 0);
	wait_one("child", child, WUNTRACED);
	TRY(tr(PTRACE_ATTACH, child, 0, 0));
	W(child);
	info_of(child);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	info_of(child);
	TRY(tr(PTRACE_DETACH, child, 0, 0));
	await_state(child, 'T');			/* the group's stop goes on */
	CHECK(kill(child, SIGCONT) == 0);
	wait_one("child", child, WCONTINUED);
	kill(child, SIGKILL);
	W(child);
}

static void group_stop(void)
{
	pid_t child = traced(raises);

	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	TRY(tr(PTRACE_CONT, child, 0, SIGSTOP));
	W(child);
	info_of(child);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);					/* it runs on, though its group is stopped */
	info_of(child);
	TRY(tr(PTRACE_CONT, child, 0, SIGSTOP));
	W(child);
	kill(child, SIGCONT);
	wait_one("child", child, WNOHANG | WCONTINUED);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
}

static void seizes(void)
{
	pid_t child = running(pauses);

	await_state(child, 'S');
	TRY(tr(PTRACE_SEIZE, child, 1, 0));
	TRY(tr(PTRACE_SEIZE, child, 0, 1 << 30));
	TRY(tr(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESYSGOOD));
	wait_one("child", child, WNOHANG | __WALL);
	TRY(tr(PTRACE_INTERRUPT, child, 0, 0));
	W(child);
	info_of(child);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	CHECK(kill(child, SIGSTOP) == 0);
	W(child);
	info_of(child);
	TRY(tr(PTRACE_LISTEN, child, 0, 0));
	TRY(tr(PTRACE_CONT, child, 0, SIGSTOP));
	W(child);
	info_of(child);
	TRY(tr(PTRACE_LISTEN, child, 0, 0));
	status_line(child, "State");
	TRY(tr(PTRACE_CONT, child, 0, 0));
	CHECK(kill(child, SIGCONT) == 0);
	W(child);					/* the trap: no longer stopped */
	info_of(child);
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);					/* SIGCONT itself */
	TRY(tr(PTRACE_CONT, child, 0, 0));
	await_state(child, 'S');
	TRY(tr(PTRACE_INTERRUPT, child, 0, 0));
	W(child);
	TRY(tr(PTRACE_SYSCALL, child, 0, 0));
	W(child);					/* pause() begins again */
	call_info(child);
	TRY(tr(PTRACE_LISTEN, child, 0, 0));
	kill(child, SIGKILL);
	W(child);
}

static void seize_stopped(void)
{
	pid_t child = running(pauses);

	CHECK(kill(child, SIGSTOP) == 0);
	wait_one("child", child, WUNTRACED);
	TRY(tr(PTRACE_SEIZE, child, 0, 0));
	W(child);
	info_of(child);
	TRY(tr(PTRACE_LISTEN, child, 0, 0));
	TRY(tr(PTRACE_INTERRUPT, child, 0, 0));
	W(child);
	kill(child, SIGKILL);
	W(child);
}

/* --- children of tracees --- */

static void forks(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(11);
	CHECK(waitpid(pid, NULL, 0) == pid);
	pid = vfork();
	if (pid == 0)
		_exit(12);
	CHECK(waitpid(pid, NULL, 0) == pid);
	_exit(13);
}

static void follow(pid_t child)
{
	pid_t known[8] = { child };
	int nr = 1, alive = 1;

	/* each one's own stops are in order; whose come first is not said */
	char out[8][2000] = { "" };

	while (alive > 0) {
		int status, i;
		pid_t pid = waitpid(-1, &status, __WALL);
		siginfo_t si = { 0 };
		char *at;

		CHECK(pid > 0);
		for (i = 0; i < nr && known[i] != pid; i++)
			;
		if (i == nr)
			known[nr++] = pid, alive++;
		at = out[i] + strlen(out[i]);
		if (!WIFSTOPPED(status)) {
			sprintf(at, "%d ends %#x\n", i, status);
			alive--;
			continue;
		}
		tr(PTRACE_GETSIGINFO, pid, 0, P(&si));
		sprintf(at, "%d stop %s event %d code %#x\n", i, signame(WSTOPSIG(status)), status >> 16, si.si_code);
		if (status >> 16 == PTRACE_EVENT_FORK || status >> 16 == PTRACE_EVENT_VFORK || status >> 16 == PTRACE_EVENT_CLONE) {
			int n = 0;

			while (n < nr && known[n] != message_of(pid))
				n++;
			if (n == nr)
				known[nr++] = message_of(pid), alive++;
			sprintf(at + strlen(at), "%d made %d\n", i, n);
		}
		/* signals but the stops that belong to tracing are delivered */
		tr(PTRACE_CONT, pid, 0, WSTOPSIG(status) == SIGSTOP || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
	}
	for (int i = 0; i < nr; i++)
		fputs(out[i], stdout);
}

static void fork_events(void)
{
	pid_t child = traced(forks);
	const long all = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORKDONE;

	TRY(tr(PTRACE_SETOPTIONS, child, 0, all));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	follow(child);
}

static void forks_seized(void)
{
	char c;

	is_ready();
	CHECK(read(pipe_of[0], &c, 1) == 1);
	forks();
}

static void fork_events_seized(void)
{
	pid_t child;

	CHECK(pipe(pipe_of) == 0);
	child = running(forks_seized);
	TRY(tr(PTRACE_SEIZE, child, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXIT));
	CHECK(write(pipe_of[1], "x", 1) == 1);
	follow(child);
}

static void forks_with_flag(void)
{
	pid_t pid = syscall(SYS_clone, CLONE_PTRACE | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(14);
	CHECK(waitpid(pid, NULL, 0) == pid);
	pid = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(15);
	CHECK(waitpid(pid, NULL, 0) == pid);
	_exit(16);
}

static void clone_flags(void)
{
	pid_t child = traced(forks_with_flag);

	TRY(tr(PTRACE_CONT, child, 0, 0));
	follow(child);
	child = traced(forks_with_flag);
	TRY(tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEFORK));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	follow(child);
}

/* --- threads --- */

static void *thread(void *arg)
{
	syscall(SYS_exit, (long)arg);			/* the same as the process: which of both is said depends on time */
	return NULL;
}

static void threads_child(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, thread, (void *)22) == 0);
	CHECK(pthread_join(t, NULL) == 0);
	_exit(22);
}

static void threads(void)
{
	pid_t child = traced(threads_child);

	TRY(tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	follow(child);
}

static pid_t leader;
static void *thread_waits(void *arg)
{
	(void)arg;
	await_state(leader, 'Z');
	syscall(SYS_exit_group, 23);
	return NULL;
}

static void leader_exits(void)
{
	pthread_t t;

	leader = getpid();
	CHECK(pthread_create(&t, NULL, thread_waits, NULL) == 0);
	syscall(SYS_exit, 24);
}

static void leader_first(void)
{
	pid_t child = traced(leader_exits);

	TRY(tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACECLONE));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	follow(child);
}

static void *thread_execs(void *arg)
{
	(void)arg;
	execs();
	return NULL;
}

static void exec_in_thread_child(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, thread_execs, NULL) == 0);
	for (;;)
		pause();
}

static void exec_in_thread(void)
{
	pid_t child = traced(exec_in_thread_child), second = 0, pid;
	bool execd = false;
	int status;

	TRY(tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	for (;;) {
		pid = waitpid(-1, &status, __WALL);
		CHECK(pid > 0);
		if (status >> 16 == PTRACE_EVENT_CLONE)
			second = message_of(pid);
		if (status >> 16 == PTRACE_EVENT_EXEC) {
			printf("exec: by the process %d, was the second %d\n", pid == child, message_of(pid) == second);
			execd = true;
		}
		if (!WIFSTOPPED(status))
			break;
		CHECK(tr(PTRACE_CONT, pid, 0, 0) == 0);
	}
	printf("%d ", execd && pid == child);
	show("ends", status);
}

static void *sleeps(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void two_threads(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, sleeps, NULL) == 0);
	for (;;)
		pause();
}

/* Both threads stopped; returns the second. */
static pid_t both_stopped(pid_t child)
{
	pid_t second = 0;
	int status;

	CHECK(tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACECLONE) == 0 && tr(PTRACE_CONT, child, 0, 0) == 0);
	CHECK(waitpid(child, &status, __WALL) == child && status >> 16 == PTRACE_EVENT_CLONE);
	second = message_of(child);
	CHECK(waitpid(second, &status, __WALL) == second);
	return second;
}

static void killed_while_stopped(void)
{
	pid_t child = traced(two_threads), second = both_stopped(child);

	CHECK(kill(child, SIGKILL) == 0);
	W(second);
	W(child);
	wait_one("none", -1, __WALL);
}

static void group_of_threads(void)
{
	pid_t child = traced(two_threads), second = both_stopped(child);

	CHECK(tr(PTRACE_CONT, child, 0, 0) == 0 && tr(PTRACE_CONT, second, 0, 0) == 0);
	CHECK(syscall(SYS_tgkill, child, second, SIGSTOP) == 0);
	W(second);
	CHECK(tr(PTRACE_CONT, second, 0, SIGSTOP) == 0);
	W(second);
	info_of(second);
	W(child);					/* each thread takes part */
	info_of(child);
	kill(child, SIGKILL);
	W(second);
	W(child);
}

static pid_t of_thread;
static void *tracer_thread(void *arg)
{
	of_thread = traced(nothing);
	*(int *)arg = 1;
	while (*(volatile int *)arg == 1)
		usleep(1000);
	return NULL;
}

static void other_thread_waits(void)
{
	volatile int step = 0;
	pthread_t t;
	siginfo_t si;

	CHECK(pthread_create(&t, NULL, tracer_thread, (void *)&step) == 0);
	while (step == 0)
		usleep(1000);
	TRY(tr(PTRACE_CONT, of_thread, 0, 0));		/* not the tracer's thread */
	CHECK(kill(of_thread, SIGKILL) == 0);
	CHECK(waitid(P_PID, of_thread, &si, WEXITED | WNOWAIT) == 0);
	printf("waitid: code %d status %d\n", si.si_code, si.si_status);
	W(of_thread);
	step = 2;
	CHECK(pthread_join(t, NULL) == 0);
}

static void waitid_stops(void)
{
	pid_t child = traced(raises);
	siginfo_t si = { 0 };

	tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXIT);
	tr(PTRACE_CONT, child, 0, 0);
	CHECK(waitid(P_PID, child, &si, WSTOPPED | WNOWAIT) == 0);
	printf("waitid: code %d status %#x\n", si.si_code, si.si_status);
	CHECK(waitid(P_ALL, 0, &si, WEXITED | WSTOPPED) == 0);
	printf("waitid: code %d status %#x\n", si.si_code, si.si_status);
	wait_one("child", child, WNOHANG);
	tr(PTRACE_CONT, child, 0, SIGTERM);
	CHECK(waitid(P_PID, child, &si, WEXITED) == 0);
	printf("waitid: code %d status %#x\n", si.si_code, si.si_status);
	tr(PTRACE_CONT, child, 0, 0);
	CHECK(waitid(P_PID, child, &si, WEXITED) == 0);
	printf("waitid: code %d status %#x\n", si.si_code, si.si_status);
}

/* --- the end of tracers and tracees --- */

static void exit_event(void)
{
	pid_t child = traced(raises);

	TRY(tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXIT));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
	TRY(tr(PTRACE_CONT, child, 0, SIGTERM));
	W(child);
	printf("  message %#lx\n", message_of(child));
	tr(PTRACE_CONT, child, 0, 0);
	W(child);
}

/* The tracer is not the parent. what: does it end (with or without its tracee), or reap? */
static void tracer_between(const char *what, long options)
{
	pid_t child = running(pauses), tracer;
	int go[2];
	char c;

	CHECK(pipe(go) == 0);
	tracer = fork();
	CHECK(tracer >= 0);
	if (tracer == 0) {
		CHECK(tr(PTRACE_SEIZE, child, 0, options) == 0);
		is_ready();
		CHECK(read(go[0], &c, 1) == 1);
		if (what[0] == 'r')
			W(child);
		_exit(0);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	wait_one("child", child, WNOHANG | WUNTRACED);
	if (what[0] == 'r') {
		kill(child, SIGTERM);
		await_state(child, 't');
		kill(child, SIGKILL);
		await_state(child, 'Z');
		wait_one("child", child, WNOHANG);
	}
	CHECK(write(go[1], "g", 1) == 1);
	CHECK(waitpid(tracer, NULL, 0) == tracer);
	if (what[0] == 'e')
		kill(child, SIGTERM);
	W(child);
}

static void tracer_reaps(void) { tracer_between("reaps", 0); }
static void tracer_ends(void) { tracer_between("ends", 0); }
static void tracer_ends_and_kills(void) { tracer_between("kills", PTRACE_O_EXITKILL); }

static void tracer_ends_in_stop(void)
{
	pid_t child = running(pauses), tracer = fork();

	CHECK(tracer >= 0);
	if (tracer == 0) {
		siginfo_t si;

		CHECK(tr(PTRACE_SEIZE, child, 0, 0) == 0);
		kill(child, SIGTERM);
		CHECK(waitid(P_PID, child, &si, WSTOPPED | WNOWAIT | __WALL) == 0);
		_exit(0);				/* the signal has not been taken from it: it is delivered */
	}
	CHECK(waitpid(tracer, NULL, 0) == tracer);
	W(child);
}

static void reads_and_exits(void)
{
	char c;

	is_ready();
	CHECK(read(pipe_of[0], &c, 1) == 1);
	_exit(9);
}

/* What the tracer has written where the signal stands is no signal that the program could get. */
static void no_such_signal(void)
{
	pid_t child, tracer;
	int status;

	CHECK(pipe(pipe_of) == 0);
	child = running(reads_and_exits);
	tracer = fork();
	CHECK(tracer >= 0);
	if (tracer == 0) {
		siginfo_t si;

		CHECK(tr(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESYSGOOD) == 0 && tr(PTRACE_INTERRUPT, child, 0, 0) == 0);
		CHECK(waitpid(child, &status, __WALL) == child && tr(PTRACE_SYSCALL, child, 0, 0) == 0);
		CHECK(waitid(P_PID, child, &si, WSTOPPED | WNOWAIT | __WALL) == 0 && si.si_status == (SIGTRAP | 0x80));
		si.si_signo = SIGTRAP | 0x80;
		TRY(tr(PTRACE_SETSIGINFO, child, 0, P(&si)));
		_exit(0);
	}
	CHECK(waitpid(tracer, NULL, 0) == tracer && write(pipe_of[1], "g", 1) == 1);
	W(child);
}

static void parent_sees_stops(void)
{
	pid_t child = running(pauses), tracer;
	int go[2];
	char c;

	CHECK(pipe(go) == 0);
	tracer = fork();
	CHECK(tracer >= 0);
	if (tracer == 0) {
		CHECK(tr(PTRACE_SEIZE, child, 0, 0) == 0);
		is_ready();
		W(child);
		CHECK(tr(PTRACE_CONT, child, 0, SIGSTOP) == 0);
		W(child);
		is_ready();
		CHECK(read(go[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	kill(child, SIGSTOP);
	CHECK(read(ready[0], &c, 1) == 1);
	wait_one("parent", child, WUNTRACED);
	CHECK(write(go[1], "g", 1) == 1);
	CHECK(waitpid(tracer, NULL, 0) == tracer);
	await_state(child, 'T');
	kill(child, SIGKILL);
	W(child);
}

static volatile sig_atomic_t told, told_code, told_status;
static void on_child(int sig, siginfo_t *si, void *u)
{
	(void)sig;
	(void)u;
	told++;
	told_code = si->si_code;
	told_status = si->si_status;
}

static void show_told(int times)
{
	for (int i = 0; i < 1000 && told < times; i++)
		usleep(1000);
	printf("told %d code %d status %d\n", told, told_code, told_status);
}

static void tracer_is_told(void)
{
	struct sigaction sa = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART };
	pid_t child;

	CHECK(sigaction(SIGCHLD, &sa, NULL) == 0);
	child = traced(raises);
	show_told(1);
	tr(PTRACE_CONT, child, 0, 0);
	W(child);
	show_told(2);
	sa.sa_flags |= SA_NOCLDSTOP;
	CHECK(sigaction(SIGCHLD, &sa, NULL) == 0);
	tr(PTRACE_CONT, child, 0, 0);
	W(child);
	show_told(2);
	kill(child, SIGKILL);
	W(child);
	show_told(3);
}

/* --- registers and memory --- */

static void registers_child(void)
{
	static const unsigned long value[2] __attribute__((aligned(16))) = { 0x1111222233334444, 0x5555666677778888 };
	unsigned long seen[2] __attribute__((aligned(16)));

	__asm__ volatile("movaps %1, %%xmm5\n movabs $0xabcdef0123456789, %%r12\n int3\n movaps %%xmm5, %0"
			 : "=m"(seen) : "m"(value) : "xmm5", "r12");
	_exit(seen[0] == 0x99 && seen[1] == value[1] ? 31 : 32);
}

static void registers(void)
{
	pid_t child = traced(registers_child);
	struct user_fpregs_struct fp, again;
	struct user_regs_struct r, r2;
	struct iovec iov = { &r2, 16 };
	static unsigned char x[32768];
	unsigned long word;

	tr(PTRACE_CONT, child, 0, 0);
	W(child);
	r = regs_of(child);
	printf("r12 %llx cs %llx ss %llx ds %llx es %llx fs %llx gs %llx orig %llx gs_base %llx fs_base %d\n", r.r12, r.cs, r.ss, r.ds, r.es, r.fs,
	       r.gs, r.orig_rax, r.gs_base, r.fs_base != 0);
	TRY(tr(PTRACE_GETREGSET, child, NT_PRSTATUS, P(&iov)));
	printf("len %zu same %d\n", iov.iov_len, memcmp(&r, &r2, 16) == 0);
	iov.iov_len = 12;
	TRY(tr(PTRACE_GETREGSET, child, NT_PRSTATUS, P(&iov)));
	iov.iov_len = 4096;
	TRY(tr(PTRACE_GETREGSET, child, 0x777, P(&iov)));
	iov = (struct iovec){ x, 4096 };
	TRY(tr(PTRACE_GETREGSET, child, NT_PRSTATUS, P(&iov)));
	printf("len %zu\n", iov.iov_len);
	TRY(tr(PTRACE_GETREGSET, child, NT_PRFPREG, P(&iov)));
	printf("len %zu\n", iov.iov_len);
	iov.iov_len = sizeof(x);
	TRY(tr(PTRACE_GETREGSET, child, NT_X86_XSTATE, P(&iov)));
	printf("xstate %d xcr0 %d\n", iov.iov_len >= 576 && iov.iov_len < sizeof(x), (x[464] & 3) == 3);
	TRY(tr(PTRACE_GETFPREGS, child, 0, P(&fp)));
	memcpy(&word, &fp.xmm_space[20], 8);
	printf("xmm5 %lx mxcsr %x cwd %x xstate's %d\n", word, fp.mxcsr, fp.cwd, memcmp(x + 160 + 80, &fp.xmm_space[20], 16) == 0);
	fp.mxcsr |= 0x80000000;
	TRY(tr(PTRACE_SETFPREGS, child, 0, P(&fp)));
	fp.mxcsr &= 0xffff;
	fp.xmm_space[20] = 0x77;
	fp.xmm_space[21] = 0;
	TRY(tr(PTRACE_SETFPREGS, child, 0, P(&fp)));
	TRY(tr(PTRACE_GETFPREGS, child, 0, P(&again)));
	printf("xmm5 %x\n", again.xmm_space[20]);
	iov.iov_len = sizeof(x);
	CHECK(tr(PTRACE_GETREGSET, child, NT_X86_XSTATE, P(&iov)) == 0);
	x[160 + 80] = 0x99;
	TRY(tr(PTRACE_SETREGSET, child, NT_X86_XSTATE, P(&iov)));
	x[512 + 15] = 0xff;				/* a header that no CPU takes */
	TRY(tr(PTRACE_SETREGSET, child, NT_X86_XSTATE, P(&iov)));
	iov.iov_len = 576 - 64;
	TRY(tr(PTRACE_SETREGSET, child, NT_X86_XSTATE, P(&iov)));
	TRY(tr(PTRACE_POKEUSR, child, offsetof(struct user_regs_struct, eflags), 0xffffff));
	printf("flags %llx\n", regs_of(child).eflags & 0xfffbffff & ~0x4000ULL);
	CHECK(tr(PTRACE_POKEUSR, child, offsetof(struct user_regs_struct, eflags), r.eflags) == 0);
	TRY(tr(PTRACE_POKEUSR, child, offsetof(struct user_regs_struct, cs), 0));
	TRY(tr(PTRACE_POKEUSR, child, offsetof(struct user_regs_struct, cs), 0x10));
	TRY(tr(PTRACE_POKEUSR, child, offsetof(struct user_regs_struct, ss), 0x18));
	TRY(tr(PTRACE_POKEUSR, child, offsetof(struct user_regs_struct, fs_base), 1L << 62));
	TRY(tr(PTRACE_POKEUSR, child, offsetof(struct user_regs_struct, fs_base), r.fs_base));
	TRY(tr(PTRACE_POKEUSR, child, 3, 0));
	TRY(tr(PTRACE_POKEUSR, child, sizeof(struct user), 0));
	TRY(tr(PTRACE_POKEUSR, child, sizeof(struct user_regs_struct) + 8, 0));
	TRY(tr(PTRACE_PEEKUSR, child, sizeof(struct user), P(&word)));
	TRY(tr(PTRACE_PEEKUSR, child, 4, P(&word)));
	TRY(tr(PTRACE_PEEKUSR, child, offsetof(struct user_regs_struct, r12), P(&word)));
	printf("r12 %lx\n", word);
	TRY(tr(PTRACE_PEEKUSR, child, offsetof(struct user, u_debugreg) + 56, P(&word)));
	printf("dr7 %lx\n", word);
	TRY(tr(PTRACE_POKEUSR, child, offsetof(struct user, u_debugreg) + 56, 0));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
}

extern char break_here[];
void break_me(void);
__asm__(".text\n.globl break_me\nbreak_me:\n nop\n.globl break_here\nbreak_here: nop\n nop\n ret\n");

static char *ro_private, *ro_shared, *rw_shared;
static void memory_child(void)
{
	break_me();
	_exit(ro_private[8] == 'X' && rw_shared[8] == 'Y' ? 33 : 34);
}

static void memory(void)
{
	unsigned long word, was;
	struct user_regs_struct r;
	pid_t child;

	ro_private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ro_shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	rw_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ro_private[8] = 'o';
	CHECK(mprotect(ro_private, 4096, PROT_READ) == 0);
	child = traced(memory_child);
	TRY(tr(PTRACE_PEEKTEXT, child, P(break_here), P(&was)));
	printf("text %lx\n", was & 0xffffff);
	TRY(tr(PTRACE_POKETEXT, child, P(break_here), (was & ~0xffUL) | 0xcc));
	printf("ours %02x\n", (unsigned char)break_here[0]);
	TRY(tr(PTRACE_POKEDATA, child, P(ro_private + 8), 'X'));
	printf("ours %c\n", ro_private[8]);
	TRY(tr(PTRACE_POKEDATA, child, P(rw_shared + 8), 'Y'));
	printf("ours %c\n", rw_shared[8]);
	TRY(tr(PTRACE_POKEDATA, child, P(ro_shared + 8), 'Z'));
	TRY(tr(PTRACE_PEEKDATA, child, P(ro_private + 8), P(&word)));
	printf("word %lx\n", word);
	TRY(tr(PTRACE_POKEDATA, child, P(ro_private + 8), 'X'));
	TRY(tr(PTRACE_PEEKDATA, child, 8, P(&word)));
	TRY(tr(PTRACE_POKEDATA, child, 8, 1));
	TRY(tr(PTRACE_PEEKDATA, child, 1L << 63, P(&word)));
	TRY(tr(PTRACE_PEEKDATA, child, P(ro_private), 8));
	tr(PTRACE_CONT, child, 0, 0);
	W(child);
	r = regs_of(child);
	printf("behind the breakpoint %d\n", r.rip == (uintptr_t)break_here + 1);
	info_of(child);
	CHECK(tr(PTRACE_POKETEXT, child, P(break_here), was) == 0);
	r.rip--;
	TRY(tr(PTRACE_SETREGS, child, 0, P(&r)));
	TRY(tr(PTRACE_CONT, child, 0, 0));
	W(child);
}

/* --- calls that are interrupted --- */

static void reads(void)
{
	char c = 0;

	is_ready();
	_exit(read(pipe_of[0], &c, 1) == 1 && c == 'q' ? 41 : 42);
}

static void restarts(void)
{
	pid_t child;

	CHECK(pipe(pipe_of) == 0);
	child = running(reads);
	await_state(child, 'S');
	CHECK(tr(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESYSGOOD) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(tr(PTRACE_INTERRUPT, child, 0, 0) == 0);
		W(child);
		printf("  call %lld result %lld\n", regs_of(child).orig_rax, regs_of(child).rax);
		CHECK(tr(PTRACE_CONT, child, 0, 0) == 0);
		await_state(child, 'S');
	}
	CHECK(tr(PTRACE_INTERRUPT, child, 0, 0) == 0);
	W(child);
	CHECK(tr(PTRACE_SYSCALL, child, 0, 0) == 0);
	W(child);
	call_info(child);
	CHECK(write(pipe_of[1], "q", 1) == 1);
	CHECK(tr(PTRACE_SYSCALL, child, 0, 0) == 0);
	W(child);
	call_info(child);
	CHECK(tr(PTRACE_CONT, child, 0, 0) == 0);
	W(child);
}

static void sleeps_long(void)
{
	struct timespec ts = { 0, 200000000 };

	is_ready();
	_exit(nanosleep(&ts, NULL) == 0 ? 43 : 44);
}

static void sleep_goes_on(void)
{
	pid_t child = running(sleeps_long);

	CHECK(tr(PTRACE_SEIZE, child, 0, 0) == 0);
	for (int i = 0; i < 5; i++) {
		CHECK(tr(PTRACE_INTERRUPT, child, 0, 0) == 0);
		wait_one("child", child, 0);
		CHECK(tr(PTRACE_CONT, child, 0, 0) == 0);
	}
	W(child);
}

/* --- rights and mistakes --- */

static void mistakes(void)
{
	pid_t child = traced(nothing), free_child = running(pauses), zombie = fork();
	unsigned long word;

	if (zombie == 0)
		_exit(0);
	await_state(zombie, 'Z');
	TRY(tr(PTRACE_ATTACH, getpid(), 0, 0));
	TRY(tr(PTRACE_ATTACH, 999999, 0, 0));
	TRY(tr(PTRACE_ATTACH, zombie, 0, 0));
	TRY(tr(PTRACE_ATTACH, -1, 0, 0));
	TRY(tr(PTRACE_CONT, free_child, 0, 0));
	TRY(tr(PTRACE_CONT, 999999, 0, 0));
	TRY(tr(PTRACE_CONT, child, 0, 65));
	TRY(tr(PTRACE_CONT, child, 0, -1));
	TRY(tr(PTRACE_SYSCALL, child, 0, 1000));
	TRY(tr(PTRACE_SETOPTIONS, child, 0, 0x1000));
	TRY(tr(PTRACE_LISTEN, child, 0, 0));
	TRY(tr(PTRACE_INTERRUPT, child, 0, 0));
	TRY(tr(0x4299, child, 0, 0));
	TRY(tr(0x4299, free_child, 0, 0));
	TRY(tr(PTRACE_GETREGS, child, 0, 8));
	TRY(tr(PTRACE_SETREGS, child, 0, 8));
	TRY(tr(PTRACE_GETSIGINFO, child, 0, 8));
	TRY(tr(PTRACE_SETSIGINFO, child, 0, 8));
	TRY(tr(PTRACE_GETEVENTMSG, child, 0, 8));
	TRY(tr(PTRACE_GETREGSET, child, NT_PRSTATUS, 8));
	TRY(tr(PTRACE_GETREGSET, free_child, NT_PRSTATUS, 8));
	TRY(tr(PTRACE_PEEKDATA, free_child, P(&word), P(&word)));
	TRY(tr(PTRACE_ATTACH, child, 0, 0));
	TRY(tr(PTRACE_SEIZE, child, 0, 0));
	TRY(tr(PTRACE_KILL, free_child, 0, 0));
	TRY(tr(PTRACE_KILL, child, 0, 0));
	W(child);
	TRY(tr(PTRACE_DETACH, child, 0, 0));
	kill(free_child, SIGKILL);
	W(free_child);
	W(zombie);
}

static void hides(void)
{
	CHECK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
	pauses();
}

/* Until its parent is gone: as root's it cannot be killed by whom that has become. */
static void lasts(void)
{
	char c;

	close(pipe_of[1]);
	is_ready();
	(void)!read(pipe_of[0], &c, 1);
}

static void rights(void)
{
	pid_t roots, child;

	CHECK(pipe(pipe_of) == 0);
	roots = geteuid() == 0 ? running(lasts) : 1;
	be_nobody();
	TRY(tr(PTRACE_ATTACH, 1, 0, 0));
	if (roots != 1)
		CHECK(tr(PTRACE_ATTACH, roots, 0, 0) == -1 && errno == EPERM && tr(PTRACE_SEIZE, roots, 0, 0) == -1 && errno == EPERM);
	child = running(hides);		/* its writing end goes with it */
	TRY(tr(PTRACE_SEIZE, child, 0, 0));
	kill(child, SIGKILL);
	W(child);
}

/* A copy of this program, with a mode of its own: one that takes its owner's rights. */
static char set_id[] = "/tmp/tracing-XXXXXX";
static void make_set_id(mode_t mode)
{
	int in = open("/proc/self/exe", O_RDONLY), out = mkstemp(set_id);
	char buf[65536];
	ssize_t n;

	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK(write(out, buf, n) == n);
	CHECK(fchmod(out, mode) == 0 && close(out) == 0 && close(in) == 0);
}

static void execs_set_id(void)
{
	execl(set_id, set_id, "who", NULL);
	_exit(99);
}

/* One without rights asks a parent who has them to trace it: that does not make set-user-ID programs keep theirs. */
static void set_user_id(void)
{
	for (int way = 0; way < 3 && geteuid() == 0; way++) {
		static const char *const what[] = { "asks", "asks as root", "root attaches" };
		pid_t child;
		int status;

		strcpy(set_id + sizeof(set_id) - 7, "XXXXXX");
		make_set_id(04755);
		CHECK(pipe(pipe_of) == 0);
		child = fork();
		if (child == 0) {
			if (way == 1)
				CHECK(tr(PTRACE_TRACEME, 0, 0, 0) == 0);
			be_nobody();
			if (way == 0)
				CHECK(tr(PTRACE_TRACEME, 0, 0, 0) == 0);
			if (way == 2)
				CHECK(close(pipe_of[1]) == 0 && read(pipe_of[0], &status, 1) == 0);
			execs_set_id();
		}
		if (way == 2)
			CHECK(tr(PTRACE_SEIZE, child, 0, 0) == 0);
		close(pipe_of[1]);
		while (waitpid(child, &status, 0) == child && WIFSTOPPED(status))
			tr(PTRACE_CONT, child, 0, 0);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != (way == 0 ? 2 : 1))
			fail("%s: ended with %#x", what[way], status);
		close(pipe_of[0]);
		CHECK(unlink(set_id) == 0);
	}
}

/* What may be run and not read is not read in memory either, by whoever may not trace all: its own user. */
static void exec_only(void)
{
	char path[40];
	struct stat st;
	pid_t child;
	int status;
	long word;

	be_nobody();
	make_set_id(0111);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK(tr(PTRACE_TRACEME, 0, 0, 0) == 0);
		execl(set_id, set_id, "dumpable", NULL);
		_exit(99);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP && unlink(set_id) == 0);
	word = regs_of(child).rsp;
	CHECK(tr(PTRACE_PEEKDATA, child, word, P(&word)) == -1 && errno == EIO && tr(PTRACE_POKEDATA, child, word, 0) == -1 && errno == EIO);
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	CHECK(stat(path, &st) == 0 && st.st_uid == 0 && open(path, O_RDONLY) == -1 && errno == EACCES);
	CHECK(tr(PTRACE_DETACH, child, 0, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	CHECK(tr(PTRACE_SEIZE, child, 0, 0) == -1 && errno == EPERM && tr(PTRACE_ATTACH, child, 0, 0) == -1 && errno == EPERM);
	CHECK(kill(child, SIGCONT) == 0 && waitpid(child, &status, 0) == child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 21 || WEXITSTATUS(status) < 20)
		fail("ended with %#x", status);
}

/* --- many at once: nothing is lost and nobody hangs --- */

/* The next of a process's threads, 0 behind the last; *d is NULL at first. */
static pid_t next_thread(pid_t pid, DIR **d)
{
	struct dirent *e = NULL;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	if (*d == NULL)
		*d = opendir(path);
	while (*d != NULL && (e = readdir(*d)) != NULL && e->d_name[0] == '.')
		;
	if (e == NULL && *d != NULL)
		closedir(*d);
	return e == NULL ? 0 : atoi(e->d_name);
}

static volatile int stop_now;
static void *busy(void *arg)
{
	(void)arg;
	while (!stop_now)
		sys(SYS_getppid, 0, 0, 0);
	return NULL;
}

static void busy_threads(void)
{
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&t[i], NULL, busy, NULL) == 0);
	is_ready();
	usleep(20000);
	stop_now = 1;
	_exit(0);
}

/* Attach to whatever is there while it comes to its end; then all of it must be gone. */
static void races(void)
{
	for (int i = 0; i < 30; i++) {
		pid_t child = running(busy_threads), pid, tid;
		int status, stops = 0;
		DIR *tids = NULL;

		while ((tid = next_thread(child, &tids)) != 0)
			if (tr(i % 2 ? PTRACE_SEIZE : PTRACE_ATTACH, tid, 0, i % 3 && i % 2 ? PTRACE_O_TRACEEXIT : 0) == 0 && i % 2)
				tr(PTRACE_INTERRUPT, tid, 0, 0);
		if (i % 5 == 0)
			kill(child, SIGKILL);
		while ((pid = waitpid(-1, &status, __WALL)) > 0) {
			if (!WIFSTOPPED(status))
				continue;
			/* at some point all run freely, or those that are stepped leave no time for the one that ends it */
			switch (stops++ < 200 ? (i + pid) % 4 : 3) {
			case 0: tr(PTRACE_DETACH, pid, 0, 0); break;
			case 1: tr(PTRACE_SYSCALL, pid, 0, 0); break;
			case 2: tr(PTRACE_SINGLESTEP, pid, 0, 0); break;
			default: tr(PTRACE_CONT, pid, 0, 0);
			}
		}
		CHECK(errno == ECHILD);
		close(ready[0]);
		close(ready[1]);
	}
	printf("all ended\n");
}

static void *execs_late(void *arg)
{
	(void)arg;
	usleep(1000);
	execs();
	return NULL;
}

static void exec_races_child(void)
{
	pthread_t t[3];

	CHECK(pthread_create(&t[0], NULL, busy, NULL) == 0);
	CHECK(pthread_create(&t[1], NULL, execs_late, NULL) == 0);
	CHECK(pthread_create(&t[2], NULL, busy, NULL) == 0);
	is_ready();
	for (;;)
		pause();
}

/*
 * On Linux who attaches to a group of which one thread is in execve may sleep for that one, which waits for the attacher to reap those it
 * has attached to already (one run in six): there this is passed over.
 */
static void exec_races(void)
{
	struct utsname u;
	bool here = uname(&u) == 0 && strstr(u.release, "tangram") != NULL;

	for (int i = 0; here && i < 20; i++) {
		pid_t child = running(exec_races_child), pid, tid;
		DIR *tids = NULL;
		int status, last = -1, stops = 0;

		while ((tid = next_thread(child, &tids)) != 0)
			if (tr(PTRACE_SEIZE, tid, 0, i % 2 ? PTRACE_O_TRACEEXEC : 0) == 0 && i % 3 == 0)
				tr(PTRACE_INTERRUPT, tid, 0, 0);
		while ((pid = waitpid(-1, &status, __WALL)) > 0) {
			if (pid == child)
				last = status;
			if (WIFSTOPPED(status))
				tr(i % 4 || stops++ > 200 ? PTRACE_CONT : PTRACE_SYSCALL, pid, 0, 0);
		}
		CHECK(errno == ECHILD && WIFEXITED(last) && WEXITSTATUS(last) == 7);
		close(ready[0]);
		close(ready[1]);
	}
	printf("all ended\n");
}

/* --- what a filter leaves to the tracer: seccomp(2) --- */

static void filtered_child(void)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 33),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 44),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(insn) / sizeof(insn[0]), insn };
	long rc[6];

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
	for (int i = 0; i < 6; i++)
		rc[i] = sys(SYS_getppid, 1, 2, 3);
	printf("results: %ld, own %d, parent's %d, %ld, %ld, %ld\n", rc[0], rc[1] == sys(SYS_getpid, 0, 0, 0), rc[2] > 0 && rc[2] != rc[1],
	       rc[3], rc[4], rc[5]);
	fflush(stdout);
}

static void show_filtered(pid_t pid)
{
	struct ptrace_syscall_info info = { 0 };
	struct user_regs_struct r = regs_of(pid);
	long size = tr(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), P(&info));

	info_of(pid);
	printf("  message %ld, op %d, nr %lld, args %lld %lld, data %u, size %ld, rax %lld\n", message_of(pid), info.op,
	       (long long)info.seccomp.nr, (long long)info.seccomp.args[0], (long long)info.seccomp.args[1], info.seccomp.ret_data, size,
	       (long long)r.rax);
}

static void filter_asks(void)
{
	pid_t child = traced(filtered_child);
	struct user_regs_struct r;

	TRY(tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD));
	for (int i = 0; i < 5; i++) {
		tr(i == 4 ? PTRACE_SYSCALL : PTRACE_CONT, child, 0, 0);
		W(child);
		if (i == 4) {
			tr(PTRACE_CONT, child, 0, 0);	/* stopped where it began: next comes what the filter says */
			W(child);
		}
		show_filtered(child);
		r = regs_of(child);
		if (i == 0 || i == 3) {			/* no call, and this result */
			r.orig_rax = -1;
			r.rax = i == 0 ? 77 : -514;
		} else if (i == 1) {
			r.orig_rax = SYS_getpid;
		} else if (i == 4) {
			r.orig_rax = SYS_getpgid;	/* which the filter is asked about, too */
		}
		CHECK(tr(PTRACE_SETREGS, child, 0, P(&r)) == 0);
	}
	TRY(tr(PTRACE_SETOPTIONS, child, 0, 0));	/* nobody to ask */
	tr(PTRACE_CONT, child, 0, 0);
	W(child);
	child = traced(filtered_child);			/* killed in the stop */
	TRY(tr(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP));
	tr(PTRACE_CONT, child, 0, 0);
	W(child);
	TRY(kill(child, SIGKILL));
	W(child);
}

static const struct { const char *name; void (*fn)(void); } scenes[] = {
#define S(fn) { #fn, fn },
	S(exec_plain) S(exec_event) S(syscalls) S(sysgood_off) S(singlestep) S(step_into_handler) S(step_fork) S(signals) S(masks) S(attaches)
	S(attach_stopped) S(group_stop) S(seizes) S(seize_stopped) S(fork_events) S(fork_events_seized) S(clone_flags) S(threads)
	S(leader_first) S(exec_in_thread) S(killed_while_stopped) S(group_of_threads) S(other_thread_waits) S(waitid_stops) S(exit_event)
	S(tracer_reaps) S(tracer_ends) S(tracer_ends_and_kills) S(tracer_ends_in_stop) S(no_such_signal) S(parent_sees_stops) S(tracer_is_told) S(registers)
	S(memory) S(restarts) S(sleep_goes_on) S(mistakes) S(rights) S(set_user_id) S(exec_only) S(filter_asks) S(races) S(exec_races)
};

static bool wanted(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc == 3 && strcmp(argv[1], "exit") == 0)
		_exit(atoi(argv[2]));
	if (argc == 2 && strcmp(argv[1], "who") == 0)
		_exit(geteuid() == 0 ? 1 : 2);
	if (argc == 2 && strcmp(argv[1], "dumpable") == 0)
		_exit(20 + prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		pid_t pid;
		int status;

		if (!wanted(argc, argv, scenes[i].name))
			continue;
		printf("== %s\n", scenes[i].name);
		fflush(stdout);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			alarm(60);
			scenes[i].fn();
			fflush(stdout);
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		if (status != 0)
			fail("%s ended with %#x", scenes[i].name, status);
	}
	return ok("");
}
