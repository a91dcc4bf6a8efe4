/* SPDX-License-Identifier: MIT */
/* The mounts and what mount(2) and umount(2) do with them. */
#include "managers/processor/fs/mount.h"

#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/fs/dentry.h"
#include "mm/slab.h"

static struct list mounts = LIST_INIT(mounts);	/* [tree_mutex] */
static u32 next_id;				/* [tree_mutex] */
unsigned fs_binds;

void mount_put(struct mount *m)
{
	if (m == NULL || !ref_put(&m->refs))
		return;
	kfree(m->source);
	kfree(m);
}

void mount_inherit_locked(struct inode *i, const struct inode *dir)
{
	if (i->mount != NULL || dir->mount == NULL)
		return;
	ref_get(&dir->mount->refs);
	i->mount = dir->mount;
}

static struct mount *mount_alloc(const char *type, const char *source, u32 flags, u32 fs_flags)
{
	struct mount *m = kzalloc(sizeof(*m));

	if (m == NULL)
		return NULL;
	ref_init(&m->refs, 1);
	list_init(&m->link);
	m->type = type;
	m->flags = flags;
	m->fs_flags = fs_flags;
	m->source = source != NULL && *source != '\0' ? kstrdup(source) : NULL;
	return m;
}

/* Whose root this is; NULL: no mount's. tree_mutex held */
static struct mount *mount_of_root(const struct dentry *d)
{
	return d->inode->mount != NULL && d->inode->mount->root == d ? d->inode->mount : NULL;
}

/* tree_mutex held; at has room: nothing is mounted on it yet */
static void stand(struct dentry *root, struct dentry *at)
{
	dentry_get_locked(at);
	at->mounted = root;
	root->covers = at;
}

/* at NULL: it is the root of all. Takes over the references of m and root. */
static int attach(struct mount *m, struct inode *root, struct dentry *at)
{
	struct dentry *d;
	int rc = 0;

	mutex_lock(&tree_mutex);
	root->mount_root = true;
	root->mount = m;
	ref_get(&m->refs);
	if (at != NULL && (at->inode->type == S_IFDIR) != (root->type == S_IFDIR))
		rc = -ENOTDIR;
	else if (at != NULL && at->dead)
		rc = -ENOENT;
	else if (at != NULL && at->mounted != NULL)
		rc = -EBUSY;			/* somebody came first */
	if (rc < 0) {
		mutex_unlock(&tree_mutex);
		inode_put(root);
		mount_put(m);
		return rc;
	}
	d = dentry_add_locked(NULL, "/", 1, root);	/* gives the inode back itself where it fails */
	if (d != NULL) {
		m->root = d;
		m->dev = root->dev;
		m->id = next_id++;
		list_add_tail(&mounts, &m->link);
		if (at != NULL)
			stand(d, at);
		else
			fs_root = d;
	}
	mutex_unlock(&tree_mutex);
	if (d == NULL)
		mount_put(m);
	return d != NULL ? 0 : -ENOMEM;
}

/* Where path leads: nowhere yet for the root of all. 1: root stands there already */
static int boot_place(const char *path, const struct inode *root, struct dentry **at)
{
	struct fs_context *c;
	int rc;

	if (strcmp(path, "/") == 0)
		return fs_root == NULL ? 0 : fs_root->inode->dev == root->dev ? 1 : -EBUSY;
	rc = fs_context_create(NULL, &c);
	if (rc < 0)
		return rc;
	rc = fs_lookup(c, NULL, path, WALK_FOLLOW | WALK_DIRECTORY, at);
	fs_context_put(c);
	if (rc < 0 && rc != -EHOSTDOWN)
		pr_warn("fs: nothing to mount on: there is no directory %s", path);
	return rc == 0 && (*at)->inode->mount_root && (*at)->inode->dev == root->dev ? 1 : rc;
}

int fs_mount(const char *path, struct inode *root, const char *type)
{
	struct dentry *at = NULL;
	int rc = boot_place(path, root, &at);
	struct mount *m = rc == 0 ? mount_alloc(type, NULL, 0, 0) : NULL;

	if (m != NULL)
		rc = attach(m, root, at);
	else
		inode_put(root);
	if (at != NULL)
		dentry_put(at);
	return m != NULL || rc < 0 ? rc : rc == 1 ? 0 : -ENOMEM;
}

/* --- mount(2) --- */

static int root_of_type(const char *type, const char *options, struct inode **out, const char **name)
{
	if (strcmp(type, "tmpfs") == 0 || strcmp(type, "ramfs") == 0) {
		*name = type[0] == 't' ? "tmpfs" : "ramfs";
		return tmpfs_root(options, out);
	}
	return synthfs_root(type, out, name);
}

int fs_mount_new(struct dentry *at, const char *type, const char *source, const char *options, u32 flags)
{
	const char *name = NULL;
	struct inode *root;
	struct mount *m;
	int rc = root_of_type(type, options, &root, &name);

	if (rc < 0)
		return rc;
	m = mount_alloc(name, source, flags & MS_KEPT, flags & MS_RDONLY);
	if (m == NULL) {
		inode_put(root);
		return -ENOMEM;
	}
	return attach(m, root, at);
}

/* Does a stand below b, whatever is mounted in between? tree_mutex held */
static bool stands_below(const struct dentry *a, const struct dentry *b)
{
	for (; a != NULL; a = a->parent != NULL ? a->parent : a->covers)
		if (a == b)
			return true;
	return false;
}

/* The mount below d that was made last; NULL: none. tree_mutex held */
static struct mount *mount_below(const struct dentry *d)
{
	struct mount *m, *found = NULL;

	list_for_each(m, &mounts, link)
		if (m->root != d && m->root->covers != NULL && stands_below(m->root->covers, d))
			found = m;
	return found;
}

int fs_mount_bind(struct dentry *at, struct dentry *what, bool recursive)
{
	const struct mount *from = what->inode->mount;
	struct inode *again;
	struct mount *m;
	int rc = from == NULL || what->dead || what->inode->ops->again == NULL ? -EINVAL : 0;

	mutex_lock(&tree_mutex);
	if (rc == 0 && recursive && mount_below(what) != NULL)
		rc = -EINVAL;			/* what is mounted in it cannot come with it */
	mutex_unlock(&tree_mutex);
	if (rc == 0)
		rc = what->inode->ops->again(what->inode, &again);
	if (rc < 0)
		return rc;
	m = mount_alloc(from->type, from->source, READ_ONCE(from->flags), READ_ONCE(from->fs_flags));
	if (m == NULL) {
		inode_put(again);
		return -ENOMEM;
	}
	mutex_lock(&tree_mutex);
	fs_binds++;				/* for ever: the trees may stay in use when they are unmounted */
	mutex_unlock(&tree_mutex);
	return attach(m, again, at);
}

int fs_mount_move(struct dentry *at, struct dentry *what)
{
	struct dentry *was;
	int rc = 0;

	mutex_lock(&tree_mutex);
	was = what->covers;
	if (mount_of_root(what) == NULL || was == NULL)
		rc = -EINVAL;
	else if ((at->inode->type == S_IFDIR) != (what->inode->type == S_IFDIR))
		rc = -ENOTDIR;
	else if (stands_below(at, what))
		rc = -ELOOP;
	else if (at->mounted != NULL)
		rc = -EBUSY;
	if (rc == 0) {
		was->mounted = NULL;
		stand(what, at);
		dentry_put_locked(was);
	}
	mutex_unlock(&tree_mutex);
	return rc;
}

/* Files open for writing where it would become read-only. tree_mutex held */
static bool written(const struct mount *m, bool everywhere)
{
	const struct mount *o;

	if (atomic_read(&m->writers) != 0)
		return true;
	if (everywhere)
		list_for_each(o, &mounts, link)
			if (o->dev == m->dev && atomic_read(&o->writers) != 0)
				return true;
	return false;
}

int fs_mount_flags(struct dentry *at, u32 flags, bool everywhere)
{
	struct mount *m, *o;
	int rc = 0;

	mutex_lock(&tree_mutex);
	m = mount_of_root(at);
	if (m == NULL) {
		rc = -EINVAL;
	} else if ((flags & MS_RDONLY) && !(mount_flags(m) & MS_RDONLY) && written(m, everywhere)) {
		rc = -EBUSY;
	} else {
		WRITE_ONCE(m->flags, flags & MS_KEPT);
		if (everywhere)
			list_for_each(o, &mounts, link)
				if (o->dev == m->dev)
					WRITE_ONCE(o->fs_flags, flags & MS_RDONLY);
	}
	mutex_unlock(&tree_mutex);
	return rc;
}

/* Each mount is its own: none hears of another's. */
int fs_mount_kind(struct dentry *at, u32 flags)
{
	bool root;

	mutex_lock(&tree_mutex);
	root = mount_of_root(at) != NULL;
	mutex_unlock(&tree_mutex);
	return root && (flags == MS_PRIVATE || flags == MS_SLAVE) ? 0 : -EINVAL;
}

/* --- umount(2) --- */

static void detach(struct mount *m)		/* tree_mutex held */
{
	struct dentry *d = m->root, *at = d->covers;

	list_del(&m->link);
	list_init(&m->link);
	m->root = NULL;
	d->covers = NULL;
	d->dead = true;				/* it goes with its last user */
	at->mounted = NULL;
	dentry_put_locked(at);
	dentry_put_locked(d);
	mount_put(m);
}

int fs_umount(struct dentry *at, u32 flags)
{
	struct mount *m, *below;
	int rc = 0;

	mutex_lock(&tree_mutex);
	m = mount_of_root(at);
	if (m == NULL)
		rc = -EINVAL;
	else if (at == fs_root)
		rc = -EBUSY;
	if (rc == 0) {
		dentries_forget_locked(at);
		if (!(flags & MNT_DETACH) && (ref_read(&at->refs) != 2 || atomic_read(&m->writers) != 0))
			rc = -EBUSY;		/* more than the mount itself and the caller */
	}
	if (rc == 0 && (flags & MNT_EXPIRE) && !m->expiring) {
		m->expiring = true;
		rc = -EAGAIN;
	}
	while (rc == 0 && (below = mount_below(at)) != NULL)
		detach(below);
	if (rc == 0)
		detach(m);
	mutex_unlock(&tree_mutex);
	dentry_put(at);
	tmpfs_let_go();
	return rc;
}

/* --- for those who look --- */

int fs_root_of_dev(u64 dev, struct inode **out)
{
	struct mount *m;
	int rc = -EINVAL;

	mutex_lock(&tree_mutex);
	list_for_each(m, &mounts, link) {
		if (m->dev != dev || rc == 0)
			continue;
		inode_get(*out = m->root->inode);
		rc = 0;
	}
	mutex_unlock(&tree_mutex);
	return rc;
}

void fs_for_each_mount(void (*fn)(const struct mount *m, const char *path, const struct mount *above, void *arg), void *arg)
{
	char *path = kmalloc(PATH_MAX);
	struct mount *m;

	if (path == NULL)
		return;
	mutex_lock(&tree_mutex);
	list_for_each(m, &mounts, link) {
		const struct dentry *at = m->root->covers;

		if (dentry_path_locked(m->root, NULL, path, PATH_MAX - 1) < 0)
			continue;
		fn(m, path, at != NULL ? at->inode->mount : NULL, arg);
	}
	mutex_unlock(&tree_mutex);
	kfree(path);
}
