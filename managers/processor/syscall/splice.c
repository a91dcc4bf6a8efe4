/* SPDX-License-Identifier: MIT */
/*
 * Bytes from one file to another without the program between: sendfile(2), copy_file_range(2), splice(2), tee(2), vmsplice(2). They
 * go through a buffer; nothing that was taken from a source is lost when its target takes less.
 */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/inotify.h"
#include "managers/processor/fs/iovec.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "managers/processor/socket/socket.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define COPY_MAX	0x7ffff000UL
#define SPLICE_F_MOVE	1
#define SPLICE_F_NONBLOCK 2
#define SPLICE_F_MORE	4
#define SPLICE_F_GIFT	8

struct pair { struct file *in, *out; };

static void pair_put(struct pair *p)
{
	if (p->in != NULL)
		file_put(p->in);
	if (p->out != NULL)
		file_put(p->out);
}

/* Both open, and open for it. */
static int pair_get(struct pair *p, u64 in, u64 out)
{
	p->in = fd_get(in);
	p->out = fd_get(out);
	if (p->in != NULL && p->out != NULL && p->in->ops != NULL && p->out->ops != NULL && (file_access(p->in) & MAY_READ) &&
	    (file_access(p->out) & MAY_WRITE))
		return 0;
	pair_put(p);
	return -EBADF;
}

static bool has_position(const struct file *f)
{
	return f->inode != NULL && f->inode->type == S_IFREG;
}

/* What a write takes, waiting only if the file itself says so. */
static s64 put(struct file *f, const void *buf, size_t n, u64 *pos)
{
	return f->ops->write == NULL ? -EINVAL : f->ops->write(f, buf, n, pos);
}

/* A position of the program's, or the file's own: begin, then end with what it became. */
static int position_begin(struct file *f, u64 user, u64 *pos)
{
	if (user != 0)
		return get_user64(pos, user) < 0 ? -EFAULT : (s64)*pos < 0 ? -EINVAL : 0;
	mutex_lock(&f->pos_lock);
	*pos = f->pos;
	return 0;
}

static int position_end(struct file *f, u64 user, u64 pos)
{
	if (user != 0)
		return put_user64(user, pos);
	f->pos = pos;
	mutex_unlock(&f->pos_lock);
	return 0;
}

/* From a file with a position (at *pos, moved on) to out, whose position is *to or its own business. */
static s64 copy_from_file(struct file *in, u64 *pos, struct file *out, u64 *to, size_t len)
{
	u8 *buf = kmalloc(FILE_CHUNK);
	size_t done = 0;
	s64 n = 0;

	if (buf == NULL)
		return -ENOMEM;
	while (done < len) {
		u64 at = *pos;
		s64 took;

		n = in->ops->read == NULL ? -EINVAL : in->ops->read(in, buf, MIN(len - done, (size_t)FILE_CHUNK), &at);
		if (n <= 0)
			break;
		took = put(out, buf, n, to);
		if (took < 0) {
			n = took;
			break;
		}
		*pos += took;
		done += took;
		if (took < n || signal_pending_current())
			break;
	}
	kfree(buf);
	return done ? (s64)done : n;
}

static bool is_shown(const struct file *f)
{
	return f->pos_lock.rank == RANK_FILE_SHOWN;
}

/*
 * Whose own positions are guarded while bytes are copied: both, two in the order of their addresses. A text of /proc or /sys looks up what
 * it shows under locks that come before an ordinary file's position: beside one that position is only read and set.
 */
static void own_positions_lock(struct file *a, struct file *b)
{
	if (a == NULL || b == NULL || a == b) {
		if (a != NULL || b != NULL)
			mutex_lock(a != NULL ? &a->pos_lock : &b->pos_lock);
		return;
	}
	mutex_lock(a < b ? &a->pos_lock : &b->pos_lock);
	mutex_lock_nested(a < b ? &b->pos_lock : &a->pos_lock);
}

static void own_positions_unlock(struct file *a, struct file *b)
{
	if (a != NULL)
		mutex_unlock(&a->pos_lock);
	if (b != NULL && b != a)
		mutex_unlock(&b->pos_lock);
}

/* Both positions: those of the program (users 0: the file's own). */
static s64 copy_files(struct pair *p, u64 in_user, u64 out_user, size_t len)
{
	struct file *own_in = in_user == 0 && has_position(p->in) ? p->in : NULL;
	struct file *own_out = out_user == 0 && has_position(p->out) ? p->out : NULL;
	bool shown = is_shown(p->in) || is_shown(p->out);
	struct file *guard_in = own_in != NULL && (!shown || is_shown(own_in)) ? own_in : NULL;
	struct file *guard_out = own_out != NULL && (!shown || is_shown(own_out)) ? own_out : NULL;
	u64 from = 0, to = 0;
	s64 n;

	if ((in_user != 0 && get_user64(&from, in_user) < 0) || (out_user != 0 && get_user64(&to, out_user) < 0))
		return -EFAULT;
	if ((s64)from < 0 || (s64)to < 0)
		return -EINVAL;
	own_positions_lock(guard_in, guard_out);
	if (own_in != NULL)
		from = READ_ONCE(own_in->pos);
	if (own_out != NULL)
		to = READ_ONCE(own_out->pos);
	n = copy_from_file(p->in, &from, p->out, has_position(p->out) ? &to : NULL, len);
	if (own_in != NULL && n > 0)
		WRITE_ONCE(own_in->pos, from);
	if (own_out != NULL && n > 0)
		WRITE_ONCE(own_out->pos, to);
	own_positions_unlock(guard_in, guard_out);
	if (n > 0) {
		inotify_file(p->in, IN_ACCESS);
		inotify_file(p->out, IN_MODIFY);
	}
	if (n >= 0 && ((in_user != 0 && put_user64(in_user, from) < 0) || (out_user != 0 && put_user64(out_user, to) < 0)))
		return -EFAULT;
	return n;
}

s64 sys_sendfile(u64 out, u64 in, u64 pos_user, u64 len, u64 a4, u64 a5)
{
	struct pair p;
	u64 pos = 0;
	s64 n = pair_get(&p, in, out);

	if (n < 0)
		return n;
	if (!has_position(p.in) && !p.in->ops->never_waits)
		n = pos_user != 0 && p.in->inode != NULL && (p.in->inode->type == S_IFIFO || p.in->inode->type == S_IFSOCK) ? -ESPIPE : -EINVAL;
	else if (READ_ONCE(p.out->flags) & O_APPEND)
		n = -EINVAL;
	else if (pos_user != 0 && get_user64(&pos, pos_user) < 0)
		n = -EFAULT;
	else if ((s64)pos < 0 || (s64)len < 0)
		n = -EINVAL;
	else if (pos >= FILE_SIZE_MAX)
		n = -EOVERFLOW;
	else
		n = copy_files(&p, pos_user, 0, MIN(len, COPY_MAX));
	pair_put(&p);
	return n;
}

s64 sys_copy_file_range(u64 in, u64 in_user, u64 out, u64 out_user, u64 len, u64 flags)
{
	u64 from = 0, to = 0;
	struct pair p;
	s64 n;

	if ((u32)flags != 0)
		return -EINVAL;
	p.in = fd_get(in);
	p.out = fd_get(out);
	n = 0;
	if (p.in == NULL || p.out == NULL || p.in->ops == NULL || p.out->ops == NULL)
		n = -EBADF;
	else if ((in_user != 0 && get_user64(&from, in_user) < 0) || (out_user != 0 && get_user64(&to, out_user) < 0))
		n = -EFAULT;
	else if ((p.in->inode != NULL && p.in->inode->type == S_IFDIR) || (p.out->inode != NULL && p.out->inode->type == S_IFDIR))
		n = -EISDIR;
	else if (!has_position(p.in) || !has_position(p.out))
		n = -EINVAL;
	else if (!(file_access(p.in) & MAY_READ) || !(file_access(p.out) & MAY_WRITE) || (READ_ONCE(p.out->flags) & O_APPEND))
		n = -EBADF;
	else if (p.in->inode->dev != p.out->inode->dev)
		n = -EXDEV;
	if (n == 0) {
		from = in_user != 0 ? from : READ_ONCE(p.in->pos);
		to = out_user != 0 ? to : READ_ONCE(p.out->pos);
		if (from + len < from || to + len < to)
			n = -EOVERFLOW;
		len = MIN(len, COPY_MAX);
		if (p.in->object != NULL)		/* no more than there is counts as copied, or as in the way */
			len = MIN(len, object_size(p.in->object) - MIN(from, object_size(p.in->object)));
		if (n < 0)
			;
		else if (p.in->object == p.out->object && from < to + len && to < from + len)
			n = -EINVAL;			/* the ranges overlap */
		else
			n = copy_files(&p, in_user, out_user, len);
	}
	pair_put(&p);
	return n;
}

/* --- pipes --- */

struct sink { struct file *out; u64 *pos; };

static s64 sink_file(void *arg, const void *buf, size_t n)
{
	struct sink *s = arg;
	struct socket *to = file_socket(s->out);
	struct transfer t = { .kernel = (void *)buf, .len = n, .flags = MSG_DONTWAIT };

	return to != NULL ? socket_send(to, &t) : put(s->out, buf, n, s->pos);
}

static bool nonblocking(const struct file *f, u64 flags)
{
	return (flags & SPLICE_F_NONBLOCK) || (READ_ONCE(f->flags) & O_NONBLOCK);
}

/* To a file that may wait for long: outside of the pipe's lock. */
static s64 drain_lent(struct pair *p, size_t len, struct sink *s)
{
	size_t size = MIN(len, (size_t)FILE_CHUNK);
	u8 *buf = kmalloc(size);
	s64 n;

	if (buf == NULL)
		return -ENOMEM;
	n = pipe_lend(p->in, buf, size);
	if (n > 0) {
		n = put(s->out, buf, n, s->pos);
		pipe_give_back(p->in, MAX(n, (s64)0));
	}
	kfree(buf);
	return n;
}

static bool may_wait(const struct file *f)
{
	return f->object == NULL && !f->ops->never_waits && file_socket(f) == NULL;
}

static s64 splice_from_pipe(struct pair *p, u64 *pos, size_t len, u64 flags)
{
	struct sink s = { p->out, has_position(p->out) ? pos : NULL };

	for (;;) {
		u32 there = file_poll(p->in, NULL);
		s64 n = may_wait(p->out) ? drain_lent(p, len, &s) : pipe_drain(p->in, len, false, sink_file, &s);
		int rc;

		if (n != -EAGAIN)
			return n;
		if (there & POLLIN) {			/* there were bytes: the target has no room */
			if (nonblocking(p->out, flags))
				return -EAGAIN;
			rc = file_wait(p->out, POLLOUT);
		} else {
			if (nonblocking(p->in, flags))
				return -EAGAIN;
			rc = file_wait(p->in, POLLIN);
		}
		if (rc < 0)
			return rc;
	}
}

/* Room first, so that nothing that was read has to wait for it. */
static s64 splice_to_pipe(struct pair *p, u64 *pos, size_t len, u64 flags)
{
	const size_t part = 4096;		/* what a pipe that polls as writable takes at once */
	u8 *buf;
	s64 n;
	int rc = 0;

	if (p->in->ops->read == NULL || p->in->ops->readdir != NULL)
		return -EINVAL;
	if (!(file_poll(p->out, NULL) & (POLLOUT | POLLERR))) {
		if (nonblocking(p->out, flags))
			return -EAGAIN;
		rc = file_wait(p->out, POLLOUT);
	}
	if (rc < 0)
		return rc;
	if (has_position(p->in) || p->in->ops->never_waits) {
		size_t done = 0;

		do {
			n = copy_from_file(p->in, pos, p->out, NULL, MIN(len - done, part));
			done += MAX(n, (s64)0);
		} while (n == (s64)part && done < len && !signal_pending_current() && (file_poll(p->out, NULL) & (POLLOUT | POLLERR)) == POLLOUT);
		return done != 0 ? (s64)done : n;
	}
	if ((flags & SPLICE_F_NONBLOCK) && !(file_poll(p->in, NULL) & (POLLIN | POLLHUP | POLLERR)))
		return -EAGAIN;
	buf = kmalloc(part);
	if (buf == NULL)
		return -ENOMEM;
	while ((rc = pipe_reserve(p->out, part)) == -EAGAIN && !nonblocking(p->out, flags)) {
		rc = file_wait(p->out, POLLOUT);
		if (rc < 0)
			break;
	}
	n = rc;
	if (rc == 0) {
		n = p->in->ops->read(p->in, buf, MIN(len, part), NULL);
		pipe_put_reserved(p->out, buf, MAX(n, (s64)0), part);
	}
	kfree(buf);
	return n;
}

static s64 splice_pipes(struct pair *p, size_t len, u64 flags, bool keep)
{
	for (;;) {
		bool full;
		s64 n = pipe_to_pipe(p->in, p->out, len, keep, &full);
		int rc;

		if (n != -EAGAIN)
			return n;
		if (nonblocking(full ? p->out : p->in, flags))
			return -EAGAIN;
		rc = full ? file_wait(p->out, POLLOUT) : file_wait(p->in, POLLIN);
		if (rc < 0)
			return rc;
	}
}

static s64 splice(struct pair *p, u64 in_user, u64 out_user, size_t len, u64 flags)
{
	bool from_pipe = file_is_pipe(p->in), to_pipe = file_is_pipe(p->out);
	struct file *other = from_pipe ? p->out : p->in;
	u64 user = from_pipe ? out_user : in_user, pos = 0;
	s64 n, rc = 0;

	if (!from_pipe && !to_pipe)
		return -EINVAL;
	if ((from_pipe && in_user != 0) || (to_pipe && out_user != 0))
		return -ESPIPE;
	if (from_pipe && to_pipe)
		return splice_pipes(p, len, flags, false);
	if (user != 0 && !has_position(other))
		return -EINVAL;
	if (from_pipe && (READ_ONCE(other->flags) & O_APPEND))
		return -EINVAL;
	if (has_position(other))
		rc = position_begin(other, user, &pos);
	if (rc < 0)
		return rc;
	n = from_pipe ? splice_from_pipe(p, &pos, len, flags) : splice_to_pipe(p, &pos, len, flags);
	if (has_position(other))
		rc = position_end(other, user, pos);
	return rc < 0 ? rc : n;
}

s64 sys_splice(u64 in, u64 in_user, u64 out, u64 out_user, u64 len, u64 flags)
{
	struct pair p;
	s64 n;

	if (len == 0)
		return 0;
	if ((u32)flags & ~15U)
		return -EINVAL;
	n = pair_get(&p, in, out);
	if (n < 0)
		return n;
	n = splice(&p, in_user, out_user, MIN(len, COPY_MAX), flags);
	pair_put(&p);
	return n;
}

s64 sys_tee(u64 in, u64 out, u64 len, u64 flags, u64 a4, u64 a5)
{
	struct pair p;
	s64 n;

	if ((u32)flags & ~15U)
		return -EINVAL;
	if (len == 0)
		return 0;
	n = pair_get(&p, in, out);
	if (n < 0)
		return n;
	n = !file_is_pipe(p.in) || !file_is_pipe(p.out) ? -EINVAL : splice_pipes(&p, MIN(len, COPY_MAX), flags, true);
	pair_put(&p);
	return n;
}

/* What there is room for: a program with one thread may be the one who reads it. */
static s64 vmsplice_into(struct file *f, u64 vec, u64 nr, u64 flags)
{
	struct iovec_abi fast[FAST_IOV], *v;
	size_t total, done = 0;
	s64 n = vec_get(vec, nr, -EINVAL, fast, &v, &total);
	struct iovec_place from;
	u8 *buf;

	if (n < 0)
		return n;
	buf = kmalloc(FILE_CHUNK);
	if (buf == NULL)
		n = -ENOMEM;
	from = (struct iovec_place){ .vec = v };
	while (buf != NULL && done < total) {
		size_t got = iovec_copy(&from, buf, MIN(total - done, (size_t)FILE_CHUNK), false);

		n = got == 0 ? -EFAULT : pipe_fill(f, buf, got);
		while (n == -EAGAIN && done == 0 && !nonblocking(f, flags)) {
			n = file_wait(f, POLLOUT);
			if (n == 0)
				n = pipe_fill(f, buf, got);
		}
		done += MAX(n, (s64)0);
		if (n < (s64)FILE_CHUNK)
			break;
	}
	kfree(buf);
	vec_put(v, fast);
	if (done != 0)
		inotify_file(f, IN_MODIFY);
	return done ? (s64)done : n;
}

/* The program's pages are copied, never lent. */
s64 sys_vmsplice(u64 fd, u64 vec, u64 n, u64 flags, u64 a4, u64 a5)
{
	struct file *f;
	bool write;
	s64 rc;

	if ((u32)flags & ~15U)
		return -EINVAL;
	f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	write = file_access(f) & MAY_WRITE;
	if (f->ops == NULL || !file_is_pipe(f))
		rc = -EBADF;
	else if (write)
		rc = vmsplice_into(f, vec, n, flags);
	else if ((flags & SPLICE_F_NONBLOCK) && !(file_poll(f, NULL) & (POLLIN | POLLHUP)))
		rc = -EAGAIN;
	else
		rc = sys_readv(fd, vec, n, 0, 0, 0);
	file_put(f);
	return rc;
}
