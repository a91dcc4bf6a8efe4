/* SPDX-License-Identifier: MIT */
/*
 * The map of an address space, as a red-black tree of vmas by start. Every change takes the memory that splits may need
 * before it touches the tree, so that it happens as a whole or not at all; afterwards neighbours are merged.
 */
#include "lib/vma.h"

#include "lib/base/alloc.h"
#include "lib/base/errno.h"

static struct vma *vma_of(struct rb_node *n) { return n == NULL ? NULL : rb_entry(n, struct vma, node); }
static u64 nr_pages_of(const struct vma *v) { return (v->end - v->start) >> PAGE_SHIFT; }
static bool range_ok(u64 start, u64 end) { return start < end && page_aligned(start | end); }

void vma_map_init(struct vma_map *m, const struct vma_ops *ops, void *arg)
{
	*m = (struct vma_map){ .tree = RB_TREE_INIT, .ops = ops, .arg = arg };
}

struct vma *vma_find_from(struct vma_map *m, u64 addr)
{
	struct rb_node *n = m->tree.root;
	struct vma *best = NULL;

	while (n != NULL) {
		struct vma *v = vma_of(n);

		if (v->end > addr) {
			best = v;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct vma *vma_find(struct vma_map *m, u64 addr)
{
	struct vma *v = vma_find_from(m, addr);

	return v != NULL && v->start <= addr ? v : NULL;
}

struct vma *vma_next(struct vma *v) { return vma_of(rb_next(&v->node)); }

bool vma_range_free(struct vma_map *m, u64 start, u64 end)
{
	struct vma *v = vma_find_from(m, start);

	return v == NULL || v->start >= end;
}

/* --- the tree and its sums --- */

static void count(struct vma_map *m, const struct vma *v, int sign)
{
	s64 pages = (s64)nr_pages_of(v) * sign;

	m->nr_pages += pages;
	if (v->flags & VMA_ACCOUNTED)
		m->nr_accounted += pages;
	if (v->flags & VMA_LOCKED)
		m->nr_locked += pages;
}

static void insert(struct vma_map *m, struct vma *v)
{
	struct rb_node **link = &m->tree.root, *parent = NULL;

	while (*link != NULL) {
		parent = *link;
		link = v->start < vma_of(parent)->start ? &parent->left : &parent->right;
	}
	rb_insert(&m->tree, &v->node, parent, link);
	m->nr_vmas++;
	count(m, v, 1);
}

static void copied(struct vma_map *m, struct vma *v)
{
	if (m->ops != NULL && m->ops->copied != NULL)
		m->ops->copied(v, m->arg);
}

static void drop(struct vma_map *m, struct vma *v)
{
	count(m, v, -1);
	rb_erase(&m->tree, &v->node);
	m->nr_vmas--;
	if (m->ops != NULL && m->ops->freed != NULL)
		m->ops->freed(v, m->arg);
	kfree(v);
}

void vma_map_destroy(struct vma_map *m)
{
	struct rb_node *n;

	while ((n = rb_first(&m->tree)) != NULL)
		drop(m, vma_of(n));
}

/* --- memory first: up to two vmas for splits and new pieces --- */

struct spares {
	struct vma *v[2];
	unsigned nr;
};

static int spares_get(struct spares *s, unsigned nr)
{
	for (s->nr = 0; s->nr < nr; s->nr++) {
		s->v[s->nr] = kzalloc(sizeof(struct vma));
		if (s->v[s->nr] == NULL) {
			while (s->nr > 0)
				kfree(s->v[--s->nr]);
			return -ENOMEM;
		}
	}
	return 0;
}
static struct vma *spare_take(struct spares *s) { return s->v[--s->nr]; }

static bool split_needed(struct vma_map *m, u64 addr)
{
	struct vma *v = vma_find(m, addr);

	return v != NULL && v->start < addr;
}

static void cut_front(struct vma_map *m, struct vma *v, u64 start)
{
	count(m, v, -1);
	v->index += (start - v->start) >> PAGE_SHIFT;
	v->start = start;
	count(m, v, 1);
}

static void cut_tail(struct vma_map *m, struct vma *v, u64 end)
{
	count(m, v, -1);
	v->end = end;
	count(m, v, 1);
}

/* Afterwards a border lies at addr. */
static void split(struct vma_map *m, u64 addr, struct spares *s)
{
	struct vma *v = vma_find(m, addr), *high;

	if (v == NULL || v->start == addr)
		return;
	high = spare_take(s);
	*high = *v;
	high->start = addr;
	high->index += (addr - v->start) >> PAGE_SHIFT;
	cut_tail(m, v, addr);
	insert(m, high);
	copied(m, high);
}

static bool mergeable(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->object == b->object && a->prot == b->prot && a->flags == b->flags &&
	       a->file == b->file && a->index + nr_pages_of(a) == b->index;
}

/* Merge what may have become mergeable in [start, end] and at its borders. */
static void merge(struct vma_map *m, u64 start, u64 end)
{
	struct vma *v = vma_find_from(m, start == 0 ? 0 : start - 1), *n;

	while (v != NULL && v->start <= end && (n = vma_next(v)) != NULL && n->start <= end) {
		if (!mergeable(v, n)) {
			v = n;
			continue;
		}
		u64 new_end = n->end;

		drop(m, n);
		cut_tail(m, v, new_end);
	}
}

/* --- changes --- */

int vma_map_add(struct vma_map *m, const struct vma *tmpl)
{
	struct vma *v;

	if (!range_ok(tmpl->start, tmpl->end))
		return -EINVAL;
	if (!vma_range_free(m, tmpl->start, tmpl->end))
		return -EEXIST;
	v = kzalloc(sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	*v = *tmpl;
	insert(m, v);
	merge(m, tmpl->start, tmpl->end);
	return 0;
}

/* [start, end) goes; s holds a spare if one vma sticks out at both ends. */
static void remove_range(struct vma_map *m, u64 start, u64 end, struct spares *s)
{
	struct vma *v = vma_find(m, start), *n;

	if (v != NULL && v->start < start && v->end > end)
		split(m, end, s);
	for (v = vma_find_from(m, start); v != NULL && v->start < end; v = n) {
		n = vma_next(v);
		if (v->start < start)
			cut_tail(m, v, start);
		else if (v->end > end)
			cut_front(m, v, end);
		else
			drop(m, v);
	}
}

static bool sticks_out_twice(struct vma_map *m, u64 start, u64 end)
{
	struct vma *v = vma_find(m, start);

	return v != NULL && v->start < start && v->end > end;
}

int vma_map_remove(struct vma_map *m, u64 start, u64 end)
{
	struct spares s;
	int rc;

	if (!range_ok(start, end))
		return -EINVAL;
	rc = spares_get(&s, sticks_out_twice(m, start, end));
	if (rc < 0)
		return rc;
	remove_range(m, start, end, &s);
	return 0;
}

static bool range_mapped(struct vma_map *m, u64 start, u64 end)
{
	for (struct vma *v = vma_find(m, start); v != NULL && v->start <= start; v = vma_next(v)) {
		start = v->end;
		if (start >= end)
			return true;
	}
	return false;
}

static u64 overlap_pages(const struct vma *v, u64 start, u64 end)
{
	return (MIN(v->end, end) - MAX(v->start, start)) >> PAGE_SHIFT;
}

u64 vma_accounted_in(struct vma_map *m, u64 start, u64 end)
{
	u64 pages = 0;

	for (struct vma *v = vma_find_from(m, start); v != NULL && v->start < end; v = vma_next(v))
		if (v->flags & VMA_ACCOUNTED)
			pages += overlap_pages(v, start, end);
	return pages;
}

u64 vma_protect_charge(struct vma_map *m, u64 start, u64 end, u32 prot)
{
	u64 pages = 0;

	for (struct vma *v = vma_find_from(m, start); v != NULL && v->start < end; v = vma_next(v))
		if (!(v->flags & VMA_ACCOUNTED) && vma_accountable(prot, v->flags))
			pages += overlap_pages(v, start, end);
	return pages;
}

/* Borders at start and end, for a change of all between them. */
static int split_out(struct vma_map *m, u64 start, u64 end)
{
	struct spares s;
	int rc = spares_get(&s, split_needed(m, start) + split_needed(m, end));

	if (rc < 0)
		return rc;
	split(m, start, &s);
	split(m, end, &s);
	return 0;
}

/* prot NULL: they keep their own, and are charged as if it had been writable. */
static int protect(struct vma_map *m, u64 start, u64 end, const u32 *prot)
{
	int rc;

	if (!range_ok(start, end))
		return -EINVAL;
	if (!range_mapped(m, start, end))
		return -ENOMEM;
	rc = split_out(m, start, end);
	if (rc < 0)
		return rc;
	for (struct vma *v = vma_find_from(m, start); v != NULL && v->start < end; v = vma_next(v)) {
		count(m, v, -1);
		if (prot != NULL)
			v->prot = *prot;
		if (vma_accountable(prot != NULL ? *prot : PROT_WRITE, v->flags))
			v->flags |= VMA_ACCOUNTED;
		count(m, v, 1);
	}
	merge(m, start, end);
	return 0;
}

int vma_map_protect(struct vma_map *m, u64 start, u64 end, u32 prot)
{
	return prot & ~PROT_MASK ? -EINVAL : protect(m, start, end, &prot);
}

int vma_map_charge(struct vma_map *m, u64 start, u64 end) { return protect(m, start, end, NULL); }

int vma_map_flags(struct vma_map *m, u64 start, u64 end, u32 set, u32 clear)
{
	int rc;

	if (!range_ok(start, end))
		return -EINVAL;
	rc = split_out(m, start, end);
	if (rc < 0)
		return rc;
	for (struct vma *v = vma_find_from(m, start); v != NULL && v->start < end; v = vma_next(v)) {
		count(m, v, -1);
		v->flags = (v->flags | set) & ~clear;
		count(m, v, 1);
	}
	merge(m, start, end);
	return 0;
}

static int resize(struct vma_map *m, struct vma *v, u64 start, u64 len, u64 new_len)
{
	if (new_len < len)
		return vma_map_remove(m, start + new_len, start + len);
	if (new_len == len)
		return 0;
	if (v->end != start + len)
		return -EEXIST;		/* the rest of the vma is in the way */
	if (!vma_range_free(m, start + len, start + new_len))
		return -EEXIST;
	cut_tail(m, v, start + new_len);
	merge(m, start, start + new_len);
	return 0;
}

int vma_map_move(struct vma_map *m, u64 start, u64 len, u64 new_start, u64 new_len, bool dontunmap)
{
	struct vma *v = vma_find(m, start), *moved;
	struct spares s;
	int rc;

	if (!range_ok(start, start + len) || !range_ok(new_start, new_start + new_len))
		return -EINVAL;
	if (v == NULL || v->end < start + len)
		return -EFAULT;
	if (new_start == start)
		return dontunmap ? -EINVAL : resize(m, v, start, len, new_len);
	if (!vma_range_free(m, new_start, new_start + new_len))
		return -EEXIST;
	rc = spares_get(&s, 1 + (!dontunmap && sticks_out_twice(m, start, start + len)));
	if (rc < 0)
		return rc;
	moved = spare_take(&s);
	*moved = *v;
	moved->index += (start - v->start) >> PAGE_SHIFT;
	moved->start = new_start;
	moved->end = new_start + new_len;
	insert(m, moved);
	copied(m, moved);
	if (!dontunmap)
		remove_range(m, start, start + len, &s);
	merge(m, new_start, new_start + new_len);
	return 0;
}

int vma_map_copy(struct vma_map *dst, struct vma_map *src)
{
	struct rb_node *n;

	/* dst is nobody's yet: what was copied is taken back when memory runs out */
	for (n = rb_first(&src->tree); n != NULL; n = rb_next(n)) {
		struct vma *v;

		if (vma_of(n)->flags & VMA_DONTFORK)
			continue;
		v = kzalloc(sizeof(*v));
		if (v == NULL) {
			vma_map_destroy(dst);
			return -ENOMEM;
		}
		*v = *vma_of(n);
		insert(dst, v);
		copied(dst, v);
	}
	return 0;
}

u64 vma_find_gap(struct vma_map *m, u64 floor, u64 top, u64 len)
{
	u64 high = top;
	struct vma *above = vma_find_from(m, top == 0 ? 0 : top - 1);
	/* the highest vma that begins below top */
	struct vma *v = above != NULL && above->start < top ? above :
			above != NULL ? vma_of(rb_prev(&above->node)) : vma_of(rb_last(&m->tree));

	if (above != NULL && above->start >= top && (above->flags & VMA_GROWSDOWN) && above->start - top < VMA_STACK_GUARD)
		high = above->start > VMA_STACK_GUARD ? above->start - VMA_STACK_GUARD : 0;
	for (;;) {
		u64 low = MAX(v == NULL ? 0 : v->end, floor);

		if (high >= low && high - low >= len)
			return high - len;
		if (v == NULL || v->start <= floor)
			return 0;
		high = MIN(high, v->start);
		if (v->flags & VMA_GROWSDOWN)
			high = MIN(high, v->start > VMA_STACK_GUARD ? v->start - VMA_STACK_GUARD : 0);
		v = vma_of(rb_prev(&v->node));
	}
}
