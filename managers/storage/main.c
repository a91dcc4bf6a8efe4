/* SPDX-License-Identifier: MIT */
/* The storage node's start. */
#include "kernel/main.h"
#include "kernel/power.h"
#include "kernel/printk.h"
#include "kernel/thread.h"
#include "lib/base/errno.h"
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

/* What was to be there and is not: a program must not write beside it. Why is in the log. */
static void __noreturn cannot_start(int rc)
{
	char word[96];

	printk_drain();			/* the host looks there when it hears of this */
	control_send("error ready %s %s", errno_name(rc), control_word(word, sizeof(word), "a disk cannot be mounted"));
	thread_exit();
}

static void note_read_only(void)
{
	for (unsigned i = 0; i < volumes_count(); i++) {
		const struct volume *v = volume_at(i);

		if (!v->asked_read_only && ext4_read_only(v->fs))
			control_note("%s is mounted read-only at %s: the log says why", v->disk, v->path);
	}
}

static void ready_thread(void *mount_rc)
{
	if ((long)mount_rc < 0)
		cannot_start((long)mount_rc);
	note_read_only();
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
	long mount_rc;

	printk_set_tag("storage");
	counters_register(&storage_counters);
	accounts_init();
	mount_rc = volumes_mount();
	if (volumes_count() == 0)
		pr_note("storage: nothing is mounted: nodes will find no files");
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
	if (thread_spawn(ready_thread, (void *)mount_rc, PRIO_NORMAL, "ready") < 0)
		panic("storage: no memory");
	pr_note("storage node %u: %u volumes", fit_self(), volumes_count());
}
