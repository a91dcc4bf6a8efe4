/* SPDX-License-Identifier: MIT */
/*
 * large_read [FOLDER]: read() of much of a file at once, at odd offsets, into memory that is fresh, touched here and there, read-only,
 * shared, full of holes, or being read into, forked, forgotten and moved by others meanwhile. What is read is what was written.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "check.h"

#define PAGE 4096ul
#define FILE_SIZE (2500 * 1000ul)
#define LARGE (700 * 1000ul)

static int fd;
static unsigned char *file;		/* the file's bytes as they should be, in memory of this program's own */

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void unmap(void *p, size_t size) { CHECK(munmap(p, size) == 0); }

static void bytes_are(const char *p, size_t off, size_t len)
{
	if (memcmp(p, file + off, len) == 0)
		return;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] != file[off + i])
			fail("byte %zu of what was read at %zu is %d, should be %d", i, off, (unsigned char)p[i], file[off + i]);
}

static void zeros(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			fail("byte %zu behind or before what was read is %d", i, p[i]);
}

static void make_file(const char *folder)
{
	char name[200];
	size_t done = 0;

	snprintf(name, sizeof(name), "%s/large_read", folder);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && unlink(name) == 0);
	file = malloc(FILE_SIZE);
	CHECK(file != NULL);
	for (size_t i = 0; i + 8 <= FILE_SIZE; i += 8)
		((uint64_t *)file)[i / 8] = pattern(i / 8, 1);
	while (done < FILE_SIZE) {
		ssize_t n = write(fd, file + done, FILE_SIZE - done);

		CHECK(n > 0);
		done += n;
	}
}

static void fresh(void)
{
	static const struct { size_t skew, off, len; } how[] = {
		{ 0, 0, LARGE }, { 16, 0, LARGE }, { 16, 1, LARGE + 1 }, { 4095, 4096, LARGE - 4095 }, { 100, 4095, LARGE + 77 },
		{ 0, 12345, 256 * PAGE }, { 0, FILE_SIZE - LARGE, LARGE }, { 2048, 2048, LARGE }, { 16, 0, FILE_SIZE },
	};

	for (unsigned i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		size_t size = how[i].skew + how[i].len + PAGE;
		char *p = map(size);

		CHECK(pread(fd, p + how[i].skew, how[i].len, how[i].off) == (ssize_t)how[i].len);
		bytes_are(p + how[i].skew, how[i].off, how[i].len);
		zeros(p, how[i].skew);
		zeros(p + how[i].skew + how[i].len, PAGE);
		unmap(p, size);
	}
}

/* Pages that the program has written to, or only read; and all of it once more over what is there. */
static void touched(void)
{
	char *p = map(LARGE);

	for (size_t at = 0; at < LARGE; at += 41 * PAGE)
		p[at + at / PAGE % 100] = 1;
	for (size_t at = 20 * PAGE; at < LARGE; at += 53 * PAGE)
		CHECK(p[at] == 0);
	CHECK(pread(fd, p, LARGE, 1000) == LARGE);
	bytes_are(p, 1000, LARGE);
	CHECK(pread(fd, p, LARGE, 77) == LARGE);
	bytes_are(p, 77, LARGE);
	unmap(p, LARGE);
}

static void near_the_end(void)
{
	char *p = map(LARGE);
	size_t at = FILE_SIZE - LARGE / 2;

	CHECK(pread(fd, p, LARGE, at) == LARGE / 2);
	bytes_are(p, at, LARGE / 2);
	zeros(p + LARGE / 2, LARGE - LARGE / 2);
	CHECK(pread(fd, p, LARGE, FILE_SIZE) == 0 && pread(fd, p, LARGE, FILE_SIZE + 5 * PAGE) == 0);
	CHECK(lseek(fd, at - LARGE, SEEK_SET) == (off_t)(at - LARGE));
	CHECK(read(fd, p, LARGE) == LARGE && lseek(fd, 0, SEEK_CUR) == (off_t)at);
	bytes_are(p, at - LARGE, LARGE);
	CHECK(read(fd, p, LARGE) == LARGE / 2 && lseek(fd, 0, SEEK_CUR) == FILE_SIZE && read(fd, p, LARGE) == 0);
	bytes_are(p, at, LARGE / 2);
	unmap(p, LARGE);
}

static void wrong_buffers(void)
{
	size_t hole = 100 * PAGE;
	char *p = map(LARGE);

	CHECK(mprotect(p, LARGE, PROT_READ) == 0);
	CHECK(pread(fd, p, LARGE, 0) < 0 && errno == EFAULT);
	zeros(p, LARGE);
	CHECK(mprotect(p, hole, PROT_READ | PROT_WRITE) == 0);
	CHECK(pread(fd, p, LARGE, 0) == (ssize_t)hole);
	bytes_are(p, 0, hole);
	zeros(p + hole, LARGE - hole);
	unmap(p, LARGE);
	p = map(LARGE);
	unmap(p + hole, PAGE);
	CHECK(lseek(fd, 4000, SEEK_SET) == 4000);
	CHECK(read(fd, p + 16, LARGE - 16) == (ssize_t)hole - 16 && lseek(fd, 0, SEEK_CUR) == (off_t)hole - 16 + 4000);
	bytes_are(p + 16, 4000, hole - 16);
	zeros(p + hole + PAGE, LARGE - hole - PAGE);
	unmap(p, LARGE);
	CHECK(pread(fd, p, LARGE, 0) < 0 && errno == EFAULT);
}

static void other_memory(void)
{
	char *shared = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *own = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char *p = map(LARGE + 100);
	struct iovec vec[] = { { p + 50, 300000 }, { shared, 200000 }, { p + 300050, LARGE - 500000 } };

	CHECK(shared != MAP_FAILED && own != MAP_FAILED);
	CHECK(pread(fd, shared, LARGE, 5) == LARGE && pread(fd, own, LARGE, 4096) == LARGE);
	bytes_are(shared, 5, LARGE);
	bytes_are(own, 4096, LARGE);
	CHECK(preadv(fd, vec, 3, 9) == LARGE);
	bytes_are(p + 50, 9, 300000);
	bytes_are(shared, 9 + 300000, 200000);
	bytes_are(p + 300050, 9 + 500000, LARGE - 500000);
	unmap(shared, LARGE);
	unmap(own, LARGE);
	unmap(p, LARGE + 100);
}

/* What write() and a mapping have changed just now is read, wherever it is. */
static void changed(void)
{
	unsigned char *m = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(m != MAP_FAILED);
	for (unsigned round = 0; round < 6; round++) {
		size_t at = 5000 + round * 77777;
		char *p = map(LARGE);

		m[at] = file[at] = round;
		m[at + 30 * PAGE] = file[at + 30 * PAGE] = round;
		memset(file + at + 300000, round + 50, 20000);
		CHECK(pwrite(fd, file + at + 300000, 20000, at + 300000) == 20000);
		if (round % 2 == 1)
			CHECK(madvise(m, FILE_SIZE, MADV_DONTNEED) == 0);
		CHECK(pread(fd, p, LARGE, at - 1000) == LARGE);
		bytes_are(p, at - 1000, LARGE);
		unmap(p, LARGE);
	}
	unmap(m, FILE_SIZE);
}

/* --- others are at work on the same memory --- */

static struct { char *p; size_t off; volatile int stop; } with;

static void *reader(void *arg)
{
	CHECK(pread(fd, with.p + 16, LARGE, with.off) == LARGE);
	return arg;
}

static void *readers_without_end(void *arg)
{
	while (!with.stop) {
		ssize_t n = pread(fd, with.p, LARGE, with.off);

		CHECK(n > 0 || errno == EFAULT);	/* it is moved away for a moment */
	}
	return arg;
}

/* Of a read that is under way: each byte is there, or not yet. */
static void some_are(const char *p, size_t off, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0 && (unsigned char)p[i] != file[off + i])
			fail("byte %zu of what is being read is %d, should be %d or 0", i, p[i], file[off + i]);
}

static void reader_is_right(void) { bytes_are(with.p + 16, with.off, LARGE); }

static void two_threads_and_forks(void)
{
	for (unsigned round = 0; round < 3; round++) {
		pthread_t t[2];
		pid_t child;
		int status;

		with.p = map(LARGE + PAGE);
		with.off = round * 1111;
		for (unsigned i = 0; i < 2; i++)
			CHECK(pthread_create(&t[i], NULL, reader, NULL) == 0);
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			some_are(with.p + 16, with.off, LARGE);
			memset(with.p, 0, LARGE);
			_exit(0);
		}
		for (unsigned i = 0; i < 2; i++)
			CHECK(pthread_join(t[i], NULL) == 0);
		if (status_in_child(reader_is_right) != 0)
			fail("a child that was forked after a read sees something else");
		bytes_are(with.p + 16, with.off, LARGE);
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		bytes_are(with.p + 16, with.off, LARGE);
		unmap(with.p, LARGE + PAGE);
	}
}

static void forgotten_and_moved(void)
{
	char *elsewhere = map(LARGE + PAGE);
	pthread_t t;

	with.p = map(LARGE + PAGE);
	with.off = 3;
	CHECK(pthread_create(&t, NULL, readers_without_end, NULL) == 0);
	for (unsigned i = 0; i < 30; i++) {
		size_t at = i * 5 % 160 * PAGE, len = 9 * PAGE;

		if (i % 3 == 0) {
			CHECK(madvise(with.p + at, len, MADV_DONTNEED) == 0);
		} else if (i % 3 == 1) {
			CHECK(mremap(with.p + at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere);
			some_are(elsewhere, with.off + at, len);
			CHECK(mmap(with.p + at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == with.p + at);
		} else {
			CHECK(mprotect(with.p + at, len, PROT_READ) == 0 && mprotect(with.p + at, len, PROT_READ | PROT_WRITE) == 0);
		}
		if (i % 10 == 9)
			some_are(with.p, with.off, LARGE);
	}
	with.stop = 1;
	CHECK(pthread_join(t, NULL) == 0);
	some_are(with.p, with.off, LARGE);
	unmap(elsewhere, LARGE + PAGE);
	unmap(with.p, LARGE + PAGE);
}

static void cut_short(void)
{
	char *p = map(LARGE);

	CHECK(ftruncate(fd, 400001) == 0);
	CHECK(pread(fd, p, LARGE, 1) == 400000);
	bytes_are(p, 1, 400000);
	zeros(p + 400000, LARGE - 400000);
	unmap(p, LARGE);
}

int main(int argc, char **argv)
{
	make_file(argc > 1 ? argv[1] : "/tmp");
	fresh();
	touched();
	near_the_end();
	wrong_buffers();
	other_memory();
	changed();
	two_threads_and_forks();
	forgotten_and_moved();
	cut_short();
	return ok("");
}
