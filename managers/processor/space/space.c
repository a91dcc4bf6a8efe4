/* SPDX-License-Identifier: MIT */
/* The life of an address space on P: made, shared by threads, found by faults, and taken apart without a trace. */
#include "managers/processor/space/space_impl.h"

#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/printk.h"
#include "managers/processor/fs/file.h"
#include "managers/protocol/memory_ops.h"
#include "mm/slab.h"

static u64 live;			/* [a] */
static u64 next_salt;			/* [a] */
static DEFINE_SPINLOCK(dead_lock, RANK_LEAF);
static struct list dead_files = LIST_INIT(dead_files);	/* [dead_lock] vma_files whose last reference went under a lock */

void spaces_reset_salts(void) { next_salt = 0; }
u64 spaces_live(void) { return __atomic_load_n(&live, __ATOMIC_RELAXED); }

/* --- what vmas refer to --- */

struct vma_file *vma_file_create(struct file *file, struct object *object)
{
	struct vma_file *vf = kzalloc(sizeof(*vf));

	if (vf == NULL)
		return NULL;
	ref_init(&vf->refs, 1);
	list_init(&vf->dead_link);
	vf->file = file;
	vf->object = object;
	if (file != NULL)
		file_get(file);
	object_get(object);
	return vf;
}

void vma_file_get(struct vma_file *vf)
{
	if (vf != NULL)
		ref_get(&vf->refs);
}

void vma_file_put(struct vma_file *vf)
{
	if (vf == NULL || !ref_put(&vf->refs))
		return;
	spin_lock(&dead_lock);
	list_add_tail(&dead_files, &vf->dead_link);
	spin_unlock(&dead_lock);
}

void vma_files_reap(void)
{
	while (READ_ONCE(dead_files.next) != &dead_files) {	/* faults come by here: no lock for nothing */
		struct vma_file *vf;

		spin_lock(&dead_lock);
		vf = list_first(&dead_files, struct vma_file, dead_link);
		if (vf != NULL)
			list_del(&vf->dead_link);
		spin_unlock(&dead_lock);
		if (vf == NULL)
			return;
		if (vf->file != NULL)
			file_put(vf->file);
		object_put(vf->object);
		kfree(vf);
	}
}

void vma_file_map(struct vma_file *vf)
{
	vma_file_get(vf);
	if (vf != NULL && vf->file != NULL)
		atomic_inc(&vf->file->maps);
}

void vma_file_unmap(struct vma_file *vf)
{
	if (vf != NULL && vf->file != NULL)
		atomic_dec(&vf->file->maps);
	vma_file_put(vf);
}

static void vma_copied(struct vma *v, void *arg) { vma_file_map(v->file); }
static void vma_freed(struct vma *v, void *arg) { vma_file_unmap(v->file); }
const struct vma_ops space_vma_ops = { vma_copied, vma_freed };

/* --- life --- */

static struct space_family *family_create(void)
{
	struct space_family *f = kzalloc(sizeof(*f));

	if (f == NULL)
		return NULL;
	ref_init(&f->refs, 1);
	f->salt = __atomic_add_fetch(&next_salt, 1, __ATOMIC_RELAXED) & (WIRE_OBJECT_FIRST - 1);
	mutex_init(&f->fork_lock, "fork", RANK_SPACE_FORK);
	return f;
}

static void family_put(struct space_family *f)
{
	if (ref_put(&f->refs))
		kfree(f);
}

struct space *space_alloc(struct space_family *family, int *err)
{
	struct space *s = kzalloc(sizeof(*s));

	*err = -ENOMEM;
	if (s == NULL)
		return NULL;
	if (family != NULL)
		ref_get(&family->refs);
	else
		family = family_create();
	if (family == NULL)
		goto free_space;
	s->family = family;
	s->salt = family->salt;
	*err = pgd_init(&s->pgd);
	if (*err < 0)
		goto put_family;
	ref_init(&s->refs, 1);
	mutex_init(&s->map_lock, "map", RANK_SPACE_MAP);
	mutex_init(&s->send_lock, "changes", RANK_SPACE_SEND);
	s->queued_from = NONE_QUEUED;
	spin_init(&s->pt_lock, "page tables", RANK_PAGE_TABLE);
	spin_init(&s->vma_lock, "vmas", RANK_SPACE);
	waitq_init(&s->open_wait);
	vma_map_init(&s->map, &space_vma_ops, s);
	s->mmap_top = USER_END;
	s->stack_limit = 8 * MIB(1);
	__atomic_fetch_add(&live, 1, __ATOMIC_RELAXED);
	return s;

put_family:
	family_put(family);
free_space:
	kfree(s);
	return NULL;
}

void space_free(struct space *s)
{
	vma_map_destroy(&s->map);
	vma_files_reap();
	pgd_destroy(&s->pgd);
	family_put(s->family);
	change_free(s->queued);
	change_free(s->spare);
	kfree(s);
	__atomic_fetch_sub(&live, 1, __ATOMIC_RELAXED);
}

struct space *space_create_err(int *err)
{
	struct rpc_memory_space_create_rep rep;
	struct space *s = space_alloc(NULL, err);

	if (s == NULL)
		return NULL;
	*err = fit_wait_role(ROLE_MEMORY, MEMORY_AWAY_NS);
	if (*err >= 0) {
		s->memory_node = *err;
		*err = rpc_call_sure(s->memory_node, RPC_memory_space_create, &(struct rpc_memory_space_create_req){}, &rep,
				sizeof(rep));
		if (*err >= 0 && (le64_get(rep.space) == 0 || wire_is_object(le64_get(rep.space))))
			*err = -EIO;
	}
	if (*err < 0) {
		space_free(s);
		return NULL;
	}
	s->id = le64_get(rep.space);
	return s;
}

struct space *space_create(void)
{
	int err;

	return space_create_err(&err);
}

void space_get(struct space *s) { ref_get(&s->refs); }

static void space_exit(struct space *s)
{
	struct change *c = change_alloc();
	int rc;

	mutex_lock(&s->map_lock);
	space_close(s, 0, 0, USER_END);
	space_bump(s);
	space_zap(s, 0, USER_END);
	prefetch_wait_done(s);
	while (c == NULL) {			/* M must hear of it (L42) */
		thread_sleep_ns(10 * NSEC_PER_MSEC);
		c = change_alloc();
	}
	changes_drop(s);			/* what was in flight and could have named them was waited for */
	rc = change_call(s, c, RPC_memory_space_exit);
	if (rc < 0 && rc != -EHOSTDOWN && s->lost == 0)
		pr_warn("space %llu: exit: %s", (unsigned long long)s->id, errno_name(rc));
	change_free(c);
	changes_wait_done(s);
	commit_return(s, s->committed);
	mutex_unlock(&s->map_lock);
}

void space_put(struct space *s)
{
	if (!ref_put(&s->refs))
		return;
	space_exit(s);
	space_free(s);
}

/* --- looking things up --- */

int space_vma_get(struct space *s, u64 va, struct vma *out, struct vma_file **vf)
{
	struct vma *v;

	spin_lock(&s->vma_lock);
	v = vma_find(&s->map, va);
	if (v != NULL) {
		*out = *v;
		*vf = v->file;
		vma_file_get(*vf);
	}
	spin_unlock(&s->vma_lock);
	return v == NULL ? -EFAULT : 0;
}

bool space_mapped(struct space *s, u64 va)
{
	bool mapped;

	spin_lock(&s->vma_lock);
	mapped = vma_find(&s->map, va) != NULL;
	spin_unlock(&s->vma_lock);
	return mapped;
}

void space_for_each_vma(struct space *s, void (*fn)(const struct vma *v, void *arg), void *arg)
{
	mutex_lock(&s->map_lock);
	for (struct vma *v = vma_find_from(&s->map, 0); v != NULL; v = vma_next(v)) {
		struct vma shown = *v;
		struct vma_file *vf = v->file;

		shown.file = vf == NULL ? NULL : vf->file;
		fn(&shown, arg);
	}
	mutex_unlock(&s->map_lock);
}

int space_futex_key(struct space *s, u64 va, bool shared, struct futex_key *key)
{
	struct vma_file *vf = NULL;
	struct vma v;
	int rc;

	*key = (struct futex_key){ s->id, va >> PAGE_SHIFT, va & (PAGE_SIZE - 1) };
	if (!shared)
		return va < USER_END ? 0 : -EFAULT;
	rc = space_vma_get(s, va, &v, &vf);
	if (rc < 0)
		return rc;
	if (v.object != 0 && (v.flags & VMA_SHARED)) {
		key->space = v.object;
		key->index = v.index + ((va - v.start) >> PAGE_SHIFT);
	}
	vma_file_put(vf);
	vma_files_reap();
	return 0;
}
