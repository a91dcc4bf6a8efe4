/* SPDX-License-Identifier: MIT */
/*
 * The slab allocator. A cache holds objects of one size; its slabs are single frames cut into objects (an object larger than half a
 * page has a block of frames of its own), so that no object crosses a page that need not (L6). A slab's free objects are linked
 * through their first word; everything else about it stands in its struct frame: link (on the cache's list of slabs with room),
 * flags (objects handed out), private (first free object), owner (the cache). In front stands a magazine of objects per CPU.
 *
 * Debug builds add a tail behind each object: red zone, the size asked for, whether it is live. Freed objects are filled with one
 * pattern, which is checked when they are handed out again, fresh ones with another (L4). They are held back for a while: who
 * writes to one late writes to nobody else's memory, and is seen.
 */
#include "arch/x86/cpu.h"
#include "lib/base/lock.h"
#include "lib/base/percpu.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"
#include "mm/slab.h"

#define MAGAZINE	24
#define BATCH		12
#define CACHE_ALIGN	64

struct magazine {			/* [own CPU, preemption off] */
	s64 live;			/* allocations less frees on this CPU; read by kmem_cache_live() */
	u64 nr;
	void *object[MAGAZINE];
};

struct kmem_cache {
	const char *name;		/* [I] */
	u32 size, align, stride;	/* [I] of an object; distance of two */
	u32 order, per_slab;		/* [I] */
	struct spinlock lock;
	struct list with_room;		/* [lock] slabs that have a free object */
	u64 nr_slabs, nr_empty;		/* [lock] */
	struct list link;		/* [caches_lock] */
	struct magazine mag[MAX_CPUS];
};

static DEFINE_SPINLOCK(caches_lock, RANK_SLAB);
static struct list caches = LIST_INIT(caches);
static struct kmem_cache cache_of_caches;

/* --- debug: tails and patterns --- */

#define FREED	0x6b
#define FRESH	0xa5
#define BEYOND	0xbb			/* from the size asked for to the object's end */
#define RED	0x0123456789abcdefULL
enum { LIVE = 0x4c495645, FREE = 0x66726565 };
struct tail { u64 red; u32 asked, state; };

static inline struct tail *tail_of(const struct kmem_cache *c, void *p) { return (struct tail *)((char *)p + ALIGN_UP(c->size, 8)); }

static void expect(const struct kmem_cache *c, void *p, size_t from, size_t to, u8 byte, const char *what)
{
	const u8 *s = p;

	for (size_t i = from; i < to; i++) {
		if (s[i] != byte)
			panic("slab %s: object %p: %s, byte %zu is %02x", c->name, p, what, i, s[i]);
	}
}

static void debug_fresh(struct kmem_cache *c, void *p)
{
	if (IS_ENABLED(CONFIG_DEBUG)) {
		*tail_of(c, p) = (struct tail){ RED, 0, FREE };
		memset(p, FREED, c->size);
	}
}

static void debug_alloc(struct kmem_cache *c, void *p, size_t asked)
{
	struct tail *t;

	if (!IS_ENABLED(CONFIG_DEBUG))
		return;
	t = tail_of(c, p);
	if (t->red != RED || t->state != FREE)
		panic("slab %s: object %p: tail of the free object overwritten", c->name, p);
	expect(c, p, 0, c->size, FREED, "written after it was freed");
	memset(p, FRESH, asked);
	memset((char *)p + asked, BEYOND, c->size - asked);
	t->asked = asked;
	t->state = LIVE;
}

static void debug_free(struct kmem_cache *c, void *p)
{
	struct tail *t;

	if (!IS_ENABLED(CONFIG_DEBUG))
		return;
	t = tail_of(c, p);
	if (((uintptr_t)p & (PAGE_SIZE - 1)) % c->stride != 0)
		panic("slab %s: %p freed, which is inside an object", c->name, p);
	if (t->state == FREE)
		panic("slab %s: object %p freed twice", c->name, p);
	if (t->red != RED || t->state != LIVE)
		panic("slab %s: object %p: written beyond its end", c->name, p);
	expect(c, p, t->asked, c->size, BEYOND, "written beyond the size asked for");
	memset(p, FREED, c->size);
	t->state = FREE;
}

/* In debug builds the freed objects wait here, oldest first. */
#define HELD	4096
struct held { struct kmem_cache *c; void *p, *by; };
static DEFINE_SPINLOCK(held_lock, RANK_SLAB);
static struct held held[HELD];			/* [held_lock] */
static u32 next_held;				/* [held_lock] the oldest */

/* One in, the oldest out; in->p NULL: out alone. */
static struct held hold_back(struct held in)
{
	struct held old;

	spin_lock(&held_lock);
	old = held[next_held];
	held[next_held] = in;
	next_held = (next_held + 1) % HELD;
	spin_unlock(&held_lock);
	for (size_t i = 0; old.p != NULL && i < old.c->size; i++)
		if (((u8 *)old.p)[i] != FREED)
			panic("slab %s: object %p, freed by %p: written after it was freed, byte %zu is %02x", old.c->name, old.p, old.by, i,
			      ((u8 *)old.p)[i]);
	return old;
}

/* --- slabs; the cache's lock held --- */

static struct frame *slab_of(const void *p)
{
	return frame_of_virt(p);
}

static bool slab_grow(struct kmem_cache *c)
{
	struct frame *f = frames_alloc(c->order, FRAME_SLAB, 0);
	char *base;

	if (f == NULL)
		return false;
	base = frame_virt(f);
	f->owner = c;
	f->private = 0;
	for (u32 i = c->per_slab; i-- > 0;) {
		void *p = base + (size_t)i * c->stride;

		debug_fresh(c, p);
		*(void **)p = (void *)f->private;
		f->private = (u64)p;
	}
	list_add_head(&c->with_room, &f->link);
	c->nr_slabs++;
	c->nr_empty++;
	return true;
}

/* NULL: no memory */
static void *slab_take(struct kmem_cache *c)
{
	struct frame *f;
	void *p;

	if (list_empty(&c->with_room) && !slab_grow(c))
		return NULL;
	f = list_first(&c->with_room, struct frame, link);
	p = (void *)f->private;
	f->private = (u64)*(void **)p;
	if (IS_ENABLED(CONFIG_DEBUG))
		memset(p, FREED, sizeof(void *));
	if (f->flags++ == 0)
		c->nr_empty--;
	if (f->private == 0)
		list_del(&f->link);
	return p;
}

static void slab_release(struct kmem_cache *c, struct frame *f)
{
	c->nr_empty--;
	c->nr_slabs--;
	list_del(&f->link);
	f->owner = NULL;
	frames_free(f, c->order);
}

static void slab_give(struct kmem_cache *c, void *p)
{
	struct frame *f = slab_of(p);

	if (f->private == 0)
		list_add_tail(&c->with_room, &f->link);
	*(void **)p = (void *)f->private;
	f->private = (u64)p;
	if (--f->flags != 0)
		return;
	if (++c->nr_empty > 1)		/* one empty slab is kept */
		slab_release(c, f);
}

/* --- caches --- */

static void *cache_alloc(struct kmem_cache *c, size_t asked)
{
	struct magazine *m;
	void *p = NULL;

	preempt_disable();
	m = &c->mag[cpu_id()];
	if (m->nr == 0) {
		spin_lock(&c->lock);
		while (m->nr < BATCH && (p = slab_take(c)) != NULL)
			m->object[m->nr++] = p;
		spin_unlock(&c->lock);
	}
	p = m->nr == 0 ? NULL : m->object[--m->nr];
	if (p != NULL)
		m->live++;
	preempt_enable();
	if (p != NULL)
		debug_alloc(c, p, asked);
	return p;
}

void *kmem_cache_alloc(struct kmem_cache *c) { return cache_alloc(c, c->size); }

void *kmem_cache_zalloc(struct kmem_cache *c)
{
	void *p = kmem_cache_alloc(c);

	return p == NULL ? NULL : memset(p, 0, c->size);
}

static void magazine_put(struct kmem_cache *c, void *p)
{
	struct magazine *m;

	preempt_disable();
	m = &c->mag[cpu_id()];
	if (m->nr == MAGAZINE) {
		spin_lock(&c->lock);
		while (m->nr > MAGAZINE - BATCH)
			slab_give(c, m->object[--m->nr]);
		spin_unlock(&c->lock);
	}
	m->object[m->nr++] = p;
	preempt_enable();
}

/* by: who let go of it */
static void cache_free(struct kmem_cache *c, void *p, void *by)
{
	struct frame *f;

	if (p == NULL)
		return;
	f = slab_of(p);
	if (f == NULL || f->use != FRAME_SLAB || f->owner != c)
		panic("slab %s: %p freed, which is not one of its objects", c->name, p);
	debug_free(c, p);
	preempt_disable();
	c->mag[cpu_id()].live--;
	preempt_enable();
	if (IS_ENABLED(CONFIG_DEBUG)) {
		struct held old = hold_back((struct held){ c, p, by });

		c = old.c;
		p = old.p;
	}
	if (p != NULL)
		magazine_put(c, p);
}

void kmem_cache_free(struct kmem_cache *c, void *p)
{
	cache_free(c, p, __builtin_return_address(0));
}

static void held_trim(void)
{
	for (u32 i = 0; IS_ENABLED(CONFIG_DEBUG) && i < HELD; i++) {
		struct held old = hold_back((struct held){ NULL, NULL, NULL });

		if (old.p != NULL)
			magazine_put(old.c, old.p);
	}
}

u64 kmem_cache_live(const struct kmem_cache *c)
{
	s64 n = 0;

	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		n += __atomic_load_n(&c->mag[cpu].live, __ATOMIC_RELAXED);
	return n;
}

static void cache_setup(struct kmem_cache *c, const char *name, size_t size, size_t align)
{
	size_t stride = MAX(size, sizeof(void *));

	align = MAX(align, (size_t)16);
	BUG_ON(align & (align - 1) || align > PAGE_SIZE || size == 0 || size > PAGE_SIZE << MAX_ORDER);
	memset(c, 0, sizeof(*c));
	c->name = name;
	c->size = size;
	c->align = align;
	if (IS_ENABLED(CONFIG_DEBUG))
		stride = ALIGN_UP(stride, 8) + sizeof(struct tail);
	stride = ALIGN_UP(stride, align);
	c->stride = stride;
	if (stride <= PAGE_SIZE) {
		c->per_slab = PAGE_SIZE / stride;
	} else {
		c->per_slab = 1;
		while (PAGE_SIZE << c->order < stride)
			c->order++;
	}
	spin_init(&c->lock, name, RANK_SLAB);
	list_init(&c->with_room);
	spin_lock(&caches_lock);
	list_add_tail(&caches, &c->link);
	spin_unlock(&caches_lock);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align)
{
	struct kmem_cache *c = kmem_cache_alloc(&cache_of_caches);

	if (c != NULL)
		cache_setup(c, name, size, align);
	return c;
}

void kmem_cache_for_each(void (*fn)(const char *name, size_t size, u64 live, u64 frames, void *arg), void *arg)
{
	struct kmem_cache *c;

	/* caches are for ever and only added at the tail: no lock while fn runs */
	list_for_each(c, &caches, link)
		fn(c->name, c->size, kmem_cache_live(c), READ_ONCE(c->nr_slabs) << c->order, arg);
}

u64 kmem_cache_total_live(void)
{
	struct kmem_cache *c;
	u64 n = 0;

	list_for_each(c, &caches, link)
		n += kmem_cache_live(c);
	return n;
}

u64 kmem_cache_total_frames(void)
{
	struct kmem_cache *c;
	u64 n = 0;

	list_for_each(c, &caches, link)
		n += READ_ONCE(c->nr_slabs) << c->order;
	return n;
}

static void cache_trim(struct kmem_cache *c)
{
	struct magazine *m;
	struct frame *f, *tmp;

	preempt_disable();
	m = &c->mag[cpu_id()];
	spin_lock(&c->lock);
	while (m->nr > 0)
		slab_give(c, m->object[--m->nr]);
	list_for_each_safe(f, tmp, &c->with_room, link) {
		if (f->flags == 0)
			slab_release(c, f);
	}
	spin_unlock(&c->lock);
	preempt_enable();
}

void slab_trim_cpu(void)
{
	struct kmem_cache *c;

	held_trim();
	list_for_each(c, &caches, link)
		cache_trim(c);
}

/* --- kmalloc: size classes up to half a page, blocks of frames above --- */

#define LARGEST	(PAGE_SIZE / 2)
static const u16 class_size[] = { 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1344, LARGEST };
static const char *const class_name[] = {
	"kmalloc-16", "kmalloc-32", "kmalloc-48", "kmalloc-64", "kmalloc-96", "kmalloc-128", "kmalloc-192", "kmalloc-256",
	"kmalloc-384", "kmalloc-512", "kmalloc-768", "kmalloc-1024", "kmalloc-1344", "kmalloc-2048",
};
static struct kmem_cache classes[ARRAY_SIZE(class_size)];
static u8 class_of[LARGEST / 16 + 1];		/* [I] by size in units of 16, rounded up */
static u64 large_frames;			/* [a] */

static bool is_power(size_t n) { return (n & (n - 1)) == 0; }

static void *large_alloc(size_t size, unsigned flags)
{
	unsigned order = 0;
	struct frame *f;

	while (order <= MAX_ORDER && PAGE_SIZE << order < size)
		order++;
	f = frames_alloc(order, FRAME_KERNEL, flags);
	if (f == NULL)
		return NULL;
	__atomic_fetch_add(&large_frames, 1ULL << order, __ATOMIC_RELAXED);
	return frame_virt(f);
}

void *kmalloc(size_t size)
{
	if (size > LARGEST)
		return large_alloc(size, 0);
	return cache_alloc(&classes[class_of[DIV_ROUND_UP(size, 16)]], size);
}

void *kzalloc(size_t size)
{
	void *p;

	if (size > LARGEST)
		return large_alloc(size, FRAME_ZERO);
	p = kmalloc(size);
	return p == NULL ? NULL : memset(p, 0, size);
}

void *kcalloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : kzalloc(bytes);
}

void kfree(void *p)
{
	struct frame *f;

	if (p == NULL)
		return;
	f = slab_of(p);
	if (f != NULL && f->use == FRAME_SLAB) {
		cache_free(f->owner, p, __builtin_return_address(0));
	} else if (f != NULL && f->use == FRAME_KERNEL && page_aligned((uintptr_t)p)) {
		__atomic_fetch_sub(&large_frames, 1ULL << f->order, __ATOMIC_RELAXED);
		frames_free(f, f->order);
	} else {
		panic("kfree of %p, which kmalloc did not give", p);
	}
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = kmalloc(n);

	return p == NULL ? NULL : memcpy(p, s, n);
}

void *karray_room(void *array, unsigned nr, unsigned *room, size_t size)
{
	unsigned more = *room == 0 ? 64 : *room * 2;
	void *moved;

	if (nr < *room)
		return array;
	moved = kmalloc(more * size);
	if (moved == NULL)
		return NULL;
	if (nr != 0)
		memcpy(moved, array, nr * size);
	kfree(array);
	*room = more;
	return moved;
}

u64 kmalloc_large_frames(void) { return __atomic_load_n(&large_frames, __ATOMIC_RELAXED); }

void slab_init(void)
{
	unsigned k = 0;

	cache_setup(&cache_of_caches, "kmem_cache", sizeof(struct kmem_cache), CACHE_ALIGN);
	for (unsigned i = 0; i < ARRAY_SIZE(class_size); i++) {
		size_t size = class_size[i];

		cache_setup(&classes[i], class_name[i], size, is_power(size) && size >= 64 ? size : 16);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(class_of); i++) {
		while (class_size[k] < i * 16)
			k++;
		class_of[i] = k;
	}
}
