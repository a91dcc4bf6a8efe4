/* SPDX-License-Identifier: MIT */
/* SOURCES: managers/processor/pcache/clean.c managers/processor/pcache/cow.c managers/processor/pcache/evict.c managers/processor/pcache/fill.c managers/processor/pcache/flush.c managers/processor/pcache/frame.c managers/processor/pcache/owner.c managers/processor/pcache/param.c managers/processor/pcache/prefetch.c managers/processor/pcache/stream.c managers/processor/pcache/set.c managers/processor/pcache/shadow.c managers/processor/pcache/shadow_feed.c managers/processor/pcache/state.c managers/processor/pcache/sweep.c managers/processor/pcache/token.c managers/processor/pcache/turn.c managers/processor/pcache/victim.c managers/processor/pcache/check.c */
/* SOURCES: managers/processor/pcache/policy_lru.c managers/processor/pcache/policy_fifo.c managers/processor/pcache/policy_clock.c managers/processor/pcache/policy_random.c managers/processor/space/access.c managers/processor/space/advise.c managers/processor/space/change.c managers/processor/space/close.c managers/processor/space/commit.c managers/processor/space/lock.c managers/processor/space/merge.c */
/* SOURCES: managers/processor/fs/attr_cache.c managers/processor/space/fault.c managers/processor/space/fork.c managers/processor/space/init.c managers/processor/space/map.c managers/processor/space/object.c managers/processor/space/object_io.c managers/processor/space/object_range.c managers/processor/space/pass.c managers/processor/space/place.c managers/processor/space/remap.c managers/processor/space/space.c managers/processor/space/vdso.c managers/processor/space/zap.c */
/*
 * Random schedules of programs over the pcache against a flat memory: what a page may contain is known at every moment.
 * SIM_FIRST=n SIM_SEEDS=n in the environment run other seeds; a failure prints its own.
 * lesson: L9, lesson: L10, lesson: L11, lesson: L14, lesson: L15, lesson: L16, lesson: L28, lesson: L29, lesson: L40, lesson: L41;
 * lesson: L17: a copy is born dirty (rule COW_DIRTY, which `mutants` takes away), and evicted before it is written
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "managers/processor/pcache/sim.c"
#include "managers/processor/pcache/sim_memory.c"
#include "managers/processor/pcache/sim_mmu.c"

#include "managers/processor/fs/file.h"
#include "managers/processor/pcache/shadow.h"
#include "managers/processor/pcache/stream.h"
#include "managers/processor/space/abi.h"

#define ARENAS	3
#define PAGES	24
#define CANDS	12

void file_get(struct file *f) { ref_get(&f->refs); }
void file_put(struct file *f)
{
	if (ref_put(&f->refs))
		abort();
}
int copy_to_user(u64 dst, const void *src, size_t n) { return -EFAULT; }

/* --- the flat memory --- */

struct cell {			/* what a page's first word may be now */
	u64 cand[CANDS];
	unsigned nr;
	u64 base;		/* what it is once the private page is forgotten */
	unsigned refs;
	bool shared;
};
struct opage {
	struct cell *cell;	/* NULL: not mapped */
	u32 prot;
	enum flux { NO_FLUX, MAPPING, UNMAPPING, KEEPING, ZEROING, MOVING } flux;	/* the operation under way on it */
	u64 gen;
};
struct proc {
	struct space *s;
	struct opage page[ARENAS][PAGES];
	u64 arena_gen[ARENAS];
	struct proc *forking;	/* the child being made: it may see what is written meanwhile */
	unsigned threads, root;
	unsigned depth;
};
struct task {
	struct proc *p;
	unsigned arena, ops;
};

static u64 next_value;
static unsigned nr_procs, max_procs;
static struct file sim_files[3];
static bool use_shared, use_files, use_fork, use_remap, use_reads;
static bool memory_dies;	/* at some moment; */
static bool dies_quietly;	/* then nothing is changed that M would have to hear of, at which the space would be lost */
static u64 nr_died, nr_outlived;	/* accesses after that: of what is lost, and of what is not */
static bool only_zap;		/* nothing but mmap, munmap and accesses: for what only they can show */

static u64 va_of(unsigned arena, unsigned i) { return 0x10000000ULL + arena * 0x1000000ULL + (512 - PAGES / 2 + i) * PAGE_SIZE; }

static struct cell *cell_new(u64 base, bool shared)
{
	struct cell *c = calloc(1, sizeof(*c));

	c->base = c->cand[0] = base;
	c->nr = 1;
	c->refs = 1;
	c->shared = shared;
	return c;
}
static void cell_put(struct cell *c)
{
	if (c != NULL && --c->refs == 0)
		free(c);
}
static void cell_add(struct cell *c, u64 v)
{
	if (c->nr == CANDS)
		c->nr--;	/* the run avoids this: see may_write() */
	c->cand[c->nr++] = v;
}
static void cell_set(struct cell *c, u64 v)
{
	c->cand[0] = v;
	c->nr = 1;
}

/* --- one access --- */

struct access {
	struct proc *p;
	unsigned arena, i;
	bool write;
	u64 value;
	bool wrote;
};

static bool log_full(const struct access *a)
{
	const struct proc *child = a->p->forking;
	const struct cell *c = child == NULL ? NULL : child->page[a->arena][a->i].cell;

	return c != NULL && !c->shared && c->nr == CANDS;
}

/* While an operation is under way, the page is what it was, or what it will be; but never another page. */
static void in_flux(struct access *a, struct opage *o, u64 *word)
{
	unsigned k = 0;

	if (o->flux == MOVING || o->cell == NULL || o->cell->shared) {
		if (*word != 0 && (*word >> 56) != 0xf1 && (*word >> 48) != a->p->root)
			sim_fail("page %u.%u shows another program's word %llx", a->arena, a->i, (unsigned long long)*word);
		return;
	}
	while (k < o->cell->nr && o->cell->cand[k] != *word)
		k++;
	if (k == o->cell->nr && *word != o->cell->base && *word >> 32 != 0xdeadU)
		sim_fail("page %u.%u shows %llx while it is changed", a->arena, a->i, (unsigned long long)*word);
	if (a->write && o->flux == UNMAPPING)
		*word = 0xdead00000000ULL | ++next_value;	/* nobody will see it later */
}

static void at_access(void *arg, u64 *word)
{
	struct access *a = arg;
	struct opage *o = &a->p->page[a->arena][a->i];
	unsigned k;

	if (o->flux != NO_FLUX) {
		in_flux(a, o, word);
		return;
	}
	if (o->cell == NULL || (o->prot & (a->write ? PROT_WRITE : PROT_MASK)) == 0)
		sim_fail("%s of page %u.%u (%s, prot %u) is let through", a->write ? "write" : "read", a->arena, a->i,
			 o->cell == NULL ? "unmapped" : "mapped", o->prot);
	for (k = 0; k < o->cell->nr && o->cell->cand[k] != *word; k++)
		;
	if (k == o->cell->nr)
		sim_fail("page %u.%u reads %llx, should be %llx (one of %u)", a->arena, a->i, (unsigned long long)*word,
			 (unsigned long long)o->cell->cand[0], o->cell->nr);
	cell_set(o->cell, *word);
	if (!a->write || log_full(a))
		return;
	*word = a->value;
	cell_set(o->cell, a->value);
	if (a->p->forking != NULL && !o->cell->shared && a->p->forking->page[a->arena][a->i].cell != NULL)
		cell_add(a->p->forking->page[a->arena][a->i].cell, a->value);
}

/* M could not read the page this time: the program gets a signal, and finds the page as it was when it looks again. */
static bool refused(s64 rc) { return rc == -EIO && sim_fill_fails != 0; }

/* M is dead, and what was asked for needs it. */
static bool died(s64 rc) { return sim_memory_dead && rc == -EHOSTDOWN; }

static bool private_here(struct space *s, u64 va)
{
	struct page_id id = { s->salt, va >> PAGE_SHIFT };
	struct pcache_set *set = pcache_set_of(id);
	const struct pcache_line *line;
	bool here;

	spin_lock(&set->lock);
	line = set_line_private(set, id, s);
	here = line != NULL ? line->state != LINE_FILLING : set_victim_private(set, id, s) != NULL;
	spin_unlock(&set->lock);
	return here;
}

/* M is dead, and an access to the page failed: it was there alone, or the space has lost another. */
static void must_be_lost(struct proc *p, struct opage *o, u64 va, u64 gen)
{
	bool anonymous = o->gen == gen && o->cell != NULL && o->cell->base == 0 && !o->cell->shared;

	nr_died++;
	if (anonymous && private_here(p->s, va) && o->gen == gen && o->flux == NO_FLUX && p->s->lost == 0)
		sim_fail("page %llx is here, and lost", (unsigned long long)va);
}

static void do_access(struct proc *p, unsigned arena, unsigned i, bool write)
{
	struct opage *o = &p->page[arena][i];
	struct access a = { p, arena, i, write, (u64)p->root << 48 | ++next_value, false };
	u64 gen = o->gen;
	bool legal = !o->flux && o->cell != NULL && (o->prot & (write ? PROT_WRITE : PROT_MASK)) != 0;
	int rc;

	sim_set_rip(0x1000 + sim_random(1000000));
	rc = sim_access(p->s, va_of(arena, i), write, at_access, &a);
	if (refused(rc))
		return;
	nr_outlived += rc == 0 && sim_memory_dead;
	if (died(rc)) {
		must_be_lost(p, o, va_of(arena, i), gen);
		return;
	}
	if (rc < 0 && legal && o->gen == gen)
		sim_fail("access to page %u.%u: %s", arena, i, errno_name(rc));
	if (rc != 0 && rc != -EFAULT && rc != -EACCES)
		sim_fail("access to page %u.%u ends with %s", arena, i, errno_name(rc));
}

/* --- operations on the task's own arena --- */

static void flux(struct proc *p, unsigned arena, unsigned first, unsigned nr, enum flux on)
{
	p->arena_gen[arena]++;
	for (unsigned i = first; i < first + nr; i++) {
		p->page[arena][i].flux = on;
		p->page[arena][i].gen++;
	}
}

static bool pick_range(struct opage *o, unsigned *first, unsigned *nr, bool mapped)
{
	for (unsigned tries = 0; tries < 10; tries++) {
		unsigned f = sim_random(PAGES), n = 1 + sim_random(6), i;

		if (f + n > PAGES)
			continue;
		for (i = f; i < f + n && (o[i].cell != NULL) == mapped; i++)
			;
		if (i == f + n) {
			*first = f;
			*nr = n;
			return true;
		}
	}
	return false;
}

static void must(s64 rc, const char *what)
{
	if (rc < 0)
		sim_fail("%s: %s", what, errno_name(rc));
}

static bool must_or_refused(s64 rc, const char *what)
{
	if (refused(rc) || died(rc))
		return false;
	must(rc, what);
	return true;
}

static u32 random_prot(void)
{
	static const u32 prots[] = { PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, 0 };

	return prots[sim_random(ARRAY_SIZE(prots))];
}

static void op_mmap(struct task *t)
{
	struct opage *o = t->p->page[t->arena];
	unsigned first, nr, kind = sim_random(4), ino = sim_random(ARRAY_SIZE(sim_files));
	u32 prot = sim_random(3) == 0 ? random_prot() : PROT_READ | PROT_WRITE;
	bool shared = kind == 0 && use_shared, file = kind == 1 && use_files, done;
	u64 off = sim_random(4);
	s64 rc;

	if (!pick_range(o, &first, &nr, false))
		return;
	flux(t->p, t->arena, first, nr, MAPPING);
	rc = space_mmap(t->p->s, va_of(t->arena, first), nr * PAGE_SIZE, prot,
			ABI_MAP_FIXED | (file ? 0 : ABI_MAP_ANONYMOUS) | (shared ? ABI_MAP_SHARED : ABI_MAP_PRIVATE),
			file ? &sim_files[ino] : NULL, file ? off * PAGE_SIZE : 0);
	done = !((file || shared) && sim_memory_dead && rc == -EIO) && must_or_refused(rc, "mmap");	/* EIO: the object went with M */
	for (unsigned i = first; i < first + nr && done; i++) {
		o[i].cell = cell_new(file ? sim_file_word(ino, off + i - first) : 0, shared);
		o[i].prot = prot;
	}
	flux(t->p, t->arena, first, nr, NO_FLUX);
}

static void op_munmap(struct task *t)
{
	struct opage *o = t->p->page[t->arena];
	unsigned first = sim_random(PAGES), nr = 1 + sim_random(sim_random(3) == 0 ? PAGES - first : MIN(PAGES - first, 6U));

	flux(t->p, t->arena, first, nr, UNMAPPING);	/* holes are fine */
	must(space_munmap(t->p->s, va_of(t->arena, first), nr * PAGE_SIZE), "munmap");
	for (unsigned i = first; i < first + nr; i++) {
		cell_put(o[i].cell);
		o[i].cell = NULL;
	}
	flux(t->p, t->arena, first, nr, NO_FLUX);
}

static void op_mprotect(struct task *t)
{
	struct opage *o = t->p->page[t->arena];
	u32 prot = random_prot();
	unsigned first, nr;
	bool done;

	if (!pick_range(o, &first, &nr, true))
		return;
	flux(t->p, t->arena, first, nr, KEEPING);
	done = must_or_refused(space_mprotect(t->p->s, va_of(t->arena, first), nr * PAGE_SIZE, prot), "mprotect");
	for (unsigned i = first; i < first + nr && done; i++)
		o[i].prot = prot;
	flux(t->p, t->arena, first, nr, NO_FLUX);
}

static void op_dontneed(struct task *t)
{
	struct opage *o = t->p->page[t->arena];
	unsigned first, nr;

	if (!pick_range(o, &first, &nr, true))
		return;
	flux(t->p, t->arena, first, nr, ZEROING);
	must(space_madvise(t->p->s, va_of(t->arena, first), nr * PAGE_SIZE, ABI_MADV_DONTNEED), "madvise");
	for (unsigned i = first; i < first + nr; i++)
		if (!o[i].cell->shared)
			cell_set(o[i].cell, o[i].cell->base);
	flux(t->p, t->arena, first, nr, NO_FLUX);
}

/* One page is one mapping for sure. */
static void op_mremap(struct task *t)
{
	struct opage *o = t->p->page[t->arena];
	unsigned from = sim_random(PAGES), to = sim_random(PAGES);

	if (o[from].cell == NULL || from == to)
		return;
	flux(t->p, t->arena, from, 1, MOVING);
	flux(t->p, t->arena, to, 1, MOVING);
	must(space_mremap(t->p->s, va_of(t->arena, from), PAGE_SIZE, PAGE_SIZE, ABI_MREMAP_MAYMOVE | ABI_MREMAP_FIXED,
			  va_of(t->arena, to)), "mremap");
	cell_put(o[to].cell);
	o[to].cell = o[from].cell;
	o[to].prot = o[from].prot;
	o[from].cell = NULL;
	flux(t->p, t->arena, from, 1, NO_FLUX);
	flux(t->p, t->arena, to, 1, NO_FLUX);
}

static void task_run(void *arg);

static void task_start(struct proc *p, unsigned arena, unsigned ops)
{
	struct task *t = calloc(1, sizeof(*t));
	char name[16];

	*t = (struct task){ p, arena, ops };
	p->threads++;
	snprintf(name, sizeof(name), "p%u.%u", p->root, arena);
	sim_go(task_run, t, true, name);
}

static void proc_free(struct proc *p)
{
	nr_procs--;
	for (unsigned a = 0; a < ARENAS; a++)
		for (unsigned i = 0; i < PAGES; i++)
			cell_put(p->page[a][i].cell);
	free(p);
}

static void op_fork(struct task *t)
{
	struct proc *p = t->p, *c;
	u64 gen[ARENAS];
	bool busy[ARENAS] = { false };
	int rc;

	if (nr_procs >= max_procs || p->forking != NULL || p->depth > 3)
		return;
	nr_procs++;
	c = calloc(1, sizeof(*c));
	c->root = p->root;
	c->depth = p->depth + 1;
	for (unsigned a = 0; a < ARENAS; a++) {
		gen[a] = p->arena_gen[a];
		for (unsigned i = 0; i < PAGES; i++) {
			struct opage *o = &p->page[a][i];

			busy[a] |= o->flux;
			c->page[a][i].prot = o->prot;
			if (o->cell == NULL)
				continue;
			if (o->cell->shared) {
				o->cell->refs++;
				c->page[a][i].cell = o->cell;
			} else {
				c->page[a][i].cell = cell_new(0, false);
				*c->page[a][i].cell = *o->cell;
				c->page[a][i].cell->refs = 1;
			}
		}
	}
	p->forking = c;
	rc = space_fork(p->s, &c->s);
	p->forking = NULL;
	if (rc == -ENOMEM && sim_memory_dead && p->s->lost != 0)	/* for the parent's pages are */
		rc = -EHOSTDOWN;
	if (!must_or_refused(rc, "fork")) {
		proc_free(c);
		return;
	}
	for (unsigned a = 0; a < ARENAS; a++) {
		if (!busy[a] && gen[a] == p->arena_gen[a])
			continue;
		/* another thread changed it meanwhile: nobody knows which half the child got */
		must(space_munmap(c->s, va_of(a, 0), PAGES * PAGE_SIZE), "munmap");
		for (unsigned i = 0; i < PAGES; i++) {
			cell_put(c->page[a][i].cell);
			c->page[a][i].cell = NULL;
		}
	}
	for (unsigned a = 0; a < ARENAS; a++)
		if (a == 0 || sim_random(2) == 0)
			task_start(c, a, t->ops / 2 + 5);
}

/* The same page through another door: the kernel's copies, and an instruction that needs many pages. */
static void op_instruction(struct task *t)
{
	struct opage *o = t->p->page[t->arena];
	u64 va[6];
	unsigned nr = 0;

	for (unsigned i = 0; i < 40 && nr < 6; i++) {
		unsigned k = sim_random(PAGES), j;

		if (o[k].cell == NULL || (o[k].prot & PROT_MASK) == 0)
			continue;
		for (j = 0; j < nr && va[j] != va_of(t->arena, k); j++)
			;
		if (j == nr)
			va[nr++] = va_of(t->arena, k);
	}
	sim_set_rip(0x40000000 + sim_random(1000000));
	must_or_refused(sim_instruction(t->p->s, va, nr, 0), "instruction");
}

static void op_kernel_copy(struct task *t)
{
	unsigned i = sim_random(PAGES);
	struct opage *o = &t->p->page[t->arena][i];
	u64 word = 0;

	if (o->cell == NULL || (o->prot & PROT_MASK) == 0 || o->cell->shared)
		return;
	sim_set_rip(0x50000000 + sim_random(1000000));
	o->flux = MOVING;		/* others keep out for a moment: the copy is not one access */
	o->gen++;
	if (must_or_refused(space_read(t->p->s, va_of(t->arena, i), &word, 8), "space_read") && o->cell->nr == 1 && o->cell->cand[0] != word)
		sim_fail("space_read of page %u.%u: %llx, should be %llx", t->arena, i, (unsigned long long)word,
			 (unsigned long long)o->cell->cand[0]);
	if ((o->prot & PROT_WRITE) && t->p->forking == NULL) {
		word = (u64)t->p->root << 48 | ++next_value;
		if (t->p->forking == NULL) {
			if (must_or_refused(space_write(t->p->s, va_of(t->arena, i), &word, 8), "space_write"))
				cell_set(o->cell, word);
			t->p->arena_gen[t->arena]++;	/* a fork that began meanwhile does not know it */
		}
	}
	o->flux = NO_FLUX;
	o->gen++;
}

/* One page's part of a read() that M does not place: through the kernel. false: M could not fill the page that it goes to. */
static bool read_ordinary(struct task *t, unsigned i, struct object *o, u64 off)
{
	u64 word;
	s64 rc = object_read(o, off, &word, 8);

	if (died(rc))
		return false;
	if (rc != 8)
		sim_fail("read at %llx", (unsigned long long)off);
	sim_set_rip(0x60000000 + sim_random(1000000));
	return must_or_refused(space_write(t->p->s, va_of(t->arena, i), &word, 8), "space_write");
}

/* A large read() of a file into memory of which some pages are touched. */
static void op_read(struct task *t)
{
	struct opage *o = t->p->page[t->arena];
	unsigned first, nr, ino = sim_random(ARRAY_SIZE(sim_files));
	struct object *file = sim_files[ino].object;
	u64 from = sim_random(8);

	if (!pick_range(o, &first, &nr, true))
		return;
	for (unsigned i = first; i < first + nr; i++)
		if (o[i].cell->shared || !(o[i].prot & PROT_WRITE))
			return;
	flux(t->p, t->arena, first, nr, MOVING);
	for (unsigned i = first; i < first + nr;) {
		u64 off = (from + i - first) * PAGE_SIZE;
		unsigned placed = space_place(t->p->s, va_of(t->arena, i), first + nr - i, 1, 1 + sim_random(3), file, off);
		bool done = placed > 0 || read_ordinary(t, i, file, off);

		if (!done)		/* it may have come all the same, behind what M did not place */
			cell_add(o[i].cell, sim_file_word(ino, off / PAGE_SIZE));
		for (unsigned k = 0; k < MAX(placed, 1U); k++, i++, off += PAGE_SIZE)
			if (done)
				cell_set(o[i].cell, sim_file_word(ino, off / PAGE_SIZE));
	}
	flux(t->p, t->arena, first, nr, NO_FLUX);
}

/* Pages in order, forwards or backwards, every one or every second: what is fetched ahead. */
static void op_walk(struct task *t)
{
	unsigned from = sim_random(PAGES), step = 1 + sim_random(2), nr = 4 + sim_random(PAGES);
	bool back = sim_random(4) == 0, write = sim_random(3) == 0;

	for (unsigned i = 0; i < nr; i++, from = (back ? from + 2 * PAGES - step : from + step) % PAGES)
		do_access(t->p, t->arena, from, write);
}

/* Advice that changes no content. */
static void op_advise(struct task *t)
{
	static const int advice[] = { ABI_MADV_WILLNEED, ABI_MADV_COLD, ABI_MADV_PAGEOUT, ABI_MADV_SEQUENTIAL, ABI_MADV_NORMAL };
	unsigned first = sim_random(PAGES), nr = 1 + sim_random(PAGES - first);
	s64 rc = space_madvise(t->p->s, va_of(t->arena, first), nr * PAGE_SIZE, advice[sim_random(ARRAY_SIZE(advice))]);

	if (rc != 0 && rc != -ENOMEM && !died(rc))
		must(rc, "madvise");
}

static void access_somewhere(struct task *t)
{
	unsigned arena = sim_random(3) == 0 ? sim_random(ARENAS) : t->arena, i = sim_random(PAGES);

	for (unsigned n = sim_random(2) * 20; n > 0; n--) {	/* best where others are at work */
		unsigned a = sim_random(ARENAS), k = sim_random(PAGES);

		if (t->p->page[a][k].flux != NO_FLUX) {
			arena = a;
			i = k;
			break;
		}
	}
	do_access(t->p, arena, i, sim_random(2));
}

static void task_op(struct task *t)
{
	unsigned r = sim_random(100);

	if (sim_memory_dead && dies_quietly)
		return r < 10 ? op_walk(t) : access_somewhere(t);
	if (only_zap && r < 35)
		return r < 18 ? op_mmap(t) : op_munmap(t);
	if (r < 9)
		op_mmap(t);
	else if (r < 13)
		op_munmap(t);
	else if (r < 16)
		op_mprotect(t);
	else if (r < 20)
		op_dontneed(t);
	else if (r < 26 && use_remap)
		op_mremap(t);
	else if (r < 29 && use_fork)
		op_fork(t);
	else if (r < 32)
		op_instruction(t);
	else if (r < 35)
		op_kernel_copy(t);
	else if (r < 36)
		op_walk(t);
	else if (r < 38)
		op_advise(t);
	else if (r < 42 && use_reads)
		op_read(t);
	else
		access_somewhere(t);
}

static void task_run(void *arg)
{
	struct task *t = arg;
	struct proc *p = t->p;

	for (unsigned i = 0; i < t->ops; i++)
		task_op(t);
	free(t);
	if (--p->threads == 0) {
		space_put(p->s);
		proc_free(p);
	}
	pcache_token_release();
}

static void death_run(void *arg)
{
	for (u64 n = sim_random(256ULL << sim_random(6)); n > 0; n--)
		thread_yield();
	sim_memory_dead = true;
	for (u64 n = sim_random(100); n > 0; n--)
		thread_yield();
	space_memory_lost(2);
}

static void root_run(void *arg)
{
	struct proc *p = arg;
	int err;

	p->s = space_create_err(&err);
	if (p->s == NULL && died(err)) {
		proc_free(p);
		return;
	}
	if (p->s == NULL)
		sim_fail("space_create: %s", errno_name(err));
	p->s->mmap_top = 0x70000000;
	for (unsigned a = 1; a < ARENAS; a++)
		task_start(p, a, 60 + sim_random(100));
	p->threads++;
	struct task *t = calloc(1, sizeof(*t));

	*t = (struct task){ p, 0, 60 + sim_random(100) };
	task_run(t);
}

/* --- a whole run --- */

static u64 env(const char *name, u64 dflt)
{
	const char *v = getenv(name);

	return v == NULL ? dflt : strtoull(v, NULL, 0);
}

/* Pages that came because they were wanted: what the faults say, and what the shadow of all sets was told. */
static u64 wanted(void)
{
	return this_cpu_read8(nr_pcache_fill_zerofill) + this_cpu_read8(nr_pcache_fill_from_memory) +
	       this_cpu_read8(nr_pcache_fill_from_victim) + this_cpu_read8(nr_pgfault_wp_cow) +
	       this_cpu_read8(nr_pcache_prefetch_useful) + this_cpu_read8(nr_pcache_prefetch_late);
}

static u64 wanted_before, told_before;

static void check_shadow(void)
{
	u64 told = this_cpu_read8(nr_shadow_miss);

	if (pcache.p.shadow == 1 && wanted() - wanted_before != told - told_before)
		sim_fail("%llu pages came, the shadow was told of %llu", (unsigned long long)(wanted() - wanted_before),
			 (unsigned long long)(told - told_before));
	if (told != this_cpu_read8(nr_shadow_compulsory) + this_cpu_read8(nr_shadow_capacity) + this_cpu_read8(nr_shadow_conflict))
		sim_fail("misses of three kinds miscounted");
}

struct geometry { u32 ways, sets, victims; const struct pcache_policy *policy; };

static void pcache_up(const struct geometry *g)
{
	memset(&pcache, 0, sizeof(pcache));
	pcache.p = (struct pcache_params){
		.nr_lines = (u64)g->ways * g->sets, .ways = g->ways, .nr_sets = g->sets, .nr_victims = MAX(g->victims, 1U),
		.victim_hits = g->victims != 0, .policy = g->policy,
	};
	pcache.p.prefetch = sim_random(3);
	pcache.p.prefetch_max = 2 + sim_random(8);	/* more than a cache so small is given on a node */
	prefetch_init();
	token_reset();
	turn_reset();
	spaces_reset_salts();
	assert_int_equal(pcache_alloc(), 0);
	assert_int_equal(owner_init(), 0);
	pcache.p.shadow = sim_seed % 4 == 3 ? 1 : 0;	/* all sets, in some schedules */
	pcache.p.turns = sim_seed % 8 == 5;
	assert_int_equal(shadow_init(), 0);
	wanted_before = wanted();
	told_before = this_cpu_read8(nr_shadow_miss);
	objects_init();
	commit_init();
	assert_int_equal(flush_start(), 0);
	assert_int_equal(sweep_start(), 0);
}

static void open_files(void *arg)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++) {
		ref_init(&sim_files[i].refs, 1);
		sim_files[i].flags = ABI_O_RDWR;
		must(object_open(3, 1, 0, i, &sim_files[i].object), "open");
	}
}

static void close_files(void *arg)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		object_put(sim_files[i].object);
	vma_files_reap();
	objects_close_wait();
}

static void drop_all(void *arg)
{
	objects_drop_cached();
	objects_close_wait();
	commit_drain();
}

static void close_all(void *arg)
{
	close_files(NULL);
	drop_all(NULL);
}

/* What is in stock is free, and as much as is counted. */
static void check_stocks(void)
{
	struct pcache_line *line;
	u32 nr = 0;

	for (unsigned i = 0; i < NR_STOCKS; i++) {
		list_for_each(line, &pcache.stock[i].lines, link) {
			nr++;
			if (line->state != LINE_FREE || line->page.set != NULL)
				sim_fail("a line in stock is in use");
		}
	}
	if (nr != pcache.nr_reserve)
		sim_fail("%u lines in stock, counted %u", nr, pcache.nr_reserve);
}

static void check_balance(void)
{
	if (!sim_drain())
		sim_fail("messages do not end");
	check_stocks();
	if (pcache_check() != 0)
		sim_fail("an invariant does not hold");
	if (pcache_lines_live() + pcache_lines_cached() + pcache_victims_live() + owners_live() + pcache_reserve_out() + spaces_live() + objects_live() +
	    objects_parked() != 0)
		sim_fail("left over: %llu lines, %llu victims, %llu owners, %llu of the reserve, %llu spaces, %llu objects",
			 (unsigned long long)pcache_lines_live(), (unsigned long long)pcache_victims_live(),
			 (unsigned long long)owners_live(), (unsigned long long)pcache_reserve_out(),
			 (unsigned long long)spaces_live(), (unsigned long long)objects_live());
	if (this_cpu_read8(nr_pcache_prefetch) != this_cpu_read8(nr_pcache_prefetch_useful) + this_cpu_read8(nr_pcache_prefetch_late) +
	    this_cpu_read8(nr_pcache_prefetch_wasted) + this_cpu_read8(nr_pcache_prefetch_undone))
		sim_fail("prefetched pages miscounted");
	check_shadow();
	if (sim_memory_pages() != 0 && !sim_memory_dead)
		sim_fail("%llu pages left on M", (unsigned long long)sim_memory_pages());
	if (commit_held() != 0)
		sim_fail("%llu pages of commit held", (unsigned long long)commit_held());
}

/* The end of what pcache_up() began: nothing may be left. */
static void pcache_down(void)
{
	check_balance();
	token_reset();
	pcache_free_all();
	sim_end();
}

static void run_seed(u64 seed, const struct geometry *fixed)
{
	static const struct pcache_policy *const policies[] = { &policy_lru, &policy_fifo, &policy_clock, &policy_random };
	static const u32 victims[] = { 0, 1, 2, 8 };
	struct geometry g;
	unsigned roots;

	sim_begin(seed);
	g = fixed != NULL ? *fixed : (struct geometry){
		1U << sim_random(4), 2 + sim_random(6), victims[sim_random(4)], policies[sim_random(4)] };
	sim_switch_in = 1 + sim_random(6);
	sim_memory_slow = 1 + sim_random(3) * 10;
	sim_fill_fails = sim_random(4) == 0 ? 5 : 0;
	use_shared = sim_random(2);
	use_files = sim_random(2);
	use_fork = sim_random(4) != 0;
	use_remap = sim_random(2);
	if (only_zap)
		use_shared = use_files = use_fork = false;
	use_reads = !only_zap && seed % 2 == 0;
	sim_memory_tight = seed % 3 == 0;
	pcache_up(&g);
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, 16);
	sim_go(open_files, NULL, true, "open");
	if (!sim_run(1000000))
		abort();
	roots = 1 + sim_random(2);
	max_procs = roots + 4;
	nr_procs = roots;
	next_value = 0;
	for (unsigned i = 0; i < roots; i++) {
		struct proc *p = calloc(1, sizeof(*p));

		p->root = i + 1;
		sim_go(root_run, p, true, "root");
	}
	dies_quietly = seed % 2 == 0;
	if (memory_dies)
		sim_go(death_run, NULL, true, "death");
	if (!sim_run(env("SIM_STEPS", 3000000)))
		abort();
	sim_go(close_all, NULL, true, "close");
	if (!sim_run(sim_steps() + 1000000))
		abort();
	pcache_down();
}

static void random_schedules(void **st)
{
	only_zap = env("SIM_ZAP", 0);
	u64 first = env("SIM_FIRST", 1), nr = env("SIM_SEEDS", 60);

	for (u64 seed = first; seed < first + nr; seed++) {
		run_seed(seed, only_zap ? &(struct geometry){ 4, 2, 8, &policy_fifo } : NULL);
		if (getenv("SIM_VERBOSE") != NULL)
			fprintf(stderr, "seed %llu: %llu steps, prefetched %llu, useful %llu, late %llu, undone %llu\n", (unsigned long long)seed,
				(unsigned long long)sim_steps(), (unsigned long long)this_cpu_read8(nr_pcache_prefetch),
				(unsigned long long)this_cpu_read8(nr_pcache_prefetch_useful), (unsigned long long)this_cpu_read8(nr_pcache_prefetch_late),
				(unsigned long long)this_cpu_read8(nr_pcache_prefetch_undone));
	}
}

/*
 * M dies under the programs: what they ask for ends, and does what it says, what is here is right, what is not cannot be had, and
 * nothing of theirs is left.
 */
static void schedules_with_a_death(void **st)
{
	u64 first = env("SIM_FIRST", 1), nr = env("SIM_SEEDS", 60);

	nr_died = nr_outlived = 0;
	memory_dies = true;
	for (u64 seed = first; seed < first + nr; seed++) {
		run_seed(seed, NULL);
		if (getenv("SIM_VERBOSE") != NULL)
			fprintf(stderr, "death seed %llu: %llu steps, %llu accesses to what is lost, %llu to what is not\n", (unsigned long long)seed,
				(unsigned long long)sim_steps(), (unsigned long long)nr_died, (unsigned long long)nr_outlived);
	}
	memory_dies = false;
	assert_true(nr_died > nr && nr_outlived > nr);
}

/*
 * One file, written through a shared mapping, write(), and read both ways, in two spaces: whoever has a page to himself sees
 * what was last written there, by whichever door; after msync or the last close it is on M.
 */
#define SHARED_PAGES 14
static struct {
	struct space *s[2];
	u64 word[SHARED_PAGES];
	bool busy[SHARED_PAGES];
	unsigned users;
} sh;

static void shared_access(void *arg, u64 *word)
{
	u64 *v = arg;

	if (v[0] != *word)
		sim_fail("a shared page reads %llx, should be %llx", (unsigned long long)*word, (unsigned long long)v[0]);
	*word = v[1];
}

/* read() of a page of the file into memory that nobody has touched: M may put it there, if it has what this node has. */
static void read_placed(unsigned i, struct space *s)
{
	u64 v[2] = { sh.word[i], sh.word[i] }, va = va_of(1, i), word;
	struct object *o = sim_files[0].object;

	must(space_mmap(s, va, PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	if (space_place(s, va, 1, 1, 1, o, i * PAGE_SIZE) == 0) {
		if (object_read(o, i * PAGE_SIZE, &word, 8) != 8)
			sim_fail("read of page %u", i);
		must(space_write(s, va, &word, 8), "space_write");
	}
	must(sim_access(s, va, false, shared_access, v), "access to what was read");
	must(space_munmap(s, va, PAGE_SIZE), "munmap");
}

static void shared_page(unsigned i, struct space *s)
{
	struct object *o = sim_files[0].object;
	u64 v[2] = { sh.word[i], sh.word[i] }, off = i * PAGE_SIZE, word = 0;

	switch (sim_random(7)) {
	case 6:
		read_placed(i, s);
		break;
	case 0:
	case 1:
		v[1] = ++next_value;
		must(sim_access(s, va_of(0, i), true, shared_access, v), "write access");
		break;
	case 2:
		must(sim_access(s, va_of(0, i), false, shared_access, v), "read access");
		break;
	case 3:
		v[1] = ++next_value;
		must(object_write(o, &off, &v[1], 8, false), "write");
		break;
	case 4:
		if (object_read(o, off, &word, 8) != 8 || word != v[0])
			sim_fail("read() of page %u gives %llx, should be %llx", i, (unsigned long long)word, (unsigned long long)v[0]);
		break;
	case 5:
		if (sim_random(4) == 0) {
			must(space_msync(s, va_of(0, 0), SHARED_PAGES * PAGE_SIZE, ABI_MS_SYNC), "msync");
			if (sim_object_word(o->id, i) != v[0])
				sim_fail("after msync M has %llx, should be %llx", (unsigned long long)sim_object_word(o->id, i),
					 (unsigned long long)v[0]);
		}
		break;
	}
	sh.word[i] = v[1];
}

static void shared_run(void *arg)
{
	struct space *s = sh.s[(uintptr_t)arg % 2];

	for (unsigned n = 0; n < 150; n++) {
		unsigned i = sim_random(SHARED_PAGES);

		sim_set_rip(sim_random(1000000));
		if (sh.busy[i])
			continue;
		sh.busy[i] = true;
		shared_page(i, s);
		sh.busy[i] = false;
	}
	if (--sh.users == 0) {
		space_put(sh.s[0]);
		space_put(sh.s[1]);
	}
}

static void shared_start(void *arg)
{
	for (unsigned i = 0; i < 2; i++) {
		sh.s[i] = space_create();
		if (sh.s[i] == NULL)
			sim_fail("space_create");
		must(space_mmap(sh.s[i], va_of(0, 0), SHARED_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_SHARED | ABI_MAP_FIXED,
				&sim_files[0], 0), "mmap");
	}
	sh.users = 4;
	for (uintptr_t i = 0; i < 4; i++)
		sim_go(shared_run, (void *)i, true, "shared");
}

/* Between a close and the next open: another node may write, M may forget the file and give it another id. */
static void while_closed(void)
{
	for (unsigned n = sim_random(3); n > 0; n--) {
		unsigned i = sim_random(SHARED_PAGES);

		sh.word[i] = ++next_value;
		sim_file_foreign_write(0, i, sh.word[i]);
	}
	if (sim_random(4) == 0)
		sim_file_forget(0);
}

static void sim_must_run(void (*fn)(void *arg), const char *name)
{
	sim_go(fn, NULL, true, name);
	if (!sim_run(sim_steps() + 5000000))
		abort();
}

/* The file is opened, used and closed a few times; its pages may stay here meanwhile. */
static void shared_seed(u64 seed)
{
	static const struct pcache_policy *const policies[] = { &policy_lru, &policy_fifo, &policy_clock, &policy_random };
	unsigned rounds;

	sim_begin(seed);
	sim_switch_in = 1 + sim_random(6);
	sim_memory_slow = 1 + sim_random(2) * 10;
	pcache_up(&(struct geometry){ 1 + sim_random(4), 2 + sim_random(4), sim_random(4), policies[sim_random(4)] });
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, SHARED_PAGES);
	memset(&sh, 0, sizeof(sh));
	for (unsigned i = 0; i < SHARED_PAGES; i++)
		sh.word[i] = sim_file_word(0, i);
	rounds = 1 + sim_random(3);
	for (unsigned n = 0; n < rounds; n++) {
		sim_must_run(open_files, "open");
		sim_must_run(shared_start, "start");
		sim_must_run(close_files, "close");
		for (unsigned i = 0; i < SHARED_PAGES; i++)
			if (sim_object_word(sim_file_id(0), i) != sh.word[i])
				sim_fail("after the last close M has %llx in page %u, should be %llx",
					 (unsigned long long)sim_object_word(sim_file_id(0), i), i, (unsigned long long)sh.word[i]);
		while_closed();
	}
	sim_must_run(drop_all, "drop");
	pcache_down();
}

static void shared_file(void **st)
{
	u64 first = env("SIM_FIRST", 1), placed = this_cpu_read8(nr_space_place_page);

	for (u64 seed = first; seed < first + env("SIM_SEEDS", 60); seed++)
		shared_seed(seed);
	assert_true(this_cpu_read8(nr_space_place_page) > placed);
}

/* --- how long a file is: answers that others have overtaken do not count --- */

static bool resizing;

static void size_must_be(u64 pages)
{
	u64 size;

	for (unsigned i = sim_random(20); i > 0; i--)
		sim_point();
	size = object_size(sim_files[0].object);
	if (size != pages * PAGE_SIZE)
		sim_fail("the file has %llu pages, here it has %llu", (unsigned long long)pages, (unsigned long long)(size / PAGE_SIZE));
}

static void resize(void *arg)
{
	struct object *o = sim_files[0].object;

	for (unsigned n = 0; n < 10; n++) {
		u64 off = (SHARED_PAGES + n % 3) * PAGE_SIZE;

		if (n % 3 == 0) {
			must(object_truncate(o, SHARED_PAGES * PAGE_SIZE), "truncate");
			size_must_be(SHARED_PAGES);
		}
		must(object_write(o, &off, "12345678", 8, false), "write behind the end");
		size_must_be(SHARED_PAGES + n % 3 + 1);
	}
	resizing = false;
}

static void write_inside(void *arg)
{
	for (unsigned i = 0; resizing; i++) {
		u64 off = i % 2 * PAGE_SIZE;

		must(object_write(sim_files[0].object, &off, "12345678", 8, false), "write");
	}
}

static void open_again(void *arg)
{
	struct object *o;

	while (resizing) {
		must(object_open(3, 1, 0, 0, &o), "open");
		object_put(o);
	}
}

/* As fallocate() does: what others append behind its own end stays. */
static void grow(void *arg)
{
	while (resizing) {
		u64 size = object_size(sim_files[0].object);

		sim_point();
		must(object_grow(sim_files[0].object, size + PAGE_SIZE), "grow");
	}
}

static void append(void *arg)
{
	for (unsigned n = 0; n < 10; n++) {
		u64 off = object_size(sim_files[0].object) + 3 * PAGE_SIZE;

		must(object_write(sim_files[0].object, &off, "12345678", 8, false), "write behind the end");
		for (unsigned i = sim_random(20); i > 0; i--)
			sim_point();
		if (object_size(sim_files[0].object) < off)
			sim_fail("the file has lost what was written to it");
	}
	resizing = false;
}

static void sizes_seed(u64 seed, void (*one)(void *arg), void (*other)(void *arg))
{
	sim_begin(seed);
	sim_switch_in = 1 + sim_random(6);
	sim_memory_slow = 1 + sim_random(2) * 10;
	pcache_up(&(struct geometry){ 2, 4, 2, &policy_lru });
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, SHARED_PAGES);
	sim_must_run(open_files, "open");
	resizing = true;
	sim_go(other, NULL, true, "other");
	sim_must_run(one, "one");
	sim_must_run(close_all, "close");
	pcache_down();
}

static void sizes(void **st)
{
	u64 first = env("SIM_FIRST", 1);

	for (u64 seed = first; seed < first + env("SIM_SEEDS", 60); seed++) {
		sizes_seed(seed, resize, write_inside);
		sizes_seed(seed, resize, open_again);
		sizes_seed(seed, append, grow);
	}
}

/* PAGEOUT takes pages away from here, WILLNEED brings them before they are wanted. */
static struct space *advised_space;

static void write_and_page_out(void *arg)
{
	struct space *s = advised_space = space_create();

	if (s == NULL)
		sim_fail("space_create");
	must(space_mmap(s, va_of(0, 0), SHARED_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	for (unsigned i = 0; i < SHARED_PAGES; i++) {
		u64 v[2] = { 0, 1000 + i };

		must(sim_access(s, va_of(0, i), true, shared_access, v), "write access");
	}
	must(space_madvise(s, va_of(0, 0), SHARED_PAGES * PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
}

static void will_need(void *arg)
{
	must(space_madvise(advised_space, va_of(0, 0), SHARED_PAGES * PAGE_SIZE, ABI_MADV_WILLNEED), "willneed");
}

static void read_and_leave(void *arg)
{
	for (unsigned i = 0; i < SHARED_PAGES; i++) {
		u64 v[2] = { 1000 + i, 1000 + i };

		must(sim_access(advised_space, va_of(0, i), false, shared_access, v), "read access");
	}
	space_put(advised_space);
}

/* Three pages in use, and one that is asked for ahead: it is not the first to go. */
#define AHEAD_PAGES 4

static void ahead_write(void *arg)
{
	struct space *s = advised_space = space_create();

	must(space_mmap(s, va_of(0, 0), AHEAD_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	for (unsigned i = 0; i < AHEAD_PAGES; i++) {
		u64 v[2] = { 0, 1000 + i };

		must(sim_access(s, va_of(0, i), true, shared_access, v), "write access");
	}
	must(space_madvise(s, va_of(0, AHEAD_PAGES - 1), PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
}

static void ahead_ask(void *arg)
{
	must(space_madvise(advised_space, va_of(0, AHEAD_PAGES - 1), PAGE_SIZE, ABI_MADV_WILLNEED), "willneed");
}

static void ahead_evict_one(void *arg)
{
	struct pcache_set *set = &pcache.sets[0];
	struct evict_batch b;

	evict_batch_init(&b);
	spin_lock(&set->lock);
	must(evict_begin(set, &b), "evict");
	spin_unlock(&set->lock);
	evict_finish(&b);
}

static void ahead_leave(void *arg) { space_put(advised_space); }

static void ahead_is_not_first_to_go(void **st)
{
	static const struct pcache_policy *const policies[] = { &policy_lru, &policy_fifo, &policy_clock };
	u64 wasted = this_cpu_read8(nr_pcache_prefetch_wasted);

	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++) {
		sim_begin(1);
		sim_memory_takes_all = true;
		pcache_up(&(struct geometry){ AHEAD_PAGES, 1, 1, policies[i] });
		pcache.p.prefetch = PREFETCH_ADAPTIVE;
		pcache.p.prefetch_max = 4;
		sim_must_run(ahead_write, "write");
		assert_true(sim_drain());
		for (unsigned tries = 0; prefetch_unused() == 0; tries++) {	/* chance has M, or the credits, refuse some */
			assert_in_range(tries, 0, 20);
			sim_must_run(ahead_ask, "willneed");
			assert_true(sim_drain());
		}
		sim_must_run(ahead_evict_one, "evict");
		assert_true(sim_drain());
		assert_int_equal(prefetch_unused(), 1);
		assert_int_equal(this_cpu_read8(nr_pcache_prefetch_wasted), wasted);
		sim_must_run(ahead_leave, "leave");
		wasted = this_cpu_read8(nr_pcache_prefetch_wasted);
		sim_must_run(drop_all, "drop");
		sim_memory_takes_all = false;
		pcache_down();
	}
}

/* MADV_COLD: of pages that are all in use, the one that is cold goes. */
static bool page_is_here(unsigned i)
{
	struct page_id id = { advised_space->salt, va_of(0, i) >> PAGE_SHIFT };
	struct pcache_set *set = pcache_set_of(id);
	bool here;

	spin_lock(&set->lock);
	here = set_line_private(set, id, advised_space) != NULL;
	spin_unlock(&set->lock);
	return here;
}

static void cold_write(void *arg)
{
	struct space *s = advised_space = space_create();

	must(space_mmap(s, va_of(0, 0), AHEAD_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	for (unsigned i = 0; i < AHEAD_PAGES; i++)
		must(sim_access(s, va_of(0, i), true, shared_access, (u64 [2]){ 0, 1000 + i }), "write access");
	must(space_madvise(s, va_of(0, *(unsigned *)arg), PAGE_SIZE, ABI_MADV_COLD), "cold");
}

static void cold_goes_first(void **st)
{
	static const struct pcache_policy *const policies[] = { &policy_lru, &policy_fifo, &policy_clock };

	for (unsigned n = 0; n < ARRAY_SIZE(policies) * AHEAD_PAGES; n++) {
		unsigned cold = n % AHEAD_PAGES;

		sim_begin(1);
		sim_memory_takes_all = true;
		pcache_up(&(struct geometry){ AHEAD_PAGES, 1, 1, policies[n / AHEAD_PAGES] });
		pcache.p.prefetch = PREFETCH_OFF;
		sim_go(cold_write, &cold, true, "write");
		assert_true(sim_run(sim_steps() + 1000000) && sim_drain());
		sim_must_run(ahead_evict_one, "evict");
		assert_true(sim_drain());
		for (unsigned i = 0; i < AHEAD_PAGES; i++)
			assert_int_equal(page_is_here(i), i != cold);
		sim_must_run(ahead_leave, "leave");
		sim_must_run(drop_all, "drop");
		sim_memory_takes_all = false;
		pcache_down();
	}
}

/* MADV_SEQUENTIAL is believed at the first miss, MADV_RANDOM never lets a page come ahead; without advice the faults must show it. */
static struct { int advice; u64 first, all; } steer;	/* asked for ahead, at the first miss and after four in a row */

static void steer_and_read(void *arg)
{
	u64 before = this_cpu_read8(nr_pcache_prefetch);

	must(space_madvise(advised_space, va_of(0, 0), SHARED_PAGES * PAGE_SIZE, steer.advice), "madvise");
	for (unsigned i = 0; i < 4; i++) {
		must(sim_access(advised_space, va_of(0, i), false, shared_access, (u64 [2]){ 1000 + i, 1000 + i }), "read access");
		steer.all = this_cpu_read8(nr_pcache_prefetch) - before;
		if (i == 0)
			steer.first = steer.all;
	}
	space_put(advised_space);
}

static void steer_by(int advice)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 8, 32, 1, &policy_lru });
	pcache.p.prefetch = PREFETCH_ADAPTIVE;
	pcache.p.prefetch_max = 8;
	sim_must_run(write_and_page_out, "pageout");
	assert_true(sim_drain());
	steer.advice = advice;
	sim_must_run(steer_and_read, "read");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

static void advice_steers_the_stream(void **st)
{
	steer_by(ABI_MADV_NORMAL);
	assert_int_equal(steer.first, 0);
	assert_true(steer.all > 0);
	steer_by(ABI_MADV_SEQUENTIAL);
	assert_int_equal(steer.first, 8);
	steer_by(ABI_MADV_RANDOM);
	assert_int_equal(steer.all, 0);
}

/* A page that came ahead is written without a fault; the D bit says whether it was, and only then is it written home. */
static void ahead_last_is(void *arg)
{
	const u64 *v = arg;

	must(sim_access(advised_space, va_of(0, AHEAD_PAGES - 1), v[0] != v[1], shared_access, arg), "access");
}

static void ahead_away(void *arg)
{
	must(space_madvise(advised_space, va_of(0, AHEAD_PAGES - 1), PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
}

static void ahead_step(void (*fn)(void *arg), void *arg, const char *name)
{
	sim_go(fn, arg, true, name);
	assert_true(sim_run(sim_steps() + 1000000) && sim_drain());
}

static void ahead_is_written_without_a_fault(void **st)
{
	u64 last = 1000 + AHEAD_PAGES - 1;

	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ AHEAD_PAGES, 1, 1, &policy_lru });
	pcache.p.prefetch = PREFETCH_ADAPTIVE;
	pcache.p.prefetch_max = 4;
	sim_must_run(ahead_write, "write");
	assert_true(sim_drain());
	for (unsigned writes = 0; writes < 2; writes++) {
		u64 v[2] = { last, last + writes }, faults, held, clean;

		for (unsigned tries = 0; prefetch_unused() == 0; tries++) {
			assert_in_range(tries, 0, 20);
			ahead_step(ahead_ask, NULL, "willneed");
		}
		faults = this_cpu_read8(nr_pgfault);
		ahead_step(ahead_last_is, v, "use");
		assert_int_equal(this_cpu_read8(nr_pgfault), faults);
		held = this_cpu_read8(nr_victim_finish_insert);
		clean = this_cpu_read8(nr_pcache_eviction_clean);
		ahead_step(ahead_away, NULL, "pageout");
		assert_int_equal(this_cpu_read8(nr_victim_finish_insert) - held, writes);
		assert_int_equal(this_cpu_read8(nr_pcache_eviction_clean) - clean, 1 - writes);
		last += writes;
	}
	ahead_step(ahead_last_is, (u64 [2]){ last, last }, "read");
	sim_must_run(ahead_leave, "leave");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/* What M is told of map changes, and when: what it need not know, not at all; what gives its memory back, at once and unasked. */
#define TOLD_PAGES 16

static u64 told(void) { return this_cpu_read8(nr_space_change_sent); }

static void told_map(struct space *s, unsigned first)
{
	must(space_mmap(s, va_of(0, first), TOLD_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	for (unsigned i = first; i < first + TOLD_PAGES; i++) {
		u64 v[2] = { 0, 1000 + i };

		must(sim_access(s, va_of(0, i), true, shared_access, v), "write access");
	}
}

static void told_nothing(void *arg)
{
	struct space *s = advised_space = space_create();
	u64 before = told();

	for (unsigned i = 0; i < 50; i++) {
		told_map(s, 0);
		must(space_mprotect(s, va_of(0, 0), PAGE_SIZE, PROT_READ), "mprotect");
		must(space_munmap(s, va_of(0, 0), TOLD_PAGES * PAGE_SIZE), "munmap");
	}
	if (told() != before)
		sim_fail("M is told of memory that it never needed to know of");
}

static void told_page_out(void *arg)
{
	told_map(advised_space, 0);
	must(space_madvise(advised_space, va_of(0, 0), TOLD_PAGES * PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
}

static void told_half_is_forgotten(void *arg)
{
	must(space_madvise(advised_space, va_of(0, 0), TOLD_PAGES / 2 * PAGE_SIZE, ABI_MADV_DONTNEED), "dontneed");
}

static void told_it_is_gone(void *arg) { must(space_munmap(advised_space, va_of(0, 0), TOLD_PAGES * PAGE_SIZE), "munmap"); }

/* Changes that cannot be merged and that nobody asks for: they take no more room than a message. */
static void told_by_the_message(void *arg)
{
	struct space *s = advised_space;
	u64 before;

	told_map(s, 0);
	before = told();
	for (unsigned i = 0; i < 10 * WIRE_CHANGES; i++)
		must(space_mprotect(s, va_of(0, 2 * (i % 7)), PAGE_SIZE, i / 7 % 2 ? PROT_READ | PROT_WRITE : PROT_READ), "mprotect");
	if (told() - before < 8 || told() - before > 11)
		sim_fail("%u changes in %llu messages", 10 * WIRE_CHANGES, (unsigned long long)(told() - before));
	must(space_munmap(s, va_of(0, 0), TOLD_PAGES * PAGE_SIZE), "munmap");
}

static void changes_leave_when_needed(void **st)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 2 * TOLD_PAGES, 1, 4, &policy_lru });
	sim_must_run(told_nothing, "map and unmap");
	sim_must_run(told_page_out, "page out");
	assert_true(sim_drain());
	assert_int_equal(sim_memory_pages(), TOLD_PAGES);
	sim_must_run(told_half_is_forgotten, "forget");
	assert_true(sim_drain());
	assert_int_equal(sim_memory_pages(), TOLD_PAGES / 2);
	sim_must_run(told_it_is_gone, "unmap");
	assert_true(sim_drain());
	assert_int_equal(sim_memory_pages(), 0);
	sim_must_run(told_by_the_message, "many changes");
	sim_must_run(ahead_leave, "leave");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/*
 * What is wished of a mapping (that it is locked, read in order, not for children) and what grew while it was wished are one mapping
 * still: it can be moved as a whole, and a child has all of it once it is not wished any more.
 */
static void wishes(void *arg)
{
	static const struct { int on, off; } advice[] = {
		{ ABI_MADV_SEQUENTIAL, ABI_MADV_NORMAL }, { ABI_MADV_RANDOM, ABI_MADV_NORMAL }, { ABI_MADV_DONTFORK, ABI_MADV_DOFORK },
		{ ABI_MADV_WIPEONFORK, ABI_MADV_KEEPONFORK }, { -1, -1 },
	};
	u64 len = TOLD_PAGES / 2 * PAGE_SIZE, last = va_of(0, TOLD_PAGES - 1), v[2] = { 0, 4711 };

	for (unsigned i = 0; i < ARRAY_SIZE(advice); i++) {
		struct space *s = space_create(), *child;

		v[0] = 0;
		must(space_mmap(s, va_of(0, 0), len, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
		must(advice[i].on < 0 ? space_mlock(s, va_of(0, 0), len, SPACE_LOCK, len) : space_madvise(s, va_of(0, 0), len, advice[i].on), "wish");
		must(space_mremap(s, va_of(0, 0), len, 2 * len, 0, 0), "grow");
		must(sim_access(s, last, true, shared_access, v), "write access");
		v[0] = v[1];
		must(advice[i].on < 0 ? space_munlockall(s) : space_madvise(s, va_of(0, 0), 2 * len, advice[i].off), "no wish");
		must(space_madvise(s, last, PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
		must(space_fork(s, &child), "fork");
		must(sim_access(child, last, false, shared_access, v), "the child's access");
		space_put(child);
		must(space_mremap(s, va_of(0, 0), 2 * len, 2 * len, ABI_MREMAP_MAYMOVE | ABI_MREMAP_FIXED, va_of(1, 0)), "move");
		must(sim_access(s, va_of(1, TOLD_PAGES - 1), false, shared_access, v), "access");
		space_put(s);
	}
}

static void wishes_split_no_mapping(void **st)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 2 * TOLD_PAGES, 1, 4, &policy_lru });
	sim_must_run(wishes, "wishes");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/* M has no room for a fork beside what this node has reserved and does not use: it gets that back and is asked again. */
static void fork_at_the_limit(void *arg)
{
	struct space *s = space_create(), *child;
	u64 held, len = TOLD_PAGES * PAGE_SIZE;

	must(space_mmap(s, va_of(0, 0), len, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	held = commit_held();
	sim_memory_limit = (s64)held + TOLD_PAGES - 1;
	must(space_fork(s, &child), "fork");
	assert_int_equal(commit_held(), 2 * TOLD_PAGES);
	space_put(child);
	sim_memory_limit = 3 * TOLD_PAGES - 1;
	must(space_mmap(s, va_of(1, 0), len, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	assert_int_equal(space_fork(s, &child), -ENOMEM);
	space_put(s);
	sim_memory_limit = 1LL << 60;
}

static void a_fork_at_the_limit(void **st)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 2 * TOLD_PAGES, 1, 4, &policy_lru });
	sim_must_run(fork_at_the_limit, "fork");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/* What a child is not to have is not charged to it either, once M knows. */
static void fork_without(void *arg)
{
	struct space *s = space_create(), *child;
	u64 len = TOLD_PAGES * PAGE_SIZE;

	must(space_mmap(s, va_of(0, 0), len, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	must(space_madvise(s, va_of(0, 0), len / 2, ABI_MADV_DONTFORK), "madvise");
	must(space_madvise(s, va_of(0, TOLD_PAGES / 2), len / 4, ABI_MADV_WIPEONFORK), "madvise");
	must(space_fork(s, &child), "fork");
	commit_drain();
	assert_int_equal(commit_held(), TOLD_PAGES + TOLD_PAGES / 2);
	space_put(child);
	commit_drain();
	assert_int_equal(commit_held(), TOLD_PAGES);
	space_put(s);
}

/* A tracer's page in what the program may only read is charged, on M, too; what it cannot get a page of is not. */
static void poke_and_count(void *arg)
{
	struct space *s = space_create();
	u64 word = 4711, got;

	open_files(NULL);
	must(space_mmap(s, va_of(0, 0), 4 * PAGE_SIZE, PROT_READ, ABI_MAP_PRIVATE | ABI_MAP_FIXED, &sim_files[0], 0), "mmap");
	must(space_mmap(s, va_of(1, 0), PAGE_SIZE, 0, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	for (unsigned i = 0; i < 4; i++)
		must(space_poke(s, va_of(0, i / 2 * 2), &word, sizeof(word)), "poke");
	must(space_read(s, va_of(0, 2), &got, sizeof(got)), "read");
	assert_int_equal(got, word);
	assert_true(space_poke(s, va_of(1, 0), &word, sizeof(word)) < 0);
	must(space_madvise(s, va_of(0, 0), 4 * PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
	commit_drain();
	assert_int_equal(commit_held(), 2);
	must(space_mprotect(s, va_of(0, 0), 4 * PAGE_SIZE, PROT_READ | PROT_WRITE), "mprotect");
	commit_drain();
	assert_int_equal(commit_held(), 4);
	space_put(s);
	close_files(NULL);
}

static void poked_pages_are_charged(void **st)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 2 * TOLD_PAGES, 1, 4, &policy_lru });
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, 4);
	sim_must_run(poke_and_count, "poke");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/* A file that was opened before its memory node died is not mapped: that is an error, and not the end of the program. */
static void map_what_is_gone(void *arg)
{
	struct space *s;

	open_files(NULL);
	space_memory_lost(sim_files[0].object->memory_node);
	s = space_create();
	assert_int_equal(space_mmap(s, va_of(0, 0), PAGE_SIZE, PROT_READ, ABI_MAP_PRIVATE | ABI_MAP_FIXED, &sim_files[0], 0), -EIO);
	space_put(s);
	open_files(NULL);			/* once more: it is known again */
	s = space_create();
	must(space_mmap(s, va_of(0, 0), PAGE_SIZE, PROT_READ, ABI_MAP_PRIVATE | ABI_MAP_FIXED, &sim_files[0], 0), "mmap");
	space_put(s);
	close_files(NULL);
	close_files(NULL);
}

static void what_is_gone_is_not_mapped(void **st)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 2 * TOLD_PAGES, 1, 4, &policy_lru });
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, 4);
	sim_must_run(map_what_is_gone, "map");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/*
 * What M answered before it died is of that life, also for who hears of the death first: a file that was opened so is not mapped, and a
 * child is not charged to the next life.
 */
static unsigned last_op;	/* M's last answer; 0: it is dead */
static bool death_known;

static void late_death(void *arg)
{
	space_memory_lost(2);
	death_known = true;
}

static void last_answer(unsigned op, void *rep)
{
	if (op != last_op)
		return;
	last_op = 0;
	sim_go(late_death, NULL, true, "death");
}

static void wait_for_death(void)
{
	while (!death_known)
		thread_yield();
	death_known = false;
}

static void answered_by_the_dead(void *arg)
{
	struct space *s = space_create(), *child;

	last_op = RPC_memory_open;
	open_files(NULL);
	wait_for_death();
	if (space_mmap(s, va_of(0, 0), PAGE_SIZE, PROT_READ, ABI_MAP_PRIVATE | ABI_MAP_FIXED, &sim_files[0], 0) != -EIO)
		sim_fail("a file is mapped that is not open");
	must(space_mmap(s, va_of(0, 0), 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	last_op = RPC_memory_fork;
	must(space_fork(s, &child), "fork");
	wait_for_death();
	if (commit_held() != 0)
		sim_fail("%llu pages are held of a memory node that is new", (unsigned long long)commit_held());
	space_put(child);
	space_put(s);
	close_files(NULL);
}

/* Another memory node's death is heard while this one is asked for room: who asks does not keep it waiting. */
static void other_death(void *arg)
{
	space_memory_lost(3);
	death_known = true;
}

static void dies_while_asked(unsigned op)
{
	if (op != RPC_memory_commit)
		return;
	sim_memory_asked = NULL;
	sim_go(other_death, NULL, true, "other death");
	for (unsigned i = 0; i < 1000 && !death_known; i++)
		thread_yield();
	if (!death_known)
		sim_fail("the death of a node waits for what was asked of another");
	death_known = false;
}

static void ask_for_room(void *arg)
{
	struct space *s = space_create();

	sim_memory_asked = dies_while_asked;
	must(space_mmap(s, va_of(0, 0), PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	assert_null(sim_memory_asked);
	space_put(s);
}

static void a_death_waits_for_no_other_node(void **st)
{
	sim_begin(1);
	pcache_up(&(struct geometry){ 4, 4, 4, &policy_lru });
	sim_must_run(ask_for_room, "ask");
	sim_must_run(drop_all, "drop");
	pcache_down();
}

static void what_the_dead_said_is_of_their_life(void **st)
{
	for (u64 seed = 1; seed <= 20; seed++) {
		sim_begin(seed);
		pcache_up(&(struct geometry){ 4, 4, 4, &policy_lru });
		for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
			sim_file(i, 4);
		sim_memory_spoil = last_answer;
		sim_must_run(answered_by_the_dead, "answers");
		sim_memory_spoil = NULL;
		sim_must_run(drop_all, "drop");
		pcache_down();
	}
}

static void a_child_is_charged_what_it_has(void **st)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 2 * TOLD_PAGES, 1, 4, &policy_lru });
	sim_must_run(fork_without, "fork");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/*
 * A move of much of what the cache holds, where both the old place and the new one fit into the sets: the pages go each other out of the
 * way, and next to none is evicted for want of a line that is free a moment later.
 */
#define MOVED_PAGES 200
#define MOVED_SETS 64
#define MOVED_WAYS 4
static struct space *moved_space;
static u64 moved_evicted;

static u64 moved_place(u64 va)
{
	for (;; va += 4 << 20) {
		u32 in[MOVED_SETS] = { 0 }, most = 0;

		for (unsigned i = 0; i < MOVED_PAGES; i++) {
			u32 set = pcache_set_of((struct page_id){ moved_space->salt, (va >> PAGE_SHIFT) + i })->number;

			most = MAX(most, ++in[set]);
		}
		if (most <= MOVED_WAYS)
			return va;
	}
}

static void moved_run(void *arg)
{
	u64 len = MOVED_PAGES * PAGE_SIZE, from, to, before;

	moved_space = space_create();
	from = moved_place(0x10000000);
	to = moved_place(from + (4 << 20));
	must(space_mmap(moved_space, from, len, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	for (unsigned i = 0; i < MOVED_PAGES; i++) {
		u64 v[2] = { 0, 1000 + i };

		must(sim_access(moved_space, from + i * PAGE_SIZE, true, shared_access, v), "write access");
	}
	for (unsigned round = 0; round < 4; round++) {
		before = this_cpu_read8(nr_pcache_eviction_succeed);
		must(space_mremap(moved_space, from, len, len, ABI_MREMAP_MAYMOVE | ABI_MREMAP_FIXED, to), "mremap");
		moved_evicted += this_cpu_read8(nr_pcache_eviction_succeed) - before;
		for (unsigned i = 0; i < MOVED_PAGES; i++) {
			u64 v[2] = { 1000 + i, 1000 + i };

			must(sim_access(moved_space, to + i * PAGE_SIZE, false, shared_access, v), "access");
		}
		before = from;
		from = to;
		to = before;
	}
	space_put(moved_space);
}

static void a_move_makes_way(void **st)
{
	for (u64 seed = 1; seed <= 6; seed++) {
		sim_begin(seed);
		sim_memory_takes_all = true;
		pcache_up(&(struct geometry){ MOVED_WAYS, MOVED_SETS, 8, &policy_lru });
		moved_evicted = 0;
		sim_must_run(moved_run, "move");
		if (getenv("SIM_VERBOSE") != NULL)
			fprintf(stderr, "move seed %llu: %llu evicted\n", (unsigned long long)seed, (unsigned long long)moved_evicted);
		assert_in_range(moved_evicted, 0, 4);
		sim_must_run(drop_all, "drop");
		sim_memory_takes_all = false;
		pcache_down();
	}
}

/*
 * At M's limit one space unmaps, and another maps as much at once: the room is there when M has heard of the first, and not before. M, which
 * hears of the two in any order, has no more charged than was reserved.
 */
static struct space *leaving_one, *leaving_other;

static void leaving_begin(void *arg)
{
	leaving_one = space_create();
	leaving_other = space_create();
	sim_memory_limit = TOLD_PAGES;
	for (unsigned i = 0; i < 3; i++) {
		struct space *s = i % 2 ? leaving_other : leaving_one;

		told_map(s, 0);
		must(space_madvise(s, va_of(0, 0), TOLD_PAGES * PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
		must(space_munmap(s, va_of(0, 0), TOLD_PAGES * PAGE_SIZE), "munmap");
	}
	told_map(leaving_other, 0);
	assert_int_equal(space_mmap(leaving_one, va_of(0, 0), PAGE_SIZE, PROT_READ | PROT_WRITE,
				    ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), -ENOMEM);
	space_put(leaving_one);
	space_put(leaving_other);
	sim_memory_limit = 1LL << 60;
}

static void memory_that_leaves(void **st)
{
	for (u64 seed = 1; seed <= 20; seed++) {
		sim_begin(seed);
		sim_memory_takes_all = true;
		sim_memory_slow = 1 + seed % 3 * 10;
		pcache_up(&(struct geometry){ 2 * TOLD_PAGES, 1, 4, &policy_lru });
		sim_must_run(leaving_begin, "leave");
		sim_must_run(drop_all, "drop");
		sim_memory_takes_all = false;
		pcache_down();
	}
}

/* A file mapped privately: the block of a page that is missed comes with it, of one that is copied, too; not if nothing may come ahead. */
static bool around_writes;	/* all of them: each is copied, and used by that */
static u64 around_va(unsigned i) { return va_of(0, PAGES / 2 + i); }	/* the first is that of a block */

static void around_map(void *arg)
{
	open_files(NULL);
	advised_space = space_create();
	must(space_mmap(advised_space, around_va(0), 2 * STREAM_AROUND * PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_FIXED,
			&sim_files[0], 0), "mmap");
}

static void around_touch(void *arg)
{
	unsigned i = *(unsigned *)arg;
	u64 v[2] = { sim_file_word(0, i), sim_file_word(0, i) + (around_writes || i == STREAM_AROUND) };

	must(sim_access(advised_space, around_va(i), v[0] != v[1], shared_access, v), "access");
}

static void around_leave(void *arg)
{
	space_put(advised_space);
	close_all(NULL);
}

static void around_one(enum prefetch_mode mode, u32 sets)
{
	const unsigned nr = 2 * STREAM_AROUND, blocks = nr / (sets < 128 ? STREAM_AROUND_SMALL : STREAM_AROUND);
	u64 fills = this_cpu_read8(nr_pcache_fill_from_memory), around = this_cpu_read8(nr_pcache_around);
	u64 wasted = this_cpu_read8(nr_pcache_around_wasted);
	bool on = mode == PREFETCH_ADAPTIVE;

	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 8, sets, 1, &policy_lru });
	pcache.p.prefetch = mode;
	pcache.p.prefetch_max = STREAM_WINDOW_MAX;
	sim_file(0, nr);
	sim_file(1, 1);
	sim_file(2, 1);
	sim_must_run(around_map, "map");
	for (unsigned i = 0; i < nr; i++) {
		sim_go(around_touch, &i, true, "touch");
		assert_true(sim_run(sim_steps() + 1000000) && sim_drain());
	}
	assert_int_equal(this_cpu_read8(nr_pcache_around) - around, on ? nr - blocks : 0);
	assert_int_equal(this_cpu_read8(nr_pcache_fill_from_memory) - fills, on ? blocks : nr);
	sim_must_run(around_leave, "leave");
	assert_int_equal(this_cpu_read8(nr_pcache_around_wasted), wasted);
	sim_memory_takes_all = false;
	pcache_down();
}

static void blocks_around_a_miss(void **st)
{
	around_one(PREFETCH_ADAPTIVE, 128);
	around_one(PREFETCH_ADAPTIVE, 32);
	around_one(PREFETCH_OFF, 32);
	around_writes = true;
	around_one(PREFETCH_ADAPTIVE, 128);
	around_writes = false;
}

static void advice_is_taken(void **st)
{
	u64 fills, useful, asked, undone;

	sim_begin(1);
	pcache_up(&(struct geometry){ 8, 32, 1, &policy_lru });
	pcache.p.prefetch = PREFETCH_ADAPTIVE;
	pcache.p.prefetch_max = 8;
	sim_must_run(write_and_page_out, "pageout");
	assert_true(sim_drain());
	assert_int_equal(pcache_lines_live() + pcache_victims_live(), 0);
	assert_int_equal(sim_memory_pages(), SHARED_PAGES);
	fills = this_cpu_read8(nr_pcache_fill_from_memory);
	asked = this_cpu_read8(nr_pcache_prefetch);
	useful = this_cpu_read8(nr_pcache_prefetch_useful);
	undone = this_cpu_read8(nr_pcache_prefetch_undone);
	sim_must_run(will_need, "willneed");
	assert_true(sim_drain());
	assert_int_equal(this_cpu_read8(nr_pcache_prefetch) - asked, SHARED_PAGES);
	undone = this_cpu_read8(nr_pcache_prefetch_undone) - undone;	/* chance has M, or the credits, refuse some */
	assert_in_range(undone, 0, SHARED_PAGES - 1);
	assert_int_equal(pcache_lines_live(), SHARED_PAGES - undone);
	sim_must_run(read_and_leave, "read");
	assert_true(this_cpu_read8(nr_pcache_fill_from_memory) - fills <= undone);
	assert_true(this_cpu_read8(nr_pcache_prefetch_useful) - useful >= SHARED_PAGES - undone);
	sim_must_run(drop_all, "drop");
	pcache_down();
}

/*
 * As many pages on their way as there may be, each in a message of its own, and more wanted: a message that ends is to be had again
 * as soon as its page is.
 */
#define ONE_BY_ONE 256

static void one_by_one_write(void *arg)
{
	struct space *s = advised_space = space_create();

	must(space_mmap(s, va_of(0, 0), ONE_BY_ONE * PAGE_SIZE, PROT_READ | PROT_WRITE,
			ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	for (unsigned i = 0; i < ONE_BY_ONE; i++) {
		u64 v[2] = { 0, 1000 + i };

		must(sim_access(s, va_of(0, i), true, shared_access, v), "write access");
	}
	must(space_madvise(s, va_of(0, 0), ONE_BY_ONE * PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
}

static void one_by_one_ask(void *arg)
{
	for (unsigned i = 0; i < 2 * ONE_BY_ONE; i++)
		must(space_madvise(advised_space, va_of(0, sim_random(ONE_BY_ONE)), PAGE_SIZE, ABI_MADV_WILLNEED), "willneed");
}

static void one_by_one(void **st)
{
	u64 messages, asked;

	for (u64 seed = 1; seed <= 10; seed++) {
		sim_begin(seed);
		sim_memory_takes_all = true;
		pcache_up(&(struct geometry){ 16, 32, 1, &policy_lru });
		pcache.p.prefetch = PREFETCH_ADAPTIVE;
		pcache.p.prefetch_max = STREAM_WINDOW_MAX;
		sim_must_run(one_by_one_write, "write");
		assert_true(sim_drain());
		messages = this_cpu_read8(nr_pcache_prefetch_message);
		asked = this_cpu_read8(nr_pcache_prefetch);
		sim_switch_in = 1;
		sim_memory_slow = 100;		/* none comes before all are out */
		for (unsigned i = 0; i < 12; i++)
			sim_go(one_by_one_ask, NULL, true, "willneed");
		assert_true(sim_run(sim_steps() + 20000000));
		sim_memory_slow = 1;
		assert_true(sim_drain());
		asked = this_cpu_read8(nr_pcache_prefetch) - asked;
		assert_in_range(asked, STREAM_WINDOW_MAX, ONE_BY_ONE);
		assert_int_equal(this_cpu_read8(nr_pcache_prefetch_message) - messages, asked);
		sim_must_run(ahead_leave, "leave");
		sim_must_run(drop_all, "drop");
		sim_memory_takes_all = false;
		pcache_down();
	}
}

/* What is kept over a close is hit, not fetched, by the next who opens the file. */
static void map_and_read(void *arg)
{
	struct space *s = space_create();

	if (s == NULL)
		sim_fail("space_create");
	must(space_mmap(s, va_of(0, 0), SHARED_PAGES * PAGE_SIZE, PROT_READ, ABI_MAP_PRIVATE | ABI_MAP_FIXED, &sim_files[0], 0), "mmap");
	for (unsigned i = 0; i < SHARED_PAGES; i++) {
		u64 v[2] = { sh.word[i], sh.word[i] };

		must(sim_access(s, va_of(0, i), false, shared_access, v), "read access");
	}
	space_put(s);
}

static void kept_over_close(void **st)
{
	u64 fills, hits;

	sim_begin(1);
	pcache_up(&(struct geometry){ 8, 8, 8, &policy_lru });
	pcache.p.prefetch = PREFETCH_OFF;
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, SHARED_PAGES);
	for (unsigned i = 0; i < SHARED_PAGES; i++)
		sh.word[i] = sim_file_word(0, i);
	sim_must_run(open_files, "open");
	sim_must_run(map_and_read, "first");
	sim_must_run(close_files, "close");
	assert_int_equal(objects_live(), 0);
	assert_int_equal(objects_parked(), 1);
	assert_int_equal(pcache_lines_live(), 0);
	assert_int_equal(pcache_lines_cached(), SHARED_PAGES);
	fills = this_cpu_read8(nr_pcache_fill_from_memory);
	hits = this_cpu_read8(nr_pcache_kept_hit);

	sim_must_run(open_files, "open");
	sim_must_run(map_and_read, "second");
	sim_must_run(close_files, "close");
	assert_int_equal(this_cpu_read8(nr_pcache_fill_from_memory), fills);
	assert_int_equal(this_cpu_read8(nr_pcache_kept_hit), hits + SHARED_PAGES);

	sh.word[3] = 0x1234;		/* others write it: all is fetched again */
	sim_file_foreign_write(0, 3, sh.word[3]);
	sim_must_run(open_files, "open");
	sim_must_run(map_and_read, "third");
	sim_must_run(close_files, "close");
	assert_int_equal(this_cpu_read8(nr_pcache_fill_from_memory), fills + SHARED_PAGES);

	sim_must_run(drop_all, "drop");
	pcache_down();
}

/* --- cleaning in place goes in batches --- */

static void write_and_sync(void *arg)
{
	unsigned before;

	must(space_mmap(sh.s[0] = space_create(), va_of(0, 0), SHARED_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			ABI_MAP_SHARED | ABI_MAP_FIXED, &sim_files[0], 0), "mmap");
	for (unsigned i = 0; i < SHARED_PAGES; i++) {
		u64 v[2] = { sh.word[i], sh.word[i] + 1 };

		must(sim_access(sh.s[0], va_of(0, i), true, shared_access, v), "write access");
		sh.word[i]++;
	}
	before = sim_memory_flushes;
	must(space_msync(sh.s[0], va_of(0, 0), SHARED_PAGES * PAGE_SIZE, ABI_MS_SYNC), "msync");
	assert_int_equal(sim_memory_flushes - before, (SHARED_PAGES + FLUSH_MAX_PAGES - 1) / FLUSH_MAX_PAGES);
	for (unsigned i = 0; i < SHARED_PAGES; i++)
		assert_int_equal(sim_object_word(sim_files[0].object->id, i), sh.word[i]);
	before = sim_memory_flushes;
	must(space_msync(sh.s[0], va_of(0, 0), SHARED_PAGES * PAGE_SIZE, ABI_MS_SYNC), "msync");	/* all is clean */
	assert_int_equal(sim_memory_flushes, before);
	space_put(sh.s[0]);
}

static void cleaning_in_batches(void **st)
{
	u64 refused = this_cpu_read8(nr_clflush_fail);

	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 8, 8, 8, &policy_lru });
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, SHARED_PAGES);
	for (unsigned i = 0; i < SHARED_PAGES; i++)
		sh.word[i] = sim_file_word(0, i);
	sim_must_run(open_files, "open");
	sim_must_run(write_and_sync, "write");
	sim_must_run(close_files, "close");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	assert_int_equal(this_cpu_read8(nr_clflush_fail), refused);
	pcache_down();
}

/*
 * A program that is killed in msync() waits for the message that is under way, and not for those that would follow; what is held back is not
 * waited for either. Nothing is lost by it, and nothing is said of it later.
 */
#define KILLED_PAGES	(8 * FLUSH_MAX_PAGES)
static struct thread *killed;
static unsigned killed_messages;	/* it is killed when so many have been answered */

static void kill_it(void *arg)
{
	unsigned before = sim_memory_flushes;

	while (sim_memory_flushes - before < killed_messages)
		thread_yield();
	for (unsigned i = 0; i < 100; i++)
		thread_yield();
	thread_interrupt(killed, true);
}

static s64 killed_msync(struct space *s, unsigned messages)
{
	s64 rc;

	killed = thread_current();
	killed_messages = messages;
	sim_go(kill_it, NULL, true, "kill");
	rc = space_msync(s, va_of(0, 0), KILLED_PAGES * PAGE_SIZE, ABI_MS_SYNC);
	killed->fatal_pending = killed->signal_pending = false;
	return rc;
}

static void write_all(struct space *s)
{
	for (unsigned i = 0; i < KILLED_PAGES; i++) {
		u64 v[2] = { sh.word[0] + i, sh.word[0] + i + 1 };

		must(sim_access(s, va_of(0, i), true, shared_access, v), "write access");
	}
	sh.word[0]++;
}

static void sync_and_be_killed(void *arg)
{
	struct object *o = sim_files[0].object;
	struct space *s = space_create();
	struct object_hold hold;
	unsigned before;

	must(space_mmap(s, va_of(0, 0), KILLED_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_SHARED | ABI_MAP_FIXED,
			&sim_files[0], 0), "mmap");
	write_all(s);
	before = sim_memory_flushes;
	assert_int_equal(killed_msync(s, 2), -EINTR);
	assert_in_range(sim_memory_flushes - before, 2, 6);
	must(space_msync(s, va_of(0, 0), KILLED_PAGES * PAGE_SIZE, ABI_MS_SYNC), "msync");
	for (unsigned i = 0; i < KILLED_PAGES; i++)
		assert_int_equal(sim_object_word(o->id, i), sh.word[0] + i);

	write_all(s);
	object_hold(o, &hold, 0, ~0ULL);
	assert_int_equal(killed_msync(s, 0), -EINTR);
	object_unhold(o, &hold);
	space_put(s);
}

static void a_killed_sync_ends(void **st)
{
	u64 id;

	sim_begin(1);
	sim_memory_takes_all = true;
	sim_memory_slow = 50;
	pcache_up(&(struct geometry){ 8, 16, 8, &policy_lru });
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, KILLED_PAGES);
	sh.word[0] = sim_file_word(0, 0);
	id = sim_file_id(0);
	sim_must_run(open_files, "open");
	sim_must_run(sync_and_be_killed, "sync");
	sim_must_run(close_files, "close");
	for (unsigned i = 0; i < KILLED_PAGES; i++)	/* the last close writes all, whoever was killed */
		assert_int_equal(sim_object_word(id, i), sh.word[0] + i);
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/*
 * A page that fork or mremap has to have written home, and that M refuses again and again, whatever its reason: the call ends. A fork takes
 * back what it did, and all go on; mremap cannot, and with it ends the memory of all who own the page.
 */
static struct space *family[PCACHE_MAX_OWNERS];

static void refuse_to_clean(bool move)
{
	unsigned nr = move ? 2 : PCACHE_MAX_OWNERS;
	struct space *child;

	family[0] = space_create();
	must(space_mmap(family[0], va_of(0, 0), PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0),
	     "mmap");
	must(sim_access(family[0], va_of(0, 0), true, shared_access, (u64 [2]){ 0, 1 }), "write access");
	for (unsigned i = 1; i < nr; i++)
		must(space_fork(family[0], &family[i]), "fork");
	sim_memory_refuses = true;
	if (move)
		(void)space_mremap(family[0], va_of(0, 0), PAGE_SIZE, PAGE_SIZE, ABI_MREMAP_MAYMOVE | ABI_MREMAP_FIXED, va_of(0, 2));
	else
		assert_int_equal(space_fork(family[0], &child), -ENOMEM);
	sim_memory_refuses = false;
	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(family[i]->lost, move ? memory_error(-(int)sim_memory_refusal) : 0);
		if (!move)
			must(sim_access(family[i], va_of(0, 0), false, shared_access, (u64 [2]){ 1, 1 }), "read access");
		space_put(family[i]);
	}
}

static void refuse_all_cleans(void *arg)
{
	static const u32 reason[] = { ENOSPC, ENOMEM, EAGAIN, EBUSY, EINTR };

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(reason); i++) {
		sim_memory_refusal = reason[i / 2];
		refuse_to_clean(i % 2);
	}
	sim_memory_refusal = ENOMEM;
}

static void what_m_refuses_for_ever_is_lost(void **st)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 8, 8, 8, &policy_lru });
	sim_must_run(refuse_all_cleans, "refuse");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/* More entries than the flush daemons look at once are held back, by a write() that is under way say: others go meanwhile. */
#define BACK_PAGES	(5 * FLUSH_MAX_PAGES)
#define BACK_OTHERS	4

static void others_go(void *arg)
{
	struct object *o = sim_files[0].object;
	struct space *s = space_create();
	struct object_hold hold;

	must(space_mmap(s, va_of(0, 0), BACK_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_SHARED | ABI_MAP_FIXED, &sim_files[0], 0),
	     "mmap");
	must(space_mmap(s, va_of(1, 0), BACK_OTHERS * PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED,
			NULL, 0), "mmap");
	for (unsigned i = 0; i < BACK_PAGES + BACK_OTHERS; i++) {
		u64 was = i < BACK_PAGES ? sim_file_word(0, i) : 0;

		must(sim_access(s, i < BACK_PAGES ? va_of(0, i) : va_of(1, i - BACK_PAGES), true, shared_access, (u64 [2]){ was, i + 1 }), "write");
	}
	object_hold(o, &hold, 0, ~0ULL);
	must(space_madvise(s, va_of(0, 0), BACK_PAGES * PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
	must(space_madvise(s, va_of(1, 0), BACK_OTHERS * PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
	assert_in_range(pcache_victims_live(), BACK_PAGES, BACK_PAGES + BACK_OTHERS);
	flush_kick(true);
	for (unsigned i = 0; i < 10000 && pcache_victims_live() > BACK_PAGES; i++)
		thread_yield();
	assert_int_equal(pcache_victims_live(), BACK_PAGES);
	assert_int_equal(sim_memory_pages(), BACK_OTHERS);
	object_unhold(o, &hold);
	must(space_msync(s, va_of(0, 0), BACK_PAGES * PAGE_SIZE, ABI_MS_SYNC), "msync");
	for (unsigned i = 0; i < BACK_PAGES; i++)
		assert_int_equal(sim_object_word(o->id, i), i + 1);
	space_put(s);
}

static void held_back_entries_stop_no_others(void **st)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 8, 16, BACK_PAGES + BACK_OTHERS, &policy_lru });
	pcache.p.prefetch = PREFETCH_OFF;
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, BACK_PAGES);
	sim_must_run(open_files, "open");
	sim_must_run(others_go, "write");
	sim_must_run(close_files, "close");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/* A page that M refuses is refused whatever number it gives as its reason, none or one that is no errno: nobody takes it for clean. */
static void write_and_be_refused(void *arg)
{
	static const struct { u32 said; int wanted; } reason[] = {
		{ ENOSPC, -ENOSPC }, { 0, -EIO }, { ERESTARTNOINTR, -EIO }, { 4096, -EIO }, { 1U << 31, -EIO }, { ~0U, -EIO },
	};

	must(space_mmap(sh.s[0] = space_create(), va_of(0, 0), PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_SHARED | ABI_MAP_FIXED,
			&sim_files[0], 0), "mmap");
	sim_memory_refuses = true;
	for (unsigned i = 0; i < ARRAY_SIZE(reason); i++) {
		u64 v[2] = { sh.word[0], sh.word[0] + 1 };

		must(sim_access(sh.s[0], va_of(0, 0), true, shared_access, v), "write access");
		sim_memory_refusal = reason[i].said;
		assert_int_equal(space_msync(sh.s[0], va_of(0, 0), PAGE_SIZE, ABI_MS_SYNC), reason[i].wanted);
		assert_int_equal(sim_object_word(sim_files[0].object->id, 0), sim_file_word(0, 0));
		sh.word[0]++;
	}
	sim_memory_refuses = false;
	sim_memory_refusal = ENOMEM;
	must(space_msync(sh.s[0], va_of(0, 0), PAGE_SIZE, ABI_MS_SYNC), "msync");
	assert_int_equal(sim_object_word(sim_files[0].object->id, 0), sh.word[0]);
	space_put(sh.s[0]);
}

static void refused_without_a_reason(void **st)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 8, 8, 8, &policy_lru });
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, 1);
	sh.word[0] = sim_file_word(0, 0);
	sim_must_run(open_files, "open");
	sim_must_run(write_and_be_refused, "write");
	sim_must_run(close_files, "close");
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/* --- replies that cannot be: an error of the call, and nothing here has changed --- */

static struct { unsigned op; size_t at; u64 value; } lie;	/* the number there in each reply to the op */

static void tell_lie(unsigned op, void *rep)
{
	if (op == lie.op)
		*(le64 *)((u8 *)rep + lie.at) = le64_of(lie.value);
}
#define LIE(name, field, number)	(lie.op = RPC_##name, lie.at = offsetof(struct rpc_##name##_rep, field), lie.value = (number))
#define TRUTH				(lie.op = 0)

static const u64 bad_sizes[] = { WIRE_SIZE_MAX + 1, 1ULL << 63, ~0ULL };

static void lie_at_opens(void)
{
	struct object *o;

	for (unsigned i = 0; i < ARRAY_SIZE(bad_sizes); i++) {
		LIE(memory_open, size, bad_sizes[i]);
		assert_int_equal(object_open(3, 1, 0, 0, &o), -EIO);
		assert_int_equal(object_size(sim_files[0].object), SHARED_PAGES * PAGE_SIZE);
		assert_int_equal(m_file(0)->opens, 1);
	}
	LIE(memory_open, object, 5);			/* an address space's */
	assert_int_equal(object_open(3, 1, 0, 0, &o), -EIO);
	m_file(0)->opens--;
	LIE(memory_open, object, sim_files[0].object->id);	/* another file's */
	m_file(0)->opens++;
	assert_int_equal(object_open(3, 1, 0, 1, &o), -EIO);
	m_file(1)->opens--;
	for (unsigned i = 0; i < 2; i++) {
		LIE(memory_shm_create, object, i == 0 ? 5 : sim_files[0].object->id);
		assert_int_equal(object_create_shm(PAGE_SIZE, &o), -EIO);
	}
	TRUTH;
	assert_int_equal(m_file(0)->opens, 1);
	assert_int_equal(m_file(1)->opens, 1);
}

static void lie_at_writes(void)
{
	struct object *o = sim_files[0].object;
	u64 off, bad_off[] = { 0, 4095, 1ULL << 63, ~0ULL };

	for (unsigned i = 0; i < ARRAY_SIZE(bad_sizes) + 1; i++) {
		off = 4096;
		LIE(memory_write, size, i < ARRAY_SIZE(bad_sizes) ? bad_sizes[i] : off + 7);	/* shorter than what was written */
		assert_int_equal(object_write(o, &off, "12345678", 8, false), -EIO);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad_off); i++) {
		off = 4096;
		LIE(memory_write, off, bad_off[i]);
		assert_int_equal(object_write(o, &off, "12345678", 8, false), -EIO);
		assert_int_equal(off, 4096);
	}
	LIE(memory_write, off, ~0ULL - 7);		/* where an append went */
	assert_int_equal(object_write(o, &off, "12345678", 8, true), -EIO);
	TRUTH;
	assert_int_equal(object_size(o), SHARED_PAGES * PAGE_SIZE);
	assert_int_equal(object_write(o, &off, "12345678", 8, false), 8);
	assert_int_equal(off, 4096 + 8);
}

static void lie_at_spaces(void)
{
	u64 spaces = spaces_live(), reserved_now, bad_ids[] = { 0, WIRE_OBJECT_FIRST, ~0ULL }, bad_commit[] = { 2, ~0ULL };
	struct space *s, *child;
	int err;

	for (unsigned i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		LIE(memory_space_create, space, bad_ids[i]);
		assert_null(space_create_err(&err));
		assert_int_equal(err, -EIO);
	}
	TRUTH;
	s = space_create();
	must(space_mmap(s, va_of(0, 0), 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0),
	     "mmap");
	for (unsigned i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		LIE(memory_fork, child, bad_ids[i]);
		assert_int_equal(space_fork(s, &child), -EIO);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad_commit); i++) {
		LIE(memory_fork, commit, bad_commit[i]);	/* less than the child's map is charged; more than any can be */
		assert_int_equal(space_fork(s, &child), -EIO);
	}
	reserved_now = commit_held();
	for (unsigned i = 0; i < 2; i++) {
		LIE(memory_commit, moved, i == 0 ? 1 : ~0ULL);
		assert_int_equal(space_mmap(s, va_of(1, 0), 1ULL << 30, PROT_READ | PROT_WRITE,
					    ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), -EIO);
		assert_int_equal(commit_held(), reserved_now);
	}
	TRUTH;
	space_put(s);
	assert_int_equal(spaces_live(), spaces);
}

static void lies(void *arg)
{
	lie_at_opens();
	lie_at_writes();
	lie_at_spaces();
}

/* A file's id for shared memory, when the file is closed and pages of it are kept here. */
static void lie_at_kept(void *arg)
{
	struct space *s = space_create();
	struct object *o;
	u64 word, id = sim_files[0].object->id;

	must(space_mmap(s, va_of(0, 0), PAGE_SIZE, PROT_READ, ABI_MAP_SHARED | ABI_MAP_FIXED, &sim_files[0], 0), "mmap");
	must(space_read(s, va_of(0, 0), &word, sizeof(word)), "read");
	space_put(s);
	close_files(NULL);
	assert_int_equal(objects_parked(), 1);
	LIE(memory_shm_create, object, id);
	assert_int_equal(object_create_shm(PAGE_SIZE, &o), -EIO);
	TRUTH;
}

static void replies_that_cannot_be(void **st)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 8, 8, 8, &policy_lru });
	for (unsigned i = 0; i < ARRAY_SIZE(sim_files); i++)
		sim_file(i, SHARED_PAGES);
	sim_must_run(open_files, "open");
	sim_memory_spoil = tell_lie;
	sim_must_run(lies, "lies");
	sim_must_run(lie_at_kept, "kept");
	sim_memory_spoil = NULL;
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	assert_int_equal(pcache_lines_live() + pcache_victims_live() + objects_live(), 0);	/* M has spaces that nobody knows */
	token_reset();
	pcache_free_all();
	sim_end();
}

/* --- who makes room, and when --- */

#define ROOM_PAGES 256
static struct { unsigned nr, rounds; u64 va[ROOM_PAGES]; u64 faults; } room;	/* faults: after the first round */

static void room_map(void *arg)
{
	sh.s[0] = space_create();
	must(space_mmap(sh.s[0], va_of(0, 0), ROOM_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
}

/* The pages chosen, one after the other, again and again. */
static void room_touch(void *arg)
{
	for (unsigned round = 0; round < room.rounds; round++) {
		if (round == 1)
			room.faults = this_cpu_read8(nr_pgfault);
		for (unsigned i = 0; i < room.nr; i++) {
			u64 v[2] = { round == 0 ? 0 : i + 1, i + 1 };

			must(sim_access(sh.s[0], room.va[i], true, shared_access, v), "access");
		}
	}
	room.faults = this_cpu_read8(nr_pgfault) - room.faults;
	space_put(sh.s[0]);
}

/* per_set pages of each of the first sets; 0: all pages of the mapping, as they come */
static void room_choose(unsigned sets, unsigned per_set)
{
	unsigned taken[8] = { 0 };

	room.nr = 0;
	for (unsigned i = 0; i < ROOM_PAGES; i++) {
		u32 set = pcache_set_of((struct page_id){ sh.s[0]->salt, va_of(0, i) >> PAGE_SHIFT })->number;

		if (per_set == 0 || (set < sets && taken[set]++ < per_set))
			room.va[room.nr++] = va_of(0, i);
	}
	assert_int_equal(room.nr, per_set == 0 ? ROOM_PAGES : sets * per_set);
}

/* Evictions, and how many of them a fault asked for. */
static void room_run(const struct geometry *g, unsigned sets, unsigned per_set, unsigned rounds, u64 *evicted, u64 *asked)
{
	u64 before[2] = { this_cpu_read8(nr_pcache_eviction_succeed), this_cpu_read8(nr_pcache_eviction_triggered) };

	sim_begin(1);
	pcache_up(g);
	pcache.p.prefetch = PREFETCH_OFF;
	sim_must_run(room_map, "map");
	room_choose(sets, per_set);
	room.rounds = rounds;
	sim_must_run(room_touch, "touch");
	*evicted = this_cpu_read8(nr_pcache_eviction_succeed) - before[0];
	*asked = this_cpu_read8(nr_pcache_eviction_triggered) - before[1];
	sim_must_run(drop_all, "drop");
	pcache_down();
}

/* As many pages as a set has ways stay, whatever is the policy: room is not made before it is needed. */
static void sets_keep_their_ways(void **st)
{
	static const struct pcache_policy *const policies[] = { &policy_lru, &policy_fifo, &policy_clock, &policy_random };
	u64 evicted, asked;

	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++) {
		room_run(&(struct geometry){ 8, 4, 8, policies[i] }, 4, 8, 8, &evicted, &asked);
		assert_int_equal(room.faults, 0);
		assert_int_equal(evicted, 0);
		assert_int_equal(asked, 0);
	}
}

/* Two pages that meet in a set of one way do not chase each other out as long as the reserve has lines to lend. */
static void one_way_for_two_pages(void **st)
{
	u64 evicted, asked;

	room_run(&(struct geometry){ 1, 4, 1, &policy_lru }, 1, 2, 100, &evicted, &asked);
	assert_int_equal(room.faults, 0);
	assert_int_equal(evicted, 0);
}

/* Nor do four, the cache being so small that what the reserve lends is most of it. */
static void one_way_for_four_pages(void **st)
{
	u64 evicted, asked;

	room_run(&(struct geometry){ 1, 4, 1, &policy_lru }, 4, 4, 100, &evicted, &asked);
	assert_int_equal(room.faults, 0);
	assert_int_equal(evicted, 0);
}

/* A program that wants ever new pages: the sweep daemon makes room, several lines at a time. */
static void sweep_makes_room(void **st)
{
	u64 evicted, asked, runs = this_cpu_read8(nr_sweep_run);

	room_run(&(struct geometry){ 8, 8, 64, &policy_lru }, 0, 0, 4, &evicted, &asked);
	runs = this_cpu_read8(nr_sweep_run) - runs;
	assert_true(evicted >= 3 * ROOM_PAGES);
	assert_in_range(asked, 0, evicted / 8);
	assert_in_range(runs, 1, evicted / 2);
}

/* As if other sets had borrowed them: what is left of the reserve is too little for the pages of all threads. */
static void reserve_hide(struct list *hidden, unsigned nr)
{
	list_init(hidden);
	for (; nr > 0; nr--) {
		struct list *lines = &pcache.stock[nr % NR_STOCKS].lines;
		struct pcache_line *line = list_first(lines, struct pcache_line, link);

		list_del(&line->link);
		list_add_head(hidden, &line->link);
		pcache.nr_reserve--;
	}
}

static void reserve_show(struct list *hidden)
{
	struct pcache_line *line, *next;

	list_for_each_safe(line, next, hidden, link) {
		list_del(&line->link);
		list_add_head(&pcache.stock[0].lines, &line->link);
		pcache.nr_reserve++;
	}
}

/*
 * No lock is all faults': a page that is missed, and for which the sweep daemon, or at worst the fault, evicts a clean one, takes
 * these and no others.
 */
#define ALONE_PAGES 128

static const struct { const char *name, *why; } alone_locks[] = {
	{ "pcache set", "of the page's set, and of those that have a surplus" },
	{ "pcache stock", "an eighth of the sets'; all are in use" },
	{ "page tables", "of the space" },
	{ "vmas", "of the space" },
	{ "stream", "of the thread, but for a collision" },
	{ "waitq", "of a set; of pages on their way, by a hash; the sweep daemon's, while it sleeps and is to run" },
	{ "rpc_waitq", "the simulation's own: FIT's calls have each their own" },
};
static u64 alone_taken[ARRAY_SIZE(alone_locks)];

static void alone_seen(const struct spinlock *l)
{
	unsigned i = 0;

	while (i < ARRAY_SIZE(alone_locks) && strcmp(l->name, alone_locks[i].name) != 0)
		i++;
	if (i == ARRAY_SIZE(alone_locks))
		sim_fail("a fault takes the lock %s", l->name);
	if (l == &pcache.victim_wait.lock || l == &pcache.flush_wait.lock)
		sim_fail("a fault wakes those who wait for the victim cache");
	alone_taken[i]++;
}

static void alone_run(void *arg)
{
	struct space *s = space_create();
	u64 came;

	must(space_mmap(s, va_of(0, 0), ALONE_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	for (unsigned i = 0; i < ALONE_PAGES; i++)
		must(sim_access(s, va_of(0, i), true, shared_access, (u64 [2]){ 0, i + 1 }), "write");
	do {
		must(space_madvise(s, va_of(0, 0), ALONE_PAGES * PAGE_SIZE, ABI_MADV_PAGEOUT), "pageout");
		thread_yield();
	} while (pcache_victims_live() != 0);
	must(space_mprotect(s, va_of(0, 0), ALONE_PAGES * PAGE_SIZE, PROT_READ), "mprotect");	/* no entry is needed */
	changes_push(s, s->change);		/* what is queued leaves once, and not with each fault */
	came = this_cpu_read8(nr_pcache_fill_from_memory) + this_cpu_read8(nr_pcache_prefetch);
	sim_lock_seen = alone_seen;
	for (unsigned n = 0; n < 4 * ALONE_PAGES; n++) {
		unsigned i = n * 5 % ALONE_PAGES;

		must(sim_access(s, va_of(0, i), false, shared_access, (u64 [2]){ i + 1, i + 1 }), "read");
	}
	sim_lock_seen = NULL;
	came = this_cpu_read8(nr_pcache_fill_from_memory) + this_cpu_read8(nr_pcache_prefetch) - came;
	if (came < ALONE_PAGES)
		sim_fail("only %llu pages came", (unsigned long long)came);
	space_put(s);
}

static void alone_with(enum prefetch_mode mode)
{
	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 4, 16, 8, &policy_lru });
	pcache.p.prefetch = mode;
	sim_go(alone_run, NULL, true, "alone");
	assert_true(sim_run(1000000));
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

static void no_lock_is_all_faults(void **st)
{
	memset(alone_taken, 0, sizeof(alone_taken));
	alone_with(PREFETCH_OFF);
	for (unsigned i = 0; i < 4; i++)		/* they are seen */
		assert_true(alone_taken[i] > ALONE_PAGES);
	alone_with(PREFETCH_ADAPTIVE);
}

/*
 * The request for a missed page leaves before room is made for it, and before pages are asked for ahead: nothing that can be done
 * while the network works is done before. Faults evict, the sweep daemon being behind; they are of some pages in order, here and there.
 */
static struct { bool on; u64 asked, ahead, evicted; } first;	/* on: in a fault; the numbers are of its beginning */

static void first_asked(unsigned op)
{
	if (!first.on || op != RPC_memory_fill)
		return;
	if (this_cpu_read8(nr_pcache_prefetch_message) != first.ahead)
		sim_fail("pages ahead are asked for before the one that is missed");
	if (this_cpu_read8(nr_pcache_eviction_triggered) != first.evicted)
		sim_fail("room is made before the page that is missed is asked for");
	first.asked++;
}

static void first_run(void *arg)
{
	struct space *s = advised_space;

	for (unsigned n = 0; n < 2 * ONE_BY_ONE; n++) {
		unsigned i = (n / 6 * 37 + n % 6) % ONE_BY_ONE;

		first.ahead = this_cpu_read8(nr_pcache_prefetch_message);
		first.evicted = this_cpu_read8(nr_pcache_eviction_triggered);
		first.on = true;
		must(sim_access(s, va_of(0, i), false, shared_access, (u64 [2]){ 1000 + i, 1000 + i }), "read");
		first.on = false;
	}
	space_put(s);
}

static void a_miss_is_asked_for_first(void **st)
{
	u64 ahead, evicted;
	struct list hidden;

	sim_begin(1);
	sim_memory_takes_all = true;
	pcache_up(&(struct geometry){ 4, 8, 8, &policy_lru });
	pcache.p.prefetch = PREFETCH_ADAPTIVE;
	pcache.p.prefetch_max = 4;
	reserve_hide(&hidden, 21);		/* lines that are out: the daemon is behind */
	sim_must_run(one_by_one_write, "write");
	assert_true(sim_drain());
	memset(&first, 0, sizeof(first));
	ahead = this_cpu_read8(nr_pcache_prefetch_message);
	evicted = this_cpu_read8(nr_pcache_eviction_triggered);
	sim_memory_asked = first_asked;
	sim_must_run(first_run, "read");
	sim_memory_asked = NULL;
	assert_true(first.asked > 20);
	assert_true(this_cpu_read8(nr_pcache_prefetch_message) > ahead);
	assert_true(this_cpu_read8(nr_pcache_eviction_triggered) > evicted);
	reserve_show(&hidden);
	sim_must_run(drop_all, "drop");
	sim_memory_takes_all = false;
	pcache_down();
}

/* What a set borrows comes from its own stock, or, where that has nothing left, from others: all of the reserve, to one set. */
static void reserve_is_one(void **st)
{
	struct pcache_line *line[RESERVE_LINES + 1];
	struct pcache_set *set;
	unsigned nr = 0;

	sim_begin(1);
	pcache_up(&(struct geometry){ 1, 3, 1, &policy_lru });
	set = &pcache.sets[2];
	spin_lock(&set->lock);
	while ((line[nr] = line_take(set, (struct page_id){ 1, nr }, NULL)) != NULL)
		nr++;
	assert_int_equal(nr, 1 + RESERVE_COMMON);
	assert_int_equal(pcache_reserve_out(), RESERVE_COMMON);
	while (nr > 0)
		line_release(line[--nr], LINE_EV_VOID);
	spin_unlock(&set->lock);
	assert_int_equal(pcache_reserve_out(), 0);
	pcache_down();
}

/*
 * A fault brings its set back to its ways with its own line kept. The line may be unmapped meanwhile, and lent to another set: whoever
 * finds nothing there that can go but this line is told when it is kept no more.
 */
static struct pcache_set *kept_in;

static void kept_wait(void *arg) { (void)line_make_room(kept_in, false); }

static void kept_trim(void *arg)
{
	struct space *s = space_create();
	struct page_id id = { s->salt, va_of(0, 0) >> PAGE_SHIFT };
	struct pcache_set *other;
	struct pcache_line *line;

	must(space_mmap(s, va_of(0, 0), PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	must(sim_access(s, va_of(0, 0), true, shared_access, (u64 [2]){ 0, 1 }), "write access");
	kept_in = pcache_set_of(id);
	other = &pcache.sets[1 - kept_in->number];
	spin_lock(&kept_in->lock);
	line = set_line_private(kept_in, id, s);
	spin_unlock(&kept_in->lock);
	atomic_inc(&line->kept);		/* as evict_keep() did when it was in the other set */
	sim_go(kept_wait, NULL, true, "wait");
	while (list_empty(&kept_in->wait.waiters))
		thread_yield();
	evict_trim_but(other, line);
	assert_int_equal(atomic_read(&line->kept), 0);
	for (unsigned i = 0; i < 1000 && !list_empty(&kept_in->wait.waiters); i++)
		thread_yield();
	assert_true(list_empty(&kept_in->wait.waiters));
	space_put(s);
}

static void kept_wherever_it_is(void **st)
{
	sim_begin(1);
	pcache_up(&(struct geometry){ 1, 2, 1, &policy_lru });
	sim_must_run(kept_trim, "trim");
	sim_must_run(drop_all, "drop");
	pcache_down();
}

/*
 * Who finds nothing to evict but a line that the token's holder keeps is not forgotten, though the holder keeps another line instead by
 * now, whose coming this set does not hear of, and has let go of the token before the wait begins.
 */
#define INSTEAD_PAGES	64

static bool instead_over;

static void instead_wait(void *arg)
{
	(void)line_make_room(kept_in, false);
	instead_over = true;
}

static void instead_keep(struct space *s, unsigned i)
{
	struct page_id id = { s->salt, va_of(0, i) >> PAGE_SHIFT };
	struct pcache_set *set = pcache_set_of(id);
	struct pcache_line *line;

	spin_lock(&set->lock);
	line = set_line_private(set, id, s);
	token_keep(line);
	spin_unlock(&set->lock);
}

static void instead_run(void *arg)
{
	struct space *s = space_create();
	unsigned other[TOKEN_LINES], nr = 0;

	must(space_mmap(s, va_of(0, 0), INSTEAD_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED,
			NULL, 0), "mmap");
	kept_in = pcache_set_of((struct page_id){ s->salt, va_of(0, 0) >> PAGE_SHIFT });
	for (unsigned i = 1; nr < TOKEN_LINES; i++)
		if (pcache_set_of((struct page_id){ s->salt, va_of(0, i) >> PAGE_SHIFT }) != kept_in)
			other[nr++] = i;
	must(sim_access(s, va_of(0, 0), true, shared_access, (u64 [2]){ 0, 1 }), "write");
	for (unsigned i = 0; i < TOKEN_LINES; i++)
		must(sim_access(s, va_of(0, other[i]), true, shared_access, (u64 [2]){ 0, 1 }), "write");
	while (!token_mine())
		token_fault(va_of(0, 0) >> PAGE_SHIFT);
	token_fault_done();
	instead_keep(s, 0);
	for (unsigned i = 0; i < TOKEN_LINES - 1; i++)
		instead_keep(s, other[i]);
	instead_over = false;
	sim_go(instead_wait, NULL, true, "wait");
	for (unsigned n = sim_random(4); n > 0; n--)
		thread_yield();
	instead_keep(s, other[TOKEN_LINES - 1]);
	space_moves_on();
	for (unsigned n = 0; n < 20 && !instead_over; n++)
		thread_sleep_ns(50 * NSEC_PER_MSEC);
	if (!instead_over)
		sim_fail("who waits for room in a set is not told that its line is kept no more");
	space_put(s);
}

static void another_line_is_kept_instead(void **st)
{
	for (u64 seed = 1; seed <= 100; seed++) {
		sim_begin(seed);
		pcache_up(&(struct geometry){ 1, 16, 8, &policy_lru });
		sim_must_run(instead_run, "instead");
		sim_must_run(drop_all, "drop");
		pcache_down();
	}
}

/* --- threads that fit into the cache one at a time --- */

#define TURN_USERS	3
#define TURN_PAGES	20	/* of each thread */
#define TURN_ROUNDS	60

static unsigned turn_users;

static void turn_run(void *arg)
{
	unsigned first = (unsigned)(uintptr_t)arg * TURN_PAGES;
	u64 v[2] = { 0, 1 };

	for (unsigned n = 0; n < TURN_ROUNDS * TURN_PAGES; n++) {
		v[0] = n >= TURN_PAGES;
		must(sim_access(sh.s[0], va_of(0, first + n % TURN_PAGES), n < TURN_PAGES, shared_access, v), "access");
	}
	space_thread_ends();
	if (--turn_users == 0)
		space_put(sh.s[0]);
}

static void turn_start(void *arg)
{
	turn_users = TURN_USERS;
	for (uintptr_t i = 0; i < TURN_USERS; i++)
		sim_go(turn_run, (void *)i, true, "turn");
}

/* What is fetched, and how often a fault waited for its turn. */
static u64 turn_fetched(bool turns, u64 *waited)
{
	u64 fetched = this_cpu_read8(nr_pcache_fill_from_memory), waited_before = this_cpu_read8(nr_turn_waited);

	sim_begin(1);
	pcache_up(&(struct geometry){ 2, 4, 8, &policy_lru });
	pcache.p.prefetch = PREFETCH_OFF;
	pcache.p.turns = turns;
	sim_must_run(room_map, "map");
	sim_must_run(turn_start, "start");
	sim_must_run(drop_all, "drop");
	check_balance();
	turn_reset();
	token_reset();
	pcache_free_all();
	sim_end();
	*waited = this_cpu_read8(nr_turn_waited) - waited_before;
	return this_cpu_read8(nr_pcache_fill_from_memory) - fetched;
}

static void turns_spare_misses(void **st)
{
	u64 waited, without = turn_fetched(false, &waited), with;

	assert_int_equal(waited, 0);
	with = turn_fetched(true, &waited);
	assert_true(waited > 0);
	assert_true(with < without / 2);
}

/*
 * Who waits for a turn is not forgotten by a holder that no longer fetches what went: neither if its misses are of new pages, so
 * that no turns are due any more, nor if its faults fetch nothing.
 */
#define TURN_WAITS_NS	(200 * NSEC_PER_MSEC)

static bool turn_new_pages;
static u64 turn_began_ns, turn_waited_ns;

static void turn_misses_of(u64 space, bool gone)
{
	for (u64 i = 0; i < 100; i++) {
		if (gone)
			turn_page_gone((struct page_id){ space, i });
		turn_page_missed((struct page_id){ space, i });
	}
}

static void turn_waiter(void *arg)
{
	turn_began_ns = time_mono_ns();
	turn_fault();
	turn_waited_ns = time_mono_ns() - turn_began_ns;
	turn_fault_done(true);
	space_thread_ends();
}

static void turn_holder(void *arg)
{
	u64 until = time_mono_ns() + 3 * TURN_WAITS_NS;

	turn_misses_of(1, true);
	turn_fault();
	turn_fault_done(true);
	sim_go(turn_waiter, NULL, true, "waiter");
	while (turn_began_ns == 0)
		thread_yield();
	if (turn_new_pages)
		turn_misses_of(2, false);
	while (time_mono_ns() < until && turn_waited_ns == 0) {
		turn_fault();
		turn_fault_done(turn_new_pages);
		thread_sleep_ns(NSEC_PER_MSEC / 2);
	}
	space_thread_ends();
}

static void turns_end(void **st)
{
	for (unsigned i = 0; i < 2; i++) {
		turn_new_pages = i == 0;
		turn_began_ns = turn_waited_ns = 0;
		sim_begin(1);
		pcache_up(&(struct geometry){ 2, 4, 8, &policy_lru });
		pcache.p.turns = true;
		sim_must_run(turn_holder, "holder");
		assert_in_range(turn_waited_ns, 1, TURN_WAITS_NS);
		turn_reset();
		token_reset();
		pcache_free_all();
		sim_end();
	}
}

/* --- instructions that need more pages at once than a set has lines --- */

#define TOKEN_PAGES 12
static unsigned token_users;

static void token_run(void *arg)
{
	for (unsigned n = 0; n < 12; n++) {
		unsigned first = sim_random(TOKEN_PAGES);
		u64 va[6];

		for (unsigned i = 0; i < 6; i++)
			va[i] = va_of(0, (first + i) % TOKEN_PAGES);
		sim_set_rip(0x1000 + n);
		must(sim_instruction(sh.s[0], va, 6, sim_random(64)), "instruction");
		if (sim_random(2) == 0) {		/* a system call */
			space_moves_on();
			if (token_mine())
				sim_fail("the token is kept by one who moved on");
		}
	}
	space_thread_ends();
	if (--token_users == 0)
		space_put(sh.s[0]);
}

static void token_start(void *arg)
{
	sh.s[0] = space_create();
	must(space_mmap(sh.s[0], va_of(0, 0), TOKEN_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			ABI_MAP_PRIVATE | ABI_MAP_ANONYMOUS | ABI_MAP_FIXED, NULL, 0), "mmap");
	token_users = 3;
	for (unsigned i = 0; i < 3; i++)
		sim_go(token_run, NULL, true, "token");
}

static void token_seed(u64 seed)
{
	static const struct pcache_policy *const policies[] = { &policy_lru, &policy_fifo, &policy_clock, &policy_random };

	struct list hidden;

	sim_begin(seed);
	sim_switch_in = 1 + sim_random(4);
	sim_memory_slow = 1;
	pcache_up(&(struct geometry){ 1, 2, sim_random(3), policies[sim_random(4)] });
	reserve_hide(&hidden, sim_random(RESERVE_COMMON));
	sim_must_end = true;
	sim_go(token_start, NULL, true, "start");
	if (!sim_run(env("SIM_STEPS", 1000000)))
		abort();
	sim_must_end = false;
	sim_go(drop_all, NULL, true, "drop");
	if (!sim_run(sim_steps() + 1000000))
		abort();
	reserve_show(&hidden);
	pcache_down();
}

/* A set of which every line is held is met, and waited for (lesson: L12). */
static void token_makes_progress(void **st)
{
	u64 first = env("SIM_FIRST", 1), met = this_cpu_read8(nr_pcache_eviction_failure_find);

	for (u64 seed = first; seed < first + env("SIM_SEEDS", 40); seed++) {
		token_seed(seed);
		if (getenv("SIM_VERBOSE") != NULL)
			fprintf(stderr, "token seed %llu: %llu steps\n", (unsigned long long)seed, (unsigned long long)sim_steps());
	}
	assert_true(this_cpu_read8(nr_pcache_eviction_failure_find) > met);
}

/* --- each rule taken away in turn, in a process of its own: some schedule must fail --- */

static bool mutant_found(int rule, u64 seeds, u64 *at)
{
	int status, seeds_tried[2];
	pid_t pid;

	*at = 0;
	if (pipe(seeds_tried) != 0)
		abort();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(0);
		rule_gone = rule;
		only_zap = rule == RULE_ZAP_PINS;
		if (only_zap || rule == RULE_REMAP_HELD)	/* few schedules notice */
			seeds *= 4;
		for (u64 seed = 1; (rule == RULE_TOKEN || rule == RULE_TOKEN_KEPT) && seed <= 40; seed++)
			token_seed(seed);
		if (rule == RULE_KEPT_VERSION)
			kept_over_close(NULL);
		if (rule == RULE_COMMIT_LEAVES)
			memory_that_leaves(NULL);
		if (rule == RULE_PLACE_CACHED)
			shared_file(NULL);
		if (rule == RULE_MISS_BEFORE_ROOM || rule == RULE_MISS_BEFORE_AHEAD)
			a_miss_is_asked_for_first(NULL);
		for (u64 seed = 1; seed <= seeds; seed++) {
			/* one that spins for ever has failed; by CPU time, for the machine may be busy */
			if (write(seeds_tried[1], &seed, sizeof(seed)) != sizeof(seed))
				_exit(0);
			if (setitimer(ITIMER_VIRTUAL, &(struct itimerval){ .it_value.tv_sec = 20 }, NULL) != 0)
				_exit(0);
			run_seed(seed, only_zap ? &(struct geometry){ 4, 2, 8, &policy_fifo } : NULL);
		}
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	close(seeds_tried[1]);
	while (read(seeds_tried[0], at, sizeof(*at)) == sizeof(*at))
		;
	close(seeds_tried[0]);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* only: the name of the one to be taken away, or the lesson of some; NULL: all in turn */
static void mutants(const char *only)
{
	unsigned missed = 0;

	for (int rule = 0; rule < NR_PCACHE_RULES; rule++) {
		bool found;
		u64 seed;

		if (only != NULL && strcmp(rule_name(rule), only) != 0 && strcmp(rule_lesson(rule), only) != 0)
			continue;
		found = mutant_found(rule, env("SIM_SEEDS", 200), &seed);
		printf("%s mutant %s %s seed %llu\n", found ? "ok  " : "FAIL", rule_name(rule), rule_lesson(rule), (unsigned long long)seed);
		fflush(stdout);
		missed += !found;
	}
	exit(missed != 0);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "mutants") == 0)
		mutants(argc > 2 ? argv[2] : NULL);
	if (getenv("TANGRAM_MUTANT") != NULL)
		rule_gone = rule_find(getenv("TANGRAM_MUTANT"));
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_schedules), cmocka_unit_test(schedules_with_a_death),
		cmocka_unit_test(shared_file), cmocka_unit_test(sizes),
		cmocka_unit_test(cleaning_in_batches), cmocka_unit_test(refused_without_a_reason),
		cmocka_unit_test(a_killed_sync_ends), cmocka_unit_test(what_m_refuses_for_ever_is_lost),
		cmocka_unit_test(held_back_entries_stop_no_others),
		cmocka_unit_test(replies_that_cannot_be),
		cmocka_unit_test(token_makes_progress),
		cmocka_unit_test(turns_spare_misses), cmocka_unit_test(turns_end),
		cmocka_unit_test(kept_over_close),
		cmocka_unit_test(sets_keep_their_ways),
		cmocka_unit_test(one_way_for_two_pages),
		cmocka_unit_test(one_way_for_four_pages),
		cmocka_unit_test(sweep_makes_room),
		cmocka_unit_test(no_lock_is_all_faults), cmocka_unit_test(a_miss_is_asked_for_first), cmocka_unit_test(reserve_is_one),
		cmocka_unit_test(kept_wherever_it_is), cmocka_unit_test(another_line_is_kept_instead),
		cmocka_unit_test(advice_is_taken), cmocka_unit_test(one_by_one),
		cmocka_unit_test(cold_goes_first), cmocka_unit_test(advice_steers_the_stream),
		cmocka_unit_test(ahead_is_not_first_to_go), cmocka_unit_test(ahead_is_written_without_a_fault),
		cmocka_unit_test(changes_leave_when_needed), cmocka_unit_test(wishes_split_no_mapping), cmocka_unit_test(a_fork_at_the_limit),
		cmocka_unit_test(a_child_is_charged_what_it_has), cmocka_unit_test(poked_pages_are_charged),
		cmocka_unit_test(what_is_gone_is_not_mapped), cmocka_unit_test(what_the_dead_said_is_of_their_life),
		cmocka_unit_test(a_death_waits_for_no_other_node),
		cmocka_unit_test(memory_that_leaves), cmocka_unit_test(a_move_makes_way),
		cmocka_unit_test(blocks_around_a_miss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
