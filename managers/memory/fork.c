/* SPDX-License-Identifier: MIT */
/*
 * Fork: the child has the parent's map and shares all its private pages; nothing else ever makes pages shared (L28). The
 * parent's whole commit is asked for again, since every page may have to be copied.
 */
#include "kernel/crash.h"
#include "lib/base/errno.h"
#include "managers/memory/memory.h"
#include "managers/memory/space.h"

#define BATCH	64

/* Pages of one vma of the child. It is nobody's yet; the parent is closed to flushes of these pages by the processor node. */
static int share_pages(struct space *parent, struct space *child, u64 first, u64 last)
{
	u64 key = first;
	int rc = 0;

	for (;;) {
		spin_lock(&parent->lock);
		for (unsigned nr = 0; nr < BATCH; nr++) {
			struct frame *f = page_tree_next(&parent->pages, &key);
			void *old;

			if (f == NULL || key >= last) {
				spin_unlock(&parent->lock);
				return 0;
			}
			rc = page_tree_set(&child->pages, key, f, &old);
			if (rc < 0)
				break;
			page_get(f);
			count(nr_memory_fork_page);
			crash_point(CRASH_fork_page, NULL);
			key++;
		}
		spin_unlock(&parent->lock);
		if (rc < 0)
			return rc;
	}
}

/* What was granted goes back as it came: its node may be there anew, and knows of no such reservation. */
static void child_unwanted(struct space *child)
{
	u64 charged;

	spin_lock(&child->lock);
	charged = child->charged;
	child->charged = 0;
	spin_unlock(&child->lock);
	commit_ungrant(child->node, charged);
	space_kill(child, -EHOSTDOWN);
}

static int fork_act(struct space *parent, struct rpc_call *c)
{
	struct rpc_memory_fork_rep *r = c->rep;
	struct space *child = space_create(c->node);
	u64 commit = 0;
	int rc;

	if (child == NULL)
		return -ENOMEM;
	spin_lock(&parent->lock);
	rc = parent->dead ? -ESRCH : vma_map_copy(&child->map, &parent->map);
	spin_unlock(&parent->lock);
	if (rc == 0) {
		commit = child->map.nr_accounted;
		rc = commit_grant(c->node, commit);
	}
	if (rc == 0)
		child->charged = commit;
	for (struct vma *v = vma_find_from(&child->map, 0); v != NULL && rc == 0; v = vma_next(v))
		if (!(v->flags & VMA_WIPEONFORK))
			rc = share_pages(parent, child, v->start >> PAGE_SHIFT, v->end >> PAGE_SHIFT);
	if (rc == 0) {
		count(nr_memory_fork);
		r->child = le64_of(space_publish(child));
		r->commit = le64_of(commit);
		if (!rpc_wanted(c))
			child_unwanted(child);
	}
	if (rc < 0 && child->charged > 0) {
		commit_ungrant(c->node, child->charged);
		child->charged = 0;
	}
	space_put(child);
	return rc;
}

int serve_memory_fork(const struct rpc_memory_fork_req *q, struct rpc_memory_fork_rep *r, struct rpc_call *c)
{
	return change_run(c, le64_get(q->space), le64_get(q->change), fork_act);
}
