/* SPDX-License-Identifier: MIT */
/*
 * Directories whose files are made when they are read: the mechanism behind /proc, /sys and /dev. What is in them is said
 * by tables (procfs.c): a row is a directory, a text, a link or a device. A text is made whole when it is read from its beginning and kept
 * with the open file until that is done again, so that it does not change under who reads it in parts.
 */
#include "managers/processor/fs/synthfs.h"

#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "managers/processor/fs/mount.h"
#include "mm/slab.h"

#define TEXT_MAX MIB(1)
#define STORE_MAX 72		/* bytes of what is written to a file */

struct synth {			/* inode->private */
	const struct synth_entry *e;
	u32 pid, nr;
};

static const struct inode_ops synth_ops, synth_link_ops;

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->failed)
		return;
	for (;;) {
		va_start(ap, fmt);
		n = vsnprintf(t->buf + t->len, t->room - t->len, fmt, ap);
		va_end(ap);
		if (t->len + n < t->room)
			break;
		size_t room = t->room ? t->room * 2 : 1024;
		char *buf = room <= TEXT_MAX ? kmalloc(room) : NULL;

		if (buf == NULL) {
			t->failed = true;
			return;
		}
		if (t->len != 0)
			memcpy(buf, t->buf, t->len);
		kfree(t->buf);
		t->buf = buf;
		t->room = room;
	}
	t->len += n;
}

void text_bytes(struct text *t, const void *bytes, size_t len)
{
	const u8 *b = bytes;

	for (size_t i = 0; i < len && !t->failed; i++) {
		text_printf(t, "x");			/* makes room */
		if (!t->failed)
			t->buf[t->len - 1] = b[i];
	}
}

static u64 ino_of(const struct synth_entry *e, u32 pid)
{
	return ((u64)(uintptr_t)e & 0xffffff) | (u64)pid << 24;
}

struct inode *synth_inode(const struct synth_entry *e, u32 pid, u32 nr)
{
	struct inode *i = inode_alloc(e->follow ? &synth_link_ops : &synth_ops, e->mode);
	struct synth *s = kmalloc(sizeof(*s));

	if (i == NULL || s == NULL) {
		kfree(i);
		kfree(s);
		return NULL;
	}
	s->e = e;
	s->pid = pid;
	s->nr = nr;
	i->private = s;
	i->dev = 5;
	i->ino = ino_of(e, pid) + nr;
	i->rdev = e->rdev;
	i->no_cache = e->find != NULL || pid != 0;
	return i;
}

const struct synth_entry *synth_entry_of(const struct inode *i, u32 *pid)
{
	const struct synth *s = i->ops == &synth_ops ? i->private : NULL;

	*pid = s != NULL ? s->pid : 0;
	return s != NULL ? s->e : NULL;
}

static int synth_again(struct inode *i, struct inode **out)
{
	const struct synth *s = i->private;

	*out = synth_inode(s->e, s->pid, s->nr);
	return *out != NULL ? 0 : -ENOMEM;
}

static void synth_release(struct inode *i)
{
	kfree(i->private);
}

static int find_name(const struct synth *s, const char *name, struct inode **out)
{

	for (const struct synth_entry *e = s->e->dir; e != NULL && e->name != NULL; e++) {
		if (strcmp(e->name, name) == 0) {
			*out = synth_inode(e, s->pid, s->nr);
			return *out ? 0 : -ENOMEM;
		}
	}
	return s->e->find != NULL ? s->e->find(name, s->pid, out) : -ENOENT;
}

/* What lies in a process's folder is its owner's, as the folder is. */
static int synth_lookup(struct inode *dir, const char *name, struct inode **out)
{
	const struct synth *s = dir->private;
	const struct synth_entry *e;
	int rc = find_name(s, name, out);
	u32 pid;

	if (rc != 0 || s->pid == 0)
		return rc;
	(*out)->uid = dir->uid;
	(*out)->gid = dir->gid;
	e = synth_entry_of(*out, &pid);
	if (e != NULL && e->for_itself)
		(void)proc_is_own(pid, &(*out)->uid, &(*out)->gid);
	return 0;
}

static s64 synth_readlink(struct inode *i, char *buf, size_t size)
{
	const struct synth *s = i->private;

	return s->e->guarded && !proc_may_look(s->pid) ? -EACCES : s->e->link(s->pid, s->nr, buf, size);
}

static int synth_follow(struct inode *i, struct dentry **out)
{
	const struct synth *s = i->private;

	return s->e->guarded && !proc_may_look(s->pid) ? -EACCES : s->e->follow(s->pid, s->nr, out);
}

static int synth_getattr(struct inode *i, struct attr *a)
{
	u64 now = time_wall_ns();

	a->dev = i->dev;
	a->ino = i->ino;
	a->mode = i->mode;
	a->uid = i->uid;
	a->gid = i->gid;
	a->nlink = i->type == S_IFDIR ? 2 : 1;
	a->rdev = i->rdev;
	a->blksize = 4096;
	a->atime.sec = a->mtime.sec = a->ctime.sec = now / NSEC_PER_SEC;
	return 0;
}

static int synth_setattr(struct inode *i, const struct attr *a, u32 mask)
{
	return i->type == S_IFCHR ? 0 : -EPERM;		/* touch and chmod of /dev/null are harmless */
}

static int synth_statfs(struct inode *i, struct statfs_abi *st)
{
	const char *type = i->mount != NULL ? i->mount->type : "proc";

	memset(st, 0, sizeof(*st));
	st->type = strcmp(type, "sysfs") == 0 ? 0x62656572 : strcmp(type, "devtmpfs") == 0 ? 0x01021994 : 0x9fa0;	/* as statfs(2) lists them */
	st->bsize = st->frsize = 4096;
	st->namelen = NAME_MAX;
	return 0;
}

/* --- texts --- */

static DEFINE_MUTEX(texts_lock, RANK_MUTEX_LEAF);	/* guards file->private of files that are texts, and what it points to */

static void text_free(struct text *t)
{
	if (t != NULL)
		kfree(t->buf);
	kfree(t);
}

static struct text *text_make(const struct synth *s)
{
	struct text *t = kzalloc(sizeof(*t));

	if (t == NULL)
		return NULL;
	t->denied = s->e->guarded && !proc_may_look(s->pid);
	if (s->e->show_of != NULL)
		s->e->show_of(t, s->pid, s->nr);
	else
		s->e->show(t, s->pid);
	/* since it was opened the process may have begun a program that the reader may not look into, also just now */
	t->denied |= s->e->guarded && !proc_may_look(s->pid);
	return t;
}

static s64 text_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	struct text *t, *fresh = NULL;
	s64 n = 0;

	if (*pos == 0 || READ_ONCE(f->private) == NULL) {
		fresh = text_make(f->inode->private);
		if (fresh == NULL)
			return -ENOMEM;
	}
	mutex_lock(&texts_lock);
	t = f->private;
	if (fresh != NULL) {
		f->private = fresh;
		fresh = t;
		t = f->private;
	}
	if (t->failed || t->denied) {
		n = t->denied ? -EACCES : -ENOMEM;
	} else if (*pos < t->len) {
		n = MIN(len, t->len - *pos);
		memcpy(buf, t->buf + *pos, n);
		*pos += n;
	}
	mutex_unlock(&texts_lock);
	text_free(fresh);
	return n;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n'; }

/* The same but for the space between and around words. */
static bool same_words(const char *a, const char *b)
{
	for (;;) {
		while (is_space(*a))
			a++;
		while (is_space(*b))
			b++;
		while (*a != '\0' && !is_space(*a) && *a == *b) {
			a++;
			b++;
		}
		if ((*a != '\0' && !is_space(*a)) || (*b != '\0' && !is_space(*b)))
			return false;
		if (*a == '\0' && *b == '\0')
			return true;
	}
}

/* A setting that is what it is: to set it to that is no error. */
static int store_as_it_is(const struct synth *s, const char *value)
{
	struct text *t = text_make(s);
	int rc = t == NULL || t->failed ? -ENOMEM : same_words(t->buf, value) ? 0 : -EINVAL;

	text_free(t);
	return rc;
}

static s64 text_write(struct file *f, const void *buf, size_t len, u64 *pos)
{
	const struct synth *s = f->inode->private;
	char value[STORE_MAX];
	int rc;

	if (len >= sizeof(value))
		return -EINVAL;
	memcpy(value, buf, len);
	value[len] = '\0';
	rc = s->e->store != NULL ? s->e->store(value, s->pid) : store_as_it_is(s, value);
	return rc < 0 ? rc : (s64)len;
}

static s64 text_seek(struct file *f, s64 off, int whence)
{
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return off < 0 ? -EINVAL : (s64)(f->pos = off);
}

static void text_release(struct file *f)
{
	text_free(f->private);
}

static const struct file_ops text_ops = { .read = text_read, .write = text_write, .seek = text_seek, .release = text_release };

/* --- directories: position 0 and 1 are "." and "..", then the table, then what find's list gives --- */

struct emit { u8 *out; size_t room, done; u64 pos; };

static bool emit(struct emit *m, const char *name, u64 ino, u32 mode)
{
	size_t len = ALIGN_UP(sizeof(struct dirent64_abi) + strlen(name) + 1, 8UL);
	struct dirent64_abi *o = (struct dirent64_abi *)(m->out + m->done);

	if (m->done + len > m->room)
		return false;
	memset(o, 0, len);
	o->ino = ino;
	o->off = ++m->pos;
	o->reclen = len;
	o->type = DT_OF_MODE(mode);
	memcpy(o->name, name, strlen(name));
	m->done += len;
	return true;
}

static s64 synth_readdir(struct file *f, void *buf, size_t len)
{
	const struct synth *s = f->inode->private;
	struct emit m = { buf, len, 0, f->pos };
	const struct synth_entry *e = s->e->dir;
	struct inode *i;
	unsigned nr = 0;
	char name[16];
	bool ok = true;

	while (e != NULL && e[nr].name != NULL)
		nr++;
	while (ok && m.pos < 2 + nr) {
		if (m.pos < 2)
			ok = emit(&m, m.pos == 0 ? "." : "..", f->inode->ino, S_IFDIR);
		else
			ok = emit(&m, e[m.pos - 2].name, ino_of(&e[m.pos - 2], s->pid), e[m.pos - 2].mode);
	}
	/* numbered names: the position is 2 + nr + number */
	while (ok && s->e->next != NULL) {
		s64 n = s->e->next(s->pid, m.pos - 2 - nr);

		if (n < 0)
			break;
		snprintf(name, sizeof(name), "%s%lld", s->e->next_prefix ? s->e->next_prefix : "", (long long)n);
		m.pos = 2 + nr + n;
		if (s->e->find(name, s->pid, &i) < 0) {		/* gone meanwhile */
			m.pos++;
			continue;
		}
		ok = emit(&m, name, i->ino, s->e->next_mode);
		inode_put(i);
	}
	f->pos = m.pos;
	return m.done == 0 && !ok ? -EINVAL : (s64)m.done;
}

static s64 synth_dir_read(struct file *f, void *buf, size_t len, u64 *pos) { return -EISDIR; }

static const struct file_ops synth_dir_ops = { .read = synth_dir_read, .readdir = synth_readdir, .seek = text_seek };

static int synth_open(struct inode *i, struct file *f)
{
	const struct synth *s = i->private;

	switch (i->type) {
	case S_IFDIR:
		f->ops = &synth_dir_ops;
		return 0;
	case S_IFCHR:
		return device_open(i->rdev, f);
	case S_IFREG:
		if (s->e->open != NULL)
			return s->e->open(f, s->pid);
		if ((f->flags & O_ACCMODE) != O_RDONLY && s->e->store == NULL && !(s->e->mode & 0200))
			return -EACCES;
		if (s->e->guarded && !proc_may_look(s->pid))
			return -EACCES;
		f->ops = &text_ops;
		mutex_init(&f->pos_lock, "shown file's position", RANK_FILE_SHOWN);
		return 0;
	}
	return -ENXIO;
}

static const struct inode_ops synth_ops = {
	.lookup = synth_lookup, .readlink = synth_readlink, .getattr = synth_getattr, .setattr = synth_setattr,
	.statfs = synth_statfs, .open = synth_open, .again = synth_again, .release = synth_release,
};

static const struct inode_ops synth_link_ops = {
	.readlink = synth_readlink, .follow = synth_follow, .getattr = synth_getattr, .statfs = synth_statfs,
	.release = synth_release,
};
