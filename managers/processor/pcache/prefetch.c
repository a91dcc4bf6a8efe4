/* SPDX-License-Identifier: MIT */
/*
 * Fetching pages before they are asked for. stream.c says which; here they are asked for, beside the demand fill and after it,
 * and mapped when they come, with the accessed bit clear: nobody waits for them and no fault is needed to use them. One page
 * of each round, the mark, is not mapped: the fault there tells that the thread has come so far, and the next round begins.
 *
 * A page on its way is as with a demand fill: its line is FILLING, its PTE BUSY; who wants it waits for it, whoever changes
 * the map waits for it, and it is dropped if the map has changed. What differs is that the thread that asked is gone: the
 * one that handles the call's completion installs the page. A space is not freed while pages are on their way for it.
 *
 * Never in the way: it takes a line of the reserve as long as faults have enough of it (sweep_slack()), or a free one of the
 * page's own set (making one free beforehand, all sets of a round with one shootdown); it does not wait for a credit; and at most
 * MAX_OUT pages are on their way.
 *
 * Used or not: page.ahead is set from arrival until the accessed bit or a fault is seen. A line that goes before was wasted.
 */
#include "managers/processor/pcache/fault.h"

#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "managers/processor/pcache/stream.h"
#include "managers/protocol/memory_ops.h"

#define MAX_OUT		(STREAM_WINDOW_MAX)
#define NR_STREAMS	128
#define STREAM_PROBES	4
#define AROUND_LINES	1024	/* in a cache of fewer a guess costs more: what it drives out is wanted sooner */
#define AROUND_SPARE	8	/* lines that may yet leave the reserve after a page that is no better than a guess */

/* --- one page on its way --- */

struct prefetch {
	struct fault f;		/* as of a read of the page; object is not referenced: the BUSY PTE keeps its mapping */
	struct pcache_set *set;
	struct pcache_line *line;
	u8 stream;
	bool mark;
	bool around;		/* it lies around a miss; no stream asked for it */
};

/* Pages of one space or object that are asked for in one message; each is on its way by itself. */
struct batch {
	struct rpc rpc;
	struct prefetch *of[FILL_MANY];
	void *page[FILL_MANY];	/* where they go */
	unsigned nr;
	u64 change;		/* the last change of the map that one of them has to see */
};

static struct prefetch prefetches[MAX_OUT];
static struct batch batches[MAX_OUT];	/* at the worst one a page */
static u32 prefetches_free, batches_free;	/* [a] a bit each: no lock is shared by the faults of all CPUs */
_Static_assert(MAX_OUT == 32, "a word of bits");
static struct waitq out_wait = WAITQ_INIT(out_wait);	/* one came back */

/* --- streams: by thread, space and mapping --- */

static struct slot {
	struct spinlock lock;
	struct thread *thread;	/* [lock] these say whose it is; a hint, never followed */
	u64 space, start;	/* [lock] */
	u64 used_ns;		/* [lock] */
	struct stream s;	/* [lock]; wasted without */
} slots[NR_STREAMS + 1];	/* the last one is nobody's: for advice */

void prefetch_init(void)
{
	memset(slots, 0, sizeof(slots));
	prefetches_free = batches_free = ~0U;
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++)
		spin_init(&slots[i].lock, "stream", RANK_LEAF);
}

u32 prefetch_limit(u32 wanted, u64 nr_lines)
{
	return MIN(wanted, (u32)MIN(nr_lines / 8, (u64)STREAM_WINDOW_MAX));
}

static bool slot_is(const struct slot *sl, const struct fault *f)
{
	return sl->thread == thread_current() && sl->space == f->s->id && sl->start == f->vma.start;
}

/* The thread's slot for the mapping, locked: its own, or that of the longest silent of a few. */
static struct slot *slot_lock(const struct fault *f)
{
	u64 h = hash64_2((u64)(uintptr_t)thread_current(), hash64_2(f->s->id, f->vma.start));
	struct slot *best = NULL;

	for (unsigned i = 0; i < STREAM_PROBES; i++) {
		struct slot *sl = &slots[(h + i) % NR_STREAMS];

		if (slot_is(sl, f)) {		/* without the lock: looked at again below */
			best = sl;
			break;
		}
		if (best == NULL || READ_ONCE(sl->used_ns) < READ_ONCE(best->used_ns))
			best = sl;
	}
	spin_lock(&best->lock);
	if (!slot_is(best, f)) {
		best->thread = thread_current();
		best->space = f->s->id;
		best->start = f->vma.start;
		memset(&best->s, 0, sizeof(best->s));
	}
	best->used_ns = time_mono_ns();
	return best;
}

/* --- used, or not --- */

void page_used(struct pcache_page *p, bool waited)
{
	assert_held(&p->set->lock);
	p->ahead = false;
	shadow_used(p);
	if (waited)
		count(nr_pcache_prefetch_late);
	else
		count(nr_pcache_prefetch_useful);
}

void line_wasted(struct pcache_line *line)
{
	line->page.ahead = false;
	count(nr_pcache_prefetch_wasted);
	if (line->around)
		count(nr_pcache_around_wasted);
	(void)__atomic_add_fetch(&slots[line->stream].s.wasted, 1, __ATOMIC_RELAXED);
}

u64 prefetch_unused(void)
{
	struct pcache_line *line;
	u64 n = 0;

	for (u32 i = 0; i < pcache.p.nr_sets; i++) {
		spin_lock(&pcache.sets[i].lock);
		list_for_each(line, &pcache.sets[i].lines, link)
			n += line->page.ahead;
		spin_unlock(&pcache.sets[i].lock);
	}
	return n;
}

/* --- coming back --- */

/* The number of a bit that was set, and is the caller's; -1: there is none. */
static int bit_take(u32 *bits)
{
	u32 is = __atomic_load_n(bits, __ATOMIC_RELAXED);

	while (is != 0) {
		if (__atomic_compare_exchange_n(bits, &is, is & (is - 1), true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return __builtin_ctz(is);	/* A: pairs with bit_give() */
	}
	return -1;
}

static void bit_give(u32 *bits, unsigned nr) { (void)__atomic_fetch_or(bits, 1U << nr, __ATOMIC_RELEASE); }

static struct prefetch *prefetch_alloc(void)
{
	int nr = bit_take(&prefetches_free);

	return nr < 0 ? NULL : &prefetches[nr];
}

static void prefetch_free(struct prefetch *r) { bit_give(&prefetches_free, r - prefetches); }

/* There is one for each page that is out. */
static struct batch *batch_alloc(void)
{
	int nr = bit_take(&batches_free);
	struct batch *b;

	BUG_ON(nr < 0);
	b = &batches[nr];
	b->nr = 0;
	b->change = 0;
	return b;
}

static void batch_free(struct batch *b) { bit_give(&batches_free, b - batches); }

void prefetch_wait_done(struct space *s)
{
	waitq_wait(&out_wait, __atomic_load_n(&s->prefetches_out, __ATOMIC_SEQ_CST) == 0);
}

/* Locked: the page is here. The mark is not mapped, so that its use is noticed. */
static void install(struct prefetch *r)
{
	struct fault *f = &r->f;
	struct pcache_line *line = r->line;

	line->page.ahead = true;
	line->page.first = !(f->pte & MARK_TOUCHED);
	line->stream = r->stream;
	line->around = r->around;
	line_step(line, LINE_EV_INSTALL);
	if (!r->mark) {
		pte_t v = page_phys(&line->page) | PTE_PRESENT | PTE_USER;

		if (!(f->vma.prot & PROT_EXEC))
			v |= PTE_NX;
		if (fault_may_write(f, line))
			v |= PTE_WRITE;
		if (!(f->pte & MARK_TOUCHED))
			__atomic_fetch_add(&f->s->footprint, 1, __ATOMIC_RELAXED);
		(void)pte_xchg(f->slot, v);
		return;
	}
	if (line->page.object != NULL) {	/* an object's owner has its page mapped, or is none */
		owner_remove(&line->page, list_first(&line->page.owners, struct pcache_owner, link));
		line_step(line, LINE_EV_LAST_UNMAP);
	}
	(void)pte_xchg(f->slot, f->pte);
}

/* Locked: as if it had never been asked for. */
static void undo(struct prefetch *r)
{
	owner_remove(&r->line->page, list_first(&r->line->page.owners, struct pcache_owner, link));
	line_release(r->line, LINE_EV_VOID);
	(void)pte_xchg(r->f.slot, r->f.pte);
	count(nr_pcache_prefetch_undone);
}

static void prefetch_end(struct prefetch *r, int rc)
{
	struct space *s = r->f.s;
	u64 vpn = r->f.vpn;
	struct slot *sl = &slots[r->stream];
	bool again = rc == -EAGAIN;

	spin_lock(&r->set->lock);
	spin_lock(&s->pt_lock);
	if (rc >= 0 && fault_recheck(&r->f))
		install(r);
	else
		undo(r);
	fault_unlock(&r->f, r->set);
	pte_waiters_wake(s, vpn);
	if (again) {				/* M has it not at hand: the next fault may ask once more */
		spin_lock(&sl->lock);
		if (sl->space == s->id)
			stream_rewind(&sl->s, vpn);
		spin_unlock(&sl->lock);
	}
	prefetch_free(r);
	(void)__atomic_sub_fetch(&s->prefetches_out, 1, __ATOMIC_SEQ_CST);
	waitq_wake_all(&out_wait);		/* the space may be gone already: the queue is everybody's */
}

/* The message is free before its pages are: who gets one of these may need it at once. */
static void batch_end(struct batch *b, int status, u32 len)
{
	struct prefetch *of[FILL_MANY];
	unsigned nr = b->nr;

	memcpy(of, b->of, nr * sizeof(of[0]));
	batch_free(b);
	for (unsigned i = 0; i < nr; i++)
		prefetch_end(of[i], fill_ahead_result(status, len, i));
}

static void batch_done(struct rpc *call) { batch_end(call->arg, call->status, call->rep_len); }

/* --- asking --- */

/* Could page vpn be fetched? Then which it is and where it would go. Unlocked: begin() looks again. */
static bool prepare(struct prefetch *r, const struct fault *f, u64 vpn)
{
	struct fault *p = &r->f;

	*p = *f;
	p->vpn = vpn;
	p->va = vpn << PAGE_SHIFT;
	if (p->va < f->vma.start || p->va >= f->vma.end)
		return false;
	spin_lock(&p->s->pt_lock);
	p->slot = pte_slot(&p->s->pgd, p->va, true);
	p->pte = p->slot == NULL ? 0 : pte_read(p->slot);
	spin_unlock(&p->s->pt_lock);
	if (p->slot == NULL || pte_present(p->pte) || pte_busy(p->pte))
		return false;
	if (pte_private(p->pte)) {
		p->object = NULL;
		r->set = pcache_set_of(fault_private_id(p));
		return true;
	}
	if (p->object == NULL || (f->write && !(f->vma.flags & VMA_SHARED)))
		return false;			/* zeros are made when they are wanted; so are copies */
	p->object_index = f->vma.index + (vpn - (f->vma.start >> PAGE_SHIFT));
	if (p->object_index << PAGE_SHIFT >= object_size(p->object))
		return false;
	r->set = pcache_set_of(fault_object_id(p));
	return true;
}

/* How many of these pages go into the set. */
static u32 wanted_of(struct prefetch *const *r, unsigned nr, const struct pcache_set *set)
{
	u32 n = 0;

	for (unsigned i = 0; i < nr; i++)
		n += r[i]->set == set;
	return n;
}

/*
 * A free line for each of these pages, several of which may go into one set: of the reserve as long as faults have enough of it, else
 * in the set, as far as that needs no waiting.
 */
static void make_room(struct prefetch *const *r, unsigned nr)
{
	u32 lend = sweep_slack();
	struct evict_batch b;

	evict_batch_init(&b);
	for (unsigned i = 0; i < nr; i++) {
		struct pcache_set *set = r[i]->set;
		u32 rank = wanted_of(r, i + 1, set);	/* of this page among those of its set: so many lines less one are spoken for */

		spin_lock(&set->lock);
		if (set->nr_free >= rank) {
			;
		} else if (lend > 0) {
			lend--;
		} else if (set->nr <= pcache.p.ways) {
			count(nr_pcache_eviction_triggered);
			(void)evict_begin(set, &b);
		}
		spin_unlock(&set->lock);
		if (b.nr == ARRAY_SIZE(b.line))
			evict_finish(&b);
	}
	evict_finish(&b);
}

static bool cached(const struct prefetch *r)
{
	const struct fault *f = &r->f;
	struct page_id id;

	if (f->object == NULL) {
		id = fault_private_id(f);
		return set_line_private(r->set, id, f->s) != NULL || set_victim_private(r->set, id, f->s) != NULL;
	}
	id = fault_object_id(f);
	return set_line_object(r->set, id) != NULL || set_victim_object(r->set, id) != NULL || object_held(f->object, id.index);
}

/* Set locked: is there a line for it that nobody is short of? */
static bool room_for(const struct prefetch *r)
{
	return r->set->nr_free > 0 || sweep_slack() > (r->around ? AROUND_SPARE : 0);
}

static u64 space_of(const struct fault *f) { return f->object == NULL ? f->s->id : f->object->id; }

static void batch_send(struct batch *b)
{
	struct fault *f = &b->of[0]->f;
	struct rpc_memory_fill_ahead_req req = {
		.space = le64_of(space_of(f)), .change = le64_of(b->change), .nr = le32_of(b->nr),
	};
	int rc;

	for (unsigned i = 0; i < b->nr; i++) {
		const struct fault *one = &b->of[i]->f;

		req.pages.index[i] = le64_of(one->object == NULL ? one->vpn : one->object_index);
	}
	b->rpc = (struct rpc){
		.node = f->object == NULL ? f->s->memory_node : f->object->memory_node, .op = RPC_memory_fill_ahead, .req = &req,
		.page = b->page, .nr_pages = b->nr, .rep_size = b->nr * PAGE_SIZE, .done = batch_done, .arg = b,
	};
	count(nr_pcache_prefetch_message);
	changes_push(f->s, b->change);
	rc = rpc_try_start(&b->rpc);
	if (rc < 0)
		batch_end(b, rc, 0);
}

/* Into the batch of its space or object, which leaves when it is full. */
static void batch_add(struct batch **of_space, struct batch **of_object, struct prefetch *r, u64 change)
{
	struct batch **at = r->f.object == NULL ? of_space : of_object, *b = *at;

	if (b == NULL)
		b = *at = batch_alloc();
	b->page[b->nr] = page_data(&r->line->page);
	b->of[b->nr++] = r;
	b->change = MAX(b->change, change);
	if (b->nr == FILL_MANY) {
		*at = NULL;
		batch_send(b);
	}
}

/* The line is made, the PTE BUSY; false: none of it. *change: what M has to know of the map. */
static bool begin(struct prefetch *r, u64 *change)
{
	struct fault *f = &r->f;
	struct page_id id;

	if (!fault_lock(f, r->set))
		return false;
	if (cached(r)) {
		fault_unlock(f, r->set);
		return false;
	}
	id = f->object == NULL ? fault_private_id(f) : fault_object_id(f);
	r->line = room_for(r) ? line_take(r->set, id, f->object) : NULL;
	if (r->line == NULL) {
		count(nr_pcache_prefetch_skipped);
		fault_unlock(f, r->set);
		return false;
	}
	if (owner_add(&r->line->page, f->s, f->vpn, f->slot) == NULL) {
		line_release(r->line, LINE_EV_VOID);
		fault_unlock(f, r->set);
		return false;
	}
	(void)pte_xchg(f->slot, f->pte | MARK_BUSY);
	*change = f->object != NULL || !RULE(CHANGE_NUMBERS) ? 0 : f->s->change;
	(void)__atomic_add_fetch(&f->s->prefetches_out, 1, __ATOMIC_SEQ_CST);
	fault_unlock(f, r->set);
	count(nr_pcache_prefetch);
	if (r->around)
		count(nr_pcache_around);
	return true;
}

/*
 * Pages first, first + stride, ...: the mark is the first that can be had from there on. around: they are no better than a guess,
 * no room is made for them.
 */
static void ask(const struct fault *f, struct stream_plan plan, unsigned stream, bool around)
{
	struct batch *of_space = NULL, *of_object = NULL;
	struct prefetch *r[STREAM_WINDOW_MAX];
	unsigned nr = 0;
	bool marked = false;

	for (unsigned i = 0; i < plan.nr; i++) {
		struct prefetch *one = prefetch_alloc();

		if (one == NULL) {
			count_n(nr_pcache_prefetch_skipped, plan.nr - i);
			break;
		}
		one->stream = stream;
		one->mark = i >= plan.mark;
		one->around = around;
		if (prepare(one, f, plan.first + (u64)(plan.stride * (s64)i)))
			r[nr++] = one;
		else
			prefetch_free(one);
	}
	if (nr == 0)
		return;
	count(nr_pcache_prefetch_run);
	if (!around)
		make_room(r, nr);
	for (unsigned i = 0; i < nr; i++) {
		bool mark = r[i]->mark && !marked;
		u64 change;

		r[i]->mark = mark;
		if (begin(r[i], &change)) {
			marked |= mark;
			batch_add(&of_space, &of_object, r[i], change);
		} else {
			prefetch_free(r[i]);
		}
	}
	if (of_space != NULL)
		batch_send(of_space);
	if (of_object != NULL)
		batch_send(of_object);
}

/* A private mapping of a file, about which nobody has said how it is used. */
static bool may_ask_around(const struct fault *f, enum stream_advice advice)
{
	return pcache.p.prefetch == PREFETCH_ADAPTIVE && advice == ADVICE_NORMAL && f->object != NULL && !(f->vma.flags & VMA_SHARED);
}

static void go_on(struct fault *f, bool ahead)
{
	enum stream_advice advice = f->vma.flags & VMA_RANDOM ? ADVICE_RANDOM
				  : f->vma.flags & VMA_SEQUENTIAL ? ADVICE_SEQUENTIAL : ADVICE_NORMAL;
	struct stream_plan plan;
	bool around = false;
	struct slot *sl;

	if (pcache.p.prefetch == PREFETCH_OFF || pcache.p.prefetch_max < 2 || thread_current()->task == NULL)
		return;
	sl = slot_lock(f);
	plan = stream_fault(&sl->s, f->vpn, ahead, pcache.p.prefetch, advice, pcache.p.prefetch_max);
	if (!ahead && plan.nr == 0 && may_ask_around(f, advice)) {
		plan = stream_around(&sl->s, f->vpn, pcache.p.nr_lines < AROUND_LINES, pcache.p.prefetch_max);
		around = true;
	}
	spin_unlock(&sl->lock);
	if (plan.nr > 0)
		ask(f, plan, sl - slots, around);
}

void prefetch_missed(struct fault *f, bool copy)
{
	struct fault reader;

	if (copy) {
		reader = *f;
		reader.write = false;
		f = &reader;
	}
	go_on(f, false);
}

void prefetch_found(struct fault *f)
{
	f->used_ahead = false;
	go_on(f, true);
}

static u64 pool_free(void)
{
	u64 n = 0;

	for (u32 bits = READ_ONCE(prefetches_free); bits != 0; bits &= bits - 1)
		n++;
	return n;
}

/* As much of [*va, end) as one mapping and one round have; *va moves on. */
static void advised(struct space *s, u64 *va, u64 end)
{
	struct fault f = { .s = s, .seq = load_acquire(&s->seq) };
	struct vma_file *vf = NULL;
	u64 nr;

	if (space_vma_get(s, *va, &f.vma, &vf) < 0) {
		*va += PAGE_SIZE;		/* a hole */
		return;
	}
	if (vf != NULL && f.vma.object != 0)
		f.object = vf->object;
	nr = MIN((MIN(end, f.vma.end) - *va) >> PAGE_SHIFT, MIN((u64)pcache.p.prefetch_max, MAX(pool_free(), 1ULL)));
	if ((f.vma.prot & PROT_MASK) != 0 && !(f.vma.flags & VMA_VDSO))
		ask(&f, (struct stream_plan){ *va >> PAGE_SHIFT, 1, nr, nr }, NR_STREAMS, false);
	*va += nr << PAGE_SHIFT;
	vma_file_put(vf);
	vma_files_reap();
}

int prefetch_range(struct space *s, u64 start, u64 end)
{
	u64 last = MIN(end, start + pcache.p.nr_lines / 4 * PAGE_SIZE);

	if (pcache.p.prefetch == PREFETCH_OFF || pcache.p.prefetch_max < 2)
		return 0;
	while (start < last) {
		advised(s, &start, last);
		if (start < last && waitq_wait_killable(&out_wait, pool_free() > 0) != 0)
			return -EINTR;
	}
	return 0;
}

void prefetch_waited(struct fault *f)
{
	struct pcache_line *line = line_of_pte(f->pte);
	struct pcache_set *set = line == NULL ? NULL : READ_ONCE(line->page.set);

	if (set == NULL)
		return;
	spin_lock(&set->lock);
	if (line->page.set == set && line_of_pte(pte_read(f->slot)) == line && line->page.ahead) {
		page_used(&line->page, true);
		f->used_ahead = true;
	}
	spin_unlock(&set->lock);
}
