/* SPDX-License-Identifier: MIT */
/* See text.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

static void usage(const char *program)
{
	fprintf(stderr,
		"usage: %s FILE [TOP]\n"
		"Counts the words of FILE and prints the TOP most frequent ones (10 by default).\n"
		"A word is a run of ASCII letters; case is ignored.\n"
		"  WC_THREADS=N       workers (default: one per online CPU; word_count only)\n"
		"  WC_TEXT=read|map   hold the text in anonymous memory (default) or in a private mapping of FILE\n",
		program);
	exit(1);
}

static void fail(const char *what)
{
	fprintf(stderr, "word_count: %s: %s\n", what, strerror(errno));
	exit(1);
}

void options_parse(struct options *o, int argc, char **argv)
{
	char *end;

	if (argc < 2 || argc > 3)
		usage(argv[0]);
	o->file = argv[1];
	o->top = 10;
	if (argc == 3) {
		errno = 0;
		o->top = strtoull(argv[2], &end, 10);
		if (argv[2][0] < '0' || argv[2][0] > '9' || *end != '\0' || errno != 0)
			usage(argv[0]);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);	/* lines appear as they are produced, on a pipe too */
}

static void read_whole(int fd, struct text *t, const char *file)
{
	size_t got = 0;
	ssize_t n;

	while (got < t->len) {
		n = read(fd, t->bytes + got, t->len - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail(file);
		if (n == 0)
			break;		/* it became shorter meanwhile */
		got += (size_t)n;
	}
	t->len = got;
}

void text_load(struct text *t, const char *file)
{
	const char *how = getenv("WC_TEXT");
	bool map = how != NULL && strcmp(how, "map") == 0;
	struct stat st;
	int fd;

	if (how != NULL && !map && strcmp(how, "read") != 0) {
		fprintf(stderr, "word_count: WC_TEXT is read or map, not '%s'\n", how);
		exit(1);
	}
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		fail(file);
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		fail(file);
	}
	*t = (struct text){ .len = (size_t)st.st_size };
	if (t->len > 0) {
		t->bytes = mmap(NULL, t->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | (map ? 0 : MAP_ANONYMOUS),
				map ? fd : -1, 0);
		if (t->bytes == MAP_FAILED)
			fail("memory for the text");
		if (!map)
			read_whole(fd, t, file);
	}
	close(fd);
}

void text_count(char *bytes, size_t len, struct table *tables, unsigned nr_tables)
{
	size_t i = 0, start;

	while (i < len) {
		start = i;
		while (i < len) {
			char c = bytes[i];

			if (c >= 'a' && c <= 'z')
				bytes[i] = (char)(c - ('a' - 'A'));
			else if (c < 'A' || c > 'Z')
				break;
			i++;
		}
		if (i > start) {
			uint64_t hash = word_hash(bytes + start, i - start);

			table_add(&tables[(hash >> 32) % nr_tables], bytes + start, i - start, hash, 1);
		}
		i++;
	}
}

double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void result_print(struct table *tables, unsigned nr_tables, double seconds_started, uint64_t top)
{
	size_t nr = 0, n = 0;
	struct word **words;

	for (unsigned i = 0; i < nr_tables; i++)
		nr += tables[i].nr_words;
	words = must_calloc(nr + 1, sizeof(*words));
	for (unsigned i = 0; i < nr_tables; i++)
		for (size_t slot = 0; slot < tables[i].nr_slots; slot++)
			if (table_word(&tables[i], slot) != NULL)
				words[n++] = table_word(&tables[i], slot);
	qsort(words, nr, sizeof(*words), word_compare);
	printf("Word Count: Computation Completed %.3f sec\n", seconds_now() - seconds_started);
	for (size_t i = 0; i < nr && i < top; i++) {
		fwrite(words[i]->text, 1, words[i]->len, stdout);
		printf(": %llu\n", (unsigned long long)words[i]->count);
	}
	free(words);
	if (fflush(stdout) != 0 || ferror(stdout))
		fail("standard output");
}
