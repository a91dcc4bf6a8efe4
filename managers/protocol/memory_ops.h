/* SPDX-License-Identifier: MIT */
/*
 * What a memory node answers. M is the home of address spaces (their map and their private pages) and of file data.
 *
 * Identity of a page: (space, index). A space id below 2^62 is an address space, index the virtual page number; from
 * 2^62 on it is an object (a file's data or shared memory), index the page offset in it. M hands both kinds out; none is
 * given out twice, by another memory node or another boot either: bits 56 to 61 are M's node, those below begin anywhere.
 *
 * Change numbers: each change of an address space's map (map, unmap, protect, remap, zap, fork, exit) carries the next
 * number of that space, starting at 1 for the first after memory_space_create; M applies them in number order and parks
 * what comes early. Several that nobody waits for travel in one message (memory_changes), which has the first one's number.
 * Every fill, flush and placing carries the last change number of each space it names; M parks it, holding no worker, until those
 * changes are applied (or refused). Objects have no change numbers: 0.
 */
#ifndef MANAGERS_PROTOCOL_MEMORY_OPS_H
#define MANAGERS_PROTOCOL_MEMORY_OPS_H

#include "lib/base/errno.h"
#include "managers/protocol/gen.h"

#define WIRE_OBJECT_FIRST (1ULL << 62)
#define WIRE_ID_NODE_SHIFT 56
_Static_assert((u64)FIT_MAX_NODES << WIRE_ID_NODE_SHIFT <= WIRE_OBJECT_FIRST, "an id has room for its node");
static inline bool wire_is_object(u64 space) { return space >= WIRE_OBJECT_FIRST; }

/* Bytes. No file is longer: a reply that says so is not believed (-EIO), since sums and page numbers are made of it. */
#define WIRE_SIZE_MAX	(1ULL << 60)

/* A mapping as it travels: prot and flags are Linux's PROT_* and the VMA_* of lib/vma.h. */
struct wire_vma {
	le64 start, end;
	le64 object;		/* 0: anonymous */
	le64 index;		/* page offset in the object of start; anonymous: start >> 12 */
	le32 prot, flags;
} __packed;

/* An owner as a flush names it. */
struct wire_owner {
	le64 space, index;
	le64 change;
} __packed;
/* Before the pages of a flush: one of these a page, each followed by its owners. Object pages: one owner, the object. */
struct wire_flush_page {
	le16 nr_owners;
	le16 flags;
	le32 reserved;
} __packed;
#define FLUSH_MAX_PAGES		8
#define FLUSH_MAX_OWNERS	63	/* of one page */

/* One change of a map among others; index, prot, flags: of what is mapped, as in wire_vma. */
struct wire_change {
	le64 start, len;
	le64 index;
	le32 flags;
	le16 prot;
	le16 what;		/* WIRE_CHANGE_* */
} __packed;
#define WIRE_CHANGE_NONE	0	/* a number, and nothing else: what it stood for was undone before it left */
#define WIRE_CHANGE_MAP		1	/* anonymous, private */
#define WIRE_CHANGE_UNMAP	2
#define WIRE_CHANGE_PROTECT	3
#define WIRE_CHANGE_ZAP		4	/* MADV_DONTNEED: private pages are forgotten */
#define WIRE_CHANGE_CHARGE	5	/* private pages that may not be written are charged: they will be, by a tracer */
#define WIRE_CHANGES		7	/* in one message */
struct wire_changes {
	struct wire_change of[WIRE_CHANGES];
} __packed;

/* fill: status >= 0 is one of these */
#define FILL_DATA	0		/* 4096 bytes came */
#define FILL_ZERO	1		/* M never had the page: it reads as zeros; no data came */
/* An error of M's, as a processor node takes it: what says here to look again, to wait or that a signal is pending, M cannot mean. */
static inline int memory_error(int status)
{
	return status == -EAGAIN || status == -EBUSY || status == -EINTR ? -EIO : status;
}
/* What a reply to fill says, with len bytes of data; -EIO: it is none, and what stands in the page is nothing. */
static inline int fill_result(int status, u32 len)
{
	if (status < 0)
		return memory_error(status);
	return status == FILL_ZERO || (status == FILL_DATA && len == PAGE_SIZE) ? status : -EIO;
}
/* The same of page i in a reply to fill_ahead */
static inline int fill_ahead_result(int status, u32 len, unsigned i)
{
	if (status < 0)
		return status;
	return !(status >> i & 1) ? -EAGAIN : len >= (i + 1) * PAGE_SIZE ? FILL_DATA : -EIO;
}
/* Pages of one space or object, which are asked for in one message: by index. */
#define FILL_MANY		8
struct wire_pages {
	le64 index[FILL_MANY];
} __packed;
/* -EFAULT: no such mapping or page beyond the object's end (SIGBUS for an object); -ESRCH: no such space or object */

/*	number name			class */
#define RPC_MEMORY_OPS(X)						\
	X(0x100, memory_fill,		RPC_INLINE)	\
	X(0x101, memory_flush,		RPC_INLINE)	\
	X(0x102, memory_space_create,	RPC_WORKER)	\
	X(0x103, memory_space_exit,	RPC_INLINE)	\
	X(0x104, memory_fork,		RPC_WORKER)	\
	X(0x105, memory_exec_probe,	RPC_WORKER)	\
	X(0x106, memory_exec,		RPC_WORKER)	\
	X(0x110, memory_map,		RPC_INLINE)	\
	X(0x113, memory_remap,		RPC_INLINE)	\
	X(0x115, memory_commit,		RPC_INLINE)	\
	X(0x116, memory_changes,	RPC_INLINE)	\
	X(0x120, memory_open,		RPC_WORKER)	\
	X(0x121, memory_close,		RPC_WORKER)	\
	X(0x122, memory_read,		RPC_WORKER)	\
	X(0x123, memory_write,		RPC_WORKER)	\
	X(0x124, memory_truncate,	RPC_WORKER)	\
	X(0x125, memory_sync,		RPC_WORKER)	\
	X(0x126, memory_shm_create,	RPC_WORKER)	\
	X(0x130, memory_accounting,	RPC_WORKER)	\
	X(0x131, memory_drop_caches,	RPC_WORKER)	\
	X(0x132, memory_shutdown,	RPC_WORKER)	\
	X(0x107, memory_fill_ahead,	RPC_INLINE)	\
	X(0x117, memory_place,		RPC_WORKER)	\
	X(0x127, memory_range,		RPC_WORKER)

#define RPC_memory_fill_REQ(F)		F(le64, space) F(le64, index) F(le64, change) F(le32, flags)
#define RPC_memory_fill_REP(F)						/* bulk: the page; nothing else, so that it is one packet */
#define WIRE_FILL_WRITE		1	/* for a write (read-ahead hint) */
	/*
	 * Pages that nobody waits for. Status: bit i, page i came; one that storage must bring comes if the read for the first such
	 * page brings it. Bulk: 4096 bytes for each page up to the last that came, zeros for others between.
	 */
#define RPC_memory_fill_ahead_REQ(F)	F(le64, space) F(le64, change) F(struct wire_pages, pages) F(le32, nr)
#define RPC_memory_fill_ahead_REP(F)
#define RPC_memory_flush_REQ(F)		F(le16, nr_pages) F(le16, reserved) F(le32, meta_len)
	/* bulk: meta_len bytes of wire_flush_page + owners (padded to 8), then nr_pages * 4096 bytes */
#define RPC_memory_flush_REP(F)		F(le64, failed)			/* bit per page: not taken (its status below) */ \
					F(le32, error)			/* errno of the failed ones, positive */
	/*
	 * What a read() of the object at byte off brings becomes the private pages [index, index + nr) of the space, which must be mapped
	 * private and anonymous. Status: how many of them, from the first on; fewer where the object ends, or something failed after so many.
	 */
#define RPC_memory_place_REQ(F)		F(le64, space) F(le64, change) F(le64, index) F(le64, object) F(le64, off) F(le32, nr)
#define RPC_memory_place_REP(F)
#define PLACE_MAX_PAGES		64

#define RPC_memory_space_create_REQ(F)
#define RPC_memory_space_create_REP(F)	F(le64, space)			/* an empty address space */
#define RPC_memory_space_exit_REQ(F)	F(le64, space) F(le64, change)
#define RPC_memory_space_exit_REP(F)
#define RPC_memory_fork_REQ(F)		F(le64, space) F(le64, change)	/* map and private pages shared copy-on-write */
#define RPC_memory_fork_REP(F)		F(le64, child) F(le64, commit)	/* -ENOMEM when the parent's commit cannot be had twice, what the node has reserved not counted */

/* What kind of program a file is. bulk of the reply: INTERP: path of the interpreter; SCRIPT: the first line behind "#!" */
#define RPC_memory_exec_probe_REQ(F)	F(le64, object)
#define RPC_memory_exec_probe_REP(F)	F(le32, kind) F(le32, len)	/* else -ENOEXEC, -EIO ... */
#define EXEC_STATIC	1
#define EXEC_INTERP	2
#define EXEC_SCRIPT	3
/*
 * Load into an empty, fresh address space (from memory_space_create; change number 1): the ELF's segments, the
 * interpreter's, an empty heap, and the stack's mapping. M chooses the addresses (random when flags say so). Replies where
 * all is; bulk: wire_vma[nr_vmas], then le64[nr_private]: virtual page numbers of pages that exist privately on M
 * already (the last page of a file segment with .bss behind it).
 */
#define RPC_memory_exec_REQ(F)		F(le64, space) F(le64, change) F(le64, object) F(le64, interp) F(le64, stack_limit) \
					F(le64, random_seed) F(le32, flags)
#define WIRE_EXEC_RANDOM	1	/* ASLR */
#define RPC_memory_exec_REP(F)		F(le64, entry)			/* where to start: the interpreter's if there is one */ \
					F(le64, at_entry) F(le64, at_phdr) F(le64, at_base) F(le32, at_phnum) F(le32, at_phent) \
					F(le64, brk) F(le64, stack_top) F(le64, mmap_top) F(le64, code_start) F(le64, code_end) \
					F(le64, commit) F(le32, exec_stack) F(le32, nr_vmas) F(le32, nr_private)

#define RPC_MAP_FIELDS(F)		F(le64, space) F(le64, change) F(le64, start) F(le64, len)
	/* Of an object. P has chosen start and checked that it is free, or unmapped it (MAP_FIXED is unmap then map, two changes) */
#define RPC_memory_map_REQ(F)		RPC_MAP_FIELDS(F) F(le64, object) F(le64, index) F(le32, prot) F(le32, flags)
#define RPC_memory_map_REP(F)		F(le64, version)
	/* what nobody waits for: changes `change` to `change + nr - 1`. All are tried, the status is the first refusal; or, if one is not a change, none */
#define RPC_memory_changes_REQ(F)	F(le64, space) F(le64, change) F(le32, nr) F(le32, reserved) F(struct wire_changes, list)
#define RPC_memory_changes_REP(F)
	/* moves [start, start+len) to [new_start, new_start+new_len); the target was unmapped before; DONTUNMAP leaves an empty mapping */
#define RPC_memory_remap_REQ(F)		RPC_MAP_FIELDS(F) F(le64, new_start) F(le64, new_len) F(le32, flags)
#define RPC_memory_remap_REP(F)
#define WIRE_REMAP_DONTUNMAP	1
#define RPC_memory_commit_REQ(F)	F(le64, pages)			/* negative as two's complement: given back */
#define RPC_memory_commit_REP(F)	F(le64, moved)			/* ... less than asked: the rest is charged by changes not yet applied */

/* A file's data. open counts; the object id stays the same while it is open or mapped anywhere. */
#define RPC_memory_open_REQ(F)		F(le32, storage_node) F(le32, fs) F(le32, gen) F(le32, flags) F(le64, ino)
#define RPC_memory_open_REP(F)		F(le64, object) F(le64, version) F(le64, size)
#define RPC_memory_close_REQ(F)		F(le64, object) F(le32, count)	/* dirty data goes to S before the last close is answered */
#define RPC_memory_close_REP(F)
#define RPC_memory_read_REQ(F)		F(le64, object) F(le64, off) F(le32, len)
#define RPC_memory_read_REP(F)						/* bulk: the data, short only at the end of file */
#define RPC_memory_write_REQ(F)		F(le64, object) F(le64, off) F(le32, flags) F(le64, now) F(le32, now_ns)
#define RPC_memory_write_REP(F)		F(le64, off) F(le64, size)	/* bulk of the request: the data; where it went; size now */
#define WIRE_WRITE_APPEND	1	/* at the end of file, atomically */
#define RPC_memory_truncate_REQ(F)	F(le64, object) F(le64, size) F(le64, now) F(le32, now_ns)
#define RPC_memory_truncate_REP(F)
#define RPC_memory_sync_REQ(F)		F(le64, object) F(le32, disk)	/* object 0: all; disk: also S to the disk */
#define RPC_memory_sync_REP(F)
#define RPC_memory_shm_create_REQ(F)	F(le64, size)			/* an object without a file: shared anonymous memory, tmpfs; close frees it */
#define RPC_memory_shm_create_REP(F)	F(le64, object)

/*
 * What a range of a file is made of. Of what has no place of its own and reads as zeros, each byte is a hole: as far as blocks and pages
 * are whole. DATA, HOLE: where the first at or behind off is (-ENXIO: no data there; the end of the file is a hole). PUNCH: the range
 * becomes one, the size stays; ALLOCATE: it has a place afterwards, as zeros where it was a hole, the size stays (shared memory has none
 * behind its end); both in whole pages. COUNT: pages of shared memory. -EOPNOTSUPP: not of this file.
 */
#define RPC_memory_range_REQ(F)		F(le64, object) F(le64, off) F(le64, len) F(le32, what) F(le64, now) F(le32, now_ns)
#define RPC_memory_range_REP(F)		F(le64, off)			/* COUNT: the pages */
#define WIRE_RANGE_DATA		0
#define WIRE_RANGE_HOLE		1
#define WIRE_RANGE_PUNCH	2
#define WIRE_RANGE_ALLOCATE	3
#define WIRE_RANGE_COUNT	4

#define RPC_memory_accounting_REQ(F)
#define RPC_memory_accounting_REP(F)	F(le64, frames_total) F(le64, frames_free) F(le64, frames_private) F(le64, frames_cached) \
					F(le64, spaces) F(le64, vmas) F(le64, objects) F(le64, commit) F(le64, commit_limit)
#define RPC_memory_drop_caches_REQ(F)					/* clean pages of objects nobody has open or mapped */
#define RPC_memory_drop_caches_REP(F)	F(le64, dropped)
#define RPC_memory_shutdown_REQ(F)					/* write everything back, then power off after the reply */
#define RPC_memory_shutdown_REP(F)

enum { RPC_MEMORY_OPS(RPC_GEN_ENUM) };
RPC_MEMORY_OPS(RPC_GEN_STRUCT)
RPC_MEMORY_OPS(RPC_GEN_SERVE)

/* Can it be? No machine has more, nor more of a kind than of all. */
static inline bool accounting_ok(const struct rpc_memory_accounting_rep *r)
{
	u64 total = le64_get(r->frames_total);

	return total <= WIRE_SIZE_MAX >> PAGE_SHIFT && le64_get(r->frames_free) <= total && le64_get(r->frames_cached) <= total;
}

#endif
