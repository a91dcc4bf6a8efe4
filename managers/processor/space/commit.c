/* SPDX-License-Identifier: MIT */
/*
 * Commit: every private writable page is charged to a reservation that this node holds on M, so that ENOMEM comes from
 * mmap, brk or fork and never from a flush. The reservation grows in large steps, so that most mappings ask nobody.
 *
 * What is charged here is never less than what M has charged: a page is charged before M hears of its mapping, and until M has
 * answered that it is gone (it is *leaving*). Else another space's mapping, which may overtake, would find no room there.
 */
#include "managers/processor/space/space_impl.h"

#include "lib/base/printk.h"
#include "managers/protocol/memory_ops.h"

#define STEP	4096ULL		/* pages: 16 MiB */
#define MUCH	(8 * STEP)	/* unused: most of it is given back */

/*
 * A memory node's lock is held while that node is asked, and nobody else: who has to hear of another's death, which ends what was asked of
 * that one, never waits for it.
 */
static struct commit_node {
	struct mutex lock;
	u64 reserved;		/* [lock] */
	u64 charged;		/* [charged_lock; more only with lock held, too] */
	u64 leaving;		/* the same: of these, what M has not yet answered for */
	u32 life;		/* [both] counts the deaths of the node: what was charged in an earlier one is gone with it */
} node[FIT_MAX_NODES];
static DEFINE_SPINLOCK(charged_lock, RANK_LEAF);
static struct waitq left_wait = WAITQ_INIT(left_wait);

void commit_init(void)
{
	for (unsigned n = 0; n < FIT_MAX_NODES; n++)
		mutex_init(&node[n].lock, "commit_lock", RANK_MUTEX_LEAF);
}

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
	if (rc >= 0)
		node[n].reserved += le64_get(rep.moved);
	return rc < 0 ? memory_error(rc) : 0;
}

/* The space's pages are charged to the node as it is now. */
static bool commit_current(struct space *s)
{
	if (s->committed == 0)
		s->commit_life = node[s->memory_node].life;
	return s->commit_life == node[s->memory_node].life;
}

static void charge(unsigned n, s64 pages)
{
	spin_lock(&charged_lock);
	DEBUG_BUG_ON(pages < 0 && node[n].charged < (u64)-pages);
	node[n].charged += pages;
	spin_unlock(&charged_lock);
}

/* the node's lock held: it does not become less meanwhile */
static u64 unused(unsigned n) { return node[n].reserved - READ_ONCE(node[n].charged); }

/* the node's lock held, so that nothing more begins to leave */
static void wait_left(unsigned n) { waitq_wait(&left_wait, READ_ONCE(node[n].leaving) == 0); }

/* Before it is said that there is no room, what is about to be free is waited for. */
static int make_room(unsigned n, u64 pages)
{
	u64 have;
	int rc;

	while (pages > (have = unused(n))) {
		rc = ask(n, MAX(pages - have, STEP));
		if (rc == -ENOMEM && pages - have < STEP)
			rc = ask(n, pages - have);
		if (rc == -ENOMEM) {
			wait_left(n);
			if (unused(n) != have)
				continue;		/* some has, now or while M was asked */
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

int commit_charge(struct space *s, u64 pages)
{
	unsigned n = s->memory_node;
	int rc;

	if (pages == 0)
		return 0;
	if (pages >= USER_END >> PAGE_SHIFT)
		return -ENOMEM;
	mutex_lock(&node[n].lock);
	rc = commit_current(s) ? make_room(n, pages) : -EHOSTDOWN;
	if (rc == 0) {
		charge(n, pages);
		s->committed += pages;
	}
	mutex_unlock(&node[n].lock);
	return rc;
}

/* refused: M is dead */
static void give_back(unsigned n)
{
	if (unused(n) > MUCH)
		(void)ask(n, -(s64)(unused(n) - 2 * STEP));
}

void commit_return(struct space *s, u64 pages)
{
	unsigned n = s->memory_node;

	if (pages == 0)
		return;
	mutex_lock(&node[n].lock);
	DEBUG_BUG_ON(pages > s->committed);
	if (commit_current(s))
		charge(n, -(s64)pages);
	s->committed -= pages;
	give_back(n);
	mutex_unlock(&node[n].lock);
}

void commit_leave(struct space *s, u64 pages, struct commit_leaving *l)
{
	*l = (struct commit_leaving){ .pages = pages };
	if (pages == 0)
		return;
	mutex_lock(&node[s->memory_node].lock);
	DEBUG_BUG_ON(pages > s->committed);
	(void)commit_current(s);
	l->life = s->commit_life;
	s->committed -= pages;
	spin_lock(&charged_lock);
	if (node[s->memory_node].life == l->life && RULE(COMMIT_LEAVES))
		node[s->memory_node].leaving += pages;
	else if (node[s->memory_node].life == l->life)
		node[s->memory_node].charged -= pages;
	spin_unlock(&charged_lock);
	mutex_unlock(&node[s->memory_node].lock);
}

void commit_left(unsigned n, const struct commit_leaving *l)
{
	bool last = false;

	if (l->pages == 0 || !RULE(COMMIT_LEAVES))
		return;
	spin_lock(&charged_lock);
	if (node[n].life == l->life) {
		DEBUG_BUG_ON(l->pages > node[n].leaving || node[n].leaving > node[n].charged);
		node[n].charged -= l->pages;
		node[n].leaving -= l->pages;
		last = node[n].leaving == 0;
	}
	spin_unlock(&charged_lock);
	if (last)
		waitq_wake_all(&left_wait);
}

void commit_settle(struct space *s)
{
	unsigned n = s->memory_node;

	if (READ_ONCE(node[n].reserved) + READ_ONCE(node[n].leaving) <= READ_ONCE(node[n].charged) + MUCH)
		return;				/* as it looks without the lock */
	mutex_lock(&node[n].lock);
	wait_left(n);
	give_back(n);
	mutex_unlock(&node[n].lock);
}

void commit_adopt(struct space *s, u64 pages, u32 life)
{
	mutex_lock(&node[s->memory_node].lock);
	if (s->committed == 0)
		s->commit_life = life;
	if (s->commit_life == node[s->memory_node].life) {
		node[s->memory_node].reserved += pages;
		charge(s->memory_node, pages);
	}
	s->committed += pages;
	mutex_unlock(&node[s->memory_node].lock);
}

void space_memory_lost(unsigned n)
{
	mutex_lock(&node[n].lock);
	spin_lock(&charged_lock);
	node[n].reserved = node[n].charged = node[n].leaving = 0;
	node[n].life++;
	spin_unlock(&charged_lock);
	mutex_unlock(&node[n].lock);
	waitq_wake_all(&left_wait);
}

void commit_drain(void)
{
	for (unsigned n = 0; n < FIT_MAX_NODES; n++) {
		mutex_lock(&node[n].lock);
		wait_left(n);
		if (unused(n) > 0)
			(void)ask(n, -(s64)unused(n));
		mutex_unlock(&node[n].lock);
	}
}

u32 memory_life(unsigned n) { return READ_ONCE(node[n].life); }

u64 commit_held(void)
{
	u64 sum = 0;

	for (unsigned n = 0; n < FIT_MAX_NODES; n++)
		sum += READ_ONCE(node[n].reserved);
	return sum;
}
