/* SPDX-License-Identifier: MIT */
/*
 * Pages from processor nodes. A flush names all owners of a page: exactly those get the new contents, on one shared frame;
 * whoever else shares the old one keeps it. (In place, a stranger's memory would change; for one owner alone, the others'
 * data would be lost.) The whole request is decoded and all owners are looked up before the first page is taken.
 */
#include "kernel/crash.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/memory/memory.h"
#include "managers/memory/object.h"
#include "managers/memory/space.h"

#define DIRTY_LIMIT	(frames_total() / 4)	/* pages of files: beyond, a flush waits for storage */

struct flush_page {
	const struct wire_owner *owner;
	unsigned nr_owners;
	const void *data;
	int error;
};

static bool page_decodes(const struct flush_page *p)
{
	u64 first = le64_get(p->owner[0].space);

	if (wire_is_object(first))
		return p->nr_owners == 1;
	for (unsigned i = 0; i < p->nr_owners; i++)
		if (wire_is_object(le64_get(p->owner[i].space)) || le64_get(p->owner[i].index) >= USER_END >> PAGE_SHIFT)
			return false;
	return true;
}

static int decode(const struct rpc_memory_flush_req *q, const struct rpc_call *c, struct flush_page *page)
{
	u32 nr = le16_get(q->nr_pages), meta_len = le32_get(q->meta_len), at = 0;

	if (nr == 0 || nr > FLUSH_MAX_PAGES || meta_len > c->bulk_len || meta_len % 8 != 0 ||
	    c->bulk_len - meta_len != nr * PAGE_SIZE)
		return -EINVAL;
	for (unsigned i = 0; i < nr; i++) {
		const struct wire_flush_page *head = c->bulk + at;
		u32 owners;

		if (meta_len - at < sizeof(*head))
			return -EINVAL;
		at += sizeof(*head);
		owners = le16_get(head->nr_owners);
		if (owners == 0 || owners > FLUSH_MAX_OWNERS || meta_len - at < owners * sizeof(struct wire_owner))
			return -EINVAL;
		page[i] = (struct flush_page){ c->bulk + at, owners, c->bulk + meta_len + i * PAGE_SIZE, 0 };
		if (!page_decodes(&page[i]))
			return -EINVAL;
		at += owners * sizeof(struct wire_owner);
	}
	return meta_len == at ? (int)nr : -EINVAL;
}

/* All changes that the owners name are applied? Else the call is parked with one that lags. */
static int owners_ready(struct flush_page *p, struct rpc_call *c)
{
	for (unsigned i = 0; i < p->nr_owners; i++) {
		u64 id = le64_get(p->owner[i].space);
		struct space *s;
		struct object *o;
		int rc;

		if (wire_is_object(id)) {
			o = object_find(id, c->node);
			if (o == NULL)
				p->error = -ESRCH;
			else
				object_put(o);
			continue;
		}
		s = space_get(id, c->node);
		if (s == NULL) {
			p->error = -ESRCH;
			continue;
		}
		spin_lock(&s->lock);
		rc = space_ready(s, le64_get(p->owner[i].change), c);
		spin_unlock(&s->lock);
		space_put(s);
		if (rc == -ESRCH)
			p->error = -ESRCH;
		else if (rc != 0)
			return rc;
	}
	return 0;
}

/* The owner's page is the frame from now on (a reference more), if its range is still mapped privately. */
static int owner_take(struct space *s, u64 index, struct frame *f)
{
	void *old = NULL;
	struct vma *v;
	int rc = 0;

	spin_lock(&s->lock);
	v = vma_find(&s->map, index << PAGE_SHIFT);
	if (v == NULL || (v->flags & VMA_SHARED) || s->dead) {
		count(nr_memory_flush_owner_skipped);	/* unmapped by a change that is applied: nobody will ask for it */
	} else {
		rc = page_tree_set(&s->pages, index, f, &old);
		if (rc == 0)
			page_get(f);
	}
	spin_unlock(&s->lock);
	if (old != NULL)
		page_put(old);
	return rc;
}

static int take_private(struct flush_page *p, struct rpc_call *c)
{
	struct frame *f = page_alloc(FRAME_USER);
	int rc = 0;

	if (f == NULL)
		return -ENOMEM;
	memcpy(frame_virt(f), p->data, PAGE_SIZE);
	for (unsigned i = 0; i < p->nr_owners && rc == 0; i++) {
		struct space *s = space_get(le64_get(p->owner[i].space), c->node);

		if (s == NULL)
			continue;	/* ended since we looked */
		rc = owner_take(s, le64_get(p->owner[i].index), f);
		space_put(s);
	}
	page_put(f);
	if (rc == 0)
		count(nr_memory_flush_private);
	return rc;
}

static int take_object(struct flush_page *p, struct rpc_call *c)
{
	struct object *o = object_find(le64_get(p->owner[0].space), c->node);
	int rc;

	if (o == NULL)
		return -ESRCH;
	rc = cache_store(o, le64_get(p->owner[0].index), p->data, c);
	if (rc == 0)
		count(nr_memory_flush_object);
	if (rc == 0 && c->in_worker && cache_dirty_pages() > DIRTY_LIMIT)
		(void)object_sync(o, false);	/* what fails stays dirty, and fsync or close will say so */
	object_put(o);
	return rc;
}

static int take_page(struct flush_page *p, struct rpc_call *c)
{
	return wire_is_object(le64_get(p->owner[0].space)) ? take_object(p, c) : take_private(p, c);
}

int serve_memory_flush(const struct rpc_memory_flush_req *q, struct rpc_memory_flush_rep *r, struct rpc_call *c)
{
	struct flush_page page[FLUSH_MAX_PAGES];
	int nr = decode(q, c, page), rc;
	u64 failed = 0;
	int error = 0;

	if (nr < 0)
		return nr;
	for (int i = 0; i < nr; i++) {
		rc = owners_ready(&page[i], c);
		if (rc != 0)
			return rc;
	}
	if (!c->in_worker && cache_dirty_pages() > DIRTY_LIMIT)
		return RPC_TO_WORKER;
	for (int i = 0; i < nr; i++) {
		rc = page[i].error != 0 ? page[i].error : take_page(&page[i], c);
		crash_point(CRASH_flush_page, NULL);
		if ((rc == -EAGAIN || rc == -ENOMEM) && !c->in_worker)
			return RPC_TO_WORKER;		/* all over again: taking a page twice changes nothing */
		if (rc == -EHOSTDOWN)
			return rc;			/* nobody is told which */
		if (rc < 0) {
			failed |= 1ULL << i;
			error = -rc;
			count(nr_memory_flush_failed);
			pr_warn("memory: flush of page %llx of space %llu refused: %s",
				(unsigned long long)le64_get(page[i].owner[0].index),
				(unsigned long long)le64_get(page[i].owner[0].space), errno_name(rc));
		}
	}
	count(nr_memory_flush);
	r->failed = le64_of(failed);
	r->error = le32_of(error);
	return 0;
}
