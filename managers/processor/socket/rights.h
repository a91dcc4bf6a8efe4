/* SPDX-License-Identifier: MIT */
/*
 * Open files on their way in messages (SCM_RIGHTS, unix(7)). A socket that is sent over itself, or two over each other, stay
 * referenced by messages that nobody can receive any more: rights_collect() finds such and throws the messages away.
 *
 * rights_lock (sleeps, RANK_SOCKET_RIGHTS) is held while a message with rights is put into a queue or taken out of one, so that the
 * collector sees each where it is.
 */
#ifndef MANAGERS_PROCESSOR_SOCKET_RIGHTS_H
#define MANAGERS_PROCESSOR_SOCKET_RIGHTS_H

#include "kernel/mutex.h"
#include "managers/processor/socket/socket.h"

struct rights {
	unsigned nr;
	bool flying;			/* counted as in flight */
	struct file *file[];		/* with a reference each */
};

extern struct mutex rights_lock;

struct rights *rights_alloc(unsigned nr);		/* nr 0, room for that many */
struct rights *rights_copy(const struct rights *r);	/* for MSG_PEEK */
void rights_free(struct rights *r);			/* closes what is in it; not with a spinlock or mutex held */
void rights_take_off(struct rights *r);			/* rights_lock held: they are in a queue from now on */
void rights_land(struct rights *r);			/* rights_lock held: they are not */
bool rights_may_fly(u64 limit);				/* as long as no more than that are in flight already */

/* What was taken out of queues goes: messages with all that is in them. No lock held. Closing one may bring more: not deeper, but
 * after each other. */
void messages_discard(struct list *messages);
void rights_collect(void);				/* no lock held */

#endif
