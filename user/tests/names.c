/* SPDX-License-Identifier: MIT */
/*
 * names: what an ordinary user is told of names that are too long, lead nowhere or in circles, end in a slash or are in a folder that is
 * removed; files without a name, and rights to what he owns. Prints each call with its outcome, for comparison with Linux.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "plain.h"
#include "said.h"

static char buf[8192];
static struct stat st;

static void make(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && close(fd) == 0);
}

static void long_names(void)
{
	static char n[4200];

	memset(n, 'a', sizeof(n) - 1);
	n[255] = '\0';
	TRY(mkdir(n, 0700));
	TRY(rmdir(n));
	n[255] = 'a';
	n[256] = '\0';
	TRY(mkdir(n, 0700));
	TRY(open(n, O_CREAT | O_RDWR, 0600));
	TRY(unlink(n));
	TRY(symlink("x", n));
	TRY(mkfifo(n, 0600));
	TRY(chdir(n));
	TRY(lstat(n, &st));
	TRY(readlink(n, buf, 10));
	TRY(truncate(n, 0));
	n[256] = 'a';
	n[4096] = '\0';
	TRY(access(n, F_OK));
	TRY(symlink(n, "link"));
	n[4095] = '\0';
	if (symlink(n, "longest") == 0)		/* some file systems keep no target that long */
		CHECK(readlink("longest", buf, sizeof(buf)) == 4095 && lstat("longest", &st) == 0 && st.st_size == 4095 &&
		      stat("longest", &st) == -1 && errno == ENAMETOOLONG);
	else
		CHECK(errno == ENAMETOOLONG);
	n[1023] = '\0';
	TRY(symlink(n, "link"));
	TRY(stat("link", &st));
	TRY(readlink("link", buf, sizeof(buf)));
	TRY(lstat("link", &st));
	TRY(st.st_size);
}

static void circles(void)
{
	char name[20], to[20];

	make("l0");
	for (int i = 1; i < 43; i++) {
		sprintf(name, "l%d", i);
		sprintf(to, "l%d", i - 1);
		CHECK(symlink(to, name) == 0);
	}
	TRY(stat("l40", &st));
	TRY(stat("l41", &st));
	TRY(open("l41", O_CREAT | O_RDWR, 0600));
	TRY(chmod("l42", 0));
	TRY(mkdir("l41", 0700));
	TRY(symlink("loop", "loop"));
	TRY(open("loop", O_CREAT | O_RDWR, 0600));
	TRY(mkdir("loop/x", 0700));
	TRY(rmdir("loop"));
	TRY(open("loop", O_RDONLY | O_NOFOLLOW));
	TRY(execl("loop", "x", NULL));
	TRY(rename("loop", "loop2"));
	TRY(linkat(AT_FDCWD, "loop2", AT_FDCWD, "loop3", AT_SYMLINK_FOLLOW));
	TRY(utimensat(AT_FDCWD, "loop2", NULL, AT_SYMLINK_NOFOLLOW));
}

static void slashes(void)
{
	CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0 && symlink("d", "dl") == 0 && symlink("nowhere", "dangling") == 0);
	make("d/f");
	TRY(rmdir("d/"));
	TRY(rmdir("dl"));
	TRY(unlink("dl/"));
	TRY(unlink("d/f/"));
	TRY(mkdir("d/f/", 0700));
	TRY(mkdir("d/new/", 0700));
	TRY(symlink("x", "d/s/"));
	TRY(symlink("x", "d/f/"));
	TRY(mknod("d/n/", S_IFREG | 0600, 0));
	TRY(link("d/f", "d/l/"));
	TRY(link("d/e", "d/f"));
	TRY(link("d/e", "d/l"));
	TRY(rename("d/e/", "d/h/"));
	TRY(rename("d/h/.", "d/i"));
	TRY(rename("d/h", "d/."));
	TRY(rename("d/none", "d/f"));
	TRY(mkdir("dangling", 0700));
	TRY(open("dangling", O_CREAT | O_EXCL | O_RDWR, 0600));
	TRY(open("dangling", O_CREAT | O_NOFOLLOW | O_RDWR, 0600));
	TRY(open("dangling/", O_CREAT | O_RDWR, 0600));
	TRY(open("dangling", O_CREAT | O_RDWR, 0600) > 0);
	TRY(stat("nowhere", &st));
	TRY(symlink("../far", "d/up"));
	TRY(open("d/up", O_CREAT | O_RDWR, 0600) > 0);
	TRY(unlink("far"));
	TRY(symlink("none/far", "d/deep"));
	TRY(open("d/deep", O_CREAT | O_RDWR, 0600));
	TRY(rename("d/f", "/proc/x"));
	TRY(renameat2(AT_FDCWD, "d/f", AT_FDCWD, "/proc/x", RENAME_NOREPLACE));
}

static void removed_folder(void)
{
	int fd;

	CHECK(mkdir("gone", 0755) == 0 && (fd = open("gone", O_RDONLY | O_DIRECTORY)) >= 0 && chdir("gone") == 0 && rmdir("../gone") == 0);
	TRY(open("x", O_CREAT | O_RDWR, 0600));
	TRY(mkdir("x", 0700));
	TRY(symlink("a", "x"));
	TRY(rename("../l0", "x"));
	TRY(link("../l0", "x"));
	TRY(unlink("x"));
	TRY(stat(".", &st));
	TRY(st.st_nlink);
	TRY(syscall(SYS_getcwd, buf, 4096));
	TRY(syscall(SYS_getdents64, fd, buf, 4096));
	TRY(chdir(".."));
	close(fd);
}

static void nameless(const char *where)
{
	struct statvfs v;
	struct statx x;
	int fd = open(where, O_TMPFILE | O_RDWR, 0640);

	if (fd < 0)
		CHECK((fd = memfd_create("none", 0)) >= 0);
	snprintf(buf, sizeof(buf), "/proc/self/fd/%d", fd);
	TRY(write(fd, "abc", 3));
	TRY(open(buf, O_RDONLY) > 0);			/* one's own descriptors, whoever one has become */
	TRY(open("/proc/self/fd/999", O_RDONLY));
	close(fd);
	TRY(open(".", O_TMPFILE | O_RDONLY, 0600));
	TRY(open(".", O_TMPFILE | O_RDWR | O_CREAT, 0600));
	TRY(open("none", O_TMPFILE | O_RDWR, 0600));
	TRY(statx(AT_FDCWD, "/proc", 0, STATX_BASIC_STATS | STATX_BTIME, &x));	/* "/" is none where chroot(2) made it */
	TRY(x.stx_attributes & STATX_ATTR_MOUNT_ROOT);
	TRY(statx(AT_FDCWD, ".", 0, STATX_BASIC_STATS, &x));
	TRY(x.stx_attributes & STATX_ATTR_MOUNT_ROOT);
	TRY(statvfs(where, &v));
	TRY(v.f_namemax);
	TRY(v.f_flag & (ST_RDONLY | 0x20));		/* no flag of the call's own left in it */
}

static void rights(void)
{
	int fd;

	umask(077);
	CHECK(mkdir("m", 07777) == 0);
	make("own");
	TRY(chmod("own", 0));
	TRY(open("own", O_RDONLY));
	TRY(access("own", R_OK));
	TRY(access("own", F_OK));
	TRY(open("own", O_PATH) > 0);
	TRY(chmod("own", 0200));
	TRY(open("own", O_RDWR));
	TRY((fd = open("own", O_WRONLY)) > 0);
	TRY(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0);
	TRY(pwrite(fd, "x", 1, 0x7fffffffffffffff));
	close(fd);
	TRY(chmod("m", 0600));
	TRY(open("m/x", O_CREAT | O_RDWR, 0600));
	TRY(chdir("m"));
	TRY(chmod("m", 0500));
	TRY(open("m/x", O_CREAT | O_RDWR, 0600));
	TRY(rename("own", "m/own"));
	TRY(rename("own", "m/none/own"));
	TRY(link("own", "m/own"));
	TRY(rename("m", "m2"));
	TRY(chown("own", 0, -1));
	TRY(chown("own", -1, -1));
	TRY(chroot("/"));
}

/* What is there is said before what is not allowed, and what is not there, too. */
static void not_writable(void)
{
	CHECK(mkdir("w", 0700) == 0 && mkdir("w/d", 0700) == 0);
	make("w/there");
	for (int mode = 0500; mode != 0; mode = mode == 0500 ? 0600 : 0) {
		CHECK(chmod("w", mode) == 0);
		TRY(mkdir("w/there", 0700));
		TRY(mkdir("w/d", 0700));
		TRY(mkdir("w/new", 0700));
		TRY(mkfifo("w/there", 0600));
		TRY(symlink("a", "w/there"));
		TRY(symlink("a", "w/new"));
		TRY(link("own", "w/there"));
		TRY(unlink("w/none"));
		TRY(unlink("w/there"));
		TRY(unlink("w/d"));
		TRY(rmdir("w/none"));
		TRY(rmdir("w/there"));
		TRY(rmdir("w/d"));
		TRY(rename("w/none", "x"));
		TRY(rename("own", "w/there"));
		TRY(open("w/there", O_CREAT | O_EXCL | O_RDWR, 0600));
		TRY(open("w/new", O_CREAT | O_RDWR, 0600));
	}
	CHECK(chmod("w", 0700) == 0);
}

static int removed(const char *path, const struct stat *s, int kind, struct FTW *at)
{
	return s == NULL || at == NULL || kind < 0 || remove(path) < 0;
}

static void everything_in(const char *where)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/names.XXXXXX", where);
	umask(022);
	CHECK(mkdtemp(path) != NULL && chdir(path) == 0);
	long_names();
	circles();
	slashes();
	removed_folder();
	nameless(where);
	rights();
	not_writable();
	CHECK(chdir("/") == 0 && nftw(path, removed, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

int main(void)
{
	be_nobody();
	everything_in("/tmp");
	everything_in("/var/tmp");
	return ok("");
}
