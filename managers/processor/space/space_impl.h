/* SPDX-License-Identifier: MIT */
/*
 * Inside space/ and pcache/. A change of the map goes through these steps, in this order (design: section 5):
 *
 *	mutex_lock(map_lock)
 *	space_close(s, slot, start, end)	faults there wait until it is open
 *	change the replica under vma_lock, space_bump(s)
 *	zap or protect pass over the PTEs: waits out what is BUSY or CLEANING there, shootdown before it returns
 *	change_add(), change_send()		number taken, change queued or on its way to M
 *	space_open(s, slot)
 *	mutex_unlock(map_lock)
 */
#ifndef MANAGERS_PROCESSOR_SPACE_IMPL_H
#define MANAGERS_PROCESSOR_SPACE_IMPL_H

#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "managers/processor/pcache/pcache.h"
#include "managers/processor/space/space.h"
#include "managers/protocol/memory_ops.h"
#include "net/fit/rpc.h"

struct space_family {
	refcount_t refs;
	u64 salt;
	struct mutex fork_lock;		/* RANK_SPACE_FORK */
};

/* What a vma's `file` points to here: the file that /proc shows and the object whose pages it maps. */
struct vma_file {
	refcount_t refs;
	struct file *file;		/* may be NULL */
	struct object *object;
	struct list dead_link;
};
struct vma_file *vma_file_create(struct file *file, struct object *object);
void vma_file_get(struct vma_file *vf);
void vma_file_put(struct vma_file *vf);		/* any context: the last put is finished by vma_files_reap() */
/* The same for a vma of a map, which is counted at the file. */
void vma_file_map(struct vma_file *vf);
void vma_file_unmap(struct vma_file *vf);
void vma_files_reap(void);			/* may sleep */
extern const struct vma_ops space_vma_ops;

/* --- close.c: closed ranges, held ranges, sequence number --- */
static inline bool space_closed(const struct space *s, u64 vpn)	/* pt_lock held */
{
	u64 va = vpn << PAGE_SHIFT;

	if (!RULE(CLOSED))
		return false;
	return (va >= s->closed[0].start && va < s->closed[0].end) || (va >= s->closed[1].start && va < s->closed[1].end);
}
/* The number by which M knows the page: the new one as soon as an mremap is queued. pt_lock held */
static inline u64 space_wire_vpn(const struct space *s, u64 vpn)
{
	return vpn >= s->moved.start && vpn < s->moved.end && RULE(MOVED_NAMES) ? vpn + s->moved.delta : vpn;
}
bool space_flush_held(struct space *s, u64 vpn);	/* set lock held */
void space_close(struct space *s, unsigned slot, u64 start, u64 end);
void space_open(struct space *s, unsigned slot);
void space_hold(struct space *s, unsigned slot, u64 start, u64 end);	/* flushes */
void space_unhold(struct space *s, unsigned slot);
int space_wait_open(struct space *s, u64 vpn);		/* -EAGAIN, -EINTR */
void space_bump(struct space *s);
void space_lost(struct space *s, int error);		/* any context */

/* --- change.c: change numbers, what M is told --- */
struct commit_leaving {				/* commit_leave() */
	u64 pages;
	u32 life;				/* of the memory node */
};
/* A message to M: allocated before anything is changed, so that it cannot fail half-way. */
struct change {
	struct rpc rpc;
	struct space *s;
	u32 nr;					/* [pt_lock while it is queued] changes in it */
	struct commit_leaving leaving;		/* [pt_lock while it is queued] what it gives back of commit */
	union {
		u8 bytes[RPC_MAX_REQ];
		le64 head[2];			/* every change begins with space and change number */
		struct rpc_memory_changes_req changes;
	} req __aligned(8);
	u8 rep[64] __aligned(8);
	void *big_rep;				/* instead of rep, for replies with bulk */
	u32 big_size;
	struct object *object;			/* what it maps, which is not closed before M has answered; or NULL */
};
struct change *change_alloc(void);
void change_free(struct change *c);
/* map_lock held: the number is taken and the message sent behind what is queued. Async: c is freed when M has answered. */
void change_send(struct space *s, struct change *c, u16 op);
/* the same, and wait for M's consent: status; c is the caller's */
int change_call(struct space *s, struct change *c, u16 op);
/* the same for what M charges by itself (fork, exec): if there is no room for it, M first gets back what is reserved here for nothing */
int change_call_charged(struct space *s, struct change *c, u16 op);
void changes_wait_done(struct space *s);		/* until M has answered all that were sent */
void changes_wait_mapped(struct object *o);		/* ... those that map o */
#define NONE_QUEUED	(~0ULL)
/* map_lock held. Memory for one more change_add(): 0 or -ENOMEM. */
int __must_check change_reserve(struct space *s);
/* map_lock held, reserved before. Number and place in the queue in one step; may sleep. what: WIRE_CHANGE_*, of v's range */
void change_add(struct space *s, u16 what, const struct vma *v);
void change_add_unmap(struct space *s, u64 start, u64 end, const struct commit_leaving *l);	/* the same, WIRE_CHANGE_UNMAP */
/* Before a message that names this change number leaves: what is queued up to it is sent. May sleep; no lock but map_lock held. */
void changes_push(struct space *s, u64 number);
/* map_lock held, nothing in flight names the space: M is not told what is still queued, and its numbers are given out again. */
void changes_drop(struct space *s);

/* --- zap.c: passes over the PTEs of a closed range --- */
/* Forget the contents of [start, end): PTEs, ownerships, lines and entries that nobody owns then. keep: only of object pages. */
void space_zap(struct space *s, u64 start, u64 end);
void space_protect_ptes(struct space *s, u64 start, u64 end, u32 prot);
void object_zap(struct object *o, u64 first, u64 last);	/* object.c: lines, entries and PTEs of these pages, dirty or not */

/* --- map.c, map_lock held --- */
#define MMAP_FLOOR	(64 * 1024ULL)	/* lowest address that is chosen here, or may be asked for */
int space_add_anonymous(struct space *s, const struct vma *tmpl);	/* to the replica and to M, without waiting */
int space_add(struct space *s, const struct vma *tmpl);	/* the same, or an object's with M's consent; takes a reference of file */
int space_unmap_locked(struct space *s, u64 start, u64 end);
/* Takes map_lock. The page will be written though it may not be: if it is private memory it is charged. 0, -ENOMEM, -EINTR */
int __must_check space_charge_page(struct space *s, u64 va);

/* --- commit.c --- */
void commit_init(void);
int commit_charge(struct space *s, u64 pages);		/* map_lock held; may ask M: -ENOMEM */
void commit_return(struct space *s, u64 pages);		/* M has never been told of them, or has said that the space is gone */
/*
 * What a munmap gives back: first it leaves, which the space says with map_lock held before M can hear of it; when M has answered,
 * or need not be told, it has left. Then, if much is unused, M gets it back; this one sleeps until M has answered. settle: no lock but map_lock.
 */
void commit_leave(struct space *s, u64 pages, struct commit_leaving *l);
void commit_left(unsigned n, const struct commit_leaving *l);	/* n: the memory node; any context */
void commit_settle(struct space *s);
/* M has charged them already (fork, exec); life: memory_life() before it was asked, for it may have died since */
void commit_adopt(struct space *s, u64 pages, u32 life);
void commit_drain(void);				/* give everything unused back */
u64 commit_held(void);
u32 memory_life(unsigned n);				/* counts the deaths of a memory node */

/* --- object.c --- */
void objects_init(void);
/* Around what changes a file's attributes on its storage node; nothing for what is no file. */
void object_change_begin(const struct object *o);
void object_change_end(const struct object *o);
struct object *object_find(u64 id);			/* referenced, or NULL */
u64 objects_live(void);				/* that somebody has open or mapped */
u64 objects_parked(void);			/* closed, kept for their cached pages */
static inline bool object_is_parked(const struct object *o) { return READ_ONCE(o->parked); }
void objects_close_wait(void);			/* until M has answered all closes; sleeps */
void objects_drop_cached(void);			/* those that are closed, and of the others what nobody maps; may sleep */
bool object_held(struct object *o, u64 index);		/* set lock may be held */
bool object_flush_held(struct object *o, u64 index);
int object_wait_held(struct object *o, u64 index);	/* -EAGAIN, -EINTR */
/* The caller holds these pages: none is on its way anywhere any more. -ENOMEM */
int __must_check object_settle(struct object *o, u64 first, u64 last);
void object_settle_page(struct object *o, u64 index);
int object_clean(struct object *o);			/* all its dirty pages to M; what was lost before, object_sync() tells */
int object_clean_killable(struct object *o);		/* the same for who asks for it: -EINTR on a fatal signal, and the rest stays dirty */
/*
 * What M says of a size may be overtaken: the answer to an earlier question arrives after that to a later one. So who asks reads the clock
 * first; the answer counts if the size has not changed since, or if the call itself made the file `least` bytes long. asked ~0: it
 * cannot be overtaken (its hold goes to the end of all pages).
 */
u64 object_asking(void);
void object_sized(struct object *o, u64 asked, u64 size, u64 least);
size_t object_uncached(struct object *o, u64 off, size_t len);	/* bytes from off on, up to len, of which M has the newest; waits for what is on its way */
bool object_page_here(struct page_id id);	/* a file's page, or one of shared memory: in a line or victim entry, and whole */
void object_drop_idle(struct object *o);		/* clean pages that nobody maps */
#define WIRE_FS_NONE	0xffffffffU			/* an object without a file */

struct object_hold {
	struct list link;
	u64 first, last;
};
void object_hold(struct object *o, struct object_hold *h, u64 first, u64 last);	/* waits for conflicting ones */
void object_unhold(struct object *o, struct object_hold *h);

/* --- map.c --- */
/* What is brought in ahead at once, in bytes: more would drive out what has just been brought in, and others' pages besides. */
static inline u64 space_populate_most(void) { return pcache.p.nr_lines / 4 * PAGE_SIZE; }
void space_populate(struct space *s, u64 start, u64 len, bool write);	/* as far as that goes */

/* --- place.c --- */
/*
 * Have M put the bytes of o at off into the pages of [va, va + most * PAGE_SIZE): as many from the first on as nobody has touched and M has
 * the newest bytes of; in requests of up to piece pages (PLACE_MAX_PAGES at most), two under way, none of fewer than least. How many
 * from the first on it has put there; behind a page that could not be, others may have what the file has. No lock held; sleeps until M
 * has answered all.
 */
unsigned space_place(struct space *s, u64 va, unsigned most, unsigned least, unsigned piece, struct object *o, u64 off);

/* --- space.c --- */
int space_vma_get(struct space *s, u64 va, struct vma *out, struct vma_file **vf);	/* a copy; vf referenced; -EFAULT */
struct space *space_alloc(struct space_family *family, int *err);
void space_free(struct space *s);			/* no pages, not on M */
u64 spaces_live(void);
void spaces_reset_salts(void);				/* tests: the same seed gives the same sets */
struct space *space_create_err(int *err);

/* mremap(2) of no bytes: what is mapped shared at from is mapped once more, if it may move, at addr or (not fixed) where there is room. */
s64 space_map_again(struct space *s, u64 from, u64 len, u64 addr, bool may_move, bool fixed);

#endif
