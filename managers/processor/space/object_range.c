/* SPDX-License-Identifier: MIT */
/* Holes of objects, and pages that have a place: asked of the memory node, which has all that is written by then. */
#include "kernel/time.h"
#include "managers/processor/space/space_impl.h"
#include "managers/protocol/memory_ops.h"
#include "net/fit/rpc.h"

static int range(struct object *o, u32 what, u64 off, u64 len, u64 *out)
{
	u64 now = time_wall_ns();
	struct rpc_memory_range_req req = {
		.object = le64_of(o->id), .off = le64_of(off), .len = le64_of(len), .what = le32_of(what),
		.now = le64_of(now / NSEC_PER_SEC), .now_ns = le32_of(now % NSEC_PER_SEC),
	};
	struct rpc_memory_range_rep rep;
	int rc = rpc_call(o->memory_node, RPC_memory_range, &req, &rep, sizeof(rep));

	*out = rc < 0 ? 0 : le64_get(rep.off);
	return MIN(rc, 0);
}

bool object_is_shm(const struct object *o) { return o->fs == WIRE_FS_NONE; }

s64 object_seek(struct object *o, u64 off, bool hole)
{
	u64 size = object_size(o), found;
	int rc = off >= size ? -ENXIO : object_clean_killable(o);

	if (rc < 0)
		return rc;
	object_change_begin(o);			/* M writes home what it has */
	rc = range(o, hole ? WIRE_RANGE_HOLE : WIRE_RANGE_DATA, off, 0, &found);
	object_change_end(o);
	if (rc == 0 && (found < off || found > WIRE_SIZE_MAX))
		rc = -EIO;
	return rc < 0 ? rc : (s64)found;
}

int object_punch(struct object *o, u64 from, u64 *to)
{
	u64 first = from >> PAGE_SHIFT, end = page_up(*to) >> PAGE_SHIFT, none;
	struct object_hold hold;
	int rc = 0;

	object_hold(o, &hold, first, end - 1);
	if (*to < object_size(o))		/* now that nobody writes behind it in its page */
		end = *to >> PAGE_SHIFT;
	*to = end << PAGE_SHIFT;
	if (end > first)
		rc = object_settle(o, first, end - 1);	/* what is on its way to M must not arrive there afterwards */
	if (rc == 0 && end > first) {
		object_change_begin(o);
		rc = range(o, WIRE_RANGE_PUNCH, first << PAGE_SHIFT, (end - first) << PAGE_SHIFT, &none);
		object_change_end(o);
	}
	if (rc == 0 && end > first)	/* not before: where M refuses, what was written stays */
		object_zap(o, first, end - 1);
	object_unhold(o, &hold);
	return rc;
}

int object_hole(struct object *o, u64 from, u64 to)
{
	u64 first = page_up(from), end = to;
	int rc;

	if (first >= to)
		return object_zero(o, from, to);
	rc = object_punch(o, first, &end);
	if (rc == -EOPNOTSUPP)
		return object_zero(o, from, to);
	if (rc == 0)
		rc = object_zero(o, from, first);
	return rc == 0 ? object_zero(o, end, to) : rc;
}

int object_allocate(struct object *o, u64 first, u64 end)
{
	u64 none;
	int rc;

	object_change_begin(o);
	rc = range(o, WIRE_RANGE_ALLOCATE, first << PAGE_SHIFT, (end - first) << PAGE_SHIFT, &none);
	object_change_end(o);
	return rc;
}

int object_count_pages(struct object *o, u64 *nr)
{
	int rc = range(o, WIRE_RANGE_COUNT, 0, 0, nr);

	return rc == 0 && *nr > WIRE_SIZE_MAX >> PAGE_SHIFT ? -EIO : rc;
}
