/* SPDX-License-Identifier: MIT */
/*
 * The page cache: pages of objects in memory. A page is read once, whoever waits for it; sequential readers get windows of
 * up to READ_WINDOW pages, the next of which is fetched while the last is being used.
 */
#include "kernel/work.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/memory/memory.h"
#include "managers/memory/object.h"
#include "mm/slab.h"

#define LOCK_PAGES	256		/* looked at, or let go, at a time */
#define WINDOW_FIRST	4		/* pages, of a reader not known to be sequential */
#define TEXT_MAX	(MIB(8) / PAGE_SIZE)	/* of a program or library that is read whole */
#define TEXT_AT_ONCE	1	/* reads for one such file: those that somebody waits for are not to stand behind many */

struct spinlock cache_lock = SPINLOCK_INIT("page cache", RANK_PAGE_CACHE);
static struct list lru = LIST_INIT(lru);	/* [cache_lock] clean pages, the longest unused first */
static atomic64_t nr_dirty;
static struct kmem_cache *cpages;
static struct work_queue *ahead_queue, *text_queue;

static void ahead_work(struct work *w);
static void text_work(struct work *w);

struct waiting {			/* a fill ahead of use: answered when a read of its object has ended */
	struct list link;		/* [cache_lock] object->waiting */
	struct rpc_call *call;
	u64 index;
};

void cache_init(void)
{
	cpages = kmem_cache_create("cpage", sizeof(struct cpage), 0);
	ahead_queue = work_queue_create("readahead", 2, PRIO_NORMAL);
	text_queue = work_queue_create("text", 2, PRIO_NORMAL);
	if (cpages == NULL || ahead_queue == NULL || text_queue == NULL)
		panic("memory: no memory for the page cache");
}

/* Called for each page by who looks at many: others want the lock, too. What was found before may be gone afterwards. */
static void lock_break(u64 *nr)
{
	if (++*nr % LOCK_PAGES != 0)
		return;
	spin_unlock(&cache_lock);
	spin_lock(&cache_lock);
}

u64 cache_dirty_pages(void) { return atomic_read(&nr_dirty); }

/* Nothing is cached of an object that is no longer in the table: a late reader of it finds it empty. */
static u64 pages_of(const struct object *o) { return o->gone ? 0 : DIV_ROUND_UP(o->size, PAGE_SIZE); }

/* Where a page belongs by its state; called whenever that changes. */
static void page_list(struct cpage *p)
{
	assert_held(&cache_lock);
	list_del(&p->link);
	if (p->dirty)
		list_add_tail(&p->object->dirty, &p->link);
	else if (!p->reading && !object_is_shm(p->object))
		list_add_tail(&lru, &p->link);
}

void cache_mark(struct cpage *p, bool dirty)
{
	if (p->dirty != dirty)
		atomic_add(&nr_dirty, dirty ? 1 : -1);
	p->dirty = dirty;
	page_list(p);
}

static void page_forget(struct cpage *p)
{
	assert_held(&cache_lock);
	if (p->dirty)
		atomic_dec(&nr_dirty);
	list_del(&p->link);
	page_tree_remove(&p->object->pages, p->index);
	page_put(p->frame);
	kmem_cache_free(cpages, p);
}

/* A page of o with the frame, whose reference it takes over on success. */
static struct cpage *page_insert(struct object *o, u64 index, struct frame *f, bool reading)
{
	struct cpage *p = o->gone ? NULL : kmem_cache_zalloc(cpages);
	void *old;

	assert_held(&cache_lock);
	if (p == NULL)
		return NULL;
	if (page_tree_set(&o->pages, index, p, &old) < 0) {
		kmem_cache_free(cpages, p);
		return NULL;
	}
	BUG_ON(old != NULL);
	p->object = o;
	p->index = index;
	p->frame = f;
	p->reading = reading;
	list_init(&p->link);
	page_list(p);
	return p;
}

unsigned cache_reclaim(unsigned nr)
{
	unsigned got = 0, looked = 0;
	struct cpage *p, *tmp;
	struct object *o;

	spin_lock(&cache_lock);
	list_for_each_safe(p, tmp, &lru, link) {
		if (got == nr || looked++ == nr * 8)
			break;
		if (ref_read(&p->frame->refs) > 1)
			continue;		/* being sent: dropping it would give nothing back now */
		o = p->object;
		page_forget(p);
		object_forget(o);
		got++;
	}
	spin_unlock(&cache_lock);
	count_n(nr_memory_cache_reclaimed, got);
	return got;
}

u64 cache_drop(struct object *o)
{
	struct cpage *p;
	u64 key = 0, nr = 0, seen = 0;

	spin_lock(&cache_lock);
	while ((p = page_tree_next(&o->pages, &key)) != NULL) {
		key++;
		if (!p->dirty && !p->reading) {
			page_forget(p);
			nr++;
		}
		lock_break(&seen);
	}
	spin_unlock(&cache_lock);
	return nr;
}

static bool page_reading(struct object *o, u64 index)
{
	struct cpage *p;
	bool reading;

	spin_lock(&cache_lock);
	p = page_tree_get(&o->pages, index);
	reading = p != NULL && p->reading;
	spin_unlock(&cache_lock);
	return reading;
}

static void wait_read(struct object *o, u64 index)
{
	count(nr_memory_cache_wait);
	waitq_wait(&o->wait, !page_reading(o, index));
}

/* --- reading --- */

/* How many pages to read for a miss at index: twice as many each time a reader goes on where it was expected. */
static struct read_stream *stream_of_miss(struct object *o, u64 index)
{
	struct read_stream *s = NULL, *oldest = &o->stream[0];

	assert_held(&cache_lock);
	for (unsigned i = 0; i < OBJECT_STREAMS; i++) {
		if (o->stream[i].window != 0 && o->stream[i].next == index)
			s = &o->stream[i];
		if (o->stream[i].used < oldest->used)
			oldest = &o->stream[i];
	}
	if (s != NULL) {
		s->window = MIN(s->window * 2, READ_WINDOW);
	} else {
		s = oldest;
		s->window = index == 0 ? READ_WINDOW : WINDOW_FIRST;
	}
	s->used = ++o->stream_clock;
	return s;
}

/* index was asked for and is there: if it is a reader's mark, the next window is fetched in the background. */
static void stream_hit(struct object *o, u64 index)
{
	assert_held(&cache_lock);
	for (unsigned i = 0; i < OBJECT_STREAMS; i++) {
		struct read_stream *s = &o->stream[i];

		if (s->window == 0 || s->mark != index || s->next >= pages_of(o) || o->ahead_busy)
			continue;
		s->mark = ~0ULL;
		o->ahead_page = s->next;
		o->ahead_busy = true;
		object_get(o);
		work_queue_add(ahead_queue, &o->ahead);
		return;
	}
}

/* The pages that nobody has yet of the block that index lies in, itself among them: *first, and how many. */
static unsigned absent_around(struct object *o, u64 index, u64 *first)
{
	u64 start = index, end = index + 1, block = index - index % READ_WINDOW;

	assert_held(&cache_lock);
	while (start > block && page_tree_get(&o->pages, start - 1) == NULL)
		start--;
	while (end < MIN(block + READ_WINDOW, pages_of(o)) && page_tree_get(&o->pages, end) == NULL)
		end++;
	*first = start;
	return end - start;
}

enum fetch_why { FETCH_READ, FETCH_FILL, FETCH_AHEAD, FETCH_RANGE };

/*
 * Frames for the page at *first and others, entered as being read; how many (0: it is there already or being read). What a
 * program has mapped comes with the block that it lies in; else *first is where they begin, as it is for a known reader.
 * The frames are one run of memory, so that one RPC fills them.
 */
static int fetch_begin(struct object *o, u64 *first, enum fetch_why why, void **data)
{
	struct read_stream *s;
	struct frame *run = NULL;
	u64 index = *first;
	unsigned nr, order, i;
	int rc = 0;

	spin_lock(&cache_lock);
	if (index >= pages_of(o)) {
		spin_unlock(&cache_lock);
		return -EFAULT;
	}
	s = stream_of_miss(o, index);
	if (why == FETCH_RANGE)
		s->window = READ_WINDOW;
	nr = MIN((u64)s->window, pages_of(o) - index);
	if (why == FETCH_FILL && s->window == WINDOW_FIRST)
		nr = absent_around(o, index, &index);
	*first = index;
	spin_unlock(&cache_lock);

	for (order = 0; 1U << order < nr; order++)
		;
	while (order > 0 && (run = page_alloc_run(order, FRAME_CACHE)) == NULL)
		order--;
	if (run == NULL)
		run = page_alloc(FRAME_CACHE);
	if (run == NULL)
		return -ENOMEM;
	*data = frame_virt(run);
	nr = MIN(nr, 1U << order);

	spin_lock(&cache_lock);
	nr = index >= pages_of(o) ? 0 : MIN((u64)nr, pages_of(o) - index);	/* truncated meanwhile? */
	if (nr == 0)
		rc = -EFAULT;
	for (i = 0; i < nr && page_tree_get(&o->pages, index + i) == NULL; i++) {
		if (page_insert(o, index + i, frame_of_virt(*data + i * PAGE_SIZE), true) == NULL) {
			rc = -ENOMEM;		/* matters if it is the first */
			break;
		}
	}
	if (i > 0) {
		s->next = index + i;
		s->mark = index + i / 2;
		if (why == FETCH_RANGE || (index != 0 && why != FETCH_AHEAD && s->window == WINDOW_FIRST))
			s->mark = ~0ULL;	/* not known to be sequential yet; or its reader asks in time */
	}
	spin_unlock(&cache_lock);
	for (unsigned k = i; k < 1U << order; k++)
		page_put(frame_of_virt(*data + k * PAGE_SIZE));
	return i == 0 ? rc : (int)i;
}

/* Who waits for a page that is no longer being read, off the list; NULL: nobody. */
static struct waiting *waiting_next(struct object *o)
{
	struct waiting *w;

	assert_held(&cache_lock);
	list_for_each(w, &o->waiting, link) {
		struct cpage *p = page_tree_get(&o->pages, w->index);

		if (p == NULL || !p->reading) {
			list_del(&w->link);
			return w;
		}
	}
	return NULL;
}

/*
 * A read of the object has ended: who waited for it has the page, or does not get it. Who waits for another read stays on the list
 * throughout: that one may end while a reply is sent here, and nobody looks for them again after it.
 */
static void waiting_answer(struct object *o)
{
	struct waiting *w;

	spin_lock(&cache_lock);
	while ((w = waiting_next(o)) != NULL) {
		spin_unlock(&cache_lock);
		rpc_reply(w->call, fill_ahead_again(o, w->call));
		kfree(w);
		spin_lock(&cache_lock);
	}
	spin_unlock(&cache_lock);
}

static void fetch_end(struct object *o, u64 index, unsigned nr, int rc)
{
	spin_lock(&cache_lock);
	for (unsigned i = 0; i < nr; i++) {
		struct cpage *p = page_tree_get(&o->pages, index + i);

		if (rc < 0) {
			page_forget(p);		/* nothing that failed to be read is ever taken for data (L40) */
		} else {
			p->reading = false;
			page_list(p);
		}
	}
	spin_unlock(&cache_lock);
	waitq_wake_all(&o->wait);
	waiting_answer(o);
}

#define BRING_AT_ONCE	4

/* Pages that are being read from storage. */
struct fetch {
	struct object *o;
	u64 index;
	unsigned nr;
	void *data;
	struct rpc_storage_read_req req;
	struct rpc call;
	int rc;				/* of rpc_start() */
};

static void fetch_start(struct fetch *f)
{
	struct object *o = f->o;

	f->req = (struct rpc_storage_read_req){
		.fs = le32_of(o->fs), .gen = le32_of(o->gen), .ino = le64_of(o->ino), .off = le64_of(f->index * PAGE_SIZE),
		.len = le32_of(f->nr * PAGE_SIZE),
	};
	f->call = (struct rpc){
		.node = o->storage_node, .op = RPC_storage_read, .req = &f->req, .rep = f->data, .rep_size = f->nr * PAGE_SIZE,
	};
	f->rc = rpc_start(&f->call);
}

static int fetch_wait(struct fetch *f)
{
	u32 len = f->nr * PAGE_SIZE;
	int rc = f->rc == 0 ? rpc_wait(&f->call) : f->rc;

	if (rc >= 0 && f->call.rep_len > len)
		rc = -EPROTO;
	if (rc < 0) {
		count(nr_memory_storage_error);
		pr_warn("memory: reading inode %llu of %s at %llu: %s", (unsigned long long)f->o->ino,
			fit_node_name(f->o->storage_node), (unsigned long long)(f->index * PAGE_SIZE), errno_name(rc));
		return rc;
	}
	memset(f->data + f->call.rep_len, 0, len - f->call.rep_len);	/* behind the end */
	return 0;
}

static int fetch_finish(struct fetch *f, enum fetch_why why)
{
	int rc = fetch_wait(f);

	fetch_end(f->o, f->index, f->nr, rc);
	if (rc == 0) {
		count_n(nr_memory_cache_read, f->nr);
		count_n(nr_memory_cache_readahead, why == FETCH_AHEAD ? f->nr : f->nr - 1);
	}
	return rc;
}

/* Read the page at index, and what the window says after it. */
static int cache_fetch(struct object *o, u64 index, enum fetch_why why)
{
	struct fetch f = { .o = o, .index = index };
	int nr = fetch_begin(o, &f.index, why, &f.data);

	if (nr <= 0)
		return nr;
	f.nr = nr;
	fetch_start(&f);
	return fetch_finish(&f, why);
}

#define LOOK_AT_ONCE	64	/* pages, under cache_lock, which others wait for */

/* The first of these pages that is not there, nor being read; nr: none. */
static unsigned first_absent(struct object *o, u64 index, unsigned nr)
{
	unsigned i = 0, last = 0;

	while (i == last && i < nr) {
		last = MIN(nr, i + LOOK_AT_ONCE);
		spin_lock(&cache_lock);
		while (i < last && index + i < pages_of(o) && page_tree_get(&o->pages, index + i) != NULL)
			i++;
		if (index + i >= pages_of(o))
			i = last = nr;
		spin_unlock(&cache_lock);
	}
	return i;
}

/* As cache_bring(), with so many reads at a time; more(), if there is one, is asked before each. */
static void bring(struct object *o, u64 index, unsigned nr, unsigned at_once, bool (*more)(struct object *o))
{
	struct fetch fetch[BRING_AT_ONCE];
	unsigned first = 0, last = 0, i = 0;

	while (first < last || i < nr) {
		struct fetch *f = &fetch[last % BRING_AT_ONCE];
		int got = 0;

		if (i < nr && more != NULL && !more(o))
			i = nr;
		i += i < nr ? first_absent(o, index + i, nr - i) : 0;
		if (i < nr && last - first < at_once) {
			*f = (struct fetch){ .o = o, .index = index + i };
			got = fetch_begin(o, &f->index, FETCH_RANGE, &f->data);
			if (got < 0)
				i = nr;		/* whoever reads the page will see the error itself */
		}
		if (got > 0) {
			f->nr = got;
			i += got;
			last++;
			fetch_start(f);
		} else if (first < last && fetch_finish(&fetch[first++ % BRING_AT_ONCE], FETCH_RANGE) < 0) {
			i = nr;
		}
	}
}

void cache_bring(struct object *o, u64 index, unsigned nr)
{
	if (!object_is_shm(o))
		bring(o, index, nr, BRING_AT_ONCE, NULL);
}

/* --- programs and libraries --- */

/* Somebody may still run it, and there is memory that nobody misses. */
static bool text_wanted(struct object *o)
{
	bool used;

	spin_lock(&cache_lock);
	used = o->nr_opens > 0 || o->nr_maps > 0;
	spin_unlock(&cache_lock);
	return used && frames_to_spare();
}

/* Closed meanwhile, with nothing cached: nobody looks at it again to forget it. */
static void background_end(struct object *o)
{
	spin_lock(&cache_lock);
	object_forget(o);
	spin_unlock(&cache_lock);
	object_put(o);
}

static void text_work(struct work *w)
{
	struct object *o = container_of(w, struct object, text);
	u64 nr;

	spin_lock(&cache_lock);
	nr = MIN(pages_of(o), (u64)TEXT_MAX);
	spin_unlock(&cache_lock);
	bring(o, 0, nr, TEXT_AT_ONCE, text_wanted);
	background_end(o);
}

void cache_text(struct object *o)
{
	bool begin;

	spin_lock(&cache_lock);
	begin = !object_is_shm(o) && !o->text_begun && pages_of(o) <= TEXT_MAX;
	o->text_begun |= begin;
	if (begin) {
		object_get(o);
		work_queue_add(text_queue, &o->text);
	}
	spin_unlock(&cache_lock);
}

static void ahead_work(struct work *w)
{
	struct object *o = container_of(w, struct object, ahead);
	u64 index;

	spin_lock(&cache_lock);
	index = o->ahead_page;
	spin_unlock(&cache_lock);
	(void)cache_fetch(o, index, FETCH_AHEAD);	/* who really wants the page will see the error itself */
	spin_lock(&cache_lock);
	o->ahead_busy = false;
	spin_unlock(&cache_lock);
	waiting_answer(o);			/* nothing was read: those that waited for it must know */
	background_end(o);
}

int cache_ahead(struct object *o, u64 index, struct rpc_call *c)
{
	struct waiting *w = kmalloc(sizeof(*w));
	struct cpage *p;
	bool wait = false;

	if (w == NULL)
		return -EAGAIN;
	*w = (struct waiting){ .call = c, .index = index };
	list_init(&w->link);
	spin_lock(&cache_lock);
	p = page_tree_get(&o->pages, index);
	if (p == NULL && !o->ahead_busy && index < pages_of(o)) {
		o->ahead_page = index;
		o->ahead_busy = true;
		object_get(o);
		work_queue_add(ahead_queue, &o->ahead);
		wait = true;
	} else if (p != NULL && p->reading) {
		wait = true;
	} else if (p == NULL && o->ahead_busy && index - o->ahead_page < READ_WINDOW) {
		wait = true;			/* it may come with that read; if not, this call is answered then */
	}
	if (wait)
		list_add_tail(&o->waiting, &w->link);
	spin_unlock(&cache_lock);
	if (wait)
		return RPC_PENDING;
	kfree(w);
	return -EAGAIN;
}

void object_ahead_init(struct object *o)
{
	work_init(&o->ahead, ahead_work);
	work_init(&o->text, text_work);
}

static int cache_get(struct object *o, u64 index, bool may_sleep, enum fetch_why why, struct frame **f)
{
	bool missed = false;
	int rc = 0;

	*f = NULL;
	while (rc >= 0) {
		struct cpage *p;
		bool reading;

		spin_lock(&cache_lock);
		if (index >= pages_of(o)) {
			spin_unlock(&cache_lock);
			return -EFAULT;
		}
		p = page_tree_get(&o->pages, index);
		reading = p != NULL && p->reading;
		if (p != NULL && !reading) {
			*f = p->frame;
			page_get(p->frame);
			if (!p->dirty)
				page_list(p);		/* to the young end */
			stream_hit(o, index);
			spin_unlock(&cache_lock);
			if (!missed)
				count(nr_memory_cache_hit);
			return FILL_DATA;
		}
		spin_unlock(&cache_lock);
		if (object_is_shm(o))
			return FILL_ZERO;
		if (!may_sleep)
			return -EAGAIN;
		if (reading) {
			wait_read(o, index);
			continue;
		}
		if (!missed)
			count(nr_memory_cache_miss);
		missed = true;
		rc = cache_fetch(o, index, why);
	}
	return rc;
}

int cache_fill(struct object *o, u64 index, bool may_sleep, struct frame **f)
{
	return cache_get(o, index, may_sleep, FETCH_FILL, f);
}

s64 cache_read(struct object *o, u64 off, void *buf, u64 len)
{
	u64 size, done = 0;

	spin_lock(&cache_lock);
	size = o->size;
	spin_unlock(&cache_lock);
	if (off >= size)
		return 0;
	len = MIN(len, size - off);
	while (done < len) {
		u64 in_page = (off + done) % PAGE_SIZE, n = MIN(len - done, PAGE_SIZE - in_page);
		struct frame *f;
		int rc = cache_get(o, (off + done) / PAGE_SIZE, true, FETCH_READ, &f);

		if (rc == -EFAULT)
			break;				/* truncated meanwhile */
		if (rc < 0)
			return done > 0 ? (s64)done : rc;
		if (rc == FILL_ZERO) {
			memset(buf + done, 0, n);
		} else {
			memcpy(buf + done, frame_virt(f) + in_page, n);
			page_put(f);
		}
		done += n;
	}
	return done;
}

/* --- changing --- */

static struct frame *exchange(struct cpage *p, struct frame *f)
{
	struct frame *old = p->frame;

	p->frame = f;
	return old;
}

int cache_store(struct object *o, u64 index, const void *data, const struct rpc_call *c)
{
	struct frame *f = page_alloc(FRAME_CACHE), *old = NULL;
	struct cpage *p;
	int rc = 0;

	if (f == NULL)
		return -ENOMEM;
	memcpy(frame_virt(f), data, PAGE_SIZE);
	for (;;) {
		spin_lock(&cache_lock);
		p = page_tree_get(&o->pages, index);
		if (p == NULL || !p->reading)
			break;
		spin_unlock(&cache_lock);
		if (!c->in_worker) {
			page_put(f);
			return -EAGAIN;
		}
		wait_read(o, index);
	}
	if (!rpc_wanted(c)) {
		rc = -EHOSTDOWN;
	} else if (index < pages_of(o)) {
		u64 valid = o->size - index * PAGE_SIZE;

		if (valid < PAGE_SIZE)		/* what a mapping wrote behind the end is not the file's */
			memset(frame_virt(f) + valid, 0, PAGE_SIZE - valid);
		if (p == NULL)
			p = page_insert(o, index, f, false);
		else
			old = exchange(p, f);
		if (p == NULL)
			rc = -ENOMEM;
		else if (!object_is_shm(o))
			cache_mark(p, true);
		f = p == NULL ? f : old;
	}
	if (rc == 0)
		object_touched(o, c->node);
	spin_unlock(&cache_lock);
	if (f != NULL)
		page_put(f);
	return rc;
}

/* One page's part of a patch; *spare may be used up. -EAGAIN: come again with a spare frame; -EBUSY: being read. */
static int patch_page(struct object *o, u64 off, const void *data, u64 len, bool create, struct frame **spare)
{
	struct cpage *p = page_tree_get(&o->pages, off / PAGE_SIZE);

	assert_held(&cache_lock);
	if (p != NULL && p->reading)
		return -EBUSY;
	if (p == NULL && !create)
		return 0;
	if (p == NULL || ref_read(&p->frame->refs) > 1) {
		if (*spare == NULL)
			return -EAGAIN;
		if (p == NULL) {
			memset(frame_virt(*spare), 0, PAGE_SIZE);
			p = page_insert(o, off / PAGE_SIZE, *spare, false);
			if (p == NULL)
				return -ENOMEM;
			*spare = NULL;
		} else {
			memcpy(frame_virt(*spare), frame_virt(p->frame), PAGE_SIZE);
			page_put(exchange(p, *spare));
			*spare = NULL;
			count(nr_memory_cache_copied);
		}
	}
	memcpy(frame_virt(p->frame) + off % PAGE_SIZE, data, len);
	return 0;
}

int cache_patch(struct object *o, u64 off, const void *data, u64 len, bool create)
{
	struct frame *spare = NULL;
	int rc = 0;

	for (u64 done = 0; done < len;) {
		u64 n = MIN(len - done, PAGE_SIZE - (off + done) % PAGE_SIZE);

		spin_lock(&cache_lock);
		rc = patch_page(o, off + done, data + done, n, create, &spare);
		spin_unlock(&cache_lock);
		if (rc == -EBUSY) {
			wait_read(o, (off + done) / PAGE_SIZE);
		} else if (rc == -EAGAIN) {
			spare = page_alloc(FRAME_CACHE);
			if (spare == NULL) {
				rc = -ENOMEM;
				break;
			}
		} else if (rc < 0) {
			break;
		} else {
			done += n;
		}
	}
	if (spare != NULL)
		page_put(spare);
	return rc;
}

void cache_cut(struct object *o, u64 size)
{
	static const u8 zeros[PAGE_SIZE];
	u64 key = DIV_ROUND_UP(size, PAGE_SIZE), nr = 0;
	struct cpage *p;

	spin_lock(&cache_lock);
	while ((p = page_tree_next(&o->pages, &key)) != NULL) {
		if (p->reading) {
			spin_unlock(&cache_lock);
			wait_read(o, key);
			spin_lock(&cache_lock);
			continue;
		}
		page_forget(p);
		lock_break(&nr);
	}
	spin_unlock(&cache_lock);
	if (size % PAGE_SIZE != 0)
		(void)!cache_patch(o, size, zeros, PAGE_SIZE - size % PAGE_SIZE, false);
}

/* --- which pages there are --- */

int cache_reserve(struct object *o, u64 first, u64 end)
{
	struct frame *spare = NULL;
	int rc = 0;

	for (u64 index = first; index < end && rc == 0; ) {
		bool there;

		if (spare == NULL) {
			spare = page_alloc(FRAME_CACHE);
			if (spare == NULL)
				return -ENOMEM;
			memset(frame_virt(spare), 0, PAGE_SIZE);
		}
		spin_lock(&cache_lock);
		there = index >= pages_of(o) || page_tree_get(&o->pages, index) != NULL;
		if (!there && page_insert(o, index, spare, false) == NULL)
			rc = -ENOMEM;
		spin_unlock(&cache_lock);
		if (!there && rc == 0)
			spare = NULL;
		index++;
	}
	if (spare != NULL)
		page_put(spare);
	return rc;
}

int cache_punch(struct object *o, u64 from, u64 to)
{
	static const u8 zeros[PAGE_SIZE];
	u64 key = from / PAGE_SIZE, nr = 0;
	struct cpage *p;
	int rc = 0;

	spin_lock(&cache_lock);
	while (rc == 0 && (p = page_tree_next(&o->pages, &key)) != NULL && key < to / PAGE_SIZE) {
		if (object_is_shm(o)) {
			page_forget(p);
			lock_break(&nr);
			continue;
		}
		spin_unlock(&cache_lock);
		rc = cache_patch(o, key * PAGE_SIZE, zeros, PAGE_SIZE, false);	/* of its one writer's: o->lock is held */
		key++;
		spin_lock(&cache_lock);
	}
	spin_unlock(&cache_lock);
	return rc;
}

u64 cache_seek(struct object *o, u64 index, bool present)
{
	u64 nr = 0;

	spin_lock(&cache_lock);
	if (present) {
		if (page_tree_next(&o->pages, &index) == NULL)
			index = ~0ULL;
	} else {
		while (index < pages_of(o) && page_tree_get(&o->pages, index) != NULL) {
			index++;
			lock_break(&nr);
		}
	}
	spin_unlock(&cache_lock);
	return index;
}

u64 cache_pages(struct object *o)
{
	u64 nr;

	spin_lock(&cache_lock);
	nr = o->pages.nr;
	spin_unlock(&cache_lock);
	return nr;
}
