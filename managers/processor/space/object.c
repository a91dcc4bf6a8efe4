/* SPDX-License-Identifier: MIT */
/*
 * Objects: the files and shared memories whose pages this node caches or maps. One struct a file, whoever opens or maps it;
 * opening asks M each time, for the version and the size. The last put writes a file's dirty pages home and closes it on M, which
 * is waited for if the file was open for writing; its clean pages stay (it is *parked*), for whoever opens it next: a program's text is fetched once a boot, as long as
 * there is room. They are right as long as M names the same object and version; lines that nobody maps are the first to
 * be evicted, and the struct goes when the last of them has gone.
 */
#include "managers/processor/space/space_impl.h"

#include "kernel/time.h"
#include "lib/base/printk.h"
#include "lib/hash.h"
#include "managers/processor/fs/attr_cache.h"
#include "managers/protocol/memory_ops.h"
#include "mm/slab.h"

#define NR_BUCKETS 64
#define MAX_PARKED 512		/* closed files whose pages are kept */

static struct {
	struct mutex open_lock;		/* opening and closing of its objects */
	struct list objects;		/* [objects_lock] */
} bucket[NR_BUCKETS];
static DEFINE_SPINLOCK(objects_lock, RANK_LEAF);
static u64 live;			/* [a] */
static struct list parked = LIST_INIT(parked);	/* [objects_lock] the longest closed first */
static u64 nr_parked;			/* [objects_lock] */

void objects_init(void)
{
	for (unsigned i = 0; i < NR_BUCKETS; i++) {
		mutex_init(&bucket[i].open_lock, "object open", RANK_OBJECT);
		list_init(&bucket[i].objects);
	}
}

u64 objects_live(void) { return __atomic_load_n(&live, __ATOMIC_RELAXED); }
u64 objects_parked(void) { return READ_ONCE(nr_parked); }

static unsigned bucket_of(u64 id) { return hash64(id) % NR_BUCKETS; }

struct object *object_find(u64 id)
{
	struct object *o, *found = NULL;

	spin_lock(&objects_lock);
	list_for_each(o, &bucket[bucket_of(id)].objects, hash_link) {
		if (o->id == id && ref_get_not_zero(&o->refs)) {
			found = o;
			break;
		}
	}
	spin_unlock(&objects_lock);
	return found;
}

static struct object *object_make(u64 id, u16 memory_node, u32 life)
{
	struct object *o = kzalloc(sizeof(*o));

	if (o == NULL)
		return NULL;
	o->id = id;
	o->memory_node = memory_node;
	o->life = life;
	ref_init(&o->refs, 1);
	list_init(&o->hash_link);
	list_init(&o->lines);
	list_init(&o->holds);
	list_init(&o->park_link);
	spin_init(&o->lock, "object", RANK_PCACHE_OBJECT);
	waitq_init(&o->hold_wait);
	__atomic_fetch_add(&live, 1, __ATOMIC_RELAXED);
	return o;
}

static void object_publish(struct object *o)
{
	spin_lock(&objects_lock);
	list_add_tail(&bucket[bucket_of(o->id)].objects, &o->hash_link);
	spin_unlock(&objects_lock);
}

void object_change_begin(const struct object *o)
{
	if (o->fs != WIRE_FS_NONE)
		attr_change_begin(&(struct attr_file){ o->storage_node, o->fs, o->ino });
}

void object_change_end(const struct object *o)
{
	if (o->fs != WIRE_FS_NONE)
		attr_change_end(&(struct attr_file){ o->storage_node, o->fs, o->ino });
}

/* --- closing on M --- */

struct closing {			/* nobody waits for it: M has nothing to write home */
	struct rpc rpc;
	struct rpc_memory_close_req req;
};
static u64 closes_out;			/* [a] */
static struct waitq closes_wait = WAITQ_INIT(closes_wait);

static void close_answered(const struct rpc_memory_close_req *req, int rc)
{
	if (rc < 0 && rc != -EHOSTDOWN)
		pr_warn("object %llx: close: %s", (unsigned long long)le64_get(req->object), errno_name(rc));
}

static void close_done(struct rpc *call)
{
	struct closing *c = call->arg;

	close_answered(&c->req, call->status);
	kfree(c);
	(void)__atomic_sub_fetch(&closes_out, 1, __ATOMIC_SEQ_CST);
	waitq_wake_all(&closes_wait);
}

void objects_close_wait(void)
{
	waitq_wait(&closes_wait, __atomic_load_n(&closes_out, __ATOMIC_SEQ_CST) == 0);
}

/* false: there is no memory for it */
static bool close_start(u16 node, const struct rpc_memory_close_req *req)
{
	struct closing *c = kzalloc(sizeof(*c));
	int rc;

	if (c == NULL)
		return false;
	c->req = *req;
	c->rpc = (struct rpc){ .node = node, .op = RPC_memory_close, .req = &c->req, .done = close_done, .arg = c };
	(void)__atomic_add_fetch(&closes_out, 1, __ATOMIC_SEQ_CST);
	rc = rpc_start(&c->rpc);
	if (rc < 0) {			/* M is dead: nothing was sent, done is not called */
		c->rpc.status = rc;
		close_done(&c->rpc);
	}
	return true;
}

/* Waited for if M has something to write home, or gives back memory that others may be short of. */
static void object_close(struct object *o)
{
	struct rpc_memory_close_req req = { .object = le64_of(o->id), .count = le32_of(o->opens) };
	bool written = o->written;	/* nobody else has it any more */

	if (!written && o->fs != WIRE_FS_NONE && close_start(o->memory_node, &req))
		return;
	if (written)
		object_change_begin(o);
	close_answered(&req, rpc_call_sure(o->memory_node, RPC_memory_close, &req, NULL, 0));
	if (written)
		object_change_end(o);
	o->written = false;
}

void object_get(struct object *o) { ref_get(&o->refs); }

/* --- closed, and kept for their pages --- */

static void object_free(struct object *o)
{
	spin_lock(&o->lock);		/* whoever took the last line off its list has left */
	DEBUG_BUG_ON(!list_empty(&o->lines));
	spin_unlock(&o->lock);
	kfree(o);
}

/* Its last reference went, its dirty pages are on M. The bucket's open_lock is held. */
static void object_park(struct object *o)
{
	spin_lock(&objects_lock);
	o->parked = true;
	list_add_tail(&parked, &o->park_link);
	nr_parked++;
	spin_unlock(&objects_lock);
	count(nr_pcache_object_kept);
}

/* The kept object of this id, in use again; NULL: there is none. The bucket's open_lock is held. */
static struct object *object_unpark(u64 id)
{
	struct object *o, *found = NULL;

	spin_lock(&objects_lock);
	list_for_each(o, &bucket[bucket_of(id)].objects, hash_link) {
		if (o->id == id && o->parked) {
			found = o;
			break;
		}
	}
	if (found != NULL) {
		found->parked = false;
		list_del(&found->park_link);
		nr_parked--;
		found->opens = 0;
		found->revivals++;	/* nobody maps or fills a page of it: no one reads this now */
		ref_init(&found->refs, 1);
	}
	spin_unlock(&objects_lock);
	if (found != NULL)
		__atomic_fetch_add(&live, 1, __ATOMIC_RELAXED);
	return found;
}

/* One that is to go: it has no page any more, or they are too many, or all must go. NULL: none. It is the caller's alone. */
static struct object *take_parked(bool all)
{
	struct object *o, *found = NULL;
	unsigned looked = 0;

	spin_lock(&objects_lock);
	list_for_each(o, &parked, park_link) {
		if (all || nr_parked > MAX_PARKED || list_empty(&o->lines)) {
			found = o;
			break;
		}
		if (++looked == 8)
			break;
	}
	if (found != NULL) {
		list_del(&found->park_link);
		list_del(&found->hash_link);
		nr_parked--;
	}
	spin_unlock(&objects_lock);
	return found;
}

static void parked_reap(bool all)
{
	struct object *o;

	while ((o = take_parked(all)) != NULL) {
		object_zap(o, 0, ~0ULL);
		object_free(o);
	}
}

/* --- the end --- */

static bool has_pages(struct object *o)
{
	bool any;

	spin_lock(&o->lock);
	any = !list_empty(&o->lines);
	spin_unlock(&o->lock);
	return any;
}

static void object_end(struct object *o)
{
	spin_lock(&objects_lock);
	list_del(&o->hash_link);
	spin_unlock(&objects_lock);
	object_zap(o, 0, ~0ULL);
	object_close(o);
	object_free(o);
}

int object_writer_get(struct object *o, bool runs)
{
	int rc = 0;

	spin_lock(&o->lock);
	if (runs ? o->writers > 0 : o->writers < 0)
		rc = -ETXTBSY;
	else
		o->writers += runs ? -1 : 1;
	o->written |= o->writers > 0;
	spin_unlock(&o->lock);
	return rc;
}

void object_writer_put(struct object *o, bool runs)
{
	spin_lock(&o->lock);
	o->writers -= runs ? -1 : 1;
	spin_unlock(&o->lock);
}

void object_reader_add(struct object *o, s32 more)
{
	spin_lock(&o->lock);
	o->readers += more;
	spin_unlock(&o->lock);
}

u32 object_nr_readers(struct object *o) { return READ_ONCE(o->readers); }
u32 object_nr_writers(struct object *o) { return MAX(READ_ONCE(o->writers), 0); }

void object_put(struct object *o)
{
	struct mutex *lock = &bucket[bucket_of(o->id)].open_lock;
	int n = ref_read(&o->refs);

	while (n > 1) {
		if (__atomic_compare_exchange_n(&o->refs.n.v, &n, n - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return;
	}
	mutex_lock(lock);		/* nobody opens it while we find out that we are the last */
	if (!ref_put(&o->refs)) {
		mutex_unlock(lock);
		return;
	}
	if (RULE(MAPPED_THEN_CLOSED))
		changes_wait_mapped(o);		/* to map what is closed would be refused */
	/* what cannot be written is lost: it was logged, and fsync would have said so */
	if (o->fs != WIRE_FS_NONE && object_clean(o) == 0 && has_pages(o)) {
		object_close(o);
		object_park(o);
	} else {
		object_end(o);
	}
	mutex_unlock(lock);
	__atomic_fetch_sub(&live, 1, __ATOMIC_RELAXED);
	parked_reap(false);
}

static u64 size_clock;			/* [a] changes of any object's size */

u64 object_asking(void) { return load_acquire(&size_clock); }

void object_sized(struct object *o, u64 asked, u64 size, u64 least)
{
	spin_lock(&o->lock);
	if (size != o->size && (o->size_at <= asked || least > o->size)) {
		o->size = size;
		o->size_at = __atomic_add_fetch(&size_clock, 1, __ATOMIC_ACQ_REL);
	}
	spin_unlock(&o->lock);
}

/* What M says of it at an open. true: the version is another, somebody else has written */
static bool set_version(struct object *o, u64 asked, u64 version, u64 size)
{
	bool stale;

	object_sized(o, asked, size, 0);
	spin_lock(&o->lock);
	stale = o->version != version;
	o->version = version;
	spin_unlock(&o->lock);
	return stale;
}

/* In use already: what is clean and mapped by nobody is dropped if others have written. */
static void opened_again(struct object *o, u64 asked, u64 version, u64 size)
{
	if (set_version(o, asked, version, size) && object_clean(o) == 0)
		object_drop_idle(o);
}

/* Not in use until now: nothing of another version may be left. */
static void revived(struct object *o, u64 asked, u64 version, u64 size)
{
	if (!set_version(o, asked, version, size)) {
		count(nr_pcache_object_revived);
		return;
	}
	count(nr_pcache_object_stale);
	if (RULE(KEPT_VERSION))
		object_zap(o, 0, ~0ULL);
}

/* M has counted an open that we do not use. */
static void open_undo(u16 node, le64 object)
{
	(void)!rpc_call_sure(node, RPC_memory_close, &(struct rpc_memory_close_req){ object, le32_of(1) }, NULL, 0);
}

static bool same_file(const struct object *o, u16 node, u16 storage_node, u32 fs, u32 gen, u64 ino)
{
	return o->memory_node == node && o->storage_node == storage_node && o->fs == fs && o->gen == gen && o->ino == ino;
}

int object_open(u16 storage_node, u32 fs, u32 gen, u64 ino, struct object **out)
{
	struct rpc_memory_open_req req = {
		.storage_node = le32_of(storage_node), .fs = le32_of(fs), .gen = le32_of(gen), .ino = le64_of(ino),
	};
	struct rpc_memory_open_rep rep;
	int node = fit_wait_role(ROLE_MEMORY, MEMORY_AWAY_NS), rc;
	struct object *o;
	struct mutex *lock;
	bool in_use;
	u64 id, asked;
	u32 life;

	if (node < 0)
		return node;
	asked = object_asking();
	life = memory_life(node);	/* if it dies now, its answer is of that life */
	rc = rpc_call_sure(node, RPC_memory_open, &req, &rep, sizeof(rep));
	if (rc < 0)
		return rc;
	id = le64_get(rep.object);
	if (!wire_is_object(id))
		return -EIO;
	if (le64_get(rep.size) > WIRE_SIZE_MAX) {
		open_undo(node, rep.object);
		return -EIO;
	}
	lock = &bucket[bucket_of(id)].open_lock;
	mutex_lock(lock);
	o = object_find(id);
	in_use = o != NULL;
	if (o == NULL)
		o = object_unpark(id);
	if (o != NULL && !same_file(o, node, storage_node, fs, gen, ino)) {	/* one id for two files */
		mutex_unlock(lock);
		object_put(o);
		open_undo(node, rep.object);
		return -EIO;
	}
	if (in_use)
		opened_again(o, asked, le64_get(rep.version), le64_get(rep.size));
	else if (o != NULL)
		revived(o, asked, le64_get(rep.version), le64_get(rep.size));
	if (o == NULL) {
		o = object_make(id, node, life);
		if (o == NULL) {
			mutex_unlock(lock);
			open_undo(node, rep.object);
			return -ENOMEM;
		}
		o->storage_node = storage_node;
		o->fs = fs;
		o->gen = gen;
		o->ino = ino;
		o->version = le64_get(rep.version);
		o->size = le64_get(rep.size);
		object_publish(o);
	}
	o->opens++;
	if ((s32)(life - o->life) > 0)
		WRITE_ONCE(o->life, life);	/* it may have given us up, and kept the file */
	mutex_unlock(lock);
	*out = o;
	return 0;
}

/* Is there one of this id, in use or kept? The bucket's open_lock is held. */
static bool object_there(u64 id)
{
	struct object *o;
	bool there = false;

	spin_lock(&objects_lock);
	list_for_each(o, &bucket[bucket_of(id)].objects, hash_link)
		there |= o->id == id;
	spin_unlock(&objects_lock);
	return there;
}

/* Shared memory that M has made. -EIO: it has handed out that id before; -ENOMEM */
static int shm_enter(u64 id, u16 node, u32 life, u64 size, struct object **out)
{
	struct mutex *lock = &bucket[bucket_of(id)].open_lock;
	struct object *o = NULL;
	int rc = -EIO;

	mutex_lock(lock);
	if (!object_there(id)) {
		o = object_make(id, node, life);
		rc = o == NULL ? -ENOMEM : 0;
	}
	if (o != NULL) {
		o->fs = WIRE_FS_NONE;
		o->ino = id;
		o->size = size;
		o->opens = 1;
		object_publish(o);
		*out = o;
	}
	mutex_unlock(lock);
	return rc;
}

int object_create_shm(u64 size, struct object **out)
{
	struct rpc_memory_shm_create_req req = { .size = le64_of(size) };
	struct rpc_memory_shm_create_rep rep;
	int node = fit_wait_role(ROLE_MEMORY, MEMORY_AWAY_NS), rc;
	u32 life;

	if (node < 0)
		return node;
	life = memory_life(node);
	rc = rpc_call_sure(node, RPC_memory_shm_create, &req, &rep, sizeof(rep));
	if (rc < 0)
		return rc;
	if (!wire_is_object(le64_get(rep.object)))
		return -EIO;
	rc = shm_enter(le64_get(rep.object), node, life, size, out);
	if (rc == -ENOMEM)
		open_undo(node, rep.object);
	return rc;
}

u64 object_size(struct object *o)
{
	u64 size;

	spin_lock(&o->lock);
	size = o->size;
	spin_unlock(&o->lock);
	return size;
}

/* --- holds: pages that are being written or truncated on M are neither fetched nor flushed meanwhile --- */

static bool held(struct object *o, u64 first, u64 last)
{
	struct object_hold *h;

	list_for_each(h, &o->holds, link) {
		if (first <= h->last && last >= h->first)
			return true;
	}
	return false;
}

bool object_held(struct object *o, u64 index)
{
	bool is;

	spin_lock(&o->lock);
	is = held(o, index, index);
	spin_unlock(&o->lock);
	return is;
}

bool object_flush_held(struct object *o, u64 index) { return object_held(o, index); }

int object_wait_held(struct object *o, u64 index)
{
	return waitq_wait_killable(&o->hold_wait, !object_held(o, index)) == 0 ? -EAGAIN : -EINTR;
}

static bool try_hold(struct object *o, struct object_hold *h)
{
	bool got;

	spin_lock(&o->lock);
	got = !held(o, h->first, h->last);
	if (got)
		list_add_tail(&o->holds, &h->link);
	spin_unlock(&o->lock);
	return got;
}

void object_hold(struct object *o, struct object_hold *h, u64 first, u64 last)
{
	h->first = first;
	h->last = last;
	waitq_wait(&o->hold_wait, try_hold(o, h));
}

void object_unhold(struct object *o, struct object_hold *h)
{
	spin_lock(&o->lock);
	list_del(&h->link);
	spin_unlock(&o->lock);
	waitq_wake_all(&o->hold_wait);
	flush_kick(true);
}

/* --- all pages of an object --- */

/* The indices of its lines and victim entries in [first, last], as they are now; NULL with *nr 0, or with -ENOMEM in *rc */
static u64 *snapshot(struct object *o, u64 first, u64 last, u64 *nr, int *rc)
{
	struct pcache_page *p;
	u64 room = 0, n = 0, *index;

	*rc = 0;
	*nr = 0;
	spin_lock(&o->lock);
	list_for_each(p, &o->lines, object_link)
		room++;
	spin_unlock(&o->lock);
	if (room == 0)
		return NULL;
	room += 16;
	index = kcalloc(room, sizeof(*index));
	if (index == NULL) {
		*rc = -ENOMEM;
		return NULL;
	}
	spin_lock(&o->lock);
	list_for_each(p, &o->lines, object_link) {
		if (p->id.index >= first && p->id.index <= last && n < room)
			index[n++] = p->id.index;
	}
	spin_unlock(&o->lock);
	*nr = n;
	return index;
}

static int clean(struct object *o, bool killable)
{
	u64 nr, *index;
	int rc;

	index = snapshot(o, 0, ~0ULL, &nr, &rc);
	if (nr > 0)
		rc = pcache_clean_object_pages(o->id, index, nr, killable);
	kfree(index);
	return rc;
}

int object_clean(struct object *o) { return clean(o, false); }
int object_clean_killable(struct object *o) { return clean(o, true); }

int object_settle(struct object *o, u64 first, u64 last)
{
	u64 nr, *index;
	int rc;

	index = snapshot(o, first, last, &nr, &rc);
	for (u64 i = 0; i < nr; i++)
		object_settle_page(o, index[i]);
	kfree(index);
	return rc;
}

static void drop_pages(struct object *o, u64 first, u64 last, bool mapped)
{
	u64 nr, *index;
	int rc;

	do {
		index = snapshot(o, first, last, &nr, &rc);
		for (u64 i = 0; i < nr; i++)
			pcache_drop_object_page((struct page_id){ o->id, index[i] }, mapped);
		kfree(index);
		if (rc == -ENOMEM)
			thread_sleep_ns(NSEC_PER_MSEC);
	} while (mapped && (nr > 0 || rc < 0));		/* again for what came meanwhile */
}

void object_zap(struct object *o, u64 first, u64 last) { drop_pages(o, first, last, true); }
void object_drop_idle(struct object *o) { drop_pages(o, 0, ~0ULL, false); }

int object_sync(struct object *o, bool disk)
{
	struct rpc_memory_sync_req req = { .object = le64_of(o->id), .disk = le32_of(disk) };
	int rc = object_clean_killable(o);

	if (rc == 0)			/* said to who asks for it, and to nobody before */
		rc = __atomic_exchange_n(&o->error, 0, __ATOMIC_SEQ_CST);
	if (rc < 0 || o->fs == WIRE_FS_NONE)
		return rc;
	object_change_begin(o);
	rc = rpc_call(o->memory_node, RPC_memory_sync, &req, NULL, 0);
	object_change_end(o);
	return rc < 0 ? rc : 0;
}

/* Those without a disk behind them too if all; one that comes or goes meanwhile may be missed. */
static void for_each_in_use(bool all, void (*fn)(struct object *o))
{
	for (unsigned i = 0; i < NR_BUCKETS; i++) {
		struct object *o = NULL, *next;

		do {
			bool seen = o == NULL;

			next = NULL;
			spin_lock(&objects_lock);
			struct object *at;

			list_for_each(at, &bucket[i].objects, hash_link) {
				if (seen && (all || at->fs != WIRE_FS_NONE) && ref_get_not_zero(&at->refs)) {
					next = at;
					break;
				}
				seen |= at == o;
			}
			spin_unlock(&objects_lock);
			if (o != NULL)
				object_put(o);
			o = next;
			if (o != NULL)
				fn(o);
		} while (o != NULL);
	}
}

static void clean_one(struct object *o) { (void)object_clean_killable(o); }

/* sync(): every file's dirty pages to M, and M's to the disk. */
void space_sync_all(void)
{
	for_each_in_use(false, clean_one);
	if (READ_ONCE(thread_current()->fatal_pending))
		return;			/* nobody will ask whether it is done */
	attr_change_begin(NULL);
	for (unsigned n = 1; n < FIT_MAX_NODES; n++) {
		struct rpc_memory_sync_req req = { .object = le64_of(0), .disk = le32_of(1) };

		if (fit_node_role(n) == ROLE_MEMORY && fit_node_up(n) && rpc_call(n, RPC_memory_sync, &req, NULL, 0) < 0)
			pr_warn("sync: memory node %u refused", n);
	}
	attr_change_end(NULL);
}

static void drop_one(struct object *o)
{
	if (object_clean(o) == 0)
		object_drop_idle(o);
}

void objects_drop_cached(void)
{
	parked_reap(true);
	for_each_in_use(true, drop_one);	/* files of tmpfs are there for ever; their pages need not be here */
}
