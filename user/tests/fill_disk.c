/* SPDX-License-Identifier: MIT */
/*
 * fill_disk DIR MB: writes files into DIR until the disk is full, which must be said by ENOSPC at write or fsync and must come before
 * MB megabytes; what was acknowledged by fsync before that reads back; after a file is removed there is room again.
 */
#include <fcntl.h>
#include <limits.h>

#include "check.h"

#define BLOCK	(64 * 1024)
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

int main(int argc, char **argv)
{
	unsigned long most = number_arg(argc, argv, 2, 0), n = 0;
	const char *dir = argc > 1 ? argv[1] : NULL;

	if (dir == NULL || most == 0)
		fail("usage: fill_disk DIR MB");
	while (n < most && write_file(dir, n))
		n++;
	if (n == most)
		fail("%lu MB written, and the disk is not full", n);
	for (unsigned long i = 0; i < n; i++)
		check_file(dir, i);
	if (unlink(name_of(dir, n)) != 0)
		CHECK(errno == ENOENT);		/* not even its name fitted */
	CHECK(n < 2 || (unlink(name_of(dir, 0)) == 0 && unlink(name_of(dir, 1)) == 0));
	CHECK(n < 2 || write_file(dir, 0));	/* there is room again */
	return ok("full after %lu MB", n);
}
