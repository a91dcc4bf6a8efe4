/* SPDX-License-Identifier: MIT */
/*
 * pcache_stress SECONDS [SEED]: everything that programs can do to their memory, at random, from several processes of several
 * threads, with the contents of each page known. Ends with 0 only when every check held. Any Linux must pass it. Its files are in
 * $TMPDIR, or /tmp.
 *
 * - Arenas: private pages, anonymous or of a file. Whoever holds a chunk's lock knows what its pages contain and what may be
 *   done to them, and maps, unmaps, protects, moves, forgets and accesses them; neighbours are changed by others meanwhile.
 * - Chaos: pages that all threads of a process map, move and access without any lock. An access may fault; a word that is read
 *   was written by this family of processes, or is 0.
 * - Shared pages, anonymous and of a file: each has a lock and a version; versions are counted apart, and compared at the end.
 * - Processes fork in the middle of it: the child checks and changes what its parent knew. They exec, and exit at random, some
 *   with their threads running.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/check.h"

#define PAGE		4096ul
#define PAGE_WORDS	(PAGE / 8)
#define NR_ARENAS	2
#define ARENA_PAGES	64u
#define CHUNK		4u		/* pages under one lock */
#define NR_CHUNKS	(ARENA_PAGES / CHUNK)
#define CHAOS_PAGES	32u
#define NR_SHARED	24u		/* anonymous */
#define NR_FILE		12u		/* of a file */
#define NR_STATIC	16u		/* pages of the file that is mapped privately, never changed */
#define NR_LOAD		64u		/* pages of one that is only read, many at once */
#define NR_WORKERS	3
#define NR_THREADS	3
#define MAX_PROCESSES	10

/* Far from where the system puts mappings by itself: a hole here stays a hole. */
#define ARENA_AT(a)	((char *)0x100000000000ul + (a) * 0x10000000ul + 512 * PAGE - ARENA_PAGES / 2 * PAGE)
#define CHAOS_AT	((char *)0x110000000000ul)

/* --- what processes share --- */

#define STATS(X) X(read) X(write) X(map) X(unmap) X(protect) X(move) X(grow) X(forget) X(load) X(kernel) X(chaos) X(shared) X(file) X(fork) \
	X(exec) X(thread) X(process) X(fault)
#define STAT_ENUM(s) STAT_##s,
enum deed { STATS(STAT_ENUM) NR_STATS };

struct shared_page {
	pthread_mutex_t lock;
	uint64_t version;
	uint64_t room[400];
	uint64_t copy;		/* at the other end of the page */
} __attribute__((aligned(4096)));

static struct world {
	atomic_int failed, live;
	atomic_ulong stats[NR_STATS];
	atomic_ulong done[NR_SHARED], file_done[NR_FILE];	/* changes of each page, counted by those who made them */
	pthread_mutex_t file_lock[NR_FILE];
	uint64_t file_version[NR_FILE];
	struct shared_page page[NR_SHARED];
} *world;
static char *shared_file;	/* NR_FILE pages, MAP_SHARED */
static int file_fd, static_fd, load_fd;
static const char *program;
static struct timespec end;
static uint64_t seed;

__attribute__((format(printf, 1, 2), noreturn)) static void bad(const char *format, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (world != NULL)
		atomic_store(&world->failed, 1);
	dprintf(2, "pcache_stress: FAILED: process %d: %s\n", (int)getpid(), text);
	_exit(1);
}

#define MUST(cond)	do { if (!(cond)) bad("line %d: %s: %s", __LINE__, #cond, strerror(errno)); } while (0)

/* --- each thread's own --- */

static __thread uint64_t state;
static __thread unsigned long stats[NR_STATS];
static __thread sigjmp_buf back;
static __thread volatile sig_atomic_t guarded;

static unsigned rnd(unsigned below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state * 0x2545f4914f6cdd1dull >> 33) % below);
}

static void rnd_begin(uint64_t number)
{
	state = (seed + number * 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull | 1;
	for (int i = 0; i < 8; i++)
		(void)rnd(2);
}

static void stats_add(void)
{
	for (unsigned i = 0; i < NR_STATS; i++) {
		atomic_fetch_add(&world->stats[i], stats[i]);
		stats[i] = 0;
	}
}

static int over(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec) || atomic_load(&world->failed);
}

static void on_fault(int nr, siginfo_t *info, void *context)
{
	(void)context;
	if (!guarded)
		bad("signal %d at %p", nr, info->si_addr);
	siglongjmp(back, 1);
}

static int faults(volatile char *p, int write)
{
	char c;

	guarded = 1;
	if (sigsetjmp(back, 0) != 0) {
		guarded = 0;
		stats[STAT_fault]++;
		return 1;
	}
	c = *p;
	if (write)
		*p = c;
	guarded = 0;
	return 0;
}

/* --- what a page contains: words that follow from its tag; tag 0: zeros --- */

static const unsigned some[] = { 0, 73, 146, 219, 292, 365, 438, 511 };
#define NR_SOME (sizeof(some) / sizeof(some[0]))

static uint64_t word_of(uint64_t tag, unsigned i) { return tag == 0 ? 0 : pattern(i, tag); }

static void fill(char *at, uint64_t tag, int all)
{
	volatile uint64_t *w = (uint64_t *)at;

	if (all) {
		for (unsigned i = 0; i < PAGE_WORDS; i++)
			w[i] = word_of(tag, i);
		return;
	}
	for (unsigned k = 0; k < NR_SOME; k++)
		w[some[k]] = word_of(tag, some[k]);
}

static void check_word(const char *at, unsigned i, uint64_t tag, const char *what)
{
	uint64_t is = ((volatile const uint64_t *)at)[i];

	if (is != word_of(tag, i))
		bad("%s: word %u of page %p is %#llx, should be %#llx (tag %#llx)", what, i, at, (unsigned long long)is,
		    (unsigned long long)word_of(tag, i), (unsigned long long)tag);
}

static void check(const char *at, uint64_t tag, int all, const char *what)
{
	if (all && rnd(4) == 0) {
		for (unsigned i = 0; i < PAGE_WORDS; i++)
			check_word(at, i, tag, what);
		return;
	}
	for (unsigned k = 0; k < NR_SOME; k++)
		check_word(at, some[k], tag, what);
}

static uint64_t static_tag(unsigned page) { return 0x5747000 + page; }
static uint64_t load_tag(unsigned page) { return 0x10ad000 + page; }

/* --- arenas --- */

struct page {
	uint64_t tag, base;	/* base: what it is when its private contents are forgotten */
	uint8_t mapped, prot;
	uint8_t all, base_all;	/* every word follows from the tag */
};
static struct arena {
	struct page page[ARENA_PAGES];
	pthread_mutex_t lock[NR_CHUNKS];
	uint8_t known[NR_CHUNKS];	/* in a child: whether the parent knew it when it forked */
} arenas[NR_ARENAS];
static int alone;		/* the only thread of a forked child: no locks */
static atomic_ulong next_tag;

static uint64_t new_tag(void)
{
	return (uint64_t)getpid() << 32 | (atomic_fetch_add(&next_tag, 1) + 1);
}

static char *page_at(unsigned a, unsigned i) { return ARENA_AT(a) + i * PAGE; }

struct range { unsigned a, first, nr; };	/* pages of locked chunks */

static int chunks_lock(unsigned a, unsigned first, unsigned last)
{
	for (unsigned c = first; c <= last; c++) {
		if (alone ? !arenas[a].known[c] : pthread_mutex_trylock(&arenas[a].lock[c]) != 0) {
			while (!alone && c-- > first)
				pthread_mutex_unlock(&arenas[a].lock[c]);
			return 0;
		}
	}
	return 1;
}

static void range_unlock(struct range r)
{
	for (unsigned c = r.first / CHUNK; !alone && c <= (r.first + r.nr - 1) / CHUNK; c++)
		pthread_mutex_unlock(&arenas[r.a].lock[c]);
}

static int range_pick(struct range *r, unsigned most)
{
	r->a = rnd(NR_ARENAS);
	r->first = rnd(ARENA_PAGES);
	r->nr = 1 + rnd(most < ARENA_PAGES - r->first ? most : ARENA_PAGES - r->first);
	return chunks_lock(r->a, r->first / CHUNK, (r->first + r->nr - 1) / CHUNK);
}

/* One page as it should be, and now and then a change of it. */
static void access_page(unsigned a, unsigned i)
{
	struct page *p = &arenas[a].page[i];
	char *at = page_at(a, i);

	if (!p->mapped || p->prot == PROT_NONE) {
		if (rnd(8) == 0 && !faults(at, (int)rnd(2)))
			bad("page %p can be accessed, but is %s", at, p->mapped ? "PROT_NONE" : "not mapped");
		return;
	}
	check(at, p->tag, p->all, "arena");
	stats[STAT_read]++;
	if (!(p->prot & PROT_WRITE)) {
		if (rnd(16) == 0 && !faults(at, 1))
			bad("page %p can be written, but is read-only", at);
		return;
	}
	if (rnd(2) == 0)
		return;
	p->tag = new_tag();
	p->all = rnd(16) == 0;
	fill(at, p->tag, p->all);
	stats[STAT_write]++;
	if (rnd(4) == 0)
		check(at, p->tag, p->all, "arena, just written");
}

static void range_access(struct range r)
{
	for (unsigned i = r.first; i < r.first + r.nr; i++)
		access_page(r.a, i);
}

static void range_map(struct range r, int file)
{
	unsigned from = rnd(NR_STATIC);
	int prot = rnd(4) == 0 ? PROT_READ : PROT_READ | PROT_WRITE;

	if (file && from + r.nr > NR_STATIC)
		from = NR_STATIC >= r.nr ? NR_STATIC - r.nr : 0;
	if (file && r.nr > NR_STATIC)
		file = 0;
	MUST(mmap(page_at(r.a, r.first), r.nr * PAGE, prot, MAP_PRIVATE | MAP_FIXED | (file ? 0 : MAP_ANONYMOUS), file ? static_fd : -1,
		  file ? from * PAGE : 0) == page_at(r.a, r.first));
	for (unsigned i = 0; i < r.nr; i++)
		arenas[r.a].page[r.first + i] = (struct page){
			.tag = file ? static_tag(from + i) : 0, .base = file ? static_tag(from + i) : 0, .mapped = 1, .prot = (uint8_t)prot,
			.all = 1, .base_all = 1,
		};
	stats[STAT_map]++;
}

static void range_unmap(struct range r)
{
	MUST(munmap(page_at(r.a, r.first), r.nr * PAGE) == 0);
	for (unsigned i = 0; i < r.nr; i++)
		arenas[r.a].page[r.first + i].mapped = 0;
	stats[STAT_unmap]++;
}

static void range_protect(struct range r)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE };
	int prot = prots[rnd(4)];
	unsigned i = r.first;

	while (i < r.first + r.nr && arenas[r.a].page[i].mapped)
		i++;
	r.nr = i - r.first;			/* up to the first hole */
	if (r.nr == 0)
		return;
	MUST(mprotect(page_at(r.a, r.first), r.nr * PAGE, prot) == 0);
	for (i = r.first; i < r.first + r.nr; i++)
		arenas[r.a].page[i].prot = (uint8_t)prot;
	stats[STAT_protect]++;
}

static void range_forget(struct range r)
{
	int rc = madvise(page_at(r.a, r.first), r.nr * PAGE, MADV_DONTNEED), holes = 0;

	for (unsigned i = r.first; i < r.first + r.nr; i++) {
		struct page *p = &arenas[r.a].page[i];

		holes |= !p->mapped;
		p->tag = p->base;
		p->all = p->base_all;
	}
	MUST(rc == 0 || (holes && errno == ENOMEM));	/* what is mapped was forgotten in any case */
	stats[STAT_forget]++;
}

/* read() of many pages at once, as far as they can be written; often into fresh ones, of which it then touches some. */
static void range_load(struct range r)
{
	struct page *p = &arenas[r.a].page[r.first];
	unsigned from = rnd(NR_LOAD - r.nr + 1), can = 0;
	ssize_t n;

	if (rnd(4) != 0) {
		range_map(r, 0);
		if (rnd(2) == 0)
			access_page(r.a, r.first + rnd(r.nr));
	}
	while (can < r.nr && p[can].mapped && (p[can].prot & PROT_WRITE))
		can++;
	n = pread(load_fd, page_at(r.a, r.first), r.nr * PAGE, from * (off_t)PAGE);
	MUST(can > 0 ? n == (ssize_t)(can * PAGE) : n == -1 && errno == EFAULT);
	for (unsigned i = 0; i < can; i++) {
		p[i].tag = load_tag(from + i);
		p[i].all = 1;
	}
	range_access(r);
	stats[STAT_load]++;
}

/* Fresh pages, written, moved onto another range: they and their contents are there, and no more here. */
static void range_move(struct range from)
{
	struct range to = { from.a, 0, from.nr };
	struct page *p = arenas[from.a].page;

	for (unsigned tries = 0; ; tries++) {
		unsigned last = (from.first + from.nr - 1) / CHUNK, c;

		if (tries == 10)
			return;
		to.first = rnd(ARENA_PAGES - to.nr + 1);
		c = to.first / CHUNK;
		if ((c > last || (to.first + to.nr - 1) / CHUNK < from.first / CHUNK) &&
		    chunks_lock(to.a, c, (to.first + to.nr - 1) / CHUNK))
			break;
	}
	if (from.nr > 1 || !p[from.first].mapped || rnd(4) == 0)
		range_map(from, rnd(4) == 0);		/* one mapping for sure */
	range_access(from);
	MUST(mremap(page_at(from.a, from.first), from.nr * PAGE, to.nr * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    page_at(to.a, to.first)) == page_at(to.a, to.first));
	for (unsigned i = 0; i < from.nr; i++) {
		p[to.first + i] = p[from.first + i];
		p[from.first + i].mapped = 0;
	}
	range_access(to);
	range_access(from);
	range_unlock(to);
	stats[STAT_move]++;
}

/* The kernel as the one who reads and writes the page. */
static void page_by_kernel(unsigned a, unsigned i)
{
	struct page *p = &arenas[a].page[i];
	uint64_t word[2];
	unsigned from = rnd(NR_STATIC);
	int ends[2];
	ssize_t n;

	if (!p->mapped)
		return;
	n = pread(static_fd, page_at(a, i), PAGE, from * (off_t)PAGE);
	if (p->prot & PROT_WRITE) {
		MUST(n == (ssize_t)PAGE);
		p->tag = static_tag(from);
		p->all = 1;
	} else {
		MUST(n == -1 && errno == EFAULT);
	}
	MUST(pipe(ends) == 0);
	n = write(ends[1], page_at(a, i) + 73 * 8, 8);
	if (p->prot & PROT_READ) {
		MUST(n == 8 && read(ends[0], word, 8) == 8);
		if (word[0] != word_of(p->tag, 73))
			bad("write() from %p gives %#llx, should be %#llx", page_at(a, i), (unsigned long long)word[0],
			    (unsigned long long)word_of(p->tag, 73));
	} else {
		MUST(n == -1 && errno == EFAULT);
	}
	MUST(close(ends[0]) == 0 && close(ends[1]) == 0);
	stats[STAT_kernel]++;
}

static void arena_op(void)
{
	unsigned what = rnd(100);
	struct range r;

	if (!range_pick(&r, what < 50 ? 8 : what >= 92 && what < 96 ? ARENA_PAGES : 6))
		return;
	if (what < 58)
		range_access(r);
	else if (what < 66)
		range_map(r, rnd(3) == 0);
	else if (what < 70)
		range_unmap(r);
	else if (what < 76)
		range_protect(r);
	else if (what < 80)
		range_forget(r);
	else if (what < 92)
		range_move(r);
	else if (what < 96)
		range_load(r);
	else
		page_by_kernel(r.a, r.first);
	range_unlock(r);
}

/* --- memory that is this thread's alone: grown, shrunk, moved by the system --- */

static void grow_op(void)
{
	size_t nr = 1 + rnd(12), more = nr + 1 + rnd(12), less = 1 + rnd((unsigned)nr);
	uint64_t tag = new_tag();
	char *p = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *q;

	MUST(p != MAP_FAILED);
	for (size_t i = 0; i < nr; i++)
		fill(p + i * PAGE, tag + i, 0);
	q = mremap(p, nr * PAGE, more * PAGE, MREMAP_MAYMOVE);
	MUST(q != MAP_FAILED);
	for (size_t i = 0; i < more; i++)
		check(q + i * PAGE, i < nr ? tag + i : 0, 0, "grown");
	MUST(mremap(q, more * PAGE, less * PAGE, 0) == q);
	for (size_t i = 0; i < less; i++)
		check(q + i * PAGE, tag + i, 0, "shrunk");
	memmove(q + 1, q, less * PAGE - 1);		/* each word straddles two of the old, some of them two pages */
	for (size_t i = 0; i < less; i++) {
		uint64_t w;

		memcpy(&w, q + i * PAGE + 73 * 8 + 1, 8);
		if (w != word_of(tag + i, 73))
			bad("moved by a byte: page %zu has %#llx", i, (unsigned long long)w);
	}
	MUST(munmap(q, less * PAGE) == 0);
	stats[STAT_grow]++;
}

/* --- chaos --- */

static uint64_t family;		/* of processes: a worker and its descendants */

static uint64_t chaos_word(uint64_t r) { return family << 48 | (r & 0xffffff) << 24 | (pattern(r & 0xffffff, family) & 0xffffff); }

static void chaos_access(char *at)
{
	volatile uint64_t *w = (uint64_t *)at + rnd(PAGE_WORDS);
	int write = (int)rnd(2);
	uint64_t is, new = chaos_word(rnd(1 << 24));

	guarded = 1;
	if (sigsetjmp(back, 0) != 0) {
		guarded = 0;
		stats[STAT_fault]++;
		return;
	}
	is = *w;
	if (write)
		*w = new;
	guarded = 0;
	if (is != 0 && is != chaos_word(is >> 24))
		bad("chaos: word %p is %#llx, which family %#llx never wrote", (void *)w, (unsigned long long)is, (unsigned long long)family);
}

static void chaos_op(void)
{
	unsigned first = rnd(CHAOS_PAGES), nr = 1 + rnd(CHAOS_PAGES - first < 5 ? CHAOS_PAGES - first : 5);
	char *at = CHAOS_AT + first * PAGE, *to = CHAOS_AT + rnd(CHAOS_PAGES - nr + 1) * PAGE;

	stats[STAT_chaos]++;
	switch (rnd(16)) {
	case 0: case 1:
		MUST(mmap(at, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
		break;
	case 2:
		MUST(munmap(at, nr * PAGE) == 0);
		break;
	case 3:
		(void)mprotect(at, nr * PAGE, rnd(2) == 0 ? PROT_READ : PROT_READ | PROT_WRITE);
		break;
	case 4:
		(void)madvise(at, nr * PAGE, MADV_DONTNEED);
		break;
	case 5: case 6: case 7:
		if (mremap(at, nr * PAGE, nr * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
			MUST(errno == EFAULT || errno == EINVAL);	/* holes; overlapping */
		break;
	default:
		for (unsigned i = 0; i < 6; i++)
			chaos_access(CHAOS_AT + rnd(CHAOS_PAGES) * PAGE);
	}
}

/* --- shared pages --- */

static atomic_int in_shared, no_shared;		/* of this process: threads that may hold such a lock; it is about to end */

static int shared_enter(void)
{
	atomic_fetch_add(&in_shared, 1);
	if (!atomic_load(&no_shared))
		return 1;
	atomic_fetch_sub(&in_shared, 1);
	return 0;
}

static void shared_leave(void) { atomic_fetch_sub(&in_shared, 1); }

static void shared_op(void)
{
	unsigned i = rnd(NR_SHARED);
	struct shared_page *p = &world->page[i];
	uint64_t version;

	if (!shared_enter())
		return;
	MUST(pthread_mutex_lock(&p->lock) == 0);
	version = p->version;
	if (p->copy != version || p->room[200] != word_of(version, 200))
		bad("shared page %u: version %llu, copy %llu, word %#llx", i, (unsigned long long)version, (unsigned long long)p->copy,
		    (unsigned long long)p->room[200]);
	if (version != atomic_load(&world->done[i]))
		bad("shared page %u: version %llu, changed %lu times", i, (unsigned long long)version, atomic_load(&world->done[i]));
	if (rnd(2) == 0) {
		p->version = version + 1;
		p->room[200] = word_of(version + 1, 200);
		p->copy = version + 1;
		atomic_fetch_add(&world->done[i], 1);
	}
	MUST(pthread_mutex_unlock(&p->lock) == 0);
	shared_leave();
	stats[STAT_shared]++;
}

static uint64_t file_tag(unsigned i, uint64_t version) { return version == 0 ? 0 : 0xf11e0000 + i * 0x100000000ull * 16 + version; }

/* The page through a mapping of another address, or through read() and write(). */
static void file_other_door(unsigned i, uint64_t tag)
{
	uint64_t w;
	char *p;

	if (rnd(2) == 0) {
		MUST(pread(file_fd, &w, 8, i * (off_t)PAGE + 73 * 8) == 8);
		if (w != word_of(tag, 73))
			bad("read() of shared file page %u: %#llx, should be %#llx", i, (unsigned long long)w, (unsigned long long)word_of(tag, 73));
		return;
	}
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file_fd, i * (off_t)PAGE);
	MUST(p != MAP_FAILED);
	check(p, tag, 0, "shared file, mapped elsewhere");
	MUST(munmap(p, PAGE) == 0);
}

static void file_op(void)
{
	unsigned i = rnd(NR_FILE);
	char *at = shared_file + i * PAGE;
	uint64_t version;

	if (!shared_enter())
		return;
	MUST(pthread_mutex_lock(&world->file_lock[i]) == 0);
	version = world->file_version[i];
	if (version != atomic_load(&world->file_done[i]))
		bad("file page %u: version %llu, changed %lu times", i, (unsigned long long)version, atomic_load(&world->file_done[i]));
	check(at, file_tag(i, version), 0, "shared file");
	if (rnd(3) == 0)
		file_other_door(i, file_tag(i, version));
	if (rnd(2) == 0) {
		version++;
		if (rnd(4) == 0) {
			char page[PAGE];

			memset(page, 0, sizeof(page));
			fill(page, file_tag(i, version), 0);
			MUST(pwrite(file_fd, page, PAGE, i * (off_t)PAGE) == (ssize_t)PAGE);
			check(at, file_tag(i, version), 0, "shared file after write()");
		} else {
			fill(at, file_tag(i, version), 0);
		}
		world->file_version[i] = version;
		atomic_fetch_add(&world->file_done[i], 1);
	}
	if (rnd(32) == 0)
		MUST(msync(at, PAGE, MS_SYNC) == 0);
	MUST(pthread_mutex_unlock(&world->file_lock[i]) == 0);
	shared_leave();
	stats[STAT_file]++;
}

/* --- processes --- */

static void some_ops(unsigned nr);

static void leave_process(int status)
{
	stats_add();
	atomic_fetch_sub(&world->live, 1);
	_exit(status);
}

static unsigned depth;
static int must_exec;		/* the next child does */

static void child_run(void)
{
	char number[24], *args[] = { (char *)program, "exec", number, NULL };

	alone = 1;
	depth++;
	memset(stats, 0, sizeof(stats));
	atomic_store(&in_shared, 0);
	rnd_begin((uint64_t)getpid() << 20 | (unsigned)rnd(1 << 20));
	for (unsigned a = 0; a < NR_ARENAS; a++)
		for (unsigned i = 0; i < ARENA_PAGES; i++)
			if (arenas[a].known[i / CHUNK] && rnd(2) == 0)
				access_page(a, i);
	if (!must_exec)
		some_ops(5 + rnd(60));
	if (!must_exec && rnd(4) != 0)
		leave_process(0);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)state);
	stats[STAT_exec]++;
	stats_add();
	atomic_fetch_sub(&world->live, 1);
	execv(program, args);
	bad("execv: %s", strerror(errno));
}

/* Whatever this thread can lock at this moment is known to the child. */
static void fork_op(void)
{
	uint8_t mine[NR_ARENAS][NR_CHUNKS];
	int status;
	pid_t pid;

	if (depth >= 2 || atomic_fetch_add(&world->live, 1) >= MAX_PROCESSES) {
		if (depth < 2)
			atomic_fetch_sub(&world->live, 1);
		return;
	}
	for (unsigned a = 0; a < NR_ARENAS; a++)
		for (unsigned c = 0; c < NR_CHUNKS; c++) {
			mine[a][c] = alone ? arenas[a].known[c] : pthread_mutex_trylock(&arenas[a].lock[c]) == 0;
		}
	pid = fork();
	if (pid == 0) {
		for (unsigned a = 0; a < NR_ARENAS; a++)
			memcpy(arenas[a].known, mine[a], sizeof(mine[a]));
		child_run();
	}
	for (unsigned a = 0; a < NR_ARENAS; a++)
		for (unsigned c = 0; c < NR_CHUNKS; c++)
			if (!alone && mine[a][c])
				pthread_mutex_unlock(&arenas[a].lock[c]);
	MUST(pid > 0);
	stats[STAT_fork]++;
	some_ops(rnd(40));			/* while the child works */
	MUST(waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		bad("child %d ended with %#x", (int)pid, (unsigned)status);
}

/* What exec gives: zeros where there must be zeros, and memory that works. */
static uint64_t bss[16 * PAGE_WORDS];
static uint64_t data[PAGE_WORDS] = { 1, 2, 3 };

static int exec_main(const char *number)
{
	uint64_t tag = strtoull(number, NULL, 10) | 1;

	for (unsigned i = 0; i < 16 * PAGE_WORDS; i += 61)
		MUST(bss[i] == 0);
	MUST(data[0] == 1 && data[2] == 3 && data[3] == 0);
	for (unsigned i = 0; i < 16; i++)
		fill((char *)(bss + i * PAGE_WORDS), tag + i, 0);
	for (unsigned i = 0; i < 16; i++)
		check((char *)(bss + i * PAGE_WORDS), tag + i, 0, "after exec");
	_exit(0);
}

static void some_ops(unsigned nr)
{
	while (nr-- > 0 && !over()) {
		unsigned what = rnd(100);

		if (what < 55)
			arena_op();
		else if (what < 70)
			chaos_op();
		else if (what < 82)
			shared_op();
		else if (what < 92)
			file_op();
		else if (what < 97)
			grow_op();
		else
			fork_op();
	}
}

/* --- a worker: threads that come and go --- */

static atomic_int stop;

static void *thread_main(void *arg)
{
	rnd_begin((uint64_t)getpid() << 24 | (uintptr_t)arg);
	while (!atomic_load(&stop) && !over()) {
		some_ops(20);
		if (rnd(20) == 0)
			break;
	}
	stats[STAT_thread]++;
	stats_add();
	return NULL;
}

static void arenas_begin(void)
{
	for (unsigned a = 0; a < NR_ARENAS; a++) {
		for (unsigned c = 0; c < NR_CHUNKS; c++)
			pthread_mutex_init(&arenas[a].lock[c], NULL);
		for (unsigned i = 0; i < ARENA_PAGES; i += 8)
			range_map((struct range){ a, i, 8 }, rnd(4) == 0);
	}
	MUST(mmap(CHAOS_AT, CHAOS_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == CHAOS_AT);
}

static void range_map_anonymous(struct range r) { range_map(r, 0); }
static void range_kernel(struct range r) { page_by_kernel(r.a, r.first); }

/* However slow the machine is, each deed is done once at least: by the first worker, before it has threads. */
static void every_deed(void)
{
	void (*const deeds[])(struct range r) = { range_map_anonymous, range_kernel, range_access, range_load, range_protect, range_forget,
						  range_move, range_unmap };
	struct range r;

	for (unsigned i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		while (!range_pick(&r, 6))
			;
		deeds[i](r);
		range_unlock(r);
	}
	grow_op();
	chaos_op();
	shared_op();
	file_op();
	must_exec = 1;
	fork_op();
	must_exec = 0;
}

static void worker(unsigned number)
{
	pthread_t threads[NR_THREADS];
	unsigned rounds = 3 + rnd(12);

	family = number;
	rnd_begin(number);
	arenas_begin();
	if (number == 1)
		every_deed();
	for (unsigned i = 0; i < NR_THREADS; i++)
		MUST(pthread_create(&threads[i], NULL, thread_main, (void *)(uintptr_t)i) == 0);
	for (unsigned round = 0; round < rounds && !over(); round++) {
		unsigned i = round % NR_THREADS;

		some_ops(30);
		MUST(pthread_join(threads[i], NULL) == 0);
		MUST(pthread_create(&threads[i], NULL, thread_main, (void *)(uintptr_t)(round * 16 + i)) == 0);
	}
	if (rnd(3) == 0) {			/* in the middle of it all, but with nothing that others wait for */
		atomic_store(&no_shared, 1);
		while (atomic_load(&in_shared) != 0)
			sched_yield();
		leave_process(0);
	}
	atomic_store(&stop, 1);
	for (unsigned i = 0; i < NR_THREADS; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
	for (unsigned a = 0; a < NR_ARENAS; a++)
		range_access((struct range){ a, 0, ARENA_PAGES });
	leave_process(0);
}

/* --- the whole --- */

static int make_file(const char *name, unsigned nr, uint64_t (*tag)(unsigned))
{
	const char *folder = getenv("TMPDIR");
	char path[200], page[PAGE];
	int fd;

	snprintf(path, sizeof(path), "%s/pcache_stress.%d.%s", folder != NULL ? folder : "/tmp", (int)getpid(), name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		fail("%s: %s", path, strerror(errno));
	for (unsigned i = 0; i < nr; i++) {
		fill(page, tag(i), 1);
		MUST(write(fd, page, PAGE) == (ssize_t)PAGE);
	}
	MUST(unlink(path) == 0);
	return fd;
}

static uint64_t zero_tag(unsigned page)
{
	(void)page;
	return 0;
}

static void world_begin(void)
{
	pthread_mutexattr_t shared;

	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(world != MAP_FAILED);
	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	for (unsigned i = 0; i < NR_SHARED; i++)
		pthread_mutex_init(&world->page[i].lock, &shared);
	for (unsigned i = 0; i < NR_FILE; i++)
		pthread_mutex_init(&world->file_lock[i], &shared);
	static_fd = make_file("static", NR_STATIC, static_tag);
	load_fd = make_file("load", NR_LOAD, load_tag);
	file_fd = make_file("shared", NR_FILE, zero_tag);
	shared_file = mmap(NULL, NR_FILE * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file_fd, 0);
	MUST(shared_file != MAP_FAILED);
}

static void world_check(void)
{
	for (unsigned i = 0; i < NR_SHARED; i++)
		if (world->page[i].version != atomic_load(&world->done[i]) || world->page[i].copy != world->page[i].version)
			bad("shared page %u: version %llu, changed %lu times", i, (unsigned long long)world->page[i].version,
			    atomic_load(&world->done[i]));
	MUST(munmap(shared_file, NR_FILE * PAGE) == 0);
	for (unsigned i = 0; i < NR_FILE; i++) {
		char page[PAGE];

		MUST(pread(file_fd, page, PAGE, i * (off_t)PAGE) == (ssize_t)PAGE);
		check(page, file_tag(i, atomic_load(&world->file_done[i])), 0, "shared file at the end");
	}
}

static void run_workers(void)
{
	unsigned running = 0, number = 0;
	int status;

	while (!over() || running > 0) {
		pid_t pid = 0;

		if (running < NR_WORKERS && !over()) {
			atomic_fetch_add(&world->live, 1);
			number++;
			pid = fork();
			MUST(pid >= 0);
			if (pid == 0)
				worker(number);
			running++;
			stats[STAT_process]++;
			continue;
		}
		MUST(waitpid(-1, &status, 0) > 0);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			bad("a worker ended with %#x", (unsigned)status);
		running--;
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	int ends[2];
	char c;

	if (argc == 3 && strcmp(argv[1], "exec") == 0)
		return exec_main(argv[2]);
	if (argc < 2 || argc > 3 || number_arg(argc, argv, 1, 0) == 0) {
		fprintf(stderr, "usage: pcache_stress SECONDS [SEED]\n");
		return 2;
	}
	program = argv[0];
	seed = number_arg(argc, argv, 2, 1);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (time_t)number_arg(argc, argv, 1, 1);
	MUST(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0);
	MUST(pipe(ends) == 0);		/* every process has its writing end: it is at its end when all are gone */
	rnd_begin(0);
	world_begin();
	run_workers();
	MUST(close(ends[1]) == 0);
	MUST(read(ends[0], &c, 1) == 0);
	if (atomic_load(&world->failed))
		return 1;
	world_check();
	stats_add();
	printf("pcache_stress: OK");
#define STAT_SHOW(s) printf(" %s %lu", #s, atomic_load(&world->stats[STAT_##s]));
	STATS(STAT_SHOW)
	printf("\n");
	return 0;
}
