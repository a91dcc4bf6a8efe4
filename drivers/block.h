/* SPDX-License-Identifier: MIT */
/*
 * Block devices: what a disk driver offers and a file system uses.
 */
#ifndef DRIVERS_BLOCK_H
#define DRIVERS_BLOCK_H

#include "lib/base/types.h"

struct blkdev;

struct blkdev_ops {
	/*
	 * Move len bytes between buf (kernel direct-map memory) and byte offset off; both multiples of 512.
	 * May sleep until the device is done; several callers at once are fine. 0 or -EIO, -EINVAL, -EROFS, -ENOMEM.
	 */
	int (*read)(struct blkdev *dev, u64 off, void *buf, size_t len);
	int (*write)(struct blkdev *dev, u64 off, const void *buf, size_t len);
	int (*flush)(struct blkdev *dev);	/* all completed writes are on stable storage on return */
};

struct blkdev {
	char name[16];			/* "vda" */
	u64 size;			/* bytes */
	u32 sector_size;		/* 512 or 4096: the unit of atomic writing */
	bool read_only;
	const struct blkdev_ops *ops;
};

/* Called by drivers at probe; dev lives for ever. */
int blkdev_register(struct blkdev *dev);
/* NULL when there is no device of that name. */
struct blkdev *blkdev_find(const char *name);

#endif
