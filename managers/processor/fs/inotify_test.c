/* SPDX-License-Identifier: MIT */
/* inotify: who is told of what, by which name, and how often. White box; files are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "managers/processor/fs/inotify.c"

DEFINE_MUTEX(tree_mutex, RANK_FS_TREE);
static struct inode folder = { .ino = 1, .type = S_IFDIR }, plain = { .ino = 2, .type = S_IFREG };
static struct dentry top = { .inode = &folder, .name = "top" };
static struct dentry name = { .inode = &plain, .name = "name", .parent = &top };
static struct file opened = { .inode = &plain, .dentry = &name };
static struct instance in;
static struct file in_file = { .ops = &inotify_ops, .private = &in, .flags = O_NONBLOCK };

void inode_get(struct inode *i) { ref_get(&i->refs); }
void inode_put(struct inode *i) { assert_false(ref_put(&i->refs)); }
void dentry_put(struct dentry *d) { }
struct dentry *dentry_of_inode_locked(const struct inode *i, bool (*is)(const struct inode *a, const struct inode *b)) { return NULL; }
s64 anon_seek(struct file *f, s64 off, int whence) { return 0; }
struct file *anon_file(const struct file_ops *ops, void *private, u32 flags) { return NULL; }
s64 anon_install(struct file *f, bool cloexec) { return -EMFILE; }
struct file *anon_get(u64 fd, const struct file_ops *ops, s64 *error) { return &in_file; }
struct file *fd_get(int fd) { return &in_file; }
void file_put(struct file *f) { }
int fs_permission(struct inode *i, unsigned want) { return 0; }
int lookup_user(s32 fd, u64 path, bool empty, unsigned flags, struct inode **out) { return -ENOENT; }
int put_user32(u64 to, u32 value) { return 0; }
u64 frames_total(void) { return 160; }
u64 frames_free_count(void) { return 100; }

static void begin(void)
{
	list_init(&in.watches);
	list_init(&in.events);
	waitq_init(&in.wait);
	in.next_wd = 1;
	name.dead = false;
	ref_init(&folder.refs, 1);
	ref_init(&plain.refs, 1);
}

static void no_more(void)
{
	struct event_abi e;

	assert_int_equal(inotify_read(&in_file, &e, sizeof(e), NULL), -EAGAIN);
}

/* The next event is this one. */
static void event(s32 wd, u32 mask, const char *called)
{
	struct { struct event_abi head; char name[16]; } e;
	u32 len = called[0] != '\0' ? 16 : 0;

	assert_int_equal(inotify_read(&in_file, &e, sizeof(e.head) + len, NULL), sizeof(e.head) + len);
	assert_int_equal(e.head.wd, wd);
	assert_int_equal(e.head.mask, mask);
	assert_int_equal(e.head.len, len);
	if (len != 0)
		assert_string_equal(e.name, called);
}

static void end(void)
{
	while (!list_empty(&in.watches))
		assert_int_equal(sys_inotify_rm_watch(0, list_first(&in.watches, struct watch, instance_link)->wd, 0, 0, 0, 0), 0);
	while (!list_empty(&in.events))
		event_free(&in, list_first(&in.events, struct event, link));
	assert_int_equal(in.bytes, 0);
	assert_int_equal(inotify_watches, 0);
	assert_int_equal(ref_read(&plain.refs), 1);
	assert_int_equal(ref_read(&folder.refs), 1);
}

static void folder_and_file_are_told(void **state)
{
	begin();
	assert_int_equal(watch_add(&in, &folder, IN_ALL), 1);
	assert_int_equal(watch_add(&in, &plain, IN_ALL), 2);
	inotify_file(&opened, IN_MODIFY);
	event(1, IN_MODIFY, "name");
	event(2, IN_MODIFY, "");
	assert_int_equal(watch_add(&in, &folder, IN_OPEN), 1);
	inotify_file(&opened, IN_MODIFY);
	inotify_file(&opened, IN_MODIFY);			/* said once */
	event(2, IN_MODIFY, "");
	no_more();
	end();
}

/* Opened by a name that is gone, the file is nothing to those who asked not to hear of that. */
static void unlinked_is_left_out(void **state)
{
	begin();
	assert_int_equal(watch_add(&in, &folder, IN_ALL | IN_EXCL_UNLINK), 1);
	assert_int_equal(watch_add(&in, &plain, IN_ALL | IN_EXCL_UNLINK), 2);
	name.dead = true;
	inotify_file(&opened, IN_MODIFY);
	no_more();
	assert_int_equal(watch_add(&in, &plain, IN_MODIFY), 2);
	inotify_file(&opened, IN_MODIFY);
	event(2, IN_MODIFY, "");
	no_more();
	end();
}

static void watches_end(void **state)
{
	begin();
	assert_int_equal(watch_add(&in, &plain, IN_OPEN | IN_ONESHOT), 1);
	inotify_file(&opened, IN_OPEN);
	event(1, IN_OPEN, "");
	event(1, IN_IGNORED, "");
	assert_int_equal(watch_add(&in, &plain, IN_DELETE_SELF), 2);
	inotify_gone(&plain);
	event(2, IN_DELETE_SELF, "");
	event(2, IN_IGNORED, "");
	no_more();
	assert_int_equal(inotify_watches, 0);
	end();
}

static void full_queue_says_so(void **state)
{
	struct event_abi e;

	begin();
	assert_int_equal(watch_add(&in, &plain, IN_ALL), 1);
	for (int i = 0; i < EVENTS_MAX + 10; i++)
		inotify_self(&plain, i % 2 ? IN_OPEN : IN_ACCESS);
	for (int i = 0; i < EVENTS_MAX; i++)
		event(1, i % 2 ? IN_OPEN : IN_ACCESS, "");
	assert_int_equal(inotify_read(&in_file, &e, sizeof(e), NULL), sizeof(e));
	assert_int_equal(e.mask, IN_Q_OVERFLOW);
	assert_int_equal(e.wd, -1);
	no_more();
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folder_and_file_are_told),
		cmocka_unit_test(unlinked_is_left_out),
		cmocka_unit_test(watches_end),
		cmocka_unit_test(full_queue_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
