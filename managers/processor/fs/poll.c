/* SPDX-License-Identifier: MIT */
/* See poll.h. One call's set of registrations; each keeps its file, and with it the wait queue, until it is taken off. */
#include "managers/processor/fs/poll.h"

#include "lib/base/atomic.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/fd.h"
#include "mm/slab.h"

struct poll_entry {
	struct waiter waiter;
	struct waitq *queue;		/* [I] */
	struct file *file;		/* [I] with a reference */
	struct poll_set *set;		/* [I] */
	struct poll_entry *next;	/* [o] */
};

struct poll_set {
	struct poll_table pt;
	struct waitq wait;		/* the caller sleeps here */
	bool woken;			/* [a] something changed since the last look */
	struct file *file;		/* [o] being asked */
	struct poll_entry *entries;	/* [o] */
	bool no_memory;			/* [o] */
};

static void entry_called(struct waiter *w)
{
	struct poll_entry *e = container_of(w, struct poll_entry, waiter);

	store_release(&e->set->woken, true);
	waitq_wake_nested(&e->set->wait);
}

static void set_add(struct poll_table *pt, struct waitq *q, u32 events)
{
	struct poll_set *s = container_of(pt, struct poll_set, pt);
	struct poll_entry *e = kzalloc(sizeof(*e));

	if (e == NULL) {
		s->no_memory = true;
		return;
	}
	e->waiter.called = entry_called;
	e->queue = q;
	e->file = s->file;
	file_get(e->file);
	e->set = s;
	e->next = s->entries;
	s->entries = e;
	waitq_add(q, &e->waiter);
}

static void set_clear(struct poll_set *s)
{
	struct poll_entry *e, *next;

	for (e = s->entries; e != NULL; e = next) {
		next = e->next;
		waitq_remove(e->queue, &e->waiter);
		file_put(e->file);
		kfree(e);
	}
}

u32 file_poll(struct file *f, struct poll_table *pt)
{
	if (f->ops == NULL || f->ops->poll == NULL)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return f->ops->poll(f, pt);
}

/* Once something is ready nobody will sleep: no more registrations then. */
static unsigned scan(struct poll_set *s, struct pollfd_abi *p, unsigned n, bool add)
{
	unsigned ready = 0;

	for (unsigned i = 0; i < n; i++) {
		p[i].revents = 0;
		if (p[i].fd < 0)
			continue;
		s->file = fd_get(p[i].fd);
		if (s->file == NULL) {
			p[i].revents = POLLNVAL;
		} else {
			p[i].revents = file_poll(s->file, add && ready == 0 ? &s->pt : NULL) & (p[i].events | POLLERR | POLLHUP);
			file_put(s->file);
		}
		ready += p[i].revents != 0;
	}
	return ready;
}

s64 poll_files(struct pollfd_abi *p, unsigned n, u64 deadline)
{
	struct poll_set s = { .pt.add = set_add };
	unsigned ready;
	int rc = 0;

	waitq_init(&s.wait);
	ready = scan(&s, p, n, deadline != POLL_NOW);
	while (ready == 0 && deadline != POLL_NOW && rc == 0) {
		if (s.no_memory) {
			rc = -ENOMEM;
			break;
		}
		rc = waitq_wait_intr(&s.wait, load_acquire(&s.woken), deadline);
		store_release(&s.woken, false);
		smp_mb();		/* before the look; a change after it sets the flag again */
		ready = scan(&s, p, n, false);
	}
	set_clear(&s);
	return ready != 0 || rc == -ETIMEDOUT ? (s64)ready : rc;
}

int file_wait(struct file *f, u32 events)
{
	struct poll_set s = { .pt.add = set_add, .file = f };
	u32 ready;
	int rc = 0;

	waitq_init(&s.wait);
	events |= POLLERR | POLLHUP;
	ready = file_poll(f, &s.pt) & events;
	while (ready == 0 && rc == 0) {
		rc = s.no_memory ? -ENOMEM : waitq_wait_intr(&s.wait, load_acquire(&s.woken), 0);
		store_release(&s.woken, false);
		smp_mb();		/* as in poll_files() */
		ready = file_poll(f, NULL) & events;
	}
	set_clear(&s);
	return ready != 0 || rc == 0 ? 0 : rc == -EINTR ? -ERESTARTSYS : rc;
}
