/* SPDX-License-Identifier: MIT */
/*
 * The volumes of a storage node: which disk is mounted as what (storage.mount), one lock each, and who holds which file.
 *
 *	v = volume_lock(fs);			NULL: no such volume, or the node is shutting down
 *	rc = volume_lock_to_change(fs, call, &v);	to change something
 *	rc = ext4_...(v->fs, ...);
 *	volume_unlock(v, changed);
 */
#ifndef MANAGERS_STORAGE_VOLUME_H
#define MANAGERS_STORAGE_VOLUME_H

#include "kernel/counter.h"
#include "kernel/mutex.h"
#include "lib/base/list.h"
#include "managers/storage/ext4/ext4.h"
#include "managers/storage/lease.h"

#define STORAGE_COUNTERS(X)								\
	X(nr_storage_requests, "requests that came to a handler")			\
	X(nr_storage_refused, "of them, ended with an error")				\
	X(nr_storage_read_bytes, "bytes of file data read for memory nodes")		\
	X(nr_storage_write_bytes, "bytes of file data written for memory nodes")	\
	X(nr_storage_lookups, "names looked up")					\
	X(nr_storage_lease_waits, "changes that waited until another node's lease was over")	\
	X(nr_storage_syncs, "times a volume was written back on request")		\
	X(nr_storage_idle_syncs, "times a volume was written back and marked clean by itself")
DECLARE_COUNTERS(STORAGE_COUNTERS)
extern struct counter_group storage_counters;

struct rpc_call;

#define MAX_VOLUMES	16
#define VOLUME_PATH_MAX	108

struct volume {
	u32 nr;				/* [I] what requests call fs */
	char disk[16];			/* [I] */
	char path[VOLUME_PATH_MAX];	/* [I] where it belongs in the tree */
	bool asked_read_only;		/* [I] */
	struct mutex lock;		/* RANK_INODE */
	struct ext4 *fs;		/* [lock] NULL: not mounted */
	struct lease lease;		/* [lock] */
	struct list holds;		/* [lock] struct node_hold */
};

/* Mount what storage.mount names, up to the first that fails: its error, said in the log. */
int volumes_mount(void);
/* Mount one disk; for volumes_mount() and tests. 0 or negative, said in the log. */
int volume_mount(struct blkdev *dev, const char *path, bool read_only);
unsigned volumes_count(void);
struct volume *volume_at(unsigned i);		/* i < volumes_count() */

struct volume *volume_lock(u32 nr);
/*
 * The same for a call whose caller is remembered by it. -ESTALE: no such volume; -EHOSTDOWN: the caller died while this waited for
 * the lock. volumes_node_died() takes it too: what is done under it is then forgotten with the caller, and nothing is done after.
 */
int __must_check volume_lock_for(u32 nr, const struct rpc_call *c, struct volume **locked);
/* The same to change something: first waits until no other node is promised that nothing changes. */
int __must_check volume_lock_to_change(u32 nr, const struct rpc_call *c, struct volume **locked);
/* touched: it may have been changed, so that it is to be written back when nothing else happens */
void volume_unlock(struct volume *v, bool touched);

/* A node's hold on an open file; volume locked. */
int volume_hold(struct volume *v, unsigned node, struct ext4_id id, struct ext4_attr *attr);
int volume_release(struct volume *v, unsigned node, struct ext4_id id, struct ext4_time now);	/* -EINVAL: it held none */
void volumes_node_died(unsigned node);		/* its holds end */
u64 volumes_nr_holds(void);

int volumes_sync(void);				/* all that was answered is on disk */
void volumes_drop_caches(void);
void volumes_unmount(void);			/* write everything back and refuse requests from now on; again: harmless */
void volumes_start_idle_sync(void);		/* a thread that leaves volumes clean when nothing happens */

struct ext4_time storage_now(void);

#endif
