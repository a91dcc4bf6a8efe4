/* SPDX-License-Identifier: MIT */
/*
 * Changes of an address space's map. Each is applied in the order of its number (change.c) by the same code that made it in
 * the processor node's replica (lib/vma); a refused change uses up its number too, so requests are checked in here, each as a whole
 * before anything of it is applied.
 */
#include "lib/base/errno.h"
#include "managers/memory/memory.h"
#include "managers/memory/object.h"
#include "managers/memory/space.h"

#define INLINE_PAGES	64	/* more private pages than these are given back by a worker */

#define FLAGS_KNOWN	(VMA_SHARED | VMA_GROWSDOWN | VMA_NORESERVE | VMA_STACK | VMA_HEAP | VMA_LOCKED | VMA_MAYWRITE |	\
			 VMA_ACCOUNTED | VMA_WIPEONFORK | VMA_DONTFORK | VMA_SEQUENTIAL | VMA_RANDOM)

static bool user_range(u64 start, u64 len)
{
	return len != 0 && page_aligned(start | len) && start < USER_END && len <= USER_END - start;
}

/* The map has changed: what is charged follows it downwards (upwards it went before the change). */
static void charge_settle(struct space *s)
{
	u64 less;

	spin_lock(&s->lock);
	less = s->charged - s->map.nr_accounted;
	s->charged -= less;
	spin_unlock(&s->lock);
	commit_uncharge(s->node, s->life, less);
}

/* Under one lock: a dead space takes nothing of what its node has reserved in a later life. */
static int charge_more(struct space *s, u64 pages)
{
	int rc;

	spin_lock(&s->lock);
	rc = s->dead ? -ESRCH : commit_charge(s->node, pages);
	if (rc == 0)
		s->charged += pages;
	spin_unlock(&s->lock);
	return rc;
}

/* --- map --- */

/* What any map can have in it; whether this one can is another question. */
static bool vma_decodes(const struct vma *v)
{
	return user_range(v->start, v->end - v->start) && (v->prot & ~PROT_MASK) == 0 && (v->flags & ~FLAGS_KNOWN) == 0 &&
	       v->index <= PAGE_TREE_MAX && (v->object != 0 || !(v->flags & VMA_SHARED));
}

/* Of an object, if v names one: *version is set then. */
static int map_range(struct space *s, struct vma *v, le64 *version)
{
	struct object *o = NULL;
	int rc = 0;

	if (v->object != 0) {
		o = object_find(v->object, s->node);
		if (o == NULL)
			return -ESRCH;
		v->file = o;
		object_mapped(o);
		spin_lock(&cache_lock);
		*version = le64_of(o->version);
		spin_unlock(&cache_lock);
	}
	if (v->flags & VMA_ACCOUNTED)
		rc = charge_more(s, (v->end - v->start) >> PAGE_SHIFT);
	if (rc == 0) {
		spin_lock(&s->lock);
		rc = s->dead ? -ESRCH : vma_map_add(&s->map, v);
		spin_unlock(&s->lock);
		charge_settle(s);
	}
	if (o != NULL) {
		if (rc < 0)
			object_unmapped(o);
		else if (v->prot & PROT_EXEC)
			cache_text(o);
		object_put(o);
	}
	return rc;
}

static int map_act(struct space *s, struct rpc_call *c)
{
	const struct rpc_memory_map_req *q = c->req;
	struct rpc_memory_map_rep *r = c->rep;
	u64 start = le64_get(q->start), len = le64_get(q->len);
	struct vma v = {
		.start = start, .end = start + len, .object = le64_get(q->object), .index = le64_get(q->index),
		.prot = le32_get(q->prot), .flags = le32_get(q->flags),
	};

	return vma_decodes(&v) ? map_range(s, &v, &r->version) : -EINVAL;
}

int serve_memory_map(const struct rpc_memory_map_req *q, struct rpc_memory_map_rep *r, struct rpc_call *c)
{
	return change_run(c, le64_get(q->space), le64_get(q->change), map_act);
}

/* --- unmap, zap, exit: contents go --- */

static bool too_much_inline(struct space *s, struct rpc_call *c, u64 first, u64 last)
{
	bool much;

	if (c->in_worker || last - first <= INLINE_PAGES)
		return false;
	spin_lock(&s->lock);
	much = s->pages.nr > INLINE_PAGES;
	spin_unlock(&s->lock);
	return much;
}

static int unmap_range(struct space *s, u64 start, u64 len)
{
	int rc;

	spin_lock(&s->lock);
	rc = vma_map_remove(&s->map, start, start + len);
	spin_unlock(&s->lock);
	if (rc < 0)
		return rc;
	space_drop_pages(s, start >> PAGE_SHIFT, (start + len) >> PAGE_SHIFT);
	charge_settle(s);
	return 0;
}

static int zap_range(struct space *s, u64 start, u64 len)
{
	space_drop_pages(s, start >> PAGE_SHIFT, (start + len) >> PAGE_SHIFT);
	return 0;
}

static int exit_act(struct space *s, struct rpc_call *c)
{
	if (too_much_inline(s, c, 0, PAGE_TREE_MAX))
		return RPC_TO_WORKER;
	space_kill(s, -ESRCH);
	return 0;
}

int serve_memory_space_exit(const struct rpc_memory_space_exit_req *q, struct rpc_memory_space_exit_rep *r, struct rpc_call *c)
{
	return change_run(c, le64_get(q->space), le64_get(q->change), exit_act);
}

/* --- protect --- */

/* charge: their rights stay, but they are charged as with these */
static int protect_range(struct space *s, u64 start, u64 len, u32 prot, bool charge)
{
	u64 more;
	int rc = 0;

	spin_lock(&s->lock);
	more = vma_protect_charge(&s->map, start, start + len, prot);
	spin_unlock(&s->lock);
	if (more != 0)
		rc = charge_more(s, more);
	if (rc < 0)
		return rc;
	spin_lock(&s->lock);
	rc = charge ? vma_map_charge(&s->map, start, start + len) : vma_map_protect(&s->map, start, start + len, prot);
	spin_unlock(&s->lock);
	charge_settle(s);
	return rc;
}

/* --- several of these, in one message --- */

static struct vma vma_of_change(const struct wire_change *w)
{
	u64 start = le64_get(w->start);

	return (struct vma){
		.start = start, .end = start + le64_get(w->len), .index = le64_get(w->index), .prot = le16_get(w->prot),
		.flags = le32_get(w->flags),
	};
}

static bool change_decodes(const struct wire_change *w)
{
	struct vma v = vma_of_change(w);

	switch (le16_get(w->what)) {
	case WIRE_CHANGE_NONE:
		return true;
	case WIRE_CHANGE_MAP:
		return vma_decodes(&v);
	case WIRE_CHANGE_PROTECT:
		return user_range(v.start, v.end - v.start) && (v.prot & ~PROT_MASK) == 0;
	case WIRE_CHANGE_UNMAP:
	case WIRE_CHANGE_CHARGE:
	case WIRE_CHANGE_ZAP:
		return user_range(v.start, v.end - v.start);
	default:
		return false;
	}
}

static int change_apply(struct space *s, const struct wire_change *w)
{
	struct vma v = vma_of_change(w);
	u64 start = v.start, len = v.end - v.start;

	switch (le16_get(w->what)) {
	case WIRE_CHANGE_MAP:
		return map_range(s, &v, NULL);
	case WIRE_CHANGE_UNMAP:
		return unmap_range(s, start, len);
	case WIRE_CHANGE_PROTECT:
		return protect_range(s, start, len, v.prot, false);
	case WIRE_CHANGE_CHARGE:
		return protect_range(s, start, len, PROT_WRITE, true);
	case WIRE_CHANGE_ZAP:
		return zap_range(s, start, len);
	default:			/* WIRE_CHANGE_NONE: they have been decoded */
		return 0;
	}
}

/*
 * All are decoded before the first is applied: one that no map can have, and none of them happens. Their numbers are used up all the
 * same, as by those that this map refuses. A worker, too, is asked for before the first: it begins with that.
 */
static int changes_act(struct space *s, struct rpc_call *c)
{
	const struct rpc_memory_changes_req *q = c->req;
	u32 nr = le32_get(q->nr);
	int rc = 0, one;

	for (u32 i = 0; i < nr; i++)
		if (!change_decodes(&q->list.of[i]))
			return -EINVAL;
	for (u32 i = 0; i < nr; i++) {
		const struct wire_change *w = &q->list.of[i];
		bool frees = le16_get(w->what) == WIRE_CHANGE_UNMAP || le16_get(w->what) == WIRE_CHANGE_ZAP;

		if (frees && too_much_inline(s, c, 0, le64_get(w->len) >> PAGE_SHIFT))
			return RPC_TO_WORKER;
	}
	for (u32 i = 0; i < nr; i++) {
		one = change_apply(s, &q->list.of[i]);
		rc = rc < 0 ? rc : one;
	}
	return rc;
}

int serve_memory_changes(const struct rpc_memory_changes_req *q, struct rpc_memory_changes_rep *r, struct rpc_call *c)
{
	u32 nr = le32_get(q->nr);

	if (nr == 0 || nr > WIRE_CHANGES)
		return -EINVAL;
	return changes_run(c, le64_get(q->space), le64_get(q->change), nr, changes_act);
}

/* --- remap --- */

static int remap_act(struct space *s, struct rpc_call *c)
{
	const struct rpc_memory_remap_req *q = c->req;
	u64 start = le64_get(q->start), len = le64_get(q->len), to = le64_get(q->new_start), to_len = le64_get(q->new_len);
	u64 first = start >> PAGE_SHIFT, kept = MIN(len, to_len) >> PAGE_SHIFT, more = 0;
	bool dontunmap = (le32_get(q->flags) & WIRE_REMAP_DONTUNMAP) != 0;
	struct vma *v;
	int rc = 0;

	if (!user_range(start, len) || !user_range(to, to_len) || (le32_get(q->flags) & ~WIRE_REMAP_DONTUNMAP) != 0)
		return -EINVAL;
	if (too_much_inline(s, c, first, first + (len >> PAGE_SHIFT)))
		return RPC_TO_WORKER;
	spin_lock(&s->lock);
	v = vma_find(&s->map, start);
	if (v == NULL || v->end < start + len)
		rc = -EFAULT;
	else if (to != start && !vma_range_free(&s->map, to, to + to_len))
		rc = -EEXIST;
	else if (v->flags & VMA_ACCOUNTED)
		more = dontunmap ? to_len : to_len > len ? to_len - len : 0;
	spin_unlock(&s->lock);
	if (rc < 0)
		return rc;
	if (more != 0)
		rc = charge_more(s, more >> PAGE_SHIFT);
	if (rc < 0)
		return rc;
	if (to != start)		/* what needs memory first */
		rc = space_reserve_pages(s, first, first + kept, to >> PAGE_SHIFT);
	if (rc == 0) {
		spin_lock(&s->lock);
		rc = vma_map_move(&s->map, start, len, to, to_len, dontunmap);
		spin_unlock(&s->lock);
		if (to != start && rc == 0)
			space_move_pages(s, first, first + kept, to >> PAGE_SHIFT);
		if (to != start)
			space_settle_pages(s, to >> PAGE_SHIFT, (to >> PAGE_SHIFT) + kept);
	}
	if (rc == 0 && to_len < len)
		space_drop_pages(s, first + kept, first + (len >> PAGE_SHIFT));
	charge_settle(s);
	return rc;
}

int serve_memory_remap(const struct rpc_memory_remap_req *q, struct rpc_memory_remap_rep *r, struct rpc_call *c)
{
	return change_run(c, le64_get(q->space), le64_get(q->change), remap_act);
}

/* --- beginning, commit --- */

int serve_memory_space_create(const struct rpc_memory_space_create_req *q, struct rpc_memory_space_create_rep *r,
			      struct rpc_call *c)
{
	struct space *s = space_create(c->node);

	if (s == NULL)
		return -ENOMEM;
	r->space = le64_of(space_publish(s));
	if (!rpc_wanted(c))			/* died meanwhile: nobody else will end it */
		space_kill(s, -EHOSTDOWN);
	space_put(s);
	return 0;
}

int serve_memory_commit(const struct rpc_memory_commit_req *q, struct rpc_memory_commit_rep *r, struct rpc_call *c)
{
	s64 moved;
	int rc = commit_asked(c, (s64)le64_get(q->pages), &moved);

	r->moved = le64_of((u64)moved);
	return rc;
}
