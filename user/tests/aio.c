/* SPDX-License-Identifier: MIT */
/*
 * aio: io_setup(2) and what belongs to it, on files, pipes and with an eventfd, and how each refuses. Where the kernel has none of it
 * (ENOSYS) it does nothing, unless it must.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "check.h"

#define IS(call, value) do { long rc_ = (call), want_ = (value); errno = rc_ == -1 ? errno : 0; if ((rc_ == -1 ? -errno : rc_) != want_) \
			    fail("%s:%d: %s is %ld (%s), not %ld", __FILE__, __LINE__, #call, rc_, strerror(errno), want_); } while (0)

static long setup(unsigned nr, aio_context_t *c) { return syscall(SYS_io_setup, nr, c); }
static long destroy(aio_context_t c) { return syscall(SYS_io_destroy, c); }
static long submit(aio_context_t c, long nr, struct iocb **p) { return syscall(SYS_io_submit, c, nr, p); }
static long events(aio_context_t c, long least, long most, struct io_event *e, struct timespec *t)
{
	return syscall(SYS_io_getevents, c, least, most, e, t);
}

static struct io_event done[8];
static char buf[64];

static struct iocb request(int op, int fd, void *at, size_t len, off_t off)
{
	static unsigned long n;

	return (struct iocb){ .aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (uintptr_t)at, .aio_nbytes = len, .aio_offset = off, .aio_data = ++n };
}

/* One request: what io_submit() says, or what came of it. */
static long one(aio_context_t c, struct iocb io)
{
	struct iocb *p = &io;
	long rc = submit(c, 1, &p);

	if (rc != 1)
		return rc == -1 ? -errno : rc;
	IS(events(c, 1, 1, done, NULL), 1);
	CHECK(done[0].data == io.aio_data && done[0].obj == (uintptr_t)p && done[0].res2 == 0);
	return done[0].res;
}
#define ONE(c, io, value) do { long is_ = one(c, io), want_ = (value); if (is_ != want_) fail("%s:%d: %s is %ld, not %ld", __FILE__, __LINE__, \
			       #io, is_, want_); } while (0)

static void files(aio_context_t c)
{
	struct iovec iov[2] = { { buf, 3 }, { buf + 3, 4 } };
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600), ro = open("/proc/self/exe", O_RDONLY), pipes[2];

	CHECK(fd >= 0 && ro >= 0 && pipe(pipes) == 0);
	ONE(c, request(IOCB_CMD_PWRITE, fd, "0123456789", 10, 0), 10);
	ONE(c, request(IOCB_CMD_PREAD, fd, buf, 4, 3), 4);
	CHECK(memcmp(buf, "3456", 4) == 0 && lseek(fd, 0, SEEK_CUR) == 0);
	ONE(c, request(IOCB_CMD_PREAD, fd, buf, 20, 8), 2);
	ONE(c, request(IOCB_CMD_PREAD, fd, buf, 20, 10), 0);
	ONE(c, request(IOCB_CMD_PREADV, fd, iov, 2, 1), 7);
	CHECK(memcmp(buf, "1234567", 7) == 0);
	ONE(c, request(IOCB_CMD_PWRITEV, fd, iov, 2, 10), 7);
	ONE(c, request(IOCB_CMD_FSYNC, fd, NULL, 0, 0), 0);
	ONE(c, request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0), 0);
	ONE(c, request(IOCB_CMD_PWRITE, pipes[1], "ab", 2, 0), 2);
	ONE(c, request(IOCB_CMD_PREAD, pipes[0], buf, 8, 0), 2);
	ONE(c, request(IOCB_CMD_PREAD, 999, buf, 8, 0), -EBADF);
	ONE(c, request(IOCB_CMD_PWRITE, ro, buf, 8, 0), -EBADF);
	ONE(c, request(99, fd, buf, 8, 0), -EINVAL);
	ONE(c, request(IOCB_CMD_PREAD, fd, (void *)-4096ul, 8, 0), -EFAULT);
	ONE(c, request(IOCB_CMD_PREAD, fd, (void *)8, 8, 0), -EFAULT);
	ONE(c, request(IOCB_CMD_PREAD, fd, buf, -1, 0), -EINVAL);
	ONE(c, request(IOCB_CMD_PREADV, fd, (void *)8, 2, 0), -EFAULT);
	CHECK(close(fd) == 0 && close(ro) == 0 && close(pipes[0]) == 0 && close(pipes[1]) == 0);
}

static void together(aio_context_t c)
{
	struct timespec none = { 0, 0 };
	struct iocb io[4], *list[4] = { &io[0], &io[1], &io[2], &io[3] };
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600), bell = eventfd(0, 0);
	uint64_t rung;

	for (int n = 0; n < 4; n++)
		io[n] = request(IOCB_CMD_PWRITE, n == 2 ? 999 : fd, "abcd", 4, 4 * n);
	IS(submit(c, 4, list), 2);			/* up to the one that is wrong */
	IS(events(c, 2, 8, done, NULL), 2);
	io[2].aio_fildes = fd;
	io[0].aio_flags = IOCB_FLAG_RESFD;
	io[0].aio_resfd = bell;
	IS(submit(c, 4, list), 4);
	CHECK(read(bell, &rung, 8) == 8 && rung == 1);
	IS(events(c, 0, 3, done, &none), 3);
	CHECK(done[0].data == io[0].aio_data && done[1].data == io[1].aio_data && done[2].res == 4);
	IS(events(c, 1, 8, done, NULL), 1);
	IS(events(c, 1, 8, done, &none), 0);
	IS(events(c, 0, 8, done, NULL), 0);
	IS(events(c, 2, 1, done, &none), -EINVAL);
	IS(events(c, -1, 1, done, &none), -EINVAL);
	IS(submit(c, -1, list), -EINVAL);
	IS(submit(c, 0, list), 0);
	IS(submit(c, 1, (void *)8), -EFAULT);
	list[0] = (void *)8;
	IS(submit(c, 1, list), -EFAULT);
	io[1].aio_reserved2 = 1;
	IS(submit(c, 1, list + 1), -EINVAL);
	io[1].aio_reserved2 = 0;
	io[1].aio_flags = IOCB_FLAG_RESFD;
	io[1].aio_resfd = fd;
	IS(submit(c, 1, list + 1), -EINVAL);
	CHECK(close(fd) == 0 && close(bell) == 0);
}

static aio_context_t of_parent;

static void in_child(void)
{
	struct timespec none = { 0, 0 };

	IS(events(of_parent, 0, 1, done, &none), -EINVAL);
	IS(destroy(of_parent), -EINVAL);
}

int main(int argc, char **argv)
{
	struct timespec none = { 0, 0 };
	aio_context_t c = 0, other = 0, taken = 1;

	if (setup(8, &c) == -1 && errno == ENOSYS && !(argc > 1 && strcmp(argv[1], "must") == 0))
		return ok("");
	CHECK(c != 0);
	IS(setup(8, &taken), -EINVAL);
	IS(setup(0, &other), -EINVAL);
	IS(setup(8, (void *)8), -EFAULT);
	IS(setup(-1, &other), -EINVAL);
	files(c);
	together(c);
	of_parent = c;
	CHECK(status_in_child(in_child) == 0);
	IS(setup(1, &other), 0);
	CHECK(other != c);
	IS(destroy(other), 0);
	IS(destroy(other), -EINVAL);
	IS(destroy(12345), -EINVAL);
	IS(events(other, 0, 1, done, &none), -EINVAL);
	IS(syscall(SYS_io_cancel, c, NULL, done), -EFAULT);
	for (int n = 0; n < 200; n++) {			/* what is given back can be had again */
		other = 0;
		IS(setup(500, &other), 0);
		IS(destroy(other), 0);
	}
	return ok("");
}
