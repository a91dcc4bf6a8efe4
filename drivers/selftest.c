/* SPDX-License-Identifier: MIT */
/* Selftests of devices; each does nothing where its device is absent, and none writes to a disk. */
#include "drivers/block.h"
#include "drivers/drivers.h"
#include "kernel/selftest.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/percpu.h"
#include "lib/base/string.h"
#include "mm/slab.h"

/* One large read is many requests at once; its bytes are those of small reads of every alignment. */
SELFTEST(disk_reads_agree)
{
	struct blkdev *disk = blkdev_find("vda");
	size_t len = disk ? MIN(disk->size, MIB(1)) : 0;
	u8 *whole = kmalloc(MIB(1)), *piece = kmalloc(8192);

	SELFTEST_CHECK(whole && piece);
	if (disk) {
		SELFTEST_CHECK(disk->ops->read(disk, 0, whole, len) == 0);
		for (size_t off = 0; off + 8192 <= len; off += 8192 + disk->sector_size) {
			SELFTEST_CHECK(disk->ops->read(disk, off, piece, 8192) == 0);
			SELFTEST_CHECK(memcmp(whole + off, piece, 8192) == 0);
		}
	}
	kfree(whole);
	kfree(piece);
}

SELFTEST(disk_refuses)
{
	struct blkdev *disk = blkdev_find("vda");
	u8 *buf = disk ? kmalloc(1024) : NULL;

	if (!buf)
		return;
	SELFTEST_CHECK(disk->ops->read(disk, 1, buf, 512) == -EINVAL);
	SELFTEST_CHECK(disk->ops->read(disk, 0, buf, 511) == -EINVAL);
	SELFTEST_CHECK(disk->ops->read(disk, disk->size, buf, 512) == -EINVAL);
	SELFTEST_CHECK(disk->ops->read(disk, disk->size - 512, buf, 1024) == -EINVAL);
	SELFTEST_CHECK(disk->ops->read(disk, -512ULL, buf, 1024) == -EINVAL);
	SELFTEST_CHECK(!disk->read_only || disk->ops->write(disk, 0, buf, 512) == -EROFS);
	kfree(buf);
}

SELFTEST(acpi_agrees)
{
	SELFTEST_CHECK(!acpi_madt() || nr_cpus <= acpi_madt()->nr_cpus);
	/* the CMOS clock was read: no machine of ours ran before 2020 */
	SELFTEST_CHECK(time_wall_ns() / NSEC_PER_SEC > 1577836800);
}
