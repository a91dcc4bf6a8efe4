/* SPDX-License-Identifier: MIT */
#include "lib/base/alloc.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "lib/idtable.h"

#define MIN_SIZE 64U		/* a multiple of 64, as all sizes are */

void idtable_init(struct idtable *t, u32 first, u32 limit, bool cyclic)
{
	*t = (struct idtable){ .first = first, .limit = limit, .cyclic = cyclic };
}

void idtable_destroy(struct idtable *t)
{
	kfree(t->slot);
	kfree(t->used);
	idtable_init(t, t->first, t->limit, t->cyclic);
}

/* Room for at least `want` slots. */
static int grow(struct idtable *t, u32 want)
{
	u32 size = MAX(t->size, MIN_SIZE);
	void **slot;
	u64 *used;

	while (size < want)
		size *= 2;
	if (size == t->size)
		return 0;
	slot = kzalloc((size_t)size * sizeof(*slot));
	used = kzalloc((size_t)size / 64 * sizeof(*used));
	if (slot == NULL || used == NULL) {
		kfree(slot);
		kfree(used);
		return -ENOMEM;
	}
	if (t->size != 0) {
		memcpy(slot, t->slot, t->size * sizeof(*slot));
		memcpy(used, t->used, t->size / 8);
	}
	kfree(t->slot);
	kfree(t->used);
	t->slot = slot;
	t->used = used;
	t->size = size;
	return 0;
}

static bool is_used(const struct idtable *t, u32 i) { return i < t->size && (t->used[i / 64] >> (i % 64) & 1); }

/* The first free slot in [from, to); to when there is none. Slots beyond the size are free. */
static u32 find_free(const struct idtable *t, u32 from, u32 to)
{
	u32 i = from;

	while (i < to && i < t->size) {
		u64 free = ~t->used[i / 64] >> (i % 64);

		if (free != 0)
			return MIN(i + (u32)__builtin_ctzll(free), to);
		i = ALIGN_DOWN(i, 64U) + 64;
	}
	return MIN(i, to);
}

static int take(struct idtable *t, u32 i, void *p)
{
	int rc = grow(t, i + 1);

	if (rc < 0)
		return rc;
	t->used[i / 64] |= 1ULL << (i % 64);
	t->slot[i] = p;
	t->nr++;
	return 0;
}

s64 idtable_add(struct idtable *t, void *p)
{
	u32 total = t->limit - t->first, i = find_free(t, t->next, total);
	int rc;

	if (i == total && t->cyclic) {
		total = t->next;
		i = find_free(t, 0, total);
	}
	if (i == total)
		return -ENOSPC;
	rc = take(t, i, p);
	if (rc < 0)
		return rc;
	t->next = i + 1;
	return (s64)t->first + i;
}

int idtable_add_at(struct idtable *t, u32 id, void *p)
{
	u32 i = id - t->first;

	if (id < t->first || id >= t->limit)
		return -EINVAL;
	return is_used(t, i) ? -EBUSY : take(t, i, p);
}

void idtable_set(struct idtable *t, u32 id, void *p)
{
	BUG_ON(id < t->first || !is_used(t, id - t->first));
	t->slot[id - t->first] = p;
}

void *idtable_get(const struct idtable *t, u32 id)
{
	return id >= t->first && is_used(t, id - t->first) ? t->slot[id - t->first] : NULL;
}

void *idtable_remove(struct idtable *t, u32 id)
{
	u32 i = id - t->first;
	void *p;

	if (id < t->first || !is_used(t, i))
		return NULL;
	p = t->slot[i];
	t->slot[i] = NULL;
	t->used[i / 64] &= ~(1ULL << (i % 64));
	t->nr--;
	if (!t->cyclic && i < t->next)
		t->next = i;
	return p;
}

s64 idtable_next(const struct idtable *t, u32 from, void **p)
{
	u32 i = from < t->first ? 0 : from - t->first;

	while (i < t->size) {
		u64 used = t->used[i / 64] >> (i % 64);

		if (used != 0) {
			i += __builtin_ctzll(used);
			*p = t->slot[i];
			return (s64)t->first + i;
		}
		i = ALIGN_DOWN(i, 64U) + 64;
	}
	return -1;
}
