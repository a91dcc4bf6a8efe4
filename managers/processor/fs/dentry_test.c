/* SPDX-License-Identifier: MIT */
/* Files that the storage node holds for us go by a call to it: never under tree_mutex, whoever puts the last of them. White box. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/thread.h"
#include "managers/processor/fs/dentry.c"

unsigned fs_binds;
static u32 released;			/* [a] */
static bool under_mutex;

void mount_put(struct mount *m) { }
void mount_inherit_locked(struct inode *i, const struct inode *dir) { }
void inotify_gone(struct inode *i) { }
int fs_lookup(struct fs_context *c, struct dentry *start, const char *path, unsigned flags, struct dentry **out) { return -ENOENT; }
int fs_mount(const char *path, struct inode *root, const char *type) { return -ENODEV; }
int storagefs_volumes(unsigned node, int (*fn)(const char *path, struct inode *root, void *arg), void *arg) { return -EHOSTDOWN; }
int synthfs_mount(void) { return 0; }
void tmpfs_init(void) { }
void open_init(void) { }
int tmpfs_mount(void) { return 0; }
const char *fit_node_name(unsigned node) { return "node"; }
bool fit_node_up(unsigned node) { return false; }
enum node_role fit_node_role(unsigned node) { return ROLE_NONE; }
unsigned fit_missing(void) { return 0; }
int fit_wait_role(enum node_role role, u64 timeout_ns) { return -ETIMEDOUT; }

static void release(struct inode *i)
{
	under_mutex |= mutex_held(&tree_mutex);
	__atomic_fetch_add(&released, 1, __ATOMIC_SEQ_CST);
}

static const struct inode_ops ops = { .release = release };

/* A name in a folder for what has none, as O_TMPFILE makes it. */
static struct dentry *nameless(struct dentry *folder)
{
	struct inode *i = inode_alloc(&ops, S_IFREG | 0600);
	struct dentry *d;

	i->held = true;
	mutex_lock(&tree_mutex);
	d = dentry_add_locked(folder, "#1", 2, i);
	dentry_unhook_locked(d);
	mutex_unlock(&tree_mutex);
	return d;
}

static void held(void **state)
{
	static const struct inode_ops folder_ops;
	struct dentry *folder, *d;

	fs_init();
	mutex_lock(&tree_mutex);
	folder = dentry_add_locked(NULL, "", 0, inode_alloc(&folder_ops, S_IFDIR | 0755));
	mutex_unlock(&tree_mutex);
	d = nameless(folder);
	dentry_put(d);
	assert_int_equal(released, 1);		/* whoever closes a file waits for it */
	assert_false(under_mutex);
	d = nameless(folder);
	mutex_lock(&tree_mutex);
	dentry_put_locked(d);			/* as a walk does */
	assert_int_equal(released, 1);
	mutex_unlock(&tree_mutex);
	while (__atomic_load_n(&released, __ATOMIC_SEQ_CST) != 2)
		thread_yield();
	assert_false(under_mutex);
	mutex_lock(&tree_mutex);
	dentry_unhook_locked(folder);
	mutex_unlock(&tree_mutex);
	dentry_put(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(held) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
