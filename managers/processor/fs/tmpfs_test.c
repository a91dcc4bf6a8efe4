/* SPDX-License-Identifier: MIT */
/* Seals of a memfd that is written to: whoever waits for the end of that can be killed, and keeps nobody from sealing another. White box. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "managers/processor/fs/tmpfs.c"

DEFINE_SPINLOCK(tree_lock, RANK_PROCESS_TREE);
struct work_queue *fs_let_go_queue;
const struct file_ops regular_ops, directory_ops;
static struct process process;
static struct task task = { .process = &process };

int object_create_shm(u64 size, struct object **out) { return *out = kzalloc(sizeof(**out)), 0; }
void object_get(struct object *o) { }
void object_put(struct object *o) { kfree(o); }
u64 object_size(struct object *o) { return 0; }
int object_count_pages(struct object *o, u64 *nr) { return -ENOSYS; }
int object_truncate(struct object *o, u64 size) { return -ENOSYS; }
void memory_totals(struct memory_totals *m) { *m = (struct memory_totals){ 0 }; }
void process_for_each(bool (*fn)(struct process *p, void *arg), void *arg) { }
struct space *process_space(u32 pid) { return NULL; }
void space_for_each_vma(struct space *s, void (*fn)(const struct vma *v, void *arg), void *arg) { }
void space_put(struct space *s) { }
int fs_mount(const char *path, struct inode *root, const char *type) { return -ENOSYS; }
int fifo_open(struct inode *i, struct file *f) { return -ENXIO; }
int device_open(u32 rdev, struct file *f) { return -ENXIO; }
s64 fs_punch(struct file *f, u64 from, u64 to) { return -ENOSYS; }
u32 file_access(const struct file *f) { return MAY_READ | MAY_WRITE; }

struct inode *inode_alloc(const struct inode_ops *ops, u32 mode)
{
	struct inode *i = kzalloc(sizeof(*i));

	ref_init(&i->refs, 1);
	i->ops = ops;
	return i;
}

void inode_put(struct inode *i)
{
	if (!ref_put(&i->refs))
		return;
	i->ops->release(i);
	kfree(i);
}

int fs_open_inode(struct inode *i, struct dentry *d, u32 flags, struct file **out)
{
	ref_get(&i->refs);
	*out = kzalloc(sizeof(**out));
	(*out)->inode = i;
	return i->ops->open(i, *out);
}

static struct file *memfd(void)
{
	struct file *f;

	thread_current()->task = &task;
	assert_int_equal(memfd_open("m", true, &f), 0);
	return f;
}

static void closed(struct file *f)
{
	inode_put(f->inode);
	kfree(f);
}

struct sealing { struct thread *thread; struct file *file; s64 rc; bool done; };

static void seals(void *arg)
{
	struct sealing *s = arg;

	s->rc = memfd_seal(s->file, F_SEAL_WRITE);
	store_release(&s->done, true);
}

static void begin(struct sealing *s, struct file *f)
{
	*s = (struct sealing){ .file = f };
	s->thread = thread_create(seals, s, PRIO_NORMAL, "seals");
	thread_get(s->thread);
	thread_start(s->thread);
}

/* Until it is done, or sleeps: then it is not. */
static bool ends(struct sealing *s)
{
	while (!load_acquire(&s->done) && __atomic_load_n(&s->thread->state, __ATOMIC_SEQ_CST) != THREAD_WAITING)
		thread_yield();
	return load_acquire(&s->done);
}

static void killed(void **state)
{
	struct file *written = memfd(), *other = memfd();
	struct sealing first, second, another;

	written->ops->change_begin(written);		/* until the memory node has answered, say */
	begin(&first, written);
	assert_false(ends(&first));
	begin(&second, written);
	assert_false(ends(&second));
	begin(&another, other);
	assert_true(ends(&another));
	assert_int_equal(another.rc, 0);
	assert_int_equal(memfd_seals(other), F_SEAL_WRITE);
	thread_interrupt(second.thread, true);		/* which waits for the first */
	while (!load_acquire(&second.done))
		thread_yield();
	assert_int_equal(second.rc, -EINTR);
	thread_interrupt(first.thread, true);
	while (!load_acquire(&first.done))
		thread_yield();
	assert_int_equal(first.rc, -EINTR);
	assert_int_equal(memfd_seals(written), 0);
	written->ops->change_end(written);
	assert_int_equal(memfd_seal(written, F_SEAL_GROW), 0);		/* no lock was left behind */
	assert_int_equal(memfd_seals(written), F_SEAL_GROW);
	thread_put(first.thread);
	thread_put(second.thread);
	thread_put(another.thread);
	closed(written);
	closed(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(killed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
