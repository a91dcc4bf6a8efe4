/* SPDX-License-Identifier: MIT */
/*
 * For the tests of ext4: volumes made by mke2fs, held in memory, checked by e2fsck. A temporary folder a test program,
 * removed at its end.
 */
#ifndef MANAGERS_STORAGE_EXT4_TESTLIB_H
#define MANAGERS_STORAGE_EXT4_TESTLIB_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "managers/storage/ext4/impl.h"

struct disk {
	struct blkdev dev;
	u8 *mem;
	u64 writes;
	u64 fail_after;		/* this many more writes succeed; 0: all */
};

static char test_dir[64];

static inline void sh(const char *fmt, ...)
{
	static char cmd[4096];
	va_list ap;
	int n = snprintf(cmd, sizeof(cmd), "PATH=$PATH:/sbin:/usr/sbin; export LC_ALL=C; cd %s && ", test_dir);

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - (size_t)n, fmt, ap);
	va_end(ap);
	if (system(cmd) != 0) {
		fprintf(stderr, "failed: %s\n", cmd);
		fail();
	}
}

static inline int test_begin(void **state)
{
	strcpy(test_dir, "/tmp/tangram-ext4-XXXXXX");
	return mkdtemp(test_dir) == NULL ? -1 : 0;
}

static inline int test_end(void **state)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", test_dir);
	return system(cmd);
}

static inline int disk_read(struct blkdev *dev, u64 off, void *buf, size_t len)
{
	struct disk *d = container_of(dev, struct disk, dev);

	assert_true(off % 512 == 0 && len % 512 == 0 && off + len <= dev->size && len > 0);
	memcpy(buf, d->mem + off, len);
	return 0;
}

static inline int disk_write(struct blkdev *dev, u64 off, const void *buf, size_t len)
{
	struct disk *d = container_of(dev, struct disk, dev);

	assert_true(off % 512 == 0 && len % 512 == 0 && off + len <= dev->size && len > 0);
	assert_false(dev->read_only);
	if (d->fail_after != 0 && d->writes >= d->fail_after)
		return -EIO;
	d->writes++;
	memcpy(d->mem + off, buf, len);
	return 0;
}

static inline int disk_flush(struct blkdev *dev)
{
	return 0;
}

/* Read an image file into a new disk. */
static inline struct disk *disk_load(const char *file)
{
	static const struct blkdev_ops ops = { disk_read, disk_write, disk_flush };
	struct disk *d = calloc(1, sizeof(*d));
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", test_dir, file);
	f = fopen(path, "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	d->dev = (struct blkdev){ .name = "vda", .size = (u64)ftell(f), .sector_size = 512, .ops = &ops };
	d->mem = malloc(d->dev.size);
	rewind(f);
	assert_int_equal(fread(d->mem, 1, d->dev.size, f), d->dev.size);
	fclose(f);
	return d;
}

/* mke2fs with these options; contents from folder src unless NULL. */
static inline struct disk *disk_make(const char *options, const char *size, const char *src)
{
	sh("rm -f img && truncate -s %s img && mke2fs -q -F %s %s %s img > mke2fs.log 2>&1 || { cat mke2fs.log; exit 1; }",
	   size, options, src != NULL ? "-d" : "", src != NULL ? src : "");
	return disk_load("img");
}

static inline void disk_store(struct disk *d, const char *file)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", test_dir, file);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(d->mem, 1, d->dev.size, f), d->dev.size);
	fclose(f);
}

/* What an orderly unmount left must please e2fsck. */
static inline void disk_check(struct disk *d)
{
	disk_store(d, "img");
	sh("e2fsck -fn img > fsck.log 2>&1 || { cat fsck.log >&2; cp img /tmp/tangram-bad.img; exit 1; }");
}

static inline void disk_free(struct disk *d)
{
	free(d->mem);
	free(d);
}

static const struct ext4_time test_now = { .sec = 1764000000, .nsec = 123456789 };

static inline struct ext4 *test_mount(struct disk *d)
{
	struct ext4_opts opts = { .now = test_now, .cache_bytes = 256 * 1024 };
	struct ext4 *fs;

	assert_int_equal(ext4_mount(&d->dev, &opts, &fs), 0);
	return fs;
}

static inline void test_unmount(struct ext4 *fs, struct disk *d)
{
	struct bbuf *b;

	list_for_each(b, &fs->cache.dirty, dirty_link)
		assert_true(fs->dirtied);
	assert_false(fs->corrupt);
	for (u32 i = 0; i <= fs->cache.hash_mask; i++) {	/* nothing may keep a reference but the descriptors */
		for (b = fs->cache.hash[i]; b != NULL; b = b->next) {
			u32 expect = 0;

			for (u32 g = 0; g < fs->nr_gdt; g++)
				expect += fs->gdt[g] == b;
			assert_int_equal(b->refs, expect);
		}
	}
	assert_int_equal(ext4_unmount(fs, test_now), 0);
}

static inline struct ext4_id id_of(const struct ext4_attr *a)
{
	return (struct ext4_id){ a->ino, a->gen };
}

/* The file of a path, from the root; symlinks are not followed. */
static inline int test_walk(struct ext4 *fs, const char *path, struct ext4_attr *attr)
{
	int rc = ext4_getattr(fs, ext4_root(fs), attr);

	while (rc == 0 && *path != 0) {
		size_t n;

		while (*path == '/')
			path++;
		n = strcspn(path, "/");
		if (n == 0)
			break;
		rc = ext4_lookup(fs, id_of(attr), path, (u32)n, attr);
		path += n;
	}
	return rc;
}

static inline struct ext4_id test_id(struct ext4 *fs, const char *path)
{
	struct ext4_attr a;

	assert_int_equal(test_walk(fs, path, &a), 0);
	return id_of(&a);
}

static inline int test_make(struct ext4 *fs, struct ext4_id dir, const char *name, u32 mode, struct ext4_attr *a)
{
	*a = (struct ext4_attr){ .mode = mode, .uid = 1000, .gid = 100000 };
	return ext4_create(fs, dir, name, (u32)strlen(name), a, test_now);
}

#endif
