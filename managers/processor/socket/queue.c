/* SPDX-License-Identifier: MIT */
/* See queue.h. */
#include "managers/processor/socket/queue.h"

#include "lib/base/string.h"
#include "mm/slab.h"

/* What a message costs beside its bytes: about what it costs in Linux, so that as many of them fit into a buffer. */
#define MESSAGE_COST	576

void queue_init(struct message_queue *q)
{
	list_init(&q->messages);
	q->bytes = q->charged = 0;
	q->count = 0;
}

struct message *message_alloc(size_t room)
{
	struct message *m = kmalloc(sizeof(*m) + room);

	if (m == NULL)
		return NULL;
	memset(m, 0, sizeof(*m));
	list_init(&m->link);
	m->room = room;
	m->charge = ALIGN_UP(room, 64UL) + MESSAGE_COST;
	return m;
}

void message_free(struct message *m)
{
	kfree(m);
}

void queue_put(struct message_queue *q, struct message *m)
{
	list_add_tail(&q->messages, &m->link);
	q->bytes += m->len - m->off;
	q->charged += m->charge;
	q->count++;
}

struct message *queue_first(struct message_queue *q)
{
	return list_first(&q->messages, struct message, link);
}

struct message *queue_next(struct message_queue *q, struct message *m)
{
	return m->link.next == &q->messages ? NULL : list_entry(m->link.next, struct message, link);
}

bool queue_take(struct message_queue *q, struct message *m, size_t n)
{
	m->off += n;
	q->bytes -= n;
	if (m->off < m->len)
		return false;
	list_del(&m->link);
	q->charged -= m->charge;
	q->count--;
	return true;
}

struct message *queue_mark(struct message_queue *q, struct message *mark)
{
	struct message *old = queue_first(q);

	while (old != NULL && !old->mark)
		old = queue_next(q, old);
	if (old != NULL)
		(void)queue_take(q, old, 0);
	mark->mark = true;
	mark->charge = 0;
	queue_put(q, mark);
	return old;
}

bool queue_join(struct message_queue *q, const struct message *m)
{
	struct message *last = list_last(&q->messages, struct message, link);

	if (last == NULL || last->rights != NULL || m->rights != NULL || last->from != m->from || last->room - last->len < m->len ||
	    memcmp(&last->cred, &m->cred, sizeof(m->cred)) != 0)
		return false;
	memcpy(last->data + last->len, m->data, m->len);
	last->len += m->len;
	q->bytes += m->len;
	return true;
}
