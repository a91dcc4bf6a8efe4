/* SPDX-License-Identifier: MIT */
/*
 * semantics: what calls on memory, descriptors, pipes, time and processes do in cases that the manual pages name. Prints each with its
 * outcome, for comparison with Linux.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>

#include "check.h"
#include "said.h"

#define PAGE 4096l

#define MAPPED(call) do { void *p_ = (call); said(#call, p_ == MAP_FAILED ? -1 : 0); } while (0)

static char buf[1 << 20];

static int temporary(void)
{
	char name[] = "/tmp/semantics.XXXXXX";
	int fd = mkstemp(name);

	CHECK(fd >= 0 && unlink(name) == 0);
	return fd;
}

static void memory(void)
{
	int fd = temporary(), ro = open("/proc/self/exe", O_RDONLY), wo = open("/dev/null", O_WRONLY);
	char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *q;
	unsigned char vec[16];

	CHECK(ftruncate(fd, 3 * PAGE + 100) == 0);
	MAPPED(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	MAPPED(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0));
	MAPPED(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	MAPPED(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0));
	MAPPED(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100));
	MAPPED(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
	MAPPED(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0));
	MAPPED(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0));
	MAPPED(mmap(p + 100, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	MAPPED(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	MAPPED(mmap(NULL, 1ul << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	MAPPED(mmap(NULL, -PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	q = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(q != MAP_FAILED);
	TRY(q[3 * PAGE + 99] + q[3 * PAGE + 2000]);
	TRY(mprotect(p + 1, PAGE, PROT_READ));
	TRY(mprotect(p, 0, PROT_READ));
	TRY(mprotect(p, PAGE, 0x100));
	TRY(mprotect((void *)PAGE, PAGE, PROT_READ));
	TRY(munmap(p + 1, PAGE));
	TRY(munmap(p, 0));
	TRY(munmap(p + 4 * PAGE, PAGE));
	TRY(munmap(p + 4 * PAGE, PAGE));
	TRY(mprotect(p + 3 * PAGE, 3 * PAGE, PROT_READ));
	TRY(msync(p + 3 * PAGE, 3 * PAGE, MS_ASYNC));
	TRY(msync(p, PAGE, MS_ASYNC | MS_SYNC));
	TRY(msync(p, PAGE, 0));
	TRY(msync(q, 4 * PAGE, MS_SYNC));
	TRY(mlock(q, PAGE));
	TRY(msync(q, PAGE, MS_SYNC | MS_INVALIDATE));
	TRY(munlock(q, PAGE));
	TRY(msync(q, PAGE, MS_SYNC | MS_INVALIDATE));
	TRY(mincore(p, 3 * PAGE, vec));
	TRY(mincore(p, 6 * PAGE, vec));
	TRY(mincore(p + 1, PAGE, vec));
	TRY(madvise(p, PAGE, 1000));
	TRY(madvise(p + 1, PAGE, MADV_NORMAL));
	TRY(madvise(p + 3 * PAGE, 3 * PAGE, MADV_NORMAL));
	TRY(madvise(p, PAGE, MADV_REMOVE));
	TRY(madvise(q, PAGE, MADV_FREE));
	TRY(madvise(q, PAGE, MADV_WIPEONFORK));
	TRY(madvise(p, -PAGE, MADV_NORMAL));
	MAPPED(mremap(p + 1, PAGE, PAGE, 0));
	MAPPED(mremap(p, PAGE, 0, 0));
	MAPPED(mremap(p + 8 * PAGE, PAGE, 2 * PAGE, 0));
	MAPPED(mremap(p, PAGE, PAGE, MREMAP_FIXED, p));
	MAPPED(mremap(p, 2 * PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + PAGE));
	MAPPED(mremap(p + 4 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	MAPPED(mremap(p, PAGE, PAGE, 0x100));
	/* bytes behind the end of a file that shrinks and grows */
	memset(q, 7, 3 * PAGE);
	TRY(ftruncate(fd, 10));
	TRY(q[9] + q[10]);
	TRY(ftruncate(fd, 2 * PAGE));
	TRY(q[10] + q[PAGE]);
	close(fd);
	close(ro);
	close(wo);
}

static void descriptors(void)
{
	int fd = temporary(), two[2], dirfd = open("/tmp", O_RDONLY | O_DIRECTORY), ap = dup(fd);
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10 };
	struct iovec v[2] = { { buf, 10 }, { buf, (size_t)-1 } };
	off_t off = 5;

	CHECK(pipe(two) == 0);
	TRY(write(fd, "0123456789", 10));
	TRY(lseek(fd, -1, SEEK_SET));
	TRY(lseek(fd, -11, SEEK_END));
	TRY(lseek(fd, 5, SEEK_END));
	TRY(lseek(fd, 0, SEEK_DATA));
	TRY(lseek(fd, 0, SEEK_HOLE));
	TRY(lseek(fd, 10, SEEK_DATA));
	TRY(lseek(fd, 10, SEEK_HOLE));
	TRY(lseek(fd, 0, 77));
	TRY(lseek(two[0], 0, SEEK_CUR));
	TRY(lseek(dirfd, 0, SEEK_SET));
	TRY(read(dirfd, buf, 10));
	TRY(pread(fd, buf, 10, -1));
	TRY(pread(fd, buf, 20, 5));
	TRY(pread(two[0], buf, 1, 0));
	TRY(readv(fd, v, 2));
	TRY(readv(fd, v, 0));
	TRY(syscall(SYS_readv, fd, v, -1));
	TRY(syscall(SYS_readv, fd, v, 1025));
	TRY(preadv(fd, v, 1, -1));
	TRY(write(fd, NULL, 0));
	TRY(write(dirfd, "x", 1));
	TRY(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	TRY(fcntl(ap, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE));
	TRY(lseek(fd, 0, SEEK_SET));
	TRY(write(fd, "ab", 2));
	TRY(lseek(ap, 0, SEEK_CUR));
	TRY(pwrite(fd, "cd", 2, 0));
	TRY(lseek(fd, 0, SEEK_END));
	TRY(fcntl(fd, F_DUPFD, 1000000));
	TRY(fcntl(fd, F_DUPFD, -1));
	TRY(fcntl(fd, F_DUPFD, 500));
	TRY(fcntl(500, F_GETFD));
	TRY(fcntl(fd, F_DUPFD_CLOEXEC, 500));
	TRY(fcntl(501, F_GETFD));
	TRY(dup2(fd, fd));
	TRY(dup2(999, 999));
	TRY(dup3(fd, fd, 0));
	TRY(dup3(fd, 500, O_APPEND));
	TRY(dup2(fd, -1));
	TRY(dup2(fd, 1 << 20));
	TRY(fcntl(fd, F_SETLK, &l));
	TRY(flock(fd, LOCK_EX | LOCK_NB));
	TRY(flock(fd, LOCK_SH | LOCK_EX));
	TRY(flock(fd, 0));
	TRY(ftruncate(dirfd, 0));
	TRY(ftruncate(two[1], 0));
	TRY(fsync(two[0]));
	TRY(fdatasync(dirfd));
	TRY(fchmod(two[0], 0600));
	TRY(posix_fadvise(fd, 0, 0, 100));
	TRY(posix_fadvise(two[0], 0, 0, POSIX_FADV_NORMAL));
	TRY(fallocate(fd, 0, 0, 0));
	TRY(fallocate(fd, 0, 100, 100));
	TRY(lseek(fd, 0, SEEK_END));
	TRY(fallocate(two[1], 0, 0, 10));
	TRY(fallocate(dirfd, 0, 0, 10));
	TRY(copy_file_range(fd, &off, fd, &off, 10, 0));
	TRY(copy_file_range(fd, NULL, two[1], NULL, 10, 0));
	TRY(copy_file_range(fd, NULL, fd, NULL, 10, 1));
	TRY(sync_file_range(two[0], 0, 0, 0));
	TRY(sync_file_range(fd, -1, 0, 0));
	TRY(sync_file_range(fd, 0, 0, 100));
	TRY(ioctl(fd, FIONREAD, buf));
	TRY(ioctl(fd, 0x5401, buf));
	TRY(syscall(SYS_close_range, 600, 500, 0));
	TRY(syscall(SYS_close_range, 500, 600, 8));
	TRY(syscall(SYS_close_range, 500, 600, 0));
	TRY(fcntl(500, F_GETFD));
	close(fd);
	close(ap);
	close(dirfd);
	close(two[0]);
	close(two[1]);
}

static void pipes(void)
{
	int two[2];
	struct pollfd p[2];

	signal(SIGPIPE, SIG_IGN);
	TRY(pipe2(two, O_APPEND));
	TRY(pipe2(two, O_NONBLOCK | O_CLOEXEC));
	TRY(fcntl(two[0], F_GETPIPE_SZ));
	TRY(write(two[1], buf, sizeof(buf)));
	TRY(write(two[1], buf, 1));
	TRY(ioctl(two[0], FIONREAD, buf));
	TRY(*(int *)buf);
	TRY(fcntl(two[1], F_SETPIPE_SZ, 4096));
	TRY(fcntl(two[1], F_SETPIPE_SZ, 100000));
	TRY(fcntl(two[1], F_SETPIPE_SZ, -1));
	TRY(read(two[0], buf, 100));
	TRY(write(two[1], buf, 4096));
	TRY(read(two[0], buf, 3996));
	TRY(write(two[1], buf, 4096));
	p[0] = (struct pollfd){ two[0], POLLIN | POLLOUT, 0 };
	p[1] = (struct pollfd){ two[1], POLLIN | POLLOUT, 0 };
	TRY(poll(p, 2, 0));
	TRY(p[0].revents);
	TRY(p[1].revents);
	close(two[0]);
	TRY(poll(p + 1, 1, 0));
	TRY(p[1].revents);
	TRY(write(two[1], buf, 1));
	close(two[1]);
	CHECK(pipe2(two, O_NONBLOCK) == 0);
	TRY(read(two[0], buf, 1));
	TRY(read(two[0], buf, 0));
	close(two[1]);
	TRY(read(two[0], buf, 1));
	p[0].fd = two[0];
	TRY(poll(p, 1, 0));
	TRY(p[0].revents);
	TRY(write(two[0], buf, 1));
	close(two[0]);
	signal(SIGPIPE, SIG_DFL);
}

/* Large reads and writes: what has as many bytes as are wanted gives them all, what waits for room takes them all. */

static struct iovec pieces[] = { { buf, 100000 }, { buf + 100000, 0 }, { buf + 100000, 7 }, { buf + 100007, 299993 } };	/* 400000 */

static void has_all(const char *name)
{
	int fd = open(name, O_RDONLY), to = temporary(), two[2];

	printf("%s\n", name);
	CHECK(fd >= 0 && pipe(two) == 0);
	memset(buf, 1, sizeof(buf));
	TRY(read(fd, buf, sizeof(buf)));
	TRY(memcmp(buf, buf + 1, 100) != 0);
	TRY(memcmp(buf + sizeof(buf) / 2, buf + sizeof(buf) - 100, 100) != 0);
	TRY(readv(fd, pieces, 4));
	TRY(pread(fd, buf, 200000, 1000));
	TRY(preadv(fd, pieces, 4, 5));
	TRY(sendfile(to, fd, NULL, 200000));
	TRY(lseek(to, 0, SEEK_CUR));
	TRY(splice(fd, NULL, two[1], NULL, 20000, 0));
	TRY(read(two[0], buf, sizeof(buf)));
	close(fd);
	close(to);
	close(two[0]);
	close(two[1]);
}

static unsigned char byte_at(size_t i) { return i * 7 + (i >> 9); }

/* A child that reads n bytes, and sees that they are those of buf. */
static pid_t reader_of(int fd, size_t n, int not_its)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		unsigned char part[5000];
		ssize_t got;

		close(not_its);
		for (size_t at = 0; at < n; at += got) {
			got = read(fd, part, n - at < sizeof(part) ? n - at : sizeof(part));
			CHECK(got > 0);
			for (ssize_t i = 0; i < got; i++)
				CHECK(part[i] == byte_at(at + i));
		}
		_exit(0);
	}
	return child;
}

static void ended(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void takes_all(int to, int from)
{
	pid_t child = reader_of(from, 400000 + 300000, to);

	TRY(writev(to, pieces, 4));
	for (size_t i = 0; i < 300000; i++)
		buf[i] = byte_at(400000 + i);
	TRY(write(to, buf, 300000));
	ended(child);
}

static void large(void)
{
	struct termios raw;
	int two[2], null = open("/dev/null", O_RDWR), full = open("/dev/full", O_RDWR), fd, peer, n;

	has_all("/dev/zero");
	has_all("/dev/full");
	has_all("/dev/urandom");
	TRY(writev(null, pieces, 4));
	TRY(write(null, buf, sizeof(buf)));
	TRY(readv(null, pieces, 4));
	TRY(writev(full, pieces, 4));
	close(null);
	close(full);
	for (size_t i = 0; i < 400000; i++)
		buf[i] = byte_at(i);
	CHECK(pipe(two) == 0);
	takes_all(two[1], two[0]);
	CHECK(write(two[1], buf, 40000) == 40000);
	TRY((n = vmsplice(two[1], pieces, 4, 0)) > 0);		/* what there is room for */
	TRY(read(two[0], buf, sizeof(buf)) == 40000 + n);
	CHECK(fcntl(two[1], F_SETFL, O_NONBLOCK) == 0);
	TRY(writev(two[1], pieces, 4));
	TRY(writev(two[1], pieces, 4));
	close(two[0]);
	close(two[1]);
	for (size_t i = 0; i < 400000; i++)
		buf[i] = byte_at(i);
	CHECK((peer = posix_openpt(O_RDWR | O_NOCTTY)) >= 0 && grantpt(peer) == 0 && unlockpt(peer) == 0);
	CHECK((fd = open(ptsname(peer), O_RDWR | O_NOCTTY)) >= 0 && tcgetattr(fd, &raw) == 0);
	cfmakeraw(&raw);
	CHECK(tcsetattr(fd, TCSANOW, &raw) == 0);
	takes_all(fd, peer);
	close(fd);
	close(peer);
}

/* What cannot go into the program's memory stays where it is. */
static void stays(const char *what, int to, int from)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *bad = page + PAGE;
	struct iovec one = { bad, 10 };
	ssize_t got;
	int n;

	printf("%s\n", what);
	CHECK(page != MAP_FAILED && mprotect(bad, PAGE, PROT_NONE) == 0 && write(to, "0123456789", 10) == 10);
	TRY(read(from, bad, 10));
	TRY(readv(from, &one, 1));
	TRY(ioctl(from, FIONREAD, &n));
	TRY(n);
	got = read(from, bad - 4, 10);
	CHECK((got == -1 && errno == EFAULT) || got == 4);	/* Linux may take back what it had copied */
	got = got < 0 ? 0 : got;
	memcpy(buf, bad - 4, got);
	TRY(got + read(from, buf + got, 100));
	TRY(memcmp(buf, "0123456789", 10));
	munmap(page, 2 * PAGE);
	close(to);
	close(from);
}

static volatile int nr_told;

static void told(int sig) { nr_told += sig == SIGPIPE; }

/* Who writes when the last reader goes is told by the signal, whatever was written by then. */
static void reader_goes(void)
{
	char part[1000];
	int two[2];
	ssize_t n;
	pid_t child;

	CHECK(pipe(two) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		close(two[1]);
		_exit(read(two[0], part, sizeof(part)) != sizeof(part));
	}
	close(two[0]);
	TRY((n = write(two[1], buf, 200000)) >= 65536 && n < 200000);
	TRY(nr_told);
	ended(child);
	TRY(write(two[1], buf, 1));
	TRY(nr_told);
	TRY(writev(two[1], pieces, 4));
	TRY(nr_told);
	close(two[1]);
}

/* --- not on Linux, where a splice() that waits has the pipe for itself --- */

static pid_t splicer(int from, int to, size_t n)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0)
		_exit(splice(from, NULL, to, NULL, 1000, 0) != (ssize_t)n);
	return child;
}

static void asleep(pid_t pid)
{
	char name[64], stat[200];
	int fd, n;

	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	do {
		CHECK(usleep(1000) == 0 && (fd = open(name, O_RDONLY)) >= 0 && (n = read(fd, stat, sizeof(stat) - 1)) > 0);
		stat[n] = '\0';
		close(fd);
	} while (strstr(stat, ") S ") == NULL);
}

/* A terminal that takes nothing: the pipe stays usable, and keeps what did not go. */
static void to_stopped_terminal(void)
{
	struct termios raw;
	struct pollfd p;
	int two[2], fd, peer, status;
	pid_t child;

	CHECK(pipe(two) == 0 && (peer = posix_openpt(O_RDWR | O_NOCTTY)) >= 0 && grantpt(peer) == 0 && unlockpt(peer) == 0);
	CHECK((fd = open(ptsname(peer), O_RDWR | O_NOCTTY)) >= 0 && tcgetattr(fd, &raw) == 0);
	cfmakeraw(&raw);
	CHECK(tcsetattr(fd, TCSANOW, &raw) == 0 && tcflow(fd, TCOOFF) == 0);
	CHECK(write(two[1], "0123456789", 10) == 10);
	child = splicer(two[0], fd, 10);
	p = (struct pollfd){ two[0], POLLIN, 0 };
	while (poll(&p, 1, 0) == 1)
		usleep(1000);
	CHECK(write(two[1], "x", 1) == 1 && fcntl(two[0], F_SETFL, O_NONBLOCK) == 0);
	CHECK(read(two[0], buf, 100) == -1 && errno == EAGAIN);
	CHECK(tcflow(fd, TCOON) == 0);
	ended(child);
	CHECK(read(peer, buf, 100) == 10 && memcmp(buf, "0123456789", 10) == 0);
	CHECK(read(two[0], buf, 100) == 1 && buf[0] == 'x');
	CHECK(tcflow(fd, TCOOFF) == 0 && write(two[1], "0123456789", 10) == 10);
	child = splicer(two[0], fd, 10);
	while (poll(&p, 1, 0) == 1)
		usleep(1000);
	close(two[1]);			/* not the end: what is there may come back */
	CHECK(read(two[0], buf, 100) == -1 && errno == EAGAIN);
	CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
	CHECK(read(two[0], buf, 100) == 10 && memcmp(buf, "0123456789", 10) == 0 && read(two[0], buf, 100) == 0);
	close(two[0]);
	close(fd);
	close(peer);
}

/* What comes has its room, whoever else writes, and whether there is still a reader. */
static void from_socket(void)
{
	int two[2], s[2], n, again;
	char name[64];
	pid_t child;

	CHECK(pipe(two) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && fcntl(two[1], F_SETFL, O_NONBLOCK) == 0);
	child = splicer(s[0], two[1], 10);
	asleep(child);
	CHECK((n = write(two[1], buf, 100000)) > 0 && write(s[1], "0123456789", 10) == 10);
	ended(child);
	CHECK(read(two[0], buf, 200000) == n + 10 && memcmp(buf + n, "0123456789", 10) == 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", two[1]);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		close(two[0]);
		_exit(splice(s[0], NULL, two[1], NULL, 1000, 0) != 10);
	}
	asleep(child);
	close(two[0]);
	CHECK(write(s[1], "0123456789", 10) == 10);
	ended(child);
	CHECK((again = open(name, O_RDONLY | O_NONBLOCK)) >= 0 && read(again, buf, 100) == 10 && memcmp(buf, "0123456789", 10) == 0);
	close(again);
	CHECK(write(s[1], "0123456789", 10) == 10);
	signal(SIGPIPE, SIG_IGN);
	CHECK(splice(s[0], NULL, two[1], NULL, 1000, 0) == -1 && errno == EPIPE);
	signal(SIGPIPE, SIG_DFL);
	CHECK(read(s[0], buf, 100) == 10);
	close(two[1]);
	close(s[0]);
	close(s[1]);
}

static void kept_and_told(void)
{
	int two[2];

	CHECK(pipe(two) == 0);
	stays("pipe", two[1], two[0]);
	CHECK(pipe2(two, O_DIRECT) == 0);
	stays("packet", two[1], two[0]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, two) == 0);
	stays("socket", two[1], two[0]);
	signal(SIGPIPE, told);
	reader_goes();
	signal(SIGPIPE, SIG_DFL);
}

static void none(int sig) { (void)!sig; }

static void processes(void)
{
	int ends[2];
	struct sigaction act = { .sa_handler = none };
	struct rlimit r = { 10, 5 };
	struct sched_param sp = { 0 };
	siginfo_t info;
	sigset_t set;
	int status;
	pid_t pid;

	TRY(waitpid(-1, &status, 0));
	TRY(waitpid(getpid(), &status, 0));
	TRY(waitpid(-1, &status, 0x100));
	TRY(waitid(P_ALL, 0, &info, 0));
	TRY(kill(getpid(), 0));
	TRY(kill(getpid(), 65));
	TRY(kill(0x3fffff, 0));
	TRY(sigaction(SIGKILL, &act, NULL));
	TRY(syscall(SYS_rt_sigaction, 65, &act, NULL, 8));
	TRY(sigprocmask(77, sigemptyset(&set) == 0 ? &set : NULL, NULL));
	TRY(setpgid(0, -1));
	TRY(setpgid(0x3fffff, 0));
	TRY(getpgid(0x3fffff));
	TRY(getsid(-1));
	TRY(nice(0) == getpriority(PRIO_PROCESS, 0));		/* whatever one was started with */
	TRY(getpriority(PRIO_PROCESS, 0x3fffff));
	TRY(getpriority(77, 0));
	TRY(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0)));
	TRY(getrlimit(77, &r));
	TRY(setrlimit(RLIMIT_NOFILE, &r));
	TRY(getrusage(77, (void *)buf));
	TRY(sched_setscheduler(0, 77, &sp));
	TRY(sched_setscheduler(0, SCHED_FIFO, &sp));
	TRY(sched_setscheduler(-1, SCHED_OTHER, &sp));
	TRY(sched_getscheduler(0x3fffff));
	TRY(sched_get_priority_max(SCHED_FIFO));
	TRY(sched_get_priority_min(SCHED_RR));
	TRY(sched_get_priority_max(77));
	TRY(prctl(PR_SET_PDEATHSIG, 65));
	TRY(prctl(PR_GET_DUMPABLE));
	TRY(prctl(PR_SET_DUMPABLE, 3));
	TRY(prctl(PR_SET_NAME, "0123456789abcdefXYZ"));
	TRY(prctl(PR_GET_NAME, buf));
	puts(buf);
	TRY(prctl(9999));
	pid = fork();
	if (pid == 0)
		_exit(300);
	TRY(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	TRY(info.si_status);
	TRY(waitid(P_PGID, getpgrp(), &info, WEXITED | WNOHANG));
	TRY(waitid(P_PID, pid, &info, WEXITED));
	TRY(pipe(ends));
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(read(ends[0], buf, 1) == 1 ? 3 : 4);	/* not before it was seen going on */
	}
	TRY(waitpid(pid, &status, WUNTRACED) == pid);
	TRY(status);
	TRY(waitpid(pid, &status, WUNTRACED | WNOHANG));
	TRY(kill(pid, SIGCONT));
	TRY(waitpid(pid, &status, WCONTINUED) == pid);
	TRY(status);
	TRY(write(ends[1], "x", 1));
	TRY(waitpid(pid, &status, 0) == pid);
	TRY(status);
	alarm(100);
	pid = fork();
	if (pid == 0)
		_exit(alarm(0) == 0 && sigpending(&set) == 0 ? 0 : 1);
	TRY(waitpid(pid, &status, 0) == pid);
	TRY(status);
	TRY(alarm(0) > 0);
	TRY(syscall(SYS_sched_yield));
	TRY(syscall(SYS_tgkill, getpid(), getpid() + 1000000, 0));
	TRY(syscall(SYS_tkill, -1, 0));
	TRY(execve("/tmp", (char *[]){ "x", NULL }, NULL));
	TRY(execve("/none", (char *[]){ "x", NULL }, NULL));
	TRY(execve("/proc/self/exe/x", (char *[]){ "x", NULL }, NULL));
	TRY(execve("/proc/self/status", (char *[]){ "x", NULL }, NULL));
}

static void waits(void)
{
	struct timespec neg = { -1, 0 }, many = { 0, 1000000000 }, zero = { 0, 0 };
	struct timeval tv = { -1, 0 };
	int ev = eventfd(3, EFD_NONBLOCK), sem = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
	struct pollfd p = { ev, POLLIN | POLLOUT, 0 };
	uint64_t n = -1, one = -2;
	fd_set set;

	TRY(nanosleep(&neg, NULL));
	TRY(nanosleep(&many, NULL));
	TRY(nanosleep(&zero, NULL));
	TRY(clock_nanosleep(99, 0, &zero, NULL));
	TRY(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &zero, NULL));
	TRY(clock_gettime(99, &zero));
	FD_ZERO(&set);
	FD_SET(30, &set);
	TRY(select(31, &set, NULL, NULL, &tv));
	tv.tv_sec = 0;
	TRY(select(31, &set, NULL, NULL, &tv));
	TRY(select(-1, NULL, NULL, NULL, &tv));
	TRY(poll(&p, 1, 0));
	TRY(p.revents);
	TRY(write(ev, &n, 8));
	TRY(write(ev, &one, 4));
	TRY(write(ev, &one, 8));
	TRY(read(ev, &n, 8));
	TRY(n);
	TRY(read(ev, &n, 8));
	TRY(read(sem, &n, 8));
	TRY(n);
	TRY(read(sem, &n, 8));
	TRY(read(sem, &n, 8));
	TRY(eventfd(0, 0x100));
	close(ev);
	close(sem);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "splices") == 0) {
		to_stopped_terminal();
		from_socket();
		return ok("");
	}
	memory();
	descriptors();
	pipes();
	large();
	kept_and_told();
	processes();
	waits();
	return ok("");
}
