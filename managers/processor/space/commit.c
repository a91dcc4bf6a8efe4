/* SPDX-License-Identifier: MIT */
/*
 * Commit: every private writable page is charged to a reservation that this node holds on M, so that ENOMEM comes from
 * mmap, brk or fork and never from a flush. The reservation grows in large steps, so that most mappings ask nobody.
 */
#include "managers/processor/space/space_impl.h"

#include "lib/base/printk.h"
#include "managers/protocol/memory_ops.h"

#define STEP	4096ULL		/* pages: 16 MiB */

static DEFINE_MUTEX(commit_lock, RANK_MUTEX_LEAF);
/* [commit_lock] life counts the deaths of the node: what was charged in an earlier one is gone with it */
static struct { u64 reserved, charged; u32 life; } node[FIT_MAX_NODES];

/* Asked for, all came; given back, as much as M could take. */
static bool moved_ok(s64 pages, s64 moved)
{
	return pages >= 0 ? moved == pages : moved <= 0 && moved >= pages;
}

static int ask(unsigned n, s64 pages)
{
	struct rpc_memory_commit_req req = { .pages = le64_of((u64)pages) };
	struct rpc_memory_commit_rep rep;
	int rc = rpc_call_sure(n, RPC_memory_commit, &req, &rep, sizeof(rep));

	if (rc >= 0 && !moved_ok(pages, (s64)le64_get(rep.moved)))
		rc = -EIO;
	if (rc >= 0)			/* given back: M may still have the changes before it that free them */
		node[n].reserved += le64_get(rep.moved);
	return rc < 0 ? rc : 0;
}

/* The space's pages are charged to the node as it is now. */
static bool commit_current(struct space *s)
{
	if (s->committed == 0)
		s->commit_life = node[s->memory_node].life;
	return s->commit_life == node[s->memory_node].life;
}

int commit_charge(struct space *s, u64 pages)
{
	unsigned n = s->memory_node;
	u64 short_of;
	int rc = 0;

	if (pages == 0)
		return 0;
	if (pages >= USER_END >> PAGE_SHIFT)
		return -ENOMEM;
	mutex_lock(&commit_lock);
	if (!commit_current(s)) {
		rc = -EHOSTDOWN;
	} else if (node[n].charged + pages > node[n].reserved) {
		short_of = node[n].charged + pages - node[n].reserved;
		rc = ask(n, MAX(short_of, STEP));
		if (rc == -ENOMEM && short_of < STEP)
			rc = ask(n, short_of);
	}
	if (rc == 0) {
		node[n].charged += pages;
		s->committed += pages;
	}
	mutex_unlock(&commit_lock);
	return rc;
}

void commit_return(struct space *s, u64 pages)
{
	unsigned n = s->memory_node;
	u64 unused;

	if (pages == 0)
		return;
	mutex_lock(&commit_lock);
	DEBUG_BUG_ON(pages > s->committed || (commit_current(s) && pages > node[n].charged));
	if (commit_current(s))
		node[n].charged -= pages;
	s->committed -= pages;
	unused = node[n].reserved - node[n].charged;
	if (unused > 8 * STEP)
		(void)ask(n, -(s64)(unused - 2 * STEP));	/* refused: M is dead, or will hear of it at the next change */
	mutex_unlock(&commit_lock);
}

void commit_adopt(struct space *s, u64 pages)
{
	mutex_lock(&commit_lock);
	if (commit_current(s)) {
		node[s->memory_node].reserved += pages;
		node[s->memory_node].charged += pages;
	}
	s->committed += pages;
	mutex_unlock(&commit_lock);
}

void space_memory_lost(unsigned n)
{
	mutex_lock(&commit_lock);
	node[n].reserved = node[n].charged = 0;
	node[n].life++;
	mutex_unlock(&commit_lock);
}

void commit_drain(void)
{
	mutex_lock(&commit_lock);
	for (unsigned n = 0; n < FIT_MAX_NODES; n++)
		if (node[n].reserved > node[n].charged)
			(void)ask(n, -(s64)(node[n].reserved - node[n].charged));
	mutex_unlock(&commit_lock);
}

u64 commit_held(void)
{
	u64 sum = 0;

	for (unsigned n = 0; n < FIT_MAX_NODES; n++)
		sum += READ_ONCE(node[n].reserved);
	return sum;
}
