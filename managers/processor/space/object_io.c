/* SPDX-License-Identifier: MIT */
/*
 * read() and write() of file data, coherent with mappings. A page in a line or victim entry is copied from there; other
 * bytes come from M. A write goes to M in any case, and into the cached pages it covers once M has it; meanwhile its pages are
 * held: nobody fetches the old bytes, nothing older is flushed over the new ones.
 */
#include "managers/processor/space/space_impl.h"

#include "kernel/time.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/protocol/memory_ops.h"
#include "mm/slab.h"

#define WRITE_CHUNK	(32 * 1024UL)
#define READ_CHUNK	RPC_MAX_BULK_IN

/*
 * Copy to or from a cached page. true: done; false: it is not cached. Waits for what is in flight.
 */
static bool copy_cached(struct object *o, u64 off, void *buf, size_t len, bool write)
{
	struct page_id id = { o->id, off >> PAGE_SHIFT };
	struct pcache_set *set = pcache_set_of(id);

	for (;;) {
		struct pcache_line *line;
		struct pcache_victim *v;
		u8 *data = NULL;
		bool wait;
		u32 seen;

		spin_lock(&set->lock);
		seen = set->events;
		line = set_line_object(set, id);
		v = line != NULL ? NULL : set_victim_object(set, id);
		wait = (line != NULL && (line->state == LINE_FILLING || line->state == LINE_LEAVING)) ||
		       (write && line != NULL && line->state == LINE_CLEANING) ||
		       (write && v != NULL && v->state == VICTIM_FLUSHING);
		if (!wait && (line != NULL || v != NULL))
			data = page_data(line != NULL ? &line->page : &v->page);
		if (data != NULL && buf != NULL) {
			data += off & (PAGE_SIZE - 1);
			if (write)
				memcpy(data, buf, len);
			else
				memcpy(buf, data, len);
		}
		spin_unlock(&set->lock);
		if (!wait)
			return data != NULL;
		set_wait_plain(set, seen);
	}
}

bool object_page_here(struct page_id id)
{
	struct pcache_set *set = pcache_set_of(id);
	const struct pcache_line *line;
	bool here;

	spin_lock(&set->lock);
	line = set_line_object(set, id);
	here = line != NULL ? line->state != LINE_FILLING && line->state != LINE_LEAVING : set_victim_object(set, id) != NULL;
	spin_unlock(&set->lock);
	return here;
}

size_t object_here(struct object *o, u64 off, size_t len)
{
	u64 size = object_size(o);
	size_t done = 0;

	if (off >= size)
		return len;
	len = MIN(len, size - off);
	while (done < len && object_page_here((struct page_id){ o->id, (off + done) >> PAGE_SHIFT }))
		done += PAGE_SIZE - ((off + done) & (PAGE_SIZE - 1));
	return MIN(done, len);
}

static bool nothing_cached(struct object *o)
{
	bool none;

	spin_lock(&o->lock);
	none = list_empty(&o->lines);
	spin_unlock(&o->lock);
	return none;
}

/* How many bytes from off are not cached, up to len: whole pages to the next cached one. */
static size_t uncached_run(struct object *o, u64 off, size_t len)
{
	size_t run = MIN(len, PAGE_SIZE - (off & (PAGE_SIZE - 1)));

	if (nothing_cached(o))
		return len;
	while (run < len && !copy_cached(o, off + run, NULL, 0, false))
		run += MIN(len - run, PAGE_SIZE);
	return run;
}

size_t object_uncached(struct object *o, u64 off, size_t len)
{
	return !nothing_cached(o) && copy_cached(o, off, NULL, 0, false) ? 0 : uncached_run(o, off, len);
}

static s64 read_remote(struct object *o, u64 off, void *buf, size_t len)
{
	struct rpc_memory_read_req req = { .object = le64_of(o->id), .off = le64_of(off), .len = le32_of(len) };
	u32 got = 0;
	int rc = rpc_call_bulk(o->memory_node, RPC_memory_read, &req, NULL, 0, buf, len, &got);

	return rc < 0 ? rc : (s64)got;
}

s64 object_read(struct object *o, u64 off, void *buf, size_t len)
{
	u8 *p = buf;
	s64 got;

	while (len > 0) {
		size_t n = MIN(len, PAGE_SIZE - (off & (PAGE_SIZE - 1)));
		u64 size = object_size(o);

		if (off < size && !nothing_cached(o) && copy_cached(o, off, p, MIN(n, size - off), false)) {
			n = MIN(n, size - off);
		} else {
			size_t want = uncached_run(o, off, MIN(len, (size_t)READ_CHUNK));

			got = read_remote(o, off, p, want);
			if (got < 0)
				return p == buf ? got : p - (u8 *)buf;
			n = got;
			if (n < want)
				len = n;		/* the end of the file */
		}
		if (n == 0)
			break;
		p += n;
		off += n;
		len -= n;
	}
	return p - (u8 *)buf;
}

/* Wait until no page of the range is on its way anywhere. The range is held. */
static void settle(struct object *o, u64 off, size_t len)
{
	if (nothing_cached(o))
		return;
	for (u64 at = page_down(off); at < off + len; at += PAGE_SIZE)
		(void)copy_cached(o, at, NULL, 0, true);
}

void object_settle_page(struct object *o, u64 index) { (void)copy_cached(o, index << PAGE_SHIFT, NULL, 0, true); }

static void patch(struct object *o, u64 off, const void *buf, size_t len)
{
	const u8 *p = buf;

	if (nothing_cached(o))
		return;
	while (len > 0) {
		size_t n = MIN(len, PAGE_SIZE - (off & (PAGE_SIZE - 1)));

		(void)copy_cached(o, off, (void *)(uintptr_t)p, n, true);
		p += n;
		off += n;
		len -= n;
	}
}

/* It went where it was to go, and the file is at least that long. */
static bool write_ok(const struct rpc_memory_write_rep *rep, u64 off, size_t len, bool append)
{
	u64 at = le64_get(rep->off), size = le64_get(rep->size);

	return (append || at == off) && size <= WIRE_SIZE_MAX && at <= size && len <= size - at;
}

/* inside: no further than to the end as it is once the pages are held; 0: it lies before *off */
static s64 write_chunk(struct object *o, u64 *off, const void *buf, size_t len, bool append, bool inside)
{
	u64 now = time_wall_ns(), size = object_size(o);
	struct rpc_memory_write_req req = {
		.object = le64_of(o->id), .off = le64_of(*off), .flags = le32_of(append ? WIRE_WRITE_APPEND : 0),
		.now = le64_of(now / NSEC_PER_SEC), .now_ns = le32_of(now % NSEC_PER_SEC),
	};
	struct rpc_memory_write_rep rep;
	struct object_hold hold;
	u64 asked;
	u64 first = (append ? size : MIN(*off, size)) >> PAGE_SHIFT;	/* beyond the end: the gap becomes zeros */
	int rc;

	object_hold(o, &hold, first, append ? ~0ULL : (*off + len - 1) >> PAGE_SHIFT);
	if (inside) {
		size = object_size(o);
		len = *off < size ? MIN((u64)len, size - *off) : 0;
		if (len == 0) {
			object_unhold(o, &hold);
			return 0;
		}
	}
	settle(o, append ? size : *off, len);
	asked = object_asking();
	object_change_begin(o);
	rc = rpc_call_bulk(o->memory_node, RPC_memory_write, &req, buf, len, &rep, sizeof(rep), NULL);
	object_change_end(o);
	if (rc >= 0 && !write_ok(&rep, *off, len, append))
		rc = -EIO;
	if (rc >= 0) {
		*off = le64_get(rep.off);
		patch(o, *off, buf, len);
		object_sized(o, asked, le64_get(rep.size), *off + len);
	}
	object_unhold(o, &hold);
	return rc < 0 ? rc : (s64)len;
}

s64 object_write(struct object *o, u64 *off, const void *buf, size_t len, bool append)
{
	size_t done = 0;

	while (done < len) {
		size_t n = MIN(len - done, WRITE_CHUNK);
		s64 rc = write_chunk(o, off, (const u8 *)buf + done, n, append, false);

		if (rc < 0)
			return done > 0 ? (s64)done : rc;
		done += n;
		*off += n;
	}
	return done;
}

int object_zero(struct object *o, u64 from, u64 to)
{
	void *zeros = kzalloc(WRITE_CHUNK);
	s64 n = 1;

	if (zeros == NULL)
		return -ENOMEM;
	while (from < to && n > 0) {
		n = READ_ONCE(thread_current()->fatal_pending) ? -EINTR
							       : write_chunk(o, &from, zeros, MIN(to - from, WRITE_CHUNK), false, true);
		if (n > 0)
			from += n;
	}
	kfree(zeros);
	return MIN(n, (s64)0);
}

/* grow: a file that is as long already, by now, stays as it is. All that changes a size holds the pages from the end on. */
static int resize(struct object *o, u64 size, bool grow)
{
	u64 now = time_wall_ns(), old = object_size(o);
	struct rpc_memory_truncate_req req = {
		.object = le64_of(o->id), .size = le64_of(size),
		.now = le64_of(now / NSEC_PER_SEC), .now_ns = le32_of(now % NSEC_PER_SEC),
	};
	struct object_hold hold;
	u8 *zeros;
	int rc;

	zeros = kzalloc(PAGE_SIZE);
	if (zeros == NULL)
		return -ENOMEM;
	object_hold(o, &hold, MIN(size, old) >> PAGE_SHIFT, ~0ULL);
	old = object_size(o);		/* others may have changed it while this waited */
	if (grow && old >= size) {
		object_unhold(o, &hold);
		kfree(zeros);
		return 0;
	}
	(void)copy_cached(o, size, NULL, 0, true);
	object_change_begin(o);
	rc = rpc_call(o->memory_node, RPC_memory_truncate, &req, NULL, 0);
	object_change_end(o);
	if (rc >= 0) {
		rc = 0;
		object_sized(o, ~0ULL, size, 0);
		if (size < old) {
			object_zap(o, page_up(size) >> PAGE_SHIFT, ~0ULL);
			if (!page_aligned(size))
				(void)copy_cached(o, size, zeros, PAGE_SIZE - (size & (PAGE_SIZE - 1)), true);
		}
	}
	object_unhold(o, &hold);
	kfree(zeros);
	return rc;
}

int object_truncate(struct object *o, u64 size) { return resize(o, size, false); }
int object_grow(struct object *o, u64 size) { return resize(o, size, true); }
