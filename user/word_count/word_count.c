/* SPDX-License-Identifier: MIT */
/*
 * word_count FILE [TOP]: a map-reduce over threads. Map: each worker takes a part of the text and counts its words
 * into tables of its own, one per partition of the words. Reduce: each worker adds up one partition over all workers'
 * tables. The text is held whole in memory and every page of it is written, as programs do that remote memory is for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

#define MAX_WORKERS	1024

struct worker {
	pthread_t thread;
	unsigned number;
	char *bytes;			/* its part of the text: whole words */
	size_t len;
	struct table *mapped;		/* one per partition */
	struct table reduced;		/* the partition of the worker's own number */
};

static struct worker *workers;
static unsigned nr_workers;

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void split(struct text *t)
{
	size_t at = 0;

	for (unsigned i = 0; i < nr_workers; i++) {
		size_t end = i + 1 == nr_workers ? t->len : (size_t)((__uint128_t)t->len * (i + 1) / nr_workers);

		if (end < at)			/* a long word took all of this part */
			end = at;
		while (end < t->len && is_letter(t->bytes[end]))
			end++;
		workers[i].bytes = t->bytes + at;
		workers[i].len = end - at;
		at = end;
	}
}

static void *map_run(void *arg)
{
	struct worker *w = arg;

	w->mapped = must_calloc(nr_workers, sizeof(*w->mapped));
	text_count(w->bytes, w->len, w->mapped, nr_workers);
	return NULL;
}

static void *reduce_run(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < nr_workers; i++) {
		struct table *from = &workers[i].mapped[w->number];

		for (size_t slot = 0; slot < from->nr_slots; slot++) {
			struct word *word = table_word(from, slot);

			if (word != NULL)
				table_add(&w->reduced, word->text, word->len, table_hash(from, slot), word->count);
		}
		table_free(from);
	}
	return NULL;
}

static void run_all(void *(*run)(void *))
{
	int rc;

	for (unsigned i = 0; i < nr_workers; i++) {
		rc = pthread_create(&workers[i].thread, NULL, run, &workers[i]);
		if (rc != 0) {
			fprintf(stderr, "word_count: cannot start worker %u: %s\n", i, strerror(rc));
			exit(1);
		}
	}
	for (unsigned i = 0; i < nr_workers; i++) {
		rc = pthread_join(workers[i].thread, NULL);
		if (rc != 0) {
			fprintf(stderr, "word_count: cannot join worker %u: %s\n", i, strerror(rc));
			exit(1);
		}
	}
}

static unsigned count_workers(void)
{
	const char *text = getenv("WC_THREADS");
	char *end;
	long n;

	if (text == NULL || *text == '\0') {
		n = sysconf(_SC_NPROCESSORS_ONLN);
		return n < 1 ? 1 : n > MAX_WORKERS ? MAX_WORKERS : (unsigned)n;
	}
	n = strtol(text, &end, 10);
	if (*end != '\0' || n < 1 || n > MAX_WORKERS) {
		fprintf(stderr, "word_count: WC_THREADS is a number from 1 to %d, not '%s'\n", MAX_WORKERS, text);
		exit(1);
	}
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	struct options options;
	struct table *results;
	struct text text;
	double started;

	options_parse(&options, argc, argv);
	nr_workers = count_workers();
	text_load(&text, options.file);
	puts("Wordcount: Running...");

	started = seconds_now();
	workers = must_calloc(nr_workers, sizeof(*workers));
	for (unsigned i = 0; i < nr_workers; i++)
		workers[i].number = i;
	split(&text);
	run_all(map_run);
	run_all(reduce_run);

	results = must_calloc(nr_workers, sizeof(*results));
	for (unsigned i = 0; i < nr_workers; i++)
		results[i] = workers[i].reduced;
	result_print(results, nr_workers, started, options.top);
	return 0;
}
