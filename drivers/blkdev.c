/* SPDX-License-Identifier: MIT */
/* The disks there are, by name. Written at probe, in one thread, before anyone looks. */
#include "drivers/block.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"

#define MAX_BLKDEVS 16
static struct blkdev *blkdevs[MAX_BLKDEVS];
static unsigned nr_blkdevs;

int blkdev_register(struct blkdev *dev)
{
	if (nr_blkdevs == MAX_BLKDEVS) {
		pr_warn("block: %s: more than %d disks", dev->name, MAX_BLKDEVS);
		return -ENOSPC;
	}
	blkdevs[nr_blkdevs++] = dev;
	pr_info("block: %s: %lu KiB, sectors of %u bytes%s", dev->name, dev->size >> 10, dev->sector_size,
		dev->read_only ? ", read-only" : "");
	return 0;
}

struct blkdev *blkdev_find(const char *name)
{
	for (unsigned i = 0; i < nr_blkdevs; i++) {
		if (strcmp(blkdevs[i]->name, name) == 0)
			return blkdevs[i];
	}
	return NULL;
}
