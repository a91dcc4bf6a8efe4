/* SPDX-License-Identifier: MIT */
/*
 * pcache: the processor's DRAM as a set-associative, write-back cache of remote memory. This header is for pcache/ and
 * space/ alone; the rest of the role sees space/space.h.
 *
 * Locks, in order: space->map_lock (sleeps) > set lock (two: by set number) > space->pt_lock (one at a time) >
 * pool lock, object lock, space->vma_lock. Nothing sleeps, calls another node or sends a shootdown under these spinlocks.
 *
 * Every PTE of a page that a line or victim entry owns changes only under that set's lock and the space's pt_lock.
 */
#ifndef MANAGERS_PROCESSOR_PCACHE_H
#define MANAGERS_PROCESSOR_PCACHE_H

#include "arch/x86/paging.h"
#include "kernel/waitq.h"
#include "lib/base/atomic.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/rule.h"
#include "managers/processor/pcache/counters.h"

struct space;
struct object;
struct pcache_set;
struct pcache_victim;
struct shadow_group;

/* --- identity --- */
struct page_id {
	u64 space;		/* private pages: the space's salt (below WIRE_OBJECT_FIRST); else the object */
	u64 index;		/* virtual page number; page offset in the object */
};

/*
 * What a non-present PTE says. EMPTY: this space never held the page privately; PRIVATE: its own copy exists, on M, in a
 * line or in the victim cache; BUSY: filling, leaving or being flushed, and the other bits stay. TOUCHED serves to
 * count the footprint and to tell compulsory misses. A PTE of 0 is EMPTY too, never touched.
 */
#define PTE_MARK_PRIVATE (1ULL << 1)
#define MARK_BUSY	(1ULL << 2)
#define MARK_TOUCHED	(1ULL << 3)
#define MARK_EMPTY	MARK_TOUCHED
#define MARK_PRIVATE	(PTE_MARK_PRIVATE | MARK_TOUCHED)

static inline bool pte_busy(pte_t v) { return (v & (PTE_PRESENT | MARK_BUSY)) == MARK_BUSY; }
static inline bool pte_private(pte_t v) { return (v & (PTE_PRESENT | PTE_MARK_PRIVATE)) == PTE_MARK_PRIVATE; } /* also if busy */

/* --- state tables (state.c: the legal steps, and the one writer of each state) --- */
#define LINE_STATES(X)									\
	X(ILLEGAL)	/* an empty cell of the table */				\
	X(FREE)		/* on its set's free list or in the reserve: no owner, no pin */ \
	X(FILLING)	/* its page is on the way; data undefined; PTE of the filler is BUSY */ \
	X(MAPPED)	/* valid, has owners */						\
	X(IDLE)		/* valid, an object's, mapped by nobody */			\
	X(CLEANING)	/* valid, write-protected, being written to M; readers go on */	\
	X(LEAVING)	/* owners' PTEs are BUSY, the shootdown is under way */
#define LINE_EVENTS(X)									\
	X(FILL) X(INSTALL) X(VOID) X(LAST_UNMAP) X(FIRST_MAP) X(CLEAN) X(CLEANED) X(CLEANED_IDLE) X(LEAVE) X(LEFT)
#define VICTIM_STATES(X)								\
	X(ILLEGAL)									\
	X(FREE)		/* in the pool, or set aside for a line that is LEAVING */	\
	X(HELD)		/* a dirty page; hangs on its set */				\
	X(FLUSHING)	/* sent to M; owners' PTEs are BUSY; data valid, unchanged */
#define VICTIM_EVENTS(X) X(HOLD) X(TAKE) X(DROP) X(FLUSH) X(ACKED) X(REFUSED)

#define LINE_ENUM(s)	LINE_##s,
#define LINE_EV_ENUM(s)	LINE_EV_##s,
#define VICTIM_ENUM(s)	VICTIM_##s,
#define VICTIM_EV_ENUM(s) VICTIM_EV_##s,
enum line_state { LINE_STATES(LINE_ENUM) NR_LINE_STATES };
enum line_event { LINE_EVENTS(LINE_EV_ENUM) NR_LINE_EVENTS };
enum victim_state { VICTIM_STATES(VICTIM_ENUM) NR_VICTIM_STATES };
enum victim_event { VICTIM_EVENTS(VICTIM_EV_ENUM) NR_VICTIM_EVENTS };

/* --- the things --- */
struct pcache_owner {		/* one (space, PTE) that shares a page */
	struct list link;	/* [set] page->owners */
	struct space *space;	/* [I] */
	u64 vpn;		/* [set] */
	pte_t *slot;		/* [set] of vpn in space's tables; they stay until the space is gone */
};

/* What a line and a victim entry have in common: a page, its frame and its owners. */
struct pcache_page {		/* all [set] */
	struct pcache_set *set;	/* read without the lock only to find the lock; then looked at again */
	struct page_id id;
	u32 frame;		/* number in the pcache's area */
	u32 nr_owners;
	struct list owners;
	struct object *object;	/* NULL: a private page */
	struct list object_link; /* [object's lock] on object->lines */
	bool dirty;		/* newer than M's copy (D bits of PTEs not yet folded in) */
	bool zero;		/* M never had the page: made here of zeros */
	bool ahead;		/* a line's: fetched before it was asked for, and not used since */
	bool first;		/* ahead: its space has not had it before */
	u8 fresh;		/* a line's, for its set's shadow: it came, and was not found accessed since; see shadow_feed.c */
	bool accessed;		/* a line's: that look took the A bit, the policy has yet to see it */
};

struct pcache_line {
	struct pcache_page page;
	struct list link;	/* [set] set->lines, or set->free, or [stock] lines */
	u8 state;		/* [set] enum line_state: line_step() */
	u8 referenced;		/* [set] the policy's */
	u8 stream;		/* [set] page.ahead: whose guess it was */
	bool around;		/* [set] page.ahead: it came because it lies around a miss */
	u32 revivals;		/* [set] its object's when it was filled or last hit: if less, it was kept over a close */
	u32 pins;		/* [set] shootdowns under way for a PTE that was taken from it */
	atomic_t kept;		/* the progress token's: not to be evicted */
	struct pcache_victim *victim;	/* [set] LEAVING: where it goes if dirty */
};

struct pcache_victim {
	struct pcache_page page;
	struct list link;	/* [set] set->victims */
	struct list pool_link;	/* [pool] free list, or the queue of held ones */
	u8 state;		/* [set] enum victim_state: victim_step() */
	u8 refusals;		/* [set] */
};

struct pcache_set {
	struct spinlock lock;
	u32 number;		/* [I] */
	u32 nr;			/* [lock] lines here, FREE ones included: ways, and those lent by the reserve */
	u32 nr_free;		/* [lock] */
	u32 nr_leaving;		/* [lock] of the lines here */
	u32 events;		/* [lock] counts changes, for waiters */
	bool sweep_queued;	/* [stock] */
	struct shadow_group *shadow; /* [I] NULL: not sampled */
	struct list lines;	/* [lock] not FREE, in the policy's order */
	struct list free;	/* [lock] */
	struct list victims;	/* [lock] */
	struct list sweep_link;	/* [stock] */
	struct waitq wait;
};

/*
 * A part of the reserve, and those of its sets that have a surplus: set number i has stock i % NR_STOCKS, and takes from the others
 * what its own has not. So faults of several CPUs, which are in different sets mostly, seldom meet at a lock.
 */
#define NR_STOCKS	8
struct pcache_stock {
	struct spinlock lock;	/* RANK_PCACHE_VICTIM, one at a time */
	struct list lines;	/* [lock] FREE, of no set */
	struct list sweep;	/* [lock] sets that hold lines of the reserve */
} __aligned(64);

#define PCACHE_MAX_OWNERS	63	/* of a private page: what a flush can name */
#define TOKEN_LINES		6	/* pages one instruction may need at once */
#define RESERVE_TOKEN		8	/* of the reserve, only for the token's holder */
#define RESERVE_COMMON		24	/* of the reserve, for fills that are sent before room is made */
#define RESERVE_LINES		(RESERVE_TOKEN + RESERVE_COMMON)

struct pcache_policy {
	const char *name;
	void (*inserted)(struct pcache_set *set, struct pcache_line *line);	/* line just left FREE */
	/* the line to go, of those pcache_evictable(); NULL. May look at and clear A bits: those cleared go into tlb */
	struct pcache_line *(*pick)(struct pcache_set *set, struct tlb_batch *tlb);
};
/* A page that came ahead of its use and is looked at for the first time: as good as one that a fault brought and used once. */
static inline bool line_just_ahead(struct pcache_line *line)
{
	bool first = line->page.ahead && line->referenced == 0;

	line->referenced = 1;
	return first;
}
extern const struct pcache_policy policy_lru, policy_fifo, policy_clock, policy_random;

struct pcache_params {
	u64 nr_lines;
	u32 ways, nr_sets, nr_victims;	/* entries: at least 1 */
	bool victim_hits;		/* false: pcache.victim=0 */
	const struct pcache_policy *policy;
	u8 prefetch;			/* enum prefetch_mode */
	u32 prefetch_max;		/* pages asked for ahead, at most; less than 2: none */
	u32 shadow;			/* one group of sets in so many is sampled; 0: none */
	bool turns;			/* threads of a small cache take turns */
};

struct pcache {
	struct pcache_params p;			/* [I] */
	unsigned stretch;			/* [I] hash_stretch() of its lines: the same for all geometries of one size */
	struct pcache_set *sets;		/* [I] */
	struct pcache_line *lines;		/* [I] nr_lines + RESERVE_LINES */
	struct pcache_victim *victims;		/* [I] */
	struct pcache_line **line_of_frame;	/* [set] of the line; NULL: a victim entry's. Read without, then checked */
	u32 nr_frames;				/* [I] */
	u32 frames_used, frames_used_max;	/* [a] of lines and victim entries that are not FREE */
	paddr_t area;				/* [I] */

	struct spinlock pool_lock;		/* RANK_PCACHE_VICTIM: the victim cache's; a fault that is no victim hit does without */
	struct list victim_free;		/* [pool] */
	u32 nr_victim_free;			/* [pool] */
	struct list victim_held;		/* [pool] oldest first */
	u32 nr_victim_held;			/* [pool] */
	u32 victim_events;			/* [pool] an entry became free */
	struct waitq victim_wait;
	u32 flush_events;			/* [pool] there may be something to flush */
	u32 flush_wanted;			/* [pool] a page's flush is waited for: do not keep entries back */
	struct waitq flush_wait;
	struct pcache_stock stock[NR_STOCKS];
	u32 nr_reserve;				/* [a] lines in stock; claimed before one is taken, counted after one was put back */
	u32 nr_sweep;				/* [a] sets on the sweep lists */
	u32 sweep_turn;				/* [o] the sweep daemon's: the stock that it looks at next */
	struct waitq sweep_wait;
};
extern struct pcache pcache;

/* --- state.c --- */
extern const char *const line_state_name[], *const victim_state_name[];
void line_step(struct pcache_line *line, enum line_event ev);		/* set lock held */
void victim_step(struct pcache_victim *v, enum victim_event ev);	/* set lock held */

/* --- set.c: where a page may be --- */
u64 page_hash(struct page_id id);
struct pcache_set *pcache_set_of(struct page_id id);
void pcache_lock_two(struct pcache_set *a, struct pcache_set *b);	/* may be the same */
void pcache_unlock_two(struct pcache_set *a, struct pcache_set *b);
/* set lock held; NULL when there is none (L12) */
struct pcache_line *set_line_private(struct pcache_set *set, struct page_id id, const struct space *s);
struct pcache_line *set_line_object(struct pcache_set *set, struct page_id id);
struct pcache_victim *set_victim_private(struct pcache_set *set, struct page_id id, const struct space *s);
struct pcache_victim *set_victim_object(struct pcache_set *set, struct page_id id);
void set_changed(struct pcache_set *set);		/* set lock held: waiters look again */
/* Sleep until the set changed since `seen` (events, read under its lock). -EAGAIN, or -EINTR on a fatal signal. */
int set_wait(struct pcache_set *set, u32 seen);
int set_wait_for(struct pcache_set *set, u32 seen, bool killable, u64 ns);	/* the same, not longer than ns; 0: no limit */
void set_wait_plain(struct pcache_set *set, u32 seen);

/* --- frame.c: frames, the set's free lines and the reserve --- */
int pcache_alloc(void);
void pcache_free_all(void);				/* tests */
static inline paddr_t page_phys(const struct pcache_page *p) { return pcache.area + (u64)p->frame * PAGE_SIZE; }
void *page_data(const struct pcache_page *p);
/* The line that a present PTE maps, as it looks without a lock; NULL: none now. */
struct pcache_line *line_of_pte(pte_t v);
void page_swap_frames(struct pcache_line *line, struct pcache_victim *v);
void line_swap_frames(struct pcache_line *a, struct pcache_line *b);
/* set lock held. A FREE line of the set, or one lent by the reserve; NULL: room must be made. It is FILLING then. */
struct pcache_line *line_take(struct pcache_set *set, struct page_id id, struct object *o);
static inline struct pcache_stock *stock_of(const struct pcache_set *set) { return &pcache.stock[set->number % NR_STOCKS]; }
/* set lock held; the line has no owners, and steps to FREE by the event given. */
void line_release(struct pcache_line *line, enum line_event ev);
/* Sleep until room can be made or taken: evicts from the set. -EAGAIN (look again), -EINTR */
int line_make_room(struct pcache_set *set, bool killable);

/* --- owner.c --- */
int owner_init(void);
/* set lock held. NULL for memory. The PTE is the caller's. */
struct pcache_owner *owner_add(struct pcache_page *p, struct space *s, u64 vpn, pte_t *slot) __must_check;
struct pcache_owner *owner_find(struct pcache_page *p, const struct space *s, u64 vpn);
void owner_remove(struct pcache_page *p, struct pcache_owner *o);	/* frees it */
void owner_move_all(struct pcache_page *to, struct pcache_page *from);
u64 owners_live(void);
/*
 * Replace the PTE of an owner of p by a non-present mark: folds D into the page, adds to the batch if it was present.
 * set lock held, not pt_lock.
 */
bool owner_unmap(struct pcache_page *p, struct pcache_owner *o, pte_t mark, struct tlb_batch *tlb);
bool owner_write_protect(struct pcache_page *p, struct pcache_owner *o, struct tlb_batch *tlb);
bool owner_accessed(struct pcache_page *p, bool clear, struct tlb_batch *tlb);	/* any owner's A bit */
bool owner_touched(struct pcache_page *p, struct tlb_batch *tlb);	/* the same and clears it; owner_accessed() will yet say it */
void owner_set_mark(struct pcache_owner *o, pte_t mark);		/* non-present to non-present; wakes who waits */
void pte_waiters_wake(struct space *s, u64 vpn);
int pte_wait(struct space *s, u64 vpn, pte_t *slot);	/* until it is not BUSY: -EAGAIN, -EINTR */
void pte_wait_plain(struct space *s, u64 vpn, pte_t *slot);

/* --- evict.c --- */
struct evict_batch {
	struct tlb_batch tlb;
	struct pcache_line *line[16];
	unsigned nr;
};
void evict_batch_init(struct evict_batch *b);
bool pcache_evictable(const struct pcache_line *line);		/* set lock held */
/* Begin to evict a line that the policy picks: 0, -EAGAIN: nothing can go now, -ENOSPC: no victim entry. set lock held. */
int evict_begin(struct pcache_set *set, struct evict_batch *b);
int evict_line(struct pcache_line *line, struct evict_batch *b);	/* this one, whatever the policy says; the same answers */
void evict_finish(struct evict_batch *b);			/* no lock held: shootdown, then the lines leave */
bool page_may_be_dirty(struct pcache_page *p);			/* set lock held: it, or a PTE that may make it so */
/* These two do nothing as long as the sweep daemon keeps up. */
bool evict_try(struct pcache_set *set);				/* one line, without waiting for anything but the shootdown */
/*
 * Set lock held, the line is the one that the fault's program is about to use. True: the set has too many, and the fault brings it back
 * to its ways by evict_trim_but() as soon as it holds no lock; until then the line is kept.
 */
bool __must_check evict_keep(struct pcache_set *set, struct pcache_line *mine);
void evict_trim_but(struct pcache_set *set, struct pcache_line *mine);	/* may wait for victim entries */
void evict_trim(struct pcache_set *set);			/* in any case */
void evict_trim_all(void);				/* every set that borrowed from the reserve */
/* For a private line whose last owner just went (LEAVING now): after the shootdown. No lock held. */
void line_unpin(struct pcache_line *line);
void line_settle(struct pcache_line *line);			/* set lock held: an unpinned LEAVING line with no owner goes */

/* --- victim.c --- */
struct pcache_victim *victim_prepare(void);			/* set lock may be held; NULL: none free */
void victim_unprepare(struct pcache_victim *v);
int victim_wait_free(bool killable);				/* until one was freed: -EAGAIN, -EINTR */
void victim_insert(struct pcache_victim *v, struct pcache_line *line);	/* set lock held; line keeps a free frame */
void victim_take(struct pcache_victim *v, struct pcache_line *line);	/* set lock held; line is FILLING, gets the page */
void victim_drop(struct pcache_victim *v);			/* set lock held; HELD, its last owner went */
void victim_release(struct pcache_victim *v, enum victim_event ev);
void flush_kick(bool wanted);

/* --- flush.c --- */
#define FLUSH_META_MAX	4096
struct flush_msg;
struct flush_msg *flush_msg_alloc(void);
void flush_msg_free(struct flush_msg *m);
void flush_msg_reset(struct flush_msg *m);
/* set lock held: name the page with its owners and their change numbers. -ENOSPC: full; -EBUSY: held back, or another node's */
int flush_msg_add(struct flush_msg *m, struct pcache_page *p);
unsigned flush_msg_pages(const struct flush_msg *m);
int flush_msg_send(struct flush_msg *m);			/* sleeps until answered: 0, or negative errno of the call */
int flush_msg_status(const struct flush_msg *m, unsigned i);	/* of page i: 0 or negative errno */
unsigned flush_some(struct flush_msg *m, bool all);		/* one message of the daemon; pages sent */
int flush_victim_now(struct flush_msg *m, struct pcache_victim *v);	/* set lock held, dropped; -EBUSY: held back */
int flush_start(void);						/* the daemons */

/* --- clean.c --- */
/*
 * Write pages home and leave them where they are; waits out what is in progress with them. 0: M has them, or they are in no
 * line and no victim entry; negative errno of the first that it has not. No lock held. killable: ends with -EINTR on a fatal
 * signal, between two messages; what was not sent by then is dirty still. last: a private page that M refuses again and again is the end
 * of the spaces that own it (space->lost); -ENOMEM without that: there was no memory for the message.
 */
int pcache_clean_object_pages(u64 object, const u64 *index, u64 nr, bool killable);
int pcache_clean_private_page(struct page_id id, struct space *s, bool last);

/*
 * Forget an object's page: its line or entry, and the PTEs of its owners if mapped is set. Otherwise only one that is clean
 * and mapped by nobody. Waits for what is in progress, unless mapped is not set.
 */
void pcache_drop_object_page(struct page_id id, bool mapped);

/* --- prefetch.c --- */
void prefetch_init(void);
/* MADV_WILLNEED: what is mapped of [start, end) and not here is asked for, up to a quarter of the cache. Sleeps. 0 or -EINTR */
int prefetch_range(struct space *s, u64 start, u64 end);
void page_used(struct pcache_page *p, bool waited);		/* set lock held: its A bit was seen, or a fault wants it */
void line_wasted(struct pcache_line *line);			/* set lock held: it goes, and nobody used it */
void prefetch_wait_done(struct space *s);			/* until nothing is being prefetched for it */
u64 prefetch_unused(void);					/* lines that were prefetched and not used so far */
u32 prefetch_limit(u32 wanted, u64 nr_lines);			/* what of a window this cache can bear */

/* --- shadow_feed.c: what shadow.h is told --- */
int shadow_init(void);						/* after pcache_alloc(): 0, -ENOMEM */
void shadow_exit(void);						/* tests */
void shadow_look(struct pcache_set *set, struct tlb_batch *tlb);	/* set lock held: the policy is about to be asked */
void shadow_used(const struct pcache_page *p);			/* set lock held: it was fetched ahead, and is used now */
void shadow_gone(const struct pcache_page *p);			/* set lock held: nobody owns the private page, nobody will want it */
void shadow_renamed(struct pcache_page *p);			/* set lock held: it is known by another name from now on */
void shadow_sampled(u32 *sets, u32 *groups);

/* --- sweep.c --- */
/* set lock held: lines beyond its ways that nobody has begun to evict */
static inline u32 set_surplus(const struct pcache_set *set)
{
	return set->nr > pcache.p.ways + set->nr_leaving ? set->nr - set->nr_leaving - pcache.p.ways : 0;
}
void sweep_want(struct pcache_set *set);			/* set lock held: it has a surplus, and something in it changed */
u32 sweep_slack(void);						/* lines of the reserve that may be out before the daemon is behind: */
bool sweep_behind(void);					/* then faults bring their sets back themselves */
unsigned sweep_some(void);					/* one batch; sets looked at */
int sweep_start(void);

/* --- token.c --- */
void token_fault(u64 vpn);		/* a fault begins in the calling thread */
bool token_mine(void);
bool token_held(void);			/* by any thread */
void token_keep(struct pcache_line *line);	/* the fault's line; set lock held */
void token_fault_done(void);
void token_reset(void);			/* tests: as at boot */
void pcache_token_moves_on(void);	/* the calling thread is past the instruction it faulted at: no lock held */
void pcache_token_release(void);	/* the same, and what is known of its faults is forgotten: it waits or ends */

/* --- turn.c --- */
void turn_fault(void);			/* a fault begins in the calling thread, no lock held: may sleep, for a second at most */
void turn_fault_done(bool fetched);
void turn_ends(void);			/* the calling thread does something else than compute: no lock held */
void turn_page_gone(struct page_id id);		/* a line of it was evicted */
void turn_page_missed(struct page_id id);	/* and it is fetched */
void turn_reset(void);			/* tests: as at boot */

/* --- check.c --- */
unsigned pcache_check(void);		/* number of things that are wrong, each logged. Quiet system: exact */
u64 pcache_lines_live(void);		/* in use, */
u64 pcache_lines_cached(void);		/* and not counted there: kept of files that are closed */
u64 pcache_victims_live(void);
u64 pcache_reserve_out(void);

/* --- param.c --- */
int pcache_params_get(struct pcache_params *p, u64 memory_free);
int pcache_params_check(struct pcache_params *p, u64 size, u64 ways, u64 victim, const char *policy, u64 memory_free);
int pcache_init(void);			/* parameters, memory, daemons */

#endif
