/* SPDX-License-Identifier: MIT */
/*
 * Pages of a file into an address space, for a processor node's read() into memory that it has never touched. Each becomes the space's
 * private page just as a flush of it would have made it; its bytes are those that memory_read would have sent.
 */
#include "lib/base/errno.h"
#include "managers/memory/memory.h"
#include "managers/memory/object.h"
#include "managers/memory/space.h"

/* PAGE_SIZE bytes of the object on a frame of their own. 1; 0: it ends before; or negative errno. */
static int read_page(struct object *o, u64 off, struct frame **out)
{
	struct frame *f = page_alloc(FRAME_USER);
	s64 n;

	if (f == NULL)
		return -ENOMEM;
	n = cache_read(o, off, frame_virt(f), PAGE_SIZE);
	if (n == PAGE_SIZE) {
		*out = f;
		return 1;
	}
	page_put(f);
	return n < 0 ? n : 0;
}

/* Takes over the reference of the frame. A node that keeps to the rules has nothing there: whatever it is, its end is that of a flush over it. */
static int take(struct space *s, u64 index, struct frame *f)
{
	void *old = NULL;
	struct vma *v;
	int rc;

	spin_lock(&s->lock);
	v = vma_find(&s->map, index << PAGE_SHIFT);
	if (s->dead)
		rc = -ESRCH;
	else if (v == NULL || v->file != NULL || (v->flags & VMA_SHARED))
		rc = -EFAULT;
	else
		rc = page_tree_set(&s->pages, index, f, &old);
	spin_unlock(&s->lock);
	if (rc < 0)
		page_put(f);
	else if (old != NULL)
		page_put(old);
	return rc;
}

static int place(struct space *s, u64 index, struct object *o, u64 off, u32 nr)
{
	struct frame *f = NULL;
	int rc = 0;
	u32 i;

	cache_bring(o, off / PAGE_SIZE, nr + (off % PAGE_SIZE != 0));
	for (i = 0; i < nr; i++) {
		rc = read_page(o, off + i * PAGE_SIZE, &f);
		if (rc <= 0)
			break;
		rc = take(s, index + i, f);
		if (rc < 0)
			break;
	}
	count_n(nr_memory_place_page, i);
	return i > 0 ? (int)i : rc;
}

int serve_memory_place(const struct rpc_memory_place_req *q, struct rpc_memory_place_rep *r, struct rpc_call *c)
{
	u64 id = le64_get(q->space), index = le64_get(q->index), off = le64_get(q->off);
	u32 nr = le32_get(q->nr);
	struct object *o;
	struct space *s;
	int rc;

	if (wire_is_object(id) || nr == 0 || nr > PLACE_MAX_PAGES || off > WIRE_SIZE_MAX || index > (USER_END >> PAGE_SHIFT) - nr)
		return -EINVAL;
	s = space_get(id, c->node);
	if (s == NULL)
		return -ESRCH;
	spin_lock(&s->lock);
	rc = space_ready(s, le64_get(q->change), c);
	spin_unlock(&s->lock);
	if (rc == 0) {
		o = object_find(le64_get(q->object), c->node);
		rc = o == NULL ? -ESRCH : place(s, index, o, off, nr);
		if (o != NULL)
			object_put(o);
		count(nr_memory_place);
	}
	space_put(s);
	return rc;
}
