/* SPDX-License-Identifier: MIT */
/* The table of words: open addressing, doubled as it fills, over a store of packed words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define FIRST_SLOTS	64u
#define CHUNK_SIZE	65536u
#define WORD_ALIGN	8u
#define PER_CHUNK	(CHUNK_SIZE / WORD_ALIGN)	/* word numbers a chunk */

static void out_of_memory(void)
{
	fputs("word_count: out of memory\n", stderr);
	exit(1);
}

void *must_calloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		out_of_memory();
	return p;
}

/* FNV-1a, with a last mix: the low bits pick the slot, the high ones the partition. */
uint64_t word_hash(const char *text, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ull;
	return hash ^ hash >> 29;
}

static struct word *word_at(const struct table *t, uint32_t number)
{
	number--;
	return (struct word *)(t->chunks[number / PER_CHUNK] + (size_t)(number % PER_CHUNK) * WORD_ALIGN);
}

struct word *table_word(const struct table *t, size_t slot)
{
	return t->slots[slot].word != 0 ? word_at(t, t->slots[slot].word) : NULL;
}

uint64_t table_hash(const struct table *t, size_t slot)
{
	return (uint64_t)table_word(t, slot)->hash_high << 32 | t->slots[slot].hash_low;
}

static uint32_t word_store(struct table *t, const char *text, size_t len, uint64_t hash)
{
	size_t size = (sizeof(struct word) + len + WORD_ALIGN - 1) / WORD_ALIGN * WORD_ALIGN;
	struct word *w;

	if (t->nr_chunks == 0 || t->chunk_size - t->chunk_used < size) {
		char **chunks = realloc(t->chunks, (t->nr_chunks + 1) * sizeof(*chunks));

		if (chunks == NULL || t->nr_chunks + 1 > UINT32_MAX / PER_CHUNK)
			out_of_memory();
		t->chunks = chunks;
		t->chunk_size = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		t->chunk_used = 0;
		t->chunks[t->nr_chunks++] = must_calloc(1, t->chunk_size);
	}
	w = (struct word *)(t->chunks[t->nr_chunks - 1] + t->chunk_used);
	*w = (struct word){ .hash_high = (uint32_t)(hash >> 32), .len = (uint32_t)len };
	memcpy(w->text, text, len);
	size_t number = (t->nr_chunks - 1) * PER_CHUNK + t->chunk_used / WORD_ALIGN + 1;
	t->chunk_used += size;
	return (uint32_t)number;
}

/* The slot of the word, or the free one where it belongs. */
static struct slot *find_slot(const struct table *t, const char *text, size_t len, uint64_t hash)
{
	size_t i = hash & (t->nr_slots - 1);

	for (; t->slots[i].word != 0; i = (i + 1) & (t->nr_slots - 1)) {
		struct word *w;

		if (t->slots[i].hash_low != (uint32_t)hash)
			continue;
		w = word_at(t, t->slots[i].word);
		if (w->len == len && memcmp(w->text, text, len) == 0)
			break;
	}
	return &t->slots[i];
}

static void table_grow(struct table *t)
{
	struct slot *old = t->slots;
	size_t nr_old = t->nr_slots;

	t->nr_slots = nr_old > 0 ? nr_old * 2 : FIRST_SLOTS;
	t->slots = must_calloc(t->nr_slots, sizeof(*t->slots));
	for (size_t i = 0; i < nr_old; i++) {
		size_t to = old[i].hash_low & (t->nr_slots - 1);

		if (old[i].word == 0)
			continue;
		while (t->slots[to].word != 0)
			to = (to + 1) & (t->nr_slots - 1);
		t->slots[to] = old[i];
	}
	free(old);
}

void table_add(struct table *t, const char *text, size_t len, uint64_t hash, uint64_t count)
{
	struct slot *s;

	if (t->nr_words + 1 > t->nr_slots / 4 * 3)
		table_grow(t);
	s = find_slot(t, text, len, hash);
	if (s->word == 0) {
		s->word = word_store(t, text, len, hash);
		s->hash_low = (uint32_t)hash;
		t->nr_words++;
	}
	word_at(t, s->word)->count += count;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->nr_chunks; i++)
		free(t->chunks[i]);
	free(t->chunks);
	free(t->slots);
	*t = (struct table){ 0 };
}

int word_compare(const void *left, const void *right)
{
	const struct word *a = *(const struct word *const *)left, *b = *(const struct word *const *)right;
	size_t shorter = a->len < b->len ? a->len : b->len;
	int order;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	order = memcmp(a->text, b->text, shorter);
	if (order != 0)
		return order;
	return (a->len > b->len) - (a->len < b->len);
}
