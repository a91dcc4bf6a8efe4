/* SPDX-License-Identifier: MIT */
/*
 * Spinlocks, declared here for every layer, completed by kernel/spinlock.c (host: test shim, over pthreads).
 *
 * The order of all locks of the kernel is enum lock_rank: take locks downwards only. Two locks of one rank are
 * taken in an order stated beside the rank, the second by spin_lock_nested(). Debug builds check both, and that
 * nothing sleeps while a spinlock is held. spin_lock() disables preemption; a lock that an interrupt handler also
 * takes is taken by spin_lock_irqsave() everywhere.
 */
#ifndef LIB_BASE_LOCK_H
#define LIB_BASE_LOCK_H

#include "lib/base/percpu.h"
#include "lib/base/printk.h"	/* BUG_ON() */
#include "lib/base/types.h"

enum lock_rank {		/* take locks downwards */
	RANK_NONE,		/* not checked; only for tests */
	/* sleeping locks (struct mutex) */
	RANK_CONTROL,		/* one control-port command at a time */
	RANK_FILE_SHOWN,	/* file->pos_lock of a text in /proc or /sys: what it shows is looked up under it */
	RANK_SEAL,		/* of a memfd: F_ADD_SEALS, one at a time */
	RANK_PROCESS_EXEC,	/* process->exec_lock */
	RANK_FS_NAMES,		/* P: changes of the names in a folder; two by their place in the table */
	RANK_FS_TREE,		/* rename and mount tree of a file system client */
	RANK_INODE,		/* inode->lock on P; on S the whole volume */
	RANK_FILE,		/* file->pos_lock */
	RANK_PIPE,		/* pipe->lock */
	RANK_SOCKET_READ,	/* socket->reader: who takes messages off its queue */
	RANK_SOCKET_NET,	/* P: who is connected to whom, names of sockets */
	RANK_SOCKET_RIGHTS,	/* files in flight between sockets */
	RANK_TTY,		/* tty->lock */
	RANK_LOG_READ,		/* syslog(2): who reads the log; lines are copied to programs under it */
	RANK_SPACE_FORK,	/* space salt group: one fork at a time */
	RANK_SPACE_MAP,		/* space->map_lock */
	RANK_SPACE_SEND,	/* space->send_lock */
	RANK_FILE_CHANGE,	/* of a memfd: a change of its data or size, or of what is allowed */
	RANK_OBJECT,		/* M: object->lock */
	RANK_MUTEX_LEAF,	/* any mutex under which no other is taken */
	/* spinlocks */
	RANK_PROCESS_TREE,	/* parents, children, groups, sessions */
	RANK_SIGNAL,		/* process->signal lock */
	RANK_HANDLERS,		/* handlers->lock: signal actions that processes may share */
	RANK_FUTEX,		/* futex hash bucket; two in address order */
	RANK_FILES,		/* descriptor table */
	RANK_IPC,		/* System V IPC: the table of a kind and what is in it; POSIX message queues */
	RANK_INOTIFY,		/* watches and their queues of events */
	RANK_CLOCK,		/* who follows the time of day; timerfds */
	RANK_SOCKET,		/* socket->lock: its queue and state */
	RANK_PCACHE_SET,	/* set->lock; two by set number */
	RANK_PAGE_TABLE,	/* space->pt_lock */
	RANK_PCACHE_VICTIM,	/* pool of free victim entries, frames and owners */
	RANK_PCACHE_OBJECT,	/* list of lines per object */
	RANK_SPACE,		/* M: space->lock (map, pages) */
	RANK_PAGE_CACHE,	/* M: page-cache index */
	RANK_FIT_NODE,		/* fit node: state and connection */
	RANK_FIT,		/* fit connection: slots and served calls */
	RANK_CM,		/* connection manager */
	RANK_QP,		/* qp->lock: send window, PSNs */
	RANK_SRQ,		/* shared receive queue */
	RANK_MR,		/* memory region table */
	RANK_CQ,		/* cq->lock */
	RANK_NET,		/* arp, udp ports */
	RANK_NETDEV,		/* transmit queue of a device */
	RANK_BLKDEV,
	RANK_CONSOLE,		/* virtio-console port */
	RANK_DRIVER,		/* any other driver lock */
	RANK_WORK,		/* work queues */
	RANK_WAITQ,		/* waitq->lock */
	RANK_TIMER,		/* per-CPU timer queue */
	RANK_RUNQ,		/* run queues; two by CPU number */
	RANK_SLAB,
	RANK_VMALLOC,		/* kernel address ranges and kernel page tables */
	RANK_BUDDY,
	RANK_IPI,		/* shootdown and cross-call slots */
	RANK_LEAF,		/* nothing is taken under it */
	NR_RANKS
};

struct spinlock {
	u32 word;		/* [a] 1 while held */
	u16 rank;		/* [I] enum lock_rank */
	s16 cpu;		/* holder, -1 when free (debug) */
	const char *name;	/* [I] */
	void *host;		/* [I] test shim's own */
};

#define SPINLOCK_INIT(n, r)	{ .rank = (r), .cpu = -1, .name = (n) }
#define DEFINE_SPINLOCK(n, r)	struct spinlock n = SPINLOCK_INIT(#n, r)

void spin_init(struct spinlock *l, const char *name, enum lock_rank rank);
bool __must_check spin_trylock(struct spinlock *l);
u64 __must_check spin_lock_irqsave(struct spinlock *l);
void spin_unlock_irqrestore(struct spinlock *l, u64 flags);

/*
 * spin_lock_nested(): a second lock of the same rank, in the rank's stated order. spin_held(): by this CPU; true for ever in builds
 * without checks. preempt_disable(): of the calling thread by another on this CPU; nests. might_sleep(): may the caller sleep here?
 * Debug builds panic with a trace if not. Without checks all these stand where they are used: a page fetched takes a hundred of them.
 */
void preempt_wanted(void);	/* another thread wants this CPU: it gets it, if nothing else keeps the caller there */
#if defined(CONFIG_DEBUG) || defined(TANGRAM_HOST)
void spin_lock(struct spinlock *l);
void spin_lock_nested(struct spinlock *l);
void spin_unlock(struct spinlock *l);
bool spin_held(const struct spinlock *l);
void preempt_disable(void);
void preempt_enable(void);
void might_sleep(void);
#else
DECLARE_PER_CPU(u64, preempt_count);	/* what they are: kernel/preempt.h */
DECLARE_PER_CPU(u64, need_resched);
void spin_wait(struct spinlock *l);	/* takes a lock that another CPU held a moment ago */

static inline void preempt_disable(void)
{
	this_cpu_inc(preempt_count);
	barrier();
}

static inline void preempt_enable(void)
{
	barrier();
	this_cpu_add(preempt_count, -1);
	if (unlikely(this_cpu_read8(need_resched)))
		preempt_wanted();
	barrier();
}

static inline void spin_lock(struct spinlock *l)
{
	preempt_disable();
	if (unlikely(__atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE) != 0))
		spin_wait(l);
}

static inline void spin_lock_nested(struct spinlock *l) { spin_lock(l); }

static inline void spin_unlock(struct spinlock *l)
{
	__atomic_store_n(&l->word, 0, __ATOMIC_RELEASE);	/* A: pairs with the exchange in spin_lock() */
	preempt_enable();
}

static inline bool spin_held(const struct spinlock *l) { return true; }
static inline void might_sleep(void) { }
#endif

#ifdef CONFIG_DEBUG
#define assert_held(l)	BUG_ON(!spin_held(l))
#else
#define assert_held(l)	((void)(l))
#endif

#endif
