/* SPDX-License-Identifier: MIT */
/*
 * file_details: what calls on names, open files, locks, pipes and sockets say where several rules meet, and what they leave behind. Prints
 * each with its outcome, for comparison with Linux.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
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

/* O_TMPFILE: a file that gets its first name later, or never */
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

/* Locks of one kind that touch are one, and who unlocks its middle has two again. */
static void touching_locks(void)
{
	static const struct { short type; long start, length; } made[] = {
		{ F_WRLCK, 10, 5 }, { F_WRLCK, 15, 5 }, { F_WRLCK, 30, 5 }, { F_RDLCK, 20, 5 }, { F_RDLCK, 25, 5 }, { F_WRLCK, 20, 10 }, { F_RDLCK, 5, 5 },
		{ F_RDLCK, 12, 2 }, { F_RDLCK, 10, 2 }, { F_UNLCK, 17, 1 }, { F_WRLCK, 35, 0 }, { F_RDLCK, 0, 0 }
	};
	int fd = make("locked");

	for (int i = 0; i < 12; i++) {
		struct flock l = { .l_type = made[i].type, .l_start = made[i].start, .l_len = made[i].length };

		CHECK(fcntl(fd, F_SETLK, &l) == 0);
		for (int from = 0; from < 40; from += 8)
			seen_by_others("locked", from, 0);
	}
	close(fd);
}

/* flock(2): to change a lock is to give it up first. */
static void changed_locks(void)
{
	int one = make("locked"), other = open("locked", O_RDONLY), done[2], status;
	pid_t child;
	char byte;

	CHECK(other >= 0 && pipe(done) == 0);
	TRY(flock(one, LOCK_SH));
	TRY(flock(other, LOCK_SH));
	TRY(flock(one, LOCK_EX | LOCK_NB));
	TRY(flock(other, LOCK_EX | LOCK_NB));		/* the one has lost its own */
	TRY(flock(one, LOCK_SH | LOCK_NB));
	TRY(flock(other, LOCK_SH | LOCK_NB));
	TRY(flock(one, LOCK_SH | LOCK_NB));
	fflush(stdout);
	child = fork();					/* both want it for themselves, and each gets it */
	if (child == 0) {
		CHECK(flock(other, LOCK_EX) == 0 && write(done[1], "x", 1) == 1 && flock(other, LOCK_UN) == 0);
		_exit(0);
	}
	alarm(20);
	TRY(flock(one, LOCK_EX));
	TRY(flock(one, LOCK_UN));
	TRY(read(done[0], &byte, 1));
	alarm(0);
	CHECK(waitpid(child, &status, 0) == child);
	TRY(status);
	close(one);
	close(other);
	close(done[0]);
	close(done[1]);
}

static int hung_up(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

/* Who opens a fifo's end after the writers have gone is not told of them. */
static void readers_of_fifos(void)
{
	int first, second, writer;

	CHECK(mkfifo("late", 0600) == 0 && (first = open("late", O_RDONLY | O_NONBLOCK)) >= 0);
	TRY(hung_up(first));
	CHECK((writer = open("late", O_WRONLY)) >= 0);
	close(writer);
	TRY(hung_up(first));
	CHECK((second = open("late", O_RDONLY | O_NONBLOCK)) >= 0);
	TRY(hung_up(second));
	TRY(hung_up(first));
	CHECK((writer = open("late", O_WRONLY)) >= 0);
	TRY(hung_up(second));
	close(writer);
	TRY(hung_up(second));
	close(first);
	close(second);
	/* set-id bits go with a change of owner, of whatever is no folder */
	TRY(chmod("late", 06755));
	TRY(chown("late", -1, -1));
	CHECK(stat("late", &st) == 0);
	printf("%o\n", st.st_mode);
}

static void shown_by_descriptors(void)
{
	static const int how[] = { O_RDONLY, O_WRONLY, O_RDWR, O_PATH };

	for (int i = 0; i < 4; i++) {
		int fd = open("f", how[i]);

		CHECK(fd >= 0);
		snprintf(buf, 64, "/proc/self/fd/%d", fd);
		CHECK(lstat(buf, &st) == 0);
		printf("%o\n", st.st_mode);
		close(fd);
	}
}

/* What is read from the beginning of a file of /proc is what is so now. */
static void read_again(void)
{
	int fd = open("/proc/self/comm", O_RDONLY);

	CHECK(fd >= 0 && prctl(PR_SET_NAME, "first") == 0);
	memset(buf, 0, 32);
	TRY(read(fd, buf, 32));
	TRY(read(fd, buf + 16, 16));
	CHECK(prctl(PR_SET_NAME, "second") == 0);
	TRY(pread(fd, buf + 16, 16, 0));
	printf("%s%s", buf, buf + 16);
	CHECK(prctl(PR_SET_NAME, "3") == 0 && lseek(fd, 0, SEEK_SET) == 0);
	memset(buf, 0, 32);
	TRY(read(fd, buf, 1));
	TRY(read(fd, buf + 1, 16));
	printf("%s", buf);
	close(fd);
}

static void listed_locks(void)
{
	char kind[8], how[8], path[] = "/proc/locks", line[200];
	unsigned long long ino, nr_flock = 0, nr_posix = 0;
	int fd = make("listed");
	struct flock l = { .l_type = F_WRLCK, .l_start = 3, .l_len = 4 };
	FILE *f;

	CHECK(fstat(fd, &st) == 0 && flock(fd, LOCK_SH) == 0 && fcntl(fd, F_SETLK, &l) == 0 && (f = fopen(path, "r")) != NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		int pid;

		if (sscanf(line, "%*d: %7s ADVISORY %7s %d %*x:%*x:%llu", kind, how, &pid, &ino) != 4 || ino != st.st_ino || pid != getpid())
			continue;
		nr_flock += strcmp(kind, "FLOCK") == 0 && strcmp(how, "READ") == 0 && strstr(line, " 0 EOF\n") != NULL;
		nr_posix += strcmp(kind, "POSIX") == 0 && strcmp(how, "WRITE") == 0 && strstr(line, " 3 6\n") != NULL;
	}
	fclose(f);
	close(fd);
	printf("in /proc/locks: %llu %llu\n", nr_flock, nr_posix);
}

static int polled(int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM, 0 };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static void of_descriptors(void)
{
	struct { unsigned long flags, mode, resolve; } how = { O_PATH | O_RDWR, 0, 0 };
	static char much[200000];
	unsigned long hint = 77;
	sigset_t none;
	int fd;

	CHECK((fd = open("/dev/zero", O_RDONLY)) >= 0);
	TRY(read(fd, much, sizeof(much)));			/* all of it at once */
	close(fd);
	CHECK((fd = open("/dev/urandom", O_RDONLY)) >= 0);
	TRY(read(fd, much, sizeof(much)));
	TRY(ioctl(fd, RNDGETENTCNT, &hint));
	close(fd);
	CHECK((fd = eventfd(1, 0)) >= 0);
	TRY(polled(fd));
	close(fd);
	CHECK((fd = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0);
	CHECK(timerfd_settime(fd, 0, &(struct itimerspec){ { 0, 0 }, { 0, 1 } }, NULL) == 0 && usleep(20000) == 0);
	TRY(polled(fd));
	close(fd);
	sigemptyset(&none);
	CHECK((fd = signalfd(-1, &none, 0)) >= 0);
	TRY(polled(fd));
	close(fd);
	TRY(syscall(SYS_openat2, AT_FDCWD, "f", &how, sizeof(how)));
	how.flags = O_PATH | O_CREAT;
	TRY(syscall(SYS_openat2, AT_FDCWD, "f", &how, sizeof(how)));
	CHECK((fd = open("f", O_RDONLY)) >= 0);
	TRY(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	hint = 3;
	TRY(fcntl(fd, F_SET_RW_HINT, &hint));
	hint = 0;
	TRY(fcntl(fd, F_GET_RW_HINT, &hint));
	TRY(hint);
	hint = 6;
	TRY(fcntl(fd, F_SET_RW_HINT, &hint));
	TRY(fcntl(fd, F_GET_RW_HINT, NULL));
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
	touching_locks();
	changed_locks();
	listed_locks();
	readers_of_fifos();
	shown_by_descriptors();
	read_again();
	of_descriptors();
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
