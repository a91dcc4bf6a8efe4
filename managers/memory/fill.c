/* SPDX-License-Identifier: MIT */
/* Pages to processor nodes. Answered in the receive path whenever the page is here, by reference to its frame. */
#include "lib/base/errno.h"
#include "managers/memory/memory.h"
#include "managers/memory/object.h"
#include "managers/memory/space.h"

static bool is_ahead(const struct rpc_call *c)
{
	return le32_get(((const struct rpc_memory_fill_req *)c->req)->flags) & WIRE_FILL_AHEAD;
}

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
		if (is_ahead(c))		/* it must not hold a worker that a fault needs */
			return cache_ahead(o, index, c);
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
