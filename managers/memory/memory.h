/* SPDX-License-Identifier: MIT */
/*
 * The memory manager: home of address spaces (their maps and private pages) and of file data.
 *
 *	space.c, change.c	address spaces by id; changes in the order of their numbers, what comes early is parked
 *	map_ops.c, fork.c	map, unmap, protect, remap, zap, exit; fork
 *	fill.c, flush.c		pages out and in
 *	place.c			pages of files into address spaces, for read()
 *	exec.c, elf.c		programs
 *	object.c, cache.c	files and shared memory, and their pages in memory
 *	file_ops.c		open, close, read, write, truncate, sync
 *	page.c, commit.c	frames with reference counts; what was promised
 *
 * Contents of a frame never change while anyone else holds a reference: private pages are replaced, not written; a cached
 * page is written in place only when the cache holds its one reference. So a frame that is being sent stays as it was.
 *
 * Locks, outer first: object->lock (sleeps, held across calls to S of that object's own data), space->lock, cache_lock.
 * No spinlock is held across a call.
 */
#ifndef MANAGERS_MEMORY_MEMORY_H
#define MANAGERS_MEMORY_MEMORY_H

#include "arch/x86/platform.h"
#include "kernel/counter.h"
#include "kernel/thread.h"
#include "lib/base/lock.h"
#include "lib/base/printk.h"
#include "managers/protocol/protocol.h"
#include "mm/frame.h"

#define MEMORY_COUNTERS(X)								\
	X(nr_memory_fill_private, "fills answered with a private page")			\
	X(nr_memory_fill_object, "fills answered with a page of an object")		\
	X(nr_memory_fill_zero, "fills answered zero, without data; pages of zeros sent ahead of use")			\
	X(nr_memory_fill_to_worker, "fills whose page had to come from storage")	\
	X(nr_memory_fill_not_at_hand, "pages asked for ahead of use that did not come: beyond the end, storage would have to be asked, or no memory") \
	X(nr_memory_fill_refused, "fills refused: not mapped, beyond the end, no such space") \
	X(nr_memory_flush, "flush requests taken")					\
	X(nr_memory_flush_private, "private pages flushed")				\
	X(nr_memory_flush_object, "object pages flushed")				\
	X(nr_memory_flush_owner_skipped, "owners of flushed pages whose range was unmapped before") \
	X(nr_memory_flush_failed, "pages of flushes that were refused")			\
	X(nr_memory_place, "requests to put pages of files into address spaces")	\
	X(nr_memory_place_page, "private pages made of files so")			\
	X(nr_memory_parked, "calls parked until changes before them were applied")	\
	X(nr_memory_parked_dropped, "parked calls ended because space or peer was gone") \
	X(nr_memory_change, "changes of maps applied")					\
	X(nr_memory_change_refused, "changes of maps refused")				\
	X(nr_memory_fork, "forks")							\
	X(nr_memory_fork_page, "private pages shared by forks")				\
	X(nr_memory_exec, "programs loaded")						\
	X(nr_memory_cache_hit, "object pages found in the page cache")			\
	X(nr_memory_cache_miss, "object pages not found in the page cache")		\
	X(nr_memory_cache_wait, "waits for a page that was already being read")		\
	X(nr_memory_cache_read, "pages read from storage nodes")			\
	X(nr_memory_cache_readahead, "pages of these that nobody had asked for yet")	\
	X(nr_memory_cache_write, "pages written to storage nodes")			\
	X(nr_memory_cache_copied, "cached pages copied before a write because they were being sent") \
	X(nr_memory_cache_reclaimed, "clean cached pages dropped for want of memory")	\
	X(nr_memory_storage_error, "calls to storage nodes that failed")
DECLARE_COUNTERS(MEMORY_COUNTERS)
extern struct counter_group memory_counters;

#define USER_END	0x7ffffffff000ULL	/* end of the addresses a program may map */

/* --- page.c: frames with reference counts, for private pages (FRAME_USER) and cached ones (FRAME_CACHE) --- */
/* One reference, contents undefined; clean cached pages are dropped when memory is short. NULL: really none left. */
struct frame *page_alloc(enum frame_use use);
/* 2^order contiguous frames, each by itself with one reference; no reclaim: NULL at once. */
struct frame *page_alloc_run(unsigned order, enum frame_use use);
void page_get(struct frame *f);
void page_put(struct frame *f);
void page_release(void *frame);			/* page_put() for rpc_reply_bulk_ref() */
int page_reply(struct rpc_call *c, struct frame *f);	/* answer a fill: takes over one reference; status */
u64 pages_private(void);
u64 pages_cached(void);

/* --- commit.c: memory promised to programs, in pages; every processor node holds a reservation --- */
int __must_check commit_charge(unsigned node, u64 pages);	/* grows the reservation when it is used up; -ENOMEM */
/*
 * Reservation and charge both grow (fork, exec). -ENOMEM, whatever else the node has reserved: that may be charged there already,
 * by changes that have not come yet. It gives back what it does not use, and asks again.
 */
int __must_check commit_grant(unsigned node, u64 pages);
void commit_ungrant(unsigned node, u64 pages);		/* what was granted came to nothing; charge and reservation shrink */
u64 commit_life(unsigned node);				/* one more with each of its deaths */
/* What was charged in that life: the reservation stays the node's; of an earlier one nothing does, its node knows nothing of it. */
void commit_uncharge(unsigned node, u64 life, u64 pages);
/* The node's reservation grows by delta or shrinks (to what is charged at least); moved: by how much it did. -ENOMEM */
int __must_check commit_reserve(unsigned node, s64 delta, s64 *moved);
int __must_check commit_asked(const struct rpc_call *c, s64 delta, s64 *moved);	/* for its caller; -EHOSTDOWN: that has died */
void commit_forget(unsigned node);			/* the node is dead, its spaces are gone */
u64 commit_total(void);					/* reservations of all nodes */
u64 commit_limit(void);
void commit_init(void);

/* --- ids of spaces and objects --- */
/*
 * Processor nodes may have spaces and objects of another memory node's, or of an earlier boot of this one's: nothing new gets such an id.
 * So an id has this node's number in it, and counts from a random beginning; two boots of a node that give out n ids each meet with a
 * probability of 2n / 2^56. The clock is no help: it may be set back, and nodes boot within a second.
 */
static inline u64 ids_begin(void) { return arch_random(); }
static inline u64 id_next(u64 *last)		/* the caller locks; never 0 */
{
	return (u64)fit_self() << WIRE_ID_NODE_SHIFT | (++*last & ((1ULL << WIRE_ID_NODE_SHIFT) - 1));
}

/* --- ops.c --- */
int memory_serve(struct rpc_call *c);		/* run the call's handler (again) */


#endif
