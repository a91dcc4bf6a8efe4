/* SPDX-License-Identifier: MIT */
/*
 * file_times: which of a file's and its folder's times, numbers of links and sizes each call changes. Prints that, for comparison with
 * Linux. (Times of access are left out: they depend on how a file system is mounted.)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

struct seen { struct stat file, dir, other; };

static void look(struct seen *s, const char *file)
{
	memset(s, 0, sizeof(*s));
	lstat(file, &s->file);
	lstat(".", &s->dir);
	lstat("other", &s->other);
}

static bool later(struct timespec a, struct timespec b)
{
	return b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec > a.tv_nsec);
}

static void changes(const char *name, const struct stat *a, const struct stat *b)
{
	if (a->st_ino != b->st_ino || a->st_nlink == 0 || b->st_nlink == 0)
		printf(" %s:%s", name, b->st_nlink == 0 ? "none" : "another");
	else if (later(a->st_mtim, b->st_mtim) || later(a->st_ctim, b->st_ctim))
		printf(" %s:%s%s", name, later(a->st_mtim, b->st_mtim) ? "m" : "", later(a->st_ctim, b->st_ctim) ? "c" : "");
}

static struct seen before;

static void begin(const char *file)
{
	look(&before, file);
	usleep(12000);			/* more than a file system's clock may lag */
}

static void end(const char *call, const char *file, long rc)
{
	struct seen after;

	look(&after, file);
	printf("%s: %s, size %ld, links %ld,", call, rc < 0 ? "fails" : "fine", S_ISREG(after.file.st_mode) ? (long)after.file.st_size : 0,
	       (long)after.file.st_nlink);
	changes("file", &before.file, &after.file);
	changes("dir", &before.dir, &after.dir);
	changes("other", &before.other, &after.other);
	puts("");
	fflush(stdout);
}
#define ON(file, call) do { begin(file); end(#call, file, (long)(call)); } while (0)

static void contents(void)
{
	char c[8192] = "";
	int fd;

	ON("f", fd = open("f", O_CREAT | O_EXCL | O_RDWR, 0644));
	ON("f", write(fd, "abc", 3));
	ON("f", write(fd, "abc", 0));
	ON("f", pwrite(fd, "x", 1, 10000));
	ON("f", read(fd, c, 3));
	ON("f", ftruncate(fd, 10001));
	ON("f", ftruncate(fd, 100));
	ON("f", truncate("f", 100));
	ON("f", close(open("f", O_RDONLY | O_CREAT, 0644)));
	ON("f", close(open("f", O_WRONLY)));
	ON("f", close(open("f", O_WRONLY | O_TRUNC)));
	ON("f", close(open("f", O_WRONLY | O_TRUNC)));
	ON("f", fallocate(fd, 0, 0, 5000));
	ON("f", fsync(fd));
	ON("f", write(fd, c, sizeof(c)));
	close(fd);
}

static void attributes(void)
{
	struct timespec t[2] = { { 1, 0 }, { 0, UTIME_OMIT } };

	ON("f", chmod("f", 0600));
	ON("f", chown("f", -1, -1));
	ON("f", chown("f", getuid(), -1));
	ON("f", utimensat(AT_FDCWD, "f", NULL, 0));
	ON("f", utimensat(AT_FDCWD, "f", t, 0));
}

static void names(void)
{
	ON("f", mkdir("other", 0755));
	ON("f", link("f", "f2"));
	ON("f", link("f", "other/f3"));
	ON("f", unlink("f2"));
	ON("f", unlink("other/f3"));
	ON("g", rename("f", "g"));
	ON("g", rename("g", "g"));
	ON("other/g", rename("g", "other/g"));
	ON("g", rename("other/g", "g"));
	ON("d", mkdir("d", 0755));
	ON("d", mkdir("d/e", 0755));
	ON("other/d", rename("d", "other/d"));
	ON("other/d", rename("other/d/e", "e"));
	ON("other/d", rmdir("other/d"));
	ON("e", rmdir("e"));
	ON("s", symlink("some/where", "s"));
	ON("s", unlink("s"));
	ON("p", mkfifo("p", 0644));
	ON("p", link("p", "p2"));
	ON("p2", unlink("p"));
	ON("p2", rename("g", "p2"));
	ON("p2", syscall(SYS_renameat2, AT_FDCWD, "p2", AT_FDCWD, "none", 1));
	ON("none", syscall(SYS_renameat2, AT_FDCWD, "none", AT_FDCWD, "other", 2));
	ON("other", syscall(SYS_renameat2, AT_FDCWD, "none", AT_FDCWD, "other", 2));
	ON("none", syscall(SYS_renameat2, AT_FDCWD, "none", AT_FDCWD, "other", 1));
	ON("none", unlink("missing"));
	ON("none", rmdir("other"));
}

static void while_open(void)
{
	struct stat st;
	char c[4] = "";
	int fd = open("u", O_CREAT | O_RDWR, 0644);
	char *p;

	CHECK(fd >= 0 && write(fd, "abcd", 4) == 4);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && unlink("u") == 0 && fstat(fd, &st) == 0);
	printf("unlinked: links %ld size %ld\n", (long)st.st_nlink, (long)st.st_size);
	p[1] = 'X';
	CHECK(pread(fd, c, 4, 0) == 4);
	printf("still there: %.4s, a new one: %d\n", c, open("u", O_RDONLY));
	CHECK(fchmod(fd, 0700) == 0 && ftruncate(fd, 8192) == 0 && fstat(fd, &st) == 0);
	printf("%o %ld\n", st.st_mode, (long)st.st_size);
	munmap(p, 4096);
	close(fd);
	/* a folder that is gone, from within */
	CHECK(mkdir("gone", 0755) == 0 && chdir("gone") == 0 && rmdir("../gone") == 0);
	CHECK(open("x", O_CREAT | O_RDWR, 0644) < 0 && errno == ENOENT);
	CHECK(mkdir("x", 0755) < 0 && errno == ENOENT);
	CHECK(open("x", O_RDONLY) < 0 && errno == ENOENT);
	CHECK(syscall(SYS_getcwd, c, sizeof(c)) < 0 && errno == ENOENT);
	CHECK(stat(".", &st) == 0 && S_ISDIR(st.st_mode) && st.st_nlink == 0);
}

static int removed(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return st == NULL || at == NULL || kind < 0 || remove(path) < 0;
}

static void tested(const char *where, bool times)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/file_times.XXXXXX", where);
	CHECK(mkdtemp(path) != NULL && chdir(path) == 0);
	if (times) {
		contents();
		attributes();
		names();
	}
	while_open();
	CHECK(chdir("/") == 0 && nftw(path, removed, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

int main(void)
{
	tested("/tmp", true);
	tested("/var/tmp", false);	/* its times come from more than one clock */
	return ok("");
}
