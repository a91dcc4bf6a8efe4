/* SPDX-License-Identifier: MIT */
/*
 * Frames and the lines that hold them. Every line and every victim entry has a frame at all times, FREE or not: pages move
 * between them by swapping frame numbers, nothing is ever allocated on the way, and user frames in use can never exceed
 * lines + victim entries + reserve.
 *
 * A set has its own lines (its ways). The reserve lends it more for a while: a fill takes one to be sent before room is
 * made, and the holder of the progress token keeps pages in them. A line freed in a set that has more than its ways goes
 * back to the reserve, whichever it is: lines are alike.
 */
#include "managers/processor/pcache/pcache.h"

#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "managers/processor/space/space.h"
#include "mm/frame.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

static void page_init(struct pcache_page *p, u32 frame)
{
	p->frame = frame;
	list_init(&p->owners);
	list_init(&p->object_link);
}

static void sets_init(void)
{
	const struct pcache_params *par = &pcache.p;
	u64 next = 0;

	for (u32 i = 0; i < par->nr_sets; i++) {
		struct pcache_set *set = &pcache.sets[i];

		spin_init(&set->lock, "pcache set", RANK_PCACHE_SET);
		waitq_init(&set->wait);
		list_init(&set->lines);
		list_init(&set->free);
		list_init(&set->victims);
		list_init(&set->sweep_link);
		set->number = i;
		set->nr = set->nr_free = par->ways;
		for (u32 w = 0; w < par->ways; w++) {
			struct pcache_line *line = &pcache.lines[next++];

			line->page.set = set;
			list_add_tail(&set->free, &line->link);
		}
	}
	for (unsigned i = 0; i < RESERVE_LINES; i++)
		list_add_tail(&pcache.stock[i % NR_STOCKS].lines, &pcache.lines[next++].link);
	pcache.nr_reserve = RESERVE_LINES;
}

static void stocks_init(void)
{
	for (unsigned i = 0; i < NR_STOCKS; i++) {
		struct pcache_stock *stock = &pcache.stock[i];

		spin_init(&stock->lock, "pcache stock", RANK_PCACHE_VICTIM);
		list_init(&stock->lines);
		list_init(&stock->sweep);
	}
}

int pcache_alloc(void)
{
	const struct pcache_params *par = &pcache.p;
	u64 nr_lines = par->nr_lines + RESERVE_LINES;
	struct frame *area;

	pcache.nr_frames = nr_lines + par->nr_victims;
	pcache.stretch = hash_stretch(par->nr_lines);
	pcache.sets = vmalloc(par->nr_sets * sizeof(*pcache.sets));
	pcache.lines = vmalloc(nr_lines * sizeof(*pcache.lines));
	pcache.victims = vmalloc(par->nr_victims * sizeof(*pcache.victims));
	pcache.line_of_frame = vmalloc(pcache.nr_frames * sizeof(*pcache.line_of_frame));
	area = frames_alloc_boot(pcache.nr_frames, FRAME_PCACHE);
	if (pcache.sets == NULL || pcache.lines == NULL || pcache.victims == NULL || pcache.line_of_frame == NULL || area == NULL)
		return -ENOMEM;
	pcache.area = frame_phys(area);
	spin_init(&pcache.pool_lock, "pcache pool", RANK_PCACHE_VICTIM);
	list_init(&pcache.victim_free);
	list_init(&pcache.victim_held);
	stocks_init();
	waitq_init(&pcache.victim_wait);
	waitq_init(&pcache.flush_wait);
	waitq_init(&pcache.sweep_wait);
	for (u64 i = 0; i < nr_lines; i++) {
		struct pcache_line *line = &pcache.lines[i];

		page_init(&line->page, i);
		list_init(&line->link);
		line->state = LINE_FREE;
		pcache.line_of_frame[i] = line;
	}
	sets_init();
	for (u32 i = 0; i < par->nr_victims; i++) {
		struct pcache_victim *v = &pcache.victims[i];

		page_init(&v->page, nr_lines + i);
		list_init(&v->link);
		v->state = VICTIM_FREE;
		list_add_tail(&pcache.victim_free, &v->pool_link);
	}
	pcache.nr_victim_free = par->nr_victims;
	return 0;
}

void pcache_free_all(void)
{
	shadow_exit();
	for (u64 i = 0; i < pcache.nr_frames; i++)
		frames_free(frame_of_phys(pcache.area + i * PAGE_SIZE), 0);
	vfree(pcache.sets);
	vfree(pcache.lines);
	vfree(pcache.victims);
	vfree(pcache.line_of_frame);
	memset(&pcache, 0, sizeof(pcache));
}

void *page_data(const struct pcache_page *p)
{
	return phys_to_virt(page_phys(p));
}

struct pcache_line *line_of_pte(pte_t v)
{
	u64 frame = (pte_phys(v) - pcache.area) >> PAGE_SHIFT;

	if (!pte_present(v) || pte_phys(v) < pcache.area || frame >= pcache.nr_frames)
		return NULL;
	return READ_ONCE(pcache.line_of_frame[frame]);
}

void page_swap_frames(struct pcache_line *line, struct pcache_victim *v)
{
	u32 frame = line->page.frame;

	line->page.frame = v->page.frame;
	v->page.frame = frame;
	WRITE_ONCE(pcache.line_of_frame[line->page.frame], line);
	WRITE_ONCE(pcache.line_of_frame[frame], NULL);
}

void line_swap_frames(struct pcache_line *a, struct pcache_line *b)
{
	u32 frame = a->page.frame;

	a->page.frame = b->page.frame;
	b->page.frame = frame;
	WRITE_ONCE(pcache.line_of_frame[a->page.frame], a);
	WRITE_ONCE(pcache.line_of_frame[frame], b);
}

/* One of the lines in stock is the caller's, wherever it is; keep: so many are not for it. */
static bool reserve_claim(u32 keep)
{
	u32 nr = READ_ONCE(pcache.nr_reserve);

	while (nr > keep) {
		if (__atomic_compare_exchange_n(&pcache.nr_reserve, &nr, nr - 1, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static struct pcache_line *stock_take(struct pcache_stock *stock)
{
	struct pcache_line *line;

	spin_lock(&stock->lock);
	line = list_first(&stock->lines, struct pcache_line, link);
	if (line != NULL)
		list_del(&line->link);
	spin_unlock(&stock->lock);
	return line;
}

/* A line of the reserve for this set; the last ones only for the token's holder. */
static struct pcache_line *reserve_take(struct pcache_set *set)
{
	struct pcache_line *line = NULL;

	if (!reserve_claim(token_mine() ? 0 : RESERVE_TOKEN))
		return NULL;
	for (u32 i = set->number; line == NULL; i++)	/* there is one for each claim; others may take it first, and leave another */
		line = stock_take(&pcache.stock[i % NR_STOCKS]);
	WRITE_ONCE(line->page.set, set);
	set->nr++;
	count(nr_pcache_reserve_used);
	return line;
}

struct pcache_line *line_take(struct pcache_set *set, struct page_id id, struct object *o)
{
	struct pcache_line *line = list_first(&set->free, struct pcache_line, link);

	assert_held(&set->lock);
	if (line != NULL) {
		list_del(&line->link);
		set->nr_free--;
	} else {
		line = reserve_take(set);
		if (line == NULL)
			return NULL;
	}
	line->page.id = id;
	line->page.object = o;
	line->referenced = 0;
	line->page.fresh = 2;
	line->page.accessed = false;
	pcache.p.policy->inserted(set, line);
	line_step(line, LINE_EV_FILL);
	if (o != NULL) {
		line->revivals = o->revivals;
		spin_lock(&o->lock);
		list_add_tail(&o->lines, &line->page.object_link);
		spin_unlock(&o->lock);
	}
	return line;
}

void line_release(struct pcache_line *line, enum line_event ev)
{
	struct pcache_set *set = line->page.set;
	struct pcache_stock *stock = stock_of(set);
	struct object *o = line->page.object;

	if (o != NULL) {
		spin_lock(&o->lock);
		list_del(&line->page.object_link);
		spin_unlock(&o->lock);
		line->page.object = NULL;
	}
	if (line->page.ahead)
		line_wasted(line);
	line->page.dirty = false;
	line->page.zero = false;
	line_step(line, ev);
	list_del(&line->link);
	if (set->nr <= pcache.p.ways) {
		list_add_head(&set->free, &line->link);
		set->nr_free++;
		return;
	}
	set->nr--;
	WRITE_ONCE(line->page.set, NULL);
	spin_lock(&stock->lock);
	list_add_head(&stock->lines, &line->link);
	spin_unlock(&stock->lock);
	(void)__atomic_add_fetch(&pcache.nr_reserve, 1, __ATOMIC_SEQ_CST);
}

int line_make_room(struct pcache_set *set, bool killable)
{
	struct evict_batch b;
	bool token;
	u32 seen;
	int rc;

	evict_batch_init(&b);
	count(nr_pcache_eviction_triggered);
	spin_lock(&set->lock);
	if (set->nr_free > 0) {
		count(nr_pcache_eviction_eagain_freeable);
		spin_unlock(&set->lock);
		return -EAGAIN;
	}
	token = token_held();		/* before the look: a line that it finds kept by the token was so by then */
	rc = evict_begin(set, &b);
	seen = set->events;
	spin_unlock(&set->lock);
	evict_finish(&b);
	if (rc == 0)
		return -EAGAIN;
	if (rc == -ENOSPC)
		return RULE(BACK_PRESSURE) ? victim_wait_free(killable) : -ENOMEM;
	if (token_mine())
		evict_trim_all();	/* the reserve is out to sets that a former holder used */
	/* the set is not told when the token's holder keeps another line instead of one that is there */
	return set_wait_for(set, seen, killable, token ? 10 * NSEC_PER_MSEC : 0);
}
