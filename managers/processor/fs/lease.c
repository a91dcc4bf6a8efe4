/* SPDX-License-Identifier: MIT */
/*
 * Leases. There are few: one list for all of them, by the file's object, which is one for all names and openings of a file. lease_lock
 * (sleeps) guards the list and what is in it; who waits for one to end sleeps on lease_wait without it.
 */
#include "managers/processor/fs/lease.h"

#include "kernel/time.h"
#include "kernel/waitq.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/async.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/lock.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

enum { LEASE_READ, LEASE_WRITE, LEASE_NONE };	/* as F_RDLCK, F_WRLCK, F_UNLCK */

struct lease {
	struct list link;
	struct file *file;		/* whose it is; without a reference: it goes with it */
	u8 type;			/* LEASE_READ, LEASE_WRITE */
	u8 wanted;			/* to what it is to be changed; as type: to nothing else */
	u64 until_ns;			/* ... by then */
};

static DEFINE_MUTEX(lease_lock, RANK_MUTEX_LEAF);
static struct list leases = LIST_INIT(leases);	/* [lease_lock] */
static u32 changes;				/* [a] of the list */
static struct waitq lease_wait = WAITQ_INIT(lease_wait);
static u32 break_seconds = LEASE_BREAK_SECONDS;	/* [a] */

u32 lease_break_seconds(void) { return READ_ONCE(break_seconds); }

int lease_set_break_seconds(u32 seconds)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	WRITE_ONCE(break_seconds, seconds);
	return 0;
}

static struct lease *lease_of(const struct file *f)
{
	struct lease *l;

	list_for_each(l, &leases, link)
		if (l->file == f)
			return l;
	return NULL;
}

static void changed(void)
{
	__atomic_fetch_add(&changes, 1, __ATOMIC_SEQ_CST);
	waitq_wake_all(&lease_wait);
}

static void end(struct lease *l)
{
	list_del(&l->link);
	__atomic_fetch_sub(&l->file->object->leases, 1, __ATOMIC_SEQ_CST);
	kfree(l);
	changed();
}

/* May f have one of this type, as the file is open now? */
static bool is_free(struct file *f, u8 type)
{
	bool writes = file_access(f) & MAY_WRITE;

	if (type == LEASE_READ)
		return object_nr_writers(f->object) == 0;
	return object_nr_writers(f->object) == writes && object_nr_readers(f->object) == !writes;
}

/* lease_lock held. f->object->leases counts fresh already: who opens the file from now on comes by here, who was before is counted. */
static int set_locked(struct file *f, u8 type, struct lease *fresh, bool *used)
{
	struct lease *l = lease_of(f), *other;

	if (type == LEASE_NONE) {
		if (l == NULL)
			return -EAGAIN;
		end(l);
		return 0;
	}
	if (!is_free(f, type))
		return -EAGAIN;
	list_for_each(other, &leases, link)
		if (other->file != f && other->file->object == f->object && (type == LEASE_WRITE || other->wanted != other->type))
			return -EAGAIN;
	if (l != NULL) {
		if (l->wanted != l->type && type != l->wanted)
			return -EAGAIN;			/* it is to be given up */
		l->type = l->wanted = type;
		changed();
		return 0;
	}
	fresh->file = f;
	fresh->type = fresh->wanted = type;
	list_add_tail(&leases, &fresh->link);
	*used = true;
	return 0;
}

s64 lease_set(struct file *f, int fd, s32 type)
{
	struct lease *fresh;
	bool used = false;
	int rc;

	if (type < LEASE_READ || type > LEASE_NONE || f->inode == NULL)
		return -EINVAL;
	rc = inode_rights(f->inode);
	if (rc == 0 && process_current()->cred.fsuid != f->inode->uid && !capable(CAP_LEASE))
		rc = -EACCES;
	else if (rc == 0 && (f->inode->type != S_IFREG || f->object == NULL))
		rc = -EINVAL;
	if (rc == 0 && type != LEASE_NONE && async_owner(f) == 0)
		rc = async_set_owner(f, process_current()->pid);
	if (rc < 0)
		return rc;
	if (type != LEASE_NONE)
		async_set_fd(f, fd);
	fresh = kzalloc(sizeof(*fresh));
	if (fresh == NULL)
		return -ENOMEM;
	mutex_lock(&lease_lock);
	__atomic_fetch_add(&f->object->leases, 1, __ATOMIC_SEQ_CST);
	rc = set_locked(f, type, fresh, &used);
	if (!used)
		__atomic_fetch_sub(&f->object->leases, 1, __ATOMIC_SEQ_CST);
	mutex_unlock(&lease_lock);
	if (!used)
		kfree(fresh);
	return rc;
}

s64 lease_get(const struct file *f)
{
	struct lease *l;
	s64 type;

	mutex_lock(&lease_lock);
	l = lease_of(f);
	type = l != NULL ? l->wanted : LEASE_NONE;
	mutex_unlock(&lease_lock);
	return type;
}

/* Those in f's way are told, once; those whose time is over go. When the next one's is, or 0: nobody is in the way. lease_lock held */
static u64 ask(struct file *f, bool writes)
{
	u64 now = time_mono_ns(), until = 0;
	struct lease *l, *tmp;

	list_for_each_safe(l, tmp, &leases, link) {
		u8 wanted = writes ? LEASE_NONE : LEASE_READ;

		if (l->file == f || l->file->object != f->object || (l->type == LEASE_READ && !writes))
			continue;
		if (l->wanted != l->type && now >= l->until_ns) {
			if (l->wanted == LEASE_NONE) {
				end(l);
				continue;
			}
			l->type = l->wanted;		/* it may stay, as less: in a reader's way no more, in a writer's still */
			changed();
			if (!writes)
				continue;
		}
		if (l->wanted == l->type || (l->wanted == LEASE_READ && wanted == LEASE_NONE)) {
			if (l->wanted == l->type)
				l->until_ns = now + lease_break_seconds() * NSEC_PER_SEC;
			l->wanted = wanted;
			async_tell_message(l->file);
		}
		until = until == 0 ? l->until_ns : MIN(until, l->until_ns);
	}
	return until;
}

int lease_break(struct file *f, bool truncates)
{
	bool writes = truncates || (file_access(f) & MAY_WRITE);

	if (f->object == NULL)
		return 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);	/* between being counted and this look; lease_set() does the two the other way round */
	if (READ_ONCE(f->object->leases) == 0)
		return 0;
	for (;;) {
		u32 seen = load_acquire(&changes);
		u64 until;

		mutex_lock(&lease_lock);
		until = ask(f, writes);
		mutex_unlock(&lease_lock);
		if (until == 0)
			return 0;
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return -EAGAIN;
		if (waitq_wait_intr(&lease_wait, load_acquire(&changes) != seen, MAX(until, 1ULL)) == -EINTR)
			return -ERESTARTSYS;
	}
}

void lease_file_gone(struct file *f)
{
	struct lease *l;

	if (f->object == NULL || READ_ONCE(f->object->leases) == 0)
		return;
	mutex_lock(&lease_lock);
	l = lease_of(f);
	if (l != NULL)
		end(l);
	mutex_unlock(&lease_lock);
}
