/* SPDX-License-Identifier: MIT */
/*
 * Changes of an address space in the order of their numbers, and the calls that wait for their turn. A parked call is on its
 * space's list and nowhere else; when it is ready its handler is run again from the beginning, by whoever applied the
 * change that it waited for, or by a worker if it has to sleep.
 */
#include "kernel/work.h"
#include "lib/base/errno.h"
#include "managers/memory/memory.h"
#include "managers/memory/space.h"
#include "mm/slab.h"

/* In the call itself: parking cannot fail. A change that is lost would hold up its space for ever. */
struct kept {
	struct list link;	/* [space->lock] space->parked */
	u64 nr;			/* [I] change number */
	bool change;		/* [I] is change nr itself; else waits for all up to nr */
	struct work work;
};
_Static_assert(sizeof(struct kept) <= RPC_KEEP, "fits into the call");

static struct work_queue *kept_queue;

void changes_init(void)
{
	kept_queue = work_queue_create("parked", 2, PRIO_NORMAL);
	if (kept_queue == NULL)
		panic("memory: no memory for the queue of parked calls");
}

static struct rpc_call *call_of(struct kept *k) { return container_of((u64 *)k, struct rpc_call, keep[0]); }

/* Run the call's handler again; it may park it again. */
static void kept_run(struct kept *k)
{
	struct rpc_call *c = call_of(k);
	int status = memory_serve(c);

	if (status == RPC_TO_WORKER)
		work_queue_add(kept_queue, &k->work);
	else if (status != RPC_PENDING)
		rpc_reply(c, status);
}

static void kept_work(struct work *w)
{
	struct kept *k = container_of(w, struct kept, work);

	call_of(k)->in_worker = true;
	kept_run(k);
}

static int park(struct space *s, u64 nr, struct rpc_call *c, bool change)
{
	struct kept *k = (struct kept *)c->keep;

	assert_held(&s->lock);
	list_init(&k->link);
	k->nr = nr;
	k->change = change;
	work_init(&k->work, kept_work);
	list_add_tail(&s->parked, &k->link);
	count(nr_memory_parked);
	return RPC_PENDING;
}

static struct kept *parked_ready(struct space *s)
{
	struct kept *k;

	list_for_each(k, &s->parked, link)
		if (k->change ? !s->changing && k->nr <= s->applied + 1 : k->nr <= s->applied)
			return k;
	return NULL;
}

/* A call that applies the next change comes back here from within kept_run(): that one leaves the work to this one. */
static void parked_run(struct space *s)
{
	struct kept *k;

	spin_lock(&s->lock);
	if (!s->draining) {
		s->draining = true;
		while (!s->dead && (k = parked_ready(s)) != NULL) {
			list_del(&k->link);
			spin_unlock(&s->lock);
			if (call_of(k)->in_worker)	/* it may sleep; this may be the receive path */
				work_queue_add(kept_queue, &k->work);
			else
				kept_run(k);
			spin_lock(&s->lock);
		}
		s->draining = false;
	}
	spin_unlock(&s->lock);
}

void parked_drop(struct space *s, int status)
{
	struct kept *k;

	for (;;) {
		spin_lock(&s->lock);
		BUG_ON(!s->dead);
		k = list_first(&s->parked, struct kept, link);
		if (k != NULL)
			list_del(&k->link);
		spin_unlock(&s->lock);
		if (k == NULL)
			return;
		count(nr_memory_parked_dropped);
		rpc_reply(call_of(k), status);
	}
}

int space_ready(struct space *s, u64 nr, struct rpc_call *c)
{
	assert_held(&s->lock);
	if (s->dead)
		return -ESRCH;
	if (nr <= s->applied)
		return 0;
	return park(s, nr, c, false);
}

int changes_run(struct rpc_call *c, u64 id, u64 nr, u32 nr_changes, change_fn act)
{
	struct space *s = space_get(id, c->node);
	int rc = 0;

	if (s == NULL)
		return -ESRCH;
	spin_lock(&s->lock);
	if (s->dead)
		rc = -ESRCH;
	else if (nr <= s->applied || (nr == s->applied + 1 && s->changing))
		rc = -EINVAL;		/* a number is used once; FIT sees to repeated requests */
	else if (nr > s->applied + 1)
		rc = park(s, nr, c, true);
	else
		s->changing = true;
	spin_unlock(&s->lock);
	if (rc != 0) {
		space_put(s);
		return rc;
	}
	rc = act(s, c);
	spin_lock(&s->lock);
	s->changing = false;
	if (rc != RPC_TO_WORKER)
		s->applied = nr + nr_changes - 1;	/* refused ones too: the next must not wait for ever */
	spin_unlock(&s->lock);
	if (rc != RPC_TO_WORKER) {
		if (rc < 0)
			count(nr_memory_change_refused);
		else
			count_n(nr_memory_change, nr_changes);
		parked_run(s);
	}
	space_put(s);
	return rc;
}

int change_run(struct rpc_call *c, u64 id, u64 nr, change_fn act) { return changes_run(c, id, nr, 1, act); }
