/* SPDX-License-Identifier: MIT */
/*
 * file_stress FOLDER SECONDS [SEED]: processes change files of their own at random and know what each contains: writes anywhere, at
 * the end and through mappings, truncations, other names, files made anew; synced, closed, opened and compared again and again. All
 * append to one file: no record of it is lost, torn or doubled. What is left follows from SEED: with 0 SECONDS nothing is changed, and
 * what a run before has left is compared.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "check.h"

#define NR_PROCESSES	3u
#define NR_FILES	2u			/* of each */
#define MAX_SIZE	(40u * 1024)

struct file {
	int fd;
	unsigned process, number, name;		/* name: which of its two it has */
	size_t size;
	unsigned char data[MAX_SIZE];
};
struct record {
	uint64_t process, number, words[6];	/* the words follow from the others */
};

static const char *folder;
static unsigned long seed;
static uint64_t state;
static unsigned char buf[MAX_SIZE];

static unsigned below(unsigned n)
{
	state = pattern(state, 1);
	return (state >> 33) % n;
}

static const char *path(const struct file *f, unsigned name)
{
	static char text[2][PATH_MAX];

	snprintf(text[name], sizeof(text[name]), "%s/stress-%u-%u%c", folder, f->process, f->number, "ab"[name]);
	return text[name];
}

static const char *log_path(void)
{
	static char text[PATH_MAX];

	snprintf(text, sizeof(text), "%s/stress-log", folder);
	return text;
}

/* --- one file --- */

static void file_open(struct file *f, int flags)
{
	f->fd = open(path(f, f->name), O_RDWR | flags, 0644);
	CHECK(f->fd >= 0);
}

static void compare(struct file *f, size_t off, size_t len)
{
	size_t there = off < f->size ? f->size - off : 0, want = len < there ? len : there;

	CHECK(pread(f->fd, buf, len, (off_t)off) == (ssize_t)want);
	for (size_t i = 0; i < want; i++)
		if (buf[i] != f->data[off + i])
			fail("%s: byte %zu of %zu is %#x, should be %#x", path(f, f->name), off + i, f->size, buf[i], f->data[off + i]);
}

/* New contents of a range, in f->data alone; returns the length. */
static size_t new_bytes(struct file *f, size_t off, size_t most)
{
	size_t len = 1 + below(most < 8000 ? (unsigned)most : 8000);

	for (size_t i = 0; i < len; i++)
		f->data[off + i] = (unsigned char)below(256);
	return len;
}

static void write_anywhere(struct file *f)
{
	size_t off = below((unsigned)f->size + 1), len;

	if (off == MAX_SIZE)
		return;
	len = new_bytes(f, off, MAX_SIZE - off);
	CHECK(pwrite(f->fd, f->data + off, len, (off_t)off) == (ssize_t)len);
	if (off + len > f->size)
		f->size = off + len;
}

static void append(struct file *f)
{
	int fd = open(path(f, f->name), O_WRONLY | O_APPEND);
	size_t len;

	CHECK(fd >= 0);
	if (f->size < MAX_SIZE) {
		len = new_bytes(f, f->size, MAX_SIZE - f->size);
		CHECK(write(fd, f->data + f->size, len) == (ssize_t)len);
		f->size += len;
	}
	CHECK(close(fd) == 0);
}

static void write_mapped(struct file *f)
{
	unsigned char *map;
	size_t off, len;

	if (f->size == 0)
		return;
	map = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK(memcmp(map, f->data, f->size) == 0);
	off = below((unsigned)f->size);
	len = new_bytes(f, off, f->size - off);
	memcpy(map + off, f->data + off, len);
	if (below(2))
		CHECK(msync(map, f->size, MS_SYNC) == 0);
	CHECK(munmap(map, f->size) == 0);
}

static void cut(struct file *f)
{
	size_t size = below(MAX_SIZE + 1);

	CHECK(ftruncate(f->fd, (off_t)size) == 0);
	if (size > f->size)
		memset(f->data + f->size, 0, size - f->size);
	f->size = size;
}

static void compare_anew(struct file *f)
{
	struct stat st;

	CHECK(close(f->fd) == 0);
	file_open(f, 0);
	CHECK(fstat(f->fd, &st) == 0 && st.st_size == (off_t)f->size);
	compare(f, 0, MAX_SIZE);
}

static void rename_it(struct file *f)
{
	CHECK(rename(path(f, f->name), path(f, !f->name)) == 0);
	CHECK(access(path(f, f->name), F_OK) < 0 && errno == ENOENT);
	f->name = !f->name;
}

static void make_anew(struct file *f)
{
	CHECK(unlink(path(f, f->name)) == 0);
	compare(f, 0, MAX_SIZE);			/* it lives as long as it is open */
	CHECK(close(f->fd) == 0);
	CHECK(open(path(f, f->name), O_RDWR) < 0 && errno == ENOENT);
	file_open(f, O_CREAT | O_EXCL);
	f->size = 0;
}

static void change_or_look(struct file *f)
{
	switch (below(16)) {
	case 0: case 1: case 2: write_anywhere(f); break;
	case 3: case 4:	append(f); break;
	case 5: case 6: write_mapped(f); break;
	case 7: cut(f); break;
	case 8: CHECK(fsync(f->fd) == 0); break;
	case 9: CHECK(fdatasync(f->fd) == 0); break;
	case 10: rename_it(f); break;
	case 11: make_anew(f); break;
	case 12: compare_anew(f); break;
	default: compare(f, below(MAX_SIZE), below(MAX_SIZE)); break;
	}
}

/* --- what is left --- */

static void last_contents(struct file *f)
{
	state = pattern(seed, 100 + f->process * NR_FILES + f->number);
	f->size = 1 + below(MAX_SIZE);
	for (size_t i = 0; i < f->size; i++)
		f->data[i] = (unsigned char)below(256);
}

static void leave(struct file *f)
{
	if (f->name != 0)
		rename_it(f);
	last_contents(f);
	CHECK(ftruncate(f->fd, 0) == 0);
	CHECK(pwrite(f->fd, f->data, f->size, 0) == (ssize_t)f->size);
	CHECK(fsync(f->fd) == 0 && close(f->fd) == 0);
}

static void check_left(struct file *f)
{
	struct stat st;

	last_contents(f);
	CHECK(access(path(f, 1), F_OK) < 0 && errno == ENOENT);
	f->fd = open(path(f, 0), O_RDONLY);
	CHECK(f->fd >= 0);
	CHECK(fstat(f->fd, &st) == 0 && st.st_size == (off_t)f->size);
	compare(f, 0, MAX_SIZE);
	CHECK(close(f->fd) == 0);
}

/* --- the file of all --- */

static void record_make(struct record *r, unsigned process, uint64_t number)
{
	*r = (struct record){ .process = process, .number = number };
	pattern_write(r->words, 6, number * 6, process);
}

/* How many records there are; each process's are there in their order. */
static uint64_t log_check(void)
{
	uint64_t next[NR_PROCESSES] = { 0 }, nr = 0;
	struct record r, want;
	int fd = open(log_path(), O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, &r, sizeof(r))) == sizeof(r)) {
		CHECK(r.process < NR_PROCESSES);
		record_make(&want, (unsigned)r.process, next[r.process]++);
		CHECK(memcmp(&r, &want, sizeof(r)) == 0);
		nr++;
	}
	CHECK(n == 0 && close(fd) == 0);
	return nr;
}

/* --- processes --- */

static uint64_t *records;			/* shared: of each process */

static void run(unsigned process, long long end)
{
	static struct file file[NR_FILES];
	int log = open(log_path(), O_WRONLY | O_APPEND);
	struct record r;

	CHECK(log >= 0);
	for (unsigned i = 0; i < NR_FILES; i++) {
		file[i].process = process;
		file[i].number = i;
		(void)unlink(path(&file[i], 1));
		file_open(&file[i], O_CREAT | O_TRUNC);
	}
	state = pattern(seed, process);
	do {
		change_or_look(&file[below(NR_FILES)]);
		if (below(4) == 0) {
			record_make(&r, process, records[process]++);
			CHECK(write(log, &r, sizeof(r)) == sizeof(r));
		}
	} while (now_ns() < end);
	for (unsigned i = 0; i < NR_FILES; i++) {
		compare_anew(&file[i]);
		leave(&file[i]);
	}
	CHECK(fsync(log) == 0 && close(log) == 0);
}

static int look(void)
{
	static struct file f;

	for (f.process = 0; f.process < NR_PROCESSES; f.process++)
		for (f.number = 0; f.number < NR_FILES; f.number++)
			check_left(&f);
	return ok("%llu records are left", (unsigned long long)log_check());
}

int main(int argc, char **argv)
{
	unsigned long seconds = number_arg(argc, argv, 2, 0);
	long long end = now_ns() + (long long)seconds * 1000000000;
	uint64_t all = 0;
	int fd, status;

	if (argc < 3)
		fail("usage: file_stress FOLDER SECONDS [SEED]");
	folder = argv[1];
	seed = number_arg(argc, argv, 3, 1);
	if (seconds == 0)
		return look();
	fd = open(log_path(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0 && close(fd) == 0);
	records = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(records != MAP_FAILED);
	for (unsigned i = 0; i < NR_PROCESSES; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0) {
			run(i, end);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < NR_PROCESSES; i++)
		CHECK(wait(&status) > 0 && status == 0);
	for (unsigned i = 0; i < NR_PROCESSES; i++)
		all += records[i];
	CHECK(log_check() == all);
	return ok("%llu records", (unsigned long long)all);
}
