/* SPDX-License-Identifier: MIT */
/*
 * proc_self: what a process finds of itself, its threads and its descriptors in /proc, and what it can set there. proc(5). Prints outcomes,
 * for comparison with Linux; what differs from machine to machine is checked here.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "plain.h"
#include "said.h"
#include "shown.h"

/* The number behind a word, in what shown() has read. */
static long long after(const char *word, int base)
{
	const char *at = strstr(text, word);

	CHECK(at != NULL);
	return strtoll(at + strlen(word), NULL, base);
}

static long put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	long rc = fd < 0 ? -1 : write(fd, value, strlen(value));

	if (fd >= 0)
		close(fd);
	return rc;
}

static void auxiliary(void)
{
	static Elf64_auxv_t v[200];
	const Elf64_auxv_t *given;		/* behind the environment: where the C library keeps some, it keeps its own */
	char **e = environ;
	int fd = open("/proc/self/auxv", O_RDONLY), nr;
	ssize_t n = read(fd, v, sizeof(v));

	CHECK(n > 0 && n % sizeof(v[0]) == 0 && close(fd) == 0);
	while (*e != NULL)
		e++;
	given = (void *)(e + 1);
	for (nr = 0; v[nr].a_type != AT_NULL; nr++)
		CHECK(nr * sizeof(v[0]) < (size_t)n && v[nr].a_type == given[nr].a_type && v[nr].a_un.a_val == given[nr].a_un.a_val);
	CHECK((size_t)n == (nr + 1) * sizeof(v[0]) && nr > 10);
}

static const char *info(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return shown(path);
}

static void link_of(int fd)
{
	char path[64], to[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(readlink(path, to, sizeof(to) - 1) > 0);
	puts(to);
}

static void descriptors(void)
{
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC), event = eventfd(7, 0), pid = syscall(SYS_pidfd_open, getpid(), 0);

	CHECK(fd >= 0 && event >= 0 && pid >= 0 && lseek(fd, 11, SEEK_SET) == 11);
	info(fd);
	TRY(after("pos:", 10));
	TRY(after("flags:", 8) == (O_RDONLY | O_CLOEXEC | 0100000));
	CHECK(after("mnt_id:", 10) >= 0 && fcntl(fd, F_SETFD, 0) == 0);
	info(fd);
	TRY(after("flags:", 8) == 0100000);
	info(event);
	TRY(after("flags:", 8));
	TRY(after("eventfd-count:", 16));
	info(pid);
	TRY(after("Pid:", 10) == getpid());
	link_of(event);
	link_of(epoll_create1(0));
	link_of(timerfd_create(CLOCK_MONOTONIC, 0));
	TRY(open("/proc/self/fdinfo/999", O_RDONLY));
	closefrom(3);
}

static void reading_and_writing(void)
{
	char buf[1000];
	int null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY);
	long long chars, calls;

	shown("/proc/self/io");
	chars = after("wchar: ", 10);
	calls = after("syscw: ", 10);
	CHECK(write(null, buf, 1000) == 1000 && pwrite(null, buf, 500, 0) == 500);
	shown("/proc/self/io");
	CHECK(after("wchar: ", 10) == chars + 1500 && after("syscw: ", 10) == calls + 2);
	chars = after("rchar: ", 10);
	calls = after("syscr: ", 10);
	CHECK(read(zero, buf, 1000) == 1000);
	shown("/proc/self/io");
	CHECK(after("rchar: ", 10) >= chars + 1000 && after("syscr: ", 10) == calls + 3);	/* the look at it and at its end, too */
	close(null);
	close(zero);
}

static void who_goes_first(void)
{
	const char *path = "/proc/self/oom_score_adj";
	int status;

	TRY(put(path, "900"));
	TRY(atoi(shown(path)));
	TRY(put(path, "1001"));
	TRY(put(path, "-1001"));
	TRY(put(path, "x"));
	TRY(put(path, "800 5"));
	TRY(put(path, " 950\n"));
	TRY(atoi(shown(path)));
	status = fork();
	if (status == 0)
		_exit(atoi(shown(path)) == 950 ? 3 : 4);
	CHECK(waitpid(status, &status, 0) > 0);
	TRY(WEXITSTATUS(status));
	CHECK(atoi(shown("/proc/self/oom_score")) > 0);
	TRY(put("/proc/self/oom_score", "1"));
}

static void names(void)
{
	char name[16] = "";

	TRY(put("/proc/self/comm", "a-name-that-is-too-long"));
	fputs(shown("/proc/self/comm"), stdout);
	CHECK(prctl(PR_GET_NAME, name) == 0);
	puts(name);
	TRY(put("/proc/self/comm", "short"));
	fputs(shown("/proc/self/comm"), stdout);
	fputs(shown("/proc/thread-self/comm"), stdout);
}

static void places(void)
{
	char folder[] = "/tmp/proc_self.XXXXXX", where[200] = "";
	struct stat a, b;
	int fd;

	CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	CHECK(stat(".", &a) == 0 && stat("/proc/self/cwd/", &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	CHECK(stat("/", &a) == 0 && stat("/proc/self/root/", &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	CHECK(readlink("/proc/self/root", where, sizeof(where)) == 1 && where[0] == '/');
	fd = open("x", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0 && close(fd) == 0);
	TRY(access("/proc/self/cwd/x", R_OK));
	TRY(access("/proc/thread-self/cwd/x", R_OK));
	CHECK(unlink("x") == 0 && rmdir(folder) == 0);
	CHECK(readlink("/proc/self/cwd", where, sizeof(where) - 1) > 0);
	TRY(strstr(where, " (deleted)") != NULL);
	TRY(stat("/proc/self/cwd/", &a));	/* it is removed, and where the link leads all the same */
	TRY(a.st_nlink);
	TRY(chdir("/proc/self/cwd"));
	CHECK(chdir("/") == 0);
}

static void *of_thread(void *arg)
{
	static const char *const files[] = { "stat", "status", "comm", "maps", "smaps", "cmdline", "environ", "auxv", "io", "limits", "statm", "mounts",
					     "mountinfo", "oom_score", "oom_score_adj", "personality", "fd", "fdinfo/0", "children" };
	char path[64];

	(void)arg;
	CHECK(prctl(PR_SET_NAME, "a-thread") == 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/self/task/%d/%s", gettid(), files[i]);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			fail("%s: %s", path, strerror(errno));
		close(fd);
	}
	shown("/proc/thread-self/status");
	CHECK(after("Pid:\t", 10) == gettid() && after("Tgid:\t", 10) == getpid() && strstr(text, "Name:\ta-thread\n") != NULL);
	CHECK(atoi(shown("/proc/thread-self/stat")) == gettid());
	CHECK(strcmp(shown("/proc/thread-self/comm"), "a-thread\n") == 0 && strcmp(shown("/proc/self/comm"), "short\n") == 0);
	return NULL;
}

static void threads(void)
{
	char path[64], first[32], second[32];
	pid_t a = fork(), b;
	pthread_t t;

	if (a == 0)
		pause();
	b = fork();
	if (b == 0)
		pause();
	CHECK(a > 0 && b > 0);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	snprintf(first, sizeof(first), "%d ", a);
	snprintf(second, sizeof(second), "%d ", b);
	if (access(path, R_OK) == 0)		/* as the kernel was configured */
		CHECK(strstr(shown(path), first) != NULL && strstr(text, second) != NULL);
	CHECK(kill(a, SIGKILL) == 0 && kill(b, SIGKILL) == 0 && wait(NULL) > 0 && wait(NULL) > 0);
	CHECK(pthread_create(&t, NULL, of_thread, NULL) == 0 && pthread_join(t, NULL) == 0);
}

static void settings(void)
{
	static const char *const numbers[] = {
		"fs/file-max", "fs/file-nr", "fs/nr_open", "kernel/pid_max", "kernel/threads-max", "kernel/overflowuid", "kernel/overflowgid",
		"kernel/random/poolsize", "kernel/random/write_wakeup_threshold", "vm/mmap_min_addr", "vm/overcommit_memory",
	};
	char path[64];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(path, sizeof(path), "/proc/sys/%s", numbers[i]);
		CHECK(shown(path)[0] >= '0' && text[0] <= '9');
	}
	CHECK(atol(shown("/proc/sys/fs/file-nr")) > 0);
	TRY(put("/proc/sys/kernel/pid_max", "5"));
}

int main(void)
{
	be_nobody();
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);		/* what gave its rights away is root's to look at */
	auxiliary();
	descriptors();
	reading_and_writing();
	who_goes_first();
	names();
	places();
	threads();
	settings();
	return ok("");
}
