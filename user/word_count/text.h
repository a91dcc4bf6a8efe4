/* SPDX-License-Identifier: MIT */
/* What both programs share: the command line, the text in memory, the passage over it, the printed result. */
#ifndef USER_WORD_COUNT_TEXT_H
#define USER_WORD_COUNT_TEXT_H

#include <stdint.h>

#include "table.h"

struct options {
	const char *file;
	uint64_t top;
};

struct text {
	char *bytes;			/* private memory, writable */
	size_t len;
};

/* Each ends the program with a message and status 1 when it cannot do its work. */
void options_parse(struct options *o, int argc, char **argv);
void text_load(struct text *t, const char *file);

/*
 * Upper-case bytes[0, len) in place and add each word, a maximal run of ASCII letters, to one of nr_tables tables: all
 * occurrences of a word go to the table of the same number, whoever counts. The range must not split a word.
 */
void text_count(char *bytes, size_t len, struct table *tables, unsigned nr_tables);

double seconds_now(void);
void result_print(struct table *tables, unsigned nr_tables, double seconds_started, uint64_t top);

#endif
