/* SPDX-License-Identifier: MIT */
/* See rights.h. */
#include "managers/processor/socket/rights.h"

#include "kernel/thread.h"
#include "lib/base/string.h"
#include "managers/processor/fs/file.h"
#include "mm/slab.h"

DEFINE_MUTEX(rights_lock, RANK_SOCKET_RIGHTS);
static struct list flying = LIST_INIT(flying);	/* [rights_lock] sockets whose files are in flight */
static unsigned nr_flying;			/* [rights_lock] files, sockets or not */

struct rights *rights_alloc(unsigned nr)
{
	return kzalloc(sizeof(struct rights) + nr * sizeof(struct file *));
}

struct rights *rights_copy(const struct rights *r)
{
	struct rights *c = rights_alloc(r->nr);

	if (c == NULL)
		return NULL;
	for (c->nr = 0; c->nr < r->nr; c->nr++) {
		c->file[c->nr] = r->file[c->nr];
		file_get(c->file[c->nr]);
	}
	return c;
}

void rights_free(struct rights *r)
{
	for (unsigned i = 0; i < r->nr; i++)
		file_put(r->file[i]);
	kfree(r);
}

bool rights_may_fly(u64 limit)
{
	return READ_ONCE(nr_flying) <= limit;
}

void rights_take_off(struct rights *r)
{
	for (unsigned i = 0; i < r->nr; i++) {
		struct socket *s = file_socket(r->file[i]);

		if (s != NULL && s->in_flight++ == 0)
			list_add_tail(&flying, &s->flight_link);
	}
	WRITE_ONCE(nr_flying, nr_flying + r->nr);
	r->flying = true;
}

void rights_land(struct rights *r)
{
	for (unsigned i = 0; i < r->nr; i++) {
		struct socket *s = file_socket(r->file[i]);

		if (s != NULL && --s->in_flight == 0)
			list_del(&s->flight_link);
	}
	WRITE_ONCE(nr_flying, nr_flying - r->nr);
	r->flying = false;
}

/* --- discarding --- */

struct discarding {			/* on the stack of whoever is at it */
	struct list link;
	struct thread *thread;
	struct list messages;		/* [discards_lock] */
};
static DEFINE_SPINLOCK(discards_lock, RANK_LEAF);
static struct list discards = LIST_INIT(discards);	/* [discards_lock] */

static void discard_one(struct message *m)
{
	if (m->rights != NULL) {
		if (m->rights->flying) {
			mutex_lock(&rights_lock);
			rights_land(m->rights);
			mutex_unlock(&rights_lock);
		}
		rights_free(m->rights);
	}
	if (m->from != NULL) {
		atomic_sub(&m->from->sent, m->charge);
		waitq_wake_all(&m->from->write_wait);
		socket_put(m->from);
	}
	message_free(m);
}

/* true: this thread is discarding already, further down its stack, and will come to them. */
static bool discard_later(struct list *messages)
{
	struct discarding *d;
	bool found = false;

	spin_lock(&discards_lock);
	list_for_each(d, &discards, link) {
		if (d->thread == thread_current()) {
			list_splice_tail(&d->messages, messages);
			found = true;
			break;
		}
	}
	spin_unlock(&discards_lock);
	return found;
}

void messages_discard(struct list *messages)
{
	struct discarding own = { .thread = thread_current() };
	struct message *m;

	if (list_empty(messages) || discard_later(messages))
		return;
	list_init(&own.messages);
	list_splice_tail(&own.messages, messages);
	spin_lock(&discards_lock);
	list_add_tail(&discards, &own.link);
	while ((m = list_first(&own.messages, struct message, link)) != NULL) {
		list_del(&m->link);
		spin_unlock(&discards_lock);
		discard_one(m);
		spin_lock(&discards_lock);
	}
	list_del(&own.link);
	spin_unlock(&discards_lock);
}

/*
 * The collector. A socket in flight may be garbage if its file has no reference but those of messages. It is not if one of those
 * messages stands in the queue of a socket that is in use, or in that of one that is reachable so.
 */

static void each_right(struct socket *s, void (*fn)(struct socket *s))
{
	struct message *m;

	spin_lock(&s->lock);
	list_for_each(m, &s->queue.messages, link) {
		for (unsigned i = 0; m->rights != NULL && i < m->rights->nr; i++) {
			struct socket *in = file_socket(m->rights->file[i]);

			if (in != NULL)
				fn(in);
		}
	}
	spin_unlock(&s->lock);
}

/* What can be received through s: its own queue, or those of the connections that wait to be accepted. */
static void each_right_behind(struct socket *s, void (*fn)(struct socket *s))
{
	struct socket *c;

	each_right(s, fn);
	list_for_each(c, &s->accept_queue, accept_link)
		each_right(c, fn);
}

static void count_inside(struct socket *s)
{
	s->inside++;
}

static void mark_reached(struct socket *s)
{
	s->reached = true;
}

static void purge(struct socket *s, struct list *out)
{
	struct socket *c;

	spin_lock(&s->lock);
	list_splice_tail(out, &s->queue.messages);
	queue_init(&s->queue);
	spin_unlock(&s->lock);
	list_for_each(c, &s->accept_queue, accept_link) {
		spin_lock(&c->lock);
		list_splice_tail(out, &c->queue.messages);
		queue_init(&c->queue);
		spin_unlock(&c->lock);
	}
}

void rights_collect(void)
{
	struct list garbage = LIST_INIT(garbage);
	struct socket *s;
	bool more = true;

	if (READ_ONCE(nr_flying) == 0)
		return;
	mutex_lock(&net_lock);			/* accept queues */
	mutex_lock(&rights_lock);
	list_for_each(s, &flying, flight_link) {
		s->reached = s->file == NULL || ref_read(&s->file->refs) > (int)s->in_flight;
		s->inside = 0;
		s->looked_into = s->reached;	/* what its queue holds is not counted as inside, and so is reached */
	}
	list_for_each(s, &flying, flight_link)
		if (!s->reached)
			each_right_behind(s, count_inside);
	list_for_each(s, &flying, flight_link)
		s->reached |= s->inside < s->in_flight;
	while (more) {
		more = false;
		list_for_each(s, &flying, flight_link) {
			if (s->reached && !s->looked_into) {
				s->looked_into = more = true;
				each_right_behind(s, mark_reached);
			}
		}
	}
	list_for_each(s, &flying, flight_link)
		if (!s->reached)
			purge(s, &garbage);
	mutex_unlock(&rights_lock);
	mutex_unlock(&net_lock);
	messages_discard(&garbage);
}
