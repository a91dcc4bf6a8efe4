/* SPDX-License-Identifier: MIT */
/* text_busy: a file is run or written to, not both; execveat(2) in all its forms. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

extern char **environ;

static void copy_self(const char *name)
{
	char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY), out = open(name, O_WRONLY | O_CREAT | O_EXCL, 0755);
	ssize_t n;

	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK(write(out, buf, n) == n);
	CHECK(n == 0);
	close(in);
	close(out);
}

static int ended(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Status of the program, or 100 + errno of the call. */
static int run_at(int dirfd, const char *path, int flags, const char *arg)
{
	char *argv[] = { "x", (char *)arg, NULL };
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		syscall(SYS_execveat, dirfd, path, argv, environ, flags);
		_exit(100 + errno);
	}
	return ended(pid);
}

static int refused(int fd) { return fd < 0 ? errno : 0; }

/* "x wait": runs until its standard input ends. */
static pid_t start_waiting(int *stop)
{
	int two[2];
	pid_t pid;

	CHECK(pipe2(two, O_CLOEXEC) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(two[0], 0);
		execl("prog", "x", "wait", NULL);
		_exit(100 + errno);
	}
	close(two[0]);
	*stop = two[1];
	for (;;) {				/* until it is that program */
		char path[64], name[4096];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/exe", pid);
		n = readlink(path, name, sizeof(name) - 1);
		if (n > 5 && memcmp(name + n - 5, "/prog", 5) == 0)
			break;
		usleep(1000);
	}
	return pid;
}

static void busy(void)
{
	int stop, fd;
	pid_t pid;

	copy_self("prog");
	pid = start_waiting(&stop);
	CHECK(refused(open("prog", O_WRONLY)) == ETXTBSY);
	CHECK(refused(open("prog", O_RDWR)) == ETXTBSY);
	CHECK(refused(open("prog", O_RDONLY | O_TRUNC)) == ETXTBSY);
	CHECK(refused(creat("prog", 0700)) == ETXTBSY);
	CHECK(truncate("prog", 0) < 0 && errno == ETXTBSY);
	fd = open("prog", O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	CHECK(run_at(AT_FDCWD, "prog", 0, "7") == 7);		/* once more, while it runs */
	CHECK(refused(open("prog", O_WRONLY)) == ETXTBSY);
	close(stop);
	CHECK(ended(pid) == 0);
	fd = open("prog", O_WRONLY);
	CHECK(fd >= 0);
	CHECK(run_at(AT_FDCWD, "prog", 0, "7") == 100 + ETXTBSY);
	close(fd);
	CHECK(run_at(AT_FDCWD, "prog", 0, "7") == 7);
	CHECK(truncate("prog", 100) == 0);
	CHECK(run_at(AT_FDCWD, "prog", 0, "7") != 7);
	CHECK(unlink("prog") == 0);
}

static void at(void)
{
	int dir, fd, script;

	CHECK(mkdir("d", 0700) == 0);
	copy_self("d/prog");
	CHECK(symlink("prog", "d/link") == 0);
	dir = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(dir >= 0);
	CHECK(run_at(dir, "prog", 0, "8") == 8 && run_at(dir, "link", 0, "9") == 9);
	CHECK(run_at(dir, "link", AT_SYMLINK_NOFOLLOW, "9") == 100 + ELOOP);
	CHECK(run_at(dir, "prog", 0x4000, "9") == 100 + EINVAL);
	CHECK(run_at(dir, "none", 0, "9") == 100 + ENOENT && run_at(dir, "", 0, "9") == 100 + ENOENT);
	CHECK(run_at(dir, "", AT_EMPTY_PATH, "9") == 100 + EACCES);
	CHECK(run_at(99, "prog", 0, "9") == 100 + EBADF && run_at(99, "/none", 0, "9") == 100 + ENOENT);
	for (int flags = O_RDONLY; flags <= O_PATH; flags += O_PATH) {
		fd = open("d/prog", flags | O_CLOEXEC);
		CHECK(fd >= 0);
		CHECK(run_at(fd, "", AT_EMPTY_PATH, "10") == 10 && run_at(fd, "x", 0, "10") == 100 + ENOTDIR);
		close(fd);
	}
	fd = open("d/script", O_WRONLY | O_CREAT, 0755);
	CHECK(fd >= 0 && dprintf(fd, "#!./d/prog script\n") > 0);
	close(fd);
	script = open("d/script", O_RDONLY);
	CHECK(run_at(script, "", AT_EMPTY_PATH, "11") == 77 && run_at(dir, "script", 0, "11") == 77);
	CHECK(fcntl(script, F_SETFD, FD_CLOEXEC) == 0 && run_at(script, "", AT_EMPTY_PATH, "11") == 100 + ENOENT);
	close(script);
	close(dir);
	CHECK(unlink("d/script") == 0 && unlink("d/link") == 0 && unlink("d/prog") == 0 && rmdir("d") == 0);
}

/* Memory that was written to as a file, run. */
static void from_memory(void)
{
	int in = open("/proc/self/exe", O_RDONLY), fd = syscall(SYS_memfd_create, "m", 1);
	char buf[65536];
	ssize_t n;

	CHECK(in >= 0 && fd >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK(write(fd, buf, n) == n);
	CHECK(fchmod(fd, 0700) == 0);
	CHECK(run_at(fd, "", AT_EMPTY_PATH, "12") == 12);
	close(in);
	close(fd);
}

static void not_cut(void)
{
	CHECK(mkfifo("fifo", 0600) == 0 && truncate("fifo", 0) < 0 && errno == EINVAL && unlink("fifo") == 0);
	CHECK(truncate(".", 0) < 0 && errno == EISDIR);
	CHECK(truncate("none", 0) < 0 && errno == ENOENT);
}

static void everywhere(const char *where)
{
	char folder[64];

	snprintf(folder, sizeof(folder), "%s/text_busy.XXXXXX", where);
	CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	busy();
	at();
	from_memory();
	not_cut();
	CHECK(chdir("/") == 0 && rmdir(folder) == 0);
}

/* What is run can be looked at, whatever it is called. */
static void look_at_self(void)
{
	char text[4096];
	int fd = open("/proc/self/exe", O_RDONLY), maps = open("/proc/self/maps", O_RDONLY);

	CHECK(fd >= 0 && read(fd, text, 4) == 4 && memcmp(text, "\177ELF", 4) == 0);
	CHECK(readlink("/proc/self/exe", text, sizeof(text)) > 0 && maps >= 0);
	while (read(maps, text, sizeof(text)) > 0)
		;
	close(fd);
	close(maps);
}

int main(int argc, char **argv)
{
	char c;

	if (argc > 1 && strcmp(argv[1], "wait") == 0)
		return read(0, &c, 1) == 0 ? 0 : 1;
	if (argc > 1 && strcmp(argv[1], "script") == 0)
		return argc == 4 ? 77 : 78;
	if (argc > 1) {
		look_at_self();
		return atoi(argv[1]);
	}
	everywhere("/tmp");
	everywhere("/var/tmp");
	return ok("");
}
