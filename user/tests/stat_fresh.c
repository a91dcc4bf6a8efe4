/* SPDX-License-Identifier: MIT */
/*
 * stat_fresh FOLDER: what stat says of a file right after it was changed, by its other name, another descriptor or another process,
 * when it was looked at just before; what a folder lists; where a link of any length leads. Then looks at one file a thousand times.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "check.h"

#define LOOKS 1000

static int fd;				/* the file's first */

static struct stat look(const char *name)
{
	struct stat st, again;

	CHECK(stat(name, &st) == 0 && stat(name, &again) == 0);
	CHECK(st.st_ino == again.st_ino && st.st_size == again.st_size && st.st_nlink == again.st_nlink && st.st_mode == again.st_mode);
	return st;
}

static struct stat look_open(void)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	return st;
}

/* In another process. */
#define ELSEWHERE(call) do {						\
		pid_t child_ = fork();					\
		int status_;						\
									\
		if (child_ == 0)					\
			_exit(!(call));					\
		CHECK(child_ > 0 && waitpid(child_, &status_, 0) == child_ && status_ == 0); \
	} while (0)

static bool append(const char *name, const char *text)
{
	int to = open(name, O_WRONLY | O_APPEND);

	return to >= 0 && write(to, text, strlen(text)) == (ssize_t)strlen(text) && close(to) == 0;
}

static void sizes(void)
{
	CHECK(look("f").st_size == 0 && look_open().st_size == 0);
	CHECK(write(fd, "abc", 3) == 3);
	CHECK(look("f").st_size == 3 && look_open().st_size == 3);
	CHECK(append("f", "defgh"));
	CHECK(look_open().st_size == 8 && look("f").st_size == 8);
	ELSEWHERE(append("f", "ij"));
	CHECK(look_open().st_size == 10 && look("f").st_size == 10);
	CHECK(link("f", "g") == 0);
	CHECK(look("g").st_size == 10 && look("f").st_size == 10);
	ELSEWHERE(append("g", "kl"));
	CHECK(look("f").st_size == 12 && look("g").st_size == 12 && look_open().st_size == 12);
	CHECK(truncate("g", 5) == 0);
	CHECK(look_open().st_size == 5 && look("f").st_size == 5 && look("g").st_size == 5);
	ELSEWHERE(ftruncate(fd, 9000) == 0);
	CHECK(look("g").st_size == 9000 && look("f").st_size == 9000 && look_open().st_size == 9000);
	ELSEWHERE(close(open("f", O_WRONLY | O_TRUNC)) == 0);
	CHECK(look_open().st_size == 0 && look("g").st_size == 0 && look("f").st_size == 0);
	CHECK(fallocate(fd, 0, 0, 4096) == 0);
	CHECK(look("g").st_size == 4096 && look("f").st_size == 4096);
}

static void attributes(void)
{
	struct timespec t[2] = { { 1000, 5 }, { 2000, 7 } };

	CHECK((look("f").st_mode & 07777) == 0644 && (look("g").st_mode & 07777) == 0644);
	CHECK(chmod("g", 0600) == 0);
	CHECK((look("f").st_mode & 07777) == 0600 && (look_open().st_mode & 07777) == 0600);
	ELSEWHERE(fchmod(fd, 0640) == 0);
	CHECK((look("g").st_mode & 07777) == 0640 && (look("f").st_mode & 07777) == 0640);
	CHECK(utimensat(AT_FDCWD, "f", t, 0) == 0);
	CHECK(look("g").st_mtim.tv_sec == 2000 && look("g").st_mtim.tv_nsec == 7 && look_open().st_mtim.tv_sec == 2000);
	ELSEWHERE(append("g", "x"));
	CHECK(look("f").st_mtim.tv_sec > 2000 && look_open().st_mtim.tv_sec > 2000);
}

/* What is stored in a mapping is a change of the file no later than msync() says so. */
static void mapped(void)
{
	struct timespec t[2] = { { 1000, 5 }, { 2000, 7 } };
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED && utimensat(AT_FDCWD, "g", t, 0) == 0);
	CHECK(look("f").st_mtim.tv_sec == 2000 && look("g").st_mtim.tv_sec == 2000);
	p[5] = 'y';
	CHECK(msync(p, 4096, MS_SYNC) == 0);
	CHECK(look("f").st_mtim.tv_sec > 2000 && look("g").st_mtim.tv_sec > 2000 && look_open().st_mtim.tv_sec > 2000);
	CHECK(munmap(p, 4096) == 0);
}

static void names(void)
{
	struct stat h;
	int other;

	CHECK(look("f").st_nlink == 2 && look("g").st_nlink == 2 && look_open().st_nlink == 2);
	ELSEWHERE(link("g", "e") == 0);
	CHECK(look_open().st_nlink == 3 && look("f").st_nlink == 3 && look("g").st_nlink == 3);
	ELSEWHERE(unlink("e") == 0 && unlink("f") == 0);
	CHECK(look("g").st_nlink == 1 && look_open().st_nlink == 1 && access("f", F_OK) < 0);
	other = open("h", O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(other >= 0 && write(other, "four", 4) == 4 && close(other) == 0);
	h = look("h");
	CHECK(h.st_size == 4 && look("g").st_ino == look_open().st_ino);
	ELSEWHERE(rename("h", "g") == 0);
	CHECK(look("g").st_ino == h.st_ino && look("g").st_size == 4 && look("g").st_nlink == 1);
	CHECK(look_open().st_nlink == 0 && look_open().st_ino != h.st_ino);
}

static void folders(void)
{
	struct timespec t[2] = { { 1000, 5 }, { 2000, 7 } };
	int file;

	CHECK(mkdir("d", 0755) == 0 && look("d").st_nlink == 2);
	ELSEWHERE(mkdir("d/e", 0700) == 0);
	CHECK(look("d").st_nlink == 3);
	CHECK(mkdir("d2", 0755) == 0 && look("d2").st_nlink == 2);
	ELSEWHERE(rename("d/e", "d2/e") == 0);
	CHECK(look("d").st_nlink == 2 && look("d2").st_nlink == 3);
	ELSEWHERE(rmdir("d2/e") == 0);
	CHECK(look("d2").st_nlink == 2);
	CHECK(utimensat(AT_FDCWD, "d", t, 0) == 0 && look("d").st_mtim.tv_sec == 2000);
	ELSEWHERE((file = open("d/f", O_CREAT | O_WRONLY, 0600)) >= 0);
	CHECK(look("d").st_mtim.tv_sec > 2000);
	CHECK(utimensat(AT_FDCWD, "d", t, 0) == 0 && look("d").st_mtim.tv_sec == 2000);
	ELSEWHERE(symlink("x", "d/s") == 0);
	CHECK(look("d").st_mtim.tv_sec > 2000);
	CHECK(utimensat(AT_FDCWD, "d", t, 0) == 0 && look("d").st_mtim.tv_sec == 2000);
	ELSEWHERE(unlink("d/s") == 0 && unlink("d/f") == 0);
	CHECK(look("d").st_mtim.tv_sec > 2000);
	CHECK(rmdir("d") == 0 && rmdir("d2") == 0);
}

static unsigned listed(DIR *d)
{
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	return n;
}

/* All of it, once, and again from the start; the end is the end however often it is asked for. */
static void listings(unsigned files)
{
	char name[64];
	DIR *d;

	CHECK(mkdir("many", 0755) == 0);
	for (unsigned i = 0; i < files; i++) {
		snprintf(name, sizeof(name), "many/a-file-with-a-name-of-some-length-%u", i);
		CHECK(mknod(name, S_IFREG | 0600, 0) == 0);
	}
	d = opendir("many");
	CHECK(d != NULL && listed(d) == files + 2 && listed(d) == 0 && listed(d) == 0);
	rewinddir(d);
	CHECK(listed(d) == files + 2);
	ELSEWHERE(mknod("many/x", S_IFREG | 0600, 0) == 0);
	rewinddir(d);
	CHECK(listed(d) == files + 3 && unlink("many/x") == 0);
	rewinddir(d);
	CHECK(listed(d) == files + 2 && closedir(d) == 0);
	for (unsigned i = 0; i < files; i++) {
		snprintf(name, sizeof(name), "many/a-file-with-a-name-of-some-length-%u", i);
		CHECK(unlink(name) == 0);
	}
	CHECK(rmdir("many") == 0);
}

/* Links to g, by ways of different lengths. */
static void links(void)
{
	static const unsigned lengths[] = { 1, 59, 61, 255, 257, 1001 };
	char target[1024], seen[1024];

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(target, 0, sizeof(target));
		for (unsigned n = 0; n + 1 < lengths[i]; n++)
			target[n] = n % 2 == 0 ? '.' : '/';
		target[lengths[i] - 1] = 'g';
		CHECK(symlink(target, "s") == 0);
		ELSEWHERE(look("s").st_ino == look("g").st_ino);
		CHECK(readlink("s", seen, sizeof(seen)) == (ssize_t)lengths[i] && memcmp(seen, target, lengths[i]) == 0);
		CHECK(readlink("s", seen, 1) == 1 && unlink("s") == 0);
	}
}

int main(int argc, char **argv)
{
	char path[256];

	CHECK(argc == 2);
	snprintf(path, sizeof(path), "%s/stat_fresh.XXXXXX", argv[1]);
	umask(022);
	CHECK(mkdtemp(path) != NULL && chdir(path) == 0);
	fd = open("f", O_CREAT | O_EXCL | O_RDWR, 0644);
	CHECK(fd >= 0);
	sizes();
	attributes();
	mapped();
	names();
	folders();
	listings(3);
	listings(400);
	links();
	for (int i = 0; i < LOOKS; i++)
		CHECK(look("g").st_size == 4);
	CHECK(unlink("g") == 0 && close(fd) == 0 && chdir("/") == 0 && rmdir(path) == 0);
	return ok("");
}
