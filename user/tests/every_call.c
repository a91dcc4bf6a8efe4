/* SPDX-License-Identifier: MIT */
/*
 * every_call FOLDER [ROUNDS]: what makes a processor and a memory node ask each thing that they can ask on behalf of a program: of files,
 * of their names, of memory, of other programs. Each round does all of it, in the same order, and looks whether it was done.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include "check.h"

#define PAGE	4096ul
#define SIZE	(1024 * 1024ul)		/* more than the caches of the tests hold */
#define TARGET	1000			/* a link's that does not come with its name */

static uint64_t words[SIZE / sizeof(uint64_t)];

static void names(void)
{
	char target[TARGET + 1], seen[TARGET + 1];
	struct timespec times[2] = { { 1000, 5 }, { 2000, 7 } };
	struct statvfs volume;
	struct stat st;
	unsigned n = 0;
	DIR *d;
	int fd;

	CHECK(mkdir("d", 0755) == 0);
	fd = open("d/f", O_CREAT | O_EXCL | O_RDWR, 0644);
	CHECK(fd >= 0 && write(fd, "abc", 3) == 3);
	CHECK(link("d/f", "d/g") == 0 && rename("d/g", "d/h") == 0);
	memset(target, '/', TARGET);
	target[TARGET] = '\0';
	CHECK(symlink(target, "d/s") == 0 && readlink("d/s", seen, sizeof(seen)) == TARGET && memcmp(target, seen, TARGET) == 0);
	CHECK(chmod("d/h", 0600) == 0 && utimensat(AT_FDCWD, "d/f", times, 0) == 0);
	CHECK(stat("d/f", &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_mtime == 2000 && st.st_nlink == 2 && st.st_size == 3);
	CHECK(statvfs("d", &volume) == 0 && volume.f_bsize != 0);
	d = opendir("d");
	CHECK(d != NULL);
	while (readdir(d) != NULL)
		n++;
	CHECK(n == 5 && closedir(d) == 0);
	CHECK(unlink("d/s") == 0 && unlink("d/h") == 0 && unlink("d/f") == 0 && rmdir("d") == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0 && close(fd) == 0);	/* it was there till now */
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	CHECK(fd >= 0 && write(fd, "abc", 3) == 3 && close(fd) == 0);
}

static void data(uint64_t round)
{
	uint64_t *read_into = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *map;
	int fd = open("data", O_CREAT | O_EXCL | O_RDWR, 0644);
	struct stat st;

	CHECK(fd >= 0 && read_into != MAP_FAILED);
	pattern_write(words, SIZE / 8, 0, round);
	CHECK(write(fd, words, SIZE) == (ssize_t)SIZE && fsync(fd) == 0);
	CHECK(pread(fd, read_into, SIZE, 0) == (ssize_t)SIZE);		/* a large one, into pages that nobody has touched */
	pattern_check(read_into, SIZE / 8, 0, round);
	CHECK(munmap(read_into, SIZE) == 0);
	CHECK(pread(fd, words, PAGE, SIZE / 2) == (ssize_t)PAGE);		/* and a small one */
	pattern_check(words, PAGE / 8, SIZE / 2 / 8, round);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	pattern_check(map, SIZE / 8, 0, round);				/* one page after the other: they are fetched ahead */
	map[1] = 5;
	CHECK(msync(map, PAGE, MS_SYNC) == 0 && munmap(map, SIZE) == 0);
	CHECK(pread(fd, words, PAGE, 0) == (ssize_t)PAGE && words[1] == 5);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE) == 0);
	CHECK(pread(fd, words, PAGE, 0) == (ssize_t)PAGE && words[1] == 0);
	CHECK(lseek(fd, 0, SEEK_DATA) >= 0);
	CHECK(ftruncate(fd, 5 * PAGE) == 0 && fstat(fd, &st) == 0 && st.st_size == (off_t)(5 * PAGE));
	sync();
	CHECK(close(fd) == 0 && unlink("data") == 0);
}

static void memory(uint64_t round)
{
	uint64_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *to, *shared;
	struct sysinfo si;

	CHECK(p != MAP_FAILED);
	pattern_write(p, SIZE / 8, 0, round);
	to = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(to != MAP_FAILED && mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK(mprotect(to, PAGE, PROT_READ) == 0 && madvise(to + SIZE / 16, SIZE / 2, MADV_DONTNEED) == 0);
	pattern_check(to, SIZE / 16, 0, round);
	CHECK(to[SIZE / 16] == 0 && munmap(to, SIZE) == 0);
	shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	pattern_write(shared, 2 * PAGE / 8, 0, round);
	pattern_check(shared, 2 * PAGE / 8, 0, round);
	CHECK(munmap(shared, SIZE) == 0 && sysinfo(&si) == 0);
}

static void programs(void)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		words[0] = 1;					/* a page of its own */
		execl("/proc/self/exe", "every_call", "exit", NULL);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(int argc, char **argv)
{
	unsigned long rounds = number_arg(argc, argv, 2, 1);
	char path[256];

	if (argc == 2 && strcmp(argv[1], "exit") == 0)
		return 7;
	if (argc < 2)
		fail("usage: every_call FOLDER [ROUNDS]");
	snprintf(path, sizeof(path), "%s/every_call.XXXXXX", argv[1]);
	umask(022);
	CHECK(mkdtemp(path) != NULL && chdir(path) == 0);
	for (unsigned long round = 0; round < rounds; round++) {
		names();
		data(round);
		memory(round);
		programs();
	}
	CHECK(chdir("/") == 0 && rmdir(path) == 0);
	return ok("");
}
