/* SPDX-License-Identifier: MIT */
/*
 * Crash points of debug builds: named places of the protocols at which a node can be made to lose its power, to see what the
 * others do. crash=NAME[:N] on the command line: the Nth time (the first) that this node comes to the place. For the steps of a
 * call NAME is STEP.OP, such as serve.memory_fork, or STEP alone for any op. In other builds they are nothing.
 */
#ifndef KERNEL_CRASH_H
#define KERNEL_CRASH_H

#include "lib/base/types.h"

/* Documentation/debugging.md has the same table: lint compares them. */
#define CRASH_POINTS(X)									\
	X(call,		"the caller has given the request of the op to the transport")	\
	X(serve,	"the callee has decoded the request, and its handler has not begun") \
	X(reply,	"the handler is done, its reply not sent")			\
	X(sent,		"the reply is with the transport")				\
	X(answer,	"the reply has reached the caller, and nobody has been told")	\
	X(join_ask,	"a node has asked another to begin an epoch")			\
	X(join_accept,	"the other has accepted, and does not know yet that this has arrived") \
	X(join_up,	"the node counts the other as up, and nobody has been told")	\
	X(link_down,	"the queue pair broke, and what is left of it is gone")		\
	X(link_ask,	"the next queue pair is asked for")				\
	X(link_offer,	"the next queue pair is accepted")				\
	X(link_up,	"the next queue pair works, and nothing was repeated on it")	\
	X(flush_page,	"the memory node has taken one page of those in a flush")	\
	X(fork_page,	"the memory node has shared one page of those in a fork")

enum crash_point {
#define AS_ENUM(name, where) CRASH_##name,
	CRASH_POINTS(AS_ENUM)
#undef AS_ENUM
	NR_CRASH_POINTS
};

#if defined(CONFIG_DEBUG) && !defined(TANGRAM_HOST)
void crash_init(void);					/* the boot parameter, after param_init() */
void crash_point(enum crash_point p, const char *op);	/* op: NULL for a place without one; any context */
#else
static inline void crash_init(void) { }
static inline void crash_point(enum crash_point p, const char *op) { }
#endif

#endif
