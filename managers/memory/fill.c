/* SPDX-License-Identifier: MIT */
/* Pages to processor nodes. Answered in the receive path whenever the page is here, by reference to its frame. */
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/memory/memory.h"
#include "managers/memory/object.h"
#include "managers/memory/space.h"

static int fill_object(struct object *o, u64 index, struct rpc_call *c)
{
	struct frame *f;
	int rc = cache_fill(o, index, c->in_worker, &f);

	switch (rc) {
	case FILL_DATA:
		count(nr_memory_fill_object);
		return page_reply(c, f);
	case FILL_ZERO:
		count(nr_memory_fill_zero);
		return FILL_ZERO;
	case -EAGAIN:
		if (!c->in_worker) {
			count(nr_memory_fill_to_worker);
			return RPC_TO_WORKER;
		}
	}
	count(nr_memory_fill_refused);
	return rc;
}

/* A page of an address space that it does not hold privately: what its map says. */
static int fill_unowned(struct space *s, u64 index, struct rpc_call *c)
{
	struct vma *v = vma_find(&s->map, index << PAGE_SHIFT);
	struct object *o;
	int rc;

	assert_held(&s->lock);
	if (v == NULL) {
		count(nr_memory_fill_refused);
		spin_unlock(&s->lock);
		return -EFAULT;
	}
	o = v->file;
	if (o == NULL) {
		count(nr_memory_fill_zero);
		spin_unlock(&s->lock);
		return FILL_ZERO;
	}
	index = v->index + index - (v->start >> PAGE_SHIFT);
	object_get(o);
	spin_unlock(&s->lock);
	rc = fill_object(o, index, c);
	object_put(o);
	return rc;
}

static int fill_space(u64 id, u64 index, u64 change, struct rpc_call *c)
{
	struct space *s = space_get(id, c->node);
	struct frame *f;
	int rc;

	if (s == NULL)
		return -ESRCH;
	spin_lock(&s->lock);
	rc = space_ready(s, change, c);
	if (rc != 0) {
		spin_unlock(&s->lock);
		goto out;
	}
	f = page_tree_get(&s->pages, index);
	if (f != NULL) {
		page_get(f);
		spin_unlock(&s->lock);
		count(nr_memory_fill_private);
		rc = page_reply(c, f);
	} else {
		rc = fill_unowned(s, index, c);		/* gives the lock back */
	}
out:
	space_put(s);
	return rc;
}

int serve_memory_fill(const struct rpc_memory_fill_req *q, struct rpc_memory_fill_rep *r, struct rpc_call *c)
{
	u64 space = le64_get(q->space), index = le64_get(q->index);
	struct object *o;
	int rc;

	if (c->rep_room < PAGE_SIZE || index >> (64 - PAGE_SHIFT) != 0)
		return -EINVAL;
	if (!wire_is_object(space))
		return fill_space(space, index, le64_get(q->change), c);
	o = object_find(space, c->node);
	if (o == NULL)
		return -ESRCH;
	rc = fill_object(o, index, c);
	object_put(o);
	return rc;
}

/* --- several, ahead of use --- */

_Static_assert(FILL_MANY <= RPC_MAX_PAGES && FILL_MANY * sizeof(struct frame *) <= RPC_KEEP, "a call keeps its pages");

/* The pages of an answer: those that are here, each with a reference. */
struct pages {
	struct frame *f[FILL_MANY];
};

static void pages_release(void *call)
{
	struct frame *const *f = (struct frame *const *)((struct rpc_call *)call)->keep;

	for (unsigned i = 0; i < FILL_MANY; i++)
		if (f[i] != NULL)
			page_put(f[i]);
}

static struct frame *page_of_zeros(void)
{
	struct frame *f = page_alloc(FRAME_CACHE);

	if (f != NULL)
		memset(frame_virt(f), 0, PAGE_SIZE);
	return f;
}

/* Takes over the references. The status. */
static int pages_reply(struct rpc_call *c, const struct pages *p)
{
	struct frame **keep = (struct frame **)c->keep;
	const void *data[FILL_MANY];
	unsigned nr = 0;
	int came = 0;

	for (unsigned i = 0; i < FILL_MANY; i++)
		if (p->f[i] != NULL) {
			came |= 1 << i;
			nr = i + 1;
		}
	for (unsigned i = 0; i < FILL_MANY; i++) {
		keep[i] = p->f[i];
		if (keep[i] == NULL && i < nr)
			keep[i] = page_of_zeros();	/* something has to lie between */
		if (keep[i] == NULL && i < nr) {
			came &= (1 << i) - 1;		/* no memory: those before it */
			nr = i;
		}
		if (i < nr)
			data[i] = frame_virt(keep[i]);
	}
	if (nr > 0)
		rpc_reply_pages_ref(c, data, nr, pages_release, c);
	else
		pages_release(c);			/* behind the first gap there may be some */
	return came;
}

static int ahead_of_space(struct space *s, const struct rpc_memory_fill_ahead_req *q, struct rpc_call *c)
{
	struct pages p = { 0 };
	unsigned nr = le32_get(q->nr), zeros = 0;
	int rc;

	spin_lock(&s->lock);
	rc = space_ready(s, le64_get(q->change), c);
	for (unsigned i = 0; rc == 0 && i < nr; i++) {
		u64 index = le64_get(q->pages.index[i]);
		struct vma *v;

		p.f[i] = page_tree_get(&s->pages, index);
		if (p.f[i] != NULL) {
			page_get(p.f[i]);
			continue;
		}
		v = vma_find(&s->map, index << PAGE_SHIFT);
		if (v != NULL && v->file == NULL)
			zeros |= 1U << i;
	}
	spin_unlock(&s->lock);
	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < nr; i++) {
		if (zeros & (1U << i)) {
			p.f[i] = page_of_zeros();
			if (p.f[i] != NULL)
				count(nr_memory_fill_zero);
			else
				count(nr_memory_fill_not_at_hand);
		} else if (p.f[i] != NULL) {
			count(nr_memory_fill_private);
		} else {
			count(nr_memory_fill_refused);
		}
	}
	return pages_reply(c, &p);
}

/* What is here, and in *missing the first index that storage would have to bring; false: there is none. */
static bool gather(struct object *o, const struct rpc_memory_fill_ahead_req *q, struct pages *p, u64 *missing)
{
	bool misses = false;

	memset(p, 0, sizeof(*p));
	for (unsigned i = 0; i < le32_get(q->nr); i++) {
		u64 index = le64_get(q->pages.index[i]);
		int rc = cache_fill(o, index, false, &p->f[i]);

		if (rc == FILL_ZERO)
			p->f[i] = page_of_zeros();
		if (rc == -EAGAIN && !misses) {
			misses = true;
			*missing = index;
		}
	}
	return misses;
}

static int object_reply(struct rpc_call *c, const struct pages *p)
{
	const struct rpc_memory_fill_ahead_req *q = c->req;

	for (unsigned i = 0; i < le32_get(q->nr); i++)
		if (p->f[i] != NULL)
			count(nr_memory_fill_object);
		else
			count(nr_memory_fill_not_at_hand);
	return pages_reply(c, p);
}

int fill_ahead_again(struct object *o, struct rpc_call *c)
{
	struct pages p;
	u64 missing;

	(void)gather(o, c->req, &p, &missing);
	return object_reply(c, &p);
}

/* It holds no worker, which a fault may need, while storage is asked. */
static int ahead_of_object(struct object *o, const struct rpc_memory_fill_ahead_req *q, struct rpc_call *c)
{
	struct pages p;
	u64 missing;

	if (!gather(o, q, &p, &missing) || cache_ahead(o, missing, c) != RPC_PENDING)
		return object_reply(c, &p);
	for (unsigned i = 0; i < FILL_MANY; i++)	/* it will be looked at again */
		if (p.f[i] != NULL)
			page_put(p.f[i]);
	return RPC_PENDING;
}

int serve_memory_fill_ahead(const struct rpc_memory_fill_ahead_req *q, struct rpc_memory_fill_ahead_rep *r, struct rpc_call *c)
{
	u64 id = le64_get(q->space);
	u32 nr = le32_get(q->nr);
	struct object *o;
	struct space *s;
	int rc;

	if (nr == 0 || nr > FILL_MANY || c->rep_room < nr * PAGE_SIZE)
		return -EINVAL;
	for (unsigned i = 0; i < nr; i++)
		if (le64_get(q->pages.index[i]) >> (64 - PAGE_SHIFT) != 0)
			return -EINVAL;
	if (wire_is_object(id)) {
		o = object_find(id, c->node);
		if (o == NULL)
			return -ESRCH;
		rc = ahead_of_object(o, q, c);
		object_put(o);
		return rc;
	}
	s = space_get(id, c->node);
	if (s == NULL)
		return -ESRCH;
	rc = ahead_of_space(s, q, c);
	space_put(s);
	return rc;
}
