/* SPDX-License-Identifier: MIT */
/*
 * A large read() of a file into memory that nobody has touched. M has the bytes, and M is the home of that memory's pages: it puts them
 * there by itself (memory_place), and they are fetched when they are wanted, like any others, and clean. Through this node they
 * would come to make dirty lines, which drive out others and are then flushed to where they came from.
 *
 * A page that is placed has a PTE that is EMPTY: M has nothing of it that counts, there is no line, and nothing is lost if it fails. While M
 * is asked the PTE is BUSY: who wants the page waits, and so does whoever changes the map; the request names the last change number,
 * as a fill does. So it is M's answer alone that is waited for, without a deadline, and nothing is held. Then the page is PRIVATE, or
 * EMPTY again: a range that was closed meanwhile, or rights that were taken, are the business of who did that, and still waits.
 */
#include "managers/processor/space/space_impl.h"

#include "lib/base/printk.h"

/*
 * Worth it: a read of a MiB or of an eighth of the cache, unless that is less than what is parsed where it was read; and as long as
 * nothing need go for it, it is better here at once.
 */
#define PLACE_READ_LARGE	(1024 * 1024UL)
#define PLACE_READ_SMALL	(64 * 1024UL)
#define PLACE_RUN		16U		/* pages: fewer in a row are read as ever, in one message too */
#define PLACE_AT_ONCE		2U		/* so that M has the next to do when it answers one */

struct placing {
	struct space *s;
	u64 vpn, change;
	unsigned nr;
	pte_t *slot[PLACE_MAX_PAGES];
	struct rpc_memory_place_req req;
	struct rpc call;
	int rc;			/* of rpc_start() */
};

static bool may_place(const struct vma *v)
{
	return v->object == 0 && (v->prot & PROT_WRITE) && !(v->flags & (VMA_SHARED | VMA_VDSO | VMA_LOCKED));
}

/* The PTEs of the pages that nobody has touched, from the first on, are BUSY; if the map is still that of seq. */
static void begin(struct placing *p, unsigned most, u64 seq)
{
	struct space *s = p->s;

	spin_lock(&s->pt_lock);
	for (p->nr = 0; p->nr < most && s->seq == seq; p->nr++) {
		u64 vpn = p->vpn + p->nr;
		pte_t *slot = pte_slot(&s->pgd, vpn << PAGE_SHIFT, true);

		if (slot == NULL || space_closed(s, vpn) || (pte_read(slot) & ~MARK_TOUCHED) != 0)
			break;
		if (RULE(PLACE_BUSY))
			(void)pte_xchg(slot, pte_read(slot) | MARK_BUSY);
		p->slot[p->nr] = slot;
	}
	p->change = RULE(PLACE_NUMBER) ? s->change : 0;
	spin_unlock(&s->pt_lock);
}

/* The first so many are on M, the others are as they were. TOUCHED stays as it is: none of them has been here. */
static void end(struct placing *p, unsigned placed)
{
	spin_lock(&p->s->pt_lock);
	for (unsigned i = 0; i < p->nr; i++) {
		pte_t v = pte_read(p->slot[i]) & ~MARK_BUSY;

		(void)pte_xchg(p->slot[i], i < placed ? (v & MARK_TOUCHED) | PTE_MARK_PRIVATE : v);
	}
	spin_unlock(&p->s->pt_lock);
	for (unsigned i = 0; i < p->nr; i++)
		pte_waiters_wake(p->s, p->vpn + i);
}

static void ask(struct placing *p, struct object *o, u64 off)
{
	p->req = (struct rpc_memory_place_req){
		.space = le64_of(p->s->id), .change = le64_of(p->change), .index = le64_of(p->vpn), .object = le64_of(o->id),
		.off = le64_of(off), .nr = le32_of(p->nr),
	};
	p->call = (struct rpc){ .node = o->memory_node, .op = RPC_memory_place, .req = &p->req };
	changes_push(p->s, p->change);
	count(nr_space_place);
	p->rc = rpc_start(&p->call);
}

/* Pages that M has put there. What is wrong an ordinary read will say. */
static unsigned answer(struct placing *p)
{
	int rc = p->rc == 0 ? rpc_wait(&p->call) : p->rc;

	return rc > 0 && (unsigned)rc <= p->nr ? rc : 0;
}

/* Of the pages at va the first so many, at least so many, are asked for; false: they are not. */
static bool place_start(struct placing *p, struct space *s, u64 va, unsigned most, unsigned least, struct object *o, u64 off)
{
	u64 seq = load_acquire(&s->seq);
	struct vma_file *vf = NULL;
	struct vma v;

	p->s = s;
	p->vpn = va >> PAGE_SHIFT;
	if (s->memory_node != o->memory_node || space_vma_get(s, va, &v, &vf) < 0)
		return false;
	vma_file_put(vf);
	vma_files_reap();
	most = MIN(most, (unsigned)MIN((v.end - va) >> PAGE_SHIFT, (u64)PLACE_MAX_PAGES));
	if (!may_place(&v) || most < least)
		return false;
	if (RULE(PLACE_CACHED))
		most = object_uncached(o, off, most * PAGE_SIZE) >> PAGE_SHIFT;
	begin(p, most, seq);
	if (p->nr < least) {
		end(p, 0);
		return false;
	}
	ask(p, o, off);
	return true;
}

static unsigned place_finish(struct placing *p)
{
	unsigned placed = answer(p);

	end(p, placed);
	count_n(nr_space_place_page, placed);
	return placed;
}

unsigned space_place(struct space *s, u64 va, unsigned most, unsigned least, unsigned piece, struct object *o, u64 off)
{
	struct placing placing[PLACE_AT_ONCE], *p;
	unsigned first = 0, last = 0, asked = 0, done = 0, placed;
	bool whole = true, more = true;

	for (;;) {
		while (more && last - first < PLACE_AT_ONCE && asked < most && !READ_ONCE(thread_current()->fatal_pending)) {
			unsigned nr = MIN(most - asked, piece);

			p = &placing[last % PLACE_AT_ONCE];
			more = place_start(p, s, va + asked * PAGE_SIZE, nr, MAX(least, 1U), o, off + asked * PAGE_SIZE);
			if (!more)
				break;
			asked += p->nr;
			more = p->nr == nr;
			last++;
		}
		if (first == last)
			return done;
		p = &placing[first++ % PLACE_AT_ONCE];
		placed = place_finish(p);
		if (whole)		/* what is placed behind a gap the ordinary read, which is next, puts there again */
			done += placed;
		if (placed < p->nr)
			whole = more = false;
	}
}

bool space_read_is_large(const struct object *o, size_t len)
{
	u64 lines = pcache.p.nr_lines, used = __atomic_load_n(&pcache.frames_used, __ATOMIC_RELAXED), spare = lines - MIN(used, lines);

	return o->fs != WIRE_FS_NONE && len >= MIN(PLACE_READ_LARGE, MAX(PLACE_READ_SMALL, lines / 8 * PAGE_SIZE)) &&
	       len >> PAGE_SHIFT > spare;
}

size_t space_read_placed(struct space *s, u64 va, size_t len, struct object *o, u64 off, size_t *piece)
{
	size_t head = -va & (PAGE_SIZE - 1);

	if (head != 0) {
		*piece = MIN(*piece, head);
		return 0;
	}
	return (size_t)space_place(s, va, len >> PAGE_SHIFT, PLACE_RUN, PLACE_MAX_PAGES, o, off) << PAGE_SHIFT;
}
