/* SPDX-License-Identifier: MIT */
/*
 * Address spaces on their memory node: a map, the private pages, and the number of the last change applied.
 *
 * Change numbers: a handler of a change calls change_run(), one of a fill or flush space_ready(); either may park the call,
 * which then holds no worker and is run again, from its beginning, when its time has come.
 */
#ifndef MANAGERS_MEMORY_SPACE_H
#define MANAGERS_MEMORY_SPACE_H

#include "lib/base/atomic.h"
#include "lib/base/lock.h"
#include "lib/vma.h"
#include "managers/memory/page_tree.h"
#include "net/fit/rpc.h"

struct space {
	u64 id;			/* [I] */
	u16 node;		/* [I] the processor node whose it is ... */
	u64 life;		/* [I] ... and in which of its lives: commit_life() */
	refcount_t refs;	/* one is the table's */
	struct list table_link;	/* [spaces_lock] */
	struct spinlock lock;	/* RANK_SPACE */
	struct vma_map map;	/* [lock] file: the struct object, counted as a mapping of it */
	struct page_tree pages;	/* [lock] virtual page number -> frame, one reference each */
	u64 charged;		/* [lock] pages of commit; follows map.nr_accounted. None come to a space that is dead */
	u64 applied;		/* [lock] number of the last change applied or refused */
	bool changing;		/* [lock] change applied + 1 is being applied */
	bool draining;		/* [lock] somebody runs the parked calls that are ready */
	bool dead;		/* [lock] gone or going: takes nothing in any more */
	struct list parked;	/* [lock] struct kept */
};

void spaces_init(void);
struct space *space_create(unsigned node);	/* not in the table yet; one reference; NULL: no memory */
u64 space_publish(struct space *s);		/* into the table (a reference of its own); its id */
struct space *space_get(u64 id, unsigned node);	/* NULL: no such space of that node */
void space_put(struct space *s);
/* Out of the table, parked calls ended with status, everything it held returned. Thread context, no locks. */
void space_kill(struct space *s, int status);
void spaces_node_died(unsigned node);
u64 spaces_live(void);
u64 spaces_vmas(void);

/*
 * Private pages of [first, last): dropped, or moved to the page number to, for which memory has been reserved before: so a move cannot fail,
 * and no page is at both places. In batches: the lock is taken and given back here. What makes this safe is that the range is closed by the
 * change that is being applied. After a reservation the pages of the target are settled, whatever became of it.
 */
void space_drop_pages(struct space *s, u64 first, u64 last);
int __must_check space_reserve_pages(struct space *s, u64 first, u64 last, u64 to);	/* -ENOMEM: nothing is reserved */
void space_move_pages(struct space *s, u64 first, u64 last, u64 to);
void space_settle_pages(struct space *s, u64 first, u64 last);

/* --- change.c --- */

/* One change: called without locks, with s referenced; its result is the reply. May return RPC_TO_WORKER first. */
typedef int (*change_fn)(struct space *s, struct rpc_call *c);
/* The body of a change's handler. */
int change_run(struct rpc_call *c, u64 id, u64 nr, change_fn act);
int changes_run(struct rpc_call *c, u64 id, u64 nr, u32 nr_changes, change_fn act);	/* nr and those behind it, at once */
/* With s->lock held: 0 when all changes up to nr are applied; else the call is parked: RPC_PENDING (or -ESRCH). */
int space_ready(struct space *s, u64 nr, struct rpc_call *c);
void parked_drop(struct space *s, int status);	/* s is dead */
void changes_init(void);

#endif
