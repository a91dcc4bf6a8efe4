/* SPDX-License-Identifier: MIT */
/*
 * errnos: system calls on files and sockets with wrong descriptors, pointers, lengths and flags. Prints each call with its outcome, which
 * is the same on Linux: the output is to be compared.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <linux/falloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "plain.h"

enum { FIRST_FD = 40, RW = FIRST_FD, RO, WO, APPEND, DIRFD, PATHFD, PIPE_R, PIPE_W, FULL_W, UNIX, PAIR, PAIR2, DGRAM, DGPAIR, DGPAIR2, SEQ,
       TCP, LISTENER, CONNECTED, ACCEPTED, UDP, EPOLL, EVENT, TIMER, DEVNULL, DEVFULL, DEVZERO, MEMFD, FIFO_RW, NR_FD, CLOSED = 900 };
#define FDS(X) X(RW) X(RO) X(WO) X(APPEND) X(DIRFD) X(PATHFD) X(PIPE_R) X(PIPE_W) X(FULL_W) X(UNIX) X(PAIR) X(PAIR2) X(DGRAM) X(DGPAIR)	\
	X(DGPAIR2) X(SEQ) X(TCP) X(LISTENER) X(CONNECTED) X(ACCEPTED) X(UDP) X(EPOLL) X(EVENT) X(TIMER) X(DEVNULL) X(DEVFULL) X(DEVZERO)	\
	X(MEMFD) X(FIFO_RW) X(CLOSED)
#define NEG (-1)

static char *folder, buf[65536], *gone;
static long word, pos, minus = -1, big = 1L << 62;
static struct iovec one = { buf, 16 }, hole, toolong[2] = { { buf, 16 }, { buf, -1UL } }, many[1025], none = { NULL, 0 };
static struct sockaddr_un un_missing = { AF_UNIX, "none" }, un_file = { AF_UNIX, "file" }, un_long, un_wrong = { AF_INET, "x" };
static struct sockaddr_in in_one = { AF_INET, 0x0100, { 0x0100007f }, { 0 } },
			  in_wrong = { AF_UNIX, 0, { 0 }, { 0 } }, in_any, in_far_any = { AF_INET, 0, { 0x08080808 }, { 0 } };
static int int0, int1 = 1, intneg = -1, len16 = 16, len128 = 128, lenneg = -1;
static struct msghdr msg = { .msg_iov = &one, .msg_iovlen = 1 }, msg_badiov = { .msg_iov = (void *)8, .msg_iovlen = 1 },
		     msg_many = { .msg_iov = many, .msg_iovlen = 1025 }, msg_badname = { .msg_name = (void *)8, .msg_namelen = 16 },
		     msg_control = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = (void *)8, .msg_controllen = 32 },
		     msg_control_long = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = 1 << 20 },
		     msg_negname = { .msg_name = buf, .msg_namelen = -1U }, msg_rights;
static union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } rights;
static struct epoll_event ev = { EPOLLIN, { 0 } };
static struct timespec ts = { 0, 0 }, ts_bad = { 0, 1000000000 }, ts_neg = { -1, 0 };
static struct timespec times_bad[2] = { { 0, -1 }, { 0, 0 } };
static struct itimerspec its = { { 0, 0 }, { 1000, 0 } }, its_bad = { { 0, 0 }, { 0, -1 } };
static struct linger linger = { 1, 1 };
static struct timeval tv_bad = { 0, 1000000 };
static struct flock lock = { F_WRLCK, SEEK_SET, 0, 1, 0 }, lock_bad = { 77, SEEK_SET, 0, 1, 0 }, lock_neg = { F_RDLCK, SEEK_SET, -5, 1, 0 };
static struct { unsigned long flags, mode, resolve; } how, how_bad = { 1UL << 40, 0, 0 }, how_mode = { 0, 0600, 0 }, how_resolve = { 0, 0, 1UL << 40 },
	how_beneath = { 0, 0, 8 }, how_root = { 0, 0, 16 }, how_nolinks = { 0, 0, 4 }, how_nomagic = { 0, 0, 2 }, how_noxdev = { 0, 0, 1 },
	how_both = { 0, 0, 24 };

#define BAD ((void *)8)
#define KERNEL ((void *)0xffff800000000000ul)
#define C(call, ...) { #call "(" #__VA_ARGS__ ")", SYS_##call, ARGS(__VA_ARGS__, 0, 0, 0, 0, 0, 0) }
#define L(x) (unsigned long)(x)
#define ARGS(a, b, c, d, e, f, ...) { L(a), L(b), L(c), L(d), L(e), L(f) }

static void call(const char *text, long nr, const unsigned long *a)
{
	long rc;

	errno = 0;
	rc = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (nr == SYS_brk)				/* it never fails: what cannot be leaves the end where it is */
		rc -= syscall(nr, 0);
	/* a new descriptor's number does not matter */
	if (rc == -1)
		printf("%s: %s\n", text, strerrorname_np(errno));
	else if ((nr == SYS_openat || nr == SYS_open || nr == SYS_openat2 || nr == SYS_socket || nr == SYS_accept4 || nr == SYS_dup ||
		  nr == SYS_memfd_create || nr == SYS_eventfd2 || nr == SYS_epoll_create1 || nr == SYS_timerfd_create || (nr == SYS_fcntl && (a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC)) ||
		  nr == SYS_signalfd4 || nr == SYS_signalfd || nr == SYS_inotify_init1 || nr == SYS_inotify_init) && rc > 2)
		printf("%s: open\n", text), close(rc > FIRST_FD && rc < NR_FD ? -1 : rc);
	else
		printf("%s: %ld\n", text, rc);
}

static void calls(void)
{
#define EACH_FD(fd) { #fd, fd },
	static const struct { const char *name; int fd; } fds[] = { FDS(EACH_FD) };
	char text[200];

	/* every kind of descriptor with every simple call that does not block */
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		int fd = fds[i].fd;
#define ON(c, ...) do { snprintf(text, sizeof(text), #c "(%s, " #__VA_ARGS__ ")", fds[i].name); \
			call(text, SYS_##c, (unsigned long[])ARGS(fd, __VA_ARGS__, 0, 0, 0, 0, 0)); } while (0)
		if (fd != PIPE_R && fd != ACCEPTED && fd != CONNECTED && fd != PAIR && fd != PAIR2 && fd != DGPAIR && fd != DGPAIR2 && fd != DGRAM &&
		    fd != UDP && fd != EVENT && fd != TIMER && fd != FIFO_RW && fd != MEMFD) {
			ON(read, buf, 4);
			ON(readv, &one, 1);
		}
		ON(read, BAD, 0);
		ON(pread64, buf, 4, 0);
		ON(pread64, buf, 4, -1);
		ON(preadv, &one, 1, 0);
		if (fd != RW && fd != WO && fd != APPEND && fd != MEMFD) {
			ON(pwrite64, buf, 4, 0);
			if (fd != PIPE_W && fd != FIFO_RW && fd != FULL_W && fd != EVENT && fd != PAIR && fd != PAIR2 && fd != CONNECTED && fd != ACCEPTED &&
			    fd != DGPAIR && fd != DGPAIR2)
				ON(write, buf, 4);
		}
		ON(lseek, 0, SEEK_CUR);
		ON(lseek, -1, SEEK_SET);
		ON(lseek, 0, 99);
		ON(getdents64, buf, 4);
		ON(ftruncate, -1);
		if (fd != RW && fd != WO && fd != APPEND && fd != MEMFD)
			ON(ftruncate, 10);
		ON(fallocate, 0, -1, 10);
		ON(fallocate, 0, 0, 0);
		ON(fallocate, 0x1000, 0, 10);
		ON(fallocate, FALLOC_FL_PUNCH_HOLE, 0, 10);
		ON(fsync, 0);
		ON(fdatasync, 0);
		ON(fchdir, 0);
		ON(flock, 16);
		ON(flock, LOCK_SH | LOCK_NB);
		ON(flock, LOCK_UN);
		ON(fcntl, F_GETFD);
		ON(fcntl, F_GETFL);
		ON(fcntl, 9999);
		ON(fcntl, F_DUPFD, -1);
		ON(fcntl, F_GETLK, BAD);
		ON(fcntl, F_SETLK, &lock_bad);
		ON(fcntl, F_GET_SEALS);
		ON(fcntl, F_GETPIPE_SZ);
		ON(fadvise64, 0, 0, 99);
		ON(fadvise64, 0, 0, 0);
		if (fd != EPOLL) {				/* later versions of Linux say EINVAL */
			ON(ioctl, FIONREAD, BAD);
			ON(ioctl, TIOCGWINSZ, buf);
			ON(ioctl, 0x12345678, buf);
		}
		if (fd != EPOLL && fd != EVENT && fd != TIMER) {
			if (fd != DEVNULL && fd != DEVFULL && fd != DEVZERO)	/* these are the machine's, which others need */
				ON(fchmod, 0600);
			ON(fchown, -1, -1);
		}
		ON(getsockname, buf, &len128);
		ON(getpeername, buf, &len128);
		ON(shutdown, 99);
		ON(listen, 1) ;
		ON(setsockopt, SOL_SOCKET, SO_KEEPALIVE, &int1, 4);
		ON(setsockopt, SOL_SOCKET, SO_KEEPALIVE, &int1, 3);
		ON(getsockopt, SOL_SOCKET, SO_TYPE, buf, BAD);
		ON(getsockopt, SOL_SOCKET, SO_TYPE, buf, &lenneg);
		ON(getsockopt, SOL_SOCKET, 9999, buf, &len128);
		ON(getsockopt, IPPROTO_TCP, 9999, buf, &len128);
		ON(getsockopt, IPPROTO_IP, 9999, buf, &len128);
		ON(getsockopt, 9999, 1, buf, &len128);
		if (fd != DGRAM)
			ON(sendto, BAD, 4, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
		ON(recvfrom, buf, 4, MSG_DONTWAIT, 0, 0);
		ON(recvfrom, buf, 4, MSG_DONTWAIT | MSG_ERRQUEUE, 0, 0);
		ON(recvmsg, BAD, MSG_DONTWAIT);
		ON(sendmsg, BAD, MSG_DONTWAIT);
		ON(bind, BAD, 16);
		ON(bind, buf, 0);
		ON(bind, buf, 129);
		ON(bind, buf, -1);
		ON(connect, BAD, 16);
		ON(connect, &in_one, 1);
		ON(accept4, BAD, 0, 1);
		ON(mmap, 4096, PROT_READ, MAP_PRIVATE, 0, 0);
		ON(epoll_wait, buf, 1, 0);
		ON(epoll_ctl, EPOLL_CTL_ADD, RW, &ev);
		ON(timerfd_gettime, buf);
		ON(splice, 0, DEVNULL, 0, 10, SPLICE_F_NONBLOCK);
		ON(tee, PIPE_W, 10, SPLICE_F_NONBLOCK);
		ON(vmsplice, &one, 1, 999);
		ON(copy_file_range, 0, RO, 0, 10, 0);
		ON(utimensat, 0, times_bad, 0);
	}
}

static const struct row { const char *text; long nr; unsigned long a[6]; } *table(size_t *n)
{
	static struct row rows[640];
	const struct row t[] = {
		/* vectors */
		C(readv, RO, &one, -1), C(readv, RO, many, 1025), C(readv, RO, toolong, 2), C(readv, RO, BAD, 1),
		C(readv, RO, &one, 0), C(readv, RO, &hole, 1), C(readv, WO, &one, 1), C(readv, WO, BAD, 1),
		C(readv, WO, BAD, 1025), C(writev, RO, &one, 1), C(writev, DEVNULL, &none, 1),
		C(writev, DEVNULL, toolong, 2), C(writev, DEVNULL, many, 1024), C(writev, PIPE_W, &hole, 1),
		C(preadv2, RO, &one, 1, 0, 0, 0x4000), C(preadv2, RO, &one, 1, -1, 0, 0),
		C(preadv2, RO, &one, 1, -2, 0, 0), C(preadv2, PIPE_R, &one, 1, 0, 0, 0),
		C(pwritev2, RO, &one, 1, 0, 0, 0), C(pwritev2, RO, &one, 1, 0, 0, 0x4000),
		C(preadv, RO, &one, 1, -1), C(preadv, RO, &one, 1025, 0), C(pwritev, RO, &one, 1, 0),
		C(read, RO, KERNEL, 4), C(read, RO, gone, 4), C(read, RO, buf, -1), C(write, DEVNULL, KERNEL, 4),
		C(write, RW, BAD, 4), C(write, DEVFULL, buf, 1), C(pread64, RO, buf, 16, 1L << 40),
		C(pread64, RO, BAD, 16, 0), C(pwrite64, RW, BAD, 16, 0), C(read, DIRFD, buf, 4),
		C(getdents64, DIRFD, BAD, 4096), C(getdents64, DIRFD, buf, 1), C(lseek, DIRFD, 0, SEEK_SET),
		C(lseek, RO, 0, SEEK_SET), C(lseek, RO, -100, SEEK_END), C(lseek, RO, 100, SEEK_DATA),
		C(lseek, RO, 100, SEEK_HOLE), C(lseek, RO, 0, SEEK_DATA), C(lseek, RO, 0, SEEK_HOLE),
		C(lseek, RO, -1, SEEK_DATA),
		/* names */
		C(openat, AT_FDCWD, BAD, 0), C(openat, CLOSED, "x", 0), C(openat, RO, "x", 0),
		C(openat, AT_FDCWD, "", 0), C(openat, AT_FDCWD, "file", O_DIRECTORY),
		C(openat, AT_FDCWD, "file/", 0), C(openat, AT_FDCWD, "file/x", 0),
		C(openat, AT_FDCWD, "none/x", O_CREAT, 0600), C(openat, AT_FDCWD, ".", O_WRONLY),
		C(openat, AT_FDCWD, "file", O_CREAT | O_EXCL, 0600), C(openat, AT_FDCWD, "link", O_NOFOLLOW),
		C(openat, AT_FDCWD, "loop", 0), C(openat, AT_FDCWD, "dangling", 0),
		C(openat, AT_FDCWD, "dangling", O_CREAT | O_EXCL, 0600), C(openat, AT_FDCWD, "sock", 0),
		C(openat, AT_FDCWD, "sock", O_PATH), C(openat, AT_FDCWD, "fifo", O_WRONLY | O_NONBLOCK),
		C(openat, AT_FDCWD, "file", O_PATH | O_CREAT, 0600), C(openat, AT_FDCWD, ".", O_CREAT, 0600),
		C(openat, AT_FDCWD, "new/", O_CREAT, 0600), C(openat, AT_FDCWD, buf, 0), C(openat, CLOSED, "/", 0),
		C(openat2, AT_FDCWD, "file", &how, 24), C(openat2, AT_FDCWD, "file", &how, 8),
		C(openat2, AT_FDCWD, "file", &how_bad, 24), C(openat2, AT_FDCWD, "file", &how_mode, 24),
		C(openat2, AT_FDCWD, "file", &how_resolve, 24), C(openat2, AT_FDCWD, "file", BAD, 24),
		C(openat2, AT_FDCWD, "file", &how, 5000), C(mkdirat, AT_FDCWD, "file", 0700),
		C(mkdirat, AT_FDCWD, "none/x", 0700), C(mkdirat, AT_FDCWD, "/", 0700),
		C(mkdirat, AT_FDCWD, ".", 0700), C(mkdirat, AT_FDCWD, BAD, 0700), C(mkdirat, AT_FDCWD, "", 0700),
		C(mkdirat, RO, "x", 0700), C(mkdirat, AT_FDCWD, "file/x", 0700), C(rmdir, "file"), C(rmdir, "none"),
		C(rmdir, "."), C(rmdir, "sub/.."), C(rmdir, "full"), C(rmdir, "/"), C(rmdir, "link"), C(rmdir, ""),
		C(rmdir, BAD), C(unlink, "sub"), C(unlink, "none"), C(unlink, "."), C(unlink, "file/"),
		C(unlink, ""), C(unlink, BAD), C(unlink, "/"), C(unlinkat, AT_FDCWD, "file", 99),
		C(unlinkat, AT_FDCWD, "file", AT_REMOVEDIR), C(unlinkat, CLOSED, "file", 0), C(rename, "none", "x"),
		C(rename, "file", "sub"), C(rename, "sub", "file"), C(rename, "sub", "full"),
		C(rename, "sub", "sub/x"), C(rename, "file", "none/x"), C(rename, ".", "x"),
		C(rename, "file", ".."), C(rename, "", "x"), C(rename, "file", ""), C(rename, BAD, "x"),
		C(rename, "file", BAD), C(rename, "file", "file"), C(rename, "file", "x/"),
		C(rename, "file", "/proc/x"), C(renameat2, AT_FDCWD, "file", AT_FDCWD, "sub", RENAME_NOREPLACE),
		C(renameat2, AT_FDCWD, "file", AT_FDCWD, "none", RENAME_EXCHANGE),
		C(renameat2, AT_FDCWD, "file", AT_FDCWD, "sub", 3),
		C(renameat2, AT_FDCWD, "file", AT_FDCWD, "sub", 64), C(link, "file", "sub"), C(link, "sub", "x"),
		C(link, "none", "x"), C(link, "file", "none/x"), C(link, "file", "file"), C(link, BAD, "x"),
		 C(linkat, AT_FDCWD, "file", AT_FDCWD, "x", 99), C(linkat, RO, "", AT_FDCWD, "file", 0), C(linkat, CLOSED, "a", AT_FDCWD, "x", 0),
		C(symlink, "", "x"), C(symlink, "a", "file"), C(symlink, "a", ""), C(symlink, "a", "none/x"),
		C(symlink, BAD, "x"), C(symlink, "a", BAD), C(readlink, "file", buf + 8192, 10),
		C(readlink, "none", buf + 8192, 10), C(readlink, "link", buf + 8192, 0),
		C(readlink, "link", buf + 8192, -1), C(readlink, "link", BAD, 10),
		C(readlink, "link", buf + 8192, 2), C(readlink, "", buf + 8192, 2),
		C(readlinkat, RO, "", buf + 8192, 2), C(readlinkat, CLOSED, "x", buf + 8192, 2),
		C(mknod, "file", S_IFREG | 0600, 0), C(mknod, "x", 0xf000, 0), C(mknod, "x", S_IFDIR, 0),
		C(mknod, BAD, S_IFREG, 0), C(mknodat, CLOSED, "x", S_IFREG, 0), C(chdir, "file"), C(chdir, "none"),
		C(chdir, ""), C(chdir, BAD), C(getcwd, BAD, 100), C(getcwd, buf + 8192, 0),
		C(getcwd, buf + 8192, 1), C(chmod, "none", 0600), C(chmod, BAD, 0), C(fchmodat, CLOSED, "x", 0),
		C(chown, "none", 0, 0), C(chown, BAD, 0, 0), C(lchown, "none", 0, 0),
		C(fchownat, AT_FDCWD, "file", 0, 0, 0x8000), C(fchownat, RO, "", -1, -1, AT_EMPTY_PATH),
		C(fchownat, RO, "", -1, -1, 0), C(access, "file", 8), C(access, "none", 0), C(access, BAD, 0),
		C(access, "file/x", 0), C(faccessat2, AT_FDCWD, "file", 0, 0x8000), C(access, "loop", 0),
		C(faccessat2, AT_FDCWD, "file", 8, 0), C(faccessat2, RO, "", 0, AT_EMPTY_PATH),
		C(faccessat, CLOSED, "x", 0), C(truncate, "none", 0), C(truncate, "sub", 0),
		C(truncate, "file", -1), C(truncate, BAD, 0), C(truncate, "fifo", 0), C(truncate, "/dev/null", 0),
		C(statfs, "none", buf + 8192), C(statfs, "file", BAD), C(statfs, BAD, buf + 8192),
		C(fstatfs, CLOSED, buf + 8192), C(fstatfs, RO, BAD), C(fstatfs, PIPE_R, buf + 8192),
		C(fstatfs, UNIX, buf + 8192), C(fstatfs, EPOLL, buf + 8192), C(fstatfs, MEMFD, buf + 8192),
		C(newfstatat, AT_FDCWD, "file", buf + 8192, 0x40000000), C(newfstatat, AT_FDCWD, "", buf + 8192, 0),
		C(newfstatat, RO, "", buf + 8192, AT_EMPTY_PATH),
		C(newfstatat, CLOSED, "", buf + 8192, AT_EMPTY_PATH),
		C(newfstatat, AT_FDCWD, "", buf + 8192, AT_EMPTY_PATH), C(newfstatat, RO, "x", buf + 8192, 0),
		C(newfstatat, AT_FDCWD, "file", BAD, 0), C(stat, "loop", buf + 8192), C(lstat, "loop", buf + 8192),
		C(fstat, CLOSED, buf + 8192), C(fstat, NEG, buf + 8192),
		C(statx, AT_FDCWD, "file", 0x40000000, 0x7ff, buf + 8192),
		C(statx, AT_FDCWD, "file", 0, 0x80000000, buf + 8192), C(statx, AT_FDCWD, "file", 0, 0x7ff, BAD),
		C(statx, AT_FDCWD, "file", 0x6000, 0x7ff, buf + 8192),
		C(statx, RO, "", AT_EMPTY_PATH, 0x7ff, buf + 8192), C(statx, CLOSED, "x", 0, 0x7ff, buf + 8192),
		C(statx, AT_FDCWD, "", 0, 0x7ff, buf + 8192), C(statx, AT_FDCWD, BAD, 0, 0x7ff, buf + 8192),
		C(utimensat, AT_FDCWD, "file", times_bad, 0), C(utimensat, AT_FDCWD, "none", 0, 0),
		C(utimensat, AT_FDCWD, "file", 0, 0x8000), C(utimensat, AT_FDCWD, 0, 0, 0),
		C(utimensat, CLOSED, 0, 0, 0), C(utimensat, AT_FDCWD, "file", BAD, 0),
		C(utimensat, RO, 0, 0, AT_SYMLINK_NOFOLLOW), C(utime, "none", 0), C(utimes, "file", &tv_bad),
		C(utime, "file", BAD), C(futimesat, AT_FDCWD, "none", 0),
		C(renameat, CLOSED, "file", AT_FDCWD, "x"), C(renameat, AT_FDCWD, "none", AT_FDCWD, "x"), C(renameat, AT_FDCWD, "file", RO, "x"),
		C(renameat, AT_FDCWD, "file", AT_FDCWD, "sub"), C(symlinkat, "a", CLOSED, "x"), C(symlinkat, "a", RO, "x"), C(symlinkat, "a", DIRFD, "file"),
		C(symlinkat, "", DIRFD, "x"), C(symlinkat, BAD, DIRFD, "x"), C(getxattr, "none", "user.x", buf + 8192, 10), C(lremovexattr, "none", "user.x"),
		C(fremovexattr, CLOSED, "user.x"),
		/* the way to a file */
		C(openat2, DIRFD, "..", &how_beneath, 24), C(openat2, DIRFD, "sub/..", &how_beneath, 24), C(openat2, DIRFD, "sub/../..", &how_beneath, 24),
		C(openat2, DIRFD, "/etc", &how_beneath, 24), C(openat2, DIRFD, "link", &how_beneath, 24), C(openat2, DIRFD, "out", &how_beneath, 24),
		C(openat2, DIRFD, "/file", &how_root, 24), C(openat2, DIRFD, "../../file", &how_root, 24), C(openat2, DIRFD, "/etc/passwd", &how_root, 24),
		C(openat2, DIRFD, "link", &how_nolinks, 24), C(openat2, DIRFD, "file", &how_nolinks, 24), C(openat2, AT_FDCWD, "/proc/self/fd/0", &how_nomagic, 24),
		C(openat2, AT_FDCWD, "/proc/self/exe", &how_nolinks, 24), C(openat2, AT_FDCWD, "/", &how_noxdev, 24), C(openat2, AT_FDCWD, "/proc/self/exe", &how_noxdev, 24),
		C(openat2, DIRFD, "sub", &how_noxdev, 24), C(openat2, DIRFD, "file", &how_both, 24), C(openat2, DIRFD, "none", &how_beneath, 24),
		C(chroot, "none"), C(chroot, "file"), C(chroot, BAD), C(chroot, ""),
		C(getdents, DIRFD, BAD, 4096), C(getdents, RO, buf + 8192, 100), C(getdents, DIRFD, buf + 8192, 1), C(lseek, DIRFD, 0, SEEK_SET), C(getdents, CLOSED, buf, 100),
		C(readahead, CLOSED, 0, 10), C(readahead, WO, 0, 10), C(readahead, RO, 0, 10), C(readahead, PIPE_R, 0, 10), C(readahead, PAIR, 0, 10),
		C(syncfs, CLOSED), C(syncfs, RO), C(sync_file_range, CLOSED, 0, 0, 0), C(sync_file_range, RO, 0, 0, 99), C(sync_file_range, RO, -1, 0, 0),
		C(sync_file_range, RO, 0, -1, 0), C(sync_file_range, PIPE_R, 0, 0, 0), C(sync_file_range, RW, 0, 0, 7), C(sync_file_range, UNIX, 0, 0, 0),
		/* descriptors */
		C(close, CLOSED), C(close, NEG), C(dup, CLOSED), C(dup2, CLOSED, 5), C(dup2, RO, -1),
		C(dup2, RO, 1 << 20), C(dup2, CLOSED, CLOSED), C(dup2, RO, RO), C(dup3, RO, RO, 0),
		C(dup3, RO, 200, 1), C(dup3, CLOSED, 200, 0), C(dup3, RO, 1 << 20, 0),
		C(fcntl, RO, F_DUPFD, 1 << 20), C(fcntl, RO, F_DUPFD_CLOEXEC, -1), C(fcntl, RO, F_SETLK, &lock),
		C(fcntl, WO, F_SETLK, &lock), C(fcntl, WO, F_SETLK, &lock_neg), C(fcntl, RW, F_SETLK, &lock_neg),
		C(fcntl, RW, F_SETLK, BAD), C(fcntl, RW, F_GETLK, &lock_bad), C(fcntl, RW, F_SETPIPE_SZ, 4096),
		C(fcntl, PIPE_R, F_SETPIPE_SZ, -1), C(fcntl, RW, F_ADD_SEALS, 1), C(fcntl, MEMFD, F_ADD_SEALS, 99),
		C(fcntl, PATHFD, F_GETFL), C(fcntl, PATHFD, F_SETFL, 0), C(fcntl, PATHFD, F_GETLK, &lock),
		C(fcntl, PATHFD, F_GETFD), C(close_range, 10, 5, 0), C(close_range, 800, 810, 99),
		C(close_range, 800, 810, 0), C(pipe2, BAD, 0), C(pipe2, buf + 8192, 99), C(pipe, BAD),
		C(flock, RO, 0), C(flock, RO, LOCK_SH | LOCK_EX), C(flock, PATHFD, LOCK_SH),
		C(ioctl, RO, FIONBIO, BAD), C(ioctl, CLOSED, FIOCLEX, 0), C(ioctl, PATHFD, FIOCLEX, 0),
		C(ioctl, PIPE_R, FIONREAD, BAD), C(ioctl, LISTENER, FIONREAD, &word),
		C(ioctl, UNIX, FIONREAD, &word), C(ioctl, UDP, FIONREAD, &word), C(ioctl, TCP, FIONREAD, &word),
		C(ioctl, LISTENER, TIOCOUTQ, &word), C(ioctl, PAIR, TIOCOUTQ, &word),
		C(ioctl, DEVNULL, FIONREAD, &word), C(ioctl, EVENT, FIONREAD, &word),
		C(ioctl, DIRFD, FIONREAD, &word),
		/* waiting */
		C(poll, BAD, 1, 0), C(poll, buf, 1 << 30, 0), C(ppoll, 0, 0, &ts_bad, 0, 8),
		C(ppoll, 0, 0, &ts_neg, 0, 8), C(ppoll, 0, 0, &ts, buf, 4), C(ppoll, 0, 0, BAD, 0, 8),
		C(select, -1, 0, 0, 0, 0), C(select, 64, BAD, 0, 0, &ts), C(pselect6, 0, 0, 0, 0, &ts_bad, 0),
		C(pselect6, 0, 0, 0, 0, BAD, 0), C(epoll_create1, 99), C(epoll_create, 0), C(epoll_create, -1),
		C(epoll_ctl, EPOLL, 99, PIPE_R, &ev), C(epoll_ctl, EPOLL, EPOLL_CTL_ADD, EPOLL, &ev),
		C(epoll_ctl, EPOLL, EPOLL_CTL_ADD, RW, &ev), C(epoll_ctl, EPOLL, EPOLL_CTL_ADD, DIRFD, &ev),
		C(epoll_ctl, EPOLL, EPOLL_CTL_ADD, CLOSED, &ev), C(epoll_ctl, CLOSED, EPOLL_CTL_ADD, RW, &ev),
		C(epoll_ctl, EPOLL, EPOLL_CTL_MOD, PIPE_R, &ev), C(epoll_ctl, EPOLL, EPOLL_CTL_DEL, PIPE_R, 0),
		C(epoll_ctl, EPOLL, EPOLL_CTL_ADD, PIPE_R, BAD), C(epoll_ctl, EPOLL, EPOLL_CTL_ADD, PIPE_R, &ev),
		C(epoll_ctl, EPOLL, EPOLL_CTL_ADD, PIPE_R, &ev), C(epoll_ctl, RW, EPOLL_CTL_ADD, PIPE_R, &ev),
		C(epoll_ctl, EPOLL, EPOLL_CTL_ADD, PATHFD, &ev), C(epoll_wait, EPOLL, buf, 0, 0),
		C(epoll_wait, EPOLL, buf, -1, 0), C(epoll_wait, EPOLL, KERNEL, 1, 0),
		C(epoll_wait, EPOLL, buf, 1 << 30, 0), C(epoll_pwait, EPOLL, buf, 1, 0, buf, 4), C(eventfd2, 0, 99),
		C(read, EVENT, buf, 7), C(read, EVENT, buf, 8), C(write, EVENT, buf, 7), C(write, EVENT, &minus, 8),
		C(timerfd_create, 99, 0), C(timerfd_create, 1, 99), C(timerfd_settime, TIMER, 99, &its, 0),
		C(timerfd_settime, TIMER, 0, &its_bad, 0), C(timerfd_settime, TIMER, 0, BAD, 0),
		C(timerfd_settime, RW, 0, &its, 0), C(timerfd_settime, CLOSED, 0, &its, 0),
		C(timerfd_gettime, TIMER, BAD), C(read, TIMER, buf, 7), C(memfd_create, BAD, 0),
		C(memfd_create, "x", 0x1000), C(memfd_create, "x", 0), C(memfd_create, buf, 0),
		C(signalfd4, -1, BAD, 8, 0), C(signalfd4, -1, buf + 8192, 4, 0), C(signalfd4, RW, buf + 8192, 8, 0),
		C(signalfd4, CLOSED, buf + 8192, 8, 0), C(signalfd4, -1, buf + 8192, 8, 99),
		C(signalfd, -1, BAD, 8), C(signalfd, -1, buf + 8192, 4), C(signalfd, RW, buf + 8192, 8), C(signalfd, CLOSED, buf + 8192, 8),
		C(signalfd, -1, buf + 8192, 8), C(inotify_init, 0), C(epoll_pwait2, EPOLL, buf, 0, &ts, 0, 8),
		C(epoll_pwait2, EPOLL, buf, 1, &ts_bad, 0, 8), C(epoll_pwait2, EPOLL, buf, 1, BAD, 0, 8), C(epoll_pwait2, EPOLL, buf, 1, &ts, buf, 4),
		C(epoll_pwait2, RW, buf, 1, &ts, 0, 8), C(epoll_pwait2, CLOSED, buf, 1, &ts, 0, 8),
		/* what is asked seldom */
		C(ustat, -1, buf + 8192), C(ustat, 0, BAD), C(sysfs, 99), C(sysfs, 1, "none"), C(sysfs, 1, BAD), C(sysfs, 2, 9999, buf + 8192),
		C(mq_getsetattr, CLOSED, 0, 0), C(mq_getsetattr, RO, 0, buf + 8192), C(mq_getsetattr, RO, BAD, 0),
		C(migrate_pages, 0, -1, BAD, BAD), C(migrate_pages, 0x3fffff0, 8, BAD, BAD), C(migrate_pages, 0, 64, &word, BAD),
		C(io_pgetevents, 8, 1, 1, buf + 8192, 0, 0), C(io_pgetevents, 8, 1, 1, buf + 8192, BAD, 0), C(io_pgetevents, 8, 0, 0, 0, 0, BAD),
		C(brk, 8), C(brk, -1),
		/* extended attributes, which not all file systems have */
		C(setxattr, "none", "user.x", "v", 1, 0), C(setxattr, "file", "user.x", "v", 1, 9), C(setxattr, "file", 0, "v", 1, 0),
		C(setxattr, "file", "", "v", 1, 0), C(setxattr, "file", buf, "v", 1, 0), C(setxattr, "file", "user.x", buf, 65537, 0),
		C(setxattr, "file", "user.x", BAD, 1, 0), C(fsetxattr, CLOSED, "user.x", "v", 1, 0), C(lsetxattr, BAD, "user.x", "v", 1, 0),
		C(getxattr, "file", "", buf + 8192, 10), C(getxattr, "file", buf, buf + 8192, 10), C(getxattr, "file", BAD, buf + 8192, 10),
		C(lgetxattr, "none", "user.x", buf + 8192, 10), C(lgetxattr, "file", "", buf + 8192, 10), C(lgetxattr, "file", BAD, buf + 8192, 10),
		C(llistxattr, "none", 0, 0), C(llistxattr, BAD, 0, 0), C(flistxattr, CLOSED, 0, 0), C(flistxattr, PATHFD, 0, 0),
		C(removexattr, "file", ""), C(removexattr, "file", BAD), C(fgetxattr, CLOSED, "user.x", buf + 8192, 10),
		C(fadvise64, RO, 0, -1, 0), C(fadvise64, RO, 0, 10, 5), C(copy_file_range, RW, &minus, WO, &pos, 10, 0),
		C(lseek, RW, 0, SEEK_SET), C(pwritev2, RW, &one, 1, -1, -1, RWF_APPEND), C(lseek, RW, 0, SEEK_CUR),
		C(openat, AT_FDCWD, "/proc/none", O_CREAT, 0600), C(mkdirat, AT_FDCWD, "/proc/none", 0700), C(symlink, "a", "/proc/self/none"),
		C(mknod, "/proc/none", S_IFREG, 0), C(rename, "/proc/none", "/proc/other"), C(mlock2, 0, -1, 0), C(mlock, buf, 0),
		/* between files */
		C(sendfile, DEVNULL, PIPE_R, 0, 10), C(sendfile, RO, RO, 0, 10), C(sendfile, DEVNULL, WO, 0, 10),
		C(sendfile, DEVNULL, RO, BAD, 10), C(sendfile, DEVNULL, RO, &minus, 10),
		C(sendfile, APPEND, RO, 0, 10), C(sendfile, CLOSED, RO, 0, 10), C(sendfile, DEVNULL, CLOSED, 0, 10),
		C(sendfile, DEVNULL, RO, &big, 10), C(sendfile, DEVNULL, PIPE_R, &pos, 10),
		C(sendfile, DEVNULL, UNIX, 0, 10), C(sendfile, UNIX, RO, &pos, 10),
		C(splice, RO, 0, DEVNULL, 0, 10, 0), C(splice, RO, 0, PIPE_W, 0, 0, 0),
		C(splice, RO, 0, PIPE_W, 0, 10, 99), C(splice, RO, BAD, PIPE_W, 0, 10, 0),
		C(splice, RO, 0, PIPE_W, &pos, 10, 0), C(splice, PIPE_R, &pos, DEVNULL, 0, 10, 0),
		C(splice, WO, 0, PIPE_W, 0, 10, 0), C(splice, PIPE_R, 0, RO, 0, 10, 0),
		C(splice, PIPE_R, 0, PIPE_W, 0, 10, 0), C(splice, CLOSED, 0, PIPE_W, 0, 10, 0),
		C(splice, PIPE_R, 0, APPEND, 0, 10, SPLICE_F_NONBLOCK), C(splice, UNIX, &pos, PIPE_W, 0, 10, 0),
		C(tee, RO, PIPE_W, 10, 0), C(tee, PIPE_R, PIPE_W, 10, 0), C(tee, PIPE_R, FULL_W, 10, 99),
		C(tee, PIPE_R, FULL_W, 0, 0), C(vmsplice, RO, &one, 1, 0), C(vmsplice, PIPE_W, &one, 1025, 0),
		C(vmsplice, PIPE_W, BAD, 1, 0), C(vmsplice, CLOSED, &one, 1, 0),
		C(copy_file_range, RO, 0, WO, 0, 10, 1), C(copy_file_range, RO, 0, APPEND, 0, 10, 0),
		C(copy_file_range, DIRFD, 0, WO, 0, 10, 0), C(copy_file_range, RO, 0, DIRFD, 0, 10, 0),
		C(copy_file_range, PIPE_R, 0, WO, 0, 10, 0), C(copy_file_range, RO, 0, PIPE_W, 0, 10, 0),
		C(copy_file_range, WO, 0, RW, 0, 10, 0), C(copy_file_range, RW, 0, RO, 0, 10, 0),
		C(copy_file_range, RW, BAD, WO, 0, 10, 0), C(copy_file_range, RW, &pos, RW, &pos, 10, 0),
		C(copy_file_range, RW, &big, WO, &pos, 10, 0), C(copy_file_range, CLOSED, 0, WO, 0, 10, 0),
		/* sockets */
		C(socket, 0, SOCK_STREAM, 0), C(socket, -1, SOCK_STREAM, 0), C(socket, 99, SOCK_STREAM, 0),
		C(socket, AF_UNIX, 0, 0), C(socket, AF_UNIX, 15, 0), C(socket, AF_UNIX, SOCK_STREAM, 5),
		C(socket, AF_UNIX, SOCK_STREAM, 1), C(socket, AF_INET, SOCK_STREAM, 17),
		C(socket, AF_INET, SOCK_DGRAM, 6), C(socket, AF_INET, SOCK_SEQPACKET, 0),
		C(socket, AF_INET, SOCK_RAW, 0), C(socket, AF_INET, 0, 0), C(socket, AF_INET, SOCK_STREAM, -1),
		C(socket, AF_INET, SOCK_STREAM, 9999), C(socket, AF_UNIX, SOCK_RAW, 0),
		C(socket, AF_INET, SOCK_STREAM | 0x100, 0), C(socketpair, AF_INET, SOCK_STREAM, 0, buf + 8192),
		C(socketpair, AF_UNIX, SOCK_STREAM, 0, BAD), C(socketpair, 99, SOCK_STREAM, 0, buf + 8192),
		C(socketpair, AF_UNIX, SOCK_STREAM, 3, buf + 8192), C(socketpair, AF_UNIX, 9, 0, buf + 8192),
		C(socketpair, AF_INET, SOCK_DGRAM, 0, buf + 8192), C(bind, UNIX, &un_file, sizeof(un_file)),
		C(bind, UNIX, &un_wrong, 10), C(bind, UNIX, &un_long, 111), C(bind, UNIX, &un_file, 1),
		C(bind, UNIX, BAD, 10), C(bind, TCP, &in_one, 15), C(bind, TCP, &in_wrong, 16),
		C(bind, TCP, &in_far_any, 16), C(bind, LISTENER, &in_any, 16), C(bind, CONNECTED, &in_any, 16),
		C(bind, TCP, &un_file, sizeof(un_file)), C(connect, UNIX, &un_missing, sizeof(un_missing)),
		C(connect, UNIX, &un_file, sizeof(un_file)), C(connect, UNIX, &un_wrong, 10),
		C(connect, UNIX, &un_file, 2), C(connect, UNIX, &un_long, 111),
		C(connect, DGRAM, &un_missing, sizeof(un_missing)), C(connect, DGRAM, &un_file, 2),
		C(connect, PAIR, &un_file, sizeof(un_file)), C(connect, TCP, &in_one, 8),
		C(connect, TCP, &in_wrong, 16), C(connect, TCP, &in_one, 16), C(connect, LISTENER, &in_one, 16),
		C(connect, CONNECTED, &in_one, 16), C(connect, UDP, &in_one, 8), C(connect, UDP, &in_wrong, 16),
		C(accept4, UNIX, 0, 0, 0), C(accept4, TCP, 0, 0, 0), C(accept4, UDP, 0, 0, 0),
		C(accept4, DGRAM, 0, 0, 0), C(accept4, LISTENER, 0, 0, 0), C(accept4, LISTENER, buf, BAD, 0),
		C(accept4, LISTENER, 0, 0, 99), C(accept, CONNECTED, 0, 0), C(accept, RO, 0, 0),
		C(getsockname, UNIX, buf, BAD), C(getsockname, UNIX, BAD, &len16),
		C(getsockname, UNIX, buf, &lenneg), C(getpeername, UDP, buf, &len16),
		C(getpeername, CONNECTED, buf, BAD), C(getpeername, CONNECTED, BAD, &len16),
		C(getpeername, PAIR, buf, &len16), C(getpeername, LISTENER, buf, &len16), C(shutdown, UNIX, 99),
		C(shutdown, TCP, -1), C(shutdown, UDP, 3), C(sendto, PAIR, buf, 4, 0, &un_file, sizeof(un_file)),
		C(sendto, UNIX, buf, 4, MSG_NOSIGNAL, &un_file, sizeof(un_file)),
		C(sendto, UNIX, buf, 4, MSG_NOSIGNAL, 0, 0), C(sendto, DGRAM, buf, 4, 0, 0, 0),
		C(sendto, DGRAM, buf, 4, 0, &un_missing, sizeof(un_missing)),
		C(sendto, DGRAM, buf, 4, 0, &un_file, sizeof(un_file)), C(sendto, DGRAM, buf, 4, 0, BAD, 16),
		C(sendto, DGRAM, buf, 4, 0, &un_file, 200), C(sendto, DGRAM, buf, 4, 0, &un_file, -1),
		C(sendto, UDP, buf, 4, 0, 0, 0), C(sendto, UDP, buf, 4, 0, &in_one, 8),
		C(sendto, UDP, buf, 4, 0, &in_wrong, 16), C(sendto, UDP, buf, 65508, 0, &in_one, 16),
		C(sendto, UDP, buf, 4, 0, &in_any, 16), C(sendto, TCP, buf, 4, MSG_NOSIGNAL, 0, 0),
		C(sendto, LISTENER, buf, 4, MSG_NOSIGNAL, 0, 0), C(sendto, DGPAIR, buf, 4, MSG_OOB, 0, 0),
		C(sendto, SEQ, buf, 4, MSG_NOSIGNAL, 0, 0), C(sendto, CONNECTED, BAD, 4, 0, 0, 0),
		C(sendto, PAIR, BAD, 4, 0, 0, 0), C(sendto, DGPAIR, BAD, 4, 0, 0, 0),
		C(recvfrom, UNIX, buf, 4, 0, 0, 0), C(recvfrom, SEQ, buf, 4, 0, 0, 0),
		C(recvfrom, TCP, buf, 4, 0, 0, 0), C(recvfrom, LISTENER, buf, 4, 0, 0, 0),
		C(recvfrom, CONNECTED, buf, 4, MSG_OOB, 0, 0), C(recvfrom, PAIR, buf, 4, MSG_DONTWAIT, 0, 0),
		C(recvfrom, UDP, buf, 4, MSG_OOB | MSG_DONTWAIT, 0, 0),
		C(recvfrom, UDP, KERNEL, 4, MSG_DONTWAIT, 0, 0), C(sendmsg, PAIR, &msg_badiov, 0),
		C(sendmsg, PAIR, &msg_many, 0), C(sendmsg, DGRAM, &msg_badname, 0),
		C(sendmsg, PAIR, &msg_control, 0), C(sendmsg, PAIR, &msg_control_long, 0),
		C(sendmsg, DGRAM, &msg_negname, 0), C(sendmsg, PAIR, &msg_rights, 0), C(sendmsg, CLOSED, &msg, 0),
		C(recvmsg, PAIR, &msg_badiov, MSG_DONTWAIT), C(recvmsg, PAIR, &msg_many, MSG_DONTWAIT),
		C(recvmsg, PAIR, &msg, MSG_DONTWAIT), C(recvmsg, PAIR, &msg_negname, MSG_DONTWAIT),
		C(sendmmsg, PAIR, BAD, 1, 0), C(sendmmsg, PAIR, BAD, 0, 0),
		C(recvmmsg, PAIR, BAD, 1, MSG_DONTWAIT, 0), C(recvmmsg, PAIR, BAD, 1, MSG_DONTWAIT, &ts_bad),
		C(recvmmsg, PAIR, BAD, 0, 0, 0), C(setsockopt, TCP, SOL_SOCKET, SO_REUSEADDR, BAD, 4),
		C(setsockopt, TCP, SOL_SOCKET, SO_LINGER, &linger, 4),
		C(setsockopt, TCP, SOL_SOCKET, SO_RCVTIMEO, &tv_bad, 16),
		C(setsockopt, TCP, SOL_SOCKET, SO_RCVTIMEO, &tv_bad, 8),
		C(setsockopt, TCP, SOL_SOCKET, SO_TYPE, &int1, 4),
		C(setsockopt, TCP, SOL_SOCKET, SO_ERROR, &int1, 4),
		C(setsockopt, TCP, SOL_SOCKET, SO_REUSEADDR, &int1, -1),
		C(setsockopt, TCP, IPPROTO_TCP, TCP_NODELAY, &int1, 1),
		C(setsockopt, TCP, IPPROTO_TCP, TCP_KEEPCNT, &int0, 4),
		C(setsockopt, TCP, IPPROTO_TCP, TCP_KEEPIDLE, &intneg, 4),
		C(setsockopt, TCP, IPPROTO_TCP, TCP_INFO, &int1, 4), C(setsockopt, TCP, IPPROTO_IP, 2, &int0, 4),
		C(setsockopt, TCP, IPPROTO_IP, 1, &int0, 1), C(setsockopt, UDP, IPPROTO_TCP, TCP_NODELAY, &int1, 4),
		C(setsockopt, UDP, IPPROTO_IP, 9999, &int1, 4), C(setsockopt, TCP, 9999, 1, &int1, 4),
		C(setsockopt, UNIX, 9999, 1, &int1, 4), C(setsockopt, UNIX, IPPROTO_IP, 1, &int1, 4),
		C(getsockopt, UNIX, IPPROTO_IP, 1, buf, &len16),
		C(getsockopt, TCP, SOL_SOCKET, SO_TYPE, BAD, &len16),
	};

	_Static_assert(sizeof(t) <= sizeof(rows), "too many rows");
	memcpy(rows, t, sizeof(t));
	*n = sizeof(t) / sizeof(t[0]);
	return rows;
}

/* Of a user without rights, whoever starts it: what root could do would be done to the machine. */
static void denied(void)
{
	const struct row t[] = { C(vhangup, 0), C(syslog, 2, buf, 10), C(syslog, 5, 0, 0), C(syslog, 6, 0, 0), C(syslog, 99, 0, 0) };

	be_nobody();
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		call(t[i].text, t[i].nr, t[i].a);
}

static void move(int fd, int to)
{
	CHECK(fd >= 0 && dup2(fd, to) == to && close(fd) == 0);
}

static void set_up(void)
{
	struct sockaddr_un name = { AF_UNIX, "sock" };
	socklen_t len = sizeof(struct sockaddr_in);
	int p[2], fd;

	CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
	fd = open("file", O_RDWR | O_CREAT, 0644);
	CHECK(write(fd, "0123456789", 10) == 10);
	move(fd, RW);
	move(open("file", O_RDONLY), RO);
	move(open("file", O_WRONLY), WO);
	move(open("file", O_WRONLY | O_APPEND), APPEND);
	move(open(".", O_RDONLY | O_DIRECTORY), DIRFD);
	move(open("file", O_PATH), PATHFD);
	CHECK(mkdir("sub", 0755) == 0 && mkdir("full", 0755) == 0 && mkdir("full/x", 0755) == 0 && symlink("file", "link") == 0);
	CHECK(symlink("loop", "loop") == 0 && symlink("none", "dangling") == 0 && symlink("/etc", "out") == 0 && mkfifo("fifo", 0600) == 0);
	CHECK(pipe(p) == 0);
	move(p[0], PIPE_R);
	move(p[1], PIPE_W);
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	move(p[1], FULL_W);
	CHECK(dup2(p[0], NR_FD) == NR_FD && close(p[0]) == 0);
	while (write(FULL_W, buf, sizeof(buf)) > 0)
		;
	move(socket(AF_UNIX, SOCK_STREAM, 0), UNIX);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	move(p[0], PAIR);
	move(p[1], PAIR2);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK(bind(fd, (void *)&name, sizeof(name)) == 0);
	close(fd);
	move(socket(AF_UNIX, SOCK_DGRAM, 0), DGRAM);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p) == 0);
	move(p[0], DGPAIR);
	move(p[1], DGPAIR2);
	move(socket(AF_UNIX, SOCK_SEQPACKET, 0), SEQ);
	move(socket(AF_INET, SOCK_STREAM, 0), TCP);
	in_any = (struct sockaddr_in){ AF_INET, 0, { 0x0100007f }, { 0 } };
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(bind(fd, (void *)&in_any, sizeof(in_any)) == 0 && listen(fd, 5) == 0);
	move(fd, LISTENER);
	CHECK(getsockname(LISTENER, (void *)&in_any, &len) == 0);
	move(socket(AF_INET, SOCK_STREAM, 0), CONNECTED);
	CHECK(connect(CONNECTED, (void *)&in_any, sizeof(in_any)) == 0);
	move(accept(LISTENER, NULL, NULL), ACCEPTED);
	in_any.sin_port = 0;
	move(socket(AF_INET, SOCK_DGRAM, 0), UDP);
	move(epoll_create1(0), EPOLL);
	move(eventfd(0, EFD_NONBLOCK), EVENT);
	move(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), TIMER);
	move(open("/dev/null", O_RDWR), DEVNULL);
	move(open("/dev/full", O_RDWR), DEVFULL);
	move(open("/dev/zero", O_RDWR), DEVZERO);
	move(memfd_create("m", 0), MEMFD);
	move(open("fifo", O_RDWR | O_NONBLOCK), FIFO_RW);
	gone = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(munmap(gone, 4096) == 0);
	hole = (struct iovec){ gone, 16 };
	for (int i = 0; i < 1025; i++)
		many[i] = (struct iovec){ buf, 1 };
	memset(un_long.sun_path, 'x', sizeof(un_long.sun_path));
	un_long.sun_family = AF_UNIX;
	memset(buf, 'n', 5000);
	buf[5000] = '\0';
	rights.h = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&rights.h), &(int){ CLOSED }, sizeof(int));
	msg_rights = (struct msghdr){ .msg_iov = &one, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof(rights) };
	signal(SIGPIPE, SIG_IGN);
	alarm(20);
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

int main(int argc, char **argv)
{
	char path[200];
	const struct row *t;
	size_t n;

	snprintf(path, sizeof(path), "%s/errnos-XXXXXX", argc > 1 ? argv[1] : "/tmp");
	setvbuf(stdout, NULL, _IOLBF, 0);
	folder = path;
	set_up();
	t = table(&n);
	for (size_t i = 0; i < n; i++)
		call(t[i].text, t[i].nr, t[i].a);
	calls();
	CHECK(status_in_child(denied) == 0);
	CHECK(chdir("/") == 0 && nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS) == 0);
	return ok("%s", "");
}
