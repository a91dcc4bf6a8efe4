/* SPDX-License-Identifier: MIT */
/* The storage node's start. */
#include "kernel/main.h"
#include "kernel/power.h"
#include "kernel/printk.h"
#include "kernel/thread.h"
#include "managers/control/control.h"
#include "managers/storage/ops.h"
#include "managers/storage/volume.h"
#include "mm/frame.h"

static int do_sync(unsigned argc, char **argv)
{
	return volumes_sync();
}

static int do_drop_caches(unsigned argc, char **argv)
{
	volumes_drop_caches();
	return 0;
}

static void node_changed(unsigned node, enum node_role role, bool up)
{
	if (up)
		return;
	volumes_node_died(node);
	if (!fit_node_left(node))
		control_note("%s is dead", fit_node_name(node));
}

static void ready_thread(void *arg)
{
	control_wait_peers((enum node_role[]){ ROLE_NONE });
	control_ready();
	thread_exit();
}

static void accounts_init(void)
{
	acct_register("holds", volumes_nr_holds);
}

void manager_init(void)
{
	printk_set_tag("storage");
	counters_register(&storage_counters);
	accounts_init();
	if (volumes_mount() == 0)
		pr_err("storage: nothing is mounted: nodes will find no files");
	volumes_start_idle_sync();
	power_on_shutdown(volumes_unmount);	/* before FIT's own, so that it runs after FIT has said farewell */
	if (fit_init(ROLE_STORAGE, storage_ops, nr_storage_ops) < 0) {
		pr_note("storage: a node without its network is of no use");	/* why not was said */
		power_off();
	}
	fit_on_change(node_changed);
	control_register("sync", do_sync);
	control_register("drop-caches", do_drop_caches);
	control_init("storage");
	fit_start();
	if (thread_spawn(ready_thread, NULL, PRIO_NORMAL, "ready") < 0)
		panic("storage: no memory");
	pr_note("storage node %u: %u volumes", fit_self(), volumes_count());
}
