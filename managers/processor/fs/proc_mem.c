/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/mem: a process's memory as a file, whose position is an address. proc(5). Whoever could trace the process when it was opened may
 * read and write what the process then had in memory, until that is gone: the program that is started next is not in this file.
 */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/synthfs.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

struct memory {
	struct process *process;	/* [I] with a reference */
	u64 space;			/* [I] number of its space, and where that is */
	u16 node;
};

/* With a reference; NULL: it has another, or none any more. */
static struct space *space_of(const struct memory *m)
{
	struct space *s = process_space_of(m->process);

	if (s == NULL || (s->id == m->space && s->memory_node == m->node))
		return s;
	space_put(s);
	return NULL;
}

/* As far as it goes: -EIO where nothing is to be had. */
static s64 transfer(struct file *f, u8 *buf, size_t len, u64 *pos, bool write)
{
	struct space *s = space_of(f->private);
	size_t done = 0;

	if (s == NULL)
		return 0;
	while (done < len) {
		u64 at = *pos + done;
		size_t n = MIN(len - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));

		if (!user_range_ok(at, n) || (write ? space_poke(s, at, buf + done, n) : space_read(s, at, buf + done, n)) < 0)
			break;
		done += n;
	}
	space_put(s);
	*pos += done;
	return done != 0 || len == 0 ? (s64)done : -EIO;
}

static s64 mem_read(struct file *f, void *buf, size_t len, u64 *pos) { return transfer(f, buf, len, pos, false); }
static s64 mem_write(struct file *f, const void *buf, size_t len, u64 *pos) { return transfer(f, (void *)(uintptr_t)buf, len, pos, true); }

static s64 mem_seek(struct file *f, s64 off, int whence)
{
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	return f->pos = whence == SEEK_CUR ? f->pos + off : (u64)off;
}

static void mem_release(struct file *f)
{
	struct memory *m = f->private;

	process_put(m->process);
	kfree(m);
}

static const struct file_ops mem_ops = { .read = mem_read, .write = mem_write, .seek = mem_seek, .release = mem_release };

int open_pid_mem(struct file *f, u32 pid)
{
	struct process *p = process_find(pid);
	struct space *s = p == NULL ? NULL : process_space_of(p);
	struct memory *m = kzalloc(sizeof(*m));
	int rc = p == NULL ? -ESRCH : !proc_may_look(pid) ? -EACCES : m == NULL ? -ENOMEM : 0;

	if (rc == 0) {
		m->process = p;
		if (s != NULL) {		/* else there is nothing to read, ever */
			m->space = s->id;
			m->node = s->memory_node;
		}
		f->private = m;
		f->ops = &mem_ops;
	}
	if (s != NULL)
		space_put(s);
	if (rc < 0 && p != NULL)
		process_put(p);
	if (rc < 0)
		kfree(m);
	return rc;
}
