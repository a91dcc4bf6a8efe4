/* SPDX-License-Identifier: MIT */
/*
 * fill_disk DIR MB: writes files into DIR until the disk is full, which must be said by ENOSPC at write or fsync and must come before
 * MB megabytes; what was acknowledged by fsync before that reads back; what a mapping holds and finds no room is not lost unsaid; after a
 * file is removed there is room again.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>

#include "check.h"

#define BLOCK	(64 * 1024)
#define HOLE	(8l * 1024 * 1024)	/* more than what is left where a file was not written as a whole */
#define BLOCKS_PER_FILE 16		/* each file is synced on its own */

static uint64_t block[BLOCK / sizeof(uint64_t)], back[BLOCK / sizeof(uint64_t)];
static char path[PATH_MAX];

static const char *name_of(const char *dir, unsigned long n)
{
	snprintf(path, sizeof(path), "%s/fill-%lu", dir, n);
	return path;
}

static void fill_block(unsigned long file, unsigned long i)
{
	for (size_t k = 0; k < sizeof(block) / sizeof(*block); k++)
		block[k] = (file << 32 | i << 16) + k;
}

/* Whether the whole file is on disk; if not, the reason was ENOSPC. */
static int write_file(const char *dir, unsigned long n)
{
	int fd = open(name_of(dir, n), O_RDWR | O_CREAT | O_EXCL, 0644), full = 0;

	if (fd < 0) {
		CHECK(errno == ENOSPC);
		return 0;
	}
	for (unsigned long i = 0; i < BLOCKS_PER_FILE && !full; i++) {
		ssize_t did;

		fill_block(n, i);
		did = write(fd, block, BLOCK);
		CHECK(did >= 0 || errno == ENOSPC);
		full = did != BLOCK;
	}
	if (fsync(fd) != 0) {
		CHECK(errno == ENOSPC);
		full = 1;
	}
	CHECK(close(fd) == 0 || errno == ENOSPC);
	return !full;
}

static void check_file(const char *dir, unsigned long n)
{
	int fd = open(name_of(dir, n), O_RDONLY);

	CHECK(fd >= 0);
	for (unsigned long i = 0; i < BLOCKS_PER_FILE; i++) {
		fill_block(n, i);
		CHECK(read(fd, back, BLOCK) == BLOCK);
		CHECK(memcmp(block, back, BLOCK) == 0);
	}
	CHECK(close(fd) == 0);
}

/*
 * What a mapping has put into a hole finds no room. Either that is said at once, by SIGBUS, or by the next fsync() of the file: what others
 * do meanwhile, and whoever else writes everything to the disk, does not take the error away.
 */
static void store_in_hole(const char *name)
{
	int fd = open(name, O_RDWR), other;
	char *p = mmap(NULL, HOLE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(fd >= 0 && p != MAP_FAILED);
	for (size_t at = 0; at < HOLE; at += 4096)
		p[at] = 1;
	sync();
	other = open(name, O_RDONLY);
	CHECK(other >= 0 && (lseek(other, 0, SEEK_HOLE) >= 0 || errno == ENOSPC) && close(other) == 0);
	sync();
	CHECK(fsync(fd) == -1 && (errno == ENOSPC || errno == EIO));
	_exit(0);
}

static void lose(const char *dir)
{
	char name[PATH_MAX + 16];
	int status, fd;
	pid_t child;

	snprintf(name, sizeof(name), "%s/hole", dir);
	fd = open(name, O_RDWR);
	CHECK(fd >= 0 && close(fd) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		store_in_hole(name);
	CHECK(waitpid(child, &status, 0) == child && (status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)));
	CHECK(unlink(name) == 0);
}

static void make_hole(const char *dir)
{
	char name[PATH_MAX + 16];
	int fd;

	snprintf(name, sizeof(name), "%s/hole", dir);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, HOLE) == 0 && fsync(fd) == 0 && close(fd) == 0);
}

int main(int argc, char **argv)
{
	unsigned long most = number_arg(argc, argv, 2, 0), n = 0;
	const char *dir = argc > 1 ? argv[1] : NULL;

	if (dir == NULL || most == 0)
		fail("usage: fill_disk DIR MB");
	make_hole(dir);
	while (n < most && write_file(dir, n))
		n++;
	if (n == most)
		fail("%lu MB written, and the disk is not full", n);
	lose(dir);
	for (unsigned long i = 0; i < n; i++)
		check_file(dir, i);
	if (unlink(name_of(dir, n)) != 0)
		CHECK(errno == ENOENT);		/* not even its name fitted */
	CHECK(n < 2 || (unlink(name_of(dir, 0)) == 0 && unlink(name_of(dir, 1)) == 0));
	CHECK(n < 2 || write_file(dir, 0));	/* there is room again */
	return ok("full after %lu MB", n);
}
