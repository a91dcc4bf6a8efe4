/* SPDX-License-Identifier: MIT */
/*
 * File data as processor nodes ask for it: open, close, read, write, truncate, sync; shared memory without a file.
 *
 * What changes a file asks rpc_wanted() once it has o->lock, which it may have waited for until its caller was dead and there anew:
 * that one opens the file, under the same lock, before it reads or writes. So what its earlier life asked for has happened then, or
 * does not happen any more.
 */
#include "lib/base/errno.h"
#include "managers/memory/memory.h"
#include "managers/memory/object.h"
#include "mm/slab.h"

#define MAX_SIZE	((s64)(~0ULL >> 1))	/* of a file, as Linux has it */

int serve_memory_open(const struct rpc_memory_open_req *q, struct rpc_memory_open_rep *r, struct rpc_call *c)
{
	unsigned storage = le32_get(q->storage_node);
	struct object *o;
	int rc;

	if (storage == 0 || storage >= FIT_MAX_NODES)
		return -EINVAL;
	if (fit_node_role(storage) != ROLE_STORAGE)	/* not, or not yet: then nothing is kept for it either */
		return fit_node_role(storage) == ROLE_NONE ? -EHOSTDOWN : -EINVAL;
	rc = object_open(c, storage, le32_get(q->fs), le32_get(q->gen), le64_get(q->ino), &o);
	if (rc < 0)
		return rc;
	spin_lock(&cache_lock);
	r->object = le64_of(o->id);
	r->version = le64_of(o->version);
	r->size = le64_of(o->size);
	spin_unlock(&cache_lock);
	object_put(o);
	return 0;
}

int serve_memory_close(const struct rpc_memory_close_req *q, struct rpc_memory_close_rep *r, struct rpc_call *c)
{
	struct object *o = object_find(le64_get(q->object), c->node);
	int rc;

	if (o == NULL)
		return -ESRCH;
	rc = object_close(c, o, le32_get(q->count));
	object_put(o);
	return rc;
}

int serve_memory_shm_create(const struct rpc_memory_shm_create_req *q, struct rpc_memory_shm_create_rep *r, struct rpc_call *c)
{
	struct object *o;
	int rc = le64_get(q->size) > MAX_SIZE ? -EINVAL : object_create_shm(c, le64_get(q->size), &o);

	if (rc < 0)
		return rc;
	r->object = le64_of(o->id);
	object_put(o);
	return 0;
}

int serve_memory_read(const struct rpc_memory_read_req *q, struct rpc_memory_read_rep *r, struct rpc_call *c)
{
	u64 off = le64_get(q->off), len = le32_get(q->len);
	struct object *o;
	void *buf;
	s64 n;

	if (len > c->rep_room || len > RPC_MAX_BULK_IN || off > MAX_SIZE)
		return -EINVAL;
	if (len == 0)
		return 0;
	o = object_find(le64_get(q->object), c->node);
	if (o == NULL)
		return -ESRCH;
	buf = kmalloc(len);
	n = buf == NULL ? -ENOMEM : cache_read(o, off, buf, len);
	object_put(o);
	if (n > 0)
		rpc_reply_bulk_ref(c, buf, n, kfree, buf);
	else
		kfree(buf);
	return n < 0 ? n : 0;
}

/* To storage first: what fails there has not happened here either. o->lock held. */
static int write_file(struct object *o, u64 off, const void *data, u32 len, u64 now)
{
	struct rpc_seg seg = { data, len };
	u64 size;
	int rc = storage_write_data(o, off, &seg, 1, now, &size);

	if (rc < 0)
		return rc;
	count_n(nr_memory_cache_write, DIV_ROUND_UP(len, PAGE_SIZE));
	/* The size first: a page behind the old end that is read from now on has the new data, as storage has it. */
	spin_lock(&cache_lock);
	o->size = MAX(o->size, size);
	spin_unlock(&cache_lock);
	return cache_patch(o, off, data, len, false);
}

/* Shared memory grows as it is written (tmpfs); what it may hold is charged first. o->lock held. */
static int shm_resize(struct object *o, u64 size)
{
	u64 pages = DIV_ROUND_UP(size, PAGE_SIZE);
	int rc = pages > o->charged ? commit_charge(0, pages - o->charged) : 0;

	if (rc < 0)
		return rc;
	spin_lock(&cache_lock);
	o->size = size;
	spin_unlock(&cache_lock);
	cache_cut(o, size);
	if (pages < o->charged)
		commit_ungrant(0, o->charged - pages);
	o->charged = pages;
	return 0;
}

static int write_shm(struct object *o, u64 off, const void *data, u32 len)
{
	int rc = off + len > o->size ? shm_resize(o, off + len) : 0;

	return rc < 0 ? rc : cache_patch(o, off, data, len, true);
}

/* When the program did it, in nanoseconds; -EINVAL: no time of day, or one that they cannot count. */
static int decode_now(le64 sec, le32 nsec, u64 *now)
{
	if (le32_get(nsec) >= NSEC_PER_SEC || le64_get(sec) >= ~0ULL / NSEC_PER_SEC)
		return -EINVAL;
	*now = le64_get(sec) * NSEC_PER_SEC + le32_get(nsec);
	return 0;
}

int serve_memory_write(const struct rpc_memory_write_req *q, struct rpc_memory_write_rep *r, struct rpc_call *c)
{
	u64 off = le64_get(q->off), now;
	struct object *o;
	int rc = decode_now(q->now, q->now_ns, &now);

	if (rc < 0 || (le32_get(q->flags) & ~WIRE_WRITE_APPEND) != 0 || off > MAX_SIZE - c->bulk_len)
		return -EINVAL;
	o = object_find(le64_get(q->object), c->node);
	if (o == NULL)
		return -ESRCH;
	mutex_lock(&o->lock);
	if (le32_get(q->flags) & WIRE_WRITE_APPEND)
		off = o->size;		/* changes under o->lock only */
	if (!rpc_wanted(c))
		rc = -EHOSTDOWN;
	else if (off > MAX_SIZE - c->bulk_len)
		rc = -EFBIG;
	else if (c->bulk_len > 0)
		rc = object_is_shm(o) ? write_shm(o, off, c->bulk, c->bulk_len)
				      : write_file(o, off, c->bulk, c->bulk_len, now);
	spin_lock(&cache_lock);
	if (rc == 0 && c->bulk_len > 0)
		object_touched(o, c->node);
	r->off = le64_of(off);
	r->size = le64_of(o->size);
	spin_unlock(&cache_lock);
	mutex_unlock(&o->lock);
	object_put(o);
	return rc;
}

static int truncate_file(struct object *o, const struct rpc_memory_truncate_req *q)
{
	struct rpc_storage_truncate_req sq = {
		.fs = le32_of(o->fs), .gen = le32_of(o->gen), .ino = le64_of(o->ino), .size = q->size,
		.now = q->now, .now_ns = q->now_ns,
	};
	int rc = rpc_call(o->storage_node, RPC_storage_truncate, &sq, NULL, 0);

	if (rc < 0) {
		count(nr_memory_storage_error);
		return rc;
	}
	spin_lock(&cache_lock);
	o->size = le64_get(q->size);
	spin_unlock(&cache_lock);
	cache_cut(o, le64_get(q->size));
	return 0;
}

int serve_memory_truncate(const struct rpc_memory_truncate_req *q, struct rpc_memory_truncate_rep *r, struct rpc_call *c)
{
	struct object *o;
	u64 now;
	int rc = decode_now(q->now, q->now_ns, &now);

	if (rc < 0 || le64_get(q->size) > MAX_SIZE)
		return -EINVAL;
	o = object_find(le64_get(q->object), c->node);
	if (o == NULL)
		return -ESRCH;
	mutex_lock(&o->lock);
	if (!rpc_wanted(c))
		rc = -EHOSTDOWN;
	else
		rc = object_is_shm(o) ? shm_resize(o, le64_get(q->size)) : truncate_file(o, q);
	if (rc == 0) {
		spin_lock(&cache_lock);
		object_touched(o, c->node);
		spin_unlock(&cache_lock);
	}
	mutex_unlock(&o->lock);
	object_put(o);
	return rc;
}

/* --- ranges --- */

static int range_of_file(struct object *o, const struct rpc_memory_range_req *q, u64 *out)
{
	struct rpc_storage_range_req sq = {
		.fs = le32_of(o->fs), .gen = le32_of(o->gen), .ino = le64_of(o->ino), .off = q->off, .len = q->len, .what = q->what,
		.now = q->now, .now_ns = q->now_ns,
	};
	struct rpc_storage_range_rep *r;
	int rc = le32_get(q->what) > WIRE_RANGE_ALLOCATE ? -EINVAL : object_write_back(o);

	if (rc < 0)
		return rc;
	r = kzalloc(sizeof(*r));		/* not on the stack: the reply is written by the network */
	if (r == NULL)
		return -ENOMEM;
	rc = rpc_call(o->storage_node, RPC_storage_range, &sq, r, sizeof(*r));
	if (rc >= 0 && le64_get(r->off) > WIRE_SIZE_MAX)
		rc = -EIO;
	*out = le64_get(r->off);
	kfree(r);
	if (rc < 0 && rc != -ENXIO && rc != -ENOSPC && rc != -EOPNOTSUPP)
		count(nr_memory_storage_error);
	if (rc >= 0 && le32_get(q->what) == WIRE_RANGE_PUNCH)
		rc = cache_punch(o, le64_get(q->off), le64_get(q->off) + le64_get(q->len));
	return MIN(rc, 0);
}

static int range_of_shm(struct object *o, u32 what, u64 off, u64 len, u64 *out)
{
	switch (what) {
	case WIRE_RANGE_DATA:
	case WIRE_RANGE_HOLE: {
		u64 index = off / PAGE_SIZE, found = cache_seek(o, index, what == WIRE_RANGE_DATA);

		if (off >= o->size || (what == WIRE_RANGE_DATA && found >= DIV_ROUND_UP(o->size, PAGE_SIZE)))
			return -ENXIO;
		*out = found == index ? off : MIN(found * PAGE_SIZE, o->size);
		return 0;
	}
	case WIRE_RANGE_PUNCH:
		return cache_punch(o, off, off + len);
	case WIRE_RANGE_ALLOCATE:
		return cache_reserve(o, off / PAGE_SIZE, MIN((off + len) / PAGE_SIZE, DIV_ROUND_UP(o->size, PAGE_SIZE)));
	case WIRE_RANGE_COUNT:
		*out = cache_pages(o);
		return 0;
	}
	return -EINVAL;
}

int serve_memory_range(const struct rpc_memory_range_req *q, struct rpc_memory_range_rep *r, struct rpc_call *c)
{
	u64 off = le64_get(q->off), len = le64_get(q->len), now, at = off;
	u32 what = le32_get(q->what);
	bool changes = what == WIRE_RANGE_PUNCH || what == WIRE_RANGE_ALLOCATE;
	struct object *o;
	int rc = decode_now(q->now, q->now_ns, &now);

	if (rc < 0 || off > WIRE_SIZE_MAX || len > WIRE_SIZE_MAX || (changes && (off | len) % PAGE_SIZE != 0))
		return -EINVAL;
	o = object_find(le64_get(q->object), c->node);
	if (o == NULL)
		return -ESRCH;
	mutex_lock(&o->lock);
	if (!rpc_wanted(c))
		rc = -EHOSTDOWN;
	else
		rc = object_is_shm(o) ? range_of_shm(o, what, off, len, &at) : range_of_file(o, q, &at);
	if (rc == 0 && what == WIRE_RANGE_PUNCH) {
		spin_lock(&cache_lock);
		object_touched(o, c->node);
		spin_unlock(&cache_lock);
	}
	mutex_unlock(&o->lock);
	r->off = le64_of(at);
	object_put(o);
	return rc;
}

int serve_memory_sync(const struct rpc_memory_sync_req *q, struct rpc_memory_sync_rep *r, struct rpc_call *c)
{
	bool disk = le32_get(q->disk) != 0;
	struct object *o;
	int rc;

	if (le64_get(q->object) == 0)
		return objects_sync_all(disk);
	o = object_find(le64_get(q->object), c->node);
	if (o == NULL)
		return -ESRCH;
	rc = object_sync(o, disk);
	object_put(o);
	return rc;
}
