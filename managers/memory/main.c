/* SPDX-License-Identifier: MIT */
/* The memory node's start. */
#include "kernel/main.h"
#include "kernel/power.h"
#include "kernel/printk.h"
#include "lib/base/errno.h"
#include "managers/control/control.h"
#include "managers/memory/memory.h"
#include "managers/memory/node.h"
#include "managers/memory/object.h"
#include "managers/memory/ops.h"
#include "managers/memory/space.h"

static int do_drop_caches(unsigned argc, char **argv)
{
	objects_drop_idle();
	return 0;
}

static int do_sync(unsigned argc, char **argv) { return objects_sync_all(true); }

static void node_changed(unsigned node, enum node_role role, bool up)
{
	memory_node_changed(node, role, up);
	if (!up && !fit_node_left(node))
		control_note("%s is dead", fit_node_name(node));
}

static void ready_thread(void *arg)
{
	control_wait_peers((enum node_role[]){ ROLE_NONE });
	control_ready();
	thread_exit();
}

static void write_all_back(void)
{
	int rc = objects_sync_all(true);

	if (rc < 0)
		pr_err("memory: data is lost: it could not be written to storage: %s", errno_name(rc));
}

static void accounts_init(void)
{
	acct_register("spaces", spaces_live);
	acct_register("vmas", spaces_vmas);
	acct_register("objects", objects_active);
	acct_register("objects_cached", objects_cached);
	acct_register("frames_private", pages_private);
	acct_register("frames_cached", pages_cached);
	acct_register("frames_dirty", cache_dirty_pages);
	acct_register("commit", commit_total);
	acct_register("commit_limit", commit_limit);
}

void manager_init(void)
{
	printk_set_tag("memory");
	counters_register(&memory_counters);
	accounts_init();
	commit_init();
	cache_init();
	objects_init();
	spaces_init();
	changes_init();
	if (fit_init(ROLE_MEMORY, memory_ops, nr_memory_ops) < 0) {
		pr_note("memory: a node without its network is of no use");	/* why not was said */
		power_off();
	}
	fit_on_change(node_changed);
	control_register("drop-caches", do_drop_caches);
	control_register("sync", do_sync);
	control_init("memory");
	fit_start();
	power_on_shutdown(write_all_back);	/* behind FIT's own, so that it runs before FIT says farewell to the storage node */
	if (thread_spawn(ready_thread, NULL, PRIO_NORMAL, "ready") < 0)
		panic("memory: no memory");
	pr_note("memory node %u: %llu MiB, %llu MiB for programs", fit_self(),
		(unsigned long long)(frames_total() >> (20 - PAGE_SHIFT)),
		(unsigned long long)(commit_limit() >> (20 - PAGE_SHIFT)));
}
