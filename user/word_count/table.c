/* SPDX-License-Identifier: MIT */
/* The table of words: open addressing, doubled as it fills. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define FIRST_SLOTS	64u

void *must_calloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL) {
		fputs("word_count: out of memory\n", stderr);
		exit(1);
	}
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

static struct word *find_slot(struct word *slots, size_t nr_slots, const char *text, size_t len, uint64_t hash)
{
	size_t i = hash & (nr_slots - 1);

	while (slots[i].text != NULL &&
	       (slots[i].hash != hash || slots[i].len != len || memcmp(slots[i].text, text, len) != 0))
		i = (i + 1) & (nr_slots - 1);
	return &slots[i];
}

static void table_grow(struct table *t)
{
	size_t nr_slots = t->nr_slots > 0 ? t->nr_slots * 2 : FIRST_SLOTS;
	struct word *slots = must_calloc(nr_slots, sizeof(*slots));

	for (size_t i = 0; i < t->nr_slots; i++) {
		struct word *w = &t->slots[i];

		if (w->text != NULL)
			*find_slot(slots, nr_slots, w->text, w->len, w->hash) = *w;
	}
	free(t->slots);
	t->slots = slots;
	t->nr_slots = nr_slots;
}

void table_add(struct table *t, const char *text, size_t len, uint64_t hash, uint64_t count)
{
	struct word *w;

	if (t->nr_words + 1 > t->nr_slots / 4 * 3)
		table_grow(t);
	w = find_slot(t->slots, t->nr_slots, text, len, hash);
	if (w->text == NULL) {
		*w = (struct word){ .text = text, .len = len, .hash = hash };
		t->nr_words++;
	}
	w->count += count;
}

void table_free(struct table *t)
{
	free(t->slots);
	*t = (struct table){ 0 };
}

int word_compare(const void *left, const void *right)
{
	const struct word *a = left, *b = right;
	size_t shorter = a->len < b->len ? a->len : b->len;
	int order;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	order = memcmp(a->text, b->text, shorter);
	if (order != 0)
		return order;
	return (a->len > b->len) - (a->len < b->len);
}
