/* SPDX-License-Identifier: MIT */
/* Opening, making and removing names; open files' life. */
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "managers/processor/fs/async.h"
#include "managers/processor/fs/dentry.h"
#include "managers/processor/fs/epoll.h"
#include "managers/processor/fs/inotify.h"
#include "managers/processor/fs/lease.h"
#include "managers/processor/fs/lock.h"
#include "managers/processor/fs/mount.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

static atomic64_t nr_open = ATOMIC_INIT(0);

u64 files_open(void) { return atomic_read(&nr_open); }

struct file *file_alloc(const struct file_ops *ops, u32 flags)
{
	struct file *f = kzalloc(sizeof(*f));

	if (f == NULL)
		return NULL;
	atomic_inc(&nr_open);
	ref_init(&f->refs, 1);
	list_init(&f->epolls);
	f->ops = ops;
	f->flags = flags;
	mutex_init(&f->pos_lock, "file position", RANK_FILE);
	return f;
}

void file_get(struct file *f)
{
	ref_get(&f->refs);
}

static int file_text_begin(struct file *f, enum file_text how)
{
	int rc = f->object != NULL ? object_writer_get(f->object, how == TEXT_RUNS) : 0;

	if (rc == 0 && f->object != NULL)
		f->text = how;
	return rc;
}

void file_text_end(struct file *f)
{
	if (f->reads)
		object_reader_add(f->object, -1);
	f->reads = false;
	if (f->text != TEXT_NONE)
		object_writer_put(f->object, f->text == TEXT_RUNS);
	f->text = TEXT_NONE;
}

void file_put(struct file *f)
{
	if (!ref_put(&f->refs))
		return;
	if (f->announced)
		inotify_file(f, file_access(f) & MAY_WRITE ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
	lock_file_gone(f);
	lease_file_gone(f);
	if (f->async != NULL)
		async_file_gone(f);
	if (!list_empty(&f->epolls))
		epoll_file_gone(f);
	if (f->ops != NULL && f->ops->release != NULL)
		f->ops->release(f);
	file_text_end(f);
	if (f->writes)
		atomic_dec(&f->inode->mount->writers);
	if (f->object != NULL)
		object_put(f->object);
	if (f->inode != NULL)
		inode_put(f->inode);
	if (f->dentry != NULL)
		dentry_put(f->dentry);
	kfree(f);
	atomic_dec(&nr_open);
}

u32 file_access(const struct file *f)
{
	switch (f->flags & (O_ACCMODE | O_PATH)) {
	case O_RDONLY: return MAY_READ;
	case O_WRONLY: return MAY_WRITE;
	case O_RDWR: return MAY_READ | MAY_WRITE;
	}
	return 0;
}

int fs_open_inode(struct inode *i, struct dentry *d, u32 flags, struct file **out)
{
	struct file *f = file_alloc(NULL, flags & ~(u32)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC));
	int rc = 0;

	if (f == NULL)
		return -ENOMEM;
	inode_get(i);
	f->inode = i;
	f->dentry = d;
	if (d != NULL)
		dentry_get(d);
	if (!(flags & O_PATH))
		rc = i->ops->open != NULL ? i->ops->open(i, f) : -ENXIO;
	if (rc < 0) {
		f->ops = NULL;
		file_put(f);
		return rc;
	}
	f->flags &= ~(u32)O_NOCTTY;		/* it was for the open alone */
	*out = f;
	return 0;
}

int fs_stat(struct inode *i, struct attr *a)
{
	memset(a, 0, sizeof(*a));
	return i->ops->getattr(i, a);
}

/* A folder with the set-group-ID bit passes its group on, and to folders the bit. */
static void new_file_now(struct new_file *n, const struct inode *dir, u32 mode, u32 umask)
{
	struct task *t = thread_current()->task;

	n->mode = mode & ~umask;
	n->uid = t ? t->process->cred.fsuid : 0;
	n->gid = t ? t->process->cred.fsgid : 0;
	n->rdev = 0;
	if (!(dir->mode & S_ISGID))
		return;
	n->gid = dir->gid;
	if ((n->mode & S_IFMT) == S_IFDIR)
		n->mode |= S_ISGID;
	else if ((n->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && t != NULL && !credentials_may_set_group(n->gid))
		n->mode &= ~(u32)S_ISGID;
}

/* Who watches is told by the caller, when it has ended the change. */
static int resize(struct file *f, u64 size, bool grow)
{
	int rc;

	fs_written(f->inode);
	rc = grow ? object_grow(f->object, size) : object_truncate(f->object, size);
	if (rc == 0 && f->ops->resized != NULL)
		f->ops->resized(f);
	return rc;
}

void file_change_begin(struct file *f)
{
	if (f->ops->change_begin != NULL)
		f->ops->change_begin(f);
}

void file_change_end(struct file *f)
{
	if (f->ops->change_end != NULL)
		f->ops->change_end(f);
}

int fs_resize(struct file *f, u64 size) { return resize(f, size, false); }
int fs_grow(struct file *f, u64 size) { return resize(f, size, true); }

s64 fs_punch(struct file *f, u64 from, u64 to)
{
	s64 rc = 0;

	file_change_begin(f);
	if (f->ops->may_change != NULL)
		rc = f->ops->may_change(f);
	if (rc == 0) {
		fs_written(f->inode);
		rc = object_hole(f->object, from, to);
	}
	if (rc == 0 && f->ops->resized != NULL)
		f->ops->resized(f);
	file_change_end(f);
	if (rc == 0)
		inotify_file(f, IN_MODIFY);
	return rc;
}

void fs_written(struct inode *i)
{
	int rc = inode_rights(i);
	u32 mode = READ_ONCE(i->mode);
	struct attr a = { .mode = mode & 07777 & ~(u32)S_ISUID };

	if (rc < 0 || i->type != S_IFREG || !(mode & (S_ISUID | S_ISGID)) || thread_current()->task == NULL || capable(CAP_FSETID))
		return;
	if ((mode & S_IXGRP) || !credentials_may_set_group(i->gid))
		a.mode &= ~(u32)S_ISGID;
	if (a.mode != (mode & 07777))
		(void)!i->ops->setattr(i, &a, SET_MODE);
}

static u32 umask_of(struct fs_context *c)
{
	return READ_ONCE(c->umask) & 0777;
}

/* Not a name that something could be given: the root, "." or ".." */
static bool is_special(const char *last)
{
	return last[0] == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
}

/* Parent and last component of what is to be made, removed or renamed. -EBUSY: the root; -EINVAL: "." or ".." */
static int walk_to_name(struct fs_context *c, struct dentry *start, const char *path, unsigned walk_flags, struct walk *w)
{
	int rc = fs_walk(c, start, path, WALK_PARENT | walk_flags, w);

	if (rc < 0 || !is_special(w->last))
		return rc;
	dentry_put(w->dentry);
	return w->last[0] == '\0' ? -EBUSY : -EINVAL;
}

static bool name_exists(struct fs_context *c, struct walk *w)
{
	struct dentry *d;

	if (fs_lookup(c, w->dentry, w->last, 0, &d) < 0)
		return false;
	dentry_put(d);
	return true;
}

/* ... whose directory must be writable. Who may not even look into it hears that, but whether there is such a name is said before the rest. */
static int walk_to_change_how(struct fs_context *c, struct dentry *start, const char *path, unsigned walk_flags, bool make, struct walk *w)
{
	int rc = walk_to_name(c, start, path, walk_flags, w);

	if (rc < 0)
		return rc;
	if (w->dentry->inode->no_cache && !name_exists(c, w))	/* in /proc there is what there is, whoever asks */
		rc = -ENOENT;
	else
		rc = fs_permission(w->dentry->inode, MAY_WRITE | MAY_EXEC);
	if ((rc == -EACCES || (rc == -EROFS && make)) && fs_permission(w->dentry->inode, MAY_EXEC) == 0) {
		if (make && name_exists(c, w))
			rc = -EEXIST;
		else if (!make && !name_exists(c, w))
			rc = -ENOENT;
	}
	if (rc < 0)
		dentry_put(w->dentry);
	return rc;
}

static int walk_to_make(struct fs_context *c, struct dentry *start, const char *path, struct walk *w)
{
	return walk_to_change_how(c, start, path, 0, true, w);
}

static int walk_to_remove(struct fs_context *c, struct dentry *start, const char *path, struct walk *w)
{
	return walk_to_change_how(c, start, path, 0, false, w);
}

/*
 * This node's changes of the names in a folder are one after the other, each from before its file system is asked until the tree of dentries
 * says the same: who finds the old name meanwhile does nothing with it that the end of the change would make wrong for ever. By the folder
 * itself, which may stand in several places. What only looks waits for nobody.
 */
#define FOLDERS_BITS	8
static struct mutex folders[1 << FOLDERS_BITS];

void open_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(folders); i++)
		mutex_init(&folders[i], "names of a folder", RANK_FS_NAMES);
}

static struct mutex *folder_of(const struct dentry *d)
{
	return &folders[hash_bits(hash64_2(d->inode->dev, d->inode->ino), FOLDERS_BITS)];
}

/* 0 or -EINTR: others may wait for a storage node under it */
static int names_lock(const struct walk *w) { return mutex_lock_killable(folder_of(w->dentry)); }
static void names_unlock(const struct walk *w) { mutex_unlock(folder_of(w->dentry)); }

/* The same for who has nothing else to undo: the walk is put if it fails. */
static int names_lock_or_put(const struct walk *w)
{
	int rc = names_lock(w);

	if (rc < 0)
		dentry_put(w->dentry);
	return rc;
}

/* Of two folders, in the order of their place in the table */
static int names_lock_two(const struct walk *a, const struct walk *b)
{
	struct mutex *one = folder_of(a->dentry), *other = folder_of(b->dentry);
	int rc = mutex_lock_killable(MIN(one, other));

	if (rc == 0 && one != other)
		mutex_lock_nested(MAX(one, other));
	return rc;
}

static void names_unlock_two(const struct walk *a, const struct walk *b)
{
	if (folder_of(a->dentry) != folder_of(b->dentry))
		names_unlock(b);
	names_unlock(a);
}

static void forget(struct dentry *parent, const char *name)
{
	mutex_lock(&tree_mutex);
	dentry_forget_locked(parent, name);
	mutex_unlock(&tree_mutex);
}

/* There is such a name in the file system, or may be: if the tree says that there is none, it is asked anew. names_lock() held */
static void forget_missing(const struct walk *w)
{
	struct dentry *d;

	mutex_lock(&tree_mutex);
	d = dentry_child_locked(w->dentry, w->last, strlen(w->last));
	if (d != NULL && d->inode == NULL)
		dentry_unhook_locked(d);
	dentry_put_locked(d);
	mutex_unlock(&tree_mutex);
}

/* The end of making a name, with what the file system said: where it failed, it may have been made. names_lock() held */
static int name_made(const struct walk *w, int rc)
{
	if (rc == 0)
		forget(w->dentry, w->last);
	else
		forget_missing(w);
	return rc;
}

static bool may_make(const struct new_file *how)
{
	u32 type = how->mode & S_IFMT;

	if (type != S_IFCHR && type != S_IFBLK)
		return true;
	return capable(CAP_MKNOD) || (type == S_IFCHR && how->rdev == 0);	/* 0, 0: a whiteout, which is no device */
}

int fs_mknod(struct fs_context *c, struct dentry *start, const char *path, const struct new_file *how)
{
	struct new_file n;
	struct inode *i;
	struct walk w;
	int rc = walk_to_make(c, start, path, &w);

	if (rc < 0)
		return rc == -EBUSY || rc == -EINVAL ? -EEXIST : rc;
	new_file_now(&n, w.dentry->inode, how->mode, umask_of(c));
	n.rdev = how->rdev;
	rc = names_lock_or_put(&w);
	if (rc < 0)
		return rc;
	if (name_exists(c, &w))
		rc = -EEXIST;
	else if (w.last_is_dir && (how->mode & S_IFMT) != S_IFDIR)
		rc = -ENOENT;
	else if (!may_make(how))
		rc = -EPERM;
	else if (w.dentry->inode->ops->create == NULL)
		rc = -EPERM;
	else
		rc = name_made(&w, w.dentry->inode->ops->create(w.dentry->inode, w.last, &n, &i));
	if (rc == 0) {
		inode_put(i);
		inotify_name(w.dentry->inode, w.last, IN_CREATE, n.mode, 0);
	}
	names_unlock(&w);
	dentry_put(w.dentry);
	return rc;
}

int fs_symlink(struct fs_context *c, struct dentry *start, const char *path, const char *target)
{
	struct new_file n;
	struct inode *i;
	struct walk w;
	int rc = walk_to_make(c, start, path, &w);

	if (rc < 0)
		return rc == -EBUSY || rc == -EINVAL ? -EEXIST : rc;
	new_file_now(&n, w.dentry->inode, S_IFLNK | 0777, 0);
	rc = names_lock_or_put(&w);
	if (rc < 0)
		return rc;
	if (name_exists(c, &w))
		rc = -EEXIST;
	else if (w.last_is_dir)
		rc = -ENOENT;
	else if (w.dentry->inode->ops->symlink == NULL)
		rc = -EPERM;
	else
		rc = name_made(&w, w.dentry->inode->ops->symlink(w.dentry->inode, w.last, target, &n, &i));
	if (rc == 0) {
		inode_put(i);
		inotify_name(w.dentry->inode, w.last, IN_CREATE, S_IFLNK, 0);
	}
	names_unlock(&w);
	dentry_put(w.dentry);
	return rc;
}

int fs_link(struct fs_context *c, struct dentry *from, struct dentry *start, const char *path)
{
	struct walk w;
	int rc = walk_to_make(c, start, path, &w);

	if (rc < 0)
		return rc == -EBUSY || rc == -EINVAL ? -EEXIST : rc;
	rc = names_lock_or_put(&w);
	if (rc < 0)
		return rc;
	if (name_exists(c, &w))
		rc = -EEXIST;
	else if (w.last_is_dir)
		rc = -ENOENT;
	else if (w.dentry->inode->dev != from->inode->dev || w.dentry->inode->mount != from->inode->mount)
		rc = -EXDEV;
	else if (from->inode->type == S_IFDIR)
		rc = -EPERM;
	else if (w.dentry->inode->ops->link == NULL)
		rc = -EPERM;
	else
		rc = name_made(&w, w.dentry->inode->ops->link(w.dentry->inode, w.last, from->inode));
	if (rc == 0) {
		inotify_self(from->inode, IN_ATTRIB);
		inotify_name(w.dentry->inode, w.last, IN_CREATE, from->inode->type, 0);
	}
	names_unlock(&w);
	dentry_put(w.dentry);
	return rc;
}

/* a sticky directory's names are removed by the owner of the file or the directory only */
static int sticky_check(struct inode *dir, struct inode *victim)
{
	struct task *t = thread_current()->task;
	u32 uid = t ? t->process->cred.fsuid : 0;
	int rc = inode_rights(victim);

	if (rc < 0)
		return rc == -ESTALE ? -ENOENT : rc;	/* another node has removed it */
	return t != NULL && (dir->mode & S_ISVTX) && uid != dir->uid && uid != victim->uid && !capable(CAP_FOWNER) ? -EPERM : 0;
}

/* Is this the only name of the file? Asked for who watches it, before the name goes. */
static bool last_name(struct dentry *d)
{
	struct attr a;

	return inotify_any() && (d->inode->type == S_IFDIR || (fs_stat(d->inode, &a) == 0 && a.nlink == 1));
}

/* It has lost a name, which may have been the last. */
static void name_lost(struct dentry *d, bool last)
{
	if (d->inode->type != S_IFDIR)
		inotify_self(d->inode, IN_ATTRIB);
	mutex_lock(&tree_mutex);
	d->last_name = last;
	mutex_unlock(&tree_mutex);
}

int fs_unlink(struct fs_context *c, struct dentry *start, const char *path, bool rmdir)
{
	struct dentry *victim;
	struct walk w;
	bool last;
	u32 type;
	int rc = walk_to_remove(c, start, path, &w);

	if (rc == -EINVAL && rmdir)
		return path[strlen(path) - 1] == '.' && (strlen(path) < 2 || path[strlen(path) - 2] != '.') ? -EINVAL : -ENOTEMPTY;
	if (rc == -EINVAL || rc == -EBUSY)
		return rmdir ? -EBUSY : -EISDIR;
	if (rc < 0)
		return rc;
	rc = names_lock_or_put(&w);
	if (rc < 0)
		return rc;
	rc = fs_lookup(c, w.dentry, w.last, 0, &victim);
	if (rc == 0) {
		if (!rmdir && w.last_is_dir)
			rc = victim->inode->type == S_IFDIR ? -EISDIR : -ENOTDIR;
		else
			rc = sticky_check(w.dentry->inode, victim->inode);
		if (rc == 0 && rmdir != (victim->inode->type == S_IFDIR))
			rc = rmdir ? -ENOTDIR : -EISDIR;
		if (rc == 0 && victim->covers != NULL)
			rc = -EBUSY;
		type = victim->inode->type;
		last = last_name(victim);
		if (rc == 0)
			rc = w.dentry->inode->ops->unlink == NULL ? -EPERM :
			     w.dentry->inode->ops->unlink(w.dentry->inode, w.last, rmdir);
		if (rc == 0 || rc == -ENOENT)		/* another node may have been first */
			forget(w.dentry, w.last);
		if (rc == 0)
			name_lost(victim, last);
		dentry_put(victim);
		if (rc == 0)
			inotify_name(w.dentry->inode, w.last, IN_DELETE, type, 0);
	}
	names_unlock(&w);
	dentry_put(w.dentry);
	return rc;
}

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2

/* What is renamed, and what is in its place till then, for those who watch: looked up before, told after. */
struct renamed {
	struct dentry *from, *to;	/* with references; NULL: nobody watches anything, or there is none */
	bool to_goes;			/* it loses its last name */
};

static void renamed_begin(struct fs_context *c, struct walk *a, struct walk *b, struct renamed *r)
{
	*r = (struct renamed){ 0 };
	if (!inotify_any())
		return;
	if (fs_lookup(c, a->dentry, a->last, 0, &r->from) < 0)
		r->from = NULL;
	if (fs_lookup(c, b->dentry, b->last, 0, &r->to) < 0)
		r->to = NULL;
	if (r->from != NULL && r->to != NULL && r->from->inode->ino == r->to->inode->ino) {	/* two names of one file stay */
		dentry_put(r->from);
		r->from = NULL;
	}
	r->to_goes = r->to != NULL && last_name(r->to);
}

static void renamed_tell(struct walk *from, struct walk *to, struct dentry *d)
{
	u32 cookie = inotify_cookie();

	inotify_name(from->dentry->inode, from->last, IN_MOVED_FROM, d->inode->type, cookie);
	inotify_name(to->dentry->inode, to->last, IN_MOVED_TO, d->inode->type, cookie);
}

static void renamed_end(struct walk *a, struct walk *b, struct renamed *r, bool done, bool exchange)
{
	if (done && r->from != NULL) {
		renamed_tell(a, b, r->from);
		if (r->to != NULL && !exchange)
			name_lost(r->to, r->to_goes);
		inotify_self(r->from->inode, IN_MOVE_SELF);
		if (r->to != NULL && exchange) {
			renamed_tell(b, a, r->to);
			inotify_self(r->to->inode, IN_MOVE_SELF);
		}
	}
	if (r->from != NULL)
		dentry_put(r->from);
	if (r->to != NULL)
		dentry_put(r->to);
}

/* May a leave its folder and b, if there is one, make room? The rest of rename(2)'s rules is the file system's. */
static int rename_check(struct fs_context *c, struct walk *a, struct walk *b)
{
	struct dentry *from, *to = NULL;
	int rc;

	if (fs_lookup(c, a->dentry, a->last, 0, &from) < 0)
		return 0;
	rc = from->covers != NULL ? -EBUSY : sticky_check(a->dentry->inode, from->inode);
	if (rc == 0 && fs_lookup(c, b->dentry, b->last, 0, &to) == 0)
		rc = to->covers != NULL ? -EBUSY : sticky_check(b->dentry->inode, to->inode);
	if (rc == 0 && from->inode->type == S_IFDIR && a->dentry != b->dentry)
		rc = fs_permission(from->inode, MAY_WRITE);	/* its ".." changes */
	dentry_put(from);
	if (to != NULL)
		dentry_put(to);
	return rc;
}

/* Does d stand in top, or is it top itself? */
static bool stands_in(struct dentry *d, const struct dentry *top)
{
	bool in = false;

	mutex_lock(&tree_mutex);
	for (; d != NULL && !in; d = d->parent)
		in = d == top;
	mutex_unlock(&tree_mutex);
	return in;
}

/* What the names alone forbid, in the order in which it is said, before rights. to NULL: there is none */
static int rename_names_of(struct walk *a, struct dentry *from, struct walk *b, struct dentry *to, u32 flags)
{
	bool dir = from->inode->type == S_IFDIR, exchange = flags & RENAME_EXCHANGE;

	if (to != NULL && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (to == NULL && exchange)
		return -ENOENT;
	if (exchange && b->last_is_dir && to->inode->type != S_IFDIR)
		return -ENOTDIR;
	if (!dir && (a->last_is_dir || (b->last_is_dir && !exchange)))
		return -ENOTDIR;
	if (dir && stands_in(b->dentry, from))
		return -EINVAL;
	return to != NULL && stands_in(a->dentry, to) ? (exchange ? -EINVAL : -ENOTEMPTY) : 0;
}

/* 1: both name one file, and there is nothing to be done */
static int rename_names(struct fs_context *c, struct walk *a, struct walk *b, u32 flags)
{
	struct dentry *from, *to = NULL;
	int rc = fs_lookup(c, a->dentry, a->last, 0, &from);

	if (rc < 0)
		return rc;
	rc = fs_lookup(c, b->dentry, b->last, 0, &to);
	if (rc == 0 || rc == -ENOENT)
		rc = rename_names_of(a, from, b, rc == 0 ? to : NULL, flags);
	if (rc == 0 && to != NULL && from->inode->ino == to->inode->ino && from->inode->dev == to->inode->dev && to->covers == NULL)
		rc = mount_flags(from->inode->mount) & MS_RDONLY ? -EROFS : 1;
	dentry_put(from);
	if (to != NULL)
		dentry_put(to);
	return rc;
}

/* Both folders must be writable. */
static int rename_allowed(struct walk *a, struct walk *b)
{
	int rc = fs_permission(a->dentry->inode, MAY_WRITE | MAY_EXEC);

	return rc < 0 ? rc : fs_permission(b->dentry->inode, MAY_WRITE | MAY_EXEC);
}

int fs_rename(struct fs_context *c, struct dentry *from_start, const char *from, struct dentry *to_start, const char *to, u32 flags)
{
	struct renamed r;
	struct walk a, b;
	int rc = fs_walk(c, from_start, from, WALK_PARENT, &a);

	if (rc < 0)
		return rc;
	rc = fs_walk(c, to_start, to, WALK_PARENT, &b);
	if (rc < 0) {
		dentry_put(a.dentry);
		return rc;
	}
	if (is_special(a.last) || is_special(b.last)) {		/* whatever they are in */
		dentry_put(a.dentry);
		dentry_put(b.dentry);
		return (flags & RENAME_NOREPLACE) && !is_special(a.last) ? -EEXIST : -EBUSY;
	}
	rc = names_lock_two(&a, &b);
	if (rc < 0) {
		dentry_put(a.dentry);
		dentry_put(b.dentry);
		return rc;
	}
	renamed_begin(c, &a, &b, &r);
	if (a.dentry->inode->dev != b.dentry->inode->dev || a.dentry->inode->mount != b.dentry->inode->mount)
		rc = -EXDEV;
	else
		rc = rename_names(c, &a, &b, flags);
	if (rc == 0)
		rc = rename_allowed(&a, &b);
	if (rc == 0)
		rc = a.dentry->inode->ops->rename == NULL ? -EROFS : rename_check(c, &a, &b);
	if (rc == 0)
		rc = a.dentry->inode->ops->rename(a.dentry->inode, a.last, b.dentry->inode, b.last, flags);
	if (rc == 0) {
		mutex_lock(&tree_mutex);
		dentry_forget_locked(b.dentry, b.last);
		if (flags & RENAME_EXCHANGE)
			dentry_forget_locked(a.dentry, a.last);
		else
			dentry_move_locked(a.dentry, a.last, b.dentry, b.last);
		mutex_unlock(&tree_mutex);
	}
	renamed_end(&a, &b, &r, rc == 0, flags & RENAME_EXCHANGE);
	names_unlock_two(&a, &b);
	dentry_put(a.dentry);
	dentry_put(b.dentry);
	return MIN(rc, 0);
}

/* --- open --- */

/*
 * A file where there was none. 1: made, 0: another has made it meanwhile, in *out; -EEXIST: it is not for the caller, or is a link that he
 * follows, or another node's making.
 */
static int make_file(struct fs_context *c, struct walk *w, u32 flags, u32 mode, struct dentry **out)
{
	struct inode *dir = w->dentry->inode, *i;
	struct new_file n;
	int rc;

	if (w->last_is_dir)
		return -EISDIR;
	if (dir->ops->create == NULL)
		return -EACCES;
	new_file_now(&n, dir, S_IFREG | (mode & 07777), umask_of(c));
	rc = names_lock(w);
	if (rc < 0)
		return rc;
	rc = fs_lookup(c, w->dentry, w->last, 0, out);
	if (rc == 0 && ((flags & O_EXCL) || (!(flags & O_NOFOLLOW) && (*out)->inode->type == S_IFLNK))) {
		dentry_put(*out);
		rc = -EEXIST;
	} else if (rc == -ENOENT) {
		rc = dir->ops->create(dir, w->last, &n, &i);
		if (rc < 0)
			forget_missing(w);
		if (rc == 0) {
			mutex_lock(&tree_mutex);
			dentry_forget_locked(w->dentry, w->last);
			*out = dentry_add_locked(w->dentry, w->last, strlen(w->last), i);
			mutex_unlock(&tree_mutex);
			inotify_name(dir, w->last, IN_CREATE, S_IFREG, 0);
			rc = *out != NULL ? 1 : -ENOMEM;
		}
	}
	names_unlock(w);
	return rc;
}

/* 0: there it is; 1: made just now */
static int open_create(struct fs_context *c, struct dentry *start, const char *path, u32 flags, u32 mode, unsigned walk_flags,
		       struct dentry **out)
{
	unsigned follow = flags & (O_NOFOLLOW | O_EXCL) ? 0 : WALK_FOLLOW;
	struct walk w;
	int rc;

	if (path[strlen(path) - 1] == '/') {		/* no file is made so, and none is looked for */
		rc = fs_walk(c, start, path, WALK_PARENT | walk_flags, &w);
		if (rc < 0)
			return rc;
		dentry_put(w.dentry);
		return -EISDIR;
	}
	for (unsigned tries = 0; tries < SYMLINKS_MAX; tries++) {
		rc = fs_lookup(c, start, path, walk_flags | follow, out);
		if (rc == 0 && (flags & O_EXCL)) {
			dentry_put(*out);
			return -EEXIST;
		}
		if (rc == -ENOTDIR && fs_walk(c, start, path, walk_flags | WALK_PARENT | WALK_FOLLOW, &w) == 0) {
			dentry_put(w.dentry);
			return w.last_is_dir ? -EISDIR : rc;	/* so ends a link, too */
		}
		if (rc != -ENOENT)
			return rc;
		/* a link that leads to nothing: the file is made there */
		rc = walk_to_change_how(c, start, path, walk_flags | follow, true, &w);
		if (rc == 0) {
			rc = make_file(c, &w, flags, mode, out);
			dentry_put(w.dentry);
		} else if (rc == -EBUSY || rc == -EINVAL) {
			rc = -EISDIR;
		}
		if (rc != -EEXIST || (flags & O_EXCL))
			return rc;
	}
	return rc;
}

/* O_TMPFILE: a file in a folder, but under no name. */
static int open_nameless(struct fs_context *c, struct dentry *start, const char *path, u32 flags, u32 mode, unsigned walk_flags,
			 struct dentry **out)
{
	struct dentry *dir;
	struct new_file n;
	struct inode *i;
	char name[32];
	int rc;

	if ((flags & O_CREAT) || (flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	rc = fs_lookup(c, start, path, walk_flags | WALK_FOLLOW | WALK_DIRECTORY, &dir);
	if (rc < 0)
		return rc;
	rc = fs_permission(dir->inode, MAY_WRITE | MAY_EXEC);
	new_file_now(&n, dir->inode, S_IFREG | (mode & 07777), umask_of(c));
	if (rc == 0)
		rc = dir->inode->ops->create_nameless == NULL ? -EOPNOTSUPP :
		     dir->inode->ops->create_nameless(dir->inode, &n, !(flags & O_EXCL), &i);
	if (rc == 0) {
		snprintf(name, sizeof(name), "#%llu", (unsigned long long)i->ino);
		inode_get(i);			/* should the dentry not come about, its last reference is not given back under tree_mutex */
		mutex_lock(&tree_mutex);
		*out = dentry_add_locked(dir, name, strlen(name), i);
		if (*out != NULL)
			dentry_unhook_locked(*out);
		mutex_unlock(&tree_mutex);
		inode_put(i);
		rc = *out != NULL ? 1 : -ENOMEM;
	}
	dentry_put(dir);
	return rc;
}

static int open_check(struct inode *i, u32 flags, bool fresh)
{
	unsigned want = (flags & O_ACCMODE) == O_RDONLY ? MAY_READ : (flags & O_ACCMODE) == O_WRONLY ? MAY_WRITE : MAY_READ | MAY_WRITE;
	int rc;

	if ((flags & O_DIRECTORY) && i->type != S_IFDIR)
		return -ENOTDIR;
	if (i->type == S_IFLNK)
		return -ELOOP;
	if (i->type == S_IFDIR && ((want & MAY_WRITE) || (flags & (O_CREAT | O_TRUNC))))
		return -EISDIR;
	if (i->type == S_IFSOCK)
		return -ENXIO;
	if ((i->type == S_IFCHR || i->type == S_IFBLK) && (mount_flags(i->mount) & MS_NODEV))
		return -EACCES;
	if (flags & O_TRUNC)
		want |= MAY_WRITE;
	if (fresh)
		return 0;
	rc = inode_rights(i);
	if (rc == 0 && (flags & O_NOATIME) && process_current()->cred.fsuid != i->uid && !capable(CAP_FOWNER))
		return -EPERM;
	return rc < 0 ? rc : fs_permission(i, want);
}

/*
 * Its file system has no such file any more: the tree is to say so, too. If this node removes it just now, that ends first, and the tree
 * says what has come in its place.
 */
static void name_stale(struct dentry *d)
{
	struct mutex *folder = NULL;

	mutex_lock(&tree_mutex);
	if (!d->dead && d->parent != NULL && d->inode->type != S_IFDIR)
		folder = folder_of(d->parent);
	mutex_unlock(&tree_mutex);
	if (folder == NULL)
		return;
	mutex_lock(folder);
	mutex_lock(&tree_mutex);
	if (!d->dead)
		dentry_unhook_locked(d);
	mutex_unlock(&tree_mutex);
	mutex_unlock(folder);
}

void fs_name_stale(struct fs_context *c, struct dentry *start, const char *path, unsigned flags, const struct inode *i)
{
	struct dentry *d;

	if (fs_lookup(c, start, path, flags, &d) < 0)
		return;
	if (d->inode == i)
		name_stale(d);
	dentry_put(d);
}

/* The file that a name leads to. 1: made just now; -ESTALE: it was removed meanwhile, and the name may be tried again */
static int open_named(struct fs_context *c, struct dentry *start, const char *path, u32 flags, u32 mode, u32 resolve, struct file **out)
{
	struct dentry *d;
	bool fresh;
	int rc;

	if ((flags & O_TMPFILE) == O_TMPFILE)
		rc = open_nameless(c, start, path, flags, mode, WALK_RESOLVE(resolve), &d);
	else if (flags & O_CREAT)
		rc = open_create(c, start, path, flags, mode, WALK_RESOLVE(resolve), &d);
	else
		rc = fs_lookup(c, start, path, WALK_RESOLVE(resolve) | (flags & O_NOFOLLOW ? 0 : WALK_FOLLOW), &d);
	if (rc < 0)
		return rc;
	fresh = rc == 1;
	if (!(flags & O_PATH))
		flags |= O_LARGEFILE;		/* as every file of a 64-bit program is */
	rc = flags & O_PATH ? ((flags & O_DIRECTORY) && d->inode->type != S_IFDIR ? -ENOTDIR : 0) : open_check(d->inode, (flags & O_TMPFILE) == O_TMPFILE ? flags & ~(u32)O_DIRECTORY : flags, fresh);
	if (rc == 0)
		rc = fs_open_inode(d->inode, d, flags, out);
	if (rc == -ESTALE)
		name_stale(d);
	dentry_put(d);
	return rc < 0 ? rc : fresh;
}

int fs_open(struct fs_context *c, struct dentry *start, const char *path, u32 flags, u32 mode, struct file **out)
{
	return fs_open_how(c, start, path, flags, mode, 0, false, out);
}

int fs_open_how(struct fs_context *c, struct dentry *start, const char *path, u32 flags, u32 mode, u32 resolve, bool announce, struct file **out)
{
	struct mount *m;
	bool fresh;
	int rc;

	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if ((flags & O_TMPFILE_ALONE) && !(flags & O_DIRECTORY))
		return -EINVAL;
	if ((flags & O_CREAT) && (flags & O_DIRECTORY))
		return -EINVAL;
	for (unsigned tries = 0; tries < STALE_TRIES; tries++) {
		rc = open_named(c, start, path, flags, mode, resolve, out);
		if (rc != -ESTALE)
			break;
	}
	if (rc < 0)
		return rc;
	fresh = rc == 1;
	rc = 0;
	m = (*out)->inode->mount;
	if ((flags & O_DIRECT) && (*out)->object == NULL && (*out)->inode->type != S_IFIFO)
		rc = -EINVAL;
	else if ((file_access(*out) & MAY_WRITE) || ((flags & O_TRUNC) && !(flags & O_PATH)))
		rc = file_text_begin(*out, TEXT_WRITES);
	else if ((*out)->object != NULL && !(flags & O_PATH)) {
		(*out)->reads = true;
		object_reader_add((*out)->object, 1);
	}
	if (rc == 0 && (file_access(*out) & MAY_WRITE) && m != NULL && (*out)->inode->type == S_IFREG) {
		atomic_inc(&m->writers);
		(*out)->writes = true;
		if (mount_flags(m) & MS_RDONLY)	/* just now */
			rc = -EROFS;
	}
	if (rc == 0 && !(flags & O_PATH))	/* after it is counted: a lease that is given from now on sees it */
		rc = lease_break(*out, flags & O_TRUNC);
	if (rc == 0 && announce && !(flags & O_PATH)) {
		(*out)->announced = true;
		inotify_file(*out, IN_OPEN);
	}
	if (rc == 0 && (flags & O_TRUNC) && !fresh && (*out)->object != NULL) {
		file_change_begin(*out);
		rc = (*out)->ops->may_resize != NULL ? (*out)->ops->may_resize(*out, 0) : 0;
		if (rc == 0)
			rc = fs_resize(*out, 0);
		file_change_end(*out);
		if (rc == 0)
			inotify_file(*out, IN_MODIFY);
	}
	if (rc < 0)
		file_put(*out);
	return rc;
}

int fs_open_exec(struct fs_context *c, struct dentry *start, const char *path, bool follow, struct file **out)
{
	int rc = -ESTALE;

	for (unsigned tries = 0; rc == -ESTALE && tries < STALE_TRIES; tries++) {
		struct dentry *d;

		rc = fs_lookup(c, start, path, follow ? WALK_FOLLOW : 0, &d);
		if (rc < 0)
			return rc;
		rc = fs_open_exec_inode(d->inode, d, out);
		if (rc == -ESTALE)
			name_stale(d);
		dentry_put(d);
	}
	return rc;
}

int fs_open_exec_inode(struct inode *i, struct dentry *d, struct file **out)
{
	int rc = i->type == S_IFLNK ? -ELOOP : i->type != S_IFREG ? -EACCES : fs_permission(i, MAY_EXEC);
	struct file *f;

	if (rc == 0)
		rc = fs_open_inode(i, d, O_RDONLY, &f);
	if (rc < 0)
		return rc;
	rc = file_text_begin(f, TEXT_RUNS);
	if (rc < 0)
		file_put(f);
	else
		*out = f;
	return rc;
}
