/* SPDX-License-Identifier: MIT */
/*
 * The tree of names: dentries, inodes' references, mounts, contexts.
 *
 * Names are cached in one hash table, by parent and name, found or known to be missing (inode NULL). Cached dentries that nobody else uses
 * hang on an LRU list and go when there are too many. All under tree_mutex.
 */
#include "managers/processor/fs/dentry.h"

#include "kernel/thread.h"
#include "kernel/work.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "lib/base/printk.h"
#include "lib/hash.h"
#include "managers/processor/fs/inotify.h"
#include "managers/processor/fs/mount.h"
#include "mm/slab.h"
#include "net/fit/rpc.h"

#define UNUSED_MAX	4096
#define NAME_BITS	11

DEFINE_MUTEX(tree_mutex, RANK_FS_TREE);
static struct list unused = LIST_INIT(unused);	/* [tree_mutex] */
static struct list names[1 << NAME_BITS];	/* [tree_mutex] */
static unsigned nr_unused;			/* [tree_mutex] */
/* Dentries that are gone but for their inodes, by unused_link: giving those back is a call, which waits until tree_mutex is free. */
static struct list let_go = LIST_INIT(let_go);	/* [tree_mutex] */
static struct work let_go_work;			/* ... for what no dentry_put() is about to take off it */
struct work_queue *fs_let_go_queue;		/* [I] */
struct dentry *fs_root;				/* [I after boot] */

static struct list *bucket_of(const struct dentry *parent, u64 hash)
{
	return &names[hash_bits((uintptr_t)parent ^ hash, NAME_BITS)];
}

struct inode *inode_alloc(const struct inode_ops *ops, u32 mode)
{
	struct inode *i = kzalloc(sizeof(*i));

	if (i == NULL)
		return NULL;
	ref_init(&i->refs, 1);
	i->ops = ops;
	i->type = mode & S_IFMT;
	i->mode = mode;
	return i;
}

void inode_get(struct inode *i)
{
	ref_get(&i->refs);
}

void inode_put(struct inode *i)
{
	if (!ref_put(&i->refs))
		return;
	if (i->ops->release != NULL)
		i->ops->release(i);
	mount_put(i->mount);
	kfree(i);
}

/* Its parent, whose reference it had, is the caller's to put. */
static struct dentry *dentry_free(struct dentry *d)
{
	struct dentry *parent = d->parent;

	list_del(&d->hash_link);
	if (d->last_name)
		inotify_gone(d->inode);
	if (d->inode != NULL && d->inode->held) {
		list_add_tail(&let_go, &d->unused_link);
		work_queue_add(fs_let_go_queue, &let_go_work);
		return parent;
	}
	if (d->inode != NULL)
		inode_put(d->inode);
	kfree(d->name);
	kfree(d);
	return parent;
}

/* tree_mutex held. An unused dentry stays for the next walk, unless it has been unhooked. A loop: names may be very deep. */
void dentry_put_locked(struct dentry *d)
{
	while (d != NULL && ref_put(&d->refs)) {
		struct dentry *old = d;

		if (!d->dead && (d->parent == NULL || !d->parent->inode->no_cache)) {
			list_add_tail(&unused, &d->unused_link);
			if (++nr_unused <= UNUSED_MAX)
				return;
			old = list_first(&unused, struct dentry, unused_link);
			list_del(&old->unused_link);
			nr_unused--;
		}
		d = dentry_free(old);
	}
}

/* tree_mutex held */
void dentry_get_locked(struct dentry *d)
{
	if (ref_read(&d->refs) == 0) {
		list_del(&d->unused_link);
		nr_unused--;
	}
	ref_get(&d->refs);
}

void dentry_get(struct dentry *d)
{
	ref_get(&d->refs);		/* the caller has one already */
}

/* Takes tree_mutex; d NULL: there is nothing to put but what others have let go. */
static void put_and_let_go(struct dentry *d)
{
	struct list gone = LIST_INIT(gone);
	struct dentry *g;

	mutex_lock(&tree_mutex);
	dentry_put_locked(d);
	list_splice_tail(&gone, &let_go);
	mutex_unlock(&tree_mutex);
	while ((g = list_first(&gone, struct dentry, unused_link)) != NULL) {
		list_del(&g->unused_link);
		inode_put(g->inode);
		kfree(g->name);
		kfree(g);
	}
}

static void let_go_run(struct work *w) { put_and_let_go(NULL); }

void dentry_put(struct dentry *d) { put_and_let_go(d); }

struct inode *dentry_inode(struct dentry *d)
{
	return d->inode;
}

/* Takes over the inode's reference (NULL: a name that is known to be missing). The child holds its parent. */
struct dentry *dentry_add_locked(struct dentry *parent, const char *name, size_t len, struct inode *i)
{
	struct dentry *d = kzalloc(sizeof(*d));

	if (d != NULL)
		d->name = kmalloc(len + 1);
	if (d == NULL || d->name == NULL) {
		kfree(d);
		if (i != NULL)
			inode_put(i);
		return NULL;
	}
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	ref_init(&d->refs, 1);
	list_init(&d->hash_link);
	list_init(&d->unused_link);
	d->inode = i;
	d->parent = parent;
	if (parent != NULL) {
		dentry_get_locked(parent);
		if (i != NULL)
			mount_inherit_locked(i, parent->inode);
		/* walks do not look for what is below such a folder: kept names would never be found again */
		if (i != NULL && i->type == S_IFDIR && parent->inode->no_cache)
			i->no_cache = true;
		d->hash = hash_bytes(name, len);
		list_add_head(bucket_of(parent, d->hash), &d->hash_link);
	}
	return d;
}

struct dentry *dentry_nameless_locked(struct inode *i)
{
	struct dentry *d = dentry_add_locked(NULL, "", 0, i);

	if (d != NULL)
		d->dead = true;		/* goes with its last reference */
	return d;
}

struct dentry *dentry_child_locked(struct dentry *parent, const char *name, size_t len)
{
	u64 hash = hash_bytes(name, len);
	struct dentry *d;

	list_for_each(d, bucket_of(parent, hash), hash_link) {
		if (d->parent == parent && d->hash == hash && strncmp(d->name, name, len) == 0 && d->name[len] == '\0') {
			dentry_get_locked(d);
			return d;
		}
	}
	return NULL;
}

struct dentry *dentry_of_inode_locked(const struct inode *i, bool (*same)(const struct inode *a, const struct inode *b))
{
	struct dentry *d;

	for (unsigned n = 0; n < ARRAY_SIZE(names); n++) {
		if (names[n].next == NULL)
			continue;
		list_for_each(d, &names[n], hash_link) {
			if (d->inode == NULL || !same(d->inode, i))
				continue;
			dentry_get_locked(d);
			return d;
		}
	}
	return NULL;
}

/* The name is gone or means something else now: whoever has it open keeps it, new walks look again. */
void dentry_unhook_locked(struct dentry *d)
{
	list_del(&d->hash_link);
	d->dead = true;
}

/* Of a folder that stands in several places: what the others have kept of the name. */
static struct dentry *find_elsewhere(struct list *bucket, const struct dentry *parent, u64 hash, const char *name)
{
	const struct inode *dir = parent->inode;
	struct dentry *d;

	list_for_each(d, bucket, hash_link)
		if (d->hash == hash && d->parent != parent && d->parent->inode->dev == dir->dev && d->parent->inode->ino == dir->ino &&
		    strcmp(d->name, name) == 0)
			return d;
	return NULL;
}

static void forget_elsewhere(const struct dentry *parent, const char *name)
{
	u64 hash = hash_bytes(name, strlen(name));
	struct dentry *d;

	for (unsigned n = 0; fs_binds != 0 && n < ARRAY_SIZE(names); n++) {
		while ((d = find_elsewhere(&names[n], parent, hash, name)) != NULL) {	/* from the start: a put may free others, too */
			dentry_get_locked(d);
			dentry_unhook_locked(d);
			dentry_put_locked(d);
		}
	}
}

void dentries_forget_locked(struct dentry *root)
{
	struct dentry *d, *next;
	bool some;

	do {						/* again: parents go after their children */
		some = false;
		list_for_each_safe(d, next, &unused, unused_link) {
			const struct dentry *up = d;

			while (up != NULL && up != root)
				up = up->parent;
			if (up == NULL)
				continue;
			list_del(&d->unused_link);
			nr_unused--;
			dentry_put_locked(dentry_free(d));
			some = true;
		}
	} while (some);
}

void dentry_forget_locked(struct dentry *parent, const char *name)
{
	struct dentry *d = dentry_child_locked(parent, name, strlen(name));

	forget_elsewhere(parent, name);
	if (d == NULL)
		return;
	dentry_unhook_locked(d);
	dentry_put_locked(d);
}

void dentry_move_locked(struct dentry *from, const char *old, struct dentry *to, const char *new)
{
	struct dentry *d = dentry_child_locked(from, old, strlen(old));
	char *name = kstrdup(new);

	forget_elsewhere(from, old);
	forget_elsewhere(to, new);
	if (d == NULL || d->inode == NULL || name == NULL) {
		if (d != NULL) {
			dentry_unhook_locked(d);
			dentry_put_locked(d);
		}
		kfree(name);
		return;
	}
	kfree(d->name);
	d->name = name;
	d->hash = hash_bytes(name, strlen(name));
	dentry_get_locked(to);
	d->parent = to;
	list_del(&d->hash_link);
	list_add_head(bucket_of(to, d->hash), &d->hash_link);
	dentry_put_locked(from);		/* what d had of it */
	dentry_put_locked(d);
}

static s64 path_of(struct dentry *d, struct dentry *root, char *buf, size_t size, bool *dead)
{
	size_t at = size;

	*dead = false;

	while (d != root && d != NULL) {
		size_t len;

		if (d->covers != NULL) {		/* the root of a mount: its name is the mount point's */
			d = d->covers;
			continue;
		}
		if (d->parent == NULL)
			break;
		*dead |= d->dead;
		len = strlen(d->name);
		if (at < len + 1)
			return -ENAMETOOLONG;
		at -= len;
		memcpy(buf + at, d->name, len);
		buf[--at] = '/';
		d = d->parent;
	}
	if (at == size) {
		if (at == 0)
			return -ENAMETOOLONG;
		buf[--at] = '/';
	}
	memmove(buf, buf + at, size - at);
	if (size - at < size)
		buf[size - at] = '\0';
	return size - at;
}

s64 dentry_path_locked(struct dentry *d, struct dentry *root, char *buf, size_t size)
{
	bool dead;
	s64 n = path_of(d, root, buf, size, &dead);

	return dead ? -ENOENT : n;
}

s64 dentry_show_locked(struct dentry *d, char *buf, size_t size)
{
	static const char word[] = " (deleted)";
	bool dead;
	s64 n = path_of(d, NULL, buf, size, &dead);

	if (n < 0 || !dead || n + sizeof(word) > size)
		return n;
	memcpy(buf + n, word, sizeof(word));
	return n + sizeof(word) - 1;
}

s64 dentry_show(struct dentry *d, char *buf, size_t size)
{
	s64 n;

	mutex_lock(&tree_mutex);
	n = dentry_show_locked(d, buf, size);
	mutex_unlock(&tree_mutex);
	return n;
}

s64 dentry_path(struct dentry *d, struct dentry *root, char *buf, size_t size)
{
	s64 n;

	mutex_lock(&tree_mutex);
	n = dentry_path_locked(d, root, buf, size);
	mutex_unlock(&tree_mutex);
	return n;
}

s64 fs_readlink(struct dentry *d, char *buf, size_t size)
{
	s64 n;

	if (d->inode->type != S_IFLNK)
		return -EINVAL;
	mutex_lock(&tree_mutex);
	n = d->inode->ops->readlink(d->inode, buf, size);
	mutex_unlock(&tree_mutex);
	return n;
}

/* --- contexts --- */

static struct fs_context *context_alloc(struct dentry *cwd, struct dentry *root, u32 umask)
{
	struct fs_context *c = kzalloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	ref_init(&c->refs, 1);
	mutex_init(&c->lock, "fs context", RANK_MUTEX_LEAF);
	c->cwd = cwd;
	c->root = root;
	c->umask = umask;
	dentry_get(cwd);
	dentry_get(root);
	return c;
}

int fs_context_create(const char *cwd, struct fs_context **out)
{
	struct fs_context *c;
	struct dentry *d;
	int rc;

	if (fs_root == NULL)		/* the host may ask for a program while this node waits for who has it */
		return -EHOSTDOWN;
	c = context_alloc(fs_root, fs_root, 022);
	if (c == NULL)
		return -ENOMEM;
	if (cwd != NULL) {
		rc = fs_lookup(c, NULL, cwd, WALK_FOLLOW | WALK_DIRECTORY, &d);
		if (rc < 0) {
			fs_context_put(c);
			return rc;
		}
		dentry_put(c->cwd);
		c->cwd = d;
	}
	*out = c;
	return 0;
}

struct fs_context *fs_context_copy(struct fs_context *old)
{
	struct fs_context *c;

	mutex_lock(&old->lock);
	c = context_alloc(old->cwd, old->root, old->umask);
	mutex_unlock(&old->lock);
	return c;
}

void fs_context_get(struct fs_context *c)
{
	ref_get(&c->refs);
}

void fs_context_put(struct fs_context *c)
{
	if (!ref_put(&c->refs))
		return;
	dentry_put(c->cwd);
	dentry_put(c->root);
	kfree(c);
}

/* --- the tree at boot: what the storage nodes have, each where it says it belongs, then what is made here --- */

static int mount_volume(const char *path, struct inode *root, void *first)
{
	unsigned node = root->node;
	int rc;

	if ((strcmp(path, "/") == 0) != *(bool *)first) {
		inode_put(root);
		return 0;
	}
	rc = fs_mount(path, root, "ext4");
	if (rc < 0 && rc != -ENOMEM && rc != -EHOSTDOWN) {
		pr_warn("fs: %s of %s cannot be mounted", path, fit_node_name(node));
		rc = 0;
	}
	return rc;
}

void fs_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		list_init(&names[i]);
	open_init();
	work_init(&let_go_work, let_go_run);
	fs_let_go_queue = work_queue_create("let-go", 1, PRIO_NORMAL);
	if (fs_let_go_queue == NULL)
		panic("no memory for names");
	tmpfs_init();
}

static int mount_all(void)
{
	int rc = 0;

	for (int pass = 0; pass < 2 && rc == 0; pass++) {
		bool first = pass == 0;

		for (unsigned node = 1; node < FIT_MAX_NODES && rc == 0; node++)
			if (fit_node_up(node) && fit_node_role(node) == ROLE_STORAGE)
				rc = storagefs_volumes(node, mount_volume, &first);
		if (rc == 0 && fs_root == NULL)		/* nor is there anything to mount the others on */
			rc = -ENODEV;
	}
	if (rc == 0)
		rc = synthfs_mount();
	return rc < 0 ? rc : tmpfs_mount();
}

int fs_mount_all(void)
{
	int rc = mount_all();

	if (rc == -ENODEV && (fit_missing() != 0 || fit_wait_role(ROLE_STORAGE, 1) < 0))
		rc = -EHOSTDOWN;		/* who has it may have gone just now */
	if (rc == -EHOSTDOWN)
		pr_warn("fs: a storage node went while its volumes were mounted: again when it is back");
	else if (rc == -ENODEV)
		pr_err("fs: no storage node has a volume for /");
	return rc;
}
