/* SPDX-License-Identifier: MIT */
/*
 * mapped_files FOLDER: what processes write into a file through shared mappings is in the file, however they leave it: after msync(),
 * munmap(), exit, exec or by SIGKILL. Two write a file each time, every other page each, and see each other's pages. The files
 * stay: FOLDER/msync and so on, word i of page p is p * 512 + i + 1 times the way's number.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE		4096ul
#define WORDS		(PAGE / 8)
#define NR_PAGES	96ul

enum way { MSYNC, MUNMAP, EXIT, EXEC, KILL, NR_WAYS };
static const char *const names[] = { "msync", "munmap", "exit", "exec", "kill" };

static uint64_t word_of(enum way way, uint64_t i) { return (i + 1) * (way + 1); }

static void leave(enum way way, uint64_t *map)
{
	switch (way) {
	case MSYNC:
		CHECK(msync(map, NR_PAGES * PAGE, MS_SYNC) == 0);
		break;
	case MUNMAP:
		CHECK(munmap(map, NR_PAGES * PAGE) == 0);
		break;
	case EXEC:
		execl("/proc/self/exe", "mapped_files", "nothing", NULL);
		fail("exec: %s", strerror(errno));
	case KILL:
		raise(SIGKILL);
		break;
	default:
		break;
	}
	_exit(0);
}

/* Its pages, twice over: those before are gone from a small cache meanwhile. Then it waits until the other has written its own. */
static void child(enum way way, uint64_t *map, unsigned mine, int *said, int *heard)
{
	char c = 0;

	for (unsigned round = 0; round < 2; round++)
		for (uint64_t page = mine; page < NR_PAGES; page += 2)
			for (uint64_t i = page * WORDS; i < (page + 1) * WORDS; i++) {
				CHECK(map[i] == (round == 0 ? 0 : word_of(way, i) - 1));
				map[i] = word_of(way, i) - 1 + round;
			}
	CHECK(write(said[1], &c, 1) == 1 && read(heard[0], &c, 1) == 1);
	for (uint64_t i = 0; i < NR_PAGES * WORDS; i++)
		CHECK(map[i] == word_of(way, i));
	leave(way, map);
}

static void one_way(enum way way, const char *folder)
{
	int there[2], back[2], fd, status;
	static uint64_t page[WORDS];
	char path[PATH_MAX];
	uint64_t *map;
	pid_t pid[2];

	snprintf(path, sizeof(path), "%s/%s", folder, names[way]);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0 && ftruncate(fd, NR_PAGES * PAGE) == 0 && pipe(there) == 0 && pipe(back) == 0);
	for (unsigned n = 0; n < 2; n++) {
		pid[n] = fork();
		if (pid[n] != 0)
			continue;
		map = mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		CHECK(map != MAP_FAILED && close(fd) == 0);
		child(way, map, n, n == 0 ? there : back, n == 0 ? back : there);
	}
	for (unsigned n = 0; n < 2; n++) {
		CHECK(pid[n] > 0 && waitpid(pid[n], &status, 0) == pid[n]);
		CHECK(way == KILL ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL : status == 0);
	}
	for (uint64_t p = 0; p < NR_PAGES; p++) {
		CHECK(pread(fd, page, PAGE, (off_t)(p * PAGE)) == (ssize_t)PAGE);
		for (uint64_t i = 0; i < WORDS; i++)
			CHECK(page[i] == word_of(way, p * WORDS + i));
	}
	close(fd);
	for (unsigned n = 0; n < 2; n++)
		CHECK(close(there[n]) == 0 && close(back[n]) == 0);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		fail("usage: mapped_files FOLDER");
	if (strcmp(argv[1], "nothing") == 0)
		return 0;
	for (enum way way = 0; way < NR_WAYS; way++)
		one_way(way, argv[1]);
	return ok("");
}
