/* SPDX-License-Identifier: MIT */
/*
 * Cleaning in place: msync, fsync, and pages that fork cannot share. Under the set lock the line becomes CLEANING, is
 * write-protected and its D bits folded in; then the shootdown; then it is sent. Readers go on; who wants to write waits.
 * An object's pages go together: one shootdown and one message for as many as a message takes.
 */
#include "managers/processor/pcache/pcache.h"

#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "managers/processor/space/space_impl.h"
#include "managers/protocol/memory_ops.h"

#define MAX_REFUSALS	8	/* of the page by M, before the caller is told */

/* The thread is to end, and nobody will ask whether all is on M: what is dirty stays dirty. */
static bool dying(bool killable) { return killable && READ_ONCE(thread_current()->fatal_pending); }

/* Lines that are CLEANING, all of pages of one memory node. While there are any, nothing is waited for but M's answer. */
struct clean_batch {
	struct tlb_batch tlb;
	struct pcache_line *line[FLUSH_MAX_PAGES];
	int rc[FLUSH_MAX_PAGES];	/* of each: 0, or why M does not have it */
	unsigned nr;
};

static void batch_begin(struct clean_batch *b)
{
	tlb_batch_init(&b->tlb);
	b->nr = 0;
}

/* set lock held; the line can be cleaned. The shootdown is owed. */
static void batch_add(struct clean_batch *b, struct pcache_line *line)
{
	struct pcache_owner *o;

	line_step(line, LINE_EV_CLEAN);
	list_for_each(o, &line->page.owners, link)
		(void)owner_write_protect(&line->page, o, &b->tlb);
	b->line[b->nr++] = line;
}

static bool can_clean(const struct pcache_line *line)
{
	return (line->state == LINE_MAPPED || line->state == LINE_IDLE) && line->pins == 0;
}

/* set lock held; the line is CLEANING, and that is over. It may have lost its owners meanwhile, or got some. */
static void cleaned(struct pcache_line *line)
{
	line_step(line, line->page.nr_owners != 0 ? LINE_EV_CLEANED : LINE_EV_CLEANED_IDLE);
}

/* Into the message, if it turned out to be dirty: the place in it, or -1. */
static int name_line(struct flush_msg *m, struct clean_batch *b, unsigned i)
{
	struct pcache_line *line = b->line[i];
	struct pcache_set *set = line->page.set;	/* a CLEANING line stays */
	bool send = false;

	b->rc[i] = 0;
	spin_lock(&set->lock);
	if (line->page.dirty) {
		b->rc[i] = flush_msg_add(m, &line->page);
		send = b->rc[i] == 0;
	} else {
		count(nr_clflush_clean_skipped);
	}
	if (!send)
		cleaned(line);
	spin_unlock(&set->lock);
	return send ? flush_msg_pages(m) - 1 : -1;
}

static void line_answered(struct pcache_line *line, int rc)
{
	struct pcache_set *set = line->page.set;

	count(nr_clflush);
	if (rc < 0)
		count(nr_clflush_fail);
	spin_lock(&set->lock);
	if (rc == 0) {
		line->page.dirty = false;
		line->page.zero = false;
	}
	cleaned(line);
	spin_unlock(&set->lock);
}

/* No lock held. Shootdown, one message, and the lines are CLEANING no more; rc[] says which M has. */
static void batch_send(struct clean_batch *b, struct flush_msg *m)
{
	int place[FLUSH_MAX_PAGES], rc = 0;

	tlb_batch_flush(&b->tlb);
	flush_msg_reset(m);
	for (unsigned i = 0; i < b->nr; i++)
		place[i] = name_line(m, b, i);
	if (flush_msg_pages(m) > 0)
		rc = flush_msg_send(m);
	for (unsigned i = 0; i < b->nr; i++) {
		if (place[i] < 0)
			continue;
		b->rc[i] = rc < 0 ? rc : flush_msg_status(m, place[i]);
		line_answered(b->line[i], b->rc[i]);
	}
}

/* One look at the page; the set lock is held and dropped. -EAGAIN: it was in progress, look again. */
static int clean_once(struct flush_msg *m, struct pcache_set *set, struct pcache_line *line, struct pcache_victim *v, bool killable)
{
	u32 seen = set->events;

	if (line != NULL && can_clean(line)) {
		struct clean_batch b;

		if (!page_may_be_dirty(&line->page)) {
			count(nr_clflush_clean_skipped);
			spin_unlock(&set->lock);
			return 0;
		}
		batch_begin(&b);
		batch_add(&b, line);
		spin_unlock(&set->lock);
		batch_send(&b, m);
		return b.rc[0];
	}
	if (line == NULL && v != NULL && v->state == VICTIM_HELD)
		return flush_victim_now(m, v);
	spin_unlock(&set->lock);
	if (line == NULL && v == NULL)
		return 0;
	return set_wait_for(set, seen, killable, 0);
}

static int clean_page(struct page_id id, struct space *s, struct flush_msg *m, bool killable)
{
	struct pcache_set *set = pcache_set_of(id);
	unsigned refusals = 0;
	int rc;

	do {
		if (dying(killable))
			return -EINTR;
		spin_lock(&set->lock);
		rc = clean_once(m, set, s == NULL ? set_line_object(set, id) : set_line_private(set, id, s),
				s == NULL ? set_victim_object(set, id) : set_victim_private(set, id, s), killable);
		/* held back: a write, truncation, fork or mremap must be known to M first. Or M refuses: ask it again */
		if (rc == -EBUSY || (rc < 0 && rc != -EAGAIN && rc != -EHOSTDOWN && ++refusals < MAX_REFUSALS)) {
			thread_sleep_ns(NSEC_PER_MSEC);
			rc = -EAGAIN;
		}
	} while (rc == -EAGAIN);
	return rc;
}

/* --- many pages of an object --- */

/* true: seen to (it is in the batch, or there is nothing to do); false: it must be waited for, or is in the victim cache */
static bool claim_page(struct clean_batch *b, struct page_id id)
{
	struct pcache_set *set = pcache_set_of(id);
	struct pcache_line *line;
	bool done = true;

	spin_lock(&set->lock);
	line = set_line_object(set, id);
	if (line == NULL) {
		done = set_victim_object(set, id) == NULL;
	} else if (!can_clean(line)) {
		done = false;
	} else if (page_may_be_dirty(&line->page)) {
		batch_add(b, line);
	} else {
		count(nr_clflush_clean_skipped);
	}
	spin_unlock(&set->lock);
	return done;
}

/* Some of the pages in one message, then, one by one, those that could not go with it. Returns how many were seen to. */
static u64 clean_some(struct flush_msg *m, u64 object, const u64 *index, u64 nr, bool killable, int *rc)
{
	u64 later[2 * FLUSH_MAX_PAGES], of[FLUSH_MAX_PAGES], n = 0;
	unsigned nr_later = 0;
	struct clean_batch b;

	batch_begin(&b);
	for (; n < nr && b.nr < FLUSH_MAX_PAGES && nr_later < FLUSH_MAX_PAGES; n++) {
		unsigned before = b.nr;

		if (!claim_page(&b, (struct page_id){ object, index[n] }))
			later[nr_later++] = index[n];
		else if (b.nr > before)
			of[before] = index[n];
	}
	if (b.nr > 0)
		batch_send(&b, m);
	for (unsigned i = 0; i < b.nr; i++)
		if (b.rc[i] < 0)
			later[nr_later++] = of[i];
	for (unsigned i = 0; i < nr_later; i++) {
		int one = clean_page((struct page_id){ object, later[i] }, NULL, m, killable);

		if (*rc == 0)
			*rc = one;
	}
	return n;
}

int pcache_clean_object_pages(u64 object, const u64 *index, u64 nr, bool killable)
{
	struct flush_msg *m = flush_msg_alloc();
	int rc = 0;

	if (m == NULL)
		return -ENOMEM;
	for (u64 done = 0; done < nr && !dying(killable);)
		done += clean_some(m, object, index + done, nr - done, killable, &rc);
	flush_msg_free(m);
	return dying(killable) ? -EINTR : rc;
}

/*
 * M refuses the page for good, and nobody can be told but those who own it: their memory is lost, as it is when a victim entry is given
 * up. The page stays as it is. If it has left its line meanwhile, its entry is given up by itself.
 */
static void give_up(struct page_id id, struct space *s, int error)
{
	struct pcache_set *set = pcache_set_of(id);
	struct pcache_line *line;
	struct pcache_owner *o;

	spin_lock(&set->lock);
	line = set_line_private(set, id, s);
	if (line != NULL && page_may_be_dirty(&line->page))		/* else M has taken it since, another way */
		list_for_each(o, &line->page.owners, link)
			space_lost(o->space, error);
	spin_unlock(&set->lock);
}

int pcache_clean_private_page(struct page_id id, struct space *s, bool last)
{
	struct flush_msg *m = flush_msg_alloc();
	int rc;

	if (m == NULL)
		return -ENOMEM;
	rc = clean_page(id, s, m, false);
	if (rc < 0 && last)
		give_up(id, s, rc);
	flush_msg_free(m);
	return rc;
}

/* --- dropping an object's page --- */

/* set lock held, dropped */
static void drop_line(struct pcache_set *set, struct pcache_line *line)
{
	struct pcache_page *p = &line->page;
	struct pcache_owner *o, *next;
	struct tlb_batch tlb;

	tlb_batch_init(&tlb);
	line_step(line, LINE_EV_LEAVE);
	list_for_each(o, &p->owners, link)
		(void)owner_unmap(p, o, MARK_EMPTY | MARK_BUSY, &tlb);
	spin_unlock(&set->lock);
	tlb_batch_flush(&tlb);
	spin_lock(&set->lock);
	list_for_each_safe(o, next, &p->owners, link) {
		owner_set_mark(o, MARK_EMPTY);
		owner_remove(p, o);
	}
	line_release(line, LINE_EV_LEFT);
	spin_unlock(&set->lock);
	count(nr_pcache_object_dropped);
}

void pcache_drop_object_page(struct page_id id, bool mapped)
{
	struct pcache_set *set = pcache_set_of(id);

	for (;;) {
		struct pcache_line *line;
		struct pcache_victim *v;
		bool can;
		u32 seen;

		spin_lock(&set->lock);
		seen = set->events;
		line = set_line_object(set, id);
		v = line != NULL ? NULL : set_victim_object(set, id);
		if (mapped)
			can = line != NULL && (line->state == LINE_MAPPED || line->state == LINE_IDLE) && line->pins == 0;
		else
			can = line != NULL && line->state == LINE_IDLE && line->pins == 0 && !line->page.dirty;
		if (can) {
			drop_line(set, line);
			return;
		}
		if (mapped && v != NULL && v->state == VICTIM_HELD) {
			victim_drop(v);
			count(nr_pcache_object_dropped);
			v = NULL;
		}
		spin_unlock(&set->lock);
		if (!mapped || (line == NULL && v == NULL))
			return;
		set_wait_plain(set, seen);
	}
}
