/* SPDX-License-Identifier: MIT */
/* See fd.h. */
#include "managers/processor/fs/fd.h"

#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/fs_abi.h"
#include "managers/processor/fs/lock.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

#define FD_INITIAL	64

struct fd_table {
	refcount_t refs;
	struct spinlock lock;
	unsigned size;			/* [lock] */
	struct file **file;		/* [lock] with a reference each */
	bool *cloexec;			/* [lock] */
};

unsigned fd_table_size(struct fd_table *t) { return READ_ONCE(t->size); }

static int table_grow(struct fd_table *t, unsigned want)
{
	struct file **file, **old_file;
	bool *cloexec, *old_cloexec;
	unsigned size = READ_ONCE(t->size);

	if (want <= size)
		return 0;
	while (size < want)
		size = size ? size * 2 : FD_INITIAL;
	file = kcalloc(size, sizeof(*file));
	cloexec = kcalloc(size, sizeof(*cloexec));
	if (file == NULL || cloexec == NULL) {
		kfree(file);
		kfree(cloexec);
		return -ENOMEM;
	}
	spin_lock(&t->lock);
	old_file = file;
	old_cloexec = cloexec;
	if (t->size < size) {
		if (t->size != 0) {
			memcpy(file, t->file, t->size * sizeof(*file));
			memcpy(cloexec, t->cloexec, t->size * sizeof(*cloexec));
		}
		old_file = t->file;
		old_cloexec = t->cloexec;
		t->file = file;
		t->cloexec = cloexec;
		t->size = size;
	}
	spin_unlock(&t->lock);
	kfree(old_file);
	kfree(old_cloexec);
	return 0;
}

struct fd_table *fd_table_create(void)
{
	struct fd_table *t = kzalloc(sizeof(*t));

	if (t == NULL)
		return NULL;
	ref_init(&t->refs, 1);
	spin_init(&t->lock, "files", RANK_FILES);
	if (table_grow(t, FD_INITIAL) < 0) {
		kfree(t);
		return NULL;
	}
	return t;
}

struct fd_table *fd_table_copy(struct fd_table *old)
{
	struct fd_table *t = fd_table_create();

	if (t == NULL)
		return NULL;
	for (;;) {
		unsigned size = READ_ONCE(old->size);

		if (table_grow(t, size) < 0) {
			fd_table_put(t);
			return NULL;
		}
		spin_lock(&old->lock);
		if (old->size <= t->size)
			break;
		spin_unlock(&old->lock);
	}
	for (unsigned i = 0; i < old->size; i++) {
		t->file[i] = old->file[i];
		t->cloexec[i] = old->cloexec[i];
		if (t->file[i] != NULL)
			file_get(t->file[i]);
	}
	spin_unlock(&old->lock);
	return t;
}

void fd_table_get(struct fd_table *t)
{
	ref_get(&t->refs);
}

/* What a descriptor's end means for the process's locks comes before what it means for the file. */
static void file_close(struct fd_table *t, struct file *f)
{
	lock_closed(f, t);
	file_put(f);
}

void fd_table_put(struct fd_table *t)
{
	if (!ref_put(&t->refs))
		return;
	for (unsigned i = 0; i < t->size; i++)
		if (t->file[i] != NULL)
			file_close(t, t->file[i]);
	kfree(t->file);
	kfree(t->cloexec);
	kfree(t);
}

struct fd_table *fd_table_unshare(struct fd_table *t)
{
	if (ref_read(&t->refs) == 1)
		return t;
	return fd_table_copy(t);
}

struct file *fd_table_file(struct fd_table *t, int fd)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	if (fd >= 0 && (unsigned)fd < t->size)
		f = t->file[fd];
	if (f != NULL)
		file_get(f);
	spin_unlock(&t->lock);
	return f;
}

uintptr_t fd_table_id(struct fd_table *t, int fd)
{
	uintptr_t id;

	spin_lock(&t->lock);
	id = fd >= 0 && (unsigned)fd < t->size ? (uintptr_t)t->file[fd] : 0;
	spin_unlock(&t->lock);
	return id;
}

int fd_table_access(struct fd_table *t, int fd)
{
	int access = -1;

	spin_lock(&t->lock);
	if (fd >= 0 && (unsigned)fd < t->size && t->file[fd] != NULL)
		access = file_access(t->file[fd]);
	spin_unlock(&t->lock);
	return access;
}

bool fd_table_peek(struct fd_table *t, int fd, struct inode **i, struct dentry **d, const struct file_ops **ops)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	if (fd >= 0 && (unsigned)fd < t->size)
		f = t->file[fd];
	if (f != NULL) {
		*i = f->inode;
		*d = f->dentry;
		*ops = f->ops;
		if (*d != NULL)
			dentry_get(*d);
		if (*i != NULL)
			inode_get(*i);
	}
	spin_unlock(&t->lock);
	return f != NULL;
}

int fd_table_next(struct fd_table *t, int fd)
{
	int found = -1;

	spin_lock(&t->lock);
	for (unsigned i = fd; i < t->size && found < 0; i++)
		if (t->file[i] != NULL)
			found = i;
	spin_unlock(&t->lock);
	return found;
}

struct file *fd_get_any(int fd)
{
	return fd_table_file(task_current()->files, fd);
}

struct file *fd_get(int fd)
{
	struct file *f = fd_get_any(fd);

	if (f != NULL && (READ_ONCE(f->flags) & O_PATH)) {
		file_put(f);
		f = NULL;
	}
	return f;
}

int fd_room(void)
{
	u64 limit = MIN(rlimit_current(RLIMIT_NOFILE), (u64)FD_LIMIT);
	struct fd_table *t = task_current()->files;
	unsigned fd = 0;

	spin_lock(&t->lock);
	while (fd < t->size && t->file[fd] != NULL)
		fd++;
	spin_unlock(&t->lock);
	return fd < limit ? 0 : -EMFILE;
}

static int install_from(struct fd_table *t, struct file *f, unsigned lowest, bool cloexec)
{
	u64 limit = MIN(rlimit_current(RLIMIT_NOFILE), (u64)FD_LIMIT);

	for (;;) {
		unsigned fd = lowest, size;

		spin_lock(&t->lock);
		size = t->size;
		while (fd < size && t->file[fd] != NULL)
			fd++;
		if (fd < limit && fd < size) {
			file_get(f);
			t->file[fd] = f;
			t->cloexec[fd] = cloexec;
			spin_unlock(&t->lock);
			return fd;
		}
		spin_unlock(&t->lock);
		if (fd >= limit)
			return -EMFILE;
		if (table_grow(t, fd + 1) < 0)
			return -ENOMEM;
	}
}

/* On success the table has a reference of its own: the caller's is dropped here. */
int fd_install_from(struct file *f, int lowest, bool cloexec)
{
	int fd;

	if (lowest < 0 || (u64)lowest >= rlimit_current(RLIMIT_NOFILE))
		return -EINVAL;
	fd = install_from(task_current()->files, f, lowest, cloexec);
	if (fd >= 0)
		file_put(f);
	return fd;
}

int fd_install(struct file *f, bool cloexec)
{
	int fd = install_from(task_current()->files, f, 0, cloexec);

	if (fd >= 0)
		file_put(f);
	return fd;
}

int fd_install_at(struct fd_table *t, int fd, struct file *f, bool cloexec)
{
	struct file *old;
	int rc = table_grow(t, fd + 1);

	if (rc < 0) {
		file_put(f);
		return rc;
	}
	spin_lock(&t->lock);
	old = t->file[fd];
	t->file[fd] = f;
	t->cloexec[fd] = cloexec;
	spin_unlock(&t->lock);
	if (old != NULL)
		file_close(t, old);
	return fd;
}

int fd_close(int fd)
{
	struct fd_table *t = task_current()->files;
	struct file *f = NULL;

	spin_lock(&t->lock);
	if (fd >= 0 && (unsigned)fd < t->size) {
		f = t->file[fd];
		t->file[fd] = NULL;
	}
	spin_unlock(&t->lock);
	if (f == NULL)
		return -EBADF;
	file_close(t, f);
	return 0;
}

int fd_dup_to(int from, int to, bool cloexec)
{
	struct file *f = fd_get_any(from);

	if (f == NULL)
		return -EBADF;
	if (to < 0 || (u64)to >= MIN(rlimit_current(RLIMIT_NOFILE), (u64)FD_LIMIT)) {
		file_put(f);
		return -EBADF;
	}
	return fd_install_at(task_current()->files, to, f, cloexec);
}

int fd_table_flags(struct fd_table *t, int fd)
{
	int rc = -EBADF;

	spin_lock(&t->lock);
	if (fd >= 0 && (unsigned)fd < t->size && t->file[fd] != NULL)
		rc = t->cloexec[fd] ? FD_CLOEXEC : 0;
	spin_unlock(&t->lock);
	return rc;
}

int fd_get_flags(int fd) { return fd_table_flags(task_current()->files, fd); }

int fd_set_flags(int fd, int flags)
{
	struct fd_table *t = task_current()->files;
	int rc = -EBADF;

	spin_lock(&t->lock);
	if (fd >= 0 && (unsigned)fd < t->size && t->file[fd] != NULL) {
		t->cloexec[fd] = flags & FD_CLOEXEC;
		rc = 0;
	}
	spin_unlock(&t->lock);
	return rc;
}

static void close_those(struct fd_table *t, unsigned first, unsigned last, bool only_cloexec)
{
	for (unsigned i = first; i <= last; i++) {
		struct file *f = NULL;

		spin_lock(&t->lock);
		if (i >= t->size) {
			spin_unlock(&t->lock);
			return;
		}
		if (t->file[i] != NULL && (!only_cloexec || t->cloexec[i])) {
			f = t->file[i];
			t->file[i] = NULL;
		}
		spin_unlock(&t->lock);
		if (f != NULL)
			file_close(t, f);
	}
}

void fd_close_on_exec(struct fd_table *t)
{
	close_those(t, 0, ~0U - 1, true);
}

void fd_close_range(unsigned first, unsigned last, bool set_cloexec)
{
	struct fd_table *t = task_current()->files;

	if (!set_cloexec) {
		close_those(t, first, MIN(last, ~0U - 1), false);
		return;
	}
	spin_lock(&t->lock);
	for (unsigned i = first; i <= last && i < t->size; i++)
		t->cloexec[i] = true;
	spin_unlock(&t->lock);
}
