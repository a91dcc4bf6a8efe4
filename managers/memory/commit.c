/* SPDX-License-Identifier: MIT */
/*
 * Commit: memory is promised only as far as it is there, so that ENOMEM comes from the call that asks, never from a flush.
 * A processor node holds a reservation and charges its mappings to it; here both are known, a node that charges more
 * than it has reserved is given the difference, or refused.
 */
#include "lib/base/errno.h"
#include "lib/base/lock.h"
#include "managers/memory/memory.h"

/*
 * [commit_lock] pages; 0: this node itself (shared memory), which reserves nothing ahead. Of a node's earlier lives only what is still
 * charged is in here, and nothing is kept in reserve.
 */
static struct { u64 reserved, charged, life; } nodes[FIT_MAX_NODES];
static u64 total, limit;					/* [commit_lock] */
static DEFINE_SPINLOCK(commit_lock, RANK_LEAF);

void commit_init(void)
{
	u64 frames = frames_total();

	/* kept for tables, messages in flight and the page being replaced by each flush */
	limit = frames - MIN(frames / 2, frames / 16 + 2048);
}

u64 commit_total(void) { return READ_ONCE(total); }
u64 commit_limit(void) { return limit; }

static int reserve(unsigned node, u64 pages)
{
	assert_held(&commit_lock);
	if (pages > limit || total > limit - pages)
		return -ENOMEM;
	total += pages;
	nodes[node].reserved += pages;
	return 0;
}

static int charge(unsigned node, u64 pages)
{
	u64 have = nodes[node].reserved - nodes[node].charged;
	int rc = pages > have ? reserve(node, pages - have) : 0;

	if (rc == 0)
		nodes[node].charged += pages;
	return rc;
}

int commit_charge(unsigned node, u64 pages)
{
	int rc;

	spin_lock(&commit_lock);
	rc = charge(node, pages);
	spin_unlock(&commit_lock);
	return rc;
}

int commit_grant(unsigned node, u64 pages)
{
	int rc;

	spin_lock(&commit_lock);
	rc = reserve(node, pages);
	if (rc == 0)
		nodes[node].charged += pages;
	spin_unlock(&commit_lock);
	return rc;
}

u64 commit_life(unsigned node)
{
	u64 life;

	spin_lock(&commit_lock);
	life = nodes[node].life;
	spin_unlock(&commit_lock);
	return life;
}

static void ungrant(unsigned node, u64 pages)
{
	assert_held(&commit_lock);
	BUG_ON(pages > nodes[node].charged);
	nodes[node].charged -= pages;
	nodes[node].reserved -= pages;
	total -= pages;
}

void commit_ungrant(unsigned node, u64 pages)
{
	spin_lock(&commit_lock);
	ungrant(node, pages);
	spin_unlock(&commit_lock);
}

void commit_uncharge(unsigned node, u64 life, u64 pages)
{
	spin_lock(&commit_lock);
	BUG_ON(pages > nodes[node].charged);
	if (life == nodes[node].life)
		nodes[node].charged -= pages;
	else
		ungrant(node, pages);
	spin_unlock(&commit_lock);
}

static int reserve_or_return(unsigned node, s64 delta, s64 *moved)
{
	u64 before = nodes[node].reserved;
	int rc = 0;

	if (delta >= 0) {
		rc = reserve(node, delta);
	} else {
		u64 back = MIN((u64)0 - (u64)delta, nodes[node].reserved - nodes[node].charged);

		nodes[node].reserved -= back;
		total -= back;
	}
	*moved = nodes[node].reserved - before;
	return rc;
}

int commit_reserve(unsigned node, s64 delta, s64 *moved)
{
	int rc;

	spin_lock(&commit_lock);
	rc = reserve_or_return(node, delta, moved);
	spin_unlock(&commit_lock);
	return rc;
}

int commit_asked(const struct rpc_call *c, s64 delta, s64 *moved)
{
	int rc = -EHOSTDOWN;

	*moved = 0;
	spin_lock(&commit_lock);
	if (rpc_wanted(c))
		rc = reserve_or_return(c->node, delta, moved);
	spin_unlock(&commit_lock);
	return rc;
}

void commit_forget(unsigned node)
{
	s64 moved;

	spin_lock(&commit_lock);
	nodes[node].life++;		/* what handlers that still run give back later is free at once, also when it is there again */
	spin_unlock(&commit_lock);
	(void)!commit_reserve(node, -(s64)limit, &moved);
}
