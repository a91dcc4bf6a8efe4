/* SPDX-License-Identifier: MIT */
/*
 * inotify(7). A watch names a file by its identity, since one file may have several inodes here, and holds an inode of it. One spinlock
 * guards all watches and queues; what has to be let go is let go after it.
 */
#include "managers/processor/fs/inotify.h"

#include "arch/x86/uaccess.h"
#include "kernel/waitq.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "managers/processor/fs/anon.h"
#include "managers/processor/fs/dentry.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "managers/processor/syscall/where.h"
#include "mm/frame.h"
#include "mm/slab.h"

#define IN_ALL		0xfff
#define IN_UNMOUNT	0x2000
#define IN_Q_OVERFLOW	0x4000
#define IN_IGNORED	0x8000
#define IN_ONLYDIR	0x01000000
#define IN_DONT_FOLLOW	0x02000000
#define IN_EXCL_UNLINK	0x04000000
#define IN_MASK_CREATE	0x10000000
#define IN_MASK_ADD	0x20000000
#define IN_ISDIR	0x40000000
#define IN_ONESHOT	0x80000000
#define IN_KNOWN	(IN_ALL | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ISDIR | IN_ONLYDIR | \
			 IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ONESHOT)

#define EVENTS_MAX	16384
#define WATCHES_MAX	65536		/* of all programs together */
#define INSTANCES_MAX	128
#define HASH_BITS	7

struct event {
	struct list link;
	s32 wd;
	u32 mask, cookie;
	u32 len;			/* of the name and the zeros behind it */
	char name[];
};

struct event_abi { s32 wd; u32 mask, cookie, len; };

struct instance {
	struct list watches;		/* [lock] */
	struct list events;		/* [lock] */
	u32 nr_events, bytes;		/* [lock] */
	s32 next_wd;			/* [lock] */
	struct waitq wait;
};

struct watch {
	struct list hash_link, instance_link;	/* [lock] */
	struct instance *instance;	/* [I] */
	struct inode *inode;		/* [I] with a reference */
	s32 wd;				/* [I] */
	u32 mask;			/* [lock] */
};

u32 inotify_watches;
static DEFINE_SPINLOCK(lock, RANK_INOTIFY);
static struct list hash[1 << HASH_BITS];	/* [lock] */
static u32 nr_instances;			/* [lock] */
static atomic_t last_cookie = ATOMIC_INIT(0);
static const struct file_ops inotify_ops;

u32 inotify_cookie(void)
{
	return atomic_inc_return(&last_cookie);
}

static struct list *bucket_of(const struct inode *i)
{
	struct list *b = &hash[hash_bits(i->ino ^ i->dev << 32, HASH_BITS)];

	if (b->next == NULL)
		list_init(b);
	return b;
}

static bool same(const struct inode *a, const struct inode *b)
{
	return a == b || (a->ino != 0 && a->ino == b->ino && a->dev == b->dev && a->gen == b->gen && a->ops == b->ops);
}

/* --- queues; lock held --- */

static void queue_event(struct instance *n, s32 wd, u32 mask, const char *name, u32 cookie)
{
	struct event *last = list_empty(&n->events) ? NULL : container_of(n->events.prev, struct event, link), *e;
	u32 len = name != NULL ? ALIGN_UP(strlen(name) + 1, sizeof(struct event_abi)) : 0;

	if (last != NULL && last->wd == wd && last->mask == mask && last->cookie == cookie && last->len == len &&
	    (len == 0 || strcmp(last->name, name) == 0))
		return;				/* it would say the same twice */
	if (n->nr_events >= EVENTS_MAX || !frames_to_spare()) {
		if (last != NULL && last->mask == IN_Q_OVERFLOW)
			return;
		wd = -1;
		mask = IN_Q_OVERFLOW;
		cookie = len = 0;
	}
	e = kzalloc(sizeof(*e) + len);
	if (e == NULL)
		return;
	*e = (struct event){ .wd = wd, .mask = mask, .cookie = cookie, .len = len };
	if (len != 0)
		memcpy(e->name, name, strlen(name));
	list_add_tail(&n->events, &e->link);
	n->nr_events++;
	n->bytes += sizeof(struct event_abi) + len;
	waitq_wake_all(&n->wait);
}

static void event_free(struct instance *n, struct event *e)
{
	list_del(&e->link);
	n->nr_events--;
	n->bytes -= sizeof(struct event_abi) + e->len;
	kfree(e);
}

/* Off its lists, onto that of the dead. */
static void watch_end(struct watch *w, struct list *dead)
{
	list_del(&w->hash_link);
	list_del(&w->instance_link);
	list_add_tail(dead, &w->instance_link);
	WRITE_ONCE(inotify_watches, inotify_watches - 1);
}

static void watches_free(struct list *dead)
{
	struct watch *w, *next;

	list_for_each_safe(w, next, dead, instance_link) {
		inode_put(w->inode);
		kfree(w);
	}
}

/* --- what happens --- */

/* To all who watch i. unlinked: the name that it was opened by is none any more. */
static void tell(struct inode *i, u32 event, u32 mode, const char *name, u32 cookie, bool unlinked)
{
	struct list dead = LIST_INIT(dead);
	u32 mask = event | ((mode & S_IFMT) == S_IFDIR && !(event & (IN_DELETE_SELF | IN_MOVE_SELF)) ? IN_ISDIR : 0);
	struct watch *w, *next;

	spin_lock(&lock);
	list_for_each_safe(w, next, bucket_of(i), hash_link) {
		if (!(w->mask & event) || !same(w->inode, i) || (unlinked && (w->mask & IN_EXCL_UNLINK)))
			continue;
		queue_event(w->instance, w->wd, mask, name, cookie);
		if (w->mask & IN_ONESHOT) {
			queue_event(w->instance, w->wd, IN_IGNORED, NULL, 0);
			watch_end(w, &dead);
		}
	}
	spin_unlock(&lock);
	watches_free(&dead);
}

void inotify_gone(struct inode *i)
{
	struct list dead = LIST_INIT(dead);
	struct watch *w, *next;

	spin_lock(&lock);
	list_for_each_safe(w, next, bucket_of(i), hash_link) {
		if (!same(w->inode, i))
			continue;
		if (w->mask & IN_DELETE_SELF)
			queue_event(w->instance, w->wd, IN_DELETE_SELF, NULL, 0);
		queue_event(w->instance, w->wd, IN_IGNORED, NULL, 0);
		watch_end(w, &dead);
	}
	spin_unlock(&lock);
	watches_free(&dead);
}

void inotify_name(struct inode *dir, const char *name, u32 event, u32 mode, u32 cookie)
{
	if (inotify_any())
		tell(dir, event, mode, name, cookie, false);
}

void inotify_self(struct inode *i, u32 event)
{
	if (inotify_any())
		tell(i, event, i->type, NULL, 0, false);
}

/* The folder of d is told first, with d's name. true: d is that no more */
static bool tell_folder(struct dentry *d, u32 event)
{
	char name[NAME_MAX + 1];
	struct inode *dir = NULL;
	bool dead = false;

	mutex_lock(&tree_mutex);
	if (d->parent != NULL) {
		inode_get(dir = d->parent->inode);
		str_copy(name, d->name, sizeof(name));
		dead = d->dead;
	}
	mutex_unlock(&tree_mutex);
	if (dir == NULL)
		return false;
	tell(dir, event, d->inode->type, name, 0, dead);
	inode_put(dir);
	return dead;
}

void inotify_tell_file(struct file *f, u32 event)
{
	bool unlinked = f->dentry != NULL && tell_folder(f->dentry, event);

	tell(f->inode, event, f->inode->type, NULL, 0, unlinked);
}

void inotify_tell_inode(struct inode *i, u32 event)
{
	struct dentry *d;

	mutex_lock(&tree_mutex);
	d = dentry_of_inode_locked(i, same);
	mutex_unlock(&tree_mutex);
	if (d != NULL) {
		(void)tell_folder(d, event);
		dentry_put(d);
	}
	tell(i, event, i->type, NULL, 0, false);
}

/* --- the file that events are read from --- */

static s64 inotify_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	struct instance *n = f->private;
	size_t done = 0;
	struct event *e;
	bool short_of = false;

	for (;;) {
		spin_lock(&lock);
		while ((e = list_first(&n->events, struct event, link)) != NULL) {
			struct event_abi head = { e->wd, e->mask, e->cookie, e->len };

			short_of = sizeof(head) + e->len > len - done;
			if (short_of)
				break;
			memcpy((u8 *)buf + done, &head, sizeof(head));
			memcpy((u8 *)buf + done + sizeof(head), e->name, e->len);
			done += sizeof(head) + e->len;
			event_free(n, e);
		}
		spin_unlock(&lock);
		if (done != 0)
			return done;
		if (short_of)
			return -EINVAL;
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return -EAGAIN;
		if (waitq_wait_intr(&n->wait, READ_ONCE(n->nr_events) != 0, 0) < 0)
			return -ERESTARTSYS;
	}
}

static u32 inotify_poll(struct file *f, struct poll_table *pt)
{
	struct instance *n = f->private;

	poll_wait(pt, &n->wait);
	return READ_ONCE(n->nr_events) != 0 ? POLLIN | POLLRDNORM : 0;
}

static s64 inotify_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct instance *n = f->private;

	return cmd == FIONREAD ? put_user32(arg, READ_ONCE(n->bytes)) : -ENOTTY;
}

static void inotify_release(struct file *f)
{
	struct list dead = LIST_INIT(dead);
	struct instance *n = f->private;
	struct event *e;
	struct watch *w;

	spin_lock(&lock);
	while ((w = list_first(&n->watches, struct watch, instance_link)) != NULL)
		watch_end(w, &dead);
	while ((e = list_first(&n->events, struct event, link)) != NULL)
		event_free(n, e);
	nr_instances--;
	spin_unlock(&lock);
	watches_free(&dead);
	kfree(n);
}

static const struct file_ops inotify_ops = { .tells = true, .kind = "inotify", .read = inotify_read, .poll = inotify_poll, .ioctl = inotify_ioctl, .seek = anon_seek,
					     .release = inotify_release };

s64 sys_inotify_init1(u64 flags, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct instance *n;
	struct file *f;
	bool many;

	if ((u32)flags & ~(u32)(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	n = kzalloc(sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	list_init(&n->watches);
	list_init(&n->events);
	waitq_init(&n->wait);
	n->next_wd = 1;
	spin_lock(&lock);
	many = nr_instances >= INSTANCES_MAX;
	if (!many)
		nr_instances++;
	spin_unlock(&lock);
	f = many ? NULL : anon_file(&inotify_ops, n, O_RDONLY | (flags & O_NONBLOCK));
	if (f != NULL)
		return anon_install(f, flags & O_CLOEXEC);
	if (!many) {
		spin_lock(&lock);
		nr_instances--;
		spin_unlock(&lock);
	}
	kfree(n);
	return many ? -EMFILE : -ENOMEM;
}

s64 sys_inotify_init(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_inotify_init1(0, 0, 0, 0, 0, 0); }

/* --- watches --- */

/* lock held. One that is there is changed: its number, or why not; 0: there is none. */
static s64 watch_change(struct instance *n, struct inode *i, u32 mask)
{
	struct watch *w;

	list_for_each(w, bucket_of(i), hash_link) {
		if (w->instance != n || !same(w->inode, i))
			continue;
		if (mask & IN_MASK_CREATE)
			return -EEXIST;
		w->mask = mask & IN_MASK_ADD ? w->mask | mask : mask;
		return w->wd;
	}
	return 0;
}

/* i's reference is the watch's, when it is used. */
static s64 watch_add(struct instance *n, struct inode *i, u32 mask)
{
	struct watch *w = kzalloc(sizeof(*w));
	s64 wd;

	if (w == NULL)
		return -ENOMEM;
	spin_lock(&lock);
	wd = watch_change(n, i, mask);
	if (wd == 0 && inotify_watches >= WATCHES_MAX)
		wd = -ENOSPC;
	if (wd == 0) {
		inode_get(i);
		w->instance = n;
		w->inode = i;
		w->mask = mask;
		w->wd = wd = n->next_wd++;
		list_add_tail(bucket_of(i), &w->hash_link);
		list_add_tail(&n->watches, &w->instance_link);
		WRITE_ONCE(inotify_watches, inotify_watches + 1);
		w = NULL;
	}
	spin_unlock(&lock);
	kfree(w);
	return wd;
}

s64 sys_inotify_add_watch(u64 fd, u64 path, u64 mask_word, u64 a3, u64 a4, u64 a5)
{
	u32 mask = mask_word;
	struct inode *i;
	struct file *f;
	s64 rc;

	if (!(mask & IN_KNOWN) || (mask & ~IN_KNOWN))
		return -EINVAL;
	f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	if (f->ops != &inotify_ops || (mask & (IN_MASK_ADD | IN_MASK_CREATE)) == (IN_MASK_ADD | IN_MASK_CREATE)) {
		file_put(f);
		return -EINVAL;
	}
	rc = lookup_user(AT_FDCWD, path, false, (mask & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW) | (mask & IN_ONLYDIR ? WALK_DIRECTORY : 0), &i);
	if (rc == 0) {
		rc = fs_permission(i, MAY_READ);
		if (rc == 0)
			rc = watch_add(f->private, i, mask);
		inode_put(i);
	}
	file_put(f);
	return rc;
}

s64 sys_inotify_rm_watch(u64 fd, u64 wd, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct list dead = LIST_INIT(dead);
	struct instance *n;
	struct watch *w;
	s64 rc;
	struct file *f = anon_get(fd, &inotify_ops, &rc);

	if (f == NULL)
		return rc;
	n = f->private;
	rc = -EINVAL;
	spin_lock(&lock);
	list_for_each(w, &n->watches, instance_link) {
		if (w->wd != (s32)wd)
			continue;
		queue_event(n, w->wd, IN_IGNORED, NULL, 0);
		watch_end(w, &dead);
		rc = 0;
		break;
	}
	spin_unlock(&lock);
	watches_free(&dead);
	file_put(f);
	return rc;
}
