/* SPDX-License-Identifier: MIT */
/* Start of the memory side of a processor node, and its balance when no program is left. */
#include "managers/processor/space/space_impl.h"

#include "lib/base/printk.h"
#include "managers/protocol/memory_ops.h"

int space_init(void)
{
	int rc;

	objects_init();
	commit_init();
	rc = pcache_init();
	if (rc < 0)
		return rc;
	acct_register("spaces", spaces_live);
	acct_register("objects", objects_live);
	acct_register("objects_cached", objects_parked);
	acct_register("commit_reserved", commit_held);
	return 0;
}

static unsigned left(const char *what, u64 n)
{
	if (n != 0)
		pr_err("left over: %llu %s", (unsigned long long)n, what);
	return n != 0;
}

unsigned space_balance(bool drop_cached)
{
	unsigned wrong;

	vma_files_reap();
	if (drop_cached)
		objects_drop_cached();
	objects_close_wait();
	commit_drain();
	wrong = pcache_check();
	wrong += left("address spaces", spaces_live());
	if (objects_live() == 0)
		wrong += left("lines in use", pcache_lines_live()) + left("victim entries in use", pcache_victims_live());
	wrong += left("owners", owners_live());
	if (owners_live() == 0)
		wrong += left("lines out of the reserve", objects_live() + objects_parked() == 0 ? pcache_reserve_out() : 0);
	wrong += left("pages of commit", commit_held());
	return wrong;
}
