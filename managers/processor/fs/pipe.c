/* SPDX-License-Identifier: MIT */
/*
 * Pipes and fifos (pipe(7)): 64 KiB; writes of up to PIPE_BUF bytes are not divided. One mutex a pipe; readers and writers
 * sleep on its two wait queues.
 *
 * Where a writer has O_DIRECT its writes are packets, each read by itself: then the bytes in the pipe are told apart as pieces, packets
 * and runs of plain bytes. A pipe without packets has no pieces.
 *
 * Nobody waits for another file, or for a page of a program, with a pipe's lock held. What read(2) copies out, and what splice(2) gives to a file
 * that may wait, is lent meanwhile: it stands at the head, and nobody else takes of it. What it reads from one has its room reserved before.
 * (A file that another node keeps is not meant: what is written to it waits for that node, which answers or is dead.)
 */
#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/fs/poll.h"
#include "managers/processor/process/process.h"
#include "mm/slab.h"

#define PIPE_DEFAULT	65536
#define PIPE_MAX	1048576		/* for all but root */
#define PIPE_BUF	4096
#define LOAN_MAX	65536		/* of a read */

struct pipe {
	refcount_t refs;
	struct mutex lock;
	u32 head, used;			/* [lock] */
	unsigned readers, writers;	/* [lock] open ends */
	unsigned reader_opens, writer_opens; /* [lock] how many there ever were */
	struct list fifo_link;		/* [fifos_lock] */
	u64 dev, ino;			/* [I] of a fifo */
	struct waitq read_wait, write_wait;
	u8 *data;			/* [lock] */
	u32 size;			/* [lock] at least used + reserved */
	u32 reserved, nr_reserved;	/* [lock] bytes that others do not write to; for how many splices */
	bool loan_seen;			/* atomic: somebody would have read, or polled, while it was lent */
	bool lent;			/* [lock] to one splice or read: neither readable nor at its end */
	u32 *piece;			/* [lock] a ring of pieces_max(), in order: length, PACKET; NULL: there never was one */
	u32 first_piece, nr_pieces;	/* [lock] 0: all of it is plain bytes; else their lengths are `used` */
};
#define PACKET	(1U << 31)		/* of a piece: read by itself */

/* As Linux: a packet takes a page, however short it is. */
static u32 pieces_max(const struct pipe *p) { return p->size / PIPE_BUF; }

static DEFINE_MUTEX(fifos_lock, RANK_MUTEX_LEAF);
static struct list fifos = LIST_INIT(fifos);	/* [fifos_lock] */

static struct pipe *pipe_alloc(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->size = PIPE_DEFAULT;
	p->data = kmalloc(p->size);
	if (p->data == NULL) {
		kfree(p);
		return NULL;
	}
	ref_init(&p->refs, 1);
	mutex_init(&p->lock, "pipe", RANK_PIPE);
	waitq_init(&p->read_wait);
	waitq_init(&p->write_wait);
	list_init(&p->fifo_link);
	return p;
}

static void pipe_put(struct pipe *p)
{
	if (!ref_put(&p->refs))
		return;
	mutex_lock(&fifos_lock);
	list_del(&p->fifo_link);
	mutex_unlock(&fifos_lock);
	kfree(p->data);
	kfree(p->piece);
	kfree(p);
}

/* --- pieces; lock held --- */

static u32 *piece(struct pipe *p, u32 n) { return &p->piece[(p->first_piece + n) % pieces_max(p)]; }

static bool is_packet(struct pipe *p, u32 n) { return p->nr_pieces > n && (*piece(p, n) & PACKET); }

/* n more bytes stand at the end. There was room for them. */
static void pieces_add(struct pipe *p, u32 n, bool packet)
{
	if (n == 0 || (p->nr_pieces == 0 && !packet))
		return;
	if (p->nr_pieces == 0 && p->used > n)		/* what was there is one of plain bytes */
		*piece(p, p->nr_pieces++) = p->used - n;
	if (!packet && p->nr_pieces != 0 && !is_packet(p, p->nr_pieces - 1))
		*piece(p, p->nr_pieces - 1) += n;
	else
		*piece(p, p->nr_pieces++) = n | (packet ? PACKET : 0);
}

/* n bytes are taken off the front; what is left of a packet is one still. */
static void pieces_take(struct pipe *p, u32 n)
{
	while (n != 0 && p->nr_pieces != 0) {
		u32 *at = piece(p, 0), part = MIN(n, *at & ~PACKET);

		*at -= part;
		n -= part;
		if ((*at & ~PACKET) == 0) {
			p->first_piece = (p->first_piece + 1) % pieces_max(p);
			p->nr_pieces--;
		}
	}
	for (u32 i = 0; i < p->nr_pieces; i++)
		if (is_packet(p, i))
			return;
	p->nr_pieces = 0;
}

/* Bytes that may be written now, of n. A packet needs a piece for itself, and one for the plain bytes that stand before the first. */
static u32 room_for(struct pipe *p, u32 n, bool packet)
{
	u32 used = READ_ONCE(p->used), nr = READ_ONCE(p->nr_pieces), size = READ_ONCE(p->size);
	u32 taken = used + READ_ONCE(p->reserved), room = MIN(n, size - MIN(taken, size));

	if (packet || nr != 0)
		room = nr + (nr == 0 && used != 0) + READ_ONCE(p->nr_reserved) < size / PIPE_BUF ? room : 0;
	return room;
}

/* Is there what one read would take, or the end? */
static bool read_ready(struct pipe *p)
{
	return !READ_ONCE(p->lent) && (READ_ONCE(p->used) != 0 || READ_ONCE(p->writers) == 0);
}

/* How much one read takes of len: *drop: bytes behind that, of a packet that was longer. */
static u32 readable(struct pipe *p, size_t len, u32 *drop)
{
	u32 n = 0;

	*drop = 0;
	if (p->nr_pieces == 0)
		return MIN(len, (size_t)p->used);
	for (u32 i = 0; i < p->nr_pieces && n < len; i++) {
		u32 have = *piece(p, i) & ~PACKET, part = MIN(len - n, (size_t)have);

		n += part;
		if (is_packet(p, i)) {
			*drop = have - part;
			break;
		}
	}
	return n;
}

static void take_off(struct pipe *p, u32 n)
{
	p->head = (p->head + n) % p->size;
	p->used -= n;
	pieces_take(p, n);
}

/* What sink takes of the first n bytes, which are there; keep: they stay. lock held */
static s64 drain_locked(struct pipe *p, size_t n, bool keep, pipe_sink sink, void *arg)
{
	size_t done = 0;
	s64 rc = 0;

	while (done < n) {
		u32 head = (p->head + done) % p->size;
		size_t part = MIN(n - done, (size_t)(p->size - head));

		rc = sink(arg, p->data + head, part);
		if (rc <= 0)
			break;
		done += rc;
		if ((size_t)rc < part)
			break;
	}
	if (!keep)
		take_off(p, done);
	return done ? (s64)done : rc;
}

static s64 into_memory(void *arg, const void *buf, size_t n)
{
	u8 **at = arg;

	memcpy(*at, buf, n);
	*at += n;
	return n;
}

/* read_ready() of who will wait: if it is lent he is woken by given_back(), for of the two one sees what the other wrote. */
static bool read_ready_or_told(struct pipe *p)
{
	if (READ_ONCE(p->lent)) {
		__atomic_store_n(&p->loan_seen, true, __ATOMIC_SEQ_CST);
		smp_mb();
	}
	return read_ready(p);
}

/* 0, locked: there is something to read, or the end */
static int lock_readable(struct file *f, struct pipe *p, bool wait)
{
	for (;;) {
		mutex_lock(&p->lock);
		if (read_ready(p))
			return 0;
		mutex_unlock(&p->lock);
		if (!wait || (READ_ONCE(f->flags) & O_NONBLOCK))
			return -EAGAIN;
		if (waitq_wait_intr(&p->read_wait, read_ready_or_told(p), 0) < 0)
			return -ERESTARTSYS;
	}
}

/* What was lent is back, less what was taken. Whoever found it lent is told; to nobody else is it news that there are bytes. */
static void given_back(struct pipe *p, u32 taken)
{
	bool seen;

	mutex_lock(&p->lock);
	take_off(p, taken);
	WRITE_ONCE(p->lent, false);
	smp_mb();
	seen = __atomic_exchange_n(&p->loan_seen, false, __ATOMIC_SEQ_CST);
	mutex_unlock(&p->lock);
	if (seen)
		waitq_wake_all(&p->read_wait);
	if (taken != 0)
		waitq_wake_all(&p->write_wait);
}

/* The sink may wait for a page of the program's: what it is given is lent meanwhile, and the pipe is nobody's. */
s64 pipe_read_to(struct file *f, size_t len, pipe_sink sink, void *arg)
{
	u8 small[256], *buf = small;
	size_t size = MIN(len, (size_t)LOAN_MAX), done = 0;
	struct pipe *p = f->private;
	bool packets;
	s64 took = 0;
	u32 n, drop;

	if (len == 0)
		return 0;
	if (size > sizeof(small))
		buf = kmalloc(size);
	if (buf == NULL)
		return -ENOMEM;
	do {
		u8 *at = buf;

		took = lock_readable(f, p, done == 0);
		if (took < 0)
			break;
		n = readable(p, MIN(len - done, size), &drop);
		if (len - done > size)
			drop = 0;
		packets = p->nr_pieces != 0;
		if (n != 0) {
			(void)drain_locked(p, n, true, into_memory, &at);
			p->lent = true;
		}
		mutex_unlock(&p->lock);
		if (n == 0)
			break;
		took = sink(arg, buf, n);
		given_back(p, took == (s64)n ? n + drop : MAX(took, (s64)0));
		done += MAX(took, (s64)0);
	} while (took == (s64)size && done < len && !packets && READ_ONCE(p->used) != 0);
	if (buf != small)
		kfree(buf);
	return done ? (s64)done : MIN(took, (s64)0);
}

static s64 pipe_read(struct file *f, void *buf, size_t len, u64 *pos)
{
	u8 *at = buf;

	return pipe_read_to(f, len, into_memory, &at);
}

static void pipe_put_bytes(struct pipe *p, const u8 *in, size_t n)
{
	while (n != 0) {
		u32 tail = (p->head + p->used) % p->size;
		size_t part = MIN(n, (size_t)(p->size - tail));

		memcpy(p->data + tail, in, part);
		p->used += part;
		in += part;
		n -= part;
	}
}

/* The pieces of a pipe that gets its first packet. */
static int pieces_begin(struct pipe *p)
{
	u32 max = READ_ONCE(p->size) / PIPE_BUF, *new = READ_ONCE(p->piece) == NULL ? kcalloc(max, sizeof(*new)) : NULL;

	mutex_lock(&p->lock);
	if (p->piece == NULL && new != NULL && pieces_max(p) == max) {
		p->piece = new;
		new = NULL;
	}
	mutex_unlock(&p->lock);
	kfree(new);
	return READ_ONCE(p->piece) == NULL ? -ENOMEM : 0;
}

static s64 pipe_write(struct file *f, const void *buf, size_t len, u64 *pos)
{
	struct pipe *p = f->private;
	bool packet = READ_ONCE(f->flags) & O_DIRECT;
	size_t need = len <= PIPE_BUF ? len : packet ? PIPE_BUF : 1, done = 0;

	if (packet && READ_ONCE(p->piece) == NULL && pieces_begin(p) < 0)
		return -ENOMEM;
	while (done < len) {
		size_t n;

		mutex_lock(&p->lock);
		if (p->readers == 0) {
			mutex_unlock(&p->lock);
			signal_pipe();
			return done ? (s64)done : -EPIPE;
		}
		n = packet ? MIN(len - done, (size_t)PIPE_BUF) : len - done;
		need = MIN(need, n);
		n = room_for(p, n, packet);
		n = n >= need ? n : 0;
		pipe_put_bytes(p, (const u8 *)buf + done, n);
		pieces_add(p, n, packet);
		mutex_unlock(&p->lock);
		done += n;
		if (n != 0)
			waitq_wake_all(&p->read_wait);
		if (done == len)
			break;
		if (packet && n != 0)
			continue;
		if (READ_ONCE(f->flags) & O_NONBLOCK)
			return done ? (s64)done : -EAGAIN;
		if (waitq_wait_intr(&p->write_wait, room_for(p, need, packet) >= need || READ_ONCE(p->readers) == 0, 0) < 0)
			return done ? (s64)done : -ERESTARTSYS;
	}
	return done;
}

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->private;
	u32 access = file_access(f), events = 0;

	if (access & MAY_READ)			/* named before it is looked at */
		poll_wait(pt, &p->read_wait);
	if (access & MAY_WRITE)
		poll_wait(pt, &p->write_wait);
	mutex_lock(&p->lock);
	if ((access & MAY_READ) && p->lent)
		__atomic_store_n(&p->loan_seen, true, __ATOMIC_SEQ_CST);
	if ((access & MAY_READ) && !p->lent) {
		if (p->used != 0)
			events |= POLLIN | POLLRDNORM;
		if (p->writers == 0 && p->writer_opens != f->writers_before)
			events |= POLLHUP;
	}
	if (access & MAY_WRITE) {
		if (p->readers == 0)
			events |= POLLERR;
		if (room_for(p, PIPE_BUF, READ_ONCE(f->flags) & O_DIRECT) >= PIPE_BUF)
			events |= POLLOUT | POLLWRNORM;
	}
	mutex_unlock(&p->lock);
	return events;
}

static s64 pipe_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct pipe *p = f->private;

	return cmd == FIONREAD ? put_user32(arg, READ_ONCE(p->used)) : -ENOTTY;
}

static s64 pipe_seek(struct file *f, s64 off, int whence)
{
	return -ESPIPE;
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->private;
	u32 access = file_access(f);

	mutex_lock(&p->lock);
	if (access & MAY_READ)
		p->readers--;
	if (access & MAY_WRITE)
		p->writers--;
	mutex_unlock(&p->lock);
	waitq_wake_all(&p->read_wait);
	waitq_wake_all(&p->write_wait);
	pipe_put(p);
}

static const struct file_ops pipe_ops = { .tells = true, .read = pipe_read, .write = pipe_write, .poll = pipe_poll, .ioctl = pipe_ioctl,
					  .seek = pipe_seek, .release = pipe_release };

/* --- F_SETPIPE_SZ --- */

static s64 resize(struct pipe *p, u64 want)
{
	u32 size = PIPE_BUF, *pieces;
	u8 *data, *old;

	if (want > 1U << 31)
		return -EINVAL;
	while (size < want)
		size *= 2;
	if (size > PIPE_MAX && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	data = kmalloc(size);
	pieces = kcalloc(size / PIPE_BUF, sizeof(*pieces));
	if (data == NULL || pieces == NULL) {
		kfree(data);
		kfree(pieces);
		return -ENOMEM;
	}
	mutex_lock(&p->lock);
	if (p->used + p->reserved > size || p->nr_pieces + p->nr_reserved > size / PIPE_BUF) {
		mutex_unlock(&p->lock);
		kfree(data);
		kfree(pieces);
		return -EBUSY;
	}
	for (u32 n = 0; n < p->nr_pieces; n++)
		pieces[n] = *piece(p, n);
	kfree(p->piece);
	p->piece = pieces;
	p->first_piece = 0;
	for (u32 n = 0; n < p->used; n++)
		data[n] = p->data[(p->head + n) % p->size];
	old = p->data;
	p->data = data;
	p->size = size;
	p->head = 0;
	mutex_unlock(&p->lock);
	kfree(old);
	waitq_wake_all(&p->write_wait);
	return size;
}

s64 pipe_size(struct file *f, s64 set)
{
	struct pipe *p = f->private;

	if (f->ops != &pipe_ops)
		return -EBADF;
	return set < 0 ? (s64)READ_ONCE(p->size) : resize(p, set);
}

/* --- splice and tee --- */

bool file_is_pipe(const struct file *f)
{
	return f->ops == &pipe_ops;
}

s64 pipe_drain(struct file *f, size_t len, bool keep, pipe_sink sink, void *arg)
{
	struct pipe *p = f->private;
	s64 n;

	mutex_lock(&p->lock);
	if (p->used == 0 || p->lent)
		n = read_ready(p) ? 0 : -EAGAIN;
	else
		n = drain_locked(p, MIN(len, (size_t)p->used), keep, sink, arg);
	mutex_unlock(&p->lock);
	if (n > 0 && !keep)
		waitq_wake_all(&p->write_wait);
	return n;
}

s64 pipe_lend(struct file *f, void *buf, size_t len)
{
	struct pipe *p = f->private;
	u8 *at = buf;
	s64 n;

	mutex_lock(&p->lock);
	if (p->used == 0 || p->lent) {
		n = read_ready(p) ? 0 : -EAGAIN;
	} else {
		n = drain_locked(p, MIN(len, (size_t)p->used), true, into_memory, &at);
		p->lent = true;
	}
	mutex_unlock(&p->lock);
	return n;
}

void pipe_give_back(struct file *f, size_t taken) { given_back(f->private, taken); }

int pipe_reserve(struct file *f, size_t len)
{
	struct pipe *p = f->private;
	int rc = 0;

	mutex_lock(&p->lock);
	if (p->readers == 0) {
		rc = -EPIPE;
	} else if (room_for(p, len, false) < len) {
		rc = -EAGAIN;
	} else {
		p->reserved += len;
		p->nr_reserved++;
	}
	mutex_unlock(&p->lock);
	if (rc == -EPIPE)
		signal_pipe();
	return rc;
}

void pipe_put_reserved(struct file *f, const void *buf, size_t n, size_t len)
{
	struct pipe *p = f->private;

	mutex_lock(&p->lock);
	p->reserved -= len;
	p->nr_reserved--;
	pipe_put_bytes(p, buf, n);
	pieces_add(p, n, false);
	mutex_unlock(&p->lock);
	if (n != 0)
		waitq_wake_all(&p->read_wait);
	waitq_wake_all(&p->write_wait);
}

static s64 into_pipe(void *arg, const void *buf, size_t n)
{
	struct pipe *p = arg;

	n = room_for(p, n, false);
	pipe_put_bytes(p, buf, n);
	pieces_add(p, n, false);
	return n;
}

s64 pipe_fill(struct file *f, const void *buf, size_t len)
{
	struct pipe *p = f->private;
	s64 n;

	mutex_lock(&p->lock);
	n = p->readers == 0 ? -EPIPE : room_for(p, len, false) == 0 ? -EAGAIN : into_pipe(p, buf, len);
	mutex_unlock(&p->lock);
	if (n > 0)
		waitq_wake_all(&p->read_wait);
	if (n == -EPIPE)
		signal_pipe();
	return n;
}

/* Two pipes' locks are taken in the order of their addresses. */
s64 pipe_to_pipe(struct file *in, struct file *out, size_t len, bool keep, bool *full)
{
	struct pipe *a = in->private, *b = out->private;
	s64 n;

	*full = false;
	if (a == b)
		return -EINVAL;
	mutex_lock(a < b ? &a->lock : &b->lock);
	mutex_lock_nested(a < b ? &b->lock : &a->lock);
	if (b->readers == 0) {
		n = -EPIPE;
	} else if (a->used == 0 || a->lent) {
		n = read_ready(a) ? 0 : -EAGAIN;
	} else if (room_for(b, 1, false) == 0) {
		*full = true;
		n = -EAGAIN;
	} else {
		n = drain_locked(a, MIN(len, (size_t)a->used), keep, into_pipe, b);
	}
	mutex_unlock(&a->lock);
	mutex_unlock(&b->lock);
	if (n > 0) {
		waitq_wake_all(&a->write_wait);
		waitq_wake_all(&b->read_wait);
	}
	if (n == -EPIPE)
		signal_pipe();
	return n;
}

/* --- ends --- */

/* f becomes an end of p as its flags say; takes no reference of the caller's. */
static void pipe_attach(struct pipe *p, struct file *f)
{
	u32 access = file_access(f);

	ref_get(&p->refs);
	f->ops = &pipe_ops;
	f->private = p;
	mutex_lock(&p->lock);
	if (access & MAY_READ) {
		p->readers++;
		p->reader_opens++;
	}
	if (access & MAY_WRITE) {
		p->writers++;
		p->writer_opens++;
	}
	mutex_unlock(&p->lock);
	waitq_wake_all(&p->read_wait);
	waitq_wake_all(&p->write_wait);
}

/* --- pipes without a name; their inode has a reference, so that /proc/PID/fd can open them anew --- */

static int pipe_getattr(struct inode *i, struct attr *a)
{
	a->mode = i->mode;
	a->nlink = 1;
	a->blksize = 4096;
	a->ino = i->ino;
	a->dev = i->dev;
	a->uid = i->uid;
	a->gid = i->gid;
	a->atime.sec = a->mtime.sec = a->ctime.sec = i->made / NSEC_PER_SEC;
	a->atime.nsec = a->mtime.nsec = a->ctime.nsec = i->made % NSEC_PER_SEC;
	return 0;
}

/* Mode and owner of what stands in no directory are its inode's own; of a pipe's times that of its making is kept. */
int nameless_setattr(struct inode *i, const struct attr *a, u32 mask)
{
	if (mask & SET_MODE)
		i->mode = (i->mode & S_IFMT) | (a->mode & 07777);
	if (mask & SET_UID)
		i->uid = a->uid;
	if (mask & SET_GID)
		i->gid = a->gid;
	return 0;
}

static int pipe_reopen(struct inode *i, struct file *f)
{
	pipe_attach(i->private, f);
	return 0;
}

static void pipe_inode_release(struct inode *i)
{
	pipe_put(i->private);
}

static const struct inode_ops pipe_inode_ops = { .getattr = pipe_getattr, .setattr = nameless_setattr, .open = pipe_reopen, .release = pipe_inode_release };

int pipe_create(struct file **r, struct file **w, u32 flags)
{
	static atomic64_t next_ino = ATOMIC_INIT(1000);
	struct inode *i = inode_alloc(&pipe_inode_ops, S_IFIFO | 0600);
	struct pipe *p = pipe_alloc();
	int rc;

	if (i == NULL || p == NULL) {
		kfree(i);
		if (p != NULL)
			pipe_put(p);
		return -ENOMEM;
	}
	i->private = p;			/* our reference is the inode's now */
	i->dev = 0xc;
	i->ino = atomic_inc_return(&next_ino);
	i->made = time_wall_ns();
	i->uid = process_current()->cred.fsuid;
	i->gid = process_current()->cred.fsgid;
	rc = fs_open_inode(i, NULL, O_RDONLY | (flags & O_NONBLOCK), r);
	if (rc == 0) {
		rc = fs_open_inode(i, NULL, O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)), w);
		if (rc < 0)
			file_put(*r);
	}
	inode_put(i);
	return rc;
}

/* --- fifos: one pipe for all who have the same file open --- */

/* The pipe of a fifo, with a reference; made for its first opener. */
static struct pipe *fifo_get(const struct inode *i)
{
	struct pipe *p;

	mutex_lock(&fifos_lock);
	list_for_each(p, &fifos, fifo_link) {
		if (p->dev == i->dev && p->ino == i->ino && ref_get_not_zero(&p->refs)) {
			mutex_unlock(&fifos_lock);
			return p;
		}
	}
	p = pipe_alloc();
	if (p != NULL) {
		p->dev = i->dev;
		p->ino = i->ino;
		list_add_tail(&fifos, &p->fifo_link);
	}
	mutex_unlock(&fifos_lock);
	return p;
}

/* fifo(7): opening waits for the other end to be opened, too. */
int fifo_open(struct inode *i, struct file *f)
{
	u32 access = file_access(f);
	struct pipe *p = fifo_get(i);
	unsigned opens;
	int rc = 0;

	if (p == NULL)
		return -ENOMEM;
	if (access == 0) {			/* O_ACCMODE's fourth value: for ioctl(2) alone */
		pipe_put(p);
		return -EINVAL;
	}
	if (access == MAY_WRITE && (f->flags & O_NONBLOCK) && READ_ONCE(p->readers) == 0) {
		pipe_put(p);
		return -ENXIO;
	}
	opens = access == MAY_READ ? READ_ONCE(p->writer_opens) : READ_ONCE(p->reader_opens);
	if (access == MAY_READ && (f->flags & O_NONBLOCK) && READ_ONCE(p->writers) == 0)
		f->writers_before = opens;	/* it is not told that these are gone */
	pipe_attach(p, f);
	if (access == MAY_READ && !(f->flags & O_NONBLOCK))
		rc = waitq_wait_intr(&p->read_wait, READ_ONCE(p->writers) != 0 || READ_ONCE(p->writer_opens) != opens, 0);
	else if (access == MAY_WRITE)
		rc = waitq_wait_intr(&p->write_wait, READ_ONCE(p->readers) != 0 || READ_ONCE(p->reader_opens) != opens, 0);
	if (rc < 0)
		pipe_release(f);
	pipe_put(p);
	return rc < 0 ? -ERESTARTSYS : 0;
}
