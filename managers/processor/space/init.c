/* SPDX-License-Identifier: MIT */
/* Start of the memory side of a processor node, and its balance when no program is left. */
#include "managers/processor/space/space_impl.h"

#include "lib/base/printk.h"
#include "managers/protocol/memory_ops.h"

int space_init(void)
{
	int rc;

	objects_init();
	rc = pcache_init();
	if (rc < 0)
		return rc;
	acct_register("spaces", spaces_live);
	return 0;
}

void space_sync_all(void)
{
}

unsigned space_balance(void)
{
	commit_drain();
	return pcache_lines_live() + pcache_victims_live() + owners_live() + spaces_live();
}
