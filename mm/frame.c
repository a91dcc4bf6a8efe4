/* SPDX-License-Identifier: MIT */
/*
 * The buddy allocator: free blocks of 2^0 to 2^10 frames, each aligned to its size; a freed block is joined with its buddy while
 * that is free and whole. Single frames pass through a small cache per CPU. All metadata stands in the array of struct frame,
 * indexed by frame number; nothing is kept in the frames (L27).
 */
#include "arch/x86/cpu.h"
#include "lib/base/lock.h"
#include "lib/base/percpu.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/bootmem.h"
#include "mm/frame.h"

#define CACHE_SIZE	64
#define CACHE_BATCH	32
#define ORDER_INSIDE	0xff		/* of a free frame that heads no block */
#define ORDER_FREE	0x80		/* with the order: of the head of a block in free_blocks; written under buddy_lock only */
#define ORDER_CACHED	0xfe		/* of a free frame in a CPU's cache */
#define POISON		0x6b6b6b6b6b6b6b6bULL

static struct frame *frames;		/* [I] by number - first_nr */
static u64 first_nr, end_nr;		/* [I] */
static u64 nr_total;			/* [I] frames of RAM, the reserved ones included */

static DEFINE_SPINLOCK(buddy_lock, RANK_BUDDY);
static struct list free_blocks[MAX_ORDER + 1];	/* [buddy_lock] by link */
static u64 nr_free;			/* [buddy_lock] in free_blocks */

struct frame_cache {			/* [own CPU, preemption off]; nr is read by frames_free_count() */
	u64 nr;
	struct frame *frame[CACHE_SIZE];
};
static DEFINE_PER_CPU(struct frame_cache, frame_cache);

struct frame *frame_of_phys(paddr_t pa)
{
	u64 nr = pa >> PAGE_SHIFT;

	return nr < first_nr || nr >= end_nr ? NULL : &frames[nr - first_nr];
}

paddr_t frame_phys(const struct frame *f) { return (first_nr + (u64)(f - frames)) << PAGE_SHIFT; }

/* --- poison (debug): a free frame's bytes are checked when it is used again --- */

static void poison_set(struct frame *f, unsigned order)
{
	if (!IS_ENABLED(CONFIG_DEBUG))
		return;
	for (unsigned i = 0; i < 1U << order; i++)
		memset(frame_virt(f + i), (int)(u8)POISON, PAGE_SIZE);
}

static void poison_check(struct frame *f, unsigned order)
{
	const u64 *word, *end;

	if (!IS_ENABLED(CONFIG_DEBUG))
		return;
	word = frame_virt(f);
	for (end = word + (PAGE_SIZE << order) / 8; word < end; word++) {
		if (*word != POISON)
			panic("frame at %llx written after it was freed: %llx", (unsigned long long)virt_to_phys(word),
			      (unsigned long long)*word);
	}
}

/* --- buddies; buddy_lock held --- */

static void block_add(struct frame *f, unsigned order)
{
	f->order = ORDER_FREE | order;
	list_add_head(&free_blocks[order], &f->link);
	nr_free += 1ULL << order;
}

static void block_del(struct frame *f)
{
	nr_free -= 1ULL << (f->order & ~ORDER_FREE);
	f->order = ORDER_INSIDE;
	list_del(&f->link);
}

/*
 * The block's other half one order up, if all of it is free as one block. Only the mark says so: use and order of a frame that is
 * being handed out or taken back by another CPU change without the lock.
 */
static struct frame *free_buddy(struct frame *f, unsigned order)
{
	u64 nr = (first_nr + (u64)(f - frames)) ^ (1ULL << order);
	struct frame *b = frame_of_phys(nr << PAGE_SHIFT);

	return b != NULL && b->order == (ORDER_FREE | order) ? b : NULL;
}

static void block_free(struct frame *f, unsigned order)
{
	struct frame *b;

	f->order = ORDER_INSIDE;
	while (order < MAX_ORDER && (b = free_buddy(f, order)) != NULL) {
		block_del(b);
		if (b < f)
			f = b;
		order++;
	}
	block_add(f, order);
}

static struct frame *block_alloc(unsigned order)
{
	struct frame *f = NULL;
	unsigned have = order;

	while (have <= MAX_ORDER && (f = list_first(&free_blocks[have], struct frame, link)) == NULL)
		have++;
	if (f == NULL)
		return NULL;
	block_del(f);
	while (have > order) {		/* give the upper half back */
		have--;
		block_add(f + (1U << have), have);
	}
	return f;
}

/* --- the caches of single frames; preemption off --- */

static struct frame *cached_alloc(void)
{
	struct frame_cache *c = this_cpu_ptr(&frame_cache);

	if (c->nr == 0) {
		spin_lock(&buddy_lock);
		while (c->nr < CACHE_BATCH) {
			struct frame *f = block_alloc(0);

			if (f == NULL)
				break;
			f->order = ORDER_CACHED;
			c->frame[c->nr++] = f;
		}
		spin_unlock(&buddy_lock);
	}
	return c->nr == 0 ? NULL : c->frame[--c->nr];
}

static void cached_free(struct frame *f)
{
	struct frame_cache *c = this_cpu_ptr(&frame_cache);

	if (c->nr == CACHE_SIZE) {
		spin_lock(&buddy_lock);
		while (c->nr > CACHE_SIZE - CACHE_BATCH)
			block_free(c->frame[--c->nr], 0);
		spin_unlock(&buddy_lock);
	}
	f->order = ORDER_CACHED;
	c->frame[c->nr++] = f;
}

/* --- for everybody --- */

static void block_hand_out(struct frame *f, u64 nr, enum frame_use use)
{
	for (u64 i = 0; i < nr; i++) {
		BUG_ON(f[i].use != FRAME_FREE);
		f[i] = (struct frame){ .use = use };
		ref_init(&f[i].refs, 1);
		list_init(&f[i].link);
	}
}

struct frame *frames_alloc(unsigned order, enum frame_use use, unsigned flags)
{
	struct frame *f;

	if (order > MAX_ORDER)
		return NULL;
	preempt_disable();
	if (order == 0) {
		f = cached_alloc();
	} else {
		spin_lock(&buddy_lock);
		f = block_alloc(order);
		spin_unlock(&buddy_lock);
	}
	preempt_enable();
	if (f == NULL)
		return NULL;
	poison_check(f, order);
	block_hand_out(f, 1ULL << order, use);
	f->order = order;
	for (unsigned i = 1; i < 1U << order; i++)
		f[i].order = ORDER_INSIDE;
	if (flags & FRAME_ZERO) {
		for (unsigned i = 0; i < 1U << order; i++)
			page_zero(frame_virt(f + i));
	} else if (IS_ENABLED(CONFIG_DEBUG)) {		/* not zero by chance, and not poison that looks free (L4) */
		memset(frame_virt(f), 0xa5, PAGE_SIZE << order);
	}
	return f;
}

void frames_free(struct frame *f, unsigned order)
{
	if (f->order != order)
		panic("frame %llx freed with order %u, allocated with %u", (unsigned long long)frame_phys(f), order, f->order);
	poison_set(f, order);
	for (unsigned i = 0; i < 1U << order; i++) {
		if (f[i].use == FRAME_FREE || f[i].use == FRAME_RESERVED)
			panic("frame %llx freed that is %s", (unsigned long long)frame_phys(f + i),
			      f[i].use == FRAME_FREE ? "free" : "reserved");
		f[i].use = FRAME_FREE;
		f[i].order = ORDER_INSIDE;
		f[i].owner = NULL;
		f[i].private = 0;
	}
	preempt_disable();
	if (order == 0) {
		cached_free(f);
	} else {
		spin_lock(&buddy_lock);
		block_free(f, order);
		spin_unlock(&buddy_lock);
	}
	preempt_enable();
}

void frames_split(struct frame *f, unsigned order)
{
	BUG_ON(f->order != order);
	for (unsigned i = 0; i < 1U << order; i++)
		f[i].order = 0;
}

/* Whole blocks of the largest order in a row; what is over goes back. */
struct frame *frames_alloc_boot(u64 nr_frames, enum frame_use use)
{
	const u64 step = 1ULL << MAX_ORDER;
	struct frame *run = NULL;
	u64 have = 0, nr;

	if (nr_frames == 0)
		return NULL;
	spin_lock(&buddy_lock);
	for (nr = ALIGN_UP(first_nr, step); nr + step <= end_nr && have < nr_frames; nr += step) {
		struct frame *f = &frames[nr - first_nr];

		if (f->order != (ORDER_FREE | MAX_ORDER)) {
			have = 0;
			continue;
		}
		if (have == 0)
			run = f;
		have += step;
	}
	if (have < nr_frames) {
		spin_unlock(&buddy_lock);
		return NULL;
	}
	for (u64 i = 0; i < have; i += step)
		block_del(run + i);
	for (u64 i = nr_frames; i < have;) {
		unsigned order = MIN((unsigned)__builtin_ctzll(i), (unsigned)MAX_ORDER);

		block_add(run + i, order);
		i += 1ULL << order;
	}
	spin_unlock(&buddy_lock);
	block_hand_out(run, nr_frames, use);
	return run;
}

u64 frames_total(void) { return nr_total; }

u64 frames_free_count(void)
{
	u64 n = __atomic_load_n(&nr_free, __ATOMIC_RELAXED);

	for_each_cpu(cpu)
		n += __atomic_load_n(&per_cpu(frame_cache, cpu).nr, __ATOMIC_RELAXED);
	return n;
}

/* --- boot --- */

static void free_range(paddr_t start, paddr_t end, void *arg)
{
	u64 nr = start >> PAGE_SHIFT, last = end >> PAGE_SHIFT;

	while (nr < last) {
		unsigned order = nr == 0 ? MAX_ORDER : MIN((unsigned)__builtin_ctzll(nr), (unsigned)MAX_ORDER);
		struct frame *f = &frames[nr - first_nr];

		while (nr + (1ULL << order) > last)
			order--;
		for (u64 i = 0; i < 1ULL << order; i++) {
			f[i].use = FRAME_FREE;
			f[i].order = ORDER_INSIDE;
		}
		poison_set(f, order);
		block_free(f, order);
		nr += 1ULL << order;
	}
}

void frames_init(void)
{
	paddr_t start, end;
	u64 bytes;

	nr_total = bootmem_extent(&start, &end) >> PAGE_SHIFT;
	first_nr = start >> PAGE_SHIFT;
	end_nr = end >> PAGE_SHIFT;
	bytes = page_up((end_nr - first_nr) * sizeof(struct frame));
	frames = phys_to_virt(bootmem_alloc(bytes));
	memset(frames, 0, bytes);		/* FRAME_RESERVED, until said otherwise */
	for (unsigned o = 0; o <= MAX_ORDER; o++)
		list_init(&free_blocks[o]);
	for (u64 i = 0; i < end_nr - first_nr; i++)
		list_init(&frames[i].link);
	bootmem_for_each_free(free_range, NULL);
	pr_info("memory: %llu MiB, %llu MiB free, %llu KiB for frame structs", (unsigned long long)nr_total >> 8,
		(unsigned long long)nr_free >> 8, (unsigned long long)bytes >> 10);
}
