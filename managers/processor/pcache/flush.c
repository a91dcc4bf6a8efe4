/* SPDX-License-Identifier: MIT */
/*
 * Writing pages home. A flush names all owners of the page, each with the last change number of its space, read under the
 * set lock; M gives exactly those the new contents. A page is clean only when M has acknowledged this version of it (L40).
 * The daemons write victim entries in batches ahead of demand and never give up: back-pressure, not failure (L15).
 */
#include "managers/processor/pcache/pcache.h"

#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/space/space_impl.h"
#include "managers/protocol/memory_ops.h"
#include "mm/slab.h"

#define NR_FLUSH_DAEMONS	2
#define MAX_REFUSALS		8	/* of one page by M, before its space is given up */

struct flush_msg {			/* kmalloc'ed: FIT reads meta and writes rep where they lie */
	u8 meta[FLUSH_META_MAX] __aligned(8);
	struct rpc_memory_flush_rep rep;
	struct rpc_memory_flush_req req;
	struct rpc rpc;
	u32 meta_len;
	u16 nr;
	u16 node;
	int rc;				/* of the call */
	struct pcache_page *page[FLUSH_MAX_PAGES];
};

struct flush_msg *flush_msg_alloc(void) { return kzalloc(sizeof(struct flush_msg)); }
void flush_msg_free(struct flush_msg *m) { kfree(m); }

void flush_msg_reset(struct flush_msg *m)
{
	m->nr = 0;
	m->meta_len = 0;
	m->rc = 0;
}

static u16 page_node(const struct pcache_page *p)
{
	if (p->object != NULL)
		return p->object->memory_node;
	return list_first(&p->owners, struct pcache_owner, link)->space->memory_node;
}

/* A space that waits for M to hear of a fork or mremap first must not be named yet. */
static bool held_back(struct pcache_page *p)
{
	struct pcache_owner *o;

	if (p->object != NULL)
		return object_flush_held(p->object, p->id.index);
	list_for_each(o, &p->owners, link) {
		if (space_flush_held(o->space, o->vpn))
			return true;
	}
	return false;
}

static void add_owner(struct flush_msg *m, u64 space, u64 index, u64 change)
{
	struct wire_owner *w = (struct wire_owner *)(m->meta + m->meta_len);

	w->space = le64_of(space);
	w->index = le64_of(index);
	w->change = le64_of(change);
	m->meta_len += sizeof(*w);
}

int flush_msg_add(struct flush_msg *m, struct pcache_page *p)
{
	unsigned nr = p->object != NULL || !RULE(FLUSH_ALL_OWNERS) ? 1 : p->nr_owners;
	struct wire_flush_page *head = (struct wire_flush_page *)(m->meta + m->meta_len);
	struct pcache_owner *o;

	assert_held(&p->set->lock);
	if (m->nr == FLUSH_MAX_PAGES || m->meta_len + sizeof(*head) + nr * sizeof(struct wire_owner) > FLUSH_META_MAX)
		return -ENOSPC;
	if (held_back(p) || (m->nr > 0 && page_node(p) != m->node))
		return -EBUSY;
	m->node = page_node(p);
	*head = (struct wire_flush_page){ .nr_owners = le16_of(nr) };
	m->meta_len += sizeof(*head);
	if (p->object != NULL) {
		add_owner(m, p->id.space, p->id.index, 0);
	} else {
		list_for_each(o, &p->owners, link) {
			spin_lock(&o->space->pt_lock);
			add_owner(m, o->space->id, space_wire_vpn(o->space, o->vpn), o->space->change);
			spin_unlock(&o->space->pt_lock);
			if (!RULE(FLUSH_ALL_OWNERS))
				break;
		}
	}
	m->page[m->nr++] = p;
	return 0;
}

unsigned flush_msg_pages(const struct flush_msg *m) { return m->nr; }

/* Of the page's owners one with changes queued that the flush names; NULL: none. They own it until the flush is answered. */
static struct space *page_ahead(struct pcache_page *p, const struct wire_owner *named, u64 *number)
{
	struct space *s = NULL;
	struct pcache_owner *o;

	spin_lock(&p->set->lock);
	list_for_each(o, &p->owners, link) {
		DEBUG_BUG_ON(le64_get(named->space) != o->space->id);
		*number = le64_get(named++->change);
		if (READ_ONCE(o->space->queued_from) <= *number) {
			s = o->space;
			break;
		}
		if (!RULE(FLUSH_ALL_OWNERS))
			break;
	}
	spin_unlock(&p->set->lock);
	return s;
}

/* M hears of the changes that the flush names, or it would wait for them for ever. */
static void push_changes(const struct flush_msg *m)
{
	const u8 *at = m->meta;

	for (unsigned i = 0; i < m->nr && RULE(CHANGES_PUSHED); i++) {
		const struct wire_flush_page *head = (const void *)at;
		const struct wire_owner *owners = (const void *)(head + 1);
		struct space *s;
		u64 number;

		while (m->page[i]->object == NULL && (s = page_ahead(m->page[i], owners, &number)) != NULL)
			changes_push(s, number);
		at += sizeof(*head) + le16_get(head->nr_owners) * sizeof(*owners);
	}
}

int flush_msg_send(struct flush_msg *m)
{
	push_changes(m);
	m->req = (struct rpc_memory_flush_req){ .nr_pages = le16_of(m->nr), .meta_len = le32_of(m->meta_len) };
	m->rep = (struct rpc_memory_flush_rep){ .failed = le64_of(0) };
	m->rpc = (struct rpc){
		.node = m->node, .op = RPC_memory_flush, .req = &m->req, .rep = &m->rep, .rep_size = sizeof(m->rep),
		.nr_segs = 1 + m->nr,
	};
	m->rpc.seg[0] = (struct rpc_seg){ m->meta, m->meta_len };
	for (unsigned i = 0; i < m->nr; i++)
		m->rpc.seg[1 + i] = (struct rpc_seg){ page_data(m->page[i]), PAGE_SIZE };
	m->rc = rpc_start(&m->rpc);
	if (m->rc == 0)
		m->rc = rpc_wait(&m->rpc);
	m->rc = MIN(memory_error(m->rc), 0);
	return m->rc;
}

int flush_msg_status(const struct flush_msg *m, unsigned i)
{
	u32 error = le32_get(m->rep.error);

	if (m->rc < 0)
		return m->rc;
	if (!(le64_get(m->rep.failed) >> i & 1))
		return 0;
	return error == 0 || error > ERRNO_LAST ? -EIO : memory_error(-(int)error);	/* refused without a reason is refused */
}

/* --- victim entries --- */

/* set lock held; v is HELD */
static int claim(struct flush_msg *m, struct pcache_victim *v)
{
	struct pcache_owner *o;
	int rc = flush_msg_add(m, &v->page);

	if (rc < 0)
		return rc;
	victim_step(v, VICTIM_EV_FLUSH);
	list_for_each(o, &v->page.owners, link)
		owner_set_mark(o, RULE(FLUSH_BUSY) ? MARK_PRIVATE | MARK_BUSY : MARK_PRIVATE);
	spin_lock(&pcache.pool_lock);
	list_del(&v->pool_link);
	pcache.nr_victim_held--;
	spin_unlock(&pcache.pool_lock);
	count(nr_victim_flush_submitted_dirty);
	return 0;
}

/* M did not take the page. Its home is gone, or it refused: try again, at last give up the spaces that own it. */
static bool give_up(struct pcache_victim *v, int status)
{
	struct pcache_owner *o;

	if (status != -EHOSTDOWN && status != -ESRCH && ++v->refusals < MAX_REFUSALS)
		return false;
	if (v->page.object != NULL) {
		v->page.object->error = status;
	} else {
		list_for_each(o, &v->page.owners, link)
			space_lost(o->space, status);
	}
	return true;
}

static void settle(struct pcache_victim *v, int status)
{
	struct pcache_owner *o, *next;
	bool gone = status == 0 || !RULE(ACKNOWLEDGED) || give_up(v, status);

	if (status != 0)
		count(nr_victim_flush_failed);
	list_for_each_safe(o, next, &v->page.owners, link) {
		owner_set_mark(o, MARK_PRIVATE);
		if (gone)
			owner_remove(&v->page, o);
	}
	if (!gone) {
		victim_step(v, VICTIM_EV_REFUSED);
		spin_lock(&pcache.pool_lock);
		list_add_tail(&pcache.victim_held, &v->pool_link);
		pcache.nr_victim_held++;
		spin_unlock(&pcache.pool_lock);
		return;
	}
	if (status == 0) {
		count(nr_victim_flush_finished_dirty);
		count(nr_victim_eviction_succeed);
	} else {
		count(nr_victim_lost);
	}
	victim_release(v, VICTIM_EV_ACKED);
}

static void send_victims(struct flush_msg *m)
{
	int rc = flush_msg_send(m);

	for (unsigned i = 0; i < m->nr; i++) {
		struct pcache_victim *v = container_of(m->page[i], struct pcache_victim, page);
		struct pcache_set *set = v->page.set;	/* a FLUSHING entry stays */
		int status = flush_msg_status(m, i);

		if (status < 0)
			WARN_ONCE(true, "pcache: memory node %u refused a page: %s", m->node, errno_name(status));
		spin_lock(&set->lock);
		settle(v, status);
		spin_unlock(&set->lock);
	}
	if (rc < 0 && rc != -EHOSTDOWN)
		thread_sleep_ns(10 * NSEC_PER_MSEC);	/* whatever it is, do not hammer M with it */
}

/* set lock held; v is HELD and cannot go now: others are looked at before it is again */
static void to_the_end(struct pcache_victim *v)
{
	spin_lock(&pcache.pool_lock);
	list_del(&v->pool_link);
	list_add_tail(&pcache.victim_held, &v->pool_link);
	spin_unlock(&pcache.pool_lock);
}

/* The oldest entries into the message, as far as they can go. How many were looked at; if none goes, they are the newest now. */
static unsigned claim_oldest(struct flush_msg *m)
{
	struct pcache_victim *cand[2 * FLUSH_MAX_PAGES], *v;
	unsigned nr = 0;

	spin_lock(&pcache.pool_lock);
	list_for_each(v, &pcache.victim_held, pool_link) {
		if (nr == ARRAY_SIZE(cand))
			break;
		cand[nr++] = v;
	}
	spin_unlock(&pcache.pool_lock);
	for (unsigned i = 0; i < nr; i++) {
		struct pcache_set *set = READ_ONCE(cand[i]->page.set);
		int rc = 0;

		if (set == NULL)
			continue;
		spin_lock(&set->lock);
		if (cand[i]->page.set == set && cand[i]->state == VICTIM_HELD)
			rc = claim(m, cand[i]);
		if (rc == -EBUSY && m->nr == 0)
			to_the_end(cand[i]);
		spin_unlock(&set->lock);
		if (rc == -ENOSPC)
			break;
	}
	return nr;
}

unsigned flush_some(struct flush_msg *m, bool all)
{
	unsigned left = 0, nr;

	flush_msg_reset(m);
	spin_lock(&pcache.pool_lock);
	if (all || pcache.flush_wanted || pcache.nr_victim_free < (pcache.p.nr_victims + 1) / 2) {
		left = pcache.nr_victim_held;
		pcache.flush_wanted = false;
	}
	spin_unlock(&pcache.pool_lock);
	for (; left > 0 && m->nr == 0; left -= MIN(nr, left)) {	/* each once: what is held back is at the end now */
		nr = claim_oldest(m);
		if (nr == 0)
			break;
	}
	if (m->nr == 0)
		return 0;
	count(nr_victim_flush_async_run);
	send_victims(m);
	return m->nr;
}

/* Flush this page now if it is HELD in the set. Set lock held, dropped. 0, or negative errno; -EBUSY: held back. */
int flush_victim_now(struct flush_msg *m, struct pcache_victim *v)
{
	struct pcache_set *set = v->page.set;
	int rc;

	flush_msg_reset(m);
	rc = claim(m, v);
	spin_unlock(&set->lock);
	if (rc < 0)
		return rc;
	count(nr_victim_flush_sync);
	send_victims(m);
	return flush_msg_status(m, 0);
}

static void flush_daemon(void *arg)
{
	struct flush_msg *m = arg;

	for (;;) {
		u32 seen = READ_ONCE(pcache.flush_events);

		smp_mb();
		if (flush_some(m, false) == 0)
			waitq_wait(&pcache.flush_wait, READ_ONCE(pcache.flush_events) != seen);
	}
}

int flush_start(void)
{
	for (unsigned i = 0; i < NR_FLUSH_DAEMONS; i++) {
		struct flush_msg *m = flush_msg_alloc();

		if (m == NULL || thread_spawn(flush_daemon, m, PRIO_HIGH, "flush%u", i) < 0)
			return -ENOMEM;
	}
	return 0;
}
