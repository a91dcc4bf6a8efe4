/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/storage/ext4/cache.c managers/storage/ext4/csum.c managers/storage/ext4/group.c managers/storage/ext4/balloc.c managers/storage/ext4/ialloc.c */
/* SOURCES: managers/storage/ext4/inode.c managers/storage/ext4/extent_tree.c managers/storage/ext4/extent.c managers/storage/ext4/indirect.c managers/storage/ext4/map.c */
/* SOURCES: managers/storage/ext4/dir.c managers/storage/ext4/hash.c managers/storage/ext4/htree.c managers/storage/ext4/readdir.c managers/storage/ext4/orphan.c */
/* SOURCES: managers/storage/ext4/file.c managers/storage/ext4/range.c managers/storage/ext4/namei.c managers/storage/ext4/rename.c managers/storage/ext4/super.c */
/*
 * Random calls on a volume and on a model of it in memory; every answer is compared. Now and then the volume is
 * unmounted, checked by e2fsck, taken out by debugfs, compared with the model, and mounted again.
 */
#include "managers/storage/ext4/testlib.h"
#include <fcntl.h>
#include <sys/stat.h>

#define MAX_NODES	400
#define MAX_NAMES	800
#define MAX_FILE	600000

struct node {
	struct ext4_id id;
	u32 type, links;	/* links as the disk counts them; type 0: free */
	u32 held;
	u8 *data;		/* of a file, or a symlink's target */
	u32 size;
	int parent;		/* of a directory */
};

struct name {
	int dir, node;		/* dir < 0: free */
	char text[64];
};

static struct node nodes[MAX_NODES];
static struct name names[MAX_NAMES];
static struct ext4 *fs;
static u64 seed;

static u32 rnd(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % n;
}

static int name_find(int dir, const char *text)
{
	for (int i = 0; i < MAX_NAMES; i++) {
		if (names[i].dir == dir && strcmp(names[i].text, text) == 0)
			return i;
	}
	return -1;
}

static int name_free(void)
{
	for (int i = 0; i < MAX_NAMES; i++) {
		if (names[i].dir < 0)
			return i;
	}
	return -1;
}

static int node_free(void)
{
	for (int i = 1; i < MAX_NODES; i++) {
		if (nodes[i].type == 0)
			return i;
	}
	return -1;
}

static int node_pick(u32 type)
{
	int start = (int)rnd(MAX_NODES);

	for (int k = 0; k < MAX_NODES; k++) {
		int i = (start + k) % MAX_NODES;

		if (nodes[i].type == type && (nodes[i].links > 0 || nodes[i].held > 0))
			return i;
	}
	return -1;
}

static int dir_pick(void)
{
	int dir = rnd(3) ? 0 : node_pick(EXT4_S_IFDIR);

	return dir < 0 || nodes[dir].links == 0 ? 0 : dir;
}

static bool dir_empty(int dir)
{
	for (int i = 0; i < MAX_NAMES; i++) {
		if (names[i].dir == dir)
			return false;
	}
	return true;
}

static void node_drop(int n)
{
	if (nodes[n].links > 0 || nodes[n].held > 0)
		return;
	free(nodes[n].data);
	nodes[n] = (struct node){ 0 };
}

static void pick_name(char *text)
{
	u32 n = rnd(60);

	if (rnd(2))
		snprintf(text, 64, "n%u", n);
	else
		snprintf(text, 64, "a-much-longer-name-that-fills-its-block-sooner-%u", n);
}

static void model_add(int dir, const char *text, int n)
{
	int i = name_free();

	assert_true(i >= 0);
	names[i].dir = dir;
	names[i].node = n;
	strcpy(names[i].text, text);
}

#define LEN(s) (u32)strlen(s)

static void do_create(void)
{
	static const u32 types[] = { EXT4_S_IFREG, EXT4_S_IFREG, EXT4_S_IFREG, EXT4_S_IFDIR, EXT4_S_IFLNK, EXT4_S_IFIFO };
	int dir = dir_pick(), n = node_free(), expect;
	u32 type = types[rnd(ARRAY_SIZE(types))], target_len = 1 + rnd(200);
	struct ext4_attr a = { .mode = type | 0644 };
	char text[64], target[200];
	int rc;

	pick_name(text);
	if (n < 0 || name_free() < 0)
		return;
	expect = name_find(dir, text) >= 0 ? -EEXIST : 0;
	memset(target, 'a' + (int)rnd(26), sizeof(target));
	if (type == EXT4_S_IFLNK)
		rc = ext4_symlink(fs, nodes[dir].id, text, LEN(text), target, target_len, &a, test_now);
	else
		rc = ext4_create(fs, nodes[dir].id, text, LEN(text), &a, test_now);
	if (rc == -ENOSPC)
		return;
	assert_int_equal(rc, expect);
	if (rc < 0)
		return;
	nodes[n] = (struct node){ .id = id_of(&a), .type = type, .links = type == EXT4_S_IFDIR ? 2 : 1, .parent = dir };
	if (type == EXT4_S_IFDIR)
		nodes[dir].links++;
	if (type == EXT4_S_IFLNK) {
		nodes[n].size = target_len;
		nodes[n].data = malloc(target_len);
		memcpy(nodes[n].data, target, target_len);
	}
	model_add(dir, text, n);
}

static void do_link(void)
{
	int dir = dir_pick(), n = node_pick(EXT4_S_IFREG), expect;
	struct ext4_attr a;
	char text[64];
	int rc;

	pick_name(text);
	if (n < 0 || name_free() < 0)
		return;
	expect = nodes[n].links == 0 ? -ENOENT : name_find(dir, text) >= 0 ? -EEXIST : 0;
	rc = ext4_link(fs, nodes[n].id, nodes[dir].id, text, LEN(text), &a, test_now);
	if (rc == -ENOSPC)
		return;
	assert_int_equal(rc, expect);
	if (rc == 0) {
		nodes[n].links++;
		model_add(dir, text, n);
	}
}

static void unlinked(int n)
{
	nodes[n].links = nodes[n].type == EXT4_S_IFDIR ? 0 : nodes[n].links - 1;
	node_drop(n);
}

static void do_unlink(void)
{
	int dir = dir_pick(), i, expect = 0;
	bool rmdir = rnd(4) == 0;
	struct ext4_attr a;
	char text[64];

	pick_name(text);
	i = name_find(dir, text);
	if (i < 0)
		expect = -ENOENT;
	else if (rmdir != (nodes[names[i].node].type == EXT4_S_IFDIR))
		expect = rmdir ? -ENOTDIR : -EISDIR;
	else if (rmdir && !dir_empty(names[i].node))
		expect = -ENOTEMPTY;
	assert_int_equal(ext4_unlink(fs, nodes[dir].id, text, LEN(text), rmdir, &a, test_now), expect);
	if (expect < 0)
		return;
	names[i].dir = -1;
	if (rmdir)
		nodes[dir].links--;
	unlinked(names[i].node);
}

static bool below(int dir, int top)
{
	for (; dir != 0; dir = nodes[dir].parent) {
		if (dir == top)
			return true;
	}
	return top == 0;
}

static void model_reparent(int n, int from, int to)
{
	if (nodes[n].type != EXT4_S_IFDIR || from == to)
		return;
	nodes[n].parent = to;
	nodes[from].links--;
	nodes[to].links++;
}

static void do_rename(void)
{
	int from = dir_pick(), to = dir_pick(), i, j, a = -1, b = -1, expect = 0, rc;
	unsigned flags = rnd(6) == 0 ? EXT4_RENAME_EXCHANGE : rnd(6) == 0 ? EXT4_RENAME_NOREPLACE : 0;
	char text[64], new[64];

	pick_name(text);
	pick_name(new);
	i = name_find(from, text);
	j = name_find(to, new);
	if (i >= 0)
		a = names[i].node;
	if (j >= 0)
		b = names[j].node;
	if (i < 0)
		expect = -ENOENT;
	else if (j < 0 && flags == EXT4_RENAME_EXCHANGE)
		expect = -ENOENT;
	else if (j >= 0 && flags == EXT4_RENAME_NOREPLACE)
		expect = -EEXIST;
	else if (a == b)
		expect = 0;
	else if (j >= 0 && flags == 0 && (nodes[a].type == EXT4_S_IFDIR) != (nodes[b].type == EXT4_S_IFDIR))
		expect = nodes[a].type == EXT4_S_IFDIR ? -ENOTDIR : -EISDIR;
	else if (j >= 0 && flags == 0 && nodes[b].type == EXT4_S_IFDIR && !dir_empty(b))
		expect = -ENOTEMPTY;
	else if (nodes[a].type == EXT4_S_IFDIR && below(to, a))
		expect = -EINVAL;
	else if (flags == EXT4_RENAME_EXCHANGE && nodes[b].type == EXT4_S_IFDIR && below(from, b))
		expect = -EINVAL;
	rc = ext4_rename(fs, nodes[from].id, text, LEN(text), nodes[to].id, new, LEN(new), flags, test_now);
	if (rc == -ENOSPC)
		return;
	assert_int_equal(rc, expect);
	if (rc < 0 || a == b)
		return;
	if (flags == EXT4_RENAME_EXCHANGE) {
		names[i].node = b;
		names[j].node = a;
		model_reparent(a, from, to);
		model_reparent(b, to, from);
		return;
	}
	if (j >= 0) {
		names[j].dir = -1;
		if (nodes[b].type == EXT4_S_IFDIR)
			nodes[to].links--;
		unlinked(b);
	}
	names[i].dir = to;
	strcpy(names[i].text, new);
	model_reparent(a, from, to);
}

static void grow(struct node *n, u32 size)
{
	if (size <= n->size)
		return;
	n->data = realloc(n->data, size);
	memset(n->data + n->size, 0, size - n->size);
	n->size = size;
}

static void do_write(void)
{
	static u8 buf[50000];
	int n = node_pick(EXT4_S_IFREG);
	u32 off = rnd(4) ? rnd(40000) : rnd(MAX_FILE - 50000), len = rnd(2) ? 1 + rnd(5000) : 1 + rnd(50000);
	u64 size;
	s64 got;

	if (n < 0)
		return;
	if (rnd(2))
		off &= ~1023u;
	if (rnd(3) == 0)
		off = nodes[n].size < MAX_FILE - 50000 ? nodes[n].size : off;
	for (u32 i = 0; i < len; i++)
		buf[i] = (u8)(seed >> (i % 50)) ^ (u8)i;
	got = ext4_write(fs, nodes[n].id, off, buf, len, test_now, &size);
	if (got == -ENOSPC)
		return;
	assert_true(got > 0 && got <= len);
	grow(&nodes[n], off + (u32)got);
	memcpy(nodes[n].data + off, buf, (size_t)got);
	assert_int_equal(size, nodes[n].size);
}

static void do_truncate(void)
{
	int n = node_pick(EXT4_S_IFREG);
	u32 size = rnd(3) ? rnd(30000) : rnd(MAX_FILE);

	if (n < 0)
		return;
	if (rnd(4) == 0)
		size = 0;
	assert_int_equal(ext4_truncate(fs, nodes[n].id, size, test_now), 0);
	grow(&nodes[n], size);
	nodes[n].size = size;
}

static void check_file(const struct node *n)
{
	static u8 buf[MAX_FILE + 10];
	u32 off = rnd(2) ? 0 : rnd(n->size + 1), len = rnd(2) ? MAX_FILE + 10 : rnd(9000);
	struct ext4_attr a;
	s64 got;

	assert_int_equal(ext4_getattr(fs, n->id, &a), 0);
	assert_int_equal(a.nlink, n->links);
	assert_int_equal(a.mode & EXT4_S_IFMT, n->type);
	if (n->type == EXT4_S_IFREG) {
		assert_int_equal(a.size, n->size);
		got = ext4_read(fs, n->id, off, buf, len);
		assert_int_equal(got, MIN(len, n->size - off));
		if (got > 0)
			assert_memory_equal(buf, n->data + off, (size_t)got);
	} else if (n->type == EXT4_S_IFLNK) {
		assert_int_equal(ext4_readlink(fs, n->id, (char *)buf, sizeof(buf)), n->size);
		assert_memory_equal(buf, n->data, n->size);
	}
}

struct listing {
	int dir;
	u32 seen, budget;
	u64 cookie;
	bool more;
};

static bool check_entry(void *arg, const struct ext4_dent *d)
{
	struct listing *l = arg;
	char text[256];
	int i;

	if (l->budget-- == 0) {
		l->more = true;
		return false;
	}
	l->cookie = d->cookie;
	memcpy(text, d->name, d->len);
	text[d->len] = 0;
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || strcmp(text, "lost+found") == 0)
		return true;
	i = name_find(l->dir, text);
	assert_true(i >= 0);
	assert_int_equal(nodes[names[i].node].id.ino, d->ino);
	l->seen++;
	return true;
}

static void check_dir(int dir)
{
	struct listing l = { .dir = dir };
	u32 expect = 0;

	do {
		l.budget = 1 + rnd(40);
		l.more = false;
		assert_int_equal(ext4_readdir(fs, nodes[dir].id, l.cookie, check_entry, &l), 0);
	} while (l.more);
	for (int i = 0; i < MAX_NAMES; i++)
		expect += names[i].dir == dir;
	assert_int_equal(l.seen, expect);
}

static void do_hold(void)
{
	int n = node_pick(rnd(4) ? EXT4_S_IFREG : EXT4_S_IFDIR);
	struct ext4_attr a;

	if (n <= 0)
		return;
	if (nodes[n].held == 0 || rnd(2)) {
		if (nodes[n].held == 0 && nodes[n].links == 0)
			return;
		assert_int_equal(ext4_hold(fs, nodes[n].id, &a), 0);
		nodes[n].held++;
	} else {
		assert_int_equal(ext4_release(fs, nodes[n].id, test_now), 0);
		nodes[n].held--;
		node_drop(n);
	}
}

static void step(void)
{
	static void (*const ops[])(void) = {
		do_create, do_create, do_create, do_link, do_unlink, do_unlink, do_rename, do_rename,
		do_write, do_write, do_write, do_truncate, do_hold,
	};
	int n;

	ops[rnd(ARRAY_SIZE(ops))]();
	n = (int)rnd(MAX_NODES);
	if (nodes[n].type != 0)
		check_file(&nodes[n]);
	if (nodes[n].type == EXT4_S_IFDIR && nodes[n].links > 0)
		check_dir(n);
	assert_false(fs->corrupt);
}

/* Where in the model's tree a node's first name is. */
static void path_of(int dir, char *path)
{
	if (dir == 0)
		return;
	for (int i = 0; i < MAX_NAMES; i++) {
		if (names[i].dir >= 0 && names[i].node == dir) {
			path_of(names[i].dir, path);
			strcat(path, "/");
			strcat(path, names[i].text);
			return;
		}
	}
}

/* What debugfs takes out of the image is what the model holds. */
static void check_dump(void)
{
	sh("rm -rf out && mkdir out && debugfs -R 'rdump / out' img > dump.log 2>&1");
	for (int i = 0; i < MAX_NAMES; i++) {
		struct node *n = &nodes[names[i].node];
		char path[2048];
		struct stat st;

		if (names[i].dir < 0)
			continue;
		snprintf(path, sizeof(path), "%s/out", test_dir);
		path_of(names[i].dir, path);
		strcat(path, "/");
		strcat(path, names[i].text);
		if (n->type == EXT4_S_IFIFO)
			continue;		/* debugfs leaves them out */
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode & EXT4_S_IFMT, n->type);
		if (n->type == EXT4_S_IFREG) {
			u8 *have = malloc(n->size + 1);
			int fd = open(path, O_RDONLY);

			assert_int_equal(st.st_size, n->size);
			assert_int_equal(read(fd, have, n->size + 1), n->size);
			if (n->size > 0)
				assert_memory_equal(have, n->data, n->size);
			close(fd);
			free(have);
		}
	}
}

static void remount(struct disk *d)
{
	test_unmount(fs, d);
	disk_check(d);
	for (int i = 0; i < MAX_NODES; i++) {
		if (nodes[i].type != 0 && nodes[i].held > 0) {
			nodes[i].held = 0;
			node_drop(i);
		}
	}
	check_dump();
	fs = test_mount(d);
	for (int i = 0; i < MAX_NODES; i++) {
		if (nodes[i].type != 0)
			check_file(&nodes[i]);
		if (nodes[i].type == EXT4_S_IFDIR)
			check_dir(i);
	}
}

static void run(const char *options, const char *size, u64 start, u32 steps)
{
	struct disk *d = disk_make(options, size, NULL);

	seed = start;
	memset(nodes, 0, sizeof(nodes));
	for (int i = 0; i < MAX_NAMES; i++)
		names[i].dir = -1;
	fs = test_mount(d);
	nodes[0] = (struct node){ .id = ext4_root(fs), .type = EXT4_S_IFDIR, .links = 3 };	/* with lost+found */
	for (u32 i = 0; i < steps; i++) {
		if (i % 1000 == 999)
			remount(d);
		step();
	}
	remount(d);
	test_unmount(fs, d);
	for (int i = 0; i < MAX_NODES; i++)
		free(nodes[i].data);
	disk_free(d);
}

static void small_blocks(void **state) { run("-t ext4 -b 1024", "12M", 1, 5000); }
static void middle_blocks(void **state) { run("-t ext4 -b 2048", "16M", 2, 5000); }
static void large_blocks(void **state) { run("-t ext4 -b 4096", "24M", 3, 5000); }
static void nearly_full(void **state) { run("-t ext4 -b 1024 -N 128 -O ^has_journal", "3M", 4, 5000); }
static void many_groups(void **state) { run("-t ext4 -b 1024 -g 512 -G 4", "12M", 5, 5000); }
static void no_checksums(void **state) { run("-t ext4 -b 1024 -I 128 -O ^metadata_csum,^64bit,uninit_bg", "12M", 6, 5000); }
static void more_of_it(void **state)
{
	const char *more = getenv("EXT4_MODEL_RUNS");	/* for a longer look by hand */

	for (int i = 0; more != NULL && i < atoi(more); i++)
		run(i % 2 ? "-t ext4 -b 1024 -g 1024" : "-t ext4 -b 4096", "10M", 1000 + (u64)i, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_blocks),
		cmocka_unit_test(middle_blocks),
		cmocka_unit_test(large_blocks),
		cmocka_unit_test(nearly_full),
		cmocka_unit_test(many_groups),
		cmocka_unit_test(no_checksums),
		cmocka_unit_test(more_of_it),
	};

	return cmocka_run_group_tests(tests, test_begin, test_end);
}
