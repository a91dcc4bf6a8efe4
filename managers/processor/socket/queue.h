/* SPDX-License-Identifier: MIT */
/*
 * Messages, and queues of them. A message of a stream is any piece of its bytes; small ones are joined where nothing stands between
 * them. Nothing here locks: the owner of a queue does.
 */
#ifndef MANAGERS_PROCESSOR_SOCKET_QUEUE_H
#define MANAGERS_PROCESSOR_SOCKET_QUEUE_H

#include "lib/base/list.h"
#include "managers/processor/socket/abi.h"

struct rights;
struct socket;

struct message {
	struct list link;
	struct socket *from;		/* with a reference; it is charged for the message. NULL: nobody is, any more. In a queue: by its owner's lock */
	struct rights *rights;		/* owned; NULL: none */
	struct ucred_abi cred;		/* who sent it */
	u32 charge;			/* bytes, the message's own memory included */
	u32 len, off, room;		/* bytes put in, taken out, that fit in */
	u64 stamp;			/* wall clock, ns: when a datagram was sent, which is when it came */
	u32 to;				/* AF_INET: the address it was sent to, in network order */
	u8 ttl, tos;
	bool mark;			/* no bytes: here stands the urgent one (tcp(7), out-of-band data) */
	u32 name_len;			/* name of the sender, of a datagram */
	u8 name[SOCKADDR_MAX];
	u8 data[];
};
#define MESSAGE_MAX	(32 * 1024)	/* bytes of a stream in one message */

struct message_queue {
	struct list messages;
	u64 bytes;			/* not taken out yet */
	u64 charged;
	unsigned count;
};

void queue_init(struct message_queue *q);
struct message *message_alloc(size_t room);	/* empty; NULL: no memory */
void message_free(struct message *m);		/* without rights and sender: they are given back before */
void queue_put(struct message_queue *q, struct message *m);
struct message *queue_first(struct message_queue *q);	/* or NULL */
/* The mark, an empty message of nobody's, goes to the end. The one that was there before, off the queue and the caller's to free; NULL: none */
struct message *queue_mark(struct message_queue *q, struct message *mark);
/* The message behind m, or NULL. */
struct message *queue_next(struct message_queue *q, struct message *m);
/* Take n bytes off its front; true: that was all, and it is off the queue (a message without bytes: at once). */
bool queue_take(struct message_queue *q, struct message *m, size_t n);
/* May m's bytes stand behind last's in one message? Then they do: m is only the sender's to free. */
bool queue_join(struct message_queue *q, const struct message *m);

#endif
