/* SPDX-License-Identifier: MIT */
/*
 * An address space as the processor node sees it: a replica of its map, page tables that are views of the pcache, its
 * numbers (sequence number for faults, change number for M). The contract between memory (space/, pcache/) and
 * processes (process/, fs/, syscall/).
 *
 * Locks: map_lock (sleeps) > set lock > page-table lock; see pcache/pcache.h. Functions here take map_lock themselves
 * unless they say otherwise; all may sleep and call other nodes.
 */
#ifndef MANAGERS_PROCESSOR_SPACE_H
#define MANAGERS_PROCESSOR_SPACE_H

#include "arch/x86/paging.h"
#include "kernel/mutex.h"
#include "lib/vma.h"

struct file;			/* fs/file.h: an open file; file_get(), file_put() */
struct object;			/* space/object.h: a file's data or shared memory known here */

/* So long a new program and a file that is opened wait for a memory node that is away: it may be on its way back. Then EHOSTDOWN. */
#define MEMORY_AWAY_NS	(5 * NSEC_PER_SEC)
#define AUXV_WORDS	44		/* pairs of a tag and a value, the last of which is 0, 0 */

struct space {
	u64 id;				/* [I] on M; 0: not there yet */
	u16 memory_node;		/* [I] its home */
	u64 salt;			/* [I] set hash; a fork's child has its parent's */
	refcount_t refs;		/* threads, /proc readers */
	struct mutex map_lock;
	struct vma_map map;		/* [map_lock to change; seq to read, see space_find_vma()] */
	struct spinlock pt_lock;	/* page-table lock */
	struct pgd pgd;			/* [pt_lock] */
	u64 seq;			/* [set + page-table lock] bumped by every change of the map before it takes effect */
	u64 change;			/* [map_lock + pt_lock] last change number given out */
	u64 brk_start, brk;		/* [map_lock] */
	bool lock_future;		/* [map_lock] mlockall(MCL_FUTURE) */
	u64 mmap_top;			/* [I after exec] highest address mmap() looks below */
	u64 stack_top, code_start, code_end, data_start, data_end;	/* [I after exec] for /proc */
	u64 arg_start, arg_end, env_start, env_end;
	u64 auxv[AUXV_WORDS];		/* [I after exec] as the program was given it, for /proc */
	u64 committed;			/* [map_lock] pages charged */
	u32 commit_life;		/* [commit lock] of the memory node, when they were charged */
	u64 footprint;			/* [a] distinct pages touched */
	u64 minor_faults, major_faults;	/* [a] major: a page came from M */
	/* space/'s own */
	struct spinlock vma_lock;	/* RANK_SPACE: the tree of map, for faults, which do not take map_lock */
	struct space_family *family;	/* [I] spaces with one salt: they fork one after the other */
	struct { u64 start, end; } closed[2];	/* [pt_lock] faults here wait */
	struct { u64 start, end; } held[2];	/* [pt_lock] pages here are not flushed */
	struct { u64 start, end, delta; } moved;	/* [pt_lock] pages that M knows by their new number: vpn + delta */
	struct waitq open_wait;
	u64 stack_limit;		/* [a] how far a VMA_GROWSDOWN mapping may grow */
	int lost;			/* [a] errno: its memory node is dead, or lost a page of it */
	struct mutex send_lock;		/* RANK_SPACE_SEND: messages get their slots in the order of their numbers */
	struct change *queued;		/* [pt_lock; added to under map_lock] map changes that M has not been told of, or NULL */
	u64 queued_from;		/* [pt_lock] number of the first of them; beyond any if there is none */
	struct change *spare;		/* [map_lock] the next queue */
	u32 changes_out;		/* [a] messages with map changes that M has not answered */
	u32 prefetches_out;		/* [a] pages of it on their way that nobody waits for */
};

/* --- life --- */
struct space *space_create(void);			/* empty, on the memory node; NULL with *err set otherwise */
void space_get(struct space *s);
/* The last put removes everything: PTEs, owners, lines, M's copy (the exit call is repeated until acknowledged, L42). */
void space_put(struct space *s);
/* fork: *child shares everything copy-on-write. -ENOMEM when M or P refuses: nothing has changed then. */
int __must_check space_fork(struct space *parent, struct space **child);

struct exec_image {		/* what exec needs to start the program */
	u64 entry, at_entry, at_phdr, at_base, stack_top, vdso;
	u32 at_phnum, at_phent;
	bool exec_stack;
};
/*
 * Load program (and interpreter, or NULL) into the fresh space s. exec_probe first: kind is EXEC_STATIC, EXEC_INTERP
 * (text: the interpreter's path) or EXEC_SCRIPT (text: the line behind "#!"); text has room for 256 bytes.
 */
int __must_check space_exec_probe(struct file *program, u32 *kind, char *text);
int __must_check space_exec(struct space *s, struct file *program, struct file *interp, bool randomise, u64 stack_limit,
			    struct exec_image *image);
/* The vDSO into the fresh space s, wherever there is room: *base is where its ELF header stands. 0 or -ENOMEM. */
int __must_check space_map_vdso(struct space *s, u64 *base);
/* Copy into another space than the current one (exec's stack): as uaccess, for s. 0 or -EFAULT, -EIO. */
int __must_check space_write(struct space *s, u64 va, const void *buf, size_t len);
int __must_check space_read(struct space *s, u64 va, void *buf, size_t len);
/*
 * A tracer's write: private memory that the program may only read, too. It gets a page of its own there, which is charged to it
 * (-ENOMEM). Not where nothing is allowed (PROT_NONE), nor to the vDSO. Takes map_lock.
 */
int __must_check space_poke(struct space *s, u64 va, const void *buf, size_t len);

/* --- faults --- */
/*
 * The page-fault path: makes va accessible as asked or says why not. 0; -EFAULT: not mapped (SEGV_MAPERR); -EACCES: not
 * allowed (SEGV_ACCERR); -ENXIO: beyond the object's end, or -EHOSTDOWN, -EIO: its home is lost (SIGBUS);
 * -ENOMEM (SIGKILL by the caller's choice); -EINTR: fatal signal pending.
 */
int space_fault(struct space *s, u64 va, unsigned fault_flags);		/* FAULT_* of arch/x86/regs.h */
bool space_mapped(struct space *s, u64 va);
u64 space_mapped_bytes(struct space *s, u64 start, u64 len);	/* of the range */
/* The calling thread is past the instruction that it last faulted at, or ends: lines kept for it are kept no more. No lock held. */
void space_moves_on(void);
void space_thread_ends(void);

/* --- system calls: results as the system call returns them --- */
s64 space_mmap(struct space *s, u64 addr, u64 len, u32 prot, u32 flags, struct file *file, u64 off);
s64 space_munmap(struct space *s, u64 addr, u64 len);
s64 space_mprotect(struct space *s, u64 addr, u64 len, u32 prot);
s64 space_brk(struct space *s, u64 addr);
s64 space_mremap(struct space *s, u64 old, u64 old_len, u64 new_len, u32 flags, u64 new_addr);
s64 space_madvise(struct space *s, u64 addr, u64 len, int advice);
s64 space_msync(struct space *s, u64 addr, u64 len, int flags);
s64 space_mincore(struct space *s, u64 addr, u64 len, u64 vec);
/* mlock and munlock; how: SPACE_LOCK (else unlock), SPACE_LOCK_FETCH; limit: bytes that may be locked in all. -ENOMEM, -EINVAL */
#define SPACE_LOCK	1
#define SPACE_LOCK_FETCH 2
s64 space_mlock(struct space *s, u64 addr, u64 len, unsigned how, u64 limit);
s64 space_mlockall(struct space *s, bool now, bool future, bool fetch, u64 limit);
s64 space_munlockall(struct space *s);
/* mbind(2): of the whole range, -EFAULT where nothing is mapped; policy: up to POLICY_MOST, 0 by default, kept as it is. */
#define POLICY_MOST	(VMA_POLICY >> VMA_POLICY_SHIFT)
int __must_check space_policy_set(struct space *s, u64 start, u64 end, u32 policy);
int __must_check space_policy_get(struct space *s, u64 va, u32 *policy);
/* remap_file_pages(2): a part of a shared mapping of a file shows another part of that; pages. -EINVAL */
s64 space_remap_file(struct space *s, u64 start, u64 len, u64 index);
bool space_touched(struct space *s, u64 va);	/* of private memory without a file: is it more than zeros nobody has asked for? */
u64 space_resident(struct space *s, u64 start, u64 end);	/* pages of the range that are here and mapped */

/* The key of a futex word: same key, same memory, whoever maps it where. 0 or -EFAULT. */
struct futex_key { u64 space, index; u32 offset; };
int __must_check space_futex_key(struct space *s, u64 va, bool shared, struct futex_key *key);

/* for /proc/self/maps: fn for each vma under map_lock */
void space_for_each_vma(struct space *s, void (*fn)(const struct vma *v, void *arg), void *arg);

/* --- file data: all read() and write() of regular files go through here, coherent with mappings --- */
struct object {
	u64 id;				/* [I] M's object id */
	u64 version;
	u16 memory_node;		/* [I] */
	u32 life;			/* [a] of that node: it knows nothing of what was opened in an earlier one */
	refcount_t refs;		/* open files and vmas on this node */
	struct list hash_link;
	struct list lines;		/* [RANK_PCACHE_OBJECT] pcache lines and victim entries of it */
	struct spinlock lock;
	u64 size;			/* [lock] as M last said */
	u64 size_at;			/* [lock] when it last changed, by the clock of object_asking() */
	u16 storage_node;
	u32 fs, gen;			/* [I] identity of the file; fs 0xffffffff: shared memory without a file */
	u64 ino;
	bool written;			/* [lock] open for writing since M has written all of it home */
	s32 writers;			/* [lock] > 0: open files that may write; < 0: programs that run it, which nobody may write to */
	u32 readers;			/* [lock] open files that may not */
	u32 leases;			/* [a] fs/lease.c: so that opens need not look */
	/* space/'s own */
	u32 opens;			/* [objects lock] opens that M counts */
	u32 maps_out;			/* [a] mappings of it that M has not answered */
	struct list holds;		/* [lock] ranges of pages that are being written or truncated */
	struct waitq hold_wait;
	int error;			/* [a] a page could not be written back */
	bool parked;			/* [objects lock] closed, kept for its cached pages alone */
	u32 revivals;			/* [set] times it was opened again while it was kept: see pcache_line.revivals */
	struct list park_link;		/* [objects lock] the longest closed first */
};
int __must_check object_open(u16 storage_node, u32 fs, u32 gen, u64 ino, struct object **out);
int __must_check object_create_shm(u64 size, struct object **out);
void object_get(struct object *o);
void object_put(struct object *o);	/* the last one closes it on M */
/* A file is written to or run, not both: one more writer, or one who runs it; -ETXTBSY. Given back by the second. */
int __must_check object_writer_get(struct object *o, bool runs);
void object_writer_put(struct object *o, bool runs);
/* Who has it open, as far as files are: for leases. */
void object_reader_add(struct object *o, s32 more);
u32 object_nr_readers(struct object *o);
u32 object_nr_writers(struct object *o);
/* kernel buffers; bytes moved (short at the end of file) or negative errno */
s64 __must_check object_read(struct object *o, u64 off, void *buf, size_t len);
/*
 * A large read of a regular file, into user memory of s. Is it large enough that M should put the bytes there itself? If so, then
 * before each piece: how many bytes of it from va on are done; *piece: bytes to read next with object_read(), made less if need be.
 */
bool space_read_is_large(const struct object *o, size_t len);
size_t space_read_placed(struct space *s, u64 va, size_t len, struct object *o, u64 off, size_t *piece);
/* Of len bytes at off, how many can be read now without asking another node; beyond the file's end: all, as there are none. */
size_t object_here(struct object *o, u64 off, size_t len);
s64 __must_check object_write(struct object *o, u64 *off, const void *buf, size_t len, bool append);
/* Bytes [from, to) become zeros as if written, as far as they are in the file: it does not grow, whoever cuts it meanwhile. -EINTR: killed */
int __must_check object_zero(struct object *o, u64 from, u64 to);
int __must_check object_truncate(struct object *o, u64 size);
int __must_check object_grow(struct object *o, u64 size);	/* the same, but never shorter, whoever writes meanwhile */
/* Where the first data (or hole) at or behind off is, by whole pages or the disk's blocks; -ENXIO: off is not in it, no data is there. */
s64 __must_check object_seek(struct object *o, u64 off, bool hole);
/*
 * Zeros that take no room, in bytes from a page's first: as far as *to has whole pages, which it then says; behind the end there is
 * nothing else in the last. Pages [first, end): a place for each, the size stays. Both -EOPNOTSUPP: its file is of an old kind.
 */
int __must_check object_punch(struct object *o, u64 from, u64 *to);
/* Bytes [from, to) as object_zero(), without room as far as object_punch() has it: behind the end goes what was allocated ahead of use. */
int __must_check object_hole(struct object *o, u64 from, u64 to);
int __must_check object_allocate(struct object *o, u64 first, u64 end);
int __must_check object_count_pages(struct object *o, u64 *nr);	/* of shared memory, as far as the memory node has them */
bool object_is_shm(const struct object *o);		/* it has no file on a storage node */
int __must_check object_sync(struct object *o, bool disk);
u64 object_size(struct object *o);
void space_sync_all(void);			/* sync(2): all dirty object pages to M, from there to S and its disks */

/* --- start, and the end-of-run balance --- */
/* A memory node died, and with it what was reserved there. Its spaces find out when they need it. May sleep. */
void space_memory_lost(unsigned node);
int space_init(void);			/* parameters pcache.*; called by manager_init; needs no other node */
void pcache_measure_wire(void);			/* at boot, the memory node being there: the bare round trip of a page; sleeps, at most 1 s */
/* What the cache says of itself, a name and a number or word at a time: geometry, shadow sets, fills against the round trip. Sleeps not. */
void pcache_report(void (*say)(const char *name, const char *value, void *arg), void *arg);
/*
 * After the last program is gone: drop what is kept of closed files, if so wished; then check the invariants and the balance:
 * 0, or the number of things left over, each logged.
 */
unsigned space_balance(bool drop_cached);

#endif
