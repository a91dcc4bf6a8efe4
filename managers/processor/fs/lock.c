/* SPDX-License-Identifier: MIT */
/*
 * See lock.h. One list of all locks and one wait queue: there are few. A lock's owner is the descriptor table (of a process) or
 * the open file; those of one owner never overlap, and where two of one kind would touch they are one.
 */
#include "managers/processor/fs/lock.h"

#include "arch/x86/uaccess.h"
#include "kernel/waitq.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

enum { F_RDLCK, F_WRLCK, F_UNLCK };
#define F_OFD_GETLK	36
#define F_OFD_SETLK	37
#define F_OFD_SETLKW	38
#define LOCK_SH		1
#define LOCK_EX		2
#define LOCK_NB		4
#define LOCK_UN		8
#define END_OF_ALL	(~0ULL >> 1)

struct lock {
	struct list link;		/* [locks_lock] */
	u64 dev, ino;
	void *owner;
	bool whole;			/* flock(2)'s: they and the others do not see each other */
	bool write;
	u64 start, last;
	s32 pid;			/* who set it, as F_GETLK shows it; -1: an open file's */
};

struct sleeper {			/* on its thread's stack */
	struct list link;		/* [locks_lock] */
	void *owner, *waits_for;
};

static DEFINE_MUTEX(locks_lock, RANK_MUTEX_LEAF);
static struct list locks = LIST_INIT(locks);		/* [locks_lock] */
static struct list sleepers = LIST_INIT(sleepers);	/* [locks_lock] */
static struct waitq locks_wait = WAITQ_INIT(locks_wait);
static u32 changes;					/* [a] locks that went, or shrank */
static u32 nr_locks;					/* [a] for those who close files */

static bool same_file(const struct lock *a, const struct lock *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->whole == b->whole;
}

static bool overlap(const struct lock *a, const struct lock *b)
{
	return a->start <= b->last && b->start <= a->last;
}

static bool in_the_way(const struct lock *l, const struct lock *want)
{
	return same_file(l, want) && l->owner != want->owner && overlap(l, want) && (l->write || want->write);
}

static struct lock *conflict(const struct lock *want)
{
	struct lock *l;

	list_for_each(l, &locks, link)
		if (in_the_way(l, want))
			return l;
	return NULL;
}

static void lock_insert(struct lock *l)
{
	list_add_tail(&locks, &l->link);
	__atomic_fetch_add(&nr_locks, 1, __ATOMIC_SEQ_CST);
}

static void lock_delete(struct lock *l)
{
	list_del(&l->link);
	__atomic_fetch_sub(&nr_locks, 1, __ATOMIC_SEQ_CST);
	kfree(l);
}

/* The owner gives up [start, last] of the file; a hole in the middle needs spare. true: spare is used */
static bool give_up(const struct lock *range, struct lock *spare)
{
	struct lock *l, *tmp;
	bool used = false;

	list_for_each_safe(l, tmp, &locks, link) {
		if (!same_file(l, range) || l->owner != range->owner || !overlap(l, range))
			continue;
		if (l->start < range->start && l->last > range->last) {
			*spare = *l;
			list_init(&spare->link);
			spare->start = range->last + 1;
			l->last = range->start - 1;
			lock_insert(spare);
			used = true;
		} else if (l->start < range->start) {
			l->last = range->start - 1;
		} else if (l->last > range->last) {
			l->start = range->last + 1;
		} else {
			lock_delete(l);
		}
	}
	return used;
}

/* The owner's locks of the same kind that touch this one become part of it. */
static void take_in(struct lock *into)
{
	struct lock *l, *tmp;

	list_for_each_safe(l, tmp, &locks, link) {
		if (!same_file(l, into) || l->owner != into->owner || l->write != into->write)
			continue;
		if (l->last + 1 != into->start && into->last + 1 != l->start)
			continue;
		into->start = MIN(into->start, l->start);
		into->last = MAX(into->last, l->last);
		lock_delete(l);
	}
}

static void tell_waiters(void)
{
	__atomic_fetch_add(&changes, 1, __ATOMIC_SEQ_CST);
	waitq_wake_all(&locks_wait);
}

/* Would a wait for other come round to owner? */
static bool deadlock(void *owner, void *other)
{
	struct sleeper *s;

	for (unsigned steps = 0; steps < 64; steps++) {
		void *next = NULL;

		if (other == owner)
			return true;
		list_for_each(s, &sleepers, link)
			if (s->owner == other)
				next = s->waits_for;
		if (next == NULL)
			return false;
		other = next;
	}
	return false;
}

/* flock(2): an open file has one lock at the most. NULL: none */
static const struct lock *held_whole(const struct lock *want)
{
	struct lock *l;

	list_for_each(l, &locks, link)
		if (same_file(l, want) && l->owner == want->owner)
			return l;
	return NULL;
}

/*
 * want->write: what is asked for; unlock: only give up. Takes nothing over. To change a lock of a whole file is to give it up first: another
 * may come between, two that share it and want it for themselves do not wait for each other, and who may not wait may be left without.
 */
static int lock_set(const struct lock *want, bool unlock, bool wait)
{
	struct lock *fresh = kzalloc(sizeof(*fresh)), *spare = kzalloc(sizeof(*spare)), *other;
	const struct lock *mine;
	int rc = 0;

	if (fresh == NULL || spare == NULL) {
		kfree(fresh);
		kfree(spare);
		return -ENOLCK;
	}
	mutex_lock(&locks_lock);
	mine = want->whole && !unlock ? held_whole(want) : NULL;
	if (mine != NULL && mine->write == want->write)
		goto unlock_list;
	if (mine != NULL) {
		(void)give_up(want, NULL);	/* all of it: nothing is left to be split */
		tell_waiters();
	}
	while (!unlock && (other = conflict(want)) != NULL) {
		struct sleeper me = { .owner = want->owner, .waits_for = other->owner };
		u32 seen = __atomic_load_n(&changes, __ATOMIC_SEQ_CST);

		if (!wait)
			rc = -EAGAIN;
		else if (!want->whole && want->pid >= 0 && deadlock(want->owner, other->owner))	/* who else has an open file may unlock it */
			rc = -EDEADLK;
		if (rc < 0)
			break;
		list_add_tail(&sleepers, &me.link);
		mutex_unlock(&locks_lock);
		rc = waitq_wait_intr(&locks_wait, __atomic_load_n(&changes, __ATOMIC_SEQ_CST) != seen, 0);
		mutex_lock(&locks_lock);
		list_del(&me.link);
		if (rc < 0) {
			rc = -ERESTARTSYS;
			break;
		}
	}
	if (rc == 0) {
		if (give_up(want, spare))
			spare = NULL;
		if (!unlock) {
			*fresh = *want;
			list_init(&fresh->link);
			take_in(fresh);
			lock_insert(fresh);
			fresh = NULL;
		}
		tell_waiters();
	}
unlock_list:
	mutex_unlock(&locks_lock);
	kfree(fresh);
	kfree(spare);
	return rc;
}

static int range_of(struct file *f, const struct flock_abi *fl, struct lock *l)
{
	s64 from = 0, start;

	switch (fl->whence) {
	case SEEK_SET: break;
	case SEEK_CUR: from = READ_ONCE(f->pos); break;
	case SEEK_END: from = f->object ? object_size(f->object) : 0; break;
	default: return -EINVAL;
	}
	if (fl->start > (s64)END_OF_ALL - from)
		return -EOVERFLOW;
	start = from + fl->start;
	if (start < 0 || (fl->len < 0 && start + fl->len < 0))
		return -EINVAL;
	if (fl->len > 0 && fl->len - 1 > (s64)END_OF_ALL - start)
		return -EOVERFLOW;
	l->start = fl->len < 0 ? start + fl->len : start;
	l->last = fl->len == 0 ? END_OF_ALL : fl->len < 0 ? (u64)start - 1 : (u64)start + fl->len - 1;
	return 0;
}

/* ... that which stands first in the file, of one who is in the way */
static struct lock *first_conflict(const struct lock *want)
{
	struct lock *first = conflict(want), *l;

	list_for_each(l, &locks, link)
		if (first != NULL && in_the_way(l, want) && l->owner == first->owner && l->start < first->start)
			first = l;
	return first;
}

static s64 get_lock(const struct lock *want, struct flock_abi *fl, u64 user)
{
	struct lock *l;

	mutex_lock(&locks_lock);
	l = first_conflict(want);
	if (l == NULL) {
		fl->type = F_UNLCK;
	} else {
		fl->type = l->write ? F_WRLCK : F_RDLCK;
		fl->whence = SEEK_SET;
		fl->start = l->start;
		fl->len = l->last == END_OF_ALL ? 0 : l->last - l->start + 1;
		fl->pid = l->pid;
	}
	mutex_unlock(&locks_lock);
	return copy_to_user(user, fl, sizeof(*fl));
}

s64 lock_fcntl(struct file *f, u32 cmd, u64 user)
{
	bool by_file = cmd >= F_OFD_GETLK;
	struct flock_abi fl;
	struct lock l = { 0 };
	u32 access = file_access(f);
	int rc;

	if (copy_from_user(&fl, user, sizeof(fl)) < 0)
		return -EFAULT;
	if (f->inode == NULL || fl.type < F_RDLCK || fl.type > F_UNLCK || (by_file && fl.pid != 0))
		return -EINVAL;
	rc = range_of(f, &fl, &l);
	if (rc < 0)
		return rc;
	l.dev = f->inode->dev;
	l.ino = f->inode->ino;
	l.owner = by_file ? (void *)f : (void *)task_current()->files;
	l.write = fl.type == F_WRLCK;
	l.pid = by_file ? -1 : (s32)process_current()->pid;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK)
		return fl.type == F_UNLCK ? -EINVAL : get_lock(&l, &fl, user);
	if ((fl.type == F_RDLCK && !(access & MAY_READ)) || (fl.type == F_WRLCK && !(access & MAY_WRITE)))
		return -EBADF;
	return lock_set(&l, fl.type == F_UNLCK, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

s64 lock_flock(struct file *f, u32 op)
{
	struct lock l = { .owner = f, .whole = true, .last = END_OF_ALL, .pid = (s32)process_current()->pid };

	if (f->inode == NULL)
		return -EBADF;
	l.dev = f->inode->dev;
	l.ino = f->inode->ino;
	switch (op & ~(u32)LOCK_NB) {
	case LOCK_SH: break;
	case LOCK_EX: l.write = true; break;
	case LOCK_UN: return lock_set(&l, true, false);
	default: return -EINVAL;
	}
	return lock_set(&l, false, !(op & LOCK_NB));
}

static void drop(struct file *f, void *owner, bool whole)
{
	struct lock range = { .owner = owner, .whole = whole, .last = END_OF_ALL };

	if (__atomic_load_n(&nr_locks, __ATOMIC_SEQ_CST) == 0 || f->inode == NULL)
		return;
	range.dev = f->inode->dev;
	range.ino = f->inode->ino;
	mutex_lock(&locks_lock);
	(void)give_up(&range, NULL);	/* all of it: nothing is left to be split */
	tell_waiters();
	mutex_unlock(&locks_lock);
}

/* /proc/locks: each with its number, beginning with 1. */
void show_locks(struct text *t, u32 none)
{
	unsigned n = 0;
	struct lock *l;

	mutex_lock(&locks_lock);
	list_for_each(l, &locks, link) {
		text_printf(t, "%u: %s ADVISORY  %s %d %02x:%02x:%llu ", ++n, l->whole ? "FLOCK " : l->pid < 0 ? "OFDLCK" : "POSIX ",
			    l->write ? "WRITE" : "READ", l->pid, (unsigned)(l->dev >> 8), (unsigned)(l->dev & 255), (unsigned long long)l->ino);
		if (l->last == END_OF_ALL)
			text_printf(t, "%llu EOF\n", (unsigned long long)l->start);
		else
			text_printf(t, "%llu %llu\n", (unsigned long long)l->start, (unsigned long long)l->last);
	}
	mutex_unlock(&locks_lock);
}

void lock_closed(struct file *f, void *files)
{
	drop(f, files, false);
}

void lock_file_gone(struct file *f)
{
	drop(f, f, false);
	drop(f, f, true);
}
