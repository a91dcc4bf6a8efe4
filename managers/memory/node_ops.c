/* SPDX-License-Identifier: MIT */
/* What concerns the memory node as a whole: its accounts, its cached pages, its end, and the death of others. */
#include "kernel/power.h"
#include "kernel/work.h"
#include "lib/base/errno.h"
#include "managers/memory/memory.h"
#include "managers/memory/node.h"
#include "managers/memory/object.h"
#include "managers/memory/space.h"

DEFINE_COUNTERS(memory, MEMORY_COUNTERS);
static void off(struct work *w) { power_off(); }
static struct work off_work = { .link = LIST_INIT(off_work.link), .fn = off };

int serve_memory_accounting(const struct rpc_memory_accounting_req *q, struct rpc_memory_accounting_rep *r, struct rpc_call *c)
{
	objects_close_wait();		/* what only waits to be closed is not left over */
	r->frames_total = le64_of(frames_total());
	r->frames_free = le64_of(frames_free_count());
	r->frames_private = le64_of(pages_private());
	r->frames_cached = le64_of(pages_cached());
	r->spaces = le64_of(spaces_live());
	r->vmas = le64_of(spaces_vmas());
	r->objects = le64_of(objects_active());
	r->commit = le64_of(commit_total());
	r->commit_limit = le64_of(commit_limit());
	return 0;
}

int serve_memory_drop_caches(const struct rpc_memory_drop_caches_req *q, struct rpc_memory_drop_caches_rep *r,
			     struct rpc_call *c)
{
	r->dropped = le64_of(objects_drop_idle());
	return 0;
}

/* The caller has the reply. */
static void off_soon(void *arg) { work_queue_add(system_work, &off_work); }

int serve_memory_shutdown(const struct rpc_memory_shutdown_req *q, struct rpc_memory_shutdown_rep *r, struct rpc_call *c)
{
	int rc = objects_sync_all(true);

	rpc_reply_bulk_ref(c, &off_work, 0, off_soon, NULL);
	return rc;
}

void memory_node_changed(unsigned node, enum node_role role, bool up)
{
	if (!up && role == ROLE_STORAGE)
		objects_storage_died(node);
	if (up || role != ROLE_PROCESSOR)
		return;
	spaces_node_died(node);
	objects_node_died(node);
	commit_forget(node);
}
