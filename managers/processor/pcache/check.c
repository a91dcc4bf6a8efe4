/* SPDX-License-Identifier: MIT */
/* Counts of what is in use, and the invariants of the cache. pcache_check() is exact when nothing is in progress. */
#include "managers/processor/pcache/pcache.h"

#include "lib/base/printk.h"
#include "managers/processor/space/space_impl.h"

/* Lines in use; of closed objects, whose pages are only kept, or of all others. */
static u64 lines_used(bool of_closed)
{
	struct pcache_line *line;
	u64 n = 0;

	for (u32 i = 0; i < pcache.p.nr_sets; i++) {
		struct pcache_set *set = &pcache.sets[i];

		spin_lock(&set->lock);
		list_for_each(line, &set->lines, link)
			n += (line->page.object != NULL && object_is_parked(line->page.object)) == of_closed;
		spin_unlock(&set->lock);
	}
	return n;
}

u64 pcache_lines_live(void) { return lines_used(false); }
u64 pcache_lines_cached(void) { return lines_used(true); }

u64 pcache_victims_live(void)
{
	u64 n = 0;

	for (u32 i = 0; i < pcache.p.nr_victims; i++)
		n += READ_ONCE(pcache.victims[i].state) != VICTIM_FREE;
	return n;
}

u64 pcache_reserve_out(void)
{
	return RESERVE_LINES - READ_ONCE(pcache.nr_reserve);
}

static unsigned wrong(bool is, const char *what, const struct pcache_page *p)
{
	if (is)
		pr_err("pcache check: %s: page (%llx, %llx), frame %u, %u owners", what, (unsigned long long)p->id.space,
		       (unsigned long long)p->id.index, p->frame, p->nr_owners);
	return is;
}

/* Owners counted right; a private page's index is theirs; a PTE that is present maps this frame. */
static unsigned check_owners(struct pcache_page *p, bool mapped)
{
	struct pcache_owner *o;
	unsigned n = 0, bad = 0;

	list_for_each(o, &p->owners, link) {
		pte_t v = pte_read(o->slot);

		n++;
		bad += wrong(pte_present(v) && (!mapped || pte_phys(v) != page_phys(p)), "an owner's PTE maps another frame", p);
		bad += wrong(p->object == NULL && o->vpn != p->id.index, "an owner has it elsewhere", p);
		bad += wrong(p->object == NULL && !pte_present(v) && !pte_private(v), "an owner's PTE says EMPTY", p);
		bad += wrong(p->object == NULL && p->nr_owners > 1 && (v & (PTE_PRESENT | PTE_WRITE)) == (PTE_PRESENT | PTE_WRITE),
			     "a shared private page is writable", p);
	}
	return bad + wrong(n != p->nr_owners, "owners miscounted", p) +
	       wrong(p->object == NULL && n > PCACHE_MAX_OWNERS, "more owners than a flush can name", p);
}

static unsigned check_line(struct pcache_set *set, struct pcache_line *line)
{
	struct pcache_page *p = &line->page;
	unsigned bad = check_owners(p, true);

	bad += wrong(p->set != set || pcache_set_of(p->id) != set, "line in a foreign set", p);
	bad += wrong(pcache.line_of_frame[p->frame] != line, "frame table says otherwise", p);
	bad += wrong(line->state == LINE_FREE, "FREE line among those in use", p);
	bad += wrong(line->state == LINE_MAPPED && p->nr_owners == 0, "MAPPED without owner", p);
	bad += wrong(line->state == LINE_IDLE && (p->nr_owners != 0 || p->object == NULL), "IDLE, but owned or private", p);
	return bad;
}

static unsigned check_set(struct pcache_set *set)
{
	struct pcache_line *line;
	struct pcache_victim *v;
	u32 nr = 0, nr_free = 0, nr_leaving = 0;
	unsigned bad = 0;

	spin_lock(&set->lock);
	list_for_each(line, &set->lines, link) {
		nr++;
		nr_leaving += line->state == LINE_LEAVING;
		bad += check_line(set, line);
	}
	list_for_each(line, &set->free, link) {
		nr_free++;
		bad += wrong(line->state != LINE_FREE || line->page.nr_owners != 0 || line->pins != 0 || line->page.dirty,
			     "line on the free list in use", &line->page);
	}
	list_for_each(v, &set->victims, link) {
		bad += check_owners(&v->page, false);
		bad += wrong(v->page.set != set || pcache_set_of(v->page.id) != set, "victim entry in a foreign set", &v->page);
		bad += wrong(v->state == VICTIM_FREE, "FREE victim entry on a set", &v->page);
		bad += wrong(pcache.line_of_frame[v->page.frame] != NULL, "a victim entry's frame belongs to a line", &v->page);
	}
	if (nr + nr_free != set->nr || nr_free != set->nr_free || nr_leaving != set->nr_leaving || set->nr < pcache.p.ways) {
		pr_err("pcache check: set %u: %u in use, %u leaving, %u free, counted %u, %u and %u", set->number, nr, nr_leaving, nr_free,
		       set->nr, set->nr_leaving, set->nr_free);
		bad++;
	}
	spin_unlock(&set->lock);
	return bad;
}

unsigned pcache_check(void)
{
	unsigned bad = 0;

	for (u32 i = 0; i < pcache.p.nr_sets; i++)
		bad += check_set(&pcache.sets[i]);
	return bad;
}
