/* SPDX-License-Identifier: MIT */
/* Sets: where a page may be, looking it up there, and waiting for something there to change. */
#include "managers/processor/pcache/pcache.h"

#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/hash.h"
#include "managers/processor/space/space.h"

struct pcache pcache;

/* A range of pages fills the sets evenly: with a plain hash some sets would get twice their share, and evict while others have room. */
u64 page_hash(struct page_id id) { return hash_range(id.space, id.index, pcache.stretch); }

struct pcache_set *pcache_set_of(struct page_id id)
{
	return &pcache.sets[(u64)(((unsigned __int128)page_hash(id) * pcache.p.nr_sets) >> 64)];
}

void pcache_lock_two(struct pcache_set *a, struct pcache_set *b)
{
	if (a == b) {
		spin_lock(&a->lock);
		return;
	}
	if (a->number > b->number) {
		struct pcache_set *t = a;

		a = b;
		b = t;
	}
	spin_lock(&a->lock);
	spin_lock_nested(&b->lock);
}

void pcache_unlock_two(struct pcache_set *a, struct pcache_set *b)
{
	if (a != b)
		spin_unlock(&b->lock);
	spin_unlock(&a->lock);
}

static bool same_id(struct page_id a, struct page_id b) { return a.space == b.space && a.index == b.index; }

/*
 * Several lines may carry one private id: copies made after fork, in the set that the family shares. The owner decides. A
 * private page's owners all have it at id.index.
 */
static bool owned_by(const struct pcache_page *p, const struct space *s)
{
	struct pcache_owner *o;

	list_for_each(o, &p->owners, link) {
		if (o->space == s)
			return true;
	}
	return false;
}

struct pcache_line *set_line_private(struct pcache_set *set, struct page_id id, const struct space *s)
{
	struct pcache_line *line;

	assert_held(&set->lock);
	list_for_each(line, &set->lines, link) {
		if (line->page.object == NULL && same_id(line->page.id, id) && owned_by(&line->page, s))
			return line;
	}
	return NULL;
}

struct pcache_line *set_line_object(struct pcache_set *set, struct page_id id)
{
	struct pcache_line *line;

	assert_held(&set->lock);
	list_for_each(line, &set->lines, link) {
		if (line->page.object != NULL && same_id(line->page.id, id))
			return line;
	}
	return NULL;
}

struct pcache_victim *set_victim_private(struct pcache_set *set, struct page_id id, const struct space *s)
{
	struct pcache_victim *v;

	assert_held(&set->lock);
	list_for_each(v, &set->victims, link) {
		if (v->page.object == NULL && same_id(v->page.id, id) && owned_by(&v->page, s))
			return v;
	}
	return NULL;
}

struct pcache_victim *set_victim_object(struct pcache_set *set, struct page_id id)
{
	struct pcache_victim *v;

	assert_held(&set->lock);
	list_for_each(v, &set->victims, link) {
		if (v->page.object != NULL && same_id(v->page.id, id))
			return v;
	}
	return NULL;
}

void set_changed(struct pcache_set *set)
{
	assert_held(&set->lock);
	WRITE_ONCE(set->events, set->events + 1);
	waitq_wake_all(&set->wait);
	if (set_surplus(set) != 0)
		sweep_want(set);
}

int set_wait(struct pcache_set *set, u32 seen)
{
	return waitq_wait_killable(&set->wait, READ_ONCE(set->events) != seen) == 0 ? -EAGAIN : -EINTR;
}

int set_wait_for(struct pcache_set *set, u32 seen, bool killable, u64 ns)
{
	u64 deadline = ns == 0 ? 0 : time_mono_ns() + ns;
	int rc = waitq_wait_how(&set->wait, READ_ONCE(set->events) != seen, killable ? WAIT_KILLABLE : WAIT_PLAIN, deadline);

	return rc == -EINTR ? -EINTR : -EAGAIN;
}

void set_wait_plain(struct pcache_set *set, u32 seen)
{
	waitq_wait(&set->wait, READ_ONCE(set->events) != seen);
}
