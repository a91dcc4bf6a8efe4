/* SPDX-License-Identifier: MIT */
/*
 * file_details: what calls on names, open files, locks, pipes and sockets say where several rules meet, and what they leave behind. Prints
 * each with its outcome, for comparison with Linux.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "plain.h"
#include "said.h"

static char buf[16384] __attribute__((aligned(4096)));
static struct stat st;

static int make(const char *name)
{
	int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0644);

	CHECK(fd >= 0 && write(fd, "0123456789", 10) == 10);
	return fd;
}

static void links_to_links(void)
{
	int fd;

	CHECK(mkdir("d", 0755) == 0 && symlink("d", "one") == 0 && symlink("one", "two") == 0 && symlink("loop", "loop") == 0);
	CHECK(symlink("f/", "slash") == 0);
	TRY(lstat("two/", &st));
	TRY(S_ISDIR(st.st_mode));
	TRY(lstat("loop/", &st));
	TRY(readlink("two/", buf, sizeof(buf)));
	TRY(open("loop/", O_NOFOLLOW));
	TRY(open("two", O_DIRECTORY | O_NOFOLLOW));
	CHECK((fd = open("two", O_PATH | O_NOFOLLOW)) >= 0);
	memset(buf, 0, 8);
	TRY(readlinkat(fd, "", buf, sizeof(buf)));
	puts(buf);
	TRY(readlinkat(fd, "", buf, 2));
	close(fd);
	CHECK((fd = open("d", O_PATH)) >= 0);
	TRY(readlinkat(fd, "", buf, sizeof(buf)));
	TRY(readlinkat(AT_FDCWD, "", buf, sizeof(buf)));
	close(fd);
}

static void slashes_and_creating(void)
{
	close(make("f"));
	TRY(open("f/", O_CREAT | O_RDWR, 0600));
	TRY(open("f/", O_CREAT | O_EXCL | O_RDWR, 0600));
	TRY(open("d/", O_CREAT | O_RDWR, 0600));
	TRY(open("d/", O_CREAT | O_EXCL | O_RDWR, 0600));
	TRY(open("loop/", O_CREAT | O_RDWR, 0600));
	TRY(open("slash", O_CREAT | O_RDWR, 0600));
	TRY(open("none/", O_CREAT | O_RDWR, 0600));
	TRY(open("none/x/", O_CREAT | O_RDWR, 0600));
	TRY(open("f/x/", O_CREAT | O_RDWR, 0600));
	TRY(open("/", O_CREAT | O_RDWR, 0600));
	TRY(open("none", O_CREAT | O_DIRECTORY, 0600));
	TRY(open("d", O_CREAT | O_DIRECTORY, 0600));
	TRY(access("none", F_OK));
	TRY(mknod("f", S_IFCHR | 0600, 0x103));
	TRY(mknod("none/x", S_IFBLK | 0600, 0x103));
	TRY(mknod("new", S_IFCHR | 0600, 0x103));
	TRY(mkfifo("fifo", 0600));
	TRY(open("fifo", O_WRONLY | O_RDWR | O_NONBLOCK));
}

#define MOVE(from, to, flags) TRY(renameat2(AT_FDCWD, from, AT_FDCWD, to, flags))

static void renames(void)
{
	int fd;

	CHECK(mkdir("a", 0755) == 0 && mkdir("a/b", 0755) == 0);
	close(make("a/f"));
	close(make("f"));
	TRY(rename("a/f", "a"));
	TRY(rename("a/b", "a"));
	TRY(rename("a", "a/b/c"));
	MOVE("a/f", "a", RENAME_EXCHANGE);
	MOVE("a", "a/b", RENAME_EXCHANGE);
	MOVE("a", "a/none", RENAME_EXCHANGE);
	MOVE("f", "none", RENAME_EXCHANGE);
	MOVE("f", "none/", RENAME_EXCHANGE);
	MOVE("a", "f/", RENAME_EXCHANGE);
	MOVE("f", "a/", RENAME_EXCHANGE);
	MOVE("f", "a", RENAME_EXCHANGE);
	MOVE("f", "a/", RENAME_NOREPLACE);
	MOVE("f", "f/", RENAME_NOREPLACE);
	MOVE("f", "none/", RENAME_NOREPLACE);
	MOVE("f", "a/.", RENAME_NOREPLACE);
	MOVE("f", "a/..", 0);
	MOVE("a/.", "none/x", 0);
	MOVE("f", "none", RENAME_WHITEOUT | RENAME_EXCHANGE);
	MOVE("none", "f", RENAME_NOREPLACE | RENAME_EXCHANGE);
	TRY(rename("f/", "g"));
	TRY(rename("f", "g/"));
	TRY(rename("a/b", "g/"));
	TRY(rename("g/", "a/b"));
	/* a folder that may not be written to, and names that need no change */
	CHECK(mkdir("w", 0755) == 0 && mkdir("w/d", 0755) == 0 && link("f", "w/f") == 0 && chmod("w", 0555) == 0);
	TRY(rename("w/f", "w/f"));
	TRY(rename("w/d", "w/d"));
	TRY(rename("w/f", "f"));
	MOVE("w/d", "w/d", RENAME_EXCHANGE);
	MOVE("w/f", "f", RENAME_NOREPLACE);
	TRY(rename("w/d", "w/f"));
	TRY(rename("w/f", "w/n"));
	CHECK(chmod("w", 0755) == 0);
	TRY(unlink("w/d/"));
	TRY(unlink("w/f/"));
	TRY(rmdir("w/f"));
	TRY(unlink("w/d"));
	/* two names of one file: nothing is done, and it is still called what it was opened as */
	fd = make("n1");
	CHECK(link("n1", "n2") == 0);
	TRY(rename("n1", "n2"));
	MOVE("n1", "n2", RENAME_EXCHANGE);
	MOVE("n1", "n2", RENAME_NOREPLACE);
	TRY(access("n1", F_OK) + access("n2", F_OK));
	snprintf(buf, 64, "/proc/self/fd/%d", fd);
	memset(buf + 100, 0, 200);
	CHECK(readlink(buf, buf + 100, 199) > 0);
	puts(strrchr(buf + 100, '/'));
	close(fd);
}

static void asked(const char *name, int flags)
{
	int fd = open(name, flags | O_NONBLOCK | O_NOCTTY), to = make("t");
	long n = 0;

	printf("- %s\n", name);
	CHECK(fd >= 0);
	TRY(fcntl(fd, F_SETFL, O_DIRECT));
	TRY(fcntl(fd, F_SETFL, O_NOATIME));
	TRY(ioctl(fd, FIGETBSZ, &n));
	TRY(n);
	TRY(ioctl(fd, FIOQSIZE, &n));
	TRY(ioctl(fd, FICLONE, to));
	TRY(flock(fd, LOCK_MAND | LOCK_READ));
	TRY(pread(fd, buf, 0, 0));
	TRY(sync_file_range(fd, -1, 0, 0));
	TRY(sendfile(to, fd, NULL, -1));
	TRY(listxattr(name, NULL, 0) >= 0);
	close(fd);
	close(to);
}

static void any_file(void)
{
	struct statfs fs;

	asked("f", O_RDWR);
	asked("d", O_RDONLY);
	asked("/dev/null", O_RDWR);
	asked("/dev/ptmx", O_RDWR);
	TRY(open("/dev/null", O_RDWR | O_DIRECT));
	TRY(sync_file_range(open("f", O_PATH), -1, 0, 99));
	TRY(statfs("/dev", &fs));
	TRY(fs.f_type);
	TRY(statfs("/sys", &fs));
	TRY(fs.f_type);
	TRY(statfs("/proc", &fs));
	TRY(fs.f_type);
	TRY(utimensat(AT_FDCWD, "none", (struct timespec[]){ { 0, UTIME_OMIT }, { 0, UTIME_OMIT } }, 0));
	TRY(utimensat(-5, "none", (struct timespec[]){ { 0, UTIME_OMIT }, { 0, UTIME_OMIT } }, 0));
	TRY(utimensat(AT_FDCWD, "none", (struct timespec[]){ { 0, UTIME_OMIT }, { 0, 1 } }, 0));
}

static int named(int fd, const char *name)
{
	snprintf(buf, 64, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, buf, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* O_TMPFILE: a file that gets its first name later, or never */
/* What Linux answers for a text that it cannot splice, and it has some, is right, too. */
static bool sent(ssize_t n)
{
	return n > 1 || (n < 0 && errno == EINVAL);
}

/* Between a file and a text of /proc, by sendfile() at the files' own positions, whichever was opened first. */
static void sent_from_and_to_texts(void)
{
	static const char *const texts[] = { "/proc/mounts", "/proc/self/status", "/sys/devices/system/cpu/online" };
	int fds[32], from, score;
	bool all = true;

	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);		/* what is its own in /proc is again */
	for (unsigned i = 0; i < 32; i++)
		CHECK((fds[i] = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0600)) >= 0);
	for (unsigned i = 0; i < 32; i++) {
		CHECK((from = open(texts[i % 3], O_RDONLY)) >= 0 && (score = open("/proc/self/oom_score_adj", O_RDWR)) >= 0);
		all &= sent(sendfile(fds[i], from, NULL, 100)) && sent(sendfile(fds[i], from, &(off_t){ 0 }, 100));
		all &= ftruncate(fds[i], 0) == 0 && pwrite(fds[i], "77\n", 3, 0) == 3 && lseek(fds[i], 0, SEEK_SET) == 0;
		all &= sent(sendfile(score, fds[i], NULL, 3));
		close(from);
		close(score);
	}
	CHECK((score = open("/proc/self/oom_score_adj", O_RDWR)) >= 0 && write(score, "0", 1) == 1);
	close(score);
	CHECK(all);
	for (unsigned i = 0; i < 32; i++)
		close(fds[i]);
	unlink("copy");
}

static void without_name(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0666), never = open("d", O_TMPFILE | O_WRONLY | O_EXCL, 0600);

	CHECK(fd >= 0 && never >= 0 && write(fd, "abc", 3) == 3 && fstat(fd, &st) == 0);
	TRY(st.st_mode);
	TRY(st.st_nlink);
	TRY(st.st_size);
	TRY(named(never, "later"));
	TRY(access("later", F_OK));
	TRY(rmdir("d/none"));
	TRY(named(fd, "f"));
	TRY(named(fd, "later"));
	TRY(named(fd, "again"));
	CHECK(fstat(fd, &st) == 0);
	TRY(st.st_nlink);
	TRY(write(fd, "def", 3));
	close(fd);
	close(never);
	TRY(stat("later", &st));
	TRY(st.st_size);
	CHECK((fd = open("again", O_RDONLY)) >= 0);
	memset(buf, 0, 8);
	TRY(read(fd, buf, 8));
	puts(buf);
	TRY(unlink("later"));
	TRY(unlink("again"));
	TRY(named(fd, "later"));		/* it had names */
	TRY(access("later", F_OK));
	close(fd);
	TRY(open("f", O_TMPFILE | O_RDWR, 0600));
	TRY(open("d", O_TMPFILE | O_RDONLY, 0600));
}

static void no_pieces(void)
{
	struct iovec none = { buf, 0 };
	int s[2], fd = open("/dev/full", O_RDWR);

	CHECK(fd >= 0 && (s[0] = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
	TRY(writev(fd, &none, 1));
	TRY(writev(fd, NULL, 0));
	TRY(writev(s[0], &none, 1));
	TRY(readv(s[0], &none, 0));
	close(s[0]);
	CHECK(pipe(s) == 0);
	TRY(readv(s[0], &none, 1));
	TRY(writev(s[0], &none, 1));
	close(s[0]);
	close(s[1]);
	close(fd);
}

static void times(void)
{
	static const long when[] = { 0, -1, -2147483647, 2147483647, 2147483648, 4294967296 };

	for (int i = 0; i < 6; i++) {
		struct timespec ts[2] = { { when[i], 999999999 }, { when[i], 1 } };

		TRY(utimensat(AT_FDCWD, "f", ts, 0));
		CHECK(stat("f", &st) == 0);
		printf("%ld.%09ld %ld.%09ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	}
}

static void direct(void)
{
	struct iovec v[2] = { { buf, 4096 }, { buf + 4096, 100 } };
	int fd = open("direct", O_CREAT | O_RDWR | O_DIRECT, 0644);

	CHECK(fd >= 0);
	TRY(write(fd, buf, 4096));
	TRY(write(fd, buf, 100));
	TRY(write(fd, buf + 1, 4096));
	TRY(write(fd, buf + 1, 0));
	TRY(write(fd, buf, 512));
	TRY(pwrite(fd, buf, 4096, 100));
	TRY(pread(fd, buf, 100, 0));
	TRY(pread(fd, buf, 4096, 1));
	TRY(pread(fd, buf + 3, 4096, 0));
	TRY(pread(fd, buf, 4096, 4096));
	TRY(pread(fd, buf, 8192, 0));
	TRY(preadv(fd, v, 2, 0));
	TRY(pwritev(fd, v, 2, 0));
	TRY(ftruncate(fd, 5000));
	TRY(pread(fd, buf, 8192, 0));
	TRY(pread(fd, buf, 100, 8192));
	TRY(fcntl(fd, F_SETFL, O_APPEND | O_DIRECT));
	TRY(write(fd, buf, 512));
	TRY(fcntl(fd, F_SETFL, 0));
	TRY(pread(fd, buf, 100, 1));
	TRY(fcntl(fd, F_SETFL, O_DIRECT));
	TRY(pread(fd, buf, 100, 1));
	close(fd);
}

static void seen_by_others(const char *name, off_t start, off_t length)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = start, .l_len = length };
	int fd;

	fflush(stdout);
	if (fork() == 0) {
		CHECK((fd = open(name, O_RDWR)) >= 0 && fcntl(fd, F_GETLK, &l) == 0);
		printf("type %d from %ld, %ld long\n", l.l_type, (long)l.l_start, (long)l.l_len);
		fflush(stdout);
		_exit(0);
	}
	CHECK(wait(NULL) > 0);
}

static void locks(void)
{
	static const struct { short type; long start, length; } made[] = {
		{ F_WRLCK, 80, 10 }, { F_RDLCK, 20, 10 }, { F_WRLCK, 50, 10 }, { F_WRLCK, 5, 3 }, { F_UNLCK, 52, 2 }, { F_RDLCK, 54, 1 }
	};
	int fd = make("locked");

	for (int i = 0; i < 6; i++) {
		struct flock l = { .l_type = made[i].type, .l_start = made[i].start, .l_len = made[i].length };

		CHECK(fcntl(fd, F_SETLK, &l) == 0);
		for (int from = 0; from < 100; from += 20)
			seen_by_others("locked", from, 0);
	}
	close(fd);
}

static int queued(int s)
{
	int n = -1;

	return ioctl(s, FIONREAD, &n) < 0 ? -1 : n;
}

static void pipes_and_sockets(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a), four = 4;
	int s[2], listener, value;

	CHECK(pipe(s) == 0 && fstat(s[0], &st) == 0);
	TRY(st.st_mtime > 1000000000 && st.st_atime == st.st_mtime && st.st_ctime == st.st_mtime);
	close(s[0]);
	close(s[1]);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0 && fstat(s[0], &st) == 0);
	TRY(st.st_mtime > 1000000000);
	CHECK(write(s[0], "abc", 3) == 3 && write(s[0], "defgh", 5) == 5);
	TRY(queued(s[1]));
	TRY(poll(&(struct pollfd){ s[0], POLLWRBAND, 0 }, 1, 0));
	TRY(recv(s[1], buf, 10, 0));
	TRY(queued(s[1]));
	TRY(recv(s[1], buf, 10, 0));
	TRY(shutdown(s[1], SHUT_RD));
	TRY(recv(s[1], buf, 10, MSG_DONTWAIT));
	TRY(recv(s[1], buf, 10, 0));
	close(s[0]);
	close(s[1]);
	/* what is taken with MSG_TRUNC from a stream goes nowhere */
	CHECK((listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0 && (s[0] = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	CHECK(bind(listener, (void *)&a, sizeof(a)) == 0 && listen(listener, 1) == 0 && getsockname(listener, (void *)&a, &len) == 0);
	CHECK(connect(s[0], (void *)&a, sizeof(a)) == 0 && (s[1] = accept(listener, NULL, NULL)) >= 0);
	CHECK(write(s[0], "abcdefgh", 8) == 8 && recv(s[1], buf, 1, MSG_PEEK) == 1);
	strcpy(buf, "zzz");
	TRY(recv(s[1], NULL, 3, MSG_TRUNC));
	TRY(recv(s[1], buf, 2, MSG_TRUNC));
	TRY(recv(s[1], buf + 8, 9, 0));
	printf("%.3s %.3s\n", buf, buf + 8);
	close(s[0]);
	close(s[1]);
	close(listener);
	CHECK((s[0] = socket(AF_INET, SOCK_DGRAM, 0)) >= 0);
	TRY(getsockopt(s[0], IPPROTO_UDP, 77, &value, &four));
	TRY(getsockopt(s[0], IPPROTO_TCP, 1, &value, &four));
	close(s[0]);
}

static int removed(const char *path, const struct stat *s, int kind, struct FTW *at)
{
	return s == NULL || at == NULL || kind < 0 || remove(path) < 0;
}

static void everything_in(const char *where, bool on_disk)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/file_details.XXXXXX", where);
	umask(022);
	CHECK(mkdtemp(path) != NULL && chdir(path) == 0);
	links_to_links();
	slashes_and_creating();
	renames();
	any_file();
	sent_from_and_to_texts();
	without_name();
	no_pieces();
	times();
	if (on_disk)
		direct();
	locks();
	pipes_and_sockets();
	CHECK(chdir("/") == 0 && nftw(path, removed, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

int main(void)
{
	be_nobody();
	everything_in("/tmp", false);
	everything_in("/var/tmp", true);
	return ok("");
}
