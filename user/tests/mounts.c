/* SPDX-License-Identifier: MIT */
/*
 * mounts [must]: mount(2) and umount(2): tmpfs, binds, what is read-only, and how each refuses. In a folder of its own, with the caller's
 * mounts out of reach where there are namespaces. Without the right to mount anything it does nothing, unless it must.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <utime.h>

#include "plain.h"

#define FAILS(call, error) do { errno = 0; CHECK((long)(call) == -1); if (errno != (error)) fail("%s:%d: %s: %s, not %s", __FILE__, __LINE__, \
			       #call, strerrorname_np(errno), strerrorname_np(error)); } while (0)

static char top[] = "/tmp/mountsXXXXXX";

static void make_file(const char *path, mode_t mode)
{
	int fd = open(path, O_CREAT | O_WRONLY, mode);

	CHECK(fd >= 0 && write(fd, "text", 4) == 4 && close(fd) == 0);
}

static long flags_of(const char *path)
{
	struct statvfs st;

	CHECK(statvfs(path, &st) == 0);
	return st.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC);
}

static int mounted(const char *where, const char *type, const char *flags)
{
	char line[8192], at[4096], kind[64], how[256];
	FILE *f = fopen("/proc/self/mounts", "r");
	int found = 0;

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*s %4095s %63s %255s", at, kind, how) == 3 && strcmp(at, where) == 0)
			found = strcmp(kind, type) == 0 && strncmp(how, flags, strlen(flags)) == 0;
	CHECK(fclose(f) == 0);
	return found;
}

static void read_only(void)
{
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	int fd;

	CHECK(mkdir("ro", 0755) == 0 && mount("it", "ro", "tmpfs", 0, "mode=755,uid=0") == 0);
	CHECK(mkdir("ro/dir", 0777) == 0 && symlink("file", "ro/link") == 0);
	make_file("ro/file", 0777);
	fd = open("ro/file", O_WRONLY);
	FAILS(mount(NULL, "ro", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
	CHECK(close(fd) == 0 && mount(NULL, "ro", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0 && flags_of("ro/dir") == ST_RDONLY);
	FAILS(open("ro/file", O_WRONLY), EROFS);
	FAILS(open("ro/file", O_RDONLY | O_TRUNC), EROFS);
	FAILS(open("ro/new", O_CREAT | O_RDWR, 0644), EROFS);
	FAILS(open("ro/dir", O_TMPFILE | O_RDWR, 0644), EROFS);
	FAILS(creat("ro/file", 0644), EROFS);
	FAILS(mkdir("ro/new", 0755), EROFS);
	FAILS(mkdir("ro/dir", 0755), EEXIST);
	FAILS(mknod("ro/new", S_IFREG | 0644, 0), EROFS);
	FAILS(mkfifo("ro/new", 0644), EROFS);
	FAILS(symlink("a", "ro/new"), EROFS);
	FAILS(symlink("a", "ro/file"), EEXIST);
	FAILS(link("ro/file", "ro/new"), EROFS);
	FAILS(unlink("ro/file"), EROFS);
	FAILS(rmdir("ro/dir"), EROFS);
	FAILS(rename("ro/file", "ro/new"), EROFS);
	FAILS(chmod("ro/file", 0600), EROFS);
	FAILS(chown("ro/file", 1, 1), EROFS);
	FAILS(lchown("ro/link", 1, 1), EROFS);
	FAILS(utime("ro/file", NULL), EROFS);
	FAILS(utimensat(AT_FDCWD, "ro/file", now, 0), EROFS);
	FAILS(truncate("ro/file", 0), EROFS);
	FAILS(access("ro/file", W_OK), EROFS);
	CHECK(access("ro/file", R_OK | X_OK) == 0);
	fd = open("ro/file", O_RDONLY);
	CHECK(fd >= 0);
	FAILS(fchmod(fd, 0600), EROFS);
	FAILS(futimens(fd, NULL), EROFS);
	FAILS(umount2("ro", 0), EBUSY);
	CHECK(close(fd) == 0);
	CHECK(mount(NULL, "ro", NULL, MS_REMOUNT, NULL) == 0 && rmdir("ro/dir") == 0 && flags_of("ro") == 0);
	FAILS(umount2("ro", MNT_EXPIRE | MNT_FORCE), EINVAL);
	FAILS(umount2("ro", MNT_EXPIRE), EAGAIN);
	CHECK(umount2("ro", MNT_EXPIRE) == 0);
	FAILS(umount2("ro", 0), EINVAL);
	FAILS(open("ro/file", O_RDONLY), ENOENT);
	CHECK(rmdir("ro") == 0);
}

static void bound(void)
{
	int fd;

	CHECK(mkdir("a", 0755) == 0 && mkdir("a/sub", 0755) == 0 && mkdir("b", 0755) == 0 && mkdir("c", 0755) == 0);
	make_file("a/file", 0644);
	FAILS(access("b/sub", F_OK), ENOENT);
	CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0 && access("b/file", F_OK) == 0);
	/* what is done by one name is seen by the other */
	FAILS(access("b/new", F_OK), ENOENT);
	FAILS(access("a/newer", F_OK), ENOENT);
	make_file("a/new", 0644);
	make_file("b/newer", 0644);
	CHECK(access("b/new", F_OK) == 0 && access("a/newer", F_OK) == 0 && rename("b/new", "b/sub/moved") == 0);
	FAILS(access("a/new", F_OK), ENOENT);
	CHECK(access("a/sub/moved", F_OK) == 0 && unlink("a/newer") == 0);
	FAILS(access("b/newer", F_OK), ENOENT);
	FAILS(link("a/file", "b/other"), EXDEV);
	FAILS(rename("a/file", "b/other"), EXDEV);
	FAILS(rmdir("b"), EBUSY);
	FAILS(rename("b", "z"), EBUSY);
	/* read-only in one place alone */
	CHECK(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL) == 0);
	CHECK(flags_of("b/sub") == (ST_RDONLY | ST_NOSUID) && flags_of("a") == flags_of("."));
	FAILS(open("b/file", O_RDWR), EROFS);
	FAILS(mkdir("b/x", 0700), EROFS);
	fd = open("a/file", O_RDWR);
	CHECK(fd >= 0 && close(fd) == 0 && mkdir("a/x", 0700) == 0 && access("b/x", F_OK) == 0);
	/* one file alone, and a place that moves */
	make_file("c/own", 0600);
	CHECK(mount("a/file", "c/own", NULL, MS_BIND, NULL) == 0);
	FAILS(unlink("c/own"), EBUSY);
	FAILS(mount("a", "c/own", NULL, MS_BIND, NULL), ENOTDIR);
	FAILS(mount("a/file", "c", NULL, MS_BIND, NULL), ENOTDIR);
	CHECK(umount("c/own") == 0 && mount("b", "c", NULL, MS_MOVE, NULL) == 0);
	FAILS(access("b/file", F_OK), ENOENT);
	CHECK(access("c/file", F_OK) == 0);
	FAILS(mount("a", "b", NULL, MS_MOVE, NULL), EINVAL);
	CHECK(umount("c") == 0 && unlink("c/own") == 0 && rmdir("c") == 0 && rmdir("b") == 0);
	CHECK(unlink("a/file") == 0 && unlink("a/sub/moved") == 0 && rmdir("a/sub") == 0 && rmdir("a/x") == 0 && rmdir("a") == 0);
}

static void restricted(void)
{
	void *p;
	int fd;

	CHECK(mkdir("n", 0755) == 0 && mount("n", "n", "tmpfs", MS_NOEXEC | MS_NODEV | MS_NOSUID, NULL) == 0);
	make_file("n/program", 0755);
	FAILS(access("n/program", X_OK), EACCES);
	FAILS(execl("n/program", "n/program", NULL), EACCES);
	fd = open("n/program", O_RDONLY);
	FAILS(mmap(NULL, 4, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0), EPERM);
	p = mmap(NULL, 4, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && mprotect(p, 4, PROT_READ | PROT_WRITE) == 0);
	FAILS(mprotect(p, 4, PROT_READ | PROT_EXEC), EACCES);
	CHECK(munmap(p, 4) == 0 && close(fd) == 0);
	if (mknod("n/null", S_IFCHR | 0666, 1 << 8 | 3) == 0)
		FAILS(open("n/null", O_RDWR), EACCES);
	CHECK(flags_of("n") == (ST_NOEXEC | ST_NODEV | ST_NOSUID) && umount("n") == 0 && rmdir("n") == 0);
}

static void in_use(void)
{
	char path[4096];
	int fd;

	CHECK(mkdir("u", 0755) == 0 && mount("with space", "u", "tmpfs", 0, NULL) == 0 && mkdir("u/in", 0700) == 0);
	snprintf(path, sizeof(path), "%s/u", top);
	CHECK(mounted(path, "tmpfs", "rw"));
	make_file("u/in/file", 0600);
	CHECK(mount("inner", "u/in", "tmpfs", MS_RDONLY, NULL) == 0 && access("u/in/file", F_OK) == -1);
	FAILS(mkdir("u/in/x", 0700), EROFS);
	FAILS(umount("u"), EBUSY);
	CHECK(umount("u/in") == 0 && chdir("u/in") == 0);
	FAILS(umount("../../u"), EBUSY);
	CHECK(chdir(top) == 0);
	fd = open("u/in/file", O_RDWR);
	FAILS(umount("u"), EBUSY);
	/* gone for all but those who are in it */
	CHECK(umount2("u", MNT_DETACH) == 0 && !mounted(path, "tmpfs", "rw") && access("u/in", F_OK) == -1);
	CHECK(pread(fd, path, 4, 0) == 4 && memcmp(path, "text", 4) == 0 && pwrite(fd, "more", 4, 4) == 4 && close(fd) == 0);
	CHECK(rmdir("u") == 0);
}

static void refused(void)
{
	CHECK(mkdir("d", 0755) == 0 && symlink("d", "s") == 0);
	make_file("f", 0644);
	FAILS(mount("x", "none", "tmpfs", 0, NULL), ENOENT);
	FAILS(mount("x", "d", "nosuchfs", 0, NULL), ENODEV);
	FAILS(mount("x", "d", NULL, 0, NULL), EINVAL);
	FAILS(mount("x", "f", "tmpfs", 0, NULL), ENOTDIR);
	FAILS(mount("x", "f/d", "tmpfs", 0, NULL), ENOTDIR);
	FAILS(mount("x", "d", "tmpfs", 0, "nonsense=1"), EINVAL);
	FAILS(mount(NULL, "d", NULL, MS_BIND, NULL), EINVAL);
	FAILS(mount("none", "d", NULL, MS_BIND, NULL), ENOENT);
	FAILS(mount(NULL, "d", NULL, MS_REMOUNT | MS_RDONLY, NULL), EINVAL);
	FAILS(mount(NULL, "d", NULL, MS_PRIVATE, NULL), EINVAL);
	FAILS(mount((void *)8, "d", "tmpfs", 0, NULL), EFAULT);
	FAILS(mount("x", (void *)8, "tmpfs", 0, NULL), EFAULT);
	FAILS(mount("x", "d", (void *)8, 0, NULL), EFAULT);
	FAILS(umount("d"), EINVAL);
	FAILS(umount("none"), ENOENT);
	FAILS(umount2("d", 0x100), EINVAL);
	FAILS(umount((void *)8), EFAULT);
	CHECK(mount("x", "d", "tmpfs", 0, "size=1m,mode=700") == 0 && mount(NULL, "d", NULL, MS_PRIVATE, NULL) == 0);
	FAILS(umount2("s", UMOUNT_NOFOLLOW), EINVAL);
	CHECK(umount("s") == 0 && unlink("s") == 0 && rmdir("d") == 0 && unlink("f") == 0);
}

static void as_nobody(void)
{
	be_nobody();
	FAILS(mount("x", "d", "tmpfs", 0, NULL), EPERM);
	FAILS(mount("x", "none", "tmpfs", 0, NULL), ENOENT);
	FAILS(umount("d"), EPERM);
}

static void covered_root(void)
{
	CHECK(chroot("jail") == 0 && chdir("/") == 0 && mount("x", "/", "tmpfs", 0, NULL) == 0);
	FAILS(open("/../outside", O_RDONLY), ENOENT);
	FAILS(open("/../../outside", O_RDONLY), ENOENT);
	FAILS(open("../outside", O_RDONLY), ENOENT);
}

/* Who has another root does not get out by what is mounted on it. */
static void jailed(void)
{
	CHECK(mkdir("jail", 0755) == 0);
	make_file("outside", 0644);
	CHECK(status_in_child(covered_root) == 0 && umount("jail") == 0 && rmdir("jail") == 0 && unlink("outside") == 0);
}

/* Others look names up while what was in a large file system is thrown away. */
#define MANY_FILES 600

static double seconds_now(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void unmounted_beside_others(void)
{
	volatile double *longest = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double began;
	char name[32];
	pid_t pid;

	CHECK(longest != MAP_FAILED && mkdir("many", 0755) == 0 && mount("x", "many", "tmpfs", 0, NULL) == 0);
	for (int i = 0; i < MANY_FILES; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		make_file(name, 0600);
	}
	pid = fork();
	CHECK(pid >= 0);
	while (pid == 0) {
		struct stat st;

		began = seconds_now();
		CHECK(stat("/proc", &st) == 0);
		began = seconds_now() - began;
		*longest = began > *longest ? began : *longest;
	}
	while (*longest == 0)
		usleep(1000);
	*longest = 1e-9;
	began = seconds_now();
	CHECK(umount("many") == 0);
	began = seconds_now() - began;
	if (*longest > 0.1 + began / 4)
		fail("a look took %.3f of the %.3f s of umount()", *longest, began);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid && rmdir("many") == 0 && munmap((void *)longest, 4096) == 0);
}

int main(int argc, char **argv)
{
	(void)!unshare(CLONE_NEWNS);
	(void)!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	CHECK(mkdtemp(top) != NULL && chmod(top, 0755) == 0 && chdir(top) == 0 && mkdir("d", 0755) == 0);
	if (mount("x", "d", "tmpfs", 0, NULL) < 0) {
		CHECK(errno == EPERM && !(argc > 1 && strcmp(argv[1], "must") == 0) && rmdir("d") == 0 && rmdir(top) == 0);
		return ok("");
	}
	CHECK(status_in_child(as_nobody) == 0 && umount("d") == 0 && rmdir("d") == 0);
	read_only();
	bound();
	restricted();
	in_use();
	refused();
	jailed();
	unmounted_beside_others();
	CHECK(chdir("/") == 0 && rmdir(top) == 0);
	return ok("");
}
