/* SPDX-License-Identifier: MIT */
/*
 * How long a processor node may keep what it was told of a volume's files. A node that is the only one of its role is promised that no
 * other changes anything for LEASE_MS from its question on; each answer promises it anew. A change by another, or by a memory
 * node while there is another, waits until the promise is over, by a clock that may go twice as fast as the keeper's. While
 * several are there nobody is promised anything.
 *
 * What the keeper itself changes, directly or through its memory node, it knows.
 */
#ifndef MANAGERS_STORAGE_LEASE_H
#define MANAGERS_STORAGE_LEASE_H

#include "lib/base/types.h"

#define LEASE_MS	1000

struct lease {			/* all zero: none was promised yet */
	u16 node;		/* [volume lock] the last that was promised something */
	u64 until_ns;		/* [volume lock] until when, by this node's clock, with the margin */
	u64 not_before_ns;	/* [volume lock] nothing is promised before: somebody waits for until_ns */
};

/* Volume locked, about to answer `node`: milliseconds from its question on, or 0. */
u32 lease_promise(struct lease *l, unsigned node);
/* Volume locked: how many ns a change that `node` asks for has to wait; 0: not at all. */
u64 lease_wait_ns(struct lease *l, unsigned node);

#endif
