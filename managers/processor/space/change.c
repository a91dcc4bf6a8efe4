/* SPDX-License-Identifier: MIT */
/*
 * Map changes on their way to M. One that nobody waits for is queued: it gets its number there and then, and costs no message.
 * What is queued leaves as one message with the first that needs it: a fill or flush that names the number of one of them, a
 * change that gives memory back or is sent by itself, or one more when the message is full. While it is queued and the last, a
 * change may take in the next one (merge.c).
 *
 * send_lock is held from taking a number (or the queue) until its message has a slot: a space's messages get their slots in the
 * order of their numbers. Else those that M parks could take them all from the one that they wait for.
 */
#include "managers/processor/space/space_impl.h"

#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/space/merge.h"
#include "mm/slab.h"

static struct waitq changes_wait = WAITQ_INIT(changes_wait);

struct change *change_alloc(void) { return kzalloc(sizeof(struct change)); }
void change_free(struct change *c) { kfree(c); }

/* --- sending --- */

/* As rpc.done. M refuses no change that was checked here, so an error is the loss of the space. */
static void change_done(struct rpc *call)
{
	struct change *c = call->arg;
	struct space *s = c->s;

	if (call->status < 0)
		space_lost(s, memory_error(call->status));
	commit_left(s->memory_node, &c->leaving);
	if (c->object != NULL)		/* it may be gone then */
		(void)__atomic_sub_fetch(&c->object->maps_out, 1, __ATOMIC_SEQ_CST);
	change_free(c);
	(void)__atomic_sub_fetch(&s->changes_out, 1, __ATOMIC_SEQ_CST);
	waitq_wake_all(&changes_wait);		/* the space may be gone already: the queue is everybody's */
}

void changes_wait_done(struct space *s)
{
	waitq_wait(&changes_wait, __atomic_load_n(&s->changes_out, __ATOMIC_SEQ_CST) == 0);
}

void changes_wait_mapped(struct object *o)
{
	waitq_wait(&changes_wait, __atomic_load_n(&o->maps_out, __ATOMIC_SEQ_CST) == 0);
}

static void prepare(struct space *s, struct change *c, u64 number, u16 op)
{
	c->s = s;
	c->req.head[0] = le64_of(s->id);
	c->req.head[1] = le64_of(number);
	c->rpc.node = s->memory_node;
	c->rpc.op = op;
	c->rpc.lane = RPC_LANE_CHANGE;
	c->rpc.req = &c->req;
	c->rpc.rep = c->big_rep != NULL ? c->big_rep : c->rep;
	c->rpc.rep_size = c->big_rep != NULL ? c->big_size : sizeof(c->rep);
}

/* Not waited for: c is freed when M has answered. */
static void start(struct space *s, struct change *c)
{
	int rc;

	count(nr_space_change_sent);
	c->rpc.done = change_done;
	c->rpc.arg = c;
	if (c->object != NULL)
		(void)__atomic_add_fetch(&c->object->maps_out, 1, __ATOMIC_SEQ_CST);
	(void)__atomic_add_fetch(&s->changes_out, 1, __ATOMIC_SEQ_CST);
	rc = rpc_start(&c->rpc);
	if (rc < 0) {			/* M is dead: nothing was sent, done is not called */
		c->rpc.status = rc;
		change_done(&c->rpc);
	}
}

/* send_lock held */
static void send_queued(struct space *s)
{
	struct change *c;
	u64 first;

	spin_lock(&s->pt_lock);
	c = s->queued;
	first = s->queued_from;
	s->queued = NULL;
	WRITE_ONCE(s->queued_from, NONE_QUEUED);
	spin_unlock(&s->pt_lock);
	if (c == NULL)
		return;
	c->req.changes.nr = le32_of(c->nr);
	prepare(s, c, first, RPC_memory_changes);
	start(s, c);
}

static void send_all(struct space *s)
{
	mutex_lock(&s->send_lock);
	send_queued(s);
	mutex_unlock(&s->send_lock);
}

void changes_push(struct space *s, u64 number)
{
	/* who has read the number sees its change queued, or already taken by somebody who is sending it */
	if (RULE(CHANGES_PUSHED) && READ_ONCE(s->queued_from) <= number)
		send_all(s);
}

static u64 next_number(struct space *s)
{
	u64 n;

	DEBUG_BUG_ON(!mutex_held(&s->map_lock));
	spin_lock(&s->pt_lock);
	n = ++s->change;
	spin_unlock(&s->pt_lock);
	return n;
}

void change_send(struct space *s, struct change *c, u16 op)
{
	mutex_lock(&s->send_lock);
	send_queued(s);
	prepare(s, c, next_number(s), op);
	start(s, c);
	mutex_unlock(&s->send_lock);
}

int change_call(struct space *s, struct change *c, u16 op)
{
	int rc;

	count(nr_space_change_waited);
	mutex_lock(&s->send_lock);
	send_queued(s);
	prepare(s, c, next_number(s), op);
	rc = rpc_start(&c->rpc);
	mutex_unlock(&s->send_lock);
	return rc < 0 ? rc : rpc_wait(&c->rpc);
}

int change_call_charged(struct space *s, struct change *c, u16 op)
{
	int rc = change_call(s, c, op);

	if (rc != -ENOMEM)
		return rc;
	commit_drain();
	return change_call(s, c, op);
}

/* --- the queue --- */

int change_reserve(struct space *s)
{
	DEBUG_BUG_ON(!mutex_held(&s->map_lock));
	if (s->spare == NULL)
		s->spare = change_alloc();
	return s->spare == NULL ? -ENOMEM : 0;
}

/* pt_lock held. false: there is no room */
static bool queue(struct space *s, const struct wire_change *w)
{
	struct change *c = s->queued;

	if (c != NULL && changes_merge(c->req.changes.list.of, c->nr, w)) {
		count(nr_space_change_merged);
		return true;
	}
	if (c != NULL && c->nr == WIRE_CHANGES)
		return false;
	if (c == NULL) {
		c = s->queued = s->spare;
		s->spare = NULL;
		WRITE_ONCE(s->queued_from, s->change + 1);
	}
	c->req.changes.list.of[c->nr++] = *w;
	s->change++;
	return true;
}

/* The same; *frees: it gives memory of M's back, so M has to hear of it at once, and what leaves has left when M has answered. */
static bool queue_leaving(struct space *s, const struct wire_change *w, const struct commit_leaving *l, bool *frees)
{
	bool less = le16_get(w->what) == WIRE_CHANGE_UNMAP || le16_get(w->what) == WIRE_CHANGE_ZAP, queued;

	spin_lock(&s->pt_lock);
	queued = queue(s, w);
	*frees = less && queued && changes_free(s->queued->req.changes.list.of, s->queued->nr);
	if (*frees) {
		s->queued->leaving.pages += l->pages;
		s->queued->leaving.life = l->life;
	}
	spin_unlock(&s->pt_lock);
	return queued;
}

static void add(struct space *s, u16 what, const struct vma *v, const struct commit_leaving *l)
{
	struct wire_change w = {
		.start = le64_of(v->start), .len = le64_of(v->end - v->start), .index = le64_of(v->index),
		.flags = le32_of(v->flags & ~VMA_HERE_ALONE), .prot = le16_of(v->prot), .what = le16_of(what),
	};
	bool queued, frees;

	DEBUG_BUG_ON(!mutex_held(&s->map_lock));
	count(nr_space_change_queued);
	queued = queue_leaving(s, &w, l, &frees);
	if (!queued) {			/* nobody else adds: once it is empty it stays so */
		send_all(s);
		queued = queue_leaving(s, &w, l, &frees);
		DEBUG_BUG_ON(!queued);
	}
	if (frees)			/* others may be waiting for the memory */
		send_all(s);
	else
		commit_left(s->memory_node, l);
}

void change_add(struct space *s, u16 what, const struct vma *v) { add(s, what, v, &(struct commit_leaving){ 0 }); }

void change_add_unmap(struct space *s, u64 start, u64 end, const struct commit_leaving *l)
{
	add(s, WIRE_CHANGE_UNMAP, &(struct vma){ .start = start, .end = end }, l);
}

void changes_drop(struct space *s)
{
	spin_lock(&s->pt_lock);
	DEBUG_BUG_ON(s->queued != NULL && s->queued->leaving.pages != 0);	/* that is sent as soon as it is queued */
	if (s->queued != NULL)
		s->change = s->queued_from - 1;
	change_free(s->queued);
	s->queued = NULL;
	s->queued_from = NONE_QUEUED;
	spin_unlock(&s->pt_lock);
}
