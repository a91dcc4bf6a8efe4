/* SPDX-License-Identifier: MIT */
/*
 * tmpfs: /tmp, /dev/shm and memfd. Names and attributes are kept here; a file's data is shared memory whose pages live on a
 * memory node like all others. One mutex guards all names; it is taken under tree_mutex and nothing is called under it
 * but what makes a file's object.
 */
#include "kernel/counter.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/work.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/process/process.h"
#include "managers/processor/random.h"
#include "mm/slab.h"

#define TMPFS_MAGIC	0x01021994

struct tnode {				/* a file; each struct inode of it has a reference */
	refcount_t refs;
	u64 ino, dev;			/* [I] */
	u32 type;			/* [I] */
	u32 mode, uid, gid, rdev, nlink;	/* [tmpfs_lock] */
	s64 atime, mtime, ctime;	/* [a] wall clock, ns */
	s64 btime;			/* [I] */
	struct object *object;		/* [I] of a regular file */
	u64 pages;			/* [a] of it, when that was asked last */
	bool pages_changed;		/* [a] since */
	bool mapped;			/* [a] for writing, at some time: pages come by themselves */
	char *target;			/* [I] of a symlink; of a file without a name, what it is called */
	bool memfd;			/* [I] */
	bool linkable;			/* [tmpfs_lock] it has no name yet, but may be given one */
	u32 seals;			/* [seal_lock to change; a] of a memfd: F_SEAL_* */
	struct mutex seal_lock;		/* of a memfd: F_ADD_SEALS, one at a time; waited for until a fatal signal */
	struct mutex change_lock;	/* of a memfd: held from the look at its seals to the end of what they allowed */
	struct tnode *parent;		/* [tmpfs_lock] of a directory; no reference: it is not empty while this is in it */
	struct list entries;		/* [tmpfs_lock] of a directory, by cookie */
	u64 next_cookie;		/* [tmpfs_lock] */
};

struct tentry {				/* a name in a directory, with a reference to its file */
	struct list link;
	u64 cookie;
	struct tnode *node;
	char name[];
};

static DEFINE_MUTEX(tmpfs_lock, RANK_MUTEX_LEAF);
static atomic64_t next_ino = ATOMIC_INIT(1), nr_files = ATOMIC_INIT(0);
static const struct inode_ops tmpfs_ops;
static const struct file_ops tmpfs_dir_ops, tmpfs_file_ops;

static void touch(struct tnode *n, bool modified)
{
	u64 now = time_wall_ns();

	WRITE_ONCE(n->ctime, now);
	if (modified) {
		WRITE_ONCE(n->mtime, now);
		store_release(&n->pages_changed, true);
	}
}

/*
 * What is left in a folder when nobody can come to it any more: the names of a file system that is unmounted. They may be many, each file
 * is a call to its memory node, and whoever gives the last of it back may hold tree_mutex. So it is done by others: whoever unmounts,
 * or the queue.
 */
static struct list let_go = LIST_INIT(let_go);	/* [tmpfs_lock] struct tentry.link */
static struct work let_go_work;

static void leave_entries(struct tnode *n)
{
	struct tentry *e;

	if (list_empty(&n->entries))
		return;
	mutex_lock(&tmpfs_lock);
	list_for_each(e, &n->entries, link)
		e->node->parent = NULL;
	list_splice_tail(&let_go, &n->entries);
	mutex_unlock(&tmpfs_lock);
	work_queue_add(fs_let_go_queue, &let_go_work);
}

static void tnode_put(struct tnode *n)
{
	if (!ref_put(&n->refs))
		return;
	leave_entries(n);
	if (n->object != NULL) {
		object_put(n->object);
		atomic_dec(&nr_files);
	}
	kfree(n->target);
	kfree(n);
}

void tmpfs_let_go(void)
{
	while (!READ_ONCE(thread_current()->fatal_pending)) {
		struct tentry *e;

		mutex_lock(&tmpfs_lock);
		e = list_first(&let_go, struct tentry, link);
		if (e != NULL)
			list_del(&e->link);
		mutex_unlock(&tmpfs_lock);
		if (e == NULL)
			return;
		tnode_put(e->node);
		kfree(e);
	}
}

static void let_go_run(struct work *w) { tmpfs_let_go(); }

static int tnode_create(u64 dev, const struct new_file *how, const char *target, struct tnode **out)
{
	struct tnode *n = kzalloc(sizeof(*n));
	int rc = 0;

	if (n == NULL)
		return -ENOMEM;
	ref_init(&n->refs, 1);
	n->ino = atomic_inc_return(&next_ino);
	n->dev = dev;
	n->type = how->mode & S_IFMT;
	n->mode = how->mode;
	n->uid = how->uid;
	n->gid = how->gid;
	n->rdev = how->rdev;
	list_init(&n->entries);
	n->next_cookie = 2;
	touch(n, true);
	n->atime = n->btime = n->mtime;
	if (n->type == S_IFREG) {
		rc = object_create_shm(0, &n->object);
		if (rc == 0)
			atomic_inc(&nr_files);
	} else if (target != NULL) {
		n->target = kstrdup(target);
		rc = n->target ? 0 : -ENOMEM;
	}
	if (rc < 0) {
		kfree(n);
		return rc;
	}
	*out = n;
	return 0;
}

/* An inode for n; has a reference of its own. */
static struct inode *inode_of(struct tnode *n)
{
	struct inode *i = inode_alloc(&tmpfs_ops, n->mode);

	if (i == NULL)
		return NULL;
	ref_get(&n->refs);
	i->private = n;
	i->dev = n->dev;
	i->ino = n->ino;
	i->uid = n->uid;
	i->gid = n->gid;
	i->rdev = n->rdev;
	return i;
}

static int tmpfs_again(struct inode *i, struct inode **out)
{
	*out = inode_of(i->private);
	return *out != NULL ? 0 : -ENOMEM;
}

static void tmpfs_release(struct inode *i)
{
	tnode_put(i->private);
}

/* --- names; tmpfs_lock held --- */

static struct tentry *entry_find(struct tnode *dir, const char *name)
{
	struct tentry *e;

	list_for_each(e, &dir->entries, link)
		if (strcmp(e->name, name) == 0)
			return e;
	return NULL;
}

static struct tentry *entry_alloc(const char *name)
{
	struct tentry *e = kzalloc(sizeof(*e) + strlen(name) + 1);

	if (e != NULL)
		memcpy(e->name, name, strlen(name) + 1);
	return e;
}

/* The name's reference to n is the caller's to give. */
static void entry_link(struct tnode *dir, struct tentry *e, struct tnode *n)
{
	e->node = n;
	e->cookie = dir->next_cookie++;
	list_add_tail(&dir->entries, &e->link);
	n->nlink++;
	if (n->type == S_IFDIR) {
		n->parent = dir;
		dir->nlink++;
		n->nlink = MAX(n->nlink, 2U);
	}
	touch(dir, true);
	touch(n, false);
}

/* The name is gone; what it named is returned, with the name's reference. */
static struct tnode *entry_unlink(struct tnode *dir, struct tentry *e)
{
	struct tnode *n = e->node;

	list_del(&e->link);
	n->nlink--;
	if (n->type == S_IFDIR) {
		dir->nlink--;
		n->nlink = 0;
		n->parent = NULL;
	}
	touch(dir, true);
	touch(n, false);
	kfree(e);
	return n;
}

/* From one folder to another: what is in a folder still counts. */
static void entry_move(struct tnode *from, struct tentry *e, struct tnode *to, struct tentry *fresh)
{
	u32 links = e->node->nlink;
	struct tnode *n = entry_unlink(from, e);

	entry_link(to, fresh, n);
	n->nlink = links;
}

static bool removed(const struct tnode *dir)
{
	return dir->nlink == 0;
}

static int tmpfs_lookup(struct inode *dir, const char *name, struct inode **out)
{
	struct tentry *e;
	int rc = -ENOENT;

	mutex_lock(&tmpfs_lock);
	e = entry_find(dir->private, name);
	if (e != NULL) {
		*out = inode_of(e->node);
		rc = *out ? 0 : -ENOMEM;
	}
	mutex_unlock(&tmpfs_lock);
	return rc;
}

static int make(struct inode *dir, const char *name, const struct new_file *how, const char *target, struct inode **out)
{
	struct tnode *d = dir->private, *n;
	struct tentry *e;
	int rc = tnode_create(d->dev, how, target, &n);

	if (rc < 0)
		return rc;
	e = entry_alloc(name);
	*out = inode_of(n);
	mutex_lock(&tmpfs_lock);
	if (e == NULL || *out == NULL)
		rc = -ENOMEM;
	else if (removed(d))
		rc = -ENOENT;
	else if (entry_find(d, name) != NULL)
		rc = -EEXIST;
	else
		entry_link(d, e, n);
	mutex_unlock(&tmpfs_lock);
	if (rc < 0) {
		kfree(e);
		if (*out != NULL)
			inode_put(*out);
		tnode_put(n);
	}
	return rc;
}

static int tmpfs_create(struct inode *dir, const char *name, const struct new_file *how, struct inode **out)
{
	return make(dir, name, how, NULL, out);
}

static int tmpfs_create_nameless(struct inode *dir, const struct new_file *how, bool linkable, struct inode **out)
{
	struct tnode *n;
	int rc = tnode_create(dir->dev, how, NULL, &n);

	if (rc < 0)
		return rc;
	n->linkable = linkable;
	*out = inode_of(n);
	tnode_put(n);
	return *out != NULL ? 0 : -ENOMEM;
}

static int tmpfs_symlink(struct inode *dir, const char *name, const char *target, const struct new_file *how, struct inode **out)
{
	return make(dir, name, how, target, out);
}

static int tmpfs_link(struct inode *dir, const char *name, struct inode *target)
{
	struct tnode *d = dir->private, *n = target->private;
	struct tentry *e = entry_alloc(name);
	int rc = 0;

	if (e == NULL)
		return -ENOMEM;
	mutex_lock(&tmpfs_lock);
	if (removed(d) || (n->nlink == 0 && !n->linkable))
		rc = -ENOENT;
	else if (entry_find(d, name) != NULL)
		rc = -EEXIST;
	if (rc == 0) {
		ref_get(&n->refs);
		entry_link(d, e, n);
		n->linkable = false;
	}
	mutex_unlock(&tmpfs_lock);
	if (rc < 0)
		kfree(e);
	return rc;
}

static int tmpfs_unlink(struct inode *dir, const char *name, bool rmdir)
{
	struct tnode *d = dir->private, *n = NULL;
	struct tentry *e;
	int rc = 0;

	mutex_lock(&tmpfs_lock);
	e = entry_find(d, name);
	if (e == NULL)
		rc = -ENOENT;
	else if (rmdir && e->node->type != S_IFDIR)
		rc = -ENOTDIR;
	else if (!rmdir && e->node->type == S_IFDIR)
		rc = -EISDIR;
	else if (rmdir && !list_empty(&e->node->entries))
		rc = -ENOTEMPTY;
	else
		n = entry_unlink(d, e);
	mutex_unlock(&tmpfs_lock);
	if (n != NULL)
		tnode_put(n);
	return rc;
}

static bool is_below(const struct tnode *dir, const struct tnode *top)
{
	for (; dir != NULL; dir = dir->parent)
		if (dir == top)
			return true;
	return false;
}

/* tmpfs_lock held; rename(2)'s rules for what is already there */
static int rename_check(const struct tentry *from, struct tnode *to_dir, const struct tentry *to, u32 flags)
{
	if (from == NULL || removed(to_dir))
		return -ENOENT;
	if (to != NULL && (flags & 1))
		return -EEXIST;
	if (from->node->type == S_IFDIR && is_below(to_dir, from->node))
		return -EINVAL;
	if (flags & 2)
		return to == NULL ? -ENOENT : 0;
	if (to == NULL)
		return 0;
	if (from->node->type == S_IFDIR && to->node->type != S_IFDIR)
		return -ENOTDIR;
	if (from->node->type != S_IFDIR && to->node->type == S_IFDIR)
		return -EISDIR;
	return to->node->type == S_IFDIR && !list_empty(&to->node->entries) ? -ENOTEMPTY : 0;
}

static int tmpfs_rename(struct inode *from_dir, const char *old, struct inode *to_dir, const char *new, u32 flags)
{
	struct tnode *a = from_dir->private, *b = to_dir->private, *gone = NULL;
	struct tentry *fresh = entry_alloc(new), *swapped = entry_alloc(old), *e, *f;
	int rc;

	if (flags & ~3U || fresh == NULL || swapped == NULL) {
		kfree(fresh);
		kfree(swapped);
		return flags & ~3U ? -EINVAL : -ENOMEM;
	}
	mutex_lock(&tmpfs_lock);
	e = entry_find(a, old);
	f = entry_find(b, new);
	rc = rename_check(e, b, f, flags);
	if (rc == 0 && f != NULL && (flags & 2) && f->node->type == S_IFDIR && is_below(a, f->node))
		rc = -EINVAL;
	if (rc == 0 && (f == NULL || e->node != f->node)) {
		if (f != NULL && (flags & 2)) {
			entry_move(b, f, a, swapped);
			swapped = NULL;
		} else if (f != NULL) {
			gone = entry_unlink(b, f);
		}
		entry_move(a, e, b, fresh);
		fresh = NULL;
	}
	mutex_unlock(&tmpfs_lock);
	kfree(fresh);
	kfree(swapped);
	if (gone != NULL)
		tnode_put(gone);
	return rc;
}

static s64 tmpfs_readlink(struct inode *i, char *buf, size_t size)
{
	const struct tnode *n = i->private;
	size_t len = MIN(strlen(n->target), size);

	memcpy(buf, n->target, len);
	return len;
}

/* --- attributes --- */

static void put_time(s64 ns, s64 *sec, u32 *nsec)	/* which may be before 1970 */
{
	s64 rest = ns % (s64)NSEC_PER_SEC;

	*sec = ns / (s64)NSEC_PER_SEC - (rest < 0);
	*nsec = rest < 0 ? rest + NSEC_PER_SEC : rest;
}

#define TIME_MAX_S	9223372035LL		/* nanoseconds from 1970, in 64 bits: to the year 2262, and back to 1677 */

static s64 get_time(s64 sec, u32 nsec)
{
	return MAX(MIN(sec, TIME_MAX_S), -TIME_MAX_S) * (s64)NSEC_PER_SEC + nsec;
}

/* The memory node is asked only if it may have become another number. What a program has mapped and written counts once it is there. */
static u64 blocks_of(struct tnode *n)
{
	u64 nr;

	if (n->object == NULL)
		return 0;
	if (READ_ONCE(n->mapped) || __atomic_exchange_n(&n->pages_changed, false, __ATOMIC_SEQ_CST)) {
		if (object_size(n->object) == 0 || object_count_pages(n->object, &nr) < 0)
			nr = DIV_ROUND_UP(object_size(n->object), PAGE_SIZE);
		WRITE_ONCE(n->pages, nr);
	}
	return READ_ONCE(n->pages) * (PAGE_SIZE / 512);
}

static int tmpfs_getattr(struct inode *i, struct attr *a)
{
	struct tnode *n = i->private;

	mutex_lock(&tmpfs_lock);
	a->mode = i->mode = n->mode;
	a->uid = i->uid = n->uid;
	a->gid = i->gid = n->gid;
	a->nlink = n->nlink;
	a->rdev = n->rdev;
	mutex_unlock(&tmpfs_lock);
	a->dev = n->dev;
	a->ino = n->ino;
	a->size = n->object ? object_size(n->object) : n->target ? strlen(n->target) : 0;
	a->blocks = blocks_of(n);
	a->blksize = PAGE_SIZE;
	put_time(READ_ONCE(n->atime), &a->atime.sec, &a->atime.nsec);
	put_time(READ_ONCE(n->mtime), &a->mtime.sec, &a->mtime.nsec);
	put_time(READ_ONCE(n->ctime), &a->ctime.sec, &a->ctime.nsec);
	put_time(n->btime, &a->btime.sec, &a->btime.nsec);
	return 0;
}

/* What another name has been given. */
static int tmpfs_rights(struct inode *i)
{
	const struct tnode *n = i->private;

	i->mode = READ_ONCE(n->mode);
	i->uid = READ_ONCE(n->uid);
	i->gid = READ_ONCE(n->gid);
	return 0;
}

static int tmpfs_setattr(struct inode *i, const struct attr *a, u32 mask)
{
	struct tnode *n = i->private;

	mutex_lock(&tmpfs_lock);
	if (mask & SET_MODE)
		i->mode = n->mode = (n->mode & S_IFMT) | (a->mode & 07777);
	if (mask & SET_UID)
		i->uid = n->uid = a->uid;
	if (mask & SET_GID)
		i->gid = n->gid = a->gid;
	if (mask & SET_ATIME)
		WRITE_ONCE(n->atime, get_time(a->atime.sec, a->atime.nsec));
	if (mask & SET_MTIME)
		WRITE_ONCE(n->mtime, get_time(a->mtime.sec, a->mtime.nsec));
	touch(n, false);
	mutex_unlock(&tmpfs_lock);
	return 0;
}

static int tmpfs_statfs(struct inode *i, struct statfs_abi *st)
{
	struct memory_totals m;

	memory_totals(&m);
	memset(st, 0, sizeof(*st));
	st->type = TMPFS_MAGIC;
	st->bsize = st->frsize = PAGE_SIZE;
	st->blocks = m.total / PAGE_SIZE;
	st->bfree = st->bavail = m.available / PAGE_SIZE;
	st->files = 1 << 20;
	st->ffree = st->files - MIN((u64)st->files, (u64)atomic_read(&nr_files));
	st->namelen = NAME_MAX;
	return 0;
}

/* --- open files --- */

static int tmpfs_open(struct inode *i, struct file *f)
{
	struct tnode *n = i->private;

	switch (n->type) {
	case S_IFREG:
		f->ops = &tmpfs_file_ops;
		object_get(f->object = n->object);
		return 0;
	case S_IFDIR:
		f->ops = &tmpfs_dir_ops;
		return 0;
	case S_IFIFO:
		return fifo_open(i, f);
	case S_IFCHR:
		return device_open(n->rdev, f);
	}
	return -ENXIO;
}

static const struct inode_ops tmpfs_ops = {
	.lookup = tmpfs_lookup, .create = tmpfs_create, .create_nameless = tmpfs_create_nameless, .symlink = tmpfs_symlink, .link = tmpfs_link, .unlink = tmpfs_unlink,
	.rename = tmpfs_rename, .readlink = tmpfs_readlink, .getattr = tmpfs_getattr, .rights = tmpfs_rights, .setattr = tmpfs_setattr,
	.statfs = tmpfs_statfs, .open = tmpfs_open, .again = tmpfs_again, .release = tmpfs_release,
};

static s64 file_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	return regular_ops.read(f, buf, len, pos);
}

static void file_change(struct file *f)
{
	struct tnode *n = f->inode->private;

	if (n->memfd)
		mutex_lock(&n->change_lock);
}

static void file_changed(struct file *f)
{
	struct tnode *n = f->inode->private;

	if (n->memfd)
		mutex_unlock(&n->change_lock);
}

/* What the seals leave of a write: *len; -EPERM */
static int seals_write(const struct tnode *n, bool append, u64 pos, size_t *len)
{
	u32 seals = READ_ONCE(n->seals);
	u64 size;

	if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if (!(seals & F_SEAL_GROW) || *len == 0)
		return 0;
	size = object_size(n->object);
	if (append || pos >= size)
		return -EPERM;
	*len = MIN(*len, size - pos);
	return 0;
}

static s64 file_write(struct file *f, const void *buf, size_t len, u64 *pos)
{
	struct tnode *node = f->inode->private;
	s64 n;

	file_change(f);
	n = seals_write(node, *pos == FILE_APPEND || (READ_ONCE(f->flags) & O_APPEND), *pos, &len);
	if (n == 0)
		n = regular_ops.write(f, buf, len, pos);
	file_changed(f);
	if (n > 0)
		touch(node, true);
	return n;
}

static s64 file_seek(struct file *f, s64 off, int whence)
{
	return regular_ops.seek(f, off, whence);
}

static int file_may_resize(struct file *f, u64 size)
{
	struct tnode *n = f->inode->private;
	u32 seals = READ_ONCE(n->seals);
	u64 now = object_size(n->object);

	return ((seals & F_SEAL_SHRINK) && size < now) || ((seals & F_SEAL_GROW) && size > now) ? -EPERM : 0;
}

static int file_may_change(struct file *f)
{
	const struct tnode *n = f->inode->private;

	return READ_ONCE(n->seals) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) ? -EPERM : 0;
}

static void file_resized(struct file *f) { touch(f->inode->private, true); }

static int file_may_map(struct file *f, u32 prot, bool shared)
{
	struct tnode *n = f->inode->private;

	if (shared && (file_access(f) & MAY_WRITE))
		WRITE_ONCE(n->mapped, true);
	return shared && (prot & PROT_WRITE) && (READ_ONCE(n->seals) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) ? -EPERM : 0;
}

static const struct file_ops tmpfs_file_ops = { .read = file_read, .write = file_write, .seek = file_seek,
						.may_resize = file_may_resize, .punch = fs_punch, .may_change = file_may_change, .resized = file_resized, .may_map = file_may_map,
						.change_begin = file_change, .change_end = file_changed };

static size_t put_dirent(u8 *out, size_t room, const char *name, u64 ino, u64 next, u32 type)
{
	size_t len = ALIGN_UP(sizeof(struct dirent64_abi) + strlen(name) + 1, 8UL);
	struct dirent64_abi *o = (struct dirent64_abi *)out;

	if (len > room)
		return 0;
	memset(o, 0, len);
	o->ino = ino;
	o->off = next;
	o->reclen = len;
	o->type = DT_OF_MODE(type);
	memcpy(o->name, name, strlen(name));
	return len;
}

/* The position is a cookie: 0 and 1 for "." and "..", then each name's own, so that removals meanwhile do not matter. */
static s64 dir_readdir(struct file *f, void *buf, size_t room)
{
	struct tnode *d = f->inode->private;
	size_t done = 0, n;
	struct tentry *e;
	bool full = false;

	mutex_lock(&tmpfs_lock);
	if (d->nlink == 0) {				/* removed */
		mutex_unlock(&tmpfs_lock);
		return -ENOENT;
	}
	while (f->pos < 2 && !full) {
		u64 ino = f->pos == 0 || d->parent == NULL ? d->ino : d->parent->ino;

		n = put_dirent((u8 *)buf + done, room - done, f->pos == 0 ? "." : "..", ino, f->pos + 1, S_IFDIR);
		full = n == 0;
		if (!full)
			f->pos++;
		done += n;
	}
	list_for_each(e, &d->entries, link) {
		if (full)
			break;
		if (e->cookie < f->pos)
			continue;
		n = put_dirent((u8 *)buf + done, room - done, e->name, e->node->ino, e->cookie + 1, e->node->type);
		full = n == 0;
		if (!full)
			f->pos = e->cookie + 1;
		done += n;
	}
	mutex_unlock(&tmpfs_lock);
	return done == 0 && full ? -EINVAL : (s64)done;
}

static s64 dir_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	return -EISDIR;
}

static s64 dir_seek(struct file *f, s64 off, int whence)
{
	return directory_ops.seek(f, off, whence);
}

static const struct file_ops tmpfs_dir_ops = { .read = dir_read, .readdir = dir_readdir, .seek = dir_seek };

/* --- mounts and files without a name --- */

static u64 files_kept(void)
{
	return atomic_read(&nr_files);
}

static int root_create(u64 dev, const struct new_file *how, struct inode **out)
{
	struct tnode *root;
	int rc = tnode_create(dev, how, NULL, &root);

	if (rc < 0)
		return rc;
	root->nlink = 2;
	*out = inode_of(root);
	tnode_put(root);
	return *out != NULL ? 0 : -ENOMEM;
}

static int mount_at(const char *path, u64 dev)
{
	const struct new_file how = { .mode = S_IFDIR | 01777 };
	struct inode *i;
	int rc = root_create(dev, &how, &i);

	return rc < 0 ? rc : fs_mount(path, i, "tmpfs");
}

static bool number(const char *text, unsigned base, u64 *out)
{
	u64 n = 0;

	if (*text == '\0')
		return false;
	for (; *text >= '0' && *text < (char)('0' + base); text++)
		n = n * base + (*text - '0');
	*out = n;
	return *text == '\0';
}

/* One of tmpfs(5)'s; false: it is none of them. What limits the file system is looked at and left: memory's limit is the node's. */
static bool option(const char *text, struct new_file *how)
{
	static const char *const limits[] = { "size=", "nr_blocks=", "nr_inodes=" };
	u64 n;

	if (strncmp(text, "mode=", 5) == 0 && number(text + 5, 8, &n) && n <= 07777)
		how->mode = S_IFDIR | n;
	else if (strncmp(text, "uid=", 4) == 0 && number(text + 4, 10, &n) && n < (u32)-1)
		how->uid = n;
	else if (strncmp(text, "gid=", 4) == 0 && number(text + 4, 10, &n) && n < (u32)-1)
		how->gid = n;
	else
		for (unsigned k = 0;; k++) {
			if (k == ARRAY_SIZE(limits))
				return false;
			if (strncmp(text, limits[k], strlen(limits[k])) == 0)
				return text[strlen(limits[k])] >= '0' && text[strlen(limits[k])] <= '9';
		}
	return true;
}

int tmpfs_root(const char *options, struct inode **out)
{
	static atomic64_t next_dev = ATOMIC_INIT(0x2f);
	struct new_file how = { .mode = S_IFDIR | 01777 };
	char one[64];
	u64 dev;

	while (options != NULL && *options != '\0') {
		size_t len = 0;

		while (options[len] != '\0' && options[len] != ',')
			len++;
		if (len >= sizeof(one))
			return -EINVAL;
		memcpy(one, options, len);
		one[len] = '\0';
		if (len != 0 && !option(one, &how))
			return -EINVAL;
		options += len + (options[len] == ',');
	}
	dev = atomic_inc_return(&next_dev);
	return root_create((dev & 0xff) | (dev & 0xfff00) << 12, &how, out);	/* a number of 20 bits, as stat() shows it */
}

void tmpfs_init(void)
{
	work_init(&let_go_work, let_go_run);
	acct_register("files_kept", files_kept);
}

int tmpfs_mount(void)
{
	int rc = mount_at("/dev/shm", 0x20), tmp;

	if (rc < 0)
		return rc;
	tmp = mount_at("/tmp", 0x21);
	return tmp == -EHOSTDOWN ? tmp : 0;	/* an image without /tmp has none */
}

/* --- seals: memfd_create(2), fcntl(2) --- */

static struct tnode *memfd_node(struct file *f)
{
	struct tnode *n = f->ops == &tmpfs_file_ops ? f->inode->private : NULL;

	return n != NULL && n->memfd ? n : NULL;
}

s64 memfd_seals(struct file *f)
{
	struct tnode *n = memfd_node(f);

	return n == NULL ? -EINVAL : (s64)READ_ONCE(n->seals);
}

s64 nameless_show(struct inode *i, char *buf, size_t size)
{
	const struct tnode *n = i->ops == &tmpfs_ops ? i->private : NULL;

	return n != NULL && n->type == S_IFREG && n->target != NULL ? snprintf(buf, size, "/%s (deleted)", n->target) : -EINVAL;
}

static void look_for_object(const struct vma *v, void *arg)
{
	const struct object **o = arg;
	const struct file *f = v->file;

	if (f != NULL && *o != NULL && f->object == *o && (v->flags & VMA_SHARED) && (v->flags & VMA_MAYWRITE))
		*o = NULL;
}

struct next_pid { u32 above, best; };

static bool look_for_pid(struct process *p, void *arg)
{
	struct next_pid *n = arg;

	if (p->pid >= n->above && p->pid < n->best)
		n->best = p->pid;
	return true;
}

/* Does a program have it mapped so that it may write, or be allowed to by mprotect()? */
static bool mapped_for_writing(const struct object *o)
{
	struct next_pid n = { 0, 0 };

	while (o != NULL && n.best != ~0U) {
		struct space *s;

		n.above = n.best + 1;
		n.best = ~0U;
		spin_lock(&tree_lock);
		process_for_each(look_for_pid, &n);
		spin_unlock(&tree_lock);
		s = n.best != ~0U ? process_space(n.best) : NULL;
		if (s == NULL)
			continue;
		space_for_each_vma(s, look_for_object, &o);
		space_put(s);
	}
	return o == NULL;
}

s64 memfd_seal(struct file *f, u32 seals)
{
	struct tnode *n = memfd_node(f);
	u32 old = 0;
	s64 rc;

	if (!(file_access(f) & MAY_WRITE))
		return -EPERM;
	if (n == NULL || (seals & ~31U))
		return -EINVAL;
	rc = mutex_lock_killable(&n->seal_lock);
	if (rc < 0)
		return rc;
	rc = mutex_lock_killable(&n->change_lock);	/* what was allowed before has been done */
	if (rc == 0) {
		old = n->seals;
		if (old & F_SEAL_SEAL)
			rc = -EPERM;
		else
			WRITE_ONCE(n->seals, old | seals);
		mutex_unlock(&n->change_lock);
	}
	if (rc == 0 && (seals & F_SEAL_WRITE) && !(old & F_SEAL_WRITE) && mapped_for_writing(n->object)) {	/* no new one can come */
		WRITE_ONCE(n->seals, old);
		rc = -EBUSY;
	}
	mutex_unlock(&n->seal_lock);
	return rc;
}

int nameless_file(const char *name, u32 mode, u64 size, struct inode **out)
{
	const struct new_file how = { .mode = S_IFREG | mode, .uid = process_current()->cred.fsuid,
				      .gid = process_current()->cred.fsgid };
	struct tnode *n;
	int rc = tnode_create(0x22, &how, NULL, &n);

	if (rc < 0)
		return rc;
	n->target = kstrdup(name);
	rc = n->target == NULL ? -ENOMEM : size != 0 ? object_truncate(n->object, size) : 0;
	*out = rc == 0 ? inode_of(n) : NULL;
	tnode_put(n);
	return rc < 0 ? rc : *out == NULL ? -ENOMEM : 0;
}

int memfd_open(const char *name, bool sealable, struct file **out)
{
	char shown[256];
	struct tnode *n;
	struct inode *i;
	int rc;

	snprintf(shown, sizeof(shown), "memfd:%s", name);
	rc = nameless_file(shown, 0777, 0, &i);
	if (rc < 0)
		return rc;
	n = i->private;
	mutex_init(&n->seal_lock, "seals", RANK_SEAL);
	mutex_init(&n->change_lock, "memfd", RANK_FILE_CHANGE);
	n->memfd = true;
	n->seals = sealable ? 0 : F_SEAL_SEAL;
	rc = fs_open_inode(i, NULL, O_RDWR | O_LARGEFILE, out);
	inode_put(i);
	return rc;
}
