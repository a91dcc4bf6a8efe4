/* SPDX-License-Identifier: MIT */
/* pidfd: descriptors of processes. pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), waitid(2), clone(2). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define PIDFD 3			/* of waitid() */

static int pidfd_open(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }
static int send(int fd, int sig, siginfo_t *info, unsigned flags) { return syscall(SYS_pidfd_send_signal, fd, sig, info, flags); }
static int getfd(int fd, int target, unsigned flags) { return syscall(SYS_pidfd_getfd, fd, target, flags); }
static int wait_for(int fd, siginfo_t *info, int options) { return syscall(SYS_waitid, PIDFD, fd, info, options, NULL); }

static pid_t sleeper(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

static int polled(int fd, int timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK(poll(&p, 1, timeout) >= 0);
	return p.revents & POLLIN;
}

/* A process's folder in /proc will do to send signals, for as long as it is the same process. */
static void by_folder(void)
{
	pid_t pid = sleeper();
	siginfo_t info;
	char path[64];
	int fd, status;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0 && send(fd, 0, NULL, 0) == 0);
	CHECK(wait_for(fd, &info, WEXITED | WNOHANG) < 0 && errno == EBADF);
	CHECK(getfd(fd, 0, 0) < 0 && errno == EBADF);
	CHECK(send(fd, SIGKILL, NULL, 0) == 0 && waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
	CHECK(send(fd, 0, NULL, 0) < 0 && errno == ESRCH);
	close(fd);
	fd = open("/proc", O_RDONLY | O_DIRECTORY);
	CHECK(send(fd, 0, NULL, 0) < 0 && errno == EBADF);
	close(fd);
}

static void wrong(void)
{
	pid_t pid = sleeper();
	int fd = pidfd_open(pid, 0), two[2];
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };

	CHECK(pipe(two) == 0 && fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(pidfd_open(0, 0) < 0 && errno == EINVAL);
	CHECK(pidfd_open(-1, 0) < 0 && errno == EINVAL);
	CHECK(pidfd_open(pid, 1) < 0 && errno == EINVAL);
	CHECK(pidfd_open(0x3fffff, 0) < 0 && errno == ESRCH);
	CHECK(send(two[0], 0, NULL, 0) < 0 && errno == EBADF);
	CHECK(send(999, 0, NULL, 0) < 0 && errno == EBADF);
	CHECK(send(fd, 0, NULL, 0x1000) < 0 && errno == EINVAL);
	CHECK(send(fd, 100, NULL, 0) < 0 && errno == EINVAL);
	CHECK(send(fd, SIGUSR2, &info, 0) < 0 && errno == EINVAL);	/* not what the information says */
	info.si_code = SI_USER;
	CHECK(send(fd, SIGUSR1, &info, 0) < 0 && errno == EPERM);
	CHECK(send(fd, SIGUSR1, (void *)8, 0) < 0 && errno == EFAULT);
	CHECK(getfd(fd, 0, 1) < 0 && errno == EINVAL);
	CHECK(getfd(fd, 999, 0) < 0 && errno == EBADF);
	CHECK(getfd(two[0], 0, 0) < 0 && errno == EBADF);
	CHECK(wait_for(two[0], &info, WEXITED) < 0 && errno == EBADF);
	CHECK(wait_for(999, &info, WEXITED) < 0 && errno == EBADF);
	CHECK(wait_for(fd, &info, 0) < 0 && errno == EINVAL);
	CHECK(read(fd, &info, 8) < 0 && errno == EINVAL);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	CHECK(send(fd, 0, NULL, 0) < 0 && errno == ESRCH);
	CHECK(wait_for(fd, &info, WEXITED) < 0 && errno == ECHILD);
	CHECK(polled(fd, 0) != 0);
	close(fd);
	close(two[0]);
	close(two[1]);
}

static void ended(void)
{
	pid_t pid = sleeper();
	int fd = pidfd_open(pid, 0), again = pidfd_open(pid, O_NONBLOCK), ep = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN };
	siginfo_t info = { 0 };

	CHECK(fd >= 0 && again >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
	CHECK(polled(fd, 0) == 0 && epoll_wait(ep, &e, 1, 0) == 0);
	CHECK(wait_for(fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
	CHECK(wait_for(again, &info, WEXITED) < 0 && errno == EAGAIN);
	CHECK(send(fd, SIGSTOP, NULL, 0) == 0);
	CHECK(wait_for(fd, &info, WSTOPPED) == 0 && info.si_pid == pid && info.si_code == CLD_STOPPED && info.si_status == SIGSTOP);
	CHECK(send(fd, SIGCONT, NULL, 0) == 0 && send(fd, SIGTERM, NULL, 0) == 0);
	CHECK(polled(fd, -1) != 0 && epoll_wait(ep, &e, 1, -1) == 1);
	CHECK(wait_for(fd, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == pid && info.si_code == CLD_KILLED && info.si_status == SIGTERM);
	CHECK(send(fd, 0, NULL, 0) == 0);				/* a zombie is still there */
	CHECK(wait_for(again, &info, WEXITED) == 0 && info.si_pid == pid);
	CHECK(wait_for(fd, &info, WEXITED) < 0 && errno == ECHILD);
	close(fd);
	close(again);
	close(ep);
}

static int got;

static void handler(int sig, siginfo_t *info, void *context)
{
	got = info->si_value.sival_int + sig * 1000 + (context == NULL);
}

static void signals(void)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };
	int fd = pidfd_open(getpid(), 0);

	CHECK(fd >= 0 && sigaction(SIGUSR1, &act, NULL) == 0);
	info.si_value.sival_int = 42;
	CHECK(send(fd, SIGUSR1, &info, 0) == 0 && got == SIGUSR1 * 1000 + 42);
	CHECK(polled(fd, 0) == 0);
	close(fd);
}

static void descriptors(void)
{
	int two[2], fd, copy;
	pid_t pid;
	char c = 0;

	CHECK(pipe(two) == 0);
	pid = sleeper();				/* it has both ends */
	close(two[1]);
	fd = pidfd_open(pid, 0);
	copy = getfd(fd, two[1], 0);
	CHECK(fd >= 0 && copy >= 0 && fcntl(copy, F_GETFD) == FD_CLOEXEC);
	CHECK(write(copy, "x", 1) == 1 && read(two[0], &c, 1) == 1 && c == 'x');
	close(copy);
	CHECK(send(fd, SIGKILL, NULL, 0) == 0 && waitpid(pid, NULL, 0) == pid);
	CHECK(getfd(fd, two[1], 0) < 0 && errno == ESRCH);
	CHECK(read(two[0], &c, 1) == 0);
	close(two[0]);
	close(fd);
}

static void cloned(void)
{
	int fd = -1;
	siginfo_t info;
	pid_t pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &fd, NULL, 0);
	uint64_t args[11] = { CLONE_PIDFD, 0, 0, 0, SIGCHLD };

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(fd == -1 ? 5 : 6);			/* stored in the parent's memory alone */
	CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(wait_for(fd, &info, WEXITED) == 0 && info.si_pid == pid && info.si_status == 5);
	close(fd);
	fd = -1;
	args[1] = (uint64_t)&fd;
	pid = syscall(SYS_clone3, args, sizeof(args));
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(7);
	CHECK(fd >= 0 && wait_for(fd, &info, WEXITED) == 0 && info.si_pid == pid && info.si_status == 7);
	close(fd);
	CHECK(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, &fd, NULL, 0) < 0 && errno == EINVAL);
	args[1] = 8;
	CHECK(syscall(SYS_clone3, args, sizeof(args)) < 0 && errno == EFAULT);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	fd = open("/dev/null", O_RDONLY);
	CHECK(fd == 3);						/* what was reserved is free again */
	close(fd);
}

int main(void)
{
	by_folder();
	wrong();
	ended();
	signals();
	descriptors();
	cloned();
	return ok("");
}
