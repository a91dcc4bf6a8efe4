/* SPDX-License-Identifier: MIT */
/* From a path to a dentry: components, symlinks, "..", mounts, permissions (path_resolution(7)). */
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/dentry.h"
#include "managers/processor/fs/mount.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

/* What the mode denies, a capability may give: but not to run what nobody may run. */
static bool overrides(const struct inode *i, unsigned want, u64 caps)
{
	bool dir = i->type == S_IFDIR, all = caps >> CAP_DAC_OVERRIDE & 1, look = caps >> CAP_DAC_READ_SEARCH & 1;

	if (all && (dir || !(want & MAY_EXEC) || (i->mode & 0111)))
		return true;
	return look && (dir ? !(want & MAY_WRITE) : want == MAY_READ);
}

int inode_rights(struct inode *i)
{
	return i->ops->rights != NULL ? i->ops->rights(i) : 0;
}

int fs_permission_ids(struct inode *i, unsigned want, u32 uid, u32 gid, u64 caps)
{
	u32 flags = mount_flags(i->mount);
	int rc = inode_rights(i);
	u32 bits = i->mode;

	if (rc < 0)
		return rc;
	if ((want & MAY_WRITE) && (flags & MS_RDONLY) && (i->type == S_IFREG || i->type == S_IFDIR || i->type == S_IFLNK))
		return -EROFS;
	if ((want & MAY_EXEC) && (flags & MS_NOEXEC) && i->type == S_IFREG)
		return -EACCES;
	if (uid == i->uid)
		bits >>= 6;
	else if (gid == i->gid || credentials_in_group(i->gid))
		bits >>= 3;
	return (bits & want) == want || overrides(i, want, caps) ? 0 : -EACCES;
}

int fs_permission(struct inode *i, unsigned want)
{
	struct task *t = thread_current()->task;

	if (t == NULL)
		return fs_permission_ids(i, want, 0, 0, CAP_ALL);
	return fs_permission_ids(i, want, t->process->cred.fsuid, t->process->cred.fsgid, t->process->cred.effective);
}

struct walker {
	struct fs_context *c;
	struct dentry *at;		/* with a reference */
	struct dentry *root;		/* with a reference */
	unsigned links;
	u32 resolve;			/* RESOLVE_* */
	struct dentry *base;		/* RESOLVE_BENEATH: where the walk began, whose reference fs_walk() has */
};

static void walker_move(struct walker *k, struct dentry *to)	/* takes over to's reference */
{
	dentry_put_locked(k->at);
	k->at = to;
}

/* Down through whatever is mounted on it. */
static void walker_cross(struct walker *k)
{
	while (k->at->mounted != NULL) {
		struct dentry *m = k->at->mounted;

		dentry_get_locked(m);
		walker_move(k, m);
	}
}

static void walker_up(struct walker *k)
{
	struct dentry *d = k->at;

	while (d != k->root && d->parent == NULL && d->covers != NULL)
		d = d->covers;
	if (d == k->root || d->parent == NULL)		/* the root, or what is mounted on it */
		return;
	dentry_get_locked(d->parent);
	walker_move(k, d->parent);
}

/* One name in the directory at k->at: the dentry with a reference, which may be of a missing name. */
static int step(struct walker *k, const char *name, size_t len, struct dentry **out)
{
	struct inode *dir = k->at->inode, *i = NULL;
	char copy[NAME_MAX + 1];
	struct dentry *d;
	int rc;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	d = dir->no_cache ? NULL : dentry_child_locked(k->at, name, len);
	if (d == NULL) {
		memcpy(copy, name, len);
		copy[len] = '\0';
		rc = dir->ops->lookup(dir, copy, &i);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		if (rc == -ENOENT && dir->no_cache)
			return -ENOENT;
		d = dentry_add_locked(k->at, name, len, rc < 0 ? NULL : i);
		if (d == NULL)
			return -ENOMEM;
	}
	*out = d;
	return 0;
}

static int walk(struct walker *k, const char *path, unsigned flags, struct walk *w);

/* Where a link leads that is more than its text; d's reference is consumed. */
static int jump(struct walker *k, struct dentry *d)
{
	struct dentry *to;
	int rc = ++k->links > SYMLINKS_MAX ? -ELOOP : d->inode->ops->follow(d->inode, &to);

	dentry_put_locked(d);
	if (rc == 0)
		walker_move(k, to);
	return rc;
}

/* What RESOLVE_* say of a step from a file system to where k stands now. */
static int stepped(const struct walker *k, u64 from_dev)
{
	return (k->resolve & RESOLVE_NO_XDEV) && k->at->inode->dev != from_dev ? -EXDEV : 0;
}

/* ... of following the link d, which is more than its text or not */
static int may_follow(const struct walker *k, const struct dentry *d)
{
	if (k->resolve & RESOLVE_NO_SYMLINKS)
		return -ELOOP;
	if (d->inode->ops->follow == NULL)
		return 0;
	if (k->resolve & RESOLVE_NO_MAGICLINKS)
		return -ELOOP;
	return k->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV) ? -EXDEV : 0;
}

/* The target of the symlink d, walked from where k stands; d's reference is consumed. */
static int follow(struct walker *k, struct dentry *d, const char *rest, unsigned flags, struct walk *w)
{
	char *buf;
	s64 len;
	int rc;

	if (++k->links > SYMLINKS_MAX) {
		dentry_put_locked(d);
		return -ELOOP;
	}
	buf = kmalloc(2 * PATH_MAX);
	if (buf == NULL) {
		dentry_put_locked(d);
		return -ENOMEM;
	}
	len = d->inode->ops->readlink(d->inode, buf, PATH_MAX - 1);
	dentry_put_locked(d);
	rc = len < 0 ? (int)len : len == 0 ? -ENOENT : 0;
	if (rc == 0) {
		if (len + 1 + strlen(rest) >= 2 * PATH_MAX) {
			rc = -ENAMETOOLONG;
		} else {
			if (*rest != '\0')
				buf[len++] = '/';
			str_copy(buf + len, rest, 2 * PATH_MAX - len);
			rc = walk(k, buf, flags, w);
			if (rc == 0 && (flags & WALK_DIRECTORY) && !(flags & WALK_PARENT) && k->at->inode->type != S_IFDIR)
				rc = -ENOTDIR;
		}
	}
	kfree(buf);
	return rc;
}

static bool is_dots(const char *name, size_t len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

/* Leaves k->at at the result, or at the parent with the last component in w->last. */
static int walk(struct walker *k, const char *path, unsigned flags, struct walk *w)
{
	u64 dev = k->at->inode->dev;
	int rc;

	if (*path == '/') {
		if (k->resolve & RESOLVE_BENEATH)
			return -EXDEV;
		dentry_get_locked(k->root);
		walker_move(k, k->root);
		walker_cross(k);
		rc = k->links != 0 ? stepped(k, dev) : 0;	/* where the path itself begins, it may */
		if (rc < 0)
			return rc;
	}
	for (;;) {
		const char *end, *rest;
		struct dentry *d;
		bool last, slash;

		dev = k->at->inode->dev;

		while (*path == '/')
			path++;
		for (end = path; *end != '\0' && *end != '/'; end++)
			;
		for (rest = end; *rest == '/'; rest++)
			;
		last = *rest == '\0';
		slash = rest != end;
		if (path == end)
			return 0;		/* "/", or a trailing slash after what is a directory */
		if (k->at->inode->type != S_IFDIR)
			return -ENOTDIR;
		rc = fs_permission(k->at->inode, MAY_EXEC);
		if (rc < 0)
			return rc;
		if (last && (flags & WALK_PARENT)) {
			if (end - path > NAME_MAX)
				return -ENAMETOOLONG;
			if ((flags & WALK_FOLLOW) && !slash && !is_dots(path, end - path)) {
				rc = step(k, path, end - path, &d);
				if (rc < 0 && rc != -ENOENT)
					return rc;
				if (rc == 0 && d->inode != NULL && d->inode->type == S_IFLNK && d->inode->ops->follow == NULL) {
					rc = may_follow(k, d);
					if (rc == 0)
						return follow(k, d, rest, flags, w);
					dentry_put_locked(d);
					return rc;
				}
				if (rc == 0)
					dentry_put_locked(d);
			}
			memcpy(w->last, path, end - path);
			w->last[end - path] = '\0';
			w->last_is_dir = slash;
			return 0;
		}
		if (end - path == 1 && path[0] == '.') {
			path = rest;
			continue;
		}
		if (end - path == 2 && path[0] == '.' && path[1] == '.') {
			if ((k->resolve & RESOLVE_BENEATH) && k->at == k->base)
				return -EXDEV;
			walker_up(k);
			rc = stepped(k, dev);
			if (rc < 0)
				return rc;
			path = rest;
			continue;
		}
		rc = step(k, path, end - path, &d);
		if (rc < 0)
			return rc;
		if (d->inode == NULL) {
			dentry_put_locked(d);
			return -ENOENT;
		}
		if (d->inode->type == S_IFLNK && (!last || slash || (flags & WALK_FOLLOW))) {
			rc = may_follow(k, d);
			if (rc < 0) {
				dentry_put_locked(d);
				return rc;
			}
			if (d->inode->ops->follow == NULL)
				return follow(k, d, rest, flags | (slash && last ? WALK_DIRECTORY | WALK_FOLLOW : 0), w);
			rc = jump(k, d);
			if (rc < 0)
				return rc;
		} else {
			walker_move(k, d);
			walker_cross(k);
			rc = stepped(k, dev);
			if (rc < 0)
				return rc;
		}
		if (slash && k->at->inode->type != S_IFDIR)
			return -ENOTDIR;
		path = rest;
	}
}

int fs_walk(struct fs_context *c, struct dentry *start, const char *path, unsigned flags, struct walk *w)
{
	struct walker k = { .c = c, .resolve = flags >> 8 };
	int rc;

	if (*path == '\0')
		return -ENOENT;
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	w->last[0] = '\0';
	mutex_lock(&tree_mutex);
	mutex_lock(&c->lock);		/* another thread may change directory meanwhile */
	k.root = c->root;
	k.at = k.base = start != NULL ? start : c->cwd;
	if (k.resolve & RESOLVE_IN_ROOT)
		k.root = k.at;
	dentry_get_locked(k.root);
	dentry_get_locked(k.at);
	dentry_get_locked(k.base);
	mutex_unlock(&c->lock);
	rc = walk(&k, path, flags, w);
	if (rc == 0 && (flags & WALK_DIRECTORY) && !(flags & WALK_PARENT) && k.at->inode->type != S_IFDIR)
		rc = -ENOTDIR;
	dentry_put_locked(k.root);
	dentry_put_locked(k.base);
	if (rc == 0)
		w->dentry = k.at;
	else
		dentry_put_locked(k.at);
	mutex_unlock(&tree_mutex);
	return rc;
}

int fs_lookup(struct fs_context *c, struct dentry *start, const char *path, unsigned flags, struct dentry **out)
{
	struct walk w;
	int rc = fs_walk(c, start, path, flags & ~WALK_PARENT, &w);

	if (rc == 0)
		*out = w.dentry;
	return rc;
}
