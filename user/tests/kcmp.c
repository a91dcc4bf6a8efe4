/* SPDX-License-Identifier: MIT */
/* kcmp: what two processes share, and the names of the machine. kcmp(2), sethostname(2). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "check.h"

enum { FILE_, VM, FILES, FS, SIGHAND, IO };
#define NOBODY 65534

static int same(pid_t a, pid_t b, int what, int fd1, int fd2)
{
	long rc = syscall(SYS_kcmp, a, b, what, fd1, fd2);

	CHECK(rc >= 0 && rc <= 2);
	return rc == 0;
}

static char stack[65536];

static int rest(void *arg)
{
	char c;

	return read(*(int *)arg, &c, 1) < 0;
}

static void shared(void)
{
	int two[2], copy;
	pid_t me = getpid(), pid;

	CHECK(pipe(two) == 0);
	copy = dup(two[0]);
	CHECK(same(me, me, VM, 0, 0) && same(me, me, FILES, 0, 0) && same(me, me, FILE_, two[0], copy) && !same(me, me, FILE_, two[0], two[1]));
	pid = clone(rest, stack + sizeof(stack), CLONE_FS | SIGCHLD, two);
	CHECK(pid > 0);
	CHECK(same(me, pid, FS, 0, 0) && !same(me, pid, VM, 0, 0) && !same(me, pid, FILES, 0, 0) && !same(me, pid, SIGHAND, 0, 0));
	CHECK(same(me, pid, FILE_, two[0], copy));
	CHECK(syscall(SYS_kcmp, me, pid, FILE_, two[0], 999) < 0 && errno == EBADF);
	CHECK(syscall(SYS_kcmp, me, pid, 99, 0, 0) < 0 && errno == EINVAL);
	CHECK(syscall(SYS_kcmp, me, 0x3fffff, VM, 0, 0) < 0 && errno == ESRCH);
	CHECK(write(two[1], "x", 1) == 1 && waitpid(pid, NULL, 0) == pid);
	pid = clone(rest, stack + sizeof(stack), CLONE_FILES | CLONE_VM | SIGCHLD, two);
	CHECK(pid > 0);
	CHECK(!same(me, pid, FS, 0, 0) && same(me, pid, VM, 0, 0) && same(me, pid, FILES, 0, 0));
	CHECK(write(two[1], "x", 1) == 1 && waitpid(pid, NULL, 0) == pid);
}

static int ignores(void *arg)
{
	(void)arg;
	return signal(SIGUSR1, SIG_IGN) == SIG_ERR;
}

static int execs(void *arg)
{
	(void)arg;
	execl("/proc/self/exe", "kcmp", "handles", NULL);
	return 1;
}

/* What signals do, shared by processes until one execs; and the order of their I/O. ioprio_set(2) */
static void shared_by_processes(void)
{
	struct sigaction act;
	int two[2], status;
	pid_t me = getpid(), pid;

	CHECK(pipe(two) == 0);
	pid = clone(rest, stack + sizeof(stack), CLONE_VM | CLONE_SIGHAND | CLONE_IO | SIGCHLD, two);
	CHECK(pid > 0 && same(me, pid, SIGHAND, 0, 0) && same(me, pid, IO, 0, 0));
	CHECK(unshare(CLONE_SIGHAND) < 0 && errno == EINVAL);
	CHECK(write(two[1], "x", 1) == 1 && waitpid(pid, NULL, 0) == pid);
	pid = clone(ignores, stack + sizeof(stack), CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(sigaction(SIGUSR1, NULL, &act) == 0 && act.sa_handler == SIG_IGN && kill(me, SIGUSR1) == 0);
	CHECK(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
	pid = clone(execs, stack + sizeof(stack), CLONE_VM | CLONE_SIGHAND | CLONE_VFORK | SIGCHLD, NULL);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(sigaction(SIGUSR1, NULL, &act) == 0 && act.sa_handler == SIG_DFL);
	CHECK(unshare(CLONE_SIGHAND) == 0);

	CHECK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6) == 0);
	pid = clone(rest, stack + sizeof(stack), CLONE_IO | SIGCHLD, two);
	CHECK(pid > 0 && same(me, pid, IO, 0, 0) && syscall(SYS_ioprio_set, 1, pid, 2 << 13 | 5) == 0);
	CHECK(syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 5));
	CHECK(write(two[1], "x", 1) == 1 && waitpid(pid, NULL, 0) == pid);
	pid = clone(rest, stack + sizeof(stack), SIGCHLD, two);
	CHECK(pid > 0 && !same(me, pid, IO, 0, 0) && !same(me, pid, SIGHAND, 0, 0));
	CHECK(syscall(SYS_ioprio_get, 1, pid) == (2 << 13 | 5) && syscall(SYS_ioprio_set, 1, pid, 2 << 13 | 3) == 0);
	CHECK(syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 5));
	CHECK(write(two[1], "x", 1) == 1 && waitpid(pid, NULL, 0) == pid);
}

static void not_of_others(void)
{
	CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
	CHECK(syscall(SYS_kcmp, getpid(), getppid(), VM, 0, 0) < 0 && errno == EPERM);
	CHECK(sethostname("x", 1) < 0 && errno == EPERM && setdomainname("x", 1) < 0 && errno == EPERM);
}

/* Where there are namespaces, in one of its own. */
static void names(void)
{
	struct utsname before, u;
	char shown[80] = "";
	FILE *f;

	CHECK(unshare(CLONE_NEWUTS) == 0 || errno == EINVAL);
	CHECK(uname(&before) == 0);
	CHECK(syscall(SYS_sethostname, "x", 65) < 0 && errno == EINVAL && syscall(SYS_sethostname, "x", -1) < 0 && errno == EINVAL);
	CHECK(syscall(SYS_sethostname, 8, 5) < 0 && errno == EFAULT);
	CHECK(sethostname("changed", 7) == 0 && setdomainname("some.where", 10) == 0 && uname(&u) == 0);
	CHECK(strcmp(u.nodename, "changed") == 0 && strcmp(u.domainname, "some.where") == 0);
	f = fopen("/proc/sys/kernel/hostname", "r");
	CHECK(f != NULL && fgets(shown, sizeof(shown), f) != NULL && strcmp(shown, "changed\n") == 0);
	fclose(f);
	CHECK(sethostname(before.nodename, strlen(before.nodename)) == 0 && setdomainname(before.domainname, strlen(before.domainname)) == 0);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "handles") == 0)
		return signal(SIGUSR1, SIG_IGN) != SIG_DFL;
	shared();
	shared_by_processes();
	if (geteuid() == 0) {			/* the rest is of root's rights */
		CHECK(status_in_child(not_of_others) == 0);
		names();
	}
	return ok("");
}
