/* SPDX-License-Identifier: MIT */
/* Objects by id and by file: their birth, who has them open, and their end. */
#include "managers/memory/object.h"

#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "managers/memory/memory.h"
#include "mm/slab.h"

#define BUCKET_BITS	9
#define MODE_TYPE	0170000
#define MODE_REGULAR	0100000

static struct list by_id[1 << BUCKET_BITS], by_key[1 << BUCKET_BITS];	/* [cache_lock] */
static u64 last_id;				/* [cache_lock] processor nodes keep pages by it after the last close */
static u64 nr_born;				/* [cache_lock] objects that were ever in the table */
static struct list closing = LIST_INIT(closing);	/* [cache_lock] unused, to be closed */
static unsigned nr_closing;			/* [cache_lock] on the list or being closed */
static struct waitq close_done = WAITQ_INIT(close_done);
static struct work close_work;
static struct work_queue *close_queue;
static atomic64_t nr_active, nr_objects;

static void close_some(struct work *w);

static struct list *id_bucket(u64 id) { return &by_id[hash_bits(id, BUCKET_BITS)]; }
static struct list *key_bucket(unsigned storage_node, u32 fs, u64 ino)
{
	return &by_key[hash_bits(hash64_2((u64)storage_node << 32 | fs, ino), BUCKET_BITS)];
}

void objects_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(by_id); i++) {
		list_init(&by_id[i]);
		list_init(&by_key[i]);
	}
	last_id = ids_begin();
	work_init(&close_work, close_some);
	close_queue = work_queue_create("objects", 1, PRIO_NORMAL);	/* its own: closing waits for S */
	if (close_queue == NULL)
		panic("memory: no memory for the queue of objects");
}

u64 objects_active(void) { return atomic_read(&nr_active); }
u64 objects_cached(void) { return atomic_read(&nr_objects) - atomic_read(&nr_active); }

void object_get(struct object *o) { ref_get(&o->refs); }

void object_put(struct object *o)
{
	if (!ref_put(&o->refs))
		return;
	BUG_ON(!o->gone || o->pages.nr != 0 || o->active);
	kfree(o);
	atomic_dec(&nr_objects);
}

struct object *object_find(u64 id, unsigned node)
{
	struct object *o, *found = NULL;

	spin_lock(&cache_lock);
	list_for_each(o, id_bucket(id), id_link) {
		if (o->id == id && (o->maker == 0 || o->maker == node)) {
			found = o;
			object_get(o);
			break;
		}
	}
	spin_unlock(&cache_lock);
	return found;
}

static struct object *object_alloc(unsigned storage_node, u32 fs, u32 gen, u64 ino)
{
	struct object *o = kzalloc(sizeof(*o));

	if (o == NULL)
		return NULL;
	o->storage_node = storage_node;
	o->fs = fs;
	o->gen = gen;
	o->ino = ino;
	o->version = 1;
	ref_init(&o->refs, 1);
	mutex_init(&o->lock, "object", RANK_OBJECT);
	list_init(&o->dirty);
	list_init(&o->waiting);
	list_init(&o->id_link);
	list_init(&o->key_link);
	list_init(&o->close_link);
	waitq_init(&o->wait);
	object_ahead_init(o);
	atomic_inc(&nr_objects);
	return o;
}

/* Into the table: the reference of object_alloc() is the table's then. */
static void object_enter(struct object *o)
{
	assert_held(&cache_lock);
	o->id = WIRE_OBJECT_FIRST | id_next(&last_id);
	o->born = ++nr_born;
	list_add_tail(id_bucket(o->id), &o->id_link);
	if (!object_is_shm(o))
		list_add_tail(key_bucket(o->storage_node, o->fs, o->ino), &o->key_link);
}

/* --- who uses it --- */

static bool unused(const struct object *o) { return o->nr_opens == 0 && o->nr_maps == 0; }

static void set_active(struct object *o, bool active)
{
	assert_held(&cache_lock);
	if (o->active != active)
		atomic_add(&nr_active, active ? 1 : -1);
	o->active = active;
}

/* Have it closed by the closing thread, if nobody uses it any more. */
static void close_later(struct object *o)
{
	assert_held(&cache_lock);
	if (!unused(o) || !o->active || list_linked(&o->close_link))
		return;
	object_get(o);
	list_add_tail(&closing, &o->close_link);
	nr_closing++;
	work_queue_add(close_queue, &close_work);
}

void object_mapped(struct object *o)
{
	spin_lock(&cache_lock);
	o->nr_maps++;
	set_active(o, true);
	spin_unlock(&cache_lock);
}

void object_unmapped(struct object *o)
{
	spin_lock(&cache_lock);
	BUG_ON(o->nr_maps == 0);
	o->nr_maps--;
	close_later(o);
	spin_unlock(&cache_lock);
}

void object_touched(struct object *o, unsigned node)
{
	assert_held(&cache_lock);
	if (o->writer == node && node != 0)
		return;
	o->writer = node;
	o->version++;
}

/* --- the end --- */

static void all_pages_away(struct object *o)
{
	spin_lock(&cache_lock);
	o->size = 0;		/* nothing is read in any more */
	spin_unlock(&cache_lock);
	cache_cut(o, 0);
}

void object_forget(struct object *o)
{
	assert_held(&cache_lock);
	if (o->gone || !unused(o) || o->active || o->pages.nr != 0)
		return;
	o->gone = true;
	list_del(&o->id_link);
	list_del(&o->key_link);
	object_put(o);
}

/* S may forget the file, if we have told it not to. o->lock held. */
static void release(struct object *o)
{
	struct rpc_storage_release_req q = { .fs = le32_of(o->fs), .gen = le32_of(o->gen), .ino = le64_of(o->ino) };

	if (!o->held)
		return;
	o->held = false;
	if (rpc_call_sure(o->storage_node, RPC_storage_release, &q, NULL, 0) < 0)
		count(nr_memory_storage_error);
}

/* Nobody uses it: dirty data goes to S, S may forget the file. Harmless when it is used again. */
static int close_out(struct object *o)
{
	bool idle;
	int rc = 0;

	mutex_lock(&o->lock);
	spin_lock(&cache_lock);
	idle = unused(o) && o->active;
	spin_unlock(&cache_lock);
	if (idle && object_is_shm(o)) {
		all_pages_away(o);
		commit_ungrant(0, o->charged);
		o->charged = 0;
	} else if (idle) {
		rc = object_write_back(o);
		if (rc < 0) {
			pr_err("memory: inode %llu of %s: data written to it is lost: %s", (unsigned long long)o->ino,
			       fit_node_name(o->storage_node), errno_name(rc));
			all_pages_away(o);
		}
		release(o);
	}
	if (idle) {
		spin_lock(&cache_lock);
		if (unused(o))
			set_active(o, false);
		spin_unlock(&cache_lock);
	}
	mutex_unlock(&o->lock);
	spin_lock(&cache_lock);
	object_forget(o);		/* the caller has a reference */
	spin_unlock(&cache_lock);
	return rc;
}

static void close_some(struct work *w)
{
	for (;;) {
		struct object *o;

		spin_lock(&cache_lock);
		o = list_first(&closing, struct object, close_link);
		if (o != NULL)
			list_del(&o->close_link);
		spin_unlock(&cache_lock);
		if (o == NULL)
			return;
		(void)close_out(o);
		object_put(o);
		spin_lock(&cache_lock);
		WRITE_ONCE(nr_closing, nr_closing - 1);
		spin_unlock(&cache_lock);
		waitq_wake_all(&close_done);
	}
}

void objects_close_wait(void)
{
	waitq_wait(&close_done, READ_ONCE(nr_closing) == 0);
}

/* --- open and close --- */

/* Nobody forgets it from here on, though it is not open yet, and storage may have to be asked first. false: somebody has */
static bool keep(struct object *o)
{
	bool there;

	spin_lock(&cache_lock);
	there = !o->gone;
	if (there)
		set_active(o, true);
	spin_unlock(&cache_lock);
	return there;
}

/* The file's object, made if there is none, active, with its lock held and a reference. */
static struct object *object_lock_file(unsigned storage_node, u32 fs, u32 gen, u64 ino)
{
	struct object *fresh = NULL;

	for (;;) {
		struct object *o, *found = NULL;

		spin_lock(&cache_lock);
		list_for_each(o, key_bucket(storage_node, fs, ino), key_link) {
			if (o->storage_node == storage_node && o->fs == fs && o->gen == gen && o->ino == ino) {
				found = o;
				break;
			}
		}
		if (found == NULL && fresh != NULL) {
			found = fresh;
			fresh = NULL;
			object_enter(found);
		}
		if (found != NULL)
			object_get(found);
		spin_unlock(&cache_lock);
		if (found == NULL) {
			fresh = object_alloc(storage_node, fs, gen, ino);
			if (fresh == NULL)
				return NULL;
			continue;
		}
		mutex_lock(&found->lock);
		if (keep(found)) {
			if (fresh != NULL) {
				fresh->gone = true;
				object_put(fresh);
			}
			return found;
		}
		mutex_unlock(&found->lock);
		object_put(found);
	}
}

/* What storage says of a file that is opened: is it one, and of a size that can be? */
static int file_refuse(const struct wire_attr *a)
{
	if ((le32_get(a->mode) & MODE_TYPE) != MODE_REGULAR)
		return -EINVAL;
	return le64_get(a->size) > WIRE_SIZE_MAX ? -EIO : 0;
}

/* S keeps the file for us from now on, and says how long it is. */
static int hold(struct object *o)
{
	struct rpc_storage_hold_req q = { .fs = le32_of(o->fs), .gen = le32_of(o->gen), .ino = le64_of(o->ino) };
	struct rpc_storage_hold_rep r;
	bool stale;
	int rc = rpc_call_sure(o->storage_node, RPC_storage_hold, &q, &r, sizeof(r));

	if (rc < 0) {
		count(nr_memory_storage_error);
		return rc;
	}
	o->held = true;
	rc = file_refuse(&r.attr);
	if (rc < 0) {
		release(o);		/* at once: who asks again asks storage again */
		return rc;
	}
	spin_lock(&cache_lock);
	stale = o->size != le64_get(r.attr.size);
	o->size = le64_get(r.attr.size);
	if (stale)			/* processor nodes may have pages still */
		object_touched(o, 0);
	spin_unlock(&cache_lock);
	if (stale && o->pages.nr > 0)		/* changed behind our back: storage was repaired or replaced */
		cache_drop(o);
	return 0;
}

int object_open(const struct rpc_call *c, unsigned storage_node, u32 fs, u32 gen, u64 ino, struct object **out)
{
	struct object *o = object_lock_file(storage_node, fs, gen, ino);
	int rc = 0;

	if (o == NULL)
		return -ENOMEM;
	if (!o->held)
		rc = hold(o);
	spin_lock(&cache_lock);
	if (rc == 0 && !rpc_wanted(c))		/* died while this waited for storage: nobody will come to close it */
		rc = -EHOSTDOWN;
	if (rc == 0) {
		o->opens[c->node]++;
		o->nr_opens++;
		if (o->writer != c->node)
			o->writer = 0;		/* the next write must be told from this version */
	} else {
		close_later(o);
	}
	spin_unlock(&cache_lock);
	mutex_unlock(&o->lock);
	if (rc < 0) {
		object_put(o);
		return rc;
	}
	*out = o;
	return 0;
}

int object_close(const struct rpc_call *c, struct object *o, u32 nr)
{
	bool last = false;
	int rc = 0;

	spin_lock(&cache_lock);
	if (!rpc_wanted(c)) {			/* its opens are closed already; those that are there are of a later life */
		rc = -EHOSTDOWN;
	} else if (nr > o->opens[c->node]) {
		rc = -EINVAL;
	} else {
		o->opens[c->node] -= nr;
		o->nr_opens -= nr;
		last = unused(o);
	}
	spin_unlock(&cache_lock);
	return last ? close_out(o) : rc;
}

int object_create_shm(const struct rpc_call *c, u64 size, struct object **out)
{
	struct object *o = object_alloc(0, 0xffffffff, 0, 0);
	int rc;

	if (o == NULL)
		return -ENOMEM;
	o->charged = DIV_ROUND_UP(size, PAGE_SIZE);
	rc = commit_charge(0, o->charged);
	if (rc < 0) {
		o->gone = true;
		object_put(o);
		return rc;
	}
	o->size = size;
	o->maker = c->node;
	spin_lock(&cache_lock);
	if (!rpc_wanted(c)) {
		spin_unlock(&cache_lock);
		commit_ungrant(0, o->charged);
		o->charged = 0;
		o->gone = true;
		object_put(o);
		return -EHOSTDOWN;
	}
	object_enter(o);
	object_get(o);
	o->opens[c->node] = o->nr_opens = 1;
	set_active(o, true);
	spin_unlock(&cache_lock);
	*out = o;
	return 0;
}

void objects_node_died(unsigned node)
{
	struct object *o;

	spin_lock(&cache_lock);
	for (unsigned i = 0; i < ARRAY_SIZE(by_id); i++) {
		list_for_each(o, &by_id[i], id_link) {
			o->nr_opens -= o->opens[node];
			o->opens[node] = 0;
			close_later(o);
		}
	}
	spin_unlock(&cache_lock);
}

/*
 * A walk over the table needs no memory: who has died has died, however short it is. It goes by bucket, and in a bucket by birth, as
 * new ones come to the tail. So what is still to come are those born after the last one visited, whether that is in the table or
 * out of it by now: its reference keeps it. Who was born since the walk began is not visited, so that it ends; nobody misses them.
 */
static struct object *next_of(struct list *bucket, const struct object *last, u64 newest)
{
	struct object *o = NULL;
	struct list *at;

	spin_lock(&cache_lock);
	at = last != NULL && !last->gone ? last->id_link.next : bucket->next;
	for (; o == NULL && at != bucket; at = at->next) {
		o = list_entry(at, struct object, id_link);
		if (last != NULL && o->born <= last->born)	/* before it, which is gone */
			o = NULL;
	}
	if (o != NULL && o->born > newest)
		o = NULL;
	if (o != NULL)
		object_get(o);
	spin_unlock(&cache_lock);
	return o;
}

void objects_for_each(void (*fn)(struct object *o, void *arg), void *arg)
{
	u64 newest;

	spin_lock(&cache_lock);
	newest = nr_born;
	spin_unlock(&cache_lock);
	for (unsigned i = 0; i < ARRAY_SIZE(by_id); i++) {
		struct object *o = next_of(&by_id[i], NULL, newest), *next;

		for (; o != NULL; o = next) {
			fn(o, arg);
			next = next_of(&by_id[i], o, newest);
			object_put(o);
		}
	}
}

static void drop_one(struct object *o, void *arg)
{
	u64 *dropped = arg;
	bool idle;

	spin_lock(&cache_lock);
	idle = unused(o) && !o->active;
	spin_unlock(&cache_lock);
	if (!idle)
		return;
	*dropped += cache_drop(o);
	spin_lock(&cache_lock);
	object_forget(o);
	spin_unlock(&cache_lock);
}

u64 objects_drop_idle(void)
{
	u64 dropped = 0;

	objects_close_wait();
	objects_for_each(drop_one, &dropped);
	return dropped;
}

static void storage_died(struct object *o, void *arg)
{
	u64 dropped = 0;

	if (o->storage_node != *(unsigned *)arg)
		return;
	mutex_lock(&o->lock);
	o->held = false;		/* its successor, if any, must be asked again */
	mutex_unlock(&o->lock);
	drop_one(o, &dropped);		/* who is there when it comes back may have another disk */
}

void objects_storage_died(unsigned node)
{
	objects_for_each(storage_died, &node);
}
