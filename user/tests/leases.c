/* SPDX-License-Identifier: MIT */
/* leases: fcntl(2), F_SETLEASE. Prints each call with its outcome, for comparison with Linux. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "plain.h"
#include "said.h"

static sigset_t those;

static const char *name_of(long type)
{
	return type == F_RDLCK ? "read" : type == F_WRLCK ? "write" : type == F_UNLCK ? "none" : strerrorname_np(errno);
}
#define SHOW(fd) printf("lease: %s\n", name_of(fcntl(fd, F_GETLEASE)))

/* A signal comes within a time that no machine needs. */
static int told(siginfo_t *si)
{
	struct timespec late = { 20, 0 };
	int sig = sigtimedwait(&those, si, &late);

	return sig < 0 ? 0 : sig - (sig >= SIGRTMIN ? SIGRTMIN : 0);
}

static void which(void)
{
	int r = open("file", O_RDONLY), w, rw, two[2], d = open(".", O_RDONLY), path = open("file", O_PATH);

	CHECK(r >= 0 && pipe(two) == 0);
	SHOW(r);
	TRY(fcntl(r, F_SETLEASE, F_UNLCK));
	TRY(fcntl(r, F_SETLEASE, 77));
	TRY(fcntl(r, F_SETLEASE, F_RDLCK));
	SHOW(r);
	TRY(fcntl(r, F_SETLEASE, F_WRLCK));
	SHOW(r);
	TRY(fcntl(r, F_SETLEASE, F_RDLCK));
	TRY(fcntl(r, F_SETLEASE, F_UNLCK));
	SHOW(r);
	rw = open("file", O_RDWR);
	TRY(fcntl(rw, F_SETLEASE, F_RDLCK));
	TRY(fcntl(rw, F_SETLEASE, F_WRLCK));		/* r is open, too */
	TRY(fcntl(r, F_SETLEASE, F_RDLCK));
	close(r);
	TRY(fcntl(rw, F_SETLEASE, F_WRLCK));
	SHOW(rw);
	SHOW(dup(rw));
	TRY(fcntl(rw, F_SETLEASE, F_RDLCK));
	TRY(fcntl(rw, F_SETLEASE, F_UNLCK));
	closefrom(3);
	w = open("file", O_WRONLY);
	TRY(fcntl(w, F_SETLEASE, F_WRLCK));
	close(w);
	TRY(fcntl(two[0], F_SETLEASE, F_RDLCK));
	TRY(fcntl(d, F_SETLEASE, F_RDLCK));
	TRY(fcntl(path, F_SETLEASE, F_RDLCK));
	CHECK(pipe(two) == 0);
	TRY(fcntl(two[0], F_SETLEASE, F_RDLCK));
	TRY(fcntl(open(".", O_RDONLY), F_SETLEASE, F_RDLCK));
	TRY(fcntl(open("file", O_PATH), F_SETLEASE, F_RDLCK));
	closefrom(3);
	r = open("/etc/passwd", O_RDONLY);
	TRY(fcntl(r, F_SETLEASE, F_RDLCK));		/* another's */
	close(r);
}

static pid_t opens(int flags, bool cut)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		closefrom(3);
		_exit(cut ? truncate("file", 0) < 0 : open("file", flags) < 0);
	}
	return child;
}

static void broken(int mine, int type, int flags, bool cut, int to)
{
	siginfo_t si = { 0 };
	int fd = open("file", mine), status;
	pid_t child;

	CHECK(fd >= 0);
	TRY(fcntl(fd, F_SETSIG, SIGRTMIN + 2));
	TRY(fcntl(fd, F_SETLEASE, type));
	TRY(open("file", flags | O_NONBLOCK));
	SHOW(fd);
	TRY(told(&si));
	TRY(si.si_code == POLL_MSG && si.si_fd == fd);
	child = opens(flags, cut);
	usleep(50000);
	TRY(waitpid(child, &status, WNOHANG));
	SHOW(fd);
	TRY(fcntl(fd, F_SETLEASE, to));
	CHECK(waitpid(child, &status, 0) == child);
	TRY(WEXITSTATUS(status));
	SHOW(fd);
	close(fd);
}

/* What is in nobody's way leaves a lease alone; one that is closed is none any more. */
static void untouched(void)
{
	int fd = open("file", O_RDONLY), status;
	pid_t child;

	CHECK(fcntl(fd, F_SETLEASE, F_RDLCK) == 0);
	TRY(open("file", O_RDONLY) >= 0);
	CHECK(chmod("file", 0600) == 0);
	SHOW(fd);
	child = fork();
	if (child == 0) {
		int own = open("file", O_RDONLY);

		_exit(fcntl(own, F_SETLEASE, F_RDLCK) != 0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	TRY(WEXITSTATUS(status));
	closefrom(3);
	TRY(open("file", O_RDWR) >= 0);
	closefrom(3);
}

#define BREAK_TIME "/proc/sys/fs/lease-break-time"

/* Who does not give a lease up has it taken away when the time for that is over. The time is the machine's: root's to set, and set back. */
static void taken_away(void)
{
	char old[32] = "";
	int time = open(BREAK_TIME, O_RDWR), fd, status;
	pid_t child;

	if (time < 0 || read(time, old, sizeof(old) - 1) <= 0 || pwrite(time, "1", 1, 0) != 1)
		return;
	fd = open("file", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0);
	child = opens(O_WRONLY, false);
	CHECK(waitpid(child, &status, 0) == child && status == 0 && fcntl(fd, F_GETLEASE) == F_UNLCK);
	CHECK(close(fd) == 0 && unlink("file") == 0);
	CHECK(pwrite(time, old, strlen(old), 0) == (ssize_t)strlen(old) && close(time) == 0);
}

int main(void)
{
	char folder[] = "/tmp/leases.XXXXXX";
	int fd;

	sigemptyset(&those);
	sigaddset(&those, SIGIO);
	sigaddset(&those, SIGRTMIN + 2);
	CHECK(sigprocmask(SIG_BLOCK, &those, NULL) == 0);
	CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	taken_away();
	CHECK(chdir("/") == 0 && rmdir(folder) == 0);
	be_nobody();
	strcpy(folder, "/tmp/leases.XXXXXX");
	while (sigtimedwait(&those, NULL, &(struct timespec){ 0, 0 }) > 0)
		;				/* of the lease that was taken away */
	CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	fd = open("file", O_CREAT | O_WRONLY, 0600);
	CHECK(fd >= 0 && write(fd, "text", 4) == 4 && close(fd) == 0);
	which();
	broken(O_RDONLY, F_RDLCK, O_WRONLY, false, F_UNLCK);
	broken(O_RDONLY, F_RDLCK, O_RDWR, true, F_UNLCK);
	broken(O_RDWR, F_WRLCK, O_RDONLY, false, F_UNLCK);
	broken(O_RDONLY, F_WRLCK, O_RDONLY, false, F_RDLCK);
	broken(O_WRONLY, F_WRLCK, O_RDWR | O_TRUNC, false, F_UNLCK);
	untouched();
	CHECK(unlink("file") == 0 && chdir("/") == 0 && rmdir(folder) == 0);
	return ok("");
}
