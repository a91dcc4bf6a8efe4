/* SPDX-License-Identifier: MIT */
/*
 * What the shadow sets (shadow.h) are told: the pages that faults missed, and the accessed bits of sampled sets. These are read and
 * cleared when a line is about to go, before the policy looks: its own reading finds them in page.accessed then. The translations
 * leave the TLBs with that eviction's shootdown, which there would be anyway.
 */
#include "managers/processor/pcache/shadow.h"

#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "managers/processor/pcache/fault.h"

/* page.fresh */
#define FRESH_RENAMED	1	/* the next look adopts it */
/* Of a group, about: more simulate a fully associative cache better, fewer keep a sample of a small cache small. */
#define GROUP_LINES_MIN	128
#define GROUP_LINES_MAX	512
#define GROUP_MULTIPLE	32	/* lines, if there are so many sets: every number of ways that is simulated divides them */

static u32 group_sets(void)
{
	u64 lines = pcache.p.nr_lines / MAX(pcache.p.shadow, 1U);
	u32 n = MIN(MAX(lines, (u64)GROUP_LINES_MIN), (u64)GROUP_LINES_MAX) / pcache.p.ways;
	u32 step = GROUP_MULTIPLE / MIN(pcache.p.ways & -pcache.p.ways, (u32)GROUP_MULTIPLE);

	return MIN(n >= step ? n - n % step : MAX(n, 1U), pcache.p.nr_sets);
}

int shadow_init(void)
{
	u32 n = group_sets(), nr_groups = (pcache.p.nr_sets + n - 1) / n;

	for (u32 i = 0; pcache.p.shadow != 0 && i < nr_groups; i += pcache.p.shadow) {
		u32 first = i * n, nr = MIN(n, pcache.p.nr_sets - first);
		struct shadow_group *g;

		if (nr < n && pcache.p.shadow != 1)	/* the rest that makes no group is left out, unless all are wanted */
			break;
		g = shadow_group_create(pcache.p.nr_sets, first, nr, pcache.p.ways);
		if (g == NULL) {
			pr_err("pcache: no memory for pcache.shadow=%u: %llu bytes a group of %u sets", pcache.p.shadow,
			       (unsigned long long)shadow_group_bytes(n, pcache.p.ways), n);
			return -ENOMEM;
		}
		for (u32 s = 0; s < nr; s++)
			pcache.sets[first + s].shadow = g;
	}
	return 0;
}

void shadow_exit(void)
{
	for (u32 i = 0; i < pcache.p.nr_sets; i++) {
		struct shadow_group *g = pcache.sets[i].shadow;

		if (g != NULL && (i == 0 || pcache.sets[i - 1].shadow != g))
			shadow_group_destroy(g);
	}
	for (u32 i = 0; i < pcache.p.nr_sets; i++)
		pcache.sets[i].shadow = NULL;
}

void shadow_sampled(u32 *sets, u32 *groups)
{
	*sets = *groups = 0;
	for (u32 i = 0; i < pcache.p.nr_sets; i++) {
		struct shadow_group *g = pcache.sets[i].shadow;

		*sets += g != NULL;
		*groups += g != NULL && (i == 0 || pcache.sets[i - 1].shadow != g);
	}
}

/*
 * The A bit that the fault itself set is no reference. The fault may not have told of the page yet, when it is who makes room: then
 * the bit comes once more.
 */
static void look_at(struct shadow_group *g, struct pcache_page *p)
{
	u64 hash = page_hash(p->id);

	if (p->fresh == 0)
		shadow_touch(g, hash);
	else if (shadow_renew(g, hash))
		p->fresh = 0;
	else if (--p->fresh == 0)
		shadow_adopt(g, hash);
}

void shadow_look(struct pcache_set *set, struct tlb_batch *tlb)
{
	struct pcache_line *line;

	if (set->shadow == NULL)
		return;
	list_for_each(line, &set->lines, link) {
		struct pcache_page *p = &line->page;
		bool ahead = p->ahead;		/* then this is its first use, and shadow_used() is told */

		if ((line->state != LINE_MAPPED && line->state != LINE_CLEANING) || !owner_touched(p, tlb))
			continue;
		if (ahead)
			p->fresh = 0;
		else
			look_at(set->shadow, p);
	}
}

static void look_around(struct shadow_group *g)
{
	struct tlb_batch tlb;
	u64 number;

	if (!shadow_look_due(g, &number))
		return;
	tlb_batch_init(&tlb);
	spin_lock(&pcache.sets[number].lock);
	shadow_look(&pcache.sets[number], &tlb);
	spin_unlock(&pcache.sets[number].lock);
	tlb_batch_flush(&tlb);
}

/* Is it a page of the space's own that the fault brought, or one of the mapped object? */
static bool made_private(const struct fault *f, int outcome)
{
	return f->object == NULL || outcome == FAULT_COW || pte_private(f->pte) || (f->write && !(f->vma.flags & VMA_SHARED));
}

static enum shadow_kind kind_of(const struct fault *f, int outcome, bool own)
{
	if (outcome == FAULT_COW || (outcome == FAULT_MEMORY && own && !pte_private(f->pte)))
		return SHADOW_NEW;
	if (outcome == FAULT_VICTIM || (f->pte & MARK_TOUCHED))
		return SHADOW_AGAIN;
	return outcome == FAULT_ZERO ? SHADOW_NEW : SHADOW_FIRST;
}

void shadow_fault(const struct fault *f, int outcome)
{
	struct page_id id;
	struct pcache_set *set;
	bool own;

	if (pcache.p.shadow == 0 ||
	    (outcome != FAULT_MEMORY && outcome != FAULT_ZERO && outcome != FAULT_VICTIM && outcome != FAULT_COW))
		return;
	own = made_private(f, outcome);
	id = own ? fault_private_id(f) : fault_object_id(f);
	set = pcache_set_of(id);
	if (set->shadow == NULL)
		return;
	shadow_miss(set->shadow, page_hash(id), kind_of(f, outcome, own));
	look_around(set->shadow);
}

void shadow_used(const struct pcache_page *p)
{
	if (p->set->shadow != NULL)
		shadow_miss(p->set->shadow, page_hash(p->id), p->first ? SHADOW_FIRST : SHADOW_AGAIN);
}

/* A fork's copies have one name: the last one takes it along. */
void shadow_gone(const struct pcache_page *p)
{
	struct pcache_line *line;

	if (p->set->shadow == NULL || p->nr_owners != 0 || p->object != NULL)
		return;
	list_for_each(line, &p->set->lines, link) {
		if (&line->page != p && line->page.id.space == p->id.space && line->page.id.index == p->id.index)
			return;
	}
	shadow_forget(p->set->shadow, page_hash(p->id));
}

void shadow_renamed(struct pcache_page *p) { p->fresh = FRESH_RENAMED; }
