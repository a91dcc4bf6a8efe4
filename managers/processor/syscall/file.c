/* SPDX-License-Identifier: MIT */
/* The system calls on open files: read and write in all forms, seek, dup, fcntl, ioctl, pipes. */
#include "arch/x86/uaccess.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/async.h"
#include "managers/processor/fs/fd.h"
#include "managers/processor/fs/inotify.h"
#include "managers/processor/fs/iovec.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/lease.h"
#include "managers/processor/fs/lock.h"
#include "managers/processor/process/process.h"
#include "managers/processor/socket/rights.h"
#include "managers/processor/syscall/syscall.h"
#include "mm/slab.h"

#define RW_MAX	0x7ffff000UL		/* as read(2) says */
#define SMALL	512

/* --- read and write: user memory goes through a kernel buffer, a chunk at a time --- */

static void *chunk_get(void *small, size_t len, size_t *size)
{
	*size = MIN(len, (size_t)FILE_CHUNK);
	if (len <= SMALL)
		return small;
	return kmalloc(*size);
}

static void chunk_put(void *small, void *buf)
{
	if (buf != small)
		kfree(buf);
}

/* A large read of a regular file is, where that goes, one of its memory node's doing alone. */
static bool read_is_large(const struct file *f, const u64 *pos, size_t len)
{
	return f->ops == &regular_ops && pos != NULL && space_read_is_large(f->object, len);
}

static size_t read_placed(struct file *f, u64 user, size_t len, u64 *pos, size_t *piece)
{
	size_t n = space_read_placed(task_current()->space, user, len, f->object, *pos, piece);

	*pos += n;
	*piece = MIN(*piece, len - n);
	return n;
}

/*
 * Is what is left of a read looked for at once? Of a file with a position, and of a device that has it: there a signal may come between.
 * Elsewhere it may be long in coming.
 */
static bool reads_on(const struct file *f)
{
	return f->object != NULL || (f->ops->never_waits && !signal_pending_current());
}

#define DIRECT_ALIGN	512	/* of address, length and position: a disk's sector */

/* O_DIRECT: what a disk could not move by itself is refused, though all goes through memory here. */
static bool direct_ok(const struct file *f, u64 user, size_t len, const u64 *pos, bool write)
{
	u64 at;

	if (!(READ_ONCE(f->flags) & O_DIRECT) || f->ops != &regular_ops || pos == NULL || len == 0)
		return true;
	at = write && ((READ_ONCE(f->flags) & O_APPEND) || *pos == FILE_APPEND) ? object_size(f->object) : *pos;
	return ((user | len | at) & (DIRECT_ALIGN - 1)) == 0 || (!write && at >= object_size(f->object));
}

struct vector { struct iovec_abi *vec; u64 nr; size_t total; };

static s64 vector_socket(struct file *f, const struct vector *v, bool write, bool nowait)
{
	struct transfer t = { .at.vec = v->vec, .len = v->total };
	s64 n;

	if (nowait || (READ_ONCE(f->flags) & O_NONBLOCK))
		t.flags |= MSG_DONTWAIT;
	if (write)
		return socket_send(file_socket(f), &t);
	n = socket_receive(file_socket(f), &t);
	if (t.rights != NULL)
		rights_free(t.rights);
	return n;
}

static s64 into_program(void *arg, const void *buf, size_t n)
{
	size_t got = iovec_copy(arg, (void *)buf, n, true);

	return got ? (s64)got : -EFAULT;
}

/* Of a pipe or socket: straight into the program's memory, so that what cannot go there stays in it. */
static bool reads_straight(const struct file *f)
{
	return file_is_pipe(f) || file_socket(f) != NULL;
}

static s64 read_straight(struct file *f, const struct vector *v)
{
	struct iovec_place to = { .vec = v->vec };

	if (v->total == 0)
		return 0;
	if (file_socket(f) != NULL)
		return vector_socket(f, v, false, false);
	return pipe_read_to(f, v->total, into_program, &to);
}

static s64 read_file(struct file *f, u64 user, size_t len, u64 *pos)
{
	u8 small[SMALL], *buf;
	size_t size, done = 0;
	bool large;
	s64 n = 0;

	if (!(file_access(f) & MAY_READ))
		return -EBADF;
	if (f->ops->read == NULL)
		return -EINVAL;
	if (!user_range_ok(user, len))
		return -EFAULT;
	len = MIN(len, RW_MAX);
	if (reads_straight(f)) {
		struct iovec_abi one = { user, len };

		return read_straight(f, &(struct vector){ &one, 1, len });
	}
	if (!direct_ok(f, user, len, pos, false))
		return -EINVAL;
	large = read_is_large(f, pos, len);
	buf = chunk_get(small, len, &size);
	if (buf == NULL)
		return -ENOMEM;
	do {
		size_t part = MIN(len - done, size), copied;
		u64 before;

		if (large) {
			done += read_placed(f, user + done, len - done, pos, &part);
			if (done == len)
				break;
		}
		before = pos ? *pos : 0;
		n = f->ops->read(f, buf, part, pos);
		if (n <= 0)
			break;
		copied = copy_to_user_partial(user + done, buf, n);
		done += copied;
		if (copied < (size_t)n) {
			if (pos != NULL)
				*pos = before + copied;
			if (done == 0)
				n = -EFAULT;
			break;
		}
		if ((size_t)n < part || !reads_on(f))
			break;
	} while (done < len);
	chunk_put(small, buf);
	return done ? (s64)done : n;
}

static s64 write_file(struct file *f, u64 user, size_t len, u64 *pos)
{
	u8 small[SMALL], *buf;
	size_t size, done = 0;
	s64 n = 0;

	if (!(file_access(f) & MAY_WRITE))
		return -EBADF;
	if (f->ops->write == NULL)
		return -EINVAL;
	if (!user_range_ok(user, len))
		return -EFAULT;
	len = MIN(len, RW_MAX);
	if (!direct_ok(f, user, len, pos, true))
		return -EINVAL;
	buf = chunk_get(small, len, &size);
	if (buf == NULL)
		return -ENOMEM;
	do {
		size_t part = MIN(len - done, size), got = copy_from_user_partial(buf, user + done, part);

		if (got == 0 && part != 0) {
			n = -EFAULT;
			break;
		}
		n = f->ops->write(f, buf, got, pos);
		if (n < 0)
			break;
		done += n;
		if ((size_t)n < got || got < part)
			break;
	} while (done < len);
	chunk_put(small, buf);
	return done ? (s64)done : n;
}

typedef s64 (*rw_fn)(struct file *f, u64 user, size_t len, u64 *pos);

static void rw_told(struct file *f, s64 n, bool write)
{
	struct io_count *io = &task_current()->io;

	if (write) {
		io->write_calls++;
		io->write_chars += MAX(n, (s64)0);
	} else {
		io->read_calls++;
		io->read_chars += MAX(n, (s64)0);
	}
	if (n > 0)
		inotify_file(f, write ? IN_MODIFY : IN_ACCESS);
}

static s64 rw_seq(struct file *f, rw_fn rw, u64 user, size_t len)
{
	s64 n;

	if (f->ops->seek == NULL || f->object == NULL)
		if (f->ops->readdir == NULL && f->inode != NULL && f->inode->type != S_IFREG)
			return rw(f, user, len, NULL);		/* no position to guard: a reader may wait here for long */
	mutex_lock(&f->pos_lock);
	n = rw(f, user, len, &f->pos);
	mutex_unlock(&f->pos_lock);
	return n;
}

static s64 rw_fd(u64 fd, rw_fn rw, u64 user, size_t len)
{
	struct file *f = fd_get(fd);
	s64 n;

	if (f == NULL)
		return -EBADF;
	n = f->ops == NULL ? -EBADF : rw_seq(f, rw, user, len);
	rw_told(f, n, rw == write_file);
	file_put(f);
	return n;
}

s64 sys_read(u64 fd, u64 buf, u64 len, u64 a3, u64 a4, u64 a5) { return rw_fd(fd, read_file, buf, len); }
s64 sys_write(u64 fd, u64 buf, u64 len, u64 a3, u64 a4, u64 a5) { return rw_fd(fd, write_file, buf, len); }

/* pread() and the like: not of pipes, sockets, terminals and files without a name. */
static bool may_position(const struct file *f)
{
	u32 type = f->inode != NULL ? f->inode->type : S_IFREG;

	return type == S_IFREG || type == S_IFDIR || (type == S_IFCHR && f->ops != NULL && !f->ops->tells);
}

static s64 rw_at(u64 fd, rw_fn rw, u64 user, size_t len, u64 pos)
{
	struct file *f;
	s64 n;

	if ((s64)pos < 0)
		return -EINVAL;
	f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	if (f->ops == NULL)
		n = -EBADF;
	else if (!may_position(f))
		n = -ESPIPE;
	else if (len != 0 && (s64)(pos + len) < 0)
		n = -EINVAL;			/* beyond what a position can be */
	else
		n = rw(f, user, len, &pos);
	rw_told(f, n, rw == write_file);
	file_put(f);
	return n;
}

s64 sys_pread64(u64 fd, u64 buf, u64 len, u64 pos, u64 a4, u64 a5) { return rw_at(fd, read_file, buf, len, pos); }
s64 sys_pwrite64(u64 fd, u64 buf, u64 len, u64 pos, u64 a4, u64 a5) { return rw_at(fd, write_file, buf, len, pos); }

/* --- vectors --- */

void vec_put(struct iovec_abi *vec, struct iovec_abi *fast)
{
	if (vec != fast)
		kfree(vec);
}

int vec_get(u64 user, u64 n, int too_many, struct iovec_abi *fast, struct iovec_abi **out, size_t *total)
{
	struct iovec_abi *vec = fast;
	int rc = 0;

	*total = 0;
	if (n > IOV_MAX)
		return too_many;
	if (n > FAST_IOV)
		vec = kmalloc(n * sizeof(*vec));
	if (vec == NULL)
		return -ENOMEM;
	if (n != 0)
		rc = copy_from_user(vec, user, n * sizeof(*vec));
	for (u64 i = 0; i < n && rc == 0; i++) {
		if ((s64)vec[i].len < 0)
			rc = -EINVAL;
		else if (!user_range_ok(vec[i].base, vec[i].len))
			rc = -EFAULT;
		else
			vec[i].len = MIN(vec[i].len, RW_MAX - *total);
		*total += rc == 0 ? vec[i].len : 0;
	}
	if (rc < 0)
		vec_put(vec, fast);
	else
		*out = vec;
	return rc;
}


/* A file with positions: one piece after the other. */
static s64 vector_pieces(struct file *f, const struct vector *v, bool write, u64 *pos)
{
	s64 done = 0, n = 0;

	for (u64 i = 0; i < v->nr; i++)
		if (!direct_ok(f, v->vec[i].base, v->vec[i].len, pos, write))
			return -EINVAL;
	for (u64 i = 0; i < v->nr; i++) {
		if (v->vec[i].len == 0 && i + 1 < v->nr)
			continue;
		n = write ? write_file(f, v->vec[i].base, v->vec[i].len, pos) : read_file(f, v->vec[i].base, v->vec[i].len, pos);
		if (n < 0)
			break;
		done += n;
		if ((u64)n < v->vec[i].len)
			break;
	}
	return done ? done : n;
}

/* Any other: it sees one write, so that what belongs together (what is to be atomic in a pipe) stays so; a large one comes in chunks. */
static s64 vector_write(struct file *f, const struct vector *v)
{
	size_t size = MIN(v->total, (size_t)FILE_CHUNK), done = 0;
	struct iovec_place from = { .vec = v->vec };
	u8 *buf = kmalloc(MAX(size, (size_t)64));
	s64 n;

	if (buf == NULL)
		return -ENOMEM;
	do {
		size_t part = MIN(v->total - done, size), got = iovec_copy(&from, buf, part, false);

		n = got == 0 ? -EFAULT : f->ops->write(f, buf, got, NULL);
		if (n < 0)
			break;
		done += n;
		if ((size_t)n < got || got < part)
			break;
	} while (done < v->total);
	kfree(buf);
	return done ? (s64)done : n;
}

static s64 vector_read(struct file *f, const struct vector *v)
{
	size_t size = MIN(v->total, (size_t)FILE_CHUNK), part, done = 0;
	struct iovec_place to = { .vec = v->vec };
	u8 *buf = kmalloc(MAX(size, (size_t)64));
	s64 n;

	if (buf == NULL)
		return -ENOMEM;
	do {
		size_t got;

		part = MIN(v->total - done, size);
		n = f->ops->read(f, buf, part, NULL);
		if (n <= 0)
			break;
		got = iovec_copy(&to, buf, n, true);
		done += got;
		if (got < (size_t)n) {
			n = -EFAULT;
			break;
		}
	} while (done < v->total && (size_t)n == part && reads_on(f));
	kfree(buf);
	return done ? (s64)done : n;
}

static s64 vector_whole(struct file *f, const struct vector *v, bool write)
{
	if (!(file_access(f) & (write ? MAY_WRITE : MAY_READ)))
		return -EBADF;
	if ((write ? (void *)f->ops->write : (void *)f->ops->read) == NULL)
		return -EINVAL;
	return write ? vector_write(f, v) : reads_straight(f) ? read_straight(f, v) : vector_read(f, v);
}

static bool has_position(const struct file *f)
{
	return f->object != NULL || f->ops->readdir != NULL || f->inode == NULL || f->inode->type == S_IFREG;
}

/* Not more than n bytes of it; false: none, though some are wanted. */
static bool vector_limit(const struct vector *v, size_t n)
{
	size_t left = n;

	for (u64 i = 0; i < v->nr; i++) {
		v->vec[i].len = MIN(v->vec[i].len, left);
		left -= v->vec[i].len;
	}
	return n != 0 || v->total == 0;
}

/* pos NULL: the file's own. nowait: RWF_NOWAIT: what no node has to be asked for, of a file on a disk */
static s64 rw_vector(struct file *f, const struct vector *v, bool write, u64 *pos, bool nowait)
{
	s64 n;

	if (f->ops == NULL)
		return -EBADF;
	if (v->total == 0)			/* nothing is asked of whatever it is */
		return 0;
	if (file_socket(f) != NULL)
		return pos != NULL ? -ESPIPE : vector_socket(f, v, write, nowait);
	if (nowait) {
		if (write || f->ops != &regular_ops)
			return -EOPNOTSUPP;
		if (!vector_limit(v, object_here(f->object, pos != NULL ? *pos : READ_ONCE(f->pos), v->total)))
			return -EAGAIN;
	}
	if (pos != NULL) {
		return has_position(f) ? vector_pieces(f, v, write, pos) : vector_whole(f, v, write);
	}
	if (!has_position(f))
		return vector_whole(f, v, write);
	mutex_lock(&f->pos_lock);
	n = vector_pieces(f, v, write, &f->pos);
	mutex_unlock(&f->pos_lock);
	return n;
}

#define RWF_HIPRI	1
#define RWF_DSYNC	2
#define RWF_SYNC	4
#define RWF_NOWAIT	8
#define RWF_APPEND	16

/* pos NULL: the file's own */
static s64 vector_do(struct file *f, const struct vector *v, bool write, u64 *pos, u32 flags)
{
	bool append = write && (flags & RWF_APPEND) && f->object != NULL;
	u64 end = FILE_APPEND;
	s64 n;

	if (append && pos == NULL) {		/* where the file stands then is behind what was written */
		mutex_lock(&f->pos_lock);
		n = rw_vector(f, v, write, &end, flags & RWF_NOWAIT);
		if (n > 0)
			f->pos = end;
		mutex_unlock(&f->pos_lock);
	} else {
		n = rw_vector(f, v, write, append ? &end : pos, flags & RWF_NOWAIT);
	}
	rw_told(f, n, write);
	if (n > 0 && write && (flags & (RWF_DSYNC | RWF_SYNC)) && f->object != NULL) {
		int rc = object_sync(f->object, true);

		n = rc < 0 ? rc : n;
	}
	return n;
}

static s64 vector_call(u64 fd, u64 user, u64 nr, bool write, const u64 *at, u32 flags)
{
	struct iovec_abi fast[FAST_IOV];
	struct vector v = { .nr = nr };
	struct file *f = fd_get(fd);
	u64 pos = at ? *at : 0;
	s64 n;

	if (f == NULL)
		return -EBADF;
	if (at != NULL && (s64)pos < 0)
		n = -EINVAL;
	else if (at != NULL && !may_position(f))
		n = -ESPIPE;
	else if (f->ops == NULL || !(file_access(f) & (write ? MAY_WRITE : MAY_READ)))
		n = -EBADF;
	else if (flags & ~31U)
		n = -EOPNOTSUPP;
	else
		n = vec_get(user, nr, -EINVAL, fast, &v.vec, &v.total);
	if (n == 0 && at != NULL && v.total != 0 && (s64)(pos + v.total) < 0) {
		vec_put(v.vec, fast);
		n = -EINVAL;
	}
	if (n == 0) {
		n = vector_do(f, &v, write, at ? &pos : NULL, flags);
		vec_put(v.vec, fast);
	}
	file_put(f);
	return n;
}

s64 file_vector_at(struct file *f, struct iovec_abi *vec, u64 nr, size_t total, bool write, u64 pos, u32 flags)
{
	struct vector v = { vec, nr, total };

	return vector_do(f, &v, write, has_position(f) ? &pos : NULL, flags);
}

s64 sys_readv(u64 fd, u64 vec, u64 n, u64 a3, u64 a4, u64 a5) { return vector_call(fd, vec, n, false, NULL, 0); }
s64 sys_writev(u64 fd, u64 vec, u64 n, u64 a3, u64 a4, u64 a5) { return vector_call(fd, vec, n, true, NULL, 0); }
s64 sys_preadv(u64 fd, u64 vec, u64 n, u64 pos, u64 a4, u64 a5) { return vector_call(fd, vec, n, false, &pos, 0); }
s64 sys_pwritev(u64 fd, u64 vec, u64 n, u64 pos, u64 a4, u64 a5) { return vector_call(fd, vec, n, true, &pos, 0); }

/* Position -1: the file's own. */
s64 sys_preadv2(u64 fd, u64 vec, u64 n, u64 pos, u64 high, u64 flags)
{
	return vector_call(fd, vec, n, false, pos == ~0ULL ? NULL : &pos, flags);
}

s64 sys_pwritev2(u64 fd, u64 vec, u64 n, u64 pos, u64 high, u64 flags)
{
	return vector_call(fd, vec, n, true, pos == ~0ULL ? NULL : &pos, flags);
}

s64 sys_lseek(u64 fd, u64 off, u64 whence, u64 a3, u64 a4, u64 a5)
{
	struct file *f = fd_get(fd);
	s64 rc;

	if (f == NULL)
		return -EBADF;
	if ((u32)whence > SEEK_HOLE) {
		rc = -EINVAL;
	} else if (f->ops == NULL || f->ops->seek == NULL) {
		rc = f->ops == NULL ? -EBADF : -ESPIPE;
	} else {
		mutex_lock(&f->pos_lock);
		rc = f->ops->seek(f, off, whence);
		mutex_unlock(&f->pos_lock);
	}
	file_put(f);
	return rc;
}

/* getdents(2)'s records are as long as getdents64(2)'s, with the type in the last byte. */
static void old_records(u8 *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		struct dirent64_abi *d = (struct dirent64_abi *)(buf + at);
		size_t room = d->reclen - offsetof(struct dirent64_abi, type);
		u8 type = d->type;

		memmove(&d->type, d->name, room - 1);
		buf[at + d->reclen - 1] = type;
		at += d->reclen;
	}
}

static s64 list(u64 fd, u64 user, u64 len, bool old)
{
	struct file *f = fd_get(fd);
	size_t size = MIN((u32)len, (u32)32768);
	void *buf;
	s64 n;

	if (f == NULL)
		return -EBADF;
	if (f->ops == NULL || f->ops->readdir == NULL) {
		file_put(f);
		return -ENOTDIR;
	}
	buf = kmalloc(MAX(size, (size_t)64));
	if (buf == NULL) {
		file_put(f);
		return -ENOMEM;
	}
	mutex_lock(&f->pos_lock);
	u64 before = f->pos;

	n = f->ops->readdir(f, buf, size);
	if (n > 0 && old)
		old_records(buf, n);
	if (n > 0 && copy_to_user(user, buf, n) < 0) {
		f->pos = before;
		n = -EFAULT;
	}
	mutex_unlock(&f->pos_lock);
	kfree(buf);
	if (n >= 0)
		inotify_file(f, IN_ACCESS);
	file_put(f);
	return n;
}

s64 sys_getdents64(u64 fd, u64 user, u64 len, u64 a3, u64 a4, u64 a5) { return list(fd, user, len, false); }
s64 sys_getdents(u64 fd, u64 user, u64 len, u64 a3, u64 a4, u64 a5) { return list(fd, user, len, true); }

/* --- descriptors --- */

s64 sys_close(u64 fd, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return fd_close(fd); }

static s64 dup_from(u64 fd, int lowest, bool cloexec)
{
	struct file *f = fd_get_any(fd);
	int rc;

	if (f == NULL)
		return -EBADF;
	rc = fd_install_from(f, lowest, cloexec);
	if (rc < 0)
		file_put(f);
	return rc;
}

s64 sys_dup(u64 fd, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return dup_from(fd, 0, false); }

s64 sys_dup2(u64 from, u64 to, u64 a2, u64 a3, u64 a4, u64 a5)
{
	if ((u32)from == (u32)to)
		return fd_get_flags(from) < 0 ? -EBADF : (s64)(u32)to;
	return fd_dup_to(from, to, false);
}

s64 sys_dup3(u64 from, u64 to, u64 flags, u64 a3, u64 a4, u64 a5)
{
	if ((flags & ~(u64)O_CLOEXEC) || (u32)from == (u32)to)
		return -EINVAL;
	return fd_dup_to(from, to, flags & O_CLOEXEC);
}

s64 sys_close_range(u64 first, u64 last, u64 flags, u64 a3, u64 a4, u64 a5)
{
	if ((flags & ~6ULL) || (u32)first > (u32)last)
		return -EINVAL;
	if (flags & 2) {			/* CLOSE_RANGE_UNSHARE */
		struct fd_table *t = fd_table_unshare(task_current()->files);

		if (t == NULL)
			return -ENOMEM;
		task_set_files(task_current(), t);
	}
	fd_close_range(first, last, flags & 4);
	return 0;
}

#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

/* F_SETFL */
static int flags_allowed(const struct file *f, u32 flags)
{
	u32 fresh = flags & ~READ_ONCE(f->flags);
	const struct inode *i = f->inode;

	if ((fresh & O_NOATIME) && i != NULL && process_current()->cred.fsuid != i->uid && !capable(CAP_FOWNER))
		return -EPERM;
	return (fresh & O_DIRECT) && f->object == NULL && (i == NULL || i->type != S_IFIFO) ? -EINVAL : 0;
}

static void flags_change(struct file *f, u32 flags)
{
	u32 old = READ_ONCE(f->flags);

	WRITE_ONCE(f->flags, (old & ~(u32)SETTABLE) | (flags & SETTABLE));
}

#define HINT_LAST	5		/* RWH_WRITE_LIFE_EXTREME */

/* How long what is written to the file will be of use: kept for who asks. */
static s64 write_hint(struct file *f, u32 cmd, u64 user)
{
	u64 hint;

	if (f->inode == NULL)
		return -EINVAL;
	if (cmd == F_GET_RW_HINT)
		return put_user64(user, READ_ONCE(f->inode->write_hint));
	if (get_user64(&hint, user) < 0)
		return -EFAULT;
	if (hint > HINT_LAST)
		return -EINVAL;
	WRITE_ONCE(f->inode->write_hint, hint);
	return 0;
}

s64 sys_fcntl(u64 fd, u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	struct file *f;
	s64 rc = 0;

	switch ((u32)cmd) {
	case F_DUPFD: return dup_from(fd, arg, false);
	case F_DUPFD_CLOEXEC: return dup_from(fd, arg, true);
	case F_GETFD: return fd_get_flags(fd);
	case F_SETFD: return fd_set_flags(fd, arg);
	}
	f = (u32)cmd == F_GETFL ? fd_get_any(fd) : fd_get(fd);
	if (f == NULL)
		return -EBADF;
	switch ((u32)cmd) {
	case F_GETFL: rc = READ_ONCE(f->flags); break;
	case F_SETFL:
		rc = flags_allowed(f, arg);
		if (rc == 0 && ((READ_ONCE(f->flags) ^ arg) & O_ASYNC) && f->ops->tells)
			rc = async_set(f, fd, arg & O_ASYNC);
		if (rc == 0)
			flags_change(f, arg);
		break;
	case F_GETPIPE_SZ:
	case F_SETPIPE_SZ: rc = pipe_size(f, (u32)cmd == F_SETPIPE_SZ ? (s64)(u32)arg : -1); break;
	case F_ADD_SEALS: rc = memfd_seal(f, arg); break;
	case F_GET_SEALS: rc = memfd_seals(f); break;
	case F_GET_RW_HINT:
	case F_SET_RW_HINT: rc = write_hint(f, cmd, arg); break;
	case F_SETLEASE: rc = lease_set(f, fd, (s32)arg); break;
	case F_GETLEASE: rc = lease_get(f); break;
	case F_SETOWN:
	case F_GETOWN:
	case F_SETSIG:
	case F_GETSIG:
	case F_SETOWN_EX:
	case F_GETOWN_EX:
	case F_GETOWNER_UIDS: rc = async_fcntl(f, cmd, arg); break;
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case 36:				/* F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW */
	case 37:
	case 38: rc = lock_fcntl(f, cmd, arg); break;
	default: rc = -EINVAL;
	}
	file_put(f);
	return rc;
}

#define LOCK_MAND	32

s64 sys_flock(u64 fd, u64 op, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u32 what = (u32)op & ~4U;		/* LOCK_NB apart */
	struct file *f;
	s64 rc;

	if ((u32)op & LOCK_MAND)			/* of old, for another kind of lock: no longer done, and no error */
		return 0;
	if (what != 1 && what != 2 && what != 8)
		return -EINVAL;
	f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	rc = lock_flock(f, op);
	file_put(f);
	return rc;
}

/* ioctl_ficlone(2): no files here share blocks. */
static s64 clone_refused(const struct file *to, u64 fd)
{
	struct file *from = fd_get(fd);
	s64 rc = -EOPNOTSUPP;

	if (from == NULL)
		return -EBADF;
	if (from->inode == NULL || to->inode == NULL || from->inode->dev != to->inode->dev)
		rc = -EXDEV;
	else if (from->inode->type == S_IFDIR || to->inode->type == S_IFDIR)
		rc = -EISDIR;
	else if (from->inode->type != S_IFREG || to->inode->type != S_IFREG)
		rc = -EINVAL;
	else if (!(file_access(from) & MAY_READ) || !(file_access(to) & MAY_WRITE))
		rc = -EBADF;
	file_put(from);
	return rc;
}

/* What any file is asked, and what its kind is. */
static s64 ioctl_any(struct file *f, u32 cmd, u64 arg)
{
	struct attr a;
	int rc;

	switch (cmd) {
	case FICLONE: return clone_refused(f, arg);
	case FIOQSIZE:
		if (f->object == NULL && (f->inode == NULL || f->inode->type != S_IFDIR))
			return -ENOTTY;
		rc = fs_stat(f->inode, &a);
		return rc < 0 ? rc : put_user64(arg, a.blocks * 512);
	case FIGETBSZ:
		if (f->inode == NULL)
			return -EINVAL;
		rc = fs_stat(f->inode, &a);
		return rc < 0 ? rc : put_user32(arg, a.blksize);
	}
	return f->ops != NULL && f->ops->ioctl != NULL ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;
}

s64 sys_ioctl(u64 fd, u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	struct file *f = fd_get(fd);
	u32 on;
	s64 rc;

	if (f == NULL)
		return -EBADF;
	switch ((u32)cmd) {
	case FIOCLEX: rc = fd_set_flags(fd, FD_CLOEXEC); break;
	case FIONCLEX: rc = fd_set_flags(fd, 0); break;
	case FIONBIO:
		rc = get_user32(&on, arg);
		if (rc == 0)
			flags_change(f, on ? READ_ONCE(f->flags) | O_NONBLOCK : READ_ONCE(f->flags) & ~(u32)O_NONBLOCK);
		break;
	case FIOASYNC:
		rc = get_user32(&on, arg);
		if (rc == 0 && (on != 0) != ((READ_ONCE(f->flags) & O_ASYNC) != 0))
			rc = async_set(f, fd, on != 0);
		break;
	case FIONREAD:
		if (f->inode != NULL && f->inode->type == S_IFREG && f->object != NULL) {
			rc = put_user32(arg, object_size(f->object) - READ_ONCE(f->pos));
			break;
		}
		/* fall through */
	default: rc = ioctl_any(f, cmd, arg);
	}
	file_put(f);
	return rc;
}

s64 sys_pipe2(u64 fds, u64 flags, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct file *r, *w;
	int fd[2], rc;

	if (flags & ~(u64)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	rc = pipe_create(&r, &w, flags);
	if (rc < 0)
		return rc;
	fd[0] = fd_install(r, flags & O_CLOEXEC);
	if (fd[0] < 0) {
		file_put(r);
		file_put(w);
		return fd[0];
	}
	fd[1] = fd_install(w, flags & O_CLOEXEC);
	if (fd[1] < 0) {
		file_put(w);
		rc = fd_close(fd[0]);
		return fd[1];
	}
	if (copy_to_user(fds, fd, sizeof(fd)) < 0) {
		rc = fd_close(fd[0]);
		rc = fd_close(fd[1]);
		return -EFAULT;
	}
	return 0;
}

s64 sys_pipe(u64 fds, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) { return sys_pipe2(fds, 0, 0, 0, 0, 0); }
