/* SPDX-License-Identifier: MIT */
/* The volumes of a storage node. The list is made at boot and then only read. */
#include "kernel/param.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/storage/volume.h"
#include "mm/slab.h"
#include "net/fit/rpc.h"

#define IDLE_SYNC_NS	(3 * NSEC_PER_SEC)

struct node_hold {
	struct list link;	/* [volume lock] volume->holds */
	u16 node;
	struct ext4_id id;
	u32 count;
};

static struct volume *volumes[MAX_VOLUMES];	/* [I] after boot */
static unsigned nr_volumes;			/* [I] after boot */
static struct waitq idle_wait = WAITQ_INIT(idle_wait);
static bool touched;				/* [a] something is to be written back */

DEFINE_COUNTERS(storage, STORAGE_COUNTERS);

struct ext4_time storage_now(void)
{
	u64 ns = time_wall_ns();

	return (struct ext4_time){ .sec = (s64)(ns / NSEC_PER_SEC), .nsec = (u32)(ns % NSEC_PER_SEC) };
}

int volume_mount(struct blkdev *dev, const char *path, bool read_only)
{
	struct ext4_opts opts = { .read_only = read_only, .now = storage_now() };
	struct volume *v;
	int rc;

	if (nr_volumes == MAX_VOLUMES) {
		pr_err("storage: more than %u volumes", MAX_VOLUMES);
		return -ENOSPC;
	}
	v = kzalloc(sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	rc = ext4_mount(dev, &opts, &v->fs);
	if (rc < 0) {
		pr_note("storage: %s is not mounted at %s: %s", dev->name, path, errno_name(rc));
		kfree(v);
		return rc;
	}
	v->nr = nr_volumes;
	str_copy(v->disk, dev->name, sizeof(v->disk));
	str_copy(v->path, path, sizeof(v->path));
	v->asked_read_only = read_only;
	mutex_init(&v->lock, "volume", RANK_INODE);
	list_init(&v->holds);
	volumes[nr_volumes++] = v;
	pr_info("storage: %s mounted at %s, %s", dev->name, path, ext4_read_only(v->fs) ? "read-only" : "read-write");
	return 0;
}

/* One item DISK:PATH[:rw|:ro]; cut in place. */
static int mount_item(char *item)
{
	char *path = strchr(item, ':'), *how = path != NULL ? strchr(path + 1, ':') : NULL;
	struct blkdev *dev;

	if (how != NULL)
		*how++ = 0;
	if (path == NULL || path[1] != '/' || strlen(path + 1) >= VOLUME_PATH_MAX ||
	    (how != NULL && strcmp(how, "rw") != 0 && strcmp(how, "ro") != 0)) {
		pr_err("storage: storage.mount wants DISK:/PATH[:rw|:ro],..., not \"%s\"", item);
		return -EINVAL;
	}
	*path++ = 0;
	for (unsigned i = 0; i < nr_volumes; i++) {
		if (strcmp(volumes[i]->path, path) == 0 || strcmp(volumes[i]->disk, item) == 0) {
			pr_err("storage: storage.mount names %s or %s twice", item, path);
			return -EINVAL;
		}
	}
	dev = blkdev_find(item);
	if (dev == NULL) {
		pr_err("storage: there is no disk %s to mount at %s", item, path);
		return -ENODEV;
	}
	return volume_mount(dev, path, how != NULL && strcmp(how, "ro") == 0);
}

int volumes_mount(void)
{
	int rc = 0;
	char *list = kstrdup(param_str("storage.mount", "vda:/"));

	for (char *item = list, *next; item != NULL; item = next) {
		next = strchr(item, ',');
		if (next != NULL)
			*next++ = 0;
		rc = rc ?: mount_item(item);
	}
	kfree(list);
	return rc;
}

unsigned volumes_count(void)
{
	return nr_volumes;
}

struct volume *volume_at(unsigned i)
{
	return volumes[i];
}

struct volume *volume_lock(u32 nr)
{
	struct volume *v = nr < nr_volumes ? volumes[nr] : NULL;

	if (v == NULL)
		return NULL;
	mutex_lock(&v->lock);
	if (v->fs != NULL)
		return v;
	mutex_unlock(&v->lock);
	return NULL;
}

int volume_lock_for(u32 nr, const struct rpc_call *c, struct volume **locked)
{
	struct volume *v = volume_lock(nr);
	int rc = v == NULL ? -ESTALE : rpc_wanted(c) ? 0 : -EHOSTDOWN;

	if (v != NULL && rc < 0)
		mutex_unlock(&v->lock);
	*locked = rc == 0 ? v : NULL;
	return rc;
}

int volume_lock_to_change(u32 nr, const struct rpc_call *c, struct volume **locked)
{
	for (;;) {
		int rc = volume_lock_for(nr, c, locked);
		u64 wait_ns = rc == 0 ? lease_wait_ns(&(*locked)->lease, c->node) : 0;

		if (wait_ns == 0)
			return rc;
		mutex_unlock(&(*locked)->lock);
		count(nr_storage_lease_waits);
		thread_sleep_ns(wait_ns);
	}
}

void volume_unlock(struct volume *v, bool changed)
{
	if (changed)
		changed = ext4_dirty(v->fs);
	mutex_unlock(&v->lock);
	if (changed && !load_acquire(&touched)) {
		store_release(&touched, true);		/* A: pairs with idle_sync() */
		waitq_wake_all(&idle_wait);
	}
}

/* --- holds ---------------------------------------------------------------------------------------------- */

static struct node_hold *hold_find(struct volume *v, unsigned node, struct ext4_id id)
{
	struct node_hold *h;

	list_for_each(h, &v->holds, link) {
		if (h->node == node && h->id.ino == id.ino && h->id.gen == id.gen)
			return h;
	}
	return NULL;
}

int volume_hold(struct volume *v, unsigned node, struct ext4_id id, struct ext4_attr *attr)
{
	struct node_hold *h = hold_find(v, node, id);
	int rc;

	if (h != NULL) {	/* on the volume a node holds a file once */
		rc = ext4_getattr(v->fs, id, attr);
		if (rc == 0)
			h->count++;
		return rc;
	}
	h = kzalloc(sizeof(*h));
	if (h == NULL)
		return -ENOMEM;
	rc = ext4_hold(v->fs, id, attr);
	if (rc < 0) {
		kfree(h);
		return rc;
	}
	*h = (struct node_hold){ .node = (u16)node, .id = id, .count = 1 };
	list_add_head(&v->holds, &h->link);
	return 0;
}

static int hold_end(struct volume *v, struct node_hold *h, struct ext4_time now)
{
	int rc = ext4_release(v->fs, h->id, now);

	list_del(&h->link);
	kfree(h);
	return rc;
}

int volume_release(struct volume *v, unsigned node, struct ext4_id id, struct ext4_time now)
{
	struct node_hold *h = hold_find(v, node, id);

	if (h == NULL)
		return -EINVAL;
	return --h->count > 0 ? 0 : hold_end(v, h, now);
}

void volumes_node_died(unsigned node)
{
	for (unsigned i = 0; i < nr_volumes; i++) {
		struct volume *v = volume_lock(i);
		struct node_hold *h, *tmp;
		unsigned n = 0;

		if (v == NULL)
			continue;
		list_for_each_safe(h, tmp, &v->holds, link) {
			if (h->node == node) {
				hold_end(v, h, storage_now());
				n++;
			}
		}
		volume_unlock(v, n > 0);
		if (n > 0)
			pr_info("storage: %u files that node %u held on %s are released", n, node, v->disk);
	}
}

u64 volumes_nr_holds(void)
{
	u64 n = 0;

	for (unsigned i = 0; i < nr_volumes; i++) {
		struct volume *v = volume_lock(i);
		struct node_hold *h;

		if (v == NULL)
			continue;
		list_for_each(h, &v->holds, link)
			n += h->count;
		volume_unlock(v, false);
	}
	return n;
}

/* --- writing back --------------------------------------------------------------------------------------- */

static int sync_all(bool clean)
{
	int rc = 0;

	for (unsigned i = 0; i < nr_volumes; i++) {
		struct volume *v = volume_lock(i);
		int one;

		if (v == NULL)
			continue;
		one = !clean || ext4_dirty(v->fs) ? ext4_sync(v->fs, clean, storage_now()) : 0;
		volume_unlock(v, false);
		if (one < 0) {
			pr_err("storage: %s cannot be written back: %s", v->disk, errno_name(one));
			rc = one;
		}
	}
	return rc;
}

int volumes_sync(void)
{
	return sync_all(false);
}

void volumes_drop_caches(void)
{
	for (unsigned i = 0; i < nr_volumes; i++) {
		struct volume *v = volume_lock(i);

		if (v == NULL)
			continue;
		ext4_drop_caches(v->fs);
		volume_unlock(v, false);
	}
}

static void idle_sync(void *arg)
{
	for (;;) {
		waitq_wait(&idle_wait, load_acquire(&touched));
		thread_sleep_ns(IDLE_SYNC_NS);
		store_release(&touched, false);		/* before looking: a change from now on sets it again */
		count(nr_storage_idle_syncs);
		sync_all(true);
	}
}

void volumes_start_idle_sync(void)
{
	if (thread_spawn(idle_sync, NULL, PRIO_LOW, "idle-sync") < 0)
		pr_warn("storage: no memory for the thread that leaves volumes clean");
}

void volumes_unmount(void)
{
	for (unsigned i = 0; i < nr_volumes; i++) {
		struct volume *v = volume_lock(i);
		struct node_hold *h, *tmp;
		int rc;

		if (v == NULL)
			continue;
		list_for_each_safe(h, tmp, &v->holds, link) {
			list_del(&h->link);
			kfree(h);
		}
		rc = ext4_unmount(v->fs, storage_now());
		v->fs = NULL;
		mutex_unlock(&v->lock);
		if (rc < 0)
			pr_err("storage: %s was not unmounted in order: %s", v->disk, errno_name(rc));
		else
			pr_info("storage: %s unmounted", v->disk);
	}
}
