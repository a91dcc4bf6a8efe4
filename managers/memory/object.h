/* SPDX-License-Identifier: MIT */
/*
 * Objects: the data of files, and shared memory that has no file. An object is found by the file's identity (storage node,
 * volume, inode, generation) and named by an id; it keeps its id while a processor node has it open or a map names it, and
 * after that as long as pages of it are cached.
 *
 * Pages live in the object's index. A page is being read (nobody may use it yet), clean (on the LRU list: may be dropped)
 * or dirty (newer than storage has it; on the object's dirty list). Pages of shared memory are none of these: they stay.
 */
#ifndef MANAGERS_MEMORY_OBJECT_H
#define MANAGERS_MEMORY_OBJECT_H

#include "kernel/mutex.h"
#include "kernel/work.h"
#include "managers/memory/page_tree.h"
#include "mm/frame.h"
#include "net/fit/rpc.h"

#define OBJECT_STREAMS	4		/* sequential readers recognised at a time */
#define READ_WINDOW	16		/* pages read ahead at most: one RPC's worth */
_Static_assert(READ_WINDOW * PAGE_SIZE <= RPC_MAX_BULK_IN, "read-ahead window");

struct read_stream {			/* where a sequential reader is expected next */
	u64 next;			/* page */
	u64 mark;			/* a hit here starts the next window in the background */
	u32 window;			/* pages */
	u64 used;			/* for replacement */
};

struct object {
	u64 id;				/* [I] */
	u64 born;			/* [I] the how-manieth in the table: later ones have more, as ids need not */
	u16 storage_node;		/* [I] 0: shared memory */
	u16 maker;			/* [I] of shared memory: the one node that may name it; 0: a file's, which any node may open */
	u32 fs, gen;			/* [I] */
	u64 ino;			/* [I] */
	refcount_t refs;		/* one is the table's, while it is in the table */
	struct mutex lock;		/* RANK_OBJECT: one open, close, write, truncate, write-back at a time */
	bool held;			/* [lock] S keeps the file alive for us (storage_hold) */
	u64 size;			/* [cache_lock; changed with lock held too] bytes */
	u64 version;			/* [cache_lock] */
	u16 writer;			/* [cache_lock] the one node that knows this version's data to be its own; 0: none */
	u32 opens[FIT_MAX_NODES];	/* [cache_lock] by processor node */
	u32 nr_opens, nr_maps;		/* [cache_lock] */
	bool active;			/* [cache_lock] open or mapped, or not yet closed after it */
	bool gone;			/* [cache_lock] no longer in the table */
	struct page_tree pages;		/* [cache_lock] page offset -> struct cpage */
	struct list dirty;		/* [cache_lock] */
	u64 charged;			/* [lock] shared memory: pages of commit */
	struct read_stream stream[OBJECT_STREAMS];	/* [cache_lock] */
	u64 stream_clock;
	struct waitq wait;		/* for pages being read */
	struct list id_link, key_link;	/* [cache_lock] */
	struct list close_link;		/* [cache_lock] to be closed by the closing thread */
	struct work ahead;		/* read-ahead in the background; holds a reference while busy */
	u64 ahead_page;			/* [cache_lock] */
	bool ahead_busy;		/* [cache_lock] */
	struct work text;		/* the whole file is read; holds a reference while busy */
	bool text_begun;		/* [cache_lock] once: what memory was too short for is read when it is asked for */
	struct list waiting;		/* [cache_lock] fills ahead of use: cache_ahead(); empty when nothing is being read */
};

struct cpage {
	struct object *object;		/* [I] */
	u64 index;			/* [I] */
	struct frame *frame;		/* [cache_lock] one reference; replaced, not written, while others hold some */
	bool reading, dirty;		/* [cache_lock] */
	struct list link;		/* [cache_lock] LRU or the object's dirty list */
};

static inline bool object_is_shm(const struct object *o) { return o->storage_node == 0; }

extern struct spinlock cache_lock;	/* RANK_PAGE_CACHE: indexes, lists and counts of all objects */

/* --- object.c --- */
void objects_init(void);
struct object *object_find(u64 id, unsigned node);	/* a reference, or NULL: there is none, or none that the node may name */
void object_get(struct object *o);
void object_put(struct object *o);
/* A map names the object once more, once less. Under space->lock; the caller has a reference of some kind. */
void object_mapped(struct object *o);
void object_unmapped(struct object *o);
/* One open more for the caller, who closes it; -EHOSTDOWN: it died meanwhile. */
int __must_check object_open(const struct rpc_call *c, unsigned storage_node, u32 fs, u32 gen, u64 ino, struct object **out);
int object_close(const struct rpc_call *c, struct object *o, u32 count);
int __must_check object_create_shm(const struct rpc_call *c, u64 size, struct object **out);
void objects_node_died(unsigned node);			/* a processor node: its opens are closed */
void objects_storage_died(unsigned node);
void objects_close_wait(void);				/* until nothing waits to be closed */
void objects_for_each(void (*fn)(struct object *o, void *arg), void *arg);	/* referenced, without locks; needs no memory */
/* Out of the table, when nobody uses it and nothing is cached of it; cache_lock held, the caller may look at it no more
 * unless it has a reference of its own. */
void object_forget(struct object *o);
u64 objects_drop_idle(void);				/* clean pages of objects nobody uses; their number */
u64 objects_active(void);
u64 objects_cached(void);
/* The data changes by node's doing: who else has it gets a new version. cache_lock held. */
void object_touched(struct object *o, unsigned node);

/* --- cache.c: pages in memory --- */
void cache_init(void);
void object_ahead_init(struct object *o);
/*
 * One page, with a reference for the caller in *f: FILL_DATA; FILL_ZERO (shared memory never written: no frame).
 * -EFAULT: beyond the end; -EAGAIN: would have to sleep and may not; or what storage says.
 */
int cache_fill(struct object *o, u64 index, bool may_sleep, struct frame **f);
/*
 * A memory_fill_ahead finds a page absent: it is answered when the read that brings the page has ended, which is
 * begun if need be, and holds no worker meanwhile. RPC_PENDING, or -EAGAIN: not now. Does not sleep.
 */
int cache_ahead(struct object *o, u64 index, struct rpc_call *c);
int fill_ahead_again(struct object *o, struct rpc_call *c);	/* fill.c: that has happened; the status, for what is here now */
/*
 * The page's new contents from a flush, the call c. Beyond the end: dropped (the file was truncated). -EAGAIN as above, -ENOMEM;
 * -EHOSTDOWN: the caller has died, and may be there anew with a file that it has written since.
 */
int __must_check cache_store(struct object *o, u64 index, const void *data, const struct rpc_call *c);
s64 cache_read(struct object *o, u64 off, void *buf, u64 len);		/* short only at the end; sleeps */
/* Who will read these pages now: what is absent is fetched, by several reads at once. Sleeps. What fails fails again for who reads it. */
void cache_bring(struct object *o, u64 index, unsigned nr);
/*
 * A program or library begins to be used: unless it is large it is read whole, once, in the background. It is used here and there, and each
 * first touch of a block would wait for storage. Does not sleep; cache_lock is not held.
 */
void cache_text(struct object *o);
/* Make what is cached of [off, off+len) agree with data that storage has already; sleeps. create: absent pages are made. */
int cache_patch(struct object *o, u64 off, const void *data, u64 len, bool create);
/* Pages from index on are dropped, the end of the page before is zeroed from byte size on; sleeps. */
void cache_cut(struct object *o, u64 size);
/* Pages [first, end) of shared memory have a frame, of zeros where there was none; sleeps. -ENOMEM */
int __must_check cache_reserve(struct object *o, u64 first, u64 end);
/* Bytes [from, to), whole pages, are zeros from now on: shared memory has no frames for them, what is cached of a file is patched. */
int __must_check cache_punch(struct object *o, u64 from, u64 to);
/* The first page of shared memory at or behind index that has a frame (present) or has none; ~0: none has. */
u64 cache_seek(struct object *o, u64 index, bool present);
u64 cache_pages(struct object *o);
/* Clean pages of o: dropped. Their number. */
u64 cache_drop(struct object *o);
unsigned cache_reclaim(unsigned nr);		/* clean pages of any object, the longest unused first; any context */
u64 cache_dirty_pages(void);
void cache_mark(struct cpage *p, bool dirty);	/* cache_lock held */

/* --- writeback.c: dirty pages to storage --- */
int object_write_back(struct object *o);	/* o->lock held */
int object_sync(struct object *o, bool disk);
int objects_sync_all(bool disk);
/* now: when the program wrote it, in nanoseconds; *size (may be NULL): the file's size then */
int __must_check storage_write_data(struct object *o, u64 off, const struct rpc_seg *seg, unsigned nr_segs, u64 now, u64 *size);

#endif
