/* SPDX-License-Identifier: MIT */
/*
 * holes: what lseek(2) finds of a file's holes, what fallocate(2) makes of them, and what they take of the disk; in /tmp and /var/tmp, or in
 * the folders given. Everything is in pieces of 64 KB: as large as any file system's blocks.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "check.h"

#define PIECE 65536l

static char data[4 * PIECE], zeros[4 * PIECE], buf[4 * PIECE];

static long blocks(int fd)
{
	struct stat st;

	CHECK(fsync(fd) == 0 && fstat(fd, &st) == 0);
	return st.st_blocks;
}

static long size_of(int fd)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	return st.st_size;
}

static void is(int fd, long off, const char *what, long len)
{
	CHECK(pread(fd, buf, len, off) == len && memcmp(buf, what, len) == 0);
}

/* lseek() with its outcome: the place, or -errno */
static long at(int fd, long off, int whence)
{
	long rc = lseek(fd, off, whence);

	return rc < 0 ? -errno : rc;
}

static void found(int fd)
{
	CHECK(at(fd, 0, SEEK_DATA) == -ENXIO && at(fd, 0, SEEK_HOLE) == -ENXIO);
	CHECK(pwrite(fd, data, PIECE, 0) == PIECE && pwrite(fd, data, PIECE, 10 * PIECE) == PIECE && ftruncate(fd, 20 * PIECE) == 0);
	CHECK(at(fd, 0, SEEK_DATA) == 0 && at(fd, 0, SEEK_HOLE) == PIECE && at(fd, 5, SEEK_DATA) == 5);
	CHECK(at(fd, PIECE, SEEK_DATA) == 10 * PIECE && at(fd, 3 * PIECE + 7, SEEK_DATA) == 10 * PIECE);
	CHECK(lseek(fd, 0, SEEK_CUR) == 10 * PIECE);
	CHECK(at(fd, 3 * PIECE + 7, SEEK_HOLE) == 3 * PIECE + 7 && at(fd, 10 * PIECE + 1, SEEK_HOLE) == 11 * PIECE);
	CHECK(at(fd, 11 * PIECE, SEEK_DATA) == -ENXIO && at(fd, 20 * PIECE, SEEK_HOLE) == -ENXIO && at(fd, -1, SEEK_DATA) == -ENXIO);
	CHECK(at(fd, 19 * PIECE, SEEK_HOLE) == 19 * PIECE);
	CHECK(blocks(fd) >= 2 * PIECE / 512 && blocks(fd) < 4 * PIECE / 512);
}

static void mapped(int fd)
{
	char *p = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 15 * PIECE);

	CHECK(p != MAP_FAILED);
	CHECK(p[77] == 0 && at(fd, 11 * PIECE, SEEK_DATA) == -ENXIO);	/* read, not written */
	for (long i = 0; i < PIECE; i += 4096)
		p[i] = 1;
	CHECK(at(fd, 11 * PIECE, SEEK_DATA) == 15 * PIECE && at(fd, 15 * PIECE, SEEK_HOLE) == 16 * PIECE);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 15 * PIECE, PIECE) == 0);
	CHECK(p[0] == 0 && p[4096] == 0 && at(fd, 11 * PIECE, SEEK_DATA) == -ENXIO);
	p[4096] = 2;
	CHECK(munmap(p, PIECE) == 0 && pread(fd, buf, 1, 15 * PIECE + 4096) == 1 && buf[0] == 2);
}

static void punched(int fd)
{
	const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	long had;

	CHECK(ftruncate(fd, 0) == 0 && blocks(fd) == 0);
	CHECK(pwrite(fd, data, 4 * PIECE, 0) == 4 * PIECE);
	had = blocks(fd);
	CHECK(fallocate(fd, hole, PIECE, 2 * PIECE) == 0);
	CHECK(size_of(fd) == 4 * PIECE && blocks(fd) <= had - 2 * PIECE / 512);
	is(fd, 0, data, PIECE);
	is(fd, PIECE, zeros, 2 * PIECE);
	is(fd, 3 * PIECE, data + 3 * PIECE, PIECE);
	CHECK(at(fd, 0, SEEK_HOLE) == PIECE && at(fd, PIECE, SEEK_DATA) == 3 * PIECE);
	CHECK(fallocate(fd, hole, 100, 200) == 0 && fallocate(fd, hole, 3 * PIECE + 10, 10000) == 0);	/* parts of pages */
	CHECK(pread(fd, buf, PIECE, 0) == PIECE && memcmp(buf, data, 100) == 0 && memcmp(buf + 100, zeros, 200) == 0 &&
	      memcmp(buf + 300, data + 300, PIECE - 300) == 0);
	CHECK(pread(fd, buf, PIECE, 3 * PIECE) == PIECE && memcmp(buf, data + 3 * PIECE, 10) == 0 && memcmp(buf + 10, zeros, 10000) == 0 &&
	      memcmp(buf + 10010, data + 3 * PIECE + 10010, PIECE - 10010) == 0);
	CHECK(fallocate(fd, hole, 3 * PIECE + 5, 10 * PIECE) == 0 && size_of(fd) == 4 * PIECE);		/* over the end */
	CHECK(fallocate(fd, hole, 0, 1) == 0 && fallocate(fd, hole, 0, PIECE) == 0 && blocks(fd) <= had - 3 * PIECE / 512);
	CHECK(ftruncate(fd, 0) == 0 && blocks(fd) == 0);
}

static void allocated(int fd)
{
	CHECK(fallocate(fd, 0, 0, 2 * PIECE) == 0 && size_of(fd) == 2 * PIECE && blocks(fd) >= 2 * PIECE / 512);
	is(fd, 0, zeros, 2 * PIECE);
	CHECK(pwrite(fd, data, 100, PIECE) == 100 && blocks(fd) >= 2 * PIECE / 512 && blocks(fd) < 3 * PIECE / 512);
	CHECK(fallocate(fd, 0, 10, 100) == 0 && size_of(fd) == 2 * PIECE);
	is(fd, PIECE, data, 100);
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 * PIECE) == 0)
		CHECK(size_of(fd) == 2 * PIECE && blocks(fd) >= 4 * PIECE / 512);
	else
		CHECK(errno == EOPNOTSUPP);			/* memory has no place behind the end */
	CHECK(ftruncate(fd, 2 * PIECE) == 0 && blocks(fd) < 3 * PIECE / 512);
	CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, PIECE / 2, PIECE) == 0 && size_of(fd) == 2 * PIECE);
	is(fd, PIECE, data, 100);
}

/* Zeros go where they are asked for, whatever O_APPEND says of writes. */
static void of_appenders(const char *path)
{
	int fd = open(path, O_RDWR | O_APPEND);

	CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && write(fd, data, 10000) == 10000);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 50) == 0 && size_of(fd) == 10000);
	CHECK(pread(fd, buf, 200, 0) == 200 && buf[99] == data[99] && memcmp(buf + 100, zeros, 50) == 0 && buf[150] == data[150]);
	close(fd);
}

/* MADV_REMOVE is a hole as any: who watches the file is told, and it is a set-user-ID program no more. */
static void remove_it(int fd)
{
	char *p = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	CHECK(getuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
	CHECK(madvise(p, PIECE, MADV_REMOVE) == 0 && p[0] == 0 && p[4096] == 0);
}

static void removed(int fd, const char *path)
{
	int watch = inotify_init1(IN_NONBLOCK), status;
	struct inotify_event e;
	struct statfs fs;
	struct stat st;
	pid_t child;

	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, 2 * PIECE, 0) == 2 * PIECE && fchmod(fd, 04755) == 0 && fstatfs(fd, &fs) == 0);
	CHECK(watch >= 0 && inotify_add_watch(watch, path, IN_MODIFY) >= 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		remove_it(fd);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(read(watch, &e, sizeof(e)) == sizeof(e) && e.mask == IN_MODIFY && close(watch) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 2 * PIECE);
	CHECK(fs.f_type == TMPFS_MAGIC || (st.st_mode & 07777) == 0755);		/* Linux's tmpfs keeps it */
	is(fd, 0, zeros, PIECE);
	is(fd, PIECE, data + PIECE, PIECE);
}

/* Zeros of a range do not bring back what is cut off meanwhile, whoever of the two is first. */
static void of_cutters(const char *path)
{
	int fd = open(path, O_RDWR), go[2];
	char word;

	CHECK(fd >= 0 && pipe(go) == 0);
	for (int round = 0; round < 40; round++) {
		pid_t child;

		CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, 4 * PIECE, 0) == 4 * PIECE);
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			CHECK(read(go[0], &word, 1) == 1);
			CHECK(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 100, 4 * PIECE - 200) == 0 || errno == EOPNOTSUPP);
			_exit(0);
		}
		CHECK(write(go[1], "x", 1) == 1);
		usleep(round * 50);
		CHECK(ftruncate(fd, PIECE) == 0 && waitpid(child, NULL, 0) == child && size_of(fd) == PIECE);
		CHECK(ftruncate(fd, 4 * PIECE) == 0);
		is(fd, 2 * PIECE, zeros, 2 * PIECE);
	}
	CHECK(close(fd) == 0 && close(go[0]) == 0 && close(go[1]) == 0);
}

static void sealed(void)
{
	int fd = memfd_create("holes", MFD_ALLOW_SEALING);

	CHECK(fd >= 0 && write(fd, data, PIECE) == PIECE && blocks(fd) == PIECE / 512);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
	CHECK(fallocate(fd, 0, 0, 2 * PIECE) == -1 && errno == EPERM);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 4096) == -1 && errno == EPERM);
	is(fd, 8192, data + 8192, 4096);
	close(fd);
}

int main(int argc, char **argv)
{
	static char *usual[] = { "/tmp", "/var/tmp" };
	char **folder = argc > 1 ? argv + 1 : usual;

	for (long i = 0; i < (long)sizeof(data); i++)
		data[i] = 'a' + i % 23;
	for (int i = 0; i < (argc > 1 ? argc - 1 : 2); i++) {
		char path[200];
		int fd;

		snprintf(path, sizeof(path), "%s/holes.XXXXXX", folder[i]);
		fd = mkstemp(path);
		CHECK(fd >= 0);
		found(fd);
		mapped(fd);
		punched(fd);
		allocated(fd);
		removed(fd, path);
		of_appenders(path);
		of_cutters(path);
		CHECK(close(fd) == 0 && unlink(path) == 0);
	}
	sealed();
	return ok("");
}
