/* SPDX-License-Identifier: MIT */
/*
 * A table of words and how often each was seen. The words are copied into a store of their own, packed one behind the other,
 * and a slot is eight bytes: what the counting touches at random is small, whatever the size of the text. One thread at a
 * time may use a table.
 */
#ifndef USER_WORD_COUNT_TABLE_H
#define USER_WORD_COUNT_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct word {
	uint64_t count;
	uint32_t hash_high, len;
	char text[];			/* not ended by a zero */
};

struct slot {
	uint32_t hash_low;
	uint32_t word;			/* number of the word in the store, from 1; 0: free */
};

struct table {
	struct slot *slots;		/* a power of two, at most three quarters used; NULL while the table is empty */
	size_t nr_slots, nr_words;
	char **chunks;			/* the store: each of CHUNK_SIZE bytes, or of one long word */
	size_t nr_chunks, chunk_used, chunk_size;
};

uint64_t word_hash(const char *text, size_t len);
void table_add(struct table *t, const char *text, size_t len, uint64_t hash, uint64_t count);
struct word *table_word(const struct table *t, size_t slot);	/* NULL: a free slot */
uint64_t table_hash(const struct table *t, size_t slot);	/* of the word there */
void table_free(struct table *t);

/* Order of the result: more frequent first, words of the same count in byte order. For qsort over struct word pointers. */
int word_compare(const void *a, const void *b);

void *must_calloc(size_t n, size_t size);	/* ends the program with a message when there is no memory */

#endif
