/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory: shmget(2), shmop(2), shmctl(2). A segment is a file without a name, as a memfd is; each shmat() is a file
 * opened anew and mapped, and its mappings are what is attached. A segment goes when it has been removed and no such file is left.
 */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/ipc/ids.h"
#include "managers/processor/process/process.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define SHM_RDONLY	010000
#define SHM_RND		020000
#define SHM_REMAP	040000
#define SHM_EXEC	0100000
#define SHM_HUGETLB	04000
#define SHM_DEST	01000
#define SHM_LOCKED	02000
#define SHM_LOCK	11
#define SHM_UNLOCK	12
#define SHM_STAT	13
#define SHM_INFO	14
#define SHM_STAT_ANY	15

#define SHMMNI		4096
#define SHMMAX		(~0ULL - (1ULL << 24))

#define MAP_SHARED		0x01
#define MAP_FIXED		0x10
#define MAP_FIXED_NOREPLACE	0x100000

struct segment {
	struct ipc_object ipc;
	struct inode *inode;		/* [I] */
	u64 size;			/* [I] bytes as asked for */
	u64 atime, dtime, ctime;	/* [lock] */
	u32 cpid, lpid;			/* [lock] */
	struct list attached;		/* [lock] struct attachment */
};

struct attachment {			/* what a file of a shmat() is */
	struct list link;		/* [lock] */
	struct segment *segment;	/* [I] with a reference */
	struct file *file;		/* [I] it keeps this, not the other way round */
};

struct shmid_abi {
	struct ipc_perm_abi perm;
	u64 segsz, atime, dtime, ctime;
	u32 cpid, lpid;
	u64 nattch, unused[2];
};
_Static_assert(sizeof(struct shmid_abi) == 112, "as programs see it");

static int segment_make(u64 size, s32 key, u32 flags, struct ipc_object **out);
static int segment_fits(const struct ipc_object *o, u64 size);
static void segment_free(struct ipc_object *o);
static void segment_show(const struct ipc_object *o, void *out);

static struct ipc_kind shm = IPC_KIND("shm", SHMMNI, segment, sizeof(struct shmid_abi));

static int segment_make(u64 size, s32 key, u32 flags, struct ipc_object **out)
{
	char name[16];
	struct segment *s;
	int rc;

	if (size == 0 || size > SHMMAX || (s64)size < 0)
		return -EINVAL;
	if (flags & SHM_HUGETLB)
		return -ENOMEM;			/* there are no huge pages to give */
	if (size > FILE_SIZE_MAX)
		return -ENOMEM;
	s = kzalloc(sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	snprintf(name, sizeof(name), "SYSV%08x", (u32)key);
	rc = nameless_file(name, flags & 0777, page_up(size), &s->inode);
	if (rc < 0) {
		kfree(s);
		return rc;
	}
	s->size = size;
	s->cpid = process_current()->pid;
	s->ctime = ipc_now();
	list_init(&s->attached);
	*out = &s->ipc;
	return 0;
}

static int segment_fits(const struct ipc_object *o, u64 size)
{
	return size > container_of(o, const struct segment, ipc)->size ? -EINVAL : 0;
}

static void segment_free(struct ipc_object *o)
{
	struct segment *s = container_of(o, struct segment, ipc);

	inode_put(s->inode);
	kfree(s);
}

s64 sys_shmget(u64 key, u64 size, u64 flags, u64 a3, u64 a4, u64 a5)
{
	return ipc_get(&shm, key, size, flags);
}

/* --- attached and detached --- */

/* lock held. Removed and not attached: off the table. true: the table's reference is the caller's to put. */
static bool segment_over_locked(struct segment *s)
{
	if (!(s->ipc.mode & SHM_DEST) || !list_empty(&s->attached) || s->ipc.gone)
		return false;
	ipc_remove(&shm, &s->ipc);
	return true;
}

static u32 pid_now(void)
{
	return thread_current()->task != NULL ? process_current()->pid : 0;
}

static void attachment_release(struct file *f)
{
	struct attachment *a = f->private;
	struct segment *s = a->segment;
	bool over;

	spin_lock(&shm.lock);
	list_del(&a->link);
	s->dtime = ipc_now();
	s->lpid = pid_now();
	over = segment_over_locked(s);
	spin_unlock(&shm.lock);
	if (over)
		ipc_put(&shm, &s->ipc);
	ipc_put(&shm, &s->ipc);
	kfree(a);
}

static const struct file_ops attachment_ops = { .release = attachment_release };

/* The segment, attached to a file that can be mapped. */
static int attach(s32 id, u32 flags, struct file **out)
{
	u32 want = IPC_MAY_READ | (flags & SHM_RDONLY ? 0 : IPC_MAY_WRITE) | (flags & SHM_EXEC ? IPC_MAY_EXEC : 0);
	struct attachment *a = kzalloc(sizeof(*a));
	struct ipc_object *o;
	struct segment *s;
	int rc;

	if (a == NULL)
		return -ENOMEM;
	spin_lock(&shm.lock);
	o = ipc_find(&shm, id);
	rc = o == NULL ? -EINVAL : ipc_may(o, want);
	if (rc == 0)
		ref_get(&o->refs);
	spin_unlock(&shm.lock);
	if (rc < 0) {
		kfree(a);
		return rc;
	}
	s = container_of(o, struct segment, ipc);
	rc = fs_open_inode(s->inode, NULL, flags & SHM_RDONLY ? O_RDONLY : O_RDWR, out);
	if (rc < 0)
		goto put_segment;
	a->segment = s;
	a->file = *out;
	spin_lock(&shm.lock);
	if (!o->gone) {
		list_add_tail(&s->attached, &a->link);
		(*out)->private = a;
		(*out)->ops = &attachment_ops;
	} else {
		rc = -EIDRM;
	}
	spin_unlock(&shm.lock);
	if (rc == 0)
		return 0;
	file_put(*out);
put_segment:
	ipc_put(&shm, o);
	kfree(a);
	return rc;
}

s64 sys_shmat(u64 id, u64 addr, u64 flags, u64 a3, u64 a4, u64 a5)
{
	struct space *space = task_current()->space;
	u32 prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
	u32 how = MAP_SHARED;
	struct attachment *a;
	struct file *f;
	s64 rc;

	if ((s32)id < 0)
		return -EINVAL;
	if (addr & ~PAGE_MASK) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		addr &= PAGE_MASK;
	}
	if (addr == 0 && (flags & SHM_REMAP))
		return -EINVAL;
	if (addr != 0)
		how |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	rc = attach(id, flags, &f);
	if (rc < 0)
		return rc;
	a = f->private;
	rc = addr != 0 && !(flags & SHM_REMAP) && addr + page_up(a->segment->size) < addr ? -EINVAL :
	     mmap_allowed(space, addr, a->segment->size, prot, how) ? 0 : -ENOMEM;
	if (rc == 0)
		rc = space_mmap(space, addr, a->segment->size, prot, how, f, 0);
	if (rc > 0) {
		spin_lock(&shm.lock);
		a->segment->atime = ipc_now();
		a->segment->lpid = pid_now();
		spin_unlock(&shm.lock);
	}
	file_put(f);
	return rc == -EEXIST ? -EINVAL : rc;
}

/* Where an attachment that began at addr is mapped: the first piece at or above `from`. */
struct piece {
	u64 addr, from;
	const struct file *file;	/* NULL: whichever began there */
	u64 start, end;			/* 0: there is none */
};

static void look_for_piece(const struct vma *v, void *arg)
{
	const struct file *f = v->file;
	struct piece *p = arg;

	if (p->end != 0 || v->start < p->from || f == NULL || f->ops != &attachment_ops || v->start - p->addr != v->index << PAGE_SHIFT ||
	    (p->file != NULL && f != p->file))
		return;
	p->file = f;			/* compared, not followed, by the next look */
	p->start = v->start;
	p->end = v->end;
}

s64 sys_shmdt(u64 addr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct space *space = task_current()->space;
	struct piece p = { .addr = addr, .from = addr };
	s64 rc = -EINVAL;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	for (;;) {
		p.start = p.end = 0;
		space_for_each_vma(space, look_for_piece, &p);
		if (p.end == 0)
			return rc;
		rc = space_munmap(space, p.start, p.end - p.start);
		if (rc < 0)
			return rc;
		p.from = p.end;
	}
}

/* --- shmctl --- */

static u64 nr_attached_locked(const struct segment *s)
{
	struct attachment *a;
	u64 n = 0;

	list_for_each(a, &s->attached, link)
		n += atomic_read(&a->file->maps);
	return n;
}

static void segment_show(const struct ipc_object *o, void *to)
{
	const struct segment *s = container_of(o, const struct segment, ipc);
	struct shmid_abi *out = to;

	*out = (struct shmid_abi){ .segsz = s->size, .atime = s->atime, .dtime = s->dtime, .ctime = s->ctime, .cpid = s->cpid,
				   .lpid = s->lpid, .nattch = nr_attached_locked(s) };
	ipc_show(o, &out->perm);
}

static int segment_set(struct ipc_object *o, const void *in)
{
	int rc = ipc_set(o, &((const struct shmid_abi *)in)->perm);

	if (rc == 0)
		container_of(o, struct segment, ipc)->ctime = ipc_now();
	return rc;
}

static int segment_remove(struct ipc_object *o, const void *none)
{
	o->key = IPC_PRIVATE;
	o->mode |= SHM_DEST;
	return segment_over_locked(container_of(o, struct segment, ipc)) ? IPC_REMOVED : 0;
}

static s64 shm_lock(s32 id, bool lock)
{
	struct ipc_object *o;
	s64 rc;

	spin_lock(&shm.lock);
	o = ipc_find(&shm, id);
	rc = o == NULL ? -EINVAL : capable(CAP_IPC_LOCK) ? 0 : ipc_may_control(o);
	if (rc == 0 && lock && !capable(CAP_IPC_LOCK) && rlimit_current(RLIMIT_MEMLOCK) == 0)
		rc = -EPERM;
	if (rc == 0)
		o->mode = lock ? o->mode | SHM_LOCKED : o->mode & ~SHM_LOCKED;
	spin_unlock(&shm.lock);
	return rc;
}

static s64 shm_limits(u64 user)
{
	const struct { u64 max, min, mni, seg, all, unused[4]; } info = { SHMMAX, 1, SHMMNI, SHMMNI, SHMMAX, { 0 } };
	s64 last;

	spin_lock(&shm.lock);
	last = ipc_last_index(&shm);
	spin_unlock(&shm.lock);
	return copy_to_user(user, &info, sizeof(info)) < 0 ? -EFAULT : last;
}

static s64 shm_totals(u64 user)
{
	struct { u32 used, pad; u64 total, resident, swapped, swap_attempts, swap_successes; } info = { 0 };
	s64 last;

	spin_lock(&shm.lock);
	last = ipc_last_index(&shm);
	info.used = shm.used;
	for (u32 i = 0; i < shm.room; i++)
		if (shm.slot[i] != NULL)
			info.total += page_up(container_of(shm.slot[i], struct segment, ipc)->size) >> PAGE_SHIFT;
	spin_unlock(&shm.lock);
	info.resident = info.total;
	return copy_to_user(user, &info, sizeof(info)) < 0 ? -EFAULT : last;
}

s64 sys_shmctl(u64 id, u64 cmd, u64 user, u64 a3, u64 a4, u64 a5)
{
	struct shmid_abi in;

	if ((s32)id < 0 || (s32)cmd < 0)
		return -EINVAL;
	switch ((u32)cmd) {
	case IPC_INFO: return shm_limits(user);
	case SHM_INFO: return shm_totals(user);
	case IPC_STAT: return ipc_stat(&shm, id, IPC_BY_ID, user);
	case SHM_STAT: return ipc_stat(&shm, id, IPC_BY_INDEX, user);
	case SHM_STAT_ANY: return ipc_stat(&shm, id, IPC_BY_INDEX_ANY, user);
	case IPC_SET: return copy_from_user(&in, user, sizeof(in)) < 0 ? -EFAULT : ipc_control(&shm, id, segment_set, &in);
	case IPC_RMID: return ipc_control(&shm, id, segment_remove, NULL);
	case SHM_LOCK:
	case SHM_UNLOCK: return shm_lock(id, cmd == SHM_LOCK);
	}
	return -EINVAL;
}

/* proc(5): /proc/sysvipc/shm */
void show_sysvipc_shm(struct text *t, u32 pid)
{
	struct shmid_abi s;
	u32 id;

	text_printf(t, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime"
		    "      ctime                   rss                  swap\n");
	for (u32 i = 0; i < SHMMNI; i++) {
		if (ipc_peek(&shm, i, &id, &s))
			text_printf(t, "%10d %10u  %4o %21llu %5u %5u  %5llu %5u %5u %5u %5u %10llu %10llu %10llu %21llu %21u\n", s.perm.key, id,
				    s.perm.mode, (unsigned long long)s.segsz, s.cpid, s.lpid, (unsigned long long)s.nattch, s.perm.uid,
				    s.perm.gid, s.perm.cuid, s.perm.cgid, (unsigned long long)s.atime, (unsigned long long)s.dtime,
				    (unsigned long long)s.ctime, (unsigned long long)page_up(s.segsz), 0);
	}
}
