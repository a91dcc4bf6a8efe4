/* SPDX-License-Identifier: MIT */
/* Data on its way to storage: dirty pages, and what write() brings. */
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "managers/memory/memory.h"
#include "managers/memory/object.h"
#include "mm/slab.h"

#define RUN	8		/* pages in one write: RPC_MAX_BULK_OUT */

int storage_write_data(struct object *o, u64 off, const struct rpc_seg *seg, unsigned nr_segs, u64 now, u64 *size)
{
	struct rpc_storage_write_req q = {
		.fs = le32_of(o->fs), .gen = le32_of(o->gen), .ino = le64_of(o->ino), .off = le64_of(off),
		.now = le64_of(now / NSEC_PER_SEC), .now_ns = le32_of(now % NSEC_PER_SEC),
	};
	struct rpc_storage_write_rep *r = kzalloc(sizeof(*r));	/* not on the stack: the reply is written by the network */
	struct rpc call = {
		.node = o->storage_node, .op = RPC_storage_write, .nr_segs = nr_segs, .req = &q, .rep = r, .rep_size = sizeof(*r),
	};
	u64 end = off;
	int rc;

	if (r == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < nr_segs; i++) {
		call.seg[i] = seg[i];
		end += seg[i].len;
	}
	rc = rpc_start(&call);
	if (rc == 0)
		rc = rpc_wait(&call);
	if (rc >= 0 && (le64_get(r->size) < end || le64_get(r->size) > WIRE_SIZE_MAX))
		rc = -EIO;		/* a file that ends before what was written to it, or nowhere */
	if (rc < 0)
		count(nr_memory_storage_error);
	else if (size != NULL)
		*size = le64_get(r->size);
	kfree(r);
	return rc < 0 ? rc : 0;
}

/*
 * The next dirty page and those that follow it without a gap: clean from now on, unless writing fails. Each frame with a
 * reference; contents cannot change under the write, since referenced frames are replaced.
 */
static unsigned take_run(struct object *o, u64 *index, struct rpc_seg *seg, struct frame **frame)
{
	struct cpage *p;
	unsigned nr = 0;

	spin_lock(&cache_lock);
	p = list_first(&o->dirty, struct cpage, link);
	if (p != NULL)
		*index = p->index;
	while (p != NULL && p->dirty && nr < RUN) {
		u64 off = p->index * PAGE_SIZE;

		frame[nr] = p->frame;
		page_get(p->frame);
		seg[nr].ptr = frame_virt(p->frame);
		seg[nr].len = MIN(PAGE_SIZE, o->size - off);
		cache_mark(p, false);
		nr++;
		p = page_tree_get(&o->pages, *index + nr);
	}
	spin_unlock(&cache_lock);
	return nr;
}

/* Writing failed: what is still there and was not flushed anew is dirty again. */
static void run_failed(struct object *o, u64 index, unsigned nr)
{
	spin_lock(&cache_lock);
	for (unsigned i = 0; i < nr; i++) {
		struct cpage *p = page_tree_get(&o->pages, index + i);

		if (p != NULL && !p->reading)
			cache_mark(p, true);
	}
	spin_unlock(&cache_lock);
}

int object_write_back(struct object *o)
{
	struct rpc_seg seg[RUN];
	struct frame *frame[RUN];
	unsigned nr;
	u64 index;
	int rc = 0;

	BUG_ON(!mutex_held(&o->lock));
	while (rc == 0 && (nr = take_run(o, &index, seg, frame)) > 0) {
		rc = storage_write_data(o, index * PAGE_SIZE, seg, nr, time_wall_ns(), NULL);
		if (rc < 0)
			run_failed(o, index, nr);
		else
			count_n(nr_memory_cache_write, nr);
		for (unsigned i = 0; i < nr; i++)
			page_put(frame[i]);
	}
	return rc;
}

static int sync_disk(struct object *o)
{
	struct rpc_storage_sync_req q = { .fs = le32_of(o->fs), .gen = le32_of(o->gen), .ino = le64_of(o->ino) };

	return rpc_call(o->storage_node, RPC_storage_sync, &q, NULL, 0);
}

int object_sync(struct object *o, bool disk)
{
	int rc;

	if (object_is_shm(o))
		return 0;
	mutex_lock(&o->lock);
	rc = object_write_back(o);
	mutex_unlock(&o->lock);
	if (rc == 0 && disk)
		rc = sync_disk(o);
	return rc < 0 ? rc : 0;
}

/* Volumes that were written to, so that each is told once. */
#define MAX_VOLUMES 16
struct sync_all {
	struct { u16 node; u32 fs; } volume[MAX_VOLUMES];
	unsigned nr;
	int rc;
};

static void sync_one(struct object *o, void *arg)
{
	struct sync_all *a = arg;
	int rc = object_sync(o, false);
	unsigned i = 0;

	if (a->rc == 0)
		a->rc = rc;
	while (i < a->nr && (a->volume[i].node != o->storage_node || a->volume[i].fs != o->fs))
		i++;
	if (i == a->nr && i < MAX_VOLUMES && !object_is_shm(o)) {
		a->volume[i].node = o->storage_node;
		a->volume[i].fs = o->fs;
		a->nr++;
	}
}

int objects_sync_all(bool disk)
{
	struct sync_all a = { .nr = 0 };
	int rc = 0;

	objects_for_each(sync_one, &a);
	for (unsigned i = 0; disk && i < a.nr; i++) {
		struct rpc_storage_sync_req q = { .fs = le32_of(a.volume[i].fs) };
		int rc2 = rpc_call(a.volume[i].node, RPC_storage_sync, &q, NULL, 0);

		if (rc == 0)
			rc = rc2 < 0 ? rc2 : 0;
	}
	return a.rc < 0 ? a.rc : rc;
}
