/* SPDX-License-Identifier: MIT */
/*
 * What the three kinds of System V IPC have in common (sysvipc(7)): identifiers, keys, owners and permissions. Each kind has a table
 * under one spinlock, kind->lock, which also guards the objects in it; nothing sleeps under it, and user memory is copied outside.
 */
#ifndef MANAGERS_PROCESSOR_IPC_IDS_H
#define MANAGERS_PROCESSOR_IPC_IDS_H

#include "lib/base/atomic.h"
#include "lib/base/lock.h"

#define IPC_PRIVATE	0
#define IPC_CREAT	01000
#define IPC_EXCL	02000
#define IPC_NOWAIT	04000
#define IPC_RMID	0
#define IPC_SET		1
#define IPC_STAT	2
#define IPC_INFO	3

#define IPC_MAY_WRITE	2
#define IPC_MAY_READ	4
#define IPC_MAY_EXEC	1

struct ipc_perm_abi {
	s32 key;
	u32 uid, gid, cuid, cgid, mode;
	u16 seq, pad;
	u32 pad2;
	u64 unused[2];
};
_Static_assert(sizeof(struct ipc_perm_abi) == 48, "as programs see it");

struct ipc_object {			/* first in each kind's own */
	refcount_t refs;		/* the table has one */
	s32 key;			/* [lock] */
	u32 id;				/* [I] */
	u32 uid, gid, cuid, cgid, mode;	/* [lock] */
	bool gone;			/* [lock] removed: no identifier leads to it */
};

struct ipc_kind {
	struct spinlock lock;
	struct ipc_object **slot;	/* [lock] */
	u32 room, used;			/* [lock] */
	u32 seq;			/* [lock] */
	u32 most;			/* [I] objects */
	/* A new one, not in the table: size as the call says. May sleep. 0 or why not */
	int (*make)(u64 size, s32 key, u32 flags, struct ipc_object **out);
	int (*fits)(const struct ipc_object *o, u64 size);	/* 0 or -EINVAL: the one that is there is smaller than asked for */
	void (*free)(struct ipc_object *o);			/* may sleep */
	void (*show)(const struct ipc_object *o, void *out);	/* lock held: what IPC_STAT tells, of at most IPC_SHOWN_MAX bytes */
	size_t shown;						/* [I] how many */
};
#define IPC_SHOWN_MAX 128
#define IPC_KIND(name, how_many, of, bytes) {							\
	.lock = SPINLOCK_INIT(name, RANK_IPC), .most = (how_many), .make = of##_make, .fits = of##_fits, .free = of##_free,	\
	.show = of##_show, .shown = (bytes) }

/* shmget(2) and its like: the identifier or why not. May sleep. */
s64 ipc_get(struct ipc_kind *k, s32 key, u64 size, u32 flags);
void ipc_put(struct ipc_kind *k, struct ipc_object *o);		/* may sleep: lock not held */

/* IPC_STAT and its like: by identifier (0), or by index (the identifier), with the permission to read or without. */
enum ipc_by { IPC_BY_ID, IPC_BY_INDEX, IPC_BY_INDEX_ANY };
s64 ipc_stat(struct ipc_kind *k, s32 id, enum ipc_by by, u64 user);
/* What its owner or creator may do to it, done by change() under the lock: IPC_REMOVED when that took it off the table. 0 or why not. */
#define IPC_REMOVED	1
s64 ipc_control(struct ipc_kind *k, s32 id, int (*change)(struct ipc_object *o, const void *arg), const void *arg);
/* For /proc: what is at an index, shown to out; false: nothing. */
bool ipc_peek(struct ipc_kind *k, u32 index, u32 *id, void *out);

/* The following with k->lock held. */
struct ipc_object *ipc_find(struct ipc_kind *k, s32 id);	/* NULL: there is none */
struct ipc_object *ipc_find_index(struct ipc_kind *k, s32 index);
s64 ipc_last_index(const struct ipc_kind *k);			/* of the last slot in use; 0 when there is none */
/* Off the table; the caller puts the table's reference when it has dropped the lock. */
void ipc_remove(struct ipc_kind *k, struct ipc_object *o);
int __must_check ipc_may(const struct ipc_object *o, u32 want);	/* IPC_MAY_*, in any of the three places of a mode; 0 or -EACCES */
int __must_check ipc_may_control(const struct ipc_object *o);	/* 0 or -EPERM */
void ipc_show(const struct ipc_object *o, struct ipc_perm_abi *out);
int __must_check ipc_set(struct ipc_object *o, const struct ipc_perm_abi *in);	/* owner and mode, as IPC_SET does; 0 or -EINVAL */

u64 ipc_now(void);			/* seconds, as the objects keep them */

#endif
