/* SPDX-License-Identifier: MIT */
/*
 * fork: the child becomes an owner of every private page that is here, M shares the rest. Until M has answered, the
 * parent's faults wait and nothing that names the child is flushed: the whole parent is closed, the whole child held.
 */
#include "managers/processor/space/pass.h"

#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/space/exec_reply.h"
#include "managers/protocol/memory_ops.h"
#include "mm/slab.h"

static pte_t *child_slot(struct pass *p, u64 vpn)
{
	pte_t *slot;

	spin_lock(&p->child->pt_lock);
	slot = pte_slot(&p->child->pgd, vpn << PAGE_SHIFT, true);
	spin_unlock(&p->child->pt_lock);
	if (slot == NULL)
		p->rc = -ENOMEM;
	return slot;
}

static void set_child(struct pass *p, pte_t *slot, pte_t v)
{
	spin_lock(&p->child->pt_lock);
	(void)pte_xchg(slot, v);
	spin_unlock(&p->child->pt_lock);
}

/*
 * Share the page with the child, its PTE becoming v. A flush can name so many owners and no more: what has them all is
 * written home, and the child finds it there.
 */
static enum pass_answer share(struct pass *p, struct pcache_page *page, u64 vpn, pte_t v)
{
	bool full = page->nr_owners >= PCACHE_MAX_OWNERS;
	pte_t *slot;

	if (full && page_may_be_dirty(page))
		return PASS_CLEAN;
	slot = child_slot(p, vpn);
	if (slot == NULL)
		return PASS_DONE;
	if (full) {
		set_child(p, slot, PTE_MARK_PRIVATE);
		return PASS_DONE;
	}
	if (owner_add(page, p->child, vpn, slot) == NULL) {
		p->rc = -ENOMEM;
		return PASS_DONE;
	}
	set_child(p, slot, v);
	count(nr_fork_pages);
	return PASS_DONE;
}

static enum pass_answer fork_present(struct pass *p, struct pcache_line *line, struct pcache_owner *o)
{
	if (line->page.object != NULL)
		return PASS_DONE;		/* the child faults it in by itself */
	if (line->pins != 0)
		return PASS_WAIT;
	(void)owner_write_protect(&line->page, o, &p->tlb);
	return share(p, &line->page, o->vpn, pte_read(o->slot) & ~PTE_DIRTY);
}

static enum pass_answer fork_absent(struct pass *p, struct pcache_set *set, struct pcache_line *line, u64 vpn, pte_t *slot)
{
	struct page_id id = { p->s->salt, vpn };
	struct pcache_victim *v = line != NULL ? NULL : set_victim_private(set, id, p->s);
	pte_t *mine;

	if (line != NULL && (line->state != LINE_MAPPED || line->pins != 0))
		return PASS_WAIT;
	if (line != NULL || (v != NULL && RULE(FORK_VICTIMS)))
		return share(p, line != NULL ? &line->page : &v->page, vpn, PTE_MARK_PRIVATE);
	mine = child_slot(p, vpn);
	if (mine != NULL)
		set_child(p, mine, PTE_MARK_PRIVATE);
	return PASS_DONE;
}

static int share_pages(struct space *parent, struct space *child)
{
	struct pass p;

	pass_init(&p, parent);
	p.child = child;
	p.present = fork_present;
	p.absent = fork_absent;
	for (struct vma *v = vma_find_from(&parent->map, 0); v != NULL && p.rc == 0; v = vma_next(v))
		if (!(v->flags & (VMA_SHARED | VMA_DONTFORK | VMA_WIPEONFORK | VMA_VDSO)))
			pass_run(&p, v->start, v->end);
	return p.rc;
}

static void copy_numbers(struct space *child, const struct space *parent)
{
	child->memory_node = parent->memory_node;
	child->brk_start = parent->brk_start;
	child->brk = parent->brk;
	child->mmap_top = parent->mmap_top;
	child->stack_limit = parent->stack_limit;
	child->stack_top = parent->stack_top;
	child->code_start = parent->code_start;
	child->code_end = parent->code_end;
	child->data_start = parent->data_start;
	child->data_end = parent->data_end;
	child->arg_start = parent->arg_start;
	child->arg_end = parent->arg_end;
	child->env_start = parent->env_start;
	child->env_end = parent->env_end;
	memcpy(child->auxv, parent->auxv, sizeof(child->auxv));
}

static int ask_memory(struct space *parent, struct space *child, struct change *c)
{
	struct rpc_memory_fork_rep *rep = (void *)c->rep;
	u32 life = memory_life(parent->memory_node);
	int rc = change_call_charged(parent, c, RPC_memory_fork);

	if (rc < 0)
		return rc;
	if (!fork_reply_ok(rep, parent->map.nr_accounted))
		return -EIO;
	child->id = le64_get(rep->child);
	commit_adopt(child, le64_get(rep->commit), life);
	return 0;
}

/* madvise()'s wishes are known here alone: M copied these ranges, and is told now that the child does not have them. */
struct unwanted {
	u64 start, end, accounted;
	bool wipe;
};

static struct unwanted *list_unwanted(struct space *parent, u64 *nr, int *rc)
{
	struct unwanted *u = NULL;
	u64 n = 0;

	for (struct vma *v = vma_find_from(&parent->map, 0); v != NULL; v = vma_next(v))
		n += (v->flags & (VMA_DONTFORK | VMA_WIPEONFORK)) != 0;
	*nr = n;
	*rc = 0;
	if (n == 0)
		return NULL;
	u = kcalloc(n, sizeof(*u));
	if (u == NULL) {
		*rc = -ENOMEM;
		return NULL;
	}
	n = 0;
	for (struct vma *v = vma_find_from(&parent->map, 0); v != NULL; v = vma_next(v))
		if (v->flags & (VMA_DONTFORK | VMA_WIPEONFORK))
			u[n++] = (struct unwanted){ v->start, v->end, v->flags & VMA_ACCOUNTED ? (v->end - v->start) >> PAGE_SHIFT : 0,
						    (v->flags & VMA_DONTFORK) == 0 };
	return u;
}

static void drop_one(struct space *child, const struct unwanted *u)
{
	struct commit_leaving leaving;

	if (u->wipe) {
		change_add(child, WIRE_CHANGE_ZAP, &(struct vma){ .start = u->start, .end = u->end });
		return;
	}
	commit_leave(child, u->accounted, &leaving);
	change_add_unmap(child, u->start, u->end, &leaving);
}

static int drop_unwanted(struct space *child, const struct unwanted *u, u64 nr)
{
	int rc = 0;

	mutex_lock(&child->map_lock);
	for (u64 i = 0; i < nr && rc == 0; i++) {
		rc = change_reserve(child);
		if (rc == 0)
			drop_one(child, &u[i]);
	}
	commit_settle(child);
	mutex_unlock(&child->map_lock);
	return rc;
}

/* The child's ownerships are taken back; it never was on M. */
static void undo(struct space *child)
{
	mutex_lock(&child->map_lock);
	space_close(child, 0, 0, USER_END);
	space_zap(child, 0, USER_END);
	space_open(child, 0);
	mutex_unlock(&child->map_lock);
	space_unhold(child, 0);
	space_free(child);
}

static int fork_locked(struct space *parent, struct space *child, struct change *c)
{
	int rc;

	copy_numbers(child, parent);
	rc = vma_map_copy(&child->map, &parent->map);
	if (rc == 0 && child->map.nr_locked != 0)
		rc = vma_map_flags(&child->map, 0, USER_END, 0, VMA_LOCKED);	/* locks are the parent's alone */
	if (rc < 0)
		return rc;
	if (RULE(FORK_HELD))
		space_hold(child, 0, 0, USER_END);
	space_close(parent, 0, 0, USER_END);
	space_bump(parent);
	rc = share_pages(parent, child);
	if (rc == 0 && READ_ONCE(parent->lost) != 0)
		rc = -ENOMEM;		/* M's copies would be the child's, of pages whose contents were lost, too */
	if (rc == 0)
		rc = ask_memory(parent, child, c);
	space_open(parent, 0);
	return rc;
}

int space_fork(struct space *parent, struct space **out)
{
	struct change *c = change_alloc();
	struct unwanted *u = NULL;
	struct space *child;
	u64 nr = 0;
	int rc;

	child = space_alloc(parent->family, &rc);
	if (child == NULL || c == NULL) {
		if (child != NULL)
			space_free(child);
		change_free(c);
		return -ENOMEM;
	}
	mutex_lock(&parent->family->fork_lock);
	mutex_lock(&parent->map_lock);
	u = list_unwanted(parent, &nr, &rc);
	if (rc == 0)
		rc = fork_locked(parent, child, c);
	mutex_unlock(&parent->map_lock);
	mutex_unlock(&parent->family->fork_lock);
	change_free(c);
	if (rc < 0) {
		undo(child);
		kfree(u);
		return rc;
	}
	space_unhold(child, 0);
	rc = nr > 0 ? drop_unwanted(child, u, nr) : 0;
	kfree(u);
	if (rc < 0) {
		space_put(child);
		return rc;
	}
	*out = child;
	return 0;
}
