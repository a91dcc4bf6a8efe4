/* SPDX-License-Identifier: MIT */
/*
 * A table of words and how often each was seen. A word is not copied: it stays where it lies in the text, which must
 * outlive the table. One thread at a time may use a table.
 */
#ifndef USER_WORD_COUNT_TABLE_H
#define USER_WORD_COUNT_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct word {
	const char *text;		/* not ended by a zero; NULL in a free slot */
	size_t len;
	uint64_t count;
	uint64_t hash;
};

struct table {
	struct word *slots;		/* a power of two, at most three quarters used; NULL while the table is empty */
	size_t nr_slots, nr_words;
};

uint64_t word_hash(const char *text, size_t len);
void table_add(struct table *t, const char *text, size_t len, uint64_t hash, uint64_t count);
void table_free(struct table *t);

/* Order of the result: more frequent first, words of the same count in byte order. For qsort over struct word. */
int word_compare(const void *a, const void *b);

void *must_calloc(size_t n, size_t size);	/* ends the program with a message when there is no memory */

#endif
