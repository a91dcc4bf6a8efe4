/* SPDX-License-Identifier: MIT */
/*
 * Cleaning in place: msync, fsync, and pages that fork cannot share. Under the set lock the line becomes CLEANING, is
 * write-protected and its D bits folded in; then the shootdown; then it is sent. Readers go on; who wants to write waits.
 */
#include "managers/processor/pcache/pcache.h"

#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "managers/processor/space/space_impl.h"

#define MAX_REFUSALS	8	/* of the page by M, before the caller is told */

static int send_line(struct flush_msg *m, struct pcache_line *line)
{
	struct pcache_set *set = line->page.set;	/* a CLEANING line stays */
	int rc;

	flush_msg_reset(m);
	spin_lock(&set->lock);
	if (!line->page.dirty) {
		count(nr_clflush_clean_skipped);
		line_step(line, LINE_EV_CLEANED);
		spin_unlock(&set->lock);
		return 0;
	}
	rc = flush_msg_add(m, &line->page);
	spin_unlock(&set->lock);
	if (rc == 0) {
		rc = flush_msg_send(m);
		if (rc == 0)
			rc = flush_msg_status(m, 0);
		count(nr_clflush);
		if (rc < 0)
			count(nr_clflush_fail);
	}
	spin_lock(&set->lock);
	if (rc == 0) {
		line->page.dirty = false;
		line->page.zero = false;
	}
	line_step(line, LINE_EV_CLEANED);
	spin_unlock(&set->lock);
	return rc;
}

/* One look at the page; the set lock is held and dropped. -EAGAIN: it was in progress, look again. */
static int clean_once(struct flush_msg *m, struct pcache_set *set, struct pcache_line *line, struct pcache_victim *v)
{
	u32 seen = set->events;

	if (line != NULL && (line->state == LINE_MAPPED || line->state == LINE_IDLE) && line->pins == 0) {
		struct tlb_batch tlb;
		struct pcache_owner *o;

		if (!page_may_be_dirty(&line->page)) {
			count(nr_clflush_clean_skipped);
			spin_unlock(&set->lock);
			return 0;
		}
		tlb_batch_init(&tlb);
		line_step(line, LINE_EV_CLEAN);
		list_for_each(o, &line->page.owners, link)
			(void)owner_write_protect(&line->page, o, &tlb);
		spin_unlock(&set->lock);
		tlb_batch_flush(&tlb);
		return send_line(m, line);
	}
	if (line == NULL && v != NULL && v->state == VICTIM_HELD)
		return flush_victim_now(m, v);
	spin_unlock(&set->lock);
	if (line == NULL && v == NULL)
		return 0;
	set_wait_plain(set, seen);
	return -EAGAIN;
}

static int clean_page(struct page_id id, struct space *s)
{
	struct flush_msg *m = flush_msg_alloc();
	struct pcache_set *set = pcache_set_of(id);
	unsigned refusals = 0;
	int rc;

	if (m == NULL)
		return -ENOMEM;
	do {
		spin_lock(&set->lock);
		rc = clean_once(m, set, s == NULL ? set_line_object(set, id) : set_line_private(set, id, s),
				s == NULL ? set_victim_object(set, id) : set_victim_private(set, id, s));
		/* held back: a write, truncation, fork or mremap must be known to M first. Or M refuses: ask it again */
		if (rc == -EBUSY || (rc < 0 && rc != -EAGAIN && rc != -EHOSTDOWN && ++refusals < MAX_REFUSALS)) {
			thread_sleep_ns(NSEC_PER_MSEC);
			rc = -EAGAIN;
		}
	} while (rc == -EAGAIN);
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

int pcache_clean_object_page(struct page_id id) { return clean_page(id, NULL); }
int pcache_clean_private_page(struct page_id id, struct space *s) { return clean_page(id, s); }
