/* SPDX-License-Identifier: MIT */
/* Closed ranges, held-back flushes, and the numbers of an address space: sequence (P's own) and change (M's). */
#include "managers/processor/space/space_impl.h"

#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/protocol/memory_ops.h"
#include "mm/slab.h"

bool space_flush_held(struct space *s, u64 vpn)
{
	u64 va = vpn << PAGE_SHIFT;
	bool held;

	spin_lock(&s->pt_lock);
	held = (va >= s->held[0].start && va < s->held[0].end) || (va >= s->held[1].start && va < s->held[1].end);
	spin_unlock(&s->pt_lock);
	return held;
}

void space_close(struct space *s, unsigned slot, u64 start, u64 end)
{
	DEBUG_BUG_ON(!mutex_held(&s->map_lock));
	spin_lock(&s->pt_lock);
	DEBUG_BUG_ON(s->closed[slot].end != 0);
	s->closed[slot].start = start;
	s->closed[slot].end = end;
	spin_unlock(&s->pt_lock);
}

void space_open(struct space *s, unsigned slot)
{
	spin_lock(&s->pt_lock);
	s->closed[slot].start = s->closed[slot].end = 0;
	spin_unlock(&s->pt_lock);
	waitq_wake_all(&s->open_wait);
}

void space_hold(struct space *s, unsigned slot, u64 start, u64 end)
{
	spin_lock(&s->pt_lock);
	s->held[slot].start = start;
	s->held[slot].end = end;
	spin_unlock(&s->pt_lock);
}

void space_unhold(struct space *s, unsigned slot)
{
	space_hold(s, slot, 0, 0);
	flush_kick(true);
}

static bool is_closed(struct space *s, u64 vpn)
{
	bool closed;

	spin_lock(&s->pt_lock);
	closed = space_closed(s, vpn);
	spin_unlock(&s->pt_lock);
	return closed;
}

int space_wait_open(struct space *s, u64 vpn)
{
	return waitq_wait_killable(&s->open_wait, !is_closed(s, vpn)) == 0 ? -EAGAIN : -EINTR;
}

void space_bump(struct space *s)
{
	spin_lock(&s->pt_lock);
	WRITE_ONCE(s->seq, s->seq + 1);
	spin_unlock(&s->pt_lock);
}

void space_lost(struct space *s, int error)
{
	if (READ_ONCE(s->lost) == 0)
		pr_err("space %llu: its memory is lost: %s", (unsigned long long)s->id, errno_name(error));
	WRITE_ONCE(s->lost, error);
}

/* --- map changes --- */

static struct waitq changes_wait = WAITQ_INIT(changes_wait);

struct change *change_alloc(void) { return kzalloc(sizeof(struct change)); }
void change_free(struct change *c) { kfree(c); }

u64 change_next(struct space *s)
{
	u64 n;

	DEBUG_BUG_ON(!mutex_held(&s->map_lock));
	spin_lock(&s->pt_lock);
	n = ++s->change;
	spin_unlock(&s->pt_lock);
	return n;
}

/* In FIT's completion thread. M refuses no change that was checked here, so an error is the loss of the space. */
static void change_done(struct rpc *call)
{
	struct change *c = call->arg;
	struct space *s = c->s;

	if (call->status < 0)
		space_lost(s, call->status);
	change_free(c);
	(void)__atomic_sub_fetch(&s->changes_out, 1, __ATOMIC_SEQ_CST);
	waitq_wake_all(&changes_wait);		/* the space may be gone already: the queue is everybody's */
}

void changes_wait_done(struct space *s)
{
	waitq_wait(&changes_wait, __atomic_load_n(&s->changes_out, __ATOMIC_SEQ_CST) == 0);
}

static void change_fill(struct space *s, struct change *c, u16 op)
{
	c->s = s;
	c->req.head[0] = le64_of(s->id);
	c->req.head[1] = le64_of(change_next(s));
	c->rpc.node = s->memory_node;
	c->rpc.op = op;
	c->rpc.lane = RPC_LANE_CHANGE;
	c->rpc.req = &c->req;
	c->rpc.rep = c->big_rep != NULL ? c->big_rep : c->rep;
	c->rpc.rep_size = c->big_rep != NULL ? c->big_size : sizeof(c->rep);
}

void change_send(struct space *s, struct change *c, u16 op)
{
	int rc;

	change_fill(s, c, op);
	count(nr_space_change_sent);
	c->rpc.done = change_done;
	c->rpc.arg = c;
	(void)__atomic_add_fetch(&s->changes_out, 1, __ATOMIC_SEQ_CST);
	rc = rpc_start(&c->rpc);
	if (rc < 0) {			/* M is dead: nothing was sent, done is not called */
		c->rpc.status = rc;
		change_done(&c->rpc);
	}
}

int change_call(struct space *s, struct change *c, u16 op)
{
	int rc;

	change_fill(s, c, op);
	count(nr_space_change_waited);
	rc = rpc_start(&c->rpc);
	return rc < 0 ? rc : rpc_wait(&c->rpc);
}
