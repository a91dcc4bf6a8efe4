/* SPDX-License-Identifier: MIT */
/* Address spaces by id, their birth and end. */
#include "managers/memory/space.h"

#include "lib/base/errno.h"
#include "lib/hash.h"
#include "managers/memory/memory.h"
#include "managers/memory/object.h"
#include "mm/slab.h"

#define BUCKET_BITS	8
#define BATCH		64		/* pages handled between two takings of a space's lock */
#define SETTLE		(1ULL << 18)	/* page numbers, the same */

static struct list table[1 << BUCKET_BITS];	/* [spaces_lock] */
static DEFINE_SPINLOCK(spaces_lock, RANK_SPACE);	/* nothing is taken under it */
static u64 last_id;				/* [spaces_lock] */
static atomic64_t nr_live;

static struct list *bucket_of(u64 id) { return &table[hash_bits(id, BUCKET_BITS)]; }

static void vma_copied(struct vma *v, void *arg)
{
	if (v->file != NULL)
		object_mapped(v->file);
}
static void vma_freed(struct vma *v, void *arg)
{
	if (v->file != NULL)
		object_unmapped(v->file);
}
static const struct vma_ops map_ops = { vma_copied, vma_freed };

void spaces_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		list_init(&table[i]);
	last_id = ids_begin();
}

struct space *space_create(unsigned node)
{
	struct space *s = kzalloc(sizeof(*s));

	if (s == NULL)
		return NULL;
	s->node = node;
	s->life = commit_life(node);
	ref_init(&s->refs, 1);
	list_init(&s->table_link);
	list_init(&s->parked);
	spin_init(&s->lock, "space", RANK_SPACE);
	vma_map_init(&s->map, &map_ops, s);
	atomic_inc(&nr_live);
	return s;
}

u64 space_publish(struct space *s)
{
	ref_get(&s->refs);
	spin_lock(&spaces_lock);
	s->id = id_next(&last_id);
	list_add_tail(bucket_of(s->id), &s->table_link);
	spin_unlock(&spaces_lock);
	return s->id;
}

struct space *space_get(u64 id, unsigned node)
{
	struct space *s, *found = NULL;

	spin_lock(&spaces_lock);
	list_for_each(s, bucket_of(id), table_link) {
		if (s->id == id && s->node == node) {
			found = s;
			ref_get(&s->refs);
			break;
		}
	}
	spin_unlock(&spaces_lock);
	return found;
}

/* All pages and mappings; harmless when there are none. */
static void space_empty(struct space *s)
{
	u64 charged;

	space_drop_pages(s, 0, PAGE_TREE_MAX);
	spin_lock(&s->lock);
	vma_map_destroy(&s->map);
	charged = s->charged;
	s->charged = 0;
	spin_unlock(&s->lock);
	commit_uncharge(s->node, s->life, charged);
}

void space_put(struct space *s)
{
	if (!ref_put(&s->refs))
		return;
	space_empty(s);
	BUG_ON(!list_empty(&s->parked) || list_linked(&s->table_link));
	kfree(s);
	atomic_dec(&nr_live);
}

void space_kill(struct space *s, int status)
{
	bool mine;

	spin_lock(&s->lock);
	mine = !s->dead;
	s->dead = true;
	spin_unlock(&s->lock);
	if (!mine)
		return;
	spin_lock(&spaces_lock);
	list_del(&s->table_link);
	spin_unlock(&spaces_lock);
	parked_drop(s, status);
	space_empty(s);
	space_put(s);		/* the table's */
}

static struct space *any_of_node(unsigned node)
{
	struct space *s;

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		list_for_each(s, &table[i], table_link) {
			if (s->node == node) {
				ref_get(&s->refs);
				return s;
			}
		}
	}
	return NULL;
}

void spaces_node_died(unsigned node)
{
	for (;;) {
		struct space *s;

		spin_lock(&spaces_lock);
		s = any_of_node(node);
		if (s != NULL)
			list_del(&s->table_link);	/* each is met once */
		spin_unlock(&spaces_lock);
		if (s == NULL)
			return;
		space_kill(s, -EHOSTDOWN);
		space_put(s);
	}
}

u64 spaces_live(void) { return atomic_read(&nr_live); }

u64 spaces_vmas(void)
{
	struct space *s;
	u64 nr = 0;

	spin_lock(&spaces_lock);
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		list_for_each(s, &table[i], table_link)
			nr += READ_ONCE(s->map.nr_vmas);
	spin_unlock(&spaces_lock);
	return nr;
}

void space_drop_pages(struct space *s, u64 first, u64 last)
{
	struct frame *batch[BATCH];
	unsigned nr;

	do {
		u64 key = first;

		spin_lock(&s->lock);
		for (nr = 0; nr < BATCH; nr++) {
			batch[nr] = page_tree_next(&s->pages, &key);
			if (batch[nr] == NULL || key >= last)
				break;
			page_tree_remove(&s->pages, key);
		}
		spin_unlock(&s->lock);
		for (unsigned i = 0; i < nr; i++)
			page_put(batch[i]);
	} while (nr == BATCH);
}

int space_reserve_pages(struct space *s, u64 first, u64 last, u64 to)
{
	u64 key = first, at;

	for (;;) {
		int rc = 0;

		spin_lock(&s->lock);
		for (unsigned nr = 0; nr < BATCH && rc == 0; nr++) {
			if (page_tree_next(&s->pages, &key) == NULL || key >= last || s->dead) {
				spin_unlock(&s->lock);
				return 0;
			}
			at = key - first + to;
			rc = page_tree_reserve(&s->pages, at);
			if (rc == 0)		/* the first that is in another leaf */
				key += PAGE_TREE_LEAF - at % PAGE_TREE_LEAF;
		}
		spin_unlock(&s->lock);
		if (rc < 0 && (rc != -ENOMEM || cache_reclaim(32) == 0)) {
			space_settle_pages(s, to, to + last - first);
			return rc;
		}
	}
}

void space_settle_pages(struct space *s, u64 first, u64 last)
{
	for (u64 at = first; at < last; at += SETTLE) {
		spin_lock(&s->lock);
		page_tree_settle(&s->pages, at, MIN(at + SETTLE, last));
		spin_unlock(&s->lock);
	}
}

void space_move_pages(struct space *s, u64 first, u64 last, u64 to)
{
	struct frame *gone[BATCH];
	unsigned nr, nr_gone;

	do {
		u64 key = first;

		nr_gone = 0;
		spin_lock(&s->lock);
		for (nr = 0; nr < BATCH; nr++) {
			struct frame *f = page_tree_next(&s->pages, &key);
			void *old = NULL;

			if (f == NULL || key >= last)
				break;
			if (page_tree_set(&s->pages, key - first + to, f, &old) < 0)
				old = f;	/* there is no memory for one that came since, which no sound peer sends */
			page_tree_remove(&s->pages, key);
			if (old != NULL)
				gone[nr_gone++] = old;	/* or a flush named a page of the target before it was mapped */
		}
		spin_unlock(&s->lock);
		for (unsigned i = 0; i < nr_gone; i++)
			page_put(gone[i]);
	} while (nr == BATCH);
}
