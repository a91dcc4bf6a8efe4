/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/storage/ext4/cache.c managers/storage/ext4/csum.c managers/storage/ext4/group.c managers/storage/ext4/balloc.c managers/storage/ext4/ialloc.c */
/* SOURCES: managers/storage/ext4/inode.c managers/storage/ext4/extent_tree.c managers/storage/ext4/extent.c managers/storage/ext4/indirect.c managers/storage/ext4/map.c */
/* SOURCES: managers/storage/ext4/dir.c managers/storage/ext4/hash.c managers/storage/ext4/htree.c managers/storage/ext4/readdir.c managers/storage/ext4/orphan.c */
/* SOURCES: managers/storage/ext4/file.c managers/storage/ext4/range.c managers/storage/ext4/namei.c managers/storage/ext4/rename.c managers/storage/ext4/super.c */
/* What mke2fs -d put into a volume is what we read from it, for every block size and several feature sets. */
#include "managers/storage/ext4/testlib.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char *const variants[] = {
	"-t ext4 -b 1024", "-t ext4 -b 2048", "-t ext4 -b 4096",
	"-t ext4 -b 1024 -O ^metadata_csum,uninit_bg -I 128",
	"-t ext4 -b 4096 -O ^64bit,^metadata_csum,^flex_bg",
	"-t ext4 -b 4096 -O metadata_csum_seed,^has_journal",
	"-t ext4 -b 1024 -O meta_bg,^resize_inode",
	"-t ext4 -b 1024 -O ^dir_index", "-t ext4 -b 1024 -O ^filetype -I 512",
	"-t ext4 -b 1024 -O orphan_file", "-t ext4 -b 2048 -O sparse_super2",
	"-t ext3 -b 1024", "-t ext2 -b 4096", "-t ext2 -b 1024 -r 0",
};

static void make_source(void)
{
	sh("rm -rf src && mkdir -p src/bin src/deep/er/still src/many src/empty");
	sh("printf 'hello, world\n' > src/hello && : > src/nothing && head -c 59 /dev/zero | tr '\\0' x > t59");
	sh("seq 1 300000 > src/bin/numbers && head -c 3000001 /dev/urandom > src/bin/noise");
	sh("truncate -s 5000000 src/sparse && printf middle | dd of=src/sparse bs=1 seek=3333333 conv=notrunc 2>/dev/null");
	sh("for i in $(seq 0 40); do printf \"part $i\" | dd of=src/holes bs=1 seek=$((i * 100000)) conv=notrunc; done"
	   " 2>/dev/null");
	sh("for i in $(seq 1 700); do : > src/many/a-name-with-the-number-$i; done");
	sh("ln -s hello src/short && ln -s $(cat t59) src/s59 && ln -s $(cat t59)y src/s60");
	sh("ln -s $(cat t59)/$(cat t59)/$(cat t59) src/long");
	sh("ln src/hello src/deep/er/hello2 && chmod 4755 src/bin/noise && chmod 700 src/deep && mkfifo src/pipe");
	sh("echo deep > src/deep/er/still/file");
}

struct seen {
	struct ext4 *fs;
	char path[512];		/* on the host */
	u32 entries;
};

static void compare(struct ext4 *fs, struct ext4_id id, const char *path);

static bool count_entry(void *arg, const struct ext4_dent *d)
{
	struct seen *s = arg;
	char name[256], path[1024];
	struct stat st;

	memcpy(name, d->name, d->len);
	name[d->len] = 0;
	s->entries++;
	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	if (strcmp(name, "lost+found") == 0)
		return true;
	assert_int_equal(lstat(path, &st), 0);
	if (d->type != 0)
		assert_int_equal(d->type, st.st_mode >> 12);
	return true;
}

static void compare_dir(struct ext4 *fs, const struct ext4_attr *a, const char *path)
{
	struct seen s = { .fs = fs };
	u32 expect = 0;
	struct dirent *de;
	DIR *d = opendir(path);

	strcpy(s.path, path);
	assert_int_equal(ext4_readdir(fs, id_of(a), 0, count_entry, &s), 0);
	assert_non_null(d);
	while ((de = readdir(d)) != NULL) {
		struct ext4_attr child;
		char sub[1024];

		expect++;
		assert_int_equal(ext4_lookup(fs, id_of(a), de->d_name, (u32)strlen(de->d_name), &child), 0);
		if (de->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, de->d_name);
		compare(fs, id_of(&child), sub);
	}
	closedir(d);
	if (a->ino == EXT4_ROOT_INO)
		expect++;	/* lost+found */
	assert_int_equal(s.entries, expect);
}

static void compare_data(struct ext4 *fs, const struct ext4_attr *a, const char *path)
{
	static u8 ours[70000], theirs[70000];
	u64 at = 0, step = 1;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	for (;;) {		/* pieces of many sizes and alignments */
		s64 n = ext4_read(fs, id_of(a), at, ours, (u32)(step % sizeof(ours)));

		assert_int_equal(pread(fd, theirs, step % sizeof(theirs), (off_t)at), n);
		assert_memory_equal(ours, theirs, (size_t)n);
		if (n == 0)
			break;
		at += (u64)n;
		step = step * 3 + 4095 * (step & 1);
		if (step % sizeof(ours) == 0)
			step++;
	}
	assert_int_equal(at, a->size);
	close(fd);
}

static void compare(struct ext4 *fs, struct ext4_id id, const char *path)
{
	struct ext4_attr a;
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(ext4_getattr(fs, id, &a), 0);
	if (id.ino != EXT4_ROOT_INO) {
		assert_int_equal(a.mode, st.st_mode);
		assert_int_equal(a.mtime.sec, st.st_mtim.tv_sec);
		assert_int_equal(a.uid, st.st_uid);
	}
	if (S_ISREG(st.st_mode)) {
		assert_int_equal(a.size, st.st_size);
		assert_int_equal(a.nlink, st.st_nlink);
		compare_data(fs, &a, path);
	} else if (S_ISLNK(st.st_mode)) {
		char ours[4096], theirs[4096];
		int n = ext4_readlink(fs, id, ours, sizeof(ours));

		assert_int_equal(n, readlink(path, theirs, sizeof(theirs)));
		assert_memory_equal(ours, theirs, (size_t)n);
	} else if (S_ISDIR(st.st_mode)) {
		compare_dir(fs, &a, path);
	}
}

static void reads_what_mke2fs_wrote(void **state)
{
	char root[128];

	make_source();
	snprintf(root, sizeof(root), "%s/src", test_dir);
	for (u32 i = 0; i < ARRAY_SIZE(variants); i++) {
		struct disk *d = disk_make(variants[i], "24M", "src");
		struct ext4 *fs;
		struct ext4_stat st;

		fs = test_mount(d);
		compare(fs, ext4_root(fs), root);
		ext4_statfs(fs, &st);
		assert_true(st.bfree > 0 && st.bfree < st.blocks && st.ffree > 0);
		test_unmount(fs, d);
		assert_int_equal(d->writes, 0);		/* reading writes nothing */
		disk_free(d);
	}
}

static void refuses_what_it_does_not_know(void **state)
{
	static const struct {
		const char *options;
		int rc;
		bool read_only;
	} cases[] = {
		{ "-t ext4 -O inline_data", -EPROTONOSUPPORT, false },
		{ "-t ext4 -O encrypt", -EPROTONOSUPPORT, false },
		{ "-t ext4 -O mmp", -EPROTONOSUPPORT, false },
		{ "-t ext4 -O quota", 0, true },
		{ "-t ext4 -O bigalloc -C 16384", 0, true },
		{ "-t ext4", 0, false },
	};
	struct ext4_opts opts = { .now = test_now };

	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		struct disk *d = disk_make(cases[i].options, "16M", NULL);
		struct ext4 *fs;

		assert_int_equal(ext4_mount(&d->dev, &opts, &fs), cases[i].rc);
		if (cases[i].rc == 0) {
			struct ext4_attr a;

			assert_int_equal(ext4_read_only(fs), cases[i].read_only);
			assert_int_equal(test_make(fs, ext4_root(fs), "x", EXT4_S_IFREG | 0644, &a),
					 cases[i].read_only ? -EROFS : 0);
			assert_int_equal(ext4_unmount(fs, test_now), 0);
			if (cases[i].read_only)
				assert_int_equal(d->writes, 0);
			else
				disk_check(d);
		}
		disk_free(d);
	}
}

static void unclean_is_read_only(void **state)
{
	struct ext4_opts opts = { .now = test_now };
	struct disk *d;
	struct ext4 *fs;

	disk_free(disk_make("-t ext4", "16M", NULL));
	sh("debugfs -w -R 'feature needs_recovery' img > /dev/null 2>&1");
	d = disk_load("img");
	assert_int_equal(ext4_mount(&d->dev, &opts, &fs), 0);
	assert_true(ext4_read_only(fs));
	assert_int_equal(ext4_unmount(fs, test_now), 0);
	assert_int_equal(d->writes, 0);
	disk_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_mke2fs_wrote),
		cmocka_unit_test(refuses_what_it_does_not_know),
		cmocka_unit_test(unclean_is_read_only),
	};

	return cmocka_run_group_tests(tests, test_begin, test_end);
}
