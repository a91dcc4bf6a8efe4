/* SPDX-License-Identifier: MIT */
/* kcmp: what two processes share, and the names of the machine. kcmp(2), sethostname(2). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "check.h"

enum { FILE_, VM, FILES, FS, SIGHAND };
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

int main(void)
{
	shared();
	if (geteuid() == 0) {			/* the rest is of root's rights */
		CHECK(status_in_child(not_of_others) == 0);
		names();
	}
	return ok("");
}
